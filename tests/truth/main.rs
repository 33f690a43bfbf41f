//! No constant that pretends and no setter that drops, shown for every parameter of every recorded router.
//!
//! Reading: each parameter's own sources are altered, one kind of place at a time, until its value changes. Writing:
//! each writable parameter takes two legal values, which must alter what is stored and read back (the planner refuses
//! what would not). A parameter for which neither can be shown on any router must be a constant with a written reason,
//! or stand in `tests/truth-exceptions.txt` with one.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../common/device.rs"]
mod device;
mod reading;
mod router;
mod writing;

use cpeagent::dm::line::Src;
use cpeagent::dm::schema::{How, Param, Write};
use cpeagent::tr181;
use router::Router;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

/// The schema path of a path: `Device.IP.Interface.{i}` of `Device.IP.Interface.3`.
fn schema_of(path: &str) -> String {
    let steps = path.split('.').map(|step| {
        let number = !step.is_empty() && step.bytes().all(|b| b.is_ascii_digit());
        if number { "{i}" } else { step }
    });
    steps.collect::<Vec<_>>().join(".")
}

fn exceptions() -> BTreeMap<String, String> {
    let text = include_str!("../truth-exceptions.txt");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (path, reason) = line.split_once(" -- ").unwrap_or_else(|| panic!("{line}: no reason"));
            (path.trim().to_string(), reason.trim().to_string())
        })
        .collect()
}

/// What has not been shown yet, by schema path.
struct Open {
    unread: BTreeSet<String>,
    unwritten: BTreeSet<String>,
    refusals: BTreeMap<String, String>,
}

/// A command in the shape of a parameter reads false by the standard, not by us.
fn constant(param: &Param) -> bool {
    !param.flags.command && matches!(&param.read, How::Line(line) if matches!(line.source, Src::Const(_)))
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without --release")]
fn every_parameter_follows_its_source_and_every_setter_keeps_what_it_takes() {
    let model = tr181::model().unwrap();
    let mut params: BTreeMap<String, Param> = BTreeMap::new();
    for object in model.objects() {
        for param in object.params {
            params.insert(format!("{}{}", object.path, param.name), *param);
        }
    }
    let mut open = Open { unread: BTreeSet::new(), unwritten: BTreeSet::new(), refusals: BTreeMap::new() };
    for (schema, param) in &params {
        // Aliases and counts come from the data model itself, which has its own tests; what is hidden shows nothing.
        let own = matches!(param.read, How::Alias | How::Count(_))
            || param.flags.is_secret()
            || param.flags.command;
        if !constant(param) && !own {
            open.unread.insert(schema.clone());
        }
        if !matches!(param.write, Write::No) {
            open.unwritten.insert(schema.clone());
        }
    }
    let open = Mutex::new(open);
    let routers = Mutex::new(device::names());
    let work = || {
        loop {
            let Some(name) = routers.lock().unwrap().pop() else { break };
            let router = Router::open(&model, &name);
            let unwritten = open.lock().unwrap().unwritten.clone();
            for schema in &unwritten {
                if !open.lock().unwrap().unwritten.contains(schema) {
                    continue;
                }
                let param = &params[schema];
                let taken = writing::takes_two(&model, &router, schema, param);
                let mut open = open.lock().unwrap();
                match taken {
                    Err(why) => drop(open.refusals.insert(schema.clone(), why)),
                    Ok(()) => {
                        open.unwritten.remove(schema);
                        // What is stored and read back by the same way has been seen to follow.
                        if !matches!(param.write, Write::Stored(_)) {
                            open.unread.remove(schema);
                        }
                    }
                }
            }
            for object in model.objects() {
                let wanted: Vec<String> = {
                    let open = open.lock().unwrap();
                    let own = object.params.iter().map(|param| format!("{}{}", object.path, param.name));
                    own.filter(|schema| open.unread.contains(schema)).collect()
                };
                for schema in reading::followers(&model, &router, &wanted, &params) {
                    open.lock().unwrap().unread.remove(&schema);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..threads.min(device::names().len()) {
            scope.spawn(work);
        }
    });
    let open = open.into_inner().unwrap();
    println!("constants, each with its reason:");
    for (schema, param) in params.iter().filter(|(_, param)| constant(param)) {
        println!("  {schema} -- {}", param.reason.expect("the build wants a reason"));
    }
    let known = exceptions();
    let mut found: BTreeMap<String, &str> = BTreeMap::new();
    for schema in &open.unread {
        found.insert(format!("read {schema}"), "");
    }
    for schema in &open.unwritten {
        let why = open.refusals.get(schema).map_or("is on no router", String::as_str);
        found.insert(format!("write {schema}"), why);
    }
    let missing: Vec<String> = found
        .iter()
        .filter(|(one, _)| !known.contains_key(*one))
        .map(|(one, why)| format!("  {one}  {why}\n"))
        .collect();
    let stale: Vec<&String> = known.keys().filter(|one| !found.contains_key(*one)).collect();
    assert!(missing.is_empty(), "not shown to be true, and no reason given:\n{}", missing.concat());
    assert!(stale.is_empty(), "shown to be true after all, so no exception: {stale:#?}");
}
