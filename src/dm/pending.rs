//! Rows that their source cannot hold yet: they wait in the agent's state until they are complete, then become what
//! the source holds; where the source knows no "off", switching them off takes them back.
//!
//! `pending = "VLANID Enable Status=Down"` of a table: the parameters a row needs (`Enable` must be true), and what
//! a new row shows where that is not the empty value. Numbers and aliases stay through both ways. Driven by
//! [`super::write::Planner`] at the end of a request's values.

use super::error::Refusal;
use super::instance::MAX_ROWS;
use super::line::Add;
use super::path::Pattern;
use super::read::{Node, Place};
use super::schema::{Delete, Object, Param, Write};
use super::source::Stop;
use super::tree::Tree;
use super::view::{At, PENDING, Row, View};
use super::write::{Planner, Set};
use std::rc::Rc;

/// Most rows that wait at a time, over all tables.
pub const MAX_WAITING: usize = 256;

/// The parameters that a row of the table needs.
fn needed(object: &Object) -> impl Iterator<Item = &'static str> {
    object.pending.unwrap_or_default().split(' ').filter(|word| !word.is_empty() && !word.contains('='))
}

/// What a new row of the table shows: it is off, and has the values given for new rows.
pub(super) fn born(object: &Object) -> Vec<(&'static str, &'static str)> {
    let given = object.pending.unwrap_or_default().split(' ').filter_map(|word| word.split_once('='));
    object.enable.map(|enable| (enable, "false")).into_iter().chain(given).collect()
}

/// Whether a parameter is the one that decides if a row is in its source at all.
pub(super) fn by_enabling(object: &Object, param: &Param) -> bool {
    object.enable == Some(param.name) && needed(object).any(|name| name == param.name)
}

/// A row as it was, to wait.
#[derive(Clone)]
pub(super) struct Kept {
    object: usize,
    table: String,
    key: String,
    path: String,
    values: Vec<(&'static str, String)>,
}

impl Planner<'_> {
    /// Makes what the source holds of every waiting row that is complete.
    pub(super) fn promote(&mut self) -> Result<(), Stop> {
        // Each round takes one, because another may refer to it.
        for _ in 0..MAX_WAITING {
            let Some(path) = self.step(|_, view| ready(view))? else { break };
            self.promote_one(&path)?;
        }
        Ok(())
    }

    fn promote_one(&mut self, path: &str) -> Result<(), Stop> {
        let (kept, before) = self.step(|planner, view| planner.placed(view, path))?;
        // What the source shows now and did not before is the row: it keeps its number.
        self.step(|planner, view| {
            let shown = find(view, &kept, |key| !before.iter().any(|known| known == key))?;
            let shown = shown.ok_or_else(|| Refusal::Backend(format!("{path} does not show")))?;
            planner.draft.rebound.push((kept.table.clone(), kept.key.clone(), shown));
            Ok(())
        })?;
        for (name, value) in &kept.values {
            self.step(|planner, view| planner.filled(view, &kept, name, value))?;
        }
        Ok(())
    }

    /// Makes the edits of a waiting row; what it was, and the keys of its table before.
    fn placed(&mut self, view: &View<'_>, path: &str) -> Result<(Kept, Vec<String>), Stop> {
        let row = row_at(view, path)?;
        let object = view.model.object(row.object)?;
        let table = view.table_path(row.object, row.parent.as_ref())?;
        let rows = view.rows(row.object, row.parent.as_ref())?;
        let before = rows.iter().map(|row| row.key.clone()).collect();
        let stored = |param: &Param| Some((param.name, row.item.str(param.name)?.to_string()));
        let values = object.params.iter().filter(|param| writable(param)).filter_map(stored).collect();
        match (object.add, object.add_fn) {
            (Some(Add::Rust(_)), Some(function)) => {
                let here = At { view, object: row.object, row: Some(&row) };
                function(&here, row.number, &mut self.draft)?;
            }
            (Some(Add::Section { .. }), _) => {
                let here = At { view, object: row.object, row: row.parent.as_ref() };
                self.section(&here, object, row.number)?;
            }
            (Some(Add::Rust(_)) | None, _) => return Err(Refusal::NotCreatable.into()),
        }
        self.draft.remove(PENDING, row.anchor)?;
        let kept = Kept { object: row.object, table, key: row.key.clone(), path: path.to_string(), values };
        Ok((kept, before))
    }

    /// Gives a row that was just made one of the values it had while it waited.
    fn filled(&mut self, view: &View<'_>, kept: &Kept, name: &'static str, value: &str) -> Result<(), Stop> {
        let row = row_at(view, &kept.path)?;
        let object = view.model.object(kept.object)?;
        let Some((at, param)) = object.param(name) else { return Ok(()) };
        if by_enabling(object, param) || *view.raw(&Place::of(&row), param)? == *value {
            return Ok(());
        }
        let path = format!("{}{name}", kept.path);
        let order = (kept.object, kept.path.clone(), at);
        let set =
            Set { asked: path.clone(), path, order, value: value.to_string(), skip: false, command: false };
        self.written(view, &set)
    }

    /// Takes a row out of its source, to wait until it is switched on again.
    ///
    /// Rows of other such tables beside it that go with it wait too.
    pub(super) fn demote<'s>(&mut self, view: &View<'s>, row: &Rc<Row<'s>>) -> Result<(), Stop> {
        let object = view.model.object(row.object)?;
        let mut kept = kept(view, row)?;
        if let Some((_, value)) = kept.values.iter_mut().find(|(name, _)| Some(*name) == object.enable) {
            *value = "false".into();
        }
        let mut beside = Vec::new();
        let parent = view.model.parent(row.object);
        for child in parent.map_or(&[][..], |parent| view.model.children(parent)) {
            let other = view.model.object(*child)?;
            if other.pending.is_none() || *child == row.object {
                continue;
            }
            for other in view.rows(*child, row.parent.as_ref())?.iter().filter(|other| !other.pending) {
                beside.push(self::kept(view, other)?);
            }
        }
        match object.delete {
            Delete::Rust(function) => {
                function(&At { view, object: row.object, row: Some(row) }, &mut self.draft)?;
            }
            Delete::Section => {
                let bound = row.section.as_ref().ok_or(Refusal::NotDeletable)?;
                self.draft.remove(&bound.source, bound.name)?;
            }
            Delete::No => return Err(Refusal::NotWritable.into()),
        }
        self.wait(&kept)?;
        self.lost = beside;
        Ok(())
    }

    /// Lets the rows wait that went with one that was taken back.
    pub(super) fn settle(&mut self) -> Result<(), Stop> {
        let lost = std::mem::take(&mut self.lost);
        if lost.is_empty() {
            return Ok(());
        }
        self.step(|planner, view| {
            for kept in &lost {
                if find(view, kept, |key| key == kept.key)?.is_none() {
                    planner.wait(kept)?;
                }
            }
            Ok(())
        })
    }

    fn wait(&mut self, kept: &Kept) -> Result<(), Stop> {
        let waiting = self.draft.tree(PENDING)?.map_or(0, |tree| tree.entries().len());
        if waiting >= MAX_WAITING.min(MAX_ROWS) {
            return Err(Refusal::Exhausted("rows that wait".into()).into());
        }
        self.draft.add(PENDING, &kept.path, &kept.table)?;
        let object = self.model.object(kept.object)?;
        let born = born(object);
        let fixed = born.iter().filter(|(name, _)| !kept.values.iter().any(|(known, _)| known == name));
        for (name, value) in fixed {
            self.draft.set_text(PENDING, &kept.path, name, value)?;
        }
        for (name, value) in &kept.values {
            self.draft.set_text(PENDING, &kept.path, name, value)?;
        }
        self.draft.rebound.push((kept.table.clone(), kept.key.clone(), kept.path.clone()));
        Ok(())
    }
}

/// The values of a row that a manager can write.
fn kept<'s>(view: &View<'s>, row: &Rc<Row<'s>>) -> Result<Kept, Stop> {
    let object = view.model.object(row.object)?;
    let mut values = Vec::new();
    for param in object.params.iter().filter(|param| writable(param)) {
        values.push((param.name, view.raw(&Place::of(row), param)?.into_owned()));
    }
    let table = view.table_path(row.object, row.parent.as_ref())?;
    Ok(Kept { object: row.object, table, key: row.key.clone(), path: row.path.to_string(), values })
}

/// Whether a parameter is part of what waits: aliases stay with the number, commands are no values.
fn writable(param: &Param) -> bool {
    !matches!(param.write, Write::No | Write::Alias) && !param.flags.command
}

/// The key of the first row of a kept one's table that `wanted` takes.
fn find(view: &View<'_>, kept: &Kept, wanted: impl Fn(&str) -> bool) -> Result<Option<String>, Stop> {
    for row in view.all_rows(view.model.object(kept.object)?.path.trim_end_matches("{i}."))? {
        let here = view.table_path(row.object, row.parent.as_ref())? == kept.table;
        if here && !row.pending && wanted(&row.key) {
            return Ok(Some(row.key.clone()));
        }
    }
    Ok(None)
}

/// The row of a path.
fn row_at<'s>(view: &View<'s>, path: &str) -> Result<Rc<Row<'s>>, Stop> {
    let pattern = Pattern::parse(path).map_err(|_| Refusal::UnknownPath)?;
    let nodes = view.resolve(&pattern)?;
    let [Node::Object(place)] = nodes.as_slice() else { return Err(Refusal::UnknownPath.into()) };
    place.row.clone().ok_or(Stop::Refused(Refusal::UnknownPath))
}

/// A row that is complete: it has what its table needs, and refers to no row that waits itself.
fn ready(view: &View<'_>) -> Result<Option<String>, Stop> {
    let Some(super::source::Source::Ready(_)) = view.snapshot.peek(PENDING) else { return Ok(None) };
    let waiting = view.tree(PENDING)?;
    for (path, values) in waiting.map_or(&[][..], Tree::entries) {
        let row = match row_at(view, path) {
            Ok(row) => row,
            // A row whose parent is gone waits for nothing.
            Err(Stop::Refused(_)) => continue,
            Err(Stop::Wait) => return Err(Stop::Wait),
        };
        let object = view.model.object(row.object)?;
        let has = |name: &str| match values.str(name) {
            None | Some("") => false,
            Some(value) if object.enable == Some(name) => value == "true",
            Some(value) => !value.split(',').any(|path| {
                let row = format!("{}.", path.trim_end_matches('.'));
                waiting.is_some_and(|waiting| waiting.get(&row).is_some())
            }),
        };
        if needed(object).all(has) {
            return Ok(Some(path.to_string()));
        }
    }
    Ok(None)
}
