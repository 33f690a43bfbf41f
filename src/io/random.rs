//! Randomness of the kernel.

/// A seed for [`crate::rng::Rng`].
///
/// Without the kernel's randomness there is no safe nonce or path: the program ends.
pub fn seed() -> [u8; 32] {
    use ring::rand::SecureRandom;
    let mut seed = [0u8; 32];
    ring::rand::SystemRandom::new().fill(&mut seed).expect("the kernel gives randomness");
    seed
}
