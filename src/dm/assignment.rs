//! Assignments: parameters and the values they are to be given, several in one text.
//!
//! The form is TR-181's of `LocalAgent.Subscription.{i}.TriggerConfigSettings`: `Device.A.B=5,Device.A.C="text"`. Which
//! parameters there are and who may write them is not known here.

use super::path::{self, Kind, Pattern};

/// A parameter and the value it is to be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The path of its object with the dot; may hold searches.
    pub object: String,
    /// Its name.
    pub name: String,
    /// The value, without quotes and escapes.
    pub value: String,
}

impl Assignment {
    /// The path of the parameter.
    pub fn pattern(&self) -> Option<Pattern> {
        Pattern::parse(&format!("{}{}", self.object, self.name)).ok()
    }
}

/// Reads a list of assignments; `None` if one of them is none.
///
/// A text is set in quotes, which any other value may be too. Commas, blanks and quotes in it are escaped.
//= TR-181 LocalAgent.Subscription.{i}.TriggerConfigSettings: PARAMETER=VALUE, a text in quotes.
//= TR-106 3.2: commas and blanks within an item are written as %HH.
pub fn parse(list: &str) -> Option<Vec<Assignment>> {
    path::list(list).into_iter().map(|item| one(item.trim())).collect()
}

fn one(item: &str) -> Option<Assignment> {
    let mut depth = 0i32;
    let at = item.find(|c| {
        depth += i32::from(c == '[') - i32::from(c == ']');
        c == '=' && depth == 0
    })?;
    let (path, value) = (item.get(..at)?.trim(), item.get(at + 1..)?.trim());
    let value = match value.strip_prefix('"') {
        Some(text) => text.strip_suffix('"')?,
        None => value,
    };
    let is_parameter = Pattern::parse(path).is_ok_and(|pattern| pattern.kind() == Kind::Parameter);
    if !is_parameter || value.contains('"') {
        return None;
    }
    let name = path.rsplit('.').next()?;
    let object = path.strip_suffix(name)?.to_string();
    Some(Assignment { object, name: name.to_string(), value: unescaped(value)? })
}

/// A text with every `%HH` as its octet; `None` where the digits are missing, or where that is no UTF-8.
fn unescaped(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut out = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|octet| octet.is_ascii_hexdigit()))?;
        out.push(u8::from_str_radix(digits, 16).ok()?);
        out.extend(part.get(2..)?.as_bytes());
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    //= TR-181 LocalAgent.Subscription.{i}.TriggerConfigSettings: PARAMETER=VALUE, a text in quotes.
    //= TR-106 3.2: commas and blanks within an item are written as %HH.
    #[test]
    fn assignments_are_read_and_what_is_none_refuses_the_list() {
        let read = |list: &str| {
            let all = parse(list)?.into_iter();
            Some(all.map(|one| format!("{}|{}|{}", one.object, one.name, one.value)).collect::<Vec<_>>())
        };
        for (list, want) in [
            ("", Some(vec![])),
            ("Device.X.Enable=false", Some(vec!["Device.X.|Enable|false"])),
            ("Device.X.1.A=5, Device.X.1.B=\"a b\"", Some(vec!["Device.X.1.|A|5", "Device.X.1.|B|a b"])),
            ("Device.X.A=\"a%2Cb%22%25%C3%A9\"", Some(vec!["Device.X.|A|a,b\"%\u{e9}"])),
            ("Device.X.A=\"\"", Some(vec!["Device.X.|A|"])),
            ("Device.X.A=", Some(vec!["Device.X.|A|"])),
            ("Device.X.A=b=c", Some(vec!["Device.X.|A|b=c"])),
            ("Device.X.[A==1&&B==\"a,b\"].C=1", Some(vec!["Device.X.[A==1&&B==\"a,b\"].|C|1"])),
            ("Device.X.*.C=1", Some(vec!["Device.X.*.|C|1"])),
            ("Device.X.A", None),
            ("Device.X.=1", None),
            ("Device.X.A()=1", None),
            ("no path=1", None),
            ("=1", None),
            ("Device.X.A=\"a,b\"", None),
            ("Device.X.A=\"a", None),
            ("Device.X.A=a\"b\"", None),
            ("Device.X.A=100%", None),
            ("Device.X.A=%+1", None),
            ("Device.X.A=%ff", None),
            ("Device.X.A=1,Device.X.B", None),
        ] {
            let want = want.map(|all| all.into_iter().map(String::from).collect::<Vec<_>>());
            assert_eq!(read(list), want, "{list}");
        }
    }
}
