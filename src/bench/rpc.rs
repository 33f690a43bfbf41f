//! What can be asked of a CPE and what comes back, as XML: one variant per RPC.
//!
//! Written and read on its own account, so that the agent's reader and writer meet a second opinion. Knows the body
//! of a message; the envelope around it is `super::session`'s.

use std::fmt;

use super::xml::Element;
use crate::time::Wall;

/// The most values that are remarked on in one message.
pub const REMARKS_MAX: usize = 20;

/// A parameter with its value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Value {
    /// The full path.
    pub name: String,
    /// The value as text.
    pub value: String,
    /// The type without prefix, such as `unsignedInt`; empty if the message gave none.
    pub kind: String,
}

impl Value {
    /// A value to be set.
    pub fn new(name: impl Into<String>, kind: &str, value: impl Into<String>) -> Value {
        Value { name: name.into(), value: value.into(), kind: kind.to_owned() }
    }

    /// Reads a ParameterValueStruct.
    pub fn read(from: &Element) -> Value {
        let value = from.child("Value");
        let kind = value.and_then(|v| v.attribute("type")).unwrap_or_default();
        Value {
            name: from.text_of("Name").to_owned(),
            value: value.map(|v| v.text.clone()).unwrap_or_default(),
            kind: kind.rsplit(':').next().unwrap_or_default().to_owned(),
        }
    }
}

impl Value {
    /// What is wrong with the value by its own type; `None` if nothing is.
    //= TR-106 3.2: how each type is written.
    pub fn breach(&self) -> Option<String> {
        let text = self.value.as_str();
        let fits = match self.kind.as_str() {
            "string" => true,
            "boolean" => matches!(text, "0" | "1" | "true" | "false"),
            "int" => text.parse::<i32>().is_ok(),
            "unsignedInt" => text.parse::<u32>().is_ok(),
            "long" => text.parse::<i64>().is_ok(),
            "unsignedLong" => text.parse::<u64>().is_ok(),
            "decimal" => !text.contains(['e', 'E']) && text.parse::<f64>().is_ok_and(f64::is_finite),
            "dateTime" => Wall::parse(text).is_some(),
            "hexBinary" => text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit()),
            "base64" | "base64Binary" => {
                text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/= \r\n".contains(&b))
            }
            "" => return Some(format!("{} has no xsi:type", self.name)),
            other => return Some(format!("{} is of type {other:?}, which CWMP does not have", self.name)),
        };
        (!fits).then(|| format!("{} is {text:?}, no {}", self.name, self.kind))
    }
}

/// A parameter or an object and whether it can be set, added or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// An object's ends in a dot.
    pub path: String,
    /// As the device says.
    pub writable: bool,
}

/// Who is told of a change, and who else may write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attribute {
    /// The full path; in a change it may be partial.
    pub name: String,
    /// 0 to 6; `None` leaves it as it is.
    pub notification: Option<u8>,
    /// Such as `Subscriber`; `None` leaves it as it is.
    pub access: Option<Vec<String>>,
}

/// A request to a CPE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rpc {
    /// Which methods it knows.
    GetRpcMethods,
    /// What there is below a path.
    GetParameterNames {
        /// Complete, partial or empty.
        path: String,
        /// Only one level down.
        next_level: bool,
    },
    /// Values of complete or partial paths.
    GetParameterValues(Vec<String>),
    /// New values, all or none.
    SetParameterValues {
        /// What to set.
        values: Vec<Value>,
        /// The ParameterKey.
        key: String,
    },
    /// Attributes of complete or partial paths.
    GetParameterAttributes(Vec<String>),
    /// New attributes, all or none.
    SetParameterAttributes(Vec<Attribute>),
    /// A new instance of a table.
    AddObject {
        /// The table, ending in a dot.
        object: String,
        /// The ParameterKey.
        key: String,
    },
    /// Away with an instance.
    DeleteObject {
        /// The instance, ending in a dot.
        object: String,
        /// The ParameterKey.
        key: String,
    },
    /// A restart once the session has ended.
    Reboot {
        /// Comes back with `M Reboot`.
        key: String,
    },
    /// Everything as it left the factory, once the session has ended.
    FactoryReset,
}

/// What a CPE answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Of GetRPCMethods.
    Methods(Vec<String>),
    /// Of GetParameterNames.
    Names(Vec<Name>),
    /// Of GetParameterValues.
    Values(Vec<Value>),
    /// Of GetParameterAttributes.
    Attributes(Vec<Attribute>),
    /// Of AddObject.
    Added {
        /// The new instance's number.
        instance: u32,
        /// 0 applied, 1 to be applied.
        status: u8,
    },
    /// Of SetParameterValues and DeleteObject: 0 applied, 1 to be applied.
    Status(u8),
    /// Of the RPCs that answer nothing.
    Done,
}

/// A refusal by the CPE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// Such as 9005.
    pub code: u16,
    /// The device's words.
    pub text: String,
    /// Who is to blame according to the device: `Client` or `Server`.
    pub side: String,
    /// The parameters that were refused, of SetParameterValues.
    pub parameters: Vec<ParameterFault>,
}

/// One refused parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterFault {
    /// The path.
    pub name: String,
    /// Such as 9008.
    pub code: u16,
    /// The device's words.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)?;
        for p in &self.parameters {
            write!(f, "; {}: {} {}", p.name, p.code, p.text)?;
        }
        Ok(())
    }
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The CPE refused.
    Fault(Fault),
    /// The session ended or broke before the answer; whether the CPE acted is not known.
    Lost(String),
    /// The CPE answered something that is no answer to this.
    Garbled(String),
    /// The queue of the device is full, or the device is not known.
    Refused(&'static str),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Fault(fault) => write!(f, "fault {fault}"),
            Failure::Lost(why) => write!(f, "lost: {why}"),
            Failure::Garbled(why) => write!(f, "garbled: {why}"),
            Failure::Refused(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Failure {}

impl Rpc {
    /// The name of the message.
    pub fn name(&self) -> &'static str {
        match self {
            Rpc::GetRpcMethods => "GetRPCMethods",
            Rpc::GetParameterNames { .. } => "GetParameterNames",
            Rpc::GetParameterValues(_) => "GetParameterValues",
            Rpc::SetParameterValues { .. } => "SetParameterValues",
            Rpc::GetParameterAttributes(_) => "GetParameterAttributes",
            Rpc::SetParameterAttributes(_) => "SetParameterAttributes",
            Rpc::AddObject { .. } => "AddObject",
            Rpc::DeleteObject { .. } => "DeleteObject",
            Rpc::Reboot { .. } => "Reboot",
            Rpc::FactoryReset => "FactoryReset",
        }
    }

    /// Whether the device acts only after the session has ended, so that it should end at once.
    pub fn ends_session(&self) -> bool {
        matches!(self, Rpc::Reboot { .. } | Rpc::FactoryReset)
    }

    /// The element inside the body of the envelope.
    pub fn element(&self) -> Element {
        let made = Element::new(&format!("cwmp:{}", self.name()));
        match self {
            Rpc::GetRpcMethods | Rpc::FactoryReset => made,
            Rpc::GetParameterNames { path, next_level } => made
                .having(Element::leaf("ParameterPath", path))
                .having(Element::leaf("NextLevel", if *next_level { "1" } else { "0" })),
            Rpc::GetParameterValues(names) | Rpc::GetParameterAttributes(names) => {
                made.having(strings("ParameterNames", names))
            }
            Rpc::SetParameterValues { values, key } => {
                let list = array("ParameterList", "cwmp:ParameterValueStruct", values.iter().map(set_value));
                made.having(list).having(Element::leaf("ParameterKey", key))
            }
            Rpc::SetParameterAttributes(changes) => {
                let items = changes.iter().map(set_attribute);
                made.having(array("ParameterList", "cwmp:SetParameterAttributesStruct", items))
            }
            Rpc::AddObject { object, key } | Rpc::DeleteObject { object, key } => {
                made.having(Element::leaf("ObjectName", object)).having(Element::leaf("ParameterKey", key))
            }
            Rpc::Reboot { key } => made.having(Element::leaf("CommandKey", key)),
        }
    }

    /// Reads the answer to this RPC; what is odd about it goes to `remarks`.
    pub fn answer(&self, body: &Element, remarks: &mut Vec<String>) -> Result<Answer, Failure> {
        let wanted = format!("{}Response", self.name());
        if body.local() != wanted {
            return Err(Failure::Garbled(format!("{} instead of {wanted}", body.local())));
        }
        let mut list = |name: &str| -> Result<Vec<&Element>, Failure> {
            let found =
                body.child(name).ok_or_else(|| Failure::Garbled(format!("{wanted} without {name}")))?;
            counted(found, remarks);
            Ok(found.children.iter().collect())
        };
        Ok(match self {
            Rpc::GetRpcMethods => {
                Answer::Methods(list("MethodList")?.into_iter().map(|e| e.text.clone()).collect())
            }
            Rpc::GetParameterNames { .. } => Answer::Names(
                list("ParameterList")?
                    .into_iter()
                    .map(|e| Name {
                        path: e.text_of("Name").to_owned(),
                        writable: matches!(e.text_of("Writable").trim(), "1" | "true"),
                    })
                    .collect(),
            ),
            Rpc::GetParameterValues(_) => {
                let values: Vec<_> = list("ParameterList")?.into_iter().map(Value::read).collect();
                remarks.extend(values.iter().filter_map(Value::breach).take(REMARKS_MAX));
                Answer::Values(values)
            }
            Rpc::GetParameterAttributes(_) => {
                Answer::Attributes(list("ParameterList")?.into_iter().map(attribute).collect())
            }
            Rpc::AddObject { .. } => {
                Answer::Added { instance: number(body, "InstanceNumber")?, status: status(body)? }
            }
            Rpc::SetParameterValues { .. } | Rpc::DeleteObject { .. } => Answer::Status(status(body)?),
            Rpc::SetParameterAttributes(_) | Rpc::Reboot { .. } | Rpc::FactoryReset => Answer::Done,
        })
    }
}

//= TR-069 A.3.2.1: a value says its type.
fn set_value(value: &Value) -> Element {
    let kind = if value.kind.is_empty() { "string" } else { &value.kind };
    Element::new("ParameterValueStruct")
        .having(Element::leaf("Name", &value.name))
        .having(Element::leaf("Value", &value.value).with("xsi:type", format!("xsd:{kind}")))
}

fn set_attribute(change: &Attribute) -> Element {
    let flag = |on: bool| if on { "1" } else { "0" };
    let made = Element::new("SetParameterAttributesStruct")
        .having(Element::leaf("Name", &change.name))
        .having(Element::leaf("NotificationChange", flag(change.notification.is_some())))
        .having(Element::leaf("Notification", change.notification.unwrap_or(0).to_string()))
        .having(Element::leaf("AccessListChange", flag(change.access.is_some())));
    made.having(strings("AccessList", change.access.as_deref().unwrap_or_default()))
}

fn attribute(from: &Element) -> Attribute {
    let access = from.child("AccessList").map(|l| l.children.iter().map(|e| e.text.clone()).collect());
    Attribute {
        name: from.text_of("Name").to_owned(),
        notification: from.text_of("Notification").trim().parse().ok(),
        access,
    }
}

/// An array of strings.
pub fn strings(tag: &str, items: &[String]) -> Element {
    array(tag, "xsd:string", items.iter().map(|i| Element::leaf("string", i)))
}

//= TR-069 A.6: an array says the type and the number of its items.
fn array(tag: &str, kind: &str, items: impl Iterator<Item = Element>) -> Element {
    let mut made = Element::new(tag);
    made.children = items.collect();
    let count = made.children.len();
    made.with("soap-enc:arrayType", format!("{kind}[{count}]"))
}

fn counted(list: &Element, remarks: &mut Vec<String>) {
    let said = list.attribute("arrayType").unwrap_or_default();
    let count = said.rsplit_once('[').and_then(|(_, n)| n.trim_end_matches(']').parse().ok());
    if count != Some(list.children.len()) {
        remarks.push(format!("{} holds {} items but says {said:?}", list.local(), list.children.len()));
    }
}

fn number<T: std::str::FromStr>(body: &Element, name: &str) -> Result<T, Failure> {
    let text = body.text_of(name).trim();
    text.parse().map_err(|_| Failure::Garbled(format!("{name} is {text:?}, not a number")))
}

fn status(body: &Element) -> Result<u8, Failure> {
    match number(body, "Status")? {
        status @ 0..=1 => Ok(status),
        other => Err(Failure::Garbled(format!("Status is {other}, not 0 or 1"))),
    }
}

/// Reads a SOAP fault; what is odd about it goes to `remarks`.
//= TR-069 A.5: faultstring is "CWMP fault", the detail holds a cwmp:Fault, the faultcode says Client or Server.
pub fn fault(body: &Element, remarks: &mut Vec<String>) -> Result<Fault, Failure> {
    let detail = body.child("detail").and_then(|d| d.child("Fault"));
    let detail = detail.ok_or_else(|| {
        Failure::Garbled(format!("SOAP fault without cwmp:Fault: {}", body.text_of("faultstring")))
    })?;
    if body.text_of("faultstring") != "CWMP fault" {
        remarks.push(format!("faultstring is {:?}", body.text_of("faultstring")));
    }
    let side = body.text_of("faultcode").rsplit(':').next().unwrap_or_default().trim().to_owned();
    if !matches!(side.as_str(), "Client" | "Server") {
        remarks.push(format!("faultcode is {side:?}, neither Client nor Server"));
    }
    let parameters = detail.children.iter().filter(|e| e.local() == "SetParameterValuesFault");
    Ok(Fault {
        code: number(detail, "FaultCode")?,
        text: detail.text_of("FaultString").to_owned(),
        side,
        parameters: parameters
            .map(|e| {
                Ok(ParameterFault {
                    name: e.text_of("ParameterName").to_owned(),
                    code: number(e, "FaultCode")?,
                    text: e.text_of("FaultString").to_owned(),
                })
            })
            .collect::<Result<_, Failure>>()?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::xml;
    use super::*;

    #[test]
    fn an_array_that_miscounts_or_a_value_without_a_type_is_remarked_and_still_read() {
        //= TR-069 A.6: an array says the type and the number of its items.
        let body = xml::read(
            b"<GetParameterValuesResponse><ParameterList arrayType='x[2]'><s><Name>A.B</Name><Value>v</Value></s>\
              </ParameterList></GetParameterValuesResponse>",
        )
        .unwrap();
        let mut remarks = Vec::new();
        let answer = Rpc::GetParameterValues(vec![]).answer(&body, &mut remarks).unwrap();
        assert_eq!(answer, Answer::Values(vec![Value::new("A.B", "", "v")]));
        assert_eq!(remarks.len(), 2, "{remarks:?}");
    }

    #[test]
    fn a_value_has_to_fit_the_type_it_claims() {
        //= TR-106 3.2: how each type is written.
        for (kind, value, fits) in [
            ("string", "", true),
            ("boolean", "true", true),
            ("boolean", "1", true),
            ("boolean", "yes", false),
            ("boolean", "", false),
            ("int", "-5", true),
            ("int", "2147483648", false),
            ("unsignedInt", "4294967295", true),
            ("unsignedInt", "-1", false),
            ("unsignedInt", "", false),
            ("long", "-9000000000", true),
            ("unsignedLong", "18446744073709551615", true),
            ("decimal", "1.5", true),
            ("decimal", "1e5", false),
            ("decimal", "inf", false),
            ("dateTime", "0001-01-01T00:00:00Z", true),
            ("dateTime", "yesterday", false),
            ("hexBinary", "00fF", true),
            ("hexBinary", "0", false),
            ("base64", "AA==", true),
            ("base64", "?", false),
            ("float", "1", false),
            ("", "1", false),
        ] {
            assert_eq!(Value::new("A", kind, value).breach().is_none(), fits, "{kind} {value:?}");
        }
    }

    #[test]
    fn an_answer_to_something_else_or_without_its_parts_is_garbled() {
        let add = Rpc::AddObject { object: "A.".into(), key: String::new() };
        for bad in [
            "<DeleteObjectResponse><Status>0</Status></DeleteObjectResponse>",
            "<AddObjectResponse><Status>0</Status></AddObjectResponse>",
            "<AddObjectResponse><InstanceNumber>1</InstanceNumber><Status>2</Status></AddObjectResponse>",
        ] {
            let body = xml::read(bad.as_bytes()).unwrap();
            assert!(matches!(add.answer(&body, &mut Vec::new()), Err(Failure::Garbled(_))), "{bad}");
        }
    }

    #[test]
    fn a_fault_gives_its_code_and_every_refused_parameter() {
        //= TR-069 A.5: faultstring is "CWMP fault", the detail holds a cwmp:Fault.
        let body = xml::read(
            b"<Fault><faultcode>soap:Client</faultcode><faultstring>CWMP fault</faultstring><detail><Fault>\
              <FaultCode>9003</FaultCode><FaultString>Invalid arguments</FaultString><SetParameterValuesFault>\
              <ParameterName>A.B</ParameterName><FaultCode>9008</FaultCode><FaultString>no</FaultString>\
              </SetParameterValuesFault></Fault></detail></Fault>",
        )
        .unwrap_or_else(|_| panic!());
        let mut remarks = Vec::new();
        let read = fault(&body, &mut remarks).unwrap();
        assert_eq!(read.to_string(), "9003 Invalid arguments; A.B: 9008 no");
        assert_eq!((read.side.as_str(), remarks.len()), ("Client", 0));
    }
}
