//! Which links are wanted: descriptions of sessions and ports, and what they have in common.
//!
//! Made from the settings by the agent, carried out by `io::mtp`. A connection to a broker is [`super::broker`]'s.

use super::super::endpoint::EndpointId;
use super::Mqtt;
use crate::retry::Curve;
use crate::rng::Rng;
use crate::way::Network;
use std::sync::Arc;
use std::time::Duration;

/// A link that is to be there. Links are told apart by their name; one whose description changes is opened anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A session opened by us.
    WebSocketClient(WebSocketClient),
    /// A port at which controllers open sessions.
    WebSocketServer(WebSocketServer),
    /// A connection to a broker.
    Mqtt(Mqtt),
}

impl Wanted {
    /// Its name, the same over restarts and changes.
    pub fn name(&self) -> &str {
        match self {
            Wanted::WebSocketClient(wanted) => &wanted.name,
            Wanted::WebSocketServer(wanted) => &wanted.name,
            Wanted::Mqtt(wanted) => &wanted.name,
        }
    }

    /// Whether a link that was made for this can go on for `other`, which trusts no less.
    pub fn goes_on_as(&self, other: &Wanted) -> bool {
        let (Some(mine), Some(theirs)) = (self.security(), other.security()) else {
            return self.serves(other);
        };
        let mut same = self.clone();
        if let Some(tls) = same.security_mut() {
            tls.clone_from(theirs);
        }
        mine.grows_to(theirs) && same.serves(other)
    }

    fn serves(&self, other: &Wanted) -> bool {
        match (self, other) {
            (Wanted::Mqtt(now), Wanted::Mqtt(wanted)) => now.same_connection(wanted),
            _ => self == other,
        }
    }

    fn security(&self) -> Option<&Security> {
        match self {
            Wanted::WebSocketClient(wanted) => wanted.tls.as_ref(),
            Wanted::WebSocketServer(wanted) => wanted.tls.as_ref(),
            Wanted::Mqtt(wanted) => wanted.tls.as_ref(),
        }
    }

    fn security_mut(&mut self) -> Option<&mut Security> {
        match self {
            Wanted::WebSocketClient(wanted) => wanted.tls.as_mut(),
            Wanted::WebSocketServer(wanted) => wanted.tls.as_mut(),
            Wanted::Mqtt(wanted) => wanted.tls.as_mut(),
        }
    }
}

/// Certificates of a link, as paths on the router.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// PEM files of the trusted certificates; those that are missing are passed over while one is left.
    pub ca_files: Vec<Box<str>>,
    /// PEM files of this device's certificate chain and key. A server cannot do without.
    pub own: Option<(Box<str>, Box<str>)>,
    /// SHA-256 of the public keys the peer may have, in hex; any key where empty. A pinned peer needs no issuer.
    pub pins: Vec<Box<str>>,
    /// Further trusted certificates, DER.
    pub anchors: Vec<Arc<[u8]>>,
    /// SHA-256 of certificates that need no issuer.
    pub leaves: Vec<[u8; 32]>,
    /// SHA-256 of certificates that are kept for whoever is at the other end: they need neither issuer nor name.
    pub kept: Vec<[u8; 32]>,
    /// Whether whoever connects may show a certificate that nobody vouches for.
    pub first_use: bool,
    /// The protocols that a server is offered to choose from (ALPN); none are named where empty.
    pub alpn: Vec<Box<str>>,
}

impl Security {
    /// Whether all that is trusted by this is trusted by `other`, which is the same otherwise: connections may stay.
    pub fn grows_to(&self, other: &Security) -> bool {
        let within = |mine: &[[u8; 32]], theirs: &[[u8; 32]]| mine.iter().all(|one| theirs.contains(one));
        (&self.ca_files, &self.own, &self.pins, &self.alpn)
            == (&other.ca_files, &other.own, &other.pins, &other.alpn)
            && self.anchors.iter().all(|one| other.anchors.contains(one))
            && within(&self.leaves, &other.leaves)
            && within(&self.kept, &other.kept)
            && (!self.first_use || other.first_use)
    }
}

/// How long to wait before a link is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The ranges.
    pub curve: Curve,
    /// No wait is longer.
    pub most: Option<Duration>,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry { curve: Curve { minimum_seconds: 5, multiplier: 2000 }, most: None }
    }
}

impl Retry {
    /// The wait before try `failures` (1 for the first) since the last success.
    //= TR-369 R-WS.19, R-MQTT.10: both draw from the ranges of the curve; MQTT has an upper bound besides.
    pub fn wait(&self, failures: u32, rng: &mut Rng) -> Duration {
        let wait = self.curve.wait(failures, rng);
        self.most.map_or(wait, |most| wait.min(most))
    }
}

/// A WebSocket session to a controller. Source: Device.LocalAgent.Controller.{i}.MTP.{i}.WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketClient {
    /// Tells it from other links.
    pub name: Box<str>,
    /// A name or an address, IPv6 without brackets.
    pub host: Box<str>,
    /// 1 to 65535.
    pub port: u16,
    /// The path, with or without its first slash, and perhaps a query.
    pub path: Box<str>,
    /// TLS; none for `ws`.
    pub tls: Option<Security>,
    /// Ourselves.
    pub own: EndpointId,
    /// The controller: its certificate may carry this id instead of the host's name.
    pub peer: EndpointId,
    /// Between Pings, at least a second.
    pub keep_alive: Duration,
    /// After a failure.
    pub retry: Retry,
    /// The way there.
    pub network: Network,
}

/// A port for WebSocket sessions. Source: Device.LocalAgent.MTP.{i}.WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketServer {
    /// Tells it from other links.
    pub name: Box<str>,
    /// The port; 0 for any that is free.
    pub port: u16,
    /// The only path answered, with or without its first slash.
    pub path: Box<str>,
    /// TLS; none for `ws`.
    pub tls: Option<Security>,
    /// Whether a controller without certificate is turned away; only with TLS.
    //= TR-369 R-MTP.1: with TLS a certificate is required of the peer.
    pub peer_certificate: bool,
    /// Ourselves.
    pub own: EndpointId,
    /// Between Pings, at least a second.
    pub keep_alive: Duration,
    /// Sections in `/etc/config/network` to listen on; all where empty.
    pub interfaces: Vec<Box<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    //= TR-369 R-WS.19
    //= TR-369 R-MQTT.10
    #[test]
    fn waits_grow_by_the_curve_up_to_their_bound() {
        let mut rng = Rng::new([3; 32]);
        let open = Retry::default();
        let bounded = Retry { most: Some(Duration::from_secs(15)), ..open };
        for (failures, low, high) in [(1, 5, 10), (2, 10, 20), (10, 2560, 5120), (40, 2560, 5120)] {
            let wait = open.wait(failures, &mut rng).as_secs_f32();
            assert!(wait >= low as f32 && wait <= high as f32, "{failures}: {wait}");
            assert!(bounded.wait(failures, &mut rng) <= Duration::from_secs(15));
        }
        assert_eq!(bounded.wait(9, &mut rng), Duration::from_secs(15));
    }
}
