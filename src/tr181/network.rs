//! What several families ask of networks and services: netifd's state, addresses of UCI, lists, what is installed.
//!
//! Pure reads of sources; it maps no object. Driven by the families of this folder.

use crate::dm::error::Refusal;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::View;
use std::net::Ipv4Addr;

/// The key of netifd's state of all networks.
pub const DUMP: &str = "ubus:network.interface dump";

/// netifd's entry of every network; none where netifd does not answer now.
pub fn states<'s>(view: &View<'s>) -> Result<&'s [Tree], Stop> {
    Ok(view.tree(DUMP)?.and_then(|dump| dump.get("interface")).map_or(&[], Tree::items))
}

/// netifd's entry of one network; nothing for a disabled one.
pub fn state<'s>(view: &View<'s>, name: &str) -> Result<Option<&'s Tree>, Stop> {
    Ok(states(view)?.iter().find(|state| state.str("interface") == Some(name)))
}

/// Whether netifd has the network up.
pub fn is_up(state: &Tree) -> bool {
    state.str("up") == Some("true")
}

/// The network of UCI that uses a layer 3 device; one that a person configured goes before a dynamic one.
pub fn by_device<'s>(view: &View<'s>, device: &str) -> Result<Option<&'s Tree>, Stop> {
    let mut users = states(view)?.iter().filter(|state| state.str("l3_device") == Some(device));
    let first = users.next();
    if first.is_some_and(|state| state.str("dynamic") == Some("true")) {
        return Ok(users.find(|state| state.str("dynamic") != Some("true")).or(first));
    }
    Ok(first)
}

/// Whether a change of `source` waits for its daemons, so that what is stored goes before what runs.
pub fn unapplied(view: &View<'_>, source: &str) -> bool {
    view.snapshot.is_unapplied(source)
}

/// What the first boot wrote down of the board. A file that cannot be read says no more than none: it is never written again,
/// and nobody could manage a router that waits for it.
///
/// Source: OpenWrt's `board_detect`, which writes the file only where there is none or an empty one.
pub fn board_file<'s>(view: &View<'s>) -> Result<Option<&'s Tree>, Stop> {
    match view.tree("json:/etc/board.json") {
        Err(Stop::Refused(_)) => Ok(None),
        read => read,
    }
}

/// The section of a package.
pub fn section<'s>(view: &View<'s>, source: &str, name: &str) -> Result<Option<&'s Tree>, Stop> {
    Ok(view.tree(source)?.and_then(|package| package.get(name)))
}

/// A boolean as netifd and odhcpd read it: any other word is as if the option were absent.
pub fn flag(text: Option<&str>) -> Option<bool> {
    match text {
        Some("1" | "true") => Some(true),
        Some("0" | "false") => Some(false),
        Some(_) | None => None,
    }
}

/// The words of an option: a list's items, each split at blanks, or the words of one text.
pub fn words(option: Option<&Tree>) -> Vec<&str> {
    match option {
        Some(Tree::Text(text)) => text.split_whitespace().collect(),
        Some(Tree::List(items)) => {
            items.iter().filter_map(Tree::as_str).flat_map(str::split_whitespace).collect()
        }
        Some(Tree::Map(_)) | None => Vec::new(),
    }
}

/// The items of an option whose list items may hold blanks: a list's items whole, or the words of one text.
pub fn items(option: Option<&Tree>) -> Vec<&str> {
    match option {
        Some(Tree::Text(text)) => text.split_whitespace().collect(),
        Some(Tree::List(items)) => items.iter().filter_map(Tree::as_str).collect(),
        Some(Tree::Map(_)) | None => Vec::new(),
    }
}

/// Words in the form that was found: one text stays one text, all else is a list; nothing for no words.
pub fn refit(old: Option<&Tree>, words: &[String]) -> Option<Tree> {
    match old {
        _ if words.is_empty() => None,
        Some(Tree::Text(_)) => Some(Tree::from(words.join(" "))),
        Some(Tree::List(_) | Tree::Map(_)) | None => {
            Some(Tree::List(words.iter().map(|word| Tree::from(word.as_str())).collect()))
        }
    }
}

/// An IPv4 network as an address in it and the length of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// The router's own address.
    pub address: Ipv4Addr,
    /// Bits of the prefix, 0 to 32.
    pub length: u32,
}

impl Subnet {
    /// `a.b.c.d/n`, or an address and a mask; a bare address is a host.
    pub fn parse(address: &str, mask: Option<&str>) -> Option<Subnet> {
        let (address, length) = match address.split_once('/') {
            Some((address, length)) => (address, prefix_length(length)?),
            None => (address, mask.map_or(Some(32), prefix_length)?),
        };
        Some(Subnet { address: address.parse().ok()?, length })
    }

    /// The mask's bits.
    pub fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - self.length.min(32)).unwrap_or(0)
    }

    /// The first address.
    pub fn base(self) -> u32 {
        u32::from(self.address) & self.mask()
    }

    /// The last address.
    pub fn last(self) -> u32 {
        self.base() | !self.mask()
    }

    /// Whether an address lies in it.
    pub fn holds(self, address: Ipv4Addr) -> bool {
        u32::from(address) & self.mask() == self.base()
    }
}

/// A prefix length from a number or a dotted mask without holes.
pub fn prefix_length(text: &str) -> Option<u32> {
    if text.contains('.') {
        let bits = u32::from(text.parse::<Ipv4Addr>().ok()?);
        return (bits.leading_ones() + bits.trailing_zeros() >= 32).then(|| bits.leading_ones());
    }
    text.parse().ok().filter(|length| *length <= 32)
}

/// A prefix length as a dotted mask.
pub fn dotted(length: u32) -> String {
    Ipv4Addr::from(Subnet { address: Ipv4Addr::UNSPECIFIED, length }.mask()).to_string()
}

/// The first IPv4 network of a network section: what UCI says, else what netifd learnt.
pub fn subnet(view: &View<'_>, name: &str) -> Result<Option<Subnet>, Stop> {
    let Some(section) = section(view, "uci:network", name)? else { return Ok(None) };
    if section.str("proto") == Some("static") {
        let found = words(section.get("ipaddr"));
        return Ok(found.first().and_then(|address| Subnet::parse(address, section.str("netmask"))));
    }
    let learnt = state(view, name)?.and_then(|state| state.get("ipv4-address")?.items().first());
    Ok(learnt.and_then(|address| Subnet::parse(address.str("address")?, address.str("mask"))))
}

/// Whether the procd service `name` has a running instance.
pub fn running(view: &View<'_>, name: &str) -> Result<bool, Stop> {
    let instances = view.tree("ubus:service list")?.and_then(|services| services.get(name)?.get("instances"));
    let instances = instances.map_or(&[][..], Tree::entries);
    Ok(instances.iter().any(|(_, instance)| instance.str("running") == Some("true")))
}

/// Programs of services: the program's file and the packages it comes in.
const PROGRAMS: &[(&str, &str, &[&str])] = &[
    ("dnsmasq", "/usr/sbin/dnsmasq", &["dnsmasq", "dnsmasq-full", "dnsmasq-dhcpv6"]),
    ("odhcpd", "/usr/sbin/odhcpd", &["odhcpd", "odhcpd-ipv6only"]),
    ("odhcp6c", "/usr/sbin/odhcp6c", &["odhcp6c"]),
];

/// For `tree services`: a map with `1` for each installed service of those the families here ask for, and for `dhcpv6`
/// where one of them speaks it.
///
/// Installed is what has its program's file or stands in the package database. Whether it runs plays no part.
pub fn services(view: &View<'_>) -> Result<Tree, Stop> {
    let mut found = Tree::Map(Vec::new());
    let mut wait = false;
    for (name, file, packages) in PROGRAMS {
        match installed(view, file, packages) {
            Ok(true) => found.set(name, "1".into()),
            Ok(false) => {}
            Err(Stop::Wait) => wait = true,
            Err(stop) => return Err(stop),
        }
    }
    if found.get("odhcp6c").or(found.get("odhcpd")).is_some() {
        found.set("dhcpv6", "1".into());
    }
    if wait { Err(Stop::Wait) } else { Ok(found) }
}

fn installed(view: &View<'_>, file: &str, packages: &[&str]) -> Result<bool, Stop> {
    if view.tree(&format!("stat:{file}"))?.is_some() {
        return Ok(true);
    }
    for (database, mark) in [("file:/lib/apk/db/installed", "P:"), ("file:/usr/lib/opkg/status", "Package: ")]
    {
        let text = match view.tree(database) {
            Ok(text) => text.and_then(Tree::as_str).unwrap_or_default(),
            Err(Stop::Wait) => return Err(Stop::Wait),
            // A database that cannot be read says nothing; the file's absence decides.
            Err(Stop::Refused(_)) => "",
        };
        let named = |line: &str| line.strip_prefix(mark).is_some_and(|name| packages.contains(&name));
        if text.lines().any(named) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The refusal of a value that the router cannot hold, with what it could.
pub fn unfit(allowed: &str) -> Stop {
    Refusal::OutOfRange { allowed: allowed.to_string() }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_is_read_from_a_prefix_or_from_an_address_and_a_mask() {
        for (address, mask, want) in [
            ("10.64.1.1/23", None, Some((0x0a40_0000, 0x0a40_01ff))),
            ("172.22.0.1", Some("255.255.255.0"), Some((0xac16_0000, 0xac16_00ff))),
            ("10.0.0.1", None, Some((0x0a00_0001, 0x0a00_0001))),
            ("10.0.0.1/33", None, None),
            ("10.0.0.1", Some("255.0.255.0"), None),
            ("x", None, None),
        ] {
            let got = Subnet::parse(address, mask).map(|net| (net.base(), net.last()));
            assert_eq!(got, want, "{address} {mask:?}");
        }
    }

    #[test]
    fn only_one_true_zero_and_false_are_booleans_to_netifd() {
        for (text, want) in [
            (Some("1"), Some(true)),
            (Some("true"), Some(true)),
            (Some("0"), Some(false)),
            (Some("false"), Some(false)),
            (Some("yes"), None),
            (None, None),
        ] {
            assert_eq!(flag(text), want, "{text:?}");
        }
    }

    #[test]
    fn words_keep_the_form_they_were_found_in() {
        let new = ["a".to_string(), "b".to_string()];
        assert_eq!(refit(Some(&"x y".into()), &new), Some("a b".into()));
        assert_eq!(refit(None, &new), Some(Tree::List(vec!["a".into(), "b".into()])));
        assert_eq!(refit(None, &[]), None);
    }
}
