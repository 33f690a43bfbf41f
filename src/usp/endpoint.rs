//! Endpoint identifiers: `scheme:[authority]:instance`, what may stand in them and how they are written elsewhere.
//!
//! Names an end of a USP conversation and nothing more; whether a peer is who it says is decided by certificates.

use std::fmt;

/// Most characters of the last part.
//= TR-369 R-ARC.6: the instance-id has at most 50 characters.
pub const MAX_INSTANCE: usize = 50;
/// What stands in front of an identifier in a certificate.
pub const URN: &str = "urn:bbf:usp:id:";

/// What the middle part of an identifier may be.
#[derive(Clone, Copy)]
enum Authority {
    /// Hexadecimal digits, in one of these numbers.
    Hex(&'static [usize]),
    /// A decimal number.
    Decimal,
    /// Nothing.
    Empty,
    /// This many characters that need no escape, at most.
    Short(usize),
}

//= TR-369 R-ARC.2a: each scheme says what its middle part is.
const SCHEMES: [(&str, Authority); 12] = [
    ("oui", Authority::Hex(&[6, 7, 9])),
    ("cid", Authority::Hex(&[6])),
    ("pen", Authority::Decimal),
    ("self", Authority::Short(6)),
    ("user", Authority::Short(6)),
    ("os", Authority::Empty),
    ("ops", Authority::Empty),
    ("uuid", Authority::Empty),
    ("imei", Authority::Empty),
    ("proto", Authority::Short(6)),
    ("doc", Authority::Short(6)),
    ("fqdn", Authority::Empty),
];

/// The identifier of an end. Compared as it is written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(Box<str>);

impl EndpointId {
    /// Reads an identifier such as `os::00256D-A1B2C3`.
    ///
    /// `None` for one without its two colons, with an unknown scheme, a middle part that the scheme does not have,
    /// an empty or too long last part, or a character that must be escaped.
    pub fn parse(text: &str) -> Option<EndpointId> {
        let mut parts = text.splitn(3, ':');
        let (scheme, authority, instance) = (parts.next()?, parts.next()?, parts.next()?);
        let (_, kind) = SCHEMES.iter().find(|(known, _)| *known == scheme)?;
        let fits = match kind {
            Authority::Hex(lengths) => {
                lengths.contains(&authority.len()) && authority.bytes().all(|b| b.is_ascii_hexdigit())
            }
            Authority::Decimal => !authority.is_empty() && authority.bytes().all(|b| b.is_ascii_digit()),
            Authority::Empty => authority.is_empty(),
            Authority::Short(most) => authority.len() <= *most && authority.chars().all(is_plain),
        };
        let sized = (1..=MAX_INSTANCE).contains(&instance.len());
        (fits && sized && is_escaped(instance)).then(|| EndpointId(text.into()))
    }

    /// The identifier of a router by who made it and its serial number: `os::OUI-SERIAL`.
    ///
    /// `None` where a part is missing or the whole is too long.
    pub fn of_serial(oui: &str, serial: &str) -> Option<EndpointId> {
        if oui.is_empty() || serial.is_empty() {
            return None;
        }
        EndpointId::parse(&format!("os::{}-{}", escape(oui), escape(serial)))
    }

    /// As [`EndpointId::of_serial`], with the class of product: `ops::OUI-CLASS-SERIAL`.
    pub fn of_product(oui: &str, class: &str, serial: &str) -> Option<EndpointId> {
        if oui.is_empty() || class.is_empty() || serial.is_empty() {
            return None;
        }
        EndpointId::parse(&format!("ops::{}-{}-{}", escape(oui), escape(class), escape(serial)))
    }

    /// Reads the form in a certificate, with [`URN`] in front.
    pub fn from_urn(text: &str) -> Option<EndpointId> {
        // The name of a URN's space is compared without case; the rest is the identifier's own.
        let (space, id) = text.split_at_checked(URN.len())?;
        if !space.eq_ignore_ascii_case(URN) {
            return None;
        }
        // An empty middle part is met without its colon too, as other agents write it; no other id looks like that.
        EndpointId::parse(id).or_else(|| EndpointId::parse(&id.replacen(':', "::", 1)))
    }

    /// The form in a certificate.
    pub fn urn(&self) -> String {
        format!("{URN}{}", self.0)
    }

    /// The value of `eid=` in a WebSocket's address.
    //= TR-369 R-WS.10c: a % of the identifier is sent as %25.
    pub fn query_value(&self) -> String {
        self.0.replace('%', "%25")
    }

    /// Reads the value of `eid=`: percent escapes are undone once, then it must be an identifier.
    pub fn from_query_value(text: &str) -> Option<EndpointId> {
        EndpointId::parse(&unescape(text)?)
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The scheme, such as `os`.
    pub fn scheme(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }

    /// Whether it may name something outside of a laboratory.
    //= TR-369 R-ARC.4: the schemes proto and doc are not for production.
    //= TR-369 R-ARC.3: the Forum's own OUI and enterprise number are nobody else's.
    pub fn is_for_production(&self) -> bool {
        let mut parts = self.0.splitn(3, ':');
        match (parts.next(), parts.next()) {
            (Some("proto" | "doc"), _) => false,
            (Some("oui"), Some(oui)) => !oui.eq_ignore_ascii_case("00256D"),
            (Some("pen"), Some(number)) => number != "3561",
            _ => true,
        }
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

//= TR-369 R-ARC.5: letters, digits, - . _ and %HH; all else is escaped.
fn is_escaped(instance: &str) -> bool {
    let mut rest = instance.bytes();
    while let Some(byte) = rest.next() {
        let hex = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_hexdigit());
        let fits = if byte == b'%' { hex(rest.next()) && hex(rest.next()) } else { is_plain(byte.into()) };
        if !fits {
            return false;
        }
    }
    true
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._".contains(c)
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain(byte.into()) {
            out.push(byte.into());
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let value = digit(rest.next())? * 16 + digit(rest.next())?;
            out.push(u8::try_from(value).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    //= TR-369 R-ARC.2a: each scheme says what its middle part is.
    //= TR-369 R-ARC.5: letters, digits, - . _ and %HH; all else is escaped.
    //= TR-369 R-ARC.6: the instance-id has at most 50 characters.
    #[test]
    fn an_identifier_has_a_scheme_its_authority_and_an_escaped_instance() {
        let (fits, too_long) = ("a".repeat(50), "a".repeat(51));
        for (text, want) in [
            ("os::00256D-A1B2C3", true),
            ("os:x:00256D-A1B2C3", false),
            ("oui:00256D:my-unique-id", true),
            ("oui:00256:x", false),
            ("oui:00256G:x", false),
            ("oui:ABCDEF012:x", true),
            ("cid:ABCDEF0:x", false),
            ("pen:3561:x", true),
            ("pen::x", false),
            ("pen:12a:x", false),
            ("self::controller.example", true),
            ("self:abcdef:x", true),
            ("self:abcdefg:x", false),
            ("proto::demo_1", true),
            ("fqdn::cpe.example", true),
            ("uuid::f81d4fae-7dec-11d0-a765-00a0c91e6bf6", true),
            ("os::A%20B", true),
            ("os::A%2", false),
            ("os::A%2G", false),
            ("os::A B", false),
            ("os::A:B", false),
            ("os::Ä", false),
            ("os::", false),
            ("os:A", false),
            ("other::A", false),
            ("", false),
            ("::", false),
            (&format!("os::{fits}"), true),
            (&format!("os::{too_long}"), false),
        ] {
            assert_eq!(EndpointId::parse(text).is_some(), want, "{text}");
        }
    }

    #[test]
    fn a_router_is_named_by_its_maker_and_serial_number_with_what_must_be_escaped() {
        for (oui, serial, want) in [
            ("00256D", "A1 B2", Some("os::00256D-A1%20B2")),
            ("00256D", "ä%", Some("os::00256D-%C3%A4%25")),
            ("00256D", "", None),
            ("", "A1", None),
            ("00256D", &"x".repeat(44), None),
        ] {
            assert_eq!(EndpointId::of_serial(oui, serial).as_ref().map(EndpointId::as_str), want);
        }
        let id = EndpointId::of_product("00256D", "BPI R3", "7").unwrap();
        assert_eq!((id.as_str(), id.scheme()), ("ops::00256D-BPI%20R3-7", "ops"));
        assert_eq!(EndpointId::of_product("00256D", "", "7"), None);
    }

    //= TR-369 R-WS.10c: a % of the identifier is sent as %25.
    #[test]
    fn certificates_and_addresses_write_it_in_their_own_way() {
        let id = EndpointId::parse("os::A%21").unwrap();
        assert_eq!(id.urn(), "urn:bbf:usp:id:os::A%21");
        assert_eq!(EndpointId::from_urn(&id.urn()), Some(id.clone()));
        assert_eq!(EndpointId::from_urn("URN:BBF:USP:ID:os::A%21"), Some(id.clone()));
        assert_eq!(EndpointId::from_urn("urn:bbf:usp:id:os:A%21"), Some(id.clone()));
        assert_eq!(EndpointId::from_urn("os::A%21"), None);
        assert_eq!(id.query_value(), "os::A%2521");
        assert_eq!(EndpointId::from_query_value("os%3A%3AA%2521"), Some(id));
        for broken in ["os::A%", "os::A%2521%zz", "os::%FF"] {
            assert_eq!(EndpointId::from_query_value(broken), None, "{broken}");
        }
    }

    //= TR-369 R-ARC.3: the Forum's own OUI and enterprise number are nobody else's.
    //= TR-369 R-ARC.4: the schemes proto and doc are not for production.
    #[test]
    fn laboratory_names_and_those_of_the_forum_are_told_apart() {
        for (text, want) in [
            ("proto::x", false),
            ("doc::x", false),
            ("oui:00256d:x", false),
            ("pen:3561:x", false),
            ("oui:ABCDEF:x", true),
            ("os::x", true),
        ] {
            assert_eq!(EndpointId::parse(text).unwrap().is_for_production(), want, "{text}");
        }
    }
}
