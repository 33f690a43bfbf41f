//! One ubus message: header, kind, attributes; and cutting a stream of octets into messages.
//!
//! Header: version 0, kind, 16 bit sequence number, 32 bit peer, all big-endian; then one blob with id 0. Keeps the order of
//! attributes, so that a message is written as it was read. Knows no conversation; [`super::client`] drives it.

use super::blob::{self, Entries, Error, MAX_MESSAGE, attribute, attributes};
use std::fmt;

/// Octets before a message's blob.
const HEADER: usize = 8;

/// What a message is for. Source: ubus `enum ubus_msg_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The server's first word; its peer is our client id.
    Hello = 0,
    /// Ends a request.
    Status = 1,
    /// Answers a request, any number of times before its status.
    Data = 2,
    /// Asks whether the peer is there.
    Ping = 3,
    /// Asks for objects by path.
    Lookup = 4,
    /// Calls a method; also how events and notifications arrive.
    Invoke = 5,
    /// Publishes an object.
    AddObject = 6,
    /// Withdraws one.
    RemoveObject = 7,
    /// Asks for an object's notifications.
    Subscribe = 8,
    /// Ends that; from the server: the object is gone.
    Unsubscribe = 9,
    /// A notification leaves its source; from the server: whether anybody subscribes.
    Notify = 10,
    /// Switches eavesdropping.
    Monitor = 11,
}

impl Kind {
    const ALL: [Kind; 12] = [
        Kind::Hello,
        Kind::Status,
        Kind::Data,
        Kind::Ping,
        Kind::Lookup,
        Kind::Invoke,
        Kind::AddObject,
        Kind::RemoveObject,
        Kind::Subscribe,
        Kind::Unsubscribe,
        Kind::Notify,
        Kind::Monitor,
    ];
}

/// How a request ended. Source: ubus `enum ubus_msg_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the documentation, and ubus has no more")]
pub enum Status {
    Ok,
    InvalidCommand,
    InvalidArgument,
    MethodNotFound,
    NotFound,
    NoData,
    PermissionDenied,
    Timeout,
    NotSupported,
    UnknownError,
    ConnectionFailed,
    NoMemory,
    ParseError,
    SystemError,
    /// A number newer than this list.
    Other(u32),
}

impl Status {
    const NAMED: [(Status, &'static str); 14] = [
        (Status::Ok, "success"),
        (Status::InvalidCommand, "invalid command"),
        (Status::InvalidArgument, "invalid argument"),
        (Status::MethodNotFound, "method not found"),
        (Status::NotFound, "not found"),
        (Status::NoData, "no response"),
        (Status::PermissionDenied, "permission denied"),
        (Status::Timeout, "request timed out"),
        (Status::NotSupported, "operation not supported"),
        (Status::UnknownError, "unknown error"),
        (Status::ConnectionFailed, "connection failed"),
        (Status::NoMemory, "out of memory"),
        (Status::ParseError, "parsing message data failed"),
        (Status::SystemError, "system error"),
    ];

    /// The status of a number on the wire.
    pub fn from_number(number: u32) -> Status {
        let named = usize::try_from(number).ok().and_then(|n| Status::NAMED.get(n));
        named.map_or(Status::Other(number), |(status, _)| *status)
    }

    /// The number on the wire.
    pub fn number(self) -> u32 {
        match self {
            Status::Other(number) => number,
            named => Status::NAMED.iter().position(|(status, _)| *status == named).unwrap_or(0) as u32,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Status::NAMED.get(self.number() as usize) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "status {}", self.number()),
        }
    }
}

/// One attribute of a message. Source: ubus `enum ubus_msg_attr`; the discriminant is the id.
#[derive(Clone, Debug, PartialEq)]
pub enum Attr {
    /// 1: how the request ended.
    Status(Status),
    /// 2: an object's path.
    ObjPath(Box<str>),
    /// 3: an object's number.
    ObjId(u32),
    /// 4: a method, or an event's or notification's kind.
    Method(Box<str>),
    /// 5: the number of a signature.
    ObjType(u32),
    /// 6: one table per method with one number per argument.
    Signature(Entries),
    /// 7: arguments or results.
    Data(Entries),
    /// 8: the object subscribed to.
    Target(u32),
    /// 9: whether an object has subscribers.
    Active(bool),
    /// 10: the sender waits for no status.
    NoReply(bool),
    /// 11: the subscribers a notification went to.
    Subscribers(Vec<u32>),
    /// 12: the caller's user name.
    User(Box<str>),
    /// 13: the caller's group name.
    Group(Box<str>),
}

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// What it is for.
    pub kind: Kind,
    /// Chosen by who asks, echoed in the answers.
    pub seq: u16,
    /// A client or object number, by kind.
    pub peer: u32,
    /// In the order of the wire.
    pub attrs: Vec<Attr>,
}

macro_rules! first {
    ($($(#[$doc:meta])* $name:ident $attr:ident -> $kind:ty;)*) => {$(
        $(#[$doc])*
        pub fn $name(&self) -> Option<$kind> {
            self.attrs.iter().find_map(|attr| match attr {
                Attr::$attr(value) => Some(value.clone()),
                _ => None,
            })
        }
    )*};
}

impl Frame {
    /// A message without attributes.
    pub fn new(kind: Kind, seq: u16, peer: u32) -> Frame {
        Frame { kind, seq, peer, attrs: Vec::new() }
    }

    /// With one more attribute at the end.
    pub fn with(mut self, attr: Attr) -> Frame {
        self.attrs.push(attr);
        self
    }

    first! {
        /// The first status in it.
        status Status -> Status;
        /// The first object path in it.
        path ObjPath -> Box<str>;
        /// The first object number in it.
        object ObjId -> u32;
        /// The first method in it.
        method Method -> Box<str>;
        /// The first target in it.
        target Target -> u32;
        /// The caller's user name.
        user User -> Box<str>;
        /// The caller's group name.
        group Group -> Box<str>;
    }

    /// Takes the arguments or results out; empty where there are none.
    pub fn take_data(&mut self) -> Entries {
        self.attrs
            .iter_mut()
            .find_map(|attr| match attr {
                Attr::Data(table) => Some(std::mem::take(table)),
                _ => None,
            })
            .unwrap_or_default()
    }

    /// Takes the signature out; empty where there is none.
    pub fn take_signature(&mut self) -> Entries {
        self.attrs
            .iter_mut()
            .find_map(|attr| match attr {
                Attr::Signature(table) => Some(std::mem::take(table)),
                _ => None,
            })
            .unwrap_or_default()
    }

    /// Whether the sender waits for no status.
    pub fn no_reply(&self) -> bool {
        self.attrs.contains(&Attr::NoReply(true))
    }

    /// Appends the message to `out`; on refusal `out` is as before. See [`blob::encode`] for what is refused.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let start = out.len();
        out.extend_from_slice(&[0, self.kind as u8]);
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(&self.peer.to_be_bytes());
        let written = attribute(out, 0, |out| self.attrs.iter().try_for_each(|attr| attr.write(out)));
        let size = out.len() - start - HEADER;
        let written = written.and(if size > MAX_MESSAGE { Err(Error::TooLarge) } else { Ok(()) });
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    fn read(kind: Kind, seq: u16, peer: u32, payload: &[u8]) -> Result<Frame, Error> {
        let mut frame = Frame::new(kind, seq, peer);
        for attribute in attributes(payload) {
            let attribute = attribute?;
            frame.attrs.extend(Attr::read(attribute.id, attribute.payload)?);
        }
        Ok(frame)
    }
}

impl Attr {
    fn write(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let text = |out: &mut Vec<u8>, id, text: &str| {
            if text.contains('\0') {
                return Err(Error::Nul);
            }
            attribute(out, id, |out| {
                out.extend_from_slice(text.as_bytes());
                out.push(0);
                Ok(())
            })
        };
        let octets = |out: &mut Vec<u8>, id, octets: &[u8]| {
            attribute(out, id, |out| {
                out.extend_from_slice(octets);
                Ok(())
            })
        };
        match self {
            Attr::Status(status) => octets(out, 1, &status.number().to_be_bytes()),
            Attr::ObjPath(path) => text(out, 2, path),
            Attr::ObjId(id) => octets(out, 3, &id.to_be_bytes()),
            Attr::Method(method) => text(out, 4, method),
            Attr::ObjType(id) => octets(out, 5, &id.to_be_bytes()),
            Attr::Signature(table) => attribute(out, 6, |out| blob::encode(table, out)),
            Attr::Data(table) => attribute(out, 7, |out| blob::encode(table, out)),
            Attr::Target(id) => octets(out, 8, &id.to_be_bytes()),
            Attr::Active(yes) => octets(out, 9, &[u8::from(*yes)]),
            Attr::NoReply(yes) => octets(out, 10, &[u8::from(*yes)]),
            Attr::Subscribers(ids) => {
                attribute(out, 11, |out| ids.iter().try_for_each(|id| octets(out, 0, &id.to_be_bytes())))
            }
            Attr::User(name) => text(out, 12, name),
            Attr::Group(name) => text(out, 13, name),
        }
    }

    /// `None` for an id newer than this list.
    fn read(id: u8, payload: &[u8]) -> Result<Option<Attr>, Error> {
        let number = || Ok::<u32, Error>(u32::from_be_bytes(payload.try_into().map_err(|_| Error::Size)?));
        let flag = || match payload {
            [octet] => Ok(*octet != 0),
            _ => Err(Error::Size),
        };
        let text = || blob::c_string(payload);
        Ok(Some(match id {
            1 => Attr::Status(Status::from_number(number()?)),
            2 => Attr::ObjPath(text()?),
            3 => Attr::ObjId(number()?),
            4 => Attr::Method(text()?),
            5 => Attr::ObjType(number()?),
            6 => Attr::Signature(blob::decode(payload)?),
            7 => Attr::Data(blob::decode(payload)?),
            8 => Attr::Target(number()?),
            9 => Attr::Active(flag()?),
            10 => Attr::NoReply(flag()?),
            11 => Attr::Subscribers(
                attributes(payload)
                    .map(|id| Ok(u32::from_be_bytes(id?.payload.try_into().map_err(|_| Error::Size)?)))
                    .collect::<Result<_, Error>>()?,
            ),
            12 => Attr::User(text()?),
            13 => Attr::Group(text()?),
            _ => return Ok(None),
        }))
    }
}

/// The stream lost its framing: the connection is of no further use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfStep;

/// What the stream gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// What the message is for.
    pub kind: Kind,
    /// Its sequence number.
    pub seq: u16,
    /// Octets of its blob.
    pub size: usize,
    /// The message, or why its content cannot be read; the stream goes on behind it either way.
    pub frame: Result<Frame, Error>,
}

/// Cuts octets as they arrive into messages. Holds at most one message and what one read brought besides.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    taken: usize,
}

impl Decoder {
    /// Takes octets in.
    pub fn push(&mut self, octets: &[u8]) {
        self.buffer.drain(..std::mem::take(&mut self.taken));
        self.buffer.extend_from_slice(octets);
    }

    /// The next message; `None` until more octets arrive. Messages of unknown kinds are passed over.
    pub fn next_frame(&mut self) -> Result<Option<Received>, OutOfStep> {
        loop {
            let rest = self.buffer.get(self.taken..).unwrap_or_default();
            let Some((head, _)) = rest.split_first_chunk::<{ HEADER + 4 }>() else { return Ok(None) };
            let [version, kind, s0, s1, p0, p1, p2, p3, l0, l1, l2, l3] = *head;
            let word = u32::from_be_bytes([l0, l1, l2, l3]);
            let length = word as usize;
            // Id and extended bit are zero, so the word is the length.
            if version != 0 || !(4..=MAX_MESSAGE).contains(&length) {
                return Err(OutOfStep);
            }
            let Some(payload) = rest.get(HEADER + 4..HEADER + blob::pad(length)) else { return Ok(None) };
            self.taken += HEADER + blob::pad(length);
            let seq = u16::from_be_bytes([s0, s1]);
            let Some(kind) = Kind::ALL.get(usize::from(kind)) else { continue };
            let payload = payload.get(..length - 4).unwrap_or_default();
            let frame = Frame::read(*kind, seq, u32::from_be_bytes([p0, p1, p2, p3]), payload);
            return Ok(Some(Received { kind: *kind, seq, size: length, frame }));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
pub(super) mod tests {
    use super::*;

    /// Frames on the wire between the stock command line tool or a script and a real ubusd 2025-12.
    pub const TRANSCRIPTS: &str = include_str!("../../../tests/vectors/ubus/transcripts.txt");

    pub fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// Direction, kind and octets of each frame.
    pub fn lines(text: &str) -> Vec<(&str, &str, Vec<u8>)> {
        let lines = text.lines().filter(|line| line.starts_with("S>C") || line.starts_with("C>S"));
        lines
            .map(|line| {
                let mut words = line.split(' ');
                (words.next().unwrap(), words.next().unwrap(), bytes(words.next().unwrap()))
            })
            .collect()
    }

    fn one(octets: &[u8]) -> Frame {
        let mut decoder = Decoder::default();
        decoder.push(octets);
        let received = decoder.next_frame().unwrap().unwrap();
        assert_eq!(decoder.next_frame(), Ok(None));
        received.frame.unwrap()
    }

    #[test]
    fn every_recorded_frame_is_read_and_written_octet_for_octet() {
        let lines = lines(TRANSCRIPTS);
        assert_eq!(lines.len(), 72);
        for (_, kind, octets) in lines {
            let frame = one(&octets);
            assert_eq!(format!("{:?}", frame.kind).to_uppercase(), kind.replace('_', ""));
            let mut out = Vec::new();
            frame.write(&mut out).unwrap();
            assert_eq!(out, octets, "{frame:?}");
        }
    }

    #[test]
    fn a_recorded_reply_becomes_the_tree_of_its_json() {
        let reply = lines(TRANSCRIPTS).into_iter().map(|(_, _, octets)| one(&octets)).find(|frame| {
            frame.kind == Kind::Data && !matches!(frame.attrs[..], [Attr::ObjPath(_), ..] | [Attr::ObjId(_)])
        });
        let text = crate::openwrt::json::write(&blob::tree(reply.unwrap().take_data()));
        assert!(text.starts_with(r#"{"up":"true","pending":"false","available":"true","autostart":"true","dynamic":"false","uptime":"446","l3_device":"lo""#), "{text}");
        assert!(
            text.contains(r#""ipv4-address":[{"address":"127.0.0.1","mask":"8"}],"ipv6-address":[]"#),
            "{text}"
        );
    }

    #[test]
    fn frames_are_found_however_the_stream_is_cut() {
        let lines = lines(TRANSCRIPTS);
        let stream: Vec<u8> = lines.iter().flat_map(|(_, _, octets)| octets.clone()).collect();
        for size in [1, 7, 12, 1000, stream.len()] {
            let (mut decoder, mut seen) = (Decoder::default(), 0);
            for part in stream.chunks(size) {
                decoder.push(part);
                while let Some(received) = decoder.next_frame().unwrap() {
                    assert!(received.frame.is_ok());
                    seen += 1;
                }
            }
            assert_eq!(seen, lines.len(), "in parts of {size}");
        }
    }

    #[test]
    fn bad_content_costs_one_message_and_bad_framing_the_stream() {
        let mut decoder = Decoder::default();
        decoder.push(&bytes("0002000700000000000000080100000901020304".get(..32).unwrap()));
        decoder.push(&bytes("00630001000000000000000400010001000000000000000c0100000800000004"));
        let bad = decoder.next_frame().unwrap().unwrap();
        assert_eq!((bad.kind, bad.seq, bad.frame), (Kind::Data, 7, Err(Error::Truncated)));
        let next = decoder.next_frame().unwrap().unwrap().frame.unwrap();
        assert_eq!(next.status(), Some(Status::NotFound), "behind the unknown kind");
        for head in [
            "010200010000000000000004",
            "000200010000000000000003",
            "000200010000000000100001",
            "000200010000000080000004",
        ] {
            let mut decoder = Decoder::default();
            decoder.push(&bytes(head));
            assert_eq!(decoder.next_frame(), Err(OutOfStep), "{head}");
        }
    }

    #[test]
    fn a_message_too_large_or_with_a_nul_leaves_nothing_behind() {
        let mut out = vec![9];
        let large = Frame::new(Kind::Invoke, 1, 2)
            .with(Attr::Data(vec![("a".into(), "x".repeat(MAX_MESSAGE - 16).as_str().into())]));
        assert_eq!(large.write(&mut out), Err(Error::TooLarge));
        assert_eq!(
            Frame::new(Kind::Lookup, 1, 0).with(Attr::ObjPath("a\0".into())).write(&mut out),
            Err(Error::Nul)
        );
        assert_eq!(out, [9]);
    }

    #[test]
    fn status_numbers_go_both_ways() {
        for number in 0..20 {
            assert_eq!(Status::from_number(number).number(), number);
        }
        assert_eq!(Status::from_number(4).to_string(), "not found");
        assert_eq!(Status::from_number(99).to_string(), "status 99");
    }
}
