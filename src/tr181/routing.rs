//! Device.Routing.: static routes of UCI joined with the routes of the kernel, by table, destination and metric.

mod router;

pub use router::{add_router, delete_router, set_learning, set_route_enable, set_router_enable};

use super::network::{self, Subnet, unfit};
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, View};
use crate::dm::write::Draft;
use crate::sorted::Map;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The package that static routes live in.
const NETWORK: &str = "uci:network";
/// The kernel's number of the table `main`.
const MAIN: u32 = 254;
/// The kernel's number of the table `local`: its own addresses, no routes of anybody's making.
const LOCAL: u32 = 255;
/// Most routes of a family that become rows; a router in a backbone may hold a million.
const MAX_ROUTES: usize = 2048;
/// The metric the kernel gives to an IPv6 route without one.
const METRIC6: i64 = 1024;

/// One route of the kernel.
struct Live<'s> {
    table: u32,
    prefix: String,
    metric: i64,
    six: bool,
    tree: &'s Tree,
}

/// For `tree routes`: `routers` by table, each with `v4` and `v6`; `learnt` from router advertisements.
pub fn routes(view: &View<'_>) -> Result<Tree, Stop> {
    let sources = (view.tree(NETWORK), network::states(view), view.tree("nl:route"));
    let (package, states, live) = (sources.0?, sources.1?, sources.2?);
    let sections = package.map_or(&[][..], Tree::entries);
    let live: Vec<Live<'_>> =
        live.map_or(&[][..], Tree::items).iter().filter_map(kernel).take(2 * MAX_ROUTES).collect();
    let mut tables: Map<u32, [Tree; 2]> = Map::new();
    let empty = || [Tree::Map(Vec::new()), Tree::Map(Vec::new())];
    tables.insert(MAIN, empty());
    for (_, section) in sections {
        let options = match section.str(".type") {
            Some(router::HOLDER) => &["table"][..],
            _ => &["ip4table", "ip6table"],
        };
        for option in options {
            if let Some(number) = section.str(option).and_then(table).filter(|table| *table != LOCAL) {
                tables.entry(number).or_insert_with(empty);
            }
        }
    }
    let off = router::off(sections);
    let mut used = vec![false; live.len()];
    for (name, section) in sections {
        let six = match section.str(".type") {
            Some("route") => false,
            Some("route6") => true,
            Some(_) | None => continue,
        };
        let number = router::table_of(section);
        let row = configured((name, section), (six, off.contains(&number)), &live, &mut used);
        let [four, other] = tables.entry(number).or_insert_with(empty);
        if six { other.set(name, row) } else { four.set(name, row) }
    }
    // What the kernel holds for a section as it was, until netifd has been told, is nobody's row.
    for section in view.snapshot.former(NETWORK) {
        if let Some(six @ ("route" | "route6")) = section.str(".type") {
            configured(("", section), (six == "route6", false), &live, &mut used);
        }
    }
    for (route, _) in live.iter().zip(&used).filter(|(_, used)| !**used) {
        let (key, row) = found(route, states);
        let [four, other] = tables.entry(route.table).or_insert_with(empty);
        let rows = if route.six { other } else { four };
        if rows.get(&key).is_none() && rows.entries().len() < MAX_ROUTES {
            rows.set(&key, row);
        }
    }
    // The main table is the first router: managers write their routes to Router.1.
    let main = tables.remove(&MAIN).map(|rows| (MAIN, rows));
    let routers = main.into_iter().chain(tables).map(|(number, [four, six])| {
        let option = if number == MAIN { String::new() } else { number.to_string() };
        let off = off.contains(&number);
        let fields = [
            ("option", Tree::from(option)),
            ("on", if off { "false" } else { "true" }.into()),
            ("status", if off { "Disabled" } else { "Enabled" }.into()),
            ("v4", four),
            ("v6", six),
        ];
        (number.to_string(), Tree::map(fields))
    });
    Ok(Tree::map([("routers", Tree::map(routers)), ("learnt", learnt(states, &live))]))
}

/// A table by name or number. Source: iproute2's `rt_tables`.
fn table(text: &str) -> Option<u32> {
    match text {
        "main" => Some(MAIN),
        "local" => Some(LOCAL),
        "default" => Some(253),
        number => number.parse().ok(),
    }
}

/// A route of the kernel in a table that is somebody's; nothing for its own and for multicast.
fn kernel(tree: &Tree) -> Option<Live<'_>> {
    let number = tree.str("table").map_or(Some(MAIN), table).filter(|number| *number != LOCAL)?;
    if !matches!(
        tree.str("type"),
        None | Some("unicast" | "local" | "blackhole" | "unreachable" | "prohibit")
    ) {
        return None;
    }
    let (dst, gateway) = (tree.str("dst")?, tree.str("gateway").unwrap_or_default());
    // A default route without gateway and preference is IPv4: the kernel gives every IPv6 route a preference.
    let six = dst.contains(':') || gateway.contains(':') || tree.get("pref").is_some();
    let prefix =
        canonical(if dst == "default" { if six { "::/0" } else { "0.0.0.0/0" } } else { dst }, None)?;
    let metric = tree.str("metric").and_then(|metric| metric.parse().ok()).unwrap_or(0);
    Some(Live { table: number, prefix, metric, six, tree })
}

/// A destination as `network/length`, with the bits behind the length cleared.
fn canonical(text: &str, mask: Option<&str>) -> Option<String> {
    if text.contains(':') {
        let (address, length) = text.split_once('/').unwrap_or((text, "128"));
        let length: u32 = length.parse().ok().filter(|length| *length <= 128)?;
        let bits = u128::from(address.parse::<Ipv6Addr>().ok()?);
        let kept = bits & u128::MAX.checked_shl(128 - length).unwrap_or(0);
        return Some(format!("{}/{length}", Ipv6Addr::from(kept)));
    }
    let net = Subnet::parse(text, mask)?;
    Some(format!("{}/{}", Ipv4Addr::from(net.base()), net.length))
}

/// The row of a section, joined with its route by table, destination and metric, whatever device that has.
fn configured(
    (name, section): (&str, &Tree),
    (six, off): (bool, bool),
    live: &[Live<'_>],
    used: &mut [bool],
) -> Tree {
    let target = section.str("target");
    let any = if six { "::/0" } else { "0.0.0.0/0" };
    let prefix = canonical(target.unwrap_or(any), section.str("netmask"));
    let metric = section.str("metric").and_then(|metric| metric.parse::<i64>().ok());
    let number = router::table_of(section);
    let enabled = router::route_on(section, off);
    let default = if six { METRIC6 } else { 0 };
    let place = live.iter().position(|route| {
        route.six == six
            && route.table == number
            && Some(&route.prefix) == prefix.as_ref()
            && route.metric == metric.filter(|metric| *metric != 0).unwrap_or(default)
    });
    if let Some(used) = place.filter(|_| enabled && !off).and_then(|place| used.get_mut(place)) {
        *used = true;
    }
    let status = match (enabled && !off, place) {
        (false, _) => "Disabled",
        (true, Some(_)) => "Enabled",
        (true, None) => "Error",
    };
    let mut row = Tree::map([
        (".source", Tree::from(NETWORK)),
        (".section", name.into()),
        ("enable", if enabled { "true" } else { "false" }.into()),
        ("status", status.into()),
        ("static", "true".into()),
    ]);
    let interface = section.str("interface").unwrap_or_default();
    row.set("key", format!("{interface} {}", prefix.clone().unwrap_or_default()).into());
    if six {
        row.set("prefix", target.unwrap_or_default().into());
    } else {
        let (address, mask) = destination(section);
        row.set("address", address.into());
        row.set("mask", mask.into());
    }
    for (field, option) in [
        ("gateway", "gateway"),
        ("metric", "metric"),
        ("type", "type"),
        ("interface", "interface"),
        ("policy", "table"),
    ] {
        if let Some(text) = section.str(option) {
            row.set(field, text.into());
        }
    }
    row
}

/// Address and mask of an IPv4 section; both empty for a default route.
//= TR-181 Routing.Router.{i}.IPv4Forwarding.{i}.DestIPAddress: empty or 0.0.0.0 stands for a default route
fn destination(section: &Tree) -> (String, String) {
    let mask = section.str("netmask");
    let Some(target) = section.str("target") else {
        let mask = mask.and_then(network::prefix_length).filter(|length| *length > 0);
        return (String::new(), mask.map(network::dotted).unwrap_or_default());
    };
    match Subnet::parse(target, mask) {
        Some(net) if net.length == 0 && net.address.is_unspecified() => (String::new(), String::new()),
        Some(net) => (net.address.to_string(), network::dotted(net.length)),
        None => (String::new(), String::new()),
    }
}

/// The key and row of a route that no section made.
fn found(route: &Live<'_>, states: &[Tree]) -> (String, Tree) {
    let device = route.tree.str("dev").unwrap_or_default();
    let gateway = route.tree.str("gateway").unwrap_or_default();
    let key = format!("{} via {gateway} dev {device} metric {}", route.prefix, route.metric);
    let users = || states.iter().filter(|state| state.str("l3_device") == Some(device));
    let owner = users().find(|state| state.str("dynamic") != Some("true")).or_else(|| users().next());
    let mut row = Tree::map([
        ("key", Tree::from(key.as_str())),
        ("enable", "true".into()),
        ("status", "Enabled".into()),
        ("static", "false".into()),
        ("gateway", gateway.into()),
        ("metric", route.metric.to_string().into()),
        ("type", route.tree.str("type").unwrap_or("unicast").into()),
    ]);
    if route.six {
        row.set("prefix", route.prefix.as_str().into());
    } else {
        let net = Subnet::parse(&route.prefix, None).filter(|net| net.length > 0);
        row.set("address", net.map(|net| net.address.to_string()).unwrap_or_default().into());
        row.set("mask", net.map(|net| network::dotted(net.length)).unwrap_or_default().into());
    }
    if let Some(name) = owner.and_then(|owner| owner.str("interface")) {
        row.set("interface", name.into());
    }
    if route.table != MAIN {
        row.set("policy", route.table.to_string().into());
    }
    let told = users().find_map(|state| netifds(state, route));
    if let Some(valid) = told.and_then(|told| told.str("valid")) {
        row.set("valid", valid.into());
    }
    row.set("origin", origin(route, users(), told, states).into());
    (key, row)
}

/// netifd's own entry of a route, among those of a network that uses its device.
fn netifds<'s>(state: &'s Tree, route: &Live<'_>) -> Option<&'s Tree> {
    let routes = state.get("route").map_or(&[][..], Tree::items);
    routes.iter().find(|known| {
        let target = known.str("target").unwrap_or_default();
        let prefix = canonical(&format!("{target}/{}", known.str("mask").unwrap_or_default()), None);
        let hop = known.str("nexthop").filter(|hop| !matches!(*hop, "0.0.0.0" | "::")).unwrap_or_default();
        prefix.as_ref() == Some(&route.prefix) && hop == route.tree.str("gateway").unwrap_or_default()
    })
}

/// Who made a route: a routing daemon by its number, else the protocol of the network whose device it leads over.
fn origin<'s>(
    route: &Live<'_>,
    mut users: impl Iterator<Item = &'s Tree>,
    told: Option<&Tree>,
    states: &[Tree],
) -> &'static str {
    match (route.tree.str("protocol"), route.six) {
        (Some("ospf"), _) => return "OSPF",
        (Some("rip"), false) => return "RIP",
        (Some("rip"), true) => return "RIPng",
        (Some("ra"), true) => return "RA",
        _ => {}
    }
    if route.six {
        if told.is_some_and(|told| told.get("valid").is_some()) {
            return "RA";
        }
        // What is delegated and not handed on is unreachable.
        let delegated = states.iter().filter(|state| state.str("proto") == Some("dhcpv6")).any(|state| {
            let prefixes = state.get("ipv6-prefix").map_or(&[][..], Tree::items);
            prefixes.iter().any(|prefix| {
                let text = format!(
                    "{}/{}",
                    prefix.str("address").unwrap_or_default(),
                    prefix.str("mask").unwrap_or_default()
                );
                canonical(&text, None).as_ref() == Some(&route.prefix)
            })
        });
        return if delegated { "DHCPv6" } else { "Static" };
    }
    let proto = users.find_map(|state| match state.str("proto") {
        Some("dhcp") => Some("DHCPv4"),
        Some("ppp" | "pppoe" | "pppoa" | "pptp" | "l2tp" | "3g") => Some("IPCP"),
        Some("qmi" | "ncm" | "mbim" | "modemmanager") => Some("3GPP-NAS"),
        Some(_) | None => None,
    });
    proto.unwrap_or("Static")
}

/// Routes with a lifetime of networks that speak DHCPv6: what router advertisements brought.
fn learnt(states: &[Tree], live: &[Live<'_>]) -> Tree {
    let mut rows = Tree::Map(Vec::new());
    for state in states.iter().filter(|state| state.str("proto") == Some("dhcpv6")) {
        let interface = state.str("interface").unwrap_or_default();
        for route in state.get("route").map_or(&[][..], Tree::items) {
            let hop = route.str("nexthop").filter(|hop| *hop != "::");
            let (Some(valid), Some(hop)) = (route.str("valid"), hop) else { continue };
            let text = format!(
                "{}/{}",
                route.str("target").unwrap_or_default(),
                route.str("mask").unwrap_or_default()
            );
            let Some(prefix) = canonical(&text, None) else { continue };
            let held =
                live.iter().any(|known| known.prefix == prefix && known.tree.str("gateway") == Some(hop));
            let key = format!("{interface} {prefix} {hop}");
            rows.set(
                &key,
                Tree::map([
                    ("interface", Tree::from(interface)),
                    ("prefix", prefix.into()),
                    ("gateway", hop.into()),
                    ("valid", valid.into()),
                    ("status", if held { "ForwardingEntryCreated" } else { "NoForwardingEntry" }.into()),
                ]),
            );
        }
    }
    rows
}

/// Writes the destination in the form found: with its length behind it, or apart in `netmask`.
pub fn set_address(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let bound = at.bound()?;
    if destination(bound.tree).0 == value {
        return Ok(());
    }
    if value.is_empty() || value == "0.0.0.0" {
        draft.set(NETWORK, bound.name, "target", None)?;
        return draft.set(NETWORK, bound.name, "netmask", None);
    }
    let old = bound.tree.str("target").unwrap_or_default();
    let length = old.split_once('/').map(|(_, length)| length).filter(|length| *length != "0");
    let new = match (bound.tree.get("netmask"), length) {
        (None, Some(length)) => format!("{value}/{length}"),
        _ => value.to_string(),
    };
    draft.set_text(NETWORK, bound.name, "target", &new)
}

/// Writes the mask where the destination has it; a destination without one gets it behind it.
pub fn set_mask(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let bound = at.bound()?;
    if destination(bound.tree).1 == value {
        return Ok(());
    }
    let length = if value.is_empty() { None } else { network::prefix_length(value) };
    if length.is_none() && !value.is_empty() {
        return Err(unfit("a mask without holes"));
    }
    let target = bound.tree.str("target");
    match (target, bound.tree.get("netmask")) {
        (Some(target), None) => {
            let address = target.split('/').next().unwrap_or(target);
            let new = length.map_or(address.to_string(), |length| format!("{address}/{length}"));
            draft.set_text(NETWORK, bound.name, "target", &new)
        }
        (_, _) => draft.set_text(NETWORK, bound.name, "netmask", value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= TR-181 Routing.Router.{i}.IPv4Forwarding.{i}.DestIPAddress: empty or 0.0.0.0 stands for a default route
    #[test]
    fn a_default_route_has_neither_address_nor_mask() {
        for (target, mask, want) in [
            (None, None, ("", "")),
            (None, Some("0.0.0.0"), ("", "")),
            (Some("0.0.0.0"), Some("0.0.0.0"), ("", "")),
            (Some("0.0.0.0/0"), None, ("", "")),
            (Some("10.0.0.0"), Some("255.0.0.0"), ("10.0.0.0", "255.0.0.0")),
            (Some("10.0.0.1"), None, ("10.0.0.1", "255.255.255.255")),
        ] {
            let options = [("target", target), ("netmask", mask)];
            let section = options.into_iter().filter_map(|(option, text)| Some((option, Tree::from(text?))));
            let got = destination(&Tree::map(section));
            assert_eq!((got.0.as_str(), got.1.as_str()), want, "{target:?} {mask:?}");
        }
    }

    #[test]
    fn destinations_are_compared_without_the_bits_behind_their_length() {
        for (text, mask, want) in [
            ("10.0.0.5/8", None, Some("10.0.0.0/8")),
            ("10.10.0.0", Some("255.255.0.0"), Some("10.10.0.0/16")),
            ("127.0.0.1", None, Some("127.0.0.1/32")),
            ("2001:db8::1/32", None, Some("2001:db8::/32")),
            ("fe80::1", None, Some("fe80::1/128")),
            ("::/0", None, Some("::/0")),
            ("10.0.0.0/33", None, None),
        ] {
            assert_eq!(canonical(text, mask).as_deref(), want, "{text}");
        }
    }
}
