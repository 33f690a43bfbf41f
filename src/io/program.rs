//! Programs of the system, started with an argument vector and never through a shell.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often it is looked whether a program has ended.
const LOOK: Duration = Duration::from_millis(5);

/// A program that hears nothing, and whose output goes nowhere.
fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).env_clear();
    command
}

/// Runs a program to its end and waits for it; whether it succeeded. What it says of errors goes where ours does.
pub fn run(program: &str, arguments: &[&str]) -> bool {
    match command(program, arguments).status() {
        Ok(status) => status.success(),
        Err(error) => {
            log::error!("{program} cannot be started: {error}");
            false
        }
    }
}

/// Runs a program that answers by its status alone, and ends it where that takes longer; whether it succeeded.
pub fn says_yes(program: &str, arguments: &[&str], longest: Duration) -> bool {
    let Ok(mut child) = command(program, arguments).stderr(Stdio::null()).spawn() else { return false };
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if begun.elapsed() < longest => thread::sleep(LOOK),
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_answer_is_ended() {
        let soon = Duration::from_millis(10);
        let hour = Duration::from_secs(3600);
        for (program, argument, longest, yes) in [
            ("true", "", hour, true),
            ("false", "", hour, false),
            ("/no/such/program", "", hour, false),
            ("sleep", "3600", soon, false),
        ] {
            assert_eq!(says_yes(program, &[argument], longest), yes, "{program}");
        }
    }

    #[test]
    fn a_program_has_succeeded_that_ends_with_0_and_none_that_cannot_be_started() {
        for (program, done) in [("true", true), ("false", false), ("/no/such/program", false)] {
            assert_eq!(run(program, &["-v"]), done, "{program}");
        }
    }
}
