//! The physical Ethernet ports: what the board lists, then what the kernel shows as Ethernet hardware.

use super::net::{cellular, dotted};
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::View;
use crate::tr181::network;

/// A port.
pub struct Port {
    /// Its netdev.
    pub name: String,
    /// Whether the board was made with it as the uplink.
    pub wan: bool,
}

/// Most ports of a router.
const MAX_PORTS: usize = 256;

/// The board's ports in its order, then others that are there.
///
/// A netdev counts if it has hardware, is of ARP type 1 and is neither wireless nor cellular nor the conduit of a
/// switch. The board names swconfig's VLANs (`eth0.1`); the port is what lies below.
pub fn board(view: &View<'_>) -> Result<Vec<Port>, Stop> {
    let mut ports: Vec<Port> = Vec::new();
    let mut add = |name: &str, wan: bool| {
        let known = ports.iter().any(|port| port.name == name);
        if !known && ports.len() < MAX_PORTS && !name.contains('/') && !name.is_empty() {
            ports.push(Port { name: name.to_string(), wan });
        }
    };
    let board = network::board_file(view);
    let present = present(view);
    let (board, present) = (board?, present?);
    let networks = board.and_then(|board| board.get("network")).map_or(&[][..], Tree::entries);
    for (role, network) in networks {
        if network.str("protocol").is_some_and(cellular) {
            continue;
        }
        let listed = network.get("ports").map_or(&[][..], Tree::items).iter().filter_map(Tree::as_str);
        for name in network.str("device").into_iter().chain(listed) {
            add(dotted(name).map_or(name, |(base, _)| base), &**role == "wan");
        }
    }
    for name in present {
        add(&name, false);
    }
    Ok(ports)
}

/// The netdevs that are Ethernet hardware.
fn present(view: &View<'_>) -> Result<Vec<String>, Stop> {
    let names = view.tree("dir:/sys/class/net")?.map_or(&[][..], Tree::items);
    let mut found = Vec::new();
    let mut wait = false;
    for name in names.iter().filter_map(Tree::as_str) {
        // All three are asked for before waiting, so that one round fetches them.
        let folder = view.tree(&format!("dir:/sys/class/net/{name}"));
        let kind = view.tree(&format!("file:/sys/class/net/{name}/type"));
        let event = view.tree(&format!("file:/sys/class/net/{name}/uevent"));
        if [&folder, &kind, &event].into_iter().any(|source| *source == Err(Stop::Wait)) {
            wait = true;
            continue;
        }
        let entries = folder?.map_or(&[][..], Tree::items);
        let has = |entry: &str| entries.iter().any(|found| found.as_str() == Some(entry));
        let event = event?.and_then(Tree::as_str).unwrap_or_default();
        let radio = event.lines().any(|line| matches!(line, "DEVTYPE=wlan" | "DEVTYPE=wwan"));
        let ether = kind?.and_then(Tree::as_str) == Some("1");
        if has("device") && ether && !radio && !has("phy80211") && !has("wireless") && !has("dsa") {
            found.push(name.to_string());
        }
    }
    if wait { Err(Stop::Wait) } else { Ok(found) }
}
