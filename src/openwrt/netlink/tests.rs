//! Dumps of a Linux 6.18 network namespace against what iproute2 6.1 printed of it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
// Recordings are in the order of octets of the machine they were made on.
#![cfg_attr(target_endian = "big", allow(dead_code, unused_imports))]

use super::wire::{Attrs, request};
use super::*;
use crate::openwrt::json;

/// Keys the tools print that no row here has. `parent/key` where another place has the key.
const LEFT_OUT: &[&str] = &[
    "qdisc",
    "linkmode",
    "group",
    "txqlen",
    "promiscuity",
    "allmulti",
    "min_mtu",
    "max_mtu",
    "inet6_addr_gen_mode",
    "num_tx_queues",
    "num_rx_queues",
    "gso_max_size",
    "gso_max_segs",
    "tso_max_size",
    "tso_max_segs",
    "gro_max_size",
    "metrics",
    "topology_change",
    "topology_change_detected",
    "hello_timer",
    "tcn_timer",
    "topology_change_timer",
    "gc_timer",
    "group_fwd_mask",
    "group_addr",
    "no_linklocal_learn",
    "mcast_vlan_snooping",
    "mcast_router",
    "mcast_query_use_ifaddr",
    "mcast_querier",
    "mcast_hash_elasticity",
    "mcast_hash_max",
    "mcast_last_member_cnt",
    "mcast_startup_query_cnt",
    "mcast_last_member_intvl",
    "mcast_membership_intvl",
    "mcast_querier_intvl",
    "mcast_query_intvl",
    "mcast_query_response_intvl",
    "mcast_startup_query_intvl",
    "mcast_stats_enabled",
    "mcast_igmp_version",
    "mcast_mld_version",
    "nf_call_iptables",
    "nf_call_ip6tables",
    "nf_call_arptables",
    "guard",
    "root_block",
    "fastleave",
    "flood",
    "id",
    "no",
    "designated_port",
    "designated_cost",
    "info_slave_data/bridge_id",
    "info_slave_data/root_id",
    "hold_timer",
    "message_age_timer",
    "forward_delay_timer",
    "topology_change_ack",
    "config_pending",
    "proxy_arp",
    "proxy_arp_wifi",
    "multicast_router",
    "mcast_flood",
    "bcast_flood",
    "mcast_to_unicast",
    "neigh_suppress",
    "neigh_vlan_suppress",
    "group_fwd_mask_str",
    "vlan_tunnel",
    "locked",
    "mab",
];

fn pruned(tree: Tree, parent: &str, keys: &[&str]) -> Tree {
    let left_out = |key: &str| keys.contains(&key) || keys.contains(&format!("{parent}/{key}").as_str());
    match tree {
        Tree::Map(entries) => {
            let kept = entries.into_iter().filter(|(key, _)| !left_out(key));
            Tree::Map(kept.map(|(key, value)| (key.clone(), pruned(value, &key, keys))).collect())
        }
        Tree::List(items) => Tree::List(items.into_iter().map(|item| pruned(item, parent, keys)).collect()),
        text => text,
    }
}

fn printed(text: &str) -> Tree {
    pruned(json::parse(text.as_bytes()).unwrap(), "", LEFT_OUT)
}

const LINKS: &[u8] = include_bytes!("../../../tests/vectors/netlink/link.bin");

/// The recording, as datagrams with the end of a dump behind it.
fn datagram(octets: &[u8], seq: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for message in messages(octets) {
        let mut message = message.octets.to_vec();
        message[8..12].copy_from_slice(&seq.to_ne_bytes());
        message.resize((message.len() + 3) & !3, 0);
        out.extend(message);
    }
    out.extend(done(seq, 0));
    out
}

fn done(seq: u32, flags: u16) -> Vec<u8> {
    let mut out = 20u32.to_ne_bytes().to_vec();
    out.extend(DONE.to_ne_bytes());
    out.extend(flags.to_ne_bytes());
    out.extend(seq.to_ne_bytes());
    out.resize(20, 0);
    out
}

#[cfg(target_endian = "little")]
#[test]
fn each_dump_gives_what_the_stock_tools_print_key_for_key_and_in_order() {
    for (dump, octets, text) in [
        (Dump::Links, &[][..], include_str!("../../../tests/vectors/netlink/link.json")),
        (
            Dump::Addresses,
            include_bytes!("../../../tests/vectors/netlink/address.bin"),
            include_str!("../../../tests/vectors/netlink/address.json"),
        ),
        (
            Dump::Routes,
            include_bytes!("../../../tests/vectors/netlink/route.bin"),
            include_str!("../../../tests/vectors/netlink/route.json"),
        ),
        (
            Dump::Neighbours,
            include_bytes!("../../../tests/vectors/netlink/neighbour.bin"),
            include_str!("../../../tests/vectors/netlink/neighbour.json"),
        ),
        (
            Dump::Fdb,
            include_bytes!("../../../tests/vectors/netlink/fdb.bin"),
            include_str!("../../../tests/vectors/netlink/fdb.json"),
        ),
    ] {
        let (mut reading, first) = Reading::new(dump, 7);
        assert_eq!(first, request(Dump::Links, 7));
        let mut step = reading.take(&datagram(LINKS, 7)).unwrap();
        if dump != Dump::Links {
            assert_eq!(step, Step::Send(request(dump, 8)));
            step = reading.take(&datagram(octets, 8)).unwrap();
        }
        let Step::Done(Tree::List(rows)) = step else { panic!("{dump:?} is not complete") };
        let want = printed(text);
        assert_eq!(rows.len(), want.items().len(), "{dump:?}");
        for (row, want) in rows.into_iter().zip(want.items()) {
            // Newer than the iproute2 of the recording.
            assert_eq!(&pruned(row, "", &["addr_info/protocol"]), want, "{dump:?}");
        }
    }
}

#[test]
fn a_dump_that_is_refused_interrupted_or_endless_is_an_error() {
    let error = |number: i32| {
        let mut out = done(1, 0);
        out[4..6].copy_from_slice(&ERROR.to_ne_bytes());
        out[16..20].copy_from_slice(&(-number).to_ne_bytes());
        out
    };
    let take = |octets: &[u8]| Reading::new(Dump::Links, 1).0.take(octets);
    assert_eq!(take(&error(1)), Err(Error::Refused(1)));
    assert_eq!(take(&error(0)), Ok(Step::Receive), "an acknowledgement");
    assert_eq!(take(&done(1, INTERRUPTED)), Err(Error::Interrupted));
    assert_eq!(take(&done(9, 0)), Ok(Step::Receive), "the end of another dump");
    assert_eq!(take(&done(1, 0)), Ok(Step::Done(Tree::List(vec![]))));
    let mut large = 0x1_0000u32.to_ne_bytes().to_vec();
    large.extend(wire::LINK.to_ne_bytes());
    large.extend([0; 2]);
    large.extend(1u32.to_ne_bytes());
    large.resize(0x1_0000, 0);
    let (mut reading, _) = Reading::new(Dump::Links, 1);
    let steps: Vec<_> = (0..=MAX_DUMP / large.len()).map(|_| reading.take(&large)).collect();
    assert_eq!(steps.iter().position(|step| *step == Err(Error::TooLarge)), Some(MAX_DUMP / large.len()));
}

/// A link message with the given attributes.
fn link(kind: u16, index: u32, attrs: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = vec![0, 0];
    body.extend(1u16.to_ne_bytes());
    body.extend(index.to_ne_bytes());
    body.extend(1u32.to_ne_bytes());
    body.extend([0; 4]);
    body.extend(nested(attrs));
    let mut out = ((16 + body.len()) as u32).to_ne_bytes().to_vec();
    out.extend(kind.to_ne_bytes());
    out.resize(16, 0);
    out.extend(body);
    out
}

fn nested(attrs: &[(u16, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (id, value) in attrs {
        out.extend(((4 + value.len()) as u16).to_ne_bytes());
        out.extend(id.to_ne_bytes());
        out.extend(*value);
        out.resize((out.len() + 3) & !3, 0);
    }
    out
}

#[test]
fn a_vlan_shows_its_parent_its_id_and_its_protocol() {
    let data =
        nested(&[(1, &7u16.to_ne_bytes()), (2, &[1u32.to_ne_bytes(), [255; 4]].concat()), (5, &[0x81, 0])]);
    let info = nested(&[(1, b"vlan\0"), (2, &data)]);
    let eth0 = link(wire::LINK, 2, &[(3, b"eth0\0")]);
    let vlan = link(wire::LINK, 9, &[(3, b"wan.7\0"), (5, &2u32.to_ne_bytes()), (18, &info)]);
    let rows = rows(Dump::Links, &[vlan, eth0], &[]);
    let want = r#"{"ifindex":9,"link":"eth0","ifname":"wan.7","flags":["NO-CARRIER","UP"],"link_type":"ether",
        "linkinfo":{"info_kind":"vlan","info_data":{"protocol":"802.1Q","id":7,"flags":["REORDER_HDR"]}}}"#;
    assert_eq!(rows.items()[0], json::parse(want.as_bytes()).unwrap());
}

#[test]
fn a_switch_port_shows_its_conduit() {
    let info = nested(&[(1, b"dsa\0"), (2, &nested(&[(1, &2u32.to_ne_bytes())]))]);
    let eth0 = link(wire::LINK, 2, &[(3, b"eth0\0")]);
    let lan1 = link(wire::LINK, 3, &[(3, b"lan1\0"), (38, b"p1\0"), (18, &info)]);
    let rows = rows(Dump::Links, &[eth0, lan1], &[]);
    let want = r#"{"ifindex":3,"ifname":"lan1","flags":["NO-CARRIER","UP"],"link_type":"ether",
        "linkinfo":{"info_kind":"dsa","info_data":{"conduit":"eth0"}},"phys_port_name":"p1"}"#;
    assert_eq!(rows.items()[1], json::parse(want.as_bytes()).unwrap());
}

#[test]
fn notices_carry_names_also_of_a_link_that_just_came_or_went() {
    let mut names = Names::default();
    let came = notices(&link(wire::LINK, 9, &[(3, b"pppoe-wan\0")]), &mut names);
    assert_eq!(
        (came[0].table, came[0].gone, came[0].row.str("ifname")),
        (Dump::Links, false, Some("pppoe-wan"))
    );
    let mut address = vec![INET_ADDRESS, 24, 0, 0];
    address.extend(9u32.to_ne_bytes());
    address.extend(nested(&[(2, &[192, 0, 2, 1]), (11, &[2])]));
    let mut message = ((16 + address.len()) as u32).to_ne_bytes().to_vec();
    message.extend((wire::ADDRESS + 1).to_ne_bytes());
    message.resize(16, 0);
    message.extend(address);
    let lost = notices(&message, &mut names);
    let want = r#"{"ifindex":9,"ifname":"pppoe-wan","addr_info":[{"family":"inet","local":"192.0.2.1","prefixlen":24,
        "scope":"global","dynamic":true,"protocol":"kernel_ra"}]}"#;
    let row = json::parse(want.as_bytes()).unwrap();
    assert_eq!(lost, [Notice { table: Dump::Addresses, gone: true, row }]);
    let gone = notices(&link(wire::LINK + 1, 9, &[(3, b"pppoe-wan\0")]), &mut names);
    assert_eq!((gone[0].gone, gone[0].row.str("ifname")), (true, Some("pppoe-wan")));
    assert_eq!(names.name(9), "if9");
}

const INET_ADDRESS: u8 = wire::INET;

#[test]
fn names_from_a_dump_of_links_are_those_from_its_messages() {
    let octets = [link(wire::LINK, 4, &[(3, b"lan1\0")]), link(wire::LINK, 5, &[(3, b"lan2\0")])];
    let names = Names::of(&rows(Dump::Links, &octets, &[]));
    assert_eq!([names.name(4), names.name(5), names.name(6)], ["lan1", "lan2", "if6"]);
    assert_eq!(names.device_type(4), 1);
}

#[test]
fn lengths_that_do_not_fit_end_the_reading() {
    let whole = link(wire::LINK, 9, &[(3, b"lan1\0"), (4, &1500u32.to_ne_bytes())]);
    for length in 0..whole.len() {
        exercise(&whole[..length]);
        assert_eq!(messages(&whole[..length]).count(), 0, "{length}");
    }
    let attrs = nested(&[(3, b"lan1\0")]);
    assert_eq!(Attrs::read(&attrs[..6], 0).text(3), None);
    assert_eq!(Attrs::read(&attrs, 99).text(3), None);
}

proptest::proptest! {
    #[test]
    fn no_octets_make_the_reader_panic(kind in 0u16..36, family in 0u8..12, rest in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..120)) {
        let mut out = ((17 + rest.len()) as u32).to_ne_bytes().to_vec();
        out.extend(kind.to_ne_bytes());
        out.resize(16, 0);
        out.push(family);
        out.extend(rest);
        exercise(&out);
    }
}
