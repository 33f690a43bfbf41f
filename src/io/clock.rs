//! What time it is: of this machine, or the moment at which a device folder was recorded.
//!
//! Makes the [`Now`] that everything else is handed. Sets no clock and keeps no timers.

use super::disk::Disk;
use super::tls::built;
use crate::time::{Instant, Now, Wall};
use rustix::time::{ClockId, clock_gettime};
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use std::io;
use std::time::Duration;

/// Where the time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// This machine's clocks.
    Machine,
    /// A recording's present, at which time stands still.
    Still(Now),
    /// A recording's present, from which time goes on: what it was, and this machine's clock then.
    From(Now, Instant),
}

impl Clock {
    /// The present of a device folder, `btime` of `/proc/stat` and `/proc/uptime`, at which it stands still.
    ///
    /// `InvalidData` where the folder does not tell.
    pub fn still(disk: &dyn Disk) -> io::Result<Clock> {
        recorded(disk).map(Clock::Still)
    }

    /// As [`Clock::still`], but time goes on from there, for an agent that runs on a device folder.
    pub fn started(disk: &dyn Disk) -> io::Result<Clock> {
        recorded(disk).map(|then| Clock::From(then, boot_time()))
    }

    /// The time.
    pub fn now(&self) -> Now {
        match self {
            Clock::Machine => Now { at: boot_time(), wall: wall() },
            Clock::Still(now) => *now,
            Clock::From(then, start) => {
                let passed = boot_time().since(*start);
                let seconds = i64::try_from(passed.as_secs()).unwrap_or(i64::MAX);
                Now { at: then.at + passed, wall: then.wall.map(|wall| wall.plus(seconds)) }
            }
        }
    }
}

/// The clock that goes on through suspend.
fn boot_time() -> Instant {
    let time = clock_gettime(ClockId::Boottime);
    Instant(Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default()))
}

/// What the calendar shows, right or wrong: the one place that asks for it.
///
/// The standard library is not asked: where a word has 32 bits its seconds have too, unless it was built otherwise, and past 2038 it
/// panics.
pub(super) fn shown() -> Wall {
    let time = clock_gettime(ClockId::Realtime);
    Wall { seconds: time.tv_sec, micros: u32::try_from(time.tv_nsec / 1_000).unwrap_or_default() }
}

/// Calendar time; nothing while the clock shows a time before this program was built.
fn wall() -> Option<Wall> {
    Some(shown()).filter(|wall| *wall >= built())
}

/// The calendar for TLS, which would ask the standard library otherwise.
#[derive(Debug)]
pub(super) struct Calendar;

impl TimeProvider for Calendar {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(shown().seconds).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

fn recorded(disk: &dyn Disk) -> io::Result<Now> {
    let lacks =
        |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{what} does not tell the time"));
    let stat = disk.read_text("/proc/stat")?;
    let boot = stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<i64>().ok());
    let uptime = disk.read_text("/proc/uptime")?;
    let uptime =
        uptime.split_whitespace().next().and_then(|word| word.split('.').next()?.parse::<u32>().ok());
    let (boot, uptime) =
        (boot.ok_or_else(|| lacks("/proc/stat"))?, uptime.ok_or_else(|| lacks("/proc/uptime"))?);
    let wall = Wall::at(boot.saturating_add(i64::from(uptime)));
    Ok(Now { at: Instant(Duration::from_secs(u64::from(uptime))), wall: Some(wall) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::disk::sim::SimDisk;
    use super::*;

    #[test]
    fn the_present_of_a_recording_is_its_boot_and_its_uptime() {
        for (stat, uptime, want) in [
            ("cpu 1 2\nbtime 1795000000\nprocesses 3\n", "140.57 20.1\n", Some(1_795_000_140)),
            ("btime x\n", "140.57 20.1\n", None),
            ("btime 1795000000\n", "\n", None),
        ] {
            let disk = SimDisk::with([]);
            disk.put("/proc/stat", stat);
            disk.put("/proc/uptime", uptime);
            let now = Clock::still(&disk).ok().map(|clock| clock.now());
            assert_eq!(now.and_then(|now| now.wall), want.map(Wall::at), "{stat:?}");
            assert_eq!(now.map(|now| now.at), want.map(|_| Instant(Duration::from_secs(140))));
        }
        assert!(Clock::still(&SimDisk::with([])).is_err());
    }

    #[test]
    fn a_recording_that_runs_goes_on_from_its_present_and_never_back() {
        let disk = SimDisk::with([]);
        disk.put("/proc/stat", "btime 1795000000\n");
        disk.put("/proc/uptime", "100.00 1.0\n");
        let clock = Clock::started(&disk).unwrap();
        let (first, second) = (clock.now(), clock.now());
        assert!(first.at >= Instant(Duration::from_secs(100)) && second.at >= first.at);
        assert!(first.wall >= Some(Wall::at(1_795_000_100)) && second.wall >= first.wall);
    }
}
