//! The sessions with the ACS: when one starts, what is said in it, how it ends, and when it is tried again.
//!
//! Owns the state machine, the ledger of events and all timers. It reads no parameter and opens no connection: it
//! asks by [`Action`]s and is told by [`Event`]s. Driven by `agent`: one event into [`Session::handle`], then all
//! actions out of [`Session::poll`], in their order, then again at [`Session::next_timer`].
//!
//! What is said within a session is in `exchange`.

mod exchange;

use super::events::Code;
use super::inform::{self, Gathered};
use super::ledger::{Ledger, Record};
pub use super::port::{Action, Event, Outcome, Settings};
use super::rpc::{self, TransferComplete};
use super::soap::writer::{Envelope, Outgoing};
use super::version::{NEWEST, Version};
use crate::periodic::Ticker;
use crate::rng::Rng;
use crate::time::{Instant, Now};
use std::collections::VecDeque;
use std::time::Duration;

/// How long an answer of the ACS is waited for.
//= TR-069 3.7.1.4: at least 30 seconds.
pub const ANSWER_WAIT: Duration = Duration::from_secs(60);
/// How often one request is repeated because the ACS asks for it, before the session is given up.
pub const MAX_REPEATS: u32 = 8;
/// The most requests of ours that wait for a session.
pub const MAX_REQUESTS: usize = 32;

/// What is left to do once the session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Departure {
    Reboot,
    FactoryReset,
}

/// A request of ours that the ACS has not answered.
#[derive(Clone, Debug)]
struct Asked {
    text: String,
    repeats: u32,
}

/// A session whose Inform was sent.
#[derive(Clone, Debug)]
struct Open {
    acs: String,
    version: Version,
    deadline: Instant,
    asked: Option<Asked>,
    /// The next of our requests to send, and the first that came too late for this session's Inform.
    next_request: usize,
    end_requests: usize,
    hold: bool,
    sent_empty: bool,
    departure: Option<Departure>,
    answering: Option<Answering>,
}

/// An answer that is on its way, until something comes back.
#[derive(Clone, Debug)]
struct Answering {
    /// The ID of the request.
    id: Option<String>,
    /// What a request that promises something has changed, as it was before.
    before: Option<Box<(Ledger, Option<Departure>)>>,
}

#[derive(Clone, Debug, Default)]
enum State {
    #[default]
    Idle,
    /// After a failed session.
    Waiting { until: Instant },
    /// The agent reads what the Inform carries; `stale` if a value changed meanwhile.
    Gathering { stale: bool },
    /// The Inform is on its way.
    Informing(Open),
    /// Something else is on its way.
    Exchanging(Open),
    /// The agent carries out a request with this ID.
    Serving(Open, Option<String>),
    /// The device restarts.
    Leaving,
}

/// All sessions with one ACS, one after the other.
#[derive(Debug)]
pub struct Session {
    started: bool,
    settings: Option<Settings>,
    ledger: Ledger,
    rng: Rng,
    state: State,
    out: VecDeque<Action>,
    ticker: Ticker,
    requests: VecDeque<(Code, TransferComplete)>,
    /// The version of the next Inform.
    attempt: Version,
    /// Failed sessions since the start or the last good one.
    waits: u32,
    changed: bool,
    last_success: Option<Instant>,
    last_id: u64,
}

impl Session {
    /// No session yet. `ledger` is what the event log came to.
    pub fn new(ledger: Ledger, rng: Rng) -> Session {
        Session {
            started: false,
            settings: None,
            ledger,
            rng,
            state: State::Idle,
            out: VecDeque::new(),
            ticker: Ticker::default(),
            requests: VecDeque::new(),
            attempt: NEWEST,
            waits: 0,
            changed: false,
            last_success: None,
            last_id: 0,
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Action> {
        self.out.pop_front()
    }

    /// The undelivered events, to compact the log by.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Whether a session is under way, being set up included.
    pub fn is_busy(&self) -> bool {
        match self.state {
            State::Idle | State::Waiting { .. } => false,
            State::Gathering { .. }
            | State::Informing(_)
            | State::Exchanging(_)
            | State::Serving(..)
            | State::Leaving => true,
        }
    }

    /// Whether the POST on its way is an answer to the ACS.
    pub fn is_answering(&self) -> bool {
        matches!(&self.state, State::Exchanging(open) if open.answering.is_some())
    }

    /// When [`Event::Timer`] is due; `None` while nothing is waited for.
    pub fn next_timer(&self, now: Now) -> Option<Instant> {
        let state = match &self.state {
            State::Waiting { until } => Some(*until),
            State::Informing(open) | State::Exchanging(open) => Some(open.deadline),
            State::Idle if self.changed && self.enabled() => Some(self.throttled_until(now)),
            State::Idle | State::Gathering { .. } | State::Serving(..) => None,
            State::Leaving => return None,
        };
        [state, self.ticker.next(now), self.ledger.next_scheduled()].into_iter().flatten().min()
    }

    /// Takes one event. Its actions are then to be taken out by [`Session::poll`], all of them.
    pub fn handle(&mut self, now: Now, event: Event) {
        self.state = match (std::mem::take(&mut self.state), event) {
            (State::Leaving, _) => State::Leaving,
            (state, Event::Started) => self.started(now, state),
            (state, Event::Settings(settings)) => self.set(now, state, settings),
            // What has changed is known when the Inform is put together, and the event follows from it.
            (State::Gathering { .. }, Event::Changed | Event::Raised(Code::ValueChange, _)) => {
                State::Gathering { stale: true }
            }
            (state, Event::Changed | Event::Raised(Code::ValueChange, _)) => {
                self.changed = true;
                self.wake(now, state)
            }
            (state, Event::Raised(code, key)) => {
                //= TR-181 ManagementServer.EnableCWMP: while false, connection requests are ignored.
                if self.enabled() || code != Code::ConnectionRequest {
                    self.raise(code, &key);
                }
                self.wake(now, state)
            }
            (state, Event::Transferred(code, request)) => {
                self.transferred(code, request);
                self.wake(now, state)
            }
            (state, Event::Timer) => self.timer(now, state),
            (State::Gathering { stale: true }, Event::Gathered(_)) => self.gather(),
            (State::Gathering { stale: false }, Event::Gathered(gathered)) => self.inform(now, gathered),
            (State::Gathering { .. }, Event::NotGathered(why)) => {
                // As if they had been told: they are for the retry.
                self.ledger.tell();
                self.fail(now, None, why)
            }
            (State::Informing(open), Event::Reply { status, body }) => {
                self.inform_answered(now, open, status, &body)
            }
            (State::Exchanging(open), Event::Reply { status, body }) => {
                self.answered(now, open, status, &body)
            }
            (State::Informing(open) | State::Exchanging(open), Event::Lost(why)) => {
                self.fail(now, Some(open), why)
            }
            //= TR-069 3.2.1.1: what could not even begin was no session, and is not counted when there is a way.
            (State::Waiting { .. }, Event::Way) => {
                self.waits = 0;
                self.gather()
            }
            (State::Serving(open, id), Event::Served(answer)) => {
                self.respond(now, open, id.as_deref(), &answer)
            }
            (State::Exchanging(open), Event::NotKept) => self.not_kept(now, open),
            // Late news of a session that is over, or of a connection that the next POST opens again.
            (
                state,
                Event::Gathered(_)
                | Event::NotGathered(_)
                | Event::Reply { .. }
                | Event::Lost(_)
                | Event::Way
                | Event::Served(_)
                | Event::NotKept,
            ) => state,
        };
    }

    fn enabled(&self) -> bool {
        self.started && self.settings.as_ref().is_some_and(|settings| settings.enabled)
    }

    fn persist(&mut self, records: Vec<Record>) {
        if !records.is_empty() {
            self.out.push_back(Action::Persist(records));
        }
    }

    fn raise(&mut self, code: Code, key: &str) -> bool {
        match self.ledger.raise(code, key) {
            Ok(records) => {
                self.persist(records);
                true
            }
            Err(_) => false,
        }
    }

    /// Queues a request, and raises its event unless the ledger has kept it over a restart.
    fn transferred(&mut self, code: Code, request: TransferComplete) {
        let key = &request.command_key;
        let queued = self.requests.iter().filter(|(c, r)| *c == code && r.command_key == *key).count();
        let kept = self.ledger.count(code, key) > queued;
        if self.requests.len() < MAX_REQUESTS && (kept || self.raise(code, key)) {
            self.requests.push_back((code, request));
        }
    }

    fn started(&mut self, now: Now, state: State) -> State {
        self.started = true;
        if self.ledger.reset_pending() {
            // The power went between the promise and the reset.
            self.out.push_back(Action::FactoryReset);
            return State::Leaving;
        }
        self.ledger.set_out(now);
        //= TR-069 3.7.1.5: 1 BOOT at every start of the management software.
        self.raise(Code::Boot, "");
        self.wake(now, state)
    }

    fn set(&mut self, now: Now, state: State, settings: Settings) -> State {
        self.ticker.set(settings.periodic.filter(|_| settings.enabled), now, &mut self.rng);
        let known = self.settings.as_ref().map(|old| old.acs == settings.acs);
        if known != Some(true) && !settings.acs.is_empty() {
            self.attempt = NEWEST;
            //= TR-069 3.7.1.5: BOOTSTRAP at the first contact with a server, and after its URL has changed.
            if self.ledger.bootstrapped() == Some(settings.acs.as_str()) {
                let records = self.ledger.withdraw_bootstrap();
                self.persist(records);
            } else if known == Some(false) || !self.ledger.holds(Code::Bootstrap) {
                self.requests.clear();
                self.raise(Code::Bootstrap, "");
            }
        }
        self.settings = Some(settings);
        match state {
            State::Waiting { .. } if !self.enabled() => State::Idle,
            state => self.wake(now, state),
        }
    }

    fn throttled_until(&self, now: Now) -> Instant {
        let throttle = self.settings.as_ref().map(|settings| settings.throttle).unwrap_or_default();
        self.last_success.map_or(now.at, |last| last + throttle)
    }

    /// Starts a session if there is a reason to.
    //= TR-069 3.2.1.1: a new event ends the wait for a retry.
    //= TR-181 ManagementServer.DefaultActiveNotificationThrottle: it delays active notifications and nothing else.
    fn wake(&mut self, now: Now, state: State) -> State {
        let waits = match state {
            State::Idle | State::Waiting { .. } => self.enabled(),
            State::Gathering { .. }
            | State::Informing(_)
            | State::Exchanging(_)
            | State::Serving(..)
            | State::Leaving => false,
        };
        let changed = self.changed && now.at >= self.throttled_until(now);
        let fresh = match state {
            State::Waiting { .. } => self.ledger.has_fresh(),
            _ => self.ledger.has_untold(),
        };
        match waits && (fresh || changed) {
            true => self.gather(),
            false => state,
        }
    }

    fn gather(&mut self) -> State {
        self.changed = false;
        self.out.push_back(Action::Gather);
        State::Gathering { stale: false }
    }

    fn timer(&mut self, now: Now, state: State) -> State {
        if self.ticker.due(now, &mut self.rng) {
            self.raise(Code::Periodic, "");
        }
        let records = self.ledger.due(now);
        self.persist(records);
        match state {
            State::Waiting { until } if until <= now.at => self.gather(),
            State::Informing(open) | State::Exchanging(open) if open.deadline <= now.at => {
                self.fail(now, Some(open), "no answer".into())
            }
            state => self.wake(now, state),
        }
    }

    fn id(&mut self) -> String {
        self.last_id += 1;
        self.last_id.to_string()
    }

    //= TR-069 3.7.1.1: the Inform comes first and alone.
    fn inform(&mut self, now: Now, gathered: Gathered) -> State {
        let events = self.ledger.tell();
        if events.is_empty() && gathered.changed.is_empty() && self.ledger.failures() == 0 {
            // A value has changed back before it could be told.
            return State::Idle;
        }
        let inform = inform::build(gathered, events, self.ledger.failures(), now);
        let id = self.id();
        let version = self.attempt;
        let envelope = Envelope { version, id: Some(&id), announce: version == NEWEST };
        let text = envelope.around(|xml| rpc::inform::write(xml, &inform));
        self.out.push_back(Action::Post(Outgoing::Text(text.clone())));
        State::Informing(Open {
            acs: self.settings.as_ref().map(|settings| settings.acs.clone()).unwrap_or_default(),
            version,
            deadline: now.at + ANSWER_WAIT,
            asked: Some(Asked { text, repeats: 0 }),
            next_request: 0,
            end_requests: self.requests.len(),
            hold: false,
            sent_empty: false,
            departure: None,
            answering: None,
        })
    }

    fn finish(&mut self, now: Now, open: &Open) -> State {
        self.out.push_back(Action::Close);
        let records = self.ledger.finished();
        self.persist(records);
        self.waits = 0;
        self.last_success = Some(now.at);
        self.out.push_back(Action::Ended(Outcome::Done));
        match open.departure {
            Some(departure) => self.leave(departure),
            None => self.wake(now, State::Idle),
        }
    }

    //= TR-069 3.2.1.1: the wait is drawn from the range of this failure, counted since the last start; it never ends.
    fn fail(&mut self, now: Now, open: Option<Open>, why: String) -> State {
        self.out.push_back(Action::Close);
        let fresh = self.ledger.has_fresh();
        let records = self.ledger.failed();
        self.persist(records);
        self.waits = self.waits.saturating_add(1);
        self.out.push_back(Action::Ended(Outcome::Failed(why)));
        if let Some(departure) = open.and_then(|open| open.departure) {
            return self.leave(departure);
        }
        let Some(settings) = self.settings.as_ref().filter(|settings| settings.enabled) else {
            return State::Idle;
        };
        let until = now.at + settings.retry.wait(self.waits, &mut self.rng);
        match fresh {
            true => self.gather(),
            false => State::Waiting { until },
        }
    }

    fn leave(&mut self, departure: Departure) -> State {
        self.out.push_back(match departure {
            Departure::Reboot => Action::Reboot,
            Departure::FactoryReset => Action::FactoryReset,
        });
        State::Leaving
    }
}
