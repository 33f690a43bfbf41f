//! Writes legal values to a parameter until two are taken that make a difference to what is stored.
//!
//! The planner refuses what would not read back; here it is seen that what it takes is kept.

use cpeagent::dm::edit::Edit;
use cpeagent::dm::line::Pipe;
use cpeagent::dm::schema::{How, Model, Param, Write};
use cpeagent::dm::value::{Syntax, Type};
use cpeagent::dm::write::{NoPlan, Plan, Planner, Policy, Wish};
use cpeagent::io::disk::sim::SimDisk;
use cpeagent::io::privileged::rules;
use std::collections::BTreeSet;

use crate::router::Router;

/// Most rows of a table in which a parameter is tried.
const ROWS: usize = 12;

/// Names beside the parameter, with their values.
type Companions = &'static [(&'static str, &'static str)];

/// Parameters that take a value only with others set in the same request: of a new row where the flag is true.
const TOGETHER: &[(&str, bool, Companions)] = &[
    ("Device.Bridging.Bridge.{i}.Standard", true, &[]),
    ("Device.DHCPv4.Client.{i}.ReqOption.{i}.Order", true, &[("Tag", "42")]),
    ("Device.Ethernet.VLANTermination.{i}.TPID", true, &[]),
    ("Device.Firewall.Chain.{i}.Rule.{i}.DestIPExclude", true, &[("DestIP", "192.0.2.1")]),
    ("Device.Firewall.Chain.{i}.Rule.{i}.SourceIPExclude", true, &[("SourceIP", "192.0.2.1")]),
    ("Device.Firewall.Chain.{i}.Rule.{i}.SourceMACExclude", true, &[("SourceMAC", "02:00:00:00:00:01")]),
    ("Device.Firewall.Chain.{i}.Rule.{i}.DestPortExclude", true, &[("Protocol", "6"), ("DestPort", "10")]),
    (
        "Device.Firewall.Chain.{i}.Rule.{i}.SourcePortExclude",
        true,
        &[("Protocol", "6"), ("SourcePort", "10")],
    ),
    (
        "Device.Firewall.Chain.{i}.Rule.{i}.SourcePortRangeMax",
        true,
        &[("Protocol", "6"), ("SourcePort", "10")],
    ),
    ("Device.Firewall.Chain.{i}.Rule.{i}.DSCPExclude", true, &[("DSCP", "10")]),
    ("Device.Firewall.Pinhole.{i}.IPVersion", true, &[]),
    ("Device.Firewall.Pinhole.{i}.SourcePortRangeMax", true, &[("Protocol", "6"), ("SourcePort", "10")]),
    ("Device.IP.Interface.{i}.IPv6Address.{i}.Enable", true, &[("IPAddress", "2001:db8::7")]),
    ("Device.IP.Interface.{i}.IPv6Address.{i}.IPAddress", true, &[("Enable", "true")]),
    ("Device.IP.Interface.{i}.IPv6Prefix.{i}.Enable", true, &[("Prefix", "2001:db8:7::/48")]),
    ("Device.IP.Interface.{i}.IPv6Prefix.{i}.Prefix", true, &[("Enable", "true")]),
    ("Device.Routing.Router.{i}.Enable", true, &[]),
    ("Device.Users.Role.{i}.RoleName", true, &[]),
    ("Device.Users.User.{i}.Username", true, &[]),
    ("Device.Users.User.{i}.UserID", true, &[]),
    ("Device.Users.User.{i}.Password", true, &[]),
    ("Device.Users.User.{i}.RoleParticipation", true, &[]),
    ("Device.Users.Role.{i}.Enable", true, &[("RoleName", "truth-role")]),
    ("Device.Users.User.{i}.Enable", true, &[("Username", "truth-user"), ("Password", "truthpass1")]),
    ("Device.WiFi.AccessPoint.{i}.Accounting.Enable", false, &[("ServerIPAddr", "192.0.2.1")]),
    ("Device.WiFi.AccessPoint.{i}.Accounting.SecondaryServerIPAddr", false, &[("ServerIPAddr", "192.0.2.1")]),
    ("Device.LocalAgent.Subscription.{i}.ReferenceList", true, &[]),
    ("Device.WiFi.EndPoint.{i}.Profile.{i}.Security.ModeEnabled", false, &[("KeyPassphrase", "truthpass1")]),
    (
        "Device.WiFi.EndPoint.{i}.Profile.{i}.Security.SAEPassphrase",
        false,
        &[("ModeEnabled", "WPA3-Personal")],
    ),
    ("Device.WiFi.AccessPoint.{i}.Security.ModeEnabled", false, &[("KeyPassphrase", "truthpass1")]),
    (
        "Device.WiFi.AccessPoint.{i}.Security.SecondaryRadiusServerIPAddr",
        false,
        &[("RadiusServerIPAddr", "192.0.2.1")],
    ),
    ("Device.WiFi.AccessPoint.{i}.WPS.ConfigMethodsEnabled", false, &[("PIN", "12345670")]),
    (
        "Device.WiFi.AccessPoint.{i}.WPS.ConfigMethodsEnabled",
        false,
        &[("Enable", "true"), ("PIN", "12345670")],
    ),
];

const NUMBERS: &[&str] = &[
    "-1", "0", "1", "2", "3", "6", "10", "20", "30", "36", "44", "60", "64", "100", "128", "200", "443",
    "600", "1000", "1280", "1400", "2000", "4096", "8080", "33024", "34984", "86400",
];

const TEXTS: &[&str] = &[
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
    "12345670",
    "00000000",
    "truth-alias",
    "WPA-WPA2-Personal",
    "WPA3-Personal",
    "Device.Time.CurrentLocalTime",
    "Device.IP.ULAPrefix",
];

const HEX: &[&str] = &[
    "0102",
    "ABCDEF",
    "C0000201",
    "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF",
    "FEDCBA9876543210FEDCBA9876543210FEDCBA9876543210FEDCBA9876543210",
];

/// Legal values to write: those seen in the table first, then those of the type, and what it refers to.
fn legal(router: &Router, schema: &str, param: &Param) -> Vec<String> {
    let syntax: &Syntax = &param.syntax;
    let seen = || router.params.get(schema).into_iter().flat_map(|values| values.values());
    let mut out: Vec<String> = seen().cloned().collect();
    if syntax.lists > 0 {
        // A list without its first item, and the items by themselves.
        let lists: Vec<String> = out.clone();
        for list in lists {
            out.extend(list.split_once(',').map(|(_, rest)| rest.to_string()));
            out.extend(list.split(',').map(String::from));
        }
    }
    out.extend(syntax.limits.choices.iter().filter(|c| !c.read_only).map(|c| c.text.to_string()));
    match syntax.base {
        Type::Boolean => out.extend(["true".into(), "false".into()]),
        Type::Int | Type::UnsignedInt | Type::Long | Type::UnsignedLong | Type::Decimal => {
            out.extend(NUMBERS.iter().map(|text| text.to_string()));
        }
        Type::DateTime => out.extend(["2026-01-01T00:00:00Z".into(), "2027-02-03T04:05:06Z".into()]),
        Type::HexBinary => out.extend(HEX.iter().map(|text| text.to_string())),
        Type::Base64 => out.extend(["AAEC".into(), "AQID".into()]),
        Type::String => {
            // Every row of the tables that it refers to, by line or by example.
            let mut tables: BTreeSet<String> = BTreeSet::new();
            for value in seen().flat_map(|value| value.split(',')) {
                if value.starts_with("Device.") {
                    tables.extend(value.rsplit_once('.').map(|(table, _)| table.to_string()));
                }
            }
            let lines = [
                if let How::Line(line) = &param.read { Some(*line) } else { None },
                if let Write::Stored(line) = &param.write { Some(*line) } else { None },
            ];
            for pipe in lines.into_iter().flatten().flat_map(|line| line.pipes) {
                if let Pipe::Ref(named) = pipe {
                    tables.extend(named.split('|').map(String::from));
                }
            }
            let word = schema.rsplit('.').next().unwrap_or(schema);
            if word.contains("Interface") {
                tables.insert("Device.IP.Interface".into());
            }
            if word == "Router" {
                tables.insert("Device.Routing.Router".into());
            }
            if word == "LowerLayers" {
                let all = ["Device.IP.Interface", "Device.Ethernet.Interface", "Device.Ethernet.Link"];
                let more = ["Device.Bridging.Bridge.{i}.Port", "Device.WiFi.SSID", "Device.WiFi.Radio"];
                let last = ["Device.PPP.Interface", "Device.Ethernet.VLANTermination"];
                tables.extend(all.into_iter().chain(more).chain(last).map(String::from));
            }
            for table in tables {
                let below = format!("{}.{{i}}.Alias", crate::schema_of(&table));
                let rows = router.params.get(&below).into_iter().flat_map(|values| values.keys());
                out.extend(rows.filter_map(|path| path.strip_suffix(".Alias")).map(String::from));
            }
            if syntax.limits.choices.is_empty() {
                out.extend(TEXTS.iter().map(|text| text.to_string()));
            }
        }
    }
    if let (How::Line(line), Write::Same) | (_, Write::Stored(line)) = (&param.read, &param.write) {
        for pipe in line.pipes {
            if let Pipe::Map(pairs) = pipe {
                out.extend(pairs.iter().map(|(_, to)| to.to_string()));
            }
        }
    }
    let mut seen = BTreeSet::new();
    out.retain(|text| syntax.canonical(text).is_ok_and(|canonical| seen.insert(canonical)));
    out
}

/// Plans wishes, after a row was added to `table` if there is one: their paths begin below it.
fn plan(
    model: &Model,
    router: &Router,
    table: Option<&str>,
    wishes: &[(String, String)],
) -> Result<Plan, String> {
    let policy = Policy { keep_secret_on_empty: true };
    let mut snapshot = router.full.clone();
    loop {
        let mut planner = Planner::new(model, &snapshot, &router.instances, policy);
        let row = match table {
            Some(table) => planner.add(table).map(|number| format!("{table}{number}.")),
            None => Ok(String::new()),
        };
        let done = row.and_then(|row| {
            let wishes: Vec<Wish> = wishes
                .iter()
                .map(|(path, value)| Wish { path: format!("{row}{path}"), value: value.clone(), said: None })
                .collect();
            planner.set(&wishes)
        });
        match done {
            Ok(()) => {
                let plan = planner.finish();
                let edits: Vec<Edit> =
                    plan.edits.iter().filter(|edit| edit.source.starts_with("uci:")).cloned().collect();
                let packages = rules::packages(&SimDisk::with([]));
                return match rules::judge(&edits, &packages) {
                    Ok(()) => Ok(plan),
                    Err(why) => Err(format!("the root part would not do it: {why}")),
                };
            }
            Err(NoPlan::Refused(why)) => return Err(format!("{why:?}")),
            Err(NoPlan::Wait) => {
                let wanted = planner.wanted();
                assert!(!wanted.is_empty(), "{wishes:?} waits for nothing");
                wanted.iter().for_each(|key| router.supply(&mut snapshot, key));
            }
        }
    }
}

/// The tables, by the rows above, that a row with the parameter could be added to.
fn tables(router: &Router, schema: &str) -> Vec<String> {
    let Some(table) = schema.rsplit_once('.').and_then(|(row, _)| row.strip_suffix(".{i}")) else {
        return Vec::new();
    };
    let Some((above, name)) = table.rsplit_once(".{i}.") else { return vec![format!("{table}.")] };
    let rows =
        router.params.get(&format!("{above}.{{i}}.Alias")).into_iter().flat_map(|values| values.keys());
    rows.filter_map(|path| path.strip_suffix("Alias")).map(|row| format!("{row}{name}.")).collect()
}

/// Whether a parameter takes two different values on this router; the last refusal if it does not.
pub fn takes_two(model: &Model, router: &Router, schema: &str, param: &Param) -> Result<(), String> {
    let texts = legal(router, schema, param);
    let mut refusal = String::from("no legal value comes to mind");
    let values = router.params.get(schema);
    for (path, now) in values.into_iter().flatten().take(ROWS) {
        let mut taken = BTreeSet::new();
        for text in &texts {
            let canonical = param.syntax.canonical(text).unwrap();
            match plan(model, router, None, &[(path.clone(), text.clone())]) {
                Err(why) => refusal = format!("{path} = {text:?}: {why}"),
                Ok(plan) => {
                    let changes =
                        !plan.edits.is_empty() || plan.instances.is_some() || !plan.calls.is_empty();
                    // Writing what is there already changes nothing, and is a value it takes.
                    let same = *now == canonical || param.flags.is_secret() || param.flags.command;
                    assert!(changes || same, "{path} accepts {text:?}, reads {now:?}, and nothing is stored");
                    taken.insert(canonical);
                }
            }
            if taken.len() >= 2 {
                return Ok(());
            }
        }
    }
    let name = schema.rsplit('.').next().unwrap_or(schema);
    let mut together: Vec<(bool, Companions)> = TOGETHER
        .iter()
        .filter(|(known, ..)| *known == schema)
        .map(|(_, added, with)| (*added, *with))
        .collect();
    if values.is_none() {
        together.push((true, &[]));
    }
    for (added, with) in together {
        let places: Vec<(Option<String>, String)> = match added {
            true => tables(router, schema).into_iter().map(|table| (Some(table), String::new())).collect(),
            false => {
                let paths = values.into_iter().flatten().map(|(path, _)| path);
                paths.filter_map(|path| Some((None, path.strip_suffix(name)?.to_string()))).collect()
            }
        };
        for (table, row) in places.iter().take(ROWS) {
            let mut kept: BTreeSet<String> = BTreeSet::new();
            for text in &texts {
                let wish = |name: &str, value: &str| (format!("{row}{name}"), value.to_string());
                let mut wishes: Vec<(String, String)> =
                    with.iter().map(|(name, value)| wish(name, value)).collect();
                wishes.push(wish(name, text));
                match plan(model, router, table.as_deref(), &wishes) {
                    // What is stored must tell the one value from the other.
                    Ok(plan) => drop(kept.insert(format!("{:?} {:?}", plan.edits, plan.instances))),
                    Err(why) => refusal = format!("{table:?} {wishes:?}: {why}"),
                }
                if kept.len() >= 2 {
                    return Ok(());
                }
            }
        }
    }
    Err(refusal)
}
