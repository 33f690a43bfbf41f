//! Vendor extensions: mapping files read when the agent starts, merged into the objects of the build.
//!
//! Same reader and language as the shipped files, every source but `rust`, vendor names only, and every parameter
//! brings its type. A file with a mistake is left out as a whole and said why, with file and line; nothing that is
//! shipped can be changed by one. Reads no files: whoever does hands in their texts.

use super::assemble::{above, invertible};
use super::language::{self, Rhs};
use super::line::{Add, Each, Line, Piece, Pipe, Rows, Src, Step, Text};
use super::mapfile::{self, Entry, Table};
use super::named::Named;
use super::path::{Kind, Template};
use super::schema::{Delete, DerivedFn, Flags, How, NamedPipe, Object, Param, Write};
use super::value::{Choice, Limits, Range, Span, Syntax, Type};

/// Most files that are read.
pub const MAX_FILES: usize = 32;
/// Most parameters that all files together bring.
pub const MAX_PARAMS: usize = 2_000;

/// What the build has besides its objects.
#[derive(Clone, Copy)]
pub struct Platform {
    /// The named pipes.
    pub pipes: &'static [NamedPipe],
    /// The computed sources.
    pub derived: &'static [(&'static str, DerivedFn)],
}

/// The objects of the build with what `files` (name and text) add, and every mistake as `FILE:LINE: what`.
pub fn merge(
    objects: Vec<Object>,
    platform: Platform,
    files: &[(String, String)],
) -> (Vec<Object>, Vec<String>) {
    let (mut merged, mut mistakes) = (objects, Vec::new());
    let mut room = MAX_PARAMS;
    for (at, (name, text)) in files.iter().enumerate() {
        if at >= MAX_FILES {
            mistakes.push(format!("{name}:1: left out: more than {MAX_FILES} files"));
            continue;
        }
        let mut next = Merge { objects: merged.clone(), platform, room, mistakes: Vec::new() };
        match mapfile::tables(text) {
            Ok(tables) => tables.iter().for_each(|table| next.table(table)),
            Err(mistake) => next.mistakes.push((mistake.line, mistake.what)),
        }
        if next.mistakes.is_empty() {
            (merged, room) = (next.objects, next.room);
        }
        mistakes.extend(next.mistakes.into_iter().map(|(line, what)| format!("{name}:{line}: {what}")));
    }
    (merged, mistakes)
}

/// One file being merged.
struct Merge {
    objects: Vec<Object>,
    platform: Platform,
    room: usize,
    mistakes: Vec<(usize, String)>,
}

impl Merge {
    fn wrong(&mut self, line: usize, what: impl Into<String>) {
        self.mistakes.push((line, what.into()));
    }

    fn place(&self, path: &str) -> Option<usize> {
        self.objects.iter().position(|object| object.path == path)
    }

    fn table(&mut self, table: &Table) {
        let known = Template::parse(&table.path).is_ok_and(|path| path.kind() == Kind::Object);
        if !known {
            return self.wrong(table.line, format!("{} is no path of an object", table.path));
        }
        let mut object = match self.place(&table.path).and_then(|at| self.objects.get(at)) {
            Some(object) => *object,
            None => match self.fresh(table) {
                Ok(object) => object,
                Err(why) => return self.wrong(table.line, why),
            },
        };
        let is_new = self.place(&table.path).is_none();
        // Below an object of a vendor every name is the vendor's.
        let is_vendors = table.path.split('.').any(is_vendor);
        let (mut params, mut locals) = (object.params.to_vec(), object.locals.to_vec());
        for entry in &table.entries {
            let done = match entry.key.as_str() {
                "each" | "key" | "where" | "volatile" | "needs" | "add" | "delete" | "pending" if !is_new => {
                    Err("belongs to the object, which is shipped".into())
                }
                "each" => self.each(table, entry, &locals).map(|each| object.each = Some(kept(each))),
                "key" | "where" | "volatile" if table.entries.iter().any(|e| e.key == "each") => Ok(()),
                "needs" => language::condition(&entry.text).and_then(|needs| {
                    self.allowed(&needs.0, &table.path, &[])?;
                    object.needs = Some(kept(needs));
                    Ok(())
                }),
                "add" => match language::add(&entry.text) {
                    Ok(Add::Rust(_)) => Err("functions are not for drop-ins".into()),
                    Ok(add) => {
                        object.add = Some(kept(add));
                        Ok(())
                    }
                    Err(why) => Err(why),
                },
                "delete" if entry.text == "section" => {
                    object.delete = Delete::Section;
                    Ok(())
                }
                "delete" => Err("wanted: section".into()),
                "pending" => Err("is not for drop-ins".into()),
                local if local.starts_with(|c: char| c.is_ascii_lowercase()) => {
                    self.local(entry, &table.path, &locals).map(|line| locals.push((leak(local), line)))
                }
                name if params.iter().any(|param| param.name == name) => Err("exists already".into()),
                name if !is_vendors && !is_vendor(name) => {
                    Err("not a vendor's name: X_ACME_… with the vendor's OUI or domain".into())
                }
                name if !is_name(name) => Err("not the name of a parameter".into()),
                name if self.objects.iter().any(|object| object.path == format!("{}{name}.", table.path)) => {
                    Err("is an object already".into())
                }
                _ => self.param(entry, &table.path, &locals).map(|param| params.push(param)),
            };
            if let Err(why) = done {
                self.wrong(entry.line, format!("{}: {why}", entry.key));
            }
        }
        let is_table = object.is_table();
        if is_table != object.each.is_some() {
            self.wrong(table.line, if is_table { "a table wants `each`" } else { "only a table has `each`" });
        }
        if is_new && is_table {
            params.push(alias());
            self.count(&table.path);
        }
        let brought = params.len().saturating_sub(object.params.len());
        match self.room.checked_sub(brought) {
            Some(room) => self.room = room,
            None => self.wrong(table.line, format!("more than {MAX_PARAMS} parameters in drop-ins")),
        }
        (object.params, object.locals) = (params.leak(), locals.leak());
        match self.place(&table.path).and_then(|at| self.objects.get_mut(at)) {
            Some(old) => *old = object,
            None => self.objects.push(object),
        }
    }

    /// A new object below one that is there.
    fn fresh(&self, table: &Table) -> Result<Object, String> {
        let parent = above(&table.path).ok_or("a root cannot be added")?;
        let Some(at) = self.place(parent) else {
            return Err(format!("there is no {parent} to put it below"));
        };
        let own = table.path.strip_prefix(parent).unwrap_or_default();
        let own = own.trim_end_matches("{i}.").trim_end_matches('.');
        if !is_vendor(own) && !parent.split('.').any(is_vendor) {
            return Err(format!("{own} is not a vendor's name: X_ACME_… with the vendor's OUI or domain"));
        }
        let sibling = if table.path.ends_with("{i}.") {
            format!("{parent}{own}.")
        } else {
            format!("{parent}{own}.{{i}}.")
        };
        let is_param = self.objects.get(at).is_some_and(|object| object.param(own).is_some());
        if self.place(&sibling).is_some() || is_param {
            return Err(format!("{own} is something else already"));
        }
        Ok(Object::bare(leak(&table.path), "models.d"))
    }

    fn each(&self, table: &Table, entry: &Entry, locals: &[(&str, Line)]) -> Result<Each, String> {
        let text = |key: &str| table.entries.iter().find(|entry| entry.key == key).map(|e| e.text.as_str());
        let volatile = text("volatile") == Some("yes");
        let each = language::each(&entry.text, text("key"), text("where"), volatile)?;
        // The rows' own names are not there yet while rows are made; those of the objects above are.
        let above = above(&table.path).unwrap_or_default();
        let line = |source| Line { source, pipes: &[], otherwise: None };
        if let Rows::Items(source) = each.rows {
            self.allowed(&line(source), above, &[])?;
        }
        if let Some(key) = each.key {
            self.allowed_text(key, &table.path, locals)?;
        }
        if let Some((only, ..)) = &each.only {
            self.allowed(only, &table.path, locals)?;
        }
        Ok(each)
    }

    /// A name may use those that stand before it, so that none uses itself.
    fn local(&self, entry: &Entry, path: &str, locals: &[(&str, Line)]) -> Result<Line, String> {
        if locals.iter().any(|(known, _)| *known == entry.key) {
            return Err("is defined already".into());
        }
        let line = language::line(&entry.text)?;
        self.allowed(&line, path, locals)?;
        Ok(line)
    }

    fn param(&self, entry: &Entry, path: &str, locals: &[(&str, Line)]) -> Result<Param, String> {
        let rhs: Rhs = language::rhs(&entry.text)?;
        let Some((kind, writable)) = &rhs.brings else {
            return Err("wants a type: `| type string(32)`, with `rw` if it can be written".into());
        };
        let (syntax, hidden) = syntax(kind)?;
        self.allowed(&rhs.read, path, locals)?;
        if let Some(stored) = &rhs.stored {
            self.allowed(stored, path, locals)?;
        }
        if rhs.read_only {
            return Err("leave `rw` out instead of `ro`".into());
        }
        let write = match (writable, rhs.stored) {
            (false, None) => Write::No,
            (false, Some(_)) => return Err("`<-` wants `rw` in its type".into()),
            (true, Some(stored)) if invertible(&stored) => Write::Stored(kept(stored)),
            (true, None) if invertible(&rhs.read) => Write::Same,
            (true, _) => return Err("cannot be written: give `<- uci …` or leave `rw` out".into()),
        };
        Ok(Param {
            name: leak(&entry.key),
            syntax,
            flags: Flags { hidden, ..Flags::default() },
            read: How::Line(kept(rhs.read)),
            write,
            reason: rhs.reason.map(|reason| leak(&reason)),
        })
    }

    /// The parameter beside a new table that counts its rows.
    fn count(&mut self, path: &str) {
        let Some(parent) = above(path).and_then(|above| self.place(above)) else { return };
        let Some(object) = self.objects.get_mut(parent) else { return };
        let own = path.strip_prefix(object.path).unwrap_or_default();
        let own = leak(own.trim_end_matches("{i}.").trim_end_matches('.'));
        let count = Param {
            name: leak(&format!("{own}NumberOfEntries")),
            syntax: Syntax::plain(Type::UnsignedInt),
            flags: Flags::default(),
            read: How::Count(own),
            write: Write::No,
            reason: None,
        };
        if object.param(count.name).is_none() {
            let mut params = object.params.to_vec();
            params.push(count);
            object.params = params.leak();
        }
    }

    /// Refuses functions, and names that nothing stands for.
    fn allowed(&self, line: &Line, path: &str, locals: &[(&str, Line)]) -> Result<(), String> {
        for pipe in line.pipes {
            match pipe {
                Pipe::Named(name) if !self.platform.pipes.iter().any(|known| known.name == *name) => {
                    return Err(format!("{name} is no pipe"));
                }
                Pipe::Ref(tables) => {
                    let rows = |table: &&str| format!("{}.{{i}}.", table.trim_end_matches('.'));
                    let lost = tables.split('|').map(str::trim).filter(|table| !table.is_empty());
                    if let Some(lost) = lost.into_iter().find(|table| self.place(&rows(table)).is_none()) {
                        return Err(format!("there is no table {lost} to refer to"));
                    }
                }
                _ => {}
            }
        }
        self.allowed_source(&line.source, path, locals)
    }

    fn allowed_source(&self, source: &Src, path: &str, locals: &[(&str, Line)]) -> Result<(), String> {
        match source {
            Src::Rust(_) => Err("functions are not for drop-ins".into()),
            Src::Const(_) => Ok(()),
            Src::Option { option, .. } => self.allowed_text(option, path, locals),
            Src::Item { steps, .. } => self.allowed_steps(steps, path, locals),
            Src::Tree { key, steps } => {
                if let [Piece::Lit(key)] = key {
                    let derived = key.strip_prefix("derived:");
                    if derived
                        .is_some_and(|name| self.platform.derived.iter().all(|(known, _)| known != &name))
                    {
                        return Err(format!("there is no tree {}", derived.unwrap_or_default()));
                    }
                }
                self.allowed_text(key, path, locals)?;
                self.allowed_steps(steps, path, locals)
            }
            Src::Local { name, steps } => {
                let mut here = Some(path);
                let mut known = locals.iter().any(|(local, _)| local == name);
                while let Some(object) = here.filter(|_| !known) {
                    let object = self.place(object).and_then(|at| self.objects.get(at));
                    known = object.is_some_and(|object| object.locals.iter().any(|(local, _)| local == name));
                    here = here.and_then(above);
                }
                if !known {
                    return Err(format!("nothing before it in this table or above is called {name}"));
                }
                self.allowed_steps(steps, path, locals)
            }
        }
    }

    fn allowed_steps(&self, steps: &[Step], path: &str, locals: &[(&str, Line)]) -> Result<(), String> {
        steps.iter().try_for_each(|step| match step {
            Step::Key(text) | Step::Match(_, text) | Step::KindBy((_, _, text)) => {
                self.allowed_text(text, path, locals)
            }
            Step::Index(_) | Step::All | Step::Kind(..) => Ok(()),
        })
    }

    fn allowed_text(&self, text: Text, path: &str, locals: &[(&str, Line)]) -> Result<(), String> {
        text.iter().try_for_each(|piece| match piece {
            Piece::Lit(_) => Ok(()),
            Piece::Of(source) => self.allowed_source(source, path, locals),
        })
    }
}

/// The Alias that every row has.
//= TR-069 3.6.1: a row that can be addressed by it has an Alias of at most 64 characters.
fn alias() -> Param {
    const LIMITS: Limits = Limits { len: &[Span { min: 0, max: 64 }], ..Limits::NONE };
    Param {
        name: "Alias",
        syntax: Syntax { base: Type::String, lists: 0, named: Named::Alias, limits: &LIMITS },
        flags: Flags::default(),
        read: How::Alias,
        write: Write::Alias,
        reason: None,
    }
}

/// `string(32)`, `string(1:32)`, `unsignedInt(0:100)`, `string{On Off}`, `string(32)[]`, with `hidden` behind it
/// for what reads as empty.
fn syntax(text: &str) -> Result<(Syntax, bool), String> {
    let (text, hidden) = match text.strip_suffix(" hidden") {
        Some(text) => (text.trim(), true),
        None => (text, false),
    };
    let (text, lists) = match text.strip_suffix("[]") {
        Some(text) => (text, 1),
        None => (text, 0),
    };
    let end = text.find(['(', '{']).unwrap_or(text.len());
    let (name, limits) = text.split_at(end);
    let base = Type::from_name(name).ok_or_else(|| format!("{name:?} is no type"))?;
    let mut narrowed = Limits::NONE;
    if let Some(inside) = limits.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        let (min, max) =
            inside.split_once(':').unwrap_or((if base.is_number() { inside } else { "0" }, inside));
        let bad = || format!("({inside}) is neither a length nor a range");
        if base.is_number() {
            let (min, max) = (min.parse().map_err(|_| bad())?, max.parse().map_err(|_| bad())?);
            narrowed.range = vec![Range { min, max, step: 1 }].leak();
            if min > max {
                return Err(bad());
            }
        } else {
            let (min, max) = (min.parse().map_err(|_| bad())?, max.parse().map_err(|_| bad())?);
            narrowed.len = vec![Span { min, max }].leak();
            if min > max || !matches!(base, Type::String | Type::Base64 | Type::HexBinary) {
                return Err(bad());
            }
        }
    } else if let Some(inside) = limits.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let words = inside.split(' ').filter(|word| !word.is_empty());
        let choice = |word: &str| Choice { text: leak(word), read_only: false, optional: false };
        narrowed.choices = words.map(choice).collect::<Vec<_>>().leak();
        if base != Type::String || narrowed.choices.is_empty() {
            return Err("only a string has words to choose from".into());
        }
    } else if !limits.is_empty() {
        return Err(format!("{limits} is neither (…) nor {{…}}"));
    }
    let limits: &'static Limits = if narrowed == Limits::NONE { &Limits::NONE } else { kept(narrowed) };
    Ok((Syntax { base, lists, named: Named::None, limits }, hidden))
}

/// `X_` with six hexadecimal digits in upper case or a domain, `_` and a name.
//= TR-369 R-ARC.7: a vendor's names begin with X_ and the vendor's OUI or domain name, dots as hyphens.
fn is_vendor(name: &str) -> bool {
    let Some((vendor, own)) = name.strip_prefix("X_").and_then(|rest| rest.split_once('_')) else {
        return false;
    };
    let domain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    !vendor.is_empty() && vendor.chars().all(domain) && is_name(own)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn kept<T>(part: T) -> &'static T {
    Box::leak(Box::new(part))
}

fn leak(text: &str) -> &'static str {
    Box::leak(text.to_string().into_boxed_str())
}

/// Merges a file and reads a path from the same octets: neither may panic, whatever they are. For fuzzing.
#[doc(hidden)]
pub fn exercise(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    for line in text.lines() {
        let _ = super::path::Pattern::parse(line);
        let _ = Template::parse(line);
        if let Ok(path) = super::path::Path::parse(line) {
            assert_eq!(super::path::Path::parse(path.as_str()).as_ref(), Ok(&path));
        }
    }
    let root = Object::bare("Device.", "");
    let platform = Platform { pipes: &[], derived: &[] };
    let (objects, mistakes) = merge(vec![root], platform, &[("x".into(), text)]);
    assert!(mistakes.is_empty() || objects.len() == 1, "a wrong file adds nothing");
    assert!(super::schema::Model::new(objects, &[], &[]).is_ok());
}

#[cfg(test)]
#[path = "dropin_tests.rs"]
mod tests;
