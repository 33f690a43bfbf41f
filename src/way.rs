//! The way by which packets leave: to a manager, or from a diagnostic. `io` takes it.

use std::net::IpAddr;

/// The way to a manager, as it is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// The section in `/etc/config/network` to bind to; the routing table decides where empty.
    pub interface: String,
    /// The address to send from.
    pub source_address: Option<IpAddr>,
    /// The address families to use.
    pub family: Family,
    /// Differentiated services code point, 0 to 63.
    pub dscp: u8,
    /// The routing mark.
    pub mark: Option<u32>,
}

/// Address families.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Both, in the resolver's order.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}
