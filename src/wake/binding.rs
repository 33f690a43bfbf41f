//! The address under which UDP connection requests reach us: found by STUN, kept alive, and told when it changes.
//!
//! A state machine: datagrams and times in, datagrams and addresses out. How long the NAT keeps the binding is searched
//! for between the two configured periods, with requests from a second port whose answers are asked to the first.
//! Sockets, names and the choice of the local address are `io::stun`'s; UDP connection requests are `udp`'s.

use super::stun::{self, Form, Outcome, Transaction};
use crate::rng::Rng;
use crate::secret::Secret;
use crate::time::Instant;
use std::collections::VecDeque;
use std::net::SocketAddrV4;
use std::time::Duration;

/// Sends of one request.
//= RFC 3489 9.3: nine sends, 100 ms apart at first, twice as long each time up to 1.6 s, and 1.6 s after the last.
pub const SENDS: u32 = 9;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LAST_WAIT: Duration = Duration::from_millis(1600);
/// From the first send to the end of the wait after the last: 0.1 + 0.2 + 0.4 + 0.8 + 5 * 1.6 seconds.
pub const PATIENCE: Duration = Duration::from_millis(9500);
/// The longest period, where the settings name none.
pub const LONGEST: Duration = Duration::from_secs(3600);
/// The search ends when what is known to hold and what is known to be too long differ by less than this, or by an
/// eighth.
const FINE: Duration = Duration::from_secs(2);
/// Most outputs waiting to be taken.
const MAX_OUT: usize = 16;

/// What STUN is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The server; `None` when STUN is disabled.
    pub server: Option<SocketAddrV4>,
    /// STUNUsername.
    pub username: String,
    /// STUNPassword.
    pub password: Secret,
    /// STUNMinimumKeepAlivePeriod; less than a second counts as one.
    pub minimum: Duration,
    /// STUNMaximumKeepAlivePeriod; `None` for -1.
    pub maximum: Option<Duration>,
}

/// One of our two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// The one that hears UDP connection requests; it never changes.
    Primary,
    /// The one that only asks whether the first one's binding still lives.
    Secondary,
}

/// Where UDP connection requests reach us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// NATDetected.
    pub nat_detected: bool,
    /// UDPConnectionRequestAddress: `host:port`, or the host alone for port 80.
    pub authority: String,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A datagram is to be sent.
    Send {
        /// From this socket.
        from: Port,
        /// To the server.
        to: SocketAddrV4,
        /// These octets.
        octets: Vec<u8>,
    },
    /// The address was found, or has changed.
    Address(Address),
}

#[derive(Clone, Debug)]
struct Asked {
    transaction: Transaction,
    /// Whether it asks for the lifetime, from the second port.
    probe: bool,
    /// Whether it tells the server of a change.
    changed: bool,
    octets: Vec<u8>,
    sends: u32,
    next: Instant,
}

/// What is known of the binding's lifetime.
#[derive(Clone, Copy, Debug)]
struct Search {
    /// A silence it has survived; the smallest period, by the operator's word, to begin with.
    holds: Duration,
    /// A silence it has not survived.
    breaks: Option<Duration>,
    /// Whether the server answers where it is asked to; `None` before the first try.
    works: Option<bool>,
}

/// Finds and keeps one binding.
#[derive(Debug)]
pub struct Binding {
    settings: Settings,
    local: SocketAddrV4,
    asked: Option<Asked>,
    /// When the next request is due, while none is under way.
    next: Option<Instant>,
    /// When the primary port last sent something new.
    refreshed: Instant,
    mapped: Option<SocketAddrV4>,
    told: Option<Address>,
    /// Whether the server has still to be told of a change.
    change: bool,
    search: Search,
    /// The form of name and signature, once the server has asked for them.
    signed: Option<Form>,
    refusals: usize,
    out: VecDeque<Output>,
}

impl Binding {
    /// A binding for the socket at `local`, the address that packets to the server leave from. Asks at once.
    pub fn new(settings: Settings, local: SocketAddrV4, now: Instant) -> Binding {
        let minimum = settings.minimum.max(Duration::from_secs(1));
        let maximum = settings.maximum.map(|m| m.max(minimum));
        let mut binding = Binding {
            settings: Settings { minimum, maximum, ..settings },
            local,
            asked: None,
            next: None,
            refreshed: now,
            mapped: None,
            told: None,
            change: false,
            search: Search { holds: minimum, breaks: None, works: None },
            signed: None,
            refusals: 0,
            out: VecDeque::new(),
        };
        if binding.settings.server.is_some() {
            binding.next = Some(now);
        } else {
            //= TR-069 G.2.1.2: without STUN the address is the local one, and no NAT is known of.
            binding.tell(local);
        }
        binding
    }

    /// When [`Binding::timer`] is to be called next.
    pub fn due(&self) -> Option<Instant> {
        self.asked.as_ref().map(|asked| asked.next).or(self.next)
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// Says that the time has come which [`Binding::due`] named; harmless before.
    pub fn timer(&mut self, now: Instant, rng: &mut Rng) {
        if self.due().is_none_or(|due| due > now) {
            return;
        }
        let Some(mut asked) = self.asked.take() else {
            self.next = None;
            let probe = self.wants_probe(now);
            self.ask(now, probe, rng);
            return;
        };
        if asked.sends < SENDS {
            self.send(&mut asked, now);
            self.asked = Some(asked);
        } else {
            self.unanswered(now, &asked, rng);
        }
    }

    /// Takes a datagram that arrived at one of the sockets; what is not an answer to the present request is ignored.
    pub fn datagram(&mut self, now: Instant, at: Port, octets: &[u8], rng: &mut Rng) {
        let Some((transaction, outcome)) = stun::answer(octets) else { return };
        let Some(asked) = self.asked.take_if(|asked| asked.transaction == transaction) else { return };
        match outcome {
            Outcome::Mapped(_) if asked.probe => {
                self.refusals = 0;
                self.probed(now, now.since(self.refreshed), at == Port::Primary, rng);
            }
            Outcome::Mapped(mapped) => {
                self.refusals = 0;
                self.bound(now, mapped, asked.changed, rng);
            }
            Outcome::Error(code) => self.refused(now, &asked, code, rng),
        }
    }

    fn bound(&mut self, now: Instant, mapped: SocketAddrV4, told_change: bool, rng: &mut Rng) {
        if told_change {
            self.change = false;
        }
        let before = self.mapped.replace(mapped);
        self.tell(mapped);
        if before.is_some_and(|before| before != mapped) {
            self.change = true;
            if self.search.works == Some(true) && self.settled() {
                // What was found to hold does so no more: search again below it.
                self.search.breaks = Some(self.search.holds);
                self.search.holds = self.settings.minimum;
            }
            //= TR-069 G.2.1.3: a changed binding is told to the server at once.
            // Once: a server that sees another address every time must not make us ask without a pause.
            if !told_change {
                self.ask(now, false, rng);
                return;
            }
        }
        self.plan(now, rng);
    }

    /// Takes the answer to a probe after a silence of `silence`.
    fn probed(&mut self, now: Instant, silence: Duration, at_primary: bool, rng: &mut Rng) {
        if !at_primary {
            // The server ignores where answers are asked to, so nothing can be learnt.
            self.search.works = Some(false);
        } else if self.search.works.is_none() {
            self.search.works = Some(true);
        } else {
            self.search.holds = self.search.holds.max(silence);
            self.ask(now, false, rng);
            return;
        }
        self.plan(now, rng);
    }

    fn unanswered(&mut self, now: Instant, asked: &Asked, rng: &mut Rng) {
        if !asked.probe {
            if self.told.is_none() {
                self.tell(self.local);
            }
            self.next = Some(now + self.settings.minimum);
            return;
        }
        if self.search.works.is_none() {
            self.search.works = Some(false);
            self.plan(now, rng);
            return;
        }
        self.search.breaks = Some(now.since(self.refreshed).saturating_sub(PATIENCE).max(self.search.holds));
        self.ask(now, false, rng);
    }

    fn refused(&mut self, now: Instant, asked: &Asked, code: u16, rng: &mut Rng) {
        let wants_name = matches!(code, 401 | 430 | 431 | 432) && !self.settings.username.is_empty();
        self.refusals += 1;
        if !wants_name || self.refusals > Form::ALL.len() {
            self.refusals = 0;
            self.next = Some(now + self.settings.minimum);
            return;
        }
        //= TR-069 G.2.1.1: name and signature are sent once the server has asked by an error 401.
        // Refused again, the name is written another way: servers differ in how it is filled up.
        self.signed = Some(match self.signed {
            None => Form::default(),
            Some(Form::Spaces) => Form::Zeros,
            Some(Form::Zeros) => Form::Outside,
            Some(Form::Outside) => Form::Spaces,
        });
        self.ask(now, asked.probe, rng);
    }

    /// Sets when the next request goes out, or sends it: after a binding was confirmed.
    fn plan(&mut self, now: Instant, rng: &mut Rng) {
        if self.searchable() && self.search.works.is_none() {
            self.ask(now, true, rng);
            return;
        }
        let silence = self.candidate().unwrap_or(self.search.holds);
        self.next = Some(self.refreshed + silence).max(Some(now));
    }

    /// Whether the request due at `now` is one about the lifetime.
    fn wants_probe(&self, now: Instant) -> bool {
        self.mapped.is_some()
            && self.search.works == Some(true)
            && self.candidate().is_some_and(|silence| now.since(self.refreshed) >= silence)
    }

    /// Whether there is a NAT, and room between the periods to wait for an answer that may not come.
    fn searchable(&self) -> bool {
        let nat = self.mapped.is_some_and(|mapped| mapped != self.local);
        nat && self.settings.minimum < self.ceiling()
    }

    /// The longest silence that may be tried: an unanswered probe takes its time, and the maximum still holds.
    //= TR-069 G.2.1.2: requests keep the binding alive between the minimum and the maximum period.
    fn ceiling(&self) -> Duration {
        self.settings.maximum.unwrap_or(LONGEST).min(LONGEST).saturating_sub(PATIENCE)
    }

    fn settled(&self) -> bool {
        let Search { holds, breaks, .. } = self.search;
        holds >= self.ceiling()
            || breaks.is_some_and(|breaks| breaks.saturating_sub(holds) <= FINE.max(holds / 8))
    }

    /// The silence to try next; `None` when nothing is to be learnt.
    fn candidate(&self) -> Option<Duration> {
        if !self.searchable() || self.search.works != Some(true) || self.settled() {
            return None;
        }
        let Search { holds, breaks, .. } = self.search;
        Some(match breaks {
            None => (holds * 2).min(self.ceiling()),
            Some(breaks) => holds + breaks.saturating_sub(holds) / 2,
        })
    }

    fn ask(&mut self, now: Instant, probe: bool, rng: &mut Rng) {
        let random = rng.bytes();
        let transaction: Transaction = random.first_chunk().copied().unwrap_or_default();
        let changed = self.change && !probe;
        let request = stun::Request {
            transaction,
            response_address: self.mapped.filter(|_| probe),
            marked: !probe,
            changed,
            username: &self.settings.username,
            password: self.signed.map(|_| self.settings.password.reveal()),
            form: self.signed.unwrap_or_default(),
        };
        let octets = request.octets();
        let mut asked = Asked { transaction, probe, changed, octets, sends: 0, next: now };
        if !probe {
            self.refreshed = now;
        }
        self.next = None;
        self.send(&mut asked, now);
        self.asked = Some(asked);
    }

    fn send(&mut self, asked: &mut Asked, now: Instant) {
        let wait = FIRST_WAIT.saturating_mul(1 << asked.sends.min(8)).min(LAST_WAIT);
        asked.sends += 1;
        asked.next = now + wait;
        if let Some(to) = self.settings.server {
            let from = if asked.probe { Port::Secondary } else { Port::Primary };
            self.push(Output::Send { from, to, octets: asked.octets.clone() });
        }
    }

    //= TR-069 G.2.1.3: a mapped address that is not the local one means a NAT.
    fn tell(&mut self, mapped: SocketAddrV4) {
        let authority = if mapped.port() == 80 { mapped.ip().to_string() } else { mapped.to_string() };
        let address = Address { nat_detected: mapped != self.local, authority };
        if self.told.as_ref() != Some(&address) {
            self.told = Some(address.clone());
            self.push(Output::Address(address));
        }
    }

    fn push(&mut self, output: Output) {
        if self.out.len() == MAX_OUT {
            self.out.pop_front();
        }
        self.out.push_back(output);
    }
}

#[doc(hidden)]
/// Feeds arbitrary octets to a binding that waits for an answer.
pub fn exercise(octets: &[u8]) {
    let (mut rng, now) = (Rng::new([1; 32]), Instant::default());
    let server = Some(SocketAddrV4::new([192, 0, 2, 1].into(), 3478));
    let settings = Settings { server, minimum: Duration::from_secs(20), ..Settings::default() };
    let mut binding = Binding::new(settings, SocketAddrV4::new([10, 0, 0, 1].into(), 7547), now);
    binding.timer(now, &mut rng);
    binding.datagram(now, Port::Primary, octets, &mut rng);
    // Once more as the answer it may have wanted to be.
    if let Some(Output::Send { octets: sent, .. }) = binding.poll() {
        let mut answer = octets.to_vec();
        for (place, octet) in answer.iter_mut().zip(sent).skip(4).take(16) {
            *place = octet;
        }
        binding.datagram(now, Port::Primary, &answer, &mut rng);
    }
    assert!(binding.due().is_some(), "it goes on asking");
}

#[cfg(test)]
mod tests;
