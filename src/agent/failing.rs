//! Which sources could not be read when they were last wanted: each failure is said once, and the last is shown until it is over.

use super::{Agent, OWN};
use crate::dm::source::Source;
use crate::sorted::Map;

/// Most sources whose failure is remembered; beyond that a failure is said again.
const MAX_FAILING: usize = 64;

/// The failures, and the source that failed last.
#[derive(Debug, Default)]
pub(super) struct Failing {
    why: Map<Box<str>, String>,
    last: Option<Box<str>>,
}

impl Failing {
    /// What is to be said of a source that was read now.
    fn news(&mut self, key: &str, source: &Source) -> Option<String> {
        let Source::Failed(why) = source else {
            self.why.remove(key);
            return None;
        };
        self.last = Some(key.into());
        if self.why.get(key) == Some(why) {
            return None;
        }
        if self.why.len() < MAX_FAILING || self.why.contains_key(key) {
            self.why.insert(key.into(), why.clone());
        }
        Some(format!("{key} cannot be read: {why}"))
    }

    /// The source that failed last, and why; nothing once it could be read.
    pub(super) fn last(&self) -> Option<String> {
        let key = self.last.as_ref()?;
        self.why.get(key).map(|why| format!("{key}: {why}"))
    }
}

impl Agent {
    /// Logs what sources fail anew; of its own settings the agent speaks where it takes them up.
    pub(super) fn note_failing(&mut self, sources: &[(Box<str>, Source)]) {
        for (key, source) in sources.iter().filter(|(key, _)| **key != *OWN) {
            if let Some(news) = self.failing.news(key, source) {
                self.log(log::Level::Warn, news);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_fails_is_told_of_once_until_it_fails_otherwise_or_anew() {
        let mut failing = Failing::default();
        let mut news = |source: Source| failing.news("uci:dhcp", &source);
        let broken = || Source::Failed("line 3".into());
        assert_eq!(news(broken()).as_deref(), Some("uci:dhcp cannot be read: line 3"));
        assert_eq!(news(broken()), None);
        assert_eq!(news(Source::Failed("line 4".into())).as_deref(), Some("uci:dhcp cannot be read: line 4"));
        assert_eq!(news(Source::Absent), None);
        assert!(news(broken()).is_some());
    }

    #[test]
    fn the_source_that_failed_last_is_shown_until_it_can_be_read() {
        let mut failing = Failing::default();
        assert_eq!(failing.last(), None);
        for (key, source, want) in [
            ("uci:a", Source::Failed("x".into()), Some("uci:a: x")),
            ("uci:b", Source::Failed("y".into()), Some("uci:b: y")),
            ("uci:a", Source::Failed("x".into()), Some("uci:a: x")),
            ("uci:b", Source::Absent, Some("uci:a: x")),
            ("uci:a", Source::Absent, None),
        ] {
            failing.news(key, &source);
            assert_eq!(failing.last().as_deref(), want, "{key}");
        }
    }
}
