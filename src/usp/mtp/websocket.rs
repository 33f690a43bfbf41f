//! The opening of a WebSocket session for USP: what is asked, what is answered, and what neither side may take.
//!
//! Pure: header fields come in as a function from name to values. [`frame`] is what is said once a session stands; sockets and deadlines
//! are `io::mtp`'s.

pub mod frame;

use crate::digest::{base64, sha1, unbase64};
use crate::rng::Rng;
use crate::usp::endpoint::EndpointId;

/// The sub-protocol.
//= TR-369 R-WS.9: it is called v1.usp.
pub const SUBPROTOCOL: &str = "v1.usp";
/// The deprecated extension that older controllers look for.
pub const EXTENSION: &str = "bbf-usp-protocol";
/// What is hashed with the key. Source: RFC 6455 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// All values of the header field of that name, in any case of it.
pub type Field<'a> = &'a dyn Fn(&str) -> Vec<String>;

/// Why a session is not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The HTTP status a server answers with.
    pub status: u16,
    /// In words for a person.
    pub why: &'static str,
}

const fn refused(status: u16, why: &'static str) -> Refused {
    Refused { status, why }
}

/// What a client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who it says it is.
    pub peer: EndpointId,
    /// Whether it sent the deprecated extension.
    pub extension: bool,
    /// Its `Sec-WebSocket-Key`.
    pub key: String,
}

/// The request target for a path of the settings: it begins with a slash and tells who we are.
//= TR-369 R-WS.10b: the query carries eid=, behind & where there is other query data.
//= TR-369 R-WS.10c: a % of the id is sent as %25.
pub fn target(path: &str, own: &EndpointId) -> String {
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mark = match path.find('?') {
        Some(at) if path.len() == at + 1 || path.ends_with('&') => "",
        Some(_) => "&",
        None => "?",
    };
    format!("{slash}{path}{mark}eid={}", own.query_value())
}

/// A fresh `Sec-WebSocket-Key`.
pub fn key(rng: &mut Rng) -> String {
    base64(rng.bytes().get(..16).unwrap_or_default())
}

/// The `Sec-WebSocket-Accept` that answers a key. Source: RFC 6455 4.2.2.
pub fn accept(key: &str) -> String {
    base64(&sha1(&[key.as_bytes(), GUID]))
}

/// The header fields of a request; `host` as a `Host` field carries it.
//= TR-369 R-WS.10: the client names the sub-protocol.
//= TR-369 R-WS.10a: the deprecated extension still tells older controllers who we are.
pub fn request_fields(host: &str, own: &EndpointId, key: &str) -> Vec<(&'static str, String)> {
    vec![
        ("Host", host.into()),
        ("Upgrade", "websocket".into()),
        ("Connection", "Upgrade".into()),
        ("Sec-WebSocket-Key", key.into()),
        ("Sec-WebSocket-Version", "13".into()),
        ("Sec-WebSocket-Protocol", SUBPROTOCOL.into()),
        ("Sec-WebSocket-Extensions", extension(own)),
    ]
}

fn extension(own: &EndpointId) -> String {
    format!("{EXTENSION}; eid=\"{}\"", own.as_str())
}

/// Judges a server's answer to a request with `key`: who the server says it is, where it tells.
//= TR-369 R-WS.7: the opening handshake of RFC 6455.
//= TR-369 R-WS.12: without the sub-protocol in the answer there is no session.
//= TR-369 R-WS.11b: the extension may be missing.
pub fn opened(status: u16, field: Field<'_>, key: &str) -> Result<Option<EndpointId>, Refused> {
    if status != 101 {
        return Err(refused(status, "the server does not switch to WebSocket"));
    }
    if !lists(field, "Upgrade", "websocket") || !lists(field, "Connection", "upgrade") {
        return Err(refused(status, "the server's answer is not one of WebSocket"));
    }
    if field("Sec-WebSocket-Accept") != [accept(key)] {
        return Err(refused(status, "the server's answer is not to our key"));
    }
    if field("Sec-WebSocket-Protocol") != [SUBPROTOCOL] {
        return Err(refused(status, "the server does not speak v1.usp"));
    }
    // Extensions that change frames were not asked for; a server that uses one anyhow would not be understood.
    let mut peer = None;
    for value in field("Sec-WebSocket-Extensions") {
        for item in value.split(',') {
            peer = extension_eid(item).ok_or(refused(status, "the server uses an unknown extension"))?;
        }
    }
    Ok(peer)
}

/// Judges a request for a session at `path`.
//= TR-369 R-WS.1, R-WS.2: the endpoint is the resource at that path, named by a ws or wss URI.
//= TR-369 R-WS.12a: without the sub-protocol in the request there is no session.
//= TR-369 R-WS.11c: the extension may be missing.
pub fn asked(method: &str, sent: &str, path: &str, field: Field<'_>) -> Result<Asked, Refused> {
    if method != "GET" {
        return Err(refused(405, "another method than GET"));
    }
    let (resource, query) = sent.split_once('?').unwrap_or((sent, ""));
    if resource.trim_start_matches('/') != path.trim_start_matches('/') {
        return Err(refused(404, "another path"));
    }
    if !lists(field, "Upgrade", "websocket") || !lists(field, "Connection", "upgrade") {
        return Err(refused(426, "no WebSocket is asked for"));
    }
    if field("Sec-WebSocket-Version") != ["13"] {
        return Err(refused(426, "another version of WebSocket than 13"));
    }
    let key = match field("Sec-WebSocket-Key").as_slice() {
        [key] if unbase64(key).is_some_and(|octets| octets.len() == 16) => key.clone(),
        _ => return Err(refused(400, "no key of 16 octets")),
    };
    if !lists(field, "Sec-WebSocket-Protocol", SUBPROTOCOL) {
        return Err(refused(400, "the client does not speak v1.usp"));
    }
    let mut extension = false;
    let mut peer = query.split('&').find_map(|part| part.strip_prefix("eid="));
    let extensions = field("Sec-WebSocket-Extensions");
    let offered = extensions.iter().flat_map(|value| value.split(','));
    let by_extension = offered.filter_map(extension_eid).find_map(|id| {
        extension = true;
        id
    });
    let peer = match peer.take() {
        // The eid of a request is escaped; what cannot be undone names nobody.
        Some(value) => EndpointId::from_query_value(value),
        None => by_extension,
    };
    match peer {
        Some(peer) => Ok(Asked { peer, extension, key }),
        None => Err(refused(400, "no endpoint id")),
    }
}

/// The header fields of the answer that opens a session.
//= TR-369 R-WS.11: the answer names the sub-protocol.
//= TR-369 R-WS.11a: it has the extension, with our id, if the request had it.
pub fn response_fields(asked: &Asked, own: &EndpointId) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("Upgrade", "websocket".into()),
        ("Connection", "Upgrade".into()),
        ("Sec-WebSocket-Accept", accept(&asked.key)),
        ("Sec-WebSocket-Protocol", SUBPROTOCOL.into()),
    ];
    if asked.extension {
        fields.push(("Sec-WebSocket-Extensions", extension(own)));
    }
    fields
}

/// A text as the reason of a close frame: cut at 123 octets, between characters. Source: RFC 6455 5.5.
pub fn close_reason(text: &str) -> &str {
    let mut end = text.len().min(123);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn lists(field: Field<'_>, name: &str, item: &str) -> bool {
    field(name).iter().flat_map(|value| value.split(',')).any(|found| found.trim().eq_ignore_ascii_case(item))
}

/// The id that our extension tells, if it does; `None` for another extension.
fn extension_eid(item: &str) -> Option<Option<EndpointId>> {
    let mut parts = item.split(';').map(str::trim);
    parts.next().filter(|name| name.eq_ignore_ascii_case(EXTENSION))?;
    let value = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("eid").then(|| value.trim())
    });
    Some(value.and_then(|value| EndpointId::parse(value.trim_matches('"'))))
}

#[doc(hidden)]
/// Feeds arbitrary octets to every judgement of this module; returns at all times.
pub fn exercise(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let mut lines = text.lines();
    let (sent, key) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let fields: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).take(32).collect();
    let field = |name: &str| {
        let all = fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        all.map(|(_, value)| (*value).to_owned()).collect()
    };
    if let Ok(asked) = asked("GET", sent, "/usp", &field) {
        let _ = response_fields(&asked, &asked.peer);
        let _ = target(sent, &asked.peer);
    }
    let _ = opened(101, &field, key);
    let _ = close_reason(&text);
    frame::exercise(octets);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn id(text: &str) -> EndpointId {
        EndpointId::parse(text).unwrap()
    }

    fn field(fields: &[(&str, &str)]) -> impl Fn(&str) -> Vec<String> {
        let fields: Vec<(String, String)> =
            fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        move |name: &str| {
            let all = fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
            all.map(|(_, value)| value.clone()).collect()
        }
    }

    //= TR-369 R-WS.10b
    //= TR-369 R-WS.10c
    #[test]
    fn the_target_tells_who_we_are_behind_whatever_query_there_is() {
        for (path, own, want) in [
            ("/usp", "os::00256D-1", "/usp?eid=os::00256D-1"),
            ("usp", "os::00256D-1", "/usp?eid=os::00256D-1"),
            ("", "os::00256D-1", "/?eid=os::00256D-1"),
            ("/usp?a=b", "os::00256D-1", "/usp?a=b&eid=os::00256D-1"),
            ("/usp?", "os::00256D-1", "/usp?eid=os::00256D-1"),
            ("/usp?a&", "os::00256D-1", "/usp?a&eid=os::00256D-1"),
            ("/usp", "os::00256D-a%21b", "/usp?eid=os::00256D-a%2521b"),
        ] {
            assert_eq!(target(path, &id(own)), want);
        }
    }

    /// The example of RFC 6455 1.3.
    //= TR-369 R-WS.7
    #[test]
    fn a_key_is_answered_as_in_the_example_of_the_standard() {
        assert_eq!(accept(KEY), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let mut rng = Rng::new([1; 32]);
        let (first, second) = (key(&mut rng), key(&mut rng));
        assert_ne!(first, second);
        assert_eq!(unbase64(&first).unwrap().len(), 16);
    }

    //= TR-369 R-WS.11b
    //= TR-369 R-WS.12
    #[test]
    fn an_answer_opens_a_session_only_if_all_of_it_fits() {
        let good = [
            ("Upgrade", "WebSocket"),
            ("Connection", "keep-alive, Upgrade"),
            ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ("Sec-WebSocket-Protocol", "v1.usp"),
        ];
        assert_eq!(opened(101, &field(&good), KEY), Ok(None));
        let with = |name: &'static str, value: &'static str| {
            let mut fields: Vec<_> = good.into_iter().filter(|(n, _)| *n != name).collect();
            if !value.is_empty() {
                fields.push((name, value));
            }
            opened(101, &field(&fields), KEY)
        };
        let extension = "bbf-usp-protocol; eid=\"oui:00256D:acs\"";
        assert_eq!(with("Sec-WebSocket-Extensions", extension), Ok(Some(id("oui:00256D:acs"))));
        assert_eq!(with("Sec-WebSocket-Extensions", "BBF-usp-protocol"), Ok(None));
        for (name, value) in [
            ("Upgrade", ""),
            ("Connection", "close"),
            ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOO="),
            ("Sec-WebSocket-Accept", ""),
            ("Sec-WebSocket-Protocol", ""),
            ("Sec-WebSocket-Protocol", "v2.usp"),
            ("Sec-WebSocket-Protocol", "v1.usp, chat"),
            ("Sec-WebSocket-Extensions", "permessage-deflate"),
        ] {
            assert!(with(name, value).is_err(), "{name}: {value}");
        }
        assert_eq!(opened(404, &field(&good), KEY).unwrap_err().status, 404);
    }

    //= TR-369 R-WS.1, R-WS.2
    //= TR-369 R-WS.9
    //= TR-369 R-WS.11c
    //= TR-369 R-WS.12a
    #[test]
    fn a_request_is_taken_only_if_all_of_it_fits() {
        let good = [
            ("Host", "cpe"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", KEY),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Protocol", "chat, v1.usp"),
        ];
        let ask = |sent: &str| asked("GET", sent, "/usp", &field(&good));
        let by_query = ask("/usp?x=y&eid=os::00256D-a%2521b").unwrap();
        assert_eq!((by_query.peer, by_query.extension), (id("os::00256D-a%21b"), false));
        for (sent, status) in [
            ("/usp", 400),
            ("/usp?eid=nonsense", 400),
            ("/usp?eid=%zz", 400),
            ("/other?eid=os::00256D-1", 404),
            ("/usp/?eid=os::00256D-1", 404),
        ] {
            assert_eq!(ask(sent).unwrap_err().status, status, "{sent}");
        }
        let with = |name: &'static str, value: &'static str, sent: &str| {
            let mut fields: Vec<_> = good.into_iter().filter(|(n, _)| *n != name).collect();
            fields.push((name, value));
            asked("GET", sent, "usp", &field(&fields))
        };
        let extension = "other, bbf-usp-protocol; eid=\"oui:00256D:acs\"";
        let by_extension = with("Sec-WebSocket-Extensions", extension, "/usp").unwrap();
        assert_eq!((by_extension.peer, by_extension.extension), (id("oui:00256D:acs"), true));
        for (name, value, status) in [
            ("Upgrade", "h2c", 426),
            ("Connection", "close", 426),
            ("Sec-WebSocket-Version", "8", 426),
            ("Sec-WebSocket-Key", "c2hvcnQ=", 400),
            ("Sec-WebSocket-Key", "***", 400),
            ("Sec-WebSocket-Protocol", "chat", 400),
        ] {
            let found = with(name, value, "/usp?eid=os::00256D-1").unwrap_err();
            assert_eq!(found.status, status, "{name}: {value}");
        }
        let post = asked("POST", "/usp?eid=os::00256D-1", "/usp", &field(&good));
        assert_eq!(post.unwrap_err().status, 405);
    }

    //= TR-369 R-WS.10
    //= TR-369 R-WS.10a
    //= TR-369 R-WS.11
    //= TR-369 R-WS.11a
    #[test]
    fn both_sides_understand_each_other() {
        let (agent, controller) = (id("os::00256D-1"), id("oui:00256D:acs"));
        let key = key(&mut Rng::new([2; 32]));
        let fields = request_fields("acs:443", &agent, &key);
        let sent: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let asked = asked("GET", &target("/usp", &agent), "/usp", &field(&sent)).unwrap();
        assert_eq!((&asked.peer, asked.extension), (&agent, true));
        let fields = response_fields(&asked, &controller);
        let sent: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
        assert_eq!(opened(101, &field(&sent), &key), Ok(Some(controller.clone())));
        let silent = response_fields(&Asked { extension: false, ..asked }, &controller);
        assert!(silent.iter().all(|(name, _)| *name != "Sec-WebSocket-Extensions"));
    }

    #[test]
    fn reasons_are_cut_between_characters() {
        assert_eq!(close_reason("gone"), "gone");
        assert_eq!(close_reason(&"x".repeat(200)).len(), 123);
        assert_eq!(close_reason(&"\u{e9}".repeat(100)).len(), 122);
    }
}
