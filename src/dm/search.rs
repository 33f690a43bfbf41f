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

impl<'s> View<'s> {
    /// Whether every term of a search expression holds for a row.
    ///
    /// A term about several values (through `#*+`) holds if it does for one of them. Refuses a parameter that the
    /// row's object does not have and an operator that its type does not allow.
    pub(super) fn matches(&self, row: &Rc<Row<'s>>, expr: &Expr) -> Result<bool, Stop> {
        for term in expr.terms() {
            let mut places = vec![Place::of(row)];
            let Some((last, way)) = term.left.split_last() else { return Ok(false) };
            for hop in way {
                places = self.hop(&places, hop)?;
            }
            let mut holds = false;
            for place in &places {
                let param = self.model.object(place.object)?.param(&last.name);
                let Some((at, param)) = param else { return Err(Refusal::UnknownPath.into()) };
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

    fn hop(&self, from: &[Place<'s>], hop: &Hop) -> Result<Vec<Place<'s>>, Stop> {
        let mut out = Vec::new();
        for place in from {
            match hop.follow {
                Some(which) => {
                    for path in self.references(place, &hop.name, which)? {
                        let Ok(pattern) = Pattern::parse_reference(&path) else { continue };
                        for node in self.resolve(&pattern)? {
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

    /// The paths that a reference parameter of a place holds: the first, the n-th or all.
    pub(super) fn references(
        &self,
        place: &Place<'s>,
        name: &str,
        which: Which,
    ) -> Result<Vec<String>, Stop> {
        let param = self.model.object(place.object)?.param(name);
        let Some((at, _)) = param else { return Err(Refusal::UnknownPath.into()) };
        let value = self.value(place, at)?;
        let all = value.split(',').filter(|path| !path.is_empty()).map(str::to_string);
        Ok(match which {
            Which::All => all.collect(),
            Which::First => all.take(1).collect(),
            Which::Nth(n) => {
                all.skip(usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX)).take(1).collect()
            }
        })
    }
}
