//! What survives a reboot besides UCI: instance numbers, attributes, rows that UCI cannot hold yet, counters.
//!
//! The state is a tree of the shape of a package, so that a commit changes it with the same edits as a package and
//! can take them back; this module gives the tree typed names and bounds. It is written whole ([`State::encode`]),
//! in two generations, by `io::store`. Undelivered events are a log of their own: [`events`].

pub mod events;
pub mod guard;

use crate::dm::edit::{Conflict, Edit};
use crate::dm::error::Refusal;
use crate::dm::instance::{self, Instances};
use crate::dm::record::{self, STATE};
use crate::dm::tree::Tree;
use crate::dm::view::{KEPT, PENDING};
use crate::sealed::{self, Broken};
use crate::time::Wall;

/// The largest state, in octets of text.
pub const MAX_STATE: usize = 1 << 20;
/// The most tables with instance numbers.
pub const MAX_TABLES: usize = 1_024;
/// The most parameters with attributes of their own.
pub const MAX_ATTRIBUTES: usize = 4_096;
/// The most rows waiting to become sections.
pub const MAX_ROWS: usize = 256;
/// The most rows that only the agent keeps, over all tables.
pub const MAX_KEPT: usize = 512;
/// The longest key, alias, path or value kept, in octets.
pub const MAX_TEXT: usize = 4_096;
/// Values up to this length are kept as they are to compare with, longer ones as a checksum.
pub const MAX_BASELINE: usize = 64;

const KIND: &str = "cpeagent-state";
const VERSION: u32 = 1;
const AGENT: &str = "agent";
const ATTRIBUTES: &str = "attributes";
/// The beginning of the names of rows that only the agent keeps.
const ROW: &str = "kept:";

/// A bound of this module is reached; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// How the agent came to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// For the first time since the factory, or since its state was lost.
    First,
    /// The device booted.
    Boot,
    /// Only the agent was started again.
    Restart,
}

/// The attributes of a parameter or a part of the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attribute {
    /// The notification attribute as its protocol numbers it.
    pub notification: u8,
    /// Who besides the ACS may write; `None` where nobody set it.
    pub access: Option<Vec<String>>,
    /// What the value was when it was last told, as [`baseline`] keeps it.
    pub baseline: Option<Box<str>>,
}

/// A value as it is kept to compare with: itself, or a checksum if it is long.
pub fn baseline(value: &str) -> Box<str> {
    if value.len() <= MAX_BASELINE && !value.starts_with('#') {
        value.into()
    } else {
        format!("#{}", sealed::checksum(value.as_bytes())).into()
    }
}

impl Attribute {
    /// Whether a value is another one than was last told; not, where nothing was told.
    pub fn differs(&self, value: &str) -> bool {
        self.baseline.as_ref().is_some_and(|told| *told != baseline(value))
    }

    fn tree(&self) -> Tree {
        let access = self.access.as_ref().map_or("*".into(), |access| access.join(","));
        let mut items = vec![Tree::from(self.notification.to_string()), Tree::from(access)];
        items.extend(self.baseline.as_deref().map(Tree::from));
        Tree::List(items)
    }

    fn of(tree: &Tree) -> Option<Attribute> {
        let mut items = tree.items().iter().map(Tree::as_str);
        let notification = items.next()??.parse().ok()?;
        let access = items.next()??;
        let access = (access != "*").then(|| access.split(',').filter(|who| !who.is_empty()));
        let access = access.map(|access| access.map(str::to_string).collect());
        Some(Attribute { notification, access, baseline: items.next().flatten().map(Box::from) })
    }
}

/// The agent's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State(Tree);

impl Default for State {
    fn default() -> State {
        State::factory()
    }
}

impl State {
    /// The state of a device that has just left the factory.
    pub fn factory() -> State {
        State(Tree::Map(Vec::new()))
    }

    /// The state as text, under a generation's number.
    ///
    /// Refuses what is larger than [`MAX_STATE`].
    pub fn encode(&self, generation: u64) -> Result<String, Full> {
        let mut body = String::new();
        record::write_package(&self.0, &mut body).map_err(|_| Full)?;
        let text = sealed::seal(KIND, VERSION, generation, &body);
        if text.len() > MAX_STATE { Err(Full) } else { Ok(text) }
    }

    /// The generation and the state of a text.
    pub fn decode(text: &[u8]) -> Result<(u64, State), Broken> {
        let (_, generation, body) = sealed::open(KIND, VERSION, text, MAX_STATE)?;
        let tree = record::read_package(body).map_err(|_| Broken::Damaged)?;
        Ok((generation, State(tree)))
    }

    /// The tree behind it, for a read of source [`STATE`].
    pub fn tree(&self) -> &Tree {
        &self.0
    }

    /// Applies an edit of source [`STATE`], as [`Edit::apply`] does.
    pub fn apply(&mut self, edit: &Edit) -> Result<(), Conflict> {
        edit.apply(&mut self.0)
    }

    /// The edits that lead from this state to `next`, for the record of a commit.
    pub fn difference(&self, next: &State) -> Vec<Edit> {
        record::difference(STATE, &self.0, &next.0)
    }

    /// Any option of any section; `None` where it was never put.
    pub fn value(&self, section: &str, option: &str) -> Option<&Tree> {
        self.0.get(section)?.get(option)
    }

    /// Puts an option (a text or a list of texts) into a section, made with type `kind` if missing; `None` removes
    /// the option, and the section with its last one.
    pub fn put(&mut self, section: &str, kind: &str, option: &str, value: Option<Tree>) -> Result<(), Full> {
        let texts =
            value.iter().flat_map(|value| value.items().iter().chain([value])).filter_map(Tree::as_str);
        if texts.chain([section, option]).any(|text| text.len() > MAX_TEXT) {
            return Err(Full);
        }
        match (self.0.get_mut(section), value) {
            (None, None) => {}
            (None, Some(value)) => {
                self.0.set(section, Tree::map([(".type", Tree::from(kind)), (option, value)]));
            }
            (Some(entries), Some(value)) => entries.set(option, value),
            (Some(entries), None) => {
                entries.remove(option);
                if entries.entries().len() <= 1 {
                    self.0.remove(section);
                }
            }
        }
        Ok(())
    }

    fn agent(&self, option: &str) -> Option<&str> {
        self.value(AGENT, option)?.as_str()
    }

    fn set_agent(&mut self, option: &str, value: impl ToString) -> Result<(), Full> {
        self.put(AGENT, AGENT, option, Some(Tree::from(value.to_string())))
    }

    /// `ManagementServer.ParameterKey`; empty until an ACS set it.
    pub fn parameter_key(&self) -> &str {
        self.agent("parameter_key").unwrap_or_default()
    }

    /// Sets `ManagementServer.ParameterKey`.
    pub fn set_parameter_key(&mut self, key: &str) -> Result<(), Full> {
        self.set_agent("parameter_key", key)
    }

    /// The random path under which connection requests are heard; `None` until one was chosen.
    pub fn connection_request_path(&self) -> Option<&str> {
        self.agent("connection_request_path")
    }

    /// Keeps that path.
    pub fn set_connection_request_path(&mut self, path: &str) -> Result<(), Full> {
        self.set_agent("connection_request_path", path)
    }

    /// The boots counted so far.
    pub fn boots(&self) -> u64 {
        self.agent("boots").and_then(|boots| boots.parse().ok()).unwrap_or_default()
    }

    /// Notes the kernel's `boot_id` and says what kind of start this is; a boot is counted.
    ///
    /// Without a `boot_id` (empty) every start counts as a boot.
    pub fn note_start(&mut self, boot_id: &str) -> Start {
        let before = self.agent("boot_id").map(str::to_string);
        if before.as_deref() == Some(boot_id) && !boot_id.is_empty() {
            return Start::Restart;
        }
        let boots = self.boots() + 1;
        // Both are short; the kernel's is cut where it is not.
        let id: String = boot_id.chars().take(64).collect();
        if self.set_agent("boots", boots).and_then(|()| self.set_agent("boot_id", id)).is_err() {
            log::warn!("the boot could not be noted");
        }
        if before.is_none() { Start::First } else { Start::Boot }
    }

    /// When the device first knew the time; `None` until then.
    pub fn first_use(&self) -> Option<Wall> {
        Wall::parse(self.agent("first_use")?)
    }

    /// Sets the date of first use, once: later calls change nothing.
    pub fn set_first_use(&mut self, at: Wall) -> Result<(), Full> {
        if self.first_use().is_some() { Ok(()) } else { self.set_agent("first_use", at) }
    }

    /// The sequence of the last commit that this state knows of.
    pub fn commit(&self) -> u64 {
        self.agent("commit").and_then(|commit| commit.parse().ok()).unwrap_or_default()
    }

    /// Notes a commit's sequence.
    pub fn set_commit(&mut self, sequence: u64) -> Result<(), Full> {
        self.set_agent("commit", sequence)
    }

    /// Instance numbers and aliases.
    pub fn instances(&self) -> Instances {
        Instances::from_store(&self.0)
    }

    /// Keeps instance numbers and aliases in place of those before.
    ///
    /// Refuses more than [`MAX_TABLES`] tables.
    pub fn set_instances(&mut self, instances: &Instances) -> Result<(), Full> {
        let sections: Vec<(String, Tree)> = instances.sections().collect();
        if sections.len() > MAX_TABLES {
            return Err(Full);
        }
        let Tree::Map(entries) = &mut self.0 else { return Err(Full) };
        //= TR-069 A.3.2.6, TR-369 R-ARC.8: an instance number is not given again to another row.
        entries.retain(|(_, section)| section.str(".type") != Some(instance::KIND));
        entries.extend(sections.into_iter().map(|(name, section)| (name.into(), section)));
        Ok(())
    }

    /// The attributes set on exactly this path.
    pub fn attribute(&self, path: &str) -> Option<Attribute> {
        Attribute::of(self.value(ATTRIBUTES, path)?)
    }

    /// All attributes, by path, in the order they were set.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, Attribute)> {
        let entries = self.0.get(ATTRIBUTES).map(Tree::entries).unwrap_or_default();
        entries.iter().filter_map(|(path, value)| Some((&**path, Attribute::of(value)?)))
    }

    /// Sets the attributes of a path; `None` takes them away.
    pub fn set_attribute(&mut self, path: &str, attribute: Option<&Attribute>) -> Result<(), Full> {
        let count = self.0.get(ATTRIBUTES).map_or(0, |section| section.entries().len());
        if attribute.is_some() && count > MAX_ATTRIBUTES && self.value(ATTRIBUTES, path).is_none() {
            return Err(Full);
        }
        self.put(ATTRIBUTES, ATTRIBUTES, path, attribute.map(Attribute::tree))
    }

    /// Forgets the attributes of a row that is gone, by its path, and of all below.
    //= TR-069 A.3.2.4: attributes vanish with their instance.
    pub fn forget_attributes_below(&mut self, row: &str) {
        let gone = self.attributes().map(|(path, _)| path.to_string()).filter(|path| path.starts_with(row));
        for path in gone.collect::<Vec<_>>() {
            let _ = self.set_attribute(&path, None);
        }
    }

    /// The rows that wait to become sections, as a source: a section per row, named by its path (such as
    /// `Device.NAT.PortMapping.3.`), of the type of its table's path, with the values it has so far.
    pub fn pending(&self) -> Tree {
        let rows = self.0.entries().iter().filter_map(|(name, row)| {
            let path = name.strip_prefix("row:")?;
            let table = path.trim_end_matches('.').trim_end_matches(|c: char| c.is_ascii_digit());
            let mut row = row.clone();
            row.set(".type", Tree::from(table));
            Some((path, row))
        });
        Tree::map(rows)
    }

    /// Keeps the waiting rows of `pending` (as [`State::pending`] gives them) in place of those before.
    ///
    /// Refuses more than [`MAX_ROWS`].
    pub fn set_pending(&mut self, pending: &Tree) -> Result<(), Full> {
        if pending.entries().len() > MAX_ROWS {
            return Err(Full);
        }
        let Tree::Map(entries) = &mut self.0 else { return Err(Full) };
        entries.retain(|(name, _)| !name.starts_with("row:"));
        for (path, row) in pending.entries() {
            let mut row = row.clone();
            row.set(".type", Tree::from("row"));
            entries.push((format!("row:{path}").into(), row));
        }
        Ok(())
    }

    /// The rows that only the agent keeps (subscriptions, requests), as a source: a section per row.
    pub fn kept(&self) -> Tree {
        let rows = self.0.entries().iter();
        Tree::map(rows.filter_map(|(name, row)| Some((name.strip_prefix(ROW)?, row.clone()))))
    }

    /// Keeps the rows of `kept` (as [`State::kept`] gives them) in place of those before.
    ///
    /// Refuses more than [`MAX_KEPT`], and texts longer than [`MAX_TEXT`].
    pub fn set_kept(&mut self, kept: &Tree) -> Result<(), Full> {
        let long = |value: &Tree| {
            let texts = value.items().iter().chain([value]).filter_map(Tree::as_str);
            texts.map(str::len).sum::<usize>() > MAX_TEXT
        };
        let mut options = kept.entries().iter().flat_map(|(_, row)| row.entries());
        if kept.entries().len() > MAX_KEPT || options.any(|(_, value)| long(value)) {
            return Err(Full);
        }
        let Tree::Map(entries) = &mut self.0 else { return Err(Full) };
        entries.retain(|(name, _)| !name.starts_with(ROW));
        entries.extend(kept.entries().iter().map(|(name, row)| (format!("{ROW}{name}").into(), row.clone())));
        Ok(())
    }

    /// The sources that are part of it: waiting rows and kept ones.
    pub fn sources(&self) -> [(&'static str, Tree); 2] {
        [(PENDING, self.pending()), (KEPT, self.kept())]
    }

    /// Carries out those edits of a plan that are of its own sources, and gives the others back.
    ///
    /// Refuses, without effect, what does not fit and what is too much.
    pub fn take(&mut self, edits: Vec<Edit>) -> Result<Vec<Edit>, Refusal> {
        let (mut pending, mut kept) = (self.pending(), self.kept());
        let mut others = Vec::new();
        for edit in edits {
            let rows = match &*edit.source {
                PENDING => &mut pending,
                KEPT => &mut kept,
                _ => {
                    others.push(edit);
                    continue;
                }
            };
            edit.apply(rows).map_err(|conflict| Refusal::Backend(conflict.0))?;
        }
        let mut next = self.clone();
        let full = |Full| Refusal::Exhausted("the agent's state".into());
        next.set_pending(&pending).and_then(|()| next.set_kept(&kept)).map_err(full)?;
        *self = next;
        Ok(others)
    }
}

#[cfg(test)]
#[path = "state/tests.rs"]
mod tests;
