//! What happens when settings no longer want a controller, or no longer trust what it showed: the last thing it is told,
//! and the end of its sessions. Links that we open are ended by `io` when they are no longer wanted.

use super::{links, trust};
use crate::agent::job::{Done, Job};
use crate::agent::usp::known::Known;
use crate::agent::{Action, Agent};
use crate::config::usp::{Controller, Usp};
use crate::time::Instant;
use crate::usp::endpoint::EndpointId;
use crate::usp::msg::notify;
use crate::usp::mtp::{Details, LinkCommand, NORMAL, Up};
use crate::usp::record;

impl Agent {
    /// Has settings that a controller changed taken up before anything else is done.
    //= TR-369 R-SEC.24: a role counts for the next message already.
    pub(in crate::agent) fn configure_first(&mut self, done: &Done) {
        match done {
            Done::Usp(..) | Done::Operated(..) | Done::Triggered(_) | Done::Nobody => {
                self.jobs.retain(|job| *job != Job::Configure);
                self.jobs.push_front(Job::Configure);
            }
            // When its session or its answer is over.
            Done::Acs(_) | Done::Local(..) => {}
        }
    }

    /// Tells controllers that are gone or switched off so, with what was known of them `before`.
    //= TR-369 12: the last notice a controller gets is that its own row went, or was switched off.
    //= TR-181 LocalAgent.Controller.{i}.Enable: switched off, it is told so, and its sessions end.
    pub(super) fn take_leave(&mut self, before: &Usp) {
        let Some(own) = self.usp.known.own.clone() else { return };
        let (now, mut told) = (&self.config.usp, Vec::new());
        for controller in before.controllers.iter().filter(|one| one.enable) {
            if super::section(now, &controller.name).is_some() {
                continue;
            }
            let Some(row) = self.usp.known.rows.get(controller.name.as_str()) else { continue };
            let there = now.controllers.iter().any(|one| one.name == controller.name);
            for watch in self.usp.notices.watches.values() {
                let one = &watch.subscription;
                if *one.recipient != *controller.name || !one.enable {
                    continue;
                }
                let what = watch.last(row, there);
                told.extend(what.map(|what| (controller.clone(), one.id.clone(), one.retry, what)));
            }
        }
        for (controller, id, retry, what) in told {
            let Some(way) = self.way_in(before, &controller) else { continue };
            let message = notify::notify(&self.msg_id(), &id, retry, what);
            let record = record::wrap(record::VERSION, &way.to, &own, message);
            let (link, topic) = (way.link, way.topic);
            self.out.push_back(Action::Link(LinkCommand::Send { link, topic, retain: false, record }));
        }
    }

    /// Ends the sessions of whoever was heard `before`, by what was known then, and is not heard now.
    //= TR-369 R-SEC.22: what a certificate proves holds as long as the settings say so.
    pub(super) fn end_sessions(&mut self, (before, known): (&Usp, &Known)) {
        let heard = |usp: &Usp, known: &Known, up: &Up, peer: &EndpointId| {
            trust::judge(usp, known, up, peer).map(|controller| controller.map(|one| one.name.clone()))
        };
        let mut ended = Vec::new();
        for (number, link) in &self.usp.links {
            let (Details::WebSocket { accepted: true }, Some(peer)) = (&link.up.details, &link.up.peer)
            else {
                continue;
            };
            if let (Ok(_), Err(why)) = (
                heard(before, known, &link.up, peer),
                heard(&self.config.usp, &self.usp.known, &link.up, peer),
            ) {
                ended.push((*number, why));
            }
        }
        for (number, why) in ended {
            self.end_session(number, why);
        }
    }

    /// Ends a session that was accepted.
    //= TR-369 R-MTP.7: a Disconnect record goes ahead of leaving.
    pub(super) fn end_session(&mut self, link: u64, why: &str) {
        let Some(known) = self.usp.links.get_mut(&link) else { return };
        let (name, greeted) = (known.up.name.clone(), std::mem::take(&mut known.greeted));
        known.inbox.clear();
        known.ends = None;
        if let Some(own) = &self.usp.known.own {
            for peer in greeted {
                let record = record::disconnect(&peer, own, 0);
                let send = LinkCommand::Send { link, topic: None, retain: false, record };
                self.out.push_back(Action::Link(send));
            }
        }
        self.log(log::Level::Warn, format!("{name}: a session is ended: {why}"));
        let reason = why.chars().take(100).collect::<String>().into();
        self.out.push_back(Action::Link(LinkCommand::Close { link, code: NORMAL, reason }));
    }

    /// Whether a link leads to a controller, so that it may be told something.
    //= TR-369 R-SEC.23: a notice is sent only where the certificate is that controller's, or a trusted broker's.
    pub(super) fn leads_to(usp: &Usp, known: &Known, up: &Up, controller: &Controller) -> bool {
        let Some(id) = EndpointId::parse(&controller.endpoint_id) else { return false };
        trust::judge(usp, known, up, &id)
            .is_ok_and(|found| found.is_some_and(|one| one.name == controller.name))
    }

    /// Until when somebody who is trusted for a first use has to say something more.
    //= TR-181 LocalAgent.ControllerTrust.TOFUInactivityTimer: without a message until then the session ends; 0 is off.
    pub(super) fn patience(&self, up: &Up) -> Option<Instant> {
        let first = up.certificate.as_ref().is_some_and(|certificate| !certificate.trusted);
        let wait = self.config.usp.trust_inactivity.filter(|_| first)?;
        Some(self.now.at + wait)
    }

    /// Somebody has said something.
    pub(super) fn be_patient(&mut self, link: u64) {
        let ends = self.usp.links.get(&link).and_then(|link| self.patience(&link.up));
        if let Some(link) = self.usp.links.get_mut(&link) {
            link.ends = ends;
        }
    }

    /// When the next session of a first use ends for its silence.
    pub(super) fn patience_timer(&self) -> Option<Instant> {
        self.usp.links.values().filter_map(|link| link.ends).min()
    }

    /// Ends sessions of first uses that were silent for too long.
    pub(super) fn patience_due(&mut self) {
        let now = self.now.at;
        let over = |link: &super::Link| link.ends.is_some_and(|ends| ends <= now);
        let silent: Vec<u64> =
            self.usp.links.iter().filter(|(_, link)| over(link)).map(|(number, _)| *number).collect();
        for link in silent {
            self.end_session(link, "nobody vouches for it, and it says nothing");
        }
    }
}

/// The ways that a link may take to a controller; see [`links::peers`].
pub(super) type Reached = (EndpointId, Option<Box<str>>, bool);

/// How a link reaches a controller, if it does and may.
pub(super) fn reached(usp: &Usp, known: &Known, up: &Up, controller: &Controller) -> Option<Reached> {
    let peer = EndpointId::parse(&controller.endpoint_id)?;
    let found = links::peers(usp, up).into_iter().find(|(id, ..)| *id == peer)?;
    Agent::leads_to(usp, known, up, controller).then_some(found)
}
