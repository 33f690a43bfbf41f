//! Device.UserInterface.: what uhttpd listens on.
//!
//! A row is a protocol and a port, such as `HTTP 80`, with all its addresses. Disabled, its entries are in an option
//! of our own in the same section, and go back from there.

use super::zones::words;
use crate::dm::error::Refusal;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, View};
use crate::dm::write::Draft;
use std::borrow::Cow;

const PACKAGE: &str = "uci:uhttpd";
const SECTION: &str = "main";

/// The protocols: the standard's word, the option of uhttpd, the one where disabled entries wait.
const LISTS: &[(&str, &str, &str)] =
    &[("HTTP", "listen_http", "cpe_listen_http"), ("HTTPS", "listen_https", "cpe_listen_https")];

/// Every protocol and port that uhttpd listens on, or would.
pub fn http_access(view: &View<'_>) -> Result<Tree, Stop> {
    let main = view.tree(PACKAGE)?.and_then(|package| package.get(SECTION));
    let mut rows: Vec<(String, Tree)> = Vec::new();
    for (protocol, live, off) in LISTS {
        for (option, enabled) in [(live, "true"), (off, "false")] {
            for entry in words(main.and_then(|main| main.get(option))) {
                let port = port(entry);
                let key = format!("{protocol} {port}");
                if !rows.iter().any(|(known, _)| *known == key) {
                    let fields = [
                        (".source", PACKAGE),
                        (".section", SECTION),
                        ("protocol", protocol),
                        ("port", port),
                        ("enabled", enabled),
                    ];
                    rows.push((key, Tree::map(fields.map(|(field, text)| (field, Tree::from(text))))));
                }
            }
        }
    }
    Ok(Tree::map(rows))
}

/// The port of `address:port`, `[address]:port` or `port`.
fn port(entry: &str) -> &str {
    entry.rsplit(':').next().unwrap_or(entry)
}

/// `Enable` of the server: whether it runs.
pub fn running<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(Some(boolean(is_running(at)?)))
}

fn is_running(at: &At<'_, '_>) -> Result<bool, Stop> {
    let service = at.tree("ubus:service list")?.and_then(|list| list.get("uhttpd"));
    let instances = service.and_then(|service| service.get("instances")).map_or(&[][..], Tree::entries);
    Ok(instances.iter().any(|(_, instance)| instance.str("running") == Some("true")))
}

/// `Enable`.
pub fn access_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(at.field("enabled").map(Cow::Borrowed))
}

/// Moves the entries of the row out of what uhttpd reads, or back.
pub fn set_access_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("enabled") == Some(value) {
        return Ok(());
    }
    let protocol = at.field("protocol").unwrap_or_default();
    carry(at, (protocol, at.field("port").unwrap_or_default()), value == "true", draft)
}

/// `Status`.
pub fn access_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    let up = at.field("enabled") == Some("true") && is_running(at)?;
    Ok(Some(Cow::Borrowed(if up { "Up" } else { "Down" })))
}

/// `Protocol`.
pub fn access_protocol<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(at.field("protocol").map(Cow::Borrowed))
}

/// Moves the entries to the list of another protocol.
pub fn set_access_protocol(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let enabled = at.field("enabled") == Some("true");
    carry(at, (value, at.field("port").unwrap_or_default()), enabled, draft)
}

/// `Port`.
pub fn access_port<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(at.field("port").map(Cow::Borrowed))
}

/// Changes the port of every address of the row.
pub fn set_access_port(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let enabled = at.field("enabled") == Some("true");
    carry(at, (at.field("protocol").unwrap_or_default(), value), enabled, draft)
}

/// Makes the waiting row's entries, for every address of both families, where uhttpd does not read them.
pub fn add_access(at: &At<'_, '_>, _: u32, draft: &mut Draft) -> Result<(), Stop> {
    let (protocol, to) = (at.field("Protocol").unwrap_or_default(), at.field("Port").unwrap_or_default());
    if http_access(at.view)?.entries().iter().any(|(_, row)| row.str("port") == Some(to)) {
        return Err(Refusal::OutOfRange { allowed: "a port that no other row has".into() }.into());
    }
    let Some(option) = list(protocol, false) else {
        return Err(Refusal::OutOfRange { allowed: "HTTP or HTTPS".into() }.into());
    };
    let section = at.tree(PACKAGE)?.and_then(|package| package.get(SECTION));
    let mut entries = entries(section, option);
    entries.extend([format!("0.0.0.0:{to}"), format!("[::]:{to}")]);
    put(section, option, entries, draft)
}

/// Takes the row's entries out of the list they are in.
pub fn delete_access(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let protocol = at.field("protocol").unwrap_or_default();
    let Some(option) = list(protocol, at.field("enabled") == Some("true")) else { return Ok(()) };
    let section = at.tree(PACKAGE)?.and_then(|package| package.get(SECTION));
    let own = at.field("port").unwrap_or_default();
    let others = entries(section, option).into_iter().filter(|entry| port(entry) != own);
    put(section, option, others.collect(), draft)
}

/// The option that holds a protocol's entries.
fn list(protocol: &str, enabled: bool) -> Option<&'static str> {
    let known = LISTS.iter().find(|(known, ..)| *known == protocol);
    known.map(|(_, live, off)| if enabled { *live } else { *off })
}

fn entries(section: Option<&Tree>, option: &str) -> Vec<String> {
    words(section.and_then(|section| section.get(option))).into_iter().map(str::to_string).collect()
}

/// Takes the row's entries out of their list and puts them, with a port, into the one of a protocol.
///
/// Refuses what another row is already.
fn carry(
    at: &At<'_, '_>,
    (protocol, to): (&str, &str),
    enabled: bool,
    draft: &mut Draft,
) -> Result<(), Stop> {
    let was = (at.field("protocol").unwrap_or_default(), at.field("enabled") == Some("true"));
    let (Some(from), Some(into)) = (list(was.0, was.1), list(protocol, enabled)) else {
        return Err(Refusal::OutOfRange { allowed: "HTTP or HTTPS".into() }.into());
    };
    let own = at.field("port").unwrap_or_default();
    let key = format!("{protocol} {to}");
    let moved = (protocol, to) != (was.0, own);
    let taken = |rows: &Tree| {
        let others = rows.entries().iter().filter(|(key, _)| **key != format!("{} {own}", was.0));
        others.into_iter().any(|(_, row)| row.str("port") == Some(to))
    };
    if moved && taken(&http_access(at.view)?) {
        return Err(Refusal::OutOfRange { allowed: "a port that no other row has".into() }.into());
    }
    let section = at.tree(PACKAGE)?.and_then(|package| package.get(SECTION));
    let renamed = |entry: &String| match entry.rsplit_once(':') {
        Some((address, _)) => format!("{address}:{to}"),
        None => to.to_string(),
    };
    let found = entries(section, from);
    if from == into {
        let changed =
            found.iter().map(|entry| if port(entry) == own { renamed(entry) } else { entry.clone() });
        put(section, from, changed.collect(), draft)?;
    } else {
        let (mine, others): (Vec<String>, Vec<String>) =
            found.into_iter().partition(|entry| port(entry) == own);
        let mut target = entries(section, into);
        target.extend(mine.iter().map(renamed));
        put(section, from, others, draft)?;
        put(section, into, target, draft)?;
    }
    if moved { draft.rebind(at, &key) } else { Ok(()) }
}

/// Writes a list in the form found; nothing for no entries.
fn put(section: Option<&Tree>, option: &str, entries: Vec<String>, draft: &mut Draft) -> Result<(), Stop> {
    let text = matches!(section.and_then(|section| section.get(option)), Some(Tree::Text(_)));
    let new = match entries.as_slice() {
        [] => None,
        entries if text => Some(Tree::from(entries.join(" "))),
        entries => Some(Tree::List(entries.iter().map(|entry| Tree::from(entry.as_str())).collect())),
    };
    draft.set(PACKAGE, SECTION, option, new)
}

fn boolean(yes: bool) -> Cow<'static, str> {
    Cow::Borrowed(if yes { "true" } else { "false" })
}
