//! The one loop: brings events to [`Agent`] and carries its actions out, in order.
//!
//! Owns the sockets, tasks and stores of a running agent. Each action that must be durable is done before the next
//! one is taken out. Nothing blocks the loop: files, names and TLS handshakes have threads of their own ([`pool`]), ubus
//! and connections tasks of their own. While a write to flash lasts, sockets are served and connection requests
//! answered; every other event waits for its turn.

use super::audit::Scribe;
use super::commit::Request;
use super::device::{Device, Exit, package};
use super::firewall::Firewall;
use super::local::{Asked, Local};
use super::notice::{Edition, Notice};
use super::pool;
use super::privileged::{Answer, Ask, Opened, Privileged};
use super::services::{Hands, Order};
use super::store;
use crate::agent::{Action, Agent, Event, NotCommitted, Unkept};
use crate::diag::Verdict;
use crate::dm::draft::OWN;
use crate::dm::error::Refusal;
use crate::dm::schema::Model;
use crate::dm::source::Source;
use crate::rng::Rng;
use crate::sorted::{Map, Set};
use crate::state::Start;
use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

#[cfg_attr(not(feature = "cwmp"), path = "run/no_acs.rs")]
mod acs;
#[cfg_attr(not(feature = "usp"), path = "run/no_links.rs")]
mod links;

use acs::{Acs, Posted};
use links::Links;

/// The source that links know themselves.
const LINKS: &str = "agent:links";
/// Events of one kind that wait for the loop.
const QUEUE: usize = 32;
/// How long the services may take to be told before the device restarts.
const FAREWELL: Duration = Duration::from_secs(5);
/// How often it is looked whether the calendar was set, by which timers may be due earlier.
const CLOCK_CHECK: Duration = Duration::from_secs(60);

/// What other tasks tell the loop.
pub(super) enum Told {
    /// A POST has ended.
    #[cfg_attr(not(feature = "cwmp"), expect(dead_code, reason = "there is none"))]
    Posted(Posted),
    /// The services were told of packages as they were after this commit.
    Announced(u64, Vec<Box<str>>),
    /// Sources were read, packages with the checksums of their texts; the agent's own one was of this edition, or a later one.
    Fetched(Vec<(Box<str>, Source)>, Sums, Option<Edition>),
    /// The diagnostic of this number came to this.
    Diagnosed(u64, Verdict),
}

/// By the key of a package the checksum of its text; `None` where there is no text to plan on.
type Sums = Vec<(Box<str>, Option<Box<str>>)>;

/// A running agent and all it holds.
struct Loop {
    agent: Agent,
    device: Device,
    privileged: Privileged,
    rng: Rng,
    /// Checksums of the packages as they were last read.
    read: Map<Box<str>, Box<str>>,
    /// The agent's own package as it was read last.
    own: Option<(Edition, Source)>,
    notice: Notice,
    told: mpsc::Sender<Told>,
    acs: Acs,
    local: Local,
    hands: Hands,
    audit: Scribe,
    /// The diagnostics under way, as many as the agent lets be.
    diagnoses: Map<u64, AbortHandle>,
    links: Links,
    firewall: Firewall,
    /// The sequence of the last commit.
    sequence: u64,
}

/// Runs the agent of `device`, whose data model is `model`, until it has to restart, or is told to end.
///
/// Fails where its stores cannot be read at all; everything else is logged and lived with.
pub async fn run(mut device: Device, model: &'static Model) -> Result<Exit, String> {
    let privileged = Privileged::open(device.disk(), device.is_folder())?;
    let Opened { mut state, events, unannounced, calls } = match privileged.ask(Ask::Open) {
        Answer::Opened(opened) => *opened,
        other => return Err(format!("the stores cannot be opened: {}", other.failure())),
    };
    let mut rng = Rng::new(super::random::seed());
    let sequence = state.commit();
    match state.note_start(&store::boot_id(&*device.disk())) {
        Start::First => log::info!("first start"),
        Start::Boot => log::info!("the device has booted"),
        Start::Restart => log::info!("the agent was restarted"),
    }
    let mut agent = Agent::new(model, state, acs::ledger(&events), Rng::new(rng.bytes()));
    agent.set_reading_skew(device.reading_skew());
    agent.resume(unannounced, calls);
    let (told, mut told_rx) = mpsc::channel(QUEUE);
    let (asks, mut asks_rx) = mpsc::channel(QUEUE);
    let notice = Notice::open(&device);
    let (changes, mut changes_rx) = mpsc::channel(QUEUE);
    let local = Local::open(&device, asks);
    if let Some((ubus, events)) = device.take_events() {
        pool::spawn(super::live::watch(ubus, events, changes.clone(), local.asker()));
    }
    let acs = Acs::new(&mut rng);
    let hands = Hands::start(device.services(), told.clone());
    let links = Links::new(&device, Rng::new(rng.bytes()));
    let audit = Scribe::start(privileged.clone());
    let mut this = Loop {
        agent,
        device,
        privileged,
        rng,
        read: Map::new(),
        own: None,
        notice,
        told,
        acs,
        local,
        hands,
        audit,
        diagnoses: Map::new(),
        links,
        firewall: Firewall::default(),
        sequence,
    };
    let mut ended = super::signals::ended();
    if let Some(exit) = this.event(Event::Started).await {
        return Ok(exit);
    }
    let mut seen = this.device.clock().now();
    loop {
        let now = this.device.clock().now();
        if now.steps_from(std::mem::replace(&mut seen, now))
            && let Some(exit) = this.event(Event::Timer).await
        {
            return Ok(exit);
        }
        let timer = this.agent.next_timer();
        let wait = timer.map_or(CLOCK_CHECK, |at| at.since(now.at).min(CLOCK_CHECK));
        let event = tokio::select! {
            Some(told) = told_rx.recv() => match this.told(told).await {
                Some(event) => event,
                None => continue,
            },
            heard = this.acs.heard() => match this.hear(heard).or_else(|| this.acs.woken()) {
                Some(event) => event,
                None => continue,
            },
            Some(Asked { request, id }) = asks_rx.recv() => Event::Local(id, request),
            changed = this.notice.changed() => Event::Changed(changed),
            event = this.links.event() => this.linked(event),
            Some(changed) = changes_rx.recv() => Event::Changed(changed),
            () = tokio::time::sleep(wait) => match timer {
                Some(at) if at <= this.device.clock().now().at => Event::Timer,
                Some(_) | None => continue,
            },
            () = ended.recv() => {
                this.farewell().await;
                this.audit.finish(FAREWELL).await;
                return Ok(Exit::Ended);
            }
        };
        if let Event::Changed(sources) = &event {
            this.changed(sources);
        }
        if let Some(exit) = this.event(event).await {
            return Ok(exit);
        }
    }
}

impl Loop {
    /// Hands one event over and carries out what follows, with everything that follows from that at once.
    async fn event(&mut self, event: Event) -> Option<Exit> {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            self.agent.handle(self.device.clock().now(), event);
            while let Some(action) = self.agent.poll() {
                match self.act(action).await {
                    Next::Nothing => {}
                    Next::Event(event) => events.push_back(*event),
                    // Before the actions behind it.
                    Next::NotKept(what) => {
                        self.agent.handle(self.device.clock().now(), Event::NotKept(what));
                    }
                    Next::Restart(reset) => return Some(self.restart(reset).await),
                }
            }
            events.extend(self.acs.woken());
        }
        None
    }

    /// Restarts the device, reset to its factory state if so.
    async fn restart(&mut self, reset: bool) -> Exit {
        self.farewell().await;
        let (told, _) = mpsc::channel(QUEUE);
        let hands = std::mem::replace(&mut self.hands, Hands::start(self.device.services(), told));
        hands.finish(FAREWELL).await;
        let scribe = Scribe::start(self.privileged.clone());
        std::mem::replace(&mut self.audit, scribe).finish(FAREWELL).await;
        self.ask(if reset { Ask::FactoryReset } else { Ask::Reboot })
            .await
            .done()
            .unwrap_or_else(|error| log::error!("the device does not restart: {error}"));
        self.device.restarted(reset)
    }

    /// Has the firewall opened for the ports that are open now.
    fn change_firewall(&mut self) {
        if let Some(openings) = self.firewall.change() {
            self.hands.give(Order::Openings(self.privileged.clone(), openings));
        }
    }

    /// Waits for what an action takes; connection requests are answered meanwhile, all other events wait.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                heard = self.acs.call() => drop(self.hear(heard)),
            }
        }
    }

    /// Has what takes root done, on the pool. The action is over when this returns.
    async fn ask(&mut self, ask: Ask) -> Answer {
        let privileged = self.privileged.clone();
        self.meanwhile(pool::run(move || privileged.ask(ask))).await
    }

    async fn act(&mut self, action: Action) -> Next {
        match action {
            Action::Fetch(keys) => return self.fetch(keys),
            Action::Commit { edits, read, calls, keep } => {
                let read = self.read.iter().filter(|(key, _)| read.contains(*key));
                let read = read.map(|(key, sum)| (key.clone(), sum.clone())).collect();
                let request = Request { edits, read, calls, keep };
                let done = match self.ask(Ask::Commit(request)).await {
                    Answer::Committed(done) => done,
                    other => Err(NotCommitted::Refused(Refusal::Backend(other.failure().to_string()))),
                };
                self.sequence = done.as_ref().map_or(self.sequence, |(sequence, _)| *sequence);
                return Next::Event(Box::new(Event::Committed(done)));
            }
            Action::TakeBack(manager, note) => {
                let done = match self.ask(Ask::TakeBack(manager, note)).await {
                    Answer::Undone(undone) => Ok(*undone),
                    Answer::Committed(Err(why)) => Err(why),
                    other => Err(NotCommitted::Refused(Refusal::Backend(other.failure().to_string()))),
                };
                self.sequence = done.as_ref().map_or(self.sequence, |undone| undone.sequence);
                return Next::Event(Box::new(Event::TakenBack(done)));
            }
            Action::Release(manager) => {
                let done = self.ask(Ask::Release(manager)).await.done();
                done.unwrap_or_else(|error| log::warn!("a change that was confirmed: {error}"));
            }
            Action::Save(state) => {
                if let Err(error) = self.ask(Ask::Save(state)).await.done() {
                    log::error!("the agent's state is not written: {error}");
                    return Next::NotKept(Unkept::State);
                }
            }
            #[cfg(feature = "cwmp")]
            action @ (Action::Note(..) | Action::Post(_) | Action::Close) => {
                return self.act_for_acs(action).await;
            }
            Action::Announce(packages, calls) => {
                self.hands.give(Order::Announce(self.sequence, packages, calls));
            }
            Action::Configure(config) => {
                log::set_max_level(config.agent.log_level);
                let mut facts = self.configure_sockets(&config);
                facts.extend(self.privileged.words().map(|words| ("privileges", words.into())));
                self.firewall.on = config.agent.firewall;
                self.open_for_acs();
                self.open_for_controllers();
                return Next::Event(Box::new(Event::Runtime(facts)));
            }
            Action::Answer(id, tree) => self.local.answer(id, &tree),
            #[cfg(feature = "usp")]
            Action::Links(wanted) => {
                self.configure_links(wanted);
            }
            #[cfg(feature = "usp")]
            Action::Link(command) => self.links.command(command),
            Action::Audit(entries) => self.audit.give(&self.agent.config().agent, &entries),
            Action::Log(level, text) => log::log!(level, "{text}"),
            Action::Diagnose(order) => {
                let (id, told) = (order.id, self.told.clone());
                let lab = self.device.lab(self.agent.config());
                let rng = Rng::new(self.rng.bytes());
                let task = pool::spawn(async move {
                    let verdict = lab.run(*order, rng).await;
                    let _ = told.send(Told::Diagnosed(id, verdict)).await;
                });
                self.diagnoses.insert(id, task.abort_handle());
            }
            Action::StopDiagnosis(id) => {
                if let Some(task) = self.diagnoses.remove(&id) {
                    task.abort();
                }
            }
            Action::Reboot => return Next::Restart(false),
            Action::FactoryReset => return Next::Restart(true),
        }
        Next::Nothing
    }

    /// Reads sources in a task of its own; at once what is known here or can be read without waiting.
    fn fetch(&mut self, mut keys: Set<Box<str>>) -> Next {
        let mut sources = Vec::new();
        if keys.remove(LINKS) {
            sources.push((LINKS.into(), self.links.counts()));
        }
        let edition = if keys.contains(OWN) { self.notice.edition() } else { None };
        if let Some((known, source)) = &self.own
            && edition.as_ref() == Some(known)
        {
            keys.remove(OWN);
            sources.push((OWN.into(), source.clone()));
        }
        let fetch = self.device.sources();
        keys.retain(|key| match fetch.at_once(key) {
            // One that fails is told of below.
            None | Some(Source::Failed(_)) => true,
            Some(source) => {
                sources.push((key.clone(), source));
                false
            }
        });
        if keys.is_empty() {
            return Next::Event(Box::new(Event::Fetched(sources)));
        }
        let (packages, others): (Set<_>, Set<_>) = keys.into_iter().partition(|key| key.starts_with("uci:"));
        let (disk, told) = (self.device.disk(), self.told.clone());
        pool::spawn(async move {
            let read = async {
                // Without work no thread is woken.
                if packages.is_empty() {
                    return Default::default();
                }
                pool::run(move || {
                    let read = packages.into_iter().map(|key| {
                        let (source, sum) = package(&*disk, key.trim_start_matches("uci:"));
                        ((key.clone(), source), (key, sum))
                    });
                    read.unzip::<_, _, Vec<_>, Sums>()
                })
                .await
            };
            let ((read, sums), others) = tokio::join!(read, fetch.fetch_all(others));
            sources.extend(read);
            sources.extend(others);
            let _ = told.send(Told::Fetched(sources, sums, edition)).await;
        });
        Next::Nothing
    }

    async fn told(&mut self, told: Told) -> Option<Event> {
        match told {
            Told::Announced(upto, packages) => {
                let done = self.ask(Ask::Announced(upto, packages)).await.done();
                done.unwrap_or_else(|error| log::warn!("what was announced is not noted: {error}"));
                // A connection request may have come meanwhile.
                self.acs.woken()
            }
            Told::Fetched(sources, sums, edition) => {
                for (key, sum) in sums {
                    match sum {
                        Some(sum) => drop(self.read.insert(key, sum)),
                        None => drop(self.read.remove(&key)),
                    }
                }
                if let Some(edition) = edition {
                    let own = sources.iter().find(|(key, _)| &**key == OWN);
                    self.own = own.map(|(_, source)| (edition, source.clone()));
                }
                Some(Event::Fetched(sources))
            }
            Told::Posted(posted) => self.posted(posted),
            Told::Diagnosed(id, verdict) => {
                self.diagnoses.remove(&id);
                Some(Event::Diagnosed(id, verdict))
            }
        }
    }
}

/// What an action is followed by.
enum Next {
    Nothing,
    Event(Box<Event>),
    NotKept(Unkept),
    /// The device restarts, reset to its factory state if so.
    Restart(bool),
}
