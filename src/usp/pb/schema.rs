//! How a schema is written down: `message!`, `oneof!` and `enumeration!`, and what they make of it.
//!
//! A line is a field: its name, its kind and its number. Reading is one function for all messages: a message only says
//! where the field of a number goes. Kinds: `text`, `texts` (repeated), `octets`, `octet_strings` (repeated), `boolean`,
//! `enumeration`, `fixed32`, `uint64`, `map` (of texts), `message(Type)`, `messages(Type)` (repeated), `oneof(Type)`.

use crate::sorted::Map;
use crate::usp::wire::{Broken, Fields, MAX_FIELDS, Writer};

/// Most fields of a message on all levels together: an empty message of two octets takes dozens in memory.
pub const MAX_ALL_FIELDS: usize = 4 * MAX_FIELDS;

/// Texts by texts.
pub type Texts = Map<String, String>;

/// Where the value of a field goes.
pub enum Slot<'a> {
    Text(&'a mut String),
    Texts(&'a mut Vec<String>),
    Octets(&'a mut Vec<u8>),
    Boolean(&'a mut bool),
    Enumeration(&'a mut i32),
    Fixed32(&'a mut u32),
    Uint64(&'a mut u64),
    Map(&'a mut Texts),
    Message(&'a mut dyn Read),
}

/// A message that can be read.
pub trait Read {
    /// Where the field of that number goes; `None` for a field that the schema does not have.
    fn slot(&mut self, number: u32) -> Option<Slot<'_>>;
}

/// A message or a member of a oneof that can be written.
pub trait Write {
    /// Appends its fields, in the order of the schema.
    fn write(&self, w: &mut Writer);
}

/// Fills a message from its octets. Unknown fields are skipped, a repeated message or oneof is continued, and of any
/// other field that stands twice the last one counts, as protobuf has it. How deep messages nest the schema bounds.
/// `left` is how many fields there may be, [`MAX_ALL_FIELDS`] at first.
pub fn fill(message: &mut dyn Read, octets: &[u8], left: &mut usize) -> Result<(), Broken> {
    for field in Fields::of(octets) {
        *left = left.checked_sub(1).ok_or(Broken("more fields than a message may have"))?;
        let (number, value) = field?;
        match message.slot(number) {
            None => {}
            Some(Slot::Text(text)) => *text = value.text()?.to_string(),
            Some(Slot::Texts(texts)) => texts.push(value.text()?.to_string()),
            Some(Slot::Octets(octets)) => *octets = value.bytes()?.to_vec(),
            Some(Slot::Boolean(boolean)) => *boolean = value.varint()? != 0,
            // An enumeration has 32 bits, of a number that is longer the last ones.
            Some(Slot::Enumeration(number)) => *number = value.varint()? as i32,
            Some(Slot::Fixed32(number)) => *number = value.fixed32()?,
            Some(Slot::Uint64(number)) => *number = value.varint()?,
            Some(Slot::Map(texts)) => {
                let mut entry = Entry::default();
                fill(&mut entry, value.bytes()?, left)?;
                texts.insert(entry.key, entry.value);
            }
            Some(Slot::Message(inner)) => fill(inner, value.bytes()?, left)?,
        }
    }
    Ok(())
}

/// The entry of a map.
#[derive(Default)]
struct Entry {
    key: String,
    value: String,
}

impl Read for Entry {
    fn slot(&mut self, number: u32) -> Option<Slot<'_>> {
        match number {
            1 => Some(Slot::Text(&mut self.key)),
            2 => Some(Slot::Text(&mut self.value)),
            _ => None,
        }
    }
}

/// Appends a message as a field.
pub fn write_in(w: &mut Writer, number: u32, message: &dyn Write) {
    let open = w.open(number);
    message.write(w);
    w.close(open);
}

/// The next of a list of messages, to be filled.
pub fn next<T: Default>(list: &mut Vec<T>) -> Option<&mut T> {
    list.push(T::default());
    list.last_mut()
}

/// Makes a struct of a message.
macro_rules! message {
    ($(#[$doc:meta])* pub struct $name:ident { $($field:ident: $kind:ident $(($of:ty))? $(= $number:literal)?,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name { $(pub $field: kind!($kind $(($of))?),)* }

        impl $crate::usp::pb::schema::Read for $name {
            #[allow(unused_variables)]
            fn slot(&mut self, number: u32) -> Option<$crate::usp::pb::schema::Slot<'_>> {
                $(slot!(number, self.$field, $kind $(($of))? $(= $number)?);)*
                None
            }
        }

        impl $crate::usp::pb::schema::Write for $name {
            #[allow(unused_variables)]
            fn write(&self, w: &mut $crate::usp::wire::Writer) {
                $(put!(w, self.$field, $kind $(($of))? $(= $number)?);)*
            }
        }

        impl $name {
            /// Reads it from octets; refuses what is not protobuf and fields of another type.
            pub fn decode(octets: &[u8]) -> Result<$name, $crate::usp::wire::Broken> {
                let mut message = $name::default();
                let mut left = $crate::usp::pb::schema::MAX_ALL_FIELDS;
                $crate::usp::pb::schema::fill(&mut message, octets, &mut left)?;
                Ok(message)
            }

            /// Its octets.
            pub fn encode_to_vec(&self) -> Vec<u8> {
                let mut w = $crate::usp::wire::Writer::default();
                $crate::usp::pb::schema::Write::write(self, &mut w);
                w.into_bytes()
            }
        }
    };
}

/// Makes an enum of a oneof.
macro_rules! oneof {
    ($(#[$doc:meta])* pub enum $name:ident { $($member:ident: $kind:ident $(($of:ty))? = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $name { $($member(member!($kind $(($of))?)),)* }

        impl $name {
            /// Where the field of that number goes; another member than was there takes its place.
            pub fn slot(this: &mut Option<$name>, number: u32) -> Option<$crate::usp::pb::schema::Slot<'_>> {
                match number {
                    $($number => {
                        if !matches!(this, Some($name::$member(_))) {
                            *this = Some($name::$member(Default::default()));
                        }
                        match this {
                            Some($name::$member(member)) => Some(member!(member, $kind)),
                            _ => None,
                        }
                    })*
                    _ => None,
                }
            }
        }

        impl $crate::usp::pb::schema::Write for $name {
            fn write(&self, w: &mut $crate::usp::wire::Writer) {
                match self { $($name::$member(member) => member!(w, member, $kind = $number),)* }
            }
        }
    };
}

/// Makes an enum of an enumeration.
macro_rules! enumeration {
    ($(#[$doc:meta])* pub enum $name:ident { $($member:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($member = $number,)* }

        impl TryFrom<i32> for $name {
            type Error = $crate::usp::wire::Broken;

            fn try_from(number: i32) -> Result<$name, $crate::usp::wire::Broken> {
                match number {
                    $($number => Ok($name::$member),)*
                    _ => Err($crate::usp::wire::Broken("an unknown value of an enumeration")),
                }
            }
        }
    };
}

/// The type of a field.
macro_rules! kind {
    (text) => { String };
    (texts) => { Vec<String> };
    (octets) => { Vec<u8> };
    (octet_strings) => { Vec<Vec<u8>> };
    (boolean) => { bool };
    (enumeration) => { i32 };
    (fixed32) => { u32 };
    (uint64) => { u64 };
    (map) => { $crate::usp::pb::schema::Texts };
    (message($of:ty)) => { Option<$of> };
    (messages($of:ty)) => { Vec<$of> };
    (oneof($of:ty)) => { Option<$of> };
}

/// Gives the slot of a field, if it has that number.
macro_rules! slot {
    ($number:ident, $field:expr, oneof($of:ty)) => {
        if let Some(slot) = <$of>::slot(&mut $field, $number) {
            return Some(slot);
        }
    };
    ($number:ident, $field:expr, $kind:ident $(($of:ty))? = $own:literal) => {
        if $number == $own {
            return slot!($field, $kind);
        }
    };
    ($field:expr, text) => {
        Some($crate::usp::pb::schema::Slot::Text(&mut $field))
    };
    ($field:expr, texts) => {
        Some($crate::usp::pb::schema::Slot::Texts(&mut $field))
    };
    ($field:expr, octets) => {
        Some($crate::usp::pb::schema::Slot::Octets(&mut $field))
    };
    ($field:expr, octet_strings) => {
        $crate::usp::pb::schema::next(&mut $field).map($crate::usp::pb::schema::Slot::Octets)
    };
    ($field:expr, boolean) => {
        Some($crate::usp::pb::schema::Slot::Boolean(&mut $field))
    };
    ($field:expr, enumeration) => {
        Some($crate::usp::pb::schema::Slot::Enumeration(&mut $field))
    };
    ($field:expr, fixed32) => {
        Some($crate::usp::pb::schema::Slot::Fixed32(&mut $field))
    };
    ($field:expr, uint64) => {
        Some($crate::usp::pb::schema::Slot::Uint64(&mut $field))
    };
    ($field:expr, map) => {
        Some($crate::usp::pb::schema::Slot::Map(&mut $field))
    };
    ($field:expr, message) => {
        Some($crate::usp::pb::schema::Slot::Message($field.get_or_insert_with(Default::default)))
    };
    ($field:expr, messages) => {
        match $crate::usp::pb::schema::next(&mut $field) {
            Some(message) => Some($crate::usp::pb::schema::Slot::Message(message)),
            None => None,
        }
    };
}

/// Writes a field.
macro_rules! put {
    ($w:ident, $field:expr, oneof($of:ty)) => {
        if let Some(oneof) = &$field {
            $crate::usp::pb::schema::Write::write(oneof, $w);
        }
    };
    ($w:ident, $field:expr, text = $number:literal) => {
        $w.text($number, &$field)
    };
    ($w:ident, $field:expr, texts = $number:literal) => {
        $field.iter().for_each(|text| $w.item($number, text))
    };
    ($w:ident, $field:expr, octets = $number:literal) => {
        if !$field.is_empty() {
            $w.octets($number, &$field);
        }
    };
    ($w:ident, $field:expr, octet_strings = $number:literal) => {
        $field.iter().for_each(|octets| $w.octets($number, octets))
    };
    ($w:ident, $field:expr, boolean = $number:literal) => {
        $w.number($number, $field.into())
    };
    ($w:ident, $field:expr, enumeration = $number:literal) => {
        $w.number($number, $field as u64)
    };
    ($w:ident, $field:expr, fixed32 = $number:literal) => {
        $w.fixed32($number, $field)
    };
    ($w:ident, $field:expr, uint64 = $number:literal) => {
        $w.number($number, $field)
    };
    ($w:ident, $field:expr, map = $number:literal) => {
        $field.iter().for_each(|(key, value)| $w.entry($number, key, value))
    };
    ($w:ident, $field:expr, message($of:ty) = $number:literal) => {
        if let Some(message) = &$field {
            $crate::usp::pb::schema::write_in($w, $number, message);
        }
    };
    ($w:ident, $field:expr, messages($of:ty) = $number:literal) => {
        $field.iter().for_each(|message| $crate::usp::pb::schema::write_in($w, $number, message))
    };
}

/// The type, the slot and the writing of a member of a oneof.
macro_rules! member {
    (text) => {
        String
    };
    (message($of:ty)) => {
        $of
    };
    ($member:ident, text) => {
        $crate::usp::pb::schema::Slot::Text($member)
    };
    ($member:ident, message) => {
        $crate::usp::pb::schema::Slot::Message($member)
    };
    ($w:ident, $member:ident, text = $number:literal) => {
        $w.item($number, $member)
    };
    ($w:ident, $member:ident, message = $number:literal) => {
        $crate::usp::pb::schema::write_in($w, $number, $member)
    };
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::usp::pb::get_resp::{RequestedPathResult, ResolvedPathResult};
    use crate::usp::pb::operate_resp::operation_result::{CommandFailure, OperationResp, OutputArgs};
    use crate::usp::pb::operate_resp::{OperationResult, operation_result};
    use crate::usp::pb::record::session_context_record::PayloadSarState;
    use crate::usp::pb::record::{Record, SessionContextRecord, record::RecordType};
    use crate::usp::pb::{Get, GetResp, GetSupportedDm, Header, OperateResp, Register, Set};

    //= TR-369 R-ENC.0, R-MSG.5: messages follow the schema of version 1.4.
    //= TR-369 R-ENC.1: Records follow the schema of version 1.4.
    #[test]
    fn each_kind_of_field_has_its_octets_and_comes_back_from_them() {
        let texts = |text: &str| vec![text.to_string(), String::new()];
        let get = Get { param_paths: texts("a"), max_depth: 2 };
        assert_eq!(get.encode_to_vec(), b"\x0a\x01a\x0a\x00\x15\x02\0\0\0");
        assert_eq!(Get::decode(&get.encode_to_vec()), Ok(get));

        let header = Header { msg_id: "1".into(), msg_type: -1 };
        assert_eq!(header.encode_to_vec(), b"\x0a\x011\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
        assert_eq!(Header::decode(&header.encode_to_vec()), Ok(header));

        let all = GetSupportedDm { return_params: true, ..GetSupportedDm::default() };
        assert_eq!(all.encode_to_vec(), b"\x28\x01");
        assert_eq!(GetSupportedDm::decode(b"\x28\x02"), Ok(all));

        let result_params = Texts::from([("k".to_string(), "v".to_string()), ("l".into(), String::new())]);
        let values = ResolvedPathResult { resolved_path: String::new(), result_params };
        let result =
            RequestedPathResult { resolved_path_results: vec![values], ..RequestedPathResult::default() };
        let get = GetResp { req_path_results: vec![result] };
        assert_eq!(get.encode_to_vec(), b"\x0a\x0f\x22\x0d\x12\x06\x0a\x01k\x12\x01v\x12\x03\x0a\x01l");
        assert_eq!(GetResp::decode(&get.encode_to_vec()), Ok(get));

        let session = SessionContextRecord {
            session_id: u64::MAX,
            payload_sar_state: PayloadSarState::Begin as i32,
            payload: vec![vec![], vec![7]],
            ..SessionContextRecord::default()
        };
        let record = Record {
            sender_cert: vec![0xff],
            record_type: Some(RecordType::SessionContext(session)),
            ..Record::default()
        };
        let octets =
            b"\x32\x01\xff\x42\x12\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x28\x01\x3a\0\x3a\x01\x07";
        assert_eq!(record.encode_to_vec(), octets);
        assert_eq!(Record::decode(octets), Ok(record));
    }

    fn result(octets: &[u8]) -> Option<OperationResp> {
        OperateResp::decode(octets).unwrap().operation_results.pop()?.operation_resp
    }

    #[test]
    fn of_a_oneof_the_last_member_counts_and_one_that_stands_twice_is_continued() {
        use operation_result::OperationResp::{CmdFailure, ReqObjPath, ReqOutputArgs};
        let failure =
            |err_code, err_msg: &str| CmdFailure(CommandFailure { err_code, err_msg: err_msg.into() });
        let args = |args: &[(&str, &str)]| {
            let each = args.iter().map(|(name, value)| (name.to_string(), value.to_string()));
            ReqOutputArgs(OutputArgs { output_args: each.collect() })
        };
        for (octets, want) in [
            (&b"\x0a\0"[..], None),
            (b"\x0a\x02\x12\0", Some(ReqObjPath(String::new()))),
            (b"\x0a\x02\x1a\0", Some(args(&[]))),
            (b"\x0a\x06\x12\x01a\x12\x01b", Some(ReqObjPath("b".into()))),
            (b"\x0a\x05\x12\x01a\x1a\0", Some(args(&[]))),
            (b"\x0a\x05\x1a\0\x12\x01a", Some(ReqObjPath("a".into()))),
            (b"\x0a\x0c\x22\x03\x12\x01x\x22\x05\x0d\x07\0\0\0", Some(failure(7, "x"))),
            (
                b"\x0a\x14\x1a\x08\x0a\x06\x0a\x01k\x12\x01v\x1a\x08\x0a\x06\x0a\x01k\x12\x01w",
                Some(args(&[("k", "w")])),
            ),
        ] {
            assert_eq!(result(octets), want, "{octets:02x?}");
            let written = OperateResp {
                operation_results: vec![OperationResult {
                    executed_command: String::new(),
                    operation_resp: want.clone(),
                }],
            };
            assert_eq!(result(&written.encode_to_vec()), want, "{octets:02x?}");
        }
    }

    #[test]
    fn unknown_fields_are_skipped_and_fields_of_another_type_are_refused() {
        let known = Get { param_paths: vec!["a".into()], max_depth: 0 };
        assert_eq!(Get::decode(b"\x98\x06\x01\x0a\x01a\x1a\x01\xff\x21\0\0\0\0\0\0\0\0"), Ok(known));
        for octets in [
            &b"\x08\x01"[..],
            b"\x0d\0\0\0\0",
            b"\x0a\x01\xff",
            b"\x10\x01",
            b"\x11\0\0\0\0\0\0\0\0",
            b"\x0a\x02a",
            b"\x0b",
        ] {
            assert!(Get::decode(octets).is_err(), "{octets:02x?}");
        }
        assert!(Register::decode(b"\x12\x02\x0a\x01").is_err(), "cut off one level down");
    }

    #[test]
    fn messages_in_messages_are_bounded_over_all_levels() {
        // Messages in messages: each holds a thousand empty ones.
        let inner = b"\x12\0".repeat(999);
        let mut outer = Vec::new();
        for (count, taken) in [(40, true), (41, false)] {
            while outer.len() < count * (inner.len() + 3) {
                outer.extend_from_slice(b"\x12\xce\x0f");
                outer.extend_from_slice(&inner);
            }
            assert_eq!(Set::decode(&outer).is_ok(), taken, "{count}");
        }
    }
}
