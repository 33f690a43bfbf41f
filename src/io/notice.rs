//! Noticing that a configuration file was changed by somebody: inotify on `/etc/config`.
//!
//! The kernel queues a change before it returns to whoever made it. So what was read of a package is its content for as long
//! as [`Notice::edition`] says the same, which the loop asks without waiting.

use super::device::Device;
use crate::dm::draft::OWN;
use crate::sorted::Set;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Most packages named at a time; more count as any.
const MAX_NAMES: usize = 256;

/// The watch; without one (no inotify in the kernel) nothing is ever noticed.
pub struct Notice {
    folder: PathBuf,
    /// What is read instead of [`OWN`] in the folder, where it is there.
    instead: PathBuf,
    watched: Option<AsyncFd<OwnedFd>>,
    /// What was noticed and not told yet.
    names: Set<Box<str>>,
    /// How often [`OWN`] has changed, or may have.
    changes: u32,
}

/// Which content a package has. Another one may be the same content, the same one is no other content.
#[derive(Debug, PartialEq, Eq)]
pub struct Edition {
    changes: u32,
    /// Device, inode, length, seconds and nanoseconds: of a folder that took the place of the watched one.
    file: (u64, u64, u64, i64, i64),
}

impl Notice {
    /// Watches the packages of `device`.
    pub fn open(device: &Device) -> Notice {
        let disk = device.disk();
        let path = |path| disk.host_path(path).unwrap_or_default();
        Notice { instead: path("/var/run/uci/cpeagent"), ..Notice::of(path("/etc/config")) }
    }

    /// Watches the packages in a folder.
    pub fn of(folder: PathBuf) -> Notice {
        let watched = watch(&folder);
        if let Err(error) = &watched {
            log::warn!("changes of /etc/config are not noticed: {error}");
        }
        Notice { folder, instead: PathBuf::new(), watched: watched.ok(), names: Set::new(), changes: 0 }
    }

    /// Waits for a change and returns the sources that may have changed; `uci:` where that can be any.
    pub async fn changed(&mut self) -> Set<Box<str>> {
        loop {
            self.look();
            if !self.names.is_empty() {
                return std::mem::take(&mut self.names);
            }
            let Some(watched) = &self.watched else { return std::future::pending().await };
            let Ok(mut ready) = watched.readable().await else { return std::future::pending().await };
            ready.clear_ready();
        }
    }

    /// Which content [`OWN`] has now; `None` where that cannot be known without reading it.
    pub fn edition(&mut self) -> Option<Edition> {
        self.look();
        self.watched.as_ref()?;
        // What a link leads to may change unnoticed, and so may a file elsewhere.
        let file = fs::symlink_metadata(self.folder.join("cpeagent")).ok().filter(fs::Metadata::is_file)?;
        let file = (file.dev(), file.ino(), file.len(), file.mtime(), file.mtime_nsec());
        (!self.instead.exists()).then_some(Edition { changes: self.changes, file })
    }

    /// Takes what the kernel has noticed so far.
    fn look(&mut self) {
        let Some(watched) = &self.watched else { return };
        let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
        let (names, mut missed, mut gone) = (&mut self.names, false, false);
        let mut reader = inotify::Reader::new(watched.get_ref(), &mut buffer);
        while let Ok(event) = reader.next() {
            let name = event.file_name().and_then(|name| name.to_str().ok()).unwrap_or_default();
            missed |= event.events().contains(ReadFlags::QUEUE_OVERFLOW);
            gone |= event.events().contains(ReadFlags::IGNORED);
            self.changes = self.changes.wrapping_add(u32::from(name == "cpeagent"));
            // Temporary files of libuci and ours begin with a dot.
            if !name.is_empty() && !name.starts_with('.') && names.len() < MAX_NAMES {
                names.insert(format!("uci:{name}").into());
            }
        }
        if missed || gone || names.len() >= MAX_NAMES {
            names.extend(["uci:".into(), OWN.into()]);
            self.changes = self.changes.wrapping_add(1);
        }
        if gone {
            // The folder itself was removed or unmounted; perhaps there is another one.
            self.watched = Notice::of(self.folder.clone()).watched;
        }
    }
}

// The successor of `AsyncFd::with_interest` is unsafe; what is deprecated of it is its name.
#[allow(deprecated)]
fn watch(folder: &Path) -> io::Result<AsyncFd<OwnedFd>> {
    let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    let flags = WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::DELETE;
    inotify::add_watch(&inotify, folder, flags)?;
    AsyncFd::with_interest(inotify, Interest::READABLE)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn a_package_that_changed_is_named_and_temporary_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        block_on(async {
            let mut notice = Notice::of(folder.path().into());
            fs::write(folder.path().join(".dhcp.cpeagent"), "x").unwrap();
            fs::write(folder.path().join("network"), "x").unwrap();
            fs::rename(folder.path().join(".dhcp.cpeagent"), folder.path().join("dhcp")).unwrap();
            let mut names = Set::new();
            while names.len() < 2 {
                names.extend(notice.changed().await);
            }
            assert_eq!(names, Set::from(["uci:dhcp".into(), "uci:network".into()]));
        });
    }

    #[test]
    fn a_package_has_one_edition_until_it_changes_in_whatever_way_and_none_where_a_change_could_be_missed() {
        let router = tempfile::tempdir().unwrap();
        let folder = router.path().join("config");
        let (file, instead) = (folder.join("cpeagent"), router.path().join("instead"));
        let lay = |text: &str| {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&file, text).unwrap();
        };
        let rename = |text: &str| {
            fs::write(folder.join(".new"), text).unwrap();
            fs::rename(folder.join(".new"), &file).unwrap();
        };
        block_on(async {
            lay("1");
            let mut notice = Notice { instead: instead.clone(), ..Notice::of(folder.clone()) };
            let changes: [(&str, &dyn Fn()); 4] = [
                ("written in place, of the same length within the same moment", &|| lay("2")),
                ("renamed into place", &|| rename("3")),
                ("in a folder that took the place of the watched one", &|| {
                    fs::rename(&folder, router.path().join("old")).unwrap();
                    lay("4");
                }),
                ("in one that took the place of a removed one", &|| {
                    fs::remove_dir_all(router.path().join("old")).unwrap();
                }),
            ];
            for (what, change) in changes {
                let before = notice.edition();
                assert!(before.is_some(), "{what}");
                fs::write(folder.join("network"), "x").unwrap();
                assert_eq!(notice.edition(), before, "another package does not count");
                change();
                assert_ne!(notice.edition(), before, "{what}");
            }
            assert!(notice.changed().await.contains(OWN), "what was looked at is told of, too");
            fs::write(&instead, "").unwrap();
            assert_eq!(notice.edition(), None, "another file is read");
            fs::remove_file(&instead).unwrap();
            assert!(notice.edition().is_some());
            fs::remove_file(&file).unwrap();
            assert_eq!(notice.edition(), None, "there is none");
            std::os::unix::fs::symlink("network", &file).unwrap();
            assert_eq!(notice.edition(), None, "what the link leads to is not watched");
        });
    }

    #[test]
    fn changes_that_the_kernel_dropped_may_be_any() {
        let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
        let most: usize = most.trim().parse().unwrap();
        let folder = tempfile::tempdir().unwrap();
        block_on(async {
            let mut notice = Notice::of(folder.path().into());
            // Equal ones in a row would be one.
            for n in 0..most + 10 {
                fs::write(folder.path().join(["a", "b"].get(n % 2).unwrap()), "").unwrap();
            }
            while !notice.changed().await.contains("uci:cpeagent") {}
        });
    }

    #[test]
    fn a_folder_that_is_replaced_is_watched_on() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config");
        fs::create_dir(&config).unwrap();
        block_on(async {
            let mut notice = Notice::of(config.clone());
            fs::rename(&config, folder.path().join("old")).unwrap();
            fs::create_dir(&config).unwrap();
            fs::remove_dir(folder.path().join("old")).unwrap();
            assert!(notice.changed().await.contains("uci:"), "all of it is new");
            fs::write(config.join("dhcp"), "x").unwrap();
            assert!(notice.changed().await.contains("uci:dhcp"));
        });
    }
}
