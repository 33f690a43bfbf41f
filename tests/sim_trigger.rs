//! Settings that subscriptions have applied (TriggerAction), played against the whole agent in virtual time.
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
use controller::{CONTROLLER, Controller, SETTINGS, add, created, set, subscribe, told, value, words};
use cpeagent::agent::Event;
use cpeagent::io::disk::Disk as _;
use std::time::Duration;

const DEVICE: &str = "wr4000-25.12";
const CODE: &str = "Device.LocalAgent.Controller.1.ProvisioningCode";
const LEASE: &str = "Device.DHCPv4.Server.Pool.1.LeaseTime";
const SSID: &str = "Device.WiFi.SSID.1.SSID";
const SECOND: Duration = Duration::from_secs(1);

/// A router with controller `one` connected.
fn connected(settings: &str) -> (Bench, Controller) {
    let mut bench = Bench::new(DEVICE);
    bench.disk.put("/etc/config/cpeagent", settings);
    bench.start();
    let mut one = Controller::web_socket(&mut bench, 1, "controller one one_ws");
    one.record(&mut bench);
    bench.wait(SECOND);
    (bench, one)
}

/// Subscribes to changes of a parameter, with these settings to apply.
fn trigger(bench: &mut Bench, who: &mut Controller, path: &str, settings: &str) -> String {
    let more = [("TriggerAction", "Config"), ("TriggerConfigSettings", settings)];
    subscribe(bench, who, "ValueChange", path, &more)
}

/// Changes the provisioning code, and waits for what comes of it.
fn change(bench: &mut Bench, who: &mut Controller, code: &str) {
    assert!(who.ask(bench, code, set(CODE, code)).is_ok());
    bench.wait(SECOND);
}

/// What was audited: who set what from what to what, or why not.
fn audited(bench: &mut Bench) -> Vec<String> {
    let line = |entry: cpeagent::audit::Entry| {
        let fields = entry.fields().into_iter().filter(|(name, _)| !["at", "commit", "time"].contains(name));
        fields.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    };
    std::mem::take(&mut bench.audited).into_iter().map(line).collect()
}

//= TR-181 LocalAgent.Subscription.{i}.TriggerAction: Config and NotifyAndConfig change what the settings say.
//= TR-181 LocalAgent.Subscription.{i}.TriggerAction: Config tells nobody.
#[test]
fn a_subscription_tells_or_changes_something_or_both() {
    for (action, tells, changes) in
        [("Notify", true, false), ("Config", false, true), ("NotifyAndConfig", true, true)]
    {
        let (mut bench, mut one) = connected(SETTINGS);
        let row = subscribe(&mut bench, &mut one, "ValueChange", CODE, &[("TriggerAction", action)]);
        let (enable, settings) = (format!("{row}Enable"), format!("{row}TriggerConfigSettings"));
        assert!(one.ask(&mut bench, "settings", set(&settings, &format!("{enable}=false"))).is_ok());
        for (code, told) in [("first", tells), ("second", tells && !changes)] {
            change(&mut bench, &mut one, code);
            let want: Vec<String> = told.then(|| format!("{CODE} = {code}")).into_iter().collect();
            assert_eq!(words(&mut bench, CONTROLLER), want, "{action}");
        }
        let enabled = value(&mut bench, &mut one, &enable);
        assert_eq!(enabled.as_deref(), Some(if changes { "false" } else { "true" }), "{action}");
    }
}

/// The standard's own example: a number crosses a value, and the device helps itself.
#[test]
fn an_event_has_settings_applied_as_one_change_of_its_controller() {
    let (mut bench, mut one) = connected(SETTINGS);
    let threshold = [
        ("Enable", "true"),
        ("ReferencePath", "Device.DHCPv4.Server.Pool.1."),
        ("ThresholdParam", "LeaseTime"),
        ("ThresholdValue", "86400"),
    ];
    let row = created(one.ask(&mut bench, "add", add("Device.LocalAgent.Threshold.", &threshold)));
    let settings =
        format!("{LEASE}=86400,{SSID}=\"Not%2C so long\",Device.WiFi.SSID.[SSID==\"x\"].Enable=false");
    let more = [("TriggerAction", "Config"), ("TriggerConfigSettings", &settings)];
    subscribe(&mut bench, &mut one, "Event", &format!("{row}Triggered!"), &more);
    bench.audited.clear();
    let file = bench.disk.read_text("/etc/config/dhcp").unwrap().replacen("12h", "48h", 1);
    bench.disk.put("/etc/config/dhcp", &file);
    bench.event(Event::Changed(["uci:dhcp".into()].into()));
    bench.wait(SECOND);
    assert_eq!(value(&mut bench, &mut one, LEASE).as_deref(), Some("86400"));
    assert_eq!(value(&mut bench, &mut one, SSID).as_deref(), Some("Not, so long"));
    let got = audited(&mut bench);
    assert_eq!(got.len(), 2, "{got:?}");
    assert!(got.iter().all(|line| line.contains(CONTROLLER)), "{got:?}");
    assert!(got.iter().any(|line| line.contains(LEASE) && line.contains("172800")), "{got:?}");
    assert!(told(&mut bench, CONTROLLER).is_empty());
}

//= TR-369 R-SEC.1: permissions are asked before anything is done.
#[test]
fn settings_are_applied_by_the_rights_that_its_controller_has_by_then_all_or_none() {
    let rule = "\nconfig permission 'lease'\n\toption role 'full'\n\toption order '1'\n\tlist target 'Device.DHCPv4.'\n\
                \toption enable '0'\n\toption param 'r--n'\n\toption object 'r--n'\n";
    let (mut bench, mut one) = connected(&format!("{SETTINGS}{rule}"));
    trigger(&mut bench, &mut one, CODE, &format!("{SSID}=\"mine\",{LEASE}=7200"));
    let file = bench.disk.read_text("/etc/config/cpeagent").unwrap();
    let off = "\toption enable '0'\n\toption param 'r--n'";
    assert!(file.contains(off), "{file}");
    let file = file.replacen(off, &off.replacen('0', "1", 1), 1);
    bench.disk.put("/etc/config/cpeagent", &file);
    bench.event(Event::Changed(["uci:cpeagent".into()].into()));
    bench.wait(SECOND);
    let before = (value(&mut bench, &mut one, SSID), value(&mut bench, &mut one, LEASE));
    (bench.said, bench.audited) = Default::default();
    for code in ["a", "b", "c"] {
        change(&mut bench, &mut one, code);
    }
    bench.wait(SECOND * 3600);
    assert_eq!((value(&mut bench, &mut one, SSID), value(&mut bench, &mut one, LEASE)), before);
    assert_eq!(bench.said.matches("its settings are not applied: 7006").count(), 1, "{}", bench.said);
    let refused =
        audited(&mut bench).into_iter().filter(|line| line.contains(LEASE) && line.contains("7006"));
    let refused = refused.count();
    assert_eq!(refused, 3, "each time, and never again by itself");
}

/// Two that want the opposite of each other: what one changes brings about the other.
#[test]
fn what_brings_itself_about_ends() {
    let (mut bench, mut one) = connected(SETTINGS);
    trigger(&mut bench, &mut one, SSID, &format!("{LEASE}=7200,{SSID}=\"one\""));
    trigger(&mut bench, &mut one, LEASE, &format!("{SSID}=\"two\",{LEASE}=3600"));
    let mut three = Controller::mqtt(&mut bench, 2);
    three.record(&mut bench);
    trigger(&mut bench, &mut three, SSID, &format!("{SSID}=\"three\""));
    bench.audited.clear();
    assert!(one.ask(&mut bench, "begin", set(SSID, "begin")).is_ok());
    let mut counts = Vec::new();
    for _ in 0..3 {
        bench.wait(SECOND * 3600);
        counts.push(audited(&mut bench).len());
    }
    // Three subscriptions with five values: so many at once, few more meanwhile, and the chain is broken.
    assert!((32..=1 + 5 * (16 + 4)).contains(&counts[0]), "{counts:?}");
    assert_eq!(counts[1..], [0, 0]);
}

/// What is as the settings say already is no change, however often it is asked for.
#[test]
fn settings_that_change_nothing_cost_nothing() {
    let (mut bench, mut one) = connected(SETTINGS);
    trigger(&mut bench, &mut one, CODE, &format!("{LEASE}=7200"));
    change(&mut bench, &mut one, "first");
    assert_eq!(value(&mut bench, &mut one, LEASE).as_deref(), Some("7200"));
    bench.audited.clear();
    for code in 0..40 {
        change(&mut bench, &mut one, &code.to_string());
    }
    let got = audited(&mut bench);
    assert!(got.len() == 40 && got.iter().all(|line| line.contains(CODE)), "{got:?}");
    assert!(one.ask(&mut bench, "m", set(LEASE, "3600")).is_ok());
    change(&mut bench, &mut one, "last");
    assert_eq!(value(&mut bench, &mut one, LEASE).as_deref(), Some("7200"), "{}", bench.said);
}

#[test]
fn a_change_that_cuts_the_way_is_guarded_like_any_other_of_its_controller() {
    let (mut bench, mut one) = connected(SETTINGS);
    let guards = |bench: &Bench| {
        bench.disk.list("/etc/cpeagent").unwrap().iter().filter(|name| name.starts_with("guard.")).count()
    };
    trigger(&mut bench, &mut one, CODE, "Device.Firewall.Chain.1.Rule.1.Enable=false");
    assert_eq!(guards(&bench), 0);
    change(&mut bench, &mut one, "go");
    assert_eq!(guards(&bench), 1, "{}", bench.said);
}

//= TR-181 LocalAgent.Subscription.{i}.TriggerConfigSettings: PARAMETER=VALUE, a text in quotes.
#[test]
fn settings_that_could_never_be_applied_are_refused_and_no_secret_is_kept_or_noted() {
    let (mut bench, mut one) = connected(SETTINGS);
    let row = subscribe(&mut bench, &mut one, "ValueChange", CODE, &[]);
    let path = format!("{row}TriggerConfigSettings");
    let many = vec![format!("{LEASE}=7200"); 17].join(",");
    bench.audited.clear();
    for wrong in [
        "yes",
        "Device.Nowhere.X=1",
        "Device.DeviceInfo.UpTime=1",
        "Device.DHCPv4.Server.Pool.1.=1",
        "Device.WiFi.SSID.1.SSID=\"a",
        "Device.WiFi.AccessPoint.1.Security.KeyPassphrase=\"topsecret\"",
        &many,
    ] {
        assert!(one.ask(&mut bench, "set", set(&path, wrong)).is_err(), "{wrong}");
    }
    assert_eq!(value(&mut bench, &mut one, &path).as_deref(), Some(""));
    let got = audited(&mut bench);
    assert!(got.len() == 7 && got.iter().all(|line| !line.contains("topsecret")), "{got:?}");
    for right in ["", "Device.WiFi.SSID.77.Enable=false", &format!("{LEASE}=7200,{SSID}=\"a%2Cb\"")] {
        assert!(one.ask(&mut bench, "set", set(&path, right)).is_ok(), "{right}");
        assert_eq!(value(&mut bench, &mut one, &path).as_deref(), Some(right));
    }
}
