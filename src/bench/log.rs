//! What was said between the ACS and its devices, bounded and without secrets. Written by `super::session`.

use std::collections::VecDeque;

use super::known::is_secret;
use super::xml::Element;
use crate::time::Wall;

/// The most entries kept; the oldest goes first.
pub const ENTRIES_MAX: usize = 1000;
/// The most octets of text kept over all entries.
pub const OCTETS_MAX: usize = 8 * 1024 * 1024;
/// The most octets of text kept of one entry.
pub const TEXT_MAX: usize = 256 * 1024;

/// Who spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The device.
    FromCpe,
    /// The ACS.
    ToCpe,
}

/// One message.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Counts up from 1; given when the entry is written.
    pub number: u64,
    /// When.
    pub at: Option<Wall>,
    /// Which device, or its address before it said so.
    pub device: String,
    /// Counts sessions up from 1; 0 outside one.
    pub session: u64,
    /// Who spoke.
    pub direction: Direction,
    /// The message's name, such as `Inform`, or what else it was.
    pub what: String,
    /// The message, indented, secrets masked.
    pub text: String,
    /// Where the device breaks the standard.
    pub remarks: Vec<String>,
}

/// The last messages.
#[derive(Debug, Default)]
pub struct Log {
    entries: VecDeque<Entry>,
    last: u64,
    octets: usize,
}

impl Log {
    /// Adds an entry and returns its number.
    pub fn push(&mut self, mut entry: Entry) -> u64 {
        if entry.text.len() > TEXT_MAX {
            let end = (0..=TEXT_MAX).rev().find(|at| entry.text.is_char_boundary(*at)).unwrap_or(0);
            let cut = entry.text.len() - end;
            entry.text.truncate(end);
            entry.text.push_str(&format!("\n… {cut} octets more"));
        }
        self.last += 1;
        entry.number = self.last;
        self.octets += entry.text.len();
        self.entries.push_back(entry);
        while self.entries.len() > ENTRIES_MAX || self.octets > OCTETS_MAX {
            let Some(old) = self.entries.pop_front() else { break };
            self.octets -= old.text.len();
        }
        self.last
    }

    /// The entries after that number, oldest first.
    pub fn after(&self, number: u64) -> Vec<Entry> {
        self.entries.iter().filter(|e| e.number > number).cloned().collect()
    }
}

/// A message as text for a person, the values of secret parameters masked.
pub fn readable(message: &Element) -> String {
    let mut copy = message.clone();
    mask(&mut copy);
    copy.pretty()
}

fn mask(element: &mut Element) {
    if element.child("Name").is_some_and(|name| is_secret(&name.text)) {
        for value in element.children.iter_mut().filter(|c| c.local() == "Value" && !c.text.is_empty()) {
            "***".clone_into(&mut value.text);
        }
    }
    element.children.iter_mut().for_each(mask);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::xml;
    use super::*;

    fn entry(text: String) -> Entry {
        Entry {
            number: 0,
            at: None,
            device: String::new(),
            session: 1,
            direction: Direction::FromCpe,
            what: "Inform".into(),
            text,
            remarks: Vec::new(),
        }
    }

    #[test]
    fn the_log_keeps_the_last_entries_and_cuts_long_ones() {
        let mut log = Log::default();
        for _ in 0..ENTRIES_MAX + 5 {
            log.push(entry("x".into()));
        }
        assert_eq!((log.after(0).len(), log.after(0)[0].number), (ENTRIES_MAX, 6));
        for _ in 0..40 {
            log.push(entry("é".repeat(TEXT_MAX)));
        }
        let kept = log.after(0);
        assert!(kept.iter().map(|e| e.text.len()).sum::<usize>() <= OCTETS_MAX);
        assert!(kept.last().unwrap().text.ends_with("octets more"));
        assert_eq!(log.after(kept.last().unwrap().number).len(), 0);
    }

    #[test]
    fn the_value_of_a_secret_never_reaches_the_log() {
        let message = xml::read(
            b"<l><s><Name>A.KeyPassphrase</Name><Value>hunter2</Value></s><s><Name>A.SSID</Name><Value>home</Value></s></l>",
        )
        .unwrap();
        let text = readable(&message);
        assert!(!text.contains("hunter2") && text.contains("***") && text.contains("home"), "{text}");
    }
}
