#![allow(clippy::unwrap_used)]

use super::*;

fn section(kind: &str, options: &[(&str, &str)]) -> Tree {
    let options = options.iter().map(|(option, value)| (*option, Tree::from(*value)));
    Tree::map([(".type", Tree::from(kind))].into_iter().chain(options))
}

/// A router whose way out is `wan`; `guest` is another network.
fn package(source: &str) -> Option<Tree> {
    let sections: &[(&str, Tree)] = match source {
        "uci:network" => &[
            ("wan", section("interface", &[("proto", "pppoe"), ("device", "eth1.7")])),
            ("guest", section("interface", &[("proto", "static")])),
            ("cfg030f15", section("device", &[("name", "eth1.7")])),
        ],
        "uci:wireless" => &[
            ("radio0", section("wifi-device", &[])),
            ("radio1", section("wifi-device", &[])),
            ("uplink", section("wifi-iface", &[("device", "radio0"), ("network", "wan"), ("mode", "sta")])),
            ("home", section("wifi-iface", &[("device", "radio1"), ("network", "lan")])),
        ],
        "uci:firewall" => &[
            ("defaults", section("defaults", &[])),
            ("outside", section("zone", &[("name", "outside"), ("network", "wan wan6")])),
            ("inside", section("zone", &[("name", "inside"), ("network", "lan")])),
            ("in", section("rule", &[("src", "outside")])),
            ("through", section("rule", &[("src", "inside"), ("dest", "outside")])),
            ("own", section("rule", &[("dest", "outside")])),
            ("map", section("redirect", &[("src", "outside")])),
        ],
        "uci:dhcp" => &[("main", section("dnsmasq", &[])), ("lan", section("dhcp", &[]))],
        "uci:cpeagent" => &[
            ("acs", section("acs", &[])),
            ("one", section("controller", &[("endpoint_id", "self::one")])),
            ("two", section("controller", &[("endpoint_id", "self::two")])),
            (
                "one_ws",
                section("controller_mtp", &[("controller", "one"), ("host", "usp.example"), ("enable", "1")]),
            ),
            (
                "two_mqtt",
                section(
                    "controller_mtp",
                    &[("controller", "two"), ("protocol", "MQTT"), ("mtp", "m"), ("enable", "1")],
                ),
            ),
            ("m", section("mtp", &[("protocol", "MQTT"), ("mqtt", "b"), ("enable", "1")])),
            ("b", section("mqtt", &[("broker", "mqtt.example"), ("enable", "1"), ("interface", "wwan")])),
            ("topic", section("mqtt_subscription", &[("mqtt", "b")])),
            ("said", section("mqtt_user_property", &[("mqtt", "b")])),
        ],
        _ => return None,
    };
    Some(Tree::map(sections.iter().cloned()))
}

fn config() -> Config {
    Config::read(&package("uci:cpeagent").unwrap()).0
}

fn set(source: &str, section: &str, option: &str, new: &str) -> Edit {
    let change = Change::Set { option: option.into(), old: None, new: Some(new.into()) };
    Edit { source: source.into(), section: section.into(), change }
}

fn judge(edits: &[Edit], manager: Manager<'_>) -> (bool, bool) {
    let sources = ["uci:network", "uci:wireless", "uci:firewall", "uci:dhcp", "uci:cpeagent"];
    let packages: Map<&str, Tree> = sources.iter().map(|it| (*it, package(it).unwrap())).collect();
    let touched = touched(edits, |source| packages.get(source), manager, &config());
    (touched.way, touched.own)
}

#[cfg(feature = "cwmp")]
#[test]
fn what_is_on_the_way_to_the_acs_is_guarded_and_the_rest_is_not() {
    for (source, section, option, new, way) in [
        ("uci:network", "wan", "password", "x", true),
        ("uci:network", "wan", "mtu", "9", true),
        ("uci:network", "guest", "ipaddr", "192.0.2.1", true), // it may be the network that wan has
        ("uci:network", "guest", "mtu", "1400", false),
        ("uci:network", "cfg030f15", "vid", "8", true),
        ("uci:wireless", "uplink", "key", "12345678", true),
        ("uci:wireless", "radio0", "channel", "36", true),
        ("uci:wireless", "home", "key", "12345678", false),
        ("uci:wireless", "radio1", "channel", "36", false),
        ("uci:wireless", "home", "network", "wan", true),
        ("uci:firewall", "defaults", "output", "DROP", true),
        ("uci:firewall", "outside", "output", "DROP", true),
        ("uci:firewall", "inside", "input", "DROP", false),
        ("uci:firewall", "inside", "network", "lan wan", true),
        ("uci:firewall", "in", "target", "DROP", true),
        ("uci:firewall", "own", "target", "DROP", true),
        ("uci:firewall", "through", "target", "DROP", false),
        ("uci:firewall", "map", "dest_ip", "192.0.2.1", false),
        ("uci:dhcp", "main", "port", "0", true),
        ("uci:dhcp", "lan", "start", "9", false),
        ("uci:system", "cfg01", "hostname", "x", false),
        ("agent:state", "agent", "parameter_key", "x", false),
    ] {
        let judged = judge(&[set(source, section, option, new)], Manager::Acs);
        assert_eq!(judged, (way, false), "{source} {section}.{option}");
    }
}

#[test]
fn what_is_known_of_a_manager_is_guarded_for_himself_alone() {
    use Manager::{Acs, Controller};
    for (section, option, manager, own) in [
        ("acs", "url", Acs, true),
        ("acs", "password", Acs, true),
        ("acs", "periodic_interval", Acs, false),
        ("acs", "enable", Acs, false), // a clear wish
        ("acs", "url", Controller("one"), false),
        ("one", "endpoint_id", Controller("one"), true),
        ("one", "periodic_interval", Controller("one"), false),
        ("two", "endpoint_id", Controller("one"), false),
        ("one_ws", "host", Controller("one"), true),
        ("one_ws", "host", Controller("two"), false),
        ("b", "password", Controller("two"), true),
        ("b", "password", Controller("one"), false),
        ("m", "mqtt", Controller("two"), true),
        ("topic", "topic", Controller("two"), true),
        ("said", "value", Controller("two"), true),
    ] {
        let judged = judge(&[set("uci:cpeagent", section, option, "x")], manager);
        assert_eq!(judged, (false, own), "{section}.{option} by {manager:?}");
    }
}

#[test]
fn sections_that_come_go_or_get_their_first_name_are_known_by_their_type() {
    let edit =
        |source: &str, section: &str, change| Edit { source: source.into(), section: section.into(), change };
    let add = |kind: &str| Change::Add { kind: kind.into() };
    let remove =
        |source, name: &str| Change::Remove { old: package(source).unwrap().get(name).unwrap().clone() };
    for (edits, way) in [
        (vec![edit("uci:network", "r1", add("route"))], true),
        (vec![edit("uci:network", "cfg030f15", remove("uci:network", "cfg030f15"))], true),
        (vec![edit("uci:firewall", "map", remove("uci:firewall", "map"))], false),
        (vec![edit("uci:firewall", "own", remove("uci:firewall", "own"))], true),
        (vec![edit("uci:firewall", "r", add("redirect")), set("uci:firewall", "r", "src", "outside")], false),
        (vec![edit("uci:firewall", "r", add("rule")), set("uci:firewall", "r", "target", "DROP")], true),
        (vec![edit("uci:firewall", "cfg030f15", Change::Rename { to: "named".into() })], false),
        (
            vec![
                edit("uci:network", "cfg030f15", Change::Rename { to: "named".into() }),
                set("uci:network", "named", "mtu", "1400"),
            ],
            true,
        ),
    ] {
        assert_eq!(judge(&edits, Manager::Acs), (way, false), "{edits:?}");
    }
}

#[cfg(feature = "cwmp")]
#[test]
fn the_acs_is_where_its_url_says() {
    let mut config = config();
    for (url, want) in [
        ("https://acs.example:7547/cwmp?x", "acs.example"),
        ("http://user@192.0.2.1/", "192.0.2.1"),
        ("https://[2001:db8::1]:443/", "2001:db8::1"),
        ("https://acs.example", "acs.example"),
    ] {
        config.acs.url = Some(url.into());
        assert_eq!(Manager::Acs.place(&config), ("wan".into(), want.into()), "{url}");
    }
}

#[test]
fn a_controller_is_where_its_settings_say() {
    for (controller, want) in
        [("one", ("wan", "usp.example")), ("two", ("wwan", "mqtt.example")), ("none", ("wan", ""))]
    {
        let (interface, host) = Manager::Controller(controller).place(&config());
        assert_eq!((&*interface, &*host), want, "{controller}");
    }
}
