//! USP messages as JSON, for the log and the page, and requests of the page as messages.
//!
//! Objects become maps from path to what is said of it, so that a person sees the tree. Driven by [`super::controller`]
//! and [`super::page`].

use serde_json::{Map, Value as Json, json};

use super::known::is_secret;
use crate::usp::pb;
use crate::usp::pb::add_resp::created_object_result::operation_status::OperStatus as Added;
use crate::usp::pb::delete_resp::deleted_object_result::operation_status::OperStatus as Deleted;
use crate::usp::pb::notify::Notification;
use crate::usp::pb::notify::operation_complete::OperationResp as Completed;
use crate::usp::pb::operate_resp::operation_result::OperationResp as Operated;
use crate::usp::pb::request::ReqType;
use crate::usp::pb::response::RespType;
use crate::usp::pb::schema::Texts;
use crate::usp::pb::set_resp::updated_object_result::operation_status::OperStatus as Updated;

/// Objects by path, each with its parameters.
pub type Objects = Vec<(String, Texts)>;

fn object(texts: &Texts) -> Json {
    texts.iter().map(|(name, text)| (name.clone(), json!(text))).collect::<Map<_, _>>().into()
}

/// The name of a request, and what it says.
pub fn request(request: &ReqType) -> (&'static str, Json) {
    match request {
        ReqType::Get(m) => ("Get", json!({ "paths": m.param_paths, "max_depth": m.max_depth })),
        ReqType::GetSupportedDm(m) => (
            "GetSupportedDM",
            json!({ "paths": m.obj_paths, "first_level_only": m.first_level_only, "commands": m.return_commands,
                "events": m.return_events, "parameters": m.return_params, "unique_keys": m.return_unique_key_sets }),
        ),
        ReqType::GetInstances(m) => {
            ("GetInstances", json!({ "paths": m.obj_paths, "first_level_only": m.first_level_only }))
        }
        ReqType::Set(m) => {
            let objects = m.update_objs.iter().map(|object| {
                let each = object.param_settings.iter().map(|p| (p.param.clone(), json!(p.value)));
                (object.obj_path.clone(), Json::Object(each.collect()))
            });
            ("Set", json!({ "allow_partial": m.allow_partial, "objects": pairs(objects) }))
        }
        ReqType::Add(m) => {
            let objects = m.create_objs.iter().map(|object| {
                let each = object.param_settings.iter().map(|p| (p.param.clone(), json!(p.value)));
                (object.obj_path.clone(), Json::Object(each.collect()))
            });
            ("Add", json!({ "allow_partial": m.allow_partial, "objects": pairs(objects) }))
        }
        ReqType::Delete(m) => ("Delete", json!({ "allow_partial": m.allow_partial, "paths": m.obj_paths })),
        ReqType::Operate(m) => (
            "Operate",
            json!({ "command": m.command, "command_key": m.command_key, "answer": m.send_resp, "arguments": object(&m.input_args) }),
        ),
        ReqType::Notify(m) => ("Notify", notify(m)),
        ReqType::GetSupportedProtocol(m) => {
            ("GetSupportedProtocol", json!({ "versions": m.controller_supported_protocol_versions }))
        }
        ReqType::Register(_) => ("Register", json!({})),
        ReqType::Deregister(_) => ("Deregister", json!({})),
    }
}

/// What a notification says.
pub fn notify(notify: &pb::Notify) -> Json {
    let what = match &notify.notification {
        Some(Notification::Event(m)) => {
            json!({ "Event": { format!("{}{}", m.obj_path, m.event_name): object(&m.params) } })
        }
        Some(Notification::ValueChange(m)) => json!({ "ValueChange": { &m.param_path: m.param_value } }),
        Some(Notification::ObjCreation(m)) => {
            json!({ "ObjectCreation": { &m.obj_path: object(&m.unique_keys) } })
        }
        Some(Notification::ObjDeletion(m)) => json!({ "ObjectDeletion": m.obj_path }),
        Some(Notification::OperComplete(m)) => {
            let came_to = match &m.operation_resp {
                Some(Completed::ReqOutputArgs(out)) => object(&out.output_args),
                Some(Completed::CmdFailure(why)) => fault(why.err_code, &why.err_msg),
                None => Json::Null,
            };
            let command = format!("{}{}", m.obj_path, m.command_name);
            json!({ "OperationComplete": { command: came_to, "command_key": m.command_key } })
        }
        Some(Notification::OnBoardReq(m)) => json!({ "OnBoardRequest": { "oui": m.oui,
            "product_class": m.product_class, "serial_number": m.serial_number } }),
        None => Json::Null,
    };
    json!({ "subscription": notify.subscription_id, "answer": notify.send_resp, "notification": what })
}

/// The name of a response, and what it says.
pub fn response(response: &RespType) -> (&'static str, Json) {
    match response {
        RespType::GetResp(m) => (
            "GetResp",
            results(m.req_path_results.iter().map(|r| {
                let objects =
                    r.resolved_path_results.iter().map(|o| (o.resolved_path.clone(), object(&o.result_params)));
                (&r.requested_path, either(r.err_code, &r.err_msg, json!({ "objects": pairs(objects) })))
            })),
        ),
        RespType::GetSupportedDmResp(m) => (
            "GetSupportedDMResp",
            results(m.req_obj_results.iter().map(|r| {
                let objects = r.supported_objs.iter().map(|o| {
                    let parameters: Vec<_> = o.supported_params.iter().map(|p| &p.param_name).collect();
                    let commands: Vec<_> = o.supported_commands.iter().map(|c| &c.command_name).collect();
                    let events: Vec<_> = o.supported_events.iter().map(|e| &e.event_name).collect();
                    let said = json!({ "parameters": parameters, "commands": commands, "events": events });
                    (o.supported_obj_path.clone(), said)
                });
                (&r.req_obj_path, either(r.err_code, &r.err_msg, json!({ "objects": pairs(objects) })))
            })),
        ),
        RespType::GetInstancesResp(m) => (
            "GetInstancesResp",
            results(m.req_path_results.iter().map(|r| {
                let rows =
                    r.curr_insts.iter().map(|i| (i.instantiated_obj_path.clone(), object(&i.unique_keys)));
                (&r.requested_path, either(r.err_code, &r.err_msg, json!({ "instances": pairs(rows) })))
            })),
        ),
        RespType::SetResp(m) => (
            "SetResp",
            results(m.updated_obj_results.iter().map(|r| {
                let said = match r.oper_status.as_ref().and_then(|status| status.oper_status.as_ref()) {
                    Some(Updated::OperSuccess(done)) => {
                        let each = done.updated_inst_results.iter();
                        let rows = each.clone().map(|i| (i.affected_path.clone(), object(&i.updated_params)));
                        let refused: Vec<_> = each
                            .flat_map(|i| i.param_errs.iter().map(|p| refusal(&p.param, p.err_code, &p.err_msg)))
                            .collect();
                        json!({ "objects": pairs(rows), "refused": refused })
                    }
                    Some(Updated::OperFailure(why)) => fault(why.err_code, &why.err_msg),
                    None => Json::Null,
                };
                (&r.requested_path, said)
            })),
        ),
        RespType::AddResp(m) => (
            "AddResp",
            results(m.created_obj_results.iter().map(|r| {
                let said = match r.oper_status.as_ref().and_then(|status| status.oper_status.as_ref()) {
                    Some(Added::OperSuccess(done)) => {
                        let each = done.param_errs.iter();
                        let refused: Vec<_> =
                            each.map(|p| refusal(&p.param, p.err_code, &p.err_msg)).collect();
                        json!({ "objects": { &done.instantiated_path: object(&done.unique_keys) }, "refused": refused })
                    }
                    Some(Added::OperFailure(why)) => fault(why.err_code, &why.err_msg),
                    None => Json::Null,
                };
                (&r.requested_path, said)
            })),
        ),
        RespType::DeleteResp(m) => (
            "DeleteResp",
            results(m.deleted_obj_results.iter().map(|r| {
                let said = match r.oper_status.as_ref().and_then(|status| status.oper_status.as_ref()) {
                    Some(Deleted::OperSuccess(done)) => json!({ "deleted": done.affected_paths }),
                    Some(Deleted::OperFailure(why)) => fault(why.err_code, &why.err_msg),
                    None => Json::Null,
                };
                (&r.requested_path, said)
            })),
        ),
        RespType::OperateResp(m) => (
            "OperateResp",
            results(m.operation_results.iter().map(|r| {
                let said = match &r.operation_resp {
                    Some(Operated::ReqObjPath(path)) => json!({ "request": path }),
                    Some(Operated::ReqOutputArgs(out)) => json!({ "output": object(&out.output_args) }),
                    Some(Operated::CmdFailure(why)) => fault(why.err_code, &why.err_msg),
                    None => Json::Null,
                };
                (&r.executed_command, said)
            })),
        ),
        RespType::NotifyResp(m) => ("NotifyResp", json!({ "subscription": m.subscription_id })),
        RespType::GetSupportedProtocolResp(m) => {
            ("GetSupportedProtocolResp", json!({ "versions": m.agent_supported_protocol_versions }))
        }
        RespType::RegisterResp(_) => ("RegisterResp", json!({})),
        RespType::DeregisterResp(_) => ("DeregisterResp", json!({})),
    }
}

/// What an Error says.
pub fn error(error: &pb::Error) -> Json {
    let each = error.param_errs.iter().map(|p| refusal(&p.param_path, p.err_code, &p.err_msg));
    json!({ "code": error.err_code, "text": error.err_msg, "parameters": each.collect::<Vec<_>>() })
}

fn pairs(each: impl Iterator<Item = (String, Json)>) -> Json {
    Json::Object(each.collect())
}

fn results<'a>(each: impl Iterator<Item = (&'a String, Json)>) -> Json {
    pairs(each.map(|(path, said)| (path.clone(), said)))
}

fn fault(code: u32, text: &str) -> Json {
    json!({ "error": { "code": code, "text": text } })
}

fn refusal(path: &str, code: u32, text: &str) -> Json {
    json!({ "path": path, "code": code, "text": text })
}

fn either(code: u32, text: &str, said: Json) -> Json {
    if code == 0 { said } else { fault(code, text) }
}

/// The same with the texts of secrets hidden.
pub fn masked(said: Json) -> Json {
    match said {
        Json::Object(map) => Json::Object(
            map.into_iter()
                .map(|(name, value)| match value {
                    Json::String(text) if is_secret(&name) && !text.is_empty() => (name, json!("***")),
                    other => (name, masked(other)),
                })
                .collect::<Map<_, _>>(),
        ),
        Json::Array(list) => Json::Array(list.into_iter().map(masked).collect()),
        other => other,
    }
}

/// Reads what the page asks for; `request` names it, the rest is as [`request`] writes it.
pub fn asked(from: &Json) -> Result<ReqType, String> {
    let flag = |name: &str| from.get(name).and_then(Json::as_bool).unwrap_or(false);
    let text = |name: &str| from.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let paths = || -> Result<Vec<String>, String> {
        let list = from.get("paths").and_then(Json::as_array).ok_or("paths is no list")?;
        list.iter().map(|path| path.as_str().map(str::to_owned).ok_or("a path is no text".into())).collect()
    };
    let texts = |map: Option<&Json>| -> Result<Texts, String> {
        let Some(map) = map.and_then(Json::as_object) else { return Ok(Texts::new()) };
        let each = map.iter().map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        each.collect::<Option<_>>().ok_or("a value is no text".into())
    };
    let objects = || -> Result<Objects, String> {
        let map = from.get("objects").and_then(Json::as_object).ok_or("objects is no map")?;
        map.iter().map(|(path, settings)| Ok((path.clone(), texts(Some(settings))?))).collect()
    };
    Ok(match text("request").as_str() {
        "Get" => ReqType::Get(pb::Get {
            param_paths: paths()?,
            max_depth: from
                .get("max_depth")
                .and_then(Json::as_u64)
                .and_then(|n| n.try_into().ok())
                .unwrap_or(0),
        }),
        "GetInstances" => ReqType::GetInstances(pb::GetInstances {
            obj_paths: paths()?,
            first_level_only: flag("first_level_only"),
        }),
        "GetSupportedDM" => ReqType::GetSupportedDm(pb::GetSupportedDm {
            obj_paths: paths()?,
            first_level_only: flag("first_level_only"),
            return_commands: true,
            return_events: true,
            return_params: true,
            return_unique_key_sets: false,
        }),
        "Set" => ReqType::Set(set(objects()?)),
        "Add" => ReqType::Add(add(objects()?)),
        "Delete" => ReqType::Delete(pb::Delete { allow_partial: false, obj_paths: paths()? }),
        "Operate" => ReqType::Operate(pb::Operate {
            command: text("command"),
            command_key: text("command_key"),
            send_resp: true,
            input_args: texts(from.get("arguments"))?,
        }),
        other => return Err(format!("no such request: {other:?}")),
    })
}

/// A Set of these objects, all or nothing.
pub fn set(objects: Objects) -> pb::Set {
    let object = |(obj_path, settings): (String, Texts)| {
        let setting = |(param, value)| pb::set::UpdateParamSetting { param, value, required: true };
        pb::set::UpdateObject { obj_path, param_settings: settings.into_iter().map(setting).collect() }
    };
    pb::Set { allow_partial: false, update_objs: objects.into_iter().map(object).collect() }
}

/// An Add of these rows, all or nothing.
pub fn add(objects: Objects) -> pb::Add {
    let object = |(obj_path, settings): (String, Texts)| {
        let setting = |(param, value)| pb::add::CreateParamSetting { param, value, required: true };
        pb::add::CreateObject { obj_path, param_settings: settings.into_iter().map(setting).collect() }
    };
    pb::Add { allow_partial: false, create_objs: objects.into_iter().map(object).collect() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn what_the_page_asks_is_what_the_log_shows() {
        for asks in [
            json!({ "request": "Get", "paths": ["Device.WiFi."], "max_depth": 2 }),
            json!({ "request": "GetInstances", "paths": ["Device.WiFi.SSID."], "first_level_only": true }),
            json!({ "request": "Set", "allow_partial": false, "objects": { "Device.WiFi.SSID.1.": { "SSID": "x" } } }),
            json!({ "request": "Add", "allow_partial": false, "objects": { "Device.NAT.PortMapping.": {} } }),
            json!({ "request": "Delete", "allow_partial": false, "paths": ["Device.NAT.PortMapping.1."] }),
            json!({ "request": "Operate", "command": "Device.Reboot()", "command_key": "k", "answer": true,
                "arguments": { "a": "b" } }),
        ] {
            let (name, mut said) = request(&asked(&asks).unwrap());
            said["request"] = json!(name);
            assert_eq!(said, asks);
        }
    }

    #[test]
    fn what_the_page_may_not_ask_is_refused_with_a_reason() {
        for bad in [
            json!({}),
            json!({ "request": "Notify" }),
            json!({ "request": "Get" }),
            json!({ "request": "Get", "paths": [1] }),
            json!({ "request": "Set", "objects": [] }),
            json!({ "request": "Set", "objects": { "Device.WiFi.": { "SSID": 1 } } }),
        ] {
            assert!(asked(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_value_of_a_secret_never_reaches_the_log() {
        let object = "Device.WiFi.AccessPoint.1.Security.";
        let settings = Texts::from([("KeyPassphrase".into(), "hunter2".into())]);
        let (_, said) = request(&ReqType::Set(set(vec![(object.into(), settings)])));
        assert_eq!(masked(said)["objects"][object], json!({ "KeyPassphrase": "***" }));
        let change = pb::notify::ValueChange {
            param_path: format!("{object}KeyPassphrase"),
            param_value: "hunter2".into(),
        };
        let notification = Some(Notification::ValueChange(change));
        let said = notify(&pb::Notify { subscription_id: String::new(), send_resp: false, notification });
        assert!(!masked(said).to_string().contains("hunter2"));
    }
}
