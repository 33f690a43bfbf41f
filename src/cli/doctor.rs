//! `doctor`: what stands between this router and its manager, in words, and what to do about it.
//!
//! Looks at one thing after the other, from the settings to the manager's answer; what lies behind a
//! thing that is wrong is not looked at. Changes nothing and tells the manager nothing about the device.

use super::router::Router;
use super::socket::Socket;
use super::{Done, Fail, Global};
use crate::config::Config;
use crate::dm::draft::OWN;
use crate::dm::source::Source;
use crate::dm::tree::Tree;
use crate::io::clock::Clock;
use crate::io::disk::Disk;
use crate::openwrt::json;
use crate::sorted::Set;

#[cfg_attr(feature = "cwmp", path = "doctor/acs.rs")]
#[cfg_attr(not(feature = "cwmp"), path = "doctor/controllers.rs")]
mod manager;

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Good,
    /// Sessions work, but somebody should know.
    Doubtful,
    /// Sessions cannot work.
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug)]
struct Finding {
    what: &'static str,
    state: State,
    text: String,
    /// What to do.
    advice: &'static str,
}

fn good(what: &'static str, text: impl Into<String>) -> Finding {
    Finding { what, state: State::Good, text: text.into(), advice: "" }
}

fn doubtful(what: &'static str, text: impl Into<String>, advice: &'static str) -> Finding {
    Finding { what, state: State::Doubtful, text: text.into(), advice }
}

fn wrong(what: &'static str, text: impl Into<String>, advice: &'static str) -> Finding {
    Finding { what, state: State::Wrong, text: text.into(), advice }
}

/// Looks at everything and says what is wrong; refused if something is.
pub(super) fn doctor(global: &Global) -> Result<Done, Fail> {
    let router = Router::open(global)?;
    let mut findings = Vec::new();
    look(&router, &mut findings);
    let bad = findings.iter().filter(|finding| finding.state == State::Wrong).count();
    let fail = (bad > 0).then(|| Fail::Refused(manager::HOPELESS.into()));
    let text = if global.json { json_of(&findings) } else { findings.iter().map(words).collect() };
    Ok(Done { fail, ..Done::from(text) })
}

fn look(router: &Router, findings: &mut Vec<Finding>) {
    let Some(config) = settings(router, findings) else { return };
    keys(router, &config, findings);
    findings.push(agent(router));
    findings.push(clock(router));
    findings.push(way(&router.source("nl:route")));
    manager::reach(router, &config, findings);
}

fn settings(router: &Router, findings: &mut Vec<Finding>) -> Option<Config> {
    let package = match router.source(OWN) {
        Source::Ready(package) => package,
        Source::Absent => {
            findings.push(wrong("settings", "there is no /etc/config/cpeagent", "install the package again"));
            return None;
        }
        Source::Failed(why) => {
            findings.push(wrong("settings", why, "mend the line; `uci show cpeagent` says the same"));
            return None;
        }
    };
    let (config, faults) = Config::read(&package);
    for fault in &faults {
        let place = format!("cpeagent.{}.{}: {}", fault.section, fault.option, fault.why);
        findings.push(doubtful(
            "settings",
            place,
            "the default is used; docs/SETTINGS.md lists what is allowed",
        ));
    }
    manager::settings(&package, &config, findings).then_some(config)
}

/// Tells of keys of this device that are not its own any more.
fn keys(router: &Router, config: &Config, findings: &mut Vec<Finding>) {
    let keys = [
        #[cfg(feature = "cwmp")]
        &config.acs.tls,
        &config.usp.tls,
    ];
    let keys = keys.into_iter().filter_map(|tls| tls.client.as_ref());
    for key in keys.map(|(_, key)| key).collect::<Set<_>>() {
        if router.disk.stat(key).is_ok_and(|stat| stat.mode & 0o004 != 0) {
            let text = format!("{key} can be read by every user of this router");
            findings.push(doubtful("key", text, "put it into /etc/cpeagent, and: chmod 600"));
        }
    }
}

fn agent(router: &Router) -> Finding {
    match Socket::reach(&router.disk)
        .and_then(|agent| agent.map(|mut a| a.ask("status", Tree::from(""))).transpose())
    {
        Ok(Some(status)) => match status.str("last_failure") {
            Some(why) => doubtful("agent", format!("runs; its last session failed: {why}"), "see below"),
            None => good("agent", "runs"),
        },
        Ok(None) => {
            doubtful("agent", "does not run", "/etc/init.d/cpeagent enable; /etc/init.d/cpeagent start")
        }
        Err(fail) => doubtful("agent", fail.to_string(), "run this command as root; see logread -e cpeagent"),
    }
}

fn clock(router: &Router) -> Finding {
    let synchronized = match router.source("sys:facts") {
        Source::Ready(facts) => facts.str("clock_synchronized") == Some("true"),
        Source::Absent | Source::Failed(_) => false,
    };
    match (Clock::Machine.now().wall, synchronized) {
        (Some(now), true) => good("clock", format!("{now}, by NTP")),
        (Some(now), false) => doubtful(
            "clock",
            format!("{now}, but no time server has confirmed it"),
            "certificates are dated; is sysntpd running, and can it reach its servers?",
        ),
        (None, _) => doubtful(
            "clock",
            "shows a time before this program was built",
            "certificates are not held against their dates until NTP answers; is sysntpd running?",
        ),
    }
}

/// Whether there is a default route, of either family.
fn way(routes: &Source) -> Finding {
    let advice = "is the uplink up? ifstatus wan";
    match routes {
        Source::Ready(routes) => {
            let default = |route: &&Tree| {
                route.str("dst") == Some("default") && route.str("type").is_none_or(|kind| kind == "unicast")
            };
            match routes.items().iter().find(default) {
                Some(route) => {
                    let dev = route.str("dev").unwrap_or("?");
                    good(
                        "route",
                        match route.str("gateway") {
                            Some(gateway) => format!("default by {gateway} on {dev}"),
                            None => format!("default on {dev}"),
                        },
                    )
                }
                None => doubtful("route", "there is no default route", advice),
            }
        }
        Source::Absent => doubtful("route", "the routes are not known", advice),
        Source::Failed(why) => doubtful("route", why.clone(), advice),
    }
}

fn words(finding: &Finding) -> String {
    let mark = match finding.state {
        State::Good => "good    ",
        State::Doubtful => "doubtful",
        State::Wrong => "WRONG   ",
    };
    let mut out = format!("{mark} {:<11} {}\n", finding.what, finding.text);
    if !finding.advice.is_empty() {
        out.push_str(&format!("         {:<11} → {}\n", "", finding.advice));
    }
    out
}

fn json_of(findings: &[Finding]) -> String {
    let state = |state| match state {
        State::Good => "good",
        State::Doubtful => "doubtful",
        State::Wrong => "wrong",
    };
    let one = |finding: &Finding| {
        Tree::map([
            ("what", Tree::from(finding.what)),
            ("state", Tree::from(state(finding.state))),
            ("text", Tree::from(finding.text.as_str())),
            ("advice", Tree::from(finding.advice)),
        ])
    };
    format!("{}\n", json::write(&Tree::List(findings.iter().map(one).collect())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_everybody_can_read_is_told_of_once() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("etc")).unwrap();
        let key = folder.path().join("etc/k.pem");
        std::fs::write(&key, "").unwrap();
        let router = Router::open(&Global { root: Some(folder.path().to_path_buf()), json: false }).unwrap();
        let both = [("client_cert", Tree::from("/etc/c.pem")), ("client_key", Tree::from("/etc/k.pem"))];
        let section = |kind: &'static str| {
            (kind, Tree::map([(".type", Tree::from(kind))].into_iter().chain(both.clone())))
        };
        let (config, faults) = Config::read(&Tree::map([section("acs"), section("usp")]));
        assert_eq!(faults, []);
        for (mode, told) in [(0o600, 0), (0o640, 0), (0o644, 1), (0o604, 1)] {
            std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
            let mut findings = Vec::new();
            keys(&router, &config, &mut findings);
            assert_eq!(findings.len(), told, "{mode:o}");
        }
    }

    #[test]
    fn a_default_route_of_either_family_is_a_way() {
        for (routes, state) in [
            (r#"[{"dst":"default","gateway":"192.0.2.1","dev":"wan"}]"#, State::Good),
            (r#"[{"dst":"default","dev":"pppoe-wan"}]"#, State::Good),
            (r#"[{"type":"unreachable","dst":"default","dev":"lo"}]"#, State::Doubtful),
            (r#"[{"dst":"192.0.2.0/24","dev":"wan"}]"#, State::Doubtful),
        ] {
            let routes = Source::ready(json::parse(routes.as_bytes()).unwrap());
            assert_eq!(way(&routes).state, state);
        }
    }
}
