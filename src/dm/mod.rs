//! The data model: paths, types, mapping, reads over a snapshot, planned writes.
//!
//! Pure, and free of any protocol and of OpenWrt: it sees opaque source keys (`uci:dhcp`,
//! `ubus:network.interface/dump`, `file:/sys/…`, `nl:neigh`, `agent:…`) and generic trees of text.

pub mod edit;
pub mod error;
pub mod expr;
pub mod named;
pub mod path;
pub mod pattern;
pub mod record;
pub mod standard;
pub mod tree;
pub mod value;
