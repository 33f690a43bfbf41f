//! Headers and attributes of netlink messages, and the dump requests. Source: Linux uapi `netlink.h`, `rtnetlink.h`.

use super::Dump;
use crate::dm::tree::Tree;
use std::fmt::{Display, Write};
use std::net::{Ipv4Addr, Ipv6Addr};

pub(super) const ERROR: u16 = 2;
pub(super) const DONE: u16 = 3;
/// The table changed while it was dumped.
pub(super) const INTERRUPTED: u16 = 0x10;

// The first kind of each group of four: new, gone, asked for, set.
pub(super) const LINK: u16 = 16;
pub(super) const ADDRESS: u16 = 20;
pub(super) const ROUTE: u16 = 24;
pub(super) const NEIGHBOUR: u16 = 28;

pub(super) const INET: u8 = 2;
pub(super) const BRIDGE: u8 = 7;
pub(super) const INET6: u8 = 10;

/// Octets of a message header.
const HEADER: usize = 16;

/// One message of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// `RTM_…`, `NLMSG_…`.
    pub kind: u16,
    /// `NLM_F_…`.
    pub flags: u16,
    /// Of the request it answers; 0 in notices.
    pub seq: u32,
    /// Behind the header, without padding.
    pub body: &'a [u8],
    /// Header and body.
    pub octets: &'a [u8],
}

impl Message<'_> {
    /// The positive error number of an error message; 0 in an acknowledgement.
    pub(super) fn error(&self) -> i32 {
        number(self.body, 0).map(i32::from_ne_bytes).unwrap_or(0).saturating_neg()
    }

    /// Whether it tells of a row, new or gone, of this group.
    pub(super) fn is(&self, group: u16) -> bool {
        self.kind == group || self.kind == group + 1
    }
}

/// The messages of a datagram; ends where a length does not fit.
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(number(rest, 0)?) as usize;
        let octets = rest.get(..length).filter(|octets| octets.len() >= HEADER)?;
        rest = rest.get(align(length)..).unwrap_or_default();
        Some(Message {
            kind: u16::from_ne_bytes(number(octets, 4)?),
            flags: u16::from_ne_bytes(number(octets, 6)?),
            seq: u32::from_ne_bytes(number(octets, 8)?),
            body: octets.get(HEADER..)?,
            octets,
        })
    })
}

/// The request that starts a dump.
pub(super) fn request(dump: Dump, seq: u32) -> Vec<u8> {
    // A bridge's dump takes the header of a link; one of a neighbour would be read as such by older kernels.
    let (group, family, body) = match dump {
        Dump::Links => (LINK, 0, 16),
        Dump::Addresses => (ADDRESS, 0, 8),
        Dump::Routes => (ROUTE, 0, 12),
        Dump::Neighbours => (NEIGHBOUR, 0, 12),
        Dump::Fdb => (NEIGHBOUR, BRIDGE, 16),
    };
    let mut out = Vec::with_capacity(HEADER + body);
    out.extend_from_slice(&((HEADER + body) as u32).to_ne_bytes());
    out.extend_from_slice(&(group + 2).to_ne_bytes());
    out.extend_from_slice(&0x301u16.to_ne_bytes()); // a request for the whole table
    out.extend_from_slice(&seq.to_ne_bytes());
    out.extend_from_slice(&[0; 4]);
    out.push(family);
    out.resize(HEADER + body, 0);
    out
}

/// Attributes of a message or of another attribute, by number; the last of a number counts.
pub(super) struct Attrs<'a>(Vec<(u16, &'a [u8])>);

impl<'a> Attrs<'a> {
    /// Those behind `skip` octets; ends where a length does not fit.
    pub(super) fn read(octets: &'a [u8], skip: usize) -> Attrs<'a> {
        let mut rest = octets.get(skip..).unwrap_or_default();
        let mut attrs = Vec::new();
        while let (Some(length), Some(id)) = (number(rest, 0), number(rest, 2)) {
            let length = usize::from(u16::from_ne_bytes(length));
            let Some(value) = rest.get(4..length) else { break };
            // The upper two bits say "nested" and "network order".
            attrs.push((u16::from_ne_bytes(id) & 0x3fff, value));
            rest = rest.get(align(length)..).unwrap_or_default();
        }
        Attrs(attrs)
    }

    pub(super) fn octets(&self, id: u16) -> Option<&'a [u8]> {
        self.0.iter().rev().find(|(of, _)| *of == id).map(|(_, value)| *value)
    }

    pub(super) fn nested(&self, id: u16) -> Option<Attrs<'a>> {
        self.octets(id).map(|octets| Attrs::read(octets, 0))
    }

    pub(super) fn u8(&self, id: u16) -> Option<u8> {
        self.octets(id)?.first().copied()
    }

    pub(super) fn u16(&self, id: u16) -> Option<u16> {
        number(self.octets(id)?, 0).map(u16::from_ne_bytes)
    }

    pub(super) fn u32(&self, id: u16) -> Option<u32> {
        number(self.octets(id)?, 0).map(u32::from_ne_bytes)
    }

    pub(super) fn text(&self, id: u16) -> Option<String> {
        let octets = self.octets(id)?;
        let text = octets.split(|octet| *octet == 0).next().unwrap_or_default();
        Some(String::from_utf8_lossy(text).into_owned())
    }
}

/// A row under construction; keys in the order in which the stock tools print them.
#[derive(Default)]
pub(super) struct Row(Vec<(Box<str>, Tree)>);

impl Row {
    pub(super) fn put(&mut self, key: &str, value: Option<impl Display>) {
        self.tree(key, value.map(|value| Tree::from(value.to_string())));
    }

    pub(super) fn tree(&mut self, key: &str, value: Option<Tree>) {
        self.0.extend(value.map(|value| (key.into(), value)));
    }

    pub(super) fn done(self) -> Tree {
        Tree::Map(self.0)
    }
}

/// `N` octets at an offset.
pub(super) fn number<const N: usize>(octets: &[u8], at: usize) -> Option<[u8; N]> {
    octets.get(at..)?.first_chunk().copied()
}

/// An IPv4 or IPv6 address by its length.
pub(super) fn ip(octets: &[u8]) -> Option<String> {
    match octets.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).to_string()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).to_string()),
        _ => None,
    }
}

/// A link-layer address as `ip` prints it: an IP address for a tunnel, hex with colons otherwise.
pub(super) fn hardware(octets: &[u8], device_type: u16) -> String {
    let tunnel = match device_type {
        768 | 776 | 778 => octets.len() == 4,
        769 | 823 => octets.len() == 16,
        _ => false,
    };
    match ip(octets).filter(|_| tunnel) {
        Some(address) => address,
        None => hex(octets, ":"),
    }
}

/// Lower-case hex with a separator between octets.
pub(super) fn hex(octets: &[u8], separator: &str) -> String {
    octets.iter().enumerate().fold(String::new(), |mut text, (n, octet)| {
        let _ = write!(text, "{}{octet:02x}", if n > 0 { separator } else { "" });
        text
    })
}

/// The names of the bits that are set, in the order of the table.
pub(super) fn bits(value: u32, table: &[(u32, &str)]) -> Vec<Tree> {
    table.iter().filter(|(bit, _)| value & bit != 0).map(|(_, name)| Tree::text(*name)).collect()
}

/// The name of a number, or the number.
pub(super) fn named(value: u32, table: &[(u32, &str)]) -> String {
    match table.iter().find(|(number, _)| *number == value) {
        Some((_, name)) => (*name).to_owned(),
        None => value.to_string(),
    }
}

/// Names of address and route scopes. Source: iproute2 `rt_scopes`.
pub(super) const SCOPES: &[(u32, &str)] =
    &[(0, "global"), (200, "site"), (253, "link"), (254, "host"), (255, "nowhere")];

const fn align(length: usize) -> usize {
    (length + 3) & !3
}
