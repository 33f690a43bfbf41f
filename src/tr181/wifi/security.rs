//! `Device.WiFi.AccessPoint.{i}.Security.` and `.Accounting.`: `encryption`, the key, and the RADIUS servers.
//!
//! `encryption` is a mode and, after `+`, ciphers. Keys read in full here; the engine hides them.

use super::{PACKAGE, can, list, put, put_list, refused, set_number, text, truth};
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::view::At;
use crate::dm::write::Draft;

/// TR-181's modes and the words written for them, in the standard's order, with what hostapd must be built with.
const MODES: &[(&str, &str, &str)] = &[
    ("None", "none", ""),
    ("WPA-Personal", "psk", ""),
    ("WPA2-Personal", "psk2", ""),
    ("WPA3-Personal", "sae", "sae"),
    ("WPA-WPA2-Personal", "psk-mixed", ""),
    ("WPA3-Personal-Transition", "sae-mixed", "sae"),
    ("WPA-Enterprise", "wpa", "eap"),
    ("WPA2-Enterprise", "wpa2", "eap"),
    ("WPA3-Enterprise", "wpa3", "eap"),
    ("WPA-WPA2-Enterprise", "wpa-mixed", "eap"),
    ("OWE", "owe", "owe"),
];

/// Other words for the same, as wifi-scripts read them.
const ALSO: &[(&str, &str)] = &[
    ("psk3", "sae"),
    ("psk3-mixed", "sae-mixed"),
    ("sae-compat", "sae-mixed"),
    ("psk+psk2", "psk-mixed"),
    ("wpa+wpa2", "wpa-mixed"),
    ("wpa3-mixed", "wpa3"),
    ("wpa3-192", "wpa3"),
];

/// The word before the ciphers.
fn base<'s>(at: &At<'_, 's>) -> &'s str {
    let word = at.opt("encryption").unwrap_or("none");
    if word.starts_with("psk+psk2") || word.starts_with("wpa+wpa2") {
        return word.get(..8).unwrap_or(word);
    }
    word.split(['+', '/']).next().unwrap_or(word)
}

/// The mode of the row's section; WEP and what OpenWrt does not know show as None.
pub(super) fn mode_of(at: &At<'_, '_>) -> &'static str {
    let word = base(at);
    let word = ALSO.iter().find(|(other, _)| *other == word).map_or(word, |(_, usual)| usual);
    MODES.iter().find(|(_, written, _)| *written == word).map_or("None", |(mode, ..)| mode)
}

fn is_personal(mode: &str) -> bool {
    mode.contains("Personal")
}

/// Whether the mode wants a key or a server that the section does not have.
pub(super) fn lacks_credentials(at: &At<'_, '_>) -> bool {
    lacking(at, mode_of(at)).is_some()
}

fn lacking(at: &At<'_, '_>, mode: &str) -> Option<&'static str> {
    let sae_only = mode == "WPA3-Personal";
    if is_personal(mode) && passphrase_of(at).is_none() && (sae_only || raw_key_of(at).is_none()) {
        return Some("a mode without key, as none is set");
    }
    let client = at.opt("mode") == Some("sta");
    if mode.contains("Enterprise") && !client && list(at, "auth_server").is_empty() {
        return Some("a mode without RADIUS, as no server is set");
    }
    None
}

fn supported(at: &At<'_, '_>) -> Result<Vec<&'static str>, Stop> {
    let radio = list(at, "device").first().copied();
    let radio = at.tree(PACKAGE)?.and_then(|package| package.get(radio?));
    // 6 GHz takes only what protects management frames.
    let strict = radio.and_then(|radio| radio.str("band")) == Some("6g");
    let mut out = Vec::new();
    for (mode, _, feature) in MODES {
        let allowed = !strict || matches!(*mode, "WPA3-Personal" | "WPA3-Enterprise" | "OWE");
        if allowed && (feature.is_empty() || can(at, feature)?) {
            out.push(*mode);
        }
    }
    Ok(out)
}

/// `ModesSupported`: what hostapd was built with; never WEP.
pub fn modes<'s>(at: &At<'_, 's>) -> Value<'s> {
    text(supported(at)?.join(","))
}

/// `ModeEnabled`.
pub fn mode<'s>(at: &At<'_, 's>) -> Value<'s> {
    text(mode_of(at))
}

/// Writes `encryption`; refuses what hostapd cannot do and a mode whose key or server is not set.
pub fn set_mode(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let supported = supported(at)?;
    if !supported.contains(&value) {
        return Err(refused(supported.join(", ")));
    }
    if let Some(why) = lacking(at, value) {
        return Err(refused(why));
    }
    let wep = at.opt("encryption").is_some_and(|word| word.starts_with("wep"));
    if mode_of(at) == value && !wep {
        return Ok(());
    }
    let word = MODES.iter().find(|(mode, ..)| *mode == value).map(|(_, word, _)| *word);
    put(at, draft, "encryption", word)
}

/// `EndPoint.{i}.Security.ModesSupported`: what the supplicant, which is built with hostapd as one program, was built
/// with. No mode of Enterprise unless it is set already: nothing in the model holds an identity.
pub fn end_modes<'s>(at: &At<'_, 's>) -> Value<'s> {
    let mut modes = supported(at)?;
    let now = mode_of(at);
    modes.retain(|mode| !mode.contains("Enterprise") || *mode == now);
    text(modes.join(","))
}

/// As [`set_mode`]; refuses a mode for which the end point has no identity.
pub fn set_end_mode(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if value.contains("Enterprise") && mode_of(at) != value {
        return Err(refused(end_modes(at)?.unwrap_or_default()));
    }
    set_mode(at, value, draft)
}

/// `WEPKey`: there is none, as ModesSupported has no mode that would use it; the check refuses to set one.
pub fn wep_key<'s>(_at: &At<'_, 's>) -> Value<'s> {
    Ok(None)
}

fn passphrase_of<'s>(at: &At<'_, 's>) -> Option<&'s str> {
    at.opt("key").filter(|key| (8..=63).contains(&key.len()))
}

fn raw_key_of<'s>(at: &At<'_, 's>) -> Option<&'s str> {
    at.opt("key").filter(|key| key.len() == 64 && key.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// `KeyPassphrase`.
pub fn passphrase<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(passphrase_of(at).map(Into::into))
}

/// `PreSharedKey`: a key of 64 hexadecimal digits.
pub fn raw_key<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(raw_key_of(at).map(|key| key.to_ascii_uppercase().into()))
}

/// `SAEPassphrase`: the key, while the mode is one of WPA3's. One section has one key for both.
pub fn sae_passphrase<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(passphrase_of(at).filter(|_| mode_of(at).starts_with("WPA3-Personal")).map(Into::into))
}

/// Writes `key`.
pub fn set_key(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    put(at, draft, "key", Some(value).filter(|key| !key.is_empty()))
}

/// The ciphers that `encryption` names: TKIP, AES. CCMP is what wifi-scripts take without a word.
fn ciphers_of(at: &At<'_, '_>) -> (bool, bool) {
    let tail = at.opt("encryption").and_then(|word| word.get(base(at).len()..)).unwrap_or_default();
    let has = |names: &[&str]| tail.split(['+', '/']).any(|cipher| names.contains(&cipher));
    let tkip = has(&["tkip"]);
    (tkip, !tkip || has(&["aes", "ccmp", "gcmp", "gcmp256", "ccmp256"]))
}

/// `EncryptionMode`: empty where nothing is encrypted.
pub fn ciphers<'s>(at: &At<'_, 's>) -> Value<'s> {
    text(match (mode_of(at), ciphers_of(at)) {
        ("None", _) => "",
        (_, (true, true)) => "TKIP,AES",
        (_, (true, false)) => "TKIP",
        (_, (false, _)) => "AES",
    })
}

/// Writes the ciphers behind the mode; TKIP only where WPA or WPA2 is spoken.
pub fn set_ciphers(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let mode = mode_of(at);
    let wanted = |cipher: &str| value.split(',').any(|item| item == cipher);
    let (tkip, aes) = (wanted("TKIP"), wanted("AES"));
    if mode == "None" {
        return if tkip || aes { Err(refused("nothing while ModeEnabled is None")) } else { Ok(()) };
    }
    if (tkip, aes) == ciphers_of(at) {
        return Ok(());
    }
    let suffix = match (tkip, aes) {
        (false, true) => "",
        (false, false) => return Err(refused("AES")),
        (true, _) if mode.starts_with("WPA3") || mode == "OWE" => return Err(refused("AES in this mode")),
        (true, true) => "+tkip+ccmp",
        (true, false) => "+tkip",
    };
    put(at, draft, "encryption", Some(&format!("{}{suffix}", base(at))))
}

/// `MFPConfig`: what wifi-scripts make of `ieee80211w` in this mode.
pub fn mfp<'s>(at: &At<'_, 's>) -> Value<'s> {
    if forced(at) {
        return text("Required");
    }
    let mixed = matches!(base(at), "sae-mixed" | "psk3-mixed" | "sae-compat" | "wpa3-mixed");
    text(match at.opt("ieee80211w") {
        Some("0") => "Disabled",
        Some("1") => "Optional",
        Some("2") => "Required",
        _ if mixed => "Optional",
        _ => "Disabled",
    })
}

/// Whether the mode leaves no choice.
fn forced(at: &At<'_, '_>) -> bool {
    matches!(base(at), "sae" | "psk3" | "owe" | "wpa3" | "wpa3-192")
}

/// Writes `ieee80211w`.
pub fn set_mfp(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if mfp(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let new = match value {
        _ if forced(at) => return Err(refused("Required in this mode")),
        "Disabled" => "0",
        "Optional" => "1",
        _ => "2",
    };
    put(at, draft, "ieee80211w", Some(new))
}

/// `RekeyingInterval`: hostapd's default is a day for CCMP and GCMP as group cipher, ten minutes else.
pub fn rekeying<'s>(at: &At<'_, 's>) -> Value<'s> {
    if let Some(set) = at.opt("wpa_group_rekey") {
        return text(set);
    }
    text(if mode_of(at) != "None" && !ciphers_of(at).0 { "86400" } else { "600" })
}

/// Writes `wpa_group_rekey`.
pub fn set_rekeying(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if rekeying(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    put(at, draft, "wpa_group_rekey", Some(value))
}

/// The n-th server of a list of options.
fn server<'s>(at: &At<'_, 's>, option: &str, place: usize) -> Value<'s> {
    Ok(list(at, option).get(place).copied().map(Into::into))
}

/// Writes the n-th server; taking the first away moves the second up.
fn set_server(
    at: &At<'_, '_>,
    draft: &mut Draft,
    (option, place): (&str, usize),
    value: &str,
) -> Result<(), Stop> {
    let mut servers = list(at, option);
    if servers.get(place).copied().unwrap_or_default() == value {
        return Ok(());
    }
    if value.is_empty() {
        if place < servers.len() {
            servers.remove(place);
        }
    } else if let Some(found) = servers.get_mut(place) {
        *found = value;
    } else if place == servers.len() {
        servers.push(value);
    } else {
        return Err(refused("nothing, before there is a first server"));
    }
    put_list(at, draft, option, &servers)
}

/// `RadiusServerIPAddr`.
pub fn radius<'s>(at: &At<'_, 's>) -> Value<'s> {
    server(at, "auth_server", 0)
}

/// Writes the first item of `auth_server`.
pub fn set_radius(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_server(at, draft, ("auth_server", 0), value)
}

/// `SecondaryRadiusServerIPAddr`.
pub fn second_radius<'s>(at: &At<'_, 's>) -> Value<'s> {
    server(at, "auth_server", 1)
}

/// Writes the second item of `auth_server`.
pub fn set_second_radius(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_server(at, draft, ("auth_server", 1), value)
}

/// The option that holds the accounting servers: hostapd's own, or while Accounting is off the one that remembers.
fn acct_option(at: &At<'_, '_>) -> &'static str {
    if list(at, "acct_server").is_empty() { "cpe_acct_server" } else { "acct_server" }
}

/// `Accounting.ServerIPAddr`.
pub fn acct<'s>(at: &At<'_, 's>) -> Value<'s> {
    server(at, acct_option(at), 0)
}

/// Writes the first accounting server.
pub fn set_acct(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_server(at, draft, (acct_option(at), 0), value)
}

/// `Accounting.SecondaryServerIPAddr`.
pub fn second_acct<'s>(at: &At<'_, 's>) -> Value<'s> {
    server(at, acct_option(at), 1)
}

/// Writes the second accounting server.
pub fn set_second_acct(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_server(at, draft, (acct_option(at), 1), value)
}

/// `Accounting.Enable`: hostapd counts where it has a server to tell.
pub fn acct_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    truth(acct_option(at) == "acct_server")
}

/// Moves the servers between `acct_server` and the option that remembers them.
pub fn set_acct_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let from = acct_option(at);
    if (value == "true") == (from == "acct_server") {
        return Ok(());
    }
    let to = if from == "acct_server" { "cpe_acct_server" } else { "acct_server" };
    let servers = list(at, from);
    if servers.is_empty() {
        return Err(refused("false, before ServerIPAddr is set"));
    }
    put_list(at, draft, to, &servers)?;
    put(at, draft, from, None)
}

/// Writes `acct_interval`; 0, no interim reports, takes it away.
pub fn set_interim(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if value == "0" {
        return put(at, draft, "acct_interval", None);
    }
    set_number(at, value, draft, ("acct_interval", 60..=u32::MAX, ""))
}
