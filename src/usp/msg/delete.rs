//! Delete: rows of tables.

use super::Answer;
use super::change::{self, Outcome, Waits};
use crate::dm::acl::{Rights, Rwxn};
use crate::dm::read::Node;
use crate::dm::source::Stop;
use crate::dm::write::{NoPlan, Planner};
use crate::usp::error::{
    Asked, DELETE_FAILURE, Fault, NOT_A_TABLE, OBJECT_DOES_NOT_EXIST, PERMISSION_DENIED,
};
use crate::usp::pb::delete_resp::deleted_object_result::OperationStatus;
use crate::usp::pb::delete_resp::deleted_object_result::operation_status::{
    OperStatus, OperationFailure, OperationSuccess,
};
use crate::usp::pb::delete_resp::{DeletedObjectResult, UnaffectedPathError};
use crate::usp::pb::response::RespType;
use crate::usp::pb::{self, DeleteResp};

/// Plans a Delete.
//= TR-369 R-DEL.0: with allow_partial each path stands alone.
//= TR-369 R-DEL.1: without it a path that cannot be deleted is an Error and nothing is deleted.
pub fn delete(planner: &mut Planner<'_>, rights: &Rights, ask: &pb::Delete) -> Result<Outcome, Waits> {
    let start = planner.mark();
    let mut waits = false;
    let mut results = Vec::new();
    for path in &ask.obj_paths {
        let (rows, is_search) = match change::find(planner, rights, path, row) {
            Err(Waits) => {
                waits = true;
                continue;
            }
            //= TR-369 R-DEL.2a: a row that is not there is no failure where each path stands alone.
            Ok(Err(fault)) if ask.allow_partial && fault.code == OBJECT_DOES_NOT_EXIST => (Vec::new(), true),
            Ok(Err(fault)) if !ask.allow_partial => {
                return Ok(change::refuse(planner, start, vec![(path.clone(), fault.clone())], fault));
            }
            Ok(Err(fault)) => {
                results.push(result(path, failure(&fault)));
                continue;
            }
            Ok(Ok(found)) => (found.paths, found.is_search),
        };
        let (mut affected, mut unaffected) = (Vec::new(), Vec::new());
        for row in rows {
            match delete_row(planner, rights, &row) {
                Err(Waits) => waits = true,
                Ok(Ok(())) => affected.push(row),
                Ok(Err(fault)) if !ask.allow_partial => {
                    return Ok(change::refuse(planner, start, vec![(row, fault.clone())], fault));
                }
                Ok(Err(fault)) => unaffected.push((row, fault)),
            }
        }
        let status = match unaffected.as_slice() {
            [(_, fault)] if !is_search => failure(fault),
            //= TR-369 R-DEL.3: every row that matched and could not be deleted is told with its reason.
            failed => OperStatus::OperSuccess(OperationSuccess {
                affected_paths: affected,
                unaffected_path_errs: failed.iter().map(unaffected_path).collect(),
            }),
        };
        results.push(result(path, status));
    }
    if waits {
        return Err(Waits);
    }
    Ok(Outcome::Done(Answer::response(RespType::DeleteResp(DeleteResp { deleted_obj_results: results }))))
}

/// Only a row can go.
fn row(node: &Node<'_>) -> Result<(), u32> {
    match node {
        Node::Object(place) if place.path.trim_end_matches('.').ends_with(|c: char| c.is_ascii_digit()) => {
            Ok(())
        }
        Node::Table(_) => Err(DELETE_FAILURE),
        Node::Object(_) | Node::Param(..) => Err(NOT_A_TABLE),
    }
}

fn delete_row(planner: &mut Planner<'_>, rights: &Rights, row: &str) -> Result<Result<(), Fault>, Waits> {
    match planner.look(|view| rights.at(view, row)) {
        Ok(grant) if grant.instance.has(Rwxn::W) => {}
        Ok(_) => return Ok(Err(Fault::new(PERMISSION_DENIED, row))),
        Err(Stop::Wait) => return Err(Waits),
        Err(Stop::Refused(why)) => return Ok(Err(Fault::of(&why, Asked::Delete))),
    }
    let before = planner.mark();
    match planner.delete(row) {
        Ok(()) => Ok(Ok(())),
        Err(NoPlan::Wait) => Err(Waits),
        Err(NoPlan::Refused(errors)) => {
            planner.undo(before);
            let fault = errors.first().map(|error| Fault::of(&error.why, Asked::Delete));
            Ok(Err(fault.unwrap_or(Fault::new(DELETE_FAILURE, row))))
        }
    }
}

fn unaffected_path((row, fault): &(String, Fault)) -> UnaffectedPathError {
    UnaffectedPathError { unaffected_path: row.clone(), err_code: fault.code, err_msg: fault.text.clone() }
}

fn failure(fault: &Fault) -> OperStatus {
    OperStatus::OperFailure(OperationFailure { err_code: fault.code, err_msg: fault.text.clone() })
}

fn result(path: &str, status: OperStatus) -> DeletedObjectResult {
    DeletedObjectResult {
        requested_path: path.to_string(),
        oper_status: Some(OperationStatus { oper_status: Some(status) }),
    }
}
