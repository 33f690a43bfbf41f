//! Device.Hosts.: who is attached, joined by MAC address from neighbours, leases, Wi-Fi clients and the bridges'
//! forwarding tables.
//!
//! Only the router's own networks count: neighbours upstream are no hosts.

use super::zones::{words, zones};
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, View};
use crate::sorted::{Map, Set};
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Most hosts that are listed.
const MAX_HOSTS: usize = 2048;

/// What is known of one host.
#[derive(Default)]
struct Host {
    four: Vec<Ipv4Addr>,
    six: Vec<Ipv6Addr>,
    /// Addresses that it was leased, used where no neighbour tells.
    leased: Vec<IpAddr>,
    names: Vec<String>,
    /// The device of the network where it was seen.
    device: Option<String>,
    /// A neighbour entry that the kernel has confirmed lately.
    fresh: bool,
    /// One that it has not.
    stale: bool,
}

/// One of the router's own networks.
struct Network<'s> {
    name: &'s str,
    device: &'s str,
    addresses: Vec<(Ipv4Addr, u32)>,
}

/// Every host by its MAC address in lower case.
pub fn hosts(view: &View<'_>) -> Result<Tree, Stop> {
    let networks = networks(view)?;
    let mut hosts: Map<String, Host> = Map::new();
    neighbours(view, &networks, &mut hosts)?;
    leases(view, &mut hosts)?;
    leases6(view, &mut hosts)?;
    let stations = stations(view)?;
    for mac in stations.keys() {
        hosts.entry(mac.clone()).or_default();
    }
    names(view, &mut hosts)?;
    let ports = ports(view)?;
    let mut rows = Vec::new();
    for (mac, host) in hosts.into_iter().take(MAX_HOSTS) {
        let station = stations.get(&mac);
        let port = ports.get(&mac).map(String::as_str);
        let row = row(view, &mac, host, (&networks, station, port))?;
        rows.push((mac, row));
    }
    Ok(Tree::map(rows))
}

fn row(
    view: &View<'_>,
    mac: &str,
    host: Host,
    (networks, station, port): (&[Network<'_>], Option<&String>, Option<&str>),
) -> Result<Tree, Stop> {
    let mut four = host.four;
    let mut six = host.six;
    for address in host.leased {
        match address {
            IpAddr::V4(address) if four.is_empty() => four.push(address),
            IpAddr::V6(address) if !six.contains(&address) && !host.fresh && !host.stale => six.push(address),
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
    }
    // Addresses of the link alone come last: nobody reaches the host by them from elsewhere.
    six.sort_by_key(|address| address.segments()[0] & 0xffc0 == 0xfe80);
    let by_device = |device: &str| networks.iter().find(|network| network.device == device);
    let by_address = || {
        let address = *four.first()?;
        networks
            .iter()
            .find(|network| network.addresses.iter().any(|(own, length)| same(*own, address, *length)))
    };
    let network = host.device.as_deref().and_then(by_device).or_else(by_address);
    let bridged = host.device.as_deref().map_or(Ok(false), |device| is_bridged(view, device))?;
    // A bridge forgets who was silent for its ageing time, so a stale neighbour that it still knows is there.
    let active = match station {
        Some(_) => true,
        None => host.fresh || port.is_some() || (host.stale && !bridged),
    };
    let wired = port.or_else(|| host.device.as_deref().filter(|_| !bridged && station.is_none()));
    let (kind, layer1) = match (station, wired) {
        (Some(radio), _) => ("Wi-Fi", format!("Device.WiFi.Radio {radio}")),
        (None, Some(port)) => ("Ethernet", format!("Device.Ethernet.Interface {}", lower(view, port)?)),
        (None, None) => ("Other", String::new()),
    };
    let address = four.first().map(ToString::to_string).or_else(|| six.first().map(ToString::to_string));
    let list = |items: Vec<String>| Tree::List(items.into_iter().map(Tree::from).collect());
    Ok(Tree::map([
        ("mac", Tree::from(mac)),
        ("address", Tree::from(address.unwrap_or_default())),
        ("name", Tree::from(host.names.into_iter().next().unwrap_or_default())),
        ("active", Tree::from(if active { "true" } else { "false" })),
        ("kind", Tree::from(kind)),
        ("port", Tree::from(layer1)),
        ("network", Tree::from(network.map_or("", |network| network.name))),
        ("station", Tree::from(if station.is_some() { mac } else { "" })),
        ("four", list(four.iter().map(ToString::to_string).collect())),
        ("six", list(six.iter().map(ToString::to_string).collect())),
    ]))
}

/// The interfaces that are up, are not the loopback and lead nowhere further.
fn networks<'s>(view: &View<'s>) -> Result<Vec<Network<'s>>, Stop> {
    let dump = view.tree("ubus:network.interface dump")?.and_then(|dump| dump.get("interface"));
    let zones = zones(view)?;
    let upstream: Set<&str> = zones
        .iter()
        .filter(|zone| zone.masquerades())
        .flat_map(|zone| zone.networks.iter().copied())
        .collect();
    let mut out = Vec::new();
    for interface in dump.map_or(&[][..], Tree::items) {
        let (Some(name), Some(device)) = (interface.str("interface"), interface.str("l3_device")) else {
            continue;
        };
        let default = |route: &Tree| {
            matches!(route.str("target"), Some("0.0.0.0" | "::")) && route.str("mask") == Some("0")
        };
        let leads_on = interface.get("route").map_or(&[][..], Tree::items).iter().any(default);
        if device == "lo" || upstream.contains(name) || leads_on {
            continue;
        }
        let own = interface.get("ipv4-address").map_or(&[][..], Tree::items);
        let addresses = own
            .iter()
            .filter_map(|own| Some((own.str("address")?.parse().ok()?, own.str("mask")?.parse().ok()?)));
        out.push(Network { name, device, addresses: addresses.collect() });
    }
    Ok(out)
}

/// Whether two addresses lie in one network.
fn same(a: Ipv4Addr, b: Ipv4Addr, length: u32) -> bool {
    let mask = u32::MAX.checked_shl(32u32.saturating_sub(length)).unwrap_or(0);
    u32::from(a) & mask == u32::from(b) & mask
}

fn neighbours(view: &View<'_>, networks: &[Network<'_>], hosts: &mut Map<String, Host>) -> Result<(), Stop> {
    for entry in view.tree("nl:neighbour")?.map_or(&[][..], Tree::items) {
        let (Some(mac), Some(device), Some(address)) =
            (entry.str("lladdr"), entry.str("dev"), entry.str("dst"))
        else {
            continue;
        };
        let states = words(entry.get("state"));
        let has = |wanted: &[&str]| states.iter().any(|state| wanted.contains(state));
        let known = networks.iter().any(|network| network.device == device);
        if !known || !has(&["REACHABLE", "STALE", "DELAY", "PROBE"]) || is_group(mac) {
            continue;
        }
        let host = hosts.entry(mac.to_ascii_lowercase()).or_default();
        host.fresh |= has(&["REACHABLE", "DELAY", "PROBE"]);
        host.stale |= has(&["STALE"]);
        match address.parse() {
            Ok(IpAddr::V4(address)) => {
                host.four.push(address);
                host.device = Some(device.to_string());
            }
            Ok(IpAddr::V6(address)) => {
                host.six.push(address);
                host.device.get_or_insert_with(|| device.to_string());
            }
            Err(_) => {}
        }
    }
    Ok(())
}

/// Whether an address is of many.
fn is_group(mac: &str) -> bool {
    mac.get(..2).and_then(|first| u8::from_str_radix(first, 16).ok()).is_none_or(|first| first & 1 == 1)
}

/// dnsmasq's leases: `until MAC address name id`; until 0 is for ever.
fn leases(view: &View<'_>, hosts: &mut Map<String, Host>) -> Result<(), Stop> {
    let section = view.sections("uci:dhcp", "dnsmasq")?;
    let file =
        section.first().and_then(|(_, section)| section.str("leasefile")).unwrap_or("/tmp/dhcp.leases");
    let text = view.tree(&format!("file:{file}"))?.and_then(Tree::as_str).unwrap_or_default();
    let now = view.snapshot.now.wall.map(|wall| wall.seconds);
    for line in text.lines() {
        let mut parts = line.split_whitespace();
        let (Some(until), Some(mac), Some(address), Some(name)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let until: i64 = until.parse().unwrap_or(0);
        let mac = mac.to_ascii_lowercase();
        let over = until != 0 && now.is_some_and(|now| until < now);
        // A lease that is over makes no host, and still tells the name of one that is there.
        if over && !hosts.contains_key(&mac) || mac.len() != 17 {
            continue;
        }
        let host = hosts.entry(mac).or_default();
        if name != "*" {
            host.names.push(name.to_string());
        }
        if !over {
            host.leased.extend(address.parse::<IpAddr>());
        }
    }
    Ok(())
}

/// odhcpd's leases: the MAC address is in the client's identifier, where that is made from one.
fn leases6(view: &View<'_>, hosts: &mut Map<String, Host>) -> Result<(), Stop> {
    let devices = view.tree("ubus:dhcp ipv6leases")?.and_then(|reply| reply.get("device"));
    let leases = devices
        .map_or(&[][..], Tree::entries)
        .iter()
        .flat_map(|(_, device)| device.get("leases").map_or(&[][..], Tree::items).iter());
    for lease in leases {
        let Some(mac) = lease.str("duid").and_then(duid_mac) else { continue };
        let host = hosts.entry(mac).or_default();
        host.names.extend(lease.str("hostname").filter(|name| !name.is_empty()).map(str::to_string));
        let own = lease.get("ipv6-addr").map_or(&[][..], Tree::items).iter();
        host.leased.extend(own.filter_map(|own| own.str("address")?.parse::<IpAddr>().ok()));
    }
    Ok(())
}

/// The MAC address in a DUID of type 1 (with time) or 3 (without) over Ethernet.
fn duid_mac(duid: &str) -> Option<String> {
    let digits = match duid.get(..8)? {
        "00010001" => duid.get(16..)?,
        "00030001" => duid.get(8..)?,
        _ => return None,
    };
    if digits.len() != 12 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let bytes: Vec<&str> = (0..6).filter_map(|at| digits.get(at * 2..at * 2 + 2)).collect();
    Some(bytes.join(":").to_ascii_lowercase())
}

/// The radio's section of every client of an access point, by its MAC address.
fn stations(view: &View<'_>) -> Result<Map<String, String>, Stop> {
    let mut out = Map::new();
    let mut wait = false;
    let radios = view.tree("ubus:network.wireless status")?.map_or(&[][..], Tree::entries);
    for (radio, status) in radios {
        for interface in status.get("interfaces").map_or(&[][..], Tree::items) {
            let Some(device) = interface.str("ifname") else { continue };
            let clients = match view.tree(&format!("ubus:hostapd.{device} get_clients")) {
                Ok(reply) => reply.and_then(|reply| reply.get("clients")),
                Err(Stop::Wait) => {
                    wait = true;
                    continue;
                }
                Err(other) => return Err(other),
            };
            for (mac, client) in clients.map_or(&[][..], Tree::entries) {
                if client.str("assoc") == Some("true") {
                    out.insert(mac.to_ascii_lowercase(), radio.to_string());
                }
            }
        }
    }
    if wait { Err(Stop::Wait) } else { Ok(out) }
}

/// Names from static leases, then from `/etc/ethers` by way of `/etc/hosts`.
fn names(view: &View<'_>, hosts: &mut Map<String, Host>) -> Result<(), Stop> {
    for (_, section) in view.sections("uci:dhcp", "host")? {
        let Some(name) = section.str("name") else { continue };
        for mac in words(section.get("mac")) {
            if let Some(host) = hosts.get_mut(&mac.to_ascii_lowercase()) {
                host.names.push(name.to_string());
            }
        }
    }
    let file = |file: &str| view.tree(file).map(|tree| tree.and_then(Tree::as_str).unwrap_or_default());
    let (ethers, known) = (file("file:/etc/ethers")?, file("file:/etc/hosts")?);
    let named = |address: &str| {
        let mut lines =
            known.lines().map(|line| line.split('#').next().unwrap_or_default().split_whitespace());
        lines.find_map(|mut words| (words.next() == Some(address)).then(|| words.next()).flatten())
    };
    for line in ethers.lines().map(|line| line.split('#').next().unwrap_or_default()) {
        let mut parts = line.split_whitespace();
        let (Some(mac), Some(what)) = (parts.next(), parts.next()) else { continue };
        let Some(host) = hosts.get_mut(&mac.to_ascii_lowercase()) else { continue };
        match what.parse::<IpAddr>() {
            Ok(_) => host.names.extend(named(what).map(str::to_string)),
            Err(_) => host.names.push(what.to_string()),
        }
    }
    for host in hosts.values_mut().filter(|host| host.names.is_empty()) {
        let name = host.four.first().and_then(|address| named(&address.to_string()));
        host.names.extend(name.map(str::to_string));
    }
    Ok(())
}

/// The bridge port behind which each MAC address was learnt.
fn ports(view: &View<'_>) -> Result<Map<String, String>, Stop> {
    let mut out = Map::new();
    for entry in view.tree("nl:fdb")?.map_or(&[][..], Tree::items) {
        let (Some(mac), Some(port)) = (entry.str("mac"), entry.str("ifname")) else { continue };
        if entry.str("state") != Some("permanent") && entry.get("master").is_some() {
            out.insert(mac.to_ascii_lowercase(), port.to_string());
        }
    }
    Ok(out)
}

/// Whether a device is a bridge or lies upon one.
fn is_bridged(view: &View<'_>, device: &str) -> Result<bool, Stop> {
    let links = view.tree("nl:link")?.map_or(&[][..], Tree::items);
    let find = |name: &str| links.iter().find(|link| link.str("ifname") == Some(name));
    let is_bridge =
        |link: &Tree| link.get("linkinfo").and_then(|info| info.str("info_kind")) == Some("bridge");
    let Some(link) = find(device) else { return Ok(false) };
    Ok(is_bridge(link) || link.str("link").and_then(find).is_some_and(is_bridge))
}

/// The port that a device is, or lies upon as a VLAN.
fn lower(view: &View<'_>, device: &str) -> Result<String, Stop> {
    if view.path_of("Device.Ethernet.Interface", device)?.is_some() {
        return Ok(device.to_string());
    }
    let links = view.tree("nl:link")?.map_or(&[][..], Tree::items);
    let link = links.iter().find(|link| link.str("ifname") == Some(device));
    Ok(link.and_then(|link| link.str("link")).unwrap_or(device).to_string())
}

/// `DHCPClient`: the rows of its leases of both families.
pub fn dhcp_client<'s>(at: &At<'_, 's>) -> Value<'s> {
    let mac = at.field("mac").unwrap_or_default();
    let mut paths = Vec::new();
    for table in ["Device.DHCPv4.Server.Pool.{i}.Client", "Device.DHCPv6.Server.Pool.{i}.Client"] {
        paths.extend(at.view.path_of(table, mac)?);
    }
    Ok(Some(Cow::Owned(paths.join(","))))
}
