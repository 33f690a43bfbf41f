//! Notices: what subscriptions see, events and ends of commands, each on its way to its controller.
//!
//! Subscriptions are looked at in [`Job::Look`], after whatever changed; what is to be told waits in a queue per
//! controller and leaves by the link that stands and comes first in the order of the controller's ways. Queues, clocks
//! and what was seen are in memory: after a restart the first look is what later ones are compared with. The rules of
//! what is told are [`subscription`]'s, those of repeating [`notice`]'s.

use super::{boot, links, trust};
use crate::agent::job::{Job, Running, Step};
use crate::agent::{Action, Agent};
use crate::config::usp::Controller;
use crate::cwmp::periodic::{Periodic, Ticker};
use crate::dm::acl::Rights;
use crate::dm::run::{self, Halt};
use crate::dm::schema::{Arguments, Audience};
use crate::dm::source::{Snapshot, Source, Stop};
use crate::dm::tree::Tree;
use crate::dm::view::View;
use crate::rng::Rng;
use crate::time::{Instant, Now};
use crate::usp::endpoint::EndpointId;
use crate::usp::error::Fault;
use crate::usp::msg::notify::{self, Notification};
use crate::usp::mtp::LinkCommand;
use crate::usp::notice::{self, Cause, Notice, Queue};
use crate::usp::record;
use crate::usp::subscription::{Looked, Looking, NotifType, Seen, Subscription};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Most paths that all subscriptions together watch.
pub const MAX_WATCHED: usize = 16_384;
/// Most events that wait to be told; one more replaces the oldest.
pub const MAX_RAISED: usize = 256;
/// How long a source may be gone before what differs without it counts as changed.
//= TR-369 R-NOT.0a: a change is told within 10 s.
pub const GAP: Duration = Duration::from_secs(8);

/// Where the event lies that comes at regular times.
const LOCAL_AGENT: &str = "Device.LocalAgent.";
/// That event.
const PERIODIC: &str = "Periodic!";

/// What the agent keeps of notices.
pub(super) struct Notices {
    rng: Rng,
    /// What all msg_ids of this run begin with, and how many there were.
    run: String,
    count: u64,
    /// By the section of the subscription.
    watches: BTreeMap<Box<str>, Watch>,
    /// By the section of the controller.
    peers: BTreeMap<Box<str>, Peer>,
    raised: VecDeque<Raised>,
    /// The sources that were there at the last look, and since when the others are gone.
    there: BTreeSet<Box<str>>,
    gone: BTreeMap<Box<str>, Instant>,
    /// Whether `Boot!` has been looked at.
    pub(super) booted: bool,
    /// When a subscription's life ends.
    life: Option<Instant>,
}

/// A subscription and what it saw.
struct Watch {
    subscription: Subscription,
    seen: Option<Seen>,
    /// Whether it was said that there is no room.
    cut: bool,
}

/// What there is of a controller.
#[derive(Default)]
struct Peer {
    queue: Queue,
    ticker: Ticker,
    /// When it answered that the device wants to be taken up.
    answered: Option<Instant>,
    /// The roles that came with the certificate of the link that stands, or stood last.
    inherited: Vec<String>,
}

/// Something that happened: told to whoever subscribed to it.
#[derive(Clone, Debug)]
pub(super) struct Raised {
    /// Only to the controller of this section.
    pub only: Option<Box<str>>,
    /// The live path of the event or the command.
    pub path: String,
    /// What is told.
    pub what: Notification,
    /// Whether it is the boot.
    pub boot: bool,
}

/// The link by which a controller is told something.
struct Way {
    order: u32,
    link: u64,
    to: EndpointId,
    topic: Option<Box<str>>,
    retain: bool,
}

/// What a look at all subscriptions came to.
struct Sight {
    looked: Vec<(Box<str>, Looked)>,
    heard: Vec<(Box<str>, Notification, bool)>,
}

impl Default for Notices {
    fn default() -> Notices {
        Notices {
            rng: Rng::new([0; 32]),
            run: String::new(),
            count: 0,
            watches: BTreeMap::new(),
            peers: BTreeMap::new(),
            raised: VecDeque::new(),
            there: BTreeSet::new(),
            gone: BTreeMap::new(),
            booted: false,
            life: None,
        }
    }
}

impl Notices {
    /// Starts the run's random numbers.
    pub(super) fn seed(&mut self, mut rng: Rng) {
        self.run = rng.hex(8);
        self.rng = rng;
    }

    /// Whether somebody has still to be told of the boot.
    pub(super) fn is_booting(&self) -> bool {
        let waits = self.peers.values().any(|peer| peer.queue.holds(|notice| notice.boot));
        waits || self.raised.iter().any(|raised| raised.boot)
    }

    /// Has something told with the next look; `false` if an older one had to go for it.
    pub(super) fn raise(&mut self, raised: Raised) -> bool {
        let full = self.raised.len() >= MAX_RAISED;
        if full {
            self.raised.pop_front();
        }
        self.raised.push_back(raised);
        !full
    }

    /// Whether a source that was there has just gone: what differs may be a gap that passes.
    fn doubts(&self, snapshot: &Snapshot, now: Now) -> bool {
        snapshot.keys().any(|key| match (snapshot.peek(key), self.gone.get(key)) {
            (Some(Source::Absent), Some(since)) => now.at.since(*since) < GAP,
            (Some(Source::Absent), None) => self.there.contains(key),
            (Some(Source::Ready(_) | Source::Failed(_)) | None, _) => false,
        })
    }

    /// Notes which sources are there.
    fn saw(&mut self, snapshot: &Snapshot, now: Now) {
        let before = std::mem::take(&mut self.there);
        let gone = std::mem::take(&mut self.gone);
        for key in snapshot.keys() {
            match snapshot.peek(key) {
                Some(Source::Absent) => {
                    let since = gone.get(key).copied().or(before.contains(key).then_some(now.at));
                    self.gone.extend(since.map(|since| (key.into(), since)));
                }
                Some(Source::Failed(_)) if !before.contains(key) => {}
                Some(Source::Ready(_) | Source::Failed(_)) => {
                    self.there.insert(key.into());
                }
                None => {}
            }
        }
    }
}

impl Agent {
    /// An event of an object (a live path with its dot), such as `TransferComplete!`, for whoever subscribed to it.
    pub fn tell_event(&mut self, object: &str, event: &str, args: Arguments) {
        let what = notify::event(object, event, args);
        self.raise(Raised { only: None, path: format!("{object}{event}"), what, boot: false });
    }

    /// An asynchronous command, such as `Download()`, of an object (a live path with its dot) has ended: its results
    /// or why it failed, for whoever subscribed to it.
    pub fn tell_operation(
        &mut self,
        object: &str,
        command: &str,
        command_key: &str,
        result: Result<Arguments, Fault>,
    ) {
        let what = notify::complete(object, command, command_key, result);
        self.raise(Raised { only: None, path: format!("{object}{command}"), what, boot: false });
    }

    /// Asks a controller (by its section) to take the device up, again if it was asked before.
    //= TR-369 R-NOT.5: an OnBoardRequest is sent on SendOnBoardRequest().
    pub fn tell_on_board(&mut self, section: &str) {
        let Some(controller) = super::section(&self.config.usp, section).cloned() else { return };
        self.on_board(&controller);
        self.send_notices();
    }

    fn raise(&mut self, raised: Raised) {
        if !self.usp.notices.raise(raised) {
            self.log(log::Level::Warn, format!("more than {MAX_RAISED} events wait, the oldest is not told"));
        }
        self.queue(Job::Look);
    }

    /// Removes the subscriptions that do not outlive a restart. Before the first job.
    //= TR-369 12: Persistent false: the row goes with every restart.
    pub(in crate::agent) fn forget_subscriptions(&mut self) {
        let wall = self.now.wall;
        self.end_subscriptions(|one| {
            one.ends_at_restart() || one.left(wall).is_some_and(|left| left.is_zero())
        });
    }

    /// Removes rows; whether there were any.
    fn end_subscriptions(&mut self, over: impl Fn(&Subscription) -> bool) -> bool {
        let kept = self.state.kept();
        let stays = |row: &Tree| Subscription::read(row).is_none_or(|one| !over(&one));
        let rows: Vec<_> = kept.entries().iter().filter(|(_, row)| stays(row)).cloned().collect();
        let ended = rows.len() < kept.entries().len();
        if ended && self.state.set_kept(&Tree::Map(rows)).is_err() {
            self.log(log::Level::Error, "subscriptions that have ended cannot be removed".into());
        }
        ended
    }

    /// Takes up who is told and when.
    pub(super) fn configure_notices(&mut self) {
        let now = self.now;
        let usp = &self.config.usp;
        let notices = &mut self.usp.notices;
        let on = |name: &str| usp.enable && super::section(usp, name).is_some();
        notices.peers.retain(|name, _| on(name));
        for controller in usp.controllers.iter().filter(|one| on(&one.name)) {
            let peer = notices.peers.entry(controller.name.as_str().into()).or_default();
            //= TR-181 LocalAgent.Controller.{i}.PeriodicNotifTime: whole intervals from it.
            let settings = Periodic { interval: controller.periodic, phase: controller.periodic_time };
            peer.ticker.set(Some(settings), now, &mut notices.rng);
        }
        self.ask_on_board();
        self.send_notices();
    }

    /// Asks every controller that has not taken the device up yet, and is not being asked.
    //= TR-369 R-NOT.5: an OnBoardRequest is sent while OnBoardingComplete is false.
    fn ask_on_board(&mut self) {
        let controllers = self.config.usp.controllers.clone();
        for controller in controllers.iter().filter(|one| one.enable) {
            let now = self.now.at;
            let Some(peer) = self.usp.notices.peers.get_mut(controller.name.as_str()) else { continue };
            if controller.onboarding_complete {
                peer.answered = None;
                peer.queue.forget(|cause| *cause == Cause::OnBoard);
                continue;
            }
            //= TR-369 12: OnBoardingRestartTime: that long after the answer it is sent again.
            let due = peer
                .answered
                .is_none_or(|at| controller.onboarding_restart.is_some_and(|wait| at + wait <= now));
            if due {
                self.on_board(controller);
            }
        }
    }

    fn on_board(&mut self, controller: &Controller) {
        let msg_id = self.msg_id();
        let [oui, class, serial] = &self.usp.known.device;
        let what = notify::on_board(oui, class, serial);
        let Some(peer) = self.usp.notices.peers.get_mut(controller.name.as_str()) else { return };
        peer.answered = None;
        if peer.queue.holds(|one| one.cause == Cause::OnBoard) {
            return;
        }
        //= TR-369 R-NOT.6: OnBoardRequest wants an answer and is retried.
        //= TR-369 R-NOT.6a: it never expires.
        //= TR-369 R-NOT.7: its subscription_id is empty.
        let message = notify::notify(&msg_id, "", true, what);
        let cause = Cause::OnBoard;
        let notice = Notice { msg_id, message, cause, retry: true, expiration: None, boot: false };
        peer.queue.push(notice, self.now.at);
    }

    fn msg_id(&mut self) -> String {
        let notices = &mut self.usp.notices;
        notices.count += 1;
        format!("notify-{}-{}", notices.run, notices.count)
    }

    /// A controller answered a message that may be a notice of ours.
    //= TR-369 R-NOT.9: an answer belongs to the notice of its msg_id, whatever subscription it names.
    pub(super) fn notice_answered(&mut self, controller: Option<&str>, msg_id: &str) {
        let now = self.now.at;
        let peer = controller.and_then(|name| self.usp.notices.peers.get_mut(name));
        let Some(peer) = peer else { return };
        let Some(notice) = peer.queue.answered(msg_id) else { return };
        if notice.cause == Cause::OnBoard {
            peer.answered = Some(now);
        }
        self.boot_told();
    }

    /// When something of notices is due.
    pub(in crate::agent) fn notices_timer(&self) -> Option<Instant> {
        let now = self.now;
        let mut next = self.usp.notices.life;
        for (name, peer) in &self.usp.notices.peers {
            let Some(controller) = super::section(&self.config.usp, name) else { continue };
            let reached = !peer.queue.is_empty() && self.way_to(controller).is_some();
            let again = match (peer.answered, controller.onboarding_restart) {
                (Some(at), Some(wait)) if !controller.onboarding_complete => Some(at + wait),
                _ => None,
            };
            let mine = [peer.queue.next(reached), peer.ticker.next(now), again, next];
            next = mine.into_iter().flatten().min();
        }
        next
    }

    /// Does what is due.
    pub(in crate::agent) fn notices_due(&mut self) {
        let now = self.now;
        let notices = &mut self.usp.notices;
        let mut periodic = Vec::new();
        let mut given_up = Vec::new();
        for (name, peer) in &mut notices.peers {
            if peer.ticker.due(now, &mut notices.rng) {
                periodic.push(name.clone());
            }
            match peer.queue.expire(now.at) {
                0 => {}
                count => given_up.push(format!("controller {name}: {count} notices were given up")),
            }
        }
        if notices.life.take_if(|at| *at <= now.at).is_some() {
            self.queue(Job::Look);
        }
        for line in given_up {
            self.log(log::Level::Warn, line);
        }
        for name in periodic {
            //= TR-181 LocalAgent.Periodic!: of the controller whose PeriodicNotifInterval has passed.
            let what = notify::event(LOCAL_AGENT, PERIODIC, Arguments::new());
            let path = format!("{LOCAL_AGENT}{PERIODIC}");
            self.raise(Raised { only: Some(name), path, what, boot: false });
        }
        self.ask_on_board();
        self.send_notices();
    }

    /// After a commit: has subscriptions that were just made look at once, so that what follows is a change to them,
    /// and the others soon.
    //= TR-369 12: ValueChange compares with the state at subscription.
    pub(in crate::agent) fn subscribed(&mut self) {
        if !self.usp.notices.watches.is_empty() {
            self.look_soon();
        }
        let kept = self.state.kept();
        let new = |name: &str, row: &Tree| {
            let known = self.usp.notices.watches.get(name);
            Subscription::read(row).is_some_and(|one| known.is_none_or(|watch| watch.subscription != one))
        };
        if kept.entries().iter().any(|(name, row)| new(name, row)) {
            self.queue(Job::Look);
        }
    }

    /// Brings the watches in line with the rows that are kept.
    fn take_subscriptions(&mut self) {
        let wall = self.now.wall;
        if self.end_subscriptions(|one| one.left(wall).is_some_and(|left| left.is_zero())) {
            self.out.push_back(Action::Save(Box::new(self.state.clone())));
        }
        let kept = self.state.kept();
        let rows = kept.entries().iter();
        let rows = rows.filter_map(|(name, row)| Some((name.clone(), Subscription::read(row)?)));
        let mut before = std::mem::take(&mut self.usp.notices.watches);
        let mut watches = BTreeMap::new();
        let mut life: Option<Instant> = None;
        for (name, subscription) in rows {
            let end = subscription.left(wall).map(|left| self.now.at + left);
            life = [life, end].into_iter().flatten().min();
            let known = before
                .remove(&name)
                .filter(|watch| subscription.enable && watch.subscription.watches_as(&subscription));
            let (seen, cut) = known.map_or((None, false), |watch| (watch.seen, watch.cut));
            watches.insert(name, Watch { subscription, seen, cut });
        }
        for (name, watch) in before {
            // One that is gone tells nothing any more.
            if let (false, Some(peer)) =
                (watches.contains_key(&name), self.usp.notices.peers.get_mut(&watch.subscription.recipient))
            {
                peer.queue.forget(|cause| *cause == Cause::Subscription(name.clone()));
            }
        }
        self.usp.notices.watches = watches;
        self.usp.notices.life = life;
    }

    /// Looks at all subscriptions and queues what is to be told.
    pub(in crate::agent) fn notice(&mut self, running: &mut Running) -> Step {
        if self.usp.notices.peers.is_empty() || self.usp.known.own.is_none() {
            return Step::Over;
        }
        self.take_subscriptions();
        self.raise_boot();
        self.note_inherited();
        let rights: BTreeMap<&str, Rights> = (self.usp.notices.peers.iter())
            .filter_map(|(name, peer)| Some((super::section(&self.config.usp, name)?, peer)))
            .map(|(one, peer)| {
                (one.name.as_str(), trust::rights_with(&self.config.usp, one, &peer.inherited))
            })
            .collect();
        let (notices, now, usp) = (&self.usp.notices, self.now, &self.config.usp);
        let before = std::mem::replace(&mut running.snapshot.audience, Audience::Usp);
        let done = run::attempt(self.model, &mut running.snapshot, &self.instances, |view| {
            let doubt = notices.doubts(view.snapshot, now);
            sight(notices, usp, &rights, view, doubt)
        });
        running.snapshot.audience = before;
        let sight = match done {
            Ok(sight) => sight,
            Err(Halt::Need(keys)) => return Step::Need(keys),
            Err(Halt::Refused(why)) => {
                self.refuse(&Job::Look, why);
                return Step::Over;
            }
        };
        drop(rights);
        self.usp.notices.raised.clear();
        self.saw(running, sight);
        self.send_notices();
        Step::Over
    }

    /// Takes the roles that certificates give from the links that stand: they count for what happens between two links.
    fn note_inherited(&mut self) {
        let usp = &self.config.usp;
        let mut found = Vec::new();
        for name in self.usp.notices.peers.keys() {
            let way = super::section(usp, name).and_then(|controller| self.way_to(controller));
            let Some(link) = way.and_then(|way| self.usp.links.get(&way.link)) else { continue };
            let roles = trust::inherited(usp, &self.usp.known, &link.up);
            found.push((name.clone(), roles.into_iter().map(str::to_string).collect()));
        }
        for (name, roles) in found {
            if let Some(peer) = self.usp.notices.peers.get_mut(&name) {
                peer.inherited = roles;
            }
        }
    }

    fn saw(&mut self, running: &Running, sight: Sight) {
        let now = self.now;
        let watching = sight.looked.iter().any(|(_, looked)| !looked.seen.is_empty());
        if watching {
            if self.usp.notices.doubts(&running.snapshot, now) {
                self.look_at(GAP);
            }
            let failed = |key| matches!(running.snapshot.peek(key), Some(Source::Failed(_)));
            if running.snapshot.keys().any(|key| crate::agent::watch::tells_nothing(key) || failed(key)) {
                self.look_at(self.config.agent.sampling_period);
            }
        }
        self.usp.notices.saw(&running.snapshot, now);
        for (section, what, boot) in sight.heard {
            self.push_notice(&section, what, boot);
        }
        for (section, looked) in sight.looked {
            let Some(watch) = self.usp.notices.watches.get_mut(&section) else { continue };
            watch.seen = Some(looked.seen);
            if looked.cut && !std::mem::replace(&mut watch.cut, true) {
                let id = watch.subscription.id.clone();
                let why =
                    format!("subscription {id}: more than {MAX_WATCHED} paths are watched, some are not");
                self.log(log::Level::Warn, why);
            }
            for what in looked.told {
                self.push_notice(&section, what, false);
            }
        }
        self.boot_told();
    }

    fn push_notice(&mut self, section: &str, what: Notification, boot: bool) {
        let msg_id = self.msg_id();
        let now = self.now.at;
        let notices = &mut self.usp.notices;
        let Some(watch) = notices.watches.get(section) else { return };
        let one = &watch.subscription;
        let Some(peer) = notices.peers.get_mut(&one.recipient) else { return };
        //= TR-369 12: NotifRetry: an answer is wanted, and it is repeated until there is one.
        let message = notify::notify(&msg_id, &one.id, one.retry, what);
        let (cause, expiration) = (Cause::Subscription(section.into()), one.expiration);
        let notice = Notice { msg_id, message, cause, retry: one.retry, expiration, boot };
        let dropped = peer.queue.push(notice, now);
        if dropped > 0 {
            let why = format!(
                "controller {}: more than {} notices wait, {dropped} are dropped",
                one.recipient,
                notice::MAX_NOTICES
            );
            self.log(log::Level::Warn, why);
        }
    }

    /// The link over which a controller is told something now: of those that stand the first in the order of its ways.
    //= TR-369 4: notices take the controller's ways in rising Order.
    fn way_to(&self, controller: &Controller) -> Option<Way> {
        let peer = EndpointId::parse(&controller.endpoint_id)?;
        let mut found: Option<Way> = None;
        for (number, link) in &self.usp.links {
            let reached = links::peers(&self.config.usp, &link.up).into_iter().find(|(id, ..)| *id == peer);
            let Some((to, topic, retain)) = reached else { continue };
            let order = links::order(controller, &link.up);
            if found.as_ref().is_none_or(|best| order < best.order) {
                found = Some(Way { order, link: *number, to, topic, retain });
            }
        }
        found
    }

    /// Sends what is due to every controller that is reached.
    pub(super) fn send_notices(&mut self) {
        let Some(own) = self.usp.known.own.clone() else { return };
        let names: Vec<Box<str>> = self.usp.notices.peers.keys().cloned().collect();
        for name in names {
            let Some(controller) = super::section(&self.config.usp, &name) else { continue };
            let (curve, way) = (controller.retry, self.way_to(controller));
            let Some(Way { link, to, topic, retain, .. }) = way else { continue };
            let notices = &mut self.usp.notices;
            let Some(peer) = notices.peers.get_mut(&name) else { continue };
            let due = peer.queue.due(self.now.at, curve, &mut notices.rng);
            if due.is_empty() {
                continue;
            }
            //= TR-369 R-MTP.8: the Connect record comes before any other.
            self.greet(link);
            for message in due {
                let record = record::wrap(record::VERSION, &to, &own, message);
                let topic = topic.clone();
                self.out.push_back(Action::Link(LinkCommand::Send { link, topic, retain, record }));
            }
        }
        self.boot_told();
    }
}

/// Looks at every subscription, and hears what happened.
fn sight(
    notices: &Notices,
    usp: &crate::config::usp::Usp,
    rights: &BTreeMap<&str, Rights>,
    view: &View<'_>,
    doubt: bool,
) -> Result<Sight, Stop> {
    let mut sight = Sight { looked: Vec::new(), heard: Vec::new() };
    let (mut room, mut wait) = (MAX_WATCHED, false);
    for (section, watch) in &notices.watches {
        let one = &watch.subscription;
        let Some(rights) = rights.get(&*one.recipient).filter(|_| one.enable) else { continue };
        match one.look(&Looking { view, rights, doubt, room }, watch.seen.as_ref()) {
            Ok(looked) => {
                room = room.saturating_sub(looked.seen.len());
                sight.looked.push((section.clone(), looked));
            }
            Err(Stop::Wait) => wait = true,
            Err(refused) => return Err(refused),
        }
    }
    for raised in &notices.raised {
        for (section, watch) in &notices.watches {
            let one = &watch.subscription;
            let mine = raised.only.as_ref().is_none_or(|only| *only == one.recipient);
            let Some(rights) = rights.get(&*one.recipient).filter(|_| one.enable && mine) else { continue };
            let kind = match &raised.what {
                Notification::OperComplete(_) => NotifType::OperationComplete,
                Notification::Event(_)
                | Notification::ValueChange(_)
                | Notification::ObjCreation(_)
                | Notification::ObjDeletion(_)
                | Notification::OnBoardReq(_) => NotifType::Event,
            };
            if one.kind != kind {
                continue;
            }
            match one.hears(view, rights, &raised.path) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(Stop::Wait) => {
                    wait = true;
                    continue;
                }
                Err(refused) => return Err(refused),
            }
            let mut what = raised.what.clone();
            if let (true, Notification::Event(event), Some(controller)) =
                (raised.boot, &mut what, super::section(usp, &one.recipient))
            {
                match boot::parameter_map(view, rights, &controller.boot_parameters) {
                    Ok(map) => event.params.insert("ParameterMap".into(), map),
                    Err(Stop::Wait) => {
                        wait = true;
                        continue;
                    }
                    Err(refused) => return Err(refused),
                };
            }
            sight.heard.push((section.clone(), what, raised.boot));
        }
    }
    if wait { Err(Stop::Wait) } else { Ok(sight) }
}
