//! What is done once and by scripts: finishing an interrupted change, taking up what DHCP tells and what the image brings.

use super::router::{Router, disk};
use super::socket::Socket;
use super::{Done, Fail, Global};
use crate::discovery::{self, Found};
use crate::dm::tree::Tree;
use crate::io::commit::{Error, Recovered, recover as finish};
use crate::io::disk::Disk as _;
use crate::io::provision::FILE;
use crate::io::store::Store;
use std::cell::RefCell;

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
    let mut wrong = String::new();
    for (number, hex) in options {
        let known = number.parse().map_err(|_| Fail::Usage(format!("{number} is no number of an option")))?;
        match found.option(known, hex) {
            Ok(()) => asked.push((Box::from(number), Tree::from(hex))),
            // Anybody's option 43 does not stand in the way of the Forum's own.
            Err(why) => wrong.push_str(&format!("option {number}: {why}\n")),
        }
    }
    let notes = if found.from.is_none() { Vec::new() } else { take(global, network, &found, asked)? };
    let text = notes.iter().map(|note| format!("{note}\n")).collect::<String>();
    Ok(Done { fail: (!wrong.is_empty()).then_some(Fail::Refused(wrong)), ..Done::from(text) })
}

/// Has the agent take up what was found, or does it where none runs; what is to be noted.
fn take(
    global: &Global,
    network: &str,
    found: &Found,
    asked: Vec<(Box<str>, Tree)>,
) -> Result<Vec<String>, Fail> {
    if let Some(mut agent) = Socket::reach(&disk(global.root.as_deref())?)? {
        let notes = agent.ask("discovered", Tree::Map(asked))?;
        return Ok(notes.items().iter().filter_map(Tree::as_str).map(str::to_string).collect());
    }
    let notes = RefCell::new(Vec::new());
    Router::open(global)?.configure(|package| {
        // Without an agent nobody has tried to reach the ACS.
        let advice = discovery::advise(package, network, found, false);
        notes.replace(advice.notes);
        advice.edits
    })?;
    Ok(notes.into_inner())
}

/// Merges the settings that the image and the factory give into the agent's package.
pub(super) fn provision(global: &Global, file: &str) -> Result<Done, Fail> {
    if !file.starts_with('/') {
        return Err(Fail::Usage(format!("{file}: wanted the path from the root, such as {FILE}")));
    }
    let mut router = Router::open(global)?;
    // An image may bring none; a file that somebody names is there.
    if file != FILE && !router.disk.exists(file) {
        return Err(Fail::Disk(format!("{file}: there is no such file")));
    }
    let taken = router.provision(file);
    let mut text: String = taken.kept.iter().map(|name| format!("kept as it is set: {name}\n")).collect();
    if !taken.packages.is_empty() {
        text.push_str("settings of the image are taken up\n");
    }
    let mut wrong: String = taken.wrong.iter().map(|line| format!("{line}\n")).collect();
    let fail = match taken.unfinished {
        Some(why) => {
            wrong.push_str(&why);
            Some(Fail::Disk(wrong))
        }
        None => (!wrong.is_empty()).then_some(Fail::Refused(wrong)),
    };
    Ok(Done { fail, ..Done::from(text) })
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

    #[test]
    fn a_file_of_settings_that_is_named_is_there_and_the_usual_one_need_not_be() {
        let folder = tempfile::tempdir().unwrap();
        let global = Global { root: Some(folder.path().to_path_buf()), json: false };
        let said = |file: &str| provision(&global, file).map(|done| done.text).map_err(|why| why.to_string());
        for (file, want) in [
            (FILE, Ok(String::new())),
            ("/etc/acme.conf", Err("/etc/acme.conf: there is no such file".to_string())),
            ("acme.conf", Err(format!("acme.conf: wanted the path from the root, such as {FILE}"))),
            ("", Err(format!(": wanted the path from the root, such as {FILE}"))),
        ] {
            assert_eq!(said(file), want, "{file}");
        }
    }
}
