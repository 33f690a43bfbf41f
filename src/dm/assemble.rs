//! Putting mapping files and the standard's table together: what is mapped, checked against what the standard says.
//!
//! Used by `build.rs` for the shipped files and by [`super::dropin`] at run time, which knows no table and takes
//! vendor names only. Every mistake is reported, each with file and line.

use super::language::{self, Rhs};
use super::line::{Add, Each, Line, Pipe, Run, Src, Step};
use super::mapfile::{Entry, Table};
use super::path::Kind;
use super::standard::{self, Access, Protocols, StandardArgument, StandardNode, nearest};
use std::collections::BTreeMap;

/// An object with its mapping.
#[derive(Debug)]
pub struct Assembled {
    /// Its schema path.
    pub path: String,
    /// The file that maps it, without ending.
    pub file: String,
    /// How its rows come about.
    pub each: Option<Each>,
    /// Whether it is there at all.
    pub needs: Option<(Line, bool, &'static str)>,
    /// How a row is made.
    pub add: Option<Add>,
    /// `section`, or the name of a function.
    pub delete: Option<String>,
    /// Its parameters, in the order of the file, derived ones last.
    pub params: Vec<MappedParam>,
    /// Lower-case names.
    pub locals: Vec<(String, Line)>,
    /// Functional keys.
    pub unique: Vec<String>,
    /// Keys that bind all rows, without the Alias.
    pub keys: Vec<String>,
    /// The parameter that enables a row.
    pub enable: Option<String>,
    /// The parameters without which a row cannot become a section.
    pub pending: Option<String>,
    /// Who knows it.
    pub protocols: Protocols,
    /// Its commands.
    pub commands: Vec<MappedCommand>,
    /// Its events with the names of their arguments.
    pub events: Vec<(String, Vec<String>)>,
}

/// A command with its mapping.
#[derive(Debug)]
pub struct MappedCommand {
    /// Its name with `()`.
    pub name: String,
    /// Whether its results come later.
    pub asynchronous: bool,
    /// What goes in.
    pub inputs: Vec<StandardArgument>,
    /// The names of what comes out.
    pub outputs: Vec<String>,
    /// What it does.
    pub run: Run,
}

/// A parameter with its mapping.
#[derive(Debug)]
pub struct MappedParam {
    /// Its name.
    pub name: String,
    /// What the standard says of it.
    pub node: StandardNode,
    /// How it is read.
    pub read: ReadBy,
    /// How it is written.
    pub write: WriteBy,
    /// Why it is a constant or read-only.
    pub reason: Option<String>,
}

/// How a parameter is read.
#[derive(Debug)]
pub enum ReadBy {
    /// By a line.
    Line(Line),
    /// By a function.
    Rust(String),
    /// The row's alias.
    Alias,
    /// The number of rows of the table of that name.
    Count(String),
}

/// How a parameter is written.
#[derive(Debug)]
pub enum WriteBy {
    /// Not at all.
    No,
    /// Through the line it is read by.
    Same,
    /// Through another line.
    Stored(Line),
    /// By a function.
    Rust(String),
    /// By carrying a command out.
    Run(Run),
    /// The row's alias.
    Alias,
}

/// Pipes of the platform that have an inverse; the model checks at start that this list is true.
pub const NAMED_BACK: &[&str] =
    &["span", "mask", "hexopt", "netbool", "netnot", "steps4096", "rwxn", "unless_zero", "unless_minus1"];

/// The standard's nodes by path; where the protocols differ, CWMP's.
pub fn nodes(table: &str) -> Result<BTreeMap<String, StandardNode>, Vec<String>> {
    let mut nodes: BTreeMap<String, StandardNode> = BTreeMap::new();
    let mut mistakes = Vec::new();
    for (line, node) in standard::read(table) {
        match node {
            Ok(node) if node.protocols == Protocols::Usp && nodes.contains_key(&node.path) => {}
            Ok(node) => drop(nodes.insert(node.path.clone(), node)),
            Err(why) => mistakes.push(format!("standard.tsv:{line}: {why}")),
        }
    }
    if mistakes.is_empty() { Ok(nodes) } else { Err(mistakes) }
}

/// The arguments of every command and event, by its path.
fn arguments(table: &str) -> Result<BTreeMap<String, Vec<StandardArgument>>, Vec<String>> {
    let mut out: BTreeMap<String, Vec<StandardArgument>> = BTreeMap::new();
    for (line, argument) in standard::arguments(table) {
        let argument = argument.map_err(|why| vec![format!("standard.tsv:{line}: {why}")])?;
        out.entry(argument.owner.clone()).or_default().push(argument);
    }
    Ok(out)
}

/// Checks files against the table; the objects in path order, ancestors included. Or every mistake there is.
pub fn assemble(table: &str, files: &[(String, Vec<Table>)]) -> Result<Vec<Assembled>, Vec<String>> {
    let (nodes, arguments) = (nodes(table)?, arguments(table)?);
    let mut objects: BTreeMap<String, Assembled> = BTreeMap::new();
    let mut mistakes = Vec::new();
    for (file, tables) in files {
        for table in tables {
            let at = |line: usize, what: String| format!("src/tr181/{file}.toml:{line}: {what}");
            let Some(node) = nodes.get(&table.path).filter(|node| node.base.is_none()) else {
                let hint = nearest(&table.path, nodes.keys().map(String::as_str)).unwrap_or("nothing");
                mistakes.push(at(
                    table.line,
                    format!("the standard has no object {}; nearest is {hint}", table.path),
                ));
                continue;
            };
            if objects.contains_key(&table.path) {
                mistakes.push(at(table.line, format!("{} is mapped elsewhere too", table.path)));
                continue;
            }
            let object =
                object(file, table, node, (&nodes, &arguments), |line, what| mistakes.push(at(line, what)));
            objects.insert(table.path.clone(), object);
        }
    }
    complete(&mut objects, &nodes);
    if mistakes.is_empty() { Ok(objects.into_values().collect()) } else { Err(mistakes) }
}

fn object(
    file: &str,
    table: &Table,
    node: &StandardNode,
    (nodes, arguments): (&BTreeMap<String, StandardNode>, &BTreeMap<String, Vec<StandardArgument>>),
    mut mistake: impl FnMut(usize, String),
) -> Assembled {
    let mut object = Assembled {
        file: file.to_string(),
        unique: node.facts.functional_keys.iter().map(|key| key.join(",")).collect(),
        keys: node.facts.keys.iter().map(|key| key.join(",")).filter(|key| key != "Alias").collect(),
        enable: node.facts.enable.clone(),
        protocols: node.protocols,
        ..bare(&table.path)
    };
    let entry = |key: &str| table.entries.iter().find(|entry| entry.key == key);
    let text = |key: &str| entry(key).map(|entry| entry.text.as_str());
    let is_table = table.path.ends_with("{i}.");
    for entry in &table.entries {
        let result = match entry.key.as_str() {
            "each" => {
                language::each(&entry.text, text("key"), text("where"), text("volatile") == Some("yes"))
                    .map(|each| object.each = Some(each))
            }
            "key" | "where" | "volatile" if text("each").is_some() => Ok(()),
            "needs" => language::condition(&entry.text).map(|needs| object.needs = Some(needs)),
            "add" => language::add(&entry.text).map(|add| object.add = Some(add)),
            "delete" => {
                object.delete = Some(entry.text.trim_start_matches("rust ").to_string());
                Ok(())
            }
            "pending" => {
                object.pending = Some(entry.text.clone());
                Ok(())
            }
            local if local.starts_with(|c: char| c.is_ascii_lowercase()) => {
                language::line(&entry.text).map(|line| object.locals.push((local.to_string(), line)))
            }
            name if name.ends_with("()") || name.ends_with('!') => {
                action(entry, &table.path, (nodes, arguments), &mut object)
            }
            _ => {
                let gate =
                    text("pending").is_some_and(|words| words.split(' ').any(|word| word == entry.key));
                let gate = gate && node.facts.enable.as_deref() == Some(&entry.key);
                param(entry, &table.path, nodes, gate).map(|param| object.params.push(param))
            }
        };
        if let Err(why) = result {
            mistake(entry.line, format!("{}: {why}", entry.key));
        }
    }
    if is_table != object.each.is_some() {
        mistake(table.line, if is_table { "a table wants `each`" } else { "only a table has `each`" }.into());
    }
    let creatable = node.access == Access::CreateDelete;
    if !creatable && (object.add.is_some() || object.delete.is_some()) {
        mistake(table.line, format!("the standard lets nobody add to {}", table.path));
    }
    object
}

/// A command or an event.
fn action(
    entry: &Entry,
    object: &str,
    (nodes, arguments): (&BTreeMap<String, StandardNode>, &BTreeMap<String, Vec<StandardArgument>>),
    into: &mut Assembled,
) -> Result<(), String> {
    let path = format!("{object}{}", entry.key);
    let Some(node) = nodes.get(&path) else {
        let below = nodes.keys().filter_map(|known| known.strip_prefix(object));
        let hint = nearest(&entry.key, below.filter(|name| name.ends_with([')', '!']))).unwrap_or("nothing");
        return Err(format!("the standard has no such command or event; nearest is {hint}"));
    };
    let known = arguments.get(&path).map_or(&[][..], Vec::as_slice);
    let out = || known.iter().filter(|argument| !argument.input).map(|argument| argument.name.clone());
    if node.kind == Kind::Event {
        if entry.text != "agent" {
            return Err("an event is raised by the agent: \"agent\"".into());
        }
        into.events.push((entry.key.clone(), out().collect()));
        return Ok(());
    }
    into.commands.push(MappedCommand {
        name: entry.key.clone(),
        asynchronous: node.asynchronous,
        inputs: known.iter().filter(|argument| argument.input).cloned().collect(),
        outputs: out().collect(),
        run: language::run(&entry.text)?,
    });
    Ok(())
}

/// `gate`: writing it moves the row between its source and the agent's state, so the line need not be written.
fn param(
    entry: &Entry,
    object: &str,
    nodes: &BTreeMap<String, StandardNode>,
    gate: bool,
) -> Result<MappedParam, String> {
    let path = format!("{object}{}", entry.key);
    let Some(node) = nodes.get(&path).filter(|node| node.base.is_some()) else {
        let below =
            nodes.keys().filter_map(|known| known.strip_prefix(object)).filter(|name| !name.contains('.'));
        let hint = nearest(&entry.key, below).unwrap_or("nothing");
        return Err(format!("the standard has no such parameter; nearest is {hint}"));
    };
    let writable = matches!(node.access, Access::ReadWrite | Access::WriteOnce);
    //= TR-106 3.2: a command reads as false, and is carried out when true is written.
    if node.facts.command && writable {
        let run = match language::run(&entry.text)? {
            run @ (Run::Call(_) | Run::Reset | Run::Agent(_)) => run,
            Run::Rust(_) => {
                return Err(
                    "a command in the shape of a parameter is `call OBJECT METHOD`, `agent NAME` or `reset`"
                        .into(),
                );
            }
        };
        let read = ReadBy::Line(Line { source: Src::Const("false"), pipes: &[], otherwise: None });
        let (name, node) = (entry.key.clone(), node.clone());
        return Ok(MappedParam { name, node, read, write: WriteBy::Run(run), reason: None });
    }
    let rhs = language::rhs(&entry.text)?;
    if rhs.brings.is_some() {
        return Err("the standard gives its type".into());
    }
    let (read, write) = match &rhs.read.source {
        Src::Const(_) if gate => (ReadBy::Line(rhs.read), WriteBy::Same),
        _ => ways(&rhs, writable, &entry.key)?,
    };
    Ok(MappedParam { name: entry.key.clone(), node: node.clone(), read, write, reason: rhs.reason })
}

/// How a right-hand side is read and written.
fn ways(rhs: &Rhs, writable: bool, key: &str) -> Result<(ReadBy, WriteBy), String> {
    let read = match rhs.read.source {
        Src::Rust(name) => ReadBy::Rust(name.to_string()),
        _ => ReadBy::Line(rhs.read),
    };
    if !writable && (rhs.read_only || rhs.stored.is_some()) {
        return Err("the standard has it read-only anyway".into());
    }
    let write = match (writable && !rhs.read_only, &rhs.stored, &read) {
        (false, _, _) => WriteBy::No,
        (true, Some(line), _) => match line.source {
            Src::Rust(name) => WriteBy::Rust(name.to_string()),
            _ if invertible(line) => WriteBy::Stored(*line),
            _ => return Err(format!("what stands behind <- of {key} cannot be written")),
        },
        (true, None, ReadBy::Rust(name)) => WriteBy::Rust(format!("set_{name}")),
        (true, None, ReadBy::Line(line)) if invertible(line) => WriteBy::Same,
        (true, None, _) => {
            return Err("the standard lets it be written, and this line cannot: give `<- uci …`, `rust …` or `| ro -- why`".into());
        }
    };
    Ok((read, write))
}

/// Whether a line can be written through: it ends in an option and every pipe has an inverse.
pub fn invertible(line: &Line) -> bool {
    let target = match line.source {
        Src::Option { option, .. } => !matches!(option, [super::line::Piece::Lit(".name")]),
        Src::Tree { key: [super::line::Piece::Lit(key)], steps: [_, Step::Key(_)] } => {
            key.starts_with("uci:") || key.starts_with("agent:")
        }
        Src::Tree { .. } | Src::Item { .. } | Src::Local { .. } | Src::Rust(_) | Src::Const(_) => false,
    };
    target
        && line.pipes.iter().all(|pipe| match pipe {
            Pipe::Bool | Pipe::Not | Pipe::Csv | Pipe::Map(_) | Pipe::Case(_) | Pipe::Trim => true,
            Pipe::Ref(tables) => !tables.is_empty(),
            Pipe::Scale(times, over) => *times == 1 || *over == 1,
            Pipe::Named(name) => NAMED_BACK.contains(name),
            Pipe::Cut(_)
            | Pipe::Word(_)
            | Pipe::Part(..)
            | Pipe::Count
            | Pipe::Ago
            | Pipe::Ahead
            | Pipe::Epoch => false,
        })
}

/// Adds what needs no line: ancestors, the Alias of every row and the count of every table.
fn complete(objects: &mut BTreeMap<String, Assembled>, nodes: &BTreeMap<String, StandardNode>) {
    let mapped: Vec<String> = objects.keys().cloned().collect();
    for path in mapped {
        let mut here = path.as_str();
        while let Some(above) = above(here) {
            if !objects.contains_key(above) {
                let protocols = nodes.get(above).map_or(Protocols::Both, |node| node.protocols);
                objects.insert(above.to_string(), Assembled { protocols, ..bare(above) });
            }
            here = above;
        }
        let Some(node) = nodes.get(&path).filter(|_| path.ends_with("{i}.")) else { continue };
        let alias = nodes.get(&format!("{path}Alias")).filter(|node| node.facts.deleted.is_none());
        if let (Some(alias), Some(object)) = (alias, objects.get_mut(&path))
            && !object.params.iter().any(|param| param.name == "Alias")
        {
            let (name, node) = ("Alias".to_string(), alias.clone());
            object.params.push(MappedParam {
                name,
                node,
                read: ReadBy::Alias,
                write: WriteBy::Alias,
                reason: None,
            });
        }
        let (Some(count), Some(parent)) = (&node.facts.count, above(&path)) else { continue };
        let (Some(node), Some(object)) = (nodes.get(&format!("{parent}{count}")), objects.get_mut(parent))
        else {
            continue;
        };
        if !object.params.iter().any(|param| param.name == *count) {
            let table =
                path.trim_end_matches("{i}.").trim_end_matches('.').rsplit('.').next().unwrap_or_default();
            let (name, node, read) = (count.clone(), node.clone(), ReadBy::Count(table.to_string()));
            object.params.push(MappedParam { name, node, read, write: WriteBy::No, reason: None });
        }
    }
}

fn bare(path: &str) -> Assembled {
    Assembled {
        path: path.to_string(),
        file: String::new(),
        each: None,
        needs: None,
        add: None,
        delete: None,
        params: Vec::new(),
        locals: Vec::new(),
        unique: Vec::new(),
        keys: Vec::new(),
        enable: None,
        pending: None,
        protocols: Protocols::Both,
        commands: Vec::new(),
        events: Vec::new(),
    }
}

/// The schema path right above, or `None` for a root.
pub fn above(path: &str) -> Option<&str> {
    let own = path.strip_suffix("{i}.").unwrap_or(path);
    let own = own.strip_suffix('.').unwrap_or(own);
    own.rfind('.').and_then(|dot| own.get(..=dot))
}
