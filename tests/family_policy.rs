//! What the objects about the device, its firewall, its hosts and its users say of each recorded router.
//!
//! `BLESS=1 cargo test --test family_policy` writes the golden texts anew; each line is to be read before it is kept.
#![cfg(all(feature = "cwmp", feature = "usp"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use common::device::device;
use cpeagent::cli::local::Local;
use cpeagent::dm::edit::{Change, Edit};
use cpeagent::dm::instance::Instances;
use cpeagent::dm::path::Pattern;
use cpeagent::dm::tree::Tree;
use cpeagent::dm::write::{NoPlan, Planner, Policy, Wish};
use cpeagent::io::disk::RealDisk;
use cpeagent::io::source::Files;
use cpeagent::time::{Now, Wall};
use cpeagent::tr181;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

const DEVICES: &[&str] =
    &["wr4000-25.12", "bpi-r3-vlan-25.12", "fritz-pppoe-25.12", "ax3600-24.10-wifi-off", "x86-25.12"];

const OBJECTS: &[&str] = &["DeviceInfo", "NAT", "Firewall", "Hosts", "Users", "UserInterface"];

fn local(root: &Path) -> Local {
    let disk = RealDisk::new(root).unwrap();
    let now = Now { at: Default::default(), wall: Some(Wall::at(present(root))) };
    Local::new(tr181::model().unwrap(), Files::new(Arc::new(disk), true), Instances::default(), now)
}

/// A recorded router's present: when it was booted and how long it has been up, in seconds since 1970.
fn present(root: &Path) -> i64 {
    let number = |file: &str, before: &str| {
        let text = fs::read_to_string(root.join(file)).unwrap();
        let rest = text.get(text.find(before).unwrap() + before.len()..).unwrap();
        rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse::<i64>().unwrap()
    };
    number("proc/stat", "btime ") + number("proc/uptime", "")
}

/// The values below a path, a line each.
fn values(local: &Local, path: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (path, value) in local.get(&[Pattern::parse(path).unwrap()]).unwrap() {
        lines.push(match value {
            Ok(value) => format!("{path} = {value}"),
            Err(why) => format!("{path} ! {why}"),
        });
    }
    lines.iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{line}");
        text
    })
}

#[test]
fn every_recorded_router_says_what_its_files_hold() {
    let mut wrong = Vec::new();
    for name in DEVICES {
        let root = device(name);
        let local = local(root.path());
        for object in OBJECTS {
            let got = values(&local, &format!("Device.{object}."));
            let file =
                Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/model/{name}/{object}.txt"));
            if std::env::var_os("BLESS").is_some() {
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(&file, &got).unwrap();
            } else if fs::read_to_string(&file).unwrap_or_default() != got {
                wrong.push(format!("{name} {object}:\n{got}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The edits of a plan in short, or its refusals.
fn planned(device_name: &str, ask: impl Fn(&mut Planner<'_>) -> Result<(), NoPlan>) -> String {
    let root = device(device_name);
    match local(root.path()).plan(Policy { keep_secret_on_empty: true }, ask) {
        Ok(plan) => plan.edits.iter().map(short).collect::<Vec<_>>().join("; "),
        Err(errors) => errors.iter().map(|error| format!("! {error}")).collect::<Vec<_>>().join("; "),
    }
}

fn short(edit: &Edit) -> String {
    let section = &edit.section;
    let text = |tree: &Tree| match tree {
        Tree::Text(text) => text.to_string(),
        other => format!("{other:?}"),
    };
    match &edit.change {
        Change::Add { kind } => format!("+{section} {kind}"),
        Change::Remove { .. } => format!("-{section}"),
        Change::Rename { to } => format!("{section} is {to}"),
        Change::Move { to, .. } => format!("{section} at {to}"),
        Change::Set { option, new, .. } => {
            format!("{section}.{option}={}", new.as_ref().map(text).unwrap_or_default())
        }
    }
}

fn sets(wishes: &[&str]) -> Vec<Wish> {
    let wish = |wish: &&str| {
        let (path, value) = wish.split_once('=').unwrap();
        Wish { path: format!("Device.{path}"), value: value.into(), said: None }
    };
    wishes.iter().map(wish).collect()
}

#[test]
fn what_is_written_becomes_the_least_edit_that_says_it() {
    const AX: &str = "ax3600-24.10-wifi-off";
    const RULE: &str = "Firewall.Chain.1.Rule";
    let rule = |number: u32, name: &str, value: &str| format!("{RULE}.{number}.{name}={value}");
    let mapping = |number: u32, name: &str, value: &str| format!("NAT.PortMapping.{number}.{name}={value}");
    let cases: Vec<(&str, Vec<String>, &str)> = vec![
        // A redirect of two protocols is parted by the first write to either row.
        (
            AX,
            vec![mapping(3, "Enable", "false")],
            "cfg103837 is cpe_redirect3; +cpe_redirect3_UDP redirect; cpe_redirect3_UDP.name=DNS both; \
             cpe_redirect3_UDP.src=wan; cpe_redirect3_UDP.src_dport=53; cpe_redirect3_UDP.dest=lan; \
             cpe_redirect3_UDP.dest_ip=172.22.0.10; cpe_redirect3_UDP.target=DNAT; cpe_redirect3_UDP.proto=udp; \
             cpe_redirect3.proto=tcp; cpe_redirect3_UDP at 16; cpe_redirect3_UDP.enabled=0",
        ),
        // The internal port that followed the external one stays.
        ("x86-25.12", vec![mapping(1, "ExternalPort", "8080")], "web.dest_port=80; web.src_dport=8080"),
        ("x86-25.12", vec![mapping(1, "ExternalPortEndRange", "90")], "web.src_dport=80-90"),
        (
            "x86-25.12",
            vec![mapping(1, "InternalPort", "81"), mapping(1, "ExternalPortEndRange", "90")],
            "! Device.NAT.PortMapping.1.ExternalPortEndRange: failed: a range is forwarded to the same ports only",
        ),
        // The host's network decides the zone.
        ("x86-25.12", vec![mapping(1, "InternalClient", "10.1.0.30")], "web.dest=lan; web.dest_ip=10.1.0.30"),
        (
            "x86-25.12",
            vec![mapping(1, "InternalClient", "printer")],
            "! Device.NAT.PortMapping.1.InternalClient: value not allowed, wanted an IPv4 address",
        ),
        // Both name a zone that translates: the only one there is.
        ("x86-25.12", vec![mapping(1, "AllInterfaces", "true")], "web.cpe_all=1"),
        // What miniupnpd made can only be read.
        (
            "bpi-r3-vlan-25.12",
            vec![mapping(2, "Enable", "false")],
            "! Device.NAT.PortMapping.2.Enable: read-only",
        ),
        // Zones are switched as a whole.
        (
            AX,
            vec!["NAT.InterfaceSetting.1.Enable=false".into()],
            "! Device.NAT.InterfaceSetting.1.Enable: failed: zone wan has other interfaces, which would change too",
        ),
        // The first of several is shown and replaced, with its `!`.
        (
            AX,
            vec![rule(3, "SourceIP", "198.51.100.1")],
            "cfg0992bd is cpe_rule3; cpe_rule3.src_ip=[\"!198.51.100.1\", \"!192.0.2.9\"]",
        ),
        (
            AX,
            vec![rule(2, "SourceIP", "203.0.113.5"), rule(2, "SourceMask", "203.0.113.0/24")],
            "cfg0892bd is cpe_rule2; cpe_rule2.src_ip=203.0.113.5/26; cpe_rule2.src_ip=203.0.113.5/24",
        ),
        (
            AX,
            vec![rule(2, "DestPortRangeMax", "30")],
            "cfg0892bd is cpe_rule2; cpe_rule2.dest_port=22-30 443",
        ),
        (AX, vec![rule(5, "Protocol", "6")], "cfg0b92bd is cpe_rule5; cpe_rule5.proto=tcp"),
        (AX, vec![rule(6, "DSCP", "46")], "cfg0c92bd is cpe_rule6; cpe_rule6.dscp=46"),
        (AX, vec![rule(1, "Order", "3")], "cfg0792bd is cpe_rule1; cpe_rule1 at 8"),
        (
            AX,
            vec![rule(1, "Order", "9")],
            "! Device.Firewall.Chain.1.Rule.1.Order: value not allowed, wanted 1 to 8",
        ),
        (AX, vec![rule(9, "Enable", "false")], "! Device.Firewall.Chain.1.Rule.9.Enable: read-only"),
        // Exactly what is there needs no edit, and a name neither.
        ("bpi-r3-vlan-25.12", vec![rule(1, "Enable", "true"), rule(1, "DestPort", "53")], ""),
        (
            "wr4000-25.12",
            vec!["UserInterface.HTTPAccess.1.Port=8080".into()],
            "main.listen_http=[\"0.0.0.0:8080\", \"[::]:8080\"]",
        ),
        (
            "wr4000-25.12",
            vec!["UserInterface.HTTPAccess.1.Port=443".into()],
            "! Device.UserInterface.HTTPAccess.1.Port: value not allowed, wanted a port that no other row has",
        ),
        ("wr4000-25.12", vec!["DeviceInfo.BootFirmwareImage=Device.DeviceInfo.FirmwareImage.1".into()], ""),
    ];
    for (name, wishes, want) in cases {
        let wishes: Vec<&str> = wishes.iter().map(String::as_str).collect();
        let got = planned(name, |planner| planner.set(&sets(&wishes)));
        assert_eq!(got, want, "{name} {wishes:?}");
    }
}

#[test]
fn rows_are_born_disabled_and_deleted_with_their_section_or_their_half_of_it() {
    const AX: &str = "ax3600-24.10-wifi-off";
    for (table, want) in [
        (
            "NAT.PortMapping",
            "+cpe_map8 redirect; cpe_map8.target=DNAT; cpe_map8.src=wan; cpe_map8.dest=lan; \
                             cpe_map8.family=ipv4; cpe_map8.proto=tcp; cpe_map8.enabled=0",
        ),
        (
            "Firewall.Chain.1.Rule",
            "+cpe_rule_10 rule; cpe_rule_10.target=DROP; cpe_rule_10.proto=all; cpe_rule_10.enabled=0",
        ),
        (
            "Firewall.DMZ",
            "+cpe_dmz_2 redirect; cpe_dmz_2.target=DNAT; cpe_dmz_2.src=wan; cpe_dmz_2.dest=lan; \
                          cpe_dmz_2.family=ipv4; cpe_dmz_2.proto=all; cpe_dmz_2.enabled=0",
        ),
        (
            "Firewall.Service",
            "+cpe_service_3 rule; cpe_service_3.src=wan; cpe_service_3.proto=all; \
                              cpe_service_3.target=ACCEPT; cpe_service_3.enabled=0",
        ),
        (
            "Firewall.Pinhole",
            "+cpe_pinhole_1 rule; cpe_pinhole_1.src=wan; cpe_pinhole_1.dest=lan; \
                              cpe_pinhole_1.family=ipv6; cpe_pinhole_1.proto=all; cpe_pinhole_1.target=ACCEPT; \
                              cpe_pinhole_1.enabled=0",
        ),
    ] {
        let got = planned(AX, |planner| planner.add(&format!("Device.{table}.")).map(drop));
        assert_eq!(got, want, "{table}");
        // What was added in a request can be taken back in it.
        let back = planned(AX, |planner| {
            let number = planner.add(&format!("Device.{table}."))?;
            planner.delete(&format!("Device.{table}.{number}."))
        });
        assert!(back.starts_with(want) && back.contains("; -cpe_"), "{table}: {back}");
    }
    for (row, want) in [
        ("NAT.PortMapping.1", "-cfg0f3837"),
        ("NAT.PortMapping.2", "cfg103837.proto=udp"),
        ("NAT.PortMapping.3", "cfg103837.proto=tcp"),
        ("Firewall.Chain.1.Rule.1", "-cfg0792bd"),
        ("Firewall.Chain.1.Rule.9", "! Device.Firewall.Chain.1.Rule.9.: cannot be deleted"),
    ] {
        assert_eq!(planned(AX, |planner| planner.delete(&format!("Device.{row}."))), want, "{row}");
    }
}
