//! Who has an address: dnsmasq's lease file, or odhcpd's leases where it is the DHCPv4 server.

use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, View};
use crate::time::{INFINITE, Wall};
use crate::tr181::optionlist;
use std::net::Ipv4Addr;

/// Most leases that become rows.
const MAX_LEASES: usize = 1024;

/// One lease that has not ended.
pub(super) struct Lease {
    /// The client's hardware address, in lower case.
    chaddr: String,
    /// The address it has.
    pub address: Ipv4Addr,
    /// When it ends, as dateTime.
    ends: String,
    /// The name the client gave, if any.
    hostname: Option<String>,
    /// The client identifier, if the client sent one.
    id: Option<Vec<u8>>,
}

/// The leases that have not ended; all of them while the time is not known.
pub(super) fn leases(view: &View<'_>) -> Result<Vec<Lease>, Stop> {
    let odhcpd = view.sections("uci:dhcp", "odhcpd")?;
    if odhcpd.first().is_some_and(|(_, odhcpd)| odhcpd.str("maindhcp") == Some("1")) {
        return odhcpd_leases(view);
    }
    let dnsmasq = view.sections("uci:dhcp", "dnsmasq")?;
    let file = dnsmasq.first().and_then(|(_, dnsmasq)| dnsmasq.str("leasefile"));
    let text = view.tree(&format!("file:{}", file.unwrap_or("/tmp/dhcp.leases")))?;
    let text = text.and_then(Tree::as_str).unwrap_or_default();
    let now = view.snapshot.now.wall.map(|wall| wall.seconds);
    Ok(text.lines().filter_map(|line| parse(line, now)).take(MAX_LEASES).collect())
}

/// `EXPIRY MAC ADDRESS NAME CLIENT-ID`; an unknown name or identifier is `*`, an endless lease ends at 0.
fn parse(line: &str, now: Option<i64>) -> Option<Lease> {
    let mut words = line.split(' ');
    let expiry: i64 = words.next()?.parse().ok()?;
    let chaddr = words.next()?;
    // A hardware type other than Ethernet stands before the address.
    let chaddr = chaddr.rsplit('-').next().unwrap_or(chaddr).to_ascii_lowercase();
    let address = words.next()?.parse().ok()?;
    let mut known = || words.next().filter(|word| *word != "*");
    let hostname = known().map(str::to_string);
    let id = known().and_then(optionlist::unhex);
    if expiry != 0 && now.is_some_and(|now| expiry <= now) {
        return None;
    }
    let ends = if expiry == 0 { INFINITE.to_string() } else { Wall::at(expiry).to_string() };
    Some(Lease { chaddr, address, ends, hostname, id })
}

fn odhcpd_leases(view: &View<'_>) -> Result<Vec<Lease>, Stop> {
    let mut out = Vec::new();
    let devices = view.tree("ubus:dhcp ipv4leases")?.and_then(|reply| reply.get("device"));
    for (_, device) in devices.map_or(&[][..], Tree::entries) {
        for lease in device.get("leases").map_or(&[][..], Tree::items) {
            let (Some(mac), Some(Ok(address))) = (lease.str("mac"), lease.str("address").map(str::parse))
            else {
                continue;
            };
            let digits = mac.replace(':', "").to_ascii_lowercase();
            let pairs: Vec<&str> =
                (0..digits.len()).step_by(2).filter_map(|at| digits.get(at..at + 2)).collect();
            let left: i64 = lease.str("valid").and_then(|left| left.parse().ok()).unwrap_or(-1);
            let ends = match (left, view.snapshot.now.wall) {
                (-1, _) => INFINITE.to_string(),
                (left, Some(now)) => Wall::at(now.seconds).plus(left).to_string(),
                (_, None) => crate::time::UNKNOWN.to_string(),
            };
            let hostname = lease.str("hostname").filter(|name| !name.is_empty()).map(str::to_string);
            out.push(Lease { chaddr: pairs.join(":"), address, ends, hostname, id: None });
        }
    }
    out.truncate(MAX_LEASES);
    Ok(out)
}

/// Leases as rows by hardware address, each with its addresses and the options the server keeps.
pub(super) fn rows<'a>(leases: impl Iterator<Item = &'a Lease>) -> Tree {
    let mut rows = Tree::Map(Vec::new());
    for lease in leases {
        let address = Tree::map([
            ("address", Tree::from(lease.address.to_string())),
            ("ends", lease.ends.as_str().into()),
        ]);
        if let Some(Tree::Map(known)) = rows.get_mut(&lease.chaddr).and_then(|row| row.get_mut("addresses")) {
            known.push((lease.address.to_string().into(), address));
            continue;
        }
        let option = |tag: &str, bytes: &[u8]| {
            (tag.to_string(), Tree::map([("tag", Tree::from(tag)), ("value", optionlist::hex(bytes).into())]))
        };
        let name = lease.hostname.as_ref().map(|name| option("12", name.as_bytes()));
        let id = lease.id.as_ref().map(|id| option("61", id));
        let row = Tree::map([
            ("chaddr", Tree::from(lease.chaddr.as_str())),
            ("addresses", Tree::map([(lease.address.to_string(), address)])),
            ("options", Tree::map(name.into_iter().chain(id))),
        ]);
        rows.set(&lease.chaddr, row);
    }
    rows
}

/// `Client.Active`: the kernel has a fresh neighbour of that address, or a radio has the station associated.
pub fn lease_active<'s>(at: &At<'_, 's>) -> Value<'s> {
    let Some(chaddr) = at.field("chaddr") else { return Ok(None) };
    let same = |tree: &Tree, field: &str| tree.str(field).is_some_and(|mac| mac.eq_ignore_ascii_case(chaddr));
    let neighbours = at.tree("nl:neighbour")?.map_or(&[][..], Tree::items);
    let fresh = neighbours.iter().filter(|neighbour| same(neighbour, "lladdr")).any(|neighbour| {
        let states = neighbour.get("state").map_or(&[][..], Tree::items);
        states.iter().any(|state| matches!(state.as_str(), Some("REACHABLE" | "STALE" | "DELAY")))
    });
    if fresh {
        return Ok(Some("true".into()));
    }
    let radios = at.tree("ubus:network.wireless status")?.map_or(&[][..], Tree::entries);
    for (_, radio) in radios {
        for interface in radio.get("interfaces").map_or(&[][..], Tree::items) {
            let Some(device) = interface.str("ifname") else { continue };
            let stations = at.tree(&format!("ubus:iwinfo assoclist device={device}"))?;
            let stations = stations.and_then(|reply| reply.get("results")).map_or(&[][..], Tree::items);
            if stations.iter().any(|station| same(station, "mac")) {
                return Ok(Some("true".into()));
            }
        }
    }
    Ok(Some("false".into()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_counts_until_it_ends_and_one_without_end_always() {
        for (line, now, want) in [
            (
                "100 02:AA:bb:cc:00:01 192.168.1.2 pc 01:02:aa:bb:cc:00:01",
                Some(99),
                Some("1970-01-01T00:01:40Z"),
            ),
            ("100 02:aa:bb:cc:00:01 192.168.1.2 * *", Some(100), None),
            ("100 02:aa:bb:cc:00:01 192.168.1.2 * *", None, Some("1970-01-01T00:01:40Z")),
            ("0 02:aa:bb:cc:00:01 192.168.1.2 * *", Some(100), Some(INFINITE)),
            ("duid 00:01:00:01", Some(0), None),
            ("", Some(0), None),
        ] {
            assert_eq!(parse(line, now).map(|lease| lease.ends).as_deref(), want, "{line:?}");
        }
        let lease = parse("0 06-02:AA:00:00:00:01 10.0.0.1 a *", None).unwrap();
        assert_eq!((lease.chaddr.as_str(), lease.hostname.as_deref()), ("02:aa:00:00:00:01", Some("a")));
        assert!(lease.id.is_none());
    }
}
