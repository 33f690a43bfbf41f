//! Challenges: controllers that get a role by a secret, and those that try to, over the whole agent with virtual time.
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

use agent::Bench;
use controller::{Controller, SETTINGS, answered, operate};
use cpeagent::digest;
use cpeagent::usp::pb;
use cpeagent::usp::pb::request::ReqType;
use cpeagent::usp::pb::response::RespType;
use std::collections::BTreeSet;
use std::time::Duration;

const DEVICE: &str = "wr4000-25.12";
const REQUEST: &str = "Device.LocalAgent.ControllerTrust.RequestChallenge()";
const RESPONSE: &str = "Device.LocalAgent.ControllerTrust.ChallengeResponse()";
const SECOND: Duration = Duration::from_secs(1);

/// `two` and `four` may see and take challenges 1 to 4, and not 5; nobody else has their role.
const CHALLENGES: &str = "
config controller 'four'
\toption enable '1'
\toption endpoint_id 'self::four'
\toption onboarding_complete '1'

config controller_mtp 'four_ws'
\toption controller 'four'
\toption enable '1'
\toption host 'four.example.com'
\toption encryption '0'

config role 'guest'
\toption enable '1'

config role 'wifi'
\toption enable '1'

config permission 'wifi_read'
\toption role 'wifi'
\toption enable '1'
\tlist target 'Device.WiFi.'
\toption param 'rw--'
\toption object 'r---'
\toption instance 'r---'

config permission 'wifi_again'
\toption role 'wifi'
\toption enable '1'
\tlist target 'Device.LocalAgent.ControllerTrust.ChallengeResponse()'
\toption command 'r-x-'

config permission 'guest_rows'
\toption role 'guest'
\toption enable '1'
\tlist target 'Device.LocalAgent.ControllerTrust.Challenge.1.Description'
\tlist target 'Device.LocalAgent.ControllerTrust.Challenge.2.Description'
\tlist target 'Device.LocalAgent.ControllerTrust.Challenge.3.Alias'
\tlist target 'Device.LocalAgent.ControllerTrust.Challenge.4.Alias'
\toption param 'r---'

config permission 'guest_commands'
\toption role 'guest'
\toption enable '1'
\toption order '1'
\tlist target 'Device.LocalAgent.ControllerTrust.RequestChallenge()'
\tlist target 'Device.LocalAgent.ControllerTrust.ChallengeResponse()'
\toption command 'r-x-'

config challenge 'label'
\toption enable '1'
\tlist role 'wifi'
\toption value 'b3BlbiBzZXNhbWU='
\toption instruction 'bG9vayBiZWxvdw=='

config challenge 'other'
\toption enable '1'
\tlist role 'wifi'
\toption value 'b3RoZXI='
\toption retries '1'
\toption lockout '0'

config challenge 'off'
\tlist role 'full'
\toption value 'b3RoZXI='

config challenge 'empty'
\toption enable '1'
\tlist role 'full'

config challenge 'hidden'
\toption enable '1'
\tlist role 'full'
\toption value 'b3RoZXI='
";

fn settings() -> String {
    let guests =
        SETTINGS.replacen("config usp 'usp'\n", "config usp 'usp'\n\toption untrusted_role 'guest'\n", 1);
    guests + CHALLENGES
}

fn bench_with(settings: &str) -> Bench {
    let mut bench = Bench::new(DEVICE);
    bench.disk.put("/etc/config/cpeagent", settings);
    bench.start();
    bench
}

fn link(bench: &mut Bench, number: u64, name: &str) -> Controller {
    let mut controller = Controller::web_socket(bench, number, &format!("controller {name} {name}_ws"));
    controller.record(bench);
    controller
}

/// Requests a challenge; its ChallengeID.
fn request(
    bench: &mut Bench,
    who: &mut Controller,
    row: u32,
    expiration: Option<&str>,
) -> Result<String, u32> {
    let path = format!("Device.LocalAgent.ControllerTrust.Challenge.{row}");
    let mut arguments = vec![("ChallengeRef", path.as_str())];
    arguments.extend(expiration.map(|seconds| ("RequestExpiration", seconds)));
    let results = answered(who.ask(bench, "request", operate(REQUEST, &arguments)))?;
    let names: Vec<&str> = results.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["ChallengeID", "Instruction", "InstructionType", "ValueType"]);
    Ok(results[0].1.clone())
}

fn respond(bench: &mut Bench, who: &mut Controller, id: &str, value: &str) -> Result<(), u32> {
    let value = digest::base64(value.as_bytes());
    let ask = operate(RESPONSE, &[("ChallengeID", id), ("Value", &value)]);
    answered(who.ask(bench, "respond", ask)).map(|results| assert_eq!(results, []))
}

/// Whether the wireless settings can be read.
fn reads(bench: &mut Bench, who: &mut Controller) -> bool {
    let get = ReqType::Get(pb::Get { param_paths: vec!["Device.WiFi.SSID.1.SSID".into()], max_depth: 0 });
    let Ok(RespType::GetResp(resp)) = who.ask(bench, "get", get) else { panic!("no GetResp") };
    resp.req_path_results[0].err_code == 0 && !resp.req_path_results[0].resolved_path_results.is_empty()
}

//= TR-369 R-SEC.24a: the role of a challenge replaces the UntrustedRole, and is put beside any other.
//= TR-369 R-SEC.7: what somebody begins with can be raised.
//= TR-369 R-SEC.24: a role counts for the next message already.
#[test]
fn the_right_answer_gives_the_role_at_once_and_for_good_and_only_once() {
    for before in ["", "\tlist role 'guest'\n", "\tlist role 'guest'\n\tlist role 'kept'\n"] {
        let own = "option endpoint_id 'self::two'\n";
        let settings = settings().replacen(own, &format!("{own}{before}"), 1)
            + "\nconfig role 'kept'\n\toption enable '1'\n";
        let mut bench = bench_with(&settings);
        let mut two = link(&mut bench, 1, "two");
        assert!(!reads(&mut bench, &mut two));
        let id = request(&mut bench, &mut two, 1, None).unwrap();
        assert!(!reads(&mut bench, &mut two), "a request gives nothing");
        assert_eq!(respond(&mut bench, &mut two, &id, "open sesame"), Ok(()));
        assert!(reads(&mut bench, &mut two), "{before:?}");
        let kept = bench.text("/etc/config/cpeagent").unwrap();
        let two_section =
            kept.split("config ").find(|section| section.starts_with("controller 'two'")).unwrap();
        assert!(
            two_section.contains("list role 'wifi'") && !two_section.contains("'guest'"),
            "{two_section}"
        );
        assert_eq!(two_section.contains("'kept'"), before.contains("'kept'"));
        // What was said once is of no use to whoever heard it.
        assert_eq!(respond(&mut bench, &mut two, &id, "open sesame"), Err(7004));
        bench.reboot(3);
        bench.start();
        let mut two = link(&mut bench, 2, "two");
        assert!(reads(&mut bench, &mut two));
    }
}

#[test]
fn a_right_answer_is_no_answer_for_another_controller_another_time_or_another_link() {
    let mut bench = bench_with(&settings());
    let (mut two, mut four) = (link(&mut bench, 1, "two"), link(&mut bench, 2, "four"));
    let id = request(&mut bench, &mut two, 1, None).unwrap();
    assert_eq!(respond(&mut bench, &mut four, &id, "open sesame"), Err(7004));
    assert_eq!(respond(&mut bench, &mut two, &id.to_uppercase(), "open sesame"), Err(7004));
    assert_eq!(respond(&mut bench, &mut two, "", "open sesame"), Err(7004));
    // A newer request makes the older id worthless.
    let newer = request(&mut bench, &mut two, 1, None).unwrap();
    assert_ne!(id, newer);
    assert_eq!(respond(&mut bench, &mut two, &id, "open sesame"), Err(7004));
    bench.reboot(1);
    bench.start();
    let mut two = link(&mut bench, 3, "two");
    //= TR-369 R-SEC.21: a restart forgets what was outstanding.
    assert_eq!(respond(&mut bench, &mut two, &newer, "open sesame"), Err(7004));
    assert!(!reads(&mut bench, &mut two));
}

//= TR-181 LocalAgent.ControllerTrust.RequestChallenge(): RequestExpiration is 900 s, 0 stands for never.
//= TR-181 LocalAgent.ControllerTrust.RequestChallenge(): one outstanding request for each controller.
//= TR-181 LocalAgent.ControllerTrust.RequestChallenge(): a reference to nothing is an invalid value.
#[test]
fn a_request_is_one_for_each_controller_and_ends_when_it_says() {
    for (expiration, good, bad) in
        [(None, 899, Some(900)), (Some("30"), 29, Some(30)), (Some("0"), 100_000, None)]
    {
        for (wait, want) in [(Some(good), Ok(())), (bad, Err(7004))] {
            let Some(wait) = wait else { continue };
            let mut bench = bench_with(&settings());
            let mut two = link(&mut bench, 1, "two");
            let id = request(&mut bench, &mut two, 1, expiration).unwrap();
            bench.wait(SECOND * wait);
            bench.commands.clear();
            assert_eq!(respond(&mut bench, &mut two, &id, "open sesame"), want, "{expiration:?} {wait}");
        }
    }
    let mut bench = bench_with(&settings());
    let (mut two, mut four) = (link(&mut bench, 1, "two"), link(&mut bench, 2, "four"));
    // Off, without an answer, not to be seen, not there.
    for row in 3..7 {
        assert_eq!(request(&mut bench, &mut two, row, None), Err(7012), "{row}");
    }
    assert_eq!(answered(two.ask(&mut bench, "m", operate(REQUEST, &[]))), Err(7027));
    let id = request(&mut bench, &mut two, 1, Some("60")).unwrap();
    assert_eq!(request(&mut bench, &mut two, 2, None), Err(7002));
    assert!(request(&mut bench, &mut four, 2, None).is_ok());
    assert_eq!(respond(&mut bench, &mut two, &id, "wrong"), Err(7022));
    assert_eq!(request(&mut bench, &mut two, 2, None), Err(7002), "a wrong answer ends nothing");
    bench.wait(SECOND * 60);
    assert!(request(&mut bench, &mut two, 2, None).is_ok());
}

//= TR-369 R-SEC.16: the number of tries is limited.
//= TR-369 R-SEC.17: and then there is a wait.
//= TR-181 LocalAgent.ControllerTrust.Challenge.{i}.Retries: so many failures in a row, by whomever, close it.
//= TR-181 LocalAgent.ControllerTrust.Challenge.{i}.LockoutPeriod: while it is closed, 7002.
#[test]
fn failures_of_all_controllers_together_close_a_challenge_for_its_time() {
    let mut bench = bench_with(&settings());
    let (mut two, mut four) = (link(&mut bench, 1, "two"), link(&mut bench, 2, "four"));
    let ids =
        [request(&mut bench, &mut two, 1, None).unwrap(), request(&mut bench, &mut four, 1, None).unwrap()];
    assert_eq!(respond(&mut bench, &mut two, &ids[0], "a"), Err(7022));
    assert_eq!(respond(&mut bench, &mut four, &ids[1], "b"), Err(7022));
    assert_eq!(respond(&mut bench, &mut two, &ids[0], ""), Err(7022));
    // Closed, for whoever has the right answer too; what was outstanding is forgotten.
    assert_eq!(respond(&mut bench, &mut four, &ids[1], "open sesame"), Err(7004));
    assert_eq!(request(&mut bench, &mut two, 1, None), Err(7002));
    assert!(request(&mut bench, &mut four, 2, None).is_ok(), "another one is open");
    bench.wait(Duration::from_millis(29_999));
    assert_eq!(request(&mut bench, &mut two, 1, None), Err(7002));
    bench.wait(Duration::from_millis(1));
    // And then as many tries as before.
    for want in [Err(7022), Err(7022), Ok(())] {
        let id = request(&mut bench, &mut two, 1, None).unwrap();
        let value = if want.is_ok() { "open sesame" } else { "wrong" };
        assert_eq!(respond(&mut bench, &mut two, &id, value), want);
    }
    // A success begins the count anew.
    bench.wait(SECOND * 900);
    bench.commands.clear();
    for _ in 0..2 {
        let id = request(&mut bench, &mut four, 1, None).unwrap();
        assert_eq!(respond(&mut bench, &mut four, &id, "wrong"), Err(7022));
    }
    assert!(request(&mut bench, &mut four, 1, None).is_ok());
}

//= TR-369 R-SEC.17: a restart gives no further tries.
//= TR-369 R-SEC.16: a try counts before anybody is told how it went.
#[test]
fn neither_a_restart_nor_a_power_cut_nor_a_lost_clock_gives_further_tries() {
    for clock in [true, false] {
        let mut bench = bench_with(&settings());
        for number in 1..=3 {
            let mut two = link(&mut bench, number, "two");
            let id = request(&mut bench, &mut two, 1, None).unwrap();
            assert_eq!(respond(&mut bench, &mut two, &id, "wrong"), Err(7022));
            if number == 3 && !clock {
                bench.now.wall = None;
            }
            bench.reboot(number as u8);
            bench.start();
        }
        let mut two = link(&mut bench, 4, "two");
        assert_eq!(request(&mut bench, &mut two, 1, None), Err(7002), "clock {clock}");
        bench.wait(SECOND * 31);
        assert!(request(&mut bench, &mut two, 1, None).is_ok(), "clock {clock}");
    }
}

//= TR-369 R-SEC.17: a restart gives no further tries.
#[test]
fn a_restart_neither_shortens_the_wait_nor_begins_it_anew_where_there_was_a_clock() {
    let wall = Bench::new(DEVICE).now.wall;
    // Without a clock nothing tells how long the restart took.
    for (clock, before, left) in [(wall, 20, 10), (None, 20, 30)] {
        let mut bench = bench_with(&settings());
        bench.now.wall = clock;
        let mut two = link(&mut bench, 1, "two");
        let id = request(&mut bench, &mut two, 1, None).unwrap();
        for _ in 0..3 {
            assert_eq!(respond(&mut bench, &mut two, &id, "wrong"), Err(7022));
        }
        bench.wait(SECOND * before);
        bench.now.wall = bench.now.wall.or(wall);
        bench.reboot(1);
        bench.start();
        let mut two = link(&mut bench, 2, "two");
        bench.wait(SECOND * (left - 1));
        bench.commands.clear();
        assert_eq!(request(&mut bench, &mut two, 1, None), Err(7002), "{clock:?}");
        bench.wait(SECOND);
        bench.commands.clear();
        assert!(request(&mut bench, &mut two, 1, None).is_ok(), "{clock:?}");
    }
}

//= TR-181 LocalAgent.ControllerTrust.Challenge.{i}.LockoutPeriod: while it is closed, 7002.
#[test]
fn without_a_time_to_be_closed_for_a_challenge_stays_open() {
    let mut bench = bench_with(&settings());
    let mut two = link(&mut bench, 1, "two");
    let id = request(&mut bench, &mut two, 2, None).unwrap();
    for _ in 0..5 {
        assert_eq!(respond(&mut bench, &mut two, &id, "wrong"), Err(7022));
    }
    assert_eq!(respond(&mut bench, &mut two, &id, "other"), Ok(()));
}

#[test]
fn the_id_of_a_request_cannot_be_guessed() {
    let mut bench = bench_with(&settings());
    let mut two = link(&mut bench, 1, "two");
    let ids: BTreeSet<String> = (0..64).map(|_| request(&mut bench, &mut two, 1, None).unwrap()).collect();
    assert_eq!(ids.len(), 64);
    assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit())));
}

//= TR-369 R-SEC.1: permissions are asked before anything is done.
#[test]
fn whoever_may_not_call_the_commands_learns_nothing_of_challenges() {
    let mut bench = bench_with(
        &settings().replace("list target 'Device.LocalAgent.ControllerTrust.RequestChallenge()'\n", ""),
    );
    let mut two = link(&mut bench, 1, "two");
    for row in 1..=7 {
        let path = format!("Device.LocalAgent.ControllerTrust.Challenge.{row}");
        let ask = operate(REQUEST, &[("ChallengeRef", path.as_str())]);
        assert_eq!(answered(two.ask(&mut bench, "m", ask)), Err(7006), "{row}");
    }
    // Three of them would have closed it.
    for _ in 0..5 {
        assert_eq!(
            respond(&mut bench, &mut two, "00000000000000000000000000000000", "open sesame"),
            Err(7004)
        );
    }
    // The answer is shown to nobody, whoever asks.
    let mut one = link(&mut bench, 2, "one");
    let path = "Device.LocalAgent.ControllerTrust.Challenge.1.Value";
    let get = ReqType::Get(pb::Get { param_paths: vec![path.into()], max_depth: 0 });
    let Ok(RespType::GetResp(resp)) = one.ask(&mut bench, "get", get) else { panic!("no GetResp") };
    assert_eq!(resp.req_path_results[0].resolved_path_results[0].result_params["Value"], "");
}

#[test]
fn a_role_that_sees_secrets_is_not_given_without_tls() {
    let secured =
        settings().replacen("config usp 'usp'\n", "config usp 'usp'\n\tlist secured_role 'wifi'\n", 1);
    let mut bench = bench_with(&secured);
    let mut two = link(&mut bench, 1, "two");
    assert_eq!(request(&mut bench, &mut two, 1, None), Err(7002));
    let certificate = cpeagent::usp::mtp::Certified {
        endpoint_ids: vec![controller::id("self::two")],
        trusted: true,
        ..Default::default()
    };
    bench.event(cpeagent::agent::Event::Link(cpeagent::usp::mtp::LinkEvent::Down {
        name: "controller two two_ws".into(),
        link: Some(1),
        why: "gone".into(),
        failures: 1,
        retry_in: None,
    }));
    let mut two = Controller::secured(&mut bench, 2, "self::two", certificate);
    two.record(&mut bench);
    let id = request(&mut bench, &mut two, 1, None).unwrap();
    assert_eq!(respond(&mut bench, &mut two, &id, "open sesame"), Ok(()));
}
