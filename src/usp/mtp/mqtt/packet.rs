//! Packets of MQTT 3.1.1 and 5.0: those that a client sends, and those that it may get.
//!
//! Pure. Source: MQTT Version 5.0 and Version 3.1.1, chapters 2 and 3. What is not needed is refused: QoS 2, topic aliases and
//! enhanced authentication are never agreed to, so a broker that uses them does not keep to the protocol.

use super::super::{MqttSubscription, MqttUser, MqttVersion, MqttWill};

/// Longest packet that is taken, in octets: one Record with its topic and properties.
pub const MAX_PACKET: usize = super::super::MAX_RECORD + 16 * 1024;
/// Longest beginning of a packet: its kind and its length.
const HEAD: usize = 5;
/// Most user properties of one packet that are read.
pub const MAX_USER_PROPERTIES: usize = 64;

/// Why octets are no packet, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bad(pub &'static str);

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
    /// User properties in their order.
    pub user: Vec<(String, String)>,
}

/// Takes the packet at the start of `octets` out; `Ok(None)` while it is not complete.
pub fn take(version: MqttVersion, octets: &mut Vec<u8>) -> Result<Option<Incoming>, Bad> {
    let Some((first, rest)) = octets.split_first() else { return Ok(None) };
    let (kind, flags) = (first >> 4, first & 0x0f);
    let mut header = Reader(rest);
    let Some(size) = header.size()? else { return Ok(None) };
    if size > MAX_PACKET {
        return Err(Bad("a packet is too long"));
    }
    let start = octets.len() - header.0.len();
    let Some(body) = header.0.get(..size) else { return Ok(None) };
    let packet = read(version, kind, flags, Reader(body))?;
    octets.drain(..start + size);
    Ok(Some(packet))
}

fn read(version: MqttVersion, kind: u8, flags: u8, mut body: Reader<'_>) -> Result<Incoming, Bad> {
    let v5 = version == MqttVersion::V5;
    if kind != 3 && flags != 0 {
        return Err(Bad("a packet with reserved flags"));
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
                _ => return Err(Bad("a message with a QoS that was not asked for")),
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
            body.0 = &[];
            Incoming::PubAck { id, reason }
        }
        9 => {
            let id = body.number()?;
            if v5 {
                body.properties()?;
            }
            Incoming::SubAck { id, reasons: std::mem::take(&mut body.0).to_vec() }
        }
        11 => {
            let id = body.number()?;
            body.0 = &[];
            Incoming::UnsubAck { id }
        }
        13 => Incoming::PingResp,
        14 if v5 => {
            let reason = if body.0.is_empty() { 0 } else { body.octet()? };
            let properties = if body.0.is_empty() { Properties::default() } else { body.properties()? };
            Incoming::Disconnect { reason, properties: Box::new(properties) }
        }
        _ => return Err(Bad("a packet that brokers do not send")),
    };
    match body.0.is_empty() {
        true => Ok(packet),
        false => Err(Bad("a packet with more than it may hold")),
    }
}

struct Reader<'a>(&'a [u8]);

const SHORT: Bad = Bad("a packet that is too short");

impl<'a> Reader<'a> {
    fn octets(&mut self, count: usize) -> Result<&'a [u8], Bad> {
        let (found, rest) = self.0.split_at_checked(count).ok_or(SHORT)?;
        self.0 = rest;
        Ok(found)
    }

    fn octet(&mut self) -> Result<u8, Bad> {
        self.octets(1).map(|found| found.first().copied().unwrap_or_default())
    }

    fn number(&mut self) -> Result<u16, Bad> {
        self.octets(2).map(|found| found.iter().fold(0, |sum, octet| sum << 8 | u16::from(*octet)))
    }

    fn long(&mut self) -> Result<u32, Bad> {
        self.octets(4).map(|found| found.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet)))
    }

    fn binary(&mut self) -> Result<&'a [u8], Bad> {
        let count = self.number()?;
        self.octets(usize::from(count))
    }

    fn text(&mut self) -> Result<String, Bad> {
        let octets = self.binary()?;
        let text = std::str::from_utf8(octets).map_err(|_| Bad("a text that is not UTF-8"))?;
        if text.contains('\0') { Err(Bad("a text with a null character")) } else { Ok(text.to_owned()) }
    }

    /// A variable byte integer; `None` while it is not complete.
    fn size(&mut self) -> Result<Option<usize>, Bad> {
        let mut size = 0;
        for (at, octet) in self.0.iter().enumerate().take(4) {
            size |= usize::from(octet & 0x7f) << (7 * at);
            if octet & 0x80 == 0 {
                self.octets(at + 1)?;
                return Ok(Some(size));
            }
        }
        if self.0.len() < 4 { Ok(None) } else { Err(Bad("a length that does not end")) }
    }

    fn properties(&mut self) -> Result<Properties, Bad> {
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
                // Topic aliases, of which we allow none.
                0x22 => drop(inner.number()?),
                // Message expiry.
                0x02 => drop(inner.long()?),
                0x1c => found.server_reference = Some(inner.text()?),
                // Authentication method; correlation data, authentication data.
                0x15 => drop(inner.text()?),
                0x09 | 0x16 => drop(inner.binary()?),
                // Subscription identifier.
                0x0b => drop(inner.size()?.ok_or(SHORT)?),
                _ => return Err(Bad("an unknown property")),
            }
        }
        Ok(found)
    }
}

/// What CONNECT says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connect<'a> {
    /// ClientId.
    pub client_id: &'a str,
    /// User Name.
    pub username: Option<&'a str>,
    /// Password.
    pub password: Option<&'a str>,
    /// Keep Alive, in seconds.
    pub keep_alive: u16,
    /// Clean Start, Clean Session.
    pub clean: bool,
    /// Session Expiry Interval.
    pub session_expiry: Option<u32>,
    /// The last will.
    pub will: Option<&'a MqttWill>,
    /// Receive Maximum.
    pub receive_maximum: u16,
    /// Our endpoint id.
    pub endpoint: &'a str,
    /// User properties of the settings.
    pub user: &'a [MqttUser],
}

/// CONNECT.
pub fn connect(version: MqttVersion, say: &Connect<'_>) -> Vec<u8> {
    let v5 = version == MqttVersion::V5;
    let mut out = Writer::default();
    out.text("MQTT");
    out.octet(if v5 { 5 } else { 4 });
    let mut flags = u8::from(say.clean) << 1;
    if let Some(will) = say.will {
        flags |= 0x04 | will.qos.min(1) << 3 | u8::from(will.retain) << 5;
    }
    flags |= u8::from(say.password.is_some()) << 6 | u8::from(say.username.is_some()) << 7;
    out.octet(flags);
    out.number(say.keep_alive);
    if v5 {
        out.properties(|out| {
            if let Some(seconds) = say.session_expiry {
                out.octet(0x11);
                out.long(seconds);
            }
            out.octet(0x21);
            out.number(say.receive_maximum);
            out.octet(0x27);
            out.long(u32::try_from(MAX_PACKET).unwrap_or(u32::MAX));
            //= TR-369 R-MQTT.12: the broker is asked for its Response Information.
            out.octet(0x19);
            out.octet(1);
            //= TR-369 R-MQTT.13: the broker is told our endpoint id.
            out.pair(MqttUser::ENDPOINT, say.endpoint);
            out.user(1, say.user);
        });
    }
    out.text(say.client_id);
    if let Some(will) = say.will {
        if v5 {
            out.properties(|out| {
                if let Some(seconds) = will.delay {
                    out.octet(0x18);
                    out.long(seconds);
                }
                out.user(0, say.user);
            });
        }
        out.text(&will.topic);
        out.binary(&will.value);
    }
    if let Some(username) = say.username {
        out.text(username);
    }
    if let Some(password) = say.password {
        out.text(password);
    }
    out.packet(0x10)
}

/// What PUBLISH says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// The whole topic.
    pub topic: &'a str,
    /// With QoS 1.
    pub id: Option<u16>,
    /// Whether the broker keeps it.
    pub retain: bool,
    /// Response Topic and Content Type, of 5.0.
    pub properties: (&'a str, &'a str),
    /// The message.
    pub payload: Vec<u8>,
    /// User properties of the settings.
    pub user: User<'a>,
}

/// PUBLISH; the message's buffer becomes the packet's.
pub fn publish(version: MqttVersion, say: Publish<'_>) -> Vec<u8> {
    let mut out = say.user.written(say.payload.len(), &|out, user| {
        out.text(say.topic);
        if let Some(id) = say.id {
            out.number(id);
        }
        if version == MqttVersion::V5 {
            let (response_topic, content_type) = say.properties;
            out.properties(|out| {
                out.octet(0x08);
                out.text(response_topic);
                out.octet(0x03);
                out.text(content_type);
                out.user(3, user);
            });
        }
    });
    let mut head = vec![0x30 | u8::from(say.id.is_some()) << 1 | u8::from(say.retain)];
    size(out.0.len() + say.payload.len(), &mut head);
    head.append(&mut out.0);
    let mut packet = say.payload;
    packet.reserve_exact(head.len()); // no doubling of what is complete
    packet.splice(..0, head);
    packet
}

/// Marks an encoded PUBLISH as one that is sent again.
pub fn mark_again(publish: &mut [u8]) {
    if let Some(first) = publish.first_mut() {
        *first |= 0x08;
    }
}

/// PUBACK.
pub fn pub_ack(version: MqttVersion, id: u16, user: User<'_>) -> Vec<u8> {
    let ack = |out: &mut Writer, user: &[MqttUser]| {
        out.number(id);
        out.success(version, 4, user);
    };
    user.written(0, &ack).packet(0x40)
}

/// SUBSCRIBE, without messages that the broker kept from before.
pub fn subscribe(version: MqttVersion, id: u16, filters: &[MqttSubscription], user: User<'_>) -> Vec<u8> {
    let subscribe = |out: &mut Writer, user: &[MqttUser]| {
        out.request(version, id, 8, user);
        for filter in filters {
            out.text(&filter.topic);
            out.octet(filter.qos.min(1));
        }
    };
    user.written(0, &subscribe).packet(0x82)
}

/// UNSUBSCRIBE.
pub fn unsubscribe(version: MqttVersion, id: u16, filters: &[Box<str>], user: User<'_>) -> Vec<u8> {
    let unsubscribe = |out: &mut Writer, user: &[MqttUser]| {
        out.request(version, id, 10, user);
        for filter in filters {
            out.text(filter);
        }
    };
    user.written(0, &unsubscribe).packet(0xa2)
}

/// PINGREQ.
pub fn ping_req() -> Vec<u8> {
    vec![0xc0, 0]
}

/// DISCONNECT, in order.
pub fn disconnect(version: MqttVersion, user: User<'_>) -> Vec<u8> {
    user.written(0, &|out, user| out.success(version, 14, user)).packet(0xe0)
}

/// User properties of the settings, and the longest packet that the broker takes with them, in octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct User<'a> {
    /// The properties, for packets of all kinds.
    pub all: &'a [MqttUser],
    /// A packet that would be longer goes without them.
    pub most: usize,
}

impl User<'_> {
    /// What stands behind a packet's length, before a payload of so many octets.
    ///
    /// Source: MQTT 5.0 3.4.2.2.3, of packets that would become longer than the broker takes.
    fn written(self, payload: usize, write: &dyn Fn(&mut Writer, &[MqttUser])) -> Writer {
        let mut out = Writer::default();
        write(&mut out, self.all);
        if !self.all.is_empty() && HEAD + out.0.len() + payload > self.most {
            out.0.clear();
            write(&mut out, &[]);
        }
        out
    }
}

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn octet(&mut self, octet: u8) {
        self.0.push(octet);
    }

    fn number(&mut self, number: u16) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    fn long(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    /// At most 65 535 octets; what is beyond is cut off.
    fn binary(&mut self, octets: &[u8]) {
        let size = u16::try_from(octets.len()).unwrap_or(u16::MAX);
        self.number(size);
        self.0.extend_from_slice(octets.get(..usize::from(size)).unwrap_or_default());
    }

    fn text(&mut self, text: &str) {
        self.binary(text.as_bytes());
    }

    fn pair(&mut self, name: &str, value: &str) {
        self.octet(0x26);
        self.text(name);
        self.text(value);
    }

    /// User properties of a kind of packets.
    fn user(&mut self, kind: u8, all: &[MqttUser]) {
        for one in all.iter().filter(|one| one.packets >> kind & 1 == 1) {
            self.pair(&one.name, &one.value);
        }
    }

    /// How SUBSCRIBE and UNSUBSCRIBE begin.
    fn request(&mut self, version: MqttVersion, id: u16, kind: u8, user: &[MqttUser]) {
        self.number(id);
        if version == MqttVersion::V5 {
            self.properties(|out| out.user(kind, user));
        }
    }

    /// The reason code of success, which is left out where no user properties stand behind it.
    fn success(&mut self, version: MqttVersion, kind: u8, user: &[MqttUser]) {
        if version == MqttVersion::V5 && user.iter().any(|one| one.packets >> kind & 1 == 1) {
            self.octet(0);
            self.properties(|out| out.user(kind, user));
        }
    }

    fn properties(&mut self, write: impl FnOnce(&mut Writer)) {
        let mut inner = Writer::default();
        write(&mut inner);
        size(inner.0.len(), &mut self.0);
        self.0.append(&mut inner.0);
    }

    fn packet(mut self, first: u8) -> Vec<u8> {
        let mut head = vec![first];
        size(self.0.len(), &mut head);
        self.0.splice(..0, head);
        self.0
    }
}

/// Writes a variable byte integer.
fn size(mut size: usize, out: &mut Vec<u8>) {
    loop {
        let octet = (size & 0x7f) as u8;
        size >>= 7;
        if size == 0 {
            return out.push(octet);
        }
        out.push(octet | 0x80);
    }
}

/// What a reason code of 5.0 means, for those a person can do something about. Source: MQTT 5.0 2.4.
pub fn reason_words(version: MqttVersion, code: u8) -> &'static str {
    match (version, code) {
        (MqttVersion::V311, 1) | (MqttVersion::V5, 0x84) => "the broker does not speak this version of MQTT",
        (MqttVersion::V311, 2) | (MqttVersion::V5, 0x85) => "the client id is not allowed",
        (MqttVersion::V311, 3) | (MqttVersion::V5, 0x88) => "the broker is not available",
        (MqttVersion::V311, 4) | (MqttVersion::V5, 0x86) => "user name or password are wrong",
        (MqttVersion::V311, 5) | (MqttVersion::V5, 0x87) => "not authorized",
        (MqttVersion::V5, 0x00 | 0x04) => "the broker closes the connection",
        (MqttVersion::V5, 0x81) => "the broker takes our packet for malformed",
        (MqttVersion::V5, 0x82) => "the broker sees a protocol error",
        (MqttVersion::V5, 0x89) => "the broker is busy",
        (MqttVersion::V5, 0x8a) => "we are banned",
        (MqttVersion::V5, 0x8b) => "the broker shuts down",
        (MqttVersion::V5, 0x8c) => "the broker wants another authentication",
        (MqttVersion::V5, 0x8d) => "the broker heard nothing for too long",
        (MqttVersion::V5, 0x8e) => "another client took the session over",
        (MqttVersion::V5, 0x8f) => "the topic filter is not allowed",
        (MqttVersion::V5, 0x90) => "the topic is not allowed",
        (MqttVersion::V5, 0x93) => "more messages than the broker takes at a time",
        (MqttVersion::V5, 0x95) => "the packet is too large",
        (MqttVersion::V5, 0x96 | 0x9f) => "too many messages or connections",
        (MqttVersion::V5, 0x97) => "a quota is exceeded",
        (MqttVersion::V5, 0x9a) => "messages cannot be retained",
        (MqttVersion::V5, 0x9b) => "the QoS is not supported",
        (MqttVersion::V5, 0x9c) => "another broker is to be used for now",
        (MqttVersion::V5, 0x9d) => "another broker is to be used from now on",
        (MqttVersion::V5, 0x80 | 0x83) => "the broker refuses and does not say why",
        (MqttVersion::V5, 0x91 | 0x92) => "the broker knows another message by this id",
        (MqttVersion::V5, 0x94) => "a topic alias that is not allowed",
        (MqttVersion::V5, 0x98) => "an administrator ended it",
        (MqttVersion::V5, 0x99) => "the payload is not what it says it is",
        (MqttVersion::V5, 0x9e | 0xa1 | 0xa2) => "a kind of subscription that the broker does not know",
        (MqttVersion::V5, 0xa0) => "connected for as long as is allowed",
        (MqttVersion::V5 | MqttVersion::V311, _) => "the broker refuses",
    }
}

#[doc(hidden)]
/// Reads arbitrary octets as packets of both versions; returns at all times.
pub fn exercise(octets: &[u8]) {
    for version in [MqttVersion::V5, MqttVersion::V311] {
        let mut octets = octets.to_vec();
        while let Ok(Some(packet)) = take(version, &mut octets) {
            drop(packet);
        }
    }
}

#[cfg(test)]
mod tests;
