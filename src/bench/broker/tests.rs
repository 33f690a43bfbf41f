#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use rumqttc::v5::mqttbytes::v5::{
    ConnectProperties, PingReq, PublishProperties, SubscribeProperties, Unsubscribe,
};

/// One end of a connection, which says and expects packets.
struct Peer {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    buffer: BytesMut,
}

fn connect(client: &str, properties: ConnectProperties) -> Packet {
    let connect =
        Connect { keep_alive: 0, client_id: client.into(), clean_start: true, properties: Some(properties) };
    Packet::Connect(connect, None, None)
}

fn publish(topic: &str, qos: QoS, text: &str) -> Publish {
    let pkid = if qos == QoS::AtMostOnce { 0 } else { 7 };
    Publish { pkid, ..Publish::new(topic, qos, text.to_owned(), None) }
}

fn subscribe(filters: Vec<Filter>) -> Packet {
    Packet::Subscribe(Subscribe { pkid: 3, filters, properties: None })
}

impl Peer {
    async fn open(broker: SocketAddr) -> Peer {
        let (reader, writer) = TcpStream::connect(broker).await.unwrap().into_split();
        Peer { reader, writer, buffer: BytesMut::new() }
    }

    /// A client that is in.
    async fn client(broker: SocketAddr, id: &str) -> Peer {
        let mut end = Peer::open(broker).await;
        end.say(connect(id, ConnectProperties::new())).await;
        assert!(
            matches!(end.hear().await, Some(Packet::ConnAck(ack)) if ack.code == ConnectReturnCode::Success)
        );
        end
    }

    /// A client with filters.
    async fn listener(broker: SocketAddr, id: &str, filters: &[(&str, QoS)]) -> Peer {
        let mut end = Peer::client(broker, id).await;
        let filters = filters.iter().map(|(filter, qos)| Filter::new(*filter, *qos)).collect();
        end.say(subscribe(filters)).await;
        assert!(matches!(end.hear().await, Some(Packet::SubAck(_))));
        end
    }

    async fn say(&mut self, packet: Packet) {
        send(&mut self.writer, &packet, u32::MAX).await.unwrap();
    }

    /// What comes next; none at the end of the connection.
    async fn hear(&mut self) -> Option<Packet> {
        loop {
            if self.buffer.first() == Some(&0xe0) && self.buffer.len() >= 3 {
                return Some(Packet::Disconnect(Disconnect::new(self.buffer[2].try_into().unwrap())));
            }
            match Packet::read(&mut self.buffer, None) {
                Ok(packet) => return Some(packet),
                Err(Error::InsufficientBytes(_)) => {}
                Err(error) => panic!("{error}"),
            }
            if self.reader.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    async fn message(&mut self) -> (String, QoS, String) {
        let Some(Packet::Publish(message)) = self.hear().await else { panic!("no message") };
        if message.qos == QoS::AtLeastOnce {
            self.say(Packet::PubAck(PubAck::new(message.pkid, None))).await;
        }
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
        (text(&message.topic), message.qos, text(&message.payload))
    }

    async fn is_cut_with(&mut self, why: Reason) {
        let Some(Packet::Disconnect(told)) = self.hear().await else { panic!("no DISCONNECT") };
        assert_eq!(told.reason_code, why);
        self.buffer.clear();
        assert!(self.hear().await.is_none());
    }
}

#[tokio::test]
async fn a_client_is_told_what_is_not_here_and_what_it_asks_for() {
    let broker = start().await.unwrap();
    for (id, asks) in [("", true), ("", false), ("router-1", true), ("router-1", false)] {
        let mut end = Peer::open(broker).await;
        let properties =
            ConnectProperties { request_response_info: Some(u8::from(asks)), ..ConnectProperties::new() };
        end.say(connect(id, properties)).await;
        let Some(Packet::ConnAck(ack)) = end.hear().await else { panic!() };
        let told = ack.properties.unwrap();
        assert_eq!((ack.session_present, told.max_qos, told.retain_available), (false, Some(1), Some(0)));
        assert_eq!(told.assigned_client_identifier.is_some(), id.is_empty());
        let id = told.assigned_client_identifier.unwrap_or_else(|| id.into());
        assert_eq!(told.response_information, asks.then(|| format!("usp/agents/{id}")));
        end.say(Packet::PingReq(PingReq)).await;
        assert_eq!(end.hear().await, Some(Packet::PingResp(PingResp)));
    }
}

#[tokio::test]
async fn a_message_comes_to_whom_it_concerns_with_the_lower_qos_and_unchanged() {
    use QoS::{AtLeastOnce as One, AtMostOnce as Zero};
    let broker = start().await.unwrap();
    // Several filters that cover it are one message, with the highest of their QoS.
    let mut one = Peer::listener(broker, "one", &[("a/#", Zero), ("a/+", One)]).await;
    let mut two = Peer::listener(broker, "two", &[("a/b", Zero)]).await;
    let mut other = Peer::listener(broker, "other", &[("b/+", One)]).await;
    let mut sender = Peer::client(broker, "sender").await;
    for (topic, qos, text, first, second) in [
        ("a/b", One, "first", Some(One), Some(Zero)),
        ("a/b", Zero, "second", Some(Zero), Some(Zero)),
        ("a/c", One, "third", Some(One), None),
        ("nobody", One, "lost", None, None),
    ] {
        sender.say(Packet::Publish(publish(topic, qos, text))).await;
        let told = |qos| (topic.to_owned(), qos, text.to_owned());
        if let Some(qos) = first {
            assert_eq!(one.message().await, told(qos));
        }
        if let Some(qos) = second {
            assert_eq!(two.message().await, told(qos));
        }
        if qos == One {
            let reason = match first {
                Some(_) => PubAckReason::Success,
                None => PubAckReason::NoMatchingSubscribers,
            };
            let ack = PubAck { pkid: 7, reason, properties: None };
            assert_eq!(sender.hear().await, Some(Packet::PubAck(ack)));
        }
    }
    // Properties go with it.
    let properties = PublishProperties {
        response_topic: Some("back".into()),
        content_type: Some("usp.msg".into()),
        ..PublishProperties::default()
    };
    sender
        .say(Packet::Publish(Publish { properties: Some(properties.clone()), ..publish("b/x", Zero, "") }))
        .await;
    let Some(Packet::Publish(message)) = other.hear().await else { panic!() };
    assert_eq!(message.properties, Some(properties));
}

#[tokio::test]
async fn a_filter_is_granted_or_refused_by_itself_and_can_be_given_up() {
    let broker = start().await.unwrap();
    let mut end = Peer::client(broker, "one").await;
    let code = |filter: &str| match filter {
        "$share/group/a" => SubscribeReasonCode::SharedSubscriptionsNotSupported,
        "a/#/b" | "a+" => SubscribeReasonCode::TopicFilterInvalid,
        _ => SubscribeReasonCode::Success(QoS::AtLeastOnce),
    };
    let filters = ["a", "a/#/b", "$share/group/a", "a+", "b/#"];
    end.say(subscribe(filters.map(|filter| Filter::new(filter, QoS::ExactlyOnce)).into())).await;
    let Some(Packet::SubAck(ack)) = end.hear().await else { panic!() };
    assert_eq!((ack.pkid, ack.return_codes), (3, filters.map(code).to_vec()));
    let many = (0..FILTERS_MAX).map(|at| Filter::new(format!("f/{at}"), QoS::AtMostOnce)).collect();
    end.say(subscribe(many)).await;
    let Some(Packet::SubAck(ack)) = end.hear().await else { panic!() };
    let refused = ack.return_codes.iter().filter(|code| **code == SubscribeReasonCode::QuotaExceeded);
    assert_eq!(refused.count(), 2);
    let filters = vec!["a".into(), "c".into()];
    end.say(Packet::Unsubscribe(Unsubscribe { pkid: 4, filters, properties: None })).await;
    let Some(Packet::UnsubAck(ack)) = end.hear().await else { panic!() };
    assert_eq!(ack.reasons, [UnsubAckReason::Success, UnsubAckReason::NoSubscriptionExisted]);
    end.say(Packet::Publish(publish("a", QoS::AtLeastOnce, ""))).await;
    let ack = PubAck { pkid: 7, reason: PubAckReason::NoMatchingSubscribers, properties: None };
    assert_eq!(end.hear().await, Some(Packet::PubAck(ack)));
}

#[tokio::test]
async fn what_is_not_here_or_makes_no_sense_ends_the_connection_with_a_reason() {
    let broker = start().await.unwrap();
    let alias = PublishProperties { topic_alias: Some(1), ..PublishProperties::default() };
    let numbered = SubscribeProperties { id: Some(1), user_properties: Vec::new() };
    let zero = |topic: &str| publish(topic, QoS::AtMostOnce, "");
    for (packet, why) in [
        (Packet::Publish(publish("a", QoS::ExactlyOnce, "")), Reason::QoSNotSupported),
        (Packet::Publish(Publish { retain: true, ..zero("a") }), Reason::RetainNotSupported),
        (Packet::Publish(Publish { properties: Some(alias), ..zero("a") }), Reason::TopicAliasInvalid),
        (Packet::Publish(zero("a/#")), Reason::TopicNameInvalid),
        (
            Packet::Subscribe(Subscribe::new(Filter::new("a", QoS::AtMostOnce), Some(numbered))),
            Reason::SubscriptionIdentifiersNotSupported,
        ),
        (connect("one", ConnectProperties::new()), Reason::ProtocolError),
        (Packet::PingResp(PingResp), Reason::ProtocolError),
    ] {
        let mut end = Peer::client(broker, "one").await;
        end.say(packet).await;
        end.is_cut_with(why).await;
    }
    for (octets, why) in [
        // A kind of packet that there is not, a length without end, a packet beyond the bound.
        (&[0x00, 0x00][..], Reason::MalformedPacket),
        (&[0x30, 0xff, 0xff, 0xff, 0xff][..], Reason::MalformedPacket),
        (&[0x30, 0xff, 0xff, 0xff, 0x7f][..], Reason::PacketTooLarge),
        // SUBSCRIBE with properties beyond its end.
        (&[0x82, 0x03, 0x00, 0x01, 0xff][..], Reason::MalformedPacket),
    ] {
        let mut end = Peer::client(broker, "one").await;
        end.writer.write_all(octets).await.unwrap();
        end.is_cut_with(why).await;
    }
}

#[tokio::test]
async fn only_a_connect_of_this_version_with_an_id_for_a_topic_opens_a_connection() {
    let broker = start().await.unwrap();
    for octets in [
        // PINGREQ; CONNECT of 3.1.1.
        &[0xc0, 0x00][..],
        &[0x10, 0x0d, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, 1, b'a'][..],
    ] {
        let mut end = Peer::open(broker).await;
        end.writer.write_all(octets).await.unwrap();
        assert!(end.hear().await.is_none());
    }
    for id in ["a/#".to_owned(), "x".repeat(CLIENT_ID_MAX + 1)] {
        let mut end = Peer::open(broker).await;
        end.say(connect(&id, ConnectProperties::new())).await;
        let Some(Packet::ConnAck(ack)) = end.hear().await else { panic!() };
        assert_eq!(ack.code, ConnectReturnCode::ClientIdentifierNotValid);
        assert!(end.hear().await.is_none());
    }
}

#[tokio::test]
async fn the_newer_connection_of_a_client_ends_the_older_and_too_many_clients_are_refused() {
    let broker = start().await.unwrap();
    let mut older = Peer::client(broker, "0").await;
    let mut all = Vec::new();
    for number in 0..CLIENTS_MAX {
        all.push(Peer::client(broker, &number.to_string()).await);
    }
    older.is_cut_with(Reason::SessionTakenOver).await;
    let mut end = Peer::open(broker).await;
    end.say(connect("one more", ConnectProperties::new())).await;
    let Some(Packet::ConnAck(ack)) = end.hear().await else { panic!() };
    assert_eq!(ack.code, ConnectReturnCode::ServerBusy);
}

#[tokio::test]
async fn no_more_is_under_way_than_a_client_takes_and_who_takes_nothing_is_cut_off() {
    let broker = start().await.unwrap();
    let mut slow = Peer::open(broker).await;
    let properties = ConnectProperties { receive_maximum: Some(1), ..ConnectProperties::new() };
    slow.say(connect("slow", properties)).await;
    slow.hear().await.unwrap();
    slow.say(subscribe(vec![Filter::new("a", QoS::AtLeastOnce)])).await;
    slow.hear().await.unwrap();
    let mut sender = Peer::client(broker, "sender").await;
    // One is under way, the queue holds its most, and the next is one too many.
    for _ in 0..QUEUE_MAX + 2 {
        sender.say(Packet::Publish(publish("a", QoS::AtLeastOnce, ""))).await;
        assert!(matches!(sender.hear().await, Some(Packet::PubAck(_))));
    }
    // Had more than one been under way, more than one would be here before the end.
    assert!(matches!(slow.hear().await, Some(Packet::Publish(_))));
    slow.is_cut_with(Reason::QuotaExceeded).await;
    sender.say(Packet::Publish(publish("a", QoS::AtLeastOnce, ""))).await;
    let ack = PubAck { pkid: 7, reason: PubAckReason::NoMatchingSubscribers, properties: None };
    assert_eq!(sender.hear().await, Some(Packet::PubAck(ack)));
}

#[tokio::test]
async fn what_is_longer_than_a_client_takes_does_not_come_and_holds_up_nothing() {
    let broker = start().await.unwrap();
    let mut small = Peer::open(broker).await;
    let properties =
        ConnectProperties { receive_maximum: Some(1), max_packet_size: Some(64), ..ConnectProperties::new() };
    small.say(connect("small", properties)).await;
    small.hear().await.unwrap();
    small.say(subscribe(vec![Filter::new("a", QoS::AtLeastOnce)])).await;
    small.hear().await.unwrap();
    let mut sender = Peer::client(broker, "sender").await;
    for text in ["x".repeat(100), "fits".into()] {
        sender.say(Packet::Publish(publish("a", QoS::AtLeastOnce, &text))).await;
        sender.hear().await.unwrap();
    }
    assert_eq!(small.message().await, ("a".into(), QoS::AtLeastOnce, "fits".into()));
}

#[tokio::test(start_paused = true)]
async fn silence_beyond_the_keep_alive_ends_the_connection() {
    let broker = start().await.unwrap();
    let mut end = Peer::open(broker).await;
    let silent = Connect { keep_alive: 10, client_id: "one".into(), clean_start: true, properties: None };
    end.say(Packet::Connect(silent, None, None)).await;
    end.hear().await.unwrap();
    end.is_cut_with(Reason::KeepAliveTimeout).await;
}
