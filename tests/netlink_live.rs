//! The running kernel's tables against what `ip` and `bridge` print of them at the same moment. Ignored by default: it needs
//! iproute2, and namespaces that an ordinary user may make. `cargo test --test netlink_live -- --ignored`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use cpeagent::dm::tree::Tree;
use cpeagent::io::netlink::{Netlink, Told, Watch};
use cpeagent::openwrt::json;
use cpeagent::openwrt::netlink::Dump;
use std::process::Command;

/// Commands that fill a namespace of its own with one of each.
const SETUP: &str = "
ip link set lo up
ip link add br-lan type bridge
ip link add v0 type veth peer name v1
ip link add v2 type veth peer name v3
ip link set v2 master br-lan
for i in v0 v1 v2 v3 br-lan; do ip link set $i up; done
ip link set v0 alias 'up stairs'
ip addr add 192.0.2.1/24 brd + dev v0 label v0:a
ip addr add 192.0.2.9/24 dev v0
ip addr add 198.51.100.1 peer 198.51.100.2/32 dev v1
ip addr add 2001:db8::1/64 dev v0 nodad valid_lft 4000 preferred_lft 2000
ip addr add 2001:db8::2/64 dev v0 nodad preferred_lft 0
ip route add default via 192.0.2.254 dev v0 proto dhcp metric 10 src 192.0.2.1
ip route add 203.0.113.0/24 via 192.0.2.253 mtu 1400 onlink dev v0 proto 77
ip route add 203.0.114.0/24 via inet6 fe80::9 dev v0
ip route add blackhole 10.9.0.0/16
ip route add unreachable 10.8.0.0/16 metric 5 table 100
ip route add 10.7.0.0/16 nexthop via 192.0.2.5 dev v0 weight 2 nexthop via 198.51.100.2 dev v1
ip -6 route add default via fe80::1 dev v0 proto ra metric 512 pref high expires 1800
ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:07 dev v0 nud permanent
ip neigh add 2001:db8::7 lladdr 02:00:00:00:00:07 dev v0 router nud reachable
ip neigh add 192.0.2.6 dev v0 nud noarp lladdr 02:00:00:00:00:06
bridge fdb add 02:00:00:00:00:77 dev v2 master static
";

fn printed(command: &str) -> Tree {
    let mut words = command.split(' ');
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{command}");
    json::parse(&output.stdout).unwrap()
}

/// Every key of ours is theirs, with the same value and in the same order; counters and timers move on meanwhile.
fn agrees(ours: &Tree, theirs: &Tree, at: &str) {
    match (ours, theirs) {
        (Tree::Map(ours), Tree::Map(theirs)) => {
            // Older tools do not print who made an address.
            let known = |key: &str| {
                !(at.ends_with("addr_info") && key == "protocol" && !theirs.iter().any(|(k, _)| &**k == key))
            };
            let ours: Vec<_> = ours.iter().filter(|(key, _)| known(key)).collect();
            let shared: Vec<&str> = theirs
                .iter()
                .map(|(key, _)| &**key)
                .filter(|key| ours.iter().any(|(k, _)| &**k == *key))
                .collect();
            assert_eq!(ours.iter().map(|(key, _)| &**key).collect::<Vec<_>>(), shared, "{at}");
            for (key, value) in ours {
                let theirs = theirs.iter().find(|(k, _)| k == key).map(|(_, value)| value).unwrap();
                agrees(value, theirs, &format!("{at}/{key}"));
            }
        }
        (Tree::List(ours), Tree::List(theirs)) => {
            assert_eq!(ours.len(), theirs.len(), "{at}");
            ours.iter().zip(theirs).for_each(|(ours, theirs)| agrees(ours, theirs, at));
        }
        _ if at.contains("stats64") || at.ends_with("_life_time") || at.ends_with("expires") => {}
        _ => assert_eq!(ours, theirs, "{at}"),
    }
}

#[test]
#[ignore = "needs iproute2"]
fn the_running_kernel_reads_as_the_stock_tools_print_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut netlink = Netlink::open().unwrap();
        for (dump, command, promised) in [
            (Dump::Links, "ip -j -d -s link show", "ifindex link ifname flags mtu master operstate link_type address linkinfo ifalias stats64"),
            (Dump::Addresses, "ip -j -d addr show", "ifindex ifname addr_info"),
            (
                Dump::Routes,
                "ip -j -d route show table all",
                "type dst from gateway via dev table protocol scope prefsrc metric flags expires pref nexthops",
            ),
            (Dump::Neighbours, "ip -j -d neigh show", "dst dev lladdr state"),
            (Dump::Fdb, "bridge -j fdb show", "mac ifname dst vlan flags master state"),
        ] {
            let (ours, theirs) = (netlink.dump(dump).await.unwrap(), printed(command));
            agrees(&ours, &theirs, dump.name());
            for (ours, theirs) in ours.items().iter().zip(theirs.items()) {
                for key in promised.split(' ') {
                    assert_eq!(ours.get(key).is_some(), theirs.get(key).is_some(), "{key} of {theirs:?}");
                }
            }
        }
    });
}

#[test]
#[ignore = "needs iproute2"]
fn the_kernel_tells_of_a_link_and_its_address_as_they_come_and_go() {
    if std::env::var_os("IN_NAMESPACE").is_none() {
        return in_a_namespace();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut watch = Watch::open().await.unwrap();
        let ip =
            |command: &str| assert!(Command::new("ip").args(command.split(' ')).status().unwrap().success());
        ip("link add w0 type veth peer name w1");
        ip("addr add 192.0.2.99/32 dev w0");
        ip("link del w0");
        let mut seen = Vec::new();
        while !seen.contains(&(Dump::Links, true, "w0".to_owned())) {
            let Told::Changes(changes) = watch.next().await.unwrap() else { panic!("overrun") };
            for change in changes {
                seen.push((
                    change.table,
                    change.gone,
                    change.row.str("ifname").unwrap_or_default().to_owned(),
                ));
            }
        }
        for want in [(Dump::Links, false), (Dump::Addresses, false), (Dump::Addresses, true)] {
            assert!(seen.contains(&(want.0, want.1, "w0".to_owned())), "{want:?} in {seen:?}");
        }
    });
}

/// Runs this program's tests again in a namespace that holds one of each.
fn in_a_namespace() {
    let setup = format!("set -e\n{SETUP}\nexec \"$0\" --ignored --test-threads=1");
    let program = std::env::current_exe().unwrap();
    let mut unshare = Command::new("unshare");
    let status =
        unshare.args(["-Urn", "sh", "-c", &setup]).arg(program).env("IN_NAMESPACE", "1").status().unwrap();
    assert!(status.success());
}
