//! `Device.WiFi.Radio.{i}.`: state, standards, width, power and timing. Bands and channels are in `channel`.

use super::htmode::{Mode, width_word};
use super::{PACKAGE, STATUS, band_of, put, refused, running, section, set_number, text, truth, words, yes};
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::At;
use crate::dm::write::Draft;
use crate::tr181::network;

/// `Status`: netifd's word; Dormant while it listens for radar before it may send.
pub fn radio_status<'s>(at: &At<'_, 's>) -> Value<'s> {
    if yes(at.opt("disabled"), false) {
        return text("Down");
    }
    let name = section(at)?;
    let Some(state) = at.tree(STATUS)?.and_then(|radios| radios.get(name)) else { return text("Down") };
    let flag = |field: &str| state.str(field) == Some("true");
    if flag("retry_setup_failed") {
        return text("Error");
    }
    if flag("disabled") || flag("pending") || !flag("up") {
        return text("Down");
    }
    if let Some(ap) = running(at, name, "ap")? {
        let status = at.tree(&format!("ubus:hostapd.{ap} get_status"))?;
        if status.and_then(|status| status.get("dfs")?.str("cac_active")) == Some("true") {
            return text("Dormant");
        }
    }
    text("Up")
}

/// The `htmode` words the radio can do in its band; empty where neither iwinfo nor the board tells.
fn modes<'s>(at: &At<'_, 's>) -> Result<Vec<&'s str>, Stop> {
    let info = at.tree(&format!("ubus:iwinfo info device={}", section(at)?))?;
    let mut words = words(info.and_then(|info| info.get("htmodes")));
    if words.is_empty() {
        words = board(at)?.map_or_else(Vec::new, |board| {
            let bands = board.get("bands").map_or(&[][..], Tree::entries);
            bands.iter().flat_map(|(_, band)| super::words(band.get("modes"))).collect()
        });
    }
    // A radio for both bands lists VHT too, which 2.4 GHz does not have.
    if band_of(at) == Some("2g") {
        words.retain(|word| !word.starts_with("VHT"));
    }
    Ok(words)
}

/// What `board.json` says of the radio's phy.
fn board<'s>(at: &At<'_, 's>) -> Result<Option<&'s Tree>, Stop> {
    let phys = network::board_file(at.view)?.and_then(|board| board.get("wlan"));
    let path = at.opt("path");
    let mine = phys
        .map_or(&[][..], Tree::entries)
        .iter()
        .find(|(phy, entry)| at.opt("phy") == Some(&**phy) || (path.is_some() && entry.str("path") == path));
    Ok(mine.and_then(|(_, entry)| entry.get("info")))
}

/// `MaxBitRate`: the fastest mode over as many streams as the board has antennas; nothing where it does not say.
pub fn max_bit_rate<'s>(at: &At<'_, 's>) -> Value<'s> {
    let antennas = board(at)?.and_then(|board| board.str("antenna_tx")?.parse::<u32>().ok());
    let Some(streams) = antennas.map(u32::count_ones).filter(|streams| *streams > 0) else { return Ok(None) };
    let rates = modes(at)?.into_iter().filter_map(|word| Mode::read(Some(word)).rate(streams));
    Ok(rates.max().map(|rate| rate.to_string().into()))
}

/// What iwinfo calls the radio's standards, the oldest of each band among them.
fn standards_of(at: &At<'_, '_>) -> Result<Vec<&'static str>, Stop> {
    let info = at.tree(&format!("ubus:iwinfo info device={}", section(at)?))?;
    let told = words(info.and_then(|info| info.get("hwmodes")));
    let bands = super::bands_of(at)?;
    // iwinfo leaves `a` out where there is `ac`.
    let implied = |standard: &str| match standard {
        "a" => bands.contains(&"5g"),
        "b" | "g" => bands.contains(&"2g"),
        _ => false,
    };
    let known = ["a", "b", "g", "n", "ac", "ax", "be"];
    Ok(known.into_iter().filter(|standard| told.contains(standard) || implied(standard)).collect())
}

/// `SupportedStandards`.
pub fn supported_standards<'s>(at: &At<'_, 's>) -> Value<'s> {
    text(standards_of(at)?.join(","))
}

/// The standards of a band without `b`, oldest first.
fn ladder(band: Option<&str>) -> &'static [&'static str] {
    match band {
        Some("2g") => &["g", "n", "ax", "be"],
        Some("6g") => &["ax", "be"],
        Some(_) | None => &["a", "n", "ac", "ax", "be"],
    }
}

/// `OperatingStandards`: up to what `htmode` names, from what `require_mode` asks of stations; `b` with `legacy_rates`.
pub fn standards<'s>(at: &At<'_, 's>) -> Value<'s> {
    let band = band_of(at);
    let ladder = ladder(band);
    let newest = Mode::read(at.opt("htmode")).standard();
    let top = ladder.iter().position(|standard| *standard == newest).unwrap_or(0);
    let floor = at.opt("require_mode");
    let from = ladder.iter().position(|standard| Some(*standard) == floor).unwrap_or(0);
    let mut out: Vec<&str> = ladder.get(from.min(top)..=top).unwrap_or_default().to_vec();
    if band == Some("2g") && from == 0 && yes(at.opt("legacy_rates"), false) {
        out.insert(0, "b");
    }
    text(out.join(","))
}

/// Writes `htmode`, `require_mode` and `legacy_rates`; refuses what the radio cannot do and a set with a hole.
pub fn set_standards(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let supported = standards_of(at)?;
    let wanted: Vec<&str> = value.split(',').filter(|word| !word.is_empty()).collect();
    if wanted.is_empty() || wanted.iter().any(|standard| !supported.contains(standard)) {
        return Err(refused(supported.join(", ")));
    }
    let band = band_of(at);
    let ladder = ladder(band);
    let places: Vec<usize> = (0..ladder.len())
        .filter(|place| ladder.get(*place).is_some_and(|standard| wanted.contains(standard)))
        .collect();
    let b = wanted.contains(&"b");
    let (Some(&low), Some(&high)) = (places.first(), places.last()) else {
        return Err(refused(format!("one of {}", ladder.join(", "))));
    };
    let whole = places.len() == high - low + 1 && places.len() + usize::from(b) == wanted.len();
    if !whole || (b && (band != Some("2g") || low > 0)) {
        return Err(refused(format!("neighbours of {}", ladder.join(", "))));
    }
    let newest = ladder.get(high).copied().unwrap_or_default();
    let standard = if matches!(newest, "a" | "g") { "" } else { newest };
    let present = Mode::read(at.opt("htmode"));
    if present.standard() != standard {
        let mode = present.with_standard(standard).ok_or_else(|| refused(supported.join(", ")))?;
        put(at, draft, "htmode", Some(&fitting(at, mode)?.word()))?;
    }
    let floor = ladder.get(low).copied().filter(|_| low > 0 && *ladder.first().unwrap_or(&"") != "ax");
    let floor = floor.or_else(|| (band == Some("6g") && low > 0).then_some("be"));
    if floor == Some("be") {
        return Err(refused("a set with ax: stations cannot be asked for more"));
    }
    if at.opt("require_mode") != floor {
        put(at, draft, "require_mode", floor)?;
    }
    if band == Some("2g") && yes(at.opt("legacy_rates"), false) != b {
        put(at, draft, "legacy_rates", Some(if b { "1" } else { "0" }))?;
    }
    Ok(())
}

/// The mode, narrowed to what the radio can do.
fn fitting<'a>(at: &At<'_, '_>, mode: Mode<'a>) -> Result<Mode<'a>, Stop> {
    let known = modes(at)?;
    let fits = |mode: &Mode<'_>| {
        mode.family == "NOHT"
            || known.is_empty()
            || known.iter().any(|word| *word == Mode { side: "", ..*mode }.word())
    };
    let narrower = [320, 160, 80, 40, 20].into_iter().filter(|width| *width <= mode.width);
    let found = narrower.filter_map(|width| mode.with_width(width)).find(fits);
    found.ok_or_else(|| refused(known.join(", ")))
}

/// `SupportedOperatingChannelBandwidths`.
pub fn widths<'s>(at: &At<'_, 's>) -> Value<'s> {
    let mut widths: Vec<u32> = modes(at)?.into_iter().map(|word| Mode::read(Some(word)).width).collect();
    widths.push(Mode::read(at.opt("htmode")).width);
    widths.sort_unstable();
    widths.dedup();
    text(widths.into_iter().filter_map(width_word).collect::<Vec<_>>().join(","))
}

/// `OperatingChannelBandwidth`: the number in `htmode`.
pub fn width<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(width_word(Mode::read(at.opt("htmode")).width).map(Into::into))
}

/// Writes the number and keeps the letters: the standards stay.
pub fn set_width(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let present = Mode::read(at.opt("htmode"));
    let known = modes(at)?;
    let able = |width: &u32| {
        present.with_width(*width).is_some_and(|mode| {
            mode.family == "NOHT"
                || known.is_empty()
                || known.iter().any(|word| *word == Mode { side: "", ..mode }.word())
        })
    };
    let widths = [20, 40, 80, 160, 320];
    let wanted = widths.into_iter().find(|width| width_word(*width) == Some(value)).filter(able);
    let Some(mode) = wanted.and_then(|width| present.with_width(width)) else {
        let words: Vec<&str> = widths.into_iter().filter(able).filter_map(width_word).collect();
        return Err(refused(format!("{} with these OperatingStandards", words.join(", "))));
    };
    if mode == present { Ok(()) } else { put(at, draft, "htmode", Some(&mode.word())) }
}

/// `ExtensionChannel`: on which side HT40 has its second channel.
pub fn extension<'s>(at: &At<'_, 's>) -> Value<'s> {
    text(match Mode::read(at.opt("htmode")).side {
        "+" => "AboveControlChannel",
        "-" => "BelowControlChannel",
        _ => "Auto",
    })
}

/// Writes the side; only HT40 at 2.4 GHz leaves it open.
pub fn set_extension(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let present = Mode::read(at.opt("htmode"));
    let side = match value {
        "AboveControlChannel" => "+",
        "BelowControlChannel" => "-",
        _ => "",
    };
    if side == present.side {
        return Ok(());
    }
    if present.family != "HT" || present.width != 40 || band_of(at) != Some("2g") {
        return Err(refused("Auto, but for 802.11n with 40 MHz at 2.4 GHz"));
    }
    put(at, draft, "htmode", Some(&Mode { side, ..present }.word()))
}

/// The radio's power levels: percent of the highest, and dBm, ascending.
fn levels(at: &At<'_, '_>) -> Result<Vec<(u64, i32)>, Stop> {
    let list = at.tree(&format!("ubus:iwinfo txpowerlist device={}", section(at)?))?;
    let results = list.and_then(|list| list.get("results")).map_or(&[][..], Tree::items);
    let mut found: Vec<(u64, i32)> = results
        .iter()
        .filter_map(|entry| Some((entry.str("mw")?.parse().ok()?, entry.str("dbm")?.parse().ok()?)))
        .collect();
    found.sort_by_key(|(_, dbm)| *dbm);
    let Some(most) = found.iter().map(|(mw, _)| *mw).max().filter(|most| *most > 0) else {
        return Ok(Vec::new());
    };
    let percent = |mw: u64| (mw.saturating_mul(100).saturating_add(most / 2) / most).max(1);
    Ok(found.into_iter().map(|(mw, dbm)| (percent(mw), dbm)).collect())
}

/// `TransmitPowerSupported`.
pub fn power_levels<'s>(at: &At<'_, 's>) -> Value<'s> {
    let mut percents: Vec<u64> = levels(at)?.into_iter().map(|(percent, _)| percent).collect();
    percents.dedup();
    text(percents.iter().map(u64::to_string).collect::<Vec<_>>().join(","))
}

/// `TransmitPower`: without the option the driver goes to the limit.
pub fn power<'s>(at: &At<'_, 's>) -> Value<'s> {
    let Some(set) = at.opt("txpower").and_then(|dbm| dbm.parse::<i32>().ok()) else { return text("100") };
    let levels = levels(at)?;
    let below = levels.iter().rev().find(|(_, dbm)| *dbm <= set).or(levels.first());
    Ok(below.map(|(percent, _)| percent.to_string().into()))
}

/// Writes one of the radio's levels; 100 takes the option away.
//= TR-181 WiFi.Radio.{i}.TransmitPower: one of TransmitPowerSupported.
pub fn set_power(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if power(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    if value == "100" {
        return put(at, draft, "txpower", None);
    }
    let levels = levels(at)?;
    let level = levels.iter().rev().find(|(percent, _)| value.parse() == Ok(*percent));
    match level {
        Some((_, dbm)) => put(at, draft, "txpower", Some(&dbm.to_string())),
        None if levels.is_empty() => Err(refused("100, as the radio tells no levels")),
        None => Err(refused(power_levels(at)?.unwrap_or_default())),
    }
}

/// `GuardInterval`: long where every short one is switched off, else what driver and station agree on.
pub fn guard_interval<'s>(at: &At<'_, 's>) -> Value<'s> {
    text(if SHORT.iter().all(|option| !yes(at.opt(option), true)) { "800nsec" } else { "Auto" })
}

const SHORT: [&str; 4] = ["short_gi_20", "short_gi_40", "short_gi_80", "short_gi_160"];

/// Writes the four options; a fixed short interval cannot be asked for.
pub fn set_guard_interval(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let new = match value {
        "800nsec" => Some("0"),
        "Auto" => None,
        _ => return Err(refused("800nsec or Auto")),
    };
    SHORT
        .iter()
        .filter(|option| yes(at.opt(option), true) == new.is_some())
        .try_for_each(|option| put(at, draft, option, new))
}

/// `IEEE80211hSupported`: radar and power rules are 5 GHz's.
pub fn has_80211h<'s>(at: &At<'_, 's>) -> Value<'s> {
    truth(band_of(at) == Some("5g"))
}

/// `IEEE80211hEnabled`.
pub fn uses_80211h<'s>(at: &At<'_, 's>) -> Value<'s> {
    truth(band_of(at) == Some("5g") && yes(at.opt("doth"), true))
}

/// Writes `doth`.
pub fn set_uses_80211h(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if band_of(at) != Some("5g") {
        return if value == "false" { Ok(()) } else { Err(refused("false, as the radio is not at 5 GHz")) };
    }
    let same = at.opt("doth").is_none() && value == "true";
    if same { Ok(()) } else { put(at, draft, "doth", Some(if value == "true" { "1" } else { "0" })) }
}

/// `RegulatoryDomain`: the country and, as the third character, whether the radio is indoors or outdoors.
pub fn country<'s>(at: &At<'_, 's>) -> Value<'s> {
    let Some(country) = at.opt("country").filter(|country| country.len() == 2) else { return Ok(None) };
    let place = match at.opt("country3").map(str::to_ascii_lowercase).as_deref() {
        Some("0x49") => 'I',
        Some("0x4f") => 'O',
        _ => ' ',
    };
    text(format!("{}{place}", country.to_ascii_uppercase()))
}

/// Writes `country` and `country3`.
pub fn set_country(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let (country, place) =
        value.split_at_checked(2).ok_or_else(|| refused("two letters and a blank, I or O"))?;
    let third = match place {
        "I" => Some("0x49"),
        "O" => Some("0x4f"),
        _ => None,
    };
    if self::country(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    put(at, draft, "country", Some(country))?;
    put(at, draft, "country3", third)
}

/// Writes `beacon_int`, in time units of 1.024 ms taken as milliseconds.
pub fn set_beacon_period(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_number(at, value, draft, ("beacon_int", 15..=65_535, "100"))
}

/// Writes `frag`.
pub fn set_fragmentation(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_number(at, value, draft, ("frag", 256..=2_346, "2346"))
}

/// Writes `rts`.
pub fn set_rts(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    set_number(at, value, draft, ("rts", 0..=2_347, "2347"))
}

/// The access points of the radio: names and sections of UCI.
fn access_points<'s>(at: &At<'_, 's>) -> Result<Vec<(&'s str, &'s Tree)>, Stop> {
    let name = section(at)?;
    let mut all = at.view.sections(PACKAGE, "wifi-iface")?;
    all.retain(|(_, iface)| {
        iface.str("mode").unwrap_or("ap") == "ap" && words(iface.get("device")).contains(&name)
    });
    Ok(all)
}

/// An option of the radio's first access point.
fn first<'s>(at: &At<'_, 's>, option: &str) -> Result<Option<&'s str>, Stop> {
    Ok(access_points(at)?.first().and_then(|(_, iface)| iface.str(option)))
}

/// Writes an option of all the radio's access points; refuses where it has none.
fn set_all(at: &At<'_, '_>, draft: &mut Draft, option: &str, value: &str) -> Result<(), Stop> {
    let all = access_points(at)?;
    if all.is_empty() {
        return Err(refused("what it is, as the radio has no access point"));
    }
    all.into_iter().try_for_each(|(name, _)| draft.set_text(PACKAGE, name, option, value))
}

fn beacon_period(at: &At<'_, '_>) -> u32 {
    at.opt("beacon_int").and_then(|period| period.parse().ok()).filter(|period| *period > 0).unwrap_or(100)
}

/// `DTIMPeriod` in milliseconds, of the radio's first access point; hostapd counts beacons.
pub fn dtim<'s>(at: &At<'_, 's>) -> Value<'s> {
    let beacons = first(at, "dtim_period")?.and_then(|beacons| beacons.parse::<u32>().ok()).unwrap_or(2);
    text(beacons.saturating_mul(beacon_period(at)).to_string())
}

/// Writes the number of beacons to all access points of the radio; refuses what is no multiple of the beacon period.
pub fn set_dtim(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if dtim(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let period = beacon_period(at);
    let wanted = value.parse::<u32>().ok().filter(|wanted| wanted.is_multiple_of(period));
    let beacons = wanted.map(|wanted| wanted / period).filter(|beacons| (1..=255).contains(beacons));
    let Some(beacons) = beacons else {
        return Err(refused(format!("1 to 255 times the beacon period of {period} ms")));
    };
    set_all(at, draft, "dtim_period", &beacons.to_string())
}

/// `PreambleType`, of the radio's first access point.
pub fn preamble<'s>(at: &At<'_, 's>) -> Value<'s> {
    text(if yes(first(at, "short_preamble")?, true) { "short" } else { "long" })
}

/// Writes `short_preamble` of all access points of the radio.
pub fn set_preamble(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let new = match value {
        "short" => "1",
        "long" => "0",
        _ => return Err(refused("short or long")),
    };
    if preamble(at)?.as_deref() == Some(value) { Ok(()) } else { set_all(at, draft, "short_preamble", new) }
}
