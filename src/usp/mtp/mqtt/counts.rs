//! What is counted of a connection to a broker: Device.MQTT.Client.{i}.Stats.
//!
//! Pure; `io::mtp::mqtt` counts by the first octet of each packet, since the program started and over all connections.

use crate::dm::tree::Tree;
use crate::time::Wall;

/// The names of the numbers, in the order in which they are kept.
const NUMBERS: [&str; 8] = [
    "ConnectionErrors",
    "PublishErrors",
    "MQTTMessagesReceived",
    "MQTTMessagesSent",
    "PublishReceived",
    "PublishSent",
    "SubscribeSent",
    "UnSubscribeSent",
];
/// The names of the dates.
const DATES: [&str; 3] =
    ["BrokerConnectionEstablished", "LastPublishMessageReceived", "LastPublishMessageSent"];

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    numbers: [u64; NUMBERS.len()],
    dates: [Option<Wall>; DATES.len()],
}

impl Counts {
    /// A connection failed, or ended by itself.
    pub fn failed(&mut self) {
        self.add(0);
    }

    /// A connection stands.
    pub fn established(&mut self, now: Option<Wall>) {
        self.date(0, now);
    }

    /// A message of ours was refused.
    pub fn refused(&mut self) {
        self.add(1);
    }

    /// A packet came; its first octet.
    pub fn received(&mut self, first: u8, now: Option<Wall>) {
        self.add(2);
        if first >> 4 == 3 {
            self.add(4);
            self.date(1, now);
        }
    }

    /// A packet was sent; its first octet.
    pub fn sent(&mut self, first: u8, now: Option<Wall>) {
        self.add(3);
        match first >> 4 {
            3 => {
                self.add(5);
                self.date(2, now);
            }
            8 => self.add(6),
            10 => self.add(7),
            _ => {}
        }
    }

    /// By the names of the parameters; a date that is not known is left out.
    pub fn tree(&self) -> Tree {
        let numbers =
            NUMBERS.iter().zip(self.numbers).map(|(name, count)| (*name, Tree::from(count.to_string())));
        let dates = DATES.iter().zip(self.dates);
        Tree::map(numbers.chain(dates.filter_map(|(name, at)| Some((*name, Tree::from(at?.to_string()))))))
    }

    fn add(&mut self, at: usize) {
        if let Some(count) = self.numbers.get_mut(at) {
            *count += 1;
        }
    }

    fn date(&mut self, at: usize, now: Option<Wall>) {
        if let Some(date) = self.dates.get_mut(at) {
            *date = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= TR-181 MQTT.Client.{i}.Stats: what is counted of the connection.
    #[test]
    fn packets_are_counted_by_their_kind() {
        let mut counts = Counts::default();
        let at = |seconds| Some(Wall::at(seconds));
        counts.established(at(1));
        for first in [0x10, 0x82, 0x30, 0x32, 0xa2, 0xc0] {
            counts.sent(first, at(2));
        }
        for first in [0x20, 0x90, 0x31] {
            counts.received(first, at(3));
        }
        counts.refused();
        counts.failed();
        counts.failed();
        let tree = counts.tree();
        for (name, want) in [
            ("MQTTMessagesSent", "6"),
            ("MQTTMessagesReceived", "3"),
            ("PublishSent", "2"),
            ("PublishReceived", "1"),
            ("SubscribeSent", "1"),
            ("UnSubscribeSent", "1"),
            ("PublishErrors", "1"),
            ("ConnectionErrors", "2"),
            ("BrokerConnectionEstablished", "1970-01-01T00:00:01Z"),
            ("LastPublishMessageSent", "1970-01-01T00:00:02Z"),
            ("LastPublishMessageReceived", "1970-01-01T00:00:03Z"),
        ] {
            assert_eq!(tree.str(name), Some(want), "{name}");
        }
        assert_eq!(Counts::default().tree().str("LastPublishMessageSent"), None);
    }
}
