//! The second half of the demo's story: USP controllers work on what the ACS has changed, one over a WebSocket and one over
//! MQTT, and each hears of the others.
//!
//! Driven by [`super::demo`] where a controller stands beside the ACS.

use crate::usp::pb::schema::Texts;
use std::time::Duration;

use tokio::time::timeout;

use super::acs::Device;
use super::controller::{Contact, Controller, Failure, Transport};
use super::demo::{Agent, Story, Told, said, value};
use super::message::{add, set};
use super::rpc::{Answer, Attribute, Rpc, Value};
use crate::usp::pb;
use crate::usp::pb::add_resp::created_object_result::operation_status::OperStatus as Added;
use crate::usp::pb::notify::Notification;
use crate::usp::pb::request::ReqType;
use crate::usp::pb::response::RespType;

/// How long a change may take until it is told.
const NEWS_WAIT: Duration = Duration::from_secs(30);

/// Tells it; `path` is a parameter that the ACS has set to `wanted`.
pub(super) async fn tell<A: Agent>(
    story: &mut Story<'_>,
    controller: &Controller,
    agent: &mut A,
    device: &Device,
    (path, wanted): (&str, &str),
) {
    let connected = connect(controller, Transport::WebSocket);
    let Some(peer) = story.step("connect over USP", connected).await else { return };
    story.step("read over USP what the ACS set", read(&peer, path, wanted)).await;
    story.step("change it over USP, the ACS watching", change(&peer, agent, device, path)).await;
    story.step("be told over USP of what the ACS changes", hear(&peer, device, path)).await;
    story.step("add and delete a row over USP", add_and_delete(&peer)).await;
    story.step("provoke an error over USP", provoke_an_error(&peer)).await;
    let connected = connect(controller, Transport::Mqtt);
    let Some(mqtt) = story.step("connect over MQTT", connected).await else { return };
    story.step("subscribe over MQTT", subscribe_over_mqtt(&mqtt, path)).await;
    for (name, by, new) in [
        ("change it over the WebSocket, all watching", &peer, "cpeagent over a WebSocket"),
        ("change it over MQTT, all watching", &mqtt, "cpeagent over MQTT"),
    ] {
        story.step(name, change_for_all(by, [&peer, &mqtt], device, path, new)).await;
    }
    story.step("read over MQTT what was set", read(&mqtt, path, "cpeagent over MQTT")).await;
}

/// The agent as the controller sees it.
struct Peer<'a> {
    controller: &'a Controller,
    at: Contact,
}

impl Peer<'_> {
    async fn ask(&self, request: ReqType) -> Result<RespType, Failure> {
        self.controller.ask(&self.at, request).await
    }

    /// The parameters at a path, by their full names.
    async fn values(&self, path: &str) -> Result<Texts, String> {
        let get = pb::Get { param_paths: vec![path.to_owned()], max_depth: 0 };
        let results = match self.ask(ReqType::Get(get)).await.map_err(refused)? {
            RespType::GetResp(resp) => resp.req_path_results,
            other => return Err(format!("{other:?}")),
        };
        if let Some(bad) = results.iter().find(|result| result.err_code != 0) {
            return Err(format!("{}: {} {}", bad.requested_path, bad.err_code, bad.err_msg));
        }
        let objects = results.into_iter().flat_map(|result| result.resolved_path_results);
        Ok(objects
            .flat_map(|object| {
                let of = object.resolved_path;
                object.result_params.into_iter().map(move |(name, value)| (format!("{of}{name}"), value))
            })
            .collect())
    }

    async fn value(&self, path: &str) -> Result<String, String> {
        self.values(path).await?.remove(path).ok_or_else(|| format!("{path} was not answered"))
    }

    async fn set(&self, path: &str, value: &str) -> Result<(), Failure> {
        let (object, name) = path.rsplit_once('.').unwrap_or((path, ""));
        let settings = Texts::from([(name.to_owned(), value.to_owned())]);
        self.ask(ReqType::Set(set(vec![(format!("{object}."), settings)]))).await.map(|_| ())
    }

    /// Wants to be told of changes of a parameter; the row.
    async fn subscribe(&self, id: &str, path: &str) -> Result<String, String> {
        let settings = [
            ("ID", id),
            ("NotifType", "ValueChange"),
            ("ReferenceList", path),
            ("NotifRetry", "false"),
            ("Enable", "true"),
        ];
        self.add("Device.LocalAgent.Subscription.", &settings).await
    }

    /// Waits until, after notification number `last`, the parameter was told to this controller as `wanted`.
    async fn told(&self, mut last: u64, subscription: &str, path: &str, wanted: &str) -> Result<(), String> {
        let told = async {
            loop {
                let notice = self.controller.noticed(last).await;
                last = notice.number;
                match notice.notify.notification {
                    Some(Notification::ValueChange(change))
                        if notice.from == self.at
                            && change.param_path == path
                            && notice.notify.subscription_id == subscription =>
                    {
                        return change.param_value;
                    }
                    _ => {}
                }
            }
        };
        let told = timeout(NEWS_WAIT, told).await;
        let told = told.map_err(|_| format!("{} was not told of it", self.at.over.endpoint()))?;
        if told == wanted { Ok(()) } else { Err(format!("{subscription} tells of {told:?}")) }
    }

    /// The rows of a table.
    async fn rows(&self, table: &str) -> Result<Vec<String>, String> {
        let ask = pb::GetInstances { obj_paths: vec![table.to_owned()], first_level_only: true };
        match self.ask(ReqType::GetInstances(ask)).await.map_err(refused)? {
            RespType::GetInstancesResp(resp) => Ok(resp
                .req_path_results
                .into_iter()
                .flat_map(|result| result.curr_insts)
                .map(|row| row.instantiated_obj_path)
                .collect()),
            other => Err(format!("{other:?}")),
        }
    }

    /// Adds a row; its path.
    async fn add(&self, table: &str, settings: &[(&str, &str)]) -> Result<String, String> {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let ask = ReqType::Add(add(vec![(table.to_owned(), settings.collect())]));
        let result = match self.ask(ask).await.map_err(refused)? {
            RespType::AddResp(resp) => resp.created_obj_results.into_iter().next(),
            other => return Err(format!("{other:?}")),
        };
        match result.and_then(|result| result.oper_status).and_then(|status| status.oper_status) {
            Some(Added::OperSuccess(done)) => Ok(done.instantiated_path),
            Some(Added::OperFailure(why)) => Err(format!("{} {}", why.err_code, why.err_msg)),
            None => Err("the AddResp does not say whether it worked".into()),
        }
    }
}

fn refused(failure: Failure) -> String {
    failure.to_string()
}

//= TR-369 R-MTP.6: the first thing sent on a channel is its Connect record.
async fn connect(controller: &Controller, over: Transport) -> Told<Peer<'_>> {
    let peer = Peer { controller, at: controller.agent(over).await };
    let versions = "1.0,1.1,1.2,1.3,1.4".to_owned();
    let ask = pb::GetSupportedProtocol { controller_supported_protocol_versions: versions };
    match peer.ask(ReqType::GetSupportedProtocol(ask)).await.map_err(refused)? {
        RespType::GetSupportedProtocolResp(resp) => {
            let versions = resp.agent_supported_protocol_versions;
            let (agent, way, own) = (&peer.at.agent, controller.url(over), over.endpoint());
            Ok((format!("{agent} sent {own} its Connect record at {way}, and speaks USP {versions}"), peer))
        }
        other => Err(format!("{other:?}")),
    }
}

async fn read(peer: &Peer<'_>, path: &str, wanted: &str) -> Told<()> {
    let found = peer.value(path).await?;
    if found != wanted {
        return Err(format!("{path} is {found:?}, and was set to {wanted:?}"));
    }
    Ok((format!("{path} is {found:?} here too"), ()))
}

//= TR-069 A.3.2.4: active notification (2) makes the device inform at once, with 4 VALUE CHANGE and the new value.
async fn change<A: Agent>(peer: &Peer<'_>, agent: &mut A, device: &Device, path: &str) -> Told<()> {
    const NEW: &str = "cpeagent over USP";
    let watch = Attribute { name: path.to_owned(), notification: Some(2), access: None };
    match device.ask(Rpc::SetParameterAttributes(vec![watch])).await.map_err(said)? {
        Answer::Done => {}
        other => return Err(format!("{other:?}")),
    }
    device.close();
    device.asleep().await;
    agent.changes();
    let before = peer.value(path).await?;
    let next = device.next_inform();
    peer.set(path, NEW).await.map_err(refused)?;
    let written = agent.changes();
    let inform = timeout(NEWS_WAIT, next).await.map_err(|_| "the ACS was not told of it")?;
    if !inform.has("4 VALUE CHANGE") || inform.value(path) != Some(NEW) {
        return Err(format!("the ACS was told {:?}, and {path} as {:?}", inform.events, inform.value(path)));
    }
    let after = value(device, path).await?;
    if after != NEW {
        return Err(format!("{path} reads {after:?} over CWMP after {NEW:?} was set over USP"));
    }
    let written: String = written.lines().map(|line| format!("\n    {line}")).collect();
    Ok((format!("{before:?} → {NEW:?}, then 4 VALUE CHANGE with it{written}"), ()))
}

/// The other way round: a subscription, and the ACS changes the value.
async fn hear(peer: &Peer<'_>, device: &Device, path: &str) -> Told<()> {
    const NEW: &str = "cpeagent over CWMP";
    let row = peer.subscribe("demo", path).await?;
    let last = peer.controller.last_notice();
    super::demo::set(device, vec![Value::new(path, "string", NEW)]).await?;
    // Nothing more is asked in this session.
    device.close();
    peer.told(last, "demo", path, NEW).await?;
    Ok((format!("{row} brought a Notify: ValueChange to {NEW:?}"), ()))
}

/// The subscription of the controller that is reached over MQTT.
const OVER_MQTT: &str = "demo over MQTT";

async fn subscribe_over_mqtt(mqtt: &Peer<'_>, path: &str) -> Told<()> {
    let row = mqtt.subscribe(OVER_MQTT, path).await?;
    let found = mqtt.value(&format!("{row}Recipient")).await?;
    Ok((format!("{row} tells {found}"), ()))
}

/// A change by one controller, of which that one, the other and the ACS are told.
//= TR-069 A.3.2.4: active notification (2) makes the device inform at once, with 4 VALUE CHANGE and the new value.
async fn change_for_all(
    by: &Peer<'_>,
    [socket, mqtt]: [&Peer<'_>; 2],
    device: &Device,
    path: &str,
    new: &str,
) -> Told<()> {
    device.asleep().await;
    let last = by.controller.last_notice();
    let next = device.next_inform();
    by.set(path, new).await.map_err(refused)?;
    let inform = timeout(NEWS_WAIT, next).await.map_err(|_| "the ACS was not told of it")?;
    if !inform.has("4 VALUE CHANGE") || inform.value(path) != Some(new) {
        return Err(format!("the ACS was told {:?}, and {path} as {:?}", inform.events, inform.value(path)));
    }
    socket.told(last, "demo", path, new).await?;
    mqtt.told(last, OVER_MQTT, path, new).await?;
    Ok((format!("{new:?} is in a 4 VALUE CHANGE, and in a Notify by each transport"), ()))
}

async fn add_and_delete(peer: &Peer<'_>) -> Told<()> {
    const TABLE: &str = "Device.NAT.PortMapping.";
    let before = peer.rows(TABLE).await?;
    let settings = [
        ("Protocol", "TCP"),
        ("ExternalPort", "8444"),
        ("InternalPort", "443"),
        ("InternalClient", "192.168.1.10"),
        ("Description", "cpeagent demo over USP"),
        ("Enable", "true"),
    ];
    let row = peer.add(TABLE, &settings).await?;
    let found = peer.values(&row).await?;
    for (name, value) in settings {
        let path = format!("{row}{name}");
        if found.get(&path).map(String::as_str) != Some(value) {
            return Err(format!("{path} is {:?}, and was added as {value:?}", found.get(&path)));
        }
    }
    let delete = pb::Delete { allow_partial: false, obj_paths: vec![row.clone()] };
    peer.ask(ReqType::Delete(delete)).await.map_err(refused)?;
    let after = peer.rows(TABLE).await?;
    if after != before {
        return Err(format!("the rows were {before:?} and are {after:?}"));
    }
    Ok((format!("{row} forwarded TCP 8444 to 192.168.1.10:443, and is gone again"), ()))
}

//= TR-369 R-MSG.0: every request gets a response or an Error.
async fn provoke_an_error(peer: &Peer<'_>) -> Told<()> {
    const GOOD: &str = "Device.DeviceInfo.ProvisioningCode";
    const BAD: &str = "Device.WiFi.SSID.1.Enable";
    let before = peer.value(GOOD).await?;
    let one = |path: &str, value: &str| {
        let (object, name) = path.rsplit_once('.').unwrap_or((path, ""));
        (format!("{object}."), Texts::from([(name.to_owned(), value.to_owned())]))
    };
    let ask = ReqType::Set(set(vec![one(GOOD, "not to be kept"), one(BAD, "maybe")]));
    let error = match peer.ask(ask).await {
        Err(Failure::Error(error)) => error,
        Err(other) => return Err(refused(other)),
        Ok(answer) => return Err(format!("{answer:?} instead of an Error")),
    };
    let Some(parameter) = error.param_errs.iter().find(|one| one.param_path == BAD) else {
        return Err(format!("{BAD} is not named: {}", Failure::Error(error)));
    };
    let after = peer.value(GOOD).await?;
    if after != before {
        return Err(format!("{GOOD} was changed to {after:?} although the request failed"));
    }
    Ok((format!("{} {} for {BAD}, and nothing was changed", parameter.err_code, parameter.err_msg), ()))
}
