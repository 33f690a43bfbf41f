//! Device.DHCPv4.: netifd's DHCP clients and dnsmasq's pools, in what lines cannot say.
//!
//! Owns `tree dhcp4`, from which the tables take their rows. `client` and `server` hold the functions of the lines,
//! `items` what lies in a pool, `lease` who got an address, `options` dnsmasq's words for options.

mod client;
mod items;
mod lease;
mod options;
mod server;

pub use client::{
    add_requested, add_sent, client_dns, client_enable, client_interface, client_lease_remaining,
    client_lease_status, client_routers, client_status, delete_client, delete_requested, delete_sent,
    requested_value, set_client_enable, set_client_interface, set_requested_enable, set_requested_order,
    set_requested_tag, set_sent_enable, set_sent_tag, set_sent_value,
};
pub use items::{
    add_option, add_static, delete_option, set_option_enable, set_option_tag, set_option_value,
    set_static_chaddr, set_static_yiaddr, static_chaddr, static_yiaddr,
};
pub use lease::lease_active;
pub use server::{
    delete_pool, pool_dns, pool_domain, pool_enable, pool_mask, pool_max, pool_min, pool_reserved,
    pool_routers, pool_status, pool_wins, server_enable, set_pool_dns, set_pool_domain, set_pool_enable,
    set_pool_mask, set_pool_max, set_pool_min, set_pool_order, set_pool_reserved, set_pool_routers,
    set_pool_wins, set_server_enable,
};

use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::View;

/// For `tree dhcp4`: maps `clients` and `pools` by section name.
///
/// A client has `section`, `sent` and `requested`; a pool has `order`, `options`, `statics` and `leases`.
pub fn dhcp4(view: &View<'_>) -> Result<Tree, Stop> {
    let clients = client::clients(view);
    let pools = server::pools(view);
    Ok(Tree::map([("clients", clients?), ("pools", pools?)]))
}
