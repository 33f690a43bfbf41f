//! The loop without TR-369: there are no links.

use super::Loop;
use crate::agent::Event;
use crate::dm::source::Source;
use crate::io::device::Device;
use crate::rng::Rng;
use std::convert::Infallible;

/// None.
pub(super) struct Links;

impl Links {
    pub(super) fn new(_: &Device, _: Rng) -> Links {
        Links
    }

    pub(super) fn counts(&self) -> Source {
        Source::Absent
    }

    pub(super) async fn event(&mut self) -> Infallible {
        std::future::pending().await
    }
}

impl Loop {
    pub(super) fn linked(&mut self, event: Infallible) -> Event {
        match event {}
    }

    pub(super) fn open_for_controllers(&mut self) {}

    /// There is nobody to say goodbye to.
    pub(super) async fn farewell(&mut self) {}
}
