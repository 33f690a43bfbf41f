//! Addresses and prefixes as items of lists in `network`: what their lines write. Rows: [`super::super::addresses`].

use super::super::layers::net::{NETWORK, words};
use super::super::net::{prefix_length, refit};
use super::{at_field, refused, text};
use crate::dm::draft::Draft;
use crate::dm::error::Refusal;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::At;

/// The table of prefixes.
const PREFIX: &str = "Device.IP.Interface.{i}.IPv6Prefix";
/// What a static address without a prefix is of.
const HOST_LENGTH: &str = "64";

/// The section of the interface above an address or a prefix, if it takes configured ones.
fn owner<'s>(at: &At<'_, 's>) -> Result<(&'s str, &'s Tree), Stop> {
    let bound = at.up(1).and_then(|row| row.section.as_ref());
    let bound = bound.ok_or(Stop::Refused(Refusal::Backend("the interface has no section".into())))?;
    let proto = bound.tree.str("proto").unwrap_or("none");
    let proto = if proto == "none" { bound.tree.str("cpe_proto").unwrap_or("static") } else { proto };
    if proto != "static" {
        return refused("addresses of one's own only where the interface is static");
    }
    Ok((bound.name, bound.tree))
}

/// The option and the item that the row at `at` is, if it is configured.
fn item<'s>(at: &At<'_, 's>) -> Result<(&'s str, &'s str), Stop> {
    match (at.field("option"), at.field("item")) {
        (Some(option), Some(item)) => Ok((option, item)),
        (_, _) => refused("what it is: the network gave it"),
    }
}

/// Puts another item in the place of the row's.
fn swap(at: &At<'_, '_>, new: &str, draft: &mut Draft) -> Result<(), Stop> {
    let ((section, tree), (option, old)) = (owner(at)?, item(at)?);
    let mut items = words(tree, option);
    for item in items.iter_mut().filter(|item| **item == old) {
        *item = new;
    }
    draft.set(NETWORK, section, option, refit(tree.get(option), &items))
}

fn add(at: &At<'_, '_>, option: &str, new: &str, draft: &mut Draft) -> Result<(), Stop> {
    let (section, tree) = owner(at)?;
    let mut items = words(tree, option);
    let address = |item: &str| item.split('/').next().map(str::to_string);
    if option != "ip6prefix" && items.iter().any(|item| address(item) == address(new)) || items.contains(&new)
    {
        return Err(Refusal::Duplicate(format!("{new} is there already")).into());
    }
    items.push(new);
    draft.set(NETWORK, section, option, refit(tree.get(option), &items))
}

/// Takes a configured address or prefix away.
pub fn delete_address(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let ((option, old), (section, tree)) = (item(at)?, owner(at)?);
    let mut items = words(tree, option);
    items.retain(|item| *item != old);
    draft.set(NETWORK, section, option, refit(tree.get(option), &items))
}

fn length(mask: &str) -> Result<String, Stop> {
    match prefix_length(mask) {
        Some(length) => Ok(length.to_string()),
        None => refused("a mask without holes"),
    }
}

/// Configures the address that the waiting row has.
pub fn add_ipv4(at: &At<'_, '_>, _number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let new = format!("{}/{}", at_field(at, "IPAddress"), length(at_field(at, "SubnetMask"))?);
    add(at, "ipaddr", &new, draft)
}

/// Changes a configured address; its mask stays, in the form found.
pub fn set_ipv4(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("address") == Some(value) {
        return Ok(());
    }
    if value.is_empty() {
        return refused("an address");
    }
    let (_, old) = item(at)?;
    let new = match old.split_once('/') {
        Some((_, length)) => format!("{value}/{length}"),
        None => value.to_string(),
    };
    swap(at, &new, draft)?;
    draft.rebind(at, value)
}

/// Changes the mask of a configured address, in the form found; beside others it gets one of its own.
pub fn set_mask(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let wanted = length(value)?;
    let now = at.field("length").unwrap_or_default();
    if now == wanted || now == value {
        return Ok(());
    }
    let (option, old) = item(at)?;
    let (section, tree) = owner(at)?;
    match old.split_once('/') {
        None if words(tree, option).len() == 1 => draft.set_text(NETWORK, section, "netmask", value),
        Some((address, _)) => swap(at, &format!("{address}/{wanted}"), draft),
        None => swap(at, &format!("{old}/{wanted}"), draft),
    }
}

/// Configures the address that the waiting row has, with the length of the prefix that it names.
pub fn add_ipv6(at: &At<'_, '_>, _number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let length = match at.field("Prefix").filter(|path| !path.is_empty()) {
        Some(path) => prefix_of(at, path)?,
        None => HOST_LENGTH.to_string(),
    };
    add(at, "ip6addr", &format!("{}/{length}", at_field(at, "IPAddress")), draft)
}

/// The length of a prefix row.
fn prefix_of(at: &At<'_, '_>, path: &str) -> Result<String, Stop> {
    let row = at.referred(PREFIX, path)?;
    let text = row.item.str("address").or(row.item.str("Prefix")).unwrap_or_default();
    Ok(text.split_once('/').map_or(HOST_LENGTH, |(_, length)| length).to_string())
}

/// Changes a configured address; its length stays.
pub fn set_ipv6(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("address") == Some(value) {
        return Ok(());
    }
    if value.is_empty() {
        return refused("an address");
    }
    let (_, old) = item(at)?;
    let length = old.split_once('/').map_or("128", |(_, length)| length);
    swap(at, &format!("{value}/{length}"), draft)?;
    draft.rebind(at, value)
}

/// Gives a configured address the length of a prefix that contains it.
pub fn set_prefix_of(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let now = match at.field("prefix") {
        Some(name) => at.view.path_of(PREFIX, name)?.unwrap_or_default(),
        None => String::new(),
    };
    if now == value {
        return Ok(());
    }
    let (_, old) = item(at)?;
    let address = old.split('/').next().unwrap_or_default();
    let length = prefix_of(at, value)?;
    swap(at, &format!("{address}/{length}"), draft)
}

/// Configures the prefix that the waiting row has.
pub fn add_prefix(at: &At<'_, '_>, _number: u32, draft: &mut Draft) -> Result<(), Stop> {
    add(at, "ip6prefix", at_field(at, "Prefix"), draft)
}

/// Changes a configured prefix.
pub fn set_prefix(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("address") == Some(value) {
        return Ok(());
    }
    if value.is_empty() {
        return refused("a prefix");
    }
    swap(at, value, draft)?;
    draft.rebind(at, value)
}

/// The bits below the parent prefix that the configuration asks for (`0:0:0:4::/62`); empty if netifd chooses.
pub fn child_bits<'s>(at: &At<'_, 's>) -> Value<'s> {
    let section = at.up(1).and_then(|row| row.section.as_ref()).map(|bound| bound.tree);
    let asked = |option: &str| section.and_then(|section| section.str(option));
    let child = at.field("origin") == Some("Child");
    match (asked("ip6hint"), asked("ip6assign")) {
        (Some(hint), Some(length)) if child => match u64::from_str_radix(hint, 16) {
            Ok(hint) => text(format!("{}/{length}", std::net::Ipv6Addr::from(u128::from(hint) << 64))),
            Err(_) => Ok(None),
        },
        (_, _) => Ok(None),
    }
}

/// Asks netifd for these bits below the parent prefix.
pub fn set_child_bits(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if child_bits(at)?.as_deref().unwrap_or_default() == value {
        return Ok(());
    }
    let bound = at.up(1).and_then(|row| row.section.as_ref());
    let (Some("Child"), Some(bound)) = (at.field("origin"), bound) else {
        return refused("nothing: the prefix has no parent");
    };
    let Some((bits, length)) = value.split_once('/') else {
        return draft.set_text(NETWORK, bound.name, "ip6hint", "");
    };
    let bits = bits.parse::<std::net::Ipv6Addr>().map(u128::from).unwrap_or_default();
    if bits & u128::from(u64::MAX) != 0 || length.parse::<u8>().map_or(true, |length| length > 64) {
        return refused("bits of the first 64");
    }
    draft.set_text(NETWORK, bound.name, "ip6assign", length)?;
    draft.set_text(NETWORK, bound.name, "ip6hint", &format!("{:x}", bits >> 64))
}
