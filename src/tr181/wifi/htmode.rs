//! `htmode` of a `wifi-device`: one word for the newest standard in use and the channel width.

/// The families, oldest first, with the standard that each adds and the widths it knows (MHz).
const FAMILIES: &[(&str, &str, &[u32])] = &[
    ("NOHT", "", &[20]),
    ("HT", "n", &[20, 40]),
    ("VHT", "ac", &[20, 40, 80, 160]),
    ("HE", "ax", &[20, 40, 80, 160]),
    ("EHT", "be", &[20, 40, 80, 160, 320]),
];

/// Rates of one spatial stream in units of 100 kbit/s at the shortest guard interval: family, width, rate.
/// Source: IEEE 802.11, highest MCS of each PHY.
const RATES: &[(&str, u32, u32)] = &[
    ("NOHT", 20, 540),
    ("HT", 20, 722),
    ("HT", 40, 1_500),
    ("VHT", 20, 867),
    ("VHT", 40, 2_000),
    ("VHT", 80, 4_333),
    ("VHT", 160, 8_667),
    ("HE", 20, 1_434),
    ("HE", 40, 2_868),
    ("HE", 80, 6_005),
    ("HE", 160, 12_010),
    ("EHT", 20, 1_721),
    ("EHT", 40, 3_441),
    ("EHT", 80, 7_206),
    ("EHT", 160, 14_412),
    ("EHT", 320, 28_824),
];

/// An `htmode`, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode<'a> {
    /// `NOHT`, `HT`, `VHT`, `HE` or `EHT`.
    pub family: &'static str,
    /// MHz.
    pub width: u32,
    /// `+`, `-` or nothing: where HT40 has its second channel.
    pub side: &'a str,
}

impl<'a> Mode<'a> {
    /// Reads `HT40+`, `HE80` or `NOHT`; an absent or unknown word is `NOHT`, as wifi-scripts have it.
    pub fn read(word: Option<&'a str>) -> Mode<'a> {
        let plain = Mode { family: "NOHT", width: 20, side: "" };
        let Some(word) = word else { return plain };
        let digits = word.find(|c: char| c.is_ascii_digit()).unwrap_or(word.len());
        let (letters, rest) = word.split_at(digits);
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (width, side) = rest.split_at(end);
        match (FAMILIES.iter().find(|(family, ..)| *family == letters), width.parse()) {
            (Some((family, ..)), Ok(width)) => Mode { family, width, side },
            _ => plain,
        }
    }

    /// The word for it.
    pub fn word(self) -> String {
        match self.family {
            "NOHT" => "NOHT".into(),
            family => format!("{family}{}{}", self.width, self.side),
        }
    }

    /// The standard that its family adds; empty for `NOHT`.
    pub fn standard(self) -> &'static str {
        FAMILIES.iter().find(|(family, ..)| *family == self.family).map_or("", |(_, standard, _)| standard)
    }

    /// The same with the family that adds `standard` and the widest channel it knows up to the present one.
    pub fn with_standard(self, standard: &str) -> Option<Mode<'a>> {
        let (family, _, widths) = FAMILIES.iter().find(|(_, adds, _)| *adds == standard)?;
        let width = widths.iter().copied().filter(|width| *width <= self.width).max()?;
        let side = if *family == "HT" && width == 40 { self.side } else { "" };
        Some(Mode { family, width, side })
    }

    /// The same with another width; nothing where the family does not know it.
    pub fn with_width(self, width: u32) -> Option<Mode<'a>> {
        let (family, _, widths) = FAMILIES.iter().find(|(family, ..)| *family == self.family)?;
        let side = if *family == "HT" && width == 40 { self.side } else { "" };
        widths.contains(&width).then_some(Mode { family, width, side })
    }

    /// Mbit/s over `streams` spatial streams. HT knows at most 4, the others 8.
    pub fn rate(self, streams: u32) -> Option<u32> {
        let most = if self.family == "HT" { 4 } else { 8 };
        let streams = if self.family == "NOHT" { 1 } else { streams.min(most) };
        let found = RATES.iter().find(|(family, width, _)| *family == self.family && *width == self.width)?;
        Some(found.2 * streams / 10)
    }
}

/// TR-181's word for a channel width in MHz.
pub fn width_word(width: u32) -> Option<&'static str> {
    Some(match width {
        20 => "20MHz",
        40 => "40MHz",
        80 => "80MHz",
        160 => "160MHz",
        320 => "320MHz-1",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_htmode_is_a_family_a_width_and_for_ht40_a_side() {
        for (word, family, width, side) in [
            ("NOHT", "NOHT", 20, ""),
            ("HT40+", "HT", 40, "+"),
            ("HT40-", "HT", 40, "-"),
            ("VHT80", "VHT", 80, ""),
            ("HE160", "HE", 160, ""),
            ("EHT320", "EHT", 320, ""),
        ] {
            let mode = Mode::read(Some(word));
            assert_eq!(mode, Mode { family, width, side }, "{word}");
            assert_eq!(mode.word(), word);
        }
        for odd in [None, Some(""), Some("XHT20"), Some("HT"), Some("40")] {
            assert_eq!(Mode::read(odd).word(), "NOHT", "{odd:?}");
        }
    }

    #[test]
    fn another_standard_takes_the_widest_channel_it_knows() {
        for (from, standard, want) in [
            ("HE160", "n", Some("HT40")),
            ("HT40+", "ac", Some("VHT40")),
            ("HT40+", "n", Some("HT40+")),
            ("EHT320", "ax", Some("HE160")),
            ("HE80", "", Some("NOHT")),
            ("NOHT", "be", Some("EHT20")),
            ("HE80", "ad", None),
        ] {
            let got = Mode::read(Some(from)).with_standard(standard).map(Mode::word);
            assert_eq!(got.as_deref(), want, "{from} {standard}");
        }
    }

    #[test]
    fn rates_grow_with_the_streams_up_to_what_the_standard_knows() {
        for (word, streams, want) in
            [("HT20", 2, 144), ("HT40", 8, 600), ("HE80", 2, 1_201), ("NOHT", 4, 54), ("VHT160", 4, 3_466)]
        {
            assert_eq!(Mode::read(Some(word)).rate(streams), Some(want), "{word} {streams}");
        }
    }
}
