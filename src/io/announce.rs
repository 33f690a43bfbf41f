//! Which packages were committed and not announced, and which calls were not made, for an agent that is ended before.
//!
//! Noted in memory with a commit and dropped when the services were told. A boot starts the services with the new files, so
//! nothing has to outlive one, and no flash is spent. Driven by `io::commit` and `io::run`.

use super::disk::{Disk, MAX_FILE};
use super::store::boot_id;
use std::io;

/// Where it is noted; in a memory file system. A line is a boot, the sequence of the last commit, and a package or a call.
pub const UNANNOUNCED: &str = "/var/run/cpeagent.unannounced";
/// How a call begins, such as `ubus:network.interface.wan renew`.
const CALL: &str = "ubus:";
/// The longest call that is noted, octets.
const MAX_CALL: usize = 128;
/// The most calls that a commit may ask for.
const MAX_CALLS: usize = 64;

/// A commit, and the package or call that it has to be told of.
type Due = (u64, Box<str>);

/// Whether these are calls that can be noted: the right kind, and neither too long nor too many.
pub fn are_calls(calls: &[Box<str>]) -> bool {
    let fits =
        |call: &str| call.starts_with(CALL) && call.len() <= MAX_CALL && !call.contains(char::is_control);
    calls.len() <= MAX_CALLS && calls.iter().all(|call| fits(call))
}

/// Notes packages that a commit is about to change, or calls that it has brought.
pub fn expect(disk: &dyn Disk, sequence: u64, items: &[Box<str>]) -> io::Result<()> {
    let mut left = read(disk);
    left.retain(|(_, item)| !items.contains(item));
    left.extend(items.iter().map(|item| (sequence, item.clone())));
    write(disk, &left)
}

/// Notes that the services were told of packages as they were after commit `upto`, or that calls asked for till then were made.
pub fn told(disk: &dyn Disk, upto: u64, items: &[Box<str>]) -> io::Result<()> {
    let mut left = read(disk);
    let before = left.len();
    left.retain(|(sequence, item)| *sequence > upto || !items.contains(item));
    if left.len() == before { Ok(()) } else { write(disk, &left) }
}

/// The packages of which the services have not been told in this boot, and the calls that were not made, in their order.
pub fn left(disk: &dyn Disk) -> (Vec<Box<str>>, Vec<Box<str>>) {
    let items = read(disk).into_iter().map(|(_, item)| item);
    items.partition(|item| !item.starts_with(CALL))
}

/// What is noted of this boot. A line that was cut off is none.
fn read(disk: &dyn Disk) -> Vec<Due> {
    let (text, boot) = (disk.read(UNANNOUNCED, MAX_FILE).unwrap_or_default(), boot(disk));
    let text = String::from_utf8_lossy(&text);
    let lines = text.split_inclusive('\n').filter_map(|line| {
        let mut words = line.strip_suffix('\n')?.splitn(3, ' ');
        let (of, sequence, item) = (words.next()?, words.next()?, words.next()?);
        (of == boot).then_some((sequence.parse().ok()?, item.into()))
    });
    lines.collect()
}

fn write(disk: &dyn Disk, left: &[Due]) -> io::Result<()> {
    if left.is_empty() {
        return disk.remove(UNANNOUNCED);
    }
    let boot = boot(disk);
    let lines = left.iter().map(|(sequence, item)| format!("{boot} {sequence} {item}\n"));
    disk.make_dir("/var/run")?;
    disk.replace(UNANNOUNCED, lines.collect::<String>().as_bytes(), 0o600)
}

fn boot(disk: &dyn Disk) -> String {
    let id: String = boot_id(disk).chars().filter(|c| !c.is_whitespace()).collect();
    if id.is_empty() { "-".into() } else { id }
}

#[cfg(test)]
mod tests {
    use super::super::disk::sim::SimDisk;
    use super::*;

    fn names(names: &[&str]) -> Vec<Box<str>> {
        names.iter().map(|name| (*name).into()).collect()
    }

    #[test]
    fn a_package_is_left_until_the_services_know_its_last_commit() {
        let disk = SimDisk::with([]);
        let note = |sequence, packages: &[&str]| expect(&disk, sequence, &names(packages)).is_ok();
        let drop = |upto, packages: &[&str]| told(&disk, upto, &names(packages)).is_ok();
        assert!(note(1, &["dhcp", "network"]) && note(2, &["dhcp"]));
        assert!(drop(1, &["dhcp", "network"]));
        assert_eq!(left(&disk).0, names(&["dhcp"]), "committed again while the services were told");
        assert!(drop(2, &["dhcp"]) && drop(2, &["dhcp"]));
        assert!(left(&disk).0.is_empty() && !disk.exists(UNANNOUNCED));
    }

    #[test]
    fn calls_are_left_in_the_order_they_were_asked_for_until_each_is_made() {
        let disk = SimDisk::with([]);
        let (down, up) = ("ubus:network.interface.wan down", "ubus:network.interface.wan up");
        assert!(expect(&disk, 1, &names(&["wireless"])).is_ok());
        assert!(expect(&disk, 1, &names(&[down, up])).is_ok());
        assert_eq!(left(&disk), (names(&["wireless"]), names(&[down, up])));
        assert!(told(&disk, 1, &names(&[down])).is_ok());
        assert_eq!(left(&disk), (names(&["wireless"]), names(&[up])), "killed between the two");
        assert!(expect(&disk, 1, &names(&[down, up])).is_ok());
        assert_eq!(left(&disk).1, names(&[down, up]), "asked for again, each is made once");
    }

    #[test]
    fn what_cannot_be_a_line_of_the_note_is_no_call() {
        let call = "ubus:network.interface.wan renew";
        let (long, many) = (format!("{call}{}", "x".repeat(MAX_CALL)), vec![call; MAX_CALLS + 1]);
        assert!(are_calls(&names(&[call, call])));
        for bad in [&["network"][..], &["ubus:a\n1 1 network"], &[&long], &many] {
            assert!(!are_calls(&names(bad)), "{bad:?}");
        }
    }

    #[test]
    fn a_boot_leaves_nothing_also_where_the_file_outlives_it() {
        let disk = SimDisk::with([]);
        assert!(expect(&disk, 1, &names(&["dhcp"])).is_ok());
        let text = disk.read_text(UNANNOUNCED).unwrap_or_default();
        disk.reboot(0);
        disk.put(UNANNOUNCED, &text);
        assert!(left(&disk).0.is_empty());
        disk.put(UNANNOUNCED, text.trim_end());
        assert!(left(&disk).0.is_empty(), "a line that was cut off");
        assert_eq!(disk.written().bytes, 0, "no flash is spent");
    }
}
