//! Header fields, the head of a request written and read. Pure; bodies and answers are `codec`'s.

use std::fmt;

/// Header fields in the order received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The first value of a field, in any case of its name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// All values of a field in their order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Whether a field that holds a comma-separated list has `item`, in any case.
    pub fn lists(&self, name: &str, item: &str) -> bool {
        self.all(name).flat_map(|v| v.split(',')).any(|i| i.trim().eq_ignore_ascii_case(item))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// Takes one line of a head, without its line end.
    ///
    /// A line that begins with white space continues the one before it.
    /// Source: RFC 7230 3.2, 3.2.4.
    pub fn take(&mut self, line: &[u8]) -> Result<(), Bad> {
        // Octets beyond ASCII carry no meaning in any field we read, but must not spoil the answer.
        let line = String::from_utf8_lossy(line);
        if line.starts_with([' ', '\t']) {
            let (_, value) = self.0.last_mut().ok_or(Bad::Head("a header that continues nothing"))?;
            value.push(' ');
            value.push_str(line.trim());
            return Ok(());
        }
        let (name, value) = line.split_once(':').ok_or(Bad::Head("a header without a colon"))?;
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(Bad::Head("a header with a bad name"));
        }
        self.push(name, value.trim_matches([' ', '\t']));
        Ok(())
    }
}

/// Why a message is not one, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bad {
    /// The head is malformed.
    Head(&'static str),
    /// Head, number of fields or body exceed their bound.
    TooLarge(&'static str),
    /// Length or chunks contradict themselves.
    Framing(&'static str),
    /// The body does not decompress, or its coding is unknown.
    Coding(&'static str),
    /// The connection ended in the middle.
    Truncated,
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bad::Head(what) => write!(f, "not HTTP: {what}"),
            Bad::TooLarge(what) => write!(f, "{what} exceeds the limit"),
            Bad::Framing(what) => write!(f, "HTTP framing: {what}"),
            Bad::Coding(what) => write!(f, "content coding: {what}"),
            Bad::Truncated => f.write_str("the connection ended in the middle of an answer"),
        }
    }
}

/// Writes the head of a request, its empty last line included.
///
/// A field whose name or value could break out of its line is refused.
pub fn request(method: &str, target: &str, fields: &[(&str, &str)]) -> Result<Vec<u8>, Bad> {
    let in_line = |text: &str| text.bytes().all(|c| c.is_ascii_graphic());
    if !in_line(method) || !in_line(target) {
        return Err(Bad::Head("a request line with spaces or controls"));
    }
    let mut out = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
    for (name, value) in fields {
        if !name.bytes().all(is_token) || value.bytes().any(|c| c.is_ascii_control() && c != b'\t') {
            return Err(Bad::Head("a header with controls"));
        }
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    Ok(out)
}

/// Longest head of a request that [`Request::parse`] waits for, in octets.
pub const MAX_REQUEST_HEAD: usize = 8 * 1024;
/// Most fields of a request.
pub const MAX_REQUEST_FIELDS: usize = 64;

/// The head of a request somebody sends us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method, in the case sent.
    pub method: String,
    /// The request target as sent.
    pub target: String,
    /// The minor version of HTTP/1.
    pub minor: u8,
    /// The fields.
    pub headers: Headers,
}

impl Request {
    /// Reads the head at the start of `octets`: `Ok(None)` while it is not complete.
    pub fn parse(octets: &[u8]) -> Result<Option<Request>, Bad> {
        let mut lines = octets.split_inclusive(|c| *c == b'\n');
        let mut request: Option<Request> = None;
        let mut seen = 0;
        for line in lines.by_ref() {
            seen += line.len();
            if seen > MAX_REQUEST_HEAD {
                return Err(Bad::TooLarge("the request's head"));
            }
            let Some(line) = line.strip_suffix(b"\n") else { return Ok(None) };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match (&mut request, line) {
                // RFC 7230 3.5: an empty line before the request line is skipped.
                (None, b"") => {}
                (None, line) => request = Some(request_line(line)?),
                (Some(_), b"") => return Ok(request),
                (Some(request), line) => {
                    if request.headers.len() == MAX_REQUEST_FIELDS {
                        return Err(Bad::TooLarge("the number of the request's headers"));
                    }
                    request.headers.take(line)?;
                }
            }
        }
        Ok(None)
    }
}

fn request_line(line: &[u8]) -> Result<Request, Bad> {
    let line = std::str::from_utf8(line).map_err(|_| Bad::Head("a request line that is not ASCII"))?;
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Bad::Head("a request line that has not three words"));
    };
    let minor = match version {
        "HTTP/1.0" => 0,
        "HTTP/1.1" => 1,
        _ => return Err(Bad::Head("a version other than HTTP/1")),
    };
    if method.is_empty() || !method.bytes().all(is_token) || target.is_empty() {
        return Err(Bad::Head("a request line without method or target"));
    }
    Ok(Request { method: method.to_owned(), target: target.to_owned(), minor, headers: Headers::default() })
}

fn is_token(c: u8) -> bool {
    c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_request_head_is_written_line_by_line_and_cannot_be_broken_out_of() {
        let head = request("POST", "/cwmp", &[("Host", "acs"), ("SOAPAction", "")]).unwrap();
        assert_eq!(head, b"POST /cwmp HTTP/1.1\r\nHost: acs\r\nSOAPAction: \r\n\r\n");
        for (target, field) in [
            ("/a b", ("X", "y")),
            ("/a\r\nX: y", ("X", "y")),
            ("/a", ("X", "y\r\nZ: 1")),
            ("/a", ("X y", "z")),
            ("/a", ("X", "\0")),
        ] {
            assert!(request("GET", target, &[field]).is_err(), "{target:?} {field:?}");
        }
    }

    #[test]
    fn a_request_is_read_once_its_head_is_complete() {
        let text = b"\r\nGET /cr?x=1 HTTP/1.1\r\nHost: cpe\r\nAuthorization: Digest a=b,\r\n c=d\r\n\r\nrest";
        for cut in 0..text.len() - 4 {
            assert_eq!(Request::parse(text.get(..cut).unwrap()), Ok(None), "{cut}");
        }
        let request = Request::parse(text).unwrap().unwrap();
        assert_eq!((request.method.as_str(), request.target.as_str(), request.minor), ("GET", "/cr?x=1", 1));
        assert_eq!(request.headers.value("authorization"), Some("Digest a=b, c=d"));
        let bare = Request::parse(b"GET / HTTP/1.0\n\n").unwrap().unwrap();
        assert_eq!((bare.minor, bare.headers.is_empty()), (0, true));
    }

    #[test]
    fn malformed_and_oversized_requests_are_refused() {
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MAX_REQUEST_FIELDS + 1));
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(MAX_REQUEST_HEAD));
        for bad in [
            "GET /\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "GET  / HTTP/1.1\r\n\r\n",
            "G\0T / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nBad Name: x\r\n\r\n",
            &many,
            &long,
            &"x".repeat(MAX_REQUEST_HEAD + 1),
        ] {
            assert!(Request::parse(bad.as_bytes()).is_err(), "{}", bad.get(..30.min(bad.len())).unwrap());
        }
    }

    #[test]
    fn lists_in_headers_are_searched_in_any_case() {
        let mut headers = Headers::default();
        headers.take(b"Connection: keep-alive, Close").unwrap();
        headers.take(b"connection:\tupgrade ").unwrap();
        assert!(headers.lists("CONNECTION", "close") && headers.lists("Connection", "Upgrade"));
        assert!(!headers.lists("Connection", "clos"));
        assert_eq!(headers.all("connection").count(), 2);
    }
}
