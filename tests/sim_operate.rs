//! Commands that USP controllers call: the whole agent, with measuring played by the test.
#![cfg(feature = "usp")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/agent.rs"]
mod agent;
#[path = "common/controller.rs"]
mod controller;
#[path = "common/cwmp_schema.rs"]
mod cwmp_schema;
#[path = "common/device.rs"]
mod device;

use agent::{Bench, Gone};
use controller::{CONTROLLER, Controller, OWN, SETTINGS};
use cpeagent::agent::Event;
use cpeagent::diag::{COMPLETE, Task, Verdict};
use cpeagent::io::disk::Disk;
use cpeagent::usp::msg::{self, Said};
use cpeagent::usp::mtp::{LinkCommand, NORMAL};
use cpeagent::usp::pb;
use cpeagent::usp::pb::notify::Notification;
use cpeagent::usp::pb::notify::operation_complete::OperationResp as Ended;
use cpeagent::usp::pb::operate_resp::operation_result::OperationResp;
use cpeagent::usp::pb::request::ReqType;
use cpeagent::usp::pb::response::RespType;

use std::time::Duration;

const DEVICE: &str = "wr4000-25.12";
const PING: &str = "Device.IP.Diagnostics.IPPing()";
const PING_ARGUMENTS: &[(&str, &str)] = &[
    ("Host", "127.0.0.1"),
    ("ProtocolVersion", "Any"),
    ("NumberOfRepetitions", "2"),
    ("Timeout", "500"),
    ("DataBlockSize", "64"),
    ("Stranger", "1"),
];

fn operate(command: &str, arguments: &[(&str, &str)], send_resp: bool) -> ReqType {
    let input_args = arguments.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    ReqType::Operate(pb::Operate {
        command: command.into(),
        command_key: "key".into(),
        send_resp,
        input_args,
    })
}

fn start() -> (Bench, Controller) {
    let mut bench = Bench::new(DEVICE);
    bench.disk.put("/etc/config/cpeagent", SETTINGS);
    bench.start();
    let one = link(&mut bench);
    (bench, one)
}

fn link(bench: &mut Bench) -> Controller {
    bench.commands.clear();
    let one = Controller::web_socket(bench, 1, "controller one one_ws");
    bench.commands.clear();
    one
}

fn call(
    bench: &mut Bench,
    one: &mut Controller,
    command: &str,
    arguments: &[(&str, &str)],
) -> Vec<OperationResp> {
    match one.ask(bench, "m", operate(command, arguments, true)).unwrap() {
        RespType::OperateResp(resp) => {
            resp.operation_results.into_iter().map(|it| it.operation_resp.unwrap()).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn code(resp: &OperationResp) -> u32 {
    match resp {
        OperationResp::CmdFailure(failure) => failure.err_code,
        OperationResp::ReqObjPath(_) | OperationResp::ReqOutputArgs(_) => 0,
    }
}

/// Begins a ping; the path of its request.
fn ping(bench: &mut Bench, one: &mut Controller) -> String {
    match call(bench, one, PING, PING_ARGUMENTS).as_slice() {
        [OperationResp::ReqObjPath(path)] => path.clone(),
        other => panic!("{other:?}"),
    }
}

/// The parameters of an object; nothing if it is not there.
fn get(bench: &mut Bench, one: &mut Controller, path: &str) -> Vec<(String, String)> {
    let get = pb::Get { param_paths: vec![path.into()], max_depth: 0 };
    let Ok(RespType::GetResp(resp)) = one.ask(bench, "g", ReqType::Get(get)) else { panic!("no GetResp") };
    let results = resp.req_path_results[0].resolved_path_results.iter();
    results.flat_map(|result| result.result_params.clone()).collect()
}

fn requests(bench: &mut Bench, one: &mut Controller) -> usize {
    let rows = get(bench, one, "Device.LocalAgent.Request.*.Command");
    rows.len()
}

/// Has `one` told of everything that ends.
fn subscribe(bench: &mut Bench, one: &mut Controller) {
    let setting = |param: &str, value: &str| pb::add::CreateParamSetting {
        param: param.into(),
        value: value.into(),
        required: true,
    };
    let param_settings = vec![
        setting("ID", "ends"),
        setting("NotifType", "OperationComplete"),
        setting("ReferenceList", "Device."),
        setting("Persistent", "true"),
        setting("Enable", "true"),
    ];
    let object = pb::add::CreateObject { obj_path: "Device.LocalAgent.Subscription.".into(), param_settings };
    let added =
        one.ask(bench, "s", ReqType::Add(pb::Add { allow_partial: false, create_objs: vec![object] }));
    assert!(matches!(added, Ok(RespType::AddResp(_))), "{added:?}");
}

/// The OperationComplete that was sent: command, key, and results or the code of the failure.
fn ended(bench: &mut Bench) -> Vec<(String, String, Result<Vec<String>, u32>)> {
    bench.wait(Duration::from_secs(1));
    let mut out = Vec::new();
    for command in std::mem::take(&mut bench.commands) {
        let LinkCommand::Send { record, .. } = command else { continue };
        let record = pb::record::Record::decode(record.as_slice()).unwrap();
        let Some(pb::record::record::RecordType::NoSessionContext(context)) = record.record_type else {
            continue;
        };
        let Said::Request(ReqType::Notify(notify)) = msg::read(&context.payload).unwrap().said else {
            continue;
        };
        let Some(Notification::OperComplete(complete)) = notify.notification else { continue };
        let result = match complete.operation_resp.unwrap() {
            Ended::ReqOutputArgs(args) => {
                Ok(args.output_args.iter().map(|(name, value)| format!("{name}={value}")).collect())
            }
            Ended::CmdFailure(failure) => Err(failure.err_code),
        };
        assert!(complete.obj_path.ends_with('.') && !complete.command_name.contains('.'));
        out.push((format!("{}{}", complete.obj_path, complete.command_name), complete.command_key, result));
    }
    out
}

//= TR-369 R-OPR.0: a command that takes its time gets a row of Request before it is answered.
//= TR-369 R-OPR.0: the row is removed when the command is done, either way.
//= TR-369 R-OPR.6: an argument that is not known is ignored.
#[test]
fn a_command_that_takes_its_time_has_a_row_until_its_end_is_told() {
    let (mut bench, mut one) = start();
    subscribe(&mut bench, &mut one);
    let row = ping(&mut bench, &mut one);
    assert!(row.starts_with("Device.LocalAgent.Request.") && !row.ends_with('.'), "{row}");
    let mut values = get(&mut bench, &mut one, &format!("{row}."));
    values.retain(|(name, _)| name != "Alias");
    let want = [("Command", PING), ("CommandKey", "key"), ("Originator", CONTROLLER), ("Status", "Active")];
    assert_eq!(values, want.map(|(name, value)| (name.to_string(), value.to_string())));
    let [order] = bench.orders.as_slice() else { panic!("{:?}", bench.orders) };
    assert!(matches!(&order.task, Task::Ping(ask) if ask.count == 2), "{order:?}");
    bench.event(Event::Diagnosed(1, Verdict::new(COMPLETE, [("SuccessCount", "2".into())])));
    let results = vec!["Status=Complete".to_string(), "SuccessCount=2".to_string()];
    assert_eq!(ended(&mut bench), [(PING.to_string(), "key".to_string(), Ok(results))]);
    assert_eq!(requests(&mut bench, &mut one), 0);
}

//= TR-181 IP.Diagnostics.IPPing(): Output.Status says whether and why it failed.
#[test]
fn a_diagnostic_that_failed_tells_its_word_as_a_result_and_nothing_it_measured() {
    let (mut bench, mut one) = start();
    subscribe(&mut bench, &mut one);
    ping(&mut bench, &mut one);
    let failed = Verdict::new("Error_CannotResolveHostName", [("SuccessCount", "2".into())]);
    bench.event(Event::Diagnosed(1, failed));
    let results = vec!["Status=Error_CannotResolveHostName".to_string()];
    assert_eq!(ended(&mut bench), [(PING.to_string(), "key".to_string(), Ok(results))]);
}

//= TR-369 R-OPR.3: a command that runs is ended by Cancel() alone, and 7023 tells so.
#[test]
fn a_canceled_command_ends_with_7023() {
    let (mut bench, mut one) = start();
    subscribe(&mut bench, &mut one);
    let row = ping(&mut bench, &mut one);
    let answers = call(&mut bench, &mut one, &format!("{row}.Cancel()"), &[]);
    assert!(matches!(answers.as_slice(), [OperationResp::ReqOutputArgs(_)]), "{answers:?}");
    assert!(bench.said.contains("stopped diagnosis 1"), "{}", bench.said);
    assert_eq!(ended(&mut bench), [(PING.to_string(), "key".to_string(), Err(7023))]);
    assert_eq!(requests(&mut bench, &mut one), 0);
    bench.event(Event::Diagnosed(1, Verdict::bare(COMPLETE)));
    assert_eq!(ended(&mut bench), []);
}

//= TR-369 R-OPR.5: a mandatory argument that is missing fails the command with 7027.
//= TR-369 R-OPR.1: what fails in one of the objects is told for that object and is no Error message.
#[test]
fn what_is_wrong_with_a_command_is_told_where_it_belongs() {
    let (mut bench, mut one) = start();
    assert_eq!(code(&call(&mut bench, &mut one, PING, &PING_ARGUMENTS[1..])[0]), 7027);
    assert_eq!(code(&call(&mut bench, &mut one, PING, &[("Host", "a"), ("Timeout", "never")])[0]), 7027);
    //= TR-369 18: 7027 is a command that cannot be run with its arguments.
    let nowhere = [("Host", "a"), ("Interface", "Device.IP.Interface.99")];
    assert_eq!(code(&call(&mut bench, &mut one, PING, &nowhere)[0]), 7027);
    for (command, want) in [
        ("Device.IP.Diagnostics.NoSuch()", 7026),
        ("Device.IP.Interface.99.Reset()", 7016),
        ("Device.IP.Diagnostics.", 7008),
        ("Device.[", 7008),
    ] {
        let error = one.ask(&mut bench, "e", operate(command, &[], true)).unwrap_err();
        assert_eq!(error.err_code, want, "{command}");
    }
    assert_eq!(requests(&mut bench, &mut one), 0);
}

//= TR-369 R-SEC.1: permissions are asked before anything is done.
//= TR-369 R-GET.1: what may not be seen is as if it were not there.
#[test]
fn a_controller_without_a_role_can_call_nothing() {
    let (mut bench, _) = start();
    let mut two = Controller::web_socket(&mut bench, 2, "controller two two_ws");
    bench.commands.clear();
    let error = two.ask(&mut bench, "m", operate("Device.Reboot()", &[], true)).unwrap_err();
    assert_eq!(error.err_code, 7006);
    // Nor does it learn by trying which rows there are.
    for row in [1, 99] {
        for (command, want) in [("Stats.Reset()", 7006), ("Nothing()", 7026)] {
            let command = format!("Device.WiFi.SSID.{row}.{command}");
            let error = two.ask(&mut bench, "m", operate(&command, &[], true)).unwrap_err();
            assert_eq!(error.err_code, want, "{command}");
        }
    }
    bench.wait(Duration::from_secs(10));
    assert_eq!(bench.gone, None);
}

//= TR-369 R-OPR.1: a refusal is told in the response, as the failure of that object.
//= TR-369 R-GET.1: what may be called may be known of.
#[test]
fn a_command_that_may_be_seen_but_not_called_is_a_failure_and_one_that_may_be_called_need_not_be_seen() {
    for (letters, want) in [("r---", 7006), ("--x-", 0)] {
        let mut bench = Bench::new(DEVICE);
        let command = format!("option command '{letters}'");
        bench.disk.put("/etc/config/cpeagent", &SETTINGS.replace("option command 'rwxn'", &command));
        bench.start();
        let mut one = link(&mut bench);
        assert_eq!(code(&call(&mut bench, &mut one, "Device.Reboot()", &[])[0]), want, "{letters}");
        bench.wait(Duration::from_secs(10));
        assert_eq!(bench.gone.is_some(), want == 0, "{letters}");
    }
}

//= TR-369 R-OPR.4: without send_resp there is no response, save that a failure may be told.
//= TR-369 R-OPR.2: one row for each object and command.
#[test]
fn without_send_resp_only_failures_are_answered() {
    let (mut bench, mut one) = start();
    one.send_as(&mut bench, CONTROLLER, OWN, "m1", operate(PING, PING_ARGUMENTS, false));
    assert!(one.nothing(&mut bench));
    assert_eq!(bench.orders.len(), 1);
    one.send_as(&mut bench, CONTROLLER, OWN, "m2", operate(PING, &[], false));
    assert!(!one.nothing(&mut bench));
    bench.commands.clear();
    let again = ping(&mut bench, &mut one);
    assert_eq!((requests(&mut bench, &mut one), bench.orders.len()), (2, 2), "{again}");
}

#[test]
fn more_commands_than_can_run_are_refused() {
    let (mut bench, mut one) = start();
    for _ in 0..16 {
        ping(&mut bench, &mut one);
    }
    assert_eq!(code(&call(&mut bench, &mut one, PING, PING_ARGUMENTS)[0]), 7005);
    assert_eq!(bench.orders.len(), 16);
}

//= TR-369 R-OPR.1: what fails in one of the objects is told for that object and is no Error message.
#[test]
fn a_search_calls_the_command_of_every_object() {
    let (mut bench, mut one) = start();
    let answers = call(&mut bench, &mut one, "Device.IP.Interface.*.Reset()", &[]);
    assert!(answers.len() > 1 && answers.iter().all(|answer| code(answer) == 0), "{answers:?}");
    assert!(bench.said.contains("called ubus:network.interface."), "{}", bench.said);
}

//= TR-181 MQTT.Client.{i}.ForceReconnect(): a connection that stands is ended, and made anew at once.
#[test]
fn a_client_of_a_broker_is_connected_anew_once_its_call_is_answered() {
    let (mut bench, mut one) = start();
    Controller::mqtt(&mut bench, 2);
    bench.commands.clear();
    let answers = call(&mut bench, &mut one, "Device.MQTT.Client.1.ForceReconnect()", &[]);
    assert!(matches!(answers.as_slice(), [OperationResp::ReqOutputArgs(_)]), "{answers:?}");
    assert!(
        matches!(bench.commands.as_slice(), [LinkCommand::Close { link: 2, .. }]),
        "{:?}",
        bench.commands
    );
}

//= TR-181 LocalAgent.Controller.{i}.MTP.{i}.WebSocket.Reset(): a session that stands is ended, and made anew at once.
#[test]
fn the_session_of_a_way_is_opened_anew_once_its_call_is_answered() {
    let (mut bench, mut one) = start();
    bench.commands.clear();
    let reset = "Device.LocalAgent.Controller.1.MTP.1.WebSocket.Reset()";
    let answers = call(&mut bench, &mut one, reset, &[]);
    assert!(matches!(answers.as_slice(), [OperationResp::ReqOutputArgs(_)]), "{answers:?}");
    let [LinkCommand::Close { link: 1, code: NORMAL, .. }] = bench.commands.as_slice() else {
        panic!("{:?}", bench.commands)
    };
}

//= TR-181 IP.Interface.{i}.Stats.Reset(): the counters of this object begin at zero.
#[test]
fn counters_that_were_reset_count_from_zero_until_they_begin_anew_by_themselves() {
    const STATS: &str = "Device.IP.Interface.1.Stats.";
    const STATUS: &str = "/ubus/network.device.status.json";
    let (mut bench, mut one) = start();
    let counter = |bench: &mut Bench, one: &mut Controller, name: &str| {
        get(bench, one, &format!("{STATS}{name}"))[0].1.parse::<u64>().unwrap()
    };
    let set = |bench: &mut Bench, octets: u64| {
        let text = bench.disk.read_text(STATUS).unwrap();
        let now: Vec<&str> = text.split("\"rx_bytes\":").collect();
        let rest =
            now[1..].iter().map(|rest| rest.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit()));
        let all: String = rest.map(|rest| format!("\"rx_bytes\": {octets}{rest}")).collect();
        bench.disk.put(STATUS, &format!("{}{all}", now[0]));
    };
    set(&mut bench, 5_000);
    assert_eq!(counter(&mut bench, &mut one, "BytesReceived"), 5_000);
    let answers = call(&mut bench, &mut one, &format!("{STATS}Reset()"), &[]);
    assert!(matches!(answers.as_slice(), [OperationResp::ReqOutputArgs(_)]), "{answers:?}");
    assert!(get(&mut bench, &mut one, STATS).iter().all(|(_, value)| value == "0"));
    assert_eq!(counter(&mut bench, &mut one, "BytesReceived"), 0);
    // Others of the same device are what they were.
    assert_eq!(get(&mut bench, &mut one, "Device.IP.Interface.2.Stats.BytesReceived")[0].1, "5000");
    set(&mut bench, 5_300);
    assert_eq!(counter(&mut bench, &mut one, "BytesReceived"), 300);
    // Made anew, it counts from zero, and is believed from then on.
    set(&mut bench, 40);
    assert_eq!(counter(&mut bench, &mut one, "BytesReceived"), 40);
    bench.event(Event::Changed(cpeagent::sorted::Set::from(["link:br-lan".into()])));
    bench.wait(Duration::from_secs(1));
    set(&mut bench, 7_000);
    assert_eq!(counter(&mut bench, &mut one, "BytesReceived"), 7_000);
}

//= TR-369 13: Reboot() and FactoryReset() are answered first, then done.
#[test]
fn a_restart_is_answered_and_then_made() {
    for (command, want) in [("Device.Reboot()", Gone::Reboot), ("Device.FactoryReset()", Gone::FactoryReset)]
    {
        let (mut bench, mut one) = start();
        let answers = call(&mut bench, &mut one, command, &[]);
        assert!(matches!(answers.as_slice(), [OperationResp::ReqOutputArgs(_)]), "{answers:?}");
        assert_eq!(bench.gone, None, "not before the answer had time to leave");
        bench.wait(Duration::from_secs(3));
        assert_eq!(bench.gone, Some(want));
    }
}

//= TR-369 13: commands do not outlive a restart; ScheduleTimer() does.
#[test]
fn a_timer_outlives_a_restart_and_nothing_else_does() {
    let (mut bench, mut one) = start();
    subscribe(&mut bench, &mut one);
    ping(&mut bench, &mut one);
    let answers = call(&mut bench, &mut one, "Device.ScheduleTimer()", &[("DelaySeconds", "300")]);
    assert!(matches!(answers.as_slice(), [OperationResp::ReqObjPath(_)]), "{answers:?}");
    bench.wait(Duration::from_secs(100));
    bench.start();
    let mut one = link(&mut bench);
    assert_eq!(requests(&mut bench, &mut one), 1);
    bench.wait(Duration::from_secs(190));
    assert_eq!(ended(&mut bench), []);
    bench.wait(Duration::from_secs(10));
    assert_eq!(ended(&mut bench), [("Device.ScheduleTimer()".to_string(), "key".to_string(), Ok(vec![]))]);
    assert_eq!(requests(&mut bench, &mut one), 0);
}
