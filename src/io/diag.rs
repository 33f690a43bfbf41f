//! Carries diagnostics out: the sockets behind [`crate::diag`], each bounded in time and octets.
//!
//! On a device in a folder only loopback is reached: its interfaces and networks are not those of this machine. Driven by
//! the loop, one task per diagnostic; dropping the task ends it.

mod echo;
pub(super) mod lookup;
#[cfg(test)]
mod tests;
mod transfer;

pub use echo::raw_socket;

use super::clock::Clock;
use super::disk::RealDisk;
use super::fetch::Fetch;
use super::http::connect::{self, Route};
use super::http::error::Error;
use crate::diag::{self, MAX_TIME, Order, Task, Verdict, neighbours};
use crate::dm::source::Source;
use crate::dm::tree::Tree;
use crate::rng::Rng;
use crate::way::Family;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a name may take to look up.
const NAME_WAIT: Duration = Duration::from_secs(20);
/// The port of name servers.
pub const DNS_PORT: u16 = 53;

/// What a device's diagnostics are run with.
#[derive(Clone)]
pub struct Lab {
    /// Its files.
    pub disk: Arc<RealDisk>,
    /// Its sources.
    pub fetch: Fetch,
    /// Its clocks.
    pub clock: Clock,
    /// Whether it is one in a folder.
    pub folder: bool,
    /// Certificates that servers are held against.
    pub ca_file: PathBuf,
    /// Where name servers listen.
    pub dns_port: u16,
}

impl Lab {
    /// Runs a diagnostic to its end, or to the longest that one may take.
    pub async fn run(self, order: Order, rng: Rng) -> Verdict {
        let work = async {
            match &order.task {
                Task::Ping(ask) => self.ping(ask, order.device.clone(), rng).await,
                Task::Route(ask) => self.trace(ask, order.device.clone(), rng).await,
                Task::Lookup(ask) => self.look_up(ask, order.device.clone(), rng).await,
                Task::Transfer(ask) => self.transfer(ask, order.device.clone(), rng).await,
                Task::Neighbours(radios) => self.listen(radios).await,
            }
        };
        // Each has an end of its own; this is for what they wait for and have not bounded.
        let longest = MAX_TIME + MAX_TIME / 10;
        timeout(longest, work).await.unwrap_or_else(|_| Verdict::bare(order.task.kind().failed()))
    }

    /// How the packets of a diagnostic leave.
    fn route(&self, device: Option<String>, family: Family, dscp: u8) -> Route {
        let interface = device.filter(|_| !self.folder);
        Route { interface, family, dscp: (dscp > 0).then_some(dscp), ..Route::default() }
    }

    /// The first address of a host; the word for why there is none.
    async fn address(&self, host: &str, port: u16, route: &Route) -> Result<SocketAddr, &'static str> {
        let found = connect::addresses(host, port, route, NAME_WAIT).await.map_err(|error| match error {
            Error::Name(..) | Error::Timeout(_) => diag::NO_NAME,
            _ => diag::INTERNAL,
        })?;
        let near = |address: &SocketAddr| !self.folder || address.ip().is_loopback();
        found.into_iter().find(near).ok_or(diag::NO_ROUTE)
    }

    /// Has every radio scan.
    async fn listen(&self, radios: &[(String, String)]) -> Verdict {
        let mut heard: Vec<(String, Tree)> = Vec::new();
        for (path, device) in radios {
            match self.fetch.fetch(&format!("ubus:iwinfo scan device={device}")).await {
                Source::Ready(scan) => heard.push((path.clone(), scan.as_ref().clone())),
                Source::Absent | Source::Failed(_) => log::warn!("{device} does not scan"),
            }
        }
        if heard.is_empty() && !radios.is_empty() {
            return Verdict::bare(diag::Kind::Neighbours.failed());
        }
        let scans: Vec<(String, &Tree)> = heard.iter().map(|(path, scan)| (path.clone(), scan)).collect();
        neighbours::verdict(&scans)
    }
}
