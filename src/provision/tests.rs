#![allow(clippy::unwrap_used)]

use super::*;

fn package(text: &str) -> Tree {
    crate::openwrt::uci::parse(text.as_bytes(), crate::openwrt::uci::Mode::Strict).unwrap().tree()
}

fn settings(text: &str) -> Map<String, String> {
    let given = read(text.as_bytes(), false);
    assert_eq!(given.wrong, [] as [&str; 0]);
    given.settings
}

fn merged(package: &Tree, merge: &Merge) -> Tree {
    let mut after = package.clone();
    for edit in &merge.edits {
        edit.apply(&mut after).unwrap();
    }
    after
}

#[test]
fn a_file_is_lines_of_settings_and_a_wrong_line_is_told_of_without_its_value() {
    for (line, want) in [
        ("acs.url=https://acs.example.net/", ""),
        ("acs.password = a = b ", ""),
        ("# acs.url=", ""),
        ("controller.operator.endpoint_id=fqdn::usp.example.net", ""),
        ("controller.operator.role=full read_only", ""),
        ("factory=mtd:factory", ""),
        ("acs.url", "line 1: wanted KEY=VALUE"),
        ("acs.uri=x", "line 1: there is no setting acs.uri"),
        ("controller.endpoint_id=x", "line 1: there is no setting controller.endpoint_id"),
        ("controller.acs.endpoint_id=x", "line 1: there is no setting controller.acs.endpoint_id"),
        ("controller.a-b.endpoint_id=x", "line 1: there is no setting controller.a-b.endpoint_id"),
        ("acs.url=ftp://x", "line 1: acs.url: not allowed; must be URL"),
        ("identity.oui=12345", "line 1: identity.oui: not allowed; must be 6 hexadecimal digits"),
        ("=x", "line 1: wanted KEY=VALUE"),
        ("acs.url=\"https://x/\"", "line 1: acs.url: not allowed; must be URL, without quotes"),
        ("acs.password='", ""),
        ("acs.password=\"a", ""),
        ("acs.password='a'", "line 1: acs.password: its quotes count as a part of it"),
        (
            "identity.manufacturer=\"ACME Ltd\"",
            "line 1: identity.manufacturer: its quotes count as a part of it",
        ),
        ("acs.username=a\nacs.username=b", "line 2: acs.username is there again; the last one counts"),
        ("factory=/x\nfactory=/y", "line 2: factory is there again; the last one counts"),
    ] {
        assert_eq!(read(line.as_bytes(), false).wrong.join("; "), want, "{line}");
    }
    let given = read(b"acs.password = a = b \nacs.username=\nfactory=/x\nacs.client_key=/k\n", false);
    assert_eq!(given.settings.get("acs.password").map(String::as_str), Some("a = b"));
    let quoted = read(b"acs.password='a'\nfactory=/x\nfactory=/y", false);
    assert_eq!(quoted.settings.get("acs.password").map(String::as_str), Some("'a'"));
    assert_eq!(quoted.factory, Some((3, "/y".into())));
    assert_eq!(given.factory, Some((3, "/x".into())));
    assert_eq!(given.files, [(4, "acs.client_key".into(), "/k".into())]);
}

#[test]
fn a_partition_ends_where_its_text_does_and_a_file_does_not() {
    let text = b"acs.username=u\n\xff\xff\nacs.password=p\n";
    assert_eq!((read(text, true).settings.len(), read(text, true).wrong.len()), (1, 0));
    assert_eq!(read(b"\xff\xff", true), Given::default());
    let given = read(text, false);
    assert_eq!(
        (given.settings.len(), given.wrong.join("; ").as_str()),
        (2, "line 2: it is no text in UTF-8")
    );
}

#[test]
fn of_a_file_with_mistakes_the_rest_counts_whatever_they_are() {
    let utf16: Vec<u8> = "acs.url=https://x/\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let noise: Vec<u8> = (0..=255).cycle().take(MAX_FILE).collect();
    let long = [b"acs.username=".as_slice(), &b"u".repeat(200_000), b"\n"].concat();
    let many: String = (0..=MAX_LINES).map(|n| format!("role.r{n}.enable=1\n")).collect();
    let big = format!("#{}\n", "x".repeat(62)).repeat(1033);
    for (what, octets, left, wrong, says) in [
        ("CRLF", b"acs.username=u\r\nacs.url=https://x/\r\n".to_vec(), 2, 0, ""),
        ("a mark of UTF-8", b"\xef\xbb\xbfacs.username=u\n".to_vec(), 1, 0, ""),
        (
            "an unknown key",
            b"acs.nmae=u\nacs.username=u".to_vec(),
            1,
            1,
            "line 1: there is no setting acs.nmae",
        ),
        (
            "a bad URL",
            b"\nacs.url=acs.example.net\nacs.username=u".to_vec(),
            1,
            1,
            "line 2: acs.url: not allowed; must be URL",
        ),
        (
            "a key that would forge a line",
            "x\u{2028}y\u{202e}=1".into(),
            0,
            1,
            "line 1: there is no setting x?y?",
        ),
        ("a key without end", [b"k".repeat(9_000), b"=1".to_vec()].concat(), 0, 1, ""),
        (
            "a control character",
            b"acs.password=a\x1b[2Jb\nacs.username=a\0b\n".to_vec(),
            0,
            2,
            "line 1: it is no text",
        ),
        ("UTF-16", [b"\xff\xfe".to_vec(), utf16].concat(), 0, 2, "line 1: it is no text"),
        ("noise", noise, 0, MAX_WRONG + 1, "line 1: it is no text"),
        ("noise before a setting", b"\x80\x81\nacs.username=u\n".to_vec(), 1, 1, "line 1: it is no text"),
        (
            "one line without end",
            long,
            0,
            1,
            "it is longer than 64 KiB; line 1 and all behind it are left out",
        ),
        (
            "too many settings",
            many.clone().into(),
            MAX_LINES,
            1,
            "there are more than 512 settings; line 513 and all",
        ),
        (
            "just as many as fit",
            many.lines().take(MAX_LINES).collect::<Vec<_>>().join("\n").into(),
            MAX_LINES,
            0,
            "",
        ),
        (
            "too long",
            format!("acs.username=u\n{big}acs.password=p\n").into(),
            1,
            1,
            "it is longer than 64 KiB; line 1025 ",
        ),
    ] {
        let given = read(octets.get(..=MAX_FILE).unwrap_or(&octets), false);
        assert_eq!((given.settings.len(), given.wrong.len()), (left, wrong), "{what}: {:?}", given.wrong);
        assert!(given.wrong.iter().all(|line| line.len() < 200 && !line.chars().any(is_unseen)), "{what}");
        assert!(
            given.wrong.first().map_or("", String::as_str).starts_with(says),
            "{what}: {:?}",
            given.wrong
        );
    }
}

#[test]
fn a_setting_is_given_where_nobody_has_set_another() {
    let given = settings("acs.url=https://new/");
    let sum = |text: &str| Map::from([("acs.url".to_string(), checksum(text.as_bytes()))]);
    for (why, have, before, want) in [
        ("none yet", "config acs 'acs'\n", Map::new(), Some("https://new/")),
        ("no section", "", Map::new(), Some("https://new/")),
        (
            "set by a person",
            "config acs 'acs'\n\toption url 'https://own/'\n",
            Map::new(),
            Some("https://own/"),
        ),
        (
            "given before",
            "config acs 'acs'\n\toption url 'https://old/'\n",
            sum("https://old/"),
            Some("https://new/"),
        ),
        (
            "changed since",
            "config acs 'acs'\n\toption url 'https://own/'\n",
            sum("https://old/"),
            Some("https://own/"),
        ),
        ("removed since", "config acs 'acs'\n", sum("https://old/"), None),
        (
            "there already",
            "config acs 'acs'\n\toption url 'https://new/'\n",
            Map::new(),
            Some("https://new/"),
        ),
    ] {
        let have = package(have);
        let merge = merge(&have, &given, &before);
        let after = merged(&have, &merge);
        assert_eq!(after.get("acs").and_then(|acs| acs.str("url")), want, "{why}");
        assert_eq!(merge.kept.is_empty(), want == Some("https://new/"), "{why}");
        let again = super::merge(&after, &given, &merge.given);
        assert_eq!((again.edits, again.given), (vec![], merge.given), "{why}: again changes nothing");
    }
}

#[test]
fn what_is_shipped_as_a_default_is_nobodys_choice() {
    let shipped = package("config acs 'acs'\n\toption interface 'wan'\n\toption enable '1'\n");
    let merge = merge(&shipped, &settings("acs.interface=mgmt\nacs.enable=0"), &Map::new());
    let after = merged(&shipped, &merge);
    let acs = after.get("acs").unwrap();
    assert_eq!((acs.str("interface"), acs.str("enable")), (Some("mgmt"), Some("0")));
}

#[test]
fn sections_of_their_own_are_made_and_lists_stay_lists() {
    let given = settings(
        "controller.op.enable=1\ncontroller.op.role=full read_only\ncontroller.op.endpoint_id=fqdn::c",
    );
    let merge = merge(&Tree::Map(Vec::new()), &given, &Map::new());
    let after = merged(&Tree::Map(Vec::new()), &merge);
    let controller = after.get("op").unwrap();
    assert_eq!(
        (controller.str(".type"), controller.str("endpoint_id")),
        (Some("controller"), Some("fqdn::c"))
    );
    assert_eq!(controller.get("role").unwrap().items().len(), 2);
    let (config, faults) = config::Config::read(&after);
    assert_eq!((config.usp.controllers.len(), faults), (1, vec![]));
    let other = package("config role 'op'\n");
    assert_eq!(
        super::merge(&other, &given, &Map::new()).edits,
        [],
        "a section of another type is somebody's"
    );
}

#[test]
fn a_partition_is_found_by_its_label() {
    let mtd = "dev:    size   erasesize  name\nmtd0: 00040000 00010000 \"u-boot\"\nmtd12: 00010000 00010000 \"factory\"\n";
    assert_eq!(partition(mtd, "factory").as_deref(), Some("/dev/mtd12"));
    assert_eq!(partition(mtd, "fact"), None);
    assert_eq!(partition("mtd../x: \"f\"", "f"), None);
}
