//! Messages: what a payload asks, and the answer as bytes.
//!
//! One file per message. A handler gets the view, what is asked and the asker's rights, and returns an [`Answer`]; long
//! answers are written straight into one buffer. Who asked and whether he may is settled before.

pub mod add;
pub mod change;
pub mod delete;
pub mod get;
pub mod instances;
pub mod notify;
pub mod operate;
pub mod protocol;
pub mod set;
pub mod supported_dm;

#[cfg(test)]
pub(in crate::usp) mod fixture;

use super::error::{Asked, Fault, INVALID_ARGUMENTS, INVALID_PATH, INVALID_PATH_SYNTAX};
use super::pb::header::MsgType;
use super::pb::{self, body::MsgBody, request::ReqType, response::RespType};
use super::wire::{self, Broken, Fields, Writer};
use crate::dm::acl::{Grant, Rights, Rwxn};
use crate::dm::error::Refusal;
use crate::dm::path::{Kind, ParseError, Pattern, Step};
use crate::dm::read::Node;
use crate::dm::source::Stop;
use crate::dm::view::View;

/// Longest msg_id that is taken, in octets; it is sent back with every answer.
pub const MAX_MSG_ID: usize = 1024;

/// Most paths of one request.
pub const MAX_PATHS: usize = 1024;
/// Longest answer in octets; leaves room for the longest ids and topics around it.
pub const MAX_ANSWER: usize = super::mtp::MAX_SENT - 64 * 1024;

/// A message that makes sense.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// What an answer repeats.
    pub msg_id: String,
    /// What it says.
    pub said: Said,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// Something is asked.
    Request(ReqType),
    /// Something was asked, and this is the answer.
    Response(RespType),
    /// Something was asked, and it failed.
    Error(pb::Error),
}

/// Why a message is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unserved {
    /// Nothing is sent back.
    Ignored(&'static str),
    /// This is sent back, as [`error`] writes it.
    Refused {
        /// In answer to which message.
        msg_id: String,
        /// What is wrong.
        fault: Fault,
    },
}

/// A message taken apart as far as its oneofs.
struct Parts<'a> {
    msg_id: &'a str,
    msg_type: u64,
    /// Which of request (1), response (2) and error (3), with its content; absent if none or several are there.
    body: Option<(u32, &'a [u8])>,
}

/// What is said, with the content of answers as it came.
enum Content<'a> {
    Request(ReqType),
    Response(&'a [u8]),
    Error(&'a [u8]),
}

/// What an agent hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// Something is asked of it.
    Request(ReqType),
    /// A notice of its own was received.
    NotifyResp,
    /// An answer to what it never asks, or a failure.
    Other,
}

/// Reads the payload of a Record as an agent needs it: answers are not taken apart.
pub fn hear(payload: &[u8]) -> Result<(String, Heard), Unserved> {
    let (msg_id, content) = content(payload)?;
    let heard = match content {
        Content::Request(request) => Heard::Request(request),
        Content::Response(response) => match exactly_one(response, 11) {
            Ok((8, _)) => Heard::NotifyResp,
            Ok(_) => Heard::Other,
            Err(_) => return Err(UNREADABLE),
        },
        Content::Error(_) => Heard::Other,
    };
    Ok((msg_id, heard))
}

const UNREADABLE: Unserved = Unserved::Ignored("a response that cannot be read");

/// Reads the payload of a Record, whatever it says.
pub fn read(payload: &[u8]) -> Result<Message, Unserved> {
    let (msg_id, content) = content(payload)?;
    let said = match content {
        Content::Request(request) => Said::Request(request),
        Content::Response(response) => {
            let response = pb::Response::decode(response).map_err(|_| UNREADABLE)?;
            Said::Response(response.resp_type.ok_or(Unserved::Ignored("no such response"))?)
        }
        Content::Error(error) => Said::Error(pb::Error::decode(error).map_err(|_| UNREADABLE)?),
    };
    Ok(Message { msg_id, said })
}

fn content(payload: &[u8]) -> Result<(String, Content<'_>), Unserved> {
    let Parts { msg_id, msg_type, body } = parts(payload).map_err(|Broken(why)| Unserved::Ignored(why))?;
    let known = i32::try_from(msg_type).ok().and_then(|kind| MsgType::try_from(kind).ok());
    let refused = |what: &str| {
        let fault = Fault::new(INVALID_ARGUMENTS, what);
        Err(Unserved::Refused { msg_id: msg_id.to_string(), fault })
    };
    //= TR-369 R-ENC.5: a message without exactly one known member in a oneof is answered by 7004.
    let Some((member, content)) = body else {
        // Two ends that cannot read each other's answers must not go on answering them.
        return match known.is_some_and(is_request) {
            true => refused("no body"),
            false => Err(Unserved::Ignored("a message without a body")),
        };
    };
    let said = match member {
        1 if known.is_none() => {
            //= TR-369 R-ENC.2: an unknown value of an enumeration is reported.
            return refused("msg_type");
        }
        1 => match exactly_one(content, 11).map(|_| pb::Request::decode(content)) {
            Ok(Ok(pb::Request { req_type: Some(request) })) => Content::Request(request),
            Ok(Ok(pb::Request { req_type: None })) => return refused("no such request"),
            Ok(Err(_)) => return refused("a request that cannot be read"),
            Err(Broken(why)) => return refused(why),
        },
        2 => Content::Response(content),
        _ => Content::Error(content),
    };
    Ok((msg_id.to_string(), said))
}

/// The msg_id of a payload that holds a request; `None` for anything else.
pub fn peek(payload: &[u8]) -> Option<String> {
    msg_id_of(payload, 1)
}

/// The msg_id of a payload that holds a response; `None` for anything else.
pub fn answered(payload: &[u8]) -> Option<String> {
    msg_id_of(payload, 2)
}

fn msg_id_of(payload: &[u8], member: u32) -> Option<String> {
    let parts = parts(payload).ok()?;
    parts.body.is_some_and(|(at, _)| at == member).then(|| parts.msg_id.to_string())
}

fn parts(payload: &[u8]) -> Result<Parts<'_>, Broken> {
    let (mut header, mut body) = (None, None);
    for field in Fields::of(payload) {
        match field? {
            //= TR-369 R-MSG.6: there is exactly one header.
            (1, value) if header.is_none() => header = Some(value.bytes()?),
            //= TR-369 R-MSG.7: there is exactly one body.
            (2, value) if body.is_none() => body = Some(value.bytes()?),
            (1 | 2, _) => return Err(Broken("two headers or two bodies")),
            _ => {}
        }
    }
    let (mut msg_id, mut msg_type) = ("", 0);
    for field in Fields::of(header.ok_or(Broken("no header"))?) {
        match field? {
            (1, value) => msg_id = value.text()?,
            (2, value) => msg_type = value.varint()?,
            _ => {}
        }
    }
    //= TR-369 R-MSG.8: msg_id is always there.
    if msg_id.is_empty() || msg_id.len() > MAX_MSG_ID {
        return Err(Broken("no msg_id, or one that is too long"));
    }
    let body = match body {
        Some(body) => exactly_one(body, 3).ok(),
        None => None,
    };
    Ok(Parts { msg_id, msg_type, body })
}

/// The one member, numbered 1 to `last`, of a message that is nothing but a oneof.
//= TR-369 R-ENC.3: a oneof is there exactly once, with a known member.
fn exactly_one(message: &[u8], last: u32) -> Result<(u32, &[u8]), Broken> {
    let mut found = None;
    for field in Fields::of(message) {
        let (number, value) = field?;
        if number <= last && found.replace((number, value.bytes()?)).is_some() {
            return Err(Broken("more than one"));
        }
    }
    found.ok_or(Broken("none that is known"))
}

const fn is_request(kind: MsgType) -> bool {
    match kind {
        MsgType::Get
        | MsgType::Notify
        | MsgType::Set
        | MsgType::Operate
        | MsgType::Add
        | MsgType::Delete
        | MsgType::GetSupportedDm
        | MsgType::GetInstances
        | MsgType::GetSupportedProto
        | MsgType::Register
        | MsgType::Deregister => true,
        MsgType::Error
        | MsgType::GetResp
        | MsgType::SetResp
        | MsgType::OperateResp
        | MsgType::AddResp
        | MsgType::DeleteResp
        | MsgType::GetSupportedDmResp
        | MsgType::GetInstancesResp
        | MsgType::NotifyResp
        | MsgType::GetSupportedProtoResp
        | MsgType::RegisterResp
        | MsgType::DeregisterResp => false,
    }
}

/// The body of a message that goes out.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// As a struct; for what is short.
    Body(pb::Body),
    /// The octets of the Body, written in one buffer; for what is long.
    Encoded {
        /// What it is.
        kind: MsgType,
        /// The octets.
        body: Vec<u8>,
    },
}

impl Answer {
    /// A response.
    pub fn response(response: RespType) -> Answer {
        let msg_body = Some(MsgBody::Response(pb::Response { resp_type: Some(response) }));
        Answer::Body(pb::Body { msg_body })
    }

    /// A request of ours, such as a Notify.
    pub fn request(request: ReqType) -> Answer {
        let msg_body = Some(MsgBody::Request(pb::Request { req_type: Some(request) }));
        Answer::Body(pb::Body { msg_body })
    }

    /// A response whose content was written by hand; `member` is its number in Response.
    pub fn written(kind: MsgType, member: u32, content: Writer) -> Answer {
        let mut body = content.into_bytes();
        wire::wrap(&mut body, &Writer::default(), member);
        wire::wrap(&mut body, &Writer::default(), 2);
        Answer::Encoded { kind, body }
    }

    /// The whole message, for [`super::record::wrap`]. The type in the header is that of the body.
    //= TR-369 R-MSG.9: an answer carries the msg_id of what was asked.
    //= TR-369 R-MSG.10: msg_type says what the body is.
    pub fn into_msg(self, msg_id: &str) -> Vec<u8> {
        let (kind, mut bytes) = match self {
            Answer::Encoded { kind, body } => (kind, body),
            Answer::Body(body) => (kind_of(&body), body.encode_to_vec()),
        };
        let mut w = Writer::default();
        let header = w.open(1);
        w.text(1, msg_id);
        w.number(2, kind as u64);
        w.close(header);
        wire::wrap(&mut bytes, &w, 2);
        bytes
    }
}

/// The message that says a request failed as a whole; `parameters` are full paths with what is wrong with each.
pub fn error(msg_id: &str, fault: &Fault, parameters: &[(String, Fault)]) -> Vec<u8> {
    let param_errs = parameters.iter().map(|(path, fault)| pb::error::ParamError {
        param_path: path.clone(),
        err_code: fault.code,
        err_msg: fault.text.clone(),
    });
    let error =
        pb::Error { err_code: fault.code, err_msg: fault.text.clone(), param_errs: param_errs.collect() };
    Answer::Body(pb::Body { msg_body: Some(MsgBody::Error(error)) }).into_msg(msg_id)
}

fn kind_of(body: &pb::Body) -> MsgType {
    match &body.msg_body {
        Some(MsgBody::Request(request)) => request.req_type.as_ref().map_or(MsgType::Error, |r| match r {
            ReqType::Get(_) => MsgType::Get,
            ReqType::GetSupportedDm(_) => MsgType::GetSupportedDm,
            ReqType::GetInstances(_) => MsgType::GetInstances,
            ReqType::Set(_) => MsgType::Set,
            ReqType::Add(_) => MsgType::Add,
            ReqType::Delete(_) => MsgType::Delete,
            ReqType::Operate(_) => MsgType::Operate,
            ReqType::Notify(_) => MsgType::Notify,
            ReqType::GetSupportedProtocol(_) => MsgType::GetSupportedProto,
            ReqType::Register(_) => MsgType::Register,
            ReqType::Deregister(_) => MsgType::Deregister,
        }),
        Some(MsgBody::Response(response)) => {
            response.resp_type.as_ref().map_or(MsgType::Error, |r| match r {
                RespType::GetResp(_) => MsgType::GetResp,
                RespType::GetSupportedDmResp(_) => MsgType::GetSupportedDmResp,
                RespType::GetInstancesResp(_) => MsgType::GetInstancesResp,
                RespType::SetResp(_) => MsgType::SetResp,
                RespType::AddResp(_) => MsgType::AddResp,
                RespType::DeleteResp(_) => MsgType::DeleteResp,
                RespType::OperateResp(_) => MsgType::OperateResp,
                RespType::NotifyResp(_) => MsgType::NotifyResp,
                RespType::GetSupportedProtocolResp(_) => MsgType::GetSupportedProtoResp,
                RespType::RegisterResp(_) => MsgType::RegisterResp,
                RespType::DeregisterResp(_) => MsgType::DeregisterResp,
            })
        }
        Some(MsgBody::Error(_)) | None => MsgType::Error,
    }
}

/// Why one path has no result.
enum Failed {
    /// A source is missing.
    Wait,
    /// The path's result is this.
    With(Fault),
}

impl From<Stop> for Failed {
    fn from(stop: Stop) -> Failed {
        match stop {
            Stop::Wait => Failed::Wait,
            Stop::Refused(why) => Failed::With(Fault::of(&why, Asked::Read)),
        }
    }
}

impl Failed {
    fn new(code: u32, detail: &str) -> Failed {
        Failed::With(Fault::new(code, detail))
    }

    /// A text that is no path; one that begins in no tree of ours is a path, only not of our model.
    fn path(error: &ParseError) -> Failed {
        let code = if error.is_unknown_root() { INVALID_PATH } else { INVALID_PATH_SYNTAX };
        Failed::new(code, &error.to_string())
    }
}

/// Writes one result per path, with the path and, where `one` fails, the code and text of why.
///
/// Every path is tried, so that one pass finds all sources that are missing. Refuses too many paths and an answer that
/// grows too long; then the request fails as a whole.
fn each_path(
    paths: &[String],
    mut one: impl FnMut(&str, &mut Writer) -> Result<(), Failed>,
) -> Result<Writer, Stop> {
    if paths.len() > MAX_PATHS {
        return Err(Refusal::Exhausted("paths in one request".into()).into());
    }
    let (mut w, mut waits) = (Writer::default(), false);
    for path in paths {
        let before = w.len();
        let open = w.open(1);
        w.text(1, path);
        match one(path, &mut w) {
            Ok(()) => w.close(open),
            Err(Failed::Wait) => {
                waits = true;
                w.truncate(before);
            }
            Err(Failed::With(fault)) => {
                w.truncate(before);
                let open = w.open(1);
                w.text(1, path);
                w.fixed32(2, fault.code);
                w.text(3, &fault.text);
                w.close(open);
            }
        }
        if w.len() > MAX_ANSWER {
            return Err(Refusal::Exhausted("octets in one answer".into()).into());
        }
    }
    if waits { Err(Stop::Wait) } else { Ok(w) }
}

/// Reads a path of the instantiated model.
fn pattern(text: &str) -> Result<Pattern, Failed> {
    if text.is_empty() {
        return Err(Failed::new(INVALID_PATH_SYNTAX, "an empty path"));
    }
    let pattern = Pattern::parse(text).map_err(|error| Failed::path(&error))?;
    // `[alias]` is CWMP's way to name a row.
    match pattern.steps().iter().any(|step| matches!(step, Step::Alias(_))) {
        true => Err(Failed::new(INVALID_PATH_SYNTAX, "an operator must follow the name in [ ]")),
        false => Ok(pattern),
    }
}

/// Whether who asks may read a parameter.
fn reads(view: &View<'_>, rights: &Rights, path: &str) -> Result<bool, Stop> {
    Ok(rights.is_all() || rights.at(view, path)?.param.has(Rwxn::R))
}

/// The nodes that a path stands for, for who asks: no search finds anything by a value that he may not read.
fn resolve<'s>(view: &View<'s>, rights: &Rights, pattern: &Pattern) -> Result<Vec<Node<'s>>, Stop> {
    let may = |path: &str| reads(view, rights, path);
    view.resolve_for(pattern, if rights.is_all() { None } else { Some(&may) })
}

/// What is given on what a path names, on any row there may be. Where a reference leads is not known without a row, so
/// it may be anything.
fn supported(rights: &Rights, pattern: &Pattern) -> Grant {
    pattern.schema_path().map_or(Grant::ALL, |path| rights.supported(&path))
}

/// Whether what a path names is in the supported model of who asks.
fn is_supported_for(rights: &Rights, pattern: &Pattern) -> bool {
    let grant = supported(rights, pattern);
    match pattern.kind() {
        Kind::Object => grant.object,
        Kind::Parameter => grant.param,
        Kind::Command | Kind::Event => grant.command,
    }
    .has(Rwxn::R)
}

/// Reads anything as a message, for fuzzing: it must not panic, and what was read is read again once written.
#[doc(hidden)]
pub fn exercise(data: &[u8]) {
    match read(data) {
        Ok(Message { msg_id, said }) => {
            // It hears no answer whose oneof has several members, of which a reader takes the last.
            if let Ok((_, heard)) = hear(data) {
                assert_eq!(matches!(heard, Heard::Request(_)), matches!(said, Said::Request(_)));
                let notified = matches!(said, Said::Response(RespType::NotifyResp(_)));
                assert_eq!(heard == Heard::NotifyResp, notified);
            }
            let written = match &said {
                Said::Request(request) => Answer::request(request.clone()).into_msg(&msg_id),
                Said::Response(response) => Answer::response(response.clone()).into_msg(&msg_id),
                Said::Error(error) => {
                    let fault = Fault { code: error.err_code, text: error.err_msg.clone() };
                    let all = error.param_errs.iter();
                    let all = all
                        .map(|e| (e.param_path.clone(), Fault { code: e.err_code, text: e.err_msg.clone() }));
                    self::error(&msg_id, &fault, &all.collect::<Vec<_>>())
                }
            };
            assert_eq!(read(&written), Ok(Message { msg_id, said }));
        }
        Err(Unserved::Refused { msg_id, fault }) => {
            let again = read(&error(&msg_id, &fault, &[]));
            assert!(matches!(again, Ok(Message { said: Said::Error(_), .. })));
        }
        Err(Unserved::Ignored(_)) => {}
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
