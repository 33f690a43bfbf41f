//! The port of WebSocket sessions that controllers open: TLS, the opening, and how many at a time.
//!
//! What a session does while it stands is [`super::websocket`]'s; that a newer one takes an older one's place [`super::Links`]'.

use super::dial::{Dates, Dialled, Site, unwanted};
use super::link::Reports;
use super::websocket::{Alive, Ended, Socket, read_head, session, up};
use crate::io::http::connect::{Route, Stream, listen};
use crate::io::http::head::Request;
use crate::io::pool;
use crate::io::tls::Tls;
use crate::rng::Rng;
use crate::sorted::Map;
use crate::usp::endpoint::EndpointId;
use crate::usp::mtp::websocket as rules;
use crate::usp::mtp::{Certified, Retry, Wanted, WebSocketServer};
use crate::way::Network;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

/// Most openings at a time; for a further one the oldest is dropped, so that idle ones keep nobody out.
pub const MAX_OPENINGS: usize = 16;
/// Most sessions at a time; a further one is answered with 503.
pub const MAX_SESSIONS: usize = 16;
/// Most openings and sessions of one address.
pub const MAX_OF_SOURCE: usize = 4;
/// For a whole opening, TLS included.
pub const OPENING_WAIT: Duration = Duration::from_secs(15);
/// From a client's hello to the end of its handshake; others wait for it.
pub const HANDSHAKE_WAIT: Duration = Duration::from_secs(8);
/// After a failure to accept, such as too many open files.
const REST: Duration = Duration::from_millis(200);
/// Most networks that are listened on.
pub const MAX_NETWORKS: usize = 8;

/// Handshakes of ports at a time.
static HANDSHAKES: Semaphore = Semaphore::const_new(2);

/// Listens until it is no longer wanted.
//= TR-369 R-WS.6: the Agent accepts sessions.
pub async fn run(
    site: Arc<Site>,
    mut wanted: WebSocketServer,
    mut changes: watch::Receiver<Wanted>,
    reports: Reports,
    mut rng: Rng,
) {
    let retry = Retry::default();
    let mut failures = 0;
    loop {
        if let Wanted::WebSocketServer(now) = &*changes.borrow_and_update() {
            wanted.clone_from(now);
        }
        let opened = tokio::select! {
            opened = open(&site, &wanted) => opened,
            () = unwanted(&mut changes) => return,
        };
        match opened {
            Ok((listeners, tls)) => {
                let port = listeners.first().and_then(|one| one.local_addr().ok());
                reports.listening(port.map_or(wanted.port, |address| address.port())).await;
                let port = Port { site, wanted: Arc::new(wanted), tls: tls.map(Arc::new), reports };
                return port.serve(listeners, changes).await;
            }
            Err(why) => {
                failures += 1;
                let wait = retry.wait(failures, &mut rng);
                reports.down(None, why, failures, Some(wait)).await;
                tokio::select! {
                    () = sleep(wait) => {}
                    () = unwanted(&mut changes) => return,
                }
            }
        }
    }
}

/// Reads the certificates of a port.
async fn trust(site: &Site, wanted: &WebSocketServer) -> Result<Option<Tls>, String> {
    let Some(security) = &wanted.tls else { return Ok(None) };
    let tls = site.certificates(security).await?;
    tls.port(site.wall(), wanted.peer_certificate).map_err(|error| error.to_string())?;
    Ok(Some(tls))
}

async fn open(site: &Site, wanted: &WebSocketServer) -> Result<(Vec<TcpListener>, Option<Tls>), String> {
    let tls = trust(site, wanted).await?;
    let mut routes = Vec::new();
    for name in wanted.interfaces.iter().take(MAX_NETWORKS) {
        let network = Network { interface: name.as_ref().into(), ..Network::default() };
        routes.push(site.route(&network).await?);
    }
    if routes.is_empty() || site.folder {
        routes = vec![Route::default()];
    }
    let mut listeners = Vec::new();
    for route in routes {
        let opened = if site.folder {
            listen(&route, Ipv4Addr::LOCALHOST.into(), wanted.port)
        } else {
            listen(&route, Ipv6Addr::UNSPECIFIED.into(), wanted.port)
                .or_else(|_| listen(&route, Ipv4Addr::UNSPECIFIED.into(), wanted.port))
        };
        listeners.push(opened.map_err(|error| format!("port {}: {error}", wanted.port))?);
    }
    Ok((listeners, tls))
}

/// A port that is open.
struct Port {
    site: Arc<Site>,
    wanted: Arc<WebSocketServer>,
    tls: Option<Arc<Tls>>,
    reports: Reports,
}

/// An opening that came to its end.
struct Opened {
    source: IpAddr,
    session: Option<(Socket, Dialled, EndpointId)>,
}

impl Port {
    async fn serve(mut self, listeners: Vec<TcpListener>, mut changes: watch::Receiver<Wanted>) {
        let mut openings: JoinSet<Opened> = JoinSet::new();
        let mut oldest: VecDeque<(AbortHandle, IpAddr)> = VecDeque::new();
        let mut sessions: JoinSet<IpAddr> = JoinSet::new();
        let mut standing: Map<IpAddr, usize> = Map::new();
        loop {
            tokio::select! {
                (stream, peer) = accept(&listeners) => {
                    let source = peer.ip().to_canonical();
                    oldest.retain(|(opening, _)| !opening.is_finished());
                    let opening = oldest.iter().filter(|(_, of)| *of == source).count();
                    if opening + standing.get(&source).copied().unwrap_or_default() >= MAX_OF_SOURCE {
                        log::debug!("{}: too many sessions of {source}", self.reports.name());
                        continue;
                    }
                    if oldest.len() >= MAX_OPENINGS && let Some((opening, _)) = oldest.pop_front() {
                        opening.abort();
                    }
                    let full = sessions.len() >= MAX_SESSIONS;
                    let opening = self.opening(stream, peer, full);
                    let task = openings.spawn(async move {
                        let session = timeout(OPENING_WAIT, opening).await;
                        let session = session.unwrap_or_else(|_| Err("the opening takes too long".into()));
                        let session = session.inspect_err(|why| log::debug!("a session of {source}: {why}"));
                        Opened { source, session: session.ok() }
                    });
                    oldest.push_back((task, source));
                }
                Some(opened) = openings.join_next() => {
                    if let Ok(Opened { source, session: Some((socket, dialled, peer)) }) = opened {
                        *standing.entry(source).or_default() += 1;
                        sessions.spawn(self.session(socket, dialled, peer, source, changes.clone()));
                    }
                }
                Some(ended) = sessions.join_next() => {
                    if let Ok(source) = ended
                        && let Some(count) = standing.get_mut(&source)
                    {
                        *count -= 1;
                        if *count == 0 {
                            standing.remove(&source);
                        }
                    }
                }
                changed = changes.changed() => match changed {
                    Ok(()) => {
                        let now = changes.borrow_and_update().clone();
                        self.renew(now).await;
                    }
                    Err(_) => break,
                },
            }
        }
        drop(listeners);
        drop(openings);
        // Each of them sees that it is no longer wanted.
        while sessions.join_next().await.is_some() {}
    }

    /// Takes up what is trusted besides; sessions that stand are none the worse for it.
    async fn renew(&mut self, now: Wanted) {
        let Wanted::WebSocketServer(wanted) = now else { return };
        match trust(&self.site, &wanted).await {
            Ok(tls) => (self.wanted, self.tls) = (Arc::new(wanted), tls.map(Arc::new)),
            Err(why) => log::error!("{}: {why}", self.reports.name()),
        }
    }

    fn opening(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        full: bool,
    ) -> impl Future<Output = Result<(Socket, Dialled, EndpointId), String>> + use<> {
        let (site, wanted, tls) = (self.site.clone(), self.wanted.clone(), self.tls.clone());
        async move {
            let _ = stream.set_nodelay(true);
            let local = stream.local_addr().map_err(|error| error.to_string())?;
            let mut dialled = Dialled {
                stream: Box::new(tokio::io::empty()),
                peer,
                local,
                certificate: None,
                dates: Dates::Known,
                encrypted: tls.is_some(),
            };
            let mut stream: Box<dyn Stream> = match tls {
                None => Box::new(stream),
                Some(tls) => secure(stream, &tls, &site, &wanted, &mut dialled).await?,
            };
            let (head, rest) = read_head(&mut stream).await?;
            let request = match Request::parse(&head) {
                Ok(Some(request)) if request.minor == 1 && !full => request,
                Ok(Some(_)) if full => return refuse(stream, 503, "there are too many sessions").await,
                Ok(_) | Err(_) => return refuse(stream, 400, "not HTTP/1.1").await,
            };
            let field = |name: &str| request.headers.all(name).map(str::to_owned).collect();
            let asked = match rules::asked(&request.method, &request.target, &wanted.path, &field) {
                Ok(asked) => asked,
                Err(refused) => return refuse(stream, refused.status, refused.why).await,
            };
            //= TR-369 R-SEC.0a: whoever shows a certificate is the endpoint that it is for.
            //= TR-369 R-SEC.8: or one for which that certificate is kept; which one, the agent looks at.
            let kept = |shown: &[u8; 32]| wanted.tls.as_ref().is_some_and(|tls| tls.kept.contains(shown));
            let stranger = |shown: &Certified| !shown.is_for(&asked.peer) && !kept(&shown.fingerprint);
            if dialled.certificate.as_ref().is_some_and(stranger) {
                return refuse(stream, 403, "the certificate is for another endpoint").await;
            }
            let mut answer = String::from("HTTP/1.1 101 Switching Protocols\r\n");
            for (name, value) in rules::response_fields(&asked, &wanted.own) {
                answer.push_str(&format!("{name}: {value}\r\n"));
            }
            answer.push_str("\r\n");
            stream.write_all(answer.as_bytes()).await.map_err(|error| error.to_string())?;
            stream.flush().await.map_err(|error| error.to_string())?;
            Ok((Socket { stream, rest, ours: false }, dialled, asked.peer))
        }
    }

    fn session(
        &self,
        socket: Socket,
        dialled: Dialled,
        peer: EndpointId,
        source: IpAddr,
        mut changes: watch::Receiver<Wanted>,
    ) -> impl Future<Output = IpAddr> + use<> {
        let (site, reports, keep_alive) = (self.site.clone(), self.reports.clone(), self.wanted.keep_alive);
        async move {
            let link = reports.number();
            let inbox = reports.up(up(link, &reports, &dialled, Some(peer), true)).await;
            let alive = Alive { keep_alive, dates: dialled.dates, site };
            let Ended { why, .. } = session(socket, &reports, link, inbox, alive, &mut changes).await;
            reports.down(Some(link), why, 0, None).await;
            source
        }
    }
}

/// The next connection of any of the listeners.
async fn accept(listeners: &[TcpListener]) -> (TcpStream, SocketAddr) {
    loop {
        let accepted = std::future::poll_fn(|context| {
            for listener in listeners {
                if let std::task::Poll::Ready(accepted) = listener.poll_accept(context) {
                    return std::task::Poll::Ready(accepted);
                }
            }
            std::task::Poll::Pending
        });
        match accepted.await {
            Ok(accepted) => return accepted,
            Err(error) => {
                log::warn!("WebSocket sessions: {error}");
                sleep(REST).await;
            }
        }
    }
}

async fn secure(
    stream: TcpStream,
    tls: &Tls,
    site: &Site,
    wanted: &WebSocketServer,
    dialled: &mut Dialled,
) -> Result<Box<dyn Stream>, String> {
    // The hello is read here: who sends none keeps nobody waiting.
    let hello = tokio_rustls::LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream);
    let start = hello.await.map_err(|error| error.to_string())?;
    let wall = site.wall();
    let config = tls.port(wall, wanted.peer_certificate).map_err(|error| error.to_string())?;
    let work = async move { timeout(HANDSHAKE_WAIT, start.into_stream(config)).await };
    let stream = pool::compute_in(&HANDSHAKES, work)
        .await
        .ok_or("the program ends")?
        .map_err(|_| "the TLS handshake takes too long")?
        .map_err(|error| error.to_string())?;
    dialled.certificate = tls.certified_client(wall, stream.get_ref().1);
    if dialled.certificate.as_ref().is_some_and(|certificate| !certificate.dates_checked) {
        dialled.dates = Dates::Client;
    }
    Ok(Box::new(stream))
}

/// Answers with a status, and leaves.
async fn refuse<T>(mut stream: Box<dyn Stream>, status: u16, why: &str) -> Result<T, String> {
    let version = if status == 426 { "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" } else { "" };
    let answer =
        format!("HTTP/1.1 {status} {why}\r\n{version}Content-Length: 0\r\nConnection: close\r\n\r\n");
    let sent = async {
        stream.write_all(answer.as_bytes()).await.ok()?;
        stream.shutdown().await.ok()?;
        // What is on its way is read, or the reset that follows would destroy the answer.
        let mut rest = [0; 512];
        while stream.read(&mut rest).await.ok()? > 0 {}
        Some(())
    };
    let _ = timeout(REST, sent).await;
    Err(why.to_owned())
}
