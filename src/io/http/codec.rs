//! Reads answers: status, header fields and body under bounds, from octets as they arrive. Pure.
//!
//! Interim answers (1xx) are skipped. The body comes out decoded, both from its transfer coding and from its content
//! coding. Driven by `client`; decides nothing about redirections or authentication.

use super::coding::Unpacker;
pub use super::head::{Bad, Headers};

/// The bounds of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of all lines that are not body: status, fields, trailers, chunk sizes of one answer's heads.
    pub head: usize,
    /// Header fields, trailers included.
    pub fields: usize,
    /// Octets of body, after decompression.
    pub body: u64,
}

impl Default for Limits {
    /// Ample for an ACS: 64 KiB of head, 128 fields, 4 MiB of body.
    fn default() -> Limits {
        Limits { head: 64 * 1024, fields: 128, body: 4 * 1024 * 1024 }
    }
}

/// Longest line that announces a chunk, in octets.
const MAX_CHUNK_LINE: usize = 1024;
/// Most interim answers before the real one.
const MAX_INTERIM: u8 = 8;

/// The head of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The status code, 200 to 599 in practice.
    pub status: u16,
    /// The minor version of HTTP/1.
    pub minor: u8,
    /// The fields; trailers are added behind them.
    pub headers: Headers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Status,
    Fields,
    Fixed(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    UntilClose,
    Done,
}

/// One answer on its way in.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    state: State,
    line: Vec<u8>,
    head_room: usize,
    body_room: u64,
    interim: u8,
    head: Head,
    unpacker: Unpacker,
    delimited: bool,
    touched: bool,
}

impl Decoder {
    /// For the answer to a request other than HEAD.
    pub fn new(limits: Limits) -> Decoder {
        Decoder {
            limits,
            state: State::Status,
            line: Vec::new(),
            head_room: limits.head,
            body_room: limits.body,
            interim: 0,
            head: Head::default(),
            unpacker: Unpacker::Identity,
            delimited: true,
            touched: false,
        }
    }

    /// The head, once it is complete.
    pub fn head(&self) -> Option<&Head> {
        (!matches!(self.state, State::Status | State::Fields)).then_some(&self.head)
    }

    /// Whether the answer is complete.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether any octet of an answer has come.
    pub fn has_begun(&self) -> bool {
        self.touched
    }

    /// The complete head.
    pub fn into_head(self) -> Head {
        self.head
    }

    /// Whether the connection may carry another exchange after this answer.
    //= TR-069 3.4.2: the connection is kept for the session unless the ACS closes it.
    pub fn keeps_connection(&self) -> bool {
        let headers = &self.head.headers;
        let kept = self.head.minor >= 1 || headers.lists("Connection", "keep-alive");
        self.is_done() && self.delimited && kept && !headers.lists("Connection", "close")
    }

    /// Says that the connection is good for this answer only: the request was not sent to its end.
    pub fn owe_request(&mut self) {
        self.delimited = false;
    }

    /// Takes octets; decoded body is put at the end of `body`. Returns how many octets belong to this answer: fewer
    /// than given only once it is complete.
    pub fn feed(&mut self, data: &[u8], body: &mut Vec<u8>) -> Result<usize, Bad> {
        let mut rest = data;
        self.touched |= !data.is_empty();
        while !rest.is_empty() && self.state != State::Done {
            rest = match self.state {
                State::Fixed(left) | State::Chunk(left) => {
                    let size = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let (part, after) = rest.split_at(size);
                    self.unpacker.feed(part, body, &mut self.body_room)?;
                    self.advance(left - size as u64)?;
                    after
                }
                State::UntilClose => {
                    self.unpacker.feed(rest, body, &mut self.body_room)?;
                    &[]
                }
                _ => self.feed_line(rest)?,
            };
        }
        // Octets nobody asked for: they are not the answer to whatever is sent next.
        self.delimited &= rest.is_empty();
        Ok(data.len() - rest.len())
    }

    /// Says that the connection has ended.
    pub fn end(&mut self) -> Result<(), Bad> {
        match self.state {
            State::Done => Ok(()),
            State::UntilClose => self.finish(),
            _ => Err(Bad::Truncated),
        }
    }

    fn advance(&mut self, left: u64) -> Result<(), Bad> {
        self.state = match self.state {
            State::Fixed(_) if left == 0 => return self.finish(),
            State::Fixed(_) => State::Fixed(left),
            State::Chunk(_) if left == 0 => State::ChunkEnd,
            State::Chunk(_) => State::Chunk(left),
            other => other,
        };
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Bad> {
        self.state = State::Done;
        self.unpacker.end()
    }

    /// Collects one line and, when it is complete, takes it. Returns what follows it.
    fn feed_line<'a>(&mut self, data: &'a [u8]) -> Result<&'a [u8], Bad> {
        let end = data.iter().position(|c| *c == b'\n');
        let (part, rest) = data.split_at(end.map_or(data.len(), |at| at + 1));
        let chunk_line = matches!(self.state, State::ChunkSize | State::ChunkEnd);
        let room = if chunk_line { MAX_CHUNK_LINE.saturating_sub(self.line.len()) } else { self.head_room };
        if part.len() > room {
            return Err(Bad::TooLarge("the answer's head"));
        }
        if !chunk_line {
            self.head_room -= part.len();
        }
        self.line.extend_from_slice(part);
        if end.is_some() {
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            self.take_line(line.strip_suffix(b"\r").unwrap_or(line))?;
        }
        Ok(rest)
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), Bad> {
        match (self.state, line) {
            (State::Status, b"") => {}
            (State::Status, line) => {
                (self.head.minor, self.head.status) = status_line(line)?;
                self.state = State::Fields;
            }
            (State::Fields, b"") => self.begin_body()?,
            (State::Trailers, b"") => self.finish()?,
            (State::Fields | State::Trailers, line) => {
                self.head.headers.take(line)?;
                if self.head.headers.len() > self.limits.fields {
                    return Err(Bad::TooLarge("the number of headers"));
                }
            }
            (State::ChunkSize, line) => {
                self.state = match chunk_size(line)? {
                    0 => State::Trailers,
                    size => State::Chunk(size),
                };
            }
            (State::ChunkEnd, b"") => self.state = State::ChunkSize,
            (State::ChunkEnd, _) => return Err(Bad::Framing("a chunk longer than announced")),
            (State::Fixed(_) | State::Chunk(_) | State::UntilClose | State::Done, _) => {}
        }
        Ok(())
    }

    //= RFC 7230 3.3.3: what the body's end is, in the order of precedence.
    fn begin_body(&mut self) -> Result<(), Bad> {
        let headers = &self.head.headers;
        match self.head.status {
            101 => return Err(Bad::Head("a change of protocol nobody asked for")),
            100..200 => {
                self.interim += 1;
                if self.interim > MAX_INTERIM {
                    return Err(Bad::TooLarge("the number of interim answers"));
                }
                self.head = Head::default();
                self.state = State::Status;
                return Ok(());
            }
            204 | 304 => return self.finish(),
            _ => {}
        }
        let coding = headers.all("Content-Encoding").collect::<Vec<_>>().join(",");
        self.unpacker = Unpacker::named(&coding)?;
        let transfer = headers.all("Transfer-Encoding").collect::<Vec<_>>().join(",").to_ascii_lowercase();
        if !transfer.is_empty() {
            match transfer.trim() {
                "chunked" => self.state = State::ChunkSize,
                "identity" => self.until_close(),
                _ => return Err(Bad::Framing("a transfer coding other than chunked")),
            }
            return Ok(());
        }
        let Some(length) = content_length(headers)? else {
            self.until_close();
            return Ok(());
        };
        if length == 0 {
            return self.finish();
        }
        if length > self.limits.body {
            return Err(Bad::TooLarge("the answer's body"));
        }
        self.state = State::Fixed(length);
        Ok(())
    }

    fn until_close(&mut self) {
        self.delimited = false;
        self.state = State::UntilClose;
    }
}

/// The one length that all `Content-Length` fields agree on.
fn content_length(headers: &Headers) -> Result<Option<u64>, Bad> {
    let mut lengths = headers.all("Content-Length").flat_map(|v| v.split(',')).map(str::trim);
    let Some(first) = lengths.next() else { return Ok(None) };
    if lengths.any(|other| other != first) {
        return Err(Bad::Framing("several lengths that differ"));
    }
    let digits = !first.is_empty() && first.bytes().all(|c| c.is_ascii_digit());
    first.parse().ok().filter(|_| digits).map(Some).ok_or(Bad::Framing("a length that is no number"))
}

fn status_line(line: &[u8]) -> Result<(u8, u16), Bad> {
    let text = line.get(..12).and_then(|t| std::str::from_utf8(t).ok()).unwrap_or_default();
    let end = line.get(12).is_none_or(|c| *c == b' ');
    let code = |text: &str| text.parse::<u16>().ok().filter(|c| (100..600).contains(c));
    let parsed = match text.split_once(' ') {
        Some(("HTTP/1.1", status)) => code(status).map(|c| (1, c)),
        Some(("HTTP/1.0", status)) => code(status).map(|c| (0, c)),
        Some(_) | None => None,
    };
    parsed.filter(|_| end).ok_or(Bad::Head("the answer does not begin with a status line"))
}

fn chunk_size(line: &[u8]) -> Result<u64, Bad> {
    let text = std::str::from_utf8(line).unwrap_or_default();
    let digits = text.split(';').next().unwrap_or_default().trim();
    let hex = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| hex).ok_or(Bad::Framing("a chunk size that is no number"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { head: 400, fields: 6, body: 100 };

    /// Status, body, octets taken, whether the connection stays usable.
    type Outcome = Result<(u16, String, usize, bool), Bad>;

    fn read(text: &[u8], step: usize, close: bool) -> Outcome {
        let mut decoder = Decoder::new(LIMITS);
        let mut body = Vec::new();
        let mut taken = 0;
        for part in text.chunks(step) {
            taken += decoder.feed(part, &mut body)?;
        }
        if close {
            decoder.end()?;
        }
        let head = decoder.head().cloned().unwrap_or_default();
        let text = String::from_utf8(body).unwrap();
        Ok((head.status, text, taken, decoder.keeps_connection()))
    }

    //= RFC 7230 3.3.3
    #[test]
    fn every_framing_is_read_however_the_octets_are_cut() {
        for (text, close, status, body, left, kept) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcNEXT", false, 200, "abc", 4, false),
            ("HTTP/1.1 200\r\ncontent-length:0\r\n\r\n", false, 200, "", 0, true),
            ("HTTP/1.1 204 No\r\nContent-Length: 9\r\n\r\n", false, 204, "", 0, true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\na", false, 200, "a", 0, false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", false, 200, "a", 0, false),
            (
                "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\na",
                false,
                200,
                "a",
                0,
                true,
            ),
            ("HTTP/1.1 200 OK\r\n\r\nall of it", true, 200, "all of it", 0, false),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno",
                false,
                401,
                "no",
                0,
                true,
            ),
            ("\r\nHTTP/1.1 500 Oops\nContent-Length: 2\n\nno", false, 500, "no", 0, true),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\nT: 1\r\n\r\n",
                false,
                200,
                "abcde",
                0,
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\nok",
                false,
                200,
                "ok",
                0,
                true,
            ),
        ] {
            for step in [1, 2, 5, text.len()] {
                let got = read(text.as_bytes(), step, close);
                assert_eq!(got, Ok((status, body.to_owned(), text.len() - left, kept)), "{text:?} by {step}");
            }
        }
    }

    #[test]
    fn malformed_cut_and_oversized_answers_are_refused() {
        let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n", "h".repeat(500));
        let endless_line = "x".repeat(500);
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(7));
        let interim = "HTTP/1.1 100 Go\r\n\r\n".repeat(9);
        let chunks = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            "a\r\n0123456789\r\n".repeat(11)
        );
        let chunk_line =
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;{}", "e".repeat(2000));
        for (text, what) in [
            ("HTTP/2 200 OK\r\n", "a status line of another version"),
            ("SSH-2.0-dropbear\r\n", "another protocol"),
            ("HTTP/1.1 099 OK\r\n", "no status"),
            ("HTTP/1.1 2000 OK\r\n", "four digits"),
            ("HTTP/1.1 101 Switch\r\n\r\n", "an upgrade"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n", "two lengths"),
            ("HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n", "a negative length"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", "a length beyond the bound"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "a length beyond 64 bits"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "another transfer coding"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "a negative chunk"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "a chunk too long"),
            (
                "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\n",
                "another content coding",
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "a short body"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "chunks without an end"),
            ("HTTP/1.1 200", "half a head"),
            ("", "nothing"),
            (&long, "a long head"),
            (&endless_line, "a line without an end"),
            (&many, "many fields"),
            (&interim, "many interim answers"),
            (&chunks, "a body beyond the bound"),
            (&chunk_line, "a long chunk line"),
        ] {
            for step in [1, 1000] {
                assert!(read(text.as_bytes(), step, true).is_err(), "{what}");
            }
        }
    }

    #[test]
    fn a_compressed_chunked_body_comes_out_plain() {
        let text = b"hello hello hello hello hello";
        let mut once = Some(text);
        let packed = super::super::coding::Coding::Gzip
            .encode(|out| Ok(once.take().map(|t| out.extend_from_slice(t)).is_some()))
            .unwrap();
        let mut wire =
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for part in packed.chunks(7) {
            wire.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
            wire.extend_from_slice(part);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b"0\r\n\r\n");
        assert_eq!(read(&wire, 3, false).unwrap().1.as_bytes(), text);
    }
}
