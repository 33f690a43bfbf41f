//! The ledger against the standard's table of events, and over power cuts.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::super::schedule::MAX_SCHEDULED;
use super::*;
use crate::cwmp::events::TABLE;
use crate::time::Wall;

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

//= TR-069 A.4.1.2: each request has an Inform of its own.
#[test]
fn a_scheduled_inform_survives_a_cut_and_is_told_once() {
    let now = |at| Now { at: Instant(Duration::from_secs(at)), wall: Some(Wall::at(1_000 + at as i64)) };
    let mut kept = Kept::default();
    kept.log.extend(kept.ledger.schedule("a", Duration::from_secs(100), now(0)).unwrap());
    kept.log.extend(kept.ledger.schedule("b", Duration::from_secs(50), now(0)).unwrap());
    let mut ledger = kept.cut();
    assert!(!ledger.has_untold());
    assert_eq!(Ledger::replay(ledger.records()), ledger, "compacted");
    ledger.set_out(now(10));
    assert_eq!(ledger.next_scheduled(), Some(Instant(Duration::from_secs(50))));
    kept.log.extend(ledger.due(now(60)));
    let mut ledger = kept.cut();
    assert_eq!(texts(&ledger.tell()), ["3 SCHEDULED", "M ScheduleInform=b"]);
    kept.log.extend(ledger.informed("acs"));
    let mut ledger = kept.cut();
    kept.log.extend(ledger.due(now(200)));
    assert_eq!(texts(&kept.cut().tell()), ["3 SCHEDULED", "M ScheduleInform=a"]);
    let more = kept.ledger.schedule("c", Duration::from_secs(1), now(0)).unwrap();
    assert!(
        matches!(more.as_slice(), [Record::Scheduled(scheduled)] if scheduled.serial > 2),
        "a serial of its own: {more:?}"
    );
}

#[test]
fn what_is_scheduled_has_its_room_among_the_events() {
    let mut ledger = Ledger::default();
    for n in 0..MAX_SCHEDULED {
        ledger.schedule(&n.to_string(), Duration::from_secs(1), Now::default()).unwrap();
    }
    assert_eq!(ledger.schedule("more", Duration::from_secs(1), Now::default()), Err(Full));
    for n in MAX_SCHEDULED..MAX_MULTIPLE {
        ledger.raise(Code::MDownload, &n.to_string()).unwrap();
    }
    assert_eq!(ledger.raise(Code::MDownload, "more"), Err(Full));
    ledger.due(Now { at: Instant(Duration::from_secs(5)), wall: None });
    let told = texts(&ledger.tell());
    assert_eq!(told.iter().filter(|text| text.starts_with("M ScheduleInform")).count(), MAX_SCHEDULED);
}
