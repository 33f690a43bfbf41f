//! The ubus socket: carries octets between ubusd and [`Client`], keeps the connection up, and knows the time.
//!
//! One task owns the client; [`Ubus`] is a handle to it that can be cloned, and the task ends with the last handle. While there is
//! no connection, or one on which the server has not greeted, calls wait for `PATIENCE` and subscriptions until it is heard.

use super::pool;
use crate::dm::source::Source;
use crate::dm::tree::Tree;
use crate::openwrt::ubus::blob::{Entries, Value};
use crate::openwrt::ubus::call_of;
use crate::openwrt::ubus::client::{CallError, CallId, Client, Event, Found, Methods};
use crate::openwrt::ubus::frame::Status;
use crate::openwrt::ubus::publish::Request;
use crate::sorted::Map;
use crate::time;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// Where ubusd listens: now, and in releases of old.
pub const SOCKETS: [&str; 2] = ["/var/run/ubus/ubus.sock", "/var/run/ubus.sock"];

/// The wait before the first new attempt to connect; it doubles up to [`LAST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait between attempts to connect: one costs next to nothing, and without ubus little is known of the router.
const LAST_WAIT: Duration = Duration::from_secs(1);
/// How long after the server was heard last calls still wait for it to greet. Later ones fail at once, as whoever reads many
/// sources would wait for each of them and have time for nothing else.
const PATIENCE: Duration = Duration::from_secs(2);
/// Events that may wait for their reader.
const MAX_EVENTS: usize = 256;
/// Calls that may wait for the server to greet.
const MAX_WAITING: usize = 256;
/// Requests of our own code that may wait for the task.
const MAX_ASKED: usize = 64;
/// Octets read at a time.
const CHUNK: usize = 16 << 10;

/// A handle to the connection.
#[derive(Clone)]
pub struct Ubus {
    ask: mpsc::Sender<Ask>,
}

type Results<T> = oneshot::Sender<Result<T, CallError>>;

enum Ask {
    Call { object: Box<str>, method: Box<str>, args: Value, deadline: Instant, to: Results<Tree> },
    List { pattern: Box<str>, deadline: Instant, to: Results<Vec<Found>> },
    Listen(Box<str>),
    Subscribe(Box<str>),
    Unsubscribe(Box<str>),
    Publish(Box<str>, Methods),
    Reply(Request, Entries),
    Finish(Request, Status),
    Notify(Box<str>, Box<str>, Entries),
    Broadcast(Box<str>, Entries),
}

impl Ubus {
    /// Starts the task that connects to the first of `paths` that answers, and stays connected.
    ///
    /// Events come from the receiver; if it is not read, they are dropped, and [`Event::Connected`] tells of it later.
    /// To be called within a runtime.
    pub fn connect(paths: Vec<PathBuf>) -> (Ubus, mpsc::Receiver<Event>) {
        let (ask, asked) = mpsc::channel(MAX_ASKED);
        let (events, receiver) = mpsc::channel(MAX_EVENTS);
        pool::spawn(Task::new(paths, events).run(asked));
        (Ubus { ask }, receiver)
    }

    /// Calls a method and waits at most `wait`.
    ///
    /// No result is an empty map; several, as `session list` gives, are a list. `args` is a map; texts take the types the
    /// object declares.
    pub async fn call(
        &self,
        object: &str,
        method: &str,
        args: impl Into<Value>,
        wait: Duration,
    ) -> Result<Tree, CallError> {
        let (to, result) = oneshot::channel();
        let (object, method, args) = (object.into(), method.into(), args.into());
        self.ask(Ask::Call { object, method, args, deadline: Instant::now() + wait, to }).await;
        result.await.unwrap_or(Err(CallError::Silent))
    }

    /// The source of the key `ubus:` followed by `what`, which is `OBJECT METHOD NAME=VALUE…`.
    ///
    /// Absent where the object, the method or the thing it was asked about does not exist now; failed for all else.
    pub async fn source(&self, what: &str, wait: Duration) -> Source {
        let Some((object, method, args)) = call_of(what) else {
            return Source::Failed("no such source".into());
        };
        match self.call(object, method, args, wait).await {
            Ok(tree) => Source::ready(tree),
            Err(CallError::Vanished)
            | Err(CallError::Status(Status::NotFound | Status::MethodNotFound | Status::NoData)) => {
                Source::Absent
            }
            Err(why) => Source::Failed(format!("ubus {object} {method}: {why}")),
        }
    }

    /// The objects a pattern fits: all for an empty one, see [`Client::list`].
    pub async fn list(&self, pattern: &str, wait: Duration) -> Result<Vec<Found>, CallError> {
        let (to, result) = oneshot::channel();
        self.ask(Ask::List { pattern: pattern.into(), deadline: Instant::now() + wait, to }).await;
        result.await.unwrap_or(Err(CallError::Silent))
    }

    /// See [`Client::listen`].
    pub async fn listen(&self, pattern: &str) {
        self.ask(Ask::Listen(pattern.into())).await;
    }

    /// See [`Client::subscribe`].
    pub async fn subscribe(&self, path: &str) {
        self.ask(Ask::Subscribe(path.into())).await;
    }

    /// See [`Client::unsubscribe`].
    pub async fn unsubscribe(&self, path: &str) {
        self.ask(Ask::Unsubscribe(path.into())).await;
    }

    /// See [`Client::publish`].
    pub async fn publish(&self, path: &str, methods: Methods) {
        self.ask(Ask::Publish(path.into(), methods)).await;
    }

    /// See [`Client::reply`].
    pub async fn reply(&self, request: Request, data: Entries) {
        self.ask(Ask::Reply(request, data)).await;
    }

    /// See [`Client::finish`].
    pub async fn finish(&self, request: Request, status: Status) {
        self.ask(Ask::Finish(request, status)).await;
    }

    /// See [`Client::notify`].
    pub async fn notify(&self, path: &str, kind: &str, data: Entries) {
        self.ask(Ask::Notify(path.into(), kind.into(), data)).await;
    }

    /// See [`Client::broadcast`].
    pub async fn broadcast(&self, id: &str, data: Entries) {
        self.ask(Ask::Broadcast(id.into(), data)).await;
    }

    async fn ask(&self, ask: Ask) {
        // Fails only when the runtime is on its way down; a dropped answer tells the caller.
        let _ = self.ask.send(ask).await;
    }
}

struct Task {
    paths: Vec<PathBuf>,
    client: Client,
    stream: Option<UnixStream>,
    /// Being written.
    out: Vec<u8>,
    /// Calls that wait for the server to greet, and until when.
    waiting: Vec<(Instant, Ask)>,
    /// Whether the server has greeted on this connection.
    greeted: bool,
    /// Since when it is not heard; means nothing once it has greeted.
    lost: Instant,
    /// Until the next attempt to connect, and how long the one after it waits.
    retry: (Instant, Duration),
    /// The client's time counts from here.
    start: Instant,
    calls: Map<CallId, Results<Tree>>,
    lists: Map<CallId, Results<Vec<Found>>>,
    events: mpsc::Sender<Event>,
    /// Events were dropped since the reader last kept up.
    missed: bool,
}

impl Task {
    fn new(paths: Vec<PathBuf>, events: mpsc::Sender<Event>) -> Task {
        let start = Instant::now();
        Task {
            paths,
            client: Client::new(),
            stream: None,
            out: Vec::new(),
            waiting: Vec::new(),
            greeted: false,
            lost: start,
            retry: (start, FIRST_WAIT),
            start,
            calls: Map::new(),
            lists: Map::new(),
            events,
            missed: false,
        }
    }

    async fn run(mut self, mut asked: mpsc::Receiver<Ask>) {
        loop {
            if self.stream.is_none() && Instant::now() >= self.retry.0 {
                self.connect().await;
            }
            self.tell();
            self.settle();
            if self.out.is_empty() {
                self.out = self.client.take_output();
            }
            let deadline = self.client.next_deadline().map(|at| self.start + at.0);
            let retry = self.stream.is_none().then_some(self.retry.0);
            let patience = self.waiting.iter().map(|(until, _)| *until).min();
            let alarm = deadline.into_iter().chain(retry).chain(patience).min();
            tokio::select! {
                ask = asked.recv() => match ask {
                    Some(ask) => self.take(ask),
                    None => return,
                },
                () = ready(self.stream.as_ref(), !self.out.is_empty()) => self.transfer(),
                () = until(alarm) => {}
            }
            self.client.expire(self.time(Instant::now()));
        }
    }

    async fn connect(&mut self) {
        for path in &self.paths {
            match UnixStream::connect(path).await {
                Ok(stream) => {
                    self.stream = Some(stream);
                    return;
                }
                Err(why) if self.retry.1 == FIRST_WAIT => log::debug!("ubus: {}: {why}", path.display()),
                Err(_) => {}
            }
        }
        self.back_off();
    }

    fn back_off(&mut self) {
        let wait = self.retry.1;
        self.retry = (Instant::now() + wait, (wait * 2).min(LAST_WAIT));
    }

    /// Reads and writes what goes without waiting.
    fn transfer(&mut self) {
        if let Err(why) = self.read().and_then(|()| self.write()) {
            log::warn!("ubus: connection lost: {why}");
            self.stream = None;
            self.out.clear();
            self.client.reset();
            // One that ends connections without a greeting has not been heard either.
            if std::mem::take(&mut self.greeted) {
                self.lost = Instant::now();
            }
            self.back_off();
        }
    }

    fn read(&mut self) -> std::io::Result<()> {
        let mut chunk = [0; CHUNK];
        let Some(stream) = &self.stream else { return Ok(()) };
        match stream.try_read(&mut chunk) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => self
                .client
                .handle(chunk.get(..length).unwrap_or_default())
                .map_err(|_| std::io::Error::other("the stream is out of step")),
            Err(why) if why.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(why) => Err(why),
        }
    }

    fn write(&mut self) -> std::io::Result<()> {
        let Some(stream) = self.stream.as_ref().filter(|_| !self.out.is_empty()) else { return Ok(()) };
        match stream.try_write(&self.out) {
            Ok(length) => {
                self.out.drain(..length);
                Ok(())
            }
            Err(why) if why.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(why) => Err(why),
        }
    }

    /// Hands over what has waited for the server, and gives up what has waited in vain: its caller is told by that.
    fn settle(&mut self) {
        if self.greeted {
            std::mem::take(&mut self.waiting).into_iter().for_each(|(_, ask)| self.take(ask));
        } else {
            let now = Instant::now();
            self.waiting.retain(|(until, _)| *until > now);
        }
    }

    fn take(&mut self, ask: Ask) {
        let kept = match ask {
            ask @ (Ask::Call { deadline, .. } | Ask::List { deadline, .. }) if !self.greeted => {
                let room = self.waiting.len() < MAX_WAITING;
                if room {
                    self.waiting.push((deadline.min(self.lost + PATIENCE), ask));
                }
                room
            }
            Ask::Call { object, method, args, deadline, to } => {
                let deadline = self.time(deadline);
                self.calls.insert(self.client.call(&object, &method, args, deadline), to);
                true
            }
            Ask::List { pattern, deadline, to } => {
                let deadline = self.time(deadline);
                self.lists.insert(self.client.list(&pattern, deadline), to);
                true
            }
            Ask::Listen(pattern) => self.client.listen(&pattern),
            Ask::Subscribe(path) => self.client.subscribe(&path),
            Ask::Unsubscribe(path) => {
                self.client.unsubscribe(&path);
                true
            }
            Ask::Publish(path, methods) => self.client.publish(&path, methods),
            Ask::Reply(request, data) => {
                let sent = self.client.reply(request, data).is_ok();
                if !sent {
                    // Too large: nothing would look like an answer.
                    self.client.finish(request, Status::NoMemory);
                }
                sent
            }
            Ask::Finish(request, status) => {
                self.client.finish(request, status);
                true
            }
            Ask::Notify(path, kind, data) => self.client.notify(&path, &kind, data).is_ok(),
            Ask::Broadcast(id, data) => self.client.broadcast(&id, data).is_ok(),
        };
        if !kept {
            log::warn!("ubus: a request was dropped: too many, too large, or nobody there");
        }
    }

    /// Hands results to their callers and events to their reader.
    fn tell(&mut self) {
        while let Some(event) = self.client.next_event() {
            match event {
                Event::Reply(id, result) => {
                    if let Some(to) = self.calls.remove(&id) {
                        let _ = to.send(result.map(one));
                    }
                }
                Event::Listed(id, result) => {
                    if let Some(to) = self.lists.remove(&id) {
                        let _ = to.send(result);
                    }
                }
                event => {
                    if event == Event::Connected {
                        self.retry.1 = FIRST_WAIT;
                        self.greeted = true;
                    }
                    self.pass_on(event);
                }
            }
        }
    }

    fn pass_on(&mut self, event: Event) {
        if self.missed && self.events.try_send(Event::Connected).is_ok() {
            self.missed = false;
        }
        if let Err(lost) = self.events.try_send(event) {
            if !std::mem::replace(&mut self.missed, true) {
                log::warn!("ubus: events come faster than they are read");
            }
            // Whoever called us is not left waiting for an answer nobody will give.
            if let mpsc::error::TrySendError::Full(Event::Invoked(call))
            | mpsc::error::TrySendError::Closed(Event::Invoked(call)) = lost
            {
                self.client.finish(call.request, Status::NoMemory);
            }
        }
    }

    fn time(&self, at: Instant) -> time::Instant {
        time::Instant(at.saturating_duration_since(self.start))
    }
}

/// No result is an empty map, one is itself, several are a list.
fn one(mut results: Vec<Tree>) -> Tree {
    match results.len() {
        0 => Tree::Map(Vec::new()),
        1 => results.remove(0),
        _ => Tree::List(results),
    }
}

async fn ready(stream: Option<&UnixStream>, writing: bool) {
    let interest = if writing { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
    match stream {
        // An error shows again, and with its reason, when reading.
        Some(stream) => drop(stream.ready(interest).await),
        None => std::future::pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
