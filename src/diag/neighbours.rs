//! NeighboringWiFiDiagnostic: what `iwinfo scan` hears, as the standard's rows.

use super::{COMPLETE, Verdict};
use crate::dm::tree::Tree;

/// Most networks that are told.
pub const MAX_NETWORKS: usize = 256;

/// The results of the scans, each with the path of its radio.
pub fn verdict(scans: &[(String, &Tree)]) -> Verdict {
    let mut verdict = Verdict::bare(COMPLETE);
    let heard = scans.iter().flat_map(|(radio, scan)| {
        let list = scan.get("results").map(Tree::items).unwrap_or_default();
        list.iter().map(move |network| (radio, network))
    });
    for (at, (radio, network)) in heard.take(MAX_NETWORKS).enumerate() {
        let number = |name: &str| network.str(name).and_then(|text| text.parse::<i32>().ok());
        let text = |name: &str| network.str(name).unwrap_or_default().to_string();
        let mut row = vec![
            ("Radio", radio.clone()),
            ("SSID", text("ssid")),
            ("BSSID", text("bssid").to_ascii_uppercase()),
            ("Mode", if network.str("mode") == Some("Ad-Hoc") { "AdHoc" } else { "Infrastructure" }.into()),
            ("SecurityModeEnabled", security(network.get("encryption")).into()),
            ("EncryptionMode", ciphers(network.get("encryption"))),
        ];
        row.extend(
            number("channel").filter(|it| (1..=255).contains(it)).map(|it| ("Channel", it.to_string())),
        );
        let strength = number("signal").filter(|signal| (-200..=0).contains(signal));
        row.extend(strength.map(|signal| ("SignalStrength", signal.to_string())));
        let band = match number("band") {
            Some(2) => "2.4GHz",
            Some(5) => "5GHz",
            Some(6) => "6GHz",
            Some(_) | None => "",
        };
        if !band.is_empty() {
            row.push(("OperatingFrequencyBand", band.into()));
        }
        for (name, value) in row {
            verdict.results.insert(format!("Result.{}.{name}", at + 1), value);
        }
    }
    verdict
}

fn words<'t>(tree: Option<&'t Tree>, list: &str) -> Vec<&'t str> {
    let items = tree.and_then(|tree| tree.get(list)).map(Tree::items).unwrap_or_default();
    items.iter().filter_map(Tree::as_str).collect()
}

/// `SecurityModeEnabled` of what iwinfo calls `encryption`.
fn security(encryption: Option<&Tree>) -> &'static str {
    let (generations, ways) = (words(encryption, "wpa"), words(encryption, "authentication"));
    let on = encryption.and_then(|it| it.str("enabled")).is_some_and(|on| matches!(on, "true" | "1"));
    let (wpa, wpa2, wpa3) =
        (generations.contains(&"1"), generations.contains(&"2"), generations.contains(&"3"));
    let (radius, key, sae) = (ways.contains(&"802.1x"), ways.contains(&"psk"), ways.contains(&"sae"));
    match (on, wpa, wpa2, radius) {
        (false, ..) => "None",
        _ if ways.contains(&"owe") => "OWE",
        _ if sae && key => "WPA2-PSK-WPA3-SAE",
        _ if sae => "WPA3-SAE",
        (_, true, true, true) => "WPA-WPA2-Enterprise",
        (_, true, true, false) => "WPA-WPA2",
        (_, true, false, true) => "WPA-Enterprise",
        (_, true, false, false) => "WPA",
        (_, false, true, true) => "WPA2-Enterprise",
        (_, false, true, false) => "WPA2",
        (_, false, false, true) if wpa3 => "WPA3-Enterprise",
        (_, false, false, _) => "WEP",
    }
}

fn ciphers(encryption: Option<&Tree>) -> String {
    let known = words(encryption, "ciphers");
    let has = |names: &[&str]| known.iter().any(|cipher| names.contains(cipher));
    let tkip = has(&["tkip"]).then_some("TKIP");
    let aes = has(&["ccmp", "gcmp", "ccmp-256", "gcmp-256"]).then_some("AES");
    tkip.into_iter().chain(aes).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn list(words: &str) -> Tree {
        Tree::List(words.split_whitespace().map(Tree::from).collect())
    }

    #[test]
    fn every_way_to_protect_a_network_has_its_word() {
        for (on, wpa, ways, want) in [
            ("false", "", "", "None"),
            ("true", "", "", "WEP"),
            ("true", "1", "psk", "WPA"),
            ("true", "2", "psk", "WPA2"),
            ("true", "1 2", "psk", "WPA-WPA2"),
            ("true", "2", "802.1x", "WPA2-Enterprise"),
            ("true", "3", "802.1x", "WPA3-Enterprise"),
            ("true", "3", "sae", "WPA3-SAE"),
            ("true", "2 3", "psk sae", "WPA2-PSK-WPA3-SAE"),
            ("true", "3", "owe", "OWE"),
        ] {
            let encryption =
                Tree::map([("enabled", Tree::from(on)), ("wpa", list(wpa)), ("authentication", list(ways))]);
            assert_eq!(security(Some(&encryption)), want, "{wpa} {ways}");
        }
        assert_eq!(security(None), "None");
    }

    #[test]
    fn what_is_heard_becomes_rows_without_values_that_cannot_be() {
        let network = Tree::map([
            ("ssid", Tree::from("hill")),
            ("bssid", Tree::from("02:00:00:00:00:0a")),
            ("mode", Tree::from("Master")),
            ("channel", Tree::from("0")),
            ("signal", Tree::from("-61")),
            ("band", Tree::from("5")),
            ("encryption", Tree::map([("ciphers", list("tkip ccmp"))])),
        ]);
        let scan = Tree::map([("results", Tree::List(vec![network]))]);
        let verdict = verdict(&[("Device.WiFi.Radio.2".into(), &scan)]);
        let of = |name: &str| verdict.results.get(&format!("Result.1.{name}")).map(String::as_str);
        assert_eq!((of("BSSID"), of("SSID")), (Some("02:00:00:00:00:0A"), Some("hill")));
        assert_eq!((of("Channel"), of("SignalStrength")), (None, Some("-61")));
        assert_eq!((of("EncryptionMode"), of("OperatingFrequencyBand")), (Some("TKIP,AES"), Some("5GHz")));
        assert_eq!((of("Radio"), of("Mode")), (Some("Device.WiFi.Radio.2"), Some("Infrastructure")));
    }
}
