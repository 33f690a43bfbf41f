//! ScheduleInform requests that wait for their time, over a restart too.
//!
//! Within a run the time is counted by the clock that never jumps. After a restart the calendar decides, where it was
//! known when the request came; else the whole delay is waited once more. Held by [`super::ledger`].

use crate::time::{Instant, Now, Wall};
use std::time::Duration;

/// The most ScheduleInform requests that wait.
pub const MAX_SCHEDULED: usize = 16;

/// What is kept of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// The serial of its event to be.
    pub serial: u64,
    /// Its key.
    pub command_key: String,
    /// The time from the request to the Inform, in whole seconds.
    pub delay: Duration,
    /// When the Inform is due, if the time was known at the request.
    pub wall: Option<Wall>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Waiting {
    asked: Scheduled,
    /// When it is due in this run; of one of an earlier run nothing before [`Schedule::set_out`].
    at: Option<Instant>,
    /// Its time waits for the calendar to become known.
    unsure: bool,
}

/// The requests that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    waiting: Vec<Waiting>,
}

impl Schedule {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes a request in that came `now`.
    pub fn ask(&mut self, asked: Scheduled, now: Now) {
        let at = Some(now.at + asked.delay);
        self.waiting.push(Waiting { asked, at, unsure: false });
    }

    /// Takes in what was kept of a request of an earlier run.
    pub fn resume(&mut self, asked: Scheduled) {
        if self.waiting.len() < MAX_SCHEDULED {
            self.waiting.push(Waiting { asked, at: None, unsure: true });
        }
    }

    /// Forgets a request.
    pub fn remove(&mut self, serial: u64) {
        self.waiting.retain(|waiting| waiting.asked.serial != serial);
    }

    /// Settles when requests of an earlier run are due. None later than its whole delay from the first call, whatever
    /// the calendar says; the calendar counts once it is known.
    pub fn set_out(&mut self, now: Now) {
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.unsure) {
            let latest = *waiting.at.get_or_insert(now.at + waiting.asked.delay);
            match (waiting.asked.wall, now.wall) {
                (Some(due), Some(wall)) => {
                    let left = u64::try_from(due.seconds.saturating_sub(wall.seconds)).unwrap_or_default();
                    waiting.at = Some(latest.min(now.at + Duration::from_secs(left)));
                    waiting.unsure = false;
                }
                (Some(_), None) => {}
                (None, _) => waiting.unsure = false,
            }
        }
    }

    /// Takes out what is due, in the order it is.
    pub fn due(&mut self, now: Now) -> Vec<Scheduled> {
        self.set_out(now);
        let is_due = |waiting: &Waiting| waiting.at.is_some_and(|at| at <= now.at);
        let mut due: Vec<Waiting> = self.waiting.iter().filter(|waiting| is_due(waiting)).cloned().collect();
        self.waiting.retain(|waiting| !is_due(waiting));
        due.sort_by_key(|waiting| waiting.at);
        due.into_iter().map(|waiting| waiting.asked).collect()
    }

    /// When [`Schedule::due`] has something next.
    pub fn next(&self) -> Option<Instant> {
        self.waiting.iter().filter_map(|waiting| waiting.at).min()
    }

    /// What is to be kept, oldest first.
    pub fn kept(&self) -> impl Iterator<Item = &Scheduled> {
        self.waiting.iter().map(|waiting| &waiting.asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(at: u64, wall: Option<i64>) -> Now {
        Now { at: Instant(Duration::from_secs(at)), wall: wall.map(Wall::at) }
    }

    fn asked(delay: u64, wall: Option<i64>) -> Scheduled {
        let delay = Duration::from_secs(delay);
        Scheduled { serial: 1, command_key: "k".into(), delay, wall: wall.map(Wall::at) }
    }

    //= TR-069 A.4.1.2: the Inform comes so many seconds after the request.
    #[test]
    fn a_request_of_an_earlier_run_is_due_by_the_calendar_or_after_its_whole_delay() {
        for (due, start, known, want, why) in [
            (Some(5_000), Some(4_900), None, 110, "the time left"),
            (Some(5_000), Some(6_000), None, 10, "its time has passed"),
            (Some(9_000_000), Some(4_900), None, 310, "no later than asked, although a clock was wrong"),
            (None, Some(4_900), None, 310, "unknown when it came"),
            (Some(5_000), None, None, 310, "unknown now"),
            (Some(5_000), None, Some((60, 4_980)), 80, "known a minute later"),
        ] {
            let mut schedule = Schedule::default();
            schedule.resume(asked(300, due));
            schedule.set_out(now(10, start));
            if let Some((at, wall)) = known {
                assert!(schedule.due(now(at, Some(wall))).is_empty(), "{why}");
            }
            assert_eq!(schedule.next(), Some(Instant(Duration::from_secs(want))), "{why}");
        }
    }

    #[test]
    fn within_a_run_no_step_of_the_calendar_counts() {
        let mut schedule = Schedule::default();
        schedule.ask(asked(100, Some(1_100)), now(0, Some(1_000)));
        assert!(schedule.due(now(50, Some(9_000_000))).is_empty());
        assert_eq!(schedule.due(now(100, Some(0))).len(), 1);
        assert!(schedule.is_empty());
    }
}
