//! Time as the core sees it: handed in with every event, never asked for.
//!
//! A router has no clock until NTP answers, so the wall clock is an `Option` and unknown time is a value of its
//! own. Driven by `io`, which alone reads the system's clocks; simulated in tests.

use std::fmt;
use std::time::Duration;

/// A point on the monotonic clock that goes on through suspend, counted from an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub Duration);

impl Instant {
    /// The time that passed since `earlier`; zero if `earlier` lies ahead.
    pub fn since(self, earlier: Instant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::ops::Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, wait: Duration) -> Instant {
        Instant(self.0.saturating_add(wait))
    }
}

/// The time an event happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic; timers are kept in it.
    pub at: Instant,
    /// Calendar time, once the router knows it.
    pub wall: Option<Wall>,
}

/// How far the calendar may move beside the other clock before that counts as having been set anew.
pub const STEP: Duration = Duration::from_secs(60);

impl Now {
    /// Whether the calendar was set since `earlier`: became known or unknown, or moved by more than [`STEP`] beside the
    /// clock that never jumps.
    pub fn steps_from(self, earlier: Now) -> bool {
        match (earlier.wall, self.wall) {
            (Some(before), Some(after)) => {
                let passed = i64::try_from(self.at.since(earlier.at).as_secs()).unwrap_or(i64::MAX);
                before.plus(passed).seconds.abs_diff(after.seconds) > STEP.as_secs()
            }
            (None, None) => false,
            (Some(_), None) | (None, Some(_)) => true,
        }
    }
}

/// Calendar time: whole seconds since 1970-01-01T00:00:00Z and microseconds, good for years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall {
    /// Seconds since the epoch; 64 bits on every target, so 2038 passes unnoticed.
    pub seconds: i64,
    /// 0 to 999 999.
    pub micros: u32,
}

/// `0001-01-01T00:00:00Z`, the standard's "time not known". Source: TR-106 3.2.1.
pub const UNKNOWN: &str = "0001-01-01T00:00:00Z";
/// `9999-12-31T23:59:59Z`, the standard's "never". Source: TR-106 3.2.1.
pub const INFINITE: &str = "9999-12-31T23:59:59Z";

impl Wall {
    /// Calendar time at whole seconds.
    pub const fn at(seconds: i64) -> Wall {
        Wall { seconds, micros: 0 }
    }

    /// The moment `by` later (or earlier, when negative), the microseconds kept.
    pub fn plus(self, by: i64) -> Wall {
        Wall { seconds: self.seconds.saturating_add(by), micros: self.micros }
    }

    /// The moment after `passed`, to the microsecond.
    pub fn after(self, passed: Duration) -> Wall {
        let micros = self.micros + passed.subsec_micros();
        let whole = i64::try_from(passed.as_secs()).unwrap_or(i64::MAX);
        let later = self.plus(whole.saturating_add((micros / 1_000_000).into()));
        Wall { micros: micros % 1_000_000, ..later }
    }

    /// Reads a dateTime such as `2026-08-01T12:00:00Z`, `…+02:00` or `….123456`; one without a zone is UTC.
    ///
    /// Returns `None` for anything else, a day that does not exist, or an offset beyond 14 hours.
    /// Source: XML Schema dateTime as TR-106 3.2.1 uses it.
    pub fn parse(text: &str) -> Option<Wall> {
        let b = text.as_bytes();
        let digits = |from: usize, n: usize| -> Option<i64> {
            let part = b.get(from..from + n)?;
            part.iter().try_fold(0i64, |v, d| d.is_ascii_digit().then(|| v * 10 + i64::from(d - b'0')))
        };
        let mark = |at: usize, c: u8| (b.get(at) == Some(&c)).then_some(());
        let (year, month, day) = (digits(0, 4)?, digits(5, 2)?, digits(8, 2)?);
        let (hour, minute, second) = (digits(11, 2)?, digits(14, 2)?, digits(17, 2)?);
        mark(4, b'-')?;
        mark(7, b'-')?;
        mark(10, b'T')?;
        mark(13, b':')?;
        mark(16, b':')?;
        let valid = year >= 1
            && (1..=12).contains(&month)
            && (1..=days_in(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        if !valid {
            return None;
        }
        let mut rest = text.get(19..)?;
        let mut micros = 0u32;
        if let Some(fraction) = rest.strip_prefix('.') {
            let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
            let (figures, tail) = fraction.split_at(end);
            if figures.is_empty() {
                return None;
            }
            micros = figures
                .bytes()
                .chain(std::iter::repeat(b'0'))
                .take(6)
                .fold(0, |v, d| v * 10 + u32::from(d - b'0'));
            rest = tail;
        }
        let offset = match rest.as_bytes() {
            b"" | b"Z" => 0,
            [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2]
                if [h1, h2, m1, m2].iter().all(|d| d.is_ascii_digit()) =>
            {
                let minutes = i64::from(h1 - b'0') * 600
                    + i64::from(h2 - b'0') * 60
                    + i64::from(m1 - b'0') * 10
                    + i64::from(m2 - b'0');
                if minutes > 14 * 60 || m1 > &b'5' {
                    return None;
                }
                if *sign == b'-' { -minutes * 60 } else { minutes * 60 }
            }
            _ => return None,
        };
        let seconds =
            days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
        Some(Wall { seconds, micros })
    }

    /// Year, month, day, hour, minute, second in UTC.
    pub fn civil(self) -> (i64, u32, u32, u32, u32, u32) {
        let days = self.seconds.div_euclid(86_400);
        let rest = self.seconds.rem_euclid(86_400);
        let (y, m, d) = civil_from_days(days);
        (y, m, d, (rest / 3_600) as u32, (rest / 60 % 60) as u32, (rest % 60) as u32)
    }

    /// The same moment written with an offset of `minutes` from UTC, such as `2026-08-01T14:00:00+02:00`.
    pub fn with_offset(self, minutes: i32) -> String {
        let local = self.plus(i64::from(minutes) * 60).to_string();
        let sign = if minutes < 0 { '-' } else { '+' };
        let m = minutes.unsigned_abs();
        format!("{}{sign}{:02}:{:02}", local.trim_end_matches('Z'), m / 60, m % 60)
    }
}

/// Canonical text: UTC with `Z`; microseconds only where there are any.
impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (y, mo, d, h, mi, s) = self.civil();
        write!(f, "{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}")?;
        if self.micros != 0 {
            write!(f, ".{:06}", self.micros)?;
        }
        f.write_str("Z")
    }
}

fn leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    (year, month as u32, (doy - (153 * mp + 2) / 5 + 1) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_times_are_read_in_every_legal_form_and_written_in_one() {
        for (text, want) in [
            ("1970-01-01T00:00:00Z", Some("1970-01-01T00:00:00Z")),
            ("2026-08-01T14:00:00+02:00", Some("2026-08-01T12:00:00Z")),
            ("2026-08-01T12:00:00", Some("2026-08-01T12:00:00Z")),
            ("2026-08-01T12:00:00.5Z", Some("2026-08-01T12:00:00.500000Z")),
            ("2024-02-29T00:00:00Z", Some("2024-02-29T00:00:00Z")),
            (UNKNOWN, Some(UNKNOWN)),
            (INFINITE, Some(INFINITE)),
            ("2040-01-01T00:00:00Z", Some("2040-01-01T00:00:00Z")),
            ("2026-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-08-01 12:00:00Z", None),
            ("2026-08-01T12:00:00+15:00", None),
            ("2026-08-01T12:00:00.Z", None),
            ("", None),
        ] {
            assert_eq!(Wall::parse(text).map(|w| w.to_string()).as_deref(), want, "{text:?}");
        }
    }

    #[test]
    fn a_calendar_that_is_set_steps_and_one_that_goes_on_does_not() {
        let now =
            |at, wall: Option<i64>| Now { at: Instant(Duration::from_secs(at)), wall: wall.map(Wall::at) };
        for (before, after, want) in [
            (now(10, Some(1_000)), now(500, Some(1_490)), false),
            (now(10, Some(1_000)), now(500, Some(1_491)), false),
            (now(10, Some(1_000)), now(11, Some(9_000)), true),
            (now(10, Some(9_000)), now(11, Some(1_000)), true),
            (now(10, None), now(11, Some(1_000)), true),
            (now(10, Some(1_000)), now(11, None), true),
            (now(10, None), now(11, None), false),
        ] {
            assert_eq!(after.steps_from(before), want, "{before:?} {after:?}");
        }
    }

    #[test]
    fn an_offset_is_written_behind_the_local_time() {
        assert_eq!(Wall::at(0).with_offset(90), "1970-01-01T01:30:00+01:30");
        assert_eq!(Wall::at(0).with_offset(-300), "1969-12-31T19:00:00-05:00");
    }
}
