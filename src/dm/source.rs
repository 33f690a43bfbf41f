//! Sources, the snapshot of them that a message is answered from, and why a read may stop.
//!
//! A snapshot does not change while functions read it: a source that is missing is noted and the read stops; the
//! driver supplies what was noted and runs the same function again. One fetch per source and message.

use super::error::{Error, Refusal};
use super::schema::Audience;
use super::tree::Tree;
use crate::sorted::{Map, Set};
use crate::time::Now;
use std::cell::RefCell;
use std::sync::Arc;

/// What a source gave.
#[derive(Clone, Debug)]
pub enum Source {
    /// Its tree.
    Ready(Arc<Tree>),
    /// It does not exist now (an interface that is down, hostapd during a reload). Never a reason to drop a row.
    Absent,
    /// It exists but could not be read; the reason in words.
    Failed(String),
}

impl Source {
    /// A source that gave `tree`.
    pub fn ready(tree: Tree) -> Source {
        Source::Ready(Arc::new(tree))
    }
}

/// Why a read stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A source is missing and has been noted; run again once it is there.
    Wait,
    /// It cannot be read.
    Refused(Refusal),
}

impl Stop {
    /// The refusal in the name of `path`; `None` for [`Stop::Wait`].
    pub fn at(self, path: &str) -> Option<Error> {
        match self {
            Stop::Wait => None,
            Stop::Refused(why) => Some(Error { path: path.to_string(), why }),
        }
    }
}

impl From<Refusal> for Stop {
    fn from(why: Refusal) -> Stop {
        Stop::Refused(why)
    }
}

/// Most distinct sources one message may ask for.
pub const MAX_SOURCES: usize = 20_000;

/// A source, and a section of it before it was changed.
pub type Former = (Box<str>, Tree);

/// The sources that one message is answered from.
#[derive(Clone, Default)]
pub struct Snapshot {
    sources: Map<Box<str>, Source>,
    wanted: RefCell<Set<Box<str>>>,
    /// Packages with a committed change that their daemons have not taken up yet: reads prefer what is stored.
    pub unapplied: Set<Box<str>>,
    /// Sections of these packages as their daemons still know them: what they were before they were changed or removed.
    pub former: Arc<Vec<Former>>,
    /// Whether reads prefer what is stored whatever was changed: what a write is about to replace.
    pub stored: bool,
    /// When the message came.
    pub now: Now,
    /// For whom it is read.
    pub audience: Audience,
}

impl Snapshot {
    /// An empty snapshot of the moment `now`.
    pub fn new(now: Now) -> Snapshot {
        Snapshot { now, ..Snapshot::default() }
    }

    /// Whether what is stored in a source goes before what its daemons show.
    pub fn is_unapplied(&self, key: &str) -> bool {
        self.stored || self.unapplied.contains(key)
    }

    /// Sections of a source as its daemons still know them, of those that were changed or removed.
    pub fn former(&self, source: &str) -> impl Iterator<Item = &Tree> {
        self.former.iter().filter(move |(of, _)| **of == *source).map(|(_, section)| section)
    }

    /// The tree of `key`; `None` where the source is absent now. Stops where it is missing or failed.
    pub fn tree(&self, key: &str) -> Result<Option<&Tree>, Stop> {
        match self.sources.get(key) {
            Some(Source::Ready(tree)) => Ok(Some(tree)),
            Some(Source::Absent) => Ok(None),
            Some(Source::Failed(why)) => Err(Stop::Refused(Refusal::Backend(format!("{key}: {why}")))),
            None if self.sources.len() + self.wanted.borrow().len() >= MAX_SOURCES => {
                Err(Stop::Refused(Refusal::Exhausted("too many sources for one message".into())))
            }
            None => {
                self.wanted.borrow_mut().insert(key.into());
                Err(Stop::Wait)
            }
        }
    }

    /// The source of `key` if it has been supplied, without noting it.
    pub fn peek(&self, key: &str) -> Option<&Source> {
        self.sources.get(key)
    }

    /// Puts a source in place.
    pub fn supply(&mut self, key: &str, source: Source) {
        self.wanted.get_mut().remove(key);
        self.sources.insert(key.into(), source);
    }

    /// Takes a source out, so that it is fetched anew when wanted.
    pub fn forget(&mut self, key: &str) {
        self.sources.remove(key);
    }

    /// Takes out every source that is computed from others (`derived:`).
    pub fn forget_derived(&mut self) {
        self.sources.retain(|key, _| !key.starts_with("derived:"));
    }

    /// The keys noted since the last call, in order.
    pub fn take_wanted(&self) -> Set<Box<str>> {
        std::mem::take(&mut *self.wanted.borrow_mut())
    }

    /// The tree of a supplied source, to change; a copy is made if somebody else holds it.
    pub fn tree_mut(&mut self, key: &str) -> Option<&mut Tree> {
        match self.sources.get_mut(key) {
            Some(Source::Ready(tree)) => Some(Arc::make_mut(tree)),
            Some(Source::Absent | Source::Failed(_)) | None => None,
        }
    }

    /// Every key supplied so far.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.sources.keys().map(|key| &**key)
    }
}
