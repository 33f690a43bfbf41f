//! What an HTTP answer of the ACS amounts to. Driven by [`super::session`].

use super::soap::reader::{self, AcsFault, Body, Message, NoMessage};

/// What came back from the ACS.
pub(super) enum Heard {
    Nothing,
    Message(Message),
    OtherSoap,
    /// Why, and whether the namespace may be the reason.
    Unusable(String, bool),
}

/// A fault in words, for the log.
pub(super) fn told(fault: &AcsFault) -> String {
    match fault.code {
        Some(code) => format!("fault {code} {}", fault.text),
        None => format!("SOAP fault {} {}", fault.soap_code, fault.text),
    }
}

/// What an HTTP answer says. A 500 is read where a fault of SOAP is in it.
//= TR-069 3.4.1: 200 for every envelope, 204 or an empty body for none. Old servers send faults with 500.
pub(super) fn hear(status: u16, body: &[u8]) -> Heard {
    let empty = body.iter().all(u8::is_ascii_whitespace);
    match status {
        200..=299 if empty => Heard::Nothing,
        200..=299 => match reader::read(body) {
            Ok(message) => Heard::Message(message),
            Err(NoMessage::OtherSoap) => Heard::OtherSoap,
            Err(why) => Heard::Unusable(why.to_string(), false),
        },
        400 | 500 => match reader::read(body) {
            Ok(message @ Message { body: Body::Fault(_), .. }) => Heard::Message(message),
            // An empty 500 is a server in trouble, not a verdict on the namespace.
            Ok(_) | Err(_) => Heard::Unusable(format!("HTTP status {status}"), status == 400 || !empty),
        },
        _ => Heard::Unusable(format!("HTTP status {status}"), false),
    }
}
