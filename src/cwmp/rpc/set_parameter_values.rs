//! SetParameterValues: all or none of the values.

use super::{Applied, Arguments, body};
use crate::cwmp::fault::Fault;
use crate::cwmp::soap::writer::Xml;
use crate::sorted::Set;

/// The request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetParameterValues {
    /// The values, each parameter once. None at all is legal and only sets the key.
    pub parameter_list: Vec<NewValue>,
    /// Becomes ParameterKey if all are set.
    pub parameter_key: String,
}

/// One value to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewValue {
    /// The full path.
    pub name: String,
    /// The value as written, whitespace and all.
    pub value: String,
    /// The local name in `xsi:type`; `None` where it is missing or of a foreign namespace.
    pub kind: Option<Box<str>>,
}

impl SetParameterValues {
    //= TR-069 A.3.2.1: ParameterList and ParameterKey; a parameter named twice is 9003.
    pub(super) fn read(args: Arguments<'_, '_>) -> Result<SetParameterValues, Fault> {
        let mut parameter_list: Vec<NewValue> = Vec::new();
        for item in args.items("ParameterList", "ParameterValueStruct")? {
            let value = item.one("Value")?;
            parameter_list.push(NewValue {
                name: item.text("Name")?,
                value: value.text.to_string(),
                kind: value.kind.clone(),
            });
        }
        let mut seen = Set::new();
        if let Some(twice) = parameter_list.iter().find(|new| !seen.insert(new.name.as_str())) {
            return Err(Fault::arguments(&format!("{} is named twice", twice.name)));
        }
        Ok(SetParameterValues { parameter_list, parameter_key: args.key("ParameterKey")? })
    }
}

/// Writes the response.
pub fn write(xml: &mut Xml, applied: Applied) {
    body(xml, "SetParameterValuesResponse", |xml| xml.leaf("Status", applied.status()));
}
