//! Whom the agent trusts, played by a test against the whole agent: certificates that controllers add, first uses.
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
use controller::{CONTROLLER, Controller, OWN, SETTINGS, answered, id, operate};
use cpeagent::agent::Event;
use cpeagent::digest;
use cpeagent::io::disk::Disk;
use cpeagent::usp::msg::{Said, read};
use cpeagent::usp::mtp::{Certified, LinkCommand, LinkEvent, Security, Wanted};
use cpeagent::usp::pb;
use cpeagent::usp::pb::notify::Notification;
use cpeagent::usp::pb::record::record::RecordType;
use cpeagent::usp::pb::request::ReqType;
use cpeagent::usp::pb::response::RespType;
use rcgen::{CertificateParams, DnType, KeyPair, SerialNumber};

use std::time::Duration;

const DEVICE: &str = "wr4000-25.12";
const ADD: &str = "Device.LocalAgent.AddCertificate()";
const ADD_MINE: &str = "Device.LocalAgent.Controller.1.AddMyCertificate()";
const CERTIFICATES: &str = "Device.LocalAgent.Certificate.";

/// A certificate with that serial number.
fn certificate(serial: u64) -> rcgen::Certificate {
    let mut params = CertificateParams::new(vec!["usp.example".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "controller");
    params.serial_number = Some(SerialNumber::from(serial));
    params.self_signed(&KeyPair::generate().unwrap()).unwrap()
}

fn start(settings: &str) -> (Bench, Controller) {
    let mut bench = Bench::new(DEVICE);
    bench.disk.put("/etc/config/cpeagent", settings);
    bench.start();
    let one = link(&mut bench, 1, "one");
    (bench, one)
}

fn link(bench: &mut Bench, number: u64, name: &str) -> Controller {
    let mut controller = Controller::web_socket(bench, number, &format!("controller {name} {name}_ws"));
    controller.record(bench);
    controller
}

/// What parameters have as their values, by path.
fn get(bench: &mut Bench, controller: &mut Controller, path: &str) -> Vec<(String, String)> {
    let get = ReqType::Get(pb::Get { param_paths: vec![path.into()], max_depth: 0 });
    let Ok(RespType::GetResp(resp)) = controller.ask(bench, "get", get) else { panic!("no GetResp") };
    let results = resp.req_path_results.into_iter().flat_map(|result| result.resolved_path_results);
    let mut found: Vec<(String, String)> = results
        .flat_map(|result| {
            let at = result.resolved_path;
            result.result_params.into_iter().map(move |(name, value)| (format!("{at}{name}"), value))
        })
        .collect();
    found.sort();
    found
}

fn value(bench: &mut Bench, controller: &mut Controller, path: &str) -> String {
    get(bench, controller, path).pop().map(|(_, value)| value).unwrap_or_default()
}

//= TR-181 LocalAgent.AddCertificate(): one with the issuer and serial number of another is refused.
#[test]
fn a_certificate_is_added_shown_compared_and_deleted_and_survives_a_restart() {
    let (mut bench, mut one) = start(SETTINGS);
    let (first, second) = (certificate(0x1234), certificate(0x5678));
    let add = |pem: &str, alias: &str| {
        let all = [("Certificate", pem), ("Alias", alias)];
        operate(ADD, if alias.is_empty() { &all[..1] } else { &all })
    };
    assert_eq!(answered(one.ask(&mut bench, "1", add(&first.pem(), "mine"))), Ok(vec![]));
    assert_eq!(answered(one.ask(&mut bench, "2", add(&second.pem(), ""))), Ok(vec![]));
    for (pem, alias, code) in [
        (first.pem(), "other", 7004),
        (certificate(9).pem(), "mine", 7004),
        ("no certificate".into(), "", 7027),
        (format!("{}{}", certificate(7).pem(), certificate(8).pem()), "", 7027),
        (first.pem().replace("CERTIFICATE", "PRIVATE KEY"), "", 7027),
    ] {
        assert_eq!(answered(one.ask(&mut bench, "3", add(&pem, alias))), Err(code), "{pem}");
    }
    bench.reboot(1);
    bench.start();
    let mut one = link(&mut bench, 2, "one");
    let shown = get(&mut bench, &mut one, CERTIFICATES);
    let want = [
        ("1.Alias", "mine"),
        ("1.Enable", "true"),
        ("1.Issuer", "CN=controller"),
        ("1.SerialNumber", "1234"),
        ("2.Alias", "cpe-2"),
        ("2.Enable", "true"),
        ("2.Issuer", "CN=controller"),
        ("2.SerialNumber", "5678"),
    ];
    assert_eq!(shown, want.map(|(path, value)| (format!("{CERTIFICATES}{path}"), value.to_string())));
    let algorithms = value(&mut bench, &mut one, "Device.LocalAgent.SupportedFingerprintAlgorithms");
    assert_eq!(algorithms, "SHA-1,SHA-256,SHA-384,SHA-512");
    for (algorithm, octets) in [("SHA-1", 20), ("SHA-256", 32), ("SHA-384", 48), ("SHA-512", 64)] {
        let ask =
            operate(&format!("{CERTIFICATES}2.GetFingerprint()"), &[("FingerprintAlgorithm", algorithm)]);
        let Ok(results) = answered(one.ask(&mut bench, "4", ask)) else { panic!("{algorithm}") };
        assert_eq!((results.len(), results[0].1.len()), (1, octets * 2), "{algorithm}");
        if algorithm == "SHA-256" {
            let want = digest::hex(&digest::sha256(&[second.der()])).to_ascii_uppercase();
            assert_eq!(results, [("Fingerprint".to_string(), want)]);
        }
    }
    for algorithm in ["SHA-224", "MD5", ""] {
        let ask =
            operate(&format!("{CERTIFICATES}2.GetFingerprint()"), &[("FingerprintAlgorithm", algorithm)]);
        assert_eq!(answered(one.ask(&mut bench, "5", ask)), Err(7027), "{algorithm}");
    }
    assert_eq!(
        answered(one.ask(&mut bench, "6", operate(&format!("{CERTIFICATES}1.Delete()"), &[]))),
        Ok(vec![])
    );
    assert_eq!(value(&mut bench, &mut one, "Device.LocalAgent.CertificateNumberOfEntries"), "1");
    assert!(!bench.disk.read_text("/etc/config/cpeagent").unwrap().contains(&digest::base64(first.der())));
    // A number is not used again, so nothing that remembered it means another certificate.
    assert_eq!(answered(one.ask(&mut bench, "7", add(&first.pem(), "mine"))), Ok(vec![]));
    assert_eq!(value(&mut bench, &mut one, &format!("{CERTIFICATES}3.SerialNumber")), "1234");
}

//= TR-181 LocalAgent.Controller.{i}.AddMyCertificate(): for the controller of that row alone.
//= TR-369 R-ARC.12: what referred to a row that goes refers to nothing.
#[test]
fn a_controller_adds_certificates_to_its_own_row_only_and_gets_no_role_by_it() {
    let settings = SETTINGS
        .replace("option endpoint_id 'self::two'", "option endpoint_id 'self::two'\n\tlist role 'adds'")
        + "\nconfig role 'adds'\n\toption enable '1'\n\nconfig permission 'adds_own'\n\toption role 'adds'\n\toption enable '1'\n\
           \tlist target 'Device.LocalAgent.Controller.'\n\toption command 'r-x-'\n";
    let (mut bench, mut one) = start(&settings);
    let mut two = link(&mut bench, 2, "two");
    let pem = certificate(1).pem();
    let add = |row: u32, pem: &str| {
        operate(&format!("Device.LocalAgent.Controller.{row}.AddMyCertificate()"), &[("Certificate", pem)])
    };
    assert_eq!(answered(two.ask(&mut bench, "1", add(1, &pem))), Err(7006));
    assert_eq!(answered(one.ask(&mut bench, "2", add(2, &pem))), Err(7006));
    assert_eq!(answered(two.ask(&mut bench, "3", add(2, &pem))), Ok(vec![]));
    let row = "Device.LocalAgent.Controller.2.";
    assert_eq!(value(&mut bench, &mut one, &format!("{row}Credential")), "Device.LocalAgent.Certificate.1");
    assert_eq!(value(&mut bench, &mut one, &format!("{row}InheritedRole")), "");
    assert!(value(&mut bench, &mut one, &format!("{row}AssignedRole")).ends_with("Role.2"));
    // What another controller may add is not what this one may.
    assert!(two.ask(&mut bench, "4", operate(ADD, &[("Certificate", &pem)])).is_err());
    let gone = operate("Device.LocalAgent.Certificate.1.Delete()", &[]);
    assert_eq!(answered(one.ask(&mut bench, "5", gone)), Ok(vec![]));
    assert_eq!(value(&mut bench, &mut one, &format!("{row}Credential")), "");
    assert!(!bench.disk.read_text("/etc/config/cpeagent").unwrap().contains("certificate1"));
}

#[test]
fn a_flood_of_certificates_ends_at_the_bound_of_the_controller_and_of_the_table() {
    let (mut bench, mut one) = start(SETTINGS);
    let mut codes = Vec::new();
    for number in 0..6 {
        let ask = operate(ADD_MINE, &[("Certificate", &certificate(100 + number).pem())]);
        codes.push(answered(one.ask(&mut bench, "m", ask)).map(|_| ()));
    }
    assert_eq!(codes, [Ok(()), Ok(()), Ok(()), Ok(()), Err(7005), Err(7005)]);
    for number in 0..40 {
        let ask = operate(ADD, &[("Certificate", &certificate(200 + number).pem())]);
        let want = if number < 28 { Ok(vec![]) } else { Err(7005) };
        assert_eq!(answered(one.ask(&mut bench, "m", ask)), want, "{number}");
    }
    // One that is too large to be kept.
    let mut params = CertificateParams::new(vec!["x".repeat(60); 60]).unwrap();
    params.serial_number = Some(SerialNumber::from(7));
    let large = params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
    assert_eq!(answered(one.ask(&mut bench, "m", operate(ADD, &[("Certificate", &large)]))), Err(7027));
    assert!(bench.disk.read_text("/etc/config/cpeagent").unwrap().len() < 64 * 1024);
}

/// What a peer showed that is `trusted` or not: its id, and a certificate of that serial number.
fn shown(endpoint: &str, serial: u64, trusted: bool) -> Certified {
    let der = certificate(serial).der().to_vec();
    Certified {
        endpoint_ids: vec![id(endpoint)],
        fingerprint: digest::sha256(&[&der]),
        der: Some(der.into()),
        trusted,
        dates_checked: true,
        ..Certified::default()
    }
}

/// A certificate that is kept, and an enabled credential of it that gives a role, if it gives any.
fn credential(name: &str, made: &rcgen::Certificate, uses: &str, role: &str) -> String {
    let role = if role.is_empty() { String::new() } else { format!("\tlist role '{role}'\n") };
    format!(
        "\nconfig certificate 'c_{name}'\n\toption enable '1'\n\toption der '{}'\n\nconfig credential '{name}'\n\
         \toption enable '1'\n\toption certificate 'c_{name}'\n\toption uses '{uses}'\n{role}",
        digest::base64(made.der())
    )
}

fn with_usp(options: &str) -> String {
    SETTINGS.replacen("config usp 'usp'\n", &format!("config usp 'usp'\n{options}"), 1)
}

/// The port of ours over TLS, and a role that may read the model's name for whoever comes first.
fn first_use() -> String {
    with_usp("\toption trust_on_first_use '1'\n\toption untrusted_role 'guest'\n")
        + "
config role 'guest'
\toption enable '1'

config permission 'guest_reads'
\toption role 'guest'
\toption enable '1'
\tlist target 'Device.DeviceInfo.'
\toption param 'r---'
\toption object 'r---'
"
}

const MODEL: &str = "Device.DeviceInfo.ModelName";

fn asks(path: &str) -> ReqType {
    ReqType::Get(pb::Get { param_paths: vec![path.into()], max_depth: 0 })
}

/// Whether a request is answered at all.
fn is_heard(bench: &mut Bench, who: &mut Controller) -> bool {
    bench.commands.clear();
    let endpoint = who.endpoint.clone();
    who.send_as(bench, &endpoint, OWN, "m", asks(MODEL));
    bench.commands.iter().any(|command| matches!(command, LinkCommand::Send { .. }))
}

/// The links that were to be closed since the commands were last taken.
fn closed(bench: &Bench) -> Vec<u64> {
    let of = |command: &LinkCommand| match command {
        LinkCommand::Close { link, .. } => Some(*link),
        LinkCommand::Send { .. } => None,
    };
    bench.commands.iter().filter_map(of).collect()
}

fn down(bench: &mut Bench, link: u64) {
    let (name, why) = ("mtp port".into(), "gone".into());
    let event = LinkEvent::Down { name, link: Some(link), why, failures: 0, retry_in: None };
    bench.event(Event::Link(event));
}

//= TR-369 R-SEC.22: of a known endpoint another certificate counts only if it is signed.
//= TR-369 R-SEC.3: the certificate must carry the id, and somebody who is trusted must have signed it.
//= TR-369 R-SEC.6: without a signature of somebody trusted it begins with the UntrustedRole.
//= TR-369 R-SEC.24: who is not known gets a row, with the UntrustedRole where it inherits none.
//= TR-369 R-SEC.24a: one that nobody vouches for is heard only if a first use is enough.
//= TR-369 R-SEC.0
#[test]
fn a_stranger_is_heard_only_where_a_first_use_is_allowed_and_then_has_the_untrusted_role() {
    for (settings, who, trusted, heard) in [
        (SETTINGS.to_string(), "self::new", false, false),
        (SETTINGS.to_string(), "self::new", true, false),
        (first_use(), "self::new", false, true),
        (first_use(), "self::new", true, true),
        // A controller that is known is not met for the first time.
        (first_use(), CONTROLLER, false, false),
        (SETTINGS.to_string(), CONTROLLER, false, false),
        (SETTINGS.to_string(), CONTROLLER, true, true),
    ] {
        let (mut bench, mut one) = start(&settings);
        bench.commands.clear();
        if who == CONTROLLER {
            bench.event(Event::Link(LinkEvent::Down {
                name: "controller one one_ws".into(),
                link: Some(1),
                why: "gone".into(),
                failures: 1,
                retry_in: None,
            }));
        }
        let mut other = Controller::secured(&mut bench, 9, who, shown(who, 77, trusted));
        assert_eq!(closed(&bench).is_empty(), heard, "{who} {trusted}");
        assert_eq!(is_heard(&mut bench, &mut other), heard, "{who} {trusted}");
        let known = bench.said.contains("neither the one that is kept for it nor signed by a trusted one");
        assert_eq!(known, who == CONTROLLER && !heard, "a person is told what is wrong with it");
        if !heard || who == CONTROLLER {
            continue;
        }
        bench.commands.clear();
        let name = get(&mut bench, &mut other, MODEL);
        assert_eq!(name.len(), 1);
        assert_eq!(get(&mut bench, &mut other, "Device.WiFi.SSID.1.SSID"), []);
        let rows = get(&mut bench, &mut one, "Device.LocalAgent.Controller.*.EndpointID");
        assert_eq!(rows.last().unwrap().1, "self::new");
        let row = rows.last().unwrap().0.trim_end_matches("EndpointID").to_string();
        assert!(value(&mut bench, &mut one, &format!("{row}AssignedRole")).ends_with("Role.2"));
        assert_eq!(value(&mut bench, &mut one, &format!("{row}Credential")).is_empty(), trusted);
    }
}

//= TR-369 R-SEC.22: the mandatory parts of the decision on a received Record.
//= TR-369 R-SEC.0
#[test]
fn over_tls_nobody_is_heard_who_shows_no_certificate() {
    for who in ["self::two", "self::new"] {
        let (mut bench, _) = start(&first_use());
        let mut nobody = Controller::secured(&mut bench, 9, who, None);
        assert!(!is_heard(&mut bench, &mut nobody), "{who}");
    }
}

//= TR-369 R-SEC.8: the certificate that it showed is kept for its endpoint.
//= TR-369 R-SEC.7: another controller changes that role.
#[test]
fn what_was_shown_first_is_what_counts_from_then_on() {
    let (mut bench, mut one) = start(&first_use());
    let first = shown("self::new", 77, false);
    let mut new = Controller::secured(&mut bench, 9, "self::new", first.clone());
    assert!(is_heard(&mut bench, &mut new));
    let roles = "Device.LocalAgent.Controller.4.";
    let setting = pb::set::UpdateParamSetting {
        param: "AssignedRole".into(),
        value: "Device.LocalAgent.ControllerTrust.Role.1".into(),
        required: true,
    };
    let object = pb::set::UpdateObject { obj_path: roles.into(), param_settings: vec![setting] };
    bench.commands.clear();
    let set = ReqType::Set(pb::Set { allow_partial: false, update_objs: vec![object] });
    assert!(one.ask(&mut bench, "raise", set).is_ok());
    // At once, on the link that stands.
    assert_eq!(get(&mut bench, &mut new, "Device.WiFi.SSID.1.SSID").len(), 1);
    down(&mut bench, 9);
    for (certificate, heard) in [
        (shown("self::new", 78, false), false),
        (first.clone(), true),
        (Certified { trusted: true, ..first.clone() }, true),
        (shown("self::new", 79, true), true),
    ] {
        let mut again = Controller::secured(&mut bench, 10, "self::new", certificate);
        assert_eq!(is_heard(&mut bench, &mut again), heard);
        down(&mut bench, 10);
    }
}

#[test]
fn strangers_are_taken_up_to_a_bound() {
    let (mut bench, _) = start(&first_use());
    for number in 0..10_u64 {
        let name = format!("self::new{number}");
        let mut new = Controller::secured(&mut bench, 20 + number, &name, shown(&name, number, false));
        assert_eq!(is_heard(&mut bench, &mut new), number < 8, "{number}");
        assert_eq!(is_heard(&mut bench, &mut new), number < 8, "{number}");
    }
    assert_eq!(bench.text("/etc/config/cpeagent").unwrap().matches("option first_use '1'").count(), 8);
}

//= TR-181 LocalAgent.ControllerTrust.TOFUInactivityTimer: without a message until then the session ends; 0 is off.
#[test]
fn a_first_use_that_says_nothing_ends_and_leaves_nothing_behind() {
    for (seconds, trusted, speaks, ends) in [
        (60, false, false, true),
        (0, false, false, false),
        (60, true, false, false),
        (60, false, true, false),
    ] {
        let settings = first_use().replacen(
            "config usp 'usp'\n",
            &format!("config usp 'usp'\n\toption trust_inactivity '{seconds}'\n"),
            1,
        );
        let (mut bench, _) = start(&settings);
        let mut new = Controller::secured(&mut bench, 9, "self::new", shown("self::new", 7, trusted));
        bench.wait(Duration::from_secs(59));
        if speaks {
            assert!(is_heard(&mut bench, &mut new));
        }
        assert_eq!(closed(&bench), [0; 0]);
        bench.wait(Duration::from_secs(2));
        assert_eq!(closed(&bench) == [9], ends, "{seconds} {trusted} {speaks}");
        assert_eq!(bench.text("/etc/config/cpeagent").unwrap().contains("option first_use '1'"), speaks);
    }
}

//= TR-181 LocalAgent.ControllerTrust.BannedRole: nothing is taken from whoever has it.
//= TR-369 R-SEC.24: what has changed since it came counts.
#[test]
fn a_role_that_is_taken_or_bans_counts_for_the_next_message_of_a_link_that_stands() {
    let settings =
        with_usp("\toption banned_role 'banned'\n") + "\nconfig role 'banned'\n\toption enable '1'\n";
    let (mut bench, mut one) = start(&settings);
    let mut three = Controller::mqtt(&mut bench, 3);
    three.record(&mut bench);
    let ssid = "Device.WiFi.SSID.1.SSID";
    assert_eq!(get(&mut bench, &mut three, ssid).len(), 1);
    let set = |value: &str| {
        let (param, value) = ("AssignedRole".into(), value.into());
        let setting = pb::set::UpdateParamSetting { param, value, required: true };
        let obj_path = "Device.LocalAgent.Controller.3.".into();
        let object = pb::set::UpdateObject { obj_path, param_settings: vec![setting] };
        ReqType::Set(pb::Set { allow_partial: false, update_objs: vec![object] })
    };
    assert!(one.ask(&mut bench, "1", set("")).is_ok());
    assert_eq!(get(&mut bench, &mut three, ssid), []);
    assert!(one.ask(&mut bench, "2", set("Device.LocalAgent.ControllerTrust.Role.2")).is_ok());
    assert!(!is_heard(&mut bench, &mut three));
    assert!(one.ask(&mut bench, "3", set("Device.LocalAgent.ControllerTrust.Role.1")).is_ok());
    assert!(is_heard(&mut bench, &mut three));
}

//= TR-369 R-SEC.24: a role counts for the next message already.
#[test]
fn what_waited_while_a_role_was_taken_is_judged_without_it() {
    let (mut bench, mut one) = start(SETTINGS);
    let mut three = Controller::mqtt(&mut bench, 3);
    bench.slow = Some(Vec::new());
    let take = controller::set("Device.LocalAgent.Controller.3.AssignedRole", "");
    one.send_as(&mut bench, CONTROLLER, OWN, "1", take);
    three.send_as(
        &mut bench,
        controller::MQTT,
        OWN,
        "2",
        controller::set("Device.WiFi.SSID.1.SSID", "too late"),
    );
    bench.fetched();
    let taken = bench.text("/etc/config/cpeagent").unwrap();
    assert_eq!(taken.matches("list role 'full'").count(), 1, "{taken}");
    assert!(!bench.text("/etc/config/wireless").unwrap().contains("too late"));
}

//= TR-369 R-SEC.22: the mandatory parts of the decision on a received Record.
#[test]
fn a_pinned_key_proves_who_is_at_the_end_of_a_session_that_we_opened() {
    let host = "option host 'one.example.com'";
    let pinned = SETTINGS.replace(host, &format!("{host}\n\tlist pin_sha256 '{}'", "5e".repeat(32)));
    for (settings, heard) in [(SETTINGS, false), (pinned.as_str(), true)] {
        let mut bench = Bench::new(DEVICE);
        bench.disk.put("/etc/config/cpeagent", settings);
        bench.start();
        // It names nobody.
        let shown = Certified { trusted: true, dates_checked: true, ..Certified::default() };
        let mut one = Controller::secured_web_socket(&mut bench, 1, "controller one one_ws", shown);
        assert_eq!(is_heard(&mut bench, &mut one), heard);
    }
}

//= TR-181 LocalAgent.ControllerTrust.BannedRole: nor from whoever inherits it by a certificate, whoever he is.
//= TR-369 R-SEC.22: the mandatory parts of the decision on a received Record.
#[test]
fn a_certificate_whose_credential_gives_the_banned_role_is_heard_of_nobody() {
    let made = certificate(1);
    for role in ["full", "banned"] {
        let settings = with_usp("\toption banned_role 'banned'\n")
            + "\nconfig role 'banned'\n\toption enable '1'\n"
            + &credential("theirs", &made, "MTP-and-USP", role);
        for who in [CONTROLLER, "self::new"] {
            let (mut bench, _) = start(&settings);
            let theirs = Certified { chain: vec![digest::sha256(&[made.der()])], ..shown(who, 9, true) };
            bench.commands.clear();
            let mut other = Controller::secured(&mut bench, 9, who, theirs);
            assert_eq!(is_heard(&mut bench, &mut other), role == "full", "{who} {role}");
        }
    }
}

//= TR-369 R-SEC.22: what a certificate proves holds as long as the settings say so.
//= TR-369 R-SEC.8: the certificate that is kept for this endpoint proves who it is.
#[test]
fn a_session_by_a_kept_certificate_ends_with_the_certificate() {
    let (mut bench, mut one) = start(SETTINGS);
    let kept = certificate(5);
    let row = "Device.LocalAgent.Controller.2.";
    let add = operate(ADD, &[("Certificate", &kept.pem())]);
    assert_eq!(answered(one.ask(&mut bench, "1", add)), Ok(vec![]));
    let set = |name: &str, value: &str| {
        let setting = pb::set::UpdateParamSetting { param: name.into(), value: value.into(), required: true };
        let object = pb::set::UpdateObject { obj_path: row.into(), param_settings: vec![setting] };
        ReqType::Set(pb::Set { allow_partial: false, update_objs: vec![object] })
    };
    let showing =
        || Certified { fingerprint: digest::sha256(&[kept.der()]), trusted: true, ..Certified::default() };
    // It names nobody, so that it is kept for this controller is all there is.
    drop(Controller::secured(&mut bench, 8, "self::two", showing()));
    assert_eq!(closed(&bench), [8]);
    down(&mut bench, 8);
    bench.commands.clear();
    assert!(one.ask(&mut bench, "2", set("Credential", "Device.LocalAgent.Certificate.1")).is_ok());
    let mut two = Controller::secured(&mut bench, 9, "self::two", showing());
    assert!(is_heard(&mut bench, &mut two));
    // It proves nothing of anybody else.
    drop(Controller::secured(&mut bench, 10, "self::three", showing()));
    assert_eq!(closed(&bench), [10]);
    down(&mut bench, 10);
    bench.commands.clear();
    let delete = operate("Device.LocalAgent.Certificate.1.Delete()", &[]);
    assert_eq!(answered(one.ask(&mut bench, "3", delete)), Ok(vec![]));
    assert_eq!(closed(&bench), [9]);
}

//= TR-369 R-SEC.2: trusted are the certificates of the file, and those that an enabled credential names.
//= TR-181 LocalAgent.AddCertificate(): one that is no authority is good for an exact match only.
#[test]
fn links_trust_the_file_and_what_enabled_credentials_name() {
    let authority = {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap()
    };
    let (leaf, unused) = (certificate(1), certificate(2));
    let mut settings = SETTINGS.replacen("option encryption '0'", "option encryption '1'", 1);
    settings = settings.replace(
        "option endpoint_id 'self::agent'",
        "option endpoint_id 'self::agent'\n\toption ca_file '/etc/ca.pem'",
    );
    settings += &credential("ca", &authority, "MTP-only", "");
    settings += &credential("leaf", &leaf, "MTP-only", "");
    let unused = credential("unused", &unused, "MTP-only", "");
    settings += &unused.replace("'unused'\n\toption enable '1'", "'unused'\n\toption enable '0'");
    let pin = "5e".repeat(32);
    let pinned = settings.replace(
        "option host 'one.example.com'",
        &format!("option host 'one.example.com'\n\tlist pin_sha256 '{pin}'"),
    );
    for (settings, pins) in [(settings, vec![]), (pinned, vec![pin.into()])] {
        let (bench, _) = start(&settings);
        let security = bench.links.iter().find_map(|link| match link {
            Wanted::WebSocketClient(link) => link.tls.clone(),
            _ => None,
        });
        let want = Security {
            ca_files: vec!["/etc/ca.pem".into()],
            anchors: vec![authority.der().as_ref().into()],
            leaves: vec![digest::sha256(&[leaf.der()])],
            pins,
            ..Security::default()
        };
        assert_eq!(security, Some(want));
    }
}

//= TR-369 R-SEC.4: trusted is, too, the certificate that is kept for that controller.
#[test]
fn a_kept_certificate_is_trusted_of_its_controller_and_at_the_port() {
    let made = [certificate(1), certificate(2)];
    let mut settings = SETTINGS.replace("option encryption '0'", "option encryption '1'");
    for (name, made) in ["one", "two"].iter().zip(&made) {
        let own = format!("option endpoint_id 'self::{name}'\n");
        settings = settings.replacen(&own, &format!("{own}\tlist certificate 'c_{name}'\n"), 1)
            + &format!(
                "\nconfig certificate 'c_{name}'\n\toption enable '1'\n\toption der '{}'\n",
                digest::base64(made.der())
            );
    }
    let (bench, _) = start(&settings);
    let kept: Vec<(&str, Vec<[u8; 32]>)> = (bench.links.iter())
        .filter_map(|link| match link {
            Wanted::WebSocketClient(wanted) => Some((link.name(), wanted.tls.as_ref()?.kept.clone())),
            Wanted::WebSocketServer(wanted) => Some((link.name(), wanted.tls.as_ref()?.kept.clone())),
            Wanted::Mqtt(_) => None,
        })
        .collect();
    let [one, two] = made.each_ref().map(|made| digest::sha256(&[made.der()]));
    let want = [
        ("controller one one_ws", vec![one]),
        ("controller two two_ws", vec![two]),
        ("mtp port", vec![one, two]),
    ];
    assert_eq!(kept, want);
}

//= TR-369 R-SEC.25: only the first certificate of the chain that has a credential counts.
//= TR-369 R-SEC.26: a trusted broker vouches for the sender.
//= TR-369 R-SEC.4a, R-SEC.1a
//= TR-369 R-SEC.23: a notice is sent only where the certificate is that controller's, or a trusted broker's.
#[test]
fn the_nearest_credential_of_a_chain_gives_its_roles_and_a_trusted_broker_vouches() {
    let sum = |serial: u64, found: &mut Vec<rcgen::Certificate>| {
        let made = certificate(serial);
        let sum = digest::sha256(&[made.der()]);
        found.push(made);
        sum
    };
    let mut made = Vec::new();
    let (near, far) = (sum(1, &mut made), sum(2, &mut made));
    for (near_uses, far_uses, chain, reads) in [
        ("MTP-and-USP full", "MTP-and-USP none", vec![near, far], true),
        ("MTP-and-USP none", "MTP-and-USP full", vec![near, far], false),
        ("MTP-only full", "MTP-and-USP full", vec![near, far], false),
        ("MTP-only none", "MTP-and-USP full", vec![far], true),
        ("MTP-only none", "MTP-and-USP full", vec![], false),
    ] {
        let mut settings = SETTINGS.to_string() + "\nconfig role 'none'\n\toption enable '1'\n";
        for (name, uses, made) in [("near", near_uses, &made[0]), ("far", far_uses, &made[1])] {
            let (uses, role) = uses.split_once(' ').unwrap();
            settings += &credential(name, made, uses, role);
        }
        let (mut bench, _) = start(&settings);
        let certificate = Certified { chain, ..shown("self::two", 9, true) };
        let mut two = Controller::secured(&mut bench, 9, "self::two", certificate);
        two.record(&mut bench);
        assert_eq!(
            !get(&mut bench, &mut two, "Device.WiFi.SSID.1.SSID").is_empty(),
            reads,
            "{near_uses} {far_uses}"
        );
    }
    for (uses, heard) in [("MTP-and-broker", true), ("MTP-and-USP", false), ("MTP-only", false)] {
        let settings = SETTINGS.to_string() + &credential("vouches", &made[0], uses, "");
        let (mut bench, _) = start(&settings);
        let broker = Certified { chain: vec![near], trusted: true, ..Certified::default() };
        let mut three = Controller::secured_mqtt(&mut bench, 9, broker);
        assert_eq!(is_heard(&mut bench, &mut three), heard, "{uses}");
        // What it subscribes to is told over that broker only if it is one to trust.
        bench.commands.clear();
        let path = "Device.LocalAgent.Controller.3.SendOnBoardRequest()";
        let mut one = link(&mut bench, 2, "one");
        assert_eq!(answered(one.ask(&mut bench, "m", operate(path, &[]))), Ok(vec![]));
        assert_eq!(!notices(&mut bench, 9).is_empty(), heard, "{uses}");
    }
}

/// What was told on a link and not taken yet.
fn notices(bench: &mut Bench, on: u64) -> Vec<(String, Notification)> {
    let mut found = Vec::new();
    for command in &bench.commands {
        let LinkCommand::Send { link, record, .. } = command else { continue };
        let record = pb::record::Record::decode(record.as_slice()).unwrap();
        let Some(RecordType::NoSessionContext(context)) = record.record_type else { continue };
        if let (true, Said::Request(ReqType::Notify(notify))) =
            (*link == on, read(&context.payload).unwrap().said)
        {
            found.push((notify.subscription_id, notify.notification.unwrap()));
        }
    }
    found
}

//= TR-369 12: the last notice a controller gets is that its own row went, or was switched off.
//= TR-181 LocalAgent.Controller.{i}.Enable: switched off, it is told so, and its sessions end.
//= TR-369 R-MTP.7: a Disconnect record goes ahead of leaving.
#[test]
fn a_controller_that_is_deleted_or_switched_off_is_told_so_as_the_last_thing() {
    let own = "option endpoint_id 'self::two'\n";
    let settings = SETTINGS.replacen(own, &format!("{own}\tlist role 'full'\n"), 1);
    for (kind, what, accepted) in [
        ("ObjectDeletion", "delete", false),
        ("ObjectDeletion", "delete", true),
        ("ValueChange", "disable", false),
        ("ValueChange", "disable", true),
    ] {
        let (mut bench, mut one) = start(&settings);
        let mut two = match accepted {
            true => {
                let mut two = Controller::secured(&mut bench, 5, "self::two", shown("self::two", 1, true));
                two.record(&mut bench);
                two
            }
            false => link(&mut bench, 5, "two"),
        };
        let reference = if what == "delete" {
            "Device.LocalAgent.Controller."
        } else {
            "Device.LocalAgent.Controller.2.Enable"
        };
        for who in [&mut one, &mut two] {
            let settings =
                [("Enable", "true"), ("ID", "own"), ("NotifType", kind), ("ReferenceList", reference)];
            let param_settings = settings
                .map(|(param, value)| pb::add::CreateParamSetting {
                    param: param.into(),
                    value: value.into(),
                    required: true,
                })
                .to_vec();
            let obj_path = "Device.LocalAgent.Subscription.".into();
            let object = pb::add::CreateObject { obj_path, param_settings };
            let add = ReqType::Add(pb::Add { allow_partial: false, create_objs: vec![object] });
            assert!(who.ask(&mut bench, "subscribe", add).is_ok());
        }
        bench.wait(Duration::from_secs(5));
        bench.commands.clear();
        let change = match what {
            "delete" => ReqType::Delete(pb::Delete {
                allow_partial: false,
                obj_paths: vec!["Device.LocalAgent.Controller.2.".into()],
            }),
            _ => {
                let setting = pb::set::UpdateParamSetting {
                    param: "Enable".into(),
                    value: "false".into(),
                    required: true,
                };
                let obj_path = "Device.LocalAgent.Controller.2.".into();
                let object = pb::set::UpdateObject { obj_path, param_settings: vec![setting] };
                ReqType::Set(pb::Set { allow_partial: false, update_objs: vec![object] })
            }
        };
        // By itself: its answer comes first.
        assert!(two.ask(&mut bench, "change", change).is_ok());
        bench.wait(Duration::from_secs(60));
        for on in [1, 5] {
            let told = notices(&mut bench, on);
            let [(id, told)] = told.as_slice() else { panic!("{what} {accepted} {on}: {told:?}") };
            assert_eq!(id, "own");
            match told {
                Notification::ObjDeletion(gone) => {
                    assert_eq!(gone.obj_path, "Device.LocalAgent.Controller.2.")
                }
                Notification::ValueChange(change) => {
                    let now = (change.param_path.as_str(), change.param_value.as_str());
                    assert_eq!(now, ("Device.LocalAgent.Controller.2.Enable", "false"));
                }
                other => panic!("{other:?}"),
            }
        }
        let last = bench.commands.iter().rposition(|command| match command {
            LinkCommand::Send { link, .. } | LinkCommand::Close { link, .. } => *link == 5,
        });
        let last = &bench.commands[last.unwrap()];
        assert_eq!(matches!(last, LinkCommand::Close { .. }), accepted, "{last:?}");
        assert!(!bench.links.iter().any(|link| link.name().contains("two")), "{what}");
        assert!(!is_heard(&mut bench, &mut two), "{what} {accepted}");
    }
}
