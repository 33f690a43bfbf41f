//! The workbench: a small ACS and USP controller with a web page, and the demo. Never in a router image.
//!
//! It is a peer of the agent and not a part of it: it has its own reading and writing of XML, SOAP and HTTP, so that
//! a mistake the agent makes on both its sides still meets somebody who disagrees. Driven by `cpeagent demo` and by
//! the tests.
//!
//! | module | owns |
//! |---|---|
//! | [`xml`] | a document as a tree, read with bounds and written |
//! | [`auth`] | HTTP Digest on both sides |
//! | [`http`] | a small HTTP/1.1 server and client |
//! | [`rpc`] | what can be asked of a CPE and what comes back, as XML |
//! | [`inform`] | what a CPE says about itself |
//! | [`acs`] | devices and calls |
//! | [`known`] [`log`] | what it has learnt of each device; what was said |
//! | `session` | what the ACS answers to each message of a CPE |
//! | [`page`] | the web page and its JSON interface, on loopback |
//! | [`broker`] | messages of MQTT between agent and controller, where no other broker is there |
//! | [`controller`] | sessions with USP agents, requests and notifications |
//! | [`message`] | USP messages as JSON |
//! | [`demo`] [`demo_usp`] | the story told step by step |

pub mod acs;
pub mod auth;
pub mod broker;
pub mod controller;
pub mod demo;
pub mod demo_usp;
pub mod http;
pub mod inform;
pub mod known;
pub mod log;
pub mod message;
pub mod page;
pub mod rpc;
pub mod run;
mod session;
pub mod xml;
