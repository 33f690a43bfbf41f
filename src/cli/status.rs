//! `status` and `inform`: what only the running agent can tell and do.

use super::router::disk;
use super::socket::Socket;
use super::{Done, Fail, Global};
use crate::dm::tree::Tree;
use crate::openwrt::json;

/// Says how the sessions fare.
pub(super) fn status(global: &Global) -> Result<Done, Fail> {
    let status = Socket::need(&disk(global.root.as_deref())?)?.ask("status", Tree::from(""))?;
    Ok(if global.json { format!("{}\n", json::write(&status)) } else { words(&status) }.into())
}

/// Starts a session.
#[cfg(feature = "cwmp")]
pub(super) fn inform(global: &Global) -> Result<Done, Fail> {
    let told = Socket::need(&disk(global.root.as_deref())?)?.ask("inform", Tree::from(""))?;
    Ok(if global.json {
        format!("{}\n", json::write(&told))
    } else {
        format!("{}\n", told.as_str().unwrap_or_default())
    }
    .into())
}

/// The status in words.
fn words(status: &Tree) -> String {
    let mut out = String::new();
    if let Some(why) = status.str("settings_failure") {
        out.push_str(&format!("settings: cannot be read: {why}\n"));
    }
    if status.get("acs").is_some() {
        out.push_str(&sessions(status));
    }
    let others = status
        .entries()
        .iter()
        .filter(|(name, value)| !SAID.contains(&&**name) && value.as_str() != Some(""));
    for (name, value) in others {
        let texts: Vec<&str> = value.items().iter().chain([value]).filter_map(Tree::as_str).collect();
        out.push_str(&format!("{}: {}\n", name.replace('_', " "), texts.join(", ")));
    }
    out
}

/// What [`sessions`] tells in words of its own.
const SAID: [&str; 11] = [
    "acs",
    "enabled",
    "tls",
    "in_session",
    "sessions_done",
    "sessions_failed",
    "last_session_ended",
    "last_session_seconds_ago",
    "last_failure",
    "settings_failure",
    "next_session_in_seconds",
];

/// How the sessions with the ACS fare.
fn sessions(status: &Tree) -> String {
    let text = |name: &str| status.str(name).filter(|text| !text.is_empty());
    let is = |name: &str| status.str(name) == Some("true");
    let mut out = match text("acs") {
        None if text("settings_failure").is_some() => {
            "ACS: not known, since the settings cannot be read\n".into()
        }
        None => "ACS: none is set, or it was refused, as the log says; set one with: uci set cpeagent.acs.url=https://… && uci commit cpeagent\n"
            .into(),
        Some(acs) => format!("ACS: {acs}\n"),
    };
    if text("acs").is_some() && !is("enabled") {
        out.push_str("     switched off: cpeagent.acs.enable is 0\n");
    }
    if text("acs").is_some_and(|acs| acs.starts_with("http://")) {
        out.push_str(
            "     plain http: whoever sits in between can read everything and take over this router; use https\n",
        );
    }
    let count = |name: &str| text(name).unwrap_or("0");
    let last =
        match (text("last_session_ended"), text("last_session_seconds_ago").and_then(|s| s.parse().ok())) {
            (Some(at), Some(ago)) => format!("{} ago ({at})", span(ago)),
            (Some(at), None) => at.to_string(),
            (None, _) => "none yet".into(),
        };
    out.push_str(&match (text("last_session_ended"), text("last_failure")) {
        (None, None) => "last session: none yet\n".to_string(),
        (_, Some(why)) => format!("last session: failed {last}: {why}\n"),
        (Some(_), None) => format!("last session: went well {last}\n"),
    });
    out.push_str(&format!(
        "since the agent started: {} went well, {} failed\n",
        count("sessions_done"),
        count("sessions_failed")
    ));
    let next = text("next_session_in_seconds").and_then(|seconds| seconds.parse().ok());
    out.push_str(&match (is("in_session"), next) {
        (true, _) => "next session: one is under way now\n".to_string(),
        (false, Some(seconds)) => format!("next session: in {}\n", span(seconds)),
        (false, None) => "next session: when something happens or the ACS asks\n".to_string(),
    });
    out
}

/// Seconds as a person says them, the two largest units.
fn span(seconds: u64) -> String {
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let parts = parts.iter().skip_while(|(n, _)| *n == 0).take(2).filter(|(n, _)| *n > 0);
    let words: Vec<String> = parts.map(|(n, unit)| format!("{n} {unit}")).collect();
    if words.is_empty() { "0 s".into() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&'static str, &'static str)]) -> String {
        words(&Tree::map(pairs.iter().map(|(name, value)| (*name, Tree::from(*value)))))
    }

    #[test]
    fn spans_are_said_in_their_two_largest_units() {
        for (seconds, want) in [
            (0, "0 s"),
            (59, "59 s"),
            (61, "1 min 1 s"),
            (3_600, "1 h"),
            (86_399, "23 h 59 min"),
            (90_000, "1 d 1 h"),
            (86_405, "1 d"),
        ] {
            assert_eq!(span(seconds), want);
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_words() {
        for (status, wants) in [
            (&[("acs", "")][..], &["none is set", "none yet"][..]),
            (
                &[("acs", ""), ("settings_failure", "line 3: no quote")],
                &["ACS: not known", "settings: cannot be read: line 3: no quote"],
            ),
            (&[("acs", "http://a/"), ("enabled", "true")], &["plain http", "next session: when"]),
            (&[("acs", "https://a/"), ("enabled", "false")], &["switched off"]),
            (
                &[
                    ("acs", "https://a/"),
                    ("enabled", "true"),
                    ("last_session_ended", "2026-01-01T00:00:00Z"),
                    ("last_session_seconds_ago", "65"),
                    ("last_failure", "401 again"),
                    ("next_session_in_seconds", "30"),
                ],
                &["failed 1 min 5 s ago (2026-01-01T00:00:00Z): 401 again", "in 30 s"],
            ),
            (
                &[
                    ("acs", "https://a/"),
                    ("last_session_ended", "x"),
                    ("in_session", "true"),
                    ("parameter_key", "k"),
                ],
                &["went well x", "under way", "parameter key: k"],
            ),
        ] {
            let got = of(status);
            for want in wants {
                assert!(got.contains(want), "{want:?} in {got}");
            }
        }
        assert!(!of(&[("acs", "https://a/")]).contains("plain http"));
        let guarded = Tree::List(vec![Tree::from("acs: undone in 60 s"), Tree::from("x: undone in 9 s")]);
        let said = words(&Tree::map([("guarded", guarded)]));
        assert_eq!(said, "guarded: acs: undone in 60 s, x: undone in 9 s\n");
    }
}
