//! What a [`Client`] tells its driver, and why a call gave no result.

use super::blob;
#[cfg(doc)]
use super::client::Client;
use super::frame::Status;
use super::publish::Invocation;
use crate::dm::tree::Tree;
use crate::sorted::Map;
use std::fmt;

/// Names one call to match its [`Event::Reply`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub(super) u64);

/// Why a call gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The server or the method said so.
    Status(Status),
    /// The caller's deadline passed first.
    Deadline,
    /// ubusd is not there, or says nothing.
    Silent,
    /// The connection ended after the call was sent: whether it took effect is unknown.
    Lost,
    /// The object went away after the call was sent.
    Vanished,
    /// A bound of the client is reached.
    Busy,
    /// The request cannot be written, or the reply not be read.
    Malformed(blob::Error),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Status(status) => status.fmt(f),
            CallError::Deadline => f.write_str("no answer in time"),
            CallError::Silent => f.write_str("ubusd does not answer"),
            CallError::Lost => f.write_str("connection lost"),
            CallError::Vanished => f.write_str("the object went away"),
            CallError::Busy => f.write_str("too many calls at once"),
            CallError::Malformed(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for CallError {}

/// An object as a lookup shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its path, such as `network.interface.lan`.
    pub path: Box<str>,
    /// Its number for as long as it stays registered.
    pub id: u32,
    /// Methods with their declared arguments and blobmsg types.
    pub methods: Methods,
}

/// Methods by name, each with its declared arguments and their blobmsg types.
pub type Methods = Map<Box<str>, Vec<(Box<str>, u8)>>;

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The server greeted us.
    Connected,
    /// A call ended; its results in order of arrival (most methods give one, some none or several).
    Reply(CallId, Result<Vec<Tree>, CallError>),
    /// A listing ended.
    Listed(CallId, Result<Vec<Found>, CallError>),
    /// A broadcast event that matches a pattern given to [`Client::listen`].
    Heard {
        /// Such as `network.interface`.
        id: Box<str>,
        /// Its content.
        data: Tree,
    },
    /// A notification of an object given to [`Client::subscribe`].
    Notified {
        /// The path subscribed to.
        source: Box<str>,
        /// Such as `interface.update`.
        kind: Box<str>,
        /// Its content.
        data: Tree,
    },
    /// A wanted subscription stands; what happened before is not known.
    Subscribed(Box<str>),
    /// An object was registered.
    Appeared(Box<str>),
    /// An object went away.
    Vanished(Box<str>),
    /// An object of ours is registered, or the server refused it.
    Published(Box<str>, Result<(), CallError>),
    /// A method of ours was called; to be answered by [`Client::reply`] and [`Client::finish`], now or later.
    Invoked(Invocation),
}
