//! Evaluating a mapping line: source, then pipes, then the value for "none".

use super::error::Refusal;
use super::line::{Line, Piece, Pipe, Src, Step, Text};
use super::source::Stop;
use super::tree::Tree;
use super::view::{At, Row};
use crate::time::Wall;
use std::borrow::Cow;
use std::rc::Rc;

/// What runs through the pipes.
pub enum Flow<'s> {
    /// A text.
    Text(Cow<'s, str>),
    /// A place in a tree.
    Tree(&'s Tree),
    /// Several places (`[*]`).
    Many(Vec<&'s Tree>),
}

impl<'s> Flow<'s> {
    /// The texts in it: one, or one per item; items that are no text are left out.
    pub fn texts(&self) -> Vec<&str> {
        match self {
            Flow::Text(text) => vec![text],
            Flow::Tree(Tree::Text(text)) => vec![text],
            Flow::Tree(Tree::List(items)) => items.iter().filter_map(Tree::as_str).collect(),
            Flow::Tree(Tree::Map(_)) => Vec::new(),
            Flow::Many(items) => items.iter().filter_map(|item| item.as_str()).collect(),
        }
    }

    /// One text: a list's items joined by commas; nothing for a map.
    fn into_text(self) -> Option<Cow<'s, str>> {
        match self {
            Flow::Text(text) => Some(text),
            Flow::Tree(Tree::Text(text)) => Some(Cow::Borrowed(text)),
            Flow::Tree(Tree::Map(_)) => None,
            Flow::Tree(Tree::List(_)) | Flow::Many(_) => Some(Cow::Owned(self.texts().join(","))),
        }
    }
}

/// Reads any of OpenWrt's spellings of a boolean; `None` for another word.
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "on" | "true" | "yes" | "enabled" => Some(true),
        "0" | "off" | "false" | "no" | "disabled" => Some(false),
        _ => None,
    }
}

/// The items of a list, the values of a map, or the scalar itself.
fn parts(tree: &Tree) -> impl Iterator<Item = &Tree> + Clone {
    let alone = matches!(tree, Tree::Text(_)).then_some(tree);
    tree.items().iter().chain(tree.entries().iter().map(|(_, value)| value)).chain(alone)
}

/// The one at a place; places below 0 are counted from the end.
fn pick<'s>(mut found: impl Iterator<Item = &'s Tree> + Clone, index: i32) -> Option<&'s Tree> {
    let count = || i64::try_from(found.clone().count()).unwrap_or(0);
    let place = if index < 0 { count() + i64::from(index) } else { i64::from(index) };
    found.nth(usize::try_from(place).ok()?)
}

impl<'s> At<'_, 's> {
    /// The line's value; `None` where its source has none and it says nothing else.
    pub fn line(&self, line: &Line) -> Result<Option<Cow<'s, str>>, Stop> {
        let mut flow = self.flow(&line.source)?;
        for pipe in line.pipes {
            let Some(value) = flow else { break };
            flow = self.pipe(pipe, value)?;
        }
        let text = flow.and_then(Flow::into_text);
        Ok(text.or(line.otherwise.map(Cow::Borrowed)))
    }

    /// Whether a condition holds; a value that is absent is the empty text.
    pub fn holds(&self, (line, unequal, wanted): &(Line, bool, &str)) -> Result<bool, Stop> {
        let value = self.line(line)?;
        Ok((value.as_deref().unwrap_or_default() == *wanted) != *unequal)
    }

    /// A text with its places filled; a place without a value is empty.
    pub fn text(&self, text: Text) -> Result<String, Stop> {
        let mut out = String::new();
        for piece in text {
            match piece {
                Piece::Lit(literal) => out.push_str(literal),
                Piece::Of(source) => {
                    if let Some(value) = self.flow(source)?.and_then(Flow::into_text) {
                        out.push_str(&value);
                    }
                }
            }
        }
        Ok(out)
    }

    /// As [`At::text`], without a copy where it has no places.
    fn said(&self, text: Text) -> Result<Cow<'static, str>, Stop> {
        match text {
            [Piece::Lit(literal)] => Ok(Cow::Borrowed(*literal)),
            _ => self.text(text).map(Cow::Owned),
        }
    }

    /// What a source gives before any pipe.
    pub fn flow(&self, source: &Src) -> Result<Option<Flow<'s>>, Stop> {
        match source {
            Src::Tree { key, steps } => {
                let tree = match key {
                    [Piece::Lit(key)] => self.view.tree(key)?,
                    _ => {
                        // A name that is not known now (an interface that is down) makes the source absent.
                        let Some(key) = self.filled(key)? else { return Ok(None) };
                        self.view.tree(&key)?
                    }
                };
                let Some(tree) = tree else { return Ok(None) };
                self.walk(Flow::Tree(tree), steps)
            }
            Src::Option { up, option: [Piece::Lit(".name")] } => Ok(self.up(*up).map(|row| {
                let name = row.section.as_ref().map_or(row.anchor, |bound| bound.name);
                Flow::Text(Cow::Borrowed(name))
            })),
            Src::Option { up, option } => {
                let Some(bound) = self.up(*up).and_then(|row| row.section.as_ref()) else { return Ok(None) };
                Ok(bound.tree.get(&self.said(option)?).map(Flow::Tree))
            }
            Src::Item { up, steps } => {
                let Some(row) = self.up(*up) else { return Ok(None) };
                self.walk(Flow::Tree(row.item), steps)
            }
            Src::Local { name, steps } => {
                let (mut object, mut at) = (self.object, *self);
                loop {
                    let known = self.view.model.object(object)?;
                    if let Some((_, line)) = known.locals.iter().find(|(local, _)| local == name) {
                        at.object = object;
                        let mut flow = at.flow(&line.source)?;
                        for pipe in line.pipes {
                            let Some(value) = flow else { break };
                            flow = at.pipe(pipe, value)?;
                        }
                        let flow = flow.or(line.otherwise.map(|text| Flow::Text(Cow::Borrowed(text))));
                        return match flow {
                            Some(flow) => at.walk(flow, steps),
                            None => Ok(None),
                        };
                    }
                    if known.is_table() && at.row.is_some_and(|row| row.object == object) {
                        at.row = at.row.and_then(|row| row.parent.as_ref());
                    }
                    let unknown = || Stop::Refused(Refusal::Backend(format!("no local name {name}")));
                    object = self.view.model.parent(object).ok_or_else(unknown)?;
                }
            }
            Src::Rust(name) => {
                // A computed source may stand where a line wants a tree; parameters' functions are called elsewhere.
                Ok(self.view.tree(&format!("derived:{name}"))?.map(Flow::Tree))
            }
            Src::Const(text) => Ok(Some(Flow::Text(Cow::Borrowed(text)))),
        }
    }

    /// As [`At::text`], but nothing if one of the places has no value.
    fn filled(&self, text: Text) -> Result<Option<String>, Stop> {
        let mut out = String::new();
        for piece in text {
            match piece {
                Piece::Lit(literal) => out.push_str(literal),
                Piece::Of(source) => match self.flow(source)?.and_then(Flow::into_text) {
                    Some(value) if !value.is_empty() => out.push_str(&value),
                    Some(_) | None => return Ok(None),
                },
            }
        }
        Ok(Some(out))
    }

    fn walk(&self, flow: Flow<'s>, steps: &[Step]) -> Result<Option<Flow<'s>>, Stop> {
        let mut flow = flow;
        for step in steps {
            let next = match flow {
                Flow::Tree(tree) => self.step(tree, step)?,
                Flow::Many(items) => {
                    let mut out = Vec::new();
                    for item in items {
                        match self.step(item, step)? {
                            Some(Flow::Tree(tree)) => out.push(tree),
                            Some(Flow::Many(trees)) => out.extend(trees),
                            Some(Flow::Text(_)) | None => {}
                        }
                    }
                    Some(Flow::Many(out))
                }
                Flow::Text(_) => None,
            };
            let Some(next) = next else { return Ok(None) };
            flow = next;
        }
        Ok(Some(flow))
    }

    fn step(&self, tree: &'s Tree, step: &Step) -> Result<Option<Flow<'s>>, Stop> {
        Ok(match step {
            Step::Key(key) => tree.get(&self.said(key)?).map(Flow::Tree),
            Step::Index(index) => pick(parts(tree), *index).map(Flow::Tree),
            Step::Match(key, wanted) => {
                let wanted = self.said(wanted)?;
                parts(tree).find(|item| item.str(key) == Some(&wanted)).map(Flow::Tree)
            }
            Step::All => Some(Flow::Many(parts(tree).collect())),
            Step::Kind(kind, index) => {
                let of_kind = parts(tree).filter(|section| section.str(".type") == Some(kind));
                pick(of_kind, *index).map(Flow::Tree)
            }
            Step::KindBy((kind, option, wanted)) => {
                let wanted = self.said(wanted)?;
                let mut of_kind = parts(tree).filter(|section| section.str(".type") == Some(kind));
                of_kind.find(|section| section.str(option) == Some(&wanted)).map(Flow::Tree)
            }
        })
    }

    fn pipe(&self, pipe: &Pipe, flow: Flow<'s>) -> Result<Option<Flow<'s>>, Stop> {
        let owned = |text: String| Some(Flow::Text(Cow::Owned(text)));
        let word = |yes: bool| Some(Flow::Text(Cow::Borrowed(if yes { "true" } else { "false" })));
        // Lists go through `csv`, `ref`, `map` and `count` whole; every other pipe takes the one text.
        match pipe {
            Pipe::Csv => {
                let texts = flow.texts();
                let words: Vec<&str> = texts.iter().flat_map(|text| text.split_whitespace()).collect();
                return Ok(owned(words.join(",")));
            }
            Pipe::Count => {
                let count = match &flow {
                    Flow::Tree(Tree::Map(entries)) => entries.len(),
                    Flow::Tree(Tree::List(items)) => items.len(),
                    Flow::Many(items) => items.len(),
                    Flow::Text(_) | Flow::Tree(Tree::Text(_)) => 1,
                };
                return Ok(owned(count.to_string()));
            }
            Pipe::Ref(tables) => return self.references(&flow, tables).map(|text| text.and_then(owned)),
            Pipe::Map(pairs) => {
                let texts = flow.texts();
                let mapped = texts.iter().filter_map(|text| pairs.iter().find(|(from, _)| from == text));
                let mapped: Vec<&str> = mapped.map(|(_, to)| *to).collect();
                return Ok((!mapped.is_empty()).then(|| Flow::Text(Cow::Owned(mapped.join(",")))));
            }
            Pipe::Bool
            | Pipe::Not
            | Pipe::Scale(..)
            | Pipe::Cut(_)
            | Pipe::Case(_)
            | Pipe::Word(_)
            | Pipe::Part(..)
            | Pipe::Ago
            | Pipe::Ahead
            | Pipe::Epoch
            | Pipe::Trim
            | Pipe::Named(_) => {}
        }
        let Some(text) = flow.into_text() else { return Ok(None) };
        let number = || text.trim().parse::<i64>().ok();
        let wall = self.view.snapshot.now.wall;
        let date = |moment: Option<Wall>| {
            owned(moment.map_or_else(|| crate::time::UNKNOWN.into(), |w| w.to_string()))
        };
        Ok(match pipe {
            Pipe::Bool => boolean(&text).and_then(word),
            Pipe::Not => boolean(&text).and_then(|yes| word(!yes)),
            Pipe::Scale(times, over) => number()
                .map(|n| i128::from(n) * i128::from(*times) / i128::from((*over).max(1)))
                .and_then(|n| owned(n.to_string())),
            Pipe::Cut(most) => match text.char_indices().nth(usize::from(*most)) {
                Some((end, _)) => owned(text.get(..end).unwrap_or_default().to_string()),
                None => Some(Flow::Text(text)),
            },
            Pipe::Case(true) => owned(text.to_ascii_uppercase()),
            Pipe::Case(false) => owned(text.to_ascii_lowercase()),
            Pipe::Word(n) => {
                text.split_whitespace().nth(usize::from(*n)).and_then(|word| owned(word.to_string()))
            }
            Pipe::Part(by, n) => {
                text.split(*by).nth(usize::from(*n)).and_then(|part| owned(part.to_string()))
            }
            Pipe::Ago => number().and_then(|n| date(wall.map(|wall| Wall::at(wall.seconds).plus(-n)))),
            Pipe::Ahead => number().and_then(|n| date(wall.map(|wall| Wall::at(wall.seconds).plus(n)))),
            Pipe::Epoch => number().and_then(|n| owned(Wall::at(n).to_string())),
            Pipe::Trim => owned(text.trim().to_string()),
            Pipe::Named(name) => {
                let unknown = || Stop::Refused(Refusal::Backend(format!("no pipe {name}")));
                let named = self.view.model.pipe(name).ok_or_else(unknown)?;
                (named.read)(&text).and_then(owned)
            }
            Pipe::Csv | Pipe::Count | Pipe::Ref(_) | Pipe::Map(_) => None,
        })
    }

    /// Names as row paths; a name that no row bears is left out.
    ///
    /// `tables` is one or more tables separated by `|`; empty where each text is itself `TABLE NAME`.
    fn references(&self, flow: &Flow<'s>, tables: &str) -> Result<Option<String>, Stop> {
        let mut paths: Vec<String> = Vec::new();
        let texts: Vec<&str> = match flow {
            // A list that came through `csv`.
            Flow::Text(text) => text.split(',').collect(),
            Flow::Tree(_) | Flow::Many(_) => flow.texts(),
        };
        for text in texts {
            let (tables, name) =
                if tables.is_empty() { text.split_once(' ').unwrap_or((text, "")) } else { (tables, text) };
            for table in tables.split('|') {
                if let Some(path) = self.view.path_of(table, name)? {
                    if !paths.contains(&path) {
                        paths.push(path);
                    }
                    break;
                }
            }
        }
        Ok(Some(paths.join(",")))
    }

    /// The row that a written reference names, in one of the `|`-separated tables.
    ///
    /// Refuses a path that is no row of theirs.
    pub fn referred(&self, tables: &str, path: &str) -> Result<Rc<Row<'s>>, Stop> {
        for table in tables.split('|') {
            if let Some(row) = self.view.row_at(table, path)? {
                return Ok(row);
            }
        }
        if path.ends_with(']')
            && let Some(path) = self.view.keyed(path)?
        {
            return self.referred(tables, &path);
        }
        Err(Refusal::OutOfRange { allowed: format!("a row of {}", tables.replace('|', " or ")) }.into())
    }
}
