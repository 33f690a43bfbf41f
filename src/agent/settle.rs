//! Taking settings up.

use super::cwmp;
use super::job::{Job, Running, Step};
use super::usp::known::Known;
use super::{Action, Agent};
use crate::config::Config;
use crate::dm::draft::OWN;
use crate::dm::run::{self, Halt};
use crate::dm::tree::Tree;

impl Agent {
    /// Reads the package `cpeagent` and takes it up: the session's settings here, the sockets' in `io`.
    pub(super) fn configure(&mut self, running: &mut Running) -> Step {
        let done = run::attempt(self.model, &mut running.snapshot, &self.instances, |view| {
            let package = view.tree(OWN)?;
            let (config, faults) = Config::read(package.unwrap_or(&Tree::Map(Vec::new())));
            let known = (cwmp::Known::read(view)?, Known::read(view, &config.usp)?);
            Ok((config, faults, known))
        });
        let (config, faults, (cwmp, usp)) = match done {
            Ok(read) => read,
            Err(Halt::Need(keys)) => return Step::Need(keys),
            Err(Halt::Refused(why)) => {
                self.refuse(&Job::Configure, why);
                return Step::Over;
            }
        };
        self.unconfigured = None;
        for fault in faults {
            self.log(log::Level::Warn, fault.to_string());
        }
        let before = std::mem::replace(&mut self.config, config);
        self.out.push_back(Action::Configure(Box::new(self.config.clone())));
        self.configure_cwmp(&before, &cwmp);
        self.configure_usp(&before, usp);
        if !self.has_acs() && !self.config.usp.controllers.iter().any(|controller| controller.enable) {
            self.log(
                log::Level::Warn,
                "neither an ACS nor a controller is enabled: nobody manages this router".into(),
            );
        }
        self.look_soon();
        Step::Over
    }
}
