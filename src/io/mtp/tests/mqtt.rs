use super::*;
use crate::io::mtp::mqtt::OPENING_WAIT;
use crate::mqtt::{Terms, UserProperty, Version, Will};
use crate::secret::Secret;
use crate::usp::mtp::mqtt::packet;
use crate::usp::mtp::{Mqtt, MqttSubscription};
use std::process::{Child, Command, Stdio};
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

fn wanted(version: Version, port: u16) -> Mqtt {
    Mqtt {
        name: "broker".into(),
        client: "net".into(),
        host: "127.0.0.1".into(),
        port,
        version,
        tls: None,
        own: agent(),
        username: None,
        password: None,
        keep_alive: Duration::from_secs(60),
        clean: true,
        terms: Terms::default(),
        will: None,
        retry: Retry::default(),
        network: Network::default(),
        client_id: None,
        subscriptions: Vec::new(),
        response_topic: Some("agents/one".into()),
        publish_qos: 1,
        publish_expiry: 0,
        user: Vec::new(),
    }
}

fn publish(link: u64, topic: &str, record: &[u8]) -> LinkCommand {
    LinkCommand::Send { link, topic: Some(topic.into()), retain: false, record: record.to_vec() }
}

async fn told(links: &mut Links) -> (Vec<u8>, Option<String>) {
    match links.next().await {
        LinkEvent::Record { bytes, reply_to, .. } => (bytes, reply_to.map(Into::into)),
        other => panic!("no record: {other:?}"),
    }
}

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

//= MQTT 5.0 3.3.2.3.4: an alias is 1 to the Topic Alias Maximum, stands for the topic last sent with it, and ends with the connection.
//= MQTT 5.0 3.1.2.11.4: a packet beyond the Maximum Packet Size is a protocol error, whichever it is.
#[tokio::test]
async fn a_broker_that_does_not_keep_to_what_was_agreed_is_told_so_and_left() {
    for (wrong, goodbye) in [
        (&b"\x30\x07\0\x01t\x03\x23\0\x02"[..], b"\xe0\x01\x94"),
        (b"\x30\x06\0\0\x03\x23\0\0", b"\xe0\x01\x94"),
        (b"\x30\xff\x07", b"\xe0\x01\x95"),
        (b"\x40\x09\0\x01\0\x05\x1f\0\x02no", b"\xe0\x01\x82"),
    ] {
        let lab = Lab::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut links = lab.links();
        let terms =
            Terms { topic_aliases: 1, maximum_packet: 1_024, problem_info: false, ..Terms::default() };
        let port = listener.local_addr().unwrap().port();
        links.configure(vec![Wanted::Mqtt(Mqtt { terms, ..wanted(Version::V5, port) })]);
        for _ in 0..2 {
            let mut stream = take(&listener).await;
            stream.write_all(b"\x20\x03\0\0\0\x90\x04\0\x01\0\0").await.unwrap();
            let up = up(&mut links).await;
            let first = b"\x30\x11\0\x0aagents/one\x03\x23\0\x01A";
            let again = b"\x30\x07\0\0\x03\x23\0\x01B";
            stream.write_all(&[&first[..], again].concat()).await.unwrap();
            assert_eq!(told(&mut links).await.0, b"A");
            assert_eq!(told(&mut links).await.0, b"B");
            stream.write_all(wrong).await.unwrap();
            let (link, why, ..) = down(&mut links).await;
            assert_eq!(link, Some(up.link), "{why}");
            let mut octets = Vec::new();
            stream.read_to_end(&mut octets).await.unwrap();
            assert!(octets.ends_with(goodbye), "{why}: {octets:02x?}");
            // A change has it tried again at once.
            let own = id(&format!("os::{}", up.link));
            links.configure(vec![Wanted::Mqtt(Mqtt { terms, own, ..wanted(Version::V5, port) })]);
        }
    }
}

//= RFC 7301 3.1
//= TR-181 MQTT.Client.{i}.ALPN: the broker is offered the protocols that are set, and none otherwise.
#[tokio::test]
async fn a_broker_is_offered_the_protocols_that_are_set() {
    let lab = Lab::new();
    let authority = certificates::Authority::new("operator");
    let (leaf, key) = authority.sign(&["127.0.0.1"], &[]);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], certificates::key_der(&key))
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec(), b"mqtt".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let ca_files = vec![lab.put("ca.pem", &authority.pem())];
    let longest = "x".repeat(255);
    let too_long = "x".repeat(256);
    for (offered, want) in [
        (&["mqtt"][..], Some(Some(&b"mqtt"[..]))),
        (&["other", "mqtt", &longest, &too_long], Some(Some(b"mqtt"))),
        (&[], Some(None)),
        (&["other"], None),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alpn = offered.iter().map(|name| (*name).into()).collect();
        let tls = Some(Security { ca_files: ca_files.clone(), alpn, ..Security::default() });
        let mut links = lab.links();
        let port = listener.local_addr().unwrap().port();
        links.configure(vec![Wanted::Mqtt(Mqtt { tls, ..wanted(Version::V5, port) })]);
        let serve = async {
            let stream = acceptor.accept(listener.accept().await.unwrap().0).await.ok()?;
            Some(stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec))
        };
        let (agreed, event) = tokio::join!(serve, links.next());
        assert!(matches!(event, LinkEvent::Down { link: None, .. }), "{event:?}");
        assert_eq!(agreed, want.map(|name| name.map(<[u8]>::to_vec)), "{offered:?}");
    }
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

/// A broker of the test: takes a connection and reads its CONNECT.
async fn take(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = [0; 2];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[0], 0x10);
    let mut rest = vec![0; usize::from(head[1])];
    stream.read_exact(&mut rest).await.unwrap();
    stream
}

async fn broker() -> (Lab, TcpListener, Links) {
    let lab = Lab::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut links = lab.links();
    let port = listener.local_addr().unwrap().port();
    links.configure(vec![Wanted::Mqtt(wanted(Version::V5, port))]);
    (lab, listener, links)
}

//= TR-369 R-MQTT.17
#[tokio::test]
async fn hostile_brokers_end_nothing_but_their_connection() {
    for (answer, words) in [
        (&b"\x20\x03\0\0\0\x90\x04\0\x01\0\x87"[..], "refuses every subscription"),
        (b"\x20\x03\0\x88\0", "the broker is not available"),
        (&[b'H'; 200], "a packet with reserved flags"),
        (b"\x20\x03\0\0\0\x30\xff\xff\xff\x7f", "a packet that is too long"),
        (b"\x90\x04\0\x01\0\0", "does not begin with CONNACK"),
        (b"\x20\x03\0\0\0\x90\x04\0\x01\0\0\xe0\x01\x8b", "shuts down"),
        (b"", "closed the connection"),
    ] {
        let (_lab, listener, mut links) = broker().await;
        let mut stream = take(&listener).await;
        stream.write_all(answer).await.unwrap();
        stream.shutdown().await.unwrap();
        let why = loop {
            match links.next().await {
                LinkEvent::Down { why, retry_in: Some(_), failures: 1, .. } => break why,
                LinkEvent::Up(_) => {}
                other => panic!("{other:?}"),
            }
        };
        assert!(why.contains(words), "{why}");
    }
}

#[tokio::test]
async fn a_broker_that_never_reads_or_never_acknowledges_is_left() {
    let lab = Lab::new();
    for (qos, octets) in [(0, 64 * 1024), (1, 10)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut links = lab.links();
        links.configure(vec![Wanted::Mqtt(Mqtt { publish_qos: qos, ..wanted(Version::V5, port) })]);
        let mut stream = take(&listener).await;
        stream.write_all(b"\x20\x03\0\0\0\x90\x04\0\x01\0\0").await.unwrap();
        let up = up(&mut links).await;
        // More than the system keeps, and more than waits here.
        let (link, why) = loop {
            links.command(publish(up.link, "controllers/two", &vec![7; octets]));
            tokio::select! {
                biased;
                (link, why, ..) = down(&mut links) => break (link, why),
                () = tokio::task::yield_now() => {}
            }
        };
        assert_eq!(link, Some(up.link));
        assert_eq!(why, "the broker does not read what is sent to it", "QoS {qos}");
    }
}

//= TR-369 R-MQTT.16
#[tokio::test]
async fn a_link_without_any_topic_stays_down_until_it_has_one() {
    let (_lab, listener, mut links) = broker().await;
    let port = listener.local_addr().unwrap().port();
    let none = Mqtt { response_topic: None, ..wanted(Version::V5, port) };
    let mut first = take(&listener).await;
    links.configure(vec![Wanted::Mqtt(none)]);
    first.write_all(b"\x20\x03\0\0\0").await.unwrap();
    let (link, why, _, wait) = down(&mut links).await;
    assert_eq!((link, wait), (None, None), "{why}");
    let mut octets = Vec::new();
    first.read_to_end(&mut octets).await.unwrap();
    assert!(octets.ends_with(b"\xe0\0"), "the broker is told");
    links.configure(vec![Wanted::Mqtt(wanted(Version::V5, port))]);
    let mut second = take(&listener).await;
    second.write_all(b"\x20\x03\0\0\0\x90\x04\0\x01\0\0").await.unwrap();
    up(&mut links).await;
}

//= TR-181 MQTT.Client.{i}.Stats: what is counted of the connection.
//= TR-181 MQTT.Client.{i}.ForceReconnect(): a connection that stands is ended, and made anew at once.
#[tokio::test]
async fn a_connection_that_is_closed_on_request_comes_back_at_once_and_is_counted_on() {
    let (_lab, listener, mut links) = broker().await;
    for count in 1..=2 {
        let mut stream = take(&listener).await;
        stream.write_all(b"\x20\x03\0\0\0\x90\x04\0\x01\0\0").await.unwrap();
        let up = up(&mut links).await;
        let counts = links.counts();
        let Source::Ready(counts) = &counts else { panic!("{counts:?}") };
        let counts = counts.get("net").unwrap();
        let want = (count * 2).to_string();
        assert_eq!(counts.str("MQTTMessagesReceived"), Some(want.as_str()), "CONNACK and SUBACK");
        assert_eq!(counts.str("SubscribeSent"), Some(count.to_string().as_str()));
        assert_eq!(counts.str("ConnectionErrors"), Some("0"));
        let reason = "asked for".into();
        links.command(LinkCommand::Close { link: up.link, code: NORMAL, reason });
        let (link, why, failures, wait) = down(&mut links).await;
        assert_eq!((link, why.as_str(), failures, wait), (Some(up.link), "asked for", 0, Some(0)));
    }
}

//= TR-369 R-MQTT.35: the broker is told, and takes it before the connection is gone.
#[tokio::test]
async fn a_goodbye_waits_until_the_broker_has_taken_it() {
    let (_lab, listener, mut links) = broker().await;
    let mut stream = take(&listener).await;
    stream.write_all(b"\x20\x03\0\0\0\x90\x04\0\x01\0\0").await.unwrap();
    let up = up(&mut links).await;
    links.command(publish(up.link, "controllers/two", b"goodbye"));
    let ending = tokio::spawn(links.shutdown());
    let mut octets = Vec::new();
    stream.read_to_end(&mut octets).await.unwrap();
    assert!(octets.ends_with(b"\xe0\0"), "{octets:?}");
    // An acknowledgement on its way meets no closed socket.
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!ending.is_finished());
    stream.write_all(b"\x40\x02\0\x02").await.unwrap();
    drop(stream);
    ending.await.unwrap();
}

#[tokio::test]
async fn a_silent_broker_is_left() {
    let (_lab, listener, mut links) = broker().await;
    let _stream = take(&listener).await;
    tokio::time::pause();
    let start = Instant::now();
    let (link, why, ..) = down(&mut links).await;
    assert!(link.is_none() && why.contains("too long"), "{why}");
    assert!(start.elapsed() <= OPENING_WAIT + Duration::from_millis(10));
}

//= TR-369 R-MQTT.14
#[tokio::test]
async fn pings_go_out_in_time_and_silence_ends_the_connection() {
    let (_lab, listener, mut links) = broker().await;
    let mut stream = take(&listener).await;
    stream.write_all(b"\x20\x03\0\0\0\x90\x04\0\x01\0\0").await.unwrap();
    let up = up(&mut links).await;
    // SUBSCRIBE.
    let mut subscribe = [0; 18];
    stream.read_exact(&mut subscribe).await.unwrap();
    assert_eq!(subscribe[0], 0x82);
    tokio::time::pause();
    let start = Instant::now();
    let mut ping = [0; 2];
    stream.read_exact(&mut ping).await.unwrap();
    assert_eq!(ping, [0xc0, 0]);
    assert!((44..=45).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    let (link, why, ..) = down(&mut links).await;
    assert_eq!((link, why.as_str()), (Some(up.link), "the broker does not answer a ping"));
}
