//! The ACS's diagnostics: begun by `DiagnosticsState` of an object, whose arguments are a section of the agent's own rows.
//!
//! Running them is [`crate::agent::diag`]'s.

use super::Work;
use crate::agent::diag::{Whose, prepare};
use crate::agent::job::{Job, Running, Step};
use crate::agent::{Action, Agent};
use crate::cwmp::events::Code;
use crate::cwmp::session;
use crate::diag::{Kind, Verdict};
use crate::dm::path::Pattern;
use crate::dm::read::Node;
use crate::dm::run::{self, Halt};
use crate::dm::schema::Arguments;
use crate::dm::tree::Tree;
use crate::sorted::{Map, Set};
use crate::state::State;

/// Where the option of a section is that holds `DiagnosticsState`, and what it is at rest.
const STATE: &str = "state";
const REQUESTED: &str = "Requested";

/// What the ACS has asked for, and what it reads.
#[derive(Default)]
pub(super) struct Wanted {
    /// These begin when the session is over.
    kinds: Set<Kind>,
    /// The results of the last run of each.
    shown: Map<Kind, Tree>,
}

impl Wanted {
    /// The results as a source: by the name of each kind.
    pub(super) fn source(&self) -> Tree {
        Tree::map(self.shown.iter().map(|(kind, results)| (kind.name(), results.clone())))
    }
}

/// What a commit does to the diagnostics of the ACS: by kind, what `DiagnosticsState` became, or `None` if an argument did.
pub(in crate::agent) type Touched = Map<Kind, Option<String>>;

/// What was written, of diagnostics; where arguments were and `DiagnosticsState` was not, that is taken back.
//= TR-181 DiagnosticsState: writing any other parameter of the object ends a test under way and leaves None.
pub(in crate::agent) fn touch(written: &[(String, String)], state: &mut State) -> Touched {
    let touched = touched(written);
    let kinds = touched.iter().filter(|(_, state)| state.is_none()).map(|(kind, _)| *kind);
    set_states(state, kinds, None);
    touched
}

fn touched(written: &[(String, String)]) -> Touched {
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
    pub(in crate::agent) fn forget_diagnoses(&mut self) {
        set_states(&mut self.state, Kind::ALL.into_iter(), None);
    }

    /// A commit has touched diagnostics of the ACS.
    pub(in crate::agent) fn touch_diagnoses(&mut self, touched: Touched) {
        for (kind, state) in touched {
            self.cwmp.diagnoses.kinds.remove(&kind);
            if let Some(id) = self.diagnoses.forget(Some(kind), &Whose::Acs) {
                self.out.push_back(Action::StopDiagnosis(id));
            }
            //= TR-181 DiagnosticsState: Requested starts the test, anew if it was under way.
            if state.as_deref() == Some(REQUESTED) {
                self.cwmp.diagnoses.kinds.insert(kind);
            }
        }
        if !self.is_in_session() {
            self.start_diagnoses();
        }
    }

    /// Begins what the ACS has asked for.
    //= TR-181 DiagnosticsState: tests begin when the session is over.
    pub(super) fn start_diagnoses(&mut self) {
        for kind in self.cwmp.diagnoses.kinds.clone() {
            self.queue(Job::Cwmp(Work::Diagnose(kind)));
        }
    }

    /// Reads the arguments of a diagnostic of the ACS and has it run.
    pub(super) fn diagnose(&mut self, running: &mut Running, kind: Kind) -> Step {
        if !self.cwmp.diagnoses.kinds.contains(&kind) {
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
        self.cwmp.diagnoses.kinds.remove(&kind);
        self.run_diagnosis(kind, Whose::Acs, prepared);
        Step::Over
    }

    /// A diagnostic of the ACS has ended.
    pub(in crate::agent) fn diagnosed_for_acs(&mut self, kind: Kind, verdict: Verdict) {
        self.cwmp.diagnoses.shown.insert(kind, rows(&verdict.results));
        set_states(&mut self.state, std::iter::once(kind), Some(verdict.status));
        self.out.push_back(Action::Save(Box::new(self.state.clone())));
        //= TR-069 3.7.1.5: 8 DIAGNOSTICS COMPLETE tells that a test of the ACS has ended, however it did.
        self.tell_session(session::Event::Raised(Code::DiagnosticsComplete, String::new()));
        self.look_soon();
    }
}

/// Results as a tree: `Result.1.Status` is the field `Status` of entry `1` of `Result`.
fn rows(results: &Arguments) -> Tree {
    let mut root = Tree::Map(Vec::new());
    // In the order of their numbers, not of their texts.
    let mut tables: Map<&str, Map<u32, Tree>> = Map::new();
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
