//! Notices: what subscriptions see, events and ends of commands, each on its way to its controller.
//!
//! Subscriptions are looked at in [`Job::Look`], after whatever changed; what is to be told waits in a queue per
//! controller and leaves by the link that stands and comes first in the order of the controller's ways. Queues, clocks
//! and what was seen are in memory: after a restart the first look is what later ones are compared with. The rules of
//! what is told are [`subscription`]'s, those of repeating [`notice`]'s.

use super::queues::Peer;
use super::thresholds::{Crossed, Watched};
use super::triggers::Trigger;
use super::{Ask, boot, trust};
use crate::agent::job::{Job, Running, Step};
use crate::agent::{Action, Agent};
use crate::dm::acl::Rights;
use crate::dm::run::{self, Halt};
use crate::dm::schema::{Arguments, Audience};
use crate::dm::source::{Snapshot, Source, Stop};
use crate::dm::tree::Tree;
use crate::dm::view::View;
use crate::rng::Rng;
use crate::sorted::{Map, Set};
use crate::time::{Instant, Now};
use crate::usp::error::Fault;
use crate::usp::msg::notify::{self, Notification};
use crate::usp::notice::Cause;
use crate::usp::subscription::{Looked, Looking, NotifType, Seen, Subscription};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// Most paths that all subscriptions and thresholds together watch.
pub const MAX_WATCHED: usize = 16_384;
/// Most events that wait to be told; one more replaces the oldest.
pub const MAX_RAISED: usize = 256;
/// How long a source may be gone before what differs without it counts as changed.
//= TR-369 R-NOT.0a: a change is told within 10 s.
pub const GAP: Duration = Duration::from_secs(8);

/// What the agent keeps of notices.
pub(super) struct Notices {
    pub(super) rng: Rng,
    /// What all msg_ids of this run begin with, and how many there were.
    pub(super) run: String,
    pub(super) count: u64,
    /// By the section of the subscription.
    pub(super) watches: Map<Box<str>, Watch>,
    /// Of subscriptions that change something, by their sections.
    pub(super) triggers: Map<Box<str>, Trigger>,
    /// Those that are on, by their sections.
    pub(super) thresholds: Map<Box<str>, Watched>,
    /// By the section of the controller.
    pub(super) peers: Map<Box<str>, Peer>,
    raised: VecDeque<Raised>,
    /// The sources that were there at the last look, and since when the others are gone.
    there: Set<Box<str>>,
    gone: Map<Box<str>, Instant>,
    /// Whether `Boot!` has been looked at.
    pub(super) booted: bool,
    /// The subscriptions there were when the program started: later ones hear nothing of the boot before them.
    pub(super) at_start: Option<Set<Box<str>>>,
    /// When a subscription's life ends.
    pub(super) life: Option<Instant>,
    /// Answers to those who have just subscribed: they leave once it was looked at what is to be compared with.
    pub(super) promised: Vec<(Rc<Ask>, Vec<u8>)>,
}

/// A subscription and what it saw.
pub(super) struct Watch {
    /// The row.
    pub subscription: Subscription,
    seen: Option<Seen>,
    /// Whether it was said that there is no room.
    cut: bool,
}

impl Watch {
    /// What its controller is told of its own row (a path) in the end: that it went, or is `there` and switched off.
    pub fn last(&self, row: &str, there: bool) -> Option<Notification> {
        if !self.subscription.notifies {
            return None;
        }
        let enable = format!("{row}Enable");
        let path = if there { &enable } else { row };
        let seen = self.seen.as_ref().is_some_and(|seen| seen.has(path));
        match (self.subscription.kind, there) {
            (NotifType::ObjectDeletion, false) if seen => Some(notify::deleted(row)),
            (NotifType::ValueChange, true) if seen => Some(notify::value_change(&enable, "false")),
            _ => None,
        }
    }
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

/// What a look at all subscriptions and thresholds came to.
struct Sight {
    looked: Vec<(Box<str>, Looked)>,
    crossed: Vec<Crossed>,
    heard: Vec<(Box<str>, Notification, bool)>,
}

impl Default for Notices {
    fn default() -> Notices {
        Notices {
            rng: Rng::new([0; 32]),
            run: String::new(),
            count: 0,
            watches: Map::new(),
            thresholds: Map::new(),
            triggers: Map::new(),
            peers: Map::new(),
            raised: VecDeque::new(),
            there: Set::new(),
            gone: Map::new(),
            booted: false,
            at_start: None,
            life: None,
            promised: Vec::new(),
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
    /// An event of an object (a live path with its dot), such as `Periodic!`, for whoever subscribed to it.
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

    /// Has something told to whoever subscribed to it.
    pub(super) fn raise(&mut self, raised: Raised) {
        if !self.usp.notices.raise(raised) {
            self.log(log::Level::Warn, format!("more than {MAX_RAISED} events wait, the oldest is not told"));
        }
        self.queue(Job::Look);
    }

    /// Removes the subscriptions that do not outlive a restart. Before the first job.
    //= TR-369 12: Persistent false: the row goes with every restart.
    pub(in crate::agent) fn forget_subscriptions(&mut self) {
        let wall = self.calendar();
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

    /// After a commit: has subscriptions and thresholds that were just made look at once, and the others soon. Whether
    /// there is one of the first kind.
    pub(in crate::agent) fn subscribed(&mut self) -> bool {
        let notices = &self.usp.notices;
        let watching = !notices.watches.is_empty() || !notices.thresholds.is_empty();
        let kept = self.state.kept();
        let new = |name: &str, row: &Tree| {
            let known = notices.watches.get(name);
            Subscription::read(row).is_some_and(|one| known.is_none_or(|watch| watch.subscription != one))
                || notices.is_new_threshold(name, row)
        };
        let new = kept.entries().iter().any(|(name, row)| new(name, row));
        if watching {
            self.look_soon();
        }
        if new {
            self.queue(Job::Look);
        }
        new
    }

    /// Answers a change; one that made a subscription once it has looked at what it is about, so that whatever changes
    /// after the answer is a change to it.
    //= TR-369 12: ValueChange compares with the state at subscription.
    pub(in crate::agent) fn answer_change(&mut self, ask: Rc<Ask>, message: Vec<u8>, subscribed: bool) {
        match subscribed {
            true => self.usp.notices.promised.push((ask, message)),
            false => self.reply(&ask, message),
        }
    }

    /// Answers those who have subscribed, after a look.
    pub(in crate::agent) fn answer_subscribers(&mut self) {
        for (ask, message) in std::mem::take(&mut self.usp.notices.promised) {
            self.reply(&ask, message);
        }
    }

    /// Brings the watches in line with the rows that are kept.
    fn take_subscriptions(&mut self) {
        let wall = self.calendar();
        if self.end_subscriptions(|one| one.left(wall).is_some_and(|left| left.is_zero())) {
            self.out.push_back(Action::Save(Box::new(self.state.clone())));
        }
        let kept = self.state.kept();
        self.usp.notices.take_thresholds(&kept);
        self.usp.notices.triggers.retain(|name, _| kept.get(name).is_some());
        let rows = kept.entries().iter();
        let rows = rows.filter_map(|(name, row)| Some((name.clone(), Subscription::read(row)?)));
        let mut before = std::mem::take(&mut self.usp.notices.watches);
        let mut watches = Map::new();
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
        let rights: Map<&str, Rights> = (self.usp.notices.peers.iter())
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
        let looked = sight.looked.iter().map(|(_, looked)| looked);
        let all = || looked.clone().chain(sight.crossed.iter().map(Crossed::looked));
        if all().any(|looked| !looked.seen.is_empty()) {
            if self.usp.notices.doubts(&running.snapshot, now) {
                self.look_at(GAP);
            }
            let failed = |key| matches!(running.snapshot.peek(key), Some(Source::Failed(_)));
            if all().any(|looked| looked.restless)
                || running.snapshot.keys().any(|key| crate::agent::tells_nothing(key) || failed(key))
            {
                self.look_at(self.config.agent.sampling_period);
            }
        }
        self.usp.notices.saw(&running.snapshot, now);
        for (section, what, boot) in sight.heard {
            self.push_notice(&section, what, boot);
        }
        self.crossed(sight.crossed);
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
}

/// Looks at every subscription and threshold, and hears what happened.
fn sight(
    notices: &Notices,
    usp: &crate::config::usp::Usp,
    rights: &Map<&str, Rights>,
    view: &View<'_>,
    doubt: bool,
) -> Result<Sight, Stop> {
    let mut sight = Sight { looked: Vec::new(), crossed: Vec::new(), heard: Vec::new() };
    let (mut room, mut wait) = (MAX_WATCHED, false);
    match notices.cross(rights, view, doubt, &mut room) {
        Ok(crossed) => sight.crossed = crossed,
        Err(Stop::Wait) => wait = true,
        Err(refused) => return Err(refused),
    }
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
            let late = raised.boot && notices.at_start.as_ref().is_none_or(|known| !known.contains(section));
            if one.kind != kind || late {
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
