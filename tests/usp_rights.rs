//! Roles by chance over a recorded router: what a controller sees and may do, held against a plain model of roles.
//!
//! The plain model knows a list of all that is there, as a controller that may do everything reads it, and compares texts. A
//! second property needs no model: about a row that is hidden, every answer is that about a row that is not there.
#![cfg(feature = "usp")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/agent.rs"]
mod agent;
#[path = "common/controller.rs"]
mod controller;
#[path = "common/cwmp_schema.rs"]
mod cwmp_schema;
#[path = "common/device.rs"]
mod device;
#[path = "common/roles.rs"]
mod roles;

use agent::Bench;
use controller::Controller;
use cpeagent::usp::pb;
use cpeagent::usp::pb::request::ReqType;
use cpeagent::usp::pb::response::RespType;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use roles::{Kind, Role, TARGETS, World, is_row, letters, parent, role, settings};
use std::collections::{BTreeMap, BTreeSet};

const DEVICE: &str = "wr4000-25.12";
/// What of the router is asked for; rows, rows within rows, a value of secured parameters.
const ROOTS: [&str; 3] = ["Device.WiFi.SSID.", "Device.WiFi.AccessPoint.", "Device.DHCPv4.Server."];
const SSIDS: &str = "Device.WiFi.SSID.";
const HOSTS: &str = "Device.DHCPv4.Server.Pool.1.StaticAddress.";

fn get(path: &str) -> ReqType {
    ReqType::Get(pb::Get { param_paths: vec![path.into()], max_depth: 0 })
}

/// A Get of many paths, as what each alone would give.
fn get_all<'a>(
    bench: &mut Bench,
    from: &mut Controller,
    paths: impl IntoIterator<Item = &'a String>,
) -> Vec<Got> {
    let ask = pb::Get { param_paths: paths.into_iter().cloned().collect(), max_depth: 0 };
    let Ok(RespType::GetResp(resp)) = from.ask(bench, "g", ReqType::Get(ask)) else { panic!("no GetResp") };
    let each = resp.req_path_results.into_iter().map(|result| pb::GetResp { req_path_results: vec![result] });
    each.map(|resp| values(Ok(RespType::GetResp(resp)))).collect()
}

fn instances(path: &str, first_level_only: bool) -> ReqType {
    ReqType::GetInstances(pb::GetInstances { obj_paths: vec![path.into()], first_level_only })
}

fn supported(path: &str) -> ReqType {
    ReqType::GetSupportedDm(pb::GetSupportedDm {
        obj_paths: vec![path.into()],
        first_level_only: false,
        return_commands: true,
        return_events: false,
        return_params: true,
        return_unique_key_sets: false,
    })
}

fn set(path: &str, values: &[(&str, &str)]) -> ReqType {
    let setting = |(param, value): &(&str, &str)| pb::set::UpdateParamSetting {
        param: param.to_string(),
        value: value.to_string(),
        required: true,
    };
    let object =
        pb::set::UpdateObject { obj_path: path.into(), param_settings: values.iter().map(setting).collect() };
    ReqType::Set(pb::Set { allow_partial: false, update_objs: vec![object] })
}

fn add(path: &str) -> ReqType {
    let object = pb::add::CreateObject { obj_path: path.into(), param_settings: Vec::new() };
    ReqType::Add(pb::Add { allow_partial: false, create_objs: vec![object] })
}

fn delete(path: &str, allow_partial: bool) -> ReqType {
    ReqType::Delete(pb::Delete { allow_partial, obj_paths: vec![path.into()] })
}

fn operate(command: &str) -> ReqType {
    controller::operate(command, &[])
}

/// Values by their whole paths, or the code of what is wrong with the path.
fn values(answer: Result<RespType, pb::Error>) -> Got {
    let Ok(RespType::GetResp(resp)) = answer else { panic!("{answer:?}") };
    let result = resp.req_path_results.into_iter().next().unwrap();
    if result.err_code != 0 {
        return Err(result.err_code);
    }
    let objects = result.resolved_path_results.into_iter();
    Ok(objects
        .flat_map(|object| {
            let path = object.resolved_path;
            object.result_params.into_iter().map(move |(name, value)| (format!("{path}{name}"), value))
        })
        .collect())
}

/// Values by their whole paths, or the code of what is wrong with the path.
type Got = Result<BTreeMap<String, String>, u32>;
type Keys = BTreeMap<String, String>;

/// Rows with their keys, or the code.
fn rows(answer: Result<RespType, pb::Error>) -> Result<BTreeMap<String, Keys>, u32> {
    let Ok(RespType::GetInstancesResp(resp)) = answer else { panic!("{answer:?}") };
    let result = resp.req_path_results.into_iter().next().unwrap();
    if result.err_code != 0 {
        return Err(result.err_code);
    }
    let rows = result.curr_insts.into_iter();
    Ok(rows.map(|row| (row.instantiated_obj_path, row.unique_keys.into_iter().collect())).collect())
}

/// Objects, parameters and commands of the supported model.
fn nodes(answer: Result<RespType, pb::Error>) -> BTreeSet<String> {
    let Ok(RespType::GetSupportedDmResp(resp)) = answer else { panic!("{answer:?}") };
    let objects = resp.req_obj_results.into_iter().flat_map(|result| result.supported_objs);
    objects
        .flat_map(|object| {
            let path = object.supported_obj_path;
            let params = object.supported_params.iter().map(|param| param.param_name.as_str());
            let commands = object.supported_commands.iter().map(|command| command.command_name.as_str());
            let members: Vec<String> = params.chain(commands).map(|name| format!("{path}{name}")).collect();
            members.into_iter().chain([path])
        })
        .collect()
}

/// The objects that a Set touched, with what it tells of their values, or the code.
fn updated(answer: Result<RespType, pb::Error>) -> Result<BTreeMap<String, Keys>, u32> {
    use pb::set_resp::updated_object_result::operation_status::OperStatus;
    let resp = match answer {
        Ok(RespType::SetResp(resp)) => resp,
        Ok(other) => panic!("{other:?}"),
        Err(error) => return Err(error.err_code),
    };
    let status =
        resp.updated_obj_results.into_iter().next().unwrap().oper_status.unwrap().oper_status.unwrap();
    let OperStatus::OperSuccess(success) = status else { panic!("{status:?}") };
    let rows = success.updated_inst_results.into_iter();
    Ok(rows.map(|row| (row.affected_path, row.updated_params.into_iter().collect())).collect())
}

fn world(bench: &mut Bench, one: &mut Controller, roles: &[Role]) -> World {
    let mut world = World {
        params: BTreeMap::new(),
        objects: BTreeSet::new(),
        keys: BTreeMap::new(),
        roles: roles.to_vec(),
        targets: Vec::new(),
    };
    for root in ROOTS {
        world.params.extend(values(one.ask(bench, "w", get(root))).unwrap());
        let found = one.ask(
            bench,
            "w",
            instances(if root.contains("Server") { "Device.DHCPv4.Server.Pool." } else { root }, false),
        );
        world.keys.extend(rows(found).unwrap());
        for node in nodes(one.ask(bench, "w", supported(root))).iter().filter(|node| node.ends_with('.')) {
            world.objects.insert(node.clone());
        }
    }
    // Each object of the supported model once for every row that there is, tables by themselves.
    let mut objects = BTreeSet::new();
    let mut left: Vec<String> = world.objects.iter().cloned().collect();
    while let Some(path) = left.pop() {
        match path.find("{i}.") {
            None => drop(objects.insert(path)),
            Some(at) => {
                objects.insert(path[..at].to_string());
                let rows = world.keys.keys().filter(|row| parent(row) == &path[..at]);
                left.extend(rows.map(|row| format!("{row}{}", &path[at + 4..])));
            }
        }
    }
    world.objects = objects;
    world.targets = TARGETS.iter().map(|target| world.expanded(target, &|_| true)).collect();
    world
}

fn config(cases: u32) -> ProptestConfig {
    let chosen = std::env::var_os("PROPTEST_RNG_SEED").is_some();
    let rng_seed = if chosen { ProptestConfig::default().rng_seed } else { RngSeed::Fixed(1) };
    ProptestConfig { cases, failure_persistence: None, rng_seed, ..ProptestConfig::default() }
}

/// A router with these roles for controller `two`, both controllers linked, and all there is.
fn start(roles: &[Role]) -> (Bench, Controller, World) {
    let mut bench = Bench::new(DEVICE);
    bench.disk.put("/etc/config/cpeagent", &settings(roles));
    bench.start();
    let mut one = Controller::web_socket(&mut bench, 1, "controller one one_ws");
    let two = Controller::web_socket(&mut bench, 2, "controller two two_ws");
    bench.commands.clear();
    let world = world(&mut bench, &mut one, roles);
    (bench, two, world)
}

proptest! {
    #![proptest_config(config(16))]

    //= TR-369 R-GET.1, R-GET.4, R-GIN.0, R-GIN.1, R-GSP.0
    //= TR-369 17: the largest Order decides within a role, roles are joined, secured values are shown to secured roles.
    #[test]
    fn what_is_read_is_what_the_plain_model_of_roles_shows(roles in prop::collection::vec(role(), 1..4)) {
        let (mut bench, mut two, world) = start(&roles);
        for (path, got) in world.params.keys().zip(get_all(&mut bench, &mut two, world.params.keys())) {
            let want = if world.reads(path) { Ok([(path.clone(), world.shown(path))].into()) } else { Err(7026) };
            prop_assert_eq!(got, want, "{}", path);
        }
        for (path, got) in world.objects.iter().zip(get_all(&mut bench, &mut two, &world.objects)) {
            prop_assert_eq!(got, world.values(std::slice::from_ref(path)).ok_or(7026), "{}", path);
        }
        for path in [
            "Device.WiFi.SSID.*.", "Device.WiFi.SSID.[Enable==true].", "Device.WiFi.SSID.[Enable==false].Stats.",
            "Device.DHCPv4.Server.Pool.[Enable==true].StaticAddress.", "Device.WiFi.AccessPoint.[Enable==true].Security.",
        ] {
            // Nothing found may be an error or not; either shows the same.
            let got = values(two.ask(&mut bench, "g", get(path))).unwrap_or_default();
            let meant = world.expanded(path, &|param| world.reads(param));
            prop_assert_eq!(got, world.values(&meant).unwrap_or_default(), "{}", path);
        }
        for table in [SSIDS, "Device.WiFi.AccessPoint.", "Device.DHCPv4.Server.Pool.", HOSTS] {
            let shown = |row: &str| world.has(Kind::Row, 'r', row);
            let want = world.keys.iter().filter(|(row, _)| parent(row) == table && shown(row)).map(|(row, keys)| {
                let read = keys.iter().filter(|(name, _)| world.reads(&format!("{row}{name}")));
                (row.clone(), read.map(|(name, value)| (name.clone(), value.clone())).collect::<Keys>())
            }).collect::<BTreeMap<_, _>>();
            let want = if want.is_empty() && !world.sees(table) { Err(7026) } else { Ok(want) };
            prop_assert_eq!(rows(two.ask(&mut bench, "i", instances(table, true))), want, "{}", table);
        }
        let schema = |path: &str| path.split('.').map(|part| if part.parse::<u32>().is_ok() { "{i}" } else { part }).collect::<Vec<_>>().join(".");
        let told = ROOTS.iter().flat_map(|root| nodes(two.ask(&mut bench, "s", supported(root)))).collect::<BTreeSet<_>>();
        for path in world.objects.iter().filter(|path| world.sees(path)) {
            prop_assert!(told.contains(&schema(path)) || !is_row(path) && told.contains(&format!("{}{{i}}.", schema(path))), "{}", path);
        }
        for path in world.params.keys().filter(|path| world.reads(path) && world.sees(parent(path))) {
            prop_assert!(told.contains(&schema(path)), "{}", path);
        }
        // Nothing is told that no rule at all lets read.
        for node in &told {
            let kind = if node.ends_with('.') { Kind::Object } else if node.ends_with(')') { Kind::Command } else { Kind::Param };
            let known = roles.iter().filter(|role| role.enable).flat_map(|role| &role.rules).filter(|rule| rule.enable);
            let may = known.filter(|rule| letters(rule.letters[kind as usize]).contains('r')).flat_map(|rule| &rule.targets);
            prop_assert!(may.into_iter().any(|at| {
                let plain = schema(&TARGETS[*at].replace('*', "{i}"));
                let plain = plain.split('[').next().unwrap().trim_end_matches('.');
                node.starts_with(&format!("{plain}.")) || node == plain
            }), "{}", node);
        }
    }

    //= TR-369 R-SEC.1: permissions are asked before anything is done.
    //= TR-369 R-GET.1, R-SET.3, R-DEL.2
    #[test]
    fn what_is_changed_is_what_the_plain_model_of_roles_allows(roles in prop::collection::vec(role(), 1..4)) {
        let (mut bench, mut two, world) = start(&roles);
        let values: Vec<(&String, &String)> = world.params.iter()
            .filter(|(path, _)| [".SSID", ".Enable", ".Yiaddr"].iter().any(|end| path.ends_with(end)) && is_row(parent(path)))
            .collect();
        for (path, value) in values {
            let (object, name) = (parent(path), &path[parent(path).len()..]);
            let want = match (world.sees(object), world.has(Kind::Param, 'w', path), world.reads(path)) {
                (false, ..) => Err(7016),
                (true, true, reads) => {
                    let told: Keys = reads.then(|| (name.to_string(), value.clone())).into_iter().collect();
                    Ok([(object.to_string(), told)].into())
                }
                (true, false, true) => Err(7006),
                (true, false, false) => Err(7010),
            };
            prop_assert_eq!(updated(two.ask(&mut bench, "s", set(object, &[(name, value)]))), want, "{}", path);
        }
        // Whoever may not read a value cannot have it found by a search either.
        for path in ["Device.WiFi.SSID.[Enable==true].", "Device.WiFi.SSID.*.", "Device.DHCPv4.Server.Pool.*.StaticAddress.[Enable==true]."] {
            let found = world.expanded(path, &|param| world.reads(param)).into_iter().filter(|row| world.sees(row));
            let got = updated(two.ask(&mut bench, "s", set(path, &[]))).map(|rows| rows.into_keys().collect::<Vec<_>>());
            prop_assert_eq!(got, Ok(found.collect()), "{}", path);
        }
        for search in ["*", "[Enable==true]"] {
            let command = format!("{SSIDS}{search}.Stats.Reset()");
            let found = world.expanded(&command, &|param| world.reads(param));
            let want: BTreeMap<String, bool> = found.into_iter()
                .map(|path| (world.has(Kind::Command, 'r', &path), world.has(Kind::Command, 'x', &path), path))
                .filter(|(reads, runs, _)| *reads || *runs)
                .map(|(_, runs, path)| (path, runs))
                .collect();
            let Ok(RespType::OperateResp(resp)) = two.ask(&mut bench, "o", operate(&command)) else { panic!("{command}") };
            let got: BTreeMap<String, bool> = resp.operation_results.into_iter().map(|result| {
                use pb::operate_resp::operation_result::OperationResp;
                let failed = matches!(&result.operation_resp, Some(OperationResp::CmdFailure(failure)) if failure.err_code == 7006);
                (result.executed_command, !failed)
            }).collect();
            prop_assert_eq!(got, want, "{}", command);
        }
        let want = if !world.sees(HOSTS) { Err(7016) } else if !world.has(Kind::Object, 'w', HOSTS) { Err(7006) } else { Ok(()) };
        let got = two.ask(&mut bench, "a", add(HOSTS)).map(|_| ()).map_err(|error| error.err_code);
        prop_assert_eq!(got, want);
        for row in world.keys.keys().filter(|row| parent(row) == HOSTS) {
            let want = if !world.sees(row) { Err(7016) } else if !world.has(Kind::Row, 'w', row) { Err(7006) } else { Ok(()) };
            let got = two.ask(&mut bench, "d", delete(row, false)).map(|_| ()).map_err(|error| error.err_code);
            prop_assert_eq!(got, want, "{}", row);
        }
    }
}

proptest! {
    #![proptest_config(config(6))]

    //= TR-369 R-GET.1, R-GIN.0: what may not be read is as if it were not there, whatever is asked.
    #[test]
    fn about_a_hidden_row_every_answer_is_that_about_a_row_that_is_not_there(roles in prop::collection::vec(role(), 1..4)) {
        let (mut bench, mut two, world) = start(&roles);
        // One of each table: of the next one there is nothing else to learn.
        let hidden: BTreeMap<&str, &String> =
            world.keys.keys().filter(|row| world.hides(row)).map(|row| (parent(row), row)).collect();
        for row in hidden.into_values() {
            let missing = format!("{}99.", parent(row));
            let mut ask = |request: ReqType| format!("{:?}", two.ask(&mut bench, "h", request));
            for below in ["", "Enable", "Nothing", "Stats.", "StaticAddress.", "StaticAddress.1."] {
                let [here, there] = [row, &missing].map(|row| format!("{row}{below}"));
                let asked = |path: &str| [
                    get(path), instances(path, false), set(path, &[]), set(path, &[("Enable", "true")]),
                    add(path), delete(path, false), delete(path, true), operate(&format!("{path}Reset()")), operate(&format!("{path}Nothing()")),
                ];
                for (here_asked, there_asked) in asked(&here).into_iter().zip(asked(&there)) {
                    let what = format!("{here_asked:?}");
                    prop_assert_eq!(ask(here_asked).replace(&here, &there), ask(there_asked), "{}", what);
                }
            }
        }
    }
}
