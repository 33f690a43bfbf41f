//! Protobuf's wire format, as far as Records and long answers need it: fields of one level in, nested fields out.
//!
//! What a field means is the schema's business ([`super::pb`], [`super::record`]). Reading borrows from the bytes and
//! looks at one level only; writing goes into one buffer, so that an answer never stands in memory as a tree.

use std::ops::Range;

/// Most fields of one level that are looked at; more is not a message of ours.
pub const MAX_FIELDS: usize = 10_000;

/// What is kept free for the shells around a message, in octets.
const SPARE: usize = 256;

/// From how many octets on a buffer grows by a quarter instead of doubling.
const STEADY: usize = 16 * 1024;

/// The value of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// An integer, a boolean or an enumeration.
    Varint(u64),
    /// Eight octets.
    Fixed64(u64),
    /// A text, octets or a message.
    Bytes(&'a [u8]),
    /// Four octets.
    Fixed32(u32),
}

impl<'a> Value<'a> {
    /// The octets, if it is of that type.
    pub fn bytes(self) -> Result<&'a [u8], Broken> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Varint(_) | Value::Fixed64(_) | Value::Fixed32(_) => {
                Err(Broken("a field of another type"))
            }
        }
    }

    /// The text, if it is of that type and is UTF-8.
    pub fn text(self) -> Result<&'a str, Broken> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Broken("a text that is not UTF-8"))
    }

    /// The integer, if it is of that type.
    pub fn varint(self) -> Result<u64, Broken> {
        match self {
            Value::Varint(value) => Ok(value),
            Value::Bytes(_) | Value::Fixed64(_) | Value::Fixed32(_) => Err(Broken("a field of another type")),
        }
    }

    /// The four octets as a number, if it is of that type.
    pub fn fixed32(self) -> Result<u32, Broken> {
        match self {
            Value::Fixed32(value) => Ok(value),
            Value::Bytes(_) | Value::Fixed64(_) | Value::Varint(_) => Err(Broken("a field of another type")),
        }
    }
}

/// The bytes are not of the wire format; says what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken(pub &'static str);

/// Gives the fields of one level of a message; ends after the first broken one.
pub struct Fields<'a> {
    rest: &'a [u8],
    count: usize,
}

impl<'a> Fields<'a> {
    /// The fields of `message`.
    pub fn of(message: &'a [u8]) -> Fields<'a> {
        Fields { rest: message, count: 0 }
    }

    fn field(&mut self) -> Result<(u32, Value<'a>), Broken> {
        self.count += 1;
        if self.count > MAX_FIELDS {
            return Err(Broken("more fields than a message may have"));
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok().filter(|number| (1..1 << 29).contains(number));
        let number = number.ok_or(Broken("a field number that cannot be"))?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.take()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok();
                let split = length.and_then(|length| self.rest.split_at_checked(length));
                let (bytes, rest) = split.ok_or(Broken("a field longer than the message"))?;
                self.rest = rest;
                Value::Bytes(bytes)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.take()?)),
            _ => return Err(Broken("a type of field that is not used")),
        };
        Ok((number, value))
    }

    fn varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0;
        for place in 0..10 {
            let (&byte, rest) = self.rest.split_first().ok_or(Broken("a number that is cut off"))?;
            self.rest = rest;
            if place == 9 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Broken("a number that is too long"))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Broken("a number that is cut off"))?;
        self.rest = rest;
        Ok(*bytes)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// Writes fields into one buffer. Defaults (empty, 0, false) are left out, as proto3 has it.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

/// A message that was opened and must be closed; the place of its length.
#[derive(Debug)]
#[must_use]
pub struct Open(usize);

impl Writer {
    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// How many octets were written.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Forgets what was written behind the first `length` octets; only between messages that are closed.
    pub fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
    }

    /// A text field.
    pub fn text(&mut self, number: u32, text: &str) {
        if !text.is_empty() {
            self.octets(number, text.as_bytes());
        }
    }

    /// A text that stands in a list, where an empty one counts too.
    pub fn item(&mut self, number: u32, text: &str) {
        self.octets(number, text.as_bytes());
    }

    /// An integer, a boolean or an enumeration.
    pub fn number(&mut self, number: u32, value: u64) {
        if value != 0 {
            varint(u64::from(number << 3), &mut self.bytes);
            varint(value, &mut self.bytes);
        }
    }

    /// A number of four octets, such as an error code.
    pub fn fixed32(&mut self, number: u32, value: u32) {
        if value != 0 {
            varint(u64::from(number << 3 | 5), &mut self.bytes);
            self.bytes.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// An entry of a map of texts.
    pub fn entry(&mut self, number: u32, key: &str, value: &str) {
        let size = |text: &str| match text.len() {
            0 => 0,
            length => 1 + varint_size(length as u64) + length,
        };
        varint(u64::from(number << 3 | 2), &mut self.bytes);
        varint((size(key) + size(value)) as u64, &mut self.bytes);
        self.text(1, key);
        self.text(2, value);
    }

    /// Begins a message in a field; what is written until [`Writer::close`] is in it.
    pub fn open(&mut self, number: u32) -> Open {
        varint(u64::from(number << 3 | 2), &mut self.bytes);
        self.bytes.push(0);
        Open(self.bytes.len())
    }

    /// Ends a message.
    pub fn close(&mut self, open: Open) {
        let length = self.bytes.len().saturating_sub(open.0);
        let mut prefix = Vec::with_capacity(10);
        varint(length as u64, &mut prefix);
        // Most messages are short, and their length fits into the octet kept for it.
        self.bytes.splice(open.0.saturating_sub(1)..open.0, prefix);
    }

    /// Octets, also if there are none.
    pub fn octets(&mut self, number: u32, octets: &[u8]) {
        let (more, have) = (octets.len() + SPARE, self.bytes.len());
        if have > STEADY && self.bytes.capacity() - have < more {
            self.bytes.reserve_exact(more.max(have / 4));
        }
        varint(u64::from(number << 3 | 2), &mut self.bytes);
        varint(octets.len() as u64, &mut self.bytes);
        self.bytes.extend_from_slice(octets);
    }
}

/// Makes all of `bytes` one field and puts `before` in front of it, in the same buffer.
pub fn wrap(bytes: &mut Vec<u8>, before: &Writer, number: u32) {
    let mut head = before.bytes.clone();
    varint(u64::from(number << 3 | 2), &mut head);
    varint(bytes.len() as u64, &mut head);
    let moved: Range<usize> = 0..bytes.len();
    if bytes.capacity() < moved.end + head.len() {
        bytes.reserve_exact(head.len() + SPARE); // no doubling of what is complete
    }
    bytes.resize(moved.end + head.len(), 0);
    bytes.copy_within(moved, head.len());
    if let Some(front) = bytes.get_mut(..head.len()) {
        front.copy_from_slice(&head);
    }
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint_size(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::usp::pb;

    fn read(bytes: &[u8]) -> Result<Vec<(u32, Value<'_>)>, Broken> {
        Fields::of(bytes).collect()
    }

    #[test]
    fn fields_are_read_in_their_order_and_broken_ones_are_told() {
        for (bytes, want) in [
            (&b""[..], Ok(vec![])),
            (&[0x08, 0x96, 0x01], Ok(vec![(1, Value::Varint(150))])),
            (b"\x12\x02ab\x1a\x00", Ok(vec![(2, Value::Bytes(b"ab")), (3, Value::Bytes(b""))])),
            (b"\x0d\x01\0\0\0", Ok(vec![(1, Value::Fixed32(1))])),
            (b"\x09\x01\0\0\0\0\0\0\0", Ok(vec![(1, Value::Fixed64(1))])),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", Ok(vec![(1, Value::Varint(u64::MAX))])),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", Err(Broken("a number that is too long"))),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", Err(Broken("a number that is too long"))),
            (b"\x08\x80", Err(Broken("a number that is cut off"))),
            (b"\x08", Err(Broken("a number that is cut off"))),
            (b"\x0d\x01\0", Err(Broken("a number that is cut off"))),
            (b"\x12\x03ab", Err(Broken("a field longer than the message"))),
            (
                b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x",
                Err(Broken("a field longer than the message")),
            ),
            (b"\x00\x01", Err(Broken("a field number that cannot be"))),
            (b"\xf8\xff\xff\xff\xff\x01\x01", Err(Broken("a field number that cannot be"))),
            (b"\x0b\x0c", Err(Broken("a type of field that is not used"))),
            (b"\x0f", Err(Broken("a type of field that is not used"))),
        ] {
            assert_eq!(read(bytes), want, "{bytes:02x?}");
        }
        let many = [0x08, 0x01].repeat(MAX_FIELDS + 1);
        assert_eq!(read(&many), Err(Broken("more fields than a message may have")));
        assert!(Value::Varint(1).text().is_err() && Value::Bytes(b"\xff").text().is_err());
        assert!(Value::Bytes(b"").varint().is_err() && Value::Fixed64(1).fixed32().is_err());
    }

    #[test]
    fn what_is_written_in_place_is_what_a_struct_would_have_written() {
        for size in [0, 1, 90, 127, 128, 16_383, 16_384, 70_000] {
            let long = "x".repeat(size);
            let result = pb::get_resp::RequestedPathResult {
                requested_path: long.clone(),
                err_code: 7026,
                err_msg: String::new(),
                resolved_path_results: vec![pb::get_resp::ResolvedPathResult {
                    resolved_path: "Device.".into(),
                    result_params: [("A".to_string(), long.clone()), (String::new(), "b".into())].into(),
                }],
            };
            let want = pb::GetResp { req_path_results: vec![result] }.encode_to_vec();
            let mut w = Writer::default();
            let outer = w.open(1);
            w.text(1, &long);
            w.fixed32(2, 7026);
            w.text(3, "");
            let inner = w.open(4);
            w.text(1, "Device.");
            w.entry(2, "", "b");
            w.entry(2, "A", &long);
            w.close(inner);
            w.close(outer);
            assert_eq!(w.len(), want.len());
            assert_eq!(w.into_bytes(), want, "{size}");
        }
    }

    #[test]
    fn a_buffer_becomes_a_field_behind_others_without_a_second_one() {
        for size in [0, 127, 128, 20_000] {
            let mut bytes = vec![7; size];
            let mut head = Writer::default();
            head.text(1, "1.4");
            wrap(&mut bytes, &head, 7);
            let fields = read(&bytes).unwrap();
            assert_eq!(fields, [(1, Value::Bytes(b"1.4")), (7, Value::Bytes(&vec![7; size]))]);
        }
    }
}
