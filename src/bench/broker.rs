//! A small broker of MQTT 5.0 on loopback, for the demo where no other is installed.
//!
//! It carries messages of QoS 0 and 1 between those who are connected, and tells each who asks where to be answered.
//! It keeps nothing for whom is away: no sessions beyond a connection, no retained messages, no last wills; and it knows no
//! passwords. Packets are read and written by `rumqttc`, so that ours meet somebody who may disagree.
//! Driven by [`super::controller`].

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnAckProperties, Connect, ConnectReturnCode, Disconnect, DisconnectReasonCode as Reason,
    Filter, Packet, PingResp, PubAck, PubAckReason, Publish, SubAck, Subscribe, SubscribeReasonCode,
    UnsubAck, UnsubAckReason, check,
};
use rumqttc::v5::mqttbytes::{Error, QoS};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use crate::usp::mtp::mqtt::{covers, is_filter, is_topic};

/// The most clients at a time.
pub const CLIENTS_MAX: usize = 64;
/// The longest client id, in octets.
pub const CLIENT_ID_MAX: usize = 128;
/// The most filters of one client.
pub const FILTERS_MAX: usize = 64;
/// The longest packet, in octets.
pub const PACKET_MAX: u32 = 8 * 1024 * 1024;
/// The most messages that wait for one client; who takes none for so long is cut off.
pub const QUEUE_MAX: usize = 256;
/// The most messages of QoS 1 that one client has not acknowledged, whatever it would take.
pub const UNDER_WAY_MAX: u16 = 32;
/// The most acknowledgements that wait for one client; no more of it is read meanwhile.
const ANSWERS_MAX: usize = 16;
/// For a CONNECT.
const OPENING_WAIT: Duration = Duration::from_secs(15);
/// For the last packet of a connection.
const FAREWELL_WAIT: Duration = Duration::from_secs(1);
/// What stands before the client id in the topic at which it is to be answered.
const ANSWERED_BELOW: &str = "usp/agents/";

/// Why a connection ends; `None` where there is nobody left to be told.
type End = Option<Reason>;

/// Listens on a free port of loopback, and serves until the runtime ends; the address.
pub async fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let broker = Broker::default();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(broker.clone().serve(stream));
        }
    });
    Ok(address)
}

#[derive(Clone, Debug, Default)]
struct Broker(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// By client id.
    clients: BTreeMap<String, Client>,
    connections: u64,
}

#[derive(Debug)]
struct Client {
    connection: u64,
    filters: BTreeMap<String, Filter>,
    messages: mpsc::Sender<Publish>,
    /// Ends the connection.
    cut: oneshot::Sender<Reason>,
}

/// What reader and writer of a connection share.
struct Connection {
    client: String,
    /// Messages of QoS 1 that are not acknowledged.
    under_way: Mutex<BTreeSet<u16>>,
    /// For more of them.
    slots: Semaphore,
}

impl Broker {
    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.0)
    }

    async fn serve(self, stream: TcpStream) {
        let (mut reader, mut writer) = stream.into_split();
        let mut buffer = BytesMut::new();
        let opening = timeout(OPENING_WAIT, packet(&mut reader, &mut buffer)).await;
        // 3.1.1 ends here: the codec does not read its CONNECT.
        let Ok(Ok(Packet::Connect(connect, ..))) = opening else { return };
        let asked = connect.properties.as_ref();
        let under_way =
            asked.and_then(|asked| asked.receive_maximum).unwrap_or(UNDER_WAY_MAX).min(UNDER_WAY_MAX);
        let longest = asked.and_then(|asked| asked.max_packet_size).unwrap_or(PACKET_MAX);
        let (messages, mut queue) = mpsc::channel(QUEUE_MAX);
        let (cut, mut is_cut) = oneshot::channel();
        let (client, number, answer) = match self.admit(&connect, messages, cut) {
            Ok((client, number)) => {
                let answer = accepted(&connect, &client);
                (client, number, answer)
            }
            Err(code) => {
                let refusal = Packet::ConnAck(ConnAck { session_present: false, code, properties: None });
                let _ = timeout(FAREWELL_WAIT, send(&mut writer, &refusal, longest)).await;
                return;
            }
        };
        let (answers, mut answering) = mpsc::channel(ANSWERS_MAX);
        let connection = Connection {
            client,
            under_way: Mutex::new(BTreeSet::new()),
            slots: Semaphore::new(usize::from(under_way.max(1))),
        };
        // Room for the first is there.
        let _ = answers.try_send(answer);
        let end = tokio::select! {
            end = self.read(&connection, connect.keep_alive, (&mut reader, &mut buffer), &answers) => end,
            end = write(&connection, &mut writer, longest, &mut answering, &mut queue) => end,
            end = &mut is_cut => end.ok(),
        };
        {
            let mut state = self.state();
            if state.clients.get(&connection.client).is_some_and(|now| now.connection == number) {
                state.clients.remove(&connection.client);
            }
        }
        if let Some(reason) = end {
            let farewell = Packet::Disconnect(Disconnect::new(reason));
            let _ = timeout(FAREWELL_WAIT, send(&mut writer, &farewell, longest)).await;
        }
    }

    /// Its client id and the number of its connection; a connection of the same client ends.
    fn admit(
        &self,
        connect: &Connect,
        messages: mpsc::Sender<Publish>,
        cut: oneshot::Sender<Reason>,
    ) -> Result<(String, u64), ConnectReturnCode> {
        let id = match connect.client_id.as_str() {
            "" => crate::rng::Rng::new(crate::io::random::seed()).hex(8),
            // It becomes a part of a topic.
            id if id.len() <= CLIENT_ID_MAX && is_topic(id) => id.to_owned(),
            _ => return Err(ConnectReturnCode::ClientIdentifierNotValid),
        };
        let mut state = self.state();
        if state.clients.len() >= CLIENTS_MAX && !state.clients.contains_key(&id) {
            return Err(ConnectReturnCode::ServerBusy);
        }
        state.connections += 1;
        let connection = state.connections;
        let client = Client { connection, filters: BTreeMap::new(), messages, cut };
        if let Some(former) = state.clients.insert(id.clone(), client) {
            let _ = former.cut.send(Reason::SessionTakenOver);
        }
        Ok((id, connection))
    }

    /// Does what the client sends; why it ends.
    async fn read(
        &self,
        connection: &Connection,
        keep_alive_seconds: u16,
        (reader, buffer): (&mut OwnedReadHalf, &mut BytesMut),
        answers: &mpsc::Sender<Packet>,
    ) -> End {
        // Source: MQTT 5.0 3.1.2.10.
        let patience = Duration::from_secs(u64::from(keep_alive_seconds)) * 3 / 2;
        loop {
            let next = packet(reader, buffer);
            let packet = if keep_alive_seconds == 0 {
                next.await
            } else {
                match timeout(patience, next).await {
                    Ok(packet) => packet,
                    Err(_) => return Some(Reason::KeepAliveTimeout),
                }
            };
            let answer = match packet {
                Err(end) => return end,
                Ok(Packet::Publish(message)) => match self.publish(&connection.client, &message) {
                    Ok(reason) if message.qos == QoS::AtLeastOnce => {
                        Packet::PubAck(PubAck { pkid: message.pkid, reason, properties: None })
                    }
                    Ok(_) => continue,
                    Err(reason) => return Some(reason),
                },
                Ok(Packet::PubAck(ack)) => {
                    if locked(&connection.under_way).remove(&ack.pkid) {
                        connection.slots.add_permits(1);
                    }
                    continue;
                }
                Ok(Packet::Subscribe(wanted)) => {
                    if wanted.properties.as_ref().is_some_and(|properties| properties.id.is_some()) {
                        return Some(Reason::SubscriptionIdentifiersNotSupported);
                    }
                    let pkid = wanted.pkid;
                    let return_codes = self.subscribe(&connection.client, wanted);
                    Packet::SubAck(SubAck { pkid, return_codes, properties: None })
                }
                Ok(Packet::Unsubscribe(wanted)) => {
                    let mut state = self.state();
                    let filters = state.clients.get_mut(&connection.client).map(|client| &mut client.filters);
                    let reasons = match filters {
                        Some(filters) => {
                            wanted.filters.iter().map(|filter| unsubscribed(filters, filter)).collect()
                        }
                        None => return None,
                    };
                    Packet::UnsubAck(UnsubAck { pkid: wanted.pkid, reasons, properties: None })
                }
                Ok(Packet::PingReq(_)) => Packet::PingResp(PingResp),
                Ok(_) => return Some(Reason::ProtocolError),
            };
            if answers.send(answer).await.is_err() {
                return None;
            }
        }
    }

    fn subscribe(&self, client: &str, wanted: Subscribe) -> Vec<SubscribeReasonCode> {
        let mut state = self.state();
        let Some(client) = state.clients.get_mut(client) else { return Vec::new() };
        let subscribed = |mut filter: Filter| {
            if filter.path.starts_with("$share/") {
                return SubscribeReasonCode::SharedSubscriptionsNotSupported;
            }
            if !is_filter(&filter.path) {
                return SubscribeReasonCode::TopicFilterInvalid;
            }
            if client.filters.len() >= FILTERS_MAX && !client.filters.contains_key(&filter.path) {
                return SubscribeReasonCode::QuotaExceeded;
            }
            filter.qos = lower(filter.qos, QoS::AtLeastOnce);
            let granted = SubscribeReasonCode::Success(filter.qos);
            client.filters.insert(filter.path.clone(), filter);
            granted
        };
        wanted.filters.into_iter().map(subscribed).collect()
    }

    /// Hands a message to all whom it concerns, whether it concerns anybody; or why its sender is cut off.
    fn publish(&self, from: &str, message: &Publish) -> Result<PubAckReason, Reason> {
        if message.qos == QoS::ExactlyOnce {
            return Err(Reason::QoSNotSupported);
        }
        if message.retain {
            return Err(Reason::RetainNotSupported);
        }
        if message.properties.as_ref().is_some_and(|properties| properties.topic_alias.is_some()) {
            return Err(Reason::TopicAliasInvalid);
        }
        let topic = std::str::from_utf8(&message.topic).ok().filter(|topic| is_topic(topic));
        let topic = topic.ok_or(Reason::TopicNameInvalid)?;
        let mut state = self.state();
        let mut reached = PubAckReason::NoMatchingSubscribers;
        let mut slow = Vec::new();
        for (id, client) in &state.clients {
            let concerns = |filter: &&Filter| !(filter.nolocal && id == from) && covers(&filter.path, topic);
            let granted = client.filters.values().filter(concerns).map(|filter| filter.qos);
            let Some(granted) = granted.reduce(higher) else { continue };
            reached = PubAckReason::Success;
            let qos = lower(granted, message.qos);
            let copy = Publish { dup: false, qos, pkid: 0, ..message.clone() };
            if client.messages.try_send(copy).is_err() {
                slow.push(id.clone());
            }
        }
        for id in slow {
            if let Some(client) = state.clients.remove(&id) {
                let _ = client.cut.send(Reason::QuotaExceeded);
            }
        }
        Ok(reached)
    }
}

fn unsubscribed(filters: &mut BTreeMap<String, Filter>, filter: &str) -> UnsubAckReason {
    match filters.remove(filter) {
        Some(_) => UnsubAckReason::Success,
        None => UnsubAckReason::NoSubscriptionExisted,
    }
}

fn lower(one: QoS, other: QoS) -> QoS {
    if one < other { one } else { other }
}

fn higher(one: QoS, other: QoS) -> QoS {
    if one < other { other } else { one }
}

/// The CONNACK with what is not here, and the topic for answers.
fn accepted(connect: &Connect, client: &str) -> Packet {
    let asks = connect.properties.as_ref().is_some_and(|asked| asked.request_response_info == Some(1));
    let properties = ConnAckProperties {
        session_expiry_interval: Some(0),
        receive_max: None,
        max_qos: Some(1),
        retain_available: Some(0),
        max_packet_size: Some(PACKET_MAX),
        assigned_client_identifier: connect.client_id.is_empty().then(|| client.to_owned()),
        topic_alias_max: None,
        reason_string: None,
        user_properties: Vec::new(),
        wildcard_subscription_available: None,
        subscription_identifiers_available: Some(0),
        shared_subscription_available: Some(0),
        server_keep_alive: None,
        response_information: asks.then(|| format!("{ANSWERED_BELOW}{client}")),
        server_reference: None,
        authentication_method: None,
        authentication_data: None,
    };
    let code = ConnectReturnCode::Success;
    Packet::ConnAck(ConnAck { session_present: false, code, properties: Some(properties) })
}

/// Writes answers, and messages as far as they are acknowledged; why it ends.
async fn write(
    connection: &Connection,
    writer: &mut OwnedWriteHalf,
    longest: u32,
    answers: &mut mpsc::Receiver<Packet>,
    messages: &mut mpsc::Receiver<Publish>,
) -> End {
    let mut last_id = 0;
    loop {
        let message = async {
            let slot = connection.slots.acquire().await.ok()?;
            messages.recv().await.map(|message| (slot, message))
        };
        let packet = tokio::select! {
            biased;
            Some(answer) = answers.recv() => answer,
            Some((slot, mut message)) = message => {
                if message.qos == QoS::AtLeastOnce {
                    let mut under_way = locked(&connection.under_way);
                    // There are far fewer under way than there are ids.
                    message.pkid = loop {
                        last_id = if last_id == u16::MAX { 1 } else { last_id + 1 };
                        if !under_way.contains(&last_id) {
                            break last_id;
                        }
                    };
                    under_way.insert(message.pkid);
                    slot.forget();
                }
                Packet::Publish(message)
            }
            // Who cuts it off says why.
            else => return std::future::pending().await,
        };
        match send(writer, &packet, longest).await {
            Ok(true) => {}
            // Source: MQTT 5.0 3.1.2.11.4: it counts as delivered.
            Ok(false) => {
                if let Packet::Publish(message) = packet
                    && locked(&connection.under_way).remove(&message.pkid)
                {
                    connection.slots.add_permits(1);
                }
            }
            Err(_) => return None,
        }
    }
}

/// Whether it was sent: what is longer than the client takes is not.
async fn send(writer: &mut OwnedWriteHalf, packet: &Packet, longest: u32) -> io::Result<bool> {
    let mut octets = BytesMut::new();
    match packet.write(&mut octets, Some(longest)) {
        Ok(_) => writer.write_all(&octets).await.map(|()| true),
        Err(Error::OutgoingPacketTooLarge { .. }) => Ok(false),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// The next packet; why there is none. What is read of one that is not complete stays in the buffer.
async fn packet(reader: &mut OwnedReadHalf, buffer: &mut BytesMut) -> Result<Packet, End> {
    /// The first octet of DISCONNECT; the codec does not read the short ones.
    const LEAVES: u8 = 0xe0;
    loop {
        match check(buffer.iter(), Some(PACKET_MAX)) {
            Ok(_) if buffer.first() == Some(&LEAVES) => return Err(None),
            Ok(_) => return Packet::read(buffer, None).map_err(|_| Some(Reason::MalformedPacket)),
            Err(Error::InsufficientBytes(_)) => match reader.read_buf(buffer).await {
                Ok(0) | Err(_) => return Err(None),
                Ok(_) => {}
            },
            Err(Error::PayloadSizeLimitExceeded { .. }) => return Err(Some(Reason::PacketTooLarge)),
            Err(_) => return Err(Some(Reason::MalformedPacket)),
        }
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here is left half done by a panic that another caller should not see.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
