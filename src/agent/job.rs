//! One piece of work at a time over a snapshot of its own: run, fetch what was missing, run again.

use super::cwmp::{self, Touched};
use super::local::Request;
use super::usp::{Ask, Deed};
use super::{Action, Agent, NotCommitted, Unkept};
use crate::config::EmptySecret;
use crate::dm::draft::AGENT;
use crate::dm::error::{Error, Refusal};
use crate::dm::instance::Instances;
use crate::dm::read::Counts;
use crate::dm::schema::Audience;
use crate::dm::source::{Former, Snapshot, Source};
use crate::dm::tree::Tree;
use crate::dm::write::{NoPlan, Plan, Planner, Policy, Wish};
use crate::sorted::Set;
use crate::state::State;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How often a job is planned again because somebody changed a file meanwhile.
pub const MAX_REPLANS: u8 = 3;
/// How often a job may ask for sources; each round brings at least one.
pub const MAX_ROUNDS: u16 = 200;

/// How long after settings could not be read they are tried again.
pub const CONFIGURE_WAIT: Duration = Duration::from_secs(10);

/// A piece of work.
#[derive(Clone, Debug, PartialEq)]
pub enum Job {
    /// Read the settings and take them up.
    Configure,
    /// Do something for the ACS.
    Cwmp(cwmp::Work),
    /// Read the watched parameters.
    Look,
    /// Carry out a local request.
    Local(u64, Request),
    /// Look at the way to a manager who has something to confirm.
    Guard(Box<str>),
    /// Undo what a manager did not confirm.
    TakeBack(Box<str>),
    /// Keep something of the agent's own accord.
    Keep(Errand),
    /// Carry out a request of a USP controller.
    Usp(Rc<Ask>),
    /// Apply the settings of the subscription of this section.
    Trigger(Box<str>),
}

/// What the agent keeps of its own accord.
#[derive(Clone, Debug, PartialEq)]
pub enum Errand {
    /// Parameters.
    Set(Vec<Wish>),
    /// A controller that came by itself.
    Adopt(Newcomer),
}

/// A controller that nobody configured.
#[derive(Clone, Debug, PartialEq)]
pub struct Newcomer {
    /// Its endpoint id.
    pub endpoint: String,
    /// The section of the role that it gets.
    pub role: Option<String>,
    /// The certificate that is to be kept for it, DER.
    pub certificate: Option<Arc<[u8]>>,
}

impl Job {
    /// For whom it reads and writes.
    pub fn audience(&self) -> Audience {
        match self {
            Job::Cwmp(_) => Audience::Cwmp,
            Job::Configure | Job::Look | Job::Local(..) | Job::Keep(_) | Job::Guard(_) | Job::TakeBack(_) => {
                Audience::All
            }
            Job::Usp(_) | Job::Trigger(_) => Audience::Usp,
        }
    }

    /// Whether a second one waiting would change nothing.
    pub fn is_once(&self) -> bool {
        match self {
            Job::Configure | Job::Look | Job::Guard(_) | Job::TakeBack(_) | Job::Trigger(_) => true,
            Job::Cwmp(work) => work.is_once(),
            Job::Local(..) | Job::Keep(_) | Job::Usp(_) => false,
        }
    }
}

/// The job under way.
pub struct Running {
    pub(super) job: Job,
    pub(super) snapshot: Snapshot,
    pub(super) rounds: u16,
    pub(super) replans: u8,
    pub(super) commit: Option<Committing>,
    /// Whether what the ACS watches was looked at.
    looked: bool,
}

/// What a commit that is under way comes to.
pub(super) struct Committing {
    pub(super) state: State,
    pub(super) instances: Instances,
    /// For whom it is kept how to undo it.
    pub(super) keep: Option<Box<str>>,
    /// What is to be called after the session.
    pub(super) calls: Vec<Box<str>>,
    /// Counters that begin at zero with it.
    resets: Vec<(Box<str>, Counts)>,
    /// What sections were, of packages whose services do not know it yet.
    former: Arc<Vec<Former>>,
    /// Diagnostics that it starts or ends.
    pub(super) touched: Touched,
    pub(super) done: Done,
}

/// Whom to answer once a commit is made.
#[derive(Clone, Debug)]
#[cfg_attr(
    not(all(feature = "cwmp", feature = "usp")),
    expect(dead_code, reason = "nobody asks by a protocol that is not built in")
)]
pub(super) enum Done {
    /// The ACS.
    Acs(cwmp::Answer),
    /// A local request.
    Local(u64, Tree),
    /// A USP controller: what it asked, and the message.
    Usp(Rc<Ask>, Vec<u8>),
    /// A USP controller that called commands: the message, if any, and what follows.
    Operated(Rc<Ask>, Option<Vec<u8>>, Vec<Deed>),
    /// Nobody; it was a change in the name of the controller of this section.
    Triggered(Box<str>),
    /// Nobody.
    Nobody,
}

/// What running a job once came to.
pub(super) enum Step {
    /// It is over.
    Over,
    /// It needs these sources.
    Need(Set<Box<str>>),
    /// It waits for its commit.
    Committing,
}

impl Running {
    pub(super) fn new(job: Job, snapshot: Snapshot) -> Running {
        Running { job, snapshot, rounds: 0, replans: 0, commit: None, looked: false }
    }
}

impl Agent {
    /// Runs the job under way until it is over or waits.
    pub(super) fn run(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        running.rounds += 1;
        let step = if running.rounds > MAX_ROUNDS {
            self.give_up(&running, "it asks for sources without end");
            Step::Over
        } else {
            match running.job.clone() {
                Job::Configure => self.configure(&mut running),
                Job::Cwmp(work) => self.cwmp_work(&mut running, &work),
                Job::Look => self.look_at_all(&mut running),
                Job::Local(id, request) => self.local(&mut running, id, &request),
                Job::Usp(ask) => self.usp(&mut running, &ask),
                Job::Trigger(section) => self.trigger(&mut running, &section),
                Job::Guard(manager) => self.look_at_guard(&running, &manager),
                Job::TakeBack(manager) => self.take_back(&manager),
                Job::Keep(errand) => self.keep(&mut running, &errand),
            }
        };
        match step {
            Step::Over => {
                self.save_numbers();
                if running.job == Job::Look {
                    self.answer_subscribers();
                }
            }
            Step::Need(keys) => {
                self.out.push_back(Action::Fetch(keys));
                self.running = Some(running);
            }
            Step::Committing => self.running = Some(running),
        }
    }

    /// Looks at counters that were reset, at what the ACS watches, then at what controllers subscribed to.
    fn look_at_all(&mut self, running: &mut Running) -> Step {
        if !running.looked {
            for look in [Agent::look_at_counters, Agent::look] {
                match look(self, running) {
                    Step::Over => {}
                    waits @ (Step::Need(_) | Step::Committing) => return waits,
                }
            }
            running.looked = true;
        }
        self.notice(running)
    }

    /// Runs a planner until it has a plan.
    pub(super) fn plan(
        &self,
        running: &mut Running,
        ask: impl Fn(&mut Planner<'_>) -> Result<(), NoPlan>,
    ) -> Result<Plan, Result<Step, Vec<Error>>> {
        let policy =
            Policy { keep_secret_on_empty: self.config.agent.empty_secret_write == EmptySecret::Ignore };
        let mut planner = Planner::new(self.model, &running.snapshot, &self.instances.borrow(), policy);
        match ask(&mut planner) {
            Ok(()) => Ok(planner.finish()),
            Err(NoPlan::Refused(errors)) => Err(Err(errors)),
            Err(NoPlan::Wait) => {
                let wanted = planner.wanted();
                if wanted.is_empty() {
                    return Err(Err(vec![Error::new("", Refusal::Backend("waits for nothing".into()))]));
                }
                Err(Ok(Step::Need(wanted)))
            }
        }
    }

    pub(super) fn fetched(&mut self, sources: Vec<(Box<str>, Source)>) {
        self.note_failing(&sources);
        let Some(running) = &mut self.running else { return };
        for (key, source) in sources {
            if let ("file:/proc/stat", Source::Ready(stat)) = (&*key, &source) {
                self.cpu_sample = stat.as_str().unwrap_or_default().to_string();
            }
            running.snapshot.supply(&key, source);
        }
        self.run();
    }

    /// Numbers that reading has given are kept before anybody is told them: the answer comes later in the queue.
    fn save_numbers(&mut self) {
        if !self.instances.borrow_mut().take_dirty() {
            return;
        }
        if self.state.set_instances(&self.instances.borrow()).is_err() {
            self.log(log::Level::Error, "the table of instance numbers is full".into());
            return self.not_kept(Unkept::State);
        }
        // Ahead of the answer that the job has just queued.
        let at = self.out.iter().position(is_told);
        let save = Action::Save(Box::new(self.state.clone()));
        match at {
            Some(at) => self.out.insert(at, save),
            None => self.out.push_back(save),
        }
    }

    /// Sends a plan's edits off to be committed; what the job answers waits for it.
    pub(super) fn commit(&mut self, running: &mut Running, plan: Plan, state: State, done: Done) -> Step {
        let mut next = state;
        let mut edits = match next.take(plan.edits) {
            Ok(edits) => edits,
            Err(why) => {
                self.refuse(&running.job, why);
                return Step::Over;
            }
        };
        for path in &plan.deleted {
            next.forget_attributes_below(path);
        }
        let touched = cwmp::touch(&plan.written, &mut next);
        // With the numbers that planning has given to rows nobody had asked for before.
        let instances = plan.instances.unwrap_or_else(|| self.instances.borrow().clone());
        if next.set_instances(&instances).is_err() {
            self.refuse(&running.job, Refusal::Exhausted("the agent's state".into()));
            return Step::Over;
        }
        let keep = match self.guarded(&running.snapshot, &edits, &mut next, &done) {
            Ok(keep) => keep,
            Err(keys) => return Step::Need(keys),
        };
        edits.extend(self.state.difference(&next));
        let committing = Committing {
            state: next,
            instances,
            keep,
            calls: plan.calls,
            resets: plan.resets,
            former: plan.former,
            touched,
            done,
        };
        // What the agent does itself needs no note: a restart does as much.
        let calls = committing.calls.iter().filter(|call| !call.starts_with(AGENT)).cloned();
        let calls: Vec<Box<str>> = calls.collect();
        if edits.is_empty() && calls.is_empty() {
            self.finish(committing);
            return Step::Over;
        }
        // What earlier jobs have read is no concern of this one.
        let read = running.snapshot.keys().filter(|key| key.starts_with("uci:")).map(Box::from).collect();
        let keep = committing.keep.clone();
        self.out.push_back(Action::Commit { edits, read, calls, keep });
        running.commit = Some(committing);
        Step::Committing
    }

    pub(super) fn committed(&mut self, done: Result<(u64, Vec<Box<str>>), NotCommitted>) {
        let Some(mut running) = self.running.take() else { return };
        let Some(mut committing) = running.commit.take() else {
            self.running = Some(running);
            return;
        };
        match done {
            Ok((sequence, packages)) => {
                // The store has noted the number with the commit.
                let _ = committing.state.set_commit(sequence);
                if packages.iter().any(|package| &**package == "cpeagent") {
                    self.configure_first(&committing.done);
                }
                self.unannounced.extend(packages);
                self.former = committing.former.clone();
                if let Some(manager) = committing.keep.take() {
                    self.guard(manager);
                }
                // Calls alone change nothing.
                self.audit.commit = (sequence > self.state.commit()).then_some(sequence);
                self.finish(committing);
            }
            Err(NotCommitted::Changed) if running.replans < MAX_REPLANS => {
                running.replans += 1;
                running.snapshot = self.snapshot();
                running.snapshot.audience = running.job.audience();
                self.running = Some(running);
                self.run();
            }
            Err(NotCommitted::Changed) => {
                let why = Refusal::Busy("somebody else keeps changing the files".into());
                self.refuse(&running.job, why);
            }
            Err(NotCommitted::Refused(why)) => self.refuse(&running.job, why),
        }
    }

    fn finish(&mut self, committing: Committing) {
        self.state = committing.state;
        let mut instances = committing.instances;
        instances.take_dirty();
        *self.instances.borrow_mut() = instances;
        for call in committing.calls {
            // What is asked for again is done once, at the end.
            self.calls.retain(|other| *other != call);
            self.calls.push(call);
        }
        for (object, counts) in committing.resets {
            self.counters.reset(object, counts);
        }
        let subscribed = self.subscribed();
        self.touch_diagnoses(committing.touched);
        self.audit_done();
        match committing.done {
            Done::Acs(answer) => self.answer_acs(answer),
            Done::Nobody | Done::Triggered(_) => self.announce_between_sessions(),
            Done::Usp(ask, message) => {
                self.answer_change(ask, message, subscribed);
                self.announce_between_sessions();
            }
            Done::Operated(ask, message, deeds) => {
                if let Some(message) = message {
                    self.reply(&ask, message);
                }
                self.announce_between_sessions();
                self.do_deeds(deeds);
            }
            Done::Local(id, tree) => {
                self.out.push_back(Action::Answer(id, tree));
                self.announce_between_sessions();
            }
        }
    }

    /// Has the services told at once, or after the session that is under way; and the watched parameters read.
    pub(super) fn announce_between_sessions(&mut self) {
        if !self.is_in_session() {
            self.announce();
        }
        self.look_soon();
    }

    /// Says to whoever asked for a job that it cannot be done.
    pub(super) fn refuse(&mut self, job: &Job, why: Refusal) {
        let error = Error::new("", why);
        match job {
            Job::Cwmp(work) => self.refuse_cwmp(work, &error),
            Job::Usp(ask) => self.refuse_usp(&ask.clone(), &error.why),
            Job::Trigger(section) => self.refuse_trigger(section, &error.why),
            Job::Local(id, _) => self.refuse_local(*id, &[error]),
            Job::Configure => {
                let why = error.to_string();
                if self.unconfigured.as_ref() != Some(&why) {
                    self.log(log::Level::Error, format!("the settings cannot be read: {why}"));
                    self.unconfigured = Some(why);
                }
                self.configure_at = Some(self.now.at + CONFIGURE_WAIT);
            }
            Job::Look | Job::Keep(_) | Job::Guard(_) | Job::TakeBack(_) => {
                self.log(log::Level::Error, error.to_string())
            }
        }
    }

    fn give_up(&mut self, running: &Running, why: &str) {
        self.refuse(&running.job.clone(), Refusal::Backend(why.into()));
    }
}

/// Whether an action tells somebody something.
fn is_told(action: &Action) -> bool {
    match action {
        Action::Answer(..) => true,
        #[cfg(feature = "cwmp")]
        Action::Post(_) => true,
        #[cfg(feature = "usp")]
        Action::Link(_) => true,
        _ => false,
    }
}
