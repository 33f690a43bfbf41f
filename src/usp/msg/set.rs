//! Set: values of objects that are there.

use super::Answer;
use super::change::{self, Found, Outcome, Setting, Waits, Written};
use crate::dm::acl::Rights;
use crate::dm::read::Node;
use crate::dm::write::{NoPlan, Planner, Wish};
use crate::usp::error::{Asked, Fault, OBJECT_DOES_NOT_EXIST};
use crate::usp::pb::response::RespType;
use crate::usp::pb::set_resp::updated_object_result::OperationStatus;
use crate::usp::pb::set_resp::updated_object_result::operation_status::{
    OperStatus, OperationFailure, OperationSuccess,
};
use crate::usp::pb::set_resp::{
    ParameterError, UpdatedInstanceFailure, UpdatedInstanceResult, UpdatedObjectResult,
};
use crate::usp::pb::{self, SetResp};

/// One object with what became of it.
type Done = (String, Result<Written, Vec<(String, Fault)>>);

/// Plans a Set.
//= TR-369 R-SET.0: with allow_partial each update_obj stands alone.
//= TR-369 R-SET.1: without it any failure is an Error and nothing is changed.
pub fn set(planner: &mut Planner<'_>, rights: &Rights, ask: &pb::Set) -> Result<Outcome, Waits> {
    let start = planner.mark();
    let mut waits = false;
    let mut found = Vec::new();
    for update in &ask.update_objs {
        match change::find(planner, rights, &update.obj_path, settable) {
            Ok(objects) => found.push((update, objects)),
            Err(Waits) => waits = true,
        }
    }
    if waits {
        return Err(Waits);
    }
    together(planner, rights, &found)?;
    let mut results = Vec::new();
    for (update, objects) in found {
        let path = &update.obj_path;
        let settings = settings(update);
        let status = match objects {
            Err(fault) if !ask.allow_partial => {
                return Ok(change::refuse(planner, start, vec![(path.clone(), fault.clone())], fault));
            }
            Err(fault) => failure(&fault, Vec::new()),
            Ok(objects) => {
                let before = planner.mark();
                let done = match update_all(planner, rights, &objects, &settings) {
                    Ok(done) => done,
                    Err(Waits) => {
                        waits = true;
                        continue;
                    }
                };
                let failed: Vec<(&String, &Vec<(String, Fault)>)> =
                    done.iter().filter_map(|(object, done)| Some((object, done.as_ref().err()?))).collect();
                if let Some((_, first)) = failed.first() {
                    let outer = change::outer(first);
                    if !ask.allow_partial {
                        let all = failed.iter().flat_map(|(object, errors)| change::full(object, errors));
                        let all = all.collect();
                        return Ok(change::refuse(planner, start, all, outer));
                    }
                    //= TR-369 R-SET.2a: a path that stands for several objects is all or nothing.
                    planner.undo(before);
                    failure(&outer, failed.into_iter().map(instance_failure).collect())
                } else {
                    success(done)
                }
            }
        };
        results.push(UpdatedObjectResult {
            requested_path: path.clone(),
            oper_status: Some(OperationStatus { oper_status: Some(status) }),
        });
    }
    if waits {
        return Err(Waits);
    }
    Ok(Outcome::Done(Answer::response(RespType::SetResp(SetResp { updated_obj_results: results }))))
}

/// A table is no object that has values.
fn settable(node: &Node<'_>) -> Result<(), u32> {
    match node {
        Node::Object(_) => Ok(()),
        Node::Table(_) | Node::Param(..) => Err(OBJECT_DOES_NOT_EXIST),
    }
}

fn settings(update: &pb::set::UpdateObject) -> Vec<Setting<'_>> {
    let all = update.param_settings.iter();
    all.map(|own| Setting { param: &own.param, value: &own.value, required: own.required }).collect()
}

/// Plans all values of all objects as one, where that can be: values that depend on each other across objects, such as
/// two keys that change places, have no order.
///
/// Where it cannot, nothing is planned, and each object is tried for itself.
fn together(
    planner: &mut Planner<'_>,
    rights: &Rights,
    found: &[(&pb::set::UpdateObject, Result<Found, Fault>)],
) -> Result<(), Waits> {
    if found.len() < 2 || !rights.is_all() {
        return Ok(());
    }
    let mut wishes = Vec::new();
    for (update, objects) in found {
        let Ok(objects) = objects else { return Ok(()) };
        for object in &objects.paths {
            wishes.extend(update.param_settings.iter().map(|setting| Wish {
                path: format!("{object}{}", setting.param),
                value: setting.value.clone(),
                said: None,
            }));
        }
    }
    let before = planner.mark();
    match planner.set(&wishes) {
        Ok(()) => Ok(()),
        Err(NoPlan::Wait) => Err(Waits),
        Err(NoPlan::Refused(_)) => {
            planner.undo(before);
            Ok(())
        }
    }
}

fn update_all(
    planner: &mut Planner<'_>,
    rights: &Rights,
    objects: &Found,
    settings: &[Setting<'_>],
) -> Result<Vec<Done>, Waits> {
    let mut waits = false;
    let mut done = Vec::new();
    for object in &objects.paths {
        match change::write(planner, rights, object, settings, Asked::Set) {
            Ok(outcome) => done.push((object.clone(), outcome)),
            Err(Waits) => waits = true,
        }
    }
    if waits { Err(Waits) } else { Ok(done) }
}

fn success(done: Vec<Done>) -> OperStatus {
    let results = done.into_iter().filter_map(|(object, written)| {
        let written = written.ok()?;
        Some(UpdatedInstanceResult {
            affected_path: object,
            param_errs: written.failed.iter().map(parameter_error).collect(),
            updated_params: written.params,
        })
    });
    OperStatus::OperSuccess(OperationSuccess { updated_inst_results: results.collect() })
}

fn failure(fault: &Fault, instances: Vec<UpdatedInstanceFailure>) -> OperStatus {
    OperStatus::OperFailure(OperationFailure {
        err_code: fault.code,
        err_msg: fault.text.clone(),
        updated_inst_failures: instances,
    })
}

fn instance_failure((object, failed): (&String, &Vec<(String, Fault)>)) -> UpdatedInstanceFailure {
    UpdatedInstanceFailure {
        affected_path: object.clone(),
        param_errs: failed.iter().map(parameter_error).collect(),
    }
}

fn parameter_error((name, fault): &(String, Fault)) -> ParameterError {
    ParameterError { param: name.clone(), err_code: fault.code, err_msg: fault.text.clone() }
}
