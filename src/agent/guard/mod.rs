//! The guard: a change that cuts the way to the manager who made it is undone.
//!
//! Owns when a commit is guarded (`arming`), what confirms it, and the clock that ends in its undo (`way` shows how the
//! way looks). What is not confirmed is a row in the state, committed with the change, and so are the edits that undo it
//! (`io::guard`): neither a power cut nor a restart ends a guard. Clock and attempts begin anew then.
//!
//! | rule | where |
//! |---|---|
//! | the way, or what is known of the manager, is touched | `Agent::guarded` |
//! | the manager himself is asked within a minute | [`CONTACT_WAIT`], `Agent::contact` |
//! | only he confirms, and only after the change is in force | `Agent::heard` |
//! | the clock runs while he is away and something of the way is gone that was there before | `runs` |
//! | an undo is a commit like any other | `Agent::taken_back` |

mod arming;
mod way;

use super::job::{Done, Job, Running, Step};
use super::{Action, Agent, NotCommitted};
use crate::dm::edit::Edit;
use crate::dm::source::{Snapshot, Source};
use crate::dm::tree::Tree;
use crate::sorted::{Map, Set};
use crate::state::State;
use crate::state::guard::{Guarded, MAX_COMMITS};
use crate::time::Instant;
pub(super) use arming::{ACS, Manager};
use std::time::Duration;

/// How long services are given to take a change up; who is heard before may have been heard on the old way.
pub const SETTLE: Duration = Duration::from_secs(20);
/// How long after the services were told the manager is asked, if he was not heard by then.
pub const CONTACT_WAIT: Duration = Duration::from_secs(30);
/// How often the way is looked at while the clock runs.
pub const LOOK_EVERY: Duration = Duration::from_secs(20);
/// How often at the least while it does not.
pub const LOOK_SELDOM: Duration = Duration::from_secs(300);

/// What an undo came to; the state is as it was kept.
#[derive(Debug)]
pub struct Undone {
    /// The number of the commit that it was.
    pub sequence: u64,
    /// The packages whose files changed.
    pub packages: Vec<Box<str>>,
    /// The state after it.
    pub state: State,
    /// What stayed, because somebody changed the same since; in words.
    pub stayed: Vec<String>,
}

/// What the agent keeps of guards in memory.
#[derive(Debug, Default)]
pub(super) struct Guards {
    /// Those under way, by manager.
    by: Map<Box<str>, Guard>,
    /// When the ACS is told that something was undone.
    report_at: Option<Instant>,
}

/// A guard under way.
#[derive(Debug, Default)]
struct Guard {
    /// When the services were told; `None` before.
    told: Option<Instant>,
    /// When it is looked at next.
    due: Option<Instant>,
    /// Whether the manager was asked.
    asked: bool,
    /// Whether he was heard in time: to be let go.
    heard: bool,
    /// When it was last looked at, and whether the clock ran.
    looked: Option<(Instant, bool)>,
    /// How long the clock has run.
    clock: Duration,
    /// Until the next look while the clock does not run.
    pause: Duration,
}

impl Done {
    /// Who made the change; `None` where it was a person or the agent.
    fn manager(&self) -> Option<Manager<'_>> {
        match self {
            Done::Acs(_) => Some(Manager::Acs),
            Done::Usp(ask, _) | Done::Operated(ask, ..) => ask.controller().map(Manager::Controller),
            Done::Triggered(controller) => Some(Manager::Controller(controller)),
            Done::Local(..) | Done::Nobody => None,
        }
    }
}

impl Guards {
    /// When one is to be looked at next.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.by.values().filter_map(|guard| guard.due).chain(self.report_at).min()
    }
}

/// Whether the clock runs while the manager is away; `lacks` if something of the way is gone that was there before.
///
/// What a manager changed of himself is tried while the way is there; while it is not, nothing can be said of it.
fn runs(guarded: &Guarded, lacks: bool) -> bool {
    match (guarded.way, guarded.own) {
        (true, true) => true,
        (false, true) => !lacks,
        (true | false, false) => lacks,
    }
}

impl Agent {
    /// For whom a commit of these edits is to be kept, noted in `next`; the sources that are missing to tell, if any.
    ///
    /// Once guarded, all that this manager changes is kept until he confirms it, so that ParameterKey and the like go back
    /// together.
    pub(super) fn guarded(
        &self,
        snapshot: &Snapshot,
        edits: &[Edit],
        next: &mut State,
        done: &Done,
    ) -> Result<Option<Box<str>>, Set<Box<str>>> {
        let Some(manager) = done.manager().filter(|_| self.config.agent.guard) else { return Ok(None) };
        let label = manager.label();
        let tree = |source: &str| match snapshot.peek(source) {
            Some(Source::Ready(tree)) => Some(&**tree),
            Some(Source::Absent | Source::Failed(_)) | None => None,
        };
        let touched = arming::touched(edits, tree, manager, &self.config);
        let known = self.state.guard(&label);
        if known.is_none() && touched == arming::Touched::default()
            || edits.is_empty() && self.state.difference(next).is_empty()
        {
            return Ok(None);
        }
        let mut guarded = match known {
            Some(known) => known,
            None => {
                let (interface, host) = manager.place(&self.config);
                let mut fresh = Guarded {
                    parameter_key: self.state.parameter_key().into(),
                    interface: interface.into(),
                    host: host.into(),
                    ..Guarded::default()
                };
                let seen = way::look(snapshot, &fresh)?;
                (fresh.before, fresh.address, fresh.server) = (seen.way, seen.address, seen.server);
                fresh
            }
        };
        guarded.way |= touched.way;
        guarded.own |= touched.own;
        guarded.commits += 1;
        let fits = guarded.commits <= MAX_COMMITS && next.set_guard(&label, Some(&guarded)).is_ok();
        Ok(fits.then_some(label))
    }

    /// A guarded commit was made: its guard waits for the services to be told.
    pub(super) fn guard(&mut self, manager: Box<str>) {
        self.guards.by.insert(manager, Guard::default());
    }

    /// Takes up what was not confirmed before the start.
    pub(super) fn resume_guards(&mut self) {
        let managers: Vec<Box<str>> = self.state.guards().map(Box::from).collect();
        managers.into_iter().for_each(|manager| self.guard(manager));
    }

    /// The services are being told of all commits.
    pub(super) fn guards_told(&mut self) {
        for guard in self.guards.by.values_mut().filter(|guard| guard.told.is_none()) {
            guard.told = Some(self.now.at);
            guard.due = Some(self.now.at + CONTACT_WAIT);
        }
    }

    /// Has those looked at that are due.
    pub(super) fn guards_due(&mut self) {
        let now = self.now.at;
        let due = self.guards.by.iter_mut().filter(|(_, guard)| guard.due.is_some_and(|due| due <= now));
        let due: Vec<Box<str>> = due
            .map(|(manager, guard)| {
                guard.due = None;
                manager.clone()
            })
            .collect();
        due.into_iter().for_each(|manager| self.queue(Job::Guard(manager)));
        if self.guards.report_at.is_some_and(|at| at <= now) {
            self.guards.report_at = None;
            self.contact(ACS);
        }
    }

    /// A manager was heard on a connection that was begun at `since`.
    pub(super) fn heard(&mut self, manager: &str, since: Instant) {
        let Some(guarded) = self.state.guard(manager) else { return };
        // A session is begun anew with what the agent has taken up, where a link may linger for a while.
        let settle = if guarded.way || manager != ACS { SETTLE } else { Duration::ZERO };
        if let Some(guard) = self.guards.by.get_mut(manager) {
            guard.heard |= guard.told.is_some_and(|told| since >= told + settle);
        }
    }

    /// Lets go of what was confirmed, between two jobs; whether there was some.
    pub(super) fn settle_guards(&mut self) -> bool {
        let off = !self.config.agent.guard;
        let heard =
            self.guards.by.iter().find(|(_, guard)| guard.heard || off).map(|(manager, _)| manager.clone());
        let Some(manager) = heard else { return false };
        self.guards.by.remove(&manager);
        // Less than before always fits.
        let _ = self.state.set_guard(&manager, None);
        self.out.push_back(Action::Save(Box::new(self.state.clone())));
        self.out.push_back(Action::Release(manager.clone()));
        let why = if off { "guards are switched off" } else { "it was reached" };
        self.log(log::Level::Info, format!("what {manager} changed stays: {why}"));
        true
    }

    /// Looks at the way to a manager who was not heard since his change, and asks him once.
    pub(super) fn look_at_guard(&mut self, running: &Running, manager: &str) -> Step {
        let Some(guarded) = self.state.guard(manager) else { return Step::Over };
        let seen = match way::look(&running.snapshot, &guarded) {
            Ok(seen) => seen,
            Err(keys) => return Step::Need(keys),
        };
        let (now, runs) = (self.now.at, runs(&guarded, guarded.before.lacks(seen.way)));
        let limit = self.config.agent.guard_timeout;
        let Some(guard) = self.guards.by.get_mut(manager).filter(|guard| guard.told.is_some()) else {
            return Step::Over;
        };
        if let Some((before, true)) = guard.looked.filter(|_| runs) {
            guard.clock += now.since(before);
        }
        guard.looked = Some((now, runs));
        guard.pause = if runs { LOOK_EVERY } else { (guard.pause * 2).clamp(LOOK_EVERY, LOOK_SELDOM) };
        let left = limit.saturating_sub(guard.clock);
        guard.due = Some(now + if runs { guard.pause.min(left) } else { guard.pause });
        if left.is_zero() {
            guard.due = None;
            self.queue(Job::TakeBack(manager.into()));
        } else if !std::mem::replace(&mut guard.asked, true) {
            self.contact(manager);
        }
        Step::Over
    }

    /// Has a manager reached anew.
    fn contact(&mut self, manager: &str) {
        match manager.strip_prefix(arming::CONTROLLER) {
            Some(section) => self.open_anew(section),
            None => self.contact_acs(),
        }
    }

    /// Has what a manager did not confirm undone.
    pub(super) fn take_back(&mut self, manager: &str) -> Step {
        if self.state.guard(manager).is_none() {
            return Step::Over;
        }
        let when = self.now.wall.map_or_else(|| "before the clock was known".into(), |wall| wall.to_string());
        self.out.push_back(Action::Save(Box::new(self.state.clone())));
        self.out.push_back(Action::TakeBack(manager.into(), format!("{manager} {when}")));
        Step::Committing
    }

    /// What was not confirmed is undone, or cannot be now.
    pub(super) fn taken_back(&mut self, done: Result<Undone, NotCommitted>) {
        let Some(Running { job: Job::TakeBack(manager), .. }) = self.running.take() else { return };
        let undone = match done {
            Ok(undone) => undone,
            Err(why) => {
                let again = self.now.at + LOOK_EVERY;
                let Some(guard) = self.guards.by.get_mut(&manager) else { return };
                guard.due = Some(again);
                let why = match why {
                    NotCommitted::Changed => "somebody else keeps changing the files".into(),
                    NotCommitted::Refused(why) => why.to_string(),
                };
                return self
                    .log(log::Level::Warn, format!("what {manager} changed is not undone yet: {why}"));
            }
        };
        self.guards.by.remove(&manager);
        self.instances.borrow_mut().restore(undone.state.instances());
        self.state = undone.state;
        let packages = undone.packages.join(" ");
        let mut text = format!("{manager} is out of reach since it changed something: undone ({packages})");
        if let Some(first) = undone.stayed.first() {
            text.push_str(&format!("; {} changed since and stay, first {first}", undone.stayed.len()));
        }
        self.log(log::Level::Error, text);
        self.audit_undone(&manager, &packages, undone.sequence);
        self.unannounced.extend(undone.packages);
        self.subscribed();
        if *manager == *ACS {
            self.guards.report_at = Some(self.now.at + CONTACT_WAIT);
        }
        self.announce_between_sessions();
    }

    /// What `status` tells.
    pub(super) fn guard_status(&self, out: &mut Vec<(&'static str, Tree)>) {
        let limit = self.config.agent.guard_timeout;
        let waits = self.guards.by.iter().map(|(manager, guard)| {
            let left = limit.saturating_sub(guard.clock).as_secs();
            Tree::from(format!("{manager}: undone in {left} s without it"))
        });
        let waits: Vec<Tree> = waits.collect();
        if !waits.is_empty() {
            out.push(("guarded", Tree::List(waits)));
        }
        out.extend(self.state.undone().map(|undone| ("last_undone", Tree::from(undone))));
    }
}
