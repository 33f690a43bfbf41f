#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::undo::undo;
use super::*;
use crate::dm::record::any;
use proptest::prelude::*;

fn set(source: &str, section: &str, option: &str, old: Option<&str>, new: Option<&str>) -> Edit {
    let change = Change::Set { option: option.into(), old: old.map(Tree::from), new: new.map(Tree::from) };
    Edit { source: source.into(), section: section.into(), change }
}

fn tree(value: &str) -> Tree {
    Tree::map([("s", Tree::map([(".type", "t".into()), ("o", value.into()), ("other", "1".into())]))])
}

fn found(value: &str) -> Found {
    Found { sum: value.into(), tree: tree(value) }
}

/// Sets `o` from `old` to `new` in two packages and in the state.
fn record(keep: bool) -> Record {
    let sums = Sums { before: "old".into(), after: "new".into() };
    Record {
        sequence: 5,
        keep: keep.then(|| "controller one".into()),
        packages: ["uci:a", "uci:b"].map(|source| (source.into(), sums.clone())).into(),
        places: Vec::new(),
        names: Map::new(),
        edits: ["uci:a", "uci:b", STATE].map(|source| set(source, "s", "o", Some("old"), Some("new"))).into(),
    }
}

proptest! {
    #[test]
    fn a_record_reads_back_as_it_was_written(
        edits in prop::collection::vec(any::edit(), 0..5),
        sequence in any::<u64>(), keep in prop::option::of(".{0,9}"),
        places in prop::collection::vec(0..500usize, 0..4), name in ".{0,9}",
    ) {
        let names = [("uci:a".into(), [("cfg02dead".into(), name.into())].into())].into();
        let keep = keep.map(|manager| manager.into());
        let record = Record { edits, sequence, keep, places, names, ..record(false) };
        prop_assert_eq!(Record::decode(record.encode().unwrap().as_bytes()).unwrap(), record);
    }

    #[test]
    fn taking_edits_back_gives_the_tree_from_before(
        before in prop::collection::vec(("[abc]", any::section()), 0..4).prop_map(Tree::map),
        picks in prop::collection::vec((0..5u8, "[abcd]", "[xy]", any::value(), 0..4usize), 0..12),
    ) {
        let mut tree = before.clone();
        let (mut edits, mut places) = (Vec::new(), Vec::new());
        for (pick, section, option, value, to) in picks {
            let at = tree.entries().iter().position(|(name, _)| **name == section);
            let change = match pick {
                0 => Change::Add { kind: "t".into() },
                1 => Change::Remove { old: tree.get(&section).cloned().unwrap_or(Tree::Map(vec![])) },
                2 => Change::Set {
                    old: tree.get(&section).and_then(|s| s.get(&option)).cloned(),
                    option: option.into(),
                    new: Some(value),
                },
                3 => Change::Rename { to: "d".into() },
                _ => Change::Move { from: at.unwrap_or_default(), to },
            };
            let removal = matches!(change, Change::Remove { .. });
            let edit = Edit { source: "uci:x".into(), section: section.into(), change };
            if edit.apply(&mut tree).is_ok() {
                places.extend(at.filter(|_| removal));
                edits.push(edit);
            }
        }
        let back = undo(&edits, &places, &Map::new(), &tree);
        prop_assert_eq!(&back.kept, &[]);
        back.edits.iter().for_each(|edit| edit.apply(&mut tree).unwrap());
        // Options may come back in another order, which has no meaning, and a section that had no type with one.
        let sorted = |tree: &Tree| -> Vec<(String, Map<String, String>)> {
            tree.entries().iter().map(|(name, section)| (name.to_string(), section.entries().iter()
                .filter(|(option, _)| !option.starts_with('.'))
                .map(|(option, value)| (option.to_string(), format!("{value:?}"))).collect())).collect()
        };
        prop_assert_eq!(sorted(&tree), sorted(&before));
    }
}

#[test]
fn a_torn_record_is_no_record() {
    let text = record(true).encode().unwrap();
    for len in 0..text.len() {
        assert_eq!(Record::decode(&text.as_bytes()[..len]), Err(Broken::Damaged), "{len} octets");
    }
}

#[test]
fn a_record_beyond_its_bound_is_refused() {
    let big = "x".repeat(MAX_RECORD);
    let record = Record { edits: vec![set("uci:a", "s", "o", None, Some(&big))], ..record(false) };
    assert_eq!(record.encode(), Err(record::Malformed));
}

#[test]
fn the_record_comes_first_and_goes_last_and_one_file_needs_none() {
    let (a, b) = (Step::Package("uci:a".into()), Step::Package("uci:b".into()));
    assert_eq!(steps(&record(false)), [Step::Journal, a.clone(), b.clone(), Step::State, Step::Drop]);
    assert_eq!(steps(&record(true)), [Step::Journal, a.clone(), b.clone(), Step::State, Step::Keep]);
    let mut one = record(false);
    one.packages.remove("uci:b");
    one.edits.truncate(1);
    assert_eq!(steps(&one), vec![a.clone()]);
    one.keep = Some("acs".into());
    assert_eq!(steps(&one), [Step::Journal, a, Step::Keep]);
}

#[test]
fn a_package_tells_whether_the_record_was_applied() {
    let changed = |value: &str, other: &str| {
        let mut tree = tree(value);
        tree.get_mut("s").unwrap().set("other", other.into());
        Found { sum: "else".into(), tree }
    };
    for (found, want) in [
        (Some(found("old")), "pending"),
        (Some(found("new")), "applied"),
        (Some(changed("old", "2")), "pending"),
        (Some(changed("new", "2")), "applied"),
        (Some(changed("third", "1")), "foreign"),
        (None, "foreign"),
    ] {
        let standing = match record(false).standing("uci:a", found.as_ref()) {
            Standing::Pending => "pending",
            Standing::Applied => "applied",
            Standing::Foreign(_) => "foreign",
        };
        assert_eq!(standing, want, "{found:?}");
    }
}

#[test]
fn in_a_file_that_somebody_changed_a_section_without_name_may_be_another_one() {
    let mut record = record(false);
    record.edits = vec![set("uci:a", "cfg02dead", "o", Some("old"), Some("new"))];
    let section = Tree::map([(".type", "t".into()), (".anonymous", "1".into()), ("o", Tree::from("old"))]);
    let tree = Tree::map([("cfg02dead", section)]);
    let standing = |sum: &str| record.standing("uci:a", Some(&Found { sum: sum.into(), tree: tree.clone() }));
    assert_eq!(standing("old"), Standing::Pending);
    assert_eq!(standing("new"), Standing::Applied);
    assert!(matches!(standing("else"), Standing::Foreign(_)));
}

#[test]
fn a_record_is_finished_or_taken_back_as_a_whole() {
    let finish = |sources: &[&str]| Verdict::Finish(sources.iter().map(|s| Box::from(*s)).collect());
    let back = |source: &str| vec![set(source, "s", "o", Some("new"), Some("old"))];
    let foreign = Found { sum: "else".into(), tree: tree("third") };
    for (a, b, commit, want, undo) in [
        (found("old"), found("old"), 4, Some(finish(&["uci:a", "uci:b", STATE])), vec![]),
        (found("new"), found("old"), 4, Some(finish(&["uci:b", STATE])), vec![]),
        (found("new"), found("new"), 4, Some(finish(&[STATE])), vec![]),
        (found("new"), found("new"), 5, Some(finish(&[])), vec![]),
        // All was done; what is different now came later and stays.
        (found("new"), foreign.clone(), 5, Some(finish(&[])), vec![]),
        (found("new"), foreign.clone(), 4, None, back("uci:a")),
        (found("old"), foreign.clone(), 4, None, vec![]),
        (foreign.clone(), found("new"), 4, None, back("uci:b")),
    ] {
        let packages = [("uci:a".into(), a.clone()), ("uci:b".into(), b.clone())].into();
        let state = if commit == 5 { tree("new") } else { tree("old") };
        match (record(false).verdict(&packages, (&state, commit)), want) {
            (Verdict::TakeBack { edits, .. }, None) => assert_eq!(edits, undo, "{a:?} {b:?} {commit}"),
            (verdict, want) => assert_eq!(Some(verdict), want, "{a:?} {b:?} {commit}"),
        }
    }
}

#[test]
fn an_undo_leaves_what_a_person_changed_since() {
    let edits = [
        set("uci:a", "s", "o", Some("old"), Some("new")),
        set("uci:a", "s", "other", None, Some("1")),
        Edit { source: "uci:a".into(), section: "t".into(), change: Change::Add { kind: "x".into() } },
    ];
    let mut now = tree("theirs");
    now.set("t", Tree::map([(".type", "x".into()), ("mine", Tree::from("1"))]));
    let undo = undo(&edits, &[], &Map::new(), &now);
    assert_eq!(undo.edits, [set("uci:a", "s", "other", Some("1"), None)]);
    assert_eq!(undo.kept.len(), 2);
}

#[test]
fn a_removed_section_comes_back_at_its_place_and_with_a_name() {
    let old = Tree::map([(".type", "rule".into()), (".anonymous", "1".into()), ("o", Tree::from("v"))]);
    let change = Change::Remove { old };
    let edits = [Edit { source: "uci:a".into(), section: "cfg02dead".into(), change }];
    let mut now = Tree::map([("x", tree("1")), ("y", tree("2"))]);
    undo(&edits, &[1], &Map::new(), &now).edits.iter().for_each(|edit| edit.apply(&mut now).unwrap());
    let names: Vec<&str> = now.entries().iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["x", "cpe_restored_1", "y"]);
    assert_eq!(now.get("cpe_restored_1").unwrap().str("o"), Some("v"));
}

#[test]
fn generated_names_are_told_from_given_ones() {
    for (name, want) in
        [("cfg02dead", true), ("cfg1002dead", true), ("cfgx", false), ("cfg", false), ("lan", false)]
    {
        assert_eq!(is_generated(name), want, "{name}");
    }
}

/// Sections without a name, of one type, with these values of `o`, named as a reading of the file names them.
fn rules(values: &[&str]) -> Tree {
    Tree::map(values.iter().enumerate().map(|(at, value)| {
        let section = [(".type", "rule"), (".anonymous", "1"), ("o", value)];
        (
            format!("cfg{:02x}dead", at + 1),
            Tree::map(section.map(|(option, text)| (option, Tree::from(text)))),
        )
    }))
}

#[test]
fn an_undo_finds_sections_without_a_name_although_they_are_called_otherwise_now() {
    let (before, after) = (rules(&["a", "b", "c", "d"]), rules(&["a", "C", "d"]));
    let remove = Change::Remove { old: before.get("cfg02dead").unwrap().clone() };
    let edits = vec![
        Edit { source: "uci:a".into(), section: "cfg02dead".into(), change: remove },
        set("uci:a", "cfg03dead", "o", Some("c"), Some("C")),
    ];
    let sums = Sums { before: "old".into(), after: "new".into() };
    let targets = [("uci:a".into(), Target { sums: Some(sums), before, after: after.clone() })].into();
    let record = Record::new(1, Some("acs".into()), edits, &targets).unwrap();
    assert_eq!((&record.places, record.names["uci:a"]["cfg03dead"].as_ref()), (&vec![1], "cfg02dead"));

    let undo = record.undo("uci:a", &Found { sum: "new".into(), tree: after.clone() });
    assert_eq!(undo.kept, []);
    let mut tree = after.clone();
    undo.edits.iter().for_each(|edit| edit.apply(&mut tree).unwrap());
    let values: Vec<_> = tree.entries().iter().map(|(name, s)| (&**name, s.str("o").unwrap())).collect();
    assert_eq!(values, [("cfg01dead", "a"), ("cpe_restored_1", "b"), ("cfg02dead", "c"), ("cfg03dead", "d")]);

    let undo = record.undo("uci:a", &Found { sum: "else".into(), tree: after });
    assert_eq!((undo.edits.len(), undo.kept.len()), (0, 2), "a changed file: nothing is guessed");
}

#[test]
fn an_undo_leaves_a_section_the_name_it_was_given_and_takes_back_what_was_set_before_and_after() {
    let before = rules(&["a"]);
    let after = Tree::map([("r1", Tree::map([(".type", "rule".into()), ("o", "c".into())]))]);
    let edits = vec![
        set("uci:a", "cfg01dead", "o", Some("a"), Some("b")),
        Edit {
            source: "uci:a".into(),
            section: "cfg01dead".into(),
            change: Change::Rename { to: "r1".into() },
        },
        set("uci:a", "r1", "o", Some("b"), Some("c")),
    ];
    let sums = Sums { before: "old".into(), after: "new".into() };
    let targets = [("uci:a".into(), Target { sums: Some(sums), before, after: after.clone() })].into();
    let record = Record::new(1, Some("acs".into()), edits, &targets).unwrap();
    let undo = record.undo("uci:a", &Found { sum: "new".into(), tree: after });
    let want = [set("uci:a", "r1", "o", Some("c"), Some("b")), set("uci:a", "r1", "o", Some("b"), Some("a"))];
    assert_eq!((undo.edits, undo.kept), (want.to_vec(), vec![]));
}

#[test]
fn edits_that_do_not_fit_or_of_another_source_make_no_record() {
    let target = Target { sums: None, before: tree("old"), after: tree("new") };
    let targets: Map<Box<str>, Target> = [("uci:a".into(), target)].into();
    let make = |edit| Record::new(1, None, vec![edit], &targets);
    assert!(make(set("uci:a", "s", "o", Some("old"), Some("new"))).is_ok());
    assert!(make(set("uci:a", "s", "o", Some("third"), Some("new"))).is_err());
    assert!(make(set("uci:b", "s", "o", Some("old"), Some("new"))).is_err());
}
