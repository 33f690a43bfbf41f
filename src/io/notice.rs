//! Noticing that a configuration file was changed by somebody: inotify on `/etc/config`.

use super::device::Device;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The watch; without one (no inotify in the kernel) nothing is ever noticed.
pub struct Notice {
    watched: Option<AsyncFd<OwnedFd>>,
}

impl Notice {
    /// Watches the packages of `device`.
    pub fn open(device: &Device) -> Notice {
        let watched = Notice::watch(device);
        if let Err(error) = &watched {
            log::warn!("changes of /etc/config are not noticed: {error}");
        }
        Notice { watched: watched.ok() }
    }

    // The successor of `AsyncFd::with_interest` is unsafe; what is deprecated of it is its name.
    #[allow(deprecated)]
    fn watch(device: &Device) -> std::io::Result<AsyncFd<OwnedFd>> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let folder = device.disk().host_path("/etc/config")?;
        let flags = WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::DELETE;
        inotify::add_watch(&inotify, &folder, flags)?;
        AsyncFd::with_interest(inotify, Interest::READABLE)
    }

    /// Waits for a change and returns the sources that may have changed.
    pub async fn changed(&mut self) -> BTreeSet<Box<str>> {
        let Some(watched) = &self.watched else { return std::future::pending().await };
        loop {
            let Ok(mut ready) = watched.readable().await else { return std::future::pending().await };
            let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
            let mut names = BTreeSet::new();
            let mut reader = inotify::Reader::new(watched.get_ref(), &mut buffer);
            while let Ok(event) = reader.next() {
                let name = event.file_name().and_then(|name| name.to_str().ok()).unwrap_or_default();
                // Temporary files of libuci and ours begin with a dot.
                if !name.is_empty() && !name.starts_with('.') {
                    names.insert(format!("uci:{name}").into());
                }
            }
            ready.clear_ready();
            if !names.is_empty() {
                return names;
            }
        }
    }
}
