//! Links: one row per network device, as `ip -j -d -s link show` prints it.

use super::wire::{Attrs, LINK, Message, Row, bits, hardware, hex, number};
use crate::dm::tree::Tree;
use crate::sorted::Map;

/// Links whose name is remembered.
const MAX_LINKS: usize = 4096;

// Attributes of a link, `IFLA_…`. Source: Linux uapi `if_link.h`.
const ADDRESS: u16 = 1;
const BROADCAST: u16 = 2;
const IFNAME: u16 = 3;
const MTU: u16 = 4;
const PARENT: u16 = 5;
const MASTER: u16 = 10;
const OPERSTATE: u16 = 16;
const LINKINFO: u16 = 18;
const IFALIAS: u16 = 20;
const STATS64: u16 = 23;
const LINK_NETNSID: u16 = 37;
const PHYS_PORT_NAME: u16 = 38;
const PERM_ADDRESS: u16 = 54;

const UP: u32 = 1;
const POINTOPOINT: u32 = 0x10;
const RUNNING: u32 = 0x40;

/// In the order in which `ip` prints them.
const FLAGS: &[(u32, &str)] = &[
    (0x8, "LOOPBACK"),
    (0x2, "BROADCAST"),
    (POINTOPOINT, "POINTOPOINT"),
    (0x1000, "MULTICAST"),
    (0x80, "NOARP"),
    (0x200, "ALLMULTI"),
    (0x100, "PROMISC"),
    (0x400, "MASTER"),
    (0x800, "SLAVE"),
    (0x4, "DEBUG"),
    (0x8000, "DYNAMIC"),
    (0x4000, "AUTOMEDIA"),
    (0x2000, "PORTSEL"),
    (0x20, "NOTRAILERS"),
    (UP, "UP"),
    (0x10000, "LOWER_UP"),
    (0x20000, "DORMANT"),
    (0x40000, "ECHO"),
];

const OPERSTATES: [&str; 7] = ["UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP"];

/// `ARPHRD_…`. Source: iproute2 `ll_types.c`; the rest is printed as a number in brackets.
const TYPES: &[(u32, &str)] = &[
    (1, "ether"),
    (512, "ppp"),
    (519, "rawip"),
    (768, "ipip"),
    (769, "tunnel6"),
    (772, "loopback"),
    (776, "sit"),
    (778, "gre"),
    (801, "ieee802.11"),
    (803, "ieee802.11/radiotap"),
    (823, "gre6"),
    (0xfffe, "none"),
];

/// What other tables need to know of links, by number.
#[derive(Debug, Default)]
pub struct Names(Map<u32, Known>);

#[derive(Debug)]
struct Known {
    name: String,
    device_type: u16,
    flags: u32,
}

impl Names {
    /// Those in the rows of a dump of links.
    pub fn of(links: &Tree) -> Names {
        let known = |row: &Tree| {
            let name = row.str("ifname")?.to_owned();
            let device_type =
                TYPES.iter().find(|(_, name)| Some(*name) == row.str("link_type")).map_or(0, |(n, _)| *n);
            let up = row.get("flags")?.items().iter().any(|flag| flag.as_str() == Some("UP"));
            let known = Known { name, device_type: device_type as u16, flags: if up { UP } else { 0 } };
            Some((row.str("ifindex")?.parse().ok()?, known))
        };
        Names(links.items().iter().take(MAX_LINKS).filter_map(known).collect())
    }

    /// Takes note of a link; other messages are passed over.
    pub fn learn(&mut self, message: &Message<'_>) {
        let Some(head) = Head::of(message).filter(|_| message.kind == LINK) else { return };
        let Some(name) = Attrs::read(message.body, 16).text(IFNAME) else { return };
        if self.0.len() < MAX_LINKS || self.0.contains_key(&head.index) {
            let (device_type, flags) = (head.device_type, head.flags);
            self.0.insert(head.index, Known { name, device_type, flags });
        }
    }

    /// Drops a link that is gone; other messages are passed over. A bridge losing a port is not the port's end.
    pub(super) fn forget(&mut self, message: &Message<'_>) {
        if let Some(head) = Head::of(message).filter(|head| message.kind == LINK + 1 && head.family == 0) {
            self.0.remove(&head.index);
        }
    }

    /// The name of a link, or `if` and its number as `ip` says for one it does not know.
    pub fn name(&self, index: u32) -> String {
        self.0.get(&index).map_or_else(|| format!("if{index}"), |known| known.name.clone())
    }

    pub(super) fn device_type(&self, index: u32) -> u16 {
        self.0.get(&index).map_or(0, |known| known.device_type)
    }
}

/// The fixed part of a link message.
struct Head {
    family: u8,
    device_type: u16,
    index: u32,
    flags: u32,
}

impl Head {
    fn of(message: &Message<'_>) -> Option<Head> {
        let body = message.body;
        Some(Head {
            family: *body.first().filter(|_| message.is(LINK))?,
            device_type: u16::from_ne_bytes(number(body, 2)?),
            index: u32::from_ne_bytes(number(body, 4)?),
            flags: u32::from_ne_bytes(number(body, 8)?),
        })
    }
}

/// The number of the link a message is about.
pub(super) fn index(message: &Message<'_>) -> Option<u32> {
    Head::of(message).map(|head| head.index)
}

/// One link; `None` for other messages and for the bridge's own view of a port. `counters` adds `stats64`.
pub(super) fn row(message: &Message<'_>, names: &Names, counters: bool) -> Option<Tree> {
    let head = Head::of(message).filter(|head| head.family == 0)?;
    let attrs = Attrs::read(message.body, 16);
    let mut row = Row::default();
    row.put("ifindex", Some(head.index));
    let mut parent_down = false;
    if let Some(parent) = attrs.u32(PARENT).filter(|index| *index != 0) {
        if attrs.octets(LINK_NETNSID).is_some() {
            row.put("link_index", Some(parent)); // it lives in another namespace
        } else {
            row.put("link", Some(names.name(parent)));
            parent_down = names.0.get(&parent).is_none_or(|known| known.flags & UP == 0);
        }
    }
    row.put("ifname", Some(attrs.text(IFNAME)?));
    row.tree("flags", Some(flags(head.flags, parent_down)));
    row.put("mtu", attrs.u32(MTU));
    row.put("master", attrs.u32(MASTER).map(|index| names.name(index)));
    row.put("operstate", attrs.u8(OPERSTATE).and_then(|state| OPERSTATES.get(usize::from(state))));
    row.put("link_type", Some(link_type(head.device_type)));
    let address = attrs.octets(ADDRESS);
    let hardware = |octets: &[u8]| hardware(octets, head.device_type);
    row.put("address", address.map(hardware));
    if let Some(broadcast) = attrs.octets(BROADCAST) {
        row.put("link_pointtopoint", (head.flags & POINTOPOINT != 0).then_some(true));
        row.put("broadcast", Some(hardware(broadcast)));
    }
    row.put("permaddr", attrs.octets(PERM_ADDRESS).filter(|octets| Some(*octets) != address).map(hardware));
    row.tree("linkinfo", attrs.nested(LINKINFO).map(|info| linkinfo(&info, names)));
    row.put("phys_port_name", attrs.text(PHYS_PORT_NAME));
    row.put("ifalias", attrs.text(IFALIAS));
    row.tree("stats64", attrs.octets(STATS64).filter(|_| counters).and_then(stats));
    Some(row.done())
}

fn flags(flags: u32, parent_down: bool) -> Tree {
    let mut names = Vec::new();
    if flags & UP != 0 && flags & RUNNING == 0 {
        names.push("NO-CARRIER".into());
    }
    names.extend(bits(flags, FLAGS));
    let known = FLAGS.iter().fold(RUNNING, |known, (bit, _)| known | bit);
    if flags & !known != 0 {
        names.push(format!("{:x}", flags & !known).into());
    }
    if parent_down {
        names.push("M-DOWN".into());
    }
    Tree::List(names)
}

fn link_type(device_type: u16) -> String {
    let name = TYPES.iter().find(|(number, _)| *number == u32::from(device_type));
    name.map_or_else(|| format!("[{device_type}]"), |(_, name)| (*name).to_owned())
}

fn linkinfo(info: &Attrs<'_>, names: &Names) -> Tree {
    let mut row = Row::default();
    let (kind, slave_kind) = (info.text(1), info.text(4));
    row.put("info_kind", kind.as_deref());
    row.tree(
        "info_data",
        match kind.as_deref() {
            Some("bridge") => info.nested(2).map(|data| bridge(&data)),
            Some("vlan") => info.nested(2).map(|data| vlan(&data)),
            Some("dsa") => info.nested(2).map(|data| switch_port(&data, names)),
            _ => None,
        },
    );
    row.put("info_slave_kind", slave_kind.as_deref());
    row.tree(
        "info_slave_data",
        info.nested(5).filter(|_| slave_kind.as_deref() == Some("bridge")).map(|d| port(&d)),
    );
    row.done()
}

/// Times are in hundredths of seconds, as the kernel and `ip` have them. Source: uapi `IFLA_BR_…`.
fn bridge(data: &Attrs<'_>) -> Tree {
    let mut row = Row::default();
    for (key, id) in
        [("forward_delay", 1), ("hello_time", 2), ("max_age", 3), ("ageing_time", 4), ("stp_state", 5)]
    {
        row.put(key, data.u32(id));
    }
    row.put("priority", data.u16(6));
    row.put("vlan_filtering", data.u8(7));
    row.put("vlan_protocol", data.octets(8).and_then(vlan_protocol));
    let bridge_id = |octets: &[u8]| {
        let (priority, address) = octets.split_at_checked(2)?;
        Some(format!("{}.{}", hex(priority, ""), hex_short(address)))
    };
    row.put("bridge_id", data.octets(11).and_then(bridge_id));
    row.put("root_id", data.octets(10).and_then(bridge_id));
    row.put("root_port", data.u16(12));
    row.put("root_path_cost", data.u32(13));
    row.put("vlan_default_pvid", data.u16(39));
    row.put("mcast_snooping", data.u8(23));
    row.done()
}

/// A MAC address inside a bridge id.
fn hex_short(address: &[u8]) -> String {
    address.iter().map(|octet| format!("{octet:x}")).collect::<Vec<_>>().join(":")
}

/// Source: uapi `IFLA_BRPORT_…`.
fn port(data: &Attrs<'_>) -> Tree {
    const STATES: [&str; 5] = ["disabled", "listening", "learning", "forwarding", "blocking"];
    let mut row = Row::default();
    row.put("state", data.u8(1).and_then(|state| STATES.get(usize::from(state))));
    row.put("priority", data.u16(2));
    row.put("cost", data.u32(3));
    row.put("hairpin", data.u8(4).map(|on| on != 0));
    row.put("learning", data.u8(8).map(|on| on != 0));
    row.put("isolated", data.u8(33).map(|on| on != 0));
    row.done()
}

/// Source: uapi `IFLA_VLAN_…`.
fn vlan(data: &Attrs<'_>) -> Tree {
    const VLAN_FLAGS: &[(u32, &str)] =
        &[(1, "REORDER_HDR"), (2, "GVRP"), (8, "MVRP"), (4, "LOOSE_BINDING"), (16, "BRIDGE_BINDING")];
    let mut row = Row::default();
    row.put("protocol", data.octets(5).and_then(vlan_protocol));
    row.put("id", data.u16(1));
    row.tree("flags", data.u32(2).map(|flags| Tree::List(bits(flags, VLAN_FLAGS))));
    row.done()
}

/// The device towards the CPU. Source: uapi `IFLA_DSA_…`.
fn switch_port(data: &Attrs<'_>, names: &Names) -> Tree {
    let mut row = Row::default();
    row.put("conduit", data.u32(1).map(|index| names.name(index)));
    row.done()
}

/// In network order, unlike all else here.
fn vlan_protocol(octets: &[u8]) -> Option<&'static str> {
    match octets {
        [0x81, 0x00] => Some("802.1Q"),
        [0x88, 0xa8] => Some("802.1ad"),
        _ => None,
    }
}

/// Source: uapi `rtnl_link_stats64`.
fn stats(octets: &[u8]) -> Option<Tree> {
    let counter = |at: usize| number(octets, at * 8).map(u64::from_ne_bytes);
    let table = |places: [(&str, usize); 6]| {
        let mut row = Row::default();
        places.into_iter().for_each(|(key, at)| row.put(key, counter(at)));
        row.done()
    };
    let rx =
        [("bytes", 2), ("packets", 0), ("errors", 4), ("dropped", 6), ("over_errors", 11), ("multicast", 8)];
    let tx = [
        ("bytes", 3),
        ("packets", 1),
        ("errors", 5),
        ("dropped", 7),
        ("carrier_errors", 17),
        ("collisions", 9),
    ];
    counter(17).map(|_| Tree::map([("rx", table(rx)), ("tx", table(tx))]))
}
