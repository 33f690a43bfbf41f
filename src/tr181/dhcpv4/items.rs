//! What lies in a DHCPv4 pool: the options it sends beside its parameters, and the addresses it keeps for devices.

use super::options;
use super::server::{DHCP, all, home};
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, Bound};
use crate::dm::write::Draft;
use crate::tr181::network::{self, unfit};
use crate::tr181::optionlist::{self, Item, Kind};
use std::borrow::Cow;
use std::net::Ipv4Addr;

/// Options that are parameters of the pool and no rows of its option table.
const OWN: &[u8] = &[1, 3, 6, 15, 44, 51];

const OPTIONS: Kind = Kind { load, store };

/// The options of a section by tag, those that are switched off last.
pub(super) fn load(section: &Tree) -> Vec<Item> {
    let mut items = Vec::new();
    for (option, on) in [("dhcp_option", true), ("cpe_dhcp_option", false)] {
        for text in network::items(section.get(option)) {
            let known = options::split(text).filter(|(tag, _)| !OWN.contains(tag));
            let known = known.and_then(|(tag, value)| Some((tag, options::decode(tag, value)?)));
            items.push(Item {
                name: known.as_ref().map(|(tag, _)| tag.to_string()),
                value: known.map(|(_, bytes)| optionlist::hex(&bytes)).unwrap_or_default(),
                on,
                text: Some(text.to_string()),
            });
        }
    }
    items
}

fn store(bound: &Bound<'_>, items: &[Item], draft: &mut Draft) -> Result<(), Stop> {
    for (option, on) in [("dhcp_option", true), ("cpe_dhcp_option", false)] {
        let texts = items.iter().filter(|item| item.on == on).filter_map(text).collect();
        optionlist::put(bound, option, texts, draft)?;
    }
    Ok(())
}

fn text(item: &Item) -> Option<String> {
    if let Some(text) = &item.text {
        return Some(text.clone());
    }
    let tag: u8 = item.name.as_ref()?.parse().ok()?;
    let value = options::encode(tag, &optionlist::unhex(&item.value)?)?;
    Some(if value.is_empty() { tag.to_string() } else { format!("{tag},{value}") })
}

/// A new option, switched off, with a tag for local use.
pub fn add_option(at: &At<'_, '_>, _number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let tag = optionlist::free_tag(&OPTIONS.names(at)?)?;
    OPTIONS.add(at, tag, String::new(), draft)
}

/// Deletes the option.
pub fn delete_option(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    OPTIONS.remove(at, draft)
}

/// Gives the option another tag; refuses one that is a parameter of the pool.
pub fn set_option_tag(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if value.parse().is_ok_and(|tag| OWN.contains(&tag)) {
        return Err(unfit("a tag that is no parameter of the pool"));
    }
    OPTIONS.rename(at, value, draft)
}

/// Gives the option another value, in hexadecimal digits.
pub fn set_option_value(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    OPTIONS.revalue(at, value, draft)
}

/// Switches the option on or off.
pub fn set_option_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    OPTIONS.switch(at, value, draft)
}

/// A new static address, switched off, in the pool it is added to.
pub fn add_static(at: &At<'_, '_>, number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let bound = at.bound()?;
    let anonymous = bound.tree.get(".anonymous").is_some();
    let pool = if anonymous { bound.tree.str("interface").unwrap_or_default() } else { bound.name };
    let mut name = format!("cpe_host{number}");
    while draft.tree(DHCP)?.is_some_and(|package| package.get(&name).is_some()) {
        name.push('x');
    }
    draft.add(DHCP, &name, "host")?;
    draft.set_text(DHCP, &name, "enable", "0")?;
    draft.set_text(DHCP, &name, "cpe_pool", pool)
}

/// `Chaddr`: the first of the host's addresses.
pub fn static_chaddr<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(network::words(at.bound()?.tree.get("mac")).first().map(|mac| (*mac).into()))
}

/// Replaces the first of the host's addresses.
pub fn set_static_chaddr(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let bound = at.bound()?;
    let old = bound.tree.get("mac");
    let mut words: Vec<String> = network::words(old).into_iter().map(str::to_string).collect();
    if words.first().is_some_and(|first| first.eq_ignore_ascii_case(value)) {
        return Ok(());
    }
    match words.first_mut() {
        Some(first) if !value.is_empty() => *first = value.to_string(),
        Some(_) => drop(words.remove(0)),
        None if value.is_empty() => {}
        None => words.push(value.to_string()),
    }
    if words.is_empty() {
        keep_pool(at, draft)?;
    }
    draft.set(DHCP, bound.name, "mac", network::refit(old, &words))
}

/// `Yiaddr`: the address the host gets.
pub fn static_yiaddr<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(at.opt("ip").map(Cow::Borrowed))
}

/// Gives the host another address; refuses one outside the pool's network.
pub fn set_static_yiaddr(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let bound = at.bound()?;
    if at.opt("ip").unwrap_or_default() == value {
        return Ok(());
    }
    if let (Ok(address), Some(row)) = (value.parse::<Ipv4Addr>(), at.row) {
        let mine = row.parent.as_ref().and_then(|pool| pool.section.as_ref()).map(|pool| pool.name);
        let pools = all(at.view)?;
        let owner = home(&pools, address).map(|owner| owner.name);
        if owner != mine {
            return Err(unfit("an address of the pool's network"));
        }
    }
    keep_pool(at, draft)?;
    draft.set_text(DHCP, bound.name, "ip", value)
}

/// Writes down which pool a host belongs to before it loses what says so.
fn keep_pool(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let bound = at.bound()?;
    let pool = at.row.and_then(|row| row.parent.as_ref()).and_then(|pool| pool.section.as_ref());
    let (None, Some(pool)) = (bound.tree.get("cpe_pool"), pool) else { return Ok(()) };
    let anonymous = pool.tree.get(".anonymous").is_some();
    let name = if anonymous { pool.tree.str("interface").unwrap_or_default() } else { pool.name };
    draft.set_text(DHCP, bound.name, "cpe_pool", name)
}
