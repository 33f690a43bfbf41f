//! The controller as a client of a broker: agents publish Records at its topic, and are answered at theirs.
//!
//! A broker does not tell that an agent is gone: its session stands until its Disconnect record, or until it comes anew.
//! The client is that of `rumqttc`; it connects again by itself where the broker was lost.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish, PublishProperties, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use serde_json::{Value as Json, json};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::{Contact, Controller, Transport, WAITING_MAX, Way};
use crate::bench::broker::PACKET_MAX;
use crate::bench::log::Direction;
use crate::usp::endpoint::EndpointId;
use crate::usp::mtp::mqtt::{CONTENT_TYPE, is_record, is_topic};
use crate::usp::pb::record::Record;
use crate::usp::pb::record::mqtt_connect_record::MqttVersion;
use crate::usp::pb::record::record::RecordType;

/// Where agents publish.
pub const TOPIC: &str = "usp/controllers/workbench";
/// For the first connection and its subscription.
const OPENING_WAIT: Duration = Duration::from_secs(15);
/// Before a lost broker is tried again.
const RETRY_WAIT: Duration = Duration::from_secs(1);

/// The topic of an agent.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    client: AsyncClient,
    name: String,
}

impl Topic {
    /// Whether it is on its way.
    pub(super) async fn send(&self, record: Vec<u8>) -> bool {
        self.client
            .publish_with_properties(&self.name, QoS::AtLeastOnce, false, record, properties())
            .await
            .is_ok()
    }

    /// The same without waiting, which is lost where too much waits already.
    fn reply(&self, record: Vec<u8>) -> bool {
        self.client
            .try_publish_with_properties(&self.name, QoS::AtLeastOnce, false, record, properties())
            .is_ok()
    }
}

/// What goes with every Record.
//= TR-369 R-MQTT.23: in 5.0 the reply-to topic is the Response Topic.
//= TR-369 R-MQTT.27: its content type is usp.msg.
fn properties() -> PublishProperties {
    PublishProperties {
        response_topic: Some(TOPIC.into()),
        content_type: Some(CONTENT_TYPE.into()),
        ..PublishProperties::default()
    }
}

/// Subscribes at the broker, and serves from then on until the runtime ends; why not, where the broker does not take us.
pub(super) async fn start(controller: &Controller) -> io::Result<()> {
    let broker: SocketAddr = controller.broker();
    let mut options = MqttOptions::new("", broker.ip().to_string(), broker.port());
    options.set_max_packet_size(Some(PACKET_MAX));
    let (client, events) = AsyncClient::new(options, WAITING_MAX);
    let (ready, is_ready) = oneshot::channel();
    tokio::spawn(serve(controller.clone(), client, events, ready));
    let failed = |why: String| io::Error::other(format!("the broker at {broker}: {why}"));
    match timeout(OPENING_WAIT, is_ready).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(why))) => Err(failed(why)),
        Ok(Err(_)) | Err(_) => Err(failed("it does not answer".into())),
    }
}

type Ready = oneshot::Sender<Result<(), String>>;

async fn serve(controller: Controller, client: AsyncClient, mut events: EventLoop, ready: Ready) {
    let mut ready = Some(ready);
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                // A subscription ends with its connection. Requests are taken by polling on: not to be waited for here.
                let client = client.clone();
                tokio::spawn(async move { client.subscribe(TOPIC, QoS::AtLeastOnce).await });
            }
            Ok(Event::Incoming(Packet::SubAck(ack))) => {
                let granted =
                    ack.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_)));
                let granted = if granted { Ok(()) } else { Err("it refuses the subscription".to_owned()) };
                match ready.take() {
                    Some(ready) => drop(ready.send(granted)),
                    None => told(&controller, "broker back", granted.err()),
                }
            }
            Ok(Event::Incoming(Packet::Publish(message))) => published(&controller, &client, message),
            Ok(Event::Incoming(_) | Event::Outgoing(_)) => {}
            Err(why) => match ready.take() {
                Some(ready) => {
                    let _ = ready.send(Err(why.to_string()));
                    return;
                }
                None => {
                    told(&controller, "broker lost", Some(why.to_string()));
                    sleep(RETRY_WAIT).await;
                }
            },
        }
    }
}

/// Writes into the log how it stands with the broker.
fn told(controller: &Controller, what: &str, why: Option<String>) {
    let nobody = Contact { agent: String::new(), over: Transport::Mqtt };
    let why = why.map_or(Json::Null, |why| json!({ "why": why }));
    controller.write(&nobody, 0, Direction::FromCpe, what, why, Vec::new());
}

/// Takes a message at our topic.
fn published(controller: &Controller, client: &AsyncClient, message: Publish) {
    let properties = message.properties.unwrap_or_default();
    let log = |agent: &str, session, remark: &str| {
        let from = Contact { agent: agent.into(), over: Transport::Mqtt };
        controller.write(&from, session, Direction::FromCpe, "Record", Json::Null, vec![remark.into()]);
    };
    //= TR-369 R-MQTT.27a: both content types are taken.
    if !is_record(properties.content_type.as_deref()) {
        return log("", 0, "a message that is no Record by its content type");
    }
    let Ok(record) = Record::decode(&message.payload) else {
        return log("", 0, "these octets are no Record");
    };
    //= TR-369 R-MQTT.26: in 5.0 the answer goes to the Response Topic.
    let Some(name) = properties.response_topic.filter(|topic| is_topic(topic)) else {
        return log(&record.from_id, 0, "there is no Response Topic to answer at");
    };
    if EndpointId::parse(&record.from_id).is_none() {
        return log("", 0, "the Record is from nobody");
    }
    let mut remarks = Vec::new();
    //= TR-369 R-MQTT.27: its content type is usp.msg.
    if properties.content_type.is_none() {
        remarks.push("the Record has no content type".into());
    }
    let connects = match &record.record_type {
        Some(RecordType::MqttConnect(hello)) => {
            if hello.version != MqttVersion::V5 as i32 {
                remarks.push("its Connect record tells another version of MQTT".into());
            }
            if hello.subscribed_topic != name {
                remarks.push(format!(
                    "its Connect record tells {}, and it wants to be answered at {name}",
                    hello.subscribed_topic
                ));
            }
            true
        }
        _ => false,
    };
    let agent = Contact { agent: record.from_id.clone(), over: Transport::Mqtt };
    let topic = Topic { client: client.clone(), name };
    let session = match controller.session(&agent).filter(|_| !connects) {
        Some(session) => session,
        None => match controller.begin(&agent, Way::Mqtt(topic.clone())) {
            Ok(session) => session,
            Err(why) => return log(&agent.agent, 0, why),
        },
    };
    if let Some(reply) = controller.received(&agent, session, record, remarks)
        && !topic.reply(reply)
    {
        log(&agent.agent, session, "an answer was dropped: too many wait for the broker");
    }
}
