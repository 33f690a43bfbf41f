//! Changes that others have staged: `/tmp/.uci/PACKAGE` and `/var/run/rpcd/uci-SESSION/PACKAGE`.
//!
//! Reads them, shows what the stock daemons see with them, and tells which sections they touch. This agent never
//! stages anything itself. Driven by whoever reads packages or is about to write one.
//!
//! Source: OpenWrt libuci's delta lines, `[op]package.section[.option][='value']`; `tests/vectors/uci/ops.json`.

use crate::dm::{self, edit::Edit, tree::Tree};

use super::export::quote;
use super::parse::{MAX_FILE_LEN, is_kind, is_name};
use super::reader::Reader;
use super::tree::{Opt, Package, Section, Value, is_generated, renumbered, text};

/// Most staged changes read; what is behind them is dropped, but [`Delta::truncated`] tells.
pub const MAX_CHANGES: usize = 8192;

/// The changes staged for one package, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// The changes.
    pub changes: Vec<Staged>,
    /// There was more than [`MAX_CHANGES`] or [`super::parse::MAX_FILE_LEN`] allow.
    pub truncated: bool,
}

/// One staged change of one section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staged {
    /// The section's name, generated if it is anonymous.
    pub section: Box<str>,
    /// What happens to it.
    pub change: Change,
}

/// What a staged change does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A section gets a type; it is made where there is none (no operator, no option).
    Section(Box<str>),
    /// A new anonymous section of a type (`+`).
    Add(Box<str>),
    /// The section goes (`-`).
    Remove,
    /// The section gets a name (`@`).
    Rename(Box<str>),
    /// The section goes to a place (`^`).
    Order(usize),
    /// An option becomes a text (no operator).
    Set(Box<str>, Vec<u8>),
    /// An option goes (`-`); of a list only the item at an index, where there is one.
    Unset(Box<str>, Option<usize>),
    /// An option gets another name (`@`).
    RenameOption(Box<str>, Box<str>),
    /// An item is put at the end of a list (`|`).
    ListAdd(Box<str>, Vec<u8>),
    /// All equal items of a list go (`~`).
    ListRemove(Box<str>, Vec<u8>),
}

impl Delta {
    /// Reads what is staged for `package`; lines for another package and lines that make no sense are skipped, as
    /// the stock tools do.
    pub fn parse(package: &str, bytes: &[u8]) -> Delta {
        let mut delta = Delta { changes: Vec::new(), truncated: bytes.len() > MAX_FILE_LEN };
        let mut reader = Reader::new(bytes.get(..MAX_FILE_LEN).unwrap_or(bytes));
        while reader.more() {
            reader.start();
            let Ok(word) = reader.word() else { continue };
            let Some(staged) = Staged::parse(package, &word.bytes) else { continue };
            if delta.changes.len() >= MAX_CHANGES {
                delta.truncated = true;
                break;
            }
            delta.changes.push(staged);
        }
        delta
    }

    /// Nothing is staged.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && !self.truncated
    }

    /// Whether writing to `section` (a name of the file's reading) would collide with what is staged.
    pub fn touches(&self, section: &str) -> bool {
        self.truncated
            || self.changes.iter().any(|staged| {
                *staged.section == *section
                    || matches!(&staged.change, Change::Rename(to) if **to == *section)
            })
    }

    /// Whether something is staged for an anonymous section of the file, by the name it has there now.
    ///
    /// While it is, adding before, removing, moving or naming an anonymous section (or removing or moving any
    /// section before one) would send the staged change to another section. Sections the delta itself adds do not
    /// count.
    pub fn holds_generated_names(&self) -> bool {
        let mut added: Vec<&str> = Vec::new();
        for staged in &self.changes {
            match &staged.change {
                Change::Add(_) => added.push(&staged.section),
                _ if is_generated(&staged.section) && !added.contains(&&*staged.section) => return true,
                _ => {}
            }
        }
        self.truncated
    }

    /// The section over which the edits would collide with what is staged, if they would.
    ///
    /// They do if they write to a section that is staged too ([`Delta::touches`]), or if after them a generated
    /// name in the delta means another section than in `before`, the tree the edits were planned on. Edits that
    /// do not fit `before` collide as far as they fit.
    ///
    //= OpenWrt uci: a commit applies staged changes by name, and names of anonymous sections shift
    pub fn collision(&self, before: &Tree, edits: &[Edit]) -> Option<Box<str>> {
        let mut after = before.clone();
        for edit in edits {
            let renamed = match &edit.change {
                dm::edit::Change::Rename { to } => self.touches(to).then_some(to),
                _ => None,
            };
            if let Some(section) = renamed.or(self.touches(&edit.section).then_some(&edit.section)) {
                return Some(section.clone());
            }
            if edit.apply(&mut after).is_err() {
                break;
            }
        }
        let (old, new) = (before.entries(), after.entries());
        let next = renumbered(after.clone());
        let names = self.changes.iter().map(|staged| &staged.section).filter(|name| is_generated(name));
        let mut shifted = names.filter(|name| {
            let was = old.iter().any(|(key, _)| key == *name).then_some(&***name);
            let is = next.entries().iter().zip(new).find(|((key, _), _)| key == *name);
            was != is.map(|(_, (key, _))| &**key)
        });
        shifted.next().cloned()
    }

    /// Makes the package what the stock daemons see; changes that do not fit are skipped as they skip them.
    ///
    /// Names of anonymous sections stay as they are until the next reading.
    pub fn apply(&self, package: &mut Package) {
        self.changes.iter().for_each(|staged| staged.apply(package));
    }
}

impl Staged {
    fn parse(package: &str, line: &[u8]) -> Option<Staged> {
        let operator = line.first().copied().filter(|op| b"^-@+|~".contains(op));
        let line = line.get(usize::from(operator.is_some())..)?;
        let equals = line.iter().position(|&b| b == b'=');
        let (target, value) = match equals {
            Some(at) => (line.get(..at)?, Some(line.get(at + 1..)?)),
            None => (line, None),
        };
        let mut parts = target.split(|&b| b == b'.');
        if parts.next()? != package.as_bytes() {
            return None;
        }
        let (section, option) = (parts.next().filter(|name| is_name(name, false))?, parts.next());
        if parts.next().is_some() || option.is_some_and(|name| !is_name(name, false)) {
            return None;
        }
        let option = option.map(text);
        let kind = |value: Option<&[u8]>| value.filter(|kind| is_kind(kind)).map(text);
        let name = |value: Option<&[u8]>| value.filter(|name| is_name(name, false)).map(text);
        let number = |value: &[u8]| text(value).parse().ok();
        let change = match (operator, option) {
            (None | Some(b'+'), None) if value == Some(b"") => Change::Remove,
            (None, None) => Change::Section(kind(value)?),
            (None | Some(b'+'), Some(option)) => Change::Set(option, value?.to_vec()),
            (Some(b'+'), None) => Change::Add(kind(value)?),
            (Some(b'-'), None) => Change::Remove,
            (Some(b'-'), Some(option)) => match value {
                None | Some([]) => Change::Unset(option, None),
                Some(index) => Change::Unset(option, Some(number(index).unwrap_or(usize::MAX))),
            },
            (Some(b'@'), None) => Change::Rename(name(value)?),
            (Some(b'@'), Some(option)) => Change::RenameOption(option, name(value)?),
            (Some(b'^'), None) => Change::Order(leading_number(value?)),
            (Some(b'|'), Some(option)) => Change::ListAdd(option, value?.to_vec()),
            (Some(b'~'), Some(option)) => Change::ListRemove(option, value?.to_vec()),
            (Some(_), _) => return None,
        };
        Some(Staged { section: text(section), change })
    }

    fn apply(&self, package: &mut Package) {
        let sections = &mut package.sections;
        let place = sections.iter().position(|section| section.name == self.section);
        let Some((at, section)) = place.and_then(|at| Some((at, sections.get_mut(at)?))) else {
            if let Change::Section(kind) | Change::Add(kind) = &self.change {
                sections.push(Section {
                    name: self.section.clone(),
                    kind: kind.clone(),
                    anonymous: matches!(self.change, Change::Add(_)),
                    options: Vec::new(),
                });
            }
            return;
        };
        match &self.change {
            Change::Section(kind) => section.kind = kind.clone(),
            Change::Add(kind) => {
                section.kind = kind.clone();
                section.anonymous = true;
            }
            Change::Remove => drop(sections.remove(at)),
            Change::Rename(to) => {
                section.name = to.clone();
                section.anonymous = false;
            }
            Change::Order(to) => {
                let section = sections.remove(at);
                sections.insert((*to).min(sections.len()), section);
            }
            Change::Set(name, value) if value.is_empty() => section.options.retain(|o| o.name != *name),
            Change::Set(name, value) => drop(section.put(name.clone(), false, value.clone())),
            Change::ListAdd(name, value) => drop(section.put(name.clone(), true, value.clone())),
            Change::Unset(name, None) => section.options.retain(|option| option.name != *name),
            Change::Unset(name, Some(index)) => match section.value_mut(name) {
                Some(Value::List(items)) if *index < items.len() => drop(items.remove(*index)),
                Some(Value::List(_)) | None => {}
                Some(Value::Text(_)) => section.options.retain(|option| option.name != *name),
            },
            Change::ListRemove(name, value) => {
                if let Some(Value::List(items)) = section.value_mut(name) {
                    items.retain(|item| item != value);
                }
            }
            Change::RenameOption(name, to) => {
                if let Some(option) = section.options.iter_mut().find(|option| option.name == *name) {
                    option.name = to.clone();
                }
            }
        }
    }

    /// The operator, the option and the value as they stand in a delta line.
    fn parts(&self) -> (&'static str, Option<&str>, Option<Vec<u8>>) {
        let some = |text: &str| Some(text.as_bytes().to_vec());
        match &self.change {
            Change::Section(kind) => ("", None, some(kind)),
            Change::Add(kind) => ("+", None, some(kind)),
            Change::Remove => ("-", None, None),
            Change::Rename(to) => ("@", None, some(to)),
            Change::Order(to) => ("^", None, some(&to.to_string())),
            Change::Set(option, value) => ("", Some(option), Some(value.clone())),
            Change::Unset(option, index) => ("-", Some(option), index.map(|i| i.to_string().into_bytes())),
            Change::RenameOption(option, to) => ("@", Some(option), some(to)),
            Change::ListAdd(option, value) => ("|", Some(option), Some(value.clone())),
            Change::ListRemove(option, value) => ("~", Some(option), Some(value.clone())),
        }
    }

    /// The line of the delta file, with the newline.
    pub fn line(&self, package: &str) -> Vec<u8> {
        let (operator, option, value) = self.parts();
        self.written(package, operator, option, "=", value)
    }

    /// The line `uci changes` prints for it, with the newline.
    pub fn shown(&self, package: &str) -> Vec<u8> {
        let (operator, option, value) = self.parts();
        match operator {
            "|" => self.written(package, "", option, "+=", value),
            "~" => self.written(package, "", option, "-=", value),
            "-" => self.written(package, "-", option, "=", None),
            _ => self.written(package, "", option, "=", value),
        }
    }

    fn written(
        &self,
        package: &str,
        operator: &str,
        option: Option<&str>,
        equals: &str,
        value: Option<Vec<u8>>,
    ) -> Vec<u8> {
        let mut out = format!("{operator}{package}.{}", self.section).into_bytes();
        if let Some(option) = option {
            out.push(b'.');
            out.extend(option.bytes());
        }
        if let Some(value) = value {
            out.extend(equals.bytes());
            quote(&value, &mut out);
        }
        out.push(b'\n');
        out
    }
}

/// The digits a place begins with; without any the first place, as the stock tools take it.
fn leading_number(value: &[u8]) -> usize {
    let digits = value.iter().take_while(|b| b.is_ascii_digit()).count();
    value.get(..digits).and_then(|digits| text(digits).parse().ok()).unwrap_or_default()
}

impl Section {
    fn value_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.options.iter_mut().find(|option| *option.name == *name).map(|Opt { value, .. }| value)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{Mode, parse};
    use super::*;

    #[test]
    fn a_delta_touches_the_sections_it_names_and_the_names_it_gives() {
        let delta = Delta::parse(
            "t",
            b"t.lan.proto='dhcp'\n-t.gone\n@t.old='fresh'\n+t.cfg05abcd='rule'\nu.other.x='1'\njunk\n't.a b.c'\n",
        );
        for (section, touched) in [
            ("lan", true),
            ("gone", true),
            ("old", true),
            ("fresh", true),
            ("cfg05abcd", true),
            ("other", false),
            ("a", false),
            ("wan", false),
        ] {
            assert_eq!(delta.touches(section), touched, "{section}");
        }
    }

    #[test]
    fn staged_changes_of_anonymous_sections_forbid_renumbering() {
        for (bytes, holds) in [
            (&b""[..], false),
            (b"t.lan.proto='dhcp'\n", false),
            (b"t.cfg02abcd.proto='dhcp'\n", true),
            (b"-t.cfg02abcd\n", true),
            // What the delta itself adds has no place in the file yet.
            (b"+t.cfg05abcd='rule'\nt.cfg05abcd.name='x'\n", false),
            (b"+t.cfg05abcd='rule'\nt.cfg04abcd.name='x'\n", true),
        ] {
            assert_eq!(Delta::parse("t", bytes).holds_generated_names(), holds, "{bytes:?}");
        }
    }

    //= OpenWrt uci: a commit applies staged changes by name, and names of anonymous sections shift
    #[test]
    fn edits_collide_with_what_is_staged_if_names_would_mean_other_sections() {
        use dm::edit::Change as Edited;
        let text = b"config r\nconfig r x\nconfig r\nconfig r y\n";
        let tree = parse(text, Mode::Strict).unwrap().tree();
        let name = |ordinal| super::super::tree::generated_name(ordinal, "r");
        let old = tree.get("x").unwrap().clone();
        let new = || Edited::Set { option: "o".into(), old: None, new: Some("1".into()) };
        let (add, remove) = (Edited::Add { kind: "r".into() }, Edited::Remove { old });
        let (first, third) = (name(1), name(3));
        for (staged, edits, collides) in [
            ("t.x.o='2'".to_owned(), vec![("x", new())], true),
            ("t.x.o='2'".to_owned(), vec![("y", new())], false),
            ("t.z='r'".to_owned(), vec![("y", Edited::Rename { to: "z".into() })], true),
            (format!("t.{third}.o='2'"), vec![("y", new())], false),
            (format!("t.{third}.o='2'"), vec![("z", add.clone())], false),
            (format!("t.{third}.o='2'"), vec![("y", Edited::Move { from: 3, to: 0 })], true),
            (format!("t.{third}.o='2'"), vec![("x", remove.clone())], true),
            (format!("t.{first}.o='2'"), vec![("x", remove)], false),
            (format!("t.{first}.o='2'"), vec![(&*first, Edited::Rename { to: "z".into() })], true),
            (format!("t.{first}.o='2'"), vec![(&*third, Edited::Rename { to: "z".into() })], false),
            // The section that the delta adds would be taken for the third one, which ends up in its place.
            (
                format!("+t.{}='r'", name(5)),
                vec![("z", add), (&*third, Edited::Move { from: 2, to: 4 })],
                true,
            ),
        ] {
            let edits: Vec<Edit> = edits
                .into_iter()
                .map(|(section, change)| Edit { source: "uci:t".into(), section: section.into(), change })
                .collect();
            let delta = Delta::parse("t", staged.as_bytes());
            assert_eq!(delta.collision(&tree, &edits).is_some(), collides, "{staged}: {edits:?}");
        }
    }

    #[test]
    fn more_than_is_read_touches_everything() {
        let delta = Delta::parse("t", &b"t.a.b='1'\n".repeat(MAX_CHANGES + 1));
        assert_eq!(delta.changes.len(), MAX_CHANGES);
        assert!(delta.truncated && delta.touches("x") && delta.holds_generated_names());
    }

    #[test]
    fn lines_that_do_not_fit_the_package_change_nothing() {
        let text = b"config a x\n\toption o 1\n\tlist l 1\n";
        let before = parse(text, Mode::Strict).unwrap().package;
        for line in [
            "t.y.o='1'",
            "-t.y",
            "@t.y='z'",
            "^t.y='0'",
            "|t.y.l='1'",
            "-t.x.l='7'",
            "~t.x.o='1'",
            "@t.x.n='m'",
            "t.x",
            "?t.x.o='2'",
        ] {
            let mut package = before.clone();
            Delta::parse("t", line.as_bytes()).apply(&mut package);
            assert_eq!(package, before, "{line}");
        }
    }
}
