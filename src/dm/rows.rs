//! Plans rows: a new one, one that goes, and the name that a section gets so that its rows keep their numbers.

use super::edit::{Change, Edit};
use super::error::Refusal;
use super::line::{Add, Piece, Rows, Src};
use super::path::Pattern;
use super::read::Node;
use super::schema::{Delete, Object, Write};
use super::source::Stop;
use super::view::{At, PENDING, View};
use super::write::{NoPlan, Planner, no_plan, parameter};

impl Planner<'_> {
    /// Plans a new row of a table; its number.
    //= TR-069 A.3.2.6: the number never changes and is not used again; a row starts at its defaults.
    pub fn add(&mut self, table: &str) -> Result<u32, NoPlan> {
        let made = self.step(|planner, view| planner.made(view, table));
        let (path, object, number) = made.map_err(|stop| no_plan(stop, table))?;
        let shown = self.step(|planner, view| {
            let rows = view.all_rows(planner.model.object(object)?.path.trim_end_matches("{i}."))?;
            if rows.iter().any(|row| *row.path == *path) {
                return Ok(());
            }
            Err(Refusal::Backend(format!("the new row {path} does not show")).into())
        });
        shown.map_err(|stop| no_plan(stop, table))?;
        self.plan.added.push(path);
        Ok(number)
    }

    /// Makes the edits of a new row; its path, object and number.
    fn made(&mut self, view: &View<'_>, asked: &str) -> Result<(String, usize, u32), Stop> {
        let pattern = Pattern::parse(asked).map_err(|_| Refusal::UnknownPath)?;
        let nodes = view.resolve(&pattern)?;
        let [Node::Table(place)] = nodes.as_slice() else { return Err(Refusal::NotCreatable.into()) };
        let object = view.model.object(place.object)?;
        let Some(add) = object.add else { return Err(Refusal::NotCreatable.into()) };
        let table = view.table_path(place.object, place.row.as_ref())?;
        // Rows that are there take their numbers first.
        let rows = view.rows(place.object, place.row.as_ref())?;
        if rows.len() >= super::instance::MAX_ROWS {
            return Err(Refusal::Exhausted(table).into());
        }
        let number = self.instances.borrow().next(&table);
        let path = format!("{table}{number}.");
        let here = At { view, object: place.object, row: place.row.as_ref() };
        if object.pending.is_some() {
            self.draft.add(PENDING, &path, &table)?;
            for (name, value) in super::pending::born(object) {
                self.draft.set_text(PENDING, &path, name, value)?;
            }
            return Ok((path, place.object, number));
        }
        match (add, object.add_fn) {
            (Add::Rust(_), Some(function)) => function(&here, number, &mut self.draft)?,
            (Add::Rust(_), None) => return Err(Refusal::NotCreatable.into()),
            (Add::Section { .. }, _) => self.section(&here, object, number)?,
        }
        Ok((path, place.object, number))
    }

    /// Adds the section of a new row.
    pub(super) fn section(&mut self, here: &At<'_, '_>, object: &Object, number: u32) -> Result<(), Stop> {
        let Some(Add::Section { key, kind, prefix, options }) = object.add else { return Ok(()) };
        let mut name = format!("{prefix}{number}");
        while self.draft.tree(key)?.is_some_and(|package| package.get(&name).is_some()) {
            name.push('x');
        }
        self.draft.add(key, &name, kind)?;
        for (option, text) in *options {
            let text = here.text(text)?;
            self.draft.set_text(key, &name, option, &text)?;
        }
        Ok(())
    }

    /// Plans the deletion of a row.
    pub fn delete(&mut self, path: &str) -> Result<(), NoPlan> {
        self.step(|planner, view| planner.removed(view, path)).map_err(|stop| no_plan(stop, path))
    }

    fn removed(&mut self, view: &View<'_>, path: &str) -> Result<(), Stop> {
        let pattern = Pattern::parse(path).map_err(|_| Refusal::UnknownPath)?;
        let nodes = view.resolve(&pattern)?;
        let [node @ Node::Object(place)] = nodes.as_slice() else { return Err(Refusal::NotDeletable.into()) };
        let Some(row) = place.row.as_ref().filter(|_| view.writable(node).unwrap_or(false)) else {
            return Err(Refusal::NotDeletable.into());
        };
        let table = view.table_path(row.object, row.parent.as_ref())?;
        let mut gone = vec![Sharer { table, key: row.key.clone(), order: row.order }];
        if row.pending {
            self.draft.remove(PENDING, row.anchor)?;
        } else {
            match view.model.object(place.object)?.delete {
                Delete::No => return Err(Refusal::NotDeletable.into()),
                Delete::Section => {
                    let bound = row.section.as_ref().ok_or(Refusal::NotDeletable)?;
                    gone.extend(sharers(view, bound.source.as_ref(), bound.name)?);
                    self.draft.remove(&bound.source, bound.name)?;
                }
                Delete::Rust(function) => {
                    let here = At { view, object: place.object, row: Some(row) };
                    function(&here, &mut self.draft)?;
                    // Whatever else lived in a section that went is gone too.
                    if let Some(bound) = &row.section {
                        let left = self.draft.tree(&bound.source)?.and_then(|tree| tree.get(bound.name));
                        if left.is_none() {
                            gone.extend(sharers(view, bound.source.as_ref(), bound.name)?);
                        }
                    }
                }
            }
        }
        for gone in gone {
            self.instances.borrow_mut().forget(&gone.table, &gone.key);
        }
        self.renumbered = true;
        self.plan.deleted.push(row.path.to_string());
        Ok(())
    }

    /// Gives the anonymous section that a parameter's row is bound to a name, so that its number stays with it.
    pub(super) fn name_section(&mut self, view: &View<'_>, path: &str) -> Result<Option<Named>, Stop> {
        let (place, at) = parameter(view, path)?;
        let Some(row) = place.row.as_ref() else { return Ok(None) };
        let Some(bound) = row.section.as_ref().filter(|bound| bound.tree.get(".anonymous").is_some()) else {
            return Ok(None);
        };
        if matches!(view.param(&place, at)?.write, Write::Alias) {
            return Ok(None);
        }
        let kind =
            bound.tree.str(".type").unwrap_or("section").replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let package = view.tree(&bound.source)?;
        let mut number = row.number;
        let mut name = format!("cpe_{kind}{number}");
        while package.is_some_and(|package| package.get(&name).is_some()) {
            number = number.saturating_add(1000);
            name = format!("cpe_{kind}{number}");
        }
        let before = sharers(view, bound.source.as_ref(), bound.name)?;
        self.draft.edit(Edit {
            source: bound.source.to_string().into(),
            section: bound.name.into(),
            change: Change::Rename { to: name.as_str().into() },
        })?;
        Ok(Some(Named { source: bound.source.to_string(), name, before }))
    }

    /// The rows of a section that was just named keep their numbers under the keys they have now.
    pub(super) fn renamed(&mut self, view: &View<'_>, named: &Named) -> Result<(), Stop> {
        let after = sharers(view, &named.source, &named.name)?;
        for old in &named.before {
            let same = |new: &&Sharer| new.table == old.table && new.order == old.order && new.key != old.key;
            if let Some(new) = after.iter().find(same) {
                self.draft.rebound.push((old.table.clone(), old.key.clone(), new.key.clone()));
            }
        }
        self.renumbered = true;
        Ok(())
    }
}

/// A section that was given a name, and the rows that live in it, as they were.
pub(super) struct Named {
    source: String,
    name: String,
    before: Vec<Sharer>,
}

/// A row that lives in a section.
struct Sharer {
    table: String,
    key: String,
    order: usize,
}

/// The rows of all tables that live in a section.
fn sharers(view: &View<'_>, source: &str, section: &str) -> Result<Vec<Sharer>, Stop> {
    let mut out: Vec<Sharer> = Vec::new();
    for object in view.model.objects() {
        let Some(each) = object.each else { continue };
        // A table of another package, or of items that are no sections, is not walked.
        let may = match each.rows {
            Rows::Sections { key, .. } => key == source,
            Rows::Items(Src::Item { .. }) => true,
            Rows::Items(Src::Tree { key: [Piece::Lit(key)], .. }) => key.starts_with("derived:"),
            Rows::Items(_) => false,
        };
        // A section is there to be written: what can only be read, or comes and goes by itself, lives in none.
        let written = object.params.iter().any(|param| !matches!(param.write, Write::No | Write::Alias));
        if !may || !written || each.volatile {
            continue;
        }
        for row in view.all_rows(object.path.trim_end_matches("{i}."))? {
            if row.section.as_ref().is_some_and(|bound| bound.name == section && bound.source == source) {
                let table = view.table_path(row.object, row.parent.as_ref())?;
                out.push(Sharer { table, key: row.key.clone(), order: row.order });
            }
        }
    }
    Ok(out)
}
