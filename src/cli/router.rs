//! The router that a command works on when no agent runs: `/` or a device folder, its model, its files and memory.
//!
//! Commits what [`Local`] planned and has the services told of it. Of a device folder nothing but its files is
//! touched.

use super::local::{Fetcher, Local};
use super::{Fail, Global};
use crate::dm::draft::AGENT;
use crate::dm::draft::OWN;
use crate::dm::edit::Edit;
use crate::dm::error::{Error, Refusal};
use crate::dm::schema::Model;
use crate::dm::source::Source;
use crate::dm::tree::Tree;
use crate::dm::view::{KEPT, PENDING};
use crate::dm::write::{NoPlan, Plan, Planner, Policy};
use crate::io::announce;
use crate::io::clock::Clock;
use crate::io::commit::{self, Request, package_sum};
use crate::io::device::Device;
use crate::io::disk::RealDisk;
use crate::io::dropin;
use crate::io::provision::{self, Taken};
use crate::io::store::Store;
use crate::openwrt::uci;
use crate::sorted::{Map, Set};
use crate::tr181;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// How often a request is planned again because somebody changed a file meanwhile.
const MAX_REPLANS: u8 = 3;

/// The checksums of the packages as they were read.
type Sums = Rc<RefCell<Map<Box<str>, Box<str>>>>;

/// A router.
pub struct Router {
    /// Its files.
    pub disk: Arc<RealDisk>,
    /// What it is read with.
    pub local: Local,
    /// How it is reached.
    pub device: Rc<Device>,
    /// For what waits.
    pub runtime: Rc<Runtime>,
    store: Store,
    sums: Sums,
}

/// Opens the files of a router: `/`, or a device folder.
pub fn disk(root: Option<&Path>) -> Result<RealDisk, Fail> {
    let root = root.unwrap_or(Path::new("/"));
    RealDisk::new(root).map_err(|error| Fail::Disk(format!("{}: {error}", root.display())))
}

/// The supported model with the vendor extensions of this router; a wrong one is logged and left out.
pub fn model(disk: &RealDisk) -> Result<Model, Fail> {
    let (files, mut mistakes) = dropin::read(disk);
    let (model, wrong) = tr181::model_with(&files).map_err(Fail::Refused)?;
    mistakes.extend(wrong);
    mistakes.iter().for_each(|mistake| log::error!("{mistake}; the file is left out"));
    Ok(model)
}

impl Router {
    /// The router that the options name. A device folder is read from its recordings unless a ubusd listens in it.
    pub(super) fn open(global: &Global) -> Result<Router, Fail> {
        let root = global.root.as_deref().filter(|root| *root != Path::new("/"));
        disk(root)?;
        let runtime = Rc::new(tokio::runtime::Builder::new_current_thread().enable_all().build()?);
        let device = {
            let _within = runtime.enter();
            Rc::new(Device::open(root)?)
        };
        let disk = device.disk();
        let (store, _, faults) = Store::load(&*disk)?;
        faults.iter().for_each(|fault| log::warn!("{fault}"));
        let clock = match device.is_folder() {
            true => Clock::still(&*disk).unwrap_or(Clock::Machine),
            false => Clock::Machine,
        };
        let sums = Sums::default();
        let fetcher = fetcher(device.clone(), runtime.clone(), sums.clone());
        let model = model(&disk)?;
        let local = Local::over(model, fetcher, store.state().clone(), clock.now());
        Ok(Router { disk, local, device, runtime, store, sums })
    }

    /// The source of a key, fetched now.
    pub fn source(&self, key: &str) -> Source {
        let mut sources = self.runtime.block_on(self.device.sources().fetch_all(Set::from([key.into()])));
        sources.pop().map_or(Source::Absent, |(_, source)| source)
    }

    /// Keeps the numbers that reading has given, so that they are the same next time and for the agent.
    ///
    /// Not in a device folder: reading one leaves it as it is. Without the right to write it is only said.
    pub fn keep_numbers(&mut self) {
        if self.device.is_folder() || !self.local.instances.borrow_mut().take_dirty() {
            return;
        }
        let mut state = self.store.state().clone();
        let full = state.set_instances(&self.local.instances.borrow()).is_err();
        if full || self.store.save(&*self.disk, state).is_err() {
            eprintln!("the numbers of new rows could not be kept: they may differ next time");
        }
    }

    /// Plans what `ask` says.
    pub fn plan(&self, ask: impl Fn(&mut Planner<'_>) -> Result<(), NoPlan>) -> Result<Plan, Fail> {
        self.sums.borrow_mut().clear();
        // A person who writes an empty text means it.
        self.local.plan(Policy { keep_secret_on_empty: false }, ask).map_err(|errors| refused(&errors))
    }

    /// Plans, commits and has the services told; the plan, and the packages that changed.
    pub fn change(
        &mut self,
        ask: impl Fn(&mut Planner<'_>) -> Result<(), NoPlan>,
    ) -> Result<(Plan, Vec<Box<str>>), Fail> {
        self.carry_out(|router| router.plan(&ask))
    }

    /// Commits the edits that `ask` makes upon the agent's own package, and has them told; whether there were any.
    pub fn configure(&mut self, ask: impl Fn(&Tree) -> Vec<Edit>) -> Result<bool, Fail> {
        let (_, packages) = self.carry_out(|router| {
            router.sums.borrow_mut().clear();
            let fetched = router.local.fetch(Set::from([OWN.into()]));
            let edits = match fetched.into_iter().next() {
                Some((_, Source::Ready(package))) => ask(&package),
                Some((_, Source::Failed(why))) => return Err(Fail::Disk(why)),
                Some((_, Source::Absent)) | None => ask(&Tree::Map(Vec::new())),
            };
            Ok(Plan { edits, ..Plan::default() })
        })?;
        Ok(!packages.is_empty())
    }

    /// Takes up what the image and the factory give, and has it told.
    pub(super) fn provision(&mut self, file: &str) -> Taken {
        let taken = provision::take_up(&*self.disk, &mut self.store, file);
        if !taken.packages.is_empty() {
            self.tell(&taken.packages, &[]);
        }
        taken
    }

    fn tell(&self, packages: &[Box<str>], calls: &[Box<str>]) {
        let heard = self.runtime.block_on(self.device.services().tell(packages, calls));
        // What is still noted is told once more when the agent starts.
        let _ = announce::told(&*self.disk, self.store.state().commit(), &heard);
    }

    fn carry_out(
        &mut self,
        plan: impl Fn(&Router) -> Result<Plan, Fail>,
    ) -> Result<(Plan, Vec<Box<str>>), Fail> {
        let mut replans = 0;
        loop {
            let plan = plan(self)?;
            match self.commit(&plan) {
                Ok(packages) => {
                    self.tell(&packages, &plan.calls);
                    return Ok((plan, packages));
                }
                Err(commit::Error::Changed(_)) if replans < MAX_REPLANS => replans += 1,
                Err(error @ (commit::Error::Disk(_) | commit::Error::Unfinished(_))) => {
                    return Err(Fail::Disk(error.to_string()));
                }
                Err(error) => return Err(Fail::Refused(error.to_string())),
            }
        }
    }

    fn commit(&mut self, plan: &Plan) -> Result<Vec<Box<str>>, commit::Error> {
        let full = |_| commit::Error::Refused("the agent's memory is full".into());
        let mut next = self.store.state().clone();
        let refused = |why: Refusal| commit::Error::Refused(why.to_string());
        if !plan.resets.is_empty() || plan.calls.iter().any(|call| call.starts_with(AGENT)) {
            return Err(commit::Error::Refused(
                "only the agent itself can do this, and it does not run".into(),
            ));
        }
        let mut edits = next.take(plan.edits.clone()).map_err(refused)?;
        if let Some(instances) = &plan.instances {
            next.set_instances(instances).map_err(full)?;
        }
        if edits.is_empty() && plan.calls.is_empty() {
            self.store.save(&*self.disk, next)?;
            return Ok(Vec::new());
        }
        edits.extend(self.store.state().difference(&next));
        let (read, calls) = (self.sums.borrow().clone(), plan.calls.clone());
        let request = Request { edits, read, calls, keep: None };
        commit::commit(&*self.disk, &mut self.store, &request).map(|done| done.packages)
    }

    /// What a plan changes, in the words of `uci`, secrets masked, and the services that would be reloaded.
    pub fn preview(&self, plan: &Plan) -> Result<(String, Set<&'static str>), Fail> {
        let (mut text, mut services) = (String::new(), Set::new());
        for source in plan.sources() {
            let edits: Vec<&Edit> = plan.edits.iter().filter(|edit| &*edit.source == source).collect();
            let before = match source {
                PENDING => self.local.state().pending(),
                KEPT => self.local.state().kept(),
                _ => match self.source(source) {
                    Source::Ready(tree) => Tree::clone(&tree),
                    Source::Absent => Tree::Map(Vec::new()),
                    Source::Failed(why) => return Err(Fail::Disk(why)),
                },
            };
            let mut after = before.clone();
            for edit in edits {
                edit.apply(&mut after).map_err(|conflict| Fail::Refused(conflict.0))?;
            }
            match source.strip_prefix("uci:") {
                Some(package) => {
                    let secret = |option: &str| uci::is_secret(package, option);
                    text.push_str(&uci::diff(package, &before, &after, secret));
                    services.extend(reloads(package));
                }
                None => text.push_str(&uci::diff("waiting", &before, &after, |option: &str| {
                    uci::is_secret("wireless", option)
                })),
            }
        }
        Ok((text, services))
    }
}

/// Fetches, and notes the checksum of each package before it is read: if it changes in between, the commit tells.
fn fetcher(device: Rc<Device>, runtime: Rc<Runtime>, sums: Sums) -> Fetcher {
    Box::new(move |keys| {
        for key in &keys {
            let Some(package) = key.strip_prefix("uci:") else { continue };
            if let Some(sum) = package_sum(&*device.disk(), package) {
                sums.borrow_mut().insert(key.clone(), sum);
            }
        }
        runtime.block_on(device.sources().fetch_all(keys))
    })
}

/// The init scripts that a stock OpenWrt reloads when a package changes.
///
/// Source: `procd_add_reload_trigger` in the `service_triggers` of each.
fn reloads(package: &str) -> &'static [&'static str] {
    match package {
        "network" | "wireless" => &["network"],
        "dhcp" => &["dnsmasq", "odhcpd"],
        "firewall" => &["firewall"],
        "system" => &["dnsmasq", "led", "log", "sysntpd", "system"],
        "dropbear" => &["dropbear"],
        "uhttpd" => &["uhttpd"],
        "rpcd" => &["rpcd"],
        "upnpd" => &["miniupnpd"],
        "sqm" => &["sqm"],
        "ddns" => &["ddns"],
        _ => &[],
    }
}

fn refused(errors: &[Error]) -> Fail {
    Fail::Refused(errors.iter().map(|error| format!("{error}\n")).collect())
}
