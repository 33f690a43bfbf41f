//! The profiles of Device:2 that an operator may count on, on a router with Wi-Fi: every member is there, with the access that the profile asks for.
#![cfg(any(feature = "cwmp", all(feature = "websocket", feature = "mqtt")))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/device.rs"]
mod device;
#[path = "common/program.rs"]
mod program;

use std::collections::BTreeMap;

const DEVICE: &str = "wr4000-25.12";
const PROFILES: &str = include_str!("profiles.tsv");

/// What the program says that it has for one protocol: paths with their access.
fn model(protocol: &str) -> BTreeMap<String, String> {
    let root = device::device(DEVICE);
    let mut command = program::command();
    command.arg("--root").arg(root.path()).args(["model", "--format", "tsv", "--protocol", protocol]);
    let printed = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let words = printed.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    words.map(|words| (words[0].to_string(), words[2].to_string())).collect()
}

/// What is missing of the profiles for one protocol.
fn missing(protocol: &str) -> Vec<String> {
    let (model, mut missing) = (model(protocol), Vec::new());
    let built = |line: &&str| cfg!(feature = "mqtt") || !line.starts_with("MQTT");
    for line in PROFILES.lines().filter(|line| !line.starts_with('#')).filter(built) {
        let [profile, of, object, members] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        for member in members.split(' ').filter(|_| of == protocol) {
            let (name, access) = match member {
                "." => ("", ""),
                ".+" => ("", "createDelete"),
                member => member.strip_suffix('=').map_or((member, ""), |name| (name, "readWrite")),
            };
            let path = format!("{object}{name}");
            match model.get(&path) {
                Some(has) if access.is_empty() || has == access => {}
                // An alias of USP is written with its row.
                Some(has) if has == "writeOnceReadOnly" && access == "readWrite" => {}
                has => missing.push(format!("{profile}: {path} {access}, not {has:?}")),
            }
        }
    }
    missing
}

#[test]
#[cfg(feature = "cwmp")]
fn the_profiles_for_tr_069_are_whole() {
    assert_eq!(missing("cwmp"), Vec::<String>::new());
}

//= TR-369 R-MQTT.4: MQTTClientCon, MQTTClientSubscribe, MQTTAgent and MQTTController are there.
//= TR-369 R-MQTT.5: so is MQTTClientExtended.
//= TR-369 R-DIS.0: controllers are rows that can be set.
#[test]
#[cfg(all(feature = "websocket", feature = "mqtt"))]
fn the_profiles_for_usp_are_whole() {
    assert_eq!(missing("usp"), Vec::<String>::new());
}
