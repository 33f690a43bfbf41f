//! Which changes a request of a controller asks for, and what of them failed while the rest was done.

use super::Ask;
use crate::audit::{self, Change, What};
use crate::usp::msg::Answer;
use crate::usp::msg::operate::Begun;
use crate::usp::pb::add_resp::created_object_result::operation_status::OperStatus as Added;
use crate::usp::pb::body::MsgBody;
use crate::usp::pb::delete_resp::deleted_object_result::operation_status::OperStatus as Deleted;
use crate::usp::pb::request::ReqType;
use crate::usp::pb::response::RespType;
use crate::usp::pb::set_resp::updated_object_result::operation_status::OperStatus as Updated;
use crate::usp::pb::{self, AddResp, DeleteResp, SetResp};

impl Ask {
    /// Who asks.
    pub(in crate::agent) fn manager(&self) -> String {
        self.from.as_str().into()
    }

    /// The changes that are asked for.
    pub(in crate::agent) fn changes(&self) -> Vec<Change> {
        let set = |object: &str, param: &str, value: &str| {
            Change::new(What::Set, format!("{object}{param}"), Some(value))
        };
        let mut changes = Vec::new();
        match &self.request {
            ReqType::Set(ask) => {
                for update in &ask.update_objs {
                    let values = update.param_settings.iter();
                    changes.extend(values.map(|own| set(&update.obj_path, &own.param, &own.value)));
                }
            }
            ReqType::Add(ask) => {
                for create in &ask.create_objs {
                    changes.push(Change::new(What::Add, create.obj_path.as_str(), None));
                    let values = create.param_settings.iter();
                    changes.extend(values.map(|own| set(&create.obj_path, &own.param, &own.value)));
                }
            }
            ReqType::Delete(ask) => {
                changes
                    .extend(ask.obj_paths.iter().map(|path| Change::new(What::Delete, path.as_str(), None)));
            }
            ReqType::Operate(ask) => {
                changes.push(Change::new(What::Command, ask.command.as_str(), Some(&inputs(ask))));
            }
            ReqType::Get(_)
            | ReqType::GetInstances(_)
            | ReqType::GetSupportedDm(_)
            | ReqType::GetSupportedProtocol(_)
            | ReqType::Notify(_)
            | ReqType::Register(_)
            | ReqType::Deregister(_) => {}
        }
        changes
    }

    /// What failed, by an answer that tells of the rest that it is done.
    //= TR-369 R-SET.0: with allow_partial each object stands alone.
    pub(super) fn failed(&self, answer: &Answer) -> Vec<Change> {
        let Answer::Body(pb::Body { msg_body: Some(MsgBody::Response(response)) }) = answer else {
            return Vec::new();
        };
        match response.resp_type.as_ref() {
            Some(RespType::SetResp(response)) => self.not_set(response),
            Some(RespType::AddResp(response)) => self.not_added(response),
            Some(RespType::DeleteResp(response)) => not_deleted(response),
            Some(_) | None => Vec::new(),
        }
    }

    /// A value that was asked for at an object, as it stands in the request.
    fn value(&self, object: &str, param: &str) -> Option<String> {
        let path = format!("{object}{param}");
        self.changes().into_iter().find(|change| change.what == What::Set && change.path == path)?.new
    }

    fn not_set(&self, response: &SetResp) -> Vec<Change> {
        let mut out = Vec::new();
        for result in &response.updated_obj_results {
            let asked = &result.requested_path;
            match result.oper_status.as_ref().and_then(|status| status.oper_status.as_ref()) {
                Some(Updated::OperFailure(failure)) => {
                    let errors = || failure.updated_inst_failures.iter().flat_map(|one| &one.param_errs);
                    let ReqType::Set(ask) = &self.request else { continue };
                    let updates = ask.update_objs.iter().filter(|update| update.obj_path == *asked);
                    out.extend(updates.flat_map(|update| &update.param_settings).map(|own| {
                        let why = errors().find(|why| why.param == own.param);
                        let path = format!("{asked}{}", own.param);
                        Change::new(What::Set, path, Some(&own.value))
                            .refused(why.map_or(failure.err_code, |why| why.err_code))
                    }));
                }
                Some(Updated::OperSuccess(success)) => {
                    for one in &success.updated_inst_results {
                        out.extend(one.param_errs.iter().map(|own| {
                            let path = format!("{}{}", one.affected_path, own.param);
                            let value = self.value(asked, &own.param);
                            Change::new(What::Set, path, value.as_deref()).refused(own.err_code)
                        }));
                    }
                }
                None => {}
            }
        }
        out
    }

    fn not_added(&self, response: &AddResp) -> Vec<Change> {
        let mut out = Vec::new();
        for result in &response.created_obj_results {
            let asked = &result.requested_path;
            match result.oper_status.as_ref().and_then(|status| status.oper_status.as_ref()) {
                Some(Added::OperFailure(failure)) => {
                    out.push(Change::new(What::Add, asked.as_str(), None).refused(failure.err_code));
                }
                Some(Added::OperSuccess(success)) => out.extend(success.param_errs.iter().map(|own| {
                    let path = format!("{}{}", success.instantiated_path, own.param);
                    let value = self.value(asked, &own.param);
                    Change::new(What::Set, path, value.as_deref()).refused(own.err_code)
                })),
                None => {}
            }
        }
        out
    }
}

fn not_deleted(response: &DeleteResp) -> Vec<Change> {
    let refused = |path: &str, code| Change::new(What::Delete, path, None).refused(code);
    let mut out = Vec::new();
    for result in &response.deleted_obj_results {
        match result.oper_status.as_ref().and_then(|status| status.oper_status.as_ref()) {
            Some(Deleted::OperFailure(failure)) => {
                out.push(refused(&result.requested_path, failure.err_code))
            }
            Some(Deleted::OperSuccess(success)) => {
                let all = success.unaffected_path_errs.iter();
                out.extend(all.map(|own| refused(&own.unaffected_path, own.err_code)));
            }
            None => {}
        }
    }
    out
}

/// Commands that were begun, and those that failed.
pub(super) fn commands(ask: &pb::Operate, begun: &[(String, Begun)]) -> Vec<Change> {
    let command = |(path, begun): &(String, Begun)| {
        let change = Change::new(What::Command, path.as_str(), Some(&inputs(ask)));
        match begun {
            Begun::Done(_) | Begun::Runs(_) => change,
            Begun::Failed(fault) => change.refused(fault.code),
        }
    };
    begun.iter().map(command).collect()
}

/// What goes into a command, in one text.
fn inputs(ask: &pb::Operate) -> String {
    let mask = |name: &str, value: &String| audit::masked(audit::is_secret(name), value);
    let words = ask.input_args.iter().map(|(name, value)| format!("{name}={}", mask(name, value)));
    words.collect::<Vec<_>>().join(" ")
}
