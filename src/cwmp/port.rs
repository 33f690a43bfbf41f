//! What the sessions are told and what they ask for: the two sides of [`super::session`].

use super::events::Code;
use super::inform::Gathered;
use super::ledger::Record;
use super::rpc::{Answer, Rpc, TransferComplete};
use super::soap::writer::Outgoing;
use crate::periodic::Periodic;
use crate::retry::Curve;
use std::time::Duration;

/// What a person or the ACS may set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// EnableCWMP, and a URL is known.
    pub enabled: bool,
    /// Names the server and who we are to it: a change of it means BOOTSTRAP. The URL and the OUI.
    pub acs: String,
    /// The waits between retries.
    pub retry: Curve,
    /// PeriodicInformEnable, -Interval and -Time.
    pub periodic: Option<Periodic>,
    /// DefaultActiveNotificationThrottle.
    pub throttle: Duration,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The program has started. Comes once, after the first settings; no session starts before.
    Started,
    /// New settings.
    Settings(Settings),
    /// Something the ACS is to be told, with the command key of a multiple event.
    Raised(Code, String),
    /// A parameter under active notification has changed.
    Changed,
    /// A transfer has ended: raises `code` and queues the request. To be said again after a restart, until
    /// [`Action::Delivered`]; beyond [`super::session::MAX_REQUESTS`] it is not taken.
    Transferred(Code, TransferComplete),
    /// [`super::session::Session::next_timer`] has come.
    Timer,
    /// The answer to [`Action::Gather`].
    Gathered(Gathered),
    /// Or that it cannot be read now who the device is, and why: the session has failed.
    NotGathered(String),
    /// The answer of the ACS to a POST, redirects and authentication done. An empty body is empty.
    Reply {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: Vec<u8>,
    },
    /// A POST could not be answered; why, for the log.
    Lost(String),
    /// There is a way to the ACS again, for want of which the last POST could not even begin.
    Way,
    /// The answer to [`Action::Serve`].
    Served(Answer),
    /// Something could not be made durable that was to be so before the POST that waits behind it. Where that is an
    /// answer ([`super::session::Session::is_answering`]) it must not leave, and another one comes; all else goes on.
    NotKept,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Append to the event log, durably, before any later action.
    Persist(Vec<Record>),
    /// Read identity, forced and changed parameters; a session begins.
    Gather,
    /// Send a POST; the connection is opened where none is.
    Post(Outgoing),
    /// The changed parameters last gathered have been told.
    Informed,
    /// Carry out a request.
    Serve(Rpc),
    /// A request that needs no data model was answered: its name and CommandKey, and the code of the fault if it was
    /// refused.
    Commanded(&'static str, String, Option<u16>),
    /// A TransferComplete was taken by the ACS.
    Delivered(TransferComplete),
    /// Close the connection and forget its cookies.
    Close,
    /// The session is over; deferred changes may be applied.
    Ended(Outcome),
    /// Restart the device.
    Reboot,
    /// Reset the device to its factory state and restart it.
    FactoryReset,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Done,
    /// It is tried again later; why it failed, for the log.
    Failed(String),
}
