//! The USP controller of the workbench: agents open WebSocket sessions with it, on loopback and without TLS.
//!
//! What is said goes into the log of the [`Acs`] it stands beside, with where an agent breaks the standard;
//! [`super::message`] writes it for people.
//! Driven by [`super::demo_usp`], [`super::page`] and the tests.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value as Json, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::acs::{Acs, wall};
use super::log::{Direction, Entry};
use super::message::{self, masked};
use crate::io::http::connect::Stream;
use crate::io::http::head::Request;
use crate::io::mtp::websocket::read_head;
use crate::time::Wall;
use crate::usp::endpoint::EndpointId;
use crate::usp::msg::Answer;
use crate::usp::mtp::websocket as rules;
use crate::usp::pb::body::MsgBody;
use crate::usp::pb::record::record::RecordType;
use crate::usp::pb::request::ReqType;
use crate::usp::pb::response::RespType;
use crate::usp::pb::{self, record::Record};
use crate::usp::record;

/// Who the controller is.
pub const ENDPOINT: &str = "self::workbench";
/// Where agents find it below its address.
pub const PATH: &str = "/usp";
/// How long an agent may take for an answer.
pub const ANSWER_WAIT: Duration = Duration::from_secs(60);
/// The most agents with a session.
pub const AGENTS_MAX: usize = 64;
/// The most requests that wait for one agent.
pub const WAITING_MAX: usize = 64;
/// The most notifications kept; the oldest goes first.
pub const NOTICES_MAX: usize = 200;
/// The longest Record taken, in octets.
const RECORD_MAX: usize = 32 * 1024 * 1024;
/// For an opening.
const OPENING_WAIT: Duration = Duration::from_secs(15);

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
    pub agent: String,
    /// As it came.
    pub notify: pb::Notify,
}

type Waiting = oneshot::Sender<Result<RespType, Failure>>;

/// An agent with a session.
#[derive(Debug)]
struct Peer {
    session: u64,
    /// Whether its Connect record came.
    greeted: bool,
    at: Option<Wall>,
    records: mpsc::Sender<Vec<u8>>,
    /// By msg_id.
    waiting: BTreeMap<String, Waiting>,
}

#[derive(Debug, Default)]
struct State {
    peers: BTreeMap<String, Peer>,
    sessions: u64,
    asked: u64,
    notices: VecDeque<Notice>,
}

#[derive(Debug)]
struct Shared {
    acs: Acs,
    own: EndpointId,
    address: SocketAddr,
    state: Mutex<State>,
    /// The agent that said hello last, while its session stands.
    latest: watch::Sender<Option<String>>,
    noticed: watch::Sender<u64>,
}

/// A running controller; clones are the same one. It serves until the runtime ends.
#[derive(Clone, Debug)]
pub struct Controller(Arc<Shared>);

impl Controller {
    /// Listens on a free port of loopback, and logs what is said with the ACS's messages.
    pub async fn start(acs: &Acs) -> io::Result<Controller> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let own = EndpointId::parse(ENDPOINT).ok_or_else(|| io::Error::other("no endpoint id"))?;
        let controller = Controller(Arc::new(Shared {
            acs: acs.clone(),
            own,
            address: listener.local_addr()?,
            state: Mutex::new(State::default()),
            latest: watch::Sender::new(None),
            noticed: watch::Sender::new(0),
        }));
        let serving = controller.clone();
        tokio::spawn(async move {
            // Without a listener the demo says what it waits for.
            while let Ok((stream, _)) = listener.accept().await {
                let one = serving.clone();
                tokio::spawn(async move {
                    if let Err(why) = one.serve(stream).await {
                        one.write("", 0, Direction::FromCpe, "no session", Json::Null, vec![why]);
                    }
                });
            }
        });
        Ok(controller)
    }

    /// Where agents connect.
    pub fn url(&self) -> String {
        format!("ws://{}{PATH}", self.0.address)
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.0.address.port()
    }

    /// The agents that said hello and whose session stands, with the time of it.
    pub fn agents(&self) -> Vec<(String, Option<Wall>)> {
        let state = self.state();
        let greeted = state.peers.iter().filter(|(_, peer)| peer.greeted);
        greeted.map(|(id, peer)| (id.clone(), peer.at)).collect()
    }

    /// An agent that said hello; waits for one.
    pub async fn agent(&self) -> String {
        let mut latest = self.0.latest.subscribe();
        match latest.wait_for(Option::is_some).await {
            Ok(id) => id.clone().unwrap_or_default(),
            // The sender lives as long as this very handle.
            Err(_) => std::future::pending().await,
        }
    }

    /// Asks an agent and waits for its answer.
    pub async fn ask(&self, agent: &str, request: ReqType) -> Result<RespType, Failure> {
        let to = EndpointId::parse(agent).ok_or(Failure::Lost("that is no endpoint id"))?;
        let (answer, answered) = oneshot::channel();
        let (msg_id, session, records) = {
            let mut state = self.state();
            state.asked += 1;
            let msg_id = format!("workbench-{}", state.asked);
            let peer = state.peers.get_mut(agent).ok_or(Failure::Lost("the agent has no session"))?;
            if peer.waiting.len() >= WAITING_MAX {
                return Err(Failure::Lost("too many requests wait for this agent"));
            }
            peer.waiting.insert(msg_id.clone(), answer);
            (msg_id, peer.session, peer.records.clone())
        };
        let (name, text) = message::request(&request);
        self.write(agent, session, Direction::ToCpe, name, text, Vec::new());
        let message = Answer::request(request).into_msg(&msg_id);
        let sent = records.send(record::wrap(record::VERSION, &to, &self.0.own, message)).await;
        let result = match sent {
            Ok(()) => timeout(ANSWER_WAIT, answered).await,
            Err(_) => return Err(Failure::Lost("the session ended")),
        };
        match result {
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
        agent: &str,
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
            device: agent.to_owned(),
            session,
            direction: from,
            what: format!("USP {what}"),
            text,
            remarks,
        });
    }

    /// One connection from its opening to its end; why there was no session, in words.
    async fn serve(&self, stream: TcpStream) -> Result<(), String> {
        let mut stream: Box<dyn Stream> = Box::new(stream);
        let opening = timeout(OPENING_WAIT, read_head(&mut stream)).await;
        let (head, rest) = opening.map_err(|_| "the opening takes too long")??;
        let request = match Request::parse(&head) {
            Ok(Some(request)) => request,
            Ok(None) | Err(_) => return Err("the opening is not HTTP".into()),
        };
        let field = |name: &str| request.headers.all(name).map(str::to_owned).collect();
        //= TR-369 R-WS.10b: the query tells who the agent is.
        //= TR-369 R-WS.12a: without the sub-protocol in the request there is no session.
        let asked = match rules::asked(&request.method, &request.target, PATH, &field) {
            Ok(asked) => asked,
            Err(refused) => {
                let answer = format!(
                    "HTTP/1.1 {} {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                    refused.status, refused.why
                );
                let _ = stream.write_all(answer.as_bytes()).await;
                return Err(refused.why.into());
            }
        };
        let mut answer = String::from("HTTP/1.1 101 Switching Protocols\r\n");
        for (name, value) in rules::response_fields(&asked, &self.0.own) {
            answer.push_str(&format!("{name}: {value}\r\n"));
        }
        answer.push_str("\r\n");
        stream.write_all(answer.as_bytes()).await.map_err(|error| error.to_string())?;
        let bounds =
            WebSocketConfig::default().max_message_size(Some(RECORD_MAX)).max_frame_size(Some(RECORD_MAX));
        let socket = WebSocketStream::from_partially_read(stream, rest, Role::Server, Some(bounds)).await;
        self.session(socket, asked.peer).await
    }

    async fn session(
        &self,
        socket: WebSocketStream<Box<dyn Stream>>,
        peer: EndpointId,
    ) -> Result<(), String> {
        let id = peer.as_str().to_owned();
        let (records, mut outgoing) = mpsc::channel(WAITING_MAX);
        let session = {
            let mut state = self.state();
            if state.peers.len() >= AGENTS_MAX && !state.peers.contains_key(&id) {
                return Err("there are too many agents".into());
            }
            state.sessions += 1;
            let session = state.sessions;
            let (greeted, waiting) = (false, BTreeMap::new());
            //= TR-369 R-WS.4: the newer session of an endpoint takes the older one's place.
            state.peers.insert(id.clone(), Peer { session, greeted, at: wall(), records, waiting });
            session
        };
        let (mut sink, mut source) = socket.split();
        loop {
            tokio::select! {
                message = source.next() => match message {
                    Some(Ok(Message::Binary(bytes))) => {
                        if let Some(reply) = self.received(&peer, session, &bytes)
                            && sink.send(Message::binary(reply)).await.is_err()
                        {
                            break;
                        }
                    }
                    Some(Ok(Message::Text(_))) => {
                        //= TR-369 R-WS.14: Records travel in binary messages.
                        let remarks = vec!["a text message is no Record".into()];
                        self.write(&id, session, Direction::FromCpe, "text", Json::Null, remarks);
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                    // Once more: our answer to a Close frame is sent by reading on.
                    Some(Ok(Message::Close(_))) => {}
                    Some(Err(Error::ConnectionClosed)) | None => break,
                    Some(Err(_)) => break,
                },
                record = outgoing.recv() => match record {
                    Some(record) => if sink.send(Message::binary(record)).await.is_err() { break },
                    // A newer session took this one's place.
                    None => break,
                },
            }
        }
        {
            let mut state = self.state();
            if state.peers.get(&id).is_some_and(|now| now.session == session) {
                state.peers.remove(&id);
                self.0.latest.send_if_modified(|latest| latest.take_if(|latest| *latest == id).is_some());
            }
        }
        self.write(&id, session, Direction::FromCpe, "session ended", Json::Null, Vec::new());
        Ok(())
    }

    /// Takes a Record; the Record to send back, if any.
    fn received(&self, from: &EndpointId, session: u64, bytes: &[u8]) -> Option<Vec<u8>> {
        let id = from.as_str();
        let log = |what: &str, said: Json, remarks: Vec<String>| {
            self.write(id, session, Direction::FromCpe, what, said, remarks);
        };
        let Ok(record) = Record::decode(bytes) else {
            log("Record", Json::Null, vec!["these octets are no Record".into()]);
            return None;
        };
        let mut remarks = Vec::new();
        if record.to_id != self.0.own.as_str() || record.from_id != id {
            remarks.push(format!("the Record is from {} to {}", record.from_id, record.to_id));
        }
        let hello = matches!(record.record_type, Some(RecordType::WebsocketConnect(_)));
        let greeted = self.state().peers.get(id).is_some_and(|peer| peer.greeted);
        //= TR-369 R-MTP.6: the first thing sent on a channel is its Connect record.
        if hello == greeted {
            remarks.push(if hello { "a second Connect" } else { "the first Record is no Connect" }.into());
        }
        match record.record_type {
            Some(RecordType::WebsocketConnect(_)) => {
                log("Connect", json!({ "version": record.version }), remarks);
                if let Some(peer) = self.state().peers.get_mut(id) {
                    peer.greeted = true;
                }
                self.0.latest.send_replace(Some(id.to_owned()));
                None
            }
            Some(RecordType::Disconnect(why)) => {
                log("Disconnect", json!({ "code": why.reason_code, "reason": why.reason }), remarks);
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
        from: &EndpointId,
        session: u64,
        payload: &[u8],
        mut remarks: Vec<String>,
    ) -> Option<Vec<u8>> {
        let id = from.as_str();
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
                self.write(id, session, Direction::FromCpe, name, said, remarks);
                return self.notify(from, session, &msg_id, notify);
            }
            _ => {
                remarks.push("a message that makes no sense to a controller".into());
                self.write(id, session, Direction::FromCpe, "message", Json::Null, remarks);
                return None;
            }
        };
        //= TR-369 R-MSG.9: an answer carries the msg_id of what was asked.
        let waiting = self.state().peers.get_mut(id).and_then(|peer| peer.waiting.remove(&msg_id));
        if waiting.is_none() {
            remarks.push(format!("nothing was asked as {msg_id:?}, or the answer is late"));
        }
        self.write(id, session, Direction::FromCpe, what, said, remarks);
        if let Some(waiting) = waiting {
            // Nobody waits any more if the caller gave up.
            let _ = waiting.send(result);
        }
        None
    }

    fn notify(&self, from: &EndpointId, session: u64, msg_id: &str, notify: pb::Notify) -> Option<Vec<u8>> {
        let id = from.as_str();
        let subscription_id = notify.subscription_id.clone();
        let wants_answer = notify.send_resp;
        let number = {
            let mut state = self.state();
            let number = state.notices.back().map_or(0, |last| last.number) + 1;
            state.notices.push_back(Notice { number, at: wall(), agent: id.to_owned(), notify });
            if state.notices.len() > NOTICES_MAX {
                state.notices.pop_front();
            }
            number
        };
        self.0.noticed.send_replace(number);
        // Where send_resp is set, the notification is answered.
        wants_answer.then(|| {
            let answer = RespType::NotifyResp(pb::NotifyResp { subscription_id });
            let (name, said) = message::response(&answer);
            self.write(id, session, Direction::ToCpe, name, said, Vec::new());
            let message = Answer::response(answer).into_msg(msg_id);
            record::wrap(record::VERSION, from, &self.0.own, message)
        })
    }
}
