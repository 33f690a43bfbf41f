//! The loop's part of TR-069: the POST that is under way, and the sockets that wake.

use super::{Loop, Next, QUEUE, Told};
use crate::agent::cwmp::Ledger;
use crate::agent::{Action, Event, Unkept};
use crate::config::Config;
use crate::config::subnet::Subnet;
use crate::cwmp::events::Record;
use crate::cwmp::soap::writer::Outgoing;
use crate::io::body::ListingBody;
use crate::io::connector::{self, NoClient};
use crate::io::firewall::{self, Opening};
use crate::io::http::body::{Body, Whole};
use crate::io::http::client::Client;
use crate::io::http::connect::addresses;
use crate::io::http::url::Url;
use crate::io::listener::Call;
use crate::io::pool;
use crate::io::privileged::Ask;
use crate::io::sockets::Sockets;
use crate::io::stun;
use crate::openwrt::json;
use crate::rng::Rng;
use crate::sorted::Set;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// What netifd tells of networks.
const INTERFACES: &str = "ubus:network.interface";
/// How long the addresses of the ACS are waited for.
const NAME_WAIT: Duration = Duration::from_secs(20);

/// What the loop holds for the ACS.
pub(super) struct Acs {
    client: Option<Box<Client>>,
    posting: Option<AbortHandle>,
    /// The number of the POST that is waited for; of one that was given up nothing is heard any more.
    post: u64,
    sockets: Sockets,
    calls: mpsc::Receiver<Call>,
    stuns: mpsc::Receiver<stun::Event>,
    /// The host of the ACS and the addresses that it has had.
    found: (String, Vec<Subnet>),
    /// The last POST had no way to the ACS.
    stranded: bool,
    /// A connection request came while an action was carried out.
    woken: bool,
}

/// How the POST with this number has ended, or what was found besides.
pub enum Posted {
    /// With an answer, or without.
    Done(u64, Box<Client>, Result<(u16, Vec<u8>), String>),
    /// It could not even begin.
    Not(u64, NoClient),
    /// None has: there is a way to the ACS.
    Way,
    /// None has: a name has these addresses.
    Found(String, Vec<IpAddr>),
}

/// What came in by the sockets that wake.
pub(super) enum Heard {
    Call(Call),
    Stun(stun::Event),
}

impl Acs {
    /// Nothing is open yet.
    pub(super) fn new(rng: &mut Rng) -> Acs {
        let (calls, calls_rx) = mpsc::channel(QUEUE);
        let (stuns, stuns_rx) = mpsc::channel(QUEUE);
        let sockets = Sockets::new(calls, stuns, rng);
        Acs {
            client: None,
            posting: None,
            post: 0,
            sockets,
            calls: calls_rx,
            stuns: stuns_rx,
            found: Default::default(),
            stranded: false,
            woken: false,
        }
    }

    /// Waits for what comes in next.
    pub(super) async fn heard(&mut self) -> Heard {
        tokio::select! {
            Some(call) = self.calls.recv() => Heard::Call(call),
            Some(event) = self.stuns.recv() => Heard::Stun(event),
            else => std::future::pending().await,
        }
    }

    /// Waits for what cannot wait until an action is over.
    pub(super) async fn call(&mut self) -> Heard {
        match self.calls.recv().await {
            Some(call) => Heard::Call(call),
            None => std::future::pending().await,
        }
    }

    /// Whether a connection request came meanwhile; once.
    pub(super) fn woken(&mut self) -> Option<Event> {
        std::mem::take(&mut self.woken).then_some(Event::Woken)
    }
}

/// The events that no ACS has confirmed yet.
pub(super) fn ledger(texts: &[String]) -> Ledger {
    Ledger::replay(texts.iter().filter_map(|text| Record::from_tree(&json::parse(text.as_bytes()).ok()?)))
}

impl Loop {
    /// Takes what came in: answers a connection request, or notes that one is to be followed.
    pub(super) fn hear(&mut self, heard: Heard) -> Option<Event> {
        match heard {
            Heard::Call(Call::Ask(asked, answer)) => {
                let now = self.device.clock().now();
                let judged = self.acs.sockets.judge(now, self.agent.is_in_session(), &asked, &mut self.rng);
                let _ = answer.send(judged);
                None
            }
            Heard::Call(Call::Wake) => {
                self.acs.woken = true;
                None
            }
            Heard::Stun(stun::Event::Wake) => Some(Event::Woken),
            Heard::Stun(stun::Event::Address(address)) => Some(Event::Runtime(Sockets::udp_facts(&address))),
        }
    }

    /// Opens, moves and closes the sockets; what parameters show of them.
    pub(super) fn configure_sockets(&mut self, config: &Config) -> Vec<(&'static str, String)> {
        let path = self.agent.connection_request_path();
        let facts = self.acs.sockets.configure(&self.device, config, path, &mut self.rng);
        let host = config.acs.url.as_deref().and_then(Url::parse).map(|url| url.host).unwrap_or_default();
        if host != self.acs.found.0 {
            self.acs.found = (host, Vec::new());
            self.find_acs();
        }
        facts
    }

    /// Has the firewall opened for connection requests, while they are heard.
    pub(super) fn open_for_acs(&mut self) {
        let request = &self.agent.config().acs.connection_request;
        let sources = if request.sources.is_empty() { &self.acs.found.1 } else { &request.sources };
        let opening = self.acs.sockets.port().map(|port| Opening {
            port,
            udp: self.acs.sockets.hears_udp(),
            sources: sources.clone(),
        });
        self.firewall.set("acs", opening);
        self.change_firewall();
    }

    /// Has the name of the ACS looked up, where the firewall wants to know its addresses.
    fn find_acs(&mut self) {
        let config = self.agent.config();
        let set = !config.acs.connection_request.sources.is_empty();
        if set || !config.agent.firewall || self.acs.sockets.port().is_none() || self.acs.found.0.is_empty() {
            return;
        }
        let (route, told) = (connector::route(&self.device, config), self.told.clone());
        let host = self.acs.found.0.clone();
        pool::spawn(async move {
            if let Ok(found) = addresses(&host, 0, &route, NAME_WAIT).await {
                let found = found.iter().map(SocketAddr::ip).collect();
                let _ = told.send(Told::Posted(Posted::Found(host, found))).await;
            }
        });
    }

    /// Has it looked whether there is a way to the ACS now, where there was none and something has changed.
    pub(super) fn changed(&self, sources: &Set<Box<str>>) {
        if self.acs.stranded && sources.iter().any(|source| INTERFACES.starts_with(&**source)) {
            self.find_way();
        }
    }

    fn find_way(&self) {
        let connector = connector::Connector::new(&self.device, self.agent.config());
        let told = self.told.clone();
        pool::spawn(async move {
            if connector.way().await.is_ok() {
                let _ = told.send(Told::Posted(Posted::Way)).await;
            }
        });
    }

    /// Carries out what is for the ACS.
    pub(super) async fn act_for_acs(&mut self, action: Action) -> Next {
        match action {
            Action::Note(records, whole) => {
                let texts = |records: &[Record]| {
                    records.iter().map(|record| json::write(&record.to_tree())).collect::<Vec<_>>()
                };
                let (records, whole) = (texts(&records), texts(&whole));
                if let Err(error) = self.ask(Ask::Note(records, whole)).await.done() {
                    log::error!("an event is not written: {error}");
                    return Next::NotKept(Unkept::Events);
                }
            }
            Action::Post(outgoing) => self.post(outgoing),
            Action::Close => {
                if let Some(posting) = self.acs.posting.take() {
                    posting.abort();
                }
                self.acs.client = None;
                self.acs.post += 1;
                // Its name may have other addresses by now, or have been unknown before.
                self.find_acs();
            }
            _ => {}
        }
        Next::Nothing
    }

    fn post(&mut self, outgoing: Outgoing) {
        let client = match self.acs.client.take() {
            Some(client) => Ok(client),
            None => {
                let connector = connector::Connector::new(&self.device, self.agent.config());
                Err((connector, Rng::new(self.rng.bytes())))
            }
        };
        let body: Box<dyn Body> = match outgoing {
            Outgoing::Empty => Box::new(Whole::default()),
            Outgoing::Text(text) => Box::new(Whole::new(text)),
            Outgoing::Listing(listing) => match self.agent.take_rendering() {
                Some(rows) => Box::new(ListingBody::new(listing, rows)),
                None => Box::new(Whole::default()),
            },
        };
        self.acs.post += 1;
        self.acs.stranded = false;
        let (number, told) = (self.acs.post, self.told.clone());
        let task = pool::spawn(async move {
            let mut body = body;
            let client = match client {
                Ok(client) => Ok(client),
                Err((connector, rng)) => connector.client(rng).await.map(Box::new),
            };
            let mut client = match client {
                Ok(client) => client,
                Err(why) => return drop(told.send(Told::Posted(Posted::Not(number, why))).await),
            };
            let reply = client.post(&mut *body).await;
            let reply = reply.map(|reply| (reply.status, reply.body)).map_err(|error| error.to_string());
            let _ = told.send(Told::Posted(Posted::Done(number, client, reply))).await;
        });
        self.acs.posting = Some(task.abort_handle());
    }

    /// Takes the end of a POST; `None` of a session that was given up while this was in the queue.
    pub(super) fn posted(&mut self, posted: Posted) -> Option<Event> {
        match posted {
            Posted::Done(number, client, reply) if number == self.acs.post => {
                self.acs.posting = None;
                let now = self.device.clock().now();
                let expired = now.wall.and_then(|wall| client.clock_known(wall).err());
                if let Some(peer) = client.addresses() {
                    self.acs.sockets.talked_from(peer.0.ip());
                }
                self.acs.client = Some(client);
                Some(match (reply, expired) {
                    (_, Some(error)) => Event::Lost(error.to_string()),
                    (Ok((status, body)), None) => Event::Reply { status, body },
                    (Err(why), None) => Event::Lost(why),
                })
            }
            Posted::Not(number, why) if number == self.acs.post => {
                self.acs.posting = None;
                Some(Event::Lost(match why {
                    NoClient::Settings(why) => why,
                    NoClient::Network(why) => {
                        self.acs.stranded = true;
                        // It may have come up since.
                        self.find_way();
                        why
                    }
                }))
            }
            Posted::Way => std::mem::take(&mut self.acs.stranded).then_some(Event::Way),
            Posted::Found(host, addresses) => {
                if host == self.acs.found.0 {
                    firewall::remember(&mut self.acs.found.1, addresses);
                    self.open_for_acs();
                }
                None
            }
            Posted::Done(..) | Posted::Not(..) => None,
        }
    }
}
