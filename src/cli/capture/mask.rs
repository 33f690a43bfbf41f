//! Pseudonyms for what names people and devices, the same in every file of one capture.
//!
//! Hardware addresses keep their first three octets, public addresses their place within a network, names become
//! `host1`, `ssid2`, `user3`. What [`Mask::learn`] was not told is found by its form alone: hardware and network
//! addresses. Which texts there are is [`super`]'s.

use crate::sealed::checksum;
use crate::sorted::{Map, Set};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What stands for a secret: as long as the shortest passphrase, so that what is configured stays valid.
pub const MASK: &str = "********";
/// Most names and secrets that are remembered.
const MAX_WORDS: usize = 4_096;
/// Secrets shorter than this may be part of anything and are masked in their place only.
const MIN_SECRET: usize = 6;
/// Networks of 1024 addresses that fit into 198.18.0.0/15, which nobody has. Source: RFC 2544.
const NETWORKS: u32 = 128;

/// The byte order in which the kernel prints addresses in `/proc/net`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The last octet first.
    Little,
    /// As on the wire.
    Big,
}

/// The pseudonyms of one capture.
#[derive(Debug)]
pub struct Mask {
    seed: String,
    words: Map<String, String>,
    counts: Map<&'static str, usize>,
    macs: Set<String>,
    networks: Map<u32, u32>,
    /// Words that are part of the configuration's own language.
    kept: Set<String>,
}

impl Mask {
    /// Pseudonyms made with `seed`: another seed gives others.
    pub fn new(seed: &str) -> Mask {
        let kept =
            ["*", "-", "localhost", "OpenWrt", "openwrt", "none", "unknown", "default", "root", "admin"];
        Mask {
            seed: seed.to_string(),
            words: Map::new(),
            counts: Map::new(),
            macs: Set::new(),
            networks: Map::new(),
            kept: kept.map(str::to_string).into(),
        }
    }

    /// A word that stays, such as the name of a section that others refer to.
    pub fn keep(&mut self, word: &str) {
        self.kept.insert(word.to_string());
    }

    /// A name of some `kind` (`host`, `ssid`, `user`, `serial`): becomes the kind and a number wherever it stands.
    pub fn learn(&mut self, kind: &'static str, name: &str) {
        let known = self.words.contains_key(name) || self.kept.contains(name);
        // A number is a word of everything; addresses are known by their form.
        let is_number = name.len() < MIN_SECRET && !name.contains(|c: char| c.is_alphabetic());
        let is_address = name.parse::<IpAddr>().is_ok() || is_mac(name);
        if name.len() < 2 || known || is_number || is_address || self.words.len() >= MAX_WORDS {
            return;
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        self.words.insert(name.to_string(), format!("{kind}{count}"));
    }

    /// A secret: becomes [`MASK`] also where it stands in other texts, such as the arguments of a program.
    pub fn learn_secret(&mut self, secret: &str) {
        if secret.len() >= MIN_SECRET && self.words.len() < MAX_WORDS && !self.kept.contains(secret) {
            self.words.insert(secret.to_string(), MASK.to_string());
        }
    }

    /// Notes the hardware addresses of a text, so that they are known without their colons too.
    pub fn learn_addresses(&mut self, text: &str) {
        for token in text.split(|c: char| !c.is_ascii_hexdigit() && c != ':') {
            if token.len() == 17 && is_mac(token) {
                self.macs.insert(token.replace(':', "").to_ascii_lowercase());
            }
        }
    }

    /// The text with everything masked.
    pub fn text(&mut self, text: &str) -> String {
        let named = self.named(text);
        let mut out = String::with_capacity(named.len());
        let mut rest = named.as_str();
        let part = |c: char| c.is_ascii_hexdigit() || c == ':' || c == '.';
        while let Some(start) = rest.find(part) {
            let (before, tail) = rest.split_at(start);
            out.push_str(before);
            let end = tail.find(|c: char| !part(c)).unwrap_or(tail.len());
            let (token, tail) = tail.split_at(end);
            // `face` in `interface` is no number.
            let inside = before.ends_with(|c: char| c.is_ascii_alphabetic())
                || tail.starts_with(|c: char| c.is_ascii_alphabetic());
            out.push_str(&if inside && !token.contains(':') { token.to_string() } else { self.token(token) });
            rest = tail;
        }
        out.push_str(rest);
        out
    }

    /// As [`Mask::text`], for tables of `/proc/net`, whose addresses are hexadecimal without marks.
    pub fn table(&mut self, text: &str, order: Order) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_hexdigit()) {
            let (before, tail) = rest.split_at(start);
            out.push_str(before);
            let end = tail.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(tail.len());
            let (token, tail) = tail.split_at(end);
            out.push_str(&self.hexadecimal(token, order, text.contains("local_address")));
            rest = tail;
        }
        out.push_str(rest);
        self.text(&out)
    }

    fn hexadecimal(&mut self, token: &str, order: Order, is_sockets: bool) -> String {
        let word = |text: &str| u32::from_str_radix(text, 16).ok();
        // A socket's addresses are words in the kernel's order, those of routes and interfaces octets.
        let swap = |word: u32| if order == Order::Little { word.swap_bytes() } else { word };
        match token.len() {
            8 => {
                let Some(address) = word(token).map(swap) else { return token.to_string() };
                let masked = self.ipv4(Ipv4Addr::from(address));
                format!("{:08X}", swap(u32::from(masked)))
            }
            32 => {
                let words: Option<Vec<u32>> = (0..4).map(|at| word(token.get(at * 8..at * 8 + 8)?)).collect();
                let Some(words) = words else { return token.to_string() };
                let side = |word: u32| if is_sockets { swap(word) } else { word };
                let address = words.iter().fold(0u128, |sum, word| sum << 32 | u128::from(side(*word)));
                let masked = u128::from(self.ipv6(Ipv6Addr::from(address)));
                let words = (0..4).rev().map(|at| side((masked >> (at * 32)) as u32));
                let text: String = words.map(|word| format!("{word:08x}")).collect();
                if token.contains(|c: char| c.is_ascii_uppercase()) {
                    text.to_ascii_uppercase()
                } else {
                    text
                }
            }
            _ => token.to_string(),
        }
    }

    /// Known names and secrets, where they stand as whole words, longest first.
    fn named(&self, text: &str) -> String {
        let mut words: Vec<(&String, &String)> = self.words.iter().collect();
        words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
        let mut out = text.to_string();
        for (word, mask) in words {
            if !out.contains(word.as_str()) {
                continue;
            }
            let mut next = String::with_capacity(out.len());
            let mut rest = out.as_str();
            while let Some((before, after)) = rest.split_once(word.as_str()) {
                let joins = |c: char| c.is_alphanumeric();
                let whole = !before.ends_with(joins) && !after.starts_with(joins);
                next.push_str(before);
                next.push_str(if whole { mask } else { word });
                rest = after;
            }
            next.push_str(rest);
            out = next;
        }
        out
    }

    /// A run of hexadecimal digits, colons and dots.
    fn token(&mut self, token: &str) -> String {
        // A full stop behind an address is not part of it.
        let body = token.trim_end_matches('.');
        let tail = token.get(body.len()..).unwrap_or_default().to_string();
        let groups: Vec<&str> = body.split(':').collect();
        let masked = if groups.len() >= 6 && groups.iter().all(|group| group.len() == 2) {
            self.octets(&groups)
        } else if let Ok(address) = body.parse::<Ipv4Addr>() {
            self.ipv4(address).to_string()
        } else if groups.len() > 2 && body.parse::<Ipv6Addr>().is_ok() {
            body.parse().map_or_else(|_| body.to_string(), |address| self.ipv6(address).to_string())
        } else if let Some((address, port)) = body.rsplit_once(':')
            && let Ok(address) = address.parse::<Ipv4Addr>()
        {
            format!("{}:{port}", self.ipv4(address))
        } else if let Some((priority, address)) = body.split_once('.')
            && is_mac(address)
        {
            // A bridge's identifier, as netlink tells it.
            format!("{priority}.{}", self.token(address))
        } else {
            let runs = body.split_inclusive(['.', ':']).map(|run| self.compact(run));
            runs.collect()
        };
        masked + &tail
    }

    /// Octets with colons: an address, or an identifier that holds one.
    fn octets(&self, groups: &[&str]) -> String {
        let mut groups: Vec<String> = groups.iter().map(|group| group.to_string()).collect();
        for at in 0..groups.len().saturating_sub(5) {
            let window: String = groups.get(at..at + 6).unwrap_or_default().concat().to_ascii_lowercase();
            let alone = groups.len() == 6 || (groups.len() == 7 && at == 1);
            if alone || self.macs.contains(&window) {
                let masked = self.mac(&window);
                for (n, group) in groups.iter_mut().skip(at).take(6).enumerate() {
                    let octet = masked.get(n * 2..n * 2 + 2).unwrap_or_default();
                    let upper = group.contains(|c: char| c.is_ascii_uppercase());
                    *group = if upper { octet.to_ascii_uppercase() } else { octet.to_string() };
                }
                break;
            }
        }
        groups.join(":")
    }

    /// A run of digits with a known hardware address in it.
    fn compact(&self, run: &str) -> String {
        let lower = run.to_ascii_lowercase();
        let starts = 0..run.len().saturating_sub(11);
        let found =
            starts.into_iter().find(|at| lower.get(*at..at + 12).is_some_and(|w| self.macs.contains(w)));
        match found {
            Some(at) => {
                let masked = self.mac(lower.get(at..at + 12).unwrap_or_default());
                let (before, after) =
                    (run.get(..at).unwrap_or_default(), run.get(at + 12..).unwrap_or_default());
                format!("{before}{masked}{}", self.compact(after))
            }
            None => run.to_string(),
        }
    }

    /// Twelve digits: the first three octets stay. Multicast, all zeros and all ones name nobody.
    fn mac(&self, mac: &str) -> String {
        let first = mac.get(..2).and_then(|octet| u8::from_str_radix(octet, 16).ok()).unwrap_or(1);
        let (vendor, own) = (mac.get(..6).unwrap_or_default(), mac.get(6..).unwrap_or_default());
        if first & 1 == 1 || mac.bytes().all(|c| c == b'0') {
            return mac.to_string();
        }
        let sum = checksum(format!("{} mac {vendor}{own}", self.seed).as_bytes());
        format!("{vendor}{}", sum.get(..6).unwrap_or("000000"))
    }

    /// Public addresses move into 198.18.0.0/15; their place among 1024 neighbours stays, so that networks hold.
    fn ipv4(&mut self, address: Ipv4Addr) -> Ipv4Addr {
        let octets = address.octets();
        let is_shared = octets[0] == 100 && octets[1] & 0xc0 == 64;
        let is_test = octets[0] == 198 && octets[1] & 0xfe == 18;
        let is_special =
            octets[0] == 0 || octets[0] >= 224 || address.is_loopback() || address.is_link_local();
        if address.is_private() || address.is_documentation() || is_shared || is_test || is_special {
            return address;
        }
        let bits = u32::from(address);
        let next = self.networks.len() as u32 % NETWORKS;
        let network = *self.networks.entry(bits >> 10).or_insert(next);
        Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) | network << 10 | bits & 0x3ff)
    }

    /// Global prefixes move into 2001:db8::/32, local ones get another identifier; the subnet stays. Interface
    /// identifiers made of a hardware address follow it, others that are long change.
    fn ipv6(&mut self, address: Ipv6Addr) -> Ipv6Addr {
        if let Some(v4) = address.to_ipv4_mapped() {
            return self.ipv4(v4).to_ipv6_mapped();
        }
        let bits = u128::from(address);
        let s = address.segments();
        if bits <= 1 || IpAddr::V6(address).is_multicast() {
            return address;
        }
        let hash = |what: String| {
            u64::from_str_radix(checksum(what.as_bytes()).get(..8).unwrap_or("0"), 16).unwrap_or(0)
        };
        let prefix: [u16; 4] = match s[0] {
            0xfe80..=0xfebf => [s[0], s[1], s[2], s[3]],
            0xfc00..=0xfdff => {
                let id = hash(format!("{} ula {:x}{:x}{:x}", self.seed, s[0], s[1], s[2]));
                [s[0] & 0xff00 | (id & 0xff) as u16, (id >> 8) as u16, (id >> 16) as u16, s[3]]
            }
            0x2001 if s[1] == 0xdb8 => [s[0], s[1], s[2], s[3]],
            0x2000..=0x3fff => {
                let id = hash(format!("{} net {:x}{:x}{:x}", self.seed, s[0], s[1], s[2]));
                [0x2001, 0xdb8, id as u16, s[3]]
            }
            _ => return address,
        };
        let own = bits as u64;
        let own = if own >> 24 & 0xffff == 0xfffe {
            let flipped = own ^ 0x0200_0000_0000_0000;
            let mac = format!("{:06x}{:06x}", flipped >> 40, flipped & 0xff_ffff);
            let masked = u64::from_str_radix(self.mac(&mac).get(6..).unwrap_or("0"), 16).unwrap_or(0);
            own & !0xff_ffff | masked
        } else if own < 0x1_0000_0000 {
            own
        } else {
            let id = hash(format!("{} id {own:x}", self.seed));
            // Not the form of a hardware address, and the marks of a random one.
            (id << 32 | id) & 0xfdff_ff00_00ff_ffff
        };
        let front = prefix.iter().fold(0u128, |sum, segment| sum << 16 | u128::from(*segment));
        Ipv6Addr::from(front << 64 | u128::from(own))
    }
}

fn is_mac(token: &str) -> bool {
    let groups = token.split(':');
    groups.clone().count() == 6 && groups.into_iter().all(|group| group.len() == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hardware_address_is_the_same_pseudonym_in_every_spelling() {
        let mut mask = Mask::new("s");
        mask.learn_addresses("at 02:aa:bb:cc:00:01,");
        let own = mask.text("02:aa:bb:cc:00:01");
        assert!(own.starts_with("02:aa:bb:") && own != "02:aa:bb:cc:00:01", "{own}");
        let bare = own.replace(':', "");
        for (text, want) in [
            ("x 02:AA:BB:CC:00:01.".to_string(), format!("x {}.", own.to_ascii_uppercase())),
            ("01:02:aa:bb:cc:00:01".into(), format!("01:{own}")),
            ("00:03:00:01:02:aa:bb:cc:00:01".into(), format!("00:03:00:01:{own}")),
            ("\"0003000102aabbcc0001\"".into(), format!("\"00030001{bare}\"")),
            ("7fff.02aabbcc0001".into(), format!("7fff.{bare}")),
            ("\"8000.02:aa:bb:cc:00:01\"".into(), format!("\"8000.{own}\"")),
            ("ff:ff:ff:ff:ff:ff 00:00:00:00:00:00".into(), "ff:ff:ff:ff:ff:ff 00:00:00:00:00:00".into()),
            ("01:00:5e:00:00:01".into(), "01:00:5e:00:00:01".into()),
        ] {
            let got = mask.text(&text);
            assert!(got.eq_ignore_ascii_case(&want), "{text}: {got}, not {want}");
        }
        let link_local = mask.text("fe80::aa:bbff:fecc:1/64");
        let tail: String = bare.chars().skip(6).collect();
        let hex: String = link_local.trim_end_matches("/64").rsplit(':').take(2).collect();
        assert!(link_local.starts_with("fe80::aa:bbff:fe") && hex.len() <= 8, "{link_local} {tail}");
        assert_ne!(
            Mask::new("other").text("02:aa:bb:cc:00:01"),
            own,
            "another capture tells nothing of this one"
        );
    }

    #[test]
    fn public_addresses_go_and_what_names_nobody_stays() {
        let mut mask = Mask::new("s");
        for same in [
            "192.168.1.1",
            "10.0.0.1/8",
            "127.0.0.1",
            "0.0.0.0",
            "255.255.255.0",
            "224.0.0.1",
            "100.64.3.4",
            "203.0.113.5",
            "::",
            "::1",
            "ff02::1",
            "fe80::1",
            "12:30:45",
            "interface",
            "25.12.5",
            "a.b",
        ] {
            assert_eq!(mask.text(same), same);
        }
        assert_eq!(mask.text("via 84.1.2.3 dev wan 84.1.2.1"), "via 198.18.2.3 dev wan 198.18.2.1");
        assert_eq!(mask.text("9.9.9.9:53"), "198.18.5.9:53");
        let (one, two) = (mask.text("2a02:8106:12:3400::1"), mask.text("2a02:8106:12:3456::/64"));
        assert!(one.starts_with("2001:db8:") && one.ends_with(":3400::1"), "{one}");
        assert_eq!(one.split(':').nth(2), two.split(':').nth(2), "one network stays one");
        let random = mask.text("2a02:8106:12:3400:1234:5678:9abc:def0");
        assert!(random.starts_with(one.trim_end_matches("::1")) && !random.contains("5678"), "{random}");
    }

    #[test]
    fn tables_of_the_kernel_are_masked_in_their_byte_order() {
        for (order, text, want) in [
            (Order::Little, "wan\t00000000\t01020154\n", "wan\t00000000\t010212C6\n"),
            (Order::Big, "wan\t00000000\t54010201\n", "wan\t00000000\tC6120201\n"),
            (Order::Little, "local_address 0101A8C0:0016", "local_address 0101A8C0:0016"),
        ] {
            assert_eq!(Mask::new("s").table(text, order), want);
        }
        let own = "fe80000000000000000000000000beef";
        assert_eq!(Mask::new("s").table(own, Order::Little), own);
    }

    #[test]
    fn names_are_masked_as_whole_words_only_and_the_language_of_the_configuration_stays() {
        let mut mask = Mask::new("s");
        mask.keep("lan");
        for name in ["lan", "anna-phone", "10", "192.0.2.1", "tv", "*", "x"] {
            mask.learn("host", name);
        }
        mask.learn("ssid", "Anna's home");
        mask.learn_secret("hunter2");
        mask.learn_secret("abc");
        for (text, want) in [
            ("anna-phone.lan", "host1.lan"),
            ("10.0.0.1 192.0.2.1", "10.0.0.1 192.0.2.1"),
            ("tv tvset 'tv'", "host2 tvset 'host2'"),
            ("ssid=Anna's home", "ssid=ssid1"),
            ("pppd password hunter2 abc", "pppd password ******** abc"),
        ] {
            assert_eq!(mask.text(text), want);
        }
    }
}
