//! Hashes and HTTP Digest authentication, as client (towards the ACS) and as server (connection requests).

use std::fmt::Write;

/// Octets as lower-case hex.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}
