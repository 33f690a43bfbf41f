//! What is wanted of a connection to an MQTT broker.
//!
//! Rules and packets are `mqtt`'s; this is there in every build, as the settings are.

use super::super::endpoint::EndpointId;
use super::{MAX_RECORD, Retry, Security};
use crate::secret::Secret;
use crate::way::Network;
use std::time::Duration;

/// Longest packet of MQTT that is taken, in octets: one Record with its topic and properties.
pub const MAX_PACKET: u32 = MAX_RECORD as u32 + 16 * 1024;

/// A connection to an MQTT broker.
///
/// Source: Device.MQTT.Client.{i} and Device.LocalAgent.MTP.{i}.MQTT. The second group of fields may change without the
/// connection being opened anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mqtt {
    /// Tells it from other links.
    pub name: Box<str>,
    /// The section of its Device.MQTT.Client.{i}, for what is counted.
    pub client: Box<str>,
    /// BrokerAddress: a name or an address, IPv6 without brackets.
    pub host: Box<str>,
    /// BrokerPort.
    pub port: u16,
    /// ProtocolVersion.
    pub version: MqttVersion,
    /// TLS; none for plain TCP.
    pub tls: Option<Security>,
    /// Ourselves.
    pub own: EndpointId,
    /// Username.
    pub username: Option<Box<str>>,
    /// Password.
    pub password: Option<Secret>,
    /// KeepAliveTime, whole seconds up to 65535; zero for none.
    pub keep_alive: Duration,
    /// CleanStart (5.0) or CleanSession (3.1.1).
    pub clean: bool,
    /// What is asked of a broker of 5.0.
    pub terms: MqttTerms,
    /// The last will.
    pub will: Option<Box<MqttWill>>,
    /// After a failure.
    pub retry: Retry,
    /// The way there.
    pub network: Network,

    /// ClientID as stored: configured, or assigned by this broker before.
    pub client_id: Option<Box<str>>,
    /// The enabled rows of Subscription.{i}.
    pub subscriptions: Vec<MqttSubscription>,
    /// ResponseTopicConfigured.
    pub response_topic: Option<Box<str>>,
    /// PublishQoS; 2 counts as 1.
    pub publish_qos: u8,
    /// PublishMessageExpiryInterval, seconds; 0 for ever. Only 5.0.
    pub publish_expiry: u32,
    /// The enabled rows of UserProperty.{i}; only 5.0.
    pub user: Vec<MqttUser>,
}

impl Mqtt {
    /// Whether a connection that was made for this serves `other` as well, with other subscriptions perhaps.
    ///
    /// A client id that becomes known is the one that the broker assigned.
    pub fn same_connection(&self, other: &Mqtt) -> bool {
        let bare = |one: &Mqtt| Mqtt {
            client_id: None,
            subscriptions: Vec::new(),
            response_topic: None,
            publish_qos: 0,
            publish_expiry: 0,
            user: one.said_at_connect(),
            ..one.clone()
        };
        bare(self) == bare(other) && (self.client_id == other.client_id || self.client_id.is_none())
    }

    /// The user properties that are said once, when the connection is made.
    //= TR-181 MQTT.Client.{i}.UserProperty.{i}.PacketType: those of CONNECT and of the will need another connection.
    fn said_at_connect(&self) -> Vec<MqttUser> {
        let kinds = if self.will.is_some() { MqttUser::CONNECT | MqttUser::WILL } else { MqttUser::CONNECT };
        let said = |one: &MqttUser| MqttUser { packets: one.packets & kinds, ..one.clone() };
        self.user.iter().map(said).filter(|one| one.packets != 0).collect()
    }
}

/// What CONNECT of 5.0 asks of the broker. Source: MQTT 5.0 3.1.2.11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MqttTerms {
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

impl Default for MqttTerms {
    fn default() -> MqttTerms {
        MqttTerms {
            session_expiry: 0,
            receive_maximum: 8,
            maximum_packet: MAX_PACKET,
            topic_aliases: 0,
            response_info: true,
            problem_info: true,
        }
    }
}

/// Versions of MQTT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MqttVersion {
    /// 3.1.1.
    V311,
    /// 5.0.
    #[default]
    V5,
}

/// A topic filter and the highest QoS at which messages are wanted; 2 counts as 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MqttSubscription {
    /// The topic filter.
    pub topic: Box<str>,
    /// 0 or 1.
    pub qos: u8,
}

/// A user property, of 5.0: a name and a value that go with packets of some kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MqttUser {
    /// Name.
    pub name: Box<str>,
    /// Value.
    pub value: Box<str>,
    /// PacketType: a bit for each kind of packets, at the place of its number in the standard.
    pub packets: u16,
}

impl MqttUser {
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
    pub fn packets<'a>(names: impl Iterator<Item = &'a str>) -> u16 {
        let place = |name: &str| MqttUser::KINDS.iter().position(|kind| !name.is_empty() && *kind == name);
        names.filter_map(place).fold(0, |all, place| all | 1 << place)
    }
}

/// What the broker publishes when it loses us. Source: Device.MQTT.Client.{i}.Will*.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MqttWill {
    /// WillTopic.
    pub topic: Box<str>,
    /// WillValue.
    pub value: Vec<u8>,
    /// WillQoS.
    pub qos: u8,
    /// WillRetain.
    pub retain: bool,
    /// WillDelayInterval, seconds; only 5.0.
    pub delay: u32,
    /// WillMessageExpiryInterval, seconds; 0 for ever. Only 5.0.
    pub expiry: u32,
    /// WillContentType; none where empty. Only 5.0.
    pub content_type: Box<str>,
    /// WillResponseTopic; none where empty. Only 5.0.
    pub response_topic: Box<str>,
}

#[cfg(all(test, feature = "mqtt"))]
mod tests {
    use super::super::mqtt::tests::wanted;
    use super::*;

    //= MQTT 5.0 3.1.2.11: what is asked of a broker is asked in CONNECT.
    #[test]
    fn other_terms_need_another_connection_and_another_expiry_of_messages_does_not() {
        let one = wanted(MqttVersion::V5);
        assert!(one.same_connection(&Mqtt { publish_expiry: 9, ..one.clone() }));
        let usual = MqttTerms::default();
        for terms in [
            MqttTerms { session_expiry: 1, ..usual },
            MqttTerms { receive_maximum: 1, ..usual },
            MqttTerms { maximum_packet: 1_024, ..usual },
            MqttTerms { topic_aliases: 1, ..usual },
            MqttTerms { response_info: false, ..usual },
            MqttTerms { problem_info: false, ..usual },
        ] {
            assert!(!one.same_connection(&Mqtt { terms, ..one.clone() }), "{terms:?}");
        }
    }

    //= TR-181 MQTT.Client.{i}.UserProperty.{i}.PacketType: those of CONNECT and of the will need another connection.
    #[test]
    fn only_what_is_said_at_connect_needs_another_connection() {
        let bare = wanted(MqttVersion::V5);
        let will = MqttWill { topic: "w".into(), ..MqttWill::default() };
        let with_will = Mqtt { will: Some(Box::new(will)), ..bare.clone() };
        for (kinds, stays, stays_with_will) in [
            ("PUBLISH SUBSCRIBE DISCONNECT PUBACK UNSUBSCRIBE", true, true),
            ("PUBLISH WILL", true, false),
            ("PUBLISH CONNECT", false, false),
            ("", true, true),
        ] {
            let said = |value: &str| {
                let packets = MqttUser::packets(kinds.split(' '));
                vec![MqttUser { name: "n".into(), value: value.into(), packets }]
            };
            for (wanted, stays) in [(&bare, stays), (&with_will, stays_with_will)] {
                let one = Mqtt { user: said("one"), ..wanted.clone() };
                let two = Mqtt { user: said("two"), ..wanted.clone() };
                assert!(one.same_connection(&one), "{kinds}");
                assert_eq!(one.same_connection(&two), stays, "{kinds}");
                assert_eq!(one.same_connection(wanted), stays, "{kinds}");
            }
        }
    }
}
