//! How questions and answers cross the socket pair: a length, a kind, and fields; a descriptor may travel beside.
//!
//! Numbers are eight octets, big-endian; texts and lists have their length in front. Edits and states are written as the journal
//! and the state file have them. Everything is bounded, and what is left over or missing makes the whole invalid.

use super::{Answer, Ask, Opened};
use crate::agent::NotCommitted;
use crate::agent::guard::Undone;
use crate::dm::error::Refusal;
use crate::dm::record;
use crate::io::commit::Request;
use crate::io::disk::{MAX_FILE, Stat};
use crate::io::firewall::Opening;
use crate::state::State;
use crate::time::Wall;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// The longest question, in octets: a state, or the edits of a commit with what they replace.
pub const MAX_ASK: usize = 2 << 20;
/// The longest answer, in octets: a file.
pub const MAX_ANSWER: usize = MAX_FILE as usize + 64;
/// The most items of a list.
const MAX_ITEMS: u64 = 65_536;

/// Asks over `lane`, and waits for the answer.
pub fn call(lane: &UnixStream, ask: &Ask) -> io::Result<Answer> {
    let (frame, beside) = write_ask(ask).ok_or(io::ErrorKind::FileTooLarge)?;
    send(lane, &frame, beside)?;
    let (frame, beside) = receive(lane, MAX_ANSWER)?.ok_or(io::ErrorKind::BrokenPipe)?;
    read_answer(&frame, beside).ok_or(io::ErrorKind::InvalidData.into())
}

/// The next question; `None` where nobody asks any more. Fails with `InvalidData` where it is none.
pub fn next(lane: &UnixStream) -> io::Result<Option<Ask>> {
    match receive(lane, MAX_ASK)? {
        Some((frame, beside)) => read_ask(&frame, beside).map(Some).ok_or(io::ErrorKind::InvalidData.into()),
        None => Ok(None),
    }
}

/// Answers. One that is too long becomes a failure.
pub fn answer(lane: &UnixStream, answer: &Answer) -> io::Result<()> {
    let frame = write_answer(answer).filter(|frame| frame.len() <= MAX_ANSWER);
    let frame = frame.or_else(|| write_answer(&Answer::Failed(io::ErrorKind::FileTooLarge.into())));
    let beside = if let Answer::Socket(socket) = answer { Some(socket.as_fd()) } else { None };
    send(lane, &frame.unwrap_or_default(), beside)
}

fn send(lane: &UnixStream, frame: &[u8], beside: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let head = u32::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidInput)?.to_be_bytes();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let beside: Vec<BorrowedFd<'_>> = beside.into_iter().collect();
    if !beside.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&beside));
    }
    let parts = [IoSlice::new(&head)];
    match retry_on_intr(|| sendmsg(lane, &parts, &mut control, SendFlags::NOSIGNAL))? {
        sent if sent == head.len() => (&mut &*lane).write_all(frame),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

fn receive(lane: &UnixStream, limit: usize) -> io::Result<Option<(Vec<u8>, Option<OwnedFd>)>> {
    let mut head = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut head)];
    // The kernel closes what does not fit into the buffer.
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL;
    let received = retry_on_intr(|| recvmsg(lane, &mut parts, &mut control, flags));
    let taken = match received {
        Ok(received) => received.bytes,
        // The other end is gone with questions unread.
        Err(Errno::CONNRESET) => 0,
        Err(why) => return Err(why.into()),
    };
    let mut beside = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
            beside = descriptors.next();
        }
    }
    if taken == 0 {
        return Ok(None);
    }
    let length = u32::from_be_bytes(head) as usize;
    if taken < head.len() || length > limit {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = Vec::new();
    (&mut &*lane).take(length as u64).read_to_end(&mut frame)?;
    if frame.len() < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(Some((frame, beside))) }
}

/// Fields, one behind the other.
#[derive(Default)]
struct Out(Vec<u8>);

impl Out {
    fn kind(kind: u8) -> Out {
        Out(vec![kind])
    }

    fn number(mut self, number: u64) -> Out {
        self.0.extend(number.to_be_bytes());
        self
    }

    fn octets(self, octets: &[u8]) -> Out {
        let mut out = self.number(octets.len() as u64);
        out.0.extend(octets);
        out
    }

    fn texts<T: AsRef<str>>(self, texts: &[T]) -> Out {
        let out = self.number(texts.len() as u64);
        texts.iter().fold(out, |out, text| out.octets(text.as_ref().as_bytes()))
    }
}

/// Fields to be read.
struct In<'a>(&'a [u8]);

impl<'a> In<'a> {
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*number))
    }

    fn octets(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (octets, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(octets)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.octets()?).ok()
    }

    fn texts<T: From<&'a str>>(&mut self) -> Option<Vec<T>> {
        let count = self.number().filter(|count| *count <= MAX_ITEMS)?;
        (0..count).map(|_| self.text().map(T::from)).collect()
    }

    fn state(&mut self) -> Option<State> {
        State::decode(self.octets()?).ok().map(|(_, state)| state)
    }
}

fn state(state: &State) -> Option<String> {
    state.encode(0).ok()
}

fn write_ask(ask: &Ask) -> Option<(Vec<u8>, Option<BorrowedFd<'_>>)> {
    let mut beside = None;
    let out = match ask {
        Ask::Open => Out::kind(0),
        Ask::Commit(request) => {
            let mut edits = String::new();
            request.edits.iter().try_for_each(|edit| record::write_edit(edit, &mut edits)).ok()?;
            let read: Vec<&str> = request.read.iter().flat_map(|(source, sum)| [&**source, &**sum]).collect();
            let out = Out::kind(1).octets(edits.as_bytes()).texts(&read);
            out.texts(&request.calls).texts(request.keep.as_slice())
        }
        Ask::Save(next) => Out::kind(2).octets(state(next)?.as_bytes()),
        Ask::Note(texts, whole) => Out::kind(3).texts(texts).texts(whole),
        Ask::Announced(upto, packages) => Out::kind(4).number(*upto).texts(packages),
        Ask::Read(path, limit) => Out::kind(5).octets(path.as_bytes()).number(*limit),
        Ask::Stat(path) => Out::kind(6).octets(path.as_bytes()),
        Ask::List(path) => Out::kind(7).octets(path.as_bytes()),
        Ask::Local => Out::kind(8),
        Ask::Echo(v6) => Out::kind(9).number((*v6).into()),
        Ask::Mark(mark, socket) => {
            beside = Some(socket.as_fd());
            Out::kind(10).number((*mark).into())
        }
        Ask::Priority(priority, socket) => {
            beside = Some(socket.as_fd());
            Out::kind(17).number((*priority).into())
        }
        Ask::Hostapd => Out::kind(18),
        Ask::Reboot => Out::kind(11),
        Ask::FactoryReset => Out::kind(12),
        Ask::TakeBack(manager, note) => Out::kind(13).octets(manager.as_bytes()).octets(note.as_bytes()),
        Ask::Release(manager) => Out::kind(14).octets(manager.as_bytes()),
        Ask::Openings(openings) => {
            Out::kind(15).texts(&openings.iter().map(Opening::to_text).collect::<Vec<_>>())
        }
        Ask::Audit(flash, kib, lines) => {
            Out::kind(16).number((*flash).into()).number((*kib).into()).texts(lines)
        }
    };
    (out.0.len() <= MAX_ASK).then_some((out.0, beside))
}

fn read_ask(frame: &[u8], beside: Option<OwnedFd>) -> Option<Ask> {
    let (kind, fields) = frame.split_first()?;
    let mut fields = In(fields);
    let ask = match kind {
        0 => Ask::Open,
        1 => {
            let edits = record::read_edits(fields.text()?).ok()?;
            let texts: Vec<&str> = fields.texts()?;
            let (pairs, []) = texts.as_chunks() else { return None };
            let read = pairs.iter().map(|[source, sum]| ((*source).into(), (*sum).into())).collect();
            Ask::Commit(Request { edits, read, calls: fields.texts()?, keep: fields.texts()?.pop() })
        }
        2 => Ask::Save(Box::new(fields.state()?)),
        3 => Ask::Note(fields.texts()?, fields.texts()?),
        4 => Ask::Announced(fields.number()?, fields.texts()?),
        5 => Ask::Read(fields.text()?.into(), fields.number()?),
        6 => Ask::Stat(fields.text()?.into()),
        7 => Ask::List(fields.text()?.into()),
        8 => Ask::Local,
        9 => Ask::Echo(fields.number()? != 0),
        10 => Ask::Mark(fields.number()?.try_into().ok()?, beside?),
        11 => Ask::Reboot,
        12 => Ask::FactoryReset,
        13 => Ask::TakeBack(fields.text()?.into(), fields.text()?.into()),
        14 => Ask::Release(fields.text()?.into()),
        15 => {
            let texts: Vec<&str> = fields.texts()?;
            Ask::Openings(texts.into_iter().map(Opening::from_text).collect::<Option<_>>()?)
        }
        16 => Ask::Audit(fields.number()? != 0, fields.number()?.try_into().ok()?, fields.texts()?),
        17 => Ask::Priority(fields.number()?.try_into().ok()?, beside?),
        18 => Ask::Hostapd,
        _ => return None,
    };
    fields.0.is_empty().then_some(ask)
}

fn write_answer(answer: &Answer) -> Option<Vec<u8>> {
    let out = match answer {
        Answer::Done => Out::kind(0),
        Answer::Failed(error) => Out::kind(1).number(number(error).into()),
        Answer::Opened(opened) => Out::kind(2)
            .octets(state(&opened.state)?.as_bytes())
            .texts(&opened.events)
            .texts(&opened.unannounced)
            .texts(&opened.calls),
        Answer::Committed(Ok((sequence, packages))) => Out::kind(3).number(*sequence).texts(packages),
        Answer::Committed(Err(NotCommitted::Changed)) => Out::kind(4),
        Answer::Committed(Err(NotCommitted::Refused(why))) => match why {
            Refusal::Busy(why) => Out::kind(5).octets(why.as_bytes()),
            Refusal::Backend(why) => Out::kind(6).octets(why.as_bytes()),
            // A commit gives no other.
            other => Out::kind(6).octets(other.to_string().as_bytes()),
        },
        Answer::Content(content) => Out::kind(7).octets(content),
        Answer::Stat(stat) => Out::kind(8)
            .number(stat.len)
            .number(stat.mode.into())
            .number(stat.modified.seconds.cast_unsigned())
            .number(stat.modified.micros.into())
            .number(stat.inode)
            .number(stat.is_dir.into()),
        Answer::Names(names) => Out::kind(9).texts(names),
        Answer::Socket(_) => Out::kind(10),
        Answer::Undone(undone) => Out::kind(11)
            .number(undone.sequence)
            .texts(&undone.packages)
            .octets(state(&undone.state)?.as_bytes())
            .texts(&undone.stayed),
    };
    Some(out.0)
}

fn read_answer(frame: &[u8], beside: Option<OwnedFd>) -> Option<Answer> {
    let (kind, fields) = frame.split_first()?;
    let mut fields = In(fields);
    let refused = |why| Answer::Committed(Err(NotCommitted::Refused(why)));
    let answer = match kind {
        0 => Answer::Done,
        1 => Answer::Failed(io::Error::from_raw_os_error(fields.number()?.try_into().ok()?)),
        2 => {
            let (state, events) = (fields.state()?, fields.texts()?);
            let (unannounced, calls) = (fields.texts()?, fields.texts()?);
            Answer::Opened(Box::new(Opened { state, events, unannounced, calls }))
        }
        3 => Answer::Committed(Ok((fields.number()?, fields.texts()?))),
        4 => Answer::Committed(Err(NotCommitted::Changed)),
        5 => refused(Refusal::Busy(fields.text()?.into())),
        6 => refused(Refusal::Backend(fields.text()?.into())),
        7 => Answer::Content(fields.octets()?.to_vec()),
        8 => Answer::Stat(Stat {
            len: fields.number()?,
            mode: fields.number()?.try_into().ok()?,
            modified: Wall {
                seconds: fields.number()?.cast_signed(),
                micros: fields.number()?.try_into().ok()?,
            },
            inode: fields.number()?,
            is_dir: fields.number()? != 0,
        }),
        9 => Answer::Names(fields.texts()?),
        10 => Answer::Socket(beside?),
        11 => {
            let (sequence, packages) = (fields.number()?, fields.texts()?);
            let (state, stayed) = (fields.state()?, fields.texts()?);
            Answer::Undone(Box::new(Undone { sequence, packages, state, stayed }))
        }
        _ => return None,
    };
    fields.0.is_empty().then_some(answer)
}

/// An error as the kernel's number, with which its kind comes back.
fn number(error: &io::Error) -> u32 {
    let known = match error.kind() {
        io::ErrorKind::FileTooLarge => Errno::FBIG,
        io::ErrorKind::StorageFull => Errno::NOSPC,
        io::ErrorKind::InvalidInput => Errno::INVAL,
        io::ErrorKind::PermissionDenied => Errno::ACCESS,
        io::ErrorKind::NotFound => Errno::NOENT,
        _ => Errno::IO,
    };
    error.raw_os_error().unwrap_or(known.raw_os_error()).unsigned_abs()
}
