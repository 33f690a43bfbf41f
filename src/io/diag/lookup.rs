//! NSLookupDiagnostics: questions to one name server.

use super::{DNS_PORT, Lab};
use crate::diag::dns::{self, Kind, MAX_ANSWER};
use crate::diag::lookup::{self, Ask, NO_SERVER, Try};
use crate::diag::{INTERNAL, MAX_TIME, OTHER, Verdict};
use crate::io::disk::{Disk, MAX_FILE};
use crate::io::http::connect::Route;
use crate::io::{pool, random};
use crate::rng::Rng;
use crate::way::Family;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

/// Which name servers the device itself asks.
const RESOLV: &str = "/etc/resolv.conf";
/// How long an answer is waited for that is asked for in passing.
const ANSWER_WAIT: Duration = Duration::from_secs(3);
/// Messages passed over while one answer is waited for.
const MAX_FOREIGN: u32 = 1_000;

impl Lab {
    pub(super) async fn look_up(&self, ask: &Ask, device: Option<String>, mut rng: Rng) -> Verdict {
        let route = self.route(device, Family::Any, 0);
        let named = match ask.server.is_empty() {
            false => ask.server.clone(),
            true => match self.own_server().await {
                Some(server) => server,
                None => return Verdict::bare(NO_SERVER),
            },
        };
        let server = match self.address(&named, self.dns_port, &route).await {
            Ok(server) => server,
            Err(INTERNAL) => return Verdict::bare(INTERNAL),
            Err(_) => return Verdict::bare(NO_SERVER),
        };
        let (mut tries, end) = (Vec::new(), Instant::now() + MAX_TIME);
        for _ in 0..ask.count {
            if Instant::now() >= end {
                return Verdict { status: OTHER, ..lookup::verdict(server.ip(), &tries) };
            }
            let id = rng.next_u64() as u16;
            tries.push(one(ask, server, &route, id).await.unwrap_or_else(|error| {
                log::warn!("diagnostics: {server}: {error}");
                Try::Unreachable
            }));
        }
        lookup::verdict(server.ip(), &tries)
    }

    async fn own_server(&self) -> Option<String> {
        let disk = self.disk.clone();
        let text = pool::run(move || disk.read(RESOLV, MAX_FILE)).await.ok()?;
        let servers = lookup::servers(&String::from_utf8_lossy(&text));
        servers.first().map(IpAddr::to_string)
    }
}

/// The addresses that the name server at an address knows of a name; `None` where it does not answer in time.
pub(in crate::io) async fn asked(server: IpAddr, name: &str) -> Option<Vec<IpAddr>> {
    let ask = Ask { name: name.into(), server: String::new(), wait: ANSWER_WAIT, count: 1 };
    let id = Rng::new(random::seed()).next_u64() as u16;
    match one(&ask, SocketAddr::new(server, DNS_PORT), &Route::default(), id).await {
        Ok(Try::Answered(answers, _)) => Some(answers.into_iter().flat_map(|it| it.addresses).collect()),
        Ok(Try::Silent | Try::Unreachable | Try::NoQuestion) | Err(_) => None,
    }
}

/// Asks once for both kinds of addresses.
async fn one(ask: &Ask, server: SocketAddr, route: &Route, id: u16) -> io::Result<Try> {
    let questions = [(id, Kind::A), (id.wrapping_add(1), Kind::Aaaa)]
        .map(|(id, kind)| dns::question(id, &ask.name, kind));
    let [Some(a), Some(aaaa)] = questions else { return Ok(Try::NoQuestion) };
    let socket = Socket::new(Domain::for_address(server), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    route.apply(&socket, server.is_ipv4(), 0)?;
    // Connected: what others send is not heard, and a closed port is.
    socket.connect(&server.into())?;
    let socket = UdpSocket::from_std(socket.into())?;
    let start = Instant::now();
    socket.send(&a).await?;
    socket.send(&aaaa).await?;
    let (mut first, mut second) = (None, None);
    let mut buffer = vec![0; MAX_ANSWER];
    for _ in 0..MAX_FOREIGN {
        let Ok(heard) = timeout_at(start + ask.wait, socket.recv(&mut buffer)).await else { break };
        let message = buffer.get(..heard?).unwrap_or_default();
        first = first.or_else(|| dns::answer(&a, message));
        second = second.or_else(|| dns::answer(&aaaa, message));
        if first.is_some() && second.is_some() {
            break;
        }
    }
    let answers: Vec<_> = first.into_iter().chain(second).collect();
    Ok(if answers.is_empty() { Try::Silent } else { Try::Answered(answers, start.elapsed()) })
}
