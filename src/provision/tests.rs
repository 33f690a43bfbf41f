#![allow(clippy::unwrap_used)]

use super::*;

fn package(text: &str) -> Tree {
    crate::openwrt::uci::parse(text.as_bytes(), crate::openwrt::uci::Mode::Strict).unwrap().tree()
}

fn settings(text: &str) -> Map<String, String> {
    let (given, wrong) = read(text.as_bytes());
    assert_eq!(wrong, [] as [&str; 0]);
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
    ] {
        assert_eq!(read(line.as_bytes()).1.join("; "), want, "{line}");
    }
    let (given, _) = read(b"acs.password = a = b \nacs.username=\nfactory=/x\n");
    assert_eq!(given.settings.get("acs.password").map(String::as_str), Some("a = b"));
    assert_eq!(given.factory.as_deref(), Some("/x"));
}

#[test]
fn a_partition_ends_where_its_text_does_and_lines_are_bounded() {
    let (given, wrong) = read(b"acs.username=u\n\xff\xff\xff");
    assert_eq!((given.settings.len(), wrong.len()), (1, 0));
    assert_eq!(read(b"\xff\xff"), (Given::default(), vec![]));
    assert_eq!(read(b"acs.username=\xc3\x28").1, ["it is no text in UTF-8"]);
    let many: String = (0..=MAX_LINES).map(|n| format!("role.r{n}.enable=1\n")).collect();
    let (given, wrong) = read(many.as_bytes());
    assert_eq!((given.settings.len(), wrong.len()), (MAX_LINES, 1));
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
