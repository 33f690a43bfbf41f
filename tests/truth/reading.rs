//! Alters the sources of a table, one kind of place at a time, until every wanted parameter of it has changed.

use cpeagent::dm::line::{Line, Piece, Pipe, Src};
use cpeagent::dm::schema::{How, Model, Param, Write};
use cpeagent::dm::source::Source;
use cpeagent::dm::tree::Tree;
use std::collections::{BTreeMap, BTreeSet};

use crate::router::{Router, Values};

/// Texts that mean something in one source or another.
const WORDS: &[&str] =
    &["1", "0", "true", "none", "static", "dhcp", "sta", "PEER_DEAD", "8021ad", "64", "128"];
/// Words of files in columns: states of processes and of sockets.
const FILE_WORDS: &[&str] = &["01", "0A", "R", "D"];
/// Options that a section may have although no recorded one does, with what each may hold.
const OPTIONS: &[(&str, &[&str])] = &[
    ("disabled", &["1"]),
    ("enabled", &["0"]),
    ("auth_server", &["192.0.2.5 192.0.2.6"]),
    ("acct_server", &["192.0.2.5 192.0.2.6"]),
    ("src_ip", &["!192.0.2.0/24"]),
    ("dest_ip", &["!192.0.2.0/24"]),
    ("src_mac", &["!02:00:00:00:00:09"]),
    ("src_port", &["1000-2000", "!1000"]),
    ("dest_port", &["!1000"]),
    ("dscp", &["!CS6"]),
    ("mlo", &["1"]),
    ("ip4table", &["50", "100"]),
    ("log_file", &["/etc/log", "/overlay/log", "/mnt/log"]),
];
/// Beginnings of the names of sections that a manager added.
const ADDED: &[&str] = &["cpe_pinhole_", "cpe_dmz_", "cpe_map_"];
/// Options with those that remember what is switched off.
const OFF: &[(&str, &str)] = &[("server", "cpe_server")];
/// What an option that the line names may hold.
const HELD: &[&str] =
    &["1", "0", "7", "300", "x", "12h", "192.0.2.9", "02:00:00:00:00:09", "2026-01-01T00:00:00Z"];

/// Another character of the same kind.
fn bumped(c: char) -> char {
    match c {
        '9' => '1',
        'f' => 'a',
        'F' => 'A',
        'z' => 'b',
        'Z' => 'B',
        c => char::from(c as u8 + 1),
    }
}

/// The text with its `nth` letter or digit from the end changed.
fn with_bump(text: &str, nth: usize) -> Option<String> {
    let (at, c) = text.char_indices().rev().filter(|(_, c)| c.is_ascii_alphanumeric()).nth(nth)?;
    Some(format!("{}{}{}", &text[..at], bumped(c), &text[at + 1..]))
}

/// Other texts that may stand where `text` stands.
fn others(text: &str, words: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    if let Ok(number) = text.parse::<i64>() {
        out.extend([(number + 1).to_string(), (number * 3 + 100_000).to_string()]);
        out.push(format!("{number}-65000"));
    } else if !matches!(text, "true" | "false") {
        // One digit or letter, keeping the shape of addresses, words and lines.
        out.extend((0..3).filter_map(|nth| with_bump(text, nth)));
        let count = text.chars().filter(char::is_ascii_alphanumeric).count();
        out.extend((3..count).rev().take(4).filter_map(|nth| with_bump(text, nth)));
        out.push(format!("!{text}"));
    }
    out.extend([if text == "true" { "false" } else { "true" }.to_string()]);
    out.extend(words.iter().cloned());
    out.retain(|other| other != text);
    out
}

/// The texts of a file with one column of each line changed.
fn columns(text: &str) -> Vec<String> {
    let stop = |c: char| c.is_whitespace() || c == ':' || c == '(' || c == ')';
    let most = text.lines().map(|line| line.split(stop).count()).max().unwrap_or_default().min(60);
    let change = |column: usize, how: &dyn Fn(&str) -> Option<String>| {
        let mut out = String::new();
        for line in text.split_inclusive('\n') {
            for (at, word) in line.split_inclusive(stop).enumerate() {
                let bare = word.trim_end_matches(stop);
                match how(bare).filter(|_| at == column) {
                    Some(new) => out.extend([new.as_str(), &word[bare.len()..]]),
                    None => out.push_str(word),
                }
            }
        }
        out
    };
    let mut all = Vec::new();
    for column in 0..most {
        all.push(change(column, &|word| Some((word.parse::<u64>().ok()? + 4096).to_string())));
        let digit = |word: &str| word.ends_with(|c: char| c.is_ascii_digit());
        all.push(change(column, &|word| with_bump(word, 0).filter(|_| digit(word))));
        all.push(change(column, &|word| with_bump(word, 0)));
        for new in FILE_WORDS {
            all.push(change(column, &|word| (!word.is_empty()).then(|| new.to_string())));
        }
    }
    all.retain(|other| other != text);
    all
}

/// The lines a parameter is read and stored by.
fn lines(param: &Param) -> Vec<&'static Line> {
    let read = if let How::Line(line) = &param.read { Some(*line) } else { None };
    let stored = if let Write::Stored(line) = &param.write { Some(*line) } else { None };
    read.into_iter().chain(stored).collect()
}

/// The words that lines' pipes know.
fn words(params: &[&Param]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for pipe in params.iter().flat_map(|param| lines(param)).flat_map(|line| line.pipes) {
        if let Pipe::Map(pairs) = pipe {
            out.extend(pairs.iter().map(|(from, _)| from.to_string()));
        }
    }
    out.extend(WORDS.iter().map(|word| word.to_string()));
    let mut seen = BTreeSet::new();
    out.retain(|word| seen.insert(word.clone()));
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
            Tree::Map(entries) => {
                let new =
                    entries.iter().map(|(key, item)| (key.clone(), go(item, key, name, k, words, done)));
                Tree::Map(new.collect())
            }
        }
    }
    let mut done = false;
    let tree = go(tree, "", name, k, words, &mut done);
    done.then_some(tree)
}

/// The tree with the key `name` called something else wherever it stands.
fn renamed(tree: &Tree, name: &str, new: &str) -> Tree {
    match tree {
        Tree::Text(_) => tree.clone(),
        Tree::List(items) => Tree::List(items.iter().map(|item| renamed(item, name, new)).collect()),
        Tree::Map(entries) => Tree::Map(
            entries
                .iter()
                .map(|(key, item)| {
                    (if **key == *name { new.into() } else { key.clone() }, renamed(item, name, new))
                })
                .collect(),
        ),
    }
}

/// netifd's state after each interface's protocol has failed, which no recorded one has.
fn failed(dump: &Tree) -> Tree {
    let error = Tree::map([("subsystem", Tree::from("pppoe")), ("code", Tree::from("PEER_DEAD"))]);
    let states = dump.get("interface").map_or(&[][..], Tree::items).iter().cloned();
    let states = states.map(|mut state| {
        state.set("errors", Tree::List(vec![error.clone()]));
        state
    });
    Tree::map([("interface", Tree::List(states.collect()))])
}

/// The keys that texts of a tree stand under, those first whose text is like a value; and all keys that are like one.
fn names(tree: &Tree, values: &BTreeSet<&str>) -> (Vec<String>, Vec<String>) {
    struct Found<'v> {
        values: &'v BTreeSet<&'v str>,
        texts: BTreeMap<String, bool>,
        keys: BTreeSet<String>,
    }
    fn go(tree: &Tree, here: &str, found: &mut Found<'_>) {
        match tree {
            Tree::Text(text) => {
                let like =
                    |value: &&str| !text.is_empty() && (value.contains(&**text) || text.contains(*value));
                let like = found.values.iter().any(like);
                *found.texts.entry(here.to_string()).or_default() |= like;
            }
            Tree::List(items) => items.iter().for_each(|item| go(item, here, found)),
            Tree::Map(entries) => {
                for (key, item) in entries.iter().filter(|(key, _)| !key.starts_with('.')) {
                    if found.values.iter().any(|value| value.eq_ignore_ascii_case(key)) {
                        found.keys.insert(key.to_string());
                    }
                    go(item, key, found);
                }
            }
        }
    }
    let mut found = Found { values, texts: BTreeMap::new(), keys: BTreeSet::new() };
    go(tree, "", &mut found);
    let mut names: Vec<(String, bool)> = found.texts.into_iter().collect();
    names.sort_by_key(|(_, like)| !like);
    (names.into_iter().map(|(name, _)| name).collect(), found.keys.into_iter().collect())
}

/// Whether the values of a parameter tell the one state of the sources from the other: a row has another value, or a
/// row that its value identifies is gone and one with another value is there.
fn differ(before: &Values, after: &Values) -> bool {
    if after.iter().any(|(path, value)| before.get(path).is_some_and(|old| old != value)) {
        return true;
    }
    let sorted = |values: &Values| {
        let mut all: Vec<String> = values.values().cloned().collect();
        all.sort();
        all
    };
    let (old, new) = (sorted(before), sorted(after));
    !old.is_empty() && (old.len() == new.len() && old != new || new.iter().any(|value| !old.contains(value)))
}

/// What is altered of one table, and what has been seen to follow.
struct Trial<'a> {
    model: &'a Model,
    router: &'a Router,
    left: Vec<&'a str>,
    shown: Vec<&'a str>,
}

impl Trial<'_> {
    /// Reads what is left with `source` in place of the one of `key`; true when all of `reading` has been seen.
    fn with(&mut self, key: &str, source: Source) -> bool {
        let mut snapshot = self.router.full.clone();
        snapshot.forget_derived();
        snapshot.supply(key, source);
        let after = self.router.values(self.model, &mut snapshot, &self.left);
        for (schema, values) in &after {
            if differ(&self.router.params[*schema], values) {
                self.left.retain(|left| left != schema);
                self.shown.push(schema);
            }
        }
        self.left.is_empty()
    }

    /// Alters one source until all that is left has followed or nothing else comes to mind.
    fn alter(&mut self, key: &str, params: &BTreeMap<String, Param>) {
        let router = self.router;
        let tree = match router.full.peek(key) {
            Some(Source::Ready(tree)) => tree.clone(),
            // What is not recorded may come: a file with a number or a word in it.
            Some(Source::Absent) if key.starts_with("file:") => {
                for text in ["1", "7", "4096", "up", "x"] {
                    if self.with(key, Source::ready(Tree::from(text))) {
                        return;
                    }
                }
                return;
            }
            _ => return,
        };
        let own: Vec<&Param> = self.left.iter().map(|schema| &params[*schema]).collect();
        let words = words(&own);
        let values: BTreeSet<&str> = self
            .left
            .iter()
            .flat_map(|schema| router.params[*schema].values())
            .flat_map(|value| [value.as_str()].into_iter().chain(value.split(',')))
            .filter(|value| !value.is_empty())
            .collect();
        let (names, keys) = names(&tree, &values);
        for name in keys {
            let new = with_bump(&name, 0).unwrap_or_default();
            if self.with(key, Source::ready(renamed(&tree, &name, &new))) {
                return;
            }
        }
        if key.starts_with("uci:") {
            for prefix in ADDED {
                let sections = tree.entries().iter();
                let new = sections.map(|(name, section)| (format!("{prefix}{name}"), section.clone()));
                if self.with(key, Source::ready(Tree::map(new))) {
                    return;
                }
            }
        }
        for (on, off) in OFF.iter().filter(|_| key.starts_with("uci:")) {
            if self.with(key, Source::ready(renamed(&tree, on, off))) {
                return;
            }
        }
        if key == "ubus:network.interface dump" && self.with(key, Source::ready(failed(&tree))) {
            return;
        }
        if let Some(text) = tree.as_str().filter(|text| text.contains([' ', '\n', ':'])) {
            for new in columns(text) {
                if self.with(key, Source::ready(Tree::from(new))) {
                    return;
                }
            }
        }
        for name in names {
            for k in 0.. {
                let Some(new) = altered(&tree, &name, k, &words) else { break };
                if self.with(key, Source::ready(new)) {
                    return;
                }
            }
        }
        if key.starts_with("uci:") && self.options(key, &tree, &own, &words) {
            return;
        }
        // Gone for now is another way to differ.
        self.with(key, Source::Absent);
    }

    /// Options that the router's file leaves out are put into every section that lacks them.
    fn options(&mut self, key: &str, tree: &Tree, own: &[&Param], words: &[String]) -> bool {
        let mut all: Vec<(&str, Vec<&str>)> =
            OPTIONS.iter().map(|(option, held)| (*option, held.to_vec())).collect();
        for line in own.iter().flat_map(|param| lines(param)) {
            if let Src::Option { option: [Piece::Lit(option)], .. } = line.source {
                all.push((option, words.iter().map(String::as_str).chain(HELD.iter().copied()).collect()));
            }
        }
        for (option, held) in all {
            for text in held {
                let mut new = tree.clone();
                let names: Vec<Box<str>> = tree.entries().iter().map(|(name, _)| name.clone()).collect();
                for name in names {
                    let section = new.get_mut(&name).unwrap();
                    if section.get(option).is_none() {
                        section.set(option, Tree::from(text));
                    }
                }
                if self.with(key, Source::ready(new)) {
                    return true;
                }
            }
        }
        false
    }
}

/// Those of the wanted parameters of one table that follow their sources on this router.
pub fn followers(
    model: &Model,
    router: &Router,
    wanted: &[String],
    params: &BTreeMap<String, Param>,
) -> Vec<String> {
    let wanted: Vec<&str> = wanted
        .iter()
        .map(String::as_str)
        .filter(|schema| router.params.get(*schema).is_some_and(|values| !values.is_empty()))
        .collect();
    let mut sources: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for schema in &wanted {
        for key in router.sources(model, schema) {
            sources.entry(key).or_default().push(schema);
        }
    }
    let mut shown: BTreeSet<&str> = BTreeSet::new();
    // Those first on which most depends.
    let mut sources: Vec<_> = sources.into_iter().collect();
    sources.sort_by_key(|(_, schemas)| std::cmp::Reverse(schemas.len()));
    for (key, schemas) in sources {
        let left: Vec<&str> = schemas.into_iter().filter(|schema| !shown.contains(schema)).collect();
        if left.is_empty() {
            continue;
        }
        let mut trial = Trial { model, router, left, shown: Vec::new() };
        trial.alter(&key, params);
        shown.extend(trial.shown);
    }
    shown.into_iter().map(String::from).collect()
}
