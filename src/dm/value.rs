//! The types of TR-106: what a value's text may be, and the one text it is kept as.
//!
//! Everything is a text; a [`Syntax`] says which. The tables of the model are `static`, so the types here hold
//! nothing but plain data. [`Syntax::canonical`] is for what a manager writes, [`Syntax::check_read`] for what the
//! agent answers. References, keys and rules between parameters are not looked at. The checks of the named types
//! (addresses, Alias) are in `named`, patterns in `pattern`.

use std::fmt;

use super::named::Named;
use super::pattern;
use crate::time::Wall;

/// Longest value in bytes, whatever the model says.
pub const MAX_VALUE: usize = 65_536;
/// Most items of a list, whatever the model says.
pub const MAX_ITEMS: usize = 10_000;
/// Most digits of a decimal on either side of the point.
const MAX_DIGITS: usize = 18;

/// The base types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// Text; blanks count.
    String,
    /// `true` or `false`.
    Boolean,
    /// 32 bits with sign.
    Int,
    /// 32 bits.
    UnsignedInt,
    /// 64 bits with sign.
    Long,
    /// 64 bits.
    UnsignedLong,
    /// A number with a fraction.
    Decimal,
    /// A moment, kept in UTC.
    DateTime,
    /// Bytes as base64.
    Base64,
    /// Bytes as hexadecimal digits.
    HexBinary,
}

impl Type {
    /// Every type with its name in the model.
    pub const ALL: [(&'static str, Type); 10] = [
        ("string", Type::String),
        ("boolean", Type::Boolean),
        ("int", Type::Int),
        ("unsignedInt", Type::UnsignedInt),
        ("long", Type::Long),
        ("unsignedLong", Type::UnsignedLong),
        ("decimal", Type::Decimal),
        ("dateTime", Type::DateTime),
        ("base64", Type::Base64),
        ("hexBinary", Type::HexBinary),
    ];

    /// Its name in the model, such as `unsignedInt`.
    pub fn name(self) -> &'static str {
        Type::ALL.iter().find(|(_, t)| *t == self).map_or("string", |(name, _)| name)
    }

    /// The type of that name in the model.
    pub fn from_name(name: &str) -> Option<Type> {
        Type::ALL.iter().find(|(n, _)| *n == name).map(|(_, t)| *t)
    }

    /// The type behind an `xsi:type`, its prefix cut off; `None` for a generic or unknown one.
    //= TR-069 3.5: base64 goes under its XML Schema and its SOAP name; all that ACSs send are taken.
    pub fn from_xsd(local: &str) -> Option<Type> {
        if local == "base64Binary" { Some(Type::Base64) } else { Type::from_name(local) }
    }

    /// The `xsi:type` on the wire. Source: TR-106 3.2, XML Schema part 2.
    pub const fn xsd(self) -> &'static str {
        match self {
            Type::String => "xsd:string",
            Type::Boolean => "xsd:boolean",
            Type::Int => "xsd:int",
            Type::UnsignedInt => "xsd:unsignedInt",
            Type::Long => "xsd:long",
            Type::UnsignedLong => "xsd:unsignedLong",
            Type::Decimal => "xsd:decimal",
            Type::DateTime => "xsd:dateTime",
            Type::Base64 => "xsd:base64Binary",
            Type::HexBinary => "xsd:hexBinary",
        }
    }

    /// Whether values can be ordered.
    pub const fn is_number(self) -> bool {
        matches!(self, Type::Int | Type::UnsignedInt | Type::Long | Type::UnsignedLong | Type::Decimal)
    }

    /// What the bits of an integer hold.
    const fn bounds(self) -> Option<(i128, i128)> {
        match self {
            Type::Int => Some((i32::MIN as i128, i32::MAX as i128)),
            Type::UnsignedInt => Some((0, u32::MAX as i128)),
            Type::Long => Some((i64::MIN as i128, i64::MAX as i128)),
            Type::UnsignedLong => Some((0, u64::MAX as i128)),
            Type::String
            | Type::Boolean
            | Type::Decimal
            | Type::DateTime
            | Type::Base64
            | Type::HexBinary => None,
        }
    }
}

/// A count from `min` to `max`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Lower end.
    pub min: u32,
    /// Upper end; `u32::MAX` is no bound.
    pub max: u32,
}

impl Span {
    fn holds(self, count: usize) -> bool {
        (self.min as usize..=self.max as usize).contains(&count)
            || (self.max == u32::MAX && count >= self.min as usize)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (min, u32::MAX) => write!(f, "at least {min}"),
            (min, max) if min == max => write!(f, "{min}"),
            (min, max) => write!(f, "{min} to {max}"),
        }
    }
}

/// Numbers from `min` to `max`, both included, in steps counted from `min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Lower end; `i64::MIN` is no bound.
    pub min: i64,
    /// Upper end; `i64::MAX` is no bound.
    pub max: i64,
    /// 1 for every number.
    pub step: u32,
}

impl Range {
    /// Whether it holds a number given in 10^-18.
    fn holds(self, scaled: i128) -> bool {
        let (min, max) = (i128::from(self.min) * SCALE, i128::from(self.max) * SCALE);
        let low = if self.min == i64::MIN { 0 } else { min };
        (self.min == i64::MIN || scaled >= min)
            && (self.max == i64::MAX || scaled <= max)
            && (self.step <= 1 || (scaled - low) % (i128::from(self.step) * SCALE) == 0)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (i64::MIN, max) => write!(f, "at most {max}")?,
            (min, i64::MAX) => write!(f, "at least {min}")?,
            (min, max) if min == max => write!(f, "{min}")?,
            (min, max) => write!(f, "{min} to {max}")?,
        }
        if self.step > 1 { write!(f, " in steps of {}", self.step) } else { Ok(()) }
    }
}

/// One value of an enumeration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The text, case and all.
    pub text: &'static str,
    /// Can be read but not written.
    pub read_only: bool,
    /// A device need not know it.
    pub optional: bool,
}

/// What narrows a type. In a list all but `items`, `list_len` and `nested` speak of each item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Lengths, any of which will do: characters of a string, bytes of base64 and hexBinary. Empty: any.
    pub len: &'static [Span],
    /// Ranges of a number, any of which will do. Empty: any.
    pub range: &'static [Range],
    /// An enumeration. Empty: none.
    pub choices: &'static [Choice],
    /// XML Schema patterns, any of which will do; `""` admits the empty text. Empty: none.
    pub patterns: &'static [&'static str],
    /// How many items a list has; a second span is for the lists in a list of lists. Empty: any.
    pub items: &'static [Span],
    /// Longest text of the whole list in characters; `u32::MAX` is no bound.
    pub list_len: u32,
    /// Items may be lists of their own, in square brackets.
    pub nested: bool,
    /// The unit; empty for none.
    pub units: &'static str,
}

impl Limits {
    /// Nothing is narrowed.
    pub const NONE: Limits = Limits {
        len: &[],
        range: &[],
        choices: &[],
        patterns: &[],
        items: &[],
        list_len: u32::MAX,
        nested: false,
        units: "",
    };
}

/// The type of a parameter with all that narrows it. Small: two words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syntax {
    /// The type, of each item in a list.
    pub base: Type,
    /// Levels of lists: 0 a plain value, 1 a list, 2 a list of lists.
    pub lists: u8,
    /// The named type, where it has rules of its own.
    pub named: Named,
    /// What narrows it.
    pub limits: &'static Limits,
}

/// Why a text is not a value of the type. CWMP answers 9006 to the first and 9007 to the second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// Not a text of that type at all.
    Type {
        /// The type's name in the model.
        expected: &'static str,
    },
    /// Of the type, but not among the values allowed.
    Value {
        /// What is allowed, in words.
        allowed: String,
    },
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalid::Type { expected } => write!(f, "not of type {expected}"),
            Invalid::Value { allowed } => write!(f, "allowed: {allowed}"),
        }
    }
}

pub(super) fn value(allowed: impl Into<String>) -> Invalid {
    Invalid::Value { allowed: allowed.into() }
}

/// Whether a value is to be written or was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Read,
    Write,
}

impl Syntax {
    /// The type alone.
    pub const fn plain(base: Type) -> Syntax {
        Syntax { base, lists: 0, named: Named::None, limits: &Limits::NONE }
    }

    /// The `xsi:type` of its values; lists travel as strings.
    pub const fn xsd(&self) -> &'static str {
        if self.lists > 0 { Type::String.xsd() } else { self.base.xsd() }
    }

    /// The one text under which a written value is kept, compared and read back.
    ///
    /// Booleans become `true` and `false`, numbers lose `+` and zeros, moments are in UTC, hexBinary is in upper
    /// and hardware addresses in lower case, lists have no blanks around their commas.
    //= TR-069 A.3.2.1: a value of the wrong type is refused otherwise than one out of range; read-only choices cannot be written.
    //= TR-369 R-ENC.6: a value is the text of its type; of a boolean, true and false, and 1 and 0 are taken.
    pub fn canonical(&self, text: &str) -> Result<String, Invalid> {
        self.whole(text, Use::Write)
    }

    /// The canonical text of a value that was read; choices that can only be read are legal here.
    pub fn check_read(&self, text: &str) -> Result<String, Invalid> {
        self.whole(text, Use::Read)
    }

    /// Whether [`Syntax::check_read`] certainly gives the text back as it is: a quick look, for the most usual texts.
    pub(super) fn is_plain(&self, text: &str) -> bool {
        let limits = self.limits;
        if self.lists > 0 || text.len() > MAX_VALUE {
            return false;
        }
        match self.base {
            Type::String => {
                matches!(self.named, Named::None | Named::Counter32 | Named::Counter64)
                    && limits.len.iter().all(|span| span.min == 0 && text.len() <= span.max as usize)
                    && (limits.choices.iter().any(|choice| choice.text == text)
                        || limits.choices.is_empty() && limits.patterns.is_empty())
            }
            Type::Boolean => matches!(text, "true" | "false"),
            Type::Int | Type::UnsignedInt | Type::Long | Type::UnsignedLong => {
                limits.range.is_empty()
                    && (1..=9).contains(&text.len())
                    && text.bytes().all(|octet| octet.is_ascii_digit())
                    && (text.len() == 1 || !text.starts_with('0'))
            }
            Type::Decimal | Type::DateTime | Type::Base64 | Type::HexBinary => false,
        }
    }

    fn whole(&self, text: &str, usage: Use) -> Result<String, Invalid> {
        if text.len() > MAX_VALUE {
            return Err(value(format!("at most {MAX_VALUE} bytes")));
        }
        if self.lists == 0 {
            return self.one(text, usage);
        }
        let list = self.list(text, self.lists, self.limits.items, usage)?;
        if self.limits.list_len != u32::MAX && list.chars().count() > self.limits.list_len as usize {
            return Err(value(format!("at most {} characters", self.limits.list_len)));
        }
        Ok(list)
    }

    //= TR-106 3.2: items are separated by commas, blanks around them do not count, an empty text is an empty list.
    //= TR-106 3.2: a list within a list is set in square brackets.
    fn list(&self, text: &str, levels: u8, counts: &[Span], usage: Use) -> Result<String, Invalid> {
        let nested = levels > 1 || self.limits.nested;
        let items = split(text, nested).ok_or_else(|| value("a list with closed brackets"))?;
        let count = if text.trim().is_empty() { 0 } else { items.len() };
        if count > MAX_ITEMS {
            return Err(value(format!("at most {MAX_ITEMS} items")));
        }
        if let Some(span) = counts.first().filter(|span| !span.holds(count)) {
            return Err(value(format!("{span} items")));
        }
        let mut out = String::with_capacity(text.len());
        for (at, item) in items.into_iter().take(count).enumerate() {
            if at > 0 {
                out.push(',');
            }
            let item = item.trim();
            let inner = item.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|_| nested);
            match inner {
                Some(inner) if levels > 1 => {
                    let inner = self.list(inner, levels - 1, counts.get(1..).unwrap_or_default(), usage)?;
                    out.push_str(&format!("[{inner}]"));
                }
                Some(inner) => out.push_str(&format!("[{}]", self.one(inner, usage)?)),
                None if levels > 1 => return Err(value("lists in square brackets")),
                None => out.push_str(&self.one(item, usage)?),
            }
        }
        Ok(out)
    }

    fn one(&self, text: &str, usage: Use) -> Result<String, Invalid> {
        let wrong = || Invalid::Type { expected: self.base.name() };
        // XML Schema collapses blanks around everything but strings.
        let tight = text.trim_matches([' ', '\t', '\r', '\n']);
        match self.base {
            Type::String => self.string(text, usage),
            Type::Boolean => match tight {
                //= TR-106 3.2: a boolean is one of four texts.
                "1" | "true" => Ok("true".to_owned()),
                "0" | "false" => Ok("false".to_owned()),
                _ => Err(wrong()),
            },
            Type::Int | Type::UnsignedInt | Type::Long | Type::UnsignedLong => {
                let digits = tight.strip_prefix(['+', '-']).unwrap_or(tight);
                if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(wrong());
                }
                let (min, max) = self.base.bounds().ok_or_else(wrong)?;
                let number = tight.parse::<i128>().ok().filter(|n| (min..=max).contains(n));
                let number = number.ok_or_else(|| value(format!("{min} to {max}")))?;
                self.in_range(number * SCALE)?;
                Ok(number.to_string())
            }
            Type::Decimal => {
                if !is_decimal(tight) {
                    return Err(wrong());
                }
                let figures = format!("at most {MAX_DIGITS} digits on either side of the point");
                let scaled = number(tight).ok_or_else(|| value(figures))?;
                self.in_range(scaled)?;
                Ok(decimal(scaled))
            }
            //= TR-106 3.2: local time is told with its offset from UTC, all other moments in UTC.
            Type::DateTime => match (Wall::parse(tight), usage) {
                (Some(_), Use::Read) if !tight.ends_with('Z') => Ok(tight.to_string()),
                (moment, _) => moment.map(|moment| moment.to_string()).ok_or_else(wrong),
            },
            Type::Base64 => {
                let tight: String = tight.chars().filter(|c| !c.is_ascii_whitespace()).collect();
                let bytes = base64_len(&tight).ok_or_else(wrong)?;
                self.in_len(bytes, "bytes")?;
                Ok(tight)
            }
            Type::HexBinary => {
                if !tight.len().is_multiple_of(2) || !tight.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(wrong());
                }
                self.in_len(tight.len() / 2, "bytes")?;
                Ok(tight.to_ascii_uppercase())
            }
        }
    }

    fn string(&self, text: &str, usage: Use) -> Result<String, Invalid> {
        let limits = self.limits;
        self.in_len(text.chars().count(), "characters")?;
        if !limits.choices.is_empty() {
            let open = |choice: &&Choice| usage == Use::Read || !choice.read_only;
            let mut open = limits.choices.iter().filter(open).map(|choice| choice.text);
            // A pattern beside an enumeration widens it.
            if !open.clone().any(|choice| choice == text) && !pattern::any(limits.patterns, text) {
                let list = open.by_ref().collect::<Vec<_>>().join(", ");
                return Err(value(format!("one of {list}")));
            }
        } else if !limits.patterns.is_empty() && !pattern::any(limits.patterns, text) {
            return Err(value(format!("text like {}", limits.patterns.join(" or "))));
        }
        self.named.canonical(text)
    }

    fn in_len(&self, count: usize, unit: &str) -> Result<(), Invalid> {
        let spans = self.limits.len;
        if spans.is_empty() || spans.iter().any(|span| span.holds(count)) {
            return Ok(());
        }
        Err(value(format!("{} {unit}", alternatives(spans))))
    }

    fn in_range(&self, scaled: i128) -> Result<(), Invalid> {
        let ranges = self.limits.range;
        if ranges.is_empty() || ranges.iter().any(|range| range.holds(scaled)) {
            return Ok(());
        }
        Err(value(alternatives(ranges)))
    }
}

fn alternatives<T: fmt::Display>(parts: &[T]) -> String {
    parts.iter().map(T::to_string).collect::<Vec<_>>().join(" or ")
}

/// Items of a list; brackets keep commas together. `None` if brackets do not match.
fn split(text: &str, nested: bool) -> Option<Vec<&str>> {
    if !nested {
        return Some(text.split(',').collect());
    }
    let (mut items, mut depth, mut start) = (Vec::new(), 0u32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => {
                items.push(text.get(start..at)?);
                start = at + 1;
            }
            _ => (),
        }
    }
    items.push(text.get(start..)?);
    (depth == 0).then_some(items)
}

/// Decimals are held in units of 10^-18.
const SCALE: i128 = 1_000_000_000_000_000_000;

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let figures = digits.bytes().filter(u8::is_ascii_digit).count();
    let points = digits.bytes().filter(|b| *b == b'.').count();
    figures > 0 && points <= 1 && figures + points == digits.len()
}

/// The number a text stands for, in units of 10^-18, so that any two compare by value.
///
/// `None` for what is no number or has more than 20 digits before or 18 behind the point, zeros at the ends aside.
pub fn number(text: &str) -> Option<i128> {
    if !is_decimal(text) {
        return None;
    }
    let digits = text.trim_start_matches(['+', '-']);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    // u64::MAX has 20 digits; 10^20 * 10^18 still fits.
    if whole.len() > MAX_DIGITS + 2 || fraction.len() > MAX_DIGITS {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let scaled = whole * SCALE + format!("{fraction:0<18}").parse::<i128>().ok()?;
    Some(if text.starts_with('-') { -scaled } else { scaled })
}

fn decimal(scaled: i128) -> String {
    let sign = if scaled < 0 { "-" } else { "" };
    let (whole, fraction) = ((scaled / SCALE).unsigned_abs(), (scaled % SCALE).unsigned_abs());
    let text = format!("{sign}{whole}.{fraction:018}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// How many bytes a base64 text holds; `None` if it is none. Source: RFC 4648 4, with padding.
fn base64_len(text: &str) -> Option<usize> {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    let clean = body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/');
    (clean && padding <= 2 && text.len().is_multiple_of(4)).then(|| text.len() / 4 * 3 - padding)
}

#[cfg(test)]
#[path = "value_tests.rs"]
mod tests;
