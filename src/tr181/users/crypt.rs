//! The hash of a password as `crypt` makes it: SHA-256, `$5$SALT$HASH`, which every libc of OpenWrt checks.
//!
//! Pure. Source: U. Drepper, Unix crypt using SHA-256 and SHA-512, version 0.6.

use crate::digest::sha256;

/// How often the hash is hashed again where the setting does not say.
const ROUNDS: usize = 5000;
/// Most characters of a salt.
const MAX_SALT: usize = 16;
/// The digits of crypt's base 64.
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The order in which the hash's bytes are spelled; the last two come by themselves.
const ORDER: [[usize; 3]; 10] = [
    [0, 10, 20],
    [21, 1, 11],
    [12, 22, 2],
    [3, 13, 23],
    [24, 4, 14],
    [15, 25, 5],
    [6, 16, 26],
    [27, 7, 17],
    [18, 28, 8],
    [9, 19, 29],
];

/// `length` bytes of a digest, repeated.
fn stretched(digest: &[u8; 32], length: usize) -> Vec<u8> {
    digest.iter().copied().cycle().take(length).collect()
}

/// Bytes as crypt's base 64: 24 bits at a time, the lowest digit first.
fn digits(bytes: impl IntoIterator<Item = u8>, count: usize, out: &mut String) {
    let mut word = bytes.into_iter().fold(0usize, |word, byte| word << 8 | usize::from(byte));
    for _ in 0..count {
        out.extend(DIGITS.get(word & 63).map(|digit| char::from(*digit)));
        word >>= 6;
    }
}

/// A salt of 96 bits out of any bytes that are told once only.
pub fn salt(seed: &[u8]) -> String {
    let mut out = String::new();
    for three in sha256(&[seed]).chunks(3).take(4) {
        digits(three.iter().copied(), 4, &mut out);
    }
    out
}

/// The hash of a password with a salt.
pub fn sha256_crypt(password: &[u8], salt: &str) -> String {
    let salt: String = salt.chars().take(MAX_SALT).collect();
    let length = password.len();
    let other = sha256(&[password, salt.as_bytes(), password]);
    let mut first = [password, salt.as_bytes(), &stretched(&other, length)].concat();
    let mut bits = length;
    while bits > 0 {
        first.extend_from_slice(if bits & 1 == 1 { &other } else { password });
        bits >>= 1;
    }
    let mut hash = sha256(&[&first]);
    let passwords = password.repeat(length);
    let p = stretched(&sha256(&[&passwords]), length);
    let salts = salt.as_bytes().repeat(16 + usize::from(hash[0]));
    let s = stretched(&sha256(&[&salts]), salt.len());
    for round in 0..ROUNDS {
        let odd = round % 2 == 1;
        let (begin, end): (&[u8], &[u8]) = if odd { (&p, &hash) } else { (&hash, &p) };
        let by_three: &[u8] = if round % 3 == 0 { &[] } else { &s };
        let by_seven: &[u8] = if round % 7 == 0 { &[] } else { &p };
        hash = sha256(&[begin, by_three, by_seven, end]);
    }
    let mut out = format!("$5${salt}$");
    for three in ORDER {
        digits(three.map(|at| hash.get(at).copied().unwrap_or(0)), 4, &mut out);
    }
    digits([31, 30].map(|at: usize| hash.get(at).copied().unwrap_or(0)), 3, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    //= crypt(3) SHA-256: what the libraries of other systems make of the same password and salt.
    #[test]
    fn a_password_becomes_the_hash_that_crypt_makes_of_it() {
        for (password, salt, want) in [
            ("Hello world!", "saltstring", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
            (
                "a password that is longer than thirty-two bytes",
                "abcdefghijklmnop",
                "$5$abcdefghijklmnop$KyDPbrPaPkNzc1cUi4EOxOrzNBQ1Rt6EJUYAerPpu9C",
            ),
            ("x", "ab", "$5$ab$5ydlOaPxAq0VpamGFK.BZgHF7HlR0erJsH.F7VB19f0"),
        ] {
            assert_eq!(sha256_crypt(password.as_bytes(), salt), want, "{password}");
        }
    }

    #[test]
    fn another_seed_gives_another_salt_of_crypts_digits() {
        let (one, other) = (salt(b"one"), salt(b"other"));
        assert_ne!(one, other);
        assert!(one.len() == 16 && one.bytes().all(|byte| DIGITS.contains(&byte)), "{one}");
    }
}
