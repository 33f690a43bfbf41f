//! Brokers that a test plays, kind and hostile ones; `mosquitto` has a real one.

use super::*;
use crate::io::mtp::mqtt::OPENING_WAIT;
use crate::mqtt::{Terms, Version};
use crate::usp::mtp::Mqtt;
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

pub fn wanted(version: Version, port: u16) -> Mqtt {
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

pub fn publish(link: u64, topic: &str, record: &[u8]) -> LinkCommand {
    LinkCommand::Send { link, topic: Some(topic.into()), retain: false, record: record.to_vec() }
}

pub async fn told(links: &mut Links) -> (Vec<u8>, Option<String>) {
    match links.next().await {
        LinkEvent::Record { bytes, reply_to, .. } => (bytes, reply_to.map(Into::into)),
        other => panic!("no record: {other:?}"),
    }
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
