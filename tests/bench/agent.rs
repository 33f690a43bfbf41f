//! A USP agent from a script: enough to exercise the controller, made of the schema's structs and not of the agent's writers.

use cpeagent::bench::controller::{Contact, Controller, PATH, TOPIC, Transport};
use cpeagent::io::http::connect::Stream;
use cpeagent::io::http::url::Url;
use cpeagent::io::mtp::websocket::open;
use cpeagent::rng::Rng;
use cpeagent::usp::endpoint::EndpointId;
use cpeagent::usp::pb::body::MsgBody;
use cpeagent::usp::pb::header::MsgType;
use cpeagent::usp::pb::record::record::RecordType;
use cpeagent::usp::pb::record::{MqttConnectRecord, NoSessionContextRecord, Record, WebSocketConnectRecord};
use cpeagent::usp::pb::request::ReqType;
use cpeagent::usp::pb::response::RespType;
use cpeagent::usp::pb::schema::Texts;
use cpeagent::usp::pb::{self, get_instances_resp, get_resp};
use futures_util::{SinkExt as _, StreamExt as _};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

pub const AGENT: &str = "os::001122-42";
pub const OBJECT: &str = "Device.WiFi.SSID.1.";

/// A session with a controller, and the one SSID of the device.
pub struct Agent {
    link: Link,
    pub ssid: String,
}

enum Link {
    WebSocket(Box<WebSocketStream<Box<dyn Stream>>>),
    Mqtt { client: AsyncClient, messages: mpsc::UnboundedReceiver<Publish>, properties: PublishProperties },
}

/// The agent as a controller sees it.
pub fn contact(over: Transport) -> Contact {
    Contact { agent: AGENT.into(), over }
}

fn body(body: MsgBody) -> Option<pb::Body> {
    Some(pb::Body { msg_body: Some(body) })
}

impl Agent {
    /// Opens the session, and says nothing yet.
    pub async fn open(controller: &Controller) -> Agent {
        let port = controller.port();
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let own = EndpointId::parse(AGENT).unwrap();
        let target = format!("{PATH}?eid={}", own.query_value());
        let url = Url { tls: false, host: "127.0.0.1".into(), port, target };
        let (socket, _) = open(Box::new(stream), &url, &own, &mut Rng::new([4; 32])).await.unwrap();
        let socket =
            WebSocketStream::from_partially_read(socket.stream, socket.rest, Role::Client, None).await;
        Agent { link: Link::WebSocket(Box::new(socket)), ssid: "Attic".into() }
    }

    /// Comes to the controller's broker, is answered at `topic`, and says nothing yet.
    pub async fn at_broker(controller: &Controller, topic: &str) -> Agent {
        let broker = controller.broker();
        let options = MqttOptions::new("", broker.ip().to_string(), broker.port());
        let (client, mut events) = AsyncClient::new(options, 16);
        client.subscribe(topic, QoS::AtLeastOnce).await.unwrap();
        let (received, messages) = mpsc::unbounded_channel();
        let (ready, is_ready) = oneshot::channel();
        tokio::spawn(async move {
            let mut ready = Some(ready);
            while let Ok(event) = events.poll().await {
                match event {
                    Event::Incoming(Packet::SubAck(_)) => ready.take().unwrap().send(()).unwrap(),
                    // Nobody reads any more at the end of a test.
                    Event::Incoming(Packet::Publish(message)) => drop(received.send(message)),
                    _ => {}
                }
            }
        });
        is_ready.await.unwrap();
        let properties = PublishProperties {
            response_topic: Some(topic.into()),
            content_type: Some("usp.msg".into()),
            ..PublishProperties::default()
        };
        Agent { link: Link::Mqtt { client, messages, properties }, ssid: "Attic".into() }
    }

    /// Publishes this at the controller's topic.
    pub async fn publish(&mut self, payload: Vec<u8>, properties: PublishProperties) {
        let Link::Mqtt { client, .. } = &self.link else { panic!("no broker") };
        client.publish_with_properties(TOPIC, QoS::AtLeastOnce, false, payload, properties).await.unwrap();
    }

    /// Where it is.
    pub fn over(&self) -> Transport {
        match self.link {
            Link::WebSocket(_) => Transport::WebSocket,
            Link::Mqtt { .. } => Transport::Mqtt,
        }
    }

    pub async fn hello(&mut self) {
        let hello = match &self.link {
            Link::WebSocket(_) => RecordType::WebsocketConnect(WebSocketConnectRecord {}),
            Link::Mqtt { properties, .. } => {
                let subscribed_topic = properties.response_topic.clone().unwrap();
                RecordType::MqttConnect(MqttConnectRecord { version: 1, subscribed_topic })
            }
        };
        self.record(hello).await;
    }

    pub async fn record(&mut self, what: RecordType) {
        let record = self.wrapped(what);
        match &mut self.link {
            Link::WebSocket(socket) => socket.send(Message::binary(record)).await.unwrap(),
            Link::Mqtt { properties, .. } => {
                let properties = properties.clone();
                self.publish(record, properties).await;
            }
        }
    }

    /// A Record for the controller.
    pub fn wrapped(&self, what: RecordType) -> Vec<u8> {
        let record = Record {
            version: "1.4".into(),
            to_id: self.over().endpoint().into(),
            from_id: AGENT.into(),
            record_type: Some(what),
            ..Record::default()
        };
        record.encode_to_vec()
    }

    pub async fn message(&mut self, msg_id: &str, msg_type: MsgType, body: Option<pb::Body>) {
        let header = Some(pb::Header { msg_id: msg_id.into(), msg_type: msg_type as i32 });
        let payload = pb::Msg { header, body }.encode_to_vec();
        self.record(RecordType::NoSessionContext(NoSessionContextRecord { payload })).await;
    }

    pub async fn changed(&mut self) {
        let change =
            pb::notify::ValueChange { param_path: format!("{OBJECT}SSID"), param_value: self.ssid.clone() };
        let notify = pb::Notify {
            subscription_id: "watch".into(),
            send_resp: true,
            notification: Some(pb::notify::Notification::ValueChange(change)),
        };
        let request = pb::Request { req_type: Some(ReqType::Notify(notify)) };
        self.message("n1", MsgType::Notify, body(MsgBody::Request(request))).await;
    }

    /// The next message of the controller; none once the session has ended.
    pub async fn heard(&mut self) -> Option<(String, MsgBody)> {
        loop {
            let bytes = match &mut self.link {
                Link::WebSocket(socket) => match socket.next().await?.ok()? {
                    Message::Binary(bytes) => bytes,
                    _ => continue,
                },
                Link::Mqtt { messages, .. } => {
                    let message = messages.recv().await?;
                    let properties = message.properties.unwrap();
                    //= TR-369 R-MQTT.23: in 5.0 the reply-to topic is the Response Topic.
                    assert_eq!(properties.response_topic.as_deref(), Some(TOPIC));
                    //= TR-369 R-MQTT.27: its content type is usp.msg.
                    assert_eq!(properties.content_type.as_deref(), Some("usp.msg"));
                    message.payload
                }
            };
            let record = Record::decode(&bytes).unwrap();
            let ends = (record.to_id.as_str(), record.from_id.as_str());
            assert_eq!(ends, (AGENT, self.over().endpoint()));
            let Some(RecordType::NoSessionContext(context)) = record.record_type else { continue };
            let message = pb::Msg::decode(context.payload.as_slice()).unwrap();
            return Some((message.header.unwrap().msg_id, message.body.unwrap().msg_body.unwrap()));
        }
    }

    /// Answers what is asked until the session ends.
    pub async fn live(mut self) {
        while let Some((msg_id, said)) = self.heard().await {
            let MsgBody::Request(pb::Request { req_type: Some(asked) }) = said else { continue };
            match self.answer(asked) {
                Ok((kind, response)) => {
                    let response = pb::Response { resp_type: Some(response) };
                    self.message(&msg_id, kind, body(MsgBody::Response(response))).await;
                }
                Err(error) => self.message(&msg_id, MsgType::Error, body(MsgBody::Error(error))).await,
            }
            if self.ssid == "say so" {
                self.ssid = "said".into();
                self.changed().await;
            }
        }
    }

    fn answer(&mut self, asked: ReqType) -> Result<(MsgType, RespType), pb::Error> {
        match asked {
            ReqType::Get(get) => {
                let one = |path: String| get_resp::RequestedPathResult {
                    requested_path: path,
                    resolved_path_results: vec![get_resp::ResolvedPathResult {
                        resolved_path: OBJECT.into(),
                        result_params: Texts::from([("SSID".into(), self.ssid.clone())]),
                    }],
                    ..Default::default()
                };
                let req_path_results = get.param_paths.into_iter().map(one).collect();
                Ok((MsgType::GetResp, RespType::GetResp(pb::GetResp { req_path_results })))
            }
            ReqType::GetInstances(get) => {
                let one = |path: String| get_instances_resp::RequestedPathResult {
                    requested_path: path,
                    curr_insts: vec![get_instances_resp::CurrInstance {
                        instantiated_obj_path: OBJECT.into(),
                        unique_keys: Texts::from([("Name".into(), "phy0-ap0".into())]),
                    }],
                    ..Default::default()
                };
                let req_path_results = get.obj_paths.into_iter().map(one).collect();
                let resp = pb::GetInstancesResp { req_path_results };
                Ok((MsgType::GetInstancesResp, RespType::GetInstancesResp(resp)))
            }
            ReqType::Set(set) => {
                let setting = &set.update_objs[0].param_settings[0];
                if setting.param != "SSID" {
                    let param_path = format!("{OBJECT}{}", setting.param);
                    let one =
                        pb::error::ParamError { param_path, err_code: 7010, err_msg: "Unsupported".into() };
                    return Err(pb::Error {
                        err_code: 7004,
                        err_msg: "Invalid".into(),
                        param_errs: vec![one],
                    });
                }
                self.ssid = setting.value.clone();
                Ok((MsgType::SetResp, RespType::SetResp(pb::SetResp::default())))
            }
            other => panic!("{other:?}"),
        }
    }
}
