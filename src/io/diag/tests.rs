//! Diagnostics against this machine's loopback.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::diag::{Kind, task};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

fn lab(folder: &tempfile::TempDir, dns_port: u16) -> Lab {
    let disk = Arc::new(RealDisk::new(folder.path()).unwrap());
    let fetch = Fetch::recorded(disk.clone());
    Lab { disk, fetch, clock: Clock::Machine, folder: true, ca_file: PathBuf::new(), dns_port }
}

async fn verdict(lab: Lab, kind: Kind, given: &[(&str, &str)]) -> Verdict {
    let given = given.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let task = task(kind, &given).unwrap();
    lab.run(Order { id: 1, device: None, task }, Rng::new([3; 32])).await
}

fn of<'v>(verdict: &'v Verdict, name: &str) -> &'v str {
    verdict.results.get(name).map_or("-", String::as_str)
}

fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Whether this machine lets us send echo requests at all.
fn may_echo() -> bool {
    use socket2::{Domain, Protocol, Socket, Type};
    [Type::RAW, Type::DGRAM]
        .into_iter()
        .any(|kind| Socket::new(Domain::IPV4, kind, Some(Protocol::ICMPV4)).is_ok())
}

#[test]
fn a_ping_of_this_machine_counts_its_answers_or_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let given = [("Host", "127.0.0.1"), ("NumberOfRepetitions", "2"), ("ProtocolVersion", "IPv4")];
    let verdict = block(verdict(lab(&folder, 0), Kind::Ping, &given));
    let want =
        if may_echo() { ("Complete", "2", "0", "127.0.0.1") } else { ("Error_Internal", "-", "-", "-") };
    let got = ["SuccessCount", "FailureCount", "IPAddressUsed"].map(|name| of(&verdict, name));
    assert_eq!((verdict.status, got[0], got[1], got[2]), want);
}

#[test]
fn the_way_to_this_machine_has_one_hop() {
    let folder = tempfile::tempdir().unwrap();
    let given = [("Host", "127.0.0.1"), ("NumberOfTries", "1"), ("MaxHopCount", "3")];
    let verdict = block(verdict(lab(&folder, 0), Kind::Route, &given));
    if may_echo() {
        let got =
            ["RouteHops.1.Host", "RouteHops.1.ErrorCode", "RouteHops.2.Host"].map(|name| of(&verdict, name));
        assert_eq!((verdict.status, got), ("Complete", ["127.0.0.1", "0", "-"]));
    } else {
        assert_eq!(verdict.status, "Error_Internal");
    }
}

#[test]
fn a_device_in_a_folder_reaches_nothing_but_loopback() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, given, want) in [
        (Kind::Ping, [("Host", "192.0.2.1"), ("Timeout", "1")], "Error_NoRouteToHost"),
        (Kind::Route, [("Host", "192.0.2.1"), ("Timeout", "1")], "Error_NoRouteToHost"),
        (Kind::Lookup, [("HostName", "a"), ("DNSServer", "192.0.2.1")], "Error_DNSServerNotResolved"),
        (Kind::Download, [("DownloadURL", "http://192.0.2.1/"), ("DSCP", "0")], "Error_NoRouteToHost"),
    ] {
        assert_eq!(block(verdict(lab(&folder, 53), kind, &given)).status, want, "{kind:?}");
    }
}

#[test]
fn a_name_is_asked_of_the_server_of_resolv_conf_and_told_with_its_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let given = [("HostName", "printer.example"), ("NumberOfRepetitions", "2")];
    let none = block(verdict(lab(&folder, 53), Kind::Lookup, &given));
    assert_eq!(none.status, "Error_DNSServerNotResolved");
    std::fs::create_dir(folder.path().join("etc")).unwrap();
    std::fs::write(folder.path().join("etc/resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
    let verdict = block(async {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        let serve = async {
            let mut octets = [0; 512];
            loop {
                let (length, from) = server.recv_from(&mut octets).await.unwrap();
                let mut message = octets[..length].to_vec();
                message[2] = 0x85;
                let is_a = message[length - 3] == 1;
                if is_a {
                    message[7] = 1;
                    message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 7]);
                }
                server.send_to(&message, from).await.unwrap();
            }
        };
        tokio::select! {
            verdict = verdict(lab(&folder, port), Kind::Lookup, &given) => verdict,
            () = serve => unreachable!(),
        }
    });
    assert_eq!((verdict.status, of(&verdict, "SuccessCount")), ("Complete", "2"));
    let names = ["Status", "AnswerType", "HostNameReturned", "IPAddresses", "DNSServerIP"];
    let got = names.map(|name| of(&verdict, &format!("Result.2.{name}")));
    assert_eq!(got, ["Success", "Authoritative", "printer.example", "192.0.2.7", "127.0.0.1"]);
}

/// Serves one request: its head, how many octets came behind it, and `reply` in answer.
async fn server(listener: TcpListener, body: usize, reply: Vec<u8>) -> (String, usize) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let (mut got, mut octets) = (Vec::new(), [0; 4096]);
    let head = loop {
        let length = stream.read(&mut octets).await.unwrap();
        got.extend(&octets[..length]);
        let head = got.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        match head {
            Some(head) if got.len() >= head + body => break head,
            _ => assert!(length > 0, "closed early"),
        }
    };
    stream.write_all(&reply).await.unwrap();
    (String::from_utf8_lossy(&got[..head]).into_owned(), got.len() - head)
}

#[test]
fn a_file_is_fetched_and_sent_and_its_octets_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    for (upload, reply_body, status, want) in [
        (false, 50_000, "200 OK", "Complete"),
        (false, 0, "404 Gone", "Error_TransferFailed"),
        (true, 0, "201 Made", "Complete"),
        (true, 0, "403 No", "Error_NoTransferComplete"),
    ] {
        let (verdict, (head, sent)) = block(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/file", listener.local_addr().unwrap());
            let mut reply = format!("HTTP/1.1 {status}\r\nContent-Length: {reply_body}\r\n\r\n").into_bytes();
            reply.resize(reply.len() + reply_body, b'x');
            let (kind, given) = match upload {
                true => (Kind::Upload, vec![("UploadURL", url.as_str()), ("TestFileLength", "40000")]),
                false => (Kind::Download, vec![("DownloadURL", url.as_str())]),
            };
            let serve = server(listener, if upload { 40_000 } else { 0 }, reply);
            tokio::join!(verdict(lab(&folder, 0), kind, &given), serve)
        });
        assert_eq!(verdict.status, want, "{head}");
        assert_eq!((head.starts_with("PUT "), sent), (upload, if upload { 40_000 } else { 0 }));
        if want == "Complete" {
            let (name, octets) =
                if upload { ("TestBytesSent", "40000") } else { ("TestBytesReceived", "50000") };
            assert_eq!(of(&verdict, name), octets);
            let names = ["TCPOpenRequestTime", "TCPOpenResponseTime", "ROMTime", "BOMTime", "EOMTime"];
            let dates = names.map(|name| crate::time::Wall::parse(of(&verdict, name)));
            let dates = dates.map(|date| date.map(|date| (date.seconds, date.micros)));
            assert!(dates[0].is_some() && dates.is_sorted(), "{dates:?}");
        }
    }
}
