//! Commits: several packages and the agent's state, changed as one, whatever happens to the power.
//!
//! Executes what [`crate::journal`] decides: under the locks of all packages it checks that they are what the plan
//! was made on and that nobody has changes of his own under way, writes the record, the packages, the state, and
//! drops the record. [`recover`] finishes or takes back what a power cut interrupted. A package without a file is an
//! empty one, and gets its file with its first section. Announcing the change to the daemons is for whoever asked,
//! after the answer has left.

use super::announce;
use super::disk::{Disk, LOCK_WAIT, Lock, MAX_FILE, package_path};
use super::guard;
use super::store::{DIR, Store};
use crate::agent::NotCommitted;
use crate::dm::edit::{Change, Conflict, Edit};
use crate::dm::error::Refusal;
use crate::dm::record::STATE;
use crate::dm::tree::Tree;
use crate::journal::{Found, Record, Step, Sums, Target, Verdict, is_generated, steps};
use crate::openwrt::uci::{self, Delta, Mode};
use crate::sealed::checksum;
use crate::sorted::{Map, Set};
use crate::state::State;
use std::{fmt, io};

/// Where the record of the commit under way lies.
pub const JOURNAL: &str = "/etc/cpeagent/journal";
/// Where rpcd keeps what it restores when nobody confirms.
const SNAPSHOT: &str = "/var/run/rpcd/snapshot-files";
/// The mode of a package's file that is made.
const NEW_MODE: u32 = 0o600;

/// A commit asked for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// What it changes: sources `uci:NAME` and [`STATE`].
    pub edits: Vec<Edit>,
    /// By source, the [`checksum`] of the text the edits were planned on.
    pub read: Map<Box<str>, Box<str>>,
    /// What is to be called once the answer has left; without edits they are all there is to be noted.
    pub calls: Vec<Box<str>>,
    /// For whom its record is kept so that the guard can undo it; `None` if it is not.
    pub keep: Option<Box<str>>,
}

/// A commit done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its number.
    pub sequence: u64,
    /// The packages whose files are other ones now, by name; to be announced. With those of an interrupted commit that
    /// was finished first.
    pub packages: Vec<Box<str>>,
}

/// Why a commit was not done. Unless said otherwise nothing has changed.
#[derive(Debug)]
pub enum Error {
    /// These packages (by source) are not what the plan was made on: plan again.
    Changed(Vec<Box<str>>),
    /// Somebody has staged changes to the same section: they would get mixed.
    Staged {
        /// The package's name.
        package: Box<str>,
        /// The section that the commit touches.
        section: Box<str>,
    },
    /// An apply with rollback awaits its confirmation; a rollback would restore whole files.
    RollbackPending,
    /// The edits do not fit or cannot be written.
    Refused(String),
    /// A file cannot be read, locked or written.
    Disk(io::Error),
    /// A file cannot be written, and what was written before cannot be taken back now. The record stays; the next
    /// commit or start finishes it as a whole.
    Unfinished(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Changed(sources) => write!(f, "changed meanwhile: {}", sources.join(" ")),
            Error::Staged { package, section } => write!(f, "uncommitted changes to {package}.{section}"),
            Error::RollbackPending => f.write_str("a configuration change awaits confirmation"),
            Error::Refused(why) => f.write_str(why),
            Error::Disk(e) => write!(f, "not written: {e}"),
            Error::Unfinished(e) => write!(f, "written in part: {e}"),
        }
    }
}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Error {
        Error::Disk(e)
    }
}

/// What an agent is told of a commit that was not made.
impl From<Error> for NotCommitted {
    fn from(error: Error) -> NotCommitted {
        match error {
            Error::Changed(_) => NotCommitted::Changed,
            Error::Staged { .. } | Error::RollbackPending => {
                NotCommitted::Refused(Refusal::Busy(error.to_string()))
            }
            Error::Refused(_) | Error::Disk(_) | Error::Unfinished(_) => {
                NotCommitted::Refused(Refusal::Backend(error.to_string()))
            }
        }
    }
}

/// What was done about a record found at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovered {
    /// There was none.
    Nothing,
    /// It was finished; these packages were written (by name).
    Finished(Vec<Box<str>>),
    /// It was taken back, because of this.
    TakenBack(String),
    /// It cannot be read: the power was cut before the commit had happened.
    Unreadable(String),
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Recovered::Nothing => Ok(()),
            Recovered::Finished(packages) => {
                write!(f, "an interrupted change is finished: {}", packages.join(" "))
            }
            Recovered::TakenBack(why) => write!(f, "an interrupted change is taken back: {why}"),
            Recovered::Unreadable(why) => {
                write!(f, "the record of a change was cut off before it took effect, and is dropped: {why}")
            }
        }
    }
}

/// Does a commit: all of it or nothing, durable when it returns.
///
/// Finishes an interrupted one first. The state that `store` holds is changed with the packages.
pub fn commit(disk: &dyn Disk, store: &mut Store, request: &Request) -> Result<Committed, Error> {
    let before = match recover(disk, store)? {
        // Those that had been written before the interruption are noted, but not among these.
        Recovered::Finished(packages) => packages.into_iter().chain(announce::left(disk).0).collect(),
        Recovered::Nothing | Recovered::TakenBack(_) | Recovered::Unreadable(_) => Vec::new(),
    };
    if !announce::are_calls(&request.calls) {
        return Err(Error::Refused("not to be called".into()));
    }
    if request.edits.is_empty() {
        let sequence = store.state().commit();
        expect(disk, sequence, &request.calls);
        return Ok(Committed { sequence, packages: before });
    }
    let sources: Set<Box<str>> =
        request.edits.iter().map(|edit| &edit.source).filter(|source| &***source != STATE).cloned().collect();
    if !sources.is_empty() && disk.list(SNAPSHOT).is_ok_and(|names| !names.is_empty()) {
        return Err(Error::RollbackPending);
    }
    let files = Files::open(disk, sources, request.read.keys().cloned())?;
    let differs =
        |file: &&File| request.read.get(&file.source).is_some_and(|sum| **sum != *checksum(&file.old));
    let changed: Vec<_> = files.files.values().filter(differs).map(|file| file.source.clone()).collect();
    if !changed.is_empty() {
        return Err(Error::Changed(changed));
    }
    for (source, file) in &files.files {
        let edits: Vec<&Edit> = request.edits.iter().filter(|edit| edit.source == *source).collect();
        staged(disk, &file.package, &edits)?;
    }
    let plan = Plan::make(files, store, request, next_sequence(disk, store))?;
    if request.keep.is_some() && !guard::has_room(disk, plan.text.len() as u64)? {
        return Err(Error::Refused("too many changes wait to be confirmed".into()));
    }
    let changed = plan.changed();
    // One package too many is told of in vain; a call of what was not done would do something.
    expect(disk, plan.record.sequence, &changed);
    let mut done = plan.execute(disk, store, request)?;
    expect(disk, done.sequence, &request.calls);
    done.packages.extend(before);
    done.packages.sort();
    done.packages.dedup();
    Ok(done)
}

/// Notes what the services have to be told: a few octets in memory, without which the change is as good.
fn expect(disk: &dyn Disk, sequence: u64, items: &[Box<str>]) {
    if !items.is_empty()
        && let Err(error) = announce::expect(disk, sequence, items)
    {
        log::warn!("{}: {error}", announce::UNANNOUNCED);
    }
}

/// Finishes the commit that an interrupted run left behind, or takes it back where somebody changed the same
/// things since. To be called before anything reads the configuration. Can itself be interrupted and repeated.
pub fn recover(disk: &dyn Disk, store: &mut Store) -> Result<Recovered, Error> {
    let text = match disk.read(JOURNAL, MAX_FILE) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Recovered::Nothing),
        Err(e) => return Err(e.into()),
    };
    let record = match Record::decode(&text) {
        Ok(record) => record,
        Err(broken) => {
            disk.remove(JOURNAL)?;
            return Ok(Recovered::Unreadable(broken.to_string()));
        }
    };
    // What had no file before may have none yet.
    let present = record.packages.iter().filter(|(source, sums)| {
        let path = source.strip_prefix("uci:").map(|package| package_path(disk, package));
        *sums.before == *checksum(b"") || path.is_some_and(|path| path.is_ok_and(|path| disk.exists(&path)))
    });
    let files = Files::open(disk, present.map(|(source, _)| source.clone()).collect(), [].into_iter())?;
    let found: Map<Box<str>, Found> = files.files.values().filter_map(File::found).collect();
    let state = (store.state().tree(), store.state().commit());
    let recovered = match record.verdict(&found, state) {
        Verdict::Finish(todo) => {
            let names = files.rewrite(disk, |source| {
                record.of(source).filter(|_| todo.iter().any(|todo| **todo == *source)).cloned().collect()
            })?;
            if todo.iter().any(|source| &**source == STATE) {
                let next = next_state(store, &record)?;
                store.save(disk, next)?;
            }
            end(disk, &record)?;
            return Ok(Recovered::Finished(names));
        }
        Verdict::TakeBack { edits, why } => {
            files.rewrite(disk, |source| {
                edits.iter().filter(|edit| *edit.source == *source).cloned().collect()
            })?;
            Recovered::TakenBack(why.0)
        }
    };
    disk.remove(JOURNAL)?;
    Ok(recovered)
}

/// The text of a package as it is, with its [`checksum`], to plan on.
pub fn read_package(disk: &dyn Disk, package: &str) -> io::Result<(Vec<u8>, String)> {
    let text = disk.read(&package_path(disk, package)?, MAX_FILE)?;
    let sum = checksum(&text);
    Ok((text, sum))
}

/// The [`checksum`] that a package is planned on; `None` where it cannot be read. One without a file is an empty text.
pub fn package_sum(disk: &dyn Disk, package: &str) -> Option<Box<str>> {
    match read_package(disk, package) {
        Ok((_, sum)) => Some(sum.into()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Some(checksum(b"").into()),
        Err(_) => None,
    }
}

fn next_sequence(disk: &dyn Disk, store: &Store) -> u64 {
    let kept = guard::sequences(disk).ok().and_then(|kept| kept.iter().last().copied()).unwrap_or_default();
    store.state().commit().max(kept).saturating_add(1)
}

/// In words. Only the agent writes its state: what it works on and what lies there differ where a write has failed.
fn refused(Conflict(why): Conflict) -> Error {
    let failed = why.starts_with(STATE);
    Error::Refused(if failed { format!("the agent's state could not be written before: {why}") } else { why })
}

fn next_state(store: &Store, record: &Record) -> Result<State, Error> {
    let mut next = store.state().clone();
    record.of(STATE).try_for_each(|edit| next.apply(edit)).map_err(refused)?;
    next.set_commit(record.sequence).map_err(|_| Error::Refused("the state is full".into()))?;
    Ok(next)
}

fn end(disk: &dyn Disk, record: &Record) -> io::Result<()> {
    if record.end() == Step::Drop {
        return disk.remove(JOURNAL);
    }
    disk.rename(JOURNAL, &guard::path(record.sequence))?;
    disk.sync_dir(DIR)
}

/// Refuses a commit that touches what somebody has staged.
//= libuci: what is staged names anonymous sections by their place, so other edits can send it astray.
fn staged(disk: &dyn Disk, package: &str, edits: &[&Edit]) -> Result<(), Error> {
    let sessions = disk.list("/var/run/rpcd").unwrap_or_default();
    let sessions = sessions.iter().filter(|name| name.starts_with("uci-"));
    let places = sessions.map(|name| format!("/var/run/rpcd/{name}")).chain(["/tmp/.uci".to_string()]);
    for place in places {
        let text = match disk.read(&format!("{place}/{package}"), MAX_FILE) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e.into()),
        };
        let delta = Delta::parse(package, &text);
        let shifts = |edit: &Edit| match edit.change {
            Change::Remove { .. } | Change::Move { .. } => true,
            Change::Rename { .. } => is_generated(&edit.section),
            Change::Add { .. } | Change::Set { .. } => false,
        };
        let clash = edits.iter().find(|edit| {
            let renamed = matches!(&edit.change, Change::Rename { to } if delta.touches(to));
            delta.touches(&edit.section) || renamed || (delta.holds_generated_names() && shifts(edit))
        });
        if let Some(edit) = clash {
            return Err(Error::Staged { package: package.into(), section: edit.section.clone() });
        }
    }
    Ok(())
}

/// A package's file under its lock.
struct File {
    source: Box<str>,
    package: Box<str>,
    path: String,
    mode: u32,
    old: Vec<u8>,
}

impl File {
    fn found(&self) -> Option<(Box<str>, Found)> {
        let tree = uci::parse(&self.old, Mode::Strict).ok()?.tree();
        Some((self.source.clone(), Found { sum: checksum(&self.old).into(), tree }))
    }

    fn apply(&self, edits: &[Edit]) -> Result<Vec<u8>, Error> {
        uci::apply(&self.old, edits).map_err(|refused| Error::Refused(format!("{}: {refused}", self.source)))
    }
}

/// The files of one commit, locked until it is over.
struct Files<'d> {
    disk: &'d dyn Disk,
    files: Map<Box<str>, File>,
    /// Those that were made to be locked.
    made: Vec<String>,
    _locks: Vec<Lock>,
}

impl<'d> Files<'d> {
    /// Locks and reads packages, in the order of their names, so that two of us never wait for each other.
    ///
    /// One of `edited` without a file gets an empty one; any other is empty.
    //= libuci: a lock is one of the file itself, which is made with mode 0600 where there is none.
    fn open(
        disk: &'d dyn Disk,
        edited: Set<Box<str>>,
        read: impl Iterator<Item = Box<str>>,
    ) -> Result<Files<'d>, Error> {
        let mut opened = Files { disk, files: Map::new(), made: Vec::new(), _locks: Vec::new() };
        for source in edited.iter().cloned().chain(read).collect::<Set<_>>() {
            let package = source.strip_prefix("uci:");
            let package = package.ok_or_else(|| Error::Refused(format!("{source} cannot be written")))?;
            let path = package_path(disk, package)?;
            let missing = !disk.exists(&path);
            let (mut old, mut mode) = (Vec::new(), NEW_MODE);
            if missing && edited.contains(&source) {
                disk.extend(&path, b"")?;
                opened.made.push(path.clone());
            }
            if !missing || edited.contains(&source) {
                opened._locks.push(disk.lock(&path, LOCK_WAIT)?);
                (old, mode) = (disk.read(&path, MAX_FILE)?, disk.stat(&path)?.mode);
            }
            let package = package.into();
            opened.files.insert(source.clone(), File { source, package, path, mode, old });
        }
        Ok(opened)
    }

    /// Applies edits to each file and writes those that change; the names of their packages.
    fn rewrite(&self, disk: &dyn Disk, edits: impl Fn(&str) -> Vec<Edit>) -> Result<Vec<Box<str>>, Error> {
        let mut names = Vec::new();
        for (source, file) in &self.files {
            let new = file.apply(&edits(source))?;
            if new != file.old {
                disk.replace(&file.path, &new, file.mode)?;
                names.push(file.package.clone());
            }
        }
        Ok(names)
    }
}

/// A file that was made and stayed empty goes again. Where it cannot, it says the same as none.
impl Drop for Files<'_> {
    fn drop(&mut self) {
        for path in &self.made {
            if self.disk.stat(path).is_ok_and(|stat| stat.len == 0) {
                let _ = self.disk.unlink(path);
            }
        }
    }
}

/// Everything a commit will write, made before anything is written.
struct Plan<'d> {
    files: Files<'d>,
    new: Map<Box<str>, Vec<u8>>,
    record: Record,
    text: String,
    state: State,
}

impl<'d> Plan<'d> {
    fn make(files: Files<'d>, store: &Store, request: &Request, sequence: u64) -> Result<Plan<'d>, Error> {
        let wrong = |what: &str| Error::Refused(what.to_string());
        let (mut new, mut targets) = (Map::new(), Map::new());
        for (source, file) in &files.files {
            let edits: Vec<Edit> =
                request.edits.iter().filter(|edit| edit.source == *source).cloned().collect();
            if edits.is_empty() {
                continue;
            }
            let text = file.apply(&edits)?;
            let tree = |text| uci::package(text, Mode::Strict).map(uci::Package::into_tree);
            let (Ok(before), Ok(after)) = (tree(&file.old), tree(&text)) else {
                return Err(wrong("unreadable"));
            };
            let sums = Sums { before: checksum(&file.old).into(), after: checksum(&text).into() };
            targets.insert(source.clone(), Target { sums: Some(sums), before, after });
            new.insert(source.clone(), text);
        }
        let state: Tree = store.state().tree().clone();
        targets.insert(STATE.into(), Target { sums: None, before: state.clone(), after: state });
        let record = Record::new(sequence, request.keep.clone(), request.edits.clone(), &targets);
        let record = record.map_err(refused)?;
        let text = record.encode().map_err(|_| wrong("too much for one commit"))?;
        let state = if record.has_state() { next_state(store, &record)? } else { store.state().clone() };
        Ok(Plan { files, new, record, text, state })
    }

    fn execute(self, disk: &dyn Disk, store: &mut Store, request: &Request) -> Result<Committed, Error> {
        let before = store.state().clone();
        if self.new.is_empty() && request.keep.is_none() {
            // The state is written in one step anyway.
            store.save(disk, self.state)?;
            return Ok(Committed { sequence: self.record.sequence, packages: Vec::new() });
        }
        disk.make_dir(DIR)?;
        let mut begun = Vec::new();
        for step in steps(&self.record) {
            let done = self.step(disk, store, &step);
            begun.push(step);
            if let Err(e) = done {
                return Err(match self.take_back(disk, store, before, &begun) {
                    Ok(()) => Error::Disk(e),
                    Err(_) => Error::Unfinished(e),
                });
            }
        }
        Ok(Committed { sequence: self.record.sequence, packages: self.changed() })
    }

    /// The packages whose files will be other ones.
    fn changed(&self) -> Vec<Box<str>> {
        let files = self.files.files.values();
        let changed = files.filter(|file| self.new.get(&file.source).is_some_and(|new| *new != file.old));
        changed.map(|file| file.package.clone()).collect()
    }

    fn step(&self, disk: &dyn Disk, store: &mut Store, step: &Step) -> io::Result<()> {
        match step {
            Step::Journal => disk.replace(JOURNAL, self.text.as_bytes(), 0o600),
            Step::Package(source) => match (self.files.files.get(source), self.new.get(source)) {
                (Some(file), Some(new)) if *new != file.old => disk.replace(&file.path, new, file.mode),
                _ => Ok(()),
            },
            Step::State => store.save(disk, self.state.clone()),
            Step::Drop => {
                // All is written: a record that stays is found to be done by whoever reads it next.
                disk.remove(JOURNAL).unwrap_or_else(|e| log::warn!("{JOURNAL}: {e}"));
                Ok(())
            }
            Step::Keep => end(disk, &self.record),
        }
    }

    /// Puts the old texts back, the record last. The step that failed may have had its effect.
    fn take_back(&self, disk: &dyn Disk, store: &mut Store, before: State, begun: &[Step]) -> io::Result<()> {
        for step in begun.iter().rev() {
            match step {
                Step::Package(source) => match self.files.files.get(source) {
                    Some(file) if disk.read(&file.path, MAX_FILE)? != file.old => {
                        disk.replace(&file.path, &file.old, file.mode)?;
                    }
                    _ => {}
                },
                Step::State => store.save(disk, before.clone())?,
                Step::Keep => disk.remove(&guard::path(self.record.sequence))?,
                Step::Journal => disk.remove(JOURNAL)?,
                Step::Drop => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "commit/tests.rs"]
mod tests;
