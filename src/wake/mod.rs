//! Connection requests: digest over HTTP, STUN bindings and signed UDP requests. No I/O.
//!
//! | part | owns |
//! |---|---|
//! | [`http`] | what an HTTP connection request is answered, and whether it starts a session |
//! | [`stun`] | STUN messages as octets |
//! | [`binding`] | the address behind a NAT: found, kept alive, its lifetime searched for |
//! | [`udp`] | whether a datagram is a genuine UDP connection request |
//!
//! Sockets are `io::listener`'s and `io::stun`'s; the session that follows is `agent`'s.

pub mod binding;
pub mod http;
pub mod stun;
pub mod udp;
