//! `capture`: the part of a router that the data model reads, as a device folder without secrets and personal data.
//!
//! The layout is that of `tests/devices/README.md`, so that `--root DIR` works on the result. What is masked and how
//! is [`mask`]'s; here is what is read, and what in it is a name. A scan for neighbours is not made: it would
//! disturb the router's clients.

pub mod mask;

use super::router::Router;
use super::{Done, Fail, Global};
use crate::dm::source::Source;
use crate::dm::tree::Tree;
use crate::io::disk::{Disk, RealDisk};
use crate::io::random;
use crate::io::source::recorded_reply;
use crate::openwrt::json;
use crate::openwrt::netlink::Dump;
use crate::openwrt::uci::{self, Mode, Value, is_secret};
use crate::rng::Rng;
use crate::sorted::Set;
use mask::{MASK, Mask, Order};
use std::io;
use std::path::Path;

/// Files longer than this are left out.
const MAX_LEN: u64 = 1 << 20;
/// Most files of one capture.
const MAX_CAPTURED: usize = 8_192;

/// What is copied: `*` is any name, `#` a number.
const FILES: &[&str] = &[
    "/etc/{apk/arch,apk/world,board.json,device_info,ethers,group,hosts,openwrt_release,openwrt_version,os-release}",
    "/etc/{passwd,shadow,sysupgrade.conf,dropbear/authorized_keys}",
    "/lib/apk/db/installed",
    "/usr/lib/opkg/status",
    "/proc/{cmdline,cpuinfo,loadavg,meminfo,mounts,mtd,stat,uptime,version}",
    "/proc/device-tree/{compatible,model,serial-number}",
    "/proc/net/{arp,dev,if_inet6,ipv6_route,pppoe,route,tcp,tcp6,udp,udp6}",
    "/proc/#/{cmdline,stat,statm}",
    "/proc/sys/kernel/{hostname,random/boot_id}",
    "/proc/sys/net/ipv4/{ip_forward,tcp_congestion_control,tcp_rmem}",
    "/proc/sys/net/ipv6/conf/*/disable_ipv6",
    "/proc/sys/net/netfilter/*",
    "/sys/class/net/*/{address,carrier,duplex,ifindex,iflink,mtu,operstate,speed,type,uevent}",
    "/sys/class/net/*/{bridge,brport,statistics}/*",
    "/sys/class/net/*/{device/uevent,dsa/tagging,phy80211/name}",
    "/sys/class/ieee80211/*/{index,macaddress,name}",
    "/sys/class/thermal/*/{temp,type}",
    "/sys/class/hwmon/*/*",
    "/sys/class/leds/*/{brightness,max_brightness,trigger}",
    "/sys/class/dmi/id/{bios_version,board_name,board_serial,product_name,product_serial,product_version,sys_vendor}",
    "/sys/devices/system/cpu/online",
    "/tmp/{TZ,dhcp.leases,odhcpd.leases,resolv.conf,run/miniupnpd.leases,state/network}",
    "/tmp/{hosts,resolv.conf.d,sysinfo}/*",
];

/// Programs of which only that they are there counts: they are written down empty.
const PROGRAMS: &str = "/usr/sbin/{dnsmasq,odhcp6c,odhcpd}";

/// Lists of packages hold nothing personal, but numbers that look like addresses.
const PLAIN: &[&str] = &["/lib/apk/db/installed", "/usr/lib/opkg/status", "/etc/apk/", "/proc/sys/net/"];

/// What is asked of ubus whatever the router.
const CALLS: &[&str] = &[
    "dhcp ipv4leases",
    "dhcp ipv6leases",
    "dhcp ipv6ra",
    "hostapd bss_info",
    "iwinfo devices",
    "network.device status",
    "network.interface dump",
    "network.wireless status",
    "rc list",
    "rpc-sys packagelist",
    "service list",
    "system board",
    "system info",
];

/// Writes the folder `to`.
pub(super) fn capture(global: &Global, to: &str) -> Result<Done, Fail> {
    let to = Path::new(to);
    if std::fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Fail::Refused(format!("{}: is not empty", to.display())));
    }
    let router = Router::open(global)?;
    let seed = Rng::new(random::seed()).hex(16);
    let taken = Taken::of(&router);
    let mut mask = Mask::new(&seed);
    taken.learn(&mut mask);
    let count =
        taken.write(to, &mut mask).map_err(|error| Fail::Disk(format!("{}: {error}", to.display())))?;
    let text = format!(
        "{count} files in {}: look through them before you give them away\n\
         use them with: cpeagent --root {} get Device.\n",
        to.display(),
        to.display()
    );
    Ok(text.into())
}

/// All that was read of a router, as it is.
#[derive(Default)]
struct Taken {
    packages: Vec<(String, Vec<u8>)>,
    files: Vec<(String, String)>,
    /// Replies, tables and facts by the path of their JSON file.
    trees: Vec<(String, Tree)>,
    order: Option<Order>,
}

impl Taken {
    fn of(router: &Router) -> Taken {
        let mut taken = Taken::default();
        let mut times = Vec::new();
        for name in router.disk.list("/etc/config").unwrap_or_default() {
            let Ok(text) = router.disk.read(&format!("/etc/config/{name}"), MAX_LEN) else { continue };
            if let Source::Ready(stat) = router.source(&format!("stat:/etc/config/{name}")) {
                times.extend(stat.get("modified").map(|time| (format!("etc/config/{name}"), time.clone())));
            }
            taken.packages.push((name, text));
        }
        let paths: Set<String> = FILES.iter().flat_map(|pattern| expand(&router.disk, pattern)).collect();
        for path in paths.into_iter().take(MAX_CAPTURED) {
            // What the kernel has no value for now is left out, as it is on the device.
            if let Ok(text) = router.disk.read(&path, MAX_LEN) {
                taken.files.push((path, String::from_utf8_lossy(&text).into_owned()));
            }
        }
        for path in expand(&router.disk, PROGRAMS) {
            if let Source::Ready(_) = router.source(&format!("stat:{path}")) {
                taken.files.push((path, String::new()));
            }
        }
        let mut calls: Vec<String> = CALLS.iter().map(|call| call.to_string()).collect();
        calls.extend(further_calls(router));
        for call in calls {
            if let Source::Ready(tree) = router.source(&format!("ubus:{call}")) {
                taken.trees.push((recorded_reply(&call), Tree::clone(&tree)));
            }
        }
        for dump in Dump::ALL {
            if let Source::Ready(tree) = router.source(&format!("nl:{}", dump.name())) {
                taken.trees.push((format!("/netlink/{}.json", dump.name()), Tree::clone(&tree)));
            }
        }
        if let Source::Ready(facts) = router.source("sys:facts") {
            let mut facts = Tree::clone(&facts);
            let is_big = facts.str("byte_order") == Some("big");
            taken.order = Some(if is_big { Order::Big } else { Order::Little });
            facts.set("file_times", Tree::map(times));
            if let Source::Ready(space) = router.source("sys:space /overlay") {
                facts.set("space", Tree::map([("/overlay", Tree::clone(&space))]));
            }
            taken.trees.push(("/facts.json".into(), facts));
        }
        taken
    }

    /// Tells `mask` every name, secret and address that is known by where it stands.
    fn learn(&self, mask: &mut Mask) {
        let packages: Vec<(&str, Tree)> = self
            .packages
            .iter()
            .filter_map(|(name, text)| Some((name.as_str(), uci::parse(text, Mode::Lenient).ok()?.tree())))
            .collect();
        for (package, tree) in &packages {
            for (name, section) in tree.entries() {
                if ["network", "wireless", "firewall"].contains(package) {
                    mask.keep(name);
                }
                mask.keep(section.str(".type").unwrap_or_default());
                section.entries().iter().for_each(|(option, _)| mask.keep(option));
            }
        }
        for (package, tree) in &packages {
            for (_, section) in tree.entries() {
                let kind = section.str(".type").unwrap_or_default();
                for (option, value) in section.entries() {
                    let texts = value.items().iter().chain([value]).filter_map(Tree::as_str);
                    texts.for_each(|text| self.learn_option(mask, (package, kind, option), text));
                }
            }
        }
        for (path, text) in &self.files {
            mask.learn_addresses(text);
            match path.as_str() {
                "/tmp/dhcp.leases" => {
                    text.lines()
                        .filter_map(|line| line.split(' ').nth(3))
                        .for_each(|name| mask.learn("host", name));
                }
                "/proc/sys/kernel/hostname" => mask.learn("host", text.trim()),
                path if path.ends_with("serial") || path.ends_with("serial-number") => {
                    mask.learn("serial", text.trim_matches(|c: char| c.is_whitespace() || c == '\0'));
                }
                path if path.starts_with("/tmp/hosts/") || path == "/etc/ethers" => {
                    let lines = text.lines().filter(|line| !line.starts_with('#'));
                    let names = lines.flat_map(|line| line.split_whitespace().skip(1));
                    // The full name is the host's and the domain's.
                    let names = names.filter(|name| name.parse::<std::net::IpAddr>().is_err());
                    names.for_each(|name| mask.learn("host", name.split('.').next().unwrap_or(name)));
                }
                _ => {}
            }
        }
        self.trees.iter().for_each(|(_, tree)| learn_tree(mask, tree));
    }

    fn learn_option(&self, mask: &mut Mask, (package, kind, option): (&str, &str, &str), text: &str) {
        mask.learn_addresses(text);
        match (package, kind, option) {
            _ if is_secret(package, option) => mask.learn_secret(text),
            ("wireless", _, "ssid") => mask.learn("ssid", text),
            ("dhcp", "host" | "domain", "name") | ("system", _, "hostname") | (_, _, "hostname") => {
                mask.learn("host", text);
            }
            (_, _, "username" | "identity" | "email" | "connection_request_username") => {
                mask.learn("user", text)
            }
            ("cpeagent", _, "serial") => mask.learn("serial", text),
            ("cpeagent", _, "url") => {
                let host = text.split("//").nth(1).and_then(|rest| rest.split(['/', ':']).next());
                host.into_iter().for_each(|host| mask.learn("acs", host));
            }
            (_, _, "endpoint_host" | "peeraddr") => mask.learn("peer", text),
            _ => {}
        }
    }

    fn write(&self, to: &Path, mask: &mut Mask) -> io::Result<usize> {
        let mut count = 0;
        let mut put = |path: &str, text: &str| -> io::Result<()> {
            let file = to.join(path.trim_start_matches('/'));
            std::fs::create_dir_all(file.parent().unwrap_or(to))?;
            std::fs::write(file, text)?;
            count += 1;
            Ok(())
        };
        for (name, text) in &self.packages {
            // One that cannot be parsed cannot be masked either.
            if let Ok(file) = uci::parse(text, Mode::Lenient) {
                put(&format!("/etc/config/{name}"), &package(name, file.package, mask))?;
            }
        }
        for (path, text) in &self.files {
            let text = match path.as_str() {
                path if PLAIN.iter().any(|plain| path.starts_with(plain)) => text.clone(),
                "/etc/shadow" => mask.text(&text.lines().map(shadow).collect::<String>()),
                "/etc/dropbear/authorized_keys" => text.lines().map(key).collect(),
                path if path.starts_with("/proc/net/") && path != "/proc/net/dev" => {
                    mask.table(text, self.order.unwrap_or(Order::Little))
                }
                _ => mask.text(text),
            };
            put(path, &text)?;
        }
        for (path, tree) in &self.trees {
            put(&masked_path(path, mask), &format!("{}\n", json::write(&masked(tree, mask))))?;
        }
        Ok(count)
    }
}

/// Calls for what this router has: its interfaces, radios and access points.
fn further_calls(router: &Router) -> Vec<String> {
    let mut calls = Vec::new();
    if let Source::Ready(dump) = router.source("ubus:network.interface dump") {
        let names = dump.get("interface").map(Tree::items).unwrap_or_default();
        calls.extend(
            names
                .iter()
                .filter_map(|i| i.str("interface"))
                .map(|name| format!("network.interface.{name} status")),
        );
    }
    let Source::Ready(wireless) = router.source("ubus:network.wireless status") else { return calls };
    for (radio, state) in wireless.entries() {
        for what in ["countrylist", "freqlist", "info", "txpowerlist"] {
            calls.push(format!("iwinfo {what} device={radio}"));
        }
        calls.push(format!("iwinfo phyname section={radio}"));
        if router.device.is_folder() {
            calls.push(format!("iwinfo scan device={radio}"));
        }
        for interface in state.get("interfaces").map(Tree::items).unwrap_or_default() {
            let Some(name) = interface.str("ifname") else { continue };
            for what in ["get_clients", "get_features", "get_status", "list_bans", "wps_status"] {
                calls.push(format!("hostapd.{name} {what}"));
            }
            for what in ["assoclist", "info"] {
                calls.push(format!("iwinfo {what} device={name}"));
            }
        }
    }
    calls
}

/// Names and addresses in a reply.
fn learn_tree(mask: &mut Mask, tree: &Tree) {
    for (key, value) in tree.entries() {
        mask.learn_addresses(key);
        match (&**key, value.as_str()) {
            ("hostname" | "host", Some(name)) => mask.learn("host", name),
            ("ssid", Some(name)) => mask.learn("ssid", name),
            ("serial", Some(name)) => mask.learn("serial", name),
            ("username", Some(name)) => mask.learn("user", name),
            _ => learn_tree(mask, value),
        }
    }
    tree.items().iter().for_each(|item| learn_tree(mask, item));
    tree.as_str().into_iter().for_each(|text| mask.learn_addresses(text));
}

/// A reply without what must not be seen; keys may be addresses too.
fn masked(tree: &Tree, mask: &mut Mask) -> Tree {
    match tree {
        Tree::Text(text) => Tree::from(mask.text(text)),
        Tree::List(items) => Tree::List(items.iter().map(|item| masked(item, mask)).collect()),
        Tree::Map(entries) => Tree::map(entries.iter().map(|(key, value)| {
            let is_secret = value.as_str().is_some_and(|text| !text.is_empty())
                && (is_secret("wireless", key) || is_secret("network", key));
            let value = if is_secret { Tree::from(MASK) } else { masked(value, mask) };
            (mask.text(key), value)
        })),
    }
}

/// A recording's name may hold an address as an argument.
fn masked_path(path: &str, mask: &mut Mask) -> String {
    if path.starts_with("/ubus/") && path.contains('=') { mask.text(path) } else { path.to_string() }
}

/// A package with secrets and names masked, written anew: comments may hold anything.
fn package(name: &str, mut package: uci::Package, mask: &mut Mask) -> String {
    let text = |value: &[u8], mask: &mut Mask| mask.text(&String::from_utf8_lossy(value)).into_bytes();
    for section in &mut package.sections {
        if !section.anonymous {
            section.name = mask.text(&section.name).into();
        }
        for option in &mut section.options {
            let secret = is_secret(name, &option.name);
            match &mut option.value {
                // rpcd's `$p$root` says whose password of the system counts.
                Value::Text(value) if secret && value.starts_with(b"$p$") => *value = text(value, mask),
                Value::Text(value) if secret => *value = MASK.into(),
                Value::List(items) if secret => items.iter_mut().for_each(|item| *item = MASK.into()),
                Value::Text(value) => *value = text(value, mask),
                Value::List(items) => {
                    for item in items.iter_mut() {
                        *item = text(item, mask);
                    }
                }
            }
        }
    }
    String::from_utf8_lossy(&package.export()).into_owned()
}

/// A line of the password file: that there is a password stays, which one goes.
fn shadow(line: &str) -> String {
    let mut fields: Vec<&str> = line.split(':').collect();
    if let Some(hash) = fields.get_mut(1).filter(|hash| hash.len() > 1 && !hash.starts_with(['!', '*'])) {
        // Not the usual mask: a star there means that the account is locked.
        *hash = "x";
    }
    fields.join(":") + "\n"
}

/// A line of authorized keys: the key and whose it is go.
fn key(line: &str) -> String {
    match line.split_once(' ') {
        Some((kind, _)) if !line.starts_with('#') => format!("{kind} {MASK}\n"),
        Some(_) | None => "\n".into(),
    }
}

/// The files that a pattern of [`FILES`] stands for.
fn expand(disk: &RealDisk, pattern: &str) -> Vec<String> {
    if let Some((before, rest)) = pattern.split_once('{') {
        let (choices, after) = rest.split_once('}').unwrap_or((rest, ""));
        return choices.split(',').flat_map(|one| expand(disk, &format!("{before}{one}{after}"))).collect();
    }
    let mut found = vec![String::new()];
    for part in pattern.split('/').skip(1) {
        let fits = |name: &String| part == "*" || name.bytes().all(|c| c.is_ascii_digit());
        found = match part {
            "*" | "#" => found
                .iter()
                .flat_map(|dir| {
                    let names = disk.list(dir).unwrap_or_default();
                    names
                        .into_iter()
                        .filter(fits)
                        .map(move |name| format!("{dir}/{name}"))
                        .collect::<Vec<_>>()
                })
                .collect(),
            part => found.into_iter().map(|dir| format!("{dir}/{part}")).collect(),
        };
    }
    found
}
