//! `Device.WiFi.AccessPoint.{i}.WPS.`: `wps_pushbutton` and `wps_label`, where hostapd was built with it.
//!
//! Both off is WPS off; `cpe_wps` remembers meanwhile which methods are to come back.

use super::{list, put, put_list, refused, running, section, text, truth, yes};
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::view::At;
use crate::dm::write::Draft;

/// TR-181's methods and the options that turn them on.
const METHODS: [(&str, &str); 2] = [("PushButton", "wps_pushbutton"), ("Label", "wps_label")];

fn on(at: &At<'_, '_>) -> Vec<&'static str> {
    METHODS.iter().filter(|(_, option)| yes(at.opt(option), false)).map(|(method, _)| *method).collect()
}

/// WPS hands out a WPA2 key: not with SAE alone, OWE or a RADIUS server.
fn possible(at: &At<'_, '_>) -> bool {
    let mode = super::mode_of(at);
    !(matches!(mode, "WPA3-Personal" | "OWE") || mode.contains("Enterprise"))
}

/// `WPS.Enable`.
pub fn wps_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    truth(possible(at) && !on(at).is_empty())
}

/// Turns the methods off and remembers them, or back on; push button where none is remembered.
pub fn set_wps_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let present = on(at);
    if value == "false" {
        if present.is_empty() || !possible(at) {
            return Ok(());
        }
        turn(at, draft, &[])?;
        return put_list(at, draft, "cpe_wps", &present);
    }
    if !possible(at) {
        return Err(refused("false in this ModeEnabled"));
    }
    if !present.is_empty() {
        return Ok(());
    }
    let kept: Vec<&str> = list(at, "cpe_wps");
    turn(at, draft, if kept.is_empty() { &["PushButton"] } else { &kept })?;
    put(at, draft, "cpe_wps", None)
}

fn turn(at: &At<'_, '_>, draft: &mut Draft, methods: &[&str]) -> Result<(), Stop> {
    for (method, option) in METHODS {
        let wanted = methods.contains(&method);
        if wanted != yes(at.opt(option), false) {
            put(at, draft, option, Some(if wanted { "1" } else { "0" }))?;
        }
    }
    Ok(())
}

/// `WPS.ConfigMethodsEnabled`; while WPS is off, those that come back.
pub fn wps_methods<'s>(at: &At<'_, 's>) -> Value<'s> {
    let present = on(at);
    text(if present.is_empty() { list(at, "cpe_wps").join(",") } else { present.join(",") })
}

/// Writes the methods, or while WPS is off what is remembered of them.
pub fn set_wps_methods(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let wanted: Vec<&str> = value.split(',').filter(|method| !method.is_empty()).collect();
    if wanted.iter().any(|wanted| METHODS.iter().all(|(method, _)| method != wanted)) {
        return Err(refused("PushButton, Label"));
    }
    if on(at).is_empty() {
        return put_list(at, draft, "cpe_wps", &wanted);
    }
    if wanted.is_empty() {
        return Err(refused("PushButton, Label, or WPS.Enable false"));
    }
    turn(at, draft, &wanted)
}

/// `WPS.Status`: an open access point counts as not configured, as wifi-scripts tell hostapd.
pub fn wps_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    let ifname = running(at, section(at)?, "ifname")?;
    let there = match ifname {
        Some(ifname) => at.tree(&format!("ubus:hostapd.{ifname} wps_status"))?.is_some(),
        None => false,
    };
    let enabled = possible(at) && !on(at).is_empty();
    text(match (enabled && there, super::mode_of(at)) {
        (false, _) => "Disabled",
        (true, "None") => "Unconfigured",
        (true, _) => "Configured",
    })
}
