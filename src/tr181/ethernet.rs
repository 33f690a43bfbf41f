//! Device.Ethernet.: what its lines cannot say.

use super::layers::net::{NETWORK, netbool, words};
use super::layers::{INTERFACE, LINK, VLAN};
use super::netdev::{self, flag};
use crate::dm::draft::Draft;
use crate::dm::error::Refusal;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, Row};
use std::borrow::Cow;
use std::rc::Rc;

fn name<'s>(at: &At<'_, 's>) -> &'s str {
    at.field("name").unwrap_or_default()
}

fn text<'s>(text: impl Into<Cow<'s, str>>) -> Value<'s> {
    Ok(Some(text.into()))
}

/// Whether the port is up and has carrier.
pub fn port_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    text(netdev::status(at.view, name(at), false)?)
}

/// As the netdev.
pub fn link_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    text(netdev::status(at.view, name(at), true)?)
}

/// As the netdev; one that is switched off is down.
pub fn vlan_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    if netbool(at.opt("enabled")) == Some(false) {
        return text("Down");
    }
    text(netdev::status(at.view, name(at), true)?)
}

/// Switches a port on or off.
pub fn set_enabled(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    netdev::set(draft, name(at), "enabled", flag(value), Some("1"))
}

/// The speed that is set; -1 where it is negotiated.
pub fn max_bit_rate<'s>(at: &At<'_, 's>) -> Value<'s> {
    text(at.opt("speed").unwrap_or("-1"))
}

/// Sets the speed; -1 leaves it to negotiation.
pub fn set_max_bit_rate(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    netdev::set(draft, name(at), "speed", if value == "-1" { "" } else { value }, None)?;
    negotiate(name(at), draft)
}

/// The duplex mode that is set.
pub fn duplex_mode<'s>(at: &At<'_, 's>) -> Value<'s> {
    text(match netbool(at.opt("duplex")) {
        Some(true) => "Full",
        Some(false) => "Half",
        None => "Auto",
    })
}

/// Sets the duplex mode.
pub fn set_duplex_mode(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let option = match value {
        "Full" => "1",
        "Half" => "0",
        _ => "",
    };
    netdev::set(draft, name(at), "duplex", option, None)?;
    negotiate(name(at), draft)
}

/// Negotiation is off while speed or duplex mode is set.
fn negotiate(netdev: &str, draft: &mut Draft) -> Result<(), Stop> {
    let Some((_, section)) = netdev::section(draft, netdev)? else { return Ok(()) };
    let fixed = section.get("speed").is_some() || section.get("duplex").is_some();
    netdev::set(draft, netdev, "autoneg", if fixed { "0" } else { "1" }, Some("1"))
}

/// The speed in Mbit/s; 0 without a link, whatever the driver prints.
pub fn bit_rate<'s>(at: &At<'_, 's>) -> Value<'s> {
    text(linked(at)?.map_or("0", |speed| speed.trim_end_matches(['F', 'H'])))
}

/// The duplex mode of the link.
pub fn duplex<'s>(at: &At<'_, 's>) -> Value<'s> {
    text(match linked(at)? {
        Some(speed) if speed.ends_with('F') => "Full",
        Some(speed) if speed.ends_with('H') => "Half",
        Some(_) | None => "Unknown",
    })
}

/// The `1000F` of a port with carrier.
fn linked<'s>(at: &At<'_, 's>) -> Result<Option<&'s str>, Stop> {
    let state = netdev::state(at.view, name(at))?;
    let state = state.filter(|state| state.str("carrier") == Some("true"));
    Ok(state.and_then(|state| state.str("speed")).filter(|speed| !speed.starts_with('-')))
}

/// The stored option while a change waits for netifd, else the live file, else the option.
fn stored_or_live<'s>(at: &At<'_, 's>, option: &str, file: &str) -> Value<'s> {
    let stored = at.opt(option);
    if stored.is_some() && at.view.snapshot.is_unapplied(NETWORK) {
        return Ok(stored.map(Cow::Borrowed));
    }
    let live = at.tree(&format!("file:/sys/class/net/{}/{file}", name(at)))?.and_then(Tree::as_str);
    Ok(live.or(stored).map(Cow::Borrowed))
}

/// The hardware address.
pub fn mac<'s>(at: &At<'_, 's>) -> Value<'s> {
    stored_or_live(at, "macaddr", "address")
}

/// Sets the hardware address of the device.
pub fn set_mac(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if mac(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    netdev::set(draft, name(at), "macaddr", value, None)
}

/// The largest packet.
pub fn mtu<'s>(at: &At<'_, 's>) -> Value<'s> {
    stored_or_live(at, "mtu", "mtu")
}

/// Sets the largest packet of the device.
pub fn set_mtu(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if mtu(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    netdev::set(draft, name(at), "mtu", value, None)
}

/// The words of a list that netifd tells of a device's flow control.
fn pauses<'s>(at: &At<'_, 's>, list: &str) -> Result<Vec<&'s str>, Stop> {
    let state = netdev::state(at.view, name(at))?.and_then(|state| state.get("flow-control"));
    let words = state.and_then(|state| state.get(list)).map_or(&[][..], Tree::items);
    Ok(words.iter().filter_map(Tree::as_str).collect())
}

/// Whether the link asks its partner for pause frames: what is stored while that waits for netifd, else what is offered.
pub fn flow_control<'s>(at: &At<'_, 's>) -> Value<'s> {
    let stored = netbool(at.opt("pause")).filter(|_| at.view.snapshot.is_unapplied(NETWORK));
    let on = match stored {
        Some(on) => on,
        None => pauses(at, "link-advertising")?.contains(&"pause"),
    };
    text(if on { "true" } else { "false" })
}

/// Has pause frames offered or not; refuses them where the device cannot.
pub fn set_flow_control(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if flow_control(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    if !pauses(at, "supported")?.contains(&"pause") {
        return Err(Refusal::OutOfRange { allowed: "false: the device has no pause frames".into() }.into());
    }
    netdev::set(draft, name(at), "pause", flag(value), None)
}

/// The interfaces whose device is a link's, as sections.
fn users<'a>(network: Option<&'a Tree>, link: &str) -> Vec<(&'a str, &'a Tree)> {
    let sections = network.map_or(&[][..], Tree::entries).iter();
    let upon = |section: &Tree| {
        section.str(".type") == Some("interface") && words(section, "device").first() == Some(&link)
    };
    sections.filter(|(_, section)| upon(section)).map(|(key, section)| (&**key, section)).collect()
}

/// A link is on while an interface upon it is; what nothing uses is as it was written.
pub fn link_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    let users = users(at.tree(NETWORK)?, name(at));
    let on = match users.is_empty() {
        true => netbool(at.opt("cpe_link")) != Some(false),
        false => users.iter().any(|(_, section)| netbool(section.str("disabled")) != Some(true)),
    };
    text(if on { "true" } else { "false" })
}

/// Switches the interfaces upon a link.
pub fn set_link_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if link_enable(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let users = users(draft.tree(NETWORK)?, name(at));
    let users: Vec<String> = users.into_iter().map(|(key, _)| key.to_string()).collect();
    for key in &users {
        draft.set_text(NETWORK, key, "disabled", if value == "true" { "" } else { "1" })?;
    }
    if users.is_empty() || at.opt("cpe_link").is_some() {
        netdev::set(draft, name(at), "cpe_link", flag(value), None)?;
    }
    Ok(())
}

/// The netdev that a link upon the row at `path` is.
///
/// Refuses a row that no link can lie upon, and several.
fn device_below(at: &At<'_, '_>, path: &str) -> Result<String, Stop> {
    let row = at.referred(&format!("{INTERFACE}|{}|{VLAN}", super::layers::PORT), path)?;
    if row.path.starts_with("Device.Bridging.") && row.item.str("management") != Some("true") {
        return Err(Refusal::OutOfRange { allowed: "the management port of a bridge".into() }.into());
    }
    Ok(row.item.str("name").unwrap_or_default().to_string())
}

/// Puts the interfaces of a link upon another device.
pub fn set_link_lower(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let device = device_below(at, value)?;
    if device == name(at) {
        return Ok(());
    }
    if at.view.path_of(LINK, &device)?.is_some() {
        return Err(Refusal::Duplicate(format!("{device} has a link already")).into());
    }
    // The settings stay with the device they were made for; what keeps the row moves.
    if at.opt("cpe_link").is_some() {
        netdev::set(draft, name(at), "cpe_link", "", None)?;
        netdev::set(draft, &device, "cpe_link", "1", None)?;
    }
    replace(draft, name(at), Some(&device))?;
    draft.rebind(at, &device)
}

/// Makes a link: an option in the section of the device that its `LowerLayers` names keeps it.
pub fn add_link(at: &At<'_, '_>, _number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let device = device_below(at, at.field("LowerLayers").unwrap_or_default())?;
    if at.view.path_of(LINK, &device)?.is_some() {
        return Err(Refusal::Duplicate(format!("{device} has a link already")).into());
    }
    netdev::set(draft, &device, "cpe_link", flag(at.field("Enable").unwrap_or_default()), None)
}

/// Deletes a link: interfaces upon it lose their device.
pub fn delete_link(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let name = name(at);
    if vlan_upon(at, name)? {
        return Err(Refusal::Busy(format!("a VLAN lies upon {name}")).into());
    }
    netdev::set(draft, name, "cpe_link", "", None)?;
    replace(draft, name, None)
}

fn vlan_upon(at: &At<'_, '_>, name: &str) -> Result<bool, Stop> {
    let vlans = at.tree("derived:layers")?.and_then(|layers| layers.get("vlans"));
    Ok(vlans.map_or(&[][..], Tree::entries).iter().any(|(_, vlan)| vlan.str("base") == Some(name)))
}

/// Replaces a netdev wherever `network` names it; with nothing, takes it out.
///
/// The device's own section keeps its name.
pub(super) fn replace(draft: &mut Draft, old: &str, new: Option<&str>) -> Result<(), Stop> {
    let mut edits: Vec<(String, &'static str, Option<Tree>)> = Vec::new();
    for (key, section) in draft.tree(NETWORK)?.map_or(&[][..], Tree::entries) {
        let option = match section.str(".type") {
            Some("interface") => "device",
            Some("device") if section.str("type") == Some("bridge") => "ports",
            Some("device") => "ifname",
            Some(_) | None => continue,
        };
        let found = words(section, option);
        if found.contains(&old) {
            let kept: Vec<&str> =
                found.iter().filter_map(|w| if *w == old { new } else { Some(*w) }).collect();
            edits.push((key.to_string(), option, super::net::refit(section.get(option), &kept)));
        }
    }
    for (key, option, value) in edits {
        draft.set(NETWORK, &key, option, value)?;
    }
    Ok(())
}

/// The section of a VLAN, made for one that is only used by its name.
fn vlan_section(at: &At<'_, '_>, draft: &mut Draft) -> Result<String, Stop> {
    let key = netdev::section_or_new(draft, name(at))?;
    let section = draft.tree(NETWORK)?.and_then(|package| package.get(&key));
    if section.is_some_and(|section| section.get("type").is_none()) {
        for (option, value) in
            [("type", "8021q"), ("ifname", at.field("base").unwrap_or_default()), ("vid", vid(at))]
        {
            draft.set_text(NETWORK, &key, option, value)?;
        }
    }
    Ok(key)
}

fn vid<'s>(at: &At<'_, 's>) -> &'s str {
    at.field("vid").unwrap_or_default()
}

/// Switches a VLAN.
pub fn set_vlan_enabled(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let on = netbool(at.opt("enabled")) != Some(false);
    if on == (value == "true") {
        return Ok(());
    }
    let key = vlan_section(at, draft)?;
    draft.set_text(NETWORK, &key, "enabled", flag(value))
}

/// Gives a VLAN another number; its netdev is renamed wherever it is used.
pub fn set_vlan_id(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if value == vid(at) {
        return Ok(());
    }
    let key = vlan_section(at, draft)?;
    draft.set_text(NETWORK, &key, "vid", value)?;
    renamed(at, &key, at.field("base").unwrap_or_default(), value, draft)
}

/// Puts a VLAN upon another link.
pub fn set_vlan_lower(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let row = at.referred(&format!("{LINK}|{VLAN}"), value)?;
    let base = link_device(at, &row)?;
    if at.field("base") == Some(&base) {
        return Ok(());
    }
    let key = vlan_section(at, draft)?;
    draft.set_text(NETWORK, &key, "ifname", &base)?;
    renamed(at, &key, &base, vid(at), draft)
}

/// The netdev of a link, also of one that waits to be complete.
pub fn link_device(at: &At<'_, '_>, row: &Rc<Row<'_>>) -> Result<String, Stop> {
    match row.pending {
        true => device_below(at, row.item.str("LowerLayers").unwrap_or_default()),
        false => Ok(row.item.str("name").unwrap_or_default().to_string()),
    }
}

/// A netdev that is named after base and number follows them.
fn renamed(at: &At<'_, '_>, key: &str, base: &str, vid: &str, draft: &mut Draft) -> Result<(), Stop> {
    let old = name(at);
    let own = format!("{}.{}", at.field("base").unwrap_or_default(), self::vid(at));
    if old != own {
        return Ok(());
    }
    let new = format!("{base}.{vid}");
    if at.view.path_of(VLAN, &new)?.is_some() {
        return Err(Refusal::Duplicate(format!("{new} exists")).into());
    }
    draft.set_text(NETWORK, key, "name", &new)?;
    replace(draft, old, Some(&new))?;
    draft.rebind(at, &new)
}

/// Sets the tag's protocol.
pub fn set_tpid(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let kind = match value {
        "33024" => "8021q",
        "34984" => "8021ad",
        _ => return Err(Refusal::OutOfRange { allowed: "33024 or 34984".into() }.into()),
    };
    if at.field("tpid") == Some(value) {
        return Ok(());
    }
    let key = vlan_section(at, draft)?;
    draft.set_text(NETWORK, &key, "type", kind)
}

/// The priority that packets leave with; -1 where none is given.
pub fn vlan_priority<'s>(at: &At<'_, 's>) -> Value<'s> {
    let section = at.row.and_then(|row| row.section.as_ref());
    let pairs = section.map(|bound| words(bound.tree, "egress_qos_mapping")).unwrap_or_default();
    text(pairs.into_iter().find_map(|pair| pair.strip_prefix("0:")).unwrap_or("-1"))
}

/// Sets the priority that packets leave with; other pairs stay.
pub fn set_vlan_priority(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if vlan_priority(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let key = vlan_section(at, draft)?;
    let old = draft.tree(NETWORK)?.and_then(|package| package.get(&key));
    let pair = format!("0:{value}");
    let mut pairs: Vec<&str> = old.map(|section| words(section, "egress_qos_mapping")).unwrap_or_default();
    pairs.retain(|pair| !pair.starts_with("0:"));
    if value != "-1" {
        pairs.push(&pair);
    }
    let new = super::net::refit(old.and_then(|section| section.get("egress_qos_mapping")), &pairs);
    draft.set(NETWORK, &key, "egress_qos_mapping", new)
}

/// Makes a VLAN upon the link that the row names.
pub fn add_vlan(at: &At<'_, '_>, number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let lower = at.referred(&format!("{LINK}|{VLAN}"), at.field("LowerLayers").unwrap_or_default())?;
    let (base, vid) = (link_device(at, &lower)?, at.field("VLANID").unwrap_or_default());
    let name = format!("{base}.{vid}");
    if at.view.path_of(VLAN, &name)?.is_some() {
        return Err(Refusal::Duplicate(format!("{name} exists")).into());
    }
    let key = netdev::fresh(draft, &format!("cpe_vlan{number}"))?;
    draft.add(NETWORK, &key, "device")?;
    for (option, value) in
        [("name", name.as_str()), ("type", "8021q"), ("ifname", &base), ("vid", vid), ("enabled", "0")]
    {
        draft.set_text(NETWORK, &key, option, value)?;
    }
    Ok(())
}

/// Deletes a VLAN; interfaces and bridges lose it.
pub fn delete_vlan(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let section = netdev::section(draft, name(at))?.map(|(key, _)| key.to_string());
    if let Some(key) = section {
        draft.remove(NETWORK, &key)?;
    }
    replace(draft, name(at), None)
}

/// Seconds since the link last changed.
pub fn last_change<'s>(at: &At<'_, 's>) -> Value<'s> {
    netdev::last_change(at, at.field("name").unwrap_or_default())
}
