//! Commands of controllers: what is planned, what the agent carries out itself, and the rows of Request.
//!
//! What takes its time has a row among those the agent keeps, from the answer to its end; OperationComplete tells the
//! end. Reboot and reset wait until the answer had time to leave.

use super::challenge::{Challenges, Trial};
use super::{Ask, audit, links};
use crate::agent::diag::{self, Prepared, Whose};
use crate::agent::job::{Done, Running, Step};
use crate::agent::{Action, Agent};
use crate::config::usp::Usp;
use crate::diag::{COMPLETE, Kind, Verdict};
use crate::dm::acl::Rights;
use crate::dm::error::{Error, Refusal};
use crate::dm::schema::Arguments;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::write::{NoPlan, Planner};
use crate::sorted::Map;
use crate::state::State;
use crate::time::{Instant, Now};
use crate::usp::error::{
    Asked, COMMAND_CANCELED, COMMAND_FAILURE, Fault, INVALID_COMMAND_ARGUMENTS, OBJECT_DOES_NOT_EXIST,
    RESOURCES_EXCEEDED,
};
use crate::usp::msg::change::Waits;
use crate::usp::msg::operate::{self, Begun, Call, CameTo};
use crate::usp::mtp::{Details, LinkCommand, NORMAL, Up, Wanted};
use crate::usp::pb;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Most commands under way.
//= TR-369 R-OPR.3: more than can run are refused; none that runs is given up for them.
pub const MAX_UNDER_WAY: usize = 16;
/// How long an answer has to leave before the device restarts.
pub const DEPARTURE: Duration = Duration::from_secs(2);
/// The table of commands under way, and the type of its sections.
const REQUESTS: &str = "Device.LocalAgent.Request";
const REQUEST: &str = "request";
const CONTROLLERS: &str = "Device.LocalAgent.Controller";
const BROKERS: &str = "Device.MQTT.Client";
const WAYS: &str = "Device.LocalAgent.Controller.{i}.MTP";
/// Of a timer: when it ends, in seconds since 1970, and how long it was to be.
const DUE: &str = "due";
const DELAY: &str = "delay";

/// What is done once the commands are kept and answered.
#[derive(Clone, Debug)]
pub(in crate::agent) enum Deed {
    Reboot(String),
    FactoryReset(String),
    Diagnose(Kind, String, Prepared),
    Timer(String, u64),
    Cancel(String),
    OnBoard(String),
    Reconnect(String),
    /// It is done already: its section and results.
    Complete(String, Arguments),
    /// It was about a challenge.
    Trial(Trial),
}

/// What the agent keeps of commands in memory.
#[derive(Default)]
pub(in crate::agent) struct Commands {
    timers: Map<String, Instant>,
    departure: Option<(Instant, bool)>,
}

impl Agent {
    /// Carries out an Operate.
    pub(super) fn operate(
        &mut self,
        running: &mut Running,
        ask: &Rc<Ask>,
        asked: &pb::Operate,
        rights: &Rights,
    ) -> Step {
        let outcome = RefCell::new(None);
        let kept = self.state.kept();
        let fresh = self.usp.notices.rng.hex(16);
        let encrypted = self.usp.links.get(&ask.link).is_some_and(|link| link.up.encrypted);
        let hall = Hall {
            usp: &self.config.usp,
            challenges: &self.usp.challenges,
            state: &self.state,
            now: self.now,
            fresh: &fresh,
            encrypted,
            rights,
        };
        let planned = self.plan(running, |planner| {
            let calls = operate::operate(planner, rights, asked).map_err(|Waits| NoPlan::Wait)?;
            let mut desk = Desk { ask, asked, hall: &hall, kept: &kept, taken: 0, deeds: Vec::new() };
            let begun = match calls {
                Err(fault) => Err(fault),
                Ok(calls) => {
                    let mut begun = Vec::new();
                    for call in calls {
                        begun.push((format!("{}{}", call.object, call.command), desk.begin(planner, call)?));
                    }
                    Ok(begun)
                }
            };
            *outcome.borrow_mut() = Some((begun, desk.deeds));
            Ok(())
        });
        match (planned, outcome.into_inner()) {
            (Ok(plan), Some((Ok(begun), deeds))) => {
                if !self.audit.asked.is_empty() {
                    self.audit.planned = Some(audit::commands(asked, &begun));
                }
                let message = operate::answer(&begun).into_msg(&ask.msg_id);
                let message = operate::is_answered(asked, &begun).then_some(message);
                let mut state = self.state.clone();
                let trials = deeds.iter().filter_map(|deed| match deed {
                    Deed::Trial(trial) => Some(trial),
                    _ => None,
                });
                //= TR-369 R-SEC.16: a try counts before anybody is told how it went.
                if trials.map(|trial| trial.note(&mut state, self.now)).any(|noted| noted.is_err()) {
                    return self.fail(ask, &Fault::new(RESOURCES_EXCEEDED, ""), &[]);
                }
                self.commit(running, plan, state, Done::Operated(Rc::clone(ask), message, deeds))
            }
            (Ok(_), Some((Err(fault), _))) => self.fail(ask, &fault, &[]),
            (Ok(_), None) => self.fail(ask, &Fault::new(COMMAND_FAILURE, ""), &[]),
            (Err(Ok(step)), _) => step,
            (Err(Err(errors)), _) => {
                let unknown = Error::new("", Refusal::UnknownPath);
                let error = errors.first().unwrap_or(&unknown);
                self.fail(ask, &Fault::about(error, Asked::Operate), &[])
            }
        }
    }

    /// Does what was promised with an answer.
    pub(in crate::agent) fn do_deeds(&mut self, deeds: Vec<Deed>) {
        for deed in deeds {
            match deed {
                //= TR-369 13: Reboot() and FactoryReset() are answered first, then done.
                Deed::Reboot(key) => {
                    self.note_reboot("RemoteReboot", &key);
                    self.usp.commands.departure = Some((self.now.at + DEPARTURE, false));
                }
                Deed::FactoryReset(key) => {
                    self.note_reboot("RemoteFactoryReset", &key);
                    self.usp.commands.departure = Some((self.now.at + DEPARTURE, true));
                }
                Deed::Diagnose(kind, section, prepared) => {
                    self.run_diagnosis(kind, Whose::Request(section), prepared);
                }
                Deed::Timer(section, delay) => {
                    let at = self.now.at + Duration::from_secs(delay);
                    self.usp.commands.timers.insert(section, at);
                }
                Deed::Cancel(section) => self.cancel(&section),
                Deed::OnBoard(section) => self.tell_on_board(&section),
                Deed::Reconnect(section) => self.reconnect(&section),
                Deed::Complete(section, results) => self.complete(&section, Ok(results)),
                Deed::Trial(trial) => self.tried(trial),
            }
        }
    }

    /// Has the connections of a client of a broker, or the session of a way to a controller, made anew: each by its
    /// section. A session that the controller opened is only ended.
    //= TR-181 MQTT.Client.{i}.ForceReconnect(): a connection that stands is ended, and made anew at once.
    //= TR-181 LocalAgent.Controller.{i}.MTP.{i}.WebSocket.Reset(): so is a session.
    pub(in crate::agent) fn reconnect(&mut self, section: &str) {
        let usp = &self.config.usp;
        let of = |up: &Up| match &up.details {
            Details::Mqtt { .. } => (self.usp.wanted.iter()).any(
                |link| matches!(link, Wanted::Mqtt(link) if *link.client == *section && link.name == up.name),
            ),
            Details::WebSocket { accepted: true } => usp.controllers.iter().any(|one| {
                links::is_open_to(one, section)
                    && up.peer.as_ref().is_some_and(|peer| peer.as_str() == one.endpoint_id)
            }),
            Details::WebSocket { accepted: false } => up.name.rsplit(' ').next() == Some(section),
        };
        let links = self.usp.links.iter().filter(|(_, link)| of(&link.up)).map(|(link, _)| *link);
        let close = |link| LinkCommand::Close { link, code: NORMAL, reason: "it is to be made anew".into() };
        let closing: Vec<Action> = links.map(|link| Action::Link(close(link))).collect();
        self.out.extend(closing);
    }

    /// Ends a command that a controller gave up.
    //= TR-369 R-OPR.3: a command that runs is ended by Cancel() alone, and 7023 tells so.
    fn cancel(&mut self, section: &str) {
        if let Some(id) = self.diagnoses.forget(None, &Whose::Request(section.to_string())) {
            self.out.push_back(Action::StopDiagnosis(id));
        }
        self.usp.commands.timers.remove(section);
        self.complete(section, Err(Fault::new(COMMAND_CANCELED, "")));
    }

    /// A diagnostic of a controller has ended: how is one of its results, as the standard has a Status with words for
    /// every error among them. The command as such has done what it was called for.
    //= TR-181 IP.Diagnostics.IPPing(): Output.Status says whether and why it failed.
    pub(in crate::agent) fn diagnosed_for(&mut self, section: &str, verdict: Verdict) {
        let mut results = verdict.results;
        results.insert("Status".into(), verdict.status.into());
        if verdict.status != COMPLETE {
            // What was measured until then is no result.
            results.retain(|name, _| name == "Status");
        }
        self.complete(section, Ok(results));
    }

    /// Takes the row of a command away and tells its end.
    //= TR-369 R-OPR.0: the row is removed when the command is done, either way.
    fn complete(&mut self, section: &str, result: Result<Arguments, Fault>) {
        let mut kept = self.state.kept();
        let Some(row) = kept.remove(section) else { return };
        let text = |name: &str| row.str(name).unwrap_or_default().to_string();
        let (path, key) = (text("Command"), text("CommandKey"));
        let Some(at) = path.rfind('.') else { return };
        let (object, command) = path.split_at(at + 1);
        // Fewer rows than before always fit.
        let _ = self.state.set_kept(&kept);
        self.out.push_back(Action::Save(Box::new(self.state.clone())));
        self.tell_operation(object, command, &key, result);
        self.look_soon();
    }

    /// What ran before a start is gone, but timers.
    //= TR-369 13: commands do not outlive a restart; ScheduleTimer() does.
    pub(in crate::agent) fn forget_requests(&mut self) {
        let mut kept = self.state.kept();
        let requests = kept.entries().iter().filter(|(_, row)| row.str(".type") == Some(REQUEST));
        let requests: Vec<(String, Option<u64>)> =
            requests.map(|(name, row)| (name.to_string(), left(row, self.now))).collect();
        for (name, left) in requests {
            match left {
                Some(left) => {
                    let at = self.now.at + Duration::from_secs(left);
                    self.usp.commands.timers.insert(name, at);
                }
                None => drop(kept.remove(&name)),
            }
        }
        let _ = self.state.set_kept(&kept);
    }

    /// When the next timer ends, or the device departs.
    pub(in crate::agent) fn commands_timer(&self) -> Option<Instant> {
        let timers = self.usp.commands.timers.values().copied().min();
        let departure = self.usp.commands.departure.map(|(at, _)| at);
        timers.into_iter().chain(departure).min()
    }

    /// Timers that are due end, between two jobs; whether there was one.
    pub(in crate::agent) fn commands_due(&mut self) -> bool {
        let now = self.now.at;
        if let Some((at, reset)) = self.usp.commands.departure
            && at <= now
        {
            self.usp.commands.departure = None;
            self.out.push_back(if reset { Action::FactoryReset } else { Action::Reboot });
            return true;
        }
        let due = self.usp.commands.timers.iter().find(|(_, at)| **at <= now).map(|(name, _)| name.clone());
        let Some(section) = due else { return false };
        self.usp.commands.timers.remove(&section);
        self.complete(&section, Ok(Arguments::new()));
        true
    }
}

/// How many seconds a kept timer has left; `None` for what is no timer. Without a calendar it begins anew.
fn left(row: &Tree, now: Now) -> Option<u64> {
    let delay: u64 = row.str(DELAY)?.parse().ok()?;
    let due = row.str(DUE).and_then(|due| due.parse::<i64>().ok());
    Some(match (due, now.wall) {
        (Some(due), Some(wall)) => u64::try_from(due - wall.seconds).unwrap_or(0).min(delay),
        (Some(_) | None, _) => delay,
    })
}

/// Where the commands of one message are begun.
pub(super) struct Desk<'a> {
    pub ask: &'a Ask,
    asked: &'a pb::Operate,
    pub hall: &'a Hall<'a>,
    /// The rows that are kept before.
    kept: &'a Tree,
    taken: usize,
    pub deeds: Vec<Deed>,
}

/// What commands are judged by.
pub(super) struct Hall<'a> {
    pub usp: &'a Usp,
    pub challenges: &'a Challenges,
    pub state: &'a State,
    pub now: Now,
    /// A text that nobody can guess.
    pub fresh: &'a str,
    /// Whether the message came over TLS.
    pub encrypted: bool,
    pub rights: &'a Rights,
}

impl Desk<'_> {
    /// How a call is answered; what follows is noted.
    fn begin(&mut self, planner: &mut Planner<'_>, call: Call) -> Result<Begun, NoPlan> {
        let key = || self.asked.command_key.clone();
        let (name, inputs) = match call.came_to {
            CameTo::Failed(fault) => return Ok(Begun::Failed(fault)),
            CameTo::Planned(results) if !call.asynchronous => return Ok(Begun::Done(results)),
            CameTo::Planned(results) => {
                let row = self.row(planner, &call.object, &call.command, &[])?;
                return Ok(self.runs(row, |section| Deed::Complete(section, results)));
            }
            CameTo::Agent(name, inputs) => (name, inputs),
        };
        let done = |desk: &mut Self, deed| {
            desk.deeds.push(deed);
            Ok(Begun::Done(Arguments::new()))
        };
        match name {
            "reboot" => done(self, Deed::Reboot(key())),
            "factory_reset" => done(self, Deed::FactoryReset(key())),
            "send_onboard_request" => match section(planner, CONTROLLERS, &call.object)? {
                Some(section) => done(self, Deed::OnBoard(section)),
                None => Ok(Begun::Failed(Fault::new(OBJECT_DOES_NOT_EXIST, &call.object))),
            },
            "reconnect_broker" => match section(planner, BROKERS, &call.object)? {
                Some(section) => done(self, Deed::Reconnect(section)),
                None => Ok(Begun::Failed(Fault::new(OBJECT_DOES_NOT_EXIST, &call.object))),
            },
            "reset_session" => match section(planner, WAYS, &call.object.replace("WebSocket.", ""))? {
                Some(section) => done(self, Deed::Reconnect(section)),
                None => Ok(Begun::Failed(Fault::new(OBJECT_DOES_NOT_EXIST, &call.object))),
            },
            "request_challenge" => self.request_challenge(planner, &inputs),
            "challenge_response" => self.challenge_response(planner, &inputs),
            "cancel_request" => match section(planner, REQUESTS, &call.object)? {
                Some(section) => done(self, Deed::Cancel(section)),
                None => Ok(Begun::Failed(Fault::new(OBJECT_DOES_NOT_EXIST, &call.object))),
            },
            "schedule_timer" => {
                let Some(delay) = inputs.get("DelaySeconds").and_then(|text| text.parse::<u32>().ok()) else {
                    return Ok(Begun::Failed(Fault::new(INVALID_COMMAND_ARGUMENTS, "DelaySeconds")));
                };
                let wall = look(planner, |view| Ok(view.snapshot.now.wall))?;
                let due = wall.map(|wall| (wall.seconds + i64::from(delay)).to_string()).unwrap_or_default();
                let delay_text = delay.to_string();
                let more = [(DUE, due.as_str()), (DELAY, delay_text.as_str())];
                let row = self.row(planner, &call.object, &call.command, &more)?;
                Ok(self.runs(row, |section| Deed::Timer(section, delay.into())))
            }
            name => match Kind::named(name) {
                Some(kind) => match look(planner, |view| diag::prepare(view, kind, &inputs))? {
                    Ok(ready) => {
                        let row = self.row(planner, &call.object, &call.command, &[])?;
                        Ok(self.runs(row, |section| Deed::Diagnose(kind, section, Ok(ready))))
                    }
                    //= TR-369 18: 7027 is a command that cannot be run with its arguments.
                    Err(why) => Ok(Begun::Failed(Fault::new(INVALID_COMMAND_ARGUMENTS, &why))),
                },
                //= TR-369 13: 7022 is a command that failed.
                None => Ok(Begun::Failed(Fault::new(COMMAND_FAILURE, "not on this device"))),
            },
        }
    }

    fn runs(&mut self, row: Option<(String, String)>, deed: impl FnOnce(String) -> Deed) -> Begun {
        let Some((section, path)) = row else {
            return Begun::Failed(Fault::new(RESOURCES_EXCEEDED, "too many commands are under way"));
        };
        self.deeds.push(deed(section));
        Begun::Runs(path.trim_end_matches('.').to_string())
    }

    /// Makes a row of Request: its section and path. `None` if there are too many.
    fn row(
        &mut self,
        planner: &mut Planner<'_>,
        object: &str,
        command: &str,
        more: &[(&str, &str)],
    ) -> Result<Option<(String, String)>, NoPlan> {
        let under_way =
            self.kept.entries().iter().filter(|(_, row)| row.str(".type") == Some(REQUEST)).count();
        if under_way + self.taken >= MAX_UNDER_WAY {
            return Ok(None);
        }
        self.taken += 1;
        // A number that no message before had.
        let section = format!("{REQUEST}{}_{}", self.hall.state.commit(), self.taken);
        let path = format!("{object}{command}");
        let mut options = vec![
            ("Originator", self.ask.from.as_str()),
            ("Command", path.as_str()),
            ("CommandKey", self.asked.command_key.as_str()),
            ("Status", "Active"),
        ];
        options.extend(more);
        //= TR-369 R-OPR.0: a command that takes its time gets a row of Request before it is answered.
        //= TR-369 R-OPR.2: one row for each object and command.
        planner.keep(&section, REQUEST, &options)?;
        let path = look(planner, |view| view.path_of(REQUESTS, &section))?;
        Ok(path.map(|path| (section, path)))
    }
}

/// The section of a row of a table.
pub(super) fn section(planner: &mut Planner<'_>, table: &str, path: &str) -> Result<Option<String>, NoPlan> {
    look(planner, |view| {
        let row = view.row_at(table, path)?;
        Ok(row.and_then(|row| row.section.as_ref().map(|bound| bound.name.to_string())))
    })
}

pub(super) fn look<T>(
    planner: &mut Planner<'_>,
    read: impl FnMut(&crate::dm::view::View<'_>) -> Result<T, Stop>,
) -> Result<T, NoPlan> {
    planner.look(read).map_err(|stop| match stop {
        Stop::Wait => NoPlan::Wait,
        Stop::Refused(why) => NoPlan::Refused(vec![Error::new("", why)]),
    })
}
