//! Operate: a command of one object, or of all that a search finds.
//!
//! Planned commands are done with the plan and answered with their results; those the agent carries out itself are given
//! back, and how each is answered is asked of the caller ([`Begun`]). Rows of Request are the caller's to keep.

use super::change::Waits;
use super::{Answer, resolve, supported};
use crate::dm::acl::{Rights, Rwxn};
use crate::dm::error::Refusal;
use crate::dm::operate::Operated;
use crate::dm::path::{Kind, Pattern};
use crate::dm::schema::Arguments;
use crate::dm::source::Stop;
use crate::dm::view::View;
use crate::dm::write::{NoPlan, Planner};
use crate::usp::error::{
    Asked, COMMAND_FAILURE, Fault, INVALID_PATH, INVALID_PATH_SYNTAX, OBJECT_DOES_NOT_EXIST,
    PERMISSION_DENIED, RESOURCES_EXCEEDED,
};
use crate::usp::pb::operate_resp::OperationResult;
use crate::usp::pb::operate_resp::operation_result::{CommandFailure, OperationResp, OutputArgs};
use crate::usp::pb::response::RespType;
use crate::usp::pb::{self, OperateResp};

/// Most objects whose command one message may call.
pub const MAX_OBJECTS: usize = 64;

/// A command of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The object's path with its dot.
    pub object: String,
    /// The command, such as `Reset()`.
    pub command: String,
    /// Whether the standard makes it one that takes its time.
    pub asynchronous: bool,
    /// What it came to.
    pub came_to: CameTo,
}

/// What calling a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CameTo {
    /// It is planned; its results.
    Planned(Arguments),
    /// The agent is to carry it out: its name in the mapping, and what goes in.
    Agent(&'static str, Arguments),
    /// It is not run.
    Failed(Fault),
}

/// How a call is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is done; its results.
    Done(Arguments),
    /// It runs; the path of its row in Request, without the last dot.
    Runs(String),
    /// It failed.
    Failed(Fault),
}

/// Plans what an Operate asks for; the inner error is for the message as a whole.
//= TR-369 R-OPR.1: what fails in one of the objects is told for that object and is no Error message.
//= TR-369 R-SEC.1: permissions are asked before anything is done.
pub fn operate(
    planner: &mut Planner<'_>,
    rights: &Rights,
    ask: &pb::Operate,
) -> Result<Result<Vec<Call>, Fault>, Waits> {
    let pattern = match Pattern::parse(&ask.command) {
        Ok(pattern) if pattern.kind() == Kind::Command => pattern,
        Ok(_) => return Ok(Err(Fault::new(INVALID_PATH_SYNTAX, "wanted the path of a command"))),
        Err(why) => return Ok(Err(Fault::new(INVALID_PATH_SYNTAX, &why.to_string()))),
    };
    let found = planner.look(|view| {
        let Some((owner, name)) = pattern.owner() else {
            return Ok(Err(Fault::new(INVALID_PATH, &ask.command)));
        };
        let name = format!("{name}{}", pattern.kind().suffix());
        if !view.in_schema(&owner)? || !is_known(view, &owner, &name)? {
            return Ok(Err(Fault::new(INVALID_PATH, &ask.command)));
        }
        let nodes = match resolve(view, rights, &owner) {
            Ok(nodes) => nodes,
            Err(Stop::Refused(Refusal::UnknownPath)) => Vec::new(),
            Err(stop) => return Err(stop),
        };
        let mut calls = Vec::new();
        for node in nodes {
            let place = node.place();
            let command = view.model.object(place.object)?.command(&name).ok_or(Refusal::UnknownPath)?;
            let grant = rights.at(view, &format!("{}{name}", place.path))?.command;
            //= TR-369 R-GET.1: what may not be seen is as if it were not there.
            if grant.has(Rwxn::R) || grant.has(Rwxn::X) {
                calls.push((place.path.to_string(), command.asynchronous, grant.has(Rwxn::X)));
            }
        }
        if calls.is_empty() && !pattern.is_search() {
            // Who may call it nowhere is told so, whichever rows there are.
            let anywhere = supported(rights, &pattern).command;
            let seen = anywhere.has(Rwxn::R) || anywhere.has(Rwxn::X);
            let code = if seen { OBJECT_DOES_NOT_EXIST } else { PERMISSION_DENIED };
            return Ok(Err(Fault::new(code, &ask.command)));
        }
        Ok(Ok((calls, name)))
    });
    let (found, name) = match found {
        Ok(Ok(found)) => found,
        Ok(Err(fault)) => return Ok(Err(fault)),
        Err(Stop::Wait) => return Err(Waits),
        Err(Stop::Refused(why)) => return Ok(Err(Fault::of(&why, Asked::Operate))),
    };
    if found.len() > MAX_OBJECTS {
        return Ok(Err(Fault::new(RESOURCES_EXCEEDED, "too many objects")));
    }
    let (mut calls, mut waits) = (Vec::new(), false);
    for (object, asynchronous, may) in found {
        let came_to = match may {
            false => CameTo::Failed(Fault::new(PERMISSION_DENIED, &object)),
            true => match one(planner, &format!("{object}{name}"), ask)? {
                Some(came_to) => came_to,
                None => {
                    waits = true;
                    continue;
                }
            },
        };
        calls.push(Call { object, command: name.clone(), asynchronous, came_to });
    }
    if waits { Err(Waits) } else { Ok(Ok(calls)) }
}

/// Whether objects of that path have the command; those that a reference leads to may.
fn is_known(view: &View<'_>, owner: &Pattern, name: &str) -> Result<bool, Stop> {
    let Some(path) = owner.schema_path() else { return Ok(true) };
    match view.model.find(&path) {
        Some(object) => Ok(view.model.object(object)?.command(name).is_some()),
        None => Ok(false),
    }
}

/// Plans one command; `None` where sources are missing. What fails leaves nothing in the plan.
//= TR-369 R-OPR.5: a mandatory argument that is missing fails the command with 7027.
fn one(planner: &mut Planner<'_>, path: &str, ask: &pb::Operate) -> Result<Option<CameTo>, Waits> {
    let before = planner.mark();
    Ok(Some(match planner.operate(path, &ask.input_args) {
        Ok(Operated::Planned(results)) => CameTo::Planned(results),
        Ok(Operated::Agent(name, _, inputs)) => CameTo::Agent(name, inputs),
        Err(NoPlan::Wait) => return Ok(None),
        Err(NoPlan::Refused(errors)) => {
            planner.undo(before);
            let fault = errors.first().map(|error| Fault::of(&error.why, Asked::Operate));
            CameTo::Failed(fault.unwrap_or(Fault::new(COMMAND_FAILURE, path)))
        }
    }))
}

/// The answer, with how each call is answered.
pub fn answer(calls: &[(String, Begun)]) -> Answer {
    let results = calls.iter().map(|(path, begun)| OperationResult {
        executed_command: path.clone(),
        operation_resp: Some(match begun {
            Begun::Done(results) => OperationResp::ReqOutputArgs(OutputArgs { output_args: results.clone() }),
            Begun::Runs(row) => OperationResp::ReqObjPath(row.clone()),
            Begun::Failed(fault) => OperationResp::CmdFailure(CommandFailure {
                err_code: fault.code,
                err_msg: fault.text.clone(),
            }),
        }),
    });
    Answer::response(RespType::OperateResp(OperateResp { operation_results: results.collect() }))
}

/// Whether the answer is sent.
//= TR-369 R-OPR.4: without send_resp there is no response, save that a failure may be told.
pub fn is_answered(ask: &pb::Operate, calls: &[(String, Begun)]) -> bool {
    ask.send_resp || calls.iter().any(|(_, begun)| matches!(begun, Begun::Failed(_)))
}
