//! A plain model of roles: what a controller may do, by comparing texts with a list of all there is; and roles by chance.
#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing)]

use super::controller::SETTINGS;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// The secured parameters there.
pub const SECURED: [&str; 2] = ["KeyPassphrase", "SAEPassphrase"];

/// What rules are about.
pub const TARGETS: [&str; 22] = [
    "Device.",
    "Device",
    "Device.WiFi.",
    "Device.WiFi.SSID",
    "Device.WiFi.SSID.",
    "Device.WiFi.SSID.1.",
    "Device.WiFi.SSID.2",
    "Device.WiFi.SSID.*.",
    "Device.WiFi.SSID.*.SSID",
    "Device.WiFi.SSID.2.Enable",
    "Device.WiFi.SSID.[Enable==true].",
    "Device.WiFi.SSID.[Alias==\"cpe-1\"].Enable",
    "Device.WiFi.SSID.*.Stats.",
    "Device.WiFi.SSID.*.Stats.Reset()",
    "Device.WiFi.AccessPoint.",
    "Device.WiFi.AccessPoint.*.Security.KeyPassphrase",
    "Device.WiFi.AccessPoint.[Enable==true].Security.",
    "Device.DHCPv4.",
    "Device.DHCPv4.Server.Pool.1.",
    "Device.DHCPv4.Server.Pool.*.StaticAddress.",
    "Device.DHCPv4.Server.Pool.*.StaticAddress.[Enable==true].",
    "Device.DHCPv4.Server.Pool.[Enable==true].StaticAddress.*.Yiaddr",
];

/// Of which kind an element is, by its place in the letters of a rule.
#[derive(Clone, Copy)]
pub enum Kind {
    Param,
    Object,
    Row,
    Command,
}

#[derive(Clone, Debug)]
pub struct Rule {
    pub enable: bool,
    pub targets: Vec<usize>,
    /// For each [`Kind`] which of `rwxn`.
    pub letters: [u8; 4],
}

#[derive(Clone, Debug)]
pub struct Role {
    pub enable: bool,
    pub secured: bool,
    /// By their order, which is not that of the file.
    pub rules: Vec<Rule>,
}

/// All there is, as it reads for who may do everything.
pub struct World {
    pub params: BTreeMap<String, String>,
    /// Objects, rows and tables, with their dots.
    pub objects: BTreeSet<String>,
    /// What tells each row apart.
    pub keys: BTreeMap<String, BTreeMap<String, String>>,
    pub roles: Vec<Role>,
    /// What each of [`TARGETS`] stands for.
    pub targets: Vec<Vec<String>>,
}

pub fn parent(path: &str) -> &str {
    let bare = path.trim_end_matches('.');
    &bare[..bare.rfind('.').unwrap() + 1]
}

pub fn is_row(path: &str) -> bool {
    path.trim_end_matches('.').ends_with(|c: char| c.is_ascii_digit())
}

impl World {
    /// The rows of a table that a step means: a number, `*`, or `[P=="v"]`; those it may not read mean none.
    pub fn meant(&self, table: &str, step: &str, may: &dyn Fn(&str) -> bool) -> Vec<String> {
        let rows = self.objects.iter().filter(|path| is_row(path) && parent(path) == table);
        rows.filter(|row| match step.strip_prefix('[') {
            None => step == "*" || **row == format!("{table}{step}."),
            Some(search) => {
                let (name, value) = search.trim_end_matches(']').split_once("==").unwrap();
                let param = format!("{row}{name}");
                may(&param) && self.params.get(&param).is_some_and(|found| found == value.trim_matches('"'))
            }
        })
        .cloned()
        .collect()
    }

    /// The paths that one with `*` and searches stands for.
    pub fn expanded(&self, path: &str, may: &dyn Fn(&str) -> bool) -> Vec<String> {
        let mut found = vec![String::new()];
        let mut rest = path;
        while !rest.is_empty() {
            let end = match rest.strip_prefix('[') {
                Some(search) => search.find(']').unwrap() + 2,
                None => rest.find('.').unwrap_or(rest.len()),
            };
            let (step, after) = rest.split_at(end);
            let dot = &after[..after.len().min(1)];
            found = match step.starts_with(['*', '[']) {
                true => found.iter().flat_map(|table| self.meant(table, step, may)).collect(),
                false => found.iter().map(|path| format!("{path}{step}{dot}")).collect(),
            };
            rest = &after[dot.len()..];
        }
        found
    }

    /// Whether a target stands for the element or something it is in.
    pub fn covers(&self, target: usize, path: &str) -> bool {
        self.targets[target].iter().any(|target| {
            let rest = path.strip_prefix(target.trim_end_matches('.'));
            rest.is_some_and(|rest| rest.starts_with('.')) || path == target
        })
    }

    /// Whether a letter is given on an element by any of the roles.
    pub fn has(&self, kind: Kind, letter: char, path: &str) -> bool {
        self.roles.iter().filter(|role| role.enable).any(|role| {
            let mut covering = role
                .rules
                .iter()
                .filter(|rule| rule.enable && rule.targets.iter().any(|at| self.covers(*at, path)));
            covering.next_back().is_some_and(|rule| letters(rule.letters[kind as usize]).contains(letter))
        })
    }

    pub fn reads(&self, param: &str) -> bool {
        self.has(Kind::Param, 'r', param)
    }

    pub fn sees(&self, object: &str) -> bool {
        self.has(Kind::Object, 'r', object)
    }

    pub fn shown(&self, param: &str) -> String {
        let secured = self.roles.iter().any(|role| role.enable && role.secured);
        if SECURED.iter().any(|name| param.ends_with(name)) && !secured {
            String::new()
        } else {
            self.params[param].clone()
        }
    }

    pub fn below<'a>(&'a self, object: &'a str) -> impl Iterator<Item = &'a String> {
        self.objects.iter().filter(move |path| path.starts_with(object))
    }

    /// Whether nothing of a row may be seen, nor done to it.
    pub fn hides(&self, row: &str) -> bool {
        let params = self.params.keys().filter(|path| path.starts_with(row));
        !self.below(row).any(|path| self.sees(path) || self.has(Kind::Row, 'r', path))
            && !params.into_iter().any(|path| self.reads(path))
            && !["r", "x"].iter().any(|letter| {
                self.has(Kind::Command, letter.chars().next().unwrap(), &format!("{row}Stats.Reset()"))
            })
    }

    /// What a Get of an object, or of several, gives.
    pub fn values(&self, objects: &[String]) -> Option<BTreeMap<String, String>> {
        let under = |path: &str| objects.iter().any(|object| path.starts_with(object.as_str()));
        let params =
            self.params.keys().filter(|path| under(path) && self.sees(parent(path)) && self.reads(path));
        let found = params.map(|path| (path.clone(), self.shown(path))).collect();
        self.objects.iter().any(|path| under(path) && self.sees(path)).then_some(found)
    }
}

pub fn letters(set: u8) -> String {
    "rwxn".chars().enumerate().map(|(at, letter)| if set >> at & 1 == 1 { letter } else { '-' }).collect()
}

pub fn settings(roles: &[Role]) -> String {
    let mut text = SETTINGS.to_string();
    let assigned: String = (0..roles.len()).map(|at| format!("\n\tlist role 'r{at}'")).collect();
    text =
        text.replace("option endpoint_id 'self::two'", &format!("option endpoint_id 'self::two'{assigned}"));
    let secured: String = (0..roles.len())
        .filter(|at| roles[*at].secured)
        .map(|at| format!("\n\tlist secured_role 'r{at}'"))
        .collect();
    let own = "option endpoint_id 'self::agent'";
    text = text.replace(own, &format!("{own}\n\tlist secured_role 'full'{secured}"));
    for (at, role) in roles.iter().enumerate() {
        text += &format!("\nconfig role 'r{at}'\n\toption enable '{}'\n", u8::from(role.enable));
        // The order counts, not the place.
        for (order, rule) in role.rules.iter().enumerate().rev() {
            text += &format!(
                "\nconfig permission 'p{at}_{order}'\n\toption role 'r{at}'\n\toption order '{}'\n\toption enable '{}'\n",
                order * 3,
                u8::from(rule.enable)
            );
            for (kind, set) in ["param", "object", "instance", "command"].iter().zip(rule.letters) {
                text += &format!("\toption {kind} '{}'\n", letters(set));
            }
            for target in &rule.targets {
                text += &format!("\tlist target '{}'\n", TARGETS[*target]);
            }
        }
    }
    text
}

pub fn rule() -> impl Strategy<Value = Rule> {
    // Reading is given more often than not: else little is ever seen.
    let letters =
        prop::array::uniform4((0u8..16, 0u8..4).prop_map(|(set, more)| if more > 0 { set | 1 } else { set }));
    (0u8..8, prop::collection::vec(0..TARGETS.len(), 1..3), letters)
        .prop_map(|(enable, targets, letters)| Rule { enable: enable > 0, targets, letters })
}

pub fn role() -> impl Strategy<Value = Role> {
    (0u8..6, any::<bool>(), prop::collection::vec(rule(), 0..5)).prop_map(|(enable, secured, rules)| Role {
        enable: enable > 0,
        secured,
        rules,
    })
}
