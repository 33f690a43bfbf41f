//! Noticing that a configuration file was changed by somebody: inotify on `/etc/config`.

use super::device::Device;
use crate::sorted::Set;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Most packages named at a time; more count as any.
const MAX_NAMES: usize = 256;

/// The watch; without one (no inotify in the kernel) nothing is ever noticed.
pub struct Notice {
    folder: PathBuf,
    watched: Option<AsyncFd<OwnedFd>>,
}

impl Notice {
    /// Watches the packages of `device`.
    pub fn open(device: &Device) -> Notice {
        Notice::of(device.disk().host_path("/etc/config").unwrap_or_default())
    }

    /// Watches the packages in a folder.
    pub fn of(folder: PathBuf) -> Notice {
        let watched = watch(&folder);
        if let Err(error) = &watched {
            log::warn!("changes of /etc/config are not noticed: {error}");
        }
        Notice { folder, watched: watched.ok() }
    }

    /// Waits for a change and returns the sources that may have changed; `uci:` where that can be any.
    pub async fn changed(&mut self) -> Set<Box<str>> {
        loop {
            let Some(watched) = &self.watched else { return std::future::pending().await };
            let Ok(mut ready) = watched.readable().await else { return std::future::pending().await };
            let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
            let (mut names, mut missed, mut gone) = (Set::new(), false, false);
            let mut reader = inotify::Reader::new(watched.get_ref(), &mut buffer);
            while let Ok(event) = reader.next() {
                let name = event.file_name().and_then(|name| name.to_str().ok()).unwrap_or_default();
                missed |= event.events().contains(ReadFlags::QUEUE_OVERFLOW);
                gone |= event.events().contains(ReadFlags::IGNORED);
                // Temporary files of libuci and ours begin with a dot.
                if !name.is_empty() && !name.starts_with('.') && names.len() < MAX_NAMES {
                    names.insert(format!("uci:{name}").into());
                }
            }
            ready.clear_ready();
            drop(ready);
            if gone {
                // The folder itself was removed or unmounted; perhaps there is another one.
                *self = Notice::of(std::mem::take(&mut self.folder));
            }
            if missed || gone || names.len() >= MAX_NAMES {
                names.extend(["uci:".into(), "uci:cpeagent".into()]);
            }
            if !names.is_empty() {
                return names;
            }
        }
    }
}

// The successor of `AsyncFd::with_interest` is unsafe; what is deprecated of it is its name.
#[allow(deprecated)]
fn watch(folder: &Path) -> std::io::Result<AsyncFd<OwnedFd>> {
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
            std::fs::write(folder.path().join(".dhcp.cpeagent"), "x").unwrap();
            std::fs::write(folder.path().join("network"), "x").unwrap();
            std::fs::rename(folder.path().join(".dhcp.cpeagent"), folder.path().join("dhcp")).unwrap();
            let mut names = Set::new();
            while names.len() < 2 {
                names.extend(notice.changed().await);
            }
            assert_eq!(names, Set::from(["uci:dhcp".into(), "uci:network".into()]));
        });
    }

    #[test]
    fn changes_that_the_kernel_dropped_may_be_any() {
        let most = std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
        let most: usize = most.trim().parse().unwrap();
        let folder = tempfile::tempdir().unwrap();
        block_on(async {
            let mut notice = Notice::of(folder.path().into());
            // Equal ones in a row would be one.
            for n in 0..most + 10 {
                std::fs::write(folder.path().join(["a", "b"].get(n % 2).unwrap()), "").unwrap();
            }
            while !notice.changed().await.contains("uci:cpeagent") {}
        });
    }

    #[test]
    fn a_folder_that_is_replaced_is_watched_on() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config");
        std::fs::create_dir(&config).unwrap();
        block_on(async {
            let mut notice = Notice::of(config.clone());
            std::fs::rename(&config, folder.path().join("old")).unwrap();
            std::fs::create_dir(&config).unwrap();
            std::fs::remove_dir(folder.path().join("old")).unwrap();
            assert!(notice.changed().await.contains("uci:"), "all of it is new");
            std::fs::write(config.join("dhcp"), "x").unwrap();
            assert!(notice.changed().await.contains("uci:dhcp"));
        });
    }
}
