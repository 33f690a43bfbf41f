#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::reader::{MAX_SECTIONS, allowed};
use super::table::{Kind, SECTIONS, SETTINGS, Setting};
use super::usp::{ControllerWay, Way};
use super::*;
use crate::dm::acl::Grant;
use crate::mqtt::{UserProperty, Version};

fn with(section: &str, option: &str, value: Tree) -> Tree {
    Tree::map([(section, Tree::map([(".type", Tree::from(section)), (option, value)]))])
}

fn read(section: &str, option: &str, value: &str) -> (Config, Vec<Fault>) {
    Config::read(&with(section, option, value.into()))
}

#[test]
fn no_settings_give_the_defaults_without_a_fault() {
    let (config, faults) = Config::read(&Tree::Map(Vec::new()));
    assert_eq!(faults, []);
    assert_eq!(config.acs.periodic, Some(Duration::from_secs(86_400)));
    assert_eq!(config.acs.retry, Curve { minimum_seconds: 5, multiplier: 2_000 });
    assert_eq!((config.acs.connection_request.port, config.acs.stun.max_keepalive), (7_547, None));
    assert_eq!((config.acs.url, config.acs.periodic_time, config.acs.network.mark), (None, None, None));
    assert_eq!(config.agent.empty_secret_write, EmptySecret::Ignore);
    assert_eq!(config.identity, Identity::default());
}

/// Two values for each option, both unlike its default and each other.
fn samples(setting: &Setting) -> [String; 2] {
    match setting.kind {
        Kind::Flag if setting.default == "1" => ["0".into(), "off".into()],
        Kind::Flag => ["1".into(), "yes".into()],
        Kind::Number(low, high) => {
            let fresh = |number: &i64| number.to_string() != setting.default;
            let mut some =
                [low + 1, low + 2, high].into_iter().filter(fresh).map(|number| number.to_string());
            [some.next().unwrap(), some.next().unwrap()]
        }
        Kind::Choice(words) => {
            let word = words.iter().find(|word| **word != setting.default).unwrap();
            [(*word).into(), (*word).into()]
        }
        Kind::Text(_) | Kind::Topic(_) | Kind::Secret(_) => ["one".into(), "two".into()],
        Kind::Url => ["https://a.example/x".into(), "https://[2001:db8::1]:7548/".into()],
        Kind::File => ["/etc/a.pem".into(), "/etc/b.pem".into()],
        Kind::Time => ["2026-01-01T00:00:00Z".into(), "2026-01-02T00:00:00+02:00".into()],
        Kind::Address => ["192.0.2.1".into(), "2001:db8::1".into()],
        Kind::Oui => ["00aabb".into(), "112233".into()],
        Kind::Digests => ["ab".repeat(32), "0".repeat(64)],
        Kind::Subnets => ["192.0.2.0/24 2001:db8::1".into(), "198.51.100.7".into()],
        Kind::Names => ["one two".into(), "three".into()],
        Kind::Paths => ["Device.WiFi.".into(), "Device.IP.Interface.*.Enable".into()],
        Kind::Letters => ["r--n".into(), "--x-".into()],
    }
}

/// Options of the section that another one needs to mean anything.
fn needed(kind: &str, option: &str) -> Vec<(&'static str, &'static str)> {
    match (kind, option) {
        (_, "client_cert") => vec![("client_key", "/etc/k.pem")],
        (_, "client_key") => vec![("client_cert", "/etc/c.pem")],
        ("controller_mtp", "mtp" | "topic" | "retain_response" | "retain_notify") => {
            vec![("controller", "one"), ("protocol", "MQTT")]
        }
        ("controller_mtp", name) if name != "controller" => vec![("controller", "one")],
        ("mtp", "mqtt" | "response_topic" | "publish_qos") => vec![("protocol", "MQTT")],
        ("mqtt", "clean_session") => vec![("version", "3.1.1")],
        ("mqtt", "will_enable") => vec![("will_topic", "t")],
        ("mqtt", "will_topic") => vec![("will_enable", "1")],
        ("mqtt", name) if name.starts_with("will_") => vec![("will_enable", "1"), ("will_topic", "t")],
        ("boot_parameter", "enable") => vec![("controller", "one"), ("parameter", "Device.")],
        ("boot_parameter", "parameter") => vec![("controller", "one"), ("enable", "1")],
        ("boot_parameter", _) => vec![("enable", "1"), ("parameter", "Device.")],
        ("mqtt_subscription", "enable") => vec![("mqtt", "one"), ("topic", "t")],
        ("mqtt_subscription", "topic") => vec![("mqtt", "one"), ("enable", "1")],
        ("mqtt_subscription", "qos") => vec![("mqtt", "one"), ("enable", "1"), ("topic", "t")],
        ("mqtt_subscription", _) => vec![("enable", "1"), ("topic", "t")],
        ("mqtt_user_property", "enable") => vec![("mqtt", "one"), ("name", "n")],
        ("mqtt_user_property", "name") => vec![("mqtt", "one"), ("enable", "1")],
        ("mqtt_user_property", "mqtt") => vec![("enable", "1"), ("name", "n")],
        ("mqtt_user_property", _) => vec![("mqtt", "one"), ("enable", "1"), ("name", "n")],
        ("permission", "enable") => vec![("role", "one")],
        ("permission", "role") => vec![("enable", "1")],
        ("permission", _) => vec![("role", "one"), ("enable", "1")],
        _ => Vec::new(),
    }
}

/// A package with one section of each type that others name as their parent, called `one`, and one called `two`.
fn parents(kind: &str, option: &str) -> Vec<(String, Tree)> {
    let parents = ["controller", "mqtt", "role"]
        .into_iter()
        .filter(|parent| *parent == option || needed(kind, option).iter().any(|(name, _)| name == parent));
    let mut out = Vec::new();
    for parent in parents.filter(|_| {
        ["controller_mtp", "boot_parameter", "mqtt_subscription", "mqtt_user_property", "permission"]
            .contains(&kind)
    }) {
        out.extend(["one", "two"].map(|name| (name.to_string(), Tree::map([(".type", Tree::from(parent))]))));
    }
    out
}

#[test]
fn every_option_of_the_table_reaches_a_field_and_keeps_to_its_default_where_wrong_which_nobody_may_write() {
    for setting in SETTINGS {
        let (kind, option) = (setting.section, setting.option);
        let section = if SECTIONS.iter().any(|one| one.kind == kind && one.many) { "mine" } else { kind };
        let base = |value: &str| {
            let mut entries = vec![(".type", Tree::from(kind))];
            entries.extend(needed(kind, option).into_iter().map(|(name, text)| (name, Tree::from(text))));
            entries.extend((!value.is_empty()).then(|| (option, Tree::from(value))));
            let mut package = parents(kind, option);
            package.push((section.to_string(), Tree::map(entries)));
            Config::read(&Tree::map(package))
        };
        let may_be = |value: &str| allows("uci:cpeagent", kind, option, &Tree::from(value)).is_ok();
        let unset = base("").0;
        for sample in samples(setting) {
            let (config, faults) = base(&sample);
            assert_eq!(faults, [], "{kind}.{option} {sample}");
            assert!(may_be(&sample), "{kind}.{option} {sample}");
            assert!(config != unset, "{kind}.{option} {sample} changes nothing");
        }
        let long = "\u{1}".repeat(300);
        let (config, faults) = base(&long);
        assert_eq!(config, unset, "{kind}.{option}");
        assert!(faults.iter().any(|fault| *fault.option == *option), "{kind}.{option}");
        assert!(!may_be(&long) && may_be(""), "{kind}.{option}");
        if let Kind::Text(max) | Kind::Topic(max) | Kind::Secret(max) = setting.kind {
            assert!(may_be(&"x".repeat(max)) && !may_be(&"x".repeat(max + 1)), "{kind}.{option}");
        }
        if let Kind::Topic(_) = setting.kind {
            assert!(
                may_be("a/b") && !may_be("a/+/b") && !may_be("a/#"),
                "{kind}.{option}: nothing is published there"
            );
        }
        assert!(allows("uci:network", kind, option, &Tree::from(&*long)).is_ok(), "none of ours");
        if !setting.default.is_empty() {
            assert!(allowed(setting.kind, setting.default), "{kind}.{option}: its own default");
        }
        assert!(SECTIONS.iter().any(|known| known.kind == kind));
    }
}

/// A section: type, name, options.
type Section<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

/// A package of sections.
fn package(sections: &[Section<'_>]) -> Tree {
    Tree::map(sections.iter().map(|(kind, name, options)| {
        let options = options.iter().map(|(option, value)| (*option, Tree::from(*value)));
        (*name, Tree::map([(".type", Tree::from(*kind))].into_iter().chain(options)))
    }))
}

//= TR-369 R-MTP.0
#[test]
fn sections_of_a_type_become_rows_with_the_parts_that_name_them() {
    let (config, faults) = Config::read(&package(&[
        ("controller", "acme", &[("enable", "1"), ("endpoint_id", "self::acme"), ("role", "a b")]),
        (
            "controller_mtp",
            "late",
            &[("controller", "acme"), ("order", "2"), ("protocol", "MQTT"), ("mtp", "m")],
        ),
        ("controller_mtp", "cfg0512ab", &[("controller", "acme"), ("host", "usp.example.net")]),
        ("mtp", "m", &[("protocol", "MQTT"), ("mqtt", "b")]),
        ("mqtt", "b", &[("transport", "TLS"), ("name", "Broker")]),
        ("mqtt_subscription", "s", &[("mqtt", "b"), ("enable", "1"), ("topic", "t/#"), ("qos", "1")]),
        ("mqtt_subscription", "off", &[("mqtt", "b"), ("topic", "x")]),
        (
            "mqtt_user_property",
            "p",
            &[("mqtt", "b"), ("enable", "1"), ("name", "n"), ("packet", "CONNECT WILL")],
        ),
        ("mqtt_user_property", "off", &[("mqtt", "b"), ("name", "x")]),
    ]));
    assert_eq!(faults, []);
    let controller = config.usp.controller("self::acme").unwrap();
    assert_eq!(controller.roles, ["a", "b"]);
    assert_eq!(controller.mtps.iter().map(|way| &*way.name).collect::<Vec<_>>(), ["cfg0512ab", "late"]);
    assert!(
        matches!(&controller.mtps[0].way, ControllerWay::WebSocket { host: Some(host), port: 443, encryption: true, .. } if host == "usp.example.net")
    );
    assert!(matches!(&config.usp.mtps[0].way, Way::Mqtt { broker: Some(broker), .. } if broker == "b"));
    let broker = &config.usp.brokers[0];
    assert_eq!((broker.title.as_str(), broker.encryption, broker.version), ("Broker", true, Version::V5));
    let subscriptions: Vec<_> =
        broker.subscriptions.iter().map(|own| (own.topic.as_str(), own.qos)).collect();
    assert_eq!(subscriptions, [("t/#", 1)]);
    let said: Vec<_> = broker.user.iter().map(|own| (own.name.as_str(), own.packets)).collect();
    assert_eq!(said, [("n", UserProperty::CONNECT | UserProperty::WILL)]);
}

#[test]
fn a_part_without_its_parent_and_too_many_sections_are_told() {
    let (config, faults) =
        Config::read(&package(&[("permission", "p", &[("role", "none"), ("enable", "1")])]));
    assert_eq!(
        faults.iter().map(Fault::to_string).collect::<Vec<_>>(),
        [format!("{FILE}: p.role: ignored: there is no section role of this name")]
    );
    assert_eq!(config, Config::default());
    let names: Vec<String> = (0..MAX_SECTIONS + 2).map(|n| format!("c{n}")).collect();
    let all =
        Tree::map(names.iter().map(|name| (name.as_str(), Tree::map([(".type", Tree::from("controller"))]))));
    let (config, faults) = Config::read(&all);
    assert_eq!((config.usp.controllers.len(), faults.len()), (MAX_SECTIONS, 2));
}

//= TR-369 17: disabled roles and permissions do not count.
#[test]
fn rights_are_those_of_roles_and_permissions_that_are_enabled() {
    let all: &[_] = &[
        ("role", "r"),
        ("enable", "1"),
        ("target", "Device."),
        ("param", "rwxn"),
        ("object", "rwxn"),
        ("instance", "rwxn"),
        ("command", "rwxn"),
    ];
    let off: Vec<_> = all.iter().filter(|(option, _)| *option != "enable").copied().collect();
    let some: &[_] =
        &[("role", "r"), ("enable", "1"), ("order", "7"), ("target", "Device.WiFi"), ("param", "r---")];
    for (on, permissions, want) in [
        ("1", vec![all], (Grant::ALL, Grant::ALL)),
        ("0", vec![all], (Grant::NONE, Grant::NONE)),
        ("1", vec![&off[..]], (Grant::NONE, Grant::NONE)),
        ("1", vec![all, some], (Grant { param: crate::dm::acl::Rwxn::R, ..Grant::NONE }, Grant::ALL)),
    ] {
        let role: &[_] = &[("enable", on)];
        let mut sections = vec![("role", "r", role)];
        sections.extend(
            ["p", "q"].into_iter().zip(&permissions).map(|(name, options)| ("permission", name, *options)),
        );
        let (config, faults) = Config::read(&package(&sections));
        assert_eq!(faults, []);
        let rights = config.usp.rights(["r", "missing"]);
        assert_eq!(
            (rights.supported("Device.WiFi.X"), rights.supported("Device.X")),
            want,
            "{on} {permissions:?}"
        );
        assert!(!rights.sees_secured());
    }
    let secured = package(&[("role", "r", &[("enable", "1")]), ("usp", "usp", &[("secured_role", "r")])]);
    assert!(Config::read(&secured).0.usp.rights(["r"]).sees_secured());
}

#[test]
fn wrong_values_are_told_by_place_and_reason_and_never_shown() {
    for (section, option, value) in [
        ("acs", "periodic_interval", "0"),
        ("acs", "periodic_interval", "4294967296"),
        ("acs", "periodic_interval", "1h"),
        ("acs", "retry_multiplier", "999"),
        ("acs", "enable", "2"),
        ("acs", "url", "ftp://a.example/"),
        ("acs", "url", "https://"),
        ("acs", "url", "https://:80/"),
        ("acs", "url", "https://user:hunter2@a.example/"),
        ("acs", "url", "https://a example/"),
        ("acs", "ca_file", "cert.pem"),
        ("acs", "dscp", "64"),
        ("acs", "mark", "0x-1"),
        ("acs", "source_address", "wan"),
        ("acs", "periodic_time", "noon"),
        ("acs", "pin_sha256", "abc"),
        ("acs", "password", "hunter2\n"),
        ("usp", "adoption_time", "4"),
        ("usp", "interface", "a-very-long-name"),
        ("identity", "oui", "00:11:22"),
        ("agent", "log_level", "loud"),
    ] {
        let (config, faults) = read(section, option, value);
        assert_eq!(config, Config::default(), "{option} {value:?}");
        assert_eq!(faults.len(), 1, "{option} {value:?}");
        let text = faults[0].to_string();
        assert!(
            text.starts_with(&format!("/etc/config/cpeagent: {section}.{option}: not allowed; must be ")),
            "{text}"
        );
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn a_plain_acs_needs_permission() {
    let acs = |plain: &str| {
        let entries = [(".type", "acs"), ("url", "HTTP://acs.example:7547/"), ("allow_plain_http", plain)];
        Config::read(&Tree::map([(
            "acs",
            Tree::map(entries.map(|(option, value)| (option, Tree::from(value)))),
        )]))
    };
    let (config, faults) = acs("0");
    assert_eq!((config.acs.url, faults.len()), (None, 1));
    let (config, faults) = acs("1");
    assert_eq!((config.acs.url.as_deref(), faults.len()), (Some("HTTP://acs.example:7547/"), 0));
}

#[test]
fn a_certificate_without_its_key_is_told() {
    for option in ["client_cert", "client_key"] {
        let (config, faults) = read("acs", option, "/etc/x.pem");
        assert_eq!((config.acs.tls.client, faults.len()), (None, 1));
    }
}

#[test]
fn a_text_that_was_no_utf8_is_told_and_not_used() {
    for (section, option) in [("acs", "username"), ("acs", "password"), ("identity", "serial")] {
        let text = String::from_utf8_lossy(b"a\xffb");
        let (config, faults) = read(section, option, &text);
        assert_eq!((config, faults.len()), (Config::default(), 1), "{section}.{option}");
    }
}

#[test]
fn typing_errors_in_names_are_told() {
    let section = |kind: &str, option: &str| Tree::map([(".type", Tree::from(kind)), (option, "1".into())]);
    for (name, package, want) in [
        ("acs", section("acs", "enabel"), "acs.enabel: no such option"),
        (
            "cfg01abcd",
            section("acs", "enable"),
            "cfg01abcd: ignored: a section of type acs must have the name 'acs'",
        ),
        ("acs", section("server", "enable"), "acs: its type should be acs"),
        ("acme", section("controller", "enabel"), "acme.enabel: no such option"),
        ("acs", section("controller", "enable"), "acs: its type should be acs"),
    ] {
        let faults = Config::read(&Tree::map([(name, package)])).1;
        assert_eq!(faults.iter().map(Fault::to_string).collect::<Vec<_>>(), [format!("{FILE}: {want}")]);
    }
    assert_eq!(Config::read(&Tree::map([("mine", section("vendor", "x"))])).1, []);
}

#[test]
fn digests_come_as_a_list_or_as_one_text_and_are_bounded() {
    let pin = |n: usize| format!("{n:064X}");
    let list = |count| Tree::List((0..count).map(|n| Tree::from(pin(n))).collect());
    let (config, faults) = Config::read(&with("acs", "pin_sha256", list(2)));
    assert_eq!((config.acs.tls.pins, faults.len()), (vec![pin(0), pin(1)], 0));
    assert_eq!(read("acs", "pin_sha256", &format!("{}\t{}", pin(0), pin(1))).0.acs.tls.pins.len(), 2);
    assert_eq!(Config::read(&with("acs", "pin_sha256", list(MAX_DIGESTS + 1))).1.len(), 1);
}

#[test]
fn secrets_are_not_in_the_debug_text() {
    let (config, _) = read("acs", "password", "hunter2");
    assert_eq!(config.acs.password.reveal(), "hunter2");
    assert!(!format!("{config:?}").contains("hunter2"));
}
