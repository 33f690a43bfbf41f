//! What Add, Set and Delete share: objects a path stands for, values of one object, and how a failure is told.
//!
//! Every object is planned for itself and taken back as a whole if it fails; whether that fails the message is the
//! message's business.

use super::{Answer, resolve};
use crate::dm::acl::{Rights, Rwxn};
use crate::dm::error::Refusal;
use crate::dm::path::{Kind, Pattern};
use crate::dm::read::Node;
use crate::dm::source::Stop;
use crate::dm::undo::Mark;
use crate::dm::view::View;
use crate::dm::write::{NoPlan, Planner, Wish};
use crate::sorted::Map;
use crate::usp::error::{self, Asked, Fault};

/// Most objects that one message may add, set or delete.
pub const MAX_OBJECTS: usize = 1_000;

/// What a message that changes something came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The planner holds the changes; this is the answer once they are made.
    Done(Answer),
    /// Nothing is changed: an Error with what is wrong with which path.
    Refused(Fault, Vec<(String, Fault)>),
}

/// Sources are missing: supply what the planner wants and ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits;

/// One value of an object, as it was asked for.
#[derive(Clone, Debug)]
pub struct Setting<'a> {
    /// The parameter, by its name in the object or one below it (`WebSocket.Port`).
    pub param: &'a str,
    /// The value.
    pub value: &'a str,
    /// Whether the object fails with it.
    pub required: bool,
}

/// Which parameters of one object were written, with their values as they read now, and which could not be.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// By their names in the object; without those that the controller may not read.
    pub params: Map<String, String>,
    /// What was not written, and why.
    pub failed: Vec<(String, Fault)>,
}

/// The objects or tables that a path stands for; an outer error is for the whole path.
pub struct Found {
    /// Their paths, with dot.
    pub paths: Vec<String>,
    /// Whether any number would do.
    pub is_search: bool,
}

/// Finds what a path stands for, as far as the controller may see it.
///
/// 7008 for a text that is no path of an object, 7026 for one that is not in the supported model, 7016 for an object
/// that is not there.
//= TR-369 R-GET.1: what may not be read is as if it were not there.
//= TR-369 R-MSG.4a: a search that finds nothing is no error.
pub fn find(
    planner: &mut Planner<'_>,
    rights: &Rights,
    path: &str,
    wanted: fn(&Node<'_>) -> Result<(), u32>,
) -> Result<Result<Found, Fault>, Waits> {
    let pattern = match Pattern::parse(path) {
        Ok(pattern) if pattern.kind() == Kind::Object && !path.is_empty() => pattern,
        Ok(_) => return Ok(Err(Fault::new(error::INVALID_PATH_SYNTAX, "wanted the path of an object"))),
        Err(why) => return Ok(Err(Fault::new(error::INVALID_PATH_SYNTAX, &why.to_string()))),
    };
    let is_search = pattern.is_search();
    let found = planner.look(|view| {
        if !view.in_schema(&pattern)? {
            return Ok(Err(Fault::new(error::INVALID_PATH, path)));
        }
        let nodes = match resolve(view, rights, &pattern) {
            Ok(nodes) => nodes,
            Err(Stop::Refused(Refusal::UnknownPath)) => Vec::new(),
            Err(stop) => return Err(stop),
        };
        let mut paths = Vec::new();
        for node in nodes {
            let found = node.path(view)?;
            // Of what may not be seen not even its kind is told.
            if !rights.at(view, &found)?.object.has(Rwxn::R) {
                continue;
            }
            if let Err(code) = wanted(&node) {
                return Ok(Err(Fault::new(code, path)));
            }
            paths.push(found);
        }
        match paths.is_empty() && !is_search {
            true => Ok(Err(Fault::new(error::OBJECT_DOES_NOT_EXIST, path))),
            false if paths.len() > MAX_OBJECTS => Ok(Err(Fault::new(error::RESOURCES_EXCEEDED, path))),
            false => Ok(Ok(Found { paths, is_search })),
        }
    });
    match found {
        Ok(found) => Ok(found),
        Err(Stop::Wait) => Err(Waits),
        Err(Stop::Refused(why)) => Ok(Err(Fault::of(&why, Asked::Read))),
    }
}

/// Writes the values of one object: all that can be. If one that is required cannot, nothing is changed and what
/// failed is given.
//= TR-369 R-SET.2: a required parameter that fails, fails the object.
pub fn write(
    planner: &mut Planner<'_>,
    rights: &Rights,
    object: &str,
    settings: &[Setting<'_>],
    asked: Asked,
) -> Result<Result<Written, Vec<(String, Fault)>>, Waits> {
    let mut left: Vec<&Setting<'_>> = Vec::new();
    let mut failed: Vec<(String, Fault)> = Vec::new();
    for setting in settings {
        match granted(planner, rights, object, setting, asked)? {
            Ok(()) => left.push(setting),
            Err(fault) => failed.push((setting.param.to_string(), fault)),
        }
    }
    let start = planner.mark();
    while !left.is_empty() {
        let before = planner.mark();
        let wishes: Vec<Wish> = left
            .iter()
            .map(|setting| Wish {
                path: format!("{object}{}", setting.param),
                value: setting.value.to_string(),
                said: None,
            })
            .collect();
        let errors = match planner.set(&wishes) {
            Ok(()) => break,
            Err(NoPlan::Wait) => return Err(Waits),
            Err(NoPlan::Refused(errors)) => errors,
        };
        planner.undo(before);
        let count = left.len();
        left.retain(|setting| {
            let path = format!("{object}{}", setting.param);
            let Some(error) = errors.iter().find(|error| error.path == path) else { return true };
            failed.push((setting.param.to_string(), Fault::of(&error.why, asked)));
            false
        });
        if left.len() == count {
            // None is named, so that all have failed together.
            let fault = errors
                .first()
                .map_or_else(|| Fault::new(error::INTERNAL_ERROR, ""), |error| Fault::of(&error.why, asked));
            failed.extend(left.drain(..).map(|setting| (setting.param.to_string(), fault.clone())));
        }
    }
    let fails = |name: &String| settings.iter().any(|setting| setting.param == name && setting.required);
    if failed.iter().any(|(name, _)| fails(name)) {
        planner.undo(start);
        return Ok(Err(failed));
    }
    let names: Vec<&str> = left.iter().map(|setting| setting.param).collect();
    match planner.look(|view| names.iter().map(|name| shown(view, rights, object, name)).collect()) {
        Ok(values) => {
            let values: Vec<Option<(String, String)>> = values;
            Ok(Ok(Written { params: values.into_iter().flatten().collect(), failed }))
        }
        Err(Stop::Wait) => Err(Waits),
        Err(Stop::Refused(why)) => {
            planner.undo(start);
            Ok(Err(vec![(names.join(","), Fault::of(&why, asked))]))
        }
    }
}

/// Whether the controller may write the parameter.
//= TR-369 R-SEC.1: permissions are asked before anything is done.
fn granted(
    planner: &mut Planner<'_>,
    rights: &Rights,
    object: &str,
    setting: &Setting<'_>,
    asked: Asked,
) -> Result<Result<(), Fault>, Waits> {
    let path = format!("{object}{}", setting.param);
    if rights.is_all() {
        return Ok(Ok(()));
    }
    match planner.look(|view| rights.at(view, &path)) {
        Ok(grant) if grant.param.has(Rwxn::W) => Ok(Ok(())),
        Ok(grant) if grant.param.has(Rwxn::R) => Ok(Err(Fault::new(error::PERMISSION_DENIED, &path))),
        //= TR-369 R-GET.1: what may not be read is as if it were not there.
        Ok(_) => Ok(Err(Fault::new(error::UNSUPPORTED_PARAMETER, &path))),
        Err(Stop::Wait) => Err(Waits),
        Err(Stop::Refused(why)) => Ok(Err(Fault::of(&why, asked))),
    }
}

/// A parameter that was written, as it reads now; nothing if the controller may not read it.
//= TR-369 R-SET.3: what the controller cannot read is left out of updated_params.
fn shown(
    view: &View<'_>,
    rights: &Rights,
    object: &str,
    name: &str,
) -> Result<Option<(String, String)>, Stop> {
    let path = format!("{object}{name}");
    if !rights.at(view, &path)?.param.has(Rwxn::R) {
        return Ok(None);
    }
    let pattern = Pattern::parse(&path).map_err(|_| Refusal::UnknownPath)?;
    match view.resolve(&pattern)?.first() {
        Some(Node::Param(place, at)) => Ok(Some((name.to_string(), view.value(place, *at)?.into_owned()))),
        _ => Ok(None),
    }
}

/// What failed in one object, as the outer code of an Error: that of the only cause, else that of a required parameter.
pub fn outer(failed: &[(String, Fault)]) -> Fault {
    match failed {
        [(_, fault)] => fault.clone(),
        [(name, _), ..] => Fault::new(error::REQUIRED_PARAMETER_FAILED, name),
        [] => Fault::new(error::REQUEST_DENIED, ""),
    }
}

/// The same with full paths, for an Error.
pub fn full(object: &str, failed: &[(String, Fault)]) -> Vec<(String, Fault)> {
    failed.iter().map(|(name, fault)| (format!("{object}{name}"), fault.clone())).collect()
}

/// Takes a message back: an Error of the first failure, with everything that is known to have failed.
pub fn refuse(planner: &mut Planner<'_>, start: Mark, failed: Vec<(String, Fault)>, first: Fault) -> Outcome {
    planner.undo(start);
    Outcome::Refused(first, failed)
}
