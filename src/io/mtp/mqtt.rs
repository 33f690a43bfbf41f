//! A connection to an MQTT broker: the socket, the deadlines, and trying again.
//!
//! What is said is [`crate::usp::mtp::mqtt::session`]'s.

use super::dial::{Dates, Dialled, Site, dial};
use super::link::{Inbox, Item, Reports, WRITE_WAIT};
use crate::io::http::connect::Stream;
use crate::rng::Rng;
use crate::usp::mtp::mqtt::counts::Counts;
use crate::usp::mtp::mqtt::packet;
use crate::usp::mtp::mqtt::session::{End, Output, Session, Unacknowledged};
use crate::usp::mtp::{Mqtt, Up, Wanted};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// From CONNECT to the first subscription.
pub const OPENING_WAIT: Duration = Duration::from_secs(30);
/// For DISCONNECT to leave, and for the broker to close behind it.
const GOODBYE_WAIT: Duration = Duration::from_secs(2);

/// Connects, again and again, until it is no longer wanted.
pub async fn run(
    site: Arc<Site>,
    mut wanted: Mqtt,
    mut changes: watch::Receiver<Wanted>,
    reports: Reports,
    counts: Shared,
    mut rng: Rng,
) {
    let mut failures = 0;
    let mut unacknowledged = Unacknowledged::new();
    loop {
        let to = (&*wanted.host, wanted.port);
        let dialled = tokio::select! {
            dialled = dial(&site, to, wanted.tls.as_ref(), None, &wanted.network) => dialled,
            () = super::dial::unwanted(&mut changes) => return,
        };
        let ended = match dialled {
            Err(why) => Ended { why, ..Ended::default() },
            Ok(dialled) => {
                let kept = std::mem::take(&mut unacknowledged);
                let mut connection = Connection::new(&site, &reports, &counts, dialled, wanted.clone(), kept);
                let ended = connection.run(&mut changes).await;
                let used = connection.session.client_id();
                if connection.link.is_some() && !used.is_empty() {
                    //= TR-369 R-MQTT.11: what worked once is used again.
                    wanted.client_id = Some(used.into());
                }
                unacknowledged = connection.session.into_unacknowledged();
                ended
            }
        };
        if ended.link.is_some() {
            failures = 0;
        }
        if changes.has_changed().is_err() {
            return reports.down(ended.link, ended.why, failures + 1, None).await;
        }
        if ended.at_once {
            reports.down(ended.link, ended.why, 0, Some(Duration::ZERO)).await;
            continue;
        }
        count(&counts, Counts::failed);
        failures += 1;
        //= TR-369 R-MQTT.10: after a failure there is a wait, which grows.
        //= TR-369 R-MQTT.33: also where the broker closed the connection.
        let wait = ended.again.then(|| wanted.retry.wait(failures, &mut rng));
        reports.down(ended.link, ended.why, failures, wait).await;
        tokio::select! {
            () = async {
                match wait {
                    Some(wait) => sleep(wait).await,
                    None => std::future::pending().await,
                }
            } => {}
            changed = changes.changed() => if changed.is_err() { return },
        }
        if let Wanted::Mqtt(now) = &*changes.borrow_and_update() {
            let client_id = now.client_id.clone().or(wanted.client_id);
            wanted = Mqtt { client_id, ..now.clone() };
        }
    }
}

/// How a connection ended.
struct Ended {
    /// Where it stood.
    link: Option<u64>,
    why: String,
    again: bool,
    /// Whether a new one is wanted without a wait.
    at_once: bool,
}

impl Default for Ended {
    fn default() -> Ended {
        Ended { link: None, why: String::new(), again: true, at_once: false }
    }
}

/// What all connections of one client count.
pub type Shared = Arc<Mutex<Counts>>;

/// Counts; what another thread left behind when it failed is as good.
fn count(counts: &Mutex<Counts>, what: impl FnOnce(&mut Counts)) {
    what(&mut counts.lock().unwrap_or_else(PoisonError::into_inner));
}

struct Connection<'a> {
    site: &'a Site,
    reports: &'a Reports,
    counts: &'a Mutex<Counts>,
    session: Session,
    read: ReadHalf<Box<dyn Stream>>,
    write: WriteHalf<Box<dyn Stream>>,
    buffer: Vec<u8>,
    /// What is told of it, without its topics.
    up: Up,
    dates: Dates,
    link: Option<u64>,
    inbox: Option<Inbox>,
    /// When something was last sent.
    sent: Instant,
    /// When the broker must have answered a ping.
    overdue: Option<Instant>,
    /// Whether the agent ended it, to have another one.
    at_once: bool,
}

/// What a connection waits for.
enum Next {
    Read(std::io::Result<usize>),
    Item(Option<Item>),
    Cut,
    Ping,
    Overdue,
    Change(bool),
}

impl<'a> Connection<'a> {
    fn new(
        site: &'a Site,
        reports: &'a Reports,
        counts: &'a Mutex<Counts>,
        dialled: Dialled,
        wanted: Mqtt,
        kept: Unacknowledged,
    ) -> Connection<'a> {
        let session = Session::new(wanted, kept);
        let up = Up {
            link: 0,
            name: reports.name().into(),
            peer: None,
            certificate: dialled.certificate,
            encrypted: dialled.encrypted,
            reply_topic: None,
            local_address: Some(dialled.local.ip().to_canonical()),
            peer_address: Some(dialled.peer.ip().to_canonical()),
            details: session.details(),
        };
        let (read, write) = tokio::io::split(dialled.stream);
        Connection {
            site,
            reports,
            counts,
            session,
            read,
            write,
            buffer: Vec::new(),
            up,
            dates: dialled.dates,
            link: None,
            inbox: None,
            sent: Instant::now(),
            overdue: None,
            at_once: false,
        }
    }

    async fn run(&mut self, changes: &mut watch::Receiver<Wanted>) -> Ended {
        let end = match self.converse(changes).await {
            Ok(why) => End { why, again: true, reason: 0 },
            Err(end) => end,
        };
        //= TR-369 R-MQTT.35: the broker is told.
        let goodbye = async {
            self.write.write_all(&self.session.disconnect(end.reason)).await?;
            self.write.shutdown().await?;
            // Closed while the broker still acknowledges, the connection would be reset, and the goodbye lost with it.
            let mut rest = [0; 256];
            while changes.has_changed().is_err() && self.read.read(&mut rest).await? > 0 {}
            std::io::Result::Ok(())
        };
        let _ = timeout(GOODBYE_WAIT, goodbye).await;
        Ended { link: self.link, why: end.why, again: end.again, at_once: self.at_once }
    }

    /// Everything between the connection and its end; what ended it.
    async fn converse(&mut self, changes: &mut watch::Receiver<Wanted>) -> Result<String, End> {
        let opening = Instant::now() + OPENING_WAIT;
        let mut wanted = true;
        loop {
            if let Err(why) = self.settle().await {
                return Ok(why);
            }
            let every = match self.session.keep_alive() {
                0 => None,
                // Early enough that the broker hears of us within its own wait.
                seconds => Some(Duration::from_millis(u64::from(seconds) * 750)),
            };
            let ping = every.filter(|_| self.overdue.is_none()).map(|every| self.sent + every);
            let overdue = if self.session.is_up() { self.overdue } else { Some(opening) };
            let room = self.session.has_room();
            // No octet is taken before the last one was dealt with: that bounds what waits.
            let mut part = [0; 4096];
            let next = tokio::select! {
                read = self.read.read(&mut part) => Next::Read(read),
                next = order(&mut self.inbox, room) => next,
                () = until(ping) => Next::Ping,
                () = until(overdue) => Next::Overdue,
                changed = changes.changed(), if wanted => Next::Change(changed.is_ok()),
            };
            match next {
                Next::Read(Ok(0)) => return Ok("the broker closed the connection".into()),
                Next::Read(Ok(count)) => {
                    self.overdue = None;
                    self.buffer.extend_from_slice(part.get(..count).unwrap_or_default());
                }
                Next::Read(Err(error)) => return Ok(error.to_string()),
                Next::Item(Some(Item::Record { topic, retain, record, room })) => {
                    if let Err(why) = self.session.send(topic.as_deref(), retain, record) {
                        log::warn!("{}: a Record is not sent: {why}", self.reports.name());
                    }
                    drop(room);
                }
                Next::Item(Some(Item::Close { reason, .. })) => {
                    self.at_once = true;
                    return Ok(reason.into());
                }
                Next::Item(None) => return Ok("no longer wanted".into()),
                Next::Cut => return Ok("the broker does not read what is sent to it".into()),
                Next::Ping => {
                    if let Err(why) = self.dates.look(self.site.wall()) {
                        return Ok(why);
                    }
                    let wait = every.unwrap_or_default();
                    self.overdue = Some(Instant::now() + wait);
                    if let Err(why) = self.write(&packet::ping_req()).await {
                        return Ok(why);
                    }
                }
                Next::Overdue if self.session.is_up() => {
                    return Ok("the broker does not answer a ping".into());
                }
                Next::Overdue => return Ok("the broker takes too long".into()),
                Next::Change(true) => {
                    let now = match &*changes.borrow_and_update() {
                        Wanted::Mqtt(now) => now.clone(),
                        Wanted::WebSocketClient(_) | Wanted::WebSocketServer(_) => continue,
                    };
                    if now.client_id.as_deref().is_some_and(|id| id != self.session.client_id()) {
                        return Ok("another client id is to be used".into());
                    }
                    self.session.retune(now)?;
                }
                Next::Change(false) => {
                    wanted = false;
                    match &mut self.inbox {
                        Some(inbox) => inbox.items.close(),
                        None => return Ok("no longer wanted".into()),
                    }
                }
            }
            self.take_packets().await?;
        }
    }

    /// Takes in what was read, one packet after the other, with all that follows from each.
    async fn take_packets(&mut self) -> Result<(), End> {
        loop {
            let first = self.buffer.first().copied().unwrap_or_default();
            let Some(packet) = self.session.take(&mut self.buffer)? else { return Ok(()) };
            count(self.counts, |counts| counts.received(first, self.site.wall()));
            if matches!(&packet, packet::Incoming::PubAck { reason: 0x80.., .. }) {
                count(self.counts, Counts::refused);
            }
            self.session.receive(packet)?;
            self.settle().await.map_err(|why| End { why, again: true, reason: 0 })?;
        }
    }

    /// Carries out what the session wants.
    async fn settle(&mut self) -> Result<(), String> {
        while let Some(output) = self.session.poll() {
            match output {
                Output::Write(octets) => self.write(&octets).await?,
                Output::Up => {
                    count(self.counts, |counts| counts.established(self.site.wall()));
                    let link = self.reports.number();
                    let up = Up {
                        link,
                        reply_topic: self.session.reply_topic(),
                        details: self.session.details(),
                        ..self.up.clone()
                    };
                    self.link = Some(link);
                    self.inbox = Some(self.reports.up(up).await);
                }
                Output::Changed => {
                    if let Some(link) = self.link {
                        let (reply, details) = (self.session.reply_topic(), self.session.details());
                        self.reports.changed(link, reply, details).await;
                    }
                }
                Output::Record(bytes, reply_to) => {
                    if let Some(link) = self.link {
                        self.reports.record(link, bytes, reply_to).await;
                    }
                }
            }
        }
        Ok(())
    }

    async fn write(&mut self, octets: &[u8]) -> Result<(), String> {
        let written = async {
            self.write.write_all(octets).await?;
            self.write.flush().await
        };
        let cut = async {
            match &mut self.inbox {
                Some(inbox) => drop((&mut inbox.cut).await),
                None => std::future::pending().await,
            }
        };
        let done = tokio::select! {
            done = timeout(WRITE_WAIT, written) => done,
            () = cut => return Err("the broker does not read what is sent to it".into()),
        };
        self.sent = Instant::now();
        match done {
            Ok(Ok(())) => {
                let first = octets.first().copied().unwrap_or_default();
                count(self.counts, |counts| counts.sent(first, self.site.wall()));
                Ok(())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the broker does not read what is sent to it".into()),
        }
    }
}

/// What is to be done next on a connection that stands; Records wait while the broker takes no more.
async fn order(inbox: &mut Option<Inbox>, room: bool) -> Next {
    let Some(Inbox { items, cut }) = inbox else { return std::future::pending().await };
    let cut: &mut oneshot::Receiver<()> = cut;
    tokio::select! {
        item = items.recv(), if room => Next::Item(item),
        _ = cut => Next::Cut,
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
