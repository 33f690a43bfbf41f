//! Serving one request of a controller.

use super::{Ask, trust};
use crate::agent::Agent;
use crate::agent::job::{Done, Errand, Running, Step};
use crate::dm::acl::Rights;
use crate::dm::error::{Error, Refusal};
use crate::dm::run::{self, Halt};
use crate::dm::source::{Source, Stop};
use crate::dm::tree::Tree;
use crate::dm::view::View;
use crate::dm::write::{NoPlan, Plan, Planner};
use crate::usp::error::{Asked, Fault, MESSAGE_NOT_SUPPORTED};
use crate::usp::msg::change::{Outcome, Waits};
use crate::usp::msg::{self, Answer};
use crate::usp::pb::request::ReqType;
use std::cell::RefCell;
use std::rc::Rc;

/// The source that says who asks.
const CALLER: &str = "agent:caller";

/// Why a message changes nothing: an Error with what is wrong with which path.
type Refused = (Fault, Vec<(String, Fault)>);

impl Agent {
    /// Carries out a request.
    //= TR-369 R-MSG.0: every request gets a response or an Error.
    pub(in crate::agent) fn usp(&mut self, running: &mut Running, ask: &Rc<Ask>) -> Step {
        let Some(link) = self.usp.links.get(&ask.link) else { return Step::Over };
        //= TR-369 R-SEC.24: what has changed since it came counts.
        let ask = match trust::judge(&self.config.usp, &self.usp.known, &link.up, &ask.from) {
            Ok(who) => &ask.clone().of(who.map(|controller| controller.name.as_str())),
            Err(why) => {
                let why = format!("a request of {} is not served: {why}", ask.from.as_str());
                self.log(log::Level::Warn, why);
                return Step::Over;
            }
        };
        let rights = self.rights(ask);
        let rights: &Rights = &rights;
        self.supply_caller(running, ask.from.as_str(), ask.controller());
        match &ask.request {
            ReqType::Get(get) => self.read(running, ask, |view| msg::get::get(view, get, rights)),
            ReqType::GetInstances(get) => {
                self.read(running, ask, |view| msg::instances::get_instances(view, get, rights))
            }
            ReqType::GetSupportedDm(get) => {
                self.read(running, ask, |view| msg::supported_dm::get_supported_dm(view, get, rights))
            }
            ReqType::GetSupportedProtocol(get) => {
                self.answer_usp(ask, msg::protocol::get_supported_protocol(get));
                Step::Over
            }
            ReqType::Set(set) => self.change(running, ask, |planner| msg::set::set(planner, rights, set)),
            ReqType::Add(add) => self.change(running, ask, |planner| msg::add::add(planner, rights, add)),
            ReqType::Operate(asked) => self.operate(running, ask, asked, rights),
            ReqType::Delete(delete) => {
                self.change(running, ask, |planner| msg::delete::delete(planner, rights, delete))
            }
            //= TR-369 R-MSG.1: what is not supported is answered by 7001.
            ReqType::Notify(_) | ReqType::Register(_) | ReqType::Deregister(_) => {
                self.fail(ask, &Fault::new(MESSAGE_NOT_SUPPORTED, ""), &[])
            }
        }
    }

    /// Has mapping functions know who asks: the path of the controller's row and the endpoint id.
    pub(super) fn supply_caller(&self, running: &mut Running, from: &str, controller: Option<&str>) {
        if running.snapshot.peek(CALLER).is_none() {
            let mut facts = vec![("EndpointID", Tree::from(from))];
            let row = controller.and_then(|section| self.usp.known.rows.get(section));
            facts.extend(row.map(|row| ("Controller", Tree::from(&**row))));
            running.snapshot.supply(CALLER, Source::ready(Tree::map(facts)));
        }
    }

    fn read(
        &mut self,
        running: &mut Running,
        ask: &Ask,
        read: impl Fn(&View<'_>) -> Result<Answer, Stop>,
    ) -> Step {
        match run::attempt(self.model, &mut running.snapshot, &self.instances, |view| read(view)) {
            Ok(answer) => {
                self.answer_usp(ask, answer);
                Step::Over
            }
            Err(Halt::Need(keys)) => Step::Need(keys),
            Err(Halt::Refused(why)) => self.fail(ask, &Fault::of(&why, Asked::Read), &[]),
        }
    }

    fn change(
        &mut self,
        running: &mut Running,
        ask: &Rc<Ask>,
        plan: impl Fn(&mut Planner<'_>) -> Result<Outcome, Waits>,
    ) -> Step {
        match self.outcome(running, plan) {
            Ok((plan, answer)) => self.commit_for_controller(running, plan, ask, answer),
            Err(Ok(step)) => step,
            Err(Err((fault, paths))) => self.fail(ask, &fault, &paths),
        }
    }

    /// Plans a message that changes something.
    pub(super) fn outcome(
        &self,
        running: &mut Running,
        plan: impl Fn(&mut Planner<'_>) -> Result<Outcome, Waits>,
    ) -> Result<(Plan, Answer), Result<Step, Refused>> {
        let outcome = RefCell::new(None);
        let planned = self.plan(running, |planner| {
            *outcome.borrow_mut() = Some(plan(planner).map_err(|Waits| NoPlan::Wait)?);
            Ok(())
        });
        match (planned, outcome.into_inner()) {
            (Ok(plan), Some(Outcome::Done(answer))) => Ok((plan, answer)),
            (Ok(_), Some(Outcome::Refused(fault, paths))) => Err(Err((fault, paths))),
            (Ok(_), None) => {
                Err(Err((Fault::of(&Refusal::Backend("no plan".into()), Asked::Set), Vec::new())))
            }
            (Err(Ok(step)), _) => Err(Ok(step)),
            (Err(Err(errors)), _) => {
                let unknown = Error::new("", Refusal::UnknownPath);
                let error = errors.first().unwrap_or(&unknown);
                Err(Err((Fault::about(error, Asked::Set), Vec::new())))
            }
        }
    }

    fn commit_for_controller(
        &mut self,
        running: &mut Running,
        plan: Plan,
        ask: &Rc<Ask>,
        answer: Answer,
    ) -> Step {
        self.audit_plan(&plan);
        self.audit.failed = ask.failed(&answer);
        let state = self.state.clone();
        let message = answer.into_msg(&ask.msg_id);
        self.commit(running, plan, state, Done::Usp(Rc::clone(ask), message))
    }

    /// Keeps something of the agent's own accord.
    pub(in crate::agent) fn keep(&mut self, running: &mut Running, errand: &Errand) -> Step {
        let number = self.state.commit();
        let planned = self.plan(running, |planner| match errand {
            Errand::Set(wishes) => planner.set(wishes),
            Errand::Adopt(newcomer) => trust::adopt(planner, number, newcomer),
        });
        match planned {
            Ok(plan) => {
                let state = self.state.clone();
                self.commit(running, plan, state, Done::Nobody)
            }
            Err(Ok(step)) => step,
            Err(Err(errors)) => {
                for error in errors {
                    self.log(log::Level::Error, error.to_string());
                }
                Step::Over
            }
        }
    }

    pub(in crate::agent) fn answer_usp(&mut self, ask: &Ask, answer: Answer) {
        let message = answer.into_msg(&ask.msg_id);
        self.reply(ask, message);
    }

    pub(super) fn fail(&mut self, ask: &Ask, fault: &Fault, paths: &[(String, Fault)]) -> Step {
        self.audit_refused(|path| {
            paths.iter().find(|(own, _)| own == path).map_or(fault.code, |(_, own)| own.code)
        });
        self.reply(ask, msg::error(&ask.msg_id, fault, paths));
        Step::Over
    }

    /// Says that a request cannot be served at all.
    pub(in crate::agent) fn refuse_usp(&mut self, ask: &Ask, why: &Refusal) {
        self.fail(ask, &Fault::of(why, Asked::Read), &[]);
    }
}
