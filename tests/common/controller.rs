//! A USP controller that a test plays, over a link that the test says stands.
#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing)] // each test program uses its own part

use super::agent::Bench;
use cpeagent::agent::Event;
use cpeagent::mqtt::Version;
use cpeagent::usp::endpoint::EndpointId;
use cpeagent::usp::msg::{self, Answer, Said};
use cpeagent::usp::mtp::{Certified, Details, LinkCommand, LinkEvent, Up};
use cpeagent::usp::pb;
use cpeagent::usp::pb::notify::Notification;
use cpeagent::usp::pb::operate_resp::operation_result::OperationResp;
use cpeagent::usp::pb::record::record::RecordType;
use cpeagent::usp::pb::request::ReqType;
use cpeagent::usp::pb::response::RespType;
use cpeagent::usp::record::{self, VERSION};

/// The agent.
pub const OWN: &str = "self::agent";
/// The controller `one`, which may do everything.
pub const CONTROLLER: &str = "self::one";
/// The controller at the broker, which may do everything.
pub const MQTT: &str = "self::three";
/// The agent's topic at the broker.
pub const TOPIC: &str = "agent/topic";

/// Controllers `one` (everything, WebSocket), `two` (no role, WebSocket) and `three` (everything, MQTT).
pub const SETTINGS: &str = "config acs 'acs'
\toption enable '0'

config usp 'usp'
\toption endpoint_id 'self::agent'

config role 'full'
\toption enable '1'

config permission 'full_all'
\toption role 'full'
\toption enable '1'
\tlist target 'Device.'
\toption param 'rwxn'
\toption object 'rwxn'
\toption instance 'rwxn'
\toption command 'rwxn'

config controller 'one'
\toption enable '1'
\toption endpoint_id 'self::one'
\toption onboarding_complete '1'
\tlist role 'full'

config controller_mtp 'one_ws'
\toption controller 'one'
\toption enable '1'
\toption host 'one.example.com'
\toption encryption '0'

config controller 'two'
\toption enable '1'
\toption endpoint_id 'self::two'
\toption onboarding_complete '1'

config controller_mtp 'two_ws'
\toption controller 'two'
\toption enable '1'
\toption host 'two.example.com'
\toption encryption '0'

config controller 'three'
\toption enable '1'
\toption endpoint_id 'self::three'
\toption onboarding_complete '1'
\tlist role 'full'

config controller_mtp 'three_mqtt'
\toption controller 'three'
\toption enable '1'
\toption protocol 'MQTT'
\toption mtp 'broker'
\toption topic 'controller/topic'

config mtp 'broker'
\toption enable '1'
\toption protocol 'MQTT'
\toption mqtt 'net'

config mqtt 'net'
\toption enable '1'
\toption broker 'mqtt.example.com'

config mtp 'port'
\toption enable '1'
\toption encryption '0'
";

/// The same controllers, and the ACS of a recorded router.
pub fn beside_an_acs() -> String {
    let controllers = SETTINGS.replacen("config acs 'acs'\n\toption enable '0'\n", "", 1);
    format!("{}\n{controllers}", super::agent::SETTINGS)
}

/// An endpoint id.
pub fn id(text: &str) -> EndpointId {
    EndpointId::parse(text).unwrap()
}

/// A controller at the far end of a link.
pub struct Controller {
    pub link: u64,
    pub endpoint: String,
    /// The topic of what was received last.
    pub topic: Option<String>,
    mqtt: bool,
}

impl Controller {
    /// A session that the agent opened now stands.
    pub fn web_socket(bench: &mut Bench, link: u64, name: &str) -> Controller {
        let endpoint = format!("self::{}", name.split(' ').nth(1).unwrap());
        let up = up(link, name, Details::WebSocket { accepted: false });
        bench.event(Event::Link(LinkEvent::Up(Box::new(up))));
        Controller { link, endpoint, topic: None, mqtt: false }
    }

    /// A session that a controller opened now stands.
    pub fn accepted(bench: &mut Bench, link: u64, endpoint: &str) -> Controller {
        let details = Details::WebSocket { accepted: true };
        let up = Up { peer: Some(id(endpoint)), ..up(link, "mtp port", details) };
        bench.event(Event::Link(LinkEvent::Up(Box::new(up))));
        Controller { link, endpoint: endpoint.into(), topic: None, mqtt: false }
    }

    /// As [`Controller::web_socket`], over TLS with a server that showed this.
    pub fn secured_web_socket(
        bench: &mut Bench,
        link: u64,
        name: &str,
        certificate: Certified,
    ) -> Controller {
        let endpoint = format!("self::{}", name.split(' ').nth(1).unwrap());
        let details = Details::WebSocket { accepted: false };
        let up = Up { certificate: Some(certificate), encrypted: true, ..up(link, name, details) };
        bench.event(Event::Link(LinkEvent::Up(Box::new(up))));
        Controller { link, endpoint, topic: None, mqtt: false }
    }

    /// A session that a controller opened over TLS now stands; by what it showed, if it showed anything.
    pub fn secured(
        bench: &mut Bench,
        link: u64,
        endpoint: &str,
        certificate: impl Into<Option<Certified>>,
    ) -> Controller {
        let details = Details::WebSocket { accepted: true };
        let certificate = certificate.into();
        let peer = Some(id(endpoint));
        let up = Up { peer, certificate, encrypted: true, ..up(link, "mtp port", details) };
        bench.event(Event::Link(LinkEvent::Up(Box::new(up))));
        Controller { link, endpoint: endpoint.into(), topic: None, mqtt: false }
    }

    /// As [`Controller::mqtt`], over TLS with a broker that showed this.
    pub fn secured_mqtt(bench: &mut Bench, link: u64, certificate: Certified) -> Controller {
        let details = Details::Mqtt {
            version: Version::V5,
            client_id: "id".into(),
            assigned: false,
            response_information: None,
            subscribed: vec![(TOPIC.into(), Ok(1))],
            maximum_packet: None,
        };
        let (certificate, reply_topic) = (Some(certificate), Some(TOPIC.into()));
        let up = Up { certificate, encrypted: true, reply_topic, ..up(link, "mtp broker", details) };
        bench.event(Event::Link(LinkEvent::Up(Box::new(up))));
        Controller { link, endpoint: MQTT.into(), topic: None, mqtt: true }
    }

    /// The connection to the broker now stands.
    pub fn mqtt(bench: &mut Bench, link: u64) -> Controller {
        Controller::broker(bench, link, "id", false, None)
    }

    /// The same, of a broker that takes no packets longer than this.
    pub fn mqtt_limited(bench: &mut Bench, link: u64, most: u32) -> Controller {
        Controller::broker(bench, link, "id", false, Some(most))
    }

    /// The same, with a client id that the broker gave.
    pub fn mqtt_assigned(bench: &mut Bench, link: u64, client_id: &str) {
        Controller::broker(bench, link, client_id, true, None);
    }

    fn broker(
        bench: &mut Bench,
        link: u64,
        client_id: &str,
        assigned: bool,
        maximum_packet: Option<u32>,
    ) -> Controller {
        let details = Details::Mqtt {
            version: Version::V5,
            client_id: client_id.into(),
            assigned,
            response_information: None,
            subscribed: vec![(TOPIC.into(), Ok(1))],
            maximum_packet,
        };
        let up = Up { reply_topic: Some(TOPIC.into()), ..up(link, "mtp broker", details) };
        bench.event(Event::Link(LinkEvent::Up(Box::new(up))));
        Controller { link, endpoint: MQTT.into(), topic: None, mqtt: true }
    }

    /// Sends octets.
    pub fn send(&mut self, bench: &mut Bench, bytes: Vec<u8>) {
        let reply_to = self.mqtt.then(|| "answers".into());
        bench.event(Event::Link(LinkEvent::Record { link: self.link, bytes, reply_to }));
    }

    /// Sends a request in somebody's name.
    pub fn send_as(&mut self, bench: &mut Bench, from: &str, to: &str, msg_id: &str, request: ReqType) {
        let message = Answer::request(request).into_msg(msg_id);
        self.send(bench, record::wrap(VERSION, &id(to), &id(from), message));
    }

    /// Asks, and what is answered.
    pub fn ask(&mut self, bench: &mut Bench, msg_id: &str, request: ReqType) -> Result<RespType, pb::Error> {
        self.send_as(bench, &self.endpoint.clone(), OWN, msg_id, request);
        let record = self.record(bench);
        let Some(RecordType::NoSessionContext(context)) = record.record_type else { panic!("{record:?}") };
        let message = msg::read(&context.payload).unwrap();
        assert_eq!(message.msg_id, msg_id);
        match message.said {
            Said::Response(response) => Ok(response),
            Said::Error(error) => Err(error),
            Said::Request(request) => panic!("{request:?}"),
        }
    }

    /// The oldest Record that was sent on the link and not taken yet.
    pub fn record(&mut self, bench: &mut Bench) -> pb::record::Record {
        let at = bench.commands.iter().position(|command| match command {
            LinkCommand::Send { link, .. } => *link == self.link,
            LinkCommand::Close { .. } => false,
        });
        let LinkCommand::Send { record, topic, .. } = bench.commands.remove(at.expect("a Record")) else {
            unreachable!()
        };
        self.topic = topic.map(String::from);
        pb::record::Record::decode(record.as_slice()).unwrap()
    }

    /// Whether nothing was sent or done on the link.
    pub fn nothing(&self, bench: &mut Bench) -> bool {
        bench.commands.iter().all(|command| match command {
            LinkCommand::Send { link, .. } | LinkCommand::Close { link, .. } => *link != self.link,
        })
    }
}

fn up(link: u64, name: &str, details: Details) -> Up {
    Up {
        link,
        name: name.into(),
        peer: None,
        certificate: None,
        encrypted: false,
        reply_topic: None,
        local_address: None,
        peer_address: None,
        details,
    }
}

/// A call of a command that is to be answered.
pub fn operate(command: &str, arguments: &[(&str, &str)]) -> ReqType {
    let input_args = arguments.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let (command, command_key) = (command.into(), "key".into());
    ReqType::Operate(pb::Operate { command, command_key, send_resp: true, input_args })
}

/// What a call of one command came to: its results, or the code of its failure.
pub fn answered(answer: Result<RespType, pb::Error>) -> Result<Vec<(String, String)>, u32> {
    let results = match answer {
        Ok(RespType::OperateResp(resp)) => resp.operation_results,
        Ok(other) => panic!("{other:?}"),
        Err(error) => return Err(error.err_code),
    };
    assert_eq!(results.len(), 1);
    match results.into_iter().next().and_then(|result| result.operation_resp).unwrap() {
        OperationResp::ReqOutputArgs(done) => {
            let mut found: Vec<(String, String)> = done.output_args.into_iter().collect();
            found.sort();
            Ok(found)
        }
        OperationResp::CmdFailure(failure) => Err(failure.err_code),
        OperationResp::ReqObjPath(path) => panic!("{path}"),
    }
}

/// The table of subscriptions.
pub const SUBSCRIPTIONS: &str = "Device.LocalAgent.Subscription.";

/// An Add of one row.
pub fn add(table: &str, settings: &[(&str, &str)]) -> ReqType {
    let settings = settings.iter().map(|(param, value)| pb::add::CreateParamSetting {
        param: (*param).into(),
        value: (*value).into(),
        required: true,
    });
    let object = pb::add::CreateObject { obj_path: table.into(), param_settings: settings.collect() };
    ReqType::Add(pb::Add { allow_partial: false, create_objs: vec![object] })
}

/// The path of the row that an Add made.
pub fn created(answer: Result<RespType, pb::Error>) -> String {
    let RespType::AddResp(answer) = answer.unwrap() else { panic!("no AddResp") };
    let status = answer.created_obj_results[0].oper_status.clone().unwrap().oper_status.unwrap();
    let pb::add_resp::created_object_result::operation_status::OperStatus::OperSuccess(done) = status else {
        panic!("{status:?}")
    };
    done.instantiated_path
}

/// Subscribes; the path of the row.
pub fn subscribe(
    bench: &mut Bench,
    who: &mut Controller,
    kind: &str,
    paths: &str,
    more: &[(&str, &str)],
) -> String {
    let id = format!("{kind} {paths}");
    let mut settings = vec![("Enable", "true"), ("ID", &id), ("NotifType", kind), ("ReferenceList", paths)];
    settings.extend(more);
    created(who.ask(bench, &format!("add {id}"), add(SUBSCRIPTIONS, &settings)))
}

/// A Set of one value.
pub fn set(path: &str, value: &str) -> ReqType {
    let (object, name) = path.rsplit_once('.').unwrap();
    let setting = pb::set::UpdateParamSetting { param: name.into(), value: value.into(), required: true };
    let object = pb::set::UpdateObject { obj_path: format!("{object}."), param_settings: vec![setting] };
    ReqType::Set(pb::Set { allow_partial: false, update_objs: vec![object] })
}

/// A Delete of one row.
pub fn delete(path: &str) -> ReqType {
    ReqType::Delete(pb::Delete { allow_partial: false, obj_paths: vec![path.into()] })
}

/// The value of one parameter, as a controller reads it; `None` where it sees none.
pub fn value(bench: &mut Bench, who: &mut Controller, path: &str) -> Option<String> {
    let get = ReqType::Get(pb::Get { param_paths: vec![path.into()], max_depth: 0 });
    let Ok(RespType::GetResp(answer)) = who.ask(bench, &format!("get {path}"), get) else { panic!("{path}") };
    let found = answer.req_path_results.into_iter().next()?.resolved_path_results.into_iter().next()?;
    found.result_params.into_values().next()
}

/// The notices that were sent to an endpoint on any link and not taken yet: msg_id and content.
pub fn told(bench: &mut Bench, endpoint: &str) -> Vec<(String, pb::Notify)> {
    let mut out = Vec::new();
    bench.commands.retain(|command| {
        let LinkCommand::Send { record, .. } = command else { return true };
        let record = pb::record::Record::decode(record.as_slice()).unwrap();
        let Some(RecordType::NoSessionContext(context)) = &record.record_type else { return true };
        let message = msg::read(&context.payload).unwrap();
        match message.said {
            Said::Request(ReqType::Notify(notify)) if record.to_id == endpoint => {
                out.push((message.msg_id, notify));
                false
            }
            _ => true,
        }
    });
    out
}

/// The same, in words.
pub fn words(bench: &mut Bench, endpoint: &str) -> Vec<String> {
    told(bench, endpoint).into_iter().map(|(_, notify)| word(&notify)).collect()
}

/// What a notice tells.
pub fn word(notify: &pb::Notify) -> String {
    match notify.notification.as_ref().unwrap() {
        Notification::ValueChange(it) => format!("{} = {}", it.param_path, it.param_value),
        Notification::ObjCreation(it) => format!("+{}", it.obj_path),
        Notification::ObjDeletion(it) => format!("-{}", it.obj_path),
        Notification::Event(it) => format!("{}{}", it.obj_path, it.event_name),
        Notification::OperComplete(it) => format!("{}{} {}", it.obj_path, it.command_name, it.command_key),
        Notification::OnBoardReq(_) => "on board".into(),
    }
}
