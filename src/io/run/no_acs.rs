//! The loop without TR-069: nothing is sent to an ACS, and nothing wakes.

use super::Loop;
use crate::agent::Event;
use crate::agent::cwmp::Ledger;
use crate::config::Config;
use crate::rng::Rng;
use crate::sorted::Set;

/// Nothing is held.
pub(super) struct Acs;

/// There is no POST to end.
pub enum Posted {}

/// Nothing comes in.
pub(super) enum Heard {}

impl Acs {
    pub(super) fn new(_: &mut Rng) -> Acs {
        Acs
    }

    pub(super) async fn heard(&mut self) -> Heard {
        std::future::pending().await
    }

    pub(super) async fn call(&mut self) -> Heard {
        std::future::pending().await
    }

    pub(super) fn woken(&mut self) -> Option<Event> {
        None
    }
}

pub(super) fn ledger(_: &[String]) -> Ledger {
    Ledger
}

impl Loop {
    pub(super) fn hear(&mut self, heard: Heard) -> Option<Event> {
        match heard {}
    }

    pub(super) fn configure_sockets(&mut self, _: &Config) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    pub(super) fn open_for_acs(&mut self) {
        self.change_firewall();
    }

    pub(super) fn changed(&self, _: &Set<Box<str>>) {}

    pub(super) fn posted(&mut self, posted: Posted) -> Option<Event> {
        match posted {}
    }
}
