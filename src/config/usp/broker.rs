//! The settings of brokers: sections `mqtt`, and those that name one.
//!
//! Knows no connections: the agent makes them of this.

use super::Reader;
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
    /// Version 5.0, else 3.1.1.
    pub version5: bool,
    /// The client id; `None` where the broker chooses.
    pub client_id: Option<String>,
    /// The name given to the broker.
    pub username: Option<String>,
    /// Its password.
    pub password: Secret,
    /// The silence after which the broker is pinged; zero for never.
    pub keepalive: Duration,
    /// 3.1.1: whether an earlier session is forgotten.
    pub clean_session: bool,
    /// 5.0: whether an earlier session is forgotten.
    pub clean_start: bool,
    /// 5.0: seconds that the broker keeps a session.
    pub session_expiry: u32,
    /// 5.0: messages with QoS 1 that may be under way to this device at a time, at least 1.
    pub receive_maximum: u16,
    /// 5.0: octets of the longest packet that is taken.
    pub maximum_packet: u32,
    /// 5.0: how many topic aliases the broker may use.
    pub topic_aliases: u16,
    /// 5.0: whether it is asked for its Response Information.
    pub response_info: bool,
    /// 5.0: whether it may say with acknowledgements why it refuses something.
    pub problem_info: bool,
    /// 5.0: seconds that the broker may keep what is sent; 0 for ever.
    pub publish_expiry: u32,
    /// After a failure.
    pub retry: Curve,
    /// No wait is longer.
    pub retry_max: Duration,
    /// Kept for controllers, without effect.
    pub message_retry: Duration,
    /// What the broker publishes when this device is lost.
    pub will: Option<Will>,
    /// The network that leads to it; `None` for that of `Usp::network`.
    pub interface: Option<String>,
    /// SHA-256 digests of the keys it may have, lower case hex; any key where empty.
    pub pins: Vec<String>,
    /// The protocols that it is offered in the TLS handshake.
    pub alpn: Vec<String>,
    /// The enabled subscriptions.
    pub subscriptions: Vec<Subscription>,
    /// 5.0: the enabled user properties.
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

/// A section `mqtt_user_property`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserProperty {
    /// What is said.
    pub name: String,
    /// Its value.
    pub value: String,
    /// With packets of these kinds.
    pub packets: Vec<String>,
}

/// What a broker publishes when this device is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    /// At this topic.
    pub topic: String,
    /// What.
    pub value: String,
    /// With this quality of service.
    pub qos: u8,
    /// Whether the broker keeps it.
    pub retain: bool,
    /// 5.0: seconds until then.
    pub delay: u32,
    /// 5.0: seconds that the broker may keep it; 0 for ever.
    pub expiry: u32,
    /// 5.0: its content type; none where empty.
    pub content_type: String,
    /// 5.0: the topic for answers to it; none where empty.
    pub response_topic: String,
}

impl Reader<'_> {
    pub(super) fn broker(&mut self, name: &str) -> Broker {
        Broker {
            name: name.to_string(),
            title: self.some(name, "name").unwrap_or_else(|| name.to_string()),
            enable: self.flag(name, "enable"),
            host: self.some(name, "broker"),
            port: self.u32(name, "port") as u16,
            encryption: self.text(name, "transport") == "TLS",
            version5: self.text(name, "version") == "5.0",
            client_id: self.some(name, "client_id"),
            username: self.some(name, "username"),
            password: self.secret(name, "password"),
            keepalive: self.seconds(name, "keepalive"),
            clean_session: self.flag(name, "clean_session"),
            clean_start: self.flag(name, "clean_start"),
            session_expiry: self.u32(name, "session_expiry"),
            receive_maximum: self.u32(name, "receive_maximum") as u16,
            maximum_packet: self.u32(name, "maximum_packet"),
            topic_aliases: self.u32(name, "topic_aliases") as u16,
            response_info: self.flag(name, "response_info"),
            problem_info: self.flag(name, "problem_info"),
            publish_expiry: self.u32(name, "publish_expiry"),
            retry: Curve {
                minimum_seconds: self.u32(name, "retry_time"),
                multiplier: self.u32(name, "retry_multiplier"),
            },
            retry_max: self.seconds(name, "retry_max"),
            message_retry: self.seconds(name, "message_retry"),
            will: self.will(name),
            interface: self.some(name, "interface"),
            pins: self.pins(name),
            alpn: self.list(name, "alpn"),
            subscriptions: Vec::new(),
            user: Vec::new(),
        }
    }

    fn will(&mut self, name: &str) -> Option<Will> {
        let will = Will {
            topic: self.text(name, "will_topic"),
            value: self.text(name, "will_value"),
            qos: self.u32(name, "will_qos") as u8,
            retain: self.flag(name, "will_retain"),
            delay: self.u32(name, "will_delay"),
            expiry: self.u32(name, "will_expiry"),
            content_type: self.text(name, "will_content_type"),
            response_topic: self.text(name, "will_response_topic"),
        };
        (self.flag(name, "will_enable") && !will.topic.is_empty()).then_some(will)
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
            if let Some(parent) = self.parent(&name, "mqtt", brokers, |one| &one.name) {
                parent.user.extend(said.filter(|_| on).map(|name| UserProperty { name, value, packets }));
            }
        }
    }
}
