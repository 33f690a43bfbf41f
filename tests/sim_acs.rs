//! Whole sessions against a scripted ACS, in virtual time, with power cuts.
#![cfg(feature = "cwmp")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/cwmp_schema.rs"]
mod cwmp_schema;

use cpeagent::cwmp::events::Code;
use cpeagent::cwmp::inform::Gathered;
use cpeagent::cwmp::ledger::{Ledger, Record};
use cpeagent::cwmp::port::{Action, Event, Outcome, Settings};
use cpeagent::cwmp::rpc::*;
use cpeagent::cwmp::schedule::MAX_SCHEDULED;
use cpeagent::cwmp::session::{MAX_REPEATS, Session};
use cpeagent::cwmp::soap::writer::Outgoing;
use cpeagent::periodic::Periodic;
use cpeagent::retry::Curve;
use cpeagent::rng::Rng;
use cpeagent::time::{Instant, Now, UNKNOWN, Wall};
use std::time::Duration;

const CURVE: Curve = Curve { minimum_seconds: 5, multiplier: 2000 };

fn settings() -> Settings {
    Settings {
        enabled: true,
        acs: "http://acs/ 00D09E".into(),
        retry: CURVE,
        periodic: None,
        throttle: Duration::ZERO,
    }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A router without a network: a session machine, a clock, a log on flash.
struct Sim {
    session: Session,
    now: Now,
    log: Vec<Record>,
    settings: Settings,
    seed: u8,
    changed: Vec<ParameterValue>,
}

/// A message that was posted.
#[derive(Debug)]
struct Posted {
    text: String,
    node: cwmp_schema::Node,
}

impl Posted {
    fn name(&self) -> &str {
        self.node.local()
    }

    fn events(&self) -> Vec<String> {
        let pair = |event: &cwmp_schema::Node| {
            let key = &event.child("CommandKey").unwrap().text;
            let code = &event.child("EventCode").unwrap().text;
            if key.is_empty() { code.clone() } else { format!("{code}={key}") }
        };
        self.node.child("Event").unwrap().children.iter().map(pair).collect()
    }

    fn retry_count(&self) -> u32 {
        self.node.child("RetryCount").unwrap().text.parse().unwrap()
    }

    fn fault(&self) -> String {
        let inner = self.node.child("detail").and_then(|detail| detail.child("Fault"));
        match inner {
            Some(inner) => inner.child("FaultCode").unwrap().text.clone(),
            None => self.node.child("faultcode").unwrap().text.replace("soap-env:", ""),
        }
    }

    fn id(&self) -> &str {
        self.text
            .split("mustUnderstand=\"1\">")
            .nth(1)
            .and_then(|rest| rest.split('<').next())
            .unwrap_or_default()
    }
}

/// What came out of a step, judged and told apart.
#[derive(Debug, Default)]
struct Out {
    actions: Vec<Action>,
    posts: Vec<Option<Posted>>,
}

impl Out {
    fn posted(&self) -> &Posted {
        match self.posts.as_slice() {
            [Some(posted)] => posted,
            other => panic!("not one message: {other:?} in {:?}", self.actions),
        }
    }

    fn is_empty_post(&self) -> bool {
        matches!(self.posts.as_slice(), [None])
    }

    fn has(&self, action: &Action) -> bool {
        self.actions.contains(action)
    }

    fn failed(&self) -> bool {
        self.actions.iter().any(|action| matches!(action, Action::Ended(Outcome::Failed(_))))
    }
}

impl Sim {
    fn from_log(log: Vec<Record>, settings: Settings, seed: u8) -> Sim {
        let session = Session::new(Ledger::replay(log.clone()), Rng::new([seed; 32]));
        let now = Now { at: Instant(seconds(100)), wall: None };
        Sim { session, now, log, settings, seed, changed: Vec::new() }
    }

    fn fresh() -> Sim {
        Sim::from_log(Vec::new(), settings(), 1)
    }

    /// A router whose first session has gone well.
    fn settled() -> Sim {
        let mut sim = Sim::fresh();
        sim.boot();
        sim.quick_session();
        sim
    }

    /// The power goes; what was not persisted is lost.
    fn cut(&mut self) {
        *self = Sim::from_log(std::mem::take(&mut self.log), self.settings.clone(), self.seed + 1);
    }

    fn handle(&mut self, event: Event) -> Out {
        self.session.handle(self.now, event);
        let mut out = Out::default();
        while let Some(action) = self.session.poll() {
            match &action {
                Action::Persist(records) => {
                    assert!(!records.is_empty());
                    let through_trees = records.iter().map(|r| Record::from_tree(&r.to_tree()).unwrap());
                    self.log.extend(through_trees);
                }
                Action::Post(Outgoing::Text(text)) => {
                    let node = cwmp_schema::check(text).unwrap_or_else(|why| panic!("{why}\n{text}"));
                    out.posts.push(Some(Posted { text: text.clone(), node }));
                }
                Action::Post(Outgoing::Empty) => out.posts.push(None),
                _ => {}
            }
            out.actions.push(action);
        }
        out
    }

    fn gathered(&mut self) -> Out {
        let device_id = DeviceId { oui: "00D09E".into(), serial_number: "1".into(), ..DeviceId::default() };
        self.handle(Event::Gathered(Gathered {
            device_id,
            changed: self.changed.clone(),
            ..Gathered::default()
        }))
    }

    /// Power on, up to the Inform on its way.
    fn boot(&mut self) -> Out {
        self.handle(Event::Settings(self.settings.clone()));
        let out = self.handle(Event::Started);
        assert!(out.has(&Action::Gather), "{out:?}");
        self.gathered()
    }

    fn raise(&mut self, code: Code) -> Out {
        self.handle(Event::Raised(code, String::new()))
    }

    fn reply(&mut self, status: u16, body: &str) -> Out {
        self.handle(Event::Reply { status, body: body.as_bytes().to_vec() })
    }

    fn say(&mut self, header: &str, body: &str) -> Out {
        self.reply(200, &envelope("1-2", header, body))
    }

    fn accept(&mut self) -> Out {
        self.say("", INFORM_RESPONSE)
    }

    fn nothing(&mut self) -> Out {
        self.reply(204, "")
    }

    /// From an Inform on its way to the end of a session without anything else in it.
    fn quick_session(&mut self) -> Out {
        assert!(self.accept().is_empty_post());
        let out = self.nothing();
        assert!(out.has(&Action::Ended(Outcome::Done)), "{out:?}");
        out
    }

    /// Lets the time run until the next timer, but not past `limit` from now.
    fn next_timer(&mut self, limit: Duration) -> Out {
        let end = self.now.at + limit;
        let at = self.session.next_timer(self.now).filter(|at| *at <= end).unwrap_or(end);
        self.pass(at.since(self.now.at));
        self.handle(Event::Timer)
    }

    fn pass(&mut self, time: Duration) {
        self.now.at = self.now.at + time;
        self.now.wall = self.now.wall.map(|wall| wall.plus(time.as_secs() as i64));
    }

    /// How long until a retry of the session that has just failed is begun, and its Inform.
    fn retry(&mut self) -> (Duration, Out) {
        let before = self.now.at;
        let out = self.next_timer(seconds(100_000));
        assert!(out.has(&Action::Gather), "{out:?}");
        (self.now.at.since(before), self.gathered())
    }

    fn is_quiet_for(&mut self, time: Duration) -> bool {
        let end = self.now.at + time;
        while self.now.at < end {
            let left = end.since(self.now.at);
            if !self.next_timer(left).actions.is_empty() {
                return false;
            }
        }
        true
    }
}

const INFORM_RESPONSE: &str = "<c:InformResponse><MaxEnvelopes>1</MaxEnvelopes></c:InformResponse>";
const HOLD: &str = "<c:HoldRequests s:mustUnderstand='1'>1</c:HoldRequests>";
const READ: &str =
    "<c:GetParameterValues><ParameterNames><string>Device.</string></ParameterNames></c:GetParameterValues>";
const REBOOT: &str = "<c:Reboot><CommandKey>why</CommandKey></c:Reboot>";

fn envelope(version: &str, header: &str, body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/' xmlns:c='urn:dslforum-org:cwmp-{version}'>\
         <s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
}

fn fault(code: u16) -> String {
    format!(
        "<s:Fault><faultcode>s:Server</faultcode><faultstring>CWMP fault</faultstring><detail><c:Fault>\
         <FaultCode>{code}</FaultCode></c:Fault></detail></s:Fault>"
    )
}

const SOAP_FAULT: &str =
    "<s:Fault><faultcode>s:Client</faultcode><faultstring>namespace</faultstring></s:Fault>";

fn transfer(key: &str) -> TransferComplete {
    TransferComplete {
        command_key: key.into(),
        fault: (0, String::new()),
        start_time: UNKNOWN.into(),
        complete_time: UNKNOWN.into(),
    }
}

//= TR-069 3.7.1.1, 3.7.1.5
#[test]
fn the_first_session_begins_with_an_inform_of_bootstrap_and_boot_and_ends_when_both_are_silent() {
    let mut sim = Sim::fresh();
    let out = sim.boot();
    let inform = out.posted();
    assert_eq!(
        (inform.name(), inform.events(), inform.retry_count()),
        ("Inform", vec!["0 BOOTSTRAP".into(), "1 BOOT".into()], 0)
    );
    assert!(inform.text.contains("mustUnderstand=\"0\">1.0,1.1,1.2,1.3,1.4<"));
    let out = sim.accept();
    assert!(
        matches!(
            out.actions.as_slice(),
            [Action::Persist(_), Action::Informed, Action::Post(Outgoing::Empty)]
        ),
        "{out:?}"
    );
    let out = sim.nothing();
    assert_eq!(out.actions, [Action::Close, Action::Ended(Outcome::Done)]);
    assert!(sim.is_quiet_for(seconds(1_000_000)), "nothing else is to be told");
}

//= TR-069 3.2.1.1
#[test]
fn retries_come_within_the_ranges_of_the_standard_and_never_end() {
    for seed in 0..20 {
        let mut sim = Sim::from_log(Vec::new(), settings(), seed);
        sim.boot();
        for n in 1..=15u32 {
            assert!(sim.reply(503, "").failed());
            let (wait, out) = sim.retry();
            let (low, high) = (5 << (n.min(10) - 1), 5 << n.min(10));
            assert!((seconds(low)..=seconds(high)).contains(&wait), "retry {n} after {wait:?}");
            assert_eq!(out.posted().retry_count(), n);
            assert_eq!(out.posted().events(), ["0 BOOTSTRAP", "1 BOOT"]);
        }
        sim.quick_session();
        let out = sim.raise(Code::ConnectionRequest);
        assert!(out.has(&Action::Gather));
        assert_eq!(sim.gathered().posted().retry_count(), 0, "a good session ends the count");
        sim.reply(503, "");
        assert!(sim.retry().0 <= seconds(10), "and the growth of the waits");
    }
}

//= TR-069 3.2.1.1, A.3.3.1
#[test]
fn after_a_restart_the_waits_begin_again_and_the_retry_count_does_not_fall_to_zero() {
    let mut sim = Sim::fresh();
    sim.boot();
    for _ in 0..5 {
        sim.reply(503, "");
        sim.retry();
    }
    sim.cut();
    let out = sim.boot();
    assert!(out.posted().retry_count() > 0);
    sim.reply(503, "");
    let (wait, _) = sim.retry();
    assert!((seconds(5)..=seconds(10)).contains(&wait), "{wait:?}");
}

//= TR-069 3.7.1.1
#[test]
fn anything_but_an_inform_response_to_the_inform_is_a_failed_session() {
    let good = envelope("1-2", "", INFORM_RESPONSE);
    let strange = "<x:Y xmlns:x='urn:x' s:mustUnderstand='1'/>";
    for (status, body) in [
        (204, String::new()),
        (200, " \n".into()),
        (200, good[..good.len() - 25].into()),
        (200, "<html/>".into()),
        (200, envelope("1-2", "", READ)),
        (200, envelope("1-2", "", "<c:TransferCompleteResponse/>")),
        (200, envelope("1-2", "", "")),
        (200, envelope("1-2", "", &fault(8003))),
        (200, envelope("1-2", strange, INFORM_RESPONSE)),
        (
            200,
            envelope("1-2", "<c:UseCWMPVersion s:mustUnderstand='1'>1.9</c:UseCWMPVersion>", INFORM_RESPONSE),
        ),
        (
            200,
            good.replace(
                "http://schemas.xmlsoap.org/soap/envelope/",
                "http://www.w3.org/2003/05/soap-envelope",
            ),
        ),
        (500, good.clone()),
        (500, String::new()),
        (404, good.clone()),
        (302, String::new()),
    ] {
        let mut sim = Sim::fresh();
        sim.boot();
        let out = sim.reply(status, &body);
        assert!(out.failed() && out.has(&Action::Close) && out.posts.is_empty(), "{status} {body}: {out:?}");
        assert!(!out.has(&Action::Informed));
        assert_eq!(sim.retry().1.posted().events(), ["0 BOOTSTRAP", "1 BOOT"]);
    }
    let mut sim = Sim::fresh();
    sim.boot();
    assert!(sim.handle(Event::Lost("refused".into())).failed());
}

//= TR-069 3.2.1.1
#[test]
fn a_way_to_the_acs_that_is_there_again_ends_the_wait_for_a_retry_and_what_was_counted_without_it() {
    let mut sim = Sim::fresh();
    sim.boot();
    let lost = || Event::Lost("the network wan is not up".into());
    sim.handle(lost());
    for _ in 0..5 {
        sim.retry();
        assert!(sim.handle(lost()).failed());
    }
    assert!(sim.handle(Event::Way).has(&Action::Gather));
    assert!(sim.handle(Event::Way).actions.is_empty(), "one session at a time");
    assert_eq!(sim.gathered().posted().events(), ["0 BOOTSTRAP", "1 BOOT"]);
    sim.handle(lost());
    let (wait, _) = sim.retry();
    assert!(wait <= seconds(10), "{wait:?} is not of the first range");
    let mut idle = Sim::fresh();
    assert!(idle.handle(Event::Way).actions.is_empty(), "nothing was waited for");
}

//= TR-069 3.7.1.4
#[test]
fn an_answer_is_waited_for_at_least_thirty_seconds_and_not_for_ever() {
    for informed in [false, true] {
        let mut sim = Sim::fresh();
        sim.boot();
        if informed {
            sim.accept();
        }
        assert!(sim.is_quiet_for(seconds(30)));
        assert!(sim.next_timer(seconds(600)).failed());
    }
}

//= TR-069 3.7.1.6
#[test]
fn fault_8005_repeats_the_identical_request_in_the_same_session_but_not_for_ever() {
    let mut sim = Sim::fresh();
    let first = sim.boot().posted().text.clone();
    for _ in 0..MAX_REPEATS {
        assert_eq!(sim.say("", &fault(8005)).posted().text, first);
    }
    assert!(sim.say("", &fault(8005)).failed());

    let mut sim = Sim::fresh();
    sim.boot();
    assert_eq!(
        sim.reply(500, &envelope("1-2", "", &fault(8005))).posted().text,
        first,
        "also with status 500"
    );
    sim.quick_session();
}

//= TR-069 3.2.1.1
#[test]
fn a_refused_namespace_is_answered_by_a_retry_in_the_oldest_and_other_failures_are_not() {
    for (status, body, steps) in [
        (500, envelope("1-0", "", SOAP_FAULT), true),
        (200, envelope("1-0", "", SOAP_FAULT), true),
        (200, envelope("1-2", "", &fault(8006)), true),
        (400, String::new(), true),
        (500, "internal error".into(), true),
        (500, String::new(), false),
        (503, String::new(), false),
        (200, envelope("1-2", "", &fault(8002)), false),
    ] {
        let mut sim = Sim::fresh();
        assert!(sim.boot().posted().text.contains("cwmp-1-2"));
        sim.reply(status, &body);
        let (_, out) = sim.retry();
        let old = out.posted().text.contains("cwmp-1-0");
        assert_eq!(old, steps, "{status} {body}");
        assert_eq!(out.posted().text.contains("SupportedCWMPVersions"), !steps);
        if steps {
            // A server that fails for another reason gets the newest version again.
            sim.reply(status, &body);
            assert!(sim.retry().1.posted().text.contains("cwmp-1-2"));
        }
    }
}

//= TR-069 3.7.2.1
#[test]
fn the_rest_of_the_session_speaks_the_version_agreed() {
    for (namespace, header, want) in [
        ("1-0", "", "cwmp-1-0"),
        ("1-1", "", "cwmp-1-1"),
        ("1-2", "", "cwmp-1-2"),
        ("1-2", "<c:UseCWMPVersion s:mustUnderstand='1'>1.4</c:UseCWMPVersion>", "cwmp-1-2"),
        ("1-2", "<c:UseCWMPVersion s:mustUnderstand='1'>1.0</c:UseCWMPVersion>", "cwmp-1-0"),
    ] {
        let mut sim = Sim::fresh();
        sim.boot();
        assert!(sim.reply(200, &envelope(namespace, header, INFORM_RESPONSE)).is_empty_post());
        let out = sim.say("", "<c:GetRPCMethods/>");
        assert!(out.posted().text.contains(want), "{namespace} {header}");
    }
}

//= TR-069 3.7.1.3, 3.5
#[test]
fn requests_are_served_one_after_the_other_and_answered_with_their_id() {
    let mut sim = Sim::fresh();
    sim.boot();
    sim.accept();
    for id in ["a&lt;1", " spaces "] {
        let out = sim.say(&format!("<c:ID s:mustUnderstand='1'>{id}</c:ID>"), READ);
        let [Action::Serve(Rpc::GetParameterValues(request))] = out.actions.as_slice() else {
            panic!("{out:?}")
        };
        assert_eq!(request.parameter_names, ["Device."]);
        let out = sim.handle(Event::Served(Answer::GetParameterValues(vec![])));
        assert_eq!((out.posted().name(), out.posted().id()), ("GetParameterValuesResponse", id));
    }
    // The empty POST was sent before, so an empty answer ends it.
    assert_eq!(sim.nothing().actions, [Action::Close, Action::Ended(Outcome::Done)]);
}

//= TR-069 A.5.1, 3.5, SOAP 1.1 4.1.2
#[test]
fn what_cannot_be_served_is_answered_by_its_fault_and_the_session_goes_on() {
    let strange = "<x:Strange xmlns:x='urn:x' s:mustUnderstand='1'/>";
    let soap12 = envelope("1-2", "", READ)
        .replace("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope");
    for (text, want) in [
        (envelope("1-2", "", "<c:Frobnicate/>"), "9000"),
        (envelope("1-2", "", "<c:AddObject><ParameterKey/></c:AddObject>"), "9003"),
        (envelope("1-2", strange, READ), "MustUnderstand"),
        (soap12, "VersionMismatch"),
    ] {
        let mut sim = Sim::fresh();
        sim.boot();
        sim.accept();
        let out = sim.reply(200, &text);
        assert_eq!((out.posted().fault().as_str(), out.actions.len()), (want, 1), "{out:?}");
        assert!(sim.say("", "<c:GetRPCMethods/>").posted().name() == "GetRPCMethodsResponse");
    }
}

#[test]
fn an_answer_nobody_asked_for_ends_the_session_and_is_not_answered() {
    for (status, body) in [
        (200, envelope("1-2", "", &fault(8002))),
        (200, envelope("1-2", "", "<c:TransferCompleteResponse/>")),
        (200, envelope("1-2", "", INFORM_RESPONSE)),
        (200, "<a".into()),
        (503, String::new()),
    ] {
        let mut sim = Sim::fresh();
        sim.boot();
        sim.accept();
        let out = sim.reply(status, &body);
        assert!(out.failed() && out.posts.is_empty(), "{body}: {out:?}");
        //= TR-069 3.2.1.1, 3.7.1.5: the session is retried, and what was delivered is not told again.
        let (_, out) = sim.retry();
        assert_eq!((out.posted().events().len(), out.posted().retry_count()), (0, 1));
    }
}

//= TR-069 3.7.1.3, 3.7.1.5
#[test]
fn own_requests_come_before_the_empty_post_and_deliver_their_events() {
    let mut sim = Sim::settled();
    sim.handle(Event::Transferred(Code::MDownload, transfer("a")));
    let inform = sim.gathered();
    assert_eq!(inform.posted().events(), ["7 TRANSFER COMPLETE", "M Download=a"]);
    let out = sim.accept();
    assert_eq!(out.posted().name(), "TransferComplete");
    // The server may ask first; its request is answered without waiting for ours.
    assert!(matches!(sim.say("", READ).actions.as_slice(), [Action::Serve(_)]));
    sim.handle(Event::Served(Answer::GetParameterValues(vec![])));
    let out = sim.say("", "<c:TransferCompleteResponse/>");
    assert!(
        matches!(
            out.actions.as_slice(),
            [Action::Persist(_), Action::Delivered(_), Action::Post(Outgoing::Empty)]
        ),
        "{out:?}"
    );
    assert!(sim.nothing().has(&Action::Ended(Outcome::Done)));
    sim.cut();
    assert_eq!(sim.boot().posted().events(), ["1 BOOT"]);
}

//= TR-069 3.7.1.5, 3.7.1.6
#[test]
fn a_refused_transfer_complete_is_told_again_in_a_later_session_and_8005_at_once() {
    let mut sim = Sim::settled();
    sim.handle(Event::Transferred(Code::MDownload, transfer("a")));
    sim.gathered();
    let first = sim.accept().posted().text.clone();
    assert_eq!(sim.say("", &fault(8005)).posted().text, first);
    assert!(sim.say("", &fault(8002)).is_empty_post());
    assert!(sim.nothing().has(&Action::Ended(Outcome::Done)));
    assert!(sim.is_quiet_for(seconds(100_000)), "no session of its own");
    sim.raise(Code::ConnectionRequest);
    let out = sim.gathered();
    assert_eq!(out.posted().events(), ["7 TRANSFER COMPLETE", "M Download=a", "6 CONNECTION REQUEST"]);
    // After a restart it is said again by who keeps transfers, and stands in the Inform once.
    sim.cut();
    sim.handle(Event::Transferred(Code::MDownload, transfer("a")));
    assert_eq!(sim.boot().posted().events(), ["7 TRANSFER COMPLETE", "M Download=a", "1 BOOT"]);
    assert_eq!(sim.accept().posted().name(), "TransferComplete");
}

//= TR-069 3.7.1.3
#[test]
fn held_requests_wait_for_the_server_to_let_go() {
    let mut sim = Sim::settled();
    sim.handle(Event::Transferred(Code::MUpload, transfer("a")));
    sim.gathered();
    assert!(sim.say(HOLD, INFORM_RESPONSE).is_empty_post(), "held");
    assert!(matches!(sim.say(HOLD, READ).actions.as_slice(), [Action::Serve(_)]));
    sim.handle(Event::Served(Answer::GetParameterValues(vec![])));
    // An empty answer lets go.
    assert_eq!(sim.nothing().posted().name(), "TransferComplete");
    assert!(sim.say("", "<c:TransferCompleteResponse/>").is_empty_post());
    assert!(sim.nothing().has(&Action::Ended(Outcome::Done)));

    // An envelope without a message may hold as well.
    let mut sim = Sim::settled();
    sim.handle(Event::Transferred(Code::MUpload, transfer("a")));
    sim.gathered();
    sim.say(HOLD, INFORM_RESPONSE);
    assert!(sim.say(HOLD, "").is_empty_post(), "still held");
    assert_eq!(sim.say("", "").posted().name(), "TransferComplete");

    // Without requests of ours the empty POST under a hold does not count as our last word.
    let mut sim = Sim::fresh();
    sim.boot();
    assert!(sim.say(HOLD, INFORM_RESPONSE).is_empty_post());
    assert!(sim.nothing().is_empty_post());
    assert!(sim.nothing().has(&Action::Ended(Outcome::Done)));
}

//= TR-069 3.7.1.4
#[test]
fn the_session_does_not_end_while_something_is_unanswered_or_unsaid() {
    // Our request unanswered: an empty answer is a failure.
    let mut sim = Sim::settled();
    sim.handle(Event::Transferred(Code::MDownload, transfer("a")));
    sim.gathered();
    sim.accept();
    assert!(sim.nothing().failed());
    // A request right after the InformResponse's POST of ours: we still owe the empty POST.
    let mut sim = Sim::settled();
    sim.handle(Event::Transferred(Code::MDownload, transfer("a")));
    sim.gathered();
    sim.accept();
    sim.say("", "<c:GetRPCMethods/>");
    assert!(sim.say("", "<c:TransferCompleteResponse/>").is_empty_post());
    assert!(sim.nothing().has(&Action::Ended(Outcome::Done)));
}

//= TR-069 3.2.2
#[test]
fn a_connection_request_during_a_session_leads_to_exactly_one_right_after_it() {
    let mut sim = Sim::settled();
    sim.raise(Code::ConnectionRequest);
    sim.raise(Code::ConnectionRequest);
    assert_eq!(sim.gathered().posted().events(), ["6 CONNECTION REQUEST"], "those before it began are one");
    sim.raise(Code::ConnectionRequest);
    sim.accept();
    sim.raise(Code::ConnectionRequest);
    let out = sim.nothing();
    assert_eq!(out.actions, [Action::Close, Action::Ended(Outcome::Done), Action::Gather]);
    assert_eq!(sim.gathered().posted().events(), ["6 CONNECTION REQUEST"]);
    sim.quick_session();
    assert!(sim.is_quiet_for(seconds(1000)));
}

//= TR-069 3.7.1.5
#[test]
fn a_connection_request_is_not_told_again_after_its_session_failed() {
    let mut sim = Sim::settled();
    sim.raise(Code::ConnectionRequest);
    sim.gathered();
    sim.reply(500, "");
    assert!(sim.retry().1.posted().events().is_empty());
}

//= TR-069 3.2.1.1
#[test]
fn a_new_event_ends_the_wait_for_a_retry_and_the_attempt_counts() {
    for code in [Code::ConnectionRequest, Code::Periodic, Code::DiagnosticsComplete] {
        let mut sim = Sim::settled();
        sim.raise(Code::Periodic);
        sim.gathered();
        sim.reply(503, "");
        sim.pass(seconds(1));
        assert!(sim.raise(code).has(&Action::Gather), "{code:?}");
        let out = sim.gathered();
        assert_eq!(out.posted().retry_count(), 1);
        assert!(out.posted().events().contains(&code.text().to_string()));
        sim.reply(503, "");
        let (wait, _) = sim.retry();
        assert!((seconds(10)..=seconds(20)).contains(&wait), "the second range");
    }
}

//= TR-069 A.3.2.9
#[test]
fn the_device_reboots_after_the_session_however_it_ends_and_tells_of_it() {
    for good in [true, false] {
        let mut sim = Sim::settled();
        sim.raise(Code::ConnectionRequest);
        sim.gathered();
        sim.accept();
        let out = sim.say("", REBOOT);
        assert!(
            matches!(out.actions.as_slice(), [Action::Persist(_), Action::Post(_), Action::Commanded(..)]),
            "kept before it is told: {out:?}"
        );
        assert!(matches!(sim.say("", READ).actions.as_slice(), [Action::Serve(_)]), "still served");
        sim.handle(Event::Served(Answer::GetParameterValues(vec![])));
        let out = if good { sim.nothing() } else { sim.reply(503, "") };
        assert_eq!(out.actions.last(), Some(&Action::Reboot));
        assert!(
            sim.raise(Code::ConnectionRequest).actions.is_empty()
                && sim.session.next_timer(sim.now).is_none()
        );
        // It is told over any number of failed sessions and power cuts, until delivered.
        for _ in 0..3 {
            sim.cut();
            assert_eq!(sim.boot().posted().events(), ["M Reboot=why", "1 BOOT"]);
            sim.reply(503, "");
            assert_eq!(sim.retry().1.posted().events(), ["M Reboot=why", "1 BOOT"]);
        }
        sim.quick_session();
        sim.cut();
        assert_eq!(sim.boot().posted().events(), ["1 BOOT"]);
    }
}

//= TR-069 A.4.1.6
#[test]
fn a_factory_reset_waits_for_the_end_of_the_session_and_survives_a_power_cut() {
    for cut in [false, true] {
        let mut sim = Sim::settled();
        sim.raise(Code::ConnectionRequest);
        sim.gathered();
        sim.accept();
        let out = sim.say("", "<c:FactoryReset/>");
        assert_eq!(out.posted().name(), "FactoryResetResponse");
        let out = if cut {
            sim.cut();
            sim.handle(Event::Settings(sim.settings.clone()));
            sim.handle(Event::Started)
        } else {
            sim.nothing()
        };
        assert_eq!(out.actions.last(), Some(&Action::FactoryReset));
    }
}

//= TR-069 A.4.1.2
#[test]
fn each_scheduled_inform_comes_at_its_time_with_its_key() {
    let ask = |delay, key| {
        format!(
            "<c:ScheduleInform><DelaySeconds>{delay}</DelaySeconds><CommandKey>{key}</CommandKey></c:ScheduleInform>"
        )
    };
    let mut sim = Sim::fresh();
    sim.boot();
    sim.accept();
    for n in 0..MAX_SCHEDULED {
        assert_eq!(sim.say("", &ask(100 - n, n)).posted().name(), "ScheduleInformResponse");
    }
    assert_eq!(sim.say("", &ask(1, 99)).posted().fault(), "9004", "the bound");
    sim.nothing();
    let begun = sim.now.at;
    assert!(sim.next_timer(seconds(1000)).has(&Action::Gather));
    assert_eq!(sim.now.at.since(begun), seconds(85));
    assert_eq!(sim.gathered().posted().events(), ["3 SCHEDULED", "M ScheduleInform=15"]);
    sim.reply(503, "");
    sim.pass(seconds(1));
    assert!(sim.handle(Event::Timer).has(&Action::Gather), "the next one ends the wait");
    let told = sim.gathered().posted().events();
    assert_eq!(told, ["3 SCHEDULED", "M ScheduleInform=15", "M ScheduleInform=14"]);
    sim.cut();
    assert_eq!(
        sim.boot().posted().events(),
        ["3 SCHEDULED", "M ScheduleInform=15", "M ScheduleInform=14", "1 BOOT"]
    );
}

//= TR-181 ManagementServer.PeriodicInformTime
#[test]
fn periodic_informs_keep_their_phase_and_missed_ones_are_one() {
    let mut sim = Sim::settled();
    sim.now.wall = Some(Wall::at(1_000_000));
    sim.settings.periodic = Some(Periodic { interval: seconds(600), phase: Some(Wall::at(1_000_060)) });
    sim.handle(Event::Settings(sim.settings.clone()));
    for want in [60, 600, 600] {
        let before = sim.now.at;
        assert!(sim.next_timer(seconds(10_000)).has(&Action::Gather));
        assert_eq!(sim.now.at.since(before), seconds(want));
        assert_eq!(sim.gathered().posted().events(), ["2 PERIODIC"]);
        sim.quick_session();
    }
    sim.pass(seconds(6000));
    sim.handle(Event::Timer);
    assert_eq!(sim.gathered().posted().events(), ["2 PERIODIC"]);
    sim.quick_session();
}

//= TR-181 ManagementServer.DefaultActiveNotificationThrottle
#[test]
fn the_throttle_delays_active_notifications_and_nothing_else() {
    let mut sim = Sim::fresh();
    sim.settings.throttle = seconds(500);
    sim.boot();
    sim.quick_session();
    sim.changed =
        vec![ParameterValue { name: "Device.A".into(), kind: ValueType::Boolean, value: "1".into() }];
    sim.pass(seconds(100));
    assert!(sim.handle(Event::Changed).actions.is_empty());
    let before = sim.now.at;
    assert!(sim.next_timer(seconds(10_000)).has(&Action::Gather));
    assert_eq!(sim.now.at.since(before), seconds(400));
    assert_eq!(sim.gathered().posted().events(), ["4 VALUE CHANGE"]);
    sim.reply(503, "");
    let (wait, _) = sim.retry();
    assert!(wait <= seconds(10), "a retry is not delayed");
    sim.quick_session();
    sim.handle(Event::Changed);
    assert!(sim.raise(Code::ConnectionRequest).has(&Action::Gather), "nor another event");
    assert_eq!(sim.gathered().posted().events(), ["6 CONNECTION REQUEST", "4 VALUE CHANGE"]);
}

#[test]
fn a_value_that_changes_while_the_inform_is_prepared_is_read_again() {
    let mut sim = Sim::settled();
    sim.raise(Code::ConnectionRequest);
    sim.handle(Event::Changed);
    let out = sim.gathered();
    assert_eq!(out.actions, [Action::Gather]);
    sim.changed =
        vec![ParameterValue { name: "Device.A".into(), kind: ValueType::Boolean, value: "1".into() }];
    assert_eq!(sim.gathered().posted().events(), ["6 CONNECTION REQUEST", "4 VALUE CHANGE"]);
    sim.quick_session();
    assert!(sim.is_quiet_for(seconds(1000)));
}

//= TR-181 ManagementServer.EnableCWMP
#[test]
fn while_cwmp_is_disabled_nothing_is_begun_and_connection_requests_are_forgotten() {
    let mut sim = Sim::fresh();
    sim.settings.enabled = false;
    sim.handle(Event::Settings(sim.settings.clone()));
    assert!(!sim.handle(Event::Started).has(&Action::Gather));
    sim.raise(Code::ConnectionRequest);
    assert!(sim.is_quiet_for(seconds(100_000)));
    sim.settings.enabled = true;
    assert!(sim.handle(Event::Settings(sim.settings.clone())).has(&Action::Gather));
    assert_eq!(sim.gathered().posted().events(), ["0 BOOTSTRAP", "1 BOOT"]);
    // Disabled while a retry waits: no retry.
    sim.reply(503, "");
    sim.settings.enabled = false;
    sim.handle(Event::Settings(sim.settings.clone()));
    assert!(sim.is_quiet_for(seconds(100_000)));
    sim.settings.enabled = true;
    assert!(sim.handle(Event::Settings(sim.settings.clone())).has(&Action::Gather));
    assert_eq!(sim.gathered().posted().retry_count(), 1);
}

//= TR-069 3.7.1.5
#[test]
fn another_server_gets_a_bootstrap_and_the_old_one_back_does_not() {
    let mut sim = Sim::settled();
    let old = sim.settings.clone();
    sim.settings.acs = "http://other/ 00D09E".into();
    assert!(sim.handle(Event::Settings(sim.settings.clone())).has(&Action::Gather));
    assert_eq!(sim.gathered().posted().events(), ["0 BOOTSTRAP"]);
    sim.reply(503, "");
    // The change is taken back before the other server has answered.
    sim.handle(Event::Settings(old.clone()));
    assert!(!sim.retry().1.posted().events().contains(&"0 BOOTSTRAP".to_string()));
    sim.settings = old;
    sim.cut();
    assert_eq!(sim.boot().posted().events(), ["1 BOOT"]);
    sim.quick_session();
    // Changed while the power is off, and again after it was taken.
    sim.settings.acs = "http://third/ 00D09E".into();
    sim.cut();
    assert_eq!(sim.boot().posted().events(), ["0 BOOTSTRAP", "1 BOOT"]);
    sim.quick_session();
    sim.cut();
    assert_eq!(sim.boot().posted().events(), ["1 BOOT"]);
}

//= TR-069 3.7.1.5
#[test]
fn a_server_changed_within_a_session_does_not_take_the_new_ones_bootstrap() {
    let mut sim = Sim::settled();
    sim.raise(Code::ConnectionRequest);
    sim.gathered();
    sim.settings.acs = "http://other/ 00D09E".into();
    sim.handle(Event::Settings(sim.settings.clone()));
    sim.accept();
    assert!(sim.nothing().has(&Action::Gather));
    assert_eq!(sim.gathered().posted().events(), ["0 BOOTSTRAP"]);
    assert_eq!(sim.session.ledger().bootstrapped(), Some("http://acs/ 00D09E"));
    sim.quick_session();
    assert_eq!(sim.session.ledger().bootstrapped(), Some("http://other/ 00D09E"));
}

/// Cuts the power after each single action of a session, in turn.
//= TR-069 3.7.1.5
#[test]
fn whenever_the_power_goes_an_event_is_told_again_exactly_if_its_answer_was_not_taken() {
    let bodies = ["", INFORM_RESPONSE, "<c:TransferCompleteResponse/>", REBOOT, ""];
    for cut_after in 0..40 {
        let mut sim = Sim::settled();
        sim.raise(Code::Periodic);
        sim.handle(Event::Transferred(Code::MDownload, transfer("d")));
        let (mut log, mut seen, mut done) = (sim.log.clone(), 0, Vec::new());
        sim.gathered();
        for body in bodies.iter().skip(1) {
            let event = match body.is_empty() {
                true => Event::Reply { status: 204, body: Vec::new() },
                false => Event::Reply { status: 200, body: envelope("1-2", "", body).into_bytes() },
            };
            sim.session.handle(sim.now, event);
            while let Some(action) = sim.session.poll() {
                if seen < cut_after {
                    if let Action::Persist(records) = &action {
                        log.extend(records.iter().cloned());
                    }
                    done.push(action);
                }
                seen += 1;
            }
        }
        let mut sim = Sim::from_log(log, settings(), 7);
        let told = sim.boot().posted().events();
        let posted = done.iter().filter(|action| matches!(action, Action::Post(_))).count();
        let persisted = done.iter().filter(|action| matches!(action, Action::Persist(_))).count();
        let tells = |event: &str| told.iter().any(|t| t == event);
        assert_eq!(tells("2 PERIODIC"), persisted < 1, "{cut_after}: {done:?}");
        assert_eq!(tells("M Download=d"), persisted < 2, "{cut_after}: {done:?}");
        assert_eq!(tells("7 TRANSFER COMPLETE"), persisted < 2);
        assert_eq!(tells("M Reboot=why"), persisted >= 3);
        // What was posted shows the server's answer was taken: it had been kept before.
        assert!(persisted >= posted.min(3), "{cut_after}: {done:?}");
        assert!(tells("1 BOOT"));
    }
}

#[test]
fn late_news_of_a_session_that_is_over_is_ignored() {
    let mut sim = Sim::settled();
    for event in [
        Event::Reply { status: 200, body: envelope("1-2", "", READ).into_bytes() },
        Event::Lost("late".into()),
        Event::Served(Answer::SetParameterAttributes),
        Event::Gathered(Gathered::default()),
        Event::Timer,
    ] {
        assert!(sim.handle(event).actions.is_empty());
    }
    assert!(!sim.session.is_busy());
}
