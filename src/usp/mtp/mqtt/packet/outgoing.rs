//! Packets that a client sends, written as octets.

use super::super::super::MqttSubscription;
use crate::mqtt::{Terms, UserProperty, Version, Will};

/// Longest beginning of a packet: its kind and its length.
const HEAD: usize = 5;

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
    /// What is asked of the broker.
    pub terms: Terms,
    /// The last will.
    pub will: Option<&'a Will>,
    /// Our endpoint id.
    pub endpoint: &'a str,
    /// User properties of the settings.
    pub user: &'a [UserProperty],
}

/// CONNECT.
pub fn connect(version: Version, say: &Connect<'_>) -> Vec<u8> {
    let v5 = version == Version::V5;
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
        let terms = &say.terms;
        out.properties(|out| {
            //= TR-369 R-MQTT.12: the broker is asked for its Response Information.
            //= MQTT 5.0 3.1.2.11: each limit with its name and width; what is left out is at its default.
            out.numbers(&[
                (0x11, 4, terms.session_expiry, 0),
                (0x21, 2, terms.receive_maximum.into(), 65_535),
                (0x27, 4, terms.maximum_packet, 0),
                (0x22, 2, terms.topic_aliases.into(), 0),
                (0x19, 1, terms.response_info.into(), 0),
                (0x17, 1, terms.problem_info.into(), 1),
            ]);
            //= TR-369 R-MQTT.13: the broker is told our endpoint id.
            out.pair(UserProperty::ENDPOINT, say.endpoint);
            out.user(1, say.user);
        });
    }
    out.text(say.client_id);
    if let Some(will) = say.will {
        if v5 {
            out.properties(|out| {
                //= MQTT 5.0 3.1.3.2: what goes with the will.
                out.numbers(&[(0x18, 4, will.delay, 0), (0x02, 4, will.expiry, 0)]);
                out.texts(&[(0x03, &will.content_type), (0x08, &will.response_topic)]);
                out.user(0, say.user);
            });
        }
        out.text(&will.topic);
        out.binary(will.value.as_bytes());
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publish<'a> {
    /// The whole topic.
    pub topic: &'a str,
    /// With QoS 1.
    pub id: Option<u16>,
    /// Whether the broker keeps it.
    pub retain: bool,
    /// Message Expiry Interval in seconds, of 5.0; 0 for none.
    pub expiry: u32,
    /// Response Topic and Content Type, of 5.0.
    pub properties: (&'a str, &'a str),
    /// The message.
    pub payload: Vec<u8>,
    /// User properties of the settings.
    pub user: User<'a>,
}

/// PUBLISH; the message's buffer becomes the packet's.
pub fn publish(version: Version, say: Publish<'_>) -> Vec<u8> {
    let mut out = say.user.written(say.payload.len(), &|out, user| {
        out.text(say.topic);
        if let Some(id) = say.id {
            out.number(id);
        }
        if version == Version::V5 {
            let (response_topic, content_type) = say.properties;
            out.properties(|out| {
                //= MQTT 5.0 3.3.2.3.3: for how long the broker may keep it.
                out.numbers(&[(0x02, 4, say.expiry, 0)]);
                out.texts(&[(0x08, response_topic), (0x03, content_type)]);
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
pub fn pub_ack(version: Version, id: u16, user: User<'_>) -> Vec<u8> {
    let ack = |out: &mut Writer, user: &[UserProperty]| {
        out.number(id);
        out.reason(version, 4, 0, user);
    };
    user.written(0, &ack).packet(0x40)
}

/// SUBSCRIBE, without messages that the broker kept from before.
pub fn subscribe(version: Version, id: u16, filters: &[MqttSubscription], user: User<'_>) -> Vec<u8> {
    let subscribe = |out: &mut Writer, user: &[UserProperty]| {
        out.request(version, id, 8, user);
        for filter in filters {
            out.text(&filter.topic);
            out.octet(filter.qos.min(1));
        }
    };
    user.written(0, &subscribe).packet(0x82)
}

/// UNSUBSCRIBE.
pub fn unsubscribe(version: Version, id: u16, filters: &[Box<str>], user: User<'_>) -> Vec<u8> {
    let unsubscribe = |out: &mut Writer, user: &[UserProperty]| {
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

/// DISCONNECT, for a reason; 0 is that of an end in order, and all that 3.1.1 can say.
pub fn disconnect(version: Version, reason: u8, user: User<'_>) -> Vec<u8> {
    user.written(0, &|out, user| out.reason(version, 14, reason, user)).packet(0xe0)
}

/// User properties of the settings, and the longest packet that the broker takes with them, in octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct User<'a> {
    /// The properties, for packets of all kinds.
    pub all: &'a [UserProperty],
    /// A packet that would be longer goes without them.
    pub most: usize,
}

impl User<'_> {
    /// What stands behind a packet's length, before a payload of so many octets.
    ///
    /// Source: MQTT 5.0 3.4.2.2.3, of packets that would become longer than the broker takes.
    fn written(self, payload: usize, write: &dyn Fn(&mut Writer, &[UserProperty])) -> Writer {
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
    fn user(&mut self, kind: u8, all: &[UserProperty]) {
        for one in all.iter().filter(|one| one.packets >> kind & 1 == 1) {
            self.pair(&one.name, &one.value);
        }
    }

    /// How SUBSCRIBE and UNSUBSCRIBE begin.
    fn request(&mut self, version: Version, id: u16, kind: u8, user: &[UserProperty]) {
        self.number(id);
        if version == Version::V5 {
            self.properties(|out| out.user(kind, user));
        }
    }

    /// A reason code; that of success is left out where no user properties stand behind it.
    fn reason(&mut self, version: Version, kind: u8, reason: u8, user: &[UserProperty]) {
        let with = user.iter().any(|one| one.packets >> kind & 1 == 1);
        if version == Version::V5 && (with || reason != 0) {
            self.octet(reason);
            if with {
                self.properties(|out| out.user(kind, user));
            }
        }
    }

    /// Properties with their octets, value and default, which is not said.
    fn numbers(&mut self, all: &[(u8, usize, u32, u32)]) {
        for (name, width, value, _) in all.iter().filter(|(_, _, value, default)| value != default) {
            self.octet(*name);
            self.0.extend(value.to_be_bytes().iter().skip(4 - width));
        }
    }

    /// Properties that are texts; an empty one is not said.
    fn texts(&mut self, all: &[(u8, &str)]) {
        for (name, text) in all.iter().filter(|(_, text)| !text.is_empty()) {
            self.octet(*name);
            self.text(text);
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
