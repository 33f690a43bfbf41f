//! What `/etc/config/network` and `/etc/config/wireless` say, in a shape to derive layers from.

use super::{LINK, VLAN};
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::View;
use crate::sorted::{Map, Set};

/// The package of the network.
pub const NETWORK: &str = "uci:network";
/// The package of the radios.
pub const WIRELESS: &str = "uci:wireless";
/// The reply with the state of every interface.
pub const DUMP: &str = "ubus:network.interface dump";
/// The reply with the state of every device.
pub const DEVICES: &str = "ubus:network.device status";
/// The table of radios.
pub const RADIO: &str = "Device.WiFi.Radio";

/// Most aliases (`@name`) or VLANs upon each other that are followed.
const MAX_DEPTH: usize = 8;

/// A `config device`.
pub struct Device<'s> {
    /// The netdev it is about.
    pub name: String,
    /// Its section.
    pub section: &'s str,
    /// Its options.
    pub tree: &'s Tree,
}

impl Device<'_> {
    /// Its type; empty for mere settings of a netdev.
    pub fn kind(&self) -> &str {
        self.tree.str("type").unwrap_or_default()
    }
}

/// A `config interface`.
pub struct Interface<'s> {
    /// Its section.
    pub name: &'s str,
    /// Its options.
    pub tree: &'s Tree,
    /// The protocol; `none` where it has none.
    pub proto: &'s str,
    /// The device as UCI writes it: a netdev, `@other` or `/dev/…`.
    pub device: Option<&'s str>,
    /// The interface whose row it is part of: a DHCPv6 client upon the same device.
    pub host: Option<&'s str>,
}

impl Interface<'_> {
    /// Whether a PPP interface carries it.
    pub fn is_ppp(&self) -> bool {
        ppp(self.proto)
    }
}

/// Whether a protocol of netifd is PPP.
pub fn ppp(proto: &str) -> bool {
    matches!(proto, "pppoe" | "pppoa" | "ppp" | "pptp" | "l2tp" | "3g")
}

/// Whether a protocol of netifd is a modem's.
pub fn cellular(proto: &str) -> bool {
    matches!(proto, "qmi" | "mbim" | "ncm" | "modemmanager" | "3g")
}

/// A VLAN upon a device.
pub struct Vlan<'s> {
    /// The netdev.
    pub name: String,
    /// The device below.
    pub base: String,
    /// The VLAN's number.
    pub vid: u16,
    /// Whether it is a service tag (802.1ad).
    pub service: bool,
    /// Its section, where it has one.
    pub section: Option<&'s str>,
}

/// The configuration.
pub struct Net<'s> {
    /// In file order.
    pub devices: Vec<Device<'s>>,
    /// In file order.
    pub interfaces: Vec<Interface<'s>>,
    /// With a section in file order, then those only used by name.
    pub vlans: Vec<Vlan<'s>>,
    /// `bridge-vlan` sections.
    pub bridge_vlans: Vec<(&'s str, &'s Tree)>,
    /// `wifi-iface` sections.
    pub wifi: Vec<(&'s str, &'s Tree)>,
    /// The netdev of each `wifi-iface` section that has one now.
    pub netdevs: Map<&'s str, &'s str>,
    l3: Map<&'s str, &'s str>,
    children: Map<&'s str, Vec<&'s str>>,
}

/// A live reply of which only names are wanted: a failed one is as if absent, so that no row goes with it.
pub fn live<'s>(view: &View<'s>, key: &str) -> Result<Option<&'s Tree>, Stop> {
    match view.tree(key) {
        Err(Stop::Refused(_)) => Ok(None),
        other => other,
    }
}

/// The words of an option, be it a list, one text with blanks, or both.
pub fn words<'s>(section: &'s Tree, option: &str) -> Vec<&'s str> {
    match section.get(option) {
        Some(Tree::Text(text)) => text.split_whitespace().collect(),
        Some(Tree::List(items)) => {
            items.iter().filter_map(Tree::as_str).flat_map(str::split_whitespace).collect()
        }
        Some(Tree::Map(_)) | None => Vec::new(),
    }
}

/// A boolean as netifd reads it: any word but these is an absent option.
pub fn netbool(text: Option<&str>) -> Option<bool> {
    match text {
        Some("1" | "true") => Some(true),
        Some("0" | "false") => Some(false),
        Some(_) | None => None,
    }
}

/// The base and the number of a VLAN's dotted name (`eth0.10`).
pub fn dotted(name: &str) -> Option<(&str, u16)> {
    let (base, vid) = name.rsplit_once('.')?;
    let vid: u16 = vid.parse().ok().filter(|vid| (1..=4094).contains(vid))?;
    (!base.is_empty()).then_some((base, vid))
}

/// Whether a device is the bridge or a VLAN of it.
pub fn upon(device: &str, bridge: &str) -> bool {
    device == bridge || dotted(device).is_some_and(|(base, _)| base == bridge)
}

impl<'s> Net<'s> {
    /// Reads the configuration and, of live replies, the names of netdevs and dynamic interfaces.
    pub fn read(view: &View<'s>) -> Result<Net<'s>, Stop> {
        let sources = [live(view, DUMP), live(view, "ubus:network.wireless status"), view.tree(WIRELESS)];
        let network = view.tree(NETWORK);
        view.tree("uci:firewall").ok();
        let [dump, radios, wireless] = sources;
        let (dump, radios, wireless, _) = (dump?, radios?, wireless?, network?);
        let mut net = Net {
            devices: view.sections(NETWORK, "device")?.into_iter().filter_map(device).collect(),
            interfaces: interfaces(view.sections(NETWORK, "interface")?),
            vlans: Vec::new(),
            bridge_vlans: view.sections(NETWORK, "bridge-vlan")?,
            wifi: match wireless {
                Some(_) => view.sections(WIRELESS, "wifi-iface")?,
                None => Vec::new(),
            },
            netdevs: Map::new(),
            l3: Map::new(),
            children: Map::new(),
        };
        for (_, radio) in radios.map_or(&[][..], Tree::entries) {
            for iface in radio.get("interfaces").map_or(&[][..], Tree::items) {
                if let (Some(section), Some(netdev)) = (iface.str("section"), iface.str("ifname")) {
                    net.netdevs.insert(section, netdev);
                }
            }
        }
        net.learn(dump);
        net.find_vlans();
        Ok(net)
    }

    /// Takes the netdevs of interfaces that are up, and the interfaces that netifd made by itself.
    fn learn(&mut self, dump: Option<&'s Tree>) {
        let states = dump.and_then(|dump| dump.get("interface")).map_or(&[][..], Tree::items);
        let named = |state: &'s Tree| state.str("interface").map(|name| (name, state));
        for (name, state) in states.iter().filter_map(named) {
            if let Some(l3) = state.str("l3_device") {
                self.l3.insert(name, l3);
            }
        }
        for (name, state) in states.iter().filter_map(named) {
            if state.str("dynamic") != Some("true") || self.interface(name).is_some() {
                continue;
            }
            let by_name = name.rsplit_once('_').and_then(|(parent, _)| self.interface(parent));
            let same = |i: &&Interface<'s>| {
                state.str("l3_device").is_some() && self.l3.get(i.name).copied() == state.str("l3_device")
            };
            if let Some(parent) = by_name.or_else(|| self.interfaces.iter().find(same)) {
                let parent = parent.host.unwrap_or(parent.name);
                self.children.entry(parent).or_default().push(name);
            }
        }
    }

    fn find_vlans(&mut self) {
        let mut found: Vec<Vlan<'s>> = Vec::new();
        for device in &self.devices {
            let service = device.kind() == "8021ad";
            if !service && device.kind() != "8021q" {
                continue;
            }
            let by_name = dotted(&device.name);
            let base = device.tree.str("ifname").or(by_name.map(|(base, _)| base));
            let vid = device.tree.str("vid").and_then(|vid| vid.parse().ok()).or(by_name.map(|(_, vid)| vid));
            if let (Some(base), Some(vid)) = (base, vid) {
                let (name, base) = (device.name.clone(), base.to_string());
                found.push(Vlan { name, base, vid, service, section: Some(device.section) });
            }
        }
        let mut used: Vec<String> =
            self.interfaces.iter().filter_map(|i| i.device).map(str::to_string).collect();
        for device in self.devices.iter().filter(|device| device.kind() == "bridge") {
            used.extend(words(device.tree, "ports").into_iter().map(str::to_string));
        }
        used.extend(found.iter().map(|vlan| vlan.base.clone()));
        let mut at = 0;
        while let Some(name) = used.get(at).cloned() {
            at += 1;
            let settings = self.device(&name);
            let other = settings.is_some_and(|device| !device.kind().is_empty());
            let Some((base, vid)) = dotted(&name).filter(|_| !other) else { continue };
            if found.iter().any(|vlan| vlan.name == name) {
                continue;
            }
            used.push(base.to_string());
            let section = settings.map(|device| device.section);
            found.push(Vlan { name: name.clone(), base: base.to_string(), vid, service: false, section });
        }
        self.vlans = found;
    }

    /// The device section of a netdev; of several, the one with a type.
    pub fn device(&self, name: &str) -> Option<&Device<'s>> {
        let mut of_name = self.devices.iter().filter(|device| device.name == name);
        let first = of_name.next()?;
        if first.kind().is_empty() {
            of_name.find(|d| !d.kind().is_empty()).or(Some(first))
        } else {
            Some(first)
        }
    }

    /// The interface of a section.
    pub fn interface(&self, name: &str) -> Option<&Interface<'s>> {
        self.interfaces.iter().find(|interface| interface.name == name)
    }

    /// The interfaces that have a row of their own.
    pub fn rows(&self) -> impl Iterator<Item = &Interface<'s>> {
        self.interfaces.iter().filter(|interface| interface.host.is_none())
    }

    /// The further interfaces that a row stands for: DHCPv6 clients upon it and what netifd made by itself.
    pub fn parts(&self, interface: &Interface<'s>) -> Vec<String> {
        let joined = self.interfaces.iter().filter(|i| i.host == Some(interface.name)).map(|i| i.name);
        let made = self.children.get(interface.name).into_iter().flatten().copied();
        joined.chain(made).map(str::to_string).collect()
    }

    /// The VLAN of a netdev.
    pub fn vlan(&self, name: &str) -> Option<&Vlan<'s>> {
        self.vlans.iter().find(|vlan| vlan.name == name)
    }

    /// Whether a device is a bridge of the configuration.
    pub fn is_bridge(&self, name: &str) -> bool {
        self.device(name).is_some_and(|device| device.kind() == "bridge")
    }

    /// The row that stands for a device: a VLAN termination or a link.
    pub fn layer(&self, device: &str) -> String {
        match self.vlan(device) {
            Some(_) => format!("{VLAN} {device}"),
            None => format!("{LINK} {device}"),
        }
    }

    /// The links: one per distinct L2 device that interfaces use, directly or through VLANs, then made ones.
    pub fn links(&self) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        let mut seen: Set<String> = Set::new();
        let used = self.interfaces.iter().filter_map(|interface| interface.device);
        let used = used.chain(self.vlans.iter().map(|vlan| vlan.base.as_str()));
        let made = self.devices.iter().filter(|device| device.tree.get("cpe_link").is_some());
        for device in used.chain(made.map(|device| device.name.as_str())) {
            let mut name = device;
            for _ in 0..MAX_DEPTH {
                match self.vlan(name) {
                    Some(vlan) => name = &vlan.base,
                    None => break,
                }
            }
            let ethernet = name != "lo" && !name.starts_with(['@', '/']) && self.vlan(name).is_none();
            if ethernet && seen.insert(name.to_string()) {
                out.push(name.to_string());
            }
        }
        out
    }

    /// What lies below a link.
    pub fn below_link(&self, name: &str, ports: &Set<&str>) -> Vec<String> {
        let mut name = name;
        for _ in 0..MAX_DEPTH {
            match self.device(name).filter(|device| device.kind() == "macvlan") {
                Some(device) => match device.tree.str("ifname") {
                    Some(below) => name = below,
                    None => return Vec::new(),
                },
                None => break,
            }
        }
        if self.is_bridge(name) {
            return vec![format!("{} {name}", super::PORT)];
        }
        if self.vlan(name).is_some() {
            return vec![format!("{VLAN} {name}")];
        }
        if ports.contains(name) { vec![format!("{} {name}", super::INTERFACE)] } else { Vec::new() }
    }

    /// What lies below an interface, leaving PPP out: the row of its device, else the SSIDs of its networks.
    pub fn below(&self, interface: &Interface<'s>, depth: usize) -> Vec<String> {
        match interface.device {
            _ if depth > MAX_DEPTH => Vec::new(),
            None => {
                let attached =
                    self.wifi.iter().filter(|(_, w)| words(w, "network").contains(&interface.name));
                attached.map(|(section, _)| format!("{} {section}", super::SSID)).collect()
            }
            Some("lo") => Vec::new(),
            Some(device) if device.starts_with('/') => {
                vec![format!("Device.Cellular.Interface {}", interface.name)]
            }
            Some(device) => match device.strip_prefix('@') {
                None => vec![self.layer(device)],
                Some(other) => match self.interface(other) {
                    Some(other) if other.is_ppp() => vec![format!("{} {}", super::PPP, other.name)],
                    Some(other) => self.below(other, depth + 1),
                    None => Vec::new(),
                },
            },
        }
    }

    /// The netdev that carries an interface's packets: the live one, else the one that netifd would make.
    pub fn l3(&self, interface: &Interface<'s>, depth: usize) -> String {
        if let Some(l3) = self.l3.get(interface.name) {
            return (*l3).to_string();
        }
        match interface.device {
            _ if depth > MAX_DEPTH => String::new(),
            _ if interface.is_ppp() => match interface.tree.str("pppname") {
                Some(name) => name.to_string(),
                None => format!("{}-{}", interface.proto, interface.name),
            },
            Some(device) => match device.strip_prefix('@') {
                Some(other) => self.interface(other).map_or(String::new(), |other| self.l3(other, depth + 1)),
                None if device.starts_with('/') => String::new(),
                None => device.to_string(),
            },
            None => String::new(),
        }
    }

    /// SSIDs with their radios.
    pub fn ssids(&self) -> impl Iterator<Item = (&'s str, &'s str)> {
        self.wifi.iter().filter_map(|(section, wifi)| Some((*section, *words(wifi, "device").first()?)))
    }
}

fn device<'s>((section, tree): (&'s str, &'s Tree)) -> Option<Device<'s>> {
    let name = match (tree.str("name"), tree.str("ifname"), tree.str("vid")) {
        (Some(name), _, _) => name.to_string(),
        (None, Some(base), Some(vid)) => format!("{base}.{vid}"),
        (None, _, _) => return None,
    };
    Some(Device { name, section, tree })
}

fn interfaces<'s>(sections: Vec<(&'s str, &'s Tree)>) -> Vec<Interface<'s>> {
    let mut all: Vec<Interface<'s>> = sections
        .into_iter()
        .map(|(name, tree)| Interface {
            name,
            tree,
            proto: tree.str("proto").unwrap_or("none"),
            device: words(tree, "device").first().copied(),
            host: None,
        })
        .collect();
    // A client that is switched off has no protocol, and remembers which it had.
    let six = |interface: &Interface<'_>| {
        let off = interface.proto == "none" && interface.tree.str("cpe_proto") == Some("dhcpv6");
        off || interface.proto == "dhcpv6"
    };
    let hosts: Vec<(&str, Option<&str>, bool)> = all.iter().map(|i| (i.name, i.device, six(i))).collect();
    for interface in all.iter_mut().filter(|interface| six(interface)) {
        let Some(device) = interface.device else { continue };
        let host = hosts.iter().find(|(name, of, six)| {
            !six && match device.strip_prefix('@') {
                Some(other) => *name == other,
                None => *of == Some(device),
            }
        });
        interface.host = host.map(|(name, ..)| *name);
    }
    all
}

/// Whether the section that an item is bound to is switched off, by `disabled`.
pub fn is_disabled(section: &Tree) -> bool {
    netbool(section.str("disabled")) == Some(true)
}
