//! The addresses and prefixes of IP interfaces: `tree addresses`, by the interface's key.
//!
//! Configured ones come from `network` and stay while the interface is off; learnt ones from netifd's state, and
//! link-local ones from the kernel. Keys do not hold what a lease changes, so that a row keeps its number over
//! renewals. Setters are in `super::ip::items`.

use super::layers::net::{DUMP, NETWORK, cellular, netbool, ppp, words};
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::View;
use crate::sorted::Map;
use std::net::{IpAddr, Ipv6Addr};

/// The kernel's addresses.
const KERNEL: &str = "nl:address";

/// What all interfaces are read from.
struct Sources<'s> {
    states: Map<&'s str, &'s Tree>,
    /// Kernel's IPv6 addresses by netdev.
    kernel: Map<&'s str, Vec<&'s Tree>>,
    /// `assigned` of every delegated prefix: interface and address to the name of the prefix's row.
    parents: Map<(&'s str, &'s str), String>,
    /// odhcpd's sections by interface.
    pools: Map<&'s str, &'s Tree>,
}

/// What the rows of one interface are made from.
struct Interface<'a, 's> {
    sources: &'a Sources<'s>,
    /// The key of its row.
    name: &'a str,
    /// netifd's states of the interface and of those that are part of its row.
    states: Vec<&'s Tree>,
    /// Its section, if addresses can be configured in it.
    fixed: Option<&'a Tree>,
    /// It is switched off or has no protocol.
    off: bool,
    /// The kernel's IPv6 addresses of its netdev.
    kernel: &'a [&'s Tree],
}

/// One row's fields.
type Item = Vec<(&'static str, String)>;

/// The derived tree `addresses`: per IP interface the maps `v4`, `v6` and `prefixes`.
pub fn addresses(view: &View<'_>) -> Result<Tree, Stop> {
    let wanted = [view.tree("derived:layers"), view.tree(DUMP), view.tree(KERNEL), view.tree("uci:dhcp")];
    let [layers, dump, kernel, dhcp] = wanted;
    let (layers, dump, kernel, dhcp) = (layers?, dump?, kernel?, dhcp?);
    let rows = layers.and_then(|layers| layers.get("ip")).map_or(&[][..], Tree::entries);
    let states = dump.and_then(|dump| dump.get("interface")).map_or(&[][..], Tree::items);
    let mut sources = Sources {
        states: states.iter().filter_map(|state| Some((state.str("interface")?, state))).collect(),
        kernel: kernel.map_or(&[][..], Tree::items).iter().filter_map(by_netdev).collect(),
        parents: Map::new(),
        pools: Map::new(),
    };
    if dhcp.is_some() {
        let pools = view.sections("uci:dhcp", "dhcp")?;
        sources.pools = pools.into_iter().filter_map(|(_, p)| Some((p.str("interface")?, p))).collect();
    }
    for (name, row) in rows {
        for state in parts(&sources, name, row) {
            for prefix in state.get("ipv6-prefix").map_or(&[][..], Tree::items) {
                let Some(own) = prefix_text(prefix) else { continue };
                for (to, given) in prefix.get("assigned").map_or(&[][..], Tree::entries) {
                    if let Some(address) = given.str("address") {
                        sources.parents.insert((to, address), format!("{name}|{own}"));
                    }
                }
            }
        }
    }
    let network = view.tree(NETWORK)?;
    Ok(Tree::map(rows.iter().map(|(name, row)| {
        let section = network.and_then(|network| network.get(name));
        (name.clone(), interface(&sources, name, row, section))
    })))
}

fn by_netdev(link: &Tree) -> Option<(&str, Vec<&Tree>)> {
    let six = link.get("addr_info")?.items().iter().filter(|info| info.str("family") == Some("inet6"));
    Some((link.str("ifname")?, six.collect()))
}

/// The states of an interface and of those that are part of its row.
fn parts<'s>(sources: &Sources<'s>, name: &str, row: &Tree) -> Vec<&'s Tree> {
    let further = row.get(".names").map_or(&[][..], Tree::items).iter().filter_map(Tree::as_str);
    std::iter::once(name).chain(further).filter_map(|name| sources.states.get(name).copied()).collect()
}

/// `address/mask` of an entry, as the standard writes a prefix.
fn prefix_text(entry: &Tree) -> Option<String> {
    Some(format!("{}/{}", entry.str("address")?, entry.str("mask")?))
}

fn interface(sources: &Sources<'_>, name: &str, row: &Tree, section: Option<&Tree>) -> Tree {
    let states = parts(sources, name, row);
    let off = section.is_some_and(|section| {
        netbool(section.str("disabled")) == Some(true) || matches!(section.str("proto"), None | Some("none"))
    });
    let own = section.map(|section| {
        let proto = section.str("proto").unwrap_or("none");
        // An interface without a protocol keeps its addresses for the day it has one again.
        if proto == "none" { section.str("cpe_proto").unwrap_or("static") } else { proto }
    });
    let fixed = section.filter(|_| own == Some("static"));
    let kernel = row.str("l3").and_then(|l3| sources.kernel.get(l3)).map_or(&[][..], Vec::as_slice);
    let of = Interface { sources, name, states, fixed, off, kernel };
    let prefixes = prefixes(&of);
    let v4 = four(&of);
    let v6 = six(&of, &prefixes);
    Tree::map([("v4", rows(v4)), ("v6", rows(v6)), ("prefixes", rows(prefixes))])
}

/// Rows as a map; of equal keys the second gets a mark behind it.
fn rows(items: Vec<(String, Item)>) -> Tree {
    let mut seen: Map<String, usize> = Map::new();
    Tree::map(items.into_iter().map(|(key, fields)| {
        let count = seen.entry(key.clone()).or_default();
        *count += 1;
        let key = if *count > 1 { format!("{key}#{count}") } else { key };
        let names = fields.iter().find(|(field, _)| *field == ".names").map(|(_, name)| name.clone());
        let mut item = Tree::map(fields.into_iter().map(|(field, text)| (field, Tree::from(text))));
        if let Some(name) = names {
            item.set(".names", Tree::List(vec![Tree::from(name)]));
        }
        (key, item)
    }))
}

fn live<'s>(states: &[&'s Tree], list: &str) -> Vec<(&'s Tree, &'s Tree)> {
    let of = |state: &&'s Tree| {
        let items = state.get(list).map_or(&[][..], Tree::items);
        let state = *state;
        items.iter().map(move |item| (state, item))
    };
    states.iter().flat_map(of).collect()
}

/// The words of a section's option with their address and the length behind the slash.
fn configured<'s>(section: Option<&'s Tree>, option: &str) -> Vec<(&'s str, IpAddr, Option<&'s str>)> {
    let all = section.map(|section| words(section, option)).unwrap_or_default();
    all.into_iter()
        .filter_map(|item| {
            let (address, length) = match item.split_once('/') {
                Some((address, length)) => (address, Some(length)),
                None => (item, None),
            };
            Some((item, address.parse().ok()?, length))
        })
        .collect()
}

fn status(off: bool, live: bool) -> String {
    if live && !off { "Enabled" } else { "Disabled" }.into()
}

fn four(&Interface { ref states, fixed, off, .. }: &Interface<'_, '_>) -> Vec<(String, Item)> {
    let mut out: Vec<(String, Item)> = Vec::new();
    let live = live(states, "ipv4-address");
    let mask = fixed.and_then(|section| section.str("netmask"));
    for (item, address, length) in configured(fixed, "ipaddr") {
        let text = address.to_string();
        let up = live.iter().any(|(_, entry)| entry.str("address") == Some(&text));
        let fields = vec![
            ("status", status(off, up)),
            ("address", text.clone()),
            ("length", length.or(mask).unwrap_or("32").to_string()),
            ("type", "Static".into()),
            ("item", item.into()),
            ("option", "ipaddr".into()),
        ];
        out.push((text, fields));
    }
    for (state, entry) in live {
        let proto = state.str("proto").unwrap_or_default();
        let Some(address) = entry.str("address").filter(|_| proto != "static") else { continue };
        let kind = match proto {
            _ if address.starts_with("169.254.") => "AutoIP",
            "dhcp" => "DHCP",
            proto if ppp(proto) => "IPCP",
            proto if cellular(proto) => "3GPP-NAS",
            _ => "Static",
        };
        let fields = vec![
            ("status", status(off, true)),
            ("address", address.into()),
            ("length", entry.str("mask").unwrap_or("32").into()),
            ("type", kind.into()),
        ];
        out.push((format!("{}/{proto}", state.str("interface").unwrap_or_default()), fields));
    }
    out
}

/// The kernel's word on an address: `Preferred`, `Deprecated`, `Tentative`, `Duplicate`; `Invalid` where it is not there.
fn life(info: Option<&Tree>, entry: Option<&Tree>) -> String {
    let is = |flag: &str| info.and_then(|info| info.str(flag)) == Some("true");
    let over = entry.and_then(|entry| entry.str("preferred")) == Some("0");
    match (info, entry) {
        (None, None) => "Invalid",
        _ if is("dadfailed") => "Duplicate",
        _ if is("tentative") => "Tentative",
        _ if is("deprecated") || over => "Deprecated",
        _ => "Preferred",
    }
    .into()
}

fn within(prefix: &str, address: Ipv6Addr) -> bool {
    let Some((base, length)) = prefix.split_once('/') else { return false };
    let (Ok(base), Ok(length)) = (base.parse::<Ipv6Addr>(), length.parse::<u32>()) else { return false };
    let shift = 128u32.saturating_sub(length);
    let cut = |address: Ipv6Addr| u128::from(address).checked_shr(shift).unwrap_or(0);
    length <= 128 && cut(base) == cut(address)
}

fn six(interface: &Interface<'_, '_>, prefixes: &[(String, Item)]) -> Vec<(String, Item)> {
    let &Interface { sources, name, ref states, fixed, off, kernel } = interface;
    let same = |text: Option<&str>, address: Ipv6Addr| text.and_then(|t| t.parse().ok()) == Some(address);
    // The narrowest prefix of the interface that has the address.
    let of = |address: Ipv6Addr| {
        let texts = prefixes.iter().filter_map(|(_, item)| field(item, "address"));
        let fit = texts.filter(|text| within(text, address));
        let length = |text: &&str| text.split_once('/').and_then(|(_, n)| n.parse::<u32>().ok());
        fit.max_by_key(length).map(|text| format!("{name}|{text}"))
    };
    let mut out: Vec<(String, Item)> = Vec::new();
    let mut known: Vec<Ipv6Addr> = Vec::new();
    let mut push =
        |key: String, address: Ipv6Addr, origin: &str, entry: Option<&Tree>, item: Option<&str>| {
            if known.contains(&address) {
                return;
            }
            known.push(address);
            let info = kernel.iter().find(|info| same(info.str("local"), address)).copied();
            let mut fields = vec![
                ("status", status(off, info.is_some() || entry.is_some())),
                ("address", address.to_string()),
                ("origin", origin.to_string()),
                ("life", life(info, entry)),
            ];
            for when in ["preferred", "valid"] {
                fields.extend(entry.and_then(|entry| entry.str(when)).map(|left| (when, left.to_string())));
            }
            fields.extend(of(address).map(|prefix| ("prefix", prefix)));
            if let Some(item) = item {
                fields.extend([("item", item.to_string()), ("option", "ip6addr".to_string())]);
            }
            out.push((key, fields));
        };
    let live_ones = live(states, "ipv6-address");
    for (item, address, _) in configured(fixed, "ip6addr") {
        if let IpAddr::V6(address) = address {
            let entry = live_ones.iter().find(|(_, entry)| same(entry.str("address"), address));
            push(address.to_string(), address, "Static", entry.map(|(_, entry)| *entry), Some(item));
        }
    }
    for (state, entry) in &live_ones {
        let Some(address) = entry.str("address").and_then(|text| text.parse::<Ipv6Addr>().ok()) else {
            continue;
        };
        if state.str("proto") == Some("static") {
            continue;
        }
        let part = state.str("interface").unwrap_or_default();
        // An address of IA_NA is one of 128 bits; one that was made from an announced prefix has its length.
        let (key, origin) = match (address.is_unicast_link_local(), entry.str("mask")) {
            (true, _) => ("fe80".to_string(), "AutoConfigured"),
            (false, Some("128")) => (format!("{part}/na"), "DHCPv6"),
            (false, _) => (format!("{part}/slaac"), "AutoConfigured"),
        };
        push(key, address, origin, Some(entry), None);
    }
    for (_, entry) in live(states, "ipv6-prefix-assignment") {
        let local = entry.get("local-address").and_then(|local| local.str("address"));
        if let Some(address) = local.and_then(|text| text.parse::<Ipv6Addr>().ok()) {
            push(
                format!("{}/local", assigned_key(sources, name, entry)),
                address,
                "AutoConfigured",
                Some(entry),
                None,
            );
        }
    }
    for info in kernel {
        let Some(address) = info.str("local").and_then(|text| text.parse::<Ipv6Addr>().ok()) else {
            continue;
        };
        match info.str("scope") {
            Some("link") => push("fe80".into(), address, "AutoConfigured", None, None),
            Some("host") => push("host".into(), address, "WellKnown", None, None),
            Some(_) | None => {}
        }
    }
    out
}

fn field<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.iter().find(|(field, _)| *field == name).map(|(_, text)| text.as_str())
}

/// What identifies an assignment: the interface that the prefix came from, or that it is the router's own.
fn assigned_key(sources: &Sources<'_>, name: &str, entry: &Tree) -> String {
    let address = entry.str("address").unwrap_or_default();
    match sources.parents.get(&(name, address)) {
        Some(parent) => format!("child/{}", parent.split_once('|').map_or("", |(from, _)| from)),
        None => "ula".into(),
    }
}

fn prefixes(interface: &Interface<'_, '_>) -> Vec<(String, Item)> {
    let &Interface { sources, name, ref states, fixed, off, kernel } = interface;
    let mut out: Vec<(String, Item)> = Vec::new();
    let mut push = |key: String, text: String, origin: &str, entry: Option<&Tree>, more: Item| {
        let mut fields = vec![
            (".names", format!("{name}|{text}")),
            ("status", status(off, entry.is_some())),
            ("origin", origin.to_string()),
            ("life", life(None, entry)),
        ];
        for when in ["preferred", "valid"] {
            fields.extend(entry.and_then(|entry| entry.str(when)).map(|left| (when, left.to_string())));
        }
        fields.push(("address", text));
        fields.extend(more);
        out.push((key, fields));
    };
    let delegated = live(states, "ipv6-prefix");
    for item in fixed.map(|section| words(section, "ip6prefix")).unwrap_or_default() {
        let entry = delegated.iter().find(|(_, entry)| prefix_text(entry).as_deref() == Some(item));
        let more = vec![("item", item.to_string()), ("option", "ip6prefix".to_string())];
        push(item.to_string(), item.to_string(), "Static", entry.map(|(_, entry)| *entry), more);
    }
    for (state, entry) in delegated {
        if state.str("proto") != Some("static") {
            let Some(text) = prefix_text(entry) else { continue };
            let key = format!("pd/{}", state.str("interface").unwrap_or_default());
            push(key, text, "PrefixDelegation", Some(entry), Vec::new());
        }
    }
    for (_, entry) in live(states, "ipv6-prefix-assignment") {
        let Some(text) = prefix_text(entry) else { continue };
        let parent = sources.parents.get(&(name, entry.str("address").unwrap_or_default()));
        let unique = entry
            .str("address")
            .and_then(|text| text.parse::<Ipv6Addr>().ok())
            .is_some_and(|address| address.is_unique_local());
        let origin = if parent.is_none() && unique { "AutoConfigured" } else { "Child" };
        let mut more: Item = parent.map(|parent| ("parent", parent.clone())).into_iter().collect();
        let pool = sources.pools.get(name).filter(|pool| pool.str("ra").is_some_and(|ra| ra != "disabled"));
        if let Some(pool) = pool {
            more.push(("onlink", (netbool(pool.str("ra_offlink")) != Some(true)).to_string()));
            more.push(("autonomous", (netbool(pool.str("ra_slaac")) != Some(false)).to_string()));
        }
        push(assigned_key(sources, name, entry), text, origin, Some(entry), more);
    }
    // A prefix that a router announced as on-link shows as a route without a next hop.
    for (state, route) in live(states, "route") {
        let on_link =
            route.str("nexthop") == Some("::") && route.str("mask").is_some_and(|mask| mask != "128");
        let (Some(target), Some(mask)) = (route.str("target"), route.str("mask")) else { continue };
        if on_link && state.str("proto") == Some("dhcpv6") {
            let text = format!("{target}/{mask}");
            let made = live(states, "ipv6-address").into_iter().map(|(_, entry)| entry).find(|entry| {
                let address = entry.str("address").and_then(|text| text.parse::<Ipv6Addr>().ok());
                entry.str("mask") == Some(mask) && address.is_some_and(|address| within(&text, address))
            });
            let mut more = vec![("onlink", "true".to_string()), ("autonomous", made.is_some().to_string())];
            // The route tells how long the prefix is valid; for how long it is preferred, the address made from it.
            let preferred = made.and_then(|entry| entry.str("preferred")).or(route.str("valid"));
            more.extend(preferred.map(|left| ("preferred", left.to_string())));
            let key = format!("ra/{}", state.str("interface").unwrap_or_default());
            push(key, text, "RouterAdvertisement", Some(route), more);
        }
    }
    if let Some(info) = kernel.iter().find(|info| info.str("scope") == Some("link")) {
        push(
            "fe80".into(),
            "fe80::/64".into(),
            "WellKnown",
            Some(info),
            vec![("onlink", "true".to_string())],
        );
    }
    out
}
