//! A type per RPC: what an ACS asks, and what goes back.
//!
//! Each file holds the arguments of one request, read from an element, and writes its response. What a request
//! *does* is the agent's business. Driven by [`super::soap::reader`] and [`super::soap::writer`].

pub mod add_object;
pub mod delete_object;
pub mod factory_reset;
pub mod get_parameter_attributes;
pub mod get_parameter_names;
pub mod get_parameter_values;
pub mod get_rpc_methods;
pub mod inform;
pub mod reboot;
pub mod schedule_inform;
pub mod set_parameter_attributes;
pub mod set_parameter_values;
pub mod transfer_complete;

use super::fault::{Fault, METHOD_NOT_SUPPORTED};
use super::soap::listing::Listed;
use super::soap::writer::Xml;
use super::soap::xml::{Element, Space};

pub use add_object::AddObject;
pub use delete_object::DeleteObject;
pub use get_parameter_attributes::{GetParameterAttributes, ParameterAttribute};
pub use get_parameter_names::{GetParameterNames, ParameterInfo};
pub use get_parameter_values::{GetParameterValues, ParameterValue};
pub use inform::{DeviceId, Inform};
pub use reboot::Reboot;
pub use schedule_inform::ScheduleInform;
pub use set_parameter_attributes::{AttributeChange, SetParameterAttributes};
pub use set_parameter_values::{NewValue, SetParameterValues};
pub use transfer_complete::TransferComplete;

/// The most characters of a CommandKey or ParameterKey. Source: `CommandKeyType`, `ParameterKeyType` of the schema.
pub const MAX_KEY: usize = 32;

/// A request of the ACS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rpc {
    /// Which methods there are.
    GetRpcMethods,
    /// Names below a path.
    GetParameterNames(GetParameterNames),
    /// Values.
    GetParameterValues(GetParameterValues),
    /// Changes to values.
    SetParameterValues(SetParameterValues),
    /// Notification and access lists.
    GetParameterAttributes(GetParameterAttributes),
    /// Changes to those.
    SetParameterAttributes(SetParameterAttributes),
    /// A new row.
    AddObject(AddObject),
    /// A row to remove.
    DeleteObject(DeleteObject),
    /// Restart the device after the session.
    Reboot(Reboot),
    /// Go back to the factory state after the session.
    FactoryReset,
    /// Open a session later.
    ScheduleInform(ScheduleInform),
}

/// The methods [`Rpc::read`] knows, by which GetRPCMethods is answered.
pub const METHODS: [&str; 11] = [
    "GetRPCMethods",
    "SetParameterValues",
    "GetParameterValues",
    "GetParameterNames",
    "SetParameterAttributes",
    "GetParameterAttributes",
    "AddObject",
    "DeleteObject",
    "Reboot",
    "FactoryReset",
    "ScheduleInform",
];

impl Rpc {
    /// Reads a request from the element in a SOAP body.
    ///
    /// Refuses a method not in [`METHODS`] and arguments that are missing, doubled, too long or of a wrong form.
    //= TR-069 A.5.1: 9000 for a method not supported, 9003 for arguments that are wrong.
    pub fn read(element: &Element<'_>) -> Result<Rpc, Fault> {
        if !matches!(element.space, Space::Cwmp(_)) {
            return Err(Fault::new(METHOD_NOT_SUPPORTED, &element.name));
        }
        let args = Arguments(element);
        Ok(match &*element.name {
            "GetRPCMethods" => Rpc::GetRpcMethods,
            "GetParameterNames" => Rpc::GetParameterNames(GetParameterNames::read(args)?),
            "GetParameterValues" => Rpc::GetParameterValues(GetParameterValues::read(args)?),
            "SetParameterValues" => Rpc::SetParameterValues(SetParameterValues::read(args)?),
            "GetParameterAttributes" => Rpc::GetParameterAttributes(GetParameterAttributes::read(args)?),
            "SetParameterAttributes" => Rpc::SetParameterAttributes(SetParameterAttributes::read(args)?),
            "AddObject" => Rpc::AddObject(AddObject::read(args)?),
            "DeleteObject" => Rpc::DeleteObject(DeleteObject::read(args)?),
            "Reboot" => Rpc::Reboot(Reboot::read(args)?),
            "FactoryReset" => Rpc::FactoryReset,
            "ScheduleInform" => Rpc::ScheduleInform(ScheduleInform::read(args)?),
            other => return Err(Fault::new(METHOD_NOT_SUPPORTED, other)),
        })
    }
}

/// What a request comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The methods.
    GetRpcMethods(Vec<&'static str>),
    /// The names, all of them in memory.
    GetParameterNames(Vec<ParameterInfo>),
    /// The values, all of them in memory.
    GetParameterValues(Vec<ParameterValue>),
    /// The attributes, all of them in memory.
    GetParameterAttributes(Vec<ParameterAttribute>),
    /// A list measured but not kept: its rows are pulled again while it is sent.
    Listed(Listed),
    /// Values were changed.
    SetParameterValues(Applied),
    /// Attributes were changed.
    SetParameterAttributes,
    /// The new row's number.
    AddObject(u32, Applied),
    /// The row is gone.
    DeleteObject(Applied),
    /// It will restart.
    Reboot,
    /// It will be reset.
    FactoryReset,
    /// It will inform.
    ScheduleInform,
    /// Refused.
    Fault(Fault),
}

/// Whether an accepted change is in effect already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// In effect: Status 0.
    Now,
    /// Stored, in effect soon: Status 1.
    Later,
}

impl Applied {
    pub(crate) const fn status(self) -> &'static str {
        match self {
            Applied::Now => "0",
            Applied::Later => "1",
        }
    }
}

/// A response of the ACS to a request of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The Inform was taken.
    Inform,
    /// The server's methods.
    GetRpcMethods(Vec<String>),
    /// Any other, by its element's name, such as `TransferCompleteResponse`.
    Named(String),
}

impl Response {
    /// Reads a response from the element in a SOAP body, whose name ends in `Response`.
    pub fn read(element: &Element<'_>) -> Response {
        match &*element.name {
            "InformResponse" => Response::Inform,
            "GetRPCMethodsResponse" => Response::GetRpcMethods(
                element
                    .child("MethodList")
                    .map(|list| list.all("string").map(|method| method.text.trim().to_string()).collect())
                    .unwrap_or_default(),
            ),
            other => Response::Named(other.to_string()),
        }
    }
}

/// The arguments of a request, taken out by name.
#[derive(Clone, Copy)]
pub struct Arguments<'e, 'a>(&'e Element<'a>);

impl<'e, 'a> Arguments<'e, 'a> {
    fn one(self, name: &'static str) -> Result<&'e Element<'a>, Fault> {
        let mut found = self
            .0
            .children
            .iter()
            .filter(|child| *child.name == *name && matches!(child.space, Space::None | Space::Cwmp(_)));
        match (found.next(), found.next()) {
            (Some(element), None) => Ok(element),
            (None, _) => Err(Fault::arguments(&format!("{name} is missing"))),
            (Some(_), Some(_)) => Err(Fault::arguments(&format!("{name} is there twice"))),
        }
    }

    fn text(self, name: &'static str) -> Result<String, Fault> {
        Ok(self.one(name)?.text.to_string())
    }

    fn key(self, name: &'static str) -> Result<String, Fault> {
        let key = self.text(name)?;
        match key.chars().count() <= MAX_KEY {
            true => Ok(key),
            false => Err(Fault::arguments(&format!("{name} is longer than {MAX_KEY} characters"))),
        }
    }

    //= TR-106 3.2: a boolean is 0, 1, false or true.
    fn boolean(self, name: &'static str) -> Result<bool, Fault> {
        match self.one(name)?.text.trim() {
            "0" | "false" => Ok(false),
            "1" | "true" => Ok(true),
            _ => Err(Fault::arguments(&format!("{name} is not a boolean"))),
        }
    }

    fn unsigned(self, name: &'static str) -> Result<u32, Fault> {
        let text = self.one(name)?.text.trim();
        text.strip_prefix('+')
            .unwrap_or(text)
            .parse()
            .map_err(|_| Fault::arguments(&format!("{name} is not an unsignedInt")))
    }

    /// The items of a list. How many its `arrayType` promises is of no interest.
    fn items(
        self,
        name: &'static str,
        item: &'static str,
    ) -> Result<impl Iterator<Item = Arguments<'e, 'a>>, Fault> {
        Ok(self
            .one(name)?
            .children
            .iter()
            .filter(move |child| *child.name == *item && child.space != Space::Envelope)
            .map(Arguments))
    }

    fn strings(self, name: &'static str) -> Result<Vec<String>, Fault> {
        Ok(self.items(name, "string")?.map(|item| item.0.text.to_string()).collect())
    }
}

/// The type of a value as it goes out in `xsi:type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// Text; lists travel so as well.
    String,
    /// 32 bits with sign.
    Int,
    /// 32 bits.
    UnsignedInt,
    /// 64 bits with sign.
    Long,
    /// 64 bits.
    UnsignedLong,
    /// `0` or `1`, `false` or `true`.
    Boolean,
    /// A moment.
    DateTime,
    /// Octets in base 64.
    Base64,
    /// Octets in hex.
    HexBinary,
    /// A number with decimals.
    Decimal,
}

impl ValueType {
    /// The qualified name, in the prefixes the writer binds.
    //= TR-069 3.5: base64 is SOAP's type, all others are those of XML Schema.
    pub const fn qualified(self) -> &'static str {
        match self {
            ValueType::String => "xsd:string",
            ValueType::Int => "xsd:int",
            ValueType::UnsignedInt => "xsd:unsignedInt",
            ValueType::Long => "xsd:long",
            ValueType::UnsignedLong => "xsd:unsignedLong",
            ValueType::Boolean => "xsd:boolean",
            ValueType::DateTime => "xsd:dateTime",
            ValueType::Base64 => "soap-enc:base64",
            ValueType::HexBinary => "xsd:hexBinary",
            ValueType::Decimal => "xsd:decimal",
        }
    }

    /// The type by its local name in a request; `base64Binary` is taken for `base64`. `None` for any other.
    pub fn parse(local: &str) -> Option<ValueType> {
        Some(match local {
            "string" => ValueType::String,
            "int" => ValueType::Int,
            "unsignedInt" => ValueType::UnsignedInt,
            "long" => ValueType::Long,
            "unsignedLong" => ValueType::UnsignedLong,
            "boolean" => ValueType::Boolean,
            "dateTime" => ValueType::DateTime,
            "base64" | "base64Binary" => ValueType::Base64,
            "hexBinary" => ValueType::HexBinary,
            "decimal" => ValueType::Decimal,
            _ => return None,
        })
    }
}

/// Writes `<cwmp:name>` around what `inside` writes.
pub(crate) fn body(xml: &mut Xml, name: &str, inside: impl FnOnce(&mut Xml)) {
    let qualified = format!("cwmp:{name}");
    xml.open(&qualified);
    inside(xml);
    xml.close(&qualified);
}

#[cfg(test)]
mod tests {
    use super::*;

    //= TR-069 3.5: base64 is SOAP's type, all others are those of XML Schema, and all are taken back.
    #[test]
    fn a_type_goes_out_under_its_own_namespace_and_is_known_again() {
        for (kind, want) in [
            (ValueType::String, "xsd:string"),
            (ValueType::Int, "xsd:int"),
            (ValueType::UnsignedInt, "xsd:unsignedInt"),
            (ValueType::Long, "xsd:long"),
            (ValueType::UnsignedLong, "xsd:unsignedLong"),
            (ValueType::Boolean, "xsd:boolean"),
            (ValueType::DateTime, "xsd:dateTime"),
            (ValueType::Base64, "soap-enc:base64"),
            (ValueType::HexBinary, "xsd:hexBinary"),
            (ValueType::Decimal, "xsd:decimal"),
        ] {
            assert_eq!(kind.qualified(), want);
            assert_eq!(want.split_once(':').and_then(|(_, local)| ValueType::parse(local)), Some(kind));
        }
        assert_eq!(ValueType::parse("base64Binary"), Some(ValueType::Base64));
        assert_eq!(ValueType::parse("float"), None);
    }
}
