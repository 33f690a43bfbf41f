//! DownloadDiagnostics and UploadDiagnostics: one exchange over HTTP, measured.

use super::Lab;
use crate::diag::transfer::{
    self, Ask, MAX_DOWNLOAD, Measured, NO_CONNECTION, NO_RESPONSE, TOO_SLOW, broken,
};
use crate::diag::{INTERNAL, MAX_TIME, NO_NAME, OTHER, Verdict};
use crate::io::http::body::Body;
use crate::io::http::client::{Client, Settings};
use crate::io::http::codec::Limits;
use crate::io::http::connect::Waits;
use crate::io::http::error::{Error, Stage};
use crate::io::http::url::Url;
use crate::io::pool;
use crate::io::tls::{self, Setup, Tls};
use crate::rng::Rng;
use std::io;
use std::time::Duration;
use tokio::time::Instant;

/// How long nothing may come or go.
const IDLE: Duration = Duration::from_secs(30);
/// Octets of an upload given at a time.
const PIECE: u64 = 16 * 1024;

/// Zeroes, if any are to be sent, and when the request and the first of them were.
struct Zeroes {
    length: u64,
    left: u64,
    request: Instant,
    first: Option<Instant>,
}

impl Body for Zeroes {
    fn length(&self) -> u64 {
        self.length
    }

    fn rewind(&mut self) {
        (self.left, self.request, self.first) = (self.length, Instant::now(), None);
    }

    fn piece(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        self.first.get_or_insert_with(Instant::now);
        let length = self.left.min(PIECE);
        self.left -= length;
        out.resize(out.len() + usize::try_from(length).unwrap_or(0), 0);
        Ok(length > 0)
    }
}

impl Lab {
    pub(super) async fn transfer(&self, ask: &Ask, device: Option<String>, rng: Rng) -> Verdict {
        let upload = ask.upload.is_some();
        match self.exchange(ask, device, rng).await {
            Ok(measured) => transfer::verdict(upload, &measured),
            Err(error) => {
                let (word, why) = match error {
                    Failure::Word(word) => (word, String::new()),
                    Failure::Http(error) => (word_of(&error, upload), format!(": {error}")),
                };
                log::warn!("diagnostics: {word}{why}");
                Verdict::bare(word)
            }
        }
    }

    async fn exchange(&self, ask: &Ask, device: Option<String>, rng: Rng) -> Result<Measured, Failure> {
        let upload = ask.upload.is_some();
        let mut route = self.route(device, ask.version, ask.dscp);
        route.priority = Some(ask.priority);
        if self.folder {
            // From loopback there is no way to anywhere else, redirections included.
            let url = Url::parse(&ask.url).ok_or(Failure::Word(OTHER))?;
            let near = self.address(&url.host, url.port, &route).await.map_err(Failure::Word)?;
            route.source = Some(near.ip());
        }
        let (begun, start) = (Instant::now(), self.clock.now().wall);
        let setup =
            Setup { bundle: Some(self.ca_file.clone()), floor: Some(tls::built()), ..Setup::default() };
        let loaded = match ask.url.starts_with("https:") {
            true => Some(pool::run(move || Tls::load(&setup).and_then(|tls| tls.session(start))).await),
            false => None,
        };
        let settings = Settings {
            route,
            waits: Waits { idle: IDLE, whole: MAX_TIME, ..Waits::default() },
            limits: Limits { body: MAX_DOWNLOAD, ..Limits::default() },
            user_agent: concat!("cpeagent/", env!("CARGO_PKG_VERSION")).into(),
            tls: loaded.transpose().map_err(|error| Failure::Http(Error::Tls(error.to_string())))?,
            ..Settings::default()
        };
        let mut client = Client::new(&ask.url, settings, rng).map_err(Failure::Http)?;
        let length = ask.upload.unwrap_or(0);
        let mut zeroes = Zeroes { length, left: length, request: begun, first: None };
        let method = if upload { "PUT" } else { "GET" };
        let mut answer = client.begin(method, &[], &mut zeroes).await.map_err(Failure::Http)?;
        //= TR-143 4.1: an upload ends when the server says that it has it all.
        let answered = Instant::now();
        if !(200..300).contains(&answer.head().status) {
            return Err(Failure::Word(broken(upload)));
        }
        let (mut octets, mut first, mut last) = (0, None, answered);
        while let Some(chunk) = answer.chunk().await.map_err(Failure::Http)? {
            last = Instant::now();
            first.get_or_insert(last);
            octets += chunk.len() as u64;
        }
        if upload {
            (octets, first, last) = (length, zeroes.first, answered);
        }
        let ((_, peer), (asked, stood)) =
            client.addresses().zip(client.opened()).ok_or(Failure::Word(INTERNAL))?;
        let moments = [asked, stood, zeroes.request, first.unwrap_or(last), last];
        let [asked, stood, request, first, last] = moments.map(|moment| moment.duration_since(begun));
        Ok(Measured { used: peer.ip(), start, asked, stood, request, first, last, octets })
    }
}

#[derive(Debug)]
enum Failure {
    Word(&'static str),
    Http(Error),
}

fn word_of(error: &Error, upload: bool) -> &'static str {
    match error {
        Error::Url(_) => OTHER,
        Error::Name(..) | Error::Timeout(Stage::Name) => NO_NAME,
        Error::Connect(_) | Error::Timeout(Stage::Connect | Stage::Tls) | Error::Tls(_) => NO_CONNECTION,
        Error::Timeout(Stage::Answer) => NO_RESPONSE,
        Error::Timeout(Stage::Send | Stage::Whole) => TOO_SLOW,
        Error::Socket(_) | Error::Body(_) => INTERNAL,
        Error::Refused(_) => "Error_LoginFailed",
        Error::Lost(_) | Error::Bad(_) | Error::Redirect(_) => broken(upload),
    }
}
