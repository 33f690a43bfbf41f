//! The server's side of HTTP Digest, for connection requests.
//!
//! A nonce carries its own time and seal, so that strangers asking for challenges cost no memory and cannot push out
//! the nonce of the ACS; only nonces that were answered correctly are remembered, until they expire.

use super::challenge::challenges;
use super::client::{Algorithm, Credentials, Exchange, response};
use super::{hex, hmac_sha256, same};
use crate::rng::Rng;
use crate::sorted::Map;
use crate::time::{Instant, Now};
use std::time::Duration;

/// How long a nonce may be used after it was made.
pub const NONCE_LIFE: Duration = Duration::from_secs(60);
/// Most nonces in use at a time; further ones are refused as stale until some expire.
pub const MAX_NONCES: usize = 128;
/// The realm of every challenge.
pub const REALM: &str = "cpeagent";

const MILLIS_DIGITS: usize = 16;
const SALT_DIGITS: usize = 16;
const SEAL_DIGITS: usize = 32;

/// What came of an `Authorization` value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The sender knows the password.
    Genuine,
    /// The password was right, or might have been, but the nonce cannot be used (again).
    Stale,
    /// Anything else.
    Wrong,
}

/// Makes challenges and checks the answers to them.
#[derive(Debug)]
pub struct Server {
    key: [u8; 32],
    /// Nonces answered correctly: when they expire and the highest count so far.
    used: Map<String, (Instant, u32)>,
}

impl Server {
    /// A server whose nonces nobody else can make.
    pub fn new(rng: &mut Rng) -> Server {
        Server { key: rng.bytes(), used: Map::new() }
    }

    /// A value for `WWW-Authenticate` with a new nonce.
    //= TR-069 3.2.2.2: the CPE asks for Digest, MD5 with qop auth, and never for Basic.
    pub fn challenge(&self, now: Now, stale: bool, rng: &mut Rng) -> String {
        let nonce = self.seal(&format!("{:016x}{}", now.at.0.as_millis(), rng.hex(SALT_DIGITS / 2)));
        let stale = if stale { ", stale=true" } else { "" };
        format!("Digest realm=\"{REALM}\", qop=\"auth\", nonce=\"{nonce}\", algorithm=MD5{stale}")
    }

    /// Judges the `Authorization` value of a request for `target` (the request target as received).
    ///
    /// Without a user name in `credentials` nothing is genuine.
    pub fn check(
        &mut self,
        now: Now,
        credentials: &Credentials,
        method: &str,
        target: &str,
        authorization: &str,
    ) -> Verdict {
        let mut values = challenges(authorization);
        let Some(sent) = values.pop().filter(|c| c.scheme == "digest" && values.is_empty()) else {
            return Verdict::Wrong;
        };
        let text = |name: &str| sent.parameter(name).unwrap_or_default();
        let (nonce, uri) = (text("nonce"), text("uri"));
        let count = match (sent.parameter("qop"), sent.parameter("nc")) {
            (None, _) => None,
            (Some("auth"), Some(nc)) if nc.len() == 8 => u32::from_str_radix(nc, 16).ok(),
            (Some(_), _) => return Verdict::Wrong,
        };
        let want = response(
            credentials,
            &Exchange {
                algorithm: Algorithm::Md5,
                realm: REALM,
                nonce,
                method,
                uri,
                cnonce: text("cnonce"),
                count: count.is_some().then(|| text("nc")),
            },
        );
        let known_name = same(text("username").as_bytes(), credentials.username.as_bytes());
        let known_word = same(text("response").to_ascii_lowercase().as_bytes(), want.as_bytes());
        let algorithm = sent.parameter("algorithm").is_none_or(|a| a.eq_ignore_ascii_case("MD5"));
        let genuine = known_name & known_word
            && algorithm
            && !credentials.username.is_empty()
            && text("realm") == REALM
            && (sent.parameter("qop").is_none() || (count.is_some() && !text("cnonce").is_empty()))
            && path(uri) == path(target);
        if !genuine {
            return Verdict::Wrong;
        }
        self.spend(now, nonce, count)
    }

    /// Counts one use of a nonce; a count not higher than the last one is a replay.
    fn spend(&mut self, now: Now, nonce: &str, count: Option<u32>) -> Verdict {
        self.used.retain(|_, (until, _)| *until > now.at);
        let Some(until) = self.expiry(nonce).filter(|until| *until > now.at) else {
            return Verdict::Stale;
        };
        // Without qop there is no count, and so such a nonce is good for one request.
        let count = count.unwrap_or(u32::MAX);
        let full = self.used.len() >= MAX_NONCES;
        match self.used.get_mut(nonce) {
            Some((_, last)) if count > *last => *last = count,
            Some(_) => return Verdict::Stale,
            None if full => return Verdict::Stale,
            None => {
                self.used.insert(nonce.to_owned(), (until, count));
            }
        }
        Verdict::Genuine
    }

    fn seal(&self, body: &str) -> String {
        let seal = hmac_sha256(&self.key, body.as_bytes());
        format!("{body}{}", hex(seal.get(..SEAL_DIGITS / 2).unwrap_or_default()))
    }

    /// When a nonce of ours expires; `None` for one that we did not make.
    fn expiry(&self, nonce: &str) -> Option<Instant> {
        let body = nonce.get(..MILLIS_DIGITS + SALT_DIGITS)?;
        if !same(self.seal(body).as_bytes(), nonce.as_bytes()) {
            return None;
        }
        let millis = u64::from_str_radix(body.get(..MILLIS_DIGITS)?, 16).ok()?;
        Some(Instant(Duration::from_millis(millis)) + NONCE_LIFE)
    }
}

/// The path of a request target, which may be an absolute URI, without its query.
pub fn path(target: &str) -> &str {
    let from_path = match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => {
            rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
        }
        Some(_) | None => target,
    };
    from_path.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::digest::client::{Authorizer, Basic};
    use crate::secret::Secret;

    fn at(seconds: u64) -> Now {
        Now { at: Instant(Duration::from_secs(seconds)), wall: None }
    }

    fn credentials() -> Credentials {
        Credentials { username: "acs".into(), password: Secret::new("word") }
    }

    fn signed(challenge: &str, who: Credentials, method: &str, uri: &str) -> Vec<String> {
        let mut client = Authorizer::new(who, Basic::Always);
        client.challenged(&[challenge], false).unwrap();
        let mut rng = Rng::new([9; 32]);
        (0..3).map(|_| client.authorize(method, uri, &mut rng).unwrap()).collect()
    }

    //= TR-069 3.2.2.2
    #[test]
    fn the_answer_to_a_challenge_is_genuine_once_per_count() {
        let mut rng = Rng::new([5; 32]);
        let mut server = Server::new(&mut rng);
        let challenge = server.challenge(at(100), false, &mut rng);
        let sent = signed(&challenge, credentials(), "GET", "/cr");
        let mut check = |seconds, text: &str| server.check(at(seconds), &credentials(), "GET", "/cr", text);
        assert_eq!(check(101, &sent[0]), Verdict::Genuine);
        assert_eq!(check(101, &sent[0]), Verdict::Stale, "a replay");
        assert_eq!(check(102, &sent[2]), Verdict::Genuine);
        assert_eq!(check(102, &sent[1]), Verdict::Stale, "a lower count after a higher one");
        let late = signed(&challenge, credentials(), "GET", "/cr?x");
        assert_eq!(check(100 + 60, &late[2]), Verdict::Stale, "the nonce has expired");
    }

    #[test]
    fn a_client_of_the_old_form_may_use_a_nonce_once() {
        let mut rng = Rng::new([5; 32]);
        let mut server = Server::new(&mut rng);
        let challenge = server.challenge(at(1), false, &mut rng).replace("qop=\"auth\", ", "");
        let sent = signed(&challenge, credentials(), "GET", "/cr");
        assert_eq!(server.check(at(1), &credentials(), "GET", "/cr", &sent[0]), Verdict::Genuine);
        assert_eq!(server.check(at(1), &credentials(), "GET", "/cr", &sent[1]), Verdict::Stale);
    }

    #[test]
    fn nothing_else_is_genuine() {
        let mut rng = Rng::new([5; 32]);
        let mut server = Server::new(&mut rng);
        let challenge = server.challenge(at(1), false, &mut rng);
        let stranger = Credentials { username: "acs".into(), password: Secret::new("guess") };
        let other = Credentials { username: "other".into(), password: Secret::new("word") };
        let good = signed(&challenge, credentials(), "GET", "/cr").remove(0);
        let foreign = Server::new(&mut rng).challenge(at(1), false, &mut rng);
        for (sent, want) in [
            (signed(&challenge, stranger, "GET", "/cr").remove(0), Verdict::Wrong),
            (signed(&challenge, other, "GET", "/cr").remove(0), Verdict::Wrong),
            (signed(&challenge, credentials(), "POST", "/cr").remove(0), Verdict::Wrong),
            (signed(&challenge, credentials(), "GET", "/other").remove(0), Verdict::Wrong),
            (signed(&foreign, credentials(), "GET", "/cr").remove(0), Verdict::Stale),
            (good.replace("qop=auth", "qop=auth-int"), Verdict::Wrong),
            (good.replace("nc=00000001", "nc=1"), Verdict::Wrong),
            (good.replace("nc=00000001", "nc=zzzzzzzz"), Verdict::Wrong),
            (good.replace("algorithm=MD5", "algorithm=SHA-256"), Verdict::Wrong),
            (good.replace("realm=\"cpeagent\"", "realm=\"\""), Verdict::Wrong),
            ("Basic YWNzOndvcmQ=".to_owned(), Verdict::Wrong),
            (format!("{good}, Basic YWNzOndvcmQ="), Verdict::Wrong),
            (String::new(), Verdict::Wrong),
        ] {
            assert_eq!(server.check(at(1), &credentials(), "GET", "/cr", &sent), want, "{sent}");
        }
        let nobody = Credentials::default();
        let blank = signed(&challenge, credentials(), "GET", "/cr").remove(0).replace("\"acs\"", "\"\"");
        assert_eq!(server.check(at(1), &nobody, "GET", "/cr", &blank), Verdict::Wrong);
        let upper = good.replace("response=\"", "response=\"X").to_ascii_lowercase();
        assert_eq!(server.check(at(1), &credentials(), "GET", "/cr", &upper), Verdict::Wrong);
    }

    #[test]
    fn the_table_of_used_nonces_is_bounded_and_challenges_cost_nothing() {
        let mut rng = Rng::new([5; 32]);
        let mut server = Server::new(&mut rng);
        let mut verdicts = Vec::new();
        for _ in 0..MAX_NONCES + 5 {
            let challenge = server.challenge(at(1), false, &mut rng);
            let sent = signed(&challenge, credentials(), "GET", "/cr").remove(0);
            verdicts.push(server.check(at(1), &credentials(), "GET", "/cr", &sent));
        }
        assert_eq!(verdicts.iter().filter(|v| **v == Verdict::Genuine).count(), MAX_NONCES);
        assert_eq!(server.used.len(), MAX_NONCES);
        let challenge = server.challenge(at(62), false, &mut rng);
        let sent = signed(&challenge, credentials(), "GET", "/cr").remove(0);
        assert_eq!(server.check(at(62), &credentials(), "GET", "/cr", &sent), Verdict::Genuine);
        assert_eq!(server.used.len(), 1);
    }

    #[test]
    fn the_path_is_compared_without_origin_and_query() {
        for (target, want) in [
            ("/cr", "/cr"),
            ("/cr?a=b", "/cr"),
            ("http://host:7547/cr?x", "/cr"),
            ("http://host", "/"),
            ("/a?u=http://x/y", "/a"),
        ] {
            assert_eq!(path(target), want);
        }
    }
}
