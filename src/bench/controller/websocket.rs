//! WebSocket sessions that agents open with the controller.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value as Json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::{Contact, Controller, Transport, WAITING_MAX, Way};
use crate::bench::log::Direction;
use crate::io::http::connect::Stream;
use crate::io::http::head::Request;
use crate::io::mtp::websocket::read_head;
use crate::usp::endpoint::EndpointId;
use crate::usp::mtp::websocket as rules;
use crate::usp::pb::record::Record;

/// Where agents find the controller below its address.
pub const PATH: &str = "/usp";
/// The longest Record taken, in octets.
const RECORD_MAX: usize = 32 * 1024 * 1024;
/// For an opening.
const OPENING_WAIT: Duration = Duration::from_secs(15);

/// Takes a free port of loopback.
pub(super) async fn listen() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

/// Takes sessions until the runtime ends.
pub(super) async fn serve(controller: Controller, listener: TcpListener) {
    // Without a listener the demo says what it waits for.
    while let Ok((stream, _)) = listener.accept().await {
        let one = controller.clone();
        tokio::spawn(async move {
            if let Err(why) = connection(&one, stream).await {
                let nobody = Contact { agent: String::new(), over: Transport::WebSocket };
                one.write(&nobody, 0, Direction::FromCpe, "no session", Json::Null, vec![why]);
            }
        });
    }
}

/// One connection from its opening to its end; why there was no session, in words.
async fn connection(controller: &Controller, stream: TcpStream) -> Result<(), String> {
    let mut stream: Box<dyn Stream> = Box::new(stream);
    let opening = timeout(OPENING_WAIT, read_head(&mut stream)).await;
    let (head, rest) = opening.map_err(|_| "the opening takes too long")??;
    let request = match Request::parse(&head) {
        Ok(Some(request)) => request,
        Ok(None) | Err(_) => return Err("the opening is not HTTP".into()),
    };
    let field = |name: &str| request.headers.all(name).map(str::to_owned).collect();
    //= TR-369 R-WS.10b: the query tells who the agent is.
    //= TR-369 R-WS.12a: without the sub-protocol in the request there is no session.
    let asked = match rules::asked(&request.method, &request.target, PATH, &field) {
        Ok(asked) => asked,
        Err(refused) => {
            let answer = format!(
                "HTTP/1.1 {} {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                refused.status, refused.why
            );
            let _ = stream.write_all(answer.as_bytes()).await;
            return Err(refused.why.into());
        }
    };
    let mut answer = String::from("HTTP/1.1 101 Switching Protocols\r\n");
    for (name, value) in rules::response_fields(&asked, &Transport::WebSocket.own()) {
        answer.push_str(&format!("{name}: {value}\r\n"));
    }
    answer.push_str("\r\n");
    stream.write_all(answer.as_bytes()).await.map_err(|error| error.to_string())?;
    let bounds =
        WebSocketConfig::default().max_message_size(Some(RECORD_MAX)).max_frame_size(Some(RECORD_MAX));
    let socket = WebSocketStream::from_partially_read(stream, rest, Role::Server, Some(bounds)).await;
    session(controller, socket, &asked.peer).await
}

async fn session(
    controller: &Controller,
    socket: WebSocketStream<Box<dyn Stream>>,
    peer: &EndpointId,
) -> Result<(), String> {
    let agent = Contact { agent: peer.as_str().to_owned(), over: Transport::WebSocket };
    let (records, mut outgoing) = mpsc::channel(WAITING_MAX);
    let session = controller.begin(&agent, Way::WebSocket(records))?;
    let remark = |what: &str, remark: &str| {
        controller.write(&agent, session, Direction::FromCpe, what, Json::Null, vec![remark.into()]);
    };
    let (mut sink, mut source) = socket.split();
    loop {
        let record = tokio::select! {
            message = source.next() => match message {
                Some(Ok(Message::Binary(bytes))) => match Record::decode(&bytes) {
                    Ok(record) => controller.received(&agent, session, record, Vec::new()),
                    Err(_) => {
                        remark("Record", "these octets are no Record");
                        None
                    }
                },
                Some(Ok(Message::Text(_))) => {
                    //= TR-369 R-WS.14: Records travel in binary messages.
                    remark("text", "a text message is no Record");
                    None
                }
                // After a Close frame once more: our answer to it is sent by reading on.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_) | Message::Close(_))) => None,
                Some(Err(_)) | None => break,
            },
            record = outgoing.recv() => match record {
                Some(record) => Some(record),
                // A newer session took this one's place.
                None => break,
            },
        };
        if let Some(record) = record
            && sink.send(Message::binary(record)).await.is_err()
        {
            break;
        }
    }
    controller.end(&agent, session);
    Ok(())
}
