//! UDP connection requests: whether a datagram is a genuine and new one.
//!
//! Never answers. Remembers the last accepted request while the program runs. Driven by `io::stun`, which receives on
//! the port of the binding.

use crate::digest::client::Credentials;
use crate::digest::{hex, hmac_sha1, same};

/// Longest datagram looked at, in octets.
pub const MAX_DATAGRAM: usize = 2048;
/// Most parameters of a query.
const MAX_PARAMETERS: usize = 16;

/// Why a datagram is ignored; for the log only, the sender hears nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// Not an HTTP/1.1 GET with the five parameters.
    Malformed,
    /// The user name is not ours, or none is set.
    Name,
    /// The signature is wrong.
    Signature,
    /// A time stamp or message ID that was accepted before.
    Replayed,
}

/// Judges UDP connection requests.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    last: Option<(u64, u64)>,
}

impl Gate {
    /// Whether `datagram` starts a session.
    //= TR-069 G.2.1.4: a GET of HTTP/1.1; newer than and different from the last one accepted; name and signature right.
    pub fn check(&mut self, credentials: &Credentials, datagram: &[u8]) -> Result<(), Ignored> {
        let [ts, id, un, cn, sig] = parameters(datagram).ok_or(Ignored::Malformed)?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
            text.parse::<u64>().ok().filter(|_| digits)
        };
        let (stamp, message) = number(ts).zip(number(id)).ok_or(Ignored::Malformed)?;
        let name = decoded(un);
        if credentials.username.is_empty() || !same(name.as_bytes(), credentials.username.as_bytes()) {
            return Err(Ignored::Name);
        }
        //= TR-069 G.2.2.3: HMAC-SHA1 under the password over ts, id, un and cn one after the other, in hex of any case.
        let key = credentials.password.reveal().as_bytes();
        let sig = sig.to_ascii_lowercase();
        let signed_by = |un: &str, cn: &str| {
            let want = hex(&hmac_sha1(key, format!("{ts}{id}{un}{cn}").as_bytes()));
            same(want.as_bytes(), sig.as_bytes())
        };
        // Servers sign what they put into the URL or what it stands for; few names tell the difference.
        if !signed_by(&name, &decoded(cn)) && !signed_by(un, cn) {
            return Err(Ignored::Signature);
        }
        if self.last.is_some_and(|(last_stamp, last_message)| stamp <= last_stamp || message == last_message)
        {
            return Err(Ignored::Replayed);
        }
        self.last = Some((stamp, message));
        Ok(())
    }
}

/// The values of ts, id, un, cn and sig as they stand in the URL.
fn parameters(datagram: &[u8]) -> Option<[&str; 5]> {
    let line = datagram.get(..datagram.len().min(MAX_DATAGRAM))?.split(|c| *c == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?.trim_end_matches('\r');
    let mut words = line.split(' ');
    let (Some("GET"), Some(target), Some("HTTP/1.1"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return None;
    };
    // Some servers write `host:port?…`, some `host:port/?…`.
    let (_, query) = target.split_once('?')?;
    let mut found: [Option<&str>; 5] = [None; 5];
    for pair in query.split('&').take(MAX_PARAMETERS) {
        let (key, value) = pair.split_once('=')?;
        let place = ["ts", "id", "un", "cn", "sig"].iter().zip(found.iter_mut()).find(|(k, _)| **k == key);
        if let Some((_, place)) = place
            && place.replace(value).is_some()
        {
            return None;
        }
    }
    let [Some(ts), Some(id), Some(un), Some(cn), Some(sig)] = found else { return None };
    Some([ts, id, un, cn, sig])
}

/// Percent-encoding undone; what is no encoding stays.
fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).and_then(|h| std::str::from_utf8(h).ok());
        let octet = hex.filter(|h| !h.starts_with('+')).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (first, octet) {
            (b'%', Some(octet)) => {
                out.push(octet);
                rest = after.get(2..).unwrap_or_default();
            }
            (first, _) => {
                out.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn credentials() -> Credentials {
        Credentials { username: "us er".into(), password: Secret::new("word") }
    }

    fn sign(ts: &str, id: &str, un: &str, cn: &str, key: &str) -> String {
        hex(&hmac_sha1(key.as_bytes(), format!("{ts}{id}{un}{cn}").as_bytes()))
    }

    fn request(ts: u64, id: u64, slash: &str) -> String {
        let sig = sign(&ts.to_string(), &id.to_string(), "us er", "abc", "word");
        format!(
            "GET http://cpe:7547{slash}?ts={ts}&id={id}&un=us%20er&cn=abc&sig={sig} HTTP/1.1\r\nHost: cpe\r\n\r\n"
        )
    }

    /// The HMAC of this text was computed with another program (OpenSSL).
    //= TR-069 G.2.2.3
    #[test]
    fn the_signature_is_over_the_values_one_after_the_other() {
        let sig = "31b60d8a06e66857930eabc0f9ae76ea9d38f317";
        assert_eq!(sign("1120673700", "1234", "CPE57689", "XTGRWIPC6D3IPXS3", "ABC123"), sig);
    }

    //= TR-069 G.2.1.4
    #[test]
    fn a_genuine_request_is_accepted_once() {
        let mut gate = Gate::default();
        let mut check = |text: &str| gate.check(&credentials(), text.as_bytes());
        assert_eq!(check(&request(1000, 7, "")), Ok(()));
        assert_eq!(check(&request(1000, 7, "")), Err(Ignored::Replayed), "a further copy");
        assert_eq!(check(&request(999, 8, "")), Err(Ignored::Replayed), "older");
        assert_eq!(check(&request(1000, 9, "")), Err(Ignored::Replayed), "as old");
        assert_eq!(check(&request(1001, 7, "")), Err(Ignored::Replayed), "the same message");
        assert_eq!(check(&request(1002, 8, "/")), Ok(()));
        assert_eq!(
            check(&request(1003, 7, "/path").to_uppercase().replace("UN=", "un=")),
            Err(Ignored::Malformed)
        );
        let upper = request(1004, 9, "");
        let (front, sig) = upper.split_once("sig=").unwrap();
        let (sig, back) = sig.split_once(' ').unwrap();
        assert_eq!(check(&format!("{front}sig={} {back}", sig.to_uppercase())), Ok(()), "upper case");
    }

    //= TR-069 G.2.1.4
    #[test]
    fn everything_else_is_ignored_and_changes_nothing() {
        let good = request(1000, 7, "");
        let mut gate = Gate::default();
        for (spoilt, why) in [
            (good.replace("GET", "POST"), Ignored::Malformed),
            (good.replace("HTTP/1.1", "HTTP/1.0"), Ignored::Malformed),
            (good.replace("ts=1000&", ""), Ignored::Malformed),
            (good.replace("&id=7", ""), Ignored::Malformed),
            (good.replace("&un=us%20er", ""), Ignored::Malformed),
            (good.replace("&cn=abc", ""), Ignored::Malformed),
            (good.replace("&sig=", "&gis="), Ignored::Malformed),
            (good.replace("ts=1000", "ts=1000&ts=1000"), Ignored::Malformed),
            (good.replace("ts=1000", "ts=%201000"), Ignored::Malformed),
            (good.replace("ts=1000", "ts=99999999999999999999"), Ignored::Malformed),
            (good.replace("id=7", "id=-7"), Ignored::Malformed),
            (good.replace("ts=1000", "ts=1001"), Ignored::Signature),
            (good.replace("cn=abc", "cn=abd"), Ignored::Signature),
            (good.replace("un=us%20er", "un=other"), Ignored::Name),
            (good.replace("&sig=", "&sig=0"), Ignored::Signature),
            (String::new(), Ignored::Malformed),
            ("\u{0}\u{1}".into(), Ignored::Malformed),
        ] {
            assert_eq!(gate.check(&credentials(), spoilt.as_bytes()), Err(why), "{spoilt}");
        }
        assert_eq!(
            gate.check(&Credentials::default(), good.as_bytes()),
            Err(Ignored::Name),
            "no name is set"
        );
        assert_eq!(gate.check(&credentials(), good.as_bytes()), Ok(()));
    }

    #[test]
    fn percent_encoding_is_undone_where_it_is_one() {
        for (text, want) in
            [("a%20b", "a b"), ("%zz%4", "%zz%4"), ("%+1", "%+1"), ("%C3%A9", "\u{e9}"), ("", "")]
        {
            assert_eq!(decoded(text), want);
        }
    }
}
