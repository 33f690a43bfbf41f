//! An ACS and a USP controller on one model: what one changes the other sees under the same numbers and aliases.
#![cfg(all(feature = "usp", feature = "cwmp"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/agent.rs"]
mod agent;
#[path = "common/controller.rs"]
mod controller;
#[path = "common/cwmp_schema.rs"]
mod cwmp_schema;
#[path = "common/device.rs"]
mod device;

use agent::Bench;
use controller::{CONTROLLER, Controller, OWN};
use cpeagent::io::disk::Disk;
#[cfg(feature = "mqtt")]
use cpeagent::usp::mtp::LinkCommand;
use cpeagent::usp::pb;
use cpeagent::usp::pb::request::ReqType;
use cpeagent::usp::pb::response::RespType;
use std::time::Duration;

const DEVICE: &str = "wr4000-25.12";
const SSID: &str = "Device.WiFi.SSID.1.SSID";
const MAPPINGS: &str = "Device.NAT.PortMapping.";

/// A router that both manage; the ACS has had its first session, the controller is greeted.
fn managed() -> (Bench, Controller) {
    let mut bench = Bench::new(DEVICE);
    bench.disk.put("/etc/config/cpeagent", &controller::beside_an_acs());
    bench.start();
    bench.informed();
    bench.nothing();
    bench.wait(Duration::from_secs(1));
    let mut one = Controller::web_socket(&mut bench, 1, "controller one one_ws");
    one.record(&mut bench);
    bench.posted.clear();
    bench.said.clear();
    (bench, one)
}

fn get(bench: &mut Bench, one: &mut Controller, path: &str) -> Option<String> {
    let ask = ReqType::Get(pb::Get { param_paths: vec![path.into()], max_depth: 0 });
    let Ok(RespType::GetResp(answer)) = one.ask(bench, "get", ask) else { panic!("no GetResp") };
    let result = answer.req_path_results[0].resolved_path_results.first()?;
    result.result_params.values().next().cloned()
}

fn set(path: &str, name: &str, value: &str) -> ReqType {
    let setting = pb::set::UpdateParamSetting { param: name.into(), value: value.into(), required: true };
    let object = pb::set::UpdateObject { obj_path: path.into(), param_settings: vec![setting] };
    ReqType::Set(pb::Set { allow_partial: false, update_objs: vec![object] })
}

fn operate(command: &str) -> ReqType {
    ReqType::Operate(pb::Operate {
        command: command.into(),
        command_key: "k".into(),
        send_resp: true,
        input_args: Default::default(),
    })
}

fn add(table: &str, alias: &str) -> ReqType {
    let setting = pb::add::CreateParamSetting { param: "Alias".into(), value: alias.into(), required: true };
    let object = pb::add::CreateObject { obj_path: table.into(), param_settings: vec![setting] };
    ReqType::Add(pb::Add { allow_partial: false, create_objs: vec![object] })
}

/// The path of the row that was added.
fn added(answer: &pb::AddResp) -> String {
    use pb::add_resp::created_object_result::operation_status::OperStatus;
    match answer.created_obj_results[0].oper_status.clone().unwrap().oper_status.unwrap() {
        OperStatus::OperSuccess(made) => made.instantiated_path,
        OperStatus::OperFailure(failed) => panic!("{failed:?}"),
    }
}

fn ask_value(path: &str) -> String {
    format!(
        "<cwmp:GetParameterValues><ParameterNames><string>{path}</string></ParameterNames></cwmp:GetParameterValues>"
    )
}

fn set_value(path: &str, value: &str) -> String {
    format!(
        "<cwmp:SetParameterValues><ParameterList><ParameterValueStruct><Name>{path}</Name>\
         <Value xsi:type=\"xsd:string\">{value}</Value></ParameterValueStruct></ParameterList>\
         <ParameterKey>k</ParameterKey></cwmp:SetParameterValues>"
    )
}

fn watch(path: &str) -> String {
    format!(
        "<cwmp:SetParameterAttributes><ParameterList><SetParameterAttributesStruct><Name>{path}</Name>\
         <NotificationChange>1</NotificationChange><Notification>2</Notification>\
         <AccessListChange>0</AccessListChange><AccessList></AccessList></SetParameterAttributesStruct>\
         </ParameterList></cwmp:SetParameterAttributes>"
    )
}

/// The text of the first element of that name.
fn element<'t>(text: &'t str, name: &str) -> &'t str {
    let rest = text.split(&format!("<{name}")).nth(1).unwrap_or_else(|| panic!("no {name}: {text}"));
    rest.split_once('>').unwrap().1.split("</").next().unwrap()
}

#[test]
fn what_one_sets_the_other_reads_even_within_a_session() {
    let (mut bench, mut one) = managed();
    bench.open();
    let told = bench.ask(&set_value(SSID, "by the ACS"));
    assert!(told.contains("SetParameterValuesResponse"), "{told}");
    assert_eq!(get(&mut bench, &mut one, SSID).as_deref(), Some("by the ACS"));
    one.ask(&mut bench, "set", set("Device.WiFi.SSID.1.", "SSID", "by the controller")).unwrap();
    let told = bench.ask(&ask_value(SSID));
    assert_eq!(element(&told, "Value"), "by the controller", "{told}");
    bench.nothing();
    assert!(bench.disk.read_text("/etc/config/wireless").unwrap().contains("by the controller"));
}

#[test]
fn a_row_has_one_number_and_one_alias_for_both() {
    let (mut bench, mut one) = managed();
    bench.open();
    let told = bench.ask(&format!(
        "<cwmp:AddObject><ObjectName>{MAPPINGS}</ObjectName><ParameterKey>k</ParameterKey></cwmp:AddObject>"
    ));
    let first = element(&told, "InstanceNumber").to_string();
    let told = bench.ask(&set_value(&format!("{MAPPINGS}{first}.Alias"), "of-the-acs"));
    assert!(told.contains("SetParameterValuesResponse"), "{told}");
    let alias = get(&mut bench, &mut one, &format!("{MAPPINGS}[Alias==\"of-the-acs\"].Alias"));
    assert_eq!(alias.as_deref(), Some("of-the-acs"));

    let Ok(RespType::AddResp(answer)) = one.ask(&mut bench, "add", add(MAPPINGS, "of-the-controller")) else {
        panic!("no AddResp")
    };
    let path = added(&answer);
    assert_ne!(path, format!("{MAPPINGS}{first}."));
    let told = bench.ask(&ask_value(&format!("{path}Alias")));
    assert_eq!(element(&told, "Value"), "of-the-controller", "{told}");

    // What one deletes is gone for the other, and its number is not given again.
    let gone = ReqType::Delete(pb::Delete { allow_partial: false, obj_paths: vec![path.clone()] });
    one.ask(&mut bench, "delete", gone).unwrap();
    assert!(bench.ask(&ask_value(&path)).contains("<FaultCode>9005</FaultCode>"));
    let told = bench.ask(&format!(
        "<cwmp:AddObject><ObjectName>{MAPPINGS}</ObjectName><ParameterKey>k</ParameterKey></cwmp:AddObject>"
    ));
    assert_ne!(format!("{MAPPINGS}{}.", element(&told, "InstanceNumber")), path);
}

//= TR-069 A.3.2.4: active notification opens a session when somebody else than the ACS changed the value.
#[test]
fn the_acs_is_told_what_the_controller_changed_and_not_what_it_changed_itself() {
    let (mut bench, mut one) = managed();
    bench.open();
    let told = bench.ask(&watch(SSID));
    assert!(told.contains("SetParameterAttributesResponse"), "{told}");
    bench.ask(&set_value(SSID, "by the ACS"));
    bench.nothing();
    bench.wait(Duration::from_secs(5));
    bench.posted.clear();
    bench.wait(Duration::from_secs(120));
    assert!(!bench.posted.iter().any(|text| text.contains("4 VALUE CHANGE")), "{:?}", bench.posted);

    one.ask(&mut bench, "set", set("Device.WiFi.SSID.1.", "SSID", "by the controller")).unwrap();
    bench.wait(Duration::from_secs(120));
    let inform = bench.posted.iter().find(|text| text.contains("4 VALUE CHANGE")).expect("an Inform");
    assert!(inform.contains("by the controller"), "{inform}");
}

//= TR-181 IP.Interface.{i}.Stats.Reset(): the counters of this object begin at zero.
#[test]
fn counters_that_one_resets_begin_at_zero_for_both_until_the_agent_starts_again() {
    const STATS: &str = "Device.IP.Interface.1.Stats.";
    const OTHERS: &str = "Device.Ethernet.Link.1.Stats.BytesReceived";
    let sent = format!("{STATS}BytesSent");
    for by_acs in [true, false] {
        let (mut bench, mut one) = managed();
        bench.open();
        let before = get(&mut bench, &mut one, &sent).unwrap();
        let others = get(&mut bench, &mut one, OTHERS).unwrap();
        assert!(before != "0" && others != "0", "{before} {others}");
        if by_acs {
            let set =
                |value: &str| set_value(&format!("{STATS}Reset"), value).replace("xsd:string", "xsd:boolean");
            for value in ["2", "kit", ""] {
                let told = bench.ask(&set(value));
                assert!(told.contains("<FaultCode>9006</FaultCode>"), "{value}: {told}");
            }
            let told = bench.ask(&set("false"));
            assert_eq!(element(&told, "Status"), "0", "{told}");
            assert_eq!(element(&bench.ask(&ask_value(&sent)), "Value"), before, "false does nothing");
            let told = bench.ask(&set("true"));
            assert_eq!(element(&told, "Status"), "0", "{told}");
        } else {
            one.ask(&mut bench, "operate", operate(&format!("{STATS}Reset()"))).unwrap();
        }
        assert_eq!(element(&bench.ask(&ask_value(&format!("{STATS}Reset"))), "Value"), "false");
        assert_eq!(element(&bench.ask(&ask_value(&sent)), "Value"), "0");
        assert_eq!(get(&mut bench, &mut one, &sent).as_deref(), Some("0"));
        assert_eq!(get(&mut bench, &mut one, OTHERS), Some(others), "no other object");
        assert_eq!(get(&mut bench, &mut one, &format!("{STATS}Reset")), None, "a command of TR-069");
        // It is kept in memory.
        bench.start();
        bench.informed();
        assert_eq!(element(&bench.ask(&ask_value(&sent)), "Value"), before);
    }
}

//= TR-106 3.2: a command reads as false, and is carried out when true is written.
#[test]
fn what_is_renewed_or_made_anew_for_the_acs_is_so_after_its_session() {
    for (path, want) in [
        (
            "Device.IP.Interface.2.Reset",
            "called ubus:network.interface.lan down, ubus:network.interface.lan up",
        ),
        ("Device.DHCPv4.Client.1.Renew", "called ubus:network.interface.wan renew"),
        ("Device.DHCPv6.Client.1.Renew", "called ubus:network.interface.wan6 renew"),
    ] {
        let (mut bench, _) = managed();
        bench.open();
        let set = |value: &str| set_value(path, value).replace("xsd:string", "xsd:boolean");
        for value in ["false", "true"] {
            assert!(bench.ask(&set(value)).contains("SetParameterValuesResponse"), "{path}");
            assert_eq!(element(&bench.ask(&ask_value(path)), "Value"), "false", "{path}");
            assert!(!bench.said.contains("called"), "{path}: {}", bench.said);
            if value == "false" {
                bench.nothing();
                assert!(!bench.said.contains("called"), "{path}: {}", bench.said);
                bench.open();
            }
        }
        bench.nothing();
        assert!(bench.said.contains(want), "{path}: {}", bench.said);
    }
}

//= TR-181 2.19 ManagementServer: it is of CWMP alone, as LocalAgent is of USP alone.
#[test]
fn neither_sees_the_settings_of_the_other() {
    let (mut bench, mut one) = managed();
    assert_eq!(get(&mut bench, &mut one, "Device.ManagementServer.EnableCWMP"), None);
    bench.open();
    let told = bench.ask(&ask_value("Device.LocalAgent.EndpointID"));
    assert!(told.contains("<FaultCode>9005</FaultCode>"), "{told}");
}

#[test]
fn either_can_be_switched_off_by_itself_and_the_other_keeps_every_number() {
    for stays in ["usp", "cwmp"] {
        let (mut bench, mut one) = managed();
        let Ok(RespType::AddResp(answer)) = one.ask(&mut bench, "add", add(MAPPINGS, "kept")) else {
            panic!("no AddResp")
        };
        let alias = format!("{}Alias", added(&answer));
        bench.open();
        if stays == "usp" {
            // The last thing that the ACS does.
            let off =
                set_value("Device.ManagementServer.EnableCWMP", "0").replace("xsd:string", "xsd:boolean");
            let told = bench.ask(&off);
            assert!(told.contains("SetParameterValuesResponse"), "{told}");
            bench.nothing();
        } else {
            bench.nothing();
            // The last thing that the controllers do: their ways are closed.
            let off = |way: &&str| pb::set::UpdateObject {
                obj_path: format!("Device.LocalAgent.{way}"),
                param_settings: vec![pb::set::UpdateParamSetting {
                    param: "Enable".into(),
                    value: "false".into(),
                    required: true,
                }],
            };
            let ways = ["Controller.*.", "MTP.*."];
            let off = pb::Set { allow_partial: false, update_objs: ways.iter().map(off).collect() };
            one.send_as(&mut bench, CONTROLLER, OWN, "off", ReqType::Set(off));
        }
        bench.wait(Duration::from_secs(10));
        bench.reboot(7);
        bench.posted.clear();
        bench.start();
        if stays == "usp" {
            assert!(bench.posted.is_empty(), "{:?}", bench.posted);
            let mut one = Controller::web_socket(&mut bench, 1, "controller one one_ws");
            assert_eq!(one.record(&mut bench).from_id, OWN);
            assert_eq!(get(&mut bench, &mut one, &alias).as_deref(), Some("kept"));
        } else {
            let text = bench.disk.read_text("/etc/config/cpeagent").unwrap();
            assert!(bench.links.is_empty(), "{:?} {text}", bench.links);
            bench.informed();
            let told = bench.ask(&ask_value(&alias));
            assert_eq!(element(&told, "Value"), "kept", "{told}");
        }
    }
}

/// The settings among the examples of docs/MIGRATION.md, one after the other.
fn examples() -> String {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/MIGRATION.md");
    let page = std::fs::read_to_string(page).unwrap();
    page.split("```\n").filter(|block| block.starts_with("config ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_examples_of_the_migration_page_are_settings_that_work_side_by_side() {
    let mut bench = Bench::new(DEVICE);
    bench.disk.put("/etc/config/cpeagent", &examples());
    bench.start();
    assert!(bench.posted[0].contains("0 BOOTSTRAP"), "{:?}", bench.posted);
    let links: Vec<&str> = bench.links.iter().map(|link| link.name()).collect();
    assert_eq!(links, ["controller operator operator_ws", "mtp broker"]);
    assert!(!bench.said.contains("log WARN") && !bench.said.contains("log ERROR"), "{}", bench.said);
}

//= TR-181 MQTT.Client.{i}.ForceReconnect(): a connection that stands is ended, and made anew at once.
#[cfg(feature = "mqtt")]
#[test]
fn the_acs_has_a_broker_connected_anew_once_its_session_has_ended() {
    let (mut bench, _one) = managed();
    Controller::mqtt(&mut bench, 2);
    bench.open();
    let closes = |bench: &Bench| {
        let closes = |command: &&LinkCommand| matches!(command, LinkCommand::Close { link: 2, .. });
        bench.commands.iter().filter(closes).count()
    };
    let path = "Device.MQTT.Client.1.ForceReconnect";
    for (value, kept) in [("false", 0), ("true", 1)] {
        let told = bench.ask(&set_value(path, value).replace("xsd:string", "xsd:boolean"));
        assert!(told.contains("SetParameterValuesResponse"), "{told}");
        assert_eq!(element(&bench.ask(&ask_value(path)), "Value"), "false", "a command reads as false");
        assert_eq!(closes(&bench), 0, "not before the session has ended");
        if kept == 1 {
            bench.nothing();
            assert_eq!(closes(&bench), 1);
        }
    }
}
