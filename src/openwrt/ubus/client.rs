//! A ubus client without its socket: octets in, events and octets out.
//!
//! Owns what a connection needs to be kept alive over restarts of the server: the wanted subscriptions, event
//! patterns and published objects, which are announced again after [`Client::reset`]; the cache of object numbers; the
//! calls in flight and their deadlines. Opens no socket and reads no clock: `io::ubus` drives it and hands both in.
//! Its two other parts: [`super::watch`] for events and notifications, [`super::publish`] for objects of our own.

use super::blob::{self, Value};
pub use super::event::{CallError, CallId, Event, Found, Methods};
use super::frame::{Attr, Decoder, Frame, Kind, OutOfStep, Received, Status};
use super::publish::{Published, Request};
use super::watch::Watch;
use crate::dm::tree::Tree;
use crate::sorted::{Map, Set};
use crate::time::Instant;
use std::collections::VecDeque;

/// Calls that may be open at once, waiting or sent.
pub const MAX_CALLS: usize = 256;
/// Octets of results one call may gather before its status.
pub const MAX_REPLY: usize = 4 << 20;
/// Objects whose number is remembered.
pub const MAX_CACHED: usize = 256;
/// Objects one listing may return.
pub const MAX_LISTED: usize = 1024;
/// Octets waiting for the socket beyond which nothing is added.
pub const MAX_OUTPUT: usize = 2 << 20;

/// Requests without an answer, calls and all else.
const MAX_WANTS: usize = 1024;

/// What a sequence number stands for.
#[derive(Debug)]
pub(super) enum Want {
    Lookup(Box<str>),
    List(CallId),
    Invoke(CallId),
    Listener,
    Watch(Box<str>),
    Subscribe(Box<str>, u32),
    Publish(Box<str>),
    /// Only its end matters, if that.
    Nothing,
}

#[derive(Debug)]
struct Call {
    path: Box<str>,
    method: Box<str>,
    args: Vec<(Box<str>, Value)>,
    deadline: Instant,
    /// Sequence and object number once sent; before, it waits for the greeting or a lookup.
    sent: Option<(u16, u32)>,
    /// The number under which the object was not found any more.
    gone: Option<u32>,
    results: Vec<Tree>,
    size: usize,
}

#[derive(Debug)]
struct Listing {
    pattern: Box<str>,
    deadline: Instant,
    seq: Option<u16>,
    found: Vec<Found>,
}

/// The state of one connection and what is to be set up on the next.
#[derive(Debug, Default)]
pub struct Client {
    decoder: Decoder,
    out: Vec<u8>,
    pub(super) events: VecDeque<Event>,
    pub(super) connected: bool,
    seq: u16,
    last_call: u64,
    wants: Map<u16, Want>,
    calls: Map<CallId, Call>,
    listings: Map<CallId, Listing>,
    pub(super) cache: Map<Box<str>, Found>,
    looking: Set<Box<str>>,
    pub(super) listener: Option<u32>,
    pub(super) patterns: Set<Box<str>>,
    pub(super) watches: Map<Box<str>, Watch>,
    pub(super) published: Map<Box<str>, Published>,
    pub(super) open: Map<Request, super::publish::Caller>,
    pub(super) last_request: u64,
}

impl Client {
    /// A client that waits for its first connection.
    pub fn new() -> Client {
        Client::default()
    }

    /// Calls a method; ends in exactly one [`Event::Reply`].
    ///
    /// `args` is a table; texts take the types the object declares for its arguments. Waits for the connection and for
    /// the object's number as long as `deadline` allows. An object whose number has changed is looked up once more.
    pub fn call(&mut self, object: &str, method: &str, args: impl Into<Value>, deadline: Instant) -> CallId {
        let id = self.next_id();
        let args = match args.into() {
            Value::Table(entries) => entries,
            _ => Vec::new(),
        };
        if self.calls.len() >= MAX_CALLS {
            self.events.push_back(Event::Reply(id, Err(CallError::Busy)));
            return id;
        }
        let (path, method) = (object.into(), method.into());
        let call =
            Call { path, method, args, deadline, sent: None, gone: None, results: Vec::new(), size: 0 };
        self.calls.insert(id, call);
        if object.is_empty() || object.ends_with('*') {
            // The server would take it as a pattern.
            self.end(id, Err(CallError::Status(Status::NotFound)));
        } else {
            self.advance(id);
        }
        id
    }

    /// Lists objects: all for an empty `pattern`, one path, or those that begin with what stands before a final `*`.
    ///
    /// Ends in exactly one [`Event::Listed`]; more than [`MAX_LISTED`] are cut off.
    pub fn list(&mut self, pattern: &str, deadline: Instant) -> CallId {
        let id = self.next_id();
        if self.listings.len() >= MAX_CALLS {
            self.events.push_back(Event::Listed(id, Err(CallError::Busy)));
            return id;
        }
        let listing = Listing { pattern: pattern.into(), deadline, seq: None, found: Vec::new() };
        self.listings.insert(id, listing);
        self.send_listing(id);
        id
    }

    /// Takes octets from the server. After an error the connection is of no use: close it and [`Client::reset`].
    pub fn handle(&mut self, octets: &[u8]) -> Result<(), OutOfStep> {
        self.decoder.push(octets);
        while let Some(received) = self.decoder.next_frame()? {
            self.received(received);
        }
        Ok(())
    }

    /// What happened, oldest first. To be asked until `None` after every other method.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Octets for the server; empty when there are none.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// When [`Client::expire`] has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        let calls = self.calls.values().map(|call| call.deadline);
        calls.chain(self.listings.values().map(|listing| listing.deadline)).min()
    }

    /// Ends the calls whose deadline is not after `now`; a reply that still comes is dropped.
    pub fn expire(&mut self, now: Instant) {
        let late = |deadline: Instant| deadline <= now;
        let calls: Vec<CallId> =
            self.calls.iter().filter(|(_, c)| late(c.deadline)).map(|(id, _)| *id).collect();
        for id in calls {
            self.end(id, Err(CallError::Deadline));
        }
        let lists: Vec<CallId> =
            self.listings.iter().filter(|(_, l)| late(l.deadline)).map(|(id, _)| *id).collect();
        for id in lists {
            self.end_listing(id, Err(CallError::Deadline));
        }
    }

    /// The connection is gone. Calls already sent end with [`CallError::Lost`]; those that wait, subscriptions, patterns and
    /// published objects are for the next connection, whose octets follow.
    pub fn reset(&mut self) {
        self.decoder = Decoder::default();
        self.out.clear();
        self.connected = false;
        self.wants.clear();
        self.looking.clear();
        self.cache.clear();
        self.listener = None;
        self.open.clear();
        self.watches.values_mut().for_each(|watch| *watch = Watch::default());
        self.published.values_mut().for_each(|object| object.id = None);
        let sent: Vec<CallId> =
            self.calls.iter().filter(|(_, c)| c.sent.is_some()).map(|(id, _)| *id).collect();
        for id in sent {
            self.end(id, Err(CallError::Lost));
        }
        self.calls.values_mut().for_each(|call| call.gone = None);
        for listing in self.listings.values_mut() {
            listing.seq = None;
            listing.found.clear();
        }
    }

    fn greeted(&mut self) {
        if std::mem::replace(&mut self.connected, true) {
            return;
        }
        self.events.push_back(Event::Connected);
        self.publish_all();
        self.watch_all();
        let waiting: Vec<CallId> = self.calls.keys().copied().collect();
        waiting.into_iter().for_each(|id| self.advance(id));
        let listings: Vec<CallId> = self.listings.keys().copied().collect();
        listings.into_iter().for_each(|id| self.send_listing(id));
    }

    fn received(&mut self, received: Received) {
        match (received.kind, received.frame) {
            (Kind::Hello, _) => self.greeted(),
            (Kind::Status, frame) => self.status(received.seq, frame),
            (Kind::Data, Ok(frame)) => self.data(frame, received.size),
            (Kind::Data, Err(why)) => {
                if let Some(Want::Invoke(id)) = self.wants.get(&received.seq) {
                    self.end(*id, Err(CallError::Malformed(why)));
                }
            }
            (Kind::Invoke, Ok(frame)) => self.invoked(frame),
            (Kind::Unsubscribe, Ok(frame)) => self.unsubscribed(&frame),
            // Only a server gets the others; Notify tells whether somebody subscribes to us, which changes nothing.
            (
                Kind::Ping
                | Kind::Lookup
                | Kind::AddObject
                | Kind::RemoveObject
                | Kind::Subscribe
                | Kind::Notify
                | Kind::Monitor,
                _,
            )
            | (Kind::Invoke | Kind::Unsubscribe, Err(_)) => {}
        }
    }

    fn data(&mut self, mut frame: Frame, size: usize) {
        match self.wants.get(&frame.seq) {
            Some(Want::Lookup(path)) => {
                if let Some(found) = found(&mut frame).filter(|found| found.path == *path) {
                    if self.cache.len() >= MAX_CACHED {
                        self.cache.pop_first();
                    }
                    self.cache.insert(found.path.clone(), found);
                }
            }
            Some(Want::List(id)) => {
                if let Some(listing) = self.listings.get_mut(id).filter(|l| l.found.len() < MAX_LISTED) {
                    listing.found.extend(found(&mut frame));
                }
            }
            Some(Want::Invoke(id)) => {
                let id = *id;
                let Some(call) = self.calls.get_mut(&id) else { return };
                call.size += size;
                if call.size > MAX_REPLY {
                    self.end(id, Err(CallError::Malformed(blob::Error::TooLarge)));
                } else {
                    call.results.push(blob::tree(frame.take_data()));
                }
            }
            Some(Want::Listener) => self.listening(frame.object()),
            Some(Want::Watch(path)) => {
                let path = path.clone();
                self.watching(path, frame.object());
            }
            Some(Want::Publish(path)) => {
                if let Some(object) = self.published.get_mut(path) {
                    object.id = frame.object();
                }
            }
            Some(Want::Subscribe(..) | Want::Nothing) | None => {}
        }
    }

    fn status(&mut self, seq: u16, frame: Result<Frame, blob::Error>) {
        let Some(want) = self.wants.remove(&seq) else { return };
        let (status, by_server) = match &frame {
            Ok(frame) => (frame.status().unwrap_or(Status::UnknownError), frame.object().is_none()),
            Err(_) => (Status::ParseError, true),
        };
        let result = if status == Status::Ok { Ok(()) } else { Err(CallError::Status(status)) };
        match want {
            Want::Lookup(path) => {
                self.looking.remove(&path);
                self.looked_up(&path, result);
            }
            Want::List(id) => {
                let found =
                    self.listings.get_mut(&id).map(|l| std::mem::take(&mut l.found)).unwrap_or_default();
                self.end_listing(id, result.map(|()| found));
            }
            Want::Invoke(id) => {
                let Some(call) = self.calls.get_mut(&id) else { return };
                // A status of the method carries its object's number; the server's own does not.
                if status == Status::NotFound && by_server && call.gone.is_none() {
                    call.gone = call.sent.take().map(|(_, object)| object);
                    call.results.clear();
                    let path = call.path.clone();
                    self.cache.remove(&path);
                    self.advance(id);
                } else {
                    let results = std::mem::take(&mut call.results);
                    self.end(id, result.map(|()| results));
                }
            }
            Want::Subscribe(path, target) => self.subscribed(path, target, result.is_ok()),
            Want::Publish(path) => {
                if self.published.contains_key(&path) {
                    self.events.push_back(Event::Published(path, result));
                }
            }
            Want::Listener | Want::Watch(_) | Want::Nothing => {}
        }
    }

    /// Takes a call as far as it goes: to a lookup, or to the object.
    fn advance(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id).filter(|call| self.connected && call.sent.is_none()) else {
            return;
        };
        let Some(object) = self.cache.get(&call.path) else {
            let path = call.path.clone();
            return self.look_up(&path);
        };
        if call.gone == Some(object.id) {
            return self.end(id, Err(CallError::Status(Status::NotFound)));
        }
        let mut args = call.args.clone();
        for (name, kind) in object.methods.get(&call.method).into_iter().flatten() {
            if let Some((_, value)) = args.iter_mut().find(|(n, _)| n == name) {
                *value = std::mem::replace(value, Value::Null).typed(*kind);
            }
        }
        let number = object.id;
        let attrs = vec![Attr::ObjId(number), Attr::Method(call.method.clone()), Attr::Data(args)];
        match self.request(Kind::Invoke, number, attrs, Want::Invoke(id)) {
            Ok(seq) => {
                if let Some(call) = self.calls.get_mut(&id) {
                    call.sent = Some((seq, number));
                }
            }
            Err(why) => self.end(id, Err(why)),
        }
    }

    /// Asks for an object's number unless that is already under way; ends in [`Client::looked_up`].
    pub(super) fn look_up(&mut self, path: &str) {
        if self.cache.contains_key(path) {
            return self.looked_up(path, Ok(()));
        }
        if self.looking.insert(path.into()) {
            let attrs = vec![Attr::ObjPath(path.into())];
            if let Err(why) = self.request(Kind::Lookup, 0, attrs, Want::Lookup(path.into())) {
                self.looking.remove(path);
                self.looked_up(path, Err(why));
            }
        }
    }

    fn looked_up(&mut self, path: &str, result: Result<(), CallError>) {
        let result = match self.cache.get(path) {
            Some(object) => Ok(object.id),
            None => Err(result.err().unwrap_or(CallError::Status(Status::NotFound))),
        };
        self.watch_found(path, result.ok());
        let waiting = self.calls.iter().filter(|(_, call)| &*call.path == path && call.sent.is_none());
        let waiting: Vec<CallId> = waiting.map(|(id, _)| *id).collect();
        for id in waiting {
            match result {
                Ok(_) => self.advance(id),
                Err(why) => self.end(id, Err(why)),
            }
        }
    }

    /// The object of this number is no more: nothing sent to it will be answered.
    pub(super) fn vanished(&mut self, object: u32) {
        let lost = self.calls.iter().filter(|(_, call)| call.sent.is_some_and(|(_, to)| to == object));
        let lost: Vec<CallId> = lost.map(|(id, _)| *id).collect();
        for id in lost {
            self.end(id, Err(CallError::Vanished));
        }
    }

    fn end(&mut self, id: CallId, result: Result<Vec<Tree>, CallError>) {
        if let Some(call) = self.calls.remove(&id) {
            if let Some((seq, _)) = call.sent {
                self.wants.remove(&seq);
            }
            self.events.push_back(Event::Reply(id, result));
        }
    }

    fn send_listing(&mut self, id: CallId) {
        let Some(listing) = self.listings.get(&id).filter(|l| self.connected && l.seq.is_none()) else {
            return;
        };
        let pattern = listing.pattern.clone();
        let attrs = if pattern.is_empty() { Vec::new() } else { vec![Attr::ObjPath(pattern)] };
        match self.request(Kind::Lookup, 0, attrs, Want::List(id)) {
            Ok(seq) => {
                if let Some(listing) = self.listings.get_mut(&id) {
                    listing.seq = Some(seq);
                }
            }
            Err(why) => self.end_listing(id, Err(why)),
        }
    }

    fn end_listing(&mut self, id: CallId, result: Result<Vec<Found>, CallError>) {
        if let Some(listing) = self.listings.remove(&id) {
            if let Some(seq) = listing.seq {
                self.wants.remove(&seq);
            }
            self.events.push_back(Event::Listed(id, result));
        }
    }

    /// Writes a request under a free sequence number, which comes back.
    pub(super) fn request(
        &mut self,
        kind: Kind,
        peer: u32,
        attrs: Vec<Attr>,
        want: Want,
    ) -> Result<u16, CallError> {
        if self.wants.len() >= MAX_WANTS {
            return Err(CallError::Busy);
        }
        loop {
            self.seq = self.seq.wrapping_add(1);
            if !self.wants.contains_key(&self.seq) {
                break;
            }
        }
        self.send(Frame { kind, seq: self.seq, peer, attrs })?;
        self.wants.insert(self.seq, want);
        Ok(self.seq)
    }

    /// Writes a message that nothing answers.
    pub(super) fn send(&mut self, frame: Frame) -> Result<(), CallError> {
        if self.out.len() > MAX_OUTPUT {
            return Err(CallError::Busy);
        }
        frame.write(&mut self.out).map_err(CallError::Malformed)
    }

    fn next_id(&mut self) -> CallId {
        self.last_call += 1;
        CallId(self.last_call)
    }
}

fn found(frame: &mut Frame) -> Option<Found> {
    let (path, id) = (frame.path()?, frame.object()?);
    let arguments = |value: Value| match value {
        Value::Table(arguments) => arguments
            .into_iter()
            .map(|(name, kind)| match kind {
                Value::Int32(kind) => (name, u8::try_from(kind).unwrap_or(0)),
                _ => (name, 0),
            })
            .collect(),
        _ => Vec::new(),
    };
    let methods = frame.take_signature().into_iter().map(|(name, value)| (name, arguments(value))).collect();
    Some(Found { path, id, methods })
}
