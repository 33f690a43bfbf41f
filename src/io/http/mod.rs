//! HTTP/1.1 as CWMP uses it: a codec without I/O, cookies, and a client for one exchange at a time.
//!
//! | part | owns |
//! |---|---|
//! | [`url`] | absolute `http` and `https` addresses, relative references |
//! | [`head`] | header fields, request heads written and read |
//! | [`codec`] | answers: head, framing, body |
//! | [`coding`] | `gzip` and `deflate`, both ways |
//! | [`cookies`] | the cookies of one session |
//! | [`connect`] | names, addresses, socket options, TLS: one connection |
//! | [`client`] | exchanges: reuse of the connection, redirections, authentication |
//! | [`error`] | what can go wrong, in words |
//! | [`body`] | what is sent, in pieces and more than once |

pub mod body;
pub mod client;
pub mod codec;
pub mod coding;
pub mod connect;
pub mod cookies;
pub mod error;
pub mod head;
pub mod url;

#[doc(hidden)]
/// Feeds arbitrary octets to every parser of HTTP; returns at all times.
pub fn exercise(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let base = url::Url::parse("http://a.example/b/c?d");
    for line in text.lines().take(16) {
        let _ = url::Url::parse(line).map(|u| u.to_string());
        let _ = base.as_ref().map(|b| b.join(line));
        let mut jar = cookies::Jar::default();
        jar.store("a.example", "/b/c", true, line);
        let _ = jar.header("a.example", "/b", true);
    }
    let _ = head::Request::parse(octets);
    for step in [1, 7, octets.len().max(1)] {
        let mut decoder = codec::Decoder::new(codec::Limits { head: 4096, fields: 20, body: 1 << 16 });
        let mut body = Vec::new();
        let fed = octets.chunks(step).try_for_each(|part| decoder.feed(part, &mut body).map(|_| ()));
        let _ = fed.and_then(|()| decoder.end());
        assert!(body.len() <= 1 << 16, "the bound of the body holds");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    #[test]
    fn every_corpus_entry_is_survived() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz_corpus/http");
        let entries: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
        assert!(entries.len() >= 8);
        for entry in entries {
            super::exercise(&std::fs::read(entry.unwrap().path()).unwrap());
        }
    }
}
