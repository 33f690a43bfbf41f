//! The demo's story, told with the scripted CPE, and the whole of it with the program as the agent.

use std::io;
use std::time::Duration;

use cpeagent::bench::acs::{Acs, Settings};
use cpeagent::bench::auth::Login;
use cpeagent::bench::demo::{Agent, Report, run};

use super::cpe::{Cpe, Style};
use super::mosquitto::Broker;
use super::program;

struct Scripted(Style);

impl Agent for Scripted {
    async fn start(&mut self, acs_url: &str) -> io::Result<()> {
        let mut cpe = Cpe::new(acs_url);
        cpe.style = self.0.clone();
        tokio::spawn(cpe.live());
        Ok(())
    }
}

async fn told(style: Style) -> (Report, Vec<String>) {
    let wake = Some(Login::new("acs", "wake-me"));
    let settings = Settings { wake, linger: Duration::from_secs(10), ..Settings::default() };
    let acs = Acs::start(settings).await.unwrap();
    let mut lines = Vec::new();
    let report = run(&acs, &mut Scripted(style), &mut |step| lines.push(step.to_string())).await.unwrap();
    (report, lines)
}

#[tokio::test]
async fn a_good_device_passes_every_step_and_each_is_told_as_it_happens() {
    let (report, lines) = told(Style::default()).await;
    assert!(report.passed(), "{lines:#?} {:#?}", report.remarks);
    assert_eq!(report.exit_code(), 0);
    let names: Vec<_> = report.steps.iter().map(|s| s.name).collect();
    assert_eq!(
        names,
        [
            "bootstrap",
            "read the tree",
            "change an SSID",
            "add a port mapping",
            "provoke a fault",
            "wake by connection request"
        ]
    );
    assert!(lines.len() == 6 && lines.iter().all(|l| l.starts_with('✓')), "{lines:#?}");
}

#[tokio::test]
async fn a_device_that_sets_half_of_a_refused_call_fails_that_step_only() {
    //= TR-069 A.3.2.1: all or nothing.
    let (report, lines) = told(Style { half_sets: true, ..Style::default() }).await;
    let failed: Vec<_> = report.steps.iter().filter(|s| s.outcome.is_err()).map(|s| s.name).collect();
    assert_eq!((failed, report.exit_code()), (vec!["provoke a fault"], 1), "{lines:#?}");
}

#[tokio::test]
async fn a_breach_that_the_acs_remarked_fails_the_story() {
    let (report, lines) = told(Style { sloppy: true, ..Style::default() }).await;
    assert!(!report.passed() && !report.remarks.is_empty(), "{lines:#?}");
}

#[tokio::test]
async fn the_program_passes_every_step_through_a_broker_of_its_own_and_through_another() {
    every_step_passes(&[]);
    let Some(broker) = Broker::start().await else { return };
    every_step_passes(&["--broker", &format!("127.0.0.1:{}", broker.port)]);
}

fn every_step_passes(more: &[&str]) {
    let told = program::command().args(["demo", "--once"]).args(more).output().unwrap();
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(told.status.success(), "{text}");
    let step = |line: &str| Some(line.strip_prefix("✓ ")?.split_once(": ")?.0.to_owned());
    let steps: Vec<_> = text.lines().filter_map(step).collect();
    assert_eq!(
        steps,
        [
            "bootstrap",
            "read the tree",
            "change an SSID",
            "add a port mapping",
            "provoke a fault",
            "wake by connection request",
            "connect over USP",
            "read over USP what the ACS set",
            "change it over USP, the ACS watching",
            "be told over USP of what the ACS changes",
            "add and delete a row over USP",
            "provoke an error over USP",
            "connect over MQTT",
            "subscribe over MQTT",
            "change it over the WebSocket, all watching",
            "change it over MQTT, all watching",
            "read over MQTT what was set",
        ],
        "{text}"
    );
}

#[test]
fn a_broker_that_is_no_address_is_refused_and_one_that_is_not_there_is_told() {
    for (broker, status, why) in [
        ("localhost", 2, "localhost is no address with a port"),
        ("127.0.0.1:1", 4, "the broker at 127.0.0.1:1"),
    ] {
        let told = program::command().args(["demo", "--once", "--broker", broker]).output().unwrap();
        assert_eq!(told.status.code(), Some(status), "{broker}");
        assert!(String::from_utf8(told.stderr).unwrap().contains(why), "{broker}");
    }
}
