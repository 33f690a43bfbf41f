#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::dm::dropin::{Platform, merge};
use crate::dm::instance::Instances;
use crate::dm::schema::{Model, Object};
use crate::dm::source::{Snapshot, Source};
use crate::dm::tree::Tree;
use proptest::prelude::*;
use std::cell::RefCell;

const MAPPING: &str = r#"
["Device.X_ACME_Pool.{i}."]
each          = "uci dhcp.@dhcp"
X_ACME_Name   = "uci .name | type string"
["Device.X_ACME_Pool.{i}.X_ACME_Sub."]
X_ACME_Speed  = "uci .speed | type unsignedInt"
"#;

/// Its own file: a reference wants its table to be there.
const OTHER: &str = r#"
["Device.X_ACME_Pool.{i}."]
X_ACME_Other  = "uci .other | ref Device.X_ACME_Pool | type string"
"#;

fn model() -> Model {
    let platform = Platform { pipes: &[], derived: &[] };
    let files = [("a.toml", MAPPING), ("b.toml", OTHER)].map(|(name, text)| (name.into(), text.into()));
    let (objects, mistakes) = merge(vec![Object::bare("Device.", "x")], platform, &files);
    assert_eq!(mistakes, [""; 0]);
    Model::new(objects, &[], &[]).unwrap()
}

fn pools() -> Source {
    let pool = |name: &str, other: &str| {
        let options = [(".type", "dhcp"), ("name", name), ("other", other), ("speed", "9")];
        Tree::map(options.map(|(option, value)| (option, Tree::from(value))))
    };
    Source::ready(Tree::map([("a", pool("lan", "b")), ("b", pool("guest", "")), ("c", pool("iot", ""))]))
}

/// What `ask` gives on a view of three pools.
fn seen<T>(source: Option<Source>, ask: impl Fn(&View<'_>) -> T) -> T {
    let (model, mut snapshot, instances) = (model(), Snapshot::default(), RefCell::new(Instances::default()));
    if let Some(source) = source {
        snapshot.supply("uci:dhcp", source);
    }
    ask(&View::new(&model, &snapshot, &instances))
}

fn rule(order: u32, targets: &[&str], letters: &str) -> Rule {
    let grant = Grant::each(Rwxn::parse(letters).unwrap());
    Rule { order, targets: targets.iter().map(|text| target(text).unwrap()).collect(), grant }
}

fn rights(rules: &[(u32, &[&str], &str)]) -> Rights {
    let rules = rules.iter().map(|(order, targets, letters)| rule(*order, targets, letters)).collect();
    Rights::of(vec![Role { rules, secured: false }])
}

//= TR-369 17: Role.{i}.Permission.{i}: four characters, - for what is not given.
#[test]
fn letters_stand_in_their_places_and_print_as_they_are_read() {
    for text in ["----", "rwxn", "r--n", "-w--", "--x-"] {
        assert_eq!(Rwxn::parse(text).unwrap().to_string(), text);
    }
    for text in ["", "r", "rwx", "rwxnn", "nxwr", "RWXN", "r-w-", "rwxn ", "r--\u{e9}"] {
        assert_eq!(Rwxn::parse(text), None, "{text:?}");
    }
    assert!(Rwxn::ALL.has(Rwxn::R) && !Rwxn::parse("r---").unwrap().has(Rwxn::R | Rwxn::N));
}

//= TR-369 17: Targets: a partial path stands for the object and everything below it.
#[test]
fn a_target_covers_itself_and_all_below_with_or_without_its_dot() {
    const PARAM: &str = "Device.X_ACME_Pool.1.X_ACME_Name";
    const SPEED: &str = "Device.X_ACME_Pool.1.X_ACME_Sub.X_ACME_Speed";
    for (text, path, want) in [
        ("Device.", PARAM, true),
        ("Device", PARAM, true),
        ("Device.X_ACME_Pool.", "Device.X_ACME_Pool.", true),
        ("Device.X_ACME_Pool", "Device.X_ACME_Pool.", true),
        ("Device.X_ACME_Pool", SPEED, true),
        ("Device.X_ACME_Poo", SPEED, false),
        ("Device.X_ACME_Pool.*", SPEED, true),
        ("Device.X_ACME_Pool.*.", "Device.X_ACME_Pool.", false),
        ("Device.X_ACME_Pool.1", "Device.X_ACME_Pool.1.", true),
        ("Device.X_ACME_Pool.1", PARAM, true),
        ("Device.X_ACME_Pool.2.", PARAM, false),
        ("Device.X_ACME_Pool.10.", PARAM, false),
        ("Device.X_ACME_Pool.*.X_ACME_Name", PARAM, true),
        ("Device.X_ACME_Pool.*.X_ACME_Name", SPEED, false),
        ("Device.X_ACME_Pool.*.X_ACME_Sub", SPEED, true),
        ("Device.X_ACME_Pool.*.X_ACME_Sub.X_ACME_Speed", SPEED, true),
        ("Device.X_ACME_Pool.*.X_ACME_Sub.X_ACME_Speed", "Device.X_ACME_Pool.1.X_ACME_Sub.", false),
        ("Device.Reboot()", "Device.Reboot()", true),
        ("Device.Reboot()", "Device.Reboot", false),
        ("Device.Reboot", "Device.Reboot()", false),
        ("Device.Reboot()", "Device.Reboot.", false),
        ("Device.Boot!", "Device.Boot!", true),
        ("Device.", "Device.Boot!", true),
        ("Device.Boot!", "Device.Reboot()", false),
        ("Device.X_ACME_Pool.[X_ACME_Name==\"lan\"].", SPEED, true),
        ("Device.X_ACME_Pool.[X_ACME_Name==\"lan\"]", PARAM, true),
        ("Device.X_ACME_Pool.[X_ACME_Name==\"lan\"].X_ACME_Name", PARAM, true),
        ("Device.X_ACME_Pool.[X_ACME_Name==\"guest\"].", PARAM, false),
        ("Device.X_ACME_Pool.[X_ACME_Sub.X_ACME_Speed>8].", PARAM, true),
        ("Device.X_ACME_Pool.[X_ACME_Name==\"lan\"].", "Device.X_ACME_Pool.9.X_ACME_Name", false),
        ("Device.X_ACME_Pool.[cpe-1].", PARAM, true),
        ("Device.X_ACME_Pool.[cpe-2].", PARAM, false),
        ("Device.X_ACME_Pool.1.X_ACME_Other+.", "Device.X_ACME_Pool.2.X_ACME_Name", true),
        ("Device.X_ACME_Pool.1.X_ACME_Other+.", PARAM, false),
        ("Device.X_ACME_Pool.*.X_ACME_Other+.X_ACME_Sub", "Device.X_ACME_Pool.2.X_ACME_Sub.", true),
        ("Device.X_ACME_Pool.*.X_ACME_Other+.X_ACME_Name", "Device.X_ACME_Pool.2.X_ACME_Name", true),
        ("Device.X_ACME_Pool.*.X_ACME_Other+.X_ACME_Name", "Device.X_ACME_Pool.3.X_ACME_Name", false),
    ] {
        let rights = rights(&[(1, &[text], "r---")]);
        let got = seen(Some(pools()), |view| rights.at(view, path)).unwrap();
        assert_eq!(got == Grant::each(Rwxn::R), want, "{text} {path}");
        assert!(want || got == Grant::NONE);
    }
}

//= TR-369 17: roles: within a role the entry of the largest Order that covers the element decides alone.
//= TR-369 17: roles: the results of all roles of a Controller are joined.
#[test]
fn the_largest_order_that_covers_decides_in_a_role_and_roles_add_up() {
    let role = |rules: &[Rule]| Role { rules: rules.to_vec(), secured: false };
    let (all, pool, name) =
        ("Device.", "Device.X_ACME_Pool.*.", "Device.X_ACME_Pool.[X_ACME_Name==\"lan\"].X_ACME_Name");
    let path = "Device.X_ACME_Pool.1.X_ACME_Name";
    for (roles, want) in [
        (vec![], "----"),
        (vec![role(&[])], "----"),
        (vec![role(&[rule(1, &[all], "r---"), rule(2, &[pool], "-w--")])], "-w--"),
        (vec![role(&[rule(2, &[all], "r---"), rule(1, &[pool], "-w--")])], "r---"),
        (vec![role(&[rule(3, &[name], "----"), rule(2, &[pool], "-w--"), rule(1, &[all], "rwxn")])], "----"),
        (vec![role(&[rule(1, &[all], "rw--"), rule(1, &[pool], "-wx-")])], "-w--"),
        (
            vec![role(&[rule(9, &["Device.Reboot()"], "rwxn"), rule(0, &["Device.X_ACME_Pool"], "r--n")])],
            "r--n",
        ),
        (vec![role(&[rule(2, &[pool], "----")]), role(&[rule(1, &[all], "r--n")])], "r--n"),
        (vec![role(&[rule(1, &[all], "r---")]), role(&[rule(1, &[pool, all], "-w--")])], "rw--"),
    ] {
        let rights = Rights::of(roles);
        let got = seen(Some(pools()), |view| rights.at(view, path)).unwrap();
        assert_eq!(got, Grant::each(Rwxn::parse(want).unwrap()), "{rights:?}");
    }
    let all = Rights::all();
    assert_eq!(seen(None, |view| all.at(view, path)), Ok(Grant::ALL));
    assert!(all.is_all() && all.supported("Device.X_ACME_Pool.{i}.") == Grant::ALL);
}

#[test]
fn a_search_that_waits_stops_and_one_that_cannot_be_decided_gives_nothing_of_its_role() {
    let path = "Device.X_ACME_Pool.1.X_ACME_Name";
    let by_name =
        rights(&[(2, &["Device.X_ACME_Pool.[X_ACME_Name==\"x\"]."], "----"), (1, &["Device."], "rwxn")]);
    assert_eq!(seen(None, |view| by_name.at(view, path)), Err(Stop::Wait));
    assert_eq!(seen(Some(pools()), |view| by_name.at(view, path)), Ok(Grant::ALL));
    let failed = Source::Failed("gone".into());
    assert_eq!(seen(Some(failed), |view| by_name.at(view, path)), Ok(Grant::NONE));
    for search in ["X_ACME_Name>\"x\"", "X_ACME_None==1"] {
        let deny = format!("Device.X_ACME_Pool.[{search}].");
        let rights = rights(&[(2, &[&deny], "----"), (1, &["Device."], "rwxn")]);
        assert_eq!(seen(Some(pools()), |view| rights.at(view, path)), Ok(Grant::NONE), "{search}");
    }
}

//= TR-369 17: SecuredRoles: only these see secured values, everyone else reads them as empty.
#[test]
fn one_secured_role_shows_secured_values() {
    let role = |secured| Role { rules: Vec::new(), secured };
    for (roles, want) in [(vec![], false), (vec![role(false)], false), (vec![role(false), role(true)], true)]
    {
        assert_eq!(Rights::of(roles).sees_secured(), want);
    }
    assert!(Rights::all().sees_secured());
}

#[test]
fn the_supported_model_shows_what_some_row_may_show() {
    let rights = rights(&[
        (5, &["Device.X_ACME_Pool.2."], "r---"),
        (4, &["Device.X_ACME_Pool.[X_ACME_Name==\"lan\"].X_ACME_Name"], "-w--"),
        (3, &["Device.X_ACME_Pool.*.X_ACME_Sub"], "--x-"),
        (2, &["Device.X_ACME_Pool."], "---n"),
        (1, &["Device."], "rwxn"),
    ]);
    for (path, want) in [
        ("Device.", "rwxn"),
        ("Device.X_ACME_Pool.", "---n"),
        ("Device.X_ACME_Pool.{i}.", "r--n"),
        ("Device.X_ACME_Pool.{i}.X_ACME_Name", "rw-n"),
        ("Device.X_ACME_Pool.{i}.X_ACME_Sub.", "r-x-"),
        ("Device.X_ACME_Pool.{i}.X_ACME_Sub.X_ACME_Speed", "r-x-"),
        ("Device.Reboot()", "rwxn"),
    ] {
        assert_eq!(rights.supported(path), Grant::each(Rwxn::parse(want).unwrap()), "{path}");
    }
}

/// The live nodes of a small tree, and which object each is in.
const NODES: [&str; 11] = [
    "Device.",
    "Device.Boot!",
    "Device.Act()",
    "Device.A.",
    "Device.A.P",
    "Device.T.",
    "Device.T.1.",
    "Device.T.1.P",
    "Device.T.1.A.Q",
    "Device.T.2.",
    "Device.T.2.P",
];

const TARGETS: [&str; 14] = [
    "Device",
    "Device.",
    "Device.A",
    "Device.A.",
    "Device.A.P",
    "Device.T",
    "Device.T.1",
    "Device.T.*.",
    "Device.T.*.P",
    "Device.T.2.P",
    "Device.T.*.A",
    "Device.Act()",
    "Device.Boot!",
    "Device.P",
];

/// What a target covers, by comparing texts: every number in place of `*`, with a dot and without.
fn covers(target: &str, node: &str) -> bool {
    [1, 2].iter().any(|number| {
        let target = target.replace('*', &number.to_string());
        let below = format!("{}.", target.trim_end_matches('.'));
        node == target || node.starts_with(&below)
    })
}

proptest! {
    #[test]
    fn rights_are_those_of_the_plain_model(
        roles in prop::collection::vec(
            prop::collection::vec((0u32..6, prop::collection::vec(0usize..TARGETS.len(), 0..3), 0u8..16), 0..5),
            0..3,
        ),
    ) {
        let rights = Rights::of(roles.iter().map(|rules| Role {
            secured: false,
            rules: rules.iter().map(|(order, targets, set)| Rule {
                order: *order,
                targets: targets.iter().map(|at| target(TARGETS[*at]).unwrap()).collect(),
                grant: Grant::each(Rwxn(*set)),
            }).collect(),
        }).collect());
        let plain = |node: &str| roles.iter().fold(0, |all, rules| {
            let covering = rules.iter().filter(|(_, targets, _)| targets.iter().any(|at| covers(TARGETS[*at], node)));
            let top = covering.clone().map(|(order, ..)| *order).max();
            let deciding = covering.filter(|(order, ..)| Some(*order) == top);
            all | deciding.map(|(.., set)| *set).reduce(|a, b| a & b).unwrap_or(0)
        });
        seen(None, |view| {
            for node in NODES {
                prop_assert_eq!(rights.at(view, node), Ok(Grant::each(Rwxn(plain(node)))), "{}", node);
                // What a row is allowed, the supported model shows.
                let schema = node.replace(".1.", ".{i}.").replace(".2.", ".{i}.");
                prop_assert!(rights.supported(&schema).param.has(Rwxn(plain(node))), "{}", node);
                if let (true, Some(alike)) = (node.ends_with('.'), rights.alike(view, node).unwrap()) {
                    for member in NODES.iter().filter(|member| {
                        member.strip_prefix(node).is_some_and(|name| !name.is_empty() && !name.contains('.'))
                    }) {
                        prop_assert_eq!(rights.at(view, member), Ok(alike), "{} in {}", member, node);
                    }
                }
            }
            Ok(())
        })?;
    }
}
