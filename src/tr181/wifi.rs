//! Device.WiFi.: what its lines cannot say, and the trees that tell which netdev belongs to which section.
//!
//! Radios are in `radio` and `channel`, SSIDs, access points and end points in `bss`, keys and modes in `security`, stations in
//! `station`. Nothing here fetches: hostapd's objects vanish at each reload, and what needs them is absent then.

mod bss;
mod channel;
mod htmode;
mod radio;
mod security;
mod station;
mod wps;

pub use bss::*;
pub use channel::*;
pub use radio::*;
pub use security::*;
pub use station::*;
pub use wps::*;

use channel::{band_of, bands_of};
use security::{lacks_credentials, mode_of};

use crate::dm::error::Refusal;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, View};
use crate::dm::write::Draft;
use std::borrow::Cow;

/// The package that holds what is wanted.
const PACKAGE: &str = "uci:wireless";
/// netifd's view of the radios and their interfaces.
const STATUS: &str = "ubus:network.wireless status";

/// Tree `wifi`: by section, the netdevs that run. Of a radio `.ap` (its first access point), `.netdevs` and
/// `.upstream` (one of its interfaces is a client); of an interface `.ifname`. What does not run has no entry.
pub fn netdevs(view: &View<'_>) -> Result<Tree, Stop> {
    let mut sections: Vec<(Box<str>, Tree)> = Vec::new();
    for (name, _) in view.sections(PACKAGE, "wifi-device")? {
        let (mut running, mut ap) = (Vec::new(), None);
        for interface in interfaces(view, name)? {
            let Some(ifname) = interface.str("ifname") else { continue };
            let mode = interface.get("config").and_then(|config| config.str("mode"));
            if ap.is_none() && mode.unwrap_or("ap") == "ap" {
                ap = Some(ifname);
            }
            running.push(Tree::from(ifname));
            if let Some(section) = interface.str("section") {
                sections.push((section.into(), Tree::map([("ifname", Tree::from(ifname))])));
            }
        }
        let mut radio = vec![("netdevs", Tree::List(running))];
        radio.extend(ap.map(|ap| ("ap", Tree::from(ap))));
        let client = view.sections(PACKAGE, "wifi-iface")?.into_iter().any(|(_, section)| {
            section.str("mode") == Some("sta") && words(section.get("device")).contains(&name)
        });
        radio.push(("upstream", Tree::from(if client { "true" } else { "false" })));
        sections.push((name.into(), Tree::map(radio)));
    }
    Ok(Tree::map(sections))
}

/// Tree `wifi_profiles`: of each client interface the one profile, which is the section itself.
pub fn profiles(view: &View<'_>) -> Result<Tree, Stop> {
    let sections = view.sections(PACKAGE, "wifi-iface")?;
    let clients = sections.into_iter().filter(|(_, section)| section.str("mode") == Some("sta"));
    Ok(Tree::map(clients.map(|(name, _)| {
        let row = Tree::map([(".source", Tree::from(PACKAGE)), (".section", Tree::from(name))]);
        (name, Tree::map([(name, row)]))
    })))
}

/// Tree `wifi_counters`: the kernel's counters of each radio, the sum of its netdevs', as `.rx.bytes` and so on.
pub fn counters(view: &View<'_>) -> Result<Tree, Stop> {
    let links = view.tree("nl:link")?.map_or(&[][..], Tree::items);
    let mut radios: Vec<(&str, Tree)> = Vec::new();
    for (name, _) in view.sections(PACKAGE, "wifi-device")? {
        let mut own = Vec::new();
        for interface in interfaces(view, name)? {
            let link = links.iter().find(|link| link.str("ifname") == interface.str("ifname"));
            own.extend(link.and_then(|link| link.get("stats64")));
        }
        let sum = |way: &str| {
            Tree::map(["bytes", "packets", "errors", "dropped"].map(|kind| {
                let values = own.iter().filter_map(|stats| stats.get(way)?.str(kind)?.parse::<u64>().ok());
                (kind, Tree::from(values.fold(0u64, u64::wrapping_add).to_string()))
            }))
        };
        radios.push((name, Tree::map([("rx", sum("rx")), ("tx", sum("tx"))])));
    }
    Ok(Tree::map(radios))
}

/// Tree `hostapd`: what hostapd was built with, each word as `true`.
pub fn built_with(view: &View<'_>) -> Result<Tree, Stop> {
    let words = view.tree("sys:facts")?.and_then(|facts| facts.get("hostapd_features"));
    let words = words.map_or(&[][..], Tree::items).iter().filter_map(Tree::as_str);
    Ok(Tree::map(words.map(|word| (word, Tree::from("true")))))
}

/// netifd's interfaces of a radio: those that are configured and, with an `ifname`, running.
fn interfaces<'s>(view: &View<'s>, radio: &str) -> Result<&'s [Tree], Stop> {
    let status = view.tree(STATUS)?.and_then(|status| status.get(radio));
    Ok(status.and_then(|status| status.get("interfaces")).map_or(&[], Tree::items))
}

/// A word of netifd's: anything but `1 true 0 false` is an absent option.
fn yes(text: Option<&str>, otherwise: bool) -> bool {
    match text {
        Some("1" | "true") => true,
        Some("0" | "false") => false,
        _ => otherwise,
    }
}

/// The items of a list, or the words of a text.
fn words(tree: Option<&Tree>) -> Vec<&str> {
    match tree {
        Some(Tree::Text(text)) => text.split_whitespace().collect(),
        Some(Tree::List(items)) => items.iter().filter_map(Tree::as_str).collect(),
        Some(Tree::Map(_)) | None => Vec::new(),
    }
}

/// The words of an option of the row's section.
fn list<'s>(at: &At<'_, 's>, option: &str) -> Vec<&'s str> {
    words(at.row.and_then(|row| row.section.as_ref()).and_then(|bound| bound.tree.get(option)))
}

/// The name of the row's section.
fn section<'s>(at: &At<'_, 's>) -> Result<&'s str, Stop> {
    Ok(at.bound()?.name)
}

/// Whether there are changes that the Wi-Fi daemons have not taken up, so that what is stored goes before what runs.
fn changed(at: &At<'_, '_>) -> bool {
    at.view.snapshot.is_unapplied(PACKAGE)
}

/// Whether hostapd was built with a feature.
fn can(at: &At<'_, '_>, feature: &str) -> Result<bool, Stop> {
    Ok(at.tree("derived:hostapd")?.is_some_and(|words| words.get(feature).is_some()))
}

/// What runs of a section: a field of the tree `wifi`.
fn running<'s>(at: &At<'_, 's>, section: &str, field: &str) -> Result<Option<&'s str>, Stop> {
    Ok(at.tree("derived:wifi")?.and_then(|sections| sections.get(section)?.str(field)))
}

/// Makes an option of the row's section a text, or takes it away.
fn put(at: &At<'_, '_>, draft: &mut Draft, option: &str, text: Option<&str>) -> Result<(), Stop> {
    let bound = at.bound()?;
    draft.set(&bound.source, bound.name, option, text.map(Tree::from))
}

/// Makes an option of the row's section a list in the form found, or takes it away.
fn put_list(at: &At<'_, '_>, draft: &mut Draft, option: &str, items: &[&str]) -> Result<(), Stop> {
    let bound = at.bound()?;
    let new = match bound.tree.get(option) {
        _ if items.is_empty() => None,
        Some(Tree::Text(_)) => Some(Tree::from(items.join(" "))),
        Some(Tree::List(_) | Tree::Map(_)) | None => {
            Some(Tree::List(items.iter().copied().map(Tree::from).collect()))
        }
    };
    draft.set(&bound.source, bound.name, option, new)
}

fn refused(allowed: impl Into<String>) -> Stop {
    Refusal::OutOfRange { allowed: allowed.into() }.into()
}

fn text<'s>(text: impl Into<Cow<'s, str>>) -> Value<'s> {
    Ok(Some(text.into()))
}

fn truth<'s>(yes: bool) -> Value<'s> {
    text(if yes { "true" } else { "false" })
}

/// TR-181's word for the channel width in an `htmode`.
pub fn width_of(mode: &str) -> Option<&'static str> {
    htmode::width_word(htmode::Mode::read(Some(mode)).width)
}

/// `Name`: the section's; an anonymous section shows its alias, because what UCI calls it moves.
pub fn section_name<'s>(at: &At<'_, 's>) -> Value<'s> {
    let Some(row) = at.row else { return Ok(None) };
    let bound = at.bound()?;
    if bound.tree.get(".anonymous").is_some() {
        return text(at.view.alias(row)?);
    }
    text(bound.name)
}

/// For what can be written but has one value here: the check that follows refuses every other.
pub fn set_as_it_is(_at: &At<'_, '_>, _value: &str, _draft: &mut Draft) -> Result<(), Stop> {
    Ok(())
}

/// Writes a number within `range`; `none` stands for the absent option.
fn set_number(
    at: &At<'_, '_>,
    value: &str,
    draft: &mut Draft,
    (option, range, none): (&str, std::ops::RangeInclusive<u32>, &str),
) -> Result<(), Stop> {
    if !value.parse().is_ok_and(|number| range.contains(&number)) {
        return Err(refused(format!("{} to {}", range.start(), range.end())));
    }
    let same = at.opt(option).is_none() && value == none;
    if same { Ok(()) } else { put(at, draft, option, Some(value)) }
}
