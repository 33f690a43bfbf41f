//! Where TR-069 is not built in: the same names as [`cwmp`](super::cwmp) has, and nothing behind them.

use super::job::{Running, Step};
use super::{Agent, local};
use crate::audit::Change;
use crate::config::Config;
use crate::dm::error::{Error, Refusal};
use crate::dm::source::{Snapshot, Stop};
use crate::dm::tree::Tree;
use crate::dm::view::View;
use crate::rng::Rng;
use crate::state::State;
use crate::time::{Instant, Now};

/// Nothing is kept.
pub struct Cwmp;

/// There is no event to be told.
#[derive(Default)]
pub struct Ledger;

/// There is no such work.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {}

/// There is no such answer.
#[derive(Clone, Debug)]
pub enum Answer {}

/// Nothing needs to be known.
pub(super) struct Known;

/// There is no ACS to be led to.
pub(super) fn place(_: &Config) -> (String, String) {
    Default::default()
}

/// Nothing of it can be touched.
pub(super) struct Touched;

/// A commit touches nothing.
pub(super) fn touch(_: &[(String, String)], _: &mut State) -> Touched {
    Touched
}

impl Known {
    pub(super) fn read(_: &View<'_>) -> Result<Known, Stop> {
        Ok(Known)
    }
}

impl Work {
    /// Whether a second one waiting would change nothing.
    pub fn is_once(&self) -> bool {
        match *self {}
    }

    pub(super) fn changes(&self) -> Vec<Change> {
        match *self {}
    }
}

impl Cwmp {
    pub(super) fn new(_: Ledger, _: &mut Rng) -> Cwmp {
        Cwmp
    }

    pub(super) fn is_busy(&self) -> bool {
        false
    }

    pub(super) fn next_timer(&self, _: Now) -> Option<Instant> {
        None
    }
}

impl Agent {
    pub(super) fn acs(&self) -> String {
        String::new()
    }

    pub(super) fn seed_cwmp(&mut self, _: &mut Rng) {}

    pub(super) fn start_session_soon(&mut self) {}

    pub(super) fn cwmp_due(&mut self) {}

    pub(super) fn contact_acs(&mut self) {}

    pub(super) fn keep_events(&mut self) {}

    pub(super) fn cwmp_not_kept(&mut self) {}

    pub(super) fn drain_session(&mut self) {}

    pub(super) fn forget_diagnoses(&mut self) {}

    pub(super) fn touch_diagnoses(&mut self, _: Touched) {}

    pub(super) fn look(&mut self, _: &mut Running) -> Step {
        Step::Over
    }

    pub(super) fn cwmp_work(&mut self, _: &mut Running, work: &Work) -> Step {
        match *work {}
    }

    pub(super) fn refuse_cwmp(&mut self, work: &Work, _: &Error) {
        match *work {}
    }

    pub(super) fn answer_acs(&mut self, answer: Answer) {
        match answer {}
    }

    pub(super) fn configure_cwmp(&mut self, _: &Config, _: &Known) {}
    pub(super) fn has_acs(&self) -> bool {
        false
    }

    pub(super) fn cwmp_facts(&self, _: &mut Vec<(&'static str, Tree)>, _: &mut Snapshot) {}

    pub(super) fn cwmp_status(&self, _: &mut Vec<(&'static str, Tree)>) {}

    pub(super) fn ask_for_session(&mut self) -> Tree {
        let why = Refusal::Denied("this build knows no TR-069, and so no ACS".into());
        local::refusal(&[Error::new("", why)])
    }

    pub(super) fn is_acs_failing(&self) -> bool {
        false
    }

    pub(super) fn undelivered(&self) -> Tree {
        Tree::List(Vec::new())
    }
}
