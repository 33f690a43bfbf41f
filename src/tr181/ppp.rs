//! Device.PPP.: what its lines cannot say.

use super::layers::net::{DUMP, NETWORK, netbool, words};
use super::layers::{LINK, VLAN};
use super::net::refit;
use crate::dm::draft::Draft;
use crate::dm::error::Refusal;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::At;
use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Seconds without traffic after which a connection on demand ends, where nobody said.
const IDLE: &str = "300";
/// netifd's failures and interval of `keepalive` without the option.
const KEEPALIVE: (&str, &str) = ("5", "1");
/// netifd's interval where `keepalive` says failures only.
const INTERVAL: &str = "5";

fn text<'s>(text: impl Into<Cow<'s, str>>) -> Value<'s> {
    Ok(Some(text.into()))
}

fn yes<'s>(yes: bool) -> Value<'s> {
    text(if yes { "true" } else { "false" })
}

fn state<'s>(at: &At<'_, 's>) -> Result<Option<&'s Tree>, Stop> {
    let dump = at.tree(DUMP)?.and_then(|dump| dump.get("interface"));
    let name = at.field("name");
    Ok(dump.map_or(&[][..], Tree::items).iter().find(|state| state.str("interface") == name))
}

/// As the IP interface that is the same section.
pub fn status<'s>(at: &At<'_, 's>) -> Value<'s> {
    super::ip::status(at)
}

/// Where the connection stands.
pub fn connection_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    let Some(state) = state(at)? else { return text("Unconfigured") };
    text(match (state.str("up"), state.str("pending")) {
        (Some("true"), _) => "Connected",
        (_, Some("true")) => "Connecting",
        (_, _) => "Disconnected",
    })
}

/// netifd's last error of the protocol.
pub fn last_error<'s>(at: &At<'_, 's>) -> Value<'s> {
    let errors = state(at)?.and_then(|state| state.get("errors")).map_or(&[][..], Tree::items);
    let of_ppp = |error: &&Tree| error.str("subsystem").is_some_and(|system| system.starts_with("ppp"));
    let Some(error) = errors.iter().rfind(of_ppp) else { return text("ERROR_NONE") };
    text(match error.str("code").unwrap_or_default() {
        "PEER_AUTH_FAILED" | "AUTH_TOPEER_FAILED" | "CNID_AUTH_FAILED" => "ERROR_AUTHENTICATION_FAILURE",
        "PEER_DEAD" | "HANGUP" => "ERROR_ISP_DISCONNECT",
        "IDLE_TIMEOUT" => "ERROR_IDLE_DISCONNECT",
        "USER_REQUEST" => "ERROR_USER_DISCONNECT",
        "CONNECT_TIME" | "TRAFFIC_LIMIT" => "ERROR_FORCED_DISCONNECT",
        "CONNECT_FAILED" => "ERROR_ISP_TIME_OUT",
        "OPEN_FAILED" => "ERROR_NO_CARRIER",
        "NEGOTIATION_FAILED" => "ERROR_IP_CONFIGURATION",
        "OPTION_ERROR" | "LOCK_FAILED" | "PTYCMD_FAILED" | "INIT_FAILED" | "NO_KERNEL_SUPPORT"
        | "NOT_ROOT" => "ERROR_COMMAND_ABORTED",
        _ => "ERROR_UNKNOWN",
    })
}

/// The options given to pppd as they stand.
fn pppd<'s>(at: &At<'_, 's>) -> Vec<&'s str> {
    at.row
        .and_then(|row| row.section.as_ref())
        .map(|bound| words(bound.tree, "pppd_options"))
        .unwrap_or_default()
}

fn set_pppd(at: &At<'_, '_>, options: &[&str], draft: &mut Draft) -> Result<(), Stop> {
    let bound = at.bound()?;
    let old = bound.tree.get("pppd_options");
    let new = match old {
        Some(old) => refit(Some(old), options),
        None => Some(Tree::from(options.join(" "))).filter(|_| !options.is_empty()),
    };
    draft.set(NETWORK, bound.name, "pppd_options", new)
}

/// The largest packet that is asked for.
pub fn mru<'s>(at: &At<'_, 's>) -> Value<'s> {
    let options = pppd(at);
    let asked = options.iter().position(|word| *word == "mru").and_then(|at| options.get(at + 1)).copied();
    let default = if at.opt("proto") == Some("pppoe") { "1492" } else { "1500" };
    text(asked.or(at.opt("mtu")).unwrap_or(default))
}

/// Sets the largest packet, where it was said.
pub fn set_mru(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if mru(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let mut options = pppd(at);
    match options.iter().position(|word| *word == "mru") {
        Some(place) => {
            if let Some(number) = options.get_mut(place + 1) {
                *number = value;
            }
            set_pppd(at, &options, draft)
        }
        None => draft.set_text(NETWORK, at.bound()?.name, "mtu", value),
    }
}

/// Failures and interval of the echo; failures alone have netifd's interval.
fn keepalive<'s>(at: &At<'_, 's>) -> (&'s str, &'s str) {
    let Some(option) = at.opt("keepalive") else { return KEEPALIVE };
    let mut words = option.split([',', ' ']).filter(|word| !word.is_empty());
    (words.next().unwrap_or("0"), words.next().unwrap_or(INTERVAL))
}

fn set_keepalive(at: &At<'_, '_>, new: (&str, &str), draft: &mut Draft) -> Result<(), Stop> {
    if keepalive(at) == new {
        return Ok(());
    }
    let comma = at.opt("keepalive").is_some_and(|option| option.contains(','));
    let by = if comma { "," } else { " " };
    draft.set_text(NETWORK, at.bound()?.name, "keepalive", &format!("{}{by}{}", new.0, new.1))
}

/// Seconds between echoes.
pub fn echo_interval<'s>(at: &At<'_, 's>) -> Value<'s> {
    text(keepalive(at).1)
}

/// Sets the seconds between echoes.
pub fn set_echo_interval(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_keepalive(at, (keepalive(at).0, value), draft)
}

/// How many echoes may go unanswered.
pub fn echo_retry<'s>(at: &At<'_, 's>) -> Value<'s> {
    text(keepalive(at).0)
}

/// Sets how many echoes may go unanswered.
pub fn set_echo_retry(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_keepalive(at, (value, keepalive(at).1), draft)
}

fn on_demand<'s>(at: &At<'_, 's>) -> Option<&'s str> {
    at.opt("demand").filter(|seconds| seconds.parse::<u32>().is_ok_and(|seconds| seconds > 0))
}

/// What brings the connection up.
pub fn trigger<'s>(at: &At<'_, 's>) -> Value<'s> {
    text(match (netbool(at.opt("auto")), on_demand(at)) {
        (Some(false), _) => "Manual",
        (_, Some(_)) => "OnDemand",
        (_, None) => "AlwaysOn",
    })
}

/// Sets what brings the connection up; the idle time is kept for the day it counts.
pub fn set_trigger(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if trigger(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let section = at.bound()?.name;
    draft.set_text(NETWORK, section, "auto", if value == "Manual" { "0" } else { "" })?;
    let idle = on_demand(at).or(at.opt("cpe_demand"));
    let (counts, kept) = match value {
        "OnDemand" => (idle.unwrap_or(IDLE), ""),
        _ => ("", idle.unwrap_or_default()),
    };
    draft.set_text(NETWORK, section, "demand", counts)?;
    draft.set_text(NETWORK, section, "cpe_demand", kept)
}

/// Seconds without traffic after which a connection on demand ends.
pub fn idle<'s>(at: &At<'_, 's>) -> Value<'s> {
    text(on_demand(at).or(at.opt("cpe_demand")).unwrap_or("0"))
}

/// Sets the idle time.
pub fn set_idle(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if idle(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let section = at.bound()?.name;
    match on_demand(at) {
        Some(_) if value == "0" => {
            Err(Refusal::OutOfRange { allowed: "more than 0 while ConnectionTrigger is OnDemand".into() }
                .into())
        }
        Some(_) => draft.set_text(NETWORK, section, "demand", value),
        None => draft.set_text(NETWORK, section, "cpe_demand", if value == "0" { "" } else { value }),
    }
}

/// Whether an IPv4 address is negotiated.
pub fn ipcp_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    yes(!pppd(at).contains(&"noip"))
}

/// Lets an IPv4 address be negotiated or not.
pub fn set_ipcp_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let mut options = pppd(at);
    if options.contains(&"noip") != (value == "true") {
        return Ok(());
    }
    match value == "true" {
        true => options.retain(|word| *word != "noip"),
        false => options.push("noip"),
    }
    set_pppd(at, &options, draft)
}

/// Whether IPv6 is negotiated.
pub fn ipv6cp_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    yes(at.opt("ipv6") != Some("0"))
}

/// Lets IPv6 be negotiated or not; `auto`, the default, also asks for an address.
pub fn set_ipv6cp_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if (at.opt("ipv6") != Some("0")) == (value == "true") {
        return Ok(());
    }
    draft.set_text(NETWORK, at.bound()?.name, "ipv6", if value == "true" { "" } else { "0" })
}

/// Puts the connection upon a link or a VLAN.
pub fn set_lower(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let section = at.bound()?.name;
    if value.is_empty() {
        return draft.set_text(NETWORK, section, "device", "");
    }
    let row = at.referred(&format!("{LINK}|{VLAN}"), value)?;
    let device = super::ethernet::link_device(at, &row)?;
    draft.set_text(NETWORK, section, "device", &device)
}

/// The PPPoE session upon the lower device.
pub fn session<'s>(at: &At<'_, 's>) -> Value<'s> {
    let sources = [at.tree("file:/proc/net/pppoe"), at.tree("sys:facts")];
    let [sessions, facts] = sources;
    let (sessions, facts) = (sessions?.and_then(Tree::as_str).unwrap_or_default(), facts?);
    let Some(device) = at.opt("device") else { return Ok(None) };
    let line = sessions.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut own = line.filter(|words| words.get(2) == Some(&device));
    let id = own.next().and_then(|words| u32::from_str_radix(words.first()?, 16).ok());
    let Some(id) = id.and_then(|id| u16::try_from(id).ok()) else { return Ok(None) };
    // The kernel prints the number as it stands on the wire.
    let big = facts.and_then(|facts| facts.str("byte_order")) == Some("big");
    text(if big { id } else { id.swap_bytes() }.to_string())
}

/// The first two IPv4 name servers that the peer told.
pub fn dns_servers<'s>(at: &At<'_, 's>) -> Value<'s> {
    if netbool(at.opt("peerdns")) == Some(false) {
        return Ok(None);
    }
    let own =
        at.row.and_then(|row| row.section.as_ref()).map(|bound| words(bound.tree, "dns")).unwrap_or_default();
    let told = state(at)?.and_then(|state| state.get("dns-server")).map_or(&[][..], Tree::items);
    let told = told.iter().filter_map(Tree::as_str).filter(|server| !own.contains(server));
    let four: Vec<&str> = told.filter(|server| server.parse::<Ipv4Addr>().is_ok()).take(2).collect();
    text(four.join(","))
}

/// The low 64 bits of an address, as an address without the others.
fn identifier<'s>(address: Option<&str>) -> Value<'s> {
    let address = address.and_then(|text| text.parse::<Ipv6Addr>().ok()).map(u128::from);
    Ok(address.map(|bits| Cow::Owned(Ipv6Addr::from(bits & u128::from(u64::MAX)).to_string())))
}

/// The identifier that was agreed for this side.
pub fn local_identifier<'s>(at: &At<'_, 's>) -> Value<'s> {
    let addresses = state(at)?.and_then(|state| state.get("ipv6-address")).map_or(&[][..], Tree::items);
    identifier(
        addresses.iter().filter_map(|entry| entry.str("address")).find(|text| text.starts_with("fe80:")),
    )
}

/// The identifier that was agreed for the peer.
pub fn remote_identifier<'s>(at: &At<'_, 's>) -> Value<'s> {
    identifier(state(at)?.and_then(|state| state.get("data")).and_then(|data| data.str("llremote")))
}
