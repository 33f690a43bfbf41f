//! The files of this router, or of one laid out under a folder.
//!
//! Owns the translation of router paths to paths of the host, links followed inside the folder as `chroot` would,
//! so that nothing given with `--root DIR` touches a file outside DIR. What only root may read is asked of the root part, where there
//! is one.

use super::{Disk, Lock, MAX_ENTRIES, Stat, Written, on_flash, split};
use crate::io::privileged;
use crate::time::Wall;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most links followed in one path, as in Linux.
const MAX_LINKS: usize = 40;
/// The most times a file may be replaced while its lock is waited for.
const MAX_REPLACED: usize = 64;
/// How often a lock that somebody holds is tried again.
const LOCK_POLL: Duration = Duration::from_millis(20);
/// Octets that nearly every source has fewer of: it is read in one go, without memory being taken for more than it has.
const SHORT: usize = 4096;

/// The files below one folder, which is `/` on a router.
#[derive(Debug)]
pub struct RealDisk {
    root: PathBuf,
    /// The root itself, to open what lies in it.
    folder: OwnedFd,
    written: Mutex<Written>,
}

impl RealDisk {
    /// The router whose `/` is `root`. `NotFound` or `NotADirectory` where that is no folder.
    pub fn new(root: &Path) -> io::Result<RealDisk> {
        let root = root.canonicalize()?;
        if !root.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let folder = rustix::fs::open(&root, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        Ok(RealDisk { root, folder, written: Mutex::default() })
    }

    /// Where a router path lies on this host, its links followed within the root.
    pub fn host_path(&self, path: &str) -> io::Result<PathBuf> {
        Ok(self.on_host(&self.resolve(path)?))
    }

    /// Opens a file to read: one call to the kernel, which keeps the links within the root. Where that fails, as it does before Linux 5.6,
    /// each part of the path is looked at here.
    fn open(&self, path: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        match openat2(&self.folder, sound(path)?, flags, Mode::empty(), ResolveFlags::IN_ROOT) {
            Ok(file) => Ok(file.into()),
            Err(_) => File::open(self.host_path(path)?),
        }
    }

    fn on_host(&self, resolved: &str) -> PathBuf {
        self.root.join(resolved.trim_start_matches('/'))
    }

    /// An entry itself: the directory resolved, the last part taken as it stands.
    fn entry(&self, path: &str) -> io::Result<PathBuf> {
        let (dir, name) = split(path)?;
        Ok(self.on_host(&self.resolve(dir)?).join(name))
    }

    fn count(&self, path: &str, bytes: usize, syncs: u64) {
        if self.resolve(path).is_ok_and(|path| on_flash(&path)) {
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            written.bytes += bytes as u64;
            written.syncs += syncs;
        }
    }
}

impl Disk for RealDisk {
    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let file = match self.open(path) {
            Ok(file) => file,
            Err(refused) => return privileged::read(refused, path, limit),
        };
        let (mut file, mut short) = (file.take(limit.saturating_add(1)), [0; SHORT]);
        let read = file.read(&mut short)?;
        let mut content = short.get(..read).unwrap_or_default().to_vec();
        file.read_to_end(&mut content)?;
        if content.len() as u64 > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(content)
    }

    fn read_head(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        self.open(path)?.take(limit).read_to_end(&mut content)?;
        Ok(content)
    }

    fn stat(&self, path: &str) -> io::Result<Stat> {
        let meta = match fs::metadata(self.host_path(path)?) {
            Ok(meta) => meta,
            Err(refused) => return privileged::stat(refused, path),
        };
        Ok(Stat {
            len: meta.len(),
            mode: meta.mode() & 0o7777,
            modified: Wall { seconds: meta.mtime(), micros: (meta.mtime_nsec() / 1_000) as u32 },
            inode: meta.ino(),
            is_dir: meta.is_dir(),
        })
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        let entries = match fs::read_dir(self.host_path(dir)?) {
            Ok(entries) => entries,
            Err(refused) => return privileged::list(refused, dir),
        };
        for entry in entries.take(MAX_ENTRIES) {
            names.extend(entry?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn resolve(&self, path: &str) -> io::Result<String> {
        let mut todo: VecDeque<String> = sound(path)?.split('/').map(str::to_string).collect();
        let (mut here, mut links) = (self.root.clone(), 0);
        while let Some(part) = todo.pop_front() {
            match part.as_str() {
                "" | "." => continue,
                ".." if here == self.root => {}
                ".." => drop(here.pop()),
                _ => {
                    let first = here == self.root;
                    here.push(&part);
                    match fs::read_link(&here) {
                        Ok(target) => {
                            links += 1;
                            let target = target.to_str().filter(|_| links <= MAX_LINKS);
                            let target = target.ok_or_else(|| io::Error::from(rustix::io::Errno::LOOP))?;
                            if target.starts_with('/') {
                                here.clone_from(&self.root);
                            } else {
                                here.pop();
                            }
                            target.split('/').rev().for_each(|part| todo.push_front(part.to_string()));
                        }
                        // A folder that holds only the files of interest needs no link from /var to /tmp.
                        Err(e) if first && e.kind() == io::ErrorKind::NotFound && part == "var" => {
                            here.set_file_name("tmp");
                        }
                        Err(_) => {}
                    }
                }
            }
        }
        let inside = here.strip_prefix(&self.root).ok().and_then(Path::to_str);
        Ok(format!("/{}", inside.ok_or(io::ErrorKind::InvalidInput)?))
    }

    fn lock(&self, path: &str, wait: Duration) -> io::Result<Lock> {
        let start = Instant::now();
        for _ in 0..MAX_REPLACED {
            let host = self.host_path(path)?;
            let file = OpenOptions::new().read(true).write(true).open(&host)?;
            loop {
                match file.try_lock() {
                    Ok(()) => break,
                    Err(TryLockError::WouldBlock) if start.elapsed() < wait => std::thread::sleep(LOCK_POLL),
                    Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
                    Err(TryLockError::Error(e)) => return Err(e),
                }
            }
            // Whoever held it may have renamed another file into its place.
            let (held, there) = (file.metadata()?, fs::metadata(&host)?);
            if (held.dev(), held.ino()) == (there.dev(), there.ino()) {
                return Ok(Lock { _held: Box::new(file) });
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn written(&self) -> Written {
        *self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, path: &str, content: &[u8], mode: u32) -> io::Result<()> {
        let host = self.entry(path)?;
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&host)?;
        // Neither the umask nor a leftover decides.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        self.count(path, content.len(), 0);
        file.write_all(content)
    }

    fn extend(&self, path: &str, content: &[u8]) -> io::Result<()> {
        let mut file =
            OpenOptions::new().append(true).create(true).mode(0o600).open(self.host_path(path)?)?;
        self.count(path, content.len(), 0);
        file.write_all(content)
    }

    fn sync(&self, path: &str) -> io::Result<()> {
        self.count(path, 0, 1);
        File::open(self.host_path(path)?)?.sync_all()
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.count(&format!("{}/x", dir.trim_end_matches('/')), 0, 1);
        File::open(self.host_path(dir)?)?.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.entry(from)?, self.entry(to)?)
    }

    fn unlink(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.entry(path)?)
    }

    fn mkdir(&self, dir: &str) -> io::Result<()> {
        fs::DirBuilder::new().mode(0o700).create(self.entry(dir)?)
    }
}

/// A path as the router's are: absolute, and without a way up.
fn sound(path: &str) -> io::Result<&str> {
    match !path.starts_with('/') || path.contains('\0') || path.split('/').any(|part| part == "..") {
        true => Err(io::ErrorKind::InvalidInput.into()),
        false => Ok(path),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn router() -> (tempfile::TempDir, RealDisk) {
        let dir = tempfile::tempdir().unwrap();
        for sub in ["etc/config", "tmp", "real"] {
            fs::create_dir_all(dir.path().join(sub)).unwrap();
        }
        fs::write(dir.path().join("etc/config/network"), "old").unwrap();
        let disk = RealDisk::new(dir.path()).unwrap();
        (dir, disk)
    }

    #[test]
    fn paths_stay_inside_the_folder_and_links_are_followed_as_the_router_would() {
        let (dir, disk) = router();
        symlink("/etc", dir.path().join("abs")).unwrap();
        symlink("../../../../../etc", dir.path().join("real/up")).unwrap();
        symlink("loop", dir.path().join("loop")).unwrap();
        for (path, want) in [
            ("/etc/config/network", Some("/etc/config/network")),
            ("/abs/config/network", Some("/etc/config/network")),
            ("/real/up/config/new", Some("/etc/config/new")),
            ("/var/run/uci/x", Some("/tmp/run/uci/x")),
            ("//etc/./config", Some("/etc/config")),
            ("/", Some("/")),
            ("/etc/../../x", None),
            ("etc/config", None),
            ("/loop/x", None),
            ("/a\0b", None),
        ] {
            assert_eq!(disk.resolve(path).ok().as_deref(), want, "{path:?}");
        }
    }

    #[test]
    fn a_file_is_read_to_its_end_where_its_links_lead_inside_the_folder() {
        let (dir, disk) = router();
        symlink("/etc", dir.path().join("abs")).unwrap();
        symlink("../../../../../etc", dir.path().join("real/up")).unwrap();
        symlink("loop", dir.path().join("loop")).unwrap();
        fs::write(dir.path().join("tmp/long"), "x".repeat(SHORT * 3 + 1)).unwrap();
        fs::write(dir.path().join("tmp/empty"), "").unwrap();
        for (path, want) in [
            ("/etc/config/network", Some(3)),
            ("/abs/config/network", Some(3)),
            ("/real/up/config/network", Some(3)),
            ("//etc/./config/network", Some(3)),
            ("/var/long", Some(SHORT * 3 + 1)),
            ("/var/empty", Some(0)),
            ("/etc/../etc/config/network", None),
            ("etc/config/network", None),
            ("/etc/config/none", None),
            ("/loop", None),
        ] {
            let read = disk.read(path, super::super::MAX_FILE).ok();
            assert_eq!(read.map(|content| content.len()), want, "{path:?}");
        }
        assert_eq!(disk.read_head("/abs/config/network", 2).unwrap(), b"ol");
    }

    #[test]
    fn a_var_that_exists_is_taken_as_it_is() {
        let (dir, disk) = router();
        fs::create_dir_all(dir.path().join("var/run")).unwrap();
        assert_eq!(disk.resolve("/var/run/x").unwrap(), "/var/run/x");
        fs::remove_dir_all(dir.path().join("var")).unwrap();
        symlink("real", dir.path().join("var")).unwrap();
        assert_eq!(disk.resolve("/var/run/x").unwrap(), "/real/run/x");
    }

    #[test]
    fn a_replacement_keeps_the_link_sets_the_mode_and_leaves_nothing_behind() {
        let (dir, disk) = router();
        symlink("/real/target", dir.path().join("etc/config/linked")).unwrap();
        disk.replace("/etc/config/linked", b"text", 0o640).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("real/target")).unwrap(), "text");
        assert!(fs::symlink_metadata(dir.path().join("etc/config/linked")).unwrap().is_symlink());
        assert_eq!(disk.stat("/etc/config/linked").unwrap().mode, 0o640);
        assert_eq!(disk.list("/real").unwrap(), ["target"]);
        assert_eq!(disk.written(), Written { bytes: 4, syncs: 2 });
    }

    #[test]
    fn append_remove_list_and_limits_do_what_they_say() {
        let (_dir, disk) = router();
        disk.make_dir("/etc/cpeagent/deep").unwrap();
        disk.append("/etc/cpeagent/log", b"a").unwrap();
        disk.append("/etc/cpeagent/log", b"b").unwrap();
        assert_eq!(disk.read("/etc/cpeagent/log", 2).unwrap(), b"ab");
        assert_eq!(disk.read("/etc/cpeagent/log", 1).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(disk.stat("/etc/cpeagent/log").unwrap().mode, 0o600);
        assert_eq!(disk.list("/etc/cpeagent").unwrap(), ["deep", "log"]);
        disk.remove("/etc/cpeagent/log").unwrap();
        disk.remove("/etc/cpeagent/log").unwrap();
        assert!(!disk.exists("/etc/cpeagent/log"));
    }

    #[test]
    fn a_lock_excludes_a_second_one_until_it_is_dropped() {
        let (_dir, disk) = router();
        let held = disk.lock("/etc/config/network", Duration::ZERO).unwrap();
        let second = disk.lock("/etc/config/network", Duration::ZERO);
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        disk.lock("/etc/config/network", Duration::ZERO).unwrap();
        assert_eq!(disk.lock("/etc/config/no", Duration::ZERO).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn whoever_waited_for_a_lock_holds_the_file_that_was_renamed_into_place() {
        let (dir, disk) = router();
        let held = disk.lock("/etc/config/network", Duration::ZERO).unwrap();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| disk.lock("/etc/config/network", Duration::from_secs(60)).unwrap());
            disk.replace("/etc/config/network", b"new", 0o600).unwrap();
            drop(held);
            let lock = waiter.join().unwrap();
            let other = File::open(dir.path().join("etc/config/network")).unwrap();
            assert!(
                matches!(other.try_lock(), Err(TryLockError::WouldBlock)),
                "the new file is the locked one"
            );
            drop(lock);
        });
    }
}
