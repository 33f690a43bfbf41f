//! The workbench's USP controller against a scripted agent, by both transports.

use cpeagent::bench::acs::{Acs, Settings};
use cpeagent::bench::controller::{Controller, Failure, Transport};
use cpeagent::bench::message::asked;
use cpeagent::usp::pb;
use cpeagent::usp::pb::body::MsgBody;
use cpeagent::usp::pb::header::MsgType;
use cpeagent::usp::pb::record::record::RecordType;
use cpeagent::usp::pb::record::{DisconnectRecord, MqttConnectRecord, WebSocketConnectRecord};
use cpeagent::usp::pb::response::RespType;
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use serde_json::json;

use super::agent::{AGENT, Agent, OBJECT, contact};
use super::mosquitto::Broker;

async fn start() -> (Acs, Controller) {
    let acs = Acs::start(Settings { usp: true, ..Settings::default() }).await.unwrap();
    let controller = acs.controller().unwrap();
    (acs, controller)
}

async fn open(controller: &Controller, over: Transport) -> Agent {
    match over {
        Transport::WebSocket => Agent::open(controller).await,
        Transport::Mqtt => Agent::at_broker(controller, "agents/one").await,
    }
}

fn get() -> pb::request::ReqType {
    asked(&json!({ "request": "Get", "paths": [OBJECT] })).unwrap()
}

fn set(name: &str) -> pb::request::ReqType {
    asked(&json!({ "request": "Set", "objects": { OBJECT: { name: "by controller" } } })).unwrap()
}

/// Waits until so many breaches were remarked.
async fn remarks(acs: &Acs, count: usize) -> Vec<String> {
    while acs.remarks().len() < count {
        let last = acs.log(0).last().map_or(0, |entry| entry.number);
        if acs.remarks().len() < count {
            acs.logged(last).await;
        }
    }
    acs.remarks()
}

#[tokio::test]
async fn an_agent_that_said_hello_is_asked_and_both_directions_are_in_the_log() {
    for over in Transport::ALL {
        let (acs, controller) = start().await;
        let mut agent = open(&controller, over).await;
        agent.hello().await;
        tokio::spawn(agent.live());
        let agent = controller.agent(over).await;
        assert_eq!(agent, contact(over));
        controller.ask(&agent, set("SSID")).await.unwrap();
        let RespType::GetResp(resp) = controller.ask(&agent, get()).await.unwrap() else { panic!() };
        assert_eq!(resp.req_path_results[0].resolved_path_results[0].result_params["SSID"], "by controller");
        let Err(Failure::Error(error)) = controller.ask(&agent, set("Nope")).await else { panic!() };
        assert_eq!((error.err_code, error.param_errs[0].err_code), (7004, 7010));
        let said: Vec<_> = acs.log(0).into_iter().map(|e| e.what).collect();
        let want = ["Connect", "Set", "SetResp", "Get", "GetResp", "Set", "Error"].map(|what| match over {
            Transport::WebSocket => format!("USP {what}"),
            Transport::Mqtt => format!("USP {what} over MQTT"),
        });
        assert_eq!(said, want);
        assert_eq!(acs.remarks(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_agent_by_both_transports_is_two_and_each_is_answered_where_it_is() {
    let (acs, controller) = start().await;
    for (over, ssid) in [(Transport::WebSocket, "Attic"), (Transport::Mqtt, "Cellar")] {
        let mut agent = open(&controller, over).await;
        agent.ssid = ssid.into();
        agent.hello().await;
        tokio::spawn(agent.live());
        controller.agent(over).await;
    }
    let there: Vec<_> = controller.agents().into_iter().map(|(contact, _)| contact).collect();
    assert_eq!(there, Transport::ALL.map(contact));
    for (over, ssid) in [(Transport::WebSocket, "Attic"), (Transport::Mqtt, "Cellar")] {
        let RespType::GetResp(resp) = controller.ask(&contact(over), get()).await.unwrap() else { panic!() };
        assert_eq!(resp.req_path_results[0].resolved_path_results[0].result_params["SSID"], ssid);
    }
    assert_eq!(acs.remarks(), Vec::<String>::new());
}

#[tokio::test]
async fn a_breach_is_remarked() {
    for over in Transport::ALL {
        let (acs, controller) = start().await;
        //= TR-369 R-MTP.6: the first thing sent on a channel is its Connect record.
        let mut agent = open(&controller, over).await;
        agent.changed().await;
        controller.noticed(0).await;
        assert_eq!(acs.remarks(), ["the first Record is no Connect"]);
        //= TR-369 R-MSG.9: an answer carries the msg_id of what was asked.
        agent.hello().await;
        let response = pb::Response { resp_type: Some(RespType::GetResp(pb::GetResp::default())) };
        let body = pb::Body { msg_body: Some(MsgBody::Response(response)) };
        agent.message("never asked", MsgType::GetResp, Some(body)).await;
        let remarks = remarks(&acs, 2).await;
        assert!(remarks[1].contains("never asked"), "{remarks:?}");
    }
}

#[tokio::test]
async fn a_message_that_breaks_the_rules_of_mqtt_is_remarked() {
    const TOPIC: &str = "agents/one";
    let good = PublishProperties {
        response_topic: Some(TOPIC.into()),
        content_type: Some("usp.msg".into()),
        ..PublishProperties::default()
    };
    let connect = |version, topic: &str| {
        RecordType::MqttConnect(MqttConnectRecord { version, subscribed_topic: topic.into() })
    };
    let without_topic = PublishProperties { response_topic: None, ..good.clone() };
    let without_type = PublishProperties { content_type: None, ..good.clone() };
    let of_another_type = PublishProperties { content_type: Some("text/plain".into()), ..good.clone() };
    let (acs, controller) = start().await;
    let mut agent = open(&controller, Transport::Mqtt).await;
    agent.publish(b"no Record".to_vec(), good.clone()).await;
    for (record, properties) in [
        //= TR-369 R-MQTT.23: in 5.0 the reply-to topic is the Response Topic.
        (connect(1, TOPIC), without_topic),
        //= TR-369 R-MQTT.27: its content type is usp.msg.
        (connect(1, TOPIC), of_another_type),
        (connect(1, TOPIC), without_type),
        (connect(0, TOPIC), good.clone()),
        (connect(1, "elsewhere"), good.clone()),
        // That of another transport is none here.
        (RecordType::WebsocketConnect(WebSocketConnectRecord {}), good.clone()),
    ] {
        let record = agent.wrapped(record);
        agent.publish(record, properties).await;
    }
    let found = remarks(&acs, 7).await;
    assert_eq!(
        found,
        [
            "these octets are no Record",
            "there is no Response Topic to answer at",
            "a message that is no Record by its content type",
            "the Record has no content type",
            "its Connect record tells another version of MQTT",
            "its Connect record tells elsewhere, and it wants to be answered at agents/one",
            "a Record of a kind that was not asked for",
        ]
    );
    //= TR-369 R-MQTT.27a: both content types are taken.
    let long = PublishProperties { content_type: Some("application/vnd.bbf.usp.msg".into()), ..good };
    let record = agent.wrapped(connect(1, TOPIC));
    let last = acs.log(0).last().unwrap().number;
    agent.publish(record, long).await;
    acs.logged(last).await;
    assert_eq!(acs.remarks().len(), 7);
}

#[tokio::test]
async fn a_notification_is_kept_and_answered_where_it_asks_for_that() {
    for over in Transport::ALL {
        let (_acs, controller) = start().await;
        let mut agent = open(&controller, over).await;
        agent.hello().await;
        agent.changed().await;
        let notice = controller.noticed(0).await;
        assert_eq!((notice.number, &notice.from), (1, &contact(over)));
        assert_eq!(notice.notify.subscription_id, "watch");
        let (msg_id, said) = agent.heard().await.unwrap();
        assert_eq!(msg_id, "n1");
        let want = RespType::NotifyResp(pb::NotifyResp { subscription_id: "watch".into() });
        assert_eq!(said, MsgBody::Response(pb::Response { resp_type: Some(want) }));
    }
}

#[tokio::test]
async fn a_request_fails_when_the_session_ends_before_its_answer_and_without_one() {
    for over in Transport::ALL {
        let (_acs, controller) = start().await;
        assert!(matches!(controller.ask(&contact(over), get()).await, Err(Failure::Lost(_))));
        let mut agent = open(&controller, over).await;
        agent.hello().await;
        let there = controller.agent(over).await;
        let gone = async {
            agent.heard().await.unwrap();
            agent.record(RecordType::Disconnect(DisconnectRecord::default())).await;
            drop(agent);
        };
        let (answer, ()) = tokio::join!(controller.ask(&there, get()), gone);
        assert!(matches!(answer, Err(Failure::Lost(_))), "{answer:?}");
        assert!(controller.agents().is_empty(), "{AGENT} is still there");
    }
}

#[tokio::test]
async fn over_mqtt_a_connect_begins_anew_and_is_answered_at_its_own_topic() {
    let (acs, controller) = start().await;
    let mut former = Agent::at_broker(&controller, "agents/former").await;
    former.hello().await;
    let there = controller.agent(Transport::Mqtt).await;
    // It asks for what the former connection never answers.
    let asked = tokio::spawn({
        let (controller, there) = (controller.clone(), there.clone());
        async move { controller.ask(&there, get()).await }
    });
    former.heard().await.unwrap();
    let mut agent = Agent::at_broker(&controller, "agents/newer").await;
    agent.hello().await;
    assert!(matches!(asked.await.unwrap(), Err(Failure::Lost(_))));
    tokio::spawn(agent.live());
    controller.ask(&there, get()).await.unwrap();
    assert_eq!(acs.remarks(), Vec::<String>::new());
}

#[tokio::test]
async fn a_broker_that_was_lost_is_found_again_and_agents_with_it() {
    let Some(mut broker) = Broker::start().await else { return };
    let settings =
        Settings { usp: true, broker: Some(([127, 0, 0, 1], broker.port).into()), ..Settings::default() };
    let acs = Acs::start(settings).await.unwrap();
    let controller = acs.controller().unwrap();
    broker.restart().await;
    while acs.log(0).last().is_none_or(|entry| entry.what != "USP broker back over MQTT") {
        acs.logged(acs.log(0).last().map_or(0, |entry| entry.number)).await;
    }
    let mut agent = open(&controller, Transport::Mqtt).await;
    agent.hello().await;
    tokio::spawn(agent.live());
    let agent = controller.agent(Transport::Mqtt).await;
    controller.ask(&agent, get()).await.unwrap();
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_told_at_the_start() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let broker = free.local_addr().unwrap();
    drop(free);
    let failed = Acs::start(Settings { usp: true, broker: Some(broker), ..Settings::default() }).await;
    assert!(failed.unwrap_err().to_string().contains(&broker.to_string()));
}
