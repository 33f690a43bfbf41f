//! Packets of MQTT 3.1.1 and 5.0: those that a client sends, and those that it may get.
//!
//! Pure. Source: MQTT Version 5.0 and Version 3.1.1, chapters 2 and 3. What is not needed is refused: QoS 2 and enhanced
//! authentication are never agreed to, so a broker that uses them does not keep to the protocol.

mod incoming;
mod outgoing;
mod properties;

pub use incoming::{Incoming, take};
pub use outgoing::{
    Connect, Publish, User, connect, disconnect, mark_again, ping_req, pub_ack, publish, subscribe,
    unsubscribe,
};
pub use properties::Properties;

use crate::mqtt::{Terms, Version};

/// Most user properties of one packet that are read.
pub const MAX_USER_PROPERTIES: usize = 64;

/// Why octets are no packet: in words, and as the reason code with which the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bad(pub &'static str, pub u8);

const fn malformed(why: &'static str) -> Bad {
    Bad(why, MALFORMED)
}

/// The reason code for octets that are no packet. Source, of all: MQTT 5.0 2.4.
pub const MALFORMED: u8 = 0x81;
/// The reason code for a packet that may not come, or not now.
pub const PROTOCOL_ERROR: u8 = 0x82;
/// The reason code for more messages at a time than were agreed to.
pub const TOO_MANY: u8 = 0x93;
/// The reason code for a topic alias that was not agreed to.
pub const BAD_ALIAS: u8 = 0x94;
/// The reason code for a packet that is longer than was agreed to.
pub const TOO_LONG: u8 = 0x95;

/// What a reason code of 5.0 means, for those a person can do something about. Source: MQTT 5.0 2.4.
pub fn reason_words(version: Version, code: u8) -> &'static str {
    match (version, code) {
        (Version::V311, 1) | (Version::V5, 0x84) => "the broker does not speak this version of MQTT",
        (Version::V311, 2) | (Version::V5, 0x85) => "the client id is not allowed",
        (Version::V311, 3) | (Version::V5, 0x88) => "the broker is not available",
        (Version::V311, 4) | (Version::V5, 0x86) => "user name or password are wrong",
        (Version::V311, 5) | (Version::V5, 0x87) => "not authorized",
        (Version::V5, 0x00 | 0x04) => "the broker closes the connection",
        (Version::V5, 0x81) => "the broker takes our packet for malformed",
        (Version::V5, 0x82) => "the broker sees a protocol error",
        (Version::V5, 0x89) => "the broker is busy",
        (Version::V5, 0x8a) => "we are banned",
        (Version::V5, 0x8b) => "the broker shuts down",
        (Version::V5, 0x8c) => "the broker wants another authentication",
        (Version::V5, 0x8d) => "the broker heard nothing for too long",
        (Version::V5, 0x8e) => "another client took the session over",
        (Version::V5, 0x8f) => "the topic filter is not allowed",
        (Version::V5, 0x90) => "the topic is not allowed",
        (Version::V5, 0x93) => "more messages than the broker takes at a time",
        (Version::V5, 0x95) => "the packet is too large",
        (Version::V5, 0x96 | 0x9f) => "too many messages or connections",
        (Version::V5, 0x97) => "a quota is exceeded",
        (Version::V5, 0x9a) => "messages cannot be retained",
        (Version::V5, 0x9b) => "the QoS is not supported",
        (Version::V5, 0x9c) => "another broker is to be used for now",
        (Version::V5, 0x9d) => "another broker is to be used from now on",
        (Version::V5, 0x80 | 0x83) => "the broker refuses and does not say why",
        (Version::V5, 0x91 | 0x92) => "the broker knows another message by this id",
        (Version::V5, 0x94) => "a topic alias that is not allowed",
        (Version::V5, 0x98) => "an administrator ended it",
        (Version::V5, 0x99) => "the payload is not what it says it is",
        (Version::V5, 0x9e | 0xa1 | 0xa2) => "a kind of subscription that the broker does not know",
        (Version::V5, 0xa0) => "connected for as long as is allowed",
        (Version::V5 | Version::V311, _) => "the broker refuses",
    }
}

#[doc(hidden)]
/// Reads arbitrary octets as packets of both versions; returns at all times.
pub fn exercise(octets: &[u8]) {
    for version in [Version::V5, Version::V311] {
        let mut octets = octets.to_vec();
        while let Ok(Some(packet)) = take(version, &Terms::default(), &mut octets) {
            drop(packet);
        }
    }
}

#[cfg(test)]
mod tests;
