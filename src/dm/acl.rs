//! Who may do what to which part of the model: roles made of rules, rules made of paths and letters.
//!
//! Decides about one path at a time, live ([`Rights::at`]) or of the supported model ([`Rights::supported`]). Which
//! letter of which kind a request needs, and what a refusal looks like, is the protocol's business; which roles a
//! manager has is the agent's.

use super::error::Refusal;
use super::path::{Kind, ParseError, Path, Pattern, Step};
use super::read::Node;
use super::source::Stop;
use super::view::{Row, View};
use std::fmt;
use std::ops::{BitAnd, BitOr};
use std::rc::Rc;

/// Some of the letters `r`, `w`, `x` and `n`: read, write, execute, be notified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rwxn(u8);

impl Rwxn {
    /// None of them.
    pub const NONE: Rwxn = Rwxn(0);
    /// All of them.
    pub const ALL: Rwxn = Rwxn(0b1111);
    /// Reading.
    pub const R: Rwxn = Rwxn(0b1000);
    /// Writing, creating, deleting.
    pub const W: Rwxn = Rwxn(0b0100);
    /// Executing.
    pub const X: Rwxn = Rwxn(0b0010);
    /// Being notified.
    pub const N: Rwxn = Rwxn(0b0001);

    const LETTERS: [(char, Rwxn); 4] = [('r', Rwxn::R), ('w', Rwxn::W), ('x', Rwxn::X), ('n', Rwxn::N)];

    /// Reads `rwxn` with `-` in the place of each letter that is not meant, such as `r--n`; `None` for other texts.
    //= TR-369 17: Role.{i}.Permission.{i}: four characters, - for what is not given.
    pub fn parse(text: &str) -> Option<Rwxn> {
        let mut set = Rwxn::NONE;
        let mut chars = text.chars();
        for (letter, flag) in Rwxn::LETTERS {
            match chars.next()? {
                '-' => {}
                c if c == letter => set = set | flag,
                _ => return None,
            }
        }
        chars.next().is_none().then_some(set)
    }

    /// Whether every letter of `other` is in it.
    pub const fn has(self, other: Rwxn) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Display for Rwxn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (letter, flag) in Rwxn::LETTERS {
            write!(f, "{}", if self.has(flag) { letter } else { '-' })?;
        }
        Ok(())
    }
}

impl BitOr for Rwxn {
    type Output = Rwxn;

    fn bitor(self, other: Rwxn) -> Rwxn {
        Rwxn(self.0 | other.0)
    }
}

impl BitAnd for Rwxn {
    type Output = Rwxn;

    fn bitand(self, other: Rwxn) -> Rwxn {
        Rwxn(self.0 & other.0)
    }
}

/// What is given of each kind of element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Parameters: their values.
    pub param: Rwxn,
    /// Objects: `w` adds a row to a table, `n` tells of new rows.
    pub object: Rwxn,
    /// Rows: `w` deletes one, `n` tells of its deletion.
    pub instance: Rwxn,
    /// Commands and events.
    pub command: Rwxn,
}

impl Grant {
    /// Nothing.
    pub const NONE: Grant = Grant::each(Rwxn::NONE);
    /// Everything.
    pub const ALL: Grant = Grant::each(Rwxn::ALL);

    /// The same of every kind.
    pub const fn each(set: Rwxn) -> Grant {
        Grant { param: set, object: set, instance: set, command: set }
    }

    fn with(self, other: Grant, join: impl Fn(Rwxn, Rwxn) -> Rwxn) -> Grant {
        Grant {
            param: join(self.param, other.param),
            object: join(self.object, other.object),
            instance: join(self.instance, other.instance),
            command: join(self.command, other.command),
        }
    }
}

/// Reads a rule's target: an object with all that is below it, a row, a parameter, a command or an event; rows also
/// as `*` or by a search, and an object also without its closing dot.
pub fn target(text: &str) -> Result<Pattern, ParseError> {
    if text.contains('.') { Pattern::parse_reference(text) } else { Pattern::parse(&format!("{text}.")) }
}

/// Whether one of some targets covers a live path, as [`Rule::targets`] do.
pub fn covers(view: &View<'_>, targets: &[Pattern], path: &str) -> Result<bool, Stop> {
    let asked = Asked::new(path);
    any_covers(view, targets, &asked)
}

/// What one entry of a role gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The rule with the largest one decides.
    pub order: u32,
    /// What it is about, as [`target`] reads it.
    pub targets: Vec<Pattern>,
    /// What it gives.
    pub grant: Grant,
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its rules, in any order; only those that are enabled.
    pub rules: Vec<Rule>,
    /// Whether it shows the values of secured parameters.
    pub secured: bool,
}

/// What a manager may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// `None` where everything is allowed.
    roles: Option<Vec<Role>>,
    secured: bool,
}

impl Rights {
    /// Everything; asking costs nothing.
    pub const fn all() -> Rights {
        Rights { roles: None, secured: true }
    }

    /// What the roles give together; nothing if there is none.
    pub fn of(mut roles: Vec<Role>) -> Rights {
        for role in &mut roles {
            role.rules.sort_by_key(|rule| std::cmp::Reverse(rule.order));
        }
        let secured = roles.iter().any(|role| role.secured);
        // A role without limits makes the others say nothing.
        let roles = (!roles.iter().any(Role::is_unlimited)).then_some(roles);
        Rights { roles, secured }
    }

    /// Whether everything is allowed, whatever is shown of secured values.
    pub const fn is_all(&self) -> bool {
        self.roles.is_none()
    }

    /// Whether the values of secured parameters are shown.
    //= TR-369 17: SecuredRoles: only these see secured values, everyone else reads them as empty.
    pub const fn sees_secured(&self) -> bool {
        self.secured
    }

    /// What is allowed on a live path: of an object (with its dot), a parameter, a command `X()` or an event `X!`.
    ///
    /// Stops where a search or a followed reference of a target waits for a source. A role with a target that
    /// cannot be decided (a source failed, the search makes no sense) gives nothing.
    //= TR-369 17: roles: the results of all roles of a Controller are joined.
    pub fn at(&self, view: &View<'_>, path: &str) -> Result<Grant, Stop> {
        let Some(roles) = &self.roles else { return Ok(Grant::ALL) };
        let asked = Asked::new(path);
        let mut out = Grant::NONE;
        for role in roles {
            out = out.with(role.at(view, &asked)?, Rwxn::bitor);
        }
        Ok(out)
    }

    /// What is allowed on an object (a live path with its dot) and on all that is right in it, if no target tells
    /// its parameters, commands and events apart; `None` if one does, and each must be asked for.
    pub fn alike(&self, view: &View<'_>, object: &str) -> Result<Option<Grant>, Stop> {
        if let Some(roles) = &self.roles {
            let asked = Asked::new(object);
            let targets = || roles.iter().flat_map(|role| &role.rules).flat_map(|rule| &rule.targets);
            if targets().any(|target| asked.is_parted_by(target)) {
                return Ok(None);
            }
        }
        self.at(view, object).map(Some)
    }

    /// What is allowed on some node of the supported model (a path with `{i}`): all that is on any row there may be.
    ///
    /// Targets that follow references count for live paths only.
    pub fn supported(&self, schema_path: &str) -> Grant {
        let Some(roles) = &self.roles else { return Grant::ALL };
        let asked = Asked::new(schema_path);
        roles.iter().fold(Grant::NONE, |out, role| out.with(role.supported(&asked), Rwxn::bitor))
    }
}

impl Role {
    /// Whether its first rule gives everything, and so all there is.
    fn is_unlimited(&self) -> bool {
        let whole = |target: &Pattern| target.kind() == Kind::Object && target.steps().len() <= 1;
        let mut top =
            self.rules.iter().take_while(|rule| Some(rule.order) == self.rules.first().map(|r| r.order));
        !self.rules.is_empty() && top.all(|rule| rule.grant == Grant::ALL && rule.targets.iter().any(whole))
    }

    /// What the role gives on a path.
    //= TR-369 17: roles: within a role the entry of the largest Order that covers the element decides alone.
    fn at(&self, view: &View<'_>, asked: &Asked<'_>) -> Result<Grant, Stop> {
        let mut decided: Option<(u32, Grant)> = None;
        for rule in &self.rules {
            if let Some((order, grant)) = decided
                && order != rule.order
            {
                return Ok(grant);
            }
            match rule.covers(view, asked) {
                Ok(false) => {}
                // Two of the same order should not be; both must agree then.
                Ok(true) => {
                    let before = decided.map_or(Grant::ALL, |(_, grant)| grant);
                    decided = Some((rule.order, before.with(rule.grant, Rwxn::bitand)));
                }
                Err(Stop::Wait) => return Err(Stop::Wait),
                Err(Stop::Refused(_)) => return Ok(Grant::NONE),
            }
        }
        Ok(decided.map_or(Grant::NONE, |(_, grant)| grant))
    }

    fn supported(&self, asked: &Asked<'_>) -> Grant {
        let mut maybe = Grant::NONE;
        let mut decided: Option<(u32, Grant)> = None;
        for rule in &self.rules {
            if decided.is_some_and(|(order, _)| order != rule.order) {
                break;
            }
            match rule.targets.iter().map(|target| asked.fit(target)).max() {
                None | Some(Fit::No) => {}
                Some(Fit::Ask) => maybe = maybe.with(rule.grant, Rwxn::bitor),
                Some(Fit::Yes) => {
                    let before = decided.map_or(Grant::ALL, |(_, grant)| grant);
                    decided = Some((rule.order, before.with(rule.grant, Rwxn::bitand)));
                }
            }
        }
        decided.map_or(maybe, |(_, grant)| maybe.with(grant, Rwxn::bitor))
    }
}

impl Rule {
    fn covers(&self, view: &View<'_>, asked: &Asked<'_>) -> Result<bool, Stop> {
        any_covers(view, &self.targets, asked)
    }
}

fn any_covers(view: &View<'_>, targets: &[Pattern], asked: &Asked<'_>) -> Result<bool, Stop> {
    for target in targets {
        let covers = match asked.fit(target) {
            Fit::Yes => true,
            Fit::Ask => asked.searched(view, target)?,
            Fit::No => follows(target) && asked.followed(view, target)?,
        };
        if covers {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a target covers a path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    No,
    /// It depends on the row.
    Ask,
    Yes,
}

/// A path that somebody asks about, in its parts.
struct Asked<'a> {
    text: &'a str,
    kind: Kind,
    parts: Vec<&'a str>,
}

impl<'a> Asked<'a> {
    fn new(text: &'a str) -> Asked<'a> {
        let kind = Kind::of(text);
        let bare = text.strip_suffix(kind.suffix()).unwrap_or(text);
        Asked { text, kind, parts: bare.split('.').collect() }
    }

    /// How a target covers it, as far as the paths tell.
    //= TR-369 17: Targets: a partial path stands for the object and everything below it.
    fn fit(&self, target: &Pattern) -> Fit {
        let steps = target.steps();
        let ends = match steps.len().cmp(&self.parts.len()) {
            std::cmp::Ordering::Greater => false,
            // Only an object has something below it, with its dot or without.
            std::cmp::Ordering::Less => matches!(target.kind(), Kind::Object | Kind::Parameter),
            std::cmp::Ordering::Equal => {
                target.kind() == self.kind || (target.kind() == Kind::Parameter && self.kind == Kind::Object)
            }
        };
        if !ends {
            return Fit::No;
        }
        let parts = steps.iter().zip(&self.parts).map(|(step, part)| fit(step, part));
        parts.min().unwrap_or(Fit::Yes)
    }

    /// Whether a target may say something of only some of the members of this object.
    fn is_parted_by(&self, target: &Pattern) -> bool {
        let steps = target.steps();
        follows(target)
            || target.kind() != Kind::Object
                && steps.len() == self.parts.len() + 1
                && steps.iter().zip(&self.parts).all(|(step, part)| fit(step, part) != Fit::No)
    }

    /// Whether the rows on the way are those that a target's searches and aliases mean.
    fn searched(&self, view: &View<'_>, target: &Pattern) -> Result<bool, Stop> {
        let mut end = 0;
        for (step, part) in target.steps().iter().zip(&self.parts) {
            end += part.len() + 1;
            if !matches!(step, Step::Alias(_) | Step::Search(_)) {
                continue;
            }
            // A row that is not there any more is none that a search finds.
            let path = self.text.get(..end).unwrap_or_default();
            let Some(row) = row(view, path)? else { return Ok(false) };
            let wanted = match step {
                Step::Alias(alias) => view.alias(&row)? == **alias,
                Step::Search(expr) => view.matches(&row, expr)?,
                Step::Name(_) | Step::Number(_) | Step::All | Step::Follow { .. } => true,
            };
            if !wanted {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether one of the nodes that a target leads to by references covers it.
    fn followed(&self, view: &View<'_>, target: &Pattern) -> Result<bool, Stop> {
        for target in [Some(target.clone()), target.without_dot()].into_iter().flatten() {
            let nodes = match view.resolve(&target) {
                Ok(nodes) => nodes,
                Err(Stop::Refused(Refusal::UnknownPath)) => continue,
                Err(stop) => return Err(stop),
            };
            for node in nodes {
                let path = node.path(view)?;
                if path == self.text || (path.ends_with('.') && self.text.starts_with(&path)) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// Whether a target goes through references.
fn follows(target: &Pattern) -> bool {
    target.steps().iter().any(|step| matches!(step, Step::Follow { .. }))
}

/// Whether a step of a target stands for a part of a path; `{i}` is any row.
fn fit(step: &Step, part: &str) -> Fit {
    let slot = part == "{i}";
    let row = slot || part.starts_with(|c: char| c.is_ascii_digit());
    match step {
        Step::Name(name) if **name == *part => Fit::Yes,
        Step::All if row => Fit::Yes,
        Step::Number(_) | Step::Alias(_) | Step::Search(_) if slot => Fit::Ask,
        Step::Number(number) if part.parse() == Ok(*number) => Fit::Yes,
        Step::Alias(_) | Step::Search(_) if row => Fit::Ask,
        Step::Name(_) | Step::All | Step::Number(_) | Step::Alias(_) | Step::Search(_) => Fit::No,
        Step::Follow { .. } => Fit::No,
    }
}

/// The row at a live path with its dot; `None` where it is not there.
fn row<'s>(view: &View<'s>, path: &str) -> Result<Option<Rc<Row<'s>>>, Stop> {
    let Ok(path) = Path::parse(path) else { return Ok(None) };
    match view.resolve(&Pattern::from(&path)) {
        Ok(nodes) => Ok(nodes.into_iter().next().and_then(|node| match node {
            Node::Object(place) => place.row,
            Node::Table(_) | Node::Param(..) => None,
        })),
        Err(Stop::Refused(Refusal::UnknownPath)) => Ok(None),
        Err(stop) => Err(stop),
    }
}

#[cfg(test)]
#[path = "acl_tests.rs"]
mod tests;
