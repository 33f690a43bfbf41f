//! TriggerAction: settings that a subscription has applied when there is something to tell.
//!
//! A job of its own plans them like a Set of the subscription's controller, with his rights as they are by then, guarded
//! and audited as his. What is refused is not tried again before the next time. Settings may be what a subscription or a
//! threshold watches, so that one brings about another: how often each subscription changes something is limited, and
//! what changes nothing brings about nothing.

use super::trust;
use crate::agent::Agent;
use crate::agent::job::{Done, Job, Running, Step};
use crate::audit::{Change, What};
use crate::dm::error::Refusal;
use crate::sorted::Map;
use crate::time::Instant;
use crate::usp::error::{Asked, Fault};
use crate::usp::msg;
use crate::usp::pb::{self, set::UpdateObject, set::UpdateParamSetting};
use crate::usp::subscription::Subscription;
use std::time::Duration;

/// How often one subscription may change something at once.
pub const MAX_AT_ONCE: u32 = 16;
/// How long it takes until it may do so once more.
pub const PAUSE: Duration = Duration::from_secs(900);

/// What is known of a subscription that changes something.
#[derive(Default)]
pub(super) struct Trigger {
    /// When all that it did will be forgotten.
    paid: Option<Instant>,
    /// Why it did nothing the last time.
    refused: Option<String>,
}

impl Trigger {
    /// Whether it may change something now.
    fn may(&self, now: Instant) -> bool {
        self.paid.is_none_or(|paid| paid.since(now) <= PAUSE * (MAX_AT_ONCE - 1))
    }

    /// It changed something.
    fn pay(&mut self, now: Instant) {
        self.paid = Some(self.paid.map_or(now, |paid| paid.max(now)) + PAUSE);
        self.refused = None;
    }
}

impl Agent {
    /// Applies what the subscription of a section has applied.
    //= TR-181 LocalAgent.Subscription.{i}.TriggerAction: Config and NotifyAndConfig change what the settings say.
    pub(in crate::agent) fn trigger(&mut self, running: &mut Running, section: &str) -> Step {
        let one = self.state.kept().get(section).and_then(Subscription::read);
        let Some(one) = one.filter(|one| one.enable && !one.settings.is_empty()) else { return Step::Over };
        let Some(controller) = super::section(&self.config.usp, &one.recipient) else { return Step::Over };
        let (notices, now) = (&self.usp.notices, self.now.at);
        if notices.triggers.get(section).is_some_and(|trigger| !trigger.may(now)) {
            let limit =
                Refusal::Exhausted(format!("{MAX_AT_ONCE} changes, then one in {} s", PAUSE.as_secs()));
            return self.not_triggered(section, &Fault::of(&limit, Asked::Set));
        }
        let inherited = notices.peers.get(&one.recipient).map_or(&[][..], |peer| &peer.inherited);
        let rights = trust::rights_with(&self.config.usp, controller, inherited);
        let endpoint = controller.endpoint_id.clone();
        self.supply_caller(running, &endpoint, Some(&one.recipient));
        let set = message(&one);
        if self.config.agent.audit_size > 0 {
            let change = |path: &str, own: &UpdateParamSetting| {
                Change::new(What::Set, format!("{path}{}", own.param), Some(&own.value))
            };
            let objects = set.update_objs.iter();
            self.audit.asked = objects
                .flat_map(|object| object.param_settings.iter().map(|own| change(&object.obj_path, own)))
                .collect();
            self.audit.manager = endpoint;
        }
        match self.outcome(running, |planner| msg::set::set(planner, &rights, &set)) {
            // As it is already: nothing comes of it.
            Ok((plan, _)) if plan.edits.is_empty() => {
                self.audit.asked.clear();
                Step::Over
            }
            Ok((plan, _)) => {
                self.audit_plan(&plan);
                let step = self.commit(running, plan, self.state.clone(), Done::Triggered(one.recipient));
                if let Step::Committing = step {
                    self.usp.notices.triggers.entry(section.into()).or_default().pay(now);
                }
                step
            }
            Err(Ok(step)) => step,
            Err(Err((fault, paths))) => {
                let fault = paths
                    .into_iter()
                    .next()
                    .map_or(fault, |(path, why)| Fault { text: format!("{path}: {}", why.text), ..why });
                self.not_triggered(section, &fault)
            }
        }
    }

    /// The same, where it comes to nothing at all.
    pub(in crate::agent) fn refuse_trigger(&mut self, section: &str, why: &Refusal) {
        self.not_triggered(section, &Fault::of(why, Asked::Set));
    }

    /// Says once that settings were not applied, until they are or there is another reason.
    fn not_triggered(&mut self, section: &str, fault: &Fault) -> Step {
        self.audit_refused(|_| fault.code);
        let why = format!("{section}: its settings are not applied: {} {}", fault.code, fault.text);
        let trigger = self.usp.notices.triggers.entry(section.into()).or_default();
        if trigger.refused.as_ref() != Some(&why) {
            trigger.refused = Some(why.clone());
            self.log(log::Level::Warn, why);
        }
        Step::Over
    }

    /// There is something to tell by a subscription: has its settings applied.
    pub(super) fn has_triggered(&mut self, section: &str) {
        self.queue(Job::Trigger(section.into()));
    }
}

/// The settings as the message that they stand for: all or none of them.
fn message(one: &Subscription) -> pb::Set {
    let mut objects: Map<&str, Vec<UpdateParamSetting>> = Map::new();
    for setting in &one.settings {
        let (param, value) = (setting.name.clone(), setting.value.clone());
        objects.entry(&setting.object).or_default().push(UpdateParamSetting { param, value, required: true });
    }
    let objects = objects
        .into_iter()
        .map(|(path, param_settings)| UpdateObject { obj_path: path.to_string(), param_settings });
    pb::Set { allow_partial: false, update_objs: objects.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_changes_at_once_and_then_one_in_a_while() {
        let (mut trigger, mut now) = (Trigger::default(), Instant(Duration::from_secs(77)));
        for _ in 0..MAX_AT_ONCE {
            assert!(trigger.may(now));
            trigger.pay(now);
        }
        for _ in 0..3 {
            assert!(!trigger.may(now));
            now = now + PAUSE;
            assert!(trigger.may(now));
            trigger.pay(now);
        }
        now = now + PAUSE * MAX_AT_ONCE;
        for left in (0..MAX_AT_ONCE).rev() {
            trigger.pay(now);
            assert_eq!(trigger.may(now), left > 0);
        }
    }
}
