//! Questions to a name server and its answers: RFC 1035 messages, written and read, never sent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Largest answer taken, in octets.
pub const MAX_ANSWER: usize = 4_096;
/// Most records of one answer that are read.
const MAX_RECORDS: u16 = 64;
/// Most pointers followed in one name.
const MAX_JUMPS: u8 = 16;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Kind {
    /// IPv4 addresses.
    A = 1,
    /// IPv6 addresses.
    Aaaa = 28,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// RCODE: 0 is fine, 3 an unknown name.
    pub code: u8,
    /// Whether the server answers for the name itself.
    pub authoritative: bool,
    /// The name that has the addresses, behind all aliases.
    pub name: String,
    /// The addresses.
    pub addresses: Vec<IpAddr>,
}

/// A question; `None` for a name that cannot be one.
pub fn question(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut out = Vec::from(id.to_be_bytes());
    // Recursion is wanted; one question.
    out.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.len() > 253 {
        return None;
    }
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        out.push(length);
        out.extend(label.as_bytes());
    }
    out.push(0);
    out.extend((kind as u16).to_be_bytes());
    out.extend([0, 1]);
    Some(out)
}

/// What a message says in answer to the question `asked`; `None` for anything but an answer to it.
pub fn answer(asked: &[u8], message: &[u8]) -> Option<Answer> {
    if message.get(..2)? != asked.get(..2)? || message.get(2)? & 0x80 == 0 {
        return None;
    }
    let (mut name, asked_end) = read_name(asked, 12)?;
    let kind = word(asked, asked_end)?;
    let mut answer =
        Answer { code: message.get(3)? & 0xf, authoritative: message.get(2)? & 4 != 0, ..Answer::default() };
    let mut at = 12;
    if word(message, 4)? > 0 {
        let (repeated, end) = read_name(message, at)?;
        if word(message, 4)? != 1 || !repeated.eq_ignore_ascii_case(&name) || word(message, end)? != kind {
            return None;
        }
        at = end + 4;
    }
    for _ in 0..word(message, 6)?.min(MAX_RECORDS) {
        let (owner, end) = read_name(message, at)?;
        let (found, length) = (word(message, end)?, usize::from(word(message, end + 8)?));
        let data = message.get(end + 10..end + 10 + length)?;
        // Aliases stand in the order they lead.
        if owner.eq_ignore_ascii_case(&name) {
            match found {
                5 => name = read_name(message, end + 10)?.0,
                1 => answer
                    .addresses
                    .extend(<[u8; 4]>::try_from(data).ok().map(Ipv4Addr::from).map(IpAddr::V4)),
                28 => {
                    answer
                        .addresses
                        .extend(<[u8; 16]>::try_from(data).ok().map(Ipv6Addr::from).map(IpAddr::V6));
                }
                _ => {}
            }
        }
        at = end + 10 + length;
    }
    answer.name = name;
    Some(answer)
}

fn word(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*octets.get(at)?, *octets.get(at + 1)?]))
}

/// A name and where what follows it begins.
fn read_name(octets: &[u8], start: usize) -> Option<(String, usize)> {
    let (mut out, mut at, mut end, mut jumps) = (String::new(), start, None, 0);
    loop {
        let length = usize::from(*octets.get(at)?);
        match length >> 6 {
            3 => {
                end.get_or_insert(at + 2);
                at = usize::from(word(octets, at)? & 0x3fff);
                jumps += 1;
                if jumps > MAX_JUMPS {
                    return None;
                }
            }
            0 if length == 0 => return Some((out, end.unwrap_or(at + 1))),
            0 => {
                let label = octets.get(at + 1..at + 1 + length)?;
                if !out.is_empty() {
                    out.push('.');
                }
                // Whatever a server sends, it becomes text of one line.
                out.extend(label.iter().map(|c| if c.is_ascii_graphic() { char::from(*c) } else { '?' }));
                if out.len() > 255 {
                    return None;
                }
                at += 1 + length;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn reply(asked: &[u8], flags: [u8; 2], records: &[&[u8]]) -> Vec<u8> {
        let mut out = asked.to_vec();
        out[2..4].copy_from_slice(&flags);
        out[7] = u8::try_from(records.len()).unwrap();
        records.iter().for_each(|record| out.extend(*record));
        out
    }

    const A: &[u8] = &[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 7];

    #[test]
    fn a_question_is_written_by_rfc_1035() {
        let want = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\x02bc\0\0\x1c\0\x01";
        assert_eq!(question(0x1234, "a.bc.", Kind::Aaaa).unwrap(), want);
        let long = "x".repeat(64);
        for name in ["", ".", "a..b", long.as_str(), &"a.".repeat(140)] {
            assert_eq!(question(1, name, Kind::A), None, "{name}");
        }
    }

    #[test]
    fn addresses_behind_aliases_are_found_and_answers_to_others_are_not() {
        let asked = question(1, "www.example", Kind::A).unwrap();
        let got = answer(&asked, &reply(&asked, [0x85, 0x80], &[A])).unwrap();
        assert_eq!((got.code, got.authoritative, got.name.as_str()), (0, true, "www.example"));
        assert_eq!(got.addresses, ["192.0.2.7".parse::<IpAddr>().unwrap()]);

        let alias: &[u8] = &[0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 4, 1, b'x', 0xc0, 16];
        let mut of_x = vec![1, b'x', 0xc0, 16];
        of_x.extend(&A[2..]);
        let got = answer(&asked, &reply(&asked, [0x81, 0x80], &[alias, &of_x])).unwrap();
        assert_eq!((got.authoritative, got.name.as_str(), got.addresses.len()), (false, "x.example", 1));

        assert_eq!(answer(&asked, &reply(&asked, [0x81, 0x83], &[])).unwrap().code, 3);
        let mut other_id = reply(&asked, [0x81, 0x80], &[A]);
        other_id[1] = 9;
        let other = question(1, "www.other", Kind::A).unwrap();
        for (what, message) in [
            ("another id", other_id),
            ("a question", asked.clone()),
            ("another question", reply(&other, [0x81, 0x80], &[A])),
            ("a name in a circle", reply(&asked, [0x81, 0x80], &[&[0xc0, 29, 0, 1]])),
            ("cut short", reply(&asked, [0x81, 0x80], &[&A[..14]])),
        ] {
            assert_eq!(answer(&asked, &message), None, "{what}");
        }
    }
}
