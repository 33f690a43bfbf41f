//! The `cpeagent` program.

use cpeagent::cli::local::Local;
use cpeagent::dm::instance::Instances;
use cpeagent::dm::path::Pattern;
use cpeagent::dm::value::Type;
use cpeagent::dm::write::{Policy, Wish};
use cpeagent::io::disk::RealDisk;
use cpeagent::io::source::Files;
use cpeagent::time::{Now, Wall};
use cpeagent::tr181;
use std::sync::Arc;

fn main() {
    let _ = Type::String;
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().map(String::as_str) == Some("--root") {
        args.remove(0);
    }
    if args.first().map(String::as_str) == Some("demo") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        let once = args.get(1).map(String::as_str) == Some("--once");
        let code = runtime
            .block_on(cpeagent::bench::run::demo(&cpeagent::bench::run::recorded(), once))
            .expect("demo");
        std::process::exit(code.into());
    }
    let root = &args[0];
    if args.get(1).map(String::as_str) == Some("run") {
        let root = std::path::Path::new(root);
        let _ = cpeagent::io::log::start(cpeagent::io::log::sinks(Some(root)), log::LevelFilter::Debug);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        let device = cpeagent::io::device::Device::open;
        let exit =
            runtime.block_on(async { cpeagent::io::run::run(device(Some(root)).expect("device")).await });
        println!("{exit:?}");
        return;
    }
    let disk = RealDisk::new(std::path::Path::new(root)).expect("root");
    let model = tr181::model().expect("the shipped model is whole");
    let local = Local::new(
        model,
        Files::new(Arc::new(disk), true),
        Instances::default(),
        Now { at: Default::default(), wall: Some(Wall::at(1_795_140_000)) },
    );
    match args[1].as_str() {
        "get" => {
            let patterns: Vec<Pattern> = args[2..].iter().map(|p| Pattern::parse(p).expect("path")).collect();
            match local.get(&patterns) {
                Ok(values) => {
                    for (path, value) in values {
                        match value {
                            Ok(value) => println!("{path} = {value}"),
                            Err(why) => println!("{path} ! {why}"),
                        }
                    }
                }
                Err(why) => println!("error: {why}"),
            }
        }
        "set" => {
            let wishes: Vec<Wish> = args[2..]
                .iter()
                .filter_map(|a| a.split_once('='))
                .map(|(path, value)| Wish { path: path.into(), value: value.into(), said: None })
                .collect();
            match local.plan(Policy { keep_secret_on_empty: true }, |planner| planner.set(&wishes)) {
                Ok(plan) => plan.edits.iter().for_each(|edit| println!("{edit:?}")),
                Err(errors) => errors.iter().for_each(|error| println!("{error}")),
            }
        }
        "add" => match local
            .plan(Policy { keep_secret_on_empty: true }, |planner| planner.add(&args[2]).map(|_| ()))
        {
            Ok(plan) => {
                println!("{:?}", plan.added);
                plan.edits.iter().for_each(|edit| println!("{edit:?}"));
            }
            Err(errors) => errors.iter().for_each(|error| println!("{error}")),
        },
        "delete" => {
            match local.plan(Policy { keep_secret_on_empty: true }, |planner| planner.delete(&args[2])) {
                Ok(plan) => plan.edits.iter().for_each(|edit| println!("{edit:?}")),
                Err(errors) => errors.iter().for_each(|error| println!("{error}")),
            }
        }
        _ => {}
    }
}
