#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use crate::sorted::{Map, Set};

use super::*;

const TABLE: &str = include_str!("../tr181/standard.tsv");

fn rows() -> Vec<StandardNode> {
    read(TABLE).map(|(line, row)| row.unwrap_or_else(|error| panic!("line {line}: {error}"))).collect()
}

#[test]
fn a_row_gives_all_its_facts() {
    let row = StandardNode::parse(
        "Device.A.{i}.B\trw/once\tunsignedInt[]:StatsCounter32\t2.0/u2.16\tusp len=4|8..9|2..* range=*..4/2|-1 \
         enum=a%20b{ro,opt}|c pat=\\d+|x pat=<Empty> units=% items=1..3 listlen=9 brackets ref=strong:row:Device.C.|* \
         def=<Empty> notify=canDeny deleted=^ secured",
    )
    .unwrap();
    let f = &row.facts;
    assert_eq!((row.kind, row.protocols, row.since.as_str()), (Kind::Parameter, Protocols::Usp, "2.0/u2.16"));
    assert_eq!((row.access, row.usp_access), (Access::ReadWrite, Access::WriteOnce));
    assert_eq!((row.base, row.lists, row.named.as_str()), (Some(Type::UnsignedInt), 1, "StatsCounter32"));
    assert_eq!(f.len, [Span { min: 0, max: 4 }, Span { min: 8, max: 9 }, Span { min: 2, max: u32::MAX }]);
    assert_eq!(f.range, [Range { min: i64::MIN, max: 4, step: 2 }, Range { min: -1, max: -1, step: 1 }]);
    assert_eq!(f.choices[0], OwnedChoice { text: "a b".into(), read_only: true, optional: true });
    assert_eq!(f.choices[1], OwnedChoice { text: "c".into(), read_only: false, optional: false });
    assert_eq!((f.patterns.as_slice(), f.units.as_str()), (&["\\d+|x".to_owned(), String::new()][..], "%"));
    assert_eq!((f.items.as_slice(), f.list_len, f.nested), (&[Span { min: 1, max: 3 }][..], Some(9), true));
    let reference = f.reference.clone().unwrap();
    assert_eq!((reference.strong, reference.parameter), (true, false));
    assert_eq!(reference.targets, ["Device.C.", "*"]);
    assert_eq!(
        (f.default.as_deref(), f.notify, f.deleted.as_deref()),
        (Some(""), Notify::CanDeny, Some("^"))
    );
    assert!(f.secured && !f.hidden);
    let table =
        StandardNode::parse("Device.A.{i}.\tcd\tobject\t2.0\tentries=0..* ukey=A,B ukey=C nkey=D").unwrap();
    assert_eq!(table.facts.functional_keys, [vec!["A".to_owned(), "B".to_owned()], vec!["C".to_owned()]]);
    assert_eq!(table.facts.keys, [["D"]]);
}

#[test]
fn a_wrong_row_is_refused_in_words() {
    for (line, want) in [
        ("Device.A\tro\tstring", "no column since"),
        ("Device.A\tro\tstring\t2.0\t\tx", "too many columns"),
        ("Device.A\tro\ttext\t2.0", "unknown type text"),
        ("Device.A.\tro\tstring\t2.0", "Device.A. cannot be of type string"),
        ("Device.A\tyes\tstring\t2.0", "unknown access yes"),
        ("Devil.A\tro\tstring\t2.0", "Devil.A: no such root at position 1"),
        ("Device.A\tro\tstring\t2.0\tlen=x", "x is no number or out of bounds"),
        ("Device.A\tro\tstring\t2.0\tlen=9..1", "9..1 is upside down"),
        ("Device.A\tro\tstring\t2.0\tpat=(", "( is no pattern"),
        ("Device.A\tro\tstring\t2.0\tcolour=red", "unknown fact colour"),
    ] {
        assert_eq!(StandardNode::parse(line).unwrap_err(), want);
    }
}

#[test]
fn every_row_of_the_standard_is_read_and_belongs_somewhere() {
    let rows = rows();
    let objects: Set<&str> =
        rows.iter().filter(|r| r.kind == Kind::Object).map(|r| r.path.as_str()).collect();
    let mut live: Map<Kind, (u32, u32)> = Map::new();
    let mut seen: Map<&str, Vec<Protocols>> = Map::new();
    for row in &rows {
        let mut parent =
            row.path.trim_end_matches('.').rsplit_once('.').map_or("", |(parent, _)| parent).to_owned();
        if row.path.ends_with(".{i}.") {
            parent = parent.rsplit_once('.').unwrap().0.to_owned();
        }
        assert!(row.path == "Device." || objects.contains(format!("{parent}.").as_str()), "{}", row.path);
        if row.facts.deleted.is_none() {
            let count = live.entry(row.kind).or_default();
            count.0 += u32::from(row.protocols != Protocols::Usp);
            count.1 += u32::from(row.protocols != Protocols::Cwmp);
        }
        let named = seen.entry(&row.path).or_default();
        named.push(row.protocols);
        assert!(named.len() == 1 || named[..] == [Protocols::Cwmp, Protocols::Usp], "{} twice", row.path);
    }
    // What the published model counts: CWMP and USP.
    assert_eq!(live[&Kind::Object], (860, 809));
    assert_eq!(live[&Kind::Parameter], (7_210, 6_581));
    assert_eq!((live[&Kind::Command], live[&Kind::Event]), ((0, 178), (0, 52)));
}

#[test]
fn every_default_is_a_canonical_value_of_its_own_type() {
    let mut checked = 0;
    for row in rows() {
        let (Some(syntax), Some(default)) = (row.syntax(), &row.facts.default) else { continue };
        assert_eq!(syntax.check_read(default).as_ref(), Ok(default), "{}", row.path);
        checked += 1;
    }
    for (line, argument) in arguments(TABLE) {
        let argument = argument.unwrap_or_else(|error| panic!("line {line}: {error}"));
        let (syntax, assumed) = (argument.node.syntax().unwrap(), &argument.node.facts.assumed);
        let Some(value) = assumed else { continue };
        assert_eq!(syntax.check_read(value).as_ref(), Ok(value), "{}{}", argument.owner, argument.name);
        checked += 1;
    }
    // The head of the table explains the facts, each once.
    assert_eq!(checked, TABLE.matches("def=").count() - 2);
}

#[test]
fn a_text_that_passes_at_a_glance_is_one_that_the_full_check_gives_back() {
    let texts = [
        "",
        "0",
        "00",
        "-1",
        "+5",
        "42",
        "123456789",
        "4294967296",
        "true",
        "false",
        "1",
        "Enabled",
        "Up",
        "None",
        "a,b",
        " x ",
        "10.0.0.1",
        "fe80::1",
        "AA:BB:CC:00:11:22",
        "2026-01-01T00:00:00Z",
        "\u{e4}\u{e4}\u{e4}",
        "x".repeat(65).leak(),
    ];
    let mut glances = 0;
    for row in rows() {
        let Some(syntax) = row.syntax() else { continue };
        for text in texts {
            if syntax.is_plain(text) {
                assert_eq!(syntax.check_read(text).as_deref(), Ok(text), "{}", row.path);
                glances += 1;
            }
        }
    }
    assert!(glances > 10_000, "{glances}");
}

#[test]
fn limits_fit_their_type() {
    for row in rows() {
        let Some(base) = row.base else { continue };
        let f = &row.facts;
        assert!(f.range.is_empty() || base.is_number(), "{}", row.path);
        assert!(f.choices.is_empty() && f.patterns.is_empty() || base == Type::String, "{}", row.path);
        assert!(f.items.len() <= usize::from(row.lists), "{}", row.path);
        for choice in &f.choices {
            assert!(row.lists > 0 || row.syntax().unwrap().check_read(&choice.text).is_ok(), "{}", row.path);
        }
    }
}

#[test]
fn a_type_is_written_as_rust_source_that_says_only_what_is_narrowed() {
    let row = StandardNode::parse("Device.A\tro\tint[]:IPAddress\t2.0\trange=*..5 units=a\"b").unwrap();
    assert_eq!(
        row.facts.limits_literal(),
        r#"Limits { range: &[Range { min: i64::MIN, max: 5, step: 1 }], units: "a\"b", ..Limits::NONE }"#
    );
    assert_eq!(
        row.syntax_literal("&L1").unwrap(),
        "Syntax { base: Type::Int, lists: 1, named: Named::IpAddress, limits: &L1 }"
    );
    let plain = StandardNode::parse("Device.A.\tro\tobject\t2.0").unwrap();
    assert_eq!((plain.facts.limits_literal().as_str(), plain.syntax_literal("")), ("Limits::NONE", None));
    assert!(plain.facts.is_unlimited() && !row.facts.is_unlimited());
}

#[test]
fn the_nearest_name_is_one_that_is_alike() {
    let names = ["Enable", "Status", "Name", "LowerLayers", "MaxMTUSize"];
    for (name, want) in [
        ("enable", Some("Enable")),
        ("Enabel", Some("Enable")),
        ("LowerLayer", Some("LowerLayers")),
        ("Nane", Some("Name")),
        ("Frequency", None),
        ("", None),
    ] {
        assert_eq!(nearest(name, names), want, "{name:?}");
    }
}
