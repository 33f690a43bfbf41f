//! The way to the ACS: how packets leave, and the client of a session.

use super::device::{Device, netdev};
use super::disk::RealDisk;
use super::fetch::Fetch;
use super::http::client::{Client, Settings};
use super::http::coding::Coding;
use super::http::connect::{Route, Waits};
use super::pool;
use super::tls::{self, Setup, Tls};
use crate::config::{Acs, Compression, Config};
use crate::digest::client::{Basic, Credentials};
use crate::rng::Rng;
use crate::time::Now;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

/// How packets to the ACS leave, wherever they do.
pub fn route(device: &Device, config: &Config) -> Route {
    Route::of(&config.acs.network, None, device.is_folder())
}

/// Where requests are heard: everywhere on a router, on loopback in a folder, unless an address is set.
pub fn listening_address(device: &Device, config: &Config) -> Option<IpAddr> {
    let set = config.acs.network.source_address;
    if device.is_folder() { set.or(Some(Ipv4Addr::LOCALHOST.into())) } else { set }
}

/// Makes the client of a session: reads certificates, and finds the device of the network that leads to the ACS.
pub struct Connector {
    fetch: Fetch,
    disk: Arc<RealDisk>,
    route: Route,
    interface: Option<String>,
    acs: Acs,
    now: Now,
}

/// Why there can be no client, in words.
#[derive(Debug)]
pub enum NoClient {
    /// The network of the ACS is not up.
    Network(String),
    /// The settings, or the files that they name, are not such.
    Settings(String),
}

impl Connector {
    /// The one for the ACS of `config`.
    pub fn new(device: &Device, config: &Config) -> Connector {
        Connector {
            fetch: device.sources(),
            disk: device.disk(),
            route: route(device, config),
            interface: (!device.is_folder()).then(|| config.acs.network.interface.clone()),
            acs: config.acs.clone(),
            now: device.clock().now(),
        }
    }

    /// The device by which the ACS is reached, where a network is set for that; why there is none, in words.
    pub async fn way(&self) -> Result<Option<String>, String> {
        match self.interface.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => match netdev(&self.fetch, name).await {
                Ok(device) => Ok(Some(device)),
                Err(why) => Err(format!("acs.interface: {why}")),
            },
            None => Ok(None),
        }
    }

    /// The client; why there can be none.
    pub async fn client(mut self, rng: Rng) -> Result<Client, NoClient> {
        let acs = &self.acs;
        let url = acs.url.clone().ok_or_else(|| NoClient::Settings("no ACS is set".into()))?;
        let host = |path: &str| self.disk.host_path(path).unwrap_or_else(|_| PathBuf::from(path));
        let setup = Setup {
            bundle: Some(host(&acs.tls.ca_file)),
            client: acs.tls.client.as_ref().map(|(cert, key)| (host(cert), host(key))),
            pins: acs.tls.pins.iter().filter_map(|pin| tls::digest(pin)).collect(),
            floor: Some(tls::built()),
            ..Setup::default()
        };
        let wall = self.now.wall;
        // Some hundred certificates are read and parsed.
        let loaded = pool::run(move || Tls::load(&setup).and_then(|tls| tls.session(wall))).await;
        let tls = match loaded {
            Ok(session) => Some(session),
            // Plain HTTP may lead to HTTPS, but need not.
            Err(_) if url.starts_with("http:") => None,
            Err(error) => return Err(NoClient::Settings(error.to_string())),
        };
        if let Some(device) = self.way().await.map_err(NoClient::Network)? {
            self.route.interface = Some(device);
        }
        let settings = Settings {
            route: self.route,
            waits: Waits { idle: acs.session_timeout, ..Waits::default() },
            credentials: Credentials { username: acs.username.clone(), password: acs.password.clone() },
            basic: Basic::Always,
            compression: match acs.compression {
                Compression::Disabled => None,
                Compression::Gzip => Some(Coding::Gzip),
                Compression::Deflate => Some(Coding::Deflate),
            },
            user_agent: concat!("cpeagent/", env!("CARGO_PKG_VERSION")).into(),
            tls,
            ..Settings::default()
        };
        Client::new(&url, settings, rng).map_err(|error| NoClient::Settings(error.to_string()))
    }
}
