//! The data model: paths, types, mapping, reads over a snapshot, planned writes.
//!
//! Pure, and free of any protocol and of OpenWrt: it sees opaque source keys (`uci:dhcp`,
//! `ubus:network.interface dump`, `file:/sys/…`, `nl:neighbour`, `agent:…`) and generic trees of text.

pub mod acl;
pub mod assemble;
pub mod assignment;
pub mod draft;
pub mod dropin;
pub mod edit;
pub mod error;
pub mod eval;
pub mod expr;
pub mod instance;
pub mod language;
pub mod line;
pub mod mapfile;
pub mod named;
pub mod operate;
pub mod path;
pub mod pattern;
pub mod pending;
pub mod read;
pub mod record;
mod rows;
pub mod run;
pub mod schema;
pub mod search;
pub mod source;
pub mod standard;
pub mod tree;
pub mod undo;
pub mod value;
mod verify;
pub mod view;
pub mod write;
