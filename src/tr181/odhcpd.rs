//! What odhcpd's two services, router advertisements and DHCPv6, have in common: a `config dhcp` section per network.
//!
//! A section is a DHCPv4 pool too. One that a manager added for one of them says in `cpe_role` which it plays, so that it
//! is no row of the others; with its last role it goes. Driven by the families of these objects.

use super::network::{self, unfit};
use crate::dm::edit::{Change, Edit};
use crate::dm::error::Refusal;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, Bound, View};
use crate::dm::write::Draft;

/// The package of the settings.
pub const DHCP: &str = "uci:dhcp";
/// The role of a DHCPv4 pool.
pub const POOL: &str = "pool";
/// Every role.
const ROLES: [&str; 3] = [POOL, RA.role, DHCPV6.role];
/// Most prefixes that a list refers to. Source: TR-181, the lists of IPv6Prefix rows.
const MAX_PREFIXES: usize = 8;

/// Router advertisements.
pub const RA: Service = Service { role: "ra", kept: "cpe_ra" };
/// DHCPv6.
pub const DHCPV6: Service = Service { role: "dhcpv6", kept: "cpe_dhcpv6" };

/// A service: the option that holds its mode, which is its role too, and where the mode waits while the whole is off.
pub struct Service {
    role: &'static str,
    kept: &'static str,
}

/// Whether a section plays a role.
pub fn plays(section: &Tree, role: &str) -> bool {
    section.get("cpe_role").is_none_or(|roles| network::words(Some(roles)).contains(&role))
}

/// Takes a role from a section, which goes with its last.
pub fn give_up(bound: &Bound<'_>, role: &str, draft: &mut Draft) -> Result<(), Stop> {
    let left: Vec<&str> = ROLES.into_iter().filter(|left| *left != role && plays(bound.tree, left)).collect();
    match left.as_slice() {
        [] => draft.remove(DHCP, bound.name),
        left => draft.set_text(DHCP, bound.name, "cpe_role", &left.join(" ")),
    }
}

/// Moves the row's section to the place of the section that has the order now, among `rows` in file order.
pub fn set_order(at: &At<'_, '_>, rows: &[&str], value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let bound = at.bound()?;
    let target = value.parse::<usize>().ok().and_then(|order| rows.get(order.checked_sub(1)?));
    let target = target.ok_or_else(|| unfit("a place among the rows"))?;
    let sections = at.tree(DHCP)?.map_or(&[][..], Tree::entries);
    let place = |wanted: &str| sections.iter().position(|(name, _)| &**name == wanted);
    let (Some(from), Some(to)) = (place(bound.name), place(target)) else {
        return Err(Refusal::Backend("the section is gone".into()).into());
    };
    draft.edit(Edit { source: DHCP.into(), section: bound.name.into(), change: Change::Move { from, to } })
}

/// The paths of the prefixes that netifd has assigned to a network.
pub fn prefixes<'s>(at: &At<'_, 's>, name: &str) -> Value<'s> {
    let Some(interface) = at.view.path_of("Device.IP.Interface", name)? else { return Ok(None) };
    let wanted: Vec<String> = assigned(at.view, name)?
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
    paths.truncate(MAX_PREFIXES);
    Ok(Some(paths.join(",").into()))
}

/// The prefixes that netifd has assigned to a network.
pub fn assigned<'s>(view: &View<'s>, name: &str) -> Result<&'s [Tree], Stop> {
    let state = network::state(view, name)?;
    Ok(state.and_then(|state| state.get("ipv6-prefix-assignment")).map_or(&[], Tree::items))
}

/// A truth value.
pub fn word<'s>(yes: bool) -> Value<'s> {
    Ok(Some(if yes { "true" } else { "false" }.into()))
}

impl Service {
    /// The sections that are rows: those that play the role, but for those with `ignore` on an upstream network.
    pub fn sections<'s>(&self, view: &View<'s>) -> Result<Vec<(&'s str, &'s Tree)>, Stop> {
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
            if !(ignored && upstream) && plays(section, self.role) {
                out.push((name, section));
            }
        }
        Ok(out)
    }

    /// odhcpd's own section says whether the service as a whole is off.
    fn all_off(&self, view: &View<'_>) -> Result<bool, Stop> {
        Ok(common(view)?.is_some_and(|(_, section)| section.str(self.kept) == Some("0")))
    }

    /// How a section serves: `server`, `relay`, `hybrid` or `disabled`, whatever the whole service does.
    fn mode<'s>(&self, section: &'s Tree) -> &'s str {
        if network::flag(section.str("ignore")) == Some(true) {
            return "disabled";
        }
        section.str(self.kept).or_else(|| section.str(self.role)).unwrap_or("disabled")
    }

    /// Whether a section does not serve now, by itself or with the whole.
    pub fn off(&self, view: &View<'_>, section: &Tree) -> Result<bool, Stop> {
        Ok(self.mode(section) == "disabled" || self.all_off(view)?)
    }

    /// Whether the whole is on: what was written, else whether any network is served.
    pub fn enable<'s>(&self, at: &At<'_, 's>) -> Value<'s> {
        if let Some(said) = common(at.view)?.and_then(|(_, section)| network::flag(section.str(self.kept))) {
            return word(said);
        }
        word(self.sections(at.view)?.iter().any(|(_, section)| self.mode(section) != "disabled"))
    }

    /// Switches every network off and remembers how each was served, or brings that back.
    pub fn set_enable(&self, at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
        if self.enable(at)?.as_deref() == Some(value) {
            return Ok(());
        }
        let (name, _) = common(at.view)?.ok_or_else(|| unfit("nothing without odhcpd's section"))?;
        for (section, tree) in self.sections(at.view)? {
            if value == "true" {
                if let Some(then) = tree.get(self.kept).cloned() {
                    draft.set(DHCP, section, self.role, Some(then))?;
                    draft.set(DHCP, section, self.kept, None)?;
                }
            } else if self.mode(tree) != "disabled" {
                draft.set_text(DHCP, section, self.kept, self.mode(tree))?;
                draft.set_text(DHCP, section, self.role, "disabled")?;
            }
        }
        draft.set_text(DHCP, name, self.kept, if value == "true" { "1" } else { "0" })
    }

    /// Whether the row's network is served, by the router itself or by relay.
    pub fn row_enable<'s>(&self, at: &At<'_, 's>) -> Value<'s> {
        word(self.mode(at.bound()?.tree) != "disabled")
    }

    /// Writes the mode; switching on takes `ignore` away. While the whole is off it is written for later.
    pub fn set_row_enable(&self, at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
        if self.row_enable(at)?.as_deref() == Some(value) {
            return Ok(());
        }
        let bound = at.bound()?;
        if value == "true" && network::flag(bound.tree.str("ignore")) == Some(true) {
            draft.set(DHCP, bound.name, "ignore", None)?;
            // What `ignore` kept from serving stays as it was.
            for other in ["dhcpv4", RA.role, DHCPV6.role].into_iter().filter(|other| *other != self.role) {
                if other == "dhcpv4" || bound.tree.get(other).is_some() {
                    draft.set_text(DHCP, bound.name, other, "disabled")?;
                }
            }
        }
        let option = if self.all_off(at.view)? { self.kept } else { self.role };
        draft.set_text(DHCP, bound.name, option, if value == "true" { "server" } else { "disabled" })
    }

    /// `Status`: odhcpd runs and the network is up.
    pub fn row_status<'s>(&self, at: &At<'_, 's>) -> Value<'s> {
        let section = at.bound()?.tree;
        if self.off(at.view, section)? {
            return Ok(Some("Disabled".into()));
        }
        let state = network::state(at.view, section.str("interface").unwrap_or_default())?;
        let fit = state.is_some_and(network::is_up) && network::running(at.view, "odhcpd")?;
        Ok(Some(if fit { "Enabled" } else { "Error_Misconfigured" }.into()))
    }

    /// Deletes the row: its options go, and the section with its last role.
    pub fn delete(&self, at: &At<'_, '_>, options: &[&str], draft: &mut Draft) -> Result<(), Stop> {
        let bound = at.bound()?;
        for option in [self.role, self.kept].iter().chain(options) {
            draft.set(DHCP, bound.name, option, None)?;
        }
        give_up(bound, self.role, draft)
    }
}

/// odhcpd's own section, where the switch of a whole service is kept.
fn common<'s>(view: &View<'s>) -> Result<Option<(&'s str, &'s Tree)>, Stop> {
    Ok(view.sections(DHCP, "odhcpd")?.first().copied())
}
