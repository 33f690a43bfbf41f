//! Which parameters the ACS wants to hear of, and what it was last told.
//!
//! Owns the attributes of SetParameterAttributes and a baseline per watched parameter: a hash of the value last told
//! to the ACS or written by it. A value that differs from its baseline has changed, also over a restart. It reads no
//! values and starts no session; the agent tells it what it saw. Counters are never to be shown to it.

use super::fault::{Fault, INVALID_ARGUMENTS, NOTIFICATION_REJECTED, RESOURCES_EXCEEDED};
use super::rpc::ParameterAttribute;
use crate::digest::{hex, sha256};
use crate::dm::schema::Notify;
use crate::dm::tree::Tree;
use std::collections::{BTreeMap, BTreeSet};

/// The most parameters with attributes or baselines.
pub const MAX_ROWS: usize = 8192;
/// The one entity an access list may name.
pub const SUBSCRIBER: &str = "Subscriber";

/// How a parameter's changes are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Not at all.
    #[default]
    Off,
    /// In the next session, whatever its cause.
    Passive,
    /// In a session of their own.
    Active,
}

impl Level {
    /// The level by its number; refuses the lightweight ones, which are not supported, and numbers there are not.
    //= TR-069 A.3.2.4: 0 off, 1 passive, 2 active; 3 to 6 need lightweight notifications.
    pub fn of(number: u8) -> Result<Level, Fault> {
        match number {
            0 => Ok(Level::Off),
            1 => Ok(Level::Passive),
            2 => Ok(Level::Active),
            _ => Err(Fault::new(INVALID_ARGUMENTS, "lightweight notifications are not supported")),
        }
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        match self {
            Level::Off => 0,
            Level::Passive => 1,
            Level::Active => 2,
        }
    }

    /// The level a parameter has unless the ACS says otherwise.
    //= TR-069 3.7.1.5: off, but for those parameters whose definition has them on.
    pub const fn default_of(rule: Notify) -> Level {
        match rule {
            Notify::Normal | Notify::CanDeny => Level::Off,
            Notify::Forced | Notify::OnByDefault => Level::Active,
        }
    }
}

/// Decides on a wish for `level`: the level to set, or `None` to leave the parameter as it is.
///
/// `named` tells whether the parameter was named in full. Below a partial path a parameter that cannot follow is
/// passed over instead of refusing the whole object: a DeviceInfo has both kinds.
//= TR-069 A.3.2.4: 9009 for an active notification that is denied and for a forced one that is to change; a passive
// one is never denied.
pub fn decide(rule: Notify, named: bool, level: Level) -> Result<Option<Level>, Fault> {
    let refused = match (rule, level) {
        (Notify::Forced, Level::Active) => return Ok(None),
        (Notify::Forced, Level::Off | Level::Passive) | (Notify::CanDeny, Level::Active) => true,
        (Notify::CanDeny, Level::Off | Level::Passive) | (Notify::Normal | Notify::OnByDefault, _) => false,
    };
    match (refused, named) {
        (false, _) => Ok(Some(level)),
        (true, false) => Ok(None),
        (true, true) => Err(Fault::new(NOTIFICATION_REJECTED, "")),
    }
}

/// Checks an access list and tells whether it names [`SUBSCRIBER`].
//= TR-069 A.3.2.4: no other entity is defined.
pub fn access(list: &[String]) -> Result<bool, Fault> {
    match list.iter().find(|entity| *entity != SUBSCRIBER) {
        Some(other) => Err(Fault::arguments(&format!("{other} is no entity of an AccessList"))),
        None => Ok(!list.is_empty()),
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Row {
    level: Option<Level>,
    subscriber: Option<bool>,
    told: Option<u64>,
}

/// Attributes and baselines of all parameters that have any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    rows: BTreeMap<Box<str>, Row>,
    changed: BTreeSet<Box<str>>,
}

fn hash(value: &str) -> u64 {
    sha256(&[value.as_bytes()]).iter().take(8).fold(0, |hash, octet| hash << 8 | u64::from(*octet))
}

impl Table {
    /// The level in effect.
    pub fn level(&self, path: &str, rule: Notify) -> Level {
        self.rows.get(path).and_then(|row| row.level).unwrap_or(Level::default_of(rule))
    }

    /// The attributes as GetParameterAttributes tells them.
    pub fn attribute(&self, path: &str, rule: Notify) -> ParameterAttribute {
        //= TR-069 A.3.2.4: until set, every subscriber may write.
        let subscriber = self.rows.get(path).and_then(|row| row.subscriber).unwrap_or(true);
        ParameterAttribute {
            name: path.to_string(),
            notification: self.level(path, rule).number(),
            access_list: if subscriber { vec![SUBSCRIBER.to_string()] } else { Vec::new() },
        }
    }

    fn row(&mut self, path: &str) -> Result<&mut Row, Fault> {
        if self.rows.len() >= MAX_ROWS && !self.rows.contains_key(path) {
            return Err(Fault::new(RESOURCES_EXCEEDED, "parameters with attributes"));
        }
        Ok(self.rows.entry(path.into()).or_default())
    }

    /// Sets what is `Some`. `value` is the present value: what a notification that is now on begins from.
    ///
    /// Refuses a parameter beyond [`MAX_ROWS`]; the caller sets on a copy to have all or nothing.
    pub fn set(
        &mut self,
        path: &str,
        rule: Notify,
        level: Option<Level>,
        subscriber: Option<bool>,
        value: &str,
    ) -> Result<(), Fault> {
        let was = self.level(path, rule);
        let row = self.row(path)?;
        row.subscriber = subscriber.or(row.subscriber);
        if let Some(level) = level {
            row.level = Some(level);
            match level {
                Level::Off => {
                    row.told = None;
                    self.changed.remove(path);
                }
                Level::Passive | Level::Active if was == Level::Off || row.told.is_none() => {
                    row.told = Some(hash(value));
                }
                Level::Passive | Level::Active => {}
            }
        }
        Ok(())
    }

    /// Takes note of a value that was read. Tells the level at which it has changed, [`Level::Off`] if it has not.
    ///
    /// The first sight of a parameter that is on by default is its baseline.
    pub fn observe(&mut self, path: &str, rule: Notify, value: &str) -> Level {
        let level = self.level(path, rule);
        if level == Level::Off {
            return Level::Off;
        }
        let Ok(row) = self.row(path) else { return Level::Off };
        match row.told {
            Some(told) if told != hash(value) => {
                self.changed.insert(path.into());
                level
            }
            Some(_) => Level::Off,
            None => {
                row.told = Some(hash(value));
                Level::Off
            }
        }
    }

    /// The ACS itself has written this value.
    //= TR-069 3.7.1.5: a change the ACS made is none to tell it of.
    pub fn written(&mut self, path: &str, rule: Notify, value: &str) {
        if self.level(path, rule) != Level::Off
            && let Ok(row) = self.row(path)
        {
            row.told = Some(hash(value));
            self.changed.remove(path);
        }
    }

    /// The parameters that have changed and were not told, in order. After a restart none, until they were seen.
    pub fn changed(&self) -> impl Iterator<Item = &str> {
        self.changed.iter().map(|path| &**path)
    }

    /// These values have been told in an Inform that was answered.
    pub fn told<'v>(&mut self, values: impl IntoIterator<Item = (&'v str, &'v str)>) {
        for (path, value) in values {
            if let Some(row) = self.rows.get_mut(path).filter(|row| row.told.is_some()) {
                row.told = Some(hash(value));
            }
            self.changed.remove(path);
        }
    }

    /// The object with this path, ending in a dot, is gone, and all below it.
    //= TR-069 A.3.2.7: attributes go with their instance; a new one begins with the defaults.
    pub fn gone(&mut self, object: &str) {
        self.rows.retain(|path, _| !path.starts_with(object));
        self.changed.retain(|path| !path.starts_with(object));
    }

    /// The parameters whose level the ACS has set to other than off; those on by default come besides.
    pub fn watched(&self) -> impl Iterator<Item = (&str, Level)> {
        self.rows.iter().filter_map(|(path, row)| match row.level {
            Some(level @ (Level::Passive | Level::Active)) => Some((&**path, level)),
            Some(Level::Off) | None => None,
        })
    }

    /// For the state file: per path the level, the access list and the baseline, `-` where there is none.
    pub fn to_tree(&self) -> Tree {
        Tree::Map(
            self.rows
                .iter()
                .map(|(path, row)| {
                    let level = row.level.map_or("-".to_string(), |level| level.number().to_string());
                    let subscriber =
                        row.subscriber.map_or("-", |subscriber| if subscriber { "1" } else { "0" });
                    let told = row.told.map_or("-".to_string(), |told| hex(&told.to_be_bytes()));
                    (path.clone(), Tree::text(format!("{level} {subscriber} {told}")))
                })
                .collect(),
        )
    }

    /// From the state file. What cannot be read of it is left out, and so begins with the defaults.
    pub fn from_tree(tree: &Tree) -> Table {
        let rows = tree.entries().iter().take(MAX_ROWS).filter_map(|(path, row)| {
            let mut fields = row.as_str()?.split(' ');
            let level = match fields.next()? {
                "-" => None,
                number => Some(Level::of(number.parse().ok()?).ok()?),
            };
            let subscriber = match fields.next()? {
                "-" => None,
                flag => Some(flag == "1"),
            };
            let told = match fields.next()? {
                "-" => None,
                told => Some(u64::from_str_radix(told, 16).ok()?),
            };
            Some((path.clone(), Row { level, subscriber, told }))
        });
        Table { rows: rows.collect(), changed: BTreeSet::new() }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    const A: &str = "Device.T.1.A";

    fn restarted(table: &Table) -> Table {
        Table::from_tree(&table.to_tree())
    }

    fn watching(level: Level) -> Table {
        let mut table = Table::default();
        table.set(A, Notify::Normal, Some(level), None, "old").unwrap();
        table
    }

    //= TR-069 A.3.2.4
    #[test]
    fn which_wishes_for_a_level_are_granted() {
        use Level::{Active, Off, Passive};
        for (rule, level, named, partial) in [
            (Notify::Normal, Off, Ok(Some(Off)), Some(Off)),
            (Notify::Normal, Active, Ok(Some(Active)), Some(Active)),
            (Notify::CanDeny, Passive, Ok(Some(Passive)), Some(Passive)),
            (Notify::CanDeny, Active, Err(9009), None),
            (Notify::Forced, Active, Ok(None), None),
            (Notify::Forced, Passive, Err(9009), None),
            (Notify::Forced, Off, Err(9009), None),
            (Notify::OnByDefault, Off, Ok(Some(Off)), Some(Off)),
        ] {
            assert_eq!(decide(rule, true, level).map_err(|fault| fault.code), named, "{rule:?} {level:?}");
            assert_eq!(decide(rule, false, level), Ok(partial), "{rule:?} {level:?} below a partial path");
        }
        for number in 0..=2 {
            assert_eq!(Level::of(number).unwrap().number(), number);
        }
        for number in 3..=7 {
            assert_eq!(Level::of(number).unwrap_err().code, 9003);
        }
    }

    //= TR-069 A.3.2.4
    #[test]
    fn only_subscriber_is_an_entity_of_an_access_list() {
        let list = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        assert_eq!(access(&list(&[])), Ok(false));
        assert_eq!(access(&list(&["Subscriber"])), Ok(true));
        assert_eq!(access(&list(&["Subscriber", "Guest"])).unwrap_err().code, 9003);
    }

    #[test]
    fn attributes_are_the_defaults_until_set_and_survive_a_restart() {
        let mut table = Table::default();
        for (rule, level) in
            [(Notify::Normal, 0), (Notify::CanDeny, 0), (Notify::Forced, 2), (Notify::OnByDefault, 2)]
        {
            assert_eq!(table.attribute(A, rule).notification, level, "{rule:?}");
        }
        table.set(A, Notify::Normal, Some(Level::Passive), None, "v").unwrap();
        table.set(A, Notify::Normal, None, Some(false), "v").unwrap();
        for table in [table.clone(), restarted(&table)] {
            let attribute = table.attribute(A, Notify::Normal);
            assert_eq!((attribute.notification, attribute.access_list.len()), (1, 0));
            assert_eq!(table.watched().collect::<Vec<_>>(), [(A, Level::Passive)]);
        }
        table.set(A, Notify::Normal, None, Some(true), "v").unwrap();
        assert_eq!(table.attribute(A, Notify::Normal).access_list, ["Subscriber"]);
        table.gone("Device.T.1.");
        assert_eq!(table, Table::default(), "a new row with the number begins with the defaults");
    }

    //= TR-069 3.7.1.5
    #[test]
    fn a_change_is_told_until_it_was_delivered_also_over_a_restart() {
        for level in [Level::Passive, Level::Active] {
            let mut table = watching(level);
            assert_eq!(table.observe(A, Notify::Normal, "old"), Level::Off);
            assert_eq!(table.observe(A, Notify::Normal, "new"), level);
            assert_eq!(table.changed().collect::<Vec<_>>(), [A]);
            let mut table = restarted(&table);
            assert_eq!(table.changed().count(), 0);
            assert_eq!(table.observe(A, Notify::Normal, "new"), level, "seen again after the restart");
            table.told([(A, "new")]);
            assert_eq!(table.changed().count(), 0);
            assert_eq!(restarted(&table).observe(A, Notify::Normal, "new"), Level::Off);
            // It changed once more between the reading and the telling.
            assert_eq!(table.observe(A, Notify::Normal, "newer"), level);
        }
    }

    //= TR-069 3.7.1.5
    #[test]
    fn what_the_server_wrote_is_no_news_to_it() {
        let mut table = watching(Level::Active);
        table.observe(A, Notify::Normal, "local");
        table.written(A, Notify::Normal, "mine");
        assert_eq!(table.changed().count(), 0);
        assert_eq!(table.observe(A, Notify::Normal, "mine"), Level::Off);
        assert_eq!(table.observe(A, Notify::Normal, "local"), Level::Active);
    }

    #[test]
    fn a_parameter_on_by_default_is_watched_from_its_first_sight() {
        let mut table = Table::default();
        assert_eq!(table.observe(A, Notify::Forced, "1.0"), Level::Off);
        assert_eq!(restarted(&table).observe(A, Notify::Forced, "1.1"), Level::Active, "a firmware upgrade");
        assert_eq!(table.observe("Device.B", Notify::Normal, "1"), Level::Off);
        assert_eq!(table.observe("Device.B", Notify::Normal, "2"), Level::Off, "nobody asked");
    }

    #[test]
    fn turned_off_a_change_is_forgotten_and_turned_on_it_begins_from_the_present_value() {
        let mut table = watching(Level::Active);
        table.observe(A, Notify::Normal, "new");
        table.set(A, Notify::Normal, Some(Level::Off), None, "new").unwrap();
        assert_eq!((table.changed().count(), table.observe(A, Notify::Normal, "newer")), (0, Level::Off));
        table.set(A, Notify::Normal, Some(Level::Active), None, "newest").unwrap();
        assert_eq!(table.observe(A, Notify::Normal, "newest"), Level::Off);
        // From passive to active a change that waits is kept.
        let mut table = watching(Level::Passive);
        table.observe(A, Notify::Normal, "new");
        table.set(A, Notify::Normal, Some(Level::Active), None, "new").unwrap();
        assert_eq!(table.observe(A, Notify::Normal, "new"), Level::Active);
    }

    #[test]
    fn the_table_is_bounded_and_damage_to_its_file_stays_local() {
        let mut table = Table::default();
        for n in 0..MAX_ROWS {
            table.set(&format!("Device.{n}"), Notify::Normal, Some(Level::Passive), None, "").unwrap();
        }
        let refused = table.set("Device.more", Notify::Normal, Some(Level::Passive), None, "");
        assert_eq!(refused.unwrap_err().code, 9004);
        assert!(table.set("Device.0", Notify::Normal, Some(Level::Active), None, "").is_ok());
        let tree = Tree::map([
            ("Device.Bad", Tree::from("7 - -")),
            ("Device.Odd", Tree::from("")),
            ("Device.List", Tree::List(vec![])),
            ("Device.Good", Tree::from("2 0 00000000000000ff")),
        ]);
        let table = Table::from_tree(&tree);
        assert_eq!(table.watched().collect::<Vec<_>>(), [("Device.Good", Level::Active)]);
        assert_eq!(table.to_tree(), Tree::map([("Device.Good", Tree::from("2 0 00000000000000ff"))]));
    }
}
