//! The reading half: one JSON document, bounded, as RFC 8259 has it.
//!
//! Numbers stay the decimals they are written as and never become binary ones, so nothing of their arithmetic is in a router's program.

use super::{MAX_DEPTH, PLACES, unique};
use crate::dm::tree::Tree;

/// Most digits before the point: as many as the largest number of 64 bits with a fraction has.
const MAX_DIGITS: i32 = 309;

/// A document, and how far it is read.
pub(super) struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

/// What is not as it should be, at the place where the reader stands.
type Wrong = &'static str;

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t [u8]) -> Reader<'t> {
        Reader { text, at: 0 }
    }

    /// The whole document; `None` for `null`.
    pub(super) fn document(&mut self) -> Result<Option<Tree>, Wrong> {
        let value = self.value(0)?;
        match self.peek() {
            None => Ok(value),
            Some(_) => Err("trailing characters"),
        }
    }

    /// Line and column of where it stands, counted from 1.
    pub(super) fn place(&self) -> (usize, usize) {
        let before = self.text.get(..self.at).unwrap_or(self.text);
        let mut lines = before.split(|octet| *octet == b'\n');
        (lines.clone().count(), lines.next_back().map_or(0, <[u8]>::len) + 1)
    }

    /// The next octet that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.here() {
            self.at += 1;
        }
        self.here()
    }

    fn here(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let octet = self.here()?;
        self.at += 1;
        Some(octet)
    }

    /// Takes `octet` if it is the next one.
    fn takes(&mut self, octet: u8) -> bool {
        let there = self.here() == Some(octet);
        self.at += usize::from(there);
        there
    }

    fn word(&mut self, word: &str, means: Option<Tree>) -> Result<Option<Tree>, Wrong> {
        match self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            true => self.at += word.len(),
            false => return Err("expected a value"),
        }
        Ok(means)
    }

    fn value(&mut self, depth: usize) -> Result<Option<Tree>, Wrong> {
        match self.peek() {
            Some(b'{') => self.map(depth).map(Some),
            Some(b'[') => self.list(depth).map(Some),
            Some(b'"') => Ok(Some(Tree::Text(self.text()?.into()))),
            Some(b'n') => self.word("null", None),
            Some(b't') => self.word("true", Some(Tree::text("true"))),
            Some(b'f') => self.word("false", Some(Tree::text("false"))),
            Some(b'-' | b'0'..=b'9') => Ok(self.number()?.map(Tree::from)),
            _ => Err("expected a value"),
        }
    }

    /// Goes into a list or map; whether there is anything before the octet that closes it.
    fn open(&mut self, depth: usize, close: u8) -> Result<bool, Wrong> {
        if depth >= MAX_DEPTH {
            return Err("nested too deep");
        }
        self.at += 1;
        self.peek();
        Ok(!self.takes(close))
    }

    /// Whether another item follows, or the list or map is closed.
    fn more(&mut self, close: u8) -> Result<bool, Wrong> {
        self.peek();
        match self.takes(b',') {
            true => Ok(true),
            false if self.takes(close) => Ok(false),
            false => Err("expected a comma or the end"),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Tree, Wrong> {
        let mut items = Vec::new();
        let mut more = self.open(depth, b']')?;
        while more {
            items.extend(self.value(depth + 1)?);
            more = self.more(b']')?;
        }
        items.shrink_to_fit();
        Ok(Tree::List(items))
    }

    fn map(&mut self, depth: usize) -> Result<Tree, Wrong> {
        let mut entries = Vec::new();
        let mut more = self.open(depth, b'}')?;
        while more {
            if self.peek() != Some(b'"') {
                return Err("expected a key");
            }
            let key = self.text()?;
            self.peek();
            if !self.takes(b':') {
                return Err("expected a colon");
            }
            let value = self.value(depth + 1)?;
            entries.extend(value.map(|value| (key.into_boxed_str(), value)));
            more = self.more(b'}')?;
        }
        Ok(unique(entries))
    }

    /// A text, from its opening quote on.
    fn text(&mut self) -> Result<String, Wrong> {
        self.at += 1;
        // Nearly every text is plain and taken whole, into as much memory as it needs.
        let rest = self.text.get(self.at..).unwrap_or_default();
        let plain = rest.iter().take_while(|octet| matches!(octet, b' '..) && !matches!(octet, b'"' | b'\\'));
        let mut out = rest.get(..plain.count()).unwrap_or_default().to_vec();
        self.at += out.len();
        loop {
            match self.next() {
                Some(b'"') => return String::from_utf8(out).map_err(|_| "text that is not UTF-8"),
                Some(b'\\') => self.escape(&mut out)?,
                Some(octet @ b' '..) => out.push(octet),
                Some(_) => return Err("a control character in a text"),
                None => return Err("a text without end"),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), Wrong> {
        const WRONG: Wrong = "an escape that is none";
        let octet = match self.next() {
            Some(octet @ (b'"' | b'\\' | b'/')) => octet,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                let mut code = self.unit().ok_or(WRONG)?;
                // Characters beyond the first 65536 come as two halves.
                if (0xd800..0xdc00).contains(&code) && self.takes(b'\\') && self.takes(b'u') {
                    let low = self.unit().and_then(|low| low.checked_sub(0xdc00)).filter(|low| *low < 0x400);
                    code = 0x10000 + ((code - 0xd800) << 10) + low.ok_or(WRONG)?;
                }
                let c = char::from_u32(code).ok_or(WRONG)?;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(WRONG),
        };
        out.push(octet);
        Ok(())
    }

    /// Four hex digits.
    fn unit(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |code, _| Some(code << 4 | char::from(self.next()?).to_digit(16)?))
    }

    /// Digits, of which there must be one.
    fn digits(&mut self) -> Result<&'t [u8], Wrong> {
        let start = self.at;
        while self.here().is_some_and(|octet| octet.is_ascii_digit()) {
            self.at += 1;
        }
        match self.text.get(start..self.at) {
            Some(digits) if !digits.is_empty() => Ok(digits),
            _ => Err("expected a digit"),
        }
    }

    /// A number as a tree holds it, see [`super::number`]; `None` for one beyond what is held.
    fn number(&mut self) -> Result<Option<String>, Wrong> {
        let from = self.at;
        let negative = self.takes(b'-');
        let whole = self.digits()?;
        if whole.starts_with(b"0") && whole.len() > 1 {
            return Err("a number that begins with 0");
        }
        let fraction = if self.takes(b'.') { self.digits()? } else { &[] };
        let mut exponent = 0i32;
        if self.takes(b'e') || self.takes(b'E') {
            let down = self.takes(b'-');
            if !down {
                self.takes(b'+');
            }
            exponent = self
                .digits()?
                .iter()
                .fold(0, |all, digit| (all * 10 + i32::from(digit - b'0')).min(1_000_000));
            exponent = if down { -exponent } else { exponent };
        } else if fraction.is_empty() && whole != b"0" && whole.len() <= MAX_DIGITS as usize {
            // Nearly every number is whole and stands as it is to be held.
            let text = self.text.get(from..self.at).unwrap_or_default();
            return Ok(String::from_utf8(text.to_vec()).ok());
        }
        Ok(decimal(negative, whole, fraction, exponent))
    }
}

/// The digits `whole` and `fraction`, moved by `exponent` places and rounded to [`PLACES`] behind the point.
fn decimal(negative: bool, whole: &[u8], fraction: &[u8], exponent: i32) -> Option<String> {
    let leading = whole.iter().chain(fraction).take_while(|digit| **digit == b'0').count();
    if leading == whole.len() + fraction.len() {
        return Some("0".to_owned());
    }
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
    if point.checked_sub(i32::try_from(leading).ok()?)? > MAX_DIGITS {
        return None;
    }
    let digit = |place: i32| -> u8 {
        let digit = usize::try_from(point + place).ok().and_then(|at| match at.checked_sub(whole.len()) {
            None => whole.get(at),
            Some(at) => fraction.get(at),
        });
        digit.copied().unwrap_or(b'0')
    };
    // From the first digit that is not left of all, with one in front that a carry may go to.
    let first = (-point).min(0) - 1;
    let mut text: Vec<u8> = (first..PLACES).map(digit).collect();
    let mut carry = digit(PLACES) >= b'5';
    for octet in text.iter_mut().rev() {
        if !carry {
            break;
        }
        carry = *octet == b'9';
        *octet = if carry { b'0' } else { *octet + 1 };
    }
    let at = text.len() - PLACES as usize;
    text.insert(at, b'.');
    let text = String::from_utf8(text).ok()?;
    let text = text.trim_start_matches('0').trim_end_matches('0').trim_end_matches('.');
    let zero = if text.is_empty() || text.starts_with('.') { "0" } else { "" };
    let sign = if negative && !text.is_empty() { "-" } else { "" };
    Some(format!("{sign}{zero}{text}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Option<String> {
        let mut reader = Reader::new(text.as_bytes());
        reader.document().unwrap().map(|tree| tree.as_str().unwrap().to_owned())
    }

    #[test]
    fn a_number_keeps_its_decimals_up_to_six() {
        for (text, want) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0000004", "0"),
            ("0.0000005", "0.000001"),
            ("9.9999995", "10"),
            ("-999999.9999999", "-1000000"),
            ("12.50", "12.5"),
            ("1e3", "1000"),
            ("1.25E+1", "12.5"),
            ("125e-2", "1.25"),
            ("5e-1", "0.5"),
            ("5e-6", "0.000005"),
            ("5e-7", "0.000001"),
            ("4e-7", "0"),
            ("5e-8", "0"),
            ("0e999999999999", "0"),
            ("1e-999999999999", "0"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
        ] {
            assert_eq!(number(text).as_deref(), Some(want), "{text}");
        }
        assert_eq!(number("1e400"), None);
        assert_eq!(number("-1e99999999999999999999"), None);
    }

    #[test]
    fn what_json_forbids_is_refused_where_it_stands() {
        for (text, place) in [
            ("01", (1, 3)),
            ("1.", (1, 3)),
            (".5", (1, 1)),
            ("-", (1, 2)),
            ("+1", (1, 1)),
            ("1e", (1, 3)),
            ("nul", (1, 1)),
            ("[1\n,\n ]", (3, 2)),
            ("{\"a\" 1}", (1, 6)),
            ("{\"a\":1,}", (1, 8)),
            ("\"\\ud800\"", (1, 8)),
            ("\"\\ud800\\u0041\"", (1, 14)),
            ("\"\\x\"", (1, 4)),
            ("\"a\tb\"", (1, 4)),
            ("\"a", (1, 3)),
        ] {
            let mut reader = Reader::new(text.as_bytes());
            assert!(reader.document().is_err(), "{text}");
            assert_eq!(reader.place(), place, "{text}");
        }
    }

    proptest! {
        #[test]
        fn texts_are_read_as_another_reader_reads_them(text in "\\PC*|[\\\\\"/bfnrtu0-9a-f{}\\[\\]:,. -]{0,12}") {
            let quoted = serde_json::to_string(&text).unwrap();
            let read = Reader::new(quoted.as_bytes()).document().unwrap();
            prop_assert_eq!(read, Some(Tree::text(text.clone())));
            let other = serde_json::from_str::<serde_json::Value>(&text);
            prop_assert_eq!(Reader::new(text.as_bytes()).document().is_ok(), other.is_ok(), "{}", text);
        }

        #[test]
        fn numbers_are_those_another_reader_reads(value in -1e15..1e15f64, places in 0..9usize) {
            let text = format!("{value:.places$}");
            let other: f64 = serde_json::from_str(&text).unwrap();
            let ours: f64 = number(&text).unwrap().parse().unwrap();
            prop_assert!((ours - other).abs() <= 5.000001e-7_f64.max(other.abs() * 1e-15), "{} {}", text, ours);
        }
    }
}
