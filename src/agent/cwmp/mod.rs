//! TR-069 in the agent: the session with the ACS, what it asks, what it is told.
//!
//! A session's wish becomes a [`Work`] of the agent's one queue of jobs, and its action one of the agent's. Requests are carried out in
//! `serve`, watched parameters read in `watch`, its diagnostics begun in `diag`. Beside [`super::usp`], and without
//! knowing of it: what both need is the agent's.

mod audit;
mod diag;
mod measure;
pub mod rendering;
mod serve;
mod watch;

use super::guard::ACS;
use super::job::{Job, Running, Step};
use super::{Action, Agent, Event, local};
use crate::config::Config;
use crate::cwmp::events::Code;
pub use crate::cwmp::events::Ledger;
use crate::cwmp::fault::{Fault, INTERNAL_ERROR};
pub use crate::cwmp::rpc::Answer;
use crate::cwmp::rpc::{DeviceId, ParameterValue, Rpc};
use crate::cwmp::session::{self, Outcome, Session};
use crate::diag::Kind;
use crate::dm::error::{Error, Refusal};
use crate::dm::path::Pattern;
use crate::dm::read::Node;
use crate::dm::source::{Snapshot, Source, Stop};
use crate::dm::tree::Tree;
use crate::dm::view::View;
use crate::periodic::Periodic;
use crate::rng::Rng;
use crate::time::{Instant, Now};
pub(super) use diag::{Touched, touch};
use measure::Measure;
use rendering::{MAX_KEPT, Rendering};

/// What the agent keeps of TR-069.
pub struct Cwmp {
    session: Session,
    /// Of the list that is asked for: what was read of it so far.
    measure: Measure,
    rendering: Option<Rendering>,
    /// Values under notification that differ from what the ACS was told: told with the next Inform.
    telling: Vec<(String, String)>,
    /// Who the device is, as the last Inform said.
    identity: Option<DeviceId>,
    /// The parameters of every Inform, as the last one had them.
    forced: Vec<ParameterValue>,
    last: Last,
    /// When the session under way was begun.
    begun: Instant,
    diagnoses: diag::Wanted,
}

/// What `status` tells of the sessions.
#[derive(Clone, Debug, Default)]
struct Last {
    /// When the last session ended.
    ended: Option<Now>,
    /// Why it failed; `None` if it went well.
    failure: Option<String>,
    /// How many have gone well and how many failed since the start.
    done: u32,
    /// See `done`.
    failed: u32,
}

/// A piece of work for the ACS.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// Tell the session that the program has started; once the sockets are open.
    Start,
    /// Read what an Inform carries.
    Gather,
    /// Carry out a request of the ACS.
    Serve(Rpc),
    /// Begin a diagnostic that the ACS asked for.
    Diagnose(Kind),
}

impl Work {
    /// Whether a second one waiting would change nothing.
    pub fn is_once(&self) -> bool {
        matches!(self, Work::Diagnose(_))
    }
}

/// What is known besides the settings: the device's OUI.
pub(super) struct Known(String);

/// The network that leads to the ACS (empty where the routing table decides), and the host in its URL, without brackets.
pub(super) fn place(config: &Config) -> (String, String) {
    let url = config.acs.url.as_deref().unwrap_or_default();
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    (config.acs.network.interface.clone(), host.unwrap_or_default().to_string())
}

impl Known {
    /// Reads it.
    pub(super) fn read(view: &View<'_>) -> Result<Known, Stop> {
        let pattern = Pattern::parse(super::names::DEVICE_ID[1]).map_err(|_| Refusal::UnknownPath)?;
        Ok(Known(match view.resolve(&pattern)?.as_slice() {
            [Node::Param(place, at)] => view.value(place, *at)?.into_owned(),
            _ => String::new(),
        }))
    }
}

impl Cwmp {
    /// With the events that no ACS has confirmed yet.
    pub(super) fn new(ledger: Ledger, rng: &mut Rng) -> Cwmp {
        Cwmp {
            session: Session::new(ledger, Rng::new(rng.bytes())),
            measure: Measure::default(),
            rendering: None,
            telling: Vec::new(),
            identity: None,
            forced: Vec::new(),
            last: Last::default(),
            begun: Instant::default(),
            diagnoses: diag::Wanted::default(),
        }
    }

    /// Whether a session is under way, being set up included.
    pub(super) fn is_busy(&self) -> bool {
        self.session.is_busy()
    }

    /// When the session is to hear of the time.
    pub(super) fn next_timer(&self, now: Now) -> Option<Instant> {
        self.session.next_timer(now)
    }
}

impl Agent {
    /// The rows of the list that was last posted, to be pulled while it is sent.
    pub fn take_rendering(&mut self) -> Option<Rendering> {
        self.cwmp.rendering.take()
    }

    /// The path of connection requests: the one that is set, else a random one that is kept.
    pub fn connection_request_path(&self) -> String {
        let set = self.config.acs.connection_request.path.as_deref();
        set.or(self.state.connection_request_path()).unwrap_or_default().trim_start_matches('/').to_string()
    }

    /// Chooses the path of connection requests, once, so that the URL does not change with every start.
    pub(super) fn seed_cwmp(&mut self, rng: &mut Rng) {
        if self.state.connection_request_path().is_none() {
            let _ = self.state.set_connection_request_path(&rng.hex(16));
        }
    }

    /// The sockets are open, so the first Inform can tell where connection requests are heard.
    pub(super) fn start_session_soon(&mut self) {
        self.queue(Job::Cwmp(Work::Start));
    }

    /// Takes an event of the session's.
    pub(super) fn cwmp_event(&mut self, event: Event) {
        let event = match event {
            Event::Reply { status, body } => session::Event::Reply { status, body },
            Event::Lost(why) => session::Event::Lost(why),
            Event::Way => session::Event::Way,
            Event::Woken => session::Event::Raised(Code::ConnectionRequest, String::new()),
            _ => return,
        };
        self.tell_session(event);
    }

    fn tell_session(&mut self, event: session::Event) {
        self.cwmp.session.handle(self.now, event);
    }

    /// Time has passed.
    pub(super) fn cwmp_due(&mut self) {
        self.tell_session(session::Event::Timer);
    }

    /// Has the event log written anew, after it could not be.
    pub(super) fn keep_events(&mut self) {
        let kept = self.cwmp.session.ledger().records();
        self.out.push_back(Action::Note(Vec::new(), kept));
    }

    /// Takes back what was to be told the ACS of what could not be made durable.
    pub(super) fn cwmp_not_kept(&mut self) {
        if self.cwmp.session.is_answering() && self.out.iter().any(|action| matches!(action, Action::Post(_)))
        {
            self.out.retain(|action| !matches!(action, Action::Post(_)));
            self.cwmp.rendering = None;
            self.audit_not_kept(INTERNAL_ERROR.into());
            self.tell_session(session::Event::NotKept);
        }
    }

    /// Does what the session wants done.
    pub(super) fn drain_session(&mut self) {
        while let Some(action) = self.cwmp.session.poll() {
            self.session_action(action);
        }
    }

    fn session_action(&mut self, action: session::Action) {
        match action {
            session::Action::Persist(records) => {
                let kept = self.cwmp.session.ledger().records();
                self.out.push_back(Action::Note(records, kept));
            }
            session::Action::Gather => {
                self.cwmp.begun = self.now.at;
                self.queue(Job::Cwmp(Work::Gather));
            }
            session::Action::Post(outgoing) => self.out.push_back(Action::Post(outgoing)),
            session::Action::Informed => {
                self.heard(ACS, self.cwmp.begun);
                self.informed();
            }
            session::Action::Serve(rpc) => {
                self.cwmp.measure = Measure::new(MAX_KEPT);
                self.queue(Job::Cwmp(Work::Serve(rpc)));
            }
            session::Action::Commanded(name, key, fault) => self.audit_command(name, &key, fault),
            session::Action::Delivered(_) => {}
            session::Action::Close => self.out.push_back(Action::Close),
            session::Action::Ended(outcome) => self.ended(outcome),
            session::Action::Reboot => {
                self.note_reboot_by_acs();
                self.out.push_back(Action::Reboot);
            }
            session::Action::FactoryReset => self.out.push_back(Action::FactoryReset),
        }
    }

    fn ended(&mut self, outcome: Outcome) {
        self.cwmp.rendering = None;
        self.cwmp.measure = Measure::default();
        self.cwmp.last.ended = Some(self.now);
        match outcome {
            Outcome::Done => {
                self.cwmp.last.done += 1;
                self.cwmp.last.failure = None;
                self.log(log::Level::Info, "session with the ACS ended well".into());
            }
            Outcome::Failed(why) => {
                self.cwmp.last.failed += 1;
                self.log(log::Level::Warn, format!("session with the ACS failed: {why}"));
                self.cwmp.last.failure = Some(why);
            }
        }
        self.announce();
        self.start_diagnoses();
    }

    /// Does a piece of work.
    pub(super) fn cwmp_work(&mut self, running: &mut Running, work: &Work) -> Step {
        match work {
            Work::Start => {
                self.tell_session(session::Event::Started);
                Step::Over
            }
            Work::Gather => self.gather(running),
            Work::Serve(rpc) => self.serve(running, rpc),
            Work::Diagnose(kind) => self.diagnose(running, *kind),
        }
    }

    /// Says that a piece of work cannot be done.
    pub(super) fn refuse_cwmp(&mut self, work: &Work, error: &Error) {
        match work {
            Work::Serve(_) => self.answer_acs(Answer::Fault(Fault::of(error))),
            Work::Gather => self.tell_session(session::Event::NotGathered(error.to_string())),
            Work::Start | Work::Diagnose(_) => self.log(log::Level::Error, error.to_string()),
        }
    }

    /// Hands an answer to the session.
    pub(super) fn answer_acs(&mut self, answer: Answer) {
        self.audit_answer(&answer);
        self.tell_session(session::Event::Served(answer));
    }

    /// Takes the settings of the session up.
    pub(super) fn configure_cwmp(&mut self, before: &Config, known: &Known) {
        let acs = &self.config.acs;
        let url = acs.url.clone().unwrap_or_default();
        let settings = session::Settings {
            enabled: acs.enable && !url.is_empty(),
            acs: if url.is_empty() { String::new() } else { format!("{url} {}", known.0) },
            retry: acs.retry,
            periodic: acs.periodic.map(|interval| Periodic { interval, phase: acs.periodic_time }),
            throttle: acs.active_notification_throttle,
        };
        if url.starts_with("http://") && before.acs.url != acs.url {
            let why = format!("the ACS {url} is reached without TLS: anyone on the way can take over");
            self.log(log::Level::Warn, why);
        }
        self.tell_session(session::Event::Settings(settings));
    }

    /// What parameters show of TR-069, into `facts` of the agent and sources of their own.
    pub(super) fn cwmp_facts(&self, facts: &mut Vec<(&'static str, Tree)>, snapshot: &mut Snapshot) {
        facts.push(("ParameterKey", Tree::from(self.state.parameter_key())));
        facts.push(("ConnectionRequestPath", Tree::from(self.connection_request_path())));
        snapshot.supply("agent:diag", Source::ready(self.cwmp.diagnoses.source()));
    }

    /// Whether there is an ACS that sessions are held with.
    pub(super) fn has_acs(&self) -> bool {
        self.config.acs.enable && self.config.acs.url.is_some()
    }

    /// Whether the last session failed.
    pub(super) fn is_acs_failing(&self) -> bool {
        self.cwmp.last.failure.is_some()
    }

    /// Starts a session because somebody wants one.
    pub(super) fn ask_for_session(&mut self) -> Tree {
        if self.has_acs() {
            self.tell_session(session::Event::Raised(Code::ConnectionRequest, String::new()));
            return local::ok(Tree::from("a session is being started"));
        }
        let why = Refusal::Denied("no ACS is set (acs.url), or acs.enable is 0".into());
        local::refusal(&[Error::new("", why)])
    }

    /// Starts a session of the device's own accord.
    //= TR-069 3.2.1: the device may open a session whenever it has a reason to.
    pub(super) fn contact_acs(&mut self) {
        if self.has_acs() {
            self.tell_session(session::Event::Raised(Code::Periodic, String::new()));
        }
    }

    /// The events that no ACS has confirmed yet, in their order.
    pub(super) fn undelivered(&self) -> Tree {
        let event = |(code, key): (String, String)| {
            Tree::map([("code", Tree::from(code)), ("command_key", Tree::from(key))])
        };
        Tree::List(self.cwmp.session.ledger().undelivered().into_iter().map(event).collect())
    }

    /// How the sessions fare, as `status` prints it.
    pub(super) fn cwmp_status(&self, out: &mut Vec<(&'static str, Tree)>) {
        let text = |text: String| Tree::from(text);
        let last = &self.cwmp.last;
        let url = self.config.acs.url.clone().unwrap_or_default();
        out.extend([
            ("acs", text(url.clone())),
            ("enabled", text((self.config.acs.enable && !url.is_empty()).to_string())),
            ("tls", text(url.starts_with("https://").to_string())),
            ("in_session", text(self.is_in_session().to_string())),
            ("sessions_done", text(last.done.to_string())),
            ("sessions_failed", text(last.failed.to_string())),
            ("parameter_key", text(self.state.parameter_key().to_string())),
        ]);
        if let Some(ended) = last.ended {
            out.push((
                "last_session_ended",
                text(ended.wall.map_or_else(|| "before the clock was known".into(), |wall| wall.to_string())),
            ));
            out.push(("last_session_seconds_ago", text(self.now.at.since(ended.at).as_secs().to_string())));
        }
        if let Some(why) = &last.failure {
            out.push(("last_failure", text(why.clone())));
        }
        if let Some(next) = self.cwmp.next_timer(self.now) {
            out.push(("next_session_in_seconds", text(next.since(self.now.at).as_secs().to_string())));
        }
    }
}
