//! TR-069 (CWMP): messages, sessions, faults. No I/O.
//!
//! | module | owns |
//! |---|---|
//! | [`version`] | the versions of the protocol and their namespaces |
//! | [`soap`] | envelopes: bounded reading, writing in pieces |
//! | [`rpc`] | a type per RPC |
//! | [`session`] | when a session starts, what is said, how it ends |
//! | [`events`] | events not yet delivered, and what survives a power cut |
//! | [`periodic`] | when the periodic Inform is due |
//! | [`inform`] | the contents of an Inform |
//! | [`notify`] | notification attributes and what the ACS was last told |
//! | [`fault`] | refusals of the data model as fault codes |
//!
//! It does not know what a parameter means: requests go out as [`rpc::Rpc`] values and come back as
//! [`rpc::Answer`]s. Driven by `agent`.

pub mod events;
pub mod fault;
pub mod inform;
pub mod notify;
pub mod periodic;
pub mod rpc;
pub mod session;
pub mod soap;
pub mod version;
