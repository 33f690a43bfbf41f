//! One connection to a broker as a state machine: from CONNECT to DISCONNECT.
//!
//! Packets come in, what is to be written and told comes out of [`Session::poll`], in order. Knows no time: when to ping and
//! how long to wait is the driver's. A message with QoS 1 that was not acknowledged is kept for the next connection.

use super::super::{Details, Mqtt, MqttSubscription};
use super::aliases::{Aliases, Unknown};
use super::packet::{
    self, BAD_ALIAS, Bad, Connect, Incoming, PROTOCOL_ERROR, Properties, Publish, TOO_MANY, User,
    reason_words,
};
use super::{CONTENT_TYPE, Topics, client_id, is_record, publish_topic, reply_topic, topics};
use crate::mqtt::Version;
use std::collections::VecDeque;
use std::sync::Arc;

/// Messages of ours with QoS 1 that may be under way at a time, whatever the broker takes.
pub const MAX_UNDER_WAY: usize = 16;

/// SUBSCRIBEs that may be under way at a time.
pub const MAX_ASKING: usize = 8;

/// What comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A packet for the broker; shared with what is kept until it is acknowledged.
    Write(Arc<Vec<u8>>),
    /// Records can be sent from now on.
    Up,
    /// Subscriptions changed while it stands.
    Changed,
    /// A Record came.
    Record(Vec<u8>, Option<Box<str>>),
}

/// Why a connection ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// In words for a person.
    pub why: String,
    /// Whether to try again; if not, only other settings help.
    pub again: bool,
    /// The reason code that the broker is told; 0 where it did nothing wrong.
    pub reason: u8,
}

fn end<T>(why: impl Into<String>) -> Result<T, End> {
    broken(0, why)
}

/// The end of a connection to a broker that breaks a rule.
//= MQTT 5.0 4.13: it is told which.
fn broken<T>(reason: u8, why: impl Into<String>) -> Result<T, End> {
    Err(End { why: why.into(), again: true, reason })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// CONNECT is out.
    Connecting,
    /// The first SUBSCRIBE is out.
    Subscribing,
    /// At least one filter was granted.
    Up,
}

/// Messages that were not acknowledged, for the next connection.
pub type Unacknowledged = VecDeque<(u16, Arc<Vec<u8>>)>;

/// A connection.
#[derive(Debug)]
pub struct Session {
    wanted: Mqtt,
    state: State,
    out: VecDeque<Output>,
    client_id: Box<str>,
    assigned: bool,
    acknowledged: Box<Properties>,
    topics: Option<Topics>,
    /// Filters, each with what the broker answered.
    subscribed: Vec<(Box<str>, Result<u8, u8>)>,
    /// What each SUBSCRIBE asks for that is not answered.
    asking: VecDeque<(u16, Vec<MqttSubscription>)>,
    under_way: Unacknowledged,
    /// What came before the first subscription stood: messages that the broker kept for us.
    early: VecDeque<Output>,
    aliases: Aliases,
    last_id: u16,
}

impl Session {
    /// Begins with CONNECT, which is the first output; `unacknowledged` comes from the connection before.
    //= TR-369 R-MQTT.6: the first packet is CONNECT.
    pub fn new(wanted: Mqtt, unacknowledged: Unacknowledged) -> Session {
        let client_id: Box<str> = client_id(&wanted).into();
        let connect = packet::connect(
            wanted.version,
            &Connect {
                client_id: &client_id,
                //= TR-369 R-MQTT.7: with user name and password where they are set.
                username: wanted.username.as_deref(),
                // 3.1.1 knows no password without a user name.
                password: wanted
                    .password
                    .as_ref()
                    .filter(|_| wanted.username.is_some() || wanted.version == Version::V5)
                    .map(|password| password.reveal()),
                //= TR-369 R-MQTT.14: keep alive is a setting.
                keep_alive: u16::try_from(wanted.keep_alive.as_secs()).unwrap_or(u16::MAX),
                // A session cannot be found again without a name for it.
                clean: wanted.clean || client_id.is_empty(),
                terms: wanted.terms,
                will: wanted.will.as_deref(),
                endpoint: wanted.own.as_str(),
                user: &wanted.user,
            },
        );
        let aliases = Aliases::up_to(wanted.terms.topic_aliases);
        Session {
            wanted,
            state: State::Connecting,
            out: VecDeque::from([Output::Write(Arc::new(connect))]),
            client_id,
            assigned: false,
            acknowledged: Box::default(),
            topics: None,
            subscribed: Vec::new(),
            asking: VecDeque::new(),
            under_way: unacknowledged,
            early: VecDeque::new(),
            aliases,
            last_id: 0,
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// Takes the packet at the start of `octets` out; `Ok(None)` while it is not complete.
    pub fn take(&self, octets: &mut Vec<u8>) -> Result<Option<Incoming>, End> {
        let taken = packet::take(self.wanted.version, &self.wanted.terms, octets);
        taken.or_else(|Bad(why, reason)| broken(reason, format!("the broker sends {why}")))
    }

    /// Whether Records can be sent.
    pub fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// Whether the broker takes another message now.
    pub fn has_room(&self) -> bool {
        let broker = usize::from(self.acknowledged.receive_maximum.unwrap_or(u16::MAX));
        self.is_up() && (self.publish_qos() == 0 || self.under_way.len() < broker.clamp(1, MAX_UNDER_WAY))
    }

    /// Keep Alive in seconds, as the broker wants it; 0 for none.
    pub fn keep_alive(&self) -> u16 {
        let ours = u16::try_from(self.wanted.keep_alive.as_secs()).unwrap_or(u16::MAX);
        self.acknowledged.server_keep_alive.unwrap_or(ours)
    }

    /// Our reply-to topic, once it is known.
    pub fn reply_topic(&self) -> Option<Box<str>> {
        self.topics.as_ref().map(|topics| topics.reply_to.clone())
    }

    /// What is told of the connection.
    pub fn details(&self) -> Details {
        Details::Mqtt {
            version: self.wanted.version,
            client_id: self.client_id.clone(),
            assigned: self.assigned,
            response_information: self.acknowledged.response_information.as_deref().map(Into::into),
            subscribed: self.subscribed.clone(),
            maximum_packet: self.acknowledged.maximum_packet,
        }
    }

    /// The id to connect with next time.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// What the next connection is to send again.
    pub fn into_unacknowledged(self) -> Unacknowledged {
        self.under_way
    }

    /// Takes a packet in.
    pub fn receive(&mut self, packet: Incoming) -> Result<(), End> {
        match (packet, self.state) {
            (Incoming::ConnAck { session_present, reason, properties }, State::Connecting) => {
                self.connected(session_present, reason, properties)
            }
            (Incoming::ConnAck { .. }, State::Subscribing | State::Up) => {
                broken(PROTOCOL_ERROR, "a second CONNACK")
            }
            (Incoming::Disconnect { reason, properties }, _) => {
                let words = reason_words(self.wanted.version, reason);
                end(format!("{words} (reason 0x{reason:02x}){}", told(&properties)))
            }
            (_, State::Connecting) => broken(PROTOCOL_ERROR, "the broker does not begin with CONNACK"),
            (Incoming::Publish { topic, id, properties, payload }, State::Subscribing | State::Up) => {
                self.published(topic, id, *properties, payload)
            }
            (Incoming::PubAck { id, reason }, State::Subscribing | State::Up) => {
                self.under_way.retain(|(under_way, _)| *under_way != id);
                if reason >= 0x80 {
                    log::warn!(
                        "{}: a Record was refused: {}",
                        self.wanted.name,
                        reason_words(self.wanted.version, reason)
                    );
                }
                Ok(())
            }
            (Incoming::SubAck { id, reasons }, State::Subscribing | State::Up) => self.granted(id, &reasons),
            (Incoming::UnsubAck { .. } | Incoming::PingResp, State::Subscribing | State::Up) => Ok(()),
        }
    }

    fn connected(&mut self, present: bool, reason: u8, properties: Box<Properties>) -> Result<(), End> {
        if reason != 0 {
            let words = reason_words(self.wanted.version, reason);
            return end(format!("{words} (reason {reason}){}", told(&properties)));
        }
        //= TR-369 R-MQTT.9: an id that the broker assigns is ours from now on.
        if let Some(id) = &properties.assigned_client_id {
            self.client_id = id.as_str().into();
            self.assigned = true;
        }
        self.acknowledged = properties;
        if present {
            // MQTT 5.0 4.4: what was not acknowledged is sent again, in order.
            for (_, publish) in &mut self.under_way {
                packet::mark_again(Arc::make_mut(publish).as_mut_slice());
                self.out.push_back(Output::Write(publish.clone()));
            }
        } else {
            self.under_way.clear();
        }
        let topics = self.choose()?;
        let filters = topics.filters.clone();
        self.topics = Some(topics);
        self.state = State::Subscribing;
        self.subscribe(filters);
        Ok(())
    }

    /// What the settings and the broker make us subscribe to.
    fn choose(&self) -> Result<Topics, End> {
        let discovered = self.acknowledged.user.iter().filter(|(name, _)| name == "subscribe-topic");
        let discovered: Vec<String> = discovered.map(|(_, topic)| topic.clone()).collect();
        //= TR-369 R-MQTT.16: without a topic the link is as good as disabled.
        topics(&self.wanted, &discovered, self.acknowledged.response_information.as_deref()).ok_or(End {
            why: "neither the settings nor the broker name a topic to subscribe to".into(),
            again: false,
            reason: 0,
        })
    }

    fn subscribe(&mut self, filters: Vec<MqttSubscription>) {
        let id = self.fresh_id();
        let subscribe = packet::subscribe(self.wanted.version, id, &filters, self.user());
        self.out.push_back(Output::Write(Arc::new(subscribe)));
        self.asking.push_back((id, filters));
    }

    fn granted(&mut self, id: u16, reasons: &[u8]) -> Result<(), End> {
        let asked = self.asking.iter().position(|(asked, _)| *asked == id);
        let Some((_, filters)) = asked.and_then(|at| self.asking.remove(at)) else {
            return broken(PROTOCOL_ERROR, "a SUBACK that nobody asked for");
        };
        if reasons.len() != filters.len() {
            return broken(PROTOCOL_ERROR, "a SUBACK for another number of topics");
        }
        for (filter, reason) in filters.iter().zip(reasons) {
            self.subscribed.retain(|(known, _)| *known != filter.topic);
            let is_wanted = |one: &MqttSubscription| one.topic == filter.topic;
            if !self.topics.as_ref().is_some_and(|topics| topics.filters.iter().any(is_wanted)) {
                continue; // unsubscribed meanwhile
            }
            let granted = if *reason < 0x80 { Ok(*reason) } else { Err(*reason) };
            self.subscribed.push((filter.topic.clone(), granted));
        }
        //= TR-369 R-MQTT.17: without a single subscription nothing is published, and the connection ends.
        if self.subscribed.iter().all(|(_, granted)| granted.is_err()) {
            return end("the broker refuses every subscription");
        }
        let first = self.state == State::Subscribing;
        self.state = State::Up;
        self.out.push_back(if first { Output::Up } else { Output::Changed });
        self.out.append(&mut self.early);
        Ok(())
    }

    fn published(
        &mut self,
        topic: String,
        id: Option<u16>,
        properties: Properties,
        payload: Vec<u8>,
    ) -> Result<(), End> {
        let topic = match self.aliases.resolve(topic, properties.topic_alias) {
            Ok(topic) => topic,
            Err(Unknown::Alias) => return broken(BAD_ALIAS, "the broker uses a topic alias that it may not"),
            Err(Unknown::Topic) => return broken(PROTOCOL_ERROR, "a message without a topic"),
        };
        //= MQTT 5.0 3.3.4: no more messages are under way than the Receive Maximum, which those with QoS 0 do not count to.
        let most = usize::from(self.wanted.terms.receive_maximum);
        let under_way = self.early.iter().filter(|early| matches!(early, Output::Write(_))).count();
        let full = if id.is_some() { under_way >= most } else { self.early.len() >= 2 * most };
        if full && id.is_some() && self.wanted.version == Version::V5 {
            return broken(TOO_MANY, "the broker sends more messages at a time than it may");
        }
        if full {
            log::warn!("{}: too many messages before SUBACK", self.wanted.name);
            return Ok(());
        }
        //= TR-369 R-MQTT.20: QoS 0 and QoS 1.
        let ack = id.map(|id| packet::pub_ack(self.wanted.version, id, self.user()));
        let out = if self.state == State::Up { &mut self.out } else { &mut self.early };
        //= TR-369 R-MQTT.18: the payload of a message is a Record.
        if is_record(properties.content_type.as_deref()) {
            //= TR-369 R-MQTT.26: in 5.0 the answer goes to the Response Topic.
            let reply = match self.wanted.version {
                Version::V5 => {
                    properties.response_topic.filter(|topic| super::is_topic(topic)).map(Into::into)
                }
                Version::V311 => reply_topic(&topic),
            };
            out.push_back(Output::Record(payload, reply));
        } else {
            log::debug!("{}: a message at {topic} is none of ours", self.wanted.name);
        }
        out.extend(ack.map(|ack| Output::Write(Arc::new(ack))));
        Ok(())
    }

    /// Publishes a Record; in words, why that cannot be done.
    //= TR-369 R-MQTT.19: the payload is the Record as it is.
    //= TR-369 R-MQTT.23: in 5.0 the reply-to topic is the Response Topic.
    pub fn send(&mut self, topic: Option<&str>, retain: bool, record: Vec<u8>) -> Result<(), &'static str> {
        //= TR-369 R-MQTT.17: nothing is published before a subscription stands.
        let (State::Up, Some(topics)) = (self.state, &self.topics) else { return Err("not subscribed yet") };
        let reply_to = topics.reply_to.clone();
        let topic = topic.ok_or("a Record without a topic to publish it at")?;
        let topic =
            publish_topic(self.wanted.version, topic, &reply_to).ok_or("nothing can be published there")?;
        let id = (self.publish_qos() > 0).then(|| self.fresh_id());
        let publish = packet::publish(
            self.wanted.version,
            Publish {
                topic: &topic,
                id,
                retain: retain && self.acknowledged.retain_available != Some(false),
                expiry: self.wanted.publish_expiry,
                properties: (&reply_to, CONTENT_TYPE),
                payload: record,
                user: self.user(),
            },
        );
        if publish.len() > self.longest() {
            return Err("the broker takes no packet of that size");
        }
        let publish = Arc::new(publish);
        if let Some(id) = id {
            self.under_way.push_back((id, publish.clone()));
        }
        self.out.push_back(Output::Write(publish));
        Ok(())
    }

    /// Takes settings up that do not need another connection.
    //= TR-369 R-MQTT.34: a topic that is no longer wanted is unsubscribed.
    pub fn retune(&mut self, wanted: Mqtt) -> Result<(), End> {
        self.wanted = wanted;
        if self.state == State::Connecting {
            return Ok(());
        }
        let topics = self.choose()?;
        let is_wanted = |topic: &str| topics.filters.iter().any(|filter| &*filter.topic == topic);
        let was_wanted = |topic: &str| {
            let before = self.topics.iter().flat_map(|topics| &topics.filters);
            before.filter(|filter| &*filter.topic == topic).map(|filter| filter.qos).next()
        };
        let gone: Vec<Box<str>> = self
            .topics
            .iter()
            .flat_map(|topics| &topics.filters)
            .map(|filter| filter.topic.clone())
            .filter(|topic| !is_wanted(topic))
            .collect();
        let fresh: Vec<MqttSubscription> = topics
            .filters
            .iter()
            .filter(|filter| was_wanted(&filter.topic) != Some(filter.qos))
            .cloned()
            .collect();
        let other_reply = self.topics.as_ref().map(|topics| &topics.reply_to) != Some(&topics.reply_to);
        let tell = self.state == State::Up && fresh.is_empty() && (other_reply || !gone.is_empty());
        self.topics = Some(topics);
        self.subscribed.retain(|(topic, _)| !gone.contains(topic));
        // Subscribe first: there is no moment without the reply-to topic.
        if !fresh.is_empty() {
            if self.asking.len() >= MAX_ASKING {
                return end("the broker does not answer SUBSCRIBE");
            }
            self.subscribe(fresh);
        }
        if !gone.is_empty() {
            let id = self.fresh_id();
            let unsubscribe = packet::unsubscribe(self.wanted.version, id, &gone, self.user());
            self.out.push_back(Output::Write(Arc::new(unsubscribe)));
        }
        if tell {
            self.out.push_back(Output::Changed);
        }
        Ok(())
    }

    /// The packet that ends the connection, for a reason; 0 is that of an end in order.
    pub fn disconnect(&self, reason: u8) -> Vec<u8> {
        packet::disconnect(self.wanted.version, reason, self.user())
    }

    /// What the settings say with packets.
    fn user(&self) -> User<'_> {
        User { all: &self.wanted.user, most: self.longest() }
    }

    /// The longest packet that the broker takes, in octets.
    fn longest(&self) -> usize {
        self.acknowledged.maximum_packet.map_or(usize::MAX, |most| most as usize)
    }

    /// QoS of our messages: as set, and no more than the broker can do.
    fn publish_qos(&self) -> u8 {
        self.wanted.publish_qos.min(1).min(self.acknowledged.maximum_qos.unwrap_or(1))
    }

    /// A packet id that nothing under way has.
    fn fresh_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            let taken = self.under_way.iter().any(|(id, _)| *id == self.last_id)
                || self.asking.iter().any(|(id, _)| *id == self.last_id);
            if !taken {
                return self.last_id;
            }
        }
    }
}

/// What the broker says of it. Another broker that it names is told and not gone to: whoever is at the other end could
/// send the device, with its name and password, anywhere.
fn told(properties: &Properties) -> String {
    let said = [&properties.reason, &properties.server_reference].into_iter().flatten();
    said.fold(String::new(), |told, said| told + ": " + said)
}

#[cfg(test)]
mod tests;
