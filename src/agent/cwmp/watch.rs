//! Notification: which parameters are watched, what the ACS was told of them, and what has changed since.

use super::Work;
use crate::agent::job::{Job, Running, Step};
use crate::agent::names::DEVICE_ID;
use crate::agent::{Action, Agent, tells_nothing};
use crate::cwmp::fault::Fault;
use crate::cwmp::inform::Gathered;
use crate::cwmp::notify::{self, Level};
use crate::cwmp::rpc::{AttributeChange, DeviceId, ParameterValue, ValueType};
use crate::cwmp::session;
use crate::dm::error::Refusal;
use crate::dm::path::{Kind, Pattern};
use crate::dm::read::{Node, Place};
use crate::dm::run::{self, Halt};
use crate::dm::schema::{Model, Notify, Param};
use crate::dm::source::Stop;
use crate::dm::value::{Syntax, Type};
use crate::dm::view::View;
use crate::state::{Attribute, Full, State, baseline};

/// Tells the offset of local time by its own.
const LOCAL_TIME: &str = "Device.Time.CurrentLocalTime";
/// What the ACS wants in an Inform besides.
const INFORM_PARAMETERS: &str = "Device.ManagementServer.InformParameter.*.";
/// Most values that an Inform carries because the ACS asked for them.
pub const MAX_ASKED: usize = 128;

/// Notification and access list of a parameter.
pub(super) fn attributes_of(state: &State, path: &str, param: &Param) -> (u8, Vec<String>) {
    let set = state.attribute(path);
    let notification = match param.flags.notify {
        Notify::Forced => Level::Active.number(),
        other => set.as_ref().map_or(Level::default_of(other).number(), |set| set.notification),
    };
    (notification, set.and_then(|set| set.access).unwrap_or_else(|| vec![notify::SUBSCRIBER.into()]))
}

/// The type under which a value travels.
pub(super) fn value_type(syntax: &Syntax) -> ValueType {
    if syntax.lists > 0 {
        return ValueType::String;
    }
    match syntax.base {
        Type::String => ValueType::String,
        Type::Boolean => ValueType::Boolean,
        Type::Int => ValueType::Int,
        Type::UnsignedInt => ValueType::UnsignedInt,
        Type::Long => ValueType::Long,
        Type::UnsignedLong => ValueType::UnsignedLong,
        Type::Decimal => ValueType::Decimal,
        Type::DateTime => ValueType::DateTime,
        Type::Base64 => ValueType::Base64,
        Type::HexBinary => ValueType::HexBinary,
    }
}

/// Why a change of attributes is not made.
pub(super) enum NoChange {
    /// A source is missing, or the data model refuses.
    Stop(Stop),
    /// The protocol's rules refuse.
    Fault(Fault),
}

impl From<Stop> for NoChange {
    fn from(stop: Stop) -> NoChange {
        NoChange::Stop(stop)
    }
}

impl From<Fault> for NoChange {
    fn from(fault: Fault) -> NoChange {
        NoChange::Fault(fault)
    }
}

/// Applies one change of attributes to a parameter, by the rules of [`crate::cwmp::notify`].
pub(super) fn change<'s>(
    view: &View<'s>,
    state: &mut State,
    place: &Place<'s>,
    at: usize,
    change: &AttributeChange,
) -> Result<(), NoChange> {
    let param = view.param(place, at)?;
    let path = format!("{}{}", place.path, param.name);
    let (before, _) = attributes_of(state, &path, param);
    let named = !change.name.is_empty() && !change.name.ends_with('.');
    let level = match change.notification {
        Some(number) => notify::decide(param.flags.notify, named, Level::of(number)?)?,
        None => None,
    };
    let wanted = level.map_or(before, Level::number);
    let mut attribute = state.attribute(&path).unwrap_or_default();
    if wanted > 0 && (before == 0 || attribute.baseline.is_none()) {
        attribute.baseline = Some(baseline(&view.value(place, at)?));
    }
    if wanted == 0 {
        attribute.baseline = None;
    }
    attribute.notification = wanted;
    if let Some(list) = &change.access_list {
        notify::access(list)?;
        attribute.access = Some(list.clone());
    }
    let plain = wanted == 0
        && Level::default_of(param.flags.notify) == Level::Off
        && attribute.access.as_deref().is_none_or(|access| !access.is_empty());
    let full = |Full| Stop::Refused(Refusal::Exhausted("attributes".into()));
    Ok(state.set_attribute(&path, (!plain).then_some(&attribute)).map_err(full)?)
}

/// Notes that the ACS knows these values, because it wrote them.
//= TR-069 3.7.1.5: a change that the ACS itself made is no value change.
pub(super) fn told(state: &mut State, written: &[(String, String)]) -> Result<(), Full> {
    for (path, value) in written {
        if let Some(mut attribute) = state.attribute(path).filter(|attribute| attribute.baseline.is_some()) {
            attribute.baseline = Some(baseline(value));
            state.set_attribute(path, Some(&attribute))?;
        }
    }
    Ok(())
}

/// The parameters outside tables that the standard watches by itself, or wants in every Inform.
fn standing(model: &Model, wanted: impl Fn(&Param) -> bool) -> Vec<String> {
    let single = model.objects().iter().filter(|object| !object.path.contains("{i}"));
    let paths = single.flat_map(|object| {
        let wanted = &wanted;
        object
            .params
            .iter()
            .filter(move |param| wanted(param))
            .map(move |param| format!("{}{}", object.path, param.name))
    });
    paths.collect()
}

/// A watched parameter as it reads now.
struct Watched {
    path: String,
    notification: u8,
    value: String,
    kind: ValueType,
    attribute: Option<Attribute>,
}

/// Reads every watched parameter; one that is gone is left out.
fn watched(view: &View<'_>, state: &State) -> Result<Vec<Watched>, Stop> {
    let mut paths = standing(view.model, |param| Level::default_of(param.flags.notify) > Level::Off);
    let set = state.attributes().filter(|(_, attribute)| attribute.notification > 0);
    paths.extend(set.map(|(path, _)| path.to_string()));
    paths.sort();
    paths.dedup();
    let mut out = Vec::new();
    let mut wait = false;
    for path in paths {
        match read(view, &path) {
            Ok(Some((param, value))) => {
                let (notification, _) = attributes_of(state, &path, param);
                if notification > 0 {
                    let (kind, attribute) = (value_type(&param.syntax), state.attribute(&path));
                    out.push(Watched { path, notification, value, kind, attribute });
                }
            }
            Err(Stop::Wait) => wait = true,
            // A source that fails changes nothing.
            Ok(None) | Err(Stop::Refused(_)) => {}
        }
    }
    if wait { Err(Stop::Wait) } else { Ok(out) }
}

fn read<'s>(view: &View<'s>, path: &str) -> Result<Option<(&'s Param, String)>, Stop> {
    let pattern = Pattern::parse(path).map_err(|_| Stop::Refused(Refusal::UnknownPath))?;
    match view.resolve(&pattern)?.as_slice() {
        [Node::Param(place, at)] => Ok(Some((view.param(place, *at)?, view.value(place, *at)?.into_owned()))),
        _ => Ok(None),
    }
}

/// What the ACS wants in an Inform besides, each with its events; what is not there is left out.
//= TR-069 A.3.3.1: a pattern that meets nothing is left out.
fn asked(view: &View<'_>) -> Result<Vec<(Vec<String>, ParameterValue)>, Stop> {
    let mut out = Vec::new();
    let rows = match view.resolve(&Pattern::parse(INFORM_PARAMETERS).map_err(|_| Refusal::UnknownPath)?) {
        Ok(rows) => rows,
        Err(Stop::Wait) => return Err(Stop::Wait),
        Err(Stop::Refused(_)) => return Ok(out),
    };
    let mut wait = false;
    for row in rows {
        let row = row.path(view)?;
        let part = |name: &str| Ok::<_, Stop>(read(view, &format!("{row}{name}"))?.map(|(_, text)| text));
        let (name, events) = match (part("Enable"), part("ParameterName"), part("EventList")) {
            (Ok(Some(enable)), Ok(Some(name)), Ok(Some(events))) if enable == "true" => (name, events),
            (Err(Stop::Wait), _, _) => return Err(Stop::Wait),
            _ => continue,
        };
        let events: Vec<String> = events.split(',').filter(|e| !e.is_empty()).map(str::to_string).collect();
        let Some(pattern) = Pattern::parse(&name).ok().filter(|pattern| pattern.kind() == Kind::Parameter)
        else {
            continue;
        };
        let nodes = match view.resolve(&pattern) {
            Ok(nodes) => nodes,
            Err(Stop::Wait) => {
                wait = true;
                continue;
            }
            Err(Stop::Refused(_)) => continue,
        };
        for node in nodes {
            let Node::Param(place, at) = &node else { continue };
            if out.len() >= MAX_ASKED {
                return if wait { Err(Stop::Wait) } else { Ok(out) };
            }
            match view.value(place, *at) {
                Ok(value) => {
                    let kind = value_type(&view.param(place, *at)?.syntax);
                    let value = ParameterValue { name: node.path(view)?, kind, value: value.into_owned() };
                    out.push((events.clone(), value));
                }
                Err(Stop::Wait) => wait = true,
                Err(Stop::Refused(_)) => {}
            }
        }
    }
    if wait { Err(Stop::Wait) } else { Ok(out) }
}

impl Agent {
    /// Reads what an Inform carries.
    //= TR-069 A.3.3.1: the forced parameters, and those that changed under notification.
    pub(super) fn gather(&mut self, running: &mut Running) -> Step {
        let (state, known) = (&self.state, &self.cwmp.forced);
        let done = run::attempt(self.model, &mut running.snapshot, &self.instances, |view| {
            let mut wait = false;
            let mut text = |path: &str| match read(view, path) {
                Ok(found) => Ok(found.map(|(_, value)| value).unwrap_or_default()),
                Err(Stop::Wait) => {
                    wait = true;
                    Ok(String::new())
                }
                Err(Stop::Refused(why)) => Err(why),
            };
            let id = DEVICE_ID.iter().map(|path| text(path)).collect::<Result<Vec<String>, Refusal>>();
            let local = text(LOCAL_TIME).unwrap_or_default();
            let mut forced = Vec::new();
            for path in standing(view.model, |param| param.flags.forced_inform) {
                match read(view, &path) {
                    Ok(Some((param, value))) => {
                        forced.push(ParameterValue { name: path, kind: value_type(&param.syntax), value });
                    }
                    Err(Stop::Wait) => wait = true,
                    Ok(None) => {}
                    // While a source fails, what it said before.
                    Err(Stop::Refused(_)) => {
                        forced.extend(known.iter().find(|known| known.name == path).cloned());
                    }
                }
            }
            let watched = match watched(view, state) {
                Ok(watched) => watched,
                Err(Stop::Wait) => return Err(Stop::Wait),
                Err(refused) => return Err(refused),
            };
            let asked = asked(view)?;
            if wait { Err(Stop::Wait) } else { Ok((id, local, forced, watched, asked)) }
        });
        let (id, local, forced, watched, asked) = match done {
            Ok(gathered) => gathered,
            Err(Halt::Need(keys)) => return Step::Need(keys),
            Err(Halt::Refused(why)) => {
                self.refuse(&Job::Cwmp(Work::Gather), why);
                return Step::Over;
            }
        };
        //= TR-069 A.3.3.1: an OUI of six digits and a serial number of its own; without them two devices are one.
        let id = id.and_then(|id| match (id.get(1).map(String::as_str), id.get(3).map(String::as_str)) {
            (None | Some(""), _) | (_, None | Some("")) => {
                Err(Refusal::Backend("the board names no OUI or serial number: set cpeagent.identity".into()))
            }
            (Some(_), Some(_)) => Ok(id),
        });
        // Half an identity is another device to the ACS: while a source fails, the one that was read before.
        let device_id = match (id, self.cwmp.identity.take()) {
            (Ok(id), known) => {
                if known.is_none() && id.iter().any(String::is_empty) {
                    let why = "the board names no manufacturer or no model, so the ACS is told none: set cpeagent.identity";
                    self.log(log::Level::Warn, why.into());
                }
                let mut id = id.into_iter();
                let mut next = || id.next().unwrap_or_default();
                DeviceId { manufacturer: next(), oui: next(), product_class: next(), serial_number: next() }
            }
            (Err(_), Some(known)) => known,
            (Err(why), None) => {
                self.refuse(&Job::Cwmp(Work::Gather), why);
                return Step::Over;
            }
        };
        self.cwmp.identity = Some(device_id.clone());
        self.cwmp.forced.clone_from(&forced);
        self.cwmp.telling.clear();
        let mut changed = Vec::new();
        for one in watched {
            let known = one.attribute.as_ref().is_some_and(|attribute| attribute.baseline.is_some());
            if !known || one.attribute.as_ref().is_some_and(|attribute| attribute.differs(&one.value)) {
                self.cwmp.telling.push((one.path.clone(), one.value.clone()));
            }
            if known && one.attribute.as_ref().is_some_and(|attribute| attribute.differs(&one.value)) {
                changed.push(ParameterValue { name: one.path, kind: one.kind, value: one.value });
            }
        }
        let utc_offset_minutes = offset(&local);
        let gathered = Gathered { device_id, forced, asked, changed, utc_offset_minutes };
        self.tell_session(session::Event::Gathered(gathered));
        Step::Over
    }

    /// The ACS has taken the Inform: what it carried is what the ACS knows.
    pub(super) fn informed(&mut self) {
        let mut state = self.state.clone();
        for (path, value) in std::mem::take(&mut self.cwmp.telling) {
            let mut attribute = state.attribute(&path).unwrap_or_else(|| Attribute {
                notification: Level::Active.number(),
                ..Attribute::default()
            });
            attribute.baseline = Some(baseline(&value));
            if state.set_attribute(&path, Some(&attribute)).is_err() {
                self.log(log::Level::Error, "the table of attributes is full".into());
            }
        }
        if state != self.state {
            self.state = state;
            self.out.push_back(Action::Save(Box::new(self.state.clone())));
        }
    }

    /// Reads the watched parameters; an active one that differs from what the ACS knows starts a session.
    pub(in crate::agent) fn look(&mut self, running: &mut Running) -> Step {
        let state = &self.state;
        let done =
            run::attempt(self.model, &mut running.snapshot, &self.instances, |view| watched(view, state));
        match done {
            Ok(watched) => {
                let silent = running.snapshot.keys().any(tells_nothing);
                if silent && self.state.attributes().any(|(_, attribute)| attribute.notification > 0) {
                    self.look_at(self.config.agent.sampling_period);
                }
                //= TR-069 A.3.2.4: active notification opens a session; passive waits for the next one.
                let active = watched.iter().any(|one| {
                    one.notification == Level::Active.number()
                        && one.attribute.as_ref().is_some_and(|attribute| attribute.differs(&one.value))
                });
                if active {
                    self.tell_session(session::Event::Changed);
                }
                Step::Over
            }
            Err(Halt::Need(keys)) => Step::Need(keys),
            Err(Halt::Refused(why)) => {
                self.refuse(&Job::Look, why);
                Step::Over
            }
        }
    }
}

/// The offset that a dateTime such as `2026-08-01T14:00:00+02:00` carries, in minutes.
fn offset(local: &str) -> i32 {
    let Some(tail) = local.len().checked_sub(6).and_then(|at| local.get(at..)) else { return 0 };
    let sign = match tail.as_bytes().first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return 0,
    };
    let mut parts = tail.get(1..).unwrap_or_default().split(':').map(|part| part.parse::<i32>().unwrap_or(0));
    sign * (parts.next().unwrap_or(0) * 60 + parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_is_what_stands_behind_the_local_time() {
        for (text, want) in [
            ("2026-08-01T14:00:00+02:00", 120),
            ("2026-08-01T14:00:00-03:30", -210),
            ("2026-08-01T14:00:00Z", 0),
            ("", 0),
        ] {
            assert_eq!(offset(text), want, "{text}");
        }
    }
}
