//! A router whose requests follow each other: each sees what those before it changed, as after their commit.
//!
//! Owns the snapshot of a recorded router and the numbers given; writes nothing to disk. Driven by family tests.
#![allow(dead_code)] // each test program uses its own part

use cpeagent::dm::edit::{Change, Edit};
use cpeagent::dm::instance::Instances;
use cpeagent::dm::path::Pattern;
use cpeagent::dm::read::{Cursor, Node};
use cpeagent::dm::run::{self, Halt};
use cpeagent::dm::schema::Model;
use cpeagent::dm::source::{Snapshot, Source, Stop};
use cpeagent::dm::tree::Tree;
use cpeagent::dm::write::{NoPlan, Plan, Planner, Policy, Wish};
use cpeagent::io::disk::RealDisk;
use cpeagent::io::source::Files;
use cpeagent::time::{Now, Wall};
use cpeagent::tr181;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use tempfile::TempDir;

thread_local! {
    /// The copies laid out so far: stories read them and change only what they hold in memory.
    static COPIES: RefCell<BTreeMap<String, Rc<TempDir>>> = const { RefCell::new(BTreeMap::new()) };
}

/// A recorded router in the middle of its story.
pub struct Story {
    _root: Rc<TempDir>,
    files: Files,
    model: Model,
    snapshot: Snapshot,
    first: BTreeMap<String, Tree>,
    instances: RefCell<Instances>,
}

impl Story {
    /// The router as it was recorded.
    pub fn of(device: &str) -> Story {
        let root = COPIES.with_borrow_mut(|copies| {
            copies.entry(device.into()).or_insert_with(|| Rc::new(super::device::device(device))).clone()
        });
        let disk = RealDisk::new(root.path()).expect("the copy can be opened");
        let files = Files::new(Arc::new(disk), true);
        let stat = std::fs::read_to_string(root.path().join("proc/stat")).expect("a recording has its time");
        let up = std::fs::read_to_string(root.path().join("proc/uptime")).expect("a recording has its time");
        let boot: i64 = stat
            .lines()
            .find_map(|line| line.strip_prefix("btime "))
            .and_then(|text| text.trim().parse().ok())
            .expect("btime");
        let up: i64 = up.split('.').next().and_then(|text| text.parse().ok()).expect("uptime");
        let now = Now { at: Default::default(), wall: Some(Wall::at(boot + up)) };
        let mut snapshot = Snapshot::new(now);
        snapshot.supply(cpeagent::dm::view::PENDING, Source::Absent);
        Story {
            _root: root,
            files,
            model: tr181::model().expect("the shipped model is whole"),
            snapshot,
            first: BTreeMap::new(),
            instances: RefCell::new(Instances::default()),
        }
    }

    fn fetch(&mut self, keys: impl IntoIterator<Item = Box<str>>) {
        for key in keys {
            self.snapshot.supply(&key, self.files.fetch(&key));
        }
    }

    /// `path = value` of everything below the paths, sorted by table, number and name as the model gives it.
    pub fn get(&mut self, paths: &[&str]) -> String {
        let patterns: Vec<Pattern> = paths.iter().map(|path| Pattern::parse(path).expect("a path")).collect();
        loop {
            let read = run::attempt(&self.model, &mut self.snapshot, &self.instances, |view| {
                let mut nodes = Vec::new();
                for pattern in &patterns {
                    nodes.extend(view.resolve(pattern)?);
                }
                let (mut cursor, mut text, mut wait) = (Cursor::new(nodes), String::new(), false);
                while let Some(node) = cursor.next(view)? {
                    let Node::Param(place, at) = &node else { continue };
                    match view.value(place, *at) {
                        Ok(value) => writeln!(text, "{} = {value}", node.path(view)?).expect("a string"),
                        Err(Stop::Wait) => wait = true,
                        Err(Stop::Refused(why)) => {
                            writeln!(text, "{} ! {why}", node.path(view)?).expect("a string");
                        }
                    }
                }
                if wait || cursor.waited() { Err(Stop::Wait) } else { Ok(text) }
            });
            match read {
                Ok(text) => return text,
                Err(Halt::Refused(why)) => return format!("! {why}\n"),
                Err(Halt::Need(keys)) => self.fetch(keys),
            }
        }
    }

    /// The value of one parameter.
    pub fn value(&mut self, path: &str) -> String {
        let text = self.get(&[path]);
        text.trim_end().split_once(" = ").map_or(text.clone(), |(_, value)| value.to_string())
    }

    /// Plans one request and takes its changes over; the paths of rows that were added.
    pub fn ask(
        &mut self,
        ask: impl Fn(&mut Planner<'_>) -> Result<(), NoPlan>,
    ) -> Result<Vec<String>, Vec<String>> {
        let plan: Plan = loop {
            let policy = Policy { keep_secret_on_empty: true };
            let instances = self.instances.borrow().clone();
            let mut planner = Planner::new(&self.model, &self.snapshot, &instances, policy);
            match ask(&mut planner) {
                Ok(()) => break planner.finish(),
                Err(NoPlan::Refused(errors)) => return Err(errors.iter().map(ToString::to_string).collect()),
                Err(NoPlan::Wait) => {
                    let wanted = planner.wanted();
                    assert!(!wanted.is_empty(), "waits for nothing");
                    drop(planner);
                    self.fetch(wanted);
                }
            }
        };
        for edit in &plan.edits {
            self.take(edit);
        }
        self.snapshot.forget_derived();
        if let Some(instances) = plan.instances {
            self.instances = RefCell::new(instances);
        }
        Ok(plan.added)
    }

    fn take(&mut self, edit: &Edit) {
        if self.snapshot.tree_mut(&edit.source).is_none() {
            assert!(matches!(edit.change, Change::Add { .. }), "{} begins with a section", edit.source);
            self.snapshot.supply(&edit.source, Source::ready(Tree::Map(Vec::new())));
        }
        let tree = self.snapshot.tree_mut(&edit.source).expect("just supplied");
        self.first.entry(edit.source.to_string()).or_insert_with(|| tree.clone());
        edit.apply(tree).expect("an edit fits what it was planned on");
        self.snapshot.unapplied.insert(edit.source.clone());
    }

    /// Sets values in one request: `PATH=VALUE` each.
    pub fn set(&mut self, values: &[&str]) -> Result<(), Vec<String>> {
        let wishes: Vec<Wish> = values
            .iter()
            .map(|text| text.split_once('=').expect("PATH=VALUE"))
            .map(|(path, value)| Wish { path: path.into(), value: value.into(), said: None })
            .collect();
        self.ask(|planner| planner.set(&wishes)).map(drop)
    }

    /// Adds a row; its path.
    pub fn add(&mut self, table: &str) -> Result<String, Vec<String>> {
        self.ask(|planner| planner.add(table).map(drop)).map(|mut added| added.pop().expect("one row"))
    }

    /// Deletes a row.
    pub fn delete(&mut self, path: &str) -> Result<(), Vec<String>> {
        self.ask(|planner| planner.delete(path)).map(drop)
    }

    /// What differs from the recording, as lines `package.section.option = value`, sorted; `-` before what is gone.
    pub fn changes(&mut self) -> String {
        let mut out = Vec::new();
        for (source, first) in &self.first {
            let Some(Source::Ready(now)) = self.snapshot.peek(source) else { continue };
            let name = source.trim_start_matches("uci:");
            let (old, new) = (flat(first), flat(now));
            out.extend(
                old.iter()
                    .filter(|(key, value)| new.get(*key) != Some(*value))
                    .map(|(key, value)| format!("-{name}.{key} = {value}\n")),
            );
            out.extend(
                new.iter()
                    .filter(|(key, value)| old.get(*key) != Some(*value))
                    .map(|(key, value)| format!("+{name}.{key} = {value}\n")),
            );
        }
        out.concat()
    }
}

/// Every option by `section.option`.
fn flat(package: &Tree) -> BTreeMap<String, String> {
    let sections = package.entries().iter();
    let options = sections.flat_map(|(section, tree)| {
        tree.entries().iter().filter(|(option, _)| &**option != ".anonymous").map(move |(option, value)| {
            let value = match value {
                Tree::Text(text) => text.to_string(),
                Tree::List(_) | Tree::Map(_) => format!("{value:?}"),
            };
            (format!("{section}.{option}"), value)
        })
    });
    options.collect()
}

/// Compares `text` with the golden file `tests/golden/model/DEVICE/OBJECT.txt`; `BLESS=1` writes it.
pub fn golden(device: &str, object: &str, text: &str) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("tests/golden/model/{device}/{object}.txt"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("the folder can be made");
        std::fs::write(&file, text).expect("the golden file can be written");
        return;
    }
    let want = std::fs::read_to_string(&file).unwrap_or_default();
    if let Some((got, want)) = text.lines().zip(want.lines()).find(|(got, want)| got != want) {
        panic!("{device} {object}:\n got {got}\nwant {want}");
    }
    assert_eq!(text.lines().count(), want.lines().count(), "{device} {object}: number of lines");
}

/// Plays the stories of `tests/golden/stories/NAME.txt` and compares what they tell; `BLESS=1` writes it.
///
/// A story begins with `== RULE: DEVICE`; `> set P=V ; P=V`, `> add`, `> del`, `> get`, `> changes` are asked in order,
/// and it ends with what differs from the recording.
pub fn stories(name: &str) {
    let file =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/stories/{name}.txt"));
    let text = std::fs::read_to_string(&file).expect("the stories are part of the repository");
    let mut told = String::new();
    let mut story: Option<Story> = None;
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("== ") {
            if let Some(mut last) = story.take() {
                told.push_str(&last.changes());
            }
            let (_, device) = title.rsplit_once(": ").expect("== RULE: DEVICE");
            story = Some(Story::of(device));
        } else if let Some(asked) = line.strip_prefix("> ") {
            writeln!(told, "{line}").expect("a string");
            let story = story.as_mut().expect("a story begins with its title");
            let (word, rest) = asked.split_once(' ').unwrap_or((asked, ""));
            let answer = match word {
                "set" => story.set(&rest.split(" ; ").collect::<Vec<_>>()).map(|()| String::new()),
                "add" => story.add(rest).map(|path| path + "\n"),
                "del" => story.delete(rest).map(|()| String::new()),
                "get" => Ok(story.get(&[rest])),
                "changes" => Ok(story.changes()),
                _ => panic!("{asked}"),
            };
            match answer {
                Ok(answer) => told.push_str(&answer),
                Err(refusals) => refusals.iter().for_each(|why| writeln!(told, "! {why}").expect("a string")),
            }
            continue;
        } else {
            continue;
        }
        writeln!(told, "{line}").expect("a string");
    }
    if let Some(mut last) = story {
        told.push_str(&last.changes());
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, told).expect("the stories can be written");
        return;
    }
    for (at, (got, want)) in told.lines().zip(text.lines()).enumerate() {
        assert_eq!(got, want, "{}:{}", file.display(), at + 1);
    }
    assert_eq!(told.lines().count(), text.lines().count(), "{}", file.display());
}
