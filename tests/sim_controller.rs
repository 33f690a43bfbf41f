//! USP controllers played by a test against the whole agent: links that come and go, Records, messages, rights.
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
use controller::{CONTROLLER, Controller, MQTT, OWN, SETTINGS, TOPIC, id};
use cpeagent::agent::Event;
use cpeagent::io::disk::Disk;
use cpeagent::usp::msg::{self, Answer, Said};
use cpeagent::usp::mtp::{LinkCommand, LinkEvent, NOT_A_RECORD};
use cpeagent::usp::pb;
use cpeagent::usp::pb::record::record::RecordType;
use cpeagent::usp::pb::request::ReqType;
use cpeagent::usp::pb::response::RespType;
use cpeagent::usp::record;

const DEVICE: &str = "wr4000-25.12";

fn bench() -> Bench {
    let mut bench = Bench::new(DEVICE);
    bench.disk.put("/etc/config/cpeagent", SETTINGS);
    bench.start();
    bench
}

fn set(path: &str, name: &str, value: &str) -> ReqType {
    let setting = pb::set::UpdateParamSetting { param: name.into(), value: value.into(), required: true };
    let object = pb::set::UpdateObject { obj_path: path.into(), param_settings: vec![setting] };
    ReqType::Set(pb::Set { allow_partial: false, update_objs: vec![object] })
}

//= TR-106 A.2.2.1: a number that was told is its row's for ever, so it is not told before it is kept.
//= TR-369 R-MSG.0: every request gets a response or an Error.
#[test]
fn no_number_is_told_that_a_full_disk_did_not_keep() {
    let mut bench = bench();
    let mut one = Controller::web_socket(&mut bench, 1, "controller one one_ws");
    one.record(&mut bench);
    let hosts = || {
        ReqType::GetInstances(pb::GetInstances {
            obj_paths: vec!["Device.DHCPv4.Server.Pool.1.StaticAddress.".into()],
            first_level_only: true,
        })
    };
    let before = one.ask(&mut bench, "before", hosts()).unwrap();
    bench.enlarge(0, 1);
    bench.disk.set_free(Some(0));
    for id in ["full", "still full"] {
        let refused = one.ask(&mut bench, id, hosts()).unwrap_err();
        assert_eq!(refused.err_code, 7003, "a row nobody was told of: {refused:?}");
    }
    bench.disk.set_free(None);
    let told = one.ask(&mut bench, "told", hosts()).unwrap();
    assert_ne!(told, before);
    bench.reboot(0);
    bench.start();
    let mut one = Controller::web_socket(&mut bench, 2, "controller one one_ws");
    one.record(&mut bench);
    assert_eq!(one.ask(&mut bench, "after", hosts()).unwrap(), told);
}

//= TR-369 R-MTP.6: the first thing sent on a channel is its Connect record.
//= TR-369 R-MTP.8: so it is on a new channel, before any other Record.
#[test]
fn a_link_that_stands_is_greeted_before_anything_else() {
    let mut bench = bench();
    assert_eq!(
        bench.links.iter().map(|link| link.name().to_string()).collect::<Vec<_>>(),
        ["controller one one_ws", "controller two two_ws", "mtp broker", "mtp port"]
    );
    let mut one = Controller::web_socket(&mut bench, 1, "controller one one_ws");
    let record = one.record(&mut bench);
    assert_eq!((record.from_id.as_str(), record.to_id.as_str()), (OWN, CONTROLLER));
    assert!(matches!(record.record_type, Some(RecordType::WebsocketConnect(_))), "{record:?}");
    let mut broker = Controller::mqtt(&mut bench, 2);
    let record = broker.record(&mut bench);
    assert_eq!(record.to_id, MQTT);
    let Some(RecordType::MqttConnect(connect)) = record.record_type else { panic!("{record:?}") };
    assert_eq!((connect.version, connect.subscribed_topic.as_str()), (1, TOPIC));
    // A Disconnect starts anew.
    one.send(&mut bench, record::disconnect(&id(OWN), &id(CONTROLLER), 0));
    assert!(one.nothing(&mut bench));
}

//= TR-369 R-MSG.0: every request gets a response or an Error.
//= TR-369 R-MSG.9: an answer carries the msg_id of what was asked.
#[test]
fn what_is_set_is_committed_before_it_is_answered_and_announced_after() {
    let mut bench = bench();
    let mut one = Controller::web_socket(&mut bench, 1, "controller one one_ws");
    one.record(&mut bench);
    bench.said.clear();
    let answer = one.ask(&mut bench, "m1", set("Device.WiFi.SSID.1.", "SSID", "by usp"));
    assert!(matches!(answer.unwrap(), RespType::SetResp(_)));
    assert!(bench.said.starts_with("committed\n"), "{}", bench.said);
    assert!(bench.said.contains("announced wireless"), "{}", bench.said);
    assert!(bench.disk.read_text("/etc/config/wireless").unwrap().contains("option ssid 'by usp'"));
    let error = one.ask(&mut bench, "m2", set("Device.WiFi.SSID.1.", "Enable", "maybe")).unwrap_err();
    assert_eq!(
        (error.err_code, error.param_errs[0].param_path.as_str()),
        (7011, "Device.WiFi.SSID.1.Enable")
    );
}

#[test]
fn what_the_settings_would_not_hold_is_refused_and_not_dropped() {
    let mut bench = bench();
    let mut one = Controller::web_socket(&mut bench, 1, "controller one one_ws");
    one.record(&mut bench);
    let before = bench.disk.read_text("/etc/config/cpeagent").unwrap();
    let error = one.ask(&mut bench, "m1", set("Device.MQTT.Client.1.", "WillTopic", &"x".repeat(1_025)));
    let error = error.unwrap_err();
    let [param] = error.param_errs.as_slice() else { panic!("{error:?}") };
    assert_eq!((error.err_code, param.param_path.as_str()), (7012, "Device.MQTT.Client.1.WillTopic"));
    assert!(param.err_msg.contains("up to 1024 characters"), "{error:?}");
    assert_eq!(bench.disk.read_text("/etc/config/cpeagent").unwrap(), before);
    let topic = set("Device.MQTT.Client.1.", "WillTopic", &"x".repeat(1_024));
    assert!(one.ask(&mut bench, "m2", topic).is_ok());
}

//= TR-369 R-MSG.0: every request gets a response or an Error.
#[test]
fn what_is_asked_is_read() {
    let mut bench = bench();
    let mut one = Controller::web_socket(&mut bench, 1, "controller one one_ws");
    one.record(&mut bench);
    let get = |path: &str| ReqType::Get(pb::Get { param_paths: vec![path.into()], max_depth: 0 });
    let Ok(RespType::GetResp(resp)) = one.ask(&mut bench, "m1", get("Device.DeviceInfo.ModelName")) else {
        panic!("no GetResp")
    };
    let result = &resp.req_path_results[0].resolved_path_results[0];
    assert_eq!(result.resolved_path, "Device.DeviceInfo.");
    assert!(result.result_params.contains_key("ModelName"));
    let Ok(RespType::GetResp(resp)) = one.ask(&mut bench, "m2", get("Device.")) else { panic!("no GetResp") };
    assert!(resp.req_path_results[0].resolved_path_results.len() > 100);
}

//= TR-369 R-SEC.1: permissions are asked before anything is done.
//= TR-369 R-SEC.24: AssignedRole counts; who has no role has the UntrustedRole.
#[test]
fn a_controller_without_a_role_may_do_nothing() {
    let mut bench = bench();
    let mut two = Controller::web_socket(&mut bench, 1, "controller two two_ws");
    two.record(&mut bench);
    let error = two.ask(&mut bench, "m1", set("Device.WiFi.SSID.1.", "SSID", "by two")).unwrap_err();
    assert_eq!(error.err_code, 7016);
    assert!(!bench.disk.read_text("/etc/config/wireless").unwrap().contains("by two"));
}

//= TR-369 R-SEC.0a: a Record whose sender is not who the certificate says is not processed.
//= TR-369 R-E2E.1: a Record for somebody else is ignored.
//= TR-369 R-SEC.22: the mandatory parts of the decision on a received Record.
#[test]
fn a_record_of_or_for_somebody_else_is_ignored() {
    for (from, to) in [("self::stranger", OWN), ("self::two", OWN), (CONTROLLER, "self::other")] {
        let mut bench = bench();
        let mut one = Controller::web_socket(&mut bench, 1, "controller one one_ws");
        one.record(&mut bench);
        one.send_as(&mut bench, from, to, "m1", set("Device.WiFi.SSID.1.", "SSID", "by a stranger"));
        assert!(one.nothing(&mut bench), "{from} {to}");
        assert!(!bench.disk.read_text("/etc/config/wireless").unwrap().contains("by a stranger"));
    }
    // Nor in the name of another one on a session that a controller opened.
    for (from, heard) in [(CONTROLLER, true), ("self::two", false)] {
        let mut bench = bench();
        let mut one = Controller::accepted(&mut bench, 1, CONTROLLER);
        bench.commands.clear();
        one.send_as(&mut bench, from, OWN, "m1", set("Device.WiFi.SSID.1.", "SSID", "by one"));
        assert_eq!(one.nothing(&mut bench), !heard, "{from}");
    }
}

//= TR-369 R-ARC.1: a controller may have the id of this device.
//= TR-369 R-ARC.2: two that have the same id do not talk to each other.
#[test]
fn a_controller_with_our_own_id_is_kept_and_not_spoken_with() {
    let mut bench = Bench::new(DEVICE);
    bench.disk.put("/etc/config/cpeagent", &SETTINGS.replace("'self::one'", &format!("'{OWN}'")));
    bench.start();
    assert!(bench.said.contains("link controller two two_ws"), "{}", bench.said);
    assert!(!bench.said.contains("link controller one one_ws"), "{}", bench.said);
    let mut broker = Controller::mqtt(&mut bench, 1);
    broker.record(&mut bench);
    broker.send_as(&mut bench, OWN, OWN, "m1", set("Device.WiFi.SSID.1.", "SSID", "by a twin"));
    assert!(broker.nothing(&mut bench));
    assert!(!bench.disk.read_text("/etc/config/wireless").unwrap().contains("by a twin"));
    let path = "Device.LocalAgent.Controller.1.EndpointID";
    let ask = ReqType::Get(pb::Get { param_paths: vec![path.into()], max_depth: 0 });
    let Ok(RespType::GetResp(told)) = broker.ask(&mut bench, "m2", ask) else { panic!() };
    assert!(format!("{told:?}").contains(OWN), "{told:?}");
}

//= TR-369 R-ENC.4: one that breaks the schema is discarded.
//= TR-369 R-WS.16: a frame without a Record closes the session with 1003.
#[test]
fn what_is_no_record_closes_a_web_socket_and_nothing_else() {
    let mut bench = bench();
    let mut one = Controller::web_socket(&mut bench, 1, "controller one one_ws");
    one.record(&mut bench);
    one.send(&mut bench, vec![0xff; 40]);
    assert!(matches!(bench.commands.as_slice(), [LinkCommand::Close { link: 1, code: NOT_A_RECORD, .. }]));
    bench.commands.clear();
    let mut broker = Controller::mqtt(&mut bench, 2);
    broker.record(&mut bench);
    broker.send(&mut bench, vec![0xff; 40]);
    assert!(broker.nothing(&mut bench));
}

//= TR-369 R-MTP.5: a bad Record is answered by an Error where it holds a request and the way back is known.
//= TR-369 R-MSG.1: what is not supported is answered by 7001.
//= TR-369 R-MQTT.26: an answer goes to the response topic of what was asked.
#[test]
fn an_answer_over_mqtt_goes_to_the_response_topic() {
    let mut bench = bench();
    let mut broker = Controller::mqtt(&mut bench, 2);
    broker.record(&mut bench);
    let register = ReqType::Register(pb::Register { allow_partial: false, reg_paths: Vec::new() });
    let error = broker.ask(&mut bench, "m1", register).unwrap_err();
    assert_eq!(error.err_code, 7001);
    assert_eq!(broker.topic.as_deref(), Some("answers"));
}

//= TR-369 R-MQTT.26a: without a reply-to there is no way back.
//= TR-369 R-MTP.8: who said goodbye, or was told it, gets a Connect record before anything else.
#[test]
fn a_record_that_is_not_served_is_answered_where_the_way_back_is_known_and_after_a_connect() {
    let holds = |record: pb::record::Record| match record.record_type {
        Some(RecordType::MqttConnect(_)) => "connect",
        Some(RecordType::NoSessionContext(_)) => "error",
        Some(RecordType::Disconnect(_)) => "disconnect",
        other => panic!("{other:?}"),
    };
    let session = RecordType::SessionContext(pb::record::SessionContextRecord::default());
    let session = pb::record::Record {
        version: "1.4".into(),
        to_id: OWN.into(),
        from_id: MQTT.into(),
        record_type: Some(session),
        ..pb::record::Record::default()
    };
    let ask = || Answer::request(set("Device.WiFi.SSID.1.", "SSID", "x")).into_msg("m1");
    let wrong = || record::wrap("x", &id(OWN), &id(MQTT), ask());
    let bye = || record::disconnect(&id(OWN), &id(MQTT), 0);
    let mut bench = bench();
    let mut broker = Controller::mqtt(&mut bench, 2);
    assert_eq!(holds(broker.record(&mut bench)), "connect");
    for (said, want) in [
        (wrong(), &["error"][..]),
        (bye(), &[]),
        (wrong(), &["connect", "error"]),
        (session.encode_to_vec(), &["disconnect"]),
        (wrong(), &["connect", "error"]),
    ] {
        let nowhere = LinkEvent::Record { link: 2, bytes: said.clone(), reply_to: None };
        if said != bye() {
            bench.event(Event::Link(nowhere));
            assert!(broker.nothing(&mut bench), "{want:?}");
        }
        broker.send(&mut bench, said);
        for want in want {
            assert_eq!(holds(broker.record(&mut bench)), *want);
        }
        assert!(broker.nothing(&mut bench), "{want:?}");
    }
}

//= TR-369 R-MSG.0: also where the answer is longer than the broker takes.
#[test]
fn an_answer_that_a_broker_does_not_take_is_told_as_an_error() {
    for (most, want) in [(4096, Err(7005)), (16 * 1024 * 1024, Ok(()))] {
        let mut bench = bench();
        let mut three = Controller::mqtt_limited(&mut bench, 1, most);
        three.record(&mut bench);
        let all = ReqType::Get(pb::Get { param_paths: vec!["Device.".into()], max_depth: 0 });
        let got = three.ask(&mut bench, "m1", all).map(|_| ()).map_err(|error| error.err_code);
        assert_eq!(got, want, "{most}");
    }
}

/// What was answered on links: the link, the msg_id, and the code of an Error.
fn answers(bench: &mut Bench) -> Vec<(u64, String, Option<u32>)> {
    let sent = std::mem::take(&mut bench.commands);
    let answer = |command| {
        let LinkCommand::Send { link, record, .. } = command else { panic!("{command:?}") };
        let record = pb::record::Record::decode(record.as_slice()).unwrap();
        let Some(RecordType::NoSessionContext(context)) = record.record_type else { panic!("{record:?}") };
        let message = msg::read(&context.payload).unwrap();
        let code = match message.said {
            Said::Error(error) => Some(error.err_code),
            Said::Response(_) => None,
            Said::Request(request) => panic!("{request:?}"),
        };
        (link, message.msg_id.to_string(), code)
    };
    sent.into_iter().map(answer).collect()
}

//= TR-369 R-MSG.4: a message repeated while the first is being processed is ignored.
#[test]
fn a_repeated_request_is_served_once_and_links_are_served_in_turn() {
    let mut bench = bench();
    let mut one = Controller::web_socket(&mut bench, 1, "controller one one_ws");
    let mut three = Controller::mqtt(&mut bench, 2);
    bench.commands.clear();
    bench.slow = Some(Vec::new());
    let ssid = |text: &str| set("Device.WiFi.SSID.1.", "SSID", text);
    // The first is under way, the others wait.
    for (id, text) in [("a", "first"), ("a", "again"), ("b", "b"), ("c", "c"), ("b", "again"), ("a", "again")]
    {
        one.send_as(&mut bench, CONTROLLER, OWN, id, ssid(text));
    }
    // Of somebody else it is another message.
    three.send_as(&mut bench, MQTT, OWN, "a", ssid("three"));
    assert_eq!(answers(&mut bench), []);
    bench.fetched();
    let served = [(1, "a"), (2, "a"), (1, "b"), (1, "c")].map(|(link, id)| (link, id.to_string(), None));
    assert_eq!(answers(&mut bench), served);
    assert!(!bench.said.contains("again"), "{}", bench.said);
    // Once it is answered its id is free.
    one.send_as(&mut bench, CONTROLLER, OWN, "a", ssid("later"));
    assert_eq!(answers(&mut bench), [(1, "a".to_string(), None)]);
}

//= TR-369 R-MSG.0: every request gets a response or an Error.
#[test]
fn of_a_flood_what_is_too_much_is_refused_at_once_and_others_need_not_wait_for_the_rest() {
    let mut bench = bench();
    let mut one = Controller::web_socket(&mut bench, 1, "controller one one_ws");
    let mut three = Controller::mqtt(&mut bench, 2);
    bench.commands.clear();
    bench.slow = Some(Vec::new());
    let ask = || ReqType::Get(pb::Get { param_paths: vec!["Device.WiFi.SSID.1.SSID".into()], max_depth: 0 });
    for number in 0..200 {
        one.send_as(&mut bench, CONTROLLER, OWN, &number.to_string(), ask());
    }
    three.send_as(&mut bench, MQTT, OWN, "three", ask());
    // One is under way and 64 wait.
    let refused: Vec<_> = (65..200).map(|number| (1, number.to_string(), Some(7005))).collect();
    assert_eq!(answers(&mut bench), refused);
    bench.fetched();
    let told = answers(&mut bench);
    let others: Vec<_> = (0..65).map(|number| (1, number.to_string(), None)).collect();
    assert_eq!(told.iter().filter(|(link, ..)| *link == 1).cloned().collect::<Vec<_>>(), others);
    assert_eq!(told[1], (2, "three".to_string(), None));
}

//= TR-369 R-MTP.8: after a Disconnect the Connect record comes again before any other.
#[test]
fn of_who_says_goodbye_at_a_broker_nothing_more_is_served_and_of_others_it_is() {
    const FOUR: &str = "self::four";
    let four = "
config controller 'four'
\toption enable '1'
\toption endpoint_id 'self::four'
\toption onboarding_complete '1'
\tlist role 'full'

config controller_mtp 'four_mqtt'
\toption controller 'four'
\toption enable '1'
\toption protocol 'MQTT'
\toption mtp 'broker'
\toption topic 'four/topic'
";
    let mut bench = Bench::new(DEVICE);
    bench.disk.put("/etc/config/cpeagent", &format!("{SETTINGS}{four}"));
    bench.start();
    let mut broker = Controller::mqtt(&mut bench, 2);
    bench.commands.clear();
    bench.slow = Some(Vec::new());
    for (from, id) in [(FOUR, "under way"), (MQTT, "given up"), (FOUR, "waits")] {
        broker.send_as(&mut bench, from, OWN, id, set("Device.WiFi.SSID.1.", "SSID", id));
    }
    broker.send(&mut bench, record::disconnect(&id(OWN), &id(MQTT), 0));
    bench.fetched();
    let served = ["under way", "waits"].map(|id| (2, id.to_string(), None));
    assert_eq!(answers(&mut bench), served);
    assert!(!bench.disk.read_text("/etc/config/wireless").unwrap().contains("given up"));
}

#[test]
fn what_comes_from_a_link_that_is_gone_is_not_served() {
    let mut bench = bench();
    let mut one = Controller::web_socket(&mut bench, 1, "controller one one_ws");
    one.record(&mut bench);
    bench.event(Event::Link(LinkEvent::Down {
        name: "controller one one_ws".into(),
        link: Some(1),
        why: "gone".into(),
        failures: 1,
        retry_in: None,
    }));
    one.send_as(&mut bench, CONTROLLER, OWN, "late", set("Device.WiFi.SSID.1.", "SSID", "late"));
    assert!(one.nothing(&mut bench));
}

//= TR-369 R-WS.4: no more than one session is open between two endpoints.
#[test]
fn of_two_sessions_with_one_controller_the_accepted_one_is_closed() {
    for order in [["client", "port"], ["port", "client"]] {
        let mut bench = bench();
        for (number, side) in (1..).zip(order) {
            match side {
                "client" => drop(Controller::web_socket(&mut bench, number, "controller one one_ws")),
                _ => drop(Controller::accepted(&mut bench, number, CONTROLLER)),
            }
        }
        let accepted = if order[0] == "port" { 1 } else { 2 };
        let closed: Vec<u64> = bench
            .commands
            .iter()
            .filter_map(|command| match command {
                LinkCommand::Close { link, .. } => Some(*link),
                LinkCommand::Send { .. } => None,
            })
            .collect();
        assert_eq!(closed, [accepted], "{order:?}");
    }
}

//= TR-369 R-MQTT.9: an assigned id is stored and used from then on.
#[test]
fn a_client_id_that_the_broker_assigned_is_kept() {
    let mut bench = bench();
    Controller::mqtt_assigned(&mut bench, 1, "given");
    assert!(bench.disk.read_text("/etc/config/cpeagent").unwrap().contains("option client_id 'given'"));
}

//= TR-369 R-MTP.7: a Disconnect record goes ahead of leaving.
#[test]
fn a_program_that_ends_says_goodbye_to_whom_it_greeted() {
    let mut bench = bench();
    let mut one = Controller::web_socket(&mut bench, 1, "controller one one_ws");
    one.record(&mut bench);
    bench.commands = bench.agent.as_mut().unwrap().farewell();
    let record = one.record(&mut bench);
    assert!(matches!(record.record_type, Some(RecordType::Disconnect(_))), "{record:?}");
    assert!(bench.commands.is_empty());
}
