//! Recorded routers, an ACS by script, and everything the agent does in answer, held as text.
//!
//! A case is a folder of `tests/golden/cwmp`: `README` says what is proved and where it is from; `device` names the
//! router and how far it is (`new`, `started`, `idle`, `in-session`); `01-from-acs.xml` (a body, or a whole envelope) or
//! `01-event.txt` (a command a line, see [`command`]) is put in and `01-expect.txt` comes out. `BLESS=1` rewrites those;
//! read every one before it is committed.
#![cfg(feature = "cwmp")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/agent.rs"]
mod agent;
#[path = "common/cwmp_schema.rs"]
mod cwmp_schema;
#[path = "common/device.rs"]
mod device;

use agent::{Bench, envelope};
use cpeagent::agent::Event;
use cpeagent::agent::local::Request;
use cpeagent::dm::source::Source;
use cpeagent::openwrt::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Carries one line of an event file out.
///
/// | line | what happens |
/// |---|---|
/// | `start` | the program starts, or once more |
/// | `boot` | the device boots and the program starts |
/// | `timer` | time passes up to a timer by which something is done |
/// | `wait SECONDS` | time passes, with its timers |
/// | `woken` | a valid connection request |
/// | `changed SOURCE` | a source announces a change |
/// | `edit PATH FROM => TO` | a person edits a file, and the kernel says so |
/// | `meddle PATH FROM => TO` | the same, between the next plan and its commit |
/// | `put PATH TEXT` | a file appears (`\n` and `\t` in TEXT) |
/// | `gone SOURCE`, `fail SOURCE`, `back SOURCE` | a source is absent, fails, is as recorded |
/// | `informed`, `nothing`, `status CODE` | the ACS takes the Inform, has nothing, answers a bare status |
/// | `lost` | the connection breaks |
/// | `oversized OCTETS` | the ACS answers so much |
/// | `local JSON` | a request over the local socket |
fn command(bench: &mut Bench, line: &str) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let replaced = |bench: &Bench| {
        let (path, change) = rest.split_once(' ').unwrap();
        let (from, to) = change.split_once(" => ").unwrap();
        let text = bench.text(path).unwrap();
        assert!(text.contains(from), "{path} has no {from}");
        (path.to_string(), text.replacen(from, to, 1))
    };
    match word {
        "start" => bench.start(),
        "boot" => {
            bench.reboot(1);
            bench.start();
        }
        "timer" => {
            let waited = bench.timer();
            bench.said.insert_str(0, &format!("after {:.3} s\n", waited.as_secs_f64()));
        }
        "wait" => bench.wait(Duration::from_secs(rest.parse().unwrap())),
        "woken" => bench.event(Event::Woken),
        "changed" => bench.event(Event::Changed([rest.into()].into())),
        "edit" => {
            let (path, text) = replaced(bench);
            bench.disk.put(&path, &text);
            let package = path.trim_start_matches("/etc/config/");
            bench.event(Event::Changed([format!("uci:{package}").into()].into()));
        }
        "meddle" => {
            let change = replaced(bench);
            bench.meddling.push_back(change);
        }
        "put" => {
            let (path, text) = rest.split_once(' ').unwrap();
            bench.disk.put(path, &text.replace("\\n", "\n").replace("\\t", "\t"));
        }
        "gone" => drop(bench.sources.insert(rest.into(), Source::Absent)),
        "fail" => drop(bench.sources.insert(rest.into(), Source::Failed("timed out".into()))),
        "back" => drop(bench.sources.remove(rest).expect("it was away")),
        "informed" => bench.informed(),
        "nothing" => bench.nothing(),
        "status" => bench.reply(rest.parse().unwrap(), String::new()),
        "lost" => bench.event(Event::Lost("connection reset".into())),
        "oversized" => {
            let text = "x".repeat(rest.parse().unwrap());
            bench.reply(200, envelope("q", &format!("<cwmp:GetRPCMethods>{text}</cwmp:GetRPCMethods>")));
        }
        "local" => {
            let request = Request::from_tree(&json::parse(rest.as_bytes()).unwrap()).unwrap();
            bench.event(Event::Local(1, request));
        }
        _ => panic!("no command {line}"),
    }
}

fn bench(device: &str) -> Bench {
    let (name, how) = device.trim().split_once(' ').unwrap();
    match how {
        "new" => Bench::new(name),
        "idle" => Bench::idle(name),
        "in-session" => Bench::in_session(name),
        "started" => {
            let mut bench = Bench::new(name);
            bench.start();
            bench.said.clear();
            bench
        }
        _ => panic!("a device is new, started, idle or in-session, not {how}"),
    }
}

/// Runs a case; what differs.
fn run(case: &Path) -> Vec<String> {
    let mut bench = bench(&fs::read_to_string(case.join("device")).unwrap());
    assert!(fs::read_to_string(case.join("README")).unwrap().len() > 20, "{}: README", case.display());
    let mut wrong = Vec::new();
    let mut steps: Vec<PathBuf> = fs::read_dir(case).unwrap().map(|entry| entry.unwrap().path()).collect();
    steps.retain(|path| {
        path.to_str().unwrap().ends_with("-from-acs.xml") || path.to_str().unwrap().ends_with("-event.txt")
    });
    steps.sort();
    assert!(!steps.is_empty(), "{}: no steps", case.display());
    for step in steps {
        let text = fs::read_to_string(&step).unwrap();
        let name = step.file_name().unwrap().to_str().unwrap();
        let number = &name[..2];
        if name.ends_with(".xml") {
            let whole = text.starts_with("<?") || text.contains("Envelope");
            let body = if whole { text } else { envelope(&format!("acs-{number}"), text.trim_end()) };
            bench.reply(200, body);
        } else {
            text.lines().for_each(|line| command(&mut bench, line));
        }
        let said = std::mem::take(&mut bench.said);
        let expect = case.join(format!("{number}-expect.txt"));
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expect, said).unwrap();
            continue;
        }
        let want = fs::read_to_string(&expect).unwrap_or_default();
        if said != want {
            let differ = said.lines().zip(want.lines()).find(|(said, want)| said != want);
            let (said, want) = differ.unwrap_or(("another number of lines", ""));
            wrong.push(format!("{}:\n got {said}\nwant {want}", expect.display()));
        }
    }
    wrong
}

#[test]
fn golden_cases_still_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cwmp");
    let only = std::env::var("CASE").unwrap_or_default();
    let mut cases: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|case| case.to_str().unwrap().contains(&only));
    cases.sort();
    assert!(!cases.is_empty());
    let wrong: Vec<String> = cases.iter().flat_map(|case| run(case)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
