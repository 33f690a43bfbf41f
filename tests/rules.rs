//! Rules that one sentence of a standard sets and that no family or protocol test is about, over whole routers.
#![cfg(feature = "cwmp")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/agent.rs"]
mod agent;
#[path = "common/cwmp_schema.rs"]
mod cwmp_schema;
#[path = "common/device.rs"]
mod device;

use agent::Bench;
use std::time::Duration;

/// The answer to a GetParameterValues of one name.
fn asked(bench: &mut Bench, name: &str) -> String {
    bench.ask(&format!(
        "<cwmp:GetParameterValues><ParameterNames><string>{name}</string></ParameterNames></cwmp:GetParameterValues>"
    ))
}

/// The value of one name.
fn value(bench: &mut Bench, name: &str) -> String {
    let body = asked(bench, name);
    let rest = body.split_once("<Value").unwrap_or_else(|| panic!("{name}: {body}")).1;
    rest.split_once('>').unwrap().1.split('<').next().unwrap().to_string()
}

//= TR-181 DeviceInfo.FirstUseDate: when the device first knew the time; unknown until then.
#[test]
fn the_date_of_first_use_is_the_first_time_that_is_known_and_stays() {
    const NAME: &str = "Device.DeviceInfo.FirstUseDate";
    let mut bench = Bench::new("x86-25.12");
    let wall = bench.now.wall.take();
    bench.start();
    bench.informed();
    assert_eq!(value(&mut bench, NAME), "0001-01-01T00:00:00Z");
    bench.nothing();
    bench.wait(Duration::from_secs(100));
    bench.now.wall = wall;
    bench.open();
    assert_eq!(value(&mut bench, NAME), wall.unwrap().to_string());
    bench.nothing();
    bench.wait(Duration::from_secs(50_000));
    bench.reboot(7);
    bench.start();
    bench.informed();
    assert_eq!(value(&mut bench, NAME), wall.unwrap().to_string());
}

//= TR-369 R-MSG.4a: a search that finds nothing succeeds, an address that finds nothing does not.
#[test]
fn what_may_find_nothing_is_an_empty_answer_and_a_row_that_is_not_there_is_none() {
    let mut bench = Bench::in_session("wr4000-25.12");
    for (name, found) in [
        ("Device.PPP.Interface.*.Enable", true),
        ("Device.PPP.Interface.1.Enable", false),
        ("Device.PPP.Interface.*.Frobnicate", false),
    ] {
        let body = asked(&mut bench, name);
        assert_eq!(body.contains("cwmp:ParameterValueStruct[0]"), found, "{name}: {body}");
        assert_eq!(body.contains("<FaultCode>9005"), !found, "{name}: {body}");
    }
}

// sysntpd of OpenWrt reads the section `ntp` alone.
#[test]
fn the_client_and_the_server_of_time_are_the_section_that_sysntpd_reads() {
    const SYSTEM: &str = "/etc/config/system";
    let mut bench = Bench::new("wr4000-25.12");
    let text = bench.text(SYSTEM).unwrap();
    bench.disk.put(SYSTEM, &format!("config timeserver 'first'\n\tlist server 'x.example'\n\n{text}"));
    bench.start();
    bench.informed();
    for table in ["Client", "Server"] {
        assert_eq!(value(&mut bench, &format!("Device.Time.{table}NumberOfEntries")), "1");
    }
    assert!(value(&mut bench, "Device.Time.Client.1.Servers").starts_with("0.openwrt.pool.ntp.org,"));
}

//= RFC 2131 4.4.5: a client renews at half of its lease, so no more than that has ever passed.
#[test]
fn what_is_left_of_a_lease_is_counted_from_the_last_renewal() {
    const DUMP: &str = "/ubus/network.interface.dump.json";
    let mut bench = Bench::new("bpi-r3-vlan-25.12");
    let dump = bench.text(DUMP).unwrap();
    assert!(dump.contains("\"uptime\": 86391") && dump.contains("\"leasetime\": 86400"));
    for (uptime, left) in
        [(0, 86_400), (43_199, 43_201), (43_200, 86_400), (86_391, 43_209), (86_401, 86_399)]
    {
        bench.disk.put(DUMP, &dump.replace("\"uptime\": 86391", &format!("\"uptime\": {uptime}")));
        bench.start();
        bench.informed();
        assert_eq!(
            value(&mut bench, "Device.DHCPv4.Client.1.LeaseTimeRemaining"),
            left.to_string(),
            "{uptime}"
        );
        bench.nothing();
    }
}

//= TR-106 3.2: a command is carried out when true is written, and always reads false.
#[test]
fn writing_false_to_a_command_does_nothing() {
    for (written, called) in [("0", false), ("false", false), ("1", true), ("true", true)] {
        let mut bench = Bench::in_session("wr4000-25.12");
        let answer = bench.ask(&format!(
            "<cwmp:SetParameterValues><ParameterList><ParameterValueStruct><Name>Device.IP.Interface.1.Reset</Name>\
             <Value>{written}</Value></ParameterValueStruct></ParameterList><ParameterKey/></cwmp:SetParameterValues>"
        ));
        assert!(answer.contains("SetParameterValuesResponse"), "{answer}");
        assert_eq!(value(&mut bench, "Device.IP.Interface.1.Reset"), "false");
        bench.said.clear();
        bench.nothing();
        assert_eq!(bench.said.contains("called ubus:network.interface.loopback"), called, "{written}");
    }
}

/// The names in the last Inform, but for those that every Inform has.
fn informed_of(bench: &Bench) -> Vec<String> {
    let inform = bench.posted.iter().rev().find(|text| text.contains("<cwmp:Inform>")).unwrap();
    let names = inform.split("<ParameterValueStruct><Name>").skip(1);
    let names = names.map(|rest| rest.split('<').next().unwrap().to_string());
    names.filter(|name| name.starts_with("Device.WiFi.") || name.starts_with("Device.Time.")).collect()
}

/// Sets parameters below the first InformParameter row; the answer.
fn ask_for(bench: &mut Bench, values: &[(&str, &str)]) -> String {
    let rows = values.iter().map(|(name, value)| {
        format!(
            "<ParameterValueStruct><Name>Device.ManagementServer.InformParameter.1.{name}</Name><Value>{value}</Value></ParameterValueStruct>"
        )
    });
    let rows = rows.collect::<String>();
    bench.ask(&format!(
        "<cwmp:SetParameterValues><ParameterList>{rows}</ParameterList><ParameterKey/></cwmp:SetParameterValues>"
    ))
}

//= TR-069 A.3.3.1: a forced parameter cannot be asked for once more, a pattern that meets nothing is left out.
#[test]
fn an_inform_carries_what_the_server_asked_for_with_its_events() {
    let mut bench = Bench::in_session("wr4000-25.12");
    let added = bench.ask(
        "<cwmp:AddObject><ObjectName>Device.ManagementServer.InformParameter.</ObjectName><ParameterKey/></cwmp:AddObject>",
    );
    assert!(added.contains("<InstanceNumber>1</InstanceNumber>"), "{added}");
    for refused in [
        ("ParameterName", "Device.DeviceInfo.SoftwareVersion"),
        ("ParameterName", "Device.WiFi."),
        ("ParameterName", "frobnicate"),
        ("EventList", "1 BOOT,4 VALUE CHANGE"),
    ] {
        let answer = ask_for(&mut bench, &[refused]);
        assert!(answer.contains("<FaultCode>9007</FaultCode>"), "{refused:?}: {answer}");
    }
    for (values, want) in [
        (
            &[("ParameterName", "Device.WiFi.SSID.*.SSID"), ("Enable", "1")][..],
            &["Device.WiFi.SSID.1.SSID", "Device.WiFi.SSID.2.SSID", "Device.WiFi.SSID.3.SSID"][..],
        ),
        (&[("EventList", "1 BOOT")], &[]),
        (
            &[("ParameterName", "Device.Time.Status"), ("EventList", "1 BOOT,6 CONNECTION REQUEST")],
            &["Device.Time.Status"],
        ),
        (&[("ParameterName", "Device.WiFi.SSID.77.SSID")], &[]),
        (&[("ParameterName", "Device.Time.Status"), ("Enable", "0")], &[]),
    ] {
        let answer = ask_for(&mut bench, values);
        assert!(answer.contains("SetParameterValuesResponse"), "{values:?}: {answer}");
        bench.nothing();
        bench.wait(Duration::from_secs(60));
        bench.posted.clear();
        bench.event(cpeagent::agent::Event::Woken);
        assert_eq!(informed_of(&bench), want, "{values:?}");
        bench.informed();
    }
}
