//! Device.Firewall.: which sections are rows of which table, and what a row as a whole says.
//!
//! A `config rule` is a row of the one chain, and of Service or Pinhole too where it has their form. What its packets
//! are matched by is [`matches`]'s.

mod matches;

pub use super::nat::{redirect_status, set_destination};
pub use matches::*;

use super::nat::{add_redirect, boolean, is_dmz, is_dnat, logs};
use super::zones::{self, FIREWALL, is_true, words, zones};
use crate::dm::error::Refusal;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, View};
use crate::dm::write::Draft;
use std::borrow::Cow;

/// The options that tell an anonymous rule from others.
const CONTENT: &[&str] = &["name", "src", "dest", "proto", "src_ip", "dest_ip", "dest_port", "family"];
/// The rows of every table: `levels`, `chains`, `rules`, `services`, `pinholes`, `dmz`.
pub fn firewall(view: &View<'_>) -> Result<Tree, Stop> {
    let entry = |name: &str, tree: &Tree, order: usize| {
        let origin =
            if [PINHOLE, DMZ].iter().any(|added| name.starts_with(added)) { "Controller" } else { "User" };
        let key = zones::content(tree, CONTENT);
        let fields = [("key", key), ("order", order.to_string()), ("origin", origin.to_string())];
        (name.to_string(), zones::bind(name, fields))
    };
    let mut levels = Vec::new();
    if let Some((name, _)) = view.sections(FIREWALL, "defaults")?.first() {
        levels.push(("defaults".to_string(), zones::bind(name, [])));
    }
    let (mut rules, mut services, mut pinholes, mut dmz) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (name, tree) in view.sections(FIREWALL, "rule")? {
        let row = entry(name, tree, rules.len() + 1);
        if is_service(name, tree) {
            services.push(row.clone());
        }
        if is_pinhole(name, tree) {
            pinholes.push(row.clone());
        }
        rules.push(row);
    }
    for (name, tree) in view.sections(FIREWALL, "forwarding")? {
        rules.push(entry(name, tree, rules.len() + 1));
    }
    for (name, tree) in view.sections(FIREWALL, "redirect")? {
        if is_dnat(tree) && is_dmz(tree) {
            dmz.push(entry(name, tree, dmz.len() + 1));
        }
    }
    let chains = Tree::map([("rules", Tree::Map(Vec::new()))]);
    Ok(Tree::map([
        ("levels", Tree::map(levels)),
        ("chains", chains),
        ("rules", Tree::map(rules)),
        ("services", Tree::map(services)),
        ("pinholes", Tree::map(pinholes)),
        ("dmz", Tree::map(dmz)),
    ]))
}

/// Whether a rule is for the router itself and can be said in lists of single ports.
fn is_service(name: &str, rule: &Tree) -> bool {
    let ports = words(rule.get("dest_port"));
    name.starts_with(SERVICE)
        || rule.get("dest").is_none()
            && rule.get("src").is_some()
            && ports.iter().all(|port| port.parse::<u16>().is_ok())
            && words(rule.get("icmp_type")).len() < 2
            && words(rule.get("src_ip")).iter().all(|address| !address.starts_with('!'))
            && matches!(verdict(rule), "ACCEPT" | "DROP" | "REJECT")
}

/// Whether a rule lets IPv6 through to one host.
fn is_pinhole(name: &str, rule: &Tree) -> bool {
    name.starts_with(PINHOLE)
        || zones::is_ipv6(rule)
            && rule.get("src").is_some()
            && rule.get("dest").is_some()
            && words(rule.get("dest_ip")).len() == 1
            && words(rule.get("dest_port")).len() < 2
            && verdict(rule) == "ACCEPT"
}

/// What names of services begin with that a manager added.
const SERVICE: &str = "cpe_service_";
/// What names of pinholes begin with that a manager added.
const PINHOLE: &str = "cpe_pinhole_";

/// What names of DMZ redirects begin with that a manager added.
const DMZ: &str = "cpe_dmz_";

/// `Firewall.Enable`: whether the firewall was started.
pub fn firewall_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(Some(boolean(at.tree("ubus:service list")?.is_some_and(|list| list.get("firewall").is_some()))))
}

/// `Firewall.Version`: when its settings were last changed, in seconds since 1970.
pub fn firewall_version<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(at.tree("stat:/etc/config/firewall")?.and_then(|stat| stat.str("modified")).map(Cow::Borrowed))
}

/// `Firewall.LastChange`.
pub fn last_change<'s>(at: &At<'_, 's>) -> Value<'s> {
    let seconds = firewall_version(at)?.and_then(|text| text.parse().ok());
    Ok(seconds.map(|seconds| Cow::Owned(crate::time::Wall::at(seconds).to_string())))
}

/// `Config` has one value: the plan's check refuses another.
pub fn config(_: &At<'_, '_>, _: &str, _: &mut Draft) -> Result<(), Stop> {
    Ok(())
}

/// `AdvancedLevel`: the only level.
pub fn advanced_level<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(at.view.path_of("Device.Firewall.Level", "defaults")?.map(Cow::Owned))
}

/// Takes the level there is.
pub fn set_advanced_level(at: &At<'_, '_>, value: &str, _: &mut Draft) -> Result<(), Stop> {
    at.referred("Device.Firewall.Level", value).map(drop)
}

/// `DefaultLogPolicy`: whether every zone that masquerades logs what it refuses (bit 0 of `log`).
pub fn default_log<'s>(at: &At<'_, 's>) -> Value<'s> {
    let all = zones(at.view)?;
    let mut upstream = all.iter().filter(|zone| zone.masquerades()).peekable();
    Ok(Some(boolean(upstream.peek().is_some() && upstream.all(|zone| log_bits(zone.tree) & 1 == 1))))
}

/// Switches bit 0 of `log` of those zones.
pub fn set_default_log(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    for zone in zones(at.view)?.iter().filter(|zone| zone.masquerades()) {
        let bits = if value == "true" { log_bits(zone.tree) | 1 } else { log_bits(zone.tree) & !1 };
        if bits != log_bits(zone.tree) {
            let text = if bits == 0 { String::new() } else { bits.to_string() };
            draft.set_text(FIREWALL, zone.section, "log", &text)?;
        }
    }
    Ok(())
}

/// A zone's `log`: a number of bits, or a boolean.
fn log_bits(zone: &Tree) -> u8 {
    let log = zone.str("log").unwrap_or_default();
    log.parse().unwrap_or(u8::from(is_true(log)))
}

/// `Enable` of a rule or redirect.
pub fn rule_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(Some(boolean(at.opt("enabled").is_none_or(is_true))))
}

/// Switches it.
pub fn set_rule_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if rule_enable(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    draft.set_text(FIREWALL, rule(at)?, "enabled", if value == "true" { "1" } else { "0" })
}

/// `Status` of a rule: misconfigured where it names a zone that is not there, or none.
pub fn rule_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    if !at.opt("enabled").is_none_or(is_true) {
        return Ok(Some(Cow::Borrowed("Disabled")));
    }
    for option in ["src", "dest"] {
        let Some(name) = at.opt(option).filter(|name| *name != "*") else { continue };
        if zones::zone(at.view, name)?.is_none() {
            return Ok(Some(Cow::Borrowed("Error_Misconfigured")));
        }
    }
    Ok(Some(Cow::Borrowed("Enabled")))
}

/// `Status` of a DMZ.
pub fn dmz_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    // The standard has no word here for a zone that is down: its redirect is in force all the same.
    Ok(Some(Cow::Borrowed(match redirect_status(at)? {
        "Inactive" => "Enabled",
        other => other,
    })))
}

/// `Order`: its place in the chain, counted from 1.
pub fn order<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(at.field("order").map(Cow::Borrowed))
}

/// Moves a rule to another place; the rules between move by one.
pub fn set_order(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let name = rule(at)?;
    let entries = at.tree(FIREWALL)?.map_or(&[][..], Tree::entries);
    let places: Vec<usize> = (0..entries.len())
        .filter(|at| entries.get(*at).is_some_and(|(_, tree)| tree.str(".type") == Some("rule")))
        .collect();
    let from = entries.iter().position(|(known, _)| &**known == name);
    let to = value.parse::<usize>().ok().and_then(|order| places.get(order.checked_sub(1)?));
    match (from, to) {
        (Some(from), Some(to)) => zones::move_to(name, from, *to, draft),
        _ => Err(Refusal::OutOfRange { allowed: format!("1 to {}", places.len()) }.into()),
    }
}

/// The section of a rule or redirect; a forwarding between zones can only be read.
fn rule<'a>(at: &At<'a, '_>) -> Result<&'a str, Stop> {
    let name = zones::section(at)?;
    match at.opt(".type") {
        Some("forwarding") => Err(Refusal::NotWritable.into()),
        Some(_) | None => Ok(name),
    }
}

/// Deletes a rule.
pub fn delete_rule(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let name = rule(at).map_err(|_| Refusal::NotDeletable)?;
    draft.remove(FIREWALL, name)
}

/// `Description`: the name.
pub fn rule_description<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(at.opt("name").map(Cow::Borrowed))
}

/// Names a rule.
pub fn set_rule_description(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    draft.set_text(FIREWALL, rule(at)?, "name", value)
}

/// `Log`: a boolean, or a text that is the prefix of what is logged.
pub fn rule_log<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(Some(boolean(logs(at))))
}

/// Switches logging; a prefix that is there stays.
pub fn set_rule_log(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if rule_log(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    draft.set_text(FIREWALL, rule(at)?, "log", if value == "true" { "1" } else { "" })
}

/// Adds a rule for the router itself, from the first zone that masquerades, disabled.
pub fn add_service(at: &At<'_, '_>, number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let (src, _) = ends(at)?;
    add_rule(&format!("{SERVICE}{number}"), &[("src", &src), ("proto", "all"), ("target", "ACCEPT")], draft)
}

/// Adds a rule for IPv6 from the first zone that masquerades to the LAN, disabled.
pub fn add_pinhole(at: &At<'_, '_>, number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let (src, dest) = ends(at)?;
    let options =
        [("src", &*src), ("dest", &dest), ("family", "ipv6"), ("proto", "all"), ("target", "ACCEPT")];
    add_rule(&format!("{PINHOLE}{number}"), &options, draft)
}

/// Adds a redirect of everything, disabled.
pub fn add_dmz(at: &At<'_, '_>, number: u32, draft: &mut Draft) -> Result<(), Stop> {
    add_redirect(at, &format!("{DMZ}{number}"), "all", draft).map(drop)
}

/// The zone outside and the one inside.
fn ends(at: &At<'_, '_>) -> Result<(String, String), Stop> {
    let all = zones(at.view)?;
    let src = all.iter().find(|zone| zone.masquerades()).map_or("wan", |zone| zone.name);
    let dest =
        all.iter().find(|zone| zone.name == "lan").or_else(|| all.iter().find(|zone| zone.name != src));
    Ok((src.to_string(), dest.map_or("lan", |zone| zone.name).to_string()))
}

fn add_rule(name: &str, options: &[(&str, &str)], draft: &mut Draft) -> Result<(), Stop> {
    let mut name = name.to_string();
    while draft.tree(FIREWALL)?.is_some_and(|package| package.get(&name).is_some()) {
        name.push('x');
    }
    draft.add(FIREWALL, &name, "rule")?;
    for (option, text) in options.iter().chain(&[("enabled", "0")]) {
        draft.set_text(FIREWALL, &name, option, text)?;
    }
    Ok(())
}
