//! The firewall's openings for our own ports: made while a port is open, for those alone who are to come there.
//!
//! They are data of our service at procd, which OpenWrt's firewall reads beside its settings and is told of when they change
//! (docs/decisions/0018). Nothing is written to flash, and nothing of a manager's is text in them: ports are numbers and
//! addresses are addresses. Having procd take them is the root part's, by [`commands`].

use crate::config::subnet::Subnet;
use crate::dm::tree::Tree;
use crate::openwrt::json;
use crate::sorted::Map;
use std::net::IpAddr;

/// Most addresses that are remembered of a name.
pub const MAX_FOUND: usize = 16;

/// A port that is to be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The port.
    pub port: u16,
    /// Over UDP too.
    pub udp: bool,
    /// From where; from nowhere if empty.
    pub sources: Vec<Subnet>,
}

/// The openings wanted, and those last asked for.
#[derive(Debug, Default)]
pub struct Firewall {
    /// Whether the settings let there be any.
    pub on: bool,
    openings: Map<Box<str>, Opening>,
    asked: Option<Vec<Opening>>,
}

impl Firewall {
    /// Has an opening, or none any more, under a name.
    pub fn set(&mut self, name: &str, opening: Option<Opening>) {
        match opening.filter(|opening| !opening.sources.is_empty()) {
            Some(opening) => drop(self.openings.insert(name.into(), opening)),
            None => drop(self.openings.remove(name)),
        }
    }

    /// Has none any more of those whose names begin so.
    pub fn forget(&mut self, names: &str) {
        self.openings.retain(|name, _| !name.starts_with(names));
    }

    /// The openings to be asked for; `None` where they were.
    pub fn change(&mut self) -> Option<Vec<Opening>> {
        let openings: Vec<Opening> = self.openings.values().filter(|_| self.on).cloned().collect();
        (self.asked.as_ref() != Some(&openings)).then(|| self.asked.insert(openings).clone())
    }
}

impl Opening {
    /// The opening as one text, for the way to the root part.
    pub fn to_text(&self) -> String {
        let sources = self.sources.iter().map(|source| format!(" {source}"));
        format!("{} {}{}", self.port, u8::from(self.udp), sources.collect::<String>())
    }

    /// What [`Opening::to_text`] has written.
    pub fn from_text(text: &str) -> Option<Opening> {
        let mut words = text.split(' ');
        let (port, udp) = (words.next()?.parse().ok()?, words.next()? == "1");
        Some(Opening { port, udp, sources: words.map(Subnet::parse).collect::<Option<_>>()? })
    }
}

/// The programs with their arguments that have procd take the openings: the second where the first fails.
///
/// `set_data` came with procd of 2025-09-30; `set` does the same, and more where more is given.
pub fn commands(openings: &[Opening]) -> [[String; 6]; 2] {
    let json = format!(r#"{{"name":"cpeagent","data":{}}}"#, data(openings));
    ["set_data", "set"].map(|method| ["-t", "10", "call", "service", method, &json].map(str::to_string))
}

/// The openings as `procd_open_data` of an init script would make them, as JSON.
pub fn data(openings: &[Opening]) -> String {
    let rules: Vec<Tree> = openings.iter().flat_map(rules).collect();
    json::write(&match rules.is_empty() {
        true => Tree::Map(Vec::new()),
        false => Tree::map([("firewall", Tree::List(rules))]),
    })
}

/// One rule per family.
///
/// Source: firewall4, `fw4.uc`, `read_ubus` and `parse_rule`.
fn rules(opening: &Opening) -> Vec<Tree> {
    let rule = |ipv4: bool| {
        let sources = opening.sources.iter().filter(|source| source.is_ipv4() == ipv4);
        let sources: Vec<Tree> = sources.map(|source| Tree::from(source.to_string())).collect();
        let protocols = ["tcp"].into_iter().chain(opening.udp.then_some("udp"));
        (!sources.is_empty()).then(|| {
            Tree::map([
                ("type", Tree::from("rule")),
                ("family", Tree::from(if ipv4 { "ipv4" } else { "ipv6" })),
                ("proto", Tree::List(protocols.map(Tree::from).collect())),
                // By whichever network: the addresses say who.
                ("src", Tree::from("*")),
                ("src_ip", Tree::List(sources)),
                ("dest_port", Tree::from(opening.port.to_string())),
                ("target", Tree::from("ACCEPT")),
            ])
        })
    };
    [true, false].into_iter().filter_map(rule).collect()
}

/// The addresses of a name, those found now ahead of those of before. An answer that holds nothing new changes nothing, so
/// that a name that is told in turns does not load the firewall again each time.
pub fn remember(known: &mut Vec<Subnet>, found: impl IntoIterator<Item = IpAddr>) {
    let found: Vec<Subnet> = found.into_iter().take(MAX_FOUND).map(Subnet::from).collect();
    if found.iter().all(|one| known.contains(one)) {
        return;
    }
    known.retain(|one| !found.contains(one));
    known.splice(..0, found);
    known.truncate(MAX_FOUND);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn opening(port: u16, udp: bool, sources: &[&str]) -> Option<Opening> {
        let sources = sources.iter().map(|source| Subnet::parse(source).unwrap()).collect();
        Some(Opening { port, udp, sources })
    }

    #[test]
    fn a_port_is_opened_for_its_sources_alone_with_a_rule_for_each_family() {
        let mut firewall = Firewall { on: true, ..Firewall::default() };
        firewall.set("acs", opening(7547, true, &["192.0.2.7", "2001:db8::/64"]));
        let rule = |family: &str, source: &str| {
            format!(
                r#"{{"type":"rule","family":"{family}","proto":["tcp","udp"],"src":"*","src_ip":["{source}"],"dest_port":"7547","target":"ACCEPT"}}"#
            )
        };
        let want =
            format!(r#"{{"firewall":[{},{}]}}"#, rule("ipv4", "192.0.2.7/32"), rule("ipv6", "2001:db8::/64"));
        let openings = firewall.change().unwrap();
        assert_eq!(data(&openings), want);
        assert_eq!(firewall.change(), None, "asked for once");
        for (command, method) in commands(&openings).iter().zip(["set_data", "set"]) {
            let call = format!(r#"{{"name":"cpeagent","data":{want}}}"#);
            assert_eq!(command, &["-t", "10", "call", "service", method, &call]);
        }
        let crossed: Option<Vec<Opening>> =
            openings.iter().map(|opening| Opening::from_text(&opening.to_text())).collect();
        assert_eq!(crossed, Some(openings));
    }

    #[test]
    fn openings_end_with_their_port_or_the_setting_and_without_sources_there_is_none() {
        let mut firewall = Firewall { on: true, ..Firewall::default() };
        let closed = Some("{}".to_string());
        let told = |firewall: &mut Firewall| firewall.change().map(|openings| data(&openings));
        assert_eq!(told(&mut firewall), closed, "what an agent before left is taken away");
        firewall.set("acs", opening(7547, false, &[]));
        assert_eq!(told(&mut firewall), None, "from nowhere is no rule, and not one for all");
        firewall.set("acs", opening(7547, false, &["192.0.2.7"]));
        firewall.set("mtp a", opening(8443, false, &["198.51.100.0/24"]));
        assert!(told(&mut firewall).unwrap().contains("8443"));
        firewall.forget("mtp ");
        assert!(!told(&mut firewall).unwrap().contains("8443"));
        firewall.on = false;
        assert_eq!(told(&mut firewall), closed);
        firewall.on = true;
        assert!(told(&mut firewall).is_some());
        firewall.set("acs", None);
        assert_eq!(told(&mut firewall), closed);
    }

    #[test]
    fn what_is_no_opening_does_not_come_over_to_root() {
        for text in ["", "7547", "7547 0 ;reboot", "99999 0", "7547 0 192.0.2.7 accept", "7547 1  192.0.2.7"]
        {
            assert_eq!(Opening::from_text(text), None, "{text:?}");
        }
        assert!(Opening::from_text("7547 1 192.0.2.7").is_some());
    }

    #[test]
    fn a_name_told_in_turns_settles_and_the_latest_addresses_count() {
        let ip = |n: u8| IpAddr::from([192, 0, 2, n]);
        let mut known = Vec::new();
        remember(&mut known, [ip(1), ip(2)]);
        let before = known.clone();
        remember(&mut known, [ip(2)]);
        assert_eq!(known, before, "nothing new");
        remember(&mut known, (10..60).map(ip));
        assert_eq!((known.len(), known.first()), (MAX_FOUND, Some(&Subnet::from(ip(10)))));
        remember(&mut known, [ip(1)]);
        assert_eq!(known.first(), Some(&Subnet::from(ip(1))));
    }
}
