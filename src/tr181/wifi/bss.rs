//! `Device.WiFi.SSID.{i}.` and `AccessPoint.{i}.` or, of a client interface, `EndPoint.{i}.`: two rows over one
//! `config wifi-iface`.
//!
//! Both have an Enable, the section has one `disabled`: it is 0 where both are true. While it is 1, the option
//! `cpe_enabled` (`ssid`, or `ap` for the other) remembers which of the two is on.

use super::{PACKAGE, STATUS, list, put, put_list, refused, running, section, set_number, text, truth, yes};
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::At;
use crate::dm::write::Draft;

/// Longest SSID in bytes. Source: IEEE 802.11.
const MAX_SSID: usize = 32;

/// SSID.Enable and the Enable of the AccessPoint or EndPoint.
fn halves(at: &At<'_, '_>) -> (bool, bool) {
    if !yes(at.opt("disabled"), false) {
        return (true, true);
    }
    match at.opt("cpe_enabled") {
        Some("ssid") => (true, false),
        Some("ap") => (false, true),
        _ => (false, false),
    }
}

fn set_halves(at: &At<'_, '_>, draft: &mut Draft, wanted: (bool, bool)) -> Result<(), Stop> {
    if wanted == halves(at) {
        return Ok(());
    }
    let (disabled, memory) = match wanted {
        (true, true) => ("0", None),
        (true, false) => ("1", Some("ssid")),
        (false, true) => ("1", Some("ap")),
        (false, false) => ("1", None),
    };
    if (disabled == "1") != yes(at.opt("disabled"), false) {
        put(at, draft, "disabled", Some(disabled))?;
    }
    put(at, draft, "cpe_enabled", memory)
}

/// `SSID.{i}.Enable`.
pub fn ssid_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    truth(halves(at).0)
}

/// Writes `SSID.{i}.Enable`.
pub fn set_ssid_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_halves(at, draft, (value == "true", halves(at).1))
}

/// `AccessPoint.{i}.Enable`.
pub fn ap_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    truth(halves(at).1)
}

/// Writes `AccessPoint.{i}.Enable`.
pub fn set_ap_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_halves(at, draft, (halves(at).0, value == "true"))
}

/// `EndPoint.{i}.Enable`.
pub fn end_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    ap_enable(at)
}

/// Writes `EndPoint.{i}.Enable`.
pub fn set_end_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_ap_enable(at, value, draft)
}

/// hostapd's word for the state of the row's access point; nothing while it is gone.
fn hostapd<'s>(at: &At<'_, 's>) -> Result<Option<&'s str>, Stop> {
    let Some(ifname) = running(at, section(at)?, "ifname")? else { return Ok(None) };
    Ok(at.tree(&format!("ubus:hostapd.{ifname} get_status"))?.and_then(|status| status.str("status")))
}

/// The section of the radio that the row lies on (of several, the first), if there is one.
fn radio<'s>(at: &At<'_, 's>) -> Result<Option<(&'s str, &'s Tree)>, Stop> {
    let Some(name) = list(at, "device").into_iter().next() else { return Ok(None) };
    let found = at.tree(PACKAGE)?.and_then(|package| package.get(name));
    Ok(found.filter(|radio| radio.str(".type") == Some("wifi-device")).map(|radio| (name, radio)))
}

/// Whether the radio is switched off, or netifd says so, or there is none.
fn radio_off(at: &At<'_, '_>) -> Result<bool, Stop> {
    let Some((name, radio)) = radio(at)? else { return Ok(true) };
    let state = at.tree(STATUS)?.and_then(|radios| radios.get(name));
    let off = state.and_then(|state| state.str("disabled")) == Some("true");
    Ok(yes(radio.str("disabled"), false) || off)
}

/// Whether the row's client interface is associated.
fn joined(at: &At<'_, '_>) -> Result<bool, Stop> {
    let Some(ifname) = running(at, section(at)?, "ifname")? else { return Ok(false) };
    let links = at.tree("nl:link")?.map_or(&[][..], Tree::items);
    let link = links.iter().find(|link| link.str("ifname") == Some(ifname));
    Ok(link.and_then(|link| link.str("operstate")) == Some("UP"))
}

/// `SSID.{i}.LastChange`: seconds since its netdev last came or went, or gained or lost carrier.
pub fn ssid_last_change<'s>(at: &At<'_, 's>) -> Value<'s> {
    let ifname = running(at, section(at)?, "ifname")?.unwrap_or_default();
    crate::tr181::netdev::last_change(at, ifname)
}

/// `SSID.{i}.Status`.
pub fn ssid_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    if yes(at.opt("disabled"), false) {
        return text("Down");
    }
    if radio_off(at)? {
        return text("LowerLayerDown");
    }
    if at.opt("mode") == Some("sta") {
        return text(if joined(at)? { "Up" } else { "Down" });
    }
    text(match hostapd(at)? {
        Some("ENABLED") => "Up",
        Some("ACS" | "DFS" | "HT_SCAN" | "COUNTRY_UPDATE") => "Dormant",
        Some(_) | None => "Down",
    })
}

/// `AccessPoint.{i}.Status`.
pub fn ap_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    if yes(at.opt("disabled"), false) {
        return text("Disabled");
    }
    if at.opt("encryption").is_some_and(|word| word.starts_with("wep")) {
        return text("Error");
    }
    if radio(at)?.is_none() || at.opt("ssid").is_none_or(str::is_empty) || super::lacks_credentials(at) {
        return text("Error_Misconfigured");
    }
    text(if hostapd(at)? == Some("ENABLED") { "Enabled" } else { "Disabled" })
}

/// `EndPoint.{i}.Status`.
pub fn end_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    if yes(at.opt("disabled"), false) {
        return text("Disabled");
    }
    if radio(at)?.is_none() || at.opt("ssid").is_none_or(str::is_empty) || super::lacks_credentials(at) {
        return text("Error_Misconfigured");
    }
    text(if running(at, section(at)?, "ifname")?.is_some() { "Enabled" } else { "Disabled" })
}

/// `EndPoint.{i}.Profile.{i}.Status`: in use while the interface is associated.
pub fn profile_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    let disabled = yes(at.opt("disabled"), false);
    text(match (disabled, super::lacks_credentials(at)) {
        (true, _) => "Disabled",
        (false, true) => "Error",
        (false, false) if joined(at)? => "Active",
        (false, false) => "Available",
    })
}

/// `SSID.{i}.LowerLayers`: its radio, all of them where one interface spans several (MLO).
pub fn lower_layers<'s>(at: &At<'_, 's>) -> Value<'s> {
    let mut paths = Vec::new();
    for radio in list(at, "device") {
        paths.extend(at.view.path_of("Device.WiFi.Radio", radio)?);
    }
    text(paths.join(","))
}

/// Writes `device`; refuses several radios unless the section is one over several.
pub fn set_lower_layers(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if lower_layers(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let mut names = Vec::new();
    for path in value.split(',').filter(|path| !path.is_empty()) {
        let row = at.referred("Device.WiFi.Radio", path)?;
        names.push(row.section.as_ref().map_or(row.anchor, |bound| bound.name).to_string());
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match names.as_slice() {
        [one] if at.bound()?.tree.get("device").is_none() => put(at, draft, "device", Some(one)),
        [_, _, ..] if !yes(at.opt("mlo"), false) => Err(refused("one Device.WiFi.Radio row")),
        names => put_list(at, draft, "device", names),
    }
}

/// Writes `ssid`: 1 to 32 bytes.
pub fn set_ssid(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if !(1..=MAX_SSID).contains(&value.len()) {
        return Err(refused("1 to 32 bytes"));
    }
    if at.opt("ssid") == Some(value) { Ok(()) } else { put(at, draft, "ssid", Some(value)) }
}

/// `SSID.{i}.MLDUnit`: the place among the interfaces that span radios, -1 for the others.
pub fn mld_unit<'s>(at: &At<'_, 's>) -> Value<'s> {
    let own = section(at)?;
    let spanning =
        at.view.sections(PACKAGE, "wifi-iface")?.into_iter().filter(|(_, s)| yes(s.str("mlo"), false));
    let place = spanning.map(|(name, _)| name).position(|name| name == own);
    text(place.map_or("-1".to_string(), |place| place.to_string()))
}

/// A new SSID, and with it an access point: disabled and open, on the first radio, in the network `lan` if there is one.
//= TR-069 A.3.2.6: a row starts at its defaults, disabled.
pub fn add_ssid(at: &At<'_, '_>, number: u32, draft: &mut Draft) -> Result<(), Stop> {
    add(at, format!("cpe_ssid{number}"), draft)
}

/// A new access point, and with it an SSID; as [`add_ssid`].
pub fn add_access_point(at: &At<'_, '_>, number: u32, draft: &mut Draft) -> Result<(), Stop> {
    add(at, format!("cpe_ap{number}"), draft)
}

/// A new end point, and with it an SSID: disabled, on the first radio, in no network.
pub fn add_end_point(at: &At<'_, '_>, number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let name = fresh(draft, format!("cpe_ep{number}"))?;
    let radios = at.view.sections(PACKAGE, "wifi-device")?;
    draft.add(PACKAGE, &name, "wifi-iface")?;
    for (option, value) in [
        ("device", radios.first().map_or("", |(radio, _)| radio)),
        ("mode", "sta"),
        ("ssid", &name),
        ("encryption", "none"),
        ("disabled", "1"),
    ] {
        draft.set_text(PACKAGE, &name, option, value)?;
    }
    Ok(())
}

/// A section name that is free: `name`, or with letters behind it.
fn fresh(draft: &Draft, mut name: String) -> Result<String, Stop> {
    while draft.tree(PACKAGE)?.is_some_and(|package| package.get(&name).is_some()) {
        name.push('x');
    }
    Ok(name)
}

fn add(at: &At<'_, '_>, name: String, draft: &mut Draft) -> Result<(), Stop> {
    let name = fresh(draft, name)?;
    let radios = at.view.sections(PACKAGE, "wifi-device")?;
    let lan = at.tree("uci:network")?.and_then(|network| network.get("lan")).is_some();
    draft.add(PACKAGE, &name, "wifi-iface")?;
    for (option, value) in [
        ("device", radios.first().map_or("", |(radio, _)| radio)),
        ("mode", "ap"),
        ("network", if lan { "lan" } else { "" }),
        ("ssid", &name),
        ("encryption", "none"),
        ("wpa_group_rekey", "3600"),
        ("disabled", "1"),
    ] {
        draft.set_text(PACKAGE, &name, option, value)?;
    }
    Ok(())
}

/// Writes `maxassoc`; 0, no limit of its own, takes it away.
pub fn set_max_associations(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if value == "0" {
        return put(at, draft, "maxassoc", None);
    }
    // 2007 is the highest association number of IEEE 802.11.
    set_number(at, value, draft, ("maxassoc", 1..=2_007, ""))
}

/// `MACAddressControlEnabled`: only the stations listed may associate.
pub fn mac_control<'s>(at: &At<'_, 's>) -> Value<'s> {
    truth(at.opt("macfilter") == Some("allow"))
}

/// Writes `macfilter`. A list of stations to keep out would turn into its opposite, so it goes.
pub fn set_mac_control(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    match (value == "true", at.opt("macfilter")) {
        (true, Some("allow")) => Ok(()),
        (false, Some("allow")) => put(at, draft, "macfilter", None),
        (false, _) => Ok(()),
        (true, found) => {
            if found == Some("deny") {
                put(at, draft, "maclist", None)?;
            }
            put(at, draft, "macfilter", Some("allow"))
        }
    }
}

/// `AllowedMACAddress`; a list of stations to keep out is none.
pub fn allowed_macs<'s>(at: &At<'_, 's>) -> Value<'s> {
    if at.opt("macfilter") == Some("deny") {
        return Ok(None);
    }
    text(list(at, "maclist").join(","))
}

/// Writes `maclist`; refuses while it holds the stations to keep out.
pub fn set_allowed_macs(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if at.opt("macfilter") == Some("deny") {
        let why = "nothing, while the list holds the stations to keep out (MACAddressControlEnabled)";
        return if value.is_empty() { Ok(()) } else { Err(refused(why)) };
    }
    let items: Vec<&str> = value.split(',').filter(|item| !item.is_empty()).collect();
    let same = list(at, "maclist").iter().map(|mac| mac.to_ascii_lowercase()).eq(items.iter().copied());
    if same { Ok(()) } else { put_list(at, draft, "maclist", &items) }
}
