//! The events nobody has been told yet, as a log that is appended to and survives torn ends.
//!
//! What an event says is a text of its protocol; here it has a number. Written by `io::store`: a line is appended
//! per event, and the log is written anew (or removed) when events were delivered.

use crate::sealed::{checksum, push_word, word};
use crate::sorted::Map;

/// The most undelivered events.
pub const MAX_EVENTS: usize = 128;
/// The longest event, in octets.
pub const MAX_EVENT: usize = 1_024;
/// The largest log, in octets; more is never written.
pub const MAX_LOG: u64 = 1 << 20;

/// There is no room for another event, or it is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The undelivered events, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events {
    last: u64,
    open: Map<u64, Box<str>>,
}

impl Events {
    /// The events of a log, and how many of its lines were damaged and are left out.
    ///
    /// A power cut tears the last line at most; it was not promised to anybody.
    pub fn read(log: &[u8]) -> (Events, usize) {
        let (mut events, mut damaged) = (Events::default(), 0);
        for line in log.split(|octet| *octet == b'\n').filter(|line| !line.is_empty()) {
            match parse(line) {
                Some((number, text)) if events.open.len() < MAX_EVENTS => {
                    events.last = events.last.max(number);
                    events.open.insert(number, text);
                }
                _ => damaged += 1,
            }
        }
        (events, damaged)
    }

    /// Takes an event in: its number and what to append to the log before anybody is told of it.
    pub fn add(&mut self, text: &str) -> Result<(u64, String), Full> {
        let number = self.last.checked_add(1).ok_or(Full)?;
        if self.open.len() >= MAX_EVENTS || text.len() > MAX_EVENT {
            return Err(Full);
        }
        self.last = number;
        self.open.insert(number, text.into());
        Ok((number, line(number, text)))
    }

    /// Forgets events that were delivered. Whether there were any.
    pub fn delivered(&mut self, numbers: &[u64]) -> bool {
        numbers.iter().filter(|number| self.open.remove(number).is_some()).count() > 0
    }

    /// The whole log anew; `None` where there is nothing to keep.
    pub fn text(&self) -> Option<String> {
        (!self.open.is_empty()).then(|| self.open.iter().map(|(number, text)| line(*number, text)).collect())
    }

    /// The events by number, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &str)> {
        self.open.iter().map(|(number, text)| (*number, &**text))
    }
}

/// A line begins with a newline of its own, so that a torn one before it does no harm.
fn line(number: u64, text: &str) -> String {
    let mut rest = number.to_string();
    push_word(&mut rest, text);
    format!("\n{} {rest}\n", checksum(rest.as_bytes()))
}

fn parse(line: &[u8]) -> Option<(u64, Box<str>)> {
    let (sum, rest) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let (number, text) = rest.split_once(' ')?;
    (sum == checksum(rest.as_bytes())).then_some(())?;
    Some((number.parse().ok()?, word(text)?.into()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn a_log_torn_anywhere_keeps_every_whole_line_and_takes_new_ones() {
        let mut events = Events::default();
        let log: String =
            ["1 BOOT", "", "M Download key\nwith lines"].map(|t| events.add(t).unwrap().1).concat();
        assert_eq!(Events::read(log.as_bytes()), (events.clone(), 0));
        for len in 0..log.len() {
            let torn = &log.as_bytes()[..len];
            let (mut read, damaged) = Events::read(torn);
            let kept = read.iter().count();
            assert!(damaged <= 1 && events.iter().take(kept).eq(read.iter()), "{len} octets");
            let (_, line) = read.add("next").unwrap();
            let (again, _) = Events::read(&[torn, line.as_bytes()].concat());
            assert_eq!(again, read, "{len} octets");
        }
    }

    #[test]
    fn delivered_events_are_gone_and_the_others_keep_their_numbers() {
        let mut events = Events::default();
        let numbers: Vec<u64> = (0..3).map(|n| events.add(&n.to_string()).unwrap().0).collect();
        assert!(events.delivered(&[numbers[0], numbers[2]]));
        assert!(!events.delivered(&[numbers[0], 99]));
        let (read, _) = Events::read(events.text().unwrap().as_bytes());
        assert_eq!(read.iter().collect::<Vec<_>>(), [(numbers[1], "1")]);
        assert!(events.delivered(&[numbers[1]]));
        assert_eq!(events.text(), None);
    }

    #[test]
    fn a_full_log_and_a_long_event_are_refused() {
        let mut events = Events::default();
        assert_eq!(events.add(&"x".repeat(MAX_EVENT + 1)), Err(Full));
        (0..MAX_EVENTS).for_each(|_| drop(events.add("x").unwrap()));
        assert_eq!(events.add("x"), Err(Full));
    }
}
