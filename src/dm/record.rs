//! Edits and package-shaped trees as lines of words, the form in which they outlive a power cut.
//!
//! One edit or one entry per line, words escaped by [`crate::sealed`]. Only the shape of a UCI package is carried:
//! sections of texts and lists of texts. Also: what two such trees differ in, as edits. Used by the journal and the state; the files are theirs.

use super::edit::{Change, Edit};
use super::tree::Tree;
use crate::sealed::{push_word, word};
use crate::sorted::Set;

/// The source key of the agent's own state; every other source of an edit is a package, `uci:NAME`.
pub const STATE: &str = "agent:state";
/// The most edits read from one text.
pub const MAX_EDITS: usize = 8_192;
/// The most sections, options and list items read from one text.
pub const MAX_ENTRIES: usize = 65_536;

/// Deeper than a list of texts, or no text written by this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Adds an edit to `out`, as one line or, for a removal, one more per entry of the section.
pub fn write_edit(edit: &Edit, out: &mut String) -> Result<(), Malformed> {
    let mut line = |words: &[&str]| words.iter().for_each(|word| push_word(out, word));
    let (source, section) = (&*edit.source, &*edit.section);
    match &edit.change {
        Change::Add { kind } => line(&["+", source, section, kind]),
        Change::Rename { to } => line(&["@", source, section, to]),
        Change::Move { from, to } => line(&["^", source, section, &from.to_string(), &to.to_string()]),
        Change::Set { option, old, new } => {
            line(&["=", source, section, option]);
            write_value(old.as_ref(), out)?;
            write_value(new.as_ref(), out)?;
        }
        Change::Remove { old } => {
            line(&["-", source, section]);
            out.push('\n');
            return write_entries(old, out);
        }
    }
    out.push('\n');
    Ok(())
}

/// Adds a package to `out`: a line per section and per option.
pub fn write_package(package: &Tree, out: &mut String) -> Result<(), Malformed> {
    for (name, section) in package.entries() {
        push_word(out, "#");
        push_word(out, name);
        out.push('\n');
        write_entries(section, out)?;
    }
    if matches!(package, Tree::Map(_)) { Ok(()) } else { Err(Malformed) }
}

fn write_entries(section: &Tree, out: &mut String) -> Result<(), Malformed> {
    let Tree::Map(entries) = section else { return Err(Malformed) };
    for (option, value) in entries {
        push_word(out, "|");
        push_word(out, option);
        write_value(Some(value), out)?;
        out.push('\n');
    }
    Ok(())
}

fn write_value(value: Option<&Tree>, out: &mut String) -> Result<(), Malformed> {
    match value {
        None => push_word(out, "n"),
        Some(Tree::Text(text)) => {
            push_word(out, "t");
            push_word(out, text);
        }
        Some(Tree::List(items)) => {
            push_word(out, &items.len().to_string());
            for item in items {
                push_word(out, item.as_str().ok_or(Malformed)?);
            }
        }
        Some(Tree::Map(_)) => return Err(Malformed),
    }
    Ok(())
}

/// The edits that lead from one package-shaped tree to another: sections removed, added, options set.
///
/// Order of sections and renames are not looked for.
pub fn difference(source: &str, old: &Tree, new: &Tree) -> Vec<Edit> {
    let edit = |section: &str, change| Edit { source: source.into(), section: section.into(), change };
    let kind = |section: &Tree| section.str(".type").unwrap_or_default().to_string();
    let mut edits = Vec::new();
    for (name, was) in old.entries() {
        if new.get(name).is_none_or(|is| kind(is) != kind(was)) {
            edits.push(edit(name, Change::Remove { old: was.clone() }));
        }
    }
    for (name, is) in new.entries() {
        let was = old.get(name).filter(|was| kind(was) == kind(is));
        if was.is_none() {
            edits.push(edit(name, Change::Add { kind: kind(is).into() }));
        }
        let options = was.iter().flat_map(|was| was.entries()).chain(is.entries()).map(|(option, _)| option);
        for option in options.filter(|option| !option.starts_with('.')).collect::<Set<_>>() {
            let (old, new) = (was.and_then(|was| was.get(option)).cloned(), is.get(option).cloned());
            if old != new {
                edits.push(edit(name, Change::Set { option: option.clone(), old, new }));
            }
        }
    }
    edits
}

/// What a body of lines holds.
#[derive(Debug, Default)]
struct Reader {
    edits: Vec<Edit>,
    package: Vec<(Box<str>, Tree)>,
    entries: usize,
}

/// The edits of a text written by [`write_edit`].
pub fn read_edits(text: &str) -> Result<Vec<Edit>, Malformed> {
    let reader = Reader::read(text)?;
    if reader.package.is_empty() { Ok(reader.edits) } else { Err(Malformed) }
}

/// The package of a text written by [`write_package`].
pub fn read_package(text: &str) -> Result<Tree, Malformed> {
    let reader = Reader::read(text)?;
    if reader.edits.is_empty() { Ok(Tree::Map(reader.package)) } else { Err(Malformed) }
}

impl Reader {
    fn read(text: &str) -> Result<Reader, Malformed> {
        let mut reader = Reader::default();
        for line in text.lines() {
            reader.line(&mut Words(line.split(' '))).ok_or(Malformed)?;
        }
        Ok(reader)
    }

    fn line(&mut self, words: &mut Words<'_>) -> Option<()> {
        match words.next()?.as_str() {
            "#" => {
                self.count(1)?;
                self.package.push((words.next()?.into(), Tree::Map(Vec::new())));
            }
            "|" => {
                let option = words.next()?;
                let value = words.value()??;
                self.count(1 + value.items().len())?;
                self.open_section()?.push((option.into(), value));
            }
            sign => {
                let (source, section) = (words.next()?.into(), words.next()?.into());
                let change = match sign {
                    "+" => Change::Add { kind: words.next()?.into() },
                    "-" => Change::Remove { old: Tree::Map(Vec::new()) },
                    "@" => Change::Rename { to: words.next()?.into() },
                    "^" => {
                        Change::Move { from: words.next()?.parse().ok()?, to: words.next()?.parse().ok()? }
                    }
                    "=" => {
                        let option = words.next()?.into();
                        Change::Set { option, old: words.value()?, new: words.value()? }
                    }
                    _ => return None,
                };
                self.edits.push(Edit { source, section, change });
                (self.edits.len() <= MAX_EDITS).then_some(())?;
            }
        }
        words.0.next().is_none().then_some(())
    }

    fn count(&mut self, entries: usize) -> Option<()> {
        self.entries += entries;
        (self.entries <= MAX_ENTRIES).then_some(())
    }

    /// The section whose entries follow: the last one, or that of a removal.
    fn open_section(&mut self) -> Option<&mut Vec<(Box<str>, Tree)>> {
        let removed = match self.edits.last_mut().map(|edit| &mut edit.change) {
            Some(Change::Remove { old }) => Some(old),
            _ => None,
        };
        match removed.or(self.package.last_mut().map(|(_, section)| section))? {
            Tree::Map(entries) => Some(entries),
            Tree::Text(_) | Tree::List(_) => None,
        }
    }
}

struct Words<'a>(std::str::Split<'a, char>);

impl Words<'_> {
    fn next(&mut self) -> Option<String> {
        word(self.0.next()?)
    }

    fn value(&mut self) -> Option<Option<Tree>> {
        Some(match self.next()?.as_str() {
            "n" => None,
            "t" => Some(Tree::text(self.next()?)),
            count => {
                let count: usize = count.parse().ok().filter(|count| *count <= MAX_ENTRIES)?;
                let items = (0..count).map(|_| self.next().map(Tree::text)).collect::<Option<_>>()?;
                Some(Tree::List(items))
            }
        })
    }
}

/// Edits, sections and values of every shape, for property tests here and in the journal.
#[cfg(test)]
pub(crate) mod any {
    use super::*;
    use proptest::prelude::*;

    /// A text or a list of texts.
    pub fn value() -> impl Strategy<Value = Tree> {
        let text = prop_oneof!["[ -~\n\\\\]{0,8}", any::<String>()];
        prop_oneof![
            text.clone().prop_map(Tree::from),
            prop::collection::vec(text.prop_map(Tree::from), 0..4).prop_map(Tree::List),
        ]
    }

    /// A section.
    pub fn section() -> impl Strategy<Value = Tree> {
        prop::collection::vec(("[a-z.]{1,6}", value()), 0..4).prop_map(Tree::map)
    }

    /// An edit.
    pub fn edit() -> impl Strategy<Value = Edit> {
        let change = prop_oneof![
            "[a-z-]{1,6}".prop_map(|kind| Change::Add { kind: kind.into() }),
            section().prop_map(|old| Change::Remove { old }),
            ("[a-z]{1,6}", prop::option::of(value()), prop::option::of(value()))
                .prop_map(|(option, old, new)| Change::Set { option: option.into(), old, new }),
            "[a-z]{0,6}".prop_map(|to| Change::Rename { to: to.into() }),
            (0..99usize, 0..99usize).prop_map(|(from, to)| Change::Move { from, to }),
        ];
        (any::<String>(), "[a-z ]{0,6}", change).prop_map(|(source, section, change)| Edit {
            source: source.into(),
            section: section.into(),
            change,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn edits_read_back_as_they_were_written(edits in prop::collection::vec(any::edit(), 0..6)) {
            let mut text = String::new();
            edits.iter().for_each(|edit| write_edit(edit, &mut text).unwrap());
            prop_assert_eq!(read_edits(&text).unwrap(), edits);
        }

        #[test]
        fn packages_read_back_as_they_were_written(
            sections in prop::collection::vec((".{0,6}", any::section()), 0..5)
        ) {
            let package = Tree::map(sections);
            let mut text = String::new();
            write_package(&package, &mut text).unwrap();
            prop_assert_eq!(read_package(&text).unwrap(), package);
        }

        #[test]
        fn the_difference_of_two_trees_leads_from_one_to_the_other(
            old in prop::collection::vec(("[abc]", any::section()), 0..4).prop_map(Tree::map),
            new in prop::collection::vec(("[abc]", prop::collection::vec(("[xyz]", any::value()), 0..4)), 0..4),
        ) {
            let new = Tree::map(new.into_iter().map(|(name, options)| {
                let kind = (".type".to_string(), Tree::from("t"));
                (name, Tree::map(std::iter::once(kind).chain(options)))
            }));
            let mut tree = old.clone();
            for edit in difference("agent:state", &old, &new) {
                edit.apply(&mut tree).unwrap();
            }
            prop_assert_eq!(tree.entries().len(), new.entries().len());
            for (name, section) in new.entries() {
                for (option, value) in section.entries() {
                    prop_assert_eq!(tree.get(name).and_then(|s| s.get(option)), Some(value));
                }
                let count = |tree: &Tree| tree.get(name).map(|s| {
                    s.entries().iter().filter(|(o, _)| !o.starts_with('.')).count()
                });
                prop_assert_eq!(count(&tree), count(&new));
            }
        }

        #[test]
        fn no_text_breaks_the_reader(text in "([-+=@^#|] |[a-z0-9nt\\\\ ]{0,4}|\n){0,20}") {
            let _ = (read_edits(&text), read_package(&text));
        }
    }

    #[test]
    fn what_has_not_the_shape_of_a_package_is_refused() {
        let deep = Tree::map([("s", Tree::map([("o", Tree::map([("x", "y".into())]))]))]);
        assert_eq!(write_package(&deep, &mut String::new()), Err(Malformed));
        assert_eq!(write_package(&"text".into(), &mut String::new()), Err(Malformed));
        for text in
            ["| a t b\n", "+ a\n", "= a b c n\n", "# a b\n", "^ a b c d\n", "# s\n| o 99999999 a\n", "\n"]
        {
            assert!(read_edits(text).is_err() && read_package(text).is_err(), "{text:?}");
        }
    }
}
