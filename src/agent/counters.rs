//! Counters that were reset: the kernel's cannot be set to zero, so what they were then is taken off when they are read.
//!
//! In memory: the kernel's counters begin anew with the boot as well. An interface that is made anew counts from zero;
//! a counter below what it was has begun anew, and nothing is taken off any more. That is looked for whenever
//! something has changed.

use super::Agent;
use super::job::{Running, Step};
use crate::dm::path::Pattern;
use crate::dm::read::{Counts, MAX_RESET, Node};
use crate::dm::run::{self, Halt};
use crate::dm::source::{Source, Stop};
use crate::dm::tree::Tree;
use crate::dm::view::View;
use crate::sorted::Map;

/// What the counters of objects were when they were reset, by their paths.
#[derive(Default)]
pub(super) struct Counters(Map<Box<str>, Counts>);

/// The counters of an object as the kernel has them; `None` if it is not there.
fn counts(view: &View<'_>, object: &str) -> Result<Option<Counts>, Stop> {
    let Ok(pattern) = Pattern::parse(object) else { return Ok(None) };
    match view.resolve(&pattern)?.as_slice() {
        [Node::Object(place)] => Ok(Some(view.counters(place)?)),
        _ => Ok(None),
    }
}

impl Counters {
    /// Counts from here. One more than there is room for was refused before.
    //= TR-181 IP.Interface.{i}.Stats.Reset(): the counters of this object begin at zero.
    pub(super) fn reset(&mut self, object: Box<str>, counts: Counts) {
        if self.0.len() < MAX_RESET || self.0.contains_key(&object) {
            self.0.insert(object, counts);
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
    pub(super) fn counters(&self) -> Option<Source> {
        let of = |counts: &Counts| {
            Tree::map(counts.iter().map(|(name, was)| (*name, Tree::from(was.to_string()))))
        };
        let all = &self.counters.0;
        (!all.is_empty())
            .then(|| Source::ready(Tree::map(all.iter().map(|(path, counts)| (path.clone(), of(counts))))))
    }

    /// Looks whether counters that were reset have begun anew.
    pub(super) fn look_at_counters(&mut self, running: &mut Running) -> Step {
        let all = &self.counters.0;
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
            Ok(now) => self.counters.forget(now),
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
        counters.reset("a.".into(), vec![("Sent", 10), ("Errors", 0), ("Received", 5)]);
        counters.reset("b.".into(), vec![("Sent", 1)]);
        counters.forget(vec![
            ("a.".into(), Some(vec![("Sent", 9), ("Errors", 0), ("Received", 5)])),
            ("b.".into(), None),
        ]);
        assert_eq!(counters.0.get("a."), Some(&vec![("Errors", 0), ("Received", 5)]));
        assert!(!counters.0.contains_key("b."));
        counters.forget(vec![("a.".into(), Some(Vec::new()))]);
        assert!(counters.0.is_empty());
    }
}
