//! Judges an envelope by the rules of the CWMP schemas: which elements, in which order, how often, of which type and
//! length, in each version. Written from those rules and not from the code it judges; it reads XML by itself.
#![cfg(feature = "cwmp")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use quick_xml::events::Event;
use quick_xml::name::{QName, ResolveResult};
use quick_xml::{NsReader, XmlVersion};

const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const ENCODING: &str = "http://schemas.xmlsoap.org/soap/encoding/";
const XSD: &str = "http://www.w3.org/2001/XMLSchema";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// An element; names and the types in attributes are `{namespace}local`.
#[derive(Debug, Default)]
pub struct Node {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub text: String,
    pub children: Vec<Node>,
}

impl Node {
    /// The first child with this local name.
    pub fn child(&self, local: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.local() == local)
    }

    pub fn local(&self) -> &str {
        self.name.rsplit('}').next().unwrap_or_default()
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The form of an element's content.
enum Form {
    /// Text of at most so many characters.
    Text(usize),
    /// An unsignedInt of at least so much.
    Unsigned(u32),
    /// One of these.
    OneOf(&'static [&'static str]),
    Boolean,
    DateTime,
    Oui,
    EventCode,
    FaultCode,
    TransferFaultCode,
    /// Any simple type, told by xsi:type.
    Any,
    Sequence(&'static [Field]),
    /// Items of a name and form, between so many, with the arrayType `{cwmp}` or `xsd` name.
    Array(&'static str, &'static str, &'static Form, usize, usize),
}

struct Field(&'static str, &'static Form, usize, usize);

const ALWAYS: usize = usize::MAX;
const NAME: Form = Form::Text(256);
const KEY: Form = Form::Text(32);
const STATUS: Form = Form::OneOf(&["0", "1"]);
const IDENTITY: Form = Form::Text(64);
const VALUE: Form = Form::Sequence(&[Field("Name", &NAME, 1, 1), Field("Value", &Form::Any, 1, 1)]);
const VALUES: Form = Form::Array("ParameterValueStruct", "cwmp:ParameterValueStruct", &VALUE, 0, ALWAYS);
const INFO: Form = Form::Sequence(&[Field("Name", &NAME, 1, 1), Field("Writable", &Form::Boolean, 1, 1)]);
const INFOS: Form = Form::Array("ParameterInfoStruct", "cwmp:ParameterInfoStruct", &INFO, 0, ALWAYS);
const ACCESS: Form = Form::Array("string", "xsd:string", &Form::OneOf(&["Subscriber"]), 0, ALWAYS);
const ATTRIBUTE: Form = Form::Sequence(&[
    Field("Name", &NAME, 1, 1),
    Field("Notification", &Form::OneOf(&["0", "1", "2"]), 1, 1),
    Field("AccessList", &ACCESS, 1, 1),
]);
const ATTRIBUTES: Form =
    Form::Array("ParameterAttributeStruct", "cwmp:ParameterAttributeStruct", &ATTRIBUTE, 0, ALWAYS);
const METHODS: Form = Form::Array("string", "xsd:string", &Form::Text(64), 1, ALWAYS);
const DEVICE: Form = Form::Sequence(&[
    Field("Manufacturer", &IDENTITY, 1, 1),
    Field("OUI", &Form::Oui, 1, 1),
    Field("ProductClass", &IDENTITY, 1, 1),
    Field("SerialNumber", &IDENTITY, 1, 1),
]);
const EVENT: Form =
    Form::Sequence(&[Field("EventCode", &Form::EventCode, 1, 1), Field("CommandKey", &KEY, 1, 1)]);
const EVENTS: Form = Form::Array("EventStruct", "cwmp:EventStruct", &EVENT, 0, 64);
const TRANSFER_FAULT: Form = Form::Sequence(&[
    Field("FaultCode", &Form::TransferFaultCode, 1, 1),
    Field("FaultString", &Form::Text(256), 1, 1),
]);
const SET_FAULT: Form = Form::Sequence(&[
    Field("ParameterName", &Form::Text(ALWAYS), 1, 1),
    Field("FaultCode", &Form::FaultCode, 1, 1),
    Field("FaultString", &Form::Text(ALWAYS), 0, 1),
]);
const CWMP_FAULT: Form = Form::Sequence(&[
    Field("FaultCode", &Form::FaultCode, 1, 1),
    Field("FaultString", &Form::Text(ALWAYS), 0, 1),
    Field("SetParameterValuesFault", &SET_FAULT, 0, ALWAYS),
]);

fn form_of(local: &str) -> Option<Form> {
    Some(Form::Sequence(match local {
        "Inform" => &[
            Field("DeviceId", &DEVICE, 1, 1),
            Field("Event", &EVENTS, 1, 1),
            Field("MaxEnvelopes", &Form::Unsigned(0), 1, 1),
            Field("CurrentTime", &Form::DateTime, 1, 1),
            Field("RetryCount", &Form::Unsigned(0), 1, 1),
            Field("ParameterList", &VALUES, 1, 1),
        ],
        "TransferComplete" => &[
            Field("CommandKey", &KEY, 1, 1),
            Field("FaultStruct", &TRANSFER_FAULT, 1, 1),
            Field("StartTime", &Form::DateTime, 1, 1),
            Field("CompleteTime", &Form::DateTime, 1, 1),
        ],
        "GetRPCMethodsResponse" => &[Field("MethodList", &METHODS, 1, 1)],
        "GetParameterValuesResponse" => &[Field("ParameterList", &VALUES, 1, 1)],
        "GetParameterNamesResponse" => &[Field("ParameterList", &INFOS, 1, 1)],
        "GetParameterAttributesResponse" => &[Field("ParameterList", &ATTRIBUTES, 1, 1)],
        "SetParameterValuesResponse" | "DeleteObjectResponse" => &[Field("Status", &STATUS, 1, 1)],
        "AddObjectResponse" => {
            &[Field("InstanceNumber", &Form::Unsigned(1), 1, 1), Field("Status", &STATUS, 1, 1)]
        }
        "SetParameterAttributesResponse"
        | "RebootResponse"
        | "FactoryResetResponse"
        | "ScheduleInformResponse"
        | "GetRPCMethods" => &[],
        _ => return None,
    }))
}

/// The minor version a CWMP namespace belongs to.
fn minor(namespace: &str) -> Option<u8> {
    match namespace {
        "urn:dslforum-org:cwmp-1-0" => Some(0),
        "urn:dslforum-org:cwmp-1-1" => Some(1),
        "urn:dslforum-org:cwmp-1-2" => Some(2),
        _ => None,
    }
}

/// Checks an envelope of a CPE and returns the element in its body, or the first rule it breaks.
pub fn check(text: &str) -> Result<Node, String> {
    let root = parse(text)?;
    let part = |local: &str| format!("{{{ENVELOPE}}}{local}");
    if root.name != part("Envelope") {
        return Err(format!("the root is {}", root.name));
    }
    let names: Vec<&str> = root.children.iter().map(|child| child.name.as_str()).collect();
    if names != [part("Header"), part("Body")] && names != [part("Body")] {
        return Err(format!("the envelope holds {names:?}"));
    }
    let mut root = root;
    let mut body = root.children.pop().expect("a body was seen");
    if body.children.len() != 1 {
        return Err(format!("the body holds {} elements", body.children.len()));
    }
    let message = body.children.pop().expect("it has one");
    for header in root.children.iter().flat_map(|header| &header.children) {
        check_header(header, message.local())?;
    }
    if message.name == part("Fault") {
        check_fault(&message)?;
        return Ok(message);
    }
    let namespace = message.name.trim_start_matches('{').split('}').next().unwrap_or_default();
    let minor = minor(namespace).ok_or_else(|| format!("the message is {}", message.name))?;
    let form = form_of(message.local()).ok_or_else(|| format!("no message is called {}", message.local()))?;
    check_form(&message, &form, namespace, minor)?;
    Ok(message)
}

fn check_header(header: &Node, message: &str) -> Result<(), String> {
    let must = header.attribute(&format!("{{{ENVELOPE}}}mustUnderstand"));
    let fine = match header.local() {
        "ID" => must == Some("1"),
        "SupportedCWMPVersions" => {
            must != Some("1") && message == "Inform" && header.name.contains("cwmp-1-2")
        }
        _ => false,
    };
    let known = header.name.trim_start_matches('{').split('}').next().and_then(minor).is_some();
    if fine && known { Ok(()) } else { Err(format!("header {} with mustUnderstand {must:?}", header.name)) }
}

fn check_fault(fault: &Node) -> Result<(), String> {
    let code = fault.child("faultcode").map(|c| c.text.as_str()).unwrap_or_default();
    let string = fault.child("faultstring").map(|c| c.text.as_str()).unwrap_or_default();
    match code {
        "soap-env:MustUnderstand" | "soap-env:VersionMismatch" => return Ok(()),
        "soap-env:Client" | "soap-env:Server" if string == "CWMP fault" => {}
        _ => return Err(format!("faultcode {code}, faultstring {string}")),
    }
    let inner = fault.child("detail").and_then(|d| d.child("Fault")).ok_or("no fault in the detail")?;
    let namespace = inner.name.trim_start_matches('{').split('}').next().unwrap_or_default();
    let minor = minor(namespace).ok_or("the detail is not of CWMP")?;
    check_form(inner, &CWMP_FAULT, namespace, minor)?;
    let number: u16 = inner.child("FaultCode").and_then(|c| c.text.parse().ok()).unwrap_or_default();
    let side = if matches!(number, 9003 | 9005..=9008) { "soap-env:Client" } else { "soap-env:Server" };
    if side == code { Ok(()) } else { Err(format!("{number} is told as {code}")) }
}

fn check_form(node: &Node, form: &Form, namespace: &str, minor: u8) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("{}: {why}: {:?}", node.local(), node.text));
    let leaf = !matches!(form, Form::Sequence(_) | Form::Array(..));
    if leaf && !node.children.is_empty() {
        return wrong("has elements");
    }
    if !leaf && !node.text.trim().is_empty() {
        return wrong("has text");
    }
    let number = node.text.parse::<u32>().ok();
    match form {
        Form::Text(max) if node.text.chars().count() > *max => wrong("too long"),
        Form::Text(_) => Ok(()),
        Form::Unsigned(least) if number.is_none_or(|n| n < *least) => wrong("not a number of the range"),
        Form::Unsigned(_) => Ok(()),
        Form::OneOf(words) if !words.contains(&node.text.as_str()) => wrong("not one of the words"),
        Form::OneOf(_) => Ok(()),
        Form::Boolean if !["0", "1", "true", "false"].contains(&node.text.as_str()) => wrong("not a boolean"),
        Form::Boolean => Ok(()),
        Form::DateTime if !is_date_time(&node.text) => wrong("not a dateTime"),
        Form::DateTime => Ok(()),
        Form::Oui
            if node.text.len() != 6 || !node.text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F')) =>
        {
            wrong("not an OUI")
        }
        Form::Oui => Ok(()),
        Form::EventCode if !is_event_code(&node.text, minor) => wrong("no event of this version"),
        Form::EventCode => Ok(()),
        Form::FaultCode => {
            let last = [9013, 9019, 9799][usize::from(minor)];
            match number {
                Some(code) if (9000..=last).contains(&code) || (9800..=9899).contains(&code) => Ok(()),
                _ => wrong("no fault code of this version"),
            }
        }
        Form::TransferFaultCode => match (number, minor) {
            (Some(0 | 9001 | 9002 | 9010..=9012), _) => Ok(()),
            (Some(9014..=9019), 1 | 2) | (Some(9020), 2) => Ok(()),
            (Some(9800..=9899), 1 | 2) => Ok(()),
            _ => wrong("no fault code of a transfer in this version"),
        },
        Form::Any => check_value(node),
        Form::Sequence(fields) => {
            let mut rest = node.children.as_slice();
            for Field(name, form, least, most) in *fields {
                let count = rest.iter().take_while(|child| child.name == *name).count();
                if count < *least || count > *most {
                    return wrong(&format!("{name} is there {count} times"));
                }
                for child in &rest[..count] {
                    check_form(child, form, namespace, minor)?;
                }
                rest = &rest[count..];
            }
            match rest.first() {
                Some(extra) => wrong(&format!("{} is not expected here", extra.name)),
                None => Ok(()),
            }
        }
        Form::Array(item, kind, form, least, most) => {
            let count = node.children.len();
            let kind = match kind.split_once(':') {
                Some(("cwmp", local)) => format!("{{{namespace}}}{local}[{count}]"),
                Some((_, local)) => format!("{{{XSD}}}{local}[{count}]"),
                None => return wrong("an item without a type"),
            };
            let told = node.attribute(&format!("{{{ENCODING}}}arrayType"));
            if told != Some(kind.as_str()) {
                return wrong(&format!("arrayType is {told:?}, not {kind}"));
            }
            if count < *least || count > *most {
                return wrong(&format!("{count} items"));
            }
            for child in &node.children {
                if child.name != *item {
                    return wrong(&format!("an item called {}", child.name));
                }
                check_form(child, form, namespace, minor)?;
            }
            Ok(())
        }
    }
}

fn check_value(node: &Node) -> Result<(), String> {
    let kind =
        node.attribute(&format!("{{{XSI}}}type")).ok_or_else(|| "a value without xsi:type".to_string())?;
    let text = node.text.as_str();
    let fine = match kind.strip_prefix(&format!("{{{XSD}}}")) {
        Some("string") => true,
        Some("int") => text.parse::<i32>().is_ok(),
        Some("unsignedInt") => text.parse::<u32>().is_ok(),
        Some("long") => text.parse::<i64>().is_ok(),
        Some("unsignedLong") => text.parse::<u64>().is_ok(),
        Some("boolean") => ["0", "1", "true", "false"].contains(&text),
        Some("dateTime") => is_date_time(text),
        Some("hexBinary") => text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit()),
        Some("decimal") => text.parse::<f64>().is_ok() && !text.contains(['e', 'E', 'n', 'i']),
        Some(_) => false,
        None => {
            kind == format!("{{{ENCODING}}}base64")
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b))
        }
    };
    if fine { Ok(()) } else { Err(format!("{text:?} is not of type {kind}")) }
}

fn is_date_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let Some(rest) = shape.strip_prefix("0000-00-00T00:00:00") else { return false };
    let rest = rest.strip_prefix('.').map_or(rest, |fraction| fraction.trim_start_matches('0'));
    matches!(rest, "" | "Z" | "+00:00" | "-00:00")
}

fn is_event_code(text: &str, minor: u8) -> bool {
    let old = [
        "0 BOOTSTRAP",
        "1 BOOT",
        "2 PERIODIC",
        "3 SCHEDULED",
        "4 VALUE CHANGE",
        "5 KICKED",
        "6 CONNECTION REQUEST",
        "7 TRANSFER COMPLETE",
        "8 DIAGNOSTICS COMPLETE",
        "9 REQUEST DOWNLOAD",
        "M Reboot",
        "M ScheduleInform",
        "M Download",
        "M Upload",
    ];
    let numbered = text.split_once(' ').is_some_and(|(number, rest)| {
        number.bytes().all(|b| b.is_ascii_digit()) && !number.is_empty() && !rest.is_empty()
    });
    let method = text.strip_prefix("M ").is_some_and(|name| !name.is_empty() && !name.contains(' '));
    text.len() <= 64 && (old.contains(&text) || (minor > 0 && (numbered || method)))
}

fn parse(text: &str) -> Result<Node, String> {
    let mut reader = NsReader::from_str(text);
    let mut open: Vec<Node> = vec![Node::default()];
    loop {
        let event = reader.read_event().map_err(|why| why.to_string())?;
        match event {
            Event::Start(tag) | Event::Empty(tag) if tag.attributes_raw().contains('&') => {
                return Err("a reference in an attribute".into());
            }
            Event::Start(tag) => {
                let qualified = |name: QName<'_>, default: bool| -> Result<String, String> {
                    let (bound, local) = reader.resolver().resolve(name, default);
                    match bound {
                        ResolveResult::Bound(uri) => Ok(format!("{{{}}}{}", uri.0, local.as_ref())),
                        ResolveResult::Unbound => Ok(local.as_ref().to_string()),
                        ResolveResult::Unknown(prefix) => Err(format!("prefix {prefix} is not bound")),
                    }
                };
                let mut node = Node { name: qualified(tag.name(), true)?, ..Node::default() };
                for attribute in tag.attributes() {
                    let attribute = attribute.map_err(|why| why.to_string())?;
                    if attribute.key.as_namespace_binding().is_some() {
                        continue;
                    }
                    let value =
                        attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|why| why.to_string())?;
                    let name = qualified(attribute.key, false)?;
                    // These two hold qualified names.
                    let value = match name == format!("{{{XSI}}}type")
                        || name == format!("{{{ENCODING}}}arrayType")
                    {
                        true => qualified(QName(&value), true)?,
                        false => value.to_string(),
                    };
                    node.attributes.push((name, value));
                }
                open.push(node);
            }
            Event::End(_) => {
                let node = open.pop().ok_or("an end without a start")?;
                open.last_mut().ok_or("an end without a start")?.children.push(node);
            }
            Event::Text(text) => open.last_mut().ok_or("text outside")?.text.push_str(&text.into_inner()),
            Event::GeneralRef(name) => {
                let c = match (name.resolve_char_ref().map_err(|why| why.to_string())?, &*name) {
                    (Some(c), _) => c,
                    (None, "lt") => '<',
                    (None, "gt") => '>',
                    (None, "amp") => '&',
                    (None, other) => return Err(format!("reference {other}")),
                };
                open.last_mut().ok_or("text outside")?.text.push(c);
            }
            Event::Decl(_) => {}
            Event::Eof => break,
            Event::Empty(_) | Event::CData(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_) => {
                return Err(format!("unexpected {event:?}"));
            }
        }
    }
    let mut top = open.pop().ok_or("nothing")?;
    match (open.len(), top.children.len()) {
        (0, 1) => top.children.pop().ok_or_else(|| "nothing".to_string()),
        _ => Err("not one element".into()),
    }
}
