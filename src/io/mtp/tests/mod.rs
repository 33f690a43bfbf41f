//! Links towards peers in the same process, kind and hostile ones.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod certificates;
mod client;
#[cfg(feature = "mqtt")]
mod mosquitto;
#[cfg(feature = "mqtt")]
mod mqtt;
mod server;

use super::*;
use crate::io::clock::Clock;
use crate::io::disk::RealDisk;
use crate::io::fetch::Fetch;
use crate::io::http::connect::Stream;
use crate::usp::mtp::websocket as rules;
use crate::usp::mtp::{Certified, MAX_RECORD, Retry, Security, Up, WebSocketClient, WebSocketServer};
use crate::way::Network;
use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Bytes, Message};

/// A device in an empty folder.
struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    fn new() -> Lab {
        Lab { folder: tempfile::tempdir().unwrap() }
    }

    fn site(&self) -> Site {
        let disk = Arc::new(RealDisk::new(self.folder.path()).unwrap());
        Site { fetch: Fetch::recorded(disk.clone()), disk, clock: Clock::Machine, folder: true }
    }

    fn links(&self) -> Links {
        Links::new(self.site(), Rng::new([9; 32]))
    }

    fn put(&self, name: &str, content: &str) -> Box<str> {
        std::fs::write(self.folder.path().join(name), content).unwrap();
        format!("/{name}").into()
    }
}

fn id(text: &str) -> EndpointId {
    EndpointId::parse(text).unwrap()
}

fn agent() -> EndpointId {
    id("os::012345-agent%21")
}

fn controller() -> EndpointId {
    id("oui:012345:controller")
}

fn to(port: u16) -> WebSocketClient {
    WebSocketClient {
        name: "acs".into(),
        host: "127.0.0.1".into(),
        port,
        path: "/usp".into(),
        tls: None,
        own: agent(),
        peer: controller(),
        keep_alive: Duration::from_secs(30),
        retry: Retry::default(),
        network: Network::default(),
    }
}

fn port() -> WebSocketServer {
    WebSocketServer {
        name: "port".into(),
        port: 0,
        path: "/agent".into(),
        tls: None,
        peer_certificate: true,
        own: agent(),
        keep_alive: Duration::from_secs(30),
        interfaces: Vec::new(),
    }
}

type Peer = WebSocketStream<Box<dyn Stream>>;

/// Takes a connection and opens the session on it, with `peer` as the server's id; the target asked for.
async fn take(listener: &TcpListener, peer: &EndpointId) -> (Peer, String) {
    let (stream, _) = listener.accept().await.unwrap();
    let (mut stream, asked, target) = asked(Box::new(stream)).await;
    let mut answer = String::from("HTTP/1.1 101 Switching Protocols\r\n");
    for (name, value) in rules::response_fields(&asked, peer) {
        answer.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
    (WebSocketStream::from_raw_socket(stream, Role::Server, None).await, target)
}

/// Reads a request for a session.
async fn asked(mut stream: Box<dyn Stream>) -> (Box<dyn Stream>, rules::Asked, String) {
    let (head, rest) = websocket::read_head(&mut stream).await.unwrap();
    assert!(rest.is_empty());
    let request = crate::io::http::head::Request::parse(&head).unwrap().unwrap();
    let field = |name: &str| request.headers.all(name).map(str::to_owned).collect();
    let asked = rules::asked(&request.method, &request.target, "/usp", &field).unwrap();
    (stream, asked, request.target)
}

/// Opens a session at our own port as a controller does.
async fn reach(port: u16, own: &EndpointId) -> Result<(Peer, Option<EndpointId>), String> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    reach_on(Box::new(stream), own).await
}

async fn reach_on(stream: Box<dyn Stream>, own: &EndpointId) -> Result<(Peer, Option<EndpointId>), String> {
    let target = rules::target("/agent", own);
    let url = crate::io::http::url::Url { tls: false, host: "cpe".into(), port: 80, target };
    let (socket, told) = websocket::open(stream, &url, own, &mut Rng::new([4; 32])).await?;
    let peer = WebSocketStream::from_partially_read(socket.stream, socket.rest, Role::Client, None).await;
    Ok((peer, told))
}

async fn up(links: &mut Links) -> Up {
    match links.next().await {
        LinkEvent::Up(up) => *up,
        other => panic!("not up: {other:?}"),
    }
}

async fn record(links: &mut Links) -> (u64, Vec<u8>) {
    match links.next().await {
        LinkEvent::Record { link, bytes, reply_to: None } => (link, bytes),
        other => panic!("no record: {other:?}"),
    }
}

/// Link, why, failures, and seconds until the next try.
async fn down(links: &mut Links) -> (Option<u64>, String, u32, Option<u64>) {
    match links.next().await {
        LinkEvent::Down { link, why, failures, retry_in, .. } => {
            (link, why, failures, retry_in.map(|wait| wait.as_secs()))
        }
        other => panic!("not down: {other:?}"),
    }
}

async fn listening(links: &mut Links) -> u16 {
    match links.next().await {
        LinkEvent::Listening { port, .. } => port,
        other => panic!("not listening: {other:?}"),
    }
}

fn send(link: u64, record: &[u8]) -> LinkCommand {
    LinkCommand::Send { link, topic: None, retain: false, record: record.to_vec() }
}

/// The code of the Close frame that ends what the peer reads; it is answered.
async fn close_code(peer: &mut Peer) -> Option<u16> {
    let mut code = None;
    while let Some(Ok(message)) = peer.next().await {
        if let Message::Close(frame) = message {
            code = frame.map(|frame| frame.code.into());
        }
    }
    let _ = peer.close(None).await;
    code
}
