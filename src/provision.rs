//! What who built the image, or the factory, gives a device: a file of settings, merged into the package `cpeagent`.
//!
//! Owns the file's format, and what may be overwritten: three-way, against what was given the last time, so that a
//! value that a person or a manager has changed or removed stays. Pure; `cli` reads the files and commits.

use crate::audit::is_unseen;
use crate::config;
use crate::config::table::{Kind, SECTIONS, SETTINGS, Setting};
use crate::dm::draft::OWN;
use crate::dm::edit::{Change, Edit};
use crate::dm::tree::Tree;
use crate::sealed::checksum;
use crate::sorted::Map;

/// The largest file, in octets.
pub const MAX_FILE: usize = 64 * 1024;
/// The most lines that give a setting.
pub const MAX_LINES: usize = 512;
/// The most lines that are told of as wrong.
pub const MAX_WRONG: usize = 16;
/// The most characters of a key that is told of.
const MAX_SHOWN: usize = 64;
/// The key that names a further file, read-only, whose lines come before these.
pub const FACTORY: &str = "factory";

/// The lines of a file: settings by their full names, and where the factory's file is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// By `SECTION.OPTION`, or `TYPE.SECTION.OPTION` for sections of which there may be many.
    pub settings: Map<String, String>,
    /// A path, or `mtd:` and the label of a partition; by the number of its line.
    pub factory: Option<(usize, String)>,
    /// The lines that name a file: their numbers, keys and paths.
    pub files: Vec<(usize, String, String)>,
    /// What is wrong, by the numbers of lines and without values; these are left out.
    pub wrong: Vec<String>,
}

/// What a setting's full name stands for.
struct Name<'a> {
    section: &'a str,
    setting: &'static Setting,
}

fn name(full: &str) -> Option<Name<'_>> {
    let (kind, rest) = full.split_once('.')?;
    let many = SECTIONS.iter().find(|section| section.kind == kind)?.many;
    let (section, option) = if many { rest.split_once('.')? } else { (kind, rest) };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let known = SETTINGS.iter().find(|known| known.section == kind && known.option == option);
    let setting =
        known.filter(|_| !section.is_empty() && section.len() <= 64 && section.chars().all(plain))?;
    let taken = many && SECTIONS.iter().any(|other| !other.many && other.kind == section);
    (!taken).then_some(Name { section, setting })
}

/// Reads the head of a file of `KEY=VALUE` lines, of which one octet more than [`MAX_FILE`] shows that it is too long;
/// lines that are empty or begin with `#` say nothing.
///
/// What lies in `flash` may be longer than its text: what follows a zero or an erased octet does not count. The lines
/// of a system that ends them with CR LF, and its mark at the beginning, are lines as well.
pub fn read(octets: &[u8], flash: bool) -> Given {
    let end = octets.iter().position(|octet| flash && matches!(octet, 0 | 0xff));
    let mut text = octets.get(..end.unwrap_or(octets.len())).unwrap_or_default();
    let mut given = Given::default();
    let mut too_long = None;
    if text.len() > MAX_FILE {
        // Half a line would be another value.
        let head = text.get(..MAX_FILE).and_then(|head| head.iter().rposition(|octet| *octet == b'\n'));
        text = text.get(..head.map_or(0, |newline| newline + 1)).unwrap_or_default();
        too_long = Some(format!("it is longer than {} KiB", MAX_FILE / 1024));
    }
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let (mut last, mut more) = (0, 0);
    for (number, line) in (1..).zip(text.split(|octet| *octet == b'\n')) {
        last = number;
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        if given.settings.len() >= MAX_LINES {
            too_long = Some(format!("there are more than {MAX_LINES} settings"));
            break;
        }
        if let Err(why) = given.line(number, line) {
            match given.wrong.len() < MAX_WRONG {
                true => given.wrong.push(format!("line {number}: {why}")),
                false => more += 1,
            }
        }
    }
    if more > 0 {
        given.wrong.push(format!("{more} more lines are wrong"));
    }
    given.wrong.extend(too_long.map(|why| format!("{why}; line {last} and all behind it are left out")));
    given
}

impl Given {
    /// Takes up a line, or says why it is left out.
    fn line(&mut self, number: usize, line: &[u8]) -> Result<(), String> {
        let line =
            std::str::from_utf8(line).ok().filter(|line| !line.chars().any(|c| c.is_control() && c != '\t'));
        let line = line.ok_or("it is no text in UTF-8")?;
        let (key, value) = line.split_once('=').ok_or("wanted KEY=VALUE")?;
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() {
            return Err("wanted KEY=VALUE".into());
        }
        let again = || format!("{key} is there again; the last one counts");
        if key == FACTORY {
            return self.factory.replace((number, value.to_string())).map_or(Ok(()), |_| Err(again()));
        }
        let Some(Name { setting, .. }) = name(key) else {
            let shown = key.chars().take(MAX_SHOWN).map(|c| if is_unseen(c) { '?' } else { c });
            return Err(format!("there is no setting {}", shown.collect::<String>()));
        };
        if !is_allowed(setting.kind, value) {
            let words = setting.kind.words().replace('`', "");
            let bare = if is_quoted(value) { ", without quotes" } else { "" };
            return Err(format!("{key}: not allowed; must be {words}{bare}"));
        }
        self.files.retain(|(_, other, _)| other != key);
        if setting.kind == Kind::File && !value.is_empty() {
            self.files.push((number, key.into(), value.into()));
        }
        match self.settings.insert(key.to_string(), value.to_string()) {
            Some(_) => Err(again()),
            None if is_quoted(value) => Err(format!("{key}: its quotes count as a part of it")),
            None => Ok(()),
        }
    }
}

/// Whether somebody has written a value as a shell would want it.
fn is_quoted(value: &str) -> bool {
    value.len() > 1 && ['\'', '"'].iter().any(|quote| value.starts_with(*quote) && value.ends_with(*quote))
}

fn is_list(kind: Kind) -> bool {
    matches!(kind, Kind::Names | Kind::Paths | Kind::Digests | Kind::Subnets)
}

fn is_allowed(kind: Kind, value: &str) -> bool {
    match is_list(kind) {
        true => value.split_whitespace().all(|item| config::allowed(kind, item)),
        false => value.is_empty() || config::allowed(kind, value),
    }
}

/// What giving settings comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merge {
    /// Edits of the package.
    pub edits: Vec<Edit>,
    /// What is remembered of this time, by full name: the checksum of the value.
    pub given: Map<String, String>,
    /// The full names of settings that stay as somebody else has set them.
    pub kept: Vec<String>,
}

/// Merges `settings` into `package`; `before` is [`Merge::given`] of the last time.
///
/// A setting is given where there is none or the default one, or the one given last. Empty values clear what was given.
pub fn merge(package: &Tree, settings: &Map<String, String>, before: &Map<String, String>) -> Merge {
    let mut tree = package.clone();
    let mut merge = Merge::default();
    for (full, value) in settings {
        let Some(Name { section, setting }) = name(full) else { continue };
        let (kind, option) = (setting.section, setting.option);
        let new = match is_list(setting.kind) {
            true => value.split_whitespace().collect::<Vec<_>>().join(" "),
            false => value.clone(),
        };
        let standing = tree.get(section).and_then(|section| section.get(option)).cloned();
        let shown = match &standing {
            Some(Tree::List(items)) => items.iter().filter_map(Tree::as_str).collect::<Vec<_>>().join(" "),
            Some(Tree::Text(text)) => text.to_string(),
            Some(Tree::Map(_)) | None => String::new(),
        };
        let elsewhere = tree.get(section).is_some_and(|section| section.str(".type") != Some(kind));
        let ours = match before.get(full) {
            Some(sum) => *sum == checksum(shown.as_bytes()),
            None => shown.is_empty() || shown == setting.default,
        };
        if shown != new && (elsewhere || !ours) {
            merge.kept.push(full.clone());
            merge.given.extend(before.get(full).map(|sum| (full.clone(), sum.clone())));
            continue;
        }
        merge.given.insert(full.clone(), checksum(new.as_bytes()));
        if shown == new {
            continue;
        }
        let missing = tree.get(section).is_none();
        let mut edit = |change| {
            let edit = Edit { source: OWN.into(), section: section.into(), change };
            // It was made upon this very tree.
            if edit.apply(&mut tree).is_ok() {
                merge.edits.push(edit);
            }
        };
        if missing {
            edit(Change::Add { kind: kind.into() });
        }
        let new = match is_list(setting.kind) {
            _ if new.is_empty() => None,
            true => Some(Tree::List(new.split_whitespace().map(Tree::from).collect())),
            false => Some(Tree::from(new)),
        };
        edit(Change::Set { option: option.into(), old: standing, new });
    }
    merge
}

/// The device that holds the partition `label`, by the text of `/proc/mtd`.
pub fn partition(mtd: &str, label: &str) -> Option<String> {
    let quoted = format!("\"{label}\"");
    let line = mtd.lines().find(|line| line.ends_with(&quoted))?;
    let number = line.strip_prefix("mtd")?.split(':').next()?;
    number.bytes().all(|digit| digit.is_ascii_digit()).then(|| format!("/dev/mtd{number}"))
}

#[cfg(test)]
#[path = "provision/tests.rs"]
mod tests;
