//! Diagnostics that an ACS asks for: the whole agent, with measuring played by the test.
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
use cpeagent::diag::transfer::{self, Measured};
use cpeagent::diag::{COMPLETE, Task, Verdict};
use cpeagent::time::{UNKNOWN, Wall};
use std::time::Duration;

const DEVICE: &str = "wr4000-25.12";
const PING: &str = "Device.IP.Diagnostics.IPPing.";
const ROUTE: &str = "Device.IP.Diagnostics.TraceRoute.";
const DOWNLOAD: &str = "Device.IP.Diagnostics.DownloadDiagnostics.";
const UPLOAD: &str = "Device.IP.Diagnostics.UploadDiagnostics.";

fn set(object: &str, values: &[(&str, &str)]) -> String {
    let rows: String = values
        .iter()
        .map(|(name, value)| {
            format!("<ParameterValueStruct><Name>{object}{name}</Name><Value>{value}</Value></ParameterValueStruct>")
        })
        .collect();
    format!(
        "<cwmp:SetParameterValues><ParameterList soapenc:arrayType=\"cwmp:ParameterValueStruct[{}]\">{rows}</ParameterList>\
         <ParameterKey/></cwmp:SetParameterValues>",
        values.len()
    )
}

fn value(bench: &mut Bench, path: &str) -> String {
    let ask = format!(
        "<cwmp:GetParameterValues><ParameterNames><string>{path}</string></ParameterNames></cwmp:GetParameterValues>"
    );
    let answer = bench.ask(&ask);
    let (_, rest) = answer.split_once("<Value").unwrap_or_else(|| panic!("{path}: {answer}"));
    let (_, rest) = rest.split_once('>').unwrap();
    rest.split('<').next().unwrap().to_string()
}

fn state(bench: &mut Bench, object: &str) -> String {
    value(bench, &format!("{object}DiagnosticsState"))
}

fn told(bench: &Bench) -> bool {
    bench.posted.iter().any(|text| text.contains("<EventCode>8 DIAGNOSTICS COMPLETE</EventCode>"))
}

/// Asks for a ping of `Host` in a session, which ends.
fn ping(bench: &mut Bench) -> u64 {
    let answer = bench.ask(&set(PING, &[("Host", "127.0.0.1"), ("DiagnosticsState", "Requested")]));
    assert!(answer.contains("SetParameterValuesResponse"), "{answer}");
    bench.nothing();
    bench.orders.last().unwrap().id
}

fn done(bench: &mut Bench, id: u64, count: &str) {
    let verdict = Verdict::new(COMPLETE, [("SuccessCount", count.into())]);
    bench.event(Event::Diagnosed(id, verdict));
}

//= TR-181 DiagnosticsState: tests begin when the session is over.
//= TR-069 3.7.1.5: 8 DIAGNOSTICS COMPLETE tells that a test of the ACS has ended, however it did.
#[test]
fn a_requested_test_begins_after_the_session_and_its_end_is_told() {
    let mut bench = Bench::in_session(DEVICE);
    let answer = bench
        .ask(&set(PING, &[("DiagnosticsState", "Requested"), ("Host", "127.0.0.1"), ("Timeout", "700")]));
    assert!(answer.contains("SetParameterValuesResponse"), "{answer}");
    assert_eq!(state(&mut bench, PING), "Requested");
    assert!(bench.orders.is_empty(), "not in the session");
    bench.nothing();
    let [order] = bench.orders.as_slice() else { panic!("{:?}", bench.orders) };
    let Task::Ping(ask) = &order.task else { panic!("{order:?}") };
    assert_eq!((ask.host.as_str(), ask.wait.as_millis(), ask.count), ("127.0.0.1", 700, 3));
    done(&mut bench, 1, "3");
    assert!(told(&bench));
    bench.informed();
    assert_eq!(
        (state(&mut bench, PING).as_str(), value(&mut bench, &format!("{PING}SuccessCount")).as_str()),
        ("Complete", "3")
    );
}

//= TR-181 DiagnosticsState: writing any other parameter of the object ends a test under way and leaves None.
#[test]
fn a_written_argument_ends_a_test_and_what_it_would_have_told() {
    let mut bench = Bench::in_session(DEVICE);
    let id = ping(&mut bench);
    bench.open();
    assert!(bench.ask(&set(PING, &[("NumberOfRepetitions", "9")])).contains("SetParameterValuesResponse"));
    assert!(bench.said.contains(&format!("stopped diagnosis {id}")), "{}", bench.said);
    assert_eq!(state(&mut bench, PING), "None");
    bench.nothing();
    bench.posted.clear();
    done(&mut bench, id, "3");
    assert!(!told(&bench) && bench.orders.len() == 1);
}

//= TR-181 DiagnosticsState: writing any other parameter of the object ends a test under way and leaves None.
//= TR-181 DiagnosticsState: Requested starts the test, anew if it was under way.
#[test]
fn results_stay_when_the_state_is_reset_and_a_test_can_be_asked_for_again() {
    let mut bench = Bench::in_session(DEVICE);
    let first = ping(&mut bench);
    bench.open();
    let second = ping(&mut bench);
    assert!(second != first && bench.said.contains(&format!("stopped diagnosis {first}")), "{}", bench.said);
    done(&mut bench, first, "7");
    assert!(!told(&bench), "of the one that was stopped");
    done(&mut bench, second, "3");
    bench.informed();
    assert!(bench.ask(&set(PING, &[("Host", "::1")])).contains("SetParameterValuesResponse"));
    assert_eq!(state(&mut bench, PING), "None");
    assert_eq!(value(&mut bench, &format!("{PING}SuccessCount")), "3");
}

//= TR-181 DiagnosticsState: results and state last until the next run or restart.
#[test]
fn a_restart_forgets_a_test_and_keeps_its_arguments() {
    let mut bench = Bench::in_session(DEVICE);
    ping(&mut bench);
    bench.start();
    bench.informed();
    assert_eq!(
        (state(&mut bench, PING).as_str(), value(&mut bench, &format!("{PING}Host")).as_str()),
        ("None", "127.0.0.1")
    );
    bench.nothing();
    assert_eq!(bench.orders.len(), 1, "nothing begins by itself");
}

//= TR-181 DiagnosticsState: only Requested and Canceled are for the ACS to write.
#[test]
fn states_that_only_the_device_has_are_refused() {
    let mut bench = Bench::in_session(DEVICE);
    for word in ["Complete", "Error_Internal", "None", "Kit"] {
        let answer = bench.ask(&set(PING, &[("DiagnosticsState", word)]));
        assert!(answer.contains("<FaultCode>9007</FaultCode>"), "{word}: {answer}");
    }
}

//= TR-181 IP.Diagnostics.DownloadDiagnostics.EthernetPriority: the priority of the frames, beside the code point.
//= TR-143 4.1: TCPOpenRequestTime is when the connection was asked for, TCPOpenResponseTime when it stood.
#[test]
fn a_transfer_is_run_with_its_priority_and_tells_when_its_connection_was_made() {
    for (object, url, octets) in
        [(DOWNLOAD, "DownloadURL", "TestBytesReceived"), (UPLOAD, "UploadURL", "TestBytesSent")]
    {
        let mut bench = Bench::in_session(DEVICE);
        let refused = bench.ask(&set(object, &[("EthernetPriority", "8")]));
        assert!(refused.contains("<FaultCode>9007</FaultCode>"), "{refused}");
        let unknown = value(&mut bench, &format!("{object}TCPOpenRequestTime"));
        assert_eq!(
            (value(&mut bench, &format!("{object}EthernetPriority")).as_str(), &*unknown),
            ("0", UNKNOWN)
        );
        let upload = object == UPLOAD;
        let asked = [
            (url, "http://127.0.0.1/file"),
            ("EthernetPriority", "5"),
            ("DiagnosticsState", "Requested"),
            ("TestFileLength", "40"),
        ];
        let answer = bench.ask(&set(object, &asked[..if upload { 4 } else { 3 }]));
        assert!(answer.contains("SetParameterValuesResponse"), "{answer}");
        bench.nothing();
        let order = bench.orders.last().unwrap();
        let Task::Transfer(ask) = &order.task else { panic!("{order:?}") };
        assert_eq!((ask.priority, ask.upload.is_some()), (5, upload));
        let moments = [0, 1, 2, 3, 4].map(Duration::from_secs);
        let [asked, stood, request, first, last] = moments;
        let start = Some(Wall::at(1_700_000_000));
        let used = [127, 0, 0, 1].into();
        let measured = Measured { used, start, asked, stood, request, first, last, octets: 40 };
        bench.event(Event::Diagnosed(order.id, transfer::verdict(upload, &measured)));
        bench.informed();
        for (name, want) in [
            ("TCPOpenRequestTime", "2023-11-14T22:13:20Z"),
            ("TCPOpenResponseTime", "2023-11-14T22:13:21Z"),
            ("EOMTime", "2023-11-14T22:13:24Z"),
            (octets, "40"),
        ] {
            assert_eq!(value(&mut bench, &format!("{object}{name}")), want, "{name}");
        }
    }
}

#[test]
fn hops_are_rows_of_the_last_run() {
    let mut bench = Bench::in_session(DEVICE);
    bench.ask(&set(ROUTE, &[("Host", "127.0.0.1"), ("DiagnosticsState", "Requested")]));
    bench.nothing();
    let id = bench.orders.last().unwrap().id;
    let hops = [
        ("RouteHops.1.Host", "192.0.2.1".into()),
        ("RouteHops.2.Host", "192.0.2.2".into()),
        ("RouteHops.2.RTTimes", "4,6".into()),
    ];
    bench.event(Event::Diagnosed(id, Verdict::new(COMPLETE, hops)));
    bench.informed();
    for (name, want) in
        [("RouteHopsNumberOfEntries", "2"), ("RouteHops.1.Host", "192.0.2.1"), ("RouteHops.2.RTTimes", "4,6")]
    {
        assert_eq!(value(&mut bench, &format!("{ROUTE}{name}")), want, "{name}");
    }
}

#[test]
fn a_test_that_cannot_be_run_ends_at_once_with_an_error() {
    let mut bench = Bench::in_session(DEVICE);
    // No host at all, and an interface that is none.
    for values in [
        &[("DiagnosticsState", "Requested")][..],
        &[("Host", "a"), ("Interface", "Device.IP.Interface.99"), ("DiagnosticsState", "Requested")],
    ] {
        let answer = bench.ask(&set(PING, values));
        assert!(answer.contains("SetParameterValuesResponse"), "{answer}");
        bench.posted.clear();
        bench.nothing();
        assert!(told(&bench) && bench.orders.is_empty());
        bench.informed();
        assert_eq!(state(&mut bench, PING), "Error_Other");
    }
}
