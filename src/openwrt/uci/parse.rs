//! Reads the text of a UCI package into a document that still knows where each command stands.
//!
//! Accepts what libuci accepts and refuses what it refuses, with the same reason, line and byte, so that a person
//! finds the place with the stock tools. Does not write: see `edit` and `export`. Driven by whoever holds a
//! file's bytes. A NUL cuts its line off and joins the next one; where exactly, the stock tool leaves to the size
//! of its buffer.
//!
//! Source: OpenWrt uci 2025-12 (behaviour as observed); vectors in `tests/vectors/uci/parse.json`.

use crate::sorted::Map;
use std::fmt;
use std::ops::Range;

use super::reader::{Reader, Word};
use super::tree::{Package, Section, generated_name, text as decoded};

/// Longest file read, in bytes. Stock files are below 20 KiB; block lists belong elsewhere.
pub const MAX_FILE_LEN: usize = 1 << 20;
/// Most sections in a file; a firewall with as many rules would not load in reasonable time.
pub const MAX_SECTIONS: usize = 4096;
/// Most options in one section; keeps lookups within a section cheap.
pub const MAX_OPTIONS: usize = 1024;
/// Most problems remembered of a lenient reading; further ones are dropped.
pub const MAX_PROBLEMS: usize = 64;

/// How to treat a line that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The whole file is refused, as the stock daemons do.
    Strict,
    /// The line is skipped and noted, as `uci -S` does.
    Lenient,
}

/// Why a line cannot be read. Prints as the stock tool prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Reason {
    InvalidCommand,
    Insufficient,
    TooMany,
    InvalidName,
    InvalidType,
    BeforeSection,
    OtherType,
    Unterminated(char),
    WithoutName(&'static str),
    /// Beyond [`MAX_FILE_LEN`], [`MAX_SECTIONS`] or [`MAX_OPTIONS`]; our own limits.
    TooLarge,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::InvalidCommand => "invalid command",
            Reason::Insufficient => "insufficient arguments",
            Reason::TooMany => "too many arguments",
            Reason::InvalidName => "invalid character in name field",
            Reason::InvalidType => "invalid character in type field",
            Reason::BeforeSection => "option/list command found before the first section",
            Reason::OtherType => "section of different type overwrites prior section with same name",
            Reason::Unterminated(quote) => return write!(f, "EOF with unterminated {quote}"),
            Reason::WithoutName(word) => return write!(f, "{word} without name"),
            Reason::TooLarge => "file too large",
        })
    }
}

/// A refused line: `Parse error (REASON) at line N, byte M`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong.
    pub reason: Reason,
    /// Lines read so far, from 1; a last line without a newline is not counted.
    pub line: usize,
    /// Bytes read of the command; a command that goes over several lines counts on.
    pub byte: usize,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parse error ({}) at line {}, byte {}", self.reason, self.line, self.byte)
    }
}

/// A package as read: what it means, and which bytes say so.
#[derive(Clone, Debug)]
pub struct File<'a> {
    /// The whole text.
    pub text: &'a [u8],
    /// The text cut into lines without a gap.
    pub lines: Vec<Line>,
    /// What they mean.
    pub package: Package,
    /// What was skipped; empty after a strict reading. At most [`MAX_PROBLEMS`].
    pub problems: Vec<ParseError>,
}

/// A line with all lines joined to it by a quote or a backslash.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its bytes in the text, with the newline.
    pub span: Range<usize>,
    /// The commands on it, in order.
    pub items: Vec<Item>,
    /// At most one command and nothing behind it but blanks and a comment, so that it can be changed in place.
    pub plain: bool,
}

/// A command that was taken.
#[derive(Clone, Debug)]
pub struct Item {
    /// Index of the section it belongs to.
    pub section: usize,
    /// Its bytes from keyword to last argument.
    pub span: Range<usize>,
    /// What it says.
    pub role: Role,
}

/// What a command says. Spans are those of whole words, with their quotes.
#[derive(Clone, Debug)]
pub enum Role {
    /// `config`.
    Header {
        /// The type's word.
        kind: Range<usize>,
        /// The name's word, where there is one.
        name: Option<Range<usize>>,
    },
    /// `option` or `list`.
    Value {
        /// The option's name.
        option: Box<str>,
        /// `list`.
        list: bool,
        /// The value's bytes.
        value: Vec<u8>,
        /// The value's word, where there is one.
        at: Option<Range<usize>>,
    },
}

impl Role {
    /// An `option` without a value, which has no effect.
    pub fn is_dead(&self) -> bool {
        matches!(self, Role::Value { list: false, value, .. } if value.is_empty())
    }
}

/// Names of sections and options, and of packages if `dash`.
pub fn is_name(name: &[u8], dash: bool) -> bool {
    !name.is_empty() && name.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'_' || (dash && b == b'-'))
}

/// Types of sections: printable ASCII without blanks.
pub fn is_kind(kind: &[u8]) -> bool {
    !kind.is_empty() && kind.iter().all(u8::is_ascii_graphic)
}

/// Reads the text of a package that was asked for by name: `package` lines are checked and ignored.
///
/// Refuses what the stock tool refuses in the same mode, and in both what is beyond [`MAX_FILE_LEN`],
/// [`MAX_SECTIONS`] or [`MAX_OPTIONS`].
//= OpenWrt uci: what loads, what it means and where it is wrong
pub fn parse(text: &[u8], mode: Mode) -> Result<File<'_>, ParseError> {
    let parser = run(text, mode, true)?;
    let package = Package { sections: parser.sections };
    Ok(File { text, lines: parser.lines, package, problems: parser.problems })
}

/// What a package means, for whoever is not going to change it: as [`parse`], at a fraction of the memory.
pub fn package(text: &[u8], mode: Mode) -> Result<Package, ParseError> {
    Ok(Package { sections: run(text, mode, false)?.sections })
}

/// Reads a whole text; `places` if it is to be remembered where everything stands.
fn run(text: &[u8], mode: Mode, places: bool) -> Result<Parser<'_>, ParseError> {
    if text.len() > MAX_FILE_LEN {
        return Err(ParseError { reason: Reason::TooLarge, line: 0, byte: 0 });
    }
    let mut parser = Parser::new(text, mode, places);
    while parser.reader.more() {
        let start = parser.reader.next;
        parser.items.clear();
        parser.plain = true;
        parser.reader.start();
        if let Err(reason) = parser.line() {
            let error = ParseError { reason, line: parser.reader.line, byte: parser.reader.pos };
            if mode == Mode::Strict || reason == Reason::TooLarge {
                return Err(error);
            }
            parser.plain = false;
            if parser.problems.len() < MAX_PROBLEMS {
                parser.problems.push(error);
            }
        }
        if places {
            let items = parser.items.drain(..).collect();
            let plain = parser.plain && !parser.reader.odd;
            parser.lines.push(Line { span: start..parser.reader.next, items, plain });
        }
    }
    Ok(parser)
}

struct Parser<'a> {
    reader: Reader<'a>,
    mode: Mode,
    places: bool,
    lines: Vec<Line>,
    items: Vec<Item>,
    plain: bool,
    sections: Vec<Section>,
    names: Map<Box<str>, usize>,
    current: Option<usize>,
    problems: Vec<ParseError>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a [u8], mode: Mode, places: bool) -> Self {
        Parser {
            reader: Reader::new(text),
            mode,
            places,
            lines: Vec::new(),
            items: Vec::new(),
            plain: true,
            sections: Vec::new(),
            names: Map::new(),
            current: None,
            problems: Vec::new(),
        }
    }

    /// All commands of one line.
    fn line(&mut self) -> Result<(), Reason> {
        self.reader.skip_blanks();
        let mut first = true;
        loop {
            let from = self.reader.pos;
            let rest = self.reader.buf.get(from..).unwrap_or_default();
            let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
            let rest = rest.get(blanks..).unwrap_or_default();
            let keyword = rest.split(|b| matches!(b, b' ' | b'\t')).next().unwrap_or_default();
            if keyword.is_empty() || keyword.starts_with(b"#") {
                return Ok(());
            }
            self.plain &= first;
            first = false;
            let (command, len) = (Command::of(keyword).ok_or(Reason::InvalidCommand)?, keyword.len());
            if matches!(command, Command::Value { .. }) && self.current.is_none() {
                return Err(Reason::BeforeSection);
            }
            if len == rest.len() {
                return Err(Reason::WithoutName(command.word()));
            }
            self.reader.pos = from + blanks + len + 1;
            let start = self.reader.offset(from + blanks);
            match command {
                Command::Package => self.package()?,
                Command::Config => self.config(start)?,
                Command::Value { list } => self.value(start, list)?,
            }
        }
    }

    fn name(&mut self, required: bool, dash: bool) -> Result<Word, Reason> {
        let word = self.reader.word()?;
        match word.bytes.is_empty() {
            true if required => Err(Reason::Insufficient),
            true => Ok(word),
            false if is_name(&word.bytes, dash) => Ok(word),
            false => Err(Reason::InvalidName),
        }
    }

    /// Nothing may follow; a lenient reading loses one word.
    fn end(&mut self) -> Result<(), Reason> {
        let word = self.reader.word()?;
        if !word.bytes.is_empty() {
            if self.mode == Mode::Strict {
                return Err(Reason::TooMany);
            }
            self.plain = false;
        }
        Ok(())
    }

    fn package(&mut self) -> Result<(), Reason> {
        self.name(true, true)?;
        self.end()
    }

    fn config(&mut self, start: usize) -> Result<(), Reason> {
        let kind = self.reader.word()?;
        if kind.bytes.is_empty() {
            return Err(Reason::Insufficient);
        }
        if !is_kind(&kind.bytes) {
            return Err(Reason::InvalidType);
        }
        let name = self.name(false, false)?;
        self.end()?;
        let type_name: Box<str> = decoded(&kind.bytes);
        let section_name: Box<str> = decoded(&name.bytes);
        let known = if name.bytes.is_empty() { None } else { self.names.get(&section_name).copied() };
        let index = match known.and_then(|index| Some((index, self.sections.get_mut(index)?))) {
            Some((index, section)) => {
                if section.kind != type_name {
                    if self.mode == Mode::Strict {
                        return Err(Reason::OtherType);
                    }
                    section.kind = type_name;
                }
                index
            }
            None => {
                let index = self.sections.len();
                if index >= MAX_SECTIONS {
                    return Err(Reason::TooLarge);
                }
                let anonymous = section_name.is_empty();
                let section_name =
                    if anonymous { generated_name(index + 1, &type_name).into() } else { section_name };
                self.names.entry(section_name.clone()).or_insert(index);
                self.sections.push(Section {
                    name: section_name,
                    kind: type_name,
                    anonymous,
                    options: Vec::new(),
                });
                index
            }
        };
        self.current = Some(index);
        if !self.places {
            return Ok(());
        }
        let end = if name.span.is_empty() { kind.span.end } else { name.span.end };
        let name = (!name.span.is_empty()).then_some(name.span);
        self.items.push(Item {
            section: index,
            span: start..end,
            role: Role::Header { kind: kind.span, name },
        });
        Ok(())
    }

    fn value(&mut self, start: usize, list: bool) -> Result<(), Reason> {
        let name = self.name(true, false)?;
        let value = self.reader.word()?;
        self.end()?;
        let Some((index, section)) = self.current.and_then(|i| Some((i, self.sections.get_mut(i)?))) else {
            return Err(Reason::BeforeSection);
        };
        let option: Box<str> = decoded(&name.bytes);
        let end = if value.span.is_empty() { name.span.end } else { value.span.end };
        let at = (!value.span.is_empty()).then_some(value.span);
        let place = self.places.then(|| (option.clone(), value.bytes.clone()));
        let dead = !list && value.bytes.is_empty();
        if !dead && !section.put(option, list, value.bytes) {
            return Err(Reason::TooLarge);
        }
        if let Some((option, value)) = place {
            let role = Role::Value { option, list, value, at };
            self.items.push(Item { section: index, span: start..end, role });
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Command {
    Package,
    Config,
    Value { list: bool },
}

impl Command {
    fn of(keyword: &[u8]) -> Option<Command> {
        match keyword {
            b"p" | b"package" => Some(Command::Package),
            b"c" | b"config" => Some(Command::Config),
            b"o" | b"option" => Some(Command::Value { list: false }),
            b"l" | b"list" => Some(Command::Value { list: true }),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Command::Package => "package",
            Command::Config => "config",
            Command::Value { .. } => "option",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_refused_in_both_modes() {
        let options = |count: usize| {
            (0..count).fold("config a x\n".to_owned(), |text, n| text + &format!("\toption o{n} 1\n"))
        };
        for (text, fits) in [
            (" ".repeat(MAX_FILE_LEN), true),
            (" ".repeat(MAX_FILE_LEN + 1), false),
            ("config a\n".repeat(MAX_SECTIONS), true),
            ("config a\n".repeat(MAX_SECTIONS + 1), false),
            (options(MAX_OPTIONS), true),
            (options(MAX_OPTIONS + 1), false),
        ] {
            for mode in [Mode::Strict, Mode::Lenient] {
                let refused = parse(text.as_bytes(), mode).err().map(|error| error.reason);
                assert_eq!(refused, (!fits).then_some(Reason::TooLarge));
            }
        }
    }

    #[test]
    fn a_lenient_reading_remembers_a_bounded_number_of_problems() {
        let text = b"?\n".repeat(MAX_PROBLEMS + 9);
        let file = parse(&text, Mode::Lenient).expect("lenient");
        assert_eq!(file.problems.len(), MAX_PROBLEMS);
    }
}
