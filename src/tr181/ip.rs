//! Device.IP.: what its lines cannot say: switches over several sections, addresses and prefixes as list items.

use super::layers::net::{DUMP, NETWORK, netbool, ppp, words};
use super::layers::{IP, LINK, PPP, VLAN};
use super::net::{prefix_length, refit};
use super::netdev::{self, flag};
use crate::dm::draft::Draft;
use crate::dm::error::Refusal;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::At;
use std::borrow::Cow;

/// The table of prefixes.
const PREFIX: &str = "Device.IP.Interface.{i}.IPv6Prefix";
/// The tables of routing tables.
const ROUTER: &str = "Device.Routing.Router";
/// What a static address without a prefix is of.
const HOST_LENGTH: &str = "64";

fn text<'s>(text: impl Into<Cow<'s, str>>) -> Value<'s> {
    Ok(Some(text.into()))
}

fn yes<'s>(yes: bool) -> Value<'s> {
    text(if yes { "true" } else { "false" })
}

fn refused<T>(allowed: &str) -> Result<T, Stop> {
    Err(Refusal::OutOfRange { allowed: allowed.into() }.into())
}

/// Whether the kernel has IPv6.
pub fn ipv6_capable<'s>(at: &At<'_, 's>) -> Value<'s> {
    yes(at.tree("file:/proc/sys/net/ipv6/conf/all/disable_ipv6")?.is_some())
}

/// Whether one of the interfaces has IPv6.
pub fn all_ipv6<'s>(at: &At<'_, 's>) -> Value<'s> {
    if ipv6_capable(at)?.as_deref() != Some("true") {
        return yes(false);
    }
    for row in at.view.all_rows(IP)? {
        let here = At { view: at.view, object: row.object, row: Some(&row) };
        if has_ipv6(&here)? && at_field(&here, "kind") != "Loopback" {
            return yes(true);
        }
    }
    yes(false)
}

fn at_field<'s>(at: &At<'_, 's>, name: &str) -> &'s str {
    at.field(name).unwrap_or_default()
}

/// Switches IPv6 of every interface.
pub fn set_all_ipv6(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if all_ipv6(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    for row in at.view.all_rows(IP)? {
        let here = At { view: at.view, object: row.object, row: Some(&row) };
        if at_field(&here, "kind") != "Loopback" {
            set_ipv6_enable(&here, value, draft)?;
        }
    }
    Ok(())
}

/// As [`all_ipv6`].
pub fn ipv6_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    text(if all_ipv6(at)?.as_deref() == Some("true") { "Enabled" } else { "Disabled" })
}

/// The state of an interface of netifd.
fn state<'s>(at: &At<'_, 's>, name: &str) -> Result<Option<&'s Tree>, Stop> {
    let dump = at.tree(DUMP)?.and_then(|dump| dump.get("interface"));
    Ok(dump.map_or(&[][..], Tree::items).iter().find(|state| state.str("interface") == Some(name)))
}

/// The state of the row: of its own interface, or of a part of it that is up while the own one is not.
pub fn status<'s>(at: &At<'_, 's>) -> Value<'s> {
    if netbool(at.opt("disabled")) == Some(true) {
        return text("Down");
    }
    let further = at.row.and_then(|row| row.item.get(".names")).map_or(&[][..], Tree::items);
    let own = state(at, at_field(at, "name"))?;
    for name in further.iter().filter_map(Tree::as_str) {
        if state(at, name)?.is_some_and(|state| state.str("up") == Some("true")) {
            return text("Up");
        }
    }
    let Some(own) = own else { return text("Down") };
    let is = |field: &str| own.str(field) == Some("true");
    let errors = own.get("errors").map_or(&[][..], Tree::items);
    text(match (is("up"), is("pending"), is("available")) {
        (true, _, _) => "Up",
        _ if errors.iter().any(|error| error.str("code") == Some("INVALID_PROTO")) => "Error",
        (false, true, _) => "Dormant",
        (false, false, true) => "Down",
        (false, false, false) if own.str("available").is_some() => "LowerLayerDown",
        (false, false, false) => "Down",
    })
}

/// The sections that are switched with a row: its own and those of DHCPv6 clients upon it.
fn sections(at: &At<'_, '_>, draft: &Draft) -> Result<Vec<String>, Stop> {
    let network = draft.tree(NETWORK)?;
    let further = at.row.and_then(|row| row.item.get(".names")).map_or(&[][..], Tree::items);
    let names = std::iter::once(at.bound()?.name).chain(further.iter().filter_map(Tree::as_str));
    Ok(names.filter(|name| network.is_some_and(|n| n.get(name).is_some())).map(str::to_string).collect())
}

/// Switches the interface and the DHCPv6 client upon it.
pub fn set_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    for section in sections(at, draft)? {
        draft.set_text(NETWORK, &section, "disabled", if value == "true" { "" } else { "1" })?;
    }
    Ok(())
}

fn proto<'s>(at: &At<'_, 's>) -> &'s str {
    at.opt("proto").unwrap_or("none")
}

/// Whether the interface gets an IPv4 address: by its protocol, and for PPP by IPCP.
pub fn ipv4_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    match proto(at) {
        "none" | "dhcpv6" => yes(false),
        proto if ppp(proto) => super::ppp::ipcp_enable(at),
        _ => yes(true),
    }
}

/// Takes the protocol away or gives it back; what it was is remembered as `cpe_proto`.
pub fn set_ipv4_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if ipv4_enable(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let section = at.bound()?.name;
    match (proto(at), value == "true") {
        (proto, _) if ppp(proto) => super::ppp::set_ipcp_enable(at, value, draft),
        ("dhcpv6", _) => refused("false: the interface speaks IPv6 only"),
        (_, true) => {
            let back = at.opt("cpe_proto").unwrap_or("static");
            draft.set_text(NETWORK, section, "proto", back)?;
            draft.set_text(NETWORK, section, "cpe_proto", "")
        }
        (proto, false) => {
            draft.set_text(NETWORK, section, "cpe_proto", proto)?;
            draft.set_text(NETWORK, section, "proto", "none")
        }
    }
}

fn has_ipv6(at: &At<'_, '_>) -> Result<bool, Stop> {
    if ppp(proto(at)) {
        return Ok(at.opt("ipv6") != Some("0"));
    }
    let setting = netdev::setting(at.view, at_field(at, "l3"), "ipv6")?;
    Ok(netbool(setting) != Some(false))
}

/// Whether the interface's device has IPv6.
pub fn ipv6_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    yes(has_ipv6(at)?)
}

/// Switches IPv6 of the device; for PPP, of the protocol.
pub fn set_ipv6_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if has_ipv6(at)? == (value == "true") {
        return Ok(());
    }
    if ppp(proto(at)) {
        let off = if value == "true" { "" } else { "0" };
        return draft.set_text(NETWORK, at.bound()?.name, "ipv6", off);
    }
    netdev::set(draft, at_field(at, "l3"), "ipv6", flag(value), Some("1"))
}

/// Whether addresses of the router's own prefix are given to the interface.
pub fn ula_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    let classes = at.row.and_then(|row| row.section.as_ref()).map(|bound| words(bound.tree, "ip6class"));
    let classes = classes.unwrap_or_default();
    yes(at.opt("ip6assign").is_some() && (classes.is_empty() || classes.contains(&"local")))
}

/// Lets the interface have the router's own prefix or keeps it away.
pub fn set_ula_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if ula_enable(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    if at.opt("ip6assign").is_none() {
        return refused("false while the interface is assigned no prefix");
    }
    let bound = at.bound()?;
    let mut classes: Vec<String> = words(bound.tree, "ip6class").into_iter().map(str::to_string).collect();
    match value == "true" {
        true => classes.push("local".into()),
        false => {
            if classes.is_empty() {
                // Without the option every class is taken: all others must be named.
                let dump = at.tree(DUMP)?.and_then(|dump| dump.get("interface"));
                let known = dump.map_or(&[][..], Tree::items).iter();
                let six = known.filter(|state| state.str("proto") == Some("dhcpv6"));
                classes.extend(six.filter_map(|state| state.str("interface")).map(str::to_string));
                let all = at.view.sections(NETWORK, "interface")?;
                let stored = all.into_iter().filter(|(_, section)| section.str("proto") == Some("dhcpv6"));
                classes.extend(stored.map(|(name, _)| name.to_string()));
                classes.sort();
                classes.dedup();
            }
            classes.retain(|class| class != "local");
            if classes.is_empty() {
                return refused("true while no other prefix is there to be assigned");
            }
        }
    }
    let classes: Vec<&str> = classes.iter().map(String::as_str).collect();
    draft.set(NETWORK, bound.name, "ip6class", refit(bound.tree.get("ip6class"), &classes))
}

/// The routing table that the interface's routes go to.
pub fn router<'s>(at: &At<'_, 's>) -> Value<'s> {
    let table = at.opt("ip4table").unwrap_or("main");
    let names: &[&str] = if matches!(table, "main" | "254") { &["main", "254"] } else { &[table] };
    for name in names {
        if let Some(path) = at.view.path_of(ROUTER, name)? {
            return text(path);
        }
    }
    Ok(None)
}

/// Sends the interface's routes to another table.
pub fn set_router(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if router(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let row = at.referred(ROUTER, value)?;
    let table = if matches!(row.key.as_str(), "main" | "254") { "" } else { row.key.as_str() };
    draft.set_text(NETWORK, at.bound()?.name, "ip4table", table)
}

/// The largest packet: the live one, else what is stored.
pub fn mtu<'s>(at: &At<'_, 's>) -> Value<'s> {
    let stored = match ppp(proto(at)) {
        true => at.opt("mtu"),
        false => netdev::setting(at.view, at_field(at, "l3"), "mtu")?,
    };
    let waits = at.view.snapshot.unapplied.contains(NETWORK);
    let live = match at_field(at, "l3") {
        "" => None,
        l3 => at.tree(&format!("file:/sys/class/net/{l3}/mtu"))?.and_then(Tree::as_str),
    };
    let found = if waits { stored.or(live) } else { live.or(stored) };
    // The loopback device takes one byte more than the standard can say.
    let found = found.unwrap_or(if proto(at) == "pppoe" { "1492" } else { "1500" });
    text(found.parse::<u32>().unwrap_or(1500).min(65_535).to_string())
}

/// Sets the largest packet of the device; for PPP, of the protocol.
pub fn set_mtu(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if mtu(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    match ppp(proto(at)) {
        true => draft.set_text(NETWORK, at.bound()?.name, "mtu", value),
        false => netdev::set(draft, at_field(at, "l3"), "mtu", value, None),
    }
}

/// Puts an interface upon a link, a VLAN or a PPP interface.
pub fn set_lower(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let lower = at.row.and_then(|row| row.item.get("lower")).map_or(&[][..], Tree::items);
    let now = lower.first().and_then(Tree::as_str).and_then(|text| text.split_once(' '));
    let now = match now {
        Some((table, name)) => at.view.path_of(table, name)?.unwrap_or_default(),
        None => String::new(),
    };
    if now == value {
        return Ok(());
    }
    let bound = at.bound()?;
    if value.is_empty() && !ppp(proto(at)) {
        return place(at, draft, None);
    }
    if ppp(proto(at)) {
        return refused("its own PPP interface");
    }
    let row = at.referred(&format!("{LINK}|{VLAN}|{PPP}"), value)?;
    if row.object == at.view.model.find(&format!("{PPP}.{{i}}.")).unwrap_or(usize::MAX) {
        // PPP and what lies upon it are one section: an interface that has nothing yet becomes that one.
        let empty = bound.tree.entries().iter().all(|(option, _)| {
            matches!(&**option, ".type" | ".anonymous" | "proto" | "disabled" | "cpe_proto")
        });
        if !empty || !matches!(proto(at), "none" | "static") {
            return refused("a link or a VLAN, or PPP before anything else is set");
        }
        draft.remove(NETWORK, bound.name)?;
        return draft.rebind(at, &row.key);
    }
    let device = super::ethernet::link_device(at, &row)?;
    place(at, draft, Some(&device))
}

/// Gives the row's section and the DHCPv6 clients upon the same device another device.
fn place(at: &At<'_, '_>, draft: &mut Draft, device: Option<&str>) -> Result<(), Stop> {
    for section in sections(at, draft)? {
        let tree = draft.tree(NETWORK)?.and_then(|network| network.get(&section));
        let alias = tree.and_then(|tree| tree.str("device")).is_some_and(|device| device.starts_with('@'));
        if !alias {
            draft.set_text(NETWORK, &section, "device", device.unwrap_or_default())?;
        }
    }
    Ok(())
}

/// Deletes an interface with the DHCPv6 clients upon it.
pub fn delete_interface(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("kind") == Some("Loopback") {
        return Err(Refusal::NotDeletable.into());
    }
    for section in sections(at, draft)? {
        draft.remove(NETWORK, &section)?;
    }
    Ok(())
}

/// The section of the interface above an address or a prefix, if it takes configured ones.
fn owner<'s>(at: &At<'_, 's>) -> Result<(&'s str, &'s Tree), Stop> {
    let bound = at.up(1).and_then(|row| row.section.as_ref());
    let bound = bound.ok_or(Stop::Refused(Refusal::Backend("the interface has no section".into())))?;
    let proto = bound.tree.str("proto").unwrap_or("none");
    let proto = if proto == "none" { bound.tree.str("cpe_proto").unwrap_or("static") } else { proto };
    if proto != "static" {
        return refused("addresses of one's own only where the interface is static");
    }
    Ok((bound.name, bound.tree))
}

/// The option and the item that the row at `at` is, if it is configured.
fn item<'s>(at: &At<'_, 's>) -> Result<(&'s str, &'s str), Stop> {
    match (at.field("option"), at.field("item")) {
        (Some(option), Some(item)) => Ok((option, item)),
        (_, _) => refused("what it is: the network gave it"),
    }
}

/// Puts another item in the place of the row's.
fn swap(at: &At<'_, '_>, new: &str, draft: &mut Draft) -> Result<(), Stop> {
    let ((section, tree), (option, old)) = (owner(at)?, item(at)?);
    let mut items = words(tree, option);
    for item in items.iter_mut().filter(|item| **item == old) {
        *item = new;
    }
    draft.set(NETWORK, section, option, refit(tree.get(option), &items))
}

fn add(at: &At<'_, '_>, option: &str, new: &str, draft: &mut Draft) -> Result<(), Stop> {
    let (section, tree) = owner(at)?;
    let mut items = words(tree, option);
    let address = |item: &str| item.split('/').next().map(str::to_string);
    if option != "ip6prefix" && items.iter().any(|item| address(item) == address(new)) || items.contains(&new)
    {
        return Err(Refusal::Duplicate(format!("{new} is there already")).into());
    }
    items.push(new);
    draft.set(NETWORK, section, option, refit(tree.get(option), &items))
}

/// Takes a configured address or prefix away.
pub fn delete_address(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let ((option, old), (section, tree)) = (item(at)?, owner(at)?);
    let mut items = words(tree, option);
    items.retain(|item| *item != old);
    draft.set(NETWORK, section, option, refit(tree.get(option), &items))
}

fn length(mask: &str) -> Result<String, Stop> {
    match prefix_length(mask) {
        Some(length) => Ok(length.to_string()),
        None => refused("a mask without holes"),
    }
}

/// Configures the address that the waiting row has.
pub fn add_ipv4(at: &At<'_, '_>, _number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let new = format!("{}/{}", at_field(at, "IPAddress"), length(at_field(at, "SubnetMask"))?);
    add(at, "ipaddr", &new, draft)
}

/// Changes a configured address; its mask stays, in the form found.
pub fn set_ipv4(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("address") == Some(value) {
        return Ok(());
    }
    if value.is_empty() {
        return refused("an address");
    }
    let (_, old) = item(at)?;
    let new = match old.split_once('/') {
        Some((_, length)) => format!("{value}/{length}"),
        None => value.to_string(),
    };
    swap(at, &new, draft)?;
    draft.rebind(at, value)
}

/// Changes the mask of a configured address, in the form found; beside others it gets one of its own.
pub fn set_mask(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let wanted = length(value)?;
    let now = at.field("length").unwrap_or_default();
    if now == wanted || now == value {
        return Ok(());
    }
    let (option, old) = item(at)?;
    let (section, tree) = owner(at)?;
    match old.split_once('/') {
        None if words(tree, option).len() == 1 => draft.set_text(NETWORK, section, "netmask", value),
        Some((address, _)) => swap(at, &format!("{address}/{wanted}"), draft),
        None => swap(at, &format!("{old}/{wanted}"), draft),
    }
}

/// Configures the address that the waiting row has, with the length of the prefix that it names.
pub fn add_ipv6(at: &At<'_, '_>, _number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let length = match at.field("Prefix").filter(|path| !path.is_empty()) {
        Some(path) => prefix_of(at, path)?,
        None => HOST_LENGTH.to_string(),
    };
    add(at, "ip6addr", &format!("{}/{length}", at_field(at, "IPAddress")), draft)
}

/// The length of a prefix row.
fn prefix_of(at: &At<'_, '_>, path: &str) -> Result<String, Stop> {
    let row = at.referred(PREFIX, path)?;
    let text = row.item.str("address").or(row.item.str("Prefix")).unwrap_or_default();
    Ok(text.split_once('/').map_or(HOST_LENGTH, |(_, length)| length).to_string())
}

/// Changes a configured address; its length stays.
pub fn set_ipv6(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("address") == Some(value) {
        return Ok(());
    }
    if value.is_empty() {
        return refused("an address");
    }
    let (_, old) = item(at)?;
    let length = old.split_once('/').map_or("128", |(_, length)| length);
    swap(at, &format!("{value}/{length}"), draft)?;
    draft.rebind(at, value)
}

/// Gives a configured address the length of a prefix that contains it.
pub fn set_prefix_of(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let now = match at.field("prefix") {
        Some(name) => at.view.path_of(PREFIX, name)?.unwrap_or_default(),
        None => String::new(),
    };
    if now == value {
        return Ok(());
    }
    let (_, old) = item(at)?;
    let address = old.split('/').next().unwrap_or_default();
    let length = prefix_of(at, value)?;
    swap(at, &format!("{address}/{length}"), draft)
}

/// Configures the prefix that the waiting row has.
pub fn add_prefix(at: &At<'_, '_>, _number: u32, draft: &mut Draft) -> Result<(), Stop> {
    add(at, "ip6prefix", at_field(at, "Prefix"), draft)
}

/// Changes a configured prefix.
pub fn set_prefix(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("address") == Some(value) {
        return Ok(());
    }
    if value.is_empty() {
        return refused("a prefix");
    }
    swap(at, value, draft)?;
    draft.rebind(at, value)
}

/// The bits below the parent prefix that the configuration asks for (`0:0:0:4::/62`); empty if netifd chooses.
pub fn child_bits<'s>(at: &At<'_, 's>) -> Value<'s> {
    let section = at.up(1).and_then(|row| row.section.as_ref()).map(|bound| bound.tree);
    let asked = |option: &str| section.and_then(|section| section.str(option));
    let child = at.field("origin") == Some("Child");
    match (asked("ip6hint"), asked("ip6assign")) {
        (Some(hint), Some(length)) if child => match u64::from_str_radix(hint, 16) {
            Ok(hint) => text(format!("{}/{length}", std::net::Ipv6Addr::from(u128::from(hint) << 64))),
            Err(_) => Ok(None),
        },
        (_, _) => Ok(None),
    }
}

/// Asks netifd for these bits below the parent prefix.
pub fn set_child_bits(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if child_bits(at)?.as_deref().unwrap_or_default() == value {
        return Ok(());
    }
    let bound = at.up(1).and_then(|row| row.section.as_ref());
    let (Some("Child"), Some(bound)) = (at.field("origin"), bound) else {
        return refused("nothing: the prefix has no parent");
    };
    let Some((bits, length)) = value.split_once('/') else {
        return draft.set_text(NETWORK, bound.name, "ip6hint", "");
    };
    let bits = bits.parse::<std::net::Ipv6Addr>().map(u128::from).unwrap_or_default();
    if bits & u128::from(u64::MAX) != 0 || length.parse::<u8>().map_or(true, |length| length > 64) {
        return refused("bits of the first 64");
    }
    draft.set_text(NETWORK, bound.name, "ip6assign", length)?;
    draft.set_text(NETWORK, bound.name, "ip6hint", &format!("{:x}", bits >> 64))
}

/// Takes the interface down and up again, once the answer has left.
pub fn reset(at: &At<'_, '_>, _value: &str, draft: &mut Draft) -> Result<(), Stop> {
    netdev::restart(at, draft)
}
