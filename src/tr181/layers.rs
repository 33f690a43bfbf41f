//! How OpenWrt's network configuration becomes TR-181's layers: `tree layers`.
//!
//! One derivation per snapshot: ports, links, VLAN terminations, bridges with their members, IP and PPP interfaces,
//! and the pairs of the InterfaceStack; every `LowerLayers` follows from it. It reads configuration and what the
//! board has; of live replies only names are taken, and a reply that failed takes no row away. Values are the lines'
//! of `ethernet.toml`, `bridging.toml`, `ip.toml`, `ppp.toml`; addresses are in [`super::addresses`].
//!
//! A row below another is named `TABLE NAME`, as the pipe `ref` takes it.

mod bridges;
pub mod net;
mod ports;

pub use bridges::{PORT, membership, vlan_key};
use net::{Net, RADIO};

use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::View;
use crate::sorted::{Map, Set};

/// The table of Ethernet ports.
pub const INTERFACE: &str = "Device.Ethernet.Interface";
/// The table of Ethernet links.
pub const LINK: &str = "Device.Ethernet.Link";
/// The table of VLAN terminations.
pub const VLAN: &str = "Device.Ethernet.VLANTermination";
/// The table of IP interfaces.
pub const IP: &str = "Device.IP.Interface";
/// The table of PPP interfaces.
pub const PPP: &str = "Device.PPP.Interface";
/// The table of SSIDs.
pub const SSID: &str = "Device.WiFi.SSID";

/// Most pairs that lie on the way from an IP interface down to a port; a longer chain is a loop.
const MAX_WALK: usize = 256;

/// Rows of one kind by key, each with its fields, in the order of the configuration.
type Rows = Vec<(String, Tree)>;

/// The derived tree `layers`: `ports`, `links`, `vlans`, `bridges`, `ip`, `ppp` (maps by key) and `stack` (a list of
/// `higher` and `lower`).
pub fn layers(view: &View<'_>) -> Result<Tree, Stop> {
    let net = Net::read(view)?;
    let board = ports::board(view)?;
    let mut edges: Vec<(String, String)> = Vec::new();
    let mut joined = |table: &str, key: &str, lower: &[String]| {
        edges.extend(lower.iter().map(|lower| (format!("{table} {key}"), lower.clone())));
    };
    let ports: Set<&str> = board.iter().map(|port| port.name.as_str()).collect();

    let vlans: Rows = net
        .vlans
        .iter()
        .map(|vlan| {
            let lower = vec![net.layer(&vlan.base)];
            joined(VLAN, &vlan.name, &lower);
            let mut row = row(&vlan.name, vlan.section, &lower);
            row.set("base", vlan.base.as_str().into());
            row.set("vid", vlan.vid.to_string().into());
            row.set("tpid", if vlan.service { "34984" } else { "33024" }.into());
            (vlan.name.clone(), row)
        })
        .collect();
    let links: Rows = net
        .links()
        .into_iter()
        .map(|name| {
            let lower = net.below_link(&name, &ports);
            joined(LINK, &name, &lower);
            let section = net.device(&name).map(|device| device.section);
            let row = row(&name, section, &lower);
            (name, row)
        })
        .collect();
    let ppp: Rows = net
        .rows()
        .filter(|interface| interface.is_ppp())
        .map(|interface| {
            let lower = net.below(interface, 0);
            joined(PPP, interface.name, &lower);
            let mut row = row(interface.name, Some(interface.name), &lower);
            row.set("l3", net.l3(interface, 0).into());
            (interface.name.to_string(), row)
        })
        .collect();
    let ip: Rows = net
        .rows()
        .map(|interface| {
            let lower = match interface.is_ppp() {
                true => vec![format!("{PPP} {}", interface.name)],
                false => net.below(interface, 0),
            };
            joined(IP, interface.name, &lower);
            let mut row = row(interface.name, Some(interface.name), &lower);
            row.set("l3", net.l3(interface, 0).into());
            let kind = if interface.device == Some("lo") { "Loopback" } else { "Normal" };
            row.set("kind", kind.into());
            row.set(".names", texts(&net.parts(interface)));
            (interface.name.to_string(), row)
        })
        .collect();
    let bridges = net.bridges(&ports, &mut edges);
    edges.extend(net.ssids().map(|(ssid, radio)| (format!("{SSID} {ssid}"), format!("{RADIO} {radio}"))));

    let upstream = upstream(view, &net, &edges)?;
    let ports = board.iter().map(|port| {
        let mut row = row(&port.name, net.device(&port.name).map(|device| device.section), &[]);
        // What the configuration does with a port wins over what the board was made for.
        let up = upstream.get(&format!("{INTERFACE} {}", port.name)).copied().unwrap_or(port.wan);
        row.set("upstream", if up { "true" } else { "false" }.into());
        (port.name.clone(), row)
    });
    let ports = Tree::map(ports);
    let stack = edges
        .into_iter()
        .map(|(higher, lower)| Tree::map([("higher", Tree::from(higher)), ("lower", Tree::from(lower))]));
    Ok(Tree::map([
        ("ports", ports),
        ("links", Tree::map(links)),
        ("vlans", Tree::map(vlans)),
        ("bridges", Tree::map(bridges)),
        ("ip", Tree::map(ip)),
        ("ppp", Tree::map(ppp)),
        ("stack", Tree::List(stack.collect())),
    ]))
}

/// A row's fields: its name, the section of `network` it is bound to, and what lies below it.
fn row(name: &str, section: Option<&str>, lower: &[String]) -> Tree {
    let mut row = Tree::map([("name", Tree::from(name)), ("lower", texts(lower))]);
    if let Some(section) = section {
        row.set(".source", net::NETWORK.into());
        row.set(".section", section.into());
    }
    row
}

/// A list of texts.
fn texts<T: AsRef<str>>(items: &[T]) -> Tree {
    Tree::List(items.iter().map(|item| Tree::from(item.as_ref())).collect())
}

/// What lies below IP interfaces, and whether one of them is in a zone that masquerades.
fn upstream(view: &View<'_>, net: &Net<'_>, edges: &[(String, String)]) -> Result<Map<String, bool>, Stop> {
    let mut masked: Set<&str> = Set::new();
    for (_, zone) in view.sections("uci:firewall", "zone")? {
        if matches!(zone.str("masq"), Some("1" | "on" | "true" | "yes")) {
            masked.extend(net::words(zone, "network"));
        }
    }
    let mut below: Map<&str, Vec<&str>> = Map::new();
    for (higher, lower) in edges {
        below.entry(higher).or_default().push(lower);
    }
    let mut out: Map<String, bool> = Map::new();
    for interface in net.rows() {
        let up = net.parts(interface).iter().any(|name| masked.contains(name.as_str()))
            || masked.contains(interface.name);
        let top = format!("{IP} {}", interface.name);
        let mut seen: Set<&str> = Set::new();
        let mut todo = vec![top.as_str()];
        while let Some(here) = todo.pop() {
            if seen.len() >= MAX_WALK || !seen.insert(here) {
                continue;
            }
            todo.extend(below.get(here).into_iter().flatten().copied());
        }
        for here in seen {
            *out.entry(here.to_string()).or_default() |= up;
        }
    }
    Ok(out)
}
