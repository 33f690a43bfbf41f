//! Facts of the running router that no file, ubus object or netlink table tells.
//!
//! `sys:facts` in the shape of a recording's `facts.json`, and `sys:space PATH`. Programs are started with an
//! argument vector and a deadline, never through a shell.

use super::disk::Disk;
use super::{pool, privileged, program};
use crate::dm::source::Source;
use crate::dm::tree::Tree;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Where hostapd is installed.
const HOSTAPD: &str = "/usr/sbin/hostapd";
/// What hostapd is asked for, one `hostapd -vWORD` each: it exits with 0 for what it was built with.
const HOSTAPD_WORDS: [&str; 12] =
    ["11ac", "11ax", "11be", "11r", "acs", "eap", "owe", "sae", "suiteb192", "wep", "wpa3", "wps"];
/// The longest that one such question may take.
const PROGRAM_WAIT: Duration = Duration::from_secs(2);
/// What our hotplug script for NTP keeps: the last `ACTION` and `stratum` of ntpd.
pub const NTP_STATE: &str = "/var/run/cpeagent.ntp";
/// Made by dnsmasq's hotplug script when ntpd has first set the clock.
const TIME_IS_VALID: &str = "/var/state/dnsmasqsec";
/// A server of this stratum is not synchronized. Source: RFC 5905 7.3.
const UNSYNCHRONIZED: u32 = 16;

/// The facts of this router.
pub struct Facts {
    disk: Arc<dyn Disk>,
    /// What hostapd can do, by the inode and time of its program: asked again after an upgrade.
    hostapd: Mutex<Option<(u64, i64, Vec<String>)>>,
}

impl Facts {
    /// The facts of the router whose files `disk` has.
    pub fn new(disk: Arc<dyn Disk>) -> Facts {
        Facts { disk, hostapd: Mutex::new(None) }
    }

    /// The source of the key `sys:` followed by `what`.
    pub async fn source(&self, what: &str) -> Source {
        match what.split_once(' ') {
            None if what == "facts" => Source::ready(self.facts().await),
            Some(("space", path)) => space(path),
            _ => Source::Failed("no such source".into()),
        }
    }

    /// As `facts.json` of a recording has it, without the times of files.
    pub async fn facts(&self) -> Tree {
        let machine = rustix::system::uname().machine().to_string_lossy().into_owned();
        let order = if cfg!(target_endian = "big") { "big" } else { "little" };
        let features = self.hostapd().await.into_iter().map(Tree::from).collect();
        Tree::map([
            ("clock_synchronized", Tree::from(clock_synchronized(&*self.disk).to_string())),
            ("byte_order", Tree::from(order)),
            ("machine", Tree::from(machine)),
            ("hostapd_features", Tree::List(features)),
        ])
    }

    async fn hostapd(&self) -> Vec<String> {
        let Ok(stat) = self.disk.stat(HOSTAPD) else { return Vec::new() };
        let mut known = self.hostapd.lock().await;
        match &*known {
            Some((inode, modified, words)) if (*inode, *modified) == (stat.inode, stat.modified.seconds) => {
                return words.clone();
            }
            Some(_) | None => {}
        }
        let words = pool::run(privileged::hostapd).await;
        *known = Some((stat.inode, stat.modified.seconds, words.clone()));
        words
    }
}

/// What the hostapd of this router was built with; waits for its program, which is started for each word.
pub(super) fn hostapd_words() -> Vec<String> {
    let known = HOSTAPD_WORDS
        .into_iter()
        .filter(|word| program::says_yes(HOSTAPD, &[&format!("-v{word}")], PROGRAM_WAIT));
    known.map(String::from).collect()
}

/// Whether ntpd has the clock synchronized: by what it told our hotplug script last, else by the mark that
/// dnsmasq's script leaves when ntpd first sets the clock.
///
/// The kernel's own `STA_UNSYNC` needs `adjtimex`, for which there is no call without `unsafe`.
fn clock_synchronized(disk: &dyn Disk) -> bool {
    match disk.read_text(NTP_STATE) {
        Ok(text) => {
            let mut words = text.split_whitespace();
            let action = words.next().unwrap_or_default();
            let stratum = words.next().and_then(|word| word.parse::<u32>().ok());
            action != "unsync" && stratum.is_some_and(|stratum| stratum < UNSYNCHRONIZED)
        }
        Err(_) => disk.exists(TIME_IS_VALID),
    }
}

fn space(path: &str) -> Source {
    match rustix::fs::statvfs(path) {
        Ok(stat) => {
            let kib = |blocks: u64| Tree::from((blocks.saturating_mul(stat.f_frsize) / 1_024).to_string());
            Source::ready(Tree::map([
                ("total", kib(stat.f_blocks)),
                ("free", kib(stat.f_bfree)),
                ("available", kib(stat.f_bavail)),
            ]))
        }
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Source::Absent,
        Err(why) => Source::Failed(why.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::disk::sim::SimDisk;
    use super::*;

    #[test]
    fn the_clock_is_synchronized_as_ntpd_told_last() {
        for (told, mark, want) in [
            (Some("stratum 3\n"), false, true),
            (Some("periodic 2\n"), false, true),
            (Some("periodic 16\n"), true, false),
            (Some("unsync 16\n"), true, false),
            (Some("step\n"), false, false),
            (Some(""), true, false),
            (None, true, true),
            (None, false, false),
        ] {
            let disk = SimDisk::with([]);
            if let Some(told) = told {
                disk.put(NTP_STATE, told);
            }
            if mark {
                disk.put(TIME_IS_VALID, "");
            }
            assert_eq!(clock_synchronized(&disk), want, "{told:?} {mark}");
        }
    }

    #[test]
    fn facts_have_the_names_of_a_recording_and_space_is_told_where_there_is_a_file_system() {
        let facts = Facts::new(Arc::new(SimDisk::with([])));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let Source::Ready(tree) = facts.source("facts").await else { panic!() };
            for name in ["clock_synchronized", "byte_order", "machine", "hostapd_features"] {
                assert!(tree.get(name).is_some(), "{name}");
            }
            let Source::Ready(root) = facts.source("space /").await else { panic!() };
            let total: u64 = root.str("total").unwrap().parse().unwrap();
            let free: u64 = root.str("free").unwrap().parse().unwrap();
            assert!(total > 0 && free <= total);
            assert!(matches!(facts.source("space /no/such/path").await, Source::Absent));
            assert!(matches!(facts.source("else").await, Source::Failed(_)));
        });
    }
}
