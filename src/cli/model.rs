//! `model`: the supported data model, its dump, and how much of Device:2 it covers.

use super::router::Router;
use super::{Done, Fail, Global};
use crate::dm::schema::{Audience, Delete, Object, Param, Write};
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::View;
use crate::openwrt::json;
use crate::sorted::Map;
use crate::tr181::{self, STANDARD_COUNTS};

/// Prints the model as `audience` sees it: of this router, or `all` that this build knows.
pub(super) fn print(
    global: &Global,
    format: &str,
    audience: Audience,
    all: bool,
    covered: bool,
) -> Result<Done, Fail> {
    let known = |object: &&Object| audience.sees(object.known);
    let lines = |object: &Object| lines(object, audience);
    let lines = if all {
        let model = tr181::model().map_err(Fail::Refused)?;
        model.objects().iter().filter(known).flat_map(lines).collect()
    } else {
        let router = Router::open(global)?;
        let places = router.local.read(supported).map_err(|why| Fail::Refused(why.to_string()))?;
        let objects = places.into_iter().flat_map(|at| router.local.model.objects().get(at));
        objects.filter(known).flat_map(lines).collect()
    };
    let lines: Vec<Line> = lines;
    Ok(match (covered, global.json, format) {
        (true, json, _) => coverage(&lines, json),
        (false, true, _) => {
            let line = |line: &Line| {
                let facts = [("type", Tree::from(line.kind.as_str())), ("access", Tree::from(line.access))];
                (line.path.clone(), Tree::map(facts))
            };
            format!("{}\n", json::write(&Tree::map(lines.iter().map(line))))
        }
        (false, false, "tsv") => {
            lines.iter().map(|line| format!("{}\t{}\t{}\n", line.path, line.kind, line.access)).collect()
        }
        (false, false, _) => lines.iter().map(text).collect(),
    }
    .into())
}

/// One object or parameter.
struct Line {
    path: String,
    kind: String,
    access: &'static str,
}

/// The places of the objects that are there on this router.
fn supported(view: &View<'_>) -> Result<Vec<usize>, Stop> {
    let mut wait = false;
    let mut places = Vec::new();
    for at in 0..view.model.objects().len() {
        match view.supported(at) {
            Ok(true) => places.push(at),
            Ok(false) => {}
            Err(Stop::Wait) => wait = true,
            Err(refused) => return Err(refused),
        }
    }
    if wait { Err(Stop::Wait) } else { Ok(places) }
}

fn lines(object: &Object, audience: Audience) -> Vec<Line> {
    let access = match (object.add.is_some(), !matches!(object.delete, Delete::No)) {
        (true, true) => "createDelete",
        (true, false) => "createOnly",
        (false, true) => "deleteOnly",
        (false, false) => "readOnly",
    };
    let head = Line { path: object.path.to_string(), kind: "object".into(), access };
    let param = |param: &Param| Line {
        path: format!("{}{}", object.path, param.name),
        kind: format!("{}{}", param.syntax.base.name(), if param.syntax.lists > 0 { "[]" } else { "" }),
        access: match (param.write, param.flags.once && audience == Audience::Usp) {
            (Write::No, _) => "readOnly",
            (_, true) => "writeOnceReadOnly",
            (_, false) => "readWrite",
        },
    };
    let params = object.params.iter().filter(|param| audience.sees(param.flags.known)).map(param);
    let mut lines: Vec<Line> = std::iter::once(head).chain(params).collect();
    if audience != Audience::Cwmp {
        let action = |name: &str, kind: &str| Line {
            path: format!("{}{name}", object.path),
            kind: kind.into(),
            access: "-",
        };
        let kind = |asynchronous| if asynchronous { "async" } else { "sync" };
        lines.extend(object.commands.iter().map(|own| action(own.name, kind(own.asynchronous))));
        lines.extend(object.events.iter().map(|own| action(own.name, "event")));
    }
    lines
}

fn text(line: &Line) -> String {
    match (line.kind.as_str(), line.access) {
        ("object", "readOnly") => format!("{}\n", line.path),
        ("object", access) => format!("{}  ({access})\n", line.path),
        (kind, "readWrite") => format!("{}  {kind}, writable\n", line.path),
        (kind, _) => format!("{}  {kind}\n", line.path),
    }
}

/// How many of the standard's parameters are there, per top-level object; vendor names do not count.
fn coverage(lines: &[Line], json: bool) -> String {
    let mut counts: Map<&str, usize> = Map::new();
    let own = lines.iter().filter(|line| {
        !["object", "sync", "async", "event"].contains(&line.kind.as_str()) && !line.path.contains(".X_")
    });
    for line in own {
        let top =
            if line.path.matches('.').count() < 2 { "" } else { line.path.split('.').nth(1).unwrap_or("") };
        *counts.entry(top).or_default() += 1;
    }
    let row = |top: &str, have: usize, of: usize| {
        let name = if top.is_empty() { "Device.".to_string() } else { format!("Device.{top}.") };
        (name, have, of)
    };
    let mut rows: Vec<(String, usize, usize)> = STANDARD_COUNTS
        .iter()
        .map(|(top, of)| row(top, counts.get(top).copied().unwrap_or_default(), *of))
        .collect();
    let (have, of) = rows.iter().fold((0, 0), |(have, of), row| (have + row.1, of + row.2));
    rows.push(("total".into(), have, of));
    if json {
        let row = |(name, have, of): (String, usize, usize)| {
            let counts = [("have", Tree::from(have.to_string())), ("standard", Tree::from(of.to_string()))];
            (name, Tree::map(counts))
        };
        return format!("{}\n", json::write(&Tree::map(rows.into_iter().map(row))));
    }
    let line = |(name, have, of): &(String, usize, usize)| {
        format!("{name:<32} {have:>5} of {of:>5}  {:>3} %\n", have * 100 / of.max(&1))
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn no_top_level_object_has_more_parameters_than_the_standard() {
        let model = tr181::model().unwrap();
        let all: Vec<Line> = model.objects().iter().flat_map(|own| lines(own, Audience::Cwmp)).collect();
        let mut counted = 0;
        for line in coverage(&all, false).lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let &[name, have, "of", of, ..] = words.as_slice() else { panic!("{line}") };
            let (have, of): (usize, usize) = (have.parse().unwrap(), of.parse().unwrap());
            assert!(have <= of, "{line}");
            counted += if name == "total" { 0 } else { have };
        }
        let standard = |line: &&Line| !line.path.ends_with('.') && !line.path.contains(".X_");
        assert_eq!(counted, all.iter().filter(standard).count(), "each parameter is counted once");
    }
}
