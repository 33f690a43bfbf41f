//! Puts edits by meaning into the text of a package and leaves all else as it was: comments, order, quoting.
//!
//! Owns where new text goes and which old text goes. Every result is read again before it is given back and must
//! mean exactly what the edits mean on the tree, so that no file is ever written that reads otherwise than
//! planned. Driven by whoever commits a plan; files, locks and renames are theirs.

use std::fmt;

use crate::dm::edit::{Change, Conflict, Edit};
use crate::dm::tree::Tree;

use super::parse::{Mode, ParseError, is_kind, is_name, parse};
use super::rows::Row;
use super::tree::{ANONYMOUS, TYPE, is_generated, renumbered, text as decoded};

/// Why edits were not put into a text. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The text, or what would become of it, is not a package that the stock tools load.
    Unreadable(ParseError),
    /// The text no longer is what the edits were planned on.
    Conflict(Conflict),
    /// UCI cannot hold this name or value.
    Unwritable(String),
    /// The result would read otherwise than planned: a section carries a name in the form of generated ones.
    Ambiguous,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Unreadable(error) => write!(f, "{error}"),
            Refused::Conflict(Conflict(what)) => f.write_str(what),
            Refused::Unwritable(what) => write!(f, "not possible in UCI: {what}"),
            Refused::Ambiguous => f.write_str("section names in the form of generated ones"),
        }
    }
}

/// Applies all edits of one package, in order, to its text; all or nothing.
///
/// All edits name anonymous sections by the generated names of the reading of `text`, whatever earlier edits of
/// the batch did; sections added or renamed in the batch go by their new names. Names of the form `cfgNNNNNN` are
/// not given. Empty texts and empty lists are refused: remove the option instead. The source named in an edit is
/// not looked at. A file with a NUL is refused: what the stock tools make of its line depends on their buffers.
/// Edits that change nothing give back the same bytes.
pub fn apply(text: &[u8], edits: &[Edit]) -> Result<Vec<u8>, Refused> {
    let file = parse(text, Mode::Strict).map_err(Refused::Unreadable)?;
    if text.contains(&0) {
        return Err(Refused::Unwritable("a NUL byte in the file".into()));
    }
    let before = file.tree();
    let mut draft = Draft {
        rows: Row::all(&file),
        ids: (0..file.package.sections.len()).collect(),
        next: file.package.sections.len(),
        tree: before.clone(),
    };
    for edit in edits {
        draft.apply(edit)?;
    }
    if draft.tree == before {
        return Ok(text.to_vec());
    }
    let out: Vec<u8> = draft.rows.iter().flat_map(Row::text).copied().collect();
    let again = parse(&out, Mode::Strict).map_err(Refused::Unreadable)?;
    if again.tree() != renumbered(draft.tree) {
        return Err(Refused::Ambiguous);
    }
    Ok(out)
}

/// The tree after the edits, as the next reading of the text gives it: [`Edit::apply`] in order, then new names
/// for anonymous sections.
pub fn apply_to_tree(mut tree: Tree, edits: &[Edit]) -> Result<Tree, Conflict> {
    edits.iter().try_for_each(|edit| edit.apply(&mut tree))?;
    Ok(renumbered(tree))
}

/// A package under edit. Rows name sections by an id that stays whatever happens to order and names.
struct Draft<'a> {
    rows: Vec<Row<'a>>,
    /// The id of each section of `tree`.
    ids: Vec<usize>,
    next: usize,
    tree: Tree,
}

impl<'a> Draft<'a> {
    fn apply(&mut self, edit: &Edit) -> Result<(), Refused> {
        writable(&edit.section, &edit.change).map_err(Refused::Unwritable)?;
        let place = self.tree.entries().iter().position(|(name, _)| *name == edit.section);
        let at = place.unwrap_or(self.ids.len());
        let id = self.ids.get(at).copied().unwrap_or(self.next);
        if !changes_nothing(&edit.change) {
            self.untangle(id);
        }
        edit.apply(&mut self.tree).map_err(Refused::Conflict)?;
        match &edit.change {
            change if changes_nothing(change) => {}
            Change::Add { kind } => self.add(kind, &edit.section),
            Change::Set { option, new, .. } => self.set(id, option, &values(new.as_ref())),
            Change::Rename { to } => {
                self.rows.iter_mut().filter(|row| row.opens(id)).for_each(|row| row.set_name(to));
            }
            Change::Remove { .. } => {
                self.ids.remove(at);
                self.take(id);
            }
            Change::Move { to, .. } => {
                self.ids.remove(at);
                self.ids.insert(*to, id);
                self.relocate(id, self.ids.get(to + 1).copied());
            }
        }
        Ok(())
    }

    /// Gives each command of the section a row of its own that can be changed in place.
    fn untangle(&mut self, id: usize) {
        while let Some(at) = self.rows.iter().position(|row| row.is_tangled() && row.belongs_to(id)) {
            self.untangle_row(at);
        }
    }

    fn untangle_row(&mut self, at: usize) {
        let Some(row) = self.rows.get(at) else { return };
        let rows = row.untangled(|id| {
            let place = self.ids.iter().position(|known| *known == id)?;
            let (name, section) = self.tree.entries().get(place)?;
            Some((section.str(TYPE)?, section.get(ANONYMOUS).is_none().then_some(&**name)))
        });
        self.rows.splice(at..=at, rows);
    }

    /// Ends the last row with a newline, so that something can follow.
    fn terminate(&mut self) {
        if let Some(last) = self.rows.last()
            && last.is_tangled()
            && !last.text().ends_with(b"\n")
        {
            self.untangle_row(self.rows.len() - 1);
        }
        self.rows.last_mut().into_iter().for_each(Row::terminate);
    }

    fn add(&mut self, kind: &str, name: &str) {
        self.terminate();
        let header = Row::header(self.next, kind, Some(name));
        // A file as the stock tool writes it has an empty line before each section and one at the end.
        let stock = self.rows.last().is_none_or(Row::is_blank);
        if !stock || self.rows.is_empty() {
            self.rows.push(Row::blank());
        }
        self.rows.push(header);
        if stock {
            self.rows.push(Row::blank());
        }
        self.ids.push(self.next);
        self.next += 1;
    }

    /// Makes the rows that give the option a value give `new`, one row each. Rows that stay true stay as they are.
    fn set(&mut self, id: usize, option: &str, new: &[(bool, &[u8])]) {
        let found: Vec<(usize, bool, Vec<u8>)> = self
            .rows
            .iter()
            .enumerate()
            .filter_map(|(at, row)| row.gives(id, option).map(|(list, value)| (at, list, value.to_vec())))
            .collect();
        let same = |(_, list, value): &(usize, bool, Vec<u8>), (as_list, wanted): &(bool, &[u8])| {
            list == as_list && decoded(value).as_bytes() == *wanted
        };
        let prefix = found.iter().zip(new).take_while(|(old, new)| same(old, new)).count();
        let left = (found.len() - prefix).min(new.len() - prefix);
        let mut suffix = found
            .iter()
            .rev()
            .zip(new.iter().rev())
            .take(left)
            .take_while(|(old, new)| same(old, new))
            .count();
        // The first row holds the option's place among the others; it may go only if none stands between.
        if prefix == 0 && suffix == new.len() && suffix > 0 {
            let crossed = match (found.first(), found.get(found.len() - suffix)) {
                (Some((first, ..)), Some((kept, ..))) => self.rows.get(*first..*kept).is_some_and(|rows| {
                    rows.iter().any(|row| row.belongs_to(id) && row.gives(id, option).is_none())
                }),
                _ => false,
            };
            if crossed {
                suffix = 0;
            }
        }
        let old = found.get(prefix..found.len() - suffix).unwrap_or_default();
        let new = new.get(prefix..new.len() - suffix).unwrap_or_default();
        for ((at, ..), (list, value)) in old.iter().zip(new) {
            self.rows.get_mut(*at).into_iter().for_each(|row| row.set_value(*list, value));
        }
        for (at, ..) in old.iter().skip(new.len()).rev() {
            self.rows.remove(*at);
        }
        let extra: Vec<Row> =
            new.iter().skip(old.len()).map(|(list, value)| Row::value(id, option, *list, value)).collect();
        if !extra.is_empty() {
            let at = match (prefix + old.len()).checked_sub(1) {
                Some(kept) => found.get(kept).map(|(at, ..)| at + 1),
                None if suffix > 0 => found.first().map(|(at, ..)| *at),
                None => self.rows.iter().rposition(|row| row.belongs_to(id)).map(|at| at + 1),
            };
            let at = at.unwrap_or(self.rows.len());
            if at == self.rows.len() {
                self.terminate();
            }
            self.rows.splice(at..at, extra);
        }
    }

    /// Where the block that `header` opens starts: with the headings right above, unless they open the file.
    fn block_start(&self, header: usize) -> usize {
        let headings = self.rows.iter().take(header).rev().take_while(|row| row.is_heading()).count();
        if headings == header { header } else { header - headings }
    }

    /// Takes all rows of a section out: headings above, commands and inner comments, the empty rows behind.
    fn take(&mut self, id: usize) -> Vec<Row<'a>> {
        let mut taken = Vec::new();
        while let Some(header) = self.rows.iter().position(|row| row.opens(id)) {
            let inner = self.rows.iter().skip(header + 1).take_while(|row| !row.is_header());
            let commands = inner.enumerate().filter(|(_, row)| row.belongs_to(id)).last();
            let end = header + 1 + commands.map_or(0, |(at, _)| at + 1);
            let end = end + self.rows.iter().skip(end).take_while(|row| row.is_inner_comment()).count();
            let blanks = self.rows.iter().skip(end).take_while(|row| row.is_blank()).count();
            taken.extend(self.rows.drain(self.block_start(header)..end + blanks));
            taken.last_mut().into_iter().for_each(Row::terminate);
        }
        taken
    }

    /// Puts a section before another one, or behind all.
    fn relocate(&mut self, id: usize, before: Option<usize>) {
        before.into_iter().for_each(|other| self.untangle(other));
        let mut block = self.take(id);
        let header = before.and_then(|other| self.rows.iter().position(|row| row.opens(other)));
        if header.is_none() {
            self.terminate();
        }
        let at = header.map_or(self.rows.len(), |header| self.block_start(header));
        if at > 0 && !self.rows.get(at - 1).is_some_and(Row::is_blank) {
            block.insert(0, Row::blank());
        }
        if header.is_some() && !block.last().is_some_and(Row::is_blank) {
            block.push(Row::blank());
        }
        self.rows.splice(at..at, block);
    }
}

fn changes_nothing(change: &Change) -> bool {
    match change {
        Change::Set { old, new, .. } => old == new,
        Change::Move { from, to } => from == to,
        Change::Add { .. } | Change::Remove { .. } | Change::Rename { .. } => false,
    }
}

/// The rows a value needs: each `list` or not, and its bytes.
fn values(value: Option<&Tree>) -> Vec<(bool, &[u8])> {
    match value {
        Some(Tree::List(items)) => {
            items.iter().filter_map(Tree::as_str).map(|item| (true, item.as_bytes())).collect()
        }
        Some(Tree::Text(text)) => vec![(false, text.as_bytes())],
        Some(Tree::Map(_)) | None => Vec::new(),
    }
}

/// Whether UCI can hold what the change wants.
fn writable(section: &str, change: &Change) -> Result<(), String> {
    let name = |name: &str| match is_name(name.as_bytes(), false) && !is_generated(name) {
        true => Ok(()),
        false => Err(format!("section name {name:?}")),
    };
    let bytes = |text: &Tree| text.as_str().is_some_and(|text| !text.contains('\0'));
    match change {
        Change::Add { kind } if !is_kind(kind.as_bytes()) => Err(format!("section type {kind:?}")),
        Change::Add { .. } => name(section),
        Change::Rename { to } => name(to),
        Change::Set { option, .. } if !is_name(option.as_bytes(), false) => {
            Err(format!("option name {option:?}"))
        }
        Change::Set { option, new, .. } => match new {
            None => Ok(()),
            Some(Tree::Text(text)) if !text.is_empty() && !text.contains('\0') => Ok(()),
            Some(Tree::List(items)) if !items.is_empty() && items.iter().all(bytes) => Ok(()),
            Some(_) => Err(format!("value of option {option}")),
        },
        Change::Remove { .. } | Change::Move { .. } => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn edit(section: &str, change: Change) -> Edit {
        Edit { source: "uci:t".into(), section: section.into(), change }
    }

    fn list(items: &[&str]) -> Option<Tree> {
        Some(Tree::List(items.iter().map(|item| Tree::from(*item)).collect()))
    }

    /// A `Set` planned on what `text` says.
    fn set(text: &str, section: &str, option: &str, new: Option<Tree>) -> Edit {
        let tree = parse(text.as_bytes(), Mode::Strict).unwrap().tree();
        let old = tree.get(section).and_then(|section| section.get(option)).cloned();
        edit(section, Change::Set { option: option.into(), old, new })
    }

    fn applied(text: &str, edits: &[Edit]) -> String {
        String::from_utf8(apply(text.as_bytes(), edits).unwrap()).unwrap()
    }

    #[test]
    fn a_value_changes_in_place_and_its_line_keeps_everything_else() {
        for (before, option, new, after) in [
            (
                "config a x\n  option o 1   # why\n",
                "o",
                Some("2".into()),
                "config a x\n  option o '2'   # why\n",
            ),
            ("config a x\no o \"1\"#why", "o", Some("it's".into()), "config a x\no o 'it'\\''s'#why"),
            ("config a x\n\toption o 1;junk\n", "o", Some("2".into()), "config a x\n\toption o '2'\n"),
            (
                "config a x\n\toption o 1\\\n2 # c\n",
                "o",
                Some("3".into()),
                "config a x\n\toption o '3' # c\n",
            ),
            ("config a x\n\toption o '1\n2'\n", "o", Some("3".into()), "config a x\n\toption o '3'\n"),
            (
                "config a x\n\toption o 1\\",
                "p",
                Some("3".into()),
                "config a x\n\toption o '1'\n\toption p '3'\n",
            ),
            ("config a x\r\n\toption o 1\r\n", "o", Some("2".into()), "config a x\r\n\toption o '2'\r\n"),
            (
                "config a x\n\n# b\nconfig b y\n",
                "o",
                Some("1".into()),
                "config a x\n\toption o '1'\n\n# b\nconfig b y\n",
            ),
            ("config a x # c", "o", Some("1".into()), "config a x # c\n\toption o '1'\n"),
            ("config a x\n\toption o 1 # c\n\toption p 2\n", "o", None, "config a x\n\toption p 2\n"),
            (
                "config a x\noption o 1\noption p 2\noption o 3\n",
                "o",
                Some("4".into()),
                "config a x\noption o '4'\noption p 2\n",
            ),
            (
                "config a x\n\tlist o 1 # c\n\tlist o 2\n",
                "o",
                Some("3".into()),
                "config a x\n\toption o '3' # c\n",
            ),
            (
                "config a x\n\toption o 1\nconfig b y\nconfig a x\n#\n",
                "p",
                Some("2".into()),
                "config a x\n\toption o 1\nconfig b y\nconfig a x\n\toption p '2'\n#\n",
            ),
            ("config a x; config b y\n", "o", Some("1".into()), "config a 'x'\n\toption o '1'\n"),
            (
                "config a 'x' ; config b y\n",
                "o",
                Some("1".into()),
                "config a 'x'\n\toption o '1'\nconfig b 'y'\n",
            ),
        ] {
            assert_eq!(applied(before, &[set(before, "x", option, new)]), after, "{before}");
        }
    }

    #[test]
    fn the_lines_of_list_items_that_stay_are_not_touched() {
        let before = "config a x\n\tlist l 1 # one\n\toption o 1\n\tlist l \"2\" # two\n\tlist l 3 # three\n";
        for (new, after) in [
            (list(&["1", "3"]), "config a x\n\tlist l 1 # one\n\toption o 1\n\tlist l 3 # three\n"),
            (
                list(&["1", "2", "2a", "3"]),
                "config a x\n\tlist l 1 # one\n\toption o 1\n\tlist l \"2\" # two\n\tlist l '2a'\n\tlist l 3 # three\n",
            ),
            (
                list(&["1", "2", "3", ""]),
                "config a x\n\tlist l 1 # one\n\toption o 1\n\tlist l \"2\" # two\n\tlist l 3 # three\n\tlist l ''\n",
            ),
            // The first line holds the place of the whole list.
            (list(&["2", "3"]), "config a x\n\tlist l '2' # one\n\toption o 1\n\tlist l '3' # two\n"),
            (Some("1".into()), "config a x\n\toption l '1' # one\n\toption o 1\n"),
            (None, "config a x\n\toption o 1\n"),
        ] {
            assert_eq!(applied(before, &[set(before, "x", "l", new)]), after);
        }
        let before = "config a x\n\tlist l 1 # one\n\tlist l 2 # two\n";
        assert_eq!(applied(before, &[set(before, "x", "l", list(&["2"]))]), "config a x\n\tlist l 2 # two\n");
        let before = "config a x\n\toption l 1\n";
        assert_eq!(
            applied(before, &[set(before, "x", "l", list(&["1", "2"]))]),
            "config a x\n\tlist l '1'\n\tlist l '2'\n"
        );
    }

    const THREE: &str = "# top\n\nconfig a\n\toption o 1\n\t# inner\n\n# about x\nconfig b x\n\toption o 2\n\n# loose\n\nconfig a\n\toption o 3\n";

    #[test]
    fn sections_come_and_go_with_the_comments_right_above_them() {
        let tree = parse(THREE.as_bytes(), Mode::Strict).unwrap().tree();
        let names: Vec<&str> = tree.entries().iter().map(|(name, _)| &**name).collect();
        let [first, _, third] = names.try_into().unwrap();
        let remove = |name: &str| edit(name, Change::Remove { old: tree.get(name).unwrap().clone() });
        for (edits, after) in [
            (
                vec![remove("x")],
                "# top\n\nconfig a\n\toption o 1\n\t# inner\n\n# loose\n\nconfig a\n\toption o 3\n",
            ),
            // The second edit names the section as it was called before the first one renumbered it.
            (
                vec![remove(first), edit(third, Change::Rename { to: "z".into() })],
                "# top\n\n# about x\nconfig b x\n\toption o 2\n\n# loose\n\nconfig a 'z'\n\toption o 3\n",
            ),
            (
                vec![edit("x", Change::Move { from: 1, to: 0 })],
                "# top\n\n# about x\nconfig b x\n\toption o 2\n\nconfig a\n\toption o 1\n\t# inner\n\n# loose\n\nconfig a\n\toption o 3\n",
            ),
            (
                vec![
                    edit("x", Change::Move { from: 1, to: 2 }),
                    edit("x", Change::Rename { to: "y".into() }),
                ],
                "# top\n\nconfig a\n\toption o 1\n\t# inner\n\n# loose\n\nconfig a\n\toption o 3\n\n# about x\nconfig b 'y'\n\toption o 2\n\n",
            ),
        ] {
            assert_eq!(applied(THREE, &edits), after);
        }
    }

    #[test]
    fn new_sections_are_laid_out_as_the_stock_tool_does() {
        let add = || {
            let new = Change::Set { option: "o".into(), old: None, new: Some("1".into()) };
            [edit("x", Change::Add { kind: "a".into() }), edit("x", new)]
        };
        for (before, after) in [
            ("", "\nconfig a 'x'\n\toption o '1'\n\n"),
            ("\n", "\nconfig a 'x'\n\toption o '1'\n\n"),
            ("\nconfig b 'y'\n\n", "\nconfig b 'y'\n\nconfig a 'x'\n\toption o '1'\n\n"),
            ("config b y", "config b y\n\nconfig a 'x'\n\toption o '1'\n"),
            ("# only\\", "# only\\\n\nconfig a 'x'\n\toption o '1'\n"),
        ] {
            assert_eq!(applied(before, &add()), after, "{before:?}");
            let package = parse(after.as_bytes(), Mode::Strict).unwrap().package;
            if before.is_empty() || before.starts_with('\n') {
                assert_eq!(package.export(), after.as_bytes());
            }
        }
    }

    #[test]
    fn edits_that_change_nothing_leave_the_bytes_alone() {
        let there = Change::Set { option: "o".into(), old: Some("2".into()), new: Some("9".into()) };
        let back = Change::Set { option: "o".into(), old: Some("9".into()), new: Some("2".into()) };
        for edits in [
            vec![],
            vec![set(THREE, "x", "o", Some("2".into()))],
            vec![edit("x", Change::Move { from: 1, to: 1 })],
            vec![edit("x", there), edit("x", back)],
        ] {
            assert_eq!(applied(THREE, &edits), THREE);
        }
    }

    #[test]
    fn what_uci_cannot_hold_or_the_text_no_longer_is_is_refused() {
        let option = |option: &str, new: Tree| {
            edit("x", Change::Set { option: option.into(), old: None, new: Some(new) })
        };
        for bad in [
            option("p", "".into()),
            option("p", "a\0b".into()),
            option("p", Tree::List(vec![])),
            option("p", Tree::List(vec![Tree::List(vec![])])),
            option("p", Tree::Map(vec![])),
            option("p-q", "1".into()),
            option(".type", "1".into()),
            edit("y-z", Change::Add { kind: "a".into() }),
            edit("cfg02abcd", Change::Add { kind: "a".into() }),
            edit("y", Change::Add { kind: "a b".into() }),
            edit("x", Change::Rename { to: "".into() }),
            edit("x", Change::Rename { to: "cfg04abcd".into() }),
        ] {
            let refused = apply(THREE.as_bytes(), std::slice::from_ref(&bad));
            assert!(matches!(refused, Err(Refused::Unwritable(_))), "{bad:?}: {refused:?}");
        }
        for gone in [option("o", "3".into()), edit("y", Change::Rename { to: "z".into() })] {
            let refused = apply(THREE.as_bytes(), &[gone]);
            assert!(matches!(refused, Err(Refused::Conflict(_))), "{refused:?}");
        }
        assert!(matches!(apply(b"conf a", &[]), Err(Refused::Unreadable(_))));
        assert!(matches!(apply(b"config a\n# \0\n", &[]), Err(Refused::Unwritable(_))));
    }

    #[test]
    fn a_section_named_like_a_generated_name_is_never_mixed_up_with_another() {
        // Without the first section the third becomes cfg02..., which is what the fourth is called.
        let text = "config a one\nconfig a two\nconfig a\nconfig a NAME\n\toption o 1\n";
        let text = text.replace("NAME", &super::super::tree::generated_name(2, "a"));
        let old = Tree::map([(TYPE, Tree::from("a"))]);
        let refused = apply(text.as_bytes(), &[edit("one", Change::Remove { old })]);
        assert_eq!(refused, Err(Refused::Ambiguous));
    }

    #[test]
    fn bytes_that_are_not_text_stay_where_nothing_is_written() {
        let text = b"config a x\n\toption ssid '\xff'\n\tlist l '\xfe'\n\toption o 1\n";
        let tree = parse(text, Mode::Strict).unwrap().tree();
        let old = tree.get("x").unwrap().get("l").cloned();
        let grown = Change::Set { option: "l".into(), old, new: list(&["\u{fffd}", "2"]) };
        assert_eq!(
            apply(text, &[edit("x", grown)]).unwrap(),
            b"config a x\n\toption ssid '\xff'\n\tlist l '\xfe'\n\tlist l '2'\n\toption o 1\n"
        );
    }
}
