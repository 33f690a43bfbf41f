//! Get: the values of parameters, one result per path that was asked for.
//!
//! Written object by object into one buffer. What may not be read is as if it were not there.

use super::{Answer, Failed, each_path, is_supported_for, pattern, reads, resolve};
use crate::dm::acl::{Rights, Rwxn};
use crate::dm::error::Refusal;
use crate::dm::path::Step;
use crate::dm::read::{Node, Place};
use crate::dm::source::Stop;
use crate::dm::view::View;
use crate::sorted::Set;
use crate::usp::pb::{self, header::MsgType};
use crate::usp::wire::Writer;

/// Answers a Get. A path that cannot be read has its error in its own result; refuses only what is too long.
//= TR-369 R-MSG.0: a request is answered.
pub fn get(view: &View<'_>, ask: &pb::Get, rights: &Rights) -> Result<Answer, Stop> {
    let w = each_path(&ask.param_paths, |path, w| one(view, path, ask.max_depth, rights, w))?;
    Ok(Answer::written(MsgType::GetResp, 1, w))
}

fn one(view: &View<'_>, path: &str, max_depth: u32, rights: &Rights, w: &mut Writer) -> Result<(), Failed> {
    let pattern = pattern(path)?;
    view.ahead(&pattern)?;
    //= TR-369 R-GET.0: what a plain path names must be there, what a search names must be in the supported model.
    //= TR-369 R-MSG.4a, R-GET.1a: a search that finds nothing succeeds.
    let mut nodes = resolve(view, rights, &pattern)?;
    if pattern.steps().iter().any(|step| matches!(step, Step::Follow { .. })) {
        // Two references may lead to the same place.
        let mut seen = Set::new();
        let mut paths = nodes.iter().map(|node| node.path(view)).collect::<Result<Vec<_>, _>>()?.into_iter();
        nodes.retain(|_| paths.next().is_none_or(|path| seen.insert(path)));
    }
    let mut walk = Walk { view, rights, max_depth, waits: false, shown: false, w };
    for node in &nodes {
        match node {
            Node::Param(place, at) => walk.param(place, *at)?,
            Node::Object(_) | Node::Table(_) => walk.all(node, 1)?,
        }
    }
    let (waits, shown) = (walk.waits, walk.shown);
    if waits {
        return Err(Failed::Wait);
    }
    //= TR-369 R-GET.1: what may not be read is as if it were not in the supported model.
    if !shown && (!pattern.is_search() || !is_supported_for(rights, &pattern)) {
        return Err(Stop::Refused(Refusal::UnknownPath).into());
    }
    Ok(())
}

struct Walk<'a, 's> {
    view: &'a View<'s>,
    rights: &'a Rights,
    max_depth: u32,
    /// A source is missing; the walk goes on to find the others.
    waits: bool,
    /// Something was there that may be read.
    shown: bool,
    w: &'a mut Writer,
}

impl<'s> Walk<'_, 's> {
    /// A parameter that was asked for by its own path.
    //= TR-369 R-GET.2: the resolved path of a parameter is the object it is in.
    //= TR-369 R-GET.3: and that parameter is all there is in the result.
    fn param(&mut self, place: &Place<'s>, at: usize) -> Result<(), Failed> {
        let name = self.view.param(place, at)?.name;
        if !reads(self.view, self.rights, &format!("{}{name}", place.path))? {
            return Ok(());
        }
        self.shown = true;
        match self.view.value_for(place, at, self.rights.sees_secured()) {
            Ok(value) => {
                let open = self.w.open(4);
                self.w.text(1, &place.path);
                self.w.entry(2, name, &value);
                self.w.close(open);
            }
            Err(Stop::Wait) => self.waits = true,
            Err(refused) => return Err(refused.into()),
        }
        Ok(())
    }

    /// An object and what lies below it; the rows of a table count as the table does.
    //= TR-369 R-GET.5: max_depth 1 is the object's own parameters, 2 one level more, 0 everything.
    fn all(&mut self, node: &Node<'s>, depth: u32) -> Result<(), Failed> {
        let below = match node {
            Node::Param(..) => return Ok(()),
            Node::Table(place) => {
                // It is there, with rows or without.
                self.shown |= self.rights.at(self.view, &place.path)?.object.has(Rwxn::R);
                depth
            }
            Node::Object(place) => {
                self.own(place)?;
                if depth == self.max_depth {
                    return Ok(());
                }
                depth.saturating_add(1)
            }
        };
        match self.view.objects_below(node) {
            Ok(nodes) => nodes.iter().try_for_each(|node| self.all(node, below)),
            Err(Stop::Wait) => {
                self.waits = true;
                Ok(())
            }
            Err(refused) => Err(refused.into()),
        }
    }

    /// The parameters of one object, under its path. One that cannot be read now is left out: the others still can.
    //= TR-369 R-GET.4: parameters that may not be read are left out.
    //= TR-369 R-GET.1b: an object without parameters has no result and no error.
    fn own(&mut self, place: &Place<'s>) -> Result<(), Failed> {
        let alike = self.rights.alike(self.view, &place.path)?;
        let grant = alike.map_or_else(|| self.rights.at(self.view, &place.path), Ok)?;
        if !grant.object.has(Rwxn::R) {
            return Ok(());
        }
        self.shown = true;
        let (before, mut any) = (self.w.len(), false);
        let open = self.w.open(4);
        self.w.text(1, &place.path);
        for (at, param) in self.view.model.object(place.object)?.params.iter().enumerate() {
            let may = match alike {
                Some(grant) => grant.param.has(Rwxn::R),
                None => reads(self.view, self.rights, &format!("{}{}", place.path, param.name))?,
            };
            if !may || !self.view.knows(param) {
                continue;
            }
            match self.view.value_for(place, at, self.rights.sees_secured()) {
                Ok(value) => {
                    self.w.entry(2, param.name, &value);
                    any = true;
                }
                Err(Stop::Wait) => self.waits = true,
                Err(Stop::Refused(_)) => {}
            }
        }
        match any {
            true => self.w.close(open),
            false => self.w.truncate(before),
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "get_tests.rs"]
mod tests;
