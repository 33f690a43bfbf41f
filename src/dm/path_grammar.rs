//! The grammar itself: one walk over a path text for every form of it.

use super::super::expr::Expr;
use super::{Kind, MAX_DEPTH, MAX_LENGTH, ParseError, ROOTS, Which, is_alias};

/// What is wrong with a path that begins with a name of no tree.
pub const NO_ROOT: &str = "no such root";

/// Which of the grammar's rows a text may hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Numbers.
    Concrete,
    /// `{i}`.
    Model,
    /// Numbers, then `{i}`.
    Supported,
    /// All that a manager may write.
    Pattern,
}

/// A part as it is read, borrowed from the text.
pub enum Part<'a> {
    /// `Name`
    Name(&'a str),
    /// `1`
    Number(u32),
    /// `{i}`
    Slot,
    /// `*`
    All,
    /// `[alias]`
    Alias(&'a str),
    /// `[Name==1]`
    Search(Expr),
    /// `Name+`
    Follow(&'a str, Which),
}

/// Reads a whole text, gives its parts to `sink` from the root on, and returns what it names.
//= TR-369 R-ARC.7: names are joined by dots, a row follows its table, an object ends with a dot.
pub fn walk<'a>(text: &'a str, form: Form, sink: &mut dyn FnMut(Part<'a>)) -> Result<Kind, ParseError> {
    if text.len() > MAX_LENGTH {
        return Err(ParseError { at: MAX_LENGTH, what: "longer than a path may be" });
    }
    let mut c = Cursor { text, at: 0 };
    let root = c.name()?;
    if !ROOTS.contains(&root) {
        return Err(ParseError { at: 0, what: NO_ROOT });
    }
    sink(Part::Name(root));
    if !c.eat(".") {
        return Err(c.fail("the root ends with a dot"));
    }
    let (mut depth, mut table, mut slots) = (1, false, false);
    while !c.done() {
        depth += 1;
        if depth > MAX_DEPTH {
            return Err(c.fail("deeper than a path may be"));
        }
        if c.starts_name() {
            let name = c.name()?;
            let kind = if c.eat("()") {
                Kind::Command
            } else if c.eat("!") {
                Kind::Event
            } else if c.done() {
                Kind::Parameter
            } else {
                Kind::Object
            };
            if kind != Kind::Object {
                sink(Part::Name(name));
                return if c.done() { Ok(kind) } else { Err(c.fail("nothing may follow")) };
            }
            let follow = if form == Form::Pattern { c.which()? } else { None };
            sink(follow.map_or(Part::Name(name), |which| Part::Follow(name, which)));
            table = follow.is_none();
        } else {
            let row = c.row(form)?;
            if !table {
                return Err(c.fail("a row must follow the name of its table"));
            }
            if slots && matches!(row, Part::Number(_)) {
                return Err(c.fail("no number may follow {i}"));
            }
            slots |= matches!(row, Part::Slot);
            sink(row);
            table = false;
        }
        if !c.eat(".") {
            return Err(c.fail(if c.done() { "an object ends with a dot" } else { "unexpected character" }));
        }
    }
    Ok(Kind::Object)
}

/// A place in a text; shared with the expression parser.
pub struct Cursor<'a> {
    pub text: &'a str,
    pub at: usize,
}

impl<'a> Cursor<'a> {
    pub fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub fn done(&self) -> bool {
        self.rest().is_empty()
    }

    pub fn fail(&self, what: &'static str) -> ParseError {
        ParseError { at: self.at, what }
    }

    pub fn eat(&mut self, token: &str) -> bool {
        let there = self.rest().starts_with(token);
        if there {
            self.at += token.len();
        }
        there
    }

    /// Takes characters as long as `fits` says so.
    pub fn take(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn starts_name(&self) -> bool {
        self.rest().starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
    }

    /// A name; TR-106 admits hyphens behind the first character.
    pub fn name(&mut self) -> Result<&'a str, ParseError> {
        if !self.starts_name() {
            return Err(self.fail("a name must start with a letter"));
        }
        Ok(self.take(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'))
    }

    fn number(&mut self) -> Result<u32, ParseError> {
        let start = self.at;
        let digits = self.take(|c| c.is_ascii_digit());
        let number = digits.parse().ok().filter(|_| !digits.starts_with('0'));
        number.ok_or(ParseError { at: start, what: "an instance number is 1 to 4294967295" })
    }

    /// What may stand behind a reference parameter: `+`, `#2+`, `#*+`, or nothing.
    pub fn which(&mut self) -> Result<Option<Which>, ParseError> {
        let which = if !self.eat("#") {
            Which::First
        } else if self.eat("*") {
            Which::All
        } else {
            Which::Nth(self.number()?)
        };
        match (self.eat("+"), which) {
            (true, which) => Ok(Some(which)),
            (false, Which::First) => Ok(None),
            (false, Which::Nth(_) | Which::All) => Err(self.fail("a + must follow")),
        }
    }

    fn row(&mut self, form: Form) -> Result<Part<'a>, ParseError> {
        let rest = self.rest();
        let (numbers, slots, pattern) = match form {
            Form::Concrete => (true, false, false),
            Form::Model => (false, true, false),
            Form::Supported => (true, true, false),
            Form::Pattern => (true, false, true),
        };
        if numbers && rest.starts_with(|c: char| c.is_ascii_digit()) {
            return self.number().map(Part::Number);
        }
        if slots && self.eat("{i}") {
            return Ok(Part::Slot);
        }
        if pattern && self.eat("*") {
            return Ok(Part::All);
        }
        if pattern && self.eat("[") {
            let inside = self.rest();
            let plain = inside.find(']').and_then(|end| inside.get(..end)).filter(|alias| is_alias(alias));
            let part = if let Some(alias) = plain {
                self.at += alias.len();
                Part::Alias(alias)
            } else {
                Part::Search(Expr::read(self)?)
            };
            return if self.eat("]") { Ok(part) } else { Err(self.fail("a ] must follow")) };
        }
        Err(self.fail(if pattern { "a name or a row must follow" } else { "a name or a number must follow" }))
    }
}
