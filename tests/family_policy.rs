//! What the objects about the device, its firewall, its hosts and its users say of each recorded router.
//!
//! `BLESS=1 cargo test --test family_policy` writes the golden texts anew; each line is to be read before it is kept.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use common::device::device;
use cpeagent::cli::local::Local;
use cpeagent::dm::instance::Instances;
use cpeagent::dm::path::Pattern;
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
