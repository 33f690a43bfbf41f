//! Notices on their way: the queue of each controller, the links they take, answers, and what comes at its time.
//!
//! What is told by subscriptions and events comes from [`super::notify`]; `Periodic!` and OnBoardRequest begin here.

use super::departure::reached;
use super::links;
use super::notify::Raised;
use crate::agent::job::Job;
use crate::agent::{Action, Agent};
use crate::config::usp::{Controller, Usp};
use crate::dm::schema::Arguments;
use crate::periodic::{Periodic, Ticker};
use crate::time::Instant;
use crate::usp::endpoint::EndpointId;
use crate::usp::msg::notify::{self, Notification};
use crate::usp::mtp::LinkCommand;
use crate::usp::notice::{self, Cause, Notice, Queue};
use crate::usp::record;

/// Where the event lies that comes at regular times.
const LOCAL_AGENT: &str = "Device.LocalAgent.";
/// That event.
const PERIODIC: &str = "Periodic!";

/// What there is of a controller.
#[derive(Default)]
pub(super) struct Peer {
    /// What waits for it.
    pub queue: Queue,
    /// When its `Periodic!` is due.
    pub ticker: Ticker,
    /// When it answered that the device wants to be taken up.
    pub answered: Option<Instant>,
    /// The roles that came with the certificate of the link that stands, or stood last.
    pub inherited: Vec<String>,
}

/// The link by which a controller is told something.
pub(super) struct Way {
    order: u32,
    /// The link.
    pub link: u64,
    /// The controller.
    pub to: EndpointId,
    /// Its topic; only MQTT.
    pub topic: Option<Box<str>>,
    retain: bool,
}

impl Agent {
    /// Asks a controller (by its section) to take the device up, again if it was asked before.
    //= TR-369 R-NOT.5: an OnBoardRequest is sent on SendOnBoardRequest().
    pub fn tell_on_board(&mut self, section: &str) {
        let Some(controller) = super::section(&self.config.usp, section).cloned() else { return };
        self.on_board(&controller);
        self.send_notices();
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

    pub(super) fn msg_id(&mut self) -> String {
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
        let mut next = [self.usp.notices.life, self.patience_timer()].into_iter().flatten().min();
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
        self.patience_due();
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
            //= TR-369 12: Periodic!: of the controller whose PeriodicNotifInterval has passed.
            let what = notify::event(LOCAL_AGENT, PERIODIC, Arguments::new());
            let path = format!("{LOCAL_AGENT}{PERIODIC}");
            self.raise(Raised { only: Some(name), path, what, boot: false });
        }
        self.ask_on_board();
        self.send_notices();
    }

    /// Queues what a subscription tells, and has done what it does.
    pub(super) fn push_notice(&mut self, section: &str, what: Notification, boot: bool) {
        let Some(one) = self.usp.notices.watches.get(section).map(|watch| &watch.subscription) else {
            return;
        };
        let notifies = one.notifies;
        if !one.settings.is_empty() {
            self.has_triggered(section);
        }
        //= TR-181 LocalAgent.Subscription.{i}.TriggerAction: Config tells nobody.
        if !notifies {
            return;
        }
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

    /// The link over which a controller is told something now.
    pub(super) fn way_to(&self, controller: &Controller) -> Option<Way> {
        self.way_in(&self.config.usp, controller)
    }

    /// The same by other settings.
    pub(super) fn way_in(&self, usp: &Usp, controller: &Controller) -> Option<Way> {
        self.ways_in(usp, controller).into_iter().next()
    }

    /// The links over which a controller is told something now: of those that stand the first in the order of its ways,
    /// and all that share its place.
    //= TR-181 LocalAgent.Controller.{i}.MTP.{i}.Order: notices take the ways in rising Order, equal ones at once.
    fn ways_in(&self, usp: &Usp, controller: &Controller) -> Vec<Way> {
        let mut found: Vec<Way> = Vec::new();
        for (number, link) in &self.usp.links {
            let Some((to, topic, retain)) = reached(usp, &self.usp.known, &link.up, controller) else {
                continue;
            };
            let order = links::order(controller, &link.up);
            let best = found.first().map_or(order, |best| best.order);
            if order < best {
                found.clear();
            }
            if order <= best {
                found.push(Way { order, link: *number, to, topic, retain });
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
            let (curve, ways) = (controller.retry, self.ways_in(&self.config.usp, controller));
            if ways.is_empty() {
                continue;
            }
            let notices = &mut self.usp.notices;
            let Some(peer) = notices.peers.get_mut(&name) else { continue };
            let due = peer.queue.due(self.now.at, curve, &mut notices.rng);
            if due.is_empty() {
                continue;
            }
            for Way { link, to, topic, retain, .. } in ways {
                //= TR-369 R-MTP.8: the Connect record comes before any other.
                self.greet(link);
                for message in &due {
                    let record = record::wrap(record::VERSION, &to, &own, message.clone());
                    let topic = topic.clone();
                    self.out.push_back(Action::Link(LinkCommand::Send { link, topic, retain, record }));
                }
            }
        }
        self.boot_told();
    }
}
