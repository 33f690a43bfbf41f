//! Addresses, masks and lists as UCI writes them, for all families.

use crate::dm::tree::Tree;

/// A list of words in the form that was found: a list, or words in one text; nothing for no words.
///
/// What was not there becomes a list, except one word where a list was never.
pub fn refit(old: Option<&Tree>, words: &[&str]) -> Option<Tree> {
    if words.is_empty() {
        return None;
    }
    Some(match old {
        Some(Tree::Text(_)) => Tree::from(words.join(" ")),
        Some(Tree::List(_) | Tree::Map(_)) | None => {
            Tree::List(words.iter().map(|word| Tree::from(*word)).collect())
        }
    })
}

/// The length of a dotted mask; nothing for one with holes.
pub fn prefix_length(mask: &str) -> Option<u32> {
    let bits = u32::from(mask.parse::<std::net::Ipv4Addr>().ok()?);
    (bits.leading_ones() + bits.trailing_zeros() >= 32).then(|| bits.leading_ones())
}
