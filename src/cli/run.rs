//! `run`, the agent itself, and `demo`, which shows it.

use super::router;
use super::{Done, Fail, Global};
use crate::config::Config;
use crate::dm::schema::Model;
use crate::dm::source::Source;
use crate::io;
use crate::io::device::{Device, package};
use crate::io::disk::RealDisk;
use crate::io::pool;
use crate::io::privileged::root;
use log::LevelFilter;
use std::path::Path;
use std::sync::Arc;

/// Runs the agent until it ends; its exit status says why.
///
/// On a router, as root and with a user to run as, what talks to the network is another process, and this one its root part.
pub(super) fn agent(global: &Global, verbose: bool) -> Result<Done, Fail> {
    let root = global.root.as_deref().filter(|root| *root != Path::new("/"));
    let disk = start_log(root, verbose)?;
    if root.is_none() {
        root::hide_memory();
    }
    if root.is_none() && rustix::process::geteuid().is_root() {
        let split = match root::user(&disk) {
            Some(user) => root::run(Arc::new(disk), user, verbose),
            None => Err(format!("there is no user {}", root::USER)),
        };
        match split {
            Ok(status) => return Ok(Done { status, ..Done::from(String::new()) }),
            Err(why) => log::warn!("what talks to the network runs as root, too: {why}"),
        }
    }
    serve(root)
}

/// Runs the part of the agent that talks to the network, until it ends.
pub(super) fn network_part(verbose: bool) -> Result<Done, Fail> {
    root::enter().map_err(|error| Fail::Usage(format!("only `run` starts this: {error}")))?;
    start_log(None, verbose)?;
    root::hide_memory();
    serve(None)
}

/// Starts the log at the level that the settings ask for; the files of the router.
fn start_log(root: Option<&Path>, verbose: bool) -> Result<RealDisk, Fail> {
    let disk = router::disk(root)?;
    let asked = || match package(&disk, "cpeagent").0 {
        Source::Ready(package) => Config::read(&package).0.agent.log_level,
        Source::Absent | Source::Failed(_) => Config::default().agent.log_level,
    };
    let level = if verbose { LevelFilter::Debug } else { asked() };
    // Fails only where a log was started before.
    let _ = io::log::start(io::log::sinks(root), level);
    Ok(disk)
}

fn serve(root: Option<&Path>) -> Result<Done, Fail> {
    let runtime = pool::runtime()?;
    let exit = runtime.block_on(async {
        let device = Device::open(root).map_err(|error| Fail::Disk(error.to_string()))?;
        let model: &'static Model = Box::leak(Box::new(router::model(&device.disk())?));
        io::run::run(device, model).await.map_err(Fail::Disk)
    });
    // What is written is carried through; a name server that does not answer holds up nobody.
    runtime.shutdown_timeout(pool::LAST_WAIT);
    let exit = exit?;
    Ok(Done { status: exit.status(), ..Done::from(String::new()) })
}

/// Serves agents elsewhere, and wakes them at an address instead of where they say.
#[cfg(feature = "bench")]
pub(super) fn workbench(wake: Option<&str>, broker: Option<&str>) -> Result<Done, Fail> {
    pool::runtime()?.block_on(crate::bench::run::workbench(address(wake)?, address(broker)?))?;
    Ok(String::new().into())
}

/// Tells the story of an ACS, a USP controller and an agent on a copy of a recorded router.
#[cfg(feature = "bench")]
pub(super) fn demo(once: bool, broker: Option<&str>) -> Result<Done, Fail> {
    let device = crate::bench::run::recorded();
    let story = crate::bench::run::demo(&device, once, address(broker)?);
    let status = pool::runtime()?.block_on(story)?;
    Ok(Done { status, ..Done::from(String::new()) })
}

#[cfg(feature = "bench")]
fn address(typed: Option<&str>) -> Result<Option<std::net::SocketAddr>, Fail> {
    let read = |at: &str| at.parse().map_err(|_| Fail::Usage(format!("{at} is no address with a port")));
    typed.map(read).transpose()
}
