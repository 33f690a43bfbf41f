//! The only place with tokio, sockets, files, clocks, randomness and processes.

pub mod body;
pub mod clock;
pub mod commit;
pub mod device;
pub mod disk;
pub mod dropin;
pub mod facts;
pub mod fetch;
pub mod http;
pub mod listener;
pub mod live;
pub mod local;
pub mod log;
pub mod netlink;
pub mod notice;
pub mod pool;
pub mod program;
pub mod random;
pub mod run;
pub mod signals;
pub mod sockets;
pub mod source;
pub mod store;
pub mod stun;
pub mod tls;
pub mod ubus;
