//! The USP controller of the workbench, on loopback and without TLS: agents open WebSocket sessions with it, or meet it at a
//! broker of MQTT.
//!
//! It is two endpoints, one for each transport, so that an agent can have both as controllers of their own. What is said goes
//! into the log of the [`Acs`] it stands beside, with where an agent breaks the standard; [`super::message`] writes it for people.
//! `websocket` and `mqtt` carry Records. Driven by [`super::demo_usp`], [`super::page`] and the tests.

mod mqtt;
mod websocket;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::acs::{Acs, wall};
use super::broker;
use super::log::{Direction, Entry};
use super::message::{self, masked};
use crate::time::Wall;
use crate::usp::endpoint::EndpointId;
use crate::usp::msg::Answer;
use crate::usp::pb::body::MsgBody;
use crate::usp::pb::record::record::RecordType;
use crate::usp::pb::request::ReqType;
use crate::usp::pb::response::RespType;
use crate::usp::pb::{self, record::Record};
use crate::usp::record;

pub use mqtt::TOPIC;
pub use websocket::PATH;

/// How long an agent may take for an answer.
pub const ANSWER_WAIT: Duration = Duration::from_secs(60);
/// The most agents with a session.
pub const AGENTS_MAX: usize = 64;
/// The most requests that wait for one agent.
pub const WAITING_MAX: usize = 64;
/// The most notifications kept; the oldest goes first.
pub const NOTICES_MAX: usize = 200;

/// How Records travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// Sessions that agents open.
    WebSocket,
    /// Topics of a broker.
    Mqtt,
}

impl Transport {
    /// All of them.
    pub const ALL: [Transport; 2] = [Transport::WebSocket, Transport::Mqtt];

    /// As people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Transport::WebSocket => "WebSocket",
            Transport::Mqtt => "MQTT",
        }
    }

    /// Who the controller is there.
    pub const fn endpoint(self) -> &'static str {
        match self {
            Transport::WebSocket => "self::workbench",
            Transport::Mqtt => "self::workbench-mqtt",
        }
    }

    fn own(self) -> EndpointId {
        EndpointId::parse(self.endpoint()).expect("ours is an endpoint id")
    }
}

/// An agent, and the way to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contact {
    /// Its endpoint id.
    pub agent: String,
    /// By which transport.
    pub over: Transport,
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} over {}", self.agent, self.over.name())
    }
}

/// Why a request has no response.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// The agent answered with an Error.
    Error(pb::Error),
    /// There is no answer.
    Lost(&'static str),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Error(error) => {
                write!(f, "{} {}", error.err_code, error.err_msg)?;
                error
                    .param_errs
                    .iter()
                    .try_for_each(|one| write!(f, "; {}: {} {}", one.param_path, one.err_code, one.err_msg))
            }
            Failure::Lost(why) => f.write_str(why),
        }
    }
}

/// A notification that came.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Counts up from 1.
    pub number: u64,
    /// When.
    pub at: Option<Wall>,
    /// From whom.
    pub from: Contact,
    /// As it came.
    pub notify: pb::Notify,
}

type Waiting = oneshot::Sender<Result<RespType, Failure>>;

/// How Records get to an agent.
#[derive(Clone, Debug)]
enum Way {
    WebSocket(mpsc::Sender<Vec<u8>>),
    Mqtt(mqtt::Topic),
}

impl Way {
    /// Whether it is on its way.
    async fn send(&self, record: Vec<u8>) -> bool {
        match self {
            Way::WebSocket(records) => records.send(record).await.is_ok(),
            Way::Mqtt(topic) => topic.send(record).await,
        }
    }
}

/// An agent with a session: over MQTT it begins with each Connect record.
#[derive(Debug)]
struct Peer {
    session: u64,
    /// Whether its Connect record came.
    greeted: bool,
    at: Option<Wall>,
    way: Way,
    /// By msg_id.
    waiting: BTreeMap<String, Waiting>,
}

#[derive(Debug, Default)]
struct State {
    peers: BTreeMap<Contact, Peer>,
    sessions: u64,
    asked: u64,
    notices: VecDeque<Notice>,
}

#[derive(Debug)]
struct Shared {
    acs: Acs,
    address: SocketAddr,
    broker: SocketAddr,
    state: Mutex<State>,
    /// For each transport the agent that said hello last, while its session stands.
    latest: watch::Sender<BTreeMap<Transport, Contact>>,
    noticed: watch::Sender<u64>,
}

/// A running controller; clones are the same one. It serves until the runtime ends.
#[derive(Clone, Debug)]
pub struct Controller(Arc<Shared>);

impl Controller {
    /// Listens on a free port of loopback and at a broker, its own if none is named, and logs what is said with the ACS's
    /// messages. Fails where the broker is not there.
    pub async fn start(acs: &Acs, broker: Option<SocketAddr>) -> io::Result<Controller> {
        let listener = websocket::listen().await?;
        let broker = match broker {
            Some(broker) => broker,
            None => broker::start().await?,
        };
        let controller = Controller(Arc::new(Shared {
            acs: acs.clone(),
            address: listener.local_addr()?,
            broker,
            state: Mutex::new(State::default()),
            latest: watch::Sender::new(BTreeMap::new()),
            noticed: watch::Sender::new(0),
        }));
        tokio::spawn(websocket::serve(controller.clone(), listener));
        mqtt::start(&controller).await?;
        Ok(controller)
    }

    /// Where agents find it.
    pub fn url(&self, over: Transport) -> String {
        match over {
            Transport::WebSocket => format!("ws://{}{PATH}", self.0.address),
            Transport::Mqtt => format!("mqtt://{}/{TOPIC}", self.0.broker),
        }
    }

    /// The TCP port for WebSockets.
    pub fn port(&self) -> u16 {
        self.0.address.port()
    }

    /// The broker of MQTT.
    pub fn broker(&self) -> SocketAddr {
        self.0.broker
    }

    /// The agents that said hello and whose session stands, with the time of it.
    pub fn agents(&self) -> Vec<(Contact, Option<Wall>)> {
        let state = self.state();
        let greeted = state.peers.iter().filter(|(_, peer)| peer.greeted);
        greeted.map(|(contact, peer)| (contact.clone(), peer.at)).collect()
    }

    /// An agent that said hello by this transport; waits for one.
    pub async fn agent(&self, over: Transport) -> Contact {
        let mut latest = self.0.latest.subscribe();
        let found = latest.wait_for(|latest| latest.contains_key(&over)).await;
        match found.ok().and_then(|latest| latest.get(&over).cloned()) {
            Some(contact) => contact,
            // The sender lives as long as this very handle.
            None => std::future::pending().await,
        }
    }

    /// Asks an agent and waits for its answer.
    pub async fn ask(&self, agent: &Contact, request: ReqType) -> Result<RespType, Failure> {
        let to = EndpointId::parse(&agent.agent).ok_or(Failure::Lost("that is no endpoint id"))?;
        let (answer, answered) = oneshot::channel();
        let (msg_id, session, way) = {
            let mut state = self.state();
            state.asked += 1;
            let msg_id = format!("workbench-{}", state.asked);
            let peer = state.peers.get_mut(agent).ok_or(Failure::Lost("the agent has no session"))?;
            if peer.waiting.len() >= WAITING_MAX {
                return Err(Failure::Lost("too many requests wait for this agent"));
            }
            peer.waiting.insert(msg_id.clone(), answer);
            (msg_id, peer.session, peer.way.clone())
        };
        let (name, text) = message::request(&request);
        self.write(agent, session, Direction::ToCpe, name, text, Vec::new());
        if !way.send(wrapped(agent.over, &to, Answer::request(request).into_msg(&msg_id))).await {
            return Err(Failure::Lost("the session ended"));
        }
        match timeout(ANSWER_WAIT, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Failure::Lost("the session ended before the answer")),
            Err(_) => {
                if let Some(peer) = self.state().peers.get_mut(agent) {
                    peer.waiting.remove(&msg_id);
                }
                Err(Failure::Lost("the agent does not answer"))
            }
        }
    }

    /// The notifications after number `after`, oldest first.
    pub fn notices(&self, after: u64) -> Vec<Notice> {
        self.state().notices.iter().filter(|notice| notice.number > after).cloned().collect()
    }

    /// The number of the last notification; 0 before the first.
    pub fn last_notice(&self) -> u64 {
        *self.0.noticed.borrow()
    }

    /// The first notification after number `after`; waits for it.
    pub async fn noticed(&self, after: u64) -> Notice {
        let mut noticed = self.0.noticed.subscribe();
        loop {
            // The sender lives as long as this very handle.
            let _ = noticed.wait_for(|last| *last > after).await;
            if let Some(notice) = self.notices(after).into_iter().next() {
                return notice;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here is left half done by a panic that another caller should not see.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(
        &self,
        agent: &Contact,
        session: u64,
        from: Direction,
        what: &str,
        said: Json,
        remarks: Vec<String>,
    ) {
        let text = match said {
            Json::Null => String::new(),
            said => format!("{:#}", masked(said)),
        };
        self.0.acs.write(Entry {
            number: 0,
            at: wall(),
            device: agent.agent.clone(),
            session,
            direction: from,
            what: match agent.over {
                Transport::WebSocket => format!("USP {what}"),
                Transport::Mqtt => format!("USP {what} over MQTT"),
            },
            text,
            remarks,
        });
    }

    /// Begins a session in the place of the one before; its number.
    fn begin(&self, agent: &Contact, way: Way) -> Result<u64, &'static str> {
        let mut state = self.state();
        if state.peers.len() >= AGENTS_MAX && !state.peers.contains_key(agent) {
            return Err("there are too many agents");
        }
        state.sessions += 1;
        let session = state.sessions;
        let peer = Peer { session, greeted: false, at: wall(), way, waiting: BTreeMap::new() };
        //= TR-369 R-WS.4: the newer session of an endpoint takes the older one's place.
        state.peers.insert(agent.clone(), peer);
        Ok(session)
    }

    /// The session of an agent.
    fn session(&self, agent: &Contact) -> Option<u64> {
        self.state().peers.get(agent).map(|peer| peer.session)
    }

    /// Ends a session, unless a newer one has taken its place.
    fn end(&self, agent: &Contact, session: u64) {
        let mut state = self.state();
        if state.peers.get(agent).is_some_and(|now| now.session == session) {
            state.peers.remove(agent);
            self.0.latest.send_if_modified(|latest| match latest.get(&agent.over) {
                Some(now) if now == agent => latest.remove(&agent.over).is_some(),
                Some(_) | None => false,
            });
        }
        drop(state);
        self.write(agent, session, Direction::FromCpe, "session ended", Json::Null, Vec::new());
    }

    /// Takes a Record, with what is odd about how it came; the Record to send back, if any.
    fn received(
        &self,
        from: &Contact,
        session: u64,
        record: Record,
        mut remarks: Vec<String>,
    ) -> Option<Vec<u8>> {
        let log = |what: &str, said: Json, remarks: Vec<String>| {
            self.write(from, session, Direction::FromCpe, what, said, remarks);
        };
        if record.to_id != from.over.endpoint() || record.from_id != from.agent {
            remarks.push(format!("the Record is from {} to {}", record.from_id, record.to_id));
        }
        let hello = match record.record_type {
            Some(RecordType::WebsocketConnect(_)) => from.over == Transport::WebSocket,
            Some(RecordType::MqttConnect(_)) => from.over == Transport::Mqtt,
            _ => false,
        };
        let greeted = self.state().peers.get(from).is_some_and(|peer| peer.greeted);
        //= TR-369 R-MTP.6: the first thing sent on a channel is its Connect record.
        if hello == greeted {
            remarks.push(if hello { "a second Connect" } else { "the first Record is no Connect" }.into());
        }
        match record.record_type {
            _ if hello => {
                log("Connect", json!({ "version": record.version }), remarks);
                if let Some(peer) = self.state().peers.get_mut(from) {
                    peer.greeted = true;
                }
                self.0.latest.send_modify(|latest| drop(latest.insert(from.over, from.clone())));
                None
            }
            Some(RecordType::Disconnect(why)) => {
                log("Disconnect", json!({ "code": why.reason_code, "reason": why.reason }), remarks);
                if from.over == Transport::Mqtt {
                    self.end(from, session);
                }
                None
            }
            Some(RecordType::NoSessionContext(context)) => {
                self.message(from, session, &context.payload, remarks)
            }
            _ => {
                remarks.push("a Record of a kind that was not asked for".into());
                log("Record", Json::Null, remarks);
                None
            }
        }
    }

    fn message(
        &self,
        from: &Contact,
        session: u64,
        payload: &[u8],
        mut remarks: Vec<String>,
    ) -> Option<Vec<u8>> {
        let message = pb::Msg::decode(payload).ok();
        let (header, body) = message.map_or((None, None), |message| (message.header, message.body));
        let msg_id = header.map(|header| header.msg_id).unwrap_or_default();
        let (what, said, result) = match body.and_then(|body| body.msg_body) {
            Some(MsgBody::Response(pb::Response { resp_type: Some(response) })) => {
                let (name, said) = message::response(&response);
                (name, said, Ok(response))
            }
            Some(MsgBody::Error(error)) => ("Error", message::error(&error), Err(Failure::Error(error))),
            Some(MsgBody::Request(pb::Request { req_type: Some(ReqType::Notify(notify)) })) => {
                let (name, said) = message::request(&ReqType::Notify(notify.clone()));
                self.write(from, session, Direction::FromCpe, name, said, remarks);
                return self.notify(from, session, &msg_id, notify);
            }
            _ => {
                remarks.push("a message that makes no sense to a controller".into());
                self.write(from, session, Direction::FromCpe, "message", Json::Null, remarks);
                return None;
            }
        };
        //= TR-369 R-MSG.9: an answer carries the msg_id of what was asked.
        let waiting = self.state().peers.get_mut(from).and_then(|peer| peer.waiting.remove(&msg_id));
        if waiting.is_none() {
            remarks.push(format!("nothing was asked as {msg_id:?}, or the answer is late"));
        }
        self.write(from, session, Direction::FromCpe, what, said, remarks);
        if let Some(waiting) = waiting {
            // Nobody waits any more if the caller gave up.
            let _ = waiting.send(result);
        }
        None
    }

    fn notify(&self, from: &Contact, session: u64, msg_id: &str, notify: pb::Notify) -> Option<Vec<u8>> {
        let subscription_id = notify.subscription_id.clone();
        let wants_answer = notify.send_resp;
        let number = {
            let mut state = self.state();
            let number = state.notices.back().map_or(0, |last| last.number) + 1;
            state.notices.push_back(Notice { number, at: wall(), from: from.clone(), notify });
            if state.notices.len() > NOTICES_MAX {
                state.notices.pop_front();
            }
            number
        };
        self.0.noticed.send_replace(number);
        // Where send_resp is set, the notification is answered.
        let to = EndpointId::parse(&from.agent).filter(|_| wants_answer)?;
        let answer = RespType::NotifyResp(pb::NotifyResp { subscription_id });
        let (name, said) = message::response(&answer);
        self.write(from, session, Direction::ToCpe, name, said, Vec::new());
        Some(wrapped(from.over, &to, Answer::response(answer).into_msg(msg_id)))
    }
}

/// A message of the controller in its Record.
fn wrapped(over: Transport, to: &EndpointId, message: Vec<u8>) -> Vec<u8> {
    record::wrap(record::VERSION, to, &over.own(), message)
}
