//! The firewall's zones, protocols and lists as UCI writes them, for `Device.NAT.` and `Device.Firewall.`.
//!
//! TR-181 speaks of interfaces where firewall4 speaks of zones: an interface stands for the zone that holds its
//! network, a zone for its first network. Where a zone has several, a section keeps the one that was meant in an
//! option of its own (`cpe_…`), which firewall4 skips.

use crate::dm::edit::{Change, Edit};
use crate::dm::error::Refusal;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, View};
use crate::dm::write::Draft;

/// The firewall's package.
pub const FIREWALL: &str = "uci:firewall";
/// The table of IP interfaces.
pub const INTERFACES: &str = "Device.IP.Interface";

/// A zone.
pub struct Zone<'s> {
    /// Its section.
    pub section: &'s str,
    /// The section's tree.
    pub tree: &'s Tree,
    /// Its name, which other sections use.
    pub name: &'s str,
    /// Its networks.
    pub networks: Vec<&'s str>,
}

impl Zone<'_> {
    /// Whether it translates addresses.
    pub fn masquerades(&self) -> bool {
        self.tree.str("masq").is_some_and(is_true)
    }
}

/// Every zone, in file order.
pub fn zones<'s>(view: &View<'s>) -> Result<Vec<Zone<'s>>, Stop> {
    let sections = view.sections(FIREWALL, "zone")?;
    let zone = |(section, tree): (&'s str, &'s Tree)| {
        Some(Zone { section, tree, name: tree.str("name")?, networks: words(tree.get("network")) })
    };
    Ok(sections.into_iter().filter_map(zone).collect())
}

/// The zone of a name.
pub fn zone<'s>(view: &View<'s>, name: &str) -> Result<Option<Zone<'s>>, Stop> {
    Ok(zones(view)?.into_iter().find(|zone| zone.name == name))
}

/// Whether one of the networks is up; false where netifd does not answer.
pub fn is_up(view: &View<'_>, networks: &[&str]) -> Result<bool, Stop> {
    let dump = view.tree("ubus:network.interface dump")?.and_then(|dump| dump.get("interface"));
    let up = |interface: &Tree| {
        interface.str("up") == Some("true")
            && interface.str("interface").is_some_and(|name| networks.contains(&name))
    };
    Ok(dump.is_some_and(|interfaces| interfaces.items().iter().any(up)))
}

/// The path of the interface that a zone in an option stands for; empty for no zone and for `*`.
///
/// `kept` is the option with the network that was meant where the zone has several.
pub fn interface(at: &At<'_, '_>, option: &str, kept: &str) -> Result<String, Stop> {
    let Some(name) = at.opt(option).filter(|name| *name != "*") else { return Ok(String::new()) };
    let Some(zone) = zone(at.view, name)? else { return Ok(String::new()) };
    let meant = at.opt(kept).filter(|meant| zone.networks.contains(meant));
    for network in meant.into_iter().chain(zone.networks.iter().copied()) {
        if let Some(path) = at.view.path_of(INTERFACES, network)? {
            return Ok(path);
        }
    }
    Ok(String::new())
}

/// Makes an option name the zone of the interface at `path`, and nothing for an empty path.
///
/// Refuses an interface that is in no zone.
pub fn set_interface(
    at: &At<'_, '_>,
    (section, option, kept): (&str, &str, &str),
    path: &str,
    draft: &mut Draft,
) -> Result<(), Stop> {
    if path.is_empty() {
        draft.set(FIREWALL, section, kept, None)?;
        return draft.set(FIREWALL, section, option, None);
    }
    let row = at.referred(INTERFACES, path)?;
    let path = row.path.trim_end_matches('.');
    for zone in zones(at.view)? {
        let mut first = true;
        for network in &zone.networks {
            if at.view.path_of(INTERFACES, network)?.as_deref() == Some(path) {
                draft.set_text(FIREWALL, section, option, zone.name)?;
                return draft.set_text(FIREWALL, section, kept, if first { "" } else { network });
            }
            first &= at.view.path_of(INTERFACES, network)?.is_none();
        }
    }
    Err(Refusal::OutOfRange { allowed: "an interface in a zone of the firewall".into() }.into())
}

/// Whether a word is one of firewall4's for true.
pub fn is_true(word: &str) -> bool {
    matches!(word, "1" | "on" | "true" | "yes")
}

/// The items of a list, or the words of a text.
pub fn words(tree: Option<&Tree>) -> Vec<&str> {
    match tree {
        Some(Tree::List(items)) => items.iter().filter_map(Tree::as_str).collect(),
        Some(Tree::Text(text)) => text.split_whitespace().collect(),
        Some(Tree::Map(_)) | None => Vec::new(),
    }
}

/// Writes words in the form found: a list stays one; what was not there becomes a text if it is one word.
pub fn set_words(section: &str, option: &str, words: &[String], draft: &mut Draft) -> Result<(), Stop> {
    let old =
        draft.tree(FIREWALL)?.and_then(|package| package.get(section)).and_then(|tree| tree.get(option));
    let listed = matches!(old, Some(Tree::List(_))) || (old.is_none() && words.len() > 1);
    let new = match (words, listed) {
        ([], _) => None,
        (words, true) => Some(Tree::List(words.iter().map(|word| Tree::from(word.as_str())).collect())),
        (words, false) => Some(Tree::from(words.join(" "))),
    };
    draft.set(FIREWALL, section, option, new)
}

/// Every protocol, as the standard's number for it.
pub const ALL: i32 = -1;
/// TCP.
pub const TCP: i32 = 6;
/// UDP.
pub const UDP: i32 = 17;

/// Names of protocols; where a number has two, the one that is written comes first.
const PROTOCOLS: &[(&str, i32)] = &[
    ("all", ALL),
    ("any", ALL),
    ("*", ALL),
    ("icmp", 1),
    ("igmp", 2),
    ("tcp", TCP),
    ("udp", UDP),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmpv6", 58),
    ("ipv6-icmp", 58),
    ("sctp", 132),
    ("udplite", 136),
];

/// The protocols of a rule or redirect, by number; without the option firewall4 takes TCP and UDP.
///
/// `icmp` in a section for IPv6 is ICMPv6. A name that is not known is left out.
pub fn protocols(section: &Tree) -> Vec<i32> {
    let mut out = Vec::new();
    let names = words(section.get("proto"));
    for name in if names.is_empty() { vec!["tcpudp"] } else { names } {
        match name.to_ascii_lowercase().as_str() {
            "tcpudp" => out.extend([TCP, UDP]),
            "icmp" if is_ipv6(section) => out.push(58),
            "0" => out.push(ALL),
            name => {
                let known = PROTOCOLS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
                out.extend(known.or_else(|| name.parse().ok().filter(|number| (1..=255).contains(number))));
            }
        }
    }
    out.sort_unstable();
    out.dedup();
    if out.contains(&ALL) { vec![ALL] } else { out }
}

/// How a protocol is written.
pub fn protocol_name(number: i32) -> String {
    let name = PROTOCOLS.iter().find(|(_, known)| *known == number).map(|(name, _)| (*name).to_string());
    name.unwrap_or_else(|| number.to_string())
}

/// Whether a section is for IPv6 only.
pub fn is_ipv6(section: &Tree) -> bool {
    section.str("family").is_some_and(|family| matches!(family, "ipv6" | "6"))
}

/// The section of the row, or the refusal of a row that only shows what a daemon made.
pub fn section<'a>(at: &At<'a, '_>) -> Result<&'a str, Stop> {
    let bound = at.row.and_then(|row| row.section.as_ref());
    bound.map(|bound| bound.name).ok_or(Stop::Refused(Refusal::NotWritable))
}

/// Moves a section right behind another.
pub fn move_behind(section: &str, other: &str, draft: &mut Draft) -> Result<(), Stop> {
    let entries = draft.tree(FIREWALL)?.map_or(&[][..], Tree::entries);
    let place = |name: &str| entries.iter().position(|(known, _)| &**known == name);
    let (Some(from), Some(behind)) = (place(section), place(other)) else { return Ok(()) };
    let to = if from < behind { behind } else { behind + 1 };
    move_to(section, from, to, draft)
}

/// Moves a section from a place among all sections to another, counted without it.
pub fn move_to(section: &str, from: usize, to: usize, draft: &mut Draft) -> Result<(), Stop> {
    if from == to {
        return Ok(());
    }
    draft.edit(Edit { source: FIREWALL.into(), section: section.into(), change: Change::Move { from, to } })
}

/// The content that identifies an anonymous section: its type and the options that tell it from others.
pub fn content(section: &Tree, options: &[&str]) -> String {
    let mut key = section.str(".type").unwrap_or_default().to_string();
    for option in options {
        key.push(' ');
        key.push_str(&words(section.get(option)).join(","));
    }
    key
}

/// Adds to a row of a computed table that it stands for a section.
pub fn bind<'a>(name: &str, fields: impl IntoIterator<Item = (&'a str, String)>) -> Tree {
    let own = [(".source", FIREWALL.to_string()), (".section", name.to_string())];
    Tree::map(own.into_iter().chain(fields).map(|(field, text)| (field, Tree::from(text))))
}
