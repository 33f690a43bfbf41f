//! ubus, OpenWrt's message bus: its payload format, its frames, and a client as a state without a socket.

pub mod blob;
