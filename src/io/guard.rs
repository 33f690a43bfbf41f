//! The records that a change can be undone by, one file for each commit, until its manager confirms it.
//!
//! Which commits are kept, and what confirms or undoes them, is `agent::guard`'s to say. [`crate::journal`] knows how an
//! edit is taken back; here it is done as a commit of its own, so that the power may go at any moment: the row in the
//! state goes with it, and files that no row speaks of are tidied away.

use super::commit::{self, Error, Request};
use super::disk::{Disk, MAX_FILE};
use super::store::{DIR, Store};
use crate::agent::guard::Undone;
use crate::dm::record::STATE;
use crate::journal::{Found, Record};
use crate::openwrt::uci::{self, Mode};
use crate::sorted::Set;
use crate::state::State;
use std::io;

/// Records lie beside the state: this and their sequence.
const KEPT: &str = "guard.";
/// The most octets of all of them; a commit beyond is refused.
pub const MAX_KEPT: u64 = 512 << 10;
/// How often an undo is planned again because somebody changed a file meanwhile.
const MAX_TRIES: u8 = 3;

/// Where the record of this commit is kept.
pub fn path(sequence: u64) -> String {
    format!("{DIR}/{KEPT}{sequence}")
}

/// The sequences of all records that are kept.
pub fn sequences(disk: &dyn Disk) -> io::Result<Set<u64>> {
    match disk.list(DIR) {
        Ok(names) => Ok(names.iter().filter_map(|name| name.strip_prefix(KEPT)?.parse().ok()).collect()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Set::new()),
        Err(e) => Err(e),
    }
}

/// Whether there is room for a record of so many octets.
pub fn has_room(disk: &dyn Disk, octets: u64) -> io::Result<bool> {
    let kept = sequences(disk)?.into_iter().filter_map(|kept| Some(disk.stat(&path(kept)).ok()?.len));
    Ok(kept.sum::<u64>() + octets <= MAX_KEPT)
}

/// The records kept for a manager, oldest first. One that cannot be read is left out.
pub fn kept(disk: &dyn Disk, manager: &str) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    for sequence in sequences(disk)? {
        let record = Record::decode(&disk.read(&path(sequence), MAX_FILE)?);
        records.extend(record.ok().filter(|record| record.keep.as_deref() == Some(manager)));
    }
    Ok(records)
}

/// Lets the records of a manager go: they are confirmed or undone.
pub fn release(disk: &dyn Disk, manager: &str) -> io::Result<()> {
    kept(disk, manager)?.iter().try_for_each(|record| disk.remove(&path(record.sequence)))
}

/// Removes the records that nobody is to confirm, as an interrupted confirmation or undo leaves them behind.
pub fn tidy(disk: &dyn Disk, state: &State) -> io::Result<()> {
    for sequence in sequences(disk)? {
        let record = Record::decode(&disk.read(&path(sequence), MAX_FILE)?);
        let manager = record.ok().and_then(|record| record.keep);
        if !manager.is_some_and(|manager| state.guards().any(|waits| *waits == *manager)) {
            disk.remove(&path(sequence))?;
        }
    }
    Ok(())
}

/// Undoes what a manager changed and has not confirmed, as one commit; `note` is for [`State::undone`].
///
/// What somebody changed since stays. Errors are those of a commit, and nothing has changed then.
pub fn take_back(disk: &dyn Disk, store: &mut Store, manager: &str, note: &str) -> Result<Undone, Error> {
    let mut tries = MAX_TRIES;
    loop {
        let (request, stayed) = plan(disk, store, manager, note)?;
        match commit::commit(disk, store, &request) {
            Err(Error::Changed(_)) if tries > 1 => tries -= 1,
            Err(error) => return Err(error),
            Ok(done) => {
                // What stays behind is tidied away at the next start.
                release(disk, manager).unwrap_or_else(|e| log::warn!("{DIR}: {e}"));
                let commit::Committed { sequence, packages } = done;
                return Ok(Undone { sequence, packages, state: store.state().clone(), stayed });
            }
        }
    }
}

/// The commit that takes a manager's records back, newest first, and what it cannot take back.
fn plan(disk: &dyn Disk, store: &Store, manager: &str, note: &str) -> Result<(Request, Vec<String>), Error> {
    let mut records = kept(disk, manager)?;
    records.reverse();
    let (mut request, mut stayed) = (Request::default(), Vec::new());
    let sources: Set<&Box<str>> = records.iter().flat_map(|record| record.packages.keys()).collect();
    for source in sources {
        let read = commit::read_package(disk, source.trim_start_matches("uci:"));
        let Ok((text, sum)) = read else {
            stayed.push(format!("{source}: the file is gone"));
            continue;
        };
        let tree = match uci::parse(&text, Mode::Strict) {
            Ok(package) => package.tree(),
            Err(error) => {
                stayed.push(format!("{source}: {error}"));
                continue;
            }
        };
        request.read.insert(source.clone(), sum.as_str().into());
        let mut found = Found { sum: sum.into(), tree };
        for record in &records {
            let Some(sums) = record.packages.get(source) else { continue };
            let undo = record.undo(source, &found);
            stayed.extend(undo.kept.into_iter().map(|conflict| conflict.0));
            for edit in undo.edits {
                edit.apply(&mut found.tree).map_err(|conflict| Error::Refused(conflict.0))?;
                request.edits.push(edit);
            }
            // Untouched since that commit, it is now as it was before it.
            if found.sum == sums.after {
                found.sum = sums.before.clone();
            }
        }
    }
    let mut state = Found { sum: "".into(), tree: store.state().tree().clone() };
    for record in &records {
        // What differs there is younger and stays; it is nothing that a person sees.
        for edit in record.undo(STATE, &state).edits {
            edit.apply(&mut state.tree).map_err(|conflict| Error::Refused(conflict.0))?;
        }
    }
    let next = store.state().without(manager, state.tree, note);
    let next = next.map_err(|_| Error::Refused("the state is full".into()))?;
    request.edits.extend(store.state().difference(&next));
    Ok((request, stayed))
}

#[cfg(test)]
#[path = "guard/tests.rs"]
mod tests;
