//! Whether edits touch the way to a manager, or what this device knows of him.
//!
//! Rather once too often than once too little: a guard that is not needed costs one session.

use crate::agent::cwmp;
use crate::config::Config;
use crate::config::usp::{Controller, ControllerWay, Way};
use crate::dm::edit::{Change, Edit};
use crate::dm::tree::Tree;
use crate::sorted::Map;

/// Who changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::agent) enum Manager<'a> {
    /// The ACS.
    Acs,
    /// The controller of this section.
    #[cfg_attr(not(feature = "usp"), allow(dead_code))]
    Controller(&'a str),
}

/// The label of the ACS.
pub(in crate::agent) const ACS: &str = "acs";
/// The beginning of the label of a controller; its section follows.
pub(in crate::agent) const CONTROLLER: &str = "controller ";

impl Manager<'_> {
    /// Under which name its guard is kept, and told in the log.
    pub fn label(self) -> Box<str> {
        match self {
            Manager::Acs => ACS.into(),
            Manager::Controller(section) => format!("{CONTROLLER}{section}").into(),
        }
    }

    /// The network that leads to the manager (empty where the routing table decides), and its host.
    pub fn place(self, config: &Config) -> (String, String) {
        match self {
            Manager::Acs => cwmp::place(config),
            Manager::Controller(section) => {
                let usp = &config.usp;
                let ways = controller(config, section).into_iter().flat_map(|controller| &controller.mtps);
                let place = ways.filter(|way| way.enable).find_map(|way| match &way.way {
                    ControllerWay::WebSocket { host, .. } => {
                        Some((usp.network.interface.clone(), host.clone()?))
                    }
                    ControllerWay::Mqtt { mtp, .. } => {
                        let broker = broker_of(config, mtp.as_deref()?)?;
                        let broker = usp.brokers.iter().find(|known| known.name == broker)?;
                        let interface = broker.interface.as_ref().unwrap_or(&usp.network.interface);
                        Some((interface.clone(), broker.host.clone()?))
                    }
                });
                place.unwrap_or_else(|| (usp.network.interface.clone(), String::new()))
            }
        }
    }
}

fn controller<'c>(config: &'c Config, section: &str) -> Option<&'c Controller> {
    config.usp.controllers.iter().find(|controller| controller.name == section)
}

/// The section of the broker that a section `mtp` leads to.
fn broker_of<'c>(config: &'c Config, mtp: &str) -> Option<&'c str> {
    config.usp.mtps.iter().find(|known| known.name == mtp).and_then(|mtp| match &mtp.way {
        Way::Mqtt { broker, .. } => broker.as_deref(),
        Way::WebSocket { .. } => None,
    })
}

/// What edits touch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Touched {
    /// The way there.
    pub way: bool,
    /// What this device knows of the manager.
    pub own: bool,
}

/// Options of an interface that give addresses and routes, by which any of them can take traffic from another one.
const ADDRESSING: &[&str] = &[
    "auto",
    "defaultroute",
    "device",
    "disabled",
    "gateway",
    "ifname",
    "ip6addr",
    "ip6gw",
    "ip6table",
    "ip4table",
    "ipaddr",
    "metric",
    "netmask",
    "proto",
];
/// Settings of the ACS that a session depends on. Not whether there are sessions: to end them is a clear wish.
const SESSION: &[&str] = &[
    "url",
    "username",
    "password",
    "ca_file",
    "client_cert",
    "client_key",
    "pin_sha256",
    "allow_plain_http",
    "interface",
    "source_address",
    "family",
    "dscp",
    "mark",
    "http_compression",
];
/// Settings of USP that every link depends on.
const LINKS: &[&str] = &[
    "endpoint_id",
    "ca_file",
    "client_cert",
    "client_key",
    "interface",
    "source_address",
    "family",
    "dscp",
    "mark",
];

/// What `edits` touch of a manager and of the way to it. `tree` gives packages as they are before.
pub(super) fn touched<'t>(
    edits: &[Edit],
    tree: impl Fn(&str) -> Option<&'t Tree>,
    manager: Manager<'_>,
    config: &Config,
) -> Touched {
    let (interface, _) = manager.place(config);
    let mut renamed: Map<(&str, &str), &str> = Map::new();
    let mut touched = Touched::default();
    for edit in edits {
        let Some(package) = edit.source.strip_prefix("uci:") else { continue };
        if let Change::Rename { to } = &edit.change {
            // A first name changes nothing by itself, and names what the other edits are about.
            renamed.insert((&edit.source, to), &edit.section);
            continue;
        }
        let name = renamed.get(&(&*edit.source, &*edit.section)).copied().unwrap_or(&edit.section);
        let empty = Tree::Map(Vec::new());
        let packages = tree(&edit.source).unwrap_or(&empty);
        let old = match &edit.change {
            Change::Remove { old } => old,
            _ => packages.get(name).unwrap_or(&empty),
        };
        let kind = old.str(".type").unwrap_or_else(|| match &edit.change {
            Change::Add { kind } => kind,
            _ => added(edits, edit),
        });
        let spot = Spot { edit, name, old, kind, packages, interface: &interface };
        match package {
            "network" => touched.way |= spot.network(),
            "wireless" => touched.way |= spot.wireless(),
            "firewall" => touched.way |= spot.firewall(),
            "dhcp" => touched.way |= kind == "dnsmasq",
            "cpeagent" => touched.own |= spot.own(manager, config),
            _ => {}
        }
    }
    touched
}

/// The type of a section that these edits add.
fn added<'e>(edits: &'e [Edit], of: &Edit) -> &'e str {
    let same = |edit: &&Edit| edit.source == of.source && edit.section == of.section;
    let kind = edits.iter().filter(same).find_map(|edit| match &edit.change {
        Change::Add { kind } => Some(&**kind),
        _ => None,
    });
    kind.unwrap_or_default()
}

/// One edit and where it is made.
struct Spot<'a> {
    edit: &'a Edit,
    /// The section as it is called before.
    name: &'a str,
    old: &'a Tree,
    kind: &'a str,
    packages: &'a Tree,
    /// The network that leads to the manager; empty where the routing table decides.
    interface: &'a str,
}

impl Spot<'_> {
    /// Whether the option that is set is one of these; where a whole section comes or goes, any is.
    fn sets(&self, options: &[&str]) -> bool {
        match &self.edit.change {
            Change::Set { option, .. } => options.contains(&&**option),
            Change::Add { .. } | Change::Remove { .. } | Change::Rename { .. } | Change::Move { .. } => true,
        }
    }

    /// Whether a list or text names the network that leads to the manager.
    fn leads(&self, value: Option<&Tree>) -> bool {
        let Some(value) = value else { return false };
        let texts = value.items().iter().chain([value]).filter_map(Tree::as_str);
        self.interface.is_empty() || texts.flat_map(str::split_whitespace).any(|name| name == self.interface)
    }

    /// The same of an option, as it is before and as this edit sets it.
    fn option_leads(&self, option: &str) -> bool {
        let set = match &self.edit.change {
            Change::Set { option: name, new, .. } if **name == *option => new.as_ref(),
            _ => None,
        };
        self.leads(self.old.get(option)) || self.leads(set)
    }

    /// Interfaces, devices, VLANs, switches, routes and their rules.
    fn network(&self) -> bool {
        self.kind != "interface"
            || self.interface.is_empty()
            || self.name == self.interface
            || self.sets(ADDRESSING)
    }

    /// Networks that lead to the manager, and the radios they are on.
    fn wireless(&self) -> bool {
        match self.kind {
            "wifi-device" => self
                .packages
                .entries()
                .iter()
                .any(|(_, one)| one.str("device") == Some(self.name) && self.leads(one.get("network"))),
            _ => self.option_leads("network"),
        }
    }

    /// What may leave, and what may come from where the manager is.
    fn firewall(&self) -> bool {
        let zones = || self.packages.entries().iter().filter(|(_, one)| one.str(".type") == Some("zone"));
        let of_manager = |name: &str| {
            zones().any(|(_, zone)| zone.str("name") == Some(name) && self.leads(zone.get("network")))
        };
        match self.kind {
            "defaults" => true,
            "zone" => self.option_leads("network"),
            // To firewall4 a rule without a source is about what the router itself sends.
            "rule" => match self.old.str("src") {
                None | Some("*") => true,
                Some(source) => self.old.str("dest").is_none() && of_manager(source),
            },
            _ => false,
        }
    }

    /// What this device knows of the manager.
    fn own(&self, manager: Manager<'_>, config: &Config) -> bool {
        match manager {
            Manager::Acs => self.kind == "acs" && self.sets(SESSION),
            Manager::Controller(section) => {
                let ways = || controller(config, section).into_iter().flat_map(|controller| &controller.mtps);
                let mtps = || {
                    ways().filter_map(|way| match &way.way {
                        ControllerWay::Mqtt { mtp, .. } => mtp.as_deref(),
                        ControllerWay::WebSocket { .. } => None,
                    })
                };
                let brokers = || mtps().filter_map(|mtp| broker_of(config, mtp));
                match self.kind {
                    "usp" => self.sets(LINKS),
                    "controller" => self.name == section && self.sets(&["endpoint_id", "certificate"]),
                    "controller_mtp" => self.old.str("controller") == Some(section),
                    "mtp" => mtps().any(|mtp| mtp == self.name),
                    "mqtt" => brokers().any(|broker| broker == self.name),
                    "mqtt_subscription" | "mqtt_user_property" => {
                        brokers().any(|broker| self.old.str("mqtt") == Some(broker))
                    }
                    "certificate" | "credential" => true,
                    _ => false,
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "arming_tests.rs"]
mod tests;
