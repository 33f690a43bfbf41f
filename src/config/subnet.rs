//! Addresses that begin alike, as settings name them. What is made of one is digits, dots and colons, whatever was read.

use std::fmt;
use std::net::IpAddr;

/// An address, or all that share so many of its first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subnet {
    address: IpAddr,
    bits: u8,
}

impl Subnet {
    /// Reads `192.0.2.7`, `192.0.2.0/24` or `2001:db8::/32`.
    pub fn parse(text: &str) -> Option<Subnet> {
        let Some((address, bits)) = text.split_once('/') else {
            return text.parse::<IpAddr>().ok().map(Subnet::from);
        };
        let whole = Subnet::from(address.parse::<IpAddr>().ok()?);
        let digits = (1..=3).contains(&bits.len()) && bits.bytes().all(|digit| digit.is_ascii_digit());
        let bits = bits.parse().ok().filter(|bits| digits && *bits <= whole.bits)?;
        Some(Subnet { bits, ..whole })
    }

    /// Whether it is of IPv4.
    pub fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }
}

impl From<IpAddr> for Subnet {
    fn from(address: IpAddr) -> Subnet {
        let address = address.to_canonical();
        Subnet { address, bits: if address.is_ipv4() { 32 } else { 128 } }
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_a_network_is_read_and_nothing_else_is() {
        for (text, want) in [
            ("192.0.2.7", Some("192.0.2.7/32")),
            ("192.0.2.0/24", Some("192.0.2.0/24")),
            ("2001:db8::/32", Some("2001:db8::/32")),
            ("::ffff:192.0.2.7", Some("192.0.2.7/32")),
            ("0.0.0.0/0", Some("0.0.0.0/0")),
            ("192.0.2.0/33", None),
            ("192.0.2.0/", None),
            ("192.0.2.0/+8", None),
            ("192.0.2.0/0024", None),
            ("192.0.2.0/24 accept", None),
            ("192.0.2.7; drop", None),
            ("fe80::1%eth0", None),
            ("acs.example.net", None),
            ("!192.0.2.7", None),
            ("@set", None),
            ("", None),
        ] {
            assert_eq!(Subnet::parse(text).map(|subnet| subnet.to_string()).as_deref(), want, "{text:?}");
        }
    }
}
