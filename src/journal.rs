//! One durable record per commit: written first, finished or forgotten at the next boot.
//!
//! A change over several packages and the agent's own state is one [`Record`] of edits by meaning. Once the record
//! is on flash the change has happened; the files follow and can be repeated. [`steps`] says in which order,
//! [`Record::verdict`] what to do with a record found at boot: finish it as a whole, or take it back as a whole
//! where somebody changed the same things meanwhile. No I/O: `io::commit` executes.

mod undo;

pub use undo::Undo;

use crate::dm::edit::{Change, Conflict, Edit};
use crate::dm::record::{self, STATE};
use crate::dm::tree::Tree;
use crate::sealed::{self, Broken};
use crate::sorted::Map;

/// The largest record, in octets of text.
pub const MAX_RECORD: usize = 512 << 10;

const KIND: &str = "cpeagent-journal";
const VERSION: u32 = 1;

/// What a file was when the commit was made and what the commit makes of it, as [`sealed::checksum`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sums {
    /// Of the text the edits were planned on.
    pub before: Box<str>,
    /// Of the text with the edits.
    pub after: Box<str>,
}

/// One commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Its number, one more than that of the commit before.
    pub sequence: u64,
    /// For whom it is kept after it is done, so that the guard can undo it; `None` if it is not.
    pub keep: Option<Box<str>>,
    /// The packages it writes, by source key.
    pub packages: Map<Box<str>, Sums>,
    /// For each [`Change::Remove`] in `edits`, in order: the place its section had among all sections.
    pub places: Vec<usize>,
    /// By source: what sections without a name, named in `edits` as they were read before, are called after it.
    pub names: Map<Box<str>, Map<Box<str>, Box<str>>>,
    /// Everything it changes, in order, [`STATE`] included.
    pub edits: Vec<Edit>,
}

/// What a commit makes of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Checksums of its text; `None` for the state, which has no text of its own.
    pub sums: Option<Sums>,
    /// What the text says before.
    pub before: Tree,
    /// What the new text says when it is read again.
    pub after: Tree,
}

/// One thing a commit does; each is atomic and durable by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write the record. Once it is on flash the commit has happened.
    Journal,
    /// Write the file of this package.
    Package(Box<str>),
    /// Write the agent's state, marked with the record's sequence.
    State,
    /// Remove the record.
    Drop,
    /// Put the record aside for the guard.
    Keep,
}

/// What a record found at start has become of, as far as one package tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its edits are in the file.
    Applied,
    /// Its edits are not in the file and fit.
    Pending,
    /// Somebody else changed what the edits change.
    Foreign(Conflict),
}

/// What is found of a package at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The checksum of its text.
    pub sum: Box<str>,
    /// What the text says.
    pub tree: Tree,
}

/// What to do with a record found at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Apply the record's edits of these sources (the state as [`STATE`]), then end as [`Record::end`] says.
    Finish(Vec<Box<str>>),
    /// Apply these edits instead, then drop the record: it never happened.
    TakeBack {
        /// By source, in order.
        edits: Vec<Edit>,
        /// What stood in the way.
        why: Conflict,
    },
}

impl Record {
    /// The record of a commit of `edits` to these sources.
    ///
    /// Refuses edits that do not fit what is there before, or of a source that is not given.
    pub fn new(
        sequence: u64,
        keep: Option<Box<str>>,
        edits: Vec<Edit>,
        targets: &Map<Box<str>, Target>,
    ) -> Result<Record, Conflict> {
        let mut record = Record { sequence, keep, edits, ..Record::default() };
        let mut now: Map<&str, Tree> = Map::new();
        let mut first_names: Map<(&str, &str), &str> = Map::new();
        for edit in &record.edits {
            let unknown = || Conflict(format!("{}: not part of this commit", edit.source));
            let target = targets.get(&edit.source).ok_or_else(unknown)?;
            let tree = now.entry(&edit.source).or_insert_with(|| target.before.clone());
            let place = tree.entries().iter().position(|(name, _)| *name == edit.section);
            edit.apply(tree)?;
            match (&edit.change, place) {
                (Change::Remove { .. }, Some(place)) => record.places.push(place),
                (Change::Rename { to }, _) if is_generated(&edit.section) => {
                    first_names.insert((&edit.source, &edit.section), to);
                }
                _ => {}
            }
        }
        for edit in record.edits.iter().filter(|edit| is_generated(&edit.section)) {
            let (Some(tree), Some(target)) = (now.get(&*edit.source), targets.get(&edit.source)) else {
                continue;
            };
            let place = tree.entries().iter().position(|(name, _)| *name == edit.section);
            let read_again =
                place.and_then(|place| target.after.entries().get(place)).map(|(name, _)| &**name);
            if let Some(name) = first_names.get(&(&*edit.source, &*edit.section)).copied().or(read_again) {
                record
                    .names
                    .entry(edit.source.clone())
                    .or_default()
                    .insert(edit.section.clone(), name.into());
            }
        }
        let sums = targets.iter().filter_map(|(source, target)| Some((source.clone(), target.sums.clone()?)));
        record.packages = sums.collect();
        Ok(record)
    }

    /// The record as text for the journal.
    ///
    /// Refuses what is larger than [`MAX_RECORD`] or has values that no package can hold.
    pub fn encode(&self) -> Result<String, record::Malformed> {
        let mut body = String::new();
        for (source, sums) in &self.packages {
            ["package", source, &sums.before, &sums.after]
                .iter()
                .for_each(|w| sealed::push_word(&mut body, w));
            body.push('\n');
        }
        for (source, names) in &self.names {
            for (before, after) in names {
                ["name", source, before, after].iter().for_each(|w| sealed::push_word(&mut body, w));
                body.push('\n');
            }
        }
        match &self.keep {
            Some(manager) => ["keep", manager].iter().for_each(|word| sealed::push_word(&mut body, word)),
            None => sealed::push_word(&mut body, "drop"),
        }
        self.places.iter().for_each(|place| sealed::push_word(&mut body, &place.to_string()));
        body.push('\n');
        for edit in &self.edits {
            record::write_edit(edit, &mut body)?;
        }
        let text = sealed::seal(KIND, VERSION, self.sequence, &body);
        if text.len() > MAX_RECORD || self.edits.len() > record::MAX_EDITS {
            return Err(record::Malformed);
        }
        Ok(text)
    }

    /// The record of a journal. Refuses a torn, damaged, newer or oversized one.
    pub fn decode(text: &[u8]) -> Result<Record, Broken> {
        let (_, sequence, mut body) = sealed::open(KIND, VERSION, text, MAX_RECORD)?;
        let mut record = Record { sequence, ..Record::default() };
        loop {
            let (line, rest) = body.split_once('\n').ok_or(Broken::Damaged)?;
            body = rest;
            let words: Option<Vec<String>> = line.split(' ').map(sealed::word).collect();
            let words = words.ok_or(Broken::Damaged)?;
            match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["package", source, before, after] => {
                    let sums = Sums { before: (*before).into(), after: (*after).into() };
                    record.packages.insert((*source).into(), sums);
                }
                ["name", source, before, after] => {
                    let names = record.names.entry((*source).into()).or_default();
                    names.insert((*before).into(), (*after).into());
                }
                ["keep", manager, places @ ..] => {
                    record.keep = Some((*manager).into());
                    return record.read_rest(places, body);
                }
                ["drop", places @ ..] => return record.read_rest(places, body),
                _ => return Err(Broken::Damaged),
            }
        }
    }

    fn read_rest(mut self, places: &[&str], edits: &str) -> Result<Record, Broken> {
        let places: Result<_, _> = places.iter().map(|place| place.parse()).collect();
        self.places = places.map_err(|_| Broken::Damaged)?;
        self.edits = record::read_edits(edits).map_err(|_| Broken::Damaged)?;
        Ok(self)
    }

    /// The edits of one source, in order.
    pub fn of<'a>(&'a self, source: &'a str) -> impl Iterator<Item = &'a Edit> {
        self.edits.iter().filter(move |edit| *edit.source == *source)
    }

    /// Whether it changes the agent's state.
    pub fn has_state(&self) -> bool {
        self.edits.iter().any(|edit| &*edit.source == STATE)
    }

    /// How the record ends once everything is written.
    pub fn end(&self) -> Step {
        if self.keep.is_some() { Step::Keep } else { Step::Drop }
    }

    /// What the package `source` says about this record.
    ///
    /// An untouched file is known by its checksum. Where somebody changed it since, the meaning decides, except
    /// for anonymous sections: their generated names may mean another section by now.
    pub fn standing(&self, source: &str, found: Option<&Found>) -> Standing {
        let foreign = |why: &str| Standing::Foreign(Conflict(format!("{source}: {why}")));
        let (Some(sums), Some(found)) = (self.packages.get(source), found) else {
            return foreign("the file is gone");
        };
        if found.sum == sums.after {
            return Standing::Applied;
        }
        if found.sum == sums.before {
            return Standing::Pending;
        }
        if self.of(source).any(|edit| is_generated(&edit.section)) {
            return foreign("changed, and sections without a name with it");
        }
        let mut tree = found.tree.clone();
        match self.of(source).try_for_each(|edit| edit.apply(&mut tree)) {
            Ok(()) => Standing::Pending,
            Err(conflict) => {
                if self.undo(source, found).kept.is_empty() {
                    Standing::Applied
                } else {
                    Standing::Foreign(conflict)
                }
            }
        }
    }

    /// What to do with this record, found when the agent starts.
    ///
    /// `packages` holds what there is of each of its packages, by source; `state` the state's tree and the sequence
    /// of the last commit it knows of.
    pub fn verdict(&self, packages: &Map<Box<str>, Found>, state: (&Tree, u64)) -> Verdict {
        // The state is written last: where it knows the record, all was done, and what differs came later.
        if self.has_state() && state.1 >= self.sequence {
            return Verdict::Finish(Vec::new());
        }
        let (mut todo, mut done, mut against) = (Vec::new(), Vec::new(), None);
        for source in self.packages.keys() {
            match self.standing(source, packages.get(source)) {
                Standing::Applied => done.push(source),
                Standing::Pending => todo.push(source.clone()),
                Standing::Foreign(conflict) => against = against.or(Some(conflict)),
            }
        }
        if self.has_state() {
            let mut tree = state.0.clone();
            match self.of(STATE).try_for_each(|edit| edit.apply(&mut tree)) {
                Ok(()) => todo.push(STATE.into()),
                Err(conflict) => against = against.or(Some(conflict)),
            }
        }
        let Some(why) = against else { return Verdict::Finish(todo) };
        let edits =
            done.into_iter().filter_map(|source| Some(self.undo(source, packages.get(source)?).edits));
        Verdict::TakeBack { edits: edits.flatten().collect(), why }
    }

    /// How to take this record's edits of `source` back; for the state any `sum` will do.
    ///
    /// In a file that somebody changed since, sections without a name cannot be told apart and stay as they are.
    pub fn undo(&self, source: &str, found: &Found) -> Undo {
        let exact = self.packages.get(source).is_none_or(|sums| sums.after == found.sum);
        let mut places = self.places.iter();
        let (mut edits, mut of_these, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        for edit in &self.edits {
            let place = if let Change::Remove { .. } = edit.change { places.next() } else { None };
            if *edit.source != *source {
                continue;
            }
            if exact || !is_generated(&edit.section) {
                edits.push(edit.clone());
                of_these.extend(place);
            } else {
                kept.push(Conflict(format!("{source} {}: the file changed since", edit.section)));
            }
        }
        let none = Map::new();
        let mut undo = undo::undo(&edits, &of_these, self.names.get(source).unwrap_or(&none), &found.tree);
        undo.kept.extend(kept);
        undo
    }
}

/// The steps of a commit, in order. A commit that writes one file only and is not kept needs no record: replacing
/// one file is atomic.
pub fn steps(record: &Record) -> Vec<Step> {
    let packages = record.packages.keys().cloned().map(Step::Package);
    let files: Vec<Step> = packages.chain(record.has_state().then_some(Step::State)).collect();
    if files.len() <= 1 && record.keep.is_none() {
        return files;
    }
    std::iter::once(Step::Journal).chain(files).chain([record.end()]).collect()
}

/// Whether a section's name looks like one that libuci made up: it changes when sections move.
pub fn is_generated(name: &str) -> bool {
    name.strip_prefix("cfg")
        .is_some_and(|rest| rest.len() >= 6 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
#[path = "journal/tests.rs"]
mod tests;
