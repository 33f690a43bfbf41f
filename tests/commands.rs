//! Commands of the mapped objects, called on recorded routers: what is called and what is refused.
#![cfg(feature = "usp")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/device.rs"]
mod device;

use cpeagent::cli::local::Local;
use cpeagent::dm::error::Refusal;
use cpeagent::dm::instance::Instances;
use cpeagent::dm::operate::Operated;
use cpeagent::dm::schema::{Arguments, Audience};
use cpeagent::dm::write::Policy;
use cpeagent::io::disk::{Disk, RealDisk};
use cpeagent::io::source::Files;
use cpeagent::time::Now;
use cpeagent::tr181;
use std::cell::RefCell;
use std::sync::Arc;

const DEVICE: &str = "wr4000-25.12";

/// The calls that a command plans, or why it is refused; a command of the agent's own gives `agent NAME OBJECT`.
fn operate(local: &Local, path: &str) -> Result<Vec<String>, Refusal> {
    let own = RefCell::new(None);
    let plan = local.plan(Policy { keep_secret_on_empty: true }, |planner| {
        if let Operated::Agent(name, object, _) = planner.operate(path, &Arguments::new())? {
            *own.borrow_mut() = Some(format!("agent {name} {object}"));
        }
        Ok(())
    });
    match plan {
        Ok(plan) => Ok(plan.calls.iter().map(|call| call.to_string()).chain(own.into_inner()).collect()),
        Err(errors) => Err(errors.into_iter().next().unwrap().why),
    }
}

#[test]
fn a_command_calls_what_its_line_says_of_the_row_it_is_called_on() {
    let root = device::device(DEVICE);
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(root.path()).unwrap());
    let files = Files::new(disk, true);
    let local = Local::new(tr181::model().unwrap(), files, Instances::default(), Now::default());
    let row = |table: &str, name: &str| {
        let pattern = format!("{table}[Name==\"{name}\"].Name");
        let found = local.get(&[cpeagent::dm::path::Pattern::parse(&pattern).unwrap()]).unwrap();
        found.first().unwrap().0.trim_end_matches("Name").to_string()
    };
    let wan = row("Device.IP.Interface.", "wan");
    let reset =
        vec!["ubus:network.interface.wan down".to_string(), "ubus:network.interface.wan up".to_string()];
    for (path, want) in [
        (format!("{wan}Reset()"), Ok(reset)),
        ("Device.Reboot()".into(), Ok(vec!["agent reboot Device.".into()])),
        (format!("{wan}Reset"), Err(Refusal::UnknownPath)),
        (format!("{wan}Jump()"), Err(Refusal::UnknownPath)),
        ("Device.IP.Interface.999.Reset()".into(), Err(Refusal::UnknownPath)),
        ("Device.Boot!".into(), Err(Refusal::UnknownPath)),
    ] {
        assert_eq!(operate(&local, &path), want, "{path}");
    }
}

#[test]
fn every_command_of_every_object_names_things_that_exist() {
    let model = tr181::model().unwrap();
    for object in model.objects() {
        for command in object.commands {
            assert!(command.name.ends_with("()"), "{}{}", object.path, command.name);
            assert!(Audience::Usp.sees(object.known), "{}{}", object.path, command.name);
        }
        for event in object.events {
            assert!(event.name.ends_with('!'), "{}{}", object.path, event.name);
        }
    }
}
