//! DHCPv4 clients: interfaces with `proto dhcp`, or with `cpe_proto dhcp` while the client is switched off.
//!
//! A client that has no interface yet is a section of type `cpe_dhcpv4` in `network`, which netifd skips.

use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, Bound, View};
use crate::dm::write::Draft;
use crate::tr181::network::{self, unfit};
use crate::tr181::optionlist::{self, Item, Kind};
use std::borrow::Cow;

/// The package that clients live in.
const NETWORK: &str = "uci:network";
/// The type of a section that holds a client without an interface.
const HOLDER: &str = "cpe_dhcpv4";
/// What a client says of itself, moved along when it moves to another interface.
const OPTIONS: &[&str] = &[
    "hostname",
    "vendorid",
    "clientid",
    "reqopts",
    "sendopts",
    "defaultreqopts",
    "broadcast",
    "norelease",
    "cpe_sendopts",
    "cpe_reqopts",
];
/// busybox's names of the options that `reqopts` and `sendopts` may name.
const NAMES: &[(&str, u8)] = &[
    ("subnet", 1),
    ("timezone", 2),
    ("router", 3),
    ("dns", 6),
    ("hostname", 12),
    ("domain", 15),
    ("rootpath", 17),
    ("ipttl", 23),
    ("mtu", 26),
    ("broadcast", 28),
    ("routes", 33),
    ("nisdomain", 40),
    ("nissrv", 41),
    ("ntpsrv", 42),
    ("wins", 44),
    ("lease", 51),
    ("serverid", 54),
    ("tftp", 66),
    ("bootfile", 67),
    ("search", 119),
    ("sipsrv", 120),
    ("staticroutes", 121),
    ("msstaticroutes", 249),
    ("wpad", 252),
];
/// The options of [`NAMES`] whose value is a text.
const TEXTS: &[u8] = &[12, 15, 17, 40, 66, 67, 252];

const SENT: Kind = Kind { load: sent, store: store_sent };
const REQUESTED: Kind = Kind { load: requested, store: store_requested };

/// The clients by section name.
pub(super) fn clients(view: &View<'_>) -> Result<Tree, Stop> {
    let mut clients = Tree::Map(Vec::new());
    let hostname = system_name(view)?;
    let sections = view.tree(NETWORK)?.map_or(&[][..], Tree::entries);
    for (name, section) in sections {
        let is_client = match section.str(".type") {
            Some("interface") => [section.str("proto"), section.str("cpe_proto")].contains(&Some("dhcp")),
            kind => kind == Some(HOLDER),
        };
        if !is_client {
            continue;
        }
        let mut items = sent(section);
        // Without the option netifd sends the router's own name.
        if let (true, Some(own)) = (section.get("hostname").is_none(), hostname)
            && let Some(item) = items.iter_mut().find(|item| item.on && item.name.as_deref() == Some("12"))
        {
            item.value = optionlist::hex(own.as_bytes());
        }
        let client = Tree::map([
            (".source", Tree::from(NETWORK)),
            (".section", Tree::from(&**name)),
            ("section", Tree::from(&**name)),
            ("sent", optionlist::rows(&items)),
            ("requested", optionlist::rows(&requested(section))),
        ]);
        clients.set(name, client);
    }
    Ok(clients)
}

fn system_name<'s>(view: &View<'s>) -> Result<Option<&'s str>, Stop> {
    Ok(view.sections("uci:system", "system")?.first().and_then(|(_, system)| system.str("hostname")))
}

fn holder(at: &At<'_, '_>) -> bool {
    at.opt(".type") == Some(HOLDER)
}

/// `Interface`: the network that the client is part of; nothing while it has none.
pub fn client_interface<'s>(at: &At<'_, 's>) -> Value<'s> {
    if holder(at) {
        return Ok(None);
    }
    Ok(at.view.path_of("Device.IP.Interface", at.bound()?.name)?.map(Cow::Owned))
}

/// Moves the client, with what it sends and asks for, to another network, whose own protocol ends.
///
/// Refuses a network that has a client already. Without an interface the client waits in a section of its own.
pub fn set_client_interface(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if client_interface(at)?.unwrap_or_default() == value {
        return Ok(());
    }
    let (row, bound) = (at.row, at.bound()?);
    let Some(row) = row else { return Ok(()) };
    let enabled = client_enable(at)?.as_deref() == Some("true");
    let target = if value.is_empty() {
        let name = format!("{HOLDER}_{}", row.number);
        draft.add(NETWORK, &name, HOLDER)?;
        name
    } else {
        let to = at.referred("Device.IP.Interface", value)?;
        let to = to.section.as_ref().filter(|bound| bound.source == NETWORK);
        let to = to.ok_or_else(|| unfit("an interface that UCI configures"))?;
        if [to.tree.str("proto"), to.tree.str("cpe_proto")].contains(&Some("dhcp")) {
            return Err(unfit("an interface without a DHCPv4 client"));
        }
        to.name.to_string()
    };
    for option in OPTIONS {
        if let Some(held) = bound.tree.get(option) {
            draft.set(NETWORK, &target, option, Some(held.clone()))?;
        }
    }
    if holder(at) {
        draft.remove(NETWORK, bound.name)?;
    } else {
        end(bound, draft)?;
    }
    switch(&target, value.is_empty(), enabled, draft)?;
    let table = at.view.table_path(row.object, row.parent.as_ref())?;
    at.view.instances.borrow_mut().rebind(&table, &row.key, &target);
    Ok(())
}

/// Takes the client out of an interface, which keeps its other settings.
fn end(bound: &Bound<'_>, draft: &mut Draft) -> Result<(), Stop> {
    if bound.tree.str("proto") == Some("dhcp") {
        draft.set_text(NETWORK, bound.name, "proto", "none")?;
    }
    for option in OPTIONS.iter().chain(&["cpe_proto"]) {
        draft.set(NETWORK, bound.name, option, None)?;
    }
    Ok(())
}

fn switch(section: &str, is_holder: bool, on: bool, draft: &mut Draft) -> Result<(), Stop> {
    if is_holder {
        return draft.set_text(NETWORK, section, "enabled", if on { "1" } else { "" });
    }
    draft.set_text(NETWORK, section, "proto", if on { "dhcp" } else { "none" })?;
    draft.set_text(NETWORK, section, "cpe_proto", if on { "" } else { "dhcp" })
}

/// `Enable`: the protocol is DHCP and the interface is not disabled.
pub fn client_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    let on = if holder(at) {
        network::flag(at.opt("enabled")).unwrap_or(false)
    } else {
        at.opt("proto") == Some("dhcp") && network::flag(at.opt("disabled")) != Some(true)
    };
    Ok(Some(if on { "true" } else { "false" }.into()))
}

/// Switches the protocol between DHCP and none; switching on also enables a disabled interface.
pub fn set_client_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if client_enable(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let bound = at.bound()?;
    let on = value == "true";
    if on && network::flag(at.opt("disabled")) == Some(true) {
        draft.set(NETWORK, bound.name, "disabled", None)?;
    }
    switch(bound.name, holder(at), on, draft)
}

/// `Status` of the row, whatever the lease: misconfigured without an interface, a device or a known protocol.
pub fn client_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    if client_enable(at)?.as_deref() != Some("true") {
        return Ok(Some("Disabled".into()));
    }
    let state = network::state(at.view, at.bound()?.name)?;
    let errors = state.and_then(|state| state.get("errors")).map_or(&[][..], Tree::items);
    // A device that is not plugged in is no mistake in the configuration.
    let wrong = errors.iter().any(|error| error.str("code") != Some("NO_DEVICE"));
    let whole = !holder(at) && at.opt("device").is_some() && !wrong;
    Ok(Some(if whole { "Enabled" } else { "Error_Misconfigured" }.into()))
}

fn live<'s>(at: &At<'_, 's>) -> Result<Option<&'s Tree>, Stop> {
    let state = network::state(at.view, at.bound()?.name)?;
    Ok(state.filter(|state| state.str("proto") == Some("dhcp")))
}

/// `DHCPStatus`: netifd knows bound and asking; all between is its client's own.
pub fn client_lease_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    let status = match live(at)? {
        Some(state) if network::is_up(state) => "Bound",
        Some(state) if state.str("pending") == Some("true") => "Selecting",
        Some(_) | None => "Init",
    };
    Ok(Some(status.into()))
}

/// Fields of netifd's entry, first those in use and then those it keeps out of use.
fn both<'s>(at: &At<'_, 's>, field: &str) -> Result<Vec<&'s Tree>, Stop> {
    let Some(state) = live(at)? else { return Ok(Vec::new()) };
    let active = state.get(field).map_or(&[][..], Tree::items);
    let inactive = state.get("inactive").and_then(|kept| kept.get(field)).map_or(&[][..], Tree::items);
    Ok(active.iter().chain(inactive).collect())
}

/// `IPRouters`: next hops of the default routes that the lease brought, also with `defaultroute '0'`.
pub fn client_routers<'s>(at: &At<'_, 's>) -> Value<'s> {
    let mut routers: Vec<&str> = Vec::new();
    for route in both(at, "route")? {
        let default = route.str("target") == Some("0.0.0.0") && route.str("mask") == Some("0");
        // A route of another table comes from a section of its own.
        if let (true, None, Some(hop)) = (default, route.get("table"), route.str("nexthop"))
            && !routers.contains(&hop)
        {
            routers.push(hop);
        }
    }
    Ok(Some(routers.join(",").into()))
}

/// `DNSServers`: the IPv4 servers of the lease, also with `peerdns '0'`; not those that UCI adds.
pub fn client_dns<'s>(at: &At<'_, 's>) -> Value<'s> {
    let own = network::words(at.bound()?.tree.get("dns"));
    let servers = both(at, "dns-server")?;
    let learnt = servers.iter().filter_map(|server| server.as_str());
    let learnt: Vec<&str> = learnt.filter(|server| !server.contains(':') && !own.contains(server)).collect();
    Ok(Some(learnt.join(",").into()))
}

/// `LeaseTimeRemaining` in seconds, -1 for an endless lease, 0 without one.
///
/// netifd tells when the lease began and how long it is. A client that stays bound has renewed at half of it each
/// time, which gives the moment of the last renewal.
//= RFC 2131 4.4.5: T1 is half of the lease; the client renews then.
pub fn client_lease_remaining<'s>(at: &At<'_, 's>) -> Value<'s> {
    let Some(state) = live(at)?.filter(|state| network::is_up(state)) else { return Ok(None) };
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
    let lease = number(state.get("data").and_then(|data| data.str("leasetime")));
    let (Some(lease), Some(uptime)) = (lease, number(state.str("uptime"))) else { return Ok(None) };
    if lease >= i64::from(u32::MAX) {
        return Ok(Some("-1".into()));
    }
    Ok(Some((lease - uptime.rem_euclid((lease / 2).max(1))).to_string().into()))
}

/// Ends the client; its interface stays without a protocol.
pub fn delete_client(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let bound = at.bound()?;
    if holder(at) { draft.remove(NETWORK, bound.name) } else { end(bound, draft) }
}

fn item(tag: u8, value: String, on: bool, text: Option<&str>) -> Item {
    Item { name: Some(tag.to_string()), value, on, text: text.map(str::to_string) }
}

/// What the client sends: `hostname`, `vendorid`, `clientid`, then `sendopts`; switched off `cpe_sendopts`.
fn sent(section: &Tree) -> Vec<Item> {
    let mut items = Vec::new();
    match section.str("hostname") {
        Some("*") => {}
        None if section.str(".type") == Some(HOLDER) => {}
        name => items.push(item(12, optionlist::hex(name.unwrap_or_default().as_bytes()), true, name)),
    }
    if let Some(vendor) = section.str("vendorid") {
        items.push(item(60, optionlist::hex(vendor.as_bytes()), true, Some(vendor)));
    }
    if let Some((id, bytes)) = section.str("clientid").and_then(|id| Some((id, optionlist::unhex(id)?))) {
        items.push(item(61, optionlist::hex(&bytes), true, Some(id)));
    }
    for (option, on) in [("sendopts", true), ("cpe_sendopts", false)] {
        for text in network::words(section.get(option)) {
            let known = sent_item(text);
            let (name, value) =
                known.map_or((None, String::new()), |(tag, value)| (Some(tag.to_string()), value));
            items.push(Item { name, value, on, text: Some(text.to_string()) });
        }
    }
    items
}

/// `NUM:hex`, or `name:text` for options that are a text.
fn sent_item(text: &str) -> Option<(u8, String)> {
    let (name, value) = text.split_once(':')?;
    if let Some((_, tag)) = NAMES.iter().find(|(known, _)| *known == name) {
        return TEXTS.contains(tag).then(|| (*tag, optionlist::hex(value.as_bytes())));
    }
    let tag: u8 = match name.strip_prefix("0x") {
        Some(digits) => u8::from_str_radix(digits, 16).ok()?,
        None => name.parse().ok()?,
    };
    let bytes = optionlist::unhex(value)?;
    (1..=254).contains(&tag).then(|| (tag, optionlist::hex(&bytes)))
}

fn store_sent(bound: &Bound<'_>, items: &[Item], draft: &mut Draft) -> Result<(), Stop> {
    let mut on = Vec::new();
    let mut off = Vec::new();
    let (mut hostname, mut vendor, mut id) = (None, None, None);
    for item in items {
        let old = item.text.clone();
        let bytes = optionlist::unhex(&item.value).unwrap_or_default();
        let plain = || {
            let text = String::from_utf8(bytes.clone()).ok();
            let text = text.filter(|text| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic()));
            text.ok_or_else(|| unfit("a text of visible characters"))
        };
        let Some(name) = &item.name else {
            if item.on {
                on.extend(old)
            } else {
                off.extend(old)
            }
            continue;
        };
        let listed = || {
            old.clone()
                .filter(|text| text.contains(':'))
                .unwrap_or(format!("{name}:{}", item.value.to_ascii_lowercase()))
        };
        match (item.on, name.as_str()) {
            (false, _) => off.push(format!("{name}:{}", item.value.to_ascii_lowercase())),
            (true, "12") if hostname.is_none() => {
                hostname = Some(if item.value.is_empty() { String::new() } else { plain()? });
            }
            (true, "60") if vendor.is_none() => vendor = Some(plain()?),
            (true, "61") if id.is_none() => {
                id = Some(
                    old.filter(|old| optionlist::unhex(old).as_deref() == Some(&bytes))
                        .unwrap_or(item.value.to_ascii_lowercase()),
                );
            }
            (true, _) => on.push(listed()),
        }
    }
    let hostname = match hostname {
        Some(name) if name.is_empty() => None,
        Some(name) => Some(name),
        // Without the option netifd would send the router's name.
        None if bound.tree.str(".type") == Some(HOLDER) => None,
        None => Some("*".into()),
    };
    for (option, new) in [("hostname", hostname), ("vendorid", vendor), ("clientid", id)] {
        draft.set(&bound.source, bound.name, option, new.map(Tree::from))?;
    }
    optionlist::put(bound, "sendopts", on, draft)?;
    optionlist::put(bound, "cpe_sendopts", off, draft)
}

/// What the client asks for beyond the usual: `reqopts`, numbers or names; switched off `cpe_reqopts`.
fn requested(section: &Tree) -> Vec<Item> {
    let mut items = Vec::new();
    for (option, on) in [("reqopts", true), ("cpe_reqopts", false)] {
        for text in network::words(section.get(option)) {
            let named = NAMES.iter().find(|(known, _)| *known == text).map(|(_, tag)| *tag);
            let tag = named.or_else(|| text.parse().ok()).filter(|tag| (1..=254).contains(tag));
            let name = tag.map(|tag| tag.to_string());
            items.push(Item { name, value: String::new(), on, text: Some(text.to_string()) });
        }
    }
    items
}

fn store_requested(bound: &Bound<'_>, items: &[Item], draft: &mut Draft) -> Result<(), Stop> {
    for (option, on) in [("reqopts", true), ("cpe_reqopts", false)] {
        let texts = items.iter().filter(|item| item.on == on);
        let texts: Vec<String> =
            texts.filter_map(|item| item.text.clone().or_else(|| item.name.clone())).collect();
        // netifd takes blank-separated words in one option.
        let old = bound.tree.get(option);
        let new = match old {
            Some(Tree::List(_)) => network::refit(old, &texts),
            Some(_) | None => (!texts.is_empty()).then(|| Tree::from(texts.join(" "))),
        };
        draft.set(&bound.source, bound.name, option, new)?;
    }
    Ok(())
}

/// A new option to send, switched off, with a tag for local use.
pub fn add_sent(at: &At<'_, '_>, _number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let tag = optionlist::free_tag(&SENT.names(at)?)?;
    SENT.add(at, tag, String::new(), draft)
}

/// Sends the option no longer.
pub fn delete_sent(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    SENT.remove(at, draft)
}

/// Gives a sent option another tag.
pub fn set_sent_tag(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    SENT.rename(at, value, draft)
}

/// Gives a sent option another value, in hexadecimal digits.
pub fn set_sent_value(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    SENT.revalue(at, value, draft)
}

/// Switches a sent option on or off; its value stays.
pub fn set_sent_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    SENT.switch(at, value, draft)
}

/// A new option to ask for, switched off, with a tag for local use.
pub fn add_requested(at: &At<'_, '_>, _number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let tag = optionlist::free_tag(&REQUESTED.names(at)?)?;
    REQUESTED.add(at, tag, String::new(), draft)
}

/// Asks for the option no longer.
pub fn delete_requested(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    REQUESTED.remove(at, draft)
}

/// Asks for another tag instead.
pub fn set_requested_tag(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    REQUESTED.rename(at, value, draft)
}

/// Moves a requested option to another place; those in use stay before those that are off.
pub fn set_requested_order(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("order") == Some(value) {
        return Ok(());
    }
    REQUESTED.change(at, draft, |items, place| optionlist::set_order(items, place, value))
}

/// Switches a requested option on or off.
pub fn set_requested_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    REQUESTED.switch(at, value, draft)
}

/// `ReqOption.Value`: what netifd keeps of a lease; options that only a hook script sees read empty.
pub fn requested_value<'s>(at: &At<'_, 's>) -> Value<'s> {
    let Some(parent) = at.row.and_then(|row| row.parent.as_ref()) else { return Ok(None) };
    let client = At { view: at.view, object: parent.object, row: Some(parent) };
    let Some(state) = live(&client)?.filter(|state| network::is_up(state)) else { return Ok(None) };
    let addresses = |text: &str| -> Vec<u8> {
        let found = text.split([',', ' ']).filter_map(|word| word.parse::<std::net::Ipv4Addr>().ok());
        found.flat_map(|address| address.octets()).collect()
    };
    let data = |field: &str| state.get("data").and_then(|data| data.str(field)).unwrap_or_default();
    let search = state.get("dns-search").map_or(&[][..], Tree::items);
    let bytes = match at.field("name").unwrap_or_default() {
        "1" => {
            let first = state.get("ipv4-address").and_then(|list| list.items().first()?.str("mask"));
            addresses(&first.and_then(network::prefix_length).map(network::dotted).unwrap_or_default())
        }
        "3" => addresses(&client_routers(&client)?.unwrap_or_default()),
        "6" => addresses(&client_dns(&client)?.unwrap_or_default()),
        "15" => search.first().and_then(Tree::as_str).unwrap_or_default().as_bytes().to_vec(),
        "42" => addresses(data("ntpserver")),
        "51" => {
            data("leasetime").parse::<u32>().map(|lease| lease.to_be_bytes().to_vec()).unwrap_or_default()
        }
        "54" => addresses(data("dhcpserver")),
        _ => Vec::new(),
    };
    Ok(Some(optionlist::hex(&bytes).into()))
}
