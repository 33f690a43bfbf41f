//! The `cpeagent` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    cpeagent::cli::main(std::env::args_os())
}
