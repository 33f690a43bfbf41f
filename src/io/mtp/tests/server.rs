use super::*;
use crate::io::mtp::server::{MAX_OF_SOURCE, OPENING_WAIT};
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

//= TR-369 R-WS.4
//= TR-369 R-WS.6
//= TR-369 R-WS.11a
#[tokio::test]
async fn a_controller_is_spoken_to_and_its_newer_session_takes_the_place_of_the_older() {
    let lab = Lab::new();
    let mut links = lab.links();
    links.configure(vec![Wanted::WebSocketServer(port())]);
    let at = listening(&mut links).await;
    let (mut old, told) = reach(at, &controller()).await.unwrap();
    assert_eq!(told, Some(agent()));
    let first = up(&mut links).await;
    assert_eq!((first.peer, first.details), (Some(controller()), Details::WebSocket { accepted: true }));
    old.send(Message::binary(b"ask".to_vec())).await.unwrap();
    assert_eq!(record(&mut links).await, (first.link, b"ask".to_vec()));
    links.command(send(first.link, b"answer"));
    assert_eq!(old.next().await.unwrap().unwrap(), Message::binary(b"answer".to_vec()));

    let (mut other, _) = reach(at, &id("oui:012345:other")).await.unwrap();
    up(&mut links).await;
    let (mut new, _) = reach(at, &controller()).await.unwrap();
    let second = up(&mut links).await;
    assert_eq!(close_code(&mut old).await, Some(1000));
    let (link, why, failures, wait) = down(&mut links).await;
    assert_eq!((link, failures, wait), (Some(first.link), 0, None));
    assert!(why.contains("newer"), "{why}");
    new.send(Message::binary(b"still here".to_vec())).await.unwrap();
    assert_eq!(record(&mut links).await, (second.link, b"still here".to_vec()));
    // The port closes, and its sessions with it.
    links.configure(Vec::new());
    assert_eq!(close_code(&mut new).await, Some(1001));
    assert_eq!(close_code(&mut other).await, Some(1001));
    assert!(TcpStream::connect(("127.0.0.1", at)).await.is_err());
}

async fn say(at: u16, text: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", at)).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

//= TR-369 R-WS.12a
#[tokio::test]
async fn what_asks_for_no_session_is_answered_with_a_status() {
    let lab = Lab::new();
    let mut links = lab.links();
    links.configure(vec![Wanted::WebSocketServer(port())]);
    let at = listening(&mut links).await;
    let good = "Host: cpe\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: v1.usp\r\n";
    let no_protocol = good.replace("v1.usp", "chat");
    for (line, fields, status) in [
        ("GET /agent?eid=oui:012345:x HTTP/1.0", good, "HTTP/1.1 400"),
        ("GET /other?eid=oui:012345:x HTTP/1.1", good, "HTTP/1.1 404"),
        ("GET /agent HTTP/1.1", good, "HTTP/1.1 400"),
        ("POST /agent?eid=oui:012345:x HTTP/1.1", good, "HTTP/1.1 405"),
        ("GET /agent?eid=oui:012345:x HTTP/1.1", no_protocol.as_str(), "HTTP/1.1 400"),
        ("GET /agent?eid=oui:012345:x HTTP/1.1", "Host: cpe\r\n", "HTTP/1.1 426"),
        ("rubbish", "", "HTTP/1.1 400"),
    ] {
        let answer = say(at, &format!("{line}\r\n{fields}\r\n")).await;
        assert!(answer.starts_with(status), "{line}: {answer}");
    }
    // None of them kept a place.
    let (_peer, _) = reach(at, &controller()).await.unwrap();
    up(&mut links).await;
}

#[tokio::test]
async fn who_opens_slowly_or_too_often_keeps_nobody_out() {
    let lab = Lab::new();
    let mut links = lab.links();
    links.configure(vec![Wanted::WebSocketServer(port())]);
    let at = listening(&mut links).await;
    let mut idle = Vec::new();
    for _ in 0..MAX_OF_SOURCE {
        let mut stream = TcpStream::connect(("127.0.0.1", at)).await.unwrap();
        stream.write_all(b"GET /agent HTTP/1.1\r\n").await.unwrap();
        idle.push(stream);
    }
    // One more of the same source is closed at once.
    let mut more = TcpStream::connect(("127.0.0.1", at)).await.unwrap();
    assert_eq!(more.read(&mut [0; 8]).await.unwrap_or(0), 0);
    // Nothing moves any more but the time.
    tokio::time::pause();
    let start = Instant::now();
    for mut stream in idle {
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0);
    }
    // Timers are whole milliseconds.
    assert!(start.elapsed() <= OPENING_WAIT + Duration::from_millis(10));
    tokio::time::resume();
    let (_peer, _) = reach(at, &controller()).await.unwrap();
    up(&mut links).await;
}

#[tokio::test(start_paused = true)]
async fn a_port_that_is_taken_is_tried_again() {
    let lab = Lab::new();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let number = taken.local_addr().unwrap().port();
    let mut links = lab.links();
    links.configure(vec![Wanted::WebSocketServer(WebSocketServer { port: number, ..port() })]);
    let (link, why, failures, wait) = down(&mut links).await;
    assert_eq!((link, failures), (None, 1), "{why}");
    assert!(wait.is_some());
    drop(taken);
    assert_eq!(listening(&mut links).await, number);
}
