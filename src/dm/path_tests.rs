#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::super::expr::{Expr, Hop, Literal, Op, Term};
use super::*;

//= TR-369 R-ARC.7: names are joined by dots, a row follows its table, an object ends with a dot.
#[test]
fn a_concrete_path_is_names_and_numbers_under_a_known_root() {
    for (text, want) in [
        ("Device.", Ok(Kind::Object)),
        ("Device.DeviceInfo.", Ok(Kind::Object)),
        ("Device.IP.Interface.12.", Ok(Kind::Object)),
        ("Device.IP.Interface.12.Enable", Ok(Kind::Parameter)),
        ("Device.X_00256D-1_Y.Z", Ok(Kind::Parameter)),
        ("Device.Reboot()", Ok(Kind::Command)),
        ("Device.Boot!", Ok(Kind::Event)),
        ("Device.IP.Interface.4294967295.", Ok(Kind::Object)),
        ("", Err((0, "a name must start with a letter"))),
        ("Device", Err((6, "the root ends with a dot"))),
        ("InternetGateway.X", Err((0, "no such root"))),
        ("device.X", Err((0, "no such root"))),
        ("Device..X", Err((7, "a name or a number must follow"))),
        ("Device.1.", Err((8, "a row must follow the name of its table"))),
        ("Device.A.1.2.", Err((12, "a row must follow the name of its table"))),
        ("Device.IP.Interface.1", Err((21, "an object ends with a dot"))),
        ("Device.IP.Interface.0.", Err((20, "an instance number is 1 to 4294967295"))),
        ("Device.IP.Interface.01.", Err((20, "an instance number is 1 to 4294967295"))),
        ("Device.IP.Interface.4294967296.", Err((20, "an instance number is 1 to 4294967295"))),
        ("Device.IP.Interface.*.Enable", Err((20, "a name or a number must follow"))),
        ("Device.IP.Interface.[a].Enable", Err((20, "a name or a number must follow"))),
        ("Device.IP.Interface.{i}.Enable", Err((20, "a name or a number must follow"))),
        ("Device.Reboot().X", Err((15, "nothing may follow"))),
        ("Device.Name ", Err((11, "unexpected character"))),
        ("Device.Größe", Err((9, "unexpected character"))),
    ] {
        let got = Path::parse(text);
        match want {
            Ok(kind) => {
                let path = got.unwrap();
                assert_eq!((path.kind(), path.to_string().as_str()), (kind, text));
            }
            Err((at, what)) => assert_eq!(got, Err(ParseError { at, what }), "{text:?}"),
        }
    }
}

#[test]
fn a_path_has_bounds() {
    let long = format!("Device.{}", "A".repeat(MAX_LENGTH));
    assert_eq!(Path::parse(&long).unwrap_err().what, "longer than a path may be");
    let deep = format!("Device.{}", "A.".repeat(MAX_DEPTH));
    assert_eq!(Path::parse(&deep).unwrap_err().what, "deeper than a path may be");
    assert!(Path::parse(&format!("Device.{}", "A.".repeat(MAX_DEPTH - 1))).is_ok());
}

#[test]
fn a_path_knows_its_parts_and_its_neighbours() {
    let path = Path::parse("Device.IP.Interface.3.IPv4Address.1.Enable").unwrap();
    assert_eq!(path.numbers().collect::<Vec<_>>(), [3, 1]);
    assert_eq!(path.last(), Segment::Name("Enable"));
    let row = path.parent().unwrap();
    assert_eq!((row.as_str(), row.last()), ("Device.IP.Interface.3.IPv4Address.1.", Segment::Number(1)));
    assert_eq!(row.as_reference(), "Device.IP.Interface.3.IPv4Address.1");
    assert_eq!(row.join("Enable"), path);
    assert_eq!(row.parent().unwrap().instance(1), row);
    assert_eq!(Path::root().parent(), None);
    assert!(row.covers(&path) && row.covers(&row) && !path.covers(&row));
    assert!(!Path::parse("Device.IP.Interface.3.IPv4Address.").unwrap().instance(10).covers(&path));
    assert_eq!(Path::parse("Device.Reboot()").unwrap().last(), Segment::Name("Reboot"));
}

#[test]
fn rows_are_ordered_by_number_and_a_tree_by_its_parts() {
    let sorted = ["Device.", "Device.A.2.", "Device.A.2.B", "Device.A.10.", "Device.A.10.B", "Device.AB"];
    let mut paths: Vec<Path> = sorted.iter().rev().map(|t| Path::parse(t).unwrap()).collect();
    paths.sort();
    assert_eq!(paths.iter().map(Path::as_str).collect::<Vec<_>>(), sorted);
}

//= TR-369 R-ARC.7: a reference to a row carries no trailing dot.
#[test]
fn a_reference_is_read_with_and_without_its_dot() {
    for (text, want) in [
        ("Device.IP.Interface.1", "Device.IP.Interface.1."),
        ("Device.IP.Interface.1.", "Device.IP.Interface.1."),
        ("Device.Time.CurrentLocalTime", "Device.Time.CurrentLocalTime"),
    ] {
        assert_eq!(Path::parse_reference(text).unwrap().as_str(), want);
        assert_eq!(Pattern::parse_reference(text).unwrap().to_string(), want);
    }
    //= TR-369 R-ARC.11: a reference may name its row by a key.
    let keyed = Pattern::parse_reference("Device.IP.Interface.[Name==\"br-lan\"]").unwrap();
    assert_eq!(keyed.to_string(), "Device.IP.Interface.[Name==\"br-lan\"].");
}

#[test]
fn a_template_gives_paths_and_recognises_them() {
    let model = Template::parse("Device.IP.Interface.{i}.IPv4Address.{i}.Enable").unwrap();
    assert_eq!((model.slots(), model.kind()), (2, Kind::Parameter));
    let path = model.with(&[3, 1]).unwrap();
    assert_eq!(path.as_str(), "Device.IP.Interface.3.IPv4Address.1.Enable");
    assert_eq!((model.with(&[3]), model.with(&[3, 1, 2])), (None, None));
    assert_eq!(path.template(), model);
    assert!(model.is_of(&path) && !model.is_of(&path.parent().unwrap()));
    assert_eq!(Template::of("Device.Boot!").with(&[]).unwrap().kind(), Kind::Event);
    assert!(Template::parse("Device.IP.Interface.1.").is_err());
}

//= TR-369 R-ARC.7: the supported model is asked for with numbers or {i}, no number behind {i}.
#[test]
fn the_supported_model_is_asked_with_numbers_or_slots() {
    for (text, want) in [
        ("Device.IP.Interface.1.IPv4Address.{i}.", Some("Device.IP.Interface.{i}.IPv4Address.{i}.")),
        ("Device.IP.Interface.", Some("Device.IP.Interface.")),
        ("Device.IP.Interface.{i}.IPv4Address.1.", None),
        ("Device.IP.Interface.*.", None),
    ] {
        assert_eq!(Template::parse_supported(text).ok().as_ref().map(Template::as_str), want, "{text:?}");
    }
}

//= TR-369 R-ARC.7: the whole path syntax is understood.
//= TR-069 3.6.1: an alias in brackets names a row.
#[test]
fn a_pattern_holds_aliases_wildcards_searches_and_references() {
    let p = |text: &str| Pattern::parse(text).unwrap();
    assert_eq!((p("").steps().len(), p("").kind(), p("").path()), (0, Kind::Object, None));
    assert_eq!(p("Device.IP.").path().unwrap().as_str(), "Device.IP.");
    assert_eq!(p("Device.IP.Interface.[cpe-1].Enable").steps()[3], Step::Alias("cpe-1".into()));
    assert_eq!(p("Device.IP.Interface.[a.b&c].").steps()[3], Step::Alias("a.b&c".into()));
    assert_eq!(p("Device.IP.Interface.*.").steps()[3], Step::All);
    assert_eq!(
        p("Device.WiFi.AccessPoint.1.SSIDReference#2+.SSID").steps()[4],
        Step::Follow { name: "SSIDReference".into(), which: Which::Nth(2) }
    );
    for (text, search) in [
        ("Device.", false),
        ("Device.IP.Interface.1.Enable", false),
        ("Device.IP.Interface.[wan].Enable", false),
        ("Device.WiFi.AccessPoint.1.SSIDReference+.SSID", false),
        ("Device.WiFi.AccessPoint.1.SSIDReference#*+.SSID", true),
        ("Device.IP.Interface.*.Enable", true),
        ("Device.IP.Interface.[Type==\"Normal\"&&Stats.Errors>=-5&&Enable==true].Reset()", true),
        ("Device.WiFi.AccessPoint.[SSIDReference+.SSID==\"a]b\"].Enable", true),
        ("Device.WiFi.AccessPoint.[X#*+.Y#2+.Z~=\"%25%22\"].", true),
        ("Device.A.[B<=2026-01-01T00:00:00Z].B.[C!=ff].D!", true),
    ] {
        assert_eq!((p(text).is_search(), p(text).to_string().as_str()), (search, text));
    }
}

//= TR-369 R-ARC.9a: blanks around an operator are accepted.
#[test]
fn blanks_in_an_expression_do_not_count() {
    let spaced = Pattern::parse("Device.A.[ B == \"c d\" && E <= 5 ].F").unwrap();
    assert_eq!(spaced.to_string(), "Device.A.[B==\"c d\"&&E<=5].F");
}

//= TR-369 R-ARC.7: terms are joined by && only; there is no OR, and [] is invalid.
#[test]
fn a_wrong_pattern_is_refused_where_it_is_wrong() {
    for (text, at, what) in [
        ("Device.A.[].", 10, "a name must start with a letter"),
        ("Device.A.[B==\"c].", 17, "a \" must follow"),
        ("Device.A.[B==].", 13, "a value must follow"),
        ("Device.A.[B\"1\"].", 11, "an operator must follow"),
        ("Device.A.[B==1||C==2].", 14, "a ] must follow"),
        ("Device.A.[B==1&&].", 16, "a name must start with a letter"),
        ("Device.A.[B+==1].", 12, "a dot must follow"),
        ("Device.A#2.B", 10, "a + must follow"),
        ("Device.A#0+.B", 9, "an instance number is 1 to 4294967295"),
        ("Device.A+", 9, "an object ends with a dot"),
        ("Device.A.*", 10, "an object ends with a dot"),
        ("Device.A.*.1.", 12, "a row must follow the name of its table"),
        ("Device.*.", 8, "a row must follow the name of its table"),
        ("Device.A.[1a].", 10, "a name must start with a letter"),
    ] {
        assert_eq!(Pattern::parse(text), Err(ParseError { at, what }), "{text:?}");
    }
    let many = vec!["B==1"; 17].join("&&");
    assert_eq!(Pattern::parse(&format!("Device.A.[{many}].")).unwrap_err().what, "too many terms");
    assert_eq!(Pattern::parse("Devil.").unwrap_err().to_string(), "no such root at position 1");
}

fn name() -> impl Strategy<Value = Box<str>> {
    "[A-Za-z_][A-Za-z0-9_-]{0,6}".prop_map(Into::into)
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![Just(Which::First), Just(Which::All), (1u32..).prop_map(Which::Nth)]
}

fn term() -> impl Strategy<Value = Term> {
    let hop = (name(), prop::option::of(which())).prop_map(|(name, follow)| Hop { name, follow });
    let ops = [Op::Equal, Op::Unequal, Op::AtMost, Op::AtLeast, Op::Holds, Op::Less, Op::More];
    let literal = prop_oneof![
        "[^\\]]{0,8}".prop_map(|t| Literal::Quoted(t.into())),
        any::<String>().prop_map(|t| Literal::Quoted(t.chars().take(8).collect::<String>().into())),
        "[A-Za-z0-9:+.-]{1,8}".prop_map(|t| Literal::Bare(t.into())),
    ];
    (prop::collection::vec(hop, 0..3), name(), prop::sample::select(ops.to_vec()), literal).prop_map(
        |(mut left, name, op, value)| {
            left.push(Hop { name, follow: None });
            Term { left, op, value }
        },
    )
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let row = prop_oneof![
        (1u32..).prop_map(Step::Number),
        Just(Step::All),
        "[a-z][a-zA-Z0-9 .&|*+#{}%=-]{0,9}"
            .prop_filter("aliases hold no operator", |t| is_alias(t))
            .prop_map(|t| Step::Alias(t.into())),
        prop::collection::vec(term(), 1..3).prop_map(|terms| Step::Search(Expr::of(terms).unwrap())),
    ];
    let part = prop_oneof![
        name().prop_map(|n| vec![Step::Name(n)]),
        (name(), row).prop_map(|(n, row)| vec![Step::Name(n), row]),
        (name(), which()).prop_map(|(name, which)| vec![Step::Follow { name, which }]),
    ];
    let kinds = [Kind::Object, Kind::Parameter, Kind::Command, Kind::Event];
    (prop::collection::vec(part, 0..4), name(), prop::sample::select(kinds.to_vec())).prop_map(
        |(parts, last, kind)| {
            let mut steps = vec![Step::Name(ROOTS[0].into())];
            steps.extend(parts.into_iter().flatten());
            if kind != Kind::Object {
                steps.push(Step::Name(last));
            }
            Pattern { steps, kind }
        },
    )
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(pattern in pattern()) {
        let text = pattern.to_string();
        prop_assume!(text.len() <= MAX_LENGTH);
        prop_assert_eq!(Pattern::parse(&text), Ok(pattern.clone()), "{}", text);
        if let Some(path) = pattern.path() {
            prop_assert_eq!(Path::parse(&text), Ok(path.clone()));
            prop_assert_eq!(Pattern::from(&path), pattern);
            let numbers: Vec<u32> = path.numbers().collect();
            prop_assert_eq!(path.template().with(&numbers), Some(path));
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>(), tail in "[A-Z.\\[\\]*#+(){}=<>~&!\" 0-9é-]{0,40}") {
        for text in [text.clone(), format!("Device.A.{tail}"), format!("Device.A.[{tail}]."), format!("Device.{text}")] {
            let bounded = |error: ParseError| assert!(error.at <= text.len() && text.is_char_boundary(error.at));
            let _ = Path::parse(&text).map_err(bounded);
            let _ = Path::parse_reference(&text).map(|_| ());
            let _ = Template::parse_supported(&text).map_err(bounded);
            let _ = Pattern::parse_reference(&text).map(|_| ());
            match Pattern::parse(&text) {
                Ok(pattern) => prop_assert_eq!(Pattern::parse(&pattern.to_string()), Ok(pattern)),
                Err(error) => bounded(error),
            }
        }
    }
}
