//! Randomness from a seed: unpredictable on a router, where `io` seeds it from the kernel, and repeatable in tests.

use ring::digest::{SHA256, digest};

/// A generator whose every output depends on all 32 octets of its seed (SHA-256 in counter mode).
///
/// Good for nonces, paths and waits; keys of TLS come from `ring` itself.
#[derive(Clone)]
pub struct Rng {
    seed: [u8; 32],
    counter: u64,
}

impl Rng {
    /// A generator that always gives the same sequence for the same `seed`.
    pub fn new(seed: [u8; 32]) -> Rng {
        Rng { seed, counter: 0 }
    }

    /// The next 32 octets.
    pub fn bytes(&mut self) -> [u8; 32] {
        let mut input = [0u8; 40];
        let (seed, counter) = input.split_at_mut(32);
        seed.copy_from_slice(&self.seed);
        counter.copy_from_slice(&self.counter.to_le_bytes());
        self.counter = self.counter.wrapping_add(1);
        let mut out = [0u8; 32];
        out.copy_from_slice(digest(&SHA256, &input).as_ref());
        out
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.bytes().iter().take(8).fold(0, |v, b| v << 8 | u64::from(*b))
    }

    /// A number from 0 up to, but not including, `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        // The product's upper half is uniform to within end/2^64, far below what a wait or a nonce can show.
        ((u128::from(self.next_u64()) * u128::from(end)) >> 64) as u64
    }

    /// `octets` random octets as lower-case hex, at most 32 of them.
    pub fn hex(&mut self, octets: usize) -> String {
        crate::digest::hex(self.bytes().get(..octets.min(32)).unwrap_or_default())
    }
}

impl std::fmt::Debug for Rng {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rng(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_sequence_and_no_value_leaves_its_range() {
        let (mut a, mut b) = (Rng::new([7; 32]), Rng::new([7; 32]));
        for end in 1..200 {
            let value = a.below(end);
            assert_eq!(value, b.below(end));
            assert!(value < end);
        }
        assert_ne!(a.hex(16), a.hex(16));
        assert_eq!(a.below(0), 0);
    }
}
