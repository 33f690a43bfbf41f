//! Changes that cut the way to their manager, in virtual time: what is undone, what is confirmed, what neither.
//!
//! The world around the router follows from what it has been told to be: `World` says of a configuration what of the way
//! out is there with it, and whether the managers are.
#![cfg(all(feature = "usp", feature = "cwmp"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/agent.rs"]
mod agent;
#[path = "common/controller.rs"]
mod controller;
#[path = "common/cwmp_schema.rs"]
mod cwmp_schema;
#[path = "common/device.rs"]
mod device;

use agent::{Bench, Gone};
use controller::Controller;
use cpeagent::agent::{Agent, Event};
use cpeagent::dm::source::Source;
use cpeagent::dm::tree::Tree;
use cpeagent::io::disk::Disk;
use cpeagent::openwrt::json;
use cpeagent::state::guard::Way;
use cpeagent::usp::mtp::{LinkCommand, LinkEvent};
use cpeagent::usp::pb;
use cpeagent::usp::pb::request::ReqType;
use std::time::Duration;

const DEVICE: &str = "wr4000-25.12";
const DUMP: &str = "ubus:network.interface dump";
const ALL: Way = Way { link: true, gateway: true, resolver: true };
const DARK: Way = Way { link: false, gateway: false, resolver: false };
const MINUTE: Duration = Duration::from_secs(60);

/// What the world makes of a configuration: the way out, and whether the ACS answers.
type World = fn(&Bench) -> (Way, bool);

/// A world in which nothing is wrong.
fn fine(_: &Bench) -> (Way, bool) {
    (ALL, true)
}

/// A world in which the ACS is down and all else is well.
fn outage(_: &Bench) -> (Way, bool) {
    (ALL, false)
}

/// A file of the recording.
fn recorded(bench: &Bench, path: &str) -> Tree {
    json::parse(bench.text(path).unwrap().as_bytes()).unwrap()
}

/// Has sources show the way as it is.
fn show(bench: &mut Bench, way: Way) {
    let mut dump = recorded(bench, "/ubus/network.interface.dump.json");
    let mut servers = Vec::new();
    if let Some(Tree::List(all)) = dump.get_mut("interface") {
        let wan = all.iter_mut().find(|one| one.str("interface") == Some("wan")).unwrap();
        wan.set("up", if way.link { "true" } else { "false" }.into());
        servers.extend(
            wan.get("dns-server").unwrap().items().iter().filter_map(Tree::as_str).map(str::to_string),
        );
    }
    bench.sources.insert(DUMP.into(), Source::ready(dump));
    let routes = recorded(bench, "/netlink/route.json");
    let (routes, mut neighbours) =
        (routes.items().to_vec(), recorded(bench, "/netlink/neighbour.json").items().to_vec());
    let routes = routes.into_iter().filter(|route| way.link || route.str("dst") != Some("default"));
    bench.sources.insert("nl:route".into(), Source::ready(Tree::List(routes.collect())));
    if !way.gateway {
        for one in &mut neighbours {
            one.set("state", Tree::List(vec!["FAILED".into()]));
        }
    }
    bench.sources.insert("nl:neighbour".into(), Source::ready(Tree::List(neighbours)));
    for server in servers {
        for host in ["acs.example.com", "new.example.com", "one.example.com"] {
            let answer = Source::ready(Tree::List(vec!["203.0.113.80".into()]));
            let key = format!("dns:{server} {host}");
            bench.sources.insert(key.into(), if way.resolver { answer } else { Source::Absent });
        }
    }
}

/// Lets time pass in a world; the ACS takes every Inform and asks nothing.
fn live(bench: &mut Bench, time: Duration, world: World) {
    let end = bench.now.at + time;
    let mut answered = 0;
    while bench.gone.is_none() {
        let (way, answers) = world(bench);
        show(bench, way);
        if bench.posted.len() > answered {
            answered = bench.posted.len();
            let inform = bench.posted[answered - 1].contains("<cwmp:Inform>");
            match (answers && way == ALL, inform) {
                (true, true) => bench.informed(),
                (true, false) => bench.nothing(),
                (false, _) => bench.event(Event::Lost("no way there".into())),
            }
            continue;
        }
        let timer = bench.agent.as_ref().and_then(Agent::next_timer).filter(|at| *at <= end);
        let Some(at) = timer else { break };
        bench.wait(at.since(bench.now.at));
    }
    bench.wait(end.since(bench.now.at));
}

/// What somebody makes of a file.
type Rewrite = fn(String) -> String;

/// A router with changed files whose ACS may ask.
fn router(device: &str, files: &[(&str, Rewrite)]) -> Bench {
    let mut bench = Bench::new(device);
    for (path, change) in files {
        let text = change(bench.text(path).unwrap());
        bench.disk.put(path, &text);
    }
    show(&mut bench, ALL);
    bench.start();
    live(&mut bench, MINUTE, fine);
    bench.open();
    bench
}

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

/// The ACS sets values, and the session ends.
fn change(bench: &mut Bench, values: &[(&str, &str)]) {
    let told = bench.ask(&set(values, "changed"));
    assert!(told.contains("SetParameterValuesResponse"), "{told}");
    bench.nothing();
}

fn guards(bench: &Bench) -> Vec<String> {
    bench.store.as_ref().unwrap().state().guards().map(str::to_string).collect()
}

fn key(bench: &Bench) -> String {
    bench.store.as_ref().unwrap().state().parameter_key().to_string()
}

/// The records that are kept to undo by.
fn records(bench: &Bench) -> usize {
    bench.disk.list("/etc/cpeagent").unwrap().iter().filter(|name| name.starts_with("guard.")).count()
}

fn has(bench: &Bench, package: &str, text: &str) -> bool {
    bench.text(&format!("/etc/config/{package}")).unwrap().contains(text)
}

fn with_static_wan(text: String) -> String {
    let new = "option proto 'static'\n\tlist ipaddr '198.18.0.169/24'\n\toption gateway '198.18.0.1'\n\tlist dns '198.18.0.1'";
    text.replace(
        "config interface 'wan'\n\toption device 'wan'\n\toption proto 'dhcp'",
        &format!("config interface 'wan'\n\toption device 'wan'\n\t{new}"),
    )
}

/// The interface `wan` in the numbers of [`DEVICE`].
const WAN: &str = "Device.IP.Interface.3.IPv4Address.1.IPAddress";

fn wrong_address() -> Bench {
    let mut bench = router(DEVICE, &[("/etc/config/network", with_static_wan)]);
    change(&mut bench, &[(WAN, "203.0.113.9")]);
    assert!(has(&bench, "network", "203.0.113.9"), "{}", bench.text("/etc/config/network").unwrap());
    bench
}

/// Nobody answers while the address is another one than the network has.
fn lives_by_address(bench: &Bench) -> (Way, bool) {
    let right = has(bench, "network", "198.18.0.169");
    (if right { ALL } else { Way { link: true, gateway: false, resolver: false } }, true)
}

/// Each of these cuts the ACS off, and the world without it.
#[test]
fn a_change_that_cuts_the_way_is_undone_and_the_acs_is_told() {
    type Case = (&'static str, fn() -> Bench, &'static str, &'static str, World);
    let cases: &[Case] = &[
        ("wrong address", wrong_address, "network", "198.18.0.169/24", lives_by_address),
        (
            "VLAN",
            || {
                let mut bench = router("bpi-r3-vlan-25.12", &[]);
                let table = "Device.Ethernet.VLANTermination.";
                let told = bench.ask(&format!(
                    "<cwmp:GetParameterValues><ParameterNames><string>{table}</string></ParameterNames></cwmp:GetParameterValues>"
                ));
                let name = told
                    .split("<Name>")
                    .find(|row| row.contains(".Name<") && row.contains(">wan.7<"))
                    .unwrap();
                let row = name.split(".Name<").next().unwrap().to_string();
                change(&mut bench, &[(&format!("{row}.VLANID"), "8")]);
                bench
            },
            "network",
            "option vid '7'",
            |bench| (if has(bench, "network", "option vid '7'") { ALL } else { DARK }, true),
        ),
        (
            "PPP credentials",
            || {
                let mut bench = router("fritz-pppoe-25.12", &[]);
                change(&mut bench, &[("Device.PPP.Interface.1.Password", "wrong")]);
                bench
            },
            "network",
            "option password 'geheim'",
            |bench| (if has(bench, "network", "'geheim'") { ALL } else { DARK }, true),
        ),
        (
            "firewall rule",
            || {
                let rule = |text: String| {
                    format!(
                        "config rule 'out'\n\toption name 'out'\n\toption dest 'wan'\n\toption proto 'all'\n\toption target 'ACCEPT'\n\n{text}"
                    )
                };
                let mut bench = router(DEVICE, &[("/etc/config/firewall", rule)]);
                change(&mut bench, &[("Device.Firewall.Chain.1.Rule.1.Target", "Drop")]);
                bench
            },
            "firewall",
            "option proto 'all'\n\toption target 'ACCEPT'",
            |bench| {
                let open = has(bench, "firewall", "option proto 'all'\n\toption target 'ACCEPT'");
                (Way { resolver: open, ..ALL }, true)
            },
        ),
    ];
    for (what, make, package, before, world) in cases {
        let mut bench = make();
        assert!(!has(&bench, package, before), "{what}");
        assert_eq!((guards(&bench), records(&bench)), (vec!["acs".to_string()], 1), "{what}");
        assert_eq!(key(&bench), "changed");
        bench.said.clear();
        live(&mut bench, 4 * MINUTE, *world);
        assert!(!has(&bench, package, before), "{what}: not before its time: {}", bench.said);
        bench.posted.clear();
        live(&mut bench, 4 * MINUTE, *world);
        assert!(has(&bench, package, before), "{what}: {}", bench.said);
        assert!(bench.said.contains(&format!("announced {package}")), "{what}: {}", bench.said);
        let undone =
            |entry: &cpeagent::audit::Entry| entry.change.outcome == cpeagent::audit::Outcome::Undone;
        assert_eq!(bench.audited.iter().filter(|entry| undone(entry)).count(), 1, "recorded once");
        assert!(
            bench.said.contains("log ERROR acs is out of reach since it changed something: undone"),
            "{what}"
        );
        assert_eq!((guards(&bench), records(&bench), &*key(&bench)), (vec![], 0, ""), "{what}");
        let informs: Vec<&String> =
            bench.posted.iter().filter(|text| text.contains("<cwmp:Inform>")).collect();
        assert!(
            informs.last().is_some_and(|text| text
                .contains("ParameterKey</Name><Value xsi:type=\"xsd:string\"></Value>")
                || text.contains("ParameterKey</Name><Value xsi:type=\"xsd:string\"/>")),
            "{what}: {informs:?}"
        );
    }
}

//= TR-069 3.7.1.5: what differs from what the ACS knows is a value change.
#[test]
fn a_watched_value_that_is_undone_is_a_value_change() {
    let mut bench = router(DEVICE, &[("/etc/config/network", with_static_wan)]);
    bench.ask(&format!(
        "<cwmp:SetParameterAttributes><ParameterList><SetParameterAttributesStruct><Name>{WAN}</Name>\
         <NotificationChange>1</NotificationChange><Notification>2</Notification><AccessListChange>0</AccessListChange>\
         <AccessList/></SetParameterAttributesStruct></ParameterList></cwmp:SetParameterAttributes>"
    ));
    change(&mut bench, &[(WAN, "203.0.113.9")]);
    live(&mut bench, 4 * MINUTE, lives_by_address);
    bench.posted.clear();
    live(&mut bench, 5 * MINUTE, lives_by_address);
    let told = |text: &&String| {
        text.contains("4 VALUE CHANGE") && text.contains(WAN) && text.contains("198.18.0.169")
    };
    assert!(bench.posted.iter().any(|text| told(&text)), "{:?}", bench.posted);
}

//= TR-069 3.2.1: the device may open a session whenever it has a reason to.
#[test]
fn a_change_that_does_no_harm_is_confirmed_within_a_minute_by_a_session_of_its_own() {
    let mut bench = wrong_address();
    bench.posted.clear();
    live(&mut bench, MINUTE, fine);
    assert!(bench.posted.iter().any(|text| text.contains("2 PERIODIC")), "{:?}", bench.posted);
    assert_eq!((guards(&bench), records(&bench), &*key(&bench)), (vec![], 0, "changed"));
    assert!(bench.said.contains("what acs changed stays"), "{}", bench.said);
    live(&mut bench, 60 * MINUTE, |_| (DARK, false));
    assert!(has(&bench, "network", "203.0.113.9"), "what was confirmed stays, whatever comes");
}

#[test]
fn what_was_heard_before_the_change_was_in_force_confirms_nothing() {
    let mut bench = wrong_address();
    // The services take a while; the ACS asks for a session meanwhile, on the old way.
    bench.event(Event::Woken);
    bench.informed();
    bench.nothing();
    assert_eq!(guards(&bench), ["acs"]);
    live(&mut bench, 10 * MINUTE, lives_by_address);
    assert!(has(&bench, "network", "198.18.0.169"));
}

#[test]
fn an_outage_of_the_acs_alone_undoes_nothing() {
    let mut bench = wrong_address();
    live(&mut bench, 48 * 60 * MINUTE, outage);
    assert!(has(&bench, "network", "203.0.113.9"));
    assert_eq!(guards(&bench), ["acs"], "it is still to be confirmed");
    live(&mut bench, 24 * 60 * MINUTE, fine);
    assert_eq!((guards(&bench), &*key(&bench)), (vec![], "changed"));
}

#[test]
fn what_was_never_there_is_not_missed() {
    let mut bench = Bench::new(DEVICE);
    let text = with_static_wan(bench.text("/etc/config/network").unwrap());
    bench.disk.put("/etc/config/network", &text);
    // No name server answers here, and the next router is silent.
    show(&mut bench, Way { link: true, gateway: false, resolver: false });
    bench.start();
    bench.informed();
    bench.nothing();
    bench.wait(MINUTE);
    bench.open();
    change(&mut bench, &[(WAN, "203.0.113.9")]);
    live(&mut bench, 60 * MINUTE, |_| (Way { link: true, gateway: false, resolver: false }, false));
    assert!(has(&bench, "network", "203.0.113.9"));
    live(&mut bench, 10 * MINUTE, |bench| {
        (if has(bench, "network", "198.18.0.169") { ALL } else { DARK }, true)
    });
    assert!(has(&bench, "network", "198.18.0.169"), "the link was there before");
}

#[test]
fn a_new_acs_that_does_not_answer_gives_way_to_the_old_one_without_a_bootstrap() {
    fn old_one_only(bench: &Bench) -> (Way, bool) {
        (ALL, has(bench, "cpeagent", "https://acs.example.com/"))
    }
    let mut bench = router(DEVICE, &[]);
    change(
        &mut bench,
        &[
            ("Device.ManagementServer.URL", "https://new.example.com/"),
            ("Device.ManagementServer.Password", "new"),
        ],
    );
    live(&mut bench, 3 * MINUTE, old_one_only);
    assert!(has(&bench, "cpeagent", "https://new.example.com/"));
    bench.posted.clear();
    live(&mut bench, 5 * MINUTE, old_one_only);
    assert!(has(&bench, "cpeagent", "https://acs.example.com/") && has(&bench, "cpeagent", "'top secret'"));
    assert_eq!(guards(&bench), [""; 0]);
    let last = bench.posted.iter().rev().find(|text| text.contains("<cwmp:Inform>")).unwrap();
    assert!(!last.contains("0 BOOTSTRAP"), "{last}");

    // With the way gone nothing can be said of the new one.
    let mut bench = router(DEVICE, &[]);
    change(&mut bench, &[("Device.ManagementServer.URL", "https://new.example.com/")]);
    live(&mut bench, 30 * MINUTE, |_| (DARK, false));
    assert!(has(&bench, "cpeagent", "https://new.example.com/"));
    live(&mut bench, 60 * MINUTE, fine);
    assert!(has(&bench, "cpeagent", "https://new.example.com/") && guards(&bench).is_empty());
}

fn managed() -> (Bench, Controller) {
    let mut bench = Bench::new(DEVICE);
    bench.disk.put("/etc/config/cpeagent", &controller::beside_an_acs());
    let text = with_static_wan(bench.text("/etc/config/network").unwrap());
    bench.disk.put("/etc/config/network", &text);
    show(&mut bench, ALL);
    bench.start();
    live(&mut bench, MINUTE, fine);
    let mut one = Controller::web_socket(&mut bench, 1, "controller one one_ws");
    one.record(&mut bench);
    bench.said.clear();
    (bench, one)
}

fn usp_set(bench: &mut Bench, one: &mut Controller, path: &str, name: &str, value: &str) {
    let setting = pb::set::UpdateParamSetting { param: name.into(), value: value.into(), required: true };
    let object = pb::set::UpdateObject { obj_path: path.into(), param_settings: vec![setting] };
    let ask = ReqType::Set(pb::Set { allow_partial: false, update_objs: vec![object] });
    one.ask(bench, "set", ask).unwrap();
}

fn get(bench: &mut Bench, one: &mut Controller) {
    let ask = ReqType::Get(pb::Get { param_paths: vec!["Device.DeviceInfo.ModelName".into()], max_depth: 0 });
    one.ask(bench, "get", ask).unwrap();
}

#[test]
fn only_the_manager_that_made_a_change_confirms_it() {
    // The controller changed it: sessions with the ACS do not count.
    let (mut bench, mut one) = managed();
    usp_set(&mut bench, &mut one, "Device.IP.Interface.3.IPv4Address.1.", "IPAddress", "203.0.113.9");
    assert_eq!(guards(&bench), ["controller one"]);
    live(&mut bench, MINUTE, fine);
    bench.event(Event::Woken);
    live(&mut bench, MINUTE, fine);
    assert_eq!(guards(&bench), ["controller one"]);
    // Within a minute the link was to be opened anew, as it is not otherwise heard of.
    let closed = bench.commands.iter().any(|command| matches!(command, LinkCommand::Close { link: 1, .. }));
    assert!(closed, "{:?}", bench.commands);
    let away = Event::Link(LinkEvent::Down {
        name: "controller one one_ws".into(),
        link: Some(1),
        why: "closed".into(),
        failures: 1,
        retry_in: Some(MINUTE),
    });
    bench.event(away);
    bench.commands.clear();
    live(&mut bench, 10 * MINUTE, |bench| {
        (if has(bench, "network", "198.18.0.169") { ALL } else { DARK }, false)
    });
    assert!(has(&bench, "network", "198.18.0.169"), "{}", bench.said);
    assert!(bench.said.contains("controller one is out of reach"), "{}", bench.said);

    // The ACS changed it: what a controller says does not count.
    let (mut bench, mut one) = managed();
    bench.open();
    change(&mut bench, &[(WAN, "203.0.113.9")]);
    for _ in 0..10 {
        live(&mut bench, MINUTE, lives_by_address);
        if has(&bench, "network", "203.0.113.9") {
            get(&mut bench, &mut one);
        }
    }
    assert!(has(&bench, "network", "198.18.0.169"));
}

#[test]
fn a_controller_confirms_by_a_link_that_is_opened_anew_or_by_a_word() {
    for word in [false, true] {
        let (mut bench, mut one) = managed();
        usp_set(&mut bench, &mut one, "Device.IP.Interface.3.IPv4Address.1.", "IPAddress", "203.0.113.9");
        get(&mut bench, &mut one);
        assert_eq!(guards(&bench), ["controller one"], "too early");
        live(&mut bench, Duration::from_secs(25), fine);
        if word {
            get(&mut bench, &mut one);
        } else {
            Controller::web_socket(&mut bench, 2, "controller one one_ws");
        }
        assert_eq!((guards(&bench), records(&bench)), (vec![], 0), "{word}");
    }
}

#[test]
fn what_a_controller_changed_of_itself_is_not_confirmed_by_the_link_that_goes_with_it() {
    let (mut bench, mut one) = managed();
    let path = "Device.LocalAgent.Controller.1.MTP.1.WebSocket.";
    usp_set(&mut bench, &mut one, path, "Host", "nowhere.example.com");
    assert!(has(&bench, "cpeagent", "nowhere.example.com"));
    get(&mut bench, &mut one);
    assert_eq!(guards(&bench), ["controller one"]);
    live(&mut bench, 10 * MINUTE, fine);
    assert!(has(&bench, "cpeagent", "one.example.com") && guards(&bench).is_empty(), "{}", bench.said);
}

#[test]
fn the_power_may_go_at_any_time_and_the_guard_still_ends() {
    // Between commit and confirmation.
    for (world, left) in [(lives_by_address as World, "198.18.0.169"), (fine as World, "203.0.113.9")] {
        let mut bench = wrong_address();
        live(&mut bench, 2 * Duration::from_secs(10), world);
        assert_eq!(guards(&bench), ["acs"]);
        bench.reboot(1);
        bench.start();
        assert_eq!((guards(&bench), records(&bench)), (vec!["acs".into()], 1));
        live(&mut bench, 10 * MINUTE, world);
        assert!(has(&bench, "network", left), "{}", bench.said);
        assert_eq!((guards(&bench), records(&bench)), (vec![], 0));
        assert_eq!(key(&bench), if left.starts_with('1') { "" } else { "changed" });
    }
}

#[test]
fn at_every_write_of_change_and_undo_the_power_may_go() {
    let wan = |bench: &Bench| has(bench, "network", "198.18.0.169");
    let script = |bench: &mut Bench| {
        bench.ask(&set(&[(WAN, "203.0.113.9")], "changed"));
        if bench.gone.is_none() {
            bench.nothing();
        }
        live(bench, 8 * MINUTE, lives_by_address);
    };
    let prepare = || router(DEVICE, &[("/etc/config/network", with_static_wan)]);
    let mut whole = prepare();
    let before = whole.disk.steps();
    script(&mut whole);
    assert!(wan(&whole) && key(&whole).is_empty());
    let steps = whole.disk.steps() - before;
    for cut in 0..=steps {
        let mut bench = prepare();
        bench.disk.cut_after(cut);
        script(&mut bench);
        if bench.gone == Some(Gone::Power) {
            bench.reboot(u8::try_from(cut % 5).unwrap());
            bench.start();
            let changed = !wan(&bench);
            assert_eq!(changed, !guards(&bench).is_empty(), "cut {cut} of {steps}: {}", bench.said);
            assert_eq!(key(&bench).is_empty(), !changed, "cut {cut} of {steps}");
            live(&mut bench, 10 * MINUTE, lives_by_address);
        }
        assert!(wan(&bench), "cut {cut} of {steps}: {}", bench.said);
        assert_eq!((guards(&bench), records(&bench), &*key(&bench)), (vec![], 0, ""), "cut {cut} of {steps}");
    }
}

#[test]
fn what_a_person_changed_meanwhile_stays() {
    for (from, to, undone) in [
        ("option gateway '198.18.0.1'", "option gateway '198.18.0.2'", true),
        ("203.0.113.9/24", "203.0.113.77/24", false), // the same option
    ] {
        let mut bench = wrong_address();
        let text = bench.text("/etc/config/network").unwrap();
        assert!(text.contains(from), "{text}");
        bench.disk.put("/etc/config/network", &text.replace(from, to));
        bench.event(Event::Changed(["uci:network".into()].into()));
        live(&mut bench, 10 * MINUTE, lives_by_address);
        assert!(has(&bench, "network", to), "{}", bench.said);
        assert_eq!(has(&bench, "network", "198.18.0.169"), undone);
        assert_eq!(
            (guards(&bench), &*key(&bench)),
            (vec![], ""),
            "ParameterKey says that it is no longer as it was set"
        );
        assert_eq!(bench.said.contains("changed since and stay"), !undone, "{}", bench.said);
    }
}

#[test]
fn an_undo_waits_while_somebody_s_own_rollback_is_pending() {
    let mut bench = wrong_address();
    bench.disk.put("/var/run/rpcd/snapshot-files/network", "");
    live(&mut bench, 10 * MINUTE, lives_by_address);
    assert!(has(&bench, "network", "203.0.113.9") && bench.said.contains("not undone yet"), "{}", bench.said);
    let _ = bench.disk.unlink("/var/run/rpcd/snapshot-files/network");
    live(&mut bench, MINUTE, lives_by_address);
    assert!(has(&bench, "network", "198.18.0.169"));
}

#[test]
fn status_shows_what_is_guarded_and_what_was_undone() {
    let status = |bench: &mut Bench| {
        bench.event(Event::Local(9, cpeagent::agent::local::Request::Status));
        bench.answers.pop().unwrap().get("ok").unwrap().clone()
    };
    let mut bench = wrong_address();
    let told = status(&mut bench);
    assert_eq!(told.get("guarded").unwrap().items(), [Tree::from("acs: undone in 300 s without it")]);
    assert!(told.get("last_undone").is_none());
    live(&mut bench, 10 * MINUTE, lives_by_address);
    let told = status(&mut bench);
    assert!(told.get("guarded").is_none());
    assert!(told.str("last_undone").unwrap().starts_with("acs 20"), "{told:?}");
}

#[test]
fn the_setting_switches_guards_off_also_those_under_way() {
    let off = |text: String| format!("{text}\nconfig agent 'agent'\n\toption guard '0'\n");
    let mut bench = wrong_address();
    let text = off(bench.text("/etc/config/cpeagent").unwrap());
    bench.disk.put("/etc/config/cpeagent", &text);
    bench.event(Event::Changed(["uci:cpeagent".into()].into()));
    assert_eq!((guards(&bench), records(&bench)), (vec![], 0), "{}", bench.said);
    bench.wait(MINUTE);
    bench.open();
    change(&mut bench, &[(WAN, "203.0.113.10")]);
    assert_eq!((guards(&bench), records(&bench)), (vec![], 0));
}

#[test]
fn all_of_a_session_goes_back_together_and_the_rest_of_the_router_is_not_asked() {
    let mut bench = router(DEVICE, &[("/etc/config/network", with_static_wan)]);
    let told = bench.ask(&set(&[("Device.DeviceInfo.HostName", "before")], "first"));
    assert!(told.contains("SetParameterValuesResponse") && guards(&bench).is_empty());
    let told = bench.ask(&set(&[(WAN, "203.0.113.9")], "second"));
    assert!(told.contains("SetParameterValuesResponse"));
    change(&mut bench, &[("Device.DeviceInfo.HostName", "after")]);
    assert_eq!(records(&bench), 2);
    live(&mut bench, 10 * MINUTE, lives_by_address);
    assert_eq!(&*key(&bench), "first");
    assert!(has(&bench, "system", "'before'") && has(&bench, "network", "198.18.0.169"));
}
