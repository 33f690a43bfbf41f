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
use controller::{Controller, SETTINGS, answered, operate};
use cpeagent::digest;
use cpeagent::io::disk::Disk;
use cpeagent::usp::pb;
use cpeagent::usp::pb::request::ReqType;
use cpeagent::usp::pb::response::RespType;
use rcgen::{CertificateParams, DnType, KeyPair, SerialNumber};

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
