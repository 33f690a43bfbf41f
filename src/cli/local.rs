//! Reads and planned writes without an agent, over whatever gives the sources: a device folder or the router itself.
//!
//! Commits nothing: that is `cli::router`'s. Tests use it as the shortest way from a device folder to values.

use crate::dm::error::{Error, Refusal};
use crate::dm::instance::Instances;
use crate::dm::path::Pattern;
use crate::dm::read::{Cursor, Node};
use crate::dm::run::{self, Halt};
use crate::dm::schema::{Audience, Model};
use crate::dm::source::{Snapshot, Source, Stop};
use crate::dm::tree::Tree;
use crate::dm::view::View;
use crate::dm::write::{NoPlan, Plan, Planner, Policy};
use crate::io::source::Files;
use crate::sorted::Set;
use crate::state::State;
use crate::time::{Now, UNKNOWN};
use std::cell::RefCell;

/// Gives the sources of keys, each key once.
pub type Fetcher = Box<dyn Fn(Set<Box<str>>) -> Vec<(Box<str>, Source)>>;

/// Paths, each with its value or why it cannot be read.
pub type Values = Vec<(String, Result<String, Refusal>)>;

/// A router, read without an agent.
pub struct Local {
    /// The supported model.
    pub model: Model,
    /// Instance numbers and aliases.
    pub instances: RefCell<Instances>,
    fetcher: Fetcher,
    state: State,
    now: Now,
}

impl Local {
    /// The router of `files` at the moment `now`, with the numbers given so far and no other state.
    pub fn new(model: Model, files: Files, instances: Instances, now: Now) -> Local {
        let fetcher = move |keys: Set<Box<str>>| {
            let fetched = keys.into_iter().map(|key| {
                let source = files.fetch(&key);
                (key, source)
            });
            fetched.collect()
        };
        let local = Local::over(model, Box::new(fetcher), State::factory(), now);
        *local.instances.borrow_mut() = instances;
        local
    }

    /// The router of the sources of `fetcher` at the moment `now`, with what the agent remembers.
    pub fn over(model: Model, fetcher: Fetcher, state: State, now: Now) -> Local {
        Local { model, instances: RefCell::new(state.instances()), fetcher, state, now }
    }

    /// What the agent remembers, as it was given.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// A snapshot of now with what the agent itself knows, as far as that is on disk.
    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::new(self.now);
        let state = &self.state;
        for (key, tree) in state.sources() {
            snapshot.supply(key, Source::ready(tree));
        }
        let first_use = state.first_use().map_or_else(|| UNKNOWN.to_string(), |date| date.to_string());
        let facts = [
            ("ParameterKey", state.parameter_key()),
            ("FirstUseDate", &first_use),
            ("ConnectionRequestPath", state.connection_request_path().unwrap_or_default()),
        ];
        let facts = Tree::map(facts.map(|(name, value)| (name, Tree::from(value))));
        snapshot.supply("agent:state", Source::ready(facts));
        snapshot
    }

    /// The sources of `keys`, fetched now.
    pub fn fetch(&self, keys: Set<Box<str>>) -> Vec<(Box<str>, Source)> {
        (self.fetcher)(keys)
    }

    fn supply(&self, snapshot: &mut Snapshot, keys: Set<Box<str>>) {
        for (key, source) in self.fetch(keys) {
            snapshot.supply(&key, source);
        }
    }

    /// Runs a read until it is done, fetching what it asks for.
    pub fn read<T>(&self, mut read: impl FnMut(&View<'_>) -> Result<T, Stop>) -> Result<T, Refusal> {
        let mut snapshot = self.snapshot();
        loop {
            match run::attempt(&self.model, &mut snapshot, &self.instances, &mut read) {
                Ok(value) => return Ok(value),
                Err(Halt::Refused(why)) => return Err(why),
                Err(Halt::Need(keys)) => self.supply(&mut snapshot, keys),
            }
        }
    }

    /// Every parameter that the patterns stand for, with its value or why it cannot be read.
    pub fn get(&self, patterns: &[Pattern]) -> Result<Values, Refusal> {
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

    /// Every node that `pattern` stands for and all below, with whether it can be written, added to or deleted.
    pub fn names(&self, pattern: &Pattern) -> Result<Vec<(String, bool)>, Refusal> {
        self.read(|view| {
            let mut cursor = Cursor::new(view.resolve(pattern)?);
            let mut names = Vec::new();
            while let Some(node) = cursor.next(view)? {
                names.push((node.path(view)?, view.writable(&node)?));
            }
            if cursor.waited() { Err(Stop::Wait) } else { Ok(names) }
        })
    }

    /// Plans a request, fetching what it asks for.
    pub fn plan(
        &self,
        policy: Policy,
        ask: impl Fn(&mut Planner<'_>) -> Result<(), NoPlan>,
    ) -> Result<Plan, Vec<Error>> {
        self.plan_for(Audience::All, policy, ask)
    }

    /// As [`Local::plan`], for one protocol's manager.
    pub fn plan_for(
        &self,
        audience: Audience,
        policy: Policy,
        ask: impl Fn(&mut Planner<'_>) -> Result<(), NoPlan>,
    ) -> Result<Plan, Vec<Error>> {
        let mut snapshot = self.snapshot();
        snapshot.audience = audience;
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
                    self.supply(&mut snapshot, wanted);
                }
            }
        }
    }
}
