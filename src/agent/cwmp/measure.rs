//! The first pass over a long list: which rows there are, how many octets they take, and the values while they fit.
//!
//! The tree is gone over in units, an object that lies in no table with what is below each of its children. A unit
//! that was read whole is not gone over again while sources of others are missing, and in one that was not, objects
//! that were read are not read again. Driven by [`super::serve`]; what is found is given by [`super::rendering`].

use super::rendering::{Behind, Entry, Kept, Rendering};
use crate::cwmp::soap::writer::{List, Listed};
use crate::dm::instance::Instances;
use crate::dm::read::{Cursor, Node};
use crate::dm::schema::Model;
use crate::dm::source::{Snapshot, Stop};
use crate::dm::view::View;
use crate::sorted::Map;
use crate::state::State;
use std::cell::RefCell;
use std::ops::Range;

/// A subtree, or an object alone, by its path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Unit {
    path: Box<str>,
    alone: bool,
}

/// What has been found so far of one list.
#[derive(Default)]
pub(super) struct Measure {
    whole: Map<Unit, Vec<Entry>>,
    ready: Map<Box<str>, Entry>,
    order: Vec<Unit>,
    kept: Kept,
    /// Most octets of values that are kept.
    most: usize,
}

/// What one pass reads.
pub(super) struct Pass<'a, 's> {
    pub(super) view: &'a View<'s>,
    pub(super) state: &'a State,
    pub(super) list: List,
    /// The path that was read when it stopped.
    pub(super) at: &'a RefCell<String>,
}

impl Measure {
    /// Nothing yet; of values, so many octets will be kept.
    pub(super) fn new(most: usize) -> Measure {
        Measure { most, ..Measure::default() }
    }

    /// Goes over `nodes` and what lies below them. Stops where something is missing, after all has been tried.
    pub(super) fn pass<'s>(&mut self, pass: &Pass<'_, 's>, nodes: Vec<Node<'s>>) -> Result<(), Stop> {
        self.order.clear();
        let mut wait = false;
        for node in nodes {
            let below = match &node {
                Node::Object(place) if place.row.is_none() => Some(pass.view.objects_below(&node)),
                Node::Object(_) | Node::Table(_) | Node::Param(..) => None,
            };
            wait |= !self.unit(pass, node, below.is_some())?;
            match below {
                Some(Ok(children)) => {
                    for child in children {
                        wait |= !self.unit(pass, child, false)?;
                    }
                }
                Some(Err(Stop::Wait)) => wait = true,
                Some(Err(refused)) => return Err(refused),
                None => {}
            }
        }
        if wait { Err(Stop::Wait) } else { Ok(()) }
    }

    /// Goes over one unit; whether it is whole.
    fn unit<'s>(&mut self, pass: &Pass<'_, 's>, node: Node<'s>, alone: bool) -> Result<bool, Stop> {
        let unit = Unit { path: node.path(pass.view)?.into(), alone };
        self.order.push(unit.clone());
        if self.whole.contains_key(&unit) {
            return Ok(true);
        }
        let (mut entries, mut whole) = (Vec::new(), true);
        if alone {
            whole &= self.entry(pass, &node, &mut entries)?;
        } else {
            let mut cursor = Cursor::of_objects(vec![node]);
            while let Some(node) = cursor.next(pass.view)? {
                whole &= self.entry(pass, &node, &mut entries)?;
            }
            whole &= !cursor.waited();
        }
        if whole {
            entries.shrink_to_fit();
            self.whole.insert(unit, entries);
        } else {
            self.ready.extend(entries.into_iter().map(|entry| (entry.path.clone(), entry)));
        }
        Ok(whole)
    }

    /// Measures the own rows of one node and adds them; `false` where something is missing.
    fn entry<'s>(
        &mut self,
        pass: &Pass<'_, 's>,
        node: &Node<'s>,
        entries: &mut Vec<Entry>,
    ) -> Result<bool, Stop> {
        let mut entry = Entry::of(pass.view, node, pass.list)?;
        if let Some(ready) = self.ready.remove(&entry.path) {
            entries.push(ready);
            return Ok(true);
        }
        let (first, mut fits, mut wait) = (self.kept.len(), true, false);
        let model = pass.view.model;
        if let Some(own) = entry.own(model)? {
            own.count(&mut entry.listed);
        }
        // All of them are tried, so that one pass finds every source that is missing.
        let mut from = 0;
        while let Some(at) = entry.param(model, from)? {
            from = at + 1;
            let kept = &mut self.kept;
            let value = || {
                let value = pass.view.value(node.place(), at)?.into_owned();
                fits = fits && kept.push(&value, self.most);
                Ok(value)
            };
            match entry.row(model, pass.state, at, value) {
                // It will be read again.
                Ok(_) if wait => {}
                Ok(item) => item.count(&mut entry.listed),
                Err(Stop::Wait) => wait = true,
                Err(refused) => {
                    *pass.at.borrow_mut() = entry.path.into();
                    return Err(refused);
                }
            }
        }
        if wait || !fits {
            self.kept.truncate(first);
        }
        entry.first = fits.then_some(first);
        if !wait {
            entries.push(entry);
        }
        Ok(!wait)
    }

    /// Every entry, as often as it is told.
    fn told(&self) -> impl Iterator<Item = &Entry> {
        self.order.iter().filter_map(|unit| self.whole.get(unit)).flatten()
    }

    /// How many rows the list has and how long they are.
    pub(super) fn listed(&self, list: List) -> Listed {
        let mut all = Listed::new(list);
        for entry in self.told() {
            all.rows += entry.listed.rows;
            all.octets += entry.listed.octets;
        }
        all
    }

    /// The rows, to be sent. The snapshot is held on to only where not every value was kept.
    pub(super) fn rendering(
        mut self,
        model: &'static Model,
        state: State,
        snapshot: Snapshot,
        instances: &RefCell<Instances>,
    ) -> Rendering {
        // What is not read from again is let go before anything is put together.
        let behind = self.told().any(|entry| entry.first.is_none());
        let behind = behind.then(|| Behind { snapshot, instances: instances.clone() });
        let mut entries: Vec<Entry> = Vec::with_capacity(self.told().count());
        let mut told: Map<Unit, Range<usize>> = Map::new();
        for unit in self.order {
            let from = entries.len();
            match (self.whole.remove(&unit), told.get(&unit)) {
                (Some(found), _) => {
                    entries.extend(found);
                    told.insert(unit, from..entries.len());
                }
                // What was asked for twice is told twice.
                (None, Some(before)) => entries.extend_from_within(before.clone()),
                (None, None) => {}
            }
        }
        Rendering::new(model, state, entries, self.kept, behind)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::rendering::Item;
    use super::*;
    use crate::dm::line::{Line, Piece, Src};
    use crate::dm::path::Pattern;
    use crate::dm::run::{self, Halt};
    use crate::dm::schema::{Flags, How, Object, Param, Write};
    use crate::dm::source::Source;
    use crate::dm::tree::Tree;
    use crate::dm::value::{Syntax, Type};

    fn param(name: &'static str, key: &'static [Piece]) -> Param {
        Param {
            name,
            syntax: Syntax::plain(Type::String),
            flags: Flags::default(),
            read: How::Line(Box::leak(Box::new(Line {
                source: Src::Tree { key, steps: &[] },
                pipes: &[],
                otherwise: None,
            }))),
            write: Write::No,
            reason: None,
        }
    }

    fn model() -> &'static Model {
        let leak = |params: [Param; 2]| -> &'static [Param] { Box::leak(Box::new(params)) };
        let top = leak([param("A", &[Piece::Lit("a")]), param("B", &[Piece::Lit("b")])]);
        let below = leak([param("C", &[Piece::Lit("c")]), param("D", &[Piece::Lit("a")])]);
        let objects = [("Device.", top), ("Device.X.", below), ("Device.Y.", below)]
            .map(|(path, params)| Object { params, ..Object::bare(path, "test") });
        Box::leak(Box::new(Model::new(objects.to_vec(), &[], &[]).unwrap()))
    }

    fn told(rendering: &mut Rendering) -> Vec<(String, String)> {
        let rows = std::iter::from_fn(|| rendering.item());
        rows.map(|item| if let Item::Value(row) = item { (row.name, row.value) } else { panic!("{item:?}") })
            .collect()
    }

    #[test]
    fn values_are_told_in_order_however_many_of_them_were_kept_and_each_source_is_asked_for_once() {
        let (model, instances, state) = (model(), RefCell::default(), State::factory());
        let (pattern, at) = (Pattern::parse("Device.").unwrap(), RefCell::default());
        let want =
            [("A", "one"), ("B", "two"), ("X.C", "three"), ("X.D", "one"), ("Y.C", "three"), ("Y.D", "one")]
                .map(|(name, value)| (format!("Device.{name}"), value.to_string()));
        // Nothing; the first object; the first two; all of them.
        for most in [0, 6, 14, 1000] {
            let (mut measure, mut snapshot) = (Measure::new(most), Snapshot::default());
            let mut asked = Vec::new();
            loop {
                let done = run::attempt(model, &mut snapshot, &instances, |view| {
                    let nodes = view.resolve(&pattern)?;
                    measure.pass(&Pass { view, state: &state, list: List::Values, at: &at }, nodes)
                });
                let Err(Halt::Need(keys)) = done else { break assert_eq!(done, Ok(())) };
                // One at a time, so that what was read already meets what is missing.
                let key = keys.into_iter().next().unwrap();
                let text =
                    [("a", "one"), ("b", "two"), ("c", "three")].into_iter().find(|(k, _)| **k == *key);
                snapshot.supply(&key, Source::ready(Tree::from(text.unwrap().1)));
                asked.push(key);
            }
            assert_eq!(asked.iter().map(|key| &**key).collect::<Vec<_>>(), ["a", "b", "c"]);
            assert_eq!(measure.listed(List::Values).rows, 6);
            let mut rendering = measure.rendering(model, state.clone(), snapshot, &instances);
            assert_eq!(told(&mut rendering), want, "{most} octets kept");
            rendering.rewind();
            assert_eq!(told(&mut rendering), want, "{most} octets kept, told again");
        }
    }
}
