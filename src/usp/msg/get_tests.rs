//! What a Get gives on the small router of the fixture.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::dm::run::Halt;
use crate::usp::msg::fixture::{asked, rights};
use crate::usp::msg::{MAX_PATHS, get::get};
use crate::usp::pb::response::RespType;
use std::fmt::Write as _;

const POOL: &str = "Device.X_ACME_Pool.";

/// One line per result: the error code, or the resolved objects with their parameters.
fn got(paths: &[&str], max_depth: u32, rights: &Rights) -> Vec<String> {
    let ask = pb::Get { param_paths: paths.iter().map(|path| path.to_string()).collect(), max_depth };
    let (answer, _) = asked(|view| get(view, &ask, rights));
    let Ok(RespType::GetResp(response)) = answer else { panic!("{answer:?}") };
    let results = response.req_path_results;
    assert_eq!(results.iter().map(|r| r.requested_path.as_str()).collect::<Vec<_>>(), paths);
    let line = |result: &pb::get_resp::RequestedPathResult| {
        assert_eq!(result.err_code == 0, result.err_msg.is_empty());
        if result.err_code != 0 {
            assert!(result.resolved_path_results.is_empty());
            return result.err_code.to_string();
        }
        let mut line = String::new();
        for resolved in &result.resolved_path_results {
            let path = resolved.resolved_path.replace("Device.X_ACME_", "");
            let params: Vec<String> =
                resolved.result_params.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let _ = write!(line, "{path}[{}] ", params.join(" "));
        }
        line.trim_end().to_string()
    };
    results.iter().map(line).collect()
}

fn check(cases: &[(&str, &str)]) {
    for (path, want) in cases {
        let path = path.replace("POOL.", POOL);
        assert_eq!(got(&[&path], 0, &Rights::all()), [*want], "{path}");
    }
}

//= TR-369 R-GET.2: the resolved path of a parameter is the object it is in.
//= TR-369 R-GET.3: and that parameter is all there is in the result.
//= TR-369 R-ARC.9: a search gives all rows that match.
//= TR-369 R-ARC.10: * gives all rows.
//= TR-369 R-MSG.3: paths that are told have instance numbers.
#[test]
fn a_parameter_is_told_under_its_object_for_each_row_that_is_meant() {
    check(&[
        ("POOL.2.Name", "Pool.2.[Name=guest]"),
        ("POOL.*.Speed", "Pool.1.[Speed=5] Pool.2.[Speed=10] Pool.3.[Speed=20]"),
        ("POOL.[Name==\"guest\"].Speed", "Pool.2.[Speed=10]"),
        ("POOL.[Name==\"lan %221%22 100%25\"].Speed", "Pool.1.[Speed=5]"),
        ("POOL.[Enable==true].Name", "Pool.1.[Name=lan \"1\" 100%] Pool.3.[Name=iot]"),
        ("POOL.[Enable != 1].Name", "Pool.2.[Name=guest]"),
        ("POOL.[Speed>5&&Speed<20].Speed", "Pool.2.[Speed=10]"),
        ("POOL.[Speed <= +010].Speed", "Pool.1.[Speed=5] Pool.2.[Speed=10]"),
        ("POOL.[Since>2020-01-01T00:00:00Z].Speed", "Pool.1.[Speed=5]"),
        ("POOL.[Since<2020-01-01T00:00:00Z].Speed", ""),
        ("POOL.[Tags~=\"b\"].Speed", "Pool.1.[Speed=5] Pool.2.[Speed=10]"),
        ("POOL.[Stats.Kept==\"iot\"].Speed", "Pool.3.[Speed=20]"),
        (
            "POOL.*.Lease.*.Address",
            "Pool.1.Lease.1.[Address=192.0.2.1] Pool.1.Lease.2.[Address=192.0.2.2] Pool.2.Lease.1.[Address=192.0.2.9]",
        ),
        ("POOL.[Speed==5].Lease.[Address!=\"192.0.2.1\"].", "Pool.1.Lease.2.[Address=192.0.2.2 Alias=cpe-2]"),
        ("Device.X_ACME_Box.Inner.Core.Depth", "Box.Inner.Core.[Depth=5]"),
    ]);
}

//= TR-369 R-ARC.7: a reference is followed: the first of a list, the n-th or all.
//= TR-369 R-ARC.12: a reference to what is gone leads nowhere.
#[test]
fn references_are_followed_in_paths_and_in_expressions() {
    check(&[
        ("POOL.1.X_ACME_Other+.Speed", "Pool.2.[Speed=10]"),
        ("POOL.3.X_ACME_Other+.X_ACME_Other+.Speed", "Pool.2.[Speed=10]"),
        ("POOL.1.X_ACME_Others+.Speed", "Pool.2.[Speed=10]"),
        ("POOL.1.X_ACME_Others#3+.Speed", "Pool.3.[Speed=20]"),
        ("POOL.1.X_ACME_Others#*+.Speed", "Pool.2.[Speed=10] Pool.3.[Speed=20]"),
        ("POOL.*.X_ACME_Other+.Speed", "Pool.2.[Speed=10] Pool.1.[Speed=5]"),
        ("POOL.[X_ACME_Other+.Name==\"guest\"].Speed", "Pool.1.[Speed=5]"),
        ("POOL.[X_ACME_Others#*+.Speed==20].Speed", "Pool.1.[Speed=5]"),
        ("POOL.1.X_ACME_Others#2+.Speed", "7026"),
        ("POOL.1.X_ACME_Others#9+.Speed", "7026"),
        ("POOL.2.X_ACME_Other+.Speed", "7026"),
        ("POOL.1.Name+.Speed", "7026"),
        ("POOL.1.Nothing+.Speed", "7026"),
        ("POOL.*.Nothing+.Speed", "7026"),
        ("POOL.2.X_ACME_Others#*+.Speed", ""),
    ]);
    // Two ways to the same place are one result.
    check(&[("POOL.[Speed==5].X_ACME_Others#*+.X_ACME_Other+.Speed", "Pool.1.[Speed=5]")]);
}

//= TR-369 R-GET.0: what a plain path names must be there, what a search names must be in the supported model.
//= TR-369 R-MSG.4a, R-GET.1a: a search that finds nothing succeeds.
#[test]
fn a_search_may_find_nothing_but_only_where_something_could_be() {
    check(&[
        ("POOL.[Name==\"none\"].", ""),
        ("POOL.[Name==\"none\"].Stats.Kept", ""),
        ("Device.X_ACME_Empty.*.", ""),
        ("Device.X_ACME_Empty.*.Name", ""),
        ("Device.X_ACME_Empty.", ""),
        ("POOL.9.", "7026"),
        ("POOL.9.Name", "7026"),
        ("POOL.1.Nothing", "7026"),
        ("POOL.Name", "7026"),
        ("Device.Nothing.", "7026"),
        ("Device.Nothing", "7026"),
        ("Device.X_ACME_Gone.Name", "7026"),
        ("Device.X_ACME_Box.Inner.Core.Mine", "7026"),
        ("POOL.*.Nothing", "7026"),
        ("Device.Nothing.*.", "7026"),
        ("Device.Nothing.[A==\"x\"].B", "7026"),
        ("Device.X_ACME_Box.*.", "7026"),
        ("Device.X_ACME_Empty.*.Nothing", "7026"),
        ("POOL.[Nothing==\"1\"].", "7026"),
        ("POOL.[Name==\"none\"&&Nothing==\"1\"].", "7026"),
        ("Device.X_ACME_Empty.[Nothing==\"1\"].", "7026"),
        ("Device.X_ACME_Empty.[Nothing.Name==\"1\"].", "7026"),
        ("Device.X_ACME_Empty.[Nothing+.Name==\"1\"].", "7026"),
        ("POOL.[Lease.Address==\"192.0.2.9\"].", "7026"),
        ("Device.Reboot()", "7026"),
        ("Device.Boot!", "7026"),
        ("Other.X", "7026"),
    ]);
}

//= TR-369 R-ARC.7: the whole path syntax is understood, and nothing beside it.
#[test]
fn what_is_no_path_is_told_from_a_path_to_nothing() {
    let long = format!("Device.{}", "x".repeat(5000));
    let many = format!("POOL.[{}].", ["Speed==5"; 500].join("&&"));
    for path in [
        "",
        "Device",
        "Device..X",
        "Device.X Y",
        "POOL.0.",
        "POOL.1",
        "POOL.01.",
        "POOL.99999999999.",
        "POOL.[].",
        "POOL.[Name==].",
        "POOL.[Name==\"x].",
        "POOL.[Name=\"x\"].",
        "POOL.[Name==\"x\"||Speed==5].",
        "POOL.[Name==\"x\"",
        "POOL.[lan].",
        "POOL.{i}.",
        "POOL.{Name==\"x\"}.",
        "POOL.[Enable==\"true\"].",
        "POOL.[Enable>false].",
        "POOL.[Name>\"a\"].",
        "POOL.[Name==lan].",
        "POOL.[Name~=\"a\"].",
        "POOL.[Speed==\"x\"].",
        "POOL.[Since<=0001-01-01T00:00:00Z].",
        "Device.X_ACME_Empty.[Name>\"a\"].",
        "POOL.*.*.",
        "POOL.1.X_ACME_Others#0+.",
        "POOL.1.X_ACME_Others#.",
        "Device.\u{202e}",
        "Device.%s%n",
        &long,
        &many,
    ] {
        check(&[(path, "7008")]);
    }
}

//= TR-369 R-GET.5: max_depth 1 is the object's own parameters, 2 one level more, 0 everything.
//= TR-369 R-GET.1b: an object without parameters has no result and no error.
#[test]
fn the_depth_counts_objects_and_not_rows() {
    let objects = |path: &str, depth| {
        let line = got(&[path], depth, &Rights::all()).remove(0);
        line.split("] ").map(|part| part.split('[').next().unwrap().to_string()).collect::<Vec<_>>().join(" ")
    };
    let pools = "Pool.1. Pool.2. Pool.3.";
    let two = "Pool.1. Pool.1.Lease.1. Pool.1.Lease.2. Pool.1.Stats. Pool.2. Pool.2.Lease.1. Pool.2.Stats. Pool.3. Pool.3.Stats.";
    for (path, depth, want) in [
        ("Device.", 1, "Device."),
        ("Device.", 2, &format!("Device. {pools}")),
        ("Device.", 3, &format!("Device. {two}")),
        ("Device.", 4, &format!("Device. Box.Inner.Core. {two}")),
        ("Device.", 0, &format!("Device. Box.Inner.Core. {two}")),
        ("Device.", u32::MAX, &format!("Device. Box.Inner.Core. {two}")),
        (POOL, 1, pools),
        (POOL, 2, two),
        ("Device.X_ACME_Pool.*.", 1, pools),
        ("Device.X_ACME_Pool.2.", 1, "Pool.2."),
        ("Device.X_ACME_Pool.2.", 0, "Pool.2. Pool.2.Lease.1. Pool.2.Stats."),
        ("Device.X_ACME_Pool.2.Name", 1, "Pool.2."),
        ("Device.X_ACME_Box.", 2, ""),
        ("Device.X_ACME_Box.", 3, "Box.Inner.Core."),
    ] {
        assert_eq!(objects(path, depth), want, "{path} {depth}");
    }
}

#[test]
fn a_value_that_cannot_be_read_now_fails_alone_if_it_is_asked_for_and_is_left_out_of_its_object() {
    check(&[
        ("POOL.1.Stats.Sent", "7003"),
        ("POOL.1.Stats.", "Pool.1.Stats.[Kept=lan \"1\" 100%]"),
        ("POOL.[Stats.Sent==1].Name", "7003"),
    ]);
    let paths =
        ["Device.X_ACME_Pool.1.Stats.Sent", "Device.X_ACME_Pool.1.Speed", "", "Device.X_ACME_Pool.1.Speed"];
    let want = ["7003", "Pool.1.[Speed=5]", "7008", "Pool.1.[Speed=5]"];
    assert_eq!(got(&paths, 0, &Rights::all()), want);
}

//= TR-369 R-GET.1: what may not be read is as if it were not in the supported model.
//= TR-369 R-GET.4: parameters that may not be read are left out.
#[test]
fn rights_hide_what_they_do_not_give_and_say_nothing_of_it() {
    type Case = (&'static [(&'static str, &'static str)], &'static str, &'static str);
    let cases: &[Case] = &[
        (&[], "Device.", "7026"),
        (&[], "POOL.*.Name", "7026"),
        (
            &[("POOL.2.", "r---")],
            "Device.",
            "Pool.2.[Alias=cpe-2 Enable=false LeaseNumberOfEntries=1 Name=guest Secret= Since=0001-01-01T00:00:00Z Speed=10 Tags=b X_ACME_Other= X_ACME_Others=] Pool.2.Lease.1.[Address=192.0.2.9 Alias=cpe-1] Pool.2.Stats.[Kept=guest]",
        ),
        (&[("POOL.2.", "r---")], "POOL.1.Name", "7026"),
        (&[("POOL.2.", "r---")], "POOL.1.", "7026"),
        (&[("POOL.2.", "r---")], "POOL.*.Name", "Pool.2.[Name=guest]"),
        (&[("POOL.2.", "r---")], "POOL.[Name==\"iot\"].Name", ""),
        (&[("Device.", "r---"), ("POOL.*.Speed", "----")], "POOL.2.Speed", "7026"),
        (&[("Device.", "r---"), ("POOL.*.Speed", "----")], "POOL.*.Speed", "7026"),
        (&[("Device.", "r---"), ("POOL.*.Speed", "----")], "POOL.[Speed==10].Name", ""),
        (&[("Device.", "r---"), ("POOL.*.Speed", "----")], "POOL.2.Stats.", "Pool.2.Stats.[Kept=guest]"),
        (&[("Device.", "r---"), ("POOL.*.", "---- r--- r--- r---")], "POOL.2.", ""),
        (&[("Device.", "r---"), ("POOL.*.X_ACME_Other", "----")], "POOL.1.X_ACME_Other+.Name", "7026"),
        (
            &[("Device.", "r---"), ("POOL.*.X_ACME_Other", "----")],
            "POOL.[X_ACME_Other+.Name==\"guest\"].Name",
            "",
        ),
        (&[("Device.", "r---"), ("POOL.", "r--- ---- ---- ----")], "POOL.", "7026"),
        (&[("Device.", "-wxn")], "POOL.1.Name", "7026"),
    ];
    for (rules, path, want) in cases {
        let rules: Vec<(String, &str)> = rules.iter().map(|(t, l)| (t.replace("POOL.", POOL), *l)).collect();
        let rules: Vec<(&str, &str)> = rules.iter().map(|(t, l)| (t.as_str(), *l)).collect();
        let path = path.replace("POOL.", POOL);
        assert_eq!(got(&[&path], 0, &rights(&rules)), [*want], "{rules:?} {path}");
    }
    let line = got(
        &["Device.X_ACME_Pool.2."],
        1,
        &rights(&[("Device.", "r---"), ("Device.X_ACME_Pool.*.Speed", "----")]),
    );
    assert!(line[0].contains("Name=guest") && !line[0].contains("Speed"), "{line:?}");
}

//= TR-369 17: SecuredRoles: only these see secured values, everyone else reads them as empty.
//= TR-369 11: hidden values read as the empty text, secured ones for whoever lacks the right to them.
#[test]
fn a_secured_value_is_empty_without_the_right_to_it() {
    let path = ["Device.X_ACME_Pool.1.Secret"];
    assert_eq!(got(&path, 0, &Rights::all()), ["Pool.1.[Secret=s3]"]);
    assert_eq!(got(&path, 0, &rights(&[("Device.", "rwxn")])), ["Pool.1.[Secret=]"]);
}

//= TR-369 R-MSG.0: a request is answered.
#[test]
fn all_sources_are_asked_for_in_few_rounds_and_too_many_paths_in_none() {
    let ask = |paths: usize| pb::Get { param_paths: vec!["Device.".into(); paths], max_depth: 0 };
    let (answer, rounds) = asked(|view| get(view, &ask(1), &Rights::all()));
    assert!(answer.is_ok());
    assert_eq!(rounds, ["uci:dhcp", "ubus:acme stats"]);
    let (answer, rounds) = asked(|view| get(view, &ask(MAX_PATHS + 1), &Rights::all()));
    assert!(matches!(answer, Err(Halt::Refused(Refusal::Exhausted(_)))));
    assert!(rounds.is_empty());
    let (answer, _) = asked(|view| get(view, &ask(0), &Rights::all()));
    assert_eq!(answer, Ok(RespType::GetResp(pb::GetResp::default())));
}
