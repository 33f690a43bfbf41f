//! What lies between the task of a link and [`super::Links`]: events one way, bounded queues the other.

use crate::usp::mtp::{Details, LinkEvent, MAX_SENT, Up};
use crate::usp::notice::MAX_NOTICES;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Most Records that wait for a connection to take them: all notices that two controllers have waiting, as the agent
/// hands them over at once, before the connection's task runs. Memory is bound by [`MAX_QUEUED_OCTETS`].
pub const MAX_QUEUED: usize = 2 * MAX_NOTICES;
/// Most octets of them.
pub const MAX_QUEUED_OCTETS: usize = MAX_SENT;
/// How long a peer may take to read one Record, or anything else that is sent.
pub const WRITE_WAIT: Duration = Duration::from_secs(30);

/// What a task tells.
pub enum Told {
    /// A connection stands, with the queue of what is to be sent on it.
    Up(Box<Up>, Outbox),
    /// Anything else.
    Event(LinkEvent),
}

/// What is to be done on a connection.
pub enum Item {
    /// A Record, or what else is a message of its own.
    Record {
        /// Where it is published; only MQTT.
        topic: Option<Box<str>>,
        /// Whether the broker keeps it.
        retain: bool,
        /// The octets.
        record: Vec<u8>,
        /// Its share of the queue, given back when it was sent.
        room: Option<OwnedSemaphorePermit>,
    },
    /// The end, after what was queued before.
    Close {
        /// Of a WebSocket.
        code: u16,
        /// In words.
        reason: Box<str>,
    },
}

/// The queue of a connection; without it the connection ends.
pub struct Outbox {
    items: mpsc::Sender<Item>,
    room: Arc<Semaphore>,
    _alive: oneshot::Sender<()>,
}

impl Outbox {
    /// Queues without waiting; refused, in words, where there is no room.
    pub fn push(&self, mut item: Item) -> Result<(), &'static str> {
        if let Item::Record { record, room, .. } = &mut item {
            let octets = u32::try_from(record.len()).unwrap_or(u32::MAX);
            let found = self.room.clone().try_acquire_many_owned(octets);
            *room = Some(found.map_err(|_| "the peer does not read what is sent to it")?);
        }
        self.items.try_send(item).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => "the peer does not read what is sent to it",
            mpsc::error::TrySendError::Closed(_) => "the connection has just ended",
        })
    }
}

/// The other end of an [`Outbox`].
pub struct Inbox {
    /// What is to be done.
    pub items: mpsc::Receiver<Item>,
    /// Resolves when the connection is to be cut.
    pub cut: oneshot::Receiver<()>,
}

/// Where a task tells what happens.
#[derive(Clone)]
pub struct Reports {
    name: Box<str>,
    told: mpsc::Sender<Told>,
    ids: Arc<AtomicU32>,
}

impl Reports {
    /// For the link of that name; connections take their numbers from `ids`.
    pub fn new(name: Box<str>, told: mpsc::Sender<Told>, ids: Arc<AtomicU32>) -> Reports {
        Reports { name, told, ids }
    }

    /// The link's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A number for a connection that comes to stand; begins anew after 2³², since MIPS has no larger atomics.
    pub fn number(&self) -> u64 {
        u64::from(self.ids.fetch_add(1, Ordering::Relaxed))
    }

    /// Tells of a connection that stands; what is to be done on it.
    pub async fn up(&self, up: Up) -> Inbox {
        let (items, inbox) = mpsc::channel(MAX_QUEUED);
        let (alive, cut) = oneshot::channel();
        let outbox = Outbox { items, room: Arc::new(Semaphore::new(MAX_QUEUED_OCTETS)), _alive: alive };
        // Where nobody listens any more the queue is dropped at once, and the connection cut.
        let _ = self.told.send(Told::Up(Box::new(up), outbox)).await;
        Inbox { items: inbox, cut }
    }

    /// Tells of a Record.
    pub async fn record(&self, link: u64, bytes: Vec<u8>, reply_to: Option<Box<str>>) {
        self.event(LinkEvent::Record { link, bytes, reply_to }).await;
    }

    /// Tells that subscriptions changed.
    pub async fn changed(&self, link: u64, reply_topic: Option<Box<str>>, details: Details) {
        self.event(LinkEvent::Changed { link, reply_topic, details }).await;
    }

    /// Tells that a port is open.
    pub async fn listening(&self, port: u16) {
        self.event(LinkEvent::Listening { name: self.name.clone(), port }).await;
    }

    /// Tells of an end.
    pub async fn down(&self, link: Option<u64>, why: String, failures: u32, retry_in: Option<Duration>) {
        self.event(LinkEvent::Down { name: self.name.clone(), link, why, failures, retry_in }).await;
    }

    async fn event(&self, event: LinkEvent) {
        let _ = self.told.send(Told::Event(event)).await;
    }
}
