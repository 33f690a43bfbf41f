//! Device.DHCPv6.: odhcp6c's clients and odhcpd's pools, in what lines cannot say.

mod client;
mod server;

pub use client::{
    add_sent, addresses, delete_client, delete_sent, enable, interface, prefixes, set_addresses, set_enable,
    set_interface, set_prefixes, set_sent_enable, set_sent_tag, set_sent_value, status,
};

pub use super::dhcpv4::lease_active;
pub use server::{
    add_length, add_option, address_prefixes, delegated_prefixes, delete_option, delete_pool, pool_enable,
    pool_status, server_enable, set_add_length, set_option_enable, set_option_tag, set_option_value,
    set_pool_enable, set_pool_order, set_server_enable,
};

use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::View;

/// For `tree dhcp6`: the `clients` and the `pools`.
pub fn dhcp6(view: &View<'_>) -> Result<Tree, Stop> {
    let (clients, pools) = (client::clients(view), server::pools(view));
    Ok(Tree::map([("clients", clients?), ("pools", pools?)]))
}
