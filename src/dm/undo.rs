//! Taking back a part of a plan: what a request may do piece by piece, each for itself, and one that fails leaves nothing.

use super::instance::Instances;
use super::pending::Kept;
use super::source::{Snapshot, Stop};
use super::view::View;
use super::write::{Plan, Planner};

/// A plan as it was at some moment.
pub struct Mark {
    snapshot: Snapshot,
    edits: usize,
    calls: usize,
    resets: usize,
    instances: Instances,
    renumbered: bool,
    lost: Vec<Kept>,
    plan: Plan,
}

impl Planner<'_> {
    /// The plan as it is now, for [`Planner::undo`].
    pub fn mark(&self) -> Mark {
        Mark {
            snapshot: self.draft.snapshot.clone(),
            edits: self.draft.edits.len(),
            calls: self.draft.calls.len(),
            resets: self.draft.resets.len(),
            instances: self.instances.borrow().clone(),
            renumbered: self.renumbered,
            lost: self.lost.clone(),
            plan: self.plan.clone(),
        }
    }

    /// Takes back everything since `mark`; what was asked of sources stays asked.
    ///
    /// The numbers of rows that were added since are used again: nobody was told them.
    pub fn undo(&mut self, mark: Mark) {
        let wanted = self.draft.snapshot.take_wanted();
        self.noted.extend(wanted);
        self.draft.snapshot = mark.snapshot;
        self.draft.edits.truncate(mark.edits);
        self.draft.calls.truncate(mark.calls);
        self.draft.resets.truncate(mark.resets);
        *self.instances.borrow_mut() = mark.instances;
        self.renumbered = mark.renumbered;
        self.lost = mark.lost;
        self.plan = mark.plan;
    }

    /// Reads what the draft has come to so far.
    pub fn look<T>(&mut self, mut read: impl FnMut(&View<'_>) -> Result<T, Stop>) -> Result<T, Stop> {
        self.step(|_, view| read(view))
    }
}
