#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use proptest::prelude::*;
use std::io::Cursor;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame as Other, FrameHeader};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};
use tokio_tungstenite::tungstenite::{Bytes, Message};

type Found = Vec<Result<Incoming, Refused>>;

/// What a reader makes of octets that come in pieces of those sizes, again and again.
fn read(masked: bool, octets: &[u8], sizes: &[usize]) -> Found {
    let mut reader = Reader::new(masked);
    let mut found = Vec::new();
    let (mut rest, mut sizes) = (octets, sizes.iter().cycle());
    while !rest.is_empty() {
        let (mut piece, behind) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
        rest = behind;
        while let Some(one) = reader.take(&mut piece).transpose() {
            found.push(one);
        }
        assert!(piece.is_empty());
    }
    found
}

fn whole(masked: bool, octets: &[u8]) -> Found {
    let whole = read(masked, octets, &[usize::MAX]);
    assert_eq!(whole, read(masked, octets, &[1]), "{octets:x?}");
    whole
}

fn record(octets: &[u8]) -> Result<Incoming, Refused> {
    Ok(Incoming::Record(octets.to_vec()))
}

/// The examples of RFC 6455 5.7 among them, with binary for text.
//= RFC 6455 5.4
//= RFC 6455 5.5
//= RFC 6455 5.5.1
#[test]
fn frames_of_either_side_become_messages() {
    let closed = |code, reason: &str| Ok(Incoming::Close(Some((code, reason.to_owned()))));
    let cases: [(bool, &[u8], Found); 10] = [
        (false, b"\x82\x05Hello", vec![record(b"Hello")]),
        (true, b"\x82\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", vec![record(b"Hello")]),
        (false, b"\x02\x03Hel\x80\x02lo", vec![record(b"Hello")]),
        (true, b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", vec![Ok(Incoming::Pong)]),
        (
            false,
            b"\x02\x03Hel\x89\x05Hello\x00\x00\x8a\x00\x80\x02lo\x82\x00",
            vec![Ok(Incoming::Ping(b"Hello".to_vec())), Ok(Incoming::Pong), record(b"Hello"), record(b"")],
        ),
        (false, b"\x88\x00", vec![Ok(Incoming::Close(None))]),
        (false, b"\x88\x05\x03\xe8bye", vec![closed(1000, "bye")]),
        (true, b"\x88\x82\0\0\0\0\x0f\xa0", vec![closed(4000, "")]),
        // What comes behind the end is nothing any more.
        (false, b"\x88\x00\x82\x05Hello\xff", vec![Ok(Incoming::Close(None))]),
        (false, b"\x82\x05Hell", vec![]),
    ];
    for (masked, octets, want) in cases {
        assert_eq!(whole(masked, octets), want, "{octets:x?}");
    }
}

//= RFC 6455 5.1
//= RFC 6455 5.2
//= RFC 6455 5.4
//= RFC 6455 5.5
//= RFC 6455 5.5.1
//= RFC 6455 7.4
//= RFC 6455 7.4.1
//= TR-369 R-WS.16
#[test]
fn what_breaks_a_rule_ends_the_session_with_its_code() {
    let cases: [(bool, &[u8], u16, &str); 21] = [
        (false, b"\xc2\x00", 1002, "reserved"),
        (false, b"\x92\x00", 1002, "reserved"),
        (false, b"\x82\x80", 1002, "with a mask"),
        (true, b"\x82\x00", 1002, "without a mask"),
        (false, b"\x83\x00", 1002, "opcode"),
        (false, b"\x8b\x00", 1002, "opcode"),
        (false, b"\x80\x00", 1002, "without a beginning"),
        (false, b"\x02\x00\x82\x00", 1002, "within another"),
        (false, b"\x09\x00", 1002, "fragment"),
        (false, b"\x89\x7e\x00\x7e", 1002, "long"),
        (false, b"\x88\x7f", 1002, "long"),
        (false, b"\x82\x7e\x00\x7d", 1002, "than it needs"),
        (false, b"\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", 1002, "than it needs"),
        (false, b"\x82\x7f\x00\x00\x00\x00\x00\x04\x00\x01", 1009, "too long"),
        (false, b"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x01", 1009, "too long"),
        (false, b"\x88\x01\x03", 1002, "half"),
        (false, b"\x88\x02\x03\xed", 1002, "nobody may send"),
        (false, b"\x88\x02\x00\x00", 1002, "nobody may send"),
        (false, b"\x88\x03\x03\xe8\xff", 1007, "UTF-8"),
        (false, b"\x81\x05Hello", 1003, "text"),
        (true, b"\x01\x80", 1003, "text"),
    ];
    for (masked, octets, code, words) in cases {
        // Whatever comes behind it counts no more, and no octet behind it was waited for.
        for behind in [&b""[..], b"\x82\x00\x82\x00"] {
            let found = whole(masked, &[octets, behind].concat());
            let [Err(refused)] = found.as_slice() else { panic!("{octets:x?}: {found:?}") };
            assert_eq!(refused.code, code, "{octets:x?}");
            assert!(refused.why.contains(words), "{octets:x?}: {}", refused.why);
        }
    }
}

//= RFC 6455 7.4
#[test]
fn codes_are_taken_where_somebody_may_send_them() {
    for (codes, may) in [
        (0..=999, false),
        (1000..=1003, true),
        (1004..=1006, false),
        (1007..=1014, true),
        (1015..=2999, false),
        (3000..=4999, true),
        (5000..=u16::MAX, false),
    ] {
        for code in codes {
            assert_eq!(closed(&code.to_be_bytes()).is_ok(), may, "{code}");
        }
    }
}

//= RFC 6455 7.4.1
#[test]
fn a_record_of_any_number_of_fragments_is_taken_up_to_its_bound_and_not_beyond() {
    let part = |opcode, octets: &[u8], last| {
        let mut frame = Vec::new();
        let header = FrameHeader { is_final: last, opcode: OpCode::Data(opcode), ..FrameHeader::default() };
        Other::from_payload(header, octets.to_vec().into()).format(&mut frame).unwrap();
        frame
    };
    let most = vec![7; MAX_RECORD];
    assert_eq!(read(false, &part(Data::Binary, &most, true), &[4096]), [record(&most)]);
    let (first, second) = most.split_at(MAX_RECORD / 3);
    let first = part(Data::Binary, first, false);
    let both = [&*first, &part(Data::Continue, second, true)].concat();
    assert_eq!(read(false, &both, &[4096]), [record(&most)]);
    // A Ping comes through although the Record is as long as it may be.
    let full = [&*part(Data::Binary, &most, false), b"\x89\x01?\x80\x00"].concat();
    assert_eq!(read(false, &full, &[999]), [Ok(Incoming::Ping(b"?".to_vec())), record(&most)]);
    let over = [&first, part(Data::Continue, &[second, b"!"].concat(), true).get(..10).unwrap()].concat();
    let found = read(false, &over, &[4096]);
    assert_eq!(found, [Err(Refused { code: 1009, why: "a message that is too long" })]);
}

#[test]
fn what_is_promised_takes_no_memory_before_it_comes() {
    let mut reader = Reader::new(false);
    let mut octets = &b"\x82\x7f\x00\x00\x00\x00\x00\x04\x00\x00abc"[..];
    assert_eq!(reader.take(&mut octets), Ok(None));
    assert!(reader.record.unwrap().capacity() < 64);
}

//= TR-369 R-WS.14
//= TR-369 R-WS.14a
//= RFC 6455 5.2
//= RFC 6455 5.3
#[test]
fn a_payload_becomes_the_frame_that_tungstenite_makes_of_it() {
    let kinds = [
        (Kind::Record, OpCode::Data(Data::Binary)),
        (Kind::Close, OpCode::Control(Control::Close)),
        (Kind::Ping, OpCode::Control(Control::Ping)),
        (Kind::Pong, OpCode::Control(Control::Pong)),
    ];
    for (kind, opcode) in kinds {
        for size in [0, 1, 125, 126, 0xffff, 0x1_0000, 300_000] {
            if kind != Kind::Record && size > MAX_CONTROL {
                continue;
            }
            let payload: Vec<u8> = (0..size).map(|n| n as u8).collect();
            for mask in [None, Some([1, 2, 3, 0xf4])] {
                let header = FrameHeader { mask, opcode, ..FrameHeader::default() };
                let mut want = Vec::new();
                Other::from_payload(header, payload.clone().into()).format(&mut want).unwrap();
                assert!(frame(kind, payload.clone(), mask) == want, "{kind:?} {size} {mask:?}");
            }
        }
    }
    assert_eq!(frame(Kind::Ping, vec![0; 200], None).len(), 2 + MAX_CONTROL);
    assert_eq!(farewell(1000, &"ä".repeat(99)).len(), 2 + 122);
}

/// What a peer may send in its turn: a Record in so many fragments, a Ping, or a Pong.
fn said() -> impl Strategy<Value = (u8, Vec<u8>, usize)> {
    (0..3u8, prop::collection::vec(any::<u8>(), 0..300), 1..5usize)
}

proptest! {
    #[test]
    fn what_tungstenite_sends_in_whatever_pieces_is_understood(
        all in prop::collection::vec(said(), 0..12),
        sizes in prop::collection::vec(1..400usize, 1..8),
        mask in any::<Option<[u8; 4]>>(),
    ) {
        let (mut octets, mut want) = (Vec::new(), Vec::new());
        let mut put = |opcode, is_final, part: &[u8]| {
            let header = FrameHeader { is_final, opcode, mask, ..FrameHeader::default() };
            Other::from_payload(header, part.to_vec().into()).format(&mut octets).unwrap();
        };
        for (kind, mut payload, fragments) in all {
            if kind > 0 {
                payload.truncate(MAX_CONTROL);
            }
            match kind {
                0 => {
                    let length = payload.len().div_ceil(fragments).max(1);
                    let parts: Vec<&[u8]> = match payload.as_slice() {
                        [] => vec![&[]],
                        some => some.chunks(length).collect(),
                    };
                    for (n, part) in parts.iter().enumerate() {
                        let data = if n == 0 { Data::Binary } else { Data::Continue };
                        put(OpCode::Data(data), n + 1 == parts.len(), part);
                    }
                    want.push(Ok(Incoming::Record(payload)));
                }
                1 => {
                    put(OpCode::Control(Control::Ping), true, &payload);
                    want.push(Ok(Incoming::Ping(payload)));
                }
                _ => {
                    put(OpCode::Control(Control::Pong), true, &payload);
                    want.push(Ok(Incoming::Pong));
                }
            }
        }
        prop_assert_eq!(read(mask.is_some(), &octets, &sizes), want);
    }

    #[test]
    fn what_we_send_is_understood_by_tungstenite(
        all in prop::collection::vec(said(), 0..12),
        mask in any::<Option<[u8; 4]>>(),
    ) {
        let (mut octets, mut want) = (Vec::new(), Vec::new());
        for (kind, mut payload, _) in all {
            if kind > 0 {
                payload.truncate(MAX_CONTROL);
            }
            let (kind, message): (_, fn(Bytes) -> Message) = match kind {
                0 => (Kind::Record, Message::Binary),
                1 => (Kind::Ping, Message::Ping),
                _ => (Kind::Pong, Message::Pong),
            };
            octets.extend(frame(kind, payload.clone(), mask));
            want.push(message(payload.into()));
        }
        octets.extend(frame(Kind::Close, farewell(1000, "enough"), mask));
        let role = if mask.is_some() { Role::Server } else { Role::Client };
        let mut other = WebSocket::from_raw_socket(Cursor::new(octets), role, None);
        for want in want {
            prop_assert_eq!(other.read().unwrap(), want);
        }
        let Message::Close(Some(end)) = other.read().unwrap() else { panic!("the end comes last") };
        prop_assert_eq!((u16::from(end.code), end.reason.as_str()), (1000, "enough"));
    }
}
