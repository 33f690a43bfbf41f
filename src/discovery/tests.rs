#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::digest::hex;

/// As a router's udhcpc handed them over.
const CAPTURED_43: &str =
    "020a6c61622e636f64652e31011c687474703a2f2f6163732e6578616d706c652e6e65743a373534372fff";
const CAPTURED_125: &str = "00000de91e0b1c687474703a2f2f6163732e6578616d706c652e6e65743a373534372f";

fn v4(pairs: &[(u8, &str)]) -> Vec<u8> {
    pairs.iter().flat_map(|(code, text)| [&[*code, text.len() as u8], text.as_bytes()].concat()).collect()
}

fn v4_forum(pairs: &[(u8, &str)]) -> String {
    let block = v4(pairs);
    hex(&[&3561_u32.to_be_bytes()[..], &[block.len() as u8], &block].concat())
}

fn v6_forum(pairs: &[(u16, &str)]) -> String {
    let pair = |(code, text): &(u16, &str)| {
        [&code.to_be_bytes()[..], &(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
    };
    hex(&[&3561_u32.to_be_bytes()[..], &pairs.iter().flat_map(pair).collect::<Vec<_>>()].concat())
}

fn found(options: &[(u16, &str)]) -> Found {
    let mut found = Found::default();
    for (number, hex) in options {
        found.option(*number, hex).unwrap();
    }
    found
}

//= TR-069 3.1: sub-options 1 to 4 in option 43 and in DHCPv6's 17, 11 to 14 in option 125.
#[test]
fn an_acs_is_read_from_each_of_the_three_options() {
    let url = Some("http://acs.example.net:7547/".to_string());
    let all = Manager {
        url: Some("https://a/".into()),
        provisioning_code: Some("p".into()),
        retry_minimum_wait: Some("9".into()),
        retry_multiplier: Some("3000".into()),
        endpoint_id: None,
    };
    let by_125 = v4_forum(&[(11, "https://a/"), (12, "p"), (13, "9"), (14, "3000")]);
    let by_17 = v6_forum(&[(1, "https://a/"), (2, "p"), (3, "9"), (4, "3000")]);
    let by_43 = hex(&v4(&[(1, "https://a/"), (2, "p"), (3, "9"), (4, "3000")]));
    for (number, hex, family, want) in [
        (
            43,
            CAPTURED_43,
            Family::Ipv4,
            &Manager { url: url.clone(), provisioning_code: Some("lab.code.1".into()), ..Manager::default() },
        ),
        (125, CAPTURED_125, Family::Ipv4, &Manager { url, ..Manager::default() }),
        (43, &by_43, Family::Ipv4, &all),
        (125, &by_125, Family::Ipv4, &all),
        (17, &by_17, Family::Ipv6, &all),
    ] {
        let found = found(&[(number, hex)]);
        assert_eq!((&found.acs, found.from), (want, Some(family)), "{number} {hex}");
    }
}

//= TR-369 R-DIS.1: sub-options 25 to 29 of the Forum's enterprise number tell of a controller.
//= TR-369 R-DIS.1a: the numbers are texts, too.
#[test]
fn a_controller_is_read_from_the_options_that_have_an_enterprise_number() {
    let pairs = [(25, "wss://c/usp"), (26, "p"), (27, "5"), (28, "2000"), (29, "fqdn::c")];
    let want = Manager {
        url: Some("wss://c/usp".into()),
        provisioning_code: Some("p".into()),
        retry_minimum_wait: Some("5".into()),
        retry_multiplier: Some("2000".into()),
        endpoint_id: Some("fqdn::c".into()),
    };
    assert_eq!(found(&[(125, &v4_forum(&pairs))]).controller, want);
    assert_eq!(
        found(&[(17, &v6_forum(&pairs.map(|(code, text)| (u16::from(code), text))))]).controller,
        want
    );
    assert_eq!(found(&[(43, &hex(&v4(&pairs)))]), Found::default(), "43 is anybody's");
}

//= TR-069 3.1: a zero at the end is taken and dropped.
//= TR-369 R-DIS.1c: as above.
#[test]
fn a_value_is_text_without_the_zeros_at_its_end_or_is_nothing() {
    for (value, want) in [
        ("https://a/\0", Some("https://a/")),
        ("https://a/\0\0", Some("https://a/")),
        ("", None),
        ("\0", None),
        ("https://a/\nx", None),
        ("https://a\0b", None),
        ("https://a/\u{202e}x", None),
    ] {
        assert_eq!(found(&[(43, &hex(&v4(&[(1, value)])))]).acs.url.as_deref(), want, "{value:?}");
    }
    assert_eq!(found(&[(43, "0102ffff")]).acs.url, None, "no UTF-8");
    assert_eq!(found(&[(43, &hex(b"https://bare/"))]).acs.url.as_deref(), Some("https://bare/"));
}

#[test]
fn lengths_that_lie_and_digits_that_are_none_tell_nothing_at_all() {
    let long = "00".repeat(MAX_OPTION + 1);
    for (number, hex, want) in [
        (43, "0", Malformed::Hex),
        (43, "zz", Malformed::Hex),
        (43, "+1", Malformed::Hex),
        (43, long.as_str(), Malformed::Hex),
        (43, "01", Malformed::Length),
        (43, "0105616263", Malformed::Length),
        (43, "0101610105616263", Malformed::Length),
        (125, "00000de9", Malformed::Length),
        (125, "00000de905", Malformed::Length),
        (125, "00000de9020b05", Malformed::Length),
        (125, "00000de9010b", Malformed::Length),
        (125, "00000de900ff", Malformed::Length),
        (17, "", Malformed::Length),
        (17, "00000de9000100", Malformed::Length),
        (17, "00000de900010005616263", Malformed::Length),
        (66, "", Malformed::Unknown),
    ] {
        let mut found = Found::default();
        assert_eq!(found.option(number, hex), Err(want), "{number} {hex}");
        assert_eq!(found, Found::default());
    }
}

#[test]
fn what_is_padding_or_of_others_is_passed_over() {
    assert_eq!(found(&[(43, "000001016100ff0101")]).acs.url.as_deref(), Some("a"));
    assert_eq!(found(&[(125, "0000000903ffffff00000de9030b0161")]).acs.url.as_deref(), Some("a"));
    assert_eq!(found(&[(125, "0000000903ffffff")]), Found::default());
    assert_eq!(found(&[(17, "000000090001000161")]), Found::default());
}

#[test]
fn what_was_read_first_stays() {
    let found = found(&[(125, CAPTURED_125), (43, &hex(&v4(&[(1, "https://other/"), (2, "code")])))]);
    assert_eq!(found.acs.url.as_deref(), Some("http://acs.example.net:7547/"));
    assert_eq!(found.acs.provisioning_code.as_deref(), Some("code"));
}

fn package(options: &[(&str, &str, &str)]) -> Tree {
    let mut package = Tree::Map(Vec::new());
    for (section, option, value) in options {
        if package.get(section).is_none() {
            package.set(section, Tree::map([(".type", Tree::from(*section))]));
        }
        package.get_mut(section).unwrap().set(option, Tree::from(*value));
    }
    package
}

/// The package after `url` was told on `network`, and what was noted.
fn told(package: &Tree, network: &str, found: &Found, failing: bool) -> (Tree, String) {
    let advice = advise(package, network, found, failing);
    let mut after = package.clone();
    for edit in advice.edits {
        edit.apply(&mut after).unwrap();
    }
    assert_eq!(Config::read(&after).1, [], "nothing is written that is not allowed");
    (after, advice.notes.join("; "))
}

#[cfg(feature = "cwmp")]
const ON: (&str, &str, &str) = ("acs", "dhcp_discovery", "1");

//= TR-069 3.1: what is set here comes before DHCP; an ACS that DHCP tells anew is a change of the URL.
//= TR-069 3.1: an ACS first found by DHCP is asked for there again when it cannot be reached, whoever changed its URL.
#[cfg(feature = "cwmp")]
#[test]
fn the_url_of_dhcp_counts_where_none_was_set_and_is_never_lowered_to_plain_http() {
    let v4 = |url: &str| Found {
        acs: Manager { url: Some(url.into()), ..Manager::default() },
        from: Some(Family::Ipv4),
        ..Found::default()
    };
    let v6 = |url: &str| Found { from: Some(Family::Ipv6), ..v4(url) };
    let (a, b, plain) = ("https://a/", "https://b/", "http://a/");
    let url = |url| ("acs", "url", url);
    let dhcp = |url| ("acs", "dhcp_url", url);
    let open = ("acs", "allow_plain_http", "1");
    let from4 = ("acs", "dhcp_from", "ipv4");
    for (why, have, network, found, failing, want) in [
        ("first", vec![ON], "wan", v4(a), false, Some(a)),
        ("by IPv6", vec![ON], "wan6", v6(a), false, Some(a)),
        ("not asked for", vec![], "wan", v4(a), false, None),
        ("switched off", vec![("acs", "dhcp_discovery", "0")], "wan", v4(a), false, None),
        ("another network", vec![ON], "guest", v4(a), false, None),
        ("another network that begins alike", vec![ON], "wan_guest", v4(a), false, None),
        ("set by a person", vec![ON, url(b)], "wan", v4(a), true, Some(b)),
        ("the same again", vec![ON, url(a), dhcp(a)], "wan", v4(a), false, Some(a)),
        ("another one", vec![ON, url(a), dhcp(a), from4], "wan", v4(b), false, Some(b)),
        ("changed by the ACS", vec![ON, url(b), dhcp(a)], "wan", v4(a), false, Some(b)),
        ("changed by the ACS, and unreachable", vec![ON, url(b), dhcp(a)], "wan", v4(a), true, Some(a)),
        ("plain", vec![ON], "wan", v4(plain), false, None),
        ("plain and allowed", vec![ON, open], "wan", v4(plain), false, Some(plain)),
        ("lowered", vec![ON, open, url(a), dhcp(a)], "wan", v4(plain), true, Some(a)),
        ("raised", vec![ON, open, url(plain), dhcp(plain)], "wan", v4(a), false, Some(a)),
        ("both, and the first answers", vec![ON, url(a), dhcp(a), from4], "wan6", v6(b), false, Some(a)),
        ("both, and the first is gone", vec![ON, url(a), dhcp(a), from4], "wan6", v6(b), true, Some(b)),
        ("no URL", vec![ON], "wan", v4("acs.example.net"), false, None),
        ("a password in it", vec![ON], "wan", v4("https://u:p@a/"), false, None),
    ] {
        let (after, notes) = told(&package(&have), network, &found, failing);
        assert_eq!(after.get("acs").and_then(|acs| acs.str("url")), want, "{why}: {notes}");
        let again = advise(&after, network, &found, false);
        assert_eq!(again.edits, [], "{why}: told again it changes nothing");
    }
}

#[cfg(feature = "cwmp")]
#[test]
fn codes_and_waits_come_with_a_new_acs_and_else_only_where_there_are_none() {
    let mut found = found(&[(125, &v4_forum(&[(11, "https://a/"), (12, "new"), (13, "9"), (14, "1")]))]);
    let (after, notes) =
        told(&package(&[ON, ("identity", "provisioning_code", "old")]), "wan", &found, false);
    assert_eq!(after.get("identity").unwrap().str("provisioning_code"), Some("new"));
    assert_eq!(after.get("acs").unwrap().str("retry_minimum_wait"), Some("9"));
    assert_eq!(after.get("acs").unwrap().str("retry_multiplier"), None, "1 is less than allowed");
    assert!(notes.contains("acs.retry_multiplier is not allowed"), "{notes}");
    found.acs.provisioning_code = Some("newer".into());
    let (after, _) = told(&after, "wan", &found, false);
    assert_eq!(
        after.get("identity").unwrap().str("provisioning_code"),
        Some("new"),
        "the ACS may have set it"
    );
}

//= TR-369 R-DIS.1b: an absolute URL, or a name alone, which says nothing of the way to it.
#[test]
fn a_controller_of_dhcp_becomes_a_section_of_its_own_with_the_roles_that_are_set() {
    let on = [("usp", "dhcp_discovery", "1"), ("usp", "dhcp_role", "read_only")];
    let of = |url: &str, id: &str| found(&[(125, &v4_forum(&[(25, url), (29, id)]))]);
    let (after, _) = told(&package(&on), "wan", &of("wss://usp.example.net:8443/usp", "fqdn::c"), false);
    let usp = Config::read(&after).0.usp;
    let controller = usp.controllers.first().unwrap();
    assert_eq!((controller.name.as_str(), controller.mtps.len()), (CONTROLLER, 1));
    let mtp = after.get(CONTROLLER_MTP).unwrap();
    assert_eq!(
        (mtp.str("host"), mtp.str("port"), mtp.str("path")),
        (Some("usp.example.net"), Some("8443"), Some("/usp"))
    );
    assert_eq!(after.get(CONTROLLER).unwrap().get("role").unwrap().items(), [Tree::from("read_only")]);
    for (have, url, id) in [
        (package(&[]), "wss://c/", "fqdn::c"),
        (package(&on), "ws://c/", "fqdn::c"),
        (package(&on), "c.example.net", "fqdn::c"),
        (package(&on), "wss:///x", "fqdn::c"),
        (package(&on), "wss://u@c/", "fqdn::c"),
        (package(&on), "wss://c:0/", "fqdn::c"),
        (package(&on), "wss://c/", ""),
    ] {
        let (after, notes) = told(&have, "wan", &of(url, id), false);
        assert_eq!(after, have, "{url} {id}: {notes}");
    }
    let mut set = package(&on);
    set.set(
        "operator",
        Tree::map([(".type", Tree::from("controller")), ("endpoint_id", Tree::from("fqdn::c"))]),
    );
    assert_eq!(
        told(&set, "wan", &of("wss://evil/", "fqdn::c"), false).0,
        set,
        "one that is set stays as it is"
    );
}
