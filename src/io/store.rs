//! The state and the event log on disk: loaded at start, written before anything is told that depends on them.
//!
//! The state is written whole, by turns into two files, so that the generation before the newest is always there.
//! Which start counts as a boot and what the state means is `crate::state`'s.

use super::disk::{Disk, MAX_FILE};
use crate::state::State;
use crate::state::events::{Events, MAX_LOG};
use std::io;

/// The folder of everything the agent remembers.
pub const DIR: &str = "/etc/cpeagent";
/// The two generations of the state.
pub const STATE_FILES: [&str; 2] = ["/etc/cpeagent/state.0", "/etc/cpeagent/state.1"];
/// Records in the event log at which it is written anew.
const MAX_RECORDS: usize = 24;
/// The undelivered events.
pub const EVENTS_FILE: &str = "/etc/cpeagent/events";

/// Where the state came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// There was none: the device left the factory or was reset.
    None,
    /// The newest generation.
    Newest,
    /// The generation before the newest, which cannot be read.
    Older,
    /// Nothing can be read: everything starts as after a factory reset.
    Lost,
}

/// What the agent remembers, and how it is written.
#[derive(Debug)]
pub struct Store {
    state: State,
    generation: u64,
    events: Events,
    /// An append failed: what the log holds is unknown until it is written whole.
    torn: bool,
}

impl Store {
    /// Loads state and events, and says where the state came from and what was wrong, for the log.
    ///
    /// A disk that cannot be read at all gives an error, not an empty state: starting as after a factory reset would
    /// forget everything with the next write.
    pub fn load(disk: &dyn Disk) -> io::Result<(Store, Origin, Vec<String>)> {
        let (mut faults, mut found) = (Vec::new(), Vec::new());
        for file in STATE_FILES {
            match disk.read(file, MAX_FILE) {
                Ok(text) => match State::decode(&text) {
                    Ok(generation) => found.push(generation),
                    Err(broken) => faults.push(format!("{file}: {broken}")),
                },
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) if e.kind() == io::ErrorKind::FileTooLarge => faults.push(format!("{file}: {e}")),
                Err(e) => return Err(named(file, &e)),
            }
        }
        let origin = match (found.is_empty(), faults.is_empty()) {
            (true, true) => Origin::None,
            (true, false) => Origin::Lost,
            (false, true) => Origin::Newest,
            (false, false) => Origin::Older,
        };
        let newest = found.into_iter().max_by_key(|(generation, _)| *generation);
        let (generation, state) = newest.unwrap_or_default();
        let (events, torn) = match disk.read(EVENTS_FILE, MAX_LOG) {
            Ok(log) => Events::read(&log),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Default::default(),
            Err(e) if e.kind() == io::ErrorKind::FileTooLarge => (Events::default(), 1),
            Err(e) => return Err(named(EVENTS_FILE, &e)),
        };
        if torn > 0 {
            faults.push(format!("{EVENTS_FILE}: {torn} lines damaged"));
        }
        Ok((Store { state, generation, events, torn: torn > 0 }, origin, faults))
    }

    /// The state as it is on disk.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The undelivered events.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// Makes `next` the state. When it returns without error it is on flash; with an error the old state is still
    /// the one. An unchanged state is not written.
    pub fn save(&mut self, disk: &dyn Disk, next: State) -> io::Result<()> {
        // The order of what the state holds has no meaning and is not worth a write.
        if self.state.difference(&next).is_empty() {
            return Ok(());
        }
        let generation = self.generation.wrapping_add(1);
        let text = next.encode(generation).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let [even, odd] = STATE_FILES;
        disk.make_dir(DIR)?;
        disk.replace(if generation.is_multiple_of(2) { even } else { odd }, text.as_bytes(), 0o600)?;
        (self.state, self.generation) = (next, generation);
        Ok(())
    }

    /// Takes an event in; when it returns its number, the event is on flash.
    pub fn add_event(&mut self, disk: &dyn Disk, text: &str) -> io::Result<u64> {
        let mut next = self.events.clone();
        let (number, line) = next.add(text).map_err(|_| io::ErrorKind::StorageFull)?;
        disk.make_dir(DIR)?;
        match self.torn {
            false => disk.append(EVENTS_FILE, line.as_bytes()).inspect_err(|_| self.torn = true)?,
            true => self.write_events(disk, &next)?,
        }
        self.events = next;
        Ok(number)
    }

    /// Forgets delivered events. With an error they stay and will be delivered again.
    pub fn delivered(&mut self, disk: &dyn Disk, numbers: &[u64]) -> io::Result<()> {
        let mut next = self.events.clone();
        if next.delivered(numbers) {
            self.write_events(disk, &next)?;
            self.events = next;
        }
        Ok(())
    }

    /// Takes events in; `whole` is what all come to with them. When it returns without error they are on flash.
    ///
    /// They are appended in one step. The log is written anew where it is to be empty, has grown, or where something
    /// could not be written before.
    pub fn note(&mut self, disk: &dyn Disk, texts: &[String], whole: &[String]) -> io::Result<()> {
        let grown = self.events.iter().count() + texts.len() > MAX_RECORDS;
        disk.make_dir(DIR)
            .and_then(|()| match whole.is_empty() || grown || self.torn {
                true => self.set_events(disk, whole),
                false => self.append_events(disk, texts),
            })
            .inspect_err(|_| self.torn = true)
    }

    fn append_events(&mut self, disk: &dyn Disk, texts: &[String]) -> io::Result<()> {
        let (mut next, mut lines) = (self.events.clone(), String::new());
        for text in texts {
            lines.push_str(&next.add(text).map_err(|_| io::ErrorKind::StorageFull)?.1);
        }
        if !lines.is_empty() {
            disk.append(EVENTS_FILE, lines.as_bytes())?;
        }
        self.events = next;
        Ok(())
    }

    /// Puts these events in place of all before, atomically.
    fn set_events(&mut self, disk: &dyn Disk, texts: &[String]) -> io::Result<()> {
        let mut next = Events::default();
        for text in texts {
            next.add(text).map_err(|_| io::ErrorKind::StorageFull)?;
        }
        self.write_events(disk, &next)?;
        self.events = next;
        Ok(())
    }

    fn write_events(&mut self, disk: &dyn Disk, events: &Events) -> io::Result<()> {
        match events.text() {
            Some(text) => disk.replace(EVENTS_FILE, text.as_bytes(), 0o600)?,
            None => disk.remove(EVENTS_FILE)?,
        }
        self.torn = false;
        Ok(())
    }
}

/// The kernel's name for this boot; empty where it tells none.
pub fn boot_id(disk: &dyn Disk) -> String {
    let id = disk.read("/proc/sys/kernel/random/boot_id", 128).unwrap_or_default();
    String::from_utf8_lossy(&id).trim().to_string()
}

/// A failure, with the file that it is about.
fn named(file: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{file}: {error}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::disk::sim::SimDisk;
    use super::*;
    use crate::state::Start;

    fn load(disk: &SimDisk) -> (Store, Origin) {
        let (store, origin, _) = Store::load(disk).unwrap();
        (store, origin)
    }

    fn with_key(store: &Store, key: &str) -> State {
        let mut state = store.state().clone();
        state.set_parameter_key(key).unwrap();
        state
    }

    /// A disk on which the keys were saved one after the other.
    fn saved(keys: &[&str]) -> (SimDisk, Store) {
        let disk = SimDisk::with([]);
        let mut store = load(&disk).0;
        for key in keys {
            store.save(&disk, with_key(&store, key)).unwrap();
        }
        (disk, store)
    }

    #[test]
    fn a_store_that_cannot_be_read_at_all_is_named() {
        for file in [STATE_FILES[1], EVENTS_FILE] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(folder.path().join(file.trim_start_matches('/'))).unwrap();
            let disk = super::super::disk::RealDisk::new(folder.path()).unwrap();
            let why = Store::load(&disk).unwrap_err().to_string();
            assert!(why.starts_with(&format!("{file}: ")), "{why}");
        }
    }

    #[test]
    fn a_power_cut_at_any_step_leaves_the_state_before_or_after() {
        for cut in 0..6 {
            for seed in 0..16 {
                let (disk, mut store) = saved(&["a", "b", "c"]);
                disk.cut_after(cut);
                let told = store.save(&disk, with_key(&store, "d")).is_ok();
                disk.reboot(seed);
                let (store, origin) = load(&disk);
                let key = store.state().parameter_key();
                assert!(key == "d" || key == "c" && !told, "cut {cut} seed {seed}: {key}");
                assert_eq!(origin, Origin::Newest, "cut {cut} seed {seed}");
            }
        }
    }

    #[test]
    fn an_unreadable_generation_gives_the_older_one_and_two_give_the_factory_state_and_both_are_said() {
        let (disk, _) = saved(&["a", "b", "c"]);
        let (newest, older) = (STATE_FILES[1], STATE_FILES[0]);
        disk.put(newest, "garbage");
        let (store, origin, faults) = Store::load(&disk).unwrap();
        assert_eq!((store.state().parameter_key(), origin, faults.len()), ("b", Origin::Older, 1));
        disk.put(older, "");
        let (store, origin, faults) = Store::load(&disk).unwrap();
        assert_eq!((store.state(), origin, faults.len()), (&State::factory(), Origin::Lost, 2));
        assert_eq!(load(&SimDisk::with([])).1, Origin::None);
    }

    #[test]
    fn after_a_fallback_the_next_save_is_the_newest() {
        let (disk, _) = saved(&["a", "b", "c"]);
        disk.put(STATE_FILES[1], "garbage");
        let mut store = load(&disk).0;
        store.save(&disk, with_key(&store, "d")).unwrap();
        let (store, origin) = load(&disk);
        assert_eq!((store.state().parameter_key(), origin), ("d", Origin::Newest));
    }

    #[test]
    fn a_full_or_read_only_disk_is_told_and_changes_nothing() {
        for set in [(|d| d.set_free(Some(3))) as fn(&SimDisk), |d| d.set_read_only(true)] {
            let (disk, mut store) = saved(&["a", "b"]);
            store.add_event(&disk, "old").unwrap();
            set(&disk);
            store.save(&disk, with_key(&store, "c")).unwrap_err();
            store.add_event(&disk, "new").unwrap_err();
            assert_eq!(store.state().parameter_key(), "b");
            assert_eq!(store.events().iter().count(), 1);
            disk.set_free(None);
            disk.set_read_only(false);
            store.save(&disk, with_key(&store, "c")).unwrap();
            let number = store.add_event(&disk, "again").unwrap();
            store.delivered(&disk, &[number]).unwrap();
            let store = load(&disk).0;
            assert_eq!(store.state().parameter_key(), "c");
            assert_eq!(store.events().iter().map(|(_, text)| text).collect::<Vec<_>>(), ["old"]);
        }
    }

    #[test]
    fn no_promised_event_is_lost_and_no_delivered_one_comes_back_whenever_the_power_is_cut() {
        for cut in 0..16 {
            for seed in 0..16 {
                let disk = SimDisk::with([]);
                let mut store = load(&disk).0;
                disk.cut_after(cut);
                let first = store.add_event(&disk, "first");
                let second = store.add_event(&disk, "second");
                let gone = first.as_ref().is_ok_and(|n| store.delivered(&disk, &[*n]).is_ok());
                disk.reboot(seed);
                let store = load(&disk).0;
                let has = |text| store.events().iter().any(|(_, event)| event == text);
                let delivery_begun = first.is_ok() && second.is_ok();
                assert!(first.is_err() || gone || delivery_begun || has("first"), "cut {cut} seed {seed}");
                assert!(!gone || !has("first"), "cut {cut} seed {seed}");
                assert!(second.is_err() || has("second"), "cut {cut} seed {seed}");
            }
        }
    }

    #[test]
    fn what_is_saved_unchanged_or_delivered_twice_costs_no_flash() {
        let (disk, mut store) = saved(&["a"]);
        let number = store.add_event(&disk, "x").unwrap();
        store.delivered(&disk, &[number]).unwrap();
        let before = disk.written();
        store.save(&disk, with_key(&store, "a")).unwrap();
        store.delivered(&disk, &[number]).unwrap();
        assert_eq!(disk.written(), before);
    }

    #[test]
    fn after_a_failed_append_the_log_is_written_whole_and_nothing_of_before_is_missing() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_string()).collect::<Vec<_>>();
        let held =
            |store: &Store| store.events().iter().map(|(_, text)| text.to_string()).collect::<Vec<_>>();
        for set in [(|d| d.set_free(Some(9))) as fn(&SimDisk), |d| d.set_read_only(true)] {
            let disk = SimDisk::with([]);
            let mut store = load(&disk).0;
            store.note(&disk, &texts(&["a"]), &texts(&["a"])).unwrap();
            set(&disk);
            store.note(&disk, &texts(&["b", "c"]), &texts(&["a", "b", "c"])).unwrap_err();
            disk.set_free(None);
            disk.set_read_only(false);
            store.note(&disk, &texts(&["d"]), &texts(&["a", "b", "c", "d"])).unwrap();
            assert_eq!(held(&load(&disk).0), ["a", "b", "c", "d"]);
            let before = disk.written().syncs;
            store.note(&disk, &texts(&["e", "f"]), &texts(&["a", "b", "c", "d", "e", "f"])).unwrap();
            assert_eq!(disk.written().syncs - before, 1, "appended in one step");
            assert_eq!(held(&load(&disk).0), ["a", "b", "c", "d", "e", "f"]);
        }
    }

    #[test]
    fn the_kernel_tells_a_boot_from_a_restart() {
        let disk = SimDisk::with([]);
        let start = || {
            let (mut store, _) = load(&disk);
            let mut state = store.state().clone();
            let start = state.note_start(&boot_id(&disk));
            store.save(&disk, state).unwrap();
            start
        };
        assert_eq!((start(), start()), (Start::First, Start::Restart));
        disk.reboot(0);
        assert_eq!((start(), start()), (Start::Boot, Start::Restart));
    }
}
