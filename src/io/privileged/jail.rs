//! The jail of the part that talks to the network: the system's files as they are, but none to be written or run.
//!
//! A mount name space with a copy of the system's mounts, each read-only and without devices, set-user-ID and programs. It needs
//! no list of files and no program of the system. What the system mounts or unmounts later is done here, too: OpenWrt's mounts
//! are private, since `pivot_root` and moving refuse others, so the kernel passes nothing on. Driven by [`root`](super::root),
//! in the thread that starts the other part, and in one that enters the jail from outside.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::CWD;
use rustix::io::{Errno, retry_on_intr};
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount_change,
    mount_remount, move_mount, open_tree, unmount,
};
use rustix::thread::{self as kernel, LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use std::fs::{self, File};
use std::io;
use std::iter::Skip;
use std::os::fd::AsFd as _;
use std::thread;
use std::time::Duration;

/// The mounts of the process, which are those of its first thread: the system's.
const SYSTEM: &str = "/proc/self/mountinfo";
/// The mounts of this thread.
const OWN: &str = "/proc/thread-self/mountinfo";
/// The mount name space of this thread.
const SPACE: &str = "/proc/thread-self/ns/mnt";
/// How long the system may take to change its mounts: what is looked at is not the middle of it.
const QUIET: Duration = Duration::from_secs(1);
/// How long it may take to fill a new `/`: at a first boot on NOR flash it copies what was written before.
const SETTLED: Duration = Duration::from_secs(30);

/// The jail that a thread, and what it starts, is in.
pub(super) struct Jail {
    /// Says when the system's mounts are other ones.
    changes: File,
    /// The system's mount name space.
    outside: File,
    /// The jail's.
    inside: File,
}

impl Jail {
    /// Takes this thread into a jail where nothing can be written; programs can be started until [`Jail::follow`].
    ///
    /// Fails where the kernel or what the system runs in does not allow it.
    #[allow(deprecated, reason = "it is unsafe with CLONE_FILES alone")]
    pub(super) fn enter() -> io::Result<Jail> {
        let (changes, outside) = (File::open(SYSTEM)?, File::open(SPACE)?);
        kernel::unshare(UnshareFlags::NEWNS)?;
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        if let Some((path, error)) = close(&mounts(&fs::read(OWN)?), MountFlags::empty()) {
            log::warn!("{} is no safer in the jail: {error}", String::from_utf8_lossy(&path));
        }
        // A kernel may be without; then it hardly has what would be kept apart.
        let _ = kernel::unshare(UnshareFlags::NEWIPC);
        Ok(Jail { changes, outside, inside: File::open(SPACE)? })
    }

    /// Takes this thread into the jail, where no program is started any more, and does there what the system does to its
    /// mounts, until it has another `/`: then nothing here is as it is there, and the other part is to be started again. Fails
    /// where it cannot be known.
    #[allow(deprecated, reason = "it is unsafe with CLONE_FILES alone")]
    pub(super) fn follow(self) -> io::Result<()> {
        // What is entered is this thread's alone.
        kernel::unshare(UnshareFlags::FS)?;
        enter(&self.inside)?;
        loop {
            // Opened anew: one that is open goes on telling of the `/` that was.
            let (system, own) = (fs::read(SYSTEM)?, fs::read(OWN)?);
            let (system, own) = (mounts(&system), mounts(&own));
            // Also what another one lay over until now.
            close(&own, MountFlags::NOEXEC);
            for gone in own.iter().rev().filter(|mount| !mount.is_in(&system)) {
                if matches!(gone.at, b"/" | b"/proc") {
                    thread::sleep(SETTLED);
                    return Ok(());
                }
                let _ = unmount(gone.path(), UnmountFlags::DETACH);
            }
            for new in system.iter().filter(|mount| !mount.is_in(&own)) {
                enter(&self.outside)?;
                // None where it is gone already, or before Linux 5.2.
                let copy = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
                let copy = open_tree(CWD, new.path(), copy);
                enter(&self.inside)?;
                let moved =
                    |tree| move_mount(tree, "", CWD, new.path(), MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH);
                if copy.is_ok_and(|tree| moved(tree).is_ok()) {
                    let _ = new.close(MountFlags::NOEXEC | MountFlags::NODEV);
                }
            }
            retry_on_intr(|| poll(&mut [PollFd::new(&self.changes, PollFlags::PRI)], None))?;
            thread::sleep(QUIET);
        }
    }
}

fn enter(space: &File) -> io::Result<()> {
    Ok(move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Mount))?)
}

/// One line of a `mountinfo`.
///
/// Source: Linux `proc_pid_mountinfo(5)`.
struct Mount<'a> {
    /// The number of the file system.
    device: &'a [u8],
    /// What of it is mounted.
    part: &'a [u8],
    /// Where, escaped.
    at: &'a [u8],
    /// With what flags, such as `rw,noatime`.
    flags: &'a [u8],
}

fn mounts(table: &[u8]) -> Vec<Mount<'_>> {
    let lines = table.split(|octet| *octet == b'\n').map(|line| line.split(|octet| *octet == b' ').skip(2));
    let mount = |mut words: Skip<_>| {
        Some(Mount { device: words.next()?, part: words.next()?, at: words.next()?, flags: words.next()? })
    };
    lines.filter_map(mount).collect()
}

/// Takes from all mounts what nobody in the jail needs, and `more`; the first that stays as it is, and why.
fn close(mounts: &[Mount<'_>], more: MountFlags) -> Option<(Vec<u8>, Errno)> {
    let apart = mounts.iter().any(|mount| mount.at == b"/dev");
    let mut failed = None;
    for mount in mounts {
        match mount.close(more | mount.nodev(apart)) {
            // Another one lies over it, so that nobody reaches it.
            Ok(()) | Err(Errno::INVAL | Errno::NOENT | Errno::NOTDIR) => {}
            Err(error) => failed = failed.or(Some((mount.path(), error))),
        }
    }
    failed
}

impl Mount<'_> {
    /// Whether it is in another table, with whatever flags.
    fn is_in(&self, mounts: &[Mount<'_>]) -> bool {
        mounts.iter().any(|other| (self.device, self.part, self.at) == (other.device, other.part, other.at))
    }

    /// Devices are refused but in `/dev`, where `/dev/null` is and what else everybody opens; that lies in `/` if not `apart`.
    fn nodev(&self, apart: bool) -> MountFlags {
        let needed =
            if apart { self.at == b"/dev" || self.at.starts_with(b"/dev/") } else { self.at == b"/" };
        // One that a name space further out has refused is not to be had back.
        let kept = self.flags.split(|octet| *octet == b',').any(|flag| flag == b"nodev");
        if needed && !kept { MountFlags::empty() } else { MountFlags::NODEV }
    }

    /// Where it is, as the kernel takes it.
    fn path(&self) -> Vec<u8> {
        let mut path = Vec::new();
        let mut rest = self.at;
        while let Some((&octet, behind)) = rest.split_first() {
            rest = behind;
            let mut plain = octet;
            if octet == b'\\'
                && let Some((digits, behind)) = rest.split_first_chunk::<3>()
            {
                plain = digits.iter().fold(0, |sum: u8, digit| sum.wrapping_mul(8).wrapping_add(digit & 7));
                rest = behind;
            }
            path.push(plain);
        }
        path
    }

    /// Nothing is written or gains rights here any more; what else it is to be without is `more`.
    fn close(&self, more: MountFlags) -> rustix::io::Result<()> {
        let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | more;
        mount_remount(self.path(), flags, "")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"22 1 0:30 / / rw,noatime - overlay overlayfs:/overlay rw,lowerdir=/\n\
        23 22 0:21 / /proc rw,nosuid,nodev,noexec,noatime - proc proc rw\n\
        24 22 0:24 / /dev rw,nosuid,noexec,noatime shared:2 - tmpfs tmpfs rw,size=512k,mode=755\n\
        25 24 0:25 / /dev/pts rw,nosuid,nodev,noexec - devpts devpts rw,mode=600,ptmxmode=000\n\
        26 22 8:1 /a\\134b /mnt/A\\040stick\\012 rw - vfat /dev/sda1 rw\n\
        27 22 8:2 / /device rw - ext4 /dev/sda2 rw\n\
        28 22\n";

    #[test]
    fn a_mount_is_taken_for_the_same_by_where_it_is_and_of_what_and_not_by_its_flags() {
        let table = mounts(TABLE);
        let paths: Vec<_> = table.iter().map(Mount::path).collect();
        let want: [&[u8]; 6] = [b"/", b"/proc", b"/dev", b"/dev/pts", b"/mnt/A stick\n", b"/device"];
        assert_eq!(paths, want);
        let has = |line: &[u8]| mounts(line).iter().all(|mount| mount.is_in(&table));
        assert!(has(b"99 98 8:1 /a\\134b /mnt/A\\040stick\\012 ro,noexec - vfat x y"));
        for line in [&b"27 22 8:2 / /mnt ro"[..], b"27 22 8:3 / /device rw", b"27 22 8:2 /a /device rw"] {
            assert!(!has(line), "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn devices_are_left_where_dev_is_and_what_was_refused_before_stays_so() {
        for (table, want) in [
            (TABLE, [true, true, false, true, true, true].as_slice()),
            (
                b"22 1 0:30 / / rw - x\n23 22 8:1 / /mnt rw - x\n24 22 0:5 / /dev/null rw - x",
                &[false, true, true],
            ),
            (b"22 1 0:30 / / rw,nodev - x", &[true]),
        ] {
            let table = mounts(table);
            let apart = table.iter().any(|mount| mount.at == b"/dev");
            let nodev: Vec<_> = table.iter().map(|mount| !mount.nodev(apart).is_empty()).collect();
            assert_eq!(nodev, want);
        }
    }
}
