//! DHCPv6 clients: networks with `proto dhcpv6`, or with `cpe_proto dhcpv6` while the client is switched off.
//!
//! A client is part of the interface that has its device, in a section of its own beside that of IPv4. One that has no
//! interface yet is a section of type `cpe_dhcpv6` in `network`, which netifd skips.

use crate::dm::error::Refusal;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, Bound, View};
use crate::dm::write::Draft;
use crate::tr181::layers::net::ppp;
use crate::tr181::network::{self, unfit};
use crate::tr181::optionlist::{self, Item, Kind};
use std::borrow::Cow;

/// The package that clients live in.
const NETWORK: &str = "uci:network";

/// The type of a section that holds a client without an interface.
const HOLDER: &str = "cpe_dhcpv6";
/// The table of interfaces.
const INTERFACES: &str = "Device.IP.Interface";
/// What a client says of itself, moved along when it moves to another interface.
const OPTIONS: &[&str] = &[
    "reqaddress",
    "reqprefix",
    "cpe_reqprefix",
    "reqopts",
    "defaultreqopts",
    "sendopts",
    "cpe_sendopts",
    "clientid",
    "vendorclass",
    "userclass",
    "norelease",
];

const SENT: Kind = Kind { load: sent, store: store_sent };

/// The clients by network, each with its DUID, what it sends and what it received.
pub(super) fn clients(view: &View<'_>) -> Result<Tree, Stop> {
    let (states, package) = (network::states(view), view.tree(NETWORK));
    let (states, package) = (states?, package?);
    let sections = package.map_or(&[][..], Tree::entries);
    let global = sections.iter().find(|(_, section)| section.str(".type") == Some("globals"));
    let global = global.and_then(|(_, globals)| globals.str("dhcp_default_duid"));
    let mut clients = Tree::Map(Vec::new());
    for (name, section) in sections {
        if section.str(".type") == Some(HOLDER) || speaks(section) {
            let state = states.iter().find(|state| state.str("interface") == Some(name));
            let mut client = client(name, section.str("clientid").or(global), state);
            client.set(".source", NETWORK.into());
            client.set(".section", (**name).into());
            client.set("sent", optionlist::rows(&sent(section)));
            clients.set(name, client);
        }
    }
    for state in states.iter().filter(|state| state.str("dynamic") == Some("true")) {
        if let (Some("dhcpv6"), Some(name)) = (state.str("proto"), state.str("interface")) {
            clients.set(name, client(name, global, Some(state)));
        }
    }
    Ok(clients)
}

/// Whether a network has a client, be it switched off.
fn speaks(section: &Tree) -> bool {
    section.str(".type") == Some("interface")
        && [section.str("proto"), section.str("cpe_proto")].contains(&Some("dhcpv6"))
}

fn holder(at: &At<'_, '_>) -> bool {
    at.opt(".type") == Some(HOLDER)
}

fn client(name: &str, duid: Option<&str>, state: Option<&Tree>) -> Tree {
    let passed = state.and_then(|state| state.get("data")?.str("passthru"));
    let duid = duid.and_then(optionlist::unhex).map(|duid| optionlist::hex(&duid));
    Tree::map([
        ("section", Tree::from(name)),
        ("duid", duid.unwrap_or_default().into()),
        ("received", received(&passed.and_then(optionlist::unhex).unwrap_or_default())),
    ])
}

/// The options that odhcp6c passes on, as rows by tag and place.
//= RFC 8415 21.1: an option is a code and a length of two bytes each, and its value.
pub(super) fn received(mut bytes: &[u8]) -> Tree {
    let mut rows = Tree::Map(Vec::new());
    while let [a, b, c, d, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*c, *d]));
        let Some((value, next)) = rest.split_at_checked(length) else { break };
        let tag = u16::from_be_bytes([*a, *b]).to_string();
        let key = format!("{tag} {}", rows.entries().len());
        rows.set(&key, Tree::map([("tag", Tree::from(tag)), ("value", optionlist::hex(value).into())]));
        bytes = next;
    }
    rows
}

fn word<'s>(yes: bool) -> Value<'s> {
    Ok(Some(if yes { "true" } else { "false" }.into()))
}

/// `Interface`: the row that the client is part of; nothing while it has none.
pub fn interface<'s>(at: &At<'_, 's>) -> Value<'s> {
    if holder(at) {
        return Ok(None);
    }
    Ok(at.view.path_of(INTERFACES, at.field("section").unwrap_or_default())?.map(Cow::Owned))
}

/// Moves the client, with what it sends and asks for, to a section of its own beside another interface.
///
/// Refuses an interface that has a client already. Without an interface the client waits.
pub fn set_interface(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let value = value.trim_end_matches('.');
    if interface(at)?.unwrap_or_default() == value {
        return Ok(());
    }
    let (bound, Some(row)) = (at.bound()?, at.row) else { return Ok(()) };
    let enabled = enable(at)?.as_deref() == Some("true");
    let target = if value.is_empty() {
        let name = format!("{HOLDER}_{}", row.number);
        draft.add(NETWORK, &name, HOLDER)?;
        name
    } else {
        twin(at, value, row.number, draft)?
    };
    for option in OPTIONS {
        draft.set(NETWORK, &target, option, bound.tree.get(option).cloned())?;
    }
    end(at, bound, draft)?;
    switch(&target, value.is_empty(), enabled, draft)?;
    draft.rebind(at, &target)
}

/// A network for the client of the interface at `path`, upon the same device; its section.
fn twin(at: &At<'_, '_>, path: &str, number: u32, draft: &mut Draft) -> Result<String, Stop> {
    let row = at.referred(INTERFACES, path)?;
    let host = row.section.as_ref().filter(|bound| bound.source == NETWORK);
    let host = host.ok_or_else(|| unfit("an interface that UCI configures"))?;
    let all = clients(at.view)?;
    for (name, _) in all.entries() {
        if at.view.path_of(INTERFACES, name)?.as_deref() == Some(path) {
            return Err(unfit("an interface without a DHCPv6 client"));
        }
    }
    let mut name = format!("{}6", host.name);
    while draft.tree(NETWORK)?.is_some_and(|package| package.get(&name).is_some()) {
        name = format!("cpe{number}{}", if name.starts_with("cpe") { "x" } else { "" });
    }
    // The device itself where it is known before the interface is up, and tells whose it is.
    let device = host.tree.str("device").filter(|_| !ppp(host.tree.str("proto").unwrap_or_default()));
    let first = |device: &str| {
        let sections = at.view.sections(NETWORK, "interface")?;
        let first = sections.iter().find(|(_, section)| section.str("device") == Some(device));
        Ok::<bool, Stop>(first.is_some_and(|(first, _)| *first == host.name))
    };
    let device = match device {
        Some(device) if first(device)? => device.to_string(),
        Some(_) | None => format!("@{}", host.name),
    };
    draft.add(NETWORK, &name, "interface")?;
    draft.set_text(NETWORK, &name, "device", &device)?;
    Ok(name)
}

/// Takes the client away; a network that is a row of its own stays, without a protocol.
fn end(at: &At<'_, '_>, bound: &Bound<'_>, draft: &mut Draft) -> Result<(), Stop> {
    let path = interface(at)?.unwrap_or_default();
    let row = at.view.row_at(INTERFACES, &path)?;
    let own = row.and_then(|row| row.section.clone()).is_some_and(|section| section.name == bound.name);
    if holder(at) || !own {
        return draft.remove(NETWORK, bound.name);
    }
    draft.set_text(NETWORK, bound.name, "proto", "none")?;
    for option in OPTIONS.iter().chain(&["cpe_proto"]) {
        draft.set(NETWORK, bound.name, option, None)?;
    }
    Ok(())
}

fn switch(section: &str, is_holder: bool, on: bool, draft: &mut Draft) -> Result<(), Stop> {
    if is_holder {
        return draft.set_text(NETWORK, section, "enabled", if on { "1" } else { "" });
    }
    draft.set_text(NETWORK, section, "proto", if on { "dhcpv6" } else { "none" })?;
    draft.set_text(NETWORK, section, "cpe_proto", if on { "" } else { "dhcpv6" })
}

/// Ends the client. One that PPP started by itself cannot be deleted.
pub fn delete_client(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let bound = at.bound().map_err(|_| Refusal::NotDeletable)?;
    end(at, bound, draft)
}

/// `Enable`: the protocol is DHCPv6 and the network is not disabled; a child of PPP is on while it is there.
pub fn enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    let Some(bound) = at.row.and_then(|row| row.section.as_ref()) else { return word(true) };
    if holder(at) {
        return word(network::flag(at.opt("enabled")) == Some(true));
    }
    let off = network::flag(bound.tree.str("disabled")) == Some(true);
    word(bound.tree.str("proto") == Some("dhcpv6") && !off)
}

/// Switches the protocol between DHCPv6 and none; switching on also enables a disabled network.
pub fn set_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if enable(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let bound = at.bound()?;
    if value == "true" && network::flag(bound.tree.str("disabled")) == Some(true) {
        draft.set(NETWORK, bound.name, "disabled", None)?;
    }
    switch(bound.name, holder(at), value == "true", draft)
}

/// `Status` of the row, whatever the lease: misconfigured without a device or a known protocol.
pub fn status<'s>(at: &At<'_, 's>) -> Value<'s> {
    if enable(at)?.as_deref() != Some("true") {
        return Ok(Some("Disabled".into()));
    }
    let state = network::state(at.view, at.field("section").unwrap_or_default())?;
    let errors = state.and_then(|state| state.get("errors")).map_or(&[][..], Tree::items);
    let wrong = errors.iter().any(|error| error.str("code") != Some("NO_DEVICE"));
    let bound = at.row.and_then(|row| row.section.as_ref());
    let placed = bound.is_none_or(|bound| bound.tree.get("device").is_some());
    Ok(Some(if placed && !wrong { "Enabled" } else { "Error_Misconfigured" }.into()))
}

/// `RequestAddresses`: anything but `none`; `try` is netifd's default.
pub fn addresses<'s>(at: &At<'_, 's>) -> Value<'s> {
    word(at.opt("reqaddress") != Some("none"))
}

/// Writes `none`, or takes the option away.
pub fn set_addresses(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if addresses(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    draft.set_text(NETWORK, at.bound()?.name, "reqaddress", if value == "true" { "" } else { "none" })
}

/// `RequestPrefixes`: anything but `no`; `auto` is netifd's default.
pub fn prefixes<'s>(at: &At<'_, 's>) -> Value<'s> {
    word(at.opt("reqprefix") != Some("no"))
}

/// Writes `no` and remembers the length that was asked for, or brings that back.
pub fn set_prefixes(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if prefixes(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let bound = at.bound()?;
    if value == "true" {
        draft.set(NETWORK, bound.name, "reqprefix", bound.tree.get("cpe_reqprefix").cloned())?;
        return draft.set(NETWORK, bound.name, "cpe_reqprefix", None);
    }
    draft.set(NETWORK, bound.name, "cpe_reqprefix", bound.tree.get("reqprefix").cloned())?;
    draft.set_text(NETWORK, bound.name, "reqprefix", "no")
}

/// What the client sends: `sendopts`; switched off `cpe_sendopts`.
fn sent(section: &Tree) -> Vec<Item> {
    let mut items = Vec::new();
    for (option, on) in [("sendopts", true), ("cpe_sendopts", false)] {
        for text in network::words(section.get(option)) {
            let parsed = text
                .split_once(':')
                .and_then(|(tag, value)| Some((tag.parse::<u16>().ok()?, optionlist::unhex(value)?)));
            let name = parsed.as_ref().map(|(tag, _)| tag.to_string());
            let value = parsed.map(|(_, value)| optionlist::hex(&value)).unwrap_or_default();
            items.push(Item { name, value, on, text: Some(text.to_string()) });
        }
    }
    items
}

fn store_sent(bound: &Bound<'_>, items: &[Item], draft: &mut Draft) -> Result<(), Stop> {
    let text = |item: &Item| {
        let new = || item.name.as_ref().map(|name| format!("{name}:{}", item.value.to_ascii_lowercase()));
        item.text.clone().or_else(new)
    };
    for (option, on) in [("sendopts", true), ("cpe_sendopts", false)] {
        let texts = items.iter().filter(|item| item.on == on).filter_map(text).collect();
        optionlist::put(bound, option, texts, draft)?;
    }
    Ok(())
}

/// A new option to send, switched off, with the highest tag that no row has.
pub fn add_sent(at: &At<'_, '_>, _number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let taken = SENT.names(at)?;
    let free = (0..=u16::MAX).rev().map(|tag| tag.to_string()).find(|tag| !taken.contains(tag));
    SENT.add(at, free.ok_or_else(|| unfit("a free tag"))?, String::new(), draft)
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

/// Switches a sent option on or off.
pub fn set_sent_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    SENT.switch(at, value, draft)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    //= RFC 8415 21.1: an option is a code and a length of two bytes each, and its value.
    #[test]
    fn options_are_read_until_one_is_cut_short() {
        for (hex, want) in [
            ("00170002abcd", r#"{"23 0": {"tag": "23", "value": "ABCD"}}"#),
            (
                "0017000000180001ff",
                r#"{"23 0": {"tag": "23", "value": ""}, "24 1": {"tag": "24", "value": "FF"}}"#,
            ),
            ("00170003abcd", "{}"),
            ("0017", "{}"),
            ("", "{}"),
        ] {
            assert_eq!(format!("{:?}", received(&optionlist::unhex(hex).unwrap())), want, "{hex}");
        }
    }
}
