//! The settings of brokers: sections `mqtt`, and those that name one.
//!
//! Knows no connections: the agent makes them of this. What only 5.0 can say is at its default where 3.1.1 is spoken.

use super::Reader;
use crate::mqtt::{Terms, UserProperty, Version, Will};
use crate::retry::Curve;
use crate::secret::Secret;
use std::time::Duration;

/// A section `mqtt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// The section's name.
    pub name: String,
    /// The name shown.
    pub title: String,
    /// Whether there is a connection.
    pub enable: bool,
    /// The broker's name or address; `None` where none is set.
    pub host: Option<String>,
    /// Its TCP port.
    pub port: u16,
    /// TLS.
    pub encryption: bool,
    /// The version of MQTT that is spoken.
    pub version: Version,
    /// The client id; `None` where the broker chooses.
    pub client_id: Option<String>,
    /// The name given to the broker.
    pub username: Option<String>,
    /// Its password.
    pub password: Secret,
    /// The silence after which the broker is pinged; zero for never.
    pub keepalive: Duration,
    /// Whether an earlier session is forgotten.
    pub clean: bool,
    /// What is asked of a broker of 5.0, and the defaults for 3.1.1.
    pub terms: Terms,
    /// 5.0: seconds that the broker may keep what is sent; 0 for ever.
    pub publish_expiry: u32,
    /// After a failure.
    pub retry: Curve,
    /// No wait is longer.
    pub retry_max: Duration,
    /// Kept for controllers, without effect.
    pub message_retry: Duration,
    /// What the broker publishes when this device is lost, without what 3.1.1 cannot say if it speaks that.
    pub will: Option<Box<Will>>,
    /// The network that leads to it; `None` for that of `Usp::network`.
    pub interface: Option<String>,
    /// SHA-256 digests of the keys it may have, lower case hex; any key where empty.
    pub pins: Vec<String>,
    /// The protocols that it is offered in the TLS handshake.
    pub alpn: Vec<String>,
    /// The enabled subscriptions.
    pub subscriptions: Vec<Subscription>,
    /// The enabled user properties; none for 3.1.1.
    pub user: Vec<UserProperty>,
}

/// A section `mqtt_subscription`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The section's name.
    pub name: String,
    /// The topic filter.
    pub topic: String,
    /// The quality of service, 0 to 2.
    pub qos: u8,
}

impl Reader<'_> {
    pub(super) fn broker(&mut self, name: &str) -> Broker {
        let v5 = self.text(name, "version") == "5.0";
        let (older, newer) = (self.flag(name, "clean_session"), self.flag(name, "clean_start"));
        let terms = self.terms(name);
        Broker {
            name: name.to_string(),
            title: self.some(name, "name").unwrap_or_else(|| name.to_string()),
            enable: self.flag(name, "enable"),
            host: self.some(name, "broker"),
            port: self.u32(name, "port") as u16,
            encryption: self.text(name, "transport") == "TLS",
            version: if v5 { Version::V5 } else { Version::V311 },
            client_id: self.some(name, "client_id"),
            username: self.some(name, "username"),
            password: self.secret(name, "password"),
            keepalive: self.seconds(name, "keepalive"),
            clean: if v5 { newer } else { older },
            terms: if v5 { terms } else { Terms::default() },
            publish_expiry: self.u32(name, "publish_expiry"),
            retry: Curve {
                minimum_seconds: self.u32(name, "retry_time"),
                multiplier: self.u32(name, "retry_multiplier"),
            },
            retry_max: self.seconds(name, "retry_max"),
            message_retry: self.seconds(name, "message_retry"),
            will: self.will(name, v5),
            interface: self.some(name, "interface"),
            pins: self.pins(name),
            alpn: self.list(name, "alpn"),
            subscriptions: Vec::new(),
            user: Vec::new(),
        }
    }

    //= TR-181 MQTT.Client.{i}: what is asked of a broker is what was set.
    fn terms(&mut self, name: &str) -> Terms {
        Terms {
            session_expiry: self.u32(name, "session_expiry"),
            receive_maximum: self.u32(name, "receive_maximum") as u16,
            maximum_packet: self.u32(name, "maximum_packet"),
            topic_aliases: self.u32(name, "topic_aliases") as u16,
            response_info: self.flag(name, "response_info"),
            problem_info: self.flag(name, "problem_info"),
        }
    }

    fn will(&mut self, name: &str, v5: bool) -> Option<Box<Will>> {
        let mut will = Will {
            topic: self.text(name, "will_topic"),
            value: self.text(name, "will_value"),
            qos: self.u32(name, "will_qos") as u8,
            retain: self.flag(name, "will_retain"),
            delay: self.u32(name, "will_delay"),
            expiry: self.u32(name, "will_expiry"),
            content_type: self.text(name, "will_content_type"),
            response_topic: self.text(name, "will_response_topic"),
        };
        if !v5 {
            let Will { topic, value, qos, retain, .. } = will;
            will = Will { topic, value, qos, retain, ..Will::default() };
        }
        (self.flag(name, "will_enable") && !will.topic.is_empty()).then(|| Box::new(will))
    }

    /// Puts the sections that name a broker into it.
    pub(super) fn broker_parts(&mut self, brokers: &mut [Broker]) {
        for name in self.names("mqtt_subscription") {
            let (on, topic) = (self.flag(&name, "enable"), self.some(&name, "topic"));
            let qos = self.u32(&name, "qos") as u8;
            if let Some(parent) = self.parent(&name, "mqtt", brokers, |one| &one.name) {
                let subscription =
                    topic.filter(|_| on).map(|topic| Subscription { name: name.clone(), topic, qos });
                parent.subscriptions.extend(subscription);
            }
        }
        for name in self.names("mqtt_user_property") {
            let (on, said) = (self.flag(&name, "enable"), self.some(&name, "name"));
            let (value, packets) = (self.text(&name, "value"), self.list(&name, "packet"));
            let packets = UserProperty::packets(packets.iter().map(String::as_str));
            if let Some(parent) = self.parent(&name, "mqtt", brokers, |one| &one.name) {
                //= TR-181 MQTT.Client.{i}.UserProperty.{i}: only 5.0 has them.
                let said = said.filter(|_| on && parent.version == Version::V5);
                parent.user.extend(said.map(|name| UserProperty { name, value, packets }));
            }
        }
    }
}
