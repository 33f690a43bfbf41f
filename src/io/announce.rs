//! Which packages were committed and not announced, for an agent that is ended between the two.
//!
//! Noted in memory before a commit takes effect and dropped when the services were told. A boot starts the services with
//! the new files, so nothing has to outlive one, and no flash is spent. Driven by `io::commit` and `io::run`.

use super::disk::{Disk, MAX_FILE};
use super::store::boot_id;
use crate::sorted::Map;
use std::io;

/// Where it is noted; in a memory file system. A line is a boot, the sequence of the last commit, and a package.
pub const UNANNOUNCED: &str = "/var/run/cpeagent.unannounced";

/// Notes that a commit is about to change packages.
pub fn expect(disk: &dyn Disk, sequence: u64, packages: &[Box<str>]) -> io::Result<()> {
    let mut left = read(disk);
    left.extend(packages.iter().map(|package| (package.clone(), sequence)));
    write(disk, &left)
}

/// Notes that the services were told of packages as they were after commit `upto`.
pub fn told(disk: &dyn Disk, upto: u64, packages: &[Box<str>]) -> io::Result<()> {
    let mut left = read(disk);
    let before = left.len();
    left.retain(|package, sequence| *sequence > upto || !packages.contains(package));
    if left.len() == before { Ok(()) } else { write(disk, &left) }
}

/// The packages of which the services have not been told in this boot, by name.
pub fn left(disk: &dyn Disk) -> Vec<Box<str>> {
    read(disk).into_keys().collect()
}

/// What is noted of this boot. A line that was cut off is none.
fn read(disk: &dyn Disk) -> Map<Box<str>, u64> {
    let (text, boot) = (disk.read(UNANNOUNCED, MAX_FILE).unwrap_or_default(), boot(disk));
    let text = String::from_utf8_lossy(&text);
    let lines = text.split_inclusive('\n').filter_map(|line| {
        let mut words = line.strip_suffix('\n')?.split(' ');
        let (of, sequence, package) = (words.next()?, words.next()?, words.next()?);
        (of == boot).then_some((package.into(), sequence.parse().ok()?))
    });
    lines.collect()
}

fn write(disk: &dyn Disk, left: &Map<Box<str>, u64>) -> io::Result<()> {
    if left.is_empty() {
        return disk.remove(UNANNOUNCED);
    }
    let boot = boot(disk);
    let lines = left.iter().map(|(package, sequence)| format!("{boot} {sequence} {package}\n"));
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
        assert_eq!(left(&disk), names(&["dhcp"]), "committed again while the services were told");
        assert!(drop(2, &["dhcp"]) && drop(2, &["dhcp"]));
        assert!(left(&disk).is_empty() && !disk.exists(UNANNOUNCED));
    }

    #[test]
    fn a_boot_leaves_nothing_also_where_the_file_outlives_it() {
        let disk = SimDisk::with([]);
        assert!(expect(&disk, 1, &names(&["dhcp"])).is_ok());
        let text = disk.read_text(UNANNOUNCED).unwrap_or_default();
        disk.reboot(0);
        disk.put(UNANNOUNCED, &text);
        assert!(left(&disk).is_empty());
        disk.put(UNANNOUNCED, text.trim_end());
        assert!(left(&disk).is_empty(), "a line that was cut off");
        assert_eq!(disk.written().bytes, 0, "no flash is spent");
    }
}
