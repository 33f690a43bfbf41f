//! Neighbours and forwarding entries, as `ip -j -d neigh show` and `bridge -j fdb show` print them.

use super::address::family_name;
use super::link::Names;
use super::wire::{Attrs, BRIDGE, Message, NEIGHBOUR, Row, bits, hardware, ip, number};
use crate::dm::tree::Tree;

const REACHABLE: u16 = 0x02;
const STALE: u16 = 0x04;
const NOARP: u16 = 0x40;
const PERMANENT: u16 = 0x80;

const STATES: &[(u32, &str)] = &[
    (0x01, "INCOMPLETE"),
    (REACHABLE as u32, "REACHABLE"),
    (STALE as u32, "STALE"),
    (0x08, "DELAY"),
    (0x10, "PROBE"),
    (0x20, "FAILED"),
    (NOARP as u32, "NOARP"),
    (PERMANENT as u32, "PERMANENT"),
];

/// Entries with these are shown whatever their state: proxied, learned by a driver.
const SHOWN: u8 = 0x08 | 0x10;

/// In the order in which `bridge` prints them.
const FLAGS: &[(u32, &str)] = &[
    (0x02, "self"),
    (0x80, "router"),
    (0x10, "extern_learn"),
    (0x20, "offload"),
    (0x04, "master"),
    (0x40, "sticky"),
];

struct Head {
    family: u8,
    index: u32,
    state: u16,
    flags: u8,
}

impl Head {
    fn of(message: &Message<'_>) -> Option<Head> {
        let body = message.body;
        Some(Head {
            family: *body.first().filter(|_| message.is(NEIGHBOUR))?,
            index: u32::from_ne_bytes(number(body, 4)?),
            state: u16::from_ne_bytes(number(body, 8)?),
            flags: *body.get(10)?,
        })
    }
}

/// One neighbour; `None` for other messages and for those `ip neigh show` leaves out: never resolved, or in no state.
pub(super) fn row(message: &Message<'_>, names: &Names) -> Option<Tree> {
    let head = Head::of(message)?;
    family_name(head.family)?;
    if head.state & !NOARP == 0 && head.flags & SHOWN == 0 {
        return None;
    }
    let attrs = Attrs::read(message.body, 12);
    let mut row = Row::default();
    row.put("dst", attrs.octets(1).and_then(ip));
    row.put("dev", Some(names.name(head.index)));
    row.put("lladdr", attrs.octets(2).map(|octets| hardware(octets, names.device_type(head.index))));
    row.tree("state", (head.state != 0).then(|| Tree::List(bits(head.state.into(), STATES))));
    Some(row.done())
}

/// One forwarding entry; `None` for other messages.
pub(super) fn fdb_row(message: &Message<'_>, names: &Names) -> Option<Tree> {
    let head = Head::of(message).filter(|head| head.family == BRIDGE)?;
    let attrs = Attrs::read(message.body, 12);
    let mut row = Row::default();
    row.put("mac", attrs.octets(2).map(|octets| hardware(octets, names.device_type(head.index))));
    row.put("ifname", Some(head.index).filter(|index| *index != 0).map(|index| names.name(index)));
    row.put("dst", attrs.octets(1).and_then(ip));
    row.put("vlan", attrs.u16(5).filter(|vlan| *vlan != 0));
    row.tree("flags", Some(Tree::List(bits(head.flags.into(), FLAGS))));
    row.put("master", attrs.u32(9).map(|index| names.name(index)));
    let state = match head.state {
        state if state & PERMANENT != 0 => "permanent".to_owned(),
        state if state & NOARP != 0 => "static".to_owned(),
        state if state & STALE != 0 => "stale".to_owned(),
        state if state & REACHABLE != 0 => String::new(),
        0 => "0".to_owned(),
        state => format!("{state:#x}"),
    };
    row.put("state", Some(state));
    Some(row.done())
}
