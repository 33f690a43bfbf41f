//! The lines of a package while they are edited: each with its text and the commands on it.
//!
//! Owns how one line changes in place and how a line too tangled for that is written anew. Which lines change is
//! the business of `edit`, the only one that drives this.

use std::borrow::Cow;
use std::ops::Range;

use super::export;
use super::parse::{File, Item, Line, Role};

/// One line, with the lines joined to it.
pub(super) struct Row<'a> {
    text: Cow<'a, [u8]>,
    /// The commands, with spans from the start of the row.
    pub(super) items: Vec<Item>,
    plain: bool,
}

impl<'a> Row<'a> {
    /// All lines of a file.
    pub(super) fn all(file: &File<'a>) -> Vec<Row<'a>> {
        file.lines.iter().map(|line| Row::of(file.text, line)).collect()
    }

    fn of(text: &'a [u8], line: &Line) -> Row<'a> {
        let mut items = line.items.clone();
        items.iter_mut().for_each(|item| item.shift(line.span.start));
        Row {
            text: Cow::Borrowed(text.get(line.span.clone()).unwrap_or_default()),
            items,
            plain: line.plain && line.items.len() < 2,
        }
    }

    /// An empty line.
    pub(super) fn blank() -> Row<'a> {
        Row { text: Cow::Borrowed(b"\n"), items: Vec::new(), plain: true }
    }

    /// A `config` line in the stock tool's layout.
    pub(super) fn header(section: usize, kind: &str, name: Option<&str>) -> Row<'a> {
        let mut text = Vec::new();
        export::header(kind, name, &mut text);
        let kind_end = CONFIG.len() + kind.len();
        let end = text.len() - 1;
        let role = Role::Header { kind: CONFIG.len()..kind_end, name: name.map(|_| kind_end + 1..end) };
        Row { text: text.into(), items: vec![Item { section, span: 0..end, role }], plain: true }
    }

    /// An `option` or `list` line in the stock tool's layout.
    pub(super) fn value(section: usize, option: &str, list: bool, value: &[u8]) -> Row<'a> {
        let mut text = Vec::new();
        export::line(option, list, value, &mut text);
        let end = text.len() - 1;
        let start = end.saturating_sub(quoted(value).len());
        let role = Role::Value { option: option.into(), list, value: value.to_vec(), at: Some(start..end) };
        Row { text: text.into(), items: vec![Item { section, span: 1..end, role }], plain: true }
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(super) fn is_blank(&self) -> bool {
        self.text.iter().all(u8::is_ascii_whitespace)
    }

    /// A comment at the start of a line, which speaks of what follows; an indented one speaks of its section.
    pub(super) fn is_heading(&self) -> bool {
        self.items.is_empty() && self.text.starts_with(b"#")
    }

    /// An indented comment, which speaks of the section above.
    pub(super) fn is_inner_comment(&self) -> bool {
        matches!(self.text.first(), Some(b' ' | b'\t')) && self.text.trim_ascii_start().starts_with(b"#")
    }

    pub(super) fn is_header(&self) -> bool {
        self.items.iter().any(|item| matches!(item.role, Role::Header { .. }))
    }

    pub(super) fn belongs_to(&self, section: usize) -> bool {
        self.items.iter().any(|item| item.section == section)
    }

    pub(super) fn opens(&self, section: usize) -> bool {
        self.items.iter().any(|item| item.section == section && matches!(item.role, Role::Header { .. }))
    }

    /// Several commands on one line, or bytes behind them that come alive if the line changes.
    pub(super) fn is_tangled(&self) -> bool {
        !self.plain
    }

    /// The row as rows with one command each; what had no effect is lost, with its comment.
    /// `header` gives type and name of a section.
    pub(super) fn untangled<'h>(
        &self,
        header: impl Fn(usize) -> Option<(&'h str, Option<&'h str>)>,
    ) -> Vec<Row<'a>> {
        let row = |item: &Item| match &item.role {
            Role::Header { .. } => {
                header(item.section).map(|(kind, name)| Row::header(item.section, kind, name))
            }
            Role::Value { option, list, value, .. } => Some(Row::value(item.section, option, *list, value)),
        };
        self.items.iter().filter_map(row).collect()
    }

    /// Ends the row with a newline.
    pub(super) fn terminate(&mut self) {
        if !self.text.ends_with(b"\n") {
            self.text.to_mut().push(b'\n');
        }
    }

    /// If this plain row gives the option of the section a value: whether as `list`, and which.
    pub(super) fn gives(&self, section: usize, option: &str) -> Option<(bool, &[u8])> {
        let item = self.items.first().filter(|item| item.section == section && !item.role.is_dead())?;
        match &item.role {
            Role::Value { option: name, list, value, .. } if **name == *option => Some((*list, value)),
            Role::Value { .. } | Role::Header { .. } => None,
        }
    }

    /// Gives the option of this plain row another value; its comment and, if it fits, its keyword stay.
    pub(super) fn set_value(&mut self, as_list: bool, new: &[u8]) {
        let Some(Item { span, role: Role::Value { option, list, value, at }, .. }) = self.items.first_mut()
        else {
            return;
        };
        let (place, text) = match at {
            Some(at) if *list == as_list => (at.clone(), quoted(new)),
            _ => {
                let keyword = if as_list { "list" } else { "option" };
                let mut text = format!("{keyword} {option} ").into_bytes();
                text.extend(quoted(new));
                (span.clone(), text)
            }
        };
        let end = place.start + text.len();
        *at = Some(end - quoted(new).len()..end);
        *span = span.start..end;
        *list = as_list;
        *value = new.to_vec();
        self.replace(place, &text);
    }

    /// Gives the section of this plain `config` row a name.
    pub(super) fn set_name(&mut self, new: &str) {
        let Some(Item { span, role: Role::Header { kind, name }, .. }) = self.items.first_mut() else {
            return;
        };
        let (place, mut text) = match name {
            Some(name) => (name.clone(), Vec::new()),
            None => (kind.end..kind.end, vec![b' ']),
        };
        let start = place.start + text.len();
        export::quote(new.as_bytes(), &mut text);
        let end = place.start + text.len();
        *name = Some(start..end);
        *span = span.start..end;
        self.replace(place, &text);
    }

    fn replace(&mut self, place: Range<usize>, with: &[u8]) {
        let before = self.text.get(..place.start).unwrap_or_default();
        let after = self.text.get(place.end..).unwrap_or_default();
        self.text = [before, with, after].concat().into();
    }
}

const CONFIG: &str = "config ";

fn quoted(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    export::quote(value, &mut out);
    out
}

impl Item {
    fn shift(&mut self, by: usize) {
        let shift = |span: &mut Range<usize>| {
            *span = span.start.saturating_sub(by)..span.end.saturating_sub(by);
        };
        shift(&mut self.span);
        match &mut self.role {
            Role::Header { kind, name } => {
                shift(kind);
                name.iter_mut().for_each(shift);
            }
            Role::Value { at, .. } => at.iter_mut().for_each(shift),
        }
    }
}
