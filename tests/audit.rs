//! What is recorded of changes: per protocol what was asked, by whom, and what it came to; and that nothing fails by it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/agent.rs"]
mod agent;
#[cfg(feature = "usp")]
#[path = "common/controller.rs"]
mod controller;
#[path = "common/cwmp_schema.rs"]
mod cwmp_schema;
#[path = "common/device.rs"]
mod device;

use agent::Bench;
use cpeagent::agent::Event;
use cpeagent::agent::local::Request;
#[cfg(feature = "cwmp")]
use cpeagent::openwrt::json;

const DEVICE: &str = "wr4000-25.12";
const LEASE: &str = "Device.DHCPv4.Server.Pool.1.LeaseTime";
const POOL: &str = "Device.DHCPv4.Server.Pool.1.StaticAddress.";

/// What was recorded since it was last asked, a line per entry, without time and manager, which are held here.
fn recorded(bench: &mut Bench, manager: &str) -> Vec<String> {
    let at = bench.now.wall;
    let line = |entry: cpeagent::audit::Entry| {
        assert_eq!((entry.at, entry.manager.as_str()), (at, manager));
        let fields = entry.fields();
        let text = |name: &str| fields.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone());
        assert_eq!(entry.commit.is_some(), text("commit").is_some());
        let values = match (text("old"), text("new")) {
            (Some(old), Some(new)) => format!(" {old:?} -> {new:?}"),
            (None, Some(new)) => format!(" {new:?}"),
            (_, None) => String::new(),
        };
        format!("{} {}{values}: {}", text("what").unwrap(), text("path").unwrap(), text("outcome").unwrap())
    };
    std::mem::take(&mut bench.audited).into_iter().map(line).collect()
}

#[cfg(feature = "cwmp")]
fn set(values: &[(&str, &str)]) -> String {
    let rows = values.iter().map(|(name, value)| {
        format!("<ParameterValueStruct><Name>{name}</Name><Value>{value}</Value></ParameterValueStruct>")
    });
    format!(
        "<cwmp:SetParameterValues><ParameterList soapenc:arrayType=\"cwmp:ParameterValueStruct[{}]\">{}</ParameterList>\
         <ParameterKey/></cwmp:SetParameterValues>",
        values.len(),
        rows.collect::<String>()
    )
}

#[cfg(feature = "cwmp")]
fn object(method: &str, path: &str) -> String {
    format!("<cwmp:{method}><ObjectName>{path}</ObjectName><ParameterKey/></cwmp:{method}>")
}

#[cfg(feature = "cwmp")]
const REBOOT: &str = "<cwmp:Reboot><CommandKey>because</CommandKey></cwmp:Reboot>";
#[cfg(feature = "cwmp")]
const ACS: &str = "https://acs.example.com/";

#[cfg(feature = "cwmp")]
#[test]
fn what_an_acs_asks_for_is_recorded_with_its_fault_codes_and_without_secrets() {
    let mut bench = Bench::in_session(DEVICE);
    for (asked, want) in [
        (
            format!(
                "<cwmp:GetParameterValues><ParameterNames><string>{LEASE}</string></ParameterNames></cwmp:GetParameterValues>"
            ),
            vec![],
        ),
        (
            set(&[
                (LEASE, "7200"),
                ("Device.DeviceInfo.UpTime", "1"),
                ("Device.ManagementServer.Pasword", "x"),
            ]),
            vec![
                format!("set {LEASE} \"7200\": refused 9003"),
                "set Device.DeviceInfo.UpTime \"1\": refused 9008".into(),
                "set Device.ManagementServer.Pasword \"x\": refused 9005".into(),
            ],
        ),
        (
            set(&[
                (LEASE, "7200"),
                ("Device.ManagementServer.Password", "hunter2"),
                ("Device.ManagementServer.STUNServerPort", "1&#10;b"),
            ]),
            vec![
                format!("set {LEASE} \"7200\": refused 9003"),
                "set Device.ManagementServer.Password \"***\": refused 9003".into(),
                "set Device.ManagementServer.STUNServerPort \"1\\nb\": refused 9006".into(),
            ],
        ),
        (
            set(&[(LEASE, "7200"), ("Device.ManagementServer.Password", "hunter2")]),
            vec![
                format!("set {LEASE} \"43200\" -> \"7200\": done"),
                "set Device.ManagementServer.Password \"***\" -> \"***\": done".into(),
            ],
        ),
        (object("AddObject", POOL), vec![format!("add {POOL}2.: done")]),
        (object("AddObject", "Device.Hosts.Host."), vec!["add Device.Hosts.Host.: refused 9005".into()]),
        (object("DeleteObject", &format!("{POOL}2.")), vec![format!("delete {POOL}2.: done")]),
        (object("DeleteObject", &format!("{POOL}7.")), vec![format!("delete {POOL}7.: refused 9005")]),
        (
            format!(
                "<cwmp:SetParameterAttributes><ParameterList><SetParameterAttributesStruct><Name>{LEASE}</Name>\
                 <NotificationChange>1</NotificationChange><Notification>2</Notification>\
                 <AccessListChange>0</AccessListChange><AccessList/></SetParameterAttributesStruct></ParameterList>\
                 </cwmp:SetParameterAttributes>"
            ),
            vec![format!("attributes {LEASE} \"Notification=2\": done")],
        ),
        (REBOOT.into(), vec!["command Reboot \"because\": done".into()]),
    ] {
        let answer = bench.ask(&asked);
        assert_eq!(recorded(&mut bench, ACS), want, "{answer}");
    }
}

#[cfg(feature = "cwmp")]
#[test]
fn what_a_full_disk_made_the_agent_refuse_is_recorded_as_refused() {
    let mut bench = Bench::in_session(DEVICE);
    bench.disk.set_free(Some(0));
    for (asked, want) in [
        (set(&[(LEASE, "7200")]), format!("set {LEASE} \"7200\": refused 9002")),
        (REBOOT.into(), "command Reboot \"because\": refused 9002".into()),
    ] {
        assert!(bench.ask(&asked).contains("9002"));
        assert_eq!(recorded(&mut bench, ACS), [want]);
    }
}

#[test]
fn without_a_clock_the_time_is_unknown_and_without_a_record_nothing_is_recorded() {
    for (size, count) in [("64", 1), ("0", 0)] {
        let mut bench = Bench::new(DEVICE);
        bench
            .disk
            .put("/etc/config/cpeagent", &format!("config agent 'agent'\n\toption audit_size '{size}'\n"));
        bench.now.wall = None;
        bench.start();
        bench.event(Event::Local(1, Request::Set(vec![(LEASE.into(), "7200".into())])));
        let recorded = recorded(&mut bench, "local");
        assert_eq!(recorded.len(), count, "{recorded:?}");
    }
}

#[cfg(feature = "cwmp")]
#[test]
fn a_local_request_is_recorded_as_local_and_what_dhcp_tells_as_settings() {
    let mut bench = Bench::new(DEVICE);
    let settings = "config acs 'acs'\n\toption dhcp_discovery '1'\n";
    bench.disk.put("/etc/config/cpeagent", settings);
    bench.start();
    for (asked, manager, want) in [
        (
            format!("{{\"set\":{{\"{LEASE}\":\"7200\"}}}}"),
            "local",
            vec![format!("set {LEASE} \"43200\" -> \"7200\": done")],
        ),
        (format!("{{\"set\":{{\"{LEASE}\":\"x\"}}}}"), "local", vec![format!("set {LEASE} \"x\": refused")]),
        (format!("{{\"add\":\"{POOL}\"}}"), "local", vec![format!("add {POOL}2.: done")]),
        (format!("{{\"delete\":\"{POOL}9.\"}}"), "local", vec![format!("delete {POOL}9.: refused")]),
        (format!("{{\"get\":[\"{LEASE}\"]}}"), "local", vec![]),
        (
            "{\"discovered\":{\"network\":\"wan\",\"43\":\"010a68747470733a2f2f612f\"}}".into(),
            "dhcp wan",
            vec![
                "setting cpeagent.acs.dhcp_from \"ipv4\": done".into(),
                "setting cpeagent.acs.dhcp_url \"https://a/\": done".into(),
                "setting cpeagent.acs.url \"https://a/\": done".into(),
            ],
        ),
    ] {
        let request = Request::from_tree(&json::parse(asked.as_bytes()).unwrap()).unwrap();
        bench.event(Event::Local(1, request));
        assert_eq!(recorded(&mut bench, manager), want, "{asked} {:?}", bench.answers.last());
    }
}

#[cfg(feature = "usp")]
mod usp {
    use super::*;
    use controller::{CONTROLLER, Controller, SETTINGS};
    use cpeagent::usp::pb::request::ReqType;
    use cpeagent::usp::pb::{self, add, set};

    /// A parameter, its value, and whether the object fails with it.
    type Own<'a> = (&'a str, &'a str, bool);

    fn settings(pairs: &[Own<'_>]) -> Vec<set::UpdateParamSetting> {
        let setting = |(param, value, required): &Own<'_>| set::UpdateParamSetting {
            param: (*param).into(),
            value: (*value).into(),
            required: *required,
        };
        pairs.iter().map(setting).collect()
    }

    fn set(allow_partial: bool, objects: &[(&str, &[Own<'_>])]) -> ReqType {
        let update = |(path, pairs): &(&str, &[Own<'_>])| set::UpdateObject {
            obj_path: (*path).into(),
            param_settings: settings(pairs),
        };
        ReqType::Set(pb::Set { allow_partial, update_objs: objects.iter().map(update).collect() })
    }

    fn add(allow_partial: bool, table: &str, pairs: &[Own<'_>]) -> ReqType {
        let own = |own: set::UpdateParamSetting| add::CreateParamSetting {
            param: own.param,
            value: own.value,
            required: own.required,
        };
        let param_settings = settings(pairs).into_iter().map(own).collect();
        let create_objs = vec![add::CreateObject { obj_path: table.into(), param_settings }];
        ReqType::Add(pb::Add { allow_partial, create_objs })
    }

    fn operate(command: &str, inputs: &[(&str, &str)]) -> ReqType {
        let input_args = inputs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let command = command.into();
        ReqType::Operate(pb::Operate { command, command_key: "key".into(), send_resp: true, input_args })
    }

    fn delete(paths: &[&str]) -> ReqType {
        let obj_paths = paths.iter().map(ToString::to_string).collect();
        ReqType::Delete(pb::Delete { allow_partial: true, obj_paths })
    }

    //= TR-369 R-SET.0: with allow_partial each update_obj stands alone.
    #[test]
    fn what_a_controller_asks_for_is_recorded_with_its_error_codes_and_without_secrets() {
        const ONE: &str = "Device.DHCPv4.Server.Pool.1.";
        const BROKER: &str = "Device.MQTT.Client.1.";
        let mut bench = Bench::new(DEVICE);
        bench.disk.put("/etc/config/cpeagent", SETTINGS);
        bench.start();
        let mut one = Controller::web_socket(&mut bench, 1, "controller one one_ws");
        bench.commands.clear();
        let get = ReqType::Get(pb::Get { param_paths: vec![ONE.into()], max_depth: 1 });
        for (asked, want) in [
            (get, vec![]),
            (
                set(false, &[(ONE, &[("LeaseTime", "7200", true), ("Status", "Enabled", true)])]),
                vec![
                    format!("set {LEASE} \"7200\": refused 7013"),
                    format!("set {ONE}Status \"Enabled\": refused 7013"),
                ],
            ),
            (
                set(
                    true,
                    &[
                        (ONE, &[("LeaseTime", "7200", true), ("Status", "Enabled", false)]),
                        (BROKER, &[("Password", "hunter2", true), ("KeepAliveTime", "x", true)]),
                    ],
                ),
                vec![
                    format!("set {LEASE} \"43200\" -> \"7200\": done"),
                    format!("set {ONE}Status \"Enabled\": refused 7013"),
                    format!("set {BROKER}Password \"***\": refused 7011"),
                    format!("set {BROKER}KeepAliveTime \"x\": refused 7011"),
                ],
            ),
            (
                set(false, &[("Device.MQTT.Client.*.", &[("Password", "hunter2", true)])]),
                vec![format!("set {BROKER}Password \"\" -> \"***\": done")],
            ),
            (
                add(true, POOL, &[("Chaddr", "02:00:00:00:00:09", true), ("Nonsense", "1", false)]),
                vec![
                    format!("add {POOL}2.: done"),
                    format!("set {POOL}2.Chaddr \"\" -> \"02:00:00:00:00:09\": done"),
                    format!("set {POOL}2.Nonsense \"1\": refused 7010"),
                ],
            ),
            (
                add(false, POOL, &[("Chaddr", "nonsense", true)]),
                vec![
                    format!("add {POOL}: refused 7012"),
                    format!("set {POOL}Chaddr \"nonsense\": refused 7012"),
                ],
            ),
            (
                delete(&[&format!("{POOL}2."), "Device.Hosts.Host.1."]),
                vec![format!("delete {POOL}2.: done"), "delete Device.Hosts.Host.1.: refused 7024".into()],
            ),
            (delete(&["Device.Hosts.Hosts.1."]), vec!["delete Device.Hosts.Hosts.1.: refused 7026".into()]),
            (
                operate("Device.IP.Diagnostics.IPPing()", &[("Host", "h"), ("X_Token", "hunter2")]),
                vec!["command Device.IP.Diagnostics.IPPing() \"Host=h X_Token=***\": refused 7027".into()],
            ),
            (operate("Device.Nonsense()", &[]), vec!["command Device.Nonsense() \"\": refused 7026".into()]),
            (operate("Device.Reboot()", &[]), vec!["command Device.Reboot() \"\": done".into()]),
        ] {
            let answer = one.ask(&mut bench, "m", asked);
            assert_eq!(recorded(&mut bench, CONTROLLER), want, "{answer:?}");
            // Notices of what was changed.
            bench.commands.clear();
        }
    }
}
