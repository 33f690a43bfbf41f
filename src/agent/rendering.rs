//! The rows of a long answer, made again piece by piece while it is sent.
//!
//! What is kept is the snapshot and the paths of the objects, not the values: ten thousand parameters cost a few
//! hundred paths. Each piece is read through a new view of the same snapshot.

use crate::cwmp::rpc::{ParameterAttribute, ParameterInfo, ParameterValue};
use crate::cwmp::soap::writer::{List, Listed};
use crate::dm::instance::Instances;
use crate::dm::path::Pattern;
use crate::dm::read::{Node, Place};
use crate::dm::schema::Model;
use crate::dm::source::{Snapshot, Stop};
use crate::dm::view::View;
use crate::state::State;
use std::cell::RefCell;
use std::collections::VecDeque;

/// How many objects are read for one piece.
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

/// The rows of one answer, in order.
pub struct Rendering {
    model: &'static Model,
    snapshot: Snapshot,
    instances: RefCell<Instances>,
    state: State,
    list: List,
    /// Paths of the nodes whose own rows are wanted: objects, tables, single parameters.
    nodes: Vec<Box<str>>,
    next: usize,
    made: VecDeque<Item>,
}

impl Rendering {
    /// The rows of `list` for `nodes`, read from `snapshot`.
    pub fn new(
        model: &'static Model,
        snapshot: Snapshot,
        instances: Instances,
        state: State,
        list: List,
        nodes: Vec<Box<str>>,
    ) -> Rendering {
        let instances = RefCell::new(instances);
        Rendering { model, snapshot, instances, state, list, nodes, next: 0, made: VecDeque::new() }
    }

    /// Goes back to the first row.
    pub fn rewind(&mut self) {
        self.next = 0;
        self.made.clear();
    }

    /// The next row; `None` at the end, or where the model is no longer what was counted.
    pub fn item(&mut self) -> Option<Item> {
        while self.made.is_empty() && self.next < self.nodes.len() {
            let view = View::new(self.model, &self.snapshot, &self.instances);
            let upto = (self.next + OBJECTS).min(self.nodes.len());
            for path in self.nodes.get(self.next..upto).unwrap_or_default() {
                let made = own_rows(&view, &self.state, self.list, path);
                self.made.extend(made.ok()?);
            }
            self.next = upto;
        }
        self.made.pop_front()
    }
}

/// The rows that belong to a node itself, not to what lies below it.
fn own_rows(view: &View<'_>, state: &State, list: List, path: &str) -> Result<Vec<Item>, Stop> {
    let pattern = Pattern::parse(path).map_err(|_| Stop::Refused(crate::dm::error::Refusal::UnknownPath))?;
    let mut out = Vec::new();
    for node in view.resolve(&pattern)? {
        own(view, state, list, &node, |item| out.push(item))?;
    }
    Ok(out)
}

/// Gives the rows of a node itself: of an object its own and those of its parameters.
pub(super) fn own<'s>(
    view: &View<'s>,
    state: &State,
    list: List,
    node: &Node<'s>,
    mut give: impl FnMut(Item),
) -> Result<(), Stop> {
    match node {
        Node::Param(place, at) => give(param(view, state, list, place, *at)?),
        Node::Object(place) | Node::Table(place) => {
            if list == List::Names {
                let writable = view.writable(node)?;
                give(Item::Name(ParameterInfo { name: place.path.to_string(), writable }));
            }
            if matches!(node, Node::Object(_)) {
                // All of them are tried, so that one pass finds every source that is missing.
                let mut wait = false;
                for (at, own) in view.model.object(place.object)?.params.iter().enumerate() {
                    if !view.knows(own) {
                        continue;
                    }
                    match param(view, state, list, place, at) {
                        Ok(item) => give(item),
                        Err(Stop::Wait) => wait = true,
                        Err(refused) => return Err(refused),
                    }
                }
                if wait {
                    return Err(Stop::Wait);
                }
            }
        }
    }
    Ok(())
}

fn param<'s>(view: &View<'s>, state: &State, list: List, place: &Place<'s>, at: usize) -> Result<Item, Stop> {
    let param = view.param(place, at)?;
    let name = format!("{}{}", place.path, param.name);
    Ok(match list {
        List::Names => {
            let writable = !matches!(param.write, crate::dm::schema::Write::No);
            Item::Name(ParameterInfo { name, writable })
        }
        List::Values => {
            let value = view.value(place, at)?.into_owned();
            Item::Value(ParameterValue { name, kind: super::watch::value_type(&param.syntax), value })
        }
        List::Attributes => {
            let (notification, access_list) = super::watch::attributes_of(state, &name, param);
            Item::Attribute(ParameterAttribute { name, notification, access_list })
        }
    })
}
