//! Add, Set and Delete on a recorded router: what is answered and what is left planned, by table.
#![cfg(feature = "usp")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/device.rs"]
mod device;

use cpeagent::cli::local::Local;
use cpeagent::dm::acl::{self, Grant, Rights, Role, Rule, Rwxn};
use cpeagent::dm::instance::Instances;
use cpeagent::dm::schema::Audience;
use cpeagent::dm::write::{NoPlan, Plan, Planner, Policy};
use cpeagent::io::disk::RealDisk;
use cpeagent::io::source::Files;
use cpeagent::time::Now;
use cpeagent::tr181;
use cpeagent::usp::msg::change::{Outcome, Waits};
use cpeagent::usp::msg::{self, Answer};
use cpeagent::usp::pb;
use cpeagent::usp::pb::body::MsgBody;
use cpeagent::usp::pb::response::RespType;
use std::cell::RefCell;
use std::sync::Arc;

const MAPPINGS: &str = "Device.NAT.PortMapping.";

struct Router {
    local: Local,
    _root: tempfile::TempDir,
}

impl Router {
    fn new() -> Router {
        let root = device::device("wr4000-25.12");
        let disk = Arc::new(RealDisk::new(root.path()).unwrap());
        let files = Files::new(disk, true);
        let local = Local::new(tr181::model().unwrap(), files, Instances::default(), Now::default());
        Router { local, _root: root }
    }

    fn run(&self, ask: impl Fn(&mut Planner<'_>) -> Result<Outcome, Waits>) -> (Outcome, Plan) {
        let outcome = RefCell::new(None);
        let plan = self.local.plan_for(Audience::Usp, Policy { keep_secret_on_empty: true }, |planner| {
            *outcome.borrow_mut() = Some(ask(planner).map_err(|Waits| NoPlan::Wait)?);
            Ok(())
        });
        (outcome.into_inner().unwrap(), plan.unwrap())
    }

    fn set(&self, rights: &Rights, partial: bool, objects: &[(&str, &[Value])]) -> (Outcome, Plan) {
        let update_objs = objects.iter().map(|(path, settings)| pb::set::UpdateObject {
            obj_path: (*path).into(),
            param_settings: settings
                .iter()
                .map(|(param, value, required)| pb::set::UpdateParamSetting {
                    param: (*param).into(),
                    value: (*value).into(),
                    required: *required,
                })
                .collect(),
        });
        let ask = pb::Set { allow_partial: partial, update_objs: update_objs.collect() };
        self.run(|planner| msg::set::set(planner, rights, &ask))
    }

    fn add(&self, rights: &Rights, partial: bool, objects: &[(&str, &[Value])]) -> (Outcome, Plan) {
        let create_objs = objects.iter().map(|(path, settings)| pb::add::CreateObject {
            obj_path: (*path).into(),
            param_settings: settings
                .iter()
                .map(|(param, value, required)| pb::add::CreateParamSetting {
                    param: (*param).into(),
                    value: (*value).into(),
                    required: *required,
                })
                .collect(),
        });
        let ask = pb::Add { allow_partial: partial, create_objs: create_objs.collect() };
        self.run(|planner| msg::add::add(planner, rights, &ask))
    }

    fn delete(&self, rights: &Rights, partial: bool, paths: &[&str]) -> (Outcome, Plan) {
        let obj_paths = paths.iter().map(|path| (*path).into()).collect();
        let ask = pb::Delete { allow_partial: partial, obj_paths };
        self.run(|planner| msg::delete::delete(planner, rights, &ask))
    }
}

/// Parameter, value, required.
type Value = (&'static str, &'static str, bool);
/// allow_partial, the objects, what is told, whether anything changes.
type SetCase<'a> = (bool, &'a [(&'a str, &'a [Value])], &'a [&'a str], bool);
/// allow_partial, the objects, what is told, how many rows are made.
type AddCase<'a> = (bool, &'a [(&'a str, &'a [Value])], Vec<String>, usize);

fn answer(outcome: Outcome) -> RespType {
    let Outcome::Done(Answer::Body(body)) = outcome else { panic!("{outcome:?}") };
    let Some(MsgBody::Response(response)) = body.msg_body else { panic!("no response") };
    response.resp_type.unwrap()
}

/// The answer as short lines: per requested path, what became of it.
fn told(outcome: Outcome) -> Vec<String> {
    use pb::add_resp::created_object_result::operation_status::OperStatus as Added;
    use pb::delete_resp::deleted_object_result::operation_status::OperStatus as Deleted;
    use pb::set_resp::updated_object_result::operation_status::OperStatus as Updated;
    if let Outcome::Refused(fault, paths) = outcome {
        let paths = paths.iter().map(|(path, fault)| format!("{path} {}", fault.code));
        return std::iter::once(format!("error {}", fault.code)).chain(paths).collect();
    }
    match answer(outcome) {
        RespType::SetResp(resp) => resp
            .updated_obj_results
            .into_iter()
            .flat_map(|result| match result.oper_status.unwrap().oper_status.unwrap() {
                Updated::OperFailure(failure) => {
                    let rows = failure.updated_inst_failures.into_iter().map(|row| {
                        let errors: Vec<String> =
                            row.param_errs.iter().map(|e| format!("{}:{}", e.param, e.err_code)).collect();
                        format!("{} {}", row.affected_path, errors.join(" "))
                    });
                    std::iter::once(format!("failure {}", failure.err_code)).chain(rows).collect::<Vec<_>>()
                }
                Updated::OperSuccess(success) => success
                    .updated_inst_results
                    .into_iter()
                    .map(|row| {
                        let params: Vec<String> = row
                            .updated_params
                            .iter()
                            .map(|(name, value)| format!("{name}={value}"))
                            .collect();
                        let errors: Vec<String> =
                            row.param_errs.iter().map(|e| format!("{}:{}", e.param, e.err_code)).collect();
                        format!("{} {} {}", row.affected_path, params.join(" "), errors.join(" "))
                    })
                    .collect(),
            })
            .map(|line| line.trim_end().to_string())
            .collect(),
        RespType::AddResp(resp) => resp
            .created_obj_results
            .into_iter()
            .map(|result| match result.oper_status.unwrap().oper_status.unwrap() {
                Added::OperFailure(failure) => format!("failure {}", failure.err_code),
                Added::OperSuccess(success) => {
                    let errors: Vec<String> =
                        success.param_errs.iter().map(|e| format!("{}:{}", e.param, e.err_code)).collect();
                    let keys: Vec<&str> = success.unique_keys.keys().map(String::as_str).collect();
                    format!("{} [{}] {}", success.instantiated_path, keys.join(" "), errors.join(" "))
                        .trim_end()
                        .to_string()
                }
            })
            .collect(),
        RespType::DeleteResp(resp) => resp
            .deleted_obj_results
            .into_iter()
            .map(|result| match result.oper_status.unwrap().oper_status.unwrap() {
                Deleted::OperFailure(failure) => format!("failure {}", failure.err_code),
                Deleted::OperSuccess(success) => {
                    let errors: Vec<String> = success
                        .unaffected_path_errs
                        .iter()
                        .map(|e| format!("{}:{}", e.unaffected_path, e.err_code))
                        .collect();
                    format!("gone {} {}", success.affected_paths.join(" "), errors.join(" "))
                        .trim_end()
                        .to_string()
                }
            })
            .collect(),
        other => panic!("{other:?}"),
    }
}

/// Rights of one rule on one target.
fn only(target: &str, param: &str, object: &str, instance: &str) -> Rights {
    let rwxn = |text: &str| Rwxn::parse(text).unwrap();
    let grant =
        Grant { param: rwxn(param), object: rwxn(object), instance: rwxn(instance), command: rwxn("----") };
    let rule = Rule { order: 1, targets: vec![acl::target(target).unwrap()], grant };
    Rights::of(vec![Role { rules: vec![rule], secured: false }])
}

//= TR-369 R-SET.0: with allow_partial each update_obj stands alone.
//= TR-369 R-SET.1: without it any failure is an Error and nothing is changed.
//= TR-369 R-SET.2: a required parameter that fails, fails the object.
//= TR-369 R-MSG.4a: a search that finds nothing is no error.
#[test]
fn a_set_does_what_each_object_allows_and_tells_the_rest() {
    let router = Router::new();
    let all = Rights::all();
    let cases: &[SetCase<'_>] = &[
        (
            false,
            &[("Device.WiFi.SSID.1.", &[("SSID", "one", true)])],
            &["Device.WiFi.SSID.1. SSID=one"],
            true,
        ),
        (
            false,
            &[(
                "Device.WiFi.SSID.1.",
                &[("SSID", "one", true), ("Nothing", "x", false), ("Status", "Up", false)],
            )],
            &["Device.WiFi.SSID.1. SSID=one Nothing:7010 Status:7013"],
            true,
        ),
        (
            false,
            &[("Device.WiFi.SSID.1.", &[("SSID", "one", true), ("Enable", "maybe", true)])],
            &["error 7011", "Device.WiFi.SSID.1.Enable 7011"],
            false,
        ),
        (
            true,
            &[
                ("Device.WiFi.SSID.1.", &[("Enable", "maybe", true)]),
                ("Device.WiFi.SSID.2.", &[("SSID", "two", true)]),
            ],
            &["failure 7011", "Device.WiFi.SSID.1. Enable:7011", "Device.WiFi.SSID.2. SSID=two"],
            true,
        ),
        (true, &[("Device.WiFi.SSID.*.", &[("SSID", "", true)])], &["failure 7012"], false),
        (
            false,
            &[("Device.WiFi.SSID.99.", &[("SSID", "x", true)])],
            &["error 7016", "Device.WiFi.SSID.99. 7016"],
            false,
        ),
        (true, &[("Device.WiFi.SSID.99.", &[("SSID", "x", true)])], &["failure 7016"], false),
        (true, &[("Device.WiFi.SSID.", &[("SSID", "x", true)])], &["failure 7016"], false),
        (true, &[("Device.Nothing.", &[("SSID", "x", true)])], &["failure 7026"], false),
        (true, &[("Device.WiFi.SSID.[.", &[("SSID", "x", true)])], &["failure 7008"], false),
        (true, &[("Device.WiFi.SSID.1.SSID", &[("SSID", "x", true)])], &["failure 7008"], false),
        (false, &[("Device.WiFi.SSID.[SSID==\"none\"].", &[("SSID", "x", true)])], &[], false),
        (false, &[], &[], false),
    ];
    for (partial, objects, want, changed) in cases {
        let (outcome, plan) = router.set(&all, *partial, objects);
        let told = told(outcome);
        assert_eq!(
            told.iter().take(want.len()).collect::<Vec<_>>(),
            want.iter().collect::<Vec<_>>(),
            "{objects:?}"
        );
        assert_eq!(plan.edits.is_empty(), !changed, "{objects:?}: {:?}", plan.edits);
    }
}

//= TR-369 R-SEC.1: permissions are asked before anything is done.
//= TR-369 R-SET.3: what the controller cannot read is left out of updated_params.
//= TR-369 R-GET.1: what may not be read is as if it were not there.
#[test]
fn a_set_is_bound_by_the_controllers_rights() {
    let router = Router::new();
    let settings: &[Value] = &[("SSID", "one", true)];
    for (rights, want, changed) in [
        (only("Device.WiFi.", "rw--", "r---", "r---"), "Device.WiFi.SSID.1. SSID=one", true),
        (only("Device.WiFi.", "-w--", "r---", "r---"), "Device.WiFi.SSID.1.", true),
        (only("Device.WiFi.", "r---", "r---", "r---"), "failure 7006", false),
        (only("Device.WiFi.", "----", "r---", "r---"), "failure 7010", false),
        (only("Device.WiFi.", "rw--", "----", "r---"), "failure 7016", false),
        (only("Device.IP.", "rw--", "rw--", "rw--"), "failure 7016", false),
    ] {
        let (outcome, plan) = router.set(&rights, true, &[("Device.WiFi.SSID.1.", settings)]);
        assert_eq!(told(outcome)[0], want);
        assert_eq!(plan.edits.is_empty(), !changed, "{want}");
    }
    // No search finds a row by a value that the controller may not read.
    let blind = only("Device.WiFi.", "-w--", "r---", "r---");
    let (outcome, plan) = router.set(&blind, true, &[("Device.WiFi.SSID.[Enable==true].", settings)]);
    assert_eq!((told(outcome), plan.edits.is_empty()), (vec![], true));
}

//= TR-369 R-GET.1: what may not be read is as if it were not there.
#[test]
fn of_what_is_hidden_not_even_its_kind_is_told() {
    let router = Router::new();
    let none = only("Device.IP.", "rw--", "rw--", "rw--");
    for path in
        ["Device.WiFi.SSID.1.", "Device.WiFi.SSID.99.", "Device.WiFi.SSID.1.Stats.", "Device.WiFi.SSID."]
    {
        let want = [String::from("error 7016"), format!("{path} 7016")];
        assert_eq!(told(router.add(&none, false, &[(path, &[])]).0), want);
        assert_eq!(told(router.delete(&none, false, &[path]).0), want);
        assert_eq!(told(router.set(&none, false, &[(path, &[])]).0), want);
    }
}

//= TR-369 R-SET.2a: a path that stands for several objects is all or nothing.
#[test]
fn where_one_of_several_objects_fails_the_others_are_as_they_were() {
    let router = Router::new();
    let rwxn = |text| Rwxn::parse(text).unwrap();
    let grant = |param| Grant { param: rwxn(param), ..Grant::each(rwxn("r---")) };
    let rule = |order, target, param| Rule {
        order,
        targets: vec![acl::target(target).unwrap()],
        grant: grant(param),
    };
    let rules = vec![rule(1, "Device.WiFi.", "rw--"), rule(2, "Device.WiFi.SSID.2.", "r---")];
    let rights = Rights::of(vec![Role { rules, secured: false }]);
    let objects: &[(&str, &[Value])] = &[
        ("Device.WiFi.SSID.*.", &[("SSID", "x", true)]),
        ("Device.WiFi.SSID.3.", &[("SSID", "three", true)]),
    ];
    let (outcome, plan) = router.set(&rights, true, objects);
    let want = ["failure 7006", "Device.WiFi.SSID.2. SSID:7006", "Device.WiFi.SSID.3. SSID=three"];
    assert_eq!(told(outcome), want);
    let edited: Vec<String> = plan.edits.iter().map(|edit| format!("{edit:?}")).collect();
    assert_eq!(edited.len(), 1, "{edited:?}");
    let (outcome, plan) = router.set(&rights, false, objects);
    assert_eq!(told(outcome), ["error 7006", "Device.WiFi.SSID.2.SSID 7006"]);
    assert!(plan.edits.is_empty());
}

//= TR-369 R-ARC.11: a reference is taken with a key and read back with the number.
#[test]
fn a_reference_is_written_by_a_key_and_read_by_its_number() {
    let router = Router::new();
    let all = Rights::all();
    let (outcome, _) =
        router.set(&all, false, &[("Device.DHCPv4.Server.Pool.*.", &[("Enable", "true", false)])]);
    let pool = told(outcome)[0].split(' ').next().unwrap().to_string();
    let value = "Device.IP.Interface.[Name==\"lan\"]";
    let settings: &[Value] = &[("Interface", value, true)];
    let (outcome, _) = router.set(&all, false, &[(&pool, settings)]);
    let told = told(outcome).remove(0);
    let number = told.rsplit("Interface=Device.IP.Interface.").next().unwrap();
    assert!(number.parse::<u32>().is_ok(), "{told}");
    let none: &[Value] = &[("Interface", "Device.IP.Interface.[Name==\"none\"]", true)];
    let (outcome, _) = router.set(&all, false, &[(&pool, none)]);
    assert!(matches!(outcome, Outcome::Refused(..)));
}

//= TR-369 R-ADD.0: with allow_partial each object stands alone.
//= TR-369 R-ADD.1: without it any failure is an Error and nothing is created.
//= TR-369 R-ADD.2a: a search without allow_partial creates in all tables or in none.
//= TR-369 R-ADD.3: a key that is given counts as required.
//= TR-369 R-ADD.4: every parameter that failed is listed.
//= TR-369 R-ADD.5: keys that were not given are made by the agent and told.
#[test]
fn an_add_makes_rows_or_tells_why_not() {
    let router = Router::new();
    let first = {
        let (outcome, _) = router.add(&Rights::all(), false, &[(MAPPINGS, &[])]);
        told(outcome)[0].split(' ').next().unwrap().to_string()
    };
    let number: u32 = first.trim_start_matches(MAPPINGS).trim_end_matches('.').parse().unwrap();
    let keys = "[Alias ExternalPort Protocol RemoteHost]";
    let made = |at: u32, tail: &str| format!("{MAPPINGS}{}. {keys}{tail}", number + at);
    let cases: &[AddCase<'_>] = &[
        (false, &[(MAPPINGS, &[("Description", "one", true)])], vec![made(0, "")], 1),
        (
            false,
            &[(MAPPINGS, &[("Enable", "nonsense", false), ("Nothing", "x", false)])],
            vec![made(0, " Enable:7011 Nothing:7010")],
            1,
        ),
        (
            false,
            &[(MAPPINGS, &[]), (MAPPINGS, &[("Enable", "nonsense", true)])],
            vec!["error 7011".into(), format!("{MAPPINGS}Enable 7011")],
            0,
        ),
        (
            true,
            &[(MAPPINGS, &[]), (MAPPINGS, &[("Enable", "nonsense", true)]), (MAPPINGS, &[])],
            vec![made(0, ""), "failure 7011".into(), made(1, "")],
            2,
        ),
        (true, &[(MAPPINGS, &[("Alias", "88 no alias", false)])], vec!["failure 7012".into()], 0),
        (true, &[("Device.NAT.", &[])], vec!["failure 7018".into()], 0),
        (true, &[("Device.Hosts.Host.", &[])], vec!["failure 7019".into()], 0),
        (false, &[("Device.Nothing.", &[])], vec!["error 7026".into(), "Device.Nothing. 7026".into()], 0),
        (true, &[("Device.NAT.PortMapping", &[])], vec!["failure 7008".into()], 0),
        (false, &[], vec![], 0),
    ];
    for (partial, objects, want, rows) in cases {
        let (outcome, plan) = router.add(&Rights::all(), *partial, objects);
        assert_eq!(&told(outcome), want, "{objects:?}");
        assert_eq!(plan.added.len(), *rows, "{objects:?}");
        assert_eq!(plan.edits.is_empty(), *rows == 0, "{objects:?}");
    }
}

//= TR-369 R-ADD.6: keys that the controller may not read are left out.
#[test]
fn an_add_is_bound_by_the_controllers_rights() {
    let router = Router::new();
    let some: &[(&str, &[Value])] = &[(MAPPINGS, &[])];
    for (rights, want) in [
        (only("Device.NAT.", "----", "rw--", "----"), "[]"),
        (only("Device.NAT.", "rw--", "r---", "rw--"), "7006"),
        (only("Device.NAT.", "rw--", "-w--", "rw--"), "7016"),
    ] {
        let (outcome, _) = router.add(&rights, true, some);
        assert!(told(outcome)[0].ends_with(want), "{want}");
    }
}

//= TR-369 R-DEL.0: with allow_partial each path stands alone.
//= TR-369 R-DEL.1: without it a path that cannot be deleted is an Error and nothing is deleted.
//= TR-369 R-DEL.2a: a row that is not there is no failure where each path stands alone.
//= TR-369 R-DEL.3: every row that matched and could not be deleted is told with its reason.
//= TR-369 R-MSG.4a: a search that finds nothing is no error.
#[test]
fn a_delete_removes_rows_or_tells_why_not() {
    let router = Router::new();
    let all = Rights::all();
    let ssid = "Device.WiFi.SSID.1.";
    let hosts = "Device.Hosts.Host.";
    for (partial, paths, want, gone) in [
        (false, vec![ssid], vec!["gone Device.WiFi.SSID.1.".to_string()], 1),
        (true, vec!["Device.WiFi.SSID.99."], vec!["gone".into()], 0),
        (
            false,
            vec!["Device.WiFi.SSID.99."],
            vec!["error 7016".into(), "Device.WiFi.SSID.99. 7016".into()],
            0,
        ),
        (false, vec!["Device.WiFi.SSID.[SSID==\"none\"]."], vec!["gone".into()], 0),
        (true, vec!["Device.Nothing.", ssid], vec!["failure 7026".into(), format!("gone {ssid}")], 1),
        (false, vec![ssid, "Device.Nothing."], vec!["error 7026".into(), "Device.Nothing. 7026".into()], 0),
        (true, vec!["Device.WiFi."], vec!["failure 7018".into()], 0),
        (true, vec!["Device.WiFi.SSID."], vec!["failure 7024".into()], 0),
        (true, vec!["Device.WiFi.SSID.1.SSID"], vec!["failure 7008".into()], 0),
        (true, vec!["Device.Hosts.Host.1."], vec!["failure 7024".into()], 0),
        (
            false,
            vec![ssid, "Device.Hosts.Host.1."],
            vec!["error 7024".into(), "Device.Hosts.Host.1. 7024".into()],
            0,
        ),
    ] {
        let (outcome, plan) = router.delete(&all, partial, &paths);
        assert_eq!(told(outcome), want, "{paths:?}");
        assert_eq!(plan.deleted.len(), gone, "{paths:?}");
    }
    let (outcome, plan) = router.delete(&all, true, &[&format!("{hosts}*.")]);
    let told = told(outcome);
    assert!(told[0].starts_with("gone Device.Hosts.Host.1.:7024") || told[0].contains(":7024"), "{told:?}");
    assert!(plan.edits.is_empty());
}

//= TR-369 R-DEL.2: objects the controller may not read are left out of affected_paths.
//= TR-369 R-DEL.4: objects the controller may not read are left out of unaffected_paths.
#[test]
fn a_delete_is_bound_by_the_controllers_rights() {
    let router = Router::new();
    for (rights, want) in [
        (only("Device.WiFi.", "r---", "r---", "rw--"), "gone Device.WiFi.SSID.1."),
        (only("Device.WiFi.", "r---", "r---", "r---"), "failure 7006"),
        (only("Device.WiFi.", "r---", "----", "rw--"), "gone"),
    ] {
        let (outcome, _) = router.delete(&rights, true, &["Device.WiFi.SSID.1."]);
        assert_eq!(told(outcome), [want]);
    }
}
