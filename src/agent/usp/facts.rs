//! What parameters show of links: `agent:usp`, by section.

use super::{Link, Usp};
use crate::agent::Agent;
use crate::config::usp::{ControllerWay, Way};
use crate::dm::source::Source;
use crate::dm::tree::Tree;
use crate::sorted::Map;
use crate::usp::mtp::Details;

/// How the tries for one wanted link have gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tries {
    /// Since the last success.
    pub failures: u32,
    /// Whether a port is open, or a connection stood when it was last heard of.
    pub stands: bool,
    /// Whether it waits for other settings.
    pub given_up: bool,
}

impl Usp {
    fn link_of(&self, name: &str) -> Option<&Link> {
        self.links.values().find(|link| *link.up.name == *name)
    }
}

impl Agent {
    /// The source `agent:usp`.
    pub(in crate::agent) fn usp_facts(&self) -> Source {
        let mut facts: Vec<(&str, Tree)> = Vec::new();
        // This agent starts with the program.
        if let Some(since) = self.listening {
            facts.push(("UpTime", Tree::from(self.now.at.since(since).as_secs().to_string())));
        }
        let mut ways: Map<&str, Tree> = Map::new();
        let mut inherited: Map<&str, Tree> = Map::new();
        for controller in &self.config.usp.controllers {
            for way in &controller.mtps {
                let ControllerWay::WebSocket { .. } = way.way else { continue };
                let name = format!("controller {} {}", controller.name, way.name);
                let failures = self.usp.tries.get(name.as_str()).map_or(0, |tries| tries.failures);
                let count = Tree::from(failures.to_string());
                ways.insert(&way.name, Tree::map([("CurrentRetryCount", count)]));
            }
            //= TR-369 R-SEC.1a: the roles that come with a certificate are shown beside those that are assigned.
            let roles = self.inherited(controller);
            if !roles.is_empty() {
                let roles = Tree::List(roles.into_iter().map(Tree::from).collect());
                inherited.insert(&controller.name, Tree::map([("InheritedRole", roles)]));
            }
        }
        let mut mtps: Map<&str, Tree> = Map::new();
        let mut brokers: Map<&str, Tree> = Map::new();
        let mut subscriptions: Map<&str, Tree> = Map::new();
        for mtp in &self.config.usp.mtps {
            let name = format!("mtp {}", mtp.name);
            let tries = self.usp.tries.get(name.as_str()).cloned().unwrap_or_default();
            let link = self.usp.link_of(&name);
            let up = match &mtp.way {
                Way::WebSocket { .. } => tries.stands,
                Way::Mqtt { .. } => link.is_some(),
            };
            let mut own = vec![("Status", Tree::from(if up && mtp.enable { "Up" } else { "Down" }))];
            if let Some(topic) = link.and_then(|link| link.up.reply_topic.as_deref()) {
                own.push(("ResponseTopicDiscovered", Tree::from(topic)));
            }
            mtps.insert(&mtp.name, Tree::map(own));
            let Way::Mqtt { broker: Some(broker), .. } = &mtp.way else { continue };
            let status = match (link, tries.given_up, tries.failures) {
                (Some(_), ..) => "Connected",
                (None, true, _) => "Error_Misconfigured",
                (None, false, 0) => "Connecting",
                (None, false, _) => "Error_BrokerUnreachable",
            };
            let mut own = vec![("Status", Tree::from(status))];
            if let Some(Details::Mqtt { response_information, subscribed, .. }) =
                link.map(|link| &link.up.details)
            {
                own.extend(
                    response_information.as_deref().map(|topic| ("ResponseInformation", Tree::from(topic))),
                );
                let of = self.config.usp.brokers.iter().find(|known| known.name == *broker);
                for one in of.map_or(&[][..], |broker| &broker.subscriptions) {
                    let granted = subscribed.iter().find(|(topic, _)| **topic == *one.topic);
                    let Some((_, granted)) = granted else { continue };
                    let status = Tree::from(if granted.is_ok() { "Subscribed" } else { "Error" });
                    subscriptions.insert(&one.name, Tree::map([("Status", status)]));
                }
            }
            brokers.insert(broker, Tree::map(own));
        }
        let map = |all: Map<&str, Tree>| Tree::map(all);
        facts.push(("controller", map(inherited)));
        facts.push(("controller_mtp", map(ways)));
        facts.push(("mtp", map(mtps)));
        facts.push(("mqtt", map(brokers)));
        facts.push(("mqtt_subscription", map(subscriptions)));
        Source::ready(Tree::map(facts))
    }
}
