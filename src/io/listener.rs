//! The port of HTTP connection requests: reads a bounded head, asks the agent, sends its answer, closes.
//!
//! Judges nothing: each request becomes a [`Call::Ask`] for the one loop, which asks [`crate::wake::http::Door`]. Once an
//! answer that wakes has left, [`Call::Wake`] follows, so that the session never comes before its answer.

use super::pool;
use crate::io::http::connect::{Route, listen};
use crate::io::http::head::{MAX_REQUEST_HEAD, Request};
use crate::wake::http::{Answer, Ask};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};

/// Most connections at a time; for a further one the oldest is dropped, so that idle ones keep nobody out.
pub const MAX_CONNECTIONS: usize = 32;
/// Between octets of a request.
pub const READ_WAIT: Duration = Duration::from_secs(5);
/// For the whole head of a request.
pub const HEAD_WAIT: Duration = Duration::from_secs(15);
/// For the loop to judge, and for the caller to take the answer, each.
pub const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// After a failure to accept, such as too many open files.
const REST: Duration = Duration::from_millis(200);

/// What the loop is told.
#[derive(Debug)]
pub enum Call {
    /// A request to judge; the answer goes into the channel.
    Ask(Asked, oneshot::Sender<Answer>),
    /// An answer that wakes has left: a session is to start.
    Wake,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who sent it.
    pub source: IpAddr,
    /// Its method.
    pub method: String,
    /// Its target.
    pub target: String,
    /// Its `Authorization` field, if it has exactly one.
    pub authorization: Option<String>,
}

impl Asked {
    /// The request as the door wants it.
    pub fn ask(&self) -> Ask<'_> {
        Ask {
            source: self.source,
            method: &self.method,
            target: &self.target,
            authorization: self.authorization.as_deref(),
        }
    }
}

/// A port that listens until this is dropped.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listener {
    /// Listens on `port` (0 for any) of the route's source address, or of all addresses of both families; IPv4 only
    /// where there is no IPv6. Calls go into `calls`, whose bound is the caller's.
    pub fn bind(route: &Route, port: u16, calls: mpsc::Sender<Call>) -> io::Result<Listener> {
        let listener = match route.source {
            Some(source) => listen(route, source, port)?,
            None => listen(route, Ipv6Addr::UNSPECIFIED.into(), port)
                .or_else(|_| listen(route, std::net::Ipv4Addr::UNSPECIFIED.into(), port))?,
        };
        let address = listener.local_addr()?;
        let task = pool::spawn(accept(listener, calls));
        Ok(Listener { address, task })
    }

    /// The address listened on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port and returns once it is free again.
    pub async fn close(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Connections end with it: they are the task's own.
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, calls: mpsc::Sender<Call>) {
    let mut connections = JoinSet::new();
    let mut oldest: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                log::warn!("connection requests: {error}");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        oldest.retain(|connection| !connection.is_finished());
        if oldest.len() >= MAX_CONNECTIONS
            && let Some(connection) = oldest.pop_front()
        {
            connection.abort();
        }
        let work: pool::Work = Box::pin(serve(stream, peer.ip().to_canonical(), calls.clone()));
        oldest.push_back(connections.spawn(work));
    }
}

/// One connection, one request: keep-alive is not needed for it.
async fn serve(mut stream: TcpStream, source: IpAddr, calls: mpsc::Sender<Call>) {
    let answer = match read(&mut stream, source).await {
        Ok(asked) => {
            let (sender, receiver) = oneshot::channel();
            let judged = async {
                calls.send(Call::Ask(asked, sender)).await.ok()?;
                receiver.await.ok()
            };
            timeout(ANSWER_WAIT, judged).await.ok().flatten().unwrap_or(Answer::refusal(503))
        }
        Err(Some(status)) => Answer::refusal(status),
        Err(None) => return,
    };
    let sent = timeout(ANSWER_WAIT, async {
        stream.write_all(&answer.octets()).await?;
        stream.shutdown().await
    });
    let _ = sent.await;
    // Also when the caller did not wait for it: a genuine request is one.
    if answer.wake {
        let _ = calls.send(Call::Wake).await;
    }
    // What the caller still sends (a body) is read, or the reset that follows would destroy the answer on its way.
    let mut rest = [0; 512];
    let drain = async { while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {} };
    let _ = timeout(REST, drain).await;
}

/// Reads a request. An error is the status to answer, or `None` if there is nobody to answer.
async fn read(stream: &mut TcpStream, source: IpAddr) -> Result<Asked, Option<u16>> {
    let mut octets = Vec::with_capacity(1024);
    let end = Instant::now() + HEAD_WAIT;
    loop {
        let mut part = [0; 1024];
        let wait = end.min(Instant::now() + READ_WAIT);
        let read =
            timeout_at(wait, stream.read(&mut part)).await.map_err(|_| Some(408))?.map_err(|_| None)?;
        if read == 0 {
            return Err(None);
        }
        octets.extend_from_slice(part.get(..read).unwrap_or_default());
        match Request::parse(&octets) {
            Ok(Some(request)) => {
                let mut sent = request.headers.all("Authorization");
                let first = sent.next().map(str::to_owned);
                if sent.next().is_some() {
                    return Err(Some(400));
                }
                drop(sent);
                let Request { method, target, .. } = request;
                return Ok(Asked { source, method, target, authorization: first });
            }
            Ok(None) if octets.len() <= MAX_REQUEST_HEAD => {}
            Ok(None) | Err(_) => return Err(Some(400)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::digest::client::{Authorizer, Basic, Credentials};
    use crate::rng::Rng;
    use crate::secret::Secret;
    use crate::time::Now;
    use crate::wake::http::{Door, Rules};

    fn credentials() -> Credentials {
        Credentials { username: "acs".into(), password: Secret::new("word") }
    }

    fn local() -> Route {
        Route { source: Some([127, 0, 0, 1].into()), ..Route::default() }
    }

    /// A listener and a loop that judges; wakes come out.
    async fn start() -> (Listener, mpsc::Receiver<()>) {
        let (calls, mut called) = mpsc::channel(4);
        let listener = Listener::bind(&local(), 0, calls).unwrap();
        let (woken, wakes) = mpsc::channel(10);
        tokio::spawn(async move {
            let mut rng = Rng::new([5; 32]);
            let mut door = Door::new(&mut rng);
            let rules =
                Rules { enabled: true, path: "/path".into(), credentials: credentials(), ..Rules::default() };
            while let Some(call) = called.recv().await {
                match call {
                    Call::Ask(asked, answer) => {
                        let judged = door.ask(Now::default(), &rules, false, &asked.ask(), &mut rng);
                        let _ = answer.send(judged);
                    }
                    Call::Wake => woken.send(()).await.unwrap(),
                }
            }
        });
        (listener, wakes)
    }

    async fn say(to: SocketAddr, text: &str) -> String {
        let mut stream = TcpStream::connect(to).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    //= TR-069 3.2.2.2
    #[tokio::test]
    async fn a_genuine_request_is_answered_before_it_wakes() {
        let (listener, mut wakes) = start().await;
        let to = listener.address();
        let first = say(to, "GET /path HTTP/1.1\r\nHost: cpe\r\n\r\n").await;
        assert!(first.starts_with("HTTP/1.1 401 "), "{first}");
        let challenge = first.lines().find_map(|l| l.strip_prefix("WWW-Authenticate: ")).unwrap();
        let mut client = Authorizer::new(credentials(), Basic::Always);
        client.challenged(&[challenge], false).unwrap();
        let auth = client.authorize("GET", "/path", &mut Rng::new([1; 32])).unwrap();
        let request = format!("GET /path HTTP/1.1\r\nAuthorization: {auth}\r\n\r\n");
        let answer = say(to, &request).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("Content-Length: 0\r\n"), "{answer}");
        wakes.recv().await.unwrap();
        let twice = say(to, &request.replace("Authorization", "Authorization: x\r\nAuthorization")).await;
        assert!(twice.starts_with("HTTP/1.1 400 "), "{twice}");
        assert!(wakes.try_recv().is_err(), "one request, one wake");
    }

    #[tokio::test]
    async fn other_requests_are_refused_and_a_body_does_no_harm() {
        let (listener, mut wakes) = start().await;
        let body = "x".repeat(50_000);
        for (request, status) in [
            ("GET /other HTTP/1.1\r\n\r\n".to_owned(), 404),
            (format!("POST /path HTTP/1.1\r\nContent-Length: 50000\r\n\r\n{body}"), 405),
            ("GET /path\r\n\r\n".to_owned(), 400),
            (format!("GET /{body} HTTP/1.1\r\n"), 400),
            ("\u{16}\u{3}\u{1}\n".to_owned(), 400),
        ] {
            let answer = say(listener.address(), &request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
        }
        assert!(wakes.try_recv().is_err());
    }

    #[tokio::test]
    async fn idle_connections_keep_nobody_out() {
        let (listener, _wakes) = start().await;
        let mut held = Vec::new();
        for n in 0..MAX_CONNECTIONS + 10 {
            let mut stream = TcpStream::connect(listener.address()).await.unwrap();
            if n % 2 == 0 {
                stream.write_all(b"GET /path HTTP/1.1\r\nHost: x\r\n").await.unwrap();
            }
            held.push(stream);
        }
        let answer = say(listener.address(), "GET /path HTTP/1.1\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        let mut rest = Vec::new();
        let dropped = held[0].read_to_end(&mut rest).await;
        assert!(rest.is_empty() && dropped.map_or(true, |read| read == 0), "the oldest was dropped");
    }

    #[tokio::test]
    async fn a_slow_caller_is_given_up_in_time() {
        let (listener, _wakes) = start().await;
        let mut stream = TcpStream::connect(listener.address()).await.unwrap();
        stream.write_all(b"GET /path HTTP/1.1\r\n").await.unwrap();
        say(listener.address(), "GET / HTTP/1.1\r\n\r\n").await;
        tokio::time::pause();
        let begin = Instant::now();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(begin.elapsed() <= HEAD_WAIT);
    }

    #[tokio::test]
    async fn without_the_loop_the_answer_is_503_and_a_closed_listener_frees_its_port() {
        let (calls, called) = mpsc::channel(1);
        let listener = Listener::bind(&local(), 0, calls).unwrap();
        drop(called);
        let answer = say(listener.address(), "GET /path HTTP/1.1\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && !answer.contains("Retry-After"), "{answer}");
        let address = listener.address();
        listener.close().await;
        assert!(TcpStream::connect(address).await.is_err());
        let (calls, _called) = mpsc::channel(1);
        let again = Listener::bind(&local(), address.port(), calls).unwrap();
        assert_eq!(again.address(), address);
    }

    #[tokio::test]
    async fn both_families_are_served_by_one_port() {
        let (calls, mut called) = mpsc::channel(4);
        let listener = Listener::bind(&Route::default(), 0, calls).unwrap();
        let port = listener.address().port();
        let v4 =
            tokio::spawn(async move { say(([127, 0, 0, 1], port).into(), "GET / HTTP/1.1\r\n\r\n").await });
        let Some(Call::Ask(asked, answer)) = called.recv().await else { panic!("no call") };
        assert_eq!(asked.source, IpAddr::from([127, 0, 0, 1]), "not the mapped form of IPv6");
        answer.send(Answer::refusal(404)).unwrap();
        assert!(v4.await.unwrap().starts_with("HTTP/1.1 404 "));
    }
}
