//! What USP controllers are told without asking, played against the whole agent in virtual time: subscriptions, retries,
//! events, restarts.
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
use controller::{
    CONTROLLER, Controller, MQTT, OWN, SETTINGS, SUBSCRIPTIONS, created, delete, id, operate, set, subscribe,
    told, word, words,
};
use cpeagent::agent::Event;
use cpeagent::dm::source::Source;
use cpeagent::io::disk::Disk;
use cpeagent::sorted::Map;
use cpeagent::usp::error::Fault;
use cpeagent::usp::msg::{Answer, Said, read};
use cpeagent::usp::mtp::{LinkCommand, LinkEvent};
use cpeagent::usp::pb;
use cpeagent::usp::pb::notify::Notification;
use cpeagent::usp::pb::record::record::RecordType;
use cpeagent::usp::pb::request::ReqType;
use cpeagent::usp::pb::response::RespType;
use cpeagent::usp::pb::schema::Texts;
use cpeagent::usp::record::{self, VERSION};
use std::time::Duration;

const DEVICE: &str = "wr4000-25.12";
const SSID: &str = "Device.WiFi.SSID.1.SSID";
const SECOND: Duration = Duration::from_secs(1);

fn bench_with(settings: &str) -> Bench {
    let mut bench = Bench::new(DEVICE);
    bench.disk.put("/etc/config/cpeagent", settings);
    bench.start();
    bench
}

/// A router with controller `one` connected, and its Connect record taken.
fn connected() -> (Bench, Controller) {
    let mut bench = bench_with(SETTINGS);
    let one = link_one(&mut bench, 1);
    bench.wait(SECOND);
    (bench, one)
}

fn link_one(bench: &mut Bench, link: u64) -> Controller {
    let mut one = Controller::web_socket(bench, link, "controller one one_ws");
    assert!(is_connect(&one.record(bench)));
    one
}

fn is_connect(record: &pb::record::Record) -> bool {
    matches!(record.record_type, Some(RecordType::WebsocketConnect(_) | RecordType::MqttConnect(_)))
}

fn lose(bench: &mut Bench, link: u64) {
    bench.event(Event::Link(LinkEvent::Down {
        name: "controller one one_ws".into(),
        link: Some(link),
        why: "gone".into(),
        failures: 1,
        retry_in: None,
    }));
}

/// The controller answers a notice.
fn answer(bench: &mut Bench, who: &mut Controller, msg_id: &str, subscription: &str) {
    let response = RespType::NotifyResp(pb::NotifyResp { subscription_id: subscription.to_string() });
    let message = Answer::response(response).into_msg(msg_id);
    let record = record::wrap(VERSION, &id(OWN), &id(&who.endpoint), message);
    who.send(bench, record);
}

//= TR-369 R-NOT.0a: a change is told within 10 s.
//= TR-369 R-NOT.7: subscription_id is the ID of the Subscription, empty for an OnBoardRequest.
//= TR-369 12: a change that the subscriber itself made is told, too.
#[test]
fn a_change_is_told_once_to_every_subscriber_whoever_made_it() {
    let (mut bench, mut one) = connected();
    let mut three = Controller::mqtt(&mut bench, 2);
    assert!(is_connect(&three.record(&mut bench)));
    subscribe(&mut bench, &mut one, "ValueChange", SSID, &[]);
    subscribe(&mut bench, &mut three, "ValueChange", "Device.WiFi.SSID.", &[]);
    assert!(one.ask(&mut bench, "m1", set(SSID, "by one")).is_ok());
    bench.wait(SECOND);
    let got = told(&mut bench, CONTROLLER);
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].1.subscription_id, format!("ValueChange {SSID}"));
    assert!(!got[0].1.send_resp);
    assert_eq!(word(&got[0].1), format!("{SSID} = by one"));
    assert_eq!(words(&mut bench, MQTT), [format!("{SSID} = by one")]);
    // A person changes it, in the file.
    let file = bench.disk.read_text("/etc/config/wireless").unwrap().replace("by one", "by hand");
    bench.disk.put("/etc/config/wireless", &file);
    bench.event(Event::Changed(["uci:wireless".into()].into()));
    bench.wait(SECOND);
    assert_eq!(words(&mut bench, CONTROLLER), [format!("{SSID} = by hand")]);
    assert_eq!(words(&mut bench, MQTT), [format!("{SSID} = by hand")]);
    bench.wait(SECOND * 60);
    assert!(words(&mut bench, CONTROLLER).is_empty() && words(&mut bench, MQTT).is_empty());
}

//= TR-369 12: ValueChange compares with the state at subscription.
#[test]
fn what_changes_the_moment_the_subscription_is_answered_is_told() {
    let (mut bench, mut one) = connected();
    let before = "HomeNet";
    let file = bench.disk.read_text("/etc/config/wireless").unwrap();
    assert!(file.contains(before));
    // The answer leaves, and the file is another one before anything else is read.
    bench.on_send = Some(("/etc/config/wireless".into(), file.replace(before, "at once")));
    subscribe(&mut bench, &mut one, "ValueChange", SSID, &[]);
    bench.event(Event::Changed(["uci:wireless".into()].into()));
    bench.wait(SECOND);
    assert_eq!(words(&mut bench, CONTROLLER), [format!("{SSID} = at once")]);
}

//= TR-181 LocalAgent.Controller.{i}.MTP.{i}.Order: notices take the ways in rising Order, equal ones at once.
#[test]
fn a_notice_takes_the_first_ways_of_its_controller_and_all_of_equal_order() {
    for (order, want) in [(1, vec![1, 2]), (2, vec![1]), (3, vec![1])] {
        let way = format!(
            "\nconfig controller_mtp 'one_mqtt'\n\toption controller 'one'\n\toption enable '1'\n\toption order '{order}'\n\t\
             option protocol 'MQTT'\n\toption mtp 'broker'\n\toption topic 'one/topic'\n"
        );
        let mut bench = bench_with(&format!("{SETTINGS}{way}"));
        let mut one = link_one(&mut bench, 1);
        Controller::mqtt(&mut bench, 2);
        bench.wait(SECOND);
        subscribe(&mut bench, &mut one, "ValueChange", SSID, &[]);
        bench.commands.clear();
        assert!(one.ask(&mut bench, "m1", set(SSID, "by one")).is_ok());
        bench.wait(SECOND);
        let links = bench.commands.iter().filter_map(|command| match command {
            LinkCommand::Send { link, record, .. } => {
                let record = pb::record::Record::decode(record.as_slice()).unwrap();
                (record.to_id == CONTROLLER && !is_connect(&record)).then_some(*link)
            }
            LinkCommand::Close { .. } => None,
        });
        assert_eq!(links.collect::<Vec<_>>(), want, "{order}");
        // Where the first way is gone, the next one is taken.
        lose(&mut bench, 1);
        bench.commands.clear();
        let file = bench.disk.read_text("/etc/config/wireless").unwrap().replace("by one", "by hand");
        bench.disk.put("/etc/config/wireless", &file);
        bench.event(Event::Changed(["uci:wireless".into()].into()));
        bench.wait(SECOND);
        assert_eq!(words(&mut bench, CONTROLLER), [format!("{SSID} = by hand")]);
    }
}

//= TR-369 12: ObjectCreation carries unique_keys.
//= TR-369 12: wildcards and searches mean rows that come later, too.
#[test]
fn rows_that_come_and_go_are_told_with_their_keys() {
    let (mut bench, mut one) = connected();
    let table = "Device.DHCPv4.Server.Pool.1.StaticAddress.";
    subscribe(&mut bench, &mut one, "ObjectCreation", table, &[]);
    subscribe(&mut bench, &mut one, "ObjectDeletion", &format!("{table}*."), &[]);
    let settings = [("Chaddr", "02:00:00:00:00:77"), ("Yiaddr", "192.168.1.77"), ("Enable", "true")];
    let settings = settings.map(|(param, value)| pb::add::CreateParamSetting {
        param: param.into(),
        value: value.into(),
        required: true,
    });
    let object = pb::add::CreateObject { obj_path: table.into(), param_settings: settings.to_vec() };
    let add = ReqType::Add(pb::Add { allow_partial: false, create_objs: vec![object] });
    let row = created(one.ask(&mut bench, "m1", add));
    bench.wait(SECOND);
    let got = told(&mut bench, CONTROLLER);
    let Some(Notification::ObjCreation(creation)) = &got[0].1.notification else { panic!("{got:?}") };
    assert_eq!((got.len(), creation.obj_path.as_str()), (1, row.as_str()));
    assert_eq!(creation.unique_keys.get("Chaddr").map(String::as_str), Some("02:00:00:00:00:77"));
    assert!(one.ask(&mut bench, "m2", delete(&row)).is_ok());
    bench.wait(SECOND);
    assert_eq!(words(&mut bench, CONTROLLER), [format!("-{row}")]);
}

//= TR-369 R-NOT.1: without an answer a notice is sent again after a random wait from a range that grows.
//= TR-369 R-NOT.9: an answer belongs to the notice of its msg_id, whatever subscription it names.
//= TR-369 R-NOT.3: success ends the count of retries.
#[test]
fn a_notice_is_repeated_on_the_curve_until_it_is_answered() {
    let (mut bench, mut one) = connected();
    subscribe(&mut bench, &mut one, "ValueChange", SSID, &[("NotifRetry", "true")]);
    for (value, answered_after) in [("first", 4), ("second", 2)] {
        assert!(one.ask(&mut bench, value, set(SSID, value)).is_ok());
        bench.wait(SECOND);
        let first = told(&mut bench, CONTROLLER);
        assert!(first.len() == 1 && first[0].1.send_resp, "{first:?}");
        let mut last = bench.now.at;
        for (low, high) in [(5, 10), (10, 20), (20, 40), (40, 80)].into_iter().take(answered_after) {
            let again = loop {
                bench.wait(Duration::from_millis(100));
                let got = told(&mut bench, CONTROLLER);
                if !got.is_empty() {
                    break got;
                }
            };
            assert_eq!(again, first, "the same message");
            let wait = bench.now.at.since(last);
            // It left up to a second before it was taken.
            assert!(SECOND * (low - 1) <= wait && wait <= SECOND * high + SECOND, "{low} {wait:?}");
            last = bench.now.at;
        }
        answer(&mut bench, &mut one, &first[0].0, "some other");
        bench.wait(SECOND * 20_000);
        assert!(told(&mut bench, CONTROLLER).is_empty());
    }
}

//= TR-369 R-NOT.2: retries go on until NotifExpiration has passed.
#[test]
fn a_notice_that_is_too_old_is_given_up() {
    let (mut bench, mut one) = connected();
    let more = [("NotifRetry", "true"), ("NotifExpiration", "30")];
    subscribe(&mut bench, &mut one, "ValueChange", SSID, &more);
    assert!(one.ask(&mut bench, "m", set(SSID, "new")).is_ok());
    bench.wait(SECOND * 29);
    assert!(told(&mut bench, CONTROLLER).len() >= 2);
    bench.wait(SECOND * 3);
    told(&mut bench, CONTROLLER);
    bench.wait(SECOND * 20_000);
    assert!(told(&mut bench, CONTROLLER).is_empty());
    assert!(bench.said.contains("were given up"), "{}", bench.said);
}

//= TR-369 R-MTP.8: the Connect record comes before any other.
#[test]
fn what_happens_while_no_link_stands_is_told_in_order_once_one_does() {
    let (mut bench, mut one) = connected();
    let mut three = Controller::mqtt(&mut bench, 2);
    assert!(is_connect(&three.record(&mut bench)));
    subscribe(&mut bench, &mut one, "ValueChange", SSID, &[]);
    lose(&mut bench, 1);
    for value in ["a", "b", "c"] {
        assert!(three.ask(&mut bench, value, set(SSID, value)).is_ok());
        bench.wait(SECOND * 40);
    }
    assert!(told(&mut bench, CONTROLLER).is_empty());
    let _ = link_one(&mut bench, 3);
    let want: Vec<String> = ["a", "b", "c"].iter().map(|value| format!("{SSID} = {value}")).collect();
    assert_eq!(words(&mut bench, CONTROLLER), want);
    // Who said goodbye and is still there is greeted again first.
    one.link = 3;
    one.send(&mut bench, record::disconnect(&id(OWN), &id(CONTROLLER), 0));
    assert!(one.nothing(&mut bench));
    assert!(three.ask(&mut bench, "d", set(SSID, "d")).is_ok());
    bench.wait(SECOND * 40);
    assert!(is_connect(&one.record(&mut bench)));
    assert_eq!(words(&mut bench, CONTROLLER), [format!("{SSID} = d")]);
}

//= TR-369 12: Persistent false: the row goes with every restart.
//= TR-369 R-NOT.4: a reboot resets the retry count.
//= TR-369 12: Boot!.ParameterMap: the values of the controller's BootParameter rows; what means nothing is left out.
#[test]
fn persistent_subscriptions_survive_a_power_cut_and_hear_of_the_boot_once() {
    let settings = format!(
        "{SETTINGS}\nconfig boot_parameter 'bp'\n\toption controller 'one'\n\toption enable '1'\n\
         \toption parameter 'Device.WiFi.SSID.1.Enable'\n\nconfig boot_parameter 'none'\n\
         \toption controller 'one'\n\toption enable '1'\n\toption parameter 'Device.WiFi.SSID.77.SSID'\n"
    );
    let mut bench = bench_with(&settings);
    let mut one = link_one(&mut bench, 1);
    bench.wait(SECOND);
    let more = [("Persistent", "true"), ("NotifRetry", "true")];
    subscribe(&mut bench, &mut one, "Event", "Device.Boot!", &more);
    subscribe(&mut bench, &mut one, "ValueChange", SSID, &more);
    subscribe(&mut bench, &mut one, "ValueChange", "Device.WiFi.SSID.", &[]);
    bench.wait(SECOND * 2);
    assert!(told(&mut bench, CONTROLLER).is_empty());

    bench.reboot(0);
    bench.start();
    bench.commands.clear();
    bench.wait(SECOND * 5);
    let mut one = link_one(&mut bench, 1);
    let got = told(&mut bench, CONTROLLER);
    assert_eq!(got.len(), 1, "{got:?}");
    let Some(Notification::Event(event)) = &got[0].1.notification else { panic!("{got:?}") };
    let args = [
        ("CommandKey", ""),
        ("Cause", "LocalReboot"),
        ("FirmwareUpdated", "false"),
        ("ParameterMap", "{\"Device.WiFi.SSID.1.Enable\":\"true\"}"),
    ];
    let args: Texts = args.map(|(name, text)| (name.into(), text.into())).into();
    assert_eq!((word(&got[0].1).as_str(), &event.params), ("Device.Boot!", &args));
    answer(&mut bench, &mut one, &got[0].0, "");
    // Of the others the persistent one is there.
    assert!(one.ask(&mut bench, "m1", set(SSID, "new")).is_ok());
    bench.wait(SECOND);
    let got = told(&mut bench, CONTROLLER);
    assert_eq!(got.iter().map(|(_, it)| word(it)).collect::<Vec<_>>(), [format!("{SSID} = new")]);
    // The program starts again: that is no boot.
    bench.start();
    bench.wait(SECOND * 5);
    let _ = link_one(&mut bench, 2);
    assert!(told(&mut bench, CONTROLLER).is_empty());
}

//= TR-181 LocalAgent.Controller.{i}.PeriodicNotifTime: whole intervals from it.
#[test]
fn periodic_events_come_at_whole_intervals_of_each_controller() {
    let settings = SETTINGS.replace(
        "option endpoint_id 'self::one'\n",
        "option endpoint_id 'self::one'\n\toption periodic_interval '600'\n\toption periodic_time '2026-01-01T00:00:30Z'\n",
    );
    let mut bench = bench_with(&settings);
    let mut one = link_one(&mut bench, 1);
    let mut three = Controller::mqtt(&mut bench, 2);
    assert!(is_connect(&three.record(&mut bench)));
    for who in [&mut one, &mut three] {
        subscribe(&mut bench, who, "Event", "Device.LocalAgent.Periodic!", &[]);
    }
    let mut came = Vec::new();
    for _ in 0..3_000 {
        bench.wait(SECOND);
        for word in words(&mut bench, CONTROLLER) {
            came.push((word, bench.now.wall.unwrap().seconds.rem_euclid(600)));
        }
    }
    assert_eq!(came.len(), 5, "{came:?}");
    let start = cpeagent::time::Wall::parse("2026-01-01T00:00:30Z").unwrap().seconds.rem_euclid(600);
    for (word, at) in came {
        assert!(word == "Device.LocalAgent.Periodic!" && (start..=start + 1).contains(&at), "{word} {at}");
    }
    assert!(words(&mut bench, MQTT).is_empty(), "its interval is a day");
}

//= TR-369 R-NOT.5: an OnBoardRequest is sent while OnBoardingComplete is false.
//= TR-369 R-NOT.6: OnBoardRequest wants an answer and is retried.
//= TR-369 R-NOT.6a: it never expires.
//= TR-369 R-NOT.7: its subscription_id is empty.
//= TR-369 12: OnBoardingRestartTime: that long after the answer it is sent again.
#[test]
fn a_controller_is_asked_to_take_the_device_up_until_it_has() {
    let settings = SETTINGS.replacen("option onboarding_complete '1'", "option onboarding_restart '3600'", 1);
    let mut bench = bench_with(&settings);
    let mut one = link_one(&mut bench, 1);
    let first = told(&mut bench, CONTROLLER);
    assert_eq!((first.len(), word(&first[0].1).as_str()), (1, "on board"));
    assert!(first[0].1.send_resp && first[0].1.subscription_id.is_empty());
    let Some(Notification::OnBoardReq(request)) = &first[0].1.notification else { panic!() };
    assert!(!request.oui.is_empty() && !request.serial_number.is_empty());
    assert!(request.agent_supported_protocol_versions.ends_with("1.4"));
    bench.wait(SECOND * 30_000);
    assert!(told(&mut bench, CONTROLLER).iter().filter(|(msg_id, _)| *msg_id == first[0].0).count() > 10);
    answer(&mut bench, &mut one, &first[0].0, "");
    bench.wait(SECOND * 3_590);
    assert!(told(&mut bench, CONTROLLER).is_empty());
    bench.wait(SECOND * 20);
    let again = told(&mut bench, CONTROLLER);
    assert!(!again.is_empty() && again[0].0 != first[0].0);
    let path = "Device.LocalAgent.Controller.1.OnBoardingComplete";
    assert!(one.ask(&mut bench, "m", set(path, "true")).is_ok());
    bench.wait(SECOND);
    told(&mut bench, CONTROLLER);
    bench.wait(SECOND * 30_000);
    assert!(told(&mut bench, CONTROLLER).is_empty());
}

//= TR-369 R-NOT.5: an OnBoardRequest is sent on SendOnBoardRequest().
#[test]
fn a_controller_that_wants_to_be_asked_again_is_asked_at_once() {
    let mut bench = bench_with(SETTINGS);
    let mut one = link_one(&mut bench, 1);
    bench.wait(SECOND * 60);
    assert!(told(&mut bench, CONTROLLER).is_empty(), "it has taken the device up");
    let command = operate("Device.LocalAgent.Controller.1.SendOnBoardRequest()", &[]);
    assert!(one.ask(&mut bench, "m", command).is_ok());
    let asked = told(&mut bench, CONTROLLER);
    assert_eq!((asked.len(), word(&asked[0].1).as_str()), (1, "on board"));
}

//= TR-369 12: TimeToLive: the row goes that long after its CreationDate.
#[test]
fn a_subscription_whose_time_is_over_goes() {
    let (mut bench, mut one) = connected();
    subscribe(&mut bench, &mut one, "ValueChange", SSID, &[("TimeToLive", "60"), ("Persistent", "true")]);
    bench.wait(SECOND * 50);
    assert!(one.ask(&mut bench, "m1", set(SSID, "in time")).is_ok());
    bench.wait(SECOND * 15);
    assert_eq!(words(&mut bench, CONTROLLER).len(), 1);
    assert!(one.ask(&mut bench, "m2", set(SSID, "late")).is_ok());
    bench.wait(SECOND * 5);
    assert!(told(&mut bench, CONTROLLER).is_empty());
    let get = ReqType::GetInstances(pb::GetInstances {
        obj_paths: vec![SUBSCRIPTIONS.into()],
        first_level_only: true,
    });
    let Ok(RespType::GetInstancesResp(rows)) = one.ask(&mut bench, "m3", get) else { panic!() };
    assert!(rows.req_path_results[0].curr_insts.is_empty(), "{rows:?}");
}

/// A source that is gone for a moment (hostapd during a reload) changes nothing; one that stays away does.
//= TR-369 R-NOT.0a: a change is told within 10 s.
#[test]
fn a_source_that_is_gone_for_a_moment_tells_nothing() {
    for (seconds, told_then) in [(5, false), (12, true)] {
        let (mut bench, mut one) = connected();
        subscribe(&mut bench, &mut one, "ValueChange", "Device.WiFi.Radio.,Device.WiFi.SSID.", &[]);
        let change = |bench: &mut Bench| {
            bench.event(Event::Changed(["ubus:hostapd.*".into()].into()));
            bench.wait(Duration::from_millis(300));
        };
        change(&mut bench);
        told(&mut bench, CONTROLLER);
        let keys = bench.fetched.iter().filter(|key| key.starts_with("ubus:hostapd.")).cloned();
        let keys: Vec<Box<str>> = keys.collect();
        assert!(!keys.is_empty());
        for key in &keys {
            bench.sources.insert(key.clone(), Source::Absent);
        }
        change(&mut bench);
        bench.wait(SECOND * seconds);
        let got = words(&mut bench, CONTROLLER);
        assert_eq!(!got.is_empty(), told_then, "{seconds} {got:?}");
        for key in &keys {
            bench.sources.remove(key);
        }
        change(&mut bench);
        let got = words(&mut bench, CONTROLLER);
        assert_eq!(!got.is_empty(), told_then, "{seconds} {got:?}");
    }
}

//= TR-369 12: Event and OperationComplete: the event or command, or an object and all below it.
#[test]
fn the_end_of_a_command_and_an_event_are_told_to_whoever_subscribed() {
    let (mut bench, mut one) = connected();
    let more = [("Persistent", "true")];
    subscribe(&mut bench, &mut one, "OperationComplete", "Device.IP.Diagnostics.", &more);
    subscribe(&mut bench, &mut one, "Event", "Device.LocalAgent.", &more);
    let agent = bench.agent.as_mut().unwrap();
    let results = Map::from([("Status".to_string(), "Complete".to_string())]);
    agent.tell_operation("Device.IP.Diagnostics.", "IPPing()", "key 1", Ok(results.clone()));
    agent.tell_operation("Device.IP.Diagnostics.", "IPPing()", "key 2", Err(Fault::new(7022, "")));
    agent.tell_operation("Device.WiFi.", "Reset()", "key 3", Ok(results.clone()));
    agent.tell_event("Device.LocalAgent.", "Periodic!", results);
    agent.tell_event("Device.", "Boot!", Map::new());
    bench.wait(SECOND);
    bench.event(Event::Timer);
    assert_eq!(
        words(&mut bench, CONTROLLER),
        [
            "Device.IP.Diagnostics.IPPing() key 1",
            "Device.IP.Diagnostics.IPPing() key 2",
            "Device.LocalAgent.Periodic!"
        ]
    );
}

/// What an ACS changes is told to controllers, and the device that an ACS has restart says so.
//= TR-369 12: Boot!: a restart that an ACS asked for is a remote one.
#[cfg(feature = "cwmp")]
#[test]
fn what_an_acs_does_is_told_to_controllers() {
    let settings = SETTINGS.replace("option enable '0'\n", "option url 'https://acs.example.com/'\n");
    let mut bench = bench_with(&settings);
    bench.informed();
    bench.nothing();
    bench.wait(SECOND);
    let mut one = link_one(&mut bench, 1);
    let more = [("Persistent", "true")];
    subscribe(&mut bench, &mut one, "ValueChange", SSID, &more);
    subscribe(&mut bench, &mut one, "Event", "Device.Boot!", &more);
    bench.open();
    let value = "<Value xsi:type=\"xsd:string\">by acs</Value>";
    bench.ask(&format!(
        "<cwmp:SetParameterValues><ParameterList soapenc:arrayType=\"cwmp:ParameterValueStruct[1]\">\
         <ParameterValueStruct><Name>{SSID}</Name>{value}</ParameterValueStruct></ParameterList>\
         <ParameterKey>k</ParameterKey></cwmp:SetParameterValues>"
    ));
    bench.wait(SECOND);
    assert_eq!(words(&mut bench, CONTROLLER), [format!("{SSID} = by acs")]);
    bench.ask("<cwmp:Reboot><CommandKey>k</CommandKey></cwmp:Reboot>");
    bench.nothing();
    assert_eq!(bench.gone, Some(agent::Gone::Reboot), "{}", bench.said);
    bench.reboot(0);
    bench.start();
    bench.commands.clear();
    bench.wait(SECOND * 5);
    let _ = link_one(&mut bench, 1);
    let got = told(&mut bench, CONTROLLER);
    let Some(Notification::Event(event)) = got.first().and_then(|(_, it)| it.notification.clone()) else {
        panic!("{got:?}")
    };
    assert_eq!((event.event_name.as_str(), event.params["Cause"].as_str()), ("Boot!", "RemoteReboot"));
}

//= TR-369 4: notices take the controller's ways in rising Order.
#[test]
fn of_the_ways_that_stand_those_of_the_lowest_order_are_taken() {
    for (web_socket, mqtt, taken) in [(1, 2, &[1][..]), (2, 1, &[2]), (1, 1, &[1, 2])] {
        let way = "config controller_mtp 'one_ws'\n";
        let settings = SETTINGS.replacen(way, &format!("{way}\toption order '{web_socket}'\n"), 1)
            + &format!(
                "\nconfig controller_mtp 'one_mqtt'\n\toption controller 'one'\n\toption enable '1'\n\toption order '{mqtt}'\n\
                 \toption protocol 'MQTT'\n\toption mtp 'broker'\n\toption topic 'one/topic'\n"
            );
        let mut bench = bench_with(&settings);
        let mut one = link_one(&mut bench, 1);
        drop(Controller::mqtt(&mut bench, 2));
        subscribe(&mut bench, &mut one, "ValueChange", SSID, &[]);
        bench.wait(SECOND);
        bench.commands.clear();
        let on = |bench: &Bench| -> Vec<u64> {
            let notices = bench.commands.iter().filter_map(|command| match command {
                LinkCommand::Send { link, record, .. } => {
                    let record = pb::record::Record::decode(record.as_slice()).unwrap();
                    let Some(RecordType::NoSessionContext(context)) = record.record_type else { return None };
                    let said = read(&context.payload).unwrap().said;
                    matches!(said, Said::Request(ReqType::Notify(_))).then_some(*link)
                }
                LinkCommand::Close { .. } => None,
            });
            notices.collect()
        };
        let change = |bench: &mut Bench, one: &mut Controller, value: &str| {
            assert!(one.ask(bench, value, set(SSID, value)).is_ok());
            bench.wait(SECOND);
        };
        change(&mut bench, &mut one, "first");
        assert_eq!(on(&bench), taken, "{web_socket} {mqtt}");
        // What does not stand is passed over.
        bench.commands.clear();
        lose(&mut bench, 1);
        let file = bench.disk.read_text("/etc/config/wireless").unwrap().replace("'first'", "'by hand'");
        bench.disk.put("/etc/config/wireless", &file);
        bench.event(Event::Changed(["uci:wireless".into()].into()));
        bench.wait(SECOND);
        assert_eq!(on(&bench), [2], "{web_socket} {mqtt}");
    }
}
