//! Add: new rows of tables, with their values.

use super::Answer;
use super::change::{self, Outcome, Setting, Waits, Written};
use super::instances::{key_names, unique_keys};
use crate::dm::acl::{Rights, Rwxn};
use crate::dm::path::Pattern;
use crate::dm::read::Node;
use crate::dm::source::Stop;
use crate::dm::view::View;
use crate::dm::write::{NoPlan, Planner};
use crate::sorted::Map;
use crate::usp::error::{Asked, Fault, INTERNAL_ERROR, NOT_A_TABLE, PERMISSION_DENIED};
use crate::usp::pb::add_resp::created_object_result::OperationStatus;
use crate::usp::pb::add_resp::created_object_result::operation_status::{
    OperStatus, OperationFailure, OperationSuccess,
};
use crate::usp::pb::add_resp::{CreatedObjectResult, ParameterError};
use crate::usp::pb::response::RespType;
use crate::usp::pb::{self, AddResp};

/// What failed: of the object itself, or its parameters by name.
type Failed = (Fault, Vec<(String, Fault)>);

/// Plans an Add.
//= TR-369 R-ADD.0: with allow_partial each object stands alone.
//= TR-369 R-ADD.1: without it any failure is an Error and nothing is created.
//= TR-369 R-ADD.2a: a search without allow_partial creates in all tables or in none.
pub fn add(planner: &mut Planner<'_>, rights: &Rights, ask: &pb::Add) -> Result<Outcome, Waits> {
    let start = planner.mark();
    let mut waits = false;
    let mut results = Vec::new();
    for create in &ask.create_objs {
        let path = &create.obj_path;
        let tables = match change::find(planner, rights, path, table) {
            Err(Waits) => {
                waits = true;
                continue;
            }
            Ok(Err(fault)) => {
                if !ask.allow_partial {
                    return Ok(change::refuse(planner, start, vec![(path.clone(), fault.clone())], fault));
                }
                results.push(result(path, failure(&fault)));
                continue;
            }
            Ok(Ok(found)) => found.paths,
        };
        for table in tables {
            let status = match row(planner, rights, &table, create) {
                Err(Waits) => {
                    waits = true;
                    continue;
                }
                Ok(Ok(success)) => OperStatus::OperSuccess(success),
                Ok(Err((fault, failed))) if !ask.allow_partial => {
                    let full = match failed.is_empty() {
                        true => vec![(path.clone(), fault.clone())],
                        false => change::full(path, &failed),
                    };
                    return Ok(change::refuse(planner, start, full, fault));
                }
                Ok(Err((fault, _))) => failure(&fault),
            };
            results.push(result(path, status));
        }
    }
    if waits {
        return Err(Waits);
    }
    Ok(Outcome::Done(Answer::response(RespType::AddResp(AddResp { created_obj_results: results }))))
}

fn table(node: &Node<'_>) -> Result<(), u32> {
    match node {
        Node::Table(_) => Ok(()),
        Node::Object(_) | Node::Param(..) => Err(NOT_A_TABLE),
    }
}

/// Plans one new row. What fails it leaves nothing.
fn row(
    planner: &mut Planner<'_>,
    rights: &Rights,
    table: &str,
    create: &pb::add::CreateObject,
) -> Result<Result<OperationSuccess, Failed>, Waits> {
    let looked = planner.look(|view| Ok((rights.at(view, table)?, keys(view, table)?)));
    let (grant, keys) = match looked {
        Ok(looked) => looked,
        Err(Stop::Wait) => return Err(Waits),
        Err(Stop::Refused(why)) => return Ok(Err((Fault::of(&why, Asked::Add), Vec::new()))),
    };
    if !grant.object.has(Rwxn::W) {
        return Ok(Err((Fault::new(PERMISSION_DENIED, table), Vec::new())));
    }
    let start = planner.mark();
    let number = match planner.add(table) {
        Ok(number) => number,
        Err(NoPlan::Wait) => return Err(Waits),
        Err(NoPlan::Refused(errors)) => {
            planner.undo(start);
            let fault = errors.first().map(|error| Fault::of(&error.why, Asked::Add));
            return Ok(Err((fault.unwrap_or(Fault::new(INTERNAL_ERROR, table)), Vec::new())));
        }
    };
    let path = format!("{table}{number}.");
    //= TR-369 R-ADD.3: a key that is given counts as required.
    let settings: Vec<Setting<'_>> = create
        .param_settings
        .iter()
        .map(|own| Setting {
            param: &own.param,
            value: &own.value,
            required: own.required || keys.contains(&own.param.as_str()),
        })
        .collect();
    let written = match change::write(planner, rights, &path, &settings, Asked::Add)? {
        Ok(written) => written,
        Err(failed) => {
            planner.undo(start);
            return Ok(Err((change::outer(&failed), failed)));
        }
    };
    match planner.look(|view| keys_of_row(view, rights, &path)) {
        Ok(unique_keys) => Ok(Ok(success(path, written, unique_keys))),
        Err(Stop::Wait) => Err(Waits),
        Err(Stop::Refused(why)) => {
            planner.undo(start);
            Ok(Err((Fault::of(&why, Asked::Add), Vec::new())))
        }
    }
}

/// The names of the parameters that are part of a unique key of a table.
fn keys(view: &View<'_>, table: &str) -> Result<Vec<&'static str>, Stop> {
    let Ok(pattern) = Pattern::parse(table) else { return Ok(Vec::new()) };
    match view.resolve(&pattern)?.first() {
        Some(node) => Ok(key_names(view.model.object(node.place().object)?)),
        None => Ok(Vec::new()),
    }
}

/// The keys of a row that is there with their values, as far as they may be read.
//= TR-369 R-ADD.5: keys that were not given are made by the agent and told.
//= TR-369 R-ADD.6: keys that the controller may not read are left out.
pub(in crate::usp) fn keys_of_row(
    view: &View<'_>,
    rights: &Rights,
    row: &str,
) -> Result<Map<String, String>, Stop> {
    let Ok(pattern) = Pattern::parse(row) else { return Ok(Map::new()) };
    let Some(Node::Object(place)) = view.resolve(&pattern)?.into_iter().next() else {
        return Ok(Map::new());
    };
    let keys = unique_keys(view, &place, rights)?;
    Ok(keys.into_iter().map(|(name, value)| (name.to_string(), value.into_owned())).collect())
}

//= TR-369 R-ADD.4: every parameter that failed is listed.
fn success(path: String, written: Written, unique_keys: Map<String, String>) -> OperationSuccess {
    let errors = written.failed.into_iter().map(|(param, fault)| ParameterError {
        param,
        err_code: fault.code,
        err_msg: fault.text,
    });
    OperationSuccess { instantiated_path: path, param_errs: errors.collect(), unique_keys }
}

fn failure(fault: &Fault) -> OperStatus {
    OperStatus::OperFailure(OperationFailure { err_code: fault.code, err_msg: fault.text.clone() })
}

fn result(path: &str, status: OperStatus) -> CreatedObjectResult {
    CreatedObjectResult {
        requested_path: path.to_string(),
        oper_status: Some(OperationStatus { oper_status: Some(status) }),
    }
}
