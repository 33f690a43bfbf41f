//! Reads the table of the standard (`src/tr181/standard.tsv`), line by line, and writes types as Rust source.
//!
//! For `build.rs`, which turns the rows that are mapped into static tables, and for tests; the whole table is not in
//! the program. The syntax is described at the head of the file. Needs std and its neighbours in this folder only.

use super::named::Named;
use super::path::{Kind, Template};
use super::pattern;
use super::value::{Choice, Limits, Range, Span, Syntax, Type};

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandardNode {
    /// The path with `{i}` for instances.
    pub path: String,
    /// What it names, told by the path.
    pub kind: Kind,
    /// Which protocols have it. A path whose limits differ has a row for each.
    pub protocols: Protocols,
    /// What a CWMP server may do.
    pub access: Access,
    /// What a USP controller may do.
    pub usp_access: Access,
    /// The type of a parameter.
    pub base: Option<Type>,
    /// Levels of lists; 0 for a plain value.
    pub lists: u8,
    /// The named type as the standard writes it; empty for none.
    pub named: String,
    /// The version that brought it, such as `2.0`, or `2.0/u2.16` where USP differs.
    pub since: String,
    /// A command that answers later.
    pub asynchronous: bool,
    /// Everything else.
    pub facts: Facts,
}

/// Who knows a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocols {
    /// CWMP and USP.
    #[default]
    Both,
    /// CWMP only.
    Cwmp,
    /// USP only.
    Usp,
}

/// What a manager may do to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read a parameter; an object's rows come and go by themselves.
    ReadOnly,
    /// Write a parameter.
    ReadWrite,
    /// Write a parameter when its row is created.
    WriteOnce,
    /// Create and delete rows.
    CreateDelete,
    /// A command or an event.
    None,
}

/// Whether a parameter may be, or must be, notified actively.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notify {
    /// As the server asks.
    #[default]
    Normal,
    /// The device may refuse.
    CanDeny,
    /// Always active; the server cannot change it.
    ForceEnabled,
    /// Active until the server says otherwise.
    ForceDefaultEnabled,
}

/// What a parameter's value points to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// Emptied when the target goes, refused when there is none.
    pub strong: bool,
    /// Points to a parameter, not to an object.
    pub parameter: bool,
    /// The tables or nodes it may point to; `*` for any.
    pub targets: Vec<String>,
}

/// The facts of a row; an absent one is empty, `None` or `false`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Lengths of a value.
    pub len: Vec<Span>,
    /// Ranges of a number.
    pub range: Vec<Range>,
    /// An enumeration.
    pub choices: Vec<OwnedChoice>,
    /// Patterns; an empty one admits the empty text.
    pub patterns: Vec<String>,
    /// Numbers of items; the second is for lists in lists.
    pub items: Vec<Span>,
    /// Longest text of a whole list.
    pub list_len: Option<u32>,
    /// Items may be lists in brackets.
    pub nested: bool,
    /// The unit.
    pub units: String,
    /// What the value points to.
    pub reference: Option<Reference>,
    /// The parameter whose items are the values allowed.
    pub enum_of: Option<String>,
    /// A value allowed besides those of `enum_of`.
    pub null: Option<String>,
    /// The value of a row just created, as on the wire.
    pub default: Option<String>,
    /// Reads as empty, always.
    pub hidden: bool,
    /// Reads as empty without the right to it.
    pub secured: bool,
    /// Writing it triggers something; CWMP.
    pub command: bool,
    /// In every Inform.
    pub forced_inform: bool,
    /// How it may be notified.
    pub notify: Notify,
    /// The version that deprecated or obsoleted it; `^` with its parent.
    pub deprecated: Option<String>,
    /// The version that deleted it; `^` with its parent.
    pub deleted: Option<String>,
    /// How many rows a table has, or whether an object may be absent.
    pub entries: Option<Span>,
    /// The parameter beside a table that counts its rows.
    pub count: Option<String>,
    /// The parameter of a row that enables it.
    pub enable: Option<String>,
    /// Keys that bind enabled rows.
    pub functional_keys: Vec<Vec<String>>,
    /// Keys that bind all rows, for ever.
    pub keys: Vec<Vec<String>>,
    /// The device fixes the rows.
    pub fixed: bool,
    /// An argument that must be given.
    pub mandatory: bool,
    /// The value of an argument left out.
    pub assumed: Option<String>,
}

/// An argument of a command or an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandardArgument {
    /// The command or event, such as `Device.Reboot()`.
    pub owner: String,
    /// Whether it goes in; of a command's results and an event's arguments it comes out.
    pub input: bool,
    /// Its name, with what it lies in: `Result.{i}.Status`.
    pub name: String,
    /// Its type and facts.
    pub node: StandardNode,
}

/// A [`Choice`] that owns its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedChoice {
    /// The text.
    pub text: String,
    /// Can be read but not written.
    pub read_only: bool,
    /// A device need not know it.
    pub optional: bool,
}

/// The rows of the table with their line numbers from 1; comments, empty lines and arguments are left out.
pub fn read(table: &str) -> impl Iterator<Item = (usize, Result<StandardNode, String>)> + '_ {
    let own = rows(table).filter(|(_, line)| owner(line).is_none());
    own.map(|(at, line)| (at, StandardNode::parse(line)))
}

/// The arguments of commands and events, in the table's order; objects among them are left out, their parameters' names
/// say where they lie.
pub fn arguments(table: &str) -> impl Iterator<Item = (usize, Result<StandardArgument, String>)> + '_ {
    rows(table).filter_map(|(at, line)| {
        let (owner, rest) = owner(line)?;
        let (input, rest) = match (rest.strip_prefix("Input."), rest.strip_prefix("Output.")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => (false, rest),
        };
        let name = rest.split('\t').next().unwrap_or_default();
        if name.ends_with('.') {
            return None;
        }
        let argument = StandardNode::parse(&format!("Device.{rest}")).map(|node| StandardArgument {
            owner: owner.to_owned(),
            input,
            name: name.to_owned(),
            node,
        });
        Some((at, argument))
    })
}

fn rows(table: &str) -> impl Iterator<Item = (usize, &str)> + '_ {
    let lines = table.lines().enumerate().map(|(at, line)| (at + 1, line));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// The command or event that the row is an argument of, and the row behind it.
fn owner(line: &str) -> Option<(&str, &str)> {
    let path = line.split('\t').next()?;
    let end = path.find("().").map(|at| at + 2).or_else(|| path.find("!.").map(|at| at + 1))?;
    Some((line.get(..end)?, line.get(end + 1..)?))
}

impl StandardNode {
    /// Reads one row. The error says what is wrong with it, in words for a person.
    pub fn parse(line: &str) -> Result<StandardNode, String> {
        let mut columns = line.split('\t');
        let mut column = |name: &str| columns.next().ok_or(format!("no column {name}"));
        let (path, access, types, since) =
            (column("path")?, column("access")?, column("type")?, column("since")?);
        let facts = columns.next().unwrap_or_default();
        if columns.next().is_some() {
            return Err("too many columns".to_owned());
        }
        let template = Template::parse(path).map_err(|e| format!("{path}: {e}"))?;
        let (access, usp_access) = access.split_once('/').unwrap_or((access, access));
        let (base, named) = types.split_once(':').unwrap_or((types, ""));
        let plain = base.trim_end_matches("[]");
        let kind = template.kind();
        let base_type = match (kind, plain) {
            (Kind::Object, "object") | (Kind::Command, "sync" | "async") | (Kind::Event, "event") => None,
            (Kind::Parameter, name) => Some(Type::from_name(name).ok_or(format!("unknown type {name}"))?),
            _ => return Err(format!("{path} cannot be of type {base}")),
        };
        let (facts, protocols) = Facts::parse(facts)?;
        Ok(StandardNode {
            path: path.to_owned(),
            kind,
            protocols,
            access: Access::parse(access)?,
            usp_access: Access::parse(usp_access)?,
            base: base_type,
            lists: u8::try_from((base.len() - plain.len()) / 2).map_err(|_| "too many lists")?,
            named: named.to_owned(),
            since: since.to_owned(),
            asynchronous: base == "async",
            facts,
        })
    }

    /// The type of a parameter with its limits; the limits are kept for the rest of the program's life.
    ///
    /// For tests and for tables read once; `None` for what is no parameter.
    pub fn syntax(&self) -> Option<Syntax> {
        let f = &self.facts;
        let text = |text: &String| &*text.clone().leak();
        let choice =
            |c: &OwnedChoice| Choice { text: text(&c.text), read_only: c.read_only, optional: c.optional };
        let limits = Limits {
            len: f.len.clone().leak(),
            range: f.range.clone().leak(),
            choices: f.choices.iter().map(choice).collect::<Vec<_>>().leak(),
            patterns: f.patterns.iter().map(text).collect::<Vec<_>>().leak(),
            items: f.items.clone().leak(),
            list_len: f.list_len.unwrap_or(u32::MAX),
            nested: f.nested,
            units: text(&f.units),
        };
        let named = Named::from_name(&self.named);
        Some(Syntax { base: self.base?, lists: self.lists, named, limits: Box::leak(Box::new(limits)) })
    }

    /// The [`Syntax`] of a parameter as Rust source, `limits` being the source of a `&'static Limits`.
    ///
    /// The names `Syntax`, `Type`, `Named` must be in scope where it is put. `None` for what is no parameter.
    pub fn syntax_literal(&self, limits: &str) -> Option<String> {
        let named = Named::from_name(&self.named).variant();
        let (base, lists) = (self.base?, self.lists);
        Some(format!(
            "Syntax {{ base: Type::{base:?}, lists: {lists}, named: Named::{named}, limits: {limits} }}"
        ))
    }
}

impl Access {
    fn parse(text: &str) -> Result<Access, String> {
        match text {
            "ro" => Ok(Access::ReadOnly),
            "rw" => Ok(Access::ReadWrite),
            "once" => Ok(Access::WriteOnce),
            "cd" => Ok(Access::CreateDelete),
            "-" => Ok(Access::None),
            other => Err(format!("unknown access {other}")),
        }
    }
}

impl Facts {
    fn parse(text: &str) -> Result<(Facts, Protocols), String> {
        let (mut f, mut protocols) = (Facts::default(), Protocols::Both);
        for token in text.split(' ').filter(|token| !token.is_empty()) {
            let (key, value) = token.split_once('=').unwrap_or((token, ""));
            let some = || Some(decoded(value));
            match key {
                "cwmp" => protocols = Protocols::Cwmp,
                "usp" => protocols = Protocols::Usp,
                "len" => f.len = each(value, |part| span(part, true))?,
                "range" => f.range = each(value, range)?,
                "enum" => f.choices = each(value, |part| Ok(choice(part)))?,
                "pat" => f.patterns.push(shape(value)?),
                "units" => f.units = decoded(value),
                "items" => f.items.push(span(value, false)?),
                "listlen" => f.list_len = Some(whole(value)?),
                "brackets" => f.nested = true,
                "ref" => f.reference = Some(reference(value)?),
                "enumref" => f.enum_of = some(),
                "null" => f.null = some(),
                "def" => f.default = some(),
                "hidden" => f.hidden = true,
                "secured" => f.secured = true,
                "command" => f.command = true,
                "forcedInform" => f.forced_inform = true,
                "notify" => f.notify = notify(value)?,
                "deprecated" | "obsoleted" => f.deprecated = some(),
                "deleted" => f.deleted = some(),
                "entries" => f.entries = Some(span(value, false)?),
                "num" => f.count = some(),
                "enable" => f.enable = some(),
                "ukey" => f.functional_keys.push(value.split(',').map(decoded).collect()),
                "nkey" => f.keys.push(value.split(',').map(decoded).collect()),
                "fixed" => f.fixed = true,
                "mandatory" => f.mandatory = true,
                "pdef" => f.assumed = some(),
                other => return Err(format!("unknown fact {other}")),
            }
        }
        Ok((f, protocols))
    }

    /// Whether a [`Limits`] of it would narrow nothing and name no unit.
    pub fn is_unlimited(&self) -> bool {
        self.limits_literal() == Facts::default().limits_literal()
    }

    /// The [`Limits`] as Rust source; equal ones are equal texts, so that a table can hold each once.
    ///
    /// The names `Limits`, `Span`, `Range`, `Choice` must be in scope where it is put.
    pub fn limits_literal(&self) -> String {
        let spans = |spans: &[Span]| joined(spans, |s| format!("Span {{ min: {}, max: {} }}", s.min, s.max));
        let ranges =
            |r: &Range| format!("Range {{ min: {}, max: {}, step: {} }}", int(r.min), int(r.max), r.step);
        let choices = |c: &OwnedChoice| {
            format!("Choice {{ text: {:?}, read_only: {}, optional: {} }}", c.text, c.read_only, c.optional)
        };
        let mut fields = String::new();
        let mut field = |name: &str, source: String, default: &str| {
            if source != default {
                fields.push_str(&format!("{name}: {source}, "));
            }
        };
        field("len", spans(&self.len), "&[]");
        field("range", joined(&self.range, ranges), "&[]");
        field("choices", joined(&self.choices, choices), "&[]");
        field("patterns", joined(&self.patterns, |p| format!("{p:?}")), "&[]");
        field("items", spans(&self.items), "&[]");
        field("list_len", self.list_len.unwrap_or(u32::MAX).to_string(), &u32::MAX.to_string());
        field("nested", self.nested.to_string(), "false");
        field("units", format!("{:?}", self.units), "\"\"");
        if fields.is_empty() {
            "Limits::NONE".to_owned()
        } else {
            format!("Limits {{ {fields}..Limits::NONE }}")
        }
    }
}

fn joined<T>(parts: &[T], source: impl Fn(&T) -> String) -> String {
    format!("&[{}]", parts.iter().map(source).collect::<Vec<_>>().join(", "))
}

/// `i64::MIN` has no plain literal of its own that reads well.
fn int(number: i64) -> String {
    match number {
        i64::MIN => "i64::MIN".to_owned(),
        i64::MAX => "i64::MAX".to_owned(),
        number => number.to_string(),
    }
}

fn each<T>(text: &str, part: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    text.split('|').map(part).collect()
}

fn whole<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{text} is no number or out of bounds"))
}

/// `MIN..MAX`; a single number is a maximum where `upper` says so, else both ends.
fn span(text: &str, upper: bool) -> Result<Span, String> {
    let (min, max) = text.split_once("..").unwrap_or((if upper { "0" } else { text }, text));
    let span = Span {
        min: if min == "*" { 0 } else { whole(min)? },
        max: if max == "*" { u32::MAX } else { whole(max)? },
    };
    if span.min > span.max { Err(format!("{text} is upside down")) } else { Ok(span) }
}

fn range(text: &str) -> Result<Range, String> {
    let (ends, step) = text.split_once('/').unwrap_or((text, "1"));
    let (min, max) = ends.split_once("..").unwrap_or((ends, ends));
    let range = Range {
        min: if min == "*" { i64::MIN } else { whole(min)? },
        max: if max == "*" { i64::MAX } else { whole(max)? },
        step: whole(step)?,
    };
    if range.min > range.max { Err(format!("{text} is upside down")) } else { Ok(range) }
}

fn choice(text: &str) -> OwnedChoice {
    let (text, flags) = text.split_once('{').unwrap_or((text, ""));
    let has = |flag: &str| flags.trim_end_matches('}').split(',').any(|f| f == flag);
    OwnedChoice { text: decoded(text), read_only: has("ro"), optional: has("opt") }
}

fn shape(text: &str) -> Result<String, String> {
    let text = decoded(text);
    if pattern::is_valid(&text) { Ok(text) } else { Err(format!("{text} is no pattern")) }
}

fn reference(text: &str) -> Result<Reference, String> {
    let mut parts = text.splitn(3, ':');
    let (strength, kind, targets) = (parts.next(), parts.next(), parts.next());
    let strong = match strength {
        Some("strong") => true,
        Some("weak") => false,
        _ => return Err(format!("{text}: strong or weak?")),
    };
    let parameter = match kind {
        Some("row") => false,
        Some("parameter") => true,
        _ => return Err(format!("{text}: row or parameter?")),
    };
    let targets = targets.ok_or(format!("{text}: to what?"))?.split('|').map(decoded).collect();
    Ok(Reference { strong, parameter, targets })
}

fn notify(text: &str) -> Result<Notify, String> {
    match text {
        "canDeny" => Ok(Notify::CanDeny),
        "forceEnabled" => Ok(Notify::ForceEnabled),
        "forceDefaultEnabled" => Ok(Notify::ForceDefaultEnabled),
        other => Err(format!("unknown notification {other}")),
    }
}

/// A value without its percent-encoding.
fn decoded(text: &str) -> String {
    if text == "<Empty>" {
        return String::new();
    }
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend(part.bytes().skip(2));
            }
            None => {
                bytes.push(b'%');
                bytes.extend(part.bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The candidate most like `name`, for "did you mean"; `None` if none is alike. Case counts for nothing.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name: Vec<char> = name.to_ascii_lowercase().chars().collect();
    let limit = (name.len() / 3).max(1);
    let measured = candidates.into_iter().map(|candidate| (distance(&name, candidate, limit), candidate));
    measured.filter(|(distance, _)| *distance <= limit).min_by_key(|(distance, _)| *distance).map(|(_, c)| c)
}

/// Insertions, deletions and replacements between two names; more than `limit` where that is certain early.
fn distance(name: &[char], candidate: &str, limit: usize) -> usize {
    if name.len().abs_diff(candidate.chars().count()) > limit {
        return limit + 1;
    }
    let mut row: Vec<usize> = (0..=name.len()).collect();
    for (at, c) in candidate.to_ascii_lowercase().chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        let mut left = at + 1;
        next.push(left);
        for (own, pair) in name.iter().zip(row.windows(2)) {
            let &[diagonal, above] = pair else { continue };
            left = (diagonal + usize::from(*own != c)).min(above + 1).min(left + 1);
            next.push(left);
        }
        if next.iter().all(|distance| *distance > limit) {
            return limit + 1;
        }
        row = next;
    }
    row.last().copied().unwrap_or(limit + 1)
}

#[cfg(test)]
#[path = "standard_tests.rs"]
mod tests;
