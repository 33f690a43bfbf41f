//! The program as a router runs it, in a mount name space with an `/etc` of its own: a root part, and a part that talks to the
//! network and is nobody.
#![cfg(feature = "bench")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/netifd.rs"]
mod netifd;

use cpeagent::bench::acs::{Acs, Settings};
use cpeagent::bench::rpc::{Rpc, Value};
use cpeagent::io::pool;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::task::yield_now;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/ash\ncpeagent:x:7547:7547:cpeagent:/var:/bin/false\n";
/// `etc` and `run` of a folder take the place of the machine's, for the program alone.
const WITHIN: &str = "mount --bind \"$1/etc\" /etc && mount --bind \"$1/run\" /run && \
    cat /proc/self/mountinfo >/run/mounts && shift && exec \"$@\" /run/program run";

/// How root with a mount name space is had here; none where it is not.
fn unshare() -> Option<&'static [&'static str]> {
    let works = |options: &&&[&str]| {
        let done =
            std::process::Command::new("unshare").args(**options).arg("true").stderr(Stdio::null()).status();
        done.is_ok_and(|status| status.success())
    };
    let ways: [&'static [&'static str]; 2] = [&["-m"], &["-Urm", "--map-auto"]];
    let found = ways.iter().find(works).copied();
    if found.is_none() {
        eprintln!("left out: needs root with mount name spaces, or newuidmap");
    }
    found
}

/// A router's `/etc` and `/run`.
fn router(acs: &str, passwd: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "config identity 'identity'\n\toption manufacturer 'ACME'\n\toption oui '001122'\n\toption serial '1'\n\n\
         config acs 'acs'\n\toption url '{acs}'\n\toption allow_plain_http '1'\n\
         \toption connection_request_enable '0'\n"
    );
    for (path, mode, text) in [
        ("etc/config/cpeagent", 0o600, settings.as_str()),
        ("etc/config/system", 0o600, "config system\n\toption hostname 'before'\n"),
        ("etc/passwd", 0o644, passwd),
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }
    fs::create_dir_all(folder.path().join("run/ubus")).unwrap();
    // Whoever is nobody may not reach the one that was built.
    fs::copy(env!("CARGO_BIN_EXE_cpeagent"), folder.path().join("run/program")).unwrap();
    for dir in ["etc", "etc/config", "run", "run/ubus"] {
        fs::set_permissions(folder.path().join(dir), PermissionsExt::from_mode(0o755)).unwrap();
    }
    let ubus = folder.path().join("run/ubus/ubus.sock");
    netifd::listen(&ubus, &[("interface", "wan"), ("l3_device", "lo")]);
    fs::set_permissions(ubus, PermissionsExt::from_mode(0o666)).unwrap();
    folder
}

fn start(way: &[&str], router: &TempDir) -> Child {
    start_by(way, router, &[])
}

/// Starts the program by another one, whose command line comes first.
fn start_by(way: &[&str], router: &TempDir, by: &[&str]) -> Child {
    let mut command = Command::new("unshare");
    command.args(way).args(["sh", "-c", WITHIN, "sh"]).arg(router.path()).args(by);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// What `/proc` says of a process.
fn facts(pid: u32) -> Option<BTreeMap<String, String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    Some(lines.map(|(name, value)| (name.to_string(), value.trim().to_string())).collect())
}

/// The processes that this one has started and that are not root, as what it runs for a moment is.
fn children(pid: u32) -> Vec<(u32, BTreeMap<String, String>)> {
    let pids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(|child| Some((child, facts(child)?)))
        .filter(|(_, facts)| facts.get("PPid").is_some_and(|parent| *parent == pid.to_string()))
        .filter(|(_, facts)| facts.get("Uid").is_some_and(|user| !user.starts_with("0\t")))
        .collect()
}

fn signal(pid: u32, name: &str) {
    assert!(std::process::Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

/// What a shell says that has the mounts of a process.
fn within(way: &[&str], pid: u32, script: &str) -> String {
    let mut command = std::process::Command::new("nsenter");
    command.args(["-t", &pid.to_string(), "-m"]);
    if way.len() > 1 {
        command.args(["-U", "--preserve-credentials"]);
    }
    let output = command.args(["sh", "-c", script]).output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

/// The mounts of a process: where, and with what flags.
fn mounts(pid: u32) -> Vec<(String, BTreeSet<String>)> {
    let text = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let mount = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        (words[4].to_string(), words[5].split(',').map(str::to_string).collect())
    };
    text.lines().map(mount).collect()
}

async fn ask(router: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(router.join("run/cpeagent.sock")).await.unwrap();
    stream.write_all(format!("{request}\n").as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn acs() -> Acs {
    Acs::start(Settings { linger: Duration::from_secs(20), ..Settings::default() }).await.unwrap()
}

#[test]
fn what_talks_to_the_network_is_nobody_and_what_the_acs_sets_lands_on_disk() {
    let Some(way) = unshare() else { return };
    pool::runtime().unwrap().block_on(async {
        let acs = acs().await;
        let router = router(&acs.url(), PASSWD);
        let informed = acs.next_inform();
        let mut program = start(way, &router);
        let (device, _) = informed.await;
        let pid = program.id().unwrap();
        let [(part, facts)] = children(pid).try_into().unwrap();
        let nothing = "0000000000000000";
        for (name, want) in [
            ("Groups", ""),
            ("CapInh", nothing),
            ("CapPrm", nothing),
            ("CapEff", nothing),
            ("CapBnd", nothing),
            ("CapAmb", nothing),
            ("NoNewPrivs", "1"),
        ] {
            assert_eq!(facts[name], want, "{name}");
        }
        for name in ["Uid", "Gid"] {
            let numbers: Vec<u32> =
                facts[name].split_whitespace().map(|number| number.parse().unwrap()).collect();
            assert!(numbers.len() == 4 && numbers.iter().all(|number| *number != 0), "{name}: {numbers:?}");
        }
        // The kernel gives root what a process has in memory where no core dump may be made of it.
        let owner = |what: &str| fs::metadata(format!("/proc/{part}/{what}")).unwrap().uid();
        assert_eq!(owner("mem"), fs::metadata(format!("/proc/{pid}")).unwrap().uid());
        assert_ne!(owner("mem"), owner(""), "its own user's otherwise");
        let name = Value::new("Device.DeviceInfo.HostName", "string", "after");
        device.call(Rpc::SetParameterValues { values: vec![name], key: "k".into() }).await.unwrap();
        let file = router.path().join("etc/config/system");
        assert_eq!(fs::read_to_string(&file).unwrap(), "config system\n\toption hostname 'after'\n");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read_dir(router.path().join("etc/cpeagent")).unwrap().next().is_some(), "and the state");
        device.close();
        assert!(ask(router.path(), "{\"status\": \"\"}").await.contains("without root, in a jail"));
        signal(pid, "-TERM");
        assert_eq!(program.wait().await.unwrap().code(), Some(0));
        assert!(!Path::new(&format!("/proc/{part}/exe")).exists(), "both have ended");
        assert!(!router.path().join("run/cpeagent.sock").exists());
    });
}

#[test]
fn a_ping_goes_out_by_a_socket_of_the_root_part() {
    let Some(way) = unshare() else { return };
    if socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::RAW, Some(socket2::Protocol::ICMPV4))
        .is_err()
    {
        return eprintln!("left out: needs raw sockets");
    }
    pool::runtime().unwrap().block_on(async {
        let acs = acs().await;
        let router = router(&acs.url(), PASSWD);
        let informed = acs.next_inform();
        let _program = start(way, &router);
        let (device, _) = informed.await;
        device.close();
        let values = [("Host", "127.0.0.1"), ("NumberOfRepetitions", "1"), ("DiagnosticsState", "Requested")];
        let ping = "Device.IP.Diagnostics.IPPing.";
        let values = values.map(|(name, value)| format!("\"{ping}{name}\": \"{value}\"")).join(", ");
        let set = ask(router.path(), &format!("{{\"set\": {{{values}}}}}")).await;
        assert!(set.contains("ok"), "{set}");
        let get = format!("{{\"get\": [\"{ping}DiagnosticsState\", \"{ping}SuccessCount\"]}}");
        let mut said = ask(router.path(), &get).await;
        while said.contains("Requested") {
            said = ask(router.path(), &get).await;
        }
        assert!(said.contains("\"Complete\"") && said.contains("\"1\""), "{said}");
    });
}

#[test]
fn what_talks_to_the_network_can_write_and_run_nothing_and_sees_what_the_system_mounts() {
    let Some(way) = unshare() else { return };
    pool::runtime().unwrap().block_on(async {
        let acs = acs().await;
        let router = router(&acs.url(), PASSWD);
        let informed = acs.next_inform();
        let program = start(way, &router);
        informed.await;
        let root = program.id().unwrap();
        let part = children(root)[0].0;
        // The last mount of each place is the one that is reached.
        let closed = || {
            let mounts: BTreeMap<String, BTreeSet<String>> = mounts(part).into_iter().collect();
            let has = |flags: &BTreeSet<String>, name: &str| flags.contains(name);
            mounts.into_iter().find(|(at, flags)| {
                let devices = !at.starts_with("/dev") && !has(flags, "nodev");
                !["ro", "nosuid", "noexec"].iter().all(|name| has(flags, name)) || devices
            })
        };
        while closed().is_some_and(|(_, flags)| !flags.contains("noexec") && flags.contains("ro")) {
            yield_now().await;
        }
        assert_eq!(closed(), None);
        let said = within(
            way,
            root,
            &format!(
                "readlink /proc/{root}/ns/ipc /proc/{root}/ns/mnt /proc/{part}/ns/ipc /proc/{part}/ns/mnt"
            ),
        );
        assert_eq!(said.lines().collect::<BTreeSet<_>>().len(), 4, "{said}");
        let try_out = format!(
            "cd /proc/{part}/root; for at in tmp run dev dev/shm etc; do touch $at/x; done; bin/true"
        );
        let said = within(way, root, &try_out);
        assert_eq!(
            (said.matches("Read-only").count(), said.matches("ermission denied").count()),
            (5, 1),
            "{said}"
        );
        // The system's are what they were, and what it does to them is done inside.
        let before = fs::read_to_string(router.path().join("run/mounts")).unwrap();
        assert_eq!(fs::read_to_string(format!("/proc/{root}/mountinfo")).unwrap(), before);
        let later = "/run/later on";
        let inside = |there: bool| {
            let mounts = mounts(part);
            let found = mounts.iter().find(|(at, _)| at == "/run/later\\040on");
            found.is_some_and(|(_, flags)| flags.contains("ro") && flags.contains("noexec")) == there
        };
        let said = within(
            way,
            root,
            &format!("cd /run; mkdir '{later}' && mount -t tmpfs none '{later}' && touch '{later}/x'"),
        );
        assert_eq!(said, "");
        while !inside(true) {
            yield_now().await;
        }
        assert_eq!(within(way, root, &format!("ls '/proc/{part}/root{later}'; umount '{later}'")), "x\n");
        while !inside(false) {
            yield_now().await;
        }
        let limits = fs::read_to_string(format!("/proc/{part}/limits")).unwrap();
        let limit = |name: &str| {
            let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().take(2).map(str::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            (limit("Max file size"), limit("Max processes")),
            (vec!["0".into(); 2], vec!["128".into(); 2])
        );
    });
}

#[test]
fn what_hostapd_can_is_asked_by_the_root_part_as_the_other_starts_no_program() {
    let Some(way) = unshare() else { return };
    if Path::new("/usr/sbin").is_symlink() {
        return eprintln!("left out: /usr/sbin is where the shell is, too");
    }
    pool::runtime().unwrap().block_on(async {
        let acs = acs().await;
        let router = router(&acs.url(), PASSWD);
        let hostapd = router.path().join("run/sbin/hostapd");
        fs::create_dir(hostapd.parent().unwrap()).unwrap();
        fs::write(&hostapd, "#!/bin/sh\necho \"$1\" >>/run/asked\n").unwrap();
        fs::set_permissions(&hostapd, PermissionsExt::from_mode(0o755)).unwrap();
        let by = ["sh", "-c", "mount --bind /run/sbin /usr/sbin && exec \"$@\"", "sh"];
        let informed = acs.next_inform();
        let _program = start_by(way, &router, &by);
        let (device, _) = informed.await;
        device.close();
        ask(router.path(), "{\"get\": [\"Device.Time.Status\"]}").await;
        let asked = fs::read_to_string(router.path().join("run/asked")).unwrap();
        assert!(asked.lines().any(|word| word == "-vsae"), "{asked}");
    });
}

#[test]
fn where_no_jail_can_be_made_it_runs_all_the_same_and_says_so() {
    let Some(way) = unshare() else { return };
    pool::runtime().unwrap().block_on(async {
        let acs = acs().await;
        let router = router(&acs.url(), PASSWD);
        let informed = acs.next_inform();
        let program = start_by(way, &router, &["setpriv", "--bounding-set=-sys_admin"]);
        informed.await;
        let root = program.id().unwrap();
        let part = children(root)[0].0;
        assert_eq!(mounts(part), mounts(root));
        assert!(ask(router.path(), "{\"status\": \"\"}").await.contains("it has no jail"));
    });
}

#[test]
fn either_part_takes_the_other_with_it() {
    let Some(way) = unshare() else { return };
    pool::runtime().unwrap().block_on(async {
        let acs = acs().await;
        let router = router(&acs.url(), PASSWD);
        for root_first in [false, true] {
            let informed = acs.next_inform();
            let mut program = start(way, &router);
            informed.await;
            let (root, part) = (program.id().unwrap(), children(program.id().unwrap())[0].0);
            signal(if root_first { root } else { part }, "-KILL");
            let status = program.wait().await.unwrap();
            assert_eq!(status.code(), if root_first { None } else { Some(1) });
            while facts(part).is_some_and(|facts| !facts["State"].starts_with('Z')) {
                yield_now().await;
            }
        }
    });
}

#[test]
fn without_the_user_all_runs_as_root_and_says_so() {
    let Some(way) = unshare() else { return };
    pool::runtime().unwrap().block_on(async {
        let acs = acs().await;
        let router = router(&acs.url(), "root:x:0:0:root:/root:/bin/ash\n");
        let informed = acs.next_inform();
        let program = start(way, &router);
        informed.await;
        assert!(children(program.id().unwrap()).is_empty());
        assert!(ask(router.path(), "{\"status\": \"\"}").await.contains("no user cpeagent"));
    });
}
