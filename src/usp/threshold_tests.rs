//! What a threshold sees, on the small model of subscriptions.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::dm::acl::Rights;
use crate::dm::source::Source;
use crate::usp::msg::fixture::rights;
use crate::usp::pb::notify::Notification;
use crate::usp::subscription::tests::{Router, router};

const ROW: &str = "Device.LocalAgent.Threshold.3.";
const LAN: &str = "Device.X_ACME_Pool.1.Speed";

fn threshold(path: &str, param: &str, operator: &str, more: &[(&str, &str)]) -> Option<Threshold> {
    let section = [
        (".type", KIND),
        ("Enable", "1"),
        ("Controller", "one"),
        ("ReferencePath", path),
        ("ThresholdParam", param),
        ("ThresholdOperator", operator),
        ("ThresholdValue", "10"),
    ];
    let mut section: Vec<(&str, &str)> = section.into();
    for (name, value) in more {
        section.retain(|(other, _)| other != name);
        section.push((name, value));
    }
    Threshold::read(&Tree::map(section.into_iter().map(|(name, value)| (name, Tree::from(value)))))
}

fn look(router: &Router, one: &Threshold, rights: &Rights, before: Option<&Seen>) -> Looked {
    router.seen(rights, false, |at| one.look(ROW, at, before))
}

/// What is told, as `path = value`.
fn words(looked: &Looked) -> Vec<String> {
    let word = |what: &Notification| match what {
        Notification::Event(it) => {
            assert_eq!((it.obj_path.as_str(), it.event_name.as_str(), it.params.len()), (ROW, TRIGGERED, 2));
            format!("{} = {}", it.params["ParamPath"], it.params["ParamValue"])
        }
        other => panic!("{other:?}"),
    };
    looked.told.iter().map(word).collect()
}

#[test]
fn a_row_is_read_if_it_is_on_and_says_what_it_watches() {
    let read = |more: &[(&str, &str)]| threshold("Device.X_ACME_Pool.1.", "Speed", "Rise", more).is_some();
    assert!(read(&[]) && read(&[("ThresholdValue", "-99999999999999999999")]));
    for more in [
        (".type", "subscription"),
        ("Enable", "0"),
        ("ReferencePath", ""),
        ("ThresholdOperator", "Up"),
        ("ThresholdValue", ""),
        ("ThresholdValue", "1.5"),
    ] {
        assert!(!read(&[more]), "{more:?}");
    }
}

//= TR-181 LocalAgent.SupportedThresholdOperator: what a number was is part of every condition.
//= TR-181 LocalAgent.Threshold.{i}.Triggered: when the condition comes to hold, once until it does so again.
#[test]
fn a_number_is_told_at_the_moment_it_crosses() {
    let series = ["5", "20", "30", "10", "30", "10", "10", "4", "3", "10", "4", "11"];
    for (operator, told) in [
        ("Rise", vec![1, 11]),
        ("Fall", vec![7]),
        ("Cross", vec![1, 7, 11]),
        ("Eq", vec![3, 5, 9]),
        ("NotEq", vec![4, 7, 10]),
    ] {
        let one = threshold("Device.X_ACME_Pool.1.", "Speed", operator, &[]).unwrap();
        let (mut router, mut seen, mut got) = (router(), None, Vec::new());
        for (at, speed) in series.into_iter().enumerate() {
            router.pools.get_mut("lan").unwrap().2 = speed.into();
            let looked = look(&router, &one, &Rights::all(), seen.as_ref());
            assert!(looked.restless, "it announces no change");
            for word in words(&looked) {
                assert_eq!(word, format!("{LAN} = {speed}"));
                got.push(at);
            }
            seen = Some(looked.seen);
        }
        assert_eq!(got, told, "{operator}");
    }
}

/// What was the value from the start has come from nowhere.
#[test]
fn a_number_that_is_the_value_at_first_rises_and_falls_from_no_side() {
    for operator in ["Rise", "Fall", "Cross"] {
        let one = threshold("Device.X_ACME_Pool.1.", "Speed", operator, &[]).unwrap();
        for next in ["5", "20"] {
            let mut router = router();
            router.pools.get_mut("lan").unwrap().2 = "10".into();
            let looked = look(&router, &one, &Rights::all(), None);
            router.pools.get_mut("lan").unwrap().2 = next.into();
            assert!(look(&router, &one, &Rights::all(), Some(&looked.seen)).told.is_empty());
        }
    }
}

//= TR-181 LocalAgent.Threshold.{i}.OperatingMode: Single tells of one crossing.
#[test]
fn every_row_of_a_search_crosses_for_itself_and_a_new_one_begins_where_it_is() {
    for (mode, told) in [("Normal", 2), ("Single", 1)] {
        let path = "Device.X_ACME_Pool.[Enable==true].";
        let one = threshold(path, "Speed", "Rise", &[("OperatingMode", mode)]).unwrap();
        let mut router = router();
        let first = look(&router, &one, &Rights::all(), None);
        assert_eq!((first.seen.len(), first.told.len()), (1, 0));
        router.pools.get_mut("guest").unwrap().1 = true;
        let second = look(&router, &one, &Rights::all(), Some(&first.seen));
        assert_eq!((second.seen.len(), second.told.len()), (2, 0));
        for name in ["lan", "guest"] {
            router.pools.get_mut(name).unwrap().2 = "11".into();
        }
        let third = look(&router, &one, &Rights::all(), Some(&second.seen));
        assert_eq!(words(&third).len(), told, "{mode}");
        // A row that is meant no more is forgotten.
        router.pools.get_mut("lan").unwrap().1 = false;
        assert_eq!(look(&router, &one, &Rights::all(), Some(&third.seen)).seen.len(), 1);
    }
}

//= TR-181 LocalAgent.Threshold.{i}.Controller: its permissions count.
#[test]
fn what_its_controller_may_not_read_crosses_nothing() {
    for (rules, told) in [
        (&[("Device.", "rwxn")][..], 1),
        (&[("Device.", "r---")], 1),
        (&[("Device.", "-wxn")], 0),
        (&[("Device.", "rwxn"), ("Device.X_ACME_Pool.*.Speed", "----")], 0),
        (&[("Device.", "rwxn"), ("Device.X_ACME_Pool.*.Enable", "----")], 0),
    ] {
        let one = threshold("Device.X_ACME_Pool.[Enable==true].", "Speed", "Rise", &[]).unwrap();
        let (rights, mut router) = (rights(rules), router());
        let first = look(&router, &one, &rights, None);
        router.pools.get_mut("lan").unwrap().2 = "11".into();
        assert_eq!(look(&router, &one, &rights, Some(&first.seen)).told.len(), told, "{rules:?}");
    }
}

#[test]
fn a_source_that_fails_or_is_gone_for_a_moment_crosses_nothing() {
    let sent = |value: &str| Source::ready(Tree::map([("sent", Tree::from(value))]));
    for (gone, doubt) in [(Source::Failed("no answer".into()), false), (Source::Absent, true)] {
        let one = threshold("Device.X_ACME_Pool.1.Stats.", "Sent", "Cross", &[]).unwrap();
        let mut router = router();
        router.stats = sent("20");
        let mut seen = look(&router, &one, &Rights::all(), None).seen;
        router.stats = gone;
        let looked = router.seen(&Rights::all(), doubt, |at| one.look(ROW, at, Some(&seen)));
        assert!(looked.told.is_empty() && !looked.restless && !looked.seen.is_empty());
        seen = looked.seen;
        // What it was before is what it is compared with.
        for (value, told) in [("30", 0), ("5", 1)] {
            router.stats = sent(value);
            let looked = look(&router, &one, &Rights::all(), Some(&seen));
            assert_eq!(looked.told.len(), told, "{value}");
            seen = looked.seen;
        }
    }
}
