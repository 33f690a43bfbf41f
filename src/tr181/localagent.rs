//! Device.LocalAgent.: what its lines cannot say.

mod certificates;
mod rows;

pub use certificates::{
    add_certificate, add_my_certificate, delete_certificate, fingerprint_algorithms, get_fingerprint, issuer,
    serial,
};
pub use rows::{
    MAX_SUBSCRIPTIONS, MAX_THRESHOLDS, add_subscription, add_threshold, most_subscriptions,
    set_reference_path, set_references, set_threshold_param, set_threshold_value, set_trigger_settings,
};

use super::deviceinfo;
use crate::dm::acl;
use crate::dm::draft::OWN;
use crate::dm::error::Refusal;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, KEPT};
use crate::dm::write::Draft;
use std::borrow::Cow;
use std::fmt::Write as _;

/// Longest instance part of an endpoint id, in characters.
//= TR-369 R-ARC.6: an instance-id has at most 50 characters.
const MAX_INSTANCE: usize = 50;

/// `EndpointID`: the one that is set, else `os::OUI-SerialNumber`; empty where the board tells neither.
//= TR-369 R-ARC.2a: scheme os has no authority, and OUI and serial number as its instance.
pub fn endpoint_id<'s>(at: &At<'_, 's>) -> Value<'s> {
    let set = at.tree(OWN)?.and_then(|package| package.get("usp")).and_then(|usp| usp.str("endpoint_id"));
    if let Some(id) = set.filter(|id| !id.is_empty()) {
        return Ok(Some(Cow::Borrowed(id)));
    }
    let (Some(oui), Some(serial)) = (deviceinfo::oui(at)?, deviceinfo::serial_number(at)?) else {
        return Ok(None);
    };
    Ok(Some(Cow::Owned(format!("os::{}", instance(&oui, &serial)))))
}

/// `OUI-SerialNumber`, encoded; of a serial number that is too long, its end, which differs most.
//= TR-369 R-ARC.5: letters, digits, - . _ stand for themselves, all else as %HH.
fn instance(oui: &str, serial: &str) -> String {
    let encoded = |c: char| {
        let mut out = String::new();
        if c.is_ascii_alphanumeric() || "-._".contains(c) {
            out.push(c);
        } else {
            let mut octets = [0; 4];
            for octet in c.encode_utf8(&mut octets).bytes() {
                let _ = write!(out, "%{octet:02X}");
            }
        }
        out
    };
    let mut parts: Vec<String> = serial.chars().map(encoded).collect();
    while oui.len() + 1 + parts.iter().map(String::len).sum::<usize>() > MAX_INSTANCE {
        parts.remove(0);
    }
    format!("{oui}-{}", parts.concat())
}

/// The version of this program.
pub fn version<'s>(_: &At<'_, 's>) -> Value<'s> {
    Ok(Some(Cow::Borrowed(env!("CARGO_PKG_VERSION"))))
}

/// The transports that are built in.
pub fn protocols<'s>(_: &At<'_, 's>) -> Value<'s> {
    Ok(Some(Cow::Borrowed(match (cfg!(feature = "websocket"), cfg!(feature = "mqtt")) {
        (true, true) => "WebSocket,MQTT",
        (true, false) => "WebSocket",
        (false, true) => "MQTT",
        (false, false) => "",
    })))
}

/// The name of a row: the option `name`, else the section's.
pub fn title<'s>(at: &At<'_, 's>) -> Value<'s> {
    let own = at.opt("name").filter(|name| !name.is_empty());
    Ok(own.or(at.row.and_then(|row| row.section.as_ref()).map(|bound| bound.name)).map(Cow::Borrowed))
}

/// Sets the name of a row.
pub fn set_title(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let bound = at.bound()?;
    draft.set_text(&bound.source, bound.name, "name", value)
}

/// Sets the targets of a permission; refuses what is no path of the model's grammar.
pub fn set_targets(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let targets: Vec<&str> = value.split(',').filter(|target| !target.is_empty()).collect();
    if targets.iter().any(|target| acl::target(target).is_err()) {
        return Err(Refusal::OutOfRange { allowed: "paths, with * or searches for rows".into() }.into());
    }
    let bound = at.bound()?;
    let list = Tree::List(targets.iter().map(|target| Tree::from(*target)).collect());
    draft.set(&bound.source, bound.name, "target", (!targets.is_empty()).then_some(list))
}

/// Deletes a controller with the sections that are part of it, what it subscribed to and its thresholds.
//= TR-369 R-ARC.12: what referred to a row that goes refers to nothing.
pub fn delete_controller(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let name = at.bound()?.name;
    for kind in ["controller_mtp", "boot_parameter"] {
        delete_parts(at, draft, (OWN, kind, "controller"), name)?;
    }
    delete_parts(at, draft, (KEPT, rows::SUBSCRIPTION, "Recipient"), name)?;
    delete_parts(at, draft, (KEPT, rows::THRESHOLD, "Controller"), name)?;
    draft.remove(OWN, name)
}

/// Deletes a role with its permissions.
pub fn delete_role(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let name = at.bound()?.name;
    delete_parts(at, draft, (OWN, "permission", "role"), name)?;
    draft.remove(OWN, name)
}

/// Removes the sections of a type whose option names the section that goes.
pub fn delete_parts(
    at: &At<'_, '_>,
    draft: &mut Draft,
    (source, kind, option): (&str, &str, &str),
    name: &str,
) -> Result<(), Stop> {
    for (part, section) in at.view.sections(source, kind)? {
        if section.str(option) == Some(name) {
            draft.remove(source, part)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    //= TR-369 R-ARC.2a: scheme os has no authority, and OUI and serial number as its instance.
    //= TR-369 R-ARC.5: letters, digits, - . _ stand for themselves, all else as %HH.
    //= TR-369 R-ARC.6: an instance-id has at most 50 characters.
    #[test]
    fn the_instance_of_an_endpoint_is_oui_and_serial_encoded_and_bounded() {
        for (serial, want) in [
            ("0123456789", "001122-0123456789".to_string()),
            ("A b/c%", "001122-A%20b%2Fc%25".into()),
            ("\u{e9}", "001122-%C3%A9".into()),
            (&"x".repeat(43), format!("001122-{}", "x".repeat(43))),
            (&format!("ab{}9", "x".repeat(42)), format!("001122-{}9", "x".repeat(42))),
            (&format!("{}9", "/".repeat(20)), format!("001122-{}9", "%2F".repeat(14))),
        ] {
            assert_eq!(instance("001122", serial), want, "{serial:?}");
        }
    }
}
