//! The client's side of HTTP Basic and Digest: chooses a challenge, makes `Authorization` values.
//!
//! Holds the state of one server (nonce and its count). Does not decide where credentials may be sent:
//! `io::http::client` keeps one [`Authorizer`] per origin.

use super::challenge::{Challenge, challenges, quote};
use super::{base64, hex, md5, sha256};
use crate::rng::Rng;
use crate::secret::Secret;

/// A user name and its password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The name, sent in clear.
    pub username: String,
    /// The password, sent in clear with Basic only.
    pub password: Secret,
}

/// When a Basic challenge may be answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Basic {
    /// Whenever the server asks, over plain HTTP too.
    //= TR-069 3.4.4: the CPE has to support Basic and Digest; the ACS picks by its challenge.
    #[default]
    Always,
    /// Under TLS only; over plain HTTP a Basic challenge is refused.
    TlsOnly,
}

/// The hash of a Digest exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `MD5`, and what a challenge without the parameter means.
    Md5,
    /// `MD5-sess`: the hash of the password is bound to nonce and cnonce.
    Md5Sess,
    /// `SHA-256`.
    Sha256,
    /// `SHA-256-sess`.
    Sha256Sess,
}

impl Algorithm {
    /// The algorithm of that name, in any case; `None` for one that is not supported.
    pub fn named(name: &str) -> Option<Algorithm> {
        [Algorithm::Md5, Algorithm::Md5Sess, Algorithm::Sha256, Algorithm::Sha256Sess]
            .into_iter()
            .find(|a| a.name().eq_ignore_ascii_case(name))
    }

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Md5Sess => "MD5-sess",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha256Sess => "SHA-256-sess",
        }
    }

    fn hash(self, parts: &[&str]) -> String {
        let joined = parts.join(":");
        match self {
            Algorithm::Md5 | Algorithm::Md5Sess => hex(&md5(&[joined.as_bytes()])),
            Algorithm::Sha256 | Algorithm::Sha256Sess => hex(&sha256(&[joined.as_bytes()])),
        }
    }

    const fn strength(self) -> u8 {
        match self {
            Algorithm::Md5 | Algorithm::Md5Sess => 1,
            Algorithm::Sha256 | Algorithm::Sha256Sess => 2,
        }
    }
}

/// What a digest response is made of.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The hash.
    pub algorithm: Algorithm,
    /// The server's realm, unquoted.
    pub realm: &'a str,
    /// The server's nonce.
    pub nonce: &'a str,
    /// The request's method.
    pub method: &'a str,
    /// The `uri` parameter.
    pub uri: &'a str,
    /// The client's nonce; needed by qop and by the `-sess` algorithms.
    pub cnonce: &'a str,
    /// `nc` as eight hex digits where `qop=auth` is used, `None` for the form of RFC 2069.
    pub count: Option<&'a str>,
}

/// The value of `response`, in lower-case hex.
//= RFC 2617 3.2.2.1, RFC 7616 3.4.1: hash of secret, nonce, (count, cnonce, qop,) and hash of method and URI.
pub fn response(credentials: &Credentials, of: &Exchange) -> String {
    let hash = |parts: &[&str]| of.algorithm.hash(parts);
    let mut secret = hash(&[&credentials.username, of.realm, credentials.password.reveal()]);
    if matches!(of.algorithm, Algorithm::Md5Sess | Algorithm::Sha256Sess) {
        secret = hash(&[&secret, of.nonce, of.cnonce]);
    }
    let request = hash(&[of.method, of.uri]);
    match of.count {
        Some(count) => hash(&[&secret, of.nonce, count, of.cnonce, "auth", &request]),
        None => hash(&[&secret, of.nonce, &request]),
    }
}

/// Why a 401 cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The server asks, and there is no user name to answer with.
    NoCredentials,
    /// The server refused the credentials just sent.
    WrongCredentials,
    /// No challenge of a supported scheme, algorithm and qop.
    NothingUsable,
    /// Only Basic is offered over plain HTTP, and the setting forbids it.
    BasicInClear,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Refused::NoCredentials => "the server asks for a user name and password, and none is set",
            Refused::WrongCredentials => "the server refuses the user name or the password",
            Refused::NothingUsable => "the server asks for a kind of authentication that is not supported",
            Refused::BasicInClear => {
                "the server asks for the password in clear over plain HTTP, and the settings forbid that"
            }
        })
    }
}

#[derive(Clone, Debug)]
enum Chosen {
    Basic,
    Digest {
        algorithm: Algorithm,
        named: bool,
        realm: String,
        nonce: String,
        opaque: Option<String>,
        qop: bool,
        uses: u32,
        session_cnonce: Option<String>,
    },
}

/// Most 401 answers that one exchange may take: the challenge, one more for a nonce that went stale.
pub const MAX_CHALLENGED: u8 = 3;

/// The credentials for one origin and what its server last asked for.
#[derive(Clone, Debug)]
pub struct Authorizer {
    credentials: Credentials,
    basic: Basic,
    chosen: Option<Chosen>,
    challenged: u8,
}

impl Authorizer {
    /// Nothing is sent until the server asks.
    pub fn new(credentials: Credentials, basic: Basic) -> Authorizer {
        Authorizer { credentials, basic, chosen: None, challenged: 0 }
    }

    /// Says that a new request begins: its first 401 is a challenge, a second one a refusal.
    pub fn begin(&mut self) {
        self.challenged = 0;
    }

    /// Takes the `WWW-Authenticate` values of a 401; after `Ok` the same request is worth sending again.
    ///
    /// `tls` says whether the request went over TLS. The strongest challenge wins: SHA-256, MD5, Basic;
    /// the first of equals.
    pub fn challenged(&mut self, values: &[&str], tls: bool) -> Result<(), Refused> {
        if self.credentials.username.is_empty() {
            return Err(Refused::NoCredentials);
        }
        let offered: Vec<Challenge> = values.iter().flat_map(|value| challenges(value)).collect();
        let mut best: Option<(u8, &Challenge)> = None;
        let mut basic_in_clear = false;
        for challenge in &offered {
            let strength = match challenge.scheme.as_str() {
                "digest" => digest_strength(challenge),
                "basic" if tls || self.basic == Basic::Always => Some(0),
                "basic" => {
                    basic_in_clear = true;
                    None
                }
                _ => None,
            };
            if let Some(strength) = strength
                && best.is_none_or(|(so_far, _)| strength > so_far)
            {
                best = Some((strength, challenge));
            }
        }
        let Some((_, challenge)) = best else {
            self.chosen = None;
            return Err(if basic_in_clear { Refused::BasicInClear } else { Refused::NothingUsable });
        };
        //= RFC 2617 3.2.1: stale=true means new nonce, same password; otherwise the credentials were wrong.
        let stale = challenge.parameter("stale").is_some_and(|s| s.eq_ignore_ascii_case("true"));
        self.challenged = self.challenged.saturating_add(1);
        if self.challenged > 1 && (!stale || self.challenged > MAX_CHALLENGED) {
            self.chosen = None;
            return Err(Refused::WrongCredentials);
        }
        self.chosen = Some(choose(challenge));
        Ok(())
    }

    /// The `Authorization` value for a request to `uri` (the request target), once the server has asked.
    ///
    /// Each call counts as one use of the nonce.
    pub fn authorize(&mut self, method: &str, uri: &str, rng: &mut Rng) -> Option<String> {
        match self.chosen.as_mut()? {
            Chosen::Basic => {
                let pair = format!("{}:{}", self.credentials.username, self.credentials.password.reveal());
                Some(format!("Basic {}", base64(pair.as_bytes())))
            }
            Chosen::Digest { algorithm, named, realm, nonce, opaque, qop, uses, session_cnonce } => {
                *uses = uses.saturating_add(1);
                let count = format!("{uses:08x}");
                let fresh = rng.hex(16);
                //= RFC 2617 3.2.2.2: with -sess the hashed secret is made once, from the first cnonce.
                let cnonce = match algorithm {
                    Algorithm::Md5Sess | Algorithm::Sha256Sess => session_cnonce.get_or_insert(fresh).clone(),
                    Algorithm::Md5 | Algorithm::Sha256 => fresh,
                };
                let value = response(
                    &self.credentials,
                    &Exchange {
                        algorithm: *algorithm,
                        realm,
                        nonce,
                        method,
                        uri,
                        cnonce: &cnonce,
                        count: qop.then_some(count.as_str()),
                    },
                );
                let mut text = format!(
                    "Digest username={}, realm={}, nonce={}, uri={}, response=\"{value}\"",
                    quote(&self.credentials.username),
                    quote(realm),
                    quote(nonce),
                    quote(uri),
                );
                if *named {
                    text.push_str(&format!(", algorithm={}", algorithm.name()));
                }
                if let Some(opaque) = opaque {
                    text.push_str(&format!(", opaque={}", quote(opaque)));
                }
                if *qop {
                    text.push_str(&format!(", qop=auth, nc={count}, cnonce=\"{cnonce}\""));
                } else if session_cnonce.is_some() {
                    text.push_str(&format!(", cnonce=\"{cnonce}\""));
                }
                Some(text)
            }
        }
    }
}

fn algorithm_of(challenge: &Challenge) -> Option<Algorithm> {
    challenge.parameter("algorithm").map_or(Some(Algorithm::Md5), Algorithm::named)
}

/// How strong a Digest challenge is; `None` if it cannot be answered.
fn digest_strength(challenge: &Challenge) -> Option<u8> {
    let qop = challenge.parameter("qop");
    let usable = qop.is_none_or(offers_auth) && challenge.parameter("nonce").is_some();
    algorithm_of(challenge).filter(|_| usable).map(Algorithm::strength)
}

fn offers_auth(qop: &str) -> bool {
    qop.trim().is_empty() || qop.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth"))
}

fn choose(challenge: &Challenge) -> Chosen {
    let text = |name: &str| challenge.parameter(name).unwrap_or_default().to_owned();
    match (challenge.scheme.as_str(), algorithm_of(challenge)) {
        ("digest", Some(algorithm)) => Chosen::Digest {
            algorithm,
            named: challenge.parameter("algorithm").is_some(),
            realm: text("realm"),
            nonce: text("nonce"),
            opaque: challenge.parameter("opaque").map(str::to_owned),
            qop: challenge.parameter("qop").is_some_and(|q| !q.trim().is_empty()),
            uses: 0,
            session_cnonce: None,
        },
        _ => Chosen::Basic,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn credentials(username: &str, password: &str) -> Credentials {
        Credentials { username: username.into(), password: Secret::new(password) }
    }

    fn answer(to: &str) -> Challenge {
        let mut authorizer = Authorizer::new(credentials("u", "p"), Basic::Always);
        authorizer.challenged(&[to], false).unwrap();
        let value = authorizer.authorize("POST", "/", &mut Rng::new([3; 32])).unwrap();
        challenges(&value).remove(0)
    }

    /// The worked examples of RFC 2617 3.5, RFC 7616 3.9.1 (both hashes) and RFC 2069 2.4 (erratum 749).
    //= RFC 2617 3.2.2.1, RFC 7616 3.4.1
    #[test]
    fn the_examples_of_the_standards_give_their_responses() {
        let rfc2617 = Exchange {
            algorithm: Algorithm::Md5,
            realm: "testrealm@host.com",
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            method: "GET",
            uri: "/dir/index.html",
            cnonce: "0a4f113b",
            count: Some("00000001"),
        };
        let rfc7616 = Exchange {
            realm: "http-auth@example.org",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            ..rfc2617
        };
        let sha = Exchange { algorithm: Algorithm::Sha256, ..rfc7616 };
        let old = Exchange { count: None, ..rfc2617 };
        for (password, exchange, want) in [
            ("Circle Of Life", rfc2617, "6629fae49393a05397450978507c4ef1"),
            ("Circle of Life", rfc7616, "8ca523f5e9506fed4657c9700eebdbec"),
            ("Circle of Life", sha, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
            ("CircleOfLife", old, "1949323746fe6a43ef61f9606e7febea"),
        ] {
            assert_eq!(response(&credentials("Mufasa", password), &exchange), want, "{exchange:?}");
        }
    }

    //= RFC 2617 3.2.2.2: with -sess the hashed secret is made once, from the first cnonce.
    #[test]
    fn a_session_algorithm_binds_the_secret_to_the_first_cnonce() {
        let mut authorizer = Authorizer::new(credentials("u", "p"), Basic::Always);
        authorizer.challenged(&["Digest realm=r, nonce=n, qop=auth, algorithm=MD5-sess"], false).unwrap();
        let mut rng = Rng::new([3; 32]);
        for count in ["00000001", "00000002"] {
            let sent = challenges(&authorizer.authorize("POST", "/x", &mut rng).unwrap()).remove(0);
            let cnonce = sent.parameter("cnonce").unwrap();
            let plain = hex(&md5(&[b"u:r:p"]));
            let secret = hex(&md5(&[format!("{plain}:n:{cnonce}").as_bytes()]));
            let request = hex(&md5(&[b"POST:/x"]));
            let want = hex(&md5(&[format!("{secret}:n:{count}:{cnonce}:auth:{request}").as_bytes()]));
            assert_eq!(sent.parameter("response"), Some(want.as_str()));
            assert_eq!(sent.parameter("nc"), Some(count));
        }
    }

    //= TR-069 3.4.5
    #[test]
    fn each_use_of_a_nonce_has_the_next_count_and_its_own_cnonce() {
        let mut authorizer = Authorizer::new(credentials("u", "p"), Basic::Always);
        let mut rng = Rng::new([3; 32]);
        assert_eq!(authorizer.authorize("POST", "/", &mut rng), None, "nothing before the server asked");
        authorizer.challenged(&["Digest realm=r, nonce=n, qop=auth, opaque=\"o\""], false).unwrap();
        let mut cnonces = Vec::new();
        for count in 1..4 {
            let sent = challenges(&authorizer.authorize("POST", "/", &mut rng).unwrap()).remove(0);
            assert_eq!(sent.parameter("nc"), Some(format!("{count:08x}").as_str()));
            assert_eq!(sent.parameter("opaque"), Some("o"));
            assert_eq!(sent.parameter("algorithm"), None, "the challenge named none");
            cnonces.push(sent.parameter("cnonce").unwrap().to_owned());
        }
        cnonces.dedup();
        assert_eq!(cnonces.len(), 3);
        authorizer.challenged(&["Digest realm=r, nonce=n2, qop=auth, stale=true"], false).unwrap();
        let sent = challenges(&authorizer.authorize("POST", "/", &mut rng).unwrap()).remove(0);
        assert_eq!((sent.parameter("nonce"), sent.parameter("nc")), (Some("n2"), Some("00000001")));
    }

    #[test]
    fn the_strongest_usable_challenge_is_answered() {
        let md5 = "Digest realm=m, nonce=n, algorithm=MD5, qop=\"auth\"";
        let sha = "Digest realm=s, nonce=n, algorithm=SHA-256, qop=\"auth-int, auth\"";
        let basic = "Basic realm=b";
        for (offered, scheme, realm) in [
            (vec![basic, md5, sha], "digest", Some("s")),
            (vec![sha, md5], "digest", Some("s")),
            (vec![basic, md5], "digest", Some("m")),
            (vec!["Basic realm=b, Digest realm=m, nonce=n"], "digest", Some("m")),
            (vec![basic, "Digest realm=x, nonce=n, algorithm=SHA-512-256"], "basic", None),
            (vec![basic, "Digest realm=x, nonce=n, qop=\"auth-int\""], "basic", None),
            (vec!["Negotiate", basic], "basic", None),
        ] {
            let sent = answer(&offered.join(", "));
            assert_eq!((sent.scheme.as_str(), sent.parameter("realm")), (scheme, realm), "{offered:?}");
        }
    }

    #[test]
    fn a_challenge_without_qop_gets_the_old_form() {
        let sent = answer("Digest realm=\"r\", nonce=\"n\"");
        assert_eq!(
            (sent.parameter("qop"), sent.parameter("nc"), sent.parameter("cnonce")),
            (None, None, None)
        );
    }

    //= RFC 2617 3.2.1: only stale=true is a reason to try the same password again.
    #[test]
    fn what_cannot_be_answered_says_why() {
        let digest = "Digest realm=r, nonce=n, qop=auth";
        let mut authorizer = Authorizer::new(credentials("u", "p"), Basic::TlsOnly);
        assert_eq!(authorizer.challenged(&["Basic realm=r"], false), Err(Refused::BasicInClear));
        assert_eq!(authorizer.challenged(&["Basic realm=r"], true), Ok(()));
        authorizer.begin();
        assert_eq!(authorizer.challenged(&["Negotiate"], true), Err(Refused::NothingUsable));
        assert_eq!(authorizer.challenged(&[digest], true), Ok(()));
        assert_eq!(authorizer.challenged(&[digest], true), Err(Refused::WrongCredentials));
        authorizer.begin();
        for _ in 0..MAX_CHALLENGED {
            assert_eq!(authorizer.challenged(&["Digest nonce=n, stale=TRUE"], true), Ok(()));
        }
        let endless = authorizer.challenged(&["Digest nonce=n, stale=TRUE"], true);
        assert_eq!(endless, Err(Refused::WrongCredentials));
        let mut nobody = Authorizer::new(Credentials::default(), Basic::Always);
        assert_eq!(nobody.challenged(&[digest], true), Err(Refused::NoCredentials));
    }
}
