//! The model over a recorded router: reads, plans carried out on a copy of its files, and golden texts.
#![allow(dead_code)] // each test program uses its own part

use super::device;
use cpeagent::cli::local::Local;
use cpeagent::dm::edit::Edit;
use cpeagent::dm::error::Error;
use cpeagent::dm::instance::Instances;
use cpeagent::dm::path::Pattern;
use cpeagent::dm::write::{NoPlan, Plan, Planner, Policy, Wish};
use cpeagent::io::disk::RealDisk;
use cpeagent::io::source::Files;
use cpeagent::time::{Now, Wall};
use cpeagent::tr181;
use std::path::PathBuf;
use std::sync::Arc;

/// The model over a private copy of the recorded router `name`, at the moment of its recording.
pub struct Router {
    /// Reads and plans.
    pub local: Local,
    _root: tempfile::TempDir,
}

impl Router {
    /// Lays the recording out and opens it.
    pub fn new(name: &str) -> Router {
        let root = device::device(name);
        let read = |path: &str| std::fs::read_to_string(root.path().join(path)).unwrap_or_default();
        let stat = read("proc/stat");
        let boot = stat
            .lines()
            .find_map(|line| line.strip_prefix("btime "))
            .and_then(|s| s.trim().parse::<i64>().ok());
        let up = read("proc/uptime").split('.').next().and_then(|s| s.trim().parse::<i64>().ok());
        let wall = Wall::at(boot.expect("btime") + up.expect("uptime"));
        let disk = RealDisk::new(root.path()).expect("the copy can be opened");
        let files = Files::new(Arc::new(disk), true);
        let now = Now { at: Default::default(), wall: Some(wall) };
        let model = tr181::model().expect("the shipped model is whole");
        Router { local: Local::new(model, files, Instances::default(), now), _root: root }
    }

    /// `path = value` lines of everything below `path`, sorted; `!` and the reason where there is no value.
    pub fn text(&self, path: &str) -> String {
        let pattern = Pattern::parse(path).expect("a path");
        let values = self.local.get(&[pattern]).unwrap_or_else(|why| panic!("{path}: {why}"));
        let mut lines: Vec<String> = values
            .into_iter()
            .map(|(path, value)| match value {
                Ok(value) => format!("{path} = {value}\n"),
                Err(why) => format!("{path} ! {why}\n"),
            })
            .collect();
        lines.sort_by_key(|line| numbered(line));
        lines.concat()
    }

    /// Plans what `ask` asks.
    pub fn plan(&self, ask: impl Fn(&mut Planner<'_>) -> Result<(), NoPlan>) -> Result<Plan, Vec<Error>> {
        // Numbers are given as a manager who walks the tree first would see them.
        self.local.plan(Policy { keep_secret_on_empty: true }, ask)
    }

    /// Plans the values `PATH=VALUE` as one request.
    pub fn set(&self, values: &[&str]) -> Result<Plan, Vec<Error>> {
        let wishes = wishes(values);
        self.plan(|planner| planner.set(&wishes))
    }
}

/// The wishes of `PATH=VALUE` texts.
pub fn wishes(values: &[&str]) -> Vec<Wish> {
    let pair =
        |text: &&str| text.split_once('=').map(|(p, v)| (p.to_string(), v.to_string())).expect("PATH=VALUE");
    values.iter().map(pair).map(|(path, value)| Wish { path, value, said: None }).collect()
}

/// Edits as short lines: `dhcp.lan.start: 100 -> 120`, `+ dhcp.x (host)`, `- dhcp.x`.
pub fn edits(edits: &[Edit]) -> Vec<String> {
    use cpeagent::dm::edit::Change;
    use cpeagent::dm::tree::Tree;
    let show = |value: &Option<Tree>| match value {
        None => String::new(),
        Some(Tree::Text(text)) => text.to_string(),
        Some(list) => {
            format!("[{}]", list.items().iter().filter_map(Tree::as_str).collect::<Vec<_>>().join(" | "))
        }
    };
    let line = |edit: &Edit| {
        let place = format!("{}.{}", edit.source.trim_start_matches("uci:"), edit.section);
        match &edit.change {
            Change::Add { kind } => format!("+ {place} ({kind})"),
            Change::Remove { .. } => format!("- {place}"),
            Change::Set { option, old, new } => {
                format!("{place}.{option}: {} -> {}", show(old), show(new)).trim_end().to_string()
            }
            Change::Rename { to } => format!("{place} is {to}"),
            Change::Move { from, to } => format!("{place} moves {from} -> {to}"),
        }
    };
    edits.iter().map(line).collect()
}

/// Compares with `tests/golden/model/DEVICE/OBJECT.txt`, or writes it where BLESS is set.
pub fn golden(device: &str, object: &str, got: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/model")
        .join(device)
        .join(format!("{object}.txt"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("the folder can be made");
        std::fs::write(&file, got).expect("the golden text can be written");
        return;
    }
    let want = std::fs::read_to_string(&file).unwrap_or_default();
    if want != got {
        let only = |a: &str, b: &str| {
            a.lines().filter(|line| !b.lines().any(|other| other == *line)).collect::<Vec<_>>().join("\n  ")
        };
        panic!("{device} {object}\nno longer:\n  {}\nnow:\n  {}", only(&want, got), only(got, &want));
    }
}

/// Sorts numbers in paths as numbers.
fn numbered(line: &str) -> Vec<(u64, String)> {
    let path = line.split(' ').next().unwrap_or_default();
    path.split('.').map(|part| (part.parse().unwrap_or(0), part.to_string())).collect()
}
