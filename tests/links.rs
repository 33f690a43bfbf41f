//! When a link last changed is what the running agent was told, and never a made-up zero.
#![cfg(feature = "cwmp")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/agent.rs"]
mod agent;
#[path = "common/cwmp_schema.rs"]
mod cwmp_schema;
#[path = "common/device.rs"]
mod device;

use agent::Bench;
use cpeagent::agent::Event;
use cpeagent::agent::local::Request;
use cpeagent::sorted::Set;
use std::collections::BTreeMap;
use std::time::Duration;

/// Name and LastChange of every port.
fn ports(bench: &mut Bench) -> BTreeMap<String, u64> {
    let ask = ["Device.Ethernet.Interface.*.Name", "Device.Ethernet.Interface.*.LastChange"];
    bench.event(Event::Local(1, Request::Get(ask.map(str::to_string).into())));
    let answer = bench.answers.pop().unwrap();
    let values = answer.get("ok").unwrap();
    let names = values.entries().iter().filter(|(path, _)| path.ends_with(".Name"));
    names
        .map(|(path, name)| {
            let last = values.str(&path.replace(".Name", ".LastChange")).unwrap().parse().unwrap();
            (name.as_str().unwrap().to_string(), last)
        })
        .collect()
}

#[test]
fn a_link_that_changed_counts_from_then_and_the_others_from_when_they_were_first_listened_to() {
    let mut bench = Bench::idle("wr4000-25.12");
    let before = ports(&mut bench);
    assert!(before.contains_key("lan1") && before.values().all(|last| *last == before["lan1"]));
    bench.wait(Duration::from_secs(100));
    bench.event(Event::Changed(Set::from(["nl:link".into(), "link:lan1".into()])));
    bench.wait(Duration::from_secs(40));
    let after = ports(&mut bench);
    assert_eq!(after["lan1"], 40);
    assert_eq!(after["lan2"], before["lan2"] + 140);
}
