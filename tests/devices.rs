//! The recorded routers hold together: every source of one device tells the same story.
//!
//! A mapping test against a contradictory recording proves nothing, so each rule here runs over every folder of
//! `tests/devices`. What the configuration says is held against it in `devices_config.rs`; how a source is turned into
//! parameters is not tested here.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use common::device::{device, devices, listed, names};
use common::recording::{each, files, list, same_network, str, v4_networks};
use serde_json::Value;

#[test]
fn every_json_file_parses() {
    each(|device| {
        for path in files(&device.root) {
            if path.extension().is_some_and(|it| it == "json") {
                let text = fs::read_to_string(&path).unwrap();
                let parsed = serde_json::from_str::<Value>(&text);
                assert!(parsed.is_ok(), "{}: {}: {parsed:?}", device.name, path.display());
            }
        }
    });
}

#[test]
fn recorded_calls_name_an_object_a_method_and_their_arguments_in_order() {
    each(|device| {
        for file in device.entries("ubus") {
            let call = file.strip_suffix(".json").unwrap_or_else(|| panic!("{}: {file}", device.name));
            let head = call.split('=').next().unwrap();
            assert!(head.contains('.'), "{}: {file} names no method", device.name);
            let keys: Vec<&str> =
                call.split('.').filter_map(|part| part.split_once('=')).map(|(key, _)| key).collect();
            assert!(keys.is_sorted(), "{}: {file}", device.name);
        }
    });
}

#[test]
fn the_same_device_speaks_in_board_release_and_host_name() {
    each(|device| {
        let board = device.ubus("system.board");
        assert_eq!(str(&board, "model"), device.line("tmp/sysinfo/model"), "{}", device.name);
        assert_eq!(str(&board, "board_name"), device.line("tmp/sysinfo/board_name"), "{}", device.name);
        assert_eq!(str(&device.json("etc/board.json")["model"], "id"), str(&board, "board_name"));
        assert_eq!(str(&board, "hostname"), device.line("proc/sys/kernel/hostname"), "{}", device.name);
        let hostname = format!("option hostname '{}'", str(&board, "hostname"));
        assert!(device.text("etc/config/system").contains(&hostname), "{}", device.name);
        let release = device.text("etc/openwrt_release");
        for (key, field) in [
            ("RELEASE", "version"),
            ("REVISION", "revision"),
            ("TARGET", "target"),
            ("DESCRIPTION", "description"),
        ] {
            let line = format!("DISTRIB_{key}='{}'", str(&board["release"], field));
            assert!(release.contains(&line), "{}: {line}", device.name);
        }
        assert!(device.text("proc/version").contains(&format!("version {} ", str(&board, "kernel"))));
        let cpus = device.text("proc/stat").lines().filter(|line| line.starts_with("cpu")).count() - 1;
        let online = if cpus == 1 { "0".to_owned() } else { format!("0-{}", cpus - 1) };
        assert_eq!(device.line("sys/devices/system/cpu/online"), online, "{}", device.name);
    });
}

#[test]
fn clock_uptime_and_memory_agree_between_proc_and_system_info() {
    each(|device| {
        let info = device.ubus("system.info");
        assert_eq!(info["uptime"], device.uptime(), "{}", device.name);
        let zone = info["localtime"].as_i64().unwrap() - device.now();
        assert!(zone % 900 == 0 && zone.abs() <= 14 * 3600, "{}: zone offset {zone}", device.name);
        let meminfo = device.text("proc/meminfo");
        for (line, field) in [("MemTotal:", "total"), ("MemFree:", "free"), ("MemAvailable:", "available")] {
            let kib = meminfo.lines().find_map(|it| it.strip_prefix(line)).unwrap().replace("kB", "");
            assert_eq!(
                info["memory"][field],
                kib.trim().parse::<u64>().unwrap() * 1024,
                "{}: {line}",
                device.name
            );
        }
        for it in device.up() {
            assert!(
                it["uptime"].as_i64().unwrap() <= device.uptime(),
                "{}: {}",
                device.name,
                it["interface"]
            );
        }
    });
}

#[test]
fn links_are_the_same_in_sysfs_netlink_and_netifd() {
    each(|device| {
        let links = device.links();
        let known: BTreeSet<String> = links.keys().cloned().collect();
        assert_eq!(device.entries("sys/class/net"), known, "{}", device.name);
        assert_eq!(
            known.len(),
            links.values().map(|it| it["ifindex"].as_u64()).collect::<BTreeSet<_>>().len()
        );
        for (name, link) in &links {
            let sys = |file: &str| device.line(&format!("sys/class/net/{name}/{file}"));
            let context = format!("{}: {name}", device.name);
            assert_eq!(sys("address"), link["address"].as_str().unwrap_or(""), "{context}");
            assert_eq!(sys("mtu"), link["mtu"].to_string(), "{context}");
            assert_eq!(sys("ifindex"), link["ifindex"].to_string(), "{context}");
            assert_eq!(sys("operstate").to_uppercase(), str(link, "operstate"), "{context}");
            assert!(
                sys("uevent").contains(&format!("INTERFACE={name}\nIFINDEX={}", link["ifindex"])),
                "{context}"
            );
            let flags: BTreeSet<&str> = list(link, "flags").iter().filter_map(Value::as_str).collect();
            if flags.contains("UP") {
                assert_eq!(sys("carrier") == "1", flags.contains("LOWER_UP"), "{context}");
            }
            for (side, counters) in link["stats64"].as_object().unwrap() {
                for counter in ["bytes", "packets", "errors", "dropped"] {
                    assert_eq!(
                        counters[counter].to_string(),
                        sys(&format!("statistics/{side}_{counter}")),
                        "{context}"
                    );
                }
            }
            let port = device.path(&format!("sys/class/net/{name}/brport")).exists();
            assert_eq!(port, link["master"].is_string(), "{context}");
            for upper in [&link["master"], &link["link"]].into_iter().filter_map(Value::as_str) {
                assert!(links.contains_key(upper), "{context}: {upper} is missing");
            }
        }
        for (name, status) in device.ubus("network.device.status").as_object().unwrap() {
            let context = format!("{}: {name}", device.name);
            let link = links.get(name).unwrap_or_else(|| panic!("{context}: no such link"));
            assert_eq!(status["mtu"], link["mtu"], "{context}");
            assert_eq!(status["macaddr"], link["address"], "{context}");
            for counter in device.entries(&format!("sys/class/net/{name}/statistics")) {
                let sys = device.line(&format!("sys/class/net/{name}/statistics/{counter}"));
                assert_eq!(status["statistics"][&counter].to_string(), sys, "{context}: {counter}");
            }
            let members: BTreeSet<&str> =
                list(status, "bridge-members").iter().filter_map(Value::as_str).collect();
            let enslaved: BTreeSet<&str> = links
                .iter()
                .filter(|(_, it)| it["master"] == **name)
                .map(|(name, _)| name.as_str())
                .collect();
            assert_eq!(members, enslaved, "{context}");
        }
    });
}

#[test]
fn netlink_addresses_are_those_netifd_reports() {
    each(|device| {
        let mut reported = BTreeSet::new();
        for it in device.up() {
            let netdev = str(&it, "l3_device");
            let own = list(&it, "ipv4-address").iter().chain(list(&it, "ipv6-address"));
            let assigned = list(&it, "ipv6-prefix-assignment").iter().map(|it| &it["local-address"]);
            for address in own.chain(assigned).filter(|it| it.is_object()) {
                reported.insert((netdev.clone(), str(address, "address"), address["mask"].as_u64().unwrap()));
            }
        }
        let mut live = BTreeSet::new();
        for link in device.rows("netlink/address.json") {
            let netdev = str(&link, "ifname");
            for address in list(&link, "addr_info") {
                let bits = address["prefixlen"].as_u64().unwrap();
                live.insert((netdev.clone(), str(address, "local"), bits));
            }
        }
        // The kernel makes link-local addresses and ::1 by itself; netifd reports those of PPP only.
        let own = |address: &str| address.starts_with("fe80:") || address == "::1";
        let missing: Vec<_> = reported.difference(&live).collect();
        assert!(missing.is_empty(), "{}: not live: {missing:?}", device.name);
        let unknown: Vec<_> = live.difference(&reported).filter(|(_, address, _)| !own(address)).collect();
        assert!(unknown.is_empty(), "{}: not reported: {unknown:?}", device.name);
    });
}

#[test]
fn single_status_calls_answer_as_the_dump_does() {
    each(|device| {
        let dump = device.ubus("network.interface.dump");
        for it in list(&dump, "interface") {
            let mut alone = it.clone();
            alone.as_object_mut().unwrap().remove("interface");
            let name = str(it, "interface");
            assert_eq!(device.ubus(&format!("network.interface.{name}.status")), alone, "{}", device.name);
        }
    });
}

#[test]
fn routes_and_neighbours_use_links_and_networks_that_exist() {
    each(|device| {
        let links = device.links();
        for route in device.rows("netlink/route.json") {
            if let Some(netdev) = route["dev"].as_str() {
                assert!(links.contains_key(netdev), "{}: {route}", device.name);
            }
        }
        let routes = device.rows("netlink/route.json");
        for it in device.up() {
            for route in list(&it, "route").iter().filter(|it| it["mask"] == 0) {
                let found = routes.iter().any(|live| {
                    live["dst"] == "default"
                        && live["gateway"] == route["nexthop"]
                        && live["dev"] == it["l3_device"]
                });
                let point_to_point = links[&str(&it, "l3_device")]["link_type"] == "ppp";
                assert!(found || point_to_point, "{}: {route} is not live", device.name);
            }
        }
        let networks = v4_networks(device);
        for entry in device.rows("netlink/neighbour.json") {
            assert!(links.contains_key(&str(&entry, "dev")), "{}: {entry}", device.name);
            let address = str(&entry, "dst");
            if let Ok(address) = address.parse::<Ipv4Addr>() {
                let near = networks.iter().any(|(net, bits)| same_network(*net, address, *bits));
                assert!(near, "{}: {entry}", device.name);
            } else {
                assert!(address.parse::<Ipv6Addr>().is_ok(), "{}: {entry}", device.name);
            }
            let failed = entry["state"] == serde_json::json!(["FAILED"]);
            assert_eq!(entry["lladdr"].is_null(), failed, "{}: {entry}", device.name);
        }
    });
}

#[test]
fn leases_lie_in_a_network_of_ours_and_agree_with_the_neighbours() {
    each(|device| {
        let networks = v4_networks(device);
        let mut neighbours = BTreeMap::new();
        for entry in device.rows("netlink/neighbour.json").iter().filter(|it| it["lladdr"].is_string()) {
            neighbours.insert(str(entry, "dst"), str(entry, "lladdr"));
        }
        for lease in device.text("tmp/dhcp.leases").lines() {
            let fields: Vec<&str> = lease.split(' ').collect();
            let [expiry, mac, address, _name, _client] = fields[..] else {
                panic!("{}: {lease}", device.name)
            };
            let parsed: Ipv4Addr = address.parse().unwrap();
            let near = networks.iter().any(|(net, bits)| same_network(*net, parsed, *bits));
            assert!(near, "{}: {lease}", device.name);
            let left = expiry.parse::<i64>().unwrap() - device.now();
            assert!(expiry == "0" || left <= 31 * 24 * 3600, "{}: {lease}", device.name);
            assert!(neighbours.get(address).is_none_or(|live| live == mac), "{}: {lease}", device.name);
        }
    });
}

#[test]
fn dhcpv6_leases_are_the_same_in_the_reply_and_in_the_file_of_odhcpd() {
    each(|device| {
        let odhcpd = device.ubus("service.list")["odhcpd"].is_object();
        assert_eq!(device.path("ubus/dhcp.ipv6leases.json").exists(), odhcpd, "{}", device.name);
        if !odhcpd {
            return;
        }
        let newer = device.path("tmp/odhcpd.leases").exists();
        let file = if newer { "tmp/odhcpd.leases" } else { "tmp/hosts/odhcpd" };
        let kept: BTreeSet<(String, String)> = device
            .text(file)
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .map(|line| line.split(' ').collect::<Vec<_>>())
            .map(|fields| (fields[1].to_owned(), fields[4].to_owned()))
            .collect();
        let links = device.links();
        let mut replied = BTreeSet::new();
        for (netdev, leases) in device.ubus("dhcp.ipv6leases")["device"].as_object().unwrap() {
            assert!(links.contains_key(netdev), "{}: {netdev}", device.name);
            for lease in list(leases, "leases") {
                let expiry = device.now() + lease["valid"].as_i64().unwrap();
                replied.insert((str(lease, "duid"), expiry.to_string()));
            }
        }
        assert_eq!(replied, kept, "{}", device.name);
    });
}

#[test]
fn forwarding_table_stations_and_neighbours_show_the_same_clients() {
    each(|device| {
        let links = device.links();
        let fdb = device.rows("netlink/fdb.json");
        for entry in &fdb {
            let link = links.get(&str(entry, "ifname")).unwrap_or_else(|| panic!("{}: {entry}", device.name));
            if let Some(master) = entry["master"].as_str() {
                let own = entry["ifname"] == master;
                assert!(own || link["master"] == master, "{}: {entry}", device.name);
            }
        }
        let learnt = |netdev: &str| -> BTreeSet<String> {
            let on = fdb.iter().filter(|it| it["ifname"] == netdev && it["master"].is_string());
            on.filter(|it| it["state"] != "permanent").map(|it| str(it, "mac")).collect()
        };
        let known: BTreeSet<String> = device
            .rows("netlink/neighbour.json")
            .iter()
            .filter_map(|it| it["lladdr"].as_str().map(str::to_owned))
            .collect();
        for netdev in links.keys() {
            for mac in learnt(netdev) {
                assert!(known.contains(&mac), "{}: {mac} behind {netdev} has no address", device.name);
            }
        }
        for netdev in device.access_points().keys() {
            let clients = device.ubus(&format!("hostapd.{netdev}.get_clients"));
            let clients: BTreeSet<String> = clients["clients"].as_object().unwrap().keys().cloned().collect();
            assert_eq!(clients, device.stations(netdev), "{}: {netdev}", device.name);
            assert_eq!(clients, learnt(netdev), "{}: {netdev}", device.name);
        }
    });
}

#[test]
fn wifi_objects_exist_for_exactly_the_running_access_points() {
    each(|device| {
        let running = device.access_points();
        let links = device.links();
        let mut answering = BTreeSet::new();
        for call in device.entries("ubus") {
            if let Some((netdev, _)) = call.strip_prefix("hostapd.").and_then(|it| it.split_once('.')) {
                answering.insert(netdev.to_owned());
            }
        }
        answering.retain(|it| it.starts_with("phy"));
        assert_eq!(answering, running.keys().cloned().collect(), "{}", device.name);
        let wlan: BTreeSet<String> = links
            .keys()
            .filter(|it| device.path(&format!("sys/class/net/{it}/phy80211")).exists())
            .filter(|it| device.ubus(&format!("iwinfo.info.device={it}"))["mode"] != "Client")
            .cloned()
            .collect();
        assert_eq!(answering, wlan, "{}", device.name);
        for (netdev, section) in running {
            let status = device.ubus(&format!("hostapd.{netdev}.get_status"));
            let info = device.ubus(&format!("iwinfo.info.device={netdev}"));
            assert_eq!(status["bssid"], links[&netdev]["address"], "{}: {netdev}", device.name);
            assert_eq!(
                str(&info, "bssid").to_lowercase(),
                str(&status, "bssid"),
                "{}: {netdev}",
                device.name
            );
            assert_eq!(info["ssid"], status["ssid"], "{}: {netdev}", device.name);
            assert_eq!(info["channel"], status["channel"], "{}: {netdev}", device.name);
            let wireless = device.text("etc/config/wireless");
            assert!(
                wireless.contains(&format!("config wifi-iface '{section}'")),
                "{}: {section}",
                device.name
            );
            assert!(wireless.contains(&format!("option ssid '{}'", str(&status, "ssid"))), "{}", device.name);
        }
    });
}

#[test]
fn services_run_as_processes_that_are_there() {
    each(|device| {
        let services = device.ubus("service.list");
        for (name, service) in services.as_object().unwrap() {
            let Some(instances) = service["instances"].as_object() else { continue };
            for instance in instances.values().filter(|it| it["running"] == true && name != "wpad") {
                let pid = &instance["pid"];
                let command = device.text(&format!("proc/{pid}/cmdline"));
                assert!(
                    command.starts_with(instance["command"][0].as_str().unwrap()),
                    "{}: {name}",
                    device.name
                );
                assert!(device.text(&format!("proc/{pid}/stat")).starts_with(&format!("{pid} (")), "{name}");
            }
        }
    });
}

#[test]
fn the_resolver_file_names_the_servers_netifd_learnt() {
    each(|device| {
        let file = device.text("tmp/resolv.conf.d/resolv.conf.auto");
        let written: BTreeSet<String> = file
            .lines()
            .filter_map(|line| line.strip_prefix("nameserver "))
            .map(|it| it.split('%').next().unwrap().to_owned())
            .collect();
        let up = device.up();
        let learnt =
            up.iter().flat_map(|it| list(it, "dns-server")).map(|it| it.as_str().unwrap().to_owned());
        assert_eq!(written, learnt.collect(), "{}", device.name);
    });
}

#[test]
fn facts_tell_the_clock_and_the_byte_order() {
    each(|device| {
        let facts = device.json("facts.json");
        assert!(facts["clock_synchronized"].is_boolean(), "{}", device.name);
        assert!(["little", "big"].contains(&str(&facts, "byte_order").as_str()), "{}", device.name);
        assert!(facts["hostapd_features"].is_array(), "{}", device.name);
        assert!(facts["machine"].is_string(), "{}", device.name);
        let config: BTreeSet<String> =
            device.entries("etc/config").into_iter().map(|it| format!("etc/config/{it}")).collect();
        let stamped: BTreeSet<String> = facts["file_times"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(stamped, config, "{}", device.name);
    });
}

#[test]
fn an_overlay_replaces_and_removes_only_what_its_base_has() {
    let mut overlays = 0;
    for name in names() {
        let folder = devices().join(&name);
        let Some(base) = listed(&folder.join("BASE")).pop() else { continue };
        overlays += 1;
        let (base, laid) = (device(&base), device(&name));
        for path in listed(&folder.join("REMOVED")) {
            assert!(base.path().join(&path).exists(), "{name}: {path} is not in the base");
            assert!(!laid.path().join(&path).exists(), "{name}: {path} is still there");
        }
        assert!(!laid.path().join("BASE").exists() && !laid.path().join("REMOVED").exists());
        for own in files(&folder) {
            let path = own.strip_prefix(&folder).unwrap();
            if path != Path::new("BASE") && path != Path::new("REMOVED") {
                assert_eq!(fs::read(&own).unwrap(), fs::read(laid.path().join(path)).unwrap(), "{name}");
                let unchanged =
                    fs::read(base.path().join(path)).is_ok_and(|old| old == fs::read(&own).unwrap());
                assert!(!unchanged, "{name}: {} repeats its base", path.display());
            }
        }
    }
    assert!(overlays > 0, "the convention is used by at least one recording");
}
