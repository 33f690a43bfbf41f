//! What several families say of a netdev: its status, and the `config device` section that holds its settings.

use super::layers::net::{DEVICES, NETWORK};
use crate::dm::draft::Draft;
use crate::dm::error::Refusal;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, View};
use std::borrow::Cow;

/// The state of a netdev as netifd tells it.
pub fn state<'s>(view: &View<'s>, netdev: &str) -> Result<Option<&'s Tree>, Stop> {
    Ok(view.tree(DEVICES)?.and_then(|devices| devices.get(netdev)))
}

/// `Up`, `Down`, `LowerLayerDown` or `NotPresent`, as the netdev is; `stacked` if something lies below it.
pub fn status(view: &View<'_>, netdev: &str, stacked: bool) -> Result<&'static str, Stop> {
    let is = |state: &Tree, field: &str| state.str(field) == Some("true");
    if let Some(state) = state(view, netdev)? {
        return Ok(match (is(state, "present"), is(state, "up"), is(state, "carrier")) {
            (false, _, _) => "NotPresent",
            (true, false, _) => "Down",
            (true, true, true) => "Up",
            (true, true, false) if stacked => "LowerLayerDown",
            (true, true, false) => "Down",
        });
    }
    // A netdev that netifd does not keep.
    let operstate = view.tree(&format!("file:/sys/class/net/{netdev}/operstate"))?;
    Ok(match operstate.and_then(Tree::as_str) {
        None => "NotPresent",
        Some("up" | "unknown") => "Up",
        Some("lowerlayerdown") if stacked => "LowerLayerDown",
        Some("dormant") => "Dormant",
        Some(_) => "Down",
    })
}

/// The section of a netdev's settings as the draft has it: its key and options.
pub fn section<'d>(draft: &'d Draft, netdev: &str) -> Result<Option<(&'d str, &'d Tree)>, Stop> {
    let sections = draft.tree(NETWORK)?.map_or(&[][..], Tree::entries);
    let mut named = sections
        .iter()
        .filter(|(_, section)| section.str(".type") == Some("device") && section.str("name") == Some(netdev));
    let first = named.next();
    let typed = first.filter(|(_, section)| section.get("type").is_some()).or_else(|| {
        sections.iter().find(|(_, section)| {
            section.str(".type") == Some("device")
                && section.str("name") == Some(netdev)
                && section.get("type").is_some()
        })
    });
    Ok(typed.or(first).map(|(key, section)| (&**key, section)))
}

/// The section of a netdev's settings, made if there is none; its key.
pub fn section_or_new(draft: &mut Draft, netdev: &str) -> Result<String, Stop> {
    if let Some((key, _)) = section(draft, netdev)? {
        return Ok(key.to_string());
    }
    let plain: String = netdev.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let key = fresh(draft, &format!("cpe_dev_{plain}"))?;
    draft.add(NETWORK, &key, "device")?;
    draft.set_text(NETWORK, &key, "name", netdev)?;
    Ok(key)
}

/// A section name that `network` does not have yet: `wanted`, or with letters behind it.
pub fn fresh(draft: &Draft, wanted: &str) -> Result<String, Stop> {
    let mut name = wanted.to_string();
    while draft.tree(NETWORK)?.is_some_and(|package| package.get(&name).is_some()) {
        name.push('x');
    }
    Ok(name)
}

/// Sets an option of a netdev's settings; an absent one is not written where `default` is wanted.
pub fn set(
    draft: &mut Draft,
    netdev: &str,
    option: &str,
    value: &str,
    default: Option<&str>,
) -> Result<(), Stop> {
    if netdev.is_empty() {
        return Err(Refusal::Backend("the interface has no device".into()).into());
    }
    let old = section(draft, netdev)?.and_then(|(_, section)| section.get(option));
    if old.is_none() && (default == Some(value) || value.is_empty()) {
        return Ok(());
    }
    let key = section_or_new(draft, netdev)?;
    draft.set_text(NETWORK, &key, option, value)
}

/// `1` or `0`.
pub fn flag(value: &str) -> &'static str {
    if value == "true" { "1" } else { "0" }
}

/// An option of a netdev's settings as they are stored.
pub fn setting<'s>(view: &View<'s>, netdev: &str, option: &str) -> Result<Option<&'s str>, Stop> {
    let sections =
        view.sections(NETWORK, "device")?.into_iter().filter(|(_, s)| s.str("name") == Some(netdev));
    Ok(sections.filter_map(|(_, section)| section.str(option)).next())
}

/// Seconds since a device last changed, as the running agent was told; for one that has not, since it listens.
pub fn last_change<'s>(at: &At<'_, 's>, device: &str) -> Value<'s> {
    if let Some(seconds) = at.tree("agent:changes")?.and_then(|changes| changes.str(device)) {
        return Ok(Some(Cow::Borrowed(seconds)));
    }
    Ok(at.tree("agent:state")?.and_then(|state| state.str("listening")).map(Cow::Borrowed))
}
