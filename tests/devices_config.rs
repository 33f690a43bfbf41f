//! The recorded routers run what their configuration says: UCI against netifd, the kernel, dnsmasq and hostapd.
//!
//! Read with the project's own UCI reader. Which parameters come of it is not tested here.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use common::recording::{each, is_set, list, same_network, str, v4_networks, words};
use cpeagent::openwrt::uci;

#[test]
fn every_package_parses_and_is_laid_out_as_a_commit_leaves_it() {
    each(|device| {
        for package in device.entries("etc/config") {
            let text = device.text(&format!("etc/config/{package}"));
            let file = uci::parse(text.as_bytes(), uci::Mode::Strict);
            let file = file.unwrap_or_else(|why| panic!("{}: {package}: {why}", device.name));
            let exported = String::from_utf8(file.package.export()).unwrap();
            assert!(exported == text, "{}: {package} would be written otherwise", device.name);
        }
    });
}

#[test]
fn netifd_reports_the_configured_interfaces_their_dynamic_children_and_no_others() {
    each(|device| {
        let mut configured: BTreeMap<String, Option<String>> = BTreeMap::new();
        for (name, section) in device.sections("network", "interface") {
            if !is_set(&section, "disabled") {
                configured.insert(name, section.str("proto").map(str::to_owned));
            }
        }
        let dump = device.ubus("network.interface.dump");
        let mut reported = BTreeSet::new();
        for it in list(&dump, "interface") {
            let name = str(it, "interface");
            if it["dynamic"] == true {
                let parent = name.rsplit_once('_').map(|(parent, _)| parent).unwrap();
                assert!(configured.contains_key(parent), "{}: {name} has no parent", device.name);
                continue;
            }
            let proto =
                configured.get(&name).unwrap_or_else(|| panic!("{}: {name} is not configured", device.name));
            assert_eq!(proto.as_deref(), it["proto"].as_str(), "{}: {name}", device.name);
            reported.insert(name);
        }
        assert_eq!(reported, configured.into_keys().collect(), "{}", device.name);
    });
}

#[test]
fn static_addresses_are_live_in_the_order_of_the_file() {
    each(|device| {
        let live: BTreeMap<String, Vec<String>> = device
            .up()
            .iter()
            .map(|it| {
                let own = list(it, "ipv4-address").iter().chain(list(it, "ipv6-address"));
                let own = own.map(|it| format!("{}/{}", str(it, "address"), it["mask"]));
                (str(it, "interface"), own.collect())
            })
            .collect();
        for (name, section) in device.sections("network", "interface") {
            if section.str("proto") != Some("static") {
                continue;
            }
            let mask =
                section.str("netmask").map(|mask| u32::from(mask.parse::<Ipv4Addr>().unwrap()).count_ones());
            let mut wanted = words(&section, "ipaddr");
            for address in wanted.iter_mut().filter(|it| !it.contains('/')) {
                *address = format!("{address}/{}", mask.unwrap());
            }
            wanted.extend(words(&section, "ip6addr"));
            assert_eq!(live[&name], wanted, "{}: {name}", device.name);
        }
    });
}

#[test]
fn bridges_hold_their_ports_and_the_wifi_of_their_networks() {
    each(|device| {
        let links = device.links();
        let mut bridge_of = BTreeMap::new();
        for (name, section) in device.sections("network", "interface") {
            if let Some(netdev) = section.str("device") {
                bridge_of.insert(name, netdev.split('.').next().unwrap().to_owned());
            }
        }
        let mut wanted = BTreeSet::new();
        for (_, section) in device.sections("network", "device") {
            if section.str("type") == Some("bridge") {
                let bridge = section.str("name").unwrap();
                wanted.extend(words(&section, "ports").into_iter().map(|port| (port, bridge.to_owned())));
            }
        }
        let wireless: BTreeMap<String, _> = device.sections("wireless", "wifi-iface").into_iter().collect();
        for (netdev, section) in device.access_points() {
            for network in words(&wireless[&section], "network") {
                wanted.insert((netdev.clone(), bridge_of[&network].clone()));
            }
        }
        let live =
            links.iter().filter_map(|(name, it)| Some((name.clone(), it["master"].as_str()?.to_owned())));
        assert_eq!(live.collect::<BTreeSet<_>>(), wanted, "{}", device.name);
        for (name, section) in device.sections("network", "bridge-vlan") {
            for port in words(&section, "ports") {
                let port = port.split(':').next().unwrap();
                let master = links[port]["master"].as_str();
                assert_eq!(master, section.str("device"), "{}: {name}: {port}", device.name);
            }
        }
    });
}

#[test]
fn radios_and_their_interfaces_are_those_of_the_wireless_file() {
    each(|device| {
        let radios = device.sections("wireless", "wifi-device");
        assert_eq!(
            device.path("ubus/network.wireless.status.json").exists(),
            !radios.is_empty(),
            "{}",
            device.name
        );
        if radios.is_empty() {
            return;
        }
        let status = device.ubus("network.wireless.status");
        let names: BTreeSet<String> = status.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, radios.iter().map(|(name, _)| name.clone()).collect(), "{}", device.name);
        for (name, section) in &radios {
            let context = format!("{}: {name}", device.name);
            let radio = &status[name];
            assert_eq!(radio["disabled"] == true, is_set(section, "disabled"), "{context}");
            let idle = is_set(section, "disabled") || radio["pending"] == true;
            assert_eq!(radio["up"] == true, !idle, "{context}");
            for option in ["path", "band", "htmode", "channel"] {
                assert_eq!(radio["config"][option].as_str(), section.str(option), "{context}: {option}");
            }
            let phy = str(&device.ubus(&format!("iwinfo.phyname.section={name}")), "phyname");
            assert_eq!(device.line(&format!("sys/class/ieee80211/{phy}/name")), phy, "{context}");
            let board = device.json("etc/board.json");
            assert_eq!(board["wlan"][&phy]["path"].as_str(), section.str("path"), "{context}");
            let reported: Vec<String> =
                list(radio, "interfaces").iter().map(|it| str(it, "section")).collect();
            let wanted = device.sections("wireless", "wifi-iface").into_iter();
            let wanted = wanted.filter(|(_, it)| it.str("device") == Some(name) && !is_set(it, "disabled"));
            assert_eq!(reported, wanted.map(|(section, _)| section).collect::<Vec<_>>(), "{context}");
            for it in list(radio, "interfaces").iter().filter_map(|it| it["ifname"].as_str()) {
                let own = device.line(&format!("sys/class/net/{it}/phy80211/name"));
                assert_eq!(own, phy, "{context}: {it}");
                // A client interface is none of hostapd's.
                let info = device.ubus(&format!("iwinfo.info.device={it}"));
                let client = info["mode"] == "Client";
                let status = || device.ubus(&format!("hostapd.{it}.get_status"));
                let channel =
                    if client { info["channel"].to_string() } else { status()["channel"].to_string() };
                let wanted = section.str("channel").unwrap();
                assert!(wanted == "auto" || wanted == channel, "{context}: {it} is on {channel}");
            }
        }
    });
}

#[test]
fn enabled_ipv4_routes_are_in_the_kernel_and_disabled_ones_are_not() {
    each(|device| {
        let live: BTreeSet<(String, String, u64)> = device
            .rows("netlink/route.json")
            .iter()
            .map(|it| (str(it, "dst"), str(it, "table"), it["metric"].as_u64().unwrap_or(0)))
            .collect();
        for (name, section) in device.sections("network", "route") {
            let mut target = section.str("target").unwrap().to_owned();
            if let Some(mask) = section.str("netmask") {
                target = format!("{target}/{}", u32::from(mask.parse::<Ipv4Addr>().unwrap()).count_ones());
            }
            if target == "0.0.0.0/0" {
                target = "default".to_owned();
            }
            let table = section.str("table").unwrap_or("main").to_owned();
            let metric = section.str("metric").map_or(0, |it| it.parse().unwrap());
            let found = live.contains(&(target, table, metric));
            assert_eq!(found, !is_set(&section, "disabled"), "{}: {name}", device.name);
        }
    });
}

#[test]
fn pools_zones_hosts_and_redirects_name_networks_that_exist() {
    each(|device| {
        let networks: BTreeSet<String> =
            device.sections("network", "interface").into_iter().map(|(name, _)| name).collect();
        for (name, pool) in device.sections("dhcp", "dhcp") {
            assert!(networks.contains(pool.str("interface").unwrap()), "{}: pool {name}", device.name);
        }
        let mut zones = BTreeSet::new();
        for (_, zone) in device.sections("firewall", "zone") {
            for network in words(&zone, "network") {
                // A name without a section is legal: wan6 in the stock file of a PPPoE router.
                assert!(
                    networks.contains(&network) || network == "wan6",
                    "{}: zone of {network}",
                    device.name
                );
            }
            zones.insert(zone.str("name").unwrap().to_owned());
        }
        for kind in ["rule", "redirect", "forwarding"] {
            for (name, section) in device.sections("firewall", kind) {
                for zone in ["src", "dest"].into_iter().filter_map(|end| section.str(end)) {
                    assert!(zone == "*" || zones.contains(zone), "{}: {kind} {name}: {zone}", device.name);
                }
            }
        }
        let own = v4_networks(device);
        let near = |address: &str| {
            let address: Ipv4Addr = address.parse().unwrap();
            own.iter().any(|(net, bits)| same_network(*net, address, *bits))
        };
        let hosts =
            device.sections("dhcp", "host").into_iter().filter_map(|(_, it)| Some(it.str("ip")?.to_owned()));
        for address in hosts.filter(|address| address != "ignore") {
            assert!(near(&address), "{}: host {address}", device.name);
        }
        for (name, redirect) in device.sections("firewall", "redirect") {
            let target = redirect.str("dest_ip");
            assert!(target.is_none_or(near), "{}: redirect {name}", device.name);
        }
    });
}

#[test]
fn static_leases_with_a_lease_have_the_address_of_their_section() {
    each(|device| {
        let leases: BTreeMap<String, String> = device
            .text("tmp/dhcp.leases")
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>())
            .map(|fields| (fields[1].to_owned(), fields[2].to_owned()))
            .collect();
        for (name, host) in device.sections("dhcp", "host") {
            for mac in words(&host, "mac") {
                let lease = leases.get(&mac.to_lowercase());
                let kept = lease.is_none_or(|lease| Some(lease.as_str()) == host.str("ip"));
                assert!(kept, "{}: {name}: {lease:?}", device.name);
            }
        }
    });
}
