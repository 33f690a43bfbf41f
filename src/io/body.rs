//! A long list as the body of a request: rows are made again as the connection takes them.

use super::http::body::Body;
use crate::agent::cwmp::rendering::{Item, Rendering};
use crate::cwmp::rpc::{ParameterAttribute, ParameterInfo, ParameterValue};
use crate::cwmp::soap::writer::{Filled, List, Listing};
use std::io;

/// Octets made at a time.
const PIECE: usize = 16 * 1024;

/// The body.
pub struct ListingBody {
    listing: Listing,
    rows: Rendering,
    /// The piece that is being made.
    text: String,
    done: bool,
}

impl ListingBody {
    /// The body of `listing`, its rows taken from `rows`.
    pub fn new(listing: Listing, rows: Rendering) -> ListingBody {
        ListingBody { listing, rows, text: String::new(), done: false }
    }
}

impl Body for ListingBody {
    fn length(&self) -> u64 {
        self.listing.content_length()
    }

    fn rewind(&mut self) {
        self.listing.rewind();
        self.rows.rewind();
        self.done = false;
    }

    fn piece(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        if self.done {
            return Ok(false);
        }
        let (rows, text) = (&mut self.rows, &mut self.text);
        text.clear();
        text.reserve(PIECE + PIECE / 8);
        let filled = match self.listing.listed().list {
            List::Names => self.listing.fill(&mut std::iter::from_fn(|| name(rows)), PIECE, text),
            List::Values => self.listing.fill(&mut std::iter::from_fn(|| value(rows)), PIECE, text),
            List::Attributes => self.listing.fill(&mut std::iter::from_fn(|| attribute(rows)), PIECE, text),
        };
        out.extend_from_slice(text.as_bytes());
        match filled {
            Filled::More => {}
            Filled::Done => self.done = true,
            Filled::Changed => return Err(io::Error::other("the list changed while it was sent")),
        }
        Ok(true)
    }
}

fn name(rows: &mut Rendering) -> Option<ParameterInfo> {
    match rows.item()? {
        Item::Name(row) => Some(row),
        Item::Value(_) | Item::Attribute(_) => None,
    }
}

fn value(rows: &mut Rendering) -> Option<ParameterValue> {
    match rows.item()? {
        Item::Value(row) => Some(row),
        Item::Name(_) | Item::Attribute(_) => None,
    }
}

fn attribute(rows: &mut Rendering) -> Option<ParameterAttribute> {
    match rows.item()? {
        Item::Attribute(row) => Some(row),
        Item::Name(_) | Item::Value(_) => None,
    }
}
