//! A router of the real ubusd and netifd in a network namespace, read live, captured and changed. Ignored by default: it needs
//! the two programs, iproute2, and namespaces that an ordinary user may make.
//! `UBUSD=/sbin/ubusd NETIFD=/sbin/netifd cargo test --test daemons_live -- --ignored`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use cpeagent::dm::tree::Tree;
use cpeagent::io::ubus::Ubus;
use cpeagent::openwrt::ubus::client::Event;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

const WAIT: Duration = Duration::from_secs(20);
const SETUP: &str = "
ip link add lan1 type veth peer name client
ip link add wan type veth peer name isp
ip link set client up
ip link set isp up
";
const NETWORK: &str = "
config interface 'loopback'
\toption device 'lo'
\toption proto 'static'
\tlist ipaddr '127.0.0.1/8'

config interface 'lan'
\toption device 'lan1'
\toption proto 'static'
\tlist ipaddr '192.168.1.1/24'

config interface 'wan'
\toption device 'wan'
\toption proto 'static'
\tlist ipaddr '192.0.2.2/24'
\toption gateway '192.0.2.1'
\tlist dns '192.0.2.53'

config route 'office'
\toption interface 'lan'
\toption target '10.20.0.0/16'
\toption gateway '192.168.1.254'
";
const BOARD: &str = r#"{"network": {"lan": {"ports": ["lan1"]}, "wan": {"device": "wan"}}}"#;

/// A daemon that ends with the test.
struct Daemon(Child);

impl Daemon {
    fn start(variable: &str, args: &[&str], folder: &Path) -> Daemon {
        let program = std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} names the program"));
        Daemon(Command::new(program).args(args).current_dir(folder).spawn().unwrap())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the program prints.
fn cpeagent(root: &Path, args: &[&str]) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_cpeagent"));
    let output = program.arg("--root").arg(root).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn values(root: &Path) -> BTreeMap<String, String> {
    let lines = cpeagent(root, &["get", "Device."]);
    let pairs = lines.lines().filter_map(|line| line.split_once(" = "));
    pairs.map(|(path, value)| (path.to_string(), value.to_string())).collect()
}

/// Waits until netifd shows an address on a network.
async fn until(ubus: &Ubus, events: &mut Receiver<Event>, network: &str, address: &str) {
    let shown = async {
        loop {
            let none = Tree::Map(Vec::new());
            let status = ubus.call(&format!("network.interface.{network}"), "status", &none, WAIT).await;
            let up = status.as_ref().is_ok_and(|status| status.str("up") == Some("true"));
            let addresses = status.as_ref().ok().and_then(|status| status.get("ipv4-address"));
            let mut addresses = addresses.map(Tree::items).unwrap_or_default().iter();
            if up && addresses.any(|one| one.str("address") == Some(address)) {
                return;
            }
            events.recv().await.unwrap();
        }
    };
    tokio::time::timeout(WAIT, shown).await.expect("netifd follows");
}

/// Runs this test again in a namespace with two wires.
fn in_a_namespace() {
    let setup = format!("set -e\n{SETUP}\nexec \"$0\" --ignored");
    let program = std::env::current_exe().unwrap();
    let mut unshare = Command::new("unshare");
    unshare.args(["-Urn", "sh", "-c", &setup]).arg(program).env("IN_NAMESPACE", "1");
    assert!(unshare.status().unwrap().success());
}

#[test]
#[ignore = "needs ubusd and netifd, named by UBUSD and NETIFD"]
fn a_router_reads_the_same_live_and_captured_and_follows_what_is_set() {
    if std::env::var_os("IN_NAMESPACE").is_none() {
        return in_a_namespace();
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for dir in ["etc/config", "tmp/run/ubus", "lib"] {
        std::fs::create_dir_all(root.join(dir)).unwrap();
    }
    std::fs::write(root.join("etc/config/network"), NETWORK).unwrap();
    std::fs::write(root.join("etc/board.json"), BOARD).unwrap();
    let socket = root.join("tmp/run/ubus/ubus.sock");
    let _ubusd = Daemon::start("UBUSD", &["-s", "tmp/run/ubus/ubus.sock", "-A", "acl.d"], root);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (ubus, mut events) = Ubus::connect(vec![socket]);
        ubus.subscribe("network.interface").await;
        // netifd asks once for ubusd before it waits a second for it.
        assert_eq!(events.recv().await, Some(Event::Connected));
        let places =
            ["-s", "tmp/run/ubus/ubus.sock", "-c", "etc/config", "-p", "lib", "-r", "tmp/resolv.conf"];
        let _netifd = Daemon::start("NETIFD", &[&places[..], &["-h", "/bin/true", "-S"]].concat(), root);
        until(&ubus, &mut events, "wan", "192.0.2.2").await;
        until(&ubus, &mut events, "lan", "192.168.1.1").await;

        let live = values(root);
        let of = |name: &str| live.get(name).map(String::as_str);
        for (path, want) in [
            ("Device.IP.Interface.2.Name", "lan"),
            ("Device.IP.Interface.2.Status", "Up"),
            ("Device.IP.Interface.2.IPv4Address.1.IPAddress", "192.168.1.1"),
            ("Device.IP.Interface.2.IPv4Address.1.Status", "Enabled"),
            ("Device.IP.Interface.2.LowerLayers", "Device.Ethernet.Link.1"),
            ("Device.DNS.Client.Server.1.DNSServer", "192.0.2.53"),
            ("Device.Routing.Router.1.IPv4Forwarding.1.DestIPAddress", "10.20.0.0"),
            ("Device.Routing.Router.1.IPv4Forwarding.1.Status", "Enabled"),
            ("Device.Routing.Router.1.IPv4Forwarding.2.GatewayIPAddress", "192.0.2.1"),
        ] {
            assert_eq!(of(path), Some(want), "{path}");
        }

        let captured = root.join("captured");
        cpeagent(root, &["capture", captured.to_str().unwrap()]);
        let recorded = values(&captured);
        assert_eq!(live.keys().collect::<Vec<_>>(), recorded.keys().collect::<Vec<_>>());
        // These go on between the two, and a link's own address names the device.
        let moves = |path: &str, value: &str| {
            path.contains(".Stats.")
                || path.ends_with(".LastChange")
                || value.starts_with("fe80:")
                || path.starts_with("Device.DeviceInfo.")
                || path.starts_with("Device.Time.")
        };
        for (path, value) in live.iter().filter(|(path, value)| !moves(path, value)) {
            assert_eq!(recorded.get(path), Some(value), "{path}");
        }

        cpeagent(root, &["set", "Device.IP.Interface.2.IPv4Address.1.IPAddress=192.168.7.1"]);
        // In a folder nothing is announced: this is procd's part.
        ubus.call("network", "reload", &Tree::Map(Vec::new()), WAIT).await.unwrap();
        until(&ubus, &mut events, "lan", "192.168.7.1").await;
        assert_eq!(values(root).get("Device.IP.Interface.2.IPv4Address.1.Status").unwrap(), "Enabled");
    });
}
