//! DHCPv4 pools: `config dhcp` sections as dnsmasq's init script reads them.

use super::{items, lease, options};
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, Bound, View};
use crate::dm::write::Draft;
use crate::tr181::network::{self, Subnet, unfit};
use crate::tr181::odhcpd;
use crate::tr181::optionlist;
use std::borrow::Cow;
use std::net::Ipv4Addr;

/// The package that pools live in.
pub(super) const DHCP: &str = "uci:dhcp";
/// First host number of a pool that does not say it. Source: dnsmasq's init script.
const START: u32 = 100;
/// How many addresses a pool has that does not say it. Source: dnsmasq's init script.
const LIMIT: u32 = 150;
/// One pool as the tree builder sees it.
pub(super) struct Pool<'s> {
    /// The section's name of this reading.
    pub name: &'s str,
    /// The section.
    pub section: &'s Tree,
    /// The network it serves, if that has IPv4.
    pub subnet: Option<Subnet>,
    /// Its first and last address.
    pub range: Option<(u32, u32)>,
}

/// The pools in file order.
///
/// Left out are sections with `ignore` on an upstream network, those of a network without IPv4, and those that only
/// hold settings for router advertisements.
pub(super) fn all<'s>(view: &View<'s>) -> Result<Vec<Pool<'s>>, Stop> {
    let mut pools = Vec::new();
    for (name, section) in view.sections(DHCP, "dhcp")? {
        let interface = section.str("interface").unwrap_or_default();
        let network = network::section(view, "uci:network", interface)?;
        if !odhcpd::plays(section, odhcpd::POOL) || network.is_some_and(|network| left_out(section, network))
        {
            continue;
        }
        let length = section.str("netmask").and_then(network::prefix_length);
        let subnet = network::subnet(view, interface)?
            .map(|own| Subnet { length: length.unwrap_or(own.length), ..own });
        let range =
            subnet.map(|net| range(net, host(section, "start", START), host(section, "limit", LIMIT)));
        pools.push(Pool { name, section, subnet, range });
    }
    Ok(pools)
}

/// Whether a section is there to keep DHCP away from an upstream network, or its network has no IPv4.
pub(crate) fn left_out(section: &Tree, network: &Tree) -> bool {
    let fixed = network.str("proto") == Some("static");
    let upstream = !fixed || network.get("gateway").is_some() || network.get("ip6gw").is_some();
    let ignored = section.str("ignore").and_then(crate::dm::eval::boolean).unwrap_or(false);
    ignored && upstream || fixed && network.get("ipaddr").is_none() || network.str("proto") == Some("none")
}

fn host(section: &Tree, option: &str, default: u32) -> u32 {
    section.str(option).and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// First and last address; the last one stays below the broadcast address.
fn range(net: Subnet, start: u32, limit: u32) -> (u32, u32) {
    let first = net.base().saturating_add(start).min(net.last());
    let last = first.saturating_add(limit.saturating_sub(1)).min(net.last().saturating_sub(1));
    (first, last.max(first))
}

/// The pool that an address belongs to: the one whose range holds it, else the first whose network does.
pub(super) fn home<'a, 's>(pools: &'a [Pool<'s>], address: Ipv4Addr) -> Option<&'a Pool<'s>> {
    let bits = u32::from(address);
    let ranged = pools.iter().find(|p| p.range.is_some_and(|(first, last)| (first..=last).contains(&bits)));
    ranged.or_else(|| pools.iter().find(|pool| pool.subnet.is_some_and(|net| net.holds(address))))
}

/// The pools by section name, each with its order, options, static addresses and leases.
pub(super) fn pools(view: &View<'_>) -> Result<Tree, Stop> {
    let pools = all(view)?;
    let leases = lease::leases(view)?;
    let hosts = view.sections(DHCP, "host")?;
    let mut out = Tree::Map(Vec::new());
    for (order, pool) in pools.iter().enumerate() {
        let mut statics = Tree::Map(Vec::new());
        for (name, section) in &hosts {
            if is_static(section) && owner(&pools, section).is_some_and(|owner| owner.name == pool.name) {
                let bound = [(".source", Tree::from(DHCP)), (".section", Tree::from(*name))];
                statics.set(name, Tree::map(bound));
            }
        }
        let mine = leases
            .iter()
            .filter(|lease| home(&pools, lease.address).is_some_and(|owner| owner.name == pool.name));
        let fields = [
            (".source", Tree::from(DHCP)),
            (".section", Tree::from(pool.name)),
            ("order", (order + 1).to_string().into()),
            ("options", optionlist::rows(&items::load(pool.section))),
            ("statics", statics),
            ("leases", lease::rows(mine)),
        ];
        out.set(pool.name, Tree::map(fields));
    }
    Ok(out)
}

/// Whether a `host` gives an address to a device; one without a device only keeps its address free.
fn is_static(section: &Tree) -> bool {
    let placed = section.str("ip").is_some_and(|ip| ip.parse::<Ipv4Addr>().is_ok());
    section.get("mac").is_some() && placed || section.get("cpe_pool").is_some()
}

/// The pool that a `host` belongs to: by its address, and while it has none by the pool it was made in.
fn owner<'a, 's>(pools: &'a [Pool<'s>], section: &Tree) -> Option<&'a Pool<'s>> {
    if let Some(address) = section.str("ip").and_then(|ip| ip.parse().ok()) {
        return home(pools, address);
    }
    let made = section.str("cpe_pool")?;
    pools.iter().find(|pool| pool.name == made || pool.section.str("interface") == Some(made))
}

/// The pool of the row that is evaluated.
fn pool<'s>(at: &At<'_, 's>) -> Result<Option<Pool<'s>>, Stop> {
    let name = at.bound()?.name;
    Ok(all(at.view)?.into_iter().find(|pool| pool.name == name))
}

fn address(bits: u32) -> String {
    Ipv4Addr::from(bits).to_string()
}

/// `MinAddress`: the network's base and `start`.
pub fn pool_min<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(pool(at)?.and_then(|pool| pool.range).map(|(first, _)| address(first).into()))
}

/// `MaxAddress`: `limit` addresses from the first, below the broadcast address.
pub fn pool_max<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(pool(at)?.and_then(|pool| pool.range).map(|(_, last)| address(last).into()))
}

/// Moves the first address; the last one stays, or moves up to it.
pub fn set_pool_min(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let Some((net, (first, last), wanted)) = bounds(at, value)? else { return Err(no_network()) };
    if wanted != first {
        put_range(at, net, wanted, last.max(wanted), draft)?;
    }
    Ok(())
}

/// Moves the last address; the first one stays.
pub fn set_pool_max(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let Some((net, (first, last), wanted)) = bounds(at, value)? else { return Err(no_network()) };
    if wanted < first {
        return Err(unfit("an address not below MinAddress"));
    }
    if wanted != last {
        put_range(at, net, first, wanted, draft)?;
    }
    Ok(())
}

fn no_network() -> Stop {
    unfit("nothing before the pool has an interface with an IPv4 network")
}

type Bounds = (Subnet, (u32, u32), u32);

fn bounds(at: &At<'_, '_>, value: &str) -> Result<Option<Bounds>, Stop> {
    let Some(pool) = pool(at)? else { return Ok(None) };
    let (Some(net), Some(range)) = (pool.subnet, pool.range) else { return Ok(None) };
    let wanted: Option<Ipv4Addr> = value.parse().ok();
    let wanted = wanted.filter(|wanted| net.holds(*wanted)).map(u32::from);
    let wanted = wanted.filter(|wanted| (net.base().saturating_add(1)..net.last()).contains(wanted));
    Ok(Some((net, range, wanted.ok_or_else(|| unfit("a host address of the interface's network"))?)))
}

fn put_range(at: &At<'_, '_>, net: Subnet, first: u32, last: u32, draft: &mut Draft) -> Result<(), Stop> {
    let bound = at.bound()?;
    draft.set_text(DHCP, bound.name, "start", &(first - net.base()).to_string())?;
    draft.set_text(DHCP, bound.name, "limit", &(last - first + 1).to_string())
}

/// `SubnetMask`: the pool's own, else the network's.
pub fn pool_mask<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(pool(at)?.and_then(|pool| pool.subnet).map(|net| network::dotted(net.length).into()))
}

/// Gives the pool a mask of its own; none where it is the network's.
pub fn set_pool_mask(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if pool_mask(at)?.unwrap_or_default() == value {
        return Ok(());
    }
    let bound = at.bound()?;
    let net = network::subnet(at.view, bound.tree.str("interface").unwrap_or_default())?;
    let length = network::prefix_length(value).ok_or_else(|| unfit("a mask without holes"))?;
    let own = if net.is_some_and(|net| net.length == length) { "" } else { value };
    draft.set_text(DHCP, bound.name, "netmask", own)
}

/// The value of the last item for a tag, as text; the empty text for an item that sends nothing.
fn option_text(section: &Tree, tag: u8) -> Option<&str> {
    let items = network::items(section.get("dhcp_option"));
    items.into_iter().rev().filter_map(options::split).find(|(known, _)| *known == tag).map(|(_, text)| text)
}

fn odhcpd_serves(view: &View<'_>) -> Result<bool, Stop> {
    let odhcpd = view.sections(DHCP, "odhcpd")?;
    Ok(odhcpd.first().is_some_and(|(_, section)| network::flag(section.str("maindhcp")) == Some(true)))
}

/// A list of addresses that an option sends; without the item the router's own address, as dnsmasq does.
fn addresses<'s>(at: &At<'_, 's>, tag: u8, list: &str, own: bool) -> Value<'s> {
    let section = at.bound()?.tree;
    if !list.is_empty() && odhcpd_serves(at.view)? {
        let words = network::words(section.get(list));
        let words: Vec<&str> = words.into_iter().filter(|word| !word.contains(':')).collect();
        if !words.is_empty() {
            return Ok(Some(words.join(",").into()));
        }
    } else if let Some(text) = option_text(section, tag) {
        return Ok(Some(text.into()));
    }
    if !own {
        return Ok(None);
    }
    let net = network::subnet(at.view, section.str("interface").unwrap_or_default())?;
    Ok(net.map(|net| net.address.to_string().into()))
}

fn set_addresses(at: &At<'_, '_>, tag: u8, list: &str, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let bound = at.bound()?;
    if !list.is_empty() && odhcpd_serves(at.view)? {
        let old = bound.tree.get(list);
        let six = network::words(old).into_iter().filter(|word| word.contains(':')).map(str::to_string);
        let four = value.split(',').filter(|word| !word.is_empty()).map(str::to_string);
        let words: Vec<String> = six.chain(four).collect();
        return draft.set(DHCP, bound.name, list, network::refit(old, &words));
    }
    put_option(bound, tag, value, draft)
}

/// Makes the pool send `value` for a tag; the empty text makes it send nothing.
fn put_option(bound: &Bound<'_>, tag: u8, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let text = if value.is_empty() { tag.to_string() } else { format!("{tag},{value}") };
    let mut texts: Vec<String> = Vec::new();
    let mut put = false;
    for item in network::items(bound.tree.get("dhcp_option")) {
        if options::split(item).is_some_and(|(known, _)| known == tag) {
            if !put {
                texts.push(text.clone());
            }
            put = true;
        } else {
            texts.push(item.to_string());
        }
    }
    if !put {
        texts.push(text);
    }
    optionlist::put(bound, "dhcp_option", texts, draft)
}

/// `IPRouters`: option 3, else the router itself.
pub fn pool_routers<'s>(at: &At<'_, 's>) -> Value<'s> {
    addresses(at, 3, "router", true)
}

/// Writes option 3.
pub fn set_pool_routers(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    changed(pool_routers(at)?, value, || set_addresses(at, 3, "router", value, draft))
}

/// `DNSServers`: option 6, else the router itself.
pub fn pool_dns<'s>(at: &At<'_, 's>) -> Value<'s> {
    addresses(at, 6, "dns", true)
}

/// Writes option 6.
pub fn set_pool_dns(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    changed(pool_dns(at)?, value, || set_addresses(at, 6, "dns", value, draft))
}

/// `WINSServers`: option 44.
pub fn pool_wins<'s>(at: &At<'_, 's>) -> Value<'s> {
    addresses(at, 44, "", false)
}

/// Writes option 44.
pub fn set_pool_wins(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    changed(pool_wins(at)?, value, || set_addresses(at, 44, "", value, draft))
}

/// `DomainName`: option 15, else the domain that dnsmasq gives to all.
pub fn pool_domain<'s>(at: &At<'_, 's>) -> Value<'s> {
    if let Some(text) = option_text(at.bound()?.tree, 15) {
        return Ok(Some(text.into()));
    }
    let dnsmasq = at.view.sections(DHCP, "dnsmasq")?;
    Ok(dnsmasq.first().and_then(|(_, section)| section.str("domain")).map(Cow::Borrowed))
}

/// Writes option 15.
pub fn set_pool_domain(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if value.contains([',', ' ', '"']) {
        return Err(unfit("a domain name"));
    }
    changed(pool_domain(at)?, value, || put_option(at.bound()?, 15, value, draft))
}

fn changed(
    now: Option<Cow<'_, str>>,
    value: &str,
    set: impl FnOnce() -> Result<(), Stop>,
) -> Result<(), Stop> {
    if now.unwrap_or_default() == value { Ok(()) } else { set() }
}

/// A `host` that only keeps its address from being handed out.
fn reserved<'s>(at: &At<'_, 's>) -> Result<Vec<(&'s str, Ipv4Addr)>, Stop> {
    let Some(mine) = pool(at)? else { return Ok(Vec::new()) };
    let pools = all(at.view)?;
    let mut out = Vec::new();
    for (name, section) in at.view.sections(DHCP, "host")? {
        let Some(address) = section.str("ip").and_then(|ip| ip.parse::<Ipv4Addr>().ok()) else { continue };
        let inside = mine.range.is_some_and(|(first, last)| (first..=last).contains(&u32::from(address)));
        let plain = ["mac", "duid", "cpe_pool", "tag"].iter().all(|option| section.get(option).is_none());
        let off = section.str("enable").and_then(crate::dm::eval::boolean) == Some(false);
        if plain && inside && !off && home(&pools, address).is_some_and(|owner| owner.name == mine.name) {
            out.push((name, address));
        }
    }
    Ok(out)
}

/// `ReservedAddresses`: addresses of the range that a `host` without a device keeps free.
pub fn pool_reserved<'s>(at: &At<'_, 's>) -> Value<'s> {
    let found: Vec<String> = reserved(at)?.iter().map(|(_, address)| address.to_string()).collect();
    Ok(Some(found.join(",").into()))
}

/// Keeps addresses free by a `host` with a name that no device has; refuses addresses outside the range.
pub fn set_pool_reserved(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let old = reserved(at)?;
    let wanted = value.split(',').filter(|text| !text.is_empty()).map(str::parse);
    let wanted: Vec<Ipv4Addr> = wanted.collect::<Result<_, _>>().map_err(|_| unfit("IPv4 addresses"))?;
    for (name, address) in &old {
        if !wanted.contains(address) {
            draft.remove(DHCP, name)?;
        }
    }
    for address in wanted {
        if !old.iter().any(|(_, known)| *known == address) {
            let name = format!("cpe_reserved_{}", address.to_string().replace('.', "_"));
            draft.add(DHCP, &name, "host")?;
            draft.set_text(DHCP, &name, "name", &name.replace('_', "-"))?;
            draft.set_text(DHCP, &name, "ip", &address.to_string())?;
        }
    }
    Ok(())
}

/// Moves the pool's section to the place of the pool that has the order now.
pub fn set_pool_order(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("order") == Some(value) {
        return Ok(());
    }
    let pools = all(at.view)?;
    let names: Vec<&str> = pools.iter().map(|pool| pool.name).collect();
    odhcpd::set_order(at, &names, value, draft)
}

/// The section that holds what is common to all pools.
fn common<'s>(view: &View<'s>) -> Result<Option<(&'s str, &'s Tree)>, Stop> {
    Ok(view.sections(DHCP, "dnsmasq")?.first().copied())
}

fn server_off(view: &View<'_>) -> Result<bool, Stop> {
    Ok(common(view)?.is_some_and(|(_, section)| section.str("cpe_dhcpv4") == Some("0")))
}

/// Whether the section itself says that its pool serves, whatever the whole server does.
fn wanted(view: &View<'_>, section: &Tree) -> Result<bool, Stop> {
    if section.str("ignore").and_then(crate::dm::eval::boolean) == Some(true) {
        return Ok(false);
    }
    let word = section.str("cpe_dhcpv4").or_else(|| section.str("dhcpv4"));
    // odhcpd wants the word; dnsmasq serves unless it is told not to.
    Ok(if odhcpd_serves(view)? { word == Some("server") } else { word != Some("disabled") })
}

/// `Pool.Enable`: neither `ignore` nor `dhcpv4` keeps it from serving.
pub fn pool_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    let on = wanted(at.view, at.bound()?.tree)?;
    Ok(Some(if on { "true" } else { "false" }.into()))
}

/// Writes `dhcpv4`; switching on takes `ignore` away. While the whole server is off it is written for later.
pub fn set_pool_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if pool_enable(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let bound = at.bound()?;
    let option = if server_off(at.view)? { "cpe_dhcpv4" } else { "dhcpv4" };
    if value == "true" {
        draft.set(DHCP, bound.name, "ignore", None)?;
    }
    draft.set_text(DHCP, bound.name, option, if value == "true" { "server" } else { "disabled" })
}

/// `Pool.Status`: dnsmasq serves networks that are up with a static address; odhcpd any that is up.
pub fn pool_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    let section = at.bound()?.tree;
    if !wanted(at.view, section)? || server_off(at.view)? {
        return Ok(Some("Disabled".into()));
    }
    let odhcpd = odhcpd_serves(at.view)?;
    let state = network::state(at.view, section.str("interface").unwrap_or_default())?;
    let fit =
        state.is_some_and(|state| network::is_up(state) && (odhcpd || state.str("proto") == Some("static")));
    let runs = network::running(at.view, if odhcpd { "odhcpd" } else { "dnsmasq" })?;
    Ok(Some(if fit && runs { "Enabled" } else { "Error_Misconfigured" }.into()))
}

/// `Server.Enable`: what was written, else whether any pool is on.
pub fn server_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    let said = common(at.view)?.and_then(|(_, section)| network::flag(section.str("cpe_dhcpv4")));
    let on = match said {
        Some(on) => on,
        None => {
            let mut any = false;
            for pool in all(at.view)? {
                any |= wanted(at.view, pool.section)?;
            }
            any
        }
    };
    Ok(Some(if on { "true" } else { "false" }.into()))
}

/// Switches every pool off and remembers which were on, or brings those back.
pub fn set_server_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if server_enable(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let (name, _) = common(at.view)?.ok_or_else(|| unfit("nothing without dnsmasq's section"))?;
    for pool in all(at.view)? {
        let now = pool.section.get("dhcpv4").cloned();
        if value == "true" {
            if let Some(then) = pool.section.get("cpe_dhcpv4").cloned() {
                draft.set(DHCP, pool.name, "dhcpv4", Some(then))?;
                draft.set(DHCP, pool.name, "cpe_dhcpv4", None)?;
            }
        } else if wanted(at.view, pool.section)? {
            draft.set(DHCP, pool.name, "cpe_dhcpv4", Some(now.unwrap_or("server".into())))?;
            draft.set_text(DHCP, pool.name, "dhcpv4", "disabled")?;
        }
    }
    draft.set_text(DHCP, name, "cpe_dhcpv4", if value == "true" { "1" } else { "0" })
}

/// Deletes the pool; its section stays where it also holds settings for IPv6.
pub fn delete_pool(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let bound = at.bound()?;
    let six = ["ra", "dhcpv6", "ndp"]
        .iter()
        .any(|option| bound.tree.str(option).is_some_and(|mode| mode != "disabled"));
    if !six {
        return draft.remove(DHCP, bound.name);
    }
    draft.set_text(DHCP, bound.name, "dhcpv4", "disabled")?;
    for option in ["start", "limit", "leasetime", "netmask", "dhcp_option", "cpe_dhcp_option", "cpe_dhcpv4"] {
        draft.set(DHCP, bound.name, option, None)?;
    }
    odhcpd::give_up(bound, odhcpd::POOL, draft)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_range_starts_at_the_host_number_and_ends_below_broadcast() {
        for (net, start, limit, want) in [
            ("192.168.1.1/24", 100, 150, ("192.168.1.100", "192.168.1.249")),
            ("10.64.1.1/23", 300, 150, ("10.64.1.44", "10.64.1.193")),
            ("10.0.0.1/24", 200, 150, ("10.0.0.200", "10.0.0.254")),
            ("10.0.0.1/24", 2, 0, ("10.0.0.2", "10.0.0.2")),
        ] {
            let (first, last) = range(Subnet::parse(net, None).unwrap(), start, limit);
            assert_eq!((address(first).as_str(), address(last).as_str()), want, "{net}");
        }
    }
}
