//! Records: the outermost shell of what travels, read from hostile bytes and written.
//!
//! Says of each Record whether it is for us and what it holds, or why it is not served and what, if anything, is sent
//! back. Neither session contexts nor payload security are supported, and who may talk to us is decided elsewhere:
//! by certificates, before a message is looked at. Driven by the agent for every Record that a link delivers.

use super::endpoint::EndpointId;
use super::error::{
    Fault, INVALID_RECORD_VALUE, SECURE_SESSION_NOT_SUPPORTED, SESSION_CONTEXT_NOT_ALLOWED, meaning,
};
use super::msg;
use super::mtp::MAX_RECORD;
use super::wire::{self, Broken, Fields, Value, Writer};

/// The version of the Records that are sent.
pub const VERSION: &str = "1.4";
/// Longest version text that is taken, in octets.
const MAX_VERSION: usize = 16;

/// A Record for us that makes sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming<'a> {
    /// The sender, as it says.
    pub from: EndpointId,
    /// The version the sender speaks; may be beyond ours.
    pub version: &'a str,
    /// What it is.
    pub what: What<'a>,
}

/// What a Record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// A message, for [`msg::read`].
    Message(&'a [u8]),
    /// The first Record over a link.
    Connect(Connect),
    /// The last one, or the end of a session.
    Disconnect {
        /// Why, from 7000 on; 0 for none given.
        code: u32,
        /// Why, for a person.
        reason: &'a str,
    },
}

/// What a Connect record tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connect {
    /// Over a WebSocket.
    WebSocket,
    /// Over MQTT.
    Mqtt {
        /// MQTT 5.0 and not 3.1.1.
        v5: bool,
        /// Where the sender listens.
        topic: String,
    },
    /// Over STOMP.
    Stomp {
        /// Where the sender listens.
        destination: String,
    },
    /// Over a Unix domain socket.
    Unix,
}

/// Why a Record is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// It cannot be taken out of the bytes at all; a link that says so closes (WebSocket: 1003).
    Unreadable(&'static str),
    /// Nothing is sent back.
    Ignored(&'static str),
    /// An Error is sent back.
    Refused {
        /// To whom.
        to: EndpointId,
        /// In answer to which message.
        msg_id: String,
        /// What is wrong.
        fault: Fault,
    },
    /// A Disconnect record is sent back: there are no session contexts here.
    NoSession {
        /// To whom.
        to: EndpointId,
    },
}

impl Rejected {
    /// The Record to send back over the same link, if any; for links whose way back is known.
    pub fn reply(&self, own: &EndpointId) -> Option<Vec<u8>> {
        match self {
            Rejected::Unreadable(_) | Rejected::Ignored(_) => None,
            Rejected::Refused { to, msg_id, fault } => {
                Some(wrap(VERSION, to, own, msg::error(msg_id, fault, &[])))
            }
            //= TR-369 R-E2E.6a: a session context that is not supported is answered by Disconnect 7106.
            Rejected::NoSession { to } => Some(disconnect(to, own, SESSION_CONTEXT_NOT_ALLOWED)),
        }
    }
}

/// The fields of a Record before anything is decided.
#[derive(Default)]
struct Shell<'a> {
    version: &'a str,
    to: &'a str,
    from: &'a str,
    security: u64,
    signature: &'a [u8],
    kinds: Vec<(u32, &'a [u8])>,
}

/// Reads a Record sent to `own`.
pub fn read<'a>(bytes: &'a [u8], own: &EndpointId) -> Result<Incoming<'a>, Rejected> {
    if bytes.len() > MAX_RECORD {
        return Err(Rejected::Unreadable("longer than a Record may be"));
    }
    let shell = shell(bytes).map_err(|Broken(why)| Rejected::Unreadable(why))?;
    //= TR-369 R-ENC.3: a oneof is there exactly once.
    //= TR-369 R-ENC.4: a Record that breaks this is discarded without an answer.
    let [(kind, inner)] = *shell.kinds.as_slice() else {
        return Err(Rejected::Ignored("not exactly one kind of Record"));
    };
    //= TR-369 R-E2E.1: a Record for somebody else is ignored.
    if shell.to != own.as_str() {
        return Err(Rejected::Ignored("for another endpoint"));
    }
    let Some(from) = EndpointId::parse(shell.from) else {
        return Err(Rejected::Ignored("from_id is no endpoint identifier"));
    };
    let fault = Fault::new;
    let wrong = if !is_version(shell.version) {
        //= TR-369 R-MTP.4b: what is required must be there, and an empty text counts as absent.
        Some(fault(INVALID_RECORD_VALUE, "version"))
    } else if shell.security > 1 {
        //= TR-369 R-ENC.2: an unknown value of an enumeration is reported.
        Some(fault(INVALID_RECORD_VALUE, "payload_security"))
    } else if shell.security == 1 && kind == 7 {
        //= TR-369 R-E2E.41: payload security is for session contexts only.
        Some(fault(SECURE_SESSION_NOT_SUPPORTED, ""))
    } else if !shell.signature.is_empty() {
        //= TR-369 R-E2E.30: a signature that is there must be verified; what cannot be is not served.
        Some(fault(SECURE_SESSION_NOT_SUPPORTED, "mac_signature"))
    } else {
        None
    };
    match (held(kind, inner), wrong) {
        (Err(Broken(why)), _) => Err(Rejected::Unreadable(why)),
        (Ok(Held::Session), _) => Err(Rejected::NoSession { to: from }),
        //= TR-369 R-E2E.26: without a session context there must be a payload.
        (Ok(Held::What(What::Message([]))), _) => Err(Rejected::Ignored("no payload")),
        (Ok(Held::What(what)), None) => Ok(Incoming { from, version: shell.version, what }),
        (Ok(Held::What(What::Message(payload))), Some(fault)) => Err(refused(from, payload, fault)),
        (Ok(Held::What(What::Connect(_) | What::Disconnect { .. })), Some(_)) => {
            Err(Rejected::Ignored("a Connect or Disconnect with a field that cannot be"))
        }
        (Ok(Held::Wrong(what)), _) => Err(Rejected::Ignored(what)),
    }
}

/// A Record that is not served: an Error where one may be sent, else silence.
//= TR-369 R-MTP.5: an Error goes back only to a known sender, for us, about a request whose msg_id can be read.
fn refused(to: EndpointId, payload: &[u8], fault: Fault) -> Rejected {
    match msg::peek(payload) {
        Some(msg_id) => Rejected::Refused { to, msg_id, fault },
        None => Rejected::Ignored("a Record that is not served, without a request to answer"),
    }
}

fn shell(bytes: &[u8]) -> Result<Shell<'_>, Broken> {
    let mut shell = Shell::default();
    for field in Fields::of(bytes) {
        match field? {
            (1, value) => shell.version = value.text()?,
            (2, value) => shell.to = value.text()?,
            (3, value) => shell.from = value.text()?,
            (4, value) => shell.security = value.varint()?,
            (5, value) => shell.signature = value.bytes()?,
            (6, value) => {
                value.bytes()?;
            }
            (number @ 7..=13, value) => shell.kinds.push((number, value.bytes()?)),
            // Unknown fields are skipped.
            (_, Value::Varint(_) | Value::Fixed64(_) | Value::Bytes(_) | Value::Fixed32(_)) => {}
        }
    }
    Ok(shell)
}

enum Held<'a> {
    What(What<'a>),
    Session,
    Wrong(&'static str),
}

fn held(kind: u32, inner: &[u8]) -> Result<Held<'_>, Broken> {
    let (mut text, mut bytes, mut number, mut code) = ("", &[][..], 0, 0);
    for field in Fields::of(inner) {
        match (kind, field?) {
            (7, (2, value)) => bytes = value.bytes()?,
            (10 | 11, (1, value)) => number = value.varint()?,
            (10 | 11, (2, value)) | (12, (1, value)) => text = value.text()?,
            (12, (2, value)) => code = value.fixed32()?,
            (_, (_, Value::Varint(_) | Value::Fixed64(_) | Value::Bytes(_) | Value::Fixed32(_))) => {}
        }
    }
    Ok(match (kind, number) {
        (7, _) => Held::What(What::Message(bytes)),
        (8, _) => Held::Session,
        (9, _) => Held::What(What::Connect(Connect::WebSocket)),
        (10, 0 | 1) => Held::What(What::Connect(Connect::Mqtt { v5: number == 1, topic: text.into() })),
        (11, 0) => Held::What(What::Connect(Connect::Stomp { destination: text.into() })),
        (12, _) => Held::What(What::Disconnect { code, reason: text }),
        (13, _) => Held::What(What::Connect(Connect::Unix)),
        //= TR-369 R-ENC.2: an unknown value of an enumeration is not taken for another.
        _ => Held::Wrong("a Connect of an unknown version"),
    })
}

/// Two numbers and a dot; newer ones than ours are fine.
fn is_version(text: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.len() <= MAX_VERSION && text.split_once('.').is_some_and(|(a, b)| number(a) && number(b))
}

/// A Record around a message, without session context; the message's buffer becomes the Record's.
//= TR-369 R-MTP.4b: version, to_id and from_id are always sent.
//= TR-369 R-MSG.0a: what is asked without a session is answered without one.
pub fn wrap(version: &str, to: &EndpointId, from: &EndpointId, mut message: Vec<u8>) -> Vec<u8> {
    // The payload is field 2 of the NoSessionContextRecord, which is field 7 of the Record.
    wire::wrap(&mut message, &Writer::default(), 2);
    wire::wrap(&mut message, &addressed(version, to, from), 7);
    message
}

/// Whom a Record of ours answers, and which of his requests; nothing if it holds no response.
pub fn answers(bytes: &[u8]) -> Option<(EndpointId, String)> {
    fn field(message: &[u8], number: u32) -> Option<Value<'_>> {
        Fields::of(message).flatten().find(|(at, _)| *at == number).map(|(_, value)| value)
    }
    let to = EndpointId::parse(field(bytes, 2)?.text().ok()?)?;
    let payload = field(field(bytes, 7)?.bytes().ok()?, 2)?.bytes().ok()?;
    msg::answered(payload).map(|msg_id| (to, msg_id))
}

/// The first Record to send over a link.
//= TR-369 R-MTP.6: the first thing sent is the Connect record of that kind of link.
pub fn connect(to: &EndpointId, from: &EndpointId, connect: &Connect) -> Vec<u8> {
    let mut w = addressed(VERSION, to, from);
    match connect {
        Connect::WebSocket => {
            let open = w.open(9);
            w.close(open);
        }
        Connect::Mqtt { v5, topic } => {
            let open = w.open(10);
            w.number(1, (*v5).into());
            w.text(2, topic);
            w.close(open);
        }
        Connect::Stomp { destination } => {
            let open = w.open(11);
            w.text(2, destination);
            w.close(open);
        }
        Connect::Unix => {
            let open = w.open(13);
            w.close(open);
        }
    }
    w.into_bytes()
}

/// The last Record to send: `code` is one of the Record's, 7100 to 7106, or 0 where nothing is wrong.
//= TR-369 R-MTP.9: a Disconnect says why, as a code and as a text.
pub fn disconnect(to: &EndpointId, from: &EndpointId, code: u32) -> Vec<u8> {
    let mut w = addressed(VERSION, to, from);
    let open = w.open(12);
    w.text(1, meaning(code));
    w.fixed32(2, code);
    w.close(open);
    w.into_bytes()
}

fn addressed(version: &str, to: &EndpointId, from: &EndpointId) -> Writer {
    let mut w = Writer::default();
    w.text(1, version);
    w.text(2, to.as_str());
    w.text(3, from.as_str());
    w
}

/// Reads anything as a Record, for fuzzing: it must not panic, and what goes back must be a Record of ours.
#[doc(hidden)]
pub fn exercise(data: &[u8]) {
    let Some(own) = EndpointId::parse("proto::agent") else { return };
    match read(data, &own) {
        Ok(Incoming { from, what, .. }) => match what {
            What::Message(payload) => {
                let again = wrap(VERSION, &own, &from, payload.to_vec());
                assert_eq!(read(&again, &own).map(|incoming| incoming.what), Ok(What::Message(payload)));
                msg::exercise(payload);
            }
            What::Connect(held) => {
                let again = connect(&own, &from, &held);
                assert_eq!(read(&again, &own).map(|incoming| incoming.what), Ok(What::Connect(held)));
            }
            What::Disconnect { .. } => {}
        },
        Err(rejected) => {
            if let Some(reply) = rejected.reply(&own) {
                let (Rejected::Refused { to, .. } | Rejected::NoSession { to }) = rejected else { return };
                let what = read(&reply, &to).map(|incoming| matches!(incoming.what, What::Connect(_)));
                assert_eq!(what, Ok(false));
            }
        }
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
