//! Device.DNS.: servers by network and dnsmasq's own list, both as rows of `tree dns`.
//!
//! A server that is switched off moves to an option `cpe_…` of the same section. Learnt servers are read-only.

use super::network::{self, unfit};
use super::optionlist::MAX_ITEMS;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, View};
use crate::dm::write::Draft;
use std::net::IpAddr;

const NETWORK: &str = "uci:network";
const DHCP: &str = "uci:dhcp";
/// The network whose list holds servers of no network in particular.
const ANY: &str = "loopback";

/// Where a row's text stands: source, section, the option of those in use and of those switched off.
struct Place<'a> {
    source: &'a str,
    section: &'a str,
    used: &'static str,
    kept: &'static str,
}

/// For `tree dns`: `servers` of the resolver and `forwardings` of dnsmasq.
pub fn dns(view: &View<'_>) -> Result<Tree, Stop> {
    let (states, package) = (network::states(view), view.tree(NETWORK));
    let dnsmasq = view.sections(DHCP, "dnsmasq");
    let (states, package, dnsmasq) = (states?, package?, dnsmasq?);
    let mut servers = Tree::Map(Vec::new());
    for (name, section) in package.map_or(&[][..], Tree::entries) {
        if section.str(".type") != Some("interface") {
            continue;
        }
        let state = states.iter().find(|state| state.str("interface") == Some(name));
        for (option, on) in [("dns", true), ("cpe_dns", false)] {
            for text in network::words(section.get(option)).into_iter().take(MAX_ITEMS) {
                let up = state.is_some_and(network::is_up);
                let mut row = configured(NETWORK, name, option, text, on, up);
                row.set("interface", if &**name == ANY { "" } else { &**name }.into());
                row.set("address", if text.parse::<IpAddr>().is_ok() { text } else { "" }.into());
                servers.set(&format!("{name} {text}"), row);
            }
        }
    }
    for state in states {
        let name = state.str("interface").unwrap_or_default();
        let section = package.and_then(|package| package.get(name));
        let mut own = network::words(section.and_then(|section| section.get("dns")));
        if network::unapplied(view, NETWORK) {
            // netifd still has what was switched off a moment ago, and what a static network had at all.
            own.extend(network::words(section.and_then(|section| section.get("cpe_dns"))));
            if section.and_then(|section| section.str("proto")) == Some("static") {
                continue;
            }
        }
        let learnt = state.get("dns-server").map_or(&[][..], Tree::items);
        for address in learnt.iter().filter_map(Tree::as_str).filter(|address| !own.contains(address)) {
            let row = Tree::map([
                ("address", Tree::from(address)),
                ("interface", name.into()),
                ("on", "true".into()),
                ("status", "Enabled".into()),
                ("type", learnt_from(state, address).into()),
            ]);
            servers.set(&format!("{name} {address}"), row);
        }
    }
    let mut forwardings = Tree::Map(Vec::new());
    if let Some((name, section)) = dnsmasq.first() {
        for (option, on) in [("server", true), ("cpe_server", false)] {
            // Items for a domain of their own are no servers for all; they stay untouched.
            let items = network::items(section.get(option)).into_iter().filter(|item| !item.starts_with('/'));
            for text in items.take(MAX_ITEMS) {
                let (address, device) = split(text);
                let mut row = configured(DHCP, name, option, text, on, true);
                let user = states.iter().find(|state| state.str("l3_device") == Some(device));
                row.set("interface", user.and_then(|user| user.str("interface")).unwrap_or_default().into());
                row.set("address", address.into());
                forwardings.set(&format!("= {text}"), row);
            }
        }
        if !network_only(section) {
            let used = servers.entries().iter().filter(|(_, row)| row.str("status") == Some("Enabled"));
            for (key, row) in used {
                let mut row = row.clone();
                for field in ["source", "section", "option", "text"] {
                    row.remove(field);
                }
                forwardings.set(key, row);
            }
        }
    }
    Ok(Tree::map([("servers", servers), ("forwardings", forwardings)]))
}

/// Whether dnsmasq asks only the servers of its own list.
fn network_only(section: &Tree) -> bool {
    section.str("noresolv").and_then(crate::dm::eval::boolean) == Some(true)
}

fn configured(source: &str, section: &str, option: &str, text: &str, on: bool, up: bool) -> Tree {
    let status = match (on, up) {
        (false, _) => "Disabled",
        (true, true) => "Enabled",
        (true, false) => "Error",
    };
    Tree::map([
        ("source", Tree::from(source)),
        ("section", section.into()),
        ("option", option.into()),
        ("text", text.into()),
        ("on", if on { "true" } else { "false" }.into()),
        ("status", status.into()),
        ("type", "Static".into()),
    ])
}

/// `addr#port@device`: the address, empty if it is none, and the device.
fn split(text: &str) -> (&str, &str) {
    let (front, device) = text.split_once('@').unwrap_or((text, ""));
    let address = front.split('#').next().unwrap_or(front);
    (if address.parse::<IpAddr>().is_ok() { address } else { "" }, device)
}

/// Who told a network of a server: its protocol; for DHCPv6 what the reply lists, else a router advertisement.
fn learnt_from(state: &Tree, address: &str) -> &'static str {
    match state.str("proto").unwrap_or_default() {
        "dhcp" => "DHCPv4",
        "dhcpv6" => {
            let passed = state.get("data").and_then(|data| data.str("passthru")).unwrap_or_default();
            let known = address.parse::<std::net::Ipv6Addr>().ok();
            let digits = known.map(|known| crate::digest::hex(&known.octets())).unwrap_or_default();
            if passed.to_ascii_lowercase().contains(&digits) { "DHCPv6" } else { "RouterAdvertisement" }
        }
        "qmi" | "mbim" | "ncm" | "modemmanager" => "3GPP-NAS",
        "ppp" | "pppoe" | "pppoa" | "pptp" | "l2tp" | "3g" => "IPCP",
        _ => "Static",
    }
}

fn place<'s>(at: &At<'_, 's>) -> Result<(Place<'s>, &'s str), Stop> {
    let item = at.row.map(|row| row.item);
    let field = |name: &str| item.and_then(|item| item.str(name));
    let (Some(source), Some(section), Some(text)) = (field("source"), field("section"), field("text")) else {
        return Err(unfit("nothing: the server was learnt"));
    };
    let (used, kept) = if source == DHCP { ("server", "cpe_server") } else { ("dns", "cpe_dns") };
    Ok((Place { source, section, used, kept }, text))
}

/// Takes `old` out of both lists of a section and puts `new` into the one of `on`, at its place if it stays there.
fn replace(
    at: &At<'_, '_>,
    place: &Place<'_>,
    old: Option<&str>,
    new: Option<(&str, bool)>,
    draft: &mut Draft,
) -> Result<(), Stop> {
    let section = network::section(at.view, place.source, place.section)?;
    for (option, on) in [(place.used, true), (place.kept, false)] {
        let held = section.and_then(|section| section.get(option));
        let texts = if place.source == DHCP { network::items(held) } else { network::words(held) };
        let mut put = new.filter(|(_, wanted)| *wanted == on).map(|(text, _)| text.to_string());
        let mut out = Vec::new();
        for text in texts {
            if Some(text) == old {
                out.extend(put.take());
            } else {
                out.push(text.to_string());
            }
        }
        out.extend(put);
        draft.set(place.source, place.section, option, network::refit(held, &out))?;
    }
    Ok(())
}

/// The row's number goes with it to its new key.
fn rekey(at: &At<'_, '_>, key: &str) -> Result<(), Stop> {
    let Some(row) = at.row else { return Ok(()) };
    let table = at.view.table_path(row.object, row.parent.as_ref())?;
    let taken = at.view.rows(row.object, row.parent.as_ref())?;
    if taken.iter().any(|other| other.key == key && other.number != row.number) {
        return Err(unfit("a server that is not there yet"));
    }
    at.view.instances.borrow_mut().rebind(&table, &row.key, key);
    Ok(())
}

fn key(place: &Place<'_>, text: &str) -> String {
    if place.source == DHCP { format!("= {text}") } else { format!("{} {text}", place.section) }
}

/// Writes another address; port and device stay.
pub fn set_address(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("address") == Some(value) {
        return Ok(());
    }
    let (place, text) = place(at)?;
    if value.is_empty() {
        return Err(unfit("an address"));
    }
    let end = text.find(['#', '@']).filter(|end| *end > 0).unwrap_or(text.len());
    let new = format!("{value}{}", text.get(end..).unwrap_or_default());
    replace(at, &place, Some(text), Some((&new, at.field("on") == Some("true"))), draft)?;
    rekey(at, &key(&place, &new))
}

/// Switches a server on or off; one without an address cannot be on.
pub fn set_on(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("on") == Some(value) {
        return Ok(());
    }
    let (place, text) = place(at)?;
    if value == "true" && at.field("address").unwrap_or_default().is_empty() {
        return Err(unfit("false before the row has an address"));
    }
    replace(at, &place, Some(text), Some((text, value == "true")), draft)
}

/// Moves a server to another network's list, or binds dnsmasq's server to the network's device.
pub fn set_interface(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let shown = at.view.path_of("Device.IP.Interface", at.field("interface").unwrap_or_default())?;
    if shown.unwrap_or_default() == value {
        return Ok(());
    }
    let (place, text) = place(at)?;
    let on = at.field("on") == Some("true");
    let target = match value {
        "" => None,
        path => Some(at.referred("Device.IP.Interface", path)?),
    };
    let name = target.as_ref().and_then(|row| row.section.as_ref()).map(|bound| bound.name);
    if value.is_empty() != name.is_none() {
        return Err(unfit("an interface that UCI configures"));
    }
    if place.source == DHCP {
        let front = text.split('@').next().unwrap_or(text);
        let new = match name {
            None => front.to_string(),
            Some(name) => {
                let state = network::state(at.view, name)?;
                let device = state.and_then(|state| state.str("l3_device"));
                format!("{front}@{}", device.ok_or_else(|| unfit("an interface that is up"))?)
            }
        };
        replace(at, &place, Some(text), Some((&new, on)), draft)?;
        return rekey(at, &key(&place, &new));
    }
    replace(at, &place, Some(text), None, draft)?;
    let to = Place { section: name.unwrap_or(ANY), ..place };
    if network::section(at.view, NETWORK, to.section)?.is_none() {
        return Err(unfit("an interface"));
    }
    replace(at, &to, None, Some((text, on)), draft)?;
    rekey(at, &key(&to, text))
}

fn add(at: &At<'_, '_>, place: &Place<'_>, number: u32, draft: &mut Draft) -> Result<(), Stop> {
    if network::section(at.view, place.source, place.section)?.is_none() {
        return Err(unfit("nothing without the section that holds the list"));
    }
    replace(at, place, None, Some((&format!("#{number}"), false)), draft)
}

/// A new server of no network in particular, switched off.
pub fn add_server(at: &At<'_, '_>, number: u32, draft: &mut Draft) -> Result<(), Stop> {
    add(at, &Place { source: NETWORK, section: ANY, used: "dns", kept: "cpe_dns" }, number, draft)
}

/// A new server of dnsmasq, switched off.
pub fn add_forwarding(at: &At<'_, '_>, number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let dnsmasq = at.view.sections(DHCP, "dnsmasq")?;
    let (section, _) = *dnsmasq.first().ok_or_else(|| unfit("nothing without dnsmasq's section"))?;
    add(at, &Place { source: DHCP, section, used: "server", kept: "cpe_server" }, number, draft)
}

/// Deletes a server; refuses one that was learnt.
pub fn delete_server(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let (place, text) = place(at)?;
    replace(at, &place, Some(text), None, draft)
}

/// `Client.Enable` has one value: the plan's check refuses another.
pub fn client_enable(_: &At<'_, '_>, _: &str, _: &mut Draft) -> Result<(), Stop> {
    Ok(())
}

/// `Relay.Enable`: port 0 switches dnsmasq's DNS off.
pub fn relay_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    let dnsmasq = at.view.sections(DHCP, "dnsmasq")?;
    let off = dnsmasq.first().is_none_or(|(_, section)| section.str("port") == Some("0"));
    Ok(Some(if off { "false" } else { "true" }.into()))
}

/// Writes port 0, or brings back the port that was there.
pub fn set_relay_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if relay_enable(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let dnsmasq = at.view.sections(DHCP, "dnsmasq")?;
    let (name, section) = dnsmasq.first().ok_or_else(|| unfit("nothing without dnsmasq's section"))?;
    if value == "true" {
        draft.set(DHCP, name, "port", section.get("cpe_port").cloned())?;
        return draft.set(DHCP, name, "cpe_port", None);
    }
    draft.set(DHCP, name, "cpe_port", section.get("port").cloned())?;
    draft.set_text(DHCP, name, "port", "0")
}

/// `Relay.Status`.
pub fn relay_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    let status = match relay_enable(at)?.as_deref() {
        Some("true") if network::running(at.view, "dnsmasq")? => "Enabled",
        Some("true") => "Error",
        Some(_) | None => "Disabled",
    };
    Ok(Some(status.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_dnsmasq_may_have_a_port_and_a_device() {
        for (text, want) in [
            ("9.9.9.9", ("9.9.9.9", "")),
            ("1.1.1.1@eth1", ("1.1.1.1", "eth1")),
            ("10.1.0.53#5353", ("10.1.0.53", "")),
            ("2620:fe::fe#53@wan", ("2620:fe::fe", "wan")),
            ("#3", ("", "")),
        ] {
            assert_eq!(split(text), want, "{text}");
        }
    }
}
