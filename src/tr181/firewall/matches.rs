//! What a rule's packets are matched by: zones, addresses, ports, protocols, DSCP.
//!
//! firewall4 takes several items, each with a `!` for "all but"; TR-181 one item and a flag. The first item is shown
//! and written, the others stay.

use super::{rule, set_destination};
use crate::dm::error::Refusal;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::At;
use crate::dm::write::Draft;
use crate::tr181::nat::boolean;
use crate::tr181::zones::{self, FIREWALL, words};
use std::borrow::Cow;
use std::net::IpAddr;

/// What firewall4 does with a rule without a target it knows.
const DEFAULT_VERDICT: &str = "REJECT";

/// What a rule does, in upper case.
pub fn verdict(rule: &Tree) -> &'static str {
    let target = rule.str("target").unwrap_or(DEFAULT_VERDICT);
    const KNOWN: &[&str] = &["ACCEPT", "DROP", "REJECT", "MARK", "DSCP", "NOTRACK", "HELPER"];
    KNOWN.iter().find(|known| known.eq_ignore_ascii_case(target)).copied().unwrap_or(DEFAULT_VERDICT)
}

/// `Target` and `Action`: a verdict; what only marks a packet returns. A forwarding between zones accepts.
pub fn target<'s>(at: &At<'_, 's>) -> Value<'s> {
    if at.opt(".type") == Some("forwarding") {
        return Ok(Some(Cow::Borrowed("Accept")));
    }
    let bound = at.row.and_then(|row| row.section.as_ref());
    Ok(Some(Cow::Borrowed(match bound.map_or(DEFAULT_VERDICT, |bound| verdict(bound.tree)) {
        "ACCEPT" => "Accept",
        "DROP" => "Drop",
        "REJECT" => "Reject",
        _ => "Return",
    })))
}

/// Sets a verdict; `Return` and `TargetChain` have no counterpart.
pub fn set_target(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if target(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    if !matches!(value, "Accept" | "Drop" | "Reject") {
        return Err(Refusal::OutOfRange { allowed: "Accept, Drop or Reject".into() }.into());
    }
    draft.set_text(FIREWALL, rule(at)?, "target", &value.to_ascii_uppercase())
}

/// `SourceInterface` and `Interface`: the interface that the source zone stands for.
pub fn source_interface<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(Some(Cow::Owned(zones::interface(at, "src", "cpe_src")?)))
}

/// Selects the zone that holds the interface.
pub fn set_source_interface(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_end(at, ("src", "cpe_src"), value, draft)
}

/// `DestInterface`.
pub fn dest_interface<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(Some(Cow::Owned(zones::interface(at, "dest", "cpe_dest")?)))
}

/// Selects the zone that holds the interface; empty for what comes to the router itself.
pub fn set_dest_interface(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_end(at, ("dest", "cpe_dest"), value, draft)
}

fn set_end(
    at: &At<'_, '_>,
    (option, kept): (&str, &str),
    value: &str,
    draft: &mut Draft,
) -> Result<(), Stop> {
    // An empty interface beside "all interfaces" says nothing of its own.
    if value.is_empty() && at.opt(option) == Some("*") {
        return Ok(());
    }
    zones::set_interface(at, (rule(at)?, option, kept), value, draft)
}

/// `SourceAllInterfaces`.
pub fn source_all<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(Some(boolean(at.opt("src") == Some("*"))))
}

/// `DestAllInterfaces`.
pub fn dest_all<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(Some(boolean(at.opt("dest") == Some("*"))))
}

/// Makes every zone the source, or none.
pub fn set_source_all(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_all(at, "src", value, draft)
}

/// Makes every zone the destination, or none.
pub fn set_dest_all(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_all(at, "dest", value, draft)
}

fn set_all(at: &At<'_, '_>, option: &str, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    match (value == "true", at.opt(option) == Some("*")) {
        (true, false) => draft.set_text(FIREWALL, rule(at)?, option, "*"),
        (false, true) => draft.set(FIREWALL, rule(at)?, option, None),
        (true, true) | (false, false) => Ok(()),
    }
}

/// The first item of an option, without `!`, and whether it had one.
fn first<'s>(at: &At<'_, 's>, option: &str) -> Option<(&'s str, bool)> {
    let bound = at.row.and_then(|row| row.section.as_ref())?;
    let item = *words(bound.tree.get(option)).first()?;
    Some(item.strip_prefix('!').map_or((item, false), |item| (item.trim(), true)))
}

/// Replaces the first item of an option, keeping its `!`; an empty text takes the option away.
fn set_first(at: &At<'_, '_>, option: &str, text: &str, draft: &mut Draft) -> Result<(), Stop> {
    let name = rule(at)?;
    if text.is_empty() {
        return draft.set(FIREWALL, name, option, None);
    }
    let not = first(at, option).is_some_and(|(_, not)| not);
    let mut items = items(at, option);
    let item = if not { format!("!{text}") } else { text.to_string() };
    match items.first_mut() {
        Some(old) => *old = item,
        None => items.push(item),
    }
    zones::set_words(name, option, &items, draft)
}

fn items(at: &At<'_, '_>, option: &str) -> Vec<String> {
    let bound = at.row.and_then(|row| row.section.as_ref());
    bound.map_or_else(Vec::new, |bound| {
        words(bound.tree.get(option)).into_iter().map(str::to_string).collect()
    })
}

fn excluded<'s>(at: &At<'_, 's>, option: &str) -> Value<'s> {
    Ok(Some(boolean(first(at, option).is_some_and(|(_, not)| not))))
}

/// Puts a `!` before every item, or takes it off.
fn set_excluded(at: &At<'_, '_>, option: &str, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let mark = if value == "true" { "!" } else { "" };
    let items: Vec<String> = items(at, option)
        .iter()
        .map(|item| format!("{mark}{}", item.strip_prefix('!').unwrap_or(item).trim()))
        .collect();
    zones::set_words(rule(at)?, option, &items, draft)
}

/// The address of `address/length` or `address/mask`, and the length if it is one.
fn address(text: &str) -> (&str, Option<u8>) {
    match text.split_once('/') {
        Some((address, length)) => (address, length.parse().ok()),
        None => (text, None),
    }
}

fn ip<'s>(at: &At<'_, 's>, option: &str) -> Value<'s> {
    Ok(first(at, option).map(|(item, _)| Cow::Borrowed(address(item).0)))
}

/// Sets the address and keeps the length of its prefix.
fn set_ip(at: &At<'_, '_>, option: &str, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let length = first(at, option).and_then(|(item, _)| address(item).1);
    let text = match length {
        Some(length) if !value.is_empty() && fits(value, length) => format!("{value}/{length}"),
        _ => value.to_string(),
    };
    set_first(at, option, &text, draft)
}

fn fits(address: &str, length: u8) -> bool {
    address.parse::<IpAddr>().is_ok_and(|address| length <= if address.is_ipv4() { 32 } else { 128 })
}

/// The prefix that an address lies in: `192.0.2.0/24`.
fn mask<'s>(at: &At<'_, 's>, option: &str) -> Value<'s> {
    let Some((item, _)) = first(at, option) else { return Ok(None) };
    let (text, Some(length)) = address(item) else { return Ok(None) };
    Ok(text.parse().ok().and_then(|address| network(address, length)).map(Cow::Owned))
}

fn network(address: IpAddr, length: u8) -> Option<String> {
    match address {
        IpAddr::V4(address) if length <= 32 => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            Some(format!("{}/{length}", std::net::Ipv4Addr::from(u32::from(address) & mask)))
        }
        IpAddr::V6(address) if length <= 128 => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            Some(format!("{}/{length}", std::net::Ipv6Addr::from(u128::from(address) & mask)))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

/// Gives the address a prefix length; without an address the prefix itself is matched.
fn set_mask(at: &At<'_, '_>, option: &str, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let own = first(at, option).map(|(item, _)| address(item).0);
    let text = match (own, value.split_once('/')) {
        (Some(own), Some((_, length))) => format!("{own}/{length}"),
        (Some(own), None) => own.to_string(),
        (None, _) => value.to_string(),
    };
    set_first(at, option, &text, draft)
}

/// The ends of `a`, `a-b` or `a:b`; -1 where there is none.
fn ports(at: &At<'_, '_>, option: &str) -> (i32, i32) {
    let Some((item, _)) = first(at, option) else { return (-1, -1) };
    let mut ends = item.splitn(2, ['-', ':']).map(|end| end.trim().parse().unwrap_or(-1));
    (ends.next().unwrap_or(-1), ends.next().unwrap_or(-1))
}

/// Sets the port; an end below it goes.
fn set_port(at: &At<'_, '_>, option: &str, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let port: i32 = value.parse().unwrap_or(-1);
    let (_, end) = ports(at, option);
    let text = match port {
        -1 => String::new(),
        port if end >= port => format!("{port}-{end}"),
        port => port.to_string(),
    };
    set_first(at, option, &text, draft)
}

fn set_port_max(at: &At<'_, '_>, option: &str, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let end: i32 = value.parse().unwrap_or(-1);
    let (port, old) = ports(at, option);
    if end == old {
        return Ok(());
    }
    if port < 0 || (end >= 0 && end < port) {
        return Err(Refusal::OutOfRange { allowed: format!("-1, or a port from {port} on") }.into());
    }
    let text = if end < 0 { port.to_string() } else { format!("{port}-{end}") };
    set_first(at, option, &text, draft)
}

/// Reads and writes of one parameter by one option.
macro_rules! by_option {
    ($($(#[$doc:meta])* $get:ident $set:ident $read:expr, $write:ident, $option:literal;)*) => {$(
        $(#[$doc])*
        pub fn $get<'s>(at: &At<'_, 's>) -> Value<'s> {
            $read(at, $option)
        }
        $(#[$doc])*
        pub fn $set(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
            $write(at, $option, value, draft)
        }
    )*};
}

fn port<'s>(at: &At<'_, 's>, option: &str) -> Value<'s> {
    Ok(Some(Cow::Owned(ports(at, option).0.to_string())))
}

fn port_max<'s>(at: &At<'_, 's>, option: &str) -> Value<'s> {
    Ok(Some(Cow::Owned(ports(at, option).1.to_string())))
}

fn mac<'s>(at: &At<'_, 's>, option: &str) -> Value<'s> {
    Ok(first(at, option).map(|(item, _)| Cow::Borrowed(item)))
}

by_option! {
    /// `DestIP`.
    dest_ip set_dest_ip ip, set_ip, "dest_ip";
    /// `SourceIP`.
    source_ip set_source_ip ip, set_ip, "src_ip";
    /// `DestMask`.
    dest_mask set_dest_mask mask, set_mask, "dest_ip";
    /// `SourceMask`.
    source_mask set_source_mask mask, set_mask, "src_ip";
    /// `DestIPExclude`.
    dest_ip_exclude set_dest_ip_exclude excluded, set_excluded, "dest_ip";
    /// `SourceIPExclude`.
    source_ip_exclude set_source_ip_exclude excluded, set_excluded, "src_ip";
    /// `SourceMAC`.
    source_mac set_source_mac mac, set_first, "src_mac";
    /// `SourceMACExclude`.
    source_mac_exclude set_source_mac_exclude excluded, set_excluded, "src_mac";
    /// `DestPort`.
    dest_port set_dest_port port, set_port, "dest_port";
    /// `DestPortRangeMax`.
    dest_port_max set_dest_port_max port_max, set_port_max, "dest_port";
    /// `DestPortExclude`.
    dest_port_exclude set_dest_port_exclude excluded, set_excluded, "dest_port";
    /// `SourcePort`.
    source_port set_source_port port, set_port, "src_port";
    /// `SourcePortRangeMax`.
    source_port_max set_source_port_max port_max, set_port_max, "src_port";
    /// `SourcePortExclude`.
    source_port_exclude set_source_port_exclude excluded, set_excluded, "src_port";
    /// `DSCPExclude`.
    dscp_exclude set_dscp_exclude excluded, set_excluded, "dscp";
    /// `DSCP`: -1 for any.
    dscp set_dscp code_point, set_code_point, "dscp";
}

fn code_point<'s>(at: &At<'_, 's>, option: &str) -> Value<'s> {
    let number = first(at, option).and_then(|(item, _)| dscp_number(item));
    Ok(Some(Cow::Owned(number.map_or_else(|| "-1".into(), |number| number.to_string()))))
}

/// The code point of a class name (`CS6`, `AF41`, `EF`, `BE`) or of a number, decimal or with `0x`.
fn dscp_number(text: &str) -> Option<u8> {
    let upper = text.to_ascii_uppercase();
    let digit =
        |at: usize| upper.chars().nth(at).and_then(|c| c.to_digit(10)).and_then(|d| u8::try_from(d).ok());
    let number = match upper.as_str() {
        "EF" => 46,
        "BE" => 0,
        "LE" => 1,
        name if name.starts_with("CS") && name.len() == 3 => digit(2).filter(|class| *class < 8)? * 8,
        name if name.starts_with("AF") && name.len() == 4 => {
            digit(2).filter(|class| (1..=4).contains(class))? * 8
                + digit(3).filter(|drop| (1..=3).contains(drop))? * 2
        }
        name => match name.strip_prefix("0X") {
            Some(hex) => u8::from_str_radix(hex, 16).ok()?,
            None => name.parse().ok()?,
        },
    };
    (number < 64).then_some(number)
}

fn set_code_point(at: &At<'_, '_>, option: &str, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_first(at, option, if value == "-1" { "" } else { value }, draft)
}

/// `Protocol`: -1 for all; 255 for what one number cannot say, TCP and UDP above all.
pub fn protocol<'s>(at: &At<'_, 's>) -> Value<'s> {
    let all = numbers(at);
    Ok(Some(Cow::Owned(match all.as_slice() {
        [one] => one.to_string(),
        _ => "255".into(),
    })))
}

/// Sets one protocol; 255 is not one to set.
pub fn set_protocol(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if protocol(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    set_numbers(at, &[value.parse().unwrap_or(zones::ALL)], draft)
}

/// The protocols of a rule; a forwarding between zones is for all.
fn numbers(at: &At<'_, '_>) -> Vec<i32> {
    match at.row.and_then(|row| row.section.as_ref()) {
        Some(bound) if bound.tree.str(".type") != Some("forwarding") => zones::protocols(bound.tree),
        Some(_) | None => vec![zones::ALL],
    }
}

fn set_numbers(at: &At<'_, '_>, numbers: &[i32], draft: &mut Draft) -> Result<(), Stop> {
    let names: Vec<String> = match numbers {
        [] => vec![zones::protocol_name(zones::ALL)],
        numbers => numbers.iter().map(|number| zones::protocol_name(*number)).collect(),
    };
    zones::set_words(rule(at)?, "proto", &names, draft)
}

/// `Protocol` of a service or pinhole: a list.
pub fn service_protocols<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(Some(Cow::Owned(joined(&numbers(at)))))
}

/// Sets a list of protocols.
pub fn set_service_protocols(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let mut wanted: Vec<i32> = value.split(',').filter_map(|number| number.parse().ok()).collect();
    if service_protocols(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    wanted.sort_unstable();
    set_numbers(at, &wanted, draft)
}

fn joined(numbers: &[i32]) -> String {
    numbers.iter().map(i32::to_string).collect::<Vec<_>>().join(",")
}

/// `Service.DestPort`: a list; -1 for every port.
pub fn service_ports<'s>(at: &At<'_, 's>) -> Value<'s> {
    let ports = items(at, "dest_port");
    Ok(Some(if ports.is_empty() { Cow::Borrowed("-1") } else { Cow::Owned(ports.join(",")) }))
}

/// Sets a list of ports.
pub fn set_service_ports(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let ports: Vec<String> =
        value.split(',').filter(|port| !port.is_empty() && *port != "-1").map(str::to_string).collect();
    zones::set_words(rule(at)?, "dest_port", &ports, draft)
}

/// Names of ICMP types that OpenWrt's own rules use, with their numbers for IPv4 and IPv6.
const ICMP_TYPES: &[(&str, i32, i32)] = &[
    ("echo-reply", 0, 129),
    ("destination-unreachable", 3, 1),
    ("packet-too-big", -1, 2),
    ("redirect", 5, 137),
    ("echo-request", 8, 128),
    ("router-advertisement", 9, 134),
    ("router-solicitation", 10, 133),
    ("time-exceeded", 11, 3),
    ("parameter-problem", 12, 4),
    ("timestamp-request", 13, -1),
    ("timestamp-reply", 14, -1),
    ("neighbour-solicitation", -1, 135),
    ("neighbour-advertisement", -1, 136),
];

/// `ICMPType`: a number; -1 for all.
pub fn icmp_type<'s>(at: &At<'_, 's>) -> Value<'s> {
    let six = at.row.and_then(|row| row.section.as_ref()).is_some_and(|bound| zones::is_ipv6(bound.tree));
    let item = first(at, "icmp_type").map(|(item, _)| item.split('/').next().unwrap_or(item));
    let known = |item: &str| {
        let named = ICMP_TYPES.iter().find(|(name, ..)| *name == item);
        named.map(|(_, four, other)| if six { *other } else { *four }).or_else(|| item.parse().ok())
    };
    Ok(Some(Cow::Owned(item.and_then(known).unwrap_or(-1).to_string())))
}

/// Sets the type by number.
pub fn set_icmp_type(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if icmp_type(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    set_first(at, "icmp_type", if value == "-1" { "" } else { value }, draft)
}

/// `SourcePrefixes`: every source as a prefix; a lone address is one of full length.
pub fn source_prefixes<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(Some(Cow::Owned(items(at, "src_ip").iter().map(|item| prefix(item)).collect::<Vec<_>>().join(","))))
}

/// Sets the sources.
pub fn set_source_prefixes(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if source_prefixes(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let prefixes: Vec<String> = value.split(',').filter(|p| !p.is_empty()).map(str::to_string).collect();
    zones::set_words(rule(at)?, "src_ip", &prefixes, draft)
}

fn prefix(text: &str) -> String {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => format!("{text}/32"),
        Ok(IpAddr::V6(_)) => format!("{text}/128"),
        Err(_) => text.to_string(),
    }
}

/// `DMZ.SourcePrefix`.
pub fn dmz_prefix<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(first(at, "src_ip").map(|(item, _)| Cow::Owned(prefix(item))))
}

/// Sets where a DMZ is open to.
pub fn set_dmz_prefix(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if dmz_prefix(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    draft.set_text(FIREWALL, rule(at)?, "src_ip", value)
}

/// `DMZ.DestIP`.
pub fn dmz_client<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(at.opt("dest_ip").map(Cow::Borrowed))
}

/// Sets the host, and the zone it is in.
pub fn set_dmz_client(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_destination(at, rule(at)?, value, draft)
}
