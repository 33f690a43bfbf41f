//! The loop's part of TR-369: links, and the goodbye on them.

use super::Loop;
use crate::agent::Event;
use crate::config::usp::Way;
use crate::dm::source::Source;
use crate::io::device::Device;
use crate::io::firewall::Opening;
use crate::io::mtp;
use crate::rng::Rng;
use crate::sorted::Map;
use crate::usp::mtp::{LinkCommand, LinkEvent, Wanted};

/// The links, and the ports that are open by the name of what wants them.
pub(super) struct Links {
    links: mtp::Links,
    ports: Map<Box<str>, u16>,
}

impl Links {
    /// None yet.
    pub(super) fn new(device: &Device, rng: Rng) -> Links {
        Links { links: mtp::Links::new(device.site(), rng), ports: Map::new() }
    }

    /// What they count: the source `agent:links`.
    pub(super) fn counts(&self) -> Source {
        self.links.counts()
    }

    /// Waits for what happens next on a link.
    pub(super) async fn event(&mut self) -> LinkEvent {
        self.links.next().await
    }

    /// Sends, or ends a connection.
    pub(super) fn command(&mut self, command: LinkCommand) {
        self.links.command(command);
    }
}

impl Loop {
    /// Takes note of what happened on a link.
    pub(super) fn linked(&mut self, event: LinkEvent) -> Event {
        match &event {
            LinkEvent::Listening { name, port } => drop(self.links.ports.insert(name.clone(), *port)),
            LinkEvent::Down { name, link: None, .. } => drop(self.links.ports.remove(name)),
            _ => return Event::Link(event),
        }
        self.open_for_controllers();
        Event::Link(event)
    }

    /// Has these links, and no others.
    pub(super) fn configure_links(&mut self, wanted: Vec<Wanted>) {
        self.links.ports.retain(|name, _| wanted.iter().any(|link| link.name() == &**name));
        self.links.links.configure(wanted);
        self.open_for_controllers();
    }

    /// Has the firewall opened for the ports that are open, and for those whom the settings name.
    pub(super) fn open_for_controllers(&mut self) {
        self.firewall.forget("mtp ");
        for mtp in &self.agent.config().usp.mtps {
            let name = format!("mtp {}", mtp.name);
            if let (Way::WebSocket { sources, .. }, Some(port)) =
                (&mtp.way, self.links.ports.get(name.as_str()))
            {
                let opening = Opening { port: *port, udp: false, sources: sources.clone() };
                self.firewall.set(&name, Some(opening));
            }
        }
        self.change_firewall();
    }

    /// Says goodbye to controllers and brokers.
    pub(super) async fn farewell(&mut self) {
        for command in self.agent.farewell() {
            self.links.command(command);
        }
        let rng = Rng::new(self.rng.bytes());
        std::mem::replace(&mut self.links, Links::new(&self.device, rng)).links.shutdown().await;
    }
}
