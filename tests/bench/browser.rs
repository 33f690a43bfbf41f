//! The page in a real browser: headless Chromium, driven by chromedriver's WebDriver interface.
//!
//! Needs `chromium` and `chromedriver` on the path, so it runs only when asked for: `cargo test --test bench -- --ignored`.
//! `WORKBENCH_SHOTS=DIR` keeps a picture of each view.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use cpeagent::bench::http::{Client, Fields};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::agent::Agent;
use super::api::start;
use super::cpe::Cpe;

/// For the browser's start and each of its answers.
const SLOW: Duration = Duration::from_secs(90);
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-device-scale-factor=1",
];

struct Browser {
    driver: String,
    session: String,
    _profile: tempfile::TempDir,
    _process: Child,
}

impl Browser {
    async fn start() -> Browser {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver is installed");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port: u16 = loop {
            let line = lines.next_line().await.unwrap().expect("chromedriver names its port");
            if let Some((_, rest)) = line.split_once("started successfully on port ") {
                break rest.trim_end_matches('.').parse().unwrap();
            }
        };
        let profile = tempfile::tempdir().unwrap();
        let mut args: Vec<_> = FLAGS.map(str::to_owned).into();
        args.push(format!("--user-data-dir={}", profile.path().display()));
        let mut browser = Browser {
            driver: format!("127.0.0.1:{port}"),
            session: String::new(),
            _profile: profile,
            _process: process,
        };
        let wish = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": { "args": args } } } });
        let made = browser.send("POST", "/session", wish).await;
        browser.session = format!("/session/{}", made["sessionId"].as_str().unwrap());
        browser
    }

    async fn send(&self, method: &str, path: &str, body: Json) -> Json {
        let fields = Fields(vec![
            ("Content-Type".into(), "application/json".into()),
            ("Connection".into(), "close".into()),
        ]);
        let mut client = Client::connect(&self.driver, SLOW).await.unwrap();
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let reply = client.send(method, path, &fields, body.as_bytes(), SLOW).await.unwrap();
        let told: Json = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(reply.status, 200, "{method} {path}: {told}");
        told["value"].clone()
    }

    async fn order(&self, path: &str, body: Json) -> Json {
        self.send("POST", &format!("{}{path}", self.session), body).await
    }

    async fn run(&self, script: &str) -> Json {
        self.order("/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Runs the body of a function in the page until it gives something true.
    async fn until(&self, script: &str) -> Json {
        let script = format!(
            "const done = arguments[0]; const look = () => {{ const seen = (() => {{ {script} }})(); \
             if (seen) done(seen); else setTimeout(look, 20); }}; look();"
        );
        self.order("/execute/async", json!({ "script": script, "args": [] })).await
    }

    async fn element(&self, selector: &str) -> String {
        self.until(&format!("return document.querySelector({})", json!(selector))).await;
        let found = self.order("/element", json!({ "using": "css selector", "value": selector })).await;
        let id = found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        format!("/element/{id}")
    }

    async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        self.order(&format!("{element}/click"), json!({})).await;
    }

    async fn type_into(&self, selector: &str, keys: &str) {
        let element = self.element(selector).await;
        self.order(&format!("{element}/value"), json!({ "text": keys })).await;
    }

    async fn window(&self, width: u32, height: u32, dark: bool) {
        self.order("/window/rect", json!({ "width": width, "height": height })).await;
        let features =
            [json!({ "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } })];
        let params = json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "features": features } });
        self.order("/goog/cdp/execute", params).await;
    }

    /// Keeps a picture if somebody wants to look.
    async fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("WORKBENCH_SHOTS").map(PathBuf::from) else { return };
        let shot = self.send("GET", &format!("{}/screenshot", self.session), Json::Null).await;
        std::fs::write(folder.join(format!("{name}.png")), base64(shot.as_str().unwrap())).unwrap();
    }

    async fn quit(self) {
        self.send("DELETE", &self.session, Json::Null).await;
    }
}

fn base64(text: &str) -> Vec<u8> {
    let value = |c: u8| {
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".iter().position(|a| *a == c)
    };
    let mut out = Vec::new();
    let (mut bits, mut count) = (0usize, 0);
    for v in text.bytes().filter_map(value) {
        (bits, count) = ((bits << 6 | v) & 0xff_ffff, count + 6);
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    out
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver"]
async fn a_person_can_browse_change_call_wake_and_read_along() {
    let acs = start().await;
    let first = acs.next_inform();
    tokio::spawn(Cpe::new(&acs.url()).live());
    let (device, _) = first.await;
    let browser = Browser::start().await;
    browser.order("/timeouts", json!({ "script": 30_000 })).await;
    browser.window(1280, 900, false).await;
    browser.order("/url", json!({ "url": acs.page_url().unwrap() })).await;

    // The tree opens level by level, asking the device each time.
    for path in ["Device.", "Device.WiFi.", "Device.WiFi.SSID.", "Device.WiFi.SSID.1."] {
        browser.click(&format!("details[data-path='{path}'] > summary")).await;
        browser
            .until(&format!("return document.querySelector(\"details[data-path='{path}'] > ul > li\")"))
            .await;
    }
    let field = "input[id='p-Device.WiFi.SSID.1.SSID']";
    let shown = browser.run(&format!("return document.querySelector(\"{field}\").value")).await;
    assert_eq!(shown, "OpenWrt & <friends>");
    browser.picture("tree").await;

    // A value is changed with the keyboard alone: select all, type, Enter.
    browser.type_into(field, "\u{e009}a\u{e000}Attic\u{e007}").await;
    browser.until("return document.getElementById('message').textContent.includes('SSID is set')").await;
    assert_eq!(device.parameter("Device.WiFi.SSID.1.SSID").unwrap().value.as_deref(), Some("Attic"));

    // A row is added and seen.
    browser.click("details[data-path='Device.NAT.'] > summary").await;
    browser.click("details[data-path='Device.NAT.PortMapping.'] > summary button").await;
    browser.element("details[data-path='Device.NAT.PortMapping.1.']").await;

    // A call that is refused shows each parameter.
    browser.click("#tab-calls").await;
    browser.run("const s = document.getElementById('rpc'); s.value = 'SetParameterValues'; s.dispatchEvent(new Event('change'))").await;
    browser.type_into(".triple [name=name]", "Device.DeviceInfo.UpTime").await;
    browser.type_into(".triple [name=value]", "1").await;
    browser.click("#call [type=submit]").await;
    browser.until("return document.getElementById('result').textContent.includes('9008')").await;
    browser.picture("calls").await;

    // Each form has what its RPC needs and sends without an error of the page.
    for rpc in
        ["GetRPCMethods", "GetParameterNames", "GetParameterValues", "GetParameterAttributes", "AddObject"]
    {
        let choose = format!(
            "const s = document.getElementById('rpc'); s.value = '{rpc}'; s.dispatchEvent(new Event('change'))"
        );
        browser.run(&choose).await;
        browser.click("#call [type=submit]").await;
        browser
            .until(&format!("return document.querySelector('#result .good')?.textContent.includes('{rpc}')"))
            .await;
    }

    // The agent of USP is browsed, read and set; its notification is seen without a request for it.
    let mut agent = Agent::open(&acs.controller().unwrap()).await;
    agent.hello().await;
    tokio::spawn(agent.live());
    browser.click("#tab-usp").await;
    browser.element("#usp-agent option").await;
    browser.click("#usp-call [type=submit]").await;
    browser.click("[aria-label='Get Device.WiFi.SSID.1.']").await;
    browser.click("[aria-label='Set Device.WiFi.SSID.1.SSID']").await;
    let shown = browser.run("return document.querySelector('#usp-fields textarea').value").await;
    assert_eq!(shown, "SSID = Attic");
    browser.type_into("#usp-fields textarea", "\u{e009}a\u{e000}SSID = say so").await;
    browser.click("#usp-call [type=submit]").await;
    browser.until("return document.getElementById('usp-news').textContent.includes('ValueChange')").await;
    browser.until("return document.querySelector('#usp-result .good')?.textContent.includes('Set')").await;
    browser.type_into("#usp-fields textarea", "\u{e009}a\u{e000}Nope = 1").await;
    browser.click("#usp-call [type=submit]").await;
    browser.until("return document.getElementById('usp-result').textContent.includes('7010')").await;
    browser.picture("usp").await;

    // The same agent over MQTT is another choice, and asked there.
    let mut agent = Agent::at_broker(&acs.controller().unwrap(), "agents/one").await;
    agent.ssid = "Cellar".into();
    agent.hello().await;
    tokio::spawn(agent.live());
    browser.until("return document.querySelectorAll('#usp-agent option').length === 2").await;
    browser.run("const s = document.getElementById('usp-agent'); s.value = [...s.options].find((o) => o.dataset.over === 'MQTT').value").await;
    browser
        .until("return document.getElementById('usp-facts').textContent.includes('self::workbench-mqtt')")
        .await;
    browser.run("const s = document.getElementById('usp-request'); s.value = 'Get'; s.dispatchEvent(new Event('change'))").await;
    browser.click("#usp-call [type=submit]").await;
    browser.until("return document.getElementById('usp-result').textContent.includes('Cellar')").await;
    browser.picture("usp-mqtt").await;

    // The log follows live, with the SOAP of a message behind it.
    browser.click("#tab-log").await;
    device.asleep().await;
    let next = device.next_inform();
    browser.click("#wake").await;
    assert!(next.await.has("6 CONNECTION REQUEST"));
    browser.until("return document.getElementById('entries').textContent.includes('InformResponse')").await;
    browser.run("const all = document.querySelectorAll('#entries li details'); all[all.length - 1].closest('ol').querySelector('details').open = true").await;
    browser.until("return document.querySelector('#entries pre')?.textContent.includes('0 BOOTSTRAP')").await;
    browser.run("document.getElementById('follow').checked = false; document.getElementById('entries').scrollTop = 0").await;
    browser.picture("log").await;

    // On a phone nothing is wider than the screen, in the dark neither.
    browser.window(500, 850, true).await;
    for tab in ["tree", "calls", "usp", "log"] {
        browser.click(&format!("#tab-{tab}")).await;
        let over = browser.run("return document.documentElement.scrollWidth - window.innerWidth").await;
        assert!(over.as_i64().unwrap() <= 0, "{tab} is {over} pixels too wide");
        browser.picture(&format!("phone-{tab}")).await;
    }
    browser.quit().await;
}
