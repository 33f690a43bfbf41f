//! `run`, the agent itself, and `demo`, which shows it.

use super::{Done, Fail, Global};
use crate::config::Config;
use crate::dm::schema::Model;
use crate::dm::source::Source;
use crate::io;
use crate::io::device::{Device, package};
use crate::io::pool;
use log::LevelFilter;
use std::path::Path;

/// Runs the agent until it ends; its exit status says why.
pub(super) fn agent(global: &Global, verbose: bool) -> Result<Done, Fail> {
    let root = global.root.as_deref().filter(|root| *root != Path::new("/"));
    let runtime = pool::runtime()?;
    let exit = runtime.block_on(async {
        let device = Device::open(root).map_err(|error| Fail::Disk(error.to_string()))?;
        let level = if verbose { LevelFilter::Debug } else { level(&device) };
        // Fails only where a log was started before.
        let _ = io::log::start(io::log::sinks(root), level);
        let model: &'static Model = Box::leak(Box::new(super::router::model(&device.disk())?));
        io::run::run(device, model).await.map_err(Fail::Disk)
    });
    // What is written is carried through; a name server that does not answer holds up nobody.
    runtime.shutdown_timeout(pool::LAST_WAIT);
    let exit = exit?;
    Ok(Done { status: exit.status(), ..Done::from(String::new()) })
}

/// The level that the settings ask for.
fn level(device: &Device) -> LevelFilter {
    match package(&*device.disk(), "cpeagent").0 {
        Source::Ready(package) => Config::read(&package).0.agent.log_level,
        Source::Absent | Source::Failed(_) => Config::default().agent.log_level,
    }
}

/// Serves agents elsewhere, and wakes them at an address instead of where they say.
#[cfg(feature = "bench")]
pub(super) fn workbench(wake: Option<&str>) -> Result<Done, Fail> {
    let wake = wake.map(|at| at.parse().map_err(|_| Fail::Usage(format!("{at} is no address with a port"))));
    pool::runtime()?.block_on(crate::bench::run::workbench(wake.transpose()?))?;
    Ok(String::new().into())
}

/// Tells the story of an ACS, a USP controller and an agent on a copy of a recorded router.
#[cfg(feature = "bench")]
pub(super) fn demo(once: bool) -> Result<Done, Fail> {
    let status = pool::runtime()?.block_on(crate::bench::run::demo(&crate::bench::run::recorded(), once))?;
    Ok(Done { status, ..Done::from(String::new()) })
}
