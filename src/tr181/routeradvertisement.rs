//! Device.RouterAdvertisement.: odhcpd's settings, in what lines cannot say.

use super::network;
use super::odhcpd::{self, DHCP, RA, word};
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, View};
use crate::dm::write::Draft;

/// What odhcpd's options for router advertisements are, gone with a deleted row.
const OPTIONS: &[&str] = &[
    "ra_maxinterval",
    "ra_mininterval",
    "ra_lifetime",
    "ra_flags",
    "ra_preference",
    "ra_mtu",
    "ra_reachabletime",
    "ra_retranstime",
    "ra_hoplimit",
    "ra_dns",
    "ra_slaac",
];

/// For `tree advertisements`: the sections that are rows, by name.
pub fn advertisements(view: &View<'_>) -> Result<Tree, Stop> {
    let mut rows = Tree::Map(Vec::new());
    for (name, _) in RA.sections(view)? {
        let bound = [(".source", Tree::from(DHCP)), (".section", Tree::from(name))];
        rows.set(name, Tree::map(bound));
    }
    Ok(rows)
}

/// `Enable`: what was written, else whether any interface advertises.
pub fn enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    RA.enable(at)
}

/// Switches every interface.
pub fn set_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    RA.set_enable(at, value, draft)
}

/// `InterfaceSetting.Enable`: the interface advertises, itself or by relay.
pub fn setting_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    RA.row_enable(at)
}

/// Switches the interface.
pub fn set_setting_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    RA.set_row_enable(at, value, draft)
}

/// `Status`: odhcpd runs and the interface is up.
pub fn setting_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    RA.row_status(at)
}

/// `Prefixes`: the rows of the prefixes that are assigned to the interface.
pub fn prefixes<'s>(at: &At<'_, 's>) -> Value<'s> {
    if RA.off(at.view, at.bound()?.tree)? {
        return Ok(None);
    }
    odhcpd::prefixes(at, at.opt("interface").unwrap_or_default())
}

fn flags(section: &Tree) -> Vec<&str> {
    match section.get("ra_flags") {
        // Source: odhcpd, the flag that is set where nothing is said.
        None => vec!["other-config"],
        some => network::words(some).into_iter().filter(|flag| *flag != "none").collect(),
    }
}

fn flag<'s>(at: &At<'_, 's>, name: &str) -> Value<'s> {
    word(flags(at.bound()?.tree).contains(&name))
}

fn set_flag(at: &At<'_, '_>, name: &str, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let bound = at.bound()?;
    let mut new = flags(bound.tree);
    let on = value == "true";
    if new.contains(&name) == on {
        return Ok(());
    }
    if on {
        new.push(name)
    } else {
        new.retain(|flag| *flag != name)
    }
    if new.is_empty() {
        new.push("none");
    }
    let new: Vec<String> = new.into_iter().map(str::to_string).collect();
    let old = bound.tree.get("ra_flags");
    draft.set(DHCP, bound.name, "ra_flags", network::refit(old, &new))
}

/// `AdvManagedFlag`.
pub fn managed<'s>(at: &At<'_, 's>) -> Value<'s> {
    flag(at, "managed-config")
}

/// Writes `managed-config` of `ra_flags`.
pub fn set_managed(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_flag(at, "managed-config", value, draft)
}

/// `AdvOtherConfigFlag`.
pub fn other_config<'s>(at: &At<'_, 's>) -> Value<'s> {
    flag(at, "other-config")
}

/// Writes `other-config` of `ra_flags`.
pub fn set_other_config(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_flag(at, "other-config", value, draft)
}

/// `AdvMobileAgentFlag`.
pub fn home_agent<'s>(at: &At<'_, 's>) -> Value<'s> {
    flag(at, "home-agent")
}

/// Writes `home-agent` of `ra_flags`.
pub fn set_home_agent(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_flag(at, "home-agent", value, draft)
}

fn own_servers(section: &Tree) -> Vec<&str> {
    network::words(section.get("dns")).into_iter().filter(|server| server.contains(':')).collect()
}

/// `RDNSSMode`: static where an IPv6 server is listed, else the router's link-local address.
pub fn rdnss_mode<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(Some(if own_servers(at.bound()?.tree).is_empty() { "LLA" } else { "Static" }.into()))
}

/// Without a server in RDNSS there is only the router itself; `LLA` takes the listed ones away.
pub fn set_rdnss_mode(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if value == "LLA" { set_rdnss(at, "", draft) } else { Ok(()) }
}

/// `RDNSS`: the IPv6 servers of the list `dns`.
pub fn rdnss<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(Some(own_servers(at.bound()?.tree).join(",").into()))
}

/// Writes the IPv6 servers of the list `dns`, which DHCPv6 tells too; the IPv4 ones stay.
pub fn set_rdnss(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if rdnss(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let bound = at.bound()?;
    let old = bound.tree.get("dns");
    let six = value.split(',').filter(|server| !server.is_empty());
    let four = network::words(old).into_iter().filter(|server| !server.contains(':'));
    let new: Vec<String> = six.chain(four).map(str::to_string).collect();
    draft.set(DHCP, bound.name, "dns", network::refit(old, &new))
}

/// Deletes the row; its section stays where it plays another role.
pub fn delete_setting(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    RA.delete(at, OPTIONS, draft)
}
