#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

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
        Kind::Text(_) | Kind::Secret(_) => ["one".into(), "two".into()],
        Kind::Url => ["https://a.example/x".into(), "https://[2001:db8::1]:7548/".into()],
        Kind::File => ["/etc/a.pem".into(), "/etc/b.pem".into()],
        Kind::Time => ["2026-01-01T00:00:00Z".into(), "2026-01-02T00:00:00+02:00".into()],
        Kind::Address => ["192.0.2.1".into(), "2001:db8::1".into()],
        Kind::Oui => ["00aabb".into(), "112233".into()],
        Kind::Digests => ["ab".repeat(32), "0".repeat(64)],
    }
}

#[test]
fn every_option_of_the_table_reaches_a_field_and_keeps_to_its_default_where_wrong() {
    for setting in SETTINGS {
        let (section, option) = (setting.section, setting.option);
        // What depends on another option gets it.
        let base = |value: &str| {
            let mut entries = vec![(".type", Tree::from(section))];
            match option {
                "periodic_interval" => {}
                "client_cert" => entries.push(("client_key", "/etc/k.pem".into())),
                "client_key" => entries.push(("client_cert", "/etc/c.pem".into())),
                _ => {}
            }
            entries.extend((!value.is_empty()).then(|| (option, Tree::from(value))));
            Config::read(&Tree::map([(section, Tree::map(entries))]))
        };
        let unset = base("").0;
        for sample in samples(setting) {
            let (config, faults) = base(&sample);
            assert_eq!(faults, [], "{section}.{option} {sample}");
            assert!(config != unset, "{section}.{option} {sample} changes nothing");
        }
        let long = "\u{1}".repeat(300);
        let (config, faults) = base(&long);
        assert_eq!(config, unset, "{section}.{option}");
        assert!(faults.iter().any(|fault| *fault.option == *option), "{section}.{option}");
        if !setting.default.is_empty() {
            assert!(allowed(setting, setting.default), "{section}.{option}: its own default");
        }
        assert!(SECTIONS.iter().any(|(name, _)| *name == section));
    }
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
