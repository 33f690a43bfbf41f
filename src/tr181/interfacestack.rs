//! Device.InterfaceStack.: the aliases of the two rows of a pair.

use crate::dm::schema::Value;
use crate::dm::view::At;
use std::borrow::Cow;

/// The alias of the higher row.
pub fn higher_alias<'s>(at: &At<'_, 's>) -> Value<'s> {
    alias(at, "higher")
}

/// The alias of the lower row.
pub fn lower_alias<'s>(at: &At<'_, 's>) -> Value<'s> {
    alias(at, "lower")
}

fn alias<'s>(at: &At<'_, 's>, side: &str) -> Value<'s> {
    let Some((table, name)) = at.field(side).and_then(|text| text.split_once(' ')) else { return Ok(None) };
    let Some(path) = at.view.path_of(table, name)? else { return Ok(None) };
    match at.view.row_at(table, &path)? {
        Some(row) => Ok(Some(Cow::Owned(at.view.alias(&row)?))),
        None => Ok(None),
    }
}
