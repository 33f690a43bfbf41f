//! STUN messages as TR-069 uses them: RFC 3489, IPv4, with the Broadband Forum's attributes. Pure.
//!
//! Writes Binding Requests, reads answers. What to send when is `binding`'s.

use crate::digest::hmac_sha1;
use std::net::{Ipv4Addr, SocketAddrV4};

/// Longest message read, in octets.
pub const MAX_MESSAGE: usize = 1500;
/// Longest user name sent, in octets, padding included.
pub const MAX_NAME: usize = 512;

const BINDING_REQUEST: u16 = 0x0001;
const BINDING_RESPONSE: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;

const MAPPED_ADDRESS: u16 = 0x0001;
const RESPONSE_ADDRESS: u16 = 0x0002;
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const CONNECTION_REQUEST_BINDING: u16 = 0xc001;
const BINDING_CHANGE: u16 = 0xc002;

/// The value that marks a request about the binding for connection requests.
//= TR-069 G.2.1.3: twenty octets, the last one a space.
const BINDING_MARK: &[u8; 20] = b"dslforum.org/TR-111 ";
const HEADER: usize = 20;
const COOKIE: u32 = 0x2112_a442;

/// What tells an answer's request: 128 random bits.
pub type Transaction = [u8; 16];

/// How the user name is filled up to a multiple of four octets, and how the message is hashed with it.
///
/// RFC 3489 asks for a multiple of four without saying how, so servers differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Trailing spaces; hash over the message filled with zeros to 64 octets.
    //= TR-069 G.2.1.1: the user name is filled up with spaces.
    #[default]
    Spaces,
    /// Trailing zeros within the value; hash as above.
    Zeros,
    /// The name's own length, zeros behind the value; hash over the message as it is (RFC 5389).
    Outside,
}

impl Form {
    /// All forms, in the order tried.
    pub const ALL: [Form; 3] = [Form::Spaces, Form::Zeros, Form::Outside];
}

/// A Binding Request.
#[derive(Clone, Debug, Default)]
pub struct Request<'a> {
    /// Its transaction.
    pub transaction: Transaction,
    /// Where the answer is to go, if not to the sender.
    pub response_address: Option<SocketAddrV4>,
    /// Whether it is about the binding for connection requests.
    pub marked: bool,
    /// Whether that binding has changed.
    pub changed: bool,
    /// The user name; not sent when empty.
    pub username: &'a str,
    /// The password, if the message is to be signed.
    pub password: Option<&'a str>,
    /// How the name is written.
    pub form: Form,
}

impl Request<'_> {
    /// The message as sent. A name too long to send is left out.
    pub fn octets(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        out.extend_from_slice(&BINDING_REQUEST.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&self.transaction);
        if let Some(to) = self.response_address {
            let [p1, p2] = to.port().to_be_bytes();
            let [a, b, c, d] = to.ip().octets();
            attribute(&mut out, RESPONSE_ADDRESS, &[0, 1, p1, p2, a, b, c, d]);
        }
        if self.marked {
            attribute(&mut out, CONNECTION_REQUEST_BINDING, BINDING_MARK);
        }
        if self.changed {
            attribute(&mut out, BINDING_CHANGE, &[]);
        }
        let named = !self.username.is_empty() && self.username.len() + 3 <= MAX_NAME;
        if named {
            let mut name = self.username.as_bytes().to_vec();
            let full = name.len().next_multiple_of(4);
            match self.form {
                Form::Spaces => name.resize(full, b' '),
                Form::Zeros => name.resize(full, 0),
                Form::Outside => {}
            }
            attribute(&mut out, USERNAME, &name);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        let signed = self.password.filter(|_| named);
        let length = out.len() - HEADER + if signed.is_some() { 24 } else { 0 };
        if let Some(place) = out.get_mut(2..4) {
            place.copy_from_slice(&u16::try_from(length).unwrap_or_default().to_be_bytes());
        }
        if let Some(password) = signed {
            let mut text = out.clone();
            if self.form != Form::Outside {
                //= RFC 3489 11.2.8: the text is filled with zeros to a multiple of 64 octets.
                text.resize(text.len().next_multiple_of(64), 0);
            }
            attribute(&mut out, MESSAGE_INTEGRITY, &hmac_sha1(password.as_bytes(), &text));
        }
        out
    }
}

fn attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
    out.extend_from_slice(value);
}

/// An answer to a Binding Request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The address the server saw.
    Mapped(SocketAddrV4),
    /// An error and its code, such as 401.
    Error(u16),
}

/// Reads an answer; `None` if `octets` are not one.
pub fn answer(octets: &[u8]) -> Option<(Transaction, Outcome)> {
    let (header, attributes) = octets.split_at_checked(HEADER).filter(|_| octets.len() <= MAX_MESSAGE)?;
    let kind = u16::from_be_bytes(header.first_chunk().copied()?);
    let length = usize::from(u16::from_be_bytes(header.get(2..4)?.try_into().ok()?));
    let transaction: Transaction = header.get(4..)?.try_into().ok()?;
    let attributes = attributes.get(..length)?;
    // RFC 3489 does not fill up values, its successors do, to four octets.
    let filled = length % 4 == 0;
    let mut rest = attributes;
    let (mut mapped, mut error) = (None, None);
    while let Some((head, after)) = rest.split_first_chunk::<4>() {
        let [k1, k2, s1, s2] = *head;
        let size = usize::from(u16::from_be_bytes([s1, s2]));
        let Some(value) = after.get(..size) else { break };
        match (u16::from_be_bytes([k1, k2]), value) {
            (MAPPED_ADDRESS, value) => mapped = mapped.or(address(value)),
            (XOR_MAPPED_ADDRESS, value) => {
                mapped = mapped.or(address(value).map(|a| {
                    let ip = Ipv4Addr::from(u32::from(*a.ip()) ^ COOKIE);
                    SocketAddrV4::new(ip, a.port() ^ (COOKIE >> 16) as u16)
                }));
            }
            (ERROR_CODE, [_, _, class, number, ..]) => {
                error = Some(u16::from(class & 7) * 100 + u16::from(*number));
            }
            _ => {}
        }
        let step = if filled { size.next_multiple_of(4) } else { size };
        rest = after.get(step..).unwrap_or_default();
    }
    let outcome = match kind {
        BINDING_RESPONSE => Outcome::Mapped(mapped?),
        BINDING_ERROR => Outcome::Error(error?),
        _ => return None,
    };
    Some((transaction, outcome))
}

fn address(value: &[u8]) -> Option<SocketAddrV4> {
    let [_, 1, p1, p2, a, b, c, d] = *value else { return None };
    Some(SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([p1, p2])))
}

#[doc(hidden)]
/// Feeds arbitrary octets to the readers of datagrams; returns at all times.
pub fn exercise(octets: &[u8]) {
    let _ = answer(octets);
    let credentials = crate::digest::client::Credentials {
        username: "user".into(),
        password: crate::secret::Secret::new("word"),
    };
    let _ = super::udp::Gate::default().check(&credentials, octets);
    super::binding::exercise(octets);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::digest::hex;

    const ID: Transaction = *b"0123456789abcdef";

    fn message(kind: u16, attributes: &[(u16, &[u8])], fill: bool) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, value) in attributes {
            attribute(&mut body, *kind, value);
            if fill {
                body.resize(body.len().next_multiple_of(4), 0);
            }
        }
        let mut out = kind.to_be_bytes().to_vec();
        out.extend_from_slice(&(body.len() as u16).to_be_bytes());
        out.extend_from_slice(&ID);
        out.extend_from_slice(&body);
        out
    }

    //= TR-069 G.2.1.1, G.2.1.3
    #[test]
    fn a_request_carries_what_it_is_about() {
        let header = format!("0001{{}}{}", hex(&ID));
        let mark = format!("c0010014{}", hex(BINDING_MARK));
        let base = Request { transaction: ID, ..Request::default() };
        for (request, length, attributes) in [
            (base.clone(), "0000", String::new()),
            (Request { marked: true, ..base.clone() }, "0018", mark.clone()),
            (Request { marked: true, changed: true, ..base.clone() }, "001c", format!("{mark}c0020000")),
            (
                Request { response_address: Some("1.2.3.4:258".parse().unwrap()), ..base.clone() },
                "000c",
                "0002000800010102010203 04".replace(' ', ""),
            ),
            (Request { username: "abcde", ..base.clone() }, "000c", "000600086162636465202020".into()),
            (
                Request { username: "abcde", form: Form::Zeros, ..base.clone() },
                "000c",
                "000600086162636465000000".into(),
            ),
            (
                Request { username: "abcde", form: Form::Outside, ..base.clone() },
                "000c",
                "000600056162636465000000".into(),
            ),
            (Request { password: Some("p"), ..base.clone() }, "0000", String::new()),
        ] {
            let want = format!("{}{attributes}", header.replace("{}", length));
            assert_eq!(hex(&request.octets()), want, "{request:?}");
        }
    }

    //= RFC 3489 11.2.8
    #[test]
    fn a_signature_is_the_last_attribute_and_covers_all_before_it() {
        for form in Form::ALL {
            let request = Request {
                username: "user",
                password: Some("pass"),
                form,
                marked: true,
                ..Request::default()
            };
            let octets = request.octets();
            let (text, end) = octets.split_at(octets.len() - 24);
            assert_eq!(hex(&end[..4]), "00080014");
            assert_eq!(u16::from_be_bytes([octets[2], octets[3]]) as usize, octets.len() - 20);
            let mut text = text.to_vec();
            if form != Form::Outside {
                text.resize(64, 0);
            }
            assert_eq!(end[4..], hmac_sha1(b"pass", &text));
        }
    }

    #[test]
    fn answers_of_old_and_new_servers_are_read() {
        let here = [0, 1, 0x9c, 0x41, 203, 0, 113, 7];
        let hidden = [0, 1, 0x9c ^ 0x21, 0x41 ^ 0x12, 203 ^ 0x21, 0x12, 113 ^ 0xa4, 7 ^ 0x42];
        let mapped = Outcome::Mapped("203.0.113.7:40001".parse().unwrap());
        for (octets, want) in [
            (message(0x0101, &[(1, &here)], false), Some(mapped)),
            (message(0x0101, &[(4, &[0; 8]), (0x8022, b"odd name"), (0x20, &hidden)], true), Some(mapped)),
            (message(0x0101, &[(0x8022, b"server"), (1, &here)], true), Some(mapped)),
            (message(0x0101, &[(0x8022, b"serve"), (1, &here)], false), Some(mapped)),
            (message(0x0111, &[(9, b"\0\0\x04\x01No")], true), Some(Outcome::Error(401))),
            (message(0x0111, &[(9, b"\0\0\x04\x1eUnauthorized")], false), Some(Outcome::Error(430))),
            (message(0x0101, &[], false), None),
            (message(0x0101, &[(1, &[0, 2, 0, 0, 1, 2, 3, 4])], false), None),
            (message(0x0111, &[(9, &[0])], false), None),
            (message(0x0001, &[(1, &here)], false), None),
            (message(0x0101, &[(1, &here)], false)[..30].to_vec(), None),
            (b"GET http://x?ts=1 HTTP/1.1\r\n\r\n".to_vec(), None),
            (Vec::new(), None),
        ] {
            assert_eq!(answer(&octets), want.map(|w| (ID, w)), "{}", hex(&octets));
        }
    }

    #[test]
    fn every_corpus_entry_is_survived() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz_corpus/stun");
        let entries: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
        assert!(entries.len() >= 5);
        for entry in entries {
            exercise(&std::fs::read(entry.unwrap().path()).unwrap());
        }
    }
}
