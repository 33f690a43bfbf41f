//! A recorded router with readers for its sources, as the rules in `tests/devices*.rs` need them.
//!
//! Panics with the name of the device and the file on whatever is missing or broken: that is a failed rule.
#![allow(dead_code)] // each test program uses its own part

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use cpeagent::dm::tree::Tree;
use cpeagent::openwrt::uci;
use serde_json::Value;

use super::device::{device, devices, names};

/// One recording with the readers the rules need. Only an overlay has to be laid out; the others are read in place.
pub struct Recording {
    /// The name of its folder.
    pub name: String,
    /// Where its root is laid out.
    pub root: PathBuf,
    _copy: Option<tempfile::TempDir>,
}

impl Recording {
    fn open(name: String) -> Recording {
        let root = devices().join(&name);
        if !root.join("BASE").exists() {
            return Recording { name, root, _copy: None };
        }
        let copy = device(&name);
        Recording { name, root: copy.path().to_owned(), _copy: Some(copy) }
    }

    /// Where a file of the device is.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The text of a file.
    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|why| panic!("{}: {path}: {why}", self.name))
    }

    /// The text of a file of one line.
    pub fn line(&self, path: &str) -> String {
        self.text(path).trim_end().to_owned()
    }

    /// A JSON file.
    pub fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path)).unwrap_or_else(|why| panic!("{}: {path}: {why}", self.name))
    }

    /// A JSON file that is a list.
    pub fn rows(&self, path: &str) -> Vec<Value> {
        self.json(path).as_array().unwrap_or_else(|| panic!("{}: {path} is no list", self.name)).clone()
    }

    /// A recorded reply.
    pub fn ubus(&self, call: &str) -> Value {
        self.json(&format!("ubus/{call}.json"))
    }

    /// The names in a folder; none if there is no such folder.
    pub fn entries(&self, folder: &str) -> BTreeSet<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else { return BTreeSet::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// netlink links by name.
    pub fn links(&self) -> BTreeMap<String, Value> {
        self.rows("netlink/link.json").into_iter().map(|link| (str(&link, "ifname"), link)).collect()
    }

    /// The interfaces netifd reports as up.
    pub fn up(&self) -> Vec<Value> {
        let dump = self.ubus("network.interface.dump");
        dump["interface"].as_array().unwrap().iter().filter(|it| it["up"] == true).cloned().collect()
    }

    /// The netdevs hostapd serves, as `network.wireless status` names them: netdev to its UCI section.
    pub fn access_points(&self) -> BTreeMap<String, String> {
        if !self.path("ubus/network.wireless.status.json").exists() {
            return BTreeMap::new();
        }
        let status = self.ubus("network.wireless.status");
        let radios = status.as_object().unwrap().values();
        radios
            .flat_map(|radio| radio["interfaces"].as_array().unwrap())
            .filter(|it| it["ifname"].is_string() && it["config"]["mode"] == "ap")
            .map(|it| (str(it, "ifname"), str(it, "section")))
            .collect()
    }

    /// Seconds since 1970 on the recorded device.
    pub fn now(&self) -> i64 {
        let stat = self.text("proc/stat");
        let btime = stat.lines().find_map(|line| line.strip_prefix("btime ")).unwrap();
        btime.parse::<i64>().unwrap() + self.uptime()
    }

    /// Seconds since boot.
    pub fn uptime(&self) -> i64 {
        self.text("proc/uptime").split('.').next().unwrap().parse().unwrap()
    }

    /// The sections of a UCI package, by the project's own reader; none if there is no such package.
    pub fn uci(&self, package: &str) -> Vec<(String, Tree)> {
        let path = format!("etc/config/{package}");
        if !self.path(&path).exists() {
            return Vec::new();
        }
        let text = self.text(&path);
        let file = uci::parse(text.as_bytes(), uci::Mode::Strict)
            .unwrap_or_else(|why| panic!("{}: {path}: {why}", self.name));
        let tree = file.tree();
        tree.entries().iter().map(|(name, section)| (name.to_string(), section.clone())).collect()
    }

    /// The sections of one type.
    pub fn sections(&self, package: &str, kind: &str) -> Vec<(String, Tree)> {
        self.uci(package).into_iter().filter(|(_, section)| section.str(".type") == Some(kind)).collect()
    }

    /// Wi-Fi clients of one netdev, lower case.
    pub fn stations(&self, netdev: &str) -> BTreeSet<String> {
        let list = self.ubus(&format!("iwinfo.assoclist.device={netdev}"));
        list["results"].as_array().unwrap().iter().map(|it| str(it, "mac").to_lowercase()).collect()
    }
}

/// Holds every recording against a rule.
pub fn each(rule: impl Fn(&Recording)) {
    let names = names();
    assert!(names.len() > 1, "recordings are missing");
    for name in names {
        rule(&Recording::open(name));
    }
}

/// The text at `key`.
pub fn str(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("{key} is no text in {value}")).to_owned()
}

/// The items at `key`; none if it is missing.
pub fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// All files below a folder.
pub fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Whether two IPv4 addresses share a network of `bits`.
pub fn same_network(a: Ipv4Addr, b: Ipv4Addr, bits: u64) -> bool {
    let mask = u32::MAX.checked_shl(32 - u32::try_from(bits).unwrap()).unwrap_or(0);
    u32::from(a) & mask == u32::from(b) & mask
}

/// Own IPv4 addresses with their prefix length.
pub fn v4_networks(device: &Recording) -> Vec<(Ipv4Addr, u64)> {
    let up = device.up();
    let addresses = up.iter().flat_map(|it| list(it, "ipv4-address"));
    addresses.map(|it| (str(it, "address").parse().unwrap(), it["mask"].as_u64().unwrap())).collect()
}

/// The words of an option, written as a list or with blanks between them.
pub fn words(section: &Tree, option: &str) -> Vec<String> {
    let Some(value) = section.get(option) else { return Vec::new() };
    let items = value.items().iter().filter_map(Tree::as_str).chain(value.as_str());
    items.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

/// Whether a switch such as `disabled` is set.
pub fn is_set(section: &Tree, option: &str) -> bool {
    matches!(section.str(option), Some("1" | "true" | "on" | "yes" | "enabled"))
}
