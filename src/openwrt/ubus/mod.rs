//! ubus, OpenWrt's message bus: its payload format, its frames, and a client as a state without a socket.

pub mod blob;
pub mod client;
pub mod frame;
pub mod publish;
pub mod watch;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
