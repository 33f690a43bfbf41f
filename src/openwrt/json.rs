//! JSON text to and from [`Tree`], straight, without a second tree of JSON values in between.
//!
//! Order is kept, numbers and booleans become their JSON text, `null` is left out, a repeated key keeps its first
//! place and its last value. Knows nothing of what the text means; `openwrt` readers and `io` drive it.

use crate::dm::tree::Tree;
use crate::sorted::Map;
use std::fmt;

mod reader;

/// The longest text that is read, in octets: several times what the largest daemon reply takes.
pub const MAX_TEXT: usize = 4 << 20;
/// The deepest nesting of lists and maps that is read.
pub const MAX_DEPTH: usize = 32;

/// Why a text is not taken, as a sentence with line and column where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// The tree of one JSON document; a lone `null` is an empty map.
///
/// Refused: text beyond [`MAX_TEXT`], nesting beyond [`MAX_DEPTH`], anything that is not JSON, text after the end.
pub fn parse(text: &[u8]) -> Result<Tree, Error> {
    if text.len() > MAX_TEXT {
        return Err(Error(format!("JSON text is longer than {MAX_TEXT} octets")));
    }
    let mut reader = reader::Reader::new(text);
    let tree = reader.document().map_err(|what| {
        let (line, column) = reader.place();
        Error(format!("{what} at line {line} column {column}"))
    })?;
    Ok(tree.unwrap_or(Tree::Map(Vec::new())))
}

/// The tree as compact JSON; every scalar is a string, because a tree does not know what kind it was.
pub fn write(tree: &Tree) -> String {
    let mut out = String::new();
    push(tree, &mut out);
    out
}

/// How many decimals are kept: what `ubus call` prints, since a recording must equal the live reply.
const PLACES: i32 = 6;

/// A number's text as a tree holds it: whole ones without a fraction, others with up to six decimals.
///
/// `None` for what JSON cannot say (not a number, infinite), and for what has more than 64 bits before the point.
pub fn number(value: f64) -> Option<String> {
    let size = value.abs();
    if size.is_nan() || size >= 18_446_744_073_709_551_616.0 {
        return None;
    }
    // By whole numbers: what writes binary fractions of any size as decimals is large.
    let (mut whole, mut millionths) = (size.trunc() as u64, (size.fract() * 1e6).round_ties_even() as u32);
    if millionths == 1_000_000 {
        (whole, millionths) = (whole + 1, 0);
    }
    let sign = if value < 0.0 && (whole, millionths) != (0, 0) { "-" } else { "" };
    let text = format!("{sign}{whole}.{millionths:06}");
    Some(text.trim_end_matches('0').trim_end_matches('.').to_owned())
}

/// The number that a decimal text without exponent means; `None` for one of more digits than it is sure to hold.
pub fn double(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: i64 = format!("{whole}{fraction}").parse().ok()?;
    // Both are exact, so that the one division rounds as it should.
    let places = fraction.bytes().take_while(u8::is_ascii_digit).take(22).count();
    let exact = places == fraction.len() && digits.unsigned_abs() < 1 << 53;
    exact.then(|| digits as f64 / (0..places).fold(1.0, |unit, _| unit * 10.0))
}

/// Maps up to this length are looked through for repeated keys without an index.
const FEW: usize = 16;

/// A map in which each key stands once: at its first place, with its last value.
pub(crate) fn unique(mut entries: Vec<(Box<str>, Tree)>) -> Tree {
    // Their number is no longer going to change.
    entries.shrink_to_fit();
    let twice =
        |(at, (key, _)): (usize, &(Box<str>, Tree))| entries.iter().take(at).any(|(known, _)| known == key);
    if entries.len() <= FEW && !entries.iter().enumerate().any(twice) {
        return Tree::Map(entries);
    }
    let mut first = Map::new();
    let mut moves = Vec::new();
    for (at, (key, _)) in entries.iter().enumerate() {
        match first.get(key.as_ref()) {
            None => {
                first.insert(key.as_ref(), at);
            }
            Some(&to) => moves.push((at, to)),
        }
    }
    if moves.is_empty() {
        return Tree::Map(entries);
    }
    for &(from, to) in &moves {
        if let Some((_, value)) = entries.get_mut(from) {
            let value = std::mem::replace(value, Tree::List(Vec::new()));
            if let Some((_, old)) = entries.get_mut(to) {
                *old = value;
            }
        }
    }
    let mut gone = moves.iter().map(|(from, _)| *from).peekable();
    let mut at = 0;
    entries.retain(|_| {
        let keep = gone.next_if_eq(&at).is_none();
        at += 1;
        keep
    });
    Tree::Map(entries)
}

fn push(tree: &Tree, out: &mut String) {
    match tree {
        Tree::Text(text) => quote(text, out),
        Tree::List(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                push(item, out);
            }
            out.push(']');
        }
        Tree::Map(entries) => {
            out.push('{');
            for (n, (key, value)) in entries.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                quote(key, out);
                out.push(':');
                push(value, out);
            }
            out.push('}');
        }
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn scalars_become_their_text_null_is_left_out_and_order_is_kept() {
        for (text, want) in [
            (r#"{"z":1,"a":-2.50,"n":null,"b":true}"#, r#"{"z":"1","a":"-2.5","b":"true"}"#),
            (
                r#"[18446744073709551615,-9223372036854775808,1e3,null,[]]"#,
                r#"["18446744073709551615","-9223372036854775808","1000",[]]"#,
            ),
            (r#"{"k":"1","l":"2","k":"3"}"#, r#"{"k":"3","l":"2"}"#),
            (r#""a\"\\\n\u0001é""#, r#""a\"\\\n\u0001é""#),
            ("null", "{}"),
        ] {
            assert_eq!(write(&parse(text.as_bytes()).unwrap()), want, "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back_as_the_same_tree() {
        let tree =
            Tree::map([("a", Tree::List(vec!["x\u{7}\t/".into(), Tree::Map(vec![])])), ("", "".into())]);
        assert_eq!(parse(write(&tree).as_bytes()).unwrap(), tree);
    }

    #[test]
    fn text_that_is_not_one_bounded_document_is_refused() {
        let deep = "[".repeat(MAX_DEPTH + 1) + &"]".repeat(MAX_DEPTH + 1);
        let long = format!("\"{}\"", "x".repeat(MAX_TEXT));
        for text in ["", "{", "{} {}", "[1,]", "{1:2}", "\u{feff}1", &deep, &long] {
            assert!(parse(text.as_bytes()).is_err(), "{:.40}", text);
        }
        assert!(parse(&deep.as_bytes()[1..deep.len() - 1]).is_ok(), "the deepest allowed");
        assert!(parse(b"\"\xff\"").is_err());
    }

    #[test]
    fn a_decimal_text_means_the_nearest_number() {
        for (text, want) in [
            ("0.5", Some(0.5)),
            ("-12.25", Some(-12.25)),
            ("-0.1", Some(-0.1)),
            (".3", Some(0.3)),
            ("7", Some(7.0)),
            ("9007199254740991", Some(9007199254740991.0)),
            ("9007199254740993", None),
            ("1.-5", None),
            ("1.2.3", None),
            ("1e3", None),
            ("", None),
        ] {
            assert_eq!(double(text), want, "{text}");
        }
    }

    #[test]
    fn numbers_with_fractions_carry_at_most_six_decimals() {
        for (value, want) in [
            (1.5, Some("1.5")),
            (1.0, Some("1")),
            (100.0, Some("100")),
            (-0.0, Some("0")),
            (1.0 / 3.0, Some("0.333333")),
            (-2.000_000_4, Some("-2")),
            (-0.000_000_4, Some("0")),
            (0.999_999_9, Some("1")),
            (123_456_789_012.062_5, Some("123456789012.0625")),
            (9.007_199_254_740_993e15, Some("9007199254740992")),
            (-1e19, Some("-10000000000000000000")),
            (1e20, None),
            (f64::INFINITY, None),
            (f64::NAN, None),
        ] {
            assert_eq!(number(value).as_deref(), want);
        }
    }
}
