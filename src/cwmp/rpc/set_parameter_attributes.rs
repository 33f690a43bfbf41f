//! SetParameterAttributes: notification and access list of parameters, all or none.

use super::{Arguments, body};
use crate::cwmp::fault::Fault;
use crate::cwmp::soap::writer::Xml;

/// The request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetParameterAttributes {
    /// The changes in the order of the list.
    pub parameter_list: Vec<AttributeChange>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeChange {
    /// A full or partial path.
    pub name: String,
    /// The new notification, 0 to 6, if it is to change.
    pub notification: Option<u8>,
    /// The new access list, if it is to change.
    pub access_list: Option<Vec<String>>,
}

impl SetParameterAttributes {
    //= TR-069 A.3.2.4: NotificationChange and AccessListChange say which of the fields count.
    pub(super) fn read(args: Arguments<'_, '_>) -> Result<SetParameterAttributes, Fault> {
        let mut parameter_list = Vec::new();
        for item in args.items("ParameterList", "SetParameterAttributesStruct")? {
            let notification = match item.boolean("NotificationChange")? {
                true => Some(match item.unsigned("Notification")? {
                    level @ 0..=6 => level as u8,
                    _ => return Err(Fault::arguments("Notification is none of 0 to 6")),
                }),
                false => None,
            };
            let access_list = match item.boolean("AccessListChange")? {
                true => Some(item.strings("AccessList")?),
                false => None,
            };
            parameter_list.push(AttributeChange { name: item.text("Name")?, notification, access_list });
        }
        Ok(SetParameterAttributes { parameter_list })
    }
}

/// Writes the response.
pub fn write(xml: &mut Xml) {
    body(xml, "SetParameterAttributesResponse", |_| {});
}
