//! What is done once and by scripts: finishing an interrupted change.

use super::router::disk;
use super::{Done, Fail, Global};
use crate::io::commit::{Error, Recovered, recover as finish};
use crate::io::store::Store;

/// Finishes or takes back a change that a power cut interrupted; for an init script before netifd.
pub(super) fn recover(global: &Global) -> Result<Done, Fail> {
    let disk = disk(global.root.as_deref())?;
    let (mut store, _, faults) = Store::load(&disk)?;
    let mut text: String = faults.iter().map(|fault| format!("{fault}\n")).collect();
    let done = finish(&disk, &mut store).map_err(|error| match error {
        Error::Disk(_) | Error::Unfinished(_) => Fail::Disk(error.to_string()),
        error => Fail::Refused(error.to_string()),
    })?;
    text.push_str(&match done {
        Recovered::Nothing => String::new(),
        Recovered::Finished(packages) => {
            format!("an interrupted change is finished: {}\n", packages.join(" "))
        }
        Recovered::TakenBack(why) => format!("an interrupted change is taken back: {why}\n"),
        Recovered::Unreadable(why) => {
            format!("the record of a change was cut off before it took effect, and is dropped: {why}\n")
        }
    });
    Ok(text.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_was_cut_off_is_dropped_and_said_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("etc/cpeagent")).unwrap();
        std::fs::write(folder.path().join("etc/cpeagent/journal"), "cpeagent-jour").unwrap();
        let global = Global { root: Some(folder.path().to_path_buf()), json: false };
        assert!(recover(&global).unwrap().text.contains("cut off"));
        assert_eq!(recover(&global).unwrap().text, "");
    }
}
