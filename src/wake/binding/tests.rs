//! Bindings against a server and a NAT in virtual time.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

const LOCAL: &str = "192.168.1.2:7547";
const SERVER: &str = "203.0.113.1:3478";
const DELAY: Duration = Duration::from_millis(20);

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn settings(minimum: u64, maximum: Option<u64>) -> Settings {
    Settings {
        server: SERVER.parse().ok(),
        username: String::new(),
        password: Secret::default(),
        minimum: seconds(minimum),
        maximum: maximum.map(seconds),
    }
}

/// What the server read of a request.
#[derive(Clone, Debug)]
struct Seen {
    at: Instant,
    from: Port,
    transaction: Transaction,
    to: Option<SocketAddrV4>,
    marked: bool,
    changed: bool,
    name: Option<Vec<u8>>,
    signed: bool,
}

fn see(at: Instant, from: Port, octets: &[u8]) -> Seen {
    let mut seen = Seen {
        at,
        from,
        transaction: octets[4..20].try_into().unwrap(),
        to: None,
        marked: false,
        changed: false,
        name: None,
        signed: false,
    };
    let mut rest = &octets[20..];
    while let [k1, k2, s1, s2, after @ ..] = rest {
        let size = u16::from_be_bytes([*s1, *s2]) as usize;
        let value = &after[..size];
        match (u16::from_be_bytes([*k1, *k2]), value) {
            (2, [_, _, p1, p2, a, b, c, d]) => {
                seen.to = Some(SocketAddrV4::new([*a, *b, *c, *d].into(), u16::from_be_bytes([*p1, *p2])));
            }
            (0xc001, value) => seen.marked = value == b"dslforum.org/TR-111 ",
            (0xc002, _) => seen.changed = true,
            (6, value) => seen.name = Some(value.to_vec()),
            (8, _) => seen.signed = true,
            other => panic!("unknown attribute {other:?}"),
        }
        rest = &after[size.next_multiple_of(4)..];
    }
    seen
}

fn reply(transaction: Transaction, kind: u16, attribute: u16, value: &[u8]) -> Vec<u8> {
    let mut out = kind.to_be_bytes().to_vec();
    out.extend_from_slice(&(value.len() as u16 + 4).to_be_bytes());
    out.extend_from_slice(&transaction);
    out.extend_from_slice(&attribute.to_be_bytes());
    out.extend_from_slice(&(value.len() as u16).to_be_bytes());
    out.extend_from_slice(value);
    out
}

fn mapped(transaction: Transaction, address: SocketAddrV4) -> Vec<u8> {
    let [p1, p2] = address.port().to_be_bytes();
    let [a, b, c, d] = address.ip().octets();
    reply(transaction, 0x0101, 1, &[0, 1, p1, p2, a, b, c, d])
}

/// A NAT that forgets a binding after a silence, and a server behind it.
struct World {
    now: Instant,
    rng: Rng,
    binding: Binding,
    /// How long the NAT remembers; `None` if there is no NAT.
    lifetime: Option<Duration>,
    outside: u16,
    last_out: Instant,
    /// Whether the server honours RESPONSE-ADDRESS.
    honours: bool,
    silent: bool,
    seen: Vec<Seen>,
    told: Vec<Address>,
}

impl World {
    fn new(settings: Settings, lifetime: Option<u64>) -> World {
        let now = Instant(seconds(1000));
        World {
            now,
            rng: Rng::new([6; 32]),
            binding: Binding::new(settings, LOCAL.parse().unwrap(), now),
            lifetime: lifetime.map(seconds),
            outside: 40_000,
            last_out: now,
            honours: true,
            silent: false,
            seen: Vec::new(),
            told: Vec::new(),
        }
    }

    fn run(&mut self, period: Duration) {
        let end = self.now + period;
        while let Some(due) = self.binding.due().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.binding.timer(self.now, &mut self.rng);
            self.deliver();
        }
        self.now = end;
    }

    fn alive(&self) -> bool {
        self.lifetime.is_none_or(|life| self.now.since(self.last_out) < life)
    }

    fn deliver(&mut self) {
        while let Some(output) = self.binding.poll() {
            let (from, octets) = match output {
                Output::Address(address) => {
                    self.told.push(address);
                    continue;
                }
                Output::Send { from, to, octets } => {
                    assert_eq!(to, SERVER.parse().unwrap());
                    (from, octets)
                }
            };
            let seen = see(self.now, from, &octets);
            self.seen.push(seen.clone());
            if from == Port::Primary {
                if !self.alive() {
                    self.outside += 1;
                }
                self.last_out = self.now;
            }
            let at = match seen.to {
                _ if self.silent => continue,
                Some(to) if self.honours => {
                    if !self.alive() || to.port() != self.outside {
                        continue;
                    }
                    Port::Primary
                }
                Some(_) | None => from,
            };
            let answer = mapped(seen.transaction, self.outside_address());
            self.now = self.now + DELAY;
            self.binding.datagram(self.now, at, &answer, &mut self.rng);
        }
    }

    fn outside_address(&self) -> SocketAddrV4 {
        match self.lifetime {
            Some(_) => SocketAddrV4::new([203, 0, 113, 7].into(), self.outside),
            None => LOCAL.parse().unwrap(),
        }
    }

    /// The times between requests from the first port, retransmissions left out.
    fn gaps(&self) -> Vec<Duration> {
        let mut firsts: Vec<&Seen> = self.seen.iter().filter(|s| s.from == Port::Primary).collect();
        firsts.dedup_by_key(|s| s.transaction);
        firsts.windows(2).map(|pair| pair[1].at.since(pair[0].at)).collect()
    }
}

//= TR-069 G.2.1.1, G.2.1.3
#[test]
fn the_address_is_the_mapped_one_and_a_nat_shows_by_it() {
    for (lifetime, nat, authority) in [(None, false, LOCAL), (Some(300), true, "203.0.113.7:40000")] {
        let mut world = World::new(settings(20, Some(20)), lifetime);
        world.run(seconds(100));
        assert_eq!(world.told, [Address { nat_detected: nat, authority: authority.into() }]);
        assert!(world.seen.iter().all(|s| s.marked && !s.changed && s.from == Port::Primary && !s.signed));
        assert!(world.gaps().iter().all(|g| *g == seconds(20)), "{:?}", world.gaps());
    }
}

#[test]
fn without_stun_the_local_address_is_told_and_nothing_is_sent() {
    let off = Settings { server: None, ..settings(20, None) };
    for (local, authority) in [(LOCAL, LOCAL), ("10.1.2.3:80", "10.1.2.3")] {
        let mut binding = Binding::new(off.clone(), local.parse().unwrap(), Instant::default());
        let told = Output::Address(Address { nat_detected: false, authority: authority.into() });
        assert_eq!((binding.poll(), binding.poll(), binding.due()), (Some(told), None, None));
    }
}

//= RFC 3489 9.3
#[test]
fn an_unanswered_request_is_sent_nine_times_and_tried_again_later() {
    let mut world = World::new(settings(30, Some(60)), Some(300));
    world.silent = true;
    let begin = world.now;
    world.run(PATIENCE + seconds(1));
    let times: Vec<u128> = world.seen.iter().map(|s| s.at.since(begin).as_millis()).collect();
    assert_eq!(times, [0, 100, 300, 700, 1500, 3100, 4700, 6300, 7900]);
    assert!(world.seen.iter().all(|s| s.transaction == world.seen[0].transaction));
    assert_eq!(
        world.told,
        [Address { nat_detected: false, authority: LOCAL.into() }],
        "the best that is known"
    );
    world.silent = false;
    world.run(seconds(60));
    assert_eq!(world.told.last().unwrap().authority, "203.0.113.7:40000");
}

//= TR-069 G.2.1.3
#[test]
fn a_changed_binding_is_told_to_the_server_once() {
    let mut world = World::new(settings(20, Some(20)), Some(300));
    world.run(seconds(30));
    world.outside = 50_000;
    let before = world.seen.len();
    world.run(seconds(60));
    let changes: Vec<bool> = world.seen[before..].iter().map(|s| s.changed).collect();
    assert_eq!(changes, [false, true, false, false]);
    assert_eq!(world.seen[before + 1].at, world.seen[before].at + DELAY, "at once");
    assert_eq!(world.told.last().unwrap().authority, "203.0.113.7:50000");
}

//= TR-069 G.2.1.3
#[test]
fn a_change_is_repeated_until_it_was_heard() {
    let mut world = World::new(settings(20, Some(20)), Some(300));
    world.run(seconds(30));
    world.outside = 50_000;
    world.binding.timer(world.now + seconds(20), &mut world.rng);
    world.now = world.now + seconds(20);
    let Some(Output::Send { octets, .. }) = world.binding.poll() else { panic!("a request is due") };
    let answer = mapped(see(world.now, Port::Primary, &octets).transaction, world.outside_address());
    world.silent = true;
    world.binding.datagram(world.now, Port::Primary, &answer, &mut world.rng);
    let before = world.seen.len();
    world.deliver();
    world.run(PATIENCE);
    assert_eq!(world.seen[before..].iter().filter(|s| s.changed).count() as u32, SENDS);
    world.silent = false;
    let before = world.seen.len();
    world.run(seconds(70));
    let changes: Vec<bool> = world.seen[before..].iter().map(|s| s.changed).collect();
    assert_eq!((changes[0], changes[1]), (true, false));
}

#[test]
fn a_nat_with_a_new_port_every_time_does_not_make_us_hurry() {
    let mut world = World::new(settings(20, Some(20)), Some(0));
    world.run(seconds(2000));
    assert!(world.seen.len() <= 210, "{} requests in 2000 s", world.seen.len());
}

//= TR-069 G.2.1.2
#[test]
fn the_period_approaches_the_lifetime_and_stays_between_the_settings() {
    for (minimum, maximum, lifetime) in [
        (20, Some(600), 100),
        (20, None, 45),
        (30, Some(1000), 800),
        (10, Some(300), 10_000),
        (20, None, 7200),
    ] {
        let mut world = World::new(settings(minimum, maximum), Some(lifetime));
        world.run(seconds(100_000));
        let what = format!("{minimum}..{maximum:?}, lifetime {lifetime}");
        let ceiling = seconds(maximum.unwrap_or(3600)) - PATIENCE;
        let period = world.binding.search.holds;
        assert!(period < seconds(lifetime), "{what}: {period:?}");
        let near = seconds(lifetime).min(ceiling) * 4 / 5;
        assert!(period >= near, "{what}: {period:?} is far from {near:?}");
        let longest = world.gaps().into_iter().max().unwrap();
        assert!(longest <= seconds(maximum.unwrap_or(3600)), "{what}: {longest:?}");
        let before = world.told.len();
        let (count, from) = (world.seen.len(), world.seen.len());
        world.run(seconds(100_000));
        assert_eq!(world.told.len(), before, "{what}: once settled the binding stays");
        assert!(world.seen[from..].iter().all(|s| s.from == Port::Primary), "{what}: no more probes");
        let sent = world.seen.len() - count;
        assert!(sent as u64 <= 100_000 / period.as_secs() + 1, "{what}: {sent}");
    }
}

//= TR-069 G.2.1.2
#[test]
fn probes_come_from_the_second_port_and_ask_for_the_first() {
    let mut world = World::new(settings(20, Some(600)), Some(100));
    world.run(seconds(3000));
    let probes: Vec<_> = world.seen.iter().filter(|s| s.from == Port::Secondary).collect();
    assert!(!probes.is_empty());
    assert!(probes.iter().all(|p| p.to.is_some() && !p.marked && !p.changed));
    assert!(world.seen.iter().all(|s| (s.from == Port::Primary) == s.to.is_none()));
}

#[test]
fn a_server_that_ignores_where_to_answer_leaves_the_minimum() {
    let mut world = World::new(settings(20, Some(600)), Some(100));
    world.honours = false;
    world.run(seconds(1000));
    assert_eq!(world.seen.iter().filter(|s| s.from == Port::Secondary).count(), 1);
    assert!(world.gaps().iter().all(|g| *g == seconds(20)), "{:?}", world.gaps());
}

#[test]
fn a_lifetime_that_shrinks_is_searched_for_again() {
    let mut world = World::new(settings(20, Some(600)), Some(300));
    world.run(seconds(20_000));
    world.lifetime = Some(seconds(60));
    world.run(seconds(20_000));
    let before = world.told.len();
    world.run(seconds(20_000));
    assert_eq!(world.told.len(), before);
    assert!(world.binding.search.holds < seconds(60));
}

fn secured() -> Settings {
    Settings { username: "stun-user".into(), password: Secret::new("stun-pass"), ..settings(20, Some(20)) }
}

//= TR-069 G.2.1.1
#[test]
fn name_goes_always_and_signature_once_asked_in_the_form_the_server_takes() {
    for (takes, tries) in [(&b"stun-user   "[..], 2), (b"stun-user\0\0\0", 3), (b"stun-user", 4)] {
        let (mut rng, mut now) = (Rng::new([6; 32]), Instant::default());
        let mut binding = Binding::new(secured(), LOCAL.parse().unwrap(), now);
        let mut sent = Vec::new();
        for _ in 0..3 {
            now = now.max(binding.due().unwrap());
            binding.timer(now, &mut rng);
            while let Some(output) = binding.poll() {
                let Output::Send { from, octets, .. } = output else { continue };
                let seen = see(now, from, &octets);
                let good = seen.signed && seen.name.as_deref() == Some(takes);
                let answer = if good {
                    mapped(seen.transaction, LOCAL.parse().unwrap())
                } else {
                    reply(seen.transaction, 0x0111, 9, b"\0\0\x04\x01")
                };
                sent.push(seen);
                binding.datagram(now, Port::Primary, &answer, &mut rng);
            }
        }
        assert!(!sent[0].signed && sent[0].name.is_some());
        assert_eq!(sent.len(), tries + 2, "the form that works is kept");
        assert!(sent[tries - 1..].iter().all(|s| s.name.as_deref() == Some(takes)));
    }
}

//= TR-069 G.2.1.1
#[test]
fn refusals_are_answered_a_few_times_and_without_a_name_never() {
    for (settings, most) in [(secured(), 4), (settings(20, Some(20)), 1)] {
        let (mut rng, mut now) = (Rng::new([6; 32]), Instant::default());
        let mut binding = Binding::new(settings, LOCAL.parse().unwrap(), now);
        for round in 0..5 {
            now = now.max(binding.due().unwrap());
            binding.timer(now, &mut rng);
            let mut sent = 0;
            while let Some(output) = binding.poll() {
                let Output::Send { from, octets, .. } = output else { continue };
                sent += 1;
                let seen = see(now, from, &octets);
                assert!(!seen.signed || most > 1, "no signature without a name");
                let answer = reply(seen.transaction, 0x0111, 9, b"\0\0\x04\x01");
                binding.datagram(now, Port::Primary, &answer, &mut rng);
            }
            assert!(sent <= most, "round {round}: {sent}");
            assert_eq!(binding.due(), Some(now + seconds(20)));
        }
    }
}

#[test]
fn strangers_answers_are_ignored() {
    let (mut rng, now) = (Rng::new([6; 32]), Instant::default());
    let mut binding = Binding::new(settings(20, Some(20)), LOCAL.parse().unwrap(), now);
    binding.timer(now, &mut rng);
    while binding.poll().is_some() {}
    binding.datagram(now, Port::Primary, &mapped([7; 16], "198.51.100.9:1".parse().unwrap()), &mut rng);
    assert_eq!(binding.poll(), None);
    assert_eq!(binding.due(), Some(now + FIRST_WAIT));
}
