//! Device.IP.: what its lines cannot say: switches over several sections. Addresses and prefixes are in `items`.

mod items;

pub use items::{
    add_ipv4, add_ipv6, add_prefix, child_bits, delete_address, set_child_bits, set_ipv4, set_ipv6, set_mask,
    set_prefix, set_prefix_of,
};

use super::layers::net::{DUMP, NETWORK, netbool, ppp, words};
use super::layers::{IP, LINK, PPP, VLAN};
use super::net::refit;
use super::netdev::{self, flag};
use crate::dm::draft::Draft;
use crate::dm::error::Refusal;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::At;
use std::borrow::Cow;

/// The tables of routing tables.
const ROUTER: &str = "Device.Routing.Router";

fn text<'s>(text: impl Into<Cow<'s, str>>) -> Value<'s> {
    Ok(Some(text.into()))
}

fn yes<'s>(yes: bool) -> Value<'s> {
    text(if yes { "true" } else { "false" })
}

fn refused<T>(allowed: &str) -> Result<T, Stop> {
    Err(Refusal::OutOfRange { allowed: allowed.into() }.into())
}

/// The kernel always speaks IPv4; what can be switched off is an interface's.
pub fn set_all_ipv4(_at: &At<'_, '_>, value: &str, _draft: &mut Draft) -> Result<(), Stop> {
    if value == "true" { Ok(()) } else { refused("true: IPv4 is switched per interface") }
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
    let waits = at.view.snapshot.is_unapplied(NETWORK);
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
