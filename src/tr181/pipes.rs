//! The conversions between OpenWrt's words and the standard's that mapping lines name.

use crate::dm::schema::NamedPipe;

/// Every named pipe.
pub const PIPES: &[NamedPipe] = &[
    NamedPipe { name: "span", read: span, back: Some(span_back) },
    NamedPipe { name: "mask", read: mask, back: Some(mask_back) },
    NamedPipe { name: "unless_zero", read: same, back: Some(unless_zero) },
    NamedPipe { name: "unless_minus1", read: same, back: Some(unless_minus1) },
    NamedPipe { name: "netbool", read: netbool, back: Some(netbool_back) },
    NamedPipe { name: "netnot", read: netnot, back: Some(netnot_back) },
    NamedPipe { name: "steps4096", read: steps4096, back: Some(steps4096_back) },
    NamedPipe { name: "rwxn", read: rwxn, back: Some(rwxn) },
    NamedPipe { name: "wrap32", read: wrap32, back: None },
    NamedPipe { name: "sum", read: sum, back: None },
    NamedPipe { name: "width", read: wifi_width, back: None },
];

/// An OpenWrt time span such as `12h`, `3600` or `infinite` as whole seconds, `-1` for ever.
///
/// Units: `s` (the default), `m`, `h`, `d`, `w`. Nothing for an empty, negative or unknown span or one beyond `i32`.
/// Source: `/etc/config/dhcp`, `leasetime`.
fn span(text: &str) -> Option<String> {
    if text == "infinite" {
        return Some("-1".into());
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: i64 = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    let seconds = number.parse::<i64>().ok()?.checked_mul(factor)?;
    i32::try_from(seconds).ok().map(|seconds| seconds.to_string())
}

fn span_back(seconds: &str) -> Option<String> {
    match seconds.parse::<i64>().ok()? {
        -1 => Some("infinite".into()),
        n if n >= 0 => Some(n.to_string()),
        _ => None,
    }
}

/// The sum of a comma list of counters; what is no number counts nothing.
fn sum(list: &str) -> Option<String> {
    let numbers = list.split(',').filter_map(|item| item.trim().parse::<u64>().ok());
    Some(numbers.fold(0u64, u64::wrapping_add).to_string())
}

/// An `htmode` such as `HE80` as TR-181's channel width.
fn wifi_width(mode: &str) -> Option<String> {
    super::wifi::width_of(mode).map(str::to_string)
}

fn same(text: &str) -> Option<String> {
    Some(text.to_string())
}

/// `0` takes the option away: it is what the service does without it.
fn unless_zero(text: &str) -> Option<String> {
    Some(if text == "0" { String::new() } else { text.to_string() })
}

/// `-1` takes the option away: the standard's "none".
fn unless_minus1(text: &str) -> Option<String> {
    Some(if text == "-1" { String::new() } else { text.to_string() })
}

/// A prefix length, or a dotted mask, as a dotted mask.
fn mask(text: &str) -> Option<String> {
    if text.contains('.') {
        return text.parse::<std::net::Ipv4Addr>().ok().map(|mask| mask.to_string());
    }
    let length: u32 = text.parse().ok().filter(|length| *length <= 32)?;
    let bits = u32::MAX.checked_shl(32 - length).unwrap_or(0);
    Some(std::net::Ipv4Addr::from(bits).to_string())
}

/// A dotted mask as a prefix length; nothing for a mask with holes.
fn mask_back(text: &str) -> Option<String> {
    let bits = u32::from(text.parse::<std::net::Ipv4Addr>().ok()?);
    (bits.leading_ones() + bits.trailing_zeros() >= 32).then(|| bits.leading_ones().to_string())
}

/// A boolean as netifd and odhcpd read it: any word but these is as if the option were absent.
fn netbool(text: &str) -> Option<String> {
    super::layers::net::netbool(Some(text)).map(|yes| yes.to_string())
}

fn netbool_back(text: &str) -> Option<String> {
    netbool(text).map(|yes| if yes == "true" { "1" } else { "0" }.to_string())
}

/// As [`netbool`], turned round: `disabled '1'` is false.
fn netnot(text: &str) -> Option<String> {
    super::layers::net::netbool(Some(text)).map(|yes| (!yes).to_string())
}

fn netnot_back(text: &str) -> Option<String> {
    netbool(text).map(|yes| if yes == "true" { "0" } else { "1" }.to_string())
}

/// A bridge priority, rounded to the nearest of the steps of 4096 that the standard knows.
fn steps4096(text: &str) -> Option<String> {
    let priority: u32 = text.parse().ok().filter(|priority| *priority <= 65_535)?;
    Some(((priority + 2_048) / 4_096 * 4_096).min(61_440).to_string())
}

fn steps4096_back(text: &str) -> Option<String> {
    text.parse::<u32>().ok().filter(|priority| *priority <= 61_440).map(|priority| priority.to_string())
}

/// The letters of a permission; nothing for another text.
fn rwxn(text: &str) -> Option<String> {
    crate::dm::acl::Rwxn::parse(text).map(|letters| letters.to_string())
}

/// A counter of 64 bits as one of 32: it wraps.
fn wrap32(text: &str) -> Option<String> {
    text.parse::<u64>().ok().map(|count| (count & u64::from(u32::MAX)).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openwrt_spans_become_seconds_and_nothing_else_does() {
        for (text, want) in [
            ("12h", Some("43200")),
            ("3600", Some("3600")),
            ("infinite", Some("-1")),
            ("", None),
            ("12x", None),
            ("-1", None),
            ("2147483648", None),
            ("99999999w", None),
        ] {
            assert_eq!(span(text).as_deref(), want, "{text:?}");
        }
    }

    #[test]
    fn masks_and_prefix_lengths_are_each_others_inverse() {
        for length in 0..=32 {
            let dotted = mask(&length.to_string());
            assert_eq!(dotted.as_deref().and_then(mask_back), Some(length.to_string()));
        }
        assert_eq!(mask_back("255.0.255.0"), None);
        assert_eq!(mask("33"), None);
    }
}
