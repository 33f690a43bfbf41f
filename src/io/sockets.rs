//! The sockets that wake the agent: the port of HTTP connection requests, and the one of STUN and UDP requests.
//!
//! Follows the settings: opens, moves and closes them, and says where they can be reached.

use super::connector;
use super::device::Device;
use super::http::connect::Route;
use super::http::url::Url;
use super::listener::{Asked, Call, Listener};
use super::stun::{self, Udp};
use crate::config::Config;
use crate::digest::client;
use crate::rng::Rng;
use crate::time::Now;
use crate::wake::binding::{Address, Settings};
use crate::wake::http::{Answer, Door, InSession, Rules};
use std::net::IpAddr;
use tokio::sync::mpsc;

/// The sockets, open or not.
pub struct Sockets {
    calls: mpsc::Sender<Call>,
    stuns: mpsc::Sender<stun::Event>,
    door: Door,
    rules: Rules,
    listener: Option<(Listener, Option<IpAddr>, u16)>,
    udp: Option<Udp>,
    talked_from: Option<IpAddr>,
}

impl Sockets {
    /// None open yet; what they hear goes into the two channels.
    pub fn new(calls: mpsc::Sender<Call>, stuns: mpsc::Sender<stun::Event>, rng: &mut Rng) -> Sockets {
        let door = Door::new(rng);
        Sockets { calls, stuns, door, rules: Rules::default(), listener: None, udp: None, talked_from: None }
    }

    /// Judges a connection request over HTTP.
    pub fn judge(&mut self, now: Now, in_session: bool, asked: &Asked, rng: &mut Rng) -> Answer {
        self.door.ask(now, &self.rules, in_session, &asked.ask(), rng)
    }

    /// Notes the address that the ACS was last talked to from.
    pub fn talked_from(&mut self, address: IpAddr) {
        self.talked_from = Some(address);
    }

    /// The port on which connection requests are heard, while they are.
    pub fn port(&self) -> Option<u16> {
        self.listener.as_ref().map(|(listener, ..)| listener.address().port())
    }

    /// Whether they are heard over UDP too.
    pub fn hears_udp(&self) -> bool {
        self.udp.is_some()
    }

    /// Takes settings up; what parameters show of the sockets as they are now.
    pub fn configure(
        &mut self,
        device: &Device,
        config: &Config,
        path: String,
        rng: &mut Rng,
    ) -> Vec<(&'static str, String)> {
        let wanted = &config.acs.connection_request;
        let credentials =
            client::Credentials { username: wanted.username.clone(), password: wanted.password.clone() };
        self.rules = Rules {
            enabled: config.acs.enable && wanted.enable,
            path: format!("/{path}"),
            credentials: credentials.clone(),
            in_session: InSession::Afterwards,
        };
        let address = connector::listening_address(device, config);
        let port =
            self.listen(device, self.rules.enabled, address, wanted.port, &connector::route(device, config));
        let mut facts =
            vec![("ConnectionRequestPort", port.map(|port| port.to_string()).unwrap_or_default())];
        let host = address.filter(|_| device.is_folder()).map(|address| address.to_string());
        facts.push(("ConnectionRequestHost", host.unwrap_or_default()));
        facts.extend(self.configure_udp(device, config, credentials, rng));
        facts
    }

    /// Opens, moves or closes the port; the port it listens on.
    fn listen(
        &mut self,
        device: &Device,
        on: bool,
        address: Option<IpAddr>,
        port: u16,
        route: &Route,
    ) -> Option<u16> {
        if !on {
            self.listener = None;
            return None;
        }
        if let Some((listener, at, wanted)) = &self.listener
            && (*at, *wanted) == (address, port)
        {
            return Some(listener.address().port());
        }
        self.listener = None;
        let route = Route { source: address, ..route.clone() };
        let mut bound = Listener::bind(&route, port, self.calls.clone());
        if bound.is_err() && device.is_folder() {
            // Many folders run side by side: the next free port serves as well.
            bound = Listener::bind(&route, 0, self.calls.clone());
        }
        match bound {
            Ok(listener) => {
                let open = listener.address().port();
                self.listener = Some((listener, address, port));
                Some(open)
            }
            Err(error) => {
                log::error!("connection requests cannot be heard on port {port}: {error}");
                None
            }
        }
    }

    fn configure_udp(
        &mut self,
        device: &Device,
        config: &Config,
        credentials: client::Credentials,
        rng: &mut Rng,
    ) -> Vec<(&'static str, String)> {
        let stun = &config.acs.stun;
        if !config.acs.enable || !stun.enable {
            self.udp = None;
            return vec![("UDPConnectionRequestAddress", String::new()), ("NATDetected", "false".into())];
        }
        let acs_host = config.acs.url.as_deref().and_then(Url::parse).map(|url| url.host).unwrap_or_default();
        let route = Route {
            source: device.is_folder().then(|| IpAddr::from([127, 0, 0, 1])),
            ..connector::route(device, config)
        };
        let udp = stun::Config {
            route,
            port: if device.is_folder() { 0 } else { config.acs.connection_request.port },
            server: stun.server.clone().filter(|server| !server.is_empty()).unwrap_or(acs_host),
            server_port: stun.port,
            stun: stun.enable,
            settings: Settings {
                server: None,
                username: stun.username.clone(),
                password: stun.password.clone(),
                minimum: stun.min_keepalive,
                maximum: stun.max_keepalive,
            },
            credentials,
            enabled: config.acs.enable,
        };
        match &self.udp {
            Some(open) => open.configure(udp),
            None => match Udp::start(udp, Rng::new(rng.bytes()), self.stuns.clone()) {
                Ok(open) => self.udp = Some(open),
                Err(error) => log::error!("UDP connection requests cannot be heard: {error}"),
            },
        }
        Vec::new()
    }

    /// What parameters show of a binding that was found.
    pub fn udp_facts(address: &Address) -> Vec<(&'static str, String)> {
        vec![
            ("UDPConnectionRequestAddress", address.authority.clone()),
            ("NATDetected", address.nat_detected.to_string()),
        ]
    }
}
