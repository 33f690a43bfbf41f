//! Challenges: how a controller gets a role by a secret that somebody at the device knows.
//!
//! What is outstanding is in memory and gone after a restart. How often a challenge was failed is kept in the state, so
//! that a restart gives nobody further tries; it is durable before the answer leaves.

use super::operate::{Deed, Desk, Hall, look, section};
use crate::agent::Agent;
use crate::config::usp::{Challenge, Usp};
use crate::digest;
use crate::dm::acl::Rwxn;
use crate::dm::draft::OWN;
use crate::dm::schema::Arguments;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::write::{Draft, NoPlan, Planner};
use crate::sorted::Map;
use crate::state::{Full, State};
use crate::time::{Instant, Now};
use crate::usp::error::{COMMAND_FAILURE, Fault, INVALID_ARGUMENTS, INVALID_VALUE, REQUEST_DENIED};
use crate::usp::msg::operate::Begun;
use std::time::Duration;

/// For how long a request is good that says nothing of it.
//= TR-181 LocalAgent.ControllerTrust.RequestChallenge(): RequestExpiration is 900 s, 0 stands for never.
pub const EXPIRATION: Duration = Duration::from_secs(900);
const CHALLENGES: &str = "Device.LocalAgent.ControllerTrust.Challenge";
/// The section of the state that holds failures: an option for each challenge, with their number and, once it is
/// closed, until when in seconds since 1970 (0 where the time is not known).
const FAILURES: &str = "challenge_failures";

/// What the agent keeps of challenges in memory.
#[derive(Default)]
pub(super) struct Challenges {
    /// What was requested, by the section of the controller.
    asked: Map<Box<str>, Outstanding>,
    /// The challenges that are closed, by section.
    closed: Map<Box<str>, Instant>,
    /// Whether those that were closed at the last run are.
    restored: bool,
}

/// A request whose answer is awaited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::agent) struct Outstanding {
    /// What the answer repeats.
    pub id: String,
    /// The section of the challenge.
    pub challenge: Box<str>,
    /// Until when; `None` for ever.
    pub until: Option<Instant>,
}

/// What follows a command that is about a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::agent) enum Trial {
    /// A controller (by section) requested one.
    Asked(Box<str>, Outstanding),
    /// One was failed: how often in a row, and for how long it is closed then.
    Failed { challenge: Box<str>, failures: u32, closed: Option<Duration> },
    /// A controller passed one.
    Passed { controller: Box<str>, challenge: Box<str> },
}

impl Challenges {
    /// Whether a challenge is closed.
    pub fn is_closed(&self, challenge: &str, now: Now) -> bool {
        self.closed.get(challenge).is_some_and(|until| now.at < *until)
    }

    /// Whether a controller may request `challenge`.
    //= TR-181 LocalAgent.ControllerTrust.RequestChallenge(): one outstanding request for each controller.
    //= TR-181 LocalAgent.ControllerTrust.Challenge.{i}.LockoutPeriod: while it is closed, 7002.
    pub fn may_request(&self, controller: &str, challenge: &str, now: Now) -> Result<(), Fault> {
        if self.is_closed(challenge, now) {
            return Err(Fault::new(REQUEST_DENIED, "the challenge is closed"));
        }
        match self.outstanding(controller, now) {
            Some(other) if *other.challenge != *challenge => {
                Err(Fault::new(REQUEST_DENIED, "another challenge is outstanding"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn outstanding(&self, controller: &str, now: Now) -> Option<&Outstanding> {
        self.asked.get(controller).filter(|asked| asked.until.is_none_or(|until| now.at < until))
    }

    /// Judges an answer: the challenge that was passed, else what follows its failure and how that is told.
    //= TR-369 R-SEC.16: the number of tries is limited.
    //= TR-369 R-SEC.17: and then there is a wait.
    pub fn judge<'u>(
        &self,
        usp: &'u Usp,
        state: &State,
        (controller, id, value): (&str, &str, &str),
        now: Now,
    ) -> Result<&'u Challenge, (Option<Trial>, Fault)> {
        let unknown = || (None, Fault::new(INVALID_ARGUMENTS, "no such challenge is outstanding"));
        let asked = self.outstanding(controller, now).ok_or_else(unknown)?;
        if !digest::same(asked.id.as_bytes(), id.as_bytes()) {
            return Err(unknown());
        }
        let challenge = usp.challenges.iter().find(|one| one.enable && *one.name == *asked.challenge);
        let challenge = challenge.ok_or_else(unknown)?;
        if self.is_closed(&challenge.name, now) {
            return Err((None, Fault::new(REQUEST_DENIED, "the challenge is closed")));
        }
        let octets = |text: &str| digest::unbase64(text).filter(|octets| !octets.is_empty());
        let right = match (octets(challenge.value.reveal()), octets(value)) {
            // Of hashes, so that the time tells nothing of the length either.
            (Some(want), Some(given)) => digest::same(&digest::sha256(&[&want]), &digest::sha256(&[&given])),
            _ => false,
        };
        if right {
            return Ok(challenge);
        }
        // A wait that is over has made an end of what was before it.
        let before = if self.closed.contains_key(challenge.name.as_str()) {
            0
        } else {
            failures(state, &challenge.name).0
        };
        let failures = before.saturating_add(1);
        //= TR-181 LocalAgent.ControllerTrust.Challenge.{i}.Retries: so many failures in a row, by whomever, close it.
        let closed =
            (failures >= challenge.retries && !challenge.lockout.is_zero()).then_some(challenge.lockout);
        let failed = Trial::Failed { challenge: challenge.name.as_str().into(), failures, closed };
        Err((Some(failed), Fault::new(COMMAND_FAILURE, "that is not the answer")))
    }

    /// Takes up what followed a command.
    fn take(&mut self, trial: Trial, now: Now) {
        match trial {
            Trial::Asked(controller, outstanding) => drop(self.asked.insert(controller, outstanding)),
            Trial::Failed { challenge, closed, .. } => {
                self.closed.remove(&challenge);
                if let Some(closed) = closed {
                    // Nobody has anything to answer any more.
                    self.asked.retain(|_, asked| asked.challenge != challenge);
                    self.closed.insert(challenge, now.at + closed);
                }
            }
            Trial::Passed { controller, challenge } => {
                self.asked.remove(&controller);
                self.closed.remove(&challenge);
            }
        }
    }

    /// Forgets what settings no longer have, and closes what was closed before the restart.
    //= TR-369 R-SEC.17: a restart gives no further tries.
    pub fn configure(&mut self, usp: &Usp, state: &State, now: Now) {
        let known = |name: &str| usp.challenges.iter().any(|one| one.name == name);
        self.asked.retain(|controller, asked| {
            known(&asked.challenge)
                && usp.controllers.iter().any(|one| *one.name == **controller && one.enable)
        });
        self.closed.retain(|name, _| known(name));
        if std::mem::replace(&mut self.restored, true) {
            return;
        }
        for challenge in &usp.challenges {
            if let (_, Some(until)) = failures(state, &challenge.name) {
                let left = match now.wall {
                    Some(wall) if until > 0 => u64::try_from(until - wall.seconds).unwrap_or(0),
                    Some(_) | None => u64::MAX,
                };
                let left = Duration::from_secs(left).min(challenge.lockout);
                self.closed.insert(challenge.name.as_str().into(), now.at + left);
            }
        }
    }
}

/// How often a challenge was failed in a row, and until when it is closed if it is.
fn failures(state: &State, challenge: &str) -> (u32, Option<i64>) {
    let kept = state.value(FAILURES, challenge).and_then(Tree::as_str).unwrap_or_default();
    let mut words = kept.split(' ');
    let count = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    (count, words.next().and_then(|word| word.parse().ok()))
}

impl Trial {
    /// Puts into the state what has to be known after a restart.
    pub fn note(&self, state: &mut State, now: Now) -> Result<(), Full> {
        match self {
            Trial::Asked(..) => Ok(()),
            Trial::Failed { challenge, failures, closed } => {
                let until = closed.map(|closed| {
                    let closed = i64::try_from(closed.as_secs()).unwrap_or(i64::MAX);
                    now.wall.map_or(0, |wall| wall.seconds.saturating_add(closed))
                });
                let until = until.map(|until| format!(" {until}")).unwrap_or_default();
                state.put(FAILURES, FAILURES, challenge, Some(Tree::from(format!("{failures}{until}"))))
            }
            Trial::Passed { challenge, .. } => state.put(FAILURES, FAILURES, challenge, None),
        }
    }
}

/// Gives a controller (by section) the roles of a challenge.
//= TR-369 R-SEC.24a: the role of a challenge replaces the UntrustedRole, and is put beside any other.
fn give_roles(usp: &Usp, controller: &str, challenge: &Challenge, draft: &mut Draft) -> Result<(), Stop> {
    let has = usp.controllers.iter().find(|one| one.name == controller).map_or(&[][..], |one| &one.roles);
    let kept = has.iter().filter(|role| usp.untrusted_role.as_ref() != Some(role));
    let mut roles: Vec<&String> = kept.collect();
    for role in &challenge.roles {
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    let roles = roles.into_iter().map(|role| Tree::from(role.as_str())).collect();
    draft.set(OWN, controller, "role", Some(Tree::List(roles)))
}

impl Desk<'_> {
    /// `RequestChallenge()`.
    pub(super) fn request_challenge(
        &mut self,
        planner: &mut Planner<'_>,
        inputs: &Arguments,
    ) -> Result<Begun, NoPlan> {
        let Hall { usp, challenges, now, fresh, encrypted, rights, .. } = *self.hall;
        let Some(controller) = &self.ask.controller else {
            return Ok(Begun::Failed(Fault::new(REQUEST_DENIED, "it has no row of Controller")));
        };
        let text = |name: &str| inputs.get(name).map(String::as_str).unwrap_or_default();
        // Whoever may not see that there is such a challenge cannot take it.
        let seen = look(planner, |view| match view.row_at(CHALLENGES, text("ChallengeRef"))? {
            Some(row) => {
                let grant = |name: &str| rights.at(view, &format!("{}{name}", row.path));
                Ok(grant("Description")?.param.has(Rwxn::R) || grant("Alias")?.param.has(Rwxn::R))
            }
            None => Ok(false),
        })?;
        let name = if seen { section(planner, CHALLENGES, text("ChallengeRef"))? } else { None };
        let found = usp.challenges.iter().find(|one| one.enable && Some(&one.name) == name.as_ref());
        //= TR-181 LocalAgent.ControllerTrust.RequestChallenge(): a reference to nothing is an invalid value.
        let Some(challenge) = found.filter(|one| !one.value.is_empty()) else {
            return Ok(Begun::Failed(Fault::new(INVALID_VALUE, "ChallengeRef")));
        };
        if !encrypted && challenge.roles.iter().any(|role| usp.secured_roles.contains(role)) {
            let why = "a role that sees secrets is given over TLS only";
            return Ok(Begun::Failed(Fault::new(REQUEST_DENIED, why)));
        }
        if let Err(fault) = challenges.may_request(controller, &challenge.name, now) {
            return Ok(Begun::Failed(fault));
        }
        let expiration = inputs.get("RequestExpiration").and_then(|text| text.parse().ok());
        let expiration = expiration.map_or(EXPIRATION, Duration::from_secs);
        let until = (!expiration.is_zero()).then(|| now.at + expiration);
        let outstanding = Outstanding { id: fresh.into(), challenge: challenge.name.as_str().into(), until };
        self.deeds.push(Deed::Trial(Trial::Asked(controller.clone(), outstanding)));
        let results = [
            ("ChallengeID", fresh),
            ("Instruction", &challenge.instruction),
            ("InstructionType", &challenge.instruction_type),
            ("ValueType", &challenge.value_type),
        ];
        Ok(Begun::Done(results.map(|(name, text)| (name.to_string(), text.to_string())).into()))
    }

    /// `ChallengeResponse()`.
    pub(super) fn challenge_response(
        &mut self,
        planner: &mut Planner<'_>,
        inputs: &Arguments,
    ) -> Result<Begun, NoPlan> {
        let Hall { usp, challenges, now, state, .. } = *self.hall;
        let text = |name: &str| inputs.get(name).map(String::as_str).unwrap_or_default();
        let controller = self.ask.controller.as_deref().unwrap_or_default();
        match challenges.judge(usp, state, (controller, text("ChallengeID"), text("Value")), now) {
            Ok(challenge) => {
                planner.edit(|draft| give_roles(usp, controller, challenge, draft))?;
                let passed = Trial::Passed {
                    controller: controller.into(),
                    challenge: challenge.name.as_str().into(),
                };
                self.deeds.push(Deed::Trial(passed));
                Ok(Begun::Done(Arguments::new()))
            }
            Err((trial, fault)) => {
                self.deeds.extend(trial.map(Deed::Trial));
                Ok(Begun::Failed(fault))
            }
        }
    }
}

impl Agent {
    /// Takes up what followed a command that is about a challenge.
    pub(super) fn tried(&mut self, trial: Trial) {
        match &trial {
            Trial::Asked(..) => {}
            Trial::Failed { challenge, failures, closed } => {
                let then = if closed.is_some() { ", it is closed for a while" } else { "" };
                self.log(log::Level::Warn, format!("challenge {challenge}: wrong answer {failures}{then}"));
            }
            Trial::Passed { controller, challenge } => {
                self.log(
                    log::Level::Info,
                    format!("challenge {challenge}: passed by controller {controller}"),
                );
            }
        }
        self.usp.challenges.take(trial, self.now);
    }
}
