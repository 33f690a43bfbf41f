//! The doctor's look at controllers, where there is no ACS: whether there are any.

use super::super::router::Router;
use super::{Finding, good, wrong};
use crate::config::Config;
use crate::dm::tree::Tree;

/// What is said in the end where something is wrong.
pub(super) const HOPELESS: &str = "no controller can manage this router like this";

/// Whether the settings let there be links.
pub(super) fn settings(_: &Tree, config: &Config, findings: &mut Vec<Finding>) -> bool {
    let usp = &config.usp;
    let controllers = usp.controllers.iter().filter(|one| one.enable && !one.endpoint_id.is_empty()).count();
    findings.push(match controllers {
        _ if !usp.enable => wrong("settings", "USP is switched off", "uci set cpeagent.usp.enable=1"),
        0 => wrong(
            "settings",
            "no controller is set",
            "see the examples in /etc/config/cpeagent; or have DHCP name it",
        ),
        count => good("settings", format!("{count} controllers are set")),
    });
    usp.enable && controllers > 0
}

/// Their links are shown by `status`.
pub(super) fn reach(_: &Router, _: &Config, _: &mut [Finding]) {}
