//! Connections to controllers and brokers: certificates, networks, addresses, TLS.
//!
//! The same trust, routes and bounds as towards an ACS. What is said on a connection is the transports'.

use super::prompt::Prompt;
use crate::io::clock::Clock;
use crate::io::device::netdev;
use crate::io::disk::RealDisk;
use crate::io::fetch::Fetch;
use crate::io::http::connect::{self, Route, Stream, Waits};
use crate::io::pool;
use crate::io::tls::{self, Expected, Setup, Tls, Verified};
use crate::time::Wall;
use crate::usp::endpoint::EndpointId;
use crate::usp::mtp::{Certified, Security, Wanted};
use crate::way::Network;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

/// Handshakes of links at a time, apart from the one with an ACS, so that a broker that dawdles holds up little.
static HANDSHAKES: Semaphore = Semaphore::const_new(2);

/// The device that links belong to.
#[derive(Clone)]
pub struct Site {
    /// Where certificates lie.
    pub disk: Arc<RealDisk>,
    /// Where netifd is asked.
    pub fetch: Fetch,
    /// Its time.
    pub clock: Clock,
    /// Whether it is one in a folder, whose networks are not this machine's.
    pub folder: bool,
}

impl Site {
    /// Calendar time, where it is known.
    pub fn wall(&self) -> Option<Wall> {
        self.clock.now().wall
    }

    /// Reads certificates; why it cannot be done, in words.
    pub async fn certificates(&self, security: &Security) -> Result<Tls, String> {
        let host = |path: &str| self.disk.host_path(path).unwrap_or_else(|_| PathBuf::from(path));
        let mut pins = Vec::new();
        for pin in &security.pins {
            pins.push(tls::digest(pin).ok_or(format!("{pin} is no SHA-256 in hex"))?);
        }
        let setup = Setup {
            bundles: security.ca_files.iter().map(|path| host(path)).collect(),
            client: security.own.as_ref().map(|(certificate, key)| (host(certificate), host(key))),
            pins,
            anchors: security.anchors.clone(),
            leaves: security.leaves.clone(),
            kept: security.kept.clone(),
            first_use: security.first_use,
            //= RFC 7301 3.1: a name is at most 255 octets long.
            alpn: (security.alpn.iter().filter(|name| name.len() < 256))
                .map(|name| name.as_bytes().to_vec())
                .collect(),
            floor: Some(tls::built()),
            ..Setup::default()
        };
        pool::run(move || Tls::load(&setup)).await.map_err(|error| error.to_string())
    }

    /// The way packets leave.
    pub async fn route(&self, network: &Network) -> Result<Route, String> {
        let interface = match &*network.interface {
            name if !name.is_empty() && !self.folder => Some(netdev(&self.fetch, name).await?),
            _ => None,
        };
        Ok(Route::of(network, interface, self.folder))
    }
}

/// A connection that stands.
pub struct Dialled {
    /// The octets.
    pub stream: Box<dyn Stream>,
    /// The peer's address.
    pub peer: SocketAddr,
    /// Ours.
    pub local: SocketAddr,
    /// The peer's certificate.
    pub certificate: Option<Certified>,
    /// What is still to be verified once the time is known.
    pub dates: Dates,
    /// Whether it runs over TLS.
    pub encrypted: bool,
}

/// Whether a certificate's dates are still to be looked at.
#[derive(Debug)]
pub enum Dates {
    /// They were, or there are none.
    Known,
    /// Those of a server we connected to.
    Server(Box<Verified>),
    /// Those of a client, which connects again if it is sent away.
    Client,
}

impl Dates {
    /// Looks at them if that can be done now; why the connection cannot stay, in words.
    //= TR-369 R-MTP.3: with correct time, dates must hold.
    //= TR-369 R-WS.23: dates that were ignored count once the time is known.
    pub fn look(&mut self, wall: Option<Wall>) -> Result<(), String> {
        let Some(wall) = wall else { return Ok(()) };
        match std::mem::replace(self, Dates::Known) {
            Dates::Known => Ok(()),
            Dates::Server(verified) => verified.holds_at(wall),
            Dates::Client => Err("the time is known now: the certificate's dates are to be verified".into()),
        }
    }
}

/// Connects to the first address of `host` with which everything works; else why not, in words.
///
/// The certificate may carry the id of `endpoint` instead of the name.
//= TR-369 R-MTP.4: the certificate is for the host, or for the endpoint wanted.
pub async fn dial(
    site: &Site,
    (host, port): (&str, u16),
    security: Option<&Security>,
    endpoint: Option<&EndpointId>,
    network: &Network,
) -> Result<Dialled, String> {
    let session = match security {
        None => None,
        Some(security) => {
            let expected = Expected { uri: endpoint.map(EndpointId::urn), home: true };
            let tls = site.certificates(security).await?;
            //= TR-369 R-MTP.2: without a clock dates are ignored.
            Some(tls.session_with(site.wall(), expected).map_err(|error| error.to_string())?)
        }
    };
    let waits = Waits::default();
    let route = site.route(network).await?;
    let addresses =
        connect::addresses(host, port, &route, waits.name).await.map_err(|error| error.to_string())?;
    let mut tried = Vec::new();
    for address in &addresses {
        match open((host, *address), &route, &waits, session.as_ref()).await {
            Ok(dialled) => return Ok(dialled),
            Err(why) => tried.push(format!("{address}: {why}")),
        }
    }
    match tried.is_empty() {
        true => Err(format!("{host} has no address of the wanted family")),
        false => Err(tried.join("; ")),
    }
}

async fn open(
    (host, address): (&str, SocketAddr),
    route: &Route,
    waits: &Waits,
    session: Option<&tls::Session>,
) -> Result<Dialled, String> {
    let (stream, (peer, _)) =
        connect::reach(&[address], route, waits).await.map_err(|error| error.to_string())?;
    let local = stream.local_addr().map_err(|error| error.to_string())?;
    let stream = Prompt(stream);
    let Some(session) = session else {
        return Ok(Dialled {
            stream: Box::new(stream),
            peer,
            local,
            certificate: None,
            dates: Dates::Known,
            encrypted: false,
        });
    };
    let name = rustls::pki_types::ServerName::try_from(host.to_owned())
        .map_err(|_| format!("{host} cannot be the name of a certificate"))?;
    let connector = tokio_rustls::TlsConnector::from(session.config());
    let stream = timeout(waits.tls, pool::compute_in(&HANDSHAKES, connector.connect(name, stream)))
        .await
        .map_err(|_| "the TLS handshake takes too long".to_owned())?
        .ok_or("the program ends")?
        .map_err(|error| connect::tls_words(&error))?;
    let connection = stream.get_ref().1;
    let certificate = session.certified(connection);
    let dates = match session.verified(host, connection) {
        Some(verified) if !verified.dates_checked => Dates::Server(Box::new(verified)),
        Some(_) | None => Dates::Known,
    };
    Ok(Dialled { stream: Box::new(stream), peer, local, certificate, dates, encrypted: true })
}

/// Returns when a link is no longer wanted.
pub async fn unwanted(changes: &mut watch::Receiver<Wanted>) {
    while changes.changed().await.is_ok() {}
}
