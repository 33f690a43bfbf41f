//! UCI: the text of `/etc/config` files, what is staged beside them, and edits that leave all else as it was.
//!
//! Owns the file format as the stock tools read and write it. Reads and writes no file itself: callers hand in
//! bytes and take bytes. Locks, renames and announcements are the business of whoever commits.
//!
//! | module | owns |
//! |---|---|
//! | [`parse`] | bytes to a document that knows where each command stands |
//! | [`export`] | what the stock tool prints and commits |
//! | [`delta`] | changes staged by others |
//! | [`tree`](mod@tree) | a document as [`crate::dm::tree::Tree`], names of anonymous sections |

pub mod delta;
pub mod export;
pub mod parse;
pub mod tree;

#[cfg(test)]
mod vectors;

pub use delta::{Change, Delta};
pub use parse::{File, Mode, ParseError, Reason, parse};
pub use tree::{Opt, Package, Section, Value};
