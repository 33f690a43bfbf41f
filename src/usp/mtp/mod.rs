//! Links to controllers and brokers as pure descriptions: what is wanted, what happened, what is to be done.
//!
//! The agent makes a list of [`Wanted`] from the settings and gets [`LinkEvent`]s; `io::mtp` opens sockets, retries and
//! carries out each [`LinkCommand`]. Rules of one transport are pure functions in modules of their own. Nothing here
//! knows what a Record holds.

#[cfg(feature = "mqtt")]
pub mod mqtt;
#[cfg(feature = "websocket")]
pub mod websocket;

use super::endpoint::EndpointId;
use crate::retry::Curve;
use crate::rng::Rng;
use crate::secret::Secret;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Longest Record that is taken, in octets. A request that sets a whole configuration is far below.
pub const MAX_RECORD: usize = 256 * 1024;
/// Longest Record that is sent, in octets; the whole tree of a large router is a small part of it.
pub const MAX_SENT: usize = 4 * 1024 * 1024;

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
}

impl Security {
    /// Whether all that is trusted by this is trusted by `other`, which is the same otherwise: connections may stay.
    pub fn grows_to(&self, other: &Security) -> bool {
        let within = |mine: &[[u8; 32]], theirs: &[[u8; 32]]| mine.iter().all(|one| theirs.contains(one));
        (&self.ca_files, &self.own, &self.pins) == (&other.ca_files, &other.own, &other.pins)
            && self.anchors.iter().all(|one| other.anchors.contains(one))
            && within(&self.leaves, &other.leaves)
            && within(&self.kept, &other.kept)
            && (!self.first_use || other.first_use)
    }
}

/// How packets leave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// The section in `/etc/config/network` to bind to; the routing table decides where empty.
    pub interface: Box<str>,
    /// The address to send from.
    pub source_address: Option<IpAddr>,
    /// The address families to use.
    pub family: Family,
    /// Differentiated services code point, 0 to 63.
    pub dscp: u8,
    /// The routing mark.
    pub mark: Option<u32>,
}

/// Address families.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Both, in the resolver's order.
    #[default]
    Any,
    /// IPv4 only.
    Ipv4,
    /// IPv6 only.
    Ipv6,
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

/// A connection to an MQTT broker.
///
/// Source: Device.MQTT.Client.{i} and Device.LocalAgent.MTP.{i}.MQTT. The second group of fields may change without the
/// connection being opened anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mqtt {
    /// Tells it from other links.
    pub name: Box<str>,
    /// The section of its Device.MQTT.Client.{i}, for what is counted.
    pub client: Box<str>,
    /// BrokerAddress: a name or an address, IPv6 without brackets.
    pub host: Box<str>,
    /// BrokerPort.
    pub port: u16,
    /// ProtocolVersion.
    pub version: MqttVersion,
    /// TLS; none for plain TCP.
    pub tls: Option<Security>,
    /// Ourselves.
    pub own: EndpointId,
    /// Username.
    pub username: Option<Box<str>>,
    /// Password.
    pub password: Option<Secret>,
    /// KeepAliveTime, whole seconds up to 65535; zero for none.
    pub keep_alive: Duration,
    /// CleanStart (5.0) or CleanSession (3.1.1).
    pub clean: bool,
    /// SessionExpiryInterval, seconds; only 5.0.
    pub session_expiry: Option<u32>,
    /// The last will.
    pub will: Option<MqttWill>,
    /// After a failure.
    pub retry: Retry,
    /// The way there.
    pub network: Network,

    /// ClientID as stored: configured, or assigned by this broker before.
    pub client_id: Option<Box<str>>,
    /// The enabled rows of Subscription.{i}.
    pub subscriptions: Vec<MqttSubscription>,
    /// ResponseTopicConfigured.
    pub response_topic: Option<Box<str>>,
    /// PublishQoS; 2 counts as 1.
    pub publish_qos: u8,
    /// The enabled rows of UserProperty.{i}; only 5.0.
    pub user: Vec<MqttUser>,
}

impl Mqtt {
    /// Whether a connection that was made for this serves `other` as well, with other subscriptions perhaps.
    ///
    /// A client id that becomes known is the one that the broker assigned.
    pub fn same_connection(&self, other: &Mqtt) -> bool {
        let bare = |one: &Mqtt| Mqtt {
            client_id: None,
            subscriptions: Vec::new(),
            response_topic: None,
            publish_qos: 0,
            user: one.said_at_connect(),
            ..one.clone()
        };
        bare(self) == bare(other) && (self.client_id == other.client_id || self.client_id.is_none())
    }

    /// The user properties that are said once, when the connection is made.
    //= TR-181 MQTT.Client.{i}.UserProperty.{i}.PacketType: those of CONNECT and of the will need another connection.
    fn said_at_connect(&self) -> Vec<MqttUser> {
        let kinds = if self.will.is_some() { MqttUser::CONNECT | MqttUser::WILL } else { MqttUser::CONNECT };
        let said = |one: &MqttUser| MqttUser { packets: one.packets & kinds, ..one.clone() };
        self.user.iter().map(said).filter(|one| one.packets != 0).collect()
    }
}

/// Versions of MQTT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MqttVersion {
    /// 3.1.1.
    V311,
    /// 5.0.
    #[default]
    V5,
}

/// A topic filter and the highest QoS at which messages are wanted; 2 counts as 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MqttSubscription {
    /// The topic filter.
    pub topic: Box<str>,
    /// 0 or 1.
    pub qos: u8,
}

/// A user property, of 5.0: a name and a value that go with packets of some kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MqttUser {
    /// Name.
    pub name: Box<str>,
    /// Value.
    pub value: Box<str>,
    /// PacketType: a bit for each kind of packets, at the place of its number in the standard.
    pub packets: u16,
}

impl MqttUser {
    /// The kinds as PacketType names them, at the place of their number; the will, which is no packet, is at 0.
    const KINDS: [&str; 16] = [
        "WILL",
        "CONNECT",
        "",
        "PUBLISH",
        "PUBACK",
        "PUBREC",
        "PUBREL",
        "PUBCOMP",
        "SUBSCRIBE",
        "",
        "UNSUBSCRIBE",
        "",
        "",
        "",
        "DISCONNECT",
        "AUTH",
    ];
    /// The name under which USP itself says its endpoint id.
    pub const ENDPOINT: &str = "usp-endpoint-id";
    /// The bit of the will.
    pub const WILL: u16 = 1;
    /// The bit of CONNECT.
    pub const CONNECT: u16 = 1 << 1;

    /// The bits of kinds by their names; names that are none are passed over.
    pub fn packets<'a>(names: impl Iterator<Item = &'a str>) -> u16 {
        let place = |name: &str| MqttUser::KINDS.iter().position(|kind| !name.is_empty() && *kind == name);
        names.filter_map(place).fold(0, |all, place| all | 1 << place)
    }
}

/// What the broker publishes when it loses us. Source: Device.MQTT.Client.{i}.Will*.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MqttWill {
    /// WillTopic.
    pub topic: Box<str>,
    /// WillValue.
    pub value: Vec<u8>,
    /// WillQoS.
    pub qos: u8,
    /// WillRetain.
    pub retain: bool,
    /// WillDelayInterval, seconds; only 5.0.
    pub delay: Option<u32>,
}

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
        version: MqttVersion,
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

    //= TR-181 MQTT.Client.{i}.UserProperty.{i}.PacketType: those of CONNECT and of the will need another connection.
    #[cfg(feature = "mqtt")]
    #[test]
    fn only_what_is_said_at_connect_needs_another_connection() {
        let bare = mqtt::tests::wanted(MqttVersion::V5);
        let will = MqttWill { topic: "w".into(), value: Vec::new(), qos: 0, retain: false, delay: None };
        let with_will = Mqtt { will: Some(will), ..bare.clone() };
        for (kinds, stays, stays_with_will) in [
            ("PUBLISH SUBSCRIBE DISCONNECT PUBACK UNSUBSCRIBE", true, true),
            ("PUBLISH WILL", true, false),
            ("PUBLISH CONNECT", false, false),
            ("", true, true),
        ] {
            let said = |value: &str| {
                let packets = MqttUser::packets(kinds.split(' '));
                vec![MqttUser { name: "n".into(), value: value.into(), packets }]
            };
            for (wanted, stays) in [(&bare, stays), (&with_will, stays_with_will)] {
                let one = Mqtt { user: said("one"), ..wanted.clone() };
                let two = Mqtt { user: said("two"), ..wanted.clone() };
                assert!(one.same_connection(&one), "{kinds}");
                assert_eq!(one.same_connection(&two), stays, "{kinds}");
                assert_eq!(one.same_connection(wanted), stays, "{kinds}");
            }
        }
    }

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
