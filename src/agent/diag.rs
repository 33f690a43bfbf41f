//! Diagnostics: for whom each runs, and who is told what it came to.
//!
//! The ACS asks by `DiagnosticsState` of an object, controllers by a command. Measuring is `io`'s, by [`Action::Diagnose`]; what it came to comes back as [`Event::Diagnosed`]
//! and is taken up between two jobs, because a commit under way was planned on the state as it is.
//!
//! [`Event::Diagnosed`]: super::Event::Diagnosed

use super::{Action, Agent};
use crate::diag::{self, Kind, Order, Task, Verdict};
use crate::dm::path::Pattern;
use crate::dm::read::Node;
use crate::dm::schema::Arguments;
use crate::dm::source::Stop;
use crate::dm::view::View;
use crate::sorted::Map;
use std::collections::VecDeque;

/// For whom a diagnostic runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// For the ACS.
    #[cfg(feature = "cwmp")]
    Acs,
    /// For the controller whose request is this section.
    #[cfg(feature = "usp")]
    Request(String),
}

/// The diagnostics under way and done.
#[derive(Default)]
pub(super) struct Diagnoses {
    last: u64,
    running: Map<u64, (Kind, Whose)>,
    ended: VecDeque<(u64, Verdict)>,
}

impl Diagnoses {
    /// A number for one that begins now.
    pub(super) fn begin(&mut self, kind: Kind, whose: Whose) -> u64 {
        self.last += 1;
        self.running.insert(self.last, (kind, whose));
        self.last
    }

    /// The number of the one that runs for somebody, which is then nobody's.
    pub(super) fn forget(&mut self, kind: Option<Kind>, whose: &Whose) -> Option<u64> {
        let found = self
            .running
            .iter()
            .find(|(_, (of, for_whom))| for_whom == whose && kind.is_none_or(|kind| kind == *of));
        let id = found.map(|(id, _)| *id)?;
        self.running.remove(&id);
        Some(id)
    }
}

impl Agent {
    /// Has a diagnostic run, or says at once that it cannot be.
    pub(super) fn run_diagnosis(&mut self, kind: Kind, whose: Whose, prepared: Prepared) {
        let id = self.diagnoses.begin(kind, whose);
        match prepared {
            Ok((device, task)) => {
                self.out.push_back(Action::Diagnose(Box::new(Order { id, device, task })));
            }
            Err(why) => {
                self.log(log::Level::Warn, format!("{}: {why}", kind.object()));
                self.diagnosed(id, Verdict::bare(kind.failed()));
            }
        }
    }

    /// A diagnostic has ended.
    pub(super) fn diagnosed(&mut self, id: u64, verdict: Verdict) {
        // Of one that was stopped, nobody wants to know.
        if self.diagnoses.running.contains_key(&id) {
            self.diagnoses.ended.push_back((id, verdict));
        }
    }

    /// Takes up one that has ended, between two jobs; whether there was one.
    pub(super) fn settle_diagnoses(&mut self) -> bool {
        let Some((id, verdict)) = self.diagnoses.ended.pop_front() else { return false };
        match self.diagnoses.running.remove(&id) {
            #[cfg(feature = "cwmp")]
            Some((kind, Whose::Acs)) => self.diagnosed_for_acs(kind, verdict),
            #[cfg(feature = "usp")]
            Some((_, Whose::Request(section))) => self.diagnosed_for(&section, verdict),
            None => {}
        }
        true
    }
}

/// What a diagnostic is to be run with, or why it cannot be run, in words.
pub(super) type Prepared = Result<(Option<String>, Task), String>;

/// Makes a task of arguments: the Linux device of `Interface`, and the radios that are to scan.
pub(super) fn prepare(view: &View<'_>, kind: Kind, given: &Arguments) -> Result<Prepared, Stop> {
    let task = match diag::task(kind, given) {
        Ok(Task::Neighbours(_)) => Task::Neighbours(radios(view)?),
        Ok(task) => task,
        Err(diag::Unfit(why)) => return Ok(Err(why.to_string())),
    };
    let interface = given.get("Interface").map(String::as_str).unwrap_or_default().trim_end_matches('.');
    if interface.is_empty() {
        return Ok(Ok((None, task)));
    }
    let Ok(pattern) = Pattern::parse(&format!("{interface}.")) else {
        return Ok(Err(format!("{interface} is no path")));
    };
    let device = match view.resolve(&pattern)?.as_slice() {
        [Node::Object(place)] => place.row.as_ref().and_then(|row| row.item.str("l3")),
        _ => None,
    };
    Ok(match device.filter(|device| !device.is_empty()) {
        Some(device) => Ok((Some(device.to_string()), task)),
        None => Err(format!("{interface} has no device")),
    })
}

/// The radios: the path of each, and the name iwinfo knows it by.
fn radios(view: &View<'_>) -> Result<Vec<(String, String)>, Stop> {
    let Ok(pattern) = Pattern::parse("Device.WiFi.Radio.*.") else { return Ok(Vec::new()) };
    let mut radios = Vec::new();
    for node in view.resolve(&pattern)? {
        let place = node.place();
        if let Some(bound) = place.row.as_ref().and_then(|row| row.section.as_ref()) {
            radios.push((place.path.trim_end_matches('.').to_string(), bound.name.to_string()));
        }
    }
    Ok(radios)
}
