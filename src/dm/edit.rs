//! A change to a source by its meaning: what a plan consists of, what the journal records and what is undone.
//!
//! Sources that can be written have the shape of a UCI package (see [`super::tree`]): sections by name, each with
//! `.type` and options. How an edit becomes text is the platform's business.

use super::tree::Tree;

/// One change to one section of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The source's key, such as `uci:network` or `agent:state`.
    pub source: Box<str>,
    /// The section, by its key in the source's tree; for an anonymous one the generated name of this reading.
    pub section: Box<str>,
    /// What happens to it.
    pub change: Change,
}

/// What happens to a section. Each change knows what it replaces, so that it can be checked and undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new, empty, named section of type `kind` behind all others.
    Add {
        /// The section's type.
        kind: Box<str>,
    },
    /// The whole section goes.
    Remove {
        /// What it was, to bring back.
        old: Tree,
    },
    /// `option` becomes `new` (a text or a list of texts) or goes (`None`).
    Set {
        /// The option's name.
        option: Box<str>,
        /// What it was.
        old: Option<Tree>,
        /// What it becomes.
        new: Option<Tree>,
    },
    /// The section gets the name `to`; an anonymous one becomes named.
    Rename {
        /// The new name.
        to: Box<str>,
    },
    /// The section goes to place `to` among all sections, counted from 0 after it was taken out.
    Move {
        /// Its old place.
        from: usize,
        /// Its new place.
        to: usize,
    },
}

/// Why an edit does not fit the tree: somebody changed it after the plan was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict(pub String);

impl Edit {
    /// Applies the edit to the tree of its source.
    ///
    /// Refuses, without effect, where the tree is not what the edit was planned on: the section is missing or
    /// already there, or the option's value is another than `old`.
    pub fn apply(&self, tree: &mut Tree) -> Result<(), Conflict> {
        let conflict = |what: &str| Err(Conflict(format!("{} {}: {what}", self.source, self.section)));
        let Tree::Map(sections) = tree else {
            return conflict("not a package");
        };
        let place = sections.iter().position(|(name, _)| *name == self.section);
        match (&self.change, place) {
            (Change::Add { kind }, None) => {
                sections.push((self.section.clone(), Tree::map([(".type", Tree::Text(kind.clone()))])));
                Ok(())
            }
            (Change::Add { .. }, Some(_)) => conflict("section exists"),
            (_, None) => conflict("section is gone"),
            (Change::Remove { old }, Some(at)) => {
                if !sections.get(at).is_some_and(|(_, tree)| same(tree, old)) {
                    return conflict("section changed");
                }
                sections.remove(at);
                Ok(())
            }
            (Change::Set { option, old, new }, Some(at)) => {
                let Some((_, section)) = sections.get_mut(at) else { return conflict("section is gone") };
                if section.get(option) != old.as_ref() {
                    return conflict(&format!("option {option} changed"));
                }
                match new {
                    Some(value) => section.set(option, value.clone()),
                    None => drop(section.remove(option)),
                }
                Ok(())
            }
            (Change::Rename { to }, Some(at)) => {
                if sections.iter().any(|(name, _)| name == to) {
                    return conflict(&format!("section {to} exists"));
                }
                if let Some((name, section)) = sections.get_mut(at) {
                    *name = to.clone();
                    section.remove(".anonymous");
                }
                Ok(())
            }
            (Change::Move { from, to }, Some(at)) => {
                if *from != at || *to >= sections.len() {
                    return conflict("sections moved");
                }
                let section = sections.remove(at);
                sections.insert(*to, section);
                Ok(())
            }
        }
    }
}

/// Whether two sections have the same options, in whatever order.
fn same(one: &Tree, other: &Tree) -> bool {
    one.entries().len() == other.entries().len()
        && one.entries().iter().all(|(option, value)| other.get(option) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package() -> Tree {
        Tree::map([
            ("lan", Tree::map([(".type", "interface".into()), ("proto", "static".into())])),
            ("cfg02dead", Tree::map([(".type", "route".into()), (".anonymous", "1".into())])),
        ])
    }

    fn edit(section: &str, change: Change) -> Edit {
        Edit { source: "uci:network".into(), section: section.into(), change }
    }

    #[test]
    fn an_edit_applies_only_to_the_tree_it_was_planned_on() {
        let set = |old: Option<&str>, new: Option<&str>| Change::Set {
            option: "proto".into(),
            old: old.map(Tree::from),
            new: new.map(Tree::from),
        };
        for (what, fits) in [
            (edit("lan", set(Some("static"), Some("none"))), true),
            (edit("lan", set(Some("static"), None)), true),
            (edit("lan", set(Some("dhcp"), Some("none"))), false),
            (edit("lan", set(None, Some("none"))), false),
            (edit("wan", set(None, Some("none"))), false),
            (edit("wan", Change::Add { kind: "interface".into() }), true),
            (edit("lan", Change::Add { kind: "interface".into() }), false),
            (edit("cfg02dead", Change::Rename { to: "lan".into() }), false),
            (edit("cfg02dead", Change::Rename { to: "r1".into() }), true),
            (edit("cfg02dead", Change::Move { from: 1, to: 0 }), true),
            (edit("cfg02dead", Change::Move { from: 0, to: 1 }), false),
            (edit("cfg02dead", Change::Move { from: 1, to: 2 }), false),
            (edit("lan", Change::Remove { old: Tree::map([(".type", Tree::from("interface"))]) }), false),
            (
                edit(
                    "lan",
                    Change::Remove {
                        old: Tree::map([("proto", Tree::from("static")), (".type", "interface".into())]),
                    },
                ),
                true,
            ),
        ] {
            let (before, mut after) = (package(), package());
            assert_eq!(what.apply(&mut after).is_ok(), fits, "{what:?}");
            assert_eq!(before == after, !fits, "{what:?}");
        }
    }

    #[test]
    fn a_renamed_section_is_no_longer_anonymous() {
        let mut tree = package();
        edit("cfg02dead", Change::Rename { to: "r1".into() }).apply(&mut tree).expect("fits");
        assert_eq!(tree.get("r1"), Some(&Tree::map([(".type", Tree::from("route"))])));
    }
}
