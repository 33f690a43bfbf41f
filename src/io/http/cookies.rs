//! The cookies of one session: kept by host and path, forgotten with the session. Pure.
//!
//! Expiry dates are not followed, a session being shorter than any; a date in the epoch's years or a `Max-Age` of
//! nought removes the cookie, as servers mean by it.

/// Most cookies kept; beyond, the oldest goes.
pub const MAX_COOKIES: usize = 32;
/// Longest name and value together, in octets; a longer cookie is ignored.
pub const MAX_COOKIE: usize = 4096;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    domain: String,
    /// Whether only that very host gets it.
    host_only: bool,
    path: String,
    secure: bool,
}

/// The cookies the servers of one session have set.
#[derive(Clone, Debug, Default)]
pub struct Jar(Vec<Cookie>);

impl Jar {
    /// Takes the value of one `Set-Cookie` field of an answer from `host` to a request for `path`.
    //= TR-069 3.4.2: cookies are kept for the session, with their path and domain.
    //= RFC 6265 5.2, 5.3: attributes, defaults, and what is ignored.
    pub fn store(&mut self, host: &str, path: &str, tls: bool, value: &str) {
        let mut parts = value.split(';');
        let Some((name, content)) = parts.next().and_then(|pair| pair.split_once('=')) else { return };
        let (name, content) = (name.trim(), content.trim());
        let legal = |text: &str| !text.bytes().any(|c| c.is_ascii_control());
        if name.is_empty() || name.len() + content.len() > MAX_COOKIE || !legal(name) || !legal(content) {
            return;
        }
        let mut cookie = Cookie {
            name: name.to_owned(),
            value: content.to_owned(),
            domain: host.to_ascii_lowercase(),
            host_only: true,
            path: default_path(path).to_owned(),
            secure: false,
        };
        let (mut removed_by_age, mut removed_by_date) = (None, false);
        for attribute in parts {
            let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let value = value.trim();
            match key.trim().to_ascii_lowercase().as_str() {
                "domain" => {
                    let domain = value.trim_start_matches('.').to_ascii_lowercase();
                    if domain.is_empty() {
                        continue;
                    }
                    // A cookie for a whole top-level domain would reach strangers.
                    if !within(host, &domain) || (!domain.contains('.') && domain != cookie.domain) {
                        return;
                    }
                    cookie.host_only = false;
                    cookie.domain = domain;
                }
                "path" if value.starts_with('/') && legal(value) => value.clone_into(&mut cookie.path),
                "secure" => cookie.secure = true,
                "max-age" => removed_by_age = value.parse::<i64>().ok().map(|age| age <= 0),
                "expires" => {
                    removed_by_date = value
                        .split([' ', '-'])
                        .filter_map(|word| word.parse::<u16>().ok())
                        .any(|year| (1970..2000).contains(&year));
                }
                _ => {}
            }
        }
        if cookie.secure && !tls {
            return;
        }
        self.0.retain(|old| {
            (&old.name, &old.domain, &old.path) != (&cookie.name, &cookie.domain, &cookie.path)
        });
        if removed_by_age.unwrap_or(removed_by_date) {
            return;
        }
        if self.0.len() == MAX_COOKIES {
            self.0.remove(0);
        }
        self.0.push(cookie);
    }

    /// The value of `Cookie` for a request for `path` at `host`; `None` if there is nothing to return.
    //= RFC 6265 5.4: longer paths first, then older cookies first.
    pub fn header(&self, host: &str, path: &str, tls: bool) -> Option<String> {
        let mut fitting: Vec<&Cookie> = self
            .0
            .iter()
            .filter(
                |c| if c.host_only { c.domain.eq_ignore_ascii_case(host) } else { within(host, &c.domain) },
            )
            .filter(|c| path_fits(path, &c.path) && (tls || !c.secure))
            .collect();
        fitting.sort_by_key(|c| std::cmp::Reverse(c.path.len()));
        let pairs: Vec<String> = fitting.iter().map(|c| format!("{}={}", c.name, c.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

fn within(host: &str, domain: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == domain
        || (host.strip_suffix(domain).is_some_and(|front| front.ends_with('.'))
            && host.parse::<std::net::IpAddr>().is_err())
}

fn default_path(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(at) => path.get(..at).unwrap_or("/"),
    }
}

fn path_fits(path: &str, of_cookie: &str) -> bool {
    path.strip_prefix(of_cookie)
        .is_some_and(|rest| rest.is_empty() || of_cookie.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jar(host: &str, path: &str, cookies: &[&str]) -> Jar {
        let mut jar = Jar::default();
        for cookie in cookies {
            jar.store(host, path, false, cookie);
        }
        jar
    }

    //= TR-069 3.4.2
    //= RFC 6265 5.4: longer paths first, then older cookies first.
    #[test]
    fn several_cookies_are_returned_together() {
        let jar = jar("acs", "/cwmp", &["a=1; Path=/", "b=two words; HttpOnly", "c=x=y; path=/cwmp"]);
        assert_eq!(jar.header("acs", "/cwmp", false).as_deref(), Some("c=x=y; a=1; b=two words"));
    }

    //= RFC 6265 5.1.3, 5.1.4, 5.2
    #[test]
    fn a_cookie_goes_only_where_domain_and_path_say() {
        for (cookie, host, path, sent) in [
            ("a=1", "acs.isp.example", "/x/cwmp", true),
            ("a=1", "acs.isp.example", "/x/other/deep", true),
            ("a=1", "acs.isp.example", "/xy", false),
            ("a=1", "acs.isp.example", "/", false),
            ("a=1", "b.isp.example", "/x/cwmp", false),
            ("a=1; Domain=.isp.example", "b.isp.example", "/x/y", true),
            ("a=1; Domain=isp.example", "xisp.example", "/x/y", false),
            ("a=1; Domain=isp.example; Path=/", "isp.example", "/", true),
            ("a=1; Domain=other.example", "other.example", "/x/y", false),
            ("a=1; Domain=example", "acs.isp.example", "/x/y", false),
            ("a=1; Path=/x/", "acs.isp.example", "/x", false),
            ("a=1; Path=/x/", "acs.isp.example", "/x/y", true),
            ("a=1; Secure", "acs.isp.example", "/x/y", false),
            ("=1", "acs.isp.example", "/x/y", false),
            ("novalue", "acs.isp.example", "/x/y", false),
            ("a=1\r\nX: y", "acs.isp.example", "/x/y", false),
        ] {
            let jar = jar("acs.isp.example", "/x/cwmp", &[cookie]);
            assert_eq!(jar.header(host, path, false).is_some(), sent, "{cookie} to {host}{path}");
        }
        let by_address = jar("10.0.0.1", "/", &["a=1; Domain=0.0.1"]);
        assert_eq!(by_address.header("10.0.0.1", "/", false), None, "an address has no parent domain");
    }

    #[test]
    fn a_secure_cookie_stays_on_tls() {
        let mut jar = Jar::default();
        jar.store("acs", "/", true, "s=1; Secure");
        assert_eq!(jar.header("acs", "/", true).as_deref(), Some("s=1"));
        assert_eq!(jar.header("acs", "/", false), None);
    }

    //= RFC 6265 5.3: a cookie of the same name, domain and path takes the place of the old one.
    #[test]
    fn a_cookie_is_replaced_and_removed() {
        let replaced = jar("acs", "/", &["a=1", "a=2"]);
        assert_eq!(replaced.header("acs", "/", false).as_deref(), Some("a=2"));
        for remove in
            ["a=; Max-Age=0", "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "a=; expires=Thu, 01-Jan-1970 0:0"]
        {
            assert_eq!(jar("acs", "/", &["a=1", remove]).header("acs", "/", false), None, "{remove}");
        }
        let kept = jar("acs", "/", &["a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]);
        assert!(kept.header("acs", "/", false).is_some(), "Max-Age has the last word");
    }

    #[test]
    fn number_and_size_are_bounded() {
        let mut jar = Jar::default();
        for n in 0..MAX_COOKIES + 1 {
            jar.store("acs", "/", false, &format!("c{n}=1"));
        }
        let sent = jar.header("acs", "/", false).unwrap_or_default();
        assert_eq!(sent.split(';').count(), MAX_COOKIES);
        assert!(!sent.contains("c0="), "the oldest went");
        jar.store("acs", "/", false, &format!("big={}", "x".repeat(MAX_COOKIE)));
        assert!(!jar.header("acs", "/", false).unwrap_or_default().contains("big"));
    }
}
