//! What `--help` prints and what is said of a command line that means nothing, from the table in [`super::commands`].

use super::args::{Argument, Command, Instead, Kind};
use super::commands::{ABOUT, AFTER, COMMANDS, GLOBAL};
use std::fmt;

/// The help of a command, or of the program.
pub(super) fn help(command: Option<&Command>) -> String {
    let mut text = String::new();
    let arguments = command.map_or(&[][..], |command| command.arguments);
    text.push_str(command.map_or(ABOUT, |command| command.about));
    if let Some(Command { more, .. }) = command.filter(|command| !command.more.is_empty()) {
        text.push_str(".\n");
        text.push_str(more);
    }
    text.push_str("\n\n");
    text.push_str(&usage(command));
    if command.is_none() {
        let shown = COMMANDS.iter().filter(|command| !command.hidden);
        let own = ("help".to_string(), "Print this, or the help of a command".to_string());
        let rows = shown.map(|command| (command.name.to_string(), command.about.to_string())).chain([own]);
        section(&mut text, "Commands", rows.collect());
    }
    let (values, options): (Vec<_>, Vec<_>) =
        arguments.iter().chain(GLOBAL).partition(|argument| is_value(argument));
    section(&mut text, "Arguments", values.into_iter().map(row).collect());
    let mut rows: Vec<_> = options.into_iter().map(row).collect();
    rows.push(("-h, --help".to_string(), "Print help".to_string()));
    if command.is_none() {
        rows.push(("-V, --version".to_string(), "Print version".to_string()));
    }
    section(&mut text, "Options", rows);
    if command.is_none() {
        text.push('\n');
        text.push_str(AFTER);
        text.push('\n');
    }
    text
}

/// What is said of a command line that means nothing.
pub(super) fn wrong(command: Option<&Command>, what: fmt::Arguments<'_>) -> Instead {
    Instead::Wrong(format!("error: {what}\n\n{}\nFor more information, try '--help'.", usage(command)))
}

fn usage(command: Option<&Command>) -> String {
    let mut text = String::from("Usage: cpeagent");
    let Some(command) = command else { return text + " [OPTIONS] <COMMAND>\n" };
    text.push(' ');
    text.push_str(command.name);
    text.push_str(" [OPTIONS]");
    for argument in command.arguments.iter().filter(|argument| is_value(argument)) {
        text.push(' ');
        text.push_str(&row(argument).0);
    }
    text.push('\n');
    text
}

fn is_value(argument: &Argument) -> bool {
    matches!(argument.kind, Kind::One { .. } | Kind::Several { .. })
}

/// How an argument is typed, and what it is.
fn row(argument: &Argument) -> (String, String) {
    let mut help = argument.help.to_string();
    let (shown, default) = match argument.kind {
        Kind::Flag => (format!("    --{}", argument.name), None),
        Kind::Option { value, choices, default } => {
            if !choices.is_empty() {
                help = format!("{help} [one of: {}]", choices.join(", "));
            }
            (format!("    --{} <{value}>", argument.name), default)
        }
        Kind::One { value, default: Some(default) } => (format!("[{value}]"), Some(default)),
        Kind::One { value, default: None } => (format!("<{value}>"), None),
        Kind::Several { value } => (format!("<{value}>..."), None),
    };
    if let Some(default) = default {
        help = format!("{help} [default: {default}]");
    }
    (shown, help)
}

/// Rows under a head, their right sides below each other.
fn section(text: &mut String, head: &str, rows: Vec<(String, String)>) {
    let Some(width) = rows.iter().map(|(left, _)| left.len()).max() else { return };
    text.push('\n');
    text.push_str(head);
    text.push_str(":\n");
    for (left, right) in rows {
        text.push_str(&format!("  {left:width$}  {right}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_command_that_is_not_hidden() {
        let text = help(None);
        for command in COMMANDS {
            assert_eq!(text.contains(&format!("\n  {} ", command.name)), !command.hidden, "{}", command.name);
        }
        assert!(text.starts_with(ABOUT) && text.trim_end().ends_with(AFTER));
    }

    #[test]
    fn the_help_of_a_command_shows_all_it_takes() {
        for command in COMMANDS {
            let text = help(Some(command));
            assert!(text.contains(command.more), "{}", command.name);
            for argument in command.arguments.iter().chain(GLOBAL) {
                let (shown, help) = row(argument);
                assert!(text.contains(&shown) && text.contains(&help), "{}: {shown}\n{text}", command.name);
            }
        }
        let model = COMMANDS
            .iter()
            .find(|command| command.name == "model")
            .map(|command| help(Some(command)))
            .unwrap_or_default();
        assert!(
            model.contains("tsv: path, type and access between tabs [one of: text, tsv] [default: text]\n"),
            "{model}"
        );
    }
}
