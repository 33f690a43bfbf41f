//! What is wanted of a connection to an MQTT broker.
//!
//! Rules and packets are `mqtt`'s; this is there in every build, as the settings are.

use super::super::endpoint::EndpointId;
use super::{MAX_RECORD, Retry, Security};
use crate::mqtt::{MAX_PACKET, Terms, UserProperty, Version, Will};
use crate::secret::Secret;
use crate::way::Network;
use std::time::Duration;

const _: () = assert!(
    MAX_PACKET as usize == MAX_RECORD + 16 * 1024,
    "a Record, its topic and properties fit in a packet"
);

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
    pub version: Version,
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
    pub terms: Terms,
    /// The last will.
    pub will: Option<Box<Will>>,
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
    pub user: Vec<UserProperty>,
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
    fn said_at_connect(&self) -> Vec<UserProperty> {
        let kinds = if self.will.is_some() {
            UserProperty::CONNECT | UserProperty::WILL
        } else {
            UserProperty::CONNECT
        };
        let said = |one: &UserProperty| UserProperty { packets: one.packets & kinds, ..one.clone() };
        self.user.iter().map(said).filter(|one| one.packets != 0).collect()
    }
}

/// A topic filter and the highest QoS at which messages are wanted; 2 counts as 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MqttSubscription {
    /// The topic filter.
    pub topic: Box<str>,
    /// 0 or 1.
    pub qos: u8,
}

#[cfg(all(test, feature = "mqtt"))]
mod tests {
    use super::super::mqtt::tests::wanted;
    use super::*;

    //= MQTT 5.0 3.1.2.11: what is asked of a broker is asked in CONNECT.
    #[test]
    fn other_terms_need_another_connection_and_another_expiry_of_messages_does_not() {
        let one = wanted(Version::V5);
        assert!(one.same_connection(&Mqtt { publish_expiry: 9, ..one.clone() }));
        let usual = Terms::default();
        for terms in [
            Terms { session_expiry: 1, ..usual },
            Terms { receive_maximum: 1, ..usual },
            Terms { maximum_packet: 1_024, ..usual },
            Terms { topic_aliases: 1, ..usual },
            Terms { response_info: false, ..usual },
            Terms { problem_info: false, ..usual },
        ] {
            assert!(!one.same_connection(&Mqtt { terms, ..one.clone() }), "{terms:?}");
        }
    }

    //= TR-181 MQTT.Client.{i}.UserProperty.{i}.PacketType: those of CONNECT and of the will need another connection.
    #[test]
    fn only_what_is_said_at_connect_needs_another_connection() {
        let bare = wanted(Version::V5);
        let will = Will { topic: "w".into(), ..Will::default() };
        let with_will = Mqtt { will: Some(Box::new(will)), ..bare.clone() };
        for (kinds, stays, stays_with_will) in [
            ("PUBLISH SUBSCRIBE DISCONNECT PUBACK UNSUBSCRIBE", true, true),
            ("PUBLISH WILL", true, false),
            ("PUBLISH CONNECT", false, false),
            ("", true, true),
        ] {
            let said = |value: &str| {
                let packets = UserProperty::packets(kinds.split(' '));
                vec![UserProperty { name: "n".into(), value: value.into(), packets }]
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
