//! Thresholds of USP controllers, played against the whole agent in virtual time.
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
    CONTROLLER, Controller, MQTT, SETTINGS, add, created, delete, set, subscribe, told, value, words,
};
use cpeagent::agent::Event;
use cpeagent::dm::source::Source;
use cpeagent::dm::tree::Tree;
use cpeagent::io::disk::Disk as _;
use cpeagent::usp::pb::notify::Notification;
use std::time::Duration;

const DEVICE: &str = "wr4000-25.12";
const THRESHOLDS: &str = "Device.LocalAgent.Threshold.";
const LEASE: &str = "Device.DHCPv4.Server.Pool.1.LeaseTime";
const SECOND: Duration = Duration::from_secs(1);
/// Free memory in KiB is below 100 MiB.
const SCARCE: &[(&str, &str)] = &[
    ("Enable", "true"),
    ("ReferencePath", "Device.DeviceInfo.MemoryStatus."),
    ("ThresholdParam", "Free"),
    ("ThresholdOperator", "Fall"),
    ("ThresholdValue", "102400"),
];
/// Any lease is longer than a day.
const LONG: &[(&str, &str)] = &[
    ("Enable", "true"),
    ("ReferencePath", "Device.DHCPv4.Server.Pool.[Enable==true]."),
    ("ThresholdParam", "LeaseTime"),
    ("ThresholdOperator", "Cross"),
    ("ThresholdValue", "86400"),
];

/// A router with so much memory and controller `one` connected.
fn connected(settings: &str) -> (Bench, Controller) {
    let mut bench = Bench::new(DEVICE);
    bench.disk.put("/etc/config/cpeagent", settings);
    memory(&mut bench, 200);
    bench.start();
    let one = link(&mut bench, 1);
    bench.wait(SECOND);
    (bench, one)
}

fn link(bench: &mut Bench, link: u64) -> Controller {
    let mut one = Controller::web_socket(bench, link, "controller one one_ws");
    one.record(bench);
    one
}

/// So much memory is free from now on, which nobody announces.
fn memory(bench: &mut Bench, mib: u64) {
    let memory = Tree::map([("available", Tree::from((mib << 20).to_string()))]);
    bench.sources.insert("ubus:system info".into(), Source::ready(Tree::map([("memory", memory)])));
}

fn threshold(bench: &mut Bench, who: &mut Controller, settings: &[(&str, &str)]) -> String {
    created(who.ask(bench, "add threshold", add(THRESHOLDS, settings)))
}

/// The arguments of the events that a controller was told.
fn crossed(bench: &mut Bench, endpoint: &str) -> Vec<String> {
    let event = |notify: cpeagent::usp::pb::Notify| match notify.notification.unwrap() {
        Notification::Event(it) => {
            assert_eq!((it.event_name.as_str(), it.params.len()), ("Triggered!", 2));
            format!("{} {} = {}", it.obj_path, it.params["ParamPath"], it.params["ParamValue"])
        }
        other => panic!("{other:?}"),
    };
    told(bench, endpoint).into_iter().map(|(_, notify)| event(notify)).collect()
}

//= TR-181 LocalAgent.Threshold.{i}.Triggered: when the condition comes to hold, once until it does so again.
//= TR-181 LocalAgent.Threshold.{i}.Controller: no other one hears of the event, even if it subscribed to it.
#[test]
fn what_announces_no_change_is_sampled_and_tells_its_controller_alone() {
    let (mut bench, mut one) = connected(SETTINGS);
    let mut three = Controller::mqtt(&mut bench, 2);
    three.record(&mut bench);
    let fetches = |bench: &Bench| bench.fetched.iter().filter(|key| &***key == "ubus:system info").count();
    bench.wait(SECOND * 300);
    assert_eq!(fetches(&bench), 0, "nobody watches it");
    let row = threshold(&mut bench, &mut one, SCARCE);
    subscribe(&mut bench, &mut one, "Event", &format!("{row}Triggered!"), &[]);
    subscribe(&mut bench, &mut three, "Event", "Device.LocalAgent.", &[]);
    bench.wait(SECOND * 60);
    assert!(told(&mut bench, CONTROLLER).is_empty());
    for (mib, want) in
        [(120, None), (80, Some(81_920)), (60, None), (150, None), (100, None), (99, Some(101_376))]
    {
        memory(&mut bench, mib);
        bench.wait(SECOND * 40);
        let want: Vec<String> =
            want.iter().map(|kib| format!("{row} Device.DeviceInfo.MemoryStatus.Free = {kib}")).collect();
        assert_eq!(crossed(&mut bench, CONTROLLER), want, "{mib}");
        assert!(told(&mut bench, MQTT).is_empty());
    }
    // Switched off it is looked at no more.
    assert!(one.ask(&mut bench, "off", set(&format!("{row}Enable"), "false")).is_ok());
    bench.wait(SECOND * 5);
    let before = fetches(&bench);
    memory(&mut bench, 200);
    bench.wait(SECOND * 300);
    memory(&mut bench, 50);
    bench.wait(SECOND * 300);
    assert!(fetches(&bench) <= before + 1 && told(&mut bench, CONTROLLER).is_empty());
    // Switched on it begins where it is.
    assert!(one.ask(&mut bench, "on", set(&format!("{row}Enable"), "true")).is_ok());
    bench.wait(SECOND * 60);
    assert!(told(&mut bench, CONTROLLER).is_empty());
    assert!(one.ask(&mut bench, "delete", delete(&row)).is_ok());
}

#[test]
fn what_announces_changes_tells_at_once_from_the_answer_on() {
    let (mut bench, mut one) = connected(SETTINGS);
    subscribe(&mut bench, &mut one, "Event", "Device.LocalAgent.Threshold.*.Triggered!", &[]);
    let file = bench.disk.read_text("/etc/config/dhcp").unwrap();
    let longer = file.replacen("12h", "48h", 1);
    assert_ne!(file, longer);
    // The answer leaves, and the file is another one before anything else is read.
    bench.on_send = Some(("/etc/config/dhcp".into(), longer));
    let row = threshold(&mut bench, &mut one, LONG);
    bench.event(Event::Changed(["uci:dhcp".into()].into()));
    bench.wait(SECOND);
    assert_eq!(crossed(&mut bench, CONTROLLER), [format!("{row} {LEASE} = 172800")]);
    // A controller's own change counts, too.
    assert!(one.ask(&mut bench, "set", set(LEASE, "3600")).is_ok());
    bench.wait(SECOND);
    assert_eq!(crossed(&mut bench, CONTROLLER), [format!("{row} {LEASE} = 3600")]);
}

//= TR-181 LocalAgent.Threshold.{i}.OperatingMode: Single is switched off by its event.
//= TR-181 LocalAgent.Threshold.{i}.OperatingMode: Single tells of one crossing.
#[test]
fn one_that_is_to_tell_once_is_switched_off_until_somebody_switches_it_on() {
    let (mut bench, mut one) = connected(SETTINGS);
    subscribe(&mut bench, &mut one, "Event", "Device.LocalAgent.", &[("Persistent", "true")]);
    let mut settings = LONG.to_vec();
    settings.push(("OperatingMode", "Single"));
    let row = threshold(&mut bench, &mut one, &settings);
    let enable = format!("{row}Enable");
    subscribe(&mut bench, &mut one, "ValueChange", &enable, &[]);
    assert!(one.ask(&mut bench, "up", set(LEASE, "100000")).is_ok());
    bench.wait(SECOND);
    assert_eq!(words(&mut bench, CONTROLLER), [format!("{row}Triggered!"), format!("{enable} = false")]);
    assert!(one.ask(&mut bench, "down", set(LEASE, "3600")).is_ok());
    bench.wait(SECOND);
    assert!(told(&mut bench, CONTROLLER).is_empty());
    // So it stays over a power cut.
    bench.reboot(0);
    bench.start();
    bench.wait(SECOND * 5);
    let mut one = link(&mut bench, 2);
    assert_eq!(value(&mut bench, &mut one, &enable).as_deref(), Some("false"));
    assert!(one.ask(&mut bench, "on", set(&enable, "true")).is_ok());
    told(&mut bench, CONTROLLER);
    assert!(one.ask(&mut bench, "up again", set(LEASE, "100000")).is_ok());
    bench.wait(SECOND);
    assert_eq!(crossed(&mut bench, CONTROLLER), [format!("{row} {LEASE} = 100000")]);
}

/// What was seen is gone with a restart: what crossed meanwhile is where it begins.
#[test]
fn a_restart_crosses_nothing() {
    let (mut bench, mut one) = connected(SETTINGS);
    subscribe(&mut bench, &mut one, "Event", "Device.LocalAgent.", &[("Persistent", "true")]);
    let row = threshold(&mut bench, &mut one, SCARCE);
    bench.reboot(0);
    memory(&mut bench, 50);
    bench.start();
    bench.wait(SECOND * 60);
    let _ = link(&mut bench, 2);
    assert!(told(&mut bench, CONTROLLER).is_empty());
    memory(&mut bench, 150);
    bench.wait(SECOND * 60);
    memory(&mut bench, 50);
    bench.wait(SECOND * 60);
    assert_eq!(crossed(&mut bench, CONTROLLER).len(), 1, "{row}");
}

//= TR-181 LocalAgent.Threshold.{i}: what is not in the supported model is refused.
//= TR-181 LocalAgent.Threshold.{i}: only whole numbers are watched.
#[test]
fn what_could_never_cross_is_refused_and_nothing_is_made() {
    let (mut bench, mut one) = connected(SETTINGS);
    for (name, wrong) in [
        ("ReferencePath", "Device.Nowhere."),
        ("ReferencePath", "Device.DHCPv4.Server.Pool"),
        ("ReferencePath", "Device.DHCPv4.Server.Pool.1.LeaseTime"),
        ("ReferencePath", "Device.DHCPv4.Server.Pool."),
        ("ReferencePath", "Device.DHCPv4.Server.Pool.[Nothing==1]."),
        ("ThresholdParam", "Nothing"),
        ("ThresholdParam", "Enable"),
        ("ThresholdParam", "DNSServers"),
        ("ThresholdParam", "Client."),
        ("ThresholdOperator", "Above"),
        ("ThresholdOperator", ""),
        ("ThresholdValue", "many"),
        ("ThresholdValue", "1.5"),
        ("OperatingMode", "Twice"),
        ("Controller", "Device.LocalAgent.Controller.1"),
    ] {
        let mut settings = LONG.to_vec();
        settings.retain(|(other, _)| *other != name);
        settings.push((name, wrong));
        assert!(one.ask(&mut bench, "add", add(THRESHOLDS, &settings)).is_err(), "{name} {wrong}");
    }
    let count = "Device.LocalAgent.ThresholdNumberOfEntries";
    assert_eq!(value(&mut bench, &mut one, count).as_deref(), Some("0"));
    // What is not there now, may come.
    let mut settings = LONG.to_vec();
    settings[1] = ("ReferencePath", "Device.DHCPv4.Server.Pool.77.");
    let row = threshold(&mut bench, &mut one, &settings);
    assert_eq!(value(&mut bench, &mut one, count).as_deref(), Some("1"));
    //= TR-181 LocalAgent.Threshold.{i}.Controller: set by the agent to who made the row.
    let controller = value(&mut bench, &mut one, &format!("{row}Controller"));
    assert_eq!(controller.as_deref(), Some("Device.LocalAgent.Controller.1"));
    for most in 1..=64 {
        let answer = one.ask(&mut bench, &format!("add {most}"), add(THRESHOLDS, &[]));
        assert_eq!(answer.is_ok(), most < 64, "{most}");
    }
    // A controller that goes takes its own with it.
    let mut three = Controller::mqtt(&mut bench, 2);
    three.record(&mut bench);
    assert!(three.ask(&mut bench, "delete", delete("Device.LocalAgent.Controller.1.")).is_ok());
    assert_eq!(value(&mut bench, &mut three, count).as_deref(), Some("0"));
}

//= TR-181 LocalAgent.Threshold.{i}.Controller: its permissions count.
#[test]
fn a_controller_hears_of_no_number_that_it_may_not_read() {
    for (param, told_of) in [("r---", 1), ("----", 0)] {
        let rule = format!(
            "\nconfig permission 'memory'\n\toption role 'full'\n\toption enable '1'\n\toption order '1'\n\
             \tlist target 'Device.DeviceInfo.MemoryStatus.'\n\toption param '{param}'\n\toption object 'r---'\n"
        );
        let (mut bench, mut one) = connected(&format!("{SETTINGS}{rule}"));
        subscribe(&mut bench, &mut one, "Event", "Device.LocalAgent.", &[]);
        threshold(&mut bench, &mut one, SCARCE);
        memory(&mut bench, 50);
        bench.wait(SECOND * 60);
        assert_eq!(told(&mut bench, CONTROLLER).len(), told_of, "{param}");
    }
}
