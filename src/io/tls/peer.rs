//! What is told of a peer whose certificate was accepted: its names, its issuer, and what it was verified by.
//!
//! Decides nothing: the handshake has. Whether the names are those of a controller is the agent's to say.

use super::{Session, Trusted, at_moments, der};
use crate::time::Wall;
use crate::usp::endpoint::EndpointId;
use crate::usp::mtp::Certified;
use rustls::pki_types::CertificateDer;
use webpki::{EndEntityCert, KeyUsage};

/// What a peer is in a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The one that was connected to.
    Server,
    /// The one that connected.
    Client,
}

/// What is told of the certificates a peer presented; `None` for one that cannot be read.
///
/// The chain is empty where it was not what counted: without `trusted`, or where it does not lead there.
pub fn certified(
    trusted: Option<&Trusted>,
    presented: &[CertificateDer<'_>],
    part: Part,
    wall: Option<Wall>,
    floor: Wall,
) -> Option<Certified> {
    let (leaf, rest) = presented.split_first()?;
    let read = der::certificate(leaf)?;
    Some(Certified {
        endpoint_ids: read.uris().into_iter().filter_map(EndpointId::from_urn).collect(),
        dns_names: read.dns_names().into_iter().map(Into::into).collect(),
        issuer: read.issuer_name().into(),
        serial: read.serial_hex().into(),
        fingerprint: crate::digest::sha256(&[leaf]),
        chain: trusted.and_then(|trusted| path(trusted, leaf, rest, part, wall, floor)).unwrap_or_default(),
        dates_checked: wall.is_some(),
    })
}

/// The certificates above `leaf` by which it is verified.
fn path(
    trusted: &Trusted,
    leaf: &CertificateDer<'_>,
    rest: &[CertificateDer<'_>],
    part: Part,
    wall: Option<Wall>,
    floor: Wall,
) -> Option<Vec<[u8; 32]>> {
    let parsed = EndEntityCert::try_from(leaf).ok()?;
    let anchors = &trusted.store.roots;
    let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    let usage = match part {
        Part::Server => KeyUsage::server_auth(),
        Part::Client => KeyUsage::client_auth(),
    };
    let verified = at_moments(leaf, rest, wall, floor, is_about_dates, |time| {
        let path = parsed.verify_for_usage(algorithms.all, anchors, rest, time, usage, None, None)?;
        let between = path.intermediate_certificates().map(|c| crate::digest::sha256(&[&c.der()]));
        let anchor = anchors.iter().position(|anchor| anchor == path.anchor());
        let anchor = anchor.and_then(|at| trusted.fingerprints.get(at)).copied();
        Ok(between.chain(anchor).collect())
    });
    verified.ok()
}

fn is_about_dates(error: &webpki::Error) -> bool {
    matches!(error, webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. })
}

impl Session {
    /// What is told of the server of a finished handshake.
    pub fn certified(&self, connection: &rustls::ClientConnection) -> Option<Certified> {
        let presented = connection.peer_certificates()?;
        // A pinned key is enough, whoever signed it.
        let verifier = &self.verifier;
        let trusted = verifier.pins.is_empty().then_some(&verifier.trusted);
        certified(trusted, presented, Part::Server, verifier.wall, verifier.floor)
    }
}
