//! The supported model: which objects and parameters there are and how each is mapped.
//!
//! `build.rs` turns the mapping files into static tables of these types; drop-ins are added at start. Reads are
//! [`super::view`]'s, writes [`super::write`]'s.

use super::assemble::above;
use super::error::Refusal;
use super::line::{Add, Each, Line, Run};
use super::path::Pattern;
use super::source::Stop;
use super::tree::Tree;
use super::value::Syntax;
use super::view::{At, View};
use super::write::Draft;
use crate::sorted::Map;
use std::borrow::Cow;

/// What a `rust` read gives: the value's text, nothing where the router has none now, or why it stopped.
pub type Value<'s> = Result<Option<Cow<'s, str>>, Stop>;
/// A `rust` read.
pub type ReadFn = for<'a, 's> fn(&'a At<'a, 's>) -> Value<'s>;
/// A `rust` write: adds to the draft what makes the parameter read as the canonical text given.
pub type WriteFn = for<'a, 'b, 's> fn(&'a At<'a, 's>, &'b str, &'b mut Draft) -> Result<(), Stop>;
/// A computed source: a tree made of others.
pub type DerivedFn = for<'a, 's> fn(&'a View<'s>) -> Result<Tree, Stop>;
/// A `rust` add: the edits that make row `number` (its key is found by reading the table again).
pub type AddFn = for<'a, 'b, 's> fn(&'a At<'a, 's>, u32, &'b mut Draft) -> Result<(), Stop>;
/// A `rust` command: adds what it changes and calls to the draft; its results.
pub type CommandFn =
    for<'a, 'b, 's> fn(&'a At<'a, 's>, &'b Arguments, &'b mut Draft) -> Result<Arguments, Stop>;
/// The arguments of a command or an event by their names; those of rows as `Result.1.Status`.
pub type Arguments = Map<String, String>;
/// A `rust` delete of the row it is called at.
pub type DeleteFn = for<'a, 'b, 's> fn(&'a At<'a, 's>, &'b mut Draft) -> Result<(), Stop>;

/// A conversion that the platform names, such as `span`; `back` is its inverse, where there is one.
#[derive(Clone, Copy)]
pub struct NamedPipe {
    /// Its name in mapping files.
    pub name: &'static str,
    /// Source's text to TR-181's; `None` for a text that means nothing.
    pub read: fn(&str) -> Option<String>,
    /// TR-181's text to the source's.
    pub back: Option<fn(&str) -> Option<String>>,
}

/// One parameter.
#[derive(Clone, Copy)]
pub struct Param {
    /// The standard's name.
    pub name: &'static str,
    /// Its type and what its values must keep to.
    pub syntax: Syntax,
    /// Flags of the standard that protocols ask for.
    pub flags: Flags,
    /// How it is read.
    pub read: How,
    /// How it is written, if it can be.
    pub write: Write,
    /// The written reason of a constant or of a read-only mapping of a writable parameter.
    pub reason: Option<&'static str>,
}

/// How a parameter is read.
#[derive(Clone, Copy)]
pub enum How {
    /// By its line.
    Line(&'static Line),
    /// By a function.
    Rust(ReadFn),
    /// The row's alias.
    Alias,
    /// How many rows the table below has, by its place among the model's objects' names.
    Count(&'static str),
}

/// How a parameter is written.
#[derive(Clone, Copy)]
pub enum Write {
    /// Not at all.
    No,
    /// By inverting the line it is read by.
    Same,
    /// By inverting another line, which is also read while a change is not yet applied.
    Stored(&'static Line),
    /// By a function.
    Rust(WriteFn),
    /// By carrying a command out.
    Run(Run),
    /// The row's alias.
    Alias,
}

/// Which protocols know an object or a parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Known {
    /// Every one.
    #[default]
    All,
    /// CWMP only.
    Cwmp,
    /// USP only.
    Usp,
}

/// For whom the model is read: another protocol's own objects and parameters are not there for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// Everybody: a person at the router.
    #[default]
    All,
    /// An ACS.
    Cwmp,
    /// A USP controller.
    Usp,
}

impl Audience {
    /// Whether what is `known` is there for it.
    pub fn sees(self, known: Known) -> bool {
        !matches!((self, known), (Audience::Cwmp, Known::Usp) | (Audience::Usp, Known::Cwmp))
    }
}

/// A command of USP.
#[derive(Clone, Copy)]
pub struct Command {
    /// Its name with `()`.
    pub name: &'static str,
    /// Whether its results come later, by a notice.
    pub asynchronous: bool,
    /// What it takes.
    pub inputs: &'static [Argument],
    /// The names of what it gives; rows as `Result.{i}.Status`.
    pub outputs: &'static [&'static str],
    /// What it does.
    pub run: Run,
    /// The function behind `rust …`.
    pub function: Option<CommandFn>,
}

/// An argument that goes in.
#[derive(Clone, Copy)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// Its type and limits.
    pub syntax: Syntax,
    /// Whether the command is refused without it.
    pub mandatory: bool,
    /// What it is when left out.
    pub assumed: Option<&'static str>,
}

/// An event of USP.
#[derive(Clone, Copy)]
pub struct EventDef {
    /// Its name with `!`.
    pub name: &'static str,
    /// The names of its arguments.
    pub arguments: &'static [&'static str],
}

/// Flags of the standard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Reads as an empty value, always.
    pub hidden: bool,
    /// Reads as an empty value except for whoever has the right to secured values.
    pub secured: bool,
    /// Writing it triggers an action.
    pub command: bool,
    /// Part of every Inform.
    pub forced_inform: bool,
    /// Who knows it.
    pub known: Known,
    /// A USP controller may write it only when it creates the row.
    pub once: bool,
    /// What the standard says of active notification.
    pub notify: Notify,
}

impl Flags {
    /// Whether it is a secret: hidden or secured.
    pub const fn is_secret(self) -> bool {
        self.hidden || self.secured
    }
}

/// What the standard says of active notification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notify {
    /// Nothing special.
    #[default]
    Normal,
    /// An active request may be refused, and is, because the value changes all the time.
    CanDeny,
    /// Always on; cannot be changed.
    Forced,
    /// On unless changed.
    OnByDefault,
}

/// One object: a single one, or a table when its path ends in `{i}.`.
#[derive(Clone, Copy)]
pub struct Object {
    /// Such as `Device.DHCPv4.Server.Pool.{i}.`.
    pub path: &'static str,
    /// How its rows come about, if it is a table.
    pub each: Option<&'static Each>,
    /// Whether it is there at all: a condition on what is installed and on the board.
    pub needs: Option<&'static (Line, bool, &'static str)>,
    /// How a row is made.
    pub add: Option<&'static Add>,
    /// The function behind `add = "rust …"`.
    pub add_fn: Option<AddFn>,
    /// How a row is deleted.
    pub delete: Delete,
    /// Its parameters, in the order of the mapping file.
    pub params: &'static [Param],
    /// Lower-case names with their lines.
    pub locals: &'static [(&'static str, Line)],
    /// Functional keys: each a comma list of parameters, unique among enabled rows.
    pub unique: &'static [&'static str],
    /// Keys that bind all rows and stay as a row was made with them, the Alias left out: each a comma list.
    pub keys: &'static [&'static str],
    /// The parameter that enables a row.
    pub enable: Option<&'static str>,
    /// A row that UCI cannot hold before these parameters (comma list) are set and it is enabled.
    pub pending: Option<&'static str>,
    /// Who knows it.
    pub known: Known,
    /// Its commands.
    pub commands: &'static [Command],
    /// Its events.
    pub events: &'static [EventDef],
    /// The file that maps it, for messages.
    pub file: &'static str,
}

/// How a row is deleted.
#[derive(Clone, Copy)]
pub enum Delete {
    /// Not at all.
    No,
    /// By removing the section it is bound to.
    Section,
    /// By a function.
    Rust(DeleteFn),
}

impl Object {
    /// An object that is there and no more: single, without parameters.
    pub const fn bare(path: &'static str, file: &'static str) -> Object {
        Object {
            path,
            each: None,
            needs: None,
            add: None,
            add_fn: None,
            delete: Delete::No,
            params: &[],
            locals: &[],
            unique: &[],
            keys: &[],
            enable: None,
            pending: None,
            known: Known::All,
            commands: &[],
            events: &[],
            file,
        }
    }

    /// Whether it is a table.
    pub fn is_table(&self) -> bool {
        self.path.ends_with("{i}.")
    }

    /// The parameter `name` and its place.
    pub fn param(&self, name: &str) -> Option<(usize, &'static Param)> {
        self.params.iter().enumerate().find(|(_, param)| param.name == name)
    }

    /// The command `name`, such as `Reset()`.
    pub fn command(&self, name: &str) -> Option<&'static Command> {
        self.commands.iter().find(|command| command.name == name)
    }

    /// The last name of its path, without `{i}`.
    pub fn name(&self) -> &'static str {
        let path = self.path.strip_suffix("{i}.").unwrap_or(self.path);
        let path = path.strip_suffix('.').unwrap_or(path);
        path.rsplit_once('.').map_or(path, |(_, name)| name)
    }
}

/// Whether an option of a section may hold a value: the source, the section's type, the option, the value.
pub type Allows = fn(&str, &str, &str, &Tree) -> Result<(), Refusal>;

/// The objects of a build and its drop-ins, with what the platform brings.
pub struct Model {
    /// What is asked before an option is written; a model by itself allows everything.
    pub allows: Allows,
    objects: Vec<Object>,
    children: Vec<Vec<usize>>,
    parents: Vec<Option<usize>>,
    by_path: Map<&'static str, usize>,
    pipes: &'static [NamedPipe],
    derived: &'static [(&'static str, DerivedFn)],
}

impl Model {
    /// A model of `objects`; every object's ancestors must be among them.
    ///
    /// Refuses an object without its parent and one that stands twice.
    pub fn new(
        mut objects: Vec<Object>,
        pipes: &'static [NamedPipe],
        derived: &'static [(&'static str, DerivedFn)],
    ) -> Result<Model, String> {
        objects.sort_by(|a, b| order(a.path).cmp(order(b.path)));
        let mut by_path = Map::new();
        for (at, object) in objects.iter().enumerate() {
            if by_path.insert(object.path, at).is_some() {
                return Err(format!("{} is mapped twice", object.path));
            }
        }
        let mut children = vec![Vec::new(); objects.len()];
        let mut parents = vec![None; objects.len()];
        for (at, object) in objects.iter().enumerate() {
            let Some(above) = above(object.path) else { continue };
            let Some(&parent) = by_path.get(above) else {
                return Err(format!("{} has no {above} above it", object.path));
            };
            if let (Some(list), Some(slot)) = (children.get_mut(parent), parents.get_mut(at)) {
                list.push(at);
                *slot = Some(parent);
            }
        }
        Ok(Model { allows: |_, _, _, _| Ok(()), objects, children, parents, by_path, pipes, derived })
    }

    /// Every object, in the order of their paths.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// The object at a place; places come from this model.
    pub fn object(&self, at: usize) -> Result<&Object, Stop> {
        self.objects.get(at).ok_or(Stop::Refused(Refusal::UnknownPath))
    }

    /// The place of the object with a schema path such as `Device.IP.Interface.{i}.`.
    pub fn find(&self, path: &str) -> Option<usize> {
        self.by_path.get(path).copied()
    }

    /// The parameter that a path names, whatever rows it means; `None` where it names none, or follows a reference.
    pub fn param_of(&self, path: &Pattern) -> Option<&'static Param> {
        let whole = path.schema_path()?;
        let bare = whole.strip_suffix(path.kind().suffix())?;
        let (object, name) = bare.split_at(bare.rfind('.')? + 1);
        self.object(self.find(object)?).ok()?.param(name).map(|(_, param)| param)
    }

    /// The places of the objects right below.
    pub fn children(&self, at: usize) -> &[usize] {
        self.children.get(at).map_or(&[], Vec::as_slice)
    }

    /// The place of the object right above.
    pub fn parent(&self, at: usize) -> Option<usize> {
        self.parents.get(at).copied().flatten()
    }

    /// The places of the objects without a parent: one per root.
    pub fn roots(&self) -> impl Iterator<Item = usize> {
        self.parents.iter().enumerate().filter(|(_, parent)| parent.is_none()).map(|(at, _)| at)
    }

    /// The platform's pipe of a name.
    pub fn pipe(&self, name: &str) -> Option<&'static NamedPipe> {
        self.pipes.iter().find(|pipe| pipe.name == name)
    }

    /// The function that computes a derived source.
    pub fn derived(&self, name: &str) -> Option<DerivedFn> {
        self.derived.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
    }
}

/// Paths sort by their names, a parent before what is below it.
fn order(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').filter(|name| !name.is_empty())
}
