//! DHCPv6 pools: `config dhcp` sections as odhcpd reads them.

use super::client::received;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, Bound, View};
use crate::dm::write::Draft;
use crate::time::{INFINITE, UNKNOWN, Wall};
use crate::tr181::network::{self, unfit};
use crate::tr181::odhcpd::{self, DHCPV6, assigned};
use crate::tr181::optionlist::{self, Item, Kind};

/// Bits of the longest prefix that is delegated where the section does not say. Source: odhcpd, `dhcpv6_pd_min_len`.
const MIN_LENGTH: u32 = 62;
/// Most leases of a pool that become rows.
const MAX_LEASES: usize = 1024;
/// Tags that odhcpd fills by itself: servers and domains are RDNSS and DNSSL of the router advertisements.
const OWN: &[&str] = &["1", "2", "3", "5", "6", "13", "23", "24", "25", "26"];
/// What goes with a pool.
const OPTIONS: &[&str] = &["dhcpv6_na", "dhcpv6_pd", "dhcpv6_pd_min_len", "dhcpv6_raw", "cpe_dhcpv6_raw"];

const SENT: Kind = Kind { load, store };

/// The pools by section name, each with its order, options and clients.
pub(super) fn pools(view: &View<'_>) -> Result<Tree, Stop> {
    let leases = view.tree("ubus:dhcp ipv6leases")?.and_then(|reply| reply.get("device"));
    let mut rows = Tree::Map(Vec::new());
    for (order, (name, section)) in DHCPV6.sections(view)?.into_iter().enumerate() {
        let interface = section.str("interface").unwrap_or_default();
        let device = network::state(view, interface)?.and_then(|state| state.str("l3_device"));
        let mine = device.and_then(|device| leases?.get(device)?.get("leases"));
        let fields = [
            (".source", Tree::from(odhcpd::DHCP)),
            (".section", name.into()),
            ("order", (order + 1).to_string().into()),
            ("options", optionlist::rows(&load(section))),
            ("leases", clients(view, mine.map_or(&[], Tree::items))?),
        ];
        rows.set(name, Tree::map(fields));
    }
    Ok(rows)
}

/// Who has addresses or prefixes, by DUID and IAID.
fn clients(view: &View<'_>, leases: &[Tree]) -> Result<Tree, Stop> {
    let mut rows = Tree::Map(Vec::new());
    for lease in leases.iter().take(MAX_LEASES) {
        let duid = lease.str("duid").unwrap_or_default();
        let key = format!("{duid} {}", lease.str("iaid").unwrap_or_default());
        let mac = mac(&optionlist::unhex(duid).unwrap_or_default());
        let source = match &mac {
            Some(mac) => link_local(view, mac)?,
            None => None,
        };
        let ends = |item: &Tree, field: &str| match item.str(field).and_then(|left| left.parse::<i64>().ok())
        {
            Some(left) if left >= 0 => view
                .snapshot
                .now
                .wall
                .map_or(UNKNOWN.to_string(), |now| Wall::at(now.seconds).plus(left).to_string()),
            Some(_) => INFINITE.to_string(),
            None => UNKNOWN.to_string(),
        };
        let given = |list: &str, length: bool| {
            let mut given = Tree::Map(Vec::new());
            for item in lease.get(list).map_or(&[][..], Tree::items) {
                let Some(address) = item.str("address") else { continue };
                let name = match item.str("prefix-length").filter(|_| length) {
                    Some(length) => format!("{address}/{length}"),
                    None => address.to_string(),
                };
                let fields = [
                    ("name", Tree::from(name.as_str())),
                    ("preferred", ends(item, "preferred-lifetime").into()),
                    ("valid", ends(item, "valid-lifetime").into()),
                ];
                given.set(&name, Tree::map(fields));
            }
            given
        };
        let mut row = Tree::map([
            ("source", Tree::from(source.unwrap_or_default())),
            ("addresses", given("ipv6-addr", false)),
            ("prefixes", given("ipv6-prefix", true)),
        ]);
        if let Some(mac) = mac {
            row.set("chaddr", mac.into());
        }
        rows.set(&key, row);
    }
    Ok(rows)
}

/// The hardware address in a DUID, where it is made of one.
//= RFC 8415 11.2: a DUID of type 1 has a type and a time before the address, 11.4: one of type 3 a type only.
fn mac(duid: &[u8]) -> Option<String> {
    let address = match duid {
        [0, 1, 0, 1, _, _, _, _, address @ ..] | [0, 3, 0, 1, address @ ..] => address,
        _ => return None,
    };
    let pairs: Vec<String> = address.iter().map(|byte| format!("{byte:02x}")).collect();
    (pairs.len() == 6).then(|| pairs.join(":"))
}

/// The link-local address of a neighbour; odhcpd does not tell where a request came from.
fn link_local(view: &View<'_>, mac: &str) -> Result<Option<String>, Stop> {
    let neighbours = view.tree("nl:neighbour")?.map_or(&[][..], Tree::items);
    let mut own = neighbours.iter().filter(|n| n.str("lladdr").is_some_and(|m| m.eq_ignore_ascii_case(mac)));
    Ok(own.find_map(|n| n.str("dst").filter(|dst| dst.starts_with("fe80:"))).map(str::to_string))
}

/// `Server.Enable`: what was written, else whether any pool is on.
pub fn server_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    DHCPV6.enable(at)
}

/// Switches every pool.
pub fn set_server_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    DHCPV6.set_enable(at, value, draft)
}

/// `Pool.Enable`: the network is served, by the router itself or by relay.
pub fn pool_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    DHCPV6.row_enable(at)
}

/// Switches the pool.
pub fn set_pool_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    DHCPV6.set_row_enable(at, value, draft)
}

/// `Pool.Status`: odhcpd runs and the network is up.
pub fn pool_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    DHCPV6.row_status(at)
}

/// Moves the pool's section to the place of the pool that has the order now.
pub fn set_pool_order(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("order") == Some(value) {
        return Ok(());
    }
    let sections = DHCPV6.sections(at.view)?;
    let names: Vec<&str> = sections.iter().map(|(name, _)| *name).collect();
    odhcpd::set_order(at, &names, value, draft)
}

fn given<'s>(at: &At<'_, 's>, switch: &str) -> Value<'s> {
    if network::flag(at.opt(switch)) == Some(false) || DHCPV6.off(at.view, at.bound()?.tree)? {
        return Ok(None);
    }
    odhcpd::prefixes(at, at.opt("interface").unwrap_or_default())
}

/// `IANAPrefixes`: the prefixes that addresses are given from.
pub fn address_prefixes<'s>(at: &At<'_, 's>) -> Value<'s> {
    given(at, "dhcpv6_na")
}

/// `IAPDPrefixes`: the prefixes that parts are delegated from.
pub fn delegated_prefixes<'s>(at: &At<'_, 's>) -> Value<'s> {
    given(at, "dhcpv6_pd")
}

/// The length of the network's prefix: what netifd has assigned, else what it is asked to.
fn length(at: &At<'_, '_>) -> Result<Option<u32>, Stop> {
    let name = at.opt("interface").unwrap_or_default();
    let live = assigned(at.view, name)?.first().and_then(|prefix| prefix.str("mask"));
    let asked = network::section(at.view, "uci:network", name)?.and_then(|network| network.str("ip6assign"));
    Ok(live.or(asked).and_then(|length| length.parse().ok()).filter(|length| *length <= 64))
}

/// `IAPDAddLength`: the bits between the network's prefix and what is delegated of it.
pub fn add_length<'s>(at: &At<'_, 's>) -> Value<'s> {
    let least = at.opt("dhcpv6_pd_min_len").and_then(|least| least.parse().ok()).unwrap_or(MIN_LENGTH);
    Ok(length(at)?.map(|length| least.saturating_sub(length).to_string().into()))
}

/// Writes the least length of what is delegated.
pub fn set_add_length(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if add_length(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let length = length(at)?.ok_or_else(|| unfit("0 before the pool has a network with a prefix"))?;
    let least =
        value.parse::<u32>().ok().map(|more| length.saturating_add(more)).filter(|least| *least <= 64);
    let least = least.ok_or_else(|| unfit(&format!("0 to {}", 64 - length)))?;
    draft.set_text(odhcpd::DHCP, at.bound()?.name, "dhcpv6_pd_min_len", &least.to_string())
}

/// Deletes the pool; its section stays where it plays another role.
pub fn delete_pool(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    DHCPV6.delete(at, OPTIONS, draft)
}

/// What the pool sends beside odhcpd's own: the options in `dhcpv6_raw`; switched off `cpe_dhcpv6_raw`.
fn load(section: &Tree) -> Vec<Item> {
    let mut items = Vec::new();
    for (option, on) in [("dhcpv6_raw", true), ("cpe_dhcpv6_raw", false)] {
        let bytes = section.str(option).and_then(optionlist::unhex).unwrap_or_default();
        for (_, row) in received(&bytes).entries() {
            let field = |name: &str| row.str(name).unwrap_or_default().to_string();
            items.push(Item { name: Some(field("tag")), value: field("value"), on, text: None });
        }
    }
    items
}

fn store(bound: &Bound<'_>, items: &[Item], draft: &mut Draft) -> Result<(), Stop> {
    for (option, on) in [("dhcpv6_raw", true), ("cpe_dhcpv6_raw", false)] {
        let mut bytes = Vec::new();
        for item in items.iter().filter(|item| item.on == on) {
            let tag = item.name.as_deref().and_then(|tag| tag.parse::<u16>().ok());
            let value = optionlist::unhex(&item.value);
            let size = value.as_ref().and_then(|value| u16::try_from(value.len()).ok());
            let (Some(tag), Some(value), Some(size)) = (tag, value, size) else {
                return Err(unfit("an option of at most 65535 bytes"));
            };
            bytes.extend(tag.to_be_bytes().into_iter().chain(size.to_be_bytes()).chain(value));
        }
        draft.set_text(&bound.source, bound.name, option, &crate::digest::hex(&bytes))?;
    }
    Ok(())
}

/// A new option, switched off, with the highest tag that no row has.
pub fn add_option(at: &At<'_, '_>, _number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let taken = SENT.names(at)?;
    let free = (0..=u16::MAX).rev().map(|tag| tag.to_string()).find(|tag| !taken.contains(tag));
    SENT.add(at, free.ok_or_else(|| unfit("a free tag"))?, String::new(), draft)
}

/// Sends the option no longer.
pub fn delete_option(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    SENT.remove(at, draft)
}

/// Gives an option another tag; refuses one that odhcpd fills by itself.
pub fn set_option_tag(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if OWN.contains(&value) {
        return Err(unfit("a tag that odhcpd does not fill by itself"));
    }
    SENT.rename(at, value, draft)
}

/// Gives an option another value, in hexadecimal digits.
pub fn set_option_value(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    SENT.revalue(at, value, draft)
}

/// Switches an option on or off.
pub fn set_option_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    SENT.switch(at, value, draft)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    //= RFC 8415 11.2: a DUID of type 1 has a type and a time before the address, 11.4: one of type 3 a type only.
    #[test]
    fn a_duid_made_of_a_hardware_address_gives_it() {
        for (duid, want) in [
            ("0003000102f100000001", Some("02:f1:00:00:00:01")),
            ("000100012ab3c4d502f100000002", Some("02:f1:00:00:00:02")),
            ("00045f0d7c3a91e24b6c8d02a4f1c36b7e90", None),
            ("0003000102f1", None),
            ("", None),
        ] {
            assert_eq!(mac(&optionlist::unhex(duid).unwrap()).as_deref(), want, "{duid}");
        }
    }
}
