//! A small ubusd for tests: the rules of the real one that a client can notice, without a socket.

use super::blob::{self, Entries, Value};
use super::frame::{Attr, Decoder, Frame, Kind, Status};
use crate::sorted::Map;

/// One server with one client connected.
#[derive(Default)]
pub(crate) struct Bus {
    decoder: Decoder,
    /// Objects of others: number and signature.
    pub objects: Map<String, (u32, Entries)>,
    /// Objects of the client: number and path.
    pub ours: Map<u32, Option<Box<str>>>,
    /// (client's object, target).
    pub subscriptions: Vec<(u32, u32)>,
    /// (client's object, pattern).
    pub patterns: Vec<(u32, String)>,
    /// Calls on objects of others, for the test to answer.
    pub calls: Vec<Frame>,
    /// What the client answered to calls and notices.
    pub answers: Vec<Frame>,
    /// Kinds of requests in order.
    pub seen: Vec<Kind>,
    next: u32,
    seq: u16,
    out: Vec<u8>,
}

impl Bus {
    pub fn new() -> Bus {
        let mut bus = Bus { next: 5000, ..Bus::default() };
        bus.put(Frame::new(Kind::Hello, 0, 77));
        bus
    }

    /// A later life of the server: numbers differ, nothing is known.
    pub fn restarted(&self) -> Bus {
        let mut bus = Bus { next: self.next + 1000, ..Bus::default() };
        bus.put(Frame::new(Kind::Hello, 0, 78));
        bus
    }

    pub fn put(&mut self, frame: Frame) {
        frame.write(&mut self.out).expect("test frames fit");
    }

    pub fn output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// Registers an object of somebody else and tells whoever listens.
    pub fn add(&mut self, path: &str, signature: Entries) -> u32 {
        let id = self.number();
        self.objects.insert(path.into(), (id, signature));
        self.object_event("ubus.object.add", id, path);
        id
    }

    pub fn remove(&mut self, path: &str) {
        let (id, _) = self.objects.remove(path).expect("registered");
        let (gone, kept) =
            std::mem::take(&mut self.subscriptions).into_iter().partition(|(_, target)| *target == id);
        self.subscriptions = kept;
        let gone: Vec<(u32, u32)> = gone;
        for (own, target) in gone {
            self.put(Frame::new(Kind::Unsubscribe, 0, 0).with(Attr::ObjId(own)).with(Attr::Target(target)));
        }
        self.object_event("ubus.object.remove", id, path);
    }

    fn object_event(&mut self, event: &str, id: u32, path: &str) {
        self.event(event, vec![("id".into(), Value::Int32(id as i32)), ("path".into(), path.into())]);
    }

    pub fn event(&mut self, id: &str, data: Entries) {
        let fits =
            |pattern: &str| pattern.strip_suffix('*').map_or(pattern == id, |start| id.starts_with(start));
        if let Some((own, _)) = self.patterns.iter().find(|(_, pattern)| fits(pattern)) {
            self.seq += 1;
            let frame = Frame::new(Kind::Invoke, self.seq, 0).with(Attr::ObjId(*own));
            self.put(frame.with(Attr::Method(id.into())).with(Attr::Data(data)));
        }
    }

    /// A notification of the object at `path` to every subscriber.
    pub fn notify(&mut self, path: &str, kind: &str, data: Entries) {
        let target = self.objects.get(path).map(|(id, _)| *id);
        for (own, _) in self.subscriptions.clone().into_iter().filter(|(_, to)| Some(*to) == target) {
            let frame = Frame::new(Kind::Invoke, 9, 3).with(Attr::NoReply(true)).with(Attr::ObjId(own));
            self.put(frame.with(Attr::Method(kind.into())).with(Attr::Data(data.clone())));
        }
    }

    /// Somebody calls a method of an object of the client.
    pub fn call(&mut self, object: u32, seq: u16, method: &str) {
        let frame = Frame::new(Kind::Invoke, seq, 42).with(Attr::ObjId(object));
        self.put(frame.with(Attr::Method(method.into())).with(Attr::Data(Vec::new())));
    }

    /// Answers a call of the client as its object does.
    pub fn answer(&mut self, call: &Frame, results: Vec<Entries>, status: Status) {
        let object = call.object().expect("a call names its object");
        for result in results {
            self.put(
                Frame::new(Kind::Data, call.seq, object).with(Attr::ObjId(object)).with(Attr::Data(result)),
            );
        }
        let frame = Frame::new(Kind::Status, call.seq, object);
        self.put(frame.with(Attr::Status(status)).with(Attr::ObjId(object)));
    }

    pub fn handle(&mut self, octets: &[u8]) {
        self.decoder.push(octets);
        while let Some(received) = self.decoder.next_frame().expect("the client keeps the framing") {
            let frame = received.frame.expect("the client writes whole attributes");
            self.seen.push(frame.kind);
            self.request(frame);
        }
    }

    fn status(&mut self, to: &Frame, status: Status) {
        self.put(Frame::new(Kind::Status, to.seq, to.peer).with(Attr::Status(status)));
    }

    fn request(&mut self, mut frame: Frame) {
        let to = Frame::new(frame.kind, frame.seq, frame.peer);
        let status = match frame.kind {
            Kind::Lookup => {
                let pattern = frame.path().unwrap_or("*".into());
                let fits =
                    |path: &str| pattern.strip_suffix('*').map_or(&*pattern == path, |s| path.starts_with(s));
                let found: Vec<_> = self.objects.iter().filter(|(path, _)| fits(path)).collect();
                let frames: Vec<Frame> = found
                    .into_iter()
                    .map(|(path, (id, signature))| {
                        Frame::new(Kind::Data, to.seq, 0)
                            .with(Attr::ObjPath(path.as_str().into()))
                            .with(Attr::ObjId(*id))
                            .with(Attr::ObjType(1))
                            .with(Attr::Signature(signature.clone()))
                    })
                    .collect();
                let status = if frames.is_empty() { Status::NotFound } else { Status::Ok };
                frames.into_iter().for_each(|frame| self.put(frame));
                status
            }
            Kind::AddObject => {
                let id = self.number();
                self.ours.insert(id, frame.path());
                self.put(Frame::new(Kind::Data, to.seq, 0).with(Attr::ObjId(id)));
                Status::Ok
            }
            Kind::RemoveObject => {
                let id = frame.object().expect("names its object");
                self.subscriptions.retain(|(own, _)| *own != id);
                if self.ours.remove(&id).is_some() { Status::Ok } else { Status::NotFound }
            }
            Kind::Subscribe => {
                let (own, target) = (frame.object().expect("own"), frame.target().expect("target"));
                if self.objects.values().any(|(id, _)| *id == target) {
                    self.subscriptions.push((own, target));
                    Status::Ok
                } else {
                    Status::NotFound
                }
            }
            Kind::Invoke if frame.object() == Some(1) => {
                let data = blob::tree(frame.take_data());
                if let Some(own) = data.str("object").and_then(|id| id.parse::<i32>().ok()) {
                    self.patterns.push((own as u32, data.str("pattern").expect("a pattern").into()));
                }
                Status::Ok
            }
            Kind::Invoke if !self.objects.values().any(|(id, _)| Some(*id) == frame.object()) => {
                Status::NotFound
            }
            Kind::Invoke => return self.calls.push(frame),
            _ => return self.answers.push(frame),
        };
        self.status(&to, status);
    }
}
