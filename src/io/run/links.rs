//! The loop's part of TR-369: links, and the goodbye on them.

use super::Loop;
use crate::agent::Event;
use crate::io::device::Device;
use crate::io::mtp;
use crate::rng::Rng;

/// The links.
pub(super) struct Links(pub(super) mtp::Links);

impl Links {
    /// None yet.
    pub(super) fn new(device: &Device, rng: Rng) -> Links {
        Links(mtp::Links::new(device.site(), rng))
    }

    /// Waits for what happens next on a link.
    pub(super) async fn event(&mut self) -> Event {
        Event::Link(self.0.next().await)
    }
}

impl Loop {
    /// Says goodbye to controllers and brokers.
    pub(super) async fn farewell(&mut self) {
        for command in self.agent.farewell() {
            self.links.0.command(command);
        }
        let rng = Rng::new(self.rng.bytes());
        std::mem::replace(&mut self.links, Links::new(&self.device, rng)).0.shutdown().await;
    }
}
