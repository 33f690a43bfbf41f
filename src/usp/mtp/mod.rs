//! Links to controllers and brokers as pure descriptions: what is wanted, what happened, what is to be done.
//!
//! The agent makes a list of [`Wanted`] from the settings and gets [`LinkEvent`]s; `io::mtp` opens sockets, retries and
//! carries out each [`LinkCommand`]. Rules of one transport are pure functions in modules of their own. Nothing here
//! knows what a Record holds.

mod broker;
#[cfg(feature = "mqtt")]
pub mod mqtt;
mod wanted;
#[cfg(feature = "websocket")]
pub mod websocket;

pub use broker::{Mqtt, MqttSubscription};
pub use wanted::{Retry, Security, Wanted, WebSocketClient, WebSocketServer};

use super::endpoint::EndpointId;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Longest Record that is taken, in octets. A request that sets a whole configuration is far below.
pub const MAX_RECORD: usize = 256 * 1024;
/// Longest Record that is sent, in octets; the whole tree of a large router is a small part of it.
pub const MAX_SENT: usize = 4 * 1024 * 1024;

/// What happened on links. `link` numbers one standing connection; a number never comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// A port is open, at this number.
    Listening {
        /// The wanted link's name.
        name: Box<str>,
        /// The port.
        port: u16,
    },
    /// A connection stands, and Records can be sent.
    Up(Box<Up>),
    /// A Record came.
    Record {
        /// On this connection.
        link: u64,
        /// The message's octets; nothing is known of what they hold.
        bytes: Vec<u8>,
        /// Where the answer goes; only MQTT. `None` on MQTT: the peer did not tell.
        reply_to: Option<Box<str>>,
    },
    /// The subscriptions of a connection to a broker changed; see [`Details::Mqtt`].
    Changed {
        /// On this connection.
        link: u64,
        /// Our reply-to topic.
        reply_topic: Option<Box<str>>,
        /// How it is now.
        details: Details,
    },
    /// A connection ended, or a try failed.
    Down {
        /// The wanted link's name.
        name: Box<str>,
        /// The connection; none where it never stood.
        link: Option<u64>,
        /// In words for a person.
        why: String,
        /// Tries that failed since the last success, this one included.
        failures: u32,
        /// Until the next try; `None` where there is none before the settings change, or of one session of a server.
        retry_in: Option<Duration>,
    },
}

/// A connection that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Up {
    /// Its number.
    pub link: u64,
    /// The wanted link's name.
    pub name: Box<str>,
    /// Who the peer of a WebSocket session says it is; proved only where `certificate` holds the same id.
    pub peer: Option<EndpointId>,
    /// The peer's certificate, over TLS where it showed one.
    pub certificate: Option<Certified>,
    /// Whether it runs over TLS.
    pub encrypted: bool,
    /// The topic at which we are answered; only MQTT.
    pub reply_topic: Option<Box<str>>,
    /// Our address towards the peer.
    pub local_address: Option<IpAddr>,
    /// The peer's address.
    pub peer_address: Option<IpAddr>,
    /// What only this transport knows.
    pub details: Details,
}

/// What only one transport knows of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Details {
    /// A WebSocket session.
    WebSocket {
        /// Whether the peer opened it.
        accepted: bool,
    },
    /// A connection to a broker.
    Mqtt {
        /// Its version.
        version: crate::mqtt::Version,
        /// The client id in use.
        client_id: Box<str>,
        /// Whether the broker assigned it, so that it must be stored.
        //= TR-369 R-MQTT.9: an assigned id is stored for later connections.
        assigned: bool,
        /// Response Information of the broker.
        response_information: Option<Box<str>>,
        /// The filters asked for, each with the QoS granted or the reason code of the refusal.
        subscribed: Vec<(Box<str>, Result<u8, u8>)>,
        /// Longest packet that the broker takes, in octets.
        maximum_packet: Option<u32>,
    },
}

/// A peer's certificate that was accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certified {
    /// Endpoint ids of its subjectAltName (URI `urn:bbf:usp:id:…`).
    //= TR-369 R-SEC.0a: the certificate names the endpoint it is for.
    pub endpoint_ids: Vec<EndpointId>,
    /// Its dNSNames, which stand for ids of scheme `fqdn`.
    pub dns_names: Vec<Box<str>>,
    /// Its issuer, as RFC 4514 writes names.
    pub issuer: Box<str>,
    /// Its serial number in upper-case hex.
    pub serial: Box<str>,
    /// The certificate's SHA-256.
    pub fingerprint: [u8; 32],
    /// Whether it was verified; if not, it is taken for a first use and proves nothing but that its owner has the key.
    pub trusted: bool,
    /// It itself, DER, where it is not too long to be kept.
    pub der: Option<Arc<[u8]>>,
    /// SHA-256 of the certificates above it as verified, up to the trusted one, that included. Empty where a pinned key
    /// or the certificate itself was what counted.
    //= TR-369 R-SEC.25: the first of them that has a role gives it.
    pub chain: Vec<[u8; 32]>,
    /// Whether its dates counted, which takes a known clock.
    pub dates_checked: bool,
}

impl Certified {
    /// Whether the certificate is for this endpoint.
    //= TR-369 R-SEC.0a: by the id itself, or for scheme `fqdn` by the name.
    pub fn is_for(&self, endpoint: &EndpointId) -> bool {
        let named = match endpoint.as_str().strip_prefix("fqdn::") {
            Some(host) => self.dns_names.iter().any(|name| name.eq_ignore_ascii_case(host)),
            None => false,
        };
        named || self.endpoint_ids.contains(endpoint)
    }
}

/// What is to be done on links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkCommand {
    /// Sends a Record. On a connection that is gone it is dropped; one that does not keep up is cut.
    Send {
        /// On this connection.
        link: u64,
        /// The topic; only MQTT.
        topic: Option<Box<str>>,
        /// Whether the broker keeps it; only MQTT.
        retain: bool,
        /// The Record.
        record: Vec<u8>,
    },
    /// Ends a connection once what is queued has left; a client's is then tried again.
    Close {
        /// The connection.
        link: u64,
        /// The close code of a WebSocket session, such as [`NOT_A_RECORD`].
        code: u16,
        /// At most 123 octets.
        reason: Box<str>,
    },
}

/// The close code for what no Record can be read from.
//= TR-369 R-WS.16: a frame without a Record closes the session with 1003.
pub const NOT_A_RECORD: u16 = 1003;
/// The close code of an ordinary end.
pub const NORMAL: u16 = 1000;
/// The close code of an endpoint that goes away.
pub const GOING_AWAY: u16 = 1001;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    //= TR-369 R-SEC.0a
    #[test]
    fn a_certificate_is_for_the_ids_and_names_it_carries() {
        let id = |text| EndpointId::parse(text).unwrap();
        let certified = Certified {
            endpoint_ids: vec![id("oui:00256D:one")],
            dns_names: vec!["acs.example".into()],
            ..Certified::default()
        };
        for (endpoint, want) in [
            ("oui:00256D:one", true),
            ("oui:00256D:two", false),
            ("fqdn::ACS.example", true),
            ("fqdn::example", false),
            ("self::acs.example", false),
        ] {
            assert_eq!(certified.is_for(&id(endpoint)), want, "{endpoint}");
        }
    }
}
