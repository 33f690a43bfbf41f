//! What a plan checks of itself: that each written value reads back, and that no row equals another in a unique key.

use super::error::{Error, Refusal};
use super::read::Place;
use super::schema::{Audience, Object, Write};
use super::source::Stop;
use super::view::{Row, View};
use super::write::{Planner, Set, parameter};
use std::rc::Rc;

impl Planner<'_> {
    /// Reads back what was written and checks unique keys; the refusals.
    pub(super) fn verify(&self, view: &View<'_>, sets: &[Set]) -> Result<Vec<Error>, Stop> {
        let mut refused = Vec::new();
        for set in sets.iter().filter(|set| !set.skip && !set.command) {
            let checked = self.read_back(view, set).and_then(|()| self.unique(view, set));
            match checked {
                Ok(()) => {}
                Err(Stop::Wait) => return Err(Stop::Wait),
                Err(Stop::Refused(why)) => refused.push(Error::new(set.asked.clone(), why)),
            }
        }
        Ok(refused)
    }

    fn read_back(&self, view: &View<'_>, set: &Set) -> Result<(), Stop> {
        let (place, at) = parameter(view, &set.path)?;
        let param = view.param(&place, at)?;
        let read = view.raw(&place, param)?;
        if *read == *set.value
            || (param.flags.is_secret() && self.sealed.contains(&set.path))
            || (param.syntax.lists > 0 && same_items(&read, &set.value))
            || (read.starts_with("Device.") && same_items(&read, &numbered(view, &set.value)?))
        {
            return Ok(());
        }
        let shown =
            if param.flags.is_secret() { String::new() } else { format!("; it would read back as {read:?}") };
        Err(Refusal::OutOfRange { allowed: format!("what the router can hold{shown}") }.into())
    }

    /// Refuses a value that makes its row equal to another enabled row in a unique key.
    fn unique<'s>(&self, view: &View<'s>, set: &Set) -> Result<(), Stop> {
        let (place, at) = parameter(view, &set.path)?;
        let object = view.model.object(place.object)?;
        let Some(row) = place.row.as_ref().filter(|_| object.is_table()) else { return Ok(()) };
        let name = view.param(&place, at)?.name;
        let enabled = |row: &Rc<Row<'s>>| -> Result<bool, Stop> {
            let flag = match object.enable {
                Some(enable) => values(view, object, &[enable], row)?,
                None => None,
            };
            Ok(flag.is_none_or(|flag| flag.iter().all(|flag| flag != "false")))
        };
        let functional = object.unique.iter().map(|key| (*key, false));
        for (key, always) in functional.chain(object.keys.iter().map(|key| (*key, true))) {
            let names: Vec<&str> = key.split(',').collect();
            //= TR-369 R-KEY.2: a functional key may change but stays unique.
            let always = always || view.snapshot.audience == Audience::Usp && names.contains(&name);
            if (!names.contains(&name) && object.enable != Some(name)) || !(always || enabled(row)?) {
                continue;
            }
            let Some(mine) = values(view, object, &names, row)? else { continue };
            // What the router alone decides and does not know yet (the BSSID of a radio that is off) tells no rows apart.
            let given =
                |name: &str| object.param(name).is_some_and(|(_, param)| matches!(param.write, Write::No));
            if names.iter().zip(&mine).any(|(name, value)| value.is_empty() && given(name)) {
                continue;
            }
            for other in view.rows(row.object, row.parent.as_ref())?.iter() {
                if other.number != row.number
                    && (always || enabled(other)?)
                    && values(view, object, &names, other)?.as_ref() == Some(&mine)
                {
                    return Err(Refusal::Duplicate(other.path.to_string()).into());
                }
            }
        }
        Ok(())
    }
}

/// The values of some parameters of a row; nothing if the object lacks one of them.
fn values<'s>(
    view: &View<'s>,
    object: &Object,
    names: &[&str],
    row: &Rc<Row<'s>>,
) -> Result<Option<Vec<String>>, Stop> {
    let place = Place::of(row);
    let mut out = Vec::new();
    for name in names {
        let Some((at, _)) = object.param(name) else { return Ok(None) };
        out.push(view.value(&place, at)?.into_owned());
    }
    Ok(Some(out))
}

/// A written parameter and its value as it came to be: a list may be in the source's order.
pub(super) fn told(view: &View<'_>, set: &Set) -> Result<(String, String), Stop> {
    if set.skip || set.command {
        return Ok((set.path.clone(), set.value.clone()));
    }
    let (place, at) = parameter(view, &set.path)?;
    let value = view.raw(&place, view.param(&place, at)?)?;
    Ok((set.path.clone(), value.into_owned()))
}

/// Whether two comma lists hold the same items: a source may keep them in an order of its own.
///
/// The dot that may end a path does not count.
fn same_items(a: &str, b: &str) -> bool {
    let sorted = |text: &str| {
        let mut items: Vec<String> = text
            .split(',')
            .map(|item| match item.strip_suffix('.') {
                Some(path) if path.starts_with("Device.") => path.to_string(),
                Some(_) | None => item.to_string(),
            })
            .collect();
        items.sort_unstable();
        items
    };
    sorted(a) == sorted(b)
}

/// A list of references with numbers in the place of keys; any other text as it is.
fn numbered(view: &View<'_>, value: &str) -> Result<String, Stop> {
    if !value.contains('[') {
        return Ok(value.to_string());
    }
    let items: Result<Vec<String>, Stop> =
        value.split(',').map(|item| Ok(view.keyed(item)?.unwrap_or_else(|| item.to_string()))).collect();
    Ok(items?.join(","))
}
