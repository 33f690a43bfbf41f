//! How the way to a manager looks: its network, the next router, the name servers.
//!
//! Read from what netifd and the kernel show, and from one question to each name server, which also has the kernel look
//! for its neighbour. Judges nothing.

use crate::dm::source::{Snapshot, Stop};
use crate::dm::tree::Tree;
use crate::sorted::Set;
use crate::state::guard::{Guarded, Way};
use std::net::IpAddr;

const INTERFACES: &str = "ubus:network.interface dump";
const ROUTES: &str = "nl:route";
const NEIGHBOURS: &str = "nl:neighbour";
/// Most name servers that are asked.
const MAX_SERVERS: usize = 2;
/// What they are asked where the manager has an address and no name; any answer will do.
const ANY_NAME: &str = "localhost";

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// What there is.
    pub way: Way,
    /// An address of the host; empty where none is known.
    pub address: Box<str>,
    /// The name server that answered; empty where none did.
    pub server: Box<str>,
}

/// Looks at the way that `guarded` tells of. The sources that are missing, if any.
pub(super) fn look(snapshot: &Snapshot, guarded: &Guarded) -> Result<Seen, Set<Box<str>>> {
    let mut waits = false;
    let mut tree = |key: &str| match snapshot.tree(key) {
        Ok(tree) => tree,
        Err(Stop::Wait) => {
            waits = true;
            None
        }
        // What cannot be read is not there.
        Err(Stop::Refused(_)) => None,
    };
    let interfaces = tree(INTERFACES).and_then(|dump| dump.get("interface")).map_or(&[][..], Tree::items);
    let routes = tree(ROUTES).map_or(&[][..], Tree::items);
    let neighbours = tree(NEIGHBOURS).map_or(&[][..], Tree::items);
    let network = interfaces.iter().find(|one| one.str("interface") == Some(&guarded.interface));

    let literal = guarded.host.parse::<IpAddr>().ok();
    let told = network.and_then(|network| network.get("dns-server")).map_or(&[][..], Tree::items);
    let told = told.iter().filter_map(Tree::as_str).take(MAX_SERVERS);
    let known = Some(&*guarded.server).filter(|server| !server.is_empty());
    let name = if literal.is_some() { ANY_NAME } else { &guarded.host };
    let (mut server, mut found) = ("", None);
    for one in known.into_iter().chain(told).collect::<Set<_>>() {
        if let Some(addresses) = tree(&format!("dns:{one} {name}")) {
            server = one;
            found = addresses.items().first().and_then(Tree::as_str).and_then(|it| it.parse().ok()).or(found);
        }
    }
    let target = literal.or_else(|| guarded.address.parse().ok()).or(found.filter(|_| literal.is_none()));
    let hop = best(routes, target);
    let link = match guarded.interface.is_empty() {
        true => hop.is_some(),
        false => network.is_some_and(|network| matches!(network.str("up"), Some("true" | "1"))),
    };
    let way =
        Way { link, gateway: hop.is_some_and(|hop| answers(neighbours, hop)), resolver: !server.is_empty() };
    let address = target.map(|target| target.to_string()).unwrap_or_default();
    let seen = Seen { way, address: address.into(), server: server.into() };
    if waits { Err(snapshot.take_wanted()) } else { Ok(seen) }
}

/// The route to a host, or the default one where no address is known: of those that fit the longest, then the cheapest.
fn best(routes: &[Tree], target: Option<IpAddr>) -> Option<&Tree> {
    let fitting = routes.iter().filter(|route| route.str("table") == Some("main")).filter_map(|route| {
        let length = match route.str("dst")? {
            // IPv6 routes alone have a preference.
            "default" => match target {
                Some(target) if target.is_ipv6() != route.get("pref").is_some() => return None,
                Some(_) | None => 0,
            },
            prefix => covered(prefix, target?)?,
        };
        let metric: u32 = route.str("metric").and_then(|metric| metric.parse().ok()).unwrap_or(0);
        Some((length, u32::MAX - metric, route))
    });
    let (.., route) = fitting.max_by_key(|(length, cheap, _)| (*length, *cheap))?;
    Some(route).filter(|route| route.str("type") == Some("unicast"))
}

/// The length of a prefix that an address lies in.
fn covered(prefix: &str, target: IpAddr) -> Option<u32> {
    let (network, length) = prefix.split_once('/').map_or((prefix, None), |(net, len)| (net, Some(len)));
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let network: IpAddr = network.parse().ok()?;
    let ((net, most), (host, of)) = (bits(network), bits(target));
    let length = length.map_or(Some(most), |length| length.parse().ok())?;
    let differing = (net ^ host).leading_zeros();
    (most == of && length <= most && differing >= length).then_some(length)
}

/// Whether the next hop of a route does not fail to answer. One that the kernel does not know of has not been tried, or
/// lies at the other end of a line that has two.
fn answers(neighbours: &[Tree], route: &Tree) -> bool {
    let via = route.get("via").and_then(|via| via.str("host"));
    let Some(hop) = route.str("gateway").or(via) else { return true };
    let known =
        neighbours.iter().find(|one| one.str("dst") == Some(hop) && one.str("dev") == route.str("dev"));
    let states = known.and_then(|one| one.get("state")).map_or(&[][..], Tree::items);
    !states.iter().any(|state| matches!(state.as_str(), Some("FAILED" | "INCOMPLETE")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::dm::source::Source;

    fn route(dst: &str, gateway: Option<&str>, metric: &str, kind: &str) -> Tree {
        let mut row = Tree::map(
            [("type", kind), ("dst", dst), ("dev", "eth1"), ("table", "main"), ("metric", metric)]
                .map(|(key, text)| (key, Tree::from(text))),
        );
        if let Some(gateway) = gateway {
            row.set("gateway", gateway.into());
        }
        row
    }

    fn snapshot(routes: Vec<Tree>, hop: &str, state: &str, up: &str, answered: bool) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let servers = Tree::List(vec!["192.0.2.53".into()]);
        let wan = Tree::map([("interface", "wan".into()), ("up", up.into()), ("dns-server", servers)]);
        snapshot.supply(INTERFACES, Source::ready(Tree::map([("interface", Tree::List(vec![wan]))])));
        snapshot.supply(ROUTES, Source::ready(Tree::List(routes)));
        let states = Tree::List(vec![state.into()]);
        let neighbour = Tree::map([("dst", hop.into()), ("dev", "eth1".into()), ("state", states)]);
        snapshot.supply(NEIGHBOURS, Source::ready(Tree::List(vec![neighbour])));
        let answer = Source::ready(Tree::List(vec!["203.0.113.5".into()]));
        snapshot.supply("dns:192.0.2.53 acs.example", if answered { answer } else { Source::Absent });
        snapshot
    }

    fn to(host: &str) -> Guarded {
        Guarded { interface: "wan".into(), host: host.into(), ..Guarded::default() }
    }

    #[test]
    fn the_next_hop_of_the_longest_route_is_the_one_that_must_answer() {
        let default = || route("default", Some("192.0.2.1"), "0", "unicast");
        for (routes, hop, state, answers) in [
            (vec![default()], "192.0.2.1", "REACHABLE", true),
            (vec![default()], "192.0.2.1", "STALE", true),
            (vec![default()], "192.0.2.1", "FAILED", false),
            (vec![default()], "192.0.2.1", "INCOMPLETE", false),
            (vec![default()], "192.0.2.9", "FAILED", true), // another one
            (vec![], "192.0.2.1", "REACHABLE", false),
            (
                vec![default(), route("203.0.113.0/24", Some("192.0.2.9"), "0", "unicast")],
                "192.0.2.9",
                "FAILED",
                false,
            ),
            (
                vec![default(), route("203.0.114.0/24", Some("192.0.2.9"), "0", "unicast")],
                "192.0.2.9",
                "FAILED",
                true,
            ),
            (vec![default(), route("203.0.113.5", None, "0", "blackhole")], "192.0.2.1", "REACHABLE", false),
            (vec![default(), route("203.0.112.0/22", None, "0", "unicast")], "192.0.2.1", "FAILED", true), // on the link
            (
                vec![default(), route("default", Some("192.0.2.9"), "10", "unicast")],
                "192.0.2.9",
                "FAILED",
                true,
            ),
        ] {
            let seen = look(&snapshot(routes.clone(), hop, state, "true", true), &to("acs.example")).unwrap();
            assert_eq!(seen.way.gateway, answers, "{routes:?} {hop} {state}");
            assert_eq!((&*seen.address, &*seen.server), ("203.0.113.5", "192.0.2.53"));
        }
    }

    #[test]
    fn each_part_of_the_way_is_seen_by_itself() {
        let routes = || vec![route("default", Some("192.0.2.1"), "0", "unicast")];
        for (up, answered, host, want) in [
            ("true", true, "acs.example", (true, true)),
            ("false", true, "acs.example", (false, true)),
            ("true", false, "acs.example", (true, false)),
        ] {
            let seen = look(&snapshot(routes(), "", "", up, answered), &to(host)).unwrap();
            assert_eq!((seen.way.link, seen.way.resolver), want, "{up} {answered}");
        }
        let gone = Guarded { interface: "wan2".into(), ..to("acs.example") };
        let seen = look(&snapshot(routes(), "", "", "true", true), &gone).unwrap();
        assert!(!seen.way.link && !seen.way.resolver);
    }

    #[test]
    fn what_is_missing_is_asked_for_name_servers_after_their_network() {
        let mut snapshot = Snapshot::default();
        let wanted = look(&snapshot, &to("192.0.2.80")).unwrap_err();
        assert_eq!(wanted, [INTERFACES, ROUTES, NEIGHBOURS].map(Box::from).into());
        for key in [ROUTES, NEIGHBOURS] {
            snapshot.supply(key, Source::Failed("no".into()));
        }
        let servers = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(Tree::from);
        let wan = Tree::map([("interface", "wan".into()), ("dns-server", Tree::List(servers.into()))]);
        snapshot.supply(INTERFACES, Source::ready(Tree::map([("interface", Tree::List(vec![wan]))])));
        let known = Guarded { server: "192.0.2.9".into(), ..to("192.0.2.80") };
        let wanted = look(&snapshot, &known).unwrap_err();
        let dns = ["dns:192.0.2.1 localhost", "dns:192.0.2.2 localhost", "dns:192.0.2.9 localhost"];
        assert_eq!(wanted, dns.map(Box::from).into());
        for key in dns {
            snapshot.supply(key, Source::Absent);
        }
        let seen = look(&snapshot, &known).unwrap();
        assert_eq!(seen, Seen { address: "192.0.2.80".into(), ..Seen::default() });
    }

    #[test]
    fn prefixes_cover_what_they_cover() {
        for (prefix, address, length) in [
            ("192.0.2.0/24", "192.0.2.7", Some(24)),
            ("192.0.2.7", "192.0.2.7", Some(32)),
            ("192.0.2.0/24", "192.0.3.7", None),
            ("2001:db8::/32", "2001:db8:1::1", Some(32)),
            ("2001:db8::/32", "192.0.2.1", None),
            ("192.0.2.0/99", "192.0.2.1", None),
            ("nonsense", "192.0.2.1", None),
            ("0.0.0.0/0", "192.0.2.1", Some(0)),
        ] {
            assert_eq!(covered(prefix, address.parse().unwrap()), length, "{prefix} {address}");
        }
    }
}
