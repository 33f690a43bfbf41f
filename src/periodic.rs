//! When what comes at regular times is due.
//!
//! With a phase and a known clock the moments are fixed in calendar time; without either they are counted from a
//! random start, so that routers that lost power together do not come back together. The periodic Inform of TR-069 and
//! the `Periodic!` of TR-369 alike.

use crate::rng::Rng;
use crate::time::{Instant, Now, Wall};
use std::time::Duration;

/// The settings PeriodicInformInterval and PeriodicInformTime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periodic {
    /// At least a second.
    pub interval: Duration,
    /// A moment of which all others are whole intervals away; `None` for the standard's unknown time.
    pub phase: Option<Wall>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Off,
    /// The number of the last interval that was begun, counted from the phase, and when that was looked at last.
    Phase(i64, Now),
    Free(Instant),
}

/// The clockwork.
#[derive(Clone, Debug)]
pub struct Ticker {
    settings: Option<Periodic>,
    mode: Mode,
}

impl Default for Ticker {
    fn default() -> Ticker {
        Ticker { settings: None, mode: Mode::Off }
    }
}

impl Periodic {
    fn seconds(&self) -> i64 {
        i64::try_from(self.interval.as_secs()).unwrap_or(i64::MAX).max(1)
    }

    fn tick(&self, phase: Wall, wall: Wall) -> i64 {
        wall.seconds.saturating_sub(phase.seconds).div_euclid(self.seconds())
    }

    /// When interval `tick` begins, by the calendar as it is `now`.
    fn begin(&self, phase: Wall, tick: i64, now: Now) -> Instant {
        let wall = now.wall.unwrap_or(phase);
        let at = tick.saturating_mul(self.seconds()).saturating_add(phase.seconds);
        let micros = i128::from(at.saturating_sub(wall.seconds)) * 1_000_000 - i128::from(wall.micros);
        now.at + Duration::from_micros(u64::try_from(micros.max(0)).unwrap_or(u64::MAX))
    }
}

impl Ticker {
    /// Takes new settings; the same ones again change nothing.
    pub fn set(&mut self, settings: Option<Periodic>, now: Now, rng: &mut Rng) {
        if self.settings != settings {
            self.settings = settings;
            self.mode = Mode::Off;
            self.due(now, rng);
        }
    }

    /// Whether a moment has passed since the last call. Several missed ones are one.
    //= TR-181 ManagementServer.PeriodicInformTime: whole intervals from it, in either direction; if it or the time is
    // unknown, the phase is free.
    pub fn due(&mut self, now: Now, rng: &mut Rng) -> bool {
        let Some(settings) = self.settings else {
            self.mode = Mode::Off;
            return false;
        };
        let (mode, due) = match (settings.phase, now.wall, self.mode) {
            (Some(phase), Some(wall), Mode::Phase(last, seen)) => {
                let tick = settings.tick(phase, wall);
                // A clock that is set brings no moment about: due is what was due by the clock as it went.
                let due = match now.steps_from(seen) {
                    true => now.at >= settings.begin(phase, last.saturating_add(1), seen),
                    false => tick > last,
                };
                (Mode::Phase(tick, now), due)
            }
            (Some(phase), Some(wall), Mode::Off) => (Mode::Phase(settings.tick(phase, wall), now), false),
            // The clock has just become known: what was due by the free phase is, and no more.
            (Some(phase), Some(wall), Mode::Free(at)) => {
                (Mode::Phase(settings.tick(phase, wall), now), now.at >= at)
            }
            (_, _, Mode::Free(at)) if now.at >= at => {
                let missed = now.at.since(at).as_secs() / settings.seconds().unsigned_abs();
                let ahead =
                    Duration::from_secs((missed + 1).saturating_mul(settings.seconds().unsigned_abs()));
                (Mode::Free(at + ahead), true)
            }
            (_, _, Mode::Free(at)) => (Mode::Free(at), false),
            (_, _, Mode::Off | Mode::Phase(..)) => {
                let wait = rng.below(settings.seconds().unsigned_abs().saturating_mul(1000));
                (Mode::Free(now.at + Duration::from_millis(wait)), false)
            }
        };
        self.mode = mode;
        due
    }

    /// When [`Ticker::due`] should be asked next.
    pub fn next(&self, now: Now) -> Option<Instant> {
        let settings = self.settings?;
        match (self.mode, settings.phase, now.wall) {
            (Mode::Phase(last, _), Some(phase), Some(_)) => {
                Some(settings.begin(phase, last.saturating_add(1), now))
            }
            (Mode::Free(at), _, _) => Some(at),
            (Mode::Phase(..), _, _) | (Mode::Off, _, _) => Some(now.at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(at: u64, wall: Option<i64>) -> Now {
        Now { at: Instant(Duration::from_secs(at)), wall: wall.map(Wall::at) }
    }

    fn ticker(interval: u64, phase: Option<i64>, at: Now) -> (Ticker, Rng) {
        let (mut ticker, mut rng) = (Ticker::default(), Rng::new([9; 32]));
        let settings = Periodic { interval: Duration::from_secs(interval), phase: phase.map(Wall::at) };
        ticker.set(Some(settings), at, &mut rng);
        (ticker, rng)
    }

    //= TR-181 ManagementServer.PeriodicInformTime
    #[test]
    fn with_a_phase_the_moments_are_whole_intervals_from_it() {
        // The phase may lie in the future or the past.
        for phase in [1_000_000 + 30, 30, 1_000_000 - 970] {
            let (mut ticker, mut rng) = ticker(100, Some(phase), now(0, Some(1_000_000)));
            assert_eq!(ticker.next(now(0, Some(1_000_000))), Some(Instant(Duration::from_secs(30))));
            assert!(!ticker.due(now(29, Some(1_000_029)), &mut rng));
            assert!(ticker.due(now(30, Some(1_000_030)), &mut rng));
            assert!(!ticker.due(now(31, Some(1_000_031)), &mut rng), "once");
            assert!(ticker.due(now(500, Some(1_000_500)), &mut rng), "missed ones are one");
            assert!(!ticker.due(now(501, Some(1_000_501)), &mut rng));
        }
    }

    #[test]
    fn without_a_phase_or_a_clock_the_moments_are_an_interval_apart_from_a_random_start() {
        for (phase, wall) in [(None, Some(0)), (Some(30), None), (None, None)] {
            let (mut ticker, mut rng) = ticker(100, phase, now(0, wall));
            let first = ticker.next(now(0, wall)).expect("it is on");
            assert!(first <= Instant(Duration::from_secs(100)));
            assert!(ticker.due(Now { at: first, wall: wall.map(Wall::at) }, &mut rng));
            assert_eq!(ticker.next(now(0, wall)), Some(first + Duration::from_secs(100)));
        }
    }

    #[test]
    fn a_clock_that_becomes_known_or_steps_back_starts_no_session_by_itself() {
        let (mut ticker, mut rng) = ticker(1000, Some(0), now(0, None));
        ticker.mode = Mode::Free(Instant(Duration::from_secs(900)));
        assert!(!ticker.due(now(1, Some(1_700_000_500)), &mut rng), "known now");
        assert_eq!(ticker.next(now(1, Some(1_700_000_500))), Some(Instant(Duration::from_secs(501))));
        assert!(!ticker.due(now(2, Some(1_600_000_000)), &mut rng), "stepped back");
        assert!(ticker.due(now(1002, Some(1_600_001_000)), &mut rng), "and goes on");
    }

    //= TR-181 ManagementServer.PeriodicInformTime
    #[test]
    fn a_clock_that_is_set_forward_brings_no_inform_and_the_next_is_in_phase_again() {
        let (mut ticker, mut rng) = ticker(1000, Some(0), now(0, Some(1_700_000_100)));
        assert!(!ticker.due(now(10, Some(1_700_000_110)), &mut rng));
        assert!(!ticker.due(now(20, Some(1_795_000_400)), &mut rng), "set by three years");
        assert_eq!(ticker.next(now(20, Some(1_795_000_400))), Some(Instant(Duration::from_secs(620))));
        assert!(ticker.due(now(620, Some(1_795_001_000)), &mut rng));
        assert!(ticker.due(now(1620, Some(1_600_000_007)), &mut rng), "due while it was set back");
        assert!(!ticker.due(now(1621, Some(1_600_000_008)), &mut rng), "once");
    }

    #[test]
    fn off_is_off_and_the_same_settings_again_change_nothing() {
        let (mut ticker, mut rng) = ticker(100, None, now(0, None));
        let next = ticker.next(now(0, None));
        ticker.set(ticker.settings, now(5, None), &mut rng);
        assert_eq!(ticker.next(now(5, None)), next);
        ticker.set(None, now(5, None), &mut rng);
        assert!(!ticker.due(now(5000, None), &mut rng));
        assert_eq!(ticker.next(now(5000, None)), None);
    }
}
