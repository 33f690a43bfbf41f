//! `Boot!`: why the device started, told once per boot to every controller that subscribed to it.

use super::notify::Raised;
use crate::agent::{Action, Agent};
use crate::dm::acl::{Rights, Rwxn};
use crate::dm::path::Pattern;
use crate::dm::read::Node;
use crate::dm::schema::Arguments;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::View;
use crate::usp::msg::notify;
use std::fmt::Write as _;

/// Most values of one `Boot!`.
pub const MAX_BOOT_PARAMETERS: usize = 256;

/// The section of the state that holds what is kept of boots, and its options.
const BOOT: &str = "usp_boot";
/// The number of the boot of which everybody was told.
const TOLD: &str = "told";
/// Why the device will have started next time.
const CAUSE: &str = "cause";
/// The CommandKey of the command that asked for it.
const KEY: &str = "command_key";

impl Agent {
    /// Keeps what the next `Boot!` says: the standard's cause, such as `RemoteReboot`, and the CommandKey of the
    /// command that asked for it. To be called ahead of [`Action::Reboot`]; while a commit is under way nothing is kept.
    //= TR-369 13: Boot! carries the command_key of the Reboot() or FactoryReset() that led to it.
    pub fn note_reboot(&mut self, cause: &str, command_key: &str) {
        if self.running.as_ref().is_some_and(|running| running.commit.is_some()) {
            return;
        }
        let mut state = self.state.clone();
        let text = |text: &str| Some(Tree::from(text)).filter(|_| !text.is_empty());
        let noted = state
            .put(BOOT, BOOT, CAUSE, text(cause))
            .and_then(|()| state.put(BOOT, BOOT, KEY, text(command_key)));
        if noted.is_ok() && state != self.state {
            self.state = state;
            self.out.push_back(Action::Save(Box::new(self.state.clone())));
        }
    }

    /// The ACS has the device restart; of interest where a controller may hear of it.
    #[cfg(feature = "cwmp")]
    pub(in crate::agent) fn note_reboot_by_acs(&mut self) {
        if !self.usp.notices.peers.is_empty() {
            self.note_reboot("RemoteReboot", "");
        }
    }

    /// Raises `Boot!` if this start is the first since the boot that everybody has not been told of.
    pub(super) fn raise_boot(&mut self) {
        if std::mem::replace(&mut self.usp.notices.booted, true) || self.is_boot_told() {
            return;
        }
        let kept = |option: &str| self.state.value(BOOT, option).and_then(Tree::as_str);
        //= TR-369 12: Boot!: a fresh state is that of a factory reset; nothing noted, it was a local reboot.
        let first = self.state.boots() <= 1;
        let cause = kept(CAUSE).unwrap_or(if first { "LocalFactoryReset" } else { "LocalReboot" });
        let args =
            [("CommandKey", kept(KEY).unwrap_or_default()), ("Cause", cause), ("FirmwareUpdated", "false")];
        let args: Arguments =
            args.into_iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
        let what = notify::event("Device.", "Boot!", args);
        self.usp.notices.raise(Raised { only: None, path: "Device.Boot!".into(), what, boot: true });
    }

    fn is_boot_told(&self) -> bool {
        let told = self.state.value(BOOT, TOLD).and_then(Tree::as_str);
        told.and_then(|boot| boot.parse().ok()) == Some(self.state.boots())
    }

    /// Once everybody who wants to know was told of the boot, that is kept: a restart of the program is no boot.
    pub(super) fn boot_told(&mut self) {
        // A commit under way was planned on the state as it is.
        let waits = !self.usp.notices.booted || self.running.is_some();
        if waits || self.is_boot_told() || self.usp.notices.is_booting() {
            return;
        }
        let mut state = self.state.clone();
        let kept = [(TOLD, Some(Tree::from(state.boots().to_string()))), (CAUSE, None), (KEY, None)];
        if kept.into_iter().all(|(option, value)| state.put(BOOT, BOOT, option, value).is_ok()) {
            self.state = state;
            self.out.push_back(Action::Save(Box::new(self.state.clone())));
        }
    }
}

/// The values that a controller wants to know at boot, as a JSON object of texts by their paths.
//= TR-369 12: Boot!.ParameterMap: the values of the controller's BootParameter rows; what means nothing is left out.
pub(super) fn parameter_map(view: &View<'_>, rights: &Rights, paths: &[String]) -> Result<String, Stop> {
    let (mut out, mut wait, mut count) = (String::from("{"), false, 0);
    for path in paths {
        let Ok(pattern) = Pattern::parse(path) else { continue };
        let nodes = match view.resolve(&pattern) {
            Ok(nodes) => nodes,
            Err(Stop::Wait) => {
                wait = true;
                continue;
            }
            Err(Stop::Refused(_)) => continue,
        };
        for node in nodes {
            let Node::Param(place, at) = &node else { continue };
            let path = node.path(view)?;
            if count >= MAX_BOOT_PARAMETERS || !rights.at(view, &path)?.param.has(Rwxn::R) {
                continue;
            }
            match view.value_for(place, *at, rights.sees_secured()) {
                Ok(value) => {
                    out.push_str(if count == 0 { "" } else { "," });
                    quote(&path, &mut out);
                    out.push(':');
                    quote(&value, &mut out);
                    count += 1;
                }
                Err(Stop::Wait) => wait = true,
                Err(Stop::Refused(_)) => {}
            }
        }
    }
    out.push('}');
    if wait { Err(Stop::Wait) } else { Ok(out) }
}

/// Writes a text as JSON does.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_json_wants_them() {
        for (text, want) in [("", "\"\""), ("a\"b\\", "\"a\\\"b\\\\\""), ("\n\u{e9}", "\"\\u000a\u{e9}\"")] {
            let mut out = String::new();
            quote(text, &mut out);
            assert_eq!(out, want, "{text:?}");
        }
    }
}
