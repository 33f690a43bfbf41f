//! What crosses the socket pair, and what the root part makes of whoever asks.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::root::{fault, serve, user};
use super::*;
use crate::dm::edit::{Change, Edit};
use crate::dm::error::Refusal;
use crate::dm::record::{STATE, any};
use crate::dm::tree::Tree;
use proptest::prelude::*;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use tempfile::TempDir;

const DHCP: &str = "config dnsmasq 'main'\n\toption domain 'lan'\n";

fn router() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("etc/config/dhcp", DHCP),
        ("etc/config/dropbear", "config dropbear 'main'\n"),
        ("etc/shadow", "root:$1$secret:1:2\nftp:*:0:0\nnew::0:0\n"),
        ("etc/passwd", "root:x:0:0:root:/root:/bin/ash\ncpeagent:x:7547:7548:cpeagent:/var:/bin/false\n"),
        ("etc/secret", "secret"),
    ] {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

fn keeper(dir: &TempDir) -> Arc<Keeper> {
    Arc::new(Keeper::open(Arc::new(RealDisk::new(dir.path()).unwrap()), true).unwrap())
}

/// Asks a root part that serves `keeper` in threads of its own.
fn client(keeper: &Arc<Keeper>) -> Client {
    let lane = || {
        let (near, far) = UnixStream::pair().unwrap();
        let keeper = keeper.clone();
        std::thread::spawn(move || serve(&near, &keeper));
        far
    };
    Client::new(lane(), lane())
}

fn set(package: &str, option: &str, old: Option<&str>, new: &str) -> Edit {
    let change = Change::Set { option: option.into(), old: old.map(Tree::from), new: Some(Tree::from(new)) };
    Edit { source: format!("uci:{package}").into(), section: "main".into(), change }
}

fn commit(client: &Client, edits: Vec<Edit>) -> Result<(u64, Vec<Box<str>>), NotCommitted> {
    match client.ask(&Ask::Commit(Request { edits, ..Request::default() })) {
        Answer::Committed(done) => done,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_asked_over_the_socket_pair_is_done_to_the_files_and_kept() {
    let dir = router();
    let client = client(&keeper(&dir));
    let Answer::Opened(opened) = client.ask(&Ask::Open) else { panic!() };
    assert_eq!((&opened.state, opened.events.len()), (&State::factory(), 0));
    let mut state = opened.state.clone();
    state.set_parameter_key("k").unwrap();
    client.ask(&Ask::Save(Box::new(state))).done().unwrap();
    client.ask(&Ask::Note(vec!["a".into()], vec!["a".into()])).done().unwrap();
    let (sequence, packages) = commit(&client, vec![set("dhcp", "domain", Some("lan"), "home")]).unwrap();
    assert_eq!((sequence, packages), (1, vec!["dhcp".into()]));
    let text = std::fs::read_to_string(dir.path().join("etc/config/dhcp")).unwrap();
    assert_eq!(text, DHCP.replace("lan", "home"));
    let disk = RealDisk::new(dir.path()).unwrap();
    let (store, ..) = Store::load(&disk).unwrap();
    assert_eq!(store.state().parameter_key(), "k");
    assert_eq!(store.events().iter().map(|(_, text)| text).collect::<Vec<_>>(), ["a"]);
    assert_eq!(announce::left(&disk).0, [Box::from("dhcp")]);
    client.ask(&Ask::Announced(1, vec!["dhcp".into()])).done().unwrap();
    assert!(announce::left(&disk).0.is_empty());
    client.ask(&Ask::FactoryReset).done().unwrap();
    assert!(!dir.path().join("etc/cpeagent/state.0").exists());
}

#[test]
fn a_hostile_asker_gets_no_file_but_those_of_the_data_model() {
    let dir = router();
    std::os::unix::fs::symlink("/etc/secret", dir.path().join("etc/config/link")).unwrap();
    let client = client(&keeper(&dir));
    for path in [
        "/etc/secret",
        "/etc/config/../secret",
        "/etc/config/link",
        "/etc/passwd",
        "/proc/self/environ",
        "/proc/kcore",
        "etc/config/dhcp",
        "",
        "/etc/config/\0",
    ] {
        for ask in [Ask::Read(path.into(), u64::MAX), Ask::Stat(path.into()), Ask::List(path.into())] {
            assert!(matches!(client.ask(&ask), Answer::Failed(_)), "{ask:?}");
        }
    }
    let read = |path: &str, limit| client.ask(&Ask::Read(path.into(), limit));
    assert!(matches!(read("/etc/config/dhcp", 99), Answer::Content(text) if text == DHCP.as_bytes()));
    assert!(matches!(read("/etc/config/dhcp", 3), Answer::Failed(e) if e.kind() == ErrorKind::FileTooLarge));
    assert!(matches!(read("/etc/config/none", 3), Answer::Failed(e) if e.kind() == ErrorKind::NotFound));
    assert!(matches!(read("/etc/shadow", 99), Answer::Content(text) if text == b"root:x:\nftp:!:\nnew::\n"));
    let Answer::Stat(stat) = client.ask(&Ask::Stat("/etc/config/dhcp".into())) else { panic!() };
    assert_eq!((stat.len, stat.is_dir), (DHCP.len() as u64, false));
    let Answer::Names(names) = client.ask(&Ask::List("/etc/config".into())) else { panic!() };
    assert_eq!(names, ["dhcp", "dropbear", "link"]);
}

#[test]
fn lines_of_the_audit_go_to_its_two_places_within_their_bound_whatever_is_asked() {
    let dir = router();
    let client = client(&keeper(&dir));
    for (flash, file) in [(false, "tmp/log/cpeagent.audit"), (true, "etc/cpeagent/audit")] {
        let lines = vec!["x".repeat(99_999) + "\n", "y".repeat(1 << 20), "z\n".into()];
        for _ in 0..30 {
            client.ask(&Ask::Audit(flash, u32::MAX, lines.clone())).done().unwrap();
        }
        let text = std::fs::read_to_string(dir.path().join(file)).unwrap();
        assert!(text.ends_with("z\n") && text.contains('x') && !text.contains('y'));
        let before = std::fs::metadata(dir.path().join(format!("{file}.1"))).unwrap().len();
        assert!(text.len() as u64 <= 1 << 20 && before <= 1 << 20, "{} {before}", text.len());
    }
    client.ask(&Ask::Audit(false, 0, vec!["none\n".into()])).done().unwrap();
    assert!(!std::fs::read_to_string(dir.path().join("tmp/log/cpeagent.audit")).unwrap().contains("none"));
}

#[test]
fn a_hostile_asker_writes_no_package_but_those_of_the_data_model_and_nothing_that_runs() {
    let dir = router();
    let client = client(&keeper(&dir));
    for edit in [
        set("dropbear", "x", None, "y"),
        set("../shadow", "x", None, "y"),
        set("dhcp", "dhcpscript", None, "/tmp/x"),
    ] {
        let refused = commit(&client, vec![set("dhcp", "domain", Some("lan"), "home"), edit]);
        assert!(matches!(refused, Err(NotCommitted::Refused(_))), "{refused:?}");
    }
    assert_eq!(std::fs::read_to_string(dir.path().join("etc/config/dhcp")).unwrap(), DHCP);
    let source = |source: &str| Edit { source: source.into(), ..set("dhcp", "x", None, "y") };
    for edit in [source("file:/etc/passwd"), source("agent:pending"), source("")] {
        assert!(commit(&client, vec![edit]).is_err());
    }
}

#[test]
fn names_that_would_be_lines_or_types_are_refused() {
    let dir = router();
    let client = client(&keeper(&dir));
    let line = "x'\nconfig include 'y";
    let section = |section: &str| Edit { section: section.into(), ..set("dhcp", "x", None, "y") };
    let kind = Change::Add { kind: line.into() };
    for edit in [
        set("dhcp", ".type", None, "include"),
        set("dhcp", ".type", Some("dnsmasq"), "include"),
        set("dhcp", line, None, "y"),
        section(line),
        Edit { change: kind, ..section("new") },
        Edit { change: Change::Rename { to: line.into() }, ..section("main") },
        set("dhcp", "domain", Some("lan"), "x'\n\toption dhcpscript '/tmp/x"),
    ] {
        let refused = commit(&client, vec![edit.clone()]);
        assert!(refused.is_err(), "{edit:?}");
        assert_eq!(std::fs::read_to_string(dir.path().join("etc/config/dhcp")).unwrap(), DHCP);
    }
    let quoted = set("dhcp", "domain", Some("lan"), "it's");
    commit(&client, vec![quoted]).unwrap();
    let text = std::fs::read(dir.path().join("etc/config/dhcp")).unwrap();
    let tree = crate::openwrt::uci::parse(&text, crate::openwrt::uci::Mode::Strict).unwrap().tree();
    assert_eq!((tree.entries().len(), tree.get("main").unwrap().str("domain")), (1, Some("it's")));
}

/// What the root part makes of octets; what it answered before.
fn garbage(octets: &[u8]) -> (io::Result<()>, Vec<u8>) {
    let dir = router();
    let keeper = keeper(&dir);
    let (near, mut far) = UnixStream::pair().unwrap();
    let served = std::thread::spawn(move || serve(&near, &keeper));
    // It may have hung up before all was said.
    let _ = far.write_all(octets);
    let _ = far.shutdown(Shutdown::Write);
    let mut answers = Vec::new();
    let _ = far.read_to_end(&mut answers);
    (served.join().unwrap(), answers)
}

#[test]
fn what_is_no_question_ends_the_lane_and_is_not_answered() {
    let frame = |length: u32, octets: &[u8]| [&length.to_be_bytes(), octets].concat();
    for (what, octets) in [
        ("an unknown kind", frame(1, &[99])),
        ("nothing", frame(0, &[])),
        ("too long", frame(u32::MAX, &[0])),
        ("half a length", vec![0, 0]),
        ("cut off", frame(9, &[0])),
        ("more than there is to say", frame(2, &[0, 0])),
        ("a length beyond the frame", frame(9, &[&[6], &u64::MAX.to_be_bytes()[..]].concat())),
        ("a list without end", frame(17, &[&[4], &[0; 8][..], &u64::MAX.to_be_bytes()].concat())),
        ("a mark without a socket", frame(9, &[&[10], &[0; 8][..]].concat())),
        ("a priority beyond an octet", frame(9, &[&[17], &256u64.to_be_bytes()[..]].concat())),
        ("no text", frame(18, &[&[5, 0, 0, 0, 0, 0, 0, 0, 1, 0xff][..], &[0; 8]].concat())),
        ("a state that is none", frame(10, &[2, 0, 0, 0, 0, 0, 0, 0, 1, b'x'])),
    ] {
        let (served, answers) = garbage(&octets);
        assert!(served.is_err() && answers.is_empty(), "{what}: {served:?} {answers:?}");
    }
    assert!(garbage(&[]).0.is_ok(), "whoever says nothing more has ended");
}

#[test]
fn sockets_cross_the_socket_pair_and_a_mark_and_a_priority_want_one() {
    let dir = router();
    let client = client(&keeper(&dir));
    let Answer::Socket(socket) = client.ask(&Ask::Local) else { panic!() };
    let listener = std::os::unix::net::UnixListener::from(socket);
    let path = dir.path().join("tmp/run/cpeagent.sock");
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions()) & 0o777,
        0o600
    );
    let mut near = UnixStream::connect(path).unwrap();
    near.write_all(b"x").unwrap();
    let mut octet = [0];
    listener.accept().unwrap().0.read_exact(&mut octet).unwrap();
    assert_eq!(&octet, b"x");
    // No socket of the network, which has no mark: whatever comes, it is an answer, and the lane goes on.
    let beside = OwnedFd::from(std::fs::File::open(dir.path().join("etc/passwd")).unwrap());
    assert!(matches!(client.ask(&Ask::Mark(1, beside)), Answer::Failed(_)));
    // What this process may do: a user may not, nor root of a name space, and an emulator may not know how.
    let socket = || socket2::Socket::from(std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
    let own = socket().set_mark(7).map_err(|error| error.kind());
    assert_eq!(client.ask(&Ask::Mark(7, socket().into())).done().map_err(|error| error.kind()), own);
    let socket = socket();
    client.ask(&Ask::Priority(6, socket.try_clone().unwrap().into())).done().unwrap();
    assert_eq!(socket.priority().unwrap(), 6);
    assert!(matches!(client.ask(&Ask::Open), Answer::Opened(_)));
}

#[test]
fn a_root_part_that_is_gone_is_a_failure_and_no_wait() {
    let (near, far) = UnixStream::pair().unwrap();
    let (also_near, also_far) = UnixStream::pair().unwrap();
    drop((near, also_near));
    let client = Client::new(far, also_far);
    assert!(matches!(client.ask(&Ask::Open), Answer::Failed(_)));
    assert!(matches!(client.ask(&Ask::Stat("/etc/config/dhcp".into())), Answer::Failed(_)));
}

#[test]
fn a_fault_of_the_part_on_the_network_is_told_from_its_being_killed() {
    for (raw, said) in [
        (0, None),
        (3 << 8, None),
        (9, Some("was ended by signal 9")),
        (15, Some("was ended by signal 15")),
        (4, Some("was ended by signal 4: a fault of the program; please report it")),
        (5, Some("was ended by signal 5: a fault of the program; please report it")),
        (11, Some("was ended by signal 11: a fault of the program; please report it")),
        // With a core beside it.
        (0x80 | 6, Some("was ended by signal 6: a fault of the program; please report it")),
    ] {
        assert_eq!(fault(ExitStatus::from_raw(raw)).as_deref(), said, "{raw:#x}");
    }
}

#[test]
fn the_user_is_that_of_the_account_and_never_root() {
    let dir = router();
    let disk = RealDisk::new(dir.path()).unwrap();
    assert_eq!(user(&disk), Some(root::User { id: 7547, group: 7548 }));
    for passwd in ["cpeagent:x:0:0::/:/bin/false\n", "cpeagentx:x:5:5::/:/\n", "cpeagent:x:y:5\n", ""] {
        std::fs::write(dir.path().join("etc/passwd"), passwd).unwrap();
        assert_eq!(user(&disk), None, "{passwd:?}");
    }
}

#[test]
fn what_takes_root_is_done_here_where_nobody_else_does_it() {
    let dir = router();
    let privileged = Privileged::open(Arc::new(RealDisk::new(dir.path()).unwrap()), true).unwrap();
    assert_eq!(privileged.words(), None, "a device in a folder");
    let edit = Edit { source: STATE.into(), ..set("x", "parameter_key", None, "k") };
    let edits = vec![Edit { change: Change::Add { kind: "agent".into() }, ..edit.clone() }, edit];
    let done = privileged.ask(Ask::Commit(Request { edits, ..Request::default() }));
    assert!(matches!(done, Answer::Committed(Ok((1, packages))) if packages.is_empty()));
    let second = Keeper::open(Arc::new(RealDisk::new(dir.path()).unwrap()), true);
    assert!(second.is_err_and(|why| why.contains("another agent")));
}

fn any_ask() -> impl Strategy<Value = Ask> {
    let texts = || prop::collection::vec(any::<String>(), 0..4);
    let names = prop::collection::vec("[a-z]{0,5}".prop_map(Box::from), 0..4);
    let sums = prop::collection::btree_map(
        "[a-z:]{1,9}".prop_map(Box::from),
        "[0-9a-f]{4}".prop_map(Box::from),
        0..3,
    );
    prop_oneof![
        (
            prop::collection::vec(any::edit(), 0..5),
            sums,
            names.clone(),
            prop::option::of("[a-z ]{0,9}".prop_map(Box::from))
        )
            .prop_map(|(edits, read, calls, keep)| {
                Ask::Commit(Request { edits, read: read.into_iter().collect(), calls, keep })
            }),
        "[a-z]{0,9}".prop_map(|key| {
            let mut state = State::factory();
            state.set_parameter_key(&key).unwrap();
            Ask::Save(Box::new(state))
        }),
        (texts(), texts()).prop_map(|(texts, whole)| Ask::Note(texts, whole)),
        (any::<u64>(), names).prop_map(|(upto, packages)| Ask::Announced(upto, packages)),
        (any::<String>(), any::<u64>()).prop_map(|(path, limit)| Ask::Read(path, limit)),
        any::<String>().prop_map(Ask::Stat),
        any::<String>().prop_map(Ask::List),
        any::<bool>().prop_map(Ask::Echo),
        ("[a-z ]{0,9}", any::<String>()).prop_map(|(manager, note)| Ask::TakeBack(manager.into(), note)),
        "[a-z ]{0,9}".prop_map(|manager| Ask::Release(manager.into())),
        (any::<u16>(), any::<bool>(), any::<std::net::IpAddr>()).prop_map(|(port, udp, from)| {
            Ask::Openings(vec![Opening { port, udp, sources: vec![from.into()] }])
        }),
        (0..5).prop_map(|kind| match kind {
            0 => Ask::Open,
            1 => Ask::Local,
            2 => Ask::Reboot,
            3 => Ask::Hostapd,
            _ => Ask::FactoryReset,
        }),
    ]
}

proptest! {
    #[test]
    fn every_question_is_read_as_it_was_asked(asks in prop::collection::vec(any_ask(), 1..4)) {
        let (near, far) = UnixStream::pair().unwrap();
        let asked: Vec<String> = asks.iter().map(|ask| format!("{ask:?}")).collect();
        let asker = std::thread::spawn(move || {
            asks.iter().map(|ask| matches!(wire::call(&far, ask), Ok(Answer::Done))).collect::<Vec<_>>()
        });
        let mut heard = Vec::new();
        while let Some(ask) = wire::next(&near).unwrap() {
            heard.push(format!("{ask:?}"));
            wire::answer(&near, &Answer::Done).unwrap();
        }
        prop_assert!(asker.join().unwrap().into_iter().all(|done| done));
        prop_assert_eq!(heard, asked);
    }

    #[test]
    fn no_octets_make_the_root_part_panic_or_write(octets in prop::collection::vec(any::<u8>(), 0..64), kind in 0u8..20) {
        let frame = [&[kind][..], &octets].concat();
        let all = [&(frame.len() as u32).to_be_bytes()[..], &frame].concat();
        let dir = router();
        let keeper = keeper(&dir);
        let (near, mut far) = UnixStream::pair().unwrap();
        let served = std::thread::spawn(move || serve(&near, &keeper));
        far.write_all(&all).unwrap();
        far.shutdown(Shutdown::Write).unwrap();
        let mut answers = Vec::new();
        let _ = far.read_to_end(&mut answers);
        let _ = served.join().unwrap();
        prop_assert_eq!(std::fs::read_to_string(dir.path().join("etc/config/dhcp")).unwrap(), DHCP);
    }

    #[test]
    fn an_answer_arrives_as_it_was_given(texts in prop::collection::vec(any::<String>(), 0..4), number: u64, octets: Vec<u8>, error in 1i32..130) {
        let boxed = || texts.iter().map(|text| Box::from(text.as_str())).collect::<Vec<Box<str>>>();
        let why = texts.concat();
        let stat = Stat { len: number, mode: 0o600, modified: crate::time::Wall { seconds: -5, micros: 7 }, inode: !number, is_dir: true };
        for answer in [
            Answer::Done,
            Answer::Failed(io::Error::from_raw_os_error(error)),
            Answer::Opened(Box::new(Opened { state: State::factory(), events: texts.clone(), unannounced: boxed(), calls: vec!["c".into()] })),
            Answer::Committed(Ok((number, boxed()))),
            Answer::Undone(Box::new(Undone { sequence: number, packages: boxed(), state: State::factory(), stayed: texts.clone() })),
            Answer::Committed(Err(NotCommitted::Changed)),
            Answer::Committed(Err(NotCommitted::Refused(Refusal::Busy(why.clone())))),
            Answer::Committed(Err(NotCommitted::Refused(Refusal::Backend(why)))),
            Answer::Content(octets),
            Answer::Stat(stat),
            Answer::Names(texts),
        ] {
            let (near, far) = UnixStream::pair().unwrap();
            let given = format!("{answer:?}");
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    wire::next(&near).unwrap();
                    wire::answer(&near, &answer).unwrap();
                });
                let got = wire::call(&far, &Ask::Open).unwrap();
                assert_eq!(format!("{got:?}"), given);
            });
        }
    }
}
