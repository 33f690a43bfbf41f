//! Where entries of the audit are kept: a line of JSON each, in a file and the one before it.
//!
//! Written beside the loop, so that no request waits for it or fails by it: what cannot be written is lost, and the log
//! says so once. Not forced out: after a power cut the last seconds may be missing. Written by root, at one of two places,
//! so that whoever takes the network's part over can put lines nowhere else. Read by `cli`.

use super::disk::Disk;
use super::pool;
use super::privileged::{Ask, Privileged};
use crate::audit::{self, Entry, is_unseen};
use crate::config::Agent;
use crate::dm::tree::Tree;
use crate::openwrt::json;
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Requests whose entries wait to be written.
const QUEUE: usize = 32;

/// Where entries are kept, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file; the one before it ends in `.1`.
    pub file: &'static str,
    /// The most octets of each; 0 to keep nothing.
    pub size: u64,
}

impl Place {
    /// The place in memory, or on flash, with so many KiB a file.
    pub fn new(flash: bool, kib: u32) -> Place {
        Place { file: audit::file(flash), size: audit::octets(kib) }
    }

    /// As the settings say.
    pub fn of(settings: &Agent) -> Place {
        Place::new(settings.audit_on_flash, settings.audit_size)
    }

    fn before(&self) -> String {
        format!("{}.1", self.file)
    }
}

/// Writes lines.
#[derive(Debug, Default)]
pub struct Trail {
    /// The length of the file, once it was looked at, and of which file.
    at: Option<(&'static str, u64)>,
    /// Lines lost since the last one that was written.
    lost: usize,
}

impl Trail {
    /// Adds lines. What cannot be written is lost; said when it begins and when it ends.
    pub fn write(&mut self, disk: &dyn Disk, place: &Place, lines: &[String]) {
        if place.size == 0 {
            return;
        }
        // Ours are shorter; whoever asks may have been taken over.
        let mut lines = lines.iter().filter(|line| line.len() as u64 <= place.size / 2);
        let (mut waits, mut some) = (String::new(), 0);
        loop {
            let line = lines.next();
            let full = line.as_ref().is_some_and(|line| (waits.len() + line.len()) as u64 > place.size / 2);
            if (line.is_none() || full) && !waits.is_empty() {
                match self.extend(disk, place, &std::mem::take(&mut waits)) {
                    Ok(()) if self.lost > 0 => {
                        log::warn!("{}: the audit goes on; {} entries are lost", place.file, self.lost);
                        self.lost = 0;
                    }
                    Ok(()) => {}
                    Err(error) => {
                        if self.lost == 0 {
                            log::warn!("{}: the audit cannot be written: {error}", place.file);
                        }
                        self.lost += some;
                        // A part of it may be there.
                        self.at = None;
                    }
                }
                some = 0;
            }
            let Some(line) = line else { return };
            waits.push_str(line);
            some += 1;
        }
    }

    fn extend(&mut self, disk: &dyn Disk, place: &Place, lines: &str) -> io::Result<()> {
        let (mut length, mut text) = match self.at.take().filter(|(file, _)| *file == place.file) {
            Some((_, length)) => (length, lines.to_string()),
            None => match disk.read(place.file, place.size) {
                // A line that was cut off ends here.
                Ok(there) if there.last().is_some_and(|last| *last != b'\n') => {
                    (there.len() as u64, ["\n", lines].concat())
                }
                Ok(there) => (there.len() as u64, lines.to_string()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => (0, lines.to_string()),
                // Longer than is wanted now.
                Err(error) if error.kind() == io::ErrorKind::FileTooLarge => (place.size, lines.to_string()),
                Err(error) => return Err(error),
            },
        };
        if length > 0 && length + text.len() as u64 > place.size {
            disk.rename(place.file, &place.before())?;
            (length, text) = (0, lines.to_string());
        }
        match disk.extend(place.file, text.as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some((dir, _)) = place.file.rsplit_once('/') {
                    disk.make_dir(dir)?;
                }
                disk.extend(place.file, text.as_bytes())?;
            }
            done => done?,
        }
        self.at = Some((place.file, length + text.len() as u64));
        Ok(())
    }
}

/// An entry as a line. What would change how the line looks is escaped, so that nobody can forge or hide one.
pub fn line(entry: &Entry) -> String {
    let fields = entry.fields().into_iter().map(|(name, value)| (name, Tree::from(value)));
    let mut line = String::new();
    for c in json::write(&Tree::map(fields)).chars() {
        match c {
            c if is_unseen(c) => line.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => line.push(c),
        }
    }
    line.push('\n');
    line
}

/// All entries that are kept, oldest first. What is no entry, such as a line that was cut off, is left out.
pub fn read(disk: &dyn Disk, place: &Place) -> io::Result<Vec<Tree>> {
    let mut entries = Vec::new();
    for file in [place.before(), place.file.to_string()] {
        let text = match disk.read(&file, audit::octets(audit::MAX_KIB)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let lines = text.split(|octet| *octet == b'\n').filter_map(|line| json::parse(line).ok());
        entries.extend(lines.filter(|entry| entry.str("outcome").is_some()));
    }
    Ok(entries)
}

/// Has entries written, one request after the other, while the loop goes on.
pub(super) struct Scribe {
    orders: mpsc::Sender<Ask>,
    task: JoinHandle<()>,
    behind: bool,
}

impl Scribe {
    /// Begins.
    pub(super) fn start(privileged: Privileged) -> Scribe {
        let (orders, mut given) = mpsc::channel(QUEUE);
        let task = pool::spawn(async move {
            while let Some(ask) = given.recv().await {
                let privileged = privileged.clone();
                // Whoever writes says what cannot be written.
                let _ = pool::run(move || privileged.ask(ask)).await;
            }
        });
        Scribe { orders, task, behind: false }
    }

    /// Has entries written. Beyond [`QUEUE`] requests they are lost; said when it begins.
    pub(super) fn give(&mut self, settings: &Agent, entries: &[Entry]) {
        let lines = entries.iter().map(line).collect();
        let ask = Ask::Audit(settings.audit_on_flash, settings.audit_size, lines);
        let behind = self.orders.try_send(ask).is_err();
        if behind && !self.behind {
            log::warn!("the audit does not keep up; entries are lost");
        }
        self.behind = behind;
    }

    /// Waits until all is written, but no longer than `wait`.
    pub(super) async fn finish(self, wait: Duration) {
        drop(self.orders);
        let _ = timeout(wait, self.task).await;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::disk::sim::SimDisk;
    use super::*;
    use crate::audit::{Change, MAX_TEXT, What};
    use proptest::prelude::*;

    fn entry(path: &str, value: &str) -> Entry {
        let change = Change::new(What::Set, path, Some(value)).masked(false);
        Entry { at: None, manager: "local".into(), change, commit: None }
    }

    fn text_line(value: &str) -> String {
        line(&entry("Device.A", value))
    }

    fn place(size: u64) -> Place {
        Place { file: "/var/log/a", size }
    }

    fn length(disk: &SimDisk, file: &str) -> u64 {
        disk.stat(file).map_or(0, |stat| stat.len)
    }

    fn values(disk: &SimDisk, place: &Place) -> Vec<String> {
        let read = read(disk, place).unwrap();
        read.iter().map(|entry| entry.str("new").unwrap().to_string()).collect()
    }

    proptest! {
        #[test]
        fn the_newest_entries_are_kept_whole_and_in_order_within_the_bound(
            texts in prop::collection::vec(prop_oneof![".{0,40}", "\\PC{0,300}", any::<String>()], 1..60),
            batch in 1..7_usize,
            restarts in any::<bool>(),
        ) {
            let (disk, place) = (SimDisk::with([]), place(8 * 1024));
            let mut trail = Trail::default();
            for texts in texts.chunks(batch) {
                let entries: Vec<String> = texts.iter().map(|text| text_line(text)).collect();
                trail.write(&disk, &place, &entries);
                if restarts {
                    trail = Trail::default();
                }
                prop_assert!(length(&disk, "/var/log/a") <= place.size);
                prop_assert!(length(&disk, "/var/log/a.1") <= place.size);
            }
            let want: Vec<String> =
                texts.iter().map(|text| entry("Device.A", text).change.new.unwrap()).collect();
            let kept = values(&disk, &place);
            prop_assert!(!kept.is_empty());
            prop_assert_eq!(&kept[..], &want[want.len() - kept.len()..], "the last ones, none in between lost");
            // What is gone had no room.
            let all = length(&disk, "/var/log/a") + length(&disk, "/var/log/a.1");
            prop_assert!(kept.len() == want.len() || all > place.size / 4, "{} of {}", kept.len(), want.len());
        }

        #[test]
        fn no_value_or_path_breaks_out_of_its_line(path in any::<String>(), value in any::<String>()) {
            let entry = entry(&path, &value);
            let line = line(&entry);
            prop_assert_eq!(line.matches('\n').count(), 1);
            prop_assert!(!line.trim_end_matches('\n').chars().any(is_unseen), "{:?}", line);
            let read = json::parse(line.as_bytes()).unwrap();
            prop_assert_eq!(read.str("new"), entry.change.new.as_deref());
        }
    }

    #[test]
    fn a_line_of_escapes_alone_fits() {
        let worst = "\u{1}".repeat(MAX_TEXT + 9);
        let mut entry = entry(&worst, &worst);
        entry.manager = audit::masked(false, &worst);
        entry.change.old = Some(audit::masked(false, &worst));
        assert!((line(&entry).len() as u64) < audit::octets(1) / 2);
    }

    #[test]
    fn a_line_that_was_cut_off_spoils_no_other() {
        let (disk, place) = (SimDisk::with([]), place(4096));
        Trail::default().write(&disk, &place, &[text_line("1")]);
        let cut = disk.read_text("/var/log/a").unwrap();
        disk.put("/var/log/a", &format!("{cut}{}", &cut[..20]));
        Trail::default().write(&disk, &place, &[text_line("2")]);
        assert_eq!(values(&disk, &place), ["1", "2"]);
    }

    #[test]
    fn a_full_disk_loses_entries_and_nothing_else_and_they_go_on_when_there_is_room() {
        let (disk, place) = (SimDisk::with([]), Place { file: "/etc/cpeagent/audit", size: 4096 });
        let mut trail = Trail::default();
        trail.write(&disk, &place, &[text_line("1")]);
        disk.set_free(Some(10));
        for n in 0..5 {
            trail.write(&disk, &place, &[text_line(&n.to_string())]);
        }
        assert_eq!((values(&disk, &place), trail.lost), (vec!["1".into()], 5));
        disk.set_free(None);
        trail.write(&disk, &place, &[text_line("2")]);
        assert_eq!((values(&disk, &place), trail.lost), (vec!["1".into(), "2".into()], 0));
        disk.set_read_only(true);
        trail.write(&disk, &place, &[text_line("3")]);
        assert_eq!(values(&disk, &place), ["1", "2"]);
    }

    #[test]
    fn a_smaller_bound_and_none_at_all_hold_at_once() {
        let disk = SimDisk::with([]);
        let mut trail = Trail::default();
        for n in 0..60 {
            trail.write(&disk, &place(8192), &[text_line(&n.to_string())]);
        }
        trail = Trail::default();
        trail.write(&disk, &place(1024), &[text_line("new")]);
        assert!(length(&disk, "/var/log/a") <= 1024);
        assert_eq!(values(&disk, &place(1024)).last().unwrap(), "new");
        let none = Place { size: 0, file: "/var/log/b" };
        trail.write(&disk, &none, &[text_line("1")]);
        assert!(!disk.exists("/var/log/b"));
    }
}
