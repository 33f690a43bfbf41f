//! What can be typed, and the help that is shown for it.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, value_parser};
use std::path::PathBuf;

/// The end of `--help`.
const AFTER: &str = "\
Paths are those of TR-181: a trailing dot for an object, `*` for every row, [Alias==\"x\"] for some.
  cpeagent get Device.DeviceInfo. 'Device.IP.Interface.*.IPv4Address.'
  cpeagent set --plan Device.WiFi.SSID.1.SSID=home Device.WiFi.SSID.1.Enable=true

Commands reach the running agent over /var/run/cpeagent.sock. Where none runs, get, set, add, delete, names and model
work on the configuration files themselves.

Exit codes: 0 done; 1 refused, or the doctor found something; 2 wrong usage; 3 no agent runs or it does not answer;
4 a file cannot be read or written.";

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn paths(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).value_name(value).required(true).action(ArgAction::Append).help(help)
}

fn one(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).value_name(value).required(true).help(help)
}

/// The command line.
pub fn command() -> Command {
    Command::new("cpeagent")
        .version(env!("CARGO_PKG_VERSION"))
        .about("OpenWrt's TR-069 and TR-181 agent: see and change what an ACS sees and changes")
        .after_help(AFTER)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .max_term_width(100)
        .arg(
            Arg::new("root")
                .long("root")
                .value_name("DIR")
                .global(true)
                .value_parser(value_parser!(PathBuf))
                .help("Work on the router whose files lie in DIR, such as a captured one, instead of /"),
        )
        .arg(flag("json", "Print JSON instead of text").global(true))
        .subcommand(
            Command::new("run")
                .about("Run the agent; in a folder it ends with 80 to be started again as a boot, 81 after a factory reset")
                .arg(flag("verbose", "Log in detail, whatever the settings say")),
        )
        .subcommand(Command::new("get").about("Print values: PATH = VALUE").arg(paths(
            "path",
            "PATH",
            "A parameter, or an object and all below it",
        )))
        .subcommand(
            Command::new("set")
                .about("Write values, all or none")
                .arg(paths("pair", "PATH=VALUE", "A parameter and what it becomes"))
                .arg(flag("plan", "Only show what would change in the configuration; secrets are masked")),
        )
        .subcommand(
            Command::new("add")
                .about("Add a row to a table and print its path")
                .arg(one("table", "TABLE", "Such as Device.NAT.PortMapping."))
                .arg(flag("plan", "Only show what would change in the configuration")),
        )
        .subcommand(
            Command::new("delete")
                .about("Delete a row of a table")
                .arg(one("row", "ROW", "Such as Device.NAT.PortMapping.2."))
                .arg(flag("plan", "Only show what would change in the configuration")),
        )
        .subcommand(
            Command::new("names")
                .about("Print the paths that exist, and which can be written")
                .arg(Arg::new("path").value_name("PATH").default_value("Device.").help("Where to begin")),
        )
        .subcommand(
            Command::new("model")
                .about("Print the data model that this router supports")
                .arg(
                    Arg::new("format")
                        .long("format")
                        .value_name("FORMAT")
                        .value_parser(PossibleValuesParser::new(["text", "tsv"]))
                        .default_value("text")
                        .help("tsv: path, type and access between tabs"),
                )
                .arg(
                    Arg::new("protocol")
                        .long("protocol")
                        .value_name("PROTOCOL")
                        .value_parser(PossibleValuesParser::new(["cwmp", "usp"]))
                        .default_value("cwmp")
                        .help("For whom: some names are of one protocol only, commands and events are USP's"),
                )
                .arg(flag("all", "What this build knows, whether the router has it or not"))
                .arg(flag("coverage", "How much of Device:2 is there, per top-level object")),
        )
        .subcommand(Command::new("status").about(
            "Say how the sessions with the ACS fare: the last one, why it failed, when the next one is",
        ))
        .subcommand(Command::new("inform").about("Have the running agent start a session now"))
        .subcommand(
            Command::new("capture")
                .about("Write what the data model reads of this router into a folder, for tests and questions")
                .long_about(
                    "Write what the data model reads of this router into a folder, for tests and questions. \
                     Passwords and keys are left out; hardware and public addresses, host names, SSIDs, user names \
                     and serial numbers become pseudonyms, the same in all files.",
                )
                .arg(one("dir", "DIR", "A folder that is new or empty")),
        )
        .subcommand(
            Command::new("doctor")
                .about("Look for what stands between this router and its ACS, and say what to do about it"),
        )
        .subcommand(
            Command::new("recover")
                .about("Finish or take back a change that a power cut interrupted; the init script does it at boot"),
        )
        .subcommands(bench())
}

/// The commands of the workbench.
fn bench() -> Vec<Command> {
    if cfg!(feature = "bench") {
        vec![
            Command::new("demo")
                .about("Show an ACS and an agent on a copy of a recorded router")
                .arg(flag("once", "End when the story has been told")),
            Command::new("completions").about("Print the completions for a shell").hide(true).arg(one(
                "shell",
                "SHELL",
                "bash, zsh, fish, elvish or powershell",
            )),
            Command::new("man").about("Print the man page").hide(true),
        ]
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_contradicts_itself_nowhere_and_every_argument_is_described() {
        let command = command();
        command.clone().debug_assert();
        for sub in command.get_subcommands() {
            assert!(sub.get_about().is_some(), "{}", sub.get_name());
            for arg in sub.get_arguments() {
                assert!(arg.get_help().is_some(), "{} {}", sub.get_name(), arg.get_id());
            }
        }
    }
}
