//! Reads the options of one package against their table: a value that is not allowed is told and its default taken.
//!
//! What the options mean is the parent's business; here are only kinds of values, names of sections and bounds.

use super::subnet::Subnet;
use super::table::{Kind, SECTIONS, SETTINGS, Setting};
use super::{Fault, MAX_DIGESTS};
use crate::dm::acl;
use crate::dm::draft::OWN;
use crate::dm::error::Refusal;
use crate::dm::tree::Tree;
use crate::secret::Secret;
use crate::time::{UNKNOWN, Wall};
use std::net::IpAddr;
use std::time::Duration;

/// The most sections of one type.
pub const MAX_SECTIONS: usize = 64;
/// The most items of a list.
pub const MAX_ITEMS: usize = 64;

/// A package being read.
pub(super) struct Reader<'a> {
    package: &'a Tree,
    pub(super) faults: Vec<Fault>,
}

/// Whether a type of sections may stand any number of times; `None` for one that the table does not know.
fn is_many(kind: &str) -> Option<bool> {
    SECTIONS.iter().find(|section| section.kind == kind).map(|section| section.many)
}

/// Sections and options that mean nothing here, most often a typing error.
fn unknown(package: &Tree) -> Vec<Fault> {
    let fault = |section: &str, option: &str, why: String| Fault {
        section: section.into(),
        option: option.into(),
        why,
    };
    let mut faults = Vec::new();
    for (name, section) in package.entries() {
        let kind = section.str(".type").unwrap_or_default();
        if is_many(kind) == Some(false) && **name != *kind {
            let why = format!("ignored: a section of type {kind} must have the name '{kind}'");
            faults.push(fault(name, "", why));
        } else if is_many(name) == Some(false) && **name != *kind {
            faults.push(fault(name, "", format!("its type should be {name}")));
        }
        let kind = if is_many(name) == Some(false) { name } else { kind };
        let read = is_many(kind) == Some(true) || **name == *kind && is_many(kind).is_some();
        for (option, _) in section.entries().iter().filter(|(option, _)| read && !option.starts_with('.')) {
            if !SETTINGS.iter().any(|setting| setting.section == kind && setting.option == &**option) {
                faults.push(fault(name, option, "no such option".into()));
            }
        }
    }
    faults
}

impl<'a> Reader<'a> {
    pub(super) fn new(package: &'a Tree) -> Reader<'a> {
        Reader { package, faults: unknown(package) }
    }

    pub(super) fn fault(&mut self, section: &str, option: &str, why: String) {
        self.faults.push(Fault { section: section.into(), option: option.into(), why });
    }

    /// The names of the sections of a type that may stand any number of times, in the order of the file.
    pub(super) fn names(&mut self, kind: &str) -> Vec<String> {
        let mine = self
            .package
            .entries()
            .iter()
            .filter(|(name, section)| section.str(".type") == Some(kind) && is_many(name) != Some(false));
        let names: Vec<String> = mine.map(|(name, _)| name.to_string()).collect();
        for extra in names.iter().skip(MAX_SECTIONS) {
            self.fault(extra, "", format!("ignored: more than {MAX_SECTIONS} sections of type {kind}"));
        }
        names.into_iter().take(MAX_SECTIONS).collect()
    }

    /// What the table says of an option of a section.
    fn setting(&self, section: &str, option: &str) -> Option<&'static Setting> {
        let kind = match is_many(section) {
            Some(false) => section,
            Some(true) | None => self.package.get(section)?.str(".type")?,
        };
        SETTINGS.iter().find(|known| known.section == kind && known.option == option)
    }

    /// The value as text, allowed by its kind; the default where it is not there or not allowed.
    pub(super) fn text(&mut self, section: &str, option: &str) -> String {
        let Some(setting) = self.setting(section, option) else { return String::new() };
        let value = match self.package.get(section).and_then(|entries| entries.get(option)) {
            None | Some(Tree::Map(_)) => return setting.default.into(),
            Some(Tree::Text(text)) => text.to_string(),
            Some(Tree::List(items)) => items.iter().filter_map(Tree::as_str).collect::<Vec<_>>().join(" "),
        };
        match allowed(setting.kind, &value) {
            _ if value.is_empty() => setting.default.into(),
            true => value,
            false => {
                self.wrong(section, setting);
                setting.default.into()
            }
        }
    }

    fn wrong(&mut self, section: &str, setting: &Setting) {
        let why = format!("not allowed; must be {}", setting.kind.words().replace('`', ""));
        let instead = match setting.default {
            "" => "ignored".to_string(),
            default => format!("{default} is used"),
        };
        self.fault(section, setting.option, format!("{why}; {instead}"));
    }

    /// The items of a list, or of the words in one text.
    pub(super) fn list(&mut self, section: &str, option: &str) -> Vec<String> {
        let Some(setting) = self.setting(section, option) else { return Vec::new() };
        let items: Vec<&str> = match self.package.get(section).and_then(|entries| entries.get(option)) {
            None | Some(Tree::Map(_)) => return Vec::new(),
            Some(Tree::Text(text)) => words(setting.kind, text),
            Some(Tree::List(items)) => items.iter().filter_map(Tree::as_str).collect(),
        };
        let items: Vec<&str> = items.into_iter().filter(|item| !item.is_empty()).collect();
        if all_allowed(setting.kind, &items) {
            return items.into_iter().map(str::to_string).collect();
        }
        self.wrong(section, setting);
        Vec::new()
    }

    pub(super) fn subnets(&mut self, section: &str, option: &str) -> Vec<Subnet> {
        self.list(section, option).iter().filter_map(|item| Subnet::parse(item)).collect()
    }

    pub(super) fn some(&mut self, section: &str, option: &str) -> Option<String> {
        Some(self.text(section, option)).filter(|text| !text.is_empty())
    }

    pub(super) fn secret(&mut self, section: &str, option: &str) -> Secret {
        Secret::new(self.text(section, option))
    }

    pub(super) fn flag(&mut self, section: &str, option: &str) -> bool {
        flag(&self.text(section, option)).unwrap_or_default()
    }

    pub(super) fn number(&mut self, section: &str, option: &str) -> i64 {
        number(&self.text(section, option)).unwrap_or_default()
    }

    pub(super) fn u32(&mut self, section: &str, option: &str) -> u32 {
        u32::try_from(self.number(section, option)).unwrap_or_default()
    }

    pub(super) fn seconds(&mut self, section: &str, option: &str) -> Duration {
        Duration::from_secs(self.u32(section, option).into())
    }

    pub(super) fn time(&mut self, section: &str, option: &str) -> Option<Wall> {
        let time = Wall::parse(&self.text(section, option))?;
        (Wall::parse(UNKNOWN) != Some(time)).then_some(time)
    }
}

/// Whether a value, or an item of a list, is one of its kind.
pub fn allowed(kind: Kind, value: &str) -> bool {
    // What a file holds that is not UTF-8 comes as the last one.
    let odd = |c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER;
    let plain = |max| value.chars().count() <= max && !value.chars().any(odd);
    match kind {
        Kind::Flag => flag(value).is_some(),
        Kind::Number(low, high) => number(value).is_some_and(|number| (low..=high).contains(&number)),
        Kind::Choice(words) => words.contains(&value),
        Kind::Text(max) | Kind::Secret(max) => plain(max),
        Kind::Topic(max) => plain(max) && !value.contains(['+', '#']),
        Kind::Names => plain(64),
        Kind::Paths => acl::target(value).is_ok(),
        Kind::Subnets => Subnet::parse(value).is_some(),
        Kind::Letters => acl::Rwxn::parse(value).is_some(),
        Kind::Url => is_url(value),
        Kind::File => plain(256) && value.starts_with('/'),
        Kind::Time => Wall::parse(value).is_some(),
        Kind::Address => value.parse::<IpAddr>().is_ok(),
        Kind::Oui => value.len() == 6 && value.bytes().all(|digit| digit.is_ascii_hexdigit()),
        Kind::Digests => {
            let mut digests = value.split_whitespace();
            let hex =
                |digest: &str| digest.len() == 64 && digest.bytes().all(|digit| digit.is_ascii_hexdigit());
            digests.by_ref().take(MAX_DIGESTS).all(hex) && digests.next().is_none()
        }
    }
}

/// Refuses a value that would be read as a fault: of an option of the agent's own package, by the type of its section.
/// What is not in the table, or of another package, is no business of the table.
pub fn allows(source: &str, kind: &str, option: &str, value: &Tree) -> Result<(), Refusal> {
    let known = || SETTINGS.iter().find(|known| known.section == kind && known.option == option);
    let Some(setting) = (source == OWN).then(known).flatten() else { return Ok(()) };
    let is_one = matches!(setting.kind, Kind::Text(_) | Kind::Topic(_) | Kind::Secret(_));
    let fits = match value {
        Tree::Text(text) => {
            text.is_empty()
                || allowed(setting.kind, text)
                || !is_one && all_allowed(setting.kind, &words(setting.kind, text))
        }
        Tree::List(items) => {
            all_allowed(setting.kind, &items.iter().filter_map(Tree::as_str).collect::<Vec<_>>())
        }
        Tree::Map(_) => false,
    };
    match fits {
        true => Ok(()),
        false => Err(Refusal::OutOfRange { allowed: setting.kind.words().replace('`', "") }),
    }
}

/// Whether these are items that a list of the kind may have.
fn all_allowed(kind: Kind, items: &[&str]) -> bool {
    items.len() <= MAX_ITEMS && items.iter().all(|item| allowed(kind, item))
}

/// The items of a list that is written as one text. A path is one item whatever is in it.
fn words(kind: Kind, text: &str) -> Vec<&str> {
    match kind {
        Kind::Paths => vec![text],
        _ => text.split_whitespace().collect(),
    }
}

/// Reads a UCI boolean in any of its spellings.
pub fn flag(text: &str) -> Option<bool> {
    match text {
        "1" | "on" | "true" | "yes" | "enabled" => Some(true),
        "0" | "off" | "false" | "no" | "disabled" => Some(false),
        _ => None,
    }
}

fn number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(digits) if !digits.starts_with(['+', '-']) => i64::from_str_radix(digits, 16).ok(),
        Some(_) => None,
        None => text.parse().ok(),
    }
}

/// An absolute URL with a host, as the client takes it. Names and passwords in it are refused: they have options of their own.
fn is_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    // Of an address in brackets the colons are no port.
    let port = host.rsplit_once(':').map_or("", |(_, port)| port).rsplit(']').next().unwrap_or_default();
    known
        && (port.is_empty() || !port.starts_with('+') && port.parse::<u16>().is_ok_and(|port| port != 0))
        && url.len() <= 256
        && !host.is_empty()
        && !host.starts_with(':')
        && !host.contains('@')
        && url.chars().all(|c| c.is_ascii_graphic() && !"\"<>\\^`".contains(c))
}
