//! Search expressions and reference following: which rows a manager's conditions pick.

use super::error::Refusal;
use super::expr::{Expr, Hop};
use super::path::{Pattern, Which};
use super::read::{Node, Place};
use super::source::Stop;
use super::view::{Row, View};
use std::rc::Rc;

/// Most references followed on the way of one expression.
const MAX_FOLLOWED: usize = 64;

/// Whether who searches may read the parameter with this path; `None` for who may read all.
pub type MayRead<'m> = Option<&'m dyn Fn(&str) -> Result<bool, Stop>>;

impl<'s> View<'s> {
    /// Whether every term of a search expression holds for a row, as who may read all sees it.
    pub(super) fn matches(&self, row: &Rc<Row<'s>>, expr: &Expr) -> Result<bool, Stop> {
        self.matches_for(row, expr, None)
    }

    /// Whether every term of a search expression holds for a row.
    ///
    /// A term about several values (through `#*+`) holds if it does for one of them; one about a parameter that may
    /// not be read holds for none. Refuses a parameter that the row's object does not have and an operator that its
    /// type does not allow.
    pub(super) fn matches_for(&self, row: &Rc<Row<'s>>, expr: &Expr, may: MayRead<'_>) -> Result<bool, Stop> {
        for term in expr.terms() {
            let mut places = vec![Place::of(row)];
            let Some((last, way)) = term.left.split_last() else { return Ok(false) };
            for hop in way {
                places = self.hop(&places, hop, may)?;
            }
            let mut holds = false;
            for place in &places {
                let param = self.model.object(place.object)?.param(&last.name);
                let Some((at, param)) = param.filter(|(_, param)| self.knows(param)) else {
                    return Err(Refusal::UnknownPath.into());
                };
                if !readable(may, place, &last.name)? {
                    continue;
                }
                let value = self.value(place, at)?;
                let held = term.holds(&param.syntax, &value);
                holds |= held.map_err(|why| Stop::Refused(Refusal::InvalidArguments(why.to_string())))?;
            }
            if !holds {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether an expression makes sense for the rows of a table, whatever rows there are.
    ///
    /// `false` if a name on the way is not in the supported model; refuses an operator that a type does not allow.
    //= TR-369 R-GET.0: what an expression names must be in the supported model too.
    pub(super) fn sensible(&self, table: usize, expr: &Expr) -> Result<bool, Stop> {
        for term in expr.terms() {
            let mut here = Some(table);
            let Some((last, way)) = term.left.split_last() else { return Ok(false) };
            for hop in way {
                let Some(object) = here else { break };
                here = if hop.follow.is_some() {
                    let param = self.model.object(object)?.param(&hop.name);
                    if !param.is_some_and(|(_, param)| self.knows(param)) {
                        return Ok(false);
                    }
                    None // What is referred to is known only where there is a row.
                } else {
                    let mut below = self.model.children(object).iter().copied();
                    let child = below.find(|child| {
                        self.model.object(*child).is_ok_and(|o| !o.is_table() && o.name() == &*hop.name)
                    });
                    match child {
                        Some(child) if self.supported(child)? => Some(child),
                        Some(_) | None => return Ok(false),
                    }
                };
            }
            let Some(object) = here else { continue };
            let Some((_, param)) = self.model.object(object)?.param(&last.name) else { return Ok(false) };
            if !self.knows(param) {
                return Ok(false);
            }
            let checked = term.check(&param.syntax);
            checked.map_err(|why| Stop::Refused(Refusal::InvalidArguments(why.to_string())))?;
        }
        Ok(true)
    }

    fn hop(&self, from: &[Place<'s>], hop: &Hop, may: MayRead<'_>) -> Result<Vec<Place<'s>>, Stop> {
        let mut out = Vec::new();
        for place in from {
            match hop.follow {
                Some(which) => {
                    for path in self.references(place, &hop.name, which, may)? {
                        for node in self.target(&path)? {
                            if let Node::Object(place) = node {
                                out.push(place);
                            }
                        }
                    }
                }
                None => {
                    for node in self.below(&Node::Object(place.clone()))? {
                        if let Node::Object(child) = node
                            && self.model.object(child.object)?.name() == &*hop.name
                        {
                            out.push(child);
                        }
                    }
                }
            }
            if out.len() > MAX_FOLLOWED {
                return Err(Refusal::Exhausted("references followed in one search".into()).into());
            }
        }
        Ok(out)
    }

    /// The paths that a reference parameter of a place holds: the first, the n-th or all; none that may not be read.
    pub(super) fn references(
        &self,
        place: &Place<'s>,
        name: &str,
        which: Which,
        may: MayRead<'_>,
    ) -> Result<Vec<String>, Stop> {
        let param = self.model.object(place.object)?.param(name).filter(|(_, param)| self.knows(param));
        let Some((at, _)) = param else { return Err(Refusal::UnknownPath.into()) };
        if !readable(may, place, name)? {
            return Ok(Vec::new());
        }
        let value = self.value(place, at)?;
        let all = value.split(',').map(str::trim).filter(|path| !path.is_empty()).map(str::to_string);
        Ok(match which {
            Which::All => all.collect(),
            Which::First => all.take(1).collect(),
            Which::Nth(n) => {
                all.skip(usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX)).take(1).collect()
            }
        })
    }

    /// What a reference points to; nothing where it is gone or is no path.
    pub(super) fn target(&self, reference: &str) -> Result<Vec<Node<'s>>, Stop> {
        let pattern = Pattern::parse_reference(reference).ok();
        match pattern.map(|pattern| self.resolve(&pattern)) {
            None | Some(Err(Stop::Refused(Refusal::UnknownPath))) => Ok(Vec::new()),
            Some(found) => found,
        }
    }
}

fn readable(may: MayRead<'_>, place: &Place<'_>, name: &str) -> Result<bool, Stop> {
    may.map_or(Ok(true), |may| may(&format!("{}{name}", place.path)))
}
