//! The ACS of the workbench: which devices there are, what is to be asked of them, and what was said.
//!
//! Devices are served by `super::session` over [`super::http`]; people come in through [`super::page`] and programs
//! through [`Acs::call`]. It keeps everything in memory and forgets it at the end.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use ring::rand::{SecureRandom, SystemRandom};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot, watch};

use super::auth::{Door, Login};
use super::controller::Controller;
use super::http;
use super::inform::Inform;
use super::known::{Known, Parameter};
use super::log::Log;
pub use super::log::{Direction, Entry};
use super::rpc::{Answer, Failure, Rpc, Value};
use super::session::{CwmpHandler, Session};
use crate::rng::Rng;
use crate::time::Wall;

/// The most devices that are kept apart.
pub const DEVICES_MAX: usize = 256;
/// The most calls that wait for one device.
pub const QUEUE_MAX: usize = 64;
/// How long a connection request may take.
pub const WAKE_WAIT: Duration = Duration::from_secs(10);

const URL: &str = "Device.ManagementServer.ConnectionRequestURL";

/// How an [`Acs`] behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where CPEs connect; port 0 takes any.
    pub listen: SocketAddr,
    /// Where the page is served, on loopback only; `None` for no page.
    pub page: Option<SocketAddr>,
    /// Whether a USP controller stands beside it.
    pub usp: bool,
    /// The broker through which the controller speaks MQTT; `None` for one of its own.
    pub broker: Option<SocketAddr>,
    /// What a CPE has to know; `None` lets everybody in.
    pub login: Option<Login>,
    /// Given to each device in its first session here, and then used to wake it.
    pub wake: Option<Login>,
    /// Where a device is woken instead of at the host and port that it tells: such as a port that leads through a NAT to it.
    pub wake_at: Option<SocketAddr>,
    /// How long a session is kept open for a further call; below the 30 s after which a CPE may give up.
    pub linger: Duration,
    /// How long a CPE may take for its next message before its session counts as lost.
    pub patience: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            page: None,
            usp: false,
            broker: None,
            login: None,
            wake: None,
            wake_at: None,
            linger: Duration::ZERO,
            patience: Duration::from_secs(60),
        }
    }
}

/// A call that waits for its turn or its answer.
#[derive(Debug)]
pub(super) struct Call {
    pub rpc: Rpc,
    pub answer: Option<oneshot::Sender<Result<Answer, Failure>>>,
}

impl Call {
    pub fn finish(self, result: Result<Answer, Failure>) {
        if let Some(answer) = self.answer {
            // Nobody waits any more if the caller gave up.
            let _ = answer.send(result);
        }
    }
}

/// What is kept of one device.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub inform: watch::Sender<Option<Arc<Inform>>>,
    pub at: Option<Wall>,
    pub informs: u64,
    pub queue: VecDeque<Call>,
    pub known: Known,
    /// The cookie of the session that is open.
    pub session: watch::Sender<Option<String>>,
    /// Rings when a lingering session has something to do.
    pub work: Arc<Notify>,
}

#[derive(Debug)]
pub(super) struct State {
    pub devices: BTreeMap<String, Record>,
    /// By cookie.
    pub sessions: BTreeMap<String, Session>,
    pub sessions_seen: u64,
    pub log: Log,
    pub door: Option<Door>,
    pub rng: Rng,
}

impl State {
    /// The record of a device, made if there is room.
    pub fn record(&mut self, id: &str) -> Option<&mut Record> {
        if self.devices.len() >= DEVICES_MAX && !self.devices.contains_key(id) {
            return None;
        }
        Some(self.devices.entry(id.to_owned()).or_default())
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    settings: Settings,
    cwmp: SocketAddr,
    page: Option<SocketAddr>,
    latest: watch::Sender<Option<(String, Arc<Inform>)>>,
    changed: watch::Sender<u64>,
    controller: OnceLock<Controller>,
}

/// A running ACS; clones are the same one. It serves until the runtime ends.
#[derive(Clone, Debug)]
pub struct Acs(Arc<Shared>);

/// One device of an [`Acs`], known or still to come.
#[derive(Clone, Debug)]
pub struct Device {
    acs: Acs,
    id: String,
}

/// What a list of devices says of one.
#[derive(Clone, Debug)]
pub struct Summary {
    /// As [`Inform::id`] gives it.
    pub id: String,
    /// The last Inform.
    pub inform: Arc<Inform>,
    /// When it came.
    pub at: Option<Wall>,
    /// How many came.
    pub informs: u64,
    /// Whether a session is open.
    pub in_session: bool,
    /// How many calls wait.
    pub queued: usize,
    /// Where it can be woken.
    pub wake_url: Option<String>,
}

impl Acs {
    /// Opens the listeners and starts to serve on the current runtime.
    ///
    /// Refuses a page that is not on loopback: it has no login.
    pub async fn start(settings: Settings) -> io::Result<Acs> {
        if settings.page.is_some_and(|p| !p.ip().is_loopback()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the page is served on loopback only"));
        }
        let cwmp = TcpListener::bind(settings.listen).await?;
        let page = match settings.page {
            Some(at) => Some(TcpListener::bind(at).await?),
            None => None,
        };
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).map_err(|_| io::Error::other("no randomness"))?;
        let state = State {
            devices: BTreeMap::new(),
            sessions: BTreeMap::new(),
            sessions_seen: 0,
            log: Log::default(),
            door: settings.login.clone().map(|login| Door::new("cpeagent workbench", login)),
            rng: Rng::new(seed),
        };
        let acs = Acs(Arc::new(Shared {
            state: Mutex::new(state),
            cwmp: cwmp.local_addr()?,
            page: page.as_ref().map(TcpListener::local_addr).transpose()?,
            settings,
            latest: watch::Sender::new(None),
            changed: watch::Sender::new(0),
            controller: OnceLock::new(),
        }));
        if acs.0.settings.usp {
            let controller = Controller::start(&acs, acs.0.settings.broker).await?;
            // Nobody else can have set it yet.
            let _ = acs.0.controller.set(controller);
        }
        tokio::spawn(http::serve(cwmp, CwmpHandler(acs.clone())));
        if let Some(listener) = page {
            tokio::spawn(http::serve(listener, super::page::Page::new(acs.clone())));
        }
        Ok(acs)
    }

    /// What goes into ManagementServer.URL.
    pub fn url(&self) -> String {
        format!("http://{}/", self.0.cwmp)
    }

    /// Where a browser finds the page.
    pub fn page_url(&self) -> Option<String> {
        self.0.page.map(|at| format!("http://{at}/"))
    }

    /// Where the page is served.
    pub fn page_address(&self) -> Option<SocketAddr> {
        self.0.page
    }

    /// The USP controller beside it.
    pub fn controller(&self) -> Option<Controller> {
        self.0.controller.get().cloned()
    }

    /// How it behaves.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// All devices that have informed.
    pub fn devices(&self) -> Vec<Summary> {
        let state = self.state();
        let wake_at = self.0.settings.wake_at;
        state.devices.iter().filter_map(|(id, record)| summary(id, record, wake_at)).collect()
    }

    /// A device by its id, whether it has informed yet or not.
    pub fn device(&self, id: &str) -> Device {
        Device { acs: self.clone(), id: id.to_owned() }
    }

    /// The next Inform of any device, counted from this call and not from the first poll.
    pub fn next_inform(&self) -> impl Future<Output = (Device, Arc<Inform>)> + Send + 'static {
        let (mut next, acs) = (self.0.latest.subscribe(), self.clone());
        async move {
            loop {
                if next.changed().await.is_err() {
                    return std::future::pending().await;
                }
                let seen = next.borrow_and_update().clone();
                if let Some((id, inform)) = seen {
                    return (acs.device(&id), inform);
                }
            }
        }
    }

    /// Asks a device and waits for its answer: in the session that is open, else in the next one.
    pub async fn call(&self, device: &str, rpc: Rpc) -> Result<Answer, Failure> {
        let (answer, answered) = oneshot::channel();
        {
            let mut state = self.state();
            let record = state.record(device).ok_or(Failure::Refused("too many devices"))?;
            if record.queue.len() >= QUEUE_MAX {
                return Err(Failure::Refused("too many calls wait for this device"));
            }
            record.queue.push_back(Call { rpc, answer: Some(answer) });
            record.work.notify_one();
        }
        answered.await.unwrap_or_else(|_| Err(Failure::Lost("the ACS dropped the call".into())))
    }

    /// The entries of the log after number `after`, oldest first.
    pub fn log(&self, after: u64) -> Vec<Entry> {
        self.state().log.after(after)
    }

    /// Every breach of the standard seen so far that the log still holds.
    pub fn remarks(&self) -> Vec<String> {
        self.log(0).into_iter().flat_map(|e| e.remarks).collect()
    }

    /// Resolves once the log goes beyond number `after`.
    pub async fn logged(&self, after: u64) {
        let mut changed = self.0.changed.subscribe();
        // The sender lives as long as this very handle.
        let _ = changed.wait_for(|last| *last > after).await;
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here is left half done by a panic that another caller should not see.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self, entry: Entry) {
        let last = self.state().log.push(entry);
        self.0.changed.send_replace(last);
    }

    pub(super) fn informed(&self, id: &str, inform: Arc<Inform>) {
        self.0.latest.send_replace(Some((id.to_owned(), inform)));
    }
}

impl Device {
    /// As [`Inform::id`] gives it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The last Inform; `None` if it never came.
    pub fn inform(&self) -> Option<Arc<Inform>> {
        self.acs.state().devices.get(&self.id)?.inform.borrow().clone()
    }

    /// What the list of devices says.
    pub fn summary(&self) -> Option<Summary> {
        let wake_at = self.acs.settings().wake_at;
        summary(&self.id, self.acs.state().devices.get(&self.id)?, wake_at)
    }

    /// The next Inform of this device, counted from this call and not from the first poll.
    pub fn next_inform(&self) -> impl Future<Output = Arc<Inform>> + Send + 'static {
        let next = self.acs.state().record(&self.id).map(|r| r.inform.subscribe());
        async move {
            let Some(mut next) = next else { return std::future::pending().await };
            loop {
                if next.changed().await.is_err() {
                    return std::future::pending().await;
                }
                let seen = next.borrow_and_update().clone();
                if let Some(inform) = seen {
                    return inform;
                }
            }
        }
    }

    /// Asks and waits: see [`Acs::call`].
    pub async fn call(&self, rpc: Rpc) -> Result<Answer, Failure> {
        self.acs.call(&self.id, rpc).await
    }

    /// Asks as [`Device::call`] does, but wakes a device that is asleep and says how to be woken.
    pub async fn ask(&self, rpc: Rpc) -> Result<Answer, Failure> {
        let asleep = self.summary().is_some_and(|s| !s.in_session && s.wake_url.is_some());
        if !asleep {
            return self.call(rpc).await;
        }
        let mut call = pin!(self.call(rpc));
        let woken = tokio::select! {
            biased;
            answer = &mut call => return answer,
            woken = self.wake() => woken,
        };
        match woken {
            //= TR-069 3.2.2.2: 503 is what a device says that is in a session already.
            Ok(200 | 204 | 503) => call.await,
            Ok(status) => Err(Failure::Lost(format!("the connection request was answered {status}"))),
            Err(why) => Err(Failure::Lost(format!("the connection request failed: {why}"))),
        }
    }

    /// Ends the open session at its next message instead of lingering; calls that wait stay for the next one.
    pub fn close(&self) {
        let mut state = self.acs.state();
        let State { devices, sessions, .. } = &mut *state;
        let Some(record) = devices.get(&self.id) else { return };
        if let Some(session) = record.session.borrow().as_ref().and_then(|cookie| sessions.get_mut(cookie)) {
            session.closing = true;
        }
        record.work.notify_one();
    }

    /// Resolves once no session of this device is open.
    pub async fn asleep(&self) {
        let open = self.acs.state().devices.get(&self.id).map(|r| r.session.subscribe());
        if let Some(mut open) = open {
            // An error means the ACS is gone, and its sessions with it.
            let _ = open.wait_for(Option::is_none).await;
        }
    }

    /// Sends a connection request with the login of the settings; returns the HTTP status.
    //= TR-069 3.2.2.2: a GET on ConnectionRequestURL with Digest; 200 or 204 means a session will follow.
    pub async fn wake(&self) -> Result<u16, http::Error> {
        let url = self.summary().and_then(|s| s.wake_url);
        let url = url.ok_or(http::Error::Refused(404, "the device has told no ConnectionRequestURL"))?;
        let cnonce = self.acs.state().rng.hex(16);
        http::digest_get(&url, self.acs.settings().wake.as_ref(), &cnonce, WAKE_WAIT).await
    }

    /// The known children of an object: see [`Known::children`].
    pub fn children(&self, object: &str) -> BTreeMap<String, Parameter> {
        self.acs.state().devices.get(&self.id).map(|r| r.known.children(object)).unwrap_or_default()
    }

    /// What is known of one path.
    pub fn parameter(&self, path: &str) -> Option<Parameter> {
        self.acs.state().devices.get(&self.id)?.known.one(path).cloned()
    }
}

fn summary(id: &str, record: &Record, wake_at: Option<SocketAddr>) -> Option<Summary> {
    let inform = record.inform.borrow().clone()?;
    let told = record.known.one(URL).and_then(|p| p.value.as_deref()).filter(|url| !url.is_empty());
    let wake_url = told.map(|url| elsewhere(url, wake_at));
    let in_session = record.session.borrow().is_some();
    let (at, informs, queued) = (record.at, record.informs, record.queue.len());
    Some(Summary { id: id.to_owned(), inform, at, informs, in_session, queued, wake_url })
}

/// The URL with another host and port, if there is one to be used.
fn elsewhere(url: &str, at: Option<SocketAddr>) -> String {
    let path = url.strip_prefix("http://").map(|rest| rest.split_once('/').map_or("", |(_, path)| path));
    match (at, path) {
        (Some(at), Some(path)) => format!("http://{at}/{path}"),
        (Some(_) | None, _) => url.to_owned(),
    }
}

/// What tells a device how it will be woken.
pub(super) fn provision(wake: &Login) -> Rpc {
    let at = |leaf: &str| format!("Device.ManagementServer.{leaf}");
    let values = vec![
        Value::new(at("ConnectionRequestUsername"), "string", &wake.user),
        Value::new(at("ConnectionRequestPassword"), "string", wake.password.reveal()),
    ];
    Rpc::SetParameterValues { values, key: String::new() }
}

/// The time of day, for the log and the list of devices.
pub(super) fn wall() -> Option<Wall> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Wall { seconds: i64::try_from(since.as_secs()).ok()?, micros: since.subsec_micros() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_woken_where_it_says_or_at_the_port_that_leads_to_it() {
        let port = Some("127.0.0.1:40000".parse().unwrap());
        for (url, at, want) in [
            ("http://10.0.2.15:7547/secret/x", port, "http://127.0.0.1:40000/secret/x"),
            ("http://10.0.2.15", port, "http://127.0.0.1:40000/"),
            ("http://10.0.2.15:7547/secret", None, "http://10.0.2.15:7547/secret"),
            ("nonsense", port, "nonsense"),
        ] {
            assert_eq!(elsewhere(url, at), want, "{url}");
        }
    }
}
