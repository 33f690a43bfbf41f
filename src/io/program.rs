//! Programs of the system, started with an argument vector and never through a shell.

use std::process::{Command, Stdio};

/// Runs a program to its end and waits for it; whether it succeeded. Its output goes nowhere.
pub fn run(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).env_clear();
    match command.status() {
        Ok(status) => status.success(),
        Err(error) => {
            log::error!("{program} cannot be started: {error}");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::run;

    #[test]
    fn a_program_has_succeeded_that_ends_with_0_and_none_that_cannot_be_started() {
        for (program, done) in [("true", true), ("false", false), ("/no/such/program", false)] {
            assert_eq!(run(program, &["-v"]), done, "{program}");
        }
    }
}
