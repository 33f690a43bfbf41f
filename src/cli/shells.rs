//! Completions for a shell and the man page, for those who package; only with the feature `bench`.
//!
//! The table of [`super::commands`] in the form of the crates that write them.

use super::args::{Argument, Kind};
use super::commands::{ABOUT, AFTER, COMMANDS, GLOBAL};
use super::{Done, Fail};
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command};

/// The completions for a shell.
pub(super) fn completions(shell: &str) -> Result<Done, Fail> {
    let shell: clap_complete::Shell = shell.parse().map_err(Fail::Usage)?;
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut command(), "cpeagent", &mut out);
    Ok(String::from_utf8_lossy(&out).into_owned().into())
}

/// The man page, as roff.
pub(super) fn man() -> Result<Done, Fail> {
    let mut out = Vec::new();
    clap_mangen::Man::new(command()).render(&mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned().into())
}

fn command() -> Command {
    let of = |command: &'static super::args::Command| {
        let about = if command.more.is_empty() {
            command.about.into()
        } else {
            format!("{}. {}", command.about, command.more)
        };
        Command::new(command.name)
            .about(about)
            .hide(command.hidden)
            .args(command.arguments.iter().map(argument))
    };
    Command::new("cpeagent")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(AFTER)
        .subcommand_required(true)
        .args(GLOBAL.iter().map(|global| argument(global).global(true)))
        .subcommands(COMMANDS.iter().map(of))
}

fn argument(argument: &'static Argument) -> Arg {
    let arg = Arg::new(argument.name).help(argument.help);
    match argument.kind {
        Kind::Flag => arg.long(argument.name).action(ArgAction::SetTrue),
        Kind::Option { value, choices: [], .. } => arg.long(argument.name).value_name(value),
        Kind::Option { value, choices, default } => {
            let arg =
                arg.long(argument.name).value_name(value).value_parser(PossibleValuesParser::new(choices));
            if let Some(default) = default { arg.default_value(default) } else { arg }
        }
        Kind::One { value, default: Some(default) } => arg.value_name(value).default_value(default),
        Kind::One { value, default: None } => arg.value_name(value).required(true),
        Kind::Several { value } => arg.value_name(value).required(true).action(ArgAction::Append),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn shells_and_the_man_page_know_every_command() {
        command().debug_assert();
        let page = man().unwrap().text;
        for shell in ["bash", "zsh", "fish"] {
            let text = completions(shell).unwrap().text;
            for command in COMMANDS.iter().filter(|command| !command.hidden) {
                assert!(text.contains(command.name), "{shell} {}", command.name);
                assert!(page.contains(command.name), "man {}", command.name);
            }
        }
        assert_eq!(completions("dos").err().map(|fail| fail.code()), Some(2));
    }
}
