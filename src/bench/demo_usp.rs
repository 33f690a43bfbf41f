//! The second half of the demo's story: a USP controller works on what the ACS has changed, and each hears of the other.
//!
//! Driven by [`super::demo`] where a controller stands beside the ACS.

use crate::usp::pb::schema::Texts;
use std::time::Duration;

use tokio::time::timeout;

use super::acs::Device;
use super::controller::{Controller, Failure};
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
    let Some(id) = story.step("connect over USP", connect(controller)).await else { return };
    let peer = Peer { controller, id };
    story.step("read over USP what the ACS set", read(&peer, path, wanted)).await;
    story.step("change it over USP, the ACS watching", change(&peer, agent, device, path)).await;
    story.step("be told over USP of what the ACS changes", hear(&peer, device, path)).await;
    story.step("add and delete a row over USP", add_and_delete(&peer)).await;
    story.step("provoke an error over USP", provoke_an_error(&peer)).await;
}

/// The agent as the controller sees it.
struct Peer<'a> {
    controller: &'a Controller,
    id: String,
}

impl Peer<'_> {
    async fn ask(&self, request: ReqType) -> Result<RespType, Failure> {
        self.controller.ask(&self.id, request).await
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
async fn connect(controller: &Controller) -> Told<String> {
    let id = controller.agent().await;
    let versions = "1.0,1.1,1.2,1.3,1.4".to_owned();
    let ask = pb::GetSupportedProtocol { controller_supported_protocol_versions: versions };
    match controller.ask(&id, ReqType::GetSupportedProtocol(ask)).await.map_err(refused)? {
        RespType::GetSupportedProtocolResp(resp) => {
            let versions = resp.agent_supported_protocol_versions;
            Ok((format!("{id} sent its Connect record, and speaks USP {versions}"), id))
        }
        other => Err(format!("{other:?}")),
    }
}

async fn read(peer: &Peer<'_>, path: &str, wanted: &str) -> Told<()> {
    let found = peer.value(path).await?;
    if found != wanted {
        return Err(format!("{path} is {found:?} over USP, and the ACS set {wanted:?}"));
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
    let settings = [
        ("ID", "demo"),
        ("NotifType", "ValueChange"),
        ("ReferenceList", path),
        ("NotifRetry", "false"),
        ("Enable", "true"),
    ];
    let row = peer.add("Device.LocalAgent.Subscription.", &settings).await?;
    let mut last = peer.controller.last_notice();
    super::demo::set(device, vec![Value::new(path, "string", NEW)]).await?;
    // Nothing more is asked in this session.
    device.close();
    let told = async {
        loop {
            let notice = peer.controller.noticed(last).await;
            last = notice.number;
            match notice.notify.notification {
                Some(Notification::ValueChange(change)) if change.param_path == path => {
                    return (notice.notify.subscription_id, change.param_value);
                }
                _ => {}
            }
        }
    };
    let (subscription, told) =
        timeout(NEWS_WAIT, told).await.map_err(|_| "the controller was not told of it")?;
    if subscription != "demo" || told != NEW {
        return Err(format!("{subscription} tells of {told:?}"));
    }
    Ok((format!("{row} brought a Notify: ValueChange to {told:?}"), ()))
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
