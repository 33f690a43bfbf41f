//! Thresholds: what controllers want to hear of once it crosses a value.
//!
//! They are looked at with the subscriptions ([`super::notify`]), and what crosses is an event like any other. What was
//! seen is in memory: after a restart the first look is what later ones are compared with.

use super::notify::{Notices, Raised};
use crate::agent::{Action, Agent};
use crate::dm::acl::Rights;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::View;
use crate::sorted::Map;
use crate::usp::subscription::{Looked, Looking, Seen};
use crate::usp::threshold::{TRIGGERED, Threshold};

/// The table.
const TABLE: &str = "Device.LocalAgent.Threshold";

/// A threshold that is on, and what it saw.
pub(super) struct Watched {
    threshold: Threshold,
    seen: Option<Seen>,
    /// Whether it was said that there is no room.
    cut: bool,
}

/// What a look at a threshold came to.
pub(super) struct Crossed {
    section: Box<str>,
    row: String,
    looked: Looked,
}

impl Crossed {
    /// What was seen.
    pub fn looked(&self) -> &Looked {
        &self.looked
    }
}

impl Notices {
    /// Whether a kept row is a threshold that was not looked at as it is now.
    pub(super) fn is_new_threshold(&self, name: &str, row: &Tree) -> bool {
        let known = self.thresholds.get(name);
        Threshold::read(row).is_some_and(|one| known.is_none_or(|watched| watched.threshold != one))
    }

    /// Brings the thresholds in line with the rows that are kept.
    pub(super) fn take_thresholds(&mut self, kept: &Tree) {
        let mut before = std::mem::take(&mut self.thresholds);
        for (name, row) in kept.entries() {
            let Some(threshold) = Threshold::read(row) else { continue };
            let known = before.remove(name).filter(|watched| watched.threshold == threshold);
            let watched = known.unwrap_or(Watched { threshold, seen: None, cut: false });
            self.thresholds.insert(name.clone(), watched);
        }
    }

    /// Looks at every threshold; `room` is how many paths they may watch.
    pub(super) fn cross(
        &self,
        rights: &Map<&str, Rights>,
        view: &View<'_>,
        doubt: bool,
        room: &mut usize,
    ) -> Result<Vec<Crossed>, Stop> {
        let (mut out, mut wait) = (Vec::new(), false);
        for (section, Watched { threshold, seen, .. }) in &self.thresholds {
            let Some(rights) = rights.get(&*threshold.controller) else { continue };
            let looked = view.path_of(TABLE, section).and_then(|row| match row {
                Some(row) => {
                    let row = format!("{row}.");
                    let at = Looking { view, rights, doubt, room: *room };
                    Ok(Some((threshold.look(&row, &at, seen.as_ref())?, row)))
                }
                None => Ok(None),
            });
            match looked {
                Ok(Some((looked, row))) => {
                    *room = room.saturating_sub(looked.seen.len());
                    out.push(Crossed { section: section.clone(), row, looked });
                }
                Ok(None) => {}
                Err(Stop::Wait) => wait = true,
                Err(refused) => return Err(refused),
            }
        }
        if wait { Err(Stop::Wait) } else { Ok(out) }
    }
}

impl Agent {
    /// Takes over what a look came to: what crosses is told to whom it belongs, and to nobody else.
    //= TR-181 LocalAgent.Threshold.{i}.Controller: no other one hears of the event, even if it subscribed to it.
    pub(super) fn crossed(&mut self, all: Vec<Crossed>) {
        for Crossed { section, row, looked } in all {
            let Some(watched) = self.usp.notices.thresholds.get_mut(&section) else { continue };
            watched.seen = Some(looked.seen);
            let (controller, single) = (watched.threshold.controller.clone(), watched.threshold.single);
            if looked.cut && !std::mem::replace(&mut watched.cut, true) {
                let why = format!("{row}: too many paths are watched, some are not");
                self.log(log::Level::Warn, why);
            }
            if single && !looked.told.is_empty() {
                self.switch_off(&section);
            }
            for what in looked.told {
                let path = format!("{row}{TRIGGERED}");
                self.raise(Raised { only: Some(controller.clone()), path, what, boot: false });
            }
        }
    }

    /// Switches a threshold off, before its event is told.
    //= TR-181 LocalAgent.Threshold.{i}.OperatingMode: Single is switched off by its event.
    fn switch_off(&mut self, section: &str) {
        let mut kept = self.state.kept();
        let Some(row) = kept.get_mut(section) else { return };
        row.set("Enable", Tree::from("0"));
        if self.state.set_kept(&kept).is_ok() {
            self.out.push_back(Action::Save(Box::new(self.state.clone())));
        }
    }
}
