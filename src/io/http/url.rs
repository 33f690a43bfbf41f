//! Absolute `http` and `https` URLs and references relative to them. Pure; no names are looked up.

use std::fmt;

/// Longest URL, in octets. TR-181 allows 2048 for file transfers; a redirection may be longer.
pub const MAX_URL: usize = 4096;

/// An absolute URL. Its fragment and user information are dropped: neither is ever sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Whether the scheme is `https`.
    pub tls: bool,
    /// The host in lower case: a name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The port; 80 or 443 if the URL names none.
    pub port: u16,
    /// The request target: path and query, beginning with `/`.
    pub target: String,
}

impl Url {
    /// Reads an absolute URL; `None` for another scheme, an empty host, a bad port, or characters that may not
    /// stand in a request line.
    //= TR-069 3.1: an ACS URL without a port means 80, or 443 for https; 7547 is never implied.
    pub fn parse(text: &str) -> Option<Url> {
        let (scheme, rest) = text.split_once("://")?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let plain = |c: u8| c.is_ascii_graphic() && !matches!(c, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`');
        if text.len() > MAX_URL || !rest.bytes().all(plain) {
            return None;
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => {
                let (host, after) = v6.split_once(']')?;
                host.parse::<std::net::Ipv6Addr>().ok()?;
                (host, after.strip_prefix(':').or(after.is_empty().then_some(""))?)
            }
            None => authority.split_once(':').unwrap_or((authority, "")),
        };
        let name_ok = |c: char| c.is_ascii_alphanumeric() || "-._~%!$&'()*+,;=:".contains(c);
        if host.is_empty() || !host.chars().all(name_ok) {
            return None;
        }
        let port = match port {
            "" if tls => 443,
            "" => 80,
            text if text.bytes().all(|c| c.is_ascii_digit()) => text.parse().ok().filter(|p| *p != 0)?,
            _ => return None,
        };
        let slash = if target.starts_with('/') { "" } else { "/" };
        Some(Url { tls, host: host.to_ascii_lowercase(), port, target: format!("{slash}{target}") })
    }

    /// The URL that `reference`, the value of a `Location` field, means here. Source: RFC 3986 5.2.
    pub fn join(&self, reference: &str) -> Option<Url> {
        let reference = reference.trim().split('#').next().unwrap_or_default();
        let path = self.target.split('?').next().unwrap_or("/");
        let scheme = if self.tls { "https" } else { "http" };
        let target = if has_scheme(reference) {
            return Url::parse(reference);
        } else if reference.starts_with("//") {
            return Url::parse(&format!("{scheme}:{reference}"));
        } else if reference.is_empty() {
            self.target.clone()
        } else if reference.starts_with('?') {
            format!("{path}{reference}")
        } else if reference.starts_with('/') {
            without_dots(reference)
        } else {
            let folder = path.rfind('/').and_then(|at| path.get(..=at)).unwrap_or("/");
            without_dots(&format!("{folder}{reference}"))
        };
        Url::parse(&format!("{scheme}://{}{target}", self.authority()))
    }

    /// Host and port as a `Host` field and a URL carry them; the port only where it is not the scheme's own.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let own = if self.tls { 443 } else { 80 };
        if self.port == own { host } else { format!("{host}:{}", self.port) }
    }

    /// Whether both have the same scheme, host and port.
    pub fn same_origin(&self, other: &Url) -> bool {
        (self.tls, &self.host, self.port) == (other.tls, &other.host, other.port)
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or("/")
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.tls { "https" } else { "http" }, self.authority(), self.target)
    }
}

fn has_scheme(reference: &str) -> bool {
    reference.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

fn without_dots(target: &str) -> String {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let mut kept: Vec<&str> = Vec::new();
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        match part {
            "." | ".." => {
                if part == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(part),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config;
    use crate::config::table::Kind;

    //= TR-069 3.1: without a port it is 80, or 443 for https; 7547 is never implied.
    #[test]
    fn a_url_without_a_port_means_the_port_of_its_scheme() {
        for (text, want) in [
            ("http://acs.example/cwmp", 80),
            ("https://acs.example/cwmp", 443),
            ("https://acs.example:/cwmp", 443),
            ("http://[2001:db8::1]", 80),
            ("http://acs.example:443", 443),
            ("https://acs.example:7547", 7547),
        ] {
            assert_eq!(Url::parse(text).map(|url| url.port), Some(want), "{text}");
        }
    }

    #[test]
    fn what_a_setting_may_be_can_be_reached() {
        for (text, want) in [
            ("http://acs.example:7547/a?b=%20#c", true),
            ("https://[2001:db8::1]", true),
            ("https://[2001:db8::1]:7548/", true),
            ("http://acs.example:/", true),
            ("http://acs.example/`id`", false),
            ("http://acs.example/\\", false),
            ("http://acs.example:0/", false),
            ("http://acs.example:+80/", false),
            ("http://acs.example:65536/", false),
            ("http://:80/", false),
            ("ftp://acs.example/", false),
        ] {
            let (setting, client) = (config::allowed(Kind::Url, text), Url::parse(text).is_some());
            assert_eq!((setting, client), (want, want), "{text}");
        }
    }

    #[test]
    fn only_http_urls_with_a_host_are_read() {
        for (text, want) in [
            ("http://acs.example", Some("http://acs.example/")),
            ("HTTPS://ACS.Example:443/Path?q=1#frag", Some("https://acs.example/Path?q=1")),
            ("http://acs.example:7547/cwmp", Some("http://acs.example:7547/cwmp")),
            ("http://user:pass@acs.example/", Some("http://acs.example/")),
            ("http://[2001:db8::1]:8080/x", Some("http://[2001:db8::1]:8080/x")),
            ("http://[2001:db8::1]", Some("http://[2001:db8::1]/")),
            ("http://10.0.0.1?x", Some("http://10.0.0.1/?x")),
            ("ftp://acs.example/", None),
            ("acs.example", None),
            ("http://", None),
            ("http://:80/", None),
            ("http://host:0/", None),
            ("http://host:65536/", None),
            ("http://host:8a/", None),
            ("http://host/a b", None),
            ("http://host/\r\nX: y", None),
            ("http://[::1/", None),
            ("http://[::1]x/", None),
            ("http://h\u{e9}/", None),
        ] {
            assert_eq!(Url::parse(text).map(|u| u.to_string()).as_deref(), want, "{text:?}");
        }
        assert_eq!(Url::parse(&format!("http://host/{}", "x".repeat(MAX_URL))), None);
    }

    /// The relevant examples of RFC 3986 5.4.
    #[test]
    fn references_are_resolved_against_the_url_that_gave_them() {
        let base = Url::parse("http://a/b/c/d;p?q").unwrap();
        for (reference, want) in [
            ("g", Some("http://a/b/c/g")),
            ("./g/", Some("http://a/b/c/g/")),
            ("/g", Some("http://a/g")),
            ("//g", Some("http://g/")),
            ("?y", Some("http://a/b/c/d;p?y")),
            ("g?y#s", Some("http://a/b/c/g?y")),
            ("", Some("http://a/b/c/d;p?q")),
            ("..", Some("http://a/b/")),
            ("../../../g", Some("http://a/g")),
            ("/./g/../h", Some("http://a/h")),
            ("https://z/x", Some("https://z/x")),
            ("ftp://z/x", None),
            ("javascript:alert(1)", None),
        ] {
            assert_eq!(base.join(reference).map(|u| u.to_string()).as_deref(), want, "{reference:?}");
        }
    }
}
