//! What can be typed: the commands, their arguments, and what the help says of them.
//!
//! Only the table. [`super::args`] reads a command line by it and [`super::help`] prints it.

use super::args::{Argument, Command, Kind};
use crate::io::privileged::root::COMMAND;

/// What the program is.
pub(super) const ABOUT: &str =
    "OpenWrt's agent for TR-069 and TR-369: see and change what an operator sees and changes";

/// The end of `--help`.
pub(super) const AFTER: &str = "\
Paths are those of TR-181: a trailing dot for an object, `*` for every row, [Alias==\"x\"] for some.
  cpeagent get Device.DeviceInfo. 'Device.IP.Interface.*.IPv4Address.'
  cpeagent set --plan Device.WiFi.SSID.1.SSID=home Device.WiFi.SSID.1.Enable=true

Commands reach the running agent over /var/run/cpeagent.sock. Where none runs, get, set, add, delete, names and model
work on the configuration files themselves.

Exit codes: 0 done; 1 refused, or the doctor found something; 2 wrong usage; 3 no agent runs or it does not answer;
4 a file cannot be read or written.";

/// Options that every command takes, before or behind its name.
pub(super) const GLOBAL: &[Argument] = &[
    Argument {
        name: "root",
        kind: Kind::Option { value: "DIR", choices: &[], default: None },
        help: "Work on the router whose files lie in DIR, such as a captured one, instead of /",
    },
    flag("json", "Print JSON instead of text"),
];

/// For whom a model can be printed, the first where nobody says.
const PROTOCOLS: &[&str] = match (cfg!(feature = "cwmp"), cfg!(feature = "usp")) {
    (true, true) => &["cwmp", "usp"],
    (true, false) => &["cwmp"],
    (false, _) => &["usp"],
};

/// Commands that other builds have, and what they take.
pub(super) const ELSEWHERE: &[(&str, &str)] = &[
    #[cfg(not(feature = "cwmp"))]
    ("inform", "TR-069"),
    #[cfg(not(feature = "bench"))]
    ("demo", "the workbench"),
];

const VERBOSE: Argument = flag("verbose", "Log in detail, whatever the settings say");

#[cfg(feature = "bench")]
const BROKER: Argument =
    option("broker", "ADDRESS:PORT", "Speak MQTT through this broker, instead of through one of its own");

const fn flag(name: &'static str, help: &'static str) -> Argument {
    Argument { name, kind: Kind::Flag, help }
}

const fn option(name: &'static str, value: &'static str, help: &'static str) -> Argument {
    Argument { name, kind: Kind::Option { value, choices: &[], default: None }, help }
}

const fn one(name: &'static str, value: &'static str, help: &'static str) -> Argument {
    Argument { name, kind: Kind::One { value, default: None }, help }
}

const fn command(name: &'static str, about: &'static str, arguments: &'static [Argument]) -> Command {
    Command { name, about, more: "", hidden: false, arguments }
}

/// The commands, in the order of the help.
pub(super) const COMMANDS: &[Command] = &[
    command(
        "run",
        "Run the agent; in a folder it ends with 80 to be started again as a boot, 81 after a factory reset",
        &[VERBOSE],
    ),
    Command {
        name: COMMAND,
        about: "The part of the agent that talks to the network; `run` starts it",
        more: "",
        hidden: true,
        arguments: &[VERBOSE],
    },
    command(
        "get",
        "Print values: PATH = VALUE",
        &[Argument {
            name: "path",
            kind: Kind::Several { value: "PATH" },
            help: "A parameter, or an object and all below it",
        }],
    ),
    command(
        "set",
        "Write values, all or none",
        &[
            Argument {
                name: "pair",
                kind: Kind::Several { value: "PATH=VALUE" },
                help: "A parameter and what it becomes",
            },
            flag("plan", "Only show what would change in the configuration; secrets are masked"),
        ],
    ),
    command(
        "add",
        "Add a row to a table and print its path",
        &[
            one("table", "TABLE", "Such as Device.NAT.PortMapping."),
            flag("plan", "Only show what would change in the configuration"),
        ],
    ),
    command(
        "delete",
        "Delete a row of a table",
        &[
            one("row", "ROW", "Such as Device.NAT.PortMapping.2."),
            flag("plan", "Only show what would change in the configuration"),
        ],
    ),
    command(
        "names",
        "Print the paths that exist, and which can be written",
        &[Argument {
            name: "path",
            kind: Kind::One { value: "PATH", default: Some("Device.") },
            help: "Where to begin",
        }],
    ),
    command(
        "model",
        "Print the data model that this router supports",
        &[
            Argument {
                name: "format",
                kind: Kind::Option { value: "FORMAT", choices: &["text", "tsv"], default: Some("text") },
                help: "tsv: path, type and access between tabs",
            },
            Argument {
                name: "protocol",
                kind: Kind::Option {
                    value: "PROTOCOL",
                    choices: PROTOCOLS,
                    default: PROTOCOLS.first().copied(),
                },
                help: "For whom: some names are of one protocol only, commands and events are USP's",
            },
            flag("all", "What this build knows, whether the router has it or not"),
            flag("coverage", "How much of Device:2 is there, per top-level object"),
        ],
    ),
    command(
        "status",
        "Say how the sessions with the ACS fare: the last one, why it failed, when the next one is",
        &[],
    ),
    #[cfg(feature = "cwmp")]
    command("inform", "Have the running agent start a session now", &[]),
    command(
        "audit",
        "Print what managers have changed, or tried to: when, who, what, the values before and after, the outcome",
        &[
            option("since", "TIME", "Only from this time on, such as 2026-01-31T00:00:00Z"),
            option("manager", "TEXT", "Only of managers with this in their URL, endpoint id or name"),
        ],
    ),
    Command {
        name: "capture",
        about: "Write what the data model reads of this router into a folder, for tests and questions",
        more: "Passwords and keys are left out; hardware and public addresses, host names, SSIDs, user names and serial numbers \
               become pseudonyms, the same in all files.",
        hidden: false,
        arguments: &[one("dir", "DIR", "A folder that is new or empty")],
    },
    command(
        "doctor",
        "Look for what stands between this router and its ACS, and say what to do about it",
        &[],
    ),
    command(
        "recover",
        "Finish or take back a change that a power cut interrupted; the init script does it at boot",
        &[],
    ),
    command(
        "discovered",
        "Take up the manager that DHCP tells of, as the settings allow; the hooks of the DHCP clients do it",
        &[
            one("network", "NETWORK", "On which network, such as wan"),
            Argument {
                name: "option",
                kind: Kind::Several { value: "NUMBER=HEX" },
                help: "43 and 125 of DHCPv4, 17 of DHCPv6, with their octets",
            },
        ],
    ),
    command(
        "provision",
        "Take up the settings that the image brings, but for what was set since; done at the first boot",
        &[Argument {
            name: "file",
            kind: Kind::One { value: "FILE", default: Some(crate::io::provision::FILE) },
            help: "A file of KEY=VALUE lines",
        }],
    ),
    #[cfg(feature = "bench")]
    command(
        "demo",
        "Show an ACS, a USP controller and an agent on a copy of a recorded router",
        &[flag("once", "End when the story has been told"), BROKER],
    ),
    #[cfg(feature = "bench")]
    command(
        "workbench",
        "Run the demo's ACS and USP controller, with their page, for an agent elsewhere",
        &[
            option(
                "wake",
                "ADDRESS:PORT",
                "Where connection requests go, if the agent's own address cannot be reached",
            ),
            BROKER,
        ],
    ),
    #[cfg(feature = "bench")]
    Command {
        name: "completions",
        about: "Print the completions for a shell",
        more: "",
        hidden: true,
        arguments: &[one("shell", "SHELL", "bash, zsh, fish, elvish or powershell")],
    },
    #[cfg(feature = "bench")]
    Command { name: "man", about: "Print the man page", more: "", hidden: true, arguments: &[] },
];
