//! DHCPv4 options between dnsmasq's words and bytes: `6,10.0.0.1,10.0.0.2` is tag 6 with eight bytes.
//!
//! Knows the forms of `dhcp_option` items (dnsmasq's `--dhcp-option`) and the names it gives to tags. Items that
//! are bound to a client tag or to a vendor are not decoded: they are no plain option of the pool.

use std::net::Ipv4Addr;

/// dnsmasq's names of options, as `option:NAME`.
///
/// Source: `dnsmasq --help dhcp`.
const NAMES: &[(&str, u8)] = &[
    ("netmask", 1),
    ("time-offset", 2),
    ("router", 3),
    ("dns-server", 6),
    ("log-server", 7),
    ("lpr-server", 9),
    ("hostname", 12),
    ("boot-file-size", 13),
    ("domain-name", 15),
    ("swap-server", 16),
    ("root-path", 17),
    ("extension-path", 18),
    ("ip-forward-enable", 19),
    ("default-ttl", 23),
    ("mtu", 26),
    ("broadcast", 28),
    ("router-discovery", 31),
    ("router-solicitation", 32),
    ("static-route", 33),
    ("arp-timeout", 35),
    ("nis-domain", 40),
    ("nis-server", 41),
    ("ntp-server", 42),
    ("vendor-encap", 43),
    ("netbios-ns", 44),
    ("netbios-dd", 45),
    ("netbios-nodetype", 46),
    ("netbios-scope", 47),
    ("x-windows-fs", 48),
    ("x-windows-dm", 49),
    ("requested-address", 50),
    ("lease-time", 51),
    ("server-identifier", 54),
    ("T1", 58),
    ("T2", 59),
    ("vendor-class", 60),
    ("client-id", 61),
    ("nis+-domain", 64),
    ("nis+-server", 65),
    ("tftp-server", 66),
    ("bootfile-name", 67),
    ("mobile-ip-home", 68),
    ("smtp-server", 69),
    ("pop3-server", 70),
    ("nntp-server", 71),
    ("irc-server", 74),
    ("user-class", 77),
    ("client-arch", 93),
    ("domain-search", 119),
    ("sip-server", 120),
    ("classless-static-route", 121),
];

/// Options whose value is a list of addresses.
const ADDRESSES: &[u8] =
    &[1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 28, 32, 41, 42, 44, 45, 48, 49, 54, 65, 68, 69, 70, 71, 74];
/// Options whose value is a text.
const TEXTS: &[u8] = &[12, 14, 15, 17, 18, 40, 47, 60, 64, 66, 67, 100, 101, 114, 252];
/// Options whose value is a number of so many bytes.
const NUMBERS: &[(u8, usize)] = &[
    (2, 4),
    (13, 2),
    (19, 1),
    (23, 1),
    (26, 2),
    (31, 1),
    (35, 4),
    (37, 1),
    (38, 4),
    (46, 1),
    (51, 4),
    (58, 4),
    (59, 4),
];

/// Splits an item into its tag and the text of its value; nothing for an item bound to a tag or vendor.
pub fn split(item: &str) -> Option<(u8, &str)> {
    let (name, value) = item.split_once(',').unwrap_or((item, ""));
    let tag = match name.strip_prefix("option:") {
        Some(name) => NAMES.iter().find(|(known, _)| *known == name)?.1,
        None => name.parse().ok()?,
    };
    (1..=254).contains(&tag).then_some((tag, value))
}

/// The bytes that dnsmasq sends for a value; nothing where it would refuse the text.
pub fn decode(tag: u8, text: &str) -> Option<Vec<u8>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let parts: Vec<&str> = text.split(',').collect();
    if tag == 119 {
        return Some(parts.iter().flat_map(|name| labels(name)).collect());
    }
    if tag == 121 {
        return routes(&parts);
    }
    if let Some(addresses) = parts.iter().map(|p| p.parse::<Ipv4Addr>().ok()).collect::<Option<Vec<_>>>() {
        return Some(addresses.iter().flat_map(|address| address.octets()).collect());
    }
    let pair = |pair: &str| {
        let digits = (1..=2).contains(&pair.len());
        u8::from_str_radix(pair, 16).ok().filter(|_| digits && !pair.starts_with('+'))
    };
    if text.contains(':')
        && let Some(bytes) = text.split(':').map(pair).collect::<Option<_>>()
    {
        return Some(bytes);
    }
    if let Some(number) = text.parse::<u32>().ok().filter(|_| !TEXTS.contains(&tag)) {
        let least = match number {
            0..=0xff => 1,
            0x100..=0xffff => 2,
            _ => 4,
        };
        let size = NUMBERS.iter().find(|(known, _)| *known == tag).map_or(least, |(_, size)| *size);
        return number.to_be_bytes().get(4 - size..).map(<[u8]>::to_vec);
    }
    Some(text.trim_matches('"').as_bytes().to_vec())
}

/// The text that makes dnsmasq send these bytes, readable where the option's type is known.
///
/// Nothing for bytes that no text gives, such as one byte for an option that is a number of two.
pub fn encode(tag: u8, bytes: &[u8]) -> Option<String> {
    let text = spell(tag, bytes);
    (decode(tag, &text).as_deref() == Some(bytes)).then_some(text)
}

fn spell(tag: u8, bytes: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b',' | b'"' | b'\'' | b'\\' | b'#');
    if ADDRESSES.contains(&tag) && bytes.len().is_multiple_of(4) {
        let addresses = bytes.chunks(4).filter_map(|four| <[u8; 4]>::try_from(four).ok());
        return addresses.map(|four| Ipv4Addr::from(four).to_string()).collect::<Vec<_>>().join(",");
    }
    match bytes {
        _ if TEXTS.contains(&tag) && bytes.iter().all(plain) => {
            let text = String::from_utf8_lossy(bytes).into_owned();
            if decode(tag, &text).as_deref() == Some(bytes) { text } else { colons(bytes) }
        }
        _ if NUMBERS.contains(&(tag, bytes.len())) => {
            bytes.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte)).to_string()
        }
        [byte] => byte.to_string(),
        _ => colons(bytes),
    }
}

fn colons(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

//= RFC 1035 3.1: a name is labels, each behind its length, and a zero.
fn labels(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        out.push(u8::try_from(label.len()).unwrap_or(63).min(63));
        out.extend(label.bytes().take(63));
    }
    out.push(0);
    out
}

//= RFC 3442: a route is the prefix length, the significant bytes of the destination, the router.
fn routes(parts: &[&str]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for pair in parts.chunks(2) {
        let [destination, router] = pair else { return None };
        let (network, length) = destination.split_once('/').unwrap_or((destination, "32"));
        let length: u8 = length.parse().ok().filter(|length| *length <= 32)?;
        out.push(length);
        out.extend(network.parse::<Ipv4Addr>().ok()?.octets().iter().take(usize::from(length).div_ceil(8)));
        out.extend(router.parse::<Ipv4Addr>().ok()?.octets());
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    //= RFC 1035 3.1, RFC 3442
    #[test]
    fn what_dnsmasq_sends_for_an_item_is_read_from_its_text() {
        for (item, want) in [
            ("3,192.168.1.1", Some((3, vec![192, 168, 1, 1]))),
            ("6,10.0.0.1,10.0.0.2", Some((6, vec![10, 0, 0, 1, 10, 0, 0, 2]))),
            ("option:ntp-server,10.1.0.1", Some((42, vec![10, 1, 0, 1]))),
            ("66,pxe", Some((66, b"pxe".to_vec()))),
            ("26,1492", Some((26, vec![5, 212]))),
            ("200,7", Some((200, vec![7]))),
            ("43,01:04:0a", Some((43, vec![1, 4, 10]))),
            ("3", Some((3, vec![]))),
            ("119,a.b", Some((119, vec![1, b'a', 1, b'b', 0]))),
            ("121,10.8.0.0/13,10.0.0.1", Some((121, vec![13, 10, 8, 10, 0, 0, 1]))),
            ("tag:phones,3,10.0.0.1", None),
            ("vendor:x,1,2", None),
            ("option:nosuch,1", None),
            ("0,1", None),
            ("255,1", None),
        ] {
            let got = split(item).and_then(|(tag, text)| Some((tag, decode(tag, text)?)));
            assert_eq!(got, want, "{item}");
        }
    }

    #[test]
    fn bytes_survive_the_way_into_an_item_and_back() {
        let tags = [3u8, 12, 26, 43, 51, 60, 66, 200];
        let values: [&[u8]; 7] = [b"", b"a", b"abc", b"10.0.0.1", &[10, 0, 0, 1], &[0, 255, 7], b"a b,c"];
        for tag in tags {
            for bytes in values {
                let text = encode(tag, bytes);
                // A number of two bytes cannot be spelled as one.
                assert_eq!(
                    text.is_none(),
                    tag == 26 && bytes.len() == 1 || tag == 51 && bytes.len() == 1,
                    "{tag}"
                );
                let back = text.as_deref().map_or(Some(bytes.to_vec()), |text| decode(tag, text));
                assert_eq!(back.as_deref(), Some(bytes), "{tag} {bytes:?} as {text:?}");
            }
        }
    }
}
