//! Programs of the system, started with an argument vector and never through a shell.

use tokio::process::Command;

/// Runs a program to its end; whether it succeeded. Its output goes nowhere.
pub async fn run(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .env_clear();
    match command.status().await {
        Ok(status) => status.success(),
        Err(error) => {
            log::error!("{program} cannot be started: {error}");
            false
        }
    }
}
