//! The JSON behind the page, and who may ask for it.

use cpeagent::bench::acs::{Acs, Settings};
use cpeagent::bench::auth::Login;
use cpeagent::bench::controller::Transport;
use cpeagent::bench::http::{Client, Fields, Response};
use serde_json::{Value as Json, json};

use super::agent::{AGENT, Agent, OBJECT};
use super::cpe::{Cpe, ID, WAIT};

pub async fn start() -> Acs {
    let settings = Settings {
        page: Some(([127, 0, 0, 1], 0).into()),
        usp: true,
        wake: Some(Login::new("acs", "wake-me")),
        linger: std::time::Duration::from_millis(300),
        ..Settings::default()
    };
    Acs::start(settings).await.unwrap()
}

async fn send(acs: &Acs, method: &str, target: &str, fields: &[(&str, &str)], body: &str) -> Response {
    let fields = Fields(fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect());
    let mut client = Client::connect(&acs.page_address().unwrap().to_string(), WAIT).await.unwrap();
    client.send(method, target, &fields, body.as_bytes(), WAIT).await.unwrap()
}

async fn post(acs: &Acs, target: &str, body: Json) -> Json {
    let reply = send(acs, "POST", target, &[("Content-Type", "application/json")], &body.to_string()).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    serde_json::from_slice(&reply.body).unwrap()
}

async fn see(acs: &Acs, target: &str) -> Json {
    serde_json::from_slice(&send(acs, "GET", target, &[], "").await.body).unwrap()
}

#[tokio::test]
async fn a_foreign_page_and_a_rebound_name_get_nothing() {
    let acs = start().await;
    let port = acs.page_address().unwrap().port();
    let own = format!("http://127.0.0.1:{port}");
    let named = format!("localhost:{port}");
    let evil = format!("evil.example:{port}");
    for (fields, status) in [
        (vec![], 200),
        (vec![("Host", named.as_str())], 200),
        (vec![("Origin", own.as_str())], 200),
        (vec![("Host", evil.as_str())], 403),
        (vec![("Host", "127.0.0.1")], 403),
        (vec![("Origin", "http://evil.example")], 403),
        (vec![("Origin", "null")], 403),
        (vec![("Origin", "https://127.0.0.1")], 403),
    ] {
        for target in ["/", "/api/devices"] {
            assert_eq!(send(&acs, "GET", target, &fields, "").await.status, status, "{target} {fields:?}");
        }
    }
}

#[tokio::test]
async fn a_request_a_foreign_form_could_send_is_refused() {
    let acs = start().await;
    let body = r#"{"rpc":"FactoryReset"}"#;
    for (kind, body, status) in [
        ("text/plain", body, 415),
        ("application/x-www-form-urlencoded", body, 415),
        ("application/json", "{", 400),
        ("application/json", r#"{"rpc":"Explode"}"#, 400),
    ] {
        assert_eq!(
            send(&acs, "POST", "/api/rpc", &[("Content-Type", kind)], body).await.status,
            status,
            "{kind}"
        );
    }
    assert_eq!(send(&acs, "GET", "/api/nothing", &[], "").await.status, 404);
    assert_eq!(send(&acs, "PUT", "/api/rpc", &[], "").await.status, 405);
}

#[tokio::test]
async fn the_page_may_load_nothing_from_elsewhere() {
    let acs = start().await;
    for target in ["/", "/page.css", "/page.js"] {
        let reply = send(&acs, "GET", target, &[], "").await;
        let policy = reply.fields.value("Content-Security-Policy").unwrap();
        assert!(reply.status == 200 && policy.starts_with("default-src 'none'"), "{target}");
        let text = String::from_utf8(reply.body).unwrap();
        assert!(!text.contains("http://") && !text.contains("https://"), "{target} names another place");
    }
}

#[tokio::test]
async fn the_page_is_refused_outside_loopback() {
    let settings = Settings { page: Some(([0, 0, 0, 0], 0).into()), ..Settings::default() };
    assert!(Acs::start(settings).await.is_err());
}

#[tokio::test]
async fn a_call_of_the_page_wakes_the_device_and_shows_in_the_log() {
    let acs = start().await;
    let first = acs.next_inform();
    tokio::spawn(Cpe::new(&acs.url()).live());
    let (device, _) = first.await;
    assert_eq!(see(&acs, "/api/devices").await["devices"][0]["id"], ID);
    device.asleep().await;

    let asked = json!({ "device": ID, "rpc": "GetParameterNames", "path": "Device.WiFi.SSID.1.", "next_level": true });
    let told = post(&acs, "/api/rpc", asked).await;
    assert_eq!(told["answer"]["names"][1], json!({ "path": "Device.WiFi.SSID.1.SSID", "writable": true }));
    let asked = json!({ "device": ID, "rpc": "SetParameterValues", "values": [
        { "name": "Device.WiFi.SSID.1.SSID", "type": "string", "value": "by page" }] });
    assert_eq!(
        post(&acs, "/api/rpc", asked).await,
        json!({ "ok": true, "rpc": "SetParameterValues", "answer": { "status": 0 } })
    );
    let children = see(&acs, &format!("/api/parameters?device={ID}&path=Device.WiFi.SSID.1.")).await;
    assert_eq!(children["parameters"][1]["value"], "by page");
    let asked = json!({ "device": ID, "rpc": "DeleteObject", "object": "Device.WiFi.SSID.1.Nope" });
    assert_eq!(post(&acs, "/api/rpc", asked).await["ok"], true);
    let asked = json!({ "device": ID, "rpc": "AddObject", "object": "Device.WiFi." });
    assert_eq!(post(&acs, "/api/rpc", asked).await["fault"]["code"], 9005);

    let next = device.next_inform();
    device.asleep().await;
    assert_eq!(post(&acs, "/api/wake", json!({ "device": ID })).await, json!({ "ok": true, "status": 204 }));
    assert!(next.await.has("6 CONNECTION REQUEST"));
    let log = see(&acs, "/api/log?after=0&wait=1").await;
    let what: Vec<_> = log["entries"].as_array().unwrap().iter().filter_map(|e| e["what"].as_str()).collect();
    for want in [
        "Inform",
        "InformResponse",
        "SetParameterValues",
        "SetParameterValuesResponse",
        "Fault",
        "204 No Content",
    ] {
        assert!(what.contains(&want), "{want} in {what:?}");
    }
    assert_eq!(post(&acs, "/api/wake", json!({ "device": "nobody" })).await["ok"], false);
}

#[tokio::test]
async fn the_page_asks_an_agent_and_sees_its_notifications() {
    let acs = start().await;
    let controller = acs.controller().unwrap();
    let mut agent = Agent::open(&controller).await;
    agent.hello().await;
    tokio::spawn(agent.live());
    controller.agent(Transport::WebSocket).await;
    let there = &see(&acs, "/api/usp").await["agents"][0];
    assert_eq!((&there["id"], &there["over"]), (&json!(AGENT), &json!("WebSocket")));
    let ask = |request: &str, more: Json| {
        let mut body = json!({ "agent": AGENT, "over": "WebSocket", "request": request });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let told = post(&acs, "/api/usp", ask("Get", json!({ "paths": [OBJECT] }))).await;
    assert_eq!(told["answer"][OBJECT]["objects"][OBJECT], json!({ "SSID": "Attic" }));
    let told = post(&acs, "/api/usp", ask("Set", json!({ "objects": { OBJECT: { "Nope": "1" } } }))).await;
    assert_eq!((&told["ok"], &told["fault"]["parameters"][0]["code"]), (&json!(false), &json!(7010)));
    post(&acs, "/api/usp", ask("Set", json!({ "objects": { OBJECT: { "SSID": "say so" } } }))).await;
    controller.noticed(0).await;
    let notice = &see(&acs, "/api/usp?after=0").await["notices"][0]["notify"];
    assert_eq!(notice["notification"]["ValueChange"], json!({ format!("{OBJECT}SSID"): "said" }));
    assert_eq!(see(&acs, "/api/usp?after=1").await["notices"], json!([]));
    let stranger = json!({ "agent": "os::nobody", "over": "MQTT", "request": "Get", "paths": [] });
    assert_eq!(post(&acs, "/api/usp", stranger).await["ok"], false);
}
