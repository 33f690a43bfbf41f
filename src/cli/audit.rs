//! `audit`: what managers have changed, or tried to.

use super::router::disk;
use super::{Done, Fail, Global};
use crate::config::Config;
use crate::dm::source::Source;
use crate::dm::tree::Tree;
use crate::io::audit::{Place, read};
use crate::io::device::package;
use crate::openwrt::json;
use crate::time::{UNKNOWN, Wall};

/// Prints the entries that are kept, oldest first: those from a time on, and of managers whose name holds a text.
pub(super) fn audit(global: &Global, since: &str, manager: &str) -> Result<Done, Fail> {
    let since = match since {
        "" => None,
        text => Some(
            Wall::parse(text)
                .ok_or(Fail::Usage(format!("{text}: wanted a time such as 2026-01-31T00:00:00Z")))?,
        ),
    };
    let disk = disk(global.root.as_deref())?;
    let settings = match package(&disk, "cpeagent").0 {
        Source::Ready(settings) => Config::read(&settings).0,
        Source::Absent => Config::default(),
        Source::Failed(why) => return Err(Fail::Disk(why)),
    };
    let mut entries = read(&disk, &Place::of(&settings.agent))?;
    entries.retain(|entry| {
        let at = entry.str("time").filter(|at| *at != UNKNOWN).and_then(Wall::parse);
        // Of an unknown time, nobody can say that it was before.
        let late = since.is_none_or(|since| at.is_none_or(|at| at >= since));
        late && entry.str("manager").is_some_and(|name| name.contains(manager))
    });
    if global.json {
        return Ok(format!("{}\n", json::write(&Tree::List(entries))).into());
    }
    Ok(entries.iter().map(words).collect::<String>().into())
}

/// One entry as a line. Whatever a terminal would not show as it is, is escaped.
fn words(entry: &Tree) -> String {
    let text = |name: &str| entry.str(name).unwrap_or_default();
    let time = if text("time") == UNKNOWN { "(time unknown)" } else { text("time") };
    let values = match (entry.str("old"), entry.str("new")) {
        (Some(old), Some(new)) => format!(" {old:?} -> {new:?}"),
        (None, Some(new)) if !new.is_empty() => format!(" {new:?}"),
        (_, None | Some(_)) => String::new(),
    };
    let (manager, path) = (text("manager").escape_debug(), text("path").escape_debug());
    format!("{time} {manager} {} {path}{values}: {}\n", text("what"), text("outcome"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_told_by_time_and_manager_and_none_breaks_its_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("tmp/log")).unwrap();
        let line = |time: &str, manager: &str, new: &str| {
            format!(
                "{{\"time\":\"{time}\",\"manager\":\"{manager}\",\"what\":\"set\",\"path\":\"Device.A\",\
                 \"old\":\"\",\"new\":\"{new}\",\"outcome\":\"done\"}}\n"
            )
        };
        let text = [
            line(UNKNOWN, "https://acs/", "a\\u001b[2J\\nb"),
            line("2026-01-01T00:00:00Z", "https://acs/", "early"),
            line("2026-01-03T00:00:00Z", "local", "late"),
            "{\"time\":\"cut off".into(),
        ];
        std::fs::write(folder.path().join("tmp/log/cpeagent.audit"), text.concat()).unwrap();
        let global = |json| Global { root: Some(folder.path().to_path_buf()), json };
        let all = audit(&global(false), "", "").unwrap().text;
        assert_eq!(
            all,
            "(time unknown) https://acs/ set Device.A \"\" -> \"a\\u{1b}[2J\\nb\": done\n\
             2026-01-01T00:00:00Z https://acs/ set Device.A \"\" -> \"early\": done\n\
             2026-01-03T00:00:00Z local set Device.A \"\" -> \"late\": done\n"
        );
        for (since, manager, want) in [
            ("2026-01-02T00:00:00Z", "", 2),
            ("2026-01-02T00:00:00Z", "acs", 1),
            ("", "local", 1),
            ("", "nobody", 0),
        ] {
            let told = audit(&global(true), since, manager).unwrap().text;
            assert_eq!(json::parse(told.as_bytes()).unwrap().items().len(), want, "{since} {manager}");
        }
        assert!(matches!(audit(&global(false), "yesterday", ""), Err(Fail::Usage(_))));
    }
}
