//! The program under test: as it is, or under the emulator that `scripts/cross` names where it is another processor's.

use std::process::Command;

/// How it is started, in words of which none has a blank.
pub fn words() -> Vec<String> {
    let runner = std::env::var("CPEAGENT_RUNNER").unwrap_or_default();
    let program = env!("CARGO_BIN_EXE_cpeagent");
    runner.split_whitespace().chain([program]).map(str::to_owned).collect()
}

/// A command that starts it.
#[allow(dead_code)]
pub fn command() -> Command {
    let words = words();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}
