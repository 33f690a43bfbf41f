//! `PortMapping`: redirects to a host, and the leases of miniupnpd.
//!
//! A redirect for TCP and UDP is two rows upon one section. The first write to either parts them: TCP stays, UDP
//! gets a section of its own right behind, under the name that its row had as key all along.

use super::boolean;
use crate::dm::error::Refusal;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, Row, View};
use crate::dm::write::Draft;
use crate::tr181::zones::{self, FIREWALL, INTERFACES, TCP, UDP, is_true, zones};
use std::borrow::Cow;
use std::net::Ipv4Addr;
use std::rc::Rc;

/// The option that keeps which interface of a zone was meant.
const KEPT: &str = "cpe_interface";
/// The option that says that a redirect is meant for all upstream zones.
const EVERYWHERE: &str = "cpe_all";
/// What the names of sections begin with that a manager added.
const PREFIX: &str = "cpe_map";
/// The options that tell an anonymous redirect from others.
const CONTENT: &[&str] = &["proto", "src_dport", "src_ip"];
/// Most leases of miniupnpd that are shown.
const MAX_LEASES: usize = 1024;

/// Every redirect to a host, once per protocol, then the leases of miniupnpd.
pub fn port_mappings(view: &View<'_>) -> Result<Tree, Stop> {
    let mut rows = Vec::new();
    for (name, tree) in view.sections(FIREWALL, "redirect")? {
        if !is_dnat(tree) || is_dmz(tree) {
            continue;
        }
        let protocols = zones::protocols(tree);
        let origin = if name.starts_with(PREFIX) { "Controller" } else { "User" };
        let content = zones::content(tree, CONTENT);
        for (place, protocol) in protocols.iter().filter(|p| [&TCP, &UDP].contains(p)).enumerate() {
            let (anchor, key) = match place {
                0 => (name.to_string(), content.clone()),
                _ => (parted_name(view.tree(FIREWALL)?, name), format!("{content} UDP")),
            };
            let word = if *protocol == TCP { "TCP" } else { "UDP" };
            let fields = [("key", key), ("protocol", word.into()), ("origin", origin.into())];
            rows.push((anchor, zones::bind(name, fields)));
        }
    }
    for lease in leases(view)? {
        rows.push(lease);
    }
    Ok(Tree::map(rows))
}

/// Whether a redirect changes the destination, which is what it does without `target`.
pub fn is_dnat(redirect: &Tree) -> bool {
    redirect.str("target").is_none_or(|target| target.eq_ignore_ascii_case("dnat"))
}

/// Whether a redirect sends everything that comes in to one host.
pub fn is_dmz(redirect: &Tree) -> bool {
    redirect.get("src_dport").is_none() && zones::protocols(redirect) == [zones::ALL]
}

/// The name that the UDP part of a section has, or will have: the section's with a suffix, and free before.
fn parted_name(package: Option<&Tree>, section: &str) -> String {
    let mut name = format!("{section}_UDP");
    while package.is_some_and(|package| package.get(&name).is_some()) {
        name.push('x');
    }
    name
}

/// The port mappings that hosts asked miniupnpd for: `PROTO:port:address:port:until:text` a line.
fn leases(view: &View<'_>) -> Result<Vec<(String, Tree)>, Stop> {
    let Some(config) = view.tree("uci:upnpd")?.and_then(|package| package.get("config")) else {
        return Ok(Vec::new());
    };
    let file = config.str("upnp_lease_file").unwrap_or("/var/run/miniupnpd.leases");
    let file = file.strip_prefix("/var/").map_or_else(|| file.to_string(), |rest| format!("/tmp/{rest}"));
    let text = view.tree(&format!("file:{file}"))?.and_then(Tree::as_str).unwrap_or_default();
    let zone = config.str("external_iface").unwrap_or("wan");
    let now = view.snapshot.now.wall.map(|wall| wall.seconds);
    let mut rows = Vec::new();
    for line in text.lines().take(MAX_LEASES) {
        let parts: Vec<&str> = line.splitn(6, ':').collect();
        let [protocol @ ("TCP" | "UDP"), external, client, internal, until, text] = parts.as_slice() else {
            continue;
        };
        let until: i64 = until.parse().unwrap_or(0);
        let remaining = now.map_or(0, |now| (until - now).max(0));
        let key = format!("UPnP {protocol} {external}");
        let fields = [
            ("key", key.clone()),
            ("protocol", protocol.to_string()),
            ("origin", "UPnP".into()),
            ("external", external.to_string()),
            ("client", client.to_string()),
            ("internal", internal.to_string()),
            ("remaining", remaining.to_string()),
            ("description", text.to_string()),
            ("network", zone.to_string()),
        ];
        rows.push((key, Tree::map(fields.map(|(name, text)| (name, Tree::from(text))))));
    }
    Ok(rows)
}

/// The section that the row alone stands for: a section of two protocols is parted first.
fn own(at: &At<'_, '_>, draft: &mut Draft) -> Result<String, Stop> {
    let name = zones::section(at)?;
    let package = draft.tree(FIREWALL)?;
    let Some(tree) = package.and_then(|package| package.get(name)) else {
        return Err(Refusal::Backend(format!("section {name} is gone")).into());
    };
    if zones::protocols(tree) != [TCP, UDP] {
        return Ok(name.to_string());
    }
    let parted = parted_name(package, name);
    let options: Vec<(Box<str>, Tree)> =
        tree.entries().iter().filter(|(option, _)| !option.starts_with('.')).cloned().collect();
    draft.add(FIREWALL, &parted, "redirect")?;
    for (option, value) in options.into_iter().filter(|(option, _)| &**option != "proto") {
        draft.set(FIREWALL, &parted, &option, Some(value))?;
    }
    zones::set_words(&parted, "proto", &["udp".into()], draft)?;
    zones::set_words(name, "proto", &["tcp".into()], draft)?;
    zones::move_behind(&parted, name, draft)?;
    Ok(if at.field("protocol") == Some("UDP") { parted } else { name.to_string() })
}

/// Adds a redirect from the first zone that masquerades, disabled.
pub fn add_port_mapping(at: &At<'_, '_>, number: u32, draft: &mut Draft) -> Result<(), Stop> {
    add_redirect(at, &format!("{PREFIX}{number}"), "tcp", draft).map(drop)
}

/// Adds a disabled redirect from the first zone that masquerades to the first that does not; its section.
pub fn add_redirect(at: &At<'_, '_>, name: &str, proto: &str, draft: &mut Draft) -> Result<String, Stop> {
    let all = zones(at.view)?;
    let src = all.iter().find(|zone| zone.masquerades()).map_or("wan", |zone| zone.name);
    let dest =
        all.iter().find(|zone| zone.name == "lan").or_else(|| all.iter().find(|zone| zone.name != src));
    let mut name = name.to_string();
    while draft.tree(FIREWALL)?.is_some_and(|package| package.get(&name).is_some()) {
        name.push('x');
    }
    draft.add(FIREWALL, &name, "redirect")?;
    let dest = dest.map_or("lan", |zone| zone.name);
    let options = [
        ("target", "DNAT"),
        ("src", src),
        ("dest", dest),
        ("family", "ipv4"),
        ("proto", proto),
        ("enabled", "0"),
    ];
    for (option, text) in options {
        draft.set_text(FIREWALL, &name, option, text)?;
    }
    Ok(name)
}

/// Removes the row's section, or leaves it to the other protocol.
pub fn delete_port_mapping(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let (Some(row), Ok(name)) = (at.row, zones::section(at)) else {
        return Err(Refusal::NotDeletable.into());
    };
    let rows = at.view.rows(row.object, row.parent.as_ref())?;
    let shares = |other: &&Rc<Row<'_>>| {
        other.number != row.number && other.section.as_ref().is_some_and(|bound| bound.name == name)
    };
    let Some(other) = rows.iter().find(shares) else { return draft.remove(FIREWALL, name) };
    let protocol = other.item.str("protocol").unwrap_or_default().to_ascii_lowercase();
    zones::set_words(name, "proto", &[protocol], draft)?;
    let left = draft.tree(FIREWALL)?.and_then(|package| package.get(name));
    let key = match left {
        Some(left) if left.get(".anonymous").is_some() => zones::content(left, CONTENT),
        Some(_) | None => name.to_string(),
    };
    draft.rebind(&At { view: at.view, object: row.object, row: Some(other) }, &key)
}

/// `Enable`.
pub fn mapping_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(Some(boolean(at.opt("enabled").is_none_or(is_true))))
}

/// Switches the redirect.
pub fn set_mapping_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if mapping_enable(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let name = own(at, draft)?;
    draft.set_text(FIREWALL, &name, "enabled", if value == "true" { "1" } else { "0" })
}

/// `Status`: what firewall4 would refuse is misconfigured, what has no interface up is inactive.
pub fn mapping_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(Some(Cow::Borrowed(redirect_status(at)?)))
}

/// The status of a redirect.
pub fn redirect_status(at: &At<'_, '_>) -> Result<&'static str, Stop> {
    if at.row.is_none_or(|row| row.section.is_none()) {
        let up = zones::is_up(at.view, &[at.field("network").unwrap_or_default()])?;
        return Ok(if up { "Enabled" } else { "Inactive" });
    }
    if !at.opt("enabled").is_none_or(is_true) {
        return Ok("Disabled");
    }
    let source = match at.opt("src") {
        Some(src) => zones::zone(at.view, src)?,
        None => None,
    };
    let whole = at.opt("dest").is_none() || at.opt("dest_ip").is_some();
    match source {
        Some(zone) if whole => {
            Ok(if zones::is_up(at.view, &zone.networks)? { "Enabled" } else { "Inactive" })
        }
        Some(_) | None => Ok("Error_Misconfigured"),
    }
}

/// `Protocol`.
pub fn mapping_protocol<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(at.field("protocol").map(Cow::Borrowed))
}

/// Makes the row one of that protocol.
pub fn set_mapping_protocol(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let name = own(at, draft)?;
    zones::set_words(&name, "proto", &[value.to_ascii_lowercase()], draft)
}

/// `AllInterfaces`.
pub fn all_interfaces<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(Some(boolean(at.opt(EVERYWHERE).is_some_and(is_true))))
}

/// Takes all interfaces where they are one zone: firewall4 has no redirect from every zone.
pub fn set_all_interfaces(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if all_interfaces(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let name = own(at, draft)?;
    if value != "true" {
        return draft.set(FIREWALL, &name, EVERYWHERE, None);
    }
    let all = zones(at.view)?;
    let mut upstream = all.iter().filter(|zone| zone.masquerades());
    match (upstream.next(), upstream.next()) {
        (Some(zone), None) => {
            draft.set_text(FIREWALL, &name, "src", zone.name)?;
            draft.set_text(FIREWALL, &name, EVERYWHERE, "1")
        }
        _ => Err(Refusal::Backend(
            "a redirect is of one zone, and not one but several or none masquerade".into(),
        )
        .into()),
    }
}

/// `Interface`.
pub fn mapping_interface<'s>(at: &At<'_, 's>) -> Value<'s> {
    if let Some(network) = at.field("network") {
        return Ok(at.view.path_of(INTERFACES, network)?.map(Cow::Owned));
    }
    Ok(Some(Cow::Owned(zones::interface(at, "src", KEPT)?)))
}

/// Selects the zone that holds the interface.
pub fn set_mapping_interface(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let name = own(at, draft)?;
    zones::set_interface(at, (&name, "src", KEPT), value, draft)
}

/// `RemoteHost`.
pub fn remote_host<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(at.opt("src_ip").map(Cow::Borrowed))
}

/// Takes an IPv4 address or, empty, every host.
pub fn set_remote_host(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let name = own(at, draft)?;
    if !value.is_empty() {
        address(value)?;
    }
    draft.set_text(FIREWALL, &name, "src_ip", value)
}

/// `InternalClient`.
pub fn internal_client<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(at.field("client").or_else(|| at.opt("dest_ip")).map(Cow::Borrowed))
}

/// Takes an IPv4 address; firewall4 knows no host names. The zone of the network it lies in becomes the destination.
pub fn set_internal_client(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let name = own(at, draft)?;
    set_destination(at, &name, value, draft)
}

/// Makes an address the destination of a redirect, and the zone of its network the destination zone.
pub fn set_destination(at: &At<'_, '_>, name: &str, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if !value.is_empty() {
        let wanted = address(value)?;
        if let Some(zone) = zone_of(at.view, wanted)? {
            draft.set_text(FIREWALL, name, "dest", zone)?;
        }
    }
    draft.set_text(FIREWALL, name, "dest_ip", value)
}

/// The zone of the network that an address lies in.
fn zone_of<'s>(view: &View<'s>, wanted: Ipv4Addr) -> Result<Option<&'s str>, Stop> {
    let dump = view.tree("ubus:network.interface dump")?.and_then(|dump| dump.get("interface"));
    for interface in dump.map_or(&[][..], Tree::items) {
        let holds = interface.get("ipv4-address").map_or(&[][..], Tree::items).iter().any(|address| {
            let own = address.str("address").and_then(|text| text.parse::<Ipv4Addr>().ok());
            let length = address
                .str("mask")
                .and_then(|text| text.parse::<u32>().ok())
                .filter(|n| (1..=32).contains(n));
            own.zip(length).is_some_and(|(own, length)| {
                let mask = u32::MAX << (32 - length);
                u32::from(own) & mask == u32::from(wanted) & mask
            })
        });
        let name = interface.str("interface").unwrap_or_default();
        if holds {
            return Ok(zones(view)?.iter().find(|zone| zone.networks.contains(&name)).map(|zone| zone.name));
        }
    }
    Ok(None)
}

/// An IPv4 address, or the refusal of another text.
fn address(text: &str) -> Result<Ipv4Addr, Stop> {
    text.parse().map_err(|_| Stop::Refused(Refusal::OutOfRange { allowed: "an IPv4 address".into() }))
}

/// `ExternalPort`: 0 for every port.
pub fn external_port<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(Some(Cow::Owned(external(at).0.to_string())))
}

/// `ExternalPortEndRange`: 0 for a single port.
pub fn external_port_end<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(Some(Cow::Owned(external(at).1.to_string())))
}

/// `InternalPort`: that of the redirect, else the external one.
pub fn internal_port<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(Some(Cow::Owned(internal(at).to_string())))
}

fn external(at: &At<'_, '_>) -> (u16, u16) {
    range(at.field("external").or_else(|| at.opt("src_dport")).unwrap_or_default())
}

fn internal(at: &At<'_, '_>) -> u16 {
    match at.field("internal").or_else(|| at.opt("dest_port")) {
        Some(text) => range(text).0,
        None => external(at).0,
    }
}

/// The ports of `a`, `a-b` or `a:b`; the end is 0 where there is none.
fn range(text: &str) -> (u16, u16) {
    let mut ends = text.splitn(2, ['-', ':']).map(|port| port.trim().parse().unwrap_or(0));
    (ends.next().unwrap_or(0), ends.next().unwrap_or(0))
}

/// Moves the external port; an end below it goes, and an internal port that followed it stays what it was.
pub fn set_external_port(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let name = own(at, draft)?;
    let (old, end) = external(at);
    let start: u16 = value.parse().unwrap_or(0);
    if start == old {
        return Ok(());
    }
    if at.opt("dest_port").is_none() && old != 0 && end == 0 {
        draft.set_text(FIREWALL, &name, "dest_port", &old.to_string())?;
    }
    let text = match (start, end) {
        (0, _) => String::new(),
        (_, end) if end > start => format!("{start}-{end}"),
        _ => start.to_string(),
    };
    draft.set_text(FIREWALL, &name, "src_dport", &text)
}

/// Sets the end of the range; refuses one below its start or with another internal port.
pub fn set_external_port_end(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let name = own(at, draft)?;
    let (start, old) = external(at);
    let end: u16 = value.parse().unwrap_or(0);
    if end == old {
        return Ok(());
    }
    if end == 0 {
        return draft.set_text(FIREWALL, &name, "src_dport", &start.to_string());
    }
    if start == 0 || end < start {
        return Err(Refusal::OutOfRange { allowed: format!("0, or {start} to 65535") }.into());
    }
    if internal(at) != start {
        return Err(Refusal::Backend("a range is forwarded to the same ports only".into()).into());
    }
    draft.set(FIREWALL, &name, "dest_port", None)?;
    draft.set_text(FIREWALL, &name, "src_dport", &format!("{start}-{end}"))
}

/// Sets the internal port; one that equals the external needs no option.
pub fn set_internal_port(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let name = own(at, draft)?;
    let port: u16 = value.parse().unwrap_or(0);
    if port == internal(at) {
        return Ok(());
    }
    let (start, end) = external(at);
    if port == start || port == 0 {
        return draft.set(FIREWALL, &name, "dest_port", None);
    }
    if end > start {
        return Err(Refusal::Backend("a range is forwarded to the same ports only".into()).into());
    }
    draft.set_text(FIREWALL, &name, "dest_port", &port.to_string())
}

/// `Description`: the redirect's name.
pub fn mapping_description<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(at.field("description").or_else(|| at.opt("name")).map(Cow::Borrowed))
}

/// Names the redirect.
pub fn set_mapping_description(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let name = own(at, draft)?;
    draft.set_text(FIREWALL, &name, "name", value)
}

/// `Log`: whether the redirect logs; a text other than a boolean is a prefix, and logs.
pub fn mapping_log<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(Some(boolean(logs(at))))
}

/// Whether a rule or redirect logs.
pub fn logs(at: &At<'_, '_>) -> bool {
    at.opt("log").is_some_and(|log| !matches!(log, "" | "0" | "off" | "false" | "no"))
}

/// Switches logging.
pub fn set_mapping_log(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if mapping_log(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let name = own(at, draft)?;
    draft.set_text(FIREWALL, &name, "log", if value == "true" { "1" } else { "" })
}
