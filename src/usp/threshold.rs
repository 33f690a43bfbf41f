//! Thresholds: numbers of which a controller wants to hear when they cross a value.
//!
//! Reads a row of `Device.LocalAgent.Threshold.` from its section and compares the numbers that it watches with what it
//! saw before ([`Seen`]). Who hears of the event is [`super::subscription`]'s, when it looks is the agent's business.

use super::msg::notify::event;
use super::subscription::{Look, Looked, Looking, Seen};
use crate::dm::acl::Rwxn;
use crate::dm::path::Pattern;
use crate::dm::read::{Node, Place};
use crate::dm::schema::{Arguments, Notify};
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use std::cmp::Ordering;

/// The type of the sections of kept rows that are thresholds.
pub const KIND: &str = "threshold";
/// The event of a row.
pub const TRIGGERED: &str = "Triggered!";

/// Which way a number crosses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// From below to above.
    Rise,
    /// From above to below.
    Fall,
    /// Either of them.
    Cross,
    /// From any other number to this one.
    Eq,
    /// From this number to any other.
    NotEq,
}

/// A row of the table of thresholds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// The section of its controller.
    pub controller: Box<str>,
    /// Whether it is switched off by its first event.
    pub single: bool,
    watched: Pattern,
    operator: Operator,
    value: i128,
}

impl Operator {
    /// Where a number is to be counted that is `now` this way from the value, and was counted `before` there.
    ///
    /// On its way from one side to the other a number may stop at the value for a while.
    fn side(self, before: Option<Ordering>, now: Ordering) -> Ordering {
        match self {
            Operator::Rise | Operator::Fall | Operator::Cross if now.is_eq() => before.unwrap_or(now),
            Operator::Rise | Operator::Fall | Operator::Cross | Operator::Eq | Operator::NotEq => now,
        }
    }

    /// Whether it is met by a number that was counted `before` here and is counted `now` there.
    //= TR-181 LocalAgent.SupportedThresholdOperator: what a number was is part of every condition.
    fn met(self, before: Ordering, now: Ordering) -> bool {
        let rises = before.is_lt() && now.is_gt();
        let falls = before.is_gt() && now.is_lt();
        match self {
            Operator::Rise => rises,
            Operator::Fall => falls,
            Operator::Cross => rises || falls,
            Operator::Eq => before.is_ne() && now.is_eq(),
            Operator::NotEq => before.is_eq() && now.is_ne(),
        }
    }
}

impl Threshold {
    /// Reads a section; `None` for one that is switched off or does not say yet what it watches.
    pub fn read(section: &Tree) -> Option<Threshold> {
        if section.str(".type") != Some(KIND) || !matches!(section.str("Enable"), Some("1" | "true")) {
            return None;
        }
        let operator = match section.str("ThresholdOperator").unwrap_or("Rise") {
            "Rise" => Operator::Rise,
            "Fall" => Operator::Fall,
            "Cross" => Operator::Cross,
            "Eq" => Operator::Eq,
            "NotEq" => Operator::NotEq,
            _ => return None,
        };
        let path = format!("{}{}", section.str("ReferencePath")?, section.str("ThresholdParam")?);
        Some(Threshold {
            controller: section.str("Controller")?.into(),
            single: section.str("OperatingMode") == Some("Single"),
            watched: Pattern::parse(&path).ok()?,
            operator,
            value: section.str("ThresholdValue")?.parse().ok()?,
        })
    }

    /// Compares the numbers with what was seen `before`; without that, what is there now is what it starts from. `row` is
    /// the path of its row, with the dot.
    ///
    /// Sources that fail or are gone for a moment cross nothing and make nothing forgotten.
    //= TR-181 LocalAgent.Threshold.{i}.Triggered: when the condition comes to hold, once until it does so again.
    //= TR-181 LocalAgent.Threshold.{i}.OperatingMode: Single tells of one crossing.
    pub fn look(&self, row: &str, at: &Looking<'_, '_>, before: Option<&Seen>) -> Result<Looked, Stop> {
        let mut look = Look::new(at, before);
        for node in look.nodes(&self.watched) {
            if let Node::Param(place, param) = node {
                self.number(row, &mut look, &place, param);
            }
        }
        let mut looked = look.over(None)?;
        if self.single {
            looked.told.truncate(1);
        }
        Ok(looked)
    }

    fn number<'s>(&self, row: &str, look: &mut Look<'_, 's>, place: &Place<'s>, at: usize) {
        let Looking { view, rights, doubt, .. } = *look.at;
        let Ok(param) = view.param(place, at) else { return };
        let path = format!("{}{}", place.path, param.name);
        //= TR-181 LocalAgent.Threshold.{i}.Controller: its permissions count.
        match rights.at(view, &path) {
            Ok(grant) if grant.param.has(Rwxn::R) => {}
            Ok(_) => return,
            Err(stop) => return look.stopped(&stop),
        }
        let mark = look.mark(&path);
        let value = match view.value_for(place, at, rights.sees_secured()) {
            Ok(value) => value,
            // What it was before is what is known.
            Err(Stop::Refused(_)) => {
                if let Some(mark) = mark {
                    look.note(&path, mark);
                }
                return;
            }
            Err(Stop::Wait) => return look.stopped(&Stop::Wait),
        };
        let Ok(number) = value.parse::<i128>() else { return };
        look.now.restless |= param.flags.notify == Notify::CanDeny;
        let before = mark.map(|mark| mark.cmp(&EQUAL));
        let now = self.operator.side(before, number.cmp(&self.value));
        if let Some(mark) = mark.filter(|_| doubt) {
            look.note(&path, mark);
            return;
        }
        if look.note(&path, EQUAL.saturating_add_signed(now as i64))
            && before.is_some_and(|before| self.operator.met(before, now))
        {
            let value = value.into_owned();
            let args = Arguments::from([("ParamPath".to_string(), path), ("ParamValue".to_string(), value)]);
            look.now.told.push(event(row, TRIGGERED, args));
        }
    }
}

/// The mark of a number that is the value; one less of a number below, one more of one above.
const EQUAL: u64 = 1;

#[cfg(test)]
#[path = "threshold_tests.rs"]
mod tests;
