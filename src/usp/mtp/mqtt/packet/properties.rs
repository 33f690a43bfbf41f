//! Properties of MQTT 5.0, and the kinds of values that packets are made of, as they are read.

use super::{Bad, MAX_USER_PROPERTIES, malformed};

/// Properties that are looked at; all others are skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// Session Expiry Interval.
    pub session_expiry: Option<u32>,
    /// Assigned Client Identifier.
    pub assigned_client_id: Option<String>,
    /// Server Keep Alive, in seconds.
    pub server_keep_alive: Option<u16>,
    /// Response Information.
    pub response_information: Option<String>,
    /// Reason String.
    pub reason: Option<String>,
    /// Server Reference: other brokers to use.
    pub server_reference: Option<String>,
    /// Receive Maximum.
    pub receive_maximum: Option<u16>,
    /// Maximum QoS.
    pub maximum_qos: Option<u8>,
    /// Retain Available.
    pub retain_available: Option<bool>,
    /// Maximum Packet Size, in octets.
    pub maximum_packet: Option<u32>,
    /// Content Type.
    pub content_type: Option<String>,
    /// Response Topic.
    pub response_topic: Option<String>,
    /// Topic Alias.
    pub topic_alias: Option<u16>,
    /// User properties in their order.
    pub user: Vec<(String, String)>,
}

/// What is left of a packet.
pub(super) struct Reader<'a>(pub &'a [u8]);

const SHORT: Bad = malformed("a packet that is too short");

impl<'a> Reader<'a> {
    /// So many octets.
    pub fn octets(&mut self, count: usize) -> Result<&'a [u8], Bad> {
        let (found, rest) = self.0.split_at_checked(count).ok_or(SHORT)?;
        self.0 = rest;
        Ok(found)
    }

    /// A byte.
    pub fn octet(&mut self) -> Result<u8, Bad> {
        self.octets(1).map(|found| found.first().copied().unwrap_or_default())
    }

    /// A two byte integer.
    pub fn number(&mut self) -> Result<u16, Bad> {
        self.octets(2).map(|found| found.iter().fold(0, |sum, octet| sum << 8 | u16::from(*octet)))
    }

    /// A four byte integer.
    pub fn long(&mut self) -> Result<u32, Bad> {
        self.octets(4).map(|found| found.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet)))
    }

    /// Octets behind their number.
    pub fn binary(&mut self) -> Result<&'a [u8], Bad> {
        let count = self.number()?;
        self.octets(usize::from(count))
    }

    /// A UTF-8 string.
    pub fn text(&mut self) -> Result<String, Bad> {
        let octets = self.binary()?;
        let text = std::str::from_utf8(octets).map_err(|_| malformed("a text that is not UTF-8"))?;
        if text.contains('\0') { Err(malformed("a text with a null character")) } else { Ok(text.to_owned()) }
    }

    /// A variable byte integer; `None` while it is not complete.
    pub fn size(&mut self) -> Result<Option<usize>, Bad> {
        let mut size = 0;
        for (at, octet) in self.0.iter().enumerate().take(4) {
            size |= usize::from(octet & 0x7f) << (7 * at);
            if octet & 0x80 == 0 {
                self.octets(at + 1)?;
                return Ok(Some(size));
            }
        }
        if self.0.len() < 4 { Ok(None) } else { Err(malformed("a length that does not end")) }
    }

    /// All properties of a packet, behind their length.
    pub fn properties(&mut self) -> Result<Properties, Bad> {
        let size = self.size()?.ok_or(SHORT)?;
        let mut inner = Reader(self.octets(size)?);
        let mut found = Properties::default();
        while !inner.0.is_empty() {
            match inner.octet()? {
                0x11 => found.session_expiry = Some(inner.long()?),
                0x12 => found.assigned_client_id = Some(inner.text()?),
                0x13 => found.server_keep_alive = Some(inner.number()?),
                0x1a => found.response_information = Some(inner.text()?),
                0x1f => found.reason = Some(inner.text()?),
                0x21 => found.receive_maximum = Some(inner.number()?),
                0x24 => found.maximum_qos = Some(inner.octet()?),
                0x25 => found.retain_available = Some(inner.octet()? != 0),
                0x27 => found.maximum_packet = Some(inner.long()?),
                0x03 => found.content_type = Some(inner.text()?),
                0x08 => found.response_topic = Some(inner.text()?),
                0x26 => {
                    let pair = (inner.text()?, inner.text()?);
                    if found.user.len() < MAX_USER_PROPERTIES {
                        found.user.push(pair);
                    }
                }
                // Payload format, wildcards, subscription identifiers and shared subscriptions available.
                0x01 | 0x28 | 0x29 | 0x2a => drop(inner.octet()?),
                0x23 => found.topic_alias = Some(inner.number()?),
                // Topic aliases that the broker allows, of which we use none.
                0x22 => drop(inner.number()?),
                // Message expiry.
                0x02 => drop(inner.long()?),
                0x1c => found.server_reference = Some(inner.text()?),
                // Authentication method; correlation data, authentication data.
                0x15 => drop(inner.text()?),
                0x09 | 0x16 => drop(inner.binary()?),
                // Subscription identifier.
                0x0b => drop(inner.size()?.ok_or(SHORT)?),
                _ => return Err(malformed("an unknown property")),
            }
        }
        Ok(found)
    }
}
