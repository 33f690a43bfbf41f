//! What is set of an MQTT broker and asked of it in the same words: `config` reads it, `usp` asks for it.
//!
//! Knows no settings and no packets.

/// Longest packet of MQTT that is taken, in octets: one USP Record with its topic and properties.
pub const MAX_PACKET: u32 = (256 + 16) * 1024;

/// Versions of MQTT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// 3.1.1.
    V311,
    /// 5.0.
    #[default]
    V5,
}

/// What CONNECT of 5.0 asks of the broker. Source: MQTT 5.0 3.1.2.11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// SessionExpiryInterval, seconds.
    pub session_expiry: u32,
    /// ReceiveMaximum, at least 1: messages with QoS 1 that may be under way to us at a time.
    pub receive_maximum: u16,
    /// MaximumPacketSize, octets, 1 to [`MAX_PACKET`].
    pub maximum_packet: u32,
    /// TopicAliasMaximum; the topics of so many are kept.
    pub topic_aliases: u16,
    /// RequestResponseInfo.
    pub response_info: bool,
    /// RequestProblemInfo.
    pub problem_info: bool,
}

/// What holds where nothing is set, and for 3.1.1, which asks for nothing.
impl Default for Terms {
    fn default() -> Terms {
        Terms {
            session_expiry: 0,
            receive_maximum: 8,
            maximum_packet: MAX_PACKET,
            topic_aliases: 0,
            response_info: true,
            problem_info: true,
        }
    }
}

/// What the broker publishes when it loses us. Source: Device.MQTT.Client.{i}.Will*.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Will {
    /// WillTopic.
    pub topic: String,
    /// WillValue.
    pub value: String,
    /// WillQoS; 2 counts as 1.
    pub qos: u8,
    /// WillRetain.
    pub retain: bool,
    /// WillDelayInterval, seconds; only 5.0.
    pub delay: u32,
    /// WillMessageExpiryInterval, seconds; 0 for ever. Only 5.0.
    pub expiry: u32,
    /// WillContentType; none where empty. Only 5.0.
    pub content_type: String,
    /// WillResponseTopic; none where empty. Only 5.0.
    pub response_topic: String,
}

/// A user property, of 5.0: a name and a value that go with packets of some kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserProperty {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
    /// PacketType: a bit for each kind of packets, at the place of its number in the standard.
    pub packets: u16,
}

impl UserProperty {
    /// The kinds as PacketType names them, at the place of their number; the will, which is no packet, is at 0.
    const KINDS: [&str; 16] = [
        "WILL",
        "CONNECT",
        "",
        "PUBLISH",
        "PUBACK",
        "PUBREC",
        "PUBREL",
        "PUBCOMP",
        "SUBSCRIBE",
        "",
        "UNSUBSCRIBE",
        "",
        "",
        "",
        "DISCONNECT",
        "AUTH",
    ];
    /// The name under which USP itself says its endpoint id.
    pub const ENDPOINT: &str = "usp-endpoint-id";
    /// The bit of the will.
    pub const WILL: u16 = 1;
    /// The bit of CONNECT.
    pub const CONNECT: u16 = 1 << 1;

    /// The bits of kinds by their names; names that are none are passed over.
    pub fn packets<'a>(names: impl IntoIterator<Item = &'a str>) -> u16 {
        let place = |name: &str| Self::KINDS.iter().position(|kind| !name.is_empty() && *kind == name);
        names.into_iter().filter_map(place).fold(0, |all, place| all | 1 << place)
    }
}
