//! The serving part of a [`Client`]: objects of our own, and the calls others make on them.
//!
//! A call is answered now or later: any number of [`Client::reply`], then one [`Client::finish`].

use super::blob::{self, Entries, Value};
use super::client::{CallError, Client, Event, Methods, Want};
use super::frame::{Attr, Frame, Kind, Status};
use crate::dm::tree::Tree;

/// Objects of our own.
pub const MAX_PUBLISHED: usize = 16;
/// Calls on our objects that may be unanswered at once; more are refused as out of memory.
pub const MAX_OPEN: usize = 64;

/// Names one call on an object of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Request(u64);

/// A call on an object of ours.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocation {
    /// For the answer.
    pub request: Request,
    /// Our object.
    pub path: Box<str>,
    /// One of its methods.
    pub method: Box<str>,
    /// A map; unknown and missing arguments are not refused here.
    pub args: Tree,
    /// The caller's user name as the server saw it.
    pub user: Option<Box<str>>,
    /// The caller's group name as the server saw it.
    pub group: Option<Box<str>>,
}

/// One object of ours; its number while registered.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) methods: Methods,
    pub(super) id: Option<u32>,
}

/// Where an answer goes.
#[derive(Debug)]
pub(super) struct Caller {
    seq: u16,
    peer: u32,
    object: u32,
}

impl Client {
    /// Wants an object of ours registered, now and on every later connection; [`Event::Published`] tells the outcome.
    ///
    /// False beyond [`MAX_PUBLISHED`] and for a path already in use by us.
    pub fn publish(&mut self, path: &str, methods: Methods) -> bool {
        if self.published.len() >= MAX_PUBLISHED || self.published.contains_key(path) {
            return false;
        }
        self.published.insert(path.into(), Published { methods, id: None });
        self.add_published(path);
        true
    }

    /// Adds a result to the answer of a call. [`CallError::Lost`] if nobody waits for it any more.
    pub fn reply(&mut self, request: Request, data: Entries) -> Result<(), CallError> {
        let caller = self.open.get(&request).ok_or(CallError::Lost)?;
        let frame = Frame::new(Kind::Data, caller.seq, caller.peer).with(Attr::ObjId(caller.object));
        self.send(frame.with(Attr::Data(data)))
    }

    /// Ends the answer of a call; does nothing if nobody waits for it any more.
    pub fn finish(&mut self, request: Request, status: Status) {
        if let Some(Caller { seq, peer, object }) = self.open.remove(&request) {
            self.answer(seq, peer, object, status);
        }
    }

    /// Notifies the subscribers of an object of ours, who are not asked for an answer.
    pub fn notify(&mut self, path: &str, kind: &str, data: Entries) -> Result<(), CallError> {
        let id = self.published.get(path).and_then(|object| object.id).ok_or(CallError::Lost)?;
        let attrs = [Attr::ObjId(id), Attr::Method(kind.into()), Attr::NoReply(true), Attr::Data(data)];
        self.send(Frame { kind: Kind::Notify, seq: 0, peer: id, attrs: attrs.into() })
    }

    pub(super) fn publish_all(&mut self) {
        let paths: Vec<Box<str>> = self.published.keys().cloned().collect();
        paths.iter().for_each(|path| self.add_published(path));
    }

    /// A method of ours is called.
    pub(super) fn called(&mut self, mut frame: Frame, object: u32, method: Box<str>) {
        let ours = self.published.iter().find(|(_, published)| published.id == Some(object));
        let refusal = match ours {
            None => Status::NotFound,
            Some((_, published)) if !published.methods.contains_key(&method) => Status::MethodNotFound,
            Some(_) if self.open.len() >= MAX_OPEN => Status::NoMemory,
            Some((path, _)) => {
                self.last_request += 1;
                let request = Request(self.last_request);
                let args = blob::tree(frame.take_data());
                let (user, group) = (frame.user(), frame.group());
                let invocation = Invocation { request, path: path.clone(), method, args, user, group };
                self.open.insert(request, Caller { seq: frame.seq, peer: frame.peer, object });
                self.events.push_back(Event::Invoked(invocation));
                return;
            }
        };
        self.answer(frame.seq, frame.peer, object, refusal);
    }

    /// A status for who called or notified us. One the socket has no room for is dropped, as the server does itself.
    pub(super) fn answer(&mut self, seq: u16, peer: u32, object: u32, status: Status) {
        let frame = Frame::new(Kind::Status, seq, peer);
        let _ = self.send(frame.with(Attr::Status(status)).with(Attr::ObjId(object)));
    }

    fn add_published(&mut self, path: &str) {
        let Some(object) = self.published.get(path).filter(|_| self.connected) else { return };
        let kinds = |arguments: &[(Box<str>, u8)]| {
            Value::table(arguments.iter().map(|(name, kind)| (name.clone(), Value::Int32((*kind).into()))))
        };
        let signature =
            object.methods.iter().map(|(name, arguments)| (name.clone(), kinds(arguments))).collect();
        let attrs = vec![Attr::ObjPath(path.into()), Attr::Signature(signature)];
        if let Err(why) = self.request(Kind::AddObject, 0, attrs, Want::Publish(path.into())) {
            self.events.push_back(Event::Published(path.into(), Err(why)));
        }
    }
}
