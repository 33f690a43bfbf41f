//! What is recorded of a change from outside: who asked for it, when, of what, and what it came to.
//!
//! Owns the shape of an [`Entry`], its bounds, and what must not stand in one. Which requests make entries is `agent`'s
//! business, where they are kept `io`'s, how they are shown `cli`'s.

use crate::time::{UNKNOWN, Wall};

/// Where entries are kept unless a setting says otherwise: in memory, so that flash is spared.
const IN_MEMORY: &str = "/var/log/cpeagent.audit";
/// Where they are kept if it does.
const ON_FLASH: &str = "/etc/cpeagent/audit";
/// The most KiB of one file of entries unless a setting says otherwise; there are two, the one before ends in `.1`.
pub const KIB: u32 = 64;
/// The most KiB that a setting may say.
pub const MAX_KIB: u32 = 1024;
/// The fewest KiB of a file that is kept at all: several of the longest lines.
const MIN_KIB: u32 = 16;
/// The longest text of an entry, in characters; the rest is cut off.
pub const MAX_TEXT: usize = 256;
/// What stands for a secret.
const MASK: &str = "***";

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A value.
    Set,
    /// A row.
    Add,
    /// That a row goes.
    Delete,
    /// Attributes of parameters: notification, access list.
    Attributes,
    /// A setting of the agent's own, by what DHCP told.
    Setting,
    /// All that the manager had not confirmed, in the packages that are named.
    Unconfirmed,
    /// A command.
    Command,
}

/// What it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done; of a command, that it was begun.
    Done,
    /// It was done before, and is undone: see `agent::guard`.
    Undone,
    /// It was refused, with the code that was told; 0 where the way it came knows no codes.
    Refused(u32),
}

/// One change that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it is.
    pub what: What,
    /// Of what: a path of the data model; of a command of CWMP the name of the RPC, of a setting its option, of what
    /// is undone the packages.
    pub path: String,
    /// The value before, where that is known.
    pub old: Option<String>,
    /// The value asked for; of a command, what went with it.
    pub new: Option<String>,
    /// What it came to.
    pub outcome: Outcome,
}

/// One line of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When; `None` while the calendar is not known.
    pub at: Option<Wall>,
    /// Who asked: the URL of the ACS, the endpoint id of a controller, `local`, or `dhcp` and the network.
    pub manager: String,
    /// What was asked for.
    pub change: Change,
    /// The commit that made it, if one did.
    pub commit: Option<u64>,
}

impl Change {
    /// A change that was done, unless somebody says otherwise.
    pub fn new(what: What, path: impl Into<String>, new: Option<&str>) -> Change {
        Change { what, path: path.into(), old: None, new: new.map(str::to_string), outcome: Outcome::Done }
    }

    /// The same, refused with a code.
    pub fn refused(mut self, code: u32) -> Change {
        self.outcome = Outcome::Refused(code);
        self
    }

    /// Hides what must not be seen: the values of a secret, passwords in URLs.
    pub fn masked(mut self, is_secret: bool) -> Change {
        self.old = self.old.map(|text| masked(is_secret, &text));
        self.new = self.new.map(|text| masked(is_secret, &text));
        self.path = path(&self.path);
        self
    }
}

impl Entry {
    /// Its fields by their names, in order; what is not known is left out, but for the time.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let change = &self.change;
        let what = match change.what {
            What::Set => "set",
            What::Add => "add",
            What::Delete => "delete",
            What::Attributes => "attributes",
            What::Setting => "setting",
            What::Unconfirmed => "unconfirmed",
            What::Command => "command",
        };
        let outcome = match change.outcome {
            Outcome::Done => "done".into(),
            Outcome::Undone => "undone".into(),
            Outcome::Refused(0) => "refused".into(),
            Outcome::Refused(code) => format!("refused {code}"),
        };
        let time = self.at.map_or_else(|| UNKNOWN.into(), |at| Wall::at(at.seconds).to_string());
        let mut fields = vec![
            ("time", time),
            ("manager", self.manager.clone()),
            ("what", what.into()),
            ("path", change.path.clone()),
        ];
        fields.extend(change.old.clone().map(|old| ("old", old)));
        fields.extend(change.new.clone().map(|new| ("new", new)));
        fields.push(("outcome", outcome));
        fields.extend(self.commit.map(|commit| ("commit", commit.to_string())));
        fields
    }
}

/// The file of entries, in memory or on flash.
pub const fn file(flash: bool) -> &'static str {
    if flash { ON_FLASH } else { IN_MEMORY }
}

/// The octets of one file, of the KiB that a setting says; none for none.
pub fn octets(kib: u32) -> u64 {
    if kib == 0 { 0 } else { u64::from(kib.clamp(MIN_KIB, MAX_KIB)) * 1024 }
}

/// At most [`MAX_TEXT`] characters of a text, with a sign where something is missing.
fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => [text.get(..end).unwrap_or_default(), "…"].concat(),
        None => text.into(),
    }
}

/// Whether a parameter, argument or option of this name holds a secret, whatever its type says.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "passphrase", "secret", "presharedkey", "wepkey", "privatekey", "credential", "token"]
        .iter()
        .any(|word| name.contains(word))
}

/// A value as it may be seen: that of a secret hidden, any other without a URL's password and not too long.
pub fn masked(is_secret: bool, text: &str) -> String {
    if is_secret && !text.is_empty() { MASK.into() } else { cut(&plain(text)) }
}

/// A path as it may be seen: a search about a secret is hidden.
fn path(path: &str) -> String {
    let steps = path.split_inclusive(']').map(|step| match step.split_once('[') {
        Some((before, search)) if is_secret(search) => format!("{before}[{MASK}]"),
        Some(_) | None => step.to_string(),
    });
    cut(&steps.collect::<String>())
}

/// The text without the name and password that a URL in it may bear.
fn plain(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.into() };
    let host = rest.split(['/', '?', '#', ' ']).next().unwrap_or_default();
    match host.rsplit_once('@') {
        Some((_, bare)) => {
            let behind = rest.get(host.len()..).unwrap_or_default();
            format!("{scheme}://{MASK}@{bare}{behind}")
        }
        None => text.into(),
    }
}

/// Whether a character changes how a line looks without being seen: it is written as an escape wherever entries are.
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn set(path: &str, old: &str, new: &str) -> Change {
        Change { old: Some(old.into()), ..Change::new(What::Set, path, Some(new)) }
    }

    #[test]
    fn an_entry_tells_its_fields_in_order_and_an_unknown_time_as_such() {
        let entry = |at, change: Change| Entry { at, manager: "local".into(), change, commit: Some(7) };
        let text = |entry: &Entry| {
            let fields = entry.fields();
            fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        let known = Some(Wall { seconds: 0, micros: 7 });
        assert_eq!(
            text(&entry(known, set("Device.A", "1", "2"))),
            "time=1970-01-01T00:00:00Z manager=local what=set path=Device.A old=1 new=2 outcome=done commit=7"
        );
        let refused = Entry {
            commit: None,
            ..entry(None, Change::new(What::Delete, "Device.A.1.", None).refused(9005))
        };
        assert_eq!(
            text(&refused),
            "time=0001-01-01T00:00:00Z manager=local what=delete path=Device.A.1. outcome=refused 9005"
        );
    }

    #[test]
    fn a_secret_and_what_a_url_bears_are_masked_and_the_rest_is_not() {
        for (secret, value, want) in [
            (true, "hunter2", "***"),
            (true, "", ""),
            (false, "home", "home"),
            (false, "http://u:p@h:8/x?y", "http://***@h:8/x?y"),
            (false, "https://u@h", "https://***@h"),
            (false, "https://h/a@b", "https://h/a@b"),
            (false, "a@b", "a@b"),
        ] {
            let masked = set("Device.A", value, value).masked(secret);
            assert_eq!((masked.old.as_deref(), masked.new.as_deref()), (Some(want), Some(want)), "{value}");
        }
        for (asked, want) in [
            ("Device.U.[Password==\"x\"].Enable", "Device.U.[***].Enable"),
            ("Device.U.[Name==\"x\"].Enable", "Device.U.[Name==\"x\"].Enable"),
        ] {
            assert_eq!(set(asked, "", "").masked(false).path, want);
        }
        for (name, want) in [
            ("Password", true),
            ("KeyPassphrase", true),
            ("ConnectionRequestPassword", true),
            ("PreSharedKey", true),
            ("X_ACME_ApiToken", true),
            ("SSID", false),
            ("PortMapping", false),
            ("ParameterKey", false),
        ] {
            assert_eq!(is_secret(name), want, "{name}");
        }
    }

    #[test]
    fn no_text_of_an_entry_is_longer_than_its_bound() {
        let long = "ü".repeat(MAX_TEXT + 1);
        let change = set(&long, &long, &long).masked(false);
        for text in [change.path, change.old.unwrap(), change.new.unwrap()] {
            assert_eq!(text.chars().count(), MAX_TEXT + 1);
            assert!(text.ends_with('…'));
        }
        assert_eq!(cut(&"x".repeat(MAX_TEXT)), "x".repeat(MAX_TEXT));
    }
}
