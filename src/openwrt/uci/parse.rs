//! Reads the text of a UCI package into a document that still knows where each command stands.
//!
//! Accepts what libuci accepts and refuses what it refuses, with the same reason, line and byte, so that a person
//! finds the place with the stock tools. Does not write: see `edit` and `export`. Driven by whoever holds a
//! file's bytes. A NUL cuts its line off and joins the next one; where exactly, the stock tool leaves to the size
//! of its buffer.
//!
//! Source: OpenWrt uci 2025-12 (behaviour as observed); vectors in `tests/vectors/uci/parse.json`.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use super::tree::{Package, Section, generated_name, text as decoded};

/// Longest file read, in bytes. Stock files are below 20 KiB; block lists belong elsewhere.
pub const MAX_FILE_LEN: usize = 1 << 20;
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
    /// Beyond [`MAX_FILE_LEN`] or [`MAX_OPTIONS`]; our own limits.
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
/// Refuses what the stock tool refuses in the same mode, and files beyond [`MAX_FILE_LEN`] and sections beyond
/// [`MAX_OPTIONS`] in both.
pub fn parse(text: &[u8], mode: Mode) -> Result<File<'_>, ParseError> {
    let too_large = ParseError { reason: Reason::TooLarge, line: 0, byte: 0 };
    if text.len() > MAX_FILE_LEN {
        return Err(too_large);
    }
    let mut parser = Parser::new(text, mode);
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
        let items = std::mem::take(&mut parser.items);
        let plain = parser.plain && !parser.reader.odd;
        parser.lines.push(Line { span: start..parser.reader.next, items, plain });
    }
    let package = Package { sections: parser.sections };
    Ok(File { text, lines: parser.lines, package, problems: parser.problems })
}

/// The bytes of one command and of the lines it goes over, with a place in them.
///
/// A command's bytes are not those of the file in a row: a joining backslash swallows the newline, and a NUL the
/// rest of its line. `origin` says for each where it stands in the file.
pub(super) struct Reader<'a> {
    text: &'a [u8],
    next: usize,
    line: usize,
    buf: Vec<u8>,
    origin: Vec<usize>,
    pos: usize,
    /// The line holds a NUL, a semicolon, or a backslash that joins it with the end of the file.
    odd: bool,
}

/// A word: its meaning and where it stands.
pub(super) struct Word {
    pub(super) bytes: Vec<u8>,
    span: Range<usize>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Reader { text, next: 0, line: 0, buf: Vec::new(), origin: Vec::new(), pos: 0, odd: false }
    }

    /// Whether there is another command or line.
    pub(super) fn more(&self) -> bool {
        self.next < self.text.len()
    }

    /// Goes to the next line.
    pub(super) fn start(&mut self) {
        self.pos = 0;
        self.odd = false;
        self.fill(0);
    }

    /// Puts the next line at `at`, in place of what is there.
    fn fill(&mut self, at: usize) {
        self.buf.truncate(at);
        self.origin.truncate(at);
        while let Some(rest) = self.text.get(self.next..).filter(|rest| !rest.is_empty()) {
            let len = rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |newline| newline + 1);
            let whole = rest.iter().take(len);
            let used = whole.clone().position(|&b| b == 0);
            self.odd |= used.is_some();
            let used = used.unwrap_or(len);
            self.buf.extend(whole.take(used));
            self.origin.extend(self.next..self.next + used);
            self.next += len;
            if used == 0 {
                return;
            }
            if self.buf.last() == Some(&b'\n') {
                self.line += 1;
                return;
            }
        }
    }

    /// The byte at the place, 0 at the end.
    fn byte(&self) -> u8 {
        self.buf.get(self.pos).copied().unwrap_or(0)
    }

    fn at_blank(&self) -> bool {
        matches!(self.byte(), b' ' | b'\t'..=b'\r')
    }

    fn skip_blanks(&mut self) {
        while self.at_blank() {
            self.pos += 1;
        }
    }

    /// Cuts the command off here.
    fn cut(&mut self) {
        self.buf.truncate(self.pos);
        self.origin.truncate(self.pos);
    }

    /// The place in the file of what stands at `pos`.
    fn offset(&self, pos: usize) -> usize {
        self.origin.get(pos).copied().unwrap_or(self.next)
    }

    fn span(&self, from: usize, to: usize) -> Range<usize> {
        let start = self.offset(from);
        start..to.checked_sub(1).map_or(start, |last| self.offset(last).saturating_add(1)).max(start)
    }

    /// Steps over a backslash. True if it quotes the byte behind it, false if it joined the next line.
    fn backslash(&mut self) -> bool {
        self.pos += 1;
        let behind = self.buf.get(self.pos + 1);
        let at_end = matches!((self.byte(), behind), (0 | b'\n', _) | (b'\r', Some(b'\n')));
        if !at_end {
            return true;
        }
        self.odd |= self.next >= self.text.len();
        self.fill(self.pos);
        false
    }

    fn take(&mut self, into: &mut Vec<u8>) {
        into.push(self.byte());
        self.pos += 1;
    }

    fn quoted(&mut self, quote: u8, into: &mut Vec<u8>) -> Result<(), Reason> {
        self.pos += 1;
        loop {
            match self.byte() {
                0 => {
                    self.fill(self.pos);
                    if self.byte() == 0 {
                        return Err(Reason::Unterminated(char::from(quote)));
                    }
                }
                b if b == quote => {
                    self.pos += 1;
                    return Ok(());
                }
                b'\\' if quote == b'"' => {
                    if self.backslash() {
                        self.take(into);
                    }
                }
                _ => self.take(into),
            }
        }
    }

    /// The next word, which may be empty; steps over one blank behind it.
    pub(super) fn word(&mut self) -> Result<Word, Reason> {
        self.skip_blanks();
        let start = self.pos;
        let mut bytes = Vec::new();
        if self.byte() == b';' {
            self.odd = true;
            self.pos += 1;
            return Ok(Word { bytes, span: self.span(start, start) });
        }
        loop {
            match self.byte() {
                quote @ (b'\'' | b'"') => self.quoted(quote, &mut bytes)?,
                b'#' => self.cut(),
                0 | b';' => break,
                b'\\' => {
                    if self.backslash() {
                        self.take(&mut bytes);
                    }
                }
                _ => self.take(&mut bytes),
            }
            if self.byte() == 0 || self.at_blank() {
                break;
            }
        }
        let span = self.span(start, self.pos);
        self.odd |= self.byte() == b';';
        match self.byte() {
            // A semicolon right behind a word without quotes, backslashes and joins ends the line: whatever follows is lost.
            b';' if bytes.len() == self.pos - start => self.cut(),
            0 | b';' => {}
            _ => self.pos += 1,
        }
        Ok(Word { bytes, span })
    }
}

struct Parser<'a> {
    reader: Reader<'a>,
    mode: Mode,
    lines: Vec<Line>,
    items: Vec<Item>,
    plain: bool,
    sections: Vec<Section>,
    names: BTreeMap<Box<str>, usize>,
    current: Option<usize>,
    problems: Vec<ParseError>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a [u8], mode: Mode) -> Self {
        Parser {
            reader: Reader::new(text),
            mode,
            lines: Vec::new(),
            items: Vec::new(),
            plain: true,
            sections: Vec::new(),
            names: BTreeMap::new(),
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
        let role = Role::Value { option: option.clone(), list, value: value.bytes.clone(), at };
        if !role.is_dead() && !section.put(option, list, value.bytes) {
            return Err(Reason::TooLarge);
        }
        self.items.push(Item { section: index, span: start..end, role });
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
