//! WebSocket sessions: the one that we open and keep up, and what any session does while it stands.
//!
//! Frames and the rules of the opening are [`crate::usp::mtp::websocket`]'s. Accepted sessions come from [`super::server`].

use super::dial::{Dates, Dialled, Site, dial, unwanted};
use super::link::{Inbox, Item, Reports, WRITE_WAIT};
use crate::io::http::connect::Stream;
use crate::io::http::head::{self, Headers, MAX_REQUEST_FIELDS, MAX_REQUEST_HEAD};
use crate::io::http::url::Url;
use crate::io::random;
use crate::rng::Rng;
use crate::usp::endpoint::EndpointId;
use crate::usp::mtp::websocket as rules;
use crate::usp::mtp::websocket::frame::{Incoming, Kind, Reader, farewell, frame};
use crate::usp::mtp::{Details, GOING_AWAY, NORMAL, Up, Wanted, WebSocketClient};
use std::io::Cursor;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

/// For the whole opening, TLS apart.
pub const OPENING_WAIT: Duration = Duration::from_secs(30);
/// From a Close frame to the end of the connection.
pub const CLOSE_WAIT: Duration = Duration::from_secs(5);
/// Why a peer is cut.
const UNREAD: &str = "the peer does not read what is sent to it";
/// Octets that are read at a time.
const PART: usize = 4096;

/// A connection whose opening is done.
pub struct Socket {
    /// The connection.
    pub stream: Box<dyn Stream>,
    /// What came behind the peer's part of the opening.
    pub rest: Vec<u8>,
    /// Whether we opened it, so that what we send is masked, and what the peer sends is not.
    pub ours: bool,
}

/// Opens the session that is wanted, again and again, until it is no longer wanted.
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
                let alive = Alive { keep_alive: wanted.keep_alive, dates: dialled.dates, site: site.clone() };
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
//= TR-369 R-WS.5: the Agent opens sessions.
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
    Ok((Socket { stream, rest, ours: true }, peer))
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
    /// The peer said goodbye, with this code.
    Left(u16, String),
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
    socket: Socket,
    reports: &Reports,
    link: u64,
    inbox: Inbox,
    mut alive: Alive,
    changes: &mut watch::Receiver<Wanted>,
) -> Ended {
    let (read, write) = tokio::io::split(socket.stream);
    let heard = AtomicBool::new(true);
    let frames = Reader::new(!socket.ours);
    let mut ear = Ear { stream: read, frames, octets: socket.rest, taken: 0, heard: &heard };
    let mut mouth = Mouth { stream: write, masks: socket.ours, ahead: Cursor::default() };
    // Of several Pings the last one is answered.
    let (asked, mut pings) = watch::channel(Vec::new());
    let Inbox { mut items, mut cut } = inbox;
    let end = {
        let read = async {
            loop {
                match ear.next().await {
                    //= TR-369 R-WS.14: a binary message is a Record.
                    //= TR-369 R-WS.14b: its fragments were put together.
                    Ok(Incoming::Record(record)) => {
                        reports.record(link, record, None).await;
                        heard.store(true, Ordering::Relaxed);
                    }
                    //= TR-369 R-WS.17: a Ping is answered with a Pong.
                    Ok(Incoming::Ping(payload)) => drop(asked.send_replace(payload)),
                    Ok(Incoming::Pong) => {}
                    Ok(Incoming::Close(None)) => {
                        return End::Left(NORMAL, "the peer closed the session".into());
                    }
                    Ok(Incoming::Close(Some((code, reason)))) => {
                        return End::Left(code, format!("the peer closed the session: {code} {reason}"));
                    }
                    Err(end) => return end,
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
                let (kind, payload, _room) = tokio::select! {
                    item = items.recv() => match item {
                        //= TR-369 R-WS.14a: a message is sent as one frame.
                        Some(Item::Record { record, room, .. }) => (Kind::Record, record, room),
                        Some(Item::Close { code, reason }) => return End::Leave(code, reason.into()),
                        None => return End::Leave(GOING_AWAY, "no longer wanted".into()),
                    },
                    //= TR-369 R-WS.17: Pings are sent regularly.
                    _ = ticks.tick() => {
                        if let Err(why) = alive.dates.look(alive.site.wall()) {
                            return End::Leave(GOING_AWAY, why);
                        }
                        if !heard.swap(false, Ordering::Relaxed) {
                            return End::Lost("the peer does not answer a Ping".into());
                        }
                        (Kind::Ping, Vec::new(), None)
                    }
                    Ok(()) = pings.changed() => (Kind::Pong, pings.borrow_and_update().clone(), None),
                    () = unwanted(changes), if wanted => {
                        wanted = false;
                        items.close();
                        continue;
                    }
                };
                if let Err(end) = mouth.send(kind, payload).await {
                    return end;
                }
            }
        };
        let (read, write) = (pin!(read), pin!(write));
        tokio::select! {
            end = read => end,
            end = write => end,
            _ = &mut cut => End::Lost(UNREAD.into()),
        }
    };
    //= TR-369 R-WS.8: a Close frame is sent or answered, and the connection ends.
    let at_once = matches!(end, End::Leave(NORMAL, _));
    let (code, why, answer) = match end {
        End::Lost(why) => return Ended { why, at_once },
        End::Left(code, why) => (code, why, true),
        End::Leave(code, why) => (code, why, false),
    };
    let ending = async {
        let reason = if answer { "" } else { &why };
        mouth.send(Kind::Close, farewell(code, reason)).await.ok()?;
        // What the peer still sends is read, or the reset that follows would destroy our Close frame on its way.
        while !answer && !matches!(ear.next().await.ok()?, Incoming::Close(_)) {}
        Some(())
    };
    let _ = timeout(CLOSE_WAIT, ending).await;
    Ended { why, at_once }
}

/// What comes from a peer.
struct Ear<'a> {
    stream: ReadHalf<Box<dyn Stream>>,
    frames: Reader,
    /// What was read, and how much of it was taken.
    octets: Vec<u8>,
    taken: usize,
    /// Set with whatever comes.
    heard: &'a AtomicBool,
}

impl Ear<'_> {
    /// The next message. May be dropped while it waits.
    async fn next(&mut self) -> Result<Incoming, End> {
        loop {
            let mut fresh = self.octets.get(self.taken..).unwrap_or_default();
            let found = self.frames.take(&mut fresh);
            self.taken = self.octets.len() - fresh.len();
            if let Some(message) = found.map_err(|refused| End::Leave(refused.code, refused.why.into()))? {
                return Ok(message);
            }
            self.octets.clear();
            self.octets.reserve(PART);
            self.taken = 0;
            match self.stream.read_buf(&mut self.octets).await {
                Ok(0) => return Err(End::Lost("the connection was closed".into())),
                Ok(_) => self.heard.store(true, Ordering::Relaxed),
                Err(error) => return Err(End::Lost(error.to_string())),
            }
        }
    }
}

/// What goes to a peer.
struct Mouth {
    stream: WriteHalf<Box<dyn Stream>>,
    masks: bool,
    /// What is not written yet; more than one frame where a send was dropped.
    ahead: Cursor<Vec<u8>>,
}

impl Mouth {
    /// Sends a frame. May be dropped while it waits: the next one is then written behind it.
    async fn send(&mut self, kind: Kind, payload: Vec<u8>) -> Result<(), End> {
        let mask = self.masks.then(|| random::seed().first_chunk().copied().unwrap_or_default());
        let frame = frame(kind, payload, mask);
        match self.ahead.get_mut() {
            none if none.is_empty() => *none = frame,
            left => left.extend(frame),
        }
        let written = async {
            self.stream.write_all_buf(&mut self.ahead).await?;
            self.stream.flush().await
        };
        let written = timeout(WRITE_WAIT, written).await;
        match written {
            Ok(Ok(())) => {
                self.ahead = Cursor::default();
                Ok(())
            }
            Ok(Err(error)) => Err(End::Lost(error.to_string())),
            Err(_) => Err(End::Lost(UNREAD.into())),
        }
    }
}
