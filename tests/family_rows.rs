//! Rows that a manager adds and deletes: what waits, what each step writes, and what is refused.
#![cfg(feature = "cwmp")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod common;

//= TR-069 A.3.2.6: the number never changes and is not used again; a row starts at its defaults.
#[test]
fn rows_are_added_filled_switched_and_deleted_as_reviewed() {
    common::story::stories("rows");
}
