//! Messages as text: whole where they are small, in pieces where they are not.
//!
//! Owns the envelope, the escaping and the choice of the body; what an RPC looks like is with [`crate::cwmp::rpc`], long
//! lists with [`super::listing`]. Driven by [`crate::cwmp::session`].

use super::listing::list;
pub use super::listing::{Filled, List, Listed, Listing, Row};
use super::{ENCODING, ENVELOPE, XSD, XSI};
use crate::cwmp::fault::{Fault, side};
use crate::cwmp::rpc::{self, Answer, ValueType};
use crate::cwmp::soap::xml::legal;
use crate::cwmp::version::{SUPPORTED, Version};
use std::fmt::Write;

/// The body of a POST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// Nothing at all: no content, no Content-Type, no SOAPAction.
    //= TR-069 3.4.1: an empty POST carries neither SOAPAction nor Content-Type.
    Empty,
    /// A whole message.
    Text(String),
    /// A message whose rows are pulled while it is sent.
    Listing(Listing),
}

/// What goes around a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Decides the namespace.
    pub version: Version,
    /// The header ID: that of the request that is answered, or a new one.
    pub id: Option<&'a str>,
    /// Whether the header SupportedCWMPVersions is added: in an Inform only.
    pub announce: bool,
}

impl Envelope<'_> {
    /// All up to the body's content.
    pub fn head(&self) -> String {
        let mut xml = Xml::after(String::with_capacity(640));
        xml.out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap-env:Envelope");
        for (prefix, uri) in [
            ("soap-env", ENVELOPE),
            ("soap-enc", ENCODING),
            ("xsd", XSD),
            ("xsi", XSI),
            ("cwmp", self.version.namespace()),
        ] {
            let _ = write!(xml.out, " xmlns:{prefix}=\"{uri}\"");
        }
        xml.out.push_str("><soap-env:Header>");
        if let Some(id) = self.id {
            //= TR-069 3.5: a response carries the ID of its request.
            xml.out.push_str("<cwmp:ID soap-env:mustUnderstand=\"1\">");
            xml.text(id);
            xml.out.push_str("</cwmp:ID>");
        }
        if self.announce {
            //= TR-069 3.7.2.1: the Inform lists the versions spoken; nobody has to understand it.
            let _ = write!(
                xml.out,
                "<cwmp:SupportedCWMPVersions soap-env:mustUnderstand=\"0\">{SUPPORTED}</cwmp:SupportedCWMPVersions>"
            );
        }
        xml.out.push_str("</soap-env:Header><soap-env:Body>");
        xml.out
    }

    /// All behind the body's content.
    pub const fn tail() -> &'static str {
        "</soap-env:Body></soap-env:Envelope>\n"
    }

    /// A whole message, its body written by `inside`.
    pub fn around(&self, inside: impl FnOnce(&mut Xml)) -> String {
        let mut xml = Xml::after(self.head());
        inside(&mut xml);
        xml.out.push_str(Envelope::tail());
        xml.out
    }

    /// The message that answers a request: whole, or as the parts of one that is sent in pieces.
    pub fn answer(&self, answer: &Answer) -> Outgoing {
        let mut xml = Xml::after(self.head());
        let out = &mut xml;
        match answer {
            Answer::Listed(listed) => return Outgoing::Listing(Listing::new(self, *listed)),
            Answer::GetRpcMethods(methods) => rpc::get_rpc_methods::write(out, methods),
            Answer::GetParameterNames(rows) => list(out, rows),
            Answer::GetParameterValues(rows) => list(out, rows),
            Answer::GetParameterAttributes(rows) => list(out, rows),
            Answer::SetParameterValues(applied) => rpc::set_parameter_values::write(out, *applied),
            Answer::SetParameterAttributes => rpc::set_parameter_attributes::write(out),
            Answer::AddObject(instance, applied) => rpc::add_object::write(out, *instance, *applied),
            Answer::DeleteObject(applied) => rpc::delete_object::write(out, *applied),
            Answer::Reboot => rpc::reboot::write(out),
            Answer::FactoryReset => rpc::factory_reset::write(out),
            Answer::ScheduleInform => rpc::schedule_inform::write(out),
            Answer::Fault(fault) => write_fault(out, fault),
        }
        xml.out.push_str(Envelope::tail());
        Outgoing::Text(xml.out)
    }

    /// A fault of SOAP itself, without a code of CWMP; `code` is `MustUnderstand` or `VersionMismatch`.
    pub fn soap_fault(&self, code: &str, text: &str) -> String {
        self.around(|xml| {
            xml.open("soap-env:Fault");
            xml.leaf("faultcode", &format!("soap-env:{code}"));
            xml.leaf("faultstring", text);
            xml.close("soap-env:Fault");
        })
    }
}

//= TR-069 3.5: faultcode Client or Server, faultstring `CWMP fault`, the code in the detail.
fn write_fault(xml: &mut Xml, fault: &Fault) {
    xml.open("soap-env:Fault");
    xml.leaf("faultcode", &format!("soap-env:{}", side(fault.code).word()));
    xml.leaf("faultstring", "CWMP fault");
    xml.open("detail");
    xml.open("cwmp:Fault");
    xml.leaf("FaultCode", &fault.code.to_string());
    xml.leaf("FaultString", &fault.text);
    for parameter in &fault.parameters {
        xml.open("SetParameterValuesFault");
        xml.leaf("ParameterName", &parameter.name);
        xml.leaf("FaultCode", &parameter.code.to_string());
        xml.leaf("FaultString", &parameter.text);
        xml.close("SetParameterValuesFault");
    }
    xml.close("cwmp:Fault");
    xml.close("detail");
    xml.close("soap-env:Fault");
}

/// Text that grows by elements, or only its length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Xml {
    pub(super) out: String,
    /// Octets that were counted instead of being written.
    counted: Option<u64>,
}

impl Xml {
    /// What is written goes behind `out`.
    pub(super) fn after(out: String) -> Xml {
        Xml { out, counted: None }
    }

    /// How many octets `write` writes.
    pub(super) fn count(write: impl FnOnce(&mut Xml)) -> u64 {
        let mut xml = Xml { out: String::new(), counted: Some(0) };
        write(&mut xml);
        xml.counted.unwrap_or_default()
    }

    /// What was written so far.
    pub fn as_str(&self) -> &str {
        &self.out
    }

    fn put(&mut self, parts: &[&str]) {
        for part in parts {
            match &mut self.counted {
                None => self.out.push_str(part),
                Some(octets) => *octets += part.len() as u64,
            }
        }
    }

    /// A start tag.
    pub fn open(&mut self, name: &str) {
        self.put(&["<", name, ">"]);
    }

    /// The start tag of an array of `count` items of the qualified type `kind`.
    pub fn open_array(&mut self, name: &str, kind: &str, count: u64) {
        self.put(&["<", name, " soap-enc:arrayType=\"", kind, "[", &count.to_string(), "]\">"]);
    }

    /// An end tag.
    pub fn close(&mut self, name: &str) {
        self.put(&["</", name, ">"]);
    }

    /// An element with text.
    pub fn leaf(&mut self, name: &str, text: &str) {
        self.open(name);
        self.text(text);
        self.close(name);
    }

    /// An element with a text that has no special characters, such as a path.
    pub fn plain(&mut self, name: &str, text: &str) {
        self.put(&["<", name, ">", text, "</", name, ">"]);
    }

    /// An element with text and its type.
    //= TR-069 3.5: a value of any type carries xsi:type.
    pub fn typed(&mut self, name: &str, kind: ValueType, text: &str) {
        self.put(&["<", name, " xsi:type=\"", kind.qualified(), "\">"]);
        self.text(text);
        self.close(name);
    }

    /// An array of strings.
    pub fn strings<'s>(&mut self, name: &str, items: impl ExactSizeIterator<Item = &'s str>) {
        self.open_array(name, "xsd:string", items.len() as u64);
        for item in items {
            self.leaf("string", item);
        }
        self.close(name);
    }

    /// Text with its special characters replaced. A carriage return is written as a reference, or the reader would
    /// take it for the end of a line; a character that XML 1.0 cannot carry at all becomes U+FFFD.
    pub fn text(&mut self, text: &str) {
        // Nearly every text has none, and is taken whole.
        if text.bytes().all(|octet| matches!(octet, b' '..=b'~') && !matches!(octet, b'<' | b'>' | b'&')) {
            return self.put(&[text]);
        }
        let mut octets = [0; 4];
        for c in text.chars() {
            self.put(&[match c {
                '<' => "&lt;",
                '>' => "&gt;",
                '&' => "&amp;",
                '\r' => "&#13;",
                c if legal(c) => c.encode_utf8(&mut octets),
                _ => "\u{fffd}",
            }]);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::cwmp::fault::ParameterFault;
    use crate::cwmp::rpc::Applied;
    use crate::cwmp::soap::xml;

    const PLAIN: Envelope<'static> = Envelope { version: Version::V1_2, id: Some("7"), announce: false };

    fn text(answer: &Answer) -> String {
        match PLAIN.answer(answer) {
            Outgoing::Text(text) => text,
            other => panic!("not text: {other:?}"),
        }
    }

    #[test]
    fn any_text_comes_back_as_it_was_and_what_xml_cannot_carry_is_replaced() {
        for (value, want) in [
            ("a<b>&\"'c", "a<b>&\"'c"),
            ("]]>&amp;", "]]>&amp;"),
            (" two  spaces ", " two  spaces "),
            ("line\r\nline\rline\n\t", "line\r\nline\rline\n\t"),
            ("\u{e4}\u{1f600}", "\u{e4}\u{1f600}"),
            ("a\0b\u{1}c\u{1b}\u{ffff}", "a\u{fffd}b\u{fffd}c\u{fffd}\u{fffd}"),
        ] {
            let mut xml = Xml::default();
            xml.leaf("v", value);
            assert_eq!(xml::parse(xml.out.as_bytes()).unwrap().text, want, "{value:?}");
            assert_eq!(Xml::count(|xml| xml.leaf("v", value)), xml.out.len() as u64, "{value:?}");
        }
    }

    //= TR-069 3.5
    #[test]
    fn a_fault_says_whose_it_is_and_carries_the_parameters_in_error() {
        let parameter = ParameterFault { name: "Device.A<".into(), code: 9008, text: "read-only".into() };
        let fault = Fault { parameters: vec![parameter], ..Fault::arguments("") };
        let text = text(&Answer::Fault(fault));
        for part in [
            "<cwmp:ID soap-env:mustUnderstand=\"1\">7</cwmp:ID>",
            "<faultcode>soap-env:Client</faultcode><faultstring>CWMP fault</faultstring>",
            "<FaultCode>9003</FaultCode><FaultString>Invalid arguments</FaultString>",
            "<SetParameterValuesFault><ParameterName>Device.A&lt;</ParameterName><FaultCode>9008</FaultCode>",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(
            PLAIN
                .soap_fault("MustUnderstand", "x")
                .contains("<faultcode>soap-env:MustUnderstand</faultcode>")
        );
    }

    #[test]
    fn the_status_tells_whether_a_change_is_in_effect() {
        for (answer, want) in [
            (Answer::SetParameterValues(Applied::Now), "<Status>0</Status>"),
            (Answer::SetParameterValues(Applied::Later), "<Status>1</Status>"),
            (Answer::AddObject(3, Applied::Later), "<InstanceNumber>3</InstanceNumber><Status>1</Status>"),
            (Answer::DeleteObject(Applied::Now), "<Status>0</Status>"),
        ] {
            assert!(text(&answer).contains(want), "{answer:?}");
        }
    }
}
