//! Files, as narrow as the agent needs them: whole reads, atomic replacement, append, locks.
//!
//! Paths are those of the router, such as `/etc/config/network`, wherever they lie in truth. A [`Disk`] offers
//! single steps that promise nothing, and from them, written once for every kind of disk, the operations that
//! are durable when they return: [`Disk::replace`], [`Disk::append`], [`Disk::remove`]. It knows no formats.
//! Driven by `io::commit`, `io::store` and the sources; [`sim::SimDisk`] cuts the power between any two steps.

mod real;
#[doc(hidden)]
pub mod sim;

pub use real::RealDisk;

use crate::time::Wall;
use std::any::Any;
use std::io;
use std::time::Duration;

/// The largest file read or written through a [`Disk`], in octets; images and uploads stream elsewhere.
pub const MAX_FILE: u64 = 4 << 20;
/// The most entries [`Disk::list`] returns of one directory.
pub const MAX_ENTRIES: usize = 4_096;
/// How long the lock of a configuration file is waited for.
pub const LOCK_WAIT: Duration = Duration::from_secs(10);

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its length in octets; 0 for files the kernel makes up.
    pub len: u64,
    /// The permission bits.
    pub mode: u32,
    /// When its content changed last.
    pub modified: Wall,
    /// Which file it is; another one after a replacement.
    pub inode: u64,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// What has been written to flash since the start; memory file systems do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Octets of content.
    pub bytes: u64,
    /// Contents and directories forced out.
    pub syncs: u64,
}

/// An exclusive lock, let go when dropped.
pub struct Lock {
    _held: Box<dyn Any + Send + Sync>,
}

impl std::fmt::Debug for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lock")
    }
}

/// The files of one router. Every call may block; the loop itself makes none but for what the kernel has in memory.
pub trait Disk: Send + Sync {
    /// The content of a file, refused with `FileTooLarge` beyond `limit` octets.
    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>>;
    /// The first `limit` octets of a file or a device.
    fn read_head(&self, path: &str, limit: u64) -> io::Result<Vec<u8>>;
    /// What is known of a file or directory, links followed.
    fn stat(&self, path: &str) -> io::Result<Stat>;
    /// The names in a directory, sorted, at most [`MAX_ENTRIES`].
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;
    /// The path with every link followed; its last part need not exist. `/var` is `/tmp` where nothing says
    /// otherwise.
    fn resolve(&self, path: &str) -> io::Result<String>;
    /// Locks a file against all other writers, and readers that ask, as libuci does (`flock` of the file).
    ///
    /// When it returns the file at `path` is the locked one, although writers replace it by renaming.
    /// `WouldBlock` after `wait`; `NotFound` where there is no file.
    fn lock(&self, path: &str, wait: Duration) -> io::Result<Lock>;
    /// The flash used up so far.
    fn written(&self) -> Written;

    /// One step: creates or truncates a file and fills it. Nothing is durable yet.
    fn write(&self, path: &str, content: &[u8], mode: u32) -> io::Result<()>;
    /// One step: adds to the end of a file, created with mode 0600 if missing. Nothing is durable yet.
    fn extend(&self, path: &str, content: &[u8]) -> io::Result<()>;
    /// One step: forces the content of a file out.
    fn sync(&self, path: &str) -> io::Result<()>;
    /// One step: forces the entries of a directory out.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;
    /// One step: moves an entry over another one.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// One step: removes an entry; a link itself, not what it leads to.
    fn unlink(&self, path: &str) -> io::Result<()>;
    /// One step: makes a directory (mode 0700) in one that is there. Nothing is durable yet.
    fn mkdir(&self, dir: &str) -> io::Result<()>;

    /// Makes a directory (mode 0700) and those above it durably; no error where it exists.
    fn make_dir(&self, dir: &str) -> io::Result<()> {
        let target = self.resolve(dir)?;
        if self.exists(&target) {
            return Ok(());
        }
        let (above, _) = split(&target)?;
        if above != "/" {
            self.make_dir(above)?;
        }
        match self.mkdir(&target) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(e) => Err(e),
            Ok(()) => self.sync_dir(above),
        }
    }

    /// Puts `content` in place of a file, or makes it, atomically and durably: after a power cut at any moment
    /// there is the old file or the new one. Where it fails the old file is still there.
    ///
    /// Links are kept: what they lead to is replaced.
    fn replace(&self, path: &str, content: &[u8], mode: u32) -> io::Result<()> {
        let target = self.resolve(path)?;
        let (dir, name) = split(&target)?;
        // The name is fixed: it is used under a lock or by one writer only, and a leftover is overwritten
        // instead of staying for ever. The dot hides it from libuci.
        let temp = format!("{}/.{name}.cpeagent", dir.trim_end_matches('/'));
        self.write(&temp, content, mode)
            .and_then(|()| self.sync(&temp))
            .and_then(|()| self.rename(&temp, &target))
            .inspect_err(|_| drop(self.unlink(&temp)))?;
        self.sync_dir(dir)
    }

    /// Adds `content` to the end of a file durably. After a power cut or an error any part of it may be there.
    fn append(&self, path: &str, content: &[u8]) -> io::Result<()> {
        let target = self.resolve(path)?;
        let new = matches!(self.stat(&target), Err(e) if e.kind() == io::ErrorKind::NotFound);
        self.extend(&target, content)?;
        self.sync(&target)?;
        if new { self.sync_dir(split(&target)?.0) } else { Ok(()) }
    }

    /// Removes a file durably; no error where there is none.
    fn remove(&self, path: &str) -> io::Result<()> {
        match self.unlink(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(e),
            Ok(()) => self.sync_dir(split(path)?.0),
        }
    }

    /// Whether there is a file or directory.
    fn exists(&self, path: &str) -> bool {
        self.stat(path).is_ok()
    }

    /// A whole file as text; `InvalidData` where it is not UTF-8.
    fn read_text(&self, path: &str) -> io::Result<String> {
        String::from_utf8(self.read(path, MAX_FILE)?).map_err(|_| io::ErrorKind::InvalidData.into())
    }
}

/// The file that holds a UCI package: `/var/run/uci/NAME` where that exists, else `/etc/config/NAME`.
///
/// Refuses with `InvalidInput` what is not the name of a package.
/// Source: libuci, "conf2dir": the file there is read and written instead of the one on flash.
pub fn package_path(disk: &dyn Disk, package: &str) -> io::Result<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if package.is_empty() || package.len() > 64 || !package.chars().all(fits) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let instead = format!("/var/run/uci/{package}");
    Ok(if disk.exists(&instead) { instead } else { format!("/etc/config/{package}") })
}

/// Whether a resolved path lies on flash rather than in memory.
fn on_flash(path: &str) -> bool {
    !["/tmp/", "/var/", "/proc/", "/sys/", "/dev/", "/run/"].iter().any(|dir| path.starts_with(dir))
}

/// Directory and name of an absolute path.
fn split(path: &str) -> io::Result<(&str, &str)> {
    match path.rsplit_once('/') {
        Some((dir, name)) if !name.is_empty() && name != ".." => {
            Ok((if dir.is_empty() { "/" } else { dir }, name))
        }
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::sim::SimDisk;
    use super::*;

    #[test]
    fn after_a_power_cut_at_any_step_a_replaced_file_is_the_old_or_the_new_one() {
        let mut seen = crate::sorted::Set::new();
        for cut in 0..6 {
            for seed in 0..32 {
                let disk = SimDisk::with([("/etc/a", "old")]);
                disk.cut_after(cut);
                let told = disk.replace("/etc/a", b"new", 0o600).is_ok();
                disk.reboot(seed);
                let now = disk.read_text("/etc/a").unwrap();
                assert!(now == "old" || now == "new", "cut {cut} seed {seed}: {now:?}");
                assert!(!told || now == "new", "told but lost, cut {cut} seed {seed}");
                seen.insert(now);
            }
        }
        assert_eq!(seen.len(), 2, "the model cuts on both sides");
    }

    #[test]
    fn what_was_written_into_a_new_folder_is_not_lost_with_the_folder() {
        for seed in 0..32 {
            let disk = SimDisk::with([("/etc/a", "old")]);
            disk.make_dir("/etc/new/deep").unwrap();
            disk.replace("/etc/new/deep/b", b"text", 0o600).unwrap();
            disk.reboot(seed);
            assert_eq!(disk.read_text("/etc/new/deep/b").unwrap(), "text", "seed {seed}");
        }
        let lost = (0..32).any(|seed| {
            let disk = SimDisk::with([("/etc/a", "old")]);
            disk.mkdir("/etc/new").unwrap();
            disk.replace("/etc/new/b", b"text", 0o600).unwrap();
            disk.reboot(seed);
            !disk.exists("/etc/new/b")
        });
        assert!(lost, "the model loses a folder that was not forced out");
    }

    #[test]
    fn a_replacement_without_its_syncs_is_caught_by_the_simulated_disk() {
        let lost = |steps: &dyn Fn(&SimDisk)| {
            (0..64).any(|seed| {
                let disk = SimDisk::with([("/etc/a", "old")]);
                steps(&disk);
                disk.reboot(seed);
                disk.read_text("/etc/a").unwrap() != "new"
            })
        };
        let (write, sync) = (
            |d: &SimDisk| d.write("/etc/.a", b"new", 0o600).unwrap(),
            |d: &SimDisk| d.sync("/etc/.a").unwrap(),
        );
        let (rename, dir) =
            (|d: &SimDisk| d.rename("/etc/.a", "/etc/a").unwrap(), |d: &SimDisk| d.sync_dir("/etc").unwrap());
        assert!(lost(&|d| (write(d), rename(d), dir(d)).2), "content not synced");
        assert!(lost(&|d| (write(d), sync(d), rename(d)).2), "directory not synced");
        assert!(!lost(&|d| (write(d), sync(d), rename(d), dir(d)).3));
    }

    #[test]
    fn what_an_append_promised_survives_and_what_was_there_before_always_does() {
        for cut in 0..5 {
            for seed in 0..32 {
                let disk = SimDisk::with([("/etc/log", "one\n")]);
                disk.cut_after(cut);
                let told = disk.append("/etc/log", b"two\n").is_ok();
                disk.reboot(seed);
                let now = disk.read("/etc/log", 100).unwrap();
                assert!(now.starts_with(b"one\n"), "cut {cut} seed {seed}");
                assert!(!told || now == b"one\ntwo\n", "cut {cut} seed {seed}");
            }
        }
    }

    #[test]
    fn a_full_or_read_only_disk_keeps_the_old_file_and_no_leftover() {
        for (set, kind) in [
            ((|d: &SimDisk| d.set_free(Some(1))) as fn(&SimDisk), io::ErrorKind::StorageFull),
            (|d| d.set_read_only(true), io::ErrorKind::ReadOnlyFilesystem),
        ] {
            let disk = SimDisk::with([("/etc/a", "old")]);
            set(&disk);
            assert_eq!(disk.replace("/etc/a", b"new", 0o600).unwrap_err().kind(), kind);
            assert_eq!(disk.read_text("/etc/a").unwrap(), "old");
            assert_eq!(disk.list("/etc").unwrap(), ["a"]);
        }
    }

    #[test]
    fn the_file_of_a_package_is_the_override_where_there_is_one() {
        let disk = SimDisk::with([("/etc/config/dhcp", ""), ("/etc/config/wifi", "")]);
        disk.put("/var/run/uci/wifi", "");
        for (package, want) in [
            ("dhcp", Some("/etc/config/dhcp")),
            ("wifi", Some("/var/run/uci/wifi")),
            ("luci-app_x", Some("/etc/config/luci-app_x")),
            ("", None),
            ("../passwd", None),
            ("a/b", None),
        ] {
            assert_eq!(package_path(&disk, package).ok().as_deref(), want, "{package:?}");
        }
    }

    #[test]
    fn flash_counts_and_memory_does_not() {
        let disk = SimDisk::with([]);
        disk.replace("/tmp/x", b"12345", 0o600).unwrap();
        disk.replace("/var/x", b"12345", 0o600).unwrap();
        assert_eq!(disk.written(), Written::default());
        disk.replace("/etc/x", b"12345", 0o600).unwrap();
        assert_eq!(disk.written(), Written { bytes: 5, syncs: 2 });
    }
}
