//! Device.Bridging.: what its lines cannot say: members of bridges and of their VLANs.

use super::layers::net::{NETWORK, WIRELESS, netbool, words};
use super::layers::{INTERFACE, PORT, SSID, VLAN, membership};
use super::net::refit;
use super::netdev;
use crate::dm::draft::Draft;
use crate::dm::error::Refusal;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, Bound, Row};
use std::borrow::Cow;
use std::rc::Rc;

/// Most bridges that rows are made for.
pub const MAX_BRIDGES: usize = 32;

const BRIDGE: &str = "Device.Bridging.Bridge";
const BRIDGE_VLAN: &str = "Device.Bridging.Bridge.{i}.VLAN";

fn text<'s>(text: impl Into<Cow<'s, str>>) -> Value<'s> {
    Ok(Some(text.into()))
}

fn refused<T>(allowed: &str) -> Result<T, Stop> {
    Err(Refusal::OutOfRange { allowed: allowed.into() }.into())
}

/// The port that stands for the bridge device is the management port; none becomes it, and it stays so.
pub fn set_management(at: &At<'_, '_>, value: &str, _draft: &mut Draft) -> Result<(), Stop> {
    match (at.field("management").unwrap_or("false") == value, value) {
        (true, _) => Ok(()),
        (false, "true") => refused("false: a bridge has its management port by itself"),
        (false, _) => refused("true: a bridge has its management port while it is there"),
    }
}

/// Whether the bridge is up.
pub fn bridge_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    let state = netdev::state(at.view, at.field("name").unwrap_or_default())?;
    let up = state.is_some_and(|state| state.str("up") == Some("true"));
    text(if up && netbool(at.opt("enabled")) != Some(false) { "Enabled" } else { "Disabled" })
}

/// VLANs make a bridge one of 802.1Q; nothing else does.
pub fn set_standard(at: &At<'_, '_>, value: &str, _draft: &mut Draft) -> Result<(), Stop> {
    match at.field("standard") {
        Some(now) if now == value => Ok(()),
        Some("802.1D-2004") => refused("802.1D-2004 until the bridge has a VLAN"),
        Some(_) | None => refused("802.1Q-2011 while the bridge has VLANs"),
    }
}

/// The protocol is what the kernel or a program in user space speaks; no option chooses.
pub fn set_protocol(at: &At<'_, '_>, value: &str, _draft: &mut Draft) -> Result<(), Stop> {
    let name = at.field("name").unwrap_or_default();
    let state = at.tree(&format!("file:/sys/class/net/{name}/bridge/stp_state"))?.and_then(Tree::as_str);
    let spoken = if state == Some("2") { "RSTP" } else { "STP" };
    if spoken == value { Ok(()) } else { refused(spoken) }
}

/// Makes a bridge without members, off.
pub fn add_bridge(at: &At<'_, '_>, number: u32, draft: &mut Draft) -> Result<(), Stop> {
    if at.view.all_rows(BRIDGE)?.len() >= MAX_BRIDGES {
        return Err(Refusal::Exhausted("bridges".into()).into());
    }
    let mut name = format!("br-cpe{number}");
    while netdev::section(draft, &name)?.is_some() {
        name.push('x');
    }
    let key = netdev::fresh(draft, &format!("cpe_bridge{number}"))?;
    draft.add(NETWORK, &key, "device")?;
    for (option, value) in
        [("name", name.as_str()), ("type", "bridge"), ("bridge_empty", "1"), ("enabled", "0")]
    {
        draft.set_text(NETWORK, &key, option, value)?;
    }
    Ok(())
}

/// Deletes a bridge with its VLANs; interfaces upon it lose their device.
pub fn delete_bridge(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let name = at.field("name").unwrap_or_default();
    let sections = draft.tree(NETWORK)?.map_or(&[][..], Tree::entries).iter();
    let vlan =
        |section: &Tree| section.str(".type") == Some("bridge-vlan") && section.str("device") == Some(name);
    let vlans: Vec<String> = sections.filter(|(_, s)| vlan(s)).map(|(key, _)| key.to_string()).collect();
    for key in vlans {
        draft.remove(NETWORK, &key)?;
    }
    let key = at.bound()?.name;
    draft.remove(NETWORK, key)?;
    super::ethernet::replace(draft, name, None)
}

/// The bridge that a port or a VLAN belongs to.
fn bridge<'a, 's>(at: &At<'a, 's>) -> Result<(&'a Rc<Row<'s>>, &'a Bound<'s>), Stop> {
    let row = at.up(1).ok_or(Stop::Refused(Refusal::UnknownPath))?;
    let bound =
        row.section.as_ref().ok_or(Stop::Refused(Refusal::Backend("bridge without section".into())))?;
    Ok((row, bound))
}

/// The member as UCI writes it; one of a section without a name is called by its number.
pub fn port_name<'s>(at: &At<'_, 's>) -> Value<'s> {
    match (at.field("unnamed"), at.row) {
        (Some(_), Some(row)) => text(format!("cpe-{}", row.number)),
        (_, _) => Ok(at.field("name").map(Cow::Borrowed)),
    }
}

/// As the member's netdev.
pub fn port_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    match at.field("netdev") {
        Some("") | None => text("NotPresent"),
        Some(_) if at.field("enabled") == Some("false") => text("Down"),
        Some(netdev) => text(netdev::status(at.view, netdev, true)?),
    }
}

/// What the port does with frames; the bridge's own forwards while it is up.
pub fn port_state<'s>(at: &At<'_, 's>) -> Value<'s> {
    let netdev = at.field("netdev").unwrap_or_default();
    if at.field("management").is_some() {
        let up = netdev::state(at.view, netdev)?.is_some_and(|state| state.str("up") == Some("true"));
        return text(if up { "Forwarding" } else { "Disabled" });
    }
    if netdev.is_empty() || at.field("enabled") == Some("false") {
        return text("Disabled");
    }
    let state = at.tree(&format!("file:/sys/class/net/{netdev}/brport/state"))?.and_then(Tree::as_str);
    text(match state {
        Some("1") => "Listening",
        Some("2") => "Learning",
        Some("3") => "Forwarding",
        Some("4") => "Blocking",
        Some(_) | None => "Disabled",
    })
}

/// Moves a word between two options of a section that hold lists of words, in the form found.
fn shift(
    draft: &mut Draft,
    source: &str,
    section: &str,
    word: &str,
    from: &str,
    to: &str,
) -> Result<(), Stop> {
    let tree = draft.tree(source)?.and_then(|package| package.get(section));
    let form = tree.and_then(|tree| tree.get(to).or(tree.get(from))).cloned();
    let mut all = tree.map(|tree| words(tree, to)).unwrap_or_default();
    if !all.contains(&word) {
        all.push(word);
    }
    let new = refit(form.as_ref(), &all);
    draft.set(source, section, to, new)?;
    take(draft, source, section, word, from)
}

fn take(draft: &mut Draft, source: &str, section: &str, word: &str, from: &str) -> Result<(), Stop> {
    let tree = draft.tree(source)?.and_then(|package| package.get(section));
    let mut kept = tree.map(|tree| words(tree, from)).unwrap_or_default();
    kept.retain(|kept| *kept != word);
    let new = refit(tree.and_then(|tree| tree.get(from)), &kept);
    draft.set(source, section, from, new)
}

fn put(draft: &mut Draft, source: &str, section: &str, word: &str, to: &str) -> Result<(), Stop> {
    let tree = draft.tree(source)?.and_then(|package| package.get(section));
    let mut all = tree.map(|tree| words(tree, to)).unwrap_or_default();
    if !all.contains(&word) {
        all.push(word);
    }
    let new = refit(tree.and_then(|tree| tree.get(to)), &all);
    draft.set(source, section, to, new)
}

/// The network upon a bridge (or a VLAN of it) that a wifi-iface section is attached to, now or when it is on again.
fn network_of(draft: &Draft, ssid: &str, option: &str, bridge: &str) -> Result<Option<String>, Stop> {
    let tree = draft.tree(WIRELESS)?.and_then(|package| package.get(ssid));
    let network = draft.tree(NETWORK)?;
    let upon = |name: &&str| {
        let section = network.and_then(|network| network.get(name));
        let device = section.and_then(|section| words(section, "device").first().copied());
        device.is_some_and(|device| super::layers::net::upon(device, bridge))
    };
    Ok(tree.map(|tree| words(tree, option)).unwrap_or_default().into_iter().find(upon).map(str::to_string))
}

/// Attaches a member or takes it off; where it was is remembered beside.
pub fn set_port_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("enabled") == Some(value) {
        return Ok(());
    }
    let (row, bound) = bridge(at)?;
    let on = value == "true";
    match (at.field("management"), at.field("ssid")) {
        (Some(_), _) => refused("true: a bridge has its management port while it is there"),
        (None, Some(ssid)) => {
            let (from, to) = if on { ("cpe_network", "network") } else { ("network", "cpe_network") };
            let bridge = row.item.str("name").unwrap_or_default();
            let Some(network) = network_of(draft, ssid, from, bridge)? else {
                return Err(Refusal::Backend("the station has no network upon the bridge".into()).into());
            };
            shift(draft, WIRELESS, ssid, &network, from, to)
        }
        (None, None) => {
            let name = at.field("name").unwrap_or_default();
            let (from, to) = if on { ("cpe_ports", "ports") } else { ("ports", "cpe_ports") };
            shift(draft, NETWORK, bound.name, name, from, to)
        }
    }
}

/// What a bridge port can lie upon.
fn below<'s>(at: &At<'_, 's>, path: &str) -> Result<Rc<Row<'s>>, Stop> {
    let row = at.referred(&format!("{INTERFACE}|{VLAN}|{SSID}"), path)?;
    if row.pending { refused("a row that is complete") } else { Ok(row) }
}

/// Puts another device or SSID behind a port.
pub fn set_port_lower(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("management").is_some() {
        let lower = at.row.and_then(|row| row.item.get("lower")).map_or(&[][..], Tree::items);
        let mut now = Vec::new();
        for name in lower.iter().filter_map(Tree::as_str).filter_map(|text| text.split_once(' ')) {
            now.extend(at.view.path_of(name.0, name.1)?);
        }
        let same =
            now.len() == value.split(',').count() && value.split(',').all(|p| now.iter().any(|n| n == p));
        return if same { Ok(()) } else { refused("all other ports of the bridge") };
    }
    let row = below(at, value)?;
    if row.item.str("name") == at.field("name") && row.path.starts_with("Device.Ethernet.") {
        return Ok(());
    }
    let enabled = at.field("enabled") == Some("true");
    detach(at, draft)?;
    let key = attach(at, &row, enabled, draft)?;
    draft.rebind(at, &key)
}

/// Takes the member of the port at `at` off its bridge.
fn detach(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let (row, bound) = bridge(at)?;
    match at.field("ssid") {
        Some(ssid) => {
            for option in ["network", "cpe_network"] {
                let bridge = row.item.str("name").unwrap_or_default();
                if let Some(network) = network_of(draft, ssid, option, bridge)? {
                    take(draft, WIRELESS, ssid, &network, option)?;
                }
            }
        }
        None => {
            let name = at.field("name").unwrap_or_default();
            take(draft, NETWORK, bound.name, name, "ports")?;
            take(draft, NETWORK, bound.name, name, "cpe_ports")?;
        }
    }
    Ok(())
}

/// Makes `lower` a member of the bridge above `at`; the key of its port.
fn attach(at: &At<'_, '_>, lower: &Rc<Row<'_>>, enabled: bool, draft: &mut Draft) -> Result<String, Stop> {
    let (row, bound) = bridge(at)?;
    let bridge = row.item.str("name").unwrap_or_default();
    if lower.path.starts_with("Device.Ethernet.") {
        let name = lower.item.str("name").unwrap_or_default();
        if at.view.path_of(PORT, name)?.is_some() {
            return Err(Refusal::Duplicate(format!("{name} is in a bridge already")).into());
        }
        put(draft, NETWORK, bound.name, name, if enabled { "ports" } else { "cpe_ports" })?;
        return Ok(name.to_string());
    }
    let Some(ssid) = lower.section.as_ref() else { return refused("an SSID with a section") };
    let interfaces = draft.tree(NETWORK)?.map_or(&[][..], Tree::entries).iter();
    let upon = |section: &&(Box<str>, Tree)| {
        section.1.str(".type") == Some("interface")
            && words(&section.1, "device").first().is_some_and(|d| super::layers::net::upon(d, bridge))
    };
    let network = interfaces.into_iter().find(upon).map(|(name, _)| name.to_string());
    let Some(network) = network else {
        return refused("an SSID only where an IP interface lies upon the bridge");
    };
    put(draft, WIRELESS, ssid.name, &network, if enabled { "network" } else { "cpe_network" })?;
    Ok(match ssid.tree.get(".anonymous") {
        Some(_) => {
            format!("{}/{}", words(ssid.tree, "device").join("+"), ssid.tree.str("ssid").unwrap_or_default())
        }
        None => ssid.name.to_string(),
    })
}

/// Makes the port of what the waiting row lies upon, off.
pub fn add_port(at: &At<'_, '_>, _number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let row = below(at, at.field("LowerLayers").unwrap_or_default())?;
    attach(at, &row, false, draft).map(drop)
}

/// Takes a member out of its bridge and of the bridge's VLANs.
pub fn delete_port(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("management").is_some() {
        return Err(Refusal::NotDeletable.into());
    }
    for (section, item) in memberships(at, draft)? {
        take(draft, NETWORK, &section, &item, "ports")?;
    }
    detach(at, draft)
}

/// The bridge-vlan items that name the port at `at`: section and item.
fn memberships(at: &At<'_, '_>, draft: &Draft) -> Result<Vec<(String, String)>, Stop> {
    let (row, _) = bridge(at)?;
    let names = [at.field("name"), at.field("netdev"), at.field("ssid")];
    let mut out = Vec::new();
    for (key, section) in draft.tree(NETWORK)?.map_or(&[][..], Tree::entries) {
        if section.str(".type") == Some("bridge-vlan") && section.str("device") == row.item.str("name") {
            let items = words(section, "ports").into_iter();
            let own = items.filter(|item| names.contains(&Some(membership(item).port)));
            out.extend(own.map(|item| (key.to_string(), item.to_string())));
        }
    }
    Ok(out)
}

/// Replaces an item of a bridge-vlan's `ports`.
fn swap(draft: &mut Draft, section: &str, old: &str, new: &str) -> Result<(), Stop> {
    let tree = draft.tree(NETWORK)?.and_then(|package| package.get(section));
    let mut items = tree.map(|tree| words(tree, "ports")).unwrap_or_default();
    for item in items.iter_mut().filter(|item| **item == old) {
        *item = new;
    }
    let ports = refit(tree.and_then(|tree| tree.get("ports")), &items);
    draft.set(NETWORK, section, "ports", ports)
}

/// An item of a bridge-vlan's `ports`.
fn item(port: &str, untagged: bool, pvid: bool) -> String {
    match (untagged, pvid) {
        (true, true) => format!("{port}:u*"),
        (true, false) => format!("{port}:u"),
        (false, true) => format!("{port}:t*"),
        (false, false) => format!("{port}:t"),
    }
}

/// Makes a VLAN that the port is a member of the one for frames without a tag.
pub fn set_pvid(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("pvid").unwrap_or("1") == value {
        return Ok(());
    }
    let mut found = false;
    for (section, old) in memberships(at, draft)? {
        let vlan = draft.tree(NETWORK)?.and_then(|package| package.get(&section)).and_then(|s| s.str("vlan"));
        let here = vlan == Some(value);
        let now = membership(&old);
        found |= here;
        if now.pvid != here {
            swap(draft, &section, &old, &item(now.port, now.untagged, here))?;
        }
    }
    if found { Ok(()) } else { refused("a VLAN that the port is a member of") }
}

/// Makes the VLAN that the waiting row describes.
pub fn add_vlan(at: &At<'_, '_>, number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let (row, _) = bridge(at)?;
    let key = netdev::fresh(draft, &format!("cpe_vlan{number}"))?;
    draft.add(NETWORK, &key, "bridge-vlan")?;
    draft.set_text(NETWORK, &key, "device", row.item.str("name").unwrap_or_default())?;
    draft.set_text(NETWORK, &key, "vlan", at.field("VLANID").unwrap_or_default())
}

/// The first alias of a bridge-vlan.
pub fn vlan_name<'s>(at: &At<'_, 's>) -> Value<'s> {
    let section = at.row.and_then(|row| row.section.as_ref());
    Ok(section.and_then(|bound| words(bound.tree, "alias").first().copied()).map(Cow::Borrowed))
}

/// Sets the first alias; it is a word.
pub fn set_vlan_name(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let bound = at.bound()?;
    let mut all = words(bound.tree, "alias");
    if all.first().copied().unwrap_or_default() == value {
        return Ok(());
    }
    if value.contains(char::is_whitespace) {
        return refused("a name without blanks");
    }
    if !all.is_empty() {
        all.remove(0);
    }
    if !value.is_empty() {
        all.insert(0, value);
    }
    draft.set(&bound.source, bound.name, "alias", refit(bound.tree.get("alias"), &all))
}

/// The bridge-vlan section of a VLAN row of the same bridge.
fn vlan_section(at: &At<'_, '_>, path: &str) -> Result<String, Stop> {
    let row = at.referred(BRIDGE_VLAN, path)?;
    let (bridge, _) = bridge(at)?;
    match (&row.section, row.path.starts_with(&*bridge.path)) {
        (Some(bound), true) => Ok(bound.name.to_string()),
        (_, _) => refused("a VLAN of the same bridge"),
    }
}

/// The member that a port row of the same bridge stands for, as a bridge-vlan names it.
fn port_device(at: &At<'_, '_>, path: &str) -> Result<String, Stop> {
    let row = at.referred(PORT, path)?;
    let (bridge, _) = bridge(at)?;
    let name = if row.item.str("ssid").is_some() { row.item.str("netdev") } else { row.item.str("name") };
    match name {
        Some(name) if row.path.starts_with(&*bridge.path) && !name.is_empty() => {
            if row.item.str("management").is_some() {
                return refused("another port than the management port: a VLAN always has the bridge itself");
            }
            Ok(name.to_string())
        }
        Some(_) | None => refused("a port of the same bridge that has a device"),
    }
}

/// Makes the member that the waiting row names.
pub fn add_vlan_port(at: &At<'_, '_>, _number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let section = vlan_section(at, at.field("VLAN").unwrap_or_default())?;
    let port = port_device(at, at.field("Port").unwrap_or_default())?;
    let tree = draft.tree(NETWORK)?.and_then(|package| package.get(&section));
    let mut items = tree.map(|tree| words(tree, "ports")).unwrap_or_default();
    if items.iter().any(|item| membership(item).port == port) {
        return Err(Refusal::Duplicate(format!("{port} is a member already")).into());
    }
    let untagged = at.field("Untagged") == Some("true");
    // A port without another VLAN for its untagged frames gets this one, as nothing else could carry them.
    let pvid = untagged && !port_has_pvid(draft, &section, &port)?;
    let new = item(&port, untagged, pvid);
    items.push(&new);
    let ports = refit(tree.and_then(|tree| tree.get("ports")), &items);
    draft.set(NETWORK, &section, "ports", ports)
}

fn port_has_pvid(draft: &Draft, vlan: &str, port: &str) -> Result<bool, Stop> {
    let network = draft.tree(NETWORK)?;
    let device = network.and_then(|network| network.get(vlan)).and_then(|vlan| vlan.str("device"));
    let mut vlans = network.map_or(&[][..], Tree::entries).iter();
    Ok(vlans.any(|(_, section)| {
        section.str(".type") == Some("bridge-vlan")
            && section.str("device") == device
            && words(section, "ports").into_iter().map(membership).any(|m| m.port == port && m.pvid)
    }))
}

/// Takes a member out of its VLAN.
pub fn delete_vlan_port(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let section = at.bound()?.name;
    take(draft, NETWORK, section, at.field("item").unwrap_or_default(), "ports")
}

/// Moves a member to another VLAN of the bridge.
pub fn set_vlan(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let section = vlan_section(at, value)?;
    if section == at.bound()?.name {
        return Ok(());
    }
    delete_vlan_port(at, draft)?;
    put(draft, NETWORK, &section, at.field("item").unwrap_or_default(), "ports")?;
    let vlan = at.view.tree(NETWORK)?.and_then(|package| package.get(&section));
    let key = super::layers::vlan_key(&section, vlan);
    draft.rebind(at, &format!("{key}/{}", at.field("port").unwrap_or_default()))
}

/// Puts another port of the bridge in a member's place.
pub fn set_port(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let (port, now) = (port_device(at, value)?, membership(at.field("item").unwrap_or_default()));
    if port == now.port {
        return Ok(());
    }
    let bound = at.bound()?;
    let new = item(&port, now.untagged, now.pvid);
    swap(draft, bound.name, at.field("item").unwrap_or_default(), &new)?;
    draft.rebind(at, &format!("{}/{port}", super::layers::vlan_key(bound.name, Some(bound.tree))))
}

/// Whether frames leave the port without the VLAN's tag.
pub fn set_untagged(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("untagged") == Some(value) {
        return Ok(());
    }
    let old = at.field("item").unwrap_or_default();
    let now = membership(old);
    swap(draft, at.bound()?.name, old, &item(now.port, value == "true", now.pvid))
}

/// Seconds since the link last changed.
pub fn last_change<'s>(at: &At<'_, 's>) -> Value<'s> {
    netdev::last_change(at, at.field("netdev").unwrap_or_default())
}
