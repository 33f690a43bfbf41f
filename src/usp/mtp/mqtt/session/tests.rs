#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::super::tests::{subscription, wanted};
use super::*;
use crate::mqtt::Terms;
use Version::{V5, V311};

fn user(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn ack(session_present: bool, reason: u8, properties: Properties) -> Incoming {
    Incoming::ConnAck { session_present, reason, properties: Box::new(properties) }
}

fn written(session: &mut Session) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(output) = session.poll() {
        match output {
            Output::Write(octets) => all.push(octets.to_vec()),
            other => panic!("nothing to write: {other:?}"),
        }
    }
    all
}

/// A session that is up with `me` as its only topic; its SUBSCRIBE had id 1.
fn up(version: Version, properties: Properties) -> Session {
    let wanted = Mqtt { response_topic: Some("me".into()), ..wanted(version) };
    let mut session = Session::new(wanted, VecDeque::new());
    session.receive(ack(false, 0, properties)).unwrap();
    assert_eq!(written(&mut session).len(), 2, "CONNECT and SUBSCRIBE");
    session.receive(Incoming::SubAck { id: 1, reasons: vec![1] }).unwrap();
    assert_eq!(session.poll(), Some(Output::Up));
    session
}

//= TR-369 R-MQTT.6
//= TR-369 R-MQTT.9
//= TR-369 R-MQTT.12
//= TR-369 R-MQTT.15
#[test]
fn a_connection_comes_up_by_connack_and_suback() {
    let mut session = Session::new(wanted(V5), VecDeque::new());
    let connect = written(&mut session);
    assert_eq!((connect.len(), connect[0][0]), (1, 0x10));
    assert_eq!(session.send(Some("to"), false, b"early".to_vec()), Err("not subscribed yet"));
    let told = Properties {
        assigned_client_id: Some("given".into()),
        response_information: Some("r/me".into()),
        server_keep_alive: Some(17),
        user: vec![user("subscribe-topic", "x/+"), user("other", "y"), user("subscribe-topic", "z")],
        ..Properties::default()
    };
    session.receive(ack(false, 0, told)).unwrap();
    let filters = [subscription("x/+"), subscription("z"), subscription("r/me")];
    assert_eq!(written(&mut session), [packet::subscribe(V5, 1, &filters, User::default())]);
    assert!(!session.is_up());
    session.receive(Incoming::SubAck { id: 1, reasons: vec![1, 0x87, 0] }).unwrap();
    assert_eq!(session.poll(), Some(Output::Up));
    assert_eq!((session.keep_alive(), session.reply_topic().as_deref()), (17, Some("r/me")));
    let want = Details::Mqtt {
        version: V5,
        client_id: "given".into(),
        assigned: true,
        response_information: Some("r/me".into()),
        subscribed: vec![("x/+".into(), Ok(1)), ("z".into(), Err(0x87)), ("r/me".into(), Ok(0))],
        maximum_packet: None,
    };
    assert_eq!(session.details(), want);
}

//= TR-369 R-MQTT.7
//= TR-369 R-MQTT.14
#[test]
fn what_is_asked_of_the_broker_is_what_was_set_as_far_as_its_version_can_say_it() {
    let sent = |wanted: Mqtt| written(&mut Session::new(wanted, VecDeque::new())).remove(0);
    let plain = |version, client_id| Connect {
        client_id,
        keep_alive: 60,
        clean: true,
        endpoint: if version == V5 { "os::012345-agent" } else { "" },
        ..Connect::default()
    };
    let named = |version| Mqtt { client_id: Some("cpe".into()), clean: false, ..wanted(version) };
    let lasting = |version| Connect { clean: false, ..plain(version, "cpe") };
    for version in [V5, V311] {
        assert_eq!(sent(named(version)), packet::connect(version, &lasting(version)), "as it was set");
        for (seconds, told) in [(1, 1), (65_535, 65_535), (65_536, 65_535)] {
            let wanted = Mqtt { keep_alive: std::time::Duration::from_secs(seconds), ..named(version) };
            let want = Connect { keep_alive: told, ..lasting(version) };
            assert_eq!(sent(wanted), packet::connect(version, &want), "{seconds} s");
        }
        let wanted = Mqtt { password: Some(crate::secret::Secret::new("pw")), ..named(version) };
        let told = (version == V5).then_some("pw");
        let want = Connect { password: told, ..lasting(version) };
        assert_eq!(sent(wanted.clone()), packet::connect(version, &want), "a password by itself");
        let wanted = Mqtt { username: Some("u".into()), ..wanted };
        let want = Connect { username: Some("u"), password: Some("pw"), ..lasting(version) };
        assert_eq!(sent(wanted), packet::connect(version, &want), "with a user");
    }
    // Without a name for it there is nothing to come back to.
    let nameless = Mqtt { clean: false, ..wanted(V5) };
    assert_eq!(sent(nameless), packet::connect(V5, &plain(V5, "")));
}

//= TR-369 R-MQTT.16
//= TR-369 R-MQTT.17
#[test]
fn without_a_topic_or_a_subscription_nothing_is_published() {
    let mut session = Session::new(wanted(V5), VecDeque::new());
    let end = session.receive(ack(false, 0, Properties::default())).unwrap_err();
    assert!(!end.again, "{}", end.why);
    let wanted = Mqtt { response_topic: Some("me".into()), ..wanted(V311) };
    let mut session = Session::new(wanted, VecDeque::new());
    session.receive(ack(false, 0, Properties::default())).unwrap();
    let end = session.receive(Incoming::SubAck { id: 1, reasons: vec![0x80] }).unwrap_err();
    assert!(end.again && end.why.contains("refuses every"), "{}", end.why);
    assert!(session.send(Some("to"), false, b"x".to_vec()).is_err());
}

//= TR-369 R-MQTT.10
#[test]
fn a_refusal_is_told_in_words() {
    for (version, reason, words) in [
        (V5, 0x86, "user name or password are wrong (reason 134): see log"),
        (V311, 5, "not authorized (reason 5): see log"),
        (V311, 1, "does not speak this version"),
        (V5, 0xff, "the broker refuses"),
    ] {
        let mut session = Session::new(wanted(version), VecDeque::new());
        let told = Properties { reason: Some("see log".into()), ..Properties::default() };
        let end = session.receive(ack(false, reason, told)).unwrap_err();
        assert!(end.again && end.why.contains(words), "{}", end.why);
    }
    let mut session = up(V5, Properties::default());
    // Another broker is told of, for a person to decide.
    let moved = Properties { server_reference: Some("other.example.com".into()), ..Properties::default() };
    let end = Session::new(wanted(V5), VecDeque::new()).receive(ack(false, 0x9d, moved)).unwrap_err();
    assert!(end.again && end.why.ends_with("from now on (reason 157): other.example.com"), "{}", end.why);
    let left = Incoming::Disconnect { reason: 0x8e, properties: Box::default() };
    assert!(session.receive(left).unwrap_err().why.contains("another client took the session over"));
}

#[test]
fn packets_out_of_order_end_the_connection() {
    let suback = || Incoming::SubAck { id: 9, reasons: vec![0] };
    let mut session = Session::new(wanted(V5), VecDeque::new());
    assert!(session.receive(suback()).is_err());
    for packet in [ack(false, 0, Properties::default()), suback()] {
        assert!(up(V5, Properties::default()).receive(packet).is_err());
    }
    let wanted = Mqtt { response_topic: Some("me".into()), ..wanted(V5) };
    let mut session = Session::new(wanted, VecDeque::new());
    session.receive(ack(false, 0, Properties::default())).unwrap();
    assert!(session.receive(Incoming::SubAck { id: 1, reasons: vec![0, 0] }).is_err());
}

//= TR-369 R-MQTT.18
//= TR-369 R-MQTT.19
//= TR-369 R-MQTT.20
//= TR-369 R-MQTT.22
//= TR-369 R-MQTT.23
//= TR-369 R-MQTT.24
#[test]
fn a_record_is_published_with_the_way_back() {
    let mut session = up(V5, Properties::default());
    session.send(Some("controller"), true, b"RR".to_vec()).unwrap();
    let say = Publish {
        topic: "controller",
        id: Some(2),
        retain: true,
        expiry: 0,
        properties: ("me", "usp.msg"),
        payload: b"RR".to_vec(),
        user: User::default(),
    };
    assert_eq!(written(&mut session), [packet::publish(V5, say.clone())]);
    // For how long it may be kept can be changed while the connection stands.
    let mut session = up(V5, Properties::default());
    session.retune(Mqtt { publish_expiry: 9, ..session.wanted.clone() }).unwrap();
    session.send(Some("controller"), true, b"RR".to_vec()).unwrap();
    assert_eq!(written(&mut session), [packet::publish(V5, Publish { expiry: 9, ..say.clone() })]);
    let mut session = up(V311, Properties::default());
    session.send(Some("controller"), false, b"RR".to_vec()).unwrap();
    let older = Publish { topic: "controller/reply-to=me", retain: false, ..say.clone() };
    assert_eq!(written(&mut session), [packet::publish(V311, older)]);
    // What the broker cannot do is not asked of it.
    let modest = Properties {
        maximum_qos: Some(0),
        retain_available: Some(false),
        maximum_packet: Some(64),
        ..Properties::default()
    };
    let mut session = up(V5, modest);
    session.send(Some("controller"), true, b"RR".to_vec()).unwrap();
    let plain = Publish { id: None, retain: false, ..say };
    assert_eq!(written(&mut session), [packet::publish(V5, plain)]);
    assert!(session.send(Some("controller"), true, vec![0; 64]).is_err());
    assert!(
        session.send(None, false, b"RR".to_vec()).is_err()
            && session.send(Some("a/#"), false, b"RR".to_vec()).is_err()
    );
}

//= TR-369 R-MQTT.25
//= TR-369 R-MQTT.26
//= TR-369 R-MQTT.26a
//= TR-369 R-MQTT.27a
//= TR-369 R-MQTT.28
#[test]
fn a_record_comes_with_the_topic_for_its_answer_and_is_acknowledged_after_it() {
    let publish = |topic: &str, id, kind: Option<&str>, reply: Option<&str>| Incoming::Publish {
        topic: topic.into(),
        id,
        properties: Box::new(Properties {
            content_type: kind.map(Into::into),
            response_topic: reply.map(Into::into),
            ..Properties::default()
        }),
        payload: b"RR".to_vec(),
    };
    for (version, packet, want) in [
        (V5, publish("me", Some(7), Some("usp.msg"), Some("c")), Some(Some("c"))),
        (V5, publish("me", Some(7), Some("application/vnd.bbf.usp.msg"), None), Some(None)),
        (V5, publish("me", Some(7), None, Some("c/#")), Some(None)),
        (V5, publish("me", Some(7), Some("usp.error"), Some("c")), None),
        (V311, publish("me/reply-to=c%2Fd", Some(7), None, None), Some(Some("c/d"))),
        (V311, publish("me", Some(7), None, None), Some(None)),
    ] {
        let mut session = up(version, Properties::default());
        session.receive(packet.clone()).unwrap();
        if let Some(reply) = want {
            assert_eq!(
                session.poll(),
                Some(Output::Record(b"RR".to_vec(), reply.map(Into::into))),
                "{packet:?}"
            );
        }
        assert_eq!(session.poll(), Some(Output::Write(Arc::new(packet::pub_ack(V5, 7, User::default())))));
        assert_eq!(session.poll(), None);
    }
    // What the broker kept for us comes before our SUBACK, and is told after the connection was.
    let wanted = Mqtt { response_topic: Some("me".into()), clean: false, ..wanted(V5) };
    let mut session = Session::new(wanted, VecDeque::new());
    session.receive(ack(true, 0, Properties::default())).unwrap();
    assert_eq!(written(&mut session).len(), 2);
    for id in 1..=8 {
        session.receive(publish("me", Some(id), None, Some("c"))).unwrap();
    }
    assert_eq!(session.poll(), None);
    session.receive(Incoming::SubAck { id: 1, reasons: vec![1] }).unwrap();
    assert_eq!(session.poll(), Some(Output::Up));
    for id in 1..=8 {
        assert!(matches!(session.poll(), Some(Output::Record(..))), "{id}");
        assert_eq!(session.poll(), Some(Output::Write(Arc::new(packet::pub_ack(V5, id, User::default())))));
    }
    assert_eq!(session.poll(), None);
}

//= TR-369 R-MQTT.20
#[test]
fn what_was_not_acknowledged_is_sent_again_where_the_broker_kept_the_session() {
    for (present, want) in [(true, 2), (false, 0)] {
        let mut session = up(V5, Properties { receive_maximum: Some(3), ..Properties::default() });
        for n in 0..3 {
            assert!(session.has_room());
            session.send(Some("to"), false, vec![n]).unwrap();
        }
        assert!(!session.has_room());
        let sent = written(&mut session);
        session.receive(Incoming::PubAck { id: 3, reason: 0 }).unwrap();
        assert!(session.has_room());
        let wanted = Mqtt { response_topic: Some("me".into()), ..wanted(V5) };
        let mut next = Session::new(wanted, session.into_unacknowledged());
        next.receive(ack(present, 0, Properties::default())).unwrap();
        let again = written(&mut next);
        assert_eq!(again.len(), 2 + want);
        if present {
            let mut first = sent[0].clone();
            packet::mark_again(&mut first);
            assert_eq!(again[1], first);
            // Ids that are under way are not given twice.
            next.receive(Incoming::SubAck { id: 1, reasons: vec![1] }).unwrap();
            next.poll();
            next.send(Some("to"), false, b"new".to_vec()).unwrap();
            assert_eq!(written(&mut next)[0][6..8], [0, 3]);
        }
    }
}

//= TR-369 R-MQTT.10: whatever the broker answers, it is tried again, and a person is told why.
//= TR-369 R-MQTT.17: a subscription that is refused does not count.
#[test]
fn every_reason_code_leads_to_a_connection_that_stands_or_is_tried_again() {
    for (version, code) in
        [V5, V311].into_iter().flat_map(|version| (0..=255).map(move |code| (version, code)))
    {
        let told =
            |end: End| assert!(end.again && end.why.contains("reason"), "{version:?} {code}: {}", end.why);
        let wanted = Mqtt { response_topic: Some("me".into()), ..wanted(version) };
        let mut session = Session::new(wanted, VecDeque::new());
        match session.receive(ack(false, code, Properties::default())) {
            Ok(()) => assert_eq!((code, written(&mut session).len()), (0, 2)),
            Err(end) => told(end),
        }
        let mut session = up(version, Properties::default());
        let other = Mqtt { subscriptions: vec![subscription("a")], ..session.wanted.clone() };
        session.retune(other).unwrap();
        session.receive(Incoming::SubAck { id: 2, reasons: vec![code] }).unwrap();
        let Details::Mqtt { subscribed, .. } = session.details() else { panic!("of MQTT") };
        let granted = if code < 0x80 { Ok(code) } else { Err(code) };
        assert_eq!(subscribed[1..], [("a".into(), granted)]);
        let mut session = up(version, Properties::default());
        session.send(Some("to"), false, b"x".to_vec()).unwrap();
        session.receive(Incoming::PubAck { id: 2, reason: code }).unwrap();
        assert_eq!(session.into_unacknowledged().len(), 0, "a refused message is not sent for ever");
        if version == V5 {
            let leaves = Incoming::Disconnect { reason: code, properties: Box::default() };
            told(up(V5, Properties::default()).receive(leaves).unwrap_err());
        }
    }
}

fn message(topic: &str, id: Option<u16>, topic_alias: Option<u16>) -> Incoming {
    let properties = Box::new(Properties { topic_alias, ..Properties::default() });
    Incoming::Publish { topic: topic.into(), id, properties, payload: vec![0; 100] }
}

//= MQTT 5.0 3.3.4: no more messages are under way than the Receive Maximum, which those with QoS 0 do not count to.
//= TR-181 MQTT.Client.{i}.ReceiveMaximum: each is acknowledged in its turn, so that as many as allowed may always follow.
#[test]
fn what_comes_before_the_first_suback_is_kept_up_to_a_bound() {
    for (version, most) in [(V5, 1_u16), (V5, 8), (V5, 64), (V311, 8)] {
        let terms = Terms { receive_maximum: most, ..Terms::default() };
        let wanted = Mqtt { response_topic: Some("me".into()), terms, ..wanted(version) };
        let mut session = Session::new(wanted, VecDeque::new());
        session.receive(ack(true, 0, Properties::default())).unwrap();
        while session.poll().is_some() {}
        // What needs no acknowledgement is dropped beyond a bound, and takes no room from what does.
        for _ in 0..1000 {
            session.receive(message("me", None, None)).unwrap();
        }
        let plain = 2 * usize::from(most);
        for id in 1..=most {
            session.receive(message("me", Some(id), None)).unwrap();
        }
        for id in most + 1..1000 {
            match (version, session.receive(message("me", Some(id), None))) {
                (V5, told) => assert_eq!(told.unwrap_err().reason, 0x93, "{most}"),
                (V311, told) => assert_eq!(told, Ok(()), "it has no such bound"),
            }
        }
        session.receive(Incoming::SubAck { id: 1, reasons: vec![1] }).unwrap();
        assert_eq!(session.poll(), Some(Output::Up));
        let kept = std::iter::from_fn(|| session.poll()).count();
        assert_eq!(
            kept,
            plain + 2 * usize::from(most),
            "Records, and the acknowledgements of those with QoS 1"
        );
        // Once it stands, each is acknowledged before the next one is looked at.
        for id in 1..=3 * most {
            session.receive(message("me", Some(id), None)).unwrap();
            assert!(matches!(session.poll(), Some(Output::Record(..))));
            let ack = packet::pub_ack(version, id, User::default());
            assert_eq!(session.poll(), Some(Output::Write(Arc::new(ack))));
        }
    }
}

//= MQTT 5.0 3.3.2.3.4: an alias ends with the connection.
//= MQTT 5.0 3.3.2.1
#[test]
fn aliases_that_were_not_agreed_to_or_not_told_end_the_connection() {
    let terms = Terms { topic_aliases: 1, ..Terms::default() };
    let begin = || {
        let wanted = Mqtt { response_topic: Some("me".into()), terms, ..wanted(V5) };
        let mut session = Session::new(wanted, VecDeque::new());
        session.receive(ack(false, 0, Properties::default())).unwrap();
        session
    };
    let mut session = begin();
    for (topic, alias) in [("me", Some(1)), ("", Some(1)), ("me", None)] {
        assert_eq!(session.receive(message(topic, None, alias)), Ok(()), "{topic} {alias:?}");
    }
    for (topic, alias, reason) in [("me", Some(0), 0x94), ("me", Some(2), 0x94), ("", None, 0x82)] {
        assert_eq!(session.receive(message(topic, None, alias)).unwrap_err().reason, reason);
    }
    assert_eq!(begin().receive(message("", None, Some(1))).unwrap_err().reason, 0x82, "told before");
    for version in [V5, V311] {
        let told = up(version, Properties::default()).receive(message("me", None, Some(1)));
        assert_eq!(told.unwrap_err().reason, 0x94, "none are agreed to where none are set");
    }
}

//= MQTT 5.0 4.13: a broker that breaks a rule is told which.
#[test]
fn what_a_broker_did_wrong_is_said_with_the_goodbye() {
    let reason = |mut octets: &[u8]| {
        let mut session = up(V5, Properties::default());
        let mut octets = std::mem::take(&mut octets).to_vec();
        loop {
            let end = match session.take(&mut octets) {
                Ok(Some(packet)) => session.receive(packet).err(),
                Ok(None) => panic!("nothing wrong"),
                Err(end) => Some(end),
            };
            if let Some(end) = end {
                assert!(end.again, "{}", end.why);
                return session.disconnect(end.reason);
            }
        }
    };
    for (octets, want) in [
        (&b"\xff\0"[..], &b"\xe0\x01\x81"[..]),
        (b"\xd0\0\x20\x03\0\0\0", b"\xe0\x01\x82"),
        (b"\x90\x04\0\x09\0\0", b"\xe0\x01\x82"),
        (b"\x30\x07\0\x01t\x03\x23\0\x01", b"\xe0\x01\x94"),
        (b"\x30\xff\xff\xff\x7f", b"\xe0\x01\x95"),
        (b"\xe0\x01\x8b", b"\xe0\0"),
    ] {
        assert_eq!(reason(octets), want, "{octets:02x?}");
    }
}

//= TR-369 R-MQTT.34
#[test]
fn other_topics_are_taken_up_without_another_connection() {
    let mut session = up(V5, Properties::default());
    let now = session.wanted.clone();
    let other =
        Mqtt { subscriptions: vec![subscription("a")], response_topic: Some("you".into()), ..now.clone() };
    session.retune(other.clone()).unwrap();
    let filters = [subscription("a"), subscription("you")];
    assert_eq!(
        written(&mut session),
        [
            packet::subscribe(V5, 2, &filters, User::default()),
            packet::unsubscribe(V5, 3, &["me".into()], User::default())
        ]
    );
    session.receive(Incoming::SubAck { id: 2, reasons: vec![1, 1] }).unwrap();
    assert_eq!(session.poll(), Some(Output::Changed));
    assert_eq!(session.reply_topic().as_deref(), Some("you"));
    let Details::Mqtt { subscribed, .. } = session.details() else { panic!("of MQTT") };
    assert_eq!(subscribed, [("a".into(), Ok(1)), ("you".into(), Ok(1))]);
    // Nothing is asked of a broker that has not answered CONNECT.
    let mut early = Session::new(now.clone(), VecDeque::new());
    assert_eq!(written(&mut early).len(), 1);
    early.retune(other.clone()).unwrap();
    assert_eq!(early.poll(), None);
    early.receive(ack(false, 0, Properties::default())).unwrap();
    assert_eq!(written(&mut early), [packet::subscribe(V5, 1, &filters, User::default())]);
    // Nothing but a topic less.
    session.retune(Mqtt { subscriptions: Vec::new(), ..other }).unwrap();
    assert_eq!(
        session.poll(),
        Some(Output::Write(Arc::new(packet::unsubscribe(V5, 4, &["a".into()], User::default()))))
    );
    assert_eq!(session.poll(), Some(Output::Changed));
    // No topic at all.
    assert!(!session.retune(Mqtt { response_topic: None, ..now }).unwrap_err().again);
}

#[test]
fn a_broker_that_answers_no_subscribe_is_not_asked_for_ever() {
    let mut session = up(V5, Properties::default());
    let now = session.wanted.clone();
    let ask = |n: usize| Mqtt { subscriptions: vec![subscription(&format!("t{n}"))], ..now.clone() };
    let asked = (0..MAX_ASKING + 4).take_while(|n| session.retune(ask(*n)).is_ok()).count();
    assert_eq!(asked, MAX_ASKING);
}
