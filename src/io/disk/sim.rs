//! A disk in memory that loses power when told to.
//!
//! It keeps what a real one may keep and nothing more: content is safe only once synced, an entry only once its
//! directory was, and what is not safe may survive a cut in part, in any order. Memory file systems (`/tmp`) are
//! empty after a reboot, which also brings a new `boot_id`. For tests; the same code of `replace` and `append`
//! runs on it as on flash.

use super::{Disk, Lock, Stat, Written, on_flash, split};
use crate::rng::Rng;
use crate::time::Wall;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A handle to the disk; clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    inodes: BTreeMap<u64, Inode>,
    /// The entries as programs see them, and as they are on the medium.
    now: BTreeMap<String, u64>,
    safe: BTreeMap<String, u64>,
    unsynced: Vec<Entry>,
    /// The directories that were made, and those of them whose entry is not safe yet.
    dirs: BTreeSet<String>,
    new_dirs: BTreeSet<String>,
    links: BTreeMap<String, String>,
    locks: BTreeSet<String>,
    left: Option<u64>,
    steps: u64,
    free: Option<u64>,
    read_only: bool,
    clock: i64,
    boots: u64,
    written: Written,
}

#[derive(Clone, Default)]
struct Inode {
    data: Vec<u8>,
    safe: Vec<u8>,
    mode: u32,
    modified: i64,
}

enum Entry {
    Made(String, u64),
    Renamed(String, String, u64),
    Gone(String),
}

impl Entry {
    fn apply(&self, entries: &mut BTreeMap<String, u64>) {
        match self {
            Entry::Made(path, inode) => drop(entries.insert(path.clone(), *inode)),
            Entry::Renamed(from, to, inode) => {
                if entries.get(from) == Some(inode) {
                    entries.remove(from);
                }
                entries.insert(to.clone(), *inode);
            }
            Entry::Gone(path) => drop(entries.remove(path)),
        }
    }

    fn path(&self) -> &str {
        match self {
            Entry::Made(path, _) | Entry::Renamed(_, path, _) | Entry::Gone(path) => path,
        }
    }
}

impl State {
    fn power(&self) -> io::Result<()> {
        if self.left == Some(0) { Err(io::Error::other("the power is out")) } else { Ok(()) }
    }

    /// Counts one changing step, refused without power or on a read-only disk.
    fn step(&mut self, path: &str) -> io::Result<()> {
        self.power()?;
        if self.read_only && on_flash(path) {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.steps += 1;
        self.clock += 1;
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        Ok(())
    }

    fn inode(&mut self, path: &str) -> io::Result<&mut Inode> {
        let inode = self.now.get(path).ok_or(io::ErrorKind::NotFound)?;
        self.inodes.get_mut(inode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn make(&mut self, path: &str, mode: u32) {
        let inode = self.inodes.last_key_value().map_or(1, |(last, _)| last + 1);
        self.inodes.insert(inode, Inode { mode, ..Inode::default() });
        self.now.insert(path.to_string(), inode);
        self.unsynced.push(Entry::Made(path.to_string(), inode));
    }

    /// Adds content as far as there is room.
    fn fill(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        let flash = on_flash(path);
        let room = match self.free {
            Some(free) if flash => content.len().min(free as usize),
            _ => content.len(),
        };
        if let (Some(free), true) = (&mut self.free, flash) {
            *free -= room as u64;
        }
        if flash {
            self.written.bytes += room as u64;
        }
        let clock = self.clock;
        let inode = self.inode(path)?;
        inode.data.extend(content.iter().take(room));
        inode.modified = clock;
        if room < content.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn put(&mut self, path: &str, content: &[u8]) {
        self.clock += 1;
        let modified = self.clock;
        let inode = self.inodes.last_key_value().map_or(1, |(last, _)| last + 1);
        let node = Inode { data: content.to_vec(), safe: content.to_vec(), mode: 0o600, modified };
        self.inodes.insert(inode, node);
        self.now.insert(path.to_string(), inode);
        self.safe.insert(path.to_string(), inode);
    }

    fn boot(&mut self) {
        self.boots += 1;
        let id = format!("00000000-0000-4000-8000-{:012x}\n", self.boots);
        self.put("/proc/sys/kernel/random/boot_id", id.as_bytes());
    }
}

impl SimDisk {
    /// A disk with these files, all of them safe.
    pub fn with<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> SimDisk {
        let disk = SimDisk::default();
        disk.state().boot();
        for (path, content) in files {
            disk.put(path, content);
        }
        disk
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody else replaces a file, safely and without counting.
    pub fn put(&self, path: &str, content: &str) {
        let path = self.state().follow(path);
        self.state().put(&path, content.as_bytes());
    }

    /// Somebody else removes a file, safely and without counting.
    pub fn drop_file(&self, path: &str) {
        let mut state = self.state();
        let path = state.follow(path);
        state.now.remove(&path);
        state.safe.remove(&path);
    }

    /// Makes a link.
    pub fn link(&self, path: &str, target: &str) {
        self.state().links.insert(path.to_string(), target.to_string());
    }

    /// Cuts the power after `steps` more changing steps: the next one and all else fail until [`SimDisk::reboot`].
    pub fn cut_after(&self, steps: u64) {
        self.state().left = Some(steps);
    }

    /// The changing steps done so far.
    pub fn steps(&self) -> u64 {
        self.state().steps
    }

    /// The space left on flash, in octets; `None` for plenty. Only what is written anew counts.
    pub fn set_free(&self, free: Option<u64>) {
        self.state().free = free;
    }

    /// Whether the flash refuses all changes.
    pub fn set_read_only(&self, read_only: bool) {
        self.state().read_only = read_only;
    }

    /// The process died and starts again; the kernel lived on. Everything written is there, the locks are free.
    pub fn restart(&self) {
        let mut state = self.state();
        state.left = None;
        state.locks.clear();
    }

    /// The power was cut (now, if not before) and comes back. `seed` chooses what of the unsafe survived.
    pub fn reboot(&self, seed: u8) {
        let mut rng = Rng::new([seed; 32]);
        let mut guard = self.state();
        let state = &mut *guard;
        for entry in std::mem::take(&mut state.unsynced) {
            if rng.below(2) == 0 {
                entry.apply(&mut state.safe);
            }
        }
        for inode in state.inodes.values_mut().filter(|inode| inode.data != inode.safe) {
            let grown = inode.data.starts_with(&inode.safe);
            let keep = rng.below(inode.data.len() as u64 + 1) as usize;
            inode.data = match rng.below(4) {
                0 => inode.safe.clone(),
                1 => inode.data.clone(),
                // Space was given to the file, its content never arrived.
                2 if grown => inode.safe.iter().copied().chain(vec![0; 7]).collect(),
                _ if grown => inode.data.iter().copied().take(keep.max(inode.safe.len())).collect(),
                _ => inode.data.iter().copied().take(keep).collect(),
            };
            inode.safe = inode.data.clone();
        }
        for dir in std::mem::take(&mut state.new_dirs) {
            // With a directory goes what is in it, forced out or not.
            if rng.below(2) == 0 {
                let inside = format!("{dir}/");
                state.safe.retain(|path, _| !path.starts_with(&inside));
                state.dirs.retain(|other| *other != dir && !other.starts_with(&inside));
            }
        }
        state.safe.retain(|path, _| on_flash(path));
        state.dirs.retain(|dir| on_flash(&format!("{dir}/")));
        state.now = state.safe.clone();
        state.left = None;
        state.locks.clear();
        state.boot();
    }
}

impl State {
    fn follow(&self, path: &str) -> String {
        let mut path = path.to_string();
        for _ in 0..8 {
            if let Some(rest) = path.strip_prefix("/var/") {
                path = format!("/tmp/{rest}");
            }
            match self.links.get(&path) {
                Some(target) => path.clone_from(target),
                None => break,
            }
        }
        path
    }

    fn is_dir(&self, path: &str) -> bool {
        if path == "/" || self.dirs.contains(path) {
            return true;
        }
        let prefix = format!("{}/", path.trim_end_matches('/'));
        self.now.keys().any(|name| name.starts_with(&prefix))
    }
}

struct Held(SimDisk, String);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.state().locks.remove(&self.1);
    }
}

impl Disk for SimDisk {
    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        state.power()?;
        let path = state.follow(path);
        let data = state.inode(&path)?.data.clone();
        if data.len() as u64 > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(data) }
    }

    fn read_head(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let mut content = self.read(path, u64::MAX)?;
        content.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(content)
    }

    fn stat(&self, path: &str) -> io::Result<Stat> {
        let mut state = self.state();
        state.power()?;
        let path = state.follow(path);
        if state.is_dir(&path) {
            return Ok(Stat { len: 0, mode: 0o755, modified: Wall::at(0), inode: 0, is_dir: true });
        }
        let number = state.now.get(&path).copied().unwrap_or_default();
        let inode = state.inode(&path)?;
        Ok(Stat {
            len: inode.data.len() as u64,
            mode: inode.mode,
            modified: Wall::at(inode.modified),
            inode: number,
            is_dir: false,
        })
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let state = self.state();
        state.power()?;
        let prefix = format!("{}/", state.follow(dir).trim_end_matches('/'));
        let names: BTreeSet<String> = state
            .now
            .keys()
            .filter_map(|path| path.strip_prefix(&prefix))
            .filter_map(|rest| rest.split('/').next())
            .map(str::to_string)
            .collect();
        if names.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(names.into_iter().collect()) }
    }

    fn resolve(&self, path: &str) -> io::Result<String> {
        Ok(self.state().follow(path))
    }

    fn lock(&self, path: &str, _wait: Duration) -> io::Result<Lock> {
        let mut state = self.state();
        state.power()?;
        let path = state.follow(path);
        state.inode(&path)?;
        if !state.locks.insert(path.clone()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Lock { _held: Box::new(Held(self.clone(), path)) })
    }

    fn written(&self) -> Written {
        self.state().written
    }

    fn write(&self, path: &str, content: &[u8], mode: u32) -> io::Result<()> {
        let mut state = self.state();
        let path = state.follow(path);
        state.step(&path)?;
        match state.inode(&path) {
            Ok(inode) => (inode.data.clear(), inode.mode = mode).1,
            Err(_) => state.make(&path, mode),
        }
        state.fill(&path, content)
    }

    fn extend(&self, path: &str, content: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let path = state.follow(path);
        state.step(&path)?;
        if !state.now.contains_key(&path) {
            state.make(&path, 0o600);
        }
        state.fill(&path, content)
    }

    fn sync(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        let path = state.follow(path);
        state.step(&path)?;
        if on_flash(&path) {
            state.written.syncs += 1;
        }
        let inode = state.inode(&path)?;
        inode.safe.clone_from(&inode.data);
        Ok(())
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let mut guard = self.state();
        let state = &mut *guard;
        let dir = state.follow(dir);
        state.step(&format!("{dir}/"))?;
        if on_flash(&format!("{dir}/")) {
            state.written.syncs += 1;
        }
        let (out, rest) = std::mem::take(&mut state.unsynced)
            .into_iter()
            .partition::<Vec<_>, _>(|entry| split(entry.path()).is_ok_and(|(of, _)| of == dir));
        out.iter().for_each(|entry| entry.apply(&mut state.safe));
        state.unsynced = rest;
        state.new_dirs.retain(|made| !split(made).is_ok_and(|(of, _)| of == dir));
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let (from, to) = (state.follow(from), state.follow(to));
        state.step(&to)?;
        let inode = *state.now.get(&from).ok_or(io::ErrorKind::NotFound)?;
        let entry = Entry::Renamed(from, to, inode);
        entry.apply(&mut state.now);
        state.unsynced.push(entry);
        Ok(())
    }

    fn unlink(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        let path = state.follow(path);
        if !state.now.contains_key(&path) {
            state.power()?;
            return Err(io::ErrorKind::NotFound.into());
        }
        state.step(&path)?;
        let entry = Entry::Gone(path);
        entry.apply(&mut state.now);
        state.unsynced.push(entry);
        Ok(())
    }

    fn mkdir(&self, dir: &str) -> io::Result<()> {
        let mut state = self.state();
        let dir = state.follow(dir);
        state.step(&dir)?;
        state.dirs.insert(dir.clone());
        state.new_dirs.insert(dir);
        Ok(())
    }
}
