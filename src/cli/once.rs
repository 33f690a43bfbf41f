//! What is done once and by scripts: finishing an interrupted change, taking up what DHCP tells and what the image brings.

use super::router::{Router, disk};
use super::socket::Socket;
use super::{Done, Fail, Global};
use crate::discovery::{self, Found};
use crate::dm::tree::Tree;
use crate::io::commit::{Error, Recovered, recover as finish};
use crate::io::disk::{Disk, RealDisk};
use crate::io::store::Store;
use crate::provision::{self, Given};
use crate::sorted::Map;
use std::cell::RefCell;
use std::io::ErrorKind;

/// Finishes or takes back a change that a power cut interrupted; for an init script before netifd.
pub(super) fn recover(global: &Global) -> Result<Done, Fail> {
    let disk = disk(global.root.as_deref())?;
    let (mut store, _, faults) = Store::load(&disk)?;
    let mut text: String = faults.iter().map(|fault| format!("{fault}\n")).collect();
    let done = finish(&disk, &mut store).map_err(|error| match error {
        Error::Disk(_) | Error::Unfinished(_) => Fail::Disk(error.to_string()),
        error => Fail::Refused(error.to_string()),
    })?;
    if done != Recovered::Nothing {
        text.push_str(&format!("{done}\n"));
    }
    Ok(text.into())
}

/// Takes up what DHCP told on a network, each option as `NUMBER=HEX`.
pub(super) fn discovered(global: &Global, network: &str, options: &[String]) -> Result<Done, Fail> {
    let (mut found, mut asked) = (Found::default(), vec![("network".into(), Tree::from(network))]);
    let mut options: Vec<(&str, &str)> = options
        .iter()
        .map(|option| option.split_once('=').ok_or(Fail::Usage(format!("{option}: wanted NUMBER=HEX"))))
        .collect::<Result<_, _>>()?;
    // The Forum's own option counts more than the one that anybody may use.
    options.sort_by_key(|(number, _)| *number != "125");
    for (number, hex) in options {
        let known = number.parse().map_err(|_| Fail::Usage(format!("{number} is no number of an option")))?;
        found.option(known, hex).map_err(|why| Fail::Refused(format!("option {number}: {why}")))?;
        asked.push((Box::from(number), Tree::from(hex)));
    }
    if found.from.is_none() {
        return Ok(String::new().into());
    }
    let notes: Vec<String> = match Socket::reach(&disk(global.root.as_deref())?)? {
        Some(mut agent) => {
            let notes = agent.ask("discovered", Tree::Map(asked))?;
            notes.items().iter().filter_map(Tree::as_str).map(str::to_string).collect()
        }
        None => {
            let notes = RefCell::new(Vec::new());
            Router::open(global)?.configure(|package| {
                // Without an agent nobody has tried to reach the ACS.
                let advice = discovery::advise(package, network, &found, false);
                notes.replace(advice.notes);
                advice.edits
            })?;
            notes.into_inner()
        }
    };
    Ok(notes.iter().map(|note| format!("{note}\n")).collect::<String>().into())
}

/// What was given the last time.
const GIVEN: &str = "/etc/cpeagent/provisioned";

/// Merges the settings that the image and the factory give into the agent's package.
pub(super) fn provision(global: &Global, file: &str) -> Result<Done, Fail> {
    let disk = disk(global.root.as_deref())?;
    let mut wrong = String::new();
    let Some(mut given) = given(&disk, file, &mut wrong)? else { return Ok(String::new().into()) };
    if let Some(place) = given.factory.take() {
        let path = match place.strip_prefix("mtd:") {
            None => Some(place.clone()),
            Some(label) => disk
                .read("/proc/mtd", provision::MAX_FILE as u64)
                .ok()
                .and_then(|text| provision::partition(&String::from_utf8_lossy(&text), label)),
        };
        let factory = path.map_or(Ok(None), |path| self::given(&disk, &path, &mut wrong))?;
        match factory {
            // What one device was given counts more than what all were.
            Some(factory) => given.settings.extend(factory.settings),
            None => wrong.push_str(&format!("{file}: factory={place}: there is no such place\n")),
        }
    }
    let before: Map<String, String> = match disk.read(GIVEN, provision::MAX_FILE as u64) {
        Ok(text) => String::from_utf8_lossy(&text)
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, sum)| (name.to_string(), sum.to_string()))
            .collect(),
        Err(error) if error.kind() == ErrorKind::NotFound => Map::new(),
        Err(error) => return Err(Fail::Disk(format!("{GIVEN}: {error}"))),
    };
    let merge = RefCell::new(provision::Merge::default());
    let mut router = Router::open(global)?;
    let changed = router.configure(|package| {
        let merged = provision::merge(package, &given.settings, &before);
        let edits = merged.edits.clone();
        merge.replace(merged);
        edits
    })?;
    let merge = merge.into_inner();
    if merge.given != before {
        let text: String = merge.given.iter().map(|(name, sum)| format!("{name} {sum}\n")).collect();
        disk.make_dir("/etc/cpeagent")?;
        disk.replace(GIVEN, text.as_bytes(), 0o600)?;
    }
    let mut text: String = merge.kept.iter().map(|name| format!("kept as it is set: {name}\n")).collect();
    if changed {
        text.push_str("settings of the image are taken up\n");
    }
    let fail = (!wrong.is_empty()).then_some(Fail::Refused(wrong));
    Ok(Done { fail, ..Done::from(text) })
}

/// Reads a file of settings; `None` where there is none. A device of flash is longer than its text.
fn given(disk: &RealDisk, path: &str, wrong: &mut String) -> Result<Option<Given>, Fail> {
    let octets = match disk.read_head(path, provision::MAX_FILE as u64) {
        Ok(octets) => octets,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Fail::Disk(format!("{path}: {error}"))),
    };
    let (given, faults) = provision::read(&octets);
    wrong.extend(faults.iter().map(|fault| format!("{path}: {fault}\n")));
    Ok(Some(given))
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
