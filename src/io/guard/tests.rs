#![allow(clippy::unwrap_used)]

use super::super::disk::sim::SimDisk;
use super::super::store::EVENTS_FILE;
use super::*;
use crate::dm::edit::{Change, Edit};
use crate::dm::tree::Tree;
use crate::state::guard::Guarded;

const NETWORK: &str = "config interface 'lan'\n\toption ipaddr '192.168.1.1'\n\n# ours\nconfig interface 'wan'\n\toption proto 'dhcp'\n\nconfig route\n\toption target '192.0.2.0/24'\n";
const ACS: &str = "acs";

fn router() -> (SimDisk, Store) {
    let disk = SimDisk::with([]);
    disk.put("/etc/config/network", NETWORK);
    disk.put("/etc/config/dhcp", "config dnsmasq 'main'\n\tlist server '192.0.2.53'\n");
    let mut store = Store::load(&disk).unwrap().0;
    let mut state = store.state().clone();
    state.set_parameter_key("before").unwrap();
    store.save(&disk, state).unwrap();
    (disk, store)
}

fn set(source: &str, section: &str, option: &str, old: Option<&str>, new: Option<&str>) -> Edit {
    let change = Change::Set { option: option.into(), old: old.map(Tree::from), new: new.map(Tree::from) };
    Edit { source: source.into(), section: section.into(), change }
}

/// A commit of `manager` that its guard keeps.
fn change(disk: &SimDisk, store: &mut Store, manager: &str, mut edits: Vec<Edit>, key: &str) {
    let mut next = store.state().clone();
    let mut guarded = next.guard(manager).unwrap_or(Guarded {
        way: true,
        parameter_key: next.parameter_key().into(),
        ..Guarded::default()
    });
    guarded.commits += 1;
    next.set_guard(manager, Some(&guarded)).unwrap();
    next.set_parameter_key(key).unwrap();
    edits.extend(store.state().difference(&next));
    let request = Request { edits, keep: Some(manager.into()), ..Request::default() };
    commit::commit(disk, store, &request).unwrap();
}

/// A wrong address, then a name server with it, and a route that goes.
fn misconfigured() -> (SimDisk, Store) {
    let (disk, mut store) = router();
    let address = [
        set("uci:network", "wan", "proto", Some("dhcp"), Some("static")),
        set("uci:network", "wan", "ipaddr", None, Some("198.51.100.9")),
    ];
    change(&disk, &mut store, ACS, address.into(), "one");
    let tree = uci::parse(&disk.read("/etc/config/network", MAX_FILE).unwrap(), Mode::Strict).unwrap().tree();
    let (route, old) = tree.entries().last().cloned().unwrap();
    let gone = Edit { source: "uci:network".into(), section: route, change: Change::Remove { old } };
    let server = set("uci:dhcp", "main", "port", None, Some("0"));
    change(&disk, &mut store, ACS, vec![gone, server], "two");
    (disk, store)
}

fn network(disk: &SimDisk) -> Tree {
    uci::parse(&disk.read("/etc/config/network", MAX_FILE).unwrap(), Mode::Strict).unwrap().tree()
}

#[test]
fn all_that_a_manager_did_not_confirm_is_taken_back_as_one() {
    let (disk, mut store) = misconfigured();
    let undone = take_back(&disk, &mut store, ACS, "then").unwrap();
    assert_eq!((undone.stayed, undone.packages), (vec![], vec!["dhcp".into(), "network".into()]));
    assert!(
        disk.read_text("/etc/config/network")
            .unwrap()
            .contains("# ours\nconfig interface 'wan'\n\toption proto 'dhcp'\n")
    );
    let targets = network(&disk).entries().iter().filter(|(_, s)| s.str("target").is_some()).count();
    assert_eq!(targets, 1, "the route is back");
    assert_eq!(
        disk.read_text("/etc/config/dhcp").unwrap(),
        "config dnsmasq 'main'\n\tlist server '192.0.2.53'\n"
    );
    assert_eq!(undone.state.parameter_key(), "before");
    assert_eq!(undone.state.guards().count(), 0);
    assert!(sequences(&disk).unwrap().is_empty());
    assert_eq!(Store::load(&disk).unwrap().0.state(), &undone.state);
}

#[test]
fn what_a_person_changed_meanwhile_stays() {
    for (from, to, stayed) in [
        ("192.168.1.1", "192.168.7.1", 0),    // another section
        ("198.51.100.9", "198.51.100.77", 1), // the same option
    ] {
        let (disk, mut store) = misconfigured();
        let text = disk.read_text("/etc/config/network").unwrap();
        disk.put("/etc/config/network", &text.replace(from, to));
        let undone = take_back(&disk, &mut store, ACS, "").unwrap();
        let wan = network(&disk).get("wan").unwrap().clone();
        assert_eq!(wan.str("proto"), Some("dhcp"), "{from}");
        assert!(disk.read_text("/etc/config/network").unwrap().contains(to));
        // The route had no name: in a file that somebody changed it is not guessed where it was.
        assert_eq!(undone.stayed.len(), stayed + 1, "{:?}", undone.stayed);
    }
}

#[test]
fn one_manager_s_undo_leaves_what_another_one_changed() {
    let (disk, mut store) = misconfigured();
    let other = "controller operator";
    let address = set("uci:network", "lan", "ipaddr", Some("192.168.1.1"), Some("192.168.5.1"));
    change(&disk, &mut store, other, vec![address], "two");
    take_back(&disk, &mut store, ACS, "").unwrap();
    assert_eq!(network(&disk).get("lan").unwrap().str("ipaddr"), Some("192.168.5.1"));
    assert_eq!(store.state().guards().collect::<Vec<_>>(), [other]);
    assert_eq!(kept(&disk, other).unwrap().len(), 1);
    take_back(&disk, &mut store, other, "").unwrap();
    assert_eq!(network(&disk).get("lan").unwrap().str("ipaddr"), Some("192.168.1.1"));
}

#[test]
fn an_undo_cut_by_the_power_is_undone_as_a_whole_or_still_to_be_done() {
    let (disk, mut store) = misconfigured();
    let before = disk.steps();
    take_back(&disk, &mut store, ACS, "").unwrap();
    let steps = disk.steps() - before;
    let mut seen = Set::new();
    for cut in 0..=steps {
        for seed in 0..6 {
            let (disk, mut store) = misconfigured();
            disk.cut_after(cut);
            let _ = take_back(&disk, &mut store, ACS, "");
            disk.reboot(seed);
            let mut store = Store::load(&disk).unwrap().0;
            commit::recover(&disk, &mut store).unwrap();
            tidy(&disk, store.state()).unwrap();
            let undone = network(&disk).get("wan").unwrap().str("proto") == Some("dhcp");
            let when = format!("cut {cut}, seed {seed}");
            assert_eq!(store.state().parameter_key() == "before", undone, "{when}");
            assert_eq!(store.state().guards().count(), usize::from(!undone), "{when}");
            assert_eq!(kept(&disk, ACS).unwrap().len(), if undone { 0 } else { 2 }, "{when}");
            if !undone {
                take_back(&disk, &mut store, ACS, "").unwrap();
                assert_eq!(network(&disk).get("wan").unwrap().str("ipaddr"), None, "{when}");
            }
            seen.insert(undone);
        }
    }
    assert_eq!(seen.len(), 2, "cut on both sides");
}

#[test]
fn a_confirmation_lets_go_of_its_own_records_and_leftovers_are_tidied() {
    let (disk, mut store) = misconfigured();
    let lan = set("uci:network", "lan", "mtu", None, Some("1400"));
    change(&disk, &mut store, "controller one", vec![lan], "two");
    tidy(&disk, store.state()).unwrap();
    assert_eq!(sequences(&disk).unwrap().len(), 3, "all are waited for");
    let mut next = store.state().clone();
    next.set_guard(ACS, None).unwrap();
    store.save(&disk, next).unwrap();
    // The power goes before the release.
    tidy(&disk, store.state()).unwrap();
    assert_eq!((kept(&disk, ACS).unwrap().len(), kept(&disk, "controller one").unwrap().len()), (0, 1));
    release(&disk, "controller one").unwrap();
    assert!(sequences(&disk).unwrap().is_empty() && !disk.exists(EVENTS_FILE));
}

#[test]
fn what_is_kept_is_bounded_in_octets() {
    let (disk, mut store) = router();
    let long = "x".repeat(200 << 10);
    for n in 0..4 {
        let (old, new) = (n.to_string(), (n + 1).to_string());
        let edits = vec![
            set("uci:network", "lan", "mark", Some(old.as_str()).filter(|_| n > 0), Some(&new)),
            set("uci:network", "lan", &format!("o{n}"), None, Some(&long)),
        ];
        let request = Request { edits, keep: Some(ACS.into()), ..Request::default() };
        let done = commit::commit(&disk, &mut store, &request);
        assert_eq!(done.is_ok(), n < 2, "{n}: {done:?}");
    }
    assert_eq!(
        network(&disk).get("lan").unwrap().str("mark"),
        Some("2"),
        "nothing was done without its record"
    );
}
