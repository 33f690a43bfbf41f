//! HTTP connection requests: what each is answered, and whether it starts a session.
//!
//! Owns nonces and rate limits. Does not parse HTTP and holds no socket (`io::listener` does both); does not start
//! sessions: an [`Answer`] with `wake` set tells `agent` to, once the answer has left.

use crate::digest::client::Credentials;
use crate::digest::same;
use crate::digest::server::{Server, Verdict, path};
use crate::rng::Rng;
use crate::sorted::Map;
use crate::time::{Instant, Now};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Genuine requests accepted in a row before the limit bites.
pub const ACCEPTED_BURST: u32 = 20;
/// One more genuine request is accepted each time this has passed.
pub const ACCEPTED_EVERY: Duration = Duration::from_millis(500);
/// Wrong credentials one source may present in a row.
pub const WRONG_BURST: u32 = 10;
/// One more wrong attempt is heard each time this has passed.
pub const WRONG_EVERY: Duration = Duration::from_secs(3);
/// Most sources of wrong attempts remembered; beyond, the one that has tried least recently is forgotten.
pub const MAX_SOURCES: usize = 64;

/// What to do with a genuine request during a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InSession {
    /// Accept it; one session follows the present one.
    #[default]
    Afterwards,
    /// Refuse it with 503.
    Refuse,
}

/// The settings of connection requests.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Whether they are heard at all: CWMP and HTTP connection requests both enabled.
    pub enabled: bool,
    /// The path of ConnectionRequestURL, beginning with `/`.
    pub path: String,
    /// ConnectionRequestUsername and ConnectionRequestPassword; without a name nobody is let in.
    pub credentials: Credentials,
    /// What happens during a session.
    pub in_session: InSession,
}

/// The parts of a request that count.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Who sent it.
    pub source: IpAddr,
    /// Its method.
    pub method: &'a str,
    /// Its target.
    pub target: &'a str,
    /// Its `Authorization` field, if it has exactly one.
    pub authorization: Option<&'a str>,
}

/// The answer to a request; its body is always empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// A further field and its value.
    pub field: Option<(&'static str, String)>,
    /// Whether a session is to start, after this answer has left.
    pub wake: bool,
}

impl Answer {
    /// An answer of that status that starts nothing.
    pub const fn refusal(status: u16) -> Answer {
        Answer { status, field: None, wake: false }
    }

    /// The whole answer as sent; the connection ends with it.
    pub fn octets(&self) -> Vec<u8> {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            401 => "Unauthorized",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            _ => "Service Unavailable",
        };
        let field =
            self.field.as_ref().map(|(name, value)| format!("{name}: {value}\r\n")).unwrap_or_default();
        format!("HTTP/1.1 {} {reason}\r\n{field}Content-Length: 0\r\nConnection: close\r\n\r\n", self.status)
            .into_bytes()
    }
}

/// A limit on how often something happens: `burst` in a row, then one per `every`.
#[derive(Clone, Copy, Debug, Default)]
struct Limit {
    /// When all of the burst would be free again.
    free_at: Instant,
}

impl Limit {
    fn allows(&self, now: Instant, burst: u32, every: Duration) -> bool {
        self.free_at.since(now) <= every * burst.saturating_sub(1)
    }

    fn count(&mut self, now: Instant, every: Duration) {
        self.free_at = self.free_at.max(now) + every;
    }
}

/// Judges connection requests.
#[derive(Debug)]
pub struct Door {
    server: Server,
    accepted: Limit,
    wrong: Map<IpAddr, Limit>,
}

impl Door {
    /// A door with nonces of its own.
    pub fn new(rng: &mut Rng) -> Door {
        Door { server: Server::new(rng), accepted: Limit::default(), wrong: Map::new() }
    }

    /// Answers one request; `in_session` says whether a session is under way or being set up.
    pub fn ask(&mut self, now: Now, rules: &Rules, in_session: bool, ask: &Ask, rng: &mut Rng) -> Answer {
        if !rules.enabled {
            return Answer::refusal(503);
        }
        // Another path is unknown before any credentials are looked at.
        if !same(path(ask.target).as_bytes(), rules.path.as_bytes()) {
            return Answer::refusal(404);
        }
        //= TR-069 3.2.2.2: a connection request is a GET.
        if ask.method != "GET" {
            return Answer { field: Some(("Allow", "GET".into())), ..Answer::refusal(405) };
        }
        let verdict = match ask.authorization {
            None => Verdict::Stale,
            Some(_) if self.tried_too_often(now.at, ask.source) => return Answer::refusal(503),
            Some(sent) => self.server.check(now, &rules.credentials, ask.method, ask.target, sent),
        };
        //= TR-069 3.2.2.2: without the right credentials the answer is 401, and no session follows.
        if verdict != Verdict::Genuine {
            let stale = verdict == Verdict::Stale && ask.authorization.is_some();
            if verdict == Verdict::Wrong {
                self.count_wrong(now.at, ask.source);
            }
            let challenge = self.server.challenge(now, stale, rng);
            return Answer { field: Some(("WWW-Authenticate", challenge)), ..Answer::refusal(401) };
        }
        //= TR-069 3.2.2.2: what exceeds the rate limit gets 503 without Retry-After, and starts nothing.
        if !self.accepted.allows(now.at, ACCEPTED_BURST, ACCEPTED_EVERY) {
            return Answer::refusal(503);
        }
        //= TR-069 3.2.2.2: during a session either 503, or success and one session right after it.
        if in_session && rules.in_session == InSession::Refuse {
            return Answer::refusal(503);
        }
        self.accepted.count(now.at, ACCEPTED_EVERY);
        Answer { status: 200, field: None, wake: true }
    }

    fn tried_too_often(&self, now: Instant, source: IpAddr) -> bool {
        self.wrong.get(&network(source)).is_some_and(|limit| !limit.allows(now, WRONG_BURST, WRONG_EVERY))
    }

    fn count_wrong(&mut self, now: Instant, source: IpAddr) {
        let source = network(source);
        if self.wrong.len() >= MAX_SOURCES && !self.wrong.contains_key(&source) {
            self.wrong.retain(|_, limit| limit.free_at > now);
            if self.wrong.len() >= MAX_SOURCES
                && let Some(least) = self.wrong.iter().min_by_key(|(_, l)| l.free_at).map(|(s, _)| *s)
            {
                self.wrong.remove(&least);
            }
        }
        self.wrong.entry(source).or_default().count(now, WRONG_EVERY);
    }
}

/// What one guesser controls: an IPv4 address, or a /64 of IPv6.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::digest::client::{Authorizer, Basic};
    use crate::secret::Secret;

    fn at(millis: u64) -> Now {
        Now { at: Instant(Duration::from_millis(millis)), wall: None }
    }

    fn rules() -> Rules {
        Rules {
            enabled: true,
            path: "/a1b2c3".into(),
            credentials: Credentials { username: "acs".into(), password: Secret::new("word") },
            in_session: InSession::Afterwards,
        }
    }

    struct Caller {
        door: Door,
        rng: Rng,
        rules: Rules,
        in_session: bool,
    }

    impl Caller {
        fn new() -> Caller {
            let mut rng = Rng::new([4; 32]);
            Caller { door: Door::new(&mut rng), rng, rules: rules(), in_session: false }
        }

        fn ask(&mut self, now: Now, source: &str, method: &str, target: &str, auth: Option<&str>) -> Answer {
            let ask = Ask { source: source.parse().unwrap(), method, target, authorization: auth };
            self.door.ask(now, &self.rules, self.in_session, &ask, &mut self.rng)
        }

        /// Both requests of a caller who knows `password`.
        fn call(&mut self, now: Now, source: &str, password: &str) -> Answer {
            let first = self.ask(now, source, "GET", "/a1b2c3", None);
            let Some(("WWW-Authenticate", challenge)) = first.field else { return first };
            let credentials = Credentials { username: "acs".into(), password: Secret::new(password) };
            let mut client = Authorizer::new(credentials, Basic::Always);
            client.challenged(&[&challenge], false).unwrap();
            let sent = client.authorize("GET", "/a1b2c3", &mut Rng::new([8; 32])).unwrap();
            self.ask(now, source, "GET", "/a1b2c3", Some(&sent))
        }
    }

    //= TR-069 3.2.2.2
    #[test]
    fn a_genuine_request_is_answered_200_and_wakes() {
        let mut caller = Caller::new();
        let first = caller.ask(at(0), "192.0.2.1", "GET", "/a1b2c3", None);
        assert_eq!((first.status, first.wake), (401, false));
        let (name, challenge) = first.field.unwrap();
        assert_eq!(name, "WWW-Authenticate");
        assert!(challenge.starts_with("Digest ") && challenge.contains("qop=\"auth\""), "{challenge}");
        let answer = caller.call(at(0), "192.0.2.1", "word");
        assert_eq!((answer.status, answer.wake), (200, true));
        let text = String::from_utf8(answer.octets()).unwrap();
        assert_eq!(text, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }

    //= TR-069 3.2.2.2
    #[test]
    fn everything_else_is_refused_and_wakes_nobody() {
        for (method, target, auth, status) in [
            ("GET", "/a1b2c3", None, 401),
            ("GET", "/a1b2c3", Some("Basic YWNzOndvcmQ="), 401),
            ("GET", "/a1b2c3?x=1", Some("Digest nonce=x"), 401),
            ("GET", "http://cpe:7547/a1b2c3", None, 401),
            ("GET", "/", None, 404),
            ("GET", "/A1B2C3", None, 404),
            ("GET", "/a1b2c3/", None, 404),
            ("GET", "*", None, 404),
            ("POST", "/a1b2c3", None, 405),
            ("get", "/a1b2c3", None, 405),
        ] {
            let answer = Caller::new().ask(at(0), "192.0.2.1", method, target, auth);
            assert_eq!((answer.status, answer.wake), (status, false), "{method} {target} {auth:?}");
        }
        assert_eq!(Caller::new().call(at(0), "192.0.2.1", "guess").status, 401);
        let mut closed = Caller::new();
        closed.rules.enabled = false;
        assert_eq!(closed.call(at(0), "192.0.2.1", "word").status, 503);
        let mut nobody = Caller::new();
        nobody.rules.credentials = Credentials::default();
        assert_eq!(nobody.call(at(0), "192.0.2.1", "").status, 401);
    }

    //= TR-069 3.2.2.2
    #[test]
    fn a_flood_of_genuine_requests_is_limited_and_the_limit_passes() {
        let mut caller = Caller::new();
        let mut codes = Vec::new();
        for _ in 0..40 {
            let answer = caller.call(at(0), "192.0.2.1", "word");
            assert_eq!(answer.field.is_some(), answer.status == 401, "503 comes without Retry-After");
            codes.push(answer.status);
        }
        assert!(codes[..ACCEPTED_BURST as usize].iter().all(|c| *c == 200));
        assert!(codes[ACCEPTED_BURST as usize..].iter().all(|c| *c == 503));
        assert_eq!(caller.call(at(501), "192.0.2.1", "word").status, 200);
        assert_eq!(caller.call(at(502), "192.0.2.1", "word").status, 503);
    }

    #[test]
    fn a_guesser_is_shut_out_for_a_while_and_nobody_else() {
        let mut caller = Caller::new();
        for n in 0..WRONG_BURST {
            assert_eq!(caller.call(at(0), "2001:db8::1", "guess").status, 401, "{n}");
        }
        assert_eq!(caller.call(at(0), "2001:db8::2", "guess").status, 503, "the same network");
        assert_eq!(caller.call(at(0), "192.0.2.1", "word").status, 200, "another one");
        assert_eq!(caller.call(at(3_001), "2001:db8::2", "word").status, 200);
        for n in 0..2_000u32 {
            caller.call(at(4_000), &format!("10.0.{}.{}", n / 250, n % 250), "guess");
        }
        assert!(caller.door.wrong.len() <= MAX_SOURCES);
    }

    //= TR-069 3.2.2.2
    #[test]
    fn during_a_session_a_request_is_kept_for_afterwards_or_refused() {
        for (policy, status) in [(InSession::Afterwards, 200), (InSession::Refuse, 503)] {
            let mut caller = Caller::new();
            caller.rules.in_session = policy;
            caller.in_session = true;
            let answer = caller.call(at(0), "192.0.2.1", "word");
            assert_eq!((answer.status, answer.wake), (status, status == 200));
        }
    }
}
