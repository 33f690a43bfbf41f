//! Bands and channels of a radio: what it may use, what it uses, what is asked of it.

use super::{can, changed, put, refused, running, section, text, truth};
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::At;
use crate::dm::write::Draft;

/// OpenWrt's and TR-181's words for a band, and the frequencies it lies in (MHz).
const BANDS: [(&str, &str, std::ops::RangeInclusive<u32>); 3] =
    [("2g", "2.4GHz", 2_400..=2_500), ("5g", "5GHz", 4_900..=5_925), ("6g", "6GHz", 5_926..=7_200)];

/// OpenWrt's word for the band a radio is set to; `hwmode` in files older than 21.02.
pub(super) fn band_of<'s>(at: &At<'_, 's>) -> Option<&'s str> {
    at.opt("band").or_else(|| match at.opt("hwmode")? {
        "11a" => Some("5g"),
        "11b" | "11g" => Some("2g"),
        _ => None,
    })
}

/// The channels that the radio may start on: OpenWrt's word of the band, and the number.
fn allowed(at: &At<'_, '_>) -> Result<Vec<(&'static str, u32)>, Stop> {
    let list = at.tree(&format!("ubus:iwinfo freqlist device={}", section(at)?))?;
    let results = list.and_then(|list| list.get("results")).map_or(&[][..], Tree::items);
    let usable = |entry: &&Tree| entry.str("restricted") != Some("true");
    let read = |entry: &Tree| -> Option<(&'static str, u32)> {
        let mhz: u32 = entry.str("mhz")?.parse().ok()?;
        let (band, ..) = BANDS.iter().find(|(_, _, range)| range.contains(&mhz))?;
        Some((band, entry.str("channel")?.parse().ok()?))
    };
    Ok(results.iter().filter(usable).filter_map(read).collect())
}

/// OpenWrt's words for the bands the radio has; where iwinfo does not tell, the one it is set to.
pub(super) fn bands_of(at: &At<'_, '_>) -> Result<Vec<&'static str>, Stop> {
    let allowed = allowed(at)?;
    let set = band_of(at).filter(|_| allowed.is_empty());
    let has = |band: &str| set == Some(band) || allowed.iter().any(|(of, _)| *of == band);
    Ok(BANDS.iter().map(|(band, ..)| *band).filter(|band| has(band)).collect())
}

/// The channels of the band the radio is set to.
fn possible(at: &At<'_, '_>) -> Result<Vec<u32>, Stop> {
    let band = band_of(at);
    let mut all: Vec<u32> =
        allowed(at)?.into_iter().filter(|(of, _)| Some(*of) == band).map(|(_, n)| n).collect();
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// `SupportedFrequencyBands`.
pub fn bands<'s>(at: &At<'_, 's>) -> Value<'s> {
    let has = bands_of(at)?;
    let words = BANDS.iter().filter(|(band, ..)| has.contains(band)).map(|(_, word, _)| *word);
    text(words.collect::<Vec<_>>().join(","))
}

/// `OperatingFrequencyBand`.
pub fn band<'s>(at: &At<'_, 's>) -> Value<'s> {
    let set = band_of(at);
    Ok(BANDS.iter().find(|(band, ..)| Some(*band) == set).map(|(_, word, _)| (*word).into()))
}

/// Writes `band`; a channel of the old band becomes the automatic choice.
pub fn set_band(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if band(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let has = bands_of(at)?;
    let Some((new, ..)) = BANDS.iter().find(|(band, word, _)| *word == value && has.contains(band)) else {
        return Err(refused("one of SupportedFrequencyBands"));
    };
    put(at, draft, "band", Some(new))?;
    put(at, draft, "hwmode", None)?;
    put(at, draft, "channel", Some("auto"))
}

/// `PossibleChannels`: numbers, and ranges where they follow each other without a gap.
pub fn possible_channels<'s>(at: &At<'_, 's>) -> Value<'s> {
    text(ranges(&possible(at)?))
}

fn ranges(channels: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &channel in channels {
        match runs.last_mut() {
            Some((_, end)) if *end + 1 == channel => *end = channel,
            _ => runs.push((channel, channel)),
        }
    }
    let word = |(from, to): (u32, u32)| if from == to { from.to_string() } else { format!("{from}-{to}") };
    runs.into_iter().map(word).collect::<Vec<_>>().join(",")
}

/// Whether the choice is left to hostapd.
fn automatic(at: &At<'_, '_>) -> bool {
    matches!(at.opt("channel"), None | Some("auto" | "0"))
}

/// `Channel`: the one in use; with hostapd gone the one asked for, else the lowest the radio may use.
pub fn channel<'s>(at: &At<'_, 's>) -> Value<'s> {
    let stored = at.opt("channel").filter(|channel| channel.parse::<u32>().is_ok_and(|n| n > 0));
    if let Some(stored) = stored.filter(|_| changed(at)) {
        return text(stored);
    }
    let possible = possible(at)?;
    if let Some(ap) = running(at, section(at)?, "ap")? {
        for source in [format!("ubus:hostapd.{ap} get_status"), format!("ubus:iwinfo info device={ap}")] {
            let live = at.tree(&source)?.and_then(|status| status.str("channel"));
            let usable = |n: u32| n > 0 && (possible.is_empty() || possible.contains(&n));
            if let Some(live) = live.filter(|live| live.parse().is_ok_and(usable)) {
                return text(live);
            }
        }
    }
    if let Some(stored) = stored {
        return text(stored);
    }
    Ok(possible.first().map(|lowest| lowest.to_string().into()))
}

/// Writes the number, which ends the automatic choice; refuses what is not in PossibleChannels.
pub fn set_channel(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let possible = possible(at)?;
    if !possible.is_empty() && !value.parse().is_ok_and(|wanted| possible.contains(&wanted)) {
        return Err(refused(ranges(&possible)));
    }
    if at.opt("channel") == Some(value) { Ok(()) } else { put(at, draft, "channel", Some(value)) }
}

/// `AutoChannelEnable`.
pub fn auto_channel<'s>(at: &At<'_, 's>) -> Value<'s> {
    truth(automatic(at))
}

/// Writes `channel`: `auto`, or the channel now in use.
pub fn set_auto_channel(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let wanted = value == "true";
    if wanted == automatic(at) {
        return Ok(());
    }
    if wanted {
        if !can(at, "acs")? {
            return Err(refused("false, as hostapd was built without automatic channel selection"));
        }
        return put(at, draft, "channel", Some("auto"));
    }
    let Some(now) = channel(at)? else { return Err(refused("true, as no channel is known")) };
    put(at, draft, "channel", Some(&now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_channels_without_a_gap_make_a_range() {
        for (channels, want) in
            [(&[][..], ""), (&[1, 2, 3, 4], "1-4"), (&[36, 40, 44], "36,40,44"), (&[1, 6, 7, 11], "1,6-7,11")]
        {
            assert_eq!(ranges(channels), want);
        }
    }
}
