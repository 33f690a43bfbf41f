//! Takes up what the image and the factory give, at the first boot and whenever it is asked for.
//!
//! Reads the files, commits what [`crate::provision`] makes of them, and remembers afterwards what was given. Every write is
//! durable before the next one begins, so a power cut leaves either nothing or a part that the next run completes. Driven by
//! `cpeagent provision`, which the first boot runs again until it has been told that all was written.

use super::commit::{self, Error, Request, read_package};
use super::disk::{self, Disk};
use super::store::{DIR, Store};
use crate::openwrt::uci;
use crate::provision::{self, Given, Merge};
use crate::sealed::checksum;
use crate::sorted::Map;
use std::io::{self, ErrorKind};

/// Where the image's settings are, unless another file is named.
pub const FILE: &str = "/usr/share/cpeagent/builder.conf";
/// What was given the last time.
pub const GIVEN: &str = "/etc/cpeagent/provisioned";
/// The agent's own package.
const PACKAGE: &str = "cpeagent";
/// How often it is merged anew because somebody changed the package meanwhile.
const MAX_REPLANS: u8 = 3;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The packages that have changed, by name; to be announced.
    pub packages: Vec<Box<str>>,
    /// The full names of settings that stay as somebody else has set them.
    pub kept: Vec<String>,
    /// What is wrong with the files, a line each, with the file and mostly the line. The rest was taken up.
    pub wrong: Vec<String>,
    /// Why not all was read or written: it is to be tried again.
    pub unfinished: Option<String>,
}

/// Merges the settings of `file`, and of the factory's where it names one, into the agent's package.
pub fn take_up(disk: &dyn Disk, store: &mut Store, file: &str) -> Taken {
    let mut taken = Taken::default();
    if let Err(why) = settings(disk, file, &mut taken).and_then(|settings| match settings {
        Some(settings) => give(disk, store, &settings, &mut taken),
        None => Ok(()),
    }) {
        taken.unfinished = Some(why);
    }
    taken
}

/// What both files give; `None` where the image brings none.
fn settings(disk: &dyn Disk, file: &str, taken: &mut Taken) -> Result<Option<Map<String, String>>, String> {
    let Some(mut given) = read(disk, file, false, taken)? else { return Ok(None) };
    let Some((line, place)) = given.factory.take() else { return Ok(Some(given.settings)) };
    let path = match place.strip_prefix("mtd:") {
        None => Some(place.clone()).filter(|place| place.starts_with('/')),
        Some(label) => disk
            .read("/proc/mtd", provision::MAX_FILE as u64)
            .ok()
            .and_then(|text| provision::partition(&String::from_utf8_lossy(&text), label)),
    };
    let flash = path.as_deref().is_some_and(|path| path.starts_with("/dev/"));
    match path.map_or(Ok(None), |path| read(disk, &path, flash, taken)) {
        // What one device was given counts more than what all were.
        Ok(Some(factory)) => given.settings.extend(factory.settings),
        Ok(None) => taken.wrong.push(format!("{file}: line {line}: factory={place}: there is no such place")),
        // The image's own must not wait for it.
        Err(why) => taken.unfinished = Some(why),
    }
    Ok(Some(given.settings))
}

/// Reads a file of settings; `None` where there is none.
fn read(disk: &dyn Disk, path: &str, flash: bool, taken: &mut Taken) -> Result<Option<Given>, String> {
    let octets = match disk.read_head(path, provision::MAX_FILE as u64 + 1) {
        Ok(octets) => octets,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{path}: {error}")),
    };
    let mut given = provision::read(&octets, flash);
    taken.wrong.extend(given.wrong.drain(..).map(|why| format!("{path}: {why}")));
    // Taken up all the same: it may come later, and what it is for must not do without it.
    let missing = given.files.iter().filter(|(_, _, named)| !disk.exists(named));
    taken.wrong.extend(
        missing.map(|(line, key, named)| format!("{path}: line {line}: {key}: there is no file {named}")),
    );
    Ok(Some(given))
}

fn give(
    disk: &dyn Disk,
    store: &mut Store,
    settings: &Map<String, String>,
    taken: &mut Taken,
) -> Result<(), String> {
    let before = remembered(disk).map_err(|error| format!("{GIVEN}: {error}"))?;
    let mut replans = 0;
    let merge = loop {
        match merge(disk, store, settings, &before, taken) {
            Err(Error::Changed(_)) if replans < MAX_REPLANS => replans += 1,
            done => break done.map_err(|error| error.to_string())?,
        }
    };
    taken.kept = merge.kept;
    if merge.given != before {
        let text: String = merge.given.iter().map(|(name, sum)| format!("{name} {sum}\n")).collect();
        let written = disk.make_dir(DIR).and_then(|()| disk.replace(GIVEN, text.as_bytes(), 0o600));
        written.map_err(|error| format!("{GIVEN}: {error}"))?;
    }
    Ok(())
}

fn remembered(disk: &dyn Disk) -> io::Result<Map<String, String>> {
    match disk.read(GIVEN, disk::MAX_FILE) {
        Ok(text) => Ok(String::from_utf8_lossy(&text)
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, sum)| (name.to_string(), sum.to_string()))
            .collect()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Map::new()),
        Err(error) => Err(error),
    }
}

/// One merge, committed.
fn merge(
    disk: &dyn Disk,
    store: &mut Store,
    settings: &Map<String, String>,
    before: &Map<String, String>,
    taken: &mut Taken,
) -> Result<Merge, Error> {
    let (text, sum) = match read_package(disk, PACKAGE) {
        Err(error) if error.kind() == ErrorKind::NotFound => (Vec::new(), checksum(b"")),
        read => read?,
    };
    let package = uci::package(&text, uci::Mode::Strict)
        .map_err(|error| Error::Refused(format!("/etc/config/{PACKAGE}: {error}")))?;
    let mut merge = provision::merge(&package.into_tree(), settings, before);
    if !merge.edits.is_empty() {
        let source: Box<str> = format!("uci:{PACKAGE}").into();
        let edits = std::mem::take(&mut merge.edits);
        let request = Request { edits, read: Map::from([(source, sum.into())]), ..Request::default() };
        taken.packages = commit::commit(disk, store, &request)?.packages;
    }
    Ok(merge)
}

#[cfg(test)]
#[path = "provision/tests.rs"]
mod tests;
