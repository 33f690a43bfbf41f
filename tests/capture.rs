//! `capture` over every recorded router: what comes out has the same shape and none of the names.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use common::device;
use cpeagent::cli::local::Local;
use cpeagent::dm::instance::Instances;
use cpeagent::dm::path::Pattern;
use cpeagent::io::clock::Clock;
use cpeagent::io::disk::RealDisk;
use cpeagent::io::source::Files;
use cpeagent::tr181;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

fn capture(root: &Path, to: &Path) {
    let root = root.to_str().unwrap();
    let code =
        cpeagent::cli::main(["cpeagent", "--root", root, "capture", to.to_str().unwrap()].map(Into::into));
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
}

/// Every path of the data model with its value.
fn values(root: &Path) -> BTreeMap<String, String> {
    let disk = RealDisk::new(root).unwrap();
    let now = Clock::still(&disk).unwrap().now();
    let files = Files::new(Arc::new(disk), true);
    let local = Local::new(tr181::model().unwrap(), files, Instances::default(), now);
    let values = local.get(&[Pattern::parse("Device.").unwrap()]).unwrap();
    values.into_iter().map(|(path, value)| (path, value.unwrap_or_else(|why| why.to_string()))).collect()
}

/// All texts below a folder, joined.
fn texts(folder: &Path) -> String {
    let mut out = String::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        out.push_str(&match entry.path().is_dir() {
            true => texts(&entry.path()),
            false => String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned(),
        });
        out.push('\n');
    }
    out
}

#[test]
fn a_captured_router_has_the_rows_of_the_router_and_the_values_that_name_nobody() {
    // What only a running agent knows is not captured.
    for name in device::routers() {
        let (from, to) = (device::device(&name), tempfile::tempdir().unwrap());
        capture(from.path(), to.path());
        let (before, after) = (values(from.path()), values(to.path()));
        assert_eq!(difference(&before, &after), [""; 0], "{name}");
    }
}

#[test]
fn a_service_without_a_package_database_is_captured_by_its_program() {
    let (from, to) = (device::device("wr4000-25.12"), tempfile::tempdir().unwrap());
    std::fs::remove_dir_all(from.path().join("lib/apk")).unwrap();
    std::fs::create_dir_all(from.path().join("usr/sbin")).unwrap();
    std::fs::write(from.path().join("usr/sbin/dnsmasq"), "a program").unwrap();
    capture(from.path(), to.path());
    let (before, after) = (values(from.path()), values(to.path()));
    let pools = "Device.DHCPv4.Server.PoolNumberOfEntries";
    assert!(before.contains_key(pools));
    assert_eq!(after.get(pools), before.get(pools));
    assert_eq!(std::fs::read(to.path().join("usr/sbin/dnsmasq")).unwrap(), b"");
}

/// What the rows of either have and the other's lack; rows that are sorted by an address may change their numbers.
fn difference(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let kept = ["Enable", "Status", "LowerLayers", "Interface", "Order"];
    let counted = |values: &BTreeMap<String, String>| {
        let mut counts: BTreeMap<String, i32> = BTreeMap::new();
        for (path, value) in values {
            let parts = path.split('.').map(|part| if part.parse::<u32>().is_ok() { "{i}" } else { part });
            let mut name = parts.collect::<Vec<_>>().join(".");
            let leaf = path.rsplit('.').next().unwrap();
            if kept.contains(&leaf) || leaf.ends_with("NumberOfEntries") {
                name.push_str(&format!(" = {value}"));
            }
            *counts.entry(name).or_default() += 1;
        }
        counts
    };
    let (mut left, right) = (counted(before), counted(after));
    for (name, count) in right {
        *left.entry(name).or_default() -= count;
    }
    left.into_iter().filter(|(_, count)| *count != 0).map(|(name, count)| format!("{count} {name}")).collect()
}

#[test]
fn no_name_address_or_secret_of_the_router_is_in_what_is_captured() {
    let (from, to) = (device::device("wr4000-25.12"), tempfile::tempdir().unwrap());
    let wireless = from.path().join("etc/config/wireless");
    let text = std::fs::read_to_string(&wireless).unwrap();
    std::fs::write(&wireless, format!("{text}\nconfig wifi-iface 'extra'\n\toption ssid \"Anna's\"\n"))
        .unwrap();
    capture(from.path(), to.path());
    let (before, after) = (texts(from.path()), texts(to.path()));
    for name in [
        "laptop",
        "phone",
        "livingroom-tv",
        "old-tablet",
        "visitor",
        "SN0123456789",
        "02:aa:bb:cc:00:01",
        "02aabbcc0001",
        "0123456789abcdefghijk",
        "Anna",
    ] {
        assert!(before.contains(name), "{name} is no longer in the recording");
        let leaks = after.lines().find(|line| {
            line.match_indices(name).any(|(at, _)| {
                let joins = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
                !joins(line[..at].chars().last()) && !joins(line[at + name.len()..].chars().next())
            })
        });
        assert_eq!(leaks, None, "{name}");
    }
}

#[test]
fn a_folder_that_holds_something_is_left_alone() {
    let (from, to) = (device::device("x86-25.12"), tempfile::tempdir().unwrap());
    std::fs::write(to.path().join("mine"), "x").unwrap();
    let (root, to_path) = (from.path().to_str().unwrap(), to.path().to_str().unwrap());
    let code = cpeagent::cli::main(["cpeagent", "--root", root, "capture", to_path].map(Into::into));
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(1)));
    assert_eq!(texts(to.path()), "x\n");
}
