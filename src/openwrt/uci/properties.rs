//! What holds for every text and every edit, tried on random ones.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{Mode, Refused, apply, apply_to_tree, exercise, parse};
use crate::dm::edit::{Change, Edit};
use crate::dm::tree::Tree;

/// Pieces of a file, from the tidy to the odd.
const LINES: [&str; 48] = [
    "config t a\n",
    "config t 'b'\n",
    "config t \"c\" # named\n",
    "config t\n",
    "config u ''  # anonymous\n",
    "config u\n",
    "config t a\r\n",
    "config u;junk\n",
    "c t\n",
    "config t 'a'; option o 'inline'; config u\n",
    "config u ; config t b; option lost\n",
    "package other\n",
    "\toption o 1\n",
    "\toption o 'two words'\n",
    "\toption o \"3\" # why\n",
    "\toption p 4;junk\n",
    "\toption p '5';list l 'x' # rest\n",
    "\toption p six#comment\n",
    "\toption q ''\n",
    "\toption o\n",
    "\toption q 'it'\\''s'\n",
    "\toption q 'over\nlines'\n",
    "\toption q over\\\nlines\n",
    "\toption q \"a\\\nb\\\"c\"\n",
    "\toption 'o' \\#\n",
    "o p 7\n",
    "\toption p x\\\r\ny # joined\r\n",
    "\toption r \u{e9}\r\n",
    "\tlist l 1\n",
    "\tlist l '2' # two\n",
    "\tlist l ''\n",
    "\tlist l\n",
    "\tlist l  # none\n",
    "\tlist l 3\n",
    "\tlist m 1\n",
    "\tlist o 9\n",
    "\tlist m 'x'; option l 'y'\n",
    "\toption m 8\n",
    "l m 2\n",
    "\n",
    "\n",
    "  \t\n",
    "# heading\n",
    "\t# inner\n",
    "# odd \\\n",
    "# nul \0 \n",
    "\toption o n\0ul\n",
    "\0\n",
];

fn document() -> impl Strategy<Value = String> {
    // Most begin with a section, else most would not load.
    let first = prop_oneof![9 => select(&LINES[..10]), 1 => select(&LINES[..])];
    (first, vec(select(&LINES[..]), 0..24), 0..6usize).prop_map(|(first, lines, cut)| {
        let text = first.to_owned() + &lines.concat();
        // The last line may lack its end.
        let keep = text.len().saturating_sub(if cut < 3 { cut } else { 0 });
        (0..=keep)
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .map_or(String::new(), |at| text[..at].to_owned())
    })
}

/// An edit as dice, to be read against the tree as it is then.
type Dice = (u8, usize, usize, usize);

fn planned(tree: &Tree, (what, which, option, value): Dice) -> Option<Edit> {
    const OPTIONS: [&str; 6] = ["o", "p", "q", "l", "m", "new"];
    let count = tree.entries().len();
    let edit = |section: &str, change| Some(Edit { source: "uci:t".into(), section: section.into(), change });
    if what == 0 {
        return edit(["a", "b", "d", "e"][option % 4], Change::Add { kind: ["t", "u"][value % 2].into() });
    }
    let at = which.checked_rem(count)?;
    let (name, section) = &tree.entries()[at];
    match what {
        1 => edit(name, Change::Remove { old: section.clone() }),
        2 => edit(name, Change::Rename { to: ["a", "b", "f", "g"][value % 4].into() }),
        3 | 4 => edit(name, Change::Move { from: at, to: value % count }),
        _ => {
            let option = OPTIONS[option % 6];
            let old = section.get(option).cloned();
            let list =
                |items: &[&str]| Some(Tree::List(items.iter().map(|item| Tree::from(*item)).collect()));
            let mut items = old.as_ref().map_or(Vec::new(), |old| old.items().to_vec());
            let new = match value % 12 {
                0 => None,
                1 => Some("1".into()),
                2 => Some("it's # \\ \"new\"\n;".into()),
                3 => list(&["1"]),
                4 => list(&["1", "3"]),
                5 => list(&["", "2", "3", "3"]),
                6 => old.clone(),
                7 if items.len() > 1 => Some(Tree::List(items[1..].to_vec())),
                8 if items.len() > 1 => Some(Tree::List(items[..items.len() - 1].to_vec())),
                9 if items.len() > 1 => {
                    items.rotate_left(1);
                    Some(Tree::List(items))
                }
                _ => {
                    items.insert(value % (items.len() + 1), "in".into());
                    Some(Tree::List(items))
                }
            };
            edit(name, Change::Set { option: option.into(), old, new })
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edited_text_reads_as_the_edited_tree(
        text in document(),
        dice in vec((0..12u8, 0..64usize, 0..64usize, 0..64usize), 0..8),
    ) {
        let text = text.replace('\0', "");
        let Ok(file) = parse(text.as_bytes(), Mode::Strict) else { return Ok(()) };
        let (before, mut tree, mut edits) = (file.tree(), file.tree(), Vec::new());
        for dice in dice {
            if let Some(edit) = planned(&tree, dice)
                && edit.apply(&mut tree).is_ok()
            {
                edits.push(edit);
            }
        }
        let after = apply(text.as_bytes(), &edits)
            .map_err(|refused| TestCaseError::fail(format!("{edits:?}: {refused}")))?;
        let want = apply_to_tree(before.clone(), &edits).unwrap();
        prop_assert_eq!(parse(&after, Mode::Strict).unwrap().tree(), want);
        if tree == before {
            prop_assert_eq!(&after, text.as_bytes());
        }
        // Comments stay, byte for byte, unless their section goes.
        let removed = edits.iter().any(|edit| matches!(edit.change, Change::Remove { .. }));
        if !removed && !text.contains(['\'', '"']) {
            for line in text.lines().filter(|line| line.starts_with('#') || line.starts_with("\t#")) {
                let lines = |text: &str| text.lines().filter(|other| *other == line).count();
                prop_assert_eq!(lines(&text), lines(std::str::from_utf8(&after).unwrap()), "{}", line);
            }
        }
    }

    #[test]
    fn a_stale_edit_is_refused(text in document(), which in 0..64usize) {
        let text = text.replace('\0', "");
        let Ok(file) = parse(text.as_bytes(), Mode::Strict) else { return Ok(()) };
        let tree = file.tree();
        let Some(at) = which.checked_rem(tree.entries().len()) else { return Ok(()) };
        let stale = Change::Set { option: "o".into(), old: Some("never".into()), new: Some("x".into()) };
        let edit = Edit { source: "uci:t".into(), section: tree.entries()[at].0.clone(), change: stale };
        prop_assert!(matches!(apply(text.as_bytes(), &[edit]), Err(Refused::Conflict(_))));
    }

    #[test]
    fn any_text_keeps_its_meaning_through_export(text in document(), noise in vec(any::<u8>(), 0..64)) {
        exercise(text.as_bytes());
        exercise(&[text.as_bytes(), &noise].concat());
        exercise(&noise);
    }
}
