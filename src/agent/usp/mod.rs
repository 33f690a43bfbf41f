//! USP in the agent: links, who is at the other end of each, what he asks and what he is answered.
//!
//! A Record that comes is judged at once (`trust`); what it asks waits in a queue of its link, and the queues are
//! served in turn, so that no controller keeps another waiting. Answers leave by the link the request came on. Which
//! links there are is `links`' business, opening them is `io`'s.

mod audit;
mod boot;
mod challenge;
mod departure;
mod facts;
pub(super) mod known;
mod links;
mod notify;
mod operate;
mod queues;
mod serve;
mod thresholds;
mod triggers;
mod trust;

pub(in crate::agent) use operate::Deed;

use super::guard::Manager;
use super::job::{Errand, Job};
use super::{Action, Agent};
use crate::config;
use crate::dm::acl::Rights;
use crate::dm::write::Wish;
use crate::rng::Rng;
use crate::sorted::Map;
use crate::time::Instant;
use crate::usp::endpoint::EndpointId;
use crate::usp::error::{Fault, INTERNAL_ERROR, RESOURCES_EXCEEDED};
use crate::usp::msg::{self, Heard, Unserved};
use crate::usp::mtp::{Details, LinkCommand, LinkEvent, NORMAL, NOT_A_RECORD, Up, Wanted};
use crate::usp::pb::request::ReqType;
use crate::usp::record::{self, Connect, Rejected, What};
use facts::Tries;
use known::Known;
use std::collections::VecDeque;
use std::rc::Rc;

/// Most requests of one link that wait; one more is not taken.
//= TR-369 R-MSG.0: every request is answered, so the bound is far above what a controller has under way.
pub const MAX_WAITING: usize = 64;

/// Octets of a packet of MQTT around topics and Record, at most.
const PACKET: usize = 64;

/// What the agent keeps of USP.
#[derive(Default)]
pub struct Usp {
    /// Ourselves, and what goes with the settings.
    known: Known,
    /// How each wanted link fares, by its name.
    tries: Map<Box<str>, Tries>,
    /// The links that were last asked for.
    wanted: Vec<Wanted>,
    /// The links that stand, by number.
    links: Map<u64, Link>,
    /// The link served last: the next one is behind it.
    turn: u64,
    /// Challenges that are outstanding or closed.
    challenges: challenge::Challenges,
    /// Commands that take their time.
    commands: operate::Commands,
    /// What controllers are told without asking.
    notices: notify::Notices,
}

/// A link that stands.
struct Link {
    up: Up,
    /// What waits, first come first served.
    inbox: VecDeque<Ask>,
    /// Who has been told that we are there: a Connect record comes before any other.
    greeted: Vec<EndpointId>,
    /// When it ends, if its peer is trusted for a first use and says nothing.
    ends: Option<Instant>,
}

/// A request that came.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// On which link.
    pub link: u64,
    /// Where the answer goes; only MQTT.
    pub reply_to: Option<Box<str>>,
    /// From whom.
    pub from: EndpointId,
    /// The section of the controller; none for one that is not configured.
    pub controller: Option<Box<str>>,
    /// What its answer repeats.
    pub msg_id: String,
    /// What is asked.
    pub request: ReqType,
}

impl Ask {
    /// The same of a controller (by section) that it has become clear to be of.
    fn of(self: Rc<Ask>, controller: Option<&str>) -> Rc<Ask> {
        match self.controller.as_deref() == controller {
            true => self,
            false => Rc::new(Ask { controller: controller.map(Box::from), ..(*self).clone() }),
        }
    }
}

impl Link {
    /// The longest Record that can be sent at a topic.
    fn longest(&self, topic: Option<&str>) -> usize {
        match self.up.details {
            Details::Mqtt { maximum_packet: Some(most), .. } => {
                let own = self.up.reply_topic.as_deref().map_or(0, str::len);
                // 3.1.1 writes a slash of ours as three octets.
                (most as usize).saturating_sub(topic.map_or(0, str::len) + 3 * own + PACKET)
            }
            Details::Mqtt { maximum_packet: None, .. } | Details::WebSocket { .. } => usize::MAX,
        }
    }
}

impl Ask {
    /// The section of the controller, as [`Ask::controller`] has it.
    pub(super) fn controller(&self) -> Option<&str> {
        self.controller.as_deref()
    }
}

impl Usp {
    /// Starts with random numbers of its own.
    pub(super) fn seed(&mut self, rng: Rng) {
        self.notices.seed(rng);
    }

    /// The next request: of the links in turn.
    pub(super) fn next(&mut self) -> Option<Ask> {
        let asking = || self.links.iter().filter(|(_, link)| !link.inbox.is_empty()).map(|(link, _)| *link);
        let link = asking().find(|link| *link > self.turn).or_else(|| asking().next())?;
        self.turn = link;
        self.links.get_mut(&link)?.inbox.pop_front()
    }
}

impl Agent {
    /// Takes the settings of USP up, and what is known besides.
    pub(super) fn configure_usp(&mut self, before: &config::Config, known: Known) {
        self.take_leave(&before.usp);
        let known = std::mem::replace(&mut self.usp.known, known);
        self.end_sessions((&before.usp, &known));
        self.usp.challenges.configure(&self.config.usp, &self.state, self.now);
        let kept = self.state.kept();
        let names = || kept.entries().iter().map(|(name, _)| name.clone()).collect();
        self.usp.notices.at_start.get_or_insert_with(names);
        let wanted = match (&self.usp.known.own, self.config.usp.enable) {
            (Some(own), true) => links::wanted(&self.config.usp, &self.usp.known, own),
            // Without controllers nobody misses it.
            (None, true) if self.config.usp.controllers.is_empty() => Vec::new(),
            (None, true) => {
                self.log(log::Level::Error, "no endpoint id: neither set nor OUI and serial number".into());
                Vec::new()
            }
            (_, false) => Vec::new(),
        };
        if wanted != self.usp.wanted {
            self.usp.tries.retain(|name, _| wanted.iter().any(|link| *link.name() == **name));
            self.usp.wanted.clone_from(&wanted);
            self.out.push_back(Action::Links(wanted));
        }
        self.configure_notices();
    }

    /// Something happened on a link.
    pub(super) fn link(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Listening { name, port } => {
                self.log(log::Level::Info, format!("{name}: listening on port {port}"));
                self.usp.tries.insert(name, Tries { stands: true, ..Tries::default() });
            }
            LinkEvent::Up(up) => self.link_up(*up),
            LinkEvent::Record { link, bytes, reply_to } => self.record(link, &bytes, reply_to),
            LinkEvent::Changed { link, reply_topic, details } => {
                if let Some(known) = self.usp.links.get_mut(&link) {
                    known.up.reply_topic = reply_topic;
                    known.up.details = details;
                    known.greeted.clear();
                    self.greet(link);
                    self.send_notices();
                }
            }
            LinkEvent::Down { name, link, why, failures, retry_in } => {
                if let Some(link) = link {
                    self.usp.links.remove(&link);
                }
                // Of a session at a port of ours, which stays open.
                let accepted = link.is_some() && self.usp.tries.get(&name).is_some_and(|tries| tries.stands);
                if !accepted {
                    let given_up = retry_in.is_none();
                    self.usp.tries.insert(name.clone(), Tries { failures, stands: false, given_up });
                }
                // The first is news, the others are the same news.
                let level = if failures > 1 { log::Level::Debug } else { log::Level::Warn };
                self.log(level, format!("{name}: {why}"));
            }
        }
    }

    fn link_up(&mut self, up: Up) {
        let plain = if up.encrypted { "" } else { ", not encrypted" };
        self.log(log::Level::Info, format!("{}: connected{plain}", up.name));
        let link = up.link;
        if let Some(accepted) = self.second(&up) {
            let reason = "a session opened by the agent stands".into();
            self.out.push_back(Action::Link(LinkCommand::Close { link: accepted, code: NORMAL, reason }));
        }
        if let Details::Mqtt { client_id, assigned: true, .. } = &up.details {
            self.keep_client_id(&up.name, client_id);
        }
        if let Some(tries) = self.usp.tries.get_mut(&up.name) {
            tries.failures = 0;
        }
        let refused = match (&up.details, &up.peer) {
            (Details::WebSocket { accepted: true }, Some(peer)) => {
                trust::judge(&self.config.usp, &self.usp.known, &up, peer).err()
            }
            _ => None,
        };
        let ends = self.patience(&up);
        self.usp.links.insert(link, Link { up, inbox: VecDeque::new(), greeted: Vec::new(), ends });
        //= TR-181 LocalAgent.Controller.{i}.Enable: of one that is switched off no session is accepted.
        if let Some(why) = refused {
            return self.end_session(link, why);
        }
        self.greet(link);
        self.send_notices();
        self.link_proves(link);
    }

    /// What a link that we opened proves: its controller is at the other end, or the broker before him is.
    fn link_proves(&mut self, link: u64) {
        let Some(link) = self.usp.links.get(&link) else { return };
        if let Details::WebSocket { accepted: true } = link.up.details {
            // Who opens a session is heard by what he says.
            return;
        }
        let peers: Vec<EndpointId> =
            links::peers(&self.config.usp, &link.up).into_iter().map(|(peer, ..)| peer).collect();
        let controllers = self.config.usp.controllers.iter();
        let reached = controllers.filter(|one| peers.iter().any(|peer| peer.as_str() == one.endpoint_id));
        let reached: Vec<Box<str>> = reached.map(|one| Manager::Controller(&one.name).label()).collect();
        reached.iter().for_each(|manager| self.heard(manager, self.now.at));
    }

    /// Has the links that we opened to a controller opened anew.
    pub(in crate::agent) fn open_anew(&mut self, section: &str) {
        let usp = &self.config.usp;
        let Some(controller) = usp.controllers.iter().find(|one| one.name == section) else { return };
        let leads = |up: &Up| {
            !matches!(up.details, Details::WebSocket { accepted: true })
                && links::peers(usp, up).iter().any(|(peer, ..)| peer.as_str() == controller.endpoint_id)
        };
        let numbers = self.usp.links.iter().filter(|(_, link)| leads(&link.up)).map(|(number, _)| *number);
        for link in numbers.collect::<Vec<_>>() {
            let reason = "it is tried whether a change let it be reached".into();
            self.out.push_back(Action::Link(LinkCommand::Close { link, code: NORMAL, reason }));
        }
    }

    /// The accepted one of two sessions with one controller, where `up` makes it two.
    //= TR-369 R-WS.4: no more than one session is open between two endpoints.
    fn second(&self, up: &Up) -> Option<u64> {
        let session = |up: &Up| match &up.details {
            Details::WebSocket { accepted: true } => Some((true, up.peer.as_ref()?.as_str().to_string())),
            Details::WebSocket { accepted: false } => {
                Some((false, links::controller_of(&self.config.usp, up)?.endpoint_id.clone()))
            }
            Details::Mqtt { .. } => None,
        };
        let (accepted, peer) = session(up)?;
        let other =
            self.usp.links.values().find(|link| session(&link.up) == Some((!accepted, peer.clone())))?;
        Some(if accepted { up.link } else { other.up.link })
    }

    /// Has the client id that a broker assigned kept.
    //= TR-369 R-MQTT.9: an assigned id is stored and used from then on.
    fn keep_client_id(&mut self, link: &str, client_id: &str) {
        let mtp =
            self.config.usp.mtps.iter().find(|mtp| link.strip_prefix("mtp ") == Some(mtp.name.as_str()));
        let broker = mtp.and_then(|mtp| match &mtp.way {
            config::usp::Way::Mqtt { broker, .. } => broker.as_deref(),
            config::usp::Way::WebSocket { .. } => None,
        });
        let Some(row) = broker.and_then(|broker| self.usp.known.brokers.get(broker)) else { return };
        let wish = Wish { path: format!("{row}ClientID"), value: client_id.to_string(), said: None };
        self.queue(Job::Keep(Errand::Set(vec![wish])));
    }

    /// What is to be sent before the program ends.
    //= TR-369 R-MTP.7: a Disconnect record goes ahead of leaving.
    pub fn farewell(&mut self) -> Vec<LinkCommand> {
        let Some(own) = self.usp.known.own.clone() else { return Vec::new() };
        let mut commands = Vec::new();
        for (number, link) in &self.usp.links {
            for (peer, topic, retain) in links::peers(&self.config.usp, &link.up) {
                if link.greeted.contains(&peer) {
                    let record = record::disconnect(&peer, &own, 0);
                    commands.push(LinkCommand::Send { link: *number, topic, retain, record });
                }
            }
        }
        commands
    }

    /// Sends the Connect record to every controller that is reached by a link and has not had it.
    //= TR-369 R-MTP.6: the first thing sent on a channel is its Connect record.
    //= TR-369 R-MTP.8: so it is on a new channel, before any other Record.
    fn greet(&mut self, number: u64) {
        self.greet_those(number, |_| true);
    }

    /// The same of some of them.
    fn greet_those(&mut self, number: u64, wanted: impl Fn(&EndpointId) -> bool) {
        let (Some(own), Some(link)) = (self.usp.known.own.clone(), self.usp.links.get_mut(&number)) else {
            return;
        };
        for (peer, topic, retain) in links::peers(&self.config.usp, &link.up) {
            if link.greeted.contains(&peer) || !wanted(&peer) {
                continue;
            }
            let connect = match &link.up.details {
                Details::WebSocket { .. } => Connect::WebSocket,
                Details::Mqtt { version, .. } => Connect::Mqtt {
                    v5: *version == crate::mqtt::Version::V5,
                    topic: link.up.reply_topic.clone().unwrap_or_default().into(),
                },
            };
            let record = record::connect(&peer, &own, &connect);
            link.greeted.push(peer);
            self.out.push_back(Action::Link(LinkCommand::Send { link: number, topic, retain, record }));
        }
    }

    /// A Record came: what it asks is put in its link's queue, or refused, or ignored.
    fn record(&mut self, number: u64, bytes: &[u8], reply_to: Option<Box<str>>) {
        let Some(own) = self.usp.known.own.clone() else { return };
        let Some(link) = self.usp.links.get(&number) else { return };
        let name = link.up.name.clone();
        let incoming = match record::read(bytes, &own) {
            Ok(incoming) => incoming,
            Err(why) => return self.rejected(number, reply_to, &own, &why),
        };
        //= TR-369 R-SEC.0a: a Record whose sender is not who the certificate says is not processed.
        let who = match trust::judge(&self.config.usp, &self.usp.known, &link.up, &incoming.from) {
            Ok(who) => who,
            Err(why) => {
                let why = format!("{name}: a Record of {} is ignored: {why}", incoming.from.as_str());
                return self.log(log::Level::Warn, why);
            }
        };
        let who: Option<Box<str>> = who.map(|controller| controller.name.as_str().into());
        if let Some(controller) = &who {
            self.heard(&Manager::Controller(controller).label(), self.now.at);
        }
        let from = incoming.from.clone();
        if who.is_none() && !self.adopt(number, &from) {
            return self.log(log::Level::Warn, format!("{name}: {} is not taken up", from.as_str()));
        }
        let payload = match incoming.what {
            What::Message(payload) => payload,
            What::Connect(_) => return,
            What::Disconnect { code, reason } => {
                //= TR-369 R-MTP.8: after a Disconnect the Connect record comes again before any other.
                if let Some(link) = self.usp.links.get_mut(&number) {
                    link.greeted.retain(|peer| *peer != from);
                    link.inbox.retain(|ask| ask.from != from);
                }
                return self.log(log::Level::Info, format!("{name}: disconnected: {code} {reason}"));
            }
        };
        self.be_patient(number);
        match msg::hear(payload) {
            Ok((msg_id, Heard::Request(request))) => {
                let ask = Ask { link: number, reply_to, from, controller: who, msg_id, request };
                self.asked(ask);
            }
            Ok((msg_id, Heard::NotifyResp)) => self.notice_answered(who.as_deref(), &msg_id),
            // An Error is no answer to a notice: it goes on being told.
            Ok((_, Heard::Other)) => {}
            Err(Unserved::Ignored(why)) => {
                self.log(log::Level::Warn, format!("{name}: a message is ignored: {why}"));
            }
            Err(Unserved::Refused { msg_id, fault }) => {
                let refused = Rejected::Refused { to: from, msg_id, fault };
                self.rejected(number, reply_to, &own, &refused);
            }
        }
    }

    /// Puts a request in its link's queue.
    fn asked(&mut self, ask: Ask) {
        //= TR-369 R-MSG.4: a message repeated while the first is being processed is ignored.
        let same = |other: &Ask| other.from == ask.from && other.msg_id == ask.msg_id;
        let running = self.running.as_ref().is_some_and(|running| match &running.job {
            Job::Usp(other) => same(other),
            _ => false,
        });
        let promised = self.usp.notices.promised.iter().any(|(other, _)| same(other));
        let Some(link) = self.usp.links.get_mut(&ask.link) else { return };
        if running || promised || link.inbox.iter().any(same) {
            return;
        }
        if link.inbox.len() >= MAX_WAITING {
            let why = format!("{}: more than {MAX_WAITING} requests wait, one is not taken", link.up.name);
            let fault = Fault::new(RESOURCES_EXCEEDED, "too many requests");
            self.log(log::Level::Warn, why);
            let message = msg::error(&ask.msg_id, &fault, &[]);
            return self.reply(&ask, message);
        }
        link.inbox.push_back(ask);
    }

    /// Sends back what is to be sent of a Record that is not served.
    //= TR-369 R-MTP.5: a bad Record is answered by an Error where it holds a request and the way back is known.
    fn rejected(&mut self, link: u64, reply_to: Option<Box<str>>, own: &EndpointId, why: &Rejected) {
        let Some(known) = self.usp.links.get(&link) else { return };
        let (name, mqtt) = (known.up.name.clone(), matches!(known.up.details, Details::Mqtt { .. }));
        self.log(log::Level::Warn, format!("{name}: a Record is not served: {}", trust::words(why)));
        if matches!(why, Rejected::Unreadable(_)) && !mqtt {
            //= TR-369 R-ENC.4: one that breaks the schema is discarded.
            //= TR-369 R-WS.16: a frame without a Record closes the session with 1003.
            let reason = "not a Record".into();
            return self.out.push_back(Action::Link(LinkCommand::Close { link, code: NOT_A_RECORD, reason }));
        }
        //= TR-369 R-MQTT.26a: without a reply-to there is no way back.
        if mqtt && reply_to.is_none() {
            return;
        }
        //= TR-369 R-MTP.8: who said goodbye, or was told it, gets a Connect record before anything else.
        match why {
            Rejected::Refused { to, .. } => self.greet_those(link, |peer| peer == to),
            Rejected::NoSession { to } => {
                if let Some(link) = self.usp.links.get_mut(&link) {
                    link.greeted.retain(|peer| peer != to);
                }
            }
            Rejected::Unreadable(_) | Rejected::Ignored(_) => {}
        }
        if let Some(record) = why.reply(own) {
            self.out.push_back(Action::Link(LinkCommand::Send {
                link,
                topic: reply_to,
                retain: false,
                record,
            }));
        }
    }

    /// Sends a message back to whoever asked.
    pub(super) fn reply(&mut self, ask: &Ask, message: Vec<u8>) {
        //= TR-369 R-MTP.8: after a Disconnect the Connect record comes again before any other.
        self.greet_those(ask.link, |peer| *peer == ask.from);
        let Some(own) = &self.usp.known.own else { return };
        let mut record = record::wrap(record::VERSION, &ask.from, own, message);
        //= TR-369 R-MSG.0: also where the answer is longer than the broker takes.
        if self
            .usp
            .links
            .get(&ask.link)
            .is_some_and(|link| link.longest(ask.reply_to.as_deref()) < record.len())
        {
            let fault = Fault::new(RESOURCES_EXCEEDED, "longer than the broker takes");
            record = record::wrap(record::VERSION, &ask.from, own, msg::error(&ask.msg_id, &fault, &[]));
        }
        let retain = ask.controller.as_deref().and_then(|name| section(&self.config.usp, name));
        let retain = retain.is_some_and(links::retains_responses);
        let topic = ask.reply_to.clone();
        self.out.push_back(Action::Link(LinkCommand::Send { link: ask.link, topic, retain, record }));
    }

    /// Takes back the responses that have not left, since what they rest on could not be kept.
    //= TR-369 R-MSG.0: instead of the response the requestor gets an Error.
    pub(super) fn usp_not_kept(&mut self) {
        let Some(own) = &self.usp.known.own else { return };
        let mut taken_back = false;
        for action in &mut self.out {
            if let Action::Link(LinkCommand::Send { record, .. }) = action
                && let Some((to, msg_id)) = record::answers(record)
            {
                let fault = Fault::new(INTERNAL_ERROR, "it cannot be kept on flash");
                *record = record::wrap(record::VERSION, &to, own, msg::error(&msg_id, &fault, &[]));
                taken_back = true;
            }
        }
        if taken_back {
            self.audit_not_kept(INTERNAL_ERROR);
        }
    }

    /// The sections of the roles that a controller has by the certificates of its links.
    fn inherited(&self, controller: &config::usp::Controller) -> Vec<&str> {
        let Some(id) = EndpointId::parse(&controller.endpoint_id) else { return Vec::new() };
        let of =
            |link: &Link| link.up.certificate.as_ref().is_some_and(|certificate| certificate.is_for(&id));
        let link = self.usp.links.values().find(|link| of(link));
        link.map(|link| trust::inherited(&self.config.usp, &self.usp.known, &link.up)).unwrap_or_default()
    }

    /// What the one who asked may do.
    fn rights(&self, ask: &Ask) -> Rc<Rights> {
        let up = self.usp.links.get(&ask.link).map(|link| &link.up);
        let controller = ask.controller.as_deref().and_then(|name| section(&self.config.usp, name));
        Rc::new(trust::rights(&self.config.usp, &self.usp.known, up, controller))
    }
}

/// The controller of a section.
fn section<'c>(usp: &'c config::usp::Usp, name: &str) -> Option<&'c config::usp::Controller> {
    usp.controllers.iter().find(|controller| controller.name == name && controller.enable)
}
