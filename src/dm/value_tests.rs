#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::*;

/// `Ok` text, or what went wrong as it is printed.
fn shown(result: Result<String, Invalid>) -> String {
    result.unwrap_or_else(|invalid| format!("! {invalid}"))
}

//= TR-106 3.2: the texts of each type.
//= TR-069 A.3.2.1: wrong type and wrong value are told apart.
//= TR-369 R-ENC.6
#[test]
fn every_type_has_one_text_for_each_value_and_refuses_the_rest() {
    for (base, text, want) in [
        (Type::String, " a b ", " a b "),
        (Type::String, "", ""),
        (Type::Boolean, "1", "true"),
        (Type::Boolean, " false\n", "false"),
        (Type::Boolean, "TRUE", "! not of type boolean"),
        (Type::Boolean, "", "! not of type boolean"),
        (Type::Int, "+05", "5"),
        (Type::Int, "-0", "0"),
        (Type::Int, "-2147483648", "-2147483648"),
        (Type::Int, "2147483648", "! allowed: -2147483648 to 2147483647"),
        (Type::Int, "1.0", "! not of type int"),
        (Type::Int, "", "! not of type int"),
        (Type::Int, "+-1", "! not of type int"),
        (Type::UnsignedInt, "4294967295", "4294967295"),
        (Type::UnsignedInt, "-1", "! allowed: 0 to 4294967295"),
        (Type::Long, "-9223372036854775808", "-9223372036854775808"),
        (Type::UnsignedLong, "18446744073709551615", "18446744073709551615"),
        (Type::UnsignedLong, "18446744073709551616", "! allowed: 0 to 18446744073709551615"),
        (
            Type::UnsignedLong,
            "99999999999999999999999999999999999999999999",
            "! allowed: 0 to 18446744073709551615",
        ),
        (Type::Decimal, "+01.50", "1.5"),
        (Type::Decimal, "-.5", "-0.5"),
        (Type::Decimal, "-0.0", "0"),
        (Type::Decimal, "100", "100"),
        (Type::Decimal, "1e3", "! not of type decimal"),
        (Type::Decimal, ".", "! not of type decimal"),
        (Type::DateTime, "2026-08-01T14:00:00+02:00", "2026-08-01T12:00:00Z"),
        (Type::DateTime, "yesterday", "! not of type dateTime"),
        (Type::Base64, "aGVs\r\nbG8=", "aGVsbG8="),
        (Type::Base64, "", ""),
        (Type::Base64, "aGVsbG8", "! not of type base64"),
        (Type::Base64, "a===", "! not of type base64"),
        (Type::HexBinary, "0aFf", "0AFF"),
        (Type::HexBinary, "0a1", "! not of type hexBinary"),
    ] {
        assert_eq!(shown(Syntax::plain(base).canonical(text)), want, "{base:?} {text:?}");
    }
}

const fn span(min: u32, max: u32) -> Span {
    Span { min, max }
}

const fn range(min: i64, max: i64, step: u32) -> Range {
    Range { min, max, step }
}

const fn choice(text: &'static str, read_only: bool) -> Choice {
    Choice { text, read_only, optional: false }
}

const LEN: Limits = Limits { len: &[span(0, 2), span(5, 5)], ..Limits::NONE };
const STEPS: Limits = Limits { range: &[range(-125, 125, 125), range(500, i64::MAX, 1)], ..Limits::NONE };
const LOW: Limits = Limits { range: &[range(i64::MIN, 100, 1)], ..Limits::NONE };
const STATE: Limits = Limits { choices: &[choice("None", true), choice("Requested", false)], ..Limits::NONE };
const SHAPE: Limits = Limits { patterns: &["", r"[0-9]{2}:\d+"], ..Limits::NONE };

#[test]
fn limits_are_held_and_named_in_the_refusal() {
    for (base, limits, text, want) in [
        (Type::String, &LEN, "äö", "äö"),
        (Type::String, &LEN, "abcde", "abcde"),
        (Type::String, &LEN, "abc", "! allowed: 0 to 2 or 5 characters"),
        (Type::HexBinary, &LEN, "0102030405", "0102030405"),
        (Type::HexBinary, &LEN, "010203", "! allowed: 0 to 2 or 5 bytes"),
        (Type::Base64, &LEN, "AAAA", "! allowed: 0 to 2 or 5 bytes"),
        (Type::Base64, &LEN, "AAA=", "AAA="),
        (Type::Int, &STEPS, "-125", "-125"),
        (Type::Int, &STEPS, "0", "0"),
        (Type::Int, &STEPS, "501", "501"),
        (Type::Int, &STEPS, "1", "! allowed: -125 to 125 in steps of 125 or at least 500"),
        (Type::Decimal, &LOW, "99.999", "99.999"),
        (Type::Decimal, &LOW, "100.001", "! allowed: at most 100"),
        (Type::String, &STATE, "Requested", "Requested"),
        (Type::String, &STATE, "requested", "! allowed: one of Requested"),
        //= TR-069 A.3.2.1: a read-only choice cannot be written.
        (Type::String, &STATE, "None", "! allowed: one of Requested"),
        (Type::String, &SHAPE, "", ""),
        (Type::String, &SHAPE, "12:345", "12:345"),
        (Type::String, &SHAPE, "1:2", "! allowed: text like  or [0-9]{2}:\\d+"),
    ] {
        let syntax = Syntax { limits, ..Syntax::plain(base) };
        assert_eq!(shown(syntax.canonical(text)), want, "{base:?} {text:?}");
    }
    let state = Syntax { limits: &STATE, ..Syntax::plain(Type::String) };
    assert_eq!(state.check_read("None").as_deref(), Ok("None"));
    assert!(Syntax::plain(Type::String).canonical(&"a".repeat(MAX_VALUE + 1)).is_err());
}

const FEW: Limits = Limits { items: &[span(1, 3)], list_len: 8, ..Limits::NONE };
const PAIRS: Limits = Limits { items: &[span(0, 2), span(2, 2)], nested: true, ..Limits::NONE };
const TABLE: Limits = Limits { patterns: &["[0-7],[0-1]"], nested: true, ..Limits::NONE };

//= TR-106 3.2: items are separated by commas, blanks around them do not count.
#[test]
fn lists_lose_their_blanks_and_keep_their_limits() {
    for (base, lists, limits, text, want) in [
        (Type::Int, 1, &Limits::NONE, "", ""),
        (Type::Int, 1, &Limits::NONE, " +1 , 2,03", "1,2,3"),
        (Type::Int, 1, &Limits::NONE, "1,,2", "! not of type int"),
        (Type::String, 1, &Limits::NONE, "a b , c", "a b,c"),
        (Type::String, 1, &FEW, "", "! allowed: 1 to 3 items"),
        (Type::String, 1, &FEW, "a,b,c,d", "! allowed: 1 to 3 items"),
        (Type::String, 1, &FEW, "abcde,abc", "! allowed: at most 8 characters"),
        (Type::Boolean, 1, &Limits::NONE, "1,0", "true,false"),
        (Type::UnsignedInt, 2, &PAIRS, "[1, 2],[03,4]", "[1,2],[3,4]"),
        (Type::UnsignedInt, 2, &PAIRS, "", ""),
        (Type::UnsignedInt, 2, &PAIRS, "[1,2,3]", "! allowed: 2 items"),
        (Type::UnsignedInt, 2, &PAIRS, "1,2", "! allowed: lists in square brackets"),
        (Type::UnsignedInt, 2, &PAIRS, "[1,2", "! allowed: a list with closed brackets"),
        (Type::UnsignedInt, 2, &PAIRS, "1]", "! allowed: a list with closed brackets"),
        (Type::String, 1, &TABLE, "[7,1], [0,0]", "[7,1],[0,0]"),
    ] {
        let syntax = Syntax { lists, limits, ..Syntax::plain(base) };
        assert_eq!(shown(syntax.canonical(text)), want, "{base:?} {text:?}");
        assert_eq!(syntax.xsd(), "xsd:string");
    }
    let many = Syntax { lists: 1, ..Syntax::plain(Type::Int) };
    assert!(many.canonical(&"1,".repeat(MAX_ITEMS + 1)).is_err());
}

//= RFC 5952 4: one way to write an IPv6 address, in lower case and shortened.
//= TR-181 IPAddress, IPPrefix, MACAddress: what is not known is the empty text.
//= TR-069 3.6.1: an alias has 1 to 64 characters and begins with a letter.
#[test]
fn named_types_have_rules_of_their_own() {
    let (longest, longer) = ("a".repeat(64), "a".repeat(65));
    for (named, text, want) in [
        (Named::Ipv4Address, "192.168.001.1", "192.168.1.1"),
        (Named::Ipv4Address, "", ""),
        (Named::Ipv4Address, "192.168.1", "! allowed: an IPv4 address"),
        (Named::Ipv4Address, "192.168.1.256", "! allowed: an IPv4 address"),
        (Named::Ipv4Address, "+1.2.3.4", "! allowed: an IPv4 address"),
        (Named::Ipv6Address, "2001:DB8:0:0::1", "2001:db8::1"),
        (Named::Ipv6Address, "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        (Named::Ipv6Address, "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        (Named::Ipv6Address, "", ""),
        (Named::IpAddress, "", ""),
        (Named::IpPrefix, "", ""),
        (Named::MacAddress, "", ""),
        (Named::Ipv6Address, "10.0.0.1", "! allowed: an IPv6 address"),
        (Named::IpAddress, "fe80::1", "fe80::1"),
        (Named::IpAddress, "10.0.0.1", "10.0.0.1"),
        (Named::IpAddress, "fe80::1%eth0", "! allowed: an IP address"),
        (Named::Ipv4Prefix, "10.0.0.0/08", "10.0.0.0/8"),
        (Named::Ipv4Prefix, "/24", "/24"),
        (Named::Ipv4Prefix, "10.0.0.0/33", "! allowed: an IPv4 prefix"),
        (Named::Ipv6Prefix, "2001:DB8::/32", "2001:db8::/32"),
        (Named::Ipv6Prefix, "2001:db8::", "! allowed: an IPv6 prefix"),
        (Named::IpPrefix, "2001:DB8::/128", "2001:db8::/128"),
        (Named::IpPrefix, "2001:DB8::/129", "! allowed: an IP prefix"),
        (Named::IpPrefix, "10.0.0.0/8", "10.0.0.0/8"),
        (Named::MacAddress, "00:1A:2b:3C:4d:5E", "00:1a:2b:3c:4d:5e"),
        (Named::MacAddress, "00-1A-2b-3C-4d-5E", "! allowed: a MAC address"),
        (Named::Eui64, "00:1A:2b:3C:4d:5E:6f:70", "00:1a:2b:3c:4d:5e:6f:70"),
        (Named::Uuid, "00000000-0000-0000-0000-00000000000A", "00000000-0000-0000-0000-00000000000a"),
        (Named::Uuid, "", "! allowed: a UUID"),
        (Named::Alias, "cpe-1", "cpe-1"),
        (Named::Alias, &longest, &longest),
        (Named::Alias, &longer, "! allowed: an alias of 1 to 64 characters"),
        (Named::Alias, "", "! allowed: an alias of 1 to 64 characters"),
        (Named::Alias, "1a", "! allowed: an alias of 1 to 64 characters"),
        (Named::Alias, "a]", "! allowed: an alias of 1 to 64 characters"),
        (Named::Alias, "a==b", "! allowed: an alias of 1 to 64 characters"),
    ] {
        let syntax = Syntax { named, ..Syntax::plain(Type::String) };
        assert_eq!(shown(syntax.canonical(text)), want, "{named:?} {text:?}");
    }
}

//= TR-069 3.5: the types on the wire carry their XML Schema names.
#[test]
fn a_type_has_a_name_on_the_wire_and_in_the_model() {
    for (name, base) in Type::ALL {
        assert_eq!((base.name(), Type::from_name(name)), (name, Some(base)));
        assert_eq!(Type::from_xsd(base.xsd().trim_start_matches("xsd:")), Some(base));
    }
    assert_eq!(Type::from_xsd("base64"), Some(Type::Base64));
    assert_eq!(Type::from_xsd("anySimpleType"), None);
}

proptest! {
    #[test]
    fn canonical_text_is_canonical(text in any::<String>(), digits in "[ +-]?[0-9.,]{0,30}", at in 0..10usize) {
        for text in [text, digits] {
            for lists in 0..3 {
                let syntax = Syntax { lists, ..Syntax::plain(Type::ALL[at].1) };
                if let Ok(once) = syntax.canonical(&text) {
                    prop_assert_eq!(syntax.canonical(&once), Ok(once.clone()), "{:?}", text);
                }
            }
        }
    }

    #[test]
    fn numbers_compare_as_numbers(a in any::<i64>(), b in any::<u64>()) {
        let (x, y) = (number(&a.to_string()).unwrap(), number(&format!("+0{b}.00")).unwrap());
        prop_assert_eq!(x.cmp(&y), i128::from(a).cmp(&i128::from(b)));
    }
}
