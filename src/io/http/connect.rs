//! One connection: the name looked up, every address tried in turn, socket options, TLS.
//!
//! Owns deadlines until the connection stands. What is said on it is `client`'s.

use super::error::{Error, Stage};
use super::url::Url;
use crate::io::{pool, privileged, tls};
use crate::way::{Family, Network};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

/// Most addresses of a name that are tried.
pub const MAX_ADDRESSES: usize = 16;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 32;

/// How packets of a management network leave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The Linux interface to bind to.
    pub interface: Option<String>,
    /// The address to send from; servers of the other family are then out of reach.
    pub source: Option<IpAddr>,
    /// The address family.
    pub family: Family,
    /// Differentiated services code point, 0 to 63.
    pub dscp: Option<u8>,
    /// The priority of packets in the kernel, which VLANs carry as the one of their frames; by itself it follows `dscp`.
    pub priority: Option<u8>,
    /// Routing mark (SO_MARK); takes CAP_NET_ADMIN, so that the root part sets it.
    pub mark: Option<u32>,
}

impl Route {
    /// The one of a network with this device. In a folder nothing but the family counts: its interfaces are not ours.
    pub fn of(network: &Network, interface: Option<String>, folder: bool) -> Route {
        let route = Route { family: network.family, ..Route::default() };
        if folder {
            return route;
        }
        let dscp = (network.dscp > 0).then_some(network.dscp);
        Route { interface, source: network.source_address, dscp, mark: network.mark, ..route }
    }

    /// Whether an address can be reached this way.
    pub fn fits(&self, address: &SocketAddr) -> bool {
        let family = match self.family {
            Family::Any => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        };
        family && self.source.is_none_or(|source| source.is_ipv4() == address.is_ipv4())
    }

    /// Applies interface, mark, code point and priority to a socket for peers of the family of `v4`, and binds it to the source
    /// address and `port`, where either is set.
    pub fn apply(&self, socket: &Socket, v4: bool, port: u16) -> io::Result<()> {
        if let Some(interface) = &self.interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        if let Some(mark) = self.mark {
            socket.set_mark(mark).or_else(|refused| privileged::mark(refused, socket, mark))?;
        }
        if let Some(dscp) = self.dscp {
            let octet = u32::from(dscp & 0x3f) << 2;
            if v4 { socket.set_tos_v4(octet)? } else { socket.set_tclass_v6(octet)? }
        }
        //= TR-181 IP.Diagnostics.DownloadDiagnostics.EthernetPriority: the priority of the frames, beside the code point.
        // Last, as setting the code point sets it too.
        if let Some(priority) = self.priority {
            let refused = socket.set_priority(priority.into());
            refused.or_else(|refused| privileged::priority(refused, socket, priority))?;
        }
        let any: IpAddr = if v4 { [0, 0, 0, 0].into() } else { [0u16; 8].into() };
        match self.source {
            Some(source) => socket.bind(&SocketAddr::new(source, port).into()),
            None if port != 0 => socket.bind(&SocketAddr::new(any, port).into()),
            None => Ok(()),
        }
    }
}

/// A port of one address, with the options of the route.
pub fn listen(route: &Route, source: IpAddr, port: u16) -> io::Result<TcpListener> {
    let address = SocketAddr::new(source, port);
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if source == IpAddr::from(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    let bound = Route { source: Some(source), ..route.clone() };
    bound.apply(&socket, address.is_ipv4(), port)?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// How long each stage may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// Looking up the name.
    pub name: Duration,
    /// Connecting to one address.
    pub address: Duration,
    /// The TLS handshake; software elliptic curves are slow on small routers.
    pub tls: Duration,
    /// Between octets, sent or received.
    //= TR-069 3.7.1.4: without an answer the CPE waits at least 30 seconds.
    pub idle: Duration,
    /// From the request sent to the end of the answer.
    pub whole: Duration,
}

impl Default for Waits {
    fn default() -> Waits {
        Waits {
            name: Duration::from_secs(20),
            address: Duration::from_secs(10),
            tls: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            whole: Duration::from_secs(300),
        }
    }
}

/// Octets both ways.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection that stands.
pub struct Connection {
    /// The octets.
    pub stream: Box<dyn Stream>,
    /// The server's address.
    pub peer: SocketAddr,
    /// Our address towards it.
    pub local: SocketAddr,
    /// When it was asked for.
    pub asked: Instant,
    /// When it stood, before any TLS.
    pub stood: Instant,
    /// The server's certificate, over TLS.
    pub verified: Option<tls::Verified>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({} -> {})", self.local, self.peer)
    }
}

/// All addresses of `host` that fit the route, in the resolver's order. Looked up on the blocking pool.
pub async fn addresses(
    host: &str,
    port: u16,
    route: &Route,
    wait: Duration,
) -> Result<Vec<SocketAddr>, Error> {
    let named = |why: String| Error::Name(host.to_owned(), why);
    let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => {
            let name = host.to_owned();
            let looked_up = pool::run(move || (name.as_str(), port).to_socket_addrs());
            let found = timeout(wait, looked_up).await.map_err(|_| Error::Timeout(Stage::Name))?;
            found.map_err(|e| named(e.to_string()))?.collect()
        }
    };
    if found.is_empty() {
        return Err(named("the name server knows none".into()));
    }
    let mut fitting: Vec<SocketAddr> = Vec::new();
    for address in found.into_iter().filter(|a| route.fits(a)) {
        if fitting.len() < MAX_ADDRESSES && !fitting.contains(&address) {
            fitting.push(address);
        }
    }
    Ok(fitting)
}

/// Connects to the first of `to` that takes the connection; over TLS if the URL says so.
///
/// An address is given up after its time, and the next is tried; a TLS failure ends the search.
pub async fn open(
    url: &Url,
    to: &[SocketAddr],
    route: &Route,
    waits: &Waits,
    tls: Option<&tls::Session>,
) -> Result<Connection, Error> {
    let (stream, reached) = reach(to, route, waits).await?;
    finish(url, stream, reached, waits, tls).await
}

/// The plain connection to the first of `to` that takes one, which that is, and when it was asked.
pub async fn reach(
    to: &[SocketAddr],
    route: &Route,
    waits: &Waits,
) -> Result<(TcpStream, (SocketAddr, Instant)), Error> {
    let mut tried = Vec::new();
    for address in to {
        let asked = Instant::now();
        let why = match timeout(waits.address, dial(*address, route)).await {
            Ok(Ok(stream)) => return Ok((stream, (*address, asked))),
            Ok(Err(Dial::Option(why))) => return Err(Error::Socket(why.to_string())),
            Ok(Err(Dial::Connect(why))) => why.to_string(),
            Err(_) => Error::Timeout(Stage::Connect).to_string(),
        };
        tried.push((*address, why));
    }
    Err(Error::Connect(tried))
}

enum Dial {
    Option(io::Error),
    Connect(io::Error),
}

async fn dial(to: SocketAddr, route: &Route) -> Result<TcpStream, Dial> {
    let socket =
        Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP)).map_err(Dial::Connect)?;
    socket.set_nonblocking(true).map_err(Dial::Connect)?;
    route.apply(&socket, to.is_ipv4(), 0).map_err(Dial::Option)?;
    let stream = TcpSocket::from_std_stream(socket.into()).connect(to).await.map_err(Dial::Connect)?;
    // Heads and bodies are written together; waiting to fill packets would only add delay.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

async fn finish(
    url: &Url,
    stream: TcpStream,
    (peer, asked): (SocketAddr, Instant),
    waits: &Waits,
    tls: Option<&tls::Session>,
) -> Result<Connection, Error> {
    let stood = Instant::now();
    let local = stream.local_addr().map_err(|e| Error::Lost(e.to_string()))?;
    if !url.tls {
        return Ok(Connection { stream: Box::new(stream), peer, local, asked, stood, verified: None });
    }
    let session = tls.ok_or_else(|| Error::Tls("no certificates are set up".into()))?;
    //= TR-069 3.3: the server is told the name wanted (SNI), and its certificate is held against it.
    let name = rustls::pki_types::ServerName::try_from(url.host.clone())
        .map_err(|_| Error::Tls(format!("{} cannot be the name of a certificate", url.host)))?;
    let connector = tokio_rustls::TlsConnector::from(session.config());
    let stream = timeout(waits.tls, pool::compute(connector.connect(name, stream)))
        .await
        .map_err(|_| Error::Timeout(Stage::Tls))?
        .ok_or_else(|| Error::Lost("the program ends".into()))?
        .map_err(|e| Error::Tls(tls_words(&e)))?;
    let verified = session.verified(&url.host, stream.get_ref().1);
    Ok(Connection { stream: Box::new(stream), peer, local, asked, stood, verified })
}

/// A failed handshake in words for a person.
pub fn tls_words(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(inner) => tls::words(inner),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the server closed during the handshake".into()
        }
        None => error.to_string(),
    }
}
