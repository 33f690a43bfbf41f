//! USP with an implementation that is not ours at the other end: every request is encoded, and everything that the
//! agent sends is decoded, by the published crate `rusp-lib`. Whatever of an answer it did not understand would be lost
//! when it writes the answer again, so what it writes is held against what came.
#![cfg(feature = "usp")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/agent.rs"]
mod agent;
#[path = "common/controller.rs"]
mod controller;
#[path = "common/cwmp_schema.rs"]
mod cwmp_schema;
#[path = "common/device.rs"]
mod device;

use agent::Bench;
use controller::{CONTROLLER, Controller, MQTT, OWN, SETTINGS, TOPIC};
use cpeagent::usp::mtp::LinkCommand;
use cpeagent::usp::pb;
use rusp_lib::usp::mod_AddResp::mod_CreatedObjectResult::mod_OperationStatus::OneOfoper_status as Added;
use rusp_lib::usp::mod_Body::OneOfmsg_body as Kind;
use rusp_lib::usp::mod_DeleteResp::mod_DeletedObjectResult::mod_OperationStatus::OneOfoper_status as Deleted;
use rusp_lib::usp::mod_GetSupportedDMResp::{CmdType, ObjAccessType, ParamAccessType, ParamValueType};
use rusp_lib::usp::mod_Header::MsgType;
use rusp_lib::usp::mod_OperateResp::mod_OperationResult::OneOfoperation_resp as Operated;
use rusp_lib::usp::mod_Response::OneOfresp_type as Answer;
use rusp_lib::usp::mod_SetResp::mod_UpdatedObjectResult::mod_OperationStatus::OneOfoper_status as Updated;
use rusp_lib::usp::{Body, Msg};
use rusp_lib::usp_builder::{
    AddBuilder, CreateObjectBuilder, DeleteBuilder, GetBuilder, GetInstancesBuilder, GetSupportedDMBuilder,
    GetSupportedProtocolBuilder, MsgBuilder, OperateBuilder, RecordBuilder, SessionContextBuilder,
    SetBuilder, UpdateObjectBuilder,
};
use rusp_lib::usp_record::Record;
use rusp_lib::usp_record::mod_MQTTConnectRecord::MQTTVersion;
use rusp_lib::usp_record::mod_Record::OneOfrecord_type as Holds;

const DEVICE: &str = "wr4000-25.12";
const MAPPINGS: &str = "Device.NAT.PortMapping.";

/// A controller made of somebody else's code, on link 1.
struct Peer {
    bench: Bench,
    link: Controller,
    asked: u32,
}

impl Peer {
    /// Connected over a WebSocket, and greeted.
    fn new() -> Peer {
        let mut bench = Bench::new(DEVICE);
        bench.disk.put("/etc/config/cpeagent", SETTINGS);
        bench.start();
        let link = Controller::web_socket(&mut bench, 1, "controller one one_ws");
        let mut peer = Peer { bench, link, asked: 0 };
        assert!(matches!(peer.received().record_type, Holds::websocket_connect(_)));
        peer
    }

    /// What was sent to it first of what it has not taken yet.
    fn received(&mut self) -> Record {
        let at =
            self.bench.commands.iter().position(
                |command| matches!(command, LinkCommand::Send { link, .. } if *link == self.link.link),
            );
        match self.bench.commands.remove(at.expect("a Record")) {
            LinkCommand::Send { record, .. } => decoded(&record),
            LinkCommand::Close { .. } => unreachable!(),
        }
    }

    fn send(&mut self, record: RecordBuilder) {
        let bytes = shell(record, &self.link.endpoint).to_vec().unwrap();
        self.link.send(&mut self.bench, bytes);
    }

    /// The answer to a request.
    fn ask(&mut self, body: Body) -> Result<Answer, u32> {
        self.asked += 1;
        let id = format!("request {}", self.asked);
        let message = MsgBuilder::new().with_msg_id(id.clone()).with_body(body).build().unwrap();
        self.send(RecordBuilder::new().with_no_session_context_payload(&message));
        let record = self.received();
        assert_eq!((record.from_id.as_str(), record.to_id.as_str()), (OWN, self.link.endpoint.as_str()));
        let message = message_of(&record);
        assert_eq!(message.msg_id(), id);
        match message.body.unwrap().msg_body {
            Kind::response(response) => Ok(response.resp_type),
            Kind::error(error) => Err(error.err_code),
            other => panic!("{other:?}"),
        }
    }

    fn get(&mut self, paths: &[&str]) -> rusp_lib::usp::GetResp {
        match self.ask(GetBuilder::new().with_params(texts(paths)).build().unwrap()) {
            Ok(Answer::get_resp(answer)) => answer,
            other => panic!("{other:?}"),
        }
    }

    fn value(&mut self, object: &str, name: &str) -> String {
        let answer = self.get(&[&format!("{object}{name}")]);
        let result = &answer.req_path_results[0];
        assert_eq!((result.err_code, result.resolved_path_results.len()), (0, 1), "{result:?}");
        assert_eq!(result.resolved_path_results[0].resolved_path, object);
        result.resolved_path_results[0].result_params[name].clone()
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_string()).collect()
}

fn shell(record: RecordBuilder, from: &str) -> Record {
    record.with_version("1.3".into()).with_to_id(OWN.into()).with_from_id(from.into()).build().unwrap()
}

/// A Record of ours as they read it.
fn decoded(bytes: &[u8]) -> Record {
    let record = Record::from_bytes(bytes).unwrap();
    let again = pb::record::Record::decode(record.to_vec().unwrap().as_slice()).unwrap();
    assert_eq!(again, pb::record::Record::decode(bytes).unwrap(), "something was not understood");
    record
}

/// The message in a Record of ours as they read it.
fn message_of(record: &Record) -> Msg {
    let Holds::no_session_context(context) = &record.record_type else { panic!("{record:?}") };
    let message = Msg::from_bytes(&context.payload).unwrap();
    let again = pb::Msg::decode(message.to_vec().unwrap().as_slice()).unwrap();
    assert_eq!(again, pb::Msg::decode(context.payload.as_slice()).unwrap(), "something was not understood");
    let kind = message.header.as_ref().unwrap().msg_type;
    let told = match &message.body.as_ref().unwrap().msg_body {
        Kind::error(_) => MsgType::ERROR,
        Kind::response(response) => match response.resp_type {
            Answer::get_resp(_) => MsgType::GET_RESP,
            Answer::get_supported_dm_resp(_) => MsgType::GET_SUPPORTED_DM_RESP,
            Answer::get_instances_resp(_) => MsgType::GET_INSTANCES_RESP,
            Answer::set_resp(_) => MsgType::SET_RESP,
            Answer::add_resp(_) => MsgType::ADD_RESP,
            Answer::delete_resp(_) => MsgType::DELETE_RESP,
            Answer::operate_resp(_) => MsgType::OPERATE_RESP,
            Answer::get_supported_protocol_resp(_) => MsgType::GET_SUPPORTED_PROTO_RESP,
            ref other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    assert_eq!(kind, told, "the header says what the body is");
    message
}

//= TR-369 R-ENC.0, R-MSG.5: messages follow the schema of version 1.4.
//= TR-369 R-MSG.9: an answer carries the msg_id of what was asked.
#[test]
fn what_they_ask_of_the_whole_tree_they_understand() {
    let mut peer = Peer::new();
    let answer = peer.get(&["Device.", "Device.Nothing.", "Device.DeviceInfo.ModelName"]);
    let [tree, nothing, model] = answer.req_path_results.as_slice() else { panic!("{answer:?}") };
    assert!(tree.resolved_path_results.len() > 100);
    assert_eq!((nothing.err_code, nothing.resolved_path_results.len()), (7026, 0));
    let named = &model.resolved_path_results[0];
    let in_tree = tree.resolved_path_results.iter().find(|one| one.resolved_path == "Device.DeviceInfo.");
    assert_eq!(in_tree.unwrap().result_params["ModelName"], named.result_params["ModelName"]);
    let body = GetBuilder::new().with_params(texts(&["Device."])).with_max_depth(1).build().unwrap();
    let Ok(Answer::get_resp(shallow)) = peer.ask(body) else { panic!("no GetResp") };
    assert!(shallow.req_path_results[0].resolved_path_results.len() < tree.resolved_path_results.len());
}

#[test]
fn what_they_ask_of_instances_they_understand() {
    let mut peer = Peer::new();
    for (first_level, least) in [(true, 1), (false, 100)] {
        let paths = if first_level { "Device.WiFi.SSID." } else { "Device." };
        let body = GetInstancesBuilder::new().with_obj_paths(texts(&[paths]));
        let body = body.with_first_level_only(first_level).build().unwrap();
        let Ok(Answer::get_instances_resp(answer)) = peer.ask(body) else { panic!("no GetInstancesResp") };
        let rows = &answer.req_path_results[0].curr_insts;
        assert!(rows.len() >= least, "{paths}: {}", rows.len());
        let ssid = rows.iter().find(|row| row.instantiated_obj_path == "Device.WiFi.SSID.1.").unwrap();
        assert!(ssid.unique_keys.contains_key("Alias"), "{ssid:?}");
    }
}

#[test]
fn what_they_ask_of_the_supported_model_they_understand() {
    let mut peer = Peer::new();
    let body = GetSupportedDMBuilder::new()
        .with_obj_paths(texts(&["Device."]))
        .with_return_commands(true)
        .with_return_events(true)
        .with_return_params(true)
        .with_return_unique_key_sets(true)
        .build()
        .unwrap();
    let Ok(Answer::get_supported_dm_resp(answer)) = peer.ask(body) else { panic!("no GetSupportedDMResp") };
    let objects = &answer.req_obj_results[0].supported_objs;
    let of = |path: &str| objects.iter().find(|one| one.supported_obj_path == path).unwrap();
    let mappings = of("Device.NAT.PortMapping.{i}.");
    assert!(mappings.is_multi_instance);
    assert_eq!(mappings.access, ObjAccessType::OBJ_ADD_DELETE);
    assert!(mappings.unique_key_sets.iter().any(|keys| keys.key_names == ["Alias"]));
    let port = mappings.supported_params.iter().find(|one| one.param_name == "ExternalPort").unwrap();
    assert_eq!(port.value_type, ParamValueType::PARAM_UNSIGNED_INT);
    assert_eq!(port.access, ParamAccessType::PARAM_READ_WRITE);
    assert_eq!(of("Device.Hosts.Host.{i}.").access, ObjAccessType::OBJ_READ_ONLY);
    for object in objects {
        for command in &object.supported_commands {
            assert!(command.command_name.ends_with("()"), "{command:?}");
            assert_ne!(command.command_type, CmdType::CMD_UNKNOWN, "{command:?}");
        }
        assert!(object.supported_events.iter().all(|event| event.event_name.ends_with('!')));
        for param in &object.supported_params {
            assert_ne!(param.value_type, ParamValueType::PARAM_UNKNOWN, "{param:?}");
        }
    }
    let body = GetSupportedProtocolBuilder::new("1.0,1.3".into()).build().unwrap();
    let Ok(Answer::get_supported_protocol_resp(answer)) = peer.ask(body) else { panic!("no answer") };
    assert!(answer.agent_supported_protocol_versions.split(',').any(|version| version == "1.3"));
}

#[test]
fn what_they_set_is_set_and_they_understand_what_was_not() {
    let mut peer = Peer::new();
    let wish = |path: &str, name: &str, value: &str| {
        UpdateObjectBuilder::new(path.into()).with_param_settings(vec![(name.into(), value.into(), true)])
    };
    let both = vec![
        wish("Device.WiFi.SSID.1.", "SSID", "by a stranger's code"),
        wish("Device.WiFi.SSID.2.", "Enable", "maybe"),
    ];
    let body = SetBuilder::new().with_allow_partial(true).with_update_objs(both).build().unwrap();
    let Ok(Answer::set_resp(answer)) = peer.ask(body) else { panic!("no SetResp") };
    let told: Vec<&Updated> = answer
        .updated_obj_results
        .iter()
        .map(|result| &result.oper_status.as_ref().unwrap().oper_status)
        .collect();
    let [Updated::oper_success(done), Updated::oper_failure(failed)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(done.updated_inst_results[0].updated_params["SSID"], "by a stranger's code");
    assert_eq!(failed.updated_inst_failures[0].param_errs[0].err_code, 7011);
    assert_eq!(peer.value("Device.WiFi.SSID.1.", "SSID"), "by a stranger's code");
    let body = SetBuilder::new().with_update_objs(vec![wish("Device.WiFi.SSID.2.", "Enable", "maybe")]);
    assert_eq!(peer.ask(body.build().unwrap()).unwrap_err(), 7011);
}

#[test]
fn what_they_add_is_there_until_they_delete_it() {
    let mut peer = Peer::new();
    let row = CreateObjectBuilder::new(MAPPINGS.into()).with_param_settings(vec![
        ("Alias".into(), "theirs".into(), true),
        ("ExternalPort".into(), "8080".into(), true),
        ("Nothing".into(), "x".into(), false),
    ]);
    let none = CreateObjectBuilder::new("Device.Hosts.Host.".into());
    let body = AddBuilder::new().with_allow_partial(true).with_create_objs(vec![row, none]).build().unwrap();
    let Ok(Answer::add_resp(answer)) = peer.ask(body) else { panic!("no AddResp") };
    let told: Vec<&Added> = answer
        .created_obj_results
        .iter()
        .map(|result| &result.oper_status.as_ref().unwrap().oper_status)
        .collect();
    let [Added::oper_success(made), Added::oper_failure(failed)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(failed.err_code, 7019);
    assert_eq!(made.param_errs[0].param, "Nothing");
    assert_eq!(made.unique_keys["Alias"], "theirs");
    let path = made.instantiated_path.clone();
    assert_eq!(peer.value(&path, "ExternalPort"), "8080");

    let paths = texts(&[&path, "Device.WiFi.SSID.99."]);
    let body = DeleteBuilder::new().with_allow_partial(true).with_obj_paths(paths).build().unwrap();
    let Ok(Answer::delete_resp(answer)) = peer.ask(body) else { panic!("no DeleteResp") };
    let gone = &answer.deleted_obj_results[0].oper_status.as_ref().unwrap().oper_status;
    let Deleted::oper_success(gone) = gone else { panic!("{gone:?}") };
    assert_eq!(gone.affected_paths, std::slice::from_ref(&path));
    assert_ne!(peer.get(&[&path]).req_path_results[0].err_code, 0);
}

//= TR-369 R-MSG.0: every request gets a response or an Error.
#[test]
fn a_command_that_is_not_there_is_refused_in_a_way_they_understand() {
    let mut peer = Peer::new();
    let body = OperateBuilder::new("Device.NoSuchCommand()".into())
        .with_command_key("key".into())
        .with_send_resp(true)
        .with_input_args(vec![("Name".into(), "value".into())]);
    match peer.ask(body.build().unwrap()) {
        Err(code) => assert!((7000..7100).contains(&code), "{code}"),
        Ok(Answer::operate_resp(answer)) => {
            let result = &answer.operation_results[0].operation_resp;
            assert!(matches!(result, Operated::cmd_failure(_)), "{answer:?}");
        }
        Ok(other) => panic!("{other:?}"),
    }
}

//= TR-369 R-MTP.6: the first thing sent on a channel is its Connect record.
//= TR-369 R-MTP.7: a Disconnect record goes ahead of leaving.
//= TR-369 R-MTP.8: after a Disconnect the Connect record comes again before any other.
#[test]
fn records_without_a_message_are_understood_both_ways() {
    let mut peer = Peer::new();
    for record in [
        RecordBuilder::new().as_websocket_connect_record(),
        RecordBuilder::new().as_mqtt_connect_record(MQTTVersion::V5, "topic".into()),
        RecordBuilder::new().as_uds_connect_record(),
    ] {
        peer.send(record);
        assert!(peer.link.nothing(&mut peer.bench));
    }
    peer.send(RecordBuilder::new().as_disconnect_record("done".into(), 0));
    // The Connect record comes again ahead of the next answer.
    let message = GetBuilder::new().with_params(texts(&["Device.DeviceInfo.ModelName"])).build().unwrap();
    let message = MsgBuilder::new().with_msg_id("again".into()).with_body(message).build().unwrap();
    peer.send(RecordBuilder::new().with_no_session_context_payload(&message));
    assert!(matches!(peer.received().record_type, Holds::websocket_connect(_)));
    assert_eq!(message_of(&peer.received()).msg_id(), "again");

    peer.bench.commands = peer.bench.agent.as_mut().unwrap().farewell();
    let Holds::disconnect(goodbye) = peer.received().record_type else { panic!("no Disconnect") };
    assert_eq!(goodbye.reason_code, 0);
}

#[test]
fn the_connect_record_of_a_broker_tells_the_topic() {
    let mut peer = Peer::new();
    peer.link = Controller::mqtt(&mut peer.bench, 2);
    let record = peer.received();
    assert_eq!(record.to_id, MQTT);
    let Holds::mqtt_connect(connect) = record.record_type else { panic!("{record:?}") };
    assert_eq!((connect.version, connect.subscribed_topic.as_str()), (MQTTVersion::V5, TOPIC));
}

//= TR-369 R-E2E.6a: a session context that is not supported is answered by Disconnect 7106.
//= TR-369 R-E2E.41: payload security is for session contexts only.
//= TR-369 R-E2E.30: a signature that is there must be verified; what cannot be is not served.
#[test]
fn what_is_not_served_is_said_in_a_way_they_understand() {
    let mut peer = Peer::new();
    let body = GetBuilder::new().with_params(texts(&["Device.DeviceInfo.ModelName"])).build().unwrap();
    let message = MsgBuilder::new().with_msg_id("m".into()).with_body(body).build().unwrap();
    let plain = || RecordBuilder::new().with_no_session_context_payload(&message);
    for record in [plain().with_payload_security_tls12(), plain().with_mac_signature(vec![1, 2, 3])] {
        peer.send(record);
        let answer = message_of(&peer.received());
        assert_eq!((answer.msg_id(), answer.is_error()), ("m", true));
    }
    let session = SessionContextBuilder::new()
        .with_session_id(1)
        .with_sequence_id(1)
        .with_expected_id(1)
        .with_payload(message.to_vec().unwrap());
    peer.send(RecordBuilder::new().with_session_context_builder(session));
    let record = peer.received();
    assert_eq!(record.to_id, CONTROLLER);
    let Holds::disconnect(goodbye) = record.record_type else { panic!("{record:?}") };
    assert_eq!(goodbye.reason_code, 7106);
    // The channel stays up, so what follows begins with a Connect record.
    peer.send(plain());
    assert!(matches!(peer.received().record_type, Holds::websocket_connect(_)));
    assert_eq!(message_of(&peer.received()).msg_id(), "m");
}
