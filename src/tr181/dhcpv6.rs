//! Device.DHCPv6.: odhcp6c's clients, in what lines cannot say.

mod client;

pub use client::{
    add_sent, addresses, delete_client, delete_sent, enable, interface, prefixes, renew, set_addresses,
    set_enable, set_interface, set_prefixes, set_sent_enable, set_sent_tag, set_sent_value, status,
};

use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::View;

/// For `tree dhcp6`: the `clients`.
pub fn dhcp6(view: &View<'_>) -> Result<Tree, Stop> {
    Ok(Tree::map([("clients", client::clients(view)?)]))
}
