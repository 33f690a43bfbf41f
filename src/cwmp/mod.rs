//! TR-069 (CWMP): messages, sessions, faults. No I/O.
//!
//! | module | owns |
//! |---|---|
//! | [`version`] | the versions of the protocol and their namespaces |
//! | [`soap`] | envelopes: bounded reading, writing in pieces |
//! | [`rpc`] | a type per RPC |
//! | [`session`] | when a session starts, what is said, how it ends |
//! | [`port`] | what a session is told and what it asks for |
//! | [`events`] [`ledger`] | the table of events; those not yet delivered |
//! | [`record`] | what survives a power cut, line by line |
//! | [`schedule`] | ScheduleInform requests that wait |
//! | [`inform`] | the contents of an Inform |
//! | [`notify`] | notification attributes and what the ACS was last told |
//! | [`fault`] | refusals of the data model as fault codes |
//!
//! It does not know what a parameter means: requests go out as [`rpc::Rpc`] values and come back as
//! [`rpc::Answer`]s. Driven by `agent`.

pub mod events;
pub mod fault;
mod heard;
pub mod inform;
pub mod ledger;
pub mod notify;
pub mod port;
pub mod record;
pub mod rpc;
pub mod schedule;
pub mod session;
pub mod soap;
pub mod version;
