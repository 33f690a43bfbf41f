//! The one retry curve of both standards: CWMP session retry and USP notification and reconnect retry.

use crate::rng::Rng;
use std::time::Duration;

/// Waits that grow by a factor with each failure and are drawn at random from a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Curve {
    /// The lower end of the first range, in seconds, 1 to 65 535.
    pub minimum_seconds: u32,
    /// The factor in thousandths, 1 000 to 65 535.
    pub multiplier: u32,
}

/// Failures beyond this one wait as long as it does.
//= TR-069 3.2.1.1: the tenth and every later retry use the tenth range.
pub const LAST_STEP: u32 = 10;

impl Curve {
    /// The range, in milliseconds, from which the wait before retry `n` (1 for the first) is drawn.
    //= TR-069 3.2.1.1: from m·(k/1000)^(n-1) to m·(k/1000)^n seconds.
    pub fn range_ms(&self, n: u32) -> (u64, u64) {
        let step = n.clamp(1, LAST_STEP);
        let mut low = u128::from(self.minimum_seconds) * 1000;
        for _ in 1..step {
            low = (low * u128::from(self.multiplier) / 1000).min(u128::from(u64::MAX / 2));
        }
        let high = (low * u128::from(self.multiplier) / 1000).min(u128::from(u64::MAX / 2));
        (low as u64, high.max(low) as u64)
    }

    /// A wait for retry `n`, uniformly drawn from its range, both ends included.
    pub fn wait(&self, n: u32, rng: &mut Rng) -> Duration {
        let (low, high) = self.range_ms(n);
        Duration::from_millis(low + rng.below(high - low + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= TR-069 3.2.1.1
    #[test]
    fn the_default_curve_is_the_table_of_the_standard() {
        let curve = Curve { minimum_seconds: 5, multiplier: 2000 };
        for (n, low, high) in [
            (1, 5, 10),
            (2, 10, 20),
            (3, 20, 40),
            (9, 1280, 2560),
            (10, 2560, 5120),
            (11, 2560, 5120),
            (400, 2560, 5120),
        ] {
            assert_eq!(curve.range_ms(n), (low * 1000, high * 1000), "retry {n}");
        }
    }

    #[test]
    fn the_largest_settings_neither_overflow_nor_leave_the_range() {
        let curve = Curve { minimum_seconds: 65_535, multiplier: 65_535 };
        let mut rng = Rng::new([1; 32]);
        let (low, high) = curve.range_ms(10);
        let wait = curve.wait(10, &mut rng).as_millis() as u64;
        assert!(low <= wait && wait <= high);
    }
}
