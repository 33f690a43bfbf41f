//! The rows of a long answer, given one at a time while it is sent.
//!
//! What is kept of an answer is the paths of its objects and, up to [`MAX_KEPT`], the texts of its values; names, types
//! and attributes come from the model and the state. Values beyond that are read again from the snapshot, some objects
//! at a time. Filled by `measure`.

use crate::cwmp::rpc::{ParameterAttribute, ParameterInfo, ParameterValue};
use crate::cwmp::soap::writer::{List, Listed};
use crate::dm::error::Refusal;
use crate::dm::instance::Instances;
use crate::dm::path::Pattern;
use crate::dm::read::Node;
use crate::dm::schema::{Audience, Delete, Model, Write};
use crate::dm::source::{Snapshot, Stop};
use crate::dm::view::View;
use crate::state::State;
use std::cell::RefCell;
use std::collections::VecDeque;

/// Most octets of values that are kept between counting and sending.
pub const MAX_KEPT: usize = 256 * 1024;
/// How many objects are read at a time where values are read again.
const OBJECTS: usize = 64;

/// A row of whatever list it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Of GetParameterNames.
    Name(ParameterInfo),
    /// Of GetParameterValues.
    Value(ParameterValue),
    /// Of GetParameterAttributes.
    Attribute(ParameterAttribute),
}

impl Item {
    /// Counts it.
    pub(super) fn count(&self, listed: &mut Listed) {
        match self {
            Item::Name(row) => listed.add(row),
            Item::Value(row) => listed.add(row),
            Item::Attribute(row) => listed.add(row),
        }
    }
}

/// What an [`Entry`] stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Table,
    Row,
    Object,
    /// A parameter asked for by itself, by its place in the object.
    Param(usize),
}

/// A node with the rows that are its own, not those of what lies below it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) path: Box<str>,
    object: usize,
    what: What,
    /// For whom it is told.
    audience: Audience,
    /// Its rows, counted.
    pub(super) listed: Listed,
    /// The place of its first value among those kept; `None` where they are not.
    pub(super) first: Option<usize>,
}

impl Entry {
    /// The entry of a node, not yet counted.
    pub(super) fn of<'s>(view: &View<'s>, node: &Node<'s>, list: List) -> Result<Entry, Stop> {
        let object = node.place().object;
        let what = match node {
            Node::Table(_) => What::Table,
            Node::Object(_) if view.model.object(object)?.is_table() => What::Row,
            Node::Object(_) => What::Object,
            Node::Param(_, at) => What::Param(*at),
        };
        let path = node.path(view)?.into();
        let audience = view.snapshot.audience;
        Ok(Entry { path, object, what, audience, listed: Listed::new(list), first: None })
    }

    /// The place of its first parameter that is not before `from`.
    pub(super) fn param(&self, model: &Model, from: usize) -> Result<Option<usize>, Stop> {
        let params = model.object(self.object)?.params;
        let mut places = match self.what {
            What::Table => 0..0,
            What::Row | What::Object => from..params.len(),
            What::Param(at) => at.max(from)..at + 1,
        };
        let seen = |at: &usize| params.get(*at).is_some_and(|param| self.audience.sees(param.flags.known));
        Ok(places.find(seen))
    }

    /// The row that it is itself, which only a list of names has.
    //= TR-069 A.3.2.3: writable says of a table that rows can be added, of a row that it can be deleted.
    pub(super) fn own(&self, model: &Model) -> Result<Option<Item>, Stop> {
        let object = model.object(self.object)?;
        let writable = match self.what {
            _ if self.listed.list != List::Names => return Ok(None),
            What::Param(_) => return Ok(None),
            What::Table => object.add.is_some(),
            What::Row => !matches!(object.delete, Delete::No),
            What::Object => false,
        };
        Ok(Some(Item::Name(ParameterInfo { name: self.path.to_string(), writable })))
    }

    /// The row of its parameter `at`. `value` is asked for the text of the parameter where the list has it.
    pub(super) fn row(
        &self,
        model: &Model,
        state: &State,
        at: usize,
        value: impl FnOnce() -> Result<String, Stop>,
    ) -> Result<Item, Stop> {
        let list = self.listed.list;
        let param = model.object(self.object)?.params.get(at).ok_or(Stop::Refused(Refusal::UnknownPath))?;
        let name = match self.what {
            What::Param(_) => self.path.to_string(),
            What::Table | What::Row | What::Object => [&*self.path, param.name].concat(),
        };
        Ok(match list {
            List::Names => Item::Name(ParameterInfo { name, writable: !matches!(param.write, Write::No) }),
            List::Values => {
                let kind = super::watch::value_type(&param.syntax);
                Item::Value(ParameterValue { name, kind, value: value()? })
            }
            List::Attributes => {
                let (notification, access_list) = super::watch::attributes_of(state, &name, param);
                Item::Attribute(ParameterAttribute { name, notification, access_list })
            }
        })
    }
}

/// Texts of values, one behind the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    text: String,
    /// Where each ends; within [`MAX_KEPT`].
    ends: Vec<u32>,
}

impl Kept {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Adds one; `false` where there is no room.
    pub(super) fn push(&mut self, value: &str, most: usize) -> bool {
        let end = self.text.len() + value.len();
        let Some(end) = u32::try_from(end).ok().filter(|_| end <= most) else { return false };
        self.text.push_str(value);
        self.ends.push(end);
        true
    }

    /// Drops all but the first so many.
    pub(super) fn truncate(&mut self, len: usize) {
        self.ends.truncate(len);
        self.text.truncate(self.ends.last().map_or(0, |end| *end as usize));
    }

    /// The one at a place.
    fn at(&self, place: usize) -> Option<&str> {
        let from = place.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.text.get(from as usize..*self.ends.get(place)? as usize)
    }
}

/// What values that were not kept are read from.
pub(super) struct Behind {
    pub(super) snapshot: Snapshot,
    pub(super) instances: RefCell<Instances>,
}

/// The rows of one answer, in order.
pub struct Rendering {
    model: &'static Model,
    state: State,
    entries: Vec<Entry>,
    kept: Kept,
    behind: Option<Behind>,
    /// The entry that is next, the row in it, and where its parameter is looked for.
    next: (usize, usize, usize),
    /// Values read again, from the next row on.
    made: VecDeque<String>,
}

impl Rendering {
    /// The rows of `entries`; those whose values are not in `kept` are read from `behind`. Of the state nothing but
    /// attributes is read, and only for a list of them.
    pub(super) fn new(
        model: &'static Model,
        state: State,
        entries: Vec<Entry>,
        kept: Kept,
        behind: Option<Behind>,
    ) -> Rendering {
        Rendering { model, state, entries, kept, behind, next: (0, 0, 0), made: VecDeque::new() }
    }

    /// Goes back to the first row.
    pub fn rewind(&mut self) {
        self.next = (0, 0, 0);
        self.made.clear();
    }

    /// The next row; `None` at the end, or where the model is no longer what was counted.
    pub fn item(&mut self) -> Option<Item> {
        loop {
            let (at, place, from) = self.next;
            let entry = self.entries.get(at)?;
            if (place as u64) >= entry.listed.rows {
                self.next = (at + 1, 0, 0);
                continue;
            }
            if place == 0
                && let Some(own) = entry.own(self.model).ok()?
            {
                self.next = (at, 1, 0);
                return Some(own);
            }
            if entry.listed.list == List::Values && entry.first.is_none() && self.made.is_empty() {
                self.read_again(at)?;
            }
            let (entry, kept, made) = (self.entries.get(at)?, &self.kept, &mut self.made);
            let gone = || Stop::Refused(Refusal::UnknownPath);
            let value = || match entry.first {
                Some(first) => kept.at(first + place).map(str::to_string).ok_or_else(gone),
                None => made.pop_front().ok_or_else(gone),
            };
            let param = entry.param(self.model, from).ok()??;
            let item = entry.row(self.model, &self.state, param, value).ok()?;
            self.next = (at, place + 1, param + 1);
            return Some(item);
        }
    }

    /// Reads the values of the entries from `at` on, up to the next that is kept.
    fn read_again(&mut self, at: usize) -> Option<()> {
        let behind = self.behind.as_ref()?;
        let view = View::new(self.model, &behind.snapshot, &behind.instances);
        let some = self.entries.get(at..).unwrap_or_default().iter().take(OBJECTS);
        for entry in some.take_while(|entry| entry.first.is_none()) {
            let pattern = Pattern::parse(&entry.path).ok()?;
            let nodes = view.resolve(&pattern).ok()?;
            let [node] = nodes.as_slice() else { return None };
            let mut from = 0;
            while let Some(param) = entry.param(self.model, from).ok()? {
                from = param + 1;
                self.made.push_back(view.value(node.place(), param).ok()?.into_owned());
            }
        }
        Some(())
    }
}
