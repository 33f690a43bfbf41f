//! The whole agent where things around it go wrong: a disk that takes nothing, a kill, too many who ask.
#![cfg(feature = "cwmp")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/agent.rs"]
mod agent;
#[path = "common/cwmp_schema.rs"]
mod cwmp_schema;
#[path = "common/device.rs"]
mod device;

use agent::Bench;
use cpeagent::agent::local::Request;
use cpeagent::agent::{Action, Agent, Event, KEEP_WAIT, MAX_JOBS};
use cpeagent::cwmp::events::Ledger;
use cpeagent::dm::source::Source;
use cpeagent::dm::tree::Tree;
use cpeagent::io::disk::Disk as _;
use cpeagent::io::disk::sim::SimDisk;
use cpeagent::rng::Rng;
use cpeagent::state::State;
use cpeagent::time::Now;
use std::time::Duration;

const DEVICE: &str = "wr4000-25.12";
const LEASE: &str = "Device.DHCPv4.Server.Pool.1.LeaseTime";
const SCHEDULE: &str = "<cwmp:ScheduleInform><DelaySeconds>300</DelaySeconds><CommandKey>later</CommandKey></cwmp:ScheduleInform>";
const REBOOT: &str = "<cwmp:Reboot><CommandKey>because</CommandKey></cwmp:Reboot>";
const HOSTS: &str = "<cwmp:GetParameterNames><ParameterPath>Device.DHCPv4.Server.Pool.1.StaticAddress.</ParameterPath>\
                     <NextLevel>1</NextLevel></cwmp:GetParameterNames>";

fn set(path: &str, value: &str) -> String {
    format!(
        "<cwmp:SetParameterValues><ParameterList soapenc:arrayType=\"cwmp:ParameterValueStruct[1]\"><ParameterValueStruct>\
         <Name>{path}</Name><Value>{value}</Value></ParameterValueStruct></ParameterList><ParameterKey/></cwmp:SetParameterValues>"
    )
}

fn set_lease(value: &str) -> String {
    set(LEASE, value)
}

fn get_lease() -> String {
    format!(
        "<cwmp:GetParameterValues><ParameterNames><string>{LEASE}</string></ParameterNames></cwmp:GetParameterValues>"
    )
}

/// A disk that takes nothing more, by one reason or another, and one that does again.
const ILLS: [fn(&SimDisk); 2] = [|disk| disk.set_free(Some(0)), |disk| disk.set_read_only(true)];
fn cure(disk: &SimDisk) {
    disk.set_free(None);
    disk.set_read_only(false);
}

fn has(text: &str, event: &str) -> bool {
    text.contains(&format!("<EventCode>{event}</EventCode>"))
}

//= TR-069 A.3.2.1: what was acknowledged is applied after the session, also if the agent ends before.
#[test]
fn a_change_whose_agent_was_killed_before_the_session_ended_is_announced_by_the_next_one_in_this_boot() {
    for boot in [false, true] {
        let mut bench = Bench::in_session(DEVICE);
        assert!(bench.ask(&set_lease("7200")).contains("SetParameterValuesResponse"));
        assert!(!bench.said.contains("announced"), "not while the session lasts");
        if boot {
            bench.reboot(0);
        }
        bench.said.clear();
        bench.start();
        assert_eq!(bench.said.contains("announced dhcp"), !boot, "a boot starts the services anyway");
        bench.said.clear();
        bench.start();
        assert!(!bench.said.contains("announced"), "once");
    }
}

//= TR-069 A.3.2.1
#[test]
fn a_renewal_whose_agent_was_killed_before_the_session_ended_is_asked_for_by_the_next_one_in_this_boot() {
    let called = "called ubus:network.interface.wan renew";
    for boot in [false, true] {
        let mut bench = Bench::in_session(DEVICE);
        assert!(bench.ask(&set("Device.DHCPv4.Client.1.Renew", "1")).contains("SetParameterValuesResponse"));
        assert!(!bench.said.contains("called"), "not while the session lasts");
        if boot {
            bench.reboot(0);
        }
        bench.said.clear();
        bench.start();
        assert_eq!(bench.said.contains(called), !boot, "a boot renews anyway: {}", bench.said);
        bench.said.clear();
        bench.start();
        assert!(!bench.said.contains("called"), "once");
    }
}

//= TR-069 A.4.1.2
#[test]
fn a_scheduled_inform_comes_at_its_time_over_restarts_and_reboots() {
    for (boots, clock) in [(0, true), (1, true), (1, false)] {
        let mut bench = Bench::in_session(DEVICE);
        if !clock {
            bench.now.wall = None;
        }
        assert!(bench.ask(SCHEDULE).contains("ScheduleInformResponse"));
        bench.nothing();
        bench.wait(Duration::from_secs(100));
        for seed in 0..boots {
            bench.reboot(seed);
        }
        bench.start();
        bench.informed();
        bench.nothing();
        let told = |bench: &Bench| bench.posted.iter().any(|text| has(text, "M ScheduleInform"));
        bench.posted.clear();
        // Without a calendar nobody knows how long the device was off.
        bench.wait(Duration::from_secs(if clock { 195 } else { 295 }));
        assert!(!told(&bench), "{boots} {clock}: too early");
        bench.wait(Duration::from_secs(10));
        assert!(told(&bench) && bench.posted.concat().contains("<CommandKey>later<"), "{boots} {clock}");
        bench.informed();
        bench.nothing();
        bench.reboot(9);
        bench.start();
        bench.wait(Duration::from_secs(1_000));
        assert_eq!(bench.posted.iter().filter(|text| has(text, "M ScheduleInform")).count(), 1, "once");
    }
}

//= TR-069 A.5.1: 9002 where the device cannot do what it would have to promise.
#[test]
fn what_a_full_disk_cannot_keep_is_refused_and_what_needs_no_disk_still_works() {
    for ill in ILLS {
        let mut bench = Bench::in_session(DEVICE);
        bench.ask(HOSTS);
        ill(&bench.disk);
        for request in [SCHEDULE, REBOOT, "<cwmp:FactoryReset/>", &set_lease("7200")] {
            let answer = bench.ask(request);
            assert!(answer.contains("<FaultCode>9002<"), "{request}: {answer}");
        }
        assert!(bench.ask(&get_lease()).contains("43200"), "the old value, and the session goes on");
        bench.nothing();
        assert_eq!(bench.gone, None, "neither restarted nor reset");
        bench.posted.clear();
        bench.wait(Duration::from_secs(1_000));
        assert!(!bench.posted.iter().any(|text| has(text, "M ScheduleInform")), "it was refused");
        cure(&bench.disk);
        bench.open();
        assert!(bench.ask(REBOOT).contains("RebootResponse"));
        bench.nothing();
        bench.reboot(0);
        bench.start();
        let inform = bench.posted.last().unwrap();
        assert_eq!(inform.matches("<EventCode>M Reboot<").count(), 1, "{inform}");
    }
}

#[test]
fn a_disk_that_was_full_from_the_first_start_refuses_in_words_until_there_is_room() {
    let mut bench = Bench::new(DEVICE);
    ILLS[0](&bench.disk);
    bench.start();
    bench.informed();
    let name = set("Device.DeviceInfo.HostName", "attic");
    let answer = bench.ask(&name);
    assert!(answer.contains("<FaultCode>9002<") && answer.contains("could not be written"), "{answer}");
    assert!(bench.text("/etc/config/system").unwrap().contains("hostname 'OpenWrt'"));
    bench.nothing();
    cure(&bench.disk);
    bench.wait(KEEP_WAIT);
    bench.open();
    assert!(bench.ask(&name).contains("SetParameterValuesResponse"), "{}", bench.said);
    bench.nothing();
}

//= TR-106 A.2.2.1: a number that was told is its row's for ever, so it is not told before it is kept.
#[test]
fn no_number_is_told_that_a_full_disk_did_not_keep() {
    for ill in ILLS {
        let mut bench = Bench::in_session(DEVICE);
        bench.ask(HOSTS);
        bench.enlarge(0, 1);
        ill(&bench.disk);
        for _ in 0..2 {
            assert!(bench.ask(HOSTS).contains("<FaultCode>9002<"), "a row nobody was told of");
            assert!(bench.ask(&get_lease()).contains("43200"), "rows that are known");
        }
        cure(&bench.disk);
        let told = bench.ask(HOSTS);
        bench.reboot(0);
        bench.start();
        bench.informed();
        let names = |text: &str| {
            text.split("<Name>")
                .skip(1)
                .map(|rest| rest.split('<').next().unwrap().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&bench.ask(HOSTS)), names(&told));
        assert!(!names(&told).is_empty());
    }
}

#[test]
fn what_could_not_be_written_is_written_once_the_disk_takes_it() {
    for ill in ILLS {
        let mut bench = Bench::new(DEVICE);
        ill(&bench.disk);
        bench.start();
        bench.informed();
        bench.nothing();
        assert_eq!(bench.store.as_ref().unwrap().events().iter().count(), 0);
        cure(&bench.disk);
        bench.posted.clear();
        bench.wait(KEEP_WAIT);
        assert!(bench.posted.is_empty(), "no session is needed for it");
        bench.reboot(0);
        bench.start();
        let inform = bench.posted.last().unwrap();
        assert!(has(inform, "1 BOOT") && !has(inform, "0 BOOTSTRAP"), "the ACS has taken it: {inform}");
    }
}

#[test]
fn of_too_many_local_requests_none_is_left_without_an_answer() {
    let mut agent = Agent::new(agent::model(), State::factory(), Ledger::default(), Rng::new([1; 32]));
    agent.handle(Now::default(), Event::Started);
    while agent.poll().is_some() {}
    let mut refused = 0;
    for id in 0..2 * MAX_JOBS as u64 {
        agent.handle(Now::default(), Event::Local(id, Request::Status));
        while let Some(action) = agent.poll() {
            if let Action::Answer(answered, tree) = action {
                assert_eq!(answered, id);
                assert!(tree.get("errors").is_some());
                refused += 1;
            }
        }
    }
    assert_eq!(refused, MAX_JOBS, "the others wait for the sources that were asked for");
}

#[test]
fn what_lives_in_the_agents_own_package_can_be_written_before_it_has_a_file() {
    let mut bench = Bench::new(DEVICE);
    bench.disk.drop_file("/etc/config/cpeagent");
    bench.start();
    let set = |path: &str, value: &str| Request::Set(vec![(path.into(), value.into())]);
    bench.event(Event::Local(1, set("Device.DeviceInfo.ProvisioningCode", "shop")));
    bench.event(Event::Local(2, Request::Add("Device.ManagementServer.InformParameter.".into())));
    for answer in &bench.answers {
        assert!(answer.get("ok").is_some(), "{answer:?}");
    }
    assert_eq!(bench.option("cpeagent", "identity", "provisioning_code").as_deref(), Some("shop"));
    assert_eq!(bench.disk.stat("/etc/config/cpeagent").unwrap().mode, 0o600);
    bench.event(Event::Local(3, set("Device.ManagementServer.URL", "https://acs.example.com/")));
    bench.wait(Duration::from_secs(1));
    assert!(bench.posted.iter().any(|text| has(text, "0 BOOTSTRAP")), "{}", bench.said);
}

/// What may be missing or broken around the agent on a router: a name, and how it comes about.
type Lack = (&'static str, fn(&mut Bench));

const LACKS: &[Lack] = &[
    ("no board file", |bench| bench.disk.drop_file("/etc/board.json")),
    ("a board file without a model", |bench| bench.disk.put("/etc/board.json", "{}")),
    ("a board file that is none", |bench| bench.disk.put("/etc/board.json", "{\"model\":{")),
    ("no network", |bench| bench.disk.drop_file("/etc/config/network")),
    ("no wireless", |bench| bench.disk.drop_file("/etc/config/wireless")),
    ("no firewall", |bench| bench.disk.drop_file("/etc/config/firewall")),
    ("no dhcp", |bench| bench.disk.drop_file("/etc/config/dhcp")),
    ("no system", |bench| bench.disk.drop_file("/etc/config/system")),
    ("a package that is no UCI", |bench| bench.disk.put("/etc/config/network", "config 'x\n")),
    ("netifd is gone", |bench| {
        for key in NETIFD {
            bench.sources.insert((*key).into(), Source::Absent);
        }
    }),
    ("netifd hangs", |bench| {
        for key in NETIFD {
            bench.sources.insert((*key).into(), Source::Failed("no answer within 5 s".into()));
        }
    }),
];
const NETIFD: &[&str] =
    &["ubus:network.interface dump", "ubus:network.device status", "ubus:network.wireless status"];

//= TR-069 3.7.1.3: a session begins with an Inform, and the ACS can ask thereafter.
#[test]
fn a_router_that_lacks_what_others_have_meets_its_acs_and_can_be_managed() {
    for (what, bring_about) in LACKS {
        let mut bench = Bench::new(DEVICE);
        bring_about(&mut bench);
        bench.start();
        bench.wait(Duration::from_secs(30));
        let inform = bench.posted.first().unwrap_or_else(|| panic!("{what}: no Inform\n{}", bench.said));
        assert!(has(inform, "0 BOOTSTRAP"), "{what}: {inform}");
        bench.informed();
        let names = "<cwmp:GetParameterNames><ParameterPath>Device.ManagementServer.</ParameterPath>\
                     <NextLevel>0</NextLevel></cwmp:GetParameterNames>";
        assert!(bench.ask(names).contains("ManagementServer.URL"), "{what}");
        for (name, value) in [
            ("Device.ManagementServer.PeriodicInformInterval", "7200"),
            ("Device.DeviceInfo.ProvisioningCode", "shop"),
        ] {
            let set = set_lease(value).replace(LEASE, name);
            let answer = bench.ask(&set);
            assert!(answer.contains("SetParameterValuesResponse"), "{what}: {answer}");
        }
        bench.nothing();
        assert_eq!(bench.option("cpeagent", "acs", "periodic_interval").as_deref(), Some("7200"), "{what}");
    }
}

#[test]
fn a_silent_ubus_leaves_sessions_and_all_that_does_not_need_it_and_status_says_so() {
    let get = |name: &str| {
        format!(
            "<cwmp:GetParameterValues><ParameterNames><string>{name}</string></ParameterNames></cwmp:GetParameterValues>"
        )
    };
    let mut bench = Bench::idle(DEVICE);
    bench.silent_bus = true;
    bench.open();
    assert!(bench.ask(&set_lease("7200")).contains("SetParameterValuesResponse"), "{}", bench.said);
    assert!(bench.ask(&get(LEASE)).contains(">7200<"));
    let answer = bench.ask(&get("Device.IP.Interface.1.Status"));
    assert!(answer.contains("<FaultCode>9002</FaultCode>"), "{answer}");
    assert!(bench.ask(&get(LEASE)).contains(">7200<"), "the session goes on");
    bench.nothing();
    let status = |bench: &mut Bench| {
        bench.event(Event::Local(7, Request::Status));
        bench.wait(Duration::from_secs(1));
        let answer = bench.answers.pop().unwrap();
        answer.get("ok").unwrap().str("source_failure").map(str::to_string)
    };
    let said = status(&mut bench).unwrap();
    assert!(said.starts_with("ubus:") && said.ends_with(": ubusd does not answer"), "{said}");
    bench.silent_bus = false;
    bench.open();
    assert!(!bench.ask(&get("Device.IP.")).contains("<FaultCode>"));
    bench.nothing();
    assert_eq!(status(&mut bench), None);
}

#[test]
fn a_ubus_that_is_silent_from_the_start_keeps_nobody_from_the_acs_and_changes_no_identity() {
    let first_inform = |silent| {
        let mut bench = Bench::new(DEVICE);
        bench.silent_bus = silent;
        bench.start();
        bench.wait(Duration::from_secs(60));
        let inform = bench.posted.first().unwrap_or_else(|| panic!("{}", bench.said)).clone();
        assert!(has(&inform, "0 BOOTSTRAP"), "{inform}");
        let part = |from: &str, to: &str| {
            inform.split(from).nth(1).and_then(|rest| rest.split(to).next()).unwrap().to_string()
        };
        (
            part("<DeviceId>", "</DeviceId>"),
            part("DeviceInfo.SoftwareVersion</Name>", "</ParameterValueStruct>"),
        )
    };
    assert_eq!(first_inform(true), first_inform(false));
}

#[test]
fn a_day_without_clock_and_wan_costs_little_and_ends_with_the_first_inform() {
    let mut bench = Bench::new(DEVICE);
    bench.now.wall = None;
    bench.start();
    let before = bench.disk.written().bytes;
    let mut tries = 0;
    for _ in 0..24 * 60 {
        bench.wait(Duration::from_secs(60));
        if bench.posted.pop().is_some_and(|text| !text.is_empty()) {
            tries += 1;
            bench.posted.clear();
            bench.event(Event::Lost("no route to host".into()));
        }
    }
    // The waits grow to an hour or more.
    assert!((10..60).contains(&tries), "{tries} tries");
    let written = bench.disk.written().bytes - before;
    assert!(written <= 16 * 1024, "{written} octets");
    let failures = bench.said.matches("session with the ACS failed: no route to host").count();
    assert!((tries - 1..=tries).contains(&failures), "each said in one line: {failures} of {tries}");
    // Now there are both.
    bench.now.wall = Some(cpeagent::time::Wall::at(1_800_000_000));
    bench.posted.clear();
    bench.event(Event::Timer);
    while bench.posted.is_empty() {
        bench.timer();
    }
    assert!(has(&bench.posted[0], "0 BOOTSTRAP") && has(&bench.posted[0], "1 BOOT"), "{}", bench.posted[0]);
}

#[test]
fn without_an_identity_no_other_one_is_told_and_the_log_says_why() {
    let mut bench = Bench::new(DEVICE);
    // What the board's scripts leave for procd is not there, and procd does not answer.
    for file in ["/tmp/sysinfo/model", "/tmp/sysinfo/board_name"] {
        bench.disk.drop_file(file);
    }
    bench.sources.insert("ubus:system board".into(), Source::Failed("no answer within 5 s".into()));
    bench.start();
    bench.wait(Duration::from_secs(600));
    assert!(bench.posted.is_empty(), "an ACS would take it for another device");
    let told =
        bench.said.matches("session with the ACS failed: failed: ubus:system board: no answer").count();
    assert!((2..20).contains(&told), "once for each try, and tries grow rare: {told}");
    bench.sources.clear();
    bench.wait(Duration::from_secs(3_600));
    assert!(has(&bench.posted[0], "0 BOOTSTRAP"));
}

#[test]
fn a_board_without_names_and_a_router_without_managers_are_said_in_the_log() {
    let unnamed: fn(&mut Bench) = |bench| {
        bench.disk.put("/etc/board.json", "{}");
        for file in ["/etc/device_info", "/tmp/sysinfo/model", "/tmp/sysinfo/board_name"] {
            bench.disk.drop_file(file);
        }
        bench.sources.insert("ubus:system board".into(), Source::ready(Tree::Map(Vec::new())));
    };
    let unmanaged: fn(&mut Bench) = |bench| bench.disk.drop_file("/etc/config/cpeagent");
    let (names, managers) = ("the board names no manufacturer or no model", "nobody manages this router");
    for (bring_about, said, silent) in [(unnamed, names, managers), (unmanaged, managers, names)] {
        let mut bench = Bench::new(DEVICE);
        bring_about(&mut bench);
        bench.start();
        bench.wait(Duration::from_secs(600));
        assert_eq!(bench.said.matches(said).count(), 1, "{}", bench.said);
        assert!(!bench.said.contains(silent), "{}", bench.said);
    }
    let mut bench = Bench::new(DEVICE);
    bench.start();
    bench.wait(Duration::from_secs(60));
    assert!(!bench.said.contains(names) && !bench.said.contains(managers), "{}", bench.said);
}
