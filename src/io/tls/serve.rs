//! TLS for a port of ours: our certificate, and what is asked of those who connect.
//!
//! The same trust as towards servers: CA files or pinned keys, and dates that count once the clock is known.

use super::peer::{Part, certified, path};
use super::provider::VERIFIED;
use super::verify::{Known, check_dates, check_pin};
use super::{Error, Tls, Trusted, words};
use crate::io::clock::Calendar;
use crate::time::Wall;
use crate::usp::mtp::Certified;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use std::sync::Arc;

/// Whom a port speaks to.
#[derive(Debug)]
struct Clients {
    trusted: Trusted,
    known: Known,
    first_use: bool,
    wall: Option<Wall>,
    floor: Wall,
    required: bool,
}

impl Tls {
    /// The configuration for handshakes at a port of ours, with the calendar time as known now.
    ///
    /// Those who connect are asked for a certificate; `required` turns those away who have none. Refused without a
    /// certificate of our own.
    pub fn port(&self, wall: Option<Wall>, required: bool) -> Result<Arc<ServerConfig>, Error> {
        let Some((own, key)) = &self.client else {
            return Err(Error("a port with TLS needs a certificate and a key".into()));
        };
        let clients = Clients {
            trusted: self.trusted.clone(),
            known: self.known.clone(),
            first_use: self.first_use,
            wall,
            floor: self.floor,
            required,
        };
        let config = ServerConfig::builder_with_details(self.provider.clone(), Arc::new(Calendar))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|e| Error(e.to_string()))?
            .with_client_cert_verifier(Arc::new(clients))
            .with_single_cert(own.clone(), key.clone_key())
            .map_err(|e| Error(format!("the certificate and its key: {}", words(&e))))?;
        Ok(Arc::new(config))
    }

    /// What is told of the client of a finished handshake; `None` where it showed no certificate.
    pub fn certified_client(
        &self,
        wall: Option<Wall>,
        connection: &rustls::ServerConnection,
    ) -> Option<Certified> {
        let presented = connection.peer_certificates()?;
        certified(&self.known, &self.trusted, presented, Part::Client, wall, self.floor)
    }
}

/// What the client is told, by an alert of TLS.
fn refusal(why: webpki::Error) -> CertificateError {
    match why {
        webpki::Error::CertExpired { .. } => CertificateError::Expired,
        webpki::Error::CertNotValidYet { .. } => CertificateError::NotValidYet,
        webpki::Error::UnknownIssuer => CertificateError::UnknownIssuer,
        webpki::Error::BadDer | webpki::Error::BadDerTime => CertificateError::BadEncoding,
        _ => CertificateError::ApplicationVerificationFailure,
    }
}

impl ClientCertVerifier for Clients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // The names of a whole bundle would not fit into what small peers read.
        &[]
    }

    //= TR-369 R-MTP.1: with TLS the peer must have a certificate.
    //= TR-369 R-WS.22: TLS with certificates, for sessions that are accepted too.
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        //= TR-369 R-MTP.2, R-SEC.19: dates count once the time is known.
        //= TR-369 R-MTP.3: and then they must hold.
        let by_itself = if !self.known.pins.is_empty() {
            Some(check_pin(&self.known.pins, end_entity, self.wall, self.floor))
        } else if Known::has(&self.known.kept, end_entity) || Known::has(&self.known.leaves, end_entity) {
            Some(check_dates(end_entity, self.wall, self.floor))
        } else {
            None
        };
        if let Some(verdict) = by_itself {
            return verdict.map(|()| ClientCertVerified::assertion());
        }
        match path(&self.trusted, end_entity, intermediates, Part::Client, self.wall, self.floor) {
            //= TR-369 R-MTP.4a: an unknown signer is refused, or taken for a first use where that is allowed.
            Err(_) if self.first_use => {
                check_dates(end_entity, self.wall, self.floor).map(|()| ClientCertVerified::assertion())
            }
            Err(why) => Err(refusal(why).into()),
            Ok(_) => Ok(ClientCertVerified::assertion()),
        }
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
