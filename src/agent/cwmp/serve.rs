//! Carrying out what the ACS asks: each RPC against the data model.

use super::measure::Pass;
use super::rendering::{Item, Rendering};
use super::watch::{self, NoChange};
use crate::agent::Agent;
use crate::agent::job::{Done, Running, Step};
use crate::cwmp::fault::Fault;
use crate::cwmp::rpc::{
    self, AddObject, Answer, Applied, DeleteObject, GetParameterNames, NewValue, ParameterInfo, Rpc,
    SetParameterAttributes, SetParameterValues,
};
use crate::cwmp::soap::writer::List;
use crate::dm::error::{Error, Refusal};
use crate::dm::path::{Kind, Pattern};
use crate::dm::read::{Cursor, Node};
use crate::dm::run::{self, Halt};
use crate::dm::source::Stop;
use crate::dm::value::Type;
use crate::dm::write::{Plan, Wish};
use crate::state::State;
use std::cell::RefCell;

/// Answers up to this size are written in one go; the rows of longer ones are written while they are sent.
const IN_MEMORY: u64 = 64 * 1024;
/// Most names in one request.
const MAX_NAMES: usize = 2_000;

impl Agent {
    pub(super) fn serve(&mut self, running: &mut Running, rpc: &Rpc) -> Step {
        match rpc {
            Rpc::GetRpcMethods => self.served(Answer::GetRpcMethods(rpc::METHODS.to_vec())),
            Rpc::GetParameterNames(ask) => self.names(running, ask),
            Rpc::GetParameterValues(ask) => self.list(running, List::Values, &ask.parameter_names),
            Rpc::GetParameterAttributes(ask) => self.list(running, List::Attributes, &ask.parameter_names),
            Rpc::SetParameterValues(ask) => self.set_values(running, ask),
            Rpc::SetParameterAttributes(ask) => self.set_attributes(running, ask),
            Rpc::AddObject(ask) => self.add(running, ask),
            Rpc::DeleteObject(ask) => self.delete(running, ask),
            Rpc::Reboot(_) => self.served(Answer::Reboot),
            Rpc::FactoryReset => self.served(Answer::FactoryReset),
            Rpc::ScheduleInform(_) => self.served(Answer::ScheduleInform),
        }
    }

    fn served(&mut self, answer: Answer) -> Step {
        self.answer_acs(answer);
        Step::Over
    }

    fn fault(&mut self, path: &str, why: Refusal) -> Step {
        self.served(Answer::Fault(Fault::of(&Error::new(path, why))))
    }

    //= TR-069 A.3.2.3: NextLevel gives the level below and not the object itself; with a full name it is 9003.
    fn names(&mut self, running: &mut Running, ask: &GetParameterNames) -> Step {
        let pattern = match pattern(&ask.parameter_path) {
            Ok(pattern) => pattern,
            Err(why) => return self.fault(&ask.parameter_path, why),
        };
        if !ask.next_level {
            return self.list(running, List::Names, std::slice::from_ref(&ask.parameter_path));
        }
        if pattern.kind() != Kind::Object {
            let why = Refusal::InvalidArguments("NextLevel wants a partial path".into());
            return self.fault(&ask.parameter_path, why);
        }
        let whole = ask.parameter_path.is_empty();
        let done = run::attempt(self.model, &mut running.snapshot, &self.instances, |view| {
            let mut out = Vec::new();
            for node in view.resolve(&pattern)? {
                //= TR-069 A.3.2.3: an empty path with NextLevel gives the root alone.
                let level = if whole { vec![node] } else { view.below(&node)? };
                for node in level {
                    out.push(ParameterInfo { name: node.path(view)?, writable: view.writable(&node)? });
                }
            }
            Ok(out)
        });
        match done {
            Ok(names) => self.served(Answer::GetParameterNames(names)),
            Err(Halt::Need(keys)) => Step::Need(keys),
            Err(Halt::Refused(why)) => self.fault(&ask.parameter_path, why),
        }
    }

    /// Answers one of the three long lists: measured first, then written.
    //= TR-069 A.3.2.2: one wrong name fails the whole request with 9005; an empty one is the whole tree.
    fn list(&mut self, running: &mut Running, list: List, asked: &[String]) -> Step {
        if asked.len() > MAX_NAMES {
            return self.fault("", Refusal::Exhausted("names in one request".into()));
        }
        let mut patterns = Vec::new();
        for name in asked {
            match pattern(name) {
                Ok(pattern) => patterns.push((name.as_str(), pattern)),
                Err(why) => return self.fault(name, why),
            }
        }
        let state = &self.state;
        let at = RefCell::new(String::new());
        let measure = &mut self.cwmp.measure;
        let measured = run::attempt(self.model, &mut running.snapshot, &self.instances, |view| {
            let mut wait = false;
            let mut nodes = Vec::new();
            for (name, pattern) in &patterns {
                *at.borrow_mut() = (*name).to_string();
                if list == List::Values {
                    view.ahead(pattern)?;
                }
                match view.resolve(pattern) {
                    Ok(found) => nodes.extend(found),
                    Err(Stop::Wait) => wait = true,
                    Err(refused) => return Err(refused),
                }
            }
            match measure.pass(&Pass { view, state, list, at: &at }, nodes) {
                _ if wait => Err(Stop::Wait),
                done => done,
            }
        });
        match measured {
            Ok(()) => {
                let measure = std::mem::take(&mut self.cwmp.measure);
                let listed = measure.listed(list);
                let snapshot = std::mem::take(&mut running.snapshot);
                // The rows of the other lists need nothing of it.
                let state = if list == List::Attributes { state.clone() } else { State::factory() };
                let rendering = measure.rendering(self.model, state, snapshot, &self.instances);
                if listed.octets <= IN_MEMORY {
                    return self.served(whole(list, rendering));
                }
                self.cwmp.rendering = Some(rendering);
                self.served(Answer::Listed(listed))
            }
            Err(Halt::Need(keys)) => Step::Need(keys),
            Err(Halt::Refused(why)) => {
                let at = at.into_inner();
                self.fault(&at, why)
            }
        }
    }

    //= TR-069 A.3.2.1: ParameterKey is kept with the values, and only if all are set.
    fn set_values(&mut self, running: &mut Running, ask: &SetParameterValues) -> Step {
        let wishes: Vec<Wish> = ask.parameter_list.iter().map(wish).collect();
        match self.plan(running, |planner| planner.set(&wishes)) {
            Ok(plan) => {
                let applied = applied(&plan);
                self.commit_for_acs(running, plan, &ask.parameter_key, Answer::SetParameterValues(applied))
            }
            Err(Ok(step)) => step,
            Err(Err(errors)) => self.served(Answer::Fault(Fault::of_set(&errors))),
        }
    }

    fn add(&mut self, running: &mut Running, ask: &AddObject) -> Step {
        let number = std::cell::Cell::new(0);
        let planned = self.plan(running, |planner| {
            number.set(planner.add(&ask.object_name)?);
            Ok(())
        });
        match planned {
            Ok(plan) => {
                let answer = Answer::AddObject(number.get(), applied(&plan));
                self.commit_for_acs(running, plan, &ask.parameter_key, answer)
            }
            Err(Ok(step)) => step,
            Err(Err(errors)) => self.refused(&errors),
        }
    }

    fn delete(&mut self, running: &mut Running, ask: &DeleteObject) -> Step {
        match self.plan(running, |planner| planner.delete(&ask.object_name)) {
            Ok(plan) => {
                let answer = Answer::DeleteObject(applied(&plan));
                self.commit_for_acs(running, plan, &ask.parameter_key, answer)
            }
            Err(Ok(step)) => step,
            Err(Err(errors)) => self.refused(&errors),
        }
    }

    fn refused(&mut self, errors: &[Error]) -> Step {
        let unknown = Error::new("", Refusal::UnknownPath);
        self.served(Answer::Fault(Fault::of(errors.first().unwrap_or(&unknown))))
    }

    fn commit_for_acs(&mut self, running: &mut Running, plan: Plan, key: &str, answer: Answer) -> Step {
        let mut state = self.state.clone();
        let kept = watch::told(&mut state, &plan.written).and_then(|()| state.set_parameter_key(key));
        if kept.is_err() {
            return self.fault("", Refusal::Exhausted("the agent's state".into()));
        }
        self.audit_plan(&plan);
        self.commit(running, plan, state, Done::Acs(answer))
    }

    //= TR-069 A.3.2.4: all or nothing; a partial path stands for the parameters that exist now.
    fn set_attributes(&mut self, running: &mut Running, ask: &SetParameterAttributes) -> Step {
        let at = RefCell::new(String::new());
        let fault = RefCell::new(None);
        let before = &self.state;
        let changed = run::attempt(self.model, &mut running.snapshot, &self.instances, |view| {
            let mut next: State = before.clone();
            let mut wait = false;
            for change in &ask.parameter_list {
                *at.borrow_mut() = change.name.clone();
                let mut cursor = Cursor::new(view.resolve(&pattern(&change.name)?)?);
                while let Some(node) = cursor.next(view)? {
                    let Node::Param(place, param) = &node else { continue };
                    match watch::change(view, &mut next, place, *param, change) {
                        Ok(()) => {}
                        Err(NoChange::Stop(Stop::Wait)) => wait = true,
                        Err(NoChange::Stop(refused)) => {
                            *at.borrow_mut() = node.path(view)?;
                            return Err(refused);
                        }
                        Err(NoChange::Fault(why)) => {
                            *fault.borrow_mut() = Some(why);
                            return Ok(None);
                        }
                    }
                }
                wait |= cursor.waited();
            }
            if wait { Err(Stop::Wait) } else { Ok(Some(next)) }
        });
        match changed {
            Ok(Some(state)) => {
                self.commit(running, Plan::default(), state, Done::Acs(Answer::SetParameterAttributes))
            }
            Ok(None) => {
                let fault = fault.into_inner().unwrap_or_else(|| Fault::arguments(""));
                self.served(Answer::Fault(Fault {
                    text: format!("{} ({})", fault.text, at.into_inner()),
                    ..fault
                }))
            }
            Err(Halt::Need(keys)) => Step::Need(keys),
            Err(Halt::Refused(why)) => {
                let at = at.into_inner();
                self.fault(&at, why)
            }
        }
    }
}

/// A list that is short, as a whole.
fn whole(list: List, mut rendering: Rendering) -> Answer {
    let rows = std::iter::from_fn(|| rendering.item());
    match list {
        List::Names => Answer::GetParameterNames(
            rows.filter_map(|item| if let Item::Name(row) = item { Some(row) } else { None }).collect(),
        ),
        List::Values => Answer::GetParameterValues(
            rows.filter_map(|item| if let Item::Value(row) = item { Some(row) } else { None }).collect(),
        ),
        List::Attributes => Answer::GetParameterAttributes(
            rows.filter_map(|item| if let Item::Attribute(row) = item { Some(row) } else { None }).collect(),
        ),
    }
}

/// A name of an RPC as a pattern. Searches and references belong to the other protocol.
fn pattern(name: &str) -> Result<Pattern, Refusal> {
    let pattern = Pattern::parse(name).map_err(|_| Refusal::UnknownPath)?;
    let foreign = |step: &crate::dm::path::Step| {
        matches!(step, crate::dm::path::Step::Search(_) | crate::dm::path::Step::Follow { .. })
    };
    match pattern.kind() {
        _ if pattern.steps().iter().any(foreign) => Err(Refusal::UnknownPath),
        Kind::Object | Kind::Parameter => Ok(pattern),
        Kind::Command | Kind::Event => Err(Refusal::UnknownPath),
    }
}

fn wish(new: &NewValue) -> Wish {
    let said = new.kind.as_deref().and_then(Type::from_xsd);
    Wish { path: new.name.clone(), value: new.value.clone(), said }
}

/// Status 1 where services have yet to take the change up, after the session.
//= TR-069 A.3.2.1: status 1 is validated and committed, but not yet applied.
fn applied(plan: &Plan) -> Applied {
    if plan.edits.iter().any(|edit| edit.source.starts_with("uci:")) { Applied::Later } else { Applied::Now }
}
