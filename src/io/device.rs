//! The device the agent runs on: this router, or one laid out in a folder.
//!
//! In a folder nothing outside it is touched: a reload, reboot or reset is a line in its `actions.log`, and one that
//! would end the agent ends it with an exit status of its own, so that a supervisor can start it again as a boot.

use super::clock::Clock;
use super::commit::{package_sum, read_package};
use super::diag::{DNS_PORT, Lab};
use super::disk::{Disk, RealDisk};
use super::fetch::Fetch;
use super::services::Services;
use super::ubus::{self, Ubus};
use crate::config::Config;
use crate::dm::source::Source;
use crate::dm::tree::Tree;
use crate::openwrt::uci;
use crate::rng::Rng;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc;

/// The log of what would have been done to a device in a folder.
pub const ACTIONS: &str = "/actions.log";

/// Why the agent ended, as an exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was told to: 0.
    Ended,
    /// The device restarts: in a folder 80, to be started again as a boot.
    Reboot,
    /// The device was reset to its factory state and restarts: in a folder 81.
    FactoryReset,
}

impl Exit {
    /// The exit status.
    pub const fn status(self) -> u8 {
        match self {
            Exit::Ended => 0,
            Exit::Reboot => 80,
            Exit::FactoryReset => 81,
        }
    }
}

/// A router, this one or one in a folder.
pub struct Device {
    root: Option<PathBuf>,
    disk: Arc<RealDisk>,
    fetch: Fetch,
    ubus: Option<Ubus>,
    events: Option<mpsc::Receiver<crate::openwrt::ubus::client::Event>>,
    clock: Clock,
    reading_skew: i64,
}

impl Device {
    /// The router whose `/` is `root`; this one without it.
    pub fn open(root: Option<&Path>) -> io::Result<Device> {
        let disk = Arc::new(RealDisk::new(root.unwrap_or(Path::new("/")))?);
        // A folder with a socket in it has a ubus of its own.
        let sockets: Vec<PathBuf> =
            ubus::SOCKETS.iter().filter_map(|path| disk.host_path(path).ok()).collect();
        let live = root.is_none() || sockets.iter().any(|socket| socket.exists());
        let (ubus, events, fetch) = if live {
            let (ubus, events) = Ubus::connect(sockets);
            (Some(ubus.clone()), Some(events), Fetch::live(disk.clone(), ubus))
        } else {
            (None, None, Fetch::recorded(disk.clone()))
        };
        let clock = Clock::Machine;
        let recorded = if live { None } else { Clock::still(&*disk).ok().and_then(|clock| clock.now().wall) };
        let reading_skew = match (recorded, clock.now().wall) {
            (Some(recorded), Some(now)) => recorded.seconds - now.seconds,
            (Some(_) | None, _) => 0,
        };
        Ok(Device { root: root.map(Path::to_path_buf), disk, fetch, ubus, events, clock, reading_skew })
    }

    /// Whether it is one in a folder.
    pub fn is_folder(&self) -> bool {
        self.root.is_some()
    }

    /// Its files.
    pub fn disk(&self) -> Arc<RealDisk> {
        self.disk.clone()
    }

    /// Its clocks.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// What to add to the time for reads of a recording.
    pub fn reading_skew(&self) -> i64 {
        self.reading_skew
    }

    /// What diagnostics are run with.
    pub fn lab(&self, config: &Config) -> Lab {
        #[cfg(feature = "cwmp")]
        let ca_file = &config.acs.tls.ca_file;
        #[cfg(not(feature = "cwmp"))]
        let ca_file = &config.usp.tls.ca_file;
        Lab {
            disk: self.disk(),
            fetch: self.sources(),
            clock: self.clock,
            folder: self.is_folder(),
            ca_file: self.disk.host_path(ca_file).unwrap_or_else(|_| PathBuf::from(ca_file)),
            dns_port: DNS_PORT,
        }
    }

    /// What links are made with.
    #[cfg(feature = "usp")]
    pub fn site(&self) -> super::mtp::dial::Site {
        super::mtp::dial::Site {
            disk: self.disk(),
            fetch: self.sources(),
            clock: self.clock,
            folder: self.is_folder(),
        }
    }

    /// Where sources are read.
    pub fn sources(&self) -> Fetch {
        self.fetch.clone()
    }

    /// Its services, to be told and called.
    pub fn services(&self) -> Services {
        Services { folder: self.is_folder().then(|| self.disk.clone()), ubus: self.ubus.clone() }
    }

    /// Notes that the device restarts, reset to its factory state if so. In a folder this is all that happens.
    pub fn restarted(&self, reset: bool) -> Exit {
        log::warn!("the device {}", if reset { "is reset to its factory state" } else { "restarts" });
        if self.is_folder() {
            self.services().log(if reset { "factory-reset" } else { "reboot" });
            if reset {
                self.unlay();
            }
            self.new_boot();
        }
        if reset { Exit::FactoryReset } else { Exit::Reboot }
    }

    /// Has what the read-only part of the image holds come back, as when an overlay is erased.
    fn unlay(&self) {
        for name in self.disk.list("/rom/etc/config").unwrap_or_default() {
            if let Ok(text) = self.disk.read(&format!("/rom/etc/config/{name}"), super::disk::MAX_FILE)
                && let Err(error) = self.disk.replace(&format!("/etc/config/{name}"), &text, 0o600)
            {
                log::error!("{name} is not restored: {error}");
            }
        }
    }

    /// What ubus tells by itself; once.
    pub fn take_events(&mut self) -> Option<(Ubus, mpsc::Receiver<crate::openwrt::ubus::client::Event>)> {
        Some((self.ubus.clone()?, self.events.take()?))
    }

    /// A folder's next start is another boot.
    fn new_boot(&self) {
        let id: String = Rng::new(super::random::seed()).hex(16);
        if let Err(error) = self.disk.write("/proc/sys/kernel/random/boot_id", id.as_bytes(), 0o644) {
            log::error!("the boot is not noted: {error}");
        }
    }
}

/// A package and the checksum of its text; that of no text at all where it has no file.
pub fn package(disk: &dyn Disk, name: &str) -> (Source, Option<Box<str>>) {
    match read_package(disk, name) {
        Ok((text, sum)) => match uci::package(&text, uci::Mode::Strict) {
            Ok(package) => (Source::ready(package.into_tree()), Some(sum.into())),
            Err(error) => (Source::Failed(format!("/etc/config/{name}: {error}")), None),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => (Source::Absent, package_sum(disk, name)),
        Err(error) => (Source::Failed(error.to_string()), None),
    }
}

/// The device of a network, as netifd knows it now; why there is none, in words.
pub async fn netdev(fetch: &Fetch, name: &str) -> Result<String, String> {
    let dump = match fetch.fetch("ubus:network.interface dump").await {
        Source::Ready(dump) => dump,
        Source::Absent => return Err("netifd does not answer".into()),
        Source::Failed(why) => return Err(format!("netifd does not answer: {why}")),
    };
    let all = dump.get("interface").map_or(&[][..], Tree::items);
    let device =
        all.iter().find(|one| one.str("interface") == Some(name)).and_then(|one| one.str("l3_device"));
    device.map(str::to_string).ok_or(format!("the network {name} is not up"))
}
