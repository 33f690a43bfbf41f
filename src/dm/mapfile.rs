//! Reading mapping files: a strict subset of TOML. What stands on the right is [`super::language`]'s.
//!
//! The same reader serves `build.rs` for the shipped files and the agent for drop-ins, so both give the same
//! messages.

use std::fmt;

/// Longest mapping file, in octets.
pub const MAX_FILE: usize = 256 * 1024;
/// Longest right-hand side, in octets.
pub const MAX_TEXT: usize = 1024;

/// What is wrong with a mapping file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Counted from 1.
    pub line: usize,
    /// In words.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// One `["Device.X."]` table of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The object's path as written.
    pub path: String,
    /// Where its head stands.
    pub line: usize,
    /// Its lines in order.
    pub entries: Vec<Entry>,
}

/// One `key = "text"` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key: a TR-181 name, with `()` of a command and `!` of an event, or lower case for what is local to the table.
    pub key: String,
    /// The unquoted right-hand side.
    pub text: String,
    /// Where it stands.
    pub line: usize,
}

/// Reads the tables of a file.
///
/// Accepts comments, blank lines, `["path"]` heads and `key = "string"` (or `'string'`), nothing else of TOML.
/// Refuses a repeated key, a repeated table and anything before the first table.
pub fn tables(text: &str) -> Result<Vec<Table>, Mistake> {
    let mut tables: Vec<Table> = Vec::new();
    if text.len() > MAX_FILE {
        return Err(Mistake { line: 1, what: format!("longer than {MAX_FILE} octets") });
    }
    for (at, raw) in text.lines().enumerate() {
        let line = at + 1;
        let wrong = |what: &str| Mistake { line, what: what.to_string() };
        let body = raw.trim();
        if body.is_empty() || body.starts_with('#') {
            continue;
        }
        if let Some(rest) = body.strip_prefix('[') {
            let (path, rest) = string(rest.trim_start()).ok_or_else(|| wrong("a table is [\"path\"]"))?;
            let tail = rest.trim_start().strip_prefix(']').ok_or_else(|| wrong("missing ]"))?;
            comment(tail).ok_or_else(|| wrong("text behind ]"))?;
            if tables.iter().any(|table| table.path == path) {
                return Err(wrong(&format!("table {path} stands here twice")));
            }
            tables.push(Table { path, line, entries: Vec::new() });
            continue;
        }
        let (key, rest) = body.split_once('=').ok_or_else(|| wrong("expected key = \"text\""))?;
        let key = key.trim();
        // Of TOML's quoted keys those of commands and events: "Reset()", "Boot!".
        let bare = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
        let bare = bare.and_then(|key| key.strip_suffix("()").or(key.strip_suffix('!'))).unwrap_or(key);
        let key = key.trim_matches('"');
        if bare.is_empty() || !bare.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) {
            return Err(wrong("a key is letters, digits, - and _; of a command or an event in quotes"));
        }
        let (text, tail) =
            string(rest.trim_start()).ok_or_else(|| wrong("the right-hand side is a quoted string"))?;
        comment(tail).ok_or_else(|| wrong("text behind the string"))?;
        if text.len() > MAX_TEXT {
            return Err(wrong(&format!("longer than {MAX_TEXT} octets")));
        }
        let table = tables.last_mut().ok_or_else(|| wrong("a line before the first table"))?;
        if table.entries.iter().any(|entry| entry.key == key) {
            return Err(wrong(&format!("{key} stands here twice")));
        }
        table.entries.push(Entry { key: key.to_string(), text, line });
    }
    Ok(tables)
}

/// A TOML string at the start of `text`, and what follows it.
fn string(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix('\'') {
        let (inside, tail) = rest.split_once('\'')?;
        return Some((inside.to_string(), tail));
    }
    let mut rest = text.strip_prefix('"')?.char_indices();
    let mut out = String::new();
    while let Some((at, c)) = rest.next() {
        match c {
            '"' => return Some((out, text.get(at + 2..)?)),
            '\\' => match rest.next()?.1 {
                c @ ('"' | '\\') => out.push(c),
                't' => out.push('\t'),
                _ => return None,
            },
            c => out.push(c),
        }
    }
    None
}

fn comment(tail: &str) -> Option<()> {
    let tail = tail.trim();
    (tail.is_empty() || tail.starts_with('#')).then_some(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn only_the_subset_is_read_and_mistakes_name_their_line() {
        for (text, want) in [
            ("# c\n\n[\"Device.X.\"]\nA = \"uci .a\" # c\nb = 'cat /x'\n", Ok(2)),
            ("[\"Device.X.\"] # c\n", Ok(0)),
            ("A = \"x\"", Err(1)),
            ("[\"D.\"]\n[\"D.\"]", Err(2)),
            ("[\"D.\"]\nA = \"x\"\nA = \"y\"", Err(3)),
            ("[\"D.\"]\nA = 3", Err(2)),
            ("[\"D.\"]\nA = \"x\" y", Err(2)),
            ("[\"D.\"]\nA = \"x", Err(2)),
            ("[D]\n", Err(1)),
            ("[\"D.\"]\nA b = \"x\"", Err(2)),
            ("[\"D.\"]\n\"A()\" = \"x\"\n\"B!\" = \"x\"", Ok(2)),
            ("[\"D.\"]\nA() = \"x\"", Err(2)),
            ("[\"D.\"]\n\"A\" = \"x\"", Err(2)),
        ] {
            let got = tables(text).map(|tables| tables[0].entries.len()).map_err(|mistake| mistake.line);
            assert_eq!(got, want, "{text:?}");
        }
    }
}
