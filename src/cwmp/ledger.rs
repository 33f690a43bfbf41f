//! Events waiting to be told to the ACS, and what of the past must survive a power cut.
//!
//! Every change to what survives comes back as [`Record`]s for the append-only log; folding them gives the ledger
//! again. It does not decide when a session starts. Driven by [`super::session`].

use super::events::{Code, Delivery, Keep};
use crate::dm::tree::Tree;
use std::collections::VecDeque;

/// The most undelivered events with command keys; with all the single ones they fit one Inform.
pub const MAX_MULTIPLE: usize = 40;

/// One undelivered event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Counts up over all events ever raised.
    pub serial: u64,
    /// What happened.
    pub code: Code,
    /// The key of the command that caused it; empty but for multiple events.
    pub command_key: String,
}

/// A line of the append-only log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An event to be kept. A BOOTSTRAP also discards all before it.
    Raised(Entry),
    /// These events need not be told any more.
    Done(Vec<u64>),
    /// The server that has taken a BOOTSTRAP.
    Bootstrapped(String),
    /// How often the session in hand has failed.
    Failures(u32),
    /// Whether a factory reset was promised.
    ResetPending(bool),
}

impl Record {
    /// As a tree for the log.
    pub fn to_tree(&self) -> Tree {
        match self {
            Record::Raised(entry) => Tree::map([
                ("event", Tree::from(entry.code.text())),
                ("serial", entry.serial.to_string().into()),
                ("key", entry.command_key.clone().into()),
            ]),
            Record::Done(serials) => {
                Tree::map([("done", Tree::List(serials.iter().map(|s| s.to_string().into()).collect()))])
            }
            Record::Bootstrapped(acs) => Tree::map([("bootstrapped", Tree::from(acs.clone()))]),
            Record::Failures(count) => Tree::map([("failures", Tree::from(count.to_string()))]),
            Record::ResetPending(pending) => {
                Tree::map([("reset", Tree::from(if *pending { "1" } else { "0" }))])
            }
        }
    }

    /// From a tree of the log; `None` for what is no record.
    pub fn from_tree(tree: &Tree) -> Option<Record> {
        if let Some(event) = tree.str("event") {
            return Some(Record::Raised(Entry {
                serial: tree.str("serial")?.parse().ok()?,
                code: Code::parse(event)?,
                command_key: tree.str("key")?.to_string(),
            }));
        }
        if let Some(done) = tree.get("done") {
            let serials = done.items().iter().map(|serial| serial.as_str()?.parse().ok());
            return serials.collect::<Option<Vec<u64>>>().map(Record::Done);
        }
        if let Some(acs) = tree.str("bootstrapped") {
            return Some(Record::Bootstrapped(acs.to_string()));
        }
        if let Some(count) = tree.str("failures") {
            return count.parse().ok().map(Record::Failures);
        }
        tree.str("reset").map(|pending| Record::ResetPending(pending == "1"))
    }
}

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
                Record::Raised(entry) => ledger.insert(entry),
                Record::Done(serials) => ledger.entries.retain(|(entry, _)| !serials.contains(&entry.serial)),
                Record::Bootstrapped(acs) => ledger.bootstrapped = Some(acs),
                Record::Failures(count) => ledger.failures = count,
                Record::ResetPending(pending) => ledger.reset_pending = pending,
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
            if self.entries.iter().filter(|(entry, _)| entry.code.is_multiple()).count() >= MAX_MULTIPLE {
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
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::cwmp::events::TABLE;

    const ALL: [Code; 21] = {
        let mut all = [Code::Bootstrap; 21];
        let mut i = 0;
        while i < 21 {
            all[i] = TABLE[i].0;
            i += 1;
        }
        all
    };

    fn texts(told: &[(String, String)]) -> Vec<String> {
        told.iter()
            .map(|(code, key)| if key.is_empty() { code.clone() } else { format!("{code}={key}") })
            .collect()
    }

    /// A ledger with all records it gave.
    #[derive(Default)]
    struct Kept {
        ledger: Ledger,
        log: Vec<Record>,
    }

    impl Kept {
        fn raise(&mut self, code: Code, key: &str) {
            self.log.extend(self.ledger.raise(code, key).unwrap());
        }

        /// A power cut: only the log is left.
        fn cut(&self) -> Ledger {
            let through_trees: Vec<Record> =
                self.log.iter().map(|record| Record::from_tree(&record.to_tree()).unwrap()).collect();
            assert_eq!(through_trees, self.log);
            Ledger::replay(through_trees)
        }
    }

    //= TR-069 3.7.1.5
    #[test]
    fn after_a_power_cut_exactly_the_events_of_the_table_are_left() {
        for code in ALL.into_iter().filter(|code| *code != Code::ValueChange) {
            let mut kept = Kept::default();
            kept.raise(code, "k");
            let survives = !matches!(
                code,
                Code::Boot
                    | Code::Kicked
                    | Code::ConnectionRequest
                    | Code::DiagnosticsComplete
                    | Code::RequestDownload
                    | Code::Wakeup
                    | Code::Heartbeat
            );
            assert_eq!(kept.cut().holds(code), survives, "{code:?}");
        }
    }

    //= TR-069 3.7.1.5
    #[test]
    fn after_a_failed_session_all_but_the_connection_request_are_told_again() {
        for code in ALL {
            let mut kept = Kept::default();
            kept.raise(code, "k");
            kept.ledger.tell();
            kept.ledger.failed();
            let again = !matches!(code, Code::ConnectionRequest | Code::Heartbeat);
            assert_eq!(kept.ledger.holds(code), again, "{code:?}");
        }
    }

    //= TR-069 3.7.1.5
    #[test]
    fn each_event_is_delivered_by_its_answer_and_by_no_other() {
        for code in ALL {
            let mut kept = Kept::default();
            kept.raise(code, "k");
            kept.raise(Code::Boot, "");
            kept.ledger.tell();
            let mut log = kept.ledger.informed("acs");
            let by_inform = code.delivery() == Delivery::Inform;
            assert_eq!(kept.ledger.holds(code), !by_inform, "{code:?}");
            if !by_inform {
                log.extend(kept.ledger.answered(code.delivery(), "k"));
                assert!(!kept.ledger.holds(code), "{code:?}");
            }
            kept.log.extend(log);
            assert!(!kept.cut().has_untold(), "{code:?} is told again after a power cut");
        }
    }

    #[test]
    fn single_events_are_told_once_and_multiple_ones_each_with_their_key() {
        let mut kept = Kept::default();
        for (code, key) in [
            (Code::Boot, ""),
            (Code::Periodic, ""),
            (Code::Periodic, ""),
            (Code::MScheduleInform, "a"),
            (Code::MScheduleInform, "b"),
            (Code::MScheduleInform, "a"),
        ] {
            kept.raise(code, key);
        }
        let want = [
            "1 BOOT",
            "2 PERIODIC",
            "3 SCHEDULED",
            "M ScheduleInform=a",
            "M ScheduleInform=b",
            "M ScheduleInform=a",
        ];
        assert_eq!(texts(&kept.ledger.tell()), want);
    }

    #[test]
    fn m_reboot_waits_for_its_boot() {
        let mut kept = Kept::default();
        kept.raise(Code::MReboot, "k");
        assert!(kept.ledger.tell().is_empty() && !kept.ledger.has_untold());
        let mut ledger = kept.cut();
        ledger.raise(Code::Boot, "").unwrap();
        assert_eq!(texts(&ledger.tell()), ["M Reboot=k", "1 BOOT"]);
    }

    //= TR-069 3.7.1.5
    #[test]
    fn a_bootstrap_discards_what_is_older_and_keeps_what_is_newer() {
        let mut kept = Kept::default();
        for code in [Code::Periodic, Code::MDownload, Code::Bootstrap, Code::Boot] {
            kept.raise(code, "k");
        }
        assert_eq!(texts(&kept.cut().tell()), ["0 BOOTSTRAP"], "the log alone");
        assert_eq!(texts(&kept.ledger.tell()), ["0 BOOTSTRAP", "1 BOOT"]);
        assert_eq!(kept.ledger.bootstrapped(), None);
        let records = kept.ledger.informed("http://acs/");
        kept.log.extend(records);
        assert_eq!(kept.cut().bootstrapped(), Some("http://acs/"));
    }

    //= TR-069 3.7.1.5
    #[test]
    fn transfers_are_delivered_one_by_one_and_the_single_event_with_the_last() {
        let mut ledger = Ledger::default();
        for key in ["a", "b", "a"] {
            ledger.raise(Code::MDownload, key).unwrap();
        }
        for (key, left) in [
            ("a", vec!["7 TRANSFER COMPLETE", "M Download=b", "M Download=a"]),
            ("a", vec!["7 TRANSFER COMPLETE", "M Download=b"]),
            ("b", vec![]),
        ] {
            ledger.answered(Delivery::Transfer, key);
            assert_eq!(texts(&ledger.tell()), left);
        }
    }

    #[test]
    fn an_event_raised_while_its_like_is_being_told_is_told_in_the_next_session() {
        let mut kept = Kept::default();
        kept.raise(Code::ConnectionRequest, "");
        kept.ledger.tell();
        kept.raise(Code::ConnectionRequest, "");
        kept.raise(Code::ConnectionRequest, "");
        kept.ledger.informed("acs");
        assert!(kept.ledger.has_untold());
        assert_eq!(texts(&kept.ledger.tell()), ["6 CONNECTION REQUEST"]);
    }

    //= TR-069 3.2.1.1
    #[test]
    fn after_a_failure_only_what_happens_anew_is_fresh() {
        let mut ledger = Ledger::default();
        ledger.raise(Code::Periodic, "").unwrap();
        ledger.tell();
        ledger.failed();
        assert!(ledger.has_untold() && !ledger.has_fresh());
        ledger.raise(Code::Periodic, "").unwrap();
        assert!(ledger.has_fresh());
        assert_eq!(texts(&ledger.tell()), ["2 PERIODIC"]);
    }

    #[test]
    fn events_beyond_the_bound_are_refused_and_single_ones_always_fit_one_inform() {
        let mut ledger = Ledger::default();
        for n in 0..MAX_MULTIPLE {
            ledger.raise(Code::MScheduleInform, &n.to_string()).unwrap();
        }
        assert_eq!(ledger.raise(Code::MUpload, "more"), Err(Full));
        for code in ALL.into_iter().filter(|code| !code.is_multiple() && *code != Code::Bootstrap) {
            ledger.raise(code, "").unwrap();
        }
        assert!(ledger.tell().len() <= crate::cwmp::rpc::inform::MAX_EVENTS);
    }

    //= TR-069 A.3.3.1
    #[test]
    fn the_count_of_failures_is_never_zero_after_a_cut_while_there_were_any() {
        let mut kept = Kept::default();
        for n in 1..=9 {
            let records = kept.ledger.failed();
            kept.log.extend(records);
            assert_eq!(kept.ledger.failures(), n);
            assert!(kept.cut().failures() > 0 && kept.cut().failures() <= n);
        }
        assert_eq!(kept.log.len(), 4, "1, 2, 4 and 8");
        let records = kept.ledger.finished();
        kept.log.extend(records);
        assert_eq!(kept.cut().failures(), 0);
    }

    #[test]
    fn the_compacted_log_gives_the_same_ledger() {
        let mut kept = Kept::default();
        for code in [Code::Periodic, Code::MDownload, Code::Boot] {
            kept.raise(code, "k");
        }
        kept.log.extend(kept.ledger.failed());
        kept.log.extend(kept.ledger.promise_reset());
        let mut cut = kept.cut();
        assert_eq!(Ledger::replay(cut.records()), cut);
        assert!(cut.reset_pending());
        assert_eq!(texts(&cut.tell()), ["2 PERIODIC", "7 TRANSFER COMPLETE", "M Download=k"]);
    }
}
