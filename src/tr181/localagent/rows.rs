//! Device.LocalAgent.Subscription.{i}. and Threshold.{i}.: rows that controllers make for themselves, kept by the agent.

use crate::dm::assignment;
use crate::dm::error::Refusal;
use crate::dm::path::{self, Kind, Pattern};
use crate::dm::schema::{Param, Value, Write};
use crate::dm::source::Stop;
use crate::dm::value::Type;
use crate::dm::view::{At, KEPT};
use crate::dm::write::Draft;
use crate::time::UNKNOWN;
use std::borrow::Cow;

/// The most subscriptions, of all controllers together.
pub const MAX_SUBSCRIPTIONS: usize = 128;
/// The most thresholds, of all controllers together.
pub const MAX_THRESHOLDS: usize = 64;
/// The type of sections that hold subscriptions.
pub const SUBSCRIPTION: &str = "subscription";
/// The type of sections that hold thresholds.
pub const THRESHOLD: &str = "threshold";

/// The bound of the table of subscriptions.
pub fn most_subscriptions<'s>(_: &At<'_, 's>) -> Value<'s> {
    Ok(Some(Cow::Owned(MAX_SUBSCRIPTIONS.to_string())))
}

/// Makes a subscription of the controller that asks for it.
//= TR-369 12: Recipient and CreationDate are set by the agent; the recipient is who made it.
pub fn add_subscription(at: &At<'_, '_>, number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let now = at.view.snapshot.now.wall.map_or_else(|| UNKNOWN.to_string(), |now| now.to_string());
    let options = [("ID", format!("cpe-{number}")), ("CreationDate", now)];
    add(at, draft, (SUBSCRIPTION, number, MAX_SUBSCRIPTIONS), "Recipient", &options)
}

/// Makes a threshold of the controller that asks for it.
//= TR-181 LocalAgent.Threshold.{i}.Controller: set by the agent to who made the row.
pub fn add_threshold(at: &At<'_, '_>, number: u32, draft: &mut Draft) -> Result<(), Stop> {
    add(at, draft, (THRESHOLD, number, MAX_THRESHOLDS), "Controller", &[])
}

/// Makes a section of a kind with its number, of which there may be so many, with its maker in the option `maker`.
fn add(
    at: &At<'_, '_>,
    draft: &mut Draft,
    (kind, number, most): (&str, u32, usize),
    maker: &str,
    options: &[(&str, String)],
) -> Result<(), Stop> {
    let caller = at.tree("agent:caller")?.and_then(|caller| caller.str("Controller")).unwrap_or_default();
    let controller = at.view.row_at("Device.LocalAgent.Controller", caller)?;
    let bound = controller.as_ref().and_then(|row| row.section.as_ref());
    let Some(bound) = bound else {
        return Err(Refusal::Denied("only a controller can add this".into()).into());
    };
    if at.view.sections(KEPT, kind)?.len() >= most {
        return Err(Refusal::Exhausted(format!("{kind}s")).into());
    }
    let name = format!("{kind}{number}");
    draft.add(KEPT, &name, kind)?;
    draft.set_text(KEPT, &name, maker, bound.name)?;
    options.iter().try_for_each(|(option, value)| draft.set_text(KEPT, &name, option, value))
}

/// Sets what a subscription is about, once; refuses what is no path.
//= TR-369 12: ReferenceList cannot be changed once it is set.
pub fn set_references(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let before = at.bound()?.tree.str("ReferenceList").unwrap_or_default();
    if !before.is_empty() && before != value {
        return Err(Refusal::NotWritable.into());
    }
    if path::list(value).into_iter().any(|path| Pattern::parse_reference(path).is_err()) {
        return Err(out_of_range("paths of the data model"));
    }
    keep(at, "ReferenceList", value, draft)
}

/// Sets what a subscription changes when there is something to tell; refuses what could never be set.
///
/// Anybody who may read the row reads the values, so that there can be no secrets among them.
//= TR-181 LocalAgent.Subscription.{i}.TriggerConfigSettings: PARAMETER=VALUE, a text in quotes.
pub fn set_trigger_settings(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let Some(all) = assignment::parse(value) else {
        return Err(out_of_range(
            "PARAMETER=VALUE with the whole path, texts in quotes, commas in them as %2C",
        ));
    };
    for one in all {
        let param = parameter(at, one.pattern())?;
        match param.filter(|param| !matches!(param.write, Write::No)) {
            Some(param) if param.flags.is_secret() => {
                return Err(out_of_range("parameters whose values may be read"));
            }
            Some(_) => {}
            None => return Err(out_of_range("writable parameters of the supported model")),
        }
    }
    keep(at, "TriggerConfigSettings", value, draft)
}

/// Sets where the parameter lies that a threshold watches.
//= TR-181 LocalAgent.Threshold.{i}: what is not in the supported model is refused.
pub fn set_reference_path(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let object = Pattern::parse(value).ok().filter(|pattern| pattern.kind() == Kind::Object);
    let known = match object.filter(|_| !value.is_empty()) {
        Some(object) => at.view.in_schema(&object)?,
        None => value.is_empty(),
    };
    if !known {
        return Err(out_of_range("the path of an object with its dot; rows by number, * or search"));
    }
    keep(at, "ReferencePath", value, draft)
}

/// Sets the name of the parameter that a threshold watches, in the object that is set already.
//= TR-181 LocalAgent.Threshold.{i}: what is not in the supported model is refused.
//= TR-181 LocalAgent.Threshold.{i}: only whole numbers are watched.
pub fn set_threshold_param(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let object = at.bound()?.tree.str("ReferencePath").unwrap_or_default();
    if !value.is_empty() {
        let param = parameter(at, Pattern::parse(&format!("{object}{value}")).ok())?;
        let whole = param.is_some_and(|param| {
            let base = param.syntax.base;
            param.syntax.lists == 0
                && matches!(base, Type::Int | Type::UnsignedInt | Type::Long | Type::UnsignedLong)
        });
        if !whole {
            return Err(out_of_range("a whole number in the object that ReferencePath names"));
        }
    }
    keep(at, "ThresholdParam", value, draft)
}

/// Sets the number that a threshold compares with.
//= TR-181 LocalAgent.Threshold.{i}: only whole numbers are watched.
pub fn set_threshold_value(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if !value.is_empty() && value.parse::<i128>().is_err() {
        return Err(out_of_range("a whole number"));
    }
    keep(at, "ThresholdValue", value, draft)
}

/// The parameter of the supported model that a path names.
fn parameter(at: &At<'_, '_>, path: Option<Pattern>) -> Result<Option<&'static Param>, Stop> {
    let Some(path) = path.filter(|path| path.kind() == Kind::Parameter) else { return Ok(None) };
    Ok(if at.view.in_schema(&path)? { at.view.model.param_of(&path) } else { None })
}

fn keep(at: &At<'_, '_>, option: &str, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let bound = at.bound()?;
    draft.set_text(&bound.source, bound.name, option, value)
}

fn out_of_range(allowed: &str) -> Stop {
    Refusal::OutOfRange { allowed: allowed.into() }.into()
}
