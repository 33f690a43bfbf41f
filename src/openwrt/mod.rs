//! Pure knowledge of the platform: what its files, sockets and messages look like. No I/O.

pub mod json;
pub mod netlink;
pub mod ubus;
pub mod uci;
