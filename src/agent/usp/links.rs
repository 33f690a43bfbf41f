//! Which links the settings want, and whom a link reaches.

use super::known::Known;
use crate::config;
use crate::config::usp::{Broker, Controller, ControllerWay, Usp, Way};
use crate::mqtt::UserProperty;
use crate::retry::Curve;
use crate::usp::endpoint::EndpointId;
use crate::usp::mtp::{
    Details, Mqtt, MqttSubscription, Retry, Security, Up, Wanted, WebSocketClient, WebSocketServer,
};
use crate::way::Network;
use std::time::Duration;

/// The links of the settings. What lacks something to be one (a host, a broker) is left out.
pub(super) fn wanted(usp: &Usp, known: &Known, own: &EndpointId) -> Vec<Wanted> {
    //= TR-369 R-ARC.2: no session is opened to a controller with the id of this device; it may be in the settings.
    let others = |controller: &&Controller| controller.endpoint_id != own.as_str();
    let clients = usp.controllers.iter().filter(|controller| controller.enable).filter(others);
    let trusted = Trusted { usp, known };
    let clients = clients.flat_map(|controller| clients_of(&trusted, own, controller));
    let ports = usp.mtps.iter().filter(|mtp| mtp.enable).filter_map(|mtp| match &mtp.way {
        Way::WebSocket { port, path, encryption, keepalive, interfaces, sources: _ } => {
            Some(Wanted::WebSocketServer(WebSocketServer {
                name: mtp_name(&mtp.name),
                port: *port,
                path: path.as_str().into(),
                tls: encryption.then(|| trusted.port()),
                peer_certificate: *encryption,
                own: own.clone(),
                keep_alive: least(*keepalive),
                interfaces: interfaces.iter().map(|name| name.as_str().into()).collect(),
            }))
        }
        Way::Mqtt { broker, response_topic, publish_qos } => {
            let broker =
                usp.brokers.iter().find(|known| Some(&known.name) == broker.as_ref() && known.enable)?;
            mqtt(&trusted, own, &mtp.name, broker, response_topic.as_deref(), *publish_qos).map(Wanted::Mqtt)
        }
    });
    clients.chain(ports).collect()
}

fn clients_of(trusted: &Trusted<'_>, own: &EndpointId, controller: &Controller) -> Vec<Wanted> {
    let Some(peer) = EndpointId::parse(&controller.endpoint_id) else { return Vec::new() };
    let ways = controller.mtps.iter().filter(|way| way.enable);
    let client = |way: &config::usp::ControllerMtp| match &way.way {
        ControllerWay::WebSocket { host: Some(host), port, path, encryption, keepalive, retry } => {
            Some(Wanted::WebSocketClient(WebSocketClient {
                name: format!("controller {} {}", controller.name, way.name).into(),
                host: host.as_str().into(),
                port: *port,
                path: path.as_str().into(),
                tls: encryption.then(|| trusted.session(controller, &way.pins)),
                own: own.clone(),
                peer: peer.clone(),
                keep_alive: least(*keepalive),
                retry: every(*retry, None),
                network: trusted.usp.network.clone(),
            }))
        }
        ControllerWay::WebSocket { host: None, .. } | ControllerWay::Mqtt { .. } => None,
    };
    ways.filter_map(client).collect()
}

fn mqtt(
    trusted: &Trusted<'_>,
    own: &EndpointId,
    name: &str,
    broker: &Broker,
    response_topic: Option<&str>,
    publish_qos: u8,
) -> Option<Mqtt> {
    let usp = trusted.usp;
    let way = Network {
        interface: broker.interface.clone().unwrap_or_else(|| usp.network.interface.clone()),
        ..usp.network.clone()
    };
    Some(Mqtt {
        name: mtp_name(name),
        client: broker.name.as_str().into(),
        host: broker.host.as_deref()?.into(),
        port: broker.port,
        version: broker.version,
        tls: broker.encryption.then(|| Security {
            alpn: broker.alpn.iter().map(|name| name.as_str().into()).collect(),
            ..trusted.peer(&broker.pins)
        }),
        own: own.clone(),
        username: broker.username.as_deref().map(Box::from),
        password: broker.username.is_some().then(|| broker.password.clone()),
        keep_alive: broker.keepalive,
        clean: broker.clean,
        terms: broker.terms,
        will: broker.will.clone(),
        retry: every(broker.retry, Some(broker.retry_max)),
        network: way,
        client_id: broker.client_id.as_deref().map(Box::from),
        subscriptions: broker
            .subscriptions
            .iter()
            .map(|own| MqttSubscription { topic: own.topic.as_str().into(), qos: own.qos })
            .collect(),
        response_topic: response_topic.map(Box::from),
        publish_qos,
        publish_expiry: broker.publish_expiry,
        //= TR-369 R-MQTT.13: our endpoint id is said by USP alone.
        user: broker.user.iter().filter(|own| own.name != UserProperty::ENDPOINT).cloned().collect(),
    })
}

fn mtp_name(name: &str) -> Box<str> {
    format!("mtp {name}").into()
}

/// A silence of no length is none; a Ping is sent once a second at most.
fn least(keepalive: Duration) -> Duration {
    keepalive.max(Duration::from_secs(1))
}

fn every(curve: Curve, most: Option<Duration>) -> Retry {
    Retry { curve, most: most.filter(|most| !most.is_zero()) }
}

/// Whom links trust.
struct Trusted<'a> {
    usp: &'a Usp,
    known: &'a Known,
}

impl Trusted<'_> {
    /// Whoever is at the other end of a link.
    //= TR-369 R-SEC.2: trusted are the certificates of the file, and those that an enabled credential names.
    fn peer(&self, pins: &[String]) -> Security {
        let tls = &self.usp.tls;
        let pins = if pins.is_empty() { &tls.pins } else { pins };
        let mut security = Security {
            ca_files: vec![tls.ca_file.as_str().into()],
            own: tls.client.as_ref().map(|(cert, key)| (cert.as_str().into(), key.as_str().into())),
            pins: pins.iter().map(|pin| pin.as_str().into()).collect(),
            ..Security::default()
        };
        let named = self.usp.credentials.iter().filter(|credential| credential.enable);
        for name in named.filter_map(|credential| credential.certificate.as_deref()) {
            match self.known.certificates.get(name) {
                Some(found) if found.authority => security.anchors.push(found.der.clone()),
                //= TR-181 LocalAgent.AddCertificate(): one that is no authority is good for an exact match only.
                Some(found) => security.leaves.push(found.fingerprint),
                None => {}
            }
        }
        security
    }

    /// A controller to which a session is opened.
    //= TR-369 R-SEC.4: trusted is, too, the certificate that is kept for that controller.
    fn session(&self, controller: &Controller, pins: &[String]) -> Security {
        Security { kept: self.kept(controller).collect(), ..self.peer(pins) }
    }

    /// Whoever opens a session.
    fn port(&self) -> Security {
        let controllers = self.usp.controllers.iter().filter(|controller| controller.enable);
        let kept = controllers.flat_map(|controller| self.kept(controller)).collect();
        Security { kept, first_use: self.usp.trust_on_first_use, ..self.peer(&[]) }
    }

    fn kept(&self, controller: &Controller) -> impl Iterator<Item = [u8; 32]> {
        let own = controller.certificates.iter();
        own.filter_map(|name| self.known.certificates.get(name.as_str())).map(|found| found.fingerprint)
    }
}

/// The controllers that a link reaches, with the topic of each and whether the broker keeps what is sent there.
pub(super) fn peers(usp: &Usp, up: &Up) -> Vec<(EndpointId, Option<Box<str>>, bool)> {
    let mut peers = Vec::new();
    for controller in usp.controllers.iter().filter(|controller| controller.enable) {
        let Some(id) = EndpointId::parse(&controller.endpoint_id) else { continue };
        match &up.details {
            Details::WebSocket { accepted: true } if up.peer.as_ref() == Some(&id) => {
                peers.push((id, None, false))
            }
            Details::WebSocket { accepted: false }
                if controller_of(usp, up).is_some_and(|one| one == controller) =>
            {
                peers.push((id, None, false));
            }
            Details::WebSocket { .. } => {}
            Details::Mqtt { .. } => {
                let topic = controller.mtps.iter().filter(|way| way.enable).find_map(|way| match &way.way {
                    ControllerWay::Mqtt { mtp: Some(mtp), topic, retain_notify, .. }
                        if *mtp_name(mtp) == *up.name && !topic.is_empty() =>
                    {
                        Some((topic.as_str().into(), *retain_notify))
                    }
                    _ => None,
                });
                peers.extend(topic.map(|(topic, retain)| (id, Some(topic), retain)));
            }
        }
    }
    peers
}

/// The Order of the way of a controller that a link is; a session that it opened comes last.
pub(super) fn order(controller: &Controller, up: &Up) -> u32 {
    let mine = |way: &&config::usp::ControllerMtp| match (&way.way, &up.details) {
        (ControllerWay::WebSocket { .. }, Details::WebSocket { accepted: false }) => {
            format!("controller {} {}", controller.name, way.name) == *up.name
        }
        (ControllerWay::Mqtt { mtp: Some(mtp), .. }, Details::Mqtt { .. }) => *mtp_name(mtp) == *up.name,
        (ControllerWay::WebSocket { .. } | ControllerWay::Mqtt { .. }, _) => false,
    };
    controller.mtps.iter().filter(|way| way.enable).find(mine).map_or(u32::MAX, |way| way.order)
}

/// Whether this is a way, by its section, on which a controller opens the sessions.
pub(super) fn is_open_to(controller: &Controller, section: &str) -> bool {
    let mut ways = controller.mtps.iter().filter(|way| way.name == section);
    ways.any(|way| matches!(way.way, ControllerWay::WebSocket { host: None, .. }))
}

/// The controller to which a session that we opened leads.
pub(super) fn controller_of<'c>(usp: &'c Usp, up: &Up) -> Option<&'c Controller> {
    let names = |controller: &Controller| {
        let ways = controller.mtps.iter();
        ways.map(|way| format!("controller {} {}", controller.name, way.name)).any(|name| name == *up.name)
    };
    usp.controllers.iter().find(|controller| controller.enable && names(controller))
}

/// Whether a broker is to keep answers to a controller.
pub(super) fn retains_responses(controller: &Controller) -> bool {
    controller.mtps.iter().any(|way| match &way.way {
        ControllerWay::Mqtt { retain_response, .. } => way.enable && *retain_response,
        ControllerWay::WebSocket { .. } => false,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::dm::tree::Tree;
    use crate::mqtt::{MAX_PACKET, Terms, Will};

    /// The connection to a broker with these options besides.
    fn broker(options: &[(&str, &str)]) -> Mqtt {
        let section = |kind: &str, options: &[(&str, &str)]| {
            let all = std::iter::once((".type", kind)).chain(options.iter().copied());
            Tree::map(all.map(|(name, value)| (name, Tree::from(value))))
        };
        let base = [("enable", "1"), ("broker", "192.0.2.7"), ("transport", "TLS"), ("will_enable", "1")];
        let all = [&base, &[("will_topic", "w")][..], options].concat();
        let package = Tree::map([
            ("usp", section("usp", &[])),
            ("m", section("mtp", &[("enable", "1"), ("protocol", "MQTT"), ("mqtt", "b")])),
            ("b", section("mqtt", &all)),
        ]);
        let (config, faults) = config::Config::read(&package);
        assert_eq!(faults, []);
        let own = EndpointId::parse("self::x").unwrap();
        match wanted(&config.usp, &Known::default(), &own).pop().unwrap() {
            Wanted::Mqtt(mqtt) => mqtt,
            other => panic!("{other:?}"),
        }
    }

    //= TR-181 MQTT.Client.{i}: what is asked of a broker is what was set; what 3.1.1 cannot say makes no difference to it.
    #[test]
    fn what_is_set_of_a_broker_is_what_it_is_asked_for() {
        let usual = broker(&[]);
        assert_eq!(usual.terms, Terms::default(), "the defaults of the settings are those of a connection");
        let will = || Will::clone(usual.will.as_ref().unwrap());
        assert_eq!((will().delay, will().expiry), (5, 0));
        let terms = |terms| Mqtt { terms, ..usual.clone() };
        let with = |will| Mqtt { will: Some(Box::new(will)), ..usual.clone() };
        let most = MAX_PACKET.to_string();
        for (option, value, want) in [
            ("session_expiry", "7", terms(Terms { session_expiry: 7, ..usual.terms })),
            ("receive_maximum", "1", terms(Terms { receive_maximum: 1, ..usual.terms })),
            ("receive_maximum", "64", terms(Terms { receive_maximum: 64, ..usual.terms })),
            ("maximum_packet", "1024", terms(Terms { maximum_packet: 1_024, ..usual.terms })),
            ("maximum_packet", &most, usual.clone()),
            ("topic_aliases", "32", terms(Terms { topic_aliases: 32, ..usual.terms })),
            ("response_info", "0", terms(Terms { response_info: false, ..usual.terms })),
            ("problem_info", "0", terms(Terms { problem_info: false, ..usual.terms })),
            ("publish_expiry", "9", Mqtt { publish_expiry: 9, ..usual.clone() }),
            ("will_delay", "9", with(Will { delay: 9, ..will() })),
            ("will_expiry", "9", with(Will { expiry: 9, ..will() })),
            ("will_content_type", "t", with(Will { content_type: "t".into(), ..will() })),
            ("will_response_topic", "r", with(Will { response_topic: "r".into(), ..will() })),
        ] {
            assert_eq!(broker(&[(option, value)]), want, "{option} {value}");
            let older = broker(&[("version", "3.1.1"), (option, value)]);
            assert!(broker(&[("version", "3.1.1")]).same_connection(&older), "{option} {value}");
        }
        let offered = broker(&[("alpn", "mqtt other")]);
        assert_eq!(offered.tls.as_ref().unwrap().alpn, ["mqtt".into(), "other".into()]);
        assert!(!Wanted::Mqtt(offered).goes_on_as(&Wanted::Mqtt(usual)), "it is said in the handshake");
    }
}
