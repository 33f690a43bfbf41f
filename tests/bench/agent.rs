//! A USP agent from a script: enough to exercise the controller, made of the schema's structs and not of the agent's writers.

use cpeagent::bench::controller::{ENDPOINT, PATH};
use cpeagent::io::http::connect::Stream;
use cpeagent::io::http::url::Url;
use cpeagent::io::mtp::websocket::open;
use cpeagent::rng::Rng;
use cpeagent::usp::endpoint::EndpointId;
use cpeagent::usp::pb::body::MsgBody;
use cpeagent::usp::pb::header::MsgType;
use cpeagent::usp::pb::record::record::RecordType;
use cpeagent::usp::pb::record::{NoSessionContextRecord, Record, WebSocketConnectRecord};
use cpeagent::usp::pb::request::ReqType;
use cpeagent::usp::pb::response::RespType;
use cpeagent::usp::pb::schema::Texts;
use cpeagent::usp::pb::{self, get_instances_resp, get_resp};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

pub const AGENT: &str = "os::001122-42";
pub const OBJECT: &str = "Device.WiFi.SSID.1.";

/// A session with a controller, and the one SSID of the device.
pub struct Agent {
    socket: WebSocketStream<Box<dyn Stream>>,
    pub ssid: String,
}

fn body(body: MsgBody) -> Option<pb::Body> {
    Some(pb::Body { msg_body: Some(body) })
}

impl Agent {
    /// Opens the session, and says nothing yet.
    pub async fn open(port: u16) -> Agent {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let own = EndpointId::parse(AGENT).unwrap();
        let target = format!("{PATH}?eid={}", own.query_value());
        let url = Url { tls: false, host: "127.0.0.1".into(), port, target };
        let (socket, _) = open(Box::new(stream), &url, &own, &mut Rng::new([4; 32])).await.unwrap();
        let socket =
            WebSocketStream::from_partially_read(socket.stream, socket.rest, Role::Client, None).await;
        Agent { socket, ssid: "Attic".into() }
    }

    pub async fn hello(&mut self) {
        self.record(RecordType::WebsocketConnect(WebSocketConnectRecord {})).await;
    }

    async fn record(&mut self, what: RecordType) {
        let record = Record {
            version: "1.4".into(),
            to_id: ENDPOINT.into(),
            from_id: AGENT.into(),
            record_type: Some(what),
            ..Record::default()
        };
        self.socket.send(Message::binary(record.encode_to_vec())).await.unwrap();
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
            let Message::Binary(bytes) = self.socket.next().await?.ok()? else { continue };
            let record = Record::decode(&bytes).unwrap();
            assert_eq!((record.to_id.as_str(), record.from_id.as_str()), (AGENT, ENDPOINT));
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
