//! `Device.WiFi.AccessPoint.{i}.AssociatedDevice.{i}.`: what hostapd and iwinfo together tell of a station; and what
//! iwinfo tells of the access point that an end point has joined.

use super::text;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::At;

/// iwinfo's entry of the station: it writes addresses in capitals.
fn heard<'s>(at: &At<'_, 's>) -> Result<Option<&'s Tree>, Stop> {
    let Some(row) = at.row else { return Ok(None) };
    let section = row.parent.as_ref().and_then(|ap| ap.section.as_ref()).map(|bound| bound.name);
    let Some(ifname) = super::running(at, section.unwrap_or_default(), "ifname")? else { return Ok(None) };
    let list = at.tree(&format!("ubus:iwinfo assoclist device={ifname}"))?;
    let all = list.and_then(|list| list.get("results")).map_or(&[][..], Tree::items);
    Ok(all.iter().find(|entry| entry.str("mac").is_some_and(|mac| mac.eq_ignore_ascii_case(row.anchor))))
}

fn number(tree: &Tree, field: &str) -> Option<i64> {
    tree.str(field)?.parse().ok()
}

/// `SNR`: signal over noise, dB.
pub fn snr<'s>(at: &At<'_, 's>) -> Value<'s> {
    let levels = heard(at)?.and_then(|entry| Some((number(entry, "signal")?, number(entry, "noise")?)));
    Ok(levels.map(|(signal, noise)| signal.saturating_sub(noise).max(0).to_string().into()))
}

/// `OperatingStandard`: the newest the station showed; without any of them the one every station of the band knows.
pub fn station_standard<'s>(at: &At<'_, 's>) -> Value<'s> {
    let flag = |name: &str| at.field(name) == Some("true");
    let newest = [("eht", "be"), ("he", "ax"), ("vht", "ac"), ("ht", "n")];
    if let Some((_, standard)) = newest.into_iter().find(|(name, _)| flag(name)) {
        return text(standard);
    }
    let section = at.row.and_then(|row| row.parent.as_ref()).and_then(|ap| ap.section.as_ref());
    let radio = super::words(section.and_then(|bound| bound.tree.get("device"))).first().copied();
    let radio = at.tree(super::PACKAGE)?.and_then(|package| package.get(radio?));
    text(if radio.and_then(|radio| radio.str("band")) == Some("5g") { "a" } else { "g" })
}

/// `MaxSupportedBandwidth`: the widest channel seen in use by it.
pub fn station_width<'s>(at: &At<'_, 's>) -> Value<'s> {
    let mhz = |way: &str, entry: &Tree| entry.get(way).and_then(|rate| number(rate, "mhz"));
    let widest = heard(at)?.and_then(|entry| mhz("rx", entry).max(mhz("tx", entry)));
    text(match widest {
        Some(20) => "20MHz",
        Some(40) => "40MHz",
        Some(80) => "80MHz",
        Some(160) => "160MHz",
        Some(320) => "320MHz",
        Some(_) | None => "Unknown",
    })
}

/// The most that the standard lets an end point's rate be, in kbit/s.
const MOST_END_RATE: i64 = 600_000;

/// The rate of an end point towards its access point (`tx`) or from it (`rx`), in kbit/s.
fn end_rate<'s>(at: &At<'_, 's>, way: &str) -> Value<'s> {
    let Some(ifname) = super::running(at, super::section(at)?, "ifname")? else { return Ok(None) };
    let list = at.tree(&format!("ubus:iwinfo assoclist device={ifname}"))?;
    let joined = list.and_then(|list| list.get("results")?.items().first());
    let rate = joined.and_then(|entry| number(entry.get(way)?, "rate"));
    Ok(rate.map(|rate| rate.min(MOST_END_RATE).to_string().into()))
}

/// `EndPoint.{i}.Stats.LastDataDownlinkRate`.
pub fn end_down_rate<'s>(at: &At<'_, 's>) -> Value<'s> {
    end_rate(at, "rx")
}

/// `EndPoint.{i}.Stats.LastDataUplinkRate`.
pub fn end_up_rate<'s>(at: &At<'_, 's>) -> Value<'s> {
    end_rate(at, "tx")
}
