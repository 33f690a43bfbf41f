//! The two things of a certificate that rustls does not tell: its dates and its public key. Pure.
//!
//! Checks nothing: the certificate has been or will be verified by others.

use crate::time::Wall;

/// What is taken from a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// notBefore.
    pub not_before: Wall,
    /// notAfter.
    pub not_after: Wall,
    /// SubjectPublicKeyInfo, its tag and length included; what key pins are the hash of (RFC 7469 2.4).
    pub public_key: &'a [u8],
}

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;

/// Reads a DER certificate; `None` if it is not one. Source: RFC 5280 4.1.
pub fn certificate(der: &[u8]) -> Option<Certificate<'_>> {
    let (outer, _) = element(der, SEQUENCE)?;
    let (mut tbs, _) = element(outer.content, SEQUENCE)?;
    if let Some((_, rest)) = element(tbs.content, VERSION) {
        tbs.content = rest;
    }
    let mut rest = tbs.content;
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        rest = element(rest, tag)?.1;
    }
    let (validity, rest) = element(rest, SEQUENCE)?;
    let (_subject, rest) = element(rest, SEQUENCE)?;
    let (public_key, _) = element(rest, SEQUENCE)?;
    let (not_before, after) = time(validity.content)?;
    let (not_after, _) = time(after)?;
    Some(Certificate { not_before, not_after, public_key: public_key.whole })
}

struct Element<'a> {
    content: &'a [u8],
    whole: &'a [u8],
}

/// The element of that tag at the start of `der`, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(Element<'_>, &[u8])> {
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
    (*found == tag).then_some((element, der.get(end..)?))
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
