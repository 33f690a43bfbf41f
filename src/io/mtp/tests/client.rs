use super::*;
use crate::io::mtp::dial::Dates;
use crate::io::mtp::link::{MAX_QUEUED, WRITE_WAIT};
use crate::io::mtp::websocket::{Alive, Socket, session};
use crate::usp::mtp::NOT_A_RECORD;
use crate::usp::notice::MAX_NOTICES;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

//= TR-369 R-WS.5
//= TR-369 R-WS.7
//= TR-369 R-WS.10b
//= TR-369 R-WS.14
//= TR-369 R-WS.14a
//= TR-369 R-WS.14b
//= TR-369 R-WS.15
#[tokio::test]
async fn records_go_both_ways_and_fragments_are_put_together() {
    let lab = Lab::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut links = lab.links();
    let wanted = to(listener.local_addr().unwrap().port());
    links.configure(vec![Wanted::WebSocketClient(wanted.clone())]);
    let (mut peer, target) = take(&listener, &controller()).await;
    assert_eq!(target, "/usp?eid=os::012345-agent%2521");
    let found = up(&mut links).await;
    assert_eq!((&*found.name, found.peer, found.encrypted), ("acs", Some(controller()), false));
    assert_eq!(found.details, Details::WebSocket { accepted: false });

    peer.send(Message::binary(b"one".to_vec())).await.unwrap();
    assert_eq!(record(&mut links).await, (found.link, b"one".to_vec()));
    let part = |data, kind, last| Message::Frame(Frame::message(Bytes::from_static(data), kind, last));
    peer.send(part(b"tw", OpCode::Data(Data::Binary), false)).await.unwrap();
    peer.send(Message::Ping(Bytes::from_static(b"between"))).await.unwrap();
    peer.send(part(b"o", OpCode::Data(Data::Continue), true)).await.unwrap();
    assert_eq!(record(&mut links).await, (found.link, b"two".to_vec()));
    assert_eq!(peer.next().await.unwrap().unwrap(), Message::Pong(Bytes::from_static(b"between")));

    links.command(send(found.link, b"answer"));
    assert_eq!(peer.next().await.unwrap().unwrap(), Message::binary(b"answer".to_vec()));
    // What has not changed is left alone.
    links.configure(vec![Wanted::WebSocketClient(wanted)]);
    links.command(send(found.link, b"again"));
    assert_eq!(peer.next().await.unwrap().unwrap(), Message::binary(b"again".to_vec()));
    links.command(LinkCommand::Close { link: found.link, code: 1003, reason: "no Record".into() });
    assert_eq!(close_code(&mut peer).await, Some(1003));
    let (link, why, failures, wait) = down(&mut links).await;
    assert_eq!((link, why.as_str(), failures), (Some(found.link), "no Record", 1));
    assert!((5..=10).contains(&wait.unwrap()));
}

#[tokio::test]
async fn all_notices_that_may_wait_for_a_controller_go_out_at_once_when_its_session_stands() {
    let lab = Lab::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut links = lab.links();
    links.configure(vec![Wanted::WebSocketClient(to(listener.local_addr().unwrap().port()))]);
    let (mut peer, _) = take(&listener, &controller()).await;
    let found = up(&mut links).await;
    // The Connect record, the notices, and an answer.
    let records: Vec<_> = (0..MAX_NOTICES + 2).map(usize::to_be_bytes).collect();
    for record in &records {
        links.command(send(found.link, record));
    }
    for record in &records {
        assert_eq!(peer.next().await.unwrap().unwrap(), Message::binary(record.to_vec()));
    }
}

//= TR-369 R-WS.14a
//= TR-369 R-WS.17
#[tokio::test]
async fn long_records_and_the_answers_to_pings_come_whole_however_little_the_peer_takes_at_a_time() {
    let (task, mut told, outbox, peer, _wanted) = piped(1000, 3600, Dates::Known).await;
    let records: Vec<Vec<u8>> =
        [70_000, 3, 9_000, 200_000].iter().map(|size| vec![*size as u8; *size]).collect();
    for record in &records {
        outbox.push(Item::Record { topic: None, retain: false, record: record.clone(), room: None }).unwrap();
    }
    let (mut to, mut from) = peer.split();
    let mut left = records.iter();
    let mut pongs = 0;
    while left.len() > 0 || pongs == 0 {
        // Of several Pings that wait the last one is answered.
        let ping = to.send(Message::Ping(Bytes::from_static(b"?")));
        let (_, next) = tokio::join!(ping, from.next());
        match next.unwrap().unwrap() {
            Message::Binary(record) => assert!(record == left.next().unwrap(), "{}", record.len()),
            Message::Pong(_) => pongs += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(told.try_recv().is_err());
    drop((outbox, to, from));
    task.await.unwrap();
}

//= TR-369 R-WS.8
#[tokio::test]
async fn what_is_no_longer_wanted_sends_what_is_queued_and_says_goodbye() {
    let lab = Lab::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut links = lab.links();
    let wanted = to(listener.local_addr().unwrap().port());
    links.configure(vec![Wanted::WebSocketClient(wanted.clone())]);
    let (mut peer, _) = take(&listener, &controller()).await;
    let first = up(&mut links).await;
    links.command(send(first.link, b"last words"));
    // A changed one is opened anew meanwhile.
    links.configure(vec![Wanted::WebSocketClient(WebSocketClient { path: "usp".into(), ..wanted })]);
    assert_eq!(peer.next().await.unwrap().unwrap(), Message::binary(b"last words".to_vec()));
    assert_eq!(close_code(&mut peer).await, Some(1001));
    let (mut second, _) = take(&listener, &controller()).await;
    let mut seen = Vec::new();
    while seen.len() < 2 {
        seen.push(match links.next().await {
            LinkEvent::Up(up) => ("up", up.link, None),
            LinkEvent::Down { link, retry_in, .. } => ("down", link.unwrap(), retry_in),
            other => panic!("{other:?}"),
        });
    }
    seen.sort();
    assert_eq!(seen, [("down", first.link, None), ("up", first.link + 1, None)]);
    let ((), code) = tokio::join!(links.shutdown(), close_code(&mut second));
    assert_eq!(code, Some(1001));
}

//= TR-369 R-WS.16
#[tokio::test]
async fn what_is_no_record_ends_the_session_with_its_code() {
    let lab = Lab::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let oversized = vec![0; MAX_RECORD + 1];
    let cases: [(Message, u16); 3] = [
        (Message::text("text"), 1003),
        (Message::binary(oversized), 1009),
        // A continuation of nothing.
        (Message::Frame(Frame::message(Bytes::new(), OpCode::Data(Data::Continue), true)), 1002),
    ];
    for (message, code) in cases {
        let mut links = lab.links();
        links.configure(vec![Wanted::WebSocketClient(to(listener.local_addr().unwrap().port()))]);
        let (mut peer, _) = take(&listener, &controller()).await;
        up(&mut links).await;
        // It may be refused while it is still on its way.
        let sent = tokio::spawn(async move {
            let _ = peer.send(message).await;
            close_code(&mut peer).await
        });
        assert!(down(&mut links).await.0.is_some());
        assert_eq!(sent.await.unwrap(), Some(code));
    }
}

//= TR-369 R-WS.12
#[tokio::test]
async fn an_answer_that_opens_no_session_is_a_failure() {
    let lab = Lab::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for (answer, words) in [
        ("HTTP/1.1 404 Not Found\r\n\r\n", "does not switch to WebSocket (HTTP status 404)"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "does not speak HTTP"),
        ("", "closed during the opening"),
    ] {
        let mut links = lab.links();
        links.configure(vec![Wanted::WebSocketClient(to(port))]);
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let (link, why, failures, _) = down(&mut links).await;
        assert!(link.is_none() && why.contains(words) && failures == 1, "{why}");
    }
    for (protocol, peer, words) in [
        ("", controller(), "does not speak v1.usp"),
        ("Sec-WebSocket-Protocol: v1.usp\r\n", id("oui:012345:other"), "the server is oui:012345:other"),
    ] {
        let mut links = lab.links();
        links.configure(vec![Wanted::WebSocketClient(to(port))]);
        let (stream, _) = listener.accept().await.unwrap();
        let (mut stream, asked, _) = asked(Box::new(stream)).await;
        let answer = format!(
            "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n{protocol}\
             Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Extensions: bbf-usp-protocol; eid=\"{}\"\r\n\r\n",
            rules::accept(&asked.key),
            peer.as_str()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        let (_, why, ..) = down(&mut links).await;
        assert!(why.contains(words), "{why}");
    }
    let mut links = lab.links();
    links.configure(vec![Wanted::WebSocketClient(to(port))]);
    let (mut stream, _) = listener.accept().await.unwrap();
    let endless = tokio::spawn(async move { while stream.write_all(b"X: y\r\n").await.is_ok() {} });
    assert!(down(&mut links).await.1.contains("too long"));
    endless.await.unwrap();
}

//= TR-369 R-WS.19
//= TR-369 R-WS.20
//= TR-369 R-WS.21: nothing is kept of the count over a restart.
#[tokio::test(start_paused = true)]
async fn waits_grow_with_failures_and_a_session_resets_them() {
    let lab = Lab::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut links = lab.links();
    links.configure(vec![Wanted::WebSocketClient(to(port))]);
    for (n, low, high) in [(1, 5, 10), (2, 10, 20), (3, 20, 40), (4, 40, 80)] {
        let (link, why, failures, wait) = down(&mut links).await;
        assert_eq!((link, failures), (None, n), "{why}");
        assert!((low..=high).contains(&wait.unwrap()), "{n}: {wait:?}");
    }
    // The program starts again.
    drop(links);
    let mut links = lab.links();
    links.configure(vec![Wanted::WebSocketClient(to(port))]);
    let (_, _, failures, wait) = down(&mut links).await;
    assert_eq!(failures, 1);
    assert!((5..=10).contains(&wait.unwrap()), "{wait:?}");
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    // Sockets and a time that jumps do not go together.
    tokio::time::advance(Duration::from_secs(80)).await;
    tokio::time::resume();
    let (peer, _) = take(&listener, &controller()).await;
    up(&mut links).await;
    drop(peer);
    let (link, _, failures, wait) = down(&mut links).await;
    assert_eq!((link.is_some(), failures), (true, 1));
    assert!((5..=10).contains(&wait.unwrap()));
}

//= TR-181 LocalAgent.Controller.{i}.MTP.{i}.WebSocket.Reset(): a session that stands is ended, and made anew at once.
#[tokio::test]
async fn a_session_that_is_closed_on_request_comes_back_at_once_and_one_for_its_peers_fault_does_not() {
    let lab = Lab::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut links = lab.links();
    links.configure(vec![Wanted::WebSocketClient(to(listener.local_addr().unwrap().port()))]);
    for (code, failed, at_least) in [(NORMAL, 0, 0), (NORMAL, 0, 0), (NOT_A_RECORD, 1, 5)] {
        let (mut peer, _) = take(&listener, &controller()).await;
        let up = up(&mut links).await;
        links.command(LinkCommand::Close { link: up.link, code, reason: "asked for".into() });
        assert_eq!(close_code(&mut peer).await, Some(code));
        let (link, why, failures, wait) = down(&mut links).await;
        assert_eq!((link, why.as_str(), failures), (Some(up.link), "asked for", failed));
        assert!(wait.is_some_and(|wait| wait >= at_least && (wait > 0) == (at_least > 0)), "{wait:?}");
    }
}

/// A session on a pipe of `octets`, with what it tells and its peer.
async fn piped(
    octets: usize,
    keep_alive: u64,
    dates: Dates,
) -> (JoinHandle<String>, mpsc::Receiver<Told>, Outbox, Peer, watch::Sender<Wanted>) {
    let (near, far) = tokio::io::duplex(octets);
    let near: Box<dyn Stream> = Box::new(near);
    let socket = Socket { stream: near, rest: Vec::new(), ours: true };
    let far: Box<dyn Stream> = Box::new(far);
    let peer = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
    let (telling, mut told) = mpsc::channel(64);
    let reports = Reports::new("acs".into(), telling, Arc::new(AtomicU32::new(1)));
    let (sender, mut changes) = watch::channel(Wanted::WebSocketClient(to(1)));
    let site = Arc::new(Lab::new().site());
    let dialled = dial::Dialled {
        stream: Box::new(tokio::io::empty()),
        peer: SocketAddr::from(([127, 0, 0, 1], 1)),
        local: SocketAddr::from(([127, 0, 0, 1], 2)),
        certificate: None,
        dates: Dates::Known,
        encrypted: false,
    };
    let up = websocket::up(1, &reports, &dialled, None, false);
    let inbox = reports.up(up).await;
    let Told::Up(_, outbox) = told.recv().await.unwrap() else { panic!("up comes first") };
    let alive = Alive { keep_alive: Duration::from_secs(keep_alive), dates, site };
    let task =
        tokio::spawn(async move { session(socket, &reports, 1, inbox, alive, &mut changes).await.why });
    (task, told, outbox, peer, sender)
}

//= TR-369 R-WS.13
//= TR-369 R-WS.17
//= TR-369 R-WS.18
#[tokio::test(start_paused = true)]
async fn pings_go_out_as_often_as_set_and_silence_ends_the_session() {
    let (task, _told, _outbox, mut peer, _wanted) = piped(4096, 7, Dates::Known).await;
    let start = Instant::now();
    for n in 1..=3 {
        assert!(matches!(peer.next().await.unwrap().unwrap(), Message::Ping(_)));
        assert_eq!(start.elapsed().as_secs(), 7 * n);
        peer.flush().await.unwrap(); // the Pong
    }
    // From now on the peer reads nothing and answers nothing.
    assert_eq!(task.await.unwrap(), "the peer does not answer a Ping");
    assert_eq!(start.elapsed().as_secs(), 35);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_is_cut() {
    let record = || Item::Record { topic: None, retain: false, record: vec![0; 64 * 1024], room: None };
    // By the deadline of a single write, although the peer goes on to send.
    let (task, mut told, outbox, mut peer, _wanted) = piped(1024, 3600, Dates::Known).await;
    let start = Instant::now();
    outbox.push(record()).unwrap();
    assert_eq!(task.await.unwrap(), "the peer does not read what is sent to it");
    assert_eq!(start.elapsed(), WRITE_WAIT);
    assert!(told.try_recv().is_err() && peer.send(Message::binary(vec![1])).await.is_err());
    // By the bounds of the queue: in number, and in octets.
    let (task, _told, outbox, _peer, _wanted) = piped(1024, 3600, Dates::Known).await;
    let short = || Item::Record { topic: None, retain: false, record: vec![0], room: None };
    let taken = (0..MAX_QUEUED + 9).filter(|_| outbox.push(short()).is_ok()).count();
    assert_eq!(taken, MAX_QUEUED);
    let start = Instant::now();
    drop(outbox);
    assert_eq!(task.await.unwrap(), "the peer does not read what is sent to it");
    assert_eq!(start.elapsed(), Duration::ZERO);
    let (_task, _told, outbox, _peer, _wanted) = piped(1024, 3600, Dates::Known).await;
    let big =
        Item::Record { topic: None, retain: false, record: vec![0; link::MAX_QUEUED_OCTETS + 1], room: None };
    assert!(outbox.push(big).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_no_close_frame_does_not_keep_the_session() {
    let (task, _told, outbox, _peer, _wanted) = piped(4096, 3600, Dates::Known).await;
    let start = Instant::now();
    outbox.push(Item::Close { code: 1000, reason: "enough".into() }).unwrap();
    assert_eq!(task.await.unwrap(), "enough");
    assert_eq!(start.elapsed(), websocket::CLOSE_WAIT);
}

//= TR-369 R-MTP.3
//= TR-369 R-WS.23
#[tokio::test(start_paused = true)]
async fn a_session_whose_dates_were_ignored_ends_once_the_time_is_known() {
    let (task, _told, _outbox, mut peer, _wanted) = piped(4096, 7, Dates::Client).await;
    assert_eq!(close_code(&mut peer).await, Some(1001));
    drop(peer);
    assert!(task.await.unwrap().contains("dates are to be verified"));
}
