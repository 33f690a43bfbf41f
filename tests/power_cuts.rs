//! The whole agent with the power cut at every write: after the boot nothing is half, and nothing told is lost.
//!
//! The disk is one in memory that keeps what flash may keep, and no more; see `io::disk::sim`.
#![cfg(feature = "cwmp")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/agent.rs"]
mod agent;
#[path = "common/cwmp_schema.rs"]
mod cwmp_schema;
#[path = "common/device.rs"]
mod device;

use agent::{Bench, Gone};
use cpeagent::io::disk::Disk;
use cpeagent::io::provision;
use cpeagent::io::store::Store;

const DEVICE: &str = "wr4000-25.12";
const LEASE: &str = "Device.DHCPv4.Server.Pool.1.LeaseTime";
const POOL: &str = "Device.DHCPv4.Server.Pool.1.StaticAddress.";
/// How the unsafe part of the disk may have survived.
const SEEDS: u8 = 3;

fn set(values: &[(&str, &str)], key: &str) -> String {
    let rows = values.iter().map(|(name, value)| {
        format!("<ParameterValueStruct><Name>{name}</Name><Value>{value}</Value></ParameterValueStruct>")
    });
    format!(
        "<cwmp:SetParameterValues><ParameterList soapenc:arrayType=\"cwmp:ParameterValueStruct[{}]\">{}</ParameterList>\
         <ParameterKey>{key}</ParameterKey></cwmp:SetParameterValues>",
        values.len(),
        rows.collect::<String>()
    )
}

fn add() -> String {
    format!(
        "<cwmp:AddObject><ObjectName>{POOL}</ObjectName><ParameterKey>added</ParameterKey></cwmp:AddObject>"
    )
}

/// The text of the first element with this name.
fn text<'t>(envelope: &'t str, name: &str) -> Option<&'t str> {
    let rest = envelope.split_once(&format!("<{name}>"))?.1;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

/// The value an envelope gives a parameter.
fn value<'t>(envelope: &'t str, name: &str) -> Option<&'t str> {
    let rest = envelope.split_once(&format!("<Name>{name}</Name><Value"))?.1;
    rest.split_once('>')?.1.split('<').next()
}

/// Runs `script` with the power cut after each of its writes in turn, boots, and has `check` look at what became of it.
fn cut_everywhere(prepare: fn() -> Bench, script: fn(&mut Bench), check: fn(&mut Bench, &[String], &str)) {
    cut_with(Bench::start, prepare, script, check);
}

/// The same with a boot of its own.
fn cut_with(
    boot: fn(&mut Bench),
    prepare: fn() -> Bench,
    script: fn(&mut Bench),
    check: fn(&mut Bench, &[String], &str),
) {
    let mut whole = prepare();
    let before = whole.disk.steps();
    script(&mut whole);
    assert_ne!(whole.gone, Some(Gone::Power));
    let steps = whole.disk.steps() - before;
    assert!(steps > 8, "only {steps} writes");
    for cut in 0..=steps {
        for seed in 0..SEEDS {
            let mut bench = prepare();
            bench.posted.clear();
            bench.disk.cut_after(cut);
            script(&mut bench);
            let told = std::mem::take(&mut bench.posted);
            bench.reboot(seed);
            bench.said.clear();
            boot(&mut bench);
            check(&mut bench, &told, &format!("cut {cut} of {steps}, seed {seed}"));
        }
    }
}

//= TR-069 A.3.2.1: all values with their ParameterKey, or none.
#[test]
fn values_of_three_packages_and_their_key_are_all_old_or_all_new() {
    const NEW: [(&str, &str); 3] = [
        ("Device.DeviceInfo.HostName", "gateway"),
        (LEASE, "7200"),
        ("Device.DeviceInfo.ProvisioningCode", "shop"),
    ];
    cut_everywhere(
        || Bench::in_session(DEVICE),
        |bench| drop(bench.ask(&set(&NEW, "key-1"))),
        |bench, told, when| {
            let acknowledged = told.iter().any(|text| text.contains("SetParameterValuesResponse"));
            let inform = bench.posted.last().cloned().expect("a boot is told");
            let options = [
                bench.option("system", "cfg01e48a", "hostname").unwrap() == "gateway",
                bench.option("dhcp", "lan", "leasetime").unwrap() == "7200",
                bench.option("cpeagent", "identity", "provisioning_code").as_deref() == Some("shop"),
                value(&inform, "Device.ManagementServer.ParameterKey") == Some("key-1"),
            ];
            assert!(options.iter().all(|new| *new == options[0]), "{when}: {options:?}");
            assert!(options[0] || !acknowledged, "{when}: what was acknowledged is lost");
            // And nothing is in the way of the next request.
            bench.informed();
            assert!(
                bench.ask(&set(&[(LEASE, "60")], "key-2")).contains("SetParameterValuesResponse"),
                "{when}"
            );
        },
    );
}

//= TR-069 A.3.2.6: a number never belongs to another row.
#[test]
fn a_number_that_was_told_is_its_rows_for_ever() {
    cut_everywhere(
        || Bench::in_session(DEVICE),
        |bench| {
            let names = "<cwmp:GetParameterNames><ParameterPath>Device.DHCPv4.Server.Pool.</ParameterPath>\
                         <NextLevel>true</NextLevel></cwmp:GetParameterNames>";
            bench.ask(names);
            bench.ask(&add());
            if bench.gone.is_none() {
                bench.ask(&format!(
                    "<cwmp:DeleteObject><ObjectName>{POOL}2.</ObjectName><ParameterKey/></cwmp:DeleteObject>"
                ));
            }
        },
        |bench, told, when| {
            let numbers: Vec<u32> = told
                .iter()
                .filter(|text| text.contains("AddObjectResponse"))
                .map(|text| text_of(text, "InstanceNumber"))
                .collect();
            let deleted = told.iter().any(|text| text.contains("DeleteObjectResponse"));
            bench.informed();
            let rows = bench.ask(&format!(
                "<cwmp:GetParameterNames><ParameterPath>{POOL}</ParameterPath><NextLevel>1</NextLevel></cwmp:GetParameterNames>"
            ));
            let is_there = rows.contains(&format!("{POOL}2."));
            assert!(rows.contains(&format!("{POOL}1.")), "{when}: the row of the recording");
            assert!(!(deleted && is_there), "{when}: a deleted row is back");
            let next = text_of(&bench.ask(&add()), "InstanceNumber");
            if let Some(told) = numbers.first() {
                assert!(next > *told, "{when}: {next} was told as {told} before");
            }
            // The first row kept its pool's number, whichever file was written last.
            let lan = bench.ask(&format!(
                "<cwmp:GetParameterValues><ParameterNames><string>{LEASE}</string></ParameterNames></cwmp:GetParameterValues>"
            ));
            assert_eq!(value(&lan, LEASE), Some("43200"), "{when}");
        },
    );
}

fn text_of(envelope: &str, name: &str) -> u32 {
    text(envelope, name).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {name}: {envelope}"))
}

/// First contact, attributes, a change that a person makes and that is told, and a Reboot.
fn story(bench: &mut Bench) {
    bench.start();
    bench.informed();
    bench.ask(&format!(
        "<cwmp:SetParameterAttributes><ParameterList><SetParameterAttributesStruct><Name>{LEASE}</Name>\
         <NotificationChange>1</NotificationChange><Notification>2</Notification><AccessListChange>0</AccessListChange>\
         <AccessList/></SetParameterAttributesStruct></ParameterList></cwmp:SetParameterAttributes>"
    ));
    bench.nothing();
    if bench.gone.is_none() {
        let text = bench.text("/etc/config/dhcp").unwrap();
        bench.disk.put("/etc/config/dhcp", &text.replace("leasetime '12h'", "leasetime '6h'"));
        bench.event(cpeagent::agent::Event::Changed(["uci:dhcp".into()].into()));
        bench.wait(std::time::Duration::from_secs(1));
    }
    bench.informed();
    bench.ask("<cwmp:Reboot><CommandKey>because</CommandKey></cwmp:Reboot>");
    bench.nothing();
}

//= TR-069 3.7.1.5: what must survive survives, and what was delivered does not come again.
#[test]
fn no_event_that_must_survive_is_lost_and_no_delivered_one_comes_again() {
    cut_everywhere(
        || Bench::new(DEVICE),
        story,
        |bench, told, when| {
            let has = |text: &str, what: &str| text.contains(&format!("<EventCode>{what}</EventCode>"));
            let inform = bench.posted.last().cloned().expect("a boot is told");
            assert!(has(&inform, "1 BOOT"), "{when}");
            // The agent went on behind its first Inform, so the ACS has taken that.
            let bootstrapped = told.len() > 1;
            assert!(!bootstrapped || known(bench), "{when}");
            assert_eq!(has(&inform, "0 BOOTSTRAP"), !known(bench), "{when}");
            let attributes = told.iter().any(|text| text.contains("SetParameterAttributesResponse"));
            let edited = bench.option("dhcp", "lan", "leasetime").unwrap() == "6h";
            let at = told.iter().position(|text| has(text, "4 VALUE CHANGE"));
            let delivered = at.is_some_and(|at| told.len() > at + 1);
            if attributes && edited {
                let kept = bench.store.as_ref().unwrap().state().attribute(LEASE).unwrap();
                let noted = !kept.differs("21600");
                assert!(!delivered || noted, "{when}: told and forgotten");
                assert_eq!(value(&inform, LEASE).is_some(), !noted, "{when}: {inform}");
                assert_eq!(has(&inform, "4 VALUE CHANGE"), !noted, "{when}");
            }
            if told.iter().any(|text| text.contains("RebootResponse")) {
                assert!(
                    has(&inform, "M Reboot") && inform.contains("<CommandKey>because</CommandKey>"),
                    "{when}"
                );
            }
        },
    );
}

/// Whether the log says that the ACS has taken a BOOTSTRAP.
fn known(bench: &Bench) -> bool {
    bench.store.as_ref().unwrap().events().iter().any(|(_, text)| text.contains("bootstrapped"))
}

const SCRIPT: &str = "/etc/uci-defaults/50_cpeagent";
const OWN: &str = "https://own.example.net/";

/// A device as it leaves the factory: nothing but what the image and the factory bring.
fn new_device() -> Bench {
    let bench = Bench::new(DEVICE);
    bench.disk.put("/etc/config/cpeagent", include_str!("../openwrt-package/cpeagent/files/cpeagent.config"));
    bench.disk.put(SCRIPT, "");
    let builder = "acs.url=https://acs.example.net/\nacs.username=all\nrole.more.enable=1\nno line\nfactory=/rom/factory\n";
    bench.disk.put(provision::FILE, builder);
    bench.disk.put("/rom/factory", "identity.serial=0001\nacs.username=one\n");
    bench
}

/// What OpenWrt does: a script of the first boot is removed, without forcing that out, where it went well; then an interrupted
/// commit is finished, and the agent starts.
fn boot(bench: &mut Bench) {
    if bench.disk.exists(SCRIPT) {
        let (mut store, _, _) = Store::load(&bench.disk).unwrap();
        if provision::take_up(&bench.disk, &mut store, provision::FILE).unfinished.is_none() {
            let _ = bench.disk.unlink(SCRIPT);
        }
    }
    bench.start();
}

#[test]
fn a_first_boot_is_finished_by_the_next_and_never_over_what_a_person_has_set() {
    cut_with(
        boot,
        new_device,
        |bench| {
            boot(bench);
            bench.informed();
            bench.nothing();
            if let Some(text) = bench.text("/etc/config/cpeagent").filter(|_| bench.gone.is_none()) {
                bench.disk.put("/etc/config/cpeagent", &text.replace("https://acs.example.net/", OWN));
                bench.disk.put("/etc/a-person-was-here", "");
            }
        },
        |bench, told, when| {
            let url =
                if bench.disk.exists("/etc/a-person-was-here") { OWN } else { "https://acs.example.net/" };
            for round in ["after the cut", "again", "with a script that came back"] {
                let has = |section, option| bench.option("cpeagent", section, option).unwrap_or_default();
                let have = [("acs", "url"), ("acs", "username"), ("identity", "serial"), ("more", "enable")]
                    .map(|(section, option)| has(section, option));
                assert_eq!(have, [url, "one", "0001", "1"], "{when}, {round}");
                let before = bench.text("/etc/config/cpeagent");
                if round != "after the cut" {
                    bench.disk.put(SCRIPT, "");
                }
                bench.reboot(0);
                boot(bench);
                assert_eq!(
                    bench.text("/etc/config/cpeagent"),
                    before,
                    "{when}, {round}: once more changes nothing"
                );
            }
            assert!(
                told.iter().all(|text| !text.contains("<EventCode>1 BOOT") || text.contains("0001")),
                "{when}"
            );
        },
    );
}
