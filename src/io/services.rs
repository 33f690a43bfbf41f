//! Telling the services of the router what changed, and calling them.
//!
//! In the background and in order (`Hands`): a service that hangs holds up no session. In a folder nothing is called; a
//! line in its `actions.log` says what would have been.

use super::device::ACTIONS;
use super::disk::{Disk, RealDisk};
use super::firewall::{self, Opening};
use super::pool;
use super::privileged::{Ask, Privileged};
use super::run::Told;
use super::ubus::Ubus;
use crate::dm::tree::Tree;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// How long a call that changes something may take.
const CALL_WAIT: Duration = Duration::from_secs(10);
/// Between attempts to tell of a package.
const RETRY_WAIT: Duration = Duration::from_secs(10);
/// How often a package is announced until it is left to the next start.
const MAX_TRIES: u8 = 6;
/// Orders that wait.
const QUEUE: usize = 32;

/// The services of one router.
#[derive(Clone)]
pub struct Services {
    /// The files of the folder, if it is one.
    pub(super) folder: Option<Arc<RealDisk>>,
    pub(super) ubus: Option<Ubus>,
}

/// What is to be done.
pub(super) enum Order {
    /// Tell of packages as they are after this commit, then make these calls.
    Announce(u64, Vec<Box<str>>, Vec<Box<str>>),
    /// Have the firewall opened like this, and no other way.
    Openings(Privileged, Vec<Opening>),
}

impl Services {
    /// Tells of packages and makes calls, in order, each once; the packages that were heard of, and the calls.
    pub async fn tell(&self, packages: &[Box<str>], calls: &[Box<str>]) -> Vec<Box<str>> {
        let mut heard = Vec::new();
        for package in packages {
            if self.announce(package).await {
                heard.push(package.clone());
            }
        }
        for call in calls {
            self.call_named(call).await;
            heard.push(call.clone());
        }
        heard
    }

    /// Tells that a package changed; whether it was heard.
    async fn announce(&self, package: &str) -> bool {
        if self.folder.is_some() {
            self.log(&format!("reload {package}"));
            return true;
        }
        let data = Tree::map([("package", Tree::from(package))]);
        let event = Tree::map([("type", Tree::from("config.change")), ("data", data)]);
        self.call("service", "event", &event).await
    }

    /// Makes a call such as `ubus:network.interface.wan renew`.
    async fn call_named(&self, call: &str) {
        let words = call.strip_prefix("ubus:").and_then(|call| call.split_once(' '));
        match words {
            _ if self.ubus.is_none() => self.log(&format!("call {call}")),
            Some((object, method)) => drop(self.call(object, method, &Tree::Map(Vec::new())).await),
            None => log::error!("{call} is nothing to call"),
        }
    }

    /// Calls a method; whether it went well.
    pub(super) async fn call(&self, object: &str, method: &str, arguments: &Tree) -> bool {
        let Some(ubus) = &self.ubus else {
            log::error!("no ubus to call {object} {method}");
            return false;
        };
        match ubus.call(object, method, arguments, CALL_WAIT).await {
            Ok(_) => true,
            Err(error) => {
                log::error!("ubus call {object} {method}: {error}");
                false
            }
        }
    }

    /// Writes down what would be done to a router in a folder.
    pub(super) fn log(&self, action: &str) {
        log::info!("would do: {action}");
        if let Some(disk) = &self.folder
            && let Err(error) = disk.extend(ACTIONS, format!("{action}\n").as_bytes())
        {
            log::error!("{ACTIONS}: {error}");
        }
    }

    async fn carry_out(&self, order: Order, told: &mpsc::Sender<Told>) {
        match order {
            Order::Announce(upto, packages, calls) => {
                self.announce_all(upto, packages, told).await;
                // One that is refused is so the next time, too.
                for call in calls {
                    self.call_named(&call).await;
                    let _ = told.send(Told::Announced(upto, vec![call])).await;
                }
            }
            Order::Openings(privileged, openings) if self.folder.is_none() => {
                let done = pool::run(move || privileged.ask(Ask::Openings(openings)).done()).await;
                done.unwrap_or_else(|error| log::error!("the firewall is not opened: {error}"));
            }
            Order::Openings(_, openings) if openings.is_empty() => {}
            Order::Openings(_, openings) => self.log(&format!("service data {}", firewall::data(&openings))),
        }
    }

    async fn announce_all(&self, upto: u64, mut packages: Vec<Box<str>>, told: &mpsc::Sender<Told>) {
        for tried in 1.. {
            let mut deaf = Vec::new();
            for package in std::mem::take(&mut packages) {
                match self.announce(&package).await {
                    true => drop(told.send(Told::Announced(upto, vec![package])).await),
                    false => deaf.push(package),
                }
            }
            packages = deaf;
            if packages.is_empty() || tried == MAX_TRIES {
                return;
            }
            sleep(RETRY_WAIT).await;
        }
    }
}

/// Carries orders out, one after the other.
pub(super) struct Hands {
    orders: mpsc::Sender<Order>,
    task: JoinHandle<()>,
}

impl Hands {
    /// Begins; what was announced comes back as [`Told::Announced`].
    pub(super) fn start(services: Services, told: mpsc::Sender<Told>) -> Hands {
        let (orders, mut given) = mpsc::channel(QUEUE);
        let task = pool::spawn(async move {
            while let Some(order) = given.recv().await {
                services.carry_out(order, &told).await;
            }
        });
        Hands { orders, task }
    }

    /// Gives an order. Beyond [`QUEUE`] it is not taken: an announcement is then left to the next start.
    pub(super) fn give(&self, order: Order) {
        if let Err(error) = self.orders.try_send(order) {
            log::error!("the services do not keep up: {error}");
        }
    }

    /// Waits until all is carried out, but no longer than `wait`.
    pub(super) async fn finish(self, wait: Duration) {
        drop(self.orders);
        let _ = timeout(wait, self.task).await;
    }
}
