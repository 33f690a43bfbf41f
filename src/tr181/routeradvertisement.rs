//! Device.RouterAdvertisement.: odhcpd's settings, in what lines cannot say.

use super::network::{self, unfit};
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, View};
use crate::dm::write::Draft;

/// The package of odhcpd's settings.
const DHCP: &str = "uci:dhcp";
/// What odhcpd's options for router advertisements are, gone with a deleted row.
const OPTIONS: &[&str] = &[
    "ra",
    "cpe_ra",
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
///
/// Left out are sections with `ignore` on an upstream network and those that only hold a DHCPv4 pool.
pub fn advertisements(view: &View<'_>) -> Result<Tree, Stop> {
    let mut rows = Tree::Map(Vec::new());
    for (name, _) in sections(view)? {
        let bound = [(".source", Tree::from(DHCP)), (".section", Tree::from(name))];
        rows.set(name, Tree::map(bound));
    }
    Ok(rows)
}

fn sections<'s>(view: &View<'s>) -> Result<Vec<(&'s str, &'s Tree)>, Stop> {
    let mut out = Vec::new();
    for (name, section) in view.sections(DHCP, "dhcp")? {
        let interface = section.str("interface").unwrap_or_default();
        let network = network::section(view, "uci:network", interface)?;
        let upstream = network.is_some_and(|network| {
            network.str("proto") != Some("static")
                || network.get("gateway").is_some()
                || network.get("ip6gw").is_some()
        });
        let ignored = network::flag(section.str("ignore")) == Some(true);
        if !(ignored && upstream) && section.str("cpe_role") != Some("pool") {
            out.push((name, section));
        }
    }
    Ok(out)
}

/// odhcpd's own section, where the switch of the whole service is kept.
fn common<'s>(view: &View<'s>) -> Result<Option<(&'s str, &'s Tree)>, Stop> {
    Ok(view.sections(DHCP, "odhcpd")?.first().copied())
}

fn all_off(view: &View<'_>) -> Result<bool, Stop> {
    Ok(common(view)?.is_some_and(|(_, section)| section.str("cpe_ra") == Some("0")))
}

/// How a section advertises: `server`, `relay`, `hybrid` or `disabled`, whatever the whole service does.
fn mode(section: &Tree) -> &str {
    if network::flag(section.str("ignore")) == Some(true) {
        return "disabled";
    }
    section.str("cpe_ra").or_else(|| section.str("ra")).unwrap_or("disabled")
}

fn word<'s>(yes: bool) -> Value<'s> {
    Ok(Some(if yes { "true" } else { "false" }.into()))
}

/// `Enable`: what was written, else whether any interface advertises.
pub fn enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    if let Some(said) = common(at.view)?.and_then(|(_, section)| network::flag(section.str("cpe_ra"))) {
        return word(said);
    }
    word(sections(at.view)?.iter().any(|(_, section)| mode(section) != "disabled"))
}

/// Switches every interface off and remembers how each advertised, or brings that back.
pub fn set_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if enable(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let (name, _) = common(at.view)?.ok_or_else(|| unfit("nothing without odhcpd's section"))?;
    for (section, tree) in sections(at.view)? {
        if value == "true" {
            if let Some(then) = tree.get("cpe_ra").cloned() {
                draft.set(DHCP, section, "ra", Some(then))?;
                draft.set(DHCP, section, "cpe_ra", None)?;
            }
        } else if mode(tree) != "disabled" {
            draft.set_text(DHCP, section, "cpe_ra", mode(tree))?;
            draft.set_text(DHCP, section, "ra", "disabled")?;
        }
    }
    draft.set_text(DHCP, name, "cpe_ra", if value == "true" { "1" } else { "0" })
}

/// `InterfaceSetting.Enable`: the interface advertises, itself or by relay.
pub fn setting_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    word(mode(at.bound()?.tree) != "disabled")
}

/// Writes `ra`; switching on takes `ignore` away. While the whole service is off it is written for later.
pub fn set_setting_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if setting_enable(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let bound = at.bound()?;
    if value == "true" && network::flag(bound.tree.str("ignore")) == Some(true) {
        draft.set(DHCP, bound.name, "ignore", None)?;
        // What `ignore` kept from serving stays as it was.
        draft.set_text(DHCP, bound.name, "dhcpv4", "disabled")?;
    }
    let option = if all_off(at.view)? { "cpe_ra" } else { "ra" };
    draft.set_text(DHCP, bound.name, option, if value == "true" { "server" } else { "disabled" })
}

/// `Status`: odhcpd runs and the interface is up.
pub fn setting_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    let section = at.bound()?.tree;
    if mode(section) == "disabled" || all_off(at.view)? {
        return Ok(Some("Disabled".into()));
    }
    let state = network::state(at.view, section.str("interface").unwrap_or_default())?;
    let fit = state.is_some_and(network::is_up) && network::running(at.view, "odhcpd")?;
    Ok(Some(if fit { "Enabled" } else { "Error_Misconfigured" }.into()))
}

/// `Prefixes`: the rows of the prefixes that are assigned to the interface.
pub fn prefixes<'s>(at: &At<'_, 's>) -> Value<'s> {
    let name = at.opt("interface").unwrap_or_default();
    if mode(at.bound()?.tree) == "disabled" || all_off(at.view)? {
        return Ok(None);
    }
    let Some(interface) = at.view.path_of("Device.IP.Interface", name)? else { return Ok(None) };
    let assigned = network::state(at.view, name)?.and_then(|state| state.get("ipv6-prefix-assignment"));
    let wanted: Vec<String> = assigned
        .map_or(&[][..], Tree::items)
        .iter()
        .filter_map(|prefix| Some(format!("{}/{}", prefix.str("address")?, prefix.str("mask")?)))
        .collect();
    let within = format!("{}.", interface.trim_end_matches('.'));
    let mut paths = Vec::new();
    for row in at.view.all_rows("Device.IP.Interface.{i}.IPv6Prefix")? {
        let prefix = row.item.str("address").unwrap_or(&row.key);
        if row.path.starts_with(&within) && wanted.iter().any(|wanted| wanted == prefix) {
            paths.push(row.path.trim_end_matches('.').to_string());
        }
    }
    paths.truncate(8);
    Ok(Some(paths.join(",").into()))
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

/// Deletes the row; its section stays where it also holds a DHCPv4 pool or serves DHCPv6.
pub fn delete_setting(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let bound = at.bound()?;
    let six = bound.tree.str("dhcpv6").is_some_and(|mode| mode != "disabled");
    if !six && bound.tree.str("cpe_role") == Some("ra") {
        return draft.remove(DHCP, bound.name);
    }
    for option in OPTIONS {
        draft.set(DHCP, bound.name, option, None)?;
    }
    draft.set_text(DHCP, bound.name, "cpe_role", "pool")
}
