//! Running a read until it is done: sources computed from others are made here, all else is asked for.

use super::error::Refusal;
use super::instance::Instances;
use super::schema::Model;
use super::source::{Snapshot, Source, Stop};
use super::view::View;
use crate::sorted::Set;
use std::cell::RefCell;

/// Why a read is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// These sources must be supplied; then run again.
    Need(Set<Box<str>>),
    /// It cannot be read.
    Refused(Refusal),
}

/// Most rounds of computing sources for one read; each round makes at least one.
const MAX_ROUNDS: usize = 64;

/// Runs `read` on a view of `snapshot`, computing derived sources as it asks for them.
pub fn attempt<T>(
    model: &Model,
    snapshot: &mut Snapshot,
    instances: &RefCell<Instances>,
    mut read: impl FnMut(&View<'_>) -> Result<T, Stop>,
) -> Result<T, Halt> {
    for _ in 0..MAX_ROUNDS {
        let done = read(&View::new(model, snapshot, instances));
        let wanted = snapshot.take_wanted();
        if wanted.is_empty() {
            return match done {
                Ok(value) => Ok(value),
                Err(Stop::Refused(why)) => Err(Halt::Refused(why)),
                Err(Stop::Wait) => Err(Halt::Refused(Refusal::Backend("waits for nothing".into()))),
            };
        }
        supply_derived(model, snapshot, instances, wanted)?;
    }
    Err(Halt::Refused(Refusal::Backend("computed sources ask for each other".into())))
}

/// Computes those of `wanted` that are derived. Stops with the keys that are not, and those they need in turn.
pub fn supply_derived(
    model: &Model,
    snapshot: &mut Snapshot,
    instances: &RefCell<Instances>,
    wanted: Set<Box<str>>,
) -> Result<(), Halt> {
    let mut need = Set::new();
    let mut blocked: Set<Box<str>> = Set::new();
    let mut todo: Vec<Box<str>> = wanted.into_iter().collect();
    let mut rounds = 0;
    while let Some(key) = todo.pop() {
        let Some(name) = key.strip_prefix("derived:") else {
            need.insert(key);
            continue;
        };
        if blocked.contains(&key) {
            continue;
        }
        rounds += 1;
        if rounds > MAX_ROUNDS {
            return Err(Halt::Refused(Refusal::Backend("computed sources ask for each other".into())));
        }
        let source = match model.derived(name) {
            None => Source::Failed("nothing computes it".into()),
            Some(function) => match function(&View::new(model, snapshot, instances)) {
                Ok(tree) => Source::ready(tree),
                Err(Stop::Refused(why)) => Source::Failed(why.to_string()),
                Err(Stop::Wait) => {
                    let (derived, outside): (Vec<_>, Vec<_>) =
                        snapshot.take_wanted().into_iter().partition(|key| key.starts_with("derived:"));
                    // What waits for the outside, itself or by what it is made of, comes in the next round.
                    if outside.is_empty() && !derived.iter().any(|key| blocked.contains(key)) {
                        todo.push(key);
                    } else {
                        blocked.insert(key);
                    }
                    need.extend(outside);
                    todo.extend(derived.into_iter().filter(|key| !blocked.contains(key)));
                    continue;
                }
            },
        };
        snapshot.take_wanted();
        snapshot.supply(&key, source);
    }
    if need.is_empty() { Ok(()) } else { Err(Halt::Need(need)) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::dm::schema::DerivedFn;
    use crate::dm::tree::Tree;

    fn upper(view: &View<'_>) -> Result<Tree, Stop> {
        Ok(view.tree("derived:lower")?.cloned().unwrap_or(Tree::from("")))
    }

    fn lower(view: &View<'_>) -> Result<Tree, Stop> {
        Ok(view.tree("outside")?.cloned().unwrap_or(Tree::from("")))
    }

    fn round(view: &View<'_>) -> Result<Tree, Stop> {
        Ok(view.tree("derived:round")?.cloned().unwrap_or(Tree::from("")))
    }

    const DERIVED: &[(&str, DerivedFn)] = &[("upper", upper), ("lower", lower), ("round", round)];

    #[test]
    fn a_computed_source_waits_for_what_the_one_below_it_waits_for_and_a_circle_ends() {
        let model = Model::new(Vec::new(), &[], DERIVED).unwrap();
        let (mut snapshot, instances) = (Snapshot::default(), RefCell::default());
        let read = |snapshot: &mut Snapshot, key: &str| {
            attempt(&model, snapshot, &instances, |view| Ok(view.tree(key)?.cloned()))
        };
        let need = Err(Halt::Need(Set::from(["outside".into()])));
        assert_eq!(read(&mut snapshot, "derived:upper"), need);
        snapshot.supply("outside", Source::ready(Tree::from("x")));
        assert_eq!(read(&mut snapshot, "derived:upper"), Ok(Some(Tree::from("x"))));
        assert!(matches!(read(&mut snapshot, "derived:round"), Err(Halt::Refused(_))));
    }
}
