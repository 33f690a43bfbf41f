//! TLS towards a manager: whom to trust, who we are, and what to do while the clock is not known.
//!
//! TLS 1.2 and 1.3 by rustls with ring. Reads certificate files; opens no connection: `http::connect` does.
//! A certificate's dates count only once the router knows the time; [`Verified::holds_at`] lets the session be
//! ended if they turn out not to hold.

#[cfg(feature = "usp")]
pub mod peer;
pub mod provider;
#[cfg(feature = "usp")]
pub mod serve;
mod verify;

use super::clock::Calendar;
use super::disk::MAX_FILE;
use super::privileged;
use crate::time::Wall;
use crate::x509;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
pub use verify::Expected;
use verify::{Known, Verifier};

/// The certificates the system trusts, on OpenWrt (package `ca-bundle`) as on Debian.
pub const SYSTEM_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Sessions kept for resumption; there is one ACS, and perhaps one it redirects to.
const RESUMED: usize = 4;

/// What TLS is set up from.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// PEM file of trusted certificates, usually [`SYSTEM_BUNDLE`]. May be missing if another trust is given.
    pub bundle: Option<PathBuf>,
    /// Further PEM files of trusted certificates; those that are missing or unreadable are passed over.
    pub bundles: Vec<PathBuf>,
    /// PEM file of further trusted certificates, such as an operator's own root.
    pub extra_ca: Option<PathBuf>,
    /// PEM files of our own certificate chain and its key.
    pub client: Option<(PathBuf, PathBuf)>,
    /// SHA-256 of the public keys (SubjectPublicKeyInfo) of servers. If there is any, the server's key must be
    /// one of them, and neither its issuer nor its name counts: the way to trust a self-signed server.
    pub pins: Vec<[u8; 32]>,
    /// Further trusted certificates, DER.
    pub anchors: Vec<Arc<[u8]>>,
    /// SHA-256 of certificates whose issuer does not count.
    pub leaves: Vec<[u8; 32]>,
    /// SHA-256 of certificates of which neither issuer nor name counts.
    pub kept: Vec<[u8; 32]>,
    /// Whether whoever connects may show any certificate; see `serve`.
    pub first_use: bool,
    /// A time before which it cannot be; see [`built`].
    pub floor: Option<Wall>,
    /// The protocols that servers are offered (ALPN), 1 to 255 octets each; none are named where empty.
    pub alpn: Vec<Vec<u8>>,
}

/// When this program was built, as far as known: a clock that shows less is wrong.
///
/// `SOURCE_DATE_EPOCH` of the build, so that builds stay reproducible; else a date before its first release.
pub fn built() -> Wall {
    Wall::at(option_env!("SOURCE_DATE_EPOCH").and_then(|s| s.parse().ok()).unwrap_or(1_767_225_600))
}

/// 64 hex digits as octets.
pub fn digest(hex: &str) -> Option<[u8; 32]> {
    let mut out = [0u8; 32];
    for (at, octet) in out.iter_mut().enumerate() {
        *octet = u8::from_str_radix(hex.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    (hex.len() == 64).then_some(out)
}

/// Why TLS cannot be set up; names the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(pub String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Trust and identity, ready for connections. Loading reads files and parses: do it on the blocking pool.
#[derive(Debug)]
pub struct Tls {
    provider: Arc<CryptoProvider>,
    trusted: Trusted,
    client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    known: Known,
    #[cfg_attr(
        not(feature = "usp"),
        expect(dead_code, reason = "only ports take certificates for a first use")
    )]
    first_use: bool,
    floor: Wall,
    alpn: Vec<Vec<u8>>,
}

/// The certificates that are trusted.
#[derive(Clone, Debug)]
pub struct Trusted {
    /// As they are verified against.
    pub store: Arc<RootCertStore>,
    /// The SHA-256 of each, in the same order.
    pub fingerprints: Arc<[[u8; 32]]>,
}

impl Tls {
    /// Reads the files of `setup`. Refuses a file that is missing, empty or unreadable, a key that does not fit
    /// its certificate, and a setup that trusts nobody.
    pub fn load(setup: &Setup) -> Result<Tls, Error> {
        let provider = Arc::new(provider::provider());
        let mut roots = RootCertStore::empty();
        let mut fingerprints = Vec::new();
        let mut add = |found: Vec<CertificateDer<'static>>| {
            let before = fingerprints.len();
            for certificate in found {
                let fingerprint = crate::digest::sha256(&[&certificate]);
                if roots.add(certificate).is_ok() {
                    fingerprints.push(fingerprint);
                }
            }
            fingerprints.len() - before
        };
        if let Some(path) = &setup.bundle {
            match certificates(path) {
                Ok(found) => {
                    add(found);
                }
                Err(_) if !path.exists() => {}
                Err(error) => return Err(error),
            }
        }
        for path in &setup.bundles {
            match certificates(path) {
                Ok(found) => {
                    add(found);
                }
                Err(error) => log::debug!("{error}"),
            }
        }
        if let Some(path) = &setup.extra_ca
            && add(certificates(path)?) == 0
        {
            return Err(Error(format!("{}: no usable CA certificate", path.display())));
        }
        add(setup.anchors.iter().map(|der| CertificateDer::from(der.to_vec())).collect());
        let trusted = Trusted { store: Arc::new(roots), fingerprints: fingerprints.into() };
        let known =
            Known { pins: setup.pins.clone(), leaves: setup.leaves.clone(), kept: setup.kept.clone() };
        if trusted.store.is_empty() && known.is_empty() && !setup.first_use {
            let missing = setup.bundle.as_ref().map_or_else(
                || "there is no CA file".into(),
                |path| format!("{} is not there", path.display()),
            );
            return Err(Error(format!(
                "nobody to trust: {missing}, and no pinned key is set; is the package ca-bundle installed?"
            )));
        }
        let client = match &setup.client {
            None => None,
            Some((certificate, key)) => {
                let key_der = match PrivateKeyDer::from_pem_file(key) {
                    Err(pem::Error::Io(refused)) => from_root(refused, key)
                        .map_err(pem::Error::Io)
                        .and_then(|text| PrivateKeyDer::from_pem_slice(&text)),
                    read => read,
                };
                let key_der = key_der.map_err(|e| {
                    Error(format!("{}: no private key in PEM: {}", key.display(), unread(&e)))
                })?;
                Some((certificates(certificate)?, key_der))
            }
        };
        let floor = setup.floor.unwrap_or_else(built);
        let alpn = setup.alpn.clone();
        let tls = Tls { provider, trusted, client, known, first_use: setup.first_use, floor, alpn };
        tls.session(None)?;
        Ok(tls)
    }

    /// The configuration of one session's connections, with the calendar time as known at its start.
    pub fn session(&self, wall: Option<Wall>) -> Result<Session, Error> {
        self.session_with(wall, Expected::default())
    }

    /// As [`Tls::session`], with servers that may carry something else instead of their name.
    pub fn session_with(&self, wall: Option<Wall>, expected: Expected) -> Result<Session, Error> {
        let verifier = Arc::new(Verifier {
            expected,
            trusted: self.trusted.clone(),
            known: self.known.clone(),
            wall,
            floor: self.floor,
        });
        //= TR-069 3.3, TR-369 R-MQTT.48: TLS 1.2 or later.
        let builder = ClientConfig::builder_with_details(self.provider.clone(), Arc::new(Calendar))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|e| Error(e.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier.clone());
        let mut config = match &self.client {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(chain.clone(), key.clone_key())
                .map_err(|e| Error(format!("the client certificate and its key: {}", words(&e))))?,
        };
        //= TR-181 MQTT.Client.{i}.ALPN: the server is offered what is set.
        config.alpn_protocols.clone_from(&self.alpn);
        config.resumption = rustls::client::Resumption::in_memory_sessions(RESUMED);
        Ok(Session { config: Arc::new(config), verifier })
    }
}

/// TLS for the connections of one session.
#[derive(Clone, Debug)]
pub struct Session {
    config: Arc<ClientConfig>,
    verifier: Arc<Verifier>,
}

impl Session {
    /// The configuration for a handshake.
    pub fn config(&self) -> Arc<ClientConfig> {
        self.config.clone()
    }

    /// What a finished handshake with `host` has verified.
    pub fn verified(&self, host: &str, connection: &rustls::ClientConnection) -> Option<Verified> {
        let chain: Vec<CertificateDer<'static>> = connection.peer_certificates()?.to_vec();
        let leaf = x509::certificate(chain.first()?)?;
        Some(Verified {
            not_after: leaf.not_after,
            dates_checked: self.verifier.wall.is_some(),
            version: match connection.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
                _ => "TLS 1.3",
            },
            name: ServerName::try_from(host.to_owned()).ok()?,
            chain,
            verifier: self.verifier.clone(),
        })
    }
}

/// A server's certificate that was accepted.
#[derive(Clone, Debug)]
pub struct Verified {
    /// When the server's own certificate ends.
    pub not_after: Wall,
    /// Whether the dates counted, which takes a known clock.
    pub dates_checked: bool,
    /// `TLS 1.2` or `TLS 1.3`.
    pub version: &'static str,
    name: ServerName<'static>,
    chain: Vec<CertificateDer<'static>>,
    verifier: Arc<Verifier>,
}

impl Verified {
    /// Whether the certificate would be accepted at `wall` too; in words, why not.
    //= TR-069 3.3: dates ignored for want of a clock are checked as soon as there is one.
    pub fn holds_at(&self, wall: Wall) -> Result<(), String> {
        let (leaf, rest) = self.chain.split_first().ok_or_else(|| "no certificate".to_owned())?;
        self.verifier.check(leaf, rest, &self.name, Some(wall)).map_err(|e| words(&e))
    }
}

/// A file that only root may read.
fn from_root(refused: io::Error, path: &Path) -> io::Result<Vec<u8>> {
    privileged::read(refused, &path.to_string_lossy(), MAX_FILE)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let wrong = |e: &dyn fmt::Display| Error(format!("{}: {e}", path.display()));
    let found = match CertificateDer::pem_file_iter(path) {
        Ok(found) => found.collect::<Result<Vec<_>, _>>(),
        Err(pem::Error::Io(refused)) => {
            let text = from_root(refused, path).map_err(|e| wrong(&e))?;
            CertificateDer::pem_slice_iter(&text).collect()
        }
        Err(error) => Err(error),
    };
    let found = found.map_err(|e| wrong(&unread(&e)))?;
    if found.is_empty() { Err(wrong(&"no certificate in PEM")) } else { Ok(found) }
}

/// Why a file of PEM was not read; what is in it is not shown.
fn unread(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::MissingSectionEnd { .. } => "it ends within a section".into(),
        pem::Error::IllegalSectionStart { .. } => "a section begins wrongly".into(),
        pem::Error::NoItemsFound => "there is none in it".into(),
        other => other.to_string(),
    }
}

/// A failure of TLS in words for a person at the router.
pub fn words(error: &rustls::Error) -> String {
    use CertificateError as C;
    let date = |time: UnixTime| Wall::at(i64::try_from(time.as_secs()).unwrap_or(i64::MAX)).to_string();
    match error {
        rustls::Error::InvalidCertificate(why) => match why {
            C::Expired => "the server's certificate has expired".into(),
            C::ExpiredContext { not_after, .. } => {
                format!("the server's certificate expired on {}", date(*not_after))
            }
            C::NotValidYet => "the server's certificate is not valid yet; is the clock right?".into(),
            C::NotValidYetContext { not_before, time } => format!(
                "the server's certificate is valid from {}, and the clock shows {}",
                date(*not_before),
                date(*time)
            ),
            C::UnknownIssuer => "the server's certificate is not signed by a trusted authority; is the CA \
                                 file set, or the package ca-bundle installed?"
                .into(),
            C::NotValidForName => "the server's certificate is for another name".into(),
            C::NotValidForNameContext { expected, presented } => format!(
                "the server's certificate is not for {} but for {}",
                expected.to_str(),
                if presented.is_empty() { "no name at all".to_owned() } else { presented.join(", ") }
            ),
            C::BadSignature => "the signature of the server's certificate is wrong".into(),
            C::Revoked => "the server's certificate was revoked".into(),
            C::Other(why) if why.to_string() == "CaUsedAsEndEntity" => {
                "the server shows the certificate of an authority, self-signed perhaps; give its key in \
                 pin_sha256, or have the server show one that the authority signed"
                    .into()
            }
            other => format!("the server's certificate is refused: {other:?}"),
        },
        rustls::Error::AlertReceived(alert) => format!("the server ended the handshake: {alert:?}"),
        rustls::Error::PeerIncompatible(why) => {
            format!("the server offers no version or cipher that is allowed (TLS 1.2 or newer): {why:?}")
        }
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS on this port".into(),
        rustls::Error::InconsistentKeys(_) => "the key does not belong to the certificate".into(),
        rustls::Error::General(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
