//! Events waiting to be told to the ACS, and what of the past must survive a power cut.
//!
//! Every change to what survives comes back as [`Record`]s for the append-only log; folding them gives the ledger
//! again. It does not decide when a session starts. Driven by [`super::session`].

use super::events::{Code, Delivery, Keep};
pub use super::record::{Entry, Record};
use super::schedule::{MAX_SCHEDULED, Schedule, Scheduled};
use crate::time::{Instant, Now};
use std::collections::VecDeque;
use std::time::Duration;

/// The most undelivered events with command keys; with all the single ones they fit one Inform.
pub const MAX_MULTIPLE: usize = 40;

/// Where an undelivered event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Raised and never told.
    Fresh,
    /// Told in a session that failed.
    Stale,
    /// Told in the session under way, or in one that ended well and did not deliver it.
    Told,
}

/// The undelivered events and the durable facts about sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    entries: VecDeque<(Entry, Stage)>,
    schedule: Schedule,
    last_serial: u64,
    bootstrapped: Option<String>,
    failures: u32,
    reset_pending: bool,
}

/// There is no room for another event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Ledger {
    /// The ledger after a start: what the log's records come to.
    pub fn replay(records: impl IntoIterator<Item = Record>) -> Ledger {
        let mut ledger = Ledger::default();
        for record in records {
            match record {
                Record::Raised(entry) => {
                    ledger.schedule.remove(entry.serial);
                    ledger.insert(entry);
                }
                Record::Done(serials) => ledger.entries.retain(|(entry, _)| !serials.contains(&entry.serial)),
                Record::Bootstrapped(acs) => ledger.bootstrapped = Some(acs),
                Record::Failures(count) => ledger.failures = count,
                Record::ResetPending(pending) => ledger.reset_pending = pending,
                Record::Scheduled(scheduled) => {
                    ledger.last_serial = ledger.last_serial.max(scheduled.serial);
                    ledger.schedule.resume(scheduled);
                }
            }
        }
        ledger
    }

    /// The shortest log that gives the durable part of this ledger, to compact with.
    pub fn records(&self) -> Vec<Record> {
        let mut records: Vec<Record> = self
            .entries
            .iter()
            .filter(|(entry, _)| entry.code.keep() == Keep::Always)
            .map(|(entry, _)| Record::Raised(entry.clone()))
            .collect();
        records.extend(self.schedule.kept().cloned().map(Record::Scheduled));
        records.extend(self.bootstrapped.clone().map(Record::Bootstrapped));
        if self.failures > 0 {
            records.push(Record::Failures(self.failures));
        }
        if self.reset_pending {
            records.push(Record::ResetPending(true));
        }
        records
    }

    fn insert(&mut self, entry: Entry) {
        self.last_serial = self.last_serial.max(entry.serial);
        //= TR-069 3.7.1.5: a BOOTSTRAP discards all older undelivered events.
        if entry.code == Code::Bootstrap {
            self.entries.clear();
        }
        self.entries.push_back((entry, Stage::Fresh));
    }

    /// Notes an event. Returns what the log has to keep of it.
    ///
    /// A single event that waits already is not noted again, unless the Inform under way has told it. Refuses a
    /// multiple event beyond [`MAX_MULTIPLE`].
    pub fn raise(&mut self, code: Code, command_key: &str) -> Result<Vec<Record>, Full> {
        let mut records = Vec::new();
        if code.is_multiple() {
            if self.multiple() >= MAX_MULTIPLE {
                return Err(Full);
            }
            if let Some(herald) = code.herald() {
                records.extend(self.raise(herald, "")?);
            }
        } else if let Some((_, stage)) =
            self.entries.iter_mut().find(|(entry, stage)| entry.code == code && *stage != Stage::Told)
        {
            *stage = Stage::Fresh;
            return Ok(records);
        }
        let command_key = if code.is_multiple() { command_key.to_string() } else { String::new() };
        let entry = Entry { serial: self.last_serial + 1, code, command_key };
        if code.keep() == Keep::Always {
            records.push(Record::Raised(entry.clone()));
        }
        self.insert(entry);
        Ok(records)
    }

    /// The multiple events that wait, with those that are scheduled: their room is kept.
    fn multiple(&self) -> usize {
        self.entries.iter().filter(|(entry, _)| entry.code.is_multiple()).count() + self.schedule.len()
    }

    /// Schedules an Inform. Returns what the log has to keep of it.
    ///
    /// Refuses more than [`MAX_SCHEDULED`], and what would have no room when it is due.
    pub fn schedule(&mut self, command_key: &str, delay: Duration, now: Now) -> Result<Vec<Record>, Full> {
        if self.schedule.len() >= MAX_SCHEDULED || self.multiple() >= MAX_MULTIPLE {
            return Err(Full);
        }
        self.last_serial += 1;
        let wall = now.wall.map(|wall| wall.plus(i64::try_from(delay.as_secs()).unwrap_or(i64::MAX)));
        let scheduled =
            Scheduled { serial: self.last_serial, command_key: command_key.to_string(), delay, wall };
        self.schedule.ask(scheduled.clone(), now);
        Ok(vec![Record::Scheduled(scheduled)])
    }

    /// Settles when what was scheduled before a start is due: see [`Schedule::set_out`].
    pub fn set_out(&mut self, now: Now) {
        self.schedule.set_out(now);
    }

    /// When the next scheduled Inform is due.
    pub fn next_scheduled(&self) -> Option<Instant> {
        self.schedule.next()
    }

    /// Raises the events of the scheduled Informs that are due. Returns what the log has to keep of them.
    //= TR-069 3.7.1.5: 3 SCHEDULED with an M ScheduleInform for each.
    pub fn due(&mut self, now: Now) -> Vec<Record> {
        let mut records = Vec::new();
        for Scheduled { serial, command_key, .. } in self.schedule.due(now) {
            // A single event is never refused.
            records.extend(self.raise(Code::Scheduled, "").into_iter().flatten());
            let entry = Entry { serial, code: Code::MScheduleInform, command_key };
            records.push(Record::Raised(entry.clone()));
            self.insert(entry);
        }
        records
    }

    /// Whether an event waits that no session under way or ended well has told.
    pub fn has_untold(&self) -> bool {
        self.entries.iter().any(|(entry, stage)| *stage != Stage::Told && self.shown(entry))
    }

    /// Whether an event was raised since the last Inform.
    pub fn has_fresh(&self) -> bool {
        self.entries.iter().any(|(entry, stage)| *stage == Stage::Fresh && self.shown(entry))
    }

    /// Whether an event of `code` is undelivered.
    pub fn holds(&self, code: Code) -> bool {
        self.entries.iter().any(|(entry, _)| entry.code == code)
    }

    /// How many events of `code` with this key are undelivered.
    pub fn count(&self, code: Code, command_key: &str) -> usize {
        self.entries
            .iter()
            .filter(|(entry, _)| entry.code == code && entry.command_key == command_key)
            .count()
    }

    /// M Reboot waits for the boot it announces.
    fn shown(&self, entry: &Entry) -> bool {
        entry.code != Code::MReboot || self.holds(Code::Boot)
    }

    /// The texts and command keys of the events that are undelivered, in order.
    pub fn undelivered(&self) -> Vec<(String, String)> {
        let pair = |(entry, _): &(Entry, Stage)| (entry.code.text().to_string(), entry.command_key.clone());
        self.entries.iter().filter(|(entry, _)| self.shown(entry)).map(pair).collect()
    }

    /// Takes all events for an Inform: their texts and command keys, in order, each single one once.
    pub fn tell(&mut self) -> Vec<(String, String)> {
        let boot = self.holds(Code::Boot);
        let mut told: Vec<(String, String)> = Vec::new();
        for (entry, stage) in &mut self.entries {
            if entry.code == Code::MReboot && !boot {
                continue;
            }
            *stage = Stage::Told;
            let pair = (entry.code.text().to_string(), entry.command_key.clone());
            if entry.code.is_multiple() || !told.contains(&pair) {
                told.push(pair);
            }
        }
        told
    }

    fn drop_where(&mut self, gone: impl Fn(&Entry, Stage) -> bool) -> Vec<Record> {
        let mut serials = Vec::new();
        self.entries.retain(|(entry, stage)| {
            let goes = gone(entry, *stage);
            if goes && entry.code.keep() == Keep::Always {
                serials.push(entry.serial);
            }
            !goes
        });
        if serials.is_empty() { Vec::new() } else { vec![Record::Done(serials)] }
    }

    /// The Inform that told the events was answered by `acs`.
    //= TR-069 3.7.1.5: InformResponse delivers, whatever becomes of the session afterwards.
    pub fn informed(&mut self, acs: &str) -> Vec<Record> {
        let bootstrap =
            self.entries.iter().any(|(entry, stage)| *stage == Stage::Told && entry.code == Code::Bootstrap);
        let mut records =
            self.drop_where(|entry, stage| stage == Stage::Told && entry.code.delivery() == Delivery::Inform);
        if bootstrap {
            self.bootstrapped = Some(acs.to_string());
            // Ahead of the other, so that no cut between the two loses both.
            records.insert(0, Record::Bootstrapped(acs.to_string()));
        }
        records
    }

    /// A request about `command_key` was answered by what delivers `by`.
    //= TR-069 3.7.1.5: a TransferCompleteResponse delivers 7 and the M event of its transfer.
    pub fn answered(&mut self, by: Delivery, command_key: &str) -> Vec<Record> {
        let first = self
            .entries
            .iter()
            .find(|(entry, _)| {
                entry.code.delivery() == by && entry.code.is_multiple() && entry.command_key == command_key
            })
            .map(|(entry, _)| entry.serial);
        let others = self.entries.iter().any(|(entry, _)| {
            entry.code.delivery() == by && entry.code.is_multiple() && Some(entry.serial) != first
        });
        self.drop_where(|entry, _| {
            entry.code.delivery() == by
                && (Some(entry.serial) == first || (!others && !entry.code.is_multiple()))
        })
    }

    /// The session ended well: what it told and did not deliver is told in a later one, and starts none.
    pub fn finished(&mut self) -> Vec<Record> {
        match std::mem::take(&mut self.failures) {
            0 => Vec::new(),
            _ => vec![Record::Failures(0)],
        }
    }

    /// The session failed.
    ///
    /// The count goes to the log at every power of two only, to spare flash; a count that came back from the log
    /// is then too low but never 0 while a session is to be retried.
    //= TR-069 3.7.1.5: a connection request is not retried.
    //= TR-069 A.3.3.1: RetryCount is 0 if and only if the last session ended well.
    pub fn failed(&mut self) -> Vec<Record> {
        self.entries.retain(|(entry, stage)| *stage != Stage::Told || entry.code.keep() != Keep::Once);
        for (_, stage) in self.entries.iter_mut().filter(|(_, stage)| *stage == Stage::Told) {
            *stage = Stage::Stale;
        }
        self.failures = self.failures.saturating_add(1);
        match self.failures.is_power_of_two() {
            true => vec![Record::Failures(self.failures)],
            false => Vec::new(),
        }
    }

    /// How often the session in hand has failed.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The server that took the last BOOTSTRAP, as given to [`Ledger::informed`].
    pub fn bootstrapped(&self) -> Option<&str> {
        self.bootstrapped.as_deref()
    }

    /// Withdraws a BOOTSTRAP that was not delivered, when the old server is back.
    pub fn withdraw_bootstrap(&mut self) -> Vec<Record> {
        self.drop_where(|entry, _| entry.code == Code::Bootstrap)
    }

    /// Whether a factory reset was promised and not carried out.
    pub fn reset_pending(&self) -> bool {
        self.reset_pending
    }

    /// Promises a factory reset.
    pub fn promise_reset(&mut self) -> Vec<Record> {
        self.reset_pending = true;
        vec![Record::ResetPending(true)]
    }
}

#[cfg(test)]
#[path = "ledger/tests.rs"]
mod tests;
