//! What rustls does not tell of a certificate: dates, public key, issuer, serial number, names, whether it may sign.
//!
//! Checks nothing: the certificate has been or will be verified by others.

use crate::time::Wall;
use std::net::IpAddr;

/// What is taken from a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// notBefore.
    pub not_before: Wall,
    /// notAfter.
    pub not_after: Wall,
    /// SubjectPublicKeyInfo, its tag and length included; what key pins are the hash of (RFC 7469 2.4).
    pub public_key: &'a [u8],
    /// The serial number's octets.
    pub serial: &'a [u8],
    /// The issuer's name: the relative names, without their outer tag.
    pub issuer: &'a [u8],
    /// The extensions, without their outer tags; empty where there are none.
    extensions: &'a [u8],
}

/// Most alternative names and parts of a name that are read.
pub const MAX_NAMES: usize = 64;
/// Longest printed name, in octets.
const MAX_PRINTED: usize = 1024;
/// Longest certificate that is kept, in octets; 4096 characters of base64.
pub const MAX_KEPT: usize = 3072;

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT: u8 = 0x06;
const SET: u8 = 0x31;
const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
const UNIQUE_IDS: [u8; 2] = [0x81, 0x82];
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const URI: u8 = 0x86;
const IP_ADDRESS: u8 = 0x87;
/// 2.5.29.17, subjectAltName.
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
/// 2.5.29.19, basicConstraints.
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
/// Attribute types with a short name. Source: RFC 4514 3.
const ATTRIBUTES: [(&[u8], &str); 7] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
];

/// Reads a DER certificate; `None` if it is not one. Source: RFC 5280 4.1.
pub fn certificate(der: &[u8]) -> Option<Certificate<'_>> {
    let (outer, _) = element(der, SEQUENCE)?;
    let (mut tbs, _) = element(outer.content, SEQUENCE)?;
    if let Some((_, rest)) = element(tbs.content, VERSION) {
        tbs.content = rest;
    }
    let (serial, rest) = element(tbs.content, INTEGER)?;
    let (_algorithm, rest) = element(rest, SEQUENCE)?;
    let (issuer, rest) = element(rest, SEQUENCE)?;
    let (validity, rest) = element(rest, SEQUENCE)?;
    let (_subject, rest) = element(rest, SEQUENCE)?;
    let (public_key, mut rest) = element(rest, SEQUENCE)?;
    let (not_before, after) = time(validity.content)?;
    let (not_after, _) = time(after)?;
    for tag in UNIQUE_IDS {
        rest = element(rest, tag).map_or(rest, |(_, after)| after);
    }
    let extensions = match element(rest, EXTENSIONS) {
        Some((tagged, _)) => element(tagged.content, SEQUENCE)?.0.content,
        None => &[],
    };
    Some(Certificate {
        not_before,
        not_after,
        public_key: public_key.whole,
        serial: serial.content,
        issuer: issuer.content,
        extensions,
    })
}

/// The DER of the one certificate of a PEM text; `None` where there is none, or more than one. Source: RFC 7468.
pub fn from_pem(text: &str) -> Option<Vec<u8>> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let (_, rest) = text.split_once(BEGIN)?;
    let (body, rest) = rest.split_once(END)?;
    if rest.contains(BEGIN) {
        return None;
    }
    crate::digest::unbase64(body)
}

impl Certificate<'_> {
    /// The serial number in upper-case hex, without the octet that only keeps it positive.
    pub fn serial_hex(&self) -> String {
        let octets = match self.serial {
            [0, rest @ ..] if !rest.is_empty() => rest,
            whole => whole,
        };
        crate::digest::hex(octets).to_ascii_uppercase()
    }

    /// The issuer's name, the most specific part first. Source: RFC 4514 2.
    pub fn issuer_name(&self) -> String {
        let mut parts = Vec::new();
        let mut rest = self.issuer;
        while let Some((set, after)) = element(rest, SET)
            && parts.len() < MAX_NAMES
        {
            let printed: Vec<String> = Sequences(set.content).take(MAX_NAMES).filter_map(attribute).collect();
            parts.push(printed.join("+"));
            rest = after;
        }
        parts.reverse();
        let mut name = parts.join(",");
        while name.len() > MAX_PRINTED {
            name.pop();
        }
        name
    }

    /// The names of subjectAltName that are URIs.
    pub fn uris(&self) -> Vec<&str> {
        self.alternatives(|tag, octets| (tag == URI).then(|| ascii(octets))?)
    }

    /// The names of subjectAltName that are dNSNames.
    pub fn dns_names(&self) -> Vec<&str> {
        self.alternatives(|tag, octets| (tag == DNS_NAME).then(|| ascii(octets))?)
    }

    /// The names and addresses of subjectAltName that a server may be asked for by, for a person to read.
    pub fn names(&self) -> Vec<String> {
        self.alternatives(|tag, octets| match tag {
            DNS_NAME => ascii(octets).map(str::to_owned),
            IP_ADDRESS => match octets.len() {
                4 => Some(IpAddr::from(<[u8; 4]>::try_from(octets).ok()?).to_string()),
                _ => Some(IpAddr::from(<[u8; 16]>::try_from(octets).ok()?).to_string()),
            },
            _ => None,
        })
    }

    /// Whether it may sign others: basicConstraints say so. Source: RFC 5280 4.2.1.9.
    pub fn is_authority(&self) -> bool {
        let value = self.extension(BASIC_CONSTRAINTS).and_then(|value| element(value, SEQUENCE));
        let says = value.and_then(|(constraints, _)| element(constraints.content, BOOLEAN));
        says.is_some_and(|(flag, _)| flag.content == [0xff])
    }

    /// The value of an extension.
    fn extension(&self, wanted: &[u8]) -> Option<&[u8]> {
        Sequences(self.extensions).take(MAX_NAMES).find_map(|extension| {
            let (id, rest) = element(extension, OBJECT)?;
            let rest = element(rest, BOOLEAN).map_or(rest, |(_, after)| after);
            let (value, _) = element(rest, OCTET_STRING)?;
            (id.content == wanted).then_some(value.content)
        })
    }

    /// What `wanted` makes of the tag and the octets of each name of subjectAltName.
    fn alternatives<'s, T>(&'s self, wanted: impl Fn(u8, &'s [u8]) -> Option<T>) -> Vec<T> {
        let value = self.extension(ALTERNATIVE_NAMES);
        let Some((names, _)) = value.and_then(|value| element(value, SEQUENCE)) else { return Vec::new() };
        let mut found = Vec::new();
        let mut rest = names.content;
        while let Some((tag, name, after)) = any(rest)
            && found.len() < MAX_NAMES
        {
            found.extend(wanted(tag, name.content));
            rest = after;
        }
        found
    }
}

/// An IA5String; what is not ASCII is none.
fn ascii(octets: &[u8]) -> Option<&str> {
    std::str::from_utf8(octets).ok().filter(|text| text.is_ascii())
}

/// The contents of the sequences that follow one another.
struct Sequences<'a>(&'a [u8]);

impl<'a> Iterator for Sequences<'a> {
    type Item = &'a [u8];
    fn next(&mut self) -> Option<&'a [u8]> {
        let (found, rest) = element(self.0, SEQUENCE)?;
        self.0 = rest;
        Some(found.content)
    }
}

/// A type and a value as `CN=value`.
fn attribute(der: &[u8]) -> Option<String> {
    let (kind, rest) = element(der, OBJECT)?;
    let (_, value, _) = any(rest)?;
    let known = ATTRIBUTES.iter().find(|(id, _)| *id == kind.content);
    let Some((_, short)) = known else {
        return Some(format!("{}=#{}", dotted(kind.content)?, crate::digest::hex(value.whole)));
    };
    let mut text = String::new();
    for c in String::from_utf8_lossy(value.content).chars().filter(|c| !c.is_control()) {
        if ",+\"\\<>;".contains(c) {
            text.push('\\');
        }
        text.push(c);
    }
    Some(format!("{short}={text}"))
}

/// An object identifier as numbers with dots. Source: X.690 8.19.
fn dotted(octets: &[u8]) -> Option<String> {
    let mut numbers: Vec<u64> = Vec::new();
    let mut number = 0u64;
    for octet in octets {
        number = number.checked_mul(128)? + u64::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            if numbers.is_empty() {
                numbers.push((number / 40).min(2));
                number -= 40 * (number / 40).min(2);
            }
            numbers.push(std::mem::take(&mut number));
        }
    }
    let texts: Vec<String> = numbers.iter().map(u64::to_string).collect();
    Some(texts.join("."))
}

#[doc(hidden)]
/// Reads arbitrary octets as a certificate, with all that is taken from one; returns at all times.
pub fn exercise(octets: &[u8]) {
    if let Some(found) = certificate(octets) {
        let _ = (found.serial_hex(), found.issuer_name(), found.uris(), found.names(), found.is_authority());
    }
}

struct Element<'a> {
    content: &'a [u8],
    whole: &'a [u8],
}

/// The element of that tag at the start of `der`, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(Element<'_>, &[u8])> {
    any(der).filter(|(found, ..)| *found == tag).map(|(_, element, rest)| (element, rest))
}

/// The element at the start of `der` with its tag, and what follows it.
fn any(der: &[u8]) -> Option<(u8, Element<'_>, &[u8])> {
    let [found, first, after @ ..] = der else { return None };
    let (size, header) = match *first {
        short @ 0..=0x7f => (usize::from(short), 2),
        long => {
            let count = usize::from(long & 0x7f);
            let octets = after.get(..count).filter(|_| (1..=4).contains(&count))?;
            (octets.iter().fold(0, |size, o| size << 8 | usize::from(*o)), 2 + count)
        }
    };
    let end = header.checked_add(size)?;
    let element = Element { content: der.get(header..end)?, whole: der.get(..end)? };
    Some((*found, element, der.get(end..)?))
}

fn time(der: &[u8]) -> Option<(Wall, &[u8])> {
    let (century, (element, rest)) = match element(der, UTC_TIME) {
        // RFC 5280 4.1.2.5.1: two digits of year mean 1950 to 2049.
        Some(found) => (if *found.0.content.first()? < b'5' { "20" } else { "19" }, found),
        None => ("", element(der, GENERALIZED_TIME)?),
    };
    let digits = format!("{century}{}", std::str::from_utf8(element.content).ok()?);
    let part = |from: usize, to: usize| digits.get(from..to);
    let text = format!(
        "{}-{}-{}T{}:{}:{}",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        digits.get(12..)?
    );
    Some((Wall::parse(&text)?, rest))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn issuer_serial_and_names_of_a_certificate_are_found() {
        use rcgen::{DnType, SanType, SerialNumber};
        let mut params = rcgen::CertificateParams::new(vec!["acs.example".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CountryName, "DE");
        params.distinguished_name.push(DnType::OrganizationName, "A, B \\ C");
        params.distinguished_name.push(DnType::CommonName, "controller");
        params.distinguished_name.push(DnType::CustomDnType(vec![1, 2, 3]), "x");
        params.serial_number = Some(SerialNumber::from_slice(&[0x80, 0xab, 1]));
        for uri in ["urn:bbf:usp:id:oui:00256D:one", "urn:bbf:usp:id:os::00256D-2"] {
            params.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
        }
        for address in ["192.0.2.7", "2001:db8::7"] {
            params.subject_alt_names.push(SanType::IpAddress(address.parse().unwrap()));
        }
        let key = rcgen::KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        let found = certificate(&der).unwrap();
        assert_eq!(found.serial_hex(), "80AB01");
        assert_eq!(found.issuer_name(), "1.2.3=#0c0178,CN=controller,O=A\\, B \\\\ C,C=DE");
        assert_eq!(found.uris(), ["urn:bbf:usp:id:oui:00256D:one", "urn:bbf:usp:id:os::00256D-2"]);
        assert_eq!(found.dns_names(), ["acs.example"]);
        assert_eq!(found.names(), ["acs.example", "192.0.2.7", "2001:db8::7"]);
        // Whatever octet is spoilt, reading comes to an end without a panic.
        for at in 0..der.len() {
            for spoilt in [0, 0x30, 0x7f, 0x84, 0xff] {
                let mut der = der.clone();
                *der.get_mut(at).unwrap() = spoilt;
                exercise(&der);
            }
        }
    }

    #[test]
    fn one_certificate_in_pem_is_read_and_says_whether_it_may_sign() {
        let key = rcgen::KeyPair::generate().unwrap();
        let no = rcgen::IsCa::ExplicitNoCa;
        let yes = || rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
        for (is_ca, want) in [(rcgen::IsCa::NoCa, false), (no, false), (yes(), true)] {
            let mut params = rcgen::CertificateParams::new(vec!["acs.example".to_owned()]).unwrap();
            params.is_ca = is_ca;
            let made = params.self_signed(&key).unwrap();
            let der = from_pem(&made.pem()).unwrap();
            assert_eq!(der, made.der().to_vec());
            assert_eq!(certificate(&der).unwrap().is_authority(), want);
            for bad in [format!("{0}{0}", made.pem()), made.pem().replace("END", "STOP"), String::new()] {
                assert_eq!(from_pem(&bad), None, "{bad}");
            }
        }
    }

    #[test]
    fn dates_and_key_of_a_certificate_are_found() {
        for (from, to) in [((1999, 12, 31), (2049, 1, 2)), ((2020, 1, 1), (2055, 6, 30))] {
            let mut params = rcgen::CertificateParams::new(vec!["acs.example".to_owned()]).unwrap();
            params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
            params.not_after = rcgen::date_time_ymd(to.0, to.1, to.2);
            let key = rcgen::KeyPair::generate().unwrap();
            let der = params.self_signed(&key).unwrap().der().to_vec();
            let found = certificate(&der).unwrap();
            let day = |(y, m, d): (i32, u8, u8)| Wall::parse(&format!("{y}-{m:02}-{d:02}T00:00:00Z"));
            assert_eq!((Some(found.not_before), Some(found.not_after)), (day(from), day(to)));
            use rcgen::PublicKeyData;
            assert_eq!(found.public_key, key.subject_public_key_info());
            for cut in 0..der.len() {
                let _ = certificate(der.get(..cut).unwrap());
            }
        }
        for bad in [&b""[..], &[0x30], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0x80], &[0; 64]] {
            assert_eq!(certificate(bad), None);
        }
    }
}
