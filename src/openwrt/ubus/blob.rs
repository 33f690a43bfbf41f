//! blob attributes and blobmsg, the payload format of ubus: octets to [`Value`] to [`Tree`] and back, with every pad.
//!
//! An attribute is a 32 bit big-endian word (bit 31 "extended", 7 bits id, 24 bits length with the word itself, without
//! padding), its payload, and zeros up to a multiple of four. A blobmsg attribute has the extended bit, its type as
//! id, and begins with a 16 bit name length, the name, a NUL and zeros up to a multiple of four.
//! Knows no message types; [`super::frame`] drives it.

use crate::dm::tree::Tree;
use crate::openwrt::json;
use std::fmt;

/// The largest blob of one message, in octets. Source: ubus `UBUS_MAX_MSGLEN`.
pub const MAX_MESSAGE: usize = 1 << 20;
/// The deepest nesting of arrays and tables that is read or written.
pub const MAX_DEPTH: usize = 32;

const EXTENDED: u32 = 1 << 31;
const LENGTH: u32 = 0x00ff_ffff;

/// A table's entries in order.
pub type Entries = Vec<(Box<str>, Value)>;

/// A blobmsg value with its type. Unsigned numbers share the signed types.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Type 0, what JSON calls `null`.
    Null,
    /// Type 1; its members have no names.
    Array(Vec<Value>),
    /// Type 2.
    Table(Entries),
    /// Type 3; octets that are not UTF-8 were replaced.
    Text(Box<str>),
    /// Type 4.
    Int64(i64),
    /// Type 5.
    Int32(i32),
    /// Type 6.
    Int16(i16),
    /// Type 7; ubus has no other boolean, 0 is false.
    Int8(u8),
    /// Type 8.
    Double(f64),
}

/// Why octets are not blobmsg, or a value cannot be written as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A length points outside what holds it.
    Truncated,
    /// Nested beyond [`MAX_DEPTH`].
    Depth,
    /// Larger than [`MAX_MESSAGE`].
    TooLarge,
    /// A type number blobmsg does not have.
    Type(u8),
    /// A name that is missing, not terminated or longer than its field allows.
    Name,
    /// A text without its NUL, or one to be written that has a NUL inside.
    Nul,
    /// A number of the wrong size.
    Size,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Truncated => f.write_str("an attribute reaches past its end"),
            Error::Depth => write!(f, "nested deeper than {MAX_DEPTH}"),
            Error::TooLarge => write!(f, "larger than {MAX_MESSAGE} octets"),
            Error::Type(n) => write!(f, "unknown blobmsg type {n}"),
            Error::Name => f.write_str("bad attribute name"),
            Error::Nul => f.write_str("text is not ended by exactly one NUL"),
            Error::Size => f.write_str("number of the wrong size"),
        }
    }
}

impl std::error::Error for Error {}

/// The attributes of a blob's payload one after the other, as id, extended bit and payload.
///
/// Ends after the first error. Up to three octets after the last attribute are ignored, as the stock library does.
pub struct Attributes<'a> {
    rest: &'a [u8],
}

/// One attribute's header and payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// 0 to 127; for blobmsg the type.
    pub id: u8,
    /// Whether the payload begins with a name.
    pub extended: bool,
    /// Without header and padding.
    pub payload: &'a [u8],
}

/// Walks over `payload`.
pub fn attributes(payload: &[u8]) -> Attributes<'_> {
    Attributes { rest: payload }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let (head, _) = self.rest.split_first_chunk::<4>()?;
        let word = u32::from_be_bytes(*head);
        let length = (word & LENGTH) as usize;
        let attribute = self.rest.get(4..length).zip(self.rest.get(pad(length)..));
        Some(match attribute {
            Some((payload, rest)) => {
                self.rest = rest;
                Ok(Attribute { id: (word >> 24 & 0x7f) as u8, extended: word & EXTENDED != 0, payload })
            }
            None => {
                self.rest = &[];
                Err(Error::Truncated)
            }
        })
    }
}

/// Writes one attribute around what `payload` writes.
pub fn attribute<E>(
    out: &mut Vec<u8>,
    id: u8,
    payload: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    wrap(out, u32::from(id) << 24, payload)
}

/// Reads a table's entries from the payload of a table or of a message's DATA or SIGNATURE.
pub fn decode(payload: &[u8]) -> Result<Entries, Error> {
    entries(payload, 0)
}

/// Writes entries as the payload [`decode`] reads.
///
/// Refuses names beyond 65 535 octets, NUL in names and texts, nesting beyond [`MAX_DEPTH`], and what exceeds [`MAX_MESSAGE`].
pub fn encode<N: AsRef<str>>(table: &[(N, Value)], out: &mut Vec<u8>) -> Result<(), Error> {
    let start = out.len();
    for (name, value) in table {
        value.write(name.as_ref(), out, 0)?;
        if out.len() - start > MAX_MESSAGE {
            return Err(Error::TooLarge);
        }
    }
    Ok(())
}

/// The entries as a tree: numbers and booleans as their JSON text, null left out.
pub fn tree(table: Entries) -> Tree {
    json::unique(table.into_iter().filter_map(|(name, value)| Some((name, value.into_tree()?))).collect())
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<Box<str>>) -> Value {
        Value::Text(text.into())
    }

    /// A table from pairs, in order.
    pub fn table<N: Into<Box<str>>>(pairs: impl IntoIterator<Item = (N, Value)>) -> Value {
        Value::Table(pairs.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// The value as a tree; `None` for null and for a double JSON cannot say.
    pub fn into_tree(self) -> Option<Tree> {
        Some(match self {
            Value::Null => return None,
            Value::Array(items) => Tree::List(items.into_iter().filter_map(Value::into_tree).collect()),
            Value::Table(entries) => tree(entries),
            Value::Text(text) => Tree::Text(text),
            Value::Int64(n) => Tree::from(n.to_string()),
            Value::Int32(n) => Tree::from(n.to_string()),
            Value::Int16(n) => Tree::from(n.to_string()),
            Value::Int8(n) => Tree::text(if n == 0 { "false" } else { "true" }),
            Value::Double(n) => Tree::from(json::number(n)?),
        })
    }

    /// A text as the number or boolean a method's signature asks for (`kind` is a blobmsg type).
    ///
    /// What is not a text, or does not read as that kind, stays as it is: the method itself refuses it.
    pub fn typed(self, kind: u8) -> Value {
        let Value::Text(text) = &self else { return self };
        // Unsigned values share the signed types, so the upper half is taken too.
        let whole = |bits: u32| -> Option<i64> {
            let n: i128 = text.parse().ok()?;
            (-(1i128 << (bits - 1))..1i128 << bits).contains(&n).then_some(n as i64)
        };
        let value = match kind {
            4 => whole(64).map(Value::Int64),
            5 => whole(32).map(|n| Value::Int32(n as i32)),
            6 => whole(16).map(|n| Value::Int16(n as i16)),
            7 => match &**text {
                "true" => Some(Value::Int8(1)),
                "false" => Some(Value::Int8(0)),
                _ => whole(8).map(|n| Value::Int8(n as u8)),
            },
            8 => json::double(text).map(Value::Double),
            _ => None,
        };
        value.unwrap_or(self)
    }

    fn kind(&self) -> u8 {
        match self {
            Value::Null => 0,
            Value::Array(_) => 1,
            Value::Table(_) => 2,
            Value::Text(_) => 3,
            Value::Int64(_) => 4,
            Value::Int32(_) => 5,
            Value::Int16(_) => 6,
            Value::Int8(_) => 7,
            Value::Double(_) => 8,
        }
    }

    fn write(&self, name: &str, out: &mut Vec<u8>, depth: usize) -> Result<(), Error> {
        let length = u16::try_from(name.len()).map_err(|_| Error::Name)?;
        if depth >= MAX_DEPTH {
            return Err(Error::Depth);
        }
        if name.contains('\0') {
            return Err(Error::Name);
        }
        wrap(out, EXTENDED | u32::from(self.kind()) << 24, |out| {
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(name.as_bytes());
            out.push(0);
            fill(out, 2 + name.len() + 1);
            match self {
                Value::Null => {}
                Value::Array(items) => items.iter().try_for_each(|item| item.write("", out, depth + 1))?,
                Value::Table(entries) => {
                    entries.iter().try_for_each(|(name, value)| value.write(name, out, depth + 1))?
                }
                Value::Text(text) => {
                    if text.contains('\0') {
                        return Err(Error::Nul);
                    }
                    out.extend_from_slice(text.as_bytes());
                    out.push(0);
                }
                Value::Int64(n) => out.extend_from_slice(&n.to_be_bytes()),
                Value::Int32(n) => out.extend_from_slice(&n.to_be_bytes()),
                Value::Int16(n) => out.extend_from_slice(&n.to_be_bytes()),
                Value::Int8(n) => out.push(*n),
                Value::Double(n) => out.extend_from_slice(&n.to_bits().to_be_bytes()),
            }
            Ok(())
        })
    }
}

/// Texts, lists and maps as they are; [`Value::typed`] turns texts into numbers where a signature asks for them.
impl From<&Tree> for Value {
    fn from(tree: &Tree) -> Value {
        match tree {
            Tree::Text(text) => Value::Text(text.clone()),
            Tree::List(items) => Value::Array(items.iter().map(Value::from).collect()),
            Tree::Map(entries) => Value::Table(entries.iter().map(|(k, v)| (k.clone(), v.into())).collect()),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Int8(value.into())
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Value {
        Value::Int32(value)
    }
}

/// `length` up to the next multiple of four.
pub(super) const fn pad(length: usize) -> usize {
    (length + 3) & !3
}

/// The octets up to the first NUL, which must be there, as text.
pub(super) fn c_string(payload: &[u8]) -> Result<Box<str>, Error> {
    let [text @ .., 0] = payload else { return Err(Error::Nul) };
    let text = text.split(|octet| *octet == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(text).into())
}

fn wrap<E>(
    out: &mut Vec<u8>,
    head: u32,
    payload: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    payload(out)?;
    let length = out.len() - start;
    // A length beyond 24 bits cannot leave: it is far beyond MAX_MESSAGE, which every caller checks.
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&(head | length as u32 & LENGTH).to_be_bytes());
    }
    fill(out, length);
    Ok(())
}

fn fill(out: &mut Vec<u8>, written: usize) {
    out.resize(out.len() + pad(written) - written, 0);
}

fn entries(payload: &[u8], depth: usize) -> Result<Entries, Error> {
    attributes(payload)
        .map(|attribute| {
            let attribute = attribute?;
            let (name, value) = named(attribute)?;
            Ok((name, read(attribute.id, value, depth)?))
        })
        .collect()
}

/// Splits a blobmsg attribute's payload into name and value.
fn named(attribute: Attribute<'_>) -> Result<(Box<str>, &[u8]), Error> {
    let (head, rest) = attribute.payload.split_first_chunk::<2>().ok_or(Error::Name)?;
    let length = usize::from(u16::from_be_bytes(*head));
    let name = rest.get(..=length).filter(|_| attribute.extended).ok_or(Error::Name)?;
    let name = c_string(name).map_err(|_| Error::Name)?;
    let value = attribute.payload.get(pad(2 + length + 1)..).ok_or(Error::Name)?;
    Ok((name, value))
}

fn read(kind: u8, value: &[u8], depth: usize) -> Result<Value, Error> {
    if depth >= MAX_DEPTH {
        return Err(Error::Depth);
    }
    Ok(match kind {
        0 => Value::Null,
        1 => Value::Array(entries(value, depth + 1)?.into_iter().map(|(_, value)| value).collect()),
        2 => Value::Table(entries(value, depth + 1)?),
        3 => Value::Text(c_string(value)?),
        4 => Value::Int64(i64::from_be_bytes(sized(value)?)),
        5 => Value::Int32(i32::from_be_bytes(sized(value)?)),
        6 => Value::Int16(i16::from_be_bytes(sized(value)?)),
        7 => Value::Int8(u8::from_be_bytes(sized(value)?)),
        8 => Value::Double(f64::from_bits(u64::from_be_bytes(sized(value)?))),
        n => return Err(Error::Type(n)),
    })
}

fn sized<const N: usize>(value: &[u8]) -> Result<[u8; N], Error> {
    value.try_into().map_err(|_| Error::Size)
}

/// Reads `data` as a stream and as entries; what reads must write, and what was written must read as the same.
#[doc(hidden)]
pub fn exercise(data: &[u8]) {
    let mut decoder = super::frame::Decoder::default();
    decoder.push(data);
    while let Ok(Some(_)) = decoder.next_frame() {}
    let Ok(first) = decode(data) else { return };
    let mut once = Vec::new();
    if encode(&first, &mut once).is_err() {
        return; // larger than a message
    }
    let again = decode(&once).expect("what this codec wrote, it reads");
    let mut twice = Vec::new();
    encode(&again, &mut twice).expect("what was written once can be written again");
    assert_eq!(once, twice);
    assert_eq!(tree(first), tree(again));
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let hex: String = hex.split_whitespace().collect();
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn each_type_has_its_octets_and_its_json_text() {
        for (value, octets, text) in [
            (Value::Int8(1), "87000009 00016200 01000000", r#"{"b":"true"}"#),
            (Value::Int8(0), "87000009 00016200 00000000", r#"{"b":"false"}"#),
            (Value::Int16(-2), "8600000a 00016200 fffe0000", r#"{"b":"-2"}"#),
            (Value::Int32(-2), "8500000c 00016200 fffffffe", r#"{"b":"-2"}"#),
            (Value::Int64(5_000_000_000), "84000010 00016200 000000012a05f200", r#"{"b":"5000000000"}"#),
            (Value::Double(1.5), "88000010 00016200 3ff8000000000000", r#"{"b":"1.5"}"#),
            (Value::text("hi"), "8300000b 00016200 68690000", r#"{"b":"hi"}"#),
            (Value::Null, "80000008 00016200", "{}"),
            (Value::Table(vec![]), "82000008 00016200", r#"{"b":{}}"#),
            (
                Value::Array(vec![1.into(), "x".into()]),
                "81000020 00016200 8500000c 00000000 00000001 8300000a 00000000 78000000",
                r#"{"b":["1","x"]}"#,
            ),
        ] {
            let mut out = Vec::new();
            encode(&[("b", value.clone())], &mut out).unwrap();
            assert_eq!(out, bytes(octets), "{value:?}");
            let back = decode(&out).unwrap();
            assert_eq!(back, vec![("b".into(), value)]);
            assert_eq!(json::write(&tree(back)), text);
        }
    }

    #[test]
    fn octets_that_break_the_format_are_refused_with_the_reason() {
        for (octets, why) in [
            ("83000003", Error::Truncated),
            ("8300000c 00016200", Error::Truncated),
            ("83000009 00016200 61", Error::Truncated), // its padding is missing
            ("0300000c 00016200 61000000", Error::Name),
            ("83000004", Error::Name),
            ("83000008 00036262", Error::Name),
            ("83000008 00016262", Error::Name),
            ("8300000a 00016200 61610000", Error::Nul),
            ("83000008 00016200", Error::Nul),
            ("8500000a 00016200 00000000", Error::Size),
            ("89000008 00016200", Error::Type(9)),
        ] {
            assert_eq!(decode(&bytes(octets)), Err(why), "{octets}");
        }
    }

    #[test]
    fn nesting_and_size_are_bounded_both_ways() {
        let nest = |levels| (1..levels).fold(Value::Array(vec![]), |inner, _| Value::Array(vec![inner]));
        let mut out = Vec::new();
        encode(&[("a", nest(MAX_DEPTH))], &mut out).unwrap();
        assert!(decode(&out).is_ok());
        assert_eq!(encode(&[("a", nest(MAX_DEPTH + 1))], &mut Vec::new()), Err(Error::Depth));
        let mut deeper = Vec::new();
        wrap(&mut deeper, EXTENDED | 1 << 24, |inner| {
            inner.extend_from_slice(&[0; 4]);
            inner.extend_from_slice(&out);
            Ok::<(), Error>(())
        })
        .unwrap();
        assert_eq!(decode(&deeper), Err(Error::Depth));
        let long = Value::text("x".repeat(MAX_MESSAGE));
        assert_eq!(encode(&[("a", long)], &mut Vec::new()), Err(Error::TooLarge));
        assert_eq!(encode(&[("a", Value::text("x\0y"))], &mut Vec::new()), Err(Error::Nul));
        assert_eq!(encode(&[("n".repeat(65_536), Value::Null)], &mut Vec::new()), Err(Error::Name));
    }

    #[test]
    fn a_repeated_key_keeps_its_first_place_and_its_last_value() {
        let table = vec![
            ("a".into(), 1.into()),
            ("b".into(), 2.into()),
            ("a".into(), 3.into()),
            ("a".into(), 4.into()),
        ];
        assert_eq!(json::write(&tree(table)), r#"{"a":"4","b":"2"}"#);
    }

    #[test]
    fn texts_take_the_type_a_signature_asks_for_and_stay_texts_otherwise() {
        for (text, kind, want) in [
            ("5", 5, Value::Int32(5)),
            ("4294967295", 5, Value::Int32(-1)),
            ("4294967296", 5, Value::text("4294967296")),
            ("-1", 6, Value::Int16(-1)),
            ("18446744073709551615", 4, Value::Int64(-1)),
            ("true", 7, Value::Int8(1)),
            ("0", 7, Value::Int8(0)),
            ("yes", 7, Value::text("yes")),
            ("0.5", 8, Value::Double(0.5)),
            ("5", 3, Value::text("5")),
            ("5", 200, Value::text("5")),
        ] {
            assert_eq!(Value::text(text).typed(kind), want, "{text} as {kind}");
        }
        assert_eq!(Value::Int8(1).typed(5), Value::Int8(1));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            "[^\0]{0,9}".prop_map(Value::text),
            any::<i64>().prop_map(Value::Int64),
            any::<i32>().prop_map(Value::Int32),
            any::<i16>().prop_map(Value::Int16),
            any::<u8>().prop_map(Value::Int8),
            (-1e9..1e9f64).prop_map(Value::Double),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                prop::collection::vec(("[^\0]{0,5}".prop_map(String::into_boxed_str), inner), 0..5)
                    .prop_map(Value::Table),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_reads_back_as_written(value in value()) {
            let mut out = Vec::new();
            encode(&[("v", value.clone())], &mut out).unwrap();
            prop_assert_eq!(out.len() % 4, 0);
            prop_assert_eq!(decode(&out).unwrap(), vec![("v".into(), value)]);
            exercise(&out);
        }

        #[test]
        fn no_octets_make_the_reader_panic(data in prop::collection::vec(any::<u8>(), 0..200)) {
            exercise(&data);
        }
    }
}
