//! Sessions, calls and faults.

use std::time::Duration;

use cpeagent::bench::acs::{Acs, Settings};
use cpeagent::bench::auth::Login;
use cpeagent::bench::rpc::{Answer, Attribute, Failure, Name, Rpc, Value};

use super::cpe::{Cpe, ID, Style};

const SSID: &str = "Device.WiFi.SSID.1.SSID";

async fn pair(settings: Settings) -> (Acs, Cpe) {
    let acs = Acs::start(settings).await.unwrap();
    let cpe = Cpe::new(&acs.url());
    (acs, cpe)
}

/// Asks in one session of the CPE.
async fn ask(acs: &Acs, cpe: &mut Cpe, rpc: Rpc) -> Result<Answer, Failure> {
    tokio::join!(acs.call(ID, rpc), cpe.session(&["2 PERIODIC"])).0
}

fn set(values: Vec<Value>) -> Rpc {
    Rpc::SetParameterValues { values, key: "k1".into() }
}

#[tokio::test]
async fn every_rpc_reaches_the_device_and_its_answer_comes_back() {
    let (acs, mut cpe) = pair(Settings::default()).await;
    let mapping = "Device.NAT.PortMapping.1.".to_owned();
    let attribute = Attribute { name: SSID.into(), notification: Some(2), access: None };
    let steps = [
        (Rpc::GetRpcMethods, Answer::Methods(vec!["Inform".into(), "Reboot".into()])),
        (
            Rpc::GetParameterNames { path: "Device.WiFi.SSID.".into(), next_level: true },
            Answer::Names(vec![
                Name { path: "Device.WiFi.SSID.1.".into(), writable: false },
                Name { path: "Device.WiFi.SSID.2.".into(), writable: false },
            ]),
        ),
        (
            Rpc::GetParameterValues(vec![SSID.into()]),
            Answer::Values(vec![Value::new(SSID, "string", "OpenWrt & <friends>")]),
        ),
        (set(vec![Value::new(SSID, "string", " a<b>\"&'\u{e9} ")]), Answer::Status(0)),
        (
            Rpc::GetParameterValues(vec![SSID.into()]),
            Answer::Values(vec![Value::new(SSID, "string", " a<b>\"&'\u{e9} ")]),
        ),
        (Rpc::SetParameterAttributes(vec![attribute.clone()]), Answer::Done),
        (
            Rpc::GetParameterAttributes(vec![SSID.into()]),
            Answer::Attributes(vec![Attribute { access: Some(vec!["Subscriber".into()]), ..attribute }]),
        ),
        (
            Rpc::AddObject { object: "Device.NAT.PortMapping.".into(), key: String::new() },
            Answer::Added { instance: 1, status: 0 },
        ),
        (Rpc::DeleteObject { object: mapping, key: String::new() }, Answer::Status(0)),
        (Rpc::Reboot { key: "r".into() }, Answer::Done),
        (Rpc::FactoryReset, Answer::Done),
    ];
    for (rpc, want) in steps {
        assert_eq!(ask(&acs, &mut cpe, rpc.clone()).await, Ok(want), "{}", rpc.name());
    }
    assert_eq!(cpe.value("Device.ManagementServer.ParameterKey"), "k1");
    assert_eq!(acs.remarks(), Vec::<String>::new());
    let known = acs.device(ID).parameter(SSID).unwrap();
    assert_eq!((known.value.as_deref(), known.notification), (Some(" a<b>\"&'\u{e9} "), Some(2)));
}

#[tokio::test]
async fn a_fault_comes_back_with_every_refused_parameter() {
    //= TR-069 A.3.2.1: 9003 around one SetParameterValuesFault for each bad parameter.
    let (acs, mut cpe) = pair(Settings::default()).await;
    let rpc = set(vec![
        Value::new("Device.DeviceInfo.UpTime", "unsignedInt", "1"),
        Value::new("Device.Nope", "string", ""),
    ]);
    let Err(Failure::Fault(fault)) = ask(&acs, &mut cpe, rpc).await else { panic!("no fault") };
    let parts: Vec<_> = fault.parameters.iter().map(|p| (p.name.as_str(), p.code)).collect();
    assert_eq!((fault.code, fault.side.as_str()), (9003, "Client"));
    assert_eq!(parts, [("Device.DeviceInfo.UpTime", 9008), ("Device.Nope", 9005)]);
}

#[tokio::test]
async fn each_namespace_is_answered_in_kind_and_the_best_offered_version_is_chosen() {
    //= TR-069 3.7.4: UseCWMPVersion answers SupportedCWMPVersions and nothing else.
    for (space, offers, chosen) in [
        ("urn:dslforum-org:cwmp-1-0", None, None),
        ("urn:dslforum-org:cwmp-1-1", None, None),
        ("urn:dslforum-org:cwmp-1-2", Some("1.0, 1.2"), Some("1.2")),
        ("urn:dslforum-org:cwmp-1-2", Some("1.0,1.1,1.2,1.3,1.4,1.9"), Some("1.4")),
        ("urn:dslforum-org:cwmp-1-2", Some("2.0"), None),
    ] {
        let (acs, mut cpe) = pair(Settings::default()).await;
        cpe.style = Style { space, offers, ..Style::default() };
        assert!(ask(&acs, &mut cpe, Rpc::GetRpcMethods).await.is_ok(), "{space}");
        let used = cpe.heard[0].child("Header").unwrap().child("UseCWMPVersion").map(|v| v.text.as_str());
        assert_eq!(used, chosen, "{offers:?}");
    }
}

#[tokio::test]
async fn a_session_lives_in_its_cookie_and_not_in_its_connection() {
    //= TR-069 3.4.2: the session goes on over a new connection with the same cookies.
    let (acs, mut cpe) = pair(Settings::default()).await;
    cpe.style.reconnects = true;
    let device = acs.device(ID);
    let (first, second, asked) = tokio::join!(
        device.call(Rpc::GetRpcMethods),
        device.call(Rpc::GetParameterValues(vec!["Device.".into()])),
        cpe.session(&["2 PERIODIC"])
    );
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(asked, ["GetRPCMethods", "GetParameterValues"]);
}

#[tokio::test]
async fn a_session_lingers_for_a_further_call_and_ends_when_it_is_closed() {
    let linger = Duration::from_secs(20);
    let (acs, mut cpe) = pair(Settings { linger, ..Settings::default() }).await;
    let device = acs.device(ID);
    let caller = async {
        device.next_inform().await;
        for _ in 0..3 {
            device.call(Rpc::GetRpcMethods).await.unwrap();
        }
        device.close();
        device.asleep().await;
    };
    let (asked, ()) = tokio::join!(cpe.session(&["2 PERIODIC"]), caller);
    assert_eq!(asked.len(), 3);
}

#[tokio::test]
async fn a_reboot_ends_the_session_although_it_would_linger() {
    //= TR-069 A.3.2.9: the device reboots once the session has ended.
    let linger = Duration::from_secs(20);
    let (acs, mut cpe) = pair(Settings { linger, ..Settings::default() }).await;
    let begun = std::time::Instant::now();
    assert_eq!(ask(&acs, &mut cpe, Rpc::Reboot { key: String::new() }).await, Ok(Answer::Done));
    assert!(begun.elapsed() < linger);
}

#[tokio::test]
async fn what_is_no_message_is_answered_400_and_loses_the_session() {
    for (bad, in_session) in [
        ("<broken", true),
        ("<a/>", true),
        ("<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body/></s:Envelope>", true),
        (
            "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body><x/></s:Body></s:Envelope>",
            true,
        ),
        ("", false),
    ] {
        let (acs, mut cpe) = pair(Settings::default()).await;
        let device = acs.device(ID);
        let conversation = async {
            if in_session {
                cpe.inform(&["2 PERIODIC"]).await;
                assert_eq!(cpe.post(None).await.status, 200);
            }
            assert_eq!(cpe.post(Some(bad)).await.status, 400, "{bad}");
            if !in_session {
                cpe.session(&["2 PERIODIC"]).await;
            }
        };
        let (answer, ()) = tokio::join!(device.call(Rpc::GetRpcMethods), conversation);
        assert_eq!(matches!(answer, Err(Failure::Lost(_))), in_session, "{bad} {answer:?}");
        assert!(!acs.remarks().is_empty(), "{bad}");
        assert!(ask(&acs, &mut cpe, Rpc::GetRpcMethods).await.is_ok(), "the next session works");
    }
}

#[tokio::test]
async fn a_new_inform_or_silence_loses_the_call_that_waits() {
    let patience = Duration::from_millis(1500);
    for silent in [false, true] {
        let patience = if silent { patience } else { Duration::from_secs(60) };
        let (acs, mut cpe) = pair(Settings { patience, ..Settings::default() }).await;
        let device = acs.device(ID);
        let conversation = async {
            cpe.inform(&["2 PERIODIC"]).await;
            assert_eq!(cpe.post(None).await.status, 200, "the call");
            if silent {
                device.asleep().await;
            } else {
                cpe.inform(&["2 PERIODIC"]).await;
            }
        };
        let (answer, ()) = tokio::join!(acs.call(ID, Rpc::GetRpcMethods), conversation);
        assert!(matches!(answer, Err(Failure::Lost(_))), "{answer:?}");
    }
}

#[tokio::test]
async fn only_the_right_login_gets_in_and_stays_in() {
    //= TR-069 3.4.4: the ACS challenges, the CPE answers with Digest.
    let login = Login::new("001122-42", "s3cret");
    let (acs, mut cpe) = pair(Settings { login: Some(login.clone()), ..Settings::default() }).await;
    for wrong in [None, Some(Login::new("001122-42", "other")), Some(Login::new("root", "s3cret"))] {
        cpe.style.login = wrong;
        assert_eq!(cpe.inform(&["2 PERIODIC"]).await.status, 401);
    }
    assert!(acs.devices().is_empty());
    cpe.style.login = Some(login);
    assert!(ask(&acs, &mut cpe, Rpc::GetRpcMethods).await.is_ok());
}

#[tokio::test]
async fn a_request_of_the_device_is_answered_and_an_unknown_one_refused() {
    //= TR-069 A.5: 8000 for a method the ACS does not support.
    let (_acs, mut cpe) = pair(Settings::default()).await;
    cpe.inform(&["7 TRANSFER COMPLETE"]).await;
    for (asked, want) in [
        ("TransferComplete", "TransferCompleteResponse"),
        ("GetRPCMethods", "GetRPCMethodsResponse"),
        ("X_ACME_Thing", "<FaultCode>8000</FaultCode>"),
    ] {
        let message = cpe.envelope("77", &format!("<c:{asked}/>"));
        let reply = cpe.post(Some(&message)).await;
        let text = String::from_utf8(reply.body).unwrap();
        assert!(text.contains(want) && text.contains(">77<"), "{text}");
    }
    assert_eq!(cpe.post(None).await.status, 204);
}

#[tokio::test]
async fn small_breaches_of_the_standard_are_remarked() {
    //= TR-069 3.4.1 and 3.5 and A.6: headers of an empty POST, the echo of the ID, the count of an array.
    let (acs, mut cpe) = pair(Settings::default()).await;
    cpe.style.sloppy = true;
    let message = cpe.envelope("", "<c:Inform/>");
    assert_eq!(cpe.post(Some(&message)).await.status, 400);
    let body = "<c:Inform><DeviceId><OUI>00112g</OUI><SerialNumber>1</SerialNumber></DeviceId><Event/>\
                <MaxEnvelopes>2</MaxEnvelopes><CurrentTime>now</CurrentTime><RetryCount/><ParameterList/></c:Inform>";
    let message = cpe.envelope("", body);
    assert_eq!(cpe.post(Some(&message)).await.status, 200);
    let call = Rpc::GetParameterValues(vec![SSID.into()]);
    let (answer, status) = tokio::join!(acs.call("00112g-1", call), async {
        assert_eq!(cpe.post(None).await.status, 200);
        let body = "<c:GetParameterValuesResponse><ParameterList e:arrayType='c:ParameterValueStruct[9]'/>\
                    </c:GetParameterValuesResponse>";
        let message = cpe.envelope("", body);
        cpe.post(Some(&message)).await.status
    });
    assert_eq!((answer, status), (Ok(Answer::Values(vec![])), 204));
    let remarks = acs.remarks().join("\n");
    let wanted = [
        "without DeviceId",
        "OUI",
        "0 events",
        "MaxEnvelopes",
        "dateTime",
        "RetryCount",
        "SOAPAction",
        "ID",
        "[9]",
    ];
    for want in wanted {
        assert!(remarks.contains(want), "{want} in {remarks}");
    }
}

#[tokio::test]
async fn a_secret_is_set_on_the_device_and_masked_in_the_log() {
    let wake = Login::new("acs", "hunter2");
    let (acs, mut cpe) = pair(Settings { wake: Some(wake), ..Settings::default() }).await;
    assert_eq!(cpe.session(&["0 BOOTSTRAP"]).await, ["SetParameterValues"]);
    assert_eq!(cpe.session(&["2 PERIODIC"]).await, [""; 0], "once is enough");
    //= TR-069 3.7.1.5: a factory reset makes it new.
    assert_eq!(cpe.session(&["0 BOOTSTRAP"]).await, ["SetParameterValues"]);
    assert_eq!(cpe.value("Device.ManagementServer.ConnectionRequestPassword"), "hunter2");
    let log: String = acs.log(0).into_iter().map(|e| e.text).collect();
    assert!(log.contains("ConnectionRequestPassword") && !log.contains("hunter2"));
}
