//! The listening part of a [`Client`]: broadcast events, and notifications of single objects.
//!
//! A notification does not name its source, so every subscription has an object of its own, without a path. A wanted
//! subscription outlives its source: it is made anew when the object is registered again.

use super::blob::{self, Entries, Value};
use super::client::{CallError, Client, Event, Want};
use super::frame::{Attr, Frame, Kind, Status};

/// Objects that can be subscribed to at once.
pub const MAX_SUBSCRIPTIONS: usize = 64;
/// Event patterns that can be listened for at once.
pub const MAX_PATTERNS: usize = 64;

/// The server's own object that keeps event patterns.
const EVENT_OBJECT: u32 = 1;
/// The server's events about objects coming and going: always listened for, the cache of numbers lives by them.
const OBJECT_EVENTS: &str = "ubus.object.*";

/// One wanted subscription.
#[derive(Debug, Default)]
pub(super) struct Watch {
    own: Option<u32>,
    target: Target,
}

#[derive(Debug, Default, PartialEq)]
enum Target {
    /// Not registered, as far as is known.
    #[default]
    Away,
    Looking,
    Asked(u32),
    Standing(u32),
}

impl Client {
    /// Wants broadcast events whose id is `pattern`, or begins with it where it ends in `*`; they come as [`Event::Heard`].
    ///
    /// False beyond [`MAX_PATTERNS`].
    pub fn listen(&mut self, pattern: &str) -> bool {
        if self.patterns.contains(pattern) {
            return true;
        }
        if self.patterns.len() >= MAX_PATTERNS {
            return false;
        }
        self.patterns.insert(pattern.into());
        self.register(pattern);
        true
    }

    /// Wants the notifications of the object at `path`, now and whenever it is registered again.
    ///
    /// [`Event::Subscribed`] tells each time it stands. False beyond [`MAX_SUBSCRIPTIONS`].
    pub fn subscribe(&mut self, path: &str) -> bool {
        if self.watches.contains_key(path) {
            return true;
        }
        if self.watches.len() >= MAX_SUBSCRIPTIONS {
            return false;
        }
        self.watches.insert(path.into(), Watch::default());
        self.add_watch(path);
        true
    }

    /// Ends what [`Client::subscribe`] began.
    pub fn unsubscribe(&mut self, path: &str) {
        if let Some(own) = self.watches.remove(path).and_then(|watch| watch.own) {
            self.remove_object(own);
        }
    }

    /// Broadcasts an event. It does not come back to ourselves.
    pub fn broadcast(&mut self, id: &str, data: Entries) -> Result<(), CallError> {
        self.on_events("send", vec![("id".into(), id.into()), ("data".into(), Value::Table(data))])
    }

    pub(super) fn watch_all(&mut self) {
        // Before any lookup: what is registered after it is then told in the order of the stream.
        let _ = self.request(Kind::AddObject, 0, Vec::new(), Want::Listener);
        let paths: Vec<Box<str>> = self.watches.keys().cloned().collect();
        paths.iter().for_each(|path| self.add_watch(path));
    }

    pub(super) fn listening(&mut self, own: Option<u32>) {
        self.listener = own;
        self.register(OBJECT_EVENTS);
        let patterns: Vec<Box<str>> = self.patterns.iter().cloned().collect();
        patterns.iter().for_each(|pattern| self.register(pattern));
    }

    /// Our object for a subscription is registered.
    pub(super) fn watching(&mut self, path: Box<str>, own: Option<u32>) {
        match (self.watches.get_mut(&path), own) {
            (Some(watch), _) => {
                *watch = Watch { own, target: Target::Looking };
                self.look_up(&path);
            }
            (None, Some(own)) => self.remove_object(own), // no longer wanted
            (None, None) => {}
        }
    }

    /// The lookup of `path` has ended.
    pub(super) fn watch_found(&mut self, path: &str, target: Option<u32>) {
        let Some(watch) = self.watches.get_mut(path).filter(|watch| watch.target == Target::Looking) else {
            return;
        };
        watch.target = Target::Away;
        if let Some(target) = target {
            self.ask(path, target);
        }
    }

    pub(super) fn subscribed(&mut self, path: Box<str>, target: u32, done: bool) {
        let Some(watch) = self.watches.get_mut(&path).filter(|w| w.target == Target::Asked(target)) else {
            return;
        };
        watch.target = if done { Target::Standing(target) } else { Target::Away };
        if done {
            self.events.push_back(Event::Subscribed(path));
        }
    }

    /// The server says that the source of a subscription is gone.
    pub(super) fn unsubscribed(&mut self, frame: &Frame) {
        let (Some(own), Some(target)) = (frame.object(), frame.target()) else { return };
        let of = [Target::Asked(target), Target::Standing(target)];
        if let Some(watch) = self.watches.values_mut().find(|w| w.own == Some(own) && of.contains(&w.target))
        {
            watch.target = Target::Away;
        }
    }

    /// A message to one of our objects: an event, a notification or a call.
    pub(super) fn invoked(&mut self, mut frame: Frame) {
        let (Some(object), Some(method)) = (frame.object(), frame.method()) else { return };
        let source =
            self.watches.iter().find(|(_, watch)| watch.own == Some(object)).map(|(path, _)| path.clone());
        if self.listener == Some(object) {
            let data = frame.take_data();
            self.heard(method, data);
        } else if let Some(source) = source {
            let data = blob::tree(frame.take_data());
            self.events.push_back(Event::Notified { source, kind: method, data });
        } else {
            return self.called(frame, object, method);
        }
        if !frame.no_reply() {
            self.answer(frame.seq, frame.peer, object, Status::Ok);
        }
    }

    fn heard(&mut self, id: Box<str>, data: Entries) {
        let path = data.iter().find_map(|(name, value)| match value {
            Value::Text(path) if &**name == "path" => Some(path.clone()),
            _ => None,
        });
        let number = data.iter().find_map(|(name, value)| match value {
            Value::Int32(number) if &**name == "id" => Some(*number as u32),
            _ => None,
        });
        match (&*id, path, number) {
            ("ubus.object.add", Some(path), Some(number)) => {
                self.cache.remove(&path);
                let watch = self.watches.get(&path);
                if watch.is_some_and(|w| w.own.is_some() && w.target != Target::Looking) {
                    self.ask(&path, number);
                }
                self.events.push_back(Event::Appeared(path));
            }
            ("ubus.object.remove", Some(path), Some(number)) => {
                self.cache.retain(|_, found| found.id != number);
                self.vanished(number);
                self.events.push_back(Event::Vanished(path));
            }
            _ => {}
        }
        let wanted = self.patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => id.starts_with(start),
            None => *pattern == id,
        });
        if wanted {
            self.events.push_back(Event::Heard { id, data: blob::tree(data) });
        }
    }

    fn add_watch(&mut self, path: &str) {
        if self.connected {
            let _ = self.request(Kind::AddObject, 0, Vec::new(), Want::Watch(path.into()));
        }
    }

    /// Asks for notifications of the object `target`, unless that was done.
    fn ask(&mut self, path: &str, target: u32) {
        let Some(watch) = self.watches.get_mut(path) else { return };
        let Some(own) =
            watch.own.filter(|_| ![Target::Asked(target), Target::Standing(target)].contains(&watch.target))
        else {
            return;
        };
        watch.target = Target::Asked(target);
        let attrs = vec![Attr::ObjId(own), Attr::Target(target)];
        if self.request(Kind::Subscribe, 0, attrs, Want::Subscribe(path.into(), target)).is_err() {
            self.subscribed(path.into(), target, false);
        }
    }

    fn register(&mut self, pattern: &str) {
        if let Some(listener) = self.listener {
            let args =
                vec![("object".into(), Value::Int32(listener as i32)), ("pattern".into(), pattern.into())];
            let _ = self.on_events("register", args);
        }
    }

    fn on_events(&mut self, method: &str, args: Entries) -> Result<(), CallError> {
        if !self.connected {
            return Err(CallError::Lost);
        }
        let attrs = vec![Attr::ObjId(EVENT_OBJECT), Attr::Method(method.into()), Attr::Data(args)];
        self.request(Kind::Invoke, EVENT_OBJECT, attrs, Want::Nothing).map(|_| ())
    }

    pub(super) fn remove_object(&mut self, own: u32) {
        let _ = self.request(Kind::RemoveObject, 0, vec![Attr::ObjId(own)], Want::Nothing);
    }
}
