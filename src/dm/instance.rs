//! Instance numbers and aliases: given once, never used again, kept over reboots.
//!
//! OpenWrt has no instance numbers, so each table remembers which number the row of which key has. Allocation is
//! an effect of reading: whoever tells a number must first persist what [`Instances::take_dirty`] reports. Rows
//! that come and go by themselves take theirs from memory, above a mark that is persisted in steps.

use super::tree::Tree;
use crate::sorted::Map;

/// Most rows remembered for one table.
pub const MAX_ROWS: usize = 4096;
/// How far the persisted mark of a volatile table runs ahead, so that flash is written once per so many rows.
pub const MARK_STEP: u32 = 256;

/// The type of the sections that numbers are kept in, and the beginning of their names.
pub const KIND: &str = "numbers";
/// The option of such a section that holds the highest number ever given.
pub const HIGH: &str = "high";

/// What is remembered of one table, by its path with the parents' numbers (`Device.IP.Interface.1.IPv4Address.`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Table {
    /// The number the next new row gets.
    next: u32,
    /// For volatile tables: numbers below this may have been used before the last start.
    mark: u32,
    rows: Map<Box<str>, Given>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Given {
    number: u32,
    alias: Option<Box<str>>,
    volatile: bool,
}

/// The numbers and aliases of every table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instances {
    tables: Map<Box<str>, Table>,
    dirty: bool,
    /// By table, the first number given and the mark as it was, since all was last known to be kept.
    fresh: Map<Box<str>, (u32, u32)>,
}

impl Instances {
    /// The number of the row `key` of `table`, given now if it has none. `None` when the table is full.
    pub fn number(&mut self, table: &str, key: &str, volatile: bool) -> Option<u32> {
        if let Some(given) = self.tables.get(table).and_then(|known| known.rows.get(key)) {
            return Some(given.number);
        }
        let known = self.tables.entry(table.into()).or_default();
        if known.rows.len() >= MAX_ROWS {
            // A volatile table forgets the rows that it gave longest ago; a configured one is full.
            let oldest = known.rows.iter().filter(|(_, g)| g.volatile).min_by_key(|(_, g)| g.number);
            let oldest = oldest.map(|(key, _)| key.clone())?;
            known.rows.remove(&oldest);
        }
        let number = known.next.max(1);
        known.next = number.checked_add(1)?;
        if !volatile || number >= known.mark {
            self.fresh.entry(table.into()).or_insert((number, known.mark));
        }
        known.rows.insert(key.into(), Given { number, alias: None, volatile });
        if !volatile {
            self.dirty = true;
        } else if number >= known.mark {
            known.mark = number.saturating_add(MARK_STEP);
            self.dirty = true;
        }
        Some(number)
    }

    /// The number the next new row of `table` will get.
    pub fn next(&self, table: &str) -> u32 {
        self.tables.get(table).map_or(1, |known| known.next.max(1))
    }

    /// The number of a row that has one already.
    pub fn known(&self, table: &str, key: &str) -> Option<u32> {
        Some(self.tables.get(table)?.rows.get(key)?.number)
    }

    /// The alias of a row: the one it was given, else `cpe-<number>`.
    pub fn alias(&self, table: &str, key: &str, number: u32) -> String {
        let given =
            self.tables.get(table).and_then(|known| known.rows.get(key)).and_then(|row| row.alias.as_deref());
        given.map_or_else(|| format!("cpe-{number}"), str::to_string)
    }

    /// Gives a row an alias. Does nothing for a row without a number.
    pub fn set_alias(&mut self, table: &str, key: &str, alias: &str) {
        if let Some(row) = self.tables.get_mut(table).and_then(|known| known.rows.get_mut(key)) {
            row.alias = Some(alias.into());
            // A row somebody named is no longer forgotten.
            row.volatile = false;
            self.dirty = true;
        }
    }

    /// The row `from` is now identified by `to`; number and alias go with it.
    pub fn rebind(&mut self, table: &str, from: &str, to: &str) {
        if let Some(known) = self.tables.get_mut(table)
            && let Some(row) = known.rows.remove(from)
        {
            known.rows.insert(to.into(), row);
            self.dirty = true;
        }
    }

    /// Forgets a deleted row and every table below it. Its number is not used again.
    pub fn forget(&mut self, table: &str, key: &str) {
        let Some(known) = self.tables.get_mut(table) else { return };
        if let Some(row) = known.rows.remove(key) {
            let below = format!("{table}{}.", row.number);
            self.tables.retain(|path, _| !path.starts_with(&below));
            self.dirty = true;
        }
    }

    /// The keys known for a table, with their numbers.
    pub fn keys(&self, table: &str) -> Vec<(String, u32)> {
        let known = self.tables.get(table);
        known.into_iter().flat_map(|t| &t.rows).map(|(key, row)| (key.to_string(), row.number)).collect()
    }

    /// Whether anything changed that must be persisted before a number is told; asks once.
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    /// All numbers given so far are kept.
    pub fn kept(&mut self) {
        if !self.dirty {
            self.fresh.clear();
        }
    }

    /// Takes back the numbers given since [`Instances::kept`], which could not be: their rows get other ones when they
    /// are met again.
    pub fn take_back(&mut self) {
        for (path, (first, mark)) in std::mem::take(&mut self.fresh) {
            if let Some(known) = self.tables.get_mut(&path) {
                known.rows.retain(|_, row| row.number < first);
                known.mark = mark;
            }
        }
        self.dirty = false;
    }

    /// Has configured rows the numbers and aliases of `kept`, which came from the store; rows that come and go by
    /// themselves keep theirs.
    pub fn restore(&mut self, mut kept: Instances) {
        for (path, mut known) in std::mem::take(&mut self.tables) {
            known.rows.retain(|_, row| row.volatile);
            let restored = kept.tables.entry(path).or_default();
            restored.next = restored.next.max(known.next);
            restored.mark = restored.mark.max(known.mark);
            restored.rows.extend(known.rows);
        }
        *self = kept;
    }

    /// What is to be persisted: per table a section of [`KIND`] with the mark (`high`) and, as `k:KEY`, the number
    /// and alias of each row. Volatile rows are left out.
    pub fn sections(&self) -> impl Iterator<Item = (String, Tree)> + '_ {
        self.tables.iter().filter_map(|(path, known)| {
            let high = known.next.max(known.mark).saturating_sub(1);
            let mut section = vec![(".type", Tree::from(KIND)), (HIGH, Tree::from(high.to_string()))];
            let rows: Vec<(String, Tree)> = known
                .rows
                .iter()
                .filter(|(_, row)| !row.volatile)
                .map(|(key, row)| {
                    let mut fields = vec![Tree::from(row.number.to_string())];
                    fields.extend(row.alias.as_deref().map(Tree::from));
                    (format!("k:{key}"), Tree::List(fields))
                })
                .collect();
            section.extend(rows.iter().map(|(key, row)| (key.as_str(), row.clone())));
            (high > 0).then(|| (format!("{KIND}:{path}"), Tree::map(section)))
        })
    }

    /// Reads back what [`Instances::sections`] gave, out of the tree of a store; what makes no sense is left out.
    pub fn from_store(store: &Tree) -> Instances {
        let mut tables = Map::new();
        for (name, section) in store.entries() {
            let Some(path) = name.strip_prefix(KIND).and_then(|rest| rest.strip_prefix(':')) else {
                continue;
            };
            let high: u32 = section.str(HIGH).and_then(|high| high.parse().ok()).unwrap_or(0);
            let next = high.saturating_add(1);
            let mut known = Table { next, mark: next, rows: Map::new() };
            for (option, row) in section.entries().iter().take(MAX_ROWS + 2) {
                let Some(key) = option.strip_prefix("k:") else { continue };
                let mut fields = row.items().iter().filter_map(Tree::as_str);
                let Some(number) = fields.next().and_then(|number| number.parse::<u32>().ok()) else {
                    continue;
                };
                known.next = known.next.max(number.saturating_add(1));
                known.rows.insert(
                    key.into(),
                    Given { number, alias: fields.next().map(Into::into), volatile: false },
                );
            }
            tables.insert(path.into(), known);
        }
        Instances { tables, ..Instances::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_could_not_be_kept_are_taken_back_and_never_given_again() {
        let mut numbers = Instances::default();
        assert_eq!((numbers.number("T.", "a", false), numbers.take_dirty()), (Some(1), true));
        numbers.kept();
        numbers.number("T.", "b", false);
        numbers.number("V.", "x", true);
        assert!(numbers.take_dirty());
        numbers.take_back();
        assert_eq!((numbers.known("T.", "a"), numbers.known("T.", "b")), (Some(1), None));
        assert!(!numbers.take_dirty());
        assert_eq!((numbers.number("T.", "b", false), numbers.take_dirty()), (Some(3), true));
        assert_eq!(
            (numbers.number("V.", "x", true), numbers.take_dirty()),
            (Some(2), true),
            "the mark as well"
        );
    }

    fn again(instances: &Instances) -> Instances {
        Instances::from_store(&Tree::map(instances.sections()))
    }

    #[test]
    fn a_number_is_given_once_and_never_again() {
        let mut instances = Instances::default();
        assert_eq!(instances.number("T.", "a", false), Some(1));
        assert_eq!(instances.number("T.", "b", false), Some(2));
        assert_eq!(instances.number("T.", "a", false), Some(1));
        assert!(instances.take_dirty());
        instances.forget("T.", "b");
        let mut again = again(&instances);
        assert_eq!(again.number("T.", "c", false), Some(3), "b's number is not used again");
        assert_eq!(again.number("T.", "a", false), Some(1));
    }

    #[test]
    fn volatile_rows_cost_a_write_per_step_and_stay_above_it_after_a_restart() {
        let mut instances = Instances::default();
        let mut writes = 0;
        for n in 0..600 {
            instances.number("T.", &format!("k{n}"), true);
            writes += u32::from(instances.take_dirty());
        }
        assert_eq!(writes, 3);
        let mut again = again(&instances);
        assert!(again.number("T.", "k1", true) > Some(600));
    }

    #[test]
    fn a_rebound_row_keeps_number_and_alias() {
        let mut instances = Instances::default();
        instances.number("T.", "a", false);
        instances.set_alias("T.", "a", "office");
        instances.rebind("T.", "a", "b");
        assert_eq!(instances.known("T.", "a"), None);
        assert_eq!(instances.alias("T.", "b", 1), "office");
        let again = again(&instances);
        assert_eq!(again.alias("T.", "b", 1), "office");
    }

    #[test]
    fn what_lies_below_a_deleted_row_is_forgotten_with_it() {
        let mut instances = Instances::default();
        instances.number("T.", "a", false);
        instances.number("T.1.U.", "x", false);
        instances.forget("T.", "a");
        assert_eq!(instances.known("T.1.U.", "x"), None);
    }
}
