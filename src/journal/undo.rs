//! Taking edits back, three-way: what somebody changed since stays.

use crate::dm::edit::{Change, Conflict, Edit};
use crate::dm::tree::Tree;
use crate::sorted::Map;

/// How to take edits back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undo {
    /// To apply in this order.
    pub edits: Vec<Edit>,
    /// What cannot be taken back because somebody changed the same thing since.
    pub kept: Vec<Conflict>,
}

/// The edits that take `edits`, all of one source, back from `tree`, which has them and perhaps more.
///
/// `places` and `names` are those of [`super::Record`]. A removed section comes back at its place; one that had no
/// name comes back as `cpe_restored_N`, and one that was given its first name keeps it.
pub fn undo(edits: &[Edit], places: &[usize], names: &Map<Box<str>, Box<str>>, tree: &Tree) -> Undo {
    let mut todo = Undo::default();
    let (mut tree, mut names) = (tree.clone(), names.clone());
    let mut places = places.iter().rev();
    for planned in edits.iter().rev() {
        let section = names.get(&planned.section).unwrap_or(&planned.section).clone();
        let edit = Edit { section, ..planned.clone() };
        let back = match &edit.change {
            Change::Add { .. } => remove_added(&edit, &tree),
            Change::Set { option, old, new } => {
                one(&edit, Change::Set { option: option.clone(), old: new.clone(), new: old.clone() })
            }
            Change::Rename { .. } if super::is_generated(&planned.section) => Ok(Vec::new()),
            Change::Rename { to } => {
                let renamed = Edit { section: to.clone(), ..edit.clone() };
                one(&renamed, Change::Rename { to: edit.section.clone() })
            }
            Change::Move { from, to } => one(&edit, Change::Move { from: *to, to: *from }),
            Change::Remove { old } => bring_back(&edit, old, places.next().copied(), &tree),
        };
        // All or nothing per edit: what does not fit leaves the tree as it is.
        let mut next = tree.clone();
        match back.and_then(|back| back.iter().try_for_each(|edit| edit.apply(&mut next)).map(|()| back)) {
            Ok(back) => {
                if let (Change::Remove { .. }, Some(first)) = (&planned.change, back.first()) {
                    names.insert(planned.section.clone(), first.section.clone());
                }
                tree = next;
                todo.edits.extend(back);
            }
            Err(conflict) => todo.kept.push(conflict),
        }
    }
    todo
}

fn one(edit: &Edit, change: Change) -> Result<Vec<Edit>, Conflict> {
    Ok(vec![Edit { change, ..edit.clone() }])
}

/// An added section goes only while it holds nothing but its type: what was set in it by us is taken back before.
fn remove_added(edit: &Edit, tree: &Tree) -> Result<Vec<Edit>, Conflict> {
    let conflict = |what: &str| Conflict(format!("{} {}: {what}", edit.source, edit.section));
    let old = tree.get(&edit.section).ok_or_else(|| conflict("section is gone"))?;
    if old.entries().iter().any(|(option, _)| !option.starts_with('.')) {
        return Err(conflict("somebody else set options"));
    }
    one(edit, Change::Remove { old: old.clone() })
}

fn bring_back(edit: &Edit, old: &Tree, place: Option<usize>, tree: &Tree) -> Result<Vec<Edit>, Conflict> {
    let anonymous = old.get(".anonymous").is_some() || super::is_generated(&edit.section);
    let free = |name: &String| tree.get(name).is_none();
    let name: Box<str> = match anonymous {
        false => edit.section.clone(),
        true => (1..).map(|n| format!("cpe_restored_{n}")).find(free).unwrap_or_default().into(),
    };
    let make = |change| Edit { source: edit.source.clone(), section: name.clone(), change };
    let mut edits = vec![make(Change::Add { kind: old.str(".type").unwrap_or_default().into() })];
    for (option, value) in old.entries().iter().filter(|(option, _)| !option.starts_with('.')) {
        edits.push(make(Change::Set { option: option.clone(), old: None, new: Some(value.clone()) }));
    }
    let last = tree.entries().len();
    if let Some(to) = place.filter(|place| *place < last) {
        edits.push(make(Change::Move { from: last, to }));
    }
    Ok(edits)
}
