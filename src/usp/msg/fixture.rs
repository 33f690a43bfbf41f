//! A small model on a small router for the tests of messages: three pools, two of them with leases, and a box.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::{Answer, Said, read};
use crate::dm::acl::{Grant, Rights, Role, Rule, Rwxn, target};
use crate::dm::dropin::{Platform, merge};
use crate::dm::instance::Instances;
use crate::dm::line::Run;
use crate::dm::run::{Halt, attempt};
use crate::dm::schema::{Argument, Audience, Command, EventDef, Known, Model, Notify, Object, Param};
use crate::dm::source::{Snapshot, Source, Stop};
use crate::dm::tree::Tree;
use crate::dm::value::{Syntax, Type};
use crate::dm::view::View;
use crate::usp::pb::response::RespType;
use std::cell::RefCell;

const MAPPING: &str = r#"
["Device.X_ACME_Pool.{i}."]
each      = "uci dhcp.@dhcp"
add       = "dhcp dhcp cpe_pool"
delete    = "section"
Name      = "uci .name | type string"
Enable    = "uci .enable | bool | type boolean rw"
Speed     = "uci .speed | type unsignedInt rw"
Since     = "uci .since | type dateTime"
Secret    = "uci .secret | type string hidden rw"
Tags      = "uci .tags | type string"
["Device.X_ACME_Pool.{i}.Stats."]
Sent      = "ubus acme stats @.sent | type unsignedLong"
Kept      = "uci .name | type string"
["Device.X_ACME_Pool.{i}.Lease.{i}."]
each      = "@.leases"
key       = "{@.address}"
Address   = "@.address | type string"
["Device.X_ACME_Empty.{i}."]
each      = "uci dhcp.@nothing"
Name      = "uci .name | type string"
["Device.X_ACME_Box."]
["Device.X_ACME_Box.Inner."]
["Device.X_ACME_Box.Inner.Core."]
Depth     = "uci dhcp.lan.speed | type int"
Mine      = "uci dhcp.lan.speed | type int"
["Device.X_ACME_Gone."]
needs     = "uci dhcp.missing.x = 1"
Name      = "uci dhcp.lan.name | type string"
"#;

/// A reference wants its table to be there.
const OTHER: &str = r#"
["Device.X_ACME_Pool.{i}."]
X_ACME_Other  = "uci .other | ref Device.X_ACME_Pool | type string"
X_ACME_Others = "uci .others | csv | type string"
"#;

const PING: &[Command] = &[Command {
    name: "Ping()",
    asynchronous: true,
    inputs: &[Argument { name: "Host", syntax: Syntax::plain(Type::String), mandatory: true, assumed: None }],
    outputs: &["Result.{i}.Time"],
    run: Run::Agent("ping"),
    function: None,
}];

fn leaked<T: Copy>(items: &[T], change: impl Fn(&mut T)) -> &'static [T] {
    let mut items = items.to_vec();
    items.iter_mut().for_each(change);
    Box::leak(items.into_boxed_slice())
}

/// The small model.
pub fn model() -> Model {
    let platform = Platform { pipes: &[], derived: &[] };
    let files = [("a.toml", MAPPING), ("b.toml", OTHER)].map(|(name, text)| (name.into(), text.into()));
    let (mut objects, mistakes) = merge(vec![Object::bare("Device.", "x")], platform, &files);
    assert_eq!(mistakes, [""; 0]);
    for object in &mut objects {
        match object.path {
            "Device." => {
                object.commands = &[Command {
                    name: "Reboot()",
                    asynchronous: false,
                    inputs: &[],
                    outputs: &[],
                    run: Run::Agent("reboot"),
                    function: None,
                }];
                object.events = &[EventDef { name: "Boot!", arguments: &["CommandKey", "Cause"] }];
            }
            "Device.X_ACME_Pool.{i}." => {
                object.keys = &["Name"];
                object.unique = &["Name,Speed"];
                object.commands = PING;
                object.params = leaked(object.params, |param: &mut Param| match param.name {
                    "Secret" => (param.flags.hidden, param.flags.secured) = (false, true),
                    "Speed" => param.flags.notify = Notify::CanDeny,
                    "Tags" => param.syntax.lists = 1,
                    _ => {}
                });
            }
            "Device.X_ACME_Pool.{i}.Lease.{i}." => object.keys = &["Address"],
            "Device.X_ACME_Box.Inner.Core." => {
                object.params = leaked(object.params, |param: &mut Param| {
                    if param.name == "Mine" {
                        param.flags.known = Known::Cwmp;
                    }
                });
            }
            _ => {}
        }
    }
    Model::new(objects, &[], &[]).unwrap()
}

fn dhcp() -> Source {
    let pool = |options: &[(&str, &str)], leases: &[&str]| {
        let lease = |address: &&str| Tree::map([("address", Tree::from(*address))]);
        let texts = options.iter().map(|(option, value)| (*option, Tree::from(*value)));
        let leases = ("leases", Tree::List(leases.iter().map(lease).collect()));
        Tree::map([(".type", Tree::from("dhcp"))].into_iter().chain(texts).chain([leases]))
    };
    let lan = [
        ("name", "lan \"1\" 100%"),
        ("enable", "1"),
        ("speed", "5"),
        ("other", "guest"),
        ("since", "2026-01-01T00:00:00Z"),
        ("secret", "s3"),
        ("tags", "a,b"),
        ("others", "Device.X_ACME_Pool.2,Device.X_ACME_Pool.9,Device.X_ACME_Pool.3"),
    ];
    let guest = [("name", "guest"), ("enable", "0"), ("speed", "10"), ("tags", "b")];
    let iot = [("name", "iot"), ("enable", "1"), ("speed", "20"), ("other", "lan")];
    Source::ready(Tree::map([
        ("lan", pool(&lan, &["192.0.2.1", "192.0.2.2"])),
        ("guest", pool(&guest, &["192.0.2.9"])),
        ("iot", pool(&iot, &[])),
    ]))
}

/// Runs a handler as the agent does: sources are supplied as it asks for them. Says what it asked for in each round.
pub fn asked(handler: impl Fn(&View<'_>) -> Result<Answer, Stop>) -> (Result<RespType, Halt>, Vec<String>) {
    let (model, mut snapshot, instances) = (model(), Snapshot::default(), RefCell::new(Instances::default()));
    snapshot.audience = Audience::Usp;
    let mut rounds = Vec::new();
    loop {
        match attempt(&model, &mut snapshot, &instances, &handler) {
            Err(Halt::Need(keys)) => {
                rounds.push(keys.iter().map(|key| &**key).collect::<Vec<_>>().join(" "));
                for key in keys {
                    let source = match &*key {
                        "uci:dhcp" => dhcp(),
                        "ubus:acme stats" => Source::Failed("no answer".into()),
                        other => panic!("{other}"),
                    };
                    snapshot.supply(&key, source);
                }
            }
            Err(refused) => return (Err(refused), rounds),
            Ok(answer) => {
                let Ok(Said::Response(response)) = read(&answer.into_msg("1")).map(|m| m.said) else {
                    panic!("no response")
                };
                return (Ok(response), rounds);
            }
        }
    }
}

/// Rights of one role with a rule per entry: targets and what is given of parameters, objects, rows and commands.
pub fn rights(rules: &[(&str, &str)]) -> Rights {
    let rule = |(order, (targets, letters)): (usize, &(&str, &str))| {
        let each: Vec<Rwxn> = letters.split(' ').map(|l| Rwxn::parse(l).unwrap()).collect();
        let grant = match each.as_slice() {
            [all] => Grant::each(*all),
            [param, object, instance, command] => {
                Grant { param: *param, object: *object, instance: *instance, command: *command }
            }
            other => panic!("{other:?}"),
        };
        let targets = targets.split(',').map(|text| target(text).unwrap()).collect();
        Rule { order: u32::try_from(order).unwrap(), targets, grant }
    };
    Rights::of(vec![Role { rules: rules.iter().enumerate().map(rule).collect(), secured: false }])
}
