//! Device.Time.: the state of the clock, the zone and the servers by number.

use super::network::{self, unfit};
use super::zone;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::At;
use crate::dm::write::Draft;
use std::borrow::Cow;

/// The package of clock and zone.
const SYSTEM: &str = "uci:system";
/// Places that servers may be remembered at; the standard numbers five.
const SLOTS: usize = 16;

fn ntp<'s>(at: &At<'_, 's>) -> Result<Option<&'s Tree>, Stop> {
    network::section(at.view, SYSTEM, "ntp")
}

/// `Status`: what the kernel says of the clock; never synchronized while the time is not known.
pub fn status<'s>(at: &At<'_, 's>) -> Value<'s> {
    let enabled = ntp(at)?.and_then(|ntp| ntp.str("enabled")).and_then(crate::dm::eval::boolean);
    if enabled == Some(false) {
        return Ok(Some("Disabled".into()));
    }
    let facts = at.tree("sys:facts")?;
    let synchronized = facts.and_then(|facts| facts.str("clock_synchronized")) == Some("true");
    let known = at.view.snapshot.now.wall.is_some();
    Ok(Some(if synchronized && known { "Synchronized" } else { "Unsynchronized" }.into()))
}

/// `CurrentLocalTime` with the offset of the zone; the unknown time while the clock is not set.
pub fn local_time<'s>(at: &At<'_, 's>) -> Value<'s> {
    let Some(now) = at.view.snapshot.now.wall else { return Ok(None) };
    let offset = zone(at)?.and_then(|zone| zone::offset(&zone, now)).unwrap_or(0);
    let minutes = i32::try_from(offset / 60).unwrap_or(0);
    let whole = crate::time::Wall::at(now.seconds);
    Ok(Some(if minutes == 0 { whole.to_string() } else { whole.with_offset(minutes) }.into()))
}

/// `LocalTimeZone`: the POSIX text; without the option the router lives in UTC.
pub fn zone<'s>(at: &At<'_, 's>) -> Value<'s> {
    let system = at.view.sections(SYSTEM, "system")?;
    let zone = system.first().and_then(|(_, system)| system.str("timezone")).unwrap_or("UTC");
    Ok(Some(Cow::Borrowed(zone)))
}

/// Writes the POSIX text; a zone's name goes, as it may be another zone's now.
///
/// Refuses what is no POSIX zone. `UTC` alone is what OpenWrt itself writes.
pub fn set_zone(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if zone(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    if value != "UTC" && zone::offset(value, crate::time::Wall::at(0)).is_none() {
        return Err(unfit("a POSIX time zone such as CET-1CEST,M3.5.0,M10.5.0/3"));
    }
    let system = at.view.sections(SYSTEM, "system")?;
    let (name, _) = system.first().ok_or_else(|| unfit("nothing without a system section"))?;
    draft.set_text(SYSTEM, name, "timezone", value)?;
    draft.set(SYSTEM, name, "zonename", None)
}

/// The servers by place. `cpe_places` says where they stand if there are gaps between them, which the list itself
/// cannot have: sysntpd does not start with an empty item.
fn slots(ntp: &Tree) -> Vec<&str> {
    let servers = network::words(ntp.get("server"));
    let places: Vec<usize> =
        ntp.str("cpe_places").into_iter().flat_map(str::split_whitespace).flat_map(str::parse).collect();
    if places.len() != servers.len() || places.iter().any(|place| *place >= SLOTS) {
        return servers;
    }
    let mut slots = vec![""; places.iter().max().map_or(0, |last| last + 1)];
    for (place, server) in places.into_iter().zip(servers) {
        if let Some(slot) = slots.get_mut(place) {
            *slot = server;
        }
    }
    slots
}

fn server<'s>(at: &At<'_, 's>, place: usize) -> Value<'s> {
    let slots = ntp(at)?.map(slots).unwrap_or_default();
    Ok(slots.get(place).map(|server| Cow::Borrowed(*server)))
}

/// Writes the server at a place; the empty text takes it out and leaves the others where they are.
fn set_server(at: &At<'_, '_>, place: usize, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if server(at, place)?.as_deref().unwrap_or_default() == value {
        return Ok(());
    }
    if value.contains(char::is_whitespace) {
        return Err(unfit("a host name or address"));
    }
    let ntp = ntp(at)?.ok_or_else(|| unfit("nothing without the section ntp"))?;
    let mut slots = slots(ntp);
    slots.resize(slots.len().max(place + 1), "");
    if let Some(slot) = slots.get_mut(place) {
        *slot = value;
    }
    let used: Vec<(usize, &str)> =
        slots.into_iter().enumerate().filter(|(_, server)| !server.is_empty()).collect();
    let gaps = used.iter().enumerate().any(|(rank, (place, _))| rank != *place);
    let places: Vec<String> = used.iter().filter(|_| gaps).map(|(place, _)| place.to_string()).collect();
    let servers: Vec<String> = used.iter().map(|(_, server)| (*server).to_string()).collect();
    draft.set(SYSTEM, "ntp", "server", network::refit(ntp.get("server"), &servers))?;
    draft.set_text(SYSTEM, "ntp", "cpe_places", &places.join(" "))
}

macro_rules! numbered {
    ($($place:literal $read:ident $write:ident $ordinal:literal),*) => {$(
        #[doc = concat!("The ", $ordinal, " server of the list.")]
        pub fn $read<'s>(at: &At<'_, 's>) -> Value<'s> {
            server(at, $place)
        }

        #[doc = concat!("Writes the ", $ordinal, " server of the list; the empty text takes it out.")]
        pub fn $write(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
            set_server(at, $place, value, draft)
        }
    )*};
}

numbered!(
    0 server1 set_server1 "first",
    1 server2 set_server2 "second",
    2 server3 set_server3 "third",
    3 server4 set_server4 "fourth",
    4 server5 set_server5 "fifth"
);

/// `Server.Status`: sysntpd runs and was told to answer.
pub fn server_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    let on = at.opt("enable_server").and_then(crate::dm::eval::boolean) == Some(true);
    let service = at.opt("enabled").and_then(crate::dm::eval::boolean) != Some(false);
    let up = on && service && network::running(at.view, "sysntpd")?;
    Ok(Some(if up { "Up" } else { "Down" }.into()))
}
