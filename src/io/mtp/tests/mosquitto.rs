//! A real broker, where there is one: mosquitto.

use super::mqtt::{publish, told, wanted};
use super::*;
use crate::mqtt::{Terms, UserProperty, Version, Will};
use crate::secret::Secret;
use crate::usp::mtp::mqtt::packet;
use crate::usp::mtp::{Mqtt, MqttSubscription};
use std::process::{Child, Command, Stdio};
use tokio::io::AsyncReadExt;

/// A mosquitto of our own, ended with this.
struct Broker {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Broker {
    /// `None`, with a note, where there is no mosquitto.
    async fn start(config: &str) -> Option<Broker> {
        let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"];
        let Some(program) = program.into_iter().find(|path| std::path::Path::new(path).exists()) else {
            eprintln!("left out: there is no mosquitto");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..20 {
            // The port may be taken by another before it starts; then it ends at once.
            let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            let path = folder.path().join("mosquitto.conf");
            let text = format!("listener {port} 127.0.0.1\nmax_inflight_messages 4\n{config}");
            std::fs::write(&path, text).unwrap();
            let mut child = Command::new(program)
                .arg("-c")
                .arg(&path)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            loop {
                if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                    return Some(Broker { child, port, _folder: folder });
                }
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        panic!("mosquitto does not start");
    }
}

//= TR-369 R-MQTT.1
//= TR-369 R-MQTT.2
//= TR-369 R-MQTT.3
//= TR-369 R-MQTT.18
//= TR-369 R-MQTT.20
//= TR-369 R-MQTT.22
#[tokio::test]
async fn two_ends_talk_through_a_real_broker_in_both_versions() {
    let Some(broker) = Broker::start("allow_anonymous true\n").await else { return };
    let lab = Lab::new();
    for (version, qos) in [(Version::V5, 1), (Version::V5, 0), (Version::V311, 1)] {
        let one = Mqtt { publish_qos: qos, ..wanted(version, broker.port) };
        let two = Mqtt { response_topic: Some("controllers/two".into()), own: controller(), ..one.clone() };
        let (mut agent, mut acs) = (lab.links(), lab.links());
        agent.configure(vec![Wanted::Mqtt(one.clone())]);
        acs.configure(vec![Wanted::Mqtt(two)]);
        let (ours, theirs) = (up(&mut agent).await, up(&mut acs).await);
        assert_eq!(ours.reply_topic.as_deref(), Some("agents/one"));
        let Details::Mqtt { client_id, assigned, subscribed, .. } = &ours.details else { panic!("of MQTT") };
        assert_eq!(*assigned, version == Version::V5, "{client_id}");
        assert!(subscribed.iter().all(|(_, granted)| *granted == Ok(qos)), "{subscribed:?}");
        let big = vec![7; 250_000];
        acs.command(publish(theirs.link, "agents/one", &big));
        assert_eq!(told(&mut agent).await, (big, Some("controllers/two".into())));
        for n in 0..20 {
            agent.command(publish(ours.link, "controllers/two", &[n]));
        }
        for n in 0..20 {
            assert_eq!(told(&mut acs).await, (vec![n], Some("agents/one".into())));
        }
        // Other topics, on the same connection.
        let filter = MqttSubscription { topic: "all/+".into(), qos: 1 };
        agent.configure(vec![Wanted::Mqtt(Mqtt { subscriptions: vec![filter], ..one })]);
        match agent.next().await {
            LinkEvent::Changed { link, details: Details::Mqtt { subscribed, .. }, .. } => {
                assert_eq!(link, ours.link);
                assert!(subscribed.iter().any(|(topic, granted)| &**topic == "all/+" && *granted == Ok(1)));
            }
            other => panic!("{other:?}"),
        }
        let topic = if version == Version::V5 { "all/x" } else { "all" };
        acs.command(publish(theirs.link, topic, b"all"));
        assert_eq!(told(&mut agent).await.0, b"all");
        agent.shutdown().await;
        acs.shutdown().await;
    }
}

/// A plain subscriber: the first message at a topic, with the properties that the broker passed on, and its octets.
async fn overhear(port: u16, topic: &str) -> JoinHandle<(packet::Incoming, Vec<u8>)> {
    let version = Version::V5;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let connect = packet::Connect { clean: true, ..packet::Connect::default() };
    stream.write_all(&packet::connect(version, &connect)).await.unwrap();
    let filters = [MqttSubscription { topic: topic.into(), qos: 0 }];
    stream.write_all(&packet::subscribe(version, 1, &filters, packet::User::default())).await.unwrap();
    let mut buffer = Vec::new();
    let mut next = async move || loop {
        let mut octets = buffer.clone();
        if let Some(packet) = packet::take(version, &Terms::default(), &mut buffer).unwrap() {
            octets.truncate(octets.len() - buffer.len());
            return (packet, octets);
        }
        assert!(stream.read_buf(&mut buffer).await.unwrap() > 0, "the broker closed");
    };
    while !matches!(next().await.0, packet::Incoming::SubAck { .. }) {}
    tokio::spawn(async move { next().await })
}

//= TR-181 MQTT.Client.{i}.UserProperty.{i}.PacketType: each goes with the packets that it names, and with no other.
#[tokio::test]
async fn a_real_broker_takes_user_properties_with_every_packet_and_passes_on_those_of_messages() {
    let Some(broker) = Broker::start("allow_anonymous true\n").await else { return };
    let lab = Lab::new();
    let said = |name: &str, packets: &str| UserProperty {
        name: name.into(),
        value: "value".into(),
        packets: UserProperty::packets(packets.split(' ')),
    };
    let all = "CONNECT WILL PUBLISH PUBACK SUBSCRIBE UNSUBSCRIBE DISCONNECT";
    let will = Will { topic: "lost".into(), value: "gone".into(), ..Will::default() };
    let one = Mqtt {
        user: vec![said("everywhere", all), said("subscribe", "SUBSCRIBE")],
        will: Some(Box::new(will)),
        ..wanted(Version::V5, broker.port)
    };
    let heard = overhear(broker.port, "controllers/+").await;
    let mut agent = lab.links();
    agent.configure(vec![Wanted::Mqtt(one.clone())]);
    let up = up(&mut agent).await;
    // A message to ourselves is acknowledged by us, too.
    agent.command(publish(up.link, "agents/one", b"to ourselves"));
    assert_eq!(told(&mut agent).await.0, b"to ourselves");
    // On the same connection: a topic more, a topic less, another property.
    let filter = MqttSubscription { topic: "all/+".into(), qos: 1 };
    for subscriptions in [vec![filter], Vec::new()] {
        let user = vec![said("other", all.trim_start_matches("CONNECT WILL")), one.user[0].clone()];
        agent.configure(vec![Wanted::Mqtt(Mqtt { subscriptions, user, ..one.clone() })]);
        assert!(matches!(agent.next().await, LinkEvent::Changed { link, .. } if link == up.link));
    }
    agent.command(publish(up.link, "controllers/two", b"told"));
    let (packet::Incoming::Publish { payload, properties, .. }, _) = heard.await.unwrap() else {
        panic!("no message")
    };
    let pair = |name: &str| (name.to_owned(), "value".to_owned());
    assert_eq!((payload, properties.user), (b"told".to_vec(), vec![pair("other"), pair("everywhere")]));
    // The will is heard where the connection ends without a goodbye.
    let heard = overhear(broker.port, "lost").await;
    drop(agent);
    let (packet::Incoming::Publish { payload, properties, .. }, _) = heard.await.unwrap() else {
        panic!("no will")
    };
    assert_eq!((payload, properties.user), (b"gone".to_vec(), vec![pair("everywhere")]));
}

//= TR-181 MQTT.Client.{i}.ReceiveMaximum: each is acknowledged in its turn, so that as many as allowed may always follow.
//= MQTT 5.0 3.1.2.11.4: what is longer than the Maximum Packet Size is left out by the broker.
//= MQTT 5.0 3.1.3.2: an expiry, a content type and a response topic go with the will.
//= MQTT 5.0 3.3.2.3.3: for how long the broker may keep it.
#[tokio::test]
async fn a_real_broker_keeps_to_what_is_asked_of_it() {
    let Some(broker) = Broker::start("allow_anonymous true\n").await else { return };
    let lab = Lab::new();
    let will = Will {
        topic: "lost".into(),
        value: "gone".into(),
        expiry: 0x0101,
        content_type: "text/plain".into(),
        response_topic: "found".into(),
        ..Will::default()
    };
    let terms = Terms {
        session_expiry: 60,
        receive_maximum: 1,
        maximum_packet: 2_000,
        topic_aliases: 4,
        response_info: false,
        problem_info: false,
    };
    let usual = wanted(Version::V5, broker.port);
    let one = Mqtt { terms, will: Some(Box::new(will)), publish_expiry: 0x0102, ..usual.clone() };
    let mut agent = lab.links();
    agent.configure(vec![Wanted::Mqtt(one)]);
    let ours = up(&mut agent).await;
    // The long one with QoS 0: mosquitto takes one with QoS 1 that it leaves out for one that is never acknowledged.
    for (publish_qos, first) in [(1, &[0][..]), (0, &[7; 2_000])] {
        let mut acs = lab.links();
        let response_topic = Some("controllers/two".into());
        acs.configure(vec![Wanted::Mqtt(Mqtt { response_topic, publish_qos, ..usual.clone() })]);
        let theirs = up(&mut acs).await;
        acs.command(publish(theirs.link, "agents/one", first));
        for n in 1..20 {
            acs.command(publish(theirs.link, "agents/one", &[n]));
        }
        for n in publish_qos ^ 1..20 {
            assert_eq!(told(&mut agent).await.0, [n], "the long one is not passed on, all others are");
        }
        acs.shutdown().await;
    }
    let heard = overhear(broker.port, "controllers/+").await;
    agent.command(publish(ours.link, "controllers/two", b"told"));
    let (_, octets) = heard.await.unwrap();
    // What is told is what is left; less than a second has passed, or a little more.
    let left = octets.windows(4).any(|at| at == b"\x02\0\0\x01");
    assert!(left, "{octets:02x?}");
    let heard = overhear(broker.port, "lost").await;
    drop(agent);
    let (packet::Incoming::Publish { payload, properties, .. }, octets) = heard.await.unwrap() else {
        panic!("no will")
    };
    assert_eq!(payload, b"gone");
    assert_eq!(properties.content_type.as_deref(), Some("text/plain"));
    assert_eq!(properties.response_topic.as_deref(), Some("found"));
    assert!(octets.windows(4).any(|at| at == b"\x02\0\0\x01"), "{octets:02x?}");
}

//= TR-369 R-MQTT.7
//= TR-369 R-MQTT.10
#[tokio::test]
async fn a_real_broker_that_refuses_is_tried_again() {
    let Some(broker) = Broker::start("allow_anonymous false\n").await else { return };
    let lab = Lab::new();
    for version in [Version::V5, Version::V311] {
        let mut links = lab.links();
        let wrong = Mqtt {
            username: Some("u".into()),
            password: Some(Secret::new("wrong")),
            ..wanted(version, broker.port)
        };
        links.configure(vec![Wanted::Mqtt(wrong)]);
        let (link, why, failures, wait) = down(&mut links).await;
        assert_eq!((link, failures), (None, 1));
        assert!(why.contains("not authorized") || why.contains("wrong"), "{why}");
        assert!((5..=10).contains(&wait.unwrap()));
    }
}

//= TR-369 R-MQTT.33
//= TR-369 R-MQTT.11
#[tokio::test]
async fn a_kept_session_gets_what_was_published_meanwhile() {
    let Some(broker) = Broker::start("allow_anonymous true\n").await else { return };
    let lab = Lab::new();
    let kept = Mqtt {
        clean: false,
        terms: Terms { session_expiry: 600, ..Terms::default() },
        client_id: Some("kept".into()),
        ..wanted(Version::V5, broker.port)
    };
    let mut agent = lab.links();
    agent.configure(vec![Wanted::Mqtt(kept.clone())]);
    up(&mut agent).await;
    agent.shutdown().await;
    let mut acs = lab.links();
    acs.configure(vec![Wanted::Mqtt(Mqtt {
        response_topic: Some("controllers/two".into()),
        ..wanted(Version::V5, broker.port)
    })]);
    let theirs = up(&mut acs).await;
    acs.command(publish(theirs.link, "agents/one", b"while you were away"));
    acs.shutdown().await;
    let mut agent = lab.links();
    agent.configure(vec![Wanted::Mqtt(kept)]);
    up(&mut agent).await;
    assert_eq!(told(&mut agent).await.0, b"while you were away");
}
