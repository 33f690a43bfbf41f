//! What who built the image, or the factory, gives a device: a file of settings, merged into the package `cpeagent`.
//!
//! Owns the file's format, and what may be overwritten: three-way, against what was given the last time, so that a
//! value that a person or a manager has changed or removed stays. Pure; `cli` reads the files and commits.

use crate::config;
use crate::config::table::{Kind, SECTIONS, SETTINGS, Setting};
use crate::dm::edit::{Change, Edit};
use crate::dm::tree::Tree;
use crate::sealed::checksum;
use crate::sorted::Map;

/// The largest file, in octets.
pub const MAX_FILE: usize = 64 * 1024;
/// The most lines that give a setting.
pub const MAX_LINES: usize = 512;
/// The key that names a further file, read-only, whose lines come before these.
pub const FACTORY: &str = "factory";

/// The lines of a file: settings by their full names, and where the factory's file is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// By `SECTION.OPTION`, or `TYPE.SECTION.OPTION` for sections of which there may be many.
    pub settings: Map<String, String>,
    /// A path, or `mtd:` and the label of a partition.
    pub factory: Option<String>,
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

/// Reads a file of `KEY=VALUE` lines; lines that are empty or begin with `#` say nothing.
///
/// A flash partition may be longer than its text: what follows a zero or an erased octet does not count. Every line
/// that is wrong is told of, by its number and without its value, and left out.
pub fn read(octets: &[u8]) -> (Given, Vec<String>) {
    let end = octets.iter().position(|octet| matches!(octet, 0 | 0xff)).unwrap_or(octets.len());
    let Ok(text) = std::str::from_utf8(octets.get(..end).unwrap_or_default()) else {
        return (Given::default(), vec!["it is no text in UTF-8".into()]);
    };
    let (mut given, mut wrong) = (Given::default(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once('=').map(|(key, value)| (key.trim(), value.trim())) else {
            wrong.push(format!("line {number}: wanted KEY=VALUE"));
            continue;
        };
        if given.settings.len() >= MAX_LINES {
            wrong.push(format!(
                "line {number}: more than {MAX_LINES} settings; this and all behind it are left out"
            ));
            break;
        }
        if key == FACTORY {
            given.factory = Some(value.to_string());
            continue;
        }
        match name(key) {
            None => wrong.push(format!("line {number}: there is no setting {key}")),
            Some(name) if !is_allowed(name.setting.kind, value) => {
                let words = name.setting.kind.words().replace('`', "");
                wrong.push(format!("line {number}: {key}: not allowed; must be {words}"));
            }
            Some(_) => {
                if given.settings.insert(key.to_string(), value.to_string()).is_some() {
                    wrong.push(format!("line {number}: {key} is there again; the last one counts"));
                }
            }
        }
    }
    (given, wrong)
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
            let edit = Edit { source: "uci:cpeagent".into(), section: section.into(), change };
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
