//! A recorded router with everything read once, from which values are read over altered sources.
//!
//! It owns the reading loop; what is altered is `reading`'s, what is written is `writing`'s.

use cpeagent::dm::instance::Instances;
use cpeagent::dm::path::Pattern;
use cpeagent::dm::read::{Cursor, Node};
use cpeagent::dm::run::{self, Halt};
use cpeagent::dm::schema::Model;
use cpeagent::dm::source::{Snapshot, Source, Stop};
use cpeagent::dm::tree::Tree;
use cpeagent::dm::view::{PENDING, View};
use cpeagent::io::clock::Clock;
use cpeagent::io::disk::RealDisk;
use cpeagent::io::source::Files;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::device;

/// Values by path.
pub type Values = BTreeMap<String, String>;

/// One recorded router.
pub struct Router {
    /// Its folder, deleted with it.
    _folder: tempfile::TempDir,
    files: Files,
    /// Every source that reading the whole model takes, and those computed from them.
    pub full: Snapshot,
    /// The numbers that the whole model was given.
    pub instances: Instances,
    /// By schema path of a parameter: the path and the value of each.
    pub params: BTreeMap<String, Values>,
}

impl Router {
    /// Lays the recorded router `name` out and reads all of it.
    pub fn open(model: &Model, name: &str) -> Router {
        let folder = device::device(name);
        let disk = Arc::new(RealDisk::new(folder.path()).unwrap());
        let now = Clock::still(&*disk).unwrap().now();
        let files = Files::new(disk, true);
        let mut full = Snapshot::new(now);
        full.supply(PENDING, Source::ready(Tree::Map(Vec::new())));
        let mut router = Router {
            _folder: folder,
            files,
            full: full.clone(),
            instances: Instances::default(),
            params: BTreeMap::new(),
        };
        let instances = RefCell::default();
        router.params = router.read(model, &mut full, &instances, |view| {
            let mut cursor = Cursor::new(view.resolve(&Pattern::parse("").unwrap())?);
            let (mut out, mut wait) = (BTreeMap::<String, Values>::new(), false);
            while let Some(node) = cursor.next(view)? {
                if let Node::Param(place, at) = &node {
                    let value = view.value(place, *at);
                    wait |= value == Err(Stop::Wait);
                    let object = view.model.object(place.object)?.path;
                    let schema = format!("{object}{}", view.param(place, *at)?.name);
                    let value = value.map(|value| value.into_owned()).unwrap_or_default();
                    out.entry(schema).or_default().insert(node.path(view)?, value);
                }
            }
            if wait || cursor.waited() { Err(Stop::Wait) } else { Ok(out) }
        });
        router.instances = instances.into_inner();
        router.full = full;
        router
    }

    /// Puts a source in place: what the router was recorded with, or what only the running agent has.
    pub fn supply(&self, snapshot: &mut Snapshot, key: &str) {
        let source = match key {
            "agent:state" => Source::ready(Tree::map([
                ("ParameterKey", Tree::from("key")),
                ("FirstUseDate", Tree::from("2026-01-01T00:00:00Z")),
                ("ConnectionRequestPort", Tree::from("7547")),
                ("ConnectionRequestPath", Tree::from("abc")),
                ("ConnectionRequestHost", Tree::from("192.0.2.1")),
                ("UDPConnectionRequestAddress", Tree::from("192.0.2.1:7547")),
                ("NATDetected", Tree::from("false")),
            ])),
            // The settings that were recorded, and what none has.
            "uci:cpeagent" => {
                let row = [
                    (".type", "inform_parameter"),
                    ("name", "Device.Time.Status"),
                    ("events", "1 BOOT"),
                    ("enabled", "1"),
                ];
                let row = Tree::map(row.map(|(option, text)| (option, Tree::from(text))));
                let mut sections = vec![("inform1".into(), row)];
                if let Source::Ready(recorded) = self.files.fetch(key) {
                    sections.extend(recorded.entries().iter().cloned());
                }
                Source::ready(Tree::map(sections))
            }
            "agent:kept" => Source::ready(kept()),
            "agent:diag" => Source::ready(measured()),
            // How long each netdev has been as it is.
            "agent:changes" => match self.files.fetch("nl:link") {
                Source::Ready(links) => {
                    let names = links.items().iter().filter_map(|link| link.str("ifname"));
                    Source::ready(Tree::map(names.map(|name| (name, Tree::from("77")))))
                }
                other => other,
            },
            key => match self.full.peek(key).cloned().unwrap_or_else(|| self.files.fetch(key)) {
                // A file that only an altered listing has.
                Source::Absent if key.starts_with("stat:/etc/config/") => {
                    Source::ready(Tree::map([("modified", Tree::from("1795137600"))]))
                }
                // And a process.
                Source::Absent if key.starts_with("file:/proc/") && key.ends_with("/stat") => {
                    self.full.peek("file:/proc/1/stat").cloned().unwrap_or(Source::Absent)
                }
                known => known,
            },
        };
        snapshot.supply(key, source);
    }

    /// Reads over `snapshot`, supplying what is missing.
    fn read<T>(
        &self,
        model: &Model,
        snapshot: &mut Snapshot,
        instances: &RefCell<Instances>,
        mut read: impl FnMut(&View<'_>) -> Result<T, Stop>,
    ) -> T {
        loop {
            match run::attempt(model, snapshot, instances, &mut read) {
                Ok(value) => return value,
                Err(Halt::Refused(why)) => panic!("{why}"),
                Err(Halt::Need(keys)) => keys.iter().for_each(|key| self.supply(snapshot, key)),
            }
        }
    }

    /// The values of parameters by their schema paths; what cannot be read is left out.
    pub fn values<'a>(
        &self,
        model: &Model,
        snapshot: &mut Snapshot,
        schemas: &[&'a str],
    ) -> BTreeMap<&'a str, Values> {
        let patterns: Vec<_> =
            schemas.iter().map(|s| (*s, Pattern::parse(&s.replace("{i}", "*")).unwrap())).collect();
        let instances = RefCell::new(self.instances.clone());
        self.read(model, snapshot, &instances, |view| {
            let (mut out, mut wait) = (BTreeMap::new(), false);
            for (schema, pattern) in &patterns {
                let nodes = match view.resolve(pattern) {
                    Ok(nodes) => nodes,
                    Err(Stop::Wait) => {
                        wait = true;
                        continue;
                    }
                    Err(Stop::Refused(_)) => Vec::new(),
                };
                let values: &mut Values = out.entry(*schema).or_default();
                for node in &nodes {
                    let Node::Param(place, at) = node else { continue };
                    match view.value(place, *at) {
                        Ok(value) => drop(values.insert(node.path(view)?, value.into_owned())),
                        Err(Stop::Wait) => wait = true,
                        Err(Stop::Refused(_)) => {}
                    }
                }
            }
            if wait { Err(Stop::Wait) } else { Ok(out) }
        })
    }

    /// The sources that reading one parameter in all rows takes.
    pub fn sources(&self, model: &Model, schema: &str) -> BTreeSet<String> {
        let mut own = Snapshot::new(self.full.now);
        self.supply(&mut own, PENDING);
        self.values(model, &mut own, &[schema]);
        let keys = own.keys().filter(|key| !key.starts_with("derived:") && *key != PENDING);
        keys.map(str::to_string).collect()
    }
}

/// Texts by name.
fn texts(pairs: &[(&str, &str)]) -> Tree {
    Tree::map(pairs.iter().map(|(name, text)| (*name, Tree::from(*text))))
}

/// Rows that only the agent keeps.
fn kept() -> Tree {
    let subscription = texts(&[
        (".type", "subscription"),
        ("Enable", "1"),
        ("Recipient", "operator"),
        ("ID", "one"),
        ("CreationDate", "2026-01-01T00:00:00Z"),
        ("NotifType", "Event"),
        ("ReferenceList", "Device.Boot!"),
        ("Persistent", "1"),
        ("TimeToLive", "7"),
        ("NotifRetry", "1"),
        ("NotifExpiration", "7"),
        ("TriggerAction", "Config"),
        ("TriggerConfigSettings", "Device.Time.Enable=true"),
    ]);
    let request = texts(&[
        (".type", "request"),
        ("Originator", "self::one"),
        ("Command", "Device.IP.Diagnostics.IPPing()"),
        ("CommandKey", "key"),
        ("Status", "Active"),
    ]);
    let threshold = texts(&[
        (".type", "threshold"),
        ("Enable", "1"),
        ("Controller", "operator"),
        ("OperatingMode", "Single"),
        ("ReferencePath", "Device.DHCPv4.Server.Pool.1."),
        ("ThresholdParam", "LeaseTime"),
        ("ThresholdOperator", "Fall"),
        ("ThresholdValue", "7"),
    ]);
    Tree::map([("subscription1", subscription), ("request1", request), ("threshold1", threshold)])
}

/// Results of every diagnosis.
fn measured() -> Tree {
    let times = ["TCPOpenRequestTime", "TCPOpenResponseTime", "ROMTime", "BOMTime", "EOMTime"]
        .map(|name| (name, "2026-01-01T00:00:00Z"));
    let counts = [
        "TestBytesReceived",
        "TestBytesSent",
        "TotalBytesReceived",
        "TotalBytesSent",
        "TestBytesReceivedUnderFullLoading",
        "TestBytesSentUnderFullLoading",
        "TotalBytesReceivedUnderFullLoading",
        "TotalBytesSentUnderFullLoading",
        "PeriodOfFullLoading",
        "SuccessCount",
        "FailureCount",
        "AverageResponseTime",
        "MinimumResponseTime",
        "MaximumResponseTime",
        "AverageResponseTimeDetailed",
        "MinimumResponseTimeDetailed",
        "MaximumResponseTimeDetailed",
        "ResponseTime",
    ];
    let all: Vec<(&str, &str)> = times
        .into_iter()
        .chain(counts.map(|name| (name, "7")))
        .chain([("IPAddressUsed", "192.0.2.7")])
        .collect();
    let with = |rows: &str, row: &[(&str, &str)]| {
        let Tree::Map(mut entries) = texts(&all) else { return texts(&all) };
        entries.push((rows.into(), Tree::List(vec![texts(row)])));
        Tree::Map(entries)
    };
    let hop = [("Host", "hop"), ("HostAddress", "192.0.2.7"), ("ErrorCode", "0"), ("RTTimes", "7")];
    let answer = [
        ("Status", "Success"),
        ("AnswerType", "Authoritative"),
        ("HostNameReturned", "host"),
        ("IPAddresses", "192.0.2.7"),
        ("DNSServerIP", "192.0.2.8"),
        ("ResponseTime", "7"),
    ];
    let network = [
        ("Radio", "radio0"),
        ("SSID", "next door"),
        ("BSSID", "02:00:00:00:00:07"),
        ("Mode", "Infrastructure"),
        ("Channel", "6"),
        ("SignalStrength", "-60"),
        ("SecurityModeEnabled", "WPA2"),
        ("EncryptionMode", "AES"),
        ("OperatingFrequencyBand", "2.4GHz"),
    ];
    Tree::map([
        ("ip_ping", texts(&all)),
        ("trace_route", with("RouteHops", &hop)),
        ("download_test", texts(&all)),
        ("upload_test", texts(&all)),
        ("name_lookup", with("Result", &answer)),
        ("wifi_scan", with("Result", &network)),
    ])
}
