//! Routes, as `ip -j -d route show table all` prints them.

use super::address::family_name;
use super::link::Names;
use super::wire::{Attrs, INET, Message, ROUTE, Row, SCOPES, bits, ip, named, number};
use crate::dm::tree::Tree;

/// A route the kernel keeps for one destination only; not part of a table.
const CLONED: u32 = 0x200;
/// Units of the kernel's times towards user space, per second.
const USER_HZ: i32 = 100;

const TYPES: &[(u32, &str)] = &[
    (0, "none"),
    (1, "unicast"),
    (2, "local"),
    (3, "broadcast"),
    (4, "anycast"),
    (5, "multicast"),
    (6, "blackhole"),
    (7, "unreachable"),
    (8, "prohibit"),
    (9, "throw"),
    (10, "nat"),
    (11, "xresolve"),
];

/// Source: OpenWrt `/etc/iproute2/rt_tables`.
const TABLES: &[(u32, &str)] = &[(128, "prelocal"), (253, "default"), (254, "main"), (255, "local")];

/// Source: iproute2 `rt_protos`.
const PROTOCOLS: &[(u32, &str)] = &[
    (0, "unspec"),
    (1, "redirect"),
    (2, "kernel"),
    (3, "boot"),
    (4, "static"),
    (8, "gated"),
    (9, "ra"),
    (10, "mrt"),
    (11, "zebra"),
    (12, "bird"),
    (13, "dnrouted"),
    (14, "xorp"),
    (15, "ntk"),
    (16, "dhcp"),
    (18, "keepalived"),
    (42, "babel"),
    (186, "bgp"),
    (187, "isis"),
    (188, "ospf"),
    (189, "rip"),
    (192, "eigrp"),
];

/// Of a route and of a next hop, in the order in which `ip` prints them.
const FLAGS: &[(u32, &str)] = &[
    (0x1, "dead"),
    (0x4, "onlink"),
    (0x2, "pervasive"),
    (0x8, "offload"),
    (0x40, "trap"),
    (0x100, "notify"),
    (0x10, "linkdown"),
    (0x20, "unresolved"),
    (0x4000, "rt_offload"),
    (0x8000, "rt_trap"),
    (0x2000_0000, "rt_offload_failed"),
];

/// One route; `None` for other messages, other families and cached ones.
pub(super) fn row(message: &Message<'_>, names: &Names) -> Option<Tree> {
    let [family, dst_len, src_len, _tos, table, protocol, scope, kind] =
        number(message.body, 0).filter(|_| message.is(ROUTE))?;
    let flags = u32::from_ne_bytes(number(message.body, 8)?);
    family_name(family)?;
    if flags & CLONED != 0 {
        return None;
    }
    let attrs = Attrs::read(message.body, 12);
    let host = if family == INET { 32 } else { 128 };
    let prefix = |octets: &[u8], length: u8| {
        let address = ip(octets)?;
        Some(if length == host { address } else { format!("{address}/{length}") })
    };
    let mut row = Row::default();
    row.put("type", Some(named(kind.into(), TYPES)));
    row.put("dst", attrs.octets(1).map_or_else(|| Some("default".into()), |octets| prefix(octets, dst_len)));
    row.put("from", attrs.octets(2).and_then(|octets| prefix(octets, src_len)));
    gateway(&mut row, &attrs);
    row.put("dev", attrs.u32(4).map(|index| names.name(index)));
    row.put("table", Some(named(attrs.u32(15).unwrap_or(table.into()), TABLES)));
    row.put("protocol", Some(named(protocol.into(), PROTOCOLS)));
    row.put("scope", Some(named(scope.into(), SCOPES)));
    row.put("prefsrc", attrs.octets(7).and_then(ip));
    row.put("metric", attrs.u32(6));
    row.tree("flags", Some(Tree::List(bits(flags, FLAGS))));
    let expires = attrs.octets(12).and_then(|times| number(times, 8)).map(i32::from_ne_bytes);
    row.put("expires", expires.filter(|expires| *expires != 0).map(|expires| expires / USER_HZ));
    let preference = |value| match value {
        3 => "low".to_owned(),
        0 => "medium".to_owned(),
        1 => "high".to_owned(),
        other => other.to_string(),
    };
    row.put("pref", attrs.u8(20).map(preference));
    row.tree("nexthops", attrs.octets(9).map(|octets| next_hops(octets, names)));
    Some(row.done())
}

fn gateway(row: &mut Row, attrs: &Attrs<'_>) {
    row.put("gateway", attrs.octets(5).and_then(ip));
    // An IPv4 route through an IPv6 neighbour.
    if let Some((family, host)) = attrs.octets(18).and_then(|via| via.split_at_checked(2)) {
        let family = number(family, 0).map(u16::from_ne_bytes).and_then(|family| u8::try_from(family).ok());
        if let (Some(family), Some(host)) = (family.and_then(family_name), ip(host)) {
            row.tree("via", Some(Tree::map([("family", family.into()), ("host", host.into())])));
        }
    }
}

fn next_hops(octets: &[u8], names: &Names) -> Tree {
    let mut hops = Vec::new();
    let mut rest = octets;
    while let (Some(length), Some([flags, weight]), Some(index)) =
        (number(rest, 0), number(rest, 2), number(rest, 4))
    {
        let length = usize::from(u16::from_ne_bytes(length));
        let Some(hop) = rest.get(..length).filter(|hop| hop.len() >= 8) else { break };
        let mut row = Row::default();
        gateway(&mut row, &Attrs::read(hop, 8));
        row.put("dev", Some(names.name(u32::from_ne_bytes(index))));
        row.put("weight", Some(u16::from(weight) + 1));
        row.tree("flags", Some(Tree::List(bits(flags.into(), FLAGS))));
        hops.push(row.done());
        rest = rest.get((length + 3) & !3..).unwrap_or_default();
    }
    Tree::List(hops)
}
