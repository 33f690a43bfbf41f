//! Diagnostics: who asked for which, when each begins, and what becomes of its results.
//!
//! The ACS asks by `DiagnosticsState` of an object, whose arguments are a section of the agent's own rows; controllers by a
//! command. Measuring is `io`'s, by [`Action::Diagnose`]; what it came to comes back as [`Event::Diagnosed`]
//! and is taken up between two jobs, because a commit under way was planned on the state as it is.
//!
//! [`Event::Diagnosed`]: super::Event::Diagnosed

use super::job::{Job, Running, Step};
use super::{Action, Agent};
use crate::cwmp::events::Code;
use crate::cwmp::session;
use crate::diag::{self, Kind, OTHER, Order, Task, Verdict};
use crate::dm::path::Pattern;
use crate::dm::read::Node;
use crate::dm::run::{self, Halt};
use crate::dm::schema::Arguments;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::View;
use crate::state::State;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Where the option of a section is that holds `DiagnosticsState`, and what it is at rest.
const STATE: &str = "state";
const REQUESTED: &str = "Requested";

/// For whom a diagnostic runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// For the ACS.
    Acs,
    #[cfg(feature = "usp")]
    /// For the controller whose request is this section.
    Request(String),
}

/// The diagnostics asked for, under way and done.
#[derive(Default)]
pub(super) struct Diagnoses {
    last: u64,
    /// The ACS asked for these; they begin when its session is over.
    wanted: BTreeSet<Kind>,
    running: BTreeMap<u64, (Kind, Whose)>,
    ended: VecDeque<(u64, Verdict)>,
    /// The results the ACS reads, of the last run of each.
    shown: BTreeMap<Kind, Tree>,
}

impl Diagnoses {
    /// The results as a source: by the name of each kind.
    pub(super) fn source(&self) -> Tree {
        Tree::map(self.shown.iter().map(|(kind, results)| (kind.name(), results.clone())))
    }

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

/// What a commit does to the diagnostics of the ACS: by kind, what `DiagnosticsState` became, or `None` if an argument did.
pub(super) type Touched = BTreeMap<Kind, Option<String>>;

/// What was written, of diagnostics.
pub(super) fn touched(written: &[(String, String)]) -> Touched {
    let mut touched = Touched::new();
    for (path, value) in written {
        match Kind::of(path) {
            Some((kind, "DiagnosticsState")) => drop(touched.insert(kind, Some(value.clone()))),
            Some((kind, _)) => drop(touched.entry(kind).or_insert(None)),
            None => {}
        }
    }
    touched
}

/// Takes `DiagnosticsState` back where arguments were written and it was not.
//= TR-181 DiagnosticsState: writing any other parameter of the object ends a test under way and leaves None.
pub(super) fn reset(state: &mut State, touched: &Touched) {
    let kinds = touched.iter().filter(|(_, state)| state.is_none()).map(|(kind, _)| *kind);
    set_states(state, kinds, None);
}

fn set_states(state: &mut State, kinds: impl Iterator<Item = Kind>, to: Option<&str>) {
    let mut kept = state.kept();
    let mut changed = false;
    for kind in kinds {
        let Some(section) = kept.get_mut(kind.name()) else { continue };
        if section.str(STATE) == to {
            continue;
        }
        match to {
            Some(word) => section.set(STATE, Tree::from(word)),
            None => drop(section.remove(STATE)),
        }
        changed = true;
    }
    if changed {
        // Not more rows than there were, and short words.
        let _ = state.set_kept(&kept);
    }
}

impl Agent {
    /// Nothing runs after a start: what had run is as if it had never been asked for.
    //= TR-181 DiagnosticsState: results and state last until the next run or restart.
    pub(super) fn forget_diagnoses(&mut self) {
        set_states(&mut self.state, Kind::ALL.into_iter(), None);
    }

    /// A commit has touched diagnostics of the ACS.
    pub(super) fn touch_diagnoses(&mut self, touched: Touched) {
        for (kind, state) in touched {
            self.diagnoses.wanted.remove(&kind);
            if let Some(id) = self.diagnoses.forget(Some(kind), &Whose::Acs) {
                self.out.push_back(Action::StopDiagnosis(id));
            }
            //= TR-181 DiagnosticsState: Requested starts the test, anew if it was under way.
            if state.as_deref() == Some(REQUESTED) {
                self.diagnoses.wanted.insert(kind);
            }
        }
        if !self.session.is_busy() {
            self.start_diagnoses();
        }
    }

    /// Begins what the ACS has asked for.
    //= TR-181 DiagnosticsState: tests begin when the session is over.
    pub(super) fn start_diagnoses(&mut self) {
        for kind in self.diagnoses.wanted.clone() {
            self.queue(Job::Diagnose(kind));
        }
    }

    /// Reads the arguments of a diagnostic of the ACS and has it run.
    pub(super) fn diagnose(&mut self, running: &mut Running, kind: Kind) -> Step {
        if !self.diagnoses.wanted.contains(&kind) {
            return Step::Over;
        }
        let prepared = run::attempt(self.model, &mut running.snapshot, &self.instances, |view| {
            let mut given = Arguments::new();
            for name in kind.inputs() {
                let Ok(pattern) = Pattern::parse(&format!("{}{name}", kind.object())) else { continue };
                if let [Node::Param(place, at)] = view.resolve(&pattern)?.as_slice() {
                    given.insert((*name).to_string(), view.value(place, *at)?.into_owned());
                }
            }
            prepare(view, kind, &given)
        });
        let prepared = match prepared {
            Err(Halt::Need(keys)) => return Step::Need(keys),
            Err(Halt::Refused(why)) => Err(why.to_string()),
            Ok(prepared) => prepared,
        };
        self.diagnoses.wanted.remove(&kind);
        self.run_diagnosis(kind, Whose::Acs, prepared);
        Step::Over
    }

    /// Has a diagnostic run, or says at once that it cannot be.
    pub(super) fn run_diagnosis(&mut self, kind: Kind, whose: Whose, prepared: Prepared) {
        let id = self.diagnoses.begin(kind, whose);
        match prepared {
            Ok((device, task)) => {
                self.out.push_back(Action::Diagnose(Box::new(Order { id, device, task })));
            }
            Err(why) => {
                self.log(log::Level::Warn, format!("{}: {why}", kind.object()));
                let word = if kind == Kind::Neighbours { "Error" } else { OTHER };
                self.diagnosed(id, Verdict::bare(word));
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
            Some((kind, Whose::Acs)) => {
                self.diagnoses.shown.insert(kind, rows(&verdict.results));
                set_states(&mut self.state, std::iter::once(kind), Some(verdict.status));
                self.out.push_back(Action::Save(Box::new(self.state.clone())));
                //= TR-069 3.7.1.5: 8 DIAGNOSTICS COMPLETE tells that a test of the ACS has ended, however it did.
                let raised = session::Event::Raised(Code::DiagnosticsComplete, String::new());
                self.session.handle(self.now, raised);
                self.look_soon();
            }
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

/// Results as a tree: `Result.1.Status` is the field `Status` of entry `1` of `Result`.
fn rows(results: &Arguments) -> Tree {
    let mut root = Tree::Map(Vec::new());
    // In the order of their numbers, not of their texts.
    let mut tables: BTreeMap<&str, BTreeMap<u32, Tree>> = BTreeMap::new();
    for (name, value) in results {
        let mut parts = name.splitn(3, '.');
        match (parts.next(), parts.next().map(str::parse::<u32>), parts.next()) {
            (Some(table), Some(Ok(number)), Some(field)) => {
                let row = tables.entry(table).or_default().entry(number);
                row.or_insert_with(|| Tree::Map(Vec::new())).set(field, Tree::from(value.as_str()));
            }
            _ => root.set(name, Tree::from(value.as_str())),
        }
    }
    for (table, rows) in tables {
        root.set(table, Tree::map(rows.into_iter().map(|(number, row)| (number.to_string(), row))));
    }
    root
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    //= TR-181 DiagnosticsState: writing any other parameter of the object ends a test under way and leaves None.
    //= TR-181 DiagnosticsState: Requested starts the test, anew if it was under way.
    #[test]
    fn a_written_state_counts_before_written_arguments() {
        let path =
            |name: &str, value: &str| (format!("Device.IP.Diagnostics.IPPing.{name}"), value.to_string());
        for (written, want) in [
            (vec![path("Host", "a")], Some(None)),
            (vec![path("Host", "a"), path("DiagnosticsState", "Requested")], Some(Some("Requested"))),
            (vec![path("DiagnosticsState", "Requested"), path("Host", "a")], Some(Some("Requested"))),
            (vec![("Device.WiFi.SSID.1.SSID".into(), "a".into())], None),
        ] {
            let got = touched(&written);
            assert_eq!(got.get(&Kind::Ping).map(Option::as_deref), want, "{written:?}");
        }
    }

    #[test]
    fn rows_of_results_are_in_the_order_of_their_numbers() {
        let results = (1..=11).map(|n| (format!("Result.{n}.Status"), n.to_string()));
        let tree = rows(&results.chain([("SuccessCount".to_string(), "11".to_string())]).collect());
        assert_eq!(tree.str("SuccessCount"), Some("11"));
        let all: Vec<&str> =
            tree.get("Result").unwrap().entries().iter().filter_map(|(_, row)| row.str("Status")).collect();
        assert_eq!(all, (1..=11).map(|n| n.to_string()).collect::<Vec<_>>());
    }
}
