#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::super::super::MqttSubscription;
use super::*;
use crate::mqtt::{MAX_PACKET, UserProperty, Will};
use Version::{V5, V311};

fn one(version: Version, octets: &[u8]) -> Result<Option<Incoming>, Bad> {
    let mut octets = octets.to_vec();
    let taken = take(version, &Terms::default(), &mut octets);
    if let Ok(Some(_)) = taken {
        assert!(octets.is_empty(), "the whole packet is taken out");
    }
    taken
}

fn said(name: &str, value: &str, packets: &str) -> UserProperty {
    UserProperty {
        name: name.into(),
        value: value.into(),
        packets: UserProperty::packets(packets.split(' ')),
    }
}

/// Octets worked out by hand from MQTT 3.1.1 3.1.
//= TR-369 R-MQTT.7
//= TR-369 R-MQTT.14
#[test]
fn connect_of_the_older_version_is_as_the_standard_lays_it_out() {
    let will = Will {
        topic: "w".into(),
        value: "gone".into(),
        qos: 1,
        retain: true,
        delay: 9,
        expiry: 9,
        content_type: "not sent".into(),
        response_topic: "not/sent".into(),
    };
    let say = Connect {
        client_id: "cpe",
        username: Some("u"),
        password: Some("pw"),
        keep_alive: 60,
        clean: true,
        will: Some(&will),
        endpoint: "not sent",
        user: &[said("not", "sent", "CONNECT WILL")],
        ..Connect::default()
    };
    let want = b"\x10\x1f\0\x04MQTT\x04\xee\0\x3c\0\x03cpe\0\x01w\0\x04gone\0\x01u\0\x02pw";
    assert_eq!(connect(V311, &say), want);
    let bare = Connect { client_id: "cpe", ..Connect::default() };
    assert_eq!(connect(V311, &bare), b"\x10\x0f\0\x04MQTT\x04\0\0\0\0\x03cpe");
}

/// Octets worked out by hand from MQTT 5.0 3.1.
//= TR-369 R-MQTT.12
//= TR-369 R-MQTT.13
#[test]
fn connect_of_the_newer_version_asks_for_response_information_and_tells_the_endpoint() {
    let will = Will { topic: "w".into(), value: "x".into(), delay: 9, ..Will::default() };
    let say = Connect {
        keep_alive: 1,
        terms: Terms { session_expiry: 2, ..Terms::default() },
        will: Some(&will),
        endpoint: "self::x",
        ..Connect::default()
    };
    let mut want = b"\x10\x4f\0\x04MQTT\x05\x04\0\x01".to_vec();
    want.extend_from_slice(
        b"\x2a\x11\0\0\0\x02\x21\0\x08\x27\0\x04\x40\0\x19\x01\x26\0\x0fusp-endpoint-id\0\x07self::x",
    );
    want.extend_from_slice(b"\0\0\x05\x18\0\0\0\x09\0\x01w\0\x01x");
    want[1] = u8::try_from(want.len() - 2).unwrap();
    assert_eq!(MAX_PACKET, 0x0004_4000);
    assert_eq!(connect(V5, &say), want);
}

/// Octets worked out by hand from MQTT 5.0 3.1.2.11 and 3.1.3.2.
//= MQTT 5.0 3.1.2.11: what is at its default is left out, everything else is said.
//= MQTT 5.0 3.1.3.2: an expiry, a content type and a response topic go with the will.
//= TR-181 MQTT.Client.{i}: all of it is for 5.0 alone.
#[test]
fn what_is_asked_of_a_broker_is_said_unless_it_is_the_default() {
    let usual = Terms {
        session_expiry: 0,
        receive_maximum: 65_535,
        maximum_packet: 0,
        topic_aliases: 0,
        response_info: false,
        problem_info: true,
    };
    let said = |terms| connect(V5, &Connect { terms, endpoint: "x", ..Connect::default() });
    let endpoint = b"\x26\0\x0fusp-endpoint-id\0\x01x";
    for (terms, property) in [
        (usual, &b""[..]),
        (Terms { session_expiry: 0x0102_0304, ..usual }, b"\x11\x01\x02\x03\x04"),
        (Terms { receive_maximum: 0x0102, ..usual }, b"\x21\x01\x02"),
        (Terms { maximum_packet: 0x0102_0304, ..usual }, b"\x27\x01\x02\x03\x04"),
        (Terms { topic_aliases: 0x0102, ..usual }, b"\x22\x01\x02"),
        (Terms { response_info: true, ..usual }, b"\x19\x01"),
        (Terms { problem_info: false, ..usual }, b"\x17\0"),
    ] {
        let size = u8::try_from(property.len() + endpoint.len()).unwrap();
        let want = [b"\0\x04MQTT\x05\0\0\0", &[size][..], property, endpoint, b"\0\0"].concat();
        assert_eq!(said(terms)[2..], want, "{terms:?}");
        let older = Connect { terms, ..Connect::default() };
        assert_eq!(connect(V311, &older), connect(V311, &Connect::default()));
    }
    let bare = Will { topic: "w".into(), value: "x".into(), ..Will::default() };
    for (will, properties) in [
        (bare.clone(), &b"\0"[..]),
        (Will { delay: 9, ..bare.clone() }, b"\x05\x18\0\0\0\x09"),
        (Will { expiry: 9, ..bare.clone() }, b"\x05\x02\0\0\0\x09"),
        (Will { content_type: "t".into(), ..bare.clone() }, b"\x04\x03\0\x01t"),
        (Will { response_topic: "r".into(), ..bare.clone() }, b"\x04\x08\0\x01r"),
    ] {
        let said = connect(V5, &Connect { will: Some(&will), ..Connect::default() });
        assert!(said.ends_with(&[b"\0\0", properties, b"\0\x01w\0\x01x"].concat()), "{said:?}");
        let older = |will| connect(V311, &Connect { will: Some(will), ..Connect::default() });
        assert_eq!(older(&will), older(&bare));
    }
}

//= MQTT 5.0 3.1.2.11.4: a packet beyond the Maximum Packet Size is a protocol error, whichever it is.
#[test]
fn a_packet_may_be_as_long_as_was_agreed_and_no_longer() {
    let packet = publish(V5, Publish { topic: "t", payload: vec![7; 300], ..Publish::default() });
    let most = u32::try_from(packet.len()).unwrap();
    for (maximum_packet, want) in [(most, true), (most - 1, false)] {
        let terms = Terms { maximum_packet, ..Terms::default() };
        let taken = take(V5, &terms, &mut packet.clone());
        match want {
            true => assert!(matches!(taken, Ok(Some(Incoming::Publish { .. }))), "{taken:?}"),
            // Known from its length alone, before the rest is there.
            false => assert!(
                [taken, take(V5, &terms, &mut packet[..3].to_vec())]
                    .iter()
                    .all(|taken| matches!(taken, Err(Bad(_, 0x95))))
            ),
        }
    }
}

//= MQTT 5.0 3.1.2.11.7: without Request Problem Information they give no reason and say nothing of the user's.
#[test]
fn explanations_come_only_where_they_were_asked_for() {
    let (reason, user) = (&b"\x1f\0\x01x"[..], &b"\x26\0\x01a\0\x01b"[..]);
    for said in [reason, user, b""] {
        let with = |first: u8, before: &[u8], after: &[u8]| {
            let body = [before, &[u8::try_from(said.len()).unwrap()], said, after].concat();
            [&[first, u8::try_from(body.len()).unwrap()], &body[..]].concat()
        };
        for (packet, always) in [
            (with(0x40, b"\0\x07\x87", b""), false),
            (with(0x90, b"\0\x07", b"\x87"), false),
            (with(0xb0, b"\0\x07", b"\x87"), false),
            (with(0x20, b"\0\x87", b""), true),
            (with(0xe0, b"\x87", b""), true),
            (with(0x30, b"\0\x01t", b"x"), true),
        ] {
            for problem_info in [true, false] {
                let terms = Terms { problem_info, ..Terms::default() };
                let taken = take(V5, &terms, &mut packet.clone());
                match problem_info || always || said.is_empty() {
                    true => assert!(matches!(taken, Ok(Some(_))), "{packet:02x?}"),
                    false => assert!(matches!(taken, Err(Bad(_, 0x82))), "{packet:02x?}"),
                }
            }
        }
    }
}

//= TR-369 R-MQTT.23
//= TR-369 R-MQTT.27
//= MQTT 5.0 3.3.2.3.3: for how long the broker may keep it.
#[test]
fn what_a_client_sends_is_as_the_standard_lays_it_out() {
    let say = Publish {
        topic: "a/b",
        id: Some(10),
        retain: true,
        expiry: 0,
        properties: ("r", "usp.msg"),
        payload: b"RR".to_vec(),
        user: User::default(),
    };
    assert_eq!(publish(V311, say.clone()), b"\x33\x09\0\x03a/b\0\x0aRR");
    assert_eq!(publish(V5, say.clone()), b"\x33\x18\0\x03a/b\0\x0a\x0e\x08\0\x01r\x03\0\x07usp.msgRR");
    let passing = Publish { expiry: 9, ..say.clone() };
    assert_eq!(publish(V311, passing.clone()), publish(V311, say.clone()));
    let with = b"\x33\x1d\0\x03a/b\0\x0a\x13\x02\0\0\0\x09\x08\0\x01r\x03\0\x07usp.msgRR";
    assert_eq!(publish(V5, passing), with);
    let mut again = publish(V311, Publish { id: None, retain: false, ..say.clone() });
    assert_eq!(again, b"\x30\x07\0\x03a/bRR");
    mark_again(&mut again);
    assert_eq!(again[0], 0x38);
    let filters =
        [MqttSubscription { topic: "a/b".into(), qos: 1 }, MqttSubscription { topic: "c".into(), qos: 2 }];
    assert_eq!(subscribe(V311, 10, &filters, User::default()), b"\x82\x0c\0\x0a\0\x03a/b\x01\0\x01c\x01");
    assert_eq!(subscribe(V5, 10, &filters, User::default()), b"\x82\x0d\0\x0a\0\0\x03a/b\x01\0\x01c\x01");
    assert_eq!(unsubscribe(V311, 10, &["c".into()], User::default()), b"\xa2\x05\0\x0a\0\x01c");
    assert_eq!(unsubscribe(V5, 10, &["c".into()], User::default()), b"\xa2\x06\0\x0a\0\0\x01c");
    assert_eq!(pub_ack(V5, 0x1234, User::default()), b"\x40\x02\x12\x34");
    let long = publish(V311, Publish { payload: vec![0; 300], id: None, ..say });
    assert_eq!(&long[..3], b"\x31\xb1\x02");
}

/// Octets worked out by hand from MQTT 5.0 2.2.2.2, 3.1, 3.3, 3.4, 3.8, 3.10 and 3.14.
//= TR-181 MQTT.Client.{i}.UserProperty.{i}.PacketType: each goes with the packets that it names, and with no other.
//= TR-181 MQTT.Client.{i}.UserProperty.{i}: only 5.0 has them.
//= MQTT 5.0 3.4.2.2.3
#[test]
fn user_properties_go_with_the_packets_they_name() {
    let all =
        "AUTH CONNECT DISCONNECT PUBLISH PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE UNSUBSCRIBE WILL nothing";
    assert_eq!(said("", "", all).packets, 0b1100_0101_1111_1011);
    let property = b"\x26\0\x01n\0\x02vv";
    let filters = [MqttSubscription { topic: "c".into(), qos: 1 }];
    let will = Will { topic: "w".into(), value: "x".into(), ..Will::default() };
    let written = |version, kinds, most| {
        let user = [said("n", "vv", kinds)];
        let with = User { all: &user, most };
        let say = Publish {
            topic: "t",
            id: None,
            retain: false,
            expiry: 0,
            properties: ("r", "u"),
            payload: b"RR".to_vec(),
            user: with,
        };
        [
            ("CONNECT", connect(version, &Connect { user: &user, ..Connect::default() })),
            ("WILL", connect(version, &Connect { will: Some(&will), user: &user, ..Connect::default() })),
            ("PUBLISH", publish(version, say)),
            ("PUBACK", pub_ack(version, 9, with)),
            ("SUBSCRIBE", subscribe(version, 9, &filters, with)),
            ("UNSUBSCRIBE", unsubscribe(version, 9, &["c".into()], with)),
            ("DISCONNECT", disconnect(version, 0, with)),
        ]
    };
    let bare = written(V5, "", usize::MAX);
    for (place, (kind, without)) in bare.iter().enumerate() {
        for (other, (name, packet)) in written(V5, kind, usize::MAX).into_iter().enumerate() {
            // What is said of the will is said in CONNECT, which the will is part of; both cases send it.
            let with = other == place || *kind == "CONNECT" && name == "WILL";
            assert_eq!(packet.windows(property.len()).filter(|at| at == property).count(), usize::from(with));
            assert_eq!(usize::from(packet[1]), packet.len() - 2, "{name}");
            assert!(with || packet == bare[other].1, "{name} says what is {kind}'s");
        }
        assert_eq!(written(V311, kind, usize::MAX)[place].1, written(V311, "", usize::MAX)[place].1);
        // A broker that takes nothing as long as that gets the packet without.
        let short = without.len() + property.len();
        let sent = &written(V5, kind, short)[place].1;
        assert!(["CONNECT", "WILL"].contains(kind) || sent == without, "{kind}");
    }
    for (kind, want) in [
        ("PUBLISH", &b"\x30\x16\0\x01t\x10\x08\0\x01r\x03\0\x01u\x26\0\x01n\0\x02vvRR"[..]),
        ("PUBACK", b"\x40\x0c\0\x09\0\x08\x26\0\x01n\0\x02vv"),
        ("SUBSCRIBE", b"\x82\x0f\0\x09\x08\x26\0\x01n\0\x02vv\0\x01c\x01"),
        ("UNSUBSCRIBE", b"\xa2\x0e\0\x09\x08\x26\0\x01n\0\x02vv\0\x01c"),
        ("DISCONNECT", b"\xe0\x0a\0\x08\x26\0\x01n\0\x02vv"),
    ] {
        let found = written(V5, kind, usize::MAX).into_iter().find(|(name, _)| *name == kind).unwrap().1;
        assert_eq!(found, want, "{kind}");
    }
    let will = written(V5, "WILL", usize::MAX)[1].1.clone();
    assert!(will.ends_with(b"\0\0\x08\x26\0\x01n\0\x02vv\0\x01w\0\x01x"), "{will:?}");
    for (version, reason, want) in
        [(V5, 0, &b"\xe0\0"[..]), (V5, 0x95, b"\xe0\x01\x95"), (V311, 0x95, b"\xe0\0")]
    {
        assert_eq!(disconnect(version, reason, User::default()), want);
    }
    let user = [said("n", "vv", "DISCONNECT")];
    let with = User { all: &user, most: usize::MAX };
    assert_eq!(disconnect(V5, 0x95, with), b"\xe0\x0a\x95\x08\x26\0\x01n\0\x02vv");
}

#[test]
fn what_a_broker_sends_is_read() {
    let none = Box::<Properties>::default;
    let properties = b"\x22\0\x0a\x21\0\x14\x12\0\x02id\x13\0\x1e\x1a\0\x01r\x24\0\x25\0\x27\0\0\x04\0\
                       \x26\0\x01a\0\x01b\x26\0\x01a\0\x01c\x1f\0\x02ok\x2a\x01";
    let mut ack = vec![0x20, 0, 1, 0, u8::try_from(properties.len()).unwrap()];
    ack.extend_from_slice(properties);
    ack[1] = u8::try_from(ack.len() - 2).unwrap();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let told = Properties {
        assigned_client_id: Some("id".into()),
        server_keep_alive: Some(30),
        response_information: Some("r".into()),
        reason: Some("ok".into()),
        receive_maximum: Some(20),
        maximum_qos: Some(0),
        retain_available: Some(false),
        maximum_packet: Some(1024),
        user: vec![pair("a", "b"), pair("a", "c")],
        ..Properties::default()
    };
    let publish = |topic: &str, id, properties: Box<Properties>| Incoming::Publish {
        topic: topic.into(),
        id,
        properties,
        payload: b"RR".to_vec(),
    };
    let with = Box::new(Properties {
        content_type: Some("usp.msg".into()),
        response_topic: Some("r".into()),
        ..Properties::default()
    });
    let aliased = Box::new(Properties { topic_alias: Some(0x0102), ..Properties::default() });
    for (version, octets, want) in [
        (
            V5,
            ack.as_slice(),
            Incoming::ConnAck { session_present: true, reason: 0, properties: Box::new(told) },
        ),
        (V5, b"\x20\x02\0\x01", Incoming::ConnAck { session_present: false, reason: 1, properties: none() }),
        (
            V311,
            b"\x20\x02\0\x05",
            Incoming::ConnAck { session_present: false, reason: 5, properties: none() },
        ),
        (V311, b"\x30\x05\0\x01aRR", publish("a", None, none())),
        (V311, b"\x3b\x07\0\x01a\0\x07RR", publish("a", Some(7), none())),
        (V5, b"\x30\x06\0\x01a\0RR", publish("a", None, none())),
        (V5, b"\x30\x08\0\0\x03\x23\x01\x02RR", publish("", None, aliased)),
        (V5, b"\x32\x18\0\x01a\0\x07\x10\x03\0\x07usp.msg\x08\0\x01r\x01\x01RR", publish("a", Some(7), with)),
        (V311, b"\x40\x02\0\x07", Incoming::PubAck { id: 7, reason: 0 }),
        (V5, b"\x40\x03\0\x07\x10", Incoming::PubAck { id: 7, reason: 0x10 }),
        (V5, b"\x40\x04\0\x07\x87\0", Incoming::PubAck { id: 7, reason: 0x87 }),
        (V311, b"\x90\x04\0\x07\x01\x80", Incoming::SubAck { id: 7, reasons: vec![1, 0x80] }),
        (V5, b"\x90\x04\0\x07\0\x8f", Incoming::SubAck { id: 7, reasons: vec![0x8f] }),
        (V311, b"\xb0\x02\0\x07", Incoming::UnsubAck { id: 7 }),
        (V5, b"\xb0\x04\0\x07\0\0", Incoming::UnsubAck { id: 7 }),
        (V5, b"\xd0\0", Incoming::PingResp),
        (V5, b"\xe0\0", Incoming::Disconnect { reason: 0, properties: none() }),
        (V5, b"\xe0\x01\x8e", Incoming::Disconnect { reason: 0x8e, properties: none() }),
    ] {
        assert_eq!(one(version, octets), Ok(Some(want)), "{octets:02x?}");
        for cut in 0..octets.len() {
            assert_eq!(one(version, &octets[..cut]), Ok(None), "{octets:02x?} cut at {cut}");
        }
    }
}

#[test]
fn what_brokers_must_not_send_is_refused() {
    for (version, octets) in [
        (V5, &b"\xff\xff\xff\xff\xff"[..]),
        (V5, b"\x30\xff\xff\xff\x7f"), // longer than is taken, before it is there
        (V311, b"\x34\x05\0\x01a\0\x07"), // QoS 2
        (V5, b"\x21\x02\0\0"),         // reserved flags
        (V311, b"\xe0\0"),             // DISCONNECT of a broker of 3.1.1
        (V5, b"\x10\0"),               // CONNECT
        (V5, b"\x20\x01\0"),           // too short
        (V5, b"\xd0\x01\0"),           // too long
        (V5, b"\x20\x05\0\0\x02\x7e\0"), // unknown property
        (V5, b"\x20\x04\0\0\x05\x12"), // properties beyond the packet
        (V5, b"\x30\x04\0\x02\xff\xff"), // not UTF-8
        (V311, b"\x30\x03\0\x01\0"),   // null character
        (V5, b"\x30\x02\0\x05"),       // topic beyond the packet
    ] {
        assert!(one(version, octets).is_err(), "{octets:02x?}");
    }
    let many = b"\x26\0\x01a\0\x01b".repeat(MAX_USER_PROPERTIES + 5);
    let mut packet = vec![0x20, 0, 0, 0, 0, 0];
    packet.extend_from_slice(&many);
    let size = many.len();
    (packet[4], packet[5]) = ((size & 0x7f) as u8 | 0x80, (size >> 7) as u8);
    packet.splice(1..2, [((size + 4) & 0x7f) as u8 | 0x80, ((size + 4) >> 7) as u8]);
    match one(V5, &packet).unwrap().unwrap() {
        Incoming::ConnAck { properties, .. } => assert_eq!(properties.user.len(), MAX_USER_PROPERTIES),
        other => panic!("{other:?}"),
    }
}
