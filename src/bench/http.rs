//! A small HTTP/1.1 server, and a client for one request at a time.
//!
//! Keep-alive, Content-Length and chunked bodies, bounds and deadlines; no TLS, no compression, no pipelining beyond
//! what TCP buffers. Knows neither CWMP nor the page; both are [`Handler`]s.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::auth::{self, Login};

/// The longest line of a head or of a chunk.
pub const LINE_MAX: usize = 8 * 1024;
/// The most header fields in one message.
pub const FIELDS_MAX: usize = 64;
/// The largest body taken in.
pub const BODY_MAX: usize = 16 * 1024 * 1024;
/// The most connections served at once; more wait in the listener's backlog.
pub const CONNECTIONS_MAX: usize = 64;
/// How long a connection may rest between two requests.
pub const IDLE_WAIT: Duration = Duration::from_secs(75);
/// How long the rest of a message may take once it has begun.
pub const MESSAGE_WAIT: Duration = Duration::from_secs(30);

/// Header fields in the order they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// The value of the first field of that name, whatever its case.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// All values of the fields of that name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Whether a comma separated field holds `token`.
    pub fn has(&self, name: &str, token: &str) -> bool {
        self.all(name).flat_map(|v| v.split(',')).any(|t| t.trim().eq_ignore_ascii_case(token))
    }
}

/// What a client sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// Such as `POST`.
    pub method: String,
    /// Path and query as written.
    pub target: String,
    /// The header.
    pub fields: Fields,
    /// The body, chunks put together.
    pub body: Vec<u8>,
    /// The other end.
    pub peer: SocketAddr,
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Such as 200.
    pub status: u16,
    /// The header, without Content-Length and Connection, which the server adds.
    pub fields: Fields,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// An answer without a body.
    pub fn empty(status: u16) -> Response {
        Response { status, fields: Fields::default(), body: Vec::new() }
    }

    /// An answer with a body.
    pub fn new(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Response {
        Response { status, fields: Fields::default(), body: body.into() }.with("Content-Type", kind)
    }

    /// This answer with one more header field.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Response {
        self.fields.0.push((name.to_owned(), value.into()));
        self
    }
}

/// Why a message could not be taken.
#[derive(Debug)]
pub enum Error {
    /// The connection broke or ended too early.
    Io(io::Error),
    /// Not HTTP/1.x, or a part breaks a bound; the status says it to the client.
    Refused(u16, &'static str),
    /// A deadline passed.
    Late,
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::Io(error)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Io(error) => write!(f, "{error}"),
            Error::Refused(status, why) => write!(f, "{status} {why}"),
            Error::Late => f.write_str("no answer in time"),
        }
    }
}

impl std::error::Error for Error {}

/// Answers requests.
pub trait Handler: Clone + Send + 'static {
    /// The answer to one request; the connection waits for it as long as it takes.
    fn handle(&self, request: Request) -> impl Future<Output = Response> + Send;
}

/// Serves connections until the runtime ends.
pub async fn serve<H: Handler>(listener: TcpListener, handler: H) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let handler = handler.clone();
                tokio::spawn(async move {
                    // A connection that breaks concerns nobody but its client.
                    let _ = connection(stream, peer, handler).await;
                    drop(place);
                });
            }
            // Out of descriptors or the like: give others the time to finish.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn connection<H: Handler>(stream: TcpStream, peer: SocketAddr, handler: H) -> Result<(), Error> {
    let mut stream = BufReader::new(stream);
    loop {
        match timeout(IDLE_WAIT, stream.fill_buf()).await {
            Ok(Ok([])) | Ok(Err(_)) | Err(_) => return Ok(()),
            Ok(Ok(_)) => {}
        }
        let taken = timeout(MESSAGE_WAIT, request(&mut stream, peer)).await.unwrap_or(Err(Error::Late));
        let (request, old) = match taken {
            Ok(request) => request,
            Err(Error::Refused(status, why)) => {
                let refusal = Response::new(status, "text/plain; charset=utf-8", why);
                timeout(MESSAGE_WAIT, write_response(&mut stream, &refusal, true))
                    .await
                    .map_err(|_| Error::Late)??;
                drain(&mut stream).await;
                return Ok(());
            }
            Err(other) => return Err(other),
        };
        let close = old || request.fields.has("Connection", "close");
        let response = handler.handle(request).await;
        let close = close || response.fields.has("Connection", "close");
        timeout(MESSAGE_WAIT, write_response(&mut stream, &response, close))
            .await
            .map_err(|_| Error::Late)??;
        if close {
            return Ok(());
        }
    }
}

/// Reads on a little, so that a refusal is not lost in a reset while the client is still sending.
async fn drain(stream: &mut BufReader<TcpStream>) {
    let _ = stream.get_mut().shutdown().await;
    let mut left = BODY_MAX;
    let mut buffer = vec![0; LINE_MAX];
    while left > 0 {
        match timeout(Duration::from_secs(2), stream.read(&mut buffer)).await {
            Ok(Ok(n)) if n > 0 => left = left.saturating_sub(n),
            _ => return,
        }
    }
}

async fn write_response<W: AsyncWrite + Unpin>(
    to: &mut W,
    response: &Response,
    close: bool,
) -> Result<(), Error> {
    let mut head = format!("HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
    for (name, value) in response.fields.0.iter().filter(|(n, _)| !n.eq_ignore_ascii_case("connection")) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if response.status != 204 {
        head.push_str(&format!("Content-Length: {}\r\n", response.body.len()));
    }
    head.push_str(if close { "Connection: close\r\n\r\n" } else { "\r\n" });
    let mut all = head.into_bytes();
    all.extend_from_slice(&response.body);
    to.write_all(&all).await?;
    Ok(to.flush().await?)
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Status",
    }
}

/// One request, and whether it came as HTTP/1.0.
async fn request(stream: &mut BufReader<TcpStream>, peer: SocketAddr) -> Result<(Request, bool), Error> {
    let first = line(stream).await?;
    let mut words = first.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Error::Refused(400, "not a request line"));
    };
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
        return Err(Error::Refused(505, "HTTP/1.1 only"));
    }
    let (method, target, old) = (method.to_owned(), target.to_owned(), version == "HTTP/1.0");
    let fields = fields(stream).await?;
    let frame = frame(&fields)?;
    if fields.has("Expect", "100-continue") && !matches!(frame, Frame::Length(0)) {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let body = body(stream, frame).await?;
    Ok((Request { method, target, fields, body, peer }, old))
}

async fn line<R: AsyncBufReadExt + Unpin>(from: &mut R) -> Result<String, Error> {
    let mut octets = Vec::new();
    // One more than allowed tells a long line from one that just fits.
    from.take(LINE_MAX as u64 + 1).read_until(b'\n', &mut octets).await?;
    match octets.pop() {
        Some(b'\n') => {}
        _ if octets.len() >= LINE_MAX => return Err(Error::Refused(431, "a line is too long")),
        _ => return Err(Error::Io(io::ErrorKind::UnexpectedEof.into())),
    }
    if octets.last() == Some(&b'\r') {
        octets.pop();
    }
    String::from_utf8(octets).map_err(|_| Error::Refused(400, "a line is not UTF-8"))
}

async fn fields<R: AsyncBufReadExt + Unpin>(from: &mut R) -> Result<Fields, Error> {
    let mut out = Fields::default();
    loop {
        let text = line(from).await?;
        if text.is_empty() {
            return Ok(out);
        }
        if out.0.len() >= FIELDS_MAX {
            return Err(Error::Refused(431, "too many header fields"));
        }
        let (name, value) =
            text.split_once(':').ok_or(Error::Refused(400, "a header field without a colon"))?;
        if name.is_empty() || name.contains([' ', '\t']) {
            return Err(Error::Refused(400, "white space in the name of a header field"));
        }
        out.0.push((name.to_owned(), value.trim().to_owned()));
    }
}

/// How the body is delimited.
enum Frame {
    Length(usize),
    Chunks,
    /// Up to the end of the connection: answers only.
    End,
}

//= RFC 9112 6.3: transfer coding and length together, or two lengths that differ, are not to be trusted.
fn frame(fields: &Fields) -> Result<Frame, Error> {
    let coded = fields.value("Transfer-Encoding").is_some();
    let mut lengths = fields.all("Content-Length");
    match (coded, lengths.next()) {
        (true, None) if fields.has("Transfer-Encoding", "chunked") => Ok(Frame::Chunks),
        (true, _) => Err(Error::Refused(400, "a transfer coding that is not understood")),
        (false, None) => Ok(Frame::Length(0)),
        (false, Some(first)) => {
            let length: usize = first.parse().map_err(|_| Error::Refused(400, "not a length"))?;
            if lengths.any(|other| other != first) {
                return Err(Error::Refused(400, "two lengths"));
            }
            if length > BODY_MAX {
                Err(Error::Refused(413, "the body is too large"))
            } else {
                Ok(Frame::Length(length))
            }
        }
    }
}

async fn body<R: AsyncBufReadExt + Unpin>(from: &mut R, frame: Frame) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    match frame {
        Frame::Length(length) => exactly(from, length, &mut out).await?,
        Frame::Chunks => loop {
            let size = line(from).await?;
            let digits = size.split(';').next().unwrap_or_default().trim();
            let size =
                usize::from_str_radix(digits, 16).map_err(|_| Error::Refused(400, "not a chunk size"))?;
            if size == 0 {
                fields(from).await?;
                break;
            }
            if size > BODY_MAX - out.len() {
                return Err(Error::Refused(413, "the body is too large"));
            }
            exactly(from, size, &mut out).await?;
            if !line(from).await?.is_empty() {
                return Err(Error::Refused(400, "a chunk is longer than it says"));
            }
        },
        Frame::End => {
            from.take(BODY_MAX as u64 + 1).read_to_end(&mut out).await?;
            if out.len() > BODY_MAX {
                return Err(Error::Refused(413, "the body is too large"));
            }
        }
    }
    Ok(out)
}

async fn exactly<R: AsyncRead + Unpin>(from: &mut R, length: usize, out: &mut Vec<u8>) -> Result<(), Error> {
    let taken = from.take(length as u64).read_to_end(out).await?;
    if taken < length { Err(Error::Io(io::ErrorKind::UnexpectedEof.into())) } else { Ok(()) }
}

/// A connection to a server that sends one request after the other.
#[derive(Debug)]
pub struct Client {
    host: String,
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects to `host:port` within `wait`.
    pub async fn connect(host: &str, wait: Duration) -> Result<Client, Error> {
        let stream = timeout(wait, TcpStream::connect(host)).await.map_err(|_| Error::Late)??;
        Ok(Client { host: host.to_owned(), stream: BufReader::new(stream) })
    }

    /// Sends a request and waits up to `wait` for its whole answer. Host and Content-Length are added.
    pub async fn send(
        &mut self,
        method: &str,
        target: &str,
        extra: &Fields,
        body: &[u8],
        wait: Duration,
    ) -> Result<Response, Error> {
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        if extra.value("Host").is_none() {
            head.push_str(&format!("Host: {}\r\n", self.host));
        }
        for (name, value) in &extra.0 {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if method != "GET" {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut all = head.into_bytes();
        all.extend_from_slice(body);
        timeout(wait, async {
            self.stream.write_all(&all).await?;
            self.stream.flush().await?;
            self.response().await
        })
        .await
        .map_err(|_| Error::Late)?
    }

    async fn response(&mut self) -> Result<Response, Error> {
        loop {
            let first = line(&mut self.stream).await?;
            let status = first
                .strip_prefix("HTTP/1.")
                .and_then(|rest| rest.split(' ').nth(1))
                .and_then(|code| code.parse().ok())
                .ok_or(Error::Refused(502, "not a status line"))?;
            let fields = fields(&mut self.stream).await?;
            if (100..200).contains(&status) {
                continue;
            }
            let delimited =
                fields.value("Content-Length").is_some() || fields.value("Transfer-Encoding").is_some();
            let frame = match status {
                204 | 304 => Frame::Length(0),
                _ if delimited => frame(&fields)?,
                _ => Frame::End,
            };
            let body = body(&mut self.stream, frame).await?;
            return Ok(Response { status, fields, body });
        }
    }
}

/// GETs `http://host[:port]/path`, answering one Digest challenge; returns the status of the last answer.
///
/// `cnonce` is an unpredictable text of the client. Refuses a URL that is not http.
pub async fn digest_get(
    url: &str,
    login: Option<&Login>,
    cnonce: &str,
    wait: Duration,
) -> Result<u16, Error> {
    let (host, path) = place(url).ok_or(Error::Refused(400, "not an http URL"))?;
    let path = path.as_str();
    let close = Fields(vec![("Connection".into(), "close".into())]);
    let first = Client::connect(&host, wait).await?.send("GET", path, &close, b"", wait).await?;
    let (401, Some(login)) = (first.status, login) else { return Ok(first.status) };
    let Some(header) =
        first.fields.all("WWW-Authenticate").find_map(|c| auth::answer(c, login, "GET", path, cnonce))
    else {
        return Ok(401);
    };
    let mut fields = close;
    fields.0.push(("Authorization".into(), header));
    Ok(Client::connect(&host, wait).await?.send("GET", path, &fields, b"", wait).await?.status)
}

/// Where an http URL leads: `host:port`, and path with query.
fn place(url: &str) -> Option<(String, String)> {
    let rest = url.strip_prefix("http://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let inside = host.rfind(']').map_or(0, |end| end + 1);
    let port = host.get(inside..)?.split_once(':').map(|(_, port)| port);
    if host.is_empty() || host.starts_with(':') || port.is_some_and(|p| p.parse::<u16>().is_err()) {
        return None;
    }
    let host = if port.is_some() { host.to_owned() } else { format!("{host}:80") };
    let path = path.split('#').next().unwrap_or_default();
    let slash = if path.starts_with('/') { "" } else { "/" };
    Some((host, format!("{slash}{path}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_http_url_gives_host_port_and_path_and_nothing_else_does() {
        for (url, want) in [
            ("http://10.0.0.1:7547/abc?d=e", Some(("10.0.0.1:7547", "/abc?d=e"))),
            ("http://router", Some(("router:80", "/"))),
            ("http://router?x", Some(("router:80", "/?x"))),
            ("http://[2001:db8::1]:7547/a#b", Some(("[2001:db8::1]:7547", "/a"))),
            ("http://[2001:db8::1]/", Some(("[2001:db8::1]:80", "/"))),
            ("http://u:p@h:1/", Some(("h:1", "/"))),
            ("https://router/", None),
            ("http:///x", None),
            ("http://:80/x", None),
            ("http://h:99999/", None),
            ("http://2001:db8::1/", None),
            ("", None),
        ] {
            let want = want.map(|(host, path)| (host.to_owned(), path.to_owned()));
            assert_eq!(place(url), want, "{url}");
        }
    }
}
