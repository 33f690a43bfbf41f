//! `get`, `set`, `add`, `delete` and `names`: by the running agent, else on the files.

use super::router::{Router, disk};
use super::socket::Socket;
use super::{Done, Fail, Global};
use crate::dm::path::Pattern;
use crate::dm::tree::Tree;
use crate::dm::write::{NoPlan, Planner, Wish};
use crate::openwrt::json;

/// Prints values.
pub(super) fn get(global: &Global, paths: &[String]) -> Result<Done, Fail> {
    let patterns = paths.iter().map(|path| pattern(path)).collect::<Result<Vec<_>, _>>()?;
    if let Some(mut agent) = Socket::reach(&disk(global.root.as_deref())?)? {
        let asked = Tree::List(paths.iter().map(|path| Tree::from(path.as_str())).collect());
        return Ok(values(global, agent.ask("get", asked)?.entries()).into());
    }
    let mut router = Router::open(global)?;
    let (mut good, mut bad) = (Vec::new(), String::new());
    for (pattern, path) in patterns.iter().zip(paths) {
        match router.local.get(std::slice::from_ref(pattern)) {
            Ok(found) => {
                for (path, value) in found {
                    match value {
                        Ok(value) => good.push((path.into(), Tree::from(value))),
                        Err(why) => bad.push_str(&format!("{path}: {why}\n")),
                    }
                }
            }
            Err(why) => bad.push_str(&format!("{path}: {why}\n")),
        }
    }
    router.keep_numbers();
    let fail = (!bad.is_empty()).then_some(Fail::Refused(bad));
    Ok(Done { fail, ..Done::from(values(global, &good)) })
}

fn values(global: &Global, values: &[(Box<str>, Tree)]) -> String {
    if global.json {
        return format!("{}\n", json::write(&Tree::map(values.iter().map(|(p, v)| (p.clone(), v.clone())))));
    }
    values.iter().map(|(path, value)| format!("{path} = {}\n", value.as_str().unwrap_or_default())).collect()
}

/// Writes values, or shows what writing them would change.
pub(super) fn set(global: &Global, pairs: &[String], plan: bool) -> Result<Done, Fail> {
    let pairs = pairs.iter().map(|pair| parted(pair)).collect::<Result<Vec<_>, _>>()?;
    if let (false, Some(mut agent)) = (plan, Socket::reach(&disk(global.root.as_deref())?)?) {
        let asked = Tree::map(pairs.iter().map(|(path, value)| (*path, Tree::from(*value))));
        return Ok(told(global, &agent.ask("set", asked)?).into());
    }
    let wish =
        |(path, value): &(&str, &str)| Wish { path: path.to_string(), value: value.to_string(), said: None };
    let wishes: Vec<Wish> = pairs.iter().map(wish).collect();
    change(global, plan, |planner| planner.set(&wishes))
}

/// Adds a row, or shows what adding it would change.
pub(super) fn add(global: &Global, table: &str, plan: bool) -> Result<Done, Fail> {
    if let (false, Some(mut agent)) = (plan, Socket::reach(&disk(global.root.as_deref())?)?) {
        return Ok(told(global, &agent.ask("add", Tree::from(table))?).into());
    }
    change(global, plan, |planner| planner.add(table).map(drop))
}

/// Deletes a row, or shows what deleting it would change.
pub(super) fn delete(global: &Global, row: &str, plan: bool) -> Result<Done, Fail> {
    if let (false, Some(mut agent)) = (plan, Socket::reach(&disk(global.root.as_deref())?)?) {
        return Ok(told(global, &agent.ask("delete", Tree::from(row))?).into());
    }
    change(global, plan, |planner| planner.delete(row))
}

fn change(
    global: &Global,
    plan: bool,
    ask: impl Fn(&mut Planner<'_>) -> Result<(), NoPlan>,
) -> Result<Done, Fail> {
    let mut router = Router::open(global)?;
    let texts = |texts: &[String]| Tree::List(texts.iter().map(|text| Tree::from(text.as_str())).collect());
    if !plan {
        let (plan, packages) = router.change(ask)?;
        let changed = packages.iter().map(|package| Tree::from(format!("uci:{package}"))).collect();
        let answer = [
            ("added", texts(&plan.added)),
            ("deleted", texts(&plan.deleted)),
            ("changed", Tree::List(changed)),
        ];
        return Ok(told(global, &Tree::map(answer)).into());
    }
    let plan = router.plan(ask)?;
    let (text, services) = router.preview(&plan)?;
    if global.json {
        let lines: Vec<String> = text.lines().map(str::to_string).collect();
        let services: Vec<String> = services.into_iter().map(str::to_string).collect();
        let all = [
            ("added", texts(&plan.added)),
            ("deleted", texts(&plan.deleted)),
            ("changes", texts(&lines)),
            ("reloads", texts(&services)),
        ];
        return Ok(format!("{}\n", json::write(&Tree::map(all))).into());
    }
    let mut out = rows(&plan.added, &plan.deleted);
    out.push_str(if text.is_empty() { "nothing would change\n" } else { &text });
    if !services.is_empty() {
        let services: Vec<&str> = services.into_iter().collect();
        out.push_str(&format!("reloads: {}\n", services.join(" ")));
    }
    Ok(out.into())
}

/// What was done, as the agent tells it and as we do.
fn told(global: &Global, answer: &Tree) -> String {
    if global.json {
        return format!("{}\n", json::write(answer));
    }
    let list = |name: &str| -> Vec<String> {
        let items = answer.get(name).map(Tree::items).unwrap_or_default();
        items.iter().filter_map(Tree::as_str).map(str::to_string).collect()
    };
    let mut out = rows(&list("added"), &list("deleted"));
    let changed: Vec<String> = list("changed").iter().map(|source| source.replacen("uci:", "", 1)).collect();
    out.push_str(&match changed.is_empty() {
        true => "no configuration file changed\n".to_string(),
        false => format!("changed: {}\n", changed.join(" ")),
    });
    out
}

fn rows(added: &[String], deleted: &[String]) -> String {
    let line = |word: &'static str| move |path: &String| format!("{word} {path}\n");
    added.iter().map(line("added")).chain(deleted.iter().map(line("deleted"))).collect()
}

/// Prints the paths that exist.
pub(super) fn names(global: &Global, path: &str) -> Result<Done, Fail> {
    let pattern = pattern(path)?;
    let names: Vec<(String, bool)> = match Socket::reach(&disk(global.root.as_deref())?)? {
        Some(mut agent) => {
            let names = agent.ask("names", Tree::from(path))?;
            names.entries().iter().map(|(path, w)| (path.to_string(), w.as_str() == Some("true"))).collect()
        }
        None => {
            let mut router = Router::open(global)?;
            let names = router.local.names(&pattern);
            router.keep_numbers();
            names.map_err(|why| Fail::Refused(format!("{path}: {why}")))?
        }
    };
    if global.json {
        let names = names.into_iter().map(|(path, writable)| (path, Tree::from(writable.to_string())));
        return Ok(format!("{}\n", json::write(&Tree::map(names))).into());
    }
    let line = |(path, writable): &(String, bool)| {
        let word = match (path.ends_with('.'), writable) {
            (_, false) => "",
            (false, true) => "  (writable)",
            (true, true) if path.trim_end_matches('.').ends_with(|c: char| c.is_ascii_digit()) => {
                "  (can be deleted)"
            }
            (true, true) => "  (rows can be added)",
        };
        format!("{path}{word}\n")
    };
    Ok(names.iter().map(line).collect::<String>().into())
}

fn pattern(path: &str) -> Result<Pattern, Fail> {
    Pattern::parse(path).map_err(|why| Fail::Usage(format!("{path}: {why}")))
}

/// `PATH=VALUE` at the first `=` outside of brackets.
fn parted(pair: &str) -> Result<(&str, &str), Fail> {
    let mut depth = 0_u32;
    for (at, c) in pair.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '=' if depth == 0 => {
                let (path, value) = pair.split_at(at);
                return Ok((path, value.get(1..).unwrap_or_default()));
            }
            _ => {}
        }
    }
    Err(Fail::Usage(format!("{pair}: wanted PATH=VALUE")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_parted_at_the_first_equals_sign_outside_of_brackets() {
        for (pair, want) in [
            ("A.B=c", Some(("A.B", "c"))),
            ("A.B=", Some(("A.B", ""))),
            ("A.B=c=d", Some(("A.B", "c=d"))),
            ("A.[Alias==\"x\"].B=[c]", Some(("A.[Alias==\"x\"].B", "[c]"))),
            ("A.B", None),
            ("A.[B=c]", None),
        ] {
            assert_eq!(parted(pair).ok(), want, "{pair}");
        }
    }
}
