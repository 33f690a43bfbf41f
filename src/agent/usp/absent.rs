//! Where TR-369 is not built in: the same names as [`usp`](super::usp) has, and nothing behind them.

use super::Agent;
use super::job::{Done, Errand, Running, Step};
use crate::audit::Change;
use crate::dm::error::Refusal;
use crate::dm::source::{Source, Stop};
use crate::dm::view::View;
use crate::rng::Rng;
use crate::time::Instant;
use std::rc::Rc;

/// Nothing is kept.
#[derive(Default)]
pub struct Usp {}

/// There is no such request.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {}

/// There is nothing to follow a command.
#[derive(Clone, Debug)]
pub enum Deed {}

/// Nothing needs to be known.
pub(super) mod known {
    use super::{Stop, View};

    pub(in crate::agent) struct Known;

    impl Known {
        pub(in crate::agent) fn read(_: &View<'_>, _: &crate::config::usp::Usp) -> Result<Known, Stop> {
            Ok(Known)
        }
    }
}

impl Ask {
    pub(super) fn controller(&self) -> Option<&str> {
        match *self {}
    }

    pub(super) fn manager(&self) -> String {
        match *self {}
    }

    pub(super) fn changes(&self) -> Vec<Change> {
        match *self {}
    }
}

impl Usp {
    pub(super) fn seed(&mut self, _: Rng) {}

    pub(super) fn next(&mut self) -> Option<Ask> {
        None
    }
}

impl Agent {
    pub(super) fn usp_not_kept(&mut self) {}

    pub(super) fn forget_requests(&mut self) {}

    pub(super) fn forget_subscriptions(&mut self) {}

    pub(super) fn notices_timer(&self) -> Option<Instant> {
        None
    }

    pub(super) fn commands_timer(&self) -> Option<Instant> {
        None
    }

    pub(super) fn notices_due(&mut self) {}

    pub(super) fn open_anew(&mut self, _: &str) {}

    pub(super) fn commands_due(&mut self) -> bool {
        false
    }

    pub(super) fn configure_usp(&mut self, _: &crate::config::Config, _: known::Known) {}

    pub(super) fn configure_first(&mut self, _: &Done) {}

    pub(super) fn subscribed(&mut self) -> bool {
        false
    }

    pub(super) fn answer_subscribers(&mut self) {}

    pub(super) fn answer_change(&mut self, ask: Rc<Ask>, _: Vec<u8>, _: bool) {
        match *ask {}
    }

    pub(super) fn usp_facts(&self) -> Source {
        Source::Absent
    }

    pub(super) fn notice(&mut self, _: &mut Running) -> Step {
        Step::Over
    }

    pub(super) fn usp(&mut self, _: &mut Running, ask: &Rc<Ask>) -> Step {
        match **ask {}
    }

    pub(super) fn keep(&mut self, _: &mut Running, _: &Errand) -> Step {
        Step::Over
    }

    pub(super) fn trigger(&mut self, _: &mut Running, _: &str) -> Step {
        Step::Over
    }

    pub(super) fn refuse_trigger(&mut self, _: &str, _: &Refusal) {}

    pub(super) fn refuse_usp(&mut self, ask: &Ask, _: &Refusal) {
        match *ask {}
    }

    pub(super) fn reply(&mut self, ask: &Ask, _: Vec<u8>) {
        match *ask {}
    }

    pub(super) fn do_deeds(&mut self, _: Vec<Deed>) {}

    pub(super) fn note_reboot_by_acs(&mut self) {}
}
