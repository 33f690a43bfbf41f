//! WebSocket sessions: the one that we open and keep up, and what any session does while it stands.
//!
//! Frames are tokio-tungstenite's (long ones are written by [`super::wire`]), the opening's rules [`crate::usp::mtp::websocket`]'s. Accepted sessions come from
//! [`super::server`].

use super::dial::{Dates, Dialled, Site, dial, unwanted};
use super::link::{Inbox, Item, Reports, WRITE_WAIT};
use super::wire::{self, Ahead, LONG, Wire};
use crate::io::http::connect::Stream;
use crate::io::http::head::{self, Headers, MAX_REQUEST_FIELDS, MAX_REQUEST_HEAD};
use crate::io::http::url::Url;
use crate::io::random;
use crate::rng::Rng;
use crate::usp::endpoint::EndpointId;
use crate::usp::mtp::websocket as rules;
use crate::usp::mtp::{Details, GOING_AWAY, MAX_RECORD, NORMAL, NOT_A_RECORD, Up, Wanted, WebSocketClient};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// For the whole opening, TLS apart.
pub const OPENING_WAIT: Duration = Duration::from_secs(30);
/// From a Close frame to the end of the connection.
pub const CLOSE_WAIT: Duration = Duration::from_secs(5);
/// Octets that are written at most ahead of the peer: one Record, and a Pong.
const MAX_AHEAD: usize = super::link::MAX_QUEUED_OCTETS + 4096;

/// A session whose opening is done.
pub type Socket = WebSocketStream<Box<dyn Stream>>;

/// Opens the session that is wanted, again and again, until it is no longer wanted.
//= TR-369 R-WS.5: the Agent opens sessions.
pub async fn client(
    site: Arc<Site>,
    mut wanted: WebSocketClient,
    mut changes: watch::Receiver<Wanted>,
    reports: Reports,
    mut rng: Rng,
) {
    //= TR-369 R-WS.21: nothing is kept of the count over a restart.
    let mut failures = 0;
    loop {
        if let Wanted::WebSocketClient(now) = &*changes.borrow_and_update() {
            wanted.clone_from(now);
        }
        let opening = connect(&site, &wanted, &mut rng);
        let opened = tokio::select! {
            opened = opening => opened,
            () = unwanted(&mut changes) => return,
        };
        let (link, why, at_once) = match opened {
            Err(why) => {
                failures += 1;
                (None, why, false)
            }
            Ok((socket, dialled)) => {
                //= TR-369 R-WS.20: a session that stands resets the count.
                failures = 0;
                let link = reports.number();
                let inbox = reports.up(up(link, &reports, &dialled, Some(wanted.peer.clone()), false)).await;
                let alive = Alive {
                    masks: true,
                    keep_alive: wanted.keep_alive,
                    dates: dialled.dates,
                    site: site.clone(),
                };
                let Ended { why, at_once } =
                    session(socket, &reports, link, inbox, alive, &mut changes).await;
                failures += u32::from(!at_once);
                (Some(link), why, at_once)
            }
        };
        if changes.has_changed().is_err() {
            return reports.down(link, why, failures, None).await;
        }
        if at_once {
            reports.down(link, why, 0, Some(Duration::ZERO)).await;
            continue;
        }
        //= TR-369 R-WS.19: the wait before the next try grows with the number of failures.
        let wait = wanted.retry.wait(failures, &mut rng);
        reports.down(link, why, failures, Some(wait)).await;
        tokio::select! {
            () = sleep(wait) => {}
            () = unwanted(&mut changes) => return,
        }
    }
}

async fn connect(site: &Site, wanted: &WebSocketClient, rng: &mut Rng) -> Result<(Socket, Dialled), String> {
    let to = (&*wanted.host, wanted.port);
    let mut dialled = dial(site, to, wanted.tls.as_ref(), Some(&wanted.peer), &wanted.network).await?;
    let stream = std::mem::replace(&mut dialled.stream, Box::new(tokio::io::empty()));
    let url = Url {
        tls: wanted.tls.is_some(),
        host: wanted.host.to_string(),
        port: wanted.port,
        target: rules::target(&wanted.path, &wanted.own),
    };
    let (socket, peer) = timeout(OPENING_WAIT, open(stream, &url, &wanted.own, rng))
        .await
        .map_err(|_| "the server does not answer".to_owned())??;
    match peer {
        Some(peer) if peer != wanted.peer => {
            Err(format!("the server is {}, not {}", peer.as_str(), wanted.peer.as_str()))
        }
        Some(_) | None => Ok((socket, dialled)),
    }
}

/// The client's side of an opening; who the server says it is, where it tells.
pub async fn open(
    mut stream: Box<dyn Stream>,
    url: &Url,
    own: &EndpointId,
    rng: &mut Rng,
) -> Result<(Socket, Option<EndpointId>), String> {
    let key = rules::key(rng);
    let fields = rules::request_fields(&url.authority(), own, &key);
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let request = head::request("GET", &url.target, &fields).map_err(|bad| bad.to_string())?;
    stream.write_all(&request).await.map_err(|error| error.to_string())?;
    stream.flush().await.map_err(|error| error.to_string())?;
    let (head, rest) = read_head(&mut stream).await?;
    let (status, headers) = answer(&head).ok_or("the server does not speak HTTP")?;
    let field = |name: &str| headers.all(name).map(str::to_owned).collect();
    let peer = rules::opened(status, &field, &key)
        .map_err(|refused| format!("{} (HTTP status {})", refused.why, refused.status))?;
    let socket = WebSocketStream::from_partially_read(stream, rest, Role::Client, Some(config())).await;
    Ok((socket, peer))
}

/// Reads up to the empty line; what came behind it stands by itself.
pub async fn read_head(stream: &mut Box<dyn Stream>) -> Result<(Vec<u8>, Vec<u8>), String> {
    let mut octets = Vec::with_capacity(1024);
    loop {
        let mut part = [0; 1024];
        let read = stream.read(&mut part).await.map_err(|error| error.to_string())?;
        if read == 0 {
            return Err("the peer closed during the opening".into());
        }
        // The end may lie across two parts.
        let from = octets.len().saturating_sub(3);
        octets.extend_from_slice(part.get(..read).unwrap_or_default());
        let fresh = octets.get(from..).unwrap_or_default();
        if let Some(at) = fresh.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = octets.split_off(from + at + 4);
            return Ok((octets, rest));
        }
        if octets.len() > MAX_REQUEST_HEAD {
            return Err("the peer's opening is too long".into());
        }
    }
}

/// The status and the fields of a complete head.
fn answer(head: &[u8]) -> Option<(u16, Headers)> {
    let mut lines = head.split(|c| *c == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let mut words = first.split(' ');
    words.next().filter(|version| *version == "HTTP/1.1")?;
    let status = words.next().filter(|digits| digits.len() == 3)?.parse().ok()?;
    let mut headers = Headers::default();
    for line in lines.take_while(|line| !line.is_empty()) {
        if headers.len() == MAX_REQUEST_FIELDS {
            return None;
        }
        headers.take(line).ok()?;
    }
    Some((status, headers))
}

/// The bounds of a session.
pub fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_AHEAD)
        .max_message_size(Some(MAX_RECORD))
        .max_frame_size(Some(MAX_RECORD))
}

/// What is told of a session that stands.
pub fn up(link: u64, reports: &Reports, dialled: &Dialled, peer: Option<EndpointId>, accepted: bool) -> Up {
    Up {
        link,
        name: reports.name().into(),
        peer,
        certificate: dialled.certificate.clone(),
        encrypted: dialled.encrypted,
        reply_topic: None,
        local_address: Some(dialled.local.ip().to_canonical()),
        peer_address: Some(dialled.peer.ip().to_canonical()),
        details: Details::WebSocket { accepted },
    }
}

/// What keeps a session alive, or ends it.
pub struct Alive {
    /// Whether we opened it, so that what we send is masked.
    pub masks: bool,
    /// Between Pings.
    pub keep_alive: Duration,
    /// Of the peer's certificate.
    pub dates: Dates,
    /// Whose clock counts.
    pub site: Arc<Site>,
}

/// Why a session ends.
enum End {
    /// The connection is of no use any more.
    Lost(String),
    /// The peer said goodbye.
    Left(String),
    /// We say it, with this code.
    Leave(u16, String),
}

/// How a session ended.
pub struct Ended {
    /// In words.
    pub why: String,
    /// Whether the agent ended it, to have another one.
    pub at_once: bool,
}

/// A session while it stands; how it ended.
pub async fn session(
    mut socket: Socket,
    reports: &Reports,
    link: u64,
    inbox: Inbox,
    mut alive: Alive,
    changes: &mut watch::Receiver<Wanted>,
) -> Ended {
    let ahead = Ahead::default();
    let stream = std::mem::replace(socket.get_mut(), Box::new(tokio::io::empty()));
    *socket.get_mut() = Box::new(Wire { stream, ahead: ahead.clone() });
    let (mut sink, mut source) = socket.split();
    let Inbox { mut items, mut cut } = inbox;
    let heard = AtomicBool::new(true);
    let end = {
        let read = async {
            loop {
                let message = source.next().await;
                heard.store(true, Ordering::Relaxed);
                match message {
                    //= TR-369 R-WS.14: a binary message is a Record.
                    //= TR-369 R-WS.14b: its fragments were put together.
                    Some(Ok(Message::Binary(record))) => {
                        reports.record(link, record.into(), None).await;
                        heard.store(true, Ordering::Relaxed);
                    }
                    //= TR-369 R-WS.16: no Record can be read from a text message.
                    Some(Ok(Message::Text(_))) => {
                        return End::Leave(NOT_A_RECORD, "text is no Record".into());
                    }
                    Some(Ok(Message::Close(frame))) => return End::Left(farewell(frame)),
                    //= TR-369 R-WS.17: a Ping is answered with a Pong, by the library.
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                    Some(Err(error)) => return failure(&error),
                    None => return End::Lost("the connection was closed".into()),
                }
            }
        };
        let write = async {
            let every = alive.keep_alive.max(Duration::from_secs(1));
            //= TR-369 R-WS.18: the time between Pings is a setting.
            let mut ticks = interval_at(Instant::now() + every, every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut wanted = true;
            loop {
                tokio::select! {
                    item = items.recv() => match item {
                        //= TR-369 R-WS.14a: a message is sent as one frame.
                        Some(Item::Record { record, room, .. }) => {
                            let sent = match record.len() {
                                LONG.. => send_long(&mut sink, &ahead, record, alive.masks).await,
                                _ => send(&mut sink, Message::binary(record)).await,
                            };
                            if let Err(end) = sent {
                                return end;
                            }
                            drop(room);
                        }
                        Some(Item::Close { code, reason }) => return End::Leave(code, reason.into()),
                        None => return End::Leave(GOING_AWAY, "no longer wanted".into()),
                    },
                    _ = ticks.tick() => {
                        if let Err(why) = alive.dates.look(alive.site.wall()) {
                            return End::Leave(GOING_AWAY, why);
                        }
                        if !heard.swap(false, Ordering::Relaxed) {
                            return End::Lost("the peer does not answer a Ping".into());
                        }
                        //= TR-369 R-WS.17: Pings are sent regularly.
                        if let Err(end) = send(&mut sink, Message::Ping(Vec::new().into())).await {
                            return end;
                        }
                    }
                    () = unwanted(changes), if wanted => {
                        wanted = false;
                        items.close();
                    }
                }
            }
        };
        let (read, write) = (pin!(read), pin!(write));
        tokio::select! {
            end = read => end,
            end = write => end,
            _ = &mut cut => End::Lost("the peer does not read what is sent to it".into()),
        }
    };
    //= TR-369 R-WS.8: a Close frame is sent or answered, and the connection ends.
    let at_once = matches!(end, End::Leave(NORMAL, _));
    let (why, goodbye) = match end {
        End::Lost(why) => return Ended { why, at_once },
        End::Left(why) => (why, None),
        End::Leave(code, why) => {
            let reason = rules::close_reason(&why).to_owned().into();
            (why, Some(Message::Close(Some(CloseFrame { code: CloseCode::from(code), reason }))))
        }
    };
    let ending = async {
        if let Some(goodbye) = goodbye {
            sink.send(goodbye).await.ok()?;
        }
        // What the peer still sends is read, or the reset that follows would destroy our Close frame on its way. The
        // answer to its own Close frame is sent by reading on.
        while !matches!(source.next().await?.ok()?, Message::Close(_)) {}
        Some(())
    };
    let _ = timeout(CLOSE_WAIT, ending).await;
    Ended { why, at_once }
}

async fn send(sink: &mut SplitSink<Socket, Message>, message: Message) -> Result<(), End> {
    within(sink.send(message)).await
}

/// Sends a Record past the library, between two of its frames.
async fn send_long(
    sink: &mut SplitSink<Socket, Message>,
    ahead: &Ahead,
    record: Vec<u8>,
    masks: bool,
) -> Result<(), End> {
    within(async {
        // Nothing is written between this and the next wait.
        sink.flush().await?;
        let mask = masks.then(|| random::seed().first_chunk().copied().unwrap_or_default());
        ahead.put(wire::frame(record, mask));
        sink.flush().await
    })
    .await
}

async fn within(sent: impl Future<Output = Result<(), Error>>) -> Result<(), End> {
    match timeout(WRITE_WAIT, sent).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(failure(&error)),
        Err(_) => Err(End::Lost("the peer does not read what is sent to it".into())),
    }
}

fn farewell(frame: Option<CloseFrame>) -> String {
    match frame {
        Some(frame) => format!("the peer closed the session: {} {}", u16::from(frame.code), frame.reason),
        None => "the peer closed the session".into(),
    }
}

fn failure(error: &Error) -> End {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => End::Lost("the connection was closed".into()),
        Error::Capacity(_) => End::Leave(1009, format!("more than {MAX_RECORD} octets in a message")),
        Error::Protocol(why) => End::Leave(1002, why.to_string()),
        Error::Utf8(_) => End::Leave(NOT_A_RECORD, "text is no Record".into()),
        other => End::Lost(other.to_string()),
    }
}
