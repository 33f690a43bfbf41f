//! The running agent, its loop, sockets and files, on a copy of a recorded router, against the workbench's ACS.
#![cfg(feature = "bench")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/device.rs"]
mod device;
#[path = "common/program.rs"]
mod program;

use cpeagent::bench::acs::{Acs, Settings};
use cpeagent::bench::rpc::{Rpc, Value};
use cpeagent::io::device::{Device, Exit};
use cpeagent::io::disk::{Disk, RealDisk};
use cpeagent::io::pool;
use cpeagent::{io, tr181};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, yield_now};

const DEVICE: &str = "wr4000-25.12";

/// An ACS that keeps its sessions open while a test thinks.
async fn acs() -> Acs {
    Acs::start(Settings { linger: Duration::from_secs(20), ..Settings::default() }).await.unwrap()
}

fn set_up(root: &Path, acs: &Acs) {
    let settings = format!("config acs 'acs'\n\toption url '{}'\n\toption allow_plain_http '1'\n", acs.url());
    std::fs::write(root.join("etc/config/cpeagent"), settings).unwrap();
}

/// The agent on the folder; it lives on the thread of the test, as it does on that of the program.
fn run(root: &Path) -> JoinHandle<Result<Exit, String>> {
    let device = Device::open(Some(root)).unwrap();
    let model = Box::leak(Box::new(tr181::model().unwrap()));
    tokio::task::spawn_local(io::run::run(device, model))
}

/// Runs `story` as the program runs: one loop, and the threads of the pool.
fn play(story: impl Future<Output = ()>) {
    let runtime = pool::runtime().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, story);
    runtime.shutdown_background();
}

/// What a GET without a login is answered.
async fn knock(url: &str) -> String {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[test]
fn connection_requests_are_answered_while_a_commit_waits_for_the_disk() {
    let router = device::device(DEVICE);
    play(async {
        let acs = acs().await;
        set_up(router.path(), &acs);
        let informed = acs.next_inform();
        let agent = run(router.path());
        let (device, _) = informed.await;
        let wake = device.summary().unwrap().wake_url.unwrap();
        // The packages of a commit are locked by name: dhcp is taken, and this one is waited for.
        let disk = RealDisk::new(router.path()).unwrap();
        let held = disk.lock("/etc/config/system", Duration::ZERO).unwrap();
        let values = vec![
            Value::new("Device.DHCPv4.Server.Pool.1.LeaseTime", "int", "3600"),
            Value::new("Device.DeviceInfo.HostName", "string", "gateway"),
        ];
        let asked = {
            let device = device.clone();
            tokio::spawn(
                async move { device.call(Rpc::SetParameterValues { values, key: "k".into() }).await },
            )
        };
        while disk.lock("/etc/config/dhcp", Duration::ZERO).is_ok() {
            assert!(!asked.is_finished() && !agent.is_finished());
            yield_now().await;
        }
        let answer = knock(&wake).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        assert!(!asked.is_finished(), "the answer comes behind the commit");
        drop(held);
        asked.await.unwrap().unwrap();
        let written = disk.read_text("/etc/config/system").unwrap();
        assert!(written.contains("gateway"), "{written}");
        agent.abort();
    });
}

/// The program on the folder.
fn program(root: &Path) -> tokio::process::Child {
    let mut command = tokio::process::Command::from(program::command());
    command.arg("--root").arg(root).arg("run").kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn terminate(program: &tokio::process::Child) {
    let id = rustix::process::Pid::from_raw(i32::try_from(program.id().unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
}

#[test]
fn an_agent_told_to_end_in_mid_commit_carries_it_through_and_the_next_one_tells_the_services() {
    let router = device::device(DEVICE);
    play(async {
        let acs = acs().await;
        set_up(router.path(), &acs);
        let informed = acs.next_inform();
        let mut first = program(router.path());
        let (device, _) = informed.await;
        let disk = RealDisk::new(router.path()).unwrap();
        let held = disk.lock("/etc/config/system", Duration::ZERO).unwrap();
        let values = vec![
            Value::new("Device.DHCPv4.Server.Pool.1.LeaseTime", "int", "3600"),
            Value::new("Device.DeviceInfo.HostName", "string", "gateway"),
        ];
        let asked =
            tokio::spawn(
                async move { device.call(Rpc::SetParameterValues { values, key: "k".into() }).await },
            );
        while disk.lock("/etc/config/dhcp", Duration::ZERO).is_ok() {
            assert!(!asked.is_finished());
            yield_now().await;
        }
        terminate(&first);
        drop(held);
        assert!(first.wait().await.unwrap().success());
        assert!(disk.read_text("/etc/config/system").unwrap().contains("gateway"));
        assert!(disk.read_text("/etc/config/dhcp").unwrap().contains("3600"));
        assert!(!disk.exists("/etc/cpeagent/journal"), "nothing is left to be finished");
        let audit = disk.read_text("/var/log/cpeagent.audit").unwrap();
        assert_eq!(audit.matches("\"outcome\":\"done\"").count(), 2, "{audit}");
        let told = || disk.read_text("/actions.log").unwrap_or_default();
        assert!(!told().contains("reload"), "the session had not ended");
        let second = program(router.path());
        while !(told().contains("reload dhcp") && told().contains("reload system")) {
            yield_now().await;
        }
        drop(second);
        asked.abort();
    });
}

#[test]
fn a_second_agent_on_the_same_router_is_refused_and_does_the_first_no_harm() {
    let router = device::device(DEVICE);
    play(async {
        let acs = acs().await;
        set_up(router.path(), &acs);
        let informed = acs.next_inform();
        let _first = program(router.path());
        let (device, _) = informed.await;
        let second = program(router.path()).wait_with_output().await.unwrap();
        assert!(!second.status.success());
        let why = String::from_utf8_lossy(&second.stderr).into_owned();
        assert!(why.contains("another agent"), "{why}");
        let socket = RealDisk::new(router.path()).unwrap().host_path("/var/run/cpeagent.sock").unwrap();
        assert!(socket.exists(), "the first one's socket is still there");
        device.call(Rpc::GetRpcMethods).await.unwrap();
    });
}

#[test]
fn counters_are_not_reset_where_no_agent_runs_that_could_remember() {
    let root = device::device(DEVICE);
    for (value, code) in [("true", 1), ("false", 0)] {
        let mut command = program::command();
        command.arg("--root").arg(root.path()).arg("set");
        let done = command.arg(format!("Device.IP.Interface.1.Stats.Reset={value}")).output().unwrap();
        assert_eq!(done.status.code(), Some(code), "{value}: {done:?}");
    }
}

#[test]
fn a_socket_that_a_killed_agent_left_is_replaced() {
    let router = device::device(DEVICE);
    play(async {
        let acs = acs().await;
        set_up(router.path(), &acs);
        let informed = acs.next_inform();
        let mut first = program(router.path());
        informed.await;
        first.kill().await.unwrap();
        let socket = RealDisk::new(router.path()).unwrap().host_path("/var/run/cpeagent.sock").unwrap();
        assert!(socket.exists() && tokio::net::UnixStream::connect(&socket).await.is_err());
        let informed = acs.next_inform();
        let _second = program(router.path());
        informed.await;
        let mut stream = tokio::net::UnixStream::connect(&socket).await.unwrap();
        stream.write_all(b"{\"status\": \"\"}\n").await.unwrap();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"{\"ok\"");
    });
}
