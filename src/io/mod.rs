//! The only place with tokio, sockets, files, clocks, randomness and processes.

pub mod clock;
pub mod commit;
pub mod disk;
pub mod facts;
pub mod fetch;
pub mod http;
pub mod listener;
pub mod log;
pub mod netlink;
pub mod source;
pub mod store;
pub mod stun;
pub mod tls;
pub mod ubus;
