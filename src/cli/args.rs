//! Reads a command line by the table in [`super::commands`].
//!
//! The usual manners: `--name value` and `--name=value`, options anywhere behind the program's name, `--` before values that
//! begin with a dash. Gives what was typed or what to print instead; runs nothing. A parser crate costs a router 150 KiB.

use super::commands::{COMMANDS, ELSEWHERE, GLOBAL};
use super::help;
use std::ffi::OsString;

/// A command.
pub(super) struct Command {
    /// What is typed.
    pub name: &'static str,
    /// What it does, in a sentence without a full stop.
    pub about: &'static str,
    /// What its own help says besides.
    pub more: &'static str,
    /// Left out of the list of commands.
    pub hidden: bool,
    /// What it takes.
    pub arguments: &'static [Argument],
}

/// What a command takes.
pub(super) struct Argument {
    /// By which the value is asked for; of flags and options also what is typed behind two dashes.
    pub name: &'static str,
    /// How it is typed.
    pub kind: Kind,
    /// What it is, in a few words.
    pub help: &'static str,
}

/// How an argument is typed.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// `--name`.
    Flag,
    /// `--name VALUE`, one of the choices if there are any.
    Option { value: &'static str, choices: &'static [&'static str], default: Option<&'static str> },
    /// One value without a name; must be there unless it has a default.
    One { value: &'static str, default: Option<&'static str> },
    /// One or more values without a name.
    Several { value: &'static str },
}

/// A command line that means something.
pub(super) struct Typed {
    /// The command.
    pub command: &'static Command,
    values: Vec<(&'static str, OsString)>,
}

/// Why a command line runs nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Instead {
    /// Something was asked for that is printed: help, or the version.
    Print(String),
    /// It means nothing; what to say of it.
    Wrong(String),
}

impl Typed {
    /// Whether the flag was given.
    pub fn flag(&self, name: &str) -> bool {
        self.values.iter().any(|(known, _)| *known == name)
    }

    /// The value as it was typed.
    pub fn raw(&self, name: &str) -> Option<&OsString> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The value; empty where there is none.
    pub fn text(&self, name: &str) -> String {
        self.list(name).into_iter().next().unwrap_or_default()
    }

    /// All values of that name.
    pub fn list(&self, name: &str) -> Vec<String> {
        let of_that_name = self.values.iter().filter(|(known, _)| *known == name);
        // All but `root` were looked at when they were read.
        of_that_name.map(|(_, value)| value.to_string_lossy().into_owned()).collect()
    }
}

/// The command of that name.
fn command(name: &str) -> Result<&'static Command, Instead> {
    let elsewhere = || ELSEWHERE.iter().find(|(known, _)| *known == name);
    COMMANDS.iter().find(|command| command.name == name).ok_or_else(|| match elsewhere() {
        Some((_, what)) => {
            help::wrong(None, format_args!("'{name}' needs {what}, which this build leaves out"))
        }
        None => help::wrong(None, format_args!("unrecognized subcommand '{name}'")),
    })
}

/// Reads `arguments`, the program's name first.
pub(super) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Typed, Instead> {
    let mut words = arguments.into_iter().skip(1);
    let mut chosen: Option<&'static Command> = None;
    let mut values: Vec<(&'static str, OsString)> = Vec::new();
    let mut only_values = false;
    while let Some(word) = words.next() {
        let text = word.to_str().map(str::to_owned);
        let option = text
            .as_deref()
            .filter(|text| !only_values && text.len() > 1)
            .and_then(|text| text.strip_prefix('-'));
        match (option, chosen) {
            (Some("-"), _) => only_values = true,
            (Some("h" | "-help"), _) => return Err(Instead::Print(help::help(chosen))),
            (Some("V" | "-version"), None) => {
                return Err(Instead::Print(format!("cpeagent {}\n", env!("CARGO_PKG_VERSION"))));
            }
            (Some(option), _) => {
                let (name, value) = match option.split_once('=') {
                    Some((name, value)) => (name, Some(OsString::from(value))),
                    None => (option, None),
                };
                values.push(named(chosen, name, value, &mut words)?);
            }
            (None, None) => match text.as_deref() {
                Some("help") => {
                    let of = words.next().map(|word| command(&word.to_string_lossy())).transpose()?;
                    return Err(Instead::Print(help::help(of)));
                }
                Some(name) => chosen = Some(command(name)?),
                None => return Err(command(&word.to_string_lossy()).err().unwrap_or(not_text(None))),
            },
            (None, Some(command)) => {
                let name = unnamed(command, &values).ok_or_else(|| {
                    help::wrong(chosen, format_args!("unexpected argument '{}' found", word.display()))
                })?;
                if text.is_none() {
                    return Err(not_text(chosen));
                }
                values.push((name, word));
            }
        }
    }
    match chosen {
        Some(command) => whole(command, values),
        None if values.is_empty() => Err(Instead::Wrong(help::help(None))),
        None => Err(help::wrong(None, format_args!("a command is needed"))),
    }
}

fn not_text(command: Option<&'static Command>) -> Instead {
    help::wrong(command, format_args!("invalid UTF-8 was detected in an argument"))
}

/// A flag or an option; `name` is what stands behind the first dash, and its value may be the next word.
fn named(
    command: Option<&'static Command>,
    name: &str,
    value: Option<OsString>,
    words: &mut impl Iterator<Item = OsString>,
) -> Result<(&'static str, OsString), Instead> {
    let known = command.map_or(&[][..], |command| command.arguments).iter().chain(GLOBAL);
    let argument = known
        .filter(|argument| matches!(argument.kind, Kind::Flag | Kind::Option { .. }))
        .find(|argument| name.strip_prefix('-') == Some(argument.name));
    let wrong = |what: &str| help::wrong(command, format_args!("{what} '-{name}'"));
    match argument.map(|argument| (argument.name, argument.kind)) {
        Some((name, Kind::Option { choices, .. })) => {
            let value = value.or_else(|| words.next()).ok_or_else(|| wrong("a value is required for"))?;
            if !choices.is_empty() && !choices.iter().any(|choice| value == *choice) {
                return Err(wrong(&format!("'{}' is none of {} for", value.display(), choices.join(", "))));
            }
            Ok((name, value))
        }
        Some(_) if value.is_some() => Err(wrong("no value is taken by")),
        Some((name, _)) => Ok((name, OsString::new())),
        None => Err(wrong("unexpected argument")),
    }
}

/// The name of the argument without one that the next value is of.
fn unnamed(command: &Command, values: &[(&'static str, OsString)]) -> Option<&'static str> {
    command.arguments.iter().find_map(|argument| match argument.kind {
        Kind::Several { .. } => Some(argument.name),
        Kind::One { .. } => Some(argument.name).filter(|name| values.iter().all(|(have, _)| have != name)),
        Kind::Flag | Kind::Option { .. } => None,
    })
}

/// Adds the defaults; refuses what lacks a value or has an option twice.
fn whole(command: &'static Command, mut values: Vec<(&'static str, OsString)>) -> Result<Typed, Instead> {
    for argument in command.arguments.iter().chain(GLOBAL) {
        let times = values.iter().filter(|(name, _)| *name == argument.name).count();
        let default = match argument.kind {
            Kind::Flag | Kind::Option { .. } if times > 1 => {
                return Err(help::wrong(
                    Some(command),
                    format_args!("'--{}' is there more than once", argument.name),
                ));
            }
            Kind::One { value, default: None } | Kind::Several { value } if times == 0 => {
                return Err(help::wrong(Some(command), format_args!("<{value}> is missing")));
            }
            Kind::Option { default, .. } | Kind::One { default, .. } => default,
            Kind::Flag | Kind::Several { .. } => None,
        };
        if let (0, Some(default)) = (times, default) {
            values.push((argument.name, default.into()));
        }
    }
    Ok(Typed { command, values })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt as _;

    fn words(line: &str) -> Vec<OsString> {
        std::iter::once("cpeagent").chain(line.split_whitespace()).map(OsString::from).collect()
    }

    #[test]
    fn a_command_line_gives_the_command_and_its_values() {
        for (line, command, name, want) in [
            ("get A. B.", "get", "path", vec!["A.", "B."]),
            ("set --plan A=1 B=2", "set", "pair", vec!["A=1", "B=2"]),
            ("set A=-1", "set", "pair", vec!["A=-1"]),
            ("get -- --root", "get", "path", vec!["--root"]),
            ("get -", "get", "path", vec!["-"]),
            ("names", "names", "path", vec!["Device."]),
            ("names A.", "names", "path", vec!["A."]),
            ("model", "model", "format", vec!["text"]),
            ("model --format tsv", "model", "format", vec!["tsv"]),
            ("model --format=tsv --all", "model", "format", vec!["tsv"]),
            ("--root /tmp/x get A.", "get", "root", vec!["/tmp/x"]),
            ("get A. --root=/tmp/x", "get", "root", vec!["/tmp/x"]),
        ] {
            let typed = read(words(line)).ok().unwrap();
            assert_eq!(
                (typed.command.name, typed.list(name)),
                (command, want.iter().map(ToString::to_string).collect()),
                "{line}"
            );
        }
    }

    #[test]
    fn a_flag_is_set_only_where_it_was_typed() {
        for (line, plan, json) in [
            ("add A.", false, false),
            ("add --plan A.", true, false),
            ("--json add A.", false, true),
            ("add A. --json --plan", true, true),
        ] {
            let typed = read(words(line)).ok().unwrap();
            assert_eq!((typed.flag("plan"), typed.flag("json")), (plan, json), "{line}");
        }
    }

    #[test]
    fn what_means_nothing_is_refused_and_says_what() {
        for (line, says) in [
            ("", "Usage: cpeagent [OPTIONS] <COMMAND>"),
            ("--json", "a command is needed"),
            ("nonsense", "'nonsense'"),
            ("help nonsense", "'nonsense'"),
            ("get", "<PATH>"),
            ("add A. B.", "'B.'"),
            ("run a", "'a'"),
            ("get --bogus A.", "'--bogus'"),
            ("get -x A.", "'-x'"),
            ("get --path A.", "'--path'"),
            ("get --verbose A.", "'--verbose'"),
            ("run --verbose=yes", "'--verbose'"),
            ("run --verbose --verbose", "'--verbose'"),
            ("model --format", "'--format'"),
            ("model --format html", "text, tsv"),
            ("get A. --root", "'--root'"),
        ] {
            let Err(Instead::Wrong(text)) = read(words(line)) else { panic!("{line} means something") };
            assert!(text.contains(says), "{line}: {text}");
        }
    }

    #[test]
    fn a_path_may_be_any_octets_but_a_value_is_text() {
        let odd = OsString::from_vec(vec![b'/', 0xFF]);
        let typed = read(["cpeagent".into(), "--root".into(), odd.clone(), "doctor".into()]).ok().unwrap();
        assert_eq!(typed.raw("root"), Some(&odd));
        assert!(matches!(read(["cpeagent".into(), "get".into(), odd.clone()]), Err(Instead::Wrong(_))));
        assert!(matches!(read(["cpeagent".into(), odd]), Err(Instead::Wrong(_))));
    }

    #[test]
    fn the_table_contradicts_itself_nowhere_and_describes_everything() {
        for (at, command) in COMMANDS.iter().enumerate() {
            assert!(!command.about.is_empty() && !command.about.ends_with('.'), "{}", command.name);
            assert!(COMMANDS.iter().take(at).all(|other| other.name != command.name), "{}", command.name);
            let arguments: Vec<_> = command.arguments.iter().chain(GLOBAL).collect();
            for (at, argument) in arguments.iter().enumerate() {
                assert!(!argument.help.is_empty(), "{} {}", command.name, argument.name);
                assert!(
                    arguments.iter().take(at).all(|other| other.name != argument.name),
                    "{}",
                    command.name
                );
                if let Kind::Option { choices, default: Some(default), .. } = argument.kind {
                    assert!(choices.contains(&default), "{} {}", command.name, argument.name);
                }
            }
            // Values behind several others would never be reached.
            let several =
                command.arguments.iter().position(|argument| matches!(argument.kind, Kind::Several { .. }));
            let last = command
                .arguments
                .iter()
                .rposition(|argument| matches!(argument.kind, Kind::One { .. } | Kind::Several { .. }));
            assert!(several.is_none() || several == last, "{}", command.name);
        }
    }
}
