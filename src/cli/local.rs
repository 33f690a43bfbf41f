//! Working on the files directly, when no agent runs: reads and planned writes over a device's folder or `/`.

use crate::dm::edit::Edit;
use crate::dm::error::{Error, Refusal};
use crate::dm::instance::Instances;
use crate::dm::path::Pattern;
use crate::dm::read::{Cursor, Node};
use crate::dm::run::{self, Halt};
use crate::dm::schema::Model;
use crate::dm::source::{Snapshot, Source, Stop};
use crate::dm::view::View;
use crate::dm::write::{NoPlan, Plan, Planner, Policy};
use crate::io::source::Files;
use crate::time::Now;
use std::cell::RefCell;

/// A router's files, read without an agent.
pub struct Local {
    /// The supported model.
    pub model: Model,
    files: Files,
    /// Instance numbers and aliases.
    pub instances: RefCell<Instances>,
    now: Now,
}

impl Local {
    /// The router of `files` at the moment `now`, with the numbers given so far.
    pub fn new(model: Model, files: Files, instances: Instances, now: Now) -> Local {
        Local { model, files, instances: RefCell::new(instances), now }
    }

    fn fetch(&self, snapshot: &mut Snapshot, key: &str) {
        let source = if key.starts_with("agent:") { Source::Absent } else { self.files.fetch(key) };
        snapshot.supply(key, source);
    }

    /// Runs a read until it is done, fetching what it asks for.
    pub fn read<T>(&self, mut read: impl FnMut(&View<'_>) -> Result<T, Stop>) -> Result<T, Refusal> {
        let mut snapshot = Snapshot::new(self.now);
        loop {
            match run::attempt(&self.model, &mut snapshot, &self.instances, &mut read) {
                Ok(value) => return Ok(value),
                Err(Halt::Refused(why)) => return Err(why),
                Err(Halt::Need(keys)) => keys.iter().for_each(|key| self.fetch(&mut snapshot, key)),
            }
        }
    }

    /// Every parameter that the patterns stand for, with its value or why it cannot be read.
    pub fn get(&self, patterns: &[Pattern]) -> Result<Vec<(String, Result<String, Refusal>)>, Refusal> {
        self.read(|view| {
            let mut nodes = Vec::new();
            for pattern in patterns {
                nodes.extend(view.resolve(pattern)?);
            }
            let mut cursor = Cursor::new(nodes);
            let mut out = Vec::new();
            let mut wait = false;
            while let Some(node) = cursor.next(view)? {
                let Node::Param(place, at) = &node else { continue };
                match view.value(place, *at) {
                    Ok(value) => out.push((node.path(view)?, Ok(value.into_owned()))),
                    Err(Stop::Wait) => wait = true,
                    Err(Stop::Refused(why)) => out.push((node.path(view)?, Err(why))),
                }
            }
            if wait || cursor.waited() { Err(Stop::Wait) } else { Ok(out) }
        })
    }

    /// Plans a request, fetching what it asks for.
    pub fn plan(
        &self,
        policy: Policy,
        ask: impl Fn(&mut Planner<'_>) -> Result<(), NoPlan>,
    ) -> Result<Plan, Vec<Error>> {
        let mut snapshot = Snapshot::new(self.now);
        snapshot.supply(crate::dm::view::PENDING, Source::Absent);
        loop {
            let mut planner = Planner::new(&self.model, &snapshot, &self.instances.borrow(), policy);
            match ask(&mut planner) {
                Ok(()) => return Ok(planner.finish()),
                Err(NoPlan::Refused(errors)) => return Err(errors),
                Err(NoPlan::Wait) => {
                    let wanted = planner.wanted();
                    if wanted.is_empty() {
                        return Err(vec![Error::new("", Refusal::Backend("waits for nothing".into()))]);
                    }
                    wanted.iter().for_each(|key| self.fetch(&mut snapshot, key));
                }
            }
        }
    }

    /// The text of the packages that `edits` touch, before and after.
    pub fn tree(&self, key: &str) -> Source {
        self.files.fetch(key)
    }

    /// Whether an edit is of a UCI package.
    pub fn is_package(edit: &Edit) -> Option<&str> {
        edit.source.strip_prefix("uci:")
    }
}
