//! Fetching sources that are files: UCI packages, `/proc` and `/sys`, and the recorded replies of a device folder.
//!
//! What the keys mean is the contract with the mapping files (`docs/MAPPING.md`). The live ubus and netlink are
//! fetched elsewhere in `io`; here only what can be read without waiting.

use super::disk::{Disk, MAX_FILE, package_path};
use crate::digest;
use crate::dm::source::Source;
use crate::dm::tree::Tree;
use crate::openwrt::{json, uci};
use crate::x509;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::io::ErrorKind;
use std::sync::Arc;

/// Longest plain file that is read as a source; `/proc` and `/sys` files are far below.
const MAX_PLAIN: u64 = 512 * 1024;

/// Files that the kernel answers from memory, by how their keys begin: reading them is done before a thread would have woken.
const AT_ONCE: [&str; 5] = [
    "file:/proc/device-tree/",
    "file:/proc/loadavg",
    "file:/proc/meminfo",
    "file:/proc/stat",
    "file:/proc/uptime",
];

/// The sources of a router's files.
#[derive(Clone)]
pub struct Files {
    disk: Arc<dyn Disk>,
    recorded: bool,
}

impl Files {
    /// The sources of the files of `disk`; `recorded` if ubus and netlink are to be read from recordings in it.
    pub fn new(disk: Arc<dyn Disk>, recorded: bool) -> Files {
        Files { disk, recorded }
    }

    /// The source of `key`.
    ///
    /// | key | tree |
    /// |---|---|
    /// | `uci:PACKAGE` | the committed package; absent without a file, failed if it cannot be parsed |
    /// | `file:/PATH` | its text, without white space and NUL at the end; absent without the file, also where the kernel has no value for it |
    /// | `dir:/PATH` | the sorted list of names in it |
    /// | `json:/PATH` | the tree of a JSON file |
    /// | `stat:/PATH` | a map of `modified` (seconds since 1970), `length`, `mode` |
    /// | `cert:/PATH` | a map of `issuer`, `serial` and `sha256` of the first certificate of a PEM file |
    /// | `agent:NAME` | of a device folder: what the agent that ran knew, if that was recorded |
    /// | `ubus:OBJECT METHOD K=V…` | of a device folder: the recorded reply |
    /// | `nl:KIND` | of a device folder: the recorded dump |
    /// | `sys:facts` | of a device folder: `facts.json` |
    /// | `sys:space PATH` | of a device folder: the entry PATH of `space` in `facts.json` |
    pub fn fetch(&self, key: &str) -> Source {
        let Some((kind, what)) = key.split_once(':') else { return Source::Failed("no such source".into()) };
        match kind {
            "uci" => self.package(what),
            "file" => self.plain(what),
            "dir" => match self.disk.list(what) {
                Ok(names) => Source::ready(Tree::List(names.into_iter().map(Tree::from).collect())),
                Err(error) => absent_or(&error),
            },
            "json" => self.json(what),
            "stat" => match self.disk.stat(what) {
                Ok(stat) => Source::ready(Tree::map([
                    ("modified", Tree::from(self.modified(what, stat.modified.seconds).to_string())),
                    ("length", Tree::from(stat.len.to_string())),
                    ("mode", Tree::from(format!("{:o}", stat.mode))),
                ])),
                Err(error) => absent_or(&error),
            },
            "cert" => self.certificate(what),
            "agent" if self.recorded => self.json(&format!("/agent/{what}.json")),
            "ubus" if self.recorded => self.json(&recorded_reply(what)),
            "nl" if self.recorded => self.json(&format!("/netlink/{what}.json")),
            "sys" if self.recorded => self.system(what),
            _ => Source::Absent,
        }
    }

    /// The source of `key`, if it can be read without waiting.
    pub fn at_once(&self, key: &str) -> Option<Source> {
        AT_ONCE.iter().any(|begin| key.starts_with(begin)).then(|| self.fetch(key))
    }

    fn system(&self, what: &str) -> Source {
        match (what.split_once(' '), self.json("/facts.json")) {
            (Some(("space", path)), Source::Ready(facts)) => {
                let space = facts.get("space").and_then(|space| space.get(path));
                space.map_or(Source::Absent, |space| Source::ready(space.clone()))
            }
            (None, facts) if what == "facts" => facts,
            (Some(_) | None, _) => Source::Absent,
        }
    }

    /// When a file changed: in a recording what `facts.json` says, because copying a folder changes the times.
    fn modified(&self, path: &str, real: i64) -> i64 {
        let recorded = || match self.json("/facts.json") {
            Source::Ready(facts) => facts.get("file_times")?.str(path.trim_start_matches('/'))?.parse().ok(),
            Source::Absent | Source::Failed(_) => None,
        };
        if self.recorded { recorded().unwrap_or(real) } else { real }
    }

    fn package(&self, name: &str) -> Source {
        let path = match package_path(&*self.disk, name) {
            Ok(path) => path,
            Err(error) => return Source::Failed(error.to_string()),
        };
        match self.disk.read(&path, MAX_FILE) {
            Ok(text) => match uci::package(&text, uci::Mode::Strict) {
                Ok(package) => Source::ready(package.into_tree()),
                Err(error) => Source::Failed(format!("{path}: {error}")),
            },
            Err(error) => absent_or(&error),
        }
    }

    fn certificate(&self, path: &str) -> Source {
        let pem = match self.disk.read(path, MAX_PLAIN) {
            Ok(pem) => pem,
            Err(error) => return absent_or(&error),
        };
        let Ok(found) = CertificateDer::from_pem_slice(&pem) else {
            return Source::Failed(format!("{path}: no certificate in PEM"));
        };
        let Some(read) = x509::certificate(&found) else {
            return Source::Failed(format!("{path}: not a certificate"));
        };
        Source::ready(Tree::map(
            [("issuer", read.issuer_name()), ("serial", read.serial_hex()), ("der", digest::base64(&found))]
                .map(|(field, text)| (field, Tree::from(text))),
        ))
    }

    fn plain(&self, path: &str) -> Source {
        match self.disk.read(path, MAX_PLAIN) {
            Ok(text) => {
                let text = String::from_utf8_lossy(&text);
                Source::ready(Tree::from(text.trim_end_matches(|c: char| c.is_whitespace() || c == '\0')))
            }
            Err(error) => absent_or(&error),
        }
    }

    fn json(&self, path: &str) -> Source {
        match self.disk.read(path, MAX_FILE) {
            Ok(text) => match json::parse(&text) {
                Ok(tree) => Source::ready(tree),
                Err(error) => Source::Failed(format!("{path}: {error}")),
            },
            Err(error) => absent_or(&error),
        }
    }
}

/// `ubus:iwinfo info device=phy0-ap0` is recorded in `/ubus/iwinfo.info.device=phy0-ap0.json`.
pub fn recorded_reply(call: &str) -> String {
    let mut words: Vec<&str> = call.split(' ').collect();
    if let Some(arguments) = words.get_mut(2..) {
        arguments.sort_unstable();
    }
    format!("/ubus/{}.json", words.join("."))
}

/// A file that is not there, or that the kernel has no value for now (`EINVAL` of `speed` without a link), is absent.
fn absent_or(error: &std::io::Error) -> Source {
    match error.kind() {
        ErrorKind::NotFound
        | ErrorKind::NotADirectory
        | ErrorKind::InvalidInput
        | ErrorKind::IsADirectory => Source::Absent,
        _ => Source::Failed(error.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::disk::sim::SimDisk;
    use super::*;

    #[test]
    fn each_kind_of_key_reads_its_file() {
        let disk = SimDisk::with([
            ("/etc/config/network", "config interface 'lan'\n\toption proto 'static'\n"),
            ("/etc/config/broken", "option x\n"),
            ("/proc/uptime", "12.3 4.5\n"),
            ("/ubus/iwinfo.info.device=phy0-ap0.json", "{\"channel\": 6}"),
            ("/netlink/link.json", "[{\"ifname\":\"lan1\"}]"),
        ]);
        let files = Files::new(Arc::new(disk), true);
        for (key, want) in [
            ("uci:network", Some(r#"{"lan": {".type": "interface", "proto": "static"}}"#)),
            ("uci:absent", None),
            ("file:/proc/uptime", Some(r#""12.3 4.5""#)),
            ("ubus:iwinfo info device=phy0-ap0", Some(r#"{"channel": "6"}"#)),
            ("nl:link", Some(r#"[{"ifname": "lan1"}]"#)),
            ("dir:/netlink", Some(r#"["link.json"]"#)),
        ] {
            let got = match files.fetch(key) {
                Source::Ready(tree) => Some(format!("{tree:?}")),
                Source::Absent => None,
                Source::Failed(why) => panic!("{key}: {why}"),
            };
            assert_eq!(got.as_deref(), want, "{key}");
        }
        let at_once = |key| files.at_once(key).map(|source| format!("{source:?}"));
        assert_eq!(at_once("file:/proc/uptime"), Some(format!("{:?}", files.fetch("file:/proc/uptime"))));
        assert_eq!(at_once("file:/etc/config/network"), None, "flash may have to be waited for");
        assert!(matches!(files.fetch("cert:/proc/uptime"), Source::Failed(why) if why.contains("in PEM")));
        assert!(matches!(files.fetch("cert:/none.pem"), Source::Absent));
        assert!(matches!(files.fetch("uci:broken"), Source::Failed(why) if why.contains("line 1")));
    }
}
