//! IPPing and TraceRoute: sockets of ICMP.

use super::Lab;
use crate::diag::icmp::{self, Answer};
use crate::diag::ping::{self, Counts};
use crate::diag::route::{self, Hop};
use crate::diag::{INTERNAL, MAX_TIME, NO_ROUTE, OTHER, Verdict};
use crate::io::http::connect::Route;
use crate::io::privileged;
use crate::rng::Rng;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep, timeout_at};

/// Between an answer and the next request.
const PAUSE: Duration = Duration::from_millis(100);
/// Largest packet taken.
const MAX_PACKET: usize = 65_535;
/// Foreign packets passed over while one answer is waited for: all ICMP of the device comes by.
const MAX_FOREIGN: u32 = 100_000;

/// A socket for all ICMP of the device, which takes root.
pub fn raw_socket(v6: bool) -> io::Result<Socket> {
    socket(v6, Type::RAW)
}

fn socket(v6: bool, kind: Type) -> io::Result<Socket> {
    let (domain, protocol) = match v6 {
        true => (Domain::IPV6, Protocol::ICMPV6),
        false => (Domain::IPV4, Protocol::ICMPV4),
    };
    Socket::new(domain, kind, Some(protocol))
}

/// A socket that sends echo requests.
struct Echo {
    socket: UdpSocket,
    v6: bool,
    /// Whether packets come with their IPv4 header.
    ip: bool,
    /// Ours; none where the kernel chooses it.
    id: Option<u16>,
    buffer: Vec<u8>,
}

impl Echo {
    /// Raw, as on a router; where that is not allowed, the kernel's own kind, which hears no routers.
    fn open(v6: bool, route: &Route, id: u16) -> io::Result<Echo> {
        let raw = raw_socket(v6).or_else(|refused| privileged::echo(refused, v6));
        let (socket, raw) = match raw {
            Ok(socket) => (socket, true),
            Err(_) => (socket(v6, Type::DGRAM)?, false),
        };
        socket.set_nonblocking(true)?;
        route.apply(&socket, !v6, 0)?;
        let socket = UdpSocket::from_std(socket.into())?;
        Ok(Echo { socket, v6, ip: raw && !v6, id: raw.then_some(id), buffer: vec![0; MAX_PACKET] })
    }

    async fn send(&self, to: IpAddr, sequence: u16, size: u16) -> io::Result<()> {
        let packet = icmp::request(self.v6, self.id.unwrap_or(0), sequence, size);
        self.socket.send_to(&packet, SocketAddr::new(to, 0)).await.map(drop)
    }

    /// What comes in answer to the request with this number; `None` when time is up.
    async fn hear(&mut self, sequence: u16, until: Instant) -> Option<(Answer, IpAddr)> {
        for _ in 0..MAX_FOREIGN {
            let heard = timeout_at(until, self.socket.recv_from(&mut self.buffer)).await.ok()?;
            let Ok((length, from)) = heard else { return None };
            let packet = self.buffer.get(..length).unwrap_or_default();
            let answer = icmp::answer(self.v6, self.ip, self.id, packet);
            match answer {
                Some(Answer::Reply(of) | Answer::Expired(of) | Answer::Unreachable(of, _))
                    if of == sequence =>
                {
                    return answer.map(|answer| (answer, from.ip()));
                }
                Some(_) | None => {}
            }
        }
        None
    }
}

fn no_way(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable)
}

fn word_of(error: &io::Error) -> &'static str {
    log::warn!("diagnostics: {error}");
    if no_way(error) { NO_ROUTE } else { INTERNAL }
}

impl Lab {
    pub(super) async fn ping(&self, ask: &ping::Ask, device: Option<String>, mut rng: Rng) -> Verdict {
        let route = self.route(device, ask.version, ask.dscp);
        let to = match self.address(&ask.host, 0, &route).await {
            Ok(to) => to.ip(),
            Err(word) => return Verdict::bare(word),
        };
        let mut echo = match Echo::open(to.is_ipv6(), &route, rng.next_u64() as u16) {
            Ok(echo) => echo,
            Err(error) => return Verdict::bare(word_of(&error)),
        };
        let (mut counts, end) = (Counts::default(), Instant::now() + MAX_TIME);
        let mut word = None;
        for at in 0..ask.count {
            let (sequence, start) = (at as u16, Instant::now());
            if start >= end {
                return counts.verdict(Some(OTHER), to);
            }
            let time = match echo.send(to, sequence, ask.size).await {
                Ok(()) => match echo.hear(sequence, start + ask.wait).await {
                    Some((Answer::Reply(_), _)) => Some(start.elapsed()),
                    Some((Answer::Expired(_) | Answer::Unreachable(..), _)) | None => None,
                },
                Err(error) => {
                    word = Some(word_of(&error));
                    None
                }
            };
            counts.note(time);
            if let Some(word) = word {
                return counts.verdict(Some(word), to);
            }
            if at + 1 < ask.count {
                sleep(PAUSE).await;
            }
        }
        counts.verdict(None, to)
    }

    pub(super) async fn trace(&self, ask: &route::Ask, device: Option<String>, mut rng: Rng) -> Verdict {
        let way = self.route(device, ask.version, ask.dscp);
        let to = match self.address(&ask.host, 0, &way).await {
            Ok(to) => to.ip(),
            Err(word) => return Verdict::bare(word),
        };
        let mut echo = match Echo::open(to.is_ipv6(), &way, rng.next_u64() as u16) {
            Ok(echo) => echo,
            Err(error) => return Verdict::bare(word_of(&error)),
        };
        let (mut hops, end) = (Vec::new(), Instant::now() + MAX_TIME);
        let mut sequence: u16 = 0;
        for life in 1..=ask.hops {
            let socket = SockRef::from(&echo.socket);
            let set = if echo.v6 { socket.set_unicast_hops_v6(life) } else { socket.set_ttl_v4(life) };
            if let Err(error) = set {
                return route::verdict(Some(word_of(&error)), to, &hops);
            }
            let (mut hop, mut arrived, mut refused) = (Hop::default(), false, false);
            for _ in 0..ask.tries {
                let start = Instant::now();
                if start >= end {
                    return route::verdict(Some(OTHER), to, &hops);
                }
                sequence = sequence.wrapping_add(1);
                if let Err(error) = echo.send(to, sequence, ask.size).await {
                    return route::verdict(Some(word_of(&error)), to, &hops);
                }
                let heard = echo.hear(sequence, start + ask.wait).await;
                // A time of nothing would mean that nothing came.
                let time = start.elapsed().max(Duration::from_micros(1));
                hop.times.push(if heard.is_some() { time } else { Duration::ZERO });
                if let Some((answer, from)) = heard {
                    hop.from = Some(from);
                    match answer {
                        Answer::Reply(_) => arrived = true,
                        Answer::Expired(_) => {}
                        Answer::Unreachable(_, code) => {
                            hop.code = code;
                            refused = true;
                        }
                    }
                }
            }
            hops.push(hop);
            match (arrived, refused) {
                (true, _) => return route::verdict(None, to, &hops),
                (false, true) => return route::verdict(Some(NO_ROUTE), to, &hops),
                (false, false) => {}
            }
        }
        route::verdict(Some(route::TOO_FAR), to, &hops)
    }
}
