//! What can go wrong with an exchange, in words for a person.

use super::head::Bad;
use crate::digest::client::Refused;
use std::fmt;
use std::net::SocketAddr;

/// A stage of an exchange that has its own deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Looking up the server's name.
    Name,
    /// Connecting to one address.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Sending a piece of the request.
    Send,
    /// Waiting for the next octets of the answer.
    Answer,
    /// The whole exchange.
    Whole,
}

/// Why an exchange failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The URL is not one of `http` or `https`.
    Url(String),
    /// The name has no address: the name, and the resolver's reason.
    Name(String, String),
    /// No address could be connected to: each with its reason.
    Connect(Vec<(SocketAddr, String)>),
    /// A socket option (interface, source address, mark) was refused.
    Socket(String),
    /// TLS failed or is not set up.
    Tls(String),
    /// A deadline passed.
    Timeout(Stage),
    /// The connection broke.
    Lost(String),
    /// The answer is not HTTP or exceeds a bound.
    Bad(Bad),
    /// A redirection that is not followed.
    Redirect(String),
    /// A 401 that cannot be answered.
    Refused(Refused),
    /// The body to send failed, or has not the length it announced.
    Body(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Url(url) => write!(f, "not an http or https URL: {url:?}"),
            Error::Name(name, why) => write!(f, "no address for {name}: {why}"),
            Error::Connect(tried) if tried.is_empty() => f.write_str("no address of the wanted family"),
            Error::Connect(tried) => {
                let each: Vec<String> = tried.iter().map(|(to, why)| format!("{to}: {why}")).collect();
                write!(f, "cannot connect: {}", each.join("; "))
            }
            Error::Socket(why) => write!(f, "socket option refused: {why}"),
            Error::Tls(why) => write!(f, "TLS: {why}"),
            Error::Timeout(stage) => f.write_str(match stage {
                Stage::Name => "the name server did not answer in time",
                Stage::Connect => "no connection in time",
                Stage::Tls => "the TLS handshake took too long",
                Stage::Send => "the server did not take the request in time",
                Stage::Answer => "no answer in time",
                Stage::Whole => "the answer took too long",
            }),
            Error::Lost(why) => write!(f, "the connection broke: {why}"),
            Error::Bad(bad) => write!(f, "{bad}"),
            Error::Redirect(why) => write!(f, "redirection refused: {why}"),
            Error::Refused(why) => write!(f, "{why}"),
            Error::Body(why) => write!(f, "the request's body: {why}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Bad> for Error {
    fn from(bad: Bad) -> Error {
        Error::Bad(bad)
    }
}

impl From<Refused> for Error {
    fn from(why: Refused) -> Error {
        Error::Refused(why)
    }
}
