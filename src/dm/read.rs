//! Walking the model: what a path stands for, what lies below it, and the values.
//!
//! A [`Cursor`] gives one node at a time, so that an answer of ten thousand parameters never stands in memory; it
//! goes on past a source that is missing and says so at the end, so that one pass finds all that must be fetched.

use super::error::Refusal;
use super::path::{Kind, Pattern, Step};
use super::schema::{Delete, How, Param, Write};
use super::search::MayRead;
use super::source::{Source, Stop};
use super::value::Type;
use super::view::{At, Row, View};
use std::borrow::Cow;
use std::rc::Rc;

/// The source of what counters were when they were reset: by the paths of their objects, by their names.
pub const COUNTERS: &str = "agent:counters";
/// Most objects whose counters were reset; one more is refused.
pub const MAX_RESET: usize = 256;

/// What the counters of one object were.
pub type Counts = Vec<(&'static str, u64)>;

/// The computed source that is there once the sources are that every read of the whole tree needs.
const AHEAD: &str = "derived:ahead";

/// An object that is there: a single one or a row.
#[derive(Clone)]
pub struct Place<'s> {
    /// Its place in the model.
    pub object: usize,
    /// The row it is or lies in.
    pub row: Option<Rc<Row<'s>>>,
    /// Its path with a trailing dot.
    pub path: Rc<str>,
}

/// A node of the instantiated model.
#[derive(Clone)]
pub enum Node<'s> {
    /// A single object or a row.
    Object(Place<'s>),
    /// A table; the place's row is the one it lies in.
    Table(Place<'s>),
    /// A parameter of an object.
    Param(Place<'s>, usize),
}

impl<'s> Node<'s> {
    /// Its path; objects end in a dot.
    pub fn path(&self, view: &View<'s>) -> Result<String, Stop> {
        Ok(match self {
            Node::Object(place) | Node::Table(place) => place.path.to_string(),
            Node::Param(place, at) => format!("{}{}", place.path, view.param(place, *at)?.name),
        })
    }

    /// The place it is or belongs to.
    pub fn place(&self) -> &Place<'s> {
        match self {
            Node::Object(place) | Node::Table(place) | Node::Param(place, _) => place,
        }
    }
}

impl<'s> View<'s> {
    /// A parameter of a place.
    pub fn param(&self, place: &Place<'s>, at: usize) -> Result<&'s Param, Stop> {
        self.model.object(place.object)?.params.get(at).ok_or(Stop::Refused(Refusal::UnknownPath))
    }

    /// Whether a manager can write, add below or delete the node now.
    //= TR-069 A.3.2.3: writable says of a table that rows can be added, of a row that it can be deleted.
    pub fn writable(&self, node: &Node<'s>) -> Result<bool, Stop> {
        let object = self.model.object(node.place().object)?;
        Ok(match node {
            Node::Param(place, at) => !matches!(self.param(place, *at)?.write, Write::No),
            Node::Table(_) => object.add.is_some(),
            Node::Object(place) => {
                object.is_table() && !matches!(object.delete, Delete::No) && place.row.is_some()
            }
        })
    }

    /// Before the values of all that a pattern names are read: where that is the whole tree, stops until what it needs in any
    /// case is there. Else one source after the other is found to be missing, and much is read again for each.
    pub fn ahead(&self, pattern: &Pattern) -> Result<(), Stop> {
        match pattern.steps().len() < 2 && self.tree(AHEAD) == Err(Stop::Wait) {
            true => Err(Stop::Wait),
            false => Ok(()),
        }
    }

    /// The nodes that a pattern stands for.
    ///
    /// Refuses a path that is not in the supported model, and one that names a row that is not there; a search
    /// that finds nothing is no error.
    pub fn resolve(&self, pattern: &Pattern) -> Result<Vec<Node<'s>>, Stop> {
        self.resolve_for(pattern, None)
    }

    /// As [`View::resolve`], for somebody who may not read everything: a search about a parameter that may not be read
    /// finds nothing, and such a reference leads nowhere. The nodes themselves may still be ones not to be read.
    pub fn resolve_for(&self, pattern: &Pattern, may: MayRead<'_>) -> Result<Vec<Node<'s>>, Stop> {
        if pattern.steps().is_empty() {
            let mut roots = Vec::new();
            for object in self.model.roots() {
                roots.push(self.single(object, None)?);
            }
            return Ok(roots);
        }
        let mut found = Vec::new();
        let mut known = false;
        for object in self.model.roots() {
            let Some((Step::Name(name), rest)) = pattern.steps().split_first() else { break };
            if self.model.object(object)?.name() == &**name {
                known = true;
                let root = self.single(object, None)?;
                self.follow(root, rest, (pattern.kind(), may), &mut found)?;
            }
        }
        if known && (!found.is_empty() || (pattern.is_search() && self.in_schema(pattern)?)) {
            return Ok(found);
        }
        Err(Refusal::UnknownPath.into())
    }

    fn single(&self, object: usize, row: Option<Rc<Row<'s>>>) -> Result<Node<'s>, Stop> {
        let path = self.table_path(object, row.as_ref())?;
        let place = Place { object, row, path: path.into() };
        Ok(if self.model.object(object)?.is_table() { Node::Table(place) } else { Node::Object(place) })
    }

    fn follow(
        &self,
        from: Node<'s>,
        steps: &[Step],
        (kind, may): (Kind, MayRead<'_>),
        out: &mut Vec<Node<'s>>,
    ) -> Result<(), Stop> {
        let Some((step, rest)) = steps.split_first() else {
            if kind == Kind::Object {
                out.push(from);
            }
            return Ok(());
        };
        match (&from, step) {
            (Node::Object(place), Step::Name(name)) => {
                if rest.is_empty() && kind == Kind::Parameter {
                    let found = self.model.object(place.object)?.param(name);
                    if let Some((at, _)) = found.filter(|(_, param)| self.knows(param)) {
                        out.push(Node::Param(place.clone(), at));
                    }
                    return Ok(());
                }
                for child in self.model.children(place.object) {
                    if self.model.object(*child)?.name() == &**name && self.supported(*child)? {
                        self.follow(self.single(*child, place.row.clone())?, rest, (kind, may), out)?;
                    }
                }
                Ok(())
            }
            (Node::Table(place), step) if step.is_row() => {
                for row in self.rows(place.object, place.row.as_ref())?.iter() {
                    let wanted = match step {
                        Step::Number(number) => row.number == *number,
                        Step::All => true,
                        Step::Alias(alias) => self.alias(row)? == **alias,
                        Step::Search(expr) => self.matches_for(row, expr, may)?,
                        Step::Name(_) | Step::Follow { .. } => false,
                    };
                    if wanted {
                        self.follow(Node::Object(Place::of(row)), rest, (kind, may), out)?;
                    }
                }
                Ok(())
            }
            (Node::Object(place), Step::Follow { name, which }) => {
                for path in self.references(place, name, *which, may)? {
                    for node in self.target(&path)? {
                        self.follow(node, rest, (kind, may), out)?;
                    }
                }
                Ok(())
            }
            (Node::Table(_) | Node::Param(..) | Node::Object(_), _) => Ok(()),
        }
    }

    /// The path of the one row that a reference with a key instead of a number names.
    //= TR-369 R-ARC.11: a reference is taken with a key and read back with the number.
    pub fn keyed(&self, path: &str) -> Result<Option<String>, Stop> {
        let Ok(pattern) = Pattern::parse_reference(path) else { return Ok(None) };
        Ok(match self.resolve(&pattern)?.as_slice() {
            [Node::Object(place)] => Some(place.path.trim_end_matches('.').to_string()),
            _ => None,
        })
    }

    /// Whether the parameter is there for whom the snapshot was taken.
    pub fn knows(&self, param: &Param) -> bool {
        self.snapshot.audience.sees(param.flags.known)
    }

    /// The objects whose command or event a pattern names, with its name as the model writes it (`Reset()`, `Boot!`).
    ///
    /// Refuses one that is not in the supported model and a row that is not there; a search may find nothing.
    pub fn actions(&self, pattern: &Pattern) -> Result<(Vec<Place<'s>>, String), Stop> {
        let Some((owner, name)) = pattern.owner() else { return Err(Refusal::UnknownPath.into()) };
        let name = format!("{name}{}", pattern.kind().suffix());
        let found = self.resolve(&owner)?;
        let mut places = Vec::new();
        for node in found {
            let (Node::Object(place), object) = (&node, self.model.object(node.place().object)?) else {
                return Err(Refusal::UnknownPath.into());
            };
            let event = object.events.iter().any(|event| event.name == name);
            if !event && object.command(&name).is_none() {
                return Err(Refusal::UnknownPath.into());
            }
            places.push(place.clone());
        }
        Ok((places, name))
    }

    /// The alias of a row.
    pub fn alias(&self, row: &Row<'s>) -> Result<String, Stop> {
        let table = self.table_path(row.object, row.parent.as_ref())?;
        Ok(self.instances.borrow().alias(&table, &row.key, row.number))
    }

    /// Whether the schema has what the pattern names, whatever rows there are.
    pub fn in_schema(&self, pattern: &Pattern) -> Result<bool, Stop> {
        let mut objects: Vec<usize> = self.model.roots().collect();
        let (mut here, mut within_table) = (None, false);
        let last = pattern.steps().len().saturating_sub(1);
        for (at, step) in pattern.steps().iter().enumerate() {
            match step {
                Step::Name(name) => {
                    if at == last && pattern.kind() == Kind::Parameter {
                        let Some(object) = here else { return Ok(false) };
                        let found = self.model.object(object)?.param(name);
                        return Ok(!within_table && found.is_some_and(|(_, param)| self.knows(param)));
                    }
                    let next = objects
                        .iter()
                        .copied()
                        .find(|o| self.model.object(*o).is_ok_and(|o| o.name() == &**name));
                    let Some(next) = next else { return Ok(false) };
                    if within_table || !self.supported(next)? {
                        return Ok(false);
                    }
                    within_table = self.model.object(next)?.is_table();
                    objects = self.model.children(next).to_vec();
                    here = Some(next);
                }
                Step::Follow { name, .. } => {
                    let param = here.map(|object| self.model.object(object)).transpose()?;
                    let param = param.and_then(|object| object.param(name));
                    return Ok(!within_table && param.is_some_and(|(_, param)| self.knows(param)));
                }
                Step::Search(expr) if within_table => {
                    let Some(table) = here else { return Ok(false) };
                    if !self.sensible(table, expr)? {
                        return Ok(false);
                    }
                    within_table = false;
                }
                row if row.is_row() && within_table => within_table = false,
                Step::Number(_) | Step::All | Step::Alias(_) | Step::Search(_) => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The canonical text of a parameter.
    ///
    /// Hidden and secured ones read empty. A source that has no value now gives the line's `else`, and without one the empty
    /// value of the type: the empty text, 0, false, the unknown time.
    pub fn value(&self, place: &Place<'s>, at: usize) -> Result<Cow<'s, str>, Stop> {
        self.value_for(place, at, false)
    }

    /// As [`View::value`] for somebody who may see secured values.
    //= TR-369 11: hidden values read as the empty text, secured ones for whoever lacks the right to them.
    pub fn value_for(&self, place: &Place<'s>, at: usize, secured: bool) -> Result<Cow<'s, str>, Stop> {
        let param = self.param(place, at)?;
        if param.flags.hidden || (param.flags.secured && !secured) {
            return Ok(Cow::Borrowed(""));
        }
        let text = self.raw(place, param)?;
        Ok(self.since_reset(place, param, text))
    }

    /// A counter less what it was when it was reset; one that is below that has begun anew.
    fn since_reset(&self, place: &Place<'s>, param: &'s Param, text: Cow<'s, str>) -> Cow<'s, str> {
        // Nothing is looked up for what is no number.
        if !text.starts_with(|first: char| first.is_ascii_digit()) {
            return text;
        }
        let Some(Source::Ready(all)) = self.snapshot.peek(COUNTERS) else { return text };
        let was =
            all.get(&place.path).and_then(|counts| counts.str(param.name)).and_then(|was| was.parse().ok());
        match (was, text.parse::<u64>()) {
            (Some(was), Ok(is)) => Cow::Owned(is.checked_sub(was).unwrap_or(is).to_string()),
            _ => text,
        }
    }

    /// The numbers of an object as its sources have them, reset or not.
    pub fn counters(&self, place: &Place<'s>) -> Result<Counts, Stop> {
        let (mut out, mut wait) = (Vec::new(), false);
        for param in self.model.objects().get(place.object).map_or(&[][..], |object| object.params) {
            match self.raw(place, param) {
                Ok(text) => out.extend(text.parse().ok().map(|is| (param.name, is))),
                Err(Stop::Wait) => wait = true,
                Err(refused) => return Err(refused),
            }
        }
        if wait { Err(Stop::Wait) } else { Ok(out) }
    }

    /// As [`View::value`], hidden or not: for the check that a write took.
    pub(super) fn raw(&self, place: &Place<'s>, param: &'s Param) -> Result<Cow<'s, str>, Stop> {
        let text = self.unchecked(place, param)?;
        Ok(match text {
            Some(text) if param.syntax.is_plain(&text) => text,
            Some(text) => match param.syntax.check_read(&text) {
                Ok(canonical) if canonical == text => text,
                Ok(canonical) => Cow::Owned(canonical),
                Err(_) => Cow::Borrowed(empty(param)),
            },
            None => Cow::Borrowed(empty(param)),
        })
    }

    fn unchecked(&self, place: &Place<'s>, param: &'s Param) -> Result<Option<Cow<'s, str>>, Stop> {
        let here = At { view: self, object: place.object, row: place.row.as_ref() };
        let pending = place.row.as_ref().filter(|row| row.pending && row.object == place.object);
        match (&param.read, &param.write) {
            (How::Alias, _) => match &place.row {
                Some(row) => Ok(Some(Cow::Owned(self.alias(row)?))),
                None => Ok(None),
            },
            (How::Count(name), _) => Ok(Some(Cow::Owned(self.count(place, name)?.to_string()))),
            (How::Line(_) | How::Rust(_), _) if pending.is_some() => {
                Ok(pending.and_then(|row| row.item.str(param.name)).map(Cow::Borrowed))
            }
            (_, Write::Stored(line)) if here.unapplied(line)? => here.line(line),
            (How::Line(line), _) => here.line(line),
            (How::Rust(function), _) => function(&here),
        }
    }

    fn count(&self, place: &Place<'s>, name: &str) -> Result<usize, Stop> {
        for child in self.model.children(place.object) {
            let object = self.model.object(*child)?;
            if object.is_table() && object.name() == name && self.supported(*child)? {
                return Ok(self.rows(*child, place.row.as_ref())?.len());
            }
        }
        Ok(0)
    }

    /// The nodes right below an object or a table: its parameters first, then what lies below it.
    pub fn below(&self, node: &Node<'s>) -> Result<Vec<Node<'s>>, Stop> {
        self.right_below(node, true)
    }

    /// As [`View::below`] without the parameters.
    pub fn objects_below(&self, node: &Node<'s>) -> Result<Vec<Node<'s>>, Stop> {
        self.right_below(node, false)
    }

    fn right_below(&self, node: &Node<'s>, params: bool) -> Result<Vec<Node<'s>>, Stop> {
        let mut out = Vec::new();
        match node {
            Node::Param(..) => {}
            Node::Table(place) => {
                out.extend(
                    self.rows(place.object, place.row.as_ref())?
                        .iter()
                        .map(|row| Node::Object(Place::of(row))),
                );
            }
            Node::Object(place) => {
                if params {
                    let params = self.model.object(place.object)?.params;
                    let mine = params.iter().enumerate().filter(|(_, param)| self.knows(param));
                    out.extend(mine.map(|(at, _)| Node::Param(place.clone(), at)));
                }
                // All are asked, so that one pass finds every source that is missing.
                let mut wait = false;
                for child in self.model.children(place.object) {
                    match self.supported(*child) {
                        Ok(true) => out.push(self.single(*child, place.row.clone())?),
                        Ok(false) => {}
                        Err(Stop::Wait) => wait = true,
                        Err(refused) => return Err(refused),
                    }
                }
                if wait {
                    return Err(Stop::Wait);
                }
            }
        }
        Ok(out)
    }
}

impl<'s> Place<'s> {
    /// The place of a row.
    pub fn of(row: &Rc<Row<'s>>) -> Place<'s> {
        Place { object: row.object, row: Some(row.clone()), path: row.path.clone() }
    }
}

/// The value of a parameter whose source has none.
fn empty(param: &Param) -> &'static str {
    if param.syntax.lists > 0 {
        return "";
    }
    match param.syntax.base {
        Type::String | Type::Base64 | Type::HexBinary => "",
        Type::Boolean => "false",
        Type::Int | Type::UnsignedInt | Type::Long | Type::UnsignedLong | Type::Decimal => "0",
        Type::DateTime => crate::time::UNKNOWN,
    }
}

/// Gives the nodes of some subtrees, one at a time, depth first.
pub struct Cursor<'s> {
    stack: Vec<std::vec::IntoIter<Node<'s>>>,
    waited: bool,
    params: bool,
}

impl<'s> Cursor<'s> {
    /// A cursor over `nodes` and all that lies below them.
    pub fn new(nodes: Vec<Node<'s>>) -> Cursor<'s> {
        Cursor { stack: vec![nodes.into_iter()], waited: false, params: true }
    }

    /// As [`Cursor::new`], but of parameters only those in `nodes` themselves.
    pub fn of_objects(nodes: Vec<Node<'s>>) -> Cursor<'s> {
        Cursor { params: false, ..Cursor::new(nodes) }
    }

    /// The next node; `None` at the end. What lies below a table whose source is missing is passed over.
    pub fn next(&mut self, view: &View<'s>) -> Result<Option<Node<'s>>, Stop> {
        while let Some(level) = self.stack.last_mut() {
            let Some(node) = level.next() else {
                self.stack.pop();
                continue;
            };
            match view.right_below(&node, self.params) {
                Ok(below) if below.is_empty() => {}
                Ok(below) => self.stack.push(below.into_iter()),
                Err(Stop::Wait) => self.waited = true,
                Err(refused) => return Err(refused),
            }
            return Ok(Some(node));
        }
        Ok(None)
    }

    /// Whether something was passed over because a source was missing.
    pub fn waited(&self) -> bool {
        self.waited
    }
}
