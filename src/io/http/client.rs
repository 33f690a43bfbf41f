//! A client for one session: one exchange at a time over one connection, as CWMP wants it.
//!
//! Owns the connection and its reuse, cookies, redirections, authentication and compression. Retries an exchange
//! only when a kept connection proves to have been closed before any octet of the answer; everything else is the
//! session's to retry. Driven by `agent`'s actions; file transfers use [`Client::begin`].

use super::body::{Body, Whole};
use super::codec::{Decoder, Head, Headers, Limits};
use super::coding::Coding;
use super::connect::{self, Connection, Route, Waits};
use super::cookies::Jar;
use super::error::{Error, Stage};
use super::head;
use super::url::Url;
use crate::digest::client::{Authorizer, Basic, Credentials};
use crate::io::tls;
use crate::rng::Rng;
use crate::time::Wall;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

/// Redirections followed within one exchange.
//= TR-069 3.4.6: a chain of five has to work; more may fail.
pub const MAX_REDIRECTS: u8 = 5;
/// Most octets of an unwanted body (of a redirection or a 401) that are read to keep the connection.
const MAX_UNWANTED: usize = 64 * 1024;
/// How long the end of a connection may take.
const FAREWELL: Duration = Duration::from_secs(5);
/// Octets read from the connection at a time.
const READ: usize = 8 * 1024;

/// The settings of one session.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How packets leave.
    pub route: Route,
    /// Deadlines.
    pub waits: Waits,
    /// Bounds of an answer.
    pub limits: Limits,
    /// For servers that ask; without a user name a 401 is an error.
    pub credentials: Credentials,
    /// Whether Basic may be answered over plain HTTP.
    pub basic: Basic,
    /// How request bodies are compressed, if at all; compressed answers are read in any case.
    pub compression: Option<Coding>,
    /// `User-Agent`; not sent when empty.
    pub user_agent: String,
    /// TLS; without it `https` fails.
    pub tls: Option<tls::Session>,
}

/// A complete answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The fields.
    pub headers: Headers,
    /// The body, decoded.
    pub body: Vec<u8>,
}

/// One session's client.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    url: Url,
    /// The one address of this origin that the session keeps to.
    address: Option<SocketAddr>,
    idle: Option<Connection>,
    last: Option<(SocketAddr, SocketAddr)>,
    opened: Option<(Instant, Instant)>,
    verified: Option<tls::Verified>,
    jar: Jar,
    authorizer: Authorizer,
    compression: Option<Coding>,
    rng: Rng,
}

impl Client {
    /// A client for exchanges with `url`; nothing is sent yet.
    pub fn new(url: &str, settings: Settings, rng: Rng) -> Result<Client, Error> {
        let url = Url::parse(url).ok_or_else(|| Error::Url(url.to_owned()))?;
        let authorizer = Authorizer::new(settings.credentials.clone(), settings.basic);
        let compression = settings.compression;
        Ok(Client {
            settings,
            url,
            address: None,
            idle: None,
            last: None,
            opened: None,
            verified: None,
            jar: Jar::default(),
            authorizer,
            compression,
            rng,
        })
    }

    /// Where the next exchange goes: the URL given, or where redirections have led.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Our address and the server's, of the last connection.
    pub fn addresses(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.last
    }

    /// When the last connection was asked for, and when it stood.
    pub fn opened(&self) -> Option<(Instant, Instant)> {
        self.opened
    }

    /// The server's certificate, of the last connection over TLS.
    pub fn verified(&self) -> Option<&tls::Verified> {
        self.verified.as_ref()
    }

    /// Ends the session's connection in good order: TLS says farewell.
    pub async fn close(mut self) {
        if let Some(mut idle) = self.idle.take() {
            let _ = timeout(FAREWELL, idle.stream.shutdown()).await;
        }
    }

    /// Says that the clock became known during the session: an error means that the server's certificate does not
    /// hold at that time, and the session has to end.
    pub fn clock_known(&self, wall: Wall) -> Result<(), Error> {
        match &self.verified {
            Some(verified) if !verified.dates_checked => verified.holds_at(wall).map_err(Error::Tls),
            Some(_) | None => Ok(()),
        }
    }

    /// Posts an envelope, or nothing when `body` is empty, and waits for the complete answer.
    //= TR-069 3.4.1: an empty POST has neither SOAPAction nor Content-Type; an envelope has an empty SOAPAction.
    pub async fn post(&mut self, body: &mut dyn Body) -> Result<Reply, Error> {
        let fields: &[(&str, &str)] = if body.length() == 0 {
            &[]
        } else {
            &[("Content-Type", "text/xml; charset=\"utf-8\""), ("SOAPAction", "")]
        };
        self.begin("POST", fields, body).await?.whole().await
    }

    /// Gets the URL and waits for the complete answer.
    pub async fn get(&mut self) -> Result<Reply, Error> {
        self.begin("GET", &[], &mut Whole::default()).await?.whole().await
    }

    /// Begins an exchange: sends the request, follows redirections, answers challenges, and returns when the head of
    /// the final answer has come.
    pub async fn begin(
        &mut self,
        method: &str,
        fields: &[(&str, &str)],
        body: &mut dyn Body,
    ) -> Result<Answer<'_>, Error> {
        let (connection, decoder, held, deadline) = self.exchange(method, fields, body).await?;
        Ok(Answer { client: self, connection: Some(connection), decoder, held, deadline })
    }

    async fn exchange(
        &mut self,
        method: &str,
        fields: &[(&str, &str)],
        body: &mut dyn Body,
    ) -> Result<(Connection, Decoder, Vec<u8>, Instant), Error> {
        let mut redirects = 0;
        let mut retried = false;
        let mut packed: Option<Whole> = None;
        self.authorizer.begin();
        loop {
            if let (Some(coding), None) = (self.compression, &packed)
                && body.length() > 0
            {
                body.rewind();
                let octets = coding.encode(|out| body.piece(out)).map_err(|e| Error::Body(e.to_string()))?;
                packed = Some(Whole::new(octets));
            }
            let coded = packed.is_some();
            let sent: &mut dyn Body = match packed.as_mut() {
                Some(whole) => whole,
                None => &mut *body,
            };
            let head = self.head(method, fields, sent.length(), coded)?;
            let (mut connection, reused) = self.connection().await?;
            let mut exchange = Exchange::new(&self.settings);
            if let Err(error) = exchange.run(&mut connection, &head, sent).await {
                let closed_before = matches!(error, Error::Lost(_)) && !exchange.decoder.has_begun();
                if reused && closed_before && !retried {
                    //= TR-069 3.4.2: the session goes on over a new connection when the ACS closed the old one.
                    retried = true;
                    continue;
                }
                return Err(error);
            }
            let status = exchange.decoder.head().map(|h| h.status).unwrap_or_default();
            let headers = exchange.decoder.head().map(|h| h.headers.clone()).unwrap_or_default();
            for cookie in headers.all("Set-Cookie") {
                self.jar.store(&self.url.host, self.url.path(), self.url.tls, cookie);
            }
            let target = match status {
                401 => {
                    let asked: Vec<&str> = headers.all("WWW-Authenticate").collect();
                    self.authorizer.challenged(&asked, self.url.tls)?;
                    None
                }
                //= TR-069 3.4.6: 302 and 307 are followed and POST stays POST; 301 and 308 likewise.
                301 | 302 | 307 | 308 => {
                    redirects += 1;
                    Some(self.redirection(&headers, redirects)?)
                }
                //= TR-069 3.4.7: a server that does not take the coding gets the message without it.
                415 if coded => {
                    self.compression = None;
                    packed = None;
                    None
                }
                _ => return Ok((connection, exchange.decoder, exchange.body, exchange.deadline)),
            };
            if exchange.discard(&mut connection).await {
                self.idle = Some(connection);
            }
            if let Some(target) = target {
                self.follow(target);
            }
        }
    }

    fn head(
        &mut self,
        method: &str,
        fields: &[(&str, &str)],
        length: u64,
        coded: bool,
    ) -> Result<Vec<u8>, Error> {
        let (authority, length) = (self.url.authority(), length.to_string());
        let cookies = self.jar.header(&self.url.host, self.url.path(), self.url.tls);
        let authorization = self.authorizer.authorize(method, &self.url.target, &mut self.rng);
        let mut all: Vec<(&str, &str)> = vec![("Host", &authority)];
        if !self.settings.user_agent.is_empty() {
            all.push(("User-Agent", &self.settings.user_agent));
        }
        all.extend_from_slice(fields);
        if let Some(coding) = self.compression {
            all.push(("Accept-Encoding", "gzip, deflate"));
            if coded {
                all.push(("Content-Encoding", coding.name()));
            }
        }
        if let Some(authorization) = &authorization {
            all.push(("Authorization", authorization));
        }
        if let Some(cookies) = &cookies {
            all.push(("Cookie", cookies));
        }
        if method != "GET" {
            all.push(("Content-Length", &length));
        }
        Ok(head::request(method, &self.url.target, &all)?)
    }

    /// The kept connection if it still stands, else a new one; and whether it was kept.
    async fn connection(&mut self) -> Result<(Connection, bool), Error> {
        if let Some(mut idle) = self.idle.take()
            && is_quiet(&mut idle).await
        {
            return Ok((idle, true));
        }
        let (route, waits) = (&self.settings.route, &self.settings.waits);
        let to = match self.address {
            Some(address) => vec![address],
            None => connect::addresses(&self.url.host, self.url.port, route, waits.name).await?,
        };
        let connection = connect::open(&self.url, &to, route, waits, self.settings.tls.as_ref()).await?;
        self.address = Some(connection.peer);
        self.last = Some((connection.local, connection.peer));
        self.opened = Some((connection.asked, connection.stood));
        self.verified.clone_from(&connection.verified);
        Ok((connection, false))
    }

    fn redirection(&self, headers: &Headers, count: u8) -> Result<Url, Error> {
        if count > MAX_REDIRECTS {
            return Err(Error::Redirect(format!("more than {MAX_REDIRECTS} in a row")));
        }
        let location = headers.value("Location").ok_or_else(|| Error::Redirect("no Location".into()))?;
        let target = self.url.join(location).ok_or_else(|| Error::Redirect(format!("to {location:?}")))?;
        if self.url.tls && !target.tls {
            return Err(Error::Redirect(format!("from https to {target}")));
        }
        Ok(target)
    }

    /// Goes to another URL for the rest of the session. Another origin gets neither the connection nor, before it
    /// asks itself, the credentials.
    fn follow(&mut self, target: Url) {
        if !self.url.same_origin(&target) {
            self.idle = None;
            self.address = None;
            self.authorizer = Authorizer::new(self.settings.credentials.clone(), self.settings.basic);
        }
        self.url = target;
        self.authorizer.begin();
    }
}

/// Whether nothing has come on a kept connection: neither its end nor octets nobody asked for.
async fn is_quiet(connection: &mut Connection) -> bool {
    let mut octet = [0; 1];
    let read = connection.stream.read(&mut octet);
    tokio::select! {
        biased;
        _ = read => false,
        () = std::future::ready(()) => true,
    }
}

/// One request and the head of its answer, on one connection.
struct Exchange {
    waits: Waits,
    decoder: Decoder,
    body: Vec<u8>,
    deadline: Instant,
}

impl Exchange {
    fn new(settings: &Settings) -> Exchange {
        Exchange {
            waits: settings.waits,
            decoder: Decoder::new(settings.limits),
            body: Vec::new(),
            deadline: Instant::now() + settings.waits.whole,
        }
    }

    async fn run(
        &mut self,
        connection: &mut Connection,
        head: &[u8],
        body: &mut dyn Body,
    ) -> Result<(), Error> {
        let sent = self.send(connection, head, body).await;
        match sent {
            Ok(()) => {}
            // The server may have answered before it closed, for instance that it wants no such body.
            Err(Error::Lost(_)) => self.decoder.owe_request(),
            Err(error) => return Err(error),
        }
        self.deadline = Instant::now() + self.waits.whole;
        while self.decoder.head().is_none() {
            match receive(connection, &mut self.decoder, &mut self.body, self.waits.idle, self.deadline).await
            {
                Ok(()) => {}
                Err(error) => return Err(sent.err().filter(|_| !self.decoder.has_begun()).unwrap_or(error)),
            }
        }
        Ok(())
    }

    /// Sends the request, and stops when an answer comes before its end.
    async fn send(
        &mut self,
        connection: &mut Connection,
        head: &[u8],
        body: &mut dyn Body,
    ) -> Result<(), Error> {
        let broken = |e: std::io::Error| Error::Body(e.to_string());
        body.rewind();
        let (mut left, mut piece) = (body.length(), head.to_vec());
        if left > 0 && left <= READ as u64 {
            // A small body leaves together with its head.
            let before = piece.len();
            body.piece(&mut piece).map_err(broken)?;
            left = left.checked_sub((piece.len() - before) as u64).ok_or_else(longer)?;
        }
        let (mut reader, mut writer) = tokio::io::split(&mut connection.stream);
        let mut early = [0; READ];
        loop {
            let mut rest = piece.as_slice();
            while !rest.is_empty() {
                let written = tokio::select! {
                    biased;
                    written = timeout(self.waits.idle, writer.write(rest)) => written,
                    read = reader.read(&mut early) => {
                        self.decoder.owe_request();
                        let read = read.map_err(|e| Error::Lost(e.to_string()))?;
                        if read == 0 {
                            return Err(Error::Lost("the server closed it".into()));
                        }
                        self.decoder.feed(early.get(..read).unwrap_or_default(), &mut self.body)?;
                        return Ok(());
                    }
                };
                let written = written
                    .map_err(|_| Error::Timeout(Stage::Send))?
                    .map_err(|e| Error::Lost(e.to_string()))?;
                if written == 0 {
                    return Err(Error::Lost("it takes no more octets".into()));
                }
                rest = rest.get(written..).unwrap_or_default();
            }
            piece.clear();
            if left == 0 {
                break;
            }
            if !body.piece(&mut piece).map_err(broken)? {
                return Err(Error::Body("shorter than announced".into()));
            }
            left = left.checked_sub(piece.len() as u64).ok_or_else(longer)?;
        }
        let flushed = timeout(self.waits.idle, writer.flush()).await;
        flushed.map_err(|_| Error::Timeout(Stage::Send))?.map_err(|e| Error::Lost(e.to_string()))
    }

    /// Reads an unwanted body to its end; whether the connection is good for another exchange.
    async fn discard(&mut self, connection: &mut Connection) -> bool {
        let mut read = 0;
        while !self.decoder.is_done() {
            read += self.body.len();
            self.body.clear();
            let more = receive(connection, &mut self.decoder, &mut self.body, self.waits.idle, self.deadline);
            if read > MAX_UNWANTED || more.await.is_err() {
                return false;
            }
        }
        self.decoder.keeps_connection()
    }
}

fn longer() -> Error {
    Error::Body("longer than announced".into())
}

/// Reads once and feeds the decoder, the end of the connection included.
async fn receive(
    connection: &mut Connection,
    decoder: &mut Decoder,
    body: &mut Vec<u8>,
    idle: Duration,
    deadline: Instant,
) -> Result<(), Error> {
    let mut octets = [0; READ];
    let now = Instant::now();
    let wait = idle.min(deadline.saturating_duration_since(now));
    let stage = if now + idle < deadline { Stage::Answer } else { Stage::Whole };
    match timeout(wait, connection.stream.read(&mut octets)).await {
        Err(_) => Err(Error::Timeout(stage)),
        Ok(Err(e)) if decoder.head().is_none() => Err(Error::Lost(e.to_string())),
        // A server that ends a body by closing may do so without the farewell of TLS.
        Ok(Err(e)) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(decoder.end()?),
        Ok(Err(e)) => Err(Error::Lost(e.to_string())),
        Ok(Ok(0)) if !decoder.has_begun() => {
            Err(Error::Lost("the server closed it without an answer".into()))
        }
        Ok(Ok(0)) => Ok(decoder.end()?),
        Ok(Ok(read)) => {
            decoder.feed(octets.get(..read).unwrap_or_default(), body)?;
            Ok(())
        }
    }
}

/// An answer whose head has come.
#[derive(Debug)]
pub struct Answer<'a> {
    client: &'a mut Client,
    connection: Option<Connection>,
    decoder: Decoder,
    held: Vec<u8>,
    deadline: Instant,
}

impl Answer<'_> {
    /// Its status and fields.
    pub fn head(&self) -> Head {
        self.decoder.head().cloned().unwrap_or_default()
    }

    /// The next piece of its body, never empty; `None` at the end.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        while self.held.is_empty() && !self.decoder.is_done() {
            let idle = self.client.settings.waits.idle;
            let Some(connection) = self.connection.as_mut() else { return Ok(None) };
            let more = receive(connection, &mut self.decoder, &mut self.held, idle, self.deadline).await;
            if more.is_err() {
                self.connection = None;
            }
            more?;
        }
        if self.decoder.keeps_connection()
            && let Some(connection) = self.connection.take()
        {
            self.client.idle = Some(connection);
        }
        Ok((!self.held.is_empty()).then(|| std::mem::take(&mut self.held)))
    }

    /// The complete answer.
    pub async fn whole(mut self) -> Result<Reply, Error> {
        let mut body = Vec::new();
        while let Some(mut chunk) = self.chunk().await? {
            body.append(&mut chunk);
        }
        let head = self.decoder.into_head();
        Ok(Reply { status: head.status, headers: head.headers, body })
    }
}

#[cfg(test)]
mod tests;
