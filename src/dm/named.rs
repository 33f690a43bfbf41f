//! The named types of TR-181 whose rules are more than a range: addresses, prefixes, Alias, UUID, counters.
//!
//! Names without an entry here are described by their limits alone.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::path::is_alias;
use super::value::{Invalid, value};

/// A named type with rules of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Named {
    /// None.
    #[default]
    None,
    /// The name a manager gives a row.
    Alias,
    /// An IPv4 or IPv6 address, or empty.
    IpAddress,
    /// An IPv4 address, or empty.
    Ipv4Address,
    /// An IPv6 address, or empty.
    Ipv6Address,
    /// An IPv4 or IPv6 prefix, or empty.
    IpPrefix,
    /// An IPv4 prefix such as `10.0.0.0/8` or `/8`, or empty.
    Ipv4Prefix,
    /// An IPv6 prefix, or empty.
    Ipv6Prefix,
    /// Six bytes, or empty.
    MacAddress,
    /// Eight bytes, or empty.
    Eui64,
    /// 36 characters.
    Uuid,
    /// A counter of 32 bits that wraps; never reported as a change.
    Counter32,
    /// A counter of 64 bits that wraps; never reported as a change.
    Counter64,
}

/// The names of the model and, for Rust tables, the variants.
const NAMES: [(&str, Named, &str); 12] = [
    ("Alias", Named::Alias, "Alias"),
    ("IPAddress", Named::IpAddress, "IpAddress"),
    ("IPv4Address", Named::Ipv4Address, "Ipv4Address"),
    ("IPv6Address", Named::Ipv6Address, "Ipv6Address"),
    ("IPPrefix", Named::IpPrefix, "IpPrefix"),
    ("IPv4Prefix", Named::Ipv4Prefix, "Ipv4Prefix"),
    ("IPv6Prefix", Named::Ipv6Prefix, "Ipv6Prefix"),
    ("MACAddress", Named::MacAddress, "MacAddress"),
    ("IEEE_EUI64", Named::Eui64, "Eui64"),
    ("UUID", Named::Uuid, "Uuid"),
    ("StatsCounter32", Named::Counter32, "Counter32"),
    ("StatsCounter64", Named::Counter64, "Counter64"),
];

impl Named {
    /// The type the model calls so; `None` for every name without rules here.
    pub fn from_name(name: &str) -> Named {
        NAMES.iter().find(|(n, ..)| *n == name).map_or(Named::None, |(_, named, _)| *named)
    }

    /// The variant as Rust source.
    pub fn variant(self) -> &'static str {
        NAMES.iter().find(|(_, named, _)| *named == self).map_or("None", |(.., variant)| variant)
    }

    /// A statistics counter. Source: TR-181, StatsCounter32 and StatsCounter64.
    pub const fn is_counter(self) -> bool {
        matches!(self, Named::Counter32 | Named::Counter64)
    }

    /// The one text the value is kept as: addresses in their shortest form, hardware addresses in lower case.
    pub(super) fn canonical(self, text: &str) -> Result<String, Invalid> {
        //= TR-181 IPAddress, IPPrefix, MACAddress: an address, a prefix or a hardware address that is not known is the empty text.
        let (found, allowed) = match self {
            Named::None | Named::Counter32 | Named::Counter64 => return Ok(text.to_owned()),
            Named::Alias => (is_alias(text).then(|| text.to_owned()), "an alias of 1 to 64 characters"),
            Named::Uuid => (uuid(text), "a UUID"),
            _ if text.is_empty() => return Ok(String::new()),
            Named::IpAddress => (ipv4(text).or_else(|| ipv6(text)), "an IP address"),
            Named::Ipv4Address => (ipv4(text), "an IPv4 address"),
            Named::Ipv6Address => (ipv6(text), "an IPv6 address"),
            Named::IpPrefix => (prefix(text, ipv4, 32).or_else(|| prefix(text, ipv6, 128)), "an IP prefix"),
            Named::Ipv4Prefix => (prefix(text, ipv4, 32), "an IPv4 prefix"),
            Named::Ipv6Prefix => (prefix(text, ipv6, 128), "an IPv6 prefix"),
            Named::MacAddress => (bytes(text, 6), "a MAC address"),
            Named::Eui64 => (bytes(text, 8), "an EUI-64 address"),
        };
        found.ok_or_else(|| value(allowed))
    }
}

/// Dotted decimal; leading zeros are decimal too, as the model's pattern has them.
fn ipv4(text: &str) -> Option<String> {
    let octet = |part: &str| -> Option<u8> {
        let plain = (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        part.parse().ok().filter(|_| plain)
    };
    let octets: Vec<u8> = text.split('.').map(octet).collect::<Option<_>>()?;
    <[u8; 4]>::try_from(octets).ok().map(|octets| Ipv4Addr::from(octets).to_string())
}

//= RFC 5952 4: one way to write an IPv6 address, in lower case and shortened.
fn ipv6(text: &str) -> Option<String> {
    text.parse::<Ipv6Addr>().ok().map(|address| address.to_string())
}

/// `address/length` or `/length`; bits behind the length stay as they are.
fn prefix(text: &str, address: fn(&str) -> Option<String>, bits: u8) -> Option<String> {
    let (front, length) = text.split_once('/')?;
    let plain = (1..=3).contains(&length.len()) && length.bytes().all(|b| b.is_ascii_digit());
    let length = length.parse::<u8>().ok().filter(|length| plain && *length <= bits)?;
    let front = if front.is_empty() { String::new() } else { address(front)? };
    Some(format!("{front}/{length}"))
}

fn bytes(text: &str, count: usize) -> Option<String> {
    let pair = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
    (text.split(':').count() == count && text.split(':').all(pair)).then(|| text.to_ascii_lowercase())
}

fn uuid(text: &str) -> Option<String> {
    let group =
        |(part, length): (&str, usize)| part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit());
    let fits = text.split('-').count() == 5 && text.split('-').zip([8, 4, 4, 4, 12]).all(group);
    fits.then(|| text.to_ascii_lowercase())
}
