//! The workbench's USP controller against a scripted agent.

use cpeagent::bench::acs::{Acs, Settings};
use cpeagent::bench::controller::{Controller, Failure};
use cpeagent::bench::message::asked;
use cpeagent::usp::pb;
use cpeagent::usp::pb::body::MsgBody;
use cpeagent::usp::pb::header::MsgType;
use cpeagent::usp::pb::response::RespType;
use serde_json::json;

use super::agent::{AGENT, Agent, OBJECT};

async fn start() -> (Acs, Controller) {
    let acs = Acs::start(Settings { usp: true, ..Settings::default() }).await.unwrap();
    let controller = acs.controller().unwrap();
    (acs, controller)
}

fn get() -> pb::request::ReqType {
    asked(&json!({ "request": "Get", "paths": [OBJECT] })).unwrap()
}

fn set(name: &str) -> pb::request::ReqType {
    asked(&json!({ "request": "Set", "objects": { OBJECT: { name: "by controller" } } })).unwrap()
}

#[tokio::test]
async fn an_agent_that_said_hello_is_asked_and_both_directions_are_in_the_log() {
    let (acs, controller) = start().await;
    let mut agent = Agent::open(controller.port()).await;
    agent.hello().await;
    tokio::spawn(agent.live());
    assert_eq!(controller.agent().await, AGENT);
    controller.ask(AGENT, set("SSID")).await.unwrap();
    let RespType::GetResp(resp) = controller.ask(AGENT, get()).await.unwrap() else { panic!() };
    assert_eq!(resp.req_path_results[0].resolved_path_results[0].result_params["SSID"], "by controller");
    let Err(Failure::Error(error)) = controller.ask(AGENT, set("Nope")).await else { panic!() };
    assert_eq!((error.err_code, error.param_errs[0].err_code), (7004, 7010));
    let said: Vec<_> = acs.log(0).into_iter().map(|e| e.what).collect();
    assert_eq!(
        said,
        ["USP Connect", "USP Set", "USP SetResp", "USP Get", "USP GetResp", "USP Set", "USP Error"]
    );
    assert_eq!(acs.remarks(), Vec::<String>::new());
}

#[tokio::test]
async fn a_breach_is_remarked() {
    let (acs, controller) = start().await;
    //= TR-369 R-MTP.6: the first thing sent on a channel is its Connect record.
    let mut agent = Agent::open(controller.port()).await;
    agent.changed().await;
    controller.noticed(0).await;
    assert_eq!(acs.remarks(), ["the first Record is no Connect"]);
    //= TR-369 R-MSG.9: an answer carries the msg_id of what was asked.
    agent.hello().await;
    let response = pb::Response { resp_type: Some(RespType::GetResp(pb::GetResp::default())) };
    let body = pb::Body { msg_body: Some(MsgBody::Response(response)) };
    agent.message("never asked", MsgType::GetResp, Some(body)).await;
    let last = acs.log(0).last().unwrap().number;
    while acs.remarks().len() < 2 {
        acs.logged(last).await;
        tokio::task::yield_now().await;
    }
    assert!(acs.remarks()[1].contains("never asked"), "{:?}", acs.remarks());
}

#[tokio::test]
async fn a_notification_is_kept_and_answered_where_it_asks_for_that() {
    let (_acs, controller) = start().await;
    let mut agent = Agent::open(controller.port()).await;
    agent.hello().await;
    agent.changed().await;
    let notice = controller.noticed(0).await;
    assert_eq!((notice.number, notice.agent.as_str()), (1, AGENT));
    assert_eq!(notice.notify.subscription_id, "watch");
    let (msg_id, said) = agent.heard().await.unwrap();
    assert_eq!(msg_id, "n1");
    let want = RespType::NotifyResp(pb::NotifyResp { subscription_id: "watch".into() });
    assert_eq!(said, MsgBody::Response(pb::Response { resp_type: Some(want) }));
}

#[tokio::test]
async fn a_request_fails_when_the_session_ends_before_its_answer_and_without_one() {
    let (_acs, controller) = start().await;
    assert!(matches!(controller.ask(AGENT, get()).await, Err(Failure::Lost(_))));
    let mut agent = Agent::open(controller.port()).await;
    agent.hello().await;
    controller.agent().await;
    let gone = async {
        agent.heard().await.unwrap();
        drop(agent);
    };
    let (answer, ()) = tokio::join!(controller.ask(AGENT, get()), gone);
    assert!(matches!(answer, Err(Failure::Lost(_))), "{answer:?}");
    assert!(controller.agents().is_empty());
}
