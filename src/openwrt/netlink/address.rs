//! Addresses: one entry of `addr_info`, as `ip -j -d addr show` prints it.

use super::wire::{ADDRESS, Attrs, INET, INET6, Message, Row, SCOPES, ip, named, number};
use crate::dm::tree::Tree;

const SECONDARY: u32 = 0x01;
const PERMANENT: u32 = 0x80;

/// `IFA_F_…` in the order in which `ip` prints them.
const FLAGS: &[(u32, &str)] = &[
    (SECONDARY, "secondary"),
    (0x02, "nodad"),
    (0x04, "optimistic"),
    (0x08, "dadfailed"),
    (0x10, "home"),
    (0x20, "deprecated"),
    (0x40, "tentative"),
    (PERMANENT, "permanent"),
    (0x100, "mngtmpaddr"),
    (0x200, "noprefixroute"),
    (0x400, "autojoin"),
    (0x800, "stable-privacy"),
];

/// Who made it: the kernel from a router's advertisement, for one. Source: uapi `IFAPROT_…`; printed since iproute2 6.3.
const PROTOCOLS: &[(u32, &str)] = &[(0, "unspec"), (1, "kernel_lo"), (2, "kernel_ra"), (3, "kernel_ll")];

/// The number of its link, and the entry; `None` for other messages and families.
pub(super) fn row(message: &Message<'_>) -> Option<(u32, Tree)> {
    let [family, prefix, flags, scope] = number(message.body, 0).filter(|_| message.is(ADDRESS))?;
    let index = u32::from_ne_bytes(number(message.body, 4)?);
    let attrs = Attrs::read(message.body, 8);
    let (address, local) = (attrs.octets(1), attrs.octets(2));
    let local = local.or(address)?;
    let mut row = Row::default();
    row.put("family", Some(family_name(family)?));
    row.put("local", ip(local));
    row.put("address", address.filter(|peer| *peer != local).and_then(ip));
    row.put("prefixlen", Some(prefix));
    row.put("metric", attrs.u32(9));
    row.put("broadcast", attrs.octets(4).and_then(ip));
    row.put("scope", Some(named(scope.into(), SCOPES)));
    let flags = attrs.u32(8).unwrap_or(flags.into());
    for (bit, name) in FLAGS {
        let name = match *bit {
            PERMANENT => (flags & bit == 0).then_some("dynamic"),
            SECONDARY if family == INET6 => (flags & bit != 0).then_some("temporary"),
            _ => (flags & bit != 0).then_some(*name),
        };
        if let Some(name) = name {
            row.put(name, Some(true));
        }
    }
    row.put(
        "protocol",
        attrs.u8(11).map(|protocol| {
            let name = PROTOCOLS.iter().find(|(number, _)| *number == u32::from(protocol));
            name.map_or_else(|| format!("{protocol:#x}"), |(_, name)| (*name).to_owned())
        }),
    );
    row.put("label", attrs.text(3));
    if let Some(times) = attrs.octets(6) {
        row.put("valid_life_time", number(times, 4).map(u32::from_ne_bytes));
        row.put("preferred_life_time", number(times, 0).map(u32::from_ne_bytes));
    }
    Some((index, row.done()))
}

/// `inet`, `inet6`; no other family has rows here.
pub(super) fn family_name(family: u8) -> Option<&'static str> {
    match family {
        INET => Some("inet"),
        INET6 => Some("inet6"),
        _ => None,
    }
}
