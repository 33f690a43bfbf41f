//! The one loop: brings events to [`Agent`] and carries its actions out, in order.
//!
//! Owns the sockets, tasks and stores of a running agent. Each action that must be durable is done before the next
//! one is taken out. Nothing blocks the loop: files, names and TLS handshakes have threads of their own ([`pool`]), ubus
//! and connections tasks of their own. While a write to flash lasts, sockets are served and connection requests
//! answered; every other event waits for its turn.

use super::announce;
use super::body::ListingBody;
use super::commit::{self, Request};
use super::device::{Device, Exit, package};
use super::disk::{Disk, Lock};
use super::http::body::{Body, Whole};
use super::http::client::Client;
use super::listener::Call;
use super::local::{Asked, Local};
#[cfg(feature = "usp")]
use super::mtp::Links;
use super::notice::Notice;
use super::pool;
use super::services::{Hands, Order};
use super::sockets::Sockets;
use super::store::{self, Store};
use super::stun;
use crate::agent::{Action, Agent, Event, NotCommitted, Unkept};
use crate::cwmp::events::{Ledger, Record};
use crate::cwmp::soap::writer::Outgoing;
use crate::diag::Verdict;
use crate::dm::error::Refusal;
use crate::dm::schema::Model;
use crate::dm::source::Source;
use crate::openwrt::json;
use crate::rng::Rng;
use crate::state::Start;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Events of one kind that wait for the loop.
const QUEUE: usize = 32;
/// How long the services may take to be told before the device restarts.
const FAREWELL: Duration = Duration::from_secs(5);
/// Where a second agent is kept out, and how long the first may take to end.
const LOCK: &str = "/var/run/cpeagent.lock";
const LOCK_WAIT: Duration = Duration::from_secs(1);
/// How often it is looked whether the calendar was set, by which timers may be due earlier.
const CLOCK_CHECK: Duration = Duration::from_secs(60);

/// What other tasks tell the loop.
pub(super) enum Told {
    /// The POST with this number has ended.
    Posted(u64, Box<Client>, Result<(u16, Vec<u8>), String>),
    /// It could not even begin.
    NotPosted(u64, String),
    /// The services were told of packages as they were after this commit.
    Announced(u64, Vec<Box<str>>),
    /// Sources were read, packages with the checksums of their texts.
    Fetched(Vec<(Box<str>, Source)>, Sums),
    /// The diagnostic of this number came to this.
    Diagnosed(u64, Verdict),
}

/// By the key of a package the checksum of its text; `None` where there is no text to plan on.
type Sums = Vec<(Box<str>, Option<Box<str>>)>;

/// A running agent and all it holds.
struct Loop {
    agent: Agent,
    device: Device,
    /// Held by one piece of work on the pool at a time.
    store: Arc<Mutex<Store>>,
    rng: Rng,
    /// Checksums of the packages as they were last read.
    read: BTreeMap<Box<str>, Box<str>>,
    client: Option<Box<Client>>,
    posting: Option<AbortHandle>,
    /// The number of the POST that is waited for; of one that was given up nothing is heard any more.
    post: u64,
    told: mpsc::Sender<Told>,
    sockets: Sockets,
    calls: mpsc::Receiver<Call>,
    /// A connection request came while an action was carried out.
    woken: bool,
    local: Local,
    hands: Hands,
    /// The diagnostics under way, as many as the agent lets be.
    diagnoses: BTreeMap<u64, AbortHandle>,
    links: Links,
    /// The sequence of the last commit.
    sequence: u64,
}

/// Runs the agent of `device`, whose data model is `model`, until it has to restart, or is told to end.
///
/// Fails where its stores cannot be read at all; everything else is logged and lived with.
pub async fn run(mut device: Device, model: &'static Model) -> Result<Exit, String> {
    let disk = device.disk();
    let _alone = alone(&*disk).map_err(|e| format!("another agent seems to run ({LOCK}): {e}"))?;
    let (mut store, origin, faults) =
        Store::load(&*disk).map_err(|e| format!("the agent's state cannot be read: {e}"))?;
    for fault in faults {
        log::warn!("{fault}");
    }
    log::debug!("state: {origin:?}");
    let mut unannounced = announce::left(&*disk);
    match commit::recover(&*disk, &mut store) {
        Ok(commit::Recovered::Nothing) => {}
        Ok(done) => {
            log::warn!("{done}");
            if let commit::Recovered::Finished(packages) = done {
                // At a boot nobody listens yet; where only the agent was started again, the services do not know.
                unannounced.extend(packages);
            }
        }
        Err(why) => log::error!("an interrupted change cannot be dealt with: {why}"),
    }
    let mut rng = Rng::new(super::random::seed());
    let records =
        store.events().iter().filter_map(|(_, text)| Record::from_tree(&json::parse(text.as_bytes()).ok()?));
    let ledger = Ledger::replay(records);
    let mut state = store.state().clone();
    match state.note_start(&store::boot_id(&*disk)) {
        Start::First => log::info!("first start"),
        Start::Boot => log::info!("the device has booted"),
        Start::Restart => log::info!("the agent was restarted"),
    }
    let mut agent = Agent::new(model, state, ledger, Rng::new(rng.bytes()));
    agent.set_reading_skew(device.reading_skew());
    agent.resume(unannounced);
    let (told, mut told_rx) = mpsc::channel(QUEUE);
    let (calls, calls_rx) = mpsc::channel(QUEUE);
    let (stuns, mut stuns_rx) = mpsc::channel(QUEUE);
    let (asks, mut asks_rx) = mpsc::channel(QUEUE);
    let mut notice = Notice::open(&device);
    let (changes, mut changes_rx) = mpsc::channel(QUEUE);
    let local = Local::open(&device, asks);
    if let Some((ubus, events)) = device.take_events() {
        tokio::spawn(super::live::watch(ubus, events, changes.clone(), local.asker()));
    }
    let sockets = Sockets::new(calls, stuns, &mut rng);
    let hands = Hands::start(device.services(), told.clone());
    #[cfg(feature = "usp")]
    let links = Links::new(device.site(), Rng::new(rng.bytes()));
    #[cfg(not(feature = "usp"))]
    let links = Links;
    let sequence = store.state().commit();
    let mut this = Loop {
        agent,
        device,
        store: Arc::new(Mutex::new(store)),
        rng,
        read: BTreeMap::new(),
        client: None,
        posting: None,
        post: 0,
        told,
        sockets,
        calls: calls_rx,
        woken: false,
        local,
        hands,
        diagnoses: BTreeMap::new(),
        links,
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
            Some(call) = this.calls.recv() => {
                this.called(call);
                match std::mem::take(&mut this.woken) {
                    true => Event::Woken,
                    false => continue,
                }
            }
            Some(event) = stuns_rx.recv() => match event {
                stun::Event::Wake => Event::Woken,
                stun::Event::Address(address) => Event::Runtime(Sockets::udp_facts(&address)),
            },
            Some(Asked { request, id }) = asks_rx.recv() => Event::Local(id, request),
            changed = notice.changed() => Event::Changed(changed),
            event = linked(&mut this.links) => event,
            Some(changed) = changes_rx.recv() => Event::Changed(changed),
            () = tokio::time::sleep(wait) => match timer {
                Some(at) if at <= this.device.clock().now().at => Event::Timer,
                Some(_) | None => continue,
            },
            () = ended.recv() => {
                this.farewell().await;
                return Ok(Exit::Ended);
            }
        };
        if let Some(exit) = this.event(event).await {
            return Ok(exit);
        }
    }
}

/// There are none without USP.
#[cfg(not(feature = "usp"))]
struct Links;

/// What happens next on a link.
async fn linked(links: &mut Links) -> Event {
    #[cfg(feature = "usp")]
    return Event::Link(links.next().await);
    #[cfg(not(feature = "usp"))]
    {
        let Links = links;
        std::future::pending().await
    }
}

/// Keeps a second agent out while the result lives.
fn alone(disk: &dyn Disk) -> std::io::Result<Lock> {
    disk.make_dir("/var/run")?;
    disk.extend(LOCK, b"")?;
    disk.lock(LOCK, LOCK_WAIT)
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
            if std::mem::take(&mut self.woken) {
                events.push_back(Event::Woken);
            }
        }
        None
    }

    /// Says goodbye to controllers and brokers.
    async fn farewell(&mut self) {
        #[cfg(feature = "usp")]
        {
            for command in self.agent.farewell() {
                self.links.command(command);
            }
            let rng = Rng::new(self.rng.bytes());
            std::mem::replace(&mut self.links, Links::new(self.device.site(), rng)).shutdown().await;
        }
    }

    /// Restarts the device, reset to its factory state if so.
    async fn restart(&mut self, reset: bool) -> Exit {
        self.farewell().await;
        let (told, _) = mpsc::channel(QUEUE);
        let hands = std::mem::replace(&mut self.hands, Hands::start(self.device.services(), told));
        hands.finish(FAREWELL).await;
        match reset {
            true => self.device.factory_reset().await,
            false => self.device.reboot().await,
        }
    }

    /// Answers a connection request, or notes that one is to be followed.
    fn called(&mut self, call: Call) {
        match call {
            Call::Ask(asked, answer) => {
                let now = self.device.clock().now();
                let judged = self.sockets.judge(now, self.agent.is_in_session(), &asked, &mut self.rng);
                let _ = answer.send(judged);
            }
            Call::Wake => self.woken = true,
        }
    }

    /// Waits for what an action takes; connection requests are answered meanwhile, all other events wait.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                Some(call) = self.calls.recv() => self.called(call),
            }
        }
    }

    /// Has work on the disk and the store done on the pool. The action is over when this returns.
    async fn on_disk<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&dyn Disk, &mut Store) -> T + Send + 'static,
    ) -> T {
        let (disk, store) = (self.device.disk(), self.store.clone());
        let work = pool::run(move || work(&*disk, &mut store.lock().unwrap_or_else(PoisonError::into_inner)));
        self.meanwhile(work).await
    }

    async fn act(&mut self, action: Action) -> Next {
        match action {
            Action::Fetch(keys) => self.fetch(keys),
            Action::Commit(edits, sources) => {
                let read = self.read.iter().filter(|(key, _)| sources.contains(*key));
                let read = read.map(|(key, sum)| (key.clone(), sum.clone())).collect();
                let request = Request { edits, read, keep: false };
                let done = self.on_disk(move |disk, store| commit::commit(disk, store, &request)).await;
                let done = done.map(|done| (done.sequence, done.packages)).map_err(not_committed);
                self.sequence = done.as_ref().map_or(self.sequence, |(sequence, _)| *sequence);
                return Next::Event(Box::new(Event::Committed(done)));
            }
            Action::Save(state) => {
                if let Err(error) = self.on_disk(move |disk, store| store.save(disk, *state)).await {
                    log::error!("the agent's state is not written: {error}");
                    return Next::NotKept(Unkept::State);
                }
            }
            Action::Note(records, whole) => {
                let texts = |records: &[Record]| {
                    records.iter().map(|record| json::write(&record.to_tree())).collect::<Vec<_>>()
                };
                let (records, whole) = (texts(&records), texts(&whole));
                if let Err(error) = self.on_disk(move |disk, store| store.note(disk, &records, &whole)).await
                {
                    log::error!("an event is not written: {error}");
                    return Next::NotKept(Unkept::Events);
                }
            }
            Action::Post(outgoing) => self.post(outgoing),
            Action::Close => {
                if let Some(posting) = self.posting.take() {
                    posting.abort();
                }
                self.client = None;
                self.post += 1;
            }
            Action::Announce(packages) => self.hands.give(Order::Announce(self.sequence, packages)),
            Action::Call(calls) => self.hands.give(Order::Call(calls)),
            Action::Configure(config) => {
                log::set_max_level(config.agent.log_level);
                let facts = self.sockets.configure(
                    &self.device,
                    &config,
                    self.agent.connection_request_path(),
                    &mut self.rng,
                );
                return Next::Event(Box::new(Event::Runtime(facts)));
            }
            Action::Answer(id, tree) => self.local.answer(id, &tree),
            #[cfg(feature = "usp")]
            Action::Links(wanted) => self.links.configure(wanted),
            #[cfg(feature = "usp")]
            Action::Link(command) => self.links.command(command),
            Action::Log(level, text) => log::log!(level, "{text}"),
            Action::Diagnose(order) => {
                let (id, told) = (order.id, self.told.clone());
                let lab = self.device.lab(self.agent.config());
                let rng = Rng::new(self.rng.bytes());
                let task = tokio::spawn(async move {
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

    /// Reads sources in a task of its own.
    fn fetch(&mut self, keys: BTreeSet<Box<str>>) {
        let (packages, others): (BTreeSet<_>, BTreeSet<_>) =
            keys.into_iter().partition(|key| key.starts_with("uci:"));
        let (fetch, disk, told) = (self.device.sources(), self.device.disk(), self.told.clone());
        tokio::spawn(async move {
            let read = pool::run(move || {
                let read = packages.into_iter().map(|key| {
                    let (source, sum) = package(&*disk, key.trim_start_matches("uci:"));
                    ((key.clone(), source), (key, sum))
                });
                read.unzip::<_, _, Vec<_>, Sums>()
            });
            let ((mut sources, sums), others) = tokio::join!(read, fetch.fetch_all(others));
            sources.extend(others);
            let _ = told.send(Told::Fetched(sources, sums)).await;
        });
    }

    fn post(&mut self, outgoing: Outgoing) {
        let client = match self.client.take() {
            Some(client) => Ok(client),
            None => Err((self.device.connector(self.agent.config()), Rng::new(self.rng.bytes()))),
        };
        let body: Box<dyn Body> = match outgoing {
            Outgoing::Empty => Box::new(Whole::default()),
            Outgoing::Text(text) => Box::new(Whole::new(text)),
            Outgoing::Listing(listing) => match self.agent.take_rendering() {
                Some(rows) => Box::new(ListingBody::new(listing, rows)),
                None => Box::new(Whole::default()),
            },
        };
        self.post += 1;
        let (number, told) = (self.post, self.told.clone());
        let task = tokio::spawn(async move {
            let mut body = body;
            let client = match client {
                Ok(client) => Ok(client),
                Err((connector, rng)) => connector.client(rng).await.map(Box::new),
            };
            let mut client = match client {
                Ok(client) => client,
                Err(why) => return drop(told.send(Told::NotPosted(number, why)).await),
            };
            let reply = client.post(&mut *body).await;
            let reply = reply.map(|reply| (reply.status, reply.body)).map_err(|error| error.to_string());
            let _ = told.send(Told::Posted(number, client, reply)).await;
        });
        self.posting = Some(task.abort_handle());
    }

    async fn told(&mut self, told: Told) -> Option<Event> {
        match told {
            Told::Announced(upto, packages) => {
                let done = self.on_disk(move |disk, _| announce::told(disk, upto, &packages)).await;
                done.unwrap_or_else(|error| log::warn!("{}: {error}", announce::UNANNOUNCED));
                // A connection request may have come meanwhile.
                std::mem::take(&mut self.woken).then_some(Event::Woken)
            }
            Told::Fetched(sources, sums) => {
                for (key, sum) in sums {
                    match sum {
                        Some(sum) => drop(self.read.insert(key, sum)),
                        None => drop(self.read.remove(&key)),
                    }
                }
                Some(fetched(sources))
            }
            Told::Posted(number, client, reply) if number == self.post => {
                self.posting = None;
                let now = self.device.clock().now();
                let expired = now.wall.and_then(|wall| client.clock_known(wall).err());
                if let Some(peer) = client.addresses() {
                    self.sockets.talked_from(peer.0.ip());
                }
                self.client = Some(client);
                Some(match (reply, expired) {
                    (_, Some(error)) => Event::Lost(error.to_string()),
                    (Ok((status, body)), None) => Event::Reply { status, body },
                    (Err(why), None) => Event::Lost(why),
                })
            }
            Told::NotPosted(number, why) if number == self.post => {
                self.posting = None;
                Some(Event::Lost(why))
            }
            Told::Diagnosed(id, verdict) => {
                self.diagnoses.remove(&id);
                Some(Event::Diagnosed(id, verdict))
            }
            // Of a session that was given up while this was in the queue.
            Told::Posted(..) | Told::NotPosted(..) => None,
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

fn fetched(sources: Vec<(Box<str>, Source)>) -> Event {
    for (key, source) in &sources {
        if let Source::Failed(why) = source {
            log::warn!("{key} cannot be read: {why}");
        }
    }
    Event::Fetched(sources)
}

fn not_committed(error: commit::Error) -> NotCommitted {
    match error {
        commit::Error::Changed(_) => NotCommitted::Changed,
        commit::Error::Staged { .. } | commit::Error::RollbackPending => {
            NotCommitted::Refused(Refusal::Busy(error.to_string()))
        }
        commit::Error::Refused(_) | commit::Error::Disk(_) | commit::Error::Unfinished(_) => {
            NotCommitted::Refused(Refusal::Backend(error.to_string()))
        }
    }
}
