//! What TLS is done with: all that `ring` can, but for Ed25519.
//!
//! No authority of the web signs with Ed25519, and mbedtls, by which OpenWrt does TLS, cannot verify it; the arithmetic for it would be a
//! large part of what `ring` takes in a router's program. Key exchange by X25519 is another thing and is there.

use rustls::crypto::ring::sign::{RsaSigningKey, any_ecdsa_type};
use rustls::crypto::ring::{DEFAULT_CIPHER_SUITES, DEFAULT_KX_GROUPS};
use rustls::crypto::{CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, WebPkiSupportedAlgorithms};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use rustls::{Error, SignatureScheme};
use std::sync::Arc;
use webpki::ring as of;

/// The signatures that are verified, of peers and of their certificates.
pub static VERIFIED: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        of::ECDSA_P256_SHA256,
        of::ECDSA_P256_SHA384,
        of::ECDSA_P384_SHA256,
        of::ECDSA_P384_SHA384,
        of::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        of::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        of::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        of::RSA_PKCS1_2048_8192_SHA256,
        of::RSA_PKCS1_2048_8192_SHA384,
        of::RSA_PKCS1_2048_8192_SHA512,
        of::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
        of::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
        of::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    ],
    mapping: &[
        // With TLS 1.3 only the first of each counts.
        (SignatureScheme::ECDSA_NISTP384_SHA384, &[of::ECDSA_P384_SHA384, of::ECDSA_P256_SHA384]),
        (SignatureScheme::ECDSA_NISTP256_SHA256, &[of::ECDSA_P256_SHA256, of::ECDSA_P384_SHA256]),
        (SignatureScheme::RSA_PSS_SHA512, &[of::RSA_PSS_2048_8192_SHA512_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA384, &[of::RSA_PSS_2048_8192_SHA384_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA256, &[of::RSA_PSS_2048_8192_SHA256_LEGACY_KEY]),
        (SignatureScheme::RSA_PKCS1_SHA512, &[of::RSA_PKCS1_2048_8192_SHA512]),
        (SignatureScheme::RSA_PKCS1_SHA384, &[of::RSA_PKCS1_2048_8192_SHA384]),
        (SignatureScheme::RSA_PKCS1_SHA256, &[of::RSA_PKCS1_2048_8192_SHA256]),
    ],
};

/// The provider for every connection of ours.
pub fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: DEFAULT_CIPHER_SUITES.to_vec(),
        kx_groups: DEFAULT_KX_GROUPS.to_vec(),
        signature_verification_algorithms: VERIFIED,
        secure_random: &Ring,
        key_provider: &Ring,
    }
}

#[derive(Debug)]
struct Ring;

impl SecureRandom for Ring {
    fn fill(&self, out: &mut [u8]) -> Result<(), GetRandomFailed> {
        use ring::rand::SecureRandom;
        ring::rand::SystemRandom::new().fill(out).map_err(|_| GetRandomFailed)
    }
}

impl KeyProvider for Ring {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        if let Ok(rsa) = RsaSigningKey::new(&key) {
            return Ok(Arc::new(rsa));
        }
        any_ecdsa_type(&key)
            .map_err(|_| Error::General("the private key is neither of RSA nor of ECDSA".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_ring_verifies_is_verified_but_for_ed25519() {
        let ring = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        let mut schemes = ring.supported_schemes();
        schemes.retain(|scheme| *scheme != SignatureScheme::ED25519);
        assert_eq!(VERIFIED.supported_schemes(), schemes);
        let tried = |by: &WebPkiSupportedAlgorithms| {
            by.all.iter().map(|one| (one.public_key_alg_id(), one.signature_alg_id())).collect::<Vec<_>>()
        };
        let gone: Vec<_> = tried(&ring).into_iter().filter(|one| !tried(&VERIFIED).contains(one)).collect();
        assert_eq!(gone.len(), 1);
        assert_eq!(ring.all.len(), VERIFIED.all.len() + 1);
    }
}
