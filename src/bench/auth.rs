//! HTTP Digest authentication with MD5, as the server that asks and as the client that answers.
//!
//! Pure: nonces come from outside. Driven by [`super::acs`] (towards a CPE) and [`super::http`] (connection requests).

use std::collections::{BTreeMap, VecDeque};

use md5::{Digest, Md5};

use crate::digest::hex;
use crate::secret::Secret;

/// The most nonces a [`Door`] remembers; the oldest goes first.
pub const NONCES_MAX: usize = 256;

/// Who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

impl Login {
    /// A name and its password.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Login {
        Login { user: user.into(), password: Secret::new(password) }
    }
}

/// What goes into the digest of one request besides the login.
struct Ask<'a> {
    realm: &'a str,
    nonce: &'a str,
    method: &'a str,
    uri: &'a str,
    /// nc and cnonce where the server offered qop="auth".
    counted: Option<(&'a str, &'a str)>,
}

//= RFC 2617 3.2.2.1: MD5(MD5(user:realm:password) : nonce [: nc : cnonce : qop] : MD5(method:uri)).
fn response(login: &Login, ask: &Ask<'_>) -> String {
    let a1 = md5(&format!("{}:{}:{}", login.user, ask.realm, login.password.reveal()));
    let a2 = md5(&format!("{}:{}", ask.method, ask.uri));
    match ask.counted {
        Some((nc, cnonce)) => md5(&format!("{a1}:{}:{nc}:{cnonce}:auth:{a2}", ask.nonce)),
        None => md5(&format!("{a1}:{}:{a2}", ask.nonce)),
    }
}

fn md5(text: &str) -> String {
    hex(&Md5::digest(text.as_bytes()))
}

/// The parameters behind `Digest` in a WWW-Authenticate or Authorization header, names in lower case.
///
/// `None` if the scheme is another or the list is not well-formed.
pub fn parameters(header: &str) -> Option<BTreeMap<String, String>> {
    let (scheme, mut rest) = header.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("digest") {
        return None;
    }
    let mut out = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(out);
        }
        let (name, after) = rest.split_once('=')?;
        let value;
        if let Some(quoted) = after.trim_start().strip_prefix('"') {
            let (text, end) = unquote(quoted)?;
            value = text;
            rest = quoted.get(end..)?;
        } else {
            let end = after.find(',').unwrap_or(after.len());
            value = after.get(..end)?.trim().to_owned();
            rest = after.get(end..)?;
        }
        out.insert(name.trim().to_ascii_lowercase(), value);
    }
}

/// The text up to the closing quote and where the rest begins.
fn unquote(quoted: &str) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((text, at + 1)),
            '\\' => text.push(chars.next()?.1),
            c => text.push(c),
        }
    }
    None
}

/// The Authorization header that answers a WWW-Authenticate `challenge`.
///
/// `None` if the challenge is not Digest with MD5, or offers a qop without `auth`. `cnonce` is this client's own
/// unpredictable text; the challenge counts as used once.
pub fn answer(challenge: &str, login: &Login, method: &str, uri: &str, cnonce: &str) -> Option<String> {
    let fields = parameters(challenge)?;
    let field = |name: &str| fields.get(name).map_or("", String::as_str);
    if !matches!(field("algorithm"), "" | "MD5" | "md5") {
        return None;
    }
    let counted = match fields.get("qop") {
        Some(offer) if offer.split(',').any(|q| q.trim() == "auth") => Some(("00000001", cnonce)),
        Some(_) => return None,
        None => None,
    };
    let ask = Ask { realm: field("realm"), nonce: fields.get("nonce")?, method, uri, counted };
    let mut header = format!(
        "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", response=\"{}\", algorithm=MD5",
        quote(&login.user),
        quote(ask.realm),
        quote(ask.nonce),
        response(login, &ask)
    );
    if let Some((nc, cnonce)) = counted {
        header.push_str(&format!(", qop=auth, nc={nc}, cnonce=\"{cnonce}\""));
    }
    if let Some(opaque) = fields.get("opaque") {
        header.push_str(&format!(", opaque=\"{}\"", quote(opaque)));
    }
    Some(header)
}

fn quote(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// What a [`Door`] says to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let in.
    Open,
    /// No, or not yet: answer 401 with this WWW-Authenticate header.
    Challenge(String),
}

/// The asking side: one login, fresh nonces, each count of a nonce accepted once.
#[derive(Debug)]
pub struct Door {
    realm: String,
    login: Login,
    /// Each nonce given out with the highest count seen.
    nonces: VecDeque<(String, u32)>,
}

impl Door {
    /// A door for one login.
    pub fn new(realm: &str, login: Login) -> Door {
        Door { realm: realm.to_owned(), login, nonces: VecDeque::new() }
    }

    /// Judges a request by its Authorization header; `fresh` becomes the nonce if a challenge is due.
    pub fn check(&mut self, header: Option<&str>, method: &str, uri: &str, fresh: String) -> Verdict {
        match header.and_then(|h| self.judge(h, method, uri)) {
            Some(true) => Verdict::Open,
            known => self.challenge(fresh, known == Some(false)),
        }
    }

    /// `Some(true)` right, `Some(false)` right but with a nonce that is not (or no longer) good, `None` wrong.
    fn judge(&mut self, header: &str, method: &str, uri: &str) -> Option<bool> {
        let fields = parameters(header)?;
        let field = |name: &str| fields.get(name).map_or("", String::as_str);
        let (nc, nonce) = (field("nc"), field("nonce"));
        let ask = Ask { realm: &self.realm, nonce, method, uri, counted: Some((nc, field("cnonce"))) };
        let right = field("username") == self.login.user
            && field("realm") == self.realm
            && field("uri") == uri
            && field("qop") == "auth"
            && field("response") == response(&self.login, &ask);
        if !right {
            return None;
        }
        let count = u32::from_str_radix(nc, 16).ok()?;
        //= RFC 2617 3.2.2: the count of a nonce grows with each request, so that a replay is seen.
        match self.nonces.iter_mut().find(|(n, _)| n == nonce) {
            Some((_, last)) if count > *last => {
                *last = count;
                Some(true)
            }
            _ => Some(false),
        }
    }

    fn challenge(&mut self, fresh: String, stale: bool) -> Verdict {
        if self.nonces.len() >= NONCES_MAX {
            self.nonces.pop_front();
        }
        let mut header = format!(
            "Digest realm=\"{}\", qop=\"auth\", algorithm=MD5, nonce=\"{fresh}\"",
            quote(&self.realm)
        );
        if stale {
            header.push_str(", stale=true");
        }
        self.nonces.push_back((fresh, 0));
        Verdict::Challenge(header)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_gives_its_response() {
        //= RFC 2617 3.5: the worked example.
        let header = answer(
            "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
             nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
            &Login::new("Mufasa", "Circle Of Life"),
            "GET",
            "/dir/index.html",
            "0a4f113b",
        )
        .unwrap();
        assert!(header.contains("response=\"6629fae49393a05397450978507c4ef1\""), "{header}");
        assert!(header.ends_with("opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""), "{header}");
    }

    #[test]
    fn a_challenge_that_is_not_digest_with_md5_and_auth_is_not_answered() {
        let login = Login::new("u", "p");
        for challenge in [
            "Basic realm=\"x\"",
            "Digest realm=\"x\", nonce=\"n\", algorithm=SHA-256",
            "Digest realm=\"x\", nonce=\"n\", qop=\"auth-int\"",
            "Digest realm=\"x\"",
            "Digest realm=\"x",
        ] {
            assert_eq!(answer(challenge, &login, "GET", "/", "c"), None, "{challenge}");
        }
    }

    #[test]
    fn a_door_opens_to_the_right_login_once_per_count_and_calls_an_old_nonce_stale() {
        //= RFC 2617 3.2.1: stale=true when the digest was right but the nonce was not.
        let login = Login::new("cpe", "se\"cret");
        let mut door = Door::new("ACS", login.clone());
        let Verdict::Challenge(challenge) = door.check(None, "POST", "/", "n1".into()) else { panic!() };
        let good = answer(&challenge, &login, "POST", "/", "c").unwrap();
        let wrong = answer(&challenge, &Login::new("cpe", "other"), "POST", "/", "c").unwrap();
        let mut is = |header: &str, uri: &str| door.check(Some(header), "POST", uri, "n2".into());
        assert!(matches!(is(&wrong, "/"), Verdict::Challenge(c) if !c.contains("stale")));
        assert!(matches!(is(&good, "/other"), Verdict::Challenge(c) if !c.contains("stale")));
        assert_eq!(is(&good, "/"), Verdict::Open);
        assert!(matches!(is(&good, "/"), Verdict::Challenge(c) if c.contains("stale=true")), "replayed");
    }
}
