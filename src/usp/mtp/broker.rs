//! What is wanted of a connection to an MQTT broker.
//!
//! Rules and packets are `mqtt`'s; this is there in every build, as the settings are.

use super::super::endpoint::EndpointId;
use super::{Network, Retry, Security};
use crate::secret::Secret;
use std::time::Duration;

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
    /// SessionExpiryInterval, seconds; only 5.0.
    pub session_expiry: Option<u32>,
    /// The last will.
    pub will: Option<MqttWill>,
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
    pub delay: Option<u32>,
}

#[cfg(all(test, feature = "mqtt"))]
mod tests {
    use super::super::mqtt::tests::wanted;
    use super::*;

    //= TR-181 MQTT.Client.{i}.UserProperty.{i}.PacketType: those of CONNECT and of the will need another connection.
    #[test]
    fn only_what_is_said_at_connect_needs_another_connection() {
        let bare = wanted(MqttVersion::V5);
        let will = MqttWill { topic: "w".into(), value: Vec::new(), qos: 0, retain: false, delay: None };
        let with_will = Mqtt { will: Some(will), ..bare.clone() };
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
