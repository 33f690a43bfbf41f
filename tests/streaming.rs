//! A whole tree of ten thousand parameters goes out in pieces, as long as announced, every row once.
#![cfg(feature = "cwmp")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/agent.rs"]
mod agent;
#[path = "common/cwmp_schema.rs"]
mod cwmp_schema;
#[path = "common/device.rs"]
mod device;

use agent::Bench;
use std::collections::BTreeSet;

/// The rows an envelope announces.
fn announced(envelope: &str) -> usize {
    let rest = envelope.split_once("ParameterList soap-enc:arrayType=").unwrap().1;
    rest.split_once('[').unwrap().1.split(']').next().unwrap().parse().unwrap()
}

fn names(envelope: &str) -> Vec<&str> {
    envelope.split("<Name>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect()
}

// The pieces and the announced length are held by the bench, for every long list that a test makes go out.
//= TR-069 A.3.2.2: the whole tree in one answer.
#[test]
fn ten_thousand_parameters_are_told_in_pieces_each_once() {
    let mut bench = Bench::in_session("wr4000-25.12");
    bench.enlarge(500, 300);
    let values = bench.ask(
        "<cwmp:GetParameterValues><ParameterNames><string>Device.</string></ParameterNames></cwmp:GetParameterValues>",
    );
    let rows = names(&values);
    assert!(rows.len() >= 10_000, "only {} parameters", rows.len());
    assert_eq!(rows.len(), announced(&values));
    assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), rows.len(), "each once");
    // The other two lists go the same way, and agree on what there is.
    let told = bench.ask(
        "<cwmp:GetParameterAttributes><ParameterNames><string></string></ParameterNames></cwmp:GetParameterAttributes>",
    );
    assert_eq!(names(&told), rows);
    let listed = bench.ask(
        "<cwmp:GetParameterNames><ParameterPath></ParameterPath><NextLevel>0</NextLevel></cwmp:GetParameterNames>",
    );
    let listed = names(&listed);
    let parameters: Vec<&str> = listed.iter().filter(|name| !name.ends_with('.')).copied().collect();
    assert_eq!(parameters, rows);
}

#[test]
fn the_whole_tree_needs_no_source_that_its_parts_do_not_need() {
    let values = |paths: &[&str]| -> String {
        let paths: String = paths.iter().map(|path| format!("<string>{path}</string>")).collect();
        format!("<cwmp:GetParameterValues><ParameterNames>{paths}</ParameterNames></cwmp:GetParameterValues>")
    };
    let (mut whole, mut parts) = (Bench::in_session("wr4000-25.12"), Bench::in_session("wr4000-25.12"));
    whole.ask(&values(&["Device."]));
    let below = parts.ask(
        "<cwmp:GetParameterNames><ParameterPath>Device.</ParameterPath><NextLevel>1</NextLevel></cwmp:GetParameterNames>",
    );
    parts.ask(&values(&names(&below)));
    assert!(whole.fetched.contains("nl:link"));
    assert_eq!(whole.fetched, parts.fetched);
}

//= TR-069 A.3.2.2
#[test]
fn what_is_asked_for_twice_is_told_twice_and_in_the_order_asked_for() {
    let mut bench = Bench::in_session("wr4000-25.12");
    let ask = |bench: &mut Bench, paths: &[&str]| {
        let paths: String = paths.iter().map(|path| format!("<string>{path}</string>")).collect();
        let body = format!(
            "<cwmp:GetParameterValues><ParameterNames>{paths}</ParameterNames></cwmp:GetParameterValues>"
        );
        let told = bench.ask(&body);
        names(&told).into_iter().map(str::to_string).collect::<Vec<_>>()
    };
    let all = ask(&mut bench, &["Device."]);
    let some = ask(&mut bench, &["Device.DeviceInfo."]);
    let one = "Device.DeviceInfo.SerialNumber".to_string();
    assert!(some.len() > 20 && all.len() > 20 * some.len() / 10);
    let told = ask(&mut bench, &["Device.DeviceInfo.", "Device.", &one, "Device.DeviceInfo.", &one]);
    assert_eq!(told, [some.clone(), all, vec![one.clone()], some, vec![one]].concat());
}
