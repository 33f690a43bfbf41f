//! Bridges with their members, wired and wireless, and the VLANs of those that filter.

use super::net::{Device, NETWORK, Net, dotted, upon, words};
use super::{INTERFACE, SSID, VLAN, texts};
use crate::dm::tree::Tree;
use crate::sorted::Set;

/// The table of bridge ports.
pub const PORT: &str = "Device.Bridging.Bridge.{i}.Port";

/// An item of a bridge-vlan's `ports`: `lan1:u*`.
pub struct Membership<'a> {
    /// The member.
    pub port: &'a str,
    /// Whether frames leave without a tag; without flags they do.
    pub untagged: bool,
    /// Whether frames that come without a tag belong to this VLAN.
    pub pvid: bool,
}

/// Reads an item of a bridge-vlan's `ports`.
pub fn membership(item: &str) -> Membership<'_> {
    let (port, flags) = item.split_once(':').unwrap_or((item, ""));
    Membership { port, untagged: !flags.contains('t'), pvid: flags.contains('*') }
}

/// What identifies a bridge-vlan: its name, else the VLAN's number.
pub fn vlan_key(section: &str, vlan: Option<&Tree>) -> String {
    match vlan.filter(|vlan| vlan.get(".anonymous").is_some()).and_then(|vlan| vlan.str("vlan")) {
        Some(vid) => format!("vlan{vid}"),
        None => section.to_string(),
    }
}

impl<'s> Net<'s> {
    /// Every bridge; adds the pairs of its ports to `edges`.
    pub(super) fn bridges(
        &self,
        physical: &Set<&str>,
        edges: &mut Vec<(String, String)>,
    ) -> Vec<(String, Tree)> {
        let bridges = self.devices.iter().filter(|device| device.kind() == "bridge");
        bridges.map(|bridge| (bridge.name.clone(), self.bridge(bridge, physical, edges))).collect()
    }

    fn bridge(&self, bridge: &Device<'s>, physical: &Set<&str>, edges: &mut Vec<(String, String)>) -> Tree {
        let mut vlans: Vec<(String, Tree)> = Vec::new();
        let mut vlan_ports: Vec<(String, Tree)> = Vec::new();
        let mut tagged: Vec<(&str, &str)> = Vec::new();
        for (section, vlan) in &self.bridge_vlans {
            let Some(vid) = vlan.str("vlan").filter(|_| vlan.str("device") == Some(&bridge.name)) else {
                continue;
            };
            let key = vlan_key(section, Some(vlan));
            for item in words(vlan, "ports") {
                let member = membership(item);
                if member.pvid {
                    tagged.push((member.port, vid));
                }
                let row = Tree::map([
                    (".source", Tree::from(NETWORK)),
                    (".section", (*section).into()),
                    ("vlan", (*section).into()),
                    ("port", member.port.into()),
                    ("item", item.into()),
                    ("untagged", if member.untagged { "true" } else { "false" }.into()),
                ]);
                vlan_ports.push((format!("{key}/{}", member.port), row));
            }
            let row = Tree::map([(".source", Tree::from(NETWORK)), (".section", (*section).into())]);
            vlans.push((key, row));
        }
        let pvid = |row: &mut Tree, names: &[&str]| {
            if let Some((_, vid)) = tagged.iter().find(|(port, _)| names.contains(port)) {
                row.set("pvid", (*vid).into());
            }
        };
        let mut members: Vec<(String, Tree)> = Vec::new();
        for (option, enabled) in [("ports", "true"), ("cpe_ports", "false")] {
            for name in words(bridge.tree, option) {
                let lower = if self.vlan(name).is_some() {
                    vec![format!("{VLAN} {name}")]
                } else if physical.contains(name) {
                    vec![format!("{INTERFACE} {name}")]
                } else {
                    Vec::new()
                };
                edges.extend(lower.iter().map(|lower| (format!("{PORT} {name}"), lower.clone())));
                let mut row = member(name, name, enabled, &lower);
                pvid(&mut row, &[name]);
                members.push((name.to_string(), row));
            }
        }
        for (section, wifi, enabled, vid) in self.wireless(&bridge.name) {
            // A station is identified by what it serves, until its section has a name.
            let key = match wifi.get(".anonymous") {
                Some(_) => {
                    format!("{}/{}", words(wifi, "device").join("+"), wifi.str("ssid").unwrap_or_default())
                }
                None => section.to_string(),
            };
            let netdev = self.netdevs.get(section).copied().unwrap_or_default();
            let lower = vec![format!("{SSID} {section}")];
            edges.extend(lower.iter().map(|lower| (format!("{PORT} {key}"), lower.clone())));
            let mut row = member(&key, netdev, if enabled { "true" } else { "false" }, &lower);
            row.set(".names", texts(&[netdev, section]));
            row.set("ssid", section.into());
            if wifi.get(".anonymous").is_some() {
                row.set("unnamed", "1".into());
            }
            // netifd puts a station into the VLAN that its network lies upon.
            if let Some(vid) = vid {
                row.set("pvid", vid.to_string().into());
            }
            pvid(&mut row, &[netdev, section]);
            members.push((key, row));
        }
        let below: Vec<String> = members.iter().map(|(key, _)| format!("{PORT} {key}")).collect();
        edges.extend(below.iter().map(|lower| (format!("{PORT} {}", bridge.name), lower.clone())));
        let mut management = member(&bridge.name, &bridge.name, "true", &below);
        management.set("management", "true".into());
        let mut ports = vec![(bridge.name.clone(), management)];
        ports.extend(members);

        let mut row = super::row(&bridge.name, Some(bridge.section), &[]);
        row.set("standard", if vlans.is_empty() { "802.1D-2004" } else { "802.1Q-2011" }.into());
        row.set("ports", Tree::map(ports));
        row.set("vlans", Tree::map(vlans));
        row.set("vlanports", Tree::map(vlan_ports));
        row
    }

    /// The wifi-iface sections whose network is upon a bridge, whether they are attached to it now, and in which VLAN.
    fn wireless(&self, bridge: &str) -> Vec<(&'s str, &'s Tree, bool, Option<u16>)> {
        let mut out = Vec::new();
        for (section, wifi) in &self.wifi {
            // A client cannot be bridged unless it speaks four-address frames.
            if wifi.str("mode") == Some("sta") && super::net::netbool(wifi.str("wds")) != Some(true) {
                continue;
            }
            for (option, enabled) in [("network", true), ("cpe_network", false)] {
                let mut devices =
                    words(wifi, option).into_iter().filter_map(|name| self.interface(name)?.device);
                if let Some(device) = devices.find(|device| upon(device, bridge)) {
                    let vid = dotted(device).filter(|_| device != bridge).map(|(_, vid)| vid);
                    out.push((*section, *wifi, enabled, vid));
                    break;
                }
            }
        }
        out
    }
}

fn member(name: &str, netdev: &str, enabled: &str, lower: &[String]) -> Tree {
    Tree::map([
        ("name", Tree::from(name)),
        ("netdev", netdev.into()),
        ("enabled", enabled.into()),
        ("lower", texts(lower)),
    ])
}
