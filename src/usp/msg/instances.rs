//! GetInstances: which rows there are, and the keys that tell them apart.
//!
//! A table is asked for; a search may also end in the rows themselves, and the root stands for all tables.

use super::{Answer, Failed, each_path, is_supported_for, pattern, reads, resolve};
use crate::dm::acl::{Rights, Rwxn};
use crate::dm::error::Refusal;
use crate::dm::path::Kind;
use crate::dm::read::{Node, Place};
use crate::dm::schema::Object;
use crate::dm::source::Stop;
use crate::dm::view::View;
use crate::usp::error::NOT_A_TABLE;
use crate::usp::pb::{self, header::MsgType};
use crate::usp::wire::Writer;
use std::borrow::Cow;

/// Answers a GetInstances. A path that cannot be read has its error in its own result; refuses only what is too long.
pub fn get_instances(view: &View<'_>, ask: &pb::GetInstances, rights: &Rights) -> Result<Answer, Stop> {
    let w = each_path(&ask.obj_paths, |path, w| one(view, path, ask.first_level_only, rights, w))?;
    Ok(Answer::written(MsgType::GetInstancesResp, 3, w))
}

/// The keys of a table: its Alias, those that last, and those of enabled rows; each a comma list of parameters.
pub fn keys(object: &Object) -> impl Iterator<Item = &'static str> {
    let alias = object.param("Alias").map(|(_, param)| param.name);
    alias.into_iter().chain(object.keys.iter().copied()).chain(object.unique.iter().copied())
}

/// The parameters that are part of a key of a table; each once.
pub(super) fn key_names(object: &Object) -> Vec<&'static str> {
    let mut names = Vec::new();
    for name in keys(object).flat_map(|key| key.split(',')) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The keys of a row with their values, as who asks may read them.
//= TR-369 R-GIN.1: keys that may not be read are left out.
pub fn unique_keys<'s>(
    view: &View<'s>,
    place: &Place<'s>,
    rights: &Rights,
) -> Result<Vec<(&'static str, Cow<'s, str>)>, Stop> {
    let object = view.model.object(place.object)?;
    let (mut keys, mut waits) = (Vec::new(), false);
    for name in key_names(object) {
        let Some((at, param)) = object.param(name) else { continue };
        if !view.knows(param) || !reads(view, rights, &format!("{}{name}", place.path))? {
            continue;
        }
        match view.value(place, at) {
            Ok(value) => keys.push((name, value)),
            Err(Stop::Wait) => waits = true,
            Err(Stop::Refused(_)) => {}
        }
    }
    if waits { Err(Stop::Wait) } else { Ok(keys) }
}

fn one(
    view: &View<'_>,
    path: &str,
    first_level_only: bool,
    rights: &Rights,
    w: &mut Writer,
) -> Result<(), Failed> {
    let pattern = pattern(path)?;
    let nodes = resolve(view, rights, &pattern)?;
    let mut walk = Walk { view, rights, first_level_only, waits: false, shown: false, w };
    for node in &nodes {
        let object = node.place().object;
        let sees = |place: &Place<'_>| Ok::<_, Stop>(rights.at(view, &place.path)?.object.has(Rwxn::R));
        let is_seen = match node {
            Node::Table(place) => {
                walk.shown |= sees(place)?;
                walk.tables(node)?;
                continue;
            }
            Node::Object(place) if pattern.is_search() && view.model.object(object)?.is_table() => {
                walk.row(place)?;
                continue;
            }
            // The root is no table, but all tables are below it.
            Node::Object(_) if view.model.parent(object).is_none() => {
                walk.shown = true;
                walk.root(node)?;
                continue;
            }
            Node::Object(place) => sees(place)?,
            Node::Param(..) => reads(view, rights, &node.path(view)?)?,
        };
        if is_seen {
            return Err(Failed::new(NOT_A_TABLE, path));
        }
    }
    match (walk.waits, walk.shown) {
        (true, _) => Err(Failed::Wait),
        (false, true) => Ok(()),
        (false, false) if !pattern.is_search() || !is_supported_for(rights, &pattern) => {
            Err(Stop::Refused(Refusal::UnknownPath).into())
        }
        (false, false) if pattern.kind() != Kind::Object => Err(Failed::new(NOT_A_TABLE, path)),
        (false, false) => Ok(()),
    }
}

struct Walk<'a, 's> {
    view: &'a View<'s>,
    rights: &'a Rights,
    first_level_only: bool,
    /// A source is missing; the walk goes on to find the others.
    waits: bool,
    /// Something was there that may be seen.
    shown: bool,
    w: &'a mut Writer,
}

impl<'s> Walk<'_, 's> {
    /// The rows of a table, or of all tables below an object.
    fn tables(&mut self, node: &Node<'s>) -> Result<(), Failed> {
        for below in self.below(node)? {
            match (node, &below) {
                (Node::Table(_), Node::Object(place)) => self.row(place)?,
                _ => self.tables(&below)?,
            }
        }
        Ok(())
    }

    fn root(&mut self, root: &Node<'s>) -> Result<(), Failed> {
        for below in self.below(root)? {
            if matches!(below, Node::Table(_)) || !self.first_level_only {
                self.tables(&below)?;
            }
        }
        Ok(())
    }

    //= TR-369 R-GIN.0: a row that may not be read is as if it were not there.
    fn row(&mut self, place: &Place<'s>) -> Result<(), Failed> {
        if !self.rights.is_all() && !self.rights.at(self.view, &place.path)?.instance.has(Rwxn::R) {
            return Ok(());
        }
        self.shown = true;
        match unique_keys(self.view, place, self.rights) {
            Ok(keys) => {
                let open = self.w.open(4);
                self.w.text(1, &place.path);
                for (name, value) in keys {
                    self.w.entry(2, name, &value);
                }
                self.w.close(open);
            }
            Err(Stop::Wait) => self.waits = true,
            Err(refused) => return Err(refused.into()),
        }
        if self.first_level_only { Ok(()) } else { self.tables(&Node::Object(place.clone())) }
    }

    fn below(&mut self, node: &Node<'s>) -> Result<Vec<Node<'s>>, Failed> {
        match self.view.objects_below(node) {
            Err(Stop::Wait) => {
                self.waits = true;
                Ok(Vec::new())
            }
            below => Ok(below?),
        }
    }
}

#[cfg(test)]
#[path = "instances_tests.rs"]
mod tests;
