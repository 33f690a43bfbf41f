//! Taking settings up.

use super::job::{Job, Running, Step};
use super::names::DEVICE_ID;
#[cfg(feature = "usp")]
use super::usp::known::Known;
use super::{Action, Agent};
use crate::config::Config;
use crate::cwmp::periodic::Periodic;
use crate::cwmp::session;
use crate::dm::error::Refusal;
use crate::dm::path::Pattern;
use crate::dm::read::Node;
use crate::dm::run::{self, Halt};
use crate::dm::source::Stop;
use crate::dm::tree::Tree;

impl Agent {
    /// Reads the package `cpeagent` and takes it up: the session's settings here, the sockets' in `io`.
    pub(super) fn configure(&mut self, running: &mut Running) -> Step {
        let done = run::attempt(self.model, &mut running.snapshot, &self.instances, |view| {
            let package = view.tree("uci:cpeagent")?;
            let text = |path: &str| -> Result<String, Stop> {
                let pattern = Pattern::parse(path).map_err(|_| Refusal::UnknownPath)?;
                match view.resolve(&pattern)?.as_slice() {
                    [Node::Param(place, at)] => Ok(view.value(place, *at)?.into_owned()),
                    _ => Ok(String::new()),
                }
            };
            let oui = text(DEVICE_ID[1])?;
            let (config, faults) = Config::read(package.unwrap_or(&Tree::Map(Vec::new())));
            #[cfg(feature = "usp")]
            let known = Known::read(view, &config.usp)?;
            #[cfg(not(feature = "usp"))]
            let known = ();
            Ok((config, faults, oui, known))
        });
        let (config, faults, oui, known) = match done {
            Ok(read) => read,
            Err(Halt::Need(keys)) => return Step::Need(keys),
            Err(Halt::Refused(why)) => {
                self.refuse(&Job::Configure, why);
                return Step::Over;
            }
        };
        for fault in faults {
            self.log(log::Level::Warn, fault.to_string());
        }
        let acs = &config.acs;
        let url = acs.url.clone().unwrap_or_default();
        if url.starts_with("http://") && self.config.acs.url != acs.url {
            self.log(
                log::Level::Warn,
                format!("the ACS {url} is reached without TLS: anyone on the way can take over"),
            );
        }
        let settings = session::Settings {
            enabled: acs.enable && !url.is_empty(),
            acs: if url.is_empty() { String::new() } else { format!("{url} {oui}") },
            retry: acs.retry,
            periodic: acs.periodic.map(|interval| Periodic { interval, phase: acs.periodic_time }),
            throttle: acs.active_notification_throttle,
        };
        self.config = config;
        self.out.push_back(Action::Configure(Box::new(self.config.clone())));
        self.session.handle(self.now, session::Event::Settings(settings));
        #[cfg(feature = "usp")]
        self.configure_usp(known);
        #[cfg(not(feature = "usp"))]
        let () = known;
        self.look_soon();
        Step::Over
    }
}
