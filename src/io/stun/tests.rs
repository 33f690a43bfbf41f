//! The driver against servers on the loopback.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::digest::{hex, hmac_sha1};
use crate::secret::Secret;
use crate::wake::stun;

/// Long enough for any machine; no test waits for it unless it fails.
const PATIENT: Duration = Duration::from_secs(60);

fn config(server_port: u16) -> Config {
    Config {
        server: "127.0.0.1".into(),
        server_port,
        stun: true,
        settings: Settings {
            minimum: Duration::from_secs(3),
            maximum: Some(Duration::from_secs(6)),
            ..Settings::default()
        },
        credentials: Credentials { username: "cpe".into(), password: Secret::new("word") },
        enabled: true,
        ..Config::default()
    }
}

fn start(config: Config) -> (Udp, mpsc::Receiver<Event>) {
    let (sender, events) = mpsc::channel(8);
    (Udp::start(config, Rng::new([7; 32]), sender).unwrap(), events)
}

async fn next(events: &mut mpsc::Receiver<Event>) -> Event {
    tokio::time::timeout(PATIENT, events.recv()).await.unwrap().unwrap()
}

async fn server() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Answers one request with `mapped`, or with where it came from; gives where it came from.
async fn answer(socket: &UdpSocket, mapped: Option<SocketAddrV4>) -> SocketAddr {
    let mut request = [0; 500];
    let (_, from) = socket.recv_from(&mut request).await.unwrap();
    let told = mapped.or(v4(from)).unwrap();
    let [p1, p2] = told.port().to_be_bytes();
    let [a, b, c, d] = told.ip().octets();
    let mut reply = vec![1, 1, 0, 12];
    reply.extend_from_slice(&request[4..20]);
    reply.extend_from_slice(&[0, 1, 0, 8, 0, 1, p1, p2, a, b, c, d]);
    socket.send_to(&reply, from).await.unwrap();
    from
}

fn request(ts: u64, id: u64) -> Vec<u8> {
    let sig = hex(&hmac_sha1(b"word", format!("{ts}{id}cpecn").as_bytes()));
    format!("GET http://127.0.0.1:1?ts={ts}&id={id}&un=cpe&cn=cn&sig={sig} HTTP/1.1\r\n\r\n").into_bytes()
}

//= TR-069 G.2.1.1, G.2.1.3
#[tokio::test]
async fn the_address_the_server_tells_is_passed_on() {
    for (mapped, nat) in [(None, false), ("203.0.113.7:40001".parse().ok(), true)] {
        let (socket, address) = server().await;
        let (_udp, mut events) = start(config(address.port()));
        let from = answer(&socket, mapped).await;
        let authority = mapped.map_or(from.to_string(), |m: SocketAddrV4| m.to_string());
        assert_eq!(next(&mut events).await, Event::Address(Address { nat_detected: nat, authority }));
    }
}

//= TR-069 G.2.1.4
#[tokio::test]
async fn copies_of_one_request_wake_once_even_across_new_settings() {
    let (socket, address) = server().await;
    let (udp, mut events) = start(config(address.port()));
    let to = answer(&socket, None).await;
    assert!(matches!(next(&mut events).await, Event::Address(_)));
    socket.send_to(b"GET nonsense", to).await.unwrap();
    for _ in 0..4 {
        socket.send_to(&request(1000, 1), to).await.unwrap();
    }
    assert_eq!(next(&mut events).await, Event::Wake);
    udp.configure(Config { server_port: address.port(), stun: false, ..config(0) });
    let told = Event::Address(Address { nat_detected: false, authority: to.to_string() });
    assert_eq!(next(&mut events).await, told, "the same socket, and its own address without STUN");
    socket.send_to(&request(1000, 1), to).await.unwrap();
    socket.send_to(&request(1001, 2), to).await.unwrap();
    socket.send_to(&request(1002, 3), to).await.unwrap();
    assert_eq!((next(&mut events).await, next(&mut events).await), (Event::Wake, Event::Wake));
    udp.configure(Config { enabled: false, ..config(address.port()) });
    let to = answer(&socket, None).await;
    assert!(matches!(next(&mut events).await, Event::Address(_)));
    socket.send_to(&request(1003, 4), to).await.unwrap();
    udp.configure(Config { enabled: false, stun: false, ..config(address.port()) });
    assert!(matches!(next(&mut events).await, Event::Address(_)));
    assert_eq!(events.try_recv(), Err(mpsc::error::TryRecvError::Empty), "disabled, nothing wakes");
}

#[tokio::test]
async fn another_source_address_takes_the_same_port_over() {
    let (socket, address) = server().await;
    let (udp, mut events) = start(config(address.port()));
    let port = answer(&socket, None).await.port();
    assert!(matches!(next(&mut events).await, Event::Address(_)));
    // Once on that very port, and once on its loopback address alone.
    for route in [Route::default(), loopback()] {
        udp.configure(Config { port, route, stun: false, ..config(address.port()) });
        let authority = format!("127.0.0.1:{port}");
        assert_eq!(next(&mut events).await, Event::Address(Address { nat_detected: false, authority }));
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_found_does_not_keep_requests_out() {
    let unknown = Config { server: "x".repeat(70), route: loopback(), ..config(1) };
    let probe = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    let port = probe.local_addr().unwrap().port();
    drop(probe);
    let (_udp, mut events) = start(Config { port, ..unknown });
    let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    socket.send_to(&request(1000, 1), ("127.0.0.1", port)).await.unwrap();
    assert_eq!(next(&mut events).await, Event::Wake);
}

fn loopback() -> Route {
    Route { source: Some([127, 0, 0, 1].into()), ..Route::default() }
}

/// Against coturn, where it is installed.
#[tokio::test]
async fn a_real_server_answers() {
    let probe = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    let port = probe.local_addr().unwrap().port();
    drop(probe);
    let folder = tempfile::tempdir().unwrap();
    let started = tokio::process::Command::new("turnserver")
        .args(["-n", "--stun-only", "--no-tcp", "--no-tls", "--no-dtls", "--no-cli", "--log-file", "stdout"])
        .args(["--listening-ip", "127.0.0.1", "--listening-port", &port.to_string()])
        .arg("--pidfile")
        .arg(folder.path().join("pid"))
        .arg("--userdb")
        .arg(folder.path().join("db"))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let Ok(_server) = started else {
        eprintln!("skipped: coturn (turnserver) is not installed");
        return;
    };
    // Asked by itself first: the driver tells the local address also when nobody answers.
    let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    let here = v4(socket.local_addr().unwrap()).unwrap();
    let asked =
        stun::Request { transaction: [9; 16], marked: true, username: "name", ..stun::Request::default() };
    let answered = async {
        let mut octets = [0; 1500];
        loop {
            socket.send_to(&asked.octets(), ("127.0.0.1", port)).await.unwrap();
            let wait = Duration::from_millis(100);
            if let Ok(Ok(got)) = tokio::time::timeout(wait, socket.recv(&mut octets)).await {
                return stun::answer(&octets[..got]);
            }
        }
    };
    let answer = tokio::time::timeout(PATIENT, answered).await.unwrap();
    assert_eq!(answer, Some(([9; 16], stun::Outcome::Mapped(here))));
    let (_udp, mut events) = start(Config { route: loopback(), ..config(port) });
    let Event::Address(address) = next(&mut events).await else { panic!("not an address") };
    assert!(!address.nat_detected && address.authority.starts_with("127.0.0.1:"), "{address:?}");
}
