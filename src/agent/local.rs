//! What a person or a script asks the running agent over its local socket.
//!
//! Requests and answers are trees, JSON lines on the wire. An answer is `{"ok": …}` or `{"errors": [{path, why}]}`.

use super::job::{Done, Running, Step};
use super::{Action, Agent};
use crate::discovery::{self, Found};
use crate::dm::draft::OWN;
use crate::dm::edit::Edit;
use crate::dm::error::{Error, Refusal};
use crate::dm::path::Pattern;
use crate::dm::read::{Cursor, Node};
use crate::dm::run::{self, Halt};
use crate::dm::source::{Source, Stop};
use crate::dm::tree::Tree;
use crate::dm::write::{Plan, Wish};

/// Most paths in one request.
pub const MAX_PATHS: usize = 1_000;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Values below paths.
    Get(Vec<String>),
    /// Names below a path, and whether they can be written.
    Names(String),
    /// Values to write.
    Set(Vec<(String, String)>),
    /// A row to add.
    Add(String),
    /// A row to delete.
    Delete(String),
    /// How the sessions fare.
    Status,
    /// Start a session now.
    Inform,
    /// The events that no ACS has confirmed yet.
    Events,
    /// What DHCP told on a network.
    Discovered(String, Box<Found>),
}

impl Request {
    /// Reads `{"get": ["PATH", …]}`, `{"names": "PATH"}`, `{"set": {"PATH": "VALUE", …}}`, `{"add": "TABLE"}`,
    /// `{"delete": "ROW"}`, `{"status": ""}`, `{"inform": ""}`,
    /// `{"events": ""}`, `{"discovered": {"network": "NAME", "125": "HEX", …}}`.
    pub fn from_tree(tree: &Tree) -> Result<Request, String> {
        let [(what, with)] = tree.entries() else { return Err("a request is one member".into()) };
        let text = || with.as_str().map(str::to_string).ok_or(format!("{what} wants a text"));
        match &**what {
            "get" => {
                let paths = match with {
                    Tree::List(items) => items.iter().map(|item| item.as_str().map(str::to_string)).collect(),
                    Tree::Text(_) | Tree::Map(_) => None,
                };
                let paths: Vec<String> = paths.ok_or("get wants a list of texts")?;
                if paths.len() > MAX_PATHS { Err("too many paths".into()) } else { Ok(Request::Get(paths)) }
            }
            "names" => Ok(Request::Names(text()?)),
            "set" => {
                // One that is left out would not be written, and the others would.
                let pair = |(path, value): &(Box<str>, Tree)| {
                    value.as_str().map(|value| (path.to_string(), value.to_string()))
                };
                let pairs = match with {
                    Tree::Map(entries) => entries.iter().map(pair).collect(),
                    Tree::Text(_) | Tree::List(_) => None,
                };
                let pairs: Vec<(String, String)> = pairs.ok_or("set wants a text by path")?;
                if pairs.len() > MAX_PATHS { Err("too many paths".into()) } else { Ok(Request::Set(pairs)) }
            }
            "add" => Ok(Request::Add(text()?)),
            "delete" => Ok(Request::Delete(text()?)),
            "status" => Ok(Request::Status),
            "inform" => Ok(Request::Inform),
            "events" => Ok(Request::Events),
            "discovered" => {
                let network = with.str("network").ok_or("discovered wants a network")?;
                let mut found = Found::default();
                for (number, hex) in with.entries().iter().filter(|(name, _)| **name != *"network") {
                    let hex = hex.as_str().unwrap_or("?");
                    let number = number.parse().map_err(|_| format!("{number} is no number of an option"))?;
                    found.option(number, hex).map_err(|why| format!("option {number}: {why}"))?;
                }
                Ok(Request::Discovered(network.to_string(), Box::new(found)))
            }
            other => Err(format!("no request {other}")),
        }
    }
}

/// The answer that refuses, with every reason.
pub fn refusal(errors: &[Error]) -> Tree {
    let errors = errors.iter().map(|error| {
        Tree::map([("path", Tree::from(error.path.as_str())), ("why", Tree::from(error.why.to_string()))])
    });
    Tree::map([("errors", Tree::List(errors.collect()))])
}

/// The answer that tells something.
pub(super) fn ok(tree: Tree) -> Tree {
    Tree::map([("ok", tree)])
}

impl Agent {
    pub(super) fn local(&mut self, running: &mut Running, id: u64, request: &Request) -> Step {
        let tree = match request {
            Request::Get(paths) => match self.read_values(running, paths) {
                Ok(tree) => tree,
                Err(step) => return step,
            },
            Request::Names(path) => match self.read_names(running, path) {
                Ok(tree) => tree,
                Err(step) => return step,
            },
            Request::Set(pairs) => {
                let wish = |(path, value): &(String, String)| Wish {
                    path: path.clone(),
                    value: value.clone(),
                    said: None,
                };
                let wishes: Vec<Wish> = pairs.iter().map(wish).collect();
                return self.local_plan(running, id, |planner| planner.set(&wishes));
            }
            Request::Add(table) => {
                return self.local_plan(running, id, |planner| planner.add(table).map(drop));
            }
            Request::Delete(row) => return self.local_plan(running, id, |planner| planner.delete(row)),
            Request::Status => ok(self.status()),
            Request::Events => ok(self.undelivered()),
            Request::Discovered(network, found) => return self.discovered(running, id, network, found),
            Request::Inform => self.ask_for_session(),
        };
        self.out.push_back(Action::Answer(id, tree));
        Step::Over
    }

    fn read_values(&mut self, running: &mut Running, paths: &[String]) -> Result<Tree, Step> {
        let mut failed = String::new();
        let done = run::attempt(self.model, &mut running.snapshot, &self.instances, |view| {
            let mut nodes = Vec::new();
            for path in paths {
                failed.clone_from(path);
                nodes.extend(view.resolve(&Pattern::parse(path).map_err(|_| Refusal::UnknownPath)?)?);
            }
            let mut cursor = Cursor::new(nodes);
            let mut values: Vec<(Box<str>, Tree)> = Vec::new();
            let mut wait = false;
            while let Some(node) = cursor.next(view)? {
                let Node::Param(place, at) = &node else { continue };
                match view.value(place, *at) {
                    Ok(value) => values.push((node.path(view)?.into(), Tree::from(&*value))),
                    Err(Stop::Wait) => wait = true,
                    Err(refused) => {
                        failed = node.path(view)?;
                        return Err(refused);
                    }
                }
            }
            if wait || cursor.waited() { Err(Stop::Wait) } else { Ok(values) }
        });
        match done {
            Ok(values) => Ok(ok(Tree::Map(values))),
            Err(Halt::Need(keys)) => Err(Step::Need(keys)),
            Err(Halt::Refused(why)) => Ok(refusal(&[Error::new(failed, why)])),
        }
    }

    fn read_names(&mut self, running: &mut Running, path: &str) -> Result<Tree, Step> {
        let done = run::attempt(self.model, &mut running.snapshot, &self.instances, |view| {
            let mut cursor =
                Cursor::new(view.resolve(&Pattern::parse(path).map_err(|_| Refusal::UnknownPath)?)?);
            let mut names: Vec<(Box<str>, Tree)> = Vec::new();
            while let Some(node) = cursor.next(view)? {
                let writable = if view.writable(&node)? { "true" } else { "false" };
                names.push((node.path(view)?.into(), Tree::from(writable)));
            }
            if cursor.waited() { Err(Stop::Wait) } else { Ok(names) }
        });
        match done {
            Ok(names) => Ok(ok(Tree::Map(names))),
            Err(Halt::Need(keys)) => Err(Step::Need(keys)),
            Err(Halt::Refused(why)) => Ok(refusal(&[Error::new(path, why)])),
        }
    }

    fn local_plan(
        &mut self,
        running: &mut Running,
        id: u64,
        ask: impl Fn(&mut crate::dm::write::Planner<'_>) -> Result<(), crate::dm::write::NoPlan>,
    ) -> Step {
        match self.plan(running, ask) {
            Ok(plan) => {
                let list = |texts: &[String]| {
                    Tree::List(texts.iter().map(|text| Tree::from(text.as_str())).collect())
                };
                let changed: crate::sorted::Set<&str> =
                    plan.edits.iter().map(|edit: &Edit| &*edit.source).collect();
                let answer = ok(Tree::map([
                    ("added", list(&plan.added)),
                    ("deleted", list(&plan.deleted)),
                    ("changed", Tree::List(changed.into_iter().map(Tree::from).collect())),
                ]));
                self.audit_plan(&plan);
                let state = self.state.clone();
                self.commit(running, plan, state, Done::Local(id, answer))
            }
            Err(Ok(step)) => step,
            Err(Err(errors)) => {
                self.refuse_local(id, &errors);
                Step::Over
            }
        }
    }

    /// Says that a request cannot be carried out, and why.
    pub(super) fn refuse_local(&mut self, id: u64, errors: &[Error]) {
        self.audit_refused(|_| 0);
        self.out.push_back(Action::Answer(id, refusal(errors)));
    }

    /// Takes up what DHCP told, as far as the settings let it.
    fn discovered(&mut self, running: &mut Running, id: u64, network: &str, found: &Found) -> Step {
        let key = OWN;
        let advice = match running.snapshot.peek(key) {
            None => return Step::Need([key.into()].into()),
            Some(Source::Ready(package)) => discovery::advise(package, network, found, self.is_acs_failing()),
            Some(Source::Absent) => {
                discovery::advise(&Tree::Map(Vec::new()), network, found, self.is_acs_failing())
            }
            Some(Source::Failed(why)) => {
                let why = Error::new("", Refusal::Backend(why.clone()));
                self.out.push_back(Action::Answer(id, refusal(&[why])));
                return Step::Over;
            }
        };
        let notes = advice.notes.iter().map(|note| Tree::from(note.as_str())).collect();
        let level = if advice.edits.is_empty() { log::Level::Debug } else { log::Level::Warn };
        for note in advice.notes {
            self.log(level, note);
        }
        self.audit_settings(&advice.edits);
        let plan = Plan { edits: advice.edits, ..Plan::default() };
        let state = self.state.clone();
        self.commit(running, plan, state, Done::Local(id, ok(Tree::List(notes))))
    }

    /// How the protocols fare, as `status` prints it.
    fn status(&self) -> Tree {
        let mut out = Vec::new();
        self.cwmp_status(&mut out);
        self.guard_status(&mut out);
        out.extend(self.unconfigured.iter().map(|why| ("settings_failure", Tree::from(why.as_str()))));
        out.extend(self.failing.last().map(|why| ("source_failure", Tree::from(why))));
        out.extend(self.runtime.iter().map(|(name, value)| (*name, Tree::from(value.as_str()))));
        Tree::map(out)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::openwrt::json;

    #[test]
    fn a_request_that_does_not_say_what_it_should_is_refused_as_a_whole() {
        let said = |text: &str| Request::from_tree(&json::parse(text.as_bytes()).unwrap());
        for (text, why) in [
            (r#"{"get": "Device.A"}"#, "get wants a list of texts"),
            (r#"{"get": {"Device.A": ""}}"#, "get wants a list of texts"),
            (r#"{"get": ["Device.A", ["Device.B"]]}"#, "get wants a list of texts"),
            (r#"{"set": ["Device.A"]}"#, "set wants a text by path"),
            (r#"{"set": {"Device.A": "1", "Device.B": ["2"]}}"#, "set wants a text by path"),
            (r#"{"set": {"Device.A": "1", "Device.B": {"c": "2"}}}"#, "set wants a text by path"),
            (r#"{"add": ["Device.A."]}"#, "add wants a text"),
            (r#"{"discovered": "wan"}"#, "discovered wants a network"),
            (r#"{"discovered": {"43": "00"}}"#, "discovered wants a network"),
            (
                r#"{"discovered": {"network": "wan", "43": ["00"]}}"#,
                "option 43: not hexadecimal digits in pairs, or too many",
            ),
            (r#"{"reboot": ""}"#, "no request reboot"),
            (r#"{"get": [], "set": {}}"#, "a request is one member"),
        ] {
            assert_eq!(said(text), Err(why.to_string()), "{text}");
        }
        assert_eq!(said(r#"{"get": ["A", 1]}"#), Ok(Request::Get(vec!["A".into(), "1".into()])));
        let pairs = vec![("A".into(), "1".into()), ("B".into(), "true".into())];
        assert_eq!(said(r#"{"set": {"A": 1, "B": true}}"#), Ok(Request::Set(pairs)));
    }
}
