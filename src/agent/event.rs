//! What the agent is told and what it wants done: the whole of what passes between it and who drives it.
//!
//! What either leads to is in [`Agent`](super::Agent).

use super::{guard, local};
use crate::audit::Entry;
use crate::config::Config;
#[cfg(feature = "cwmp")]
use crate::cwmp::events::Record;
#[cfg(feature = "cwmp")]
use crate::cwmp::soap::writer::Outgoing;
use crate::diag::{Order, Verdict};
use crate::dm::edit::Edit;
use crate::dm::error::Refusal;
use crate::dm::source::Source;
use crate::dm::tree::Tree;
use crate::sorted::Set;
use crate::state::State;
#[cfg(feature = "usp")]
use crate::usp::mtp::{LinkCommand, LinkEvent, Wanted};

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// The program has started and the stores are read. Comes once, first.
    Started,
    /// The answer to [`Action::Fetch`]; every key asked for is there.
    Fetched(Vec<(Box<str>, Source)>),
    /// The answer to [`Action::Commit`]: its number and the packages whose files changed, or why not.
    Committed(Result<(u64, Vec<Box<str>>), NotCommitted>),
    /// The answer to [`Action::TakeBack`].
    TakenBack(Result<guard::Undone, NotCommitted>),
    /// The ACS answered a POST.
    #[cfg(feature = "cwmp")]
    Reply {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: Vec<u8>,
    },
    /// A POST could not be answered; why, for the log.
    #[cfg(feature = "cwmp")]
    Lost(String),
    /// There is a way to the ACS again, for want of which the last POST could not even begin.
    #[cfg(feature = "cwmp")]
    Way,
    /// [`next_timer`](super::Agent::next_timer) has come.
    Timer,
    /// A valid connection request came.
    #[cfg(feature = "cwmp")]
    Woken,
    /// These sources changed by themselves.
    Changed(Set<Box<str>>),
    /// Facts of the running program that parameters show, such as where connection requests are heard.
    Runtime(Vec<(&'static str, String)>),
    /// A person or a script asks, over the local socket.
    Local(u64, local::Request),
    /// The diagnostic of this number has ended.
    Diagnosed(u64, Verdict),
    /// Something happened on a link of USP.
    #[cfg(feature = "usp")]
    Link(LinkEvent),
    /// An [`Action::Save`] or [`Action::Note`] could not be carried out. Comes at once, ahead of the actions behind it:
    /// what they would tell and cannot hold is replaced.
    NotKept(Unkept),
}

/// What could not be made durable. It is tried again after [`KEEP_WAIT`](super::KEEP_WAIT), or with the next of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unkept {
    /// The state.
    State,
    /// The event log.
    Events,
}

/// Why a commit was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotCommitted {
    /// A file is another one than was planned on: plan again.
    Changed,
    /// It cannot be.
    Refused(Refusal),
}

/// What is to be done, in this order.
#[derive(Debug)]
pub enum Action {
    /// Read these sources.
    Fetch(Set<Box<str>>),
    /// Make edits durable, all or none, and note what is to be called.
    Commit {
        /// What to edit.
        edits: Vec<Edit>,
        /// The sources that still have to be what was read of them last.
        read: Set<Box<str>>,
        /// What [`Action::Announce`] will say is to be called.
        calls: Vec<Box<str>>,
        /// For whom it is kept how to undo the edits.
        keep: Option<Box<str>>,
    },
    /// Undo all commits kept for this manager, as one; the second is for [`State::undone`].
    TakeBack(Box<str>, String),
    /// Keep no longer how to undo the commits of this manager.
    Release(Box<str>),
    /// Keep the state, durably, before any later action.
    Save(Box<State>),
    /// Append the first to the event log, durably, before any later action; the second is what the whole log comes
    /// to with them.
    #[cfg(feature = "cwmp")]
    Note(Vec<Record>, Vec<Record>),
    /// Send a POST to the ACS; the rows of a long list come from [`take_rendering`](super::Agent::take_rendering).
    #[cfg(feature = "cwmp")]
    Post(Outgoing),
    /// Close the connection to the ACS and forget its cookies.
    #[cfg(feature = "cwmp")]
    Close,
    /// Tell the services that these packages changed, then make these calls, such as
    /// `ubus:network.interface.wan renew`, in order.
    Announce(Vec<Box<str>>, Vec<Box<str>>),
    /// Take these settings up.
    Configure(Box<Config>),
    /// Answer a local request.
    Answer(u64, Tree),
    /// Record these changes; not waited for.
    Audit(Vec<Entry>),
    /// A line for the log.
    Log(log::Level, String),
    /// Restart the device.
    Reboot,
    /// Reset the device to its factory state and restart it.
    FactoryReset,
    /// Run a diagnostic; [`Event::Diagnosed`] tells what it came to.
    Diagnose(Box<Order>),
    /// End the diagnostic of this number; nothing is told of it.
    StopDiagnosis(u64),
    /// Have these links, and no others.
    #[cfg(feature = "usp")]
    Links(Vec<Wanted>),
    /// Send, or end a connection.
    #[cfg(feature = "usp")]
    Link(LinkCommand),
}
