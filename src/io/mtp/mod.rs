//! The links of USP: one task for each that is wanted, and one place where their events come out.
//!
//! | part | owns |
//! |---|---|
//! | [`Links`] | which tasks run, and the way from a connection's number to its queue |
//! | [`link`] | what lies between a task and [`Links`]: queues and their bounds |
//! | [`dial`] | names, addresses, TLS |
//! | [`prompt`] | acknowledgements without delay |
//! | [`websocket`] | sessions, and those we open |
//! | [`server`] | the port of those we accept |
//! | [`mqtt`] | connections to brokers |
//!
//! Knows no Records: octets in, octets out. Each connection has a bounded queue and a deadline for every write, so that a
//! peer that never reads is cut; events are taken from all tasks in turn, so that none starves another.

pub mod dial;
pub mod link;
#[cfg(feature = "mqtt")]
pub mod mqtt;
pub mod prompt;
#[cfg(feature = "websocket")]
pub mod server;
#[cfg(feature = "websocket")]
pub mod websocket;

use crate::dm::source::Source;
#[cfg(feature = "mqtt")]
use crate::dm::tree::Tree;
use crate::io::pool;
use crate::rng::Rng;
use crate::sorted::Map;
use crate::usp::endpoint::EndpointId;
use crate::usp::mtp::{Details, LinkCommand, LinkEvent, NORMAL, Wanted};
use dial::Site;
use link::{Item, Outbox, Reports, Told};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Most links that can be wanted.
pub const MAX_LINKS: usize = 32;
/// Events of all links that wait for the loop; each may hold a Record.
const QUEUE: usize = 8;
/// How long a link that is no longer wanted may take to send what is queued, and to say goodbye.
pub const LINGER: Duration = Duration::from_secs(5);

/// All links.
pub struct Links {
    site: Arc<Site>,
    told: mpsc::Receiver<Told>,
    telling: mpsc::Sender<Told>,
    ids: Arc<AtomicU32>,
    rng: Rng,
    running: Map<Box<str>, Running>,
    standing: Map<u64, Standing>,
    /// What was counted, by the client's section.
    #[cfg(feature = "mqtt")]
    counts: Map<Box<str>, mqtt::Shared>,
}

struct Running {
    wanted: watch::Sender<Wanted>,
    task: JoinHandle<()>,
}

/// A connection that stands.
struct Standing {
    name: Box<str>,
    /// Of an accepted session.
    accepted: Option<EndpointId>,
    outbox: Outbox,
}

impl Links {
    /// None yet.
    pub fn new(site: Site, rng: Rng) -> Links {
        let (telling, told) = mpsc::channel(QUEUE);
        Links {
            site: Arc::new(site),
            told,
            telling,
            ids: Arc::new(AtomicU32::new(1)),
            rng,
            running: Map::new(),
            standing: Map::new(),
            #[cfg(feature = "mqtt")]
            counts: Map::new(),
        }
    }

    /// The source `agent:links`: what was counted since the program started, by the sections of clients of brokers.
    pub fn counts(&self) -> Source {
        #[cfg(feature = "mqtt")]
        return Source::ready(Tree::map(self.counts.iter().map(|(client, counts)| {
            let counts = counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            (client.clone(), counts.tree())
        })));
        #[cfg(not(feature = "mqtt"))]
        Source::Absent
    }

    /// Makes the links those that are wanted. What has not changed is left alone; what is gone or has changed sends what
    /// is queued, says goodbye and ends.
    pub fn configure(&mut self, wanted: Vec<Wanted>) {
        let mut fresh: Map<Box<str>, Wanted> = Map::new();
        for one in wanted {
            if fresh.len() < MAX_LINKS {
                fresh.insert(one.name().into(), one);
            } else {
                log::error!("{}: more than {MAX_LINKS} links", one.name());
            }
        }
        let gone: Vec<Box<str>> = self
            .running
            .iter()
            .filter(|(name, running)| match fresh.get(*name) {
                Some(wanted) => !running.wanted.borrow().goes_on_as(wanted),
                None => true,
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            self.stop(&name);
        }
        #[cfg(feature = "mqtt")]
        self.counts.retain(|client, _| {
            fresh.values().any(|one| matches!(one, Wanted::Mqtt(wanted) if wanted.client == *client))
        });
        for (name, wanted) in fresh {
            match self.running.get(&name) {
                Some(running) => {
                    running.wanted.send_if_modified(|now| {
                        let differs = *now != wanted;
                        *now = wanted;
                        differs
                    });
                }
                None => self.start(name, wanted),
            }
        }
    }

    /// Carries a command out, as far as it goes without waiting.
    pub fn command(&mut self, command: LinkCommand) {
        let (link, item) = match command {
            LinkCommand::Send { link, topic, retain, record } => {
                (link, Item::Record { topic, retain, record, room: None })
            }
            LinkCommand::Close { link, code, reason } => (link, Item::Close { code, reason }),
        };
        self.push(link, item);
    }

    /// The next event. May be dropped while it waits.
    pub async fn next(&mut self) -> LinkEvent {
        loop {
            // A sender is held by ourselves.
            let Some(told) = self.told.recv().await else { std::future::pending().await };
            match told {
                Told::Up(up, outbox) => {
                    let accepted = match &up.details {
                        Details::WebSocket { accepted: true } => up.peer.clone(),
                        Details::WebSocket { accepted: false } | Details::Mqtt { .. } => None,
                    };
                    // Of a link that was stopped while it told: it ends with its queue.
                    if !self.running.contains_key(&up.name) {
                        continue;
                    }
                    self.replace(accepted.as_ref());
                    let standing = Standing { name: up.name.clone(), accepted, outbox };
                    self.standing.insert(up.link, standing);
                    return LinkEvent::Up(up);
                }
                Told::Event(event) => {
                    if let LinkEvent::Down { link: Some(link), .. } = &event {
                        self.standing.remove(link);
                    }
                    return event;
                }
            }
        }
    }

    /// Ends all links in order; returns once they have ended, or after [`LINGER`].
    //= TR-369 R-MQTT.35: a connection to a broker ends with DISCONNECT.
    pub async fn shutdown(mut self) {
        let names: Vec<Box<str>> = self.running.keys().cloned().collect();
        let ending: Vec<JoinHandle<()>> = names.iter().filter_map(|name| self.stop(name)).collect();
        self.told.close();
        for ended in ending {
            let _ = ended.await;
        }
    }

    /// The newer session of an endpoint takes the older one's place.
    //= TR-369 R-WS.4: no more than one session is open between two endpoints.
    fn replace(&mut self, accepted: Option<&EndpointId>) {
        let Some(peer) = accepted else { return };
        let older = self.standing.iter().find(|(_, standing)| standing.accepted.as_ref() == Some(peer));
        if let Some(link) = older.map(|(link, _)| *link) {
            self.push(link, Item::Close { code: NORMAL, reason: "a newer session took its place".into() });
        }
    }

    fn push(&mut self, link: u64, item: Item) {
        let Some(standing) = self.standing.get(&link) else {
            log::debug!("link {link} is gone, and what was to be sent with it");
            return;
        };
        if let Err(why) = standing.outbox.push(item) {
            log::warn!("{}: {why}", standing.name);
            // Without its queue the connection ends at once.
            self.standing.remove(&link);
        }
    }

    fn start(&mut self, name: Box<str>, wanted: Wanted) {
        let reports = Reports::new(name.clone(), self.telling.clone(), self.ids.clone());
        let (sender, changes) = watch::channel(wanted.clone());
        let (site, rng) = (self.site.clone(), Rng::new(self.rng.bytes()));
        let task = match wanted {
            #[cfg(feature = "websocket")]
            Wanted::WebSocketClient(wanted) => {
                pool::spawn(websocket::client(site, wanted, changes, reports, rng))
            }
            #[cfg(feature = "websocket")]
            Wanted::WebSocketServer(wanted) => pool::spawn(server::run(site, wanted, changes, reports, rng)),
            #[cfg(feature = "mqtt")]
            Wanted::Mqtt(wanted) => {
                let counts = self.counts.entry(wanted.client.clone()).or_default().clone();
                pool::spawn(mqtt::run(site, wanted, changes, reports, counts, rng))
            }
            #[cfg(not(all(feature = "websocket", feature = "mqtt")))]
            other => {
                drop((site, rng, changes, reports));
                log::error!("{}: this program was built without its transport", other.name());
                return;
            }
        };
        self.running.insert(name, Running { wanted: sender, task });
    }

    /// Lets a link end by itself; what waits until it has.
    fn stop(&mut self, name: &str) -> Option<JoinHandle<()>> {
        let Running { wanted, mut task } = self.running.remove(name)?;
        // The task sees by it that it is no longer wanted: it sends what is queued, and says goodbye.
        drop(wanted);
        let (ending, others): (Map<_, _>, Map<_, _>) =
            std::mem::take(&mut self.standing).into_iter().partition(|(_, standing)| &*standing.name == name);
        self.standing = others;
        Some(pool::spawn(async move {
            if timeout(LINGER, &mut task).await.is_err() {
                task.abort();
            }
            drop(ending);
        }))
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        for running in self.running.values() {
            running.task.abort();
        }
    }
}

#[cfg(all(test, feature = "websocket"))]
mod tests;
