//! The model seen through one snapshot: rows, their numbers, and where mapping functions find things.
//!
//! Everything here is a plain read that may stop for a missing source. Values are evaluated in [`super::eval`];
//! walking and paths are [`super::read`]'s.

use super::error::Refusal;
use super::eval::Flow;
use super::instance::Instances;
use super::line::{Each, Rows, Src};
use super::schema::Model;
use super::source::{Snapshot, Source, Stop};
use super::tree::Tree;
use crate::sorted::{Map, Set};
use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

/// One row of a table.
pub struct Row<'s> {
    /// The table's place in the model.
    pub object: usize,
    /// Its instance number.
    pub number: u32,
    /// What identifies it, over reboots and reordering.
    pub key: String,
    /// Its key in the source's tree: for a section its name of this reading.
    pub anchor: &'s str,
    /// What the enumeration gave: the section, the list item, the map's value.
    pub item: &'s Tree,
    /// The section it is bound to.
    pub section: Option<Bound<'s>>,
    /// Its path, such as `Device.IP.Interface.2.`.
    pub path: Rc<str>,
    /// The row that the table lies in.
    pub parent: Option<Rc<Row<'s>>>,
    /// A row that waits in the agent's state because its source cannot hold it yet.
    pub pending: bool,
    /// Its place in the source, counted from 0.
    pub order: usize,
}

/// The section a row is bound to.
#[derive(Clone)]
pub struct Bound<'s> {
    /// The source's key, such as `uci:network`.
    pub source: Cow<'s, str>,
    /// The section's name of this reading.
    pub name: &'s str,
    /// Its tree.
    pub tree: &'s Tree,
}

type Shared<'s> = Rc<[Rc<Row<'s>>]>;

/// Of one table: the paths of its rows by the names that refer to them.
type Names = Rc<Map<String, String>>;

/// The model seen through one snapshot.
pub struct View<'s> {
    /// The model.
    pub model: &'s Model,
    /// The snapshot.
    pub snapshot: &'s Snapshot,
    /// Numbers and aliases; reading a new row adds to them.
    pub instances: &'s RefCell<Instances>,
    /// Of each table, by the path of the row it lies in.
    rows: RefCell<Map<usize, Map<Rc<str>, Shared<'s>>>>,
    named: RefCell<Map<Box<str>, Names>>,
    needs: RefCell<Map<usize, bool>>,
}

/// Where a line or a function is evaluated: an object and the row it belongs to.
#[derive(Clone, Copy)]
pub struct At<'a, 's> {
    /// The view.
    pub view: &'a View<'s>,
    /// The object's place in the model.
    pub object: usize,
    /// The nearest row; `None` for what lies in no table.
    pub row: Option<&'a Rc<Row<'s>>>,
}

/// The source that holds rows waiting to become sections.
pub const PENDING: &str = "agent:pending";

/// The source that holds rows which only the agent keeps, as sections.
pub const KEPT: &str = "agent:kept";

impl<'s> View<'s> {
    /// A view of `model` through `snapshot`.
    pub fn new(model: &'s Model, snapshot: &'s Snapshot, instances: &'s RefCell<Instances>) -> View<'s> {
        View {
            model,
            snapshot,
            instances,
            rows: RefCell::default(),
            named: RefCell::default(),
            needs: RefCell::default(),
        }
    }

    /// The tree of a source, such as `uci:network`; `None` where it is absent now.
    pub fn tree(&self, key: &str) -> Result<Option<&'s Tree>, Stop> {
        self.snapshot.tree(key)
    }

    /// The sections of a type, in file order: name and tree.
    pub fn sections(&self, key: &str, kind: &str) -> Result<Vec<(&'s str, &'s Tree)>, Stop> {
        let entries = self.tree(key)?.map_or(&[][..], Tree::entries);
        Ok(entries
            .iter()
            .filter(|(_, s)| s.str(".type") == Some(kind))
            .map(|(name, s)| (&**name, s))
            .collect())
    }

    /// Whether an object belongs to the supported model here: its own condition and those above it hold.
    pub fn supported(&self, object: usize) -> Result<bool, Stop> {
        if !self.snapshot.audience.sees(self.model.object(object)?.known) {
            return Ok(false);
        }
        if let Some(known) = self.needs.borrow().get(&object) {
            return Ok(*known);
        }
        let holds = match self.model.parent(object) {
            Some(parent) => self.supported(parent)?,
            None => true,
        } && match &self.model.object(object)?.needs {
            Some(condition) => At { view: self, object, row: None }.holds(condition)?,
            None => true,
        };
        self.needs.borrow_mut().insert(object, holds);
        Ok(holds)
    }

    /// The rows of a table below `parent`, by number.
    pub fn rows(&self, object: usize, parent: Option<&Rc<Row<'s>>>) -> Result<Shared<'s>, Stop> {
        let above = parent.map_or("", |row| &*row.path);
        if let Some(rows) = self.rows.borrow().get(&object).and_then(|tables| tables.get(above)) {
            return Ok(rows.clone());
        }
        let table = self.table_path(object, parent)?;
        let Some(each) = self.model.object(object)?.each else { return Ok(Rc::new([])) };
        let (mut rows, mut keys) = (Vec::new(), Set::new());
        let mut found = self.found(object, each, parent)?;
        for (anchor, item) in self.pending(&table)? {
            found.push(Found { anchor, item, section: None, pending: true });
        }
        for (order, found) in found.into_iter().enumerate() {
            rows.extend(self.numbered(object, each, (&table, order), parent, found, &mut keys)?);
        }
        rows.sort_by_key(|row| row.number);
        let shared: Shared<'s> = rows.into();
        self.rows.borrow_mut().entry(object).or_default().insert(above.into(), shared.clone());
        Ok(shared)
    }

    /// The path of a table with its parents' numbers: `Device.IP.Interface.2.IPv4Address.`.
    pub fn table_path(&self, object: usize, parent: Option<&Rc<Row<'s>>>) -> Result<String, Stop> {
        let template = self.model.object(object)?.path;
        let own = template.strip_suffix("{i}.").unwrap_or(template);
        Ok(match parent {
            Some(row) => {
                let above = self.model.object(row.object)?.path;
                [&*row.path, own.strip_prefix(above).unwrap_or(own)].concat()
            }
            None => own.to_string(),
        })
    }

    /// The path of the row of `table` (a schema path without `{i}.`) that bears `name`, without trailing dot.
    ///
    /// Rows bear their key and whatever their item lists under `.names`. Tables in tables are searched in all rows.
    pub fn path_of(&self, table: &str, name: &str) -> Result<Option<String>, Stop> {
        Ok(self.named(table)?.get(name).cloned())
    }

    /// The row whose path (with or without trailing dot) is `path`, if it is one of `table`'s.
    pub fn row_at(&self, table: &str, path: &str) -> Result<Option<Rc<Row<'s>>>, Stop> {
        let path = path.trim_end_matches('.');
        let all = self.all_rows(table)?;
        Ok(all.into_iter().find(|row| row.path.trim_end_matches('.') == path))
    }

    /// Every row of a table, in all rows of the tables it lies in.
    pub fn all_rows(&self, table: &str) -> Result<Vec<Rc<Row<'s>>>, Stop> {
        let template = format!("{}.{{i}}.", table.trim_end_matches('.'));
        let Some(object) = self.model.find(&template) else { return Ok(Vec::new()) };
        if !self.supported(object)? {
            return Ok(Vec::new());
        }
        let mut above = self.model.parent(object);
        while let Some(place) = above {
            if self.model.object(place)?.is_table() {
                break;
            }
            above = self.model.parent(place);
        }
        let mut out = Vec::new();
        match above {
            None => out.extend(self.rows(object, None)?.iter().cloned()),
            Some(place) => {
                let outer = self.model.object(place)?.path.trim_end_matches("{i}.").to_string();
                for row in self.all_rows(&outer)? {
                    out.extend(self.rows(object, Some(&row))?.iter().cloned());
                }
            }
        }
        Ok(out)
    }

    fn named(&self, table: &str) -> Result<Names, Stop> {
        if let Some(names) = self.named.borrow().get(table) {
            return Ok(names.clone());
        }
        let mut names = Map::new();
        for row in self.all_rows(table)? {
            let path = row.path.trim_end_matches('.').to_string();
            for name in row.item.get(".names").map_or(&[][..], Tree::items).iter().filter_map(Tree::as_str) {
                names.entry(name.to_string()).or_insert_with(|| path.clone());
            }
            if let Some(bound) = &row.section {
                names.entry(bound.name.to_string()).or_insert_with(|| path.clone());
            }
            names.insert(row.key.clone(), path);
        }
        let names = Rc::new(names);
        self.named.borrow_mut().insert(table.into(), names.clone());
        Ok(names)
    }

    fn found(
        &self,
        object: usize,
        each: &Each,
        parent: Option<&Rc<Row<'s>>>,
    ) -> Result<Vec<Found<'s>>, Stop> {
        let at = At { view: self, object, row: parent };
        Ok(match each.rows {
            Rows::Sections { key, kind, by } => {
                let wanted = match by {
                    Some((option, text)) => Some((option, at.text(text)?)),
                    None => None,
                };
                let fits = |tree: &Tree| {
                    wanted.as_ref().is_none_or(|(option, text)| tree.str(option) == Some(text.as_str()))
                };
                self.sections(key, kind)?
                    .into_iter()
                    .filter(|(_, tree)| fits(tree))
                    .map(|(name, tree)| {
                        let section = Bound { source: Cow::Borrowed(key), name, tree };
                        Found { anchor: name, item: tree, section: Some(section), pending: false }
                    })
                    .collect()
            }
            Rows::Items(source) => {
                let source = match source {
                    Src::Local { name: "rows", .. } | Src::Const(_) => {
                        return Err(Refusal::UnknownPath.into());
                    }
                    other => other,
                };
                match at.flow(&source)? {
                    None => Vec::new(),
                    Some(Flow::Tree(Tree::Map(entries))) => {
                        let mut out = Vec::new();
                        for (key, item) in entries {
                            out.push(Found { anchor: key, item, section: self.bound(item)?, pending: false });
                        }
                        out
                    }
                    Some(Flow::Tree(tree)) => {
                        let items = match tree {
                            Tree::List(items) => items.as_slice(),
                            Tree::Text(_) | Tree::Map(_) => std::slice::from_ref(tree),
                        };
                        self.listed(items.iter())?
                    }
                    Some(Flow::Many(items)) => self.listed(items.into_iter())?,
                    Some(Flow::Text(_)) => Vec::new(),
                }
            }
        })
    }

    fn listed(&self, items: impl Iterator<Item = &'s Tree>) -> Result<Vec<Found<'s>>, Stop> {
        let mut out = Vec::new();
        for item in items {
            let anchor = item.as_str().unwrap_or_default();
            out.push(Found { anchor, item, section: self.bound(item)?, pending: false });
        }
        Ok(out)
    }

    /// The section that an item of a computed source names by its fields `.source` and `.section`.
    fn bound(&self, item: &'s Tree) -> Result<Option<Bound<'s>>, Stop> {
        let (Some(source), Some(name)) = (item.str(".source"), item.str(".section")) else { return Ok(None) };
        let Some(tree) = self.tree(source)?.and_then(|package| package.get(name)) else { return Ok(None) };
        Ok(Some(Bound { source: Cow::Borrowed(source), name, tree }))
    }

    /// Rows of `table` that wait in the agent's state.
    fn pending(&self, table: &str) -> Result<Vec<(&'s str, &'s Tree)>, Stop> {
        let Some(Source::Ready(_) | Source::Absent | Source::Failed(_)) = self.snapshot.peek(PENDING) else {
            return Ok(Vec::new());
        };
        let entries = self.tree(PENDING)?.map_or(&[][..], Tree::entries);
        Ok(entries
            .iter()
            .filter(|(_, s)| s.str(".type") == Some(table))
            .map(|(name, s)| (&**name, s))
            .collect())
    }

    /// Gives a found row its key and number; nothing for one that the table's condition leaves out.
    fn numbered(
        &self,
        object: usize,
        each: &Each,
        (table, order): (&str, usize),
        parent: Option<&Rc<Row<'s>>>,
        found: Found<'s>,
        keys: &mut Set<Box<str>>,
    ) -> Result<Option<Rc<Row<'s>>>, Stop> {
        let row = Row {
            object,
            number: 0,
            key: found.anchor.to_string(),
            anchor: found.anchor,
            item: found.item,
            section: found.section,
            path: Rc::from(""),
            parent: parent.cloned(),
            pending: found.pending,
            order,
        };
        let anonymous = row.section.as_ref().map_or_else(
            || row.anchor.is_empty() || !matches!(each.rows, Rows::Items(_)) || each.key.is_some(),
            |bound| bound.tree.get(".anonymous").is_some(),
        );
        let shared = Rc::new(row);
        let at = At { view: self, object, row: Some(&shared) };
        if let (Some(only), false) = (&each.only, shared.pending)
            && !at.holds(only)?
        {
            return Ok(None);
        }
        let key = match each.key {
            Some(key) if anonymous && !shared.pending => Some(at.text(key)?),
            Some(_) | None => None,
        };
        let mut row = Rc::into_inner(shared).ok_or(Stop::Refused(Refusal::Backend("row kept".into())))?;
        row.key = key.unwrap_or(row.key);
        let same = namesakes(keys, &row.key);
        if same > 0 {
            row.key = format!("{}#{}", row.key, same + 1);
        }
        keys.insert(row.key.as_str().into());
        let number = self.instances.borrow_mut().number(table, &row.key, each.volatile);
        row.number = number.ok_or_else(|| Stop::Refused(Refusal::Exhausted(table.to_string())))?;
        row.path = format!("{table}{}.", row.number).into();
        Ok(Some(Rc::new(row)))
    }
}

/// How many of `keys` are `key`, or it with a number behind `#`.
fn namesakes(keys: &Set<Box<str>>, key: &str) -> usize {
    keys.starting_at(key)
        .map_while(|other| other.strip_prefix(key))
        .take_while(|rest| rest.as_bytes().first().is_none_or(|next| *next <= b'#'))
        .filter(|rest| rest.is_empty() || rest.starts_with('#'))
        .count()
}

struct Found<'s> {
    anchor: &'s str,
    item: &'s Tree,
    section: Option<Bound<'s>>,
    pending: bool,
}

impl<'a, 's> At<'a, 's> {
    /// The row `up` rows above.
    pub fn up(&self, up: u8) -> Option<&'a Rc<Row<'s>>> {
        let mut row = self.row;
        for _ in 0..up {
            row = row.and_then(|row| row.parent.as_ref());
        }
        row
    }

    /// The text of an option of the bound section; of a list, its first item.
    pub fn opt(&self, option: &str) -> Option<&'s str> {
        let tree = self.row?.section.as_ref()?.tree.get(option)?;
        tree.as_str().or_else(|| tree.items().first()?.as_str())
    }

    /// A field of the row's item.
    pub fn field(&self, name: &str) -> Option<&'s str> {
        self.row?.item.str(name)
    }

    /// The tree of a source, such as `uci:network`; `None` where it is absent now.
    pub fn tree(&self, key: &str) -> Result<Option<&'s Tree>, Stop> {
        self.view.tree(key)
    }

    /// The bound section, or the refusal of whoever needs one.
    pub fn bound(&self) -> Result<&'a Bound<'s>, Stop> {
        let bound = self.row.and_then(|row| row.section.as_ref());
        bound.ok_or_else(|| Stop::Refused(Refusal::Backend("the row has no section".into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namesakes_are_the_same_key_and_those_told_apart_by_a_number() {
        let keys: Set<Box<str>> =
            ["a", "a#2", "a#3", "a!", "a b", "aa", "ab#2", "b"].into_iter().map(Box::from).collect();
        for (key, want) in [("a", 3), ("b", 1), ("ab", 1), ("c", 0), ("a#", 0), ("", 0)] {
            assert_eq!(namesakes(&keys, key), want, "{key}");
        }
    }
}
