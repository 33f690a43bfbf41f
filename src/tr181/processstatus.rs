//! Device.DeviceInfo.ProcessStatus. and TemperatureStatus.: rows read from `/proc` and `/sys`.

use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, View};
use crate::sorted::Set;
use std::borrow::Cow;

/// The kernel's ticks per second as programs see them (`USER_HZ`), the same on every architecture of OpenWrt.
const TICKS: u64 = 100;
/// Most processes that are listed.
const MAX_PROCESSES: usize = 4096;
/// Longest command that is shown, in characters.
const MAX_COMMAND: usize = 256;

/// How busy the processors are, in percent: `cpu` all of them, `each` every one by its name.
///
/// Measured from the sample that the agent took last (`agent:state`, `cpu_sample`, a text such as `/proc/stat`), and
/// from the boot where there is none.
pub fn load(view: &View<'_>) -> Result<Tree, Stop> {
    let now = view.tree("file:/proc/stat")?.and_then(Tree::as_str).unwrap_or_default();
    let before = view.tree("agent:state")?.and_then(|state| state.str("cpu_sample")).unwrap_or_default();
    let mut all = Tree::Map(Vec::new());
    let mut each = Vec::new();
    for line in now.lines().filter(|line| line.starts_with("cpu")) {
        let Some((name, ticks)) = ticks(line) else { continue };
        let earlier = before.lines().filter_map(self::ticks).find(|(known, _)| *known == name);
        let earlier = earlier.map_or([0; 8], |(_, earlier)| earlier);
        let mut spent = [0; 8];
        for ((spent, now), earlier) in spent.iter_mut().zip(ticks).zip(earlier) {
            *spent = now.saturating_sub(earlier);
        }
        let row = shares(name, &spent);
        if name == "cpu" { all = row } else { each.push((name.to_string(), row)) }
    }
    Ok(Tree::map([("cpu", all), ("each", Tree::map(each))]))
}

/// A line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal.
fn ticks(line: &str) -> Option<(&str, [u64; 8])> {
    let mut words = line.split_whitespace();
    let name = words.next().filter(|name| name.starts_with("cpu"))?;
    let mut ticks = [0; 8];
    for (slot, word) in ticks.iter_mut().zip(words) {
        *slot = word.parse().ok()?;
    }
    Some((name, ticks))
}

fn shares(name: &str, ticks: &[u64; 8]) -> Tree {
    let [user, nice, system, idle, iowait, irq, softirq, steal] = *ticks;
    let total: u64 = ticks.iter().sum();
    let percent = |part: u64| Tree::from((part * 100).checked_div(total).unwrap_or(0).to_string());
    Tree::map([
        ("name", Tree::from(name)),
        ("busy", percent(user + nice + system + irq + softirq + steal)),
        ("user", percent(user + nice)),
        ("system", percent(system + irq + softirq)),
        ("idle", percent(idle + iowait)),
    ])
}

/// The processes, each under its number and the moment it began, so that a number used again is another row.
pub fn processes(view: &View<'_>) -> Result<Tree, Stop> {
    let names = view.tree("dir:/proc")?.map_or(&[][..], Tree::items);
    let mut pids: Vec<u32> = names.iter().filter_map(|name| name.as_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids.truncate(MAX_PROCESSES);
    let mut wait = false;
    let mut rows = Vec::new();
    for pid in pids {
        match view.tree(&format!("file:/proc/{pid}/stat")) {
            Ok(stat) => rows.extend(stat.and_then(Tree::as_str).and_then(|stat| process(pid, stat))),
            Err(Stop::Wait) => wait = true,
            Err(other) => return Err(other),
        }
    }
    if wait { Err(Stop::Wait) } else { Ok(Tree::Map(rows)) }
}

/// One process from its `stat`; nothing if that is cut short, as when it ends while it is read.
fn process(pid: u32, stat: &str) -> Option<(Box<str>, Tree)> {
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    // Fields are counted from the state, which is the third of the whole line.
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |at: usize| fields.get(at - 3).and_then(|field| field.parse::<i64>().ok());
    let state = match fields.first()?.chars().next()? {
        'R' => "Running",
        'D' => "Uninterruptible",
        'T' | 't' => "Stopped",
        'Z' | 'X' => "Zombie",
        'I' => "Idle",
        _ => "Sleeping",
    };
    let ticks = u64::try_from(number(14)?.checked_add(number(15)?)?).ok()?;
    let row = [
        ("pid", pid.to_string()),
        ("name", name.to_string()),
        ("state", state.to_string()),
        ("time", (u128::from(ticks) * 1000 / u128::from(TICKS)).to_string()),
        ("priority", number(18)?.clamp(0, 99).to_string()),
        ("size", (number(23)? / 1024).to_string()),
    ];
    let key = format!("{pid}@{}", number(22)?).into_boxed_str();
    Some((key, Tree::map(row.map(|(name, value)| (name, Tree::from(value))))))
}

/// `Command`: the command line; of a kernel thread its name in brackets, as `ps` shows it.
pub fn command<'s>(at: &At<'_, 's>) -> Value<'s> {
    let line =
        at.tree(&format!("file:/proc/{}/cmdline", at.field("pid").unwrap_or("0")))?.and_then(Tree::as_str);
    let line = line.unwrap_or_default().replace('\0', " ");
    if line.trim().is_empty() {
        return Ok(at.field("name").map(|name| Cow::Owned(format!("[{name}]"))));
    }
    Ok(Some(Cow::Owned(line.trim().chars().take(MAX_COMMAND).collect())))
}

/// The temperature sensors: thermal zones by their type, then inputs of hwmon chips by label or chip.
///
/// A name borne twice gets its number behind it, as the standard wants them unique.
pub fn sensors(view: &View<'_>) -> Result<Tree, Stop> {
    let mut wait = false;
    let mut rows: Vec<(Box<str>, Tree)> = Vec::new();
    let mut names = Set::new();
    let mut add = |name: String, file: String| {
        let mut unique = name.clone();
        let mut number = 2;
        while !names.insert(unique.clone()) {
            unique = format!("{name} {number}");
            number += 1;
        }
        let row = Tree::map([("name", Tree::from(unique)), ("file", Tree::from(file.as_str()))]);
        rows.push((file.into_boxed_str(), row));
    };
    for zone in list(view, "/sys/class/thermal")?.filter(|zone| zone.starts_with("thermal_zone")) {
        match view.tree(&format!("file:/sys/class/thermal/{zone}/type")) {
            Ok(kind) => {
                let name = kind.and_then(Tree::as_str).unwrap_or(zone);
                add(name.to_string(), format!("/sys/class/thermal/{zone}/temp"));
            }
            Err(Stop::Wait) => wait = true,
            Err(other) => return Err(other),
        }
    }
    for chip in list(view, "/sys/class/hwmon")? {
        let folder = format!("/sys/class/hwmon/{chip}");
        let inputs = match list(view, &folder) {
            Ok(inputs) => inputs,
            Err(Stop::Wait) => {
                wait = true;
                continue;
            }
            Err(other) => return Err(other),
        };
        for input in inputs.filter(|file| file.starts_with("temp") && file.ends_with("_input")) {
            let label = format!("file:{folder}/{}_label", input.trim_end_matches("_input"));
            match (view.tree(&label), view.tree(&format!("file:{folder}/name"))) {
                (Err(Stop::Wait), _) | (_, Err(Stop::Wait)) => wait = true,
                (Err(other), _) | (_, Err(other)) => return Err(other),
                (Ok(label), Ok(name)) => {
                    let chip_name = name.and_then(Tree::as_str).unwrap_or(chip);
                    let name = label.and_then(Tree::as_str).unwrap_or(chip_name);
                    add(name.to_string(), format!("{folder}/{input}"));
                }
            }
        }
    }
    if wait { Err(Stop::Wait) } else { Ok(Tree::Map(rows)) }
}

/// The names in a folder; none if it is not there.
fn list<'s>(view: &View<'s>, folder: &str) -> Result<impl Iterator<Item = &'s str> + use<'s>, Stop> {
    let names = view.tree(&format!("dir:{folder}"))?.map_or(&[][..], Tree::items);
    Ok(names.iter().filter_map(Tree::as_str))
}
