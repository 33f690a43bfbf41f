//! A draft of a change: edits applied to copies of the trees they touch, and the inverse of a mapping line.
//!
//! Setters fold over the draft in the order of the mapping file, each seeing what the ones before it did.

use super::edit::{Change, Conflict, Edit};
use super::error::Refusal;
use super::eval::boolean;
use super::line::{Line, Pipe, Src, Step};
use super::read::Counts;
use super::schema::Allows;
use super::source::{Snapshot, Source, Stop};
use super::tree::Tree;
use super::view::{At, KEPT};
use std::sync::Arc;

/// The agent's own package, as a source.
pub const OWN: &str = "uci:cpeagent";
/// Most sections of which it is kept what they were until the services have taken their change up.
pub const MAX_FORMER: usize = 256;
/// How a call begins that the agent carries out itself, such as
/// `agent:reconnect_broker SECTION`.
pub const AGENT: &str = "agent:";
/// Most edits of one request.
pub const MAX_EDITS: usize = 4096;

/// Edits made so far, and the snapshot as it will be.
pub struct Draft {
    /// The sources with the edits applied.
    pub snapshot: Snapshot,
    allows: Allows,
    /// The edits, in order.
    pub edits: Vec<Edit>,
    /// Rows whose identifying content changed: table, old key, new key.
    pub(super) rebound: Vec<(String, String, String)>,
    /// Rows that are given an alias: table, key, alias.
    pub(super) aliased: Vec<(String, String, String)>,
    /// Rows that go: table, key.
    pub(super) gone: Vec<(String, String)>,
    /// What is to be called once the change is made and its answer has left, each as a key such as
    /// `ubus:network.interface.wan renew`.
    pub calls: Vec<Box<str>>,
    /// Objects whose counters begin at zero, and what these are.
    pub resets: Vec<(Box<str>, Counts)>,
    /// A setter says that it kept what was written in a form that does not give it back, such as a password's hash.
    pub sealed: bool,
}

impl Draft {
    /// An empty draft upon `snapshot`.
    pub fn new(snapshot: Snapshot, allows: Allows) -> Draft {
        Draft {
            snapshot,
            allows,
            edits: Vec::new(),
            rebound: Vec::new(),
            aliased: Vec::new(),
            gone: Vec::new(),
            calls: Vec::new(),
            resets: Vec::new(),
            sealed: false,
        }
    }

    /// Applies one edit to the draft.
    ///
    /// Stops for a source that is missing; refuses an edit that does not fit.
    pub fn edit(&mut self, edit: Edit) -> Result<(), Stop> {
        if self.edits.len() >= MAX_EDITS {
            return Err(Refusal::Exhausted("edits of one request".into()).into());
        }
        if self.snapshot.tree(&edit.source)?.is_none() {
            // A package that has no file yet, or a store that is still empty, begins with its first section.
            self.snapshot.supply(&edit.source, Source::ready(Tree::Map(Vec::new())));
        }
        self.note_former(&edit)?;
        let tree = self.snapshot.tree_mut(&edit.source);
        let Some(tree) = tree else {
            return Err(Refusal::Backend(format!("{} is not there", edit.source)).into());
        };
        edit.apply(tree).map_err(|Conflict(why)| Stop::Refused(Refusal::Backend(why)))?;
        self.snapshot.unapplied.insert(edit.source.clone());
        self.snapshot.forget_derived();
        self.edits.push(edit);
        Ok(())
    }

    /// Keeps what a section is before the first edit of it.
    fn note_former(&mut self, edit: &Edit) -> Result<(), Stop> {
        let of = |other: &Edit| other.source == edit.source && other.section == edit.section;
        let old = self.snapshot.tree(&edit.source)?.and_then(|package| package.get(&edit.section));
        if let Some(old) =
            old.filter(|_| self.snapshot.former.len() < MAX_FORMER && !self.edits.iter().any(of))
        {
            let old = old.clone();
            Arc::make_mut(&mut self.snapshot.former).push((edit.source.clone(), old));
        }
        Ok(())
    }

    /// Makes an option of a section `new` (or nothing). No edit where it is that already. Refuses what the model does
    /// not allow.
    pub fn set(&mut self, source: &str, section: &str, option: &str, new: Option<Tree>) -> Result<(), Stop> {
        let here = self.snapshot.tree(source)?.and_then(|package| package.get(section));
        let old = here.and_then(|section| section.get(option)).cloned();
        if old == new {
            return Ok(());
        }
        if let Some(new) = &new {
            let kind = here.and_then(|section| section.str(".type")).unwrap_or_default();
            (self.allows)(source, kind, option, new)?;
        }
        let change = Change::Set { option: option.into(), old, new };
        self.edit(Edit { source: source.into(), section: section.into(), change })
    }

    /// As [`Draft::set`] with a text; an empty one takes the option away.
    pub fn set_text(&mut self, source: &str, section: &str, option: &str, text: &str) -> Result<(), Stop> {
        self.set(source, section, option, (!text.is_empty()).then(|| Tree::from(text)))
    }

    /// Says that the row at `at` will be found under another key: its number and alias go with it.
    pub fn rebind(&mut self, at: &At<'_, '_>, key: &str) -> Result<(), Stop> {
        let Some(row) = at.row else { return Ok(()) };
        let table = at.view.table_path(row.object, row.parent.as_ref())?;
        self.rebound.push((table, row.key.clone(), key.to_string()));
        Ok(())
    }

    /// Gives the row of `table` (with its dot) that will be found under `key` a number and an alias.
    pub fn alias(&mut self, table: &str, key: &str, alias: &str) {
        self.aliased.push((table.into(), key.into(), alias.into()));
    }

    /// Says that the row of `table` (with its dot) that was found under `key` is gone for good.
    pub fn forget(&mut self, table: &str, key: &str) {
        self.gone.push((table.into(), key.into()));
    }

    /// Forgets what was said of rows.
    pub(super) fn forget_rows(&mut self) {
        self.rebound.clear();
        self.aliased.clear();
        self.gone.clear();
    }

    /// Adds an empty named section.
    pub fn add(&mut self, source: &str, section: &str, kind: &str) -> Result<(), Stop> {
        self.edit(Edit {
            source: source.into(),
            section: section.into(),
            change: Change::Add { kind: kind.into() },
        })
    }

    /// Removes a section; does nothing if it is gone.
    pub fn remove(&mut self, source: &str, section: &str) -> Result<(), Stop> {
        let old = self.snapshot.tree(source)?.and_then(|package| package.get(section)).cloned();
        let Some(old) = old else { return Ok(()) };
        self.edit(Edit { source: source.into(), section: section.into(), change: Change::Remove { old } })
    }

    /// The draft's tree of a source as it will be.
    pub fn tree(&self, source: &str) -> Result<Option<&Tree>, Stop> {
        self.snapshot.tree(source)
    }
}

impl At<'_, '_> {
    /// Makes sure that the section `name` of `source` is there in the draft; a missing one is made, of the type that
    /// it is named after.
    pub fn own_section(&self, source: &str, name: &str, draft: &mut Draft) -> Result<(), Stop> {
        match draft.tree(source)?.and_then(|package| package.get(name)) {
            Some(_) => Ok(()),
            None => draft.add(source, name, name),
        }
    }

    /// The option that a line reads: source, section, option.
    fn target(&self, line: &Line) -> Result<(String, String, String), Stop> {
        let unfit = || Stop::Refused(Refusal::Backend("the line cannot be written through".into()));
        match &line.source {
            Src::Option { up, option } => {
                let bound = self.up(*up).and_then(|row| row.section.as_ref()).ok_or_else(unfit)?;
                Ok((bound.source.to_string(), bound.name.to_string(), self.text(option)?))
            }
            Src::Tree { key, steps: [section, Step::Key(option)] } => {
                let key = self.text(key)?;
                let section = match section {
                    Step::Key(name) => self.text(name)?,
                    Step::Kind(kind, index) => {
                        let all = self.view.sections(&key, kind)?;
                        let index = usize::try_from(*index).map_err(|_| unfit())?;
                        all.get(index).ok_or_else(unfit)?.0.to_string()
                    }
                    Step::KindBy((kind, by, wanted)) => {
                        let wanted = self.text(wanted)?;
                        let all = self.view.sections(&key, kind)?;
                        let found = all.into_iter().find(|(_, section)| section.str(by) == Some(&wanted));
                        found.ok_or_else(unfit)?.0.to_string()
                    }
                    Step::Index(_) | Step::Match(..) | Step::All => return Err(unfit()),
                };
                Ok((key, section, self.text(option)?))
            }
            Src::Tree { .. } | Src::Item { .. } | Src::Local { .. } | Src::Rust(_) | Src::Const(_) => {
                Err(unfit())
            }
        }
    }

    /// Whether the source that a line reads has a change its daemons have not taken up yet.
    pub(super) fn unapplied(&self, line: &Line) -> Result<bool, Stop> {
        let snapshot = self.view.snapshot;
        if snapshot.stored || snapshot.unapplied.is_empty() {
            return Ok(snapshot.stored);
        }
        let source = match &line.source {
            Src::Option { up, .. } => {
                self.up(*up).and_then(|row| row.section.as_ref()).map(|b| b.source.to_string())
            }
            Src::Tree { key, .. } => Some(self.text(key)?),
            Src::Item { .. } | Src::Local { .. } | Src::Rust(_) | Src::Const(_) => None,
        };
        Ok(source.is_some_and(|source| self.view.snapshot.unapplied.contains(source.as_str())))
    }

    /// Writes a canonical text through a line: the inverse of its pipes, into the option it reads.
    ///
    /// No edit where the line reads so already. Keeps the form found: a list stays a list, words in one text stay
    /// words. An empty text takes the option away.
    pub fn write(&self, line: &Line, wanted: &str, draft: &mut Draft) -> Result<(), Stop> {
        if self.line(line)?.as_deref() == Some(wanted) {
            return Ok(());
        }
        let (source, section, option) = self.target(line)?;
        let found = self.view.tree(&source)?.and_then(|package| package.get(&section));
        if found.is_none() {
            // The agent's own sections bear their type as their name, and may not be there yet.
            if source != OWN && source != KEPT {
                return Err(Refusal::Backend(format!("{source} has no section {section}")).into());
            }
            self.own_section(&source, &section, draft)?;
        }
        let old = found.and_then(|section| section.get(&option));
        let mut text = wanted.to_string();
        let mut listed = false;
        for pipe in line.pipes.iter().rev() {
            let back = match pipe {
                Pipe::Trim | Pipe::Case(_) => Some(text),
                Pipe::Bool => boolean(&text).map(|yes| if yes { "1" } else { "0" }.to_string()),
                Pipe::Not => boolean(&text).map(|yes| if yes { "0" } else { "1" }.to_string()),
                Pipe::Csv => {
                    listed = true;
                    Some(text)
                }
                Pipe::Map(pairs) => {
                    let mut words = Vec::new();
                    for word in text.split(',').filter(|word| !word.is_empty()) {
                        let pair = pairs.iter().find(|(_, to)| *to == word);
                        words.push(pair.map(|(from, _)| *from).ok_or_else(|| Refusal::OutOfRange {
                            allowed: pairs.iter().map(|(_, to)| *to).collect::<Vec<_>>().join(", "),
                        })?);
                    }
                    Some(words.join(","))
                }
                Pipe::Scale(times, over) => {
                    let n = text.parse::<i64>().ok().and_then(|n| n.checked_mul(*over));
                    n.filter(|n| n % times == 0).map(|n| (n / times).to_string())
                }
                Pipe::Ref(tables) => {
                    let mut names = Vec::new();
                    for path in text.split(',').filter(|path| !path.is_empty()) {
                        let row = self.referred(tables, path)?;
                        names.push(
                            row.section.as_ref().map_or(row.key.as_str(), |bound| bound.name).to_string(),
                        );
                    }
                    Some(names.join(","))
                }
                Pipe::Named(name) => {
                    self.view.model.pipe(name).and_then(|pipe| pipe.back).and_then(|back| back(&text))
                }
                Pipe::Cut(_)
                | Pipe::Word(_)
                | Pipe::Part(..)
                | Pipe::Count
                | Pipe::Ago
                | Pipe::Ahead
                | Pipe::Epoch => None,
            };
            let unfit = || Refusal::OutOfRange { allowed: "a value the router can hold".into() };
            text = back.ok_or_else(unfit)?;
        }
        let new = if text.is_empty() {
            None
        } else if listed {
            let items: Vec<&str> = text.split(',').collect();
            Some(match old {
                Some(Tree::Text(_)) => Tree::from(items.join(" ")),
                Some(Tree::List(_) | Tree::Map(_)) | None => {
                    Tree::List(items.into_iter().map(Tree::from).collect())
                }
            })
        } else {
            Some(match old {
                // A list where one item is meant keeps its other items.
                Some(Tree::List(items)) if items.len() > 1 => {
                    let mut items = items.clone();
                    if let Some(first) = items.first_mut() {
                        *first = Tree::from(text);
                    }
                    Tree::List(items)
                }
                Some(Tree::List(_)) => Tree::List(vec![Tree::from(text)]),
                Some(Tree::Text(_) | Tree::Map(_)) | None => Tree::from(text),
            })
        };
        draft.set(&source, &section, &option, new)
    }
}
