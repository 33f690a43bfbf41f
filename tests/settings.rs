//! The configuration file that is shipped, and the page that describes it.

#![allow(clippy::unwrap_used)]

use cpeagent::config::Config;
#[cfg(feature = "bench")]
use cpeagent::config::table::settings_page;
use cpeagent::config::usp::Usp;
use cpeagent::dm::acl::Rwxn;
use cpeagent::openwrt::uci::{Mode, parse};

const SHIPPED: &str = include_str!("../openwrt-package/cpeagent/files/cpeagent.config");

#[test]
fn the_shipped_file_holds_the_defaults_and_no_fault() {
    let tree = parse(SHIPPED.as_bytes(), Mode::Strict).unwrap().tree();
    let (config, faults) = Config::read(&tree);
    assert_eq!(faults, []);
    assert_eq!(config.usp.untrusted_role.as_deref(), Some("untrusted"));
    assert_eq!(config.usp.roles.len(), 3);
    let usp = Usp { roles: Vec::new(), untrusted_role: None, ..config.usp };
    assert_eq!(Config { usp, ..config }, Config::default());
}

//= TR-369 17: full access, reading only, and next to nothing for whoever has no role.
#[test]
fn the_shipped_roles_give_what_they_are_named_after() {
    let tree = parse(SHIPPED.as_bytes(), Mode::Strict).unwrap().tree();
    let usp = Config::read(&tree).0.usp;
    let challenge = "Device.LocalAgent.ControllerTrust.Challenge.{i}.";
    for (role, path, param, object, command) in [
        ("full", "Device.WiFi.Radio.{i}.", "rwxn", "rwxn", "rwxn"),
        ("read_only", "Device.WiFi.Radio.{i}.", "r--n", "r--n", "r--n"),
        ("untrusted", "Device.WiFi.Radio.{i}.", "----", "----", "----"),
        ("untrusted", challenge, "----", "r---", "----"),
        ("untrusted", &format!("{challenge}Description"), "r---", "----", "----"),
        ("untrusted", &format!("{challenge}Value"), "----", "r---", "----"),
        ("untrusted", "Device.LocalAgent.ControllerTrust.RequestChallenge()", "----", "----", "r-x-"),
        ("untrusted", "Device.Reboot()", "----", "----", "----"),
    ] {
        let grant = usp.rights([role]).supported(path);
        let want = [param, object, command].map(|letters| Rwxn::parse(letters).unwrap());
        assert_eq!([grant.param, grant.object, grant.command], want, "{role} {path}");
    }
    assert!(usp.rights(["full"]).is_all() && !usp.rights(["full"]).sees_secured());
}

/// A line without the mark that makes it an example; a comment in words has a blank behind the mark.
fn example(line: &str) -> &str {
    line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line)
}

#[test]
fn what_the_shipped_file_shows_as_examples_is_allowed_too() {
    let shown: String = SHIPPED.lines().map(example).map(|line| line.to_string() + "\n").collect();
    let tree = parse(shown.as_bytes(), Mode::Strict).unwrap().tree();
    let (config, faults) = Config::read(&tree);
    assert_eq!(faults, []);
    #[cfg(feature = "cwmp")]
    assert!(config.acs.url.is_some());
    assert!(config.identity.oui.is_some());
    let controller = config.usp.controllers.first().unwrap();
    assert_eq!((controller.mtps.len(), config.usp.mtps.len(), config.usp.brokers.len()), (2, 1, 1));
}

/// `BLESS=1 cargo test` writes the page anew.
#[cfg(feature = "bench")]
#[test]
fn the_settings_page_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/SETTINGS.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, settings_page()).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(path).unwrap(),
        settings_page(),
        "run with BLESS=1 and look at the difference"
    );
}
