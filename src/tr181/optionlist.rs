//! Rows that are items of a list option, such as `list sendopts '77:6370'`: how they are read and written back.
//!
//! An item that is switched off moves to a shadow option `cpe_…` of the same section, which stock daemons skip.
//! Items that a family does not understand are no rows and stay as they are. Driven by the families' setters.

use super::network::unfit;
use crate::dm::error::Refusal;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, Bound};
use crate::dm::write::Draft;

/// Most items of one list that become rows.
pub const MAX_ITEMS: usize = 256;

/// One item of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What identifies it: a DHCP tag, an address; `None` for an item that is no row.
    pub name: Option<String>,
    /// What it carries, in the standard's form.
    pub value: String,
    /// Whether it is in use rather than in the shadow.
    pub on: bool,
    /// The text it was read from; `None` once it was changed.
    pub text: Option<String>,
}

/// The rows of a list: a map by key, each with `name`, `value`, `on`, `order` and its `place` in the list.
pub fn rows(items: &[Item]) -> Tree {
    let mut rows = Tree::Map(Vec::new());
    let mut order = 0u32;
    for (place, item) in items.iter().enumerate().take(MAX_ITEMS) {
        let Some(name) = &item.name else { continue };
        order += 1;
        let mut key = name.clone();
        let mut twin = 1;
        while rows.get(&key).is_some() {
            twin += 1;
            key = format!("{name}#{twin}");
        }
        rows.set(
            &key,
            Tree::map([
                ("name", Tree::from(name.as_str())),
                ("value", Tree::from(item.value.as_str())),
                ("on", if item.on { "true" } else { "false" }.into()),
                ("order", order.to_string().into()),
                ("place", place.to_string().into()),
            ]),
        );
    }
    rows
}

/// How the items of a kind of list are read from a section and written to it.
pub struct Kind {
    /// Every item of the section, those in use first.
    pub load: fn(&Tree) -> Vec<Item>,
    /// Makes the section hold these items.
    pub store: fn(&Bound<'_>, &[Item], &mut Draft) -> Result<(), Stop>,
}

impl Kind {
    /// Changes the item that the row stands for. Its number moves with it where its name changes.
    pub fn change(
        &self,
        at: &At<'_, '_>,
        draft: &mut Draft,
        change: impl FnOnce(&mut Vec<Item>, usize) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let (bound, place) = self.place(at)?;
        let mut items = (self.load)(bound.tree);
        let before = names(&items);
        let old = items.get(place).cloned().ok_or_else(gone)?;
        change(&mut items, place)?;
        if items.get(place) == Some(&old) && names(&items) == before {
            return Ok(());
        }
        let after = names(&items);
        let (mut now, mut then) = (after.clone(), before.clone());
        now.sort();
        then.sort();
        // An item that only moved keeps its name, and another stands at its place.
        let renamed = items.get(place).filter(|_| now != then).and_then(|new| new.name.clone());
        (self.store)(bound, &items, draft)?;
        if let (Some(name), Some(row)) = (renamed, at.row) {
            let taken = before.iter().any(|other| other.as_deref() == Some(&name));
            if taken {
                return Err(unfit("what no other row of the table has"));
            }
            let table = at.view.table_path(row.object, row.parent.as_ref())?;
            at.view.instances.borrow_mut().rebind(&table, &row.key, &name);
        }
        Ok(())
    }

    /// Gives the row's item another name.
    pub fn rename(&self, at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
        self.change(at, draft, |items, place| {
            set_name(items, place, value);
            Ok(())
        })
    }

    /// Gives the row's item another value; none where it shows that already.
    pub fn revalue(&self, at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
        if at.field("value") == Some(value) {
            return Ok(());
        }
        self.change(at, draft, |items, place| {
            set_value(items, place, value);
            Ok(())
        })
    }

    /// Switches the row's item on or off. The value that it shows stays, also where it stood for another.
    pub fn switch(&self, at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
        if at.field("on") == Some(value) {
            return Ok(());
        }
        let shown = at.field("value").unwrap_or_default();
        self.change(at, draft, |items, place| {
            set_value(items, place, shown);
            set_on(items, place, value);
            Ok(())
        })
    }

    /// Takes the row's item out.
    pub fn remove(&self, at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
        let (bound, place) = self.place(at)?;
        let mut items = (self.load)(bound.tree);
        if place < items.len() {
            items.remove(place);
        }
        (self.store)(bound, &items, draft)
    }

    /// Adds an item, switched off, to the section that `at`'s row is bound to.
    pub fn add(&self, at: &At<'_, '_>, name: String, value: String, draft: &mut Draft) -> Result<(), Stop> {
        let bound = at.bound()?;
        let mut items = (self.load)(bound.tree);
        if items.len() >= MAX_ITEMS {
            return Err(Refusal::Exhausted("items of one list".into()).into());
        }
        items.push(Item { name: Some(name), value, on: false, text: None });
        (self.store)(bound, &items, draft)
    }

    /// The names in use in the section that `at`'s row is bound to.
    pub fn names(&self, at: &At<'_, '_>) -> Result<Vec<String>, Stop> {
        Ok((self.load)(at.bound()?.tree).into_iter().filter_map(|item| item.name).collect())
    }

    fn place<'a, 's>(&self, at: &At<'a, 's>) -> Result<(&'a Bound<'s>, usize), Stop> {
        let row = at.row.ok_or_else(gone)?;
        let place = row.item.str("place").and_then(|place| place.parse().ok()).ok_or_else(gone)?;
        let parent = row.parent.as_ref().and_then(|parent| parent.section.as_ref());
        Ok((parent.ok_or_else(gone)?, place))
    }
}

fn names(items: &[Item]) -> Vec<Option<String>> {
    items.iter().map(|item| item.name.clone()).collect()
}

fn gone() -> Stop {
    Refusal::Backend("the row has no item".into()).into()
}

/// Switches an item on or off.
fn set_on(items: &mut [Item], place: usize, value: &str) {
    if let Some(item) = items.get_mut(place) {
        item.on = value == "true";
    }
}

/// Gives an item another name.
fn set_name(items: &mut [Item], place: usize, name: &str) {
    if let Some(item) = items.get_mut(place).filter(|item| item.name.as_deref() != Some(name)) {
        item.name = Some(name.to_string());
        item.text = None;
    }
}

/// Gives an item another value.
fn set_value(items: &mut [Item], place: usize, value: &str) {
    if let Some(item) = items.get_mut(place).filter(|item| item.value != value) {
        item.value = value.to_string();
        item.text = None;
    }
}

/// Moves an item to the 1-based place `order` among the rows.
pub fn set_order(items: &mut Vec<Item>, place: usize, order: &str) -> Result<(), Stop> {
    let rows: Vec<usize> =
        items.iter().enumerate().filter(|(_, item)| item.name.is_some()).map(|(at, _)| at).collect();
    let wanted = order.parse::<usize>().ok().and_then(|order| rows.get(order.checked_sub(1)?)).copied();
    let wanted = wanted.ok_or_else(|| unfit("a place among the rows"))?;
    let item = items.remove(place);
    items.insert(wanted, item);
    Ok(())
}

/// The lowest tag of the site-specific range that no row has.
//= RFC 2132 2: tags 128 to 254 were for local use; 224 to 254 still are.
pub fn free_tag(taken: &[String]) -> Result<String, Stop> {
    let free = (224..=254u32).map(|tag| tag.to_string()).find(|tag| !taken.contains(tag));
    free.ok_or_else(|| Refusal::Exhausted("tags for local use".into()).into())
}

/// Writes the texts of a list option, in the form found; no edit where nothing changes.
pub fn put(bound: &Bound<'_>, option: &str, texts: Vec<String>, draft: &mut Draft) -> Result<(), Stop> {
    let old = bound.tree.get(option);
    let new = match old {
        _ if texts.is_empty() => None,
        Some(Tree::Text(_)) if !texts.iter().any(|text| text.contains(' ')) => {
            Some(Tree::from(texts.join(" ")))
        }
        Some(_) | None => Some(Tree::List(texts.into_iter().map(Tree::from).collect())),
    };
    draft.set(&bound.source, bound.name, option, new)
}

/// Bytes as the standard's hexBinary: upper-case digits.
pub fn hex(bytes: &[u8]) -> String {
    crate::digest::hex(bytes).to_ascii_uppercase()
}

/// Hexadecimal digits, with or without colons between them, as bytes.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    //= RFC 2132 2: tags 224 to 254 are free for local use, no others.
    #[test]
    fn a_free_tag_is_the_lowest_of_those_for_local_use() {
        let tags =
            |range: std::ops::RangeInclusive<u32>| range.map(|tag| tag.to_string()).collect::<Vec<_>>();
        for (taken, want) in [
            (vec![], Some("224")),
            (tags(224..=230), Some("231")),
            (tags(225..=254), Some("224")),
            (tags(224..=253), Some("254")),
            (tags(224..=254), None),
        ] {
            assert_eq!(free_tag(&taken).ok().as_deref(), want, "{taken:?}");
        }
    }

    #[test]
    fn hexadecimal_digits_are_read_with_and_without_colons() {
        for (text, want) in [
            ("01ff", Some(vec![1, 255])),
            ("01:FF", Some(vec![1, 255])),
            ("", Some(vec![])),
            ("1", None),
            ("zz", None),
        ] {
            assert_eq!(unhex(text), want, "{text}");
        }
    }

    #[test]
    fn items_of_one_name_are_rows_of_their_own_and_what_is_no_row_is_left_out() {
        let item = |name: Option<&str>| Item {
            name: name.map(str::to_string),
            value: String::new(),
            on: true,
            text: None,
        };
        let rows = rows(&[item(Some("43")), item(None), item(Some("43"))]);
        let keys: Vec<&str> = rows.entries().iter().map(|(key, _)| &**key).collect();
        assert_eq!(keys, ["43", "43#2"]);
        assert_eq!(rows.get("43#2").and_then(|row| row.str("place")), Some("2"));
        assert_eq!(rows.get("43#2").and_then(|row| row.str("order")), Some("2"));
    }
}
