//! `Router`: a routing table, and the section that keeps one that a manager made or switched off.
//!
//! A section of type `cpe_router` in `network`, which netifd skips, names the table. A router that is off has no
//! routes: its static ones are `disabled`, and `cpe_enabled` remembers those that are on.

use super::{MAIN, NETWORK, table};
use crate::dm::error::Refusal;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, View};
use crate::dm::write::Draft;
use crate::tr181::network;

/// The type of a section that keeps a router.
pub(super) const HOLDER: &str = "cpe_router";
/// The first table for routers that a manager adds: above those that programs are given by hand.
const FIRST: u32 = 1000;

/// The table that a holder or a static route names; the main one where it names none.
pub(super) fn table_of(section: &Tree) -> u32 {
    section.str("table").and_then(table).unwrap_or(MAIN)
}

/// The tables of routers that are switched off; one that interfaces send their routes to is not.
pub(super) fn off(sections: &[(Box<str>, Tree)]) -> Vec<u32> {
    let holders = sections.iter().filter(|(_, section)| section.str(".type") == Some(HOLDER));
    let off = holders.filter(|(_, section)| network::flag(section.str("disabled")) == Some(true));
    off.map(|(_, section)| table_of(section))
        .filter(|number| !sections.iter().any(|(_, interface)| uses(interface, *number)))
        .collect()
}

/// Whether an interface sends its routes to a table.
fn uses(interface: &Tree, number: u32) -> bool {
    ["ip4table", "ip6table"].iter().any(|option| interface.str(option).and_then(table) == Some(number))
}

/// Whether a static route is on, as far as it decides itself.
pub(super) fn route_on(section: &Tree, router_off: bool) -> bool {
    match router_off {
        true => network::flag(section.str("cpe_enabled")) == Some(true),
        false => network::flag(section.str("disabled")) != Some(true),
    }
}

/// Switches a static route; in a router that is off, for when that is on again.
pub fn set_route_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("enable") == Some(value) {
        return Ok(());
    }
    let bound = at.bound().map_err(|_| Refusal::NotWritable)?;
    if at.up(1).is_some_and(|router| router.item.str("on") == Some("false")) {
        return draft.set_text(NETWORK, bound.name, "cpe_enabled", if value == "true" { "1" } else { "" });
    }
    draft.set_text(NETWORK, bound.name, "disabled", if value == "true" { "0" } else { "1" })
}

/// A router with a table of its own, switched off.
pub fn add_router(at: &At<'_, '_>, number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let routers = at.view.all_rows("Device.Routing.Router")?;
    let mut free = FIRST.saturating_add(number);
    while routers.iter().any(|row| row.key == free.to_string()) {
        free = free.saturating_add(1);
    }
    hold(&free.to_string(), number, draft)
}

fn hold(table: &str, number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let mut name = format!("{HOLDER}_{number}");
    while draft.tree(NETWORK)?.is_some_and(|package| package.get(&name).is_some()) {
        name.push('x');
    }
    draft.add(NETWORK, &name, HOLDER)?;
    draft.set_text(NETWORK, &name, "table", table)?;
    draft.set_text(NETWORK, &name, "disabled", "1")
}

/// The sections of a type in a table.
fn sections<'s>(view: &View<'s>, kinds: &[&str], wanted: u32) -> Result<Vec<(&'s str, &'s Tree)>, Stop> {
    let mut out = Vec::new();
    for kind in kinds {
        out.extend(view.sections(NETWORK, kind)?.into_iter().filter(|(_, tree)| table_of(tree) == wanted));
    }
    Ok(out)
}

/// The row's table; refuses the main one, and one that interfaces send their routes to.
fn own(at: &At<'_, '_>) -> Result<u32, Stop> {
    let key = at.row.map_or("", |row| row.key.as_str());
    let number = table(key).filter(|number| *number != MAIN);
    let number =
        number.ok_or_else(|| Refusal::Backend("the kernel always consults the main table".into()))?;
    for (name, interface) in at.view.sections(NETWORK, "interface")? {
        if uses(interface, number) {
            let why = format!("interface {name} sends its routes to table {number}");
            return Err(Refusal::Backend(why).into());
        }
    }
    Ok(number)
}

/// Takes the router's static routes away, or gives them back.
pub fn set_router_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("on") == Some(value) {
        return Ok(());
    }
    let (number, on) = (own(at)?, value == "true");
    let holders = sections(at.view, &[HOLDER], number)?;
    for (name, _) in &holders {
        draft.set_text(NETWORK, name, "disabled", if on { "" } else { "1" })?;
    }
    if holders.is_empty() {
        hold(&number.to_string(), at.row.map_or(0, |row| row.number), draft)?;
    }
    for (name, route) in sections(at.view, &["route", "route6"], number)? {
        if !route_on(route, on) {
            continue;
        }
        draft.set_text(NETWORK, name, "disabled", if on { "" } else { "1" })?;
        draft.set_text(NETWORK, name, "cpe_enabled", if on { "" } else { "1" })?;
    }
    Ok(())
}

/// Deletes a router with its static routes; refuses one whose routes others made.
pub fn delete_router(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let number = own(at)?;
    let routes = ["v4", "v6"].into_iter().filter_map(|family| at.row?.item.get(family));
    if routes.flat_map(Tree::entries).any(|(_, route)| route.str("static") == Some("false")) {
        return Err(Refusal::Backend(format!("table {number} has routes that no setting made")).into());
    }
    for (name, _) in sections(at.view, &[HOLDER, "route", "route6"], number)? {
        draft.remove(NETWORK, name)?;
    }
    Ok(())
}

/// `RouteInformation.Enable` has one value: the plan's check refuses another.
pub fn set_learning(_: &At<'_, '_>, _: &str, _: &mut Draft) -> Result<(), Stop> {
    Ok(())
}
