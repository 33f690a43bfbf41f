//! GetSupportedDM: what objects, parameters, commands and events there can be, whatever rows there are.
//!
//! Of a path's object and all below it. What may not be read is as if it were not there.

use super::{Answer, Failed, each_path};
use crate::dm::acl::{Rights, Rwxn};
use crate::dm::error::Refusal;
use crate::dm::path::{Kind, Template};
use crate::dm::schema::{Delete, Notify, Object, Param, Write};
use crate::dm::source::Stop;
use crate::dm::value::Type;
use crate::dm::view::View;
use crate::usp::pb::get_supported_dm_resp::{
    CmdType, ObjAccessType, ParamAccessType, ParamValueType, ValueChangeType,
};
use crate::usp::pb::{self, header::MsgType};
use crate::usp::wire::Writer;

/// The data model that the supported one is a part of.
pub const MODEL_URI: &str = "urn:broadband-forum-org:tr-181-2-19-1";

/// Answers a GetSupportedDM. A path that is not supported has its error in its own result; refuses only what is too
/// long.
pub fn get_supported_dm(view: &View<'_>, ask: &pb::GetSupportedDm, rights: &Rights) -> Result<Answer, Stop> {
    let w = each_path(&ask.obj_paths, |path, w| one(view, path, ask, rights, w))?;
    Ok(Answer::written(MsgType::GetSupportedDmResp, 2, w))
}

/// What of an object is told.
#[derive(Clone, Copy)]
enum Part<'a> {
    /// That it is there.
    Nothing,
    /// What the request wants.
    Wanted,
    /// One parameter, command or event.
    Only(&'a str),
}

fn one(
    view: &View<'_>,
    path: &str,
    ask: &pb::GetSupportedDm,
    rights: &Rights,
    w: &mut Writer,
) -> Result<(), Failed> {
    let template = Template::parse_supported(path).map_err(|error| Failed::path(&error))?;
    let path = template.as_str();
    let mut walk = Walk { view, ask, rights, waits: false, shown: false, w };
    walk.w.text(4, MODEL_URI);
    if template.kind() == Kind::Object {
        //= TR-369 R-ARC.7: the last {i} of a path of the supported model may be left out.
        let found = view.model.find(path).or_else(|| view.model.find(&format!("{path}{{i}}.")));
        if let Some(object) = found {
            walk.all(object, Part::Wanted)?;
        }
    } else if let Some((owner, name)) = path.rsplit_once('.')
        && let Some(object) = view.model.find(&format!("{owner}."))
        && walk.has(object, name)?
    {
        walk.object(object, Part::Only(name))?;
    }
    let (waits, shown) = (walk.waits, walk.shown);
    match (waits, shown) {
        (true, _) => Err(Failed::Wait),
        (false, true) => Ok(()),
        (false, false) => Err(Stop::Refused(Refusal::UnknownPath).into()),
    }
}

struct Walk<'a, 's> {
    view: &'a View<'s>,
    ask: &'a pb::GetSupportedDm,
    rights: &'a Rights,
    /// A source is missing; the walk goes on to find the others.
    waits: bool,
    /// Something is supported that may be read.
    shown: bool,
    w: &'a mut Writer,
}

impl Walk<'_, '_> {
    fn all(&mut self, object: usize, part: Part<'_>) -> Result<(), Failed> {
        if !self.supported(object)? {
            return Ok(());
        }
        self.object(object, part)?;
        let below = match (part, self.ask.first_level_only) {
            (Part::Wanted, false) => Part::Wanted,
            // The children are named, and no more is told of them.
            (Part::Wanted, true) => Part::Nothing,
            (Part::Nothing | Part::Only(_), _) => return Ok(()),
        };
        for child in self.view.model.children(object) {
            self.all(*child, below)?;
        }
        Ok(())
    }

    /// Whether an object is there at all; one that waits for a source is not, yet.
    fn supported(&mut self, object: usize) -> Result<bool, Failed> {
        match self.view.supported(object) {
            Err(Stop::Wait) => {
                self.waits = true;
                Ok(false)
            }
            supported => Ok(supported?),
        }
    }

    /// Whether an object has that parameter, command or event, and who asks may read it.
    fn has(&mut self, object: usize, name: &str) -> Result<bool, Failed> {
        if !self.supported(object)? {
            return Ok(false);
        }
        let object = self.view.model.object(object)?;
        let param = object.param(name).is_some_and(|(_, param)| self.view.knows(param));
        let action = object.command(name).is_some() || object.events.iter().any(|event| event.name == name);
        Ok(param && self.reads_param(object, name) || action && self.reads_action(object, name))
    }

    //= TR-369 R-GSP.0: what may not be read is as if it were not in the supported model.
    fn object(&mut self, at: usize, part: Part<'_>) -> Result<(), Failed> {
        let object = self.view.model.object(at)?;
        if !self.rights.supported(object.path).object.has(Rwxn::R) {
            return Ok(());
        }
        self.shown = true;
        let open = self.w.open(5);
        self.w.text(1, object.path);
        self.w.number(2, object_access(object) as u64);
        self.w.number(3, object.is_table().into());
        // Which flags count, and which name alone is told; flags do not count beside a name.
        let (flags, only) = match part {
            Part::Nothing => ([false; 4], None),
            Part::Only(name) => ([true, true, true, false], Some(name)),
            Part::Wanted => {
                let ask = self.ask;
                let keys = ask.return_unique_key_sets;
                ([ask.return_commands, ask.return_events, ask.return_params, keys], None)
            }
        };
        let [commands, events, params, keys] = flags;
        let told = |name: &str| only.is_none_or(|only| only == name);
        for command in object.commands.iter().filter(|c| commands && told(c.name)) {
            if self.reads_action(object, command.name) {
                let open = self.w.open(4);
                self.w.text(1, command.name);
                command.inputs.iter().for_each(|input| self.w.item(2, input.name));
                command.outputs.iter().for_each(|output| self.w.item(3, output));
                let kind = if command.asynchronous { CmdType::CmdAsync } else { CmdType::CmdSync };
                self.w.number(4, kind as u64);
                self.w.close(open);
            }
        }
        for event in object.events.iter().filter(|e| events && told(e.name)) {
            if self.reads_action(object, event.name) {
                let open = self.w.open(5);
                self.w.text(1, event.name);
                event.arguments.iter().for_each(|argument| self.w.item(2, argument));
                self.w.close(open);
            }
        }
        for param in object.params.iter().filter(|p| params && told(p.name) && self.view.knows(p)) {
            if self.reads_param(object, param.name) {
                let open = self.w.open(6);
                self.w.text(1, param.name);
                self.w.number(2, param_access(param) as u64);
                self.w.number(3, value_type(param) as u64);
                self.w.number(4, value_change(param) as u64);
                self.w.close(open);
            }
        }
        for key in super::instances::keys(object).filter(|_| keys && object.is_table()) {
            let known = |name: &str| {
                object.param(name).is_some_and(|(_, param)| self.view.knows(param))
                    && self.reads_param(object, name)
            };
            if key.split(',').all(known) {
                let open = self.w.open(8);
                key.split(',').for_each(|name| self.w.item(1, name));
                self.w.close(open);
            }
        }
        self.w.close(open);
        Ok(())
    }

    fn reads_param(&self, object: &Object, name: &str) -> bool {
        self.rights.is_all() || self.rights.supported(&format!("{}{name}", object.path)).param.has(Rwxn::R)
    }

    fn reads_action(&self, object: &Object, name: &str) -> bool {
        self.rights.is_all() || self.rights.supported(&format!("{}{name}", object.path)).command.has(Rwxn::R)
    }
}

const fn object_access(object: &Object) -> ObjAccessType {
    let delete = !matches!(object.delete, Delete::No);
    match (object.add.is_some(), delete) {
        (true, true) => ObjAccessType::ObjAddDelete,
        (true, false) => ObjAccessType::ObjAddOnly,
        (false, true) => ObjAccessType::ObjDeleteOnly,
        (false, false) => ObjAccessType::ObjReadOnly,
    }
}

//= TR-369 R-KEY.1: what can be written once only, when the row is created, is shown as writable.
const fn param_access(param: &Param) -> ParamAccessType {
    match param.write {
        Write::No => ParamAccessType::ParamReadOnly,
        Write::Same | Write::Stored(_) | Write::Rust(_) | Write::Run(_) | Write::Alias => {
            ParamAccessType::ParamReadWrite
        }
    }
}

/// The base type; a list is a text on the wire.
const fn value_type(param: &Param) -> ParamValueType {
    if param.syntax.lists > 0 {
        return ParamValueType::ParamString;
    }
    match param.syntax.base {
        Type::String => ParamValueType::ParamString,
        Type::Boolean => ParamValueType::ParamBoolean,
        Type::Int => ParamValueType::ParamInt,
        Type::UnsignedInt => ParamValueType::ParamUnsignedInt,
        Type::Long => ParamValueType::ParamLong,
        Type::UnsignedLong => ParamValueType::ParamUnsignedLong,
        Type::Decimal => ParamValueType::ParamDecimal,
        Type::DateTime => ParamValueType::ParamDateTime,
        Type::Base64 => ParamValueType::ParamBase64,
        Type::HexBinary => ParamValueType::ParamHexBinary,
    }
}

//= TR-369 12: a value that changes all the time is not told when it does.
const fn value_change(param: &Param) -> ValueChangeType {
    match param.flags.notify {
        Notify::CanDeny => ValueChangeType::ValueChangeWillIgnore,
        Notify::Normal | Notify::Forced | Notify::OnByDefault => ValueChangeType::ValueChangeAllowed,
    }
}

#[cfg(test)]
#[path = "supported_tests.rs"]
mod tests;
