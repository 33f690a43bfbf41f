//! What is done with Records, table by table; hostile bytes included.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::usp::msg::{Answer, Said};
use crate::usp::pb::record as pbr;
use crate::usp::pb::record::record::RecordType;
use crate::usp::pb::{self, request::ReqType};

fn own() -> EndpointId {
    EndpointId::parse("os::00256D-1").unwrap()
}

fn peer() -> EndpointId {
    EndpointId::parse("self::controller").unwrap()
}

fn asking() -> Vec<u8> {
    let get = pb::Get { param_paths: vec!["Device.".into()], max_depth: 0 };
    Answer::request(ReqType::Get(get)).into_msg("m1")
}

fn record(change: impl Fn(&mut pbr::Record)) -> Vec<u8> {
    let mut record = pbr::Record {
        version: "1.4".into(),
        to_id: own().to_string(),
        from_id: peer().to_string(),
        record_type: Some(RecordType::NoSessionContext(pbr::NoSessionContextRecord { payload: asking() })),
        ..pbr::Record::default()
    };
    change(&mut record);
    record.encode_to_vec()
}

fn ignored<T>(result: &Result<T, Rejected>) -> bool {
    matches!(result, Err(Rejected::Ignored(_)))
}

/// The code of the Error that goes back, as the peer reads it.
fn error_code(result: Result<Incoming<'_>, Rejected>) -> Option<u32> {
    let reply = result.err()?.reply(&own())?;
    let incoming = read(&reply, &peer()).unwrap();
    assert_eq!(incoming.from, own());
    match incoming.what {
        What::Message(payload) => match msg::read(payload).unwrap() {
            msg::Message { msg_id, said: Said::Error(error) } if msg_id == "m1" => Some(error.err_code),
            other => panic!("{other:?}"),
        },
        What::Disconnect { code, .. } => Some(code),
        What::Connect(_) => None,
    }
}

//= TR-369 R-ENC.1: Records follow the schema of version 1.4.
#[test]
fn a_record_for_us_is_taken_and_unknown_fields_are_skipped() {
    let mut bytes = record(|_| {});
    bytes.extend([0xba, 0x3e, 1, b'x', 0xb0, 0x3e, 7]); // fields 999 and 998
    let incoming = read(&bytes, &own()).unwrap();
    assert_eq!((incoming.from, incoming.version), (peer(), "1.4"));
    assert_eq!(incoming.what, What::Message(&asking()));
    // A newer version of the sender is no error.
    assert!(read(&record(|r| r.version = "2.17".into()), &own()).is_ok());
}

//= TR-369 R-E2E.1: a Record for somebody else is ignored.
//= TR-369 R-ENC.4: a Record that breaks this is discarded without an answer.
//= TR-369 R-E2E.26: without a session context there must be a payload.
#[test]
fn what_nobody_may_answer_is_ignored() {
    let empty = RecordType::NoSessionContext(pbr::NoSessionContextRecord { payload: Vec::new() });
    let twice = {
        let mut bytes = record(|_| {});
        let more = RecordType::WebsocketConnect(pbr::WebSocketConnectRecord {});
        bytes.extend(pbr::Record { record_type: Some(more), ..pbr::Record::default() }.encode_to_vec());
        bytes
    };
    let double = [
        record(|_| {}),
        record(|r| {
            (r.version, r.to_id, r.from_id) = Default::default();
        }),
    ]
    .concat();
    for (name, bytes) in [
        ("another to_id", record(|r| r.to_id = "os::00256D-2".into())),
        ("no to_id", record(|r| r.to_id.clear())),
        ("to_id cut off", record(|r| r.to_id = "os::00256D-".into())),
        ("no from_id", record(|r| r.from_id.clear())),
        ("no endpoint", record(|r| r.from_id = "controller".into())),
        ("no record_type", record(|r| r.record_type = None)),
        ("two record_types", twice),
        ("the same record_type twice", double),
        ("no payload", record(|r| r.record_type = Some(empty.clone()))),
        ("nothing", Vec::new()),
    ] {
        let result = read(&bytes, &own());
        assert!(ignored(&result), "{name}: {result:?}");
        assert_eq!(result.unwrap_err().reply(&own()), None, "{name}");
    }
}

//= TR-369 R-MTP.5: an Error goes back only to a known sender, for us, about a request whose msg_id can be read.
//= TR-369 R-ENC.2: an unknown value of an enumeration is reported.
//= TR-369 R-E2E.41: payload security is for session contexts only.
//= TR-369 R-E2E.30: a signature that is there must be verified; what cannot be is not served.
//= TR-369 R-MTP.4b: what is required must be there, and an empty text counts as absent.
#[test]
fn a_record_that_is_wrong_is_answered_only_if_it_holds_a_request() {
    type Change = fn(&mut pbr::Record);
    let changes: [(&str, Change, u32); 8] = [
        ("no version", |r| r.version.clear(), 7104),
        ("a version that is none", |r| r.version = "x".into(), 7104),
        ("half a version", |r| r.version = "1.".into(), 7104),
        ("a long version", |r| r.version = format!("1.{}", "4".repeat(500)), 7104),
        ("unknown security", |r| r.payload_security = 77, 7104),
        ("negative security", |r| r.payload_security = -1, 7104),
        ("security without a session", |r| r.payload_security = 1, 7102),
        ("a signature", |r| r.mac_signature = vec![0x30, 0], 7102),
    ];
    let response = pb::response::RespType::NotifyResp(pb::NotifyResp::default());
    for (name, change, code) in changes {
        assert_eq!(error_code(read(&record(change), &own())), Some(code), "{name}");
        for payload in [Answer::response(response.clone()).into_msg("m1"), b"\xff\xff".to_vec()] {
            let result = record(|r| {
                change(r);
                let payload = payload.clone();
                r.record_type = Some(RecordType::NoSessionContext(pbr::NoSessionContextRecord { payload }));
            });
            assert!(ignored(&read(&result, &own())), "{name}");
        }
        let elsewhere = record(|r| {
            change(r);
            r.to_id = "os::00256D-2".into();
        });
        assert!(ignored(&read(&elsewhere, &own())), "{name}");
    }
}

//= TR-369 R-E2E.6a: a session context that is not supported is answered by Disconnect 7106.
#[test]
fn a_session_context_is_answered_by_a_disconnect_whatever_else_is_in_it() {
    for (security, payload) in [(0, vec![asking()]), (1, vec![]), (0, vec![b"\xff".to_vec()])] {
        let bytes = record(|r| {
            r.payload_security = security;
            let session = pbr::SessionContextRecord {
                session_id: 2,
                sequence_id: 1,
                expected_id: 1,
                payload: payload.clone(),
                ..Default::default()
            };
            r.record_type = Some(RecordType::SessionContext(session));
        });
        assert_eq!(error_code(read(&bytes, &own())), Some(7106));
    }
}

//= TR-369 R-ENC.2: an unknown value of an enumeration is not taken for another.
#[test]
fn connect_and_disconnect_records_say_what_they_hold() {
    let topic = "usp/controller".to_string();
    let mqtt = |version| {
        RecordType::MqttConnect(pbr::MqttConnectRecord { version, subscribed_topic: topic.clone() })
    };
    let stomp = |version| {
        RecordType::StompConnect(pbr::StompConnectRecord { version, subscribed_destination: topic.clone() })
    };
    let bye = pbr::DisconnectRecord { reason: "bye".into(), reason_code: 7105 };
    for (kind, want) in [
        (
            RecordType::WebsocketConnect(pbr::WebSocketConnectRecord {}),
            Some(What::Connect(Connect::WebSocket)),
        ),
        (mqtt(0), Some(What::Connect(Connect::Mqtt { v5: false, topic: topic.clone() }))),
        (mqtt(1), Some(What::Connect(Connect::Mqtt { v5: true, topic: topic.clone() }))),
        (mqtt(2), None),
        (mqtt(-1), None),
        (stomp(0), Some(What::Connect(Connect::Stomp { destination: topic.clone() }))),
        (stomp(1), None),
        (RecordType::UdsConnect(pbr::UdsConnectRecord {}), Some(What::Connect(Connect::Unix))),
        (RecordType::Disconnect(bye), Some(What::Disconnect { code: 7105, reason: "bye" })),
    ] {
        let bytes = record(|r| r.record_type = Some(kind.clone()));
        let result = read(&bytes, &own());
        match want {
            Some(what) => assert_eq!(result.unwrap().what, what),
            None => assert!(ignored(&result), "{kind:?}: {result:?}"),
        }
    }
}

#[test]
fn bytes_that_are_no_record_are_told_from_records_that_are_wrong() {
    let long = record(|r| r.sender_cert = vec![7; MAX_RECORD]);
    let just = record(|r| r.sender_cert = vec![7; MAX_RECORD - 500]);
    assert!(long.len() > MAX_RECORD && just.len() < MAX_RECORD);
    assert!(read(&just, &own()).is_ok());
    let mut nested = Vec::new();
    for _ in 0..10_000 {
        wire::wrap(&mut nested, &Writer::default(), 7);
    }
    for (name, bytes) in [
        ("text", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("noise", vec![0xff; 40]),
        ("a length beyond the end", b"\x3a\xff\xff\xff\xff\x0fx".to_vec()),
        ("a length of 2^63", b"\x3a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01x".to_vec()),
        ("version that is no UTF-8", b"\x0a\x02\xff\xfe".to_vec()),
        ("to_id as a number", b"\x10\x05".to_vec()),
        ("payload_security as a text", b"\x22\x01x".to_vec()),
        ("a group", b"\x3b\x3c".to_vec()),
        ("too long", long),
        ("record_type as a number", record(|_| {}).into_iter().chain([0x40, 1]).collect()),
        ("cut off", record(|_| {}).split_last().unwrap().1.to_vec()),
        ("many fields", [0x20, 0].repeat(20_000)),
    ] {
        assert!(matches!(read(&bytes, &own()), Err(Rejected::Unreadable(_))), "{name}");
    }
    // Nesting is never followed deeper than the schema goes.
    assert!(ignored(&read(&nested, &own())));
}

//= TR-369 R-MTP.4b: version, to_id and from_id are always sent.
//= TR-369 R-MTP.6: the first thing sent is the Connect record of that kind of link.
//= TR-369 R-MTP.9: a Disconnect says why, as a code and as a text.
//= TR-369 R-MSG.0a
#[test]
fn what_is_sent_reads_as_the_schema_has_it() {
    let decoded = |bytes: Vec<u8>| {
        let record = pbr::Record::decode(&bytes).unwrap();
        assert_eq!(
            (&*record.version, &*record.to_id, &*record.from_id),
            ("1.4", peer().as_str(), own().as_str())
        );
        record.record_type.unwrap()
    };
    let payload = asking();
    assert_eq!(
        decoded(wrap(VERSION, &peer(), &own(), payload.clone())),
        RecordType::NoSessionContext(pbr::NoSessionContextRecord { payload })
    );
    let topic = "usp/agent".to_string();
    for (held, want) in [
        (Connect::WebSocket, RecordType::WebsocketConnect(pbr::WebSocketConnectRecord {})),
        (
            Connect::Mqtt { v5: true, topic: topic.clone() },
            RecordType::MqttConnect(pbr::MqttConnectRecord { version: 1, subscribed_topic: topic.clone() }),
        ),
        (
            Connect::Stomp { destination: topic.clone() },
            RecordType::StompConnect(pbr::StompConnectRecord { version: 0, subscribed_destination: topic }),
        ),
        (Connect::Unix, RecordType::UdsConnect(pbr::UdsConnectRecord {})),
    ] {
        assert_eq!(decoded(connect(&peer(), &own(), &held)), want);
    }
    let reason = "Session Context terminated".to_string();
    assert_eq!(
        decoded(disconnect(&peer(), &own(), 7105)),
        RecordType::Disconnect(pbr::DisconnectRecord { reason, reason_code: 7105 })
    );
}

#[test]
fn every_cut_and_every_flipped_bit_is_survived() {
    let bytes = record(|_| {});
    for end in 0..bytes.len() {
        exercise(&bytes[..end]);
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            exercise(&changed);
        }
    }
}
