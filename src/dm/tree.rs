//! What every source gives: a tree of text, lists and maps.
//!
//! A UCI package is a map of sections in file order; a section is a map with `.type` (text), `.anonymous`
//! (`1` where it has no name in the file) and its options, each text or a list of texts. A ubus reply, a
//! netlink dump and a JSON file keep their shape; numbers and booleans become their JSON text, `null` is left
//! out. A plain file is its text.

use std::fmt;

/// A tree of text, lists and maps. Maps keep their order.
#[derive(Clone, PartialEq, Eq)]
pub enum Tree {
    /// A scalar.
    Text(Box<str>),
    /// Items in order.
    List(Vec<Tree>),
    /// Entries in order, each key once.
    Map(Vec<(Box<str>, Tree)>),
}

impl Tree {
    /// A scalar.
    pub fn text(text: impl Into<Box<str>>) -> Tree {
        Tree::Text(text.into())
    }

    /// A map from pairs; a later pair replaces an earlier one of the same key.
    pub fn map<K: Into<Box<str>>>(pairs: impl IntoIterator<Item = (K, Tree)>) -> Tree {
        let pairs = pairs.into_iter();
        let mut entries: Vec<(Box<str>, Tree)> = Vec::with_capacity(pairs.size_hint().0);
        for (key, value) in pairs {
            let key = key.into();
            match entries.iter_mut().find(|(known, _)| *known == key) {
                Some((_, old)) => *old = value,
                None => entries.push((key, value)),
            }
        }
        // Trees are what most memory goes into while a long answer is read.
        entries.shrink_to_fit();
        Tree::Map(entries)
    }

    /// The scalar's text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Tree::Text(text) => Some(text),
            Tree::List(_) | Tree::Map(_) => None,
        }
    }

    /// The entry `key` of a map.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        match self {
            Tree::Map(entries) => entries.iter().find(|(k, _)| &**k == key).map(|(_, v)| v),
            Tree::Text(_) | Tree::List(_) => None,
        }
    }

    /// The text of the entry `key` of a map.
    pub fn str(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }

    /// The entry `key` of a map, to change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Tree> {
        match self {
            Tree::Map(entries) => entries.iter_mut().find(|(k, _)| &**k == key).map(|(_, v)| v),
            Tree::Text(_) | Tree::List(_) => None,
        }
    }

    /// Puts `value` at `key`, in place of an old one or at the end. Does nothing to what is not a map.
    pub fn set(&mut self, key: &str, value: Tree) {
        if let Tree::Map(entries) = self {
            match entries.iter_mut().find(|(k, _)| &**k == key) {
                Some((_, old)) => *old = value,
                None => entries.push((key.into(), value)),
            }
        }
    }

    /// Takes the entry `key` out of a map.
    pub fn remove(&mut self, key: &str) -> Option<Tree> {
        match self {
            Tree::Map(entries) => {
                let at = entries.iter().position(|(k, _)| &**k == key)?;
                Some(entries.remove(at).1)
            }
            Tree::Text(_) | Tree::List(_) => None,
        }
    }

    /// The items of a list; none for anything else.
    pub fn items(&self) -> &[Tree] {
        match self {
            Tree::List(items) => items,
            Tree::Text(_) | Tree::Map(_) => &[],
        }
    }

    /// The entries of a map in order; none for anything else.
    pub fn entries(&self) -> &[(Box<str>, Tree)] {
        match self {
            Tree::Map(entries) => entries,
            Tree::Text(_) | Tree::List(_) => &[],
        }
    }
}

impl From<&str> for Tree {
    fn from(text: &str) -> Tree {
        Tree::Text(text.into())
    }
}

impl From<String> for Tree {
    fn from(text: String) -> Tree {
        Tree::Text(text.into())
    }
}

/// Prints as compact JSON-like text, which keeps assertions readable.
impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tree::Text(text) => write!(f, "{text:?}"),
            Tree::List(items) => f.debug_list().entries(items).finish(),
            Tree::Map(entries) => f.debug_map().entries(entries.iter().map(|(k, v)| (k, v))).finish(),
        }
    }
}
