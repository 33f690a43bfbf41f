//! The running program against USP controllers: over WebSockets that it opens to the test, plain and with TLS both ways,
//! and through a real broker in both versions of MQTT.
#![cfg(all(feature = "websocket", feature = "mqtt"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/device.rs"]
mod device;
#[path = "common/mosquitto.rs"]
mod mosquitto;
#[path = "common/program.rs"]
mod program;

use cpeagent::io::clock::Clock;
use cpeagent::io::disk::RealDisk;
use cpeagent::io::fetch::Fetch;
use cpeagent::io::http::connect::Stream;
use cpeagent::io::mtp::dial::Site;
use cpeagent::io::mtp::{Links, websocket};
use cpeagent::mqtt::{Terms, Version};
use cpeagent::retry::Curve;
use cpeagent::rng::Rng;
use cpeagent::usp::endpoint::EndpointId;
use cpeagent::usp::msg::{self, Answer, Said};
use cpeagent::usp::mtp::websocket as rules;
use cpeagent::usp::mtp::{LinkCommand, LinkEvent, Mqtt, Retry, Wanted};
use cpeagent::usp::pb;
use cpeagent::usp::pb::record::record::RecordType;
use cpeagent::usp::pb::request::ReqType;
use cpeagent::usp::pb::response::RespType;
use cpeagent::usp::record;
use cpeagent::way::Network;
use futures_util::{SinkExt, StreamExt};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::pki_types::PrivateKeyDer;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

const DEVICE: &str = "wr4000-25.12";
const OWN: &str = "self::agent";
/// How long a story may take before it has failed; far beyond what it takes.
const PATIENCE: Duration = Duration::from_secs(240);
/// Requests under way at once.
const AT_ONCE: usize = 16;

const ROLE: &str = "config acs 'acs'
\toption enable '0'

config role 'full'
\toption enable '1'

config permission 'full_all'
\toption role 'full'
\toption enable '1'
\tlist target 'Device.'
\toption param 'rwxn'
\toption object 'rwxn'
\toption instance 'rwxn'
\toption command 'rwxn'

config usp 'usp'
\toption endpoint_id 'self::agent'
";

fn id(text: &str) -> EndpointId {
    EndpointId::parse(text).unwrap()
}

/// A controller section, and the way to it at a port of the test.
fn controller(name: &str, port: u16, encryption: &str) -> String {
    format!(
        "\nconfig controller '{name}'\n\toption enable '1'\n\toption endpoint_id 'self::{name}'\n\toption onboarding_complete '1'\n\tlist role 'full'\n\
         \nconfig controller_mtp '{name}_way'\n\toption controller '{name}'\n\toption enable '1'\n\
         \toption host '127.0.0.1'\n\toption port '{port}'\n\toption path '/usp'\n\toption encryption '{encryption}'\n\
         \toption retry_minimum_wait '1'\n\toption retry_multiplier '1000'\n"
    )
}

/// The program on the folder.
fn program(root: &Path) -> tokio::process::Child {
    let mut command = tokio::process::Command::from(program::command());
    command.arg("--root").arg(root).arg("run").kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn terminate(program: &tokio::process::Child) {
    let id = rustix::process::Pid::from_raw(i32::try_from(program.id().unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
}

fn play(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let story = async { tokio::time::timeout(PATIENCE, story).await.expect("the story comes to its end") };
    tokio::task::LocalSet::new().block_on(&runtime, story);
}

fn get(path: &str) -> ReqType {
    ReqType::Get(pb::Get { param_paths: vec![path.into()], max_depth: 0 })
}

fn set(path: &str, name: &str, value: &str) -> ReqType {
    let setting = pb::set::UpdateParamSetting { param: name.into(), value: value.into(), required: true };
    let object = pb::set::UpdateObject { obj_path: path.into(), param_settings: vec![setting] };
    ReqType::Set(pb::Set { allow_partial: false, update_objs: vec![object] })
}

fn request(from: &str, msg_id: &str, request: ReqType) -> Vec<u8> {
    record::wrap(record::VERSION, &id(OWN), &id(from), Answer::request(request).into_msg(msg_id))
}

fn decoded(bytes: &[u8]) -> RecordType {
    let record = pb::record::Record::decode(bytes).unwrap();
    assert_eq!(record.from_id, OWN);
    record.record_type.unwrap()
}

/// The `msg_id` and the response in a Record.
fn answer(bytes: &[u8]) -> (String, RespType) {
    let RecordType::NoSessionContext(context) = decoded(bytes) else { panic!("no message: {bytes:?}") };
    let message = msg::read(&context.payload).unwrap();
    match message.said {
        Said::Response(response) => (message.msg_id, response),
        other => panic!("{other:?}"),
    }
}

/// The one value that was asked for.
fn value(response: &RespType) -> &str {
    let RespType::GetResp(response) = response else { panic!("{response:?}") };
    let result = &response.req_path_results[0];
    result.resolved_path_results[0].result_params.values().next().expect("a value")
}

/// A controller at the far end of a WebSocket that the program opened.
struct Peer {
    name: &'static str,
    session: WebSocketStream<Box<dyn Stream>>,
    asked: usize,
}

impl Peer {
    /// Takes the program's session, and its Connect record.
    //= TR-369 R-MTP.6: the first thing sent on a channel is its Connect record.
    async fn take(name: &'static str, listener: &TcpListener, tls: Option<&TlsAcceptor>) -> Peer {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream: Box<dyn Stream> = match tls {
            Some(tls) => Box::new(tls.accept(stream).await.unwrap()),
            None => Box::new(stream),
        };
        let (head, rest) = websocket::read_head(&mut stream).await.unwrap();
        assert!(rest.is_empty());
        let head = cpeagent::io::http::head::Request::parse(&head).unwrap().unwrap();
        let field = |name: &str| head.headers.all(name).map(str::to_owned).collect();
        let asked = rules::asked(&head.method, &head.target, "/usp", &field).unwrap();
        assert_eq!(asked.peer, id(OWN));
        let mut text = String::from("HTTP/1.1 101 Switching Protocols\r\n");
        for (field, value) in rules::response_fields(&asked, &id(&format!("self::{name}"))) {
            text.push_str(&format!("{field}: {value}\r\n"));
        }
        stream.write_all(format!("{text}\r\n").as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        let session = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
        let mut peer = Peer { name, session, asked: 0 };
        assert!(matches!(decoded(&peer.record().await), RecordType::WebsocketConnect(_)));
        peer
    }

    /// The next Record; pings in between are answered by the library.
    async fn record(&mut self) -> Vec<u8> {
        loop {
            match self.session.next().await.expect("the session stands").unwrap() {
                Message::Binary(bytes) => return bytes.to_vec(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn send(&mut self, asked: ReqType) -> String {
        self.asked += 1;
        let msg_id = format!("{} {}", self.name, self.asked);
        let bytes = request(&format!("self::{}", self.name), &msg_id, asked);
        self.session.send(Message::binary(bytes)).await.unwrap();
        msg_id
    }

    async fn ask(&mut self, asked: ReqType) -> RespType {
        let msg_id = self.send(asked).await;
        let (told, response) = answer(&self.record().await);
        assert_eq!(told, msg_id);
        response
    }
}

/// Certificates of one authority, in files of the router and for the test.
struct Authority {
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority { ca: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    /// A certificate for an endpoint id and nothing else.
    fn sign(&self, endpoint: &str) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.subject_alt_names.push(SanType::URI(id(endpoint).urn().try_into().unwrap()));
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.ca).unwrap(), key)
    }

    /// A controller's end that lets in only whom the authority signed for.
    fn acceptor(&self, endpoint: &str) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.ca.as_ref().der().clone()).unwrap();
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&provider),
        );
        let (leaf, key) = self.sign(endpoint);
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// The text of a package on the router.
fn package(root: &Path, name: &str) -> String {
    std::fs::read_to_string(root.join("etc/config").join(name)).unwrap()
}

//= TR-369 R-SEC.0a: the certificate must carry the endpoint id of the sender.
//= TR-369 R-MSG.0: every request gets a response or an Error.
//= TR-369 R-MTP.7: a Disconnect record goes ahead of leaving.
#[test]
fn a_controller_is_served_over_a_web_socket_plain_and_encrypted() {
    for encrypted in [false, true] {
        let router = device::device(DEVICE);
        let root = router.path();
        play(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut settings = ROLE.to_string();
            let tls = encrypted.then(|| {
                let authority = Authority::new();
                let (own, key) = authority.sign(OWN);
                std::fs::write(root.join("etc/ca.pem"), authority.ca.as_ref().pem()).unwrap();
                std::fs::write(root.join("etc/own.pem"), own.pem() + &key.serialize_pem()).unwrap();
                settings.push_str(
                    "\toption ca_file '/etc/ca.pem'\n\toption client_cert '/etc/own.pem'\n\
                     \toption client_key '/etc/own.pem'\n",
                );
                authority.acceptor("self::one")
            });
            let port = listener.local_addr().unwrap().port();
            settings.push_str(&controller("one", port, if encrypted { "1" } else { "0" }));
            std::fs::write(root.join("etc/config/cpeagent"), settings).unwrap();
            let mut program = program(root);
            let mut one = Peer::take("one", &listener, tls.as_ref()).await;

            let told = one.ask(get("Device.LocalAgent.EndpointID")).await;
            assert_eq!(value(&told), OWN);
            let told = one.ask(set("Device.WiFi.SSID.1.", "SSID", "over a socket")).await;
            assert!(matches!(told, RespType::SetResp(_)));
            assert!(package(root, "wireless").contains("option ssid 'over a socket'"));

            let mut sent = Vec::new();
            for _ in 0..AT_ONCE {
                sent.push(one.send(get("Device.WiFi.SSID.1.SSID")).await);
            }
            for msg_id in sent {
                let (told, response) = answer(&one.record().await);
                assert_eq!((told, value(&response)), (msg_id, "over a socket"));
            }
            // The session is lost, and opened again.
            drop(one);
            let mut one = Peer::take("one", &listener, tls.as_ref()).await;
            assert_eq!(value(&one.ask(get("Device.WiFi.SSID.1.SSID")).await), "over a socket");

            terminate(&program);
            assert!(matches!(decoded(&one.record().await), RecordType::Disconnect(_)));
            while one.session.next().await.is_some_and(|message| message.is_ok()) {}
            assert!(program.wait().await.unwrap().success());
        });
    }
}

//= TR-369 R-WS.24: a controller without a certificate of a trusted authority is not talked to.
#[test]
fn a_controller_with_a_certificate_of_a_stranger_is_not_talked_to() {
    let router = device::device(DEVICE);
    let root = router.path();
    play(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (own, stranger) = (Authority::new(), Authority::new());
        std::fs::write(root.join("etc/ca.pem"), own.ca.as_ref().pem()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let settings = format!("{ROLE}\toption ca_file '/etc/ca.pem'\n{}", controller("one", port, "1"));
        std::fs::write(root.join("etc/config/cpeagent"), settings).unwrap();
        let _program = program(root);
        // Twice: it is tried again, with no better end.
        for _ in 0..2 {
            let (stream, _) = listener.accept().await.unwrap();
            assert!(stranger.acceptor("self::one").accept(stream).await.is_err());
        }
    });
}

/// What a hostile controller does with its session.
#[derive(Clone, Copy, Debug)]
enum Hostility {
    /// What is no Record.
    Garbage,
    /// Requests for everything without end, and it never reads an answer.
    Flood,
    /// Frames of text, which USP has not.
    Text,
}

/// Does it until the session is cut, and again with the next one.
async fn harass(listener: TcpListener, how: Hostility) {
    loop {
        let mut peer = Peer::take("hostile", &listener, None).await;
        let mut number = 0;
        loop {
            number += 1;
            let message = match how {
                Hostility::Flood => {
                    Message::binary(request("self::hostile", &format!("flood {number}"), get("Device.")))
                }
                Hostility::Garbage => Message::binary(vec![0xff; 4096]),
                Hostility::Text => Message::text("x".repeat(4096)),
            };
            if peer.session.send(message).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
}

//= TR-369 R-MSG.0: every request gets a response or an Error.
#[test]
fn an_honest_controller_is_served_while_a_hostile_one_does_its_worst() {
    for how in [Hostility::Garbage, Hostility::Text, Hostility::Flood] {
        let router = device::device(DEVICE);
        let root = router.path();
        play(async {
            let (ours, theirs) = (
                TcpListener::bind("127.0.0.1:0").await.unwrap(),
                TcpListener::bind("127.0.0.1:0").await.unwrap(),
            );
            let settings = format!(
                "{ROLE}{}{}",
                controller("one", ours.local_addr().unwrap().port(), "0"),
                controller("hostile", theirs.local_addr().unwrap().port(), "0")
            );
            std::fs::write(root.join("etc/config/cpeagent"), settings).unwrap();
            let mut program = program(root);
            let hostile = tokio::task::spawn_local(harass(theirs, how));
            let mut one = Peer::take("one", &ours, None).await;
            for number in 0..5 {
                let ssid = format!("{how:?} {number}");
                let told = one.ask(set("Device.WiFi.SSID.1.", "SSID", &ssid)).await;
                assert!(matches!(told, RespType::SetResp(_)), "{told:?}");
                assert_eq!(value(&one.ask(get("Device.WiFi.SSID.1.SSID")).await), ssid);
            }
            assert!(program.try_wait().unwrap().is_none(), "{how:?}");
            assert!(!hostile.is_finished(), "{how:?}: it was at it all the time");
            hostile.abort();
        });
    }
}

/// A controller at a broker, by the same code as an agent's links: only the names of topics differ.
struct Mine {
    links: Links,
    link: u64,
    asked: usize,
}

impl Mine {
    async fn new(folder: &Path, version: Version, port: u16) -> Mine {
        let disk = Arc::new(RealDisk::new(folder).unwrap());
        let site = Site { fetch: Fetch::recorded(disk.clone()), disk, clock: Clock::Machine, folder: true };
        let mut links = Links::new(site, Rng::new([9; 32]));
        let second = Duration::from_secs(1);
        let curve = Curve { minimum_seconds: 1, multiplier: 1000 };
        links.configure(vec![Wanted::Mqtt(Mqtt {
            name: "broker".into(),
            client: "net".into(),
            host: "127.0.0.1".into(),
            port,
            version,
            tls: None,
            own: id("self::one"),
            username: None,
            password: None,
            keep_alive: Duration::from_secs(60),
            clean: true,
            terms: Terms::default(),
            will: None,
            retry: Retry { curve, most: Some(second) },
            network: Network::default(),
            client_id: Some("controller".into()),
            subscriptions: Vec::new(),
            response_topic: Some("controllers/one".into()),
            publish_qos: 1,
            publish_expiry: 0,
            user: Vec::new(),
        })]);
        let mut mine = Mine { links, link: 0, asked: 0 };
        mine.up().await;
        mine
    }

    /// Until the connection stands.
    async fn up(&mut self) {
        loop {
            if let LinkEvent::Up(up) = self.links.next().await {
                self.link = up.link;
                return;
            }
        }
    }

    async fn record(&mut self) -> Vec<u8> {
        loop {
            match self.links.next().await {
                LinkEvent::Record { bytes, .. } => return bytes,
                LinkEvent::Down { why, .. } => panic!("{why}"),
                _ => {}
            }
        }
    }

    fn send(&mut self, asked: ReqType) -> String {
        self.asked += 1;
        let msg_id = format!("message {}", self.asked);
        let record = request("self::one", &msg_id, asked);
        let (link, topic) = (self.link, Some("agents/cpe".into()));
        self.links.command(LinkCommand::Send { link, topic, retain: false, record });
        msg_id
    }

    async fn ask(&mut self, asked: ReqType) -> RespType {
        let msg_id = self.send(asked);
        let (told, response) = answer(&self.record().await);
        assert_eq!(told, msg_id);
        response
    }
}

//= TR-369 R-MQTT.1: MQTT 5.0 and 3.1.1 are spoken.
//= TR-369 R-MSG.0: every request gets a response or an Error.
//= TR-181 MQTT.Client.{i}.ReceiveMaximum: each is acknowledged in its turn, so that as many as allowed may always follow.
#[test]
fn a_controller_is_served_through_a_broker_in_both_versions_and_after_its_restart() {
    for (version, word) in [(Version::V5, "5.0"), (Version::V311, "3.1.1")] {
        let router = device::device(DEVICE);
        let root = router.path();
        play(async {
            let Some(mut broker) = mosquitto::Broker::start().await else { return };
            let port = broker.port;
            let settings = format!(
                "{ROLE}\nconfig controller 'one'\n\toption enable '1'\n\toption endpoint_id 'self::one'\n\
                 \toption onboarding_complete '1'\n\tlist role 'full'\n\nconfig controller_mtp 'one_way'\n\toption controller 'one'\n\
                 \toption enable '1'\n\toption protocol 'MQTT'\n\toption mtp 'broker'\n\
                 \toption topic 'controllers/one'\n\nconfig mtp 'broker'\n\toption enable '1'\n\
                 \toption protocol 'MQTT'\n\toption mqtt 'net'\n\toption response_topic 'agents/cpe'\n\n\
                 config mqtt 'net'\n\toption enable '1'\n\toption broker '127.0.0.1'\n\toption port '{port}'\n\
                 \toption version '{word}'\n\toption client_id 'agent'\n\toption retry_time '1'\n\
                 \toption receive_maximum '1'\n\toption publish_expiry '60'\n\
                 \toption retry_multiplier '1000'\n"
            );
            std::fs::write(root.join("etc/config/cpeagent"), settings).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let mut one = Mine::new(folder.path(), version, port).await;
            let mut program = program(root);
            let RecordType::MqttConnect(connect) = decoded(&one.record().await) else { panic!("no Connect") };
            assert_eq!(connect.subscribed_topic, "agents/cpe");
            assert_eq!(connect.version, i32::from(version == Version::V5));

            let told = one.ask(set("Device.WiFi.SSID.1.", "SSID", "through a broker")).await;
            assert!(matches!(told, RespType::SetResp(_)));
            assert!(package(root, "wireless").contains("option ssid 'through a broker'"));
            let sent: Vec<String> = (0..AT_ONCE).map(|_| one.send(get("Device.WiFi.SSID.1.SSID"))).collect();
            for msg_id in sent {
                let (told, response) = answer(&one.record().await);
                assert_eq!((told, value(&response)), (msg_id, "through a broker"));
            }

            broker.restart().await;
            one.up().await;
            // Either end may be back first: what is asked before the agent has subscribed reaches nobody.
            let served = loop {
                one.send(get("Device.WiFi.SSID.1.SSID"));
                let answered = async {
                    loop {
                        let bytes = one.record().await;
                        if matches!(decoded(&bytes), RecordType::NoSessionContext(_)) {
                            return answer(&bytes).1;
                        }
                    }
                };
                if let Ok(response) = tokio::time::timeout(Duration::from_secs(1), answered).await {
                    break response;
                }
            };
            assert_eq!(value(&served), "through a broker");
            terminate(&program);
            loop {
                if matches!(decoded(&one.record().await), RecordType::Disconnect(_)) {
                    break;
                }
            }
            assert!(program.wait().await.unwrap().success());
        });
    }
}
