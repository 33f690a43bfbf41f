//! What the agent does with an event: the protocols, timers and stores behind one [`Agent::handle`].
//!
//! One event in, all actions out by [`Agent::poll`], then wait. Requests become [`job`]s that run one at a time over a
//! snapshot of their own; what a job needs is asked for with [`Action::Fetch`] and the same job runs again. Owns the
//! order of things: durable before told, applied after the answer has left. Driven by `io`.

mod audit;
mod counters;
#[cfg_attr(not(feature = "cwmp"), path = "cwmp/absent.rs")]
pub mod cwmp;
mod diag;
mod event;
mod failing;
pub mod guard;
pub mod job;
pub mod local;
pub mod names;
mod settle;
#[cfg_attr(not(feature = "usp"), path = "usp/absent.rs")]
pub mod usp;

use crate::config::Config;
use crate::dm::draft::AGENT;
use crate::dm::draft::OWN;
use crate::dm::error::{Error, Refusal};
use crate::dm::instance::Instances;
use crate::dm::read::COUNTERS;
use crate::dm::schema::Model;
use crate::dm::source::{Former, Snapshot, Source};
use crate::dm::tree::Tree;
use crate::rng::Rng;
use crate::sorted::{Map, Set};
use crate::state::State;
use crate::time::{Instant, Now, Wall};
pub use event::{Action, Event, NotCommitted, Unkept};
use job::{Job, Running};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long after services were told a read prefers what is stored to what they show.
pub const SETTLING: Duration = Duration::from_secs(15);
/// How long changes are gathered before the watched parameters are read again.
pub const GATHERING: Duration = Duration::from_millis(200);
/// Most links whose last change is remembered.
pub const MAX_LINKS: usize = 256;
/// Most local requests that wait; of other jobs there is one of a kind.
pub const MAX_JOBS: usize = 64;
/// How long after something could not be written it is tried again.
pub const KEEP_WAIT: Duration = Duration::from_secs(60);

/// The agent.
pub struct Agent {
    model: &'static Model,
    instances: RefCell<Instances>,
    state: State,
    config: Config,
    now: Now,
    jobs: VecDeque<Job>,
    running: Option<Running>,
    /// Packages committed whose services have not been told.
    unannounced: Set<Box<str>>,
    /// Packages whose services were told, until when reads prefer what is stored.
    settling: Map<Box<str>, Instant>,
    /// What sections of both were before, as the services may still know them.
    former: Arc<Vec<Former>>,
    /// When the watched parameters are to be read again.
    look: Option<Instant>,
    /// When settings that could not be read are tried again.
    configure_at: Option<Instant>,
    /// Why the settings could not be read when they were last looked at.
    unconfigured: Option<String>,
    /// The sources that could not be read.
    failing: failing::Failing,
    /// When what could not be written is tried again.
    keep_at: Option<Instant>,
    /// Whether the session was told of the start.
    begun: bool,
    runtime: Map<&'static str, String>,
    /// When each link was last told to have changed, and since when they are listened to.
    links: Map<Box<str>, Instant>,
    listening: Option<Instant>,
    /// What the processors' counters were when they were last read.
    cpu_sample: String,
    /// What to add to the time for reads: a recorded router lives at the time of its recording.
    reading_skew: i64,
    /// Calls that wait until the answer has left and the session is over.
    calls: Vec<Box<str>>,
    diagnoses: diag::Diagnoses,
    /// What counters were when they were reset.
    counters: counters::Counters,
    /// What managers have not confirmed yet.
    guards: guard::Guards,
    audit: audit::Audit,
    cwmp: cwmp::Cwmp,
    usp: usp::Usp,
    out: VecDeque<Action>,
}

impl Agent {
    /// An agent with what its stores hold. Nothing happens before [`Event::Started`].
    pub fn new(model: &'static Model, state: State, ledger: cwmp::Ledger, mut rng: Rng) -> Agent {
        let cwmp = cwmp::Cwmp::new(ledger, &mut rng);
        let mut agent = Agent {
            model,
            instances: RefCell::new(state.instances()),
            state,
            config: Config::read(&Tree::Map(Vec::new())).0,
            now: Now::default(),
            jobs: VecDeque::new(),
            running: None,
            unannounced: Set::new(),
            settling: Map::new(),
            former: Arc::default(),
            look: None,
            configure_at: None,
            unconfigured: None,
            failing: failing::Failing::default(),
            keep_at: None,
            begun: false,
            runtime: Map::new(),
            links: Map::new(),
            listening: None,
            cpu_sample: String::new(),
            reading_skew: 0,
            calls: Vec::new(),
            diagnoses: diag::Diagnoses::default(),
            guards: guard::Guards::default(),
            counters: counters::Counters::default(),
            audit: audit::Audit::default(),
            cwmp,
            usp: usp::Usp::default(),
            out: VecDeque::new(),
        };
        agent.seed_cwmp(&mut rng);
        agent.usp.seed(rng);
        agent
    }

    /// These packages were committed before the start, and their services were not told; these calls were not made. To
    /// be said before [`Event::Started`].
    pub fn resume(&mut self, packages: Vec<Box<str>>, calls: Vec<Box<str>>) {
        self.unannounced.extend(packages);
        self.calls = calls;
    }

    /// The next thing to do; all are to be taken out, in order, before the next event.
    pub fn poll(&mut self) -> Option<Action> {
        self.out.pop_front()
    }

    /// When [`Event::Timer`] is due.
    pub fn next_timer(&self) -> Option<Instant> {
        let own = [
            self.look,
            self.configure_at,
            self.keep_at,
            self.cwmp.next_timer(self.now),
            self.guards.next_timer(),
        ];
        own.into_iter().chain([self.notices_timer(), self.commands_timer()]).flatten().min()
    }

    /// Has reads see a time that many seconds later (or earlier) than sessions do: of a recorded router.
    pub fn set_reading_skew(&mut self, seconds: i64) {
        self.reading_skew = seconds;
    }

    /// The settings in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether a session is under way, being set up included.
    pub fn is_in_session(&self) -> bool {
        self.cwmp.is_busy()
    }

    /// Takes one event.
    pub fn handle(&mut self, now: Now, event: Event) {
        self.now = now;
        self.settling.retain(|_, until| *until > now.at);
        if !self.former.is_empty() {
            let unapplied = self.unapplied();
            Arc::make_mut(&mut self.former).retain(|(source, _)| unapplied.contains(source));
        }
        if !matches!(event, Event::NotKept(_)) {
            // All actions were carried out, the saving of numbers too.
            self.instances.borrow_mut().kept();
        }
        self.first_use(&event);
        match event {
            Event::Started => {
                self.forget_diagnoses();
                self.forget_requests();
                self.listening = Some(now.at);
                if let Some(wall) = now.wall {
                    let _ = self.state.set_first_use(wall);
                }
                self.forget_subscriptions();
                self.out.push_back(Action::Save(Box::new(self.state.clone())));
                self.jobs.push_back(Job::Configure);
                self.resume_guards();
                self.announce();
            }
            Event::Fetched(sources) => self.fetched(sources),
            Event::Committed(done) => self.committed(done),
            Event::TakenBack(done) => self.taken_back(done),
            #[cfg(feature = "cwmp")]
            Event::Reply { .. } | Event::Lost(_) | Event::Way | Event::Woken => self.cwmp_event(event),
            Event::Timer => {
                if self.look.is_some_and(|at| at <= now.at) {
                    self.look = None;
                    self.queue(Job::Look);
                }
                if self.configure_at.is_some_and(|at| at <= now.at) {
                    self.configure_at = None;
                    self.queue(Job::Configure);
                }
                if self.keep_at.is_some_and(|at| at <= now.at) {
                    self.keep_at = None;
                    self.out.push_back(Action::Save(Box::new(self.state.clone())));
                    self.keep_events();
                }
                self.guards_due();
                self.notices_due();
                self.cwmp_due();
            }
            Event::Changed(sources) => self.changed(&sources),
            Event::Runtime(facts) => {
                // The first Inform tells where connection requests are heard, so it waits for the sockets.
                if !std::mem::replace(&mut self.begun, true) {
                    self.start_session_soon();
                }
                self.runtime.extend(facts);
                self.look_soon();
            }
            Event::Local(id, request) => self.queue(Job::Local(id, request)),
            #[cfg(feature = "usp")]
            Event::Link(event) => self.link(event),
            Event::Diagnosed(id, verdict) => self.diagnosed(id, verdict),
            Event::NotKept(what) => self.not_kept(what),
        }
        self.drain();
        self.audit_leave();
    }

    /// Takes back what was to be told of what could not be made durable.
    fn not_kept(&mut self, what: Unkept) {
        self.keep_at.get_or_insert(self.now.at + KEEP_WAIT);
        if what == Unkept::State {
            self.instances.borrow_mut().take_back();
            // Fewer numbers than before always fit.
            let _ = self.state.set_instances(&self.instances.borrow());
            let why = Error::new("", Refusal::Backend("it cannot be kept on flash".into()));
            for action in &mut self.out {
                if let Action::Answer(_, answer) = action {
                    *answer = local::refusal(std::slice::from_ref(&why));
                }
            }
        }
        self.cwmp_not_kept();
        if what == Unkept::State {
            self.usp_not_kept();
        }
    }

    /// Keeps the date of first use, once the calendar is known.
    //= TR-181 DeviceInfo.FirstUseDate: when the device first knew the time; unknown until then.
    fn first_use(&mut self, event: &Event) {
        // Not while a commit is under way: it was planned on the state as it is.
        let planned = self.running.is_some() || matches!(event, Event::Started);
        if let (Some(wall), None, false) = (self.now.wall, self.state.first_use(), planned)
            && self.state.set_first_use(wall).is_ok()
        {
            self.out.push_back(Action::Save(Box::new(self.state.clone())));
        }
    }

    /// Carries on until neither the session nor a job has anything left to do.
    fn drain(&mut self) {
        loop {
            self.drain_session();
            if self.running.is_some() {
                return;
            }
            if self.settle_diagnoses() || self.settle_guards() || self.commands_due() {
                continue;
            }
            let Some(job) = self.next_job() else { return };
            self.audit_job(&job);
            let mut snapshot = self.snapshot();
            snapshot.audience = job.audience();
            self.running = Some(Running::new(job, snapshot));
            self.run();
        }
    }

    /// What waits in the queue of jobs, then what controllers ask.
    fn next_job(&mut self) -> Option<Job> {
        self.jobs.pop_front().or_else(|| self.usp.next().map(|ask| Job::Usp(Rc::new(ask))))
    }

    fn queue(&mut self, job: Job) {
        match job {
            Job::Local(id, _) if self.jobs.len() >= MAX_JOBS => {
                let why = Error::new("", Refusal::Busy("too many requests wait".into()));
                self.out.push_back(Action::Answer(id, local::refusal(&[why])));
            }
            job if job.is_once() && self.jobs.contains(&job) => {}
            job => self.jobs.push_back(job),
        }
    }

    fn look_soon(&mut self) {
        self.look_at(GATHERING);
    }

    /// Has the watched parameters read again after `wait` at the latest.
    fn look_at(&mut self, wait: Duration) {
        let at = self.now.at + wait;
        self.look = Some(self.look.map_or(at, |look| look.min(at)));
    }

    fn changed(&mut self, sources: &Set<Box<str>>) {
        for link in sources.iter().filter_map(|source| source.strip_prefix("link:")) {
            if self.links.len() < MAX_LINKS || self.links.contains_key(link) {
                self.links.insert(link.into(), self.now.at);
            }
        }
        if sources.contains(OWN) {
            self.queue(Job::Configure);
        }
        if !sources.is_empty() {
            self.look_soon();
        }
    }

    /// Has the services told of what was committed; not before the answer has left.
    fn announce(&mut self) {
        self.guards_told();
        let calls = std::mem::take(&mut self.calls);
        let (own, calls): (Vec<_>, Vec<_>) = calls.into_iter().partition(|call| call.starts_with(AGENT));
        for call in own {
            match call.trim_start_matches(AGENT).split_once(' ') {
                #[cfg(feature = "usp")]
                Some(("reconnect_broker", section)) => self.reconnect(section),
                Some(_) | None => self.log(log::Level::Error, format!("{call} is nothing to call")),
            }
        }
        let packages: Vec<Box<str>> = std::mem::take(&mut self.unannounced).into_iter().collect();
        if packages.is_empty() && calls.is_empty() {
            return;
        }
        if packages.iter().any(|package| &**package == "cpeagent") {
            self.queue(Job::Configure);
        }
        for package in &packages {
            self.settling.insert(format!("uci:{package}").into(), self.now.at + SETTLING);
        }
        self.out.push_back(Action::Announce(packages, calls));
    }

    fn log(&mut self, level: log::Level, text: String) {
        self.out.push_back(Action::Log(level, text));
    }

    /// The time that reads see: of a recorded router that of its recording.
    fn calendar(&self) -> Option<Wall> {
        self.now.wall.map(|wall| wall.plus(self.reading_skew))
    }

    /// Packages that were committed and whose services have not, or not for long, been told.
    fn unapplied(&self) -> Set<Box<str>> {
        let unannounced = self.unannounced.iter().map(|package| format!("uci:{package}").into());
        self.settling.keys().cloned().chain(unannounced).collect()
    }

    /// An empty snapshot of now, with what the agent itself knows.
    fn snapshot(&self) -> Snapshot {
        let wall = self.calendar();
        let mut snapshot = Snapshot::new(Now { wall, ..self.now });
        snapshot.unapplied = self.unapplied();
        snapshot.former = Arc::clone(&self.former);
        for (key, tree) in self.state.sources() {
            snapshot.supply(key, Source::ready(tree));
        }
        let first_use =
            self.state.first_use().map_or_else(|| crate::time::UNKNOWN.into(), |date| date.to_string());
        let mut facts = vec![
            ("FirstUseDate", Tree::from(first_use)),
            ("cpu_sample", Tree::from(self.cpu_sample.as_str())),
        ];
        self.cwmp_facts(&mut facts, &mut snapshot);
        let since = |at: Instant| Tree::from(self.now.at.since(at).as_secs().to_string());
        // A link that has not changed since is as it was for at least that long.
        facts.extend(self.listening.map(|at| ("listening", since(at))));
        let links = self.links.iter().map(|(link, at)| (link.clone(), since(*at)));
        snapshot.supply("agent:changes", Source::ready(Tree::map(links)));
        facts.extend(self.runtime.iter().map(|(name, value)| (*name, Tree::from(value.as_str()))));
        snapshot.supply("agent:state", Source::ready(Tree::map(facts)));
        snapshot.supply("agent:usp", self.usp_facts());
        if let Some(counters) = self.counters() {
            snapshot.supply(COUNTERS, counters);
        }
        snapshot
    }
}

/// Whether a source announces no change, so that it has to be looked at while somebody watches it.
pub(super) fn tells_nothing(key: &str) -> bool {
    [
        "file:/proc/",
        "file:/sys/",
        "dir:/",
        "stat:/",
        "sys:",
        "ubus:iwinfo ",
        "ubus:hostapd.",
        "ubus:system info",
    ]
    .iter()
    .any(|silent| key.starts_with(silent))
}
