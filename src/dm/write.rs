//! Writes are planned: every refusal at once and no effect. What a plan holds is committed as one record.
//!
//! A [`Planner`] takes any number of sets, adds and deletes of one request. Setters run in the order of the mapping
//! files, each upon what the ones before it did, and then the plan checks itself: what was written is read back.

use super::edit::Edit;
use super::error::{Error, Refusal};
use super::instance::Instances;
use super::path::Pattern;
use super::pending::Kept;
use super::read::{Counts, Node, Place};
use super::run::{self, Halt};
use super::schema::{Audience, Model, Param, Write};
use super::source::{Former, Snapshot, Stop};
use super::tree::Tree;
use super::value::{Invalid, Type};
use super::view::{At, PENDING, View};
use crate::sorted;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::verify::told;

pub use super::draft::Draft;

/// One value to be written, as the manager gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The parameter's path.
    pub path: String,
    /// The value.
    pub value: String,
    /// The type the manager said it is of, if it said one.
    pub said: Option<Type>,
}

/// What a request comes to.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The edits, in order, of every source.
    pub edits: Vec<Edit>,
    /// Numbers and aliases as they will be; `None` if they do not change.
    pub instances: Option<Instances>,
    /// What was written: path and canonical value.
    pub written: Vec<(String, String)>,
    /// What was written over: the values before, by path, as far as they could be read.
    pub replaced: sorted::Map<String, String>,
    /// Rows that were added: their paths.
    pub added: Vec<String>,
    /// Rows that were deleted: their paths.
    pub deleted: Vec<String>,
    /// What is to be called once the change is made and its answer has left, such as
    /// `ubus:network.interface.wan renew`.
    pub calls: Vec<Box<str>>,
    /// Objects whose counters begin at zero when the change is made, by their paths, and what these were.
    pub resets: Vec<(Box<str>, Counts)>,
    /// What the sections that change were, behind those of the snapshot that it was planned on.
    pub former: Arc<Vec<Former>>,
}

impl Plan {
    /// The sources that change, such as `uci:network`.
    pub fn sources(&self) -> sorted::Set<&str> {
        self.edits.iter().map(|edit| &*edit.source).collect()
    }
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoPlan {
    /// Sources are missing and have been noted; plan again once they are there.
    Wait,
    /// Refused, with every reason.
    Refused(Vec<Error>),
}

/// How a manager's habits are met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// An empty text written to a secret leaves it as it is: managers write back templates they have read.
    pub keep_secret_on_empty: bool,
}

/// Plans one request.
pub struct Planner<'m> {
    pub(super) model: &'m Model,
    pub(super) draft: Draft,
    pub(super) instances: Rc<RefCell<Instances>>,
    policy: Policy,
    pub(super) plan: Plan,
    pub(super) renumbered: bool,
    pub(super) lost: Vec<Kept>,
    /// Hidden parameters whose setter kept them in a form that does not give them back.
    pub(super) sealed: sorted::Set<String>,
    /// The values before, by path.
    replaced: sorted::Map<String, String>,
    /// Keys that were missing, of every step so far.
    pub(super) noted: sorted::Set<Box<str>>,
}

impl<'m> Planner<'m> {
    /// A planner upon what `snapshot` shows.
    pub fn new(model: &'m Model, snapshot: &Snapshot, instances: &Instances, policy: Policy) -> Planner<'m> {
        Planner {
            model,
            draft: Draft::new(snapshot.clone(), model.allows),
            instances: Rc::new(RefCell::new(instances.clone())),
            policy,
            plan: Plan::default(),
            renumbered: false,
            lost: Vec::new(),
            sealed: sorted::Set::new(),
            replaced: sorted::Map::new(),
            noted: sorted::Set::new(),
        }
    }

    /// The keys that were missing; the caller supplies them and plans again from the start.
    pub fn wanted(&self) -> sorted::Set<Box<str>> {
        let mut wanted = self.draft.snapshot.take_wanted();
        wanted.extend(self.noted.iter().cloned());
        wanted
    }

    /// The plan of all that was asked.
    pub fn finish(mut self) -> Plan {
        let changed = self.instances.borrow_mut().take_dirty() || self.renumbered;
        self.plan.edits = self.draft.edits;
        self.plan.calls = self.draft.calls;
        self.plan.resets = self.draft.resets;
        self.plan.former = self.draft.snapshot.former;
        self.plan.replaced = self.replaced;
        self.plan.instances = changed.then(|| self.instances.borrow().clone());
        self.plan
    }

    /// Plans values, all or none.
    //= TR-069 A.3.2.1: all or nothing; one fault per parameter; the order of the list has no meaning.
    pub fn set(&mut self, wishes: &[Wish]) -> Result<(), NoPlan> {
        let checked = self.step(|planner, view| {
            let mut wait = false;
            let mut all = Vec::new();
            for wish in wishes {
                let checked = planner.checked(view, wish);
                wait |= checked == Err(Stop::Wait);
                all.push(checked);
            }
            if wait { Err(Stop::Wait) } else { Ok(all) }
        });
        let checked = checked.map_err(|stop| no_plan(stop, ""))?;
        let mut refused = Vec::new();
        let mut sets: Vec<Set> = Vec::new();
        for (wish, checked) in wishes.iter().zip(checked) {
            match checked {
                Ok(set) if sets.iter().any(|other| other.path == set.path) => {
                    //= TR-069 A.3.2.1: the same name twice is an invalid request.
                    let why = Refusal::InvalidArguments(format!("{} stands twice", set.path));
                    return Err(NoPlan::Refused(vec![Error::new("", why)]));
                }
                Ok(set) => sets.push(set),
                Err(Stop::Wait) => return Err(NoPlan::Wait),
                Err(Stop::Refused(why)) => refused.push(Error::new(wish.path.clone(), why)),
            }
        }
        if !refused.is_empty() {
            return Err(NoPlan::Refused(refused));
        }
        sets.sort_by(|a, b| a.order.cmp(&b.order));
        self.remember(&sets)?;
        let mut wait = false;
        for set in &sets {
            match self.apply(set) {
                Ok(()) => {}
                Err(Stop::Wait) => wait = true,
                Err(Stop::Refused(why)) => refused.push(Error::new(set.asked.clone(), why)),
            }
        }
        if wait {
            return Err(NoPlan::Wait);
        }
        if refused.is_empty() {
            refused =
                self.step(|planner, view| planner.verify(view, &sets)).map_err(|stop| no_plan(stop, ""))?;
        }
        if !refused.is_empty() {
            return Err(NoPlan::Refused(refused));
        }
        let told =
            self.step(|_, view| sets.iter().map(|set| told(view, set)).collect::<Result<Vec<_>, Stop>>());
        self.plan.written.extend(told.map_err(|stop| no_plan(stop, ""))?);
        Ok(())
    }

    /// Reads what is about to be written over, as it is stored. What cannot be read is no obstacle.
    fn remember(&mut self, sets: &[Set]) -> Result<(), NoPlan> {
        self.stored(true);
        let read = self.step(|planner, view| {
            let mut wait = false;
            let mut before = Vec::new();
            for set in sets.iter().filter(|set| !set.command && !planner.replaced.contains_key(&set.path)) {
                match told(view, set) {
                    Ok(value) => before.push(value),
                    Err(Stop::Wait) => wait = true,
                    Err(Stop::Refused(_)) => {}
                }
            }
            if wait { Err(Stop::Wait) } else { Ok(before) }
        });
        self.stored(false);
        self.replaced.extend(read.map_err(|stop| no_plan(stop, ""))?);
        Ok(())
    }

    /// Whether reads of the draft prefer what is stored; what was computed from them is computed anew.
    fn stored(&mut self, stored: bool) {
        self.draft.snapshot.stored = stored;
        self.draft.snapshot.forget_derived();
    }

    /// Runs one step on a view of the draft, computing derived sources until it is done.
    ///
    /// A step that stops leaves the draft as it was; what is missing has been noted in it.
    pub(super) fn step<T>(
        &mut self,
        mut step: impl FnMut(&mut Self, &View<'_>) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let instances = self.instances.clone();
        let model = self.model;
        loop {
            let before = self.draft.snapshot.clone();
            before.take_wanted();
            let mark = self.draft.edits.len();
            self.draft.forget_rows();
            let done = step(self, &View::new(model, &before, &instances));
            let mut wanted = before.take_wanted();
            wanted.extend(self.draft.snapshot.take_wanted());
            match done {
                Err(Stop::Wait) => {}
                Ok(_) | Err(Stop::Refused(_)) => {
                    self.rebind();
                    return done;
                }
            }
            self.draft.edits.truncate(mark);
            self.draft.snapshot = before;
            match run::supply_derived(model, &mut self.draft.snapshot, &instances, wanted) {
                Ok(()) => {}
                Err(Halt::Refused(why)) => return Err(Stop::Refused(why)),
                Err(Halt::Need(keys)) => {
                    self.noted.extend(keys);
                    return Err(Stop::Wait);
                }
            }
        }
    }

    /// Takes over what the last step said of rows: another key, an alias, that they are gone.
    fn rebind(&mut self) {
        for (table, from, to) in std::mem::take(&mut self.draft.rebound) {
            self.instances.borrow_mut().rebind(&table, &from, &to);
            self.renumbered = true;
        }
        for (table, key, alias) in std::mem::take(&mut self.draft.aliased) {
            let mut instances = self.instances.borrow_mut();
            if instances.number(&table, &key, false).is_some() {
                instances.set_alias(&table, &key, &alias);
            }
            self.renumbered = true;
        }
        for (table, key) in std::mem::take(&mut self.draft.gone) {
            self.instances.borrow_mut().forget(&table, &key);
            self.renumbered = true;
        }
    }

    /// Whether a USP controller may write the parameter only with the Add that makes its row.
    //= TR-369 R-KEY.1: a key that is not functional does not change after creation.
    fn is_fixed(&self, view: &View<'_>, place: &Place<'_>, param: &Param) -> Result<bool, Stop> {
        let object = view.model.object(place.object)?;
        let key = object.keys.iter().any(|key| key.split(',').any(|name| name == param.name));
        let is_new =
            || place.row.as_ref().is_some_and(|row| self.plan.added.iter().any(|path| **path == *row.path));
        Ok(view.snapshot.audience == Audience::Usp && (key || param.flags.once) && !is_new())
    }

    /// What one wish means, or why it is refused.
    fn checked(&self, view: &View<'_>, wish: &Wish) -> Result<Set, Stop> {
        let (place, at) = parameter(view, &wish.path)?;
        let param = view.param(&place, at)?;
        if matches!(param.write, Write::No) || self.is_fixed(view, &place, param)? {
            return Err(Refusal::NotWritable.into());
        }
        if let Some(said) = wish.said
            && !agrees(said, param.syntax.base, param.syntax.lists > 0)
        {
            return Err(Refusal::WrongType { expected: param.syntax.base.name().into() }.into());
        }
        // A secret reads as the empty text, whatever its length must be: written back so, it stays.
        let skip = param.flags.is_secret() && wish.value.is_empty() && self.policy.keep_secret_on_empty;
        let value = match skip {
            true => String::new(),
            false => param.syntax.canonical(&wish.value).map_err(|why| match why {
                Invalid::Type { expected } => Refusal::WrongType { expected: expected.into() },
                Invalid::Value { allowed } => Refusal::OutOfRange { allowed },
            })?,
        };
        Ok(Set {
            asked: wish.path.clone(),
            path: format!("{}{}", place.path, param.name),
            order: (place.object, place.path.to_string(), at),
            skip,
            command: param.flags.command,
            value,
        })
    }

    /// Applies one value to the draft.
    fn apply(&mut self, set: &Set) -> Result<(), Stop> {
        if set.skip {
            return Ok(());
        }
        if set.command {
            //= TR-106 3.2: a command is triggered by writing true; false does nothing.
            return if set.value == "true" {
                self.step(|planner, view| planner.written(view, set))
            } else {
                Ok(())
            };
        }
        if let Some(named) = self.step(|planner, view| planner.name_section(view, &set.path))? {
            self.step(|planner, view| planner.renamed(view, &named))?;
        }
        self.draft.sealed = false;
        self.step(|planner, view| planner.written(view, set))?;
        if self.draft.sealed {
            self.sealed.insert(set.path.clone());
        }
        self.settle()?;
        self.promote()
    }

    pub(super) fn written(&mut self, view: &View<'_>, set: &Set) -> Result<(), Stop> {
        let (place, at) = parameter(view, &set.path)?;
        let param = view.param(&place, at)?;
        if let Write::Run(run) = &param.write {
            return self.carry_out(view, &place, run);
        }
        let here = At { view, object: place.object, row: place.row.as_ref() };
        let draft = &mut self.draft;
        if let (Some(row), false) = (here.row.filter(|row| row.pending), matches!(param.write, Write::Alias))
        {
            return draft.set(PENDING, row.anchor, param.name, Some(Tree::from(undotted(&set.value))));
        }
        if let (Some(row), true) =
            (here.row, super::pending::by_enabling(view.model.object(place.object)?, param))
        {
            return match set.value == "true" {
                true => Ok(()),
                false => self.demote(view, row),
            };
        }
        match (&param.read, &param.write) {
            (_, Write::No | Write::Run(_)) => Err(Refusal::NotWritable.into()),
            (_, Write::Rust(function)) => function(&here, &set.value, draft),
            (_, Write::Stored(line)) => here.write(line, &set.value, draft),
            (super::schema::How::Line(line), Write::Same) => here.write(line, &set.value, draft),
            (_, Write::Same) => Err(Refusal::NotWritable.into()),
            (_, Write::Alias) => {
                let row = here.row.ok_or(Refusal::NotWritable)?;
                let table = view.table_path(row.object, row.parent.as_ref())?;
                for other in view.rows(row.object, row.parent.as_ref())?.iter() {
                    if other.number != row.number && view.alias(other)? == set.value {
                        return Err(Refusal::Duplicate(other.path.to_string()).into());
                    }
                }
                if set.value.is_empty() {
                    return Err(Refusal::OutOfRange { allowed: "an alias".into() }.into());
                }
                self.instances.borrow_mut().set_alias(&table, &row.key, &set.value);
                self.renumbered = true;
                Ok(())
            }
        }
    }
}

pub(super) fn no_plan(stop: Stop, path: &str) -> NoPlan {
    match stop {
        Stop::Wait => NoPlan::Wait,
        Stop::Refused(why) => NoPlan::Refused(vec![Error::new(path, why)]),
    }
}

/// One checked value.
#[derive(PartialEq)]
pub(super) struct Set {
    pub(super) asked: String,
    pub(super) path: String,
    pub(super) order: (usize, String, usize),
    pub(super) value: String,
    pub(super) skip: bool,
    pub(super) command: bool,
}

/// The one parameter that a path names.
pub(super) fn parameter<'s>(view: &View<'s>, path: &str) -> Result<(Place<'s>, usize), Stop> {
    let pattern = Pattern::parse(path).map_err(|_| Refusal::UnknownPath)?;
    let mut nodes = view.resolve(&pattern)?.into_iter();
    match (nodes.next(), nodes.next()) {
        (Some(Node::Param(place, at)), None) => Ok((place, at)),
        _ => Err(Refusal::UnknownPath.into()),
    }
}

/// A list of references without the dots behind them; any other text as it is.
fn undotted(value: &str) -> String {
    let items: Vec<&str> = value.split(',').collect();
    match items.iter().all(|item| item.starts_with("Device.")) {
        true => items.iter().map(|item| item.trim_end_matches('.')).collect::<Vec<_>>().join(","),
        false => value.to_string(),
    }
}

/// Whether the type a manager said fits the parameter's: the same, or one that XML Schema derives from it.
//= TR-069 A.3.2.1: a value is of the parameter's type.
fn agrees(said: Type, base: Type, list: bool) -> bool {
    match said {
        Type::String => list || base == Type::String,
        Type::UnsignedInt => matches!(base, Type::UnsignedInt | Type::UnsignedLong),
        Type::Int => matches!(base, Type::Int | Type::Long),
        said => said == base,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= TR-069 A.3.2.1: a value is of the parameter's type.
    #[test]
    fn a_value_may_be_said_to_be_of_its_type_or_of_a_narrower_one() {
        for (said, base, list, fits) in [
            (Type::UnsignedLong, Type::UnsignedLong, false, true),
            (Type::UnsignedInt, Type::UnsignedLong, false, true),
            (Type::UnsignedLong, Type::UnsignedInt, false, false),
            (Type::Int, Type::Long, false, true),
            (Type::Int, Type::UnsignedInt, false, false),
            (Type::Boolean, Type::UnsignedInt, false, false),
            (Type::String, Type::UnsignedInt, true, true),
            (Type::String, Type::UnsignedInt, false, false),
            (Type::UnsignedInt, Type::UnsignedInt, true, true),
        ] {
            assert_eq!(agrees(said, base, list), fits, "{said:?} for {base:?}");
        }
    }
}
