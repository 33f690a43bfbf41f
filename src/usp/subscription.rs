//! Subscriptions: what a controller wants to be told, and what there is to tell of what changed since it was told last.
//!
//! Reads a row of `Device.LocalAgent.Subscription.` from its section and compares what it is about with what it saw
//! before ([`Seen`]). Who asks for a look, when, and where notices go is the agent's business.

use super::msg::add::keys_of_row;
use super::msg::notify::{Notification, created, deleted, value_change};
use crate::dm::acl::{self, Rights, Rwxn};
use crate::dm::assignment::{self, Assignment};
use crate::dm::error::Refusal;
use crate::dm::path::{self, Pattern};
use crate::dm::read::{Cursor, Node};
use crate::dm::schema::Notify;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::View;
use crate::sorted::{Map, Set};
use crate::time::{UNKNOWN, Wall};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// The type of the sections of kept rows that are subscriptions.
pub const KIND: &str = "subscription";

/// What a subscription tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifType {
    /// Parameters that have another value.
    ValueChange,
    /// Rows that came.
    ObjectCreation,
    /// Rows that went.
    ObjectDeletion,
    /// Commands that have ended.
    OperationComplete,
    /// Events.
    Event,
}

/// A row of the table of subscriptions.
//= TR-369 R-NOT.0: what its object says of each member holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscription {
    /// What its controller calls it.
    pub id: String,
    /// The section of its controller.
    pub recipient: Box<str>,
    /// Whether it tells anything now.
    pub enable: bool,
    /// What it tells.
    pub kind: NotifType,
    /// What it is about.
    pub references: Vec<Pattern>,
    /// Whether it outlives a restart.
    pub persistent: bool,
    /// When it was made, if that is known.
    pub created: Option<Wall>,
    /// How long it lives from then on; `None` without end.
    pub time_to_live: Option<Duration>,
    /// Whether its notices are repeated until they are answered.
    pub retry: bool,
    /// How long that is done; `None` without end.
    pub expiration: Option<Duration>,
    /// Whether its controller is told at all.
    pub notifies: bool,
    /// What is changed when there is something to tell; empty where nothing is.
    pub settings: Vec<Assignment>,
}

/// What a subscription saw when it last looked: of values a checksum, of rows whether they are meant (1) or not (0).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen(Map<Box<str>, u64>);

/// What comes of a look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Looked {
    /// What is to be told.
    pub told: Vec<Notification>,
    /// What was seen.
    pub seen: Seen,
    /// Whether there was no room for all that it is about.
    pub cut: bool,
    /// Whether it is about what announces no change, whatever its source does.
    pub restless: bool,
}

/// For whom and on what a subscription looks.
#[derive(Clone, Copy)]
pub struct Looking<'a, 's> {
    /// The model.
    pub view: &'a View<'s>,
    /// Of the controller.
    pub rights: &'a Rights,
    /// Whether what differs may be a passing gap, because a source has just gone: nothing is told and nothing
    /// forgotten of it.
    pub doubt: bool,
    /// How many paths it may watch.
    pub room: usize,
}

impl Seen {
    /// How many paths it watches.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a path is among them.
    pub fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// Whether it watches nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Subscription {
    /// Reads a section; `None` for one that is about nothing known.
    pub fn read(section: &Tree) -> Option<Subscription> {
        if section.str(".type") != Some(KIND) {
            return None;
        }
        let flag = |name: &str| matches!(section.str(name), Some("1" | "true"));
        let seconds = |name: &str| section.str(name).and_then(|text| text.parse().ok()).filter(|n| *n > 0);
        let kind = match section.str("NotifType").unwrap_or("ValueChange") {
            "ValueChange" => NotifType::ValueChange,
            "ObjectCreation" => NotifType::ObjectCreation,
            "ObjectDeletion" => NotifType::ObjectDeletion,
            "OperationComplete" => NotifType::OperationComplete,
            "Event" => NotifType::Event,
            _ => return None,
        };
        let references = section.str("ReferenceList").unwrap_or_default();
        let references = acl_paths(references);
        let action = section.str("TriggerAction").unwrap_or("Notify");
        let settings = section.str("TriggerConfigSettings").filter(|_| action != "Notify");
        Some(Subscription {
            id: section.str("ID").unwrap_or_default().to_string(),
            recipient: section.str("Recipient")?.into(),
            enable: flag("Enable"),
            kind,
            references,
            persistent: flag("Persistent"),
            created: section.str("CreationDate").filter(|date| *date != UNKNOWN).and_then(Wall::parse),
            time_to_live: seconds("TimeToLive").map(Duration::from_secs),
            retry: flag("NotifRetry"),
            expiration: seconds("NotifExpiration").map(Duration::from_secs),
            notifies: action != "Config",
            settings: settings.and_then(assignment::parse).unwrap_or_default(),
        })
    }

    /// Whether it is gone after a restart of the agent.
    //= TR-369 12: Persistent false: the row goes with every restart.
    //= TR-369 12: TimeToLive ends at a restart where the time of creation is not known.
    pub fn ends_at_restart(&self) -> bool {
        !self.persistent || (self.time_to_live.is_some() && self.created.is_none())
    }

    /// The time that is left of its life; `None` without end or while the time is not known.
    //= TR-369 12: TimeToLive: the row goes that long after its CreationDate.
    pub fn left(&self, now: Option<Wall>) -> Option<Duration> {
        let (created, life, now) = (self.created?, self.time_to_live?, now?);
        let end = created.plus(i64::try_from(life.as_secs()).unwrap_or(i64::MAX));
        Some(Duration::from_secs(u64::try_from(end.seconds.saturating_sub(now.seconds)).unwrap_or(0)))
    }

    /// Whether it is about the same things as another one.
    pub fn watches_as(&self, other: &Subscription) -> bool {
        (self.kind, &self.references, &self.recipient) == (other.kind, &other.references, &other.recipient)
    }

    /// Whether it tells of an event or the end of a command with this live path.
    //= TR-369 12: Event and OperationComplete: the event or command, or an object and all below it.
    //= TR-369 17: CommandEvent n: whoever lacks it is told of no event and no end of a command.
    pub fn hears(&self, view: &View<'_>, rights: &Rights, path: &str) -> Result<bool, Stop> {
        let heard = match acl::covers(view, &self.references, path) {
            Ok(covered) => covered && rights.at(view, path)?.command.has(Rwxn::N),
            Err(Stop::Wait) => return Err(Stop::Wait),
            Err(Stop::Refused(_)) => false,
        };
        Ok(heard)
    }

    /// Compares what it is about with what it saw `before`; without that, what is there now is what it starts from.
    ///
    /// Sources that fail tell nothing and make nothing forgotten.
    //= TR-369 12: ValueChange compares with the state at subscription and at each change.
    //= TR-369 12: wildcards and searches mean rows that come later, too.
    pub fn look(&self, at: &Looking<'_, '_>, before: Option<&Seen>) -> Result<Looked, Stop> {
        let mut look = Look::new(at, before);
        for reference in &self.references {
            match self.kind {
                NotifType::ValueChange => look.values(reference),
                NotifType::ObjectCreation => look.tables(reference),
                NotifType::ObjectDeletion => look.rows(reference),
                NotifType::OperationComplete | NotifType::Event => {}
            }
        }
        look.over(Some(self.kind))
    }
}

/// The paths of a reference list; what is no path is left out.
fn acl_paths(list: &str) -> Vec<Pattern> {
    path::list(list).into_iter().filter_map(|path| acl::target(path.trim()).ok()).collect()
}

/// A look under way.
pub(super) struct Look<'a, 's> {
    pub at: &'a Looking<'a, 's>,
    before: Option<&'a Seen>,
    pub now: Looked,
    wait: bool,
    failed: bool,
}

impl<'a, 's> Look<'a, 's> {
    /// Begins one.
    pub fn new(at: &'a Looking<'a, 's>, before: Option<&'a Seen>) -> Look<'a, 's> {
        Look { at, before, now: Looked::default(), wait: false, failed: false }
    }

    /// What it came to; with what is gone by now, if that is told.
    pub fn over(mut self, kind: Option<NotifType>) -> Result<Looked, Stop> {
        if self.wait {
            return Err(Stop::Wait);
        }
        if let Some(before) = self.before {
            self.gone(before, kind)?;
        }
        Ok(self.now)
    }

    /// What a reference means now; an object may be written without its dot.
    pub fn nodes(&mut self, pattern: &Pattern) -> Vec<Node<'s>> {
        let (view, rights) = (self.at.view, self.at.rights);
        let may = |path: &str| Ok(rights.at(view, path)?.param.has(Rwxn::R));
        let may: crate::dm::search::MayRead<'_> = if rights.is_all() { None } else { Some(&may) };
        let mut found = view.resolve_for(pattern, may);
        if let (Err(Stop::Refused(Refusal::UnknownPath)), Some(object)) = (&found, pattern.without_dot()) {
            found = view.resolve_for(&object, may);
        }
        match found {
            Ok(nodes) => nodes,
            Err(stop) => {
                self.stopped(&stop);
                Vec::new()
            }
        }
    }

    /// Notes why something could not be read.
    pub fn stopped(&mut self, stop: &Stop) {
        match stop {
            Stop::Wait => self.wait = true,
            Stop::Refused(Refusal::UnknownPath) => {}
            Stop::Refused(_) => self.failed = true,
        }
    }

    /// Notes what is seen; whether there was room for it, and it was not seen already.
    pub fn note(&mut self, path: &str, mark: u64) -> bool {
        if self.now.seen.0.len() >= self.at.room && !self.now.seen.0.contains_key(path) {
            self.now.cut = true;
            return false;
        }
        self.now.seen.0.insert(path.into(), mark).is_none()
    }

    /// What was noted the last time.
    pub fn mark(&self, path: &str) -> Option<u64> {
        self.before?.0.get(path).copied()
    }

    /// The parameters that a reference means.
    //= TR-369 12: ValueChange: an object stands for all parameters below it.
    //= TR-369 12: parameters that are shown as not to be watched never tell of a change.
    fn values(&mut self, pattern: &Pattern) {
        let view = self.at.view;
        let secured = self.at.rights.sees_secured();
        let mut cursor = Cursor::new(self.nodes(pattern));
        loop {
            let (place, at) = match cursor.next(view) {
                Ok(Some(Node::Param(place, at))) => (place, at),
                Ok(Some(Node::Object(_) | Node::Table(_))) => continue,
                Ok(None) => break,
                Err(Stop::Wait) => {
                    self.wait = true;
                    break;
                }
                Err(stop) => {
                    self.stopped(&stop);
                    continue;
                }
            };
            let Ok(param) = view.param(&place, at) else { continue };
            let silent = param.flags.hidden || (param.flags.secured && !secured);
            if silent || param.flags.notify == Notify::CanDeny {
                continue;
            }
            let path = format!("{}{}", place.path, param.name);
            match view.value_for(&place, at, secured) {
                Ok(value) => self.value(&path, &value),
                // What it was before is what is known.
                Err(Stop::Refused(_)) => {
                    if let Some(mark) = self.mark(&path) {
                        self.note(&path, mark);
                    }
                }
                Err(Stop::Wait) => self.wait = true,
            }
        }
        self.wait |= cursor.waited();
    }

    fn value(&mut self, path: &str, value: &str) {
        let mark = checksum(value);
        let known = self.mark(path);
        let differs = known.is_some_and(|known| known != mark);
        let held = differs && self.at.doubt;
        if !self.note(path, if held { known.unwrap_or(mark) } else { mark }) || !differs || held {
            return;
        }
        //= TR-369 17: Param n: whoever lacks it is told of no change.
        match self.at.rights.at(self.at.view, path) {
            Ok(grant) if grant.param.has(Rwxn::N) => self.now.told.push(value_change(path, value)),
            Ok(_) => {}
            Err(stop) => self.stopped(&stop),
        }
    }

    /// The rows of the tables that a reference means.
    //= TR-369 12: ObjectCreation is about tables.
    fn tables(&mut self, pattern: &Pattern) {
        let meant: Set<Box<str>> = self.nodes(pattern).iter().flat_map(|table| self.below(table)).collect();
        // A row that is meant only now, because its table's condition holds only now, has not come.
        let mut all = meant.clone();
        let any = pattern.any_row();
        if any != *pattern {
            all.extend(self.nodes(&any).iter().flat_map(|table| self.below(table)));
        }
        for path in &all {
            let mark = u64::from(meant.contains(path));
            let new = self.before.is_some() && self.mark(path).is_none();
            // Told once it is sure.
            if new && self.at.doubt {
                continue;
            }
            if self.note(path, mark) && new && mark == 1 {
                self.came(path);
            }
        }
    }

    /// The rows of a table; none of what is no table.
    fn below(&mut self, node: &Node<'s>) -> Vec<Box<str>> {
        let Node::Table(place) = node else { return Vec::new() };
        match self.at.view.rows(place.object, place.row.as_ref()) {
            Ok(rows) => rows.iter().map(|row| row.path.as_ref().into()).collect(),
            Err(stop) => {
                self.stopped(&stop);
                Vec::new()
            }
        }
    }

    fn came(&mut self, path: &str) {
        let (view, rights) = (self.at.view, self.at.rights);
        let table = path.trim_end_matches('.').trim_end_matches(|c: char| c.is_ascii_digit());
        //= TR-369 17: Obj n: whoever lacks it is told of no new row.
        let keys = match rights.at(view, table) {
            Ok(grant) if grant.object.has(Rwxn::N) => keys_of_row(view, rights, path),
            Ok(_) => return,
            Err(stop) => Err(stop),
        };
        match keys {
            Ok(keys) => self.now.told.push(created(path, keys)),
            // Its keys cannot be read now; that it came is told all the same.
            Err(Stop::Refused(_)) => self.now.told.push(created(path, Map::new())),
            Err(Stop::Wait) => self.wait = true,
        }
    }

    /// The rows that a reference means; a table stands for all of them.
    //= TR-369 12: ObjectDeletion is about rows.
    fn rows(&mut self, pattern: &Pattern) {
        for node in self.nodes(pattern) {
            let paths = match &node {
                Node::Object(place) if place.row.as_ref().is_some_and(|row| row.object == place.object) => {
                    vec![(&*place.path).into()]
                }
                Node::Table(_) => self.below(&node),
                Node::Object(_) | Node::Param(..) => Vec::new(),
            };
            for path in paths {
                self.note(&path, 1);
            }
        }
    }

    /// What was seen before and is not there now.
    fn gone(&mut self, before: &Seen, kind: Option<NotifType>) -> Result<(), Stop> {
        let view = self.at.view;
        let mut wait = false;
        for (path, mark) in &before.0 {
            if self.now.seen.0.contains_key(path) {
                continue;
            }
            if self.failed || self.at.doubt {
                self.now.seen.0.insert(path.clone(), *mark);
                continue;
            }
            if kind != Some(NotifType::ObjectDeletion) {
                continue;
            }
            //= TR-369 17: InstantiatedObj n: whoever lacks it is told of no row that went.
            let told = is_there(view, path)
                .and_then(|there| Ok(!there && self.at.rights.at(view, path)?.instance.has(Rwxn::N)));
            match told {
                Ok(true) => self.now.told.push(deleted(path)),
                Ok(false) => {}
                Err(Stop::Wait) => wait = true,
                Err(Stop::Refused(_)) => {
                    self.now.seen.0.insert(path.clone(), *mark);
                }
            }
        }
        if wait { Err(Stop::Wait) } else { Ok(()) }
    }
}

/// Whether a row is there: one that a search does not mean any more has not gone.
fn is_there(view: &View<'_>, path: &str) -> Result<bool, Stop> {
    let Ok(pattern) = Pattern::parse(path) else { return Ok(false) };
    match view.resolve(&pattern) {
        Ok(nodes) => Ok(!nodes.is_empty()),
        Err(Stop::Refused(Refusal::UnknownPath)) => Ok(false),
        Err(stop) => Err(stop),
    }
}

fn checksum(value: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
#[path = "subscription_tests.rs"]
pub(super) mod tests;
