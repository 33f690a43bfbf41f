//! The HTTP server on the wire: what it takes, what it refuses.

use std::time::Duration;

use cpeagent::bench::http::{BODY_MAX, Handler, LINE_MAX, Request, Response, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

#[derive(Clone)]
struct Echo;

impl Handler for Echo {
    async fn handle(&self, request: Request) -> Response {
        Response::new(
            200,
            "text/plain",
            format!("[{} {} {}]", request.method, request.target, request.body.len()),
        )
    }
}

/// Sends octets and gives all that comes back until the server closes.
async fn exchange(octets: &[u8]) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let at = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(listener, Echo));
    let stream = TcpStream::connect(at).await.unwrap();
    let (mut from, mut to) = stream.into_split();
    let mut back = Vec::new();
    // The server may close before it has taken everything; what it said counts.
    let (_, read) =
        tokio::join!(to.write_all(octets), timeout(Duration::from_secs(20), from.read_to_end(&mut back)));
    read.expect("the server closes in time").unwrap();
    server.abort();
    String::from_utf8(back).unwrap()
}

#[tokio::test]
async fn bodies_come_with_a_length_or_in_chunks_and_the_connection_is_kept() {
    let back = exchange(
        b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc\
          POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;x=1\r\nab\r\n3\r\ncde\r\n0\r\nT: 1\r\n\r\n\
          GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    .await;
    for part in ["[POST /a 3]", "[POST /b 5]", "[GET /c 0]"] {
        assert!(back.contains(part), "{back}");
    }
}

#[tokio::test]
async fn what_is_not_plain_http_is_refused_with_its_status() {
    //= RFC 9112 6.3: transfer coding and length together, or two lengths that differ, are not to be trusted.
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(LINE_MAX));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(65));
    let large = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", BODY_MAX + 1);
    let chunk = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", BODY_MAX + 1);
    for (octets, status) in [
        ("nonsense\r\n\r\n", 400),
        ("GET / HTTP/2\r\n\r\n", 505),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nA : b\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        ("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", 400),
        (&long, 431),
        (&many, 431),
        (&large, 413),
        (&chunk, 413),
    ] {
        let back = exchange(octets.as_bytes()).await;
        let shown: String = octets.chars().take(80).collect();
        assert!(back.starts_with(&format!("HTTP/1.1 {status} ")), "{shown:?} gives {back}");
    }
}

#[tokio::test]
async fn an_http_1_0_client_is_answered_once_and_a_waiting_one_is_told_to_go_on() {
    let old = exchange(b"GET /old HTTP/1.0\r\n\r\nGET /more HTTP/1.0\r\n\r\n").await;
    assert!(old.contains("[GET /old 0]") && !old.contains("/more"), "{old}");
    let expects =
        b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx";
    let back = exchange(expects).await;
    assert!(back.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"), "{back}");
}
