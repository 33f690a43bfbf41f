//! `Stats.Reset()`: the kernel's counters cannot be set to zero, so what they were then is taken off when they are read.
//!
//! In memory: the kernel's counters begin anew with the boot as well. An interface that is made anew counts from zero;
//! a counter below what it was has begun anew, and nothing is taken off any more. That is looked for whenever
//! something has changed.

use crate::agent::Agent;
use crate::agent::job::{Running, Step};
use crate::dm::path::Pattern;
use crate::dm::read::Node;
use crate::dm::run::{self, Halt};
use crate::dm::source::{Source, Stop};
use crate::dm::tree::Tree;
use crate::dm::view::View;
use crate::sorted::Map;

/// Most objects whose counters were reset; one more is refused.
pub const MAX_RESET: usize = 256;

/// What the counters of one object were.
pub(super) type Counts = Vec<(&'static str, u64)>;

/// What the counters of objects were when they were reset, by their paths.
#[derive(Default)]
pub(super) struct Counters(Map<Box<str>, Counts>);

/// The counters of an object as the kernel has them; `None` if it is not there.
pub(super) fn counts(view: &View<'_>, object: &str) -> Result<Option<Counts>, Stop> {
    let Ok(pattern) = Pattern::parse(object) else { return Ok(None) };
    match view.resolve(&pattern)?.as_slice() {
        [Node::Object(place)] => Ok(Some(view.counters(place)?)),
        _ => Ok(None),
    }
}

impl Counters {
    /// Whether one more object can be reset.
    pub(super) fn has_room(&self, object: &str) -> bool {
        self.0.len() < MAX_RESET || self.0.contains_key(object)
    }

    /// Counts from here.
    //= TR-181 IP.Interface.{i}.Stats.Reset(): the counters of this object begin at zero.
    pub(super) fn reset(&mut self, object: &str, counts: Counts) {
        if self.has_room(object) {
            self.0.insert(object.into(), counts);
        }
    }

    /// Forgets what has begun anew: objects that are gone, counters below what they were.
    fn forget(&mut self, now: Vec<(Box<str>, Option<Counts>)>) {
        for (object, now) in now {
            let kept = self.0.get_mut(&object).zip(now).is_some_and(|(counts, now)| {
                counts.retain(|(name, was)| now.iter().any(|(other, is)| other == name && is >= was));
                !counts.is_empty()
            });
            if !kept {
                self.0.remove(&object);
            }
        }
    }
}

impl Agent {
    /// What is taken off counters when they are read; absent where nothing is.
    pub(in crate::agent) fn counters(&self) -> Option<Source> {
        let of = |counts: &Counts| {
            Tree::map(counts.iter().map(|(name, was)| (*name, Tree::from(was.to_string()))))
        };
        let all = &self.usp.counters.0;
        (!all.is_empty())
            .then(|| Source::ready(Tree::map(all.iter().map(|(path, counts)| (path.clone(), of(counts))))))
    }

    /// Looks whether counters that were reset have begun anew.
    pub(in crate::agent) fn look_at_counters(&mut self, running: &mut Running) -> Step {
        let all = &self.usp.counters.0;
        let looked = run::attempt(self.model, &mut running.snapshot, &self.instances, |view| {
            let (mut now, mut wait) = (Vec::new(), false);
            for object in all.keys() {
                match counts(view, object) {
                    Ok(counts) => now.push((object.clone(), counts)),
                    Err(Stop::Wait) => wait = true,
                    // A source that fails says nothing of them.
                    Err(Stop::Refused(_)) => {}
                }
            }
            if wait { Err(Stop::Wait) } else { Ok(now) }
        });
        match looked {
            Ok(now) => self.usp.counters.forget(now),
            Err(Halt::Need(keys)) => return Step::Need(keys),
            Err(Halt::Refused(_)) => {}
        }
        Step::Over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_has_begun_anew_is_forgotten_and_no_other() {
        let mut counters = Counters::default();
        counters.reset("a.", vec![("Sent", 10), ("Errors", 0), ("Received", 5)]);
        counters.reset("b.", vec![("Sent", 1)]);
        counters.forget(vec![
            ("a.".into(), Some(vec![("Sent", 9), ("Errors", 0), ("Received", 5)])),
            ("b.".into(), None),
        ]);
        assert_eq!(counters.0.get("a."), Some(&vec![("Errors", 0), ("Received", 5)]));
        assert!(!counters.0.contains_key("b."));
        counters.forget(vec![("a.".into(), Some(Vec::new()))]);
        assert!(counters.0.is_empty());
    }

    #[test]
    fn as_many_objects_as_there_is_room_for_can_be_reset() {
        let mut counters = Counters::default();
        for number in 0..MAX_RESET {
            assert!(counters.has_room("new."));
            counters.reset(&format!("{number}."), vec![("Sent", 1)]);
        }
        assert!(!counters.has_room("new.") && counters.has_room("1."));
    }
}
