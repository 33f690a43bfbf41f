//! The story of the demo: what an ACS does with a router in its first minutes, told step by step.
//!
//! Where a USP controller stands beside the ACS, [`super::demo_usp`] goes on with it. It knows the agent only as something that can be pointed at an ACS; how it is started is the [`Agent`]'s matter.
//! Driven by `cpeagent demo`.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::time::timeout;

use super::acs::{Acs, Device};
use super::rpc::{Answer, Failure, Name, Rpc, Value};

/// How long each step may take.
pub const STEP_WAIT: Duration = Duration::from_secs(60);

/// Something that manages a router and can be pointed at an ACS.
pub trait Agent {
    /// Starts it with that ManagementServer.URL. It runs until it is dropped.
    fn start(&mut self, acs_url: &str) -> impl Future<Output = io::Result<()>>;

    /// What has changed in the router's configuration since this was asked last, a line for each change; empty where
    /// that cannot be seen.
    fn changes(&mut self) -> String {
        String::new()
    }
}

/// One step as it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Such as `change an SSID`.
    pub name: &'static str,
    /// What was seen, or why it failed.
    pub outcome: Result<String, String>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Ok(seen) => write!(f, "✓ {}: {seen}", self.name),
            Err(why) => write!(f, "✗ {}: {why}", self.name),
        }
    }
}

/// The whole story.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order told.
    pub steps: Vec<Step>,
    /// Where the agent breaks the standard, as far as the ACS noticed.
    pub remarks: Vec<String>,
}

impl Report {
    /// Whether all went well.
    pub fn passed(&self) -> bool {
        self.remarks.is_empty() && !self.steps.is_empty() && self.steps.iter().all(|s| s.outcome.is_ok())
    }

    /// 0 if all went well, else 1.
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.passed())
    }
}

/// Starts the agent, waits for its first Inform and tells the story; without an Inform the report has that step only.
pub async fn run<A: Agent>(acs: &Acs, agent: &mut A, tell: &mut dyn FnMut(&Step)) -> io::Result<Report> {
    let first = acs.next_inform();
    agent.start(&acs.url()).await?;
    match timeout(STEP_WAIT, first).await {
        Ok((device, _)) => Ok(story(acs, agent, &device, tell).await),
        Err(_) => {
            let why = Err(format!("no Inform within {} s", STEP_WAIT.as_secs()));
            let step = Step { name: "bootstrap", outcome: why };
            tell(&step);
            Ok(Report { steps: vec![step], remarks: acs.remarks() })
        }
    }
}

/// Tells the story with a device that has informed just now; goes on after a step that fails.
pub async fn story<A: Agent>(
    acs: &Acs,
    agent: &mut A,
    device: &Device,
    tell: &mut dyn FnMut(&Step),
) -> Report {
    let mut story = Story { device: device.clone(), report: Report::default(), tell };
    story.step("bootstrap", bootstrap(device)).await;
    let names = story.step("read the tree", read_the_tree(device)).await.unwrap_or_default();
    let changed = story.step("change an SSID", change_an_ssid(device, &names)).await;
    story.step("add a port mapping", add_a_port_mapping(device)).await;
    story.step("provoke a fault", provoke_a_fault(device)).await;
    story.step("wake by connection request", wake(device)).await;
    if let (Some(controller), Some((path, value))) = (acs.controller(), changed) {
        super::demo_usp::tell(&mut story, &controller, agent, device, (&path, &value)).await;
    }
    Report { remarks: acs.remarks(), ..story.report }
}

/// What a step gives on: a sentence for the reader and something for the next steps.
pub(super) type Told<T> = Result<(String, T), String>;

/// The story as it is told.
pub(super) struct Story<'a> {
    device: Device,
    report: Report,
    tell: &'a mut dyn FnMut(&Step),
}

impl Story<'_> {
    /// One step, told when it has ended; what it gives on if it went well.
    pub async fn step<T>(&mut self, name: &'static str, doing: impl Future<Output = Told<T>>) -> Option<T> {
        let result = timeout(STEP_WAIT, doing).await.unwrap_or_else(|_| {
            Err(format!("{} took longer than {} s", self.device.id(), STEP_WAIT.as_secs()))
        });
        let (outcome, given) = match result {
            Ok((seen, given)) => (Ok(seen), Some(given)),
            Err(why) => (Err(why), None),
        };
        let step = Step { name, outcome };
        (self.tell)(&step);
        self.report.steps.push(step);
        given
    }
}

pub(super) fn said(failure: Failure) -> String {
    failure.to_string()
}

//= TR-069 A.3.3.1: the parameters every Inform of a Device:2 root carries.
const FORCED: [&str; 6] = [
    "Device.RootDataModelVersion",
    "Device.DeviceInfo.HardwareVersion",
    "Device.DeviceInfo.SoftwareVersion",
    "Device.DeviceInfo.ProvisioningCode",
    "Device.ManagementServer.ConnectionRequestURL",
    "Device.ManagementServer.ParameterKey",
];

async fn bootstrap(device: &Device) -> Told<()> {
    let inform = device.inform().ok_or("the device has not informed")?;
    let events: Vec<_> = inform.events.iter().map(|e| e.code.as_str()).collect();
    let events = events.join(", ");
    //= TR-069 3.7.1.5: the first contact ever carries 0 BOOTSTRAP.
    if !inform.has("0 BOOTSTRAP") {
        return Err(format!("events are {events}, without 0 BOOTSTRAP"));
    }
    if let Some(missing) = FORCED.iter().find(|name| inform.value(name).is_none()) {
        return Err(format!("{missing} is not in the Inform"));
    }
    Ok((format!("{} informed: {events}", device.id()), ()))
}

async fn read_the_tree(device: &Device) -> Told<Vec<Name>> {
    let all = Rpc::GetParameterNames { path: "Device.".into(), next_level: false };
    let names = match device.ask(all).await.map_err(said)? {
        Answer::Names(names) => names,
        other => return Err(format!("{other:?}")),
    };
    let values = values(device, "Device.").await?;
    let listed: BTreeSet<_> = names.iter().map(|n| n.path.as_str()).filter(|p| !p.ends_with('.')).collect();
    let valued: BTreeSet<_> = values.iter().map(|v| v.name.as_str()).collect();
    if let Some(odd) = listed.symmetric_difference(&valued).next() {
        let which = if listed.contains(odd) { "a name but no value" } else { "a value but no name" };
        return Err(format!("{odd} has {which}"));
    }
    if listed.is_empty() {
        return Err("the tree is empty".into());
    }
    let objects = names.len() - listed.len();
    Ok((format!("{} parameters in {objects} objects, every one with a value", listed.len()), names))
}

/// Gives on the parameter and its new value.
async fn change_an_ssid(device: &Device, names: &[Name]) -> Told<(String, String)> {
    let path = names
        .iter()
        .find(|n| n.writable && n.path.starts_with("Device.WiFi.SSID.") && n.path.ends_with(".SSID"))
        .map(|n| n.path.as_str())
        .ok_or("the tree has no writable Device.WiFi.SSID.{i}.SSID")?;
    let before = value(device, path).await?;
    let new = if before == "cpeagent demo" { "cpeagent demo 2" } else { "cpeagent demo" };
    let status = set(device, vec![Value::new(path, "string", new)]).await?;
    let after = value(device, path).await?;
    if after != new {
        return Err(format!("{path} reads {after:?} after {new:?} was set"));
    }
    Ok((format!("{path}: {before:?} → {after:?}, status {status}"), (path.to_owned(), after)))
}

async fn add_a_port_mapping(device: &Device) -> Told<()> {
    const TABLE: &str = "Device.NAT.PortMapping.";
    let add = Rpc::AddObject { object: TABLE.into(), key: "demo".into() };
    let instance = match device.ask(add).await.map_err(said)? {
        Answer::Added { instance, .. } => instance,
        other => return Err(format!("{other:?}")),
    };
    let rows = [
        ("Protocol", "string", "TCP"),
        ("ExternalPort", "unsignedInt", "8080"),
        ("InternalPort", "unsignedInt", "80"),
        ("InternalClient", "string", "192.168.1.10"),
        ("Description", "string", "cpeagent demo"),
        ("Enable", "boolean", "1"),
    ];
    let object = format!("{TABLE}{instance}.");
    let wanted: Vec<_> =
        rows.iter().map(|(leaf, kind, value)| Value::new(format!("{object}{leaf}"), kind, *value)).collect();
    set(device, wanted.clone()).await?;
    let found = values(device, &object).await?;
    for want in &wanted {
        let same = |v: &Value| v.value == want.value || (want.kind == "boolean" && v.value == "true");
        if !found.iter().any(|v| v.name == want.name && same(v)) {
            return Err(format!("{} does not read {:?} after it was set", want.name, want.value));
        }
    }
    Ok((format!("{object} forwards TCP 8080 to 192.168.1.10:80"), ()))
}

//= TR-069 A.3.2.1: all or nothing; 9003 around one fault for each parameter, 9008 not writable, 9005 unknown.
async fn provoke_a_fault(device: &Device) -> Told<()> {
    const GOOD: &str = "Device.DeviceInfo.ProvisioningCode";
    const WANT: [(&str, u16); 2] =
        [("Device.DeviceInfo.SoftwareVersion", 9008), ("Device.NoSuch.Thing", 9005)];
    let before = value(device, GOOD).await?;
    let mut all = vec![Value::new(GOOD, "string", "not to be kept")];
    all.extend(WANT.iter().map(|(name, _)| Value::new(*name, "string", "x")));
    let fault = match device.ask(Rpc::SetParameterValues { values: all, key: "demo".into() }).await {
        Err(Failure::Fault(fault)) => fault,
        Err(other) => return Err(said(other)),
        Ok(answer) => return Err(format!("{answer:?} instead of a fault")),
    };
    if fault.code != 9003 {
        return Err(format!("{fault} instead of 9003"));
    }
    for (name, code) in WANT {
        if !fault.parameters.iter().any(|p| p.name == name && p.code == code) {
            return Err(format!("{name} is not refused with {code}: {fault}"));
        }
    }
    let after = value(device, GOOD).await?;
    if after != before {
        return Err(format!("{GOOD} was changed to {after:?} although the call failed"));
    }
    let codes: Vec<_> = fault.parameters.iter().map(|p| p.code.to_string()).collect();
    Ok((format!("{} with {}, and nothing was changed", fault.code, codes.join(" and ")), ()))
}

//= TR-069 3.2.2.2: without credentials 401, with them 200 or 204 and a session within 30 s with event 6.
async fn wake(device: &Device) -> Told<()> {
    device.close();
    device.asleep().await;
    let url =
        device.summary().and_then(|s| s.wake_url).ok_or("the device has told no ConnectionRequestURL")?;
    match super::http::digest_get(&url, None, "", STEP_WAIT).await {
        Ok(401) => {}
        Ok(status) => return Err(format!("{url} answered {status} without credentials")),
        Err(why) => return Err(format!("{url}: {why}")),
    }
    let next = device.next_inform();
    let status = match device.wake().await {
        Ok(status @ (200 | 204)) => status,
        Ok(status) => return Err(format!("{url} answered {status}")),
        Err(why) => return Err(format!("{url}: {why}")),
    };
    let inform = timeout(Duration::from_secs(30), next).await.map_err(|_| "no Inform within 30 s")?;
    if !inform.has("6 CONNECTION REQUEST") {
        return Err(format!("the session has {:?}", inform.events));
    }
    Ok((format!("401 without credentials, {status} with them, then 6 CONNECTION REQUEST"), ()))
}

async fn values(device: &Device, path: &str) -> Result<Vec<Value>, String> {
    match device.ask(Rpc::GetParameterValues(vec![path.to_owned()])).await.map_err(said)? {
        Answer::Values(values) => Ok(values),
        other => Err(format!("{other:?}")),
    }
}

pub(super) async fn value(device: &Device, path: &str) -> Result<String, String> {
    let found = values(device, path).await?.into_iter().find(|v| v.name == path);
    found.map(|v| v.value).ok_or_else(|| format!("{path} was not answered"))
}

pub(super) async fn set(device: &Device, values: Vec<Value>) -> Result<u8, String> {
    match device.ask(Rpc::SetParameterValues { values, key: "demo".into() }).await.map_err(said)? {
        Answer::Status(status) => Ok(status),
        other => Err(format!("{other:?}")),
    }
}
