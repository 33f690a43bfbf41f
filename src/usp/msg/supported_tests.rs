//! What a GetSupportedDM tells of the model of the fixture.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::usp::msg::fixture::{asked, rights};
use crate::usp::pb::get_supported_dm_resp::{RequestedObjectResult, SupportedObjectResult};
use crate::usp::pb::response::RespType;

const EVERYTHING: fn(&str) -> pb::GetSupportedDm = |path| pb::GetSupportedDm {
    obj_paths: vec![path.replace("POOL.", "Device.X_ACME_Pool.")],
    first_level_only: false,
    return_commands: true,
    return_events: true,
    return_params: true,
    return_unique_key_sets: true,
};

fn answer(ask: &pb::GetSupportedDm, rights: &Rights) -> RequestedObjectResult {
    let (answer, _) = asked(|view| get_supported_dm(view, ask, rights));
    let Ok(RespType::GetSupportedDmResp(mut response)) = answer else { panic!("{answer:?}") };
    assert_eq!(response.req_obj_results.len(), 1);
    let result = response.req_obj_results.remove(0);
    assert_eq!(result.req_obj_path, ask.obj_paths[0]);
    assert_eq!(
        (result.err_code == 0, result.err_code != 0),
        (result.err_msg.is_empty(), result.supported_objs.is_empty())
    );
    result
}

fn objects(ask: &pb::GetSupportedDm, rights: &Rights) -> String {
    let result = answer(ask, rights);
    if result.err_code != 0 {
        return result.err_code.to_string();
    }
    assert_eq!(result.data_model_inst_uri, MODEL_URI);
    let paths = result.supported_objs.iter().map(|o| o.supported_obj_path.replace("Device.X_ACME_", ""));
    paths.collect::<Vec<_>>().join(" ")
}

const BOX: &str = "Box. Box.Inner. Box.Inner.Core.";
const POOLS: &str = "Pool.{i}. Pool.{i}.Lease.{i}. Pool.{i}.Stats.";

//= TR-369 R-ARC.7: the last {i} of a path of the supported model may be left out.
#[test]
fn an_object_is_told_with_all_below_it_however_its_rows_are_written() {
    for (path, want) in [
        ("Device.", format!("Device. {BOX} Empty.{{i}}. {POOLS}").as_str()),
        ("POOL.", POOLS),
        ("POOL.{i}.", POOLS),
        ("POOL.1.", POOLS),
        ("POOL.77.", POOLS),
        ("POOL.1.Lease.", "Pool.{i}.Lease.{i}."),
        ("POOL.1.Lease.{i}.", "Pool.{i}.Lease.{i}."),
        ("POOL.{i}.Lease.", "Pool.{i}.Lease.{i}."),
        ("POOL.{i}.Stats.", "Pool.{i}.Stats."),
        ("Device.X_ACME_Box.", BOX),
        ("Device.X_ACME_Gone.", "7026"),
        ("Device.Nothing.", "7026"),
        ("POOL.Lease.", "7026"),
        ("POOL.Name", "7026"),
        ("POOL.{i}.Nothing", "7026"),
        ("Device.Nothing()", "7026"),
        ("Device.X_ACME_Gone.Name", "7026"),
        ("Device.X_ACME_Box.Inner.Core.Mine", "7026"),
        ("Other.", "7026"),
        ("POOL.{i}.Lease.1.", "7008"),
        ("POOL.*.", "7008"),
        ("POOL.[Name==\"x\"].", "7008"),
        ("", "7008"),
        ("Device", "7008"),
    ] {
        assert_eq!(objects(&EVERYTHING(path), &Rights::all()), want, "{path}");
    }
}

fn numbers(object: &SupportedObjectResult) -> [usize; 4] {
    [
        object.supported_commands.len(),
        object.supported_events.len(),
        object.supported_params.len(),
        object.unique_key_sets.len(),
    ]
}

#[test]
fn flags_choose_what_is_told_and_children_of_the_first_level_are_bare() {
    for (flags, want) in [
        ([true, false, false, false], [1, 0, 0, 0]),
        ([false, false, true, false], [0, 0, 10, 0]),
        ([false, false, false, true], [0, 0, 0, 3]),
        ([true, true, true, true], [1, 0, 10, 3]),
        ([false, false, false, false], [0, 0, 0, 0]),
    ] {
        let [return_commands, return_events, return_params, return_unique_key_sets] = flags;
        let ask = pb::GetSupportedDm {
            return_commands,
            return_events,
            return_params,
            return_unique_key_sets,
            ..EVERYTHING("POOL.")
        };
        assert_eq!(numbers(&answer(&ask, &Rights::all()).supported_objs[0]), want, "{flags:?}");
    }
    let ask = pb::GetSupportedDm { first_level_only: true, ..EVERYTHING("POOL.") };
    assert_eq!(objects(&ask, &Rights::all()), POOLS);
    let all = answer(&ask, &Rights::all()).supported_objs;
    assert_eq!(all.iter().map(numbers).collect::<Vec<_>>(), [[1, 0, 10, 3], [0; 4], [0; 4]]);
    let ask = pb::GetSupportedDm { first_level_only: true, ..EVERYTHING("Device.X_ACME_Box.") };
    assert_eq!(objects(&ask, &Rights::all()), "Box. Box.Inner.");
}

//= TR-369 R-KEY.1: what can be written once only, when the row is created, is shown as writable.
//= TR-369 12: a value that changes all the time is not told when it does.
#[test]
fn what_is_told_of_each_thing_is_what_the_model_says() {
    let result = answer(&EVERYTHING("Device."), &Rights::all());
    let find = |path: &str| result.supported_objs.iter().find(|o| o.supported_obj_path == path).unwrap();
    let pool = find("Device.X_ACME_Pool.{i}.");
    assert_eq!((pool.access, pool.is_multi_instance), (ObjAccessType::ObjAddDelete as i32, true));
    let param = |name: &str| pool.supported_params.iter().find(|p| p.param_name == name).unwrap();
    use ParamAccessType::{ParamReadOnly, ParamReadWrite};
    use ParamValueType::{ParamBoolean, ParamDateTime, ParamString, ParamUnsignedInt};
    use ValueChangeType::{ValueChangeAllowed, ValueChangeWillIgnore};
    for (name, access, kind, change) in [
        ("Name", ParamReadOnly, ParamString, ValueChangeAllowed),
        ("Enable", ParamReadWrite, ParamBoolean, ValueChangeAllowed),
        ("Speed", ParamReadWrite, ParamUnsignedInt, ValueChangeWillIgnore),
        ("Since", ParamReadOnly, ParamDateTime, ValueChangeAllowed),
        ("Tags", ParamReadOnly, ParamString, ValueChangeAllowed),
        ("Alias", ParamReadWrite, ParamString, ValueChangeAllowed),
    ] {
        let param = param(name);
        assert_eq!(
            (param.access, param.value_type, param.value_change),
            (access as i32, kind as i32, change as i32),
            "{name}"
        );
    }
    let keys: Vec<&[String]> = pool.unique_key_sets.iter().map(|set| set.key_names.as_slice()).collect();
    assert_eq!(keys, [&["Alias".to_string()][..], &["Name".into()], &["Name".into(), "Speed".into()]]);
    let ping = &pool.supported_commands[0];
    assert_eq!((&*ping.command_name, ping.command_type), ("Ping()", CmdType::CmdAsync as i32));
    assert_eq!(
        (&ping.input_arg_names[..], &ping.output_arg_names[..]),
        (&["Host".to_string()][..], &["Result.{i}.Time".into()][..])
    );
    let root = find("Device.");
    assert_eq!((root.access, root.is_multi_instance), (ObjAccessType::ObjReadOnly as i32, false));
    assert_eq!(root.supported_commands[0].command_type, CmdType::CmdSync as i32);
    assert_eq!(root.supported_events[0].event_name, "Boot!");
    assert_eq!(root.supported_events[0].arg_names, ["CommandKey", "Cause"]);
    let lease = find("Device.X_ACME_Pool.{i}.Lease.{i}.");
    assert_eq!((lease.access, lease.is_multi_instance), (ObjAccessType::ObjReadOnly as i32, true));
    // What belongs to the other protocol is not there.
    let core = find("Device.X_ACME_Box.Inner.Core.");
    assert_eq!(core.supported_params.iter().map(|p| &*p.param_name).collect::<Vec<_>>(), ["Depth"]);
}

#[test]
fn a_path_to_one_thing_tells_that_thing_alone_whatever_the_flags() {
    for (path, want) in [
        ("POOL.{i}.Speed", [0, 0, 1, 0]),
        ("POOL.1.Speed", [0, 0, 1, 0]),
        ("POOL.1.Ping()", [1, 0, 0, 0]),
        ("Device.Boot!", [0, 1, 0, 0]),
        ("Device.Reboot()", [1, 0, 0, 0]),
    ] {
        let ask =
            pb::GetSupportedDm { obj_paths: EVERYTHING(path).obj_paths, ..pb::GetSupportedDm::default() };
        let result = answer(&ask, &Rights::all());
        let [object] = result.supported_objs.as_slice() else { panic!("{result:?}") };
        assert_eq!(numbers(object), want, "{path}");
    }
}

//= TR-369 R-GSP.0: what may not be read is as if it were not in the supported model.
#[test]
fn rights_hide_what_they_do_not_give() {
    let none = rights(&[]);
    let some = rights(&[
        ("Device.X_ACME_Pool.", "r--- r--- r--- r---"),
        ("Device.X_ACME_Pool.*.Speed", "----"),
        ("Device.X_ACME_Pool.*.Ping()", "----"),
        ("Device.X_ACME_Pool.*.Stats.", "----"),
    ]);
    for (rights, path, want) in [
        (&none, "Device.", "7026"),
        (&none, "POOL.{i}.Speed", "7026"),
        (&some, "Device.", "Pool.{i}. Pool.{i}.Lease.{i}."),
        (&some, "Device.X_ACME_Box.", "7026"),
        (&some, "POOL.{i}.Speed", "7026"),
        (&some, "POOL.{i}.Ping()", "7026"),
        (&some, "POOL.{i}.Name", "Pool.{i}."),
        (&some, "Device.Boot!", "7026"),
    ] {
        assert_eq!(objects(&EVERYTHING(path), rights), want, "{path}");
    }
    let pool = &answer(&EVERYTHING("POOL."), &some).supported_objs[0];
    assert_eq!(numbers(pool), [0, 0, 9, 2], "no Speed, no key with it, no Ping()");
}
