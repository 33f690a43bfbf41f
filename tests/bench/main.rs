//! The workbench against a scripted CPE, on loopback.
#![cfg(feature = "bench")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod acs;
mod agent;
mod api;
mod browser;
mod cpe;
mod http;
#[path = "../common/mosquitto.rs"]
mod mosquitto;
#[path = "../common/program.rs"]
mod program;
mod story;
mod usp;
