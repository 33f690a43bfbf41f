//! What a person is told about a planned change of a package, in the words of `uci`.
//!
//! Owns the wording. Does not plan, apply or hide anything by itself: the caller says which options are secrets
//! (see [`super::secrets`]). Driven by `set --plan` and by logs of what was committed.

use crate::sorted::Map;
use std::fmt::Write;

use crate::dm::tree::Tree;

use super::secrets::MASK;
use super::tree::{ANONYMOUS, TYPE};

/// The difference of two packages called `name`, a line for each change; empty if there is none.
///
/// Give the tree after the edits as `dm::edit::Edit::apply` leaves it, where anonymous sections still have the
/// names of the reading before. An anonymous section that got a name is recognised by its type. Anonymous ones
/// show as `@type[i]`, by their place before the change. `secret` is asked with an option's name; the value of a
/// secret shows as `***`. Control characters in values are written as escapes.
///
/// ```text
/// network.lan.proto: 'static' -> 'dhcp'
/// + network.lan.mtu='1400'
/// - network.lan.gateway='192.0.2.1'
/// + firewall.cpe_x=redirect
/// network.@route[0] -> network.r1
/// firewall.cpe_x: place 4 -> 0
/// ```
pub fn diff(name: &str, before: &Tree, after: &Tree, secret: impl Fn(&str) -> bool) -> String {
    let mut out = Diff { package: name, out: String::new(), secret: &secret };
    let (old, new) = (Side::of(before), Side::of(after));
    let pairs = old.pair(&new);
    let kept: Vec<usize> = pairs.iter().flatten().copied().collect();
    for (at, (key, section)) in old.sections.iter().enumerate() {
        if !kept.contains(&at) {
            out.section('-', old.labels.get(at).map_or(key, |label| label), section);
        }
    }
    let moved = moved(&kept);
    for ((at, (key, section)), pair) in new.sections.iter().enumerate().zip(&pairs) {
        let Some((from, (was_key, was))) = pair.and_then(|from| Some((from, old.sections.get(from)?))) else {
            out.section('+', key, section);
            continue;
        };
        let mut label = old.labels.get(from).cloned().unwrap_or_default();
        if was_key != key {
            out.line(format_args!("{name}.{label} -> {name}.{key}"));
            label = key.to_string();
        }
        if moved.contains(&from) {
            out.line(format_args!("{name}.{label}: place {from} -> {at}"));
        }
        out.options(&label, was, section);
    }
    out.out
}

/// A package's sections and what to call each.
struct Side<'a> {
    sections: &'a [(Box<str>, Tree)],
    labels: Vec<String>,
}

impl<'a> Side<'a> {
    fn of(tree: &'a Tree) -> Side<'a> {
        let mut seen: Map<&str, usize> = Map::new();
        let label = |(key, section): &'a (Box<str>, Tree)| {
            let kind = section.str(TYPE).unwrap_or_default();
            let nth = seen.entry(kind).or_default();
            *nth += 1;
            match section.get(ANONYMOUS) {
                Some(_) => format!("@{kind}[{}]", *nth - 1),
                None => key.to_string(),
            }
        };
        Side { sections: tree.entries(), labels: tree.entries().iter().map(label).collect() }
    }

    /// For each section of `new` the place of the one here that it was: of the same key, else an anonymous one of
    /// its type that is gone.
    fn pair(&self, new: &Side) -> Vec<Option<usize>> {
        let places: Map<&str, usize> =
            self.sections.iter().enumerate().map(|(at, (key, _))| (&**key, at)).collect();
        let mut pairs: Vec<Option<usize>> =
            new.sections.iter().map(|(key, _)| places.get(&**key).copied()).collect();
        let mut gone: Vec<usize> =
            (0..self.sections.len()).filter(|at| !pairs.contains(&Some(*at))).collect();
        for (pair, (_, section)) in pairs.iter_mut().zip(new.sections).filter(|(pair, _)| pair.is_none()) {
            let was = gone.iter().position(|at| {
                self.sections.get(*at).is_some_and(|(_, old)| {
                    old.get(ANONYMOUS).is_some() && old.str(TYPE) == section.str(TYPE)
                })
            });
            *pair = was.map(|was| gone.remove(was));
        }
        pairs
    }
}

/// The fewest of these places that must have been moved to bring the others into order.
fn moved(places: &[usize]) -> Vec<usize> {
    // The longest rising run: for each place the best run that ends there, by length and where it came from.
    let mut best: Vec<(usize, Option<usize>)> = Vec::new();
    for (at, place) in places.iter().enumerate() {
        let before = (0..at).filter(|earlier| places.get(*earlier) < Some(place));
        let from = before.max_by_key(|earlier| best.get(*earlier).map(|(length, _)| *length));
        let length = from.and_then(|from| best.get(from)).map_or(1, |(length, _)| length + 1);
        best.push((length, from));
    }
    let mut stays = Vec::new();
    let mut at = (0..best.len()).max_by_key(|at| best.get(*at).map(|(length, _)| *length));
    while let Some(place) = at.and_then(|at| places.get(at)) {
        stays.push(*place);
        at = at.and_then(|at| best.get(at)).and_then(|(_, from)| *from);
    }
    places.iter().copied().filter(|place| !stays.contains(place)).collect()
}

struct Diff<'a> {
    package: &'a str,
    out: String,
    secret: &'a dyn Fn(&str) -> bool,
}

impl Diff<'_> {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.out, "{line}");
    }

    fn section(&mut self, sign: char, label: &str, section: &Tree) {
        let package = self.package;
        self.line(format_args!("{sign} {package}.{label}={}", section.str(TYPE).unwrap_or_default()));
        for (option, value) in options(section) {
            let shown = self.shown(option, value);
            self.line(format_args!("{sign} {package}.{label}.{option}={shown}"));
        }
    }

    fn options(&mut self, label: &str, before: &Tree, after: &Tree) {
        let package = self.package;
        for (option, old) in options(before) {
            let was = self.shown(option, old);
            match after.get(option) {
                None => self.line(format_args!("- {package}.{label}.{option}={was}")),
                Some(new) if new != old => {
                    let is = self.shown(option, new);
                    self.line(format_args!("{package}.{label}.{option}: {was} -> {is}"));
                }
                Some(_) => {}
            }
        }
        for (option, new) in options(after).filter(|(option, _)| before.get(option).is_none()) {
            let is = self.shown(option, new);
            self.line(format_args!("+ {package}.{label}.{option}={is}"));
        }
    }

    fn shown(&self, option: &str, value: &Tree) -> String {
        if (self.secret)(option) {
            return MASK.to_owned();
        }
        match value {
            Tree::Text(text) => quoted(text),
            Tree::List(items) => {
                let items: Vec<String> = items.iter().filter_map(Tree::as_str).map(quoted).collect();
                items.join(" ")
            }
            Tree::Map(_) => String::new(),
        }
    }
}

fn options(section: &Tree) -> impl Iterator<Item = (&str, &Tree)> {
    section.entries().iter().map(|(name, value)| (&**name, value)).filter(|(name, _)| !name.starts_with('.'))
}

fn quoted(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\'' => out.push_str(r"'\''"),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::secrets::is_secret;
    use super::super::{Mode, parse};
    use super::*;
    use crate::dm::edit::{Change, Edit};

    const TEXT: &str = "config interface lan\n\toption proto static\n\tlist dns 192.0.2.1\n\toption password one\n\
        config route\n\toption target 198.51.100.0/24\nconfig route\n\toption metric 5\nconfig rule r\n";

    fn edited(changes: &[(&str, Change)]) -> String {
        let before = parse(TEXT.as_bytes(), Mode::Strict).unwrap().tree();
        let mut after = before.clone();
        for (section, change) in changes.iter().cloned() {
            Edit { source: "uci:network".into(), section: (*section).into(), change }
                .apply(&mut after)
                .unwrap();
        }
        diff("network", &before, &after, |option| is_secret("network", option))
    }

    fn set(option: &str, old: Option<Tree>, new: Option<Tree>) -> Change {
        Change::Set { option: option.into(), old, new }
    }

    #[test]
    fn a_plan_reads_in_the_words_of_uci() {
        let first = super::super::tree::generated_name(2, "route");
        let list = |items: &[&str]| Some(Tree::List(items.iter().map(|item| Tree::from(*item)).collect()));
        for (changes, want) in [
            (vec![], ""),
            (
                vec![("lan", set("proto", Some("static".into()), Some("dhcp".into())))],
                "network.lan.proto: 'static' -> 'dhcp'\n",
            ),
            (
                vec![
                    ("lan", set("dns", list(&["192.0.2.1"]), list(&["192.0.2.1", "it's\n\u{1b}[2J"]))),
                    ("lan", set("proto", Some("static".into()), None)),
                    ("lan", set("mtu", None, Some("1400".into()))),
                ],
                "- network.lan.proto='static'\n\
                 network.lan.dns: '192.0.2.1' -> '192.0.2.1' 'it'\\''s\\n\\u{1b}[2J'\n\
                 + network.lan.mtu='1400'\n",
            ),
            (
                vec![("lan", set("password", Some("one".into()), Some("two".into())))],
                "network.lan.password: *** -> ***\n",
            ),
            (
                vec![
                    ("x", Change::Add { kind: "rule".into() }),
                    ("x", set("password", None, Some("p".into()))),
                    ("x", set("in", None, Some("lan".into()))),
                ],
                "+ network.x=rule\n+ network.x.password=***\n+ network.x.in='lan'\n",
            ),
            (
                vec![("r", Change::Remove { old: Tree::map([(TYPE, Tree::from("rule"))]) })],
                "- network.r=rule\n",
            ),
            (vec![(&*first, set("metric", None, Some("1".into())))], "+ network.@route[0].metric='1'\n"),
            (
                vec![
                    (&*first, Change::Rename { to: "main".into() }),
                    ("main", set("metric", None, Some("1".into()))),
                ],
                "network.@route[0] -> network.main\n+ network.main.metric='1'\n",
            ),
            (vec![("r", Change::Move { from: 3, to: 0 })], "network.r: place 3 -> 0\n"),
        ] {
            assert_eq!(edited(&changes), want);
        }
    }
}
