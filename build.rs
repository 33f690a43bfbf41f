//! Compiles the mapping files of `src/tr181/` into static tables, checked against the table of the standard.
//!
//! A name that the standard does not know, a writable parameter without a way to write it, a constant without a
//! reason: each ends the build with file, line and, for names, the nearest one.

#![allow(dead_code, missing_docs, unused_qualifications)]

#[path = "src/dm/assemble.rs"]
mod assemble;
#[path = "src/dm/expr.rs"]
mod expr;
#[path = "src/dm/language.rs"]
mod language;
#[path = "src/dm/line.rs"]
mod line;
#[path = "src/dm/mapfile.rs"]
mod mapfile;
#[path = "src/dm/named.rs"]
mod named;
#[path = "src/dm/path.rs"]
mod path;
#[path = "src/dm/pattern.rs"]
mod pattern;
#[path = "src/sorted.rs"]
mod sorted;
#[path = "src/dm/standard.rs"]
mod standard;
#[path = "src/time.rs"]
mod time;
#[path = "src/dm/value.rs"]
mod value;

use assemble::{Assembled, MappedCommand, MappedParam, ReadBy, WriteBy};
use line::{Add, Each, Line, Piece, Pipe, Rows, Run, Src, Step};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Families that only a feature brings, in its spelling for build scripts.
const FEATURES: &[(&str, &str)] =
    &[("localagent", "USP"), ("managementserver", "CWMP"), ("mqtt", "MQTT"), ("websocket", "WEBSOCKET")];

/// Whether a feature, in that spelling, is built in.
fn has(feature: &str) -> bool {
    std::env::var_os(format!("CARGO_FEATURE_{feature}")).is_some()
}

/// Whether somebody is built in who knows what these protocols know.
fn is_known(protocols: standard::Protocols) -> bool {
    match protocols {
        standard::Protocols::Both => true,
        standard::Protocols::Cwmp => has("CWMP"),
        standard::Protocols::Usp => has("USP"),
    }
}

fn main() {
    println!("cargo:rerun-if-changed=src/tr181");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/dm");
    let folder = Path::new("src/tr181");
    let table = read(&folder.join("standard.tsv"));
    let mut files = Vec::new();
    let mut names: Vec<_> =
        std::fs::read_dir(folder).expect("src/tr181").filter_map(Result::ok).map(|e| e.path()).collect();
    names.sort();
    for path in names.iter().filter(|path| path.extension().is_some_and(|ext| ext == "toml")) {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a plain file name").to_string();
        // A family of a feature is there with it or not at all.
        let feature = FEATURES.iter().find(|(family, _)| *family == stem).map(|(_, feature)| feature);
        if feature.is_some_and(|feature| !has(feature)) {
            continue;
        }
        let tables = match mapfile::tables(&read(path)) {
            Ok(tables) => tables,
            Err(mistake) => fail(&[format!("{}:{}: {}", path.display(), mistake.line, mistake.what)]),
        };
        files.push((stem, tables));
    }
    let mut assembled = match assemble::assemble(&table, &files) {
        Ok(assembled) => assembled,
        Err(mistakes) => fail(&mistakes),
    };
    assembled.retain(|object| is_known(object.protocols));
    for object in &mut assembled {
        object.params.retain(|param| is_known(param.node.protocols));
        // Commands and events are USP's.
        if !has("USP") {
            object.commands.clear();
            object.events.clear();
        }
    }
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(Path::new(&out).join("model.rs"), emit(&assembled)).expect("OUT_DIR can be written");
    std::fs::write(Path::new(&out).join("coverage.rs"), coverage(&table)).expect("OUT_DIR can be written");
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|why| fail(&[format!("{}: {why}", path.display())]))
}

fn fail(mistakes: &[String]) -> ! {
    for mistake in mistakes {
        eprintln!("error: {mistake}");
    }
    panic!("{} mistake(s) in the mapping files", mistakes.len());
}

/// How many live parameters the standard has per top-level object, for `model --coverage`.
fn coverage(table: &str) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (_, node) in standard::read(table) {
        let Ok(node) = node else { continue };
        let other = if has("CWMP") { standard::Protocols::Usp } else { standard::Protocols::Cwmp };
        if node.base.is_some() && node.facts.deleted.is_none() && node.protocols != other {
            let top = node.path.split('.').nth(1).unwrap_or_default();
            let top = if node.path.matches('.').count() < 2 { "" } else { top };
            *counts.entry(top.to_string()).or_default() += 1;
        }
    }
    format!("&{:?}", counts.into_iter().collect::<Vec<_>>())
}

fn emit(assembled: &[Assembled]) -> String {
    let mut limits: BTreeMap<String, String> = BTreeMap::new();
    let mut body = String::from("pub static OBJECTS: &[Object] = &[\n");
    for object in assembled {
        let functions = |name: &str| format!("crate::tr181::{}::{name}", object.file);
        let params: String =
            object.params.iter().map(|param| emit_param(param, &object.file, &mut limits)).collect();
        let add_fn = match &object.add {
            Some(Add::Rust(name)) => format!("Some({})", functions(name)),
            _ => "None".into(),
        };
        let delete = match object.delete.as_deref() {
            None => "Delete::No".into(),
            Some("section") => "Delete::Section".into(),
            Some(name) => format!("Delete::Rust({})", functions(name)),
        };
        let locals: String =
            object.locals.iter().map(|(name, l)| format!("({name:?}, {}), ", line(l))).collect();
        let needs =
            object.needs.as_ref().map_or("None".into(), |needs| format!("Some(&{})", condition(needs)));
        let commands: String =
            object.commands.iter().map(|command| emit_command(command, &object.file, &mut limits)).collect();
        let events: String = object
            .events
            .iter()
            .map(|(name, arguments)| format!("EventDef {{ name: {name:?}, arguments: &{arguments:?} }}, "))
            .collect();
        let _ = write!(
            body,
            "Object {{ path: {:?}, each: {}, needs: {needs}, add: {}, add_fn: {add_fn}, delete: {delete}, params: &[\n{params}], \
             locals: &[{locals}], unique: &{:?}, keys: &{:?}, enable: {:?}, pending: {:?}, known: {}, commands: &[{commands}], events: &[{events}], \
             file: {:?} }},\n",
            object.path,
            object.each.as_ref().map_or("None".into(), |e| format!("Some(&{})", each(e))),
            object.add.as_ref().map_or("None".into(), |a| format!("Some(&{})", add(a))),
            object.unique,
            object.keys,
            object.enable,
            object.pending,
            known(object.protocols),
            object.file,
        );
    }
    body.push_str("];\n");
    for (literal, name) in &limits {
        let _ = writeln!(body, "static {name}: Limits = {literal};");
    }
    body
}

fn known(protocols: standard::Protocols) -> &'static str {
    match protocols {
        standard::Protocols::Both => "Known::All",
        standard::Protocols::Cwmp => "Known::Cwmp",
        standard::Protocols::Usp => "Known::Usp",
    }
}

/// The name of the static that holds the limits of a node.
fn limits_of(node: &standard::StandardNode, limits: &mut BTreeMap<String, String>) -> String {
    if node.facts.is_unlimited() {
        return "&Limits::NONE".to_string();
    }
    let next = format!("L{}", limits.len());
    format!("&{}", limits.entry(node.facts.limits_literal()).or_insert(next))
}

fn emit_command(command: &MappedCommand, file: &str, limits: &mut BTreeMap<String, String>) -> String {
    let inputs: String = command
        .inputs
        .iter()
        .map(|input| {
            let limits = limits_of(&input.node, limits);
            let syntax = input.node.syntax_literal(&limits).expect("an argument has a type");
            let facts = &input.node.facts;
            format!(
                "Argument {{ name: {:?}, syntax: {syntax}, mandatory: {}, assumed: {:?} }}, ",
                input.name, facts.mandatory, facts.assumed
            )
        })
        .collect();
    let function = match command.run {
        Run::Rust(name) => format!("Some(crate::tr181::{file}::{name})"),
        Run::Call(_) | Run::Agent(_) | Run::Reset => "None".into(),
    };
    format!(
        "Command {{ name: {:?}, asynchronous: {}, inputs: &[{inputs}], outputs: &{:?}, run: {}, function: {function} }}, ",
        command.name,
        command.asynchronous,
        command.outputs,
        run(&command.run)
    )
}

fn run(run: &Run) -> String {
    match run {
        Run::Call(calls) => {
            let calls: String = calls.iter().map(|call| format!("{}, ", text(call))).collect();
            format!("Run::Call(&[{calls}])")
        }
        other => format!("Run::{other:?}"),
    }
}

fn emit_param(param: &MappedParam, file: &str, limits: &mut BTreeMap<String, String>) -> String {
    let limits = limits_of(&param.node, limits);
    let syntax = param.node.syntax_literal(&limits).expect("a parameter has a type");
    let function = |name: &str| format!("crate::tr181::{file}::{name}");
    let read = match &param.read {
        ReadBy::Line(l) => format!("How::Line(&{})", line(l)),
        ReadBy::Rust(name) => format!("How::Rust({})", function(name)),
        ReadBy::Alias => "How::Alias".into(),
        ReadBy::Count(name) => format!("How::Count({name:?})"),
    };
    let write = match &param.write {
        WriteBy::No => "Write::No".into(),
        WriteBy::Same => "Write::Same".into(),
        WriteBy::Stored(l) => format!("Write::Stored(&{})", line(l)),
        WriteBy::Rust(name) => format!("Write::Rust({})", function(name)),
        WriteBy::Run(command) => format!("Write::Run({})", run(command)),
        WriteBy::Alias => "Write::Alias".into(),
    };
    let facts = &param.node.facts;
    let notify = match facts.notify {
        standard::Notify::Normal => "Normal",
        standard::Notify::CanDeny => "CanDeny",
        standard::Notify::ForceEnabled => "Forced",
        standard::Notify::ForceDefaultEnabled => "OnByDefault",
    };
    format!(
        "Param {{ name: {:?}, syntax: {syntax}, flags: Flags {{ hidden: {}, secured: {}, command: {}, forced_inform: {}, known: {}, once: {}, \
         notify: Notify::{notify} }}, \
         read: {read}, write: {write}, reason: {:?} }},\n",
        param.name,
        facts.hidden,
        facts.secured,
        facts.command,
        facts.forced_inform,
        known(param.node.protocols),
        param.node.usp_access == standard::Access::WriteOnce,
        param.reason,
    )
}

fn line(line: &Line) -> String {
    let pipes: String = line.pipes.iter().map(|p| format!("{}, ", pipe(p))).collect();
    format!("Line {{ source: {}, pipes: &[{pipes}], otherwise: {:?} }}", source(&line.source), line.otherwise)
}

fn source(source: &Src) -> String {
    match source {
        Src::Tree { key, steps } => {
            format!("Src::Tree {{ key: {}, steps: {} }}", text(key), self::steps(steps))
        }
        Src::Option { up, option } => format!("Src::Option {{ up: {up}, option: {} }}", text(option)),
        Src::Item { up, steps } => format!("Src::Item {{ up: {up}, steps: {} }}", self::steps(steps)),
        Src::Local { name, steps } => {
            format!("Src::Local {{ name: {name:?}, steps: {} }}", self::steps(steps))
        }
        Src::Rust(name) => format!("Src::Rust({name:?})"),
        Src::Const(value) => format!("Src::Const({value:?})"),
    }
}

fn text(pieces: &[Piece]) -> String {
    let pieces: String = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Lit(literal) => format!("Piece::Lit({literal:?}), "),
            Piece::Of(of) => format!("Piece::Of(&{}), ", source(of)),
        })
        .collect();
    format!("&[{pieces}]")
}

fn steps(steps: &[Step]) -> String {
    let steps: String = steps
        .iter()
        .map(|step| match step {
            Step::Key(key) => format!("Step::Key({}), ", text(key)),
            Step::Index(index) => format!("Step::Index({index}), "),
            Step::Match(key, value) => format!("Step::Match({key:?}, {}), ", text(value)),
            Step::All => "Step::All, ".into(),
            Step::Kind(kind, index) => format!("Step::Kind({kind:?}, {index}), "),
            Step::KindBy((kind, by, value)) => {
                format!("Step::KindBy(&({kind:?}, {by:?}, {})), ", text(value))
            }
        })
        .collect();
    format!("&[{steps}]")
}

fn pipe(pipe: &Pipe) -> String {
    match pipe {
        Pipe::Map(pairs) => format!("Pipe::Map(&{pairs:?})"),
        other => format!("Pipe::{other:?}"),
    }
}

fn condition((l, unequal, value): &(Line, bool, &'static str)) -> String {
    format!("({}, {unequal}, {value:?})", line(l))
}

fn each(each: &Each) -> String {
    let rows = match &each.rows {
        Rows::Sections { key, kind, by } => {
            let by =
                by.map_or("None".into(), |(option, value)| format!("Some(({option:?}, {}))", text(value)));
            format!("Rows::Sections {{ key: {key:?}, kind: {kind:?}, by: {by} }}")
        }
        Rows::Items(of) => format!("Rows::Items({})", source(of)),
    };
    let key = each.key.map_or("None".into(), |key| format!("Some({})", text(key)));
    let only = each.only.as_ref().map_or("None".into(), |only| format!("Some({})", condition(only)));
    format!("Each {{ rows: {rows}, key: {key}, only: {only}, volatile: {} }}", each.volatile)
}

fn add(add: &Add) -> String {
    match add {
        Add::Rust(name) => format!("Add::Rust({name:?})"),
        Add::Section { key, kind, prefix, options } => {
            let options: String =
                options.iter().map(|(option, value)| format!("({option:?}, {}), ", text(value))).collect();
            format!(
                "Add::Section {{ key: {key:?}, kind: {kind:?}, prefix: {prefix:?}, options: &[{options}] }}"
            )
        }
    }
}
