//! Frames of a WebSocket session: what a peer sends becomes messages, and what is sent becomes frames.
//!
//! Pure. Source: RFC 6455 5 and 7.4. No extension is ever agreed to, so reserved bits and opcodes are refused, and so is text, which holds no Record.
//! [`Reader`] refuses at the first octet that breaks a rule, and never holds more than a Record. Sockets, deadlines and masks are `io::mtp::websocket`'s.

use super::close_reason;
use crate::usp::mtp::{MAX_RECORD, NOT_A_RECORD};

/// Longest payload of a control frame, in octets. Source: RFC 6455 5.5.
pub const MAX_CONTROL: usize = 125;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A Record.
    Record = BINARY,
    /// The end; [`farewell`] makes its payload.
    Close = CLOSE,
    /// A question whether the peer is there.
    Ping = PING,
    /// The answer, with the payload of the question.
    Pong = PONG,
}

/// What a peer sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A Record, put together of all its fragments.
    Record(Vec<u8>),
    /// To be answered with a Pong of the same payload.
    Ping(Vec<u8>),
    /// The answer to a Ping.
    Pong,
    /// The end: its code and reason, where they are told.
    Close(Option<(u16, String)>),
}

/// Why a session cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// To close it with.
    pub code: u16,
    /// In words.
    pub why: &'static str,
}

/// A breach of the protocol.
const fn bad(why: &'static str) -> Refused {
    Refused { code: 1002, why }
}

/// A frame whose payload is not all there yet.
struct Frame {
    last: bool,
    opcode: u8,
    /// For the octets that come next; all zero where nothing is masked.
    mask: [u8; 4],
    left: usize,
}

/// Takes what a peer sends, in pieces of any size.
pub struct Reader {
    /// Whether the peer opened the session, so that it masks what it sends.
    masked: bool,
    /// What there is of the head of a frame.
    head: Vec<u8>,
    frame: Option<Frame>,
    /// A Record that is not complete.
    record: Option<Vec<u8>>,
    /// The payload of a control frame, which may come between the fragments of a Record.
    control: Vec<u8>,
    /// Whether the peer has ended the session, or was refused: what it still sends counts no more.
    over: bool,
}

impl Reader {
    /// For a session that stands; `masked` where the peer opened it.
    pub fn new(masked: bool) -> Reader {
        Reader { masked, head: Vec::new(), frame: None, record: None, control: Vec::new(), over: false }
    }

    /// Takes octets off the front of `octets` up to the end of the next message; `None` once all are taken.
    pub fn take(&mut self, octets: &mut &[u8]) -> Result<Option<Incoming>, Refused> {
        if self.over {
            *octets = &[];
            return Ok(None);
        }
        let found = self.next(octets);
        self.over = matches!(found, Err(_) | Ok(Some(Incoming::Close(_))));
        found
    }

    fn next(&mut self, octets: &mut &[u8]) -> Result<Option<Incoming>, Refused> {
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.begin(octets)? {
                    Some(frame) => frame,
                    None => return Ok(None),
                },
            };
            let into = match frame.opcode {
                CLOSE.. => &mut self.control,
                _ => self.record.get_or_insert_default(),
            };
            let (fresh, rest) = octets.split_at(frame.left.min(octets.len()));
            *octets = rest;
            into.extend(fresh.iter().zip(frame.mask.iter().cycle()).map(|(octet, mask)| octet ^ mask));
            frame.mask.rotate_left(fresh.len() % 4);
            frame.left -= fresh.len();
            if frame.left > 0 {
                self.frame = Some(frame);
                return Ok(None);
            }
            match frame.opcode {
                CLOSE => return closed(&self.control).map(Some),
                PING => return Ok(Some(Incoming::Ping(std::mem::take(&mut self.control)))),
                PONG => {
                    self.control.clear();
                    return Ok(Some(Incoming::Pong));
                }
                _ if frame.last => return Ok(self.record.take().map(Incoming::Record)),
                _ => {}
            }
        }
    }

    /// The next frame, once its head is complete.
    fn begin(&mut self, octets: &mut &[u8]) -> Result<Option<Frame>, Refused> {
        while let Some((first, rest)) = octets.split_first() {
            *octets = rest;
            self.head.push(*first);
            if let Some(frame) = self.judge()? {
                self.head.clear();
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    /// Judges what there is of a head.
    fn judge(&self) -> Result<Option<Frame>, Refused> {
        let [first, second, rest @ ..] = &*self.head else { return Ok(None) };
        let (last, opcode, short) = (first & 0x80 != 0, first & 0x0f, second & 0x7f);
        //= RFC 6455 5.2: reserved bits are zero where no extension gives them a meaning.
        if first & 0x70 != 0 {
            return Err(bad("a frame with reserved bits"));
        }
        //= RFC 6455 5.1: who opened the session masks all frames, the other one none.
        if (second & 0x80 != 0) != self.masked {
            return Err(bad(if self.masked { "a frame without a mask" } else { "a frame with a mask" }));
        }
        match (opcode, &self.record) {
            //= TR-369 R-WS.16: no Record can be read from a text message.
            (TEXT, _) => return Err(Refused { code: NOT_A_RECORD, why: "text is no Record" }),
            //= RFC 6455 5.4: the fragments of a message follow each other, with nothing but control frames between them.
            (CONTINUATION, None) => return Err(bad("a fragment without a beginning")),
            (BINARY, Some(_)) => return Err(bad("a message within another one")),
            (CONTINUATION, Some(_)) | (BINARY, None) => {}
            //= RFC 6455 5.5: a control frame is short, and whole.
            (CLOSE | PING | PONG, _) if !last || usize::from(short) > MAX_CONTROL => {
                return Err(bad("a control frame that is long, or a fragment"));
            }
            (CLOSE | PING | PONG, _) => {}
            //= RFC 6455 5.2: an unknown opcode ends the session.
            _ => return Err(bad("an unknown opcode")),
        }
        let (wide, least) = match short {
            126 => (2, 126),
            127 => (8, 0x1_0000),
            _ => (0, 0),
        };
        let Some((wide, mask)) = rest.split_at_checked(wide) else { return Ok(None) };
        let length = match wide {
            [] => u64::from(short),
            wide => wide.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet)),
        };
        //= RFC 6455 5.2: a length takes no more octets than it needs.
        if length < least {
            return Err(bad("a length with more octets than it needs"));
        }
        let room = MAX_RECORD - self.record.as_ref().map_or(0, Vec::len);
        let left = match usize::try_from(length) {
            Ok(left) if left <= room => left,
            Ok(left) if opcode >= CLOSE => left,
            //= RFC 6455 7.4.1: a message that is too large to take is refused with 1009.
            _ => return Err(Refused { code: 1009, why: "a message that is too long" }),
        };
        let mask = match (self.masked, mask.first_chunk()) {
            (false, _) => [0; 4],
            (true, Some(mask)) => *mask,
            (true, None) => return Ok(None),
        };
        Ok(Some(Frame { last, opcode, mask, left }))
    }
}

/// Reads the payload of a Close frame.
//= RFC 6455 5.5.1: it is empty, or a code and a text.
//= RFC 6455 7.4: not every code may be sent.
fn closed(payload: &[u8]) -> Result<Incoming, Refused> {
    match payload {
        [] => Ok(Incoming::Close(None)),
        [_] => Err(bad("half a code")),
        [high, low, reason @ ..] => match (u16::from_be_bytes([*high, *low]), std::str::from_utf8(reason)) {
            (code @ (1000..=1003 | 1007..=1014 | 3000..=4999), Ok(reason)) => {
                Ok(Incoming::Close(Some((code, reason.to_owned()))))
            }
            //= RFC 6455 7.4.1: what is not of its type is refused with 1007.
            (_, Err(_)) => Err(Refused { code: 1007, why: "a reason that is no UTF-8" }),
            (_, Ok(_)) => Err(bad("a code that nobody may send")),
        },
    }
}

/// Makes one frame of a payload, in its own buffer; `mask` where we opened the session. A control frame's is cut at [`MAX_CONTROL`].
//= TR-369 R-WS.14: a Record is a binary message.
//= TR-369 R-WS.14a: a message is sent as one frame.
//= RFC 6455 5.2: the last and only frame of a message; its length in 7, 16 or 64 bits.
//= RFC 6455 5.3: who opened the session masks what it sends.
pub fn frame(kind: Kind, mut payload: Vec<u8>, mask: Option<[u8; 4]>) -> Vec<u8> {
    if kind != Kind::Record {
        payload.truncate(MAX_CONTROL);
    }
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut head = vec![0x80 | kind as u8];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ ..126), _) => head.push(masked | short),
        (_, Ok(length)) => {
            head.push(masked | 126);
            head.extend(length.to_be_bytes());
        }
        _ => {
            head.push(masked | 127);
            head.extend((payload.len() as u64).to_be_bytes());
        }
    }
    if let Some(mask) = mask {
        head.extend(mask);
        for (octet, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
            *octet ^= mask;
        }
    }
    // No doubling of what is complete.
    payload.reserve_exact(head.len());
    payload.splice(..0, head);
    payload
}

/// The payload of a Close frame.
pub fn farewell(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), close_reason(reason).as_bytes()].concat()
}

#[doc(hidden)]
/// Feeds arbitrary octets to the reader, whole and in pieces; returns at all times.
pub fn exercise(octets: &[u8]) {
    for masked in [false, true] {
        let all = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let mut reader = Reader::new(masked);
            let mut found = Vec::new();
            for mut piece in pieces {
                loop {
                    match reader.take(&mut piece) {
                        Ok(None) => break,
                        one => found.push(one),
                    }
                }
            }
            assert!(reader.record.is_none_or(|record| record.len() <= MAX_RECORD));
            found
        };
        let whole = all(&mut std::iter::once(octets));
        assert_eq!(whole, all(&mut octets.chunks(1)));
        assert_eq!(whole, all(&mut octets.chunks(7)));
    }
}

#[cfg(test)]
mod tests;
