//! No constant that pretends and no setter that drops, shown for every parameter of every recorded router.
//!
//! Reading: each parameter's own sources are altered, one place at a time, until its value changes. Writing: each
//! writable parameter takes two legal values, which must alter what is stored and read back (the planner refuses what
//! would not). A parameter for which neither can be shown on any router must be a constant with a written reason, or
//! stand in `tests/truth-exceptions.txt` with one.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/device.rs"]
mod device;

use cpeagent::dm::instance::Instances;
use cpeagent::dm::line::{Line, Pipe, Src};
use cpeagent::dm::path::Pattern;
use cpeagent::dm::read::{Cursor, Node};
use cpeagent::dm::run::{self, Halt};
use cpeagent::dm::schema::{How, Model, Param, Write};
use cpeagent::dm::source::{Snapshot, Source, Stop};
use cpeagent::dm::tree::Tree;
use cpeagent::dm::value::{Syntax, Type};
use cpeagent::dm::view::{PENDING, View};
use cpeagent::dm::write::{NoPlan, Planner, Policy, Wish};
use cpeagent::io::clock::Clock;
use cpeagent::io::disk::RealDisk;
use cpeagent::io::source::Files;
use cpeagent::tr181;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One recorded router with everything read once.
struct Router {
    files: Files,
    full: Snapshot,
    instances: RefCell<Instances>,
    /// Every parameter: its path and its schema path.
    params: Vec<(String, String)>,
}

fn supply(files: &Files, snapshot: &mut Snapshot, key: &str) {
    let source = match key {
        PENDING => Source::ready(Tree::Map(Vec::new())),
        "agent:state" => Source::ready(Tree::map([
            ("ParameterKey", Tree::from("key")),
            ("FirstUseDate", Tree::from("2026-01-01T00:00:00Z")),
            ("ConnectionRequestPort", Tree::from("7547")),
            ("ConnectionRequestPath", Tree::from("abc")),
            ("ConnectionRequestHost", Tree::from("192.0.2.1")),
            ("UDPConnectionRequestAddress", Tree::from("192.0.2.1:7547")),
            ("NATDetected", Tree::from("false")),
        ])),
        key => files.fetch(key),
    };
    snapshot.supply(key, source);
}

impl Router {
    fn open(model: &Model, name: &str) -> (Router, tempfile::TempDir) {
        let folder = device::device(name);
        let disk = Arc::new(RealDisk::new(folder.path()).unwrap());
        let now = Clock::still(&*disk).unwrap().now();
        let files = Files::new(disk, true);
        let mut router =
            Router { files, full: Snapshot::new(now), instances: RefCell::default(), params: Vec::new() };
        supply(&router.files, &mut router.full, PENDING);
        let mut full = router.full.clone();
        router.params = router.read(model, &mut full, |view| {
            let mut cursor = Cursor::new(view.resolve(&Pattern::parse("").unwrap())?);
            let (mut out, mut wait) = (Vec::new(), false);
            while let Some(node) = cursor.next(view)? {
                if let Node::Param(place, at) = &node {
                    wait |= view.value(place, *at) == Err(Stop::Wait);
                    let schema =
                        format!("{}{}", view.model.object(place.object)?.path, view.param(place, *at)?.name);
                    out.push((node.path(view)?, schema));
                }
            }
            if wait || cursor.waited() { Err(Stop::Wait) } else { Ok(out) }
        });
        router.full = full;
        (router, folder)
    }

    /// Reads over `snapshot`, fetching from the folder what is missing.
    fn read<T>(
        &self,
        model: &Model,
        snapshot: &mut Snapshot,
        mut read: impl FnMut(&View<'_>) -> Result<T, Stop>,
    ) -> T {
        loop {
            match run::attempt(model, snapshot, &self.instances, &mut read) {
                Ok(value) => return value,
                Err(Halt::Refused(why)) => panic!("{why}"),
                Err(Halt::Need(keys)) => keys.iter().for_each(|key| supply(&self.files, snapshot, key)),
            }
        }
    }

    /// The value of a parameter over `snapshot`; nothing if it is not there or cannot be read.
    fn value(&self, model: &Model, snapshot: &mut Snapshot, path: &str) -> Option<String> {
        let pattern = Pattern::parse(path).unwrap();
        self.read(model, snapshot, |view| match view.resolve(&pattern) {
            Ok(nodes) => match nodes.as_slice() {
                [Node::Param(place, at)] => match view.value(place, *at) {
                    Ok(value) => Ok(Some(value.into_owned())),
                    Err(Stop::Wait) => Err(Stop::Wait),
                    Err(Stop::Refused(_)) => Ok(None),
                },
                _ => Ok(None),
            },
            Err(Stop::Wait) => Err(Stop::Wait),
            Err(Stop::Refused(_)) => Ok(None),
        })
    }

    /// The sources that reading one parameter takes.
    fn sources(&self, model: &Model, path: &str) -> BTreeSet<String> {
        let mut own = Snapshot::new(self.full.now);
        supply(&self.files, &mut own, PENDING);
        self.value(model, &mut own, path);
        let keys = own.keys().filter(|key| !key.starts_with("derived:") && *key != PENDING);
        keys.map(str::to_string).collect()
    }
}

/// Other texts that may stand where `text` stands.
fn others(text: &str, words: &[String]) -> Vec<String> {
    let mut out: Vec<String> = match text {
        "true" => vec!["false".into()],
        "false" => vec!["true".into()],
        "1" => vec!["0".into(), "7".into()],
        "0" => vec!["1".into(), "7".into()],
        _ => Vec::new(),
    };
    if let Ok(number) = text.parse::<i64>() {
        out.extend([
            (number + 1).to_string(),
            (number + 1024).to_string(),
            (number * 3 + 100_000).to_string(),
        ]);
    } else if !matches!(text, "true" | "false") {
        // Change one digit or letter, keeping the shape of addresses, words and lines.
        for (at, c) in text.char_indices().rev().filter(|(_, c)| c.is_ascii_alphanumeric()).take(3) {
            let new = match c {
                '0'..='8' => char::from(c as u8 + 1),
                '9' => '1',
                'f' => 'a',
                c => char::from(c as u8 + 1),
            };
            out.push(format!("{}{new}{}", &text[..at], &text[at + 1..]));
        }
        let mut bumped = String::new();
        // Every number in a file of several: one more.
        for part in text.split_inclusive([' ', '\n', '\t']) {
            let word = part.trim_end();
            let tail = &part[word.len()..];
            match word.parse::<u64>() {
                Ok(n) => bumped.push_str(&format!("{}{tail}", n + 4096)),
                Err(_) => bumped.push_str(part),
            }
        }
        out.push(bumped);
    }
    out.extend(words.iter().cloned());
    out.retain(|other| other != text);
    out
}

/// The words that a line's pipes know, besides what the source may say anyway.
fn words(param: &Param) -> Vec<String> {
    let mut out: Vec<String> =
        ["up", "down", "server", "disabled", "auto", "static", "none", "ENABLED", "DISABLED"]
            .map(str::to_string)
            .into();
    let lines = [
        if let How::Line(line) = &param.read { Some(*line) } else { None },
        if let Write::Stored(line) = &param.write { Some(*line) } else { None },
    ];
    for line in lines.into_iter().flatten() {
        for pipe in line.pipes {
            if let Pipe::Map(pairs) = pipe {
                out.extend(pairs.iter().map(|(from, _)| from.to_string()));
            }
        }
    }
    out
}

/// The tree with every text under the key `name` (the empty one: under none) replaced by its `k`-th other; nothing if
/// none has that many.
fn altered(tree: &Tree, name: &str, k: usize, words: &[String]) -> Option<Tree> {
    fn go(tree: &Tree, here: &str, name: &str, k: usize, words: &[String], done: &mut bool) -> Tree {
        match tree {
            Tree::Text(text) if here == name => match others(text, words).into_iter().nth(k) {
                Some(other) => {
                    *done = true;
                    Tree::from(other)
                }
                None => tree.clone(),
            },
            Tree::Text(_) => tree.clone(),
            Tree::List(items) => {
                Tree::List(items.iter().map(|item| go(item, here, name, k, words, done)).collect())
            }
            Tree::Map(entries) => Tree::Map(
                entries
                    .iter()
                    .map(|(key, item)| (key.clone(), go(item, key, name, k, words, done)))
                    .collect(),
            ),
        }
    }
    let mut done = false;
    let tree = go(tree, "", name, k, words, &mut done);
    done.then_some(tree)
}

/// The keys that texts of a tree stand under, those first whose text is like `value`.
fn names(tree: &Tree, value: &str) -> Vec<String> {
    fn go(tree: &Tree, here: &str, value: &str, out: &mut BTreeMap<String, bool>) {
        match tree {
            Tree::Text(text) => {
                let like = !text.is_empty() && (value.contains(&**text) || text.contains(value));
                *out.entry(here.to_string()).or_default() |= like;
            }
            Tree::List(items) => items.iter().for_each(|item| go(item, here, value, out)),
            Tree::Map(entries) => {
                for (key, item) in entries.iter().filter(|(key, _)| !key.starts_with('.')) {
                    go(item, key, value, out);
                }
            }
        }
    }
    let mut found = BTreeMap::new();
    go(tree, "", value, &mut found);
    let mut names: Vec<(String, bool)> = found.into_iter().collect();
    names.sort_by_key(|(_, like)| !like);
    names.into_iter().map(|(name, _)| name).collect()
}

/// Whether altering a source in one kind of place changes the value of `path`.
fn follows(model: &Model, router: &Router, path: &str, param: &Param) -> bool {
    let before = router.value(model, &mut router.full.clone(), path);
    let words = words(param);
    let differs = |snapshot: &mut Snapshot| {
        let after = router.value(model, snapshot, path);
        after.is_some() && after != before
    };
    for key in router.sources(model, path) {
        let mut base = router.full.clone();
        base.forget_derived();
        match router.full.peek(&key) {
            Some(Source::Ready(tree)) => {
                for name in names(tree, before.as_deref().unwrap_or_default()) {
                    for k in 0.. {
                        let Some(new) = altered(tree, &name, k, &words) else { break };
                        let mut snapshot = base.clone();
                        snapshot.supply(&key, Source::ready(new));
                        if differs(&mut snapshot) {
                            return true;
                        }
                    }
                }
                // Gone for now is another way to differ.
                base.supply(&key, Source::Absent);
                if differs(&mut base) {
                    return true;
                }
            }
            // What is not recorded may come: a file with a number or a word in it.
            Some(Source::Absent) if key.starts_with("file:") => {
                for text in ["1", "7", "4096", "up", "x"] {
                    let mut snapshot = base.clone();
                    snapshot.supply(&key, Source::ready(Tree::from(text)));
                    if differs(&mut snapshot) {
                        return true;
                    }
                }
            }
            _ => {}
        }
    }
    absent_option(model, router, path, param, before.as_deref())
}

/// An option that the router's file leaves out is put in, where the line says which it is.
fn absent_option(model: &Model, router: &Router, path: &str, param: &Param, before: Option<&str>) -> bool {
    let lines: Vec<Line> = match (&param.read, &param.write) {
        (How::Line(a), Write::Stored(b)) => vec![*a, *b],
        (How::Line(a), _) => vec![*a],
        (_, Write::Stored(b)) => vec![*b],
        _ => Vec::new(),
    };
    let candidates =
        ["1", "0", "7", "300", "x", "12h", "192.0.2.9", "02:00:00:00:00:09", "2026-01-01T00:00:00Z"];
    let words: Vec<String> = words(param).into_iter().chain(candidates.map(str::to_string)).collect();
    for line in lines {
        let Src::Option { up: 0, option: [cpeagent::dm::line::Piece::Lit(option)] } = line.source else {
            continue;
        };
        let pattern = Pattern::parse(path).unwrap();
        let bound = router.read(model, &mut router.full.clone(), |view| {
            let nodes = view.resolve(&pattern)?;
            let [Node::Param(place, _)] = nodes.as_slice() else { return Ok(None) };
            let bound = place.row.as_ref().and_then(|row| row.section.as_ref());
            Ok(bound.map(|bound| (bound.source.to_string(), bound.name.to_string())))
        });
        let Some((source, section)) = bound else { continue };
        for word in &words {
            let mut snapshot = router.full.clone();
            snapshot.forget_derived();
            let Some(section) = snapshot.tree_mut(&source).and_then(|tree| tree.get_mut(&section)) else {
                continue;
            };
            section.set(option, Tree::from(word.as_str()));
            let after = router.value(model, &mut snapshot, path);
            if after.is_some() && after.as_deref() != before {
                return true;
            }
        }
    }
    false
}

/// Legal values to write, different from each other as far as the type allows.
fn legal(syntax: &Syntax, rows: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    if !syntax.limits.choices.is_empty() {
        out.extend(
            syntax
                .limits
                .choices
                .iter()
                .filter(|choice| !choice.read_only)
                .map(|choice| choice.text.to_string()),
        );
    }
    match syntax.base {
        Type::Boolean => out.extend(["true".into(), "false".into()]),
        Type::Int | Type::UnsignedInt | Type::Long | Type::UnsignedLong | Type::Decimal => {
            out.extend(
                [
                    "-1", "0", "1", "2", "3", "6", "10", "20", "30", "36", "44", "60", "64", "100", "128",
                    "200", "443", "600", "1000", "1280", "1400", "2000", "4096", "8080", "86400",
                ]
                .map(String::from),
            );
        }
        Type::DateTime => out.extend(["2026-01-01T00:00:00Z".into(), "2027-02-03T04:05:06Z".into()]),
        Type::HexBinary => out.extend(["0102".into(), "ABCDEF".into(), "C0000201".into()]),
        Type::Base64 => out.extend(["AAEC".into(), "AQID".into()]),
        Type::String => {
            out.extend(rows.iter().cloned());
            out.extend(
                [
                    "",
                    "truth",
                    "Truth-2",
                    "truth.example",
                    "192.0.2.7",
                    "198.51.100.9",
                    "192.168.1.77",
                    "192.168.1.222",
                    "192.168.1.130",
                    "192.168.1.140",
                    "255.255.255.0",
                    "255.255.0.0",
                    "02:00:00:00:00:07",
                    "02:00:00:00:00:08",
                    "2001:db8::7",
                    "2001:db8:1::8",
                    "2001:db8:7::/48",
                    "2001:db8:8::/64",
                    "fd00:1::/48",
                    "0:0:0:4::/62",
                    "192.0.2.0/24",
                    "198.51.100.0/24",
                    "https://acs.example/",
                    "https://acs2.example/x",
                    "CET-1CEST,M3.5.0,M10.5.0/3",
                    "EST5EDT,M3.2.0,M11.1.0",
                    "DE ",
                    "US ",
                    "truthpass1",
                    "truthpass2",
                    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                    "truth-alias",
                ]
                .map(String::from),
            );
        }
    }
    out.retain(|text| syntax.canonical(text).is_ok());
    out
}

/// How many different values a writable parameter takes, as plans that change what is stored.
fn takes(model: &Model, router: &Router, path: &str, param: &Param, rows: &[String]) -> usize {
    let policy = Policy { keep_secret_on_empty: true };
    let mut taken = BTreeSet::new();
    let mut texts = legal(&param.syntax, rows);
    if let (How::Line(line), Write::Same) | (_, Write::Stored(line)) = (&param.read, &param.write) {
        let mapped = line
            .pipes
            .iter()
            .filter_map(|pipe| if let Pipe::Map(pairs) = pipe { Some(*pairs) } else { None });
        texts.extend(mapped.flatten().map(|(_, to)| to.to_string()));
    }
    for text in texts {
        let wish = Wish { path: path.into(), value: text.clone(), said: None };
        let mut snapshot = router.full.clone();
        let plan = loop {
            let mut planner = Planner::new(model, &snapshot, &router.instances.borrow(), policy);
            match planner.set(std::slice::from_ref(&wish)) {
                Ok(()) => break Some(planner.finish()),
                Err(NoPlan::Refused(_)) => break None,
                Err(NoPlan::Wait) => {
                    let wanted = planner.wanted();
                    assert!(!wanted.is_empty(), "{path} waits for nothing");
                    wanted.iter().for_each(|key| supply(&router.files, &mut snapshot, key));
                }
            }
        };
        let Some(plan) = plan else { continue };
        let now = router.value(model, &mut router.full.clone(), path);
        let canonical = param.syntax.canonical(&text).unwrap();
        let changes = !plan.edits.is_empty() || plan.instances.is_some() || !plan.commands.is_empty();
        if changes {
            taken.insert(canonical);
        } else if now.as_deref() == Some(&canonical) || param.flags.hidden || param.flags.command {
            // Writing what is there already changes nothing, and is a value it takes.
            taken.insert(canonical);
        } else {
            panic!("{path} accepts {text:?}, reads {now:?}, and nothing is stored");
        }
        if taken.len() >= 2 {
            break;
        }
    }
    taken.len()
}

fn exceptions() -> BTreeMap<String, String> {
    let text = include_str!("truth-exceptions.txt");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (path, reason) = line.split_once(" -- ").unwrap_or_else(|| panic!("{line}: no reason"));
            (path.trim().to_string(), reason.trim().to_string())
        })
        .collect()
}

#[test]
fn every_parameter_follows_its_source_and_every_setter_keeps_what_it_takes() {
    let model = tr181::model().unwrap();
    let mut by_schema: BTreeMap<String, Param> = BTreeMap::new();
    for object in model.objects() {
        for param in object.params {
            by_schema.insert(format!("{}{}", object.path, param.name), *param);
        }
    }
    let constant =
        |param: &Param| matches!(&param.read, How::Line(line) if matches!(line.source, Src::Const(_)));
    let mut unread: BTreeSet<String> =
        by_schema.iter().filter(|(_, p)| !constant(p)).map(|(s, _)| s.clone()).collect();
    let mut unwritten: BTreeSet<String> =
        by_schema.iter().filter(|(_, p)| !matches!(p.write, Write::No)).map(|(s, _)| s.clone()).collect();
    // Derived by the data model itself, which has its own tests.
    unread.retain(|schema| !matches!(by_schema[schema].read, How::Alias | How::Count(_)));
    unread.retain(|schema| !by_schema[schema].flags.hidden && !by_schema[schema].flags.command);
    for name in device::names() {
        let (router, _folder) = Router::open(&model, &name);
        let mut rows: Vec<String> = Vec::new();
        for (path, _) in &router.params {
            if let Some(row) = path.rsplit_once('.').map(|(row, _)| row) {
                if row.ends_with(|c: char| c.is_ascii_digit()) && rows.last().map(String::as_str) != Some(row)
                {
                    rows.push(row.to_string());
                }
            }
        }
        rows.retain(|row| row.matches('.').count() <= 5);
        rows.dedup();
        let mut tries: BTreeMap<&str, usize> = BTreeMap::new();
        for (path, schema) in &router.params {
            let param = &by_schema[schema];
            let tried = tries.entry(schema).or_default();
            // A few rows of each table are enough to find one that shows it.
            if *tried >= 4 {
                continue;
            }
            *tried += 1;
            if unread.contains(schema) && follows(&model, &router, path, param) {
                unread.remove(schema);
            }
            if unwritten.contains(schema) && takes(&model, &router, path, param, &rows) >= 2 {
                unwritten.remove(schema);
                // What is stored and read back by the same way has been seen to follow.
                if !matches!(param.write, Write::Stored(_)) {
                    unread.remove(schema);
                }
            }
        }
    }
    println!("constants, each with its reason:");
    for (schema, param) in by_schema.iter().filter(|(_, param)| constant(param)) {
        println!("  {schema} -- {}", param.reason.expect("the build wants a reason"));
    }
    let known = exceptions();
    let open: BTreeSet<String> = unread
        .iter()
        .map(|schema| format!("read {schema}"))
        .chain(unwritten.iter().map(|schema| format!("write {schema}")))
        .collect();
    let missing: Vec<&String> = open.iter().filter(|one| !known.contains_key(*one)).collect();
    let stale: Vec<&String> = known.keys().filter(|one| !open.contains(*one)).collect();
    assert!(
        missing.is_empty(),
        "not shown to be true, and no reason given:\n{}",
        missing.iter().map(|m| format!("  {m}\n")).collect::<String>()
    );
    assert!(stale.is_empty(), "shown to be true after all, so no exception: {stale:#?}");
}
