//! A package as the tree every source gives, and the names libuci makes up for anonymous sections.
//!
//! Owns the correspondence of documents and trees. Driven by readers of `uci:` sources and by `edit`.

use crate::dm::tree::Tree;

use super::parse::{File, MAX_OPTIONS};

/// The key of a section's type in its map.
pub const TYPE: &str = ".type";
/// The key that marks a section without a name of its own; its value is `1`.
pub const ANONYMOUS: &str = ".anonymous";

/// What a package says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// Sections in order of their first appearance.
    pub sections: Vec<Section>,
}

/// A section: one or several `config` commands of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The name, generated for an anonymous section.
    pub name: Box<str>,
    /// The type.
    pub kind: Box<str>,
    /// Has no name in the file.
    pub anonymous: bool,
    /// Options in order of their first appearance.
    pub options: Vec<Opt>,
}

/// An option and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opt {
    /// The name.
    pub name: Box<str>,
    /// The value.
    pub value: Value,
}

/// The bytes of a value; mostly UTF-8, but nothing checks that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// From `option`; never empty.
    Text(Vec<u8>),
    /// From `list`; never without items, an item may be empty.
    List(Vec<Vec<u8>>),
}

/// The name of the anonymous section that is the `ordinal`th of all sections, from 1, and has type `kind`.
///
/// Holds for one reading only: a section more or fewer before it gives it another name.
///
/// Source: OpenWrt libuci, `cfg%02x%04x` of the ordinal and the low half of the type's djb hash.
//= OpenWrt uci: the generated name is the ordinal among all sections and a hash of the type
pub fn generated_name(ordinal: usize, kind: &str) -> String {
    let hash = kind.bytes().fold(5381u32, |hash, byte| hash.wrapping_mul(33).wrapping_add(u32::from(byte)));
    format!("cfg{ordinal:02x}{:04x}", hash & 0xffff)
}

/// Looks like a name that libuci makes up; such a name must not be given to a section.
pub fn is_generated(name: &str) -> bool {
    name.strip_prefix("cfg")
        .is_some_and(|digits| digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Bytes as text; what is not UTF-8 becomes U+FFFD.
pub fn text(bytes: &[u8]) -> Box<str> {
    String::from_utf8_lossy(bytes).into()
}

/// As [`text`], without a copy where the bytes are UTF-8.
fn owned(bytes: Vec<u8>) -> Box<str> {
    String::from_utf8(bytes).map_or_else(|error| text(error.as_bytes()), String::into_boxed_str)
}

impl Package {
    /// The package as a map of sections in file order, each a map with [`TYPE`], [`ANONYMOUS`] and its options.
    ///
    /// A section whose name an earlier one has already (a name in the form of generated ones, given by hand) gets
    /// `+` behind it: the stock tools never reach it by name either. Bytes that are not UTF-8 become U+FFFD.
    pub fn tree(&self) -> Tree {
        unique_keys(self.sections.iter().map(|section| section.clone().into_entry()).collect())
    }

    /// As [`Package::tree`], of a package that is needed no longer.
    pub fn into_tree(self) -> Tree {
        unique_keys(self.sections.into_iter().map(Section::into_entry).collect())
    }
}

impl Section {
    /// Takes one `option` or `list` command; false if there is no room for another option.
    pub(super) fn put(&mut self, name: Box<str>, list: bool, bytes: Vec<u8>) -> bool {
        let place = self.options.iter_mut().find(|option| option.name == name);
        match (place, list) {
            (Some(Opt { value: Value::List(items), .. }), true) => items.push(bytes),
            (Some(Opt { value: value @ Value::Text(_), .. }), true) => {
                if let Value::Text(first) = std::mem::replace(value, Value::List(Vec::new())) {
                    *value = Value::List(vec![first, bytes]);
                }
            }
            (Some(option), false) => option.value = Value::Text(bytes),
            (None, _) => {
                if self.options.len() >= MAX_OPTIONS {
                    return false;
                }
                let value = if list { Value::List(vec![bytes]) } else { Value::Text(bytes) };
                self.options.push(Opt { name, value });
            }
        }
        true
    }

    /// The section's name and map.
    fn into_entry(self) -> (Box<str>, Tree) {
        let mut entries = Vec::with_capacity(self.options.len() + 1 + usize::from(self.anonymous));
        entries.push((TYPE.into(), Tree::Text(self.kind)));
        if self.anonymous {
            entries.push((ANONYMOUS.into(), "1".into()));
        }
        entries.extend(self.options.into_iter().map(|option| {
            let value = match option.value {
                Value::Text(bytes) => Tree::Text(owned(bytes)),
                Value::List(items) => Tree::List(items.into_iter().map(owned).map(Tree::Text).collect()),
            };
            (option.name, value)
        }));
        (self.name, Tree::Map(entries))
    }
}

impl File<'_> {
    /// The package's tree, see [`Package::tree`].
    pub fn tree(&self) -> Tree {
        self.package.tree()
    }
}

/// The tree with the names that the next reading of it will give its anonymous sections.
pub fn renumbered(tree: Tree) -> Tree {
    match tree {
        Tree::Map(sections) => unique_keys(
            sections
                .into_iter()
                .enumerate()
                .map(|(index, (name, section))| match section.get(ANONYMOUS) {
                    Some(_) => {
                        let kind = section.str(TYPE).unwrap_or_default();
                        (generated_name(index + 1, kind).into(), section)
                    }
                    None => (name, section),
                })
                .collect(),
        ),
        other => other,
    }
}

fn unique_keys(mut sections: Vec<(Box<str>, Tree)>) -> Tree {
    let mut seen = crate::sorted::Set::new();
    for (name, _) in &mut sections {
        while !seen.insert(name.clone()) {
            *name = format!("{name}+").into();
        }
    }
    Tree::Map(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    //= OpenWrt uci: the generated name is the ordinal among all sections and a hash of the type
    #[test]
    fn generated_names_count_all_sections_and_hash_the_type() {
        for (ordinal, kind, name) in [
            (1, "system", "cfg01e48a"),
            (2, "device", "cfg020f15"),
            (5, "foo", "cfg057389"),
            (300, "foo", "cfg12c7389"),
        ] {
            assert_eq!(generated_name(ordinal, kind), name);
            assert!(is_generated(name));
        }
        for name in ["cfg", "cfg0173", "cfgroup", "config_1", "lan"] {
            assert!(!is_generated(name), "{name}");
        }
    }

    #[test]
    fn a_second_section_of_one_name_keeps_a_key_of_its_own() {
        let text = format!("config a {}\nconfig a\n\toption o 1\n", generated_name(2, "a"));
        let tree = super::super::parse(text.as_bytes(), super::super::Mode::Strict).expect("loads").tree();
        let keys: Vec<&str> = tree.entries().iter().map(|(key, _)| &**key).collect();
        assert_eq!(keys, [generated_name(2, "a"), generated_name(2, "a") + "+"]);
        assert_eq!(renumbered(tree.clone()), tree);
    }
}
