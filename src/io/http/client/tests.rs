//! The client against scripted servers on the loopback.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::secret::Secret;
use crate::way::Family;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the server does with one request: answers, then goes on to the next of the same connection.
type Script = Vec<Vec<String>>;

/// Reads one request, its body included; `None` when the client has closed.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut octets = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&octets).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|l| l.strip_prefix("Content-Length: "));
            if body.len() >= length.map_or(0, |l| l.parse().unwrap()) {
                return Some(text);
            }
        }
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => octets.extend_from_slice(&part[..read]),
        }
    }
}

/// Serves one connection after the other, each with its answers, and closes it after the last one.
async fn serve(script: Script) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let mut log = Vec::new();
        for answers in script {
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in answers {
                let Some(request) = request(&mut stream).await else { break };
                log.push(request);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
        log
    });
    (port, served)
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn answer(status: u16, fields: &str) -> String {
    format!("HTTP/1.1 {status} X\r\n{fields}Content-Length: 2\r\n\r\nno")
}

fn settings() -> Settings {
    Settings {
        credentials: Credentials { username: "user".into(), password: Secret::new("word") },
        user_agent: "cpeagent/test".into(),
        ..Settings::default()
    }
}

fn client(port: u16, settings: Settings) -> Client {
    Client::new(&format!("http://127.0.0.1:{port}/cwmp"), settings, Rng::new([2; 32])).unwrap()
}

fn fields<'a>(request: &'a str, name: &str) -> Vec<&'a str> {
    request.lines().filter_map(|l| l.split_once(": ")).filter(|(n, _)| *n == name).map(|(_, v)| v).collect()
}

async fn posted(client: &mut Client, body: &str) -> Result<(u16, String), Error> {
    let reply = client.post(&mut Whole::new(body)).await?;
    Ok((reply.status, String::from_utf8(reply.body).unwrap()))
}

//= TR-069 3.4.1
#[tokio::test]
async fn an_envelope_has_its_headers_and_an_empty_post_has_none_of_them() {
    let (port, served) = serve(vec![vec![ok("<a/>"), "HTTP/1.1 204 No Content\r\n\r\n".into()]]).await;
    let mut client = client(port, settings());
    assert_eq!(posted(&mut client, "<e/>").await, Ok((200, "<a/>".into())));
    assert_eq!(posted(&mut client, "").await, Ok((204, String::new())));
    drop(client);
    let log = served.await.unwrap();
    let host = format!("127.0.0.1:{port}");
    assert!(log[0].starts_with("POST /cwmp HTTP/1.1\r\n") && log[0].ends_with("\r\n\r\n<e/>"));
    for (name, envelope, empty) in [
        ("Host", vec![host.as_str()], vec![host.as_str()]),
        ("User-Agent", vec!["cpeagent/test"], vec!["cpeagent/test"]),
        ("SOAPAction", vec![""], vec![]),
        ("Content-Type", vec!["text/xml; charset=\"utf-8\""], vec![]),
        ("Content-Length", vec!["4"], vec!["0"]),
        ("Authorization", vec![], vec![]),
        ("Expect", vec![], vec![]),
    ] {
        assert_eq!(fields(&log[0], name), envelope, "{name}");
        assert_eq!(fields(&log[1], name), empty, "{name}");
    }
}

//= TR-069 3.4.2
#[tokio::test]
async fn the_session_goes_on_over_a_new_connection_with_its_cookies() {
    let announced = answer(200, "Set-Cookie: s=1; Path=/\r\nSet-Cookie: t=2\r\nConnection: close\r\n");
    let (port, served) = serve(vec![vec![announced], vec![ok("b")], vec![ok("c"), ok("d")]]).await;
    let mut client = client(port, settings());
    let mut got = Vec::new();
    for body in ["1", "2", "3", "4"] {
        got.push(posted(&mut client, body).await.unwrap().1);
    }
    assert_eq!(got, ["no", "b", "c", "d"]);
    let log = served.await.unwrap();
    assert_eq!(fields(&log[0], "Cookie"), Vec::<&str>::new());
    assert!(log[1..].iter().all(|r| fields(r, "Cookie") == ["s=1; t=2"]), "{log:?}");
    assert!(log[1].ends_with('2') && log[2].ends_with('3'));
}

//= TR-069 3.4.2
#[tokio::test]
async fn a_request_is_repeated_once_and_only_when_a_kept_connection_gave_no_octet() {
    // The server reads the second request and closes without a word.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        for answers in [vec![ok("a"), String::new()], vec![ok("b"), "HTTP".into()], vec![String::new()]] {
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in answers {
                request(&mut stream).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    let mut client = client(port, settings());
    assert_eq!(posted(&mut client, "1").await, Ok((200, "a".into())));
    assert_eq!(posted(&mut client, "2").await, Ok((200, "b".into())), "repeated");
    assert_eq!(posted(&mut client, "3").await, Err(Error::Bad(head::Bad::Truncated)), "an answer had begun");
    assert!(
        matches!(posted(&mut client, "4").await, Err(Error::Lost(_))),
        "a new connection is not tried again"
    );
    served.await.unwrap();
}

//= TR-069 3.4.4, 3.4.5
#[tokio::test]
async fn a_challenge_is_answered_on_the_same_connection_with_the_same_body() {
    let challenge = answer(401, "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n");
    let stale =
        answer(401, "WWW-Authenticate: Digest realm=\"r\", nonce=\"m\", qop=\"auth\", stale=true\r\n");
    let (port, served) = serve(vec![vec![challenge, ok("a"), stale, ok("b"), ok("c")]]).await;
    let mut client = client(port, settings());
    for (body, want) in [("one", "a"), ("two", "b"), ("three", "c")] {
        assert_eq!(posted(&mut client, body).await, Ok((200, want.into())));
    }
    let log = served.await.unwrap();
    let bodies: Vec<_> = log.iter().map(|r| r.rsplit("\r\n\r\n").next().unwrap()).collect();
    assert_eq!(bodies, ["one", "one", "two", "two", "three"]);
    for (request, nonce, count) in [(1, "n", 1), (2, "n", 2), (3, "m", 1), (4, "m", 2)] {
        let sent = fields(&log[request], "Authorization")[0];
        assert!(sent.contains(&format!("nonce=\"{nonce}\"")), "{sent}");
        assert!(sent.contains(&format!("nc={count:08x}")) && sent.contains("uri=\"/cwmp\""), "{sent}");
    }
}

//= TR-069 3.4.4
#[tokio::test]
async fn basic_is_sent_only_after_it_was_asked_for() {
    let challenge = answer(401, "WWW-Authenticate: Basic realm=x\r\n");
    let (port, served) = serve(vec![vec![challenge.clone(), ok("a"), ok("b")]]).await;
    let mut asked = client(port, settings());
    posted(&mut asked, "1").await.unwrap();
    posted(&mut asked, "2").await.unwrap();
    let log = served.await.unwrap();
    assert_eq!(fields(&log[0], "Authorization"), Vec::<&str>::new());
    assert_eq!(fields(&log[1], "Authorization"), ["Basic dXNlcjp3b3Jk"]);
    assert_eq!(fields(&log[2], "Authorization"), ["Basic dXNlcjp3b3Jk"]);
    let (port, served) = serve(vec![vec![challenge.clone()], vec![challenge.clone(), challenge]]).await;
    let mut careful = client(port, Settings { basic: Basic::TlsOnly, ..settings() });
    assert_eq!(
        posted(&mut careful, "1").await,
        Err(Error::Refused(crate::digest::client::Refused::BasicInClear))
    );
    let mut wrong = client(port, settings());
    let refused = posted(&mut wrong, "1").await;
    assert_eq!(refused, Err(Error::Refused(crate::digest::client::Refused::WrongCredentials)));
    served.await.unwrap();
}

//= TR-069 3.4.6
#[tokio::test]
async fn redirections_keep_the_post_and_hold_for_the_session() {
    for status in [301, 302, 307, 308] {
        let (there, second) = serve(vec![vec![ok("a"), ok("b")]]).await;
        let moved = answer(status, &format!("Location: http://127.0.0.1:{there}/new?x=1\r\n"));
        let challenge = answer(401, "WWW-Authenticate: Basic realm=x\r\n");
        let (here, first) = serve(vec![vec![challenge, moved]]).await;
        let mut client = client(here, settings());
        assert_eq!(posted(&mut client, "inform").await, Ok((200, "a".into())));
        assert_eq!(posted(&mut client, "next").await, Ok((200, "b".into())));
        assert_eq!(client.url().to_string(), format!("http://127.0.0.1:{there}/new?x=1"));
        assert_eq!(first.await.unwrap().len(), 2);
        let log = second.await.unwrap();
        assert!(log[0].starts_with("POST /new?x=1 HTTP/1.1\r\n") && log[0].ends_with("inform"), "{status}");
        assert!(log[1].ends_with("next"));
        let unasked = log.iter().any(|r| r.contains("Authorization"));
        assert!(!unasked, "credentials went to another origin that had not asked");
    }
}

//= TR-069 3.4.6
#[tokio::test]
async fn five_redirections_are_followed_and_a_sixth_is_not() {
    let hop = |n: u32| answer(302, &format!("Location: hop{n}\r\n"));
    let chain = |length| (1..=length).map(hop).chain([ok("end")]).collect::<Vec<_>>();
    let (port, served) = serve(vec![chain(5)]).await;
    assert_eq!(posted(&mut client(port, settings()), "x").await, Ok((200, "end".into())));
    assert!(served.await.unwrap().last().unwrap().starts_with("POST /hop5 "));
    let (port, _served) = serve(vec![chain(6)]).await;
    let refused = posted(&mut client(port, settings()), "x").await;
    assert_eq!(refused, Err(Error::Redirect("more than 5 in a row".into())));
    for bad in ["", "Location: ftp://x/\r\n", "Location: http://x:0/\r\n"] {
        let (port, _served) = serve(vec![vec![answer(307, bad)]]).await;
        assert!(
            matches!(posted(&mut client(port, settings()), "x").await, Err(Error::Redirect(_))),
            "{bad:?}"
        );
    }
}

//= TR-069 3.4.7
#[tokio::test]
async fn a_request_is_compressed_until_the_server_refuses_it() {
    let (port, served) = serve(vec![vec![answer(415, ""), ok("a"), ok("b")]]).await;
    let mut client = client(port, Settings { compression: Some(Coding::Gzip), ..settings() });
    assert_eq!(posted(&mut client, "plain text").await, Ok((200, "a".into())));
    assert_eq!(posted(&mut client, "more").await, Ok((200, "b".into())));
    let log = served.await.unwrap();
    assert_eq!(fields(&log[0], "Content-Encoding"), ["gzip"]);
    assert!(!log[0].contains("plain text"));
    for (request, body) in [(&log[1], "plain text"), (&log[2], "more")] {
        assert!(request.ends_with(body) && fields(request, "Content-Encoding").is_empty());
    }
}

/// A body given in many pieces, of any announced length.
struct Pieces {
    announced: u64,
    pieces: u64,
    given: u64,
}

impl Body for Pieces {
    fn length(&self) -> u64 {
        self.announced
    }
    fn rewind(&mut self) {
        self.given = 0;
    }
    fn piece(&mut self, out: &mut Vec<u8>) -> std::io::Result<bool> {
        self.given += 1;
        if self.given <= self.pieces {
            out.extend_from_slice(&[b'x'; 10_000]);
        }
        Ok(self.given <= self.pieces)
    }
}

#[tokio::test]
async fn a_body_in_pieces_is_streamed_and_given_again_after_a_challenge() {
    let challenge = answer(401, "WWW-Authenticate: Basic realm=x\r\n");
    let (port, served) = serve(vec![vec![challenge, ok("a")], vec![ok("?")], vec![ok("?")]]).await;
    let mut client = client(port, settings());
    let mut body = Pieces { announced: 200_000, pieces: 20, given: 0 };
    assert_eq!(client.post(&mut body).await.unwrap().body, b"a");
    for wrong in [199_999, 200_001] {
        let mut body = Pieces { announced: wrong, pieces: 20, given: 0 };
        assert!(matches!(client.post(&mut body).await, Err(Error::Body(_))), "{wrong}");
    }
    let log = served.await.unwrap();
    assert!(log.iter().all(|r| r.matches('x').count() >= 200_000));
}

#[tokio::test]
async fn an_answer_that_comes_before_the_whole_body_is_heard() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut some = [0; 1000];
        let _ = stream.read(&mut some).await.unwrap();
        stream.write_all(answer(413, "").as_bytes()).await.unwrap();
        stream
    });
    let mut client = client(port, settings());
    let mut endless = Pieces { announced: 1 << 40, pieces: u64::MAX, given: 0 };
    assert_eq!(client.post(&mut endless).await.unwrap().status, 413);
    assert!(client.idle.is_none(), "the rest of the body is owed on that connection");
    drop(served.await.unwrap());
}

#[tokio::test]
async fn a_body_beyond_the_bound_is_given_up() {
    let endless =
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}", "a\r\n0123456789\r\n".repeat(20));
    let (port, _served) = serve(vec![vec![endless]]).await;
    let limits = Limits { body: 100, ..Limits::default() };
    let given_up = posted(&mut client(port, Settings { limits, ..settings() }), "x").await;
    assert_eq!(given_up, Err(Error::Bad(head::Bad::TooLarge("the answer's body"))));
}

/// A server that takes the request, sends `start`, and from then on a dot whenever `every` has passed, if ever.
async fn silent(start: &'static str, every: Option<Duration>) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await.unwrap();
        tokio::time::pause();
        stream.write_all(start.as_bytes()).await.unwrap();
        loop {
            match every {
                None => std::future::pending().await,
                Some(every) => tokio::time::sleep(every).await,
            }
            if stream.write_all(b".").await.is_err() {
                return;
            }
        }
    });
    (port, served)
}

//= TR-069 3.7.1.4
#[tokio::test]
async fn silence_and_dripping_are_given_up_in_time() {
    let (port, served) = silent("", None).await;
    let begin = Instant::now();
    assert_eq!(posted(&mut client(port, settings()), "x").await, Err(Error::Timeout(Stage::Answer)));
    let waited = begin.elapsed();
    assert!(waited >= Duration::from_secs(30), "the standard's least wait: {waited:?}");
    assert!(waited < Duration::from_secs(90), "{waited:?}");
    served.abort();
    tokio::time::resume();
    let (port, served) =
        silent("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", Some(Duration::from_secs(50))).await;
    let begin = Instant::now();
    let dripped = posted(&mut client(port, settings()), "x").await;
    assert!(matches!(dripped, Err(Error::Timeout(Stage::Whole))), "{dripped:?}");
    assert!(begin.elapsed() < Duration::from_secs(400));
    served.abort();
}

#[tokio::test]
async fn every_address_is_tried_and_the_one_that_answered_is_kept() {
    let (port, served) = serve(vec![vec![ok("a")], vec![ok("b")]]).await;
    let (route, waits) = (Route::default(), Waits::default());
    let url = Url::parse(&format!("http://acs.test:{port}/")).unwrap();
    let nobody = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let closed = nobody.local_addr().unwrap();
    drop(nobody);
    let open: SocketAddr = ([127, 0, 0, 1], port).into();
    let connection = connect::open(&url, &[closed, open], &route, &waits, None).await.unwrap();
    assert_eq!(connection.peer, open);
    drop(connection);
    let failed = connect::open(&url, &[closed], &route, &waits, None).await.unwrap_err();
    assert!(matches!(&failed, Error::Connect(tried) if tried.len() == 1 && tried[0].0 == closed), "{failed}");
    let mut client = client(port, settings());
    posted(&mut client, "x").await.unwrap();
    assert_eq!(client.address, Some(open));
    served.abort();
}

#[tokio::test]
async fn the_route_chooses_family_source_and_interface() {
    let localhost = |family, source: Option<&str>| Route {
        family,
        source: source.map(|s| s.parse().unwrap()),
        ..Route::default()
    };
    let wait = Duration::from_secs(5);
    for (route, want) in [
        (localhost(Family::V4, None), Ok(true)),
        (localhost(Family::V6, Some("127.0.0.1")), Ok(false)),
        (localhost(Family::Any, Some("127.0.0.2")), Ok(true)),
        (localhost(Family::Any, Some("::1")), Ok(false)),
    ] {
        let found = connect::addresses("127.0.0.1", 1, &route, wait).await;
        assert_eq!(found.map(|f| !f.is_empty()), want, "{route:?}");
    }
    // A label beyond 63 octets is refused without a question to any server.
    let unknown = connect::addresses(&"x".repeat(70), 1, &Route::default(), wait).await;
    assert!(matches!(unknown, Err(Error::Name(..) | Error::Timeout(Stage::Name))), "{unknown:?}");
    let (port, served) = serve(vec![vec![ok("a")]]).await;
    let route = Route { dscp: Some(46), ..localhost(Family::Any, Some("127.0.0.2")) };
    let mut client = client(port, Settings { route, ..settings() });
    posted(&mut client, "x").await.unwrap();
    assert_eq!(client.addresses().unwrap().0.ip().to_string(), "127.0.0.2");
    served.await.unwrap();
    let route = Route { interface: Some("no-such-interface0".into()), ..Route::default() };
    let refused = posted(
        &mut Client::new(
            &format!("http://127.0.0.1:{port}/"),
            Settings { route, ..settings() },
            Rng::new([1; 32]),
        )
        .unwrap(),
        "x",
    )
    .await;
    assert!(matches!(refused, Err(Error::Socket(_))), "{refused:?}");
}

//= TR-181 IP.Diagnostics.DownloadDiagnostics.EthernetPriority: the priority of the frames, beside the code point.
#[test]
fn the_priority_of_packets_is_the_one_asked_for_whatever_their_code_point() {
    use socket2::{Domain, Socket, Type};
    for (domain, priority, want) in
        [(Domain::IPV4, Some(0), 0), (Domain::IPV4, Some(5), 5), (Domain::IPV6, Some(3), 3)]
    {
        let Ok(socket) = Socket::new(domain, Type::STREAM, None) else { continue };
        let route = Route { dscp: Some(46), priority, ..Route::default() };
        route.apply(&socket, domain == Domain::IPV4, 0).unwrap();
        assert_eq!(socket.priority().unwrap(), want, "{domain:?}");
    }
}

#[tokio::test]
async fn a_large_answer_can_be_taken_in_chunks_and_the_connection_used_again() {
    let long = "0123456789".repeat(10_000);
    let (port, served) = serve(vec![vec![ok(&long), ok("b")]]).await;
    let mut client = client(port, settings());
    let mut answer = client.begin("GET", &[], &mut Whole::default()).await.unwrap();
    assert_eq!(answer.head().status, 200);
    let (mut total, mut chunks) = (0, 0);
    while let Some(chunk) = answer.chunk().await.unwrap() {
        total += chunk.len();
        chunks += 1;
        assert!(!chunk.is_empty() && chunk.len() <= READ);
    }
    assert_eq!(total, long.len());
    assert!(chunks > 10);
    assert_eq!(posted(&mut client, "x").await, Ok((200, "b".into())));
    assert_eq!(served.await.unwrap().len(), 2);
}
