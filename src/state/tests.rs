#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use proptest::prelude::*;

const PORTS: &str = "Device.NAT.PortMapping.";

fn numbered(keys: &[&str]) -> Instances {
    let mut instances = Instances::default();
    for key in keys {
        instances.number(PORTS, key, false).unwrap();
    }
    instances
}

//= TR-069 A.3.2.6, TR-369 R-ARC.8
#[test]
fn a_number_is_never_given_to_another_row_over_a_restart() {
    let mut state = State::factory();
    let mut instances = numbered(&["a", "b"]);
    instances.forget(PORTS, "b");
    state.set_instances(&instances).unwrap();
    let (_, again) = State::decode(state.encode(1).unwrap().as_bytes()).unwrap();
    let mut instances = again.instances();
    assert_eq!(instances.known(PORTS, "a"), Some(1));
    assert_eq!(instances.number(PORTS, "c", false), Some(3));
}

#[test]
fn a_boot_is_told_from_a_restart_of_the_agent() {
    let mut state = State::factory();
    for (boot_id, want, boots) in [
        ("one", Start::First, 1),
        ("one", Start::Restart, 1),
        ("two", Start::Boot, 2),
        ("two", Start::Restart, 2),
        ("", Start::Boot, 3),
        ("", Start::Boot, 4),
    ] {
        assert_eq!((state.note_start(boot_id), state.boots()), (want, boots), "{boot_id:?}");
    }
}

#[test]
fn attributes_come_back_as_they_were_set() {
    let mut state = State::factory();
    let long = "x".repeat(MAX_BASELINE + 1);
    for attribute in [
        Attribute::default(),
        Attribute { notification: 2, access: Some(vec![]), baseline: Some(baseline("")) },
        Attribute {
            notification: 1,
            access: Some(vec!["Subscriber".into()]),
            baseline: Some(baseline(&long)),
        },
    ] {
        state.set_attribute("Device.X", Some(&attribute)).unwrap();
        assert_eq!(state.attribute("Device.X"), Some(attribute.clone()));
        assert_eq!(state.attributes().collect::<Vec<_>>(), [("Device.X", attribute)]);
    }
    state.set_attribute("Device.X", None).unwrap();
    assert_eq!(state, State::factory());
}

#[test]
fn a_value_differs_from_its_baseline_only_where_it_does() {
    let long = |c: &str| c.repeat(MAX_BASELINE + 1);
    for (told, now, want) in [
        (Some("a".to_string()), "a".to_string(), false),
        (Some("a".into()), "b".into(), true),
        (Some(long("a")), long("a"), false),
        (Some(long("a")), long("b"), true),
        (Some(baseline(&long("a")).to_string()), long("a"), true),
        (None, "a".into(), false),
    ] {
        let attribute = Attribute { baseline: told.as_deref().map(baseline), ..Attribute::default() };
        assert_eq!(attribute.differs(&now), want, "{told:?} {now:?}");
    }
}

#[test]
fn waiting_rows_are_kept_whole_and_let_go() {
    let mut state = State::factory();
    let path = "Device.Bridging.Bridge.1.VLAN.2.";
    let row =
        Tree::map([(".type", Tree::from("Device.Bridging.Bridge.1.VLAN.")), ("VLANID", Tree::from("7"))]);
    state.set_pending(&Tree::map([(path, row.clone())])).unwrap();
    assert_eq!(state.pending().get(path), Some(&row));
    state.set_pending(&Tree::Map(Vec::new())).unwrap();
    assert_eq!(state, State::factory());
}

#[test]
fn edits_of_own_sources_become_state_and_the_others_are_given_back() {
    use crate::dm::edit::Change;
    let edit =
        |source: &str, section: &str, change| Edit { source: source.into(), section: section.into(), change };
    let add =
        |source: &str, section: &str| edit(source, section, Change::Add { kind: "subscription".into() });
    let (new, option) = (Some(Tree::from("x")), "ID".into());
    let set = edit(KEPT, "s1", Change::Set { option, old: None, new });
    let mut state = State::factory();
    let others =
        state.take(vec![add(KEPT, "s1"), add("uci:network", "s1"), set, add(PENDING, "Device.T.1.")]);
    assert_eq!(others, Ok(vec![add("uci:network", "s1")]));
    assert_eq!(state.kept().get("s1").unwrap().str("ID"), Some("x"));
    assert_eq!(state.kept().get("s1").unwrap().str(".type"), Some("subscription"));
    assert!(state.pending().get("Device.T.1.").is_some());
    let before = state.clone();
    // One that does not fit lets none take effect.
    assert!(matches!(state.take(vec![add(KEPT, "s2"), add(KEPT, "s1")]), Err(Refusal::Backend(_))));
    let many = (0..MAX_KEPT).map(|n| add(KEPT, &format!("m{n}"))).collect();
    assert!(matches!(state.take(many), Err(Refusal::Exhausted(_))));
    assert_eq!(state, before);
    let (_, read) = State::decode(state.encode(1).unwrap().as_bytes()).unwrap();
    assert_eq!(read.kept(), state.kept());
}

#[test]
fn every_bound_refuses_and_changes_nothing() {
    let mut state = State::factory();
    let rows = |n: usize| Tree::map((0..n).map(|n| (format!("r{n}."), Tree::Map(Vec::new()))));
    state.set_pending(&rows(MAX_ROWS)).unwrap();
    let long = "x".repeat(MAX_TEXT + 1);
    let before = state.clone();
    assert_eq!(state.set_pending(&rows(MAX_ROWS + 1)), Err(Full));
    assert_eq!(state.set_kept(&rows(MAX_KEPT + 1)), Err(Full));
    assert_eq!(state.set_kept(&Tree::map([("s", Tree::map([("o", Tree::from(&*long))]))])), Err(Full));
    assert_eq!(state.set_parameter_key(&long), Err(Full));
    assert_eq!(state.put("s", "s", "o", Some(Tree::List(vec![long.as_str().into()]))), Err(Full));
    assert_eq!(state, before);
    let half = "x".repeat(MAX_TEXT);
    for n in 0..MAX_STATE / MAX_TEXT {
        state.put("big", "big", &n.to_string(), Some(half.as_str().into())).unwrap();
    }
    assert_eq!(state.encode(1), Err(Full));
}

#[test]
fn the_date_of_first_use_is_set_once() {
    let mut state = State::factory();
    assert_eq!(state.first_use(), None);
    state.set_first_use(Wall::at(1_700_000_000)).unwrap();
    state.set_first_use(Wall::at(1_800_000_000)).unwrap();
    assert_eq!(state.first_use(), Some(Wall::at(1_700_000_000)));
}

proptest! {
    #[test]
    fn a_state_reads_back_as_it_was_written_and_a_record_can_carry_its_changes(
        steps in prop::collection::vec((0..7u8, "[a-c]", ".{0,9}"), 0..30), generation in any::<u64>(),
    ) {
        let mut state = State::factory();
        let mut before = state.clone();
        let half = steps.len() / 2;
        for (n, (step, name, text)) in steps.into_iter().enumerate() {
            if n == half {
                before = state.clone();
            }
            match step {
                0 => {
                    let mut instances = state.instances();
                    instances.number(PORTS, &text, false).unwrap();
                    state.set_instances(&instances).unwrap();
                }
                1 => {
                    let mut instances = state.instances();
                    instances.forget(PORTS, &text);
                    state.set_instances(&instances).unwrap();
                }
                2 => state.set_parameter_key(&text).unwrap(),
                3 => {
                    let mut rows = state.pending();
                    rows.set(&name, Tree::map([("o", Tree::from(text))]));
                    state.set_pending(&rows).unwrap();
                }
                4 => {
                    let mut rows = state.pending();
                    rows.remove(&name);
                    state.set_pending(&rows).unwrap();
                }
                5 => {
                    let mut rows = state.kept();
                    rows.set(&name, Tree::map([(".type", Tree::from("t")), ("o", Tree::from(text))]));
                    state.set_kept(&rows).unwrap();
                }
                _ => {
                    let baseline = Some(baseline(&text));
                    state.set_attribute(&name, Some(&Attribute { baseline, ..Attribute::default() })).unwrap();
                }
            }
        }
        let (number, read) = State::decode(state.encode(generation).unwrap().as_bytes()).unwrap();
        prop_assert_eq!((number, &read), (generation, &state));
        let mut replayed = before.clone();
        before.difference(&state).iter().for_each(|edit| replayed.apply(edit).unwrap());
        prop_assert_eq!(replayed.difference(&state), vec![]);
    }
}
