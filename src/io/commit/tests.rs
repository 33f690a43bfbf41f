#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::super::disk::sim::SimDisk;
use super::*;

const PACKAGES: [&str; 3] = ["dhcp", "network", "wireless"];

/// A file with a comment, a named section and two without a name.
fn file(value: &str) -> String {
    format!("# kept\n\nconfig t 's'\n\toption o '{value}'\n\toption other '1'\n\nconfig r\n\nconfig r\n")
}

fn path(package: &str) -> String {
    format!("/etc/config/{package}")
}

fn router() -> (SimDisk, Store) {
    let disk = SimDisk::with([]);
    PACKAGES.iter().for_each(|package| disk.put(&path(package), &file("old")));
    let mut store = Store::load(&disk).unwrap().0;
    let mut state = store.state().clone();
    state.set_parameter_key("old").unwrap();
    store.save(&disk, state).unwrap();
    (disk, store)
}

fn set(source: &str, section: &str, option: &str, old: Option<&str>, new: Option<&str>) -> Edit {
    let change = Change::Set { option: option.into(), old: old.map(Tree::from), new: new.map(Tree::from) };
    Edit { source: source.into(), section: section.into(), change }
}

/// Sets `o` of all three packages and the ParameterKey to `new`.
fn request(disk: &SimDisk, store: &Store, keep: bool) -> Request {
    let source = |package: &str| format!("uci:{package}");
    let mut edits: Vec<Edit> =
        PACKAGES.iter().map(|package| set(&source(package), "s", "o", Some("old"), Some("new"))).collect();
    let mut next = store.state().clone();
    next.set_parameter_key("new").unwrap();
    edits.extend(store.state().difference(&next));
    let sum = |package: &&str| (source(package).into(), read_package(disk, package).unwrap().1.into());
    let read = PACKAGES.iter().map(sum).collect();
    Request { edits, read, keep: keep.then(|| "acs".into()), ..Request::default() }
}

fn start(disk: &SimDisk) -> (Store, Recovered) {
    let mut store = Store::load(disk).unwrap().0;
    let recovered = recover(disk, &mut store).unwrap();
    (store, recovered)
}

/// The value of `o` in each package and the ParameterKey.
fn values(disk: &SimDisk, store: &Store) -> Vec<String> {
    let value = |package: &&str| {
        let text = disk.read_text(&path(package)).unwrap();
        let tree = uci::parse(text.as_bytes(), Mode::Strict).unwrap().tree();
        tree.get("s").unwrap().str("o").unwrap_or_default().to_string()
    };
    PACKAGES.iter().map(value).chain([store.state().parameter_key().to_string()]).collect()
}

fn steps_of_a_commit(keep: bool) -> u64 {
    let (disk, mut store) = router();
    let request = request(&disk, &store, keep);
    let before = disk.steps();
    commit(&disk, &mut store, &request).unwrap();
    disk.steps() - before
}

#[test]
fn a_commit_writes_everything_and_leaves_no_record_behind() {
    let (disk, mut store) = router();
    let request = request(&disk, &store, false);
    let done = commit(&disk, &mut store, &request).unwrap();
    assert_eq!((done.sequence, done.packages.len()), (1, 3));
    assert_eq!(values(&disk, &store), ["new"; 4]);
    assert_eq!(disk.read_text("/etc/config/dhcp").unwrap(), file("new"), "comments and order stay");
    assert!(!disk.exists(JOURNAL));
    assert_eq!(start(&disk).1, Recovered::Nothing);
}

#[test]
fn after_a_power_cut_at_any_step_all_of_a_commit_or_nothing_is_there() {
    for keep in [false, true] {
        let mut seen = Set::new();
        for cut in 0..=steps_of_a_commit(keep) {
            for seed in 0..12 {
                let (disk, mut store) = router();
                let request = request(&disk, &store, keep);
                disk.cut_after(cut);
                let told = commit(&disk, &mut store, &request).is_ok();
                disk.reboot(seed);
                let (store, recovered) = start(&disk);
                let values = values(&disk, &store);
                let first = values[0].clone();
                assert!(values.iter().all(|value| *value == first), "cut {cut} seed {seed}: {values:?}");
                assert!(!told || first == "new", "cut {cut} seed {seed}: told and lost");
                assert!(!matches!(recovered, Recovered::TakenBack(_)), "cut {cut} seed {seed}");
                assert!(!disk.exists(JOURNAL));
                assert_eq!(guard::kept(&disk, "acs").unwrap().len(), usize::from(keep && first == "new"));
                seen.insert(first);
            }
        }
        assert_eq!(seen.len(), 2, "cut on both sides of the commit point");
    }
}

#[test]
fn a_recovery_that_is_cut_itself_is_done_by_the_next_one() {
    for cut in (0..steps_of_a_commit(false)).step_by(2) {
        for again in 0..14 {
            let (disk, mut store) = router();
            let request = request(&disk, &store, false);
            disk.cut_after(cut);
            let told = commit(&disk, &mut store, &request).is_ok();
            disk.reboot(cut as u8);
            disk.cut_after(again);
            let _ = Store::load(&disk).map(|(mut store, ..)| recover(&disk, &mut store).is_ok());
            disk.reboot(again as u8);
            let values = values(&disk, &start(&disk).0);
            assert!(values.iter().all(|value| *value == values[0]), "cut {cut}, {again}: {values:?}");
            assert!(!told || values[0] == "new");
        }
    }
}

#[test]
fn an_agent_that_dies_anywhere_leaves_all_or_nothing_too() {
    for cut in 0..steps_of_a_commit(false) {
        let (disk, mut store) = router();
        let request = request(&disk, &store, false);
        disk.cut_after(cut);
        assert!(commit(&disk, &mut store, &request).is_err() || cut > 0);
        disk.restart();
        let values = values(&disk, &start(&disk).0);
        assert!(values.iter().all(|value| *value == values[0]), "cut {cut}: {values:?}");
    }
}

#[test]
fn a_commit_that_finishes_an_interrupted_one_tells_of_the_packages_of_both() {
    let mut finished = 0;
    for cut in 0..steps_of_a_commit(false) {
        let (disk, mut store) = router();
        let request = request(&disk, &store, false);
        disk.cut_after(cut);
        let told = commit(&disk, &mut store, &request).map(|done| done.packages).unwrap_or_default();
        disk.restart();
        let mut store = Store::load(&disk).unwrap().0;
        let edits = vec![set("uci:dhcp", "s", "other", Some("1"), Some("2"))];
        let next = Request { edits, ..Request::default() };
        let done = commit(&disk, &mut store, &next).unwrap();
        if values(&disk, &store)[0] == "new" && told.is_empty() {
            assert_eq!(done.packages, PACKAGES.map(Box::from), "cut {cut}");
            finished += 1;
        } else {
            assert!(done.packages.contains(&"dhcp".into()), "cut {cut}");
        }
    }
    assert!(finished > 3, "{finished}");
}

#[test]
fn what_somebody_changed_between_cut_and_recovery_is_never_overwritten() {
    let mut taken_back = 0;
    for cut in 0..=steps_of_a_commit(false) {
        for package in PACKAGES {
            for seed in 0..4 {
                let (disk, mut store) = router();
                let request = request(&disk, &store, false);
                disk.cut_after(cut);
                let _ = commit(&disk, &mut store, &request);
                disk.reboot(seed);
                let place = format!("cut {cut} seed {seed} {package}");

                // The same option: their value stays, and the others agree among themselves.
                disk.put(&path(package), &file("theirs"));
                let (store, recovered) = start(&disk);
                let found = values(&disk, &store);
                let others: Set<&String> = found.iter().filter(|value| *value != "theirs").collect();
                assert_eq!((found.len(), others.len()), (4, 1), "{place}: {found:?}");
                assert_eq!(found.iter().filter(|value| *value == "theirs").count(), 1, "{place}");
                assert!(!disk.exists(JOURNAL), "{place}");
                taken_back += u32::from(matches!(recovered, Recovered::TakenBack(_)));
            }
        }
    }
    assert!(taken_back > 20);
}

#[test]
fn another_change_of_the_same_file_and_the_record_both_survive() {
    for cut in 0..=steps_of_a_commit(false) {
        let (disk, mut store) = router();
        let request = request(&disk, &store, false);
        disk.cut_after(cut);
        let _ = commit(&disk, &mut store, &request);
        disk.reboot(cut as u8);
        let text = disk.read_text("/etc/config/network").unwrap().replace("other '1'", "other 'theirs'");
        disk.put("/etc/config/network", &text);
        let (store, _) = start(&disk);
        let values = values(&disk, &store);
        assert!(values.iter().all(|value| *value == values[0]), "cut {cut}: {values:?}");
        assert!(disk.read_text("/etc/config/network").unwrap().contains("other 'theirs'"), "cut {cut}");
    }
}

#[test]
fn a_file_changed_after_the_plan_is_told_and_nothing_is_written() {
    let (disk, mut store) = router();
    let request = request(&disk, &store, false);
    disk.put("/etc/config/network", &format!("{}\n", file("old")));
    let before = disk.steps();
    match commit(&disk, &mut store, &request) {
        Err(Error::Changed(sources)) => assert_eq!(sources, ["uci:network".into()]),
        other => panic!("{other:?}"),
    }
    assert_eq!(disk.steps(), before);
}

//= libuci: what is staged names anonymous sections by their place, so other edits can send it astray.
#[test]
fn what_others_have_staged_on_the_same_sections_is_a_reason_to_refuse() {
    let remove = |disk: &SimDisk, section: &str| {
        let text = disk.read("/etc/config/dhcp", MAX_FILE).unwrap();
        let old = uci::parse(&text, Mode::Strict).unwrap().tree().get(section).unwrap().clone();
        Edit { source: "uci:dhcp".into(), section: section.into(), change: Change::Remove { old } }
    };
    let names = |disk: &SimDisk| -> Vec<String> {
        let text = disk.read("/etc/config/dhcp", MAX_FILE).unwrap();
        let tree = uci::parse(&text, Mode::Strict).unwrap().tree();
        tree.entries().iter().map(|(name, _)| name.to_string()).collect()
    };
    let generated = names(&router().0)[2].clone();
    let touch = set("uci:dhcp", "s", "o", Some("old"), Some("new"));
    for (file, delta, removal, refused) in [
        ("/tmp/.uci/dhcp", "dhcp.s.other='2'\n".to_string(), false, true),
        ("/var/run/rpcd/uci-0123/dhcp", "-dhcp.s\n".to_string(), false, true),
        ("/tmp/.uci/dhcp", "dhcp.else.other='2'\n".to_string(), false, false),
        ("/tmp/.uci/network", "network.s.other='2'\n".to_string(), false, false),
        ("/tmp/.uci/dhcp", String::new(), false, false),
        ("/var/run/rpcd/uci-0123/dhcp", format!("dhcp.{generated}.x='2'\n"), false, false),
        ("/var/run/rpcd/uci-0123/dhcp", format!("dhcp.{generated}.x='2'\n"), true, true),
    ] {
        let (disk, mut store) = router();
        disk.put(file, &delta);
        let edits = vec![if removal { remove(&disk, "s") } else { touch.clone() }];
        let done = commit(&disk, &mut store, &Request { edits, ..Request::default() });
        assert_eq!(matches!(done, Err(Error::Staged { .. })), refused, "{file} {delta:?}: {done:?}");
        assert_eq!(done.is_err(), refused);
    }
}

#[test]
fn while_a_rollback_may_restore_whole_files_nothing_is_committed() {
    let (disk, mut store) = router();
    let request = request(&disk, &store, false);
    disk.put("/tmp/run/rpcd/snapshot-files/network", "");
    assert!(matches!(commit(&disk, &mut store, &request), Err(Error::RollbackPending)));
    disk.drop_file("/tmp/run/rpcd/snapshot-files/network");
    commit(&disk, &mut store, &request).unwrap();
}

#[test]
fn a_disk_that_fills_up_anywhere_leaves_everything_as_it_was() {
    let (disk, mut store) = router();
    let ask = request(&disk, &store, false);
    commit(&disk, &mut store, &ask).unwrap();
    for free in (0..disk.written().bytes).step_by(17) {
        let (disk, mut store) = router();
        let ask = request(&disk, &store, true);
        disk.set_free(Some(free));
        if let Err(e) = commit(&disk, &mut store, &ask) {
            if let Error::Disk(_) = e {
                assert_eq!(values(&disk, &store), ["old"; 4], "{free} octets");
                assert!(!disk.exists(JOURNAL));
            }
            disk.set_free(None);
            let values = values(&disk, &start(&disk).0);
            assert!(values.iter().all(|value| *value == values[0]), "{free} octets: {values:?}");
        }
    }
    disk.set_read_only(true);
    let again =
        Request { edits: vec![set("uci:dhcp", "s", "o", Some("new"), Some("3"))], ..Request::default() };
    assert!(matches!(commit(&disk, &mut store, &again), Err(Error::Disk(_))));
    assert_eq!(values(&disk, &store), ["new"; 4]);
}

#[test]
fn one_package_alone_needs_no_record_and_an_unchanged_one_is_not_written() {
    let (disk, mut store) = router();
    let ask = |old: &str, new: &str| Request {
        edits: vec![set("uci:dhcp", "s", "o", Some(old), Some(new))],
        ..Request::default()
    };
    let before = disk.written().bytes;
    assert_eq!(commit(&disk, &mut store, &ask("old", "new")).unwrap().packages, ["dhcp".into()]);
    assert_eq!(disk.written().bytes - before, file("new").len() as u64);
    let before = disk.written();
    assert!(commit(&disk, &mut store, &ask("new", "new")).unwrap().packages.is_empty());
    assert_eq!(disk.written(), before);
}

#[test]
fn a_commit_waits_for_nobody_who_holds_a_lock_and_lets_its_own_go() {
    let (disk, mut store) = router();
    let request = request(&disk, &store, false);
    let held = disk.lock("/etc/config/network", LOCK_WAIT).unwrap();
    assert!(matches!(commit(&disk, &mut store, &request), Err(Error::Disk(_))));
    drop(held);
    commit(&disk, &mut store, &request).unwrap();
    disk.lock("/etc/config/network", LOCK_WAIT).unwrap();
}

#[test]
fn on_a_real_disk_a_commit_keeps_modes_and_links_and_leaves_nothing_behind() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    std::fs::create_dir_all(root.join("etc/config")).unwrap();
    std::fs::create_dir_all(root.join("overlay")).unwrap();
    for package in PACKAGES {
        std::fs::write(root.join("etc/config").join(package), file("old")).unwrap();
    }
    std::fs::rename(root.join("etc/config/dhcp"), root.join("overlay/dhcp")).unwrap();
    std::os::unix::fs::symlink("/overlay/dhcp", root.join("etc/config/dhcp")).unwrap();
    let mode = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(root.join("etc/config/network"), mode).unwrap();

    let disk = super::super::disk::RealDisk::new(root).unwrap();
    let mut store = Store::load(&disk).unwrap().0;
    let edit = |package| set(&format!("uci:{package}"), "s", "o", Some("old"), Some("new"));
    let mut next = store.state().clone();
    next.set_parameter_key("new").unwrap();
    let edits = PACKAGES.map(edit).into_iter().chain(store.state().difference(&next)).collect();
    commit(&disk, &mut store, &Request { edits, ..Request::default() }).unwrap();

    for package in PACKAGES {
        assert_eq!(disk.read_text(&path(package)).unwrap(), file("new"));
    }
    assert!(std::fs::symlink_metadata(root.join("etc/config/dhcp")).unwrap().is_symlink());
    assert_eq!(disk.stat("/etc/config/network").unwrap().mode, 0o640);
    assert_eq!(disk.list("/etc/config").unwrap(), PACKAGES);
    assert_eq!(disk.list(DIR).unwrap(), ["state.1"]);
    assert_eq!(Store::load(&disk).unwrap().0.state().parameter_key(), "new");
}

/// Adds a section to a package without a file, sets `o` of dhcp and the ParameterKey.
fn first_section(disk: &SimDisk, store: &Store) -> Request {
    let own: Box<str> = "uci:cpeagent".into();
    let add = Change::Add { kind: "acs".into() };
    let mut edits = vec![
        Edit { source: own.clone(), section: "acs".into(), change: add },
        set("uci:cpeagent", "acs", "o", None, Some("new")),
        set("uci:dhcp", "s", "o", Some("old"), Some("new")),
    ];
    let mut next = store.state().clone();
    next.set_parameter_key("new").unwrap();
    edits.extend(store.state().difference(&next));
    let sum = |package: &str| (format!("uci:{package}").into(), package_sum(disk, package).unwrap());
    Request { edits, read: ["cpeagent", "dhcp"].map(sum).into(), ..Request::default() }
}

/// Whether the section is there, `o` of dhcp is new, and the ParameterKey.
fn firsts(disk: &SimDisk, store: &Store) -> [bool; 3] {
    let has =
        |package: &str, what: &str| disk.read_text(&path(package)).is_ok_and(|text| text.contains(what));
    [has("cpeagent", "option o 'new'"), has("dhcp", "option o 'new'"), store.state().parameter_key() == "new"]
}

//= libuci: a lock is one of the file itself, which is made with mode 0600 where there is none.
#[test]
fn a_package_without_a_file_gets_one_for_root_alone_with_its_first_section() {
    let (disk, mut store) = router();
    let request = first_section(&disk, &store);
    assert_eq!(
        commit(&disk, &mut store, &request).unwrap().packages,
        ["cpeagent", "dhcp"].map(Box::<str>::from)
    );
    assert_eq!(disk.read_text("/etc/config/cpeagent").unwrap(), "\nconfig acs 'acs'\n\toption o 'new'\n\n");
    assert_eq!(disk.stat("/etc/config/cpeagent").unwrap().mode, 0o600);
    assert_eq!(firsts(&disk, &store), [true; 3]);
}

#[test]
fn after_a_power_cut_at_any_step_a_first_section_is_there_with_all_else_or_nothing_is() {
    let (disk, mut store) = router();
    let request = first_section(&disk, &store);
    let before = disk.steps();
    commit(&disk, &mut store, &request).unwrap();
    let mut seen = Set::new();
    for cut in 0..=disk.steps() - before {
        for seed in 0..24 {
            let (disk, mut store) = router();
            let request = first_section(&disk, &store);
            disk.cut_after(cut);
            let told = commit(&disk, &mut store, &request).is_ok();
            disk.reboot(seed);
            // The recovery is cut as well.
            disk.cut_after(u64::from(seed) % 8);
            let _ = Store::load(&disk).map(|(mut store, ..)| recover(&disk, &mut store).is_ok());
            disk.reboot(seed.wrapping_add(1));
            let (store, _) = start(&disk);
            let firsts = firsts(&disk, &store);
            assert!(firsts.iter().all(|done| *done == firsts[0]), "cut {cut} seed {seed}: {firsts:?}");
            assert!(!told || firsts[0], "cut {cut} seed {seed}: told and lost");
            assert!(!disk.exists(JOURNAL));
            let left = disk.read_text("/etc/config/cpeagent").unwrap_or_default();
            assert!(firsts[0] || left.is_empty(), "cut {cut} seed {seed}: {left:?}");
            seen.insert(firsts[0]);
        }
    }
    assert_eq!(seen.len(), 2, "cut on both sides of the commit point");
}

#[test]
fn a_file_that_somebody_made_after_the_plan_is_told_and_kept() {
    for edited in [true, false] {
        let (disk, mut store) = router();
        let mut request = first_section(&disk, &store);
        if !edited {
            request.edits.retain(|edit| &*edit.source != "uci:cpeagent");
        }
        disk.put("/etc/config/cpeagent", "config acs 'acs'\n");
        match commit(&disk, &mut store, &request) {
            Err(Error::Changed(sources)) => assert_eq!(sources, ["uci:cpeagent".into()]),
            other => panic!("{other:?}"),
        }
        assert_eq!(disk.read_text("/etc/config/cpeagent").unwrap(), "config acs 'acs'\n");
    }
}

#[test]
fn a_first_section_that_is_refused_or_has_no_room_leaves_no_file() {
    let (disk, mut store) = router();
    let request = first_section(&disk, &store);
    let mut wrong = request.clone();
    wrong.edits.push(set("uci:cpeagent", "acs", "o", Some("other"), None));
    assert!(matches!(commit(&disk, &mut store, &wrong), Err(Error::Refused(_))));
    assert!(!disk.exists("/etc/config/cpeagent"));
    disk.set_free(Some(0));
    assert!(matches!(commit(&disk, &mut store, &request), Err(Error::Disk(_))));
    assert!(!disk.exists("/etc/config/cpeagent"));
    disk.set_read_only(true);
    assert!(matches!(commit(&disk, &mut store, &request), Err(Error::Disk(_))));
    disk.set_read_only(false);
    disk.set_free(None);
    let mut only_read = request;
    only_read.edits.retain(|edit| &*edit.source != "uci:cpeagent");
    commit(&disk, &mut store, &only_read).unwrap();
    assert!(!disk.exists("/etc/config/cpeagent"), "what is only read is not made");
}
