//! Text that tells whether it is whole: a first line with kind, version, number, length and checksum, then a body
//! of lines of words.
//!
//! The journal, the state and the event log are written this way, so that a torn or foreign file is known for what
//! it is. What the words mean is the business of those who write them.

use ring::digest::{SHA256, digest};
use std::fmt;

/// Why a text cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Longer than what is ever written.
    TooLong,
    /// Torn, damaged or something else altogether.
    Damaged,
    /// Whole, but of a version this program does not know.
    Version(u32),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::TooLong => f.write_str("too long"),
            Broken::Damaged => f.write_str("damaged"),
            Broken::Version(version) => write!(f, "unknown version {version}"),
        }
    }
}

/// Sixteen hex digits that differ where two contents do (the first half of SHA-256's first half).
pub fn checksum(content: &[u8]) -> String {
    crate::digest::hex(digest(&SHA256, content).as_ref().get(..8).unwrap_or_default())
}

/// Seals `body` as a file of `kind` (one word) and `version` with a running `number`.
pub fn seal(kind: &str, version: u32, number: u64, body: &str) -> String {
    let head = format!("{kind} {version} {number} {}", body.len());
    let sum = checksum(format!("{head}\n{body}").as_bytes());
    format!("{head} {sum}\n{body}")
}

/// The number and the body of a sealed text of `kind`, of any version up to `version` (returned first).
pub fn open<'a>(
    kind: &str,
    version: u32,
    sealed: &'a [u8],
    limit: usize,
) -> Result<(u32, u64, &'a str), Broken> {
    if sealed.len() > limit {
        return Err(Broken::TooLong);
    }
    let text = std::str::from_utf8(sealed).map_err(|_| Broken::Damaged)?;
    let (line, body) = text.split_once('\n').ok_or(Broken::Damaged)?;
    let (head, sum) = line.rsplit_once(' ').ok_or(Broken::Damaged)?;
    let mut words = head.split(' ');
    let (Some(is), Some(found), Some(number), Some(len), None) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Broken::Damaged);
    };
    if is != kind || len.parse() != Ok(body.len()) || sum != checksum(format!("{head}\n{body}").as_bytes()) {
        return Err(Broken::Damaged);
    }
    let found: u32 = found.parse().map_err(|_| Broken::Damaged)?;
    let number = number.parse().map_err(|_| Broken::Damaged)?;
    if found > version { Err(Broken::Version(found)) } else { Ok((found, number, body)) }
}

/// Adds any text as one word behind a blank, if the line has begun.
pub fn push_word(line: &mut String, text: &str) {
    if !line.is_empty() && !line.ends_with('\n') {
        line.push(' ');
    }
    if text.is_empty() {
        line.push_str("\\e");
    }
    for c in text.chars() {
        match c {
            '\\' => line.push_str("\\\\"),
            ' ' => line.push_str("\\_"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            c => line.push(c),
        }
    }
}

/// The text of a word as [`push_word`] made it; `None` for what it never makes.
pub fn word(word: &str) -> Option<String> {
    match word {
        "" => return None,
        "\\e" => return Some(String::new()),
        _ => {}
    }
    let mut text = String::with_capacity(word.len());
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        text.push(match c {
            '\\' => match chars.next()? {
                '\\' => '\\',
                '_' => ' ',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            c => c,
        });
    }
    Some(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_sealed_text_opens_only_whole_and_only_as_what_it_is() {
        let sealed = seal("cpeagent-test", 2, 7, "a b\nc\n");
        assert_eq!(open("cpeagent-test", 2, sealed.as_bytes(), 1_000), Ok((2, 7, "a b\nc\n")));
        assert_eq!(open("cpeagent-test", 3, sealed.as_bytes(), 1_000), Ok((2, 7, "a b\nc\n")));
        assert_eq!(open("cpeagent-test", 1, sealed.as_bytes(), 1_000), Err(Broken::Version(2)));
        assert_eq!(open("cpeagent-else", 2, sealed.as_bytes(), 1_000), Err(Broken::Damaged));
        assert_eq!(open("cpeagent-test", 2, sealed.as_bytes(), 10), Err(Broken::TooLong));
        for len in 0..sealed.len() {
            let torn = sealed.as_bytes().get(..len).unwrap();
            assert_eq!(open("cpeagent-test", 2, torn, 1_000), Err(Broken::Damaged), "{len} octets");
        }
        for at in 0..sealed.len() {
            let mut bent = sealed.clone().into_bytes();
            *bent.get_mut(at).unwrap() ^= 1;
            assert_eq!(open("cpeagent-test", 2, &bent, 1_000), Err(Broken::Damaged), "octet {at}");
        }
    }

    proptest! {
        #[test]
        fn any_text_survives_as_one_word_of_one_line(texts in prop::collection::vec(any::<String>(), 1..5)) {
            let mut line = String::new();
            texts.iter().for_each(|text| push_word(&mut line, text));
            prop_assert!(!line.contains('\n'));
            let back: Vec<_> = line.split(' ').map(|w| word(w).unwrap()).collect();
            prop_assert_eq!(back, texts);
        }
    }
}
