//! The UDP socket of connection requests: drives the STUN binding and hears signed requests.
//!
//! Owns the sockets, the server's name and the choice of the local address; what is sent when is
//! [`crate::wake::binding`]'s, what wakes is [`crate::wake::udp`]'s. Tells the one loop by [`Event`]s.

use super::pool;
use crate::digest::client::Credentials;
use crate::io::http::connect::{self, Route};
use crate::rng::Rng;
use crate::time::Instant;
use crate::wake::binding::{Address, Binding, Output, Port, Settings};
use crate::wake::udp::{Gate, MAX_DATAGRAM};
use crate::way::Family;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant as Clock;

/// How long the server's name may take to look up.
pub const NAME_WAIT: Duration = Duration::from_secs(20);
/// How long to wait before a name or an address that failed is tried again.
pub const AGAIN: Duration = Duration::from_secs(60);
/// How often the local address is looked at while nothing is due.
pub const LOOK: Duration = Duration::from_secs(60);
/// After a failure to receive, so that a lasting one does not keep the processor busy.
const REST: Duration = Duration::from_millis(200);

/// The settings of UDP connection requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// How packets leave; IPv4 in any case.
    pub route: Route,
    /// The local port; 0 for any.
    pub port: u16,
    /// The STUN server, or the ACS where none is set: also tells which local address counts.
    pub server: String,
    /// The server's port.
    pub server_port: u16,
    /// STUNEnable.
    pub stun: bool,
    /// User name, password and periods; its `server` is filled in here.
    pub settings: Settings,
    /// ConnectionRequestUsername and ConnectionRequestPassword.
    pub credentials: Credentials,
    /// Whether requests wake at all.
    pub enabled: bool,
}

/// What the loop is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The address was found, or has changed.
    Address(Address),
    /// A genuine request has come: a session is to start.
    Wake,
}

/// The socket and its driver, until this is dropped.
#[derive(Debug)]
pub struct Udp {
    configs: watch::Sender<Config>,
    task: AbortHandle,
}

impl Udp {
    /// Binds and starts. Events go into `events`, whose bound is the caller's.
    pub fn start(config: Config, rng: Rng, events: mpsc::Sender<Event>) -> io::Result<Udp> {
        let primary = bind(&config.route, config.port)?;
        let (configs, changes) = watch::channel(config);
        let driver = Driver { changes, events, rng, gate: Gate::default(), begin: Clock::now() };
        let task = pool::spawn(driver.run(primary)).abort_handle();
        Ok(Udp { configs, task })
    }

    /// Changes the settings. The memory against replayed requests stays, and so does the socket if port and route do.
    pub fn configure(&self, config: Config) {
        self.configs.send_if_modified(|present| {
            let changed = *present != config;
            *present = config;
            changed
        });
    }
}

impl Drop for Udp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn bind(route: &Route, port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    let source = route.source.filter(|s| s.is_ipv4()).unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    Route { source: Some(source), ..route.clone() }.apply(&socket, true, port)?;
    UdpSocket::from_std(socket.into())
}

struct Driver {
    changes: watch::Receiver<Config>,
    events: mpsc::Sender<Event>,
    rng: Rng,
    gate: Gate,
    begin: Clock,
}

/// Why the present settings are no longer worked with.
enum End {
    /// There are new ones, or the local address is another one.
    Renewed,
    /// Nobody listens any more.
    Closed,
}

impl Driver {
    async fn run(mut self, primary: UdpSocket) {
        let mut primary = Some(primary);
        let mut config = self.changes.borrow_and_update().clone();
        loop {
            if let End::Closed = self.work(&config, primary.as_ref()).await {
                return;
            }
            let next = self.changes.borrow_and_update().clone();
            if primary.is_none() || (&next.route, next.port) != (&config.route, config.port) {
                // The old one goes first: it may hold the very port.
                drop(primary.take());
                primary = bind(&next.route, next.port)
                    .inspect_err(|error| log::warn!("UDP connection requests: port {}: {error}", next.port))
                    .ok();
            }
            config = next;
        }
    }

    /// Works with one set of settings; looks up the server first, and again later if that fails.
    async fn work(&mut self, config: &Config, primary: Option<&UdpSocket>) -> End {
        let route = Route { family: Family::V4, ..config.route.clone() };
        let found = connect::addresses(&config.server, config.server_port, &route, NAME_WAIT);
        let found = tokio::select! {
            found = found => found.map(|all| all.into_iter().find_map(v4)),
            changed = self.changes.changed() => return if changed.is_ok() { End::Renewed } else { End::Closed },
        };
        let server = match found {
            Ok(server) => server,
            Err(error) => {
                log::info!("UDP connection requests: {error}");
                None
            }
        };
        let local = server.and_then(|server| local_towards(config, server, primary));
        let mut binding = local.map(|local| {
            let server = server.filter(|_| config.stun);
            Binding::new(Settings { server, ..config.settings.clone() }, local, self.now())
        });
        let secondary = bind(&config.route, 0).ok();
        // Without an address the requests are heard all the same, and the server is looked up again later.
        let retry = Clock::now() + AGAIN;
        loop {
            if let Some(binding) = &mut binding {
                while let Some(output) = binding.poll() {
                    match output {
                        Output::Send { from, to, octets } => {
                            let socket = if from == Port::Primary { primary } else { secondary.as_ref() };
                            if let Some(socket) = socket
                                && let Err(error) = socket.send_to(&octets, to).await
                            {
                                log::debug!("STUN request to {to}: {error}");
                            }
                        }
                        Output::Address(address) => {
                            if self.events.send(Event::Address(address)).await.is_err() {
                                return End::Closed;
                            }
                        }
                    }
                }
            }
            let wait = match &binding {
                Some(binding) => {
                    let due = binding.due().map_or(Clock::now() + LOOK, |due| self.begin + due.0);
                    due.min(Clock::now() + LOOK)
                }
                None => retry,
            };
            let mut first = [0; MAX_DATAGRAM];
            let mut second = [0; MAX_DATAGRAM];
            let (port, octets) = tokio::select! {
                changed = self.changes.changed() => {
                    return if changed.is_ok() { End::Renewed } else { End::Closed };
                }
                got = heard(primary, &mut first) => (Port::Primary, first.get(..got)),
                got = heard(secondary.as_ref(), &mut second) => (Port::Secondary, second.get(..got)),
                () = tokio::time::sleep_until(wait) => {
                    let now = self.now();
                    let Some(binding) = &mut binding else { return End::Renewed };
                    if server.and_then(|server| local_towards(config, server, primary)) != local {
                        return End::Renewed;
                    }
                    binding.timer(now, &mut self.rng);
                    continue;
                }
            };
            let octets = octets.unwrap_or_default();
            //= TR-069 G.2.1.4: requests come to the port of the binding, and are told from STUN by how they begin.
            if octets.starts_with(b"GET ") {
                if port == Port::Primary && config.enabled && self.wakes(config, octets).await.is_err() {
                    return End::Closed;
                }
            } else if let Some(binding) = &mut binding {
                binding.datagram(self.now(), port, octets, &mut self.rng);
            }
        }
    }

    async fn wakes(&mut self, config: &Config, octets: &[u8]) -> Result<(), mpsc::error::SendError<Event>> {
        match self.gate.check(&config.credentials, octets) {
            Ok(()) => self.events.send(Event::Wake).await,
            Err(why) => {
                log::debug!("UDP connection request ignored: {why:?}");
                Ok(())
            }
        }
    }

    fn now(&self) -> Instant {
        Instant(self.begin.elapsed())
    }
}

fn v4(address: SocketAddr) -> Option<SocketAddrV4> {
    match address {
        SocketAddr::V4(v4) => Some(v4),
        SocketAddr::V6(_) => None,
    }
}

/// The next datagram of a socket that may be missing; a missing one never has any.
async fn heard(socket: Option<&UdpSocket>, octets: &mut [u8]) -> usize {
    match socket {
        Some(socket) => match socket.recv(octets).await {
            Ok(size) => size,
            Err(error) => {
                log::debug!("UDP connection requests: {error}");
                tokio::time::sleep(REST).await;
                0
            }
        },
        None => std::future::pending().await,
    }
}

/// The address and port that packets to `server` leave from.
fn local_towards(config: &Config, server: SocketAddrV4, primary: Option<&UdpSocket>) -> Option<SocketAddrV4> {
    let bound = v4(primary?.local_addr().ok()?)?;
    if !bound.ip().is_unspecified() {
        return Some(bound);
    }
    // Connecting a UDP socket sends nothing; it only chooses the route.
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).ok()?;
    config.route.apply(&socket, true, 0).ok()?;
    socket.connect(&server.into()).ok()?;
    let chosen = socket.local_addr().ok()?.as_socket_ipv4()?;
    Some(SocketAddrV4::new(*chosen.ip(), bound.port()))
}

#[cfg(test)]
mod tests;
