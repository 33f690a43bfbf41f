//! Packets that a broker sends, read from octets.

use super::properties::{Properties, Reader};
use super::{Bad, PROTOCOL_ERROR, TOO_LONG, malformed};
use crate::mqtt::{Terms, Version};

/// What a broker sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// The answer to CONNECT.
    ConnAck {
        /// Whether the broker still had a session of ours.
        session_present: bool,
        /// 0 for success; of 3.1.1 the return code.
        reason: u8,
        /// Of 5.0.
        properties: Box<Properties>,
    },
    /// A message.
    Publish {
        /// Its topic.
        topic: String,
        /// To be acknowledged with QoS 1; none with QoS 0.
        id: Option<u16>,
        /// Of 5.0.
        properties: Box<Properties>,
        /// The message.
        payload: Vec<u8>,
    },
    /// A message of ours with QoS 1 was taken, or refused.
    PubAck {
        /// The message.
        id: u16,
        /// From 0x80 on it was refused.
        reason: u8,
    },
    /// The answer to SUBSCRIBE.
    SubAck {
        /// The request.
        id: u16,
        /// For each filter the QoS granted, or from 0x80 on why not.
        reasons: Vec<u8>,
    },
    /// The answer to UNSUBSCRIBE.
    UnsubAck {
        /// The request.
        id: u16,
    },
    /// The answer to PINGREQ.
    PingResp,
    /// The broker leaves; only 5.0.
    Disconnect {
        /// Why.
        reason: u8,
        /// Of 5.0.
        properties: Box<Properties>,
    },
}

/// Takes the packet at the start of `octets` out; `Ok(None)` while it is not complete.
///
/// Of `terms`, what bounds any single packet is kept to.
//= MQTT 5.0 3.1.2.11.4: a packet beyond the Maximum Packet Size is a protocol error, whichever it is.
pub fn take(version: Version, terms: &Terms, octets: &mut Vec<u8>) -> Result<Option<Incoming>, Bad> {
    let Some((first, rest)) = octets.split_first() else { return Ok(None) };
    let (kind, flags) = (first >> 4, first & 0x0f);
    let mut header = Reader(rest);
    let Some(size) = header.size()? else { return Ok(None) };
    let start = octets.len() - header.0.len();
    if start + size > terms.maximum_packet as usize {
        return Err(Bad("a packet that is too long", TOO_LONG));
    }
    let Some(body) = header.0.get(..size) else { return Ok(None) };
    let packet = read(version, terms, kind, flags, Reader(body))?;
    octets.drain(..start + size);
    Ok(Some(packet))
}

fn read(version: Version, terms: &Terms, kind: u8, flags: u8, mut body: Reader<'_>) -> Result<Incoming, Bad> {
    let v5 = version == Version::V5;
    if kind != 3 && flags != 0 {
        return Err(malformed("a packet with reserved flags"));
    }
    let packet = match kind {
        2 => {
            let present = body.octet()?;
            let reason = body.octet()?;
            // Brokers of 3.1.1 answer a client of 5.0 without properties.
            let properties =
                if v5 && !body.0.is_empty() { body.properties()? } else { Properties::default() };
            Incoming::ConnAck { session_present: present & 1 == 1, reason, properties: Box::new(properties) }
        }
        3 => {
            let topic = body.text()?;
            let id = match flags >> 1 & 3 {
                0 => None,
                1 => Some(body.number()?),
                _ => return Err(malformed("a message with a QoS that was not asked for")),
            };
            let properties = if v5 { body.properties()? } else { Properties::default() };
            return Ok(Incoming::Publish {
                topic,
                id,
                properties: Box::new(properties),
                payload: body.0.to_vec(),
            });
        }
        4 => {
            let id = body.number()?;
            // Without a reason code it is success.
            let reason = if v5 && !body.0.is_empty() { body.octet()? } else { 0 };
            excuses(v5, terms, &mut body)?;
            Incoming::PubAck { id, reason }
        }
        9 => {
            let id = body.number()?;
            excuses(v5, terms, &mut body)?;
            Incoming::SubAck { id, reasons: std::mem::take(&mut body.0).to_vec() }
        }
        11 => {
            let id = body.number()?;
            excuses(v5, terms, &mut body)?;
            body.0 = &[];
            Incoming::UnsubAck { id }
        }
        13 => Incoming::PingResp,
        14 if v5 => {
            let reason = if body.0.is_empty() { 0 } else { body.octet()? };
            let properties = if body.0.is_empty() { Properties::default() } else { body.properties()? };
            Incoming::Disconnect { reason, properties: Box::new(properties) }
        }
        _ => return Err(malformed("a packet that brokers do not send")),
    };
    match body.0.is_empty() {
        true => Ok(packet),
        false => Err(malformed("a packet with more than it may hold")),
    }
}

/// Reads the properties of an acknowledgement, if there are any.
//= MQTT 5.0 3.1.2.11.7: without Request Problem Information they give no reason and say nothing of the user's.
fn excuses(v5: bool, terms: &Terms, body: &mut Reader<'_>) -> Result<(), Bad> {
    if !v5 || body.0.is_empty() {
        return Ok(());
    }
    let found = body.properties()?;
    match terms.problem_info || found.reason.is_none() && found.user.is_empty() {
        true => Ok(()),
        false => Err(Bad("an explanation that was not asked for", PROTOCOL_ERROR)),
    }
}
