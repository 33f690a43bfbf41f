//! cpeagent: an OpenWrt router managed by TR-069 and TR-369 over one TR-181 data model.
//!
//! A pure core and a thin shell. Everything outside [`io`] and the `main` program takes bytes, a
//! [`time::Now`] and seeded randomness, and returns values or actions; see `docs/ARCHITECTURE.md`.
//!
//! | module | owns |
//! |---|---|
//! | [`time`] [`rng`] [`retry`] [`periodic`] [`secret`] [`digest`] [`sealed`] [`audit`] | what every part needs |
//! | [`dm`] | the data model: paths, types, mapping, reads over a snapshot, planned writes |
//! | [`openwrt`] | UCI text, ubus frames, netlink messages |
//! | [`tr181`] | the mapping of Device:2 onto OpenWrt |
//! | `cwmp` | TR-069: messages, sessions, faults (a feature) |
//! | `usp` | TR-369: Records, messages, faults (a feature) |
//! | [`diag`] | diagnostics: what is asked, the packets, the results |
//! | `wake` | connection requests over HTTP and UDP (with `cwmp`) |
//! | [`journal`] [`state`] [`config`] | commits; what survives a reboot; typed settings |
//! | [`discovery`] [`provision`] | settings from DHCP and from who built the image |
//! | [`agent`] | owns the above: event in, actions out |
//! | [`io`] | the only place with sockets, files, clocks |
//! | [`cli`] | the commands a person types |

#[cfg(not(any(feature = "cwmp", feature = "usp")))]
compile_error!("an agent needs a protocol: feature `cwmp` (TR-069), or `websocket` or `mqtt` (TR-369)");
#[cfg(all(feature = "usp", not(any(feature = "websocket", feature = "mqtt"))))]
compile_error!("USP needs a transport: feature `websocket` or `mqtt`");

pub mod agent;
pub mod audit;
#[cfg(feature = "bench")]
pub mod bench;
pub mod cli;
pub mod config;
#[cfg(feature = "cwmp")]
pub mod cwmp;
pub mod diag;
pub mod digest;
pub mod discovery;
pub mod dm;
pub mod io;
pub mod journal;
pub mod mqtt;
pub mod openwrt;
pub mod periodic;
pub mod provision;
pub mod retry;
pub mod rng;
pub mod sealed;
pub mod secret;
pub mod sorted;
pub mod state;
pub mod time;
pub mod tr181;
#[cfg(feature = "usp")]
pub mod usp;
#[cfg(feature = "cwmp")]
pub mod wake;
pub mod way;
pub mod x509;
