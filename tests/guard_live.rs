//! A wrong address, written by an ACS, really cuts the way to it, and comes back by itself: the program in a network name space
//! of its own, with netifd played by the test. Ignored by default: it needs iproute2, util-linux and name spaces that an
//! ordinary user may make, and some minutes of real time. `cargo test --test guard_live -- --ignored`.
#![cfg(feature = "bench")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/netifd.rs"]
mod netifd;
#[path = "common/program.rs"]
mod program;

use cpeagent::bench::acs::{Acs, Settings};
use cpeagent::bench::rpc::{Rpc, Value};
use cpeagent::io::pool;
use cpeagent::openwrt::uci;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

const ADDRESS: &str = "Device.IP.Interface.1.IPv4Address.1.IPAddress";
const RIGHT: &str = "10.99.0.2";
const WRONG: &str = "10.77.0.2";
/// The next router, on which the ACS runs.
const GATEWAY: &str = "10.99.0.1";
/// The agent's end of the wire.
const WIRE: &str = "guard1";
/// Everything is over long before.
const PATIENCE: Duration = Duration::from_secs(600);

/// Has `ip` and the like do something; what they print.
fn run(command: &str) -> String {
    let mut words = command.split(' ');
    let output = std::process::Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A router of one network.
fn router(acs: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "config agent 'agent'\n\toption guard_timeout '60'\n\n\
         config identity 'identity'\n\toption manufacturer 'ACME'\n\toption oui '001122'\n\toption serial '1'\n\n\
         config acs 'acs'\n\toption url '{acs}'\n\toption allow_plain_http '1'\n"
    );
    let network = format!(
        "config interface 'wan'\n\toption device '{WIRE}'\n\toption proto 'static'\n\tlist ipaddr '{RIGHT}/24'\n\
         \toption gateway '{GATEWAY}'\n"
    );
    for (path, text) in [("etc/config/cpeagent", settings), ("etc/config/network", network)] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    // A folder with a ubus is asked as a router is, and what the kernel shows is that of the name space.
    fs::create_dir_all(folder.path().join("var/run/ubus")).unwrap();
    let wan = [("interface", "wan"), ("up", "1"), ("l3_device", WIRE), ("proto", "static")];
    netifd::listen(&folder.path().join("var/run/ubus/ubus.sock"), &wan);
    folder
}

/// The address that the router's settings say.
fn address(router: &Path) -> String {
    let text = fs::read(router.join("etc/config/network")).unwrap();
    let tree = uci::parse(&text, uci::Mode::Strict).unwrap().tree();
    tree.get("wan").unwrap().get("ipaddr").unwrap().items()[0].as_str().unwrap().to_string()
}

/// Gives the agent's end of the wire what the settings say, as netifd does.
fn apply(router: &Path, pid: u32) {
    let address = address(router);
    let within = format!("nsenter --net=/proc/{pid}/ns/net");
    run(&format!("{within} ip addr flush dev {WIRE}"));
    run(&format!("{within} ip addr add {address} dev {WIRE}"));
    // It does not fit where the address is wrong.
    let route = format!("{within} ip route replace default via {GATEWAY} dev {WIRE}");
    let mut words = route.split(' ');
    let _ = std::process::Command::new(words.next().unwrap()).args(words).stderr(Stdio::null()).status();
}

/// The program in a name space of its own, at the other end of a wire; it begins once both ends are there.
async fn start(router: &Path) -> Child {
    let mut command = Command::new("unshare");
    command.args(["-n", "sh", "-c", "read -r _; exec \"$@\"", "sh"]).args(program::words());
    command.arg("--root").arg(router).arg("run").kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::inherit());
    let mut child = command.spawn().unwrap();
    let pid = child.id().unwrap();
    let ours = fs::read_link("/proc/self/ns/net").unwrap();
    while fs::read_link(format!("/proc/{pid}/ns/net")).unwrap() == ours {
        tokio::task::yield_now().await;
    }
    run(&format!("ip link set {WIRE} netns {pid}"));
    let within = format!("nsenter --net=/proc/{pid}/ns/net");
    run(&format!("{within} ip link set lo up"));
    run(&format!("{within} ip link set {WIRE} up"));
    apply(router, pid);
    child.stdin.take().unwrap().write_all(b"\n").await.unwrap();
    child
}

/// Plays netifd until the program ends: applies the settings whenever it is told of them.
async fn netifd(router: &Path, pid: u32) {
    let mut told = 0;
    loop {
        let log = fs::read_to_string(router.join("actions.log")).unwrap_or_default();
        let now = log.lines().filter(|line| *line == "reload network").count();
        if now > told {
            told = now;
            apply(router, pid);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn story() {
    run("ip link set lo up");
    run(&format!("ip link add guard0 type veth peer name {WIRE}"));
    run(&format!("ip addr add {GATEWAY}/24 dev guard0"));
    run("ip link set guard0 up");
    let listen = format!("{GATEWAY}:0").parse().unwrap();
    let linger = Duration::from_secs(5);
    let acs = Acs::start(Settings { listen, linger, ..Settings::default() }).await.unwrap();
    let router = router(&acs.url());
    let informed = acs.next_inform();
    let agent = start(router.path()).await;
    let (device, _) = informed.await;
    let pid = agent.id().unwrap();
    let cut = async {
        let values = vec![Value::new(ADDRESS, "string", WRONG)];
        device.call(Rpc::SetParameterValues { values, key: "wrong".into() }).await.unwrap();
        assert!(address(router.path()).starts_with(WRONG));
        // The wire has the wrong address once netifd was told.
        let shown = || run(&format!("nsenter --net=/proc/{pid}/ns/net ip -o addr show dev {WIRE}"));
        while !shown().contains(WRONG) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let back = acs.next_inform();
        let (_, inform) = back.await;
        assert!(address(router.path()).starts_with(RIGHT), "no way led here with the wrong one");
        inform
    };
    let inform = tokio::select! {
        inform = cut => inform,
        () = netifd(router.path(), pid) => unreachable!(),
    };
    let key = inform.parameters.iter().find(|one| one.name == "Device.ManagementServer.ParameterKey");
    assert_eq!(key.map(|key| key.value.as_str()), Some(""), "as it was before");
}

#[test]
#[ignore = "needs iproute2, name spaces, and some minutes"]
fn a_wrong_address_cuts_the_way_and_comes_back() {
    if std::env::var_os("IN_NAMESPACE").is_none() {
        let program = std::env::current_exe().unwrap();
        let mut unshare = std::process::Command::new("unshare");
        unshare.args(["-Urn"]).arg(program).args(["--ignored", "--test-threads=1", "--nocapture"]);
        return assert!(unshare.env("IN_NAMESPACE", "1").status().unwrap().success());
    }
    let runtime = pool::runtime().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async { tokio::time::timeout(PATIENCE, story()).await.expect("in time") });
    runtime.shutdown_background();
}
