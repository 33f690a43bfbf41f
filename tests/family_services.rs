//! DHCP, router advertisements, routes, DNS and time: golden text of recorded routers, and what writes come to.
#![cfg(feature = "cwmp")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod common;

use common::story::{Story, golden};

/// The objects of these families.
const OBJECTS: [&str; 6] = ["DHCPv4", "Time", "Routing", "RouterAdvertisement", "DNS", "DHCPv6"];

#[test]
fn recorded_routers_read_as_reviewed() {
    for device in common::device::routers() {
        let mut story = Story::of(&device);
        for object in OBJECTS {
            golden(&device, object, &story.get(&[&format!("Device.{object}.")]));
        }
    }
}

/// One story: what is asked in order, then what differs from the recording.
///
/// `+TABLE` adds, `-ROW` deletes, `PATH=VALUE PATH=VALUE` sets in one request, `!` before it: it is refused.
fn story(device: &str, steps: &[&str]) -> String {
    let mut story = Story::of(device);
    // A manager walks the tree before it writes.
    story.get(&["Device."]);
    for step in steps {
        let (refused, step) = match step.strip_prefix('!') {
            Some(step) => (true, step),
            None => (false, *step),
        };
        let done = match (step.strip_prefix('+'), step.strip_prefix('-')) {
            (Some(table), _) => story.add(table).map(drop),
            (_, Some(row)) => story.delete(row),
            (None, None) => story.set(&step.split(' ').collect::<Vec<_>>()),
        };
        assert_eq!(done.is_err(), refused, "{device} {step}: {done:?}");
    }
    story.changes()
}

const POOL: &str = "Device.DHCPv4.Server.Pool.1.";

#[test]
fn what_is_written_to_dhcp_is_what_the_services_read() {
    for (device, steps, want) in [
        (
            "wr4000-25.12",
            vec![format!("{POOL}MinAddress=192.168.1.50 {POOL}MaxAddress=192.168.1.99")],
            "-dhcp.lan.limit = 150\n-dhcp.lan.start = 100\n+dhcp.lan.limit = 50\n+dhcp.lan.start = 50\n",
        ),
        (
            "wr4000-25.12",
            vec![
                format!("!{POOL}MinAddress=192.168.2.50"),
                format!("!{POOL}MaxAddress=192.168.1.255"),
                format!("!{POOL}LeaseTime=-2"),
                format!("!{POOL}Order=7"),
                format!("!{POOL}IPRouters=x"),
            ],
            "",
        ),
        (
            "bpi-r3-vlan-25.12",
            vec![format!("{POOL}DNSServers=9.9.9.9 {POOL}DomainName=home {POOL}LeaseTime=7200")],
            "-dhcp.lan.dhcp_option = [\"3,10.64.1.1\", \"6,10.64.1.1,9.9.9.9\", \"42,10.64.1.1\"]\n\
             -dhcp.lan.leasetime = 6h\n\
             +dhcp.lan.dhcp_option = [\"3,10.64.1.1\", \"6,9.9.9.9\", \"42,10.64.1.1\", \"15,home\"]\n\
             +dhcp.lan.leasetime = 7200\n",
        ),
        (
            "bpi-r3-vlan-25.12",
            vec![format!("{POOL}Option.1.Enable=false")],
            "-dhcp.lan.dhcp_option = [\"3,10.64.1.1\", \"6,10.64.1.1,9.9.9.9\", \"42,10.64.1.1\"]\n\
             +dhcp.lan.cpe_dhcp_option = [\"42,10.64.1.1\"]\n\
             +dhcp.lan.dhcp_option = [\"3,10.64.1.1\", \"6,10.64.1.1,9.9.9.9\"]\n",
        ),
        (
            "wr4000-25.12",
            vec![
                format!("+{POOL}Option."),
                format!("!{POOL}Option.1.Tag=6"),
                format!("{POOL}Option.1.Tag=66 {POOL}Option.1.Value=70786531 {POOL}Option.1.Enable=true"),
            ],
            "+dhcp.lan.dhcp_option = [\"66,pxe1\"]\n",
        ),
        ("wr4000-25.12", vec![format!("+{POOL}Option."), format!("-{POOL}Option.1.")], ""),
        (
            "wr4000-25.12",
            vec![
                format!("+{POOL}StaticAddress."),
                format!("{POOL}StaticAddress.2.Chaddr=02:AA:00:00:00:99"),
                format!("!{POOL}StaticAddress.2.Yiaddr=10.0.0.1"),
                format!("{POOL}StaticAddress.2.Yiaddr=192.168.1.77 {POOL}StaticAddress.2.Enable=true"),
            ],
            "+dhcp.cpe_host2..type = host\n+dhcp.cpe_host2.cpe_pool = lan\n+dhcp.cpe_host2.enable = 1\n\
             +dhcp.cpe_host2.ip = 192.168.1.77\n+dhcp.cpe_host2.mac = [\"02:aa:00:00:00:99\"]\n",
        ),
        (
            "wr4000-25.12",
            vec![format!("{POOL}ReservedAddresses=192.168.1.120"), format!("{POOL}ReservedAddresses=")],
            "",
        ),
        (
            "wr4000-25.12",
            vec!["Device.DHCPv4.Server.Enable=false".into(), format!("{POOL}Enable=false")],
            "-dhcp.lan.dhcpv4 = server\n+dhcp.cfg01411c.cpe_dhcpv4 = 0\n+dhcp.guest.cpe_dhcpv4 = server\n\
             +dhcp.guest.dhcpv4 = disabled\n+dhcp.lan.cpe_dhcpv4 = disabled\n+dhcp.lan.dhcpv4 = disabled\n",
        ),
        (
            "wr4000-25.12",
            vec![
                "+Device.DHCPv4.Server.Pool.".into(),
                "Device.DHCPv4.Server.Pool.3.Order=1".into(),
                "-Device.DHCPv4.Server.Pool.3.".into(),
            ],
            "",
        ),
        (
            "bpi-r3-vlan-25.12",
            vec![
                "Device.DHCPv4.Client.1.Enable=false".into(),
                "Device.DHCPv4.Client.1.SentOption.2.Enable=false".into(),
                "Device.DHCPv4.Client.1.ReqOption.2.Order=1".into(),
                "+Device.DHCPv4.Client.1.ReqOption.".into(),
            ],
            "-network.wan.proto = dhcp\n-network.wan.reqopts = 43 125\n-network.wan.vendorid = dslforum.org\n\
             +network.wan.cpe_proto = dhcp\n+network.wan.cpe_reqopts = 224\n\
             +network.wan.cpe_sendopts = [\"60:64736c666f72756d2e6f7267\"]\n\
             +network.wan.proto = none\n+network.wan.reqopts = 125 43\n",
        ),
        (
            "x86-25.12",
            vec![
                "+Device.DHCPv4.Client.".into(),
                "!Device.DHCPv4.Client.2.Interface=Device.IP.Interface.3".into(),
                "Device.DHCPv4.Client.2.Interface=Device.IP.Interface.5 Device.DHCPv4.Client.2.Enable=true"
                    .into(),
            ],
            "-network.mgmt.proto = none\n+network.mgmt.proto = dhcp\n",
        ),
        (
            "x86-25.12",
            vec!["-Device.DHCPv4.Client.1.".into()],
            "-network.wan.clientid = 01525400eeee01\n-network.wan.hostname = *\n-network.wan.norelease = 1\n-network.wan.proto = dhcp\n-network.wan.reqopts = 42 121\n+network.wan.proto = none\n",
        ),
    ] {
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        assert_eq!(story(device, &steps), want, "{device} {steps:?}");
    }
}

#[test]
fn what_is_written_to_routes_servers_and_the_clock_is_what_the_services_read() {
    const ROUTE: &str = "Device.Routing.Router.1.IPv4Forwarding.";
    const RA: &str = "Device.RouterAdvertisement.InterfaceSetting.1.";
    for (device, steps, want) in [
        (
            "bpi-r3-vlan-25.12",
            vec![format!("+{ROUTE}"), format!("{ROUTE}8.DestIPAddress=10.7.0.0 {ROUTE}8.DestSubnetMask=255.255.0.0 {ROUTE}8.Interface=Device.IP.Interface.2 {ROUTE}8.ForwardingMetric=3 {ROUTE}8.Enable=true {ROUTE}8.Type=Blackhole"), format!("{ROUTE}8.ForwardingMetric=-1")],
            "+network.cpe_route8..type = route\n+network.cpe_route8.disabled = 0\n+network.cpe_route8.interface = lan\n\
             +network.cpe_route8.target = 10.7.0.0/16\n+network.cpe_route8.type = blackhole\n",
        ),
        ("bpi-r3-vlan-25.12", vec![format!("+{ROUTE}"), format!("-{ROUTE}8."), format!("!-{ROUTE}2."), format!("!{ROUTE}2.Enable=false")], ""),
        (
            "ax3600-24.10-wifi-off",
            vec![format!("{ROUTE}1.DestIPAddress=10.11.0.0")],
            "-network.cfg0ac8b4..type = route\n-network.cfg0ac8b4.gateway = 172.22.0.254\n-network.cfg0ac8b4.interface = lan\n\
             -network.cfg0ac8b4.netmask = 255.255.0.0\n-network.cfg0ac8b4.target = 10.10.0.0\n+network.cpe_route1..type = route\n\
             +network.cpe_route1.gateway = 172.22.0.254\n+network.cpe_route1.interface = lan\n\
             +network.cpe_route1.netmask = 255.255.0.0\n+network.cpe_route1.target = 10.11.0.0\n",
        ),
        (
            "fritz-pppoe-25.12",
            vec![format!("{RA}AdvManagedFlag=false {RA}AdvOtherConfigFlag=false {RA}AdvLinkMTU=0 {RA}RDNSS=fd00::1,fd00::2 {RA}AdvPreferredRouterFlag=Low")],
            "-dhcp.lan.dns = [\"fd42:9e17:b3d0:10::1\", \"192.168.178.1\"]\n-dhcp.lan.ra_flags = [\"managed-config\", \"other-config\"]\n\
             -dhcp.lan.ra_mtu = 1492\n-dhcp.lan.ra_preference = high\n+dhcp.lan.dns = [\"fd00::1\", \"fd00::2\", \"192.168.178.1\"]\n\
             +dhcp.lan.ra_flags = [\"none\"]\n+dhcp.lan.ra_preference = low\n",
        ),
        (
            "fritz-pppoe-25.12",
            vec![
                "+Device.DNS.Client.Server.".into(),
                "!Device.DNS.Client.Server.6.Enable=true".into(),
                "Device.DNS.Client.Server.6.DNSServer=1.1.1.1 Device.DNS.Client.Server.6.Enable=true".into(),
                "!-Device.DNS.Client.Server.3.".into(),
                "Device.DNS.Client.Server.1.Enable=false".into(),
            ],
            "-network.wan.dns = [\"9.9.9.9\", \"2620:fe::fe\"]\n+network.loopback.dns = [\"1.1.1.1\"]\n\
             +network.wan.cpe_dns = [\"9.9.9.9\"]\n+network.wan.dns = [\"2620:fe::fe\"]\n",
        ),
        (
            "x86-25.12",
            vec!["+Device.DNS.Relay.Forwarding.".into(), "Device.DNS.Relay.Forwarding.4.DNSServer=8.8.8.8 Device.DNS.Relay.Forwarding.4.Enable=true".into(), "-Device.DNS.Relay.Forwarding.4.".into(), "Device.DNS.Relay.Enable=false".into()],
            "+dhcp.cfg01411c.port = 0\n",
        ),
        (
            "bpi-r3-vlan-25.12",
            vec!["Device.DHCPv6.Client.1.RequestPrefixes=false Device.DHCPv6.Client.1.RequestedOptions=17,21".into(), "+Device.DHCPv6.Client.1.SentOption.".into(), "Device.DHCPv6.Client.1.SentOption.1.Tag=16 Device.DHCPv6.Client.1.SentOption.1.Value=00AB Device.DHCPv6.Client.1.SentOption.1.Enable=true".into()],
            "-network.wan6.reqopts = 17\n-network.wan6.reqprefix = 56\n+network.wan6.cpe_reqprefix = 56\n+network.wan6.reqopts = 17 21\n\
             +network.wan6.reqprefix = no\n+network.wan6.sendopts = [\"16:00ab\"]\n",
        ),
        (
            "wr4000-25.12",
            vec!["Device.Time.NTPServer1=ntp.example Device.Time.NTPServer3= Device.Time.LocalTimeZone=GMT0".into(), "!Device.Time.LocalTimeZone=Berlin".into()],
            "-system.cfg01e48a.timezone = CET-1CEST,M3.5.0,M10.5.0/3\n-system.cfg01e48a.zonename = Europe/Berlin\n\
             -system.ntp.server = [\"0.openwrt.pool.ntp.org\", \"1.openwrt.pool.ntp.org\", \"2.openwrt.pool.ntp.org\", \"3.openwrt.pool.ntp.org\"]\n\
             +system.cfg01e48a.timezone = GMT0\n+system.ntp.cpe_places = 0 1 3\n\
             +system.ntp.server = [\"ntp.example\", \"1.openwrt.pool.ntp.org\", \"3.openwrt.pool.ntp.org\"]\n",
        ),
    ] {
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        assert_eq!(story(device, &steps), want, "{device} {steps:?}");
    }
}
