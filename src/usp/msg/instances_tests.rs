//! Which rows a GetInstances tells of on the small router of the fixture.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::usp::msg::fixture::{asked, rights};
use crate::usp::pb::response::RespType;

const POOL: &str = "Device.X_ACME_Pool.";

/// The error code, or each row with its keys.
fn got(path: &str, first_level_only: bool, rights: &Rights) -> String {
    let path = path.replace("POOL.", POOL);
    let ask = pb::GetInstances { obj_paths: vec![path.clone()], first_level_only };
    let (answer, _) = asked(|view| get_instances(view, &ask, rights));
    let Ok(RespType::GetInstancesResp(response)) = answer else { panic!("{answer:?}") };
    let [result] = response.req_path_results.as_slice() else { panic!("{response:?}") };
    assert_eq!(result.requested_path, path);
    assert_eq!(result.err_code == 0, result.err_msg.is_empty());
    if result.err_code != 0 {
        assert!(result.curr_insts.is_empty());
        return result.err_code.to_string();
    }
    let row = |row: &pb::get_instances_resp::CurrInstance| {
        let keys: Vec<String> = row.unique_keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
        format!("{}[{}]", row.instantiated_obj_path.replace("Device.X_ACME_", ""), keys.join(" "))
    };
    result.curr_insts.iter().map(row).collect::<Vec<_>>().join(" ")
}

/// As [`got`], without the keys.
fn rows(path: &str, first_level_only: bool, rights: &Rights) -> String {
    let line = got(path, first_level_only, rights);
    line.split("] ").map(|row| row.split('[').next().unwrap_or_default()).collect::<Vec<_>>().join(" ")
}

//= TR-369 R-ARC.9: a search gives all rows that match.
//= TR-369 R-ARC.10: * gives all rows.
//= TR-369 R-MSG.4a: a search that finds nothing succeeds.
#[test]
fn a_table_gives_its_rows_and_if_wanted_those_of_the_tables_below() {
    let all = Rights::all();
    let nested = "Pool.1. Pool.1.Lease.1. Pool.1.Lease.2. Pool.2. Pool.2.Lease.1. Pool.3.";
    for (path, first, want) in [
        (POOL, true, "Pool.1. Pool.2. Pool.3."),
        (POOL, false, nested),
        ("POOL.*.", true, "Pool.1. Pool.2. Pool.3."),
        ("POOL.*.", false, nested),
        ("POOL.[Name==\"guest\"].", false, "Pool.2. Pool.2.Lease.1."),
        ("POOL.[Name==\"none\"].Lease.", true, ""),
        ("POOL.*.Lease.", true, "Pool.1.Lease.1. Pool.1.Lease.2. Pool.2.Lease.1."),
        ("POOL.1.Lease.", true, "Pool.1.Lease.1. Pool.1.Lease.2."),
        ("POOL.1.X_ACME_Other+.Lease.", true, "Pool.2.Lease.1."),
        ("Device.X_ACME_Empty.", true, ""),
        ("Device.", true, "Pool.1. Pool.2. Pool.3."),
        ("Device.", false, nested),
        ("POOL.1.", true, "7018"),
        ("POOL.1.Stats.", false, "7018"),
        ("POOL.*.Stats.", true, "7018"),
        ("POOL.1.Name", true, "7018"),
        ("Device.X_ACME_Box.", true, "7018"),
        ("POOL.9.Lease.", true, "7026"),
        ("Device.Nothing.", true, "7026"),
        ("Device.Nothing.*.", true, "7026"),
        ("Device.X_ACME_Gone.", true, "7026"),
        ("NoDevice.", true, "7026"),
        ("", true, "7008"),
        ("Device..X.", true, "7008"),
        ("POOL.[Name==", true, "7008"),
        ("POOL.[].", true, "7008"),
    ] {
        assert_eq!(rows(path, first, &all), want, "{path} {first}");
    }
}

//= TR-369 R-GIN.0: a row that may not be read is as if it were not there.
//= TR-369 R-GIN.1: keys that may not be read are left out.
#[test]
fn keys_tell_rows_apart_and_rights_hide_rows_and_keys() {
    assert_eq!(got("POOL.[Speed==10].", true, &Rights::all()), "Pool.2.[Alias=cpe-2 Name=guest Speed=10]");
    assert_eq!(got("POOL.2.Lease.", true, &Rights::all()), "Pool.2.Lease.1.[Address=192.0.2.9 Alias=cpe-1]");
    let no_speed = rights(&[("Device.", "rwxn"), ("Device.X_ACME_Pool.*.Speed", "----")]);
    assert_eq!(got("POOL.[Name==\"guest\"].", true, &no_speed), "Pool.2.[Alias=cpe-2 Name=guest]");
    // A search about what may not be read finds nothing.
    assert_eq!(got("POOL.[Speed==10].", true, &no_speed), "");
    let hidden = rights(&[("Device.", "rwxn"), ("Device.X_ACME_Pool.2.", "rw-n rw-n -w-- r-xn")]);
    assert_eq!(rows(POOL, false, &hidden), "Pool.1. Pool.1.Lease.1. Pool.1.Lease.2. Pool.3.");
    let none = rights(&[]);
    assert_eq!(rows("Device.", false, &none), "");
    assert_eq!(rows("POOL.[Name==\"none\"].", true, &none), "7026");
    // What is there is not told from what is not, be it a table or none.
    let second = rights(&[("Device.X_ACME_Pool.2.", "rwxn")]);
    for (rights, path) in [&none, &second].into_iter().flat_map(|rights| {
        [POOL, "POOL.1.", "POOL.1.Stats.", "POOL.1.Name", "POOL.1.Lease.", "POOL.9.Lease."]
            .map(|path| (rights, path))
    }) {
        let want = if path == POOL && std::ptr::eq(rights, &second) { "Pool.2." } else { "7026" };
        assert_eq!(rows(path, true, rights), want, "{path} {rights:?}");
    }
}
