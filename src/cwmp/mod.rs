//! TR-069 (CWMP): messages, sessions, faults. No I/O.
//!
//! | module | owns |
//! |---|---|
//! | [`version`] | the versions of the protocol and their namespaces |
//! | [`soap`] | envelopes: bounded reading, writing in pieces |
//! | [`rpc`] | a type per RPC |
//! | [`fault`] | refusals of the data model as fault codes |
//!
//! It does not know what a parameter means: requests go out as [`rpc::Rpc`] values and come back as
//! [`rpc::Answer`]s. Driven by `agent`.

pub mod fault;
pub mod rpc;
pub mod soap;
pub mod version;
