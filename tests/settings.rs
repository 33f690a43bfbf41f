//! The configuration file that is shipped, and the page that describes it.

#![allow(clippy::unwrap_used)]

use cpeagent::config::Config;
use cpeagent::config::table::settings_page;
use cpeagent::openwrt::uci::{Mode, parse};

const SHIPPED: &str = include_str!("../openwrt-package/files/cpeagent.config");

#[test]
fn the_shipped_file_holds_the_defaults_and_no_fault() {
    let tree = parse(SHIPPED.as_bytes(), Mode::Strict).unwrap().tree();
    assert_eq!(Config::read(&tree), (Config::default(), vec![]));
}

#[test]
fn what_the_shipped_file_shows_as_examples_is_allowed_too() {
    let shown: String =
        SHIPPED.lines().map(|line| line.strip_prefix("#\t").unwrap_or(line).to_string() + "\n").collect();
    let tree = parse(shown.as_bytes(), Mode::Strict).unwrap().tree();
    let (config, faults) = Config::read(&tree);
    assert_eq!(faults, []);
    assert!(config.acs.url.is_some() && config.identity.oui.is_some());
}

/// `BLESS=1 cargo test` writes the page anew.
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
