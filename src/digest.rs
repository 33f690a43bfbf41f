//! Hashes, base64 and HTTP authentication: as client towards the ACS, as server for connection requests.
//!
//! Pure: time and randomness are handed in. Driven by `io::http` (client side) and [`crate::wake::http`]
//! (server side). Knows nothing of sockets or of how headers travel.

pub mod challenge;
pub mod client;
pub mod server;

use md5::{Digest, Md5};
use std::fmt::Write;

/// Octets as lower-case hex.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// MD5 of the parts, one after the other. For HTTP Digest only: it protects nothing else.
pub fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// SHA-256 of the parts, one after the other.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    for part in parts {
        hash.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(hash.finish().as_ref());
    out
}

/// SHA-1 of the parts, one after the other. For the opening of WebSockets only: it protects nothing.
pub fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    let mut hash = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    for part in parts {
        hash.update(part);
    }
    let mut out = [0; 20];
    out.copy_from_slice(hash.finish().as_ref());
    out
}

/// The names, as TR-181 has them, of the hashes that [`fingerprint`] knows.
pub const FINGERPRINTS: &str = "SHA-1,SHA-256,SHA-384,SHA-512";

/// The hash of that name, such as `SHA-256`; `None` for one that is not known.
pub fn fingerprint(algorithm: &str, octets: &[u8]) -> Option<Vec<u8>> {
    let algorithm = match algorithm {
        "SHA-1" => &ring::digest::SHA1_FOR_LEGACY_USE_ONLY,
        "SHA-256" => &ring::digest::SHA256,
        "SHA-384" => &ring::digest::SHA384,
        "SHA-512" => &ring::digest::SHA512,
        _ => return None,
    };
    Some(ring::digest::digest(algorithm, octets).as_ref().to_vec())
}

/// HMAC-SHA1 of `text` under `key`, as STUN and UDP connection requests use it.
pub fn hmac_sha1(key: &[u8], text: &[u8]) -> [u8; 20] {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let mut out = [0; 20];
    out.copy_from_slice(ring::hmac::sign(&key, text).as_ref());
    out
}

/// HMAC-SHA256 of `text` under `key`.
pub fn hmac_sha256(key: &[u8], text: &[u8]) -> [u8; 32] {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
    let mut out = [0; 32];
    out.copy_from_slice(ring::hmac::sign(&key, text).as_ref());
    out
}

/// Whether both are equal, in a time that tells nothing but their lengths.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    let differing = a.iter().zip(b).fold(0u8, |sum, (x, y)| std::hint::black_box(sum | (x ^ y)));
    a.len() == b.len() && std::hint::black_box(differing) == 0
}

/// Octets as base64 with padding. Source: RFC 4648 4.
pub fn base64(octets: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for group in octets.chunks(3) {
        let bits = group.iter().chain([&0, &0]).take(3).fold(0u32, |bits, o| bits << 8 | u32::from(*o));
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) as usize & 63;
            let letter = LETTERS.get(index).copied().unwrap_or(b'=');
            text.push(if place > group.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

/// Base64 as octets: padding may be missing, white space is skipped; `None` for anything else.
pub fn unbase64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0u32);
    let mut letters = text.bytes().filter(|c| !c.is_ascii_whitespace());
    for letter in letters.by_ref() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => break,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    (letters.all(|c| c == b'=') && held != 6).then_some(out)
}

#[doc(hidden)]
/// Feeds arbitrary octets to every parser of this module; returns at all times.
pub fn exercise(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let _ = unbase64(&text);
    let mut rng = crate::rng::Rng::new([1; 32]);
    let credentials =
        client::Credentials { username: "user".into(), password: crate::secret::Secret::new("word") };
    let mut authorizer = client::Authorizer::new(credentials.clone(), client::Basic::Always);
    let lines: Vec<&str> = text.lines().collect();
    authorizer.begin();
    let _ = authorizer.challenged(&lines, true);
    let _ = authorizer.authorize("POST", "/", &mut rng);
    let mut server = server::Server::new(&mut rng);
    let now = crate::time::Now::default();
    for line in lines {
        let _ = server.check(now, &credentials, "GET", "/path", line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1321 A.5, FIPS 180-4 (SHA-1 and SHA-256), RFC 2202 (case 2), RFC 4231 (case 2).
    #[test]
    fn hashes_are_those_of_their_standards() {
        assert_eq!(hex(&md5(&[b"message", b" digest"])), "f96b697d7cb7938d525a2f31aaf161d0");
        assert_eq!(
            hex(&sha256(&[b"a", b"bc"])),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(hex(&sha1(&[b"a", b"bc"])), "a9993e364706816aba3e25717850c26c9cd0d89d");
        let text = b"what do ya want for nothing?";
        assert_eq!(hex(&hmac_sha1(b"Jefe", text)), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        assert_eq!(
            hex(&hmac_sha256(b"Jefe", text)),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    /// RFC 4648 10.
    #[test]
    fn base64_round_trips_and_refuses_what_is_not_base64() {
        for (octets, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(octets.as_bytes()), text);
            assert_eq!(unbase64(text).as_deref(), Some(octets.as_bytes()), "{text:?}");
        }
        assert_eq!(unbase64("Zm 9v\r\nYg").as_deref(), Some(b"foob".as_slice()));
        for bad in ["Z", "Zm9v!", "Zg==x", "Zm9vY"] {
            assert_eq!(unbase64(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn only_equal_octets_are_the_same() {
        for (a, b, want) in
            [("abc", "abc", true), ("abc", "abd", false), ("abc", "ab", false), ("", "", true)]
        {
            assert_eq!(same(a.as_bytes(), b.as_bytes()), want, "{a:?} {b:?}");
        }
    }

    #[test]
    fn every_corpus_entry_is_survived() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz_corpus/auth");
        let entries: Vec<_> = std::fs::read_dir(folder).expect("the corpus is in the tree").collect();
        assert!(entries.len() >= 5);
        for entry in entries {
            exercise(&std::fs::read(entry.expect("readable").path()).expect("readable"));
        }
    }
}
