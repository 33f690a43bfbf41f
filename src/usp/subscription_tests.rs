//! What a subscription sees, on a small model whose sources a test changes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::dm::instance::Instances;
use crate::dm::run::{Halt, attempt};
use crate::dm::schema::{Audience, Model};
use crate::dm::source::{Snapshot, Source};
use crate::rng::Rng;
use crate::usp::msg::fixture::{model, rights};
use crate::usp::pb::notify::Notification;
use proptest::prelude::*;
use std::cell::RefCell;

/// A router: pools by section, with name, whether enabled, and speed; and what `acme stats` gives.
pub struct Router {
    model: Model,
    instances: RefCell<Instances>,
    pub pools: Map<&'static str, (String, bool, String)>,
    pub stats: Source,
}

pub fn router() -> Router {
    let pool = |name: &str, on| (name.to_string(), on, "5".to_string());
    let mut instances = Instances::default();
    for section in ["lan", "guest"] {
        instances.number("Device.X_ACME_Pool.", section, false).unwrap();
    }
    Router {
        model: model(),
        instances: RefCell::new(instances),
        pools: [("lan", pool("home", true)), ("guest", pool("visitors", false))].into(),
        stats: Source::ready(Tree::map([("sent", Tree::from("1"))])),
    }
}

impl Router {
    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.audience = Audience::Usp;
        let pools = self.pools.iter().map(|(section, (name, on, speed))| {
            let options = [
                (".type", "dhcp"),
                ("name", name.as_str()),
                ("enable", if *on { "1" } else { "0" }),
                ("speed", speed.as_str()),
                ("secret", name.as_str()),
            ];
            (*section, Tree::map(options.map(|(option, value)| (option, Tree::from(value)))))
        });
        snapshot.supply("uci:dhcp", Source::ready(Tree::map(pools)));
        snapshot.supply("ubus:acme stats", self.stats.clone());
        snapshot
    }

    fn look(&self, one: &Subscription, rights: &Rights, before: Option<&Seen>) -> Looked {
        self.doubting(one, rights, before, false)
    }

    fn doubting(&self, one: &Subscription, rights: &Rights, before: Option<&Seen>, doubt: bool) -> Looked {
        self.seen(rights, doubt, |at| one.look(at, before))
    }

    /// What a look with these rights comes to.
    pub fn seen(
        &self,
        rights: &Rights,
        doubt: bool,
        look: impl Fn(&Looking<'_, '_>) -> Result<Looked, Stop>,
    ) -> Looked {
        let done = attempt(&self.model, &mut self.snapshot(), &self.instances, |view| {
            look(&Looking { view, rights, doubt, room: 1000 })
        });
        match done {
            Ok(looked) => looked,
            Err(Halt::Need(keys)) => panic!("{keys:?}"),
            Err(Halt::Refused(why)) => panic!("{why}"),
        }
    }
}

fn subscription(kind: &str, paths: &str) -> Subscription {
    let section = [
        (".type", KIND),
        ("Enable", "1"),
        ("Recipient", "one"),
        ("NotifType", kind),
        ("ReferenceList", paths),
    ];
    Subscription::read(&Tree::map(section.map(|(name, value)| (name, Tree::from(value))))).unwrap()
}

fn words(looked: &Looked) -> Vec<String> {
    let word = |what: &Notification| match what {
        Notification::ValueChange(it) => format!("{} = {}", it.param_path, it.param_value),
        Notification::ObjCreation(it) => format!("+{}", it.obj_path),
        Notification::ObjDeletion(it) => format!("-{}", it.obj_path),
        other => panic!("{other:?}"),
    };
    looked.told.iter().map(word).collect()
}

const NAMES: &str = "Device.X_ACME_Pool.*.Name";

#[test]
fn a_section_is_read_with_its_defaults_and_without_what_is_no_path() {
    let one = subscription("Event", "Device.Boot!,no path,Device.X_ACME_Pool.[Name==\"a,b\"].Ping()");
    assert_eq!((one.references.len(), one.kind), (2, NotifType::Event));
    assert_eq!((one.retry, one.persistent, one.expiration, one.time_to_live), (false, false, None, None));
    let none = Tree::map([(".type", Tree::from("request")), ("Recipient", Tree::from("one"))]);
    assert_eq!(Subscription::read(&none), None);
}

//= TR-369 R-NOT.0: what its object says of each member holds.
//= TR-369 12: TimeToLive: the row goes that long after its CreationDate.
//= TR-369 12: TimeToLive ends at a restart where the time of creation is not known.
//= TR-369 12: Persistent false: the row goes with every restart.
#[test]
fn a_life_ends_by_the_calendar_or_at_a_restart() {
    let mut one = Subscription { persistent: true, ..subscription("ValueChange", NAMES) };
    assert!(!one.ends_at_restart() && one.left(Some(Wall::at(0))).is_none());
    one.time_to_live = Some(Duration::from_secs(60));
    assert!(one.ends_at_restart());
    one.created = Some(Wall::at(1_000));
    assert!(!one.ends_at_restart() && one.left(None).is_none());
    for (now, left) in [(1_000, 60), (1_059, 1), (1_060, 0), (9_000, 0)] {
        assert_eq!(one.left(Some(Wall::at(now))), Some(Duration::from_secs(left)), "{now}");
    }
    one.persistent = false;
    assert!(one.ends_at_restart());
}

//= TR-369 12: ValueChange: an object stands for all parameters below it.
//= TR-369 12: parameters that are shown as not to be watched never tell of a change.
//= TR-369 12: wildcards and searches mean rows that come later, too.
#[test]
fn changed_values_are_told_once_and_those_of_new_rows_from_then_on() {
    let mut router = router();
    let all = Rights::all();
    // Twice the same, in two words.
    let one = subscription("ValueChange", "Device.X_ACME_Pool.,Device.X_ACME_Pool.1.Name");
    let mut seen = router.look(&one, &all, None);
    assert!(seen.told.is_empty());
    router.pools.get_mut("lan").unwrap().0 = "office".into();
    // Shown as not to be watched.
    router.pools.get_mut("lan").unwrap().2 = "7".into();
    seen = router.look(&one, &all, Some(&seen.seen));
    let mut got = words(&seen);
    got.sort();
    let secret = "Device.X_ACME_Pool.1.Secret = office";
    assert_eq!(
        got,
        ["Device.X_ACME_Pool.1.Name = office", secret, "Device.X_ACME_Pool.1.Stats.Kept = office"]
    );
    router.pools.insert("iot", ("things".into(), true, "1".into()));
    seen = router.look(&one, &all, Some(&seen.seen));
    assert!(seen.told.is_empty(), "a new row is no changed value: {:?}", seen.told);
    router.pools.get_mut("iot").unwrap().1 = false;
    seen = router.look(&one, &all, Some(&seen.seen));
    assert_eq!(words(&seen), ["Device.X_ACME_Pool.3.Enable = false"]);
}

//= TR-369 12: ObjectCreation is about tables.
//= TR-369 12: ObjectDeletion is about rows.
#[test]
fn rows_are_told_when_they_come_and_go_and_not_when_a_search_ceases_to_mean_them() {
    for paths in ["Device.X_ACME_Pool.*.", "Device.X_ACME_Pool.[Enable==true].", "Device.X_ACME_Pool.1"] {
        let mut router = router();
        let gone = subscription("ObjectDeletion", paths);
        let seen = router.look(&gone, &Rights::all(), None).seen;
        router.pools.get_mut("lan").unwrap().1 = false;
        assert!(router.look(&gone, &Rights::all(), Some(&seen)).told.is_empty(), "{paths}");
        router.pools.remove("lan");
        let looked = router.look(&gone, &Rights::all(), Some(&seen));
        assert_eq!(words(&looked), ["-Device.X_ACME_Pool.1."], "{paths}");
        assert!(router.look(&gone, &Rights::all(), Some(&looked.seen)).told.is_empty(), "{paths}");
    }
    let mut router = router();
    let came = subscription("ObjectCreation", "Device.X_ACME_Pool.");
    let seen = router.look(&came, &Rights::all(), None).seen;
    router.pools.insert("iot", ("things".into(), true, "1".into()));
    let looked = router.look(&came, &Rights::all(), Some(&seen));
    assert_eq!(words(&looked), ["+Device.X_ACME_Pool.3."]);
    let Notification::ObjCreation(creation) = &looked.told[0] else { panic!() };
    assert_eq!(creation.unique_keys.get("Name").map(String::as_str), Some("things"));
    assert!(router.look(&came, &Rights::all(), Some(&looked.seen)).told.is_empty());
}

//= TR-369 17: Param n: whoever lacks it is told of no change.
//= TR-369 17: Obj n: whoever lacks it is told of no new row.
//= TR-369 17: InstantiatedObj n: whoever lacks it is told of no row that went.
#[test]
fn without_the_letter_n_of_its_kind_nothing_is_told() {
    for (letters, want) in [
        ("rwxn rwxn rwxn rwxn", [1, 1, 1]),
        ("rwx- rwxn rwxn rwxn", [0, 1, 1]),
        ("rwxn rwx- rwxn rwxn", [1, 0, 1]),
        ("rwxn rwxn rwx- rwxn", [1, 1, 0]),
        ("---n ---n ---n ---n", [1, 1, 1]),
        ("---- ---- ---- ----", [0, 0, 0]),
    ] {
        let mut router = router();
        let rights = rights(&[("Device.X_ACME_Pool.", letters)]);
        let all = [
            subscription("ValueChange", NAMES),
            subscription("ObjectCreation", "Device.X_ACME_Pool."),
            subscription("ObjectDeletion", "Device.X_ACME_Pool.*."),
        ];
        let seen = all.each_ref().map(|one| router.look(one, &rights, None).seen);
        router.pools.remove("guest");
        router.pools.get_mut("lan").unwrap().0 = "office".into();
        router.pools.insert("iot", ("things".into(), true, "1".into()));
        let got = [0, 1, 2].map(|at| router.look(&all[at], &rights, Some(&seen[at])).told.len());
        assert_eq!(got, want, "{letters}");
    }
}

//= TR-369 12: Event and OperationComplete: the event or command, or an object and all below it.
//= TR-369 17: CommandEvent n: whoever lacks it is told of no event and no end of a command.
#[test]
fn events_and_ends_of_commands_are_heard_by_path_pattern_and_right() {
    let router = router();
    for (paths, path, want) in [
        ("Device.Boot!", "Device.Boot!", true),
        ("Device.", "Device.Boot!", true),
        ("Device", "Device.Boot!", true),
        ("Device.Boot!", "Device.LocalAgent.Periodic!", false),
        ("Device.LocalAgent.", "Device.Boot!", false),
        ("Device.X_ACME_Pool.*.Ping()", "Device.X_ACME_Pool.2.Ping()", true),
        ("Device.X_ACME_Pool.1.Ping()", "Device.X_ACME_Pool.2.Ping()", false),
        ("Device.X_ACME_Pool.[Enable==true].Ping()", "Device.X_ACME_Pool.1.Ping()", true),
        ("Device.X_ACME_Pool.[Enable==true].Ping()", "Device.X_ACME_Pool.2.Ping()", false),
        ("Device.X_ACME_Pool.*.Name", "Device.X_ACME_Pool.2.Ping()", false),
    ] {
        let one = subscription("Event", paths);
        for (rights, may) in [(Rights::all(), true), (rights(&[("Device.", "rwx-")]), false)] {
            let heard = attempt(&router.model, &mut router.snapshot(), &router.instances, |view| {
                one.hears(view, &rights, path)
            });
            assert_eq!(heard, Ok(want && may), "{paths} {path}");
        }
    }
}

/// The number of the row of a section.
fn number_of(router: &Router, section: &str) -> u32 {
    router.instances.borrow_mut().number("Device.X_ACME_Pool.", section, false).unwrap()
}

#[test]
fn a_source_that_fails_or_has_just_gone_tells_nothing_and_nothing_is_forgotten() {
    let mut router = router();
    let one = subscription("ValueChange", "Device.X_ACME_Pool.");
    let seen = router.look(&one, &Rights::all(), None).seen;
    router.stats = Source::Failed("no answer".into());
    let looked = router.look(&one, &Rights::all(), Some(&seen));
    assert!(looked.told.is_empty());
    assert_eq!(looked.seen, seen);
    router.stats = Source::Absent;
    let looked = router.doubting(&one, &Rights::all(), Some(&seen), true);
    assert!(looked.told.is_empty());
    assert_eq!(looked.seen, seen);
    // What stays away is believed.
    let looked = router.look(&one, &Rights::all(), Some(&seen));
    assert_eq!(words(&looked), [1, 2].map(|row| format!("Device.X_ACME_Pool.{row}.Stats.Sent = 0")),);
}

#[test]
fn no_more_is_watched_than_there_is_room_for() {
    let router = router();
    let one = subscription("ValueChange", "Device.X_ACME_Pool.");
    let looked = attempt(&router.model, &mut router.snapshot(), &router.instances, |view| {
        one.look(&Looking { view, rights: &Rights::all(), doubt: false, room: 3 }, None)
    })
    .unwrap();
    assert!(looked.cut && looked.seen.len() == 3);
}

proptest! {
    /// Whatever happens between two looks: each value that differs is told once, each row that came or went is told
    /// once, and nothing else is.
    //= TR-369 12: ValueChange compares with the state at subscription and at each change.
    #[test]
    fn every_difference_is_told_exactly_once(seed: [u8; 32]) {
        let mut rng = Rng::new(seed);
        let mut router = router();
        let all = Rights::all();
        let values = subscription("ValueChange", NAMES);
        let came = subscription("ObjectCreation", "Device.X_ACME_Pool.");
        let gone = subscription("ObjectDeletion", "Device.X_ACME_Pool.*");
        let mut seen = [&values, &came, &gone].map(|one| router.look(one, &all, None).seen);
        for _ in 0..20 {
            let before: Map<u32, String> = numbered(&router);
            for _ in 0..rng.below(4) {
                let section = ["lan", "guest", "iot", "lab"][rng.below(4) as usize];
                match rng.below(3) {
                    0 => drop(router.pools.remove(section)),
                    _ => drop(router.pools.insert(section, (format!("n{}", rng.below(3)), true, "1".into()))),
                }
            }
            let after = numbered(&router);
            let mut want = Vec::new();
            for (number, name) in &after {
                match before.get(number) {
                    Some(old) if old != name => want.push(format!("Device.X_ACME_Pool.{number}.Name = {name}")),
                    Some(_) => {}
                    None => want.push(format!("+Device.X_ACME_Pool.{number}.")),
                }
            }
            let lost = before.keys().filter(|number| !after.contains_key(number));
            want.extend(lost.map(|number| format!("-Device.X_ACME_Pool.{number}.")));
            want.sort();
            let mut got = Vec::new();
            for (one, seen) in [&values, &came, &gone].into_iter().zip(&mut seen) {
                let looked = router.look(one, &all, Some(seen));
                got.extend(words(&looked));
                *seen = looked.seen;
            }
            got.sort();
            prop_assert_eq!(got, want);
        }
    }
}

/// The rows by number with their names, as reading numbers them.
fn numbered(router: &Router) -> Map<u32, String> {
    let sections = router.pools.iter();
    sections.map(|(section, (name, ..))| (number_of(router, section), name.clone())).collect()
}
