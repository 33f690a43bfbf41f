//! The mapping of Device:2 onto OpenWrt: one family is one `.toml` and, where lines do not suffice, one `.rs`.
//!
//! `build.rs` compiles the `.toml` files against `standard.tsv` into [`model`]; functions named by `rust NAME` in
//! `x.toml` are in `x.rs`, the setter of `NAME` is `set_NAME`.

pub mod active_ports;
pub mod addresses;
pub mod bridging;
pub mod deviceinfo;
pub mod dhcpv4;
pub mod dhcpv6;
pub mod dns;
pub mod ethernet;
pub mod firewall;
pub mod hosts;
pub mod interfacestack;
pub mod ip;
pub mod layers;
#[cfg(feature = "usp")]
pub mod localagent;
#[cfg(feature = "cwmp")]
pub mod managementserver;
#[cfg(feature = "mqtt")]
pub mod mqtt;
pub mod nat;
pub mod net;
pub mod netdev;
pub mod network;
pub mod odhcpd;
pub mod optionlist;
pub mod pipes;
pub mod ppp;
pub mod processstatus;
pub mod routeradvertisement;
pub mod routing;
pub mod time;
pub mod userinterface;
pub mod users;
pub mod wifi;
pub mod zone;
pub mod zones;

use crate::config;
use crate::dm::dropin::{self, Platform};
use crate::dm::schema::{DerivedFn, Model, Object};
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::View;

/// The tables that `build.rs` made.
#[allow(clippy::all, missing_docs, unused_imports, unused_qualifications)]
mod tables {
    use crate::dm::line::{Add, Each, Line, Piece, Pipe, Rows, Run, Src, Step};
    use crate::dm::named::Named;
    use crate::dm::schema::{
        Argument, Command, Delete, EventDef, Flags, How, Known, Notify, Object, Param, Write,
    };
    use crate::dm::value::{Choice, Limits, Range, Span, Syntax, Type};
    include!(concat!(env!("OUT_DIR"), "/model.rs"));
}

/// Sources that are computed from others, for `tree NAME`.
const DERIVED: &[(&str, DerivedFn)] = &[
    ("ahead", ahead),
    ("images", deviceinfo::images),
    ("config_files", deviceinfo::config_files),
    ("log_files", deviceinfo::log_files),
    ("processors", deviceinfo::processors),
    ("firewall", firewall::firewall),
    ("hosts", hosts::hosts),
    ("users", users::users),
    ("http_access", userinterface::http_access),
    ("nat_interfaces", nat::nat_interfaces),
    ("port_mappings", nat::port_mappings),
    ("load", processstatus::load),
    ("processes", processstatus::processes),
    ("sensors", processstatus::sensors),
    ("layers", layers::layers),
    ("addresses", addresses::addresses),
    ("active_ports", active_ports::active_ports),
    ("services", network::services),
    ("dhcp4", dhcpv4::dhcp4),
    ("routes", routing::routes),
    ("dhcp6", dhcpv6::dhcp6),
    ("dns", dns::dns),
    ("advertisements", routeradvertisement::advertisements),
    ("hostapd", wifi::built_with),
    ("wifi", wifi::netdevs),
    ("wifi_counters", wifi::counters),
    ("wifi_profiles", wifi::profiles),
];

/// What every read of the whole tree comes to need, most of it to know what else there is.
const AHEAD: [&str; 20] = [
    "dir:/proc",
    "dir:/sys/class/ieee80211",
    "dir:/sys/class/net",
    "nl:address",
    "nl:fdb",
    "nl:link",
    "nl:neighbour",
    "nl:route",
    "ubus:dhcp ipv6leases",
    "ubus:network.device status",
    "ubus:network.interface dump",
    "ubus:network.wireless status",
    "ubus:service list",
    "ubus:system board",
    "uci:dhcp",
    "uci:firewall",
    "uci:network",
    "uci:system",
    "uci:uhttpd",
    "uci:wireless",
];

/// Waits for all of [`AHEAD`] together; one that cannot be read is the matter of whoever reads it.
fn ahead(view: &View<'_>) -> Result<Tree, Stop> {
    match AHEAD.iter().filter(|key| view.tree(key) == Err(Stop::Wait)).count() {
        0 => Ok(Tree::Map(Vec::new())),
        _ => Err(Stop::Wait),
    }
}

/// How many live parameters of CWMP the standard has per top-level object (`""`: those of the root itself).
pub const STANDARD_COUNTS: &[(&str, usize)] = include!(concat!(env!("OUT_DIR"), "/coverage.rs"));

/// The supported model of this build.
pub fn model() -> Result<Model, String> {
    model_of(tables::OBJECTS.to_vec())
}

fn model_of(objects: Vec<Object>) -> Result<Model, String> {
    // What the agent would not take up from its settings is not written there.
    let mut model = Model::new(objects, pipes::PIPES, DERIVED)?;
    model.allows = config::allows;
    Ok(model)
}

/// The same with vendor extensions (file name and text), and what is wrong with those that were left out.
pub fn model_with(files: &[(String, String)]) -> Result<(Model, Vec<String>), String> {
    let platform = Platform { pipes: pipes::PIPES, derived: DERIVED };
    let (objects, mistakes) = dropin::merge(tables::OBJECTS.to_vec(), platform, files);
    Ok((model_of(objects)?, mistakes))
}
