//! The commands a person types.
//!
//! Each reaches the running agent over its socket and, when none runs, works on the files directly. Owns how things
//! are printed and the exit codes; what they mean is the data model's.

mod args;
mod audit;
mod capture;
mod commands;
mod data;
mod doctor;
mod help;
pub mod local;
mod model;
mod once;
mod router;
mod run;
#[cfg(feature = "bench")]
mod shells;
mod socket;
mod status;

use crate::dm::schema::Audience;
use crate::io::log;
use crate::io::privileged::root;
use ::log::LevelFilter;
use std::ffi::OsString;
use std::fmt;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use args::{Instead, Typed};

/// Why a command did not do what it was asked, and its exit code.
#[derive(Debug, PartialEq, Eq)]
pub enum Fail {
    /// 1: refused, with a line per reason; or the doctor found something.
    Refused(String),
    /// 2: what was typed means nothing.
    Usage(String),
    /// 3: no agent runs, or it does not answer.
    Unreachable(String),
    /// 4: a file cannot be read or written.
    Disk(String),
}

impl Fail {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Fail::Refused(_) => 1,
            Fail::Usage(_) => 2,
            Fail::Unreachable(_) => 3,
            Fail::Disk(_) => 4,
        }
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fail::Refused(text) | Fail::Usage(text) | Fail::Unreachable(text) | Fail::Disk(text) => {
                f.write_str(text)
            }
        }
    }
}

impl From<std::io::Error> for Fail {
    fn from(error: std::io::Error) -> Fail {
        Fail::Disk(error.to_string())
    }
}

/// What a command prints on standard output, and whether it went well.
pub struct Done {
    /// The text; printed also where something was refused.
    pub text: String,
    /// What is to be said of what went wrong.
    pub fail: Option<Fail>,
    /// The exit code where nothing went wrong.
    pub status: u8,
}

impl From<String> for Done {
    fn from(text: String) -> Done {
        Done { text, fail: None, status: 0 }
    }
}

/// What all commands share.
struct Global {
    root: Option<PathBuf>,
    json: bool,
}

/// Runs the command in `arguments`, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let done = match args::read(arguments) {
        Ok(typed) => command_of(&typed),
        Err(Instead::Print(text)) => Ok(text.into()),
        Err(Instead::Wrong(text)) => Err(Fail::Usage(text)),
    };
    let done = done.unwrap_or_else(|fail| Done { fail: Some(fail), ..Done::from(String::new()) });
    let mut fail = done.fail;
    // Whoever reads may have had enough, as `head` has.
    match std::io::stdout().write_all(done.text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => fail = fail.or(Some(error.into())),
        Ok(()) | Err(_) => {}
    }
    match fail {
        Some(fail) => {
            let _ = writeln!(std::io::stderr(), "{}", fail.to_string().trim_end());
            ExitCode::from(fail.code())
        }
        None => ExitCode::from(done.status),
    }
}

fn command_of(typed: &Typed) -> Result<Done, Fail> {
    let name = typed.command.name;
    let global = Global { root: typed.raw("root").map(PathBuf::from), json: typed.flag("json") };
    if name != "run" && name != root::COMMAND {
        // Fails only where a log was started before.
        let _ = log::start(vec![log::Sink::Stderr], LevelFilter::Warn);
    }
    #[cfg(feature = "bench")]
    let option = |name| typed.raw(name).and_then(|value| value.to_str());
    match name {
        "run" => run::agent(&global, typed.flag("verbose")),
        root::COMMAND => run::network_part(typed.flag("verbose")),
        #[cfg(feature = "bench")]
        "demo" => run::demo(typed.flag("once"), option("broker")),
        #[cfg(feature = "bench")]
        "workbench" => run::workbench(option("wake"), option("broker")),
        "get" => data::get(&global, &typed.list("path")),
        "set" => data::set(&global, &typed.list("pair"), typed.flag("plan")),
        "add" => data::add(&global, &typed.text("table"), typed.flag("plan")),
        "delete" => data::delete(&global, &typed.text("row"), typed.flag("plan")),
        "names" => data::names(&global, &typed.text("path")),
        "model" => {
            let audience = if typed.text("protocol") == "usp" { Audience::Usp } else { Audience::Cwmp };
            let (all, covered) = (typed.flag("all"), typed.flag("coverage"));
            model::print(&global, &typed.text("format"), audience, all, covered)
        }
        "capture" => capture::capture(&global, &typed.text("dir")),
        "doctor" => doctor::doctor(&global),
        "recover" => once::recover(&global),
        "discovered" => once::discovered(&global, &typed.text("network"), &typed.list("option")),
        "provision" => once::provision(&global, &typed.text("file")),
        #[cfg(feature = "bench")]
        "completions" => shells::completions(&typed.text("shell")),
        #[cfg(feature = "bench")]
        "man" => shells::man(),
        "status" => status::status(&global),
        #[cfg(feature = "cwmp")]
        "inform" => status::inform(&global),
        "audit" => audit::audit(&global, &typed.text("since"), &typed.text("manager")),
        _ => Err(Fail::Usage(format!("no command {name}"))),
    }
}
