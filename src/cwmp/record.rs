//! What of the sessions must survive a power cut, line by line: the records of the append-only log.
//!
//! What they come to is [`super::ledger`]'s; where they are written is `io::store`'s.

use super::events::Code;
use super::schedule::Scheduled;
use crate::dm::tree::Tree;
use crate::time::Wall;
use std::time::Duration;

/// One undelivered event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Counts up over all events ever raised.
    pub serial: u64,
    /// What happened.
    pub code: Code,
    /// The key of the command that caused it; empty but for multiple events.
    pub command_key: String,
}

/// A line of the append-only log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An event to be kept. A BOOTSTRAP also discards all before it.
    Raised(Entry),
    /// These events need not be told any more.
    Done(Vec<u64>),
    /// The server that has taken a BOOTSTRAP.
    Bootstrapped(String),
    /// How often the session in hand has failed.
    Failures(u32),
    /// Whether a factory reset was promised.
    ResetPending(bool),
    /// A ScheduleInform that waits, until an event with its serial is raised.
    Scheduled(Scheduled),
}

impl Record {
    /// As a tree for the log.
    pub fn to_tree(&self) -> Tree {
        match self {
            Record::Raised(entry) => Tree::map([
                ("event", Tree::from(entry.code.text())),
                ("serial", entry.serial.to_string().into()),
                ("key", entry.command_key.clone().into()),
            ]),
            Record::Done(serials) => {
                Tree::map([("done", Tree::List(serials.iter().map(|s| s.to_string().into()).collect()))])
            }
            Record::Bootstrapped(acs) => Tree::map([("bootstrapped", Tree::from(acs.clone()))]),
            Record::Failures(count) => Tree::map([("failures", Tree::from(count.to_string()))]),
            Record::ResetPending(pending) => {
                Tree::map([("reset", Tree::from(if *pending { "1" } else { "0" }))])
            }
            Record::Scheduled(scheduled) => {
                let mut out = vec![
                    ("scheduled", Tree::from(scheduled.command_key.clone())),
                    ("serial", scheduled.serial.to_string().into()),
                    ("delay", scheduled.delay.as_secs().to_string().into()),
                ];
                out.extend(scheduled.wall.map(|wall| ("at", wall.seconds.to_string().into())));
                Tree::map(out)
            }
        }
    }

    /// From a tree of the log; `None` for what is no record.
    pub fn from_tree(tree: &Tree) -> Option<Record> {
        if let Some(event) = tree.str("event") {
            return Some(Record::Raised(Entry {
                serial: tree.str("serial")?.parse().ok()?,
                code: Code::parse(event)?,
                command_key: tree.str("key")?.to_string(),
            }));
        }
        if let Some(done) = tree.get("done") {
            let serials = done.items().iter().map(|serial| serial.as_str()?.parse().ok());
            return serials.collect::<Option<Vec<u64>>>().map(Record::Done);
        }
        if let Some(acs) = tree.str("bootstrapped") {
            return Some(Record::Bootstrapped(acs.to_string()));
        }
        if let Some(count) = tree.str("failures") {
            return count.parse().ok().map(Record::Failures);
        }
        if let Some(key) = tree.str("scheduled") {
            return Some(Record::Scheduled(Scheduled {
                serial: tree.str("serial")?.parse().ok()?,
                command_key: key.to_string(),
                delay: Duration::from_secs(tree.str("delay")?.parse().ok()?),
                wall: tree.str("at").and_then(|seconds| Some(Wall::at(seconds.parse().ok()?))),
            }));
        }
        tree.str("reset").map(|pending| Record::ResetPending(pending == "1"))
    }
}
