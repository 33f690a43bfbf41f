//! Whether a server's certificate is good: by its issuer and name, or by what is known of it, with a clock or without.

use super::Trusted;
use super::provider::VERIFIED;
use crate::time::Wall;
use crate::x509;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use std::time::Duration;

/// Most certificates of a presented chain whose dates are tried while the clock is unknown.
const MAX_DATED: usize = 8;

/// What makes a certificate good without its issuer.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) pins: Vec<[u8; 32]>,
    pub(super) leaves: Vec<[u8; 32]>,
    pub(super) kept: Vec<[u8; 32]>,
}

impl Known {
    pub(super) fn is_empty(&self) -> bool {
        self.pins.is_empty() && self.leaves.is_empty() && self.kept.is_empty()
    }

    /// Whether a certificate is one of `list`.
    pub(super) fn has(list: &[[u8; 32]], leaf: &CertificateDer<'_>) -> bool {
        !list.is_empty() && list.contains(&crate::digest::sha256(&[leaf]))
    }
}

/// What a server's certificate may carry instead of the name it was looked up by.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// A URI of its subjectAltName.
    pub uri: Option<String>,
    /// Any name will do for hosts of a home network: those under `.local` and `.home.arpa`.
    pub home: bool,
}

impl Expected {
    //= TR-369 R-MTP.4: at home the name does not count.
    fn excuses(&self, leaf: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
        let home = |name: &str| {
            let name = name.trim_end_matches('.');
            name.ends_with(".local") || name.ends_with(".home.arpa")
        };
        let at_home = self.home
            && matches!(name, ServerName::DnsName(name) if home(&name.as_ref().to_ascii_lowercase()));
        let carried = self
            .uri
            .as_deref()
            .is_some_and(|uri| x509::certificate(leaf).is_some_and(|leaf| leaf.uris().contains(&uri)));
        at_home || carried
    }
}

/// Verifies the servers of one session.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) expected: Expected,
    pub(super) trusted: Trusted,
    pub(super) known: Known,
    pub(super) wall: Option<Wall>,
    pub(super) floor: Wall,
}

impl Verifier {
    pub(super) fn check(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        wall: Option<Wall>,
    ) -> Result<(), rustls::Error> {
        if !self.known.pins.is_empty() {
            return check_pin(&self.known.pins, leaf, wall, self.floor);
        }
        if Known::has(&self.known.kept, leaf) {
            return check_dates(leaf, wall, self.floor);
        }
        let parsed = ParsedCertificate::try_from(leaf)?;
        if Known::has(&self.known.leaves, leaf) {
            check_dates(leaf, wall, self.floor)?;
        } else {
            at_moments(leaf, rest, wall, self.floor, is_about_dates, |time| {
                verify_server_cert_signed_by_trust_anchor(
                    &parsed,
                    &self.trusted.store,
                    rest,
                    time,
                    VERIFIED.all,
                )
            })?;
        }
        match verify_server_name(&parsed, name) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.expected.excuses(leaf, name) => Ok(()),
            Err(rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext {
                expected,
                ..
            })) => {
                let presented = x509::certificate(leaf).map_or_else(Vec::new, |leaf| leaf.names());
                Err(CertificateError::NotValidForNameContext { expected, presented }.into())
            }
            other => other,
        }
    }
}

/// Verifies by `verify` at `wall`, which is never before `floor`; without a clock, at a moment at which dates hold.
///
/// What comes back is the first verdict that is not about dates, or else the last one.
//= TR-069 3.3: while the time is not known, notBefore and notAfter are ignored.
pub(super) fn at_moments<T, E>(
    leaf: &CertificateDer<'_>,
    rest: &[CertificateDer<'_>],
    wall: Option<Wall>,
    floor: Wall,
    is_about_dates: impl Fn(&E) -> bool,
    verify: impl Fn(UnixTime) -> Result<T, E>,
) -> Result<T, E> {
    let at = |wall: Wall| {
        let seconds = u64::try_from(wall.seconds).unwrap_or_default();
        verify(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    };
    if let Some(wall) = wall {
        return at(wall.max(floor));
    }
    // webpki always checks dates, so a moment is looked for at which the whole path holds: the program's build
    // time, or the start or end of one of the certificates presented.
    let mut verdict = at(floor);
    for der in std::iter::once(leaf).chain(rest).take(MAX_DATED) {
        let Some(dates) = x509::certificate(der) else { continue };
        for moment in [dates.not_before, dates.not_after] {
            if !verdict.as_ref().is_err_and(&is_about_dates) {
                return verdict;
            }
            verdict = at(moment);
        }
    }
    verdict
}

/// Whether a peer's key is one of `pins`, and its dates hold where there is a clock.
pub(super) fn check_pin(
    pins: &[[u8; 32]],
    leaf: &CertificateDer<'_>,
    wall: Option<Wall>,
    floor: Wall,
) -> Result<(), rustls::Error> {
    let found = x509::certificate(leaf).ok_or(CertificateError::BadEncoding)?;
    let key = crate::digest::sha256(&[found.public_key]);
    if !pins.contains(&key) {
        return Err(rustls::Error::General(format!(
            "the peer's key is not the pinned one; it has SHA-256 {}",
            crate::digest::hex(&key)
        )));
    }
    check_dates(leaf, wall, floor)
}

/// Whether a certificate's dates hold, where there is a clock.
pub(super) fn check_dates(
    leaf: &CertificateDer<'_>,
    wall: Option<Wall>,
    floor: Wall,
) -> Result<(), rustls::Error> {
    let found = x509::certificate(leaf).ok_or(CertificateError::BadEncoding)?;
    match wall.map(|w| w.max(floor)) {
        Some(now) if now > found.not_after => Err(CertificateError::Expired.into()),
        Some(now) if now < found.not_before => Err(CertificateError::NotValidYet.into()),
        Some(_) | None => Ok(()),
    }
}

fn is_about_dates(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
        )
    )
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity, intermediates, server_name, self.wall)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &VERIFIED)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &VERIFIED)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        VERIFIED.supported_schemes()
    }
}
