//! The one path grammar: what CWMP and USP managers write, what the agent answers, what the model is written in.
//!
//! [`Path`] names one node of the live tree, [`Template`] one node of the model (`{i}` for instances), [`Pattern`]
//! is what a manager may write: aliases, `*`, search expressions and followed references too. Nothing here looks
//! at a tree: whether a name exists is the reader's business. [`ROOTS`] is the only place that knows a root's name.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::expr::Expr;
pub(super) use grammar::Cursor;
use grammar::{Form, Part, walk};

#[path = "path_grammar.rs"]
mod grammar;

/// The names a path may start with. The first one is the model's own.
pub const ROOTS: &[&str] = &["Device"];
/// Longest path text in bytes. CWMP allows 256 for a name it returns; a written search may be longer.
pub const MAX_LENGTH: usize = 1024;
/// Most segments of a path.
pub const MAX_DEPTH: usize = 32;
/// Longest alias in characters. Source: TR-181, type Alias.
pub const MAX_ALIAS: usize = 64;

/// Where a path text is not one, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Offset in bytes from the start of the text.
    pub at: usize,
    /// What is wrong there, as half a sentence.
    pub what: &'static str,
}

impl ParseError {
    /// Whether all that is wrong is that no tree begins with that name.
    pub fn is_unknown_root(&self) -> bool {
        self.what == grammar::NO_ROOT
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at position {}", self.what, self.at + 1)
    }
}

/// What a path names, told by its last characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Ends with a dot: an object, a table or one of its rows, with all that is below it.
    Object,
    /// Ends with a name.
    Parameter,
    /// Ends with `()`; USP only.
    Command,
    /// Ends with `!`; USP only.
    Event,
}

impl Kind {
    /// Tells the kind of a well-formed path by its end.
    pub fn of(text: &str) -> Kind {
        match text.as_bytes().last() {
            None | Some(b'.') => Kind::Object,
            Some(b')') => Kind::Command,
            Some(b'!') => Kind::Event,
            Some(_) => Kind::Parameter,
        }
    }

    /// What is written behind the last name.
    pub const fn suffix(self) -> &'static str {
        match self {
            Kind::Object => ".",
            Kind::Parameter => "",
            Kind::Command => "()",
            Kind::Event => "!",
        }
    }
}

/// One part of a concrete path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment<'a> {
    /// A row of a table; never 0.
    Number(u32),
    /// An object, a parameter, a command or an event, without its suffix.
    Name(&'a str),
}

/// One node of the live tree: names and instance numbers only. Cheap to clone; ordered as the tree is, rows by number.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Path(Arc<str>);

impl Path {
    /// Reads a concrete path such as `Device.IP.Interface.1.Enable`.
    ///
    /// Refuses aliases, wildcards, searches, an unknown root, a row without its closing dot, the empty text.
    pub fn parse(text: &str) -> Result<Path, ParseError> {
        walk(text, Form::Concrete, &mut |_| ())?;
        Ok(Path(text.into()))
    }

    /// Reads the value of a reference parameter, where a row is written without its closing dot.
    //= TR-369 R-ARC.7: a reference to an object carries no trailing dot; both forms are taken.
    pub fn parse_reference(text: &str) -> Result<Path, ParseError> {
        let row = text.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_digit()));
        if row { Path::parse(&format!("{text}.")) } else { Path::parse(text) }
    }

    /// The top object of the model.
    pub fn root() -> Path {
        let name = ROOTS.first().copied().unwrap_or_default();
        Path(format!("{name}.").into())
    }

    /// The text on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as the value of a reference parameter: without the closing dot.
    pub fn as_reference(&self) -> &str {
        self.0.strip_suffix('.').unwrap_or(&self.0)
    }

    /// What it names.
    pub fn kind(&self) -> Kind {
        Kind::of(&self.0)
    }

    /// Ends with a dot.
    pub fn is_object(&self) -> bool {
        self.kind() == Kind::Object
    }

    /// Its parts from the root on.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = Segment<'_>> {
        bare(&self.0).split('.').map(|part| match part.parse() {
            Ok(number) => Segment::Number(number),
            Err(_) => Segment::Name(part),
        })
    }

    /// The last part.
    pub fn last(&self) -> Segment<'_> {
        self.segments().next_back().unwrap_or(Segment::Name(""))
    }

    /// The instance numbers on the way, outermost first.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.segments().filter_map(|part| match part {
            Segment::Number(number) => Some(number),
            Segment::Name(_) => None,
        })
    }

    /// The object it is in; `None` for the root.
    pub fn parent(&self) -> Option<Path> {
        let end = bare(&self.0).rfind('.')?;
        self.0.get(..=end).map(|text| Path(text.into()))
    }

    /// What lies `below` this object: `Name`, `Name.`, `Name()`, `Name!` or several parts such as `Stats.BytesSent`.
    ///
    /// For names out of the model; text from outside goes through [`Path::parse`].
    pub fn join(&self, below: &str) -> Path {
        debug_assert!(self.is_object(), "{self} has nothing below it");
        Path([&*self.0, below].concat().into())
    }

    /// The row `number` of this table.
    pub fn instance(&self, number: u32) -> Path {
        self.join(&format!("{number}."))
    }

    /// Whether `other` is this very node or, for an object, lies below it.
    pub fn covers(&self, other: &Path) -> bool {
        if self.is_object() { other.0.starts_with(&*self.0) } else { self == other }
    }

    /// The node of the model: every number becomes `{i}`.
    pub fn template(&self) -> Template {
        Template(Cow::Owned(placeholders(&self.0)))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Ord for Path {
    fn cmp(&self, other: &Path) -> Ordering {
        self.segments().cmp(other.segments()).then_with(|| self.kind().cmp(&other.kind()))
    }
}

impl PartialOrd for Path {
    fn partial_cmp(&self, other: &Path) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// One node of the model, `{i}` in place of instance numbers. Ordered by its text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Template(Cow<'static, str>);

impl Template {
    /// Takes a text out of the compiled tables as it is.
    pub const fn of(text: &'static str) -> Template {
        Template(Cow::Borrowed(text))
    }

    /// Reads a model path such as `Device.IP.Interface.{i}.Enable`. Refuses instance numbers.
    pub fn parse(text: &str) -> Result<Template, ParseError> {
        walk(text, Form::Model, &mut |_| ())?;
        Ok(Template(Cow::Owned(text.to_owned())))
    }

    /// Reads what a controller asks of the supported model: numbers and `{i}` mean the same.
    //= TR-369 R-ARC.7: a supported-model path may hold numbers, but none behind the first `{i}`.
    pub fn parse_supported(text: &str) -> Result<Template, ParseError> {
        walk(text, Form::Supported, &mut |_| ())?;
        Ok(Template(Cow::Owned(placeholders(text))))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it names.
    pub fn kind(&self) -> Kind {
        Kind::of(&self.0)
    }

    /// Its parts from the root on; `None` is `{i}`.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = Option<&str>> {
        bare(&self.0).split('.').map(|part| (part != "{i}").then_some(part))
    }

    /// How many `{i}` it holds.
    pub fn slots(&self) -> usize {
        self.segments().filter(Option::is_none).count()
    }

    /// The live node with `numbers` put in from the left; `None` if there are too few or too many.
    pub fn with(&self, numbers: &[u32]) -> Option<Path> {
        let mut numbers = numbers.iter();
        let mut text = String::with_capacity(self.0.len());
        for (at, part) in self.segments().enumerate() {
            if at > 0 {
                text.push('.');
            }
            match part {
                Some(name) => text.push_str(name),
                None => text.push_str(&numbers.next()?.to_string()),
            }
        }
        text.push_str(self.kind().suffix());
        numbers.next().is_none().then(|| Path(text.into()))
    }

    /// Whether `path` is a live node of it.
    pub fn is_of(&self, path: &Path) -> bool {
        let fits = |(part, segment): (Option<&str>, Segment<'_>)| match (part, segment) {
            (Some(name), Segment::Name(other)) => name == other,
            (None, Segment::Number(_)) => true,
            (Some(_), Segment::Number(_)) | (None, Segment::Name(_)) => false,
        };
        self.kind() == path.kind()
            && self.segments().count() == path.segments().count()
            && self.segments().zip(path.segments()).all(fits)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which items of a list of references are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// `+`: the first.
    First,
    /// `#n+`: the n-th, from 1.
    Nth(u32),
    /// `#*+`: each.
    All,
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Which::First => f.write_str("+"),
            Which::Nth(n) => write!(f, "#{n}+"),
            Which::All => f.write_str("#*+"),
        }
    }
}

/// One part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A name as in the model.
    Name(Box<str>),
    /// A row by its number.
    Number(u32),
    /// `*`: every row.
    All,
    /// `[alias]`: the row of that Alias. CWMP.
    Alias(Box<str>),
    /// `[Type=="Normal"]`: the rows for which it holds. USP.
    Search(Expr),
    /// `Name+`: the object that the reference parameter `name` points to. USP.
    Follow {
        /// The reference parameter.
        name: Box<str>,
        /// Which of its items.
        which: Which,
    },
}

impl Step {
    /// A step that stands for a row of a table.
    pub fn is_row(&self) -> bool {
        match self {
            Step::Number(_) | Step::All | Step::Alias(_) | Step::Search(_) => true,
            Step::Name(_) | Step::Follow { .. } => false,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Name(name) => f.write_str(name),
            Step::Number(number) => write!(f, "{number}"),
            Step::All => f.write_str("*"),
            Step::Alias(alias) => write!(f, "[{alias}]"),
            Step::Search(expr) => write!(f, "[{expr}]"),
            Step::Follow { name, which } => write!(f, "{name}{which}"),
        }
    }
}

impl Part<'_> {
    fn into_step(self) -> Step {
        match self {
            Part::Name(name) => Step::Name(name.into()),
            Part::Number(number) => Step::Number(number),
            Part::Slot | Part::All => Step::All,
            Part::Alias(alias) => Step::Alias(alias.into()),
            Part::Search(expr) => Step::Search(expr),
            Part::Follow(name, which) => Step::Follow { name: name.into(), which },
        }
    }
}

/// What a manager writes. Prints as it is read, without optional blanks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    steps: Vec<Step>,
    kind: Kind,
}

impl Pattern {
    /// Reads what a manager wrote. The empty text is the whole tree, as is the root with its dot.
    ///
    /// Which forms an RPC or a message admits is for the caller to check: [`Pattern::path`], [`Pattern::is_search`].
    pub fn parse(text: &str) -> Result<Pattern, ParseError> {
        //= TR-069 A.3.2.2: an empty name stands for the top of the hierarchy.
        if text.is_empty() {
            return Ok(Pattern { steps: Vec::new(), kind: Kind::Object });
        }
        let mut steps = Vec::new();
        let kind = walk(text, Form::Pattern, &mut |part| steps.push(part.into_step()))?;
        Ok(Pattern { steps, kind })
    }

    /// Reads the value written to a reference parameter, where the row lacks its closing dot.
    //= TR-369 R-ARC.11: a reference may be written with a key instead of a number.
    pub fn parse_reference(text: &str) -> Result<Pattern, ParseError> {
        let row = match text.as_bytes().last() {
            Some(b']' | b'*') => true,
            Some(_) => {
                text.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_digit()))
            }
            None => false,
        };
        if row { Pattern::parse(&format!("{text}.")) } else { Pattern::parse(text) }
    }

    /// A pattern that ends in a name, taken as that of an object written without its dot; `None` for another one.
    pub fn without_dot(&self) -> Option<Pattern> {
        let named = self.kind == Kind::Parameter;
        named.then(|| Pattern { steps: self.steps.clone(), kind: Kind::Object })
    }

    /// The same with every row in place of a search or an alias: what may come to be meant by it later.
    pub fn any_row(&self) -> Pattern {
        let any = |step: &Step| match step {
            Step::Search(_) | Step::Alias(_) => Step::All,
            Step::Name(_) | Step::Number(_) | Step::All | Step::Follow { .. } => step.clone(),
        };
        Pattern { steps: self.steps.iter().map(any).collect(), kind: self.kind }
    }

    /// The object and the last name of what is no object: a parameter, a command or an event.
    pub fn owner(&self) -> Option<(Pattern, &str)> {
        match (self.kind, self.steps.split_last()) {
            (Kind::Parameter | Kind::Command | Kind::Event, Some((Step::Name(name), above))) => {
                Some((Pattern { steps: above.to_vec(), kind: Kind::Object }, name))
            }
            _ => None,
        }
    }

    /// Its parts from the root on; none for the empty text.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// As the supported model has it, whatever rows it means; `None` where it follows a reference.
    pub fn schema_path(&self) -> Option<String> {
        let part = |step: &Step| match step {
            Step::Name(name) => Some(name.to_string()),
            Step::Number(_) | Step::All | Step::Alias(_) | Step::Search(_) => Some("{i}".into()),
            Step::Follow { .. } => None,
        };
        let parts: Option<Vec<String>> = self.steps.iter().map(part).collect();
        Some(parts?.join(".") + self.kind.suffix())
    }

    /// What it names.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The concrete path, if it holds nothing but names and numbers. The empty text has none.
    pub fn path(&self) -> Option<Path> {
        let concrete = |step: &Step| match step {
            Step::Name(_) | Step::Number(_) => true,
            Step::All | Step::Alias(_) | Step::Search(_) | Step::Follow { .. } => false,
        };
        let plain = !self.steps.is_empty() && self.steps.iter().all(concrete);
        plain.then(|| Path(self.to_string().into()))
    }

    /// Whether it may stand for any number of nodes, so that finding none is no error.
    //= TR-369 R-MSG.4a: a search that finds nothing succeeds.
    ///
    /// A search that names every part of a unique key is an address after all; only the schema can tell.
    pub fn is_search(&self) -> bool {
        self.steps.iter().any(|step| match step {
            Step::All | Step::Search(_) | Step::Follow { which: Which::All, .. } => true,
            Step::Follow { which: Which::First | Which::Nth(_), .. } => false,
            Step::Name(_) | Step::Number(_) | Step::Alias(_) => false,
        })
    }
}

impl From<&Path> for Pattern {
    fn from(path: &Path) -> Pattern {
        let step = |segment| match segment {
            Segment::Name(name) => Step::Name(name.into()),
            Segment::Number(number) => Step::Number(number),
        };
        Pattern { steps: path.segments().map(step).collect(), kind: path.kind() }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return Ok(());
        }
        for (at, step) in self.steps.iter().enumerate() {
            if at > 0 {
                f.write_str(".")?;
            }
            step.fmt(f)?;
        }
        f.write_str(self.kind.suffix())
    }
}

/// Whether a text can be an Alias: starts with a letter, at most [`MAX_ALIAS`] characters, and `[alias]` is read back
/// as that alias and not as a search.
//= TR-069 3.6.1: an alias starts with a letter and is set in square brackets.
pub fn is_alias(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().count() <= MAX_ALIAS
        && !text.contains(|c: char| c.is_control() || "[]\"<>".contains(c))
        && !["==", "!=", "~="].iter().any(|op| text.contains(op))
}

/// The items of a list of paths, with what may follow each: split at commas outside of searches, without empty ones.
pub fn list(text: &str) -> Vec<&str> {
    let mut depth = 0i32;
    let items = text.split(|c| {
        depth += i32::from(c == '[') - i32::from(c == ']');
        c == ',' && depth == 0
    });
    items.filter(|item| !item.trim().is_empty()).collect()
}

/// The text without what follows the last name.
fn bare(text: &str) -> &str {
    let end = Kind::of(text).suffix();
    text.strip_suffix(end).unwrap_or(text)
}

fn placeholders(text: &str) -> String {
    let slot = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    let parts: Vec<&str> = text.split('.').map(|part| if slot(part) { "{i}" } else { part }).collect();
    parts.join(".")
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
