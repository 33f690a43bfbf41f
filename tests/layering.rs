//! What each module of `src/` may use, held against every path its files name, and what no file of the core may touch.
//!
//! The table is the one of `docs/ARCHITECTURE.md`; a test holds the two together. Code under `#[cfg(test)]` is free.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "layering/scan.rs"]
mod scan;

use scan::{Scan, scan};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What every module may use, and which use only each other.
const BASE: &[&str] = &[
    "time", "rng", "retry", "periodic", "secret", "digest", "sealed", "sorted", "x509", "audit", "mqtt",
    "way",
];

/// The edges: a module of `src/`, and what it may use beside itself and the base.
const MAY_USE: &[(&str, &[&str])] = &[
    ("dm", &[]),
    ("openwrt", &["dm"]),
    ("tr181", &["dm", "openwrt", "config"]),
    ("diag", &["dm"]),
    ("wake", &["dm"]),
    ("firmware", &["dm", "openwrt"]),
    ("cwmp", &["dm"]),
    ("usp", &["dm"]),
    ("journal", &["dm"]),
    ("state", &["dm"]),
    ("config", &["dm"]),
    ("discovery", &["dm", "config"]),
    ("provision", &["dm", "config"]),
    ("agent", &["dm", "cwmp", "usp", "wake", "diag", "firmware", "state", "config", "discovery"]),
    (
        "io",
        &["agent", "openwrt", "dm", "cwmp", "usp", "wake", "diag", "journal", "state", "config", "provision"],
    ),
];

/// They wire the rest together and may use all of it.
const FREE: &[&str] = &["cli", "bench", "main", "lib"];

/// The modules that may touch the world: sockets, files, clocks, randomness, environment, processes.
const RIM: &[&str] = &["io", "cli", "bench", "main"];

/// What reaches the world, as the beginning of a path.
const WORLD: &[&str] = &[
    "tokio",
    "tokio_rustls",
    "rustls",
    "rustix",
    "socket2",
    "ring::rand",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "std::time::SystemTime",
    "std::time::Instant",
    "std::time::UNIX_EPOCH",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "std::os",
];

/// A name for a whole of which a part reaches the world would hide the part.
const TOO_WIDE: &[&str] = &["std", "std::time", "std::net", "std::io", "ring"];

/// What no code of `src/` calls: it ends the agent, or was forgotten.
const NEVER: &[&str] = &[".unwrap(", "todo!", "unimplemented!", "dbg!"];

/// The longest file.
const MAX_LINES: usize = 640;

struct File {
    /// From the root of the repository.
    name: String,
    /// The first component below `src/`, without `.rs`.
    top: String,
    scan: Scan,
    lines: usize,
    is_test: bool,
}

fn sources() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    rust_files(&root.join("src"), &mut paths);
    paths.sort(); // a module comes before what its `#[path]` names beside it
    let mut tests: BTreeSet<PathBuf> = BTreeSet::new();
    let mut elsewhere: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    let mut files = Vec::new();
    for path in paths {
        let in_src = path.strip_prefix(root.join("src")).unwrap();
        let top = in_src.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_string();
        let mut module = elsewhere.get(&path).cloned().unwrap_or_else(|| in_src.with_extension(""));
        if ["mod", "main", "lib"].iter().any(|name| module.ends_with(name)) {
            module.pop();
        }
        let here: Vec<&str> = module.iter().map(|part| part.to_str().unwrap()).collect();
        let text = std::fs::read_to_string(&path).unwrap();
        let scan = scan(&text, &here);
        let folder = root.join("src").join(&module);
        tests.extend(scan.test_modules.iter().map(|name| folder.join(name)));
        tests.extend(scan.test_files.iter().map(|file| path.with_file_name(file).with_extension("")));
        for (file, name) in &scan.elsewhere {
            elsewhere.insert(path.with_file_name(file), module.join(name));
        }
        let name = path.strip_prefix(root).unwrap().display().to_string();
        files.push((path, File { name, top, scan, lines: text.lines().count(), is_test: false }));
    }
    for (path, file) in &mut files {
        file.is_test = path.with_extension("").ancestors().any(|part| tests.contains(part));
    }
    files.into_iter().map(|(_, file)| file).collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

/// Every broken rule of one file.
fn complaints(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    let rim = RIM.contains(&file.top.as_str());
    let free = FREE.contains(&file.top.as_str());
    let edges = MAY_USE.iter().find(|(module, _)| *module == file.top).map(|(_, edges)| *edges);
    for (line, path) in &file.scan.paths {
        let spelled = path.join("::");
        if let [first, to, ..] = path.as_slice()
            && first == "crate"
            && !free
            && *to != file.top
            && !BASE.contains(&to.as_str())
            && edges.is_none_or(|edges| !edges.contains(&to.as_str()))
        {
            found.push(format!("{}:{line}: {} may not use {to}: {spelled}", file.name, file.top));
        }
        let within = |beginning: &&&str| {
            spelled.strip_prefix(**beginning).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        if !rim && let Some(world) = WORLD.iter().find(within) {
            found.push(format!("{}:{line}: only {RIM:?} may use {world}", file.name));
        }
        let whole =
            spelled.strip_suffix("::*").or_else(|| spelled.strip_suffix("::self")).unwrap_or(&spelled);
        if !rim && TOO_WIDE.contains(&whole) {
            found.push(format!("{}:{line}: name what is used of {whole}", file.name));
        }
    }
    for (line, call) in &file.scan.calls {
        if NEVER.contains(&call.as_str()) {
            found.push(format!("{}:{line}: {call} ends the agent", file.name));
        }
    }
    found
}

#[test]
fn every_module_uses_only_what_the_table_allows_and_only_the_rim_touches_the_world() {
    let found: Vec<String> = sources().iter().filter(|file| !file.is_test).flat_map(complaints).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_standard_librarys_calendar_which_ends_in_2038_on_32_bits_is_asked_in_the_workbench_alone() {
    let asks = |file: &File| {
        file.scan.paths.iter().any(|(_, path)| path.join("::").starts_with("std::time::SystemTime"))
    };
    let (bench, others): (Vec<_>, Vec<_>) = sources()
        .into_iter()
        .filter(|file| !file.is_test && asks(file))
        .partition(|file| file.top == "bench");
    assert!(!bench.is_empty(), "the scanner sees none");
    let others: Vec<_> = others.iter().map(|file| &file.name).collect();
    assert!(others.is_empty(), "io::clock knows the time: {others:?}");
}

#[test]
fn every_module_of_the_tree_has_its_row() {
    let known: Vec<&str> =
        MAY_USE.iter().map(|(module, _)| *module).chain(BASE.iter().chain(FREE).copied()).collect();
    for file in sources() {
        assert!(known.contains(&file.top.as_str()), "{}: give {} a row in MAY_USE", file.name, file.top);
    }
}

#[test]
fn the_table_has_no_circles() {
    // Each row names only rows above it: what is named was settled before.
    let mut settled: Vec<&str> = Vec::new();
    let mut open: Vec<_> = MAY_USE.iter().collect();
    while let Some(next) = open.iter().position(|(_, edges)| edges.iter().all(|edge| settled.contains(edge)))
    {
        settled.push(open.remove(next).0);
    }
    assert!(open.is_empty(), "a circle among {open:?}");
}

#[test]
fn the_architecture_document_holds_the_same_table() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ARCHITECTURE.md");
    let text = std::fs::read_to_string(file).unwrap();
    let present: BTreeSet<String> = sources().into_iter().map(|file| file.top).collect();
    for (module, edges) in MAY_USE.iter().filter(|(module, _)| present.contains(*module)) {
        let edges: Vec<String> =
            edges.iter().filter(|edge| present.contains(**edge)).map(|edge| format!("`{edge}`")).collect();
        let row = format!("| `{module}` | {} |", if edges.is_empty() { "–".into() } else { edges.join(" ") });
        assert!(text.contains(&row), "docs/ARCHITECTURE.md lacks the row\n{row}");
    }
}

#[test]
fn no_file_is_too_long() {
    for file in sources().iter().filter(|file| !file.is_test) {
        assert!(file.lines <= MAX_LINES, "{}: {} lines", file.name, file.lines);
    }
}

#[test]
fn the_scanner_sees_through_the_ways_to_name_a_thing() {
    for (text, want) in [
        ("use crate::io::disk;", "dm may not use io"),
        ("use crate::{time::Now, io::{disk, tls as t}};", "dm may not use io"),
        ("pub(crate) use super::super::io;", "dm may not use io"),
        ("mod inner { fn f() { super::super::super::agent::run() } }", "dm may not use agent"),
        ("fn f() -> crate::cwmp::Fault { 1 }", "dm may not use cwmp"),
        ("fn f() { let x = \"a // b\"; crate::io::f(x) }", "dm may not use io"),
        ("fn f() { let x = '\"'; crate::io::f(x) }", "dm may not use io"),
        ("#[cfg(not(test))] use crate::io;", "dm may not use io"),
        ("#[cfg(test)] fn f() {} use crate::io;", "dm may not use io"),
        ("use std::{fmt, net::{Ipv4Addr, UdpSocket}};", "std::net::UdpSocket"),
        ("use std::time::{Duration, Instant};", "std::time::Instant"),
        ("fn f() { std::fs::read(x) }", "std::fs"),
        ("use std::time;", "name what is used of std::time"),
        ("use std::net::*;", "name what is used of std::net"),
        ("use std::{time::{self as clock}};", "name what is used of std::time"),
        ("fn f() { x.unwrap() }", ".unwrap( ends"),
        ("fn f() { todo!() }", "todo! ends"),
        ("use super::tree::Tree; use self::path; use std::time::Duration; use std::net::IpAddr;", ""),
        ("// crate::io\n/* crate::io /* */ x.unwrap() */ fn f() { \"crate::io\"; r#\"std::fs::\"# }", ""),
        ("#[cfg(test)] mod tests { use crate::io; } fn g() { x.unwrap_or(1) }", ""),
        ("#[cfg(test)] #[allow(clippy::unwrap_used)] mod tests { fn f() { x.unwrap() } }", ""),
    ] {
        let scan = scan(text, &["dm", "path"]);
        let file = File { name: "x".into(), top: "dm".into(), scan, lines: 1, is_test: false };
        let found = complaints(&file).join("; ");
        assert!(if want.is_empty() { found.is_empty() } else { found.contains(want) }, "{text}: {found:?}");
    }
    let scan = scan("#[cfg(test)]\n#[path = \"path_tests.rs\"]\nmod tests;\n#[cfg(test)] mod fake;", &[]);
    assert!(scan.test_files.contains("path_tests.rs") && scan.test_modules.contains("fake"), "{scan:?}");
}
