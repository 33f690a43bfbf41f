//! What is told of a peer whose certificate was accepted: its names, its issuer, and what it was verified by.
//!
//! Decides nothing: the handshake has. Whether the names are those of a controller is the agent's to say.

use super::provider::VERIFIED;
use super::verify::{Known, Verifier, at_moments};
use super::{Session, Trusted};
use crate::time::Wall;
use crate::usp::endpoint::EndpointId;
use crate::usp::mtp::Certified;
use crate::x509;
use rustls::pki_types::CertificateDer;
use std::sync::Arc;
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
/// The chain is empty where it was not what counted: with pinned keys, or where it does not lead to a trusted one.
pub(super) fn certified(
    known: &Known,
    trusted: &Trusted,
    presented: &[CertificateDer<'_>],
    part: Part,
    wall: Option<Wall>,
    floor: Wall,
) -> Option<Certified> {
    let (leaf, rest) = presented.split_first()?;
    let read = x509::certificate(leaf)?;
    // A pinned key is enough, whoever signed it.
    let path = match known.pins.is_empty() {
        true => path(trusted, leaf, rest, part, wall, floor).ok(),
        false => None,
    };
    let itself = !known.pins.is_empty() || Known::has(&known.leaves, leaf) || Known::has(&known.kept, leaf);
    Some(Certified {
        endpoint_ids: read.uris().into_iter().filter_map(EndpointId::from_urn).collect(),
        dns_names: read.dns_names().into_iter().map(Into::into).collect(),
        issuer: read.issuer_name().into(),
        serial: read.serial_hex().into(),
        fingerprint: crate::digest::sha256(&[leaf]),
        trusted: itself || path.is_some(),
        der: (leaf.len() <= x509::MAX_KEPT).then(|| Arc::from(leaf.as_ref())),
        chain: path.unwrap_or_default(),
        dates_checked: wall.is_some(),
    })
}

/// The SHA-256 of the certificates above `leaf` by which it is verified.
pub(super) fn path(
    trusted: &Trusted,
    leaf: &CertificateDer<'_>,
    rest: &[CertificateDer<'_>],
    part: Part,
    wall: Option<Wall>,
    floor: Wall,
) -> Result<Vec<[u8; 32]>, webpki::Error> {
    let parsed = EndEntityCert::try_from(leaf)?;
    let anchors = &trusted.store.roots;
    let usage = match part {
        Part::Server => KeyUsage::server_auth(),
        Part::Client => KeyUsage::client_auth(),
    };
    at_moments(leaf, rest, wall, floor, is_about_dates, |time| {
        let path = parsed.verify_for_usage(VERIFIED.all, anchors, rest, time, usage, None, None)?;
        let between = path.intermediate_certificates().map(|c| crate::digest::sha256(&[&c.der()]));
        let anchor = anchors.iter().position(|anchor| anchor == path.anchor());
        let anchor = anchor.and_then(|at| trusted.fingerprints.get(at)).copied();
        Ok(between.chain(anchor).collect())
    })
}

fn is_about_dates(error: &webpki::Error) -> bool {
    matches!(error, webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. })
}

impl Session {
    /// What is told of the server of a finished handshake.
    pub fn certified(&self, connection: &rustls::ClientConnection) -> Option<Certified> {
        let presented = connection.peer_certificates()?;
        let Verifier { known, trusted, wall, floor, .. } = &*self.verifier;
        certified(known, trusted, presented, Part::Server, *wall, *floor)
    }
}
