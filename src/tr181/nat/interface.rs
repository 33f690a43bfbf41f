//! `InterfaceSetting`: the zones that have the option `masq`, a row for each of their interfaces.
//!
//! firewall4 switches a zone as a whole. So a row is made, moved, switched or deleted only where its interface is the
//! only one of its zone; an interface without a zone gets one, with the policies that hold for it anyway.

use super::boolean;
use crate::dm::error::Refusal;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, View};
use crate::dm::write::Draft;
use crate::tr181::network::unfit;
use crate::tr181::zones::{self, FIREWALL, INTERFACES, Zone, is_true, zones};
use std::borrow::Cow;

/// What the names of zones' sections begin with that a manager's row made.
const PREFIX: &str = "cpe_nat";
/// Most characters of a zone's name. Source: OpenWrt's firewall documentation, `config zone`, `name`.
const MAX_NAME: usize = 11;

/// One entry per interface of each zone that has the option `masq`.
pub fn nat_interfaces(view: &View<'_>) -> Result<Tree, Stop> {
    let mut rows: Vec<(String, Tree)> = Vec::new();
    for zone in zones(view)?.iter().filter(|zone| zone.tree.get("masq").is_some()) {
        for (network, _) in interfaces(view, zone)? {
            let fields = [("network", network.to_string()), ("zone", zone.name.to_string())];
            rows.push((network.to_string(), zones::bind(zone.section, fields)));
        }
    }
    Ok(Tree::map(rows))
}

/// The interfaces of a zone: the first network of each, and its path. A network and its IPv6 twin are one.
fn interfaces<'s>(view: &View<'s>, zone: &Zone<'s>) -> Result<Vec<(&'s str, String)>, Stop> {
    let mut out: Vec<(&str, String)> = Vec::new();
    for network in &zone.networks {
        if let Some(path) = view.path_of(INTERFACES, network)?
            && !out.iter().any(|(_, known)| *known == path)
        {
            out.push((network, path));
        }
    }
    Ok(out)
}

/// Refuses what would change other interfaces of the zone too.
fn alone<'s>(view: &View<'s>, zone: &Zone<'s>) -> Result<(), Stop> {
    match interfaces(view, zone)?.len() {
        0 | 1 => Ok(()),
        _ => {
            let why = format!("zone {} has other interfaces, which would change too", zone.name);
            Err(Refusal::Backend(why).into())
        }
    }
}

/// The zone of the row.
fn zone<'s>(at: &At<'_, 's>) -> Result<Zone<'s>, Stop> {
    let section = zones::section(at)?;
    let found = zones(at.view)?.into_iter().find(|zone| zone.section == section);
    found.ok_or_else(|| Refusal::Backend(format!("zone {section} is gone")).into())
}

/// `InterfaceSetting.Enable`: whether the zone masquerades.
pub fn nat_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(Some(boolean(at.opt("masq").is_some_and(is_true))))
}

/// Switches the zone; refuses where that would switch other interfaces too.
pub fn set_nat_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if nat_enable(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let zone = zone(at)?;
    alone(at.view, &zone)?;
    draft.set_text(FIREWALL, zone.section, "masq", if value == "true" { "1" } else { "0" })
}

/// `InterfaceSetting.Status`: enabled where the zone masquerades and the interface is up.
pub fn nat_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    let works = at.opt("masq").is_some_and(is_true)
        && zones::is_up(at.view, &[at.field("network").unwrap_or_default()])?;
    Ok(Some(Cow::Borrowed(if works { "Enabled" } else { "Disabled" })))
}

/// `InterfaceSetting.Interface`.
pub fn nat_interface<'s>(at: &At<'_, 's>) -> Value<'s> {
    let network = at.field("network").unwrap_or_default();
    Ok(at.view.path_of(INTERFACES, network)?.map(Cow::Owned))
}

/// Moves the row, switched as it is, to the zone of another interface.
pub fn set_nat_interface(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if nat_interface(at)?.as_deref() == Some(value.trim_end_matches('.')) {
        return Ok(());
    }
    let old = zone(at)?;
    alone(at.view, &old)?;
    let number = at.row.map_or(0, |row| row.number);
    let (section, network) = join(at, value, number, draft)?;
    for option in ["masq", "masq_src"] {
        draft.set(FIREWALL, &section, option, old.tree.get(option).cloned())?;
    }
    leave(&old, draft)?;
    draft.rebind(at, &network)
}

/// Gives the zone of the interface that the waiting row names the option `masq`, switched off.
pub fn add_nat_interface(at: &At<'_, '_>, number: u32, draft: &mut Draft) -> Result<(), Stop> {
    join(at, at.field("Interface").unwrap_or_default(), number, draft).map(drop)
}

/// Takes `masq` from the row's zone; a zone that a row made goes where nothing speaks of it.
pub fn delete_nat_interface(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let zone = zone(at)?;
    alone(at.view, &zone)?;
    leave(&zone, draft)
}

/// Gives the interface at `path` a zone with `masq '0'`; the section and the network that the row is found by.
///
/// Refuses an interface that has a row.
fn join(at: &At<'_, '_>, path: &str, number: u32, draft: &mut Draft) -> Result<(String, String), Stop> {
    let path = path.trim_end_matches('.');
    let row = at.referred(INTERFACES, path)?;
    let network = row.section.as_ref().map(|bound| bound.name).ok_or_else(|| unfit("a network of UCI"))?;
    for zone in zones(at.view)? {
        let of_zone = interfaces(at.view, &zone)?;
        let Some((first, _)) = of_zone.iter().find(|(_, known)| known == path) else { continue };
        if zone.tree.get("masq").is_some() {
            let taken = at.view.path_of("Device.NAT.InterfaceSetting", first)?;
            return Err(Refusal::Duplicate(taken.unwrap_or_default()).into());
        }
        alone(at.view, &zone)?;
        draft.set_text(FIREWALL, zone.section, "masq", "0")?;
        return Ok((zone.section.to_string(), (*first).to_string()));
    }
    let section = make(at, network, number, draft)?;
    Ok((section, network.to_string()))
}

/// A zone for a network that has none, with the policies that hold where there is no zone; its section.
fn make(at: &At<'_, '_>, network: &str, number: u32, draft: &mut Draft) -> Result<String, Stop> {
    let mut section = format!("{PREFIX}{number}");
    while draft.tree(FIREWALL)?.is_some_and(|package| package.get(&section).is_some()) {
        section.push('x');
    }
    let free = network.len() <= MAX_NAME && !zones(at.view)?.iter().any(|zone| zone.name == network);
    draft.add(FIREWALL, &section, "zone")?;
    draft.set_text(FIREWALL, &section, "name", if free { network } else { &section })?;
    draft.set(FIREWALL, &section, "network", Some(Tree::List(vec![network.into()])))?;
    if let Some((_, defaults)) = at.view.sections(FIREWALL, "defaults")?.first() {
        for policy in ["input", "output", "forward"] {
            draft.set(FIREWALL, &section, policy, defaults.get(policy).cloned())?;
        }
    }
    draft.set_text(FIREWALL, &section, "masq", "0")?;
    Ok(section)
}

/// Takes a zone back to one that says nothing of masquerading.
fn leave(zone: &Zone<'_>, draft: &mut Draft) -> Result<(), Stop> {
    let package = draft.tree(FIREWALL)?.map_or(&[][..], Tree::entries);
    let used = package
        .iter()
        .any(|(_, section)| ["src", "dest"].iter().any(|option| section.str(option) == Some(zone.name)));
    if zone.section.starts_with(PREFIX) && !used {
        return draft.remove(FIREWALL, zone.section);
    }
    for option in ["masq", "masq_src"] {
        draft.set(FIREWALL, zone.section, option, None)?;
    }
    Ok(())
}
