//! The small language on the right of a mapping line: what one would type in a shell on the router, then pipes.
//!
//! Grammar only; whether a name is in the standard or a function exists is asked by whoever assembles the model.
//! Strings are leaked, because every file is read once: by `build.rs`, or by the agent at start.

use super::line::{Add, Each, Line, Piece, Pipe, Rows, Run, Src, Step, Text};

/// Most pipes in one line.
const MAX_PIPES: usize = 8;

/// A parameter's right-hand side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rhs {
    /// How it is read; behind `live` and before `<-` where the two differ.
    pub read: Line,
    /// `READ <- WRITE`: what is written, and read while a change is not yet applied.
    pub stored: Option<Line>,
    /// `| ro`: read-only here although the standard lets it be written.
    pub read_only: bool,
    /// `| type string(32) rw`: for names that the standard does not know.
    pub brings: Option<(String, bool)>,
    /// `-- reason`: required for `const` and `| ro`.
    pub reason: Option<String>,
}

/// Reads a parameter's right-hand side.
pub fn rhs(text: &str) -> Result<Rhs, String> {
    let (text, reason) = match text.split_once(" -- ") {
        Some((text, reason)) => (text, Some(reason.trim().to_string())),
        None => (text, None),
    };
    let (read, stored) = match text.split_once(" <- ") {
        Some((read, stored)) => (read, Some(stored)),
        None => (text, None),
    };
    let (mut read_only, mut brings) = (false, None);
    let read = line_with(read, |pipe| {
        if pipe == "ro" {
            read_only = true;
        } else if let Some(kind) = pipe.strip_prefix("type ") {
            let (kind, writable) = match kind.strip_suffix(" rw") {
                Some(kind) => (kind, true),
                None => (kind, false),
            };
            brings = Some((kind.trim().to_string(), writable));
        } else {
            return false;
        }
        true
    })?;
    let stored = stored.map(line).transpose()?;
    if (matches!(read.source, Src::Const(_)) || read_only) && reason.is_none() {
        return Err("const and ro want a reason: -- why".into());
    }
    Ok(Rhs { read, stored, read_only, brings, reason })
}

/// Reads what a command does: `call OBJECT METHOD [; …]`, `reset`, `rust NAME` or `agent NAME`.
pub fn run(text: &str) -> Result<Run, String> {
    let text = text.split(" -- ").next().unwrap_or_default().trim();
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match word {
        "call" => {
            let calls: Vec<&str> = rest.split(';').map(str::trim).collect();
            if calls.iter().any(|call| call.split(' ').count() != 2) {
                return Err("call wants an object and a method".into());
            }
            let texts: Result<Vec<Text>, String> =
                calls.iter().map(|call| self::text(&format!("ubus:{call}"))).collect();
            Ok(Run::Call(texts?.leak()))
        }
        "reset" if rest.is_empty() => Ok(Run::Reset),
        "rust" if name(rest) => Ok(Run::Rust(leak(rest))),
        "agent" if name(rest) => Ok(Run::Agent(leak(rest))),
        _ => Err("a command is `call OBJECT METHOD`, `reset`, `rust NAME` or `agent NAME`".into()),
    }
}

/// Reads one line: a source, pipes, and the value where the source has none.
pub fn line(text: &str) -> Result<Line, String> {
    line_with(text, |_| false)
}

/// As [`line`]; `taken` says whether it took a pipe for itself.
fn line_with(text: &str, mut taken: impl FnMut(&str) -> bool) -> Result<Line, String> {
    let (text, otherwise) = match text.split_once(" else") {
        Some((text, value)) if value.is_empty() || value.starts_with(' ') => (text, Some(leak(value.trim()))),
        Some(_) | None => (text, None),
    };
    let mut parts = text.split(" | ");
    let source = source(parts.next().unwrap_or_default().trim())?;
    let mut pipes = Vec::new();
    for part in parts {
        let part = part.trim();
        if !taken(part) {
            pipes.push(pipe(part)?);
        }
    }
    if pipes.len() > MAX_PIPES {
        return Err(format!("more than {MAX_PIPES} pipes"));
    }
    Ok(Line { source, pipes: pipes.leak(), otherwise })
}

/// Reads a source, the part before the first pipe.
pub fn source(text: &str) -> Result<Src, String> {
    let (word, rest) = match text.split_once(' ') {
        Some((word, rest)) => (word, rest.trim()),
        None => (text, ""),
    };
    match word {
        "uci" => uci(rest),
        "ubus" => {
            let (call, steps) = at(rest)?;
            if call.split(' ').count() < 2 {
                return Err("ubus wants an object and a method".into());
            }
            Ok(Src::Tree { key: self::text(&format!("ubus:{call}"))?, steps })
        }
        "cat" => keyed("file:", rest),
        "ls" => keyed("dir:", rest),
        "nl" => keyed("nl:", rest),
        "tree" => keyed("derived:", rest),
        "agent" => keyed("agent:", rest),
        "sys" => keyed("sys:", rest),
        "cert" => keyed("cert:", rest),
        "rust" if name(rest) => Ok(Src::Rust(leak(rest))),
        "rust" => Err("rust wants the name of a function".into()),
        "const" => Ok(Src::Const(leak(rest.trim_matches('"')))),
        _ if rest.is_empty() => reference(text),
        _ => Err(format!(
            "{word:?} is no source: uci, ubus, cat, ls, nl, tree, agent, sys, rust, const, .option, @.field or a name of this table"
        )),
    }
}

fn keyed(prefix: &str, rest: &str) -> Result<Src, String> {
    let (what, steps) = at(rest)?;
    if what.is_empty() {
        return Err(format!("{prefix} wants a name"));
    }
    Ok(Src::Tree { key: text(&format!("{prefix}{what}"))?, steps })
}

/// Splits `WORDS @.a.b` into the words and the steps.
fn at(text: &str) -> Result<(&str, &'static [Step]), String> {
    match text.find(" @") {
        Some(place) => {
            let (words, steps) = text.split_at(place);
            Ok((words.trim(), self::steps(steps.trim().trim_start_matches('@'))?))
        }
        None => Ok((text.trim(), &[])),
    }
}

fn uci(text: &str) -> Result<Src, String> {
    if text.starts_with('.') || text.starts_with('^') {
        return match reference(text)? {
            source @ Src::Option { .. } => Ok(source),
            Src::Tree { .. } | Src::Item { .. } | Src::Local { .. } | Src::Rust(_) | Src::Const(_) => {
                Err("uci wants .option".into())
            }
        };
    }
    let parts = split(text, '.')?;
    let (package, section, option) = match parts.as_slice() {
        [package, section] => (*package, *section, None),
        [package, section, option] => (*package, *section, Some(*option)),
        _ => return Err("uci wants package.section.option".into()),
    };
    let mut steps = vec![match section.strip_prefix('@') {
        Some(kind) => kind_step(kind)?,
        None => Step::Key(self::text(section)?),
    }];
    if let Some(option) = option {
        steps.push(Step::Key(self::text(option)?));
    }
    Ok(Src::Tree { key: self::text(&format!("uci:{package}"))?, steps: steps.leak() })
}

fn kind_step(text: &str) -> Result<Step, String> {
    let Some((kind, pick)) = text.split_once('[') else {
        return Err("@type wants [n] or [option=text]".into());
    };
    let pick = pick.strip_suffix(']').ok_or("missing ]")?;
    if let Ok(index) = pick.parse() {
        return Ok(Step::Kind(leak(kind), index));
    }
    let (option, value) = pick.split_once('=').ok_or("@type wants [n] or [option=text]")?;
    Ok(Step::KindBy(Box::leak(Box::new((leak(kind), leak(option), self::text(value)?)))))
}

/// `.option`, `^.option`, `@.field`, `^@.field`, `name`, `name.field`.
fn reference(text: &str) -> Result<Src, String> {
    let rest = text.trim_start_matches('^');
    let up = u8::try_from(text.len() - rest.len()).ok().filter(|up| *up < 8).ok_or("too many ^")?;
    if let Some(option) = rest.strip_prefix('.') {
        return Ok(Src::Option { up, option: self::text(option)? });
    }
    if let Some(way) = rest.strip_prefix('@') {
        return Ok(Src::Item { up, steps: steps(way)? });
    }
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    let (word, way) = rest.split_at(end);
    if up > 0 || !name(word) || !word.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(format!("{text:?} is neither a source nor a name of this table"));
    }
    Ok(Src::Local { name: leak(word), steps: steps(way)? })
}

fn name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `.a.b[0][k=v][*]`
fn steps(text: &str) -> Result<&'static [Step], String> {
    let mut out = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix('.') {
            let end = outside(tail, |c| c == '.' || c == '[')?.unwrap_or(tail.len());
            let (key, tail) = tail.split_at(end);
            if !key.is_empty() {
                out.push(Step::Key(self::text(key)?));
            }
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix('[') {
            let end = outside(tail, |c| c == ']')?.ok_or("missing ]")?;
            let (inside, tail) = tail.split_at(end);
            out.push(match (inside, inside.parse::<i32>(), inside.split_once('=')) {
                ("*", _, _) => Step::All,
                (_, Ok(index), _) => Step::Index(index),
                (_, _, Some((key, value))) => Step::Match(leak(key), self::text(value)?),
                _ => return Err(format!("[{inside}] is neither a number, * nor key=value")),
            });
            rest = tail.strip_prefix(']').unwrap_or_default();
        } else {
            return Err(format!("expected . or [ at {rest:?}"));
        }
    }
    Ok(out.leak())
}

/// Where a character that `found` accepts first stands outside braces.
fn outside(text: &str, found: impl Fn(char) -> bool) -> Result<Option<usize>, String> {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.checked_sub(1).ok_or("} without {")?,
            c if depth == 0 && found(c) => return Ok(Some(at)),
            _ => {}
        }
    }
    if depth > 0 { Err("{ without }".into()) } else { Ok(None) }
}

/// Splits at `by` where it stands outside braces and brackets.
fn split(text: &str, by: char) -> Result<Vec<&str>, String> {
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0i32);
    for (at, c) in text.char_indices() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            c if c == by && depth == 0 => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    if depth != 0 {
        return Err("brackets or braces do not match".into());
    }
    parts.push(text.get(start..).unwrap_or_default());
    Ok(parts)
}

/// Reads a text with places in braces.
pub fn text(text: &str) -> Result<Text, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once('{') {
        if !before.is_empty() {
            pieces.push(Piece::Lit(leak(before)));
        }
        let (inside, tail) = tail.split_once('}').ok_or("{ without }")?;
        pieces.push(Piece::Of(Box::leak(Box::new(reference(inside)?))));
        rest = tail;
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Lit(leak(rest)));
    }
    Ok(pieces.leak())
}

fn pipe(text: &str) -> Result<Pipe, String> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim();
    let number =
        |rest: &str| rest.parse::<i64>().ok().filter(|n| *n > 0).ok_or(format!("{word} wants a number"));
    let bare =
        |pipe: Pipe| if rest.is_empty() { Ok(pipe) } else { Err(format!("{word} wants nothing behind it")) };
    let small = |rest: &str| rest.parse::<u8>().map_err(|_| format!("{word} wants a small number"));
    match word {
        "ro" | "type" => Err(format!("{word} belongs to the side that is read")),
        "bool" => bare(Pipe::Bool),
        "not" => bare(Pipe::Not),
        "csv" => bare(Pipe::Csv),
        "count" => bare(Pipe::Count),
        "ago" => bare(Pipe::Ago),
        "ahead" => bare(Pipe::Ahead),
        "epoch" => bare(Pipe::Epoch),
        "trim" => bare(Pipe::Trim),
        "upper" => bare(Pipe::Case(true)),
        "lower" => bare(Pipe::Case(false)),
        "ref" => Ok(Pipe::Ref(leak(rest.trim_end_matches('.')))),
        "times" => Ok(Pipe::Scale(number(rest)?, 1)),
        "over" => Ok(Pipe::Scale(1, number(rest)?)),
        "cut" => u16::try_from(number(rest)?).map(Pipe::Cut).map_err(|_| "cut wants less".into()),
        "word" => small(rest).map(Pipe::Word),
        "part" => {
            let mut chars = rest.chars();
            let by = chars.next().ok_or("part wants a character and a number")?;
            small(chars.as_str().trim()).map(|n| Pipe::Part(by, n))
        }
        "map" => {
            let mut pairs = Vec::new();
            for pair in rest.split(' ').filter(|pair| !pair.is_empty()) {
                let (from, to) = pair.split_once('=').ok_or(format!("map wants a=B, not {pair:?}"))?;
                pairs.push((leak(from), leak(to)));
            }
            if pairs.is_empty() { Err("map wants a=B".into()) } else { Ok(Pipe::Map(pairs.leak())) }
        }
        _ if rest.is_empty() && name(word) => Ok(Pipe::Named(leak(word))),
        _ => Err(format!("{text:?} is no pipe")),
    }
}

/// Reads the right-hand side of `each`, with those of `key`, `where` and `volatile` of the same table.
///
/// `uci package.@type`, and `agent kept.@type` for rows that only the agent keeps, give the sections of a type; with
/// `[option=text]` behind it only those whose option has that text.
pub fn each(text: &str, key: Option<&str>, only: Option<&str>, volatile: bool) -> Result<Each, String> {
    let rows = match sections(text)? {
        Some(rows) => rows,
        None => Rows::Items(source(text)?),
    };
    let key = key.map(self::text).transpose()?;
    let only = only.map(condition).transpose()?;
    Ok(Each { rows, key, only, volatile })
}

/// `uci dhcp.@dhcp`, `agent kept.@request`, `uci cpeagent.@permission[role={..name}]`; `None` for another source.
fn sections(text: &str) -> Result<Option<Rows>, String> {
    let Some((word, rest)) = text.split_once(' ').filter(|(word, _)| ["uci", "agent"].contains(word)) else {
        return Ok(None);
    };
    let Some((package, kind)) = rest.trim().split_once(".@") else { return Ok(None) };
    let (kind, by) = match kind.split_once('[') {
        None => (kind, None),
        Some((kind, pick)) => {
            let Some((pick, "")) = pick.rsplit_once(']') else { return Ok(None) };
            let (option, value) = pick.split_once('=').ok_or("@type wants [option=text] here")?;
            (kind, Some((leak(option), self::text(value)?)))
        }
    };
    if kind.contains('.') || package.contains(' ') {
        return Ok(None);
    }
    Ok(Some(Rows::Sections { key: leak(&format!("{word}:{package}")), kind: leak(kind), by }))
}

/// `EXPR = value` or `EXPR != value`.
pub fn condition(text: &str) -> Result<(Line, bool, &'static str), String> {
    if let Some((left, right)) = text.split_once(" != ") {
        return Ok((line(left)?, true, leak(right.trim())));
    }
    let (left, right) = text.split_once(" = ").ok_or("a condition is EXPR = value or EXPR != value")?;
    Ok((line(left)?, false, leak(right.trim())))
}

/// Reads the right-hand side of `add`: `rust name`, or `package type prefix option=text …`.
pub fn add(text: &str) -> Result<Add, String> {
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        ["rust", function] if name(function) => Ok(Add::Rust(leak(function))),
        [package, kind, prefix, options @ ..] => {
            let mut born = Vec::new();
            for option in options {
                let (option, value) =
                    option.split_once('=').ok_or(format!("add wants option=text, not {option:?}"))?;
                born.push((leak(option), self::text(value)?));
            }
            // Rows that only the agent keeps name their source in full: `agent:kept`.
            let key = if package.contains(':') { leak(package) } else { leak(&format!("uci:{package}")) };
            Ok(Add::Section { key, kind: leak(kind), prefix: leak(prefix), options: born.leak() })
        }
        _ => Err("add wants rust NAME, or package type name option=text …".into()),
    }
}

fn leak(text: &str) -> &'static str {
    Box::leak(text.to_string().into_boxed_str())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn a_right_hand_side_is_what_one_types_in_a_shell() {
        let lit = |t: &'static str| -> Text { vec![Piece::Lit(t)].leak() };
        let got = rhs("uci .leasetime | span else 43200").unwrap();
        assert_eq!(got.read.source, Src::Option { up: 0, option: lit("leasetime") });
        assert_eq!((got.read.pipes, got.read.otherwise), (&[Pipe::Named("span")][..], Some("43200")));
        let got =
            line("ubus network.interface dump @.interface[interface={.interface}].ipv4-address[0]").unwrap();
        let Src::Tree { key, steps } = got.source else { panic!("{got:?}") };
        assert_eq!(key, &[Piece::Lit("ubus:network.interface dump")]);
        assert_eq!(steps.len(), 4);
        let got = rhs("ubus iwinfo info device={@.ifname} @.channel <- uci .channel | ro -- why");
        assert!(got.is_err(), "ro belongs to the read side");
        let got = rhs("ubus iwinfo info device={@.ifname} @.channel <- uci .channel").unwrap();
        assert!(got.stored.is_some());
        let got = rhs("uci .tag | type string(32) rw").unwrap();
        assert_eq!(got.brings, Some(("string(32)".into(), true)));
        assert!(rhs("const 4").is_err(), "a constant wants its reason");
        assert_eq!(rhs("const 4 -- the only version there is").unwrap().read.source, Src::Const("4"));
        let rows = |text: &str| each(text, None, None, false).unwrap().rows;
        assert_eq!(rows("uci dhcp.@dhcp"), Rows::Sections { key: "uci:dhcp", kind: "dhcp", by: None });
        assert_eq!(rows("agent kept.@note"), Rows::Sections { key: "agent:kept", kind: "note", by: None });
        let Rows::Sections { kind: "part", by: Some(("of", _)), .. } = rows("uci x.@part[of={..name}]")
        else {
            panic!("a part names its whole");
        };
        assert!(matches!(rows("agent usp @.rows"), Rows::Items(_)));
        let Add::Section { key, .. } = add("agent:kept note n").unwrap() else { panic!("a section") };
        assert_eq!(key, "agent:kept");
        let got = line("uci network.@device[name={.dev}].mtu").unwrap();
        let Src::Tree { steps, .. } = got.source else { panic!("{got:?}") };
        assert!(matches!(steps[0], Step::KindBy(("device", "name", _))));
    }

    #[test]
    fn what_is_no_source_is_refused_with_a_hint() {
        for text in [
            "",
            "get x",
            "ubus system",
            "uci a",
            "uci a.b.c.d",
            "rust",
            "rust a-b",
            "cat ",
            "x{",
            "ubus a b @x",
            "ubus a b @.x[1",
            "uci .a | nosuch pipe",
            "uci .a | times x",
            "uci .a | map x",
        ] {
            assert!(line(text).is_err(), "{text:?}");
        }
    }
}
