//! Messages as text: whole where they are small, in pieces where they are not.
//!
//! A long list is rendered twice by the same code: once to count its rows and octets, for `arrayType` and
//! Content-Length, and once more to be sent, a piece at a time. Its rows are pulled from the caller both times and
//! never kept. Values may change between the two; see [`Listing::fill`].

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
        let mut xml = Xml(String::with_capacity(640));
        xml.0.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap-env:Envelope");
        for (prefix, uri) in [
            ("soap-env", ENVELOPE),
            ("soap-enc", ENCODING),
            ("xsd", XSD),
            ("xsi", XSI),
            ("cwmp", self.version.namespace()),
        ] {
            let _ = write!(xml.0, " xmlns:{prefix}=\"{uri}\"");
        }
        xml.0.push_str("><soap-env:Header>");
        if let Some(id) = self.id {
            //= TR-069 3.5: a response carries the ID of its request.
            xml.0.push_str("<cwmp:ID soap-env:mustUnderstand=\"1\">");
            xml.text(id);
            xml.0.push_str("</cwmp:ID>");
        }
        if self.announce {
            //= TR-069 3.7.2.1: the Inform lists the versions spoken; nobody has to understand it.
            let _ = write!(
                xml.0,
                "<cwmp:SupportedCWMPVersions soap-env:mustUnderstand=\"0\">{SUPPORTED}</cwmp:SupportedCWMPVersions>"
            );
        }
        xml.0.push_str("</soap-env:Header><soap-env:Body>");
        xml.0
    }

    /// All behind the body's content.
    pub const fn tail() -> &'static str {
        "</soap-env:Body></soap-env:Envelope>\n"
    }

    /// A whole message, its body written by `inside`.
    pub fn around(&self, inside: impl FnOnce(&mut Xml)) -> String {
        let mut xml = Xml(self.head());
        inside(&mut xml);
        xml.0.push_str(Envelope::tail());
        xml.0
    }

    /// The message that answers a request: whole, or as the parts of one that is sent in pieces.
    pub fn answer(&self, answer: &Answer) -> Outgoing {
        let mut xml = Xml(self.head());
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
        xml.0.push_str(Envelope::tail());
        Outgoing::Text(xml.0)
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

/// Text that grows by elements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Xml(String);

impl Xml {
    /// What was written so far.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A start tag.
    pub fn open(&mut self, name: &str) {
        self.0.extend(["<", name, ">"]);
    }

    /// The start tag of an array of `count` items of the qualified type `kind`.
    pub fn open_array(&mut self, name: &str, kind: &str, count: u64) {
        let _ = write!(self.0, "<{name} soap-enc:arrayType=\"{kind}[{count}]\">");
    }

    /// An end tag.
    pub fn close(&mut self, name: &str) {
        self.0.extend(["</", name, ">"]);
    }

    /// An element with text.
    pub fn leaf(&mut self, name: &str, text: &str) {
        self.open(name);
        self.text(text);
        self.close(name);
    }

    /// An element with text and its type.
    //= TR-069 3.5: a value of any type carries xsi:type.
    pub fn typed(&mut self, name: &str, kind: ValueType, text: &str) {
        let _ = write!(self.0, "<{name} xsi:type=\"{}\">", kind.qualified());
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
        for c in text.chars() {
            match c {
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '&' => self.0.push_str("&amp;"),
                '\r' => self.0.push_str("&#13;"),
                c if legal(c) => self.0.push(c),
                _ => self.0.push('\u{fffd}'),
            }
        }
    }
}

/// The lists that can be too long for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// GetParameterNamesResponse.
    Names,
    /// GetParameterValuesResponse.
    Values,
    /// GetParameterAttributesResponse.
    Attributes,
}

impl List {
    const fn response(self) -> &'static str {
        match self {
            List::Names => "cwmp:GetParameterNamesResponse",
            List::Values => "cwmp:GetParameterValuesResponse",
            List::Attributes => "cwmp:GetParameterAttributesResponse",
        }
    }

    const fn item(self) -> &'static str {
        match self {
            List::Names => "ParameterInfoStruct",
            List::Values => "ParameterValueStruct",
            List::Attributes => "ParameterAttributeStruct",
        }
    }
}

/// One row of a [`List`].
pub trait Row {
    /// The list it belongs to.
    const LIST: List;

    /// Writes the row's fields.
    fn write(&self, xml: &mut Xml);
}

fn item<R: Row>(xml: &mut Xml, row: &R) {
    xml.open(R::LIST.item());
    row.write(xml);
    xml.close(R::LIST.item());
}

fn begin(xml: &mut Xml, list: List, rows: u64) {
    xml.open(list.response());
    xml.open_array("ParameterList", &format!("cwmp:{}", list.item()), rows);
}

fn end(xml: &mut Xml, list: List) {
    xml.close("ParameterList");
    xml.close(list.response());
}

fn list<R: Row>(xml: &mut Xml, rows: &[R]) {
    begin(xml, R::LIST, rows.len() as u64);
    rows.iter().for_each(|row| item(xml, row));
    end(xml, R::LIST);
}

/// What the first pass over a list found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which list.
    pub list: List,
    /// How many rows.
    pub rows: u64,
    /// How many octets they take.
    pub octets: u64,
}

impl Listed {
    /// A list without rows, to be counted by [`Listed::add`].
    pub fn new(list: List) -> Listed {
        Listed { list, rows: 0, octets: 0 }
    }

    /// Counts one row.
    pub fn add<R: Row>(&mut self, row: &R) {
        let mut xml = Xml::default();
        item(&mut xml, row);
        self.rows += 1;
        self.octets += xml.0.len() as u64;
    }

    /// Octets set aside for values that grow between the two passes, such as counters.
    const fn slack(&self) -> u64 {
        256 + self.octets / 64
    }
}

/// A message with a long list on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    head: String,
    listed: Listed,
    sent_head: bool,
    sent_rows: u64,
    room: u64,
}

/// What a call of [`Listing::fill`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// There is more.
    More,
    /// That was the last piece.
    Done,
    /// The rows are no longer those that were counted: the message cannot be finished, the connection must be cut.
    Changed,
}

impl Listing {
    fn new(envelope: &Envelope<'_>, listed: Listed) -> Listing {
        let mut xml = Xml(envelope.head());
        begin(&mut xml, listed.list, listed.rows);
        Listing { head: xml.0, listed, sent_head: false, sent_rows: 0, room: listed.octets + listed.slack() }
    }

    /// Which list it is, and how long.
    pub fn listed(&self) -> Listed {
        self.listed
    }

    /// The octets of the whole message.
    pub fn content_length(&self) -> u64 {
        (self.head.len() + self.foot().len()) as u64 + self.listed.octets + self.listed.slack()
    }

    /// Begins again, for a message that has to be sent once more.
    pub fn rewind(&mut self) {
        self.sent_head = false;
        self.sent_rows = 0;
        self.room = self.listed.octets + self.listed.slack();
    }

    fn foot(&self) -> String {
        let mut xml = Xml::default();
        end(&mut xml, self.listed.list);
        xml.0.push_str(Envelope::tail());
        xml.0
    }

    /// Appends the next piece to `out`, at least `wanted` octets unless it is the last, pulling from `rows` where
    /// the last call ended.
    ///
    /// The message always has [`Listing::content_length`] octets: what values did not use of the octets set aside
    /// becomes white space between elements, where XML ignores it. A list that has another number of rows than was
    /// counted, or grew beyond that, cannot be finished.
    pub fn fill<R: Row>(
        &mut self,
        rows: &mut impl Iterator<Item = R>,
        wanted: usize,
        out: &mut String,
    ) -> Filled {
        let mut xml = Xml(std::mem::take(out));
        let filled = self.piece(rows, wanted, &mut xml);
        *out = xml.0;
        filled
    }

    fn piece<R: Row>(&mut self, rows: &mut impl Iterator<Item = R>, wanted: usize, xml: &mut Xml) -> Filled {
        let enough = xml.0.len().saturating_add(wanted);
        if R::LIST != self.listed.list {
            return Filled::Changed;
        }
        if !self.sent_head {
            xml.0.push_str(&self.head);
            self.sent_head = true;
        }
        while self.sent_rows < self.listed.rows {
            if xml.0.len() >= enough {
                return Filled::More;
            }
            let Some(row) = rows.next() else { return Filled::Changed };
            let before = xml.0.len();
            item(xml, &row);
            let Some(room) = self.room.checked_sub((xml.0.len() - before) as u64) else {
                return Filled::Changed;
            };
            self.room = room;
            self.sent_rows += 1;
        }
        if rows.next().is_some() {
            return Filled::Changed;
        }
        // The slack is a 64th of a list of bounded size, so it goes out in one piece.
        xml.0.extend(std::iter::repeat_n(' ', usize::try_from(self.room).unwrap_or_default()));
        self.room = 0;
        xml.0.push_str(&self.foot());
        Filled::Done
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::cwmp::fault::ParameterFault;
    use crate::cwmp::rpc::{Applied, ParameterAttribute, ParameterInfo, ParameterValue};
    use crate::cwmp::soap::xml;

    const PLAIN: Envelope<'static> = Envelope { version: Version::V1_2, id: Some("7"), announce: false };

    fn text(answer: &Answer) -> String {
        match PLAIN.answer(answer) {
            Outgoing::Text(text) => text,
            other => panic!("not text: {other:?}"),
        }
    }

    fn value(n: usize) -> ParameterValue {
        ParameterValue { name: format!("Device.X.{n}"), kind: ValueType::UnsignedInt, value: n.to_string() }
    }

    fn measured<R: Row>(rows: impl Iterator<Item = R>) -> Listed {
        let mut listed = Listed::new(R::LIST);
        rows.for_each(|row| listed.add(&row));
        listed
    }

    fn listing(listed: Listed) -> Listing {
        match PLAIN.answer(&Answer::Listed(listed)) {
            Outgoing::Listing(listing) => listing,
            other => panic!("not a listing: {other:?}"),
        }
    }

    /// All pieces, and the length of the longest.
    fn pieces<R: Row>(listing: &mut Listing, mut rows: impl Iterator<Item = R>) -> (String, usize, Filled) {
        let (mut all, mut longest) = (String::new(), 0);
        loop {
            let mut piece = String::new();
            let filled = listing.fill(&mut rows, 1000, &mut piece);
            longest = longest.max(piece.len());
            all.push_str(&piece);
            if filled != Filled::More {
                return (all, longest, filled);
            }
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
            assert_eq!(xml::parse(xml.0.as_bytes()).unwrap().text, want, "{value:?}");
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
    fn a_list_in_pieces_is_the_list_as_a_whole_but_for_white_space() {
        let names: Vec<ParameterInfo> =
            (0..3).map(|n| ParameterInfo { name: format!("Device.{n}."), writable: n == 1 }).collect();
        let attributes: Vec<ParameterAttribute> = vec![ParameterAttribute {
            name: "Device.A".into(),
            notification: 2,
            access_list: vec!["Subscriber".into()],
        }];
        let values: Vec<ParameterValue> = (0..5).map(value).collect();
        let same = |whole: String, listed: Listed, got: (String, usize, Filled)| {
            assert_eq!(got.2, Filled::Done);
            assert_eq!(got.0.len() as u64, listing(listed).content_length());
            assert_eq!(got.0.replace(&" ".repeat(listed.slack() as usize), ""), whole);
        };
        let listed = measured(names.iter().cloned());
        same(
            text(&Answer::GetParameterNames(names.clone())),
            listed,
            pieces(&mut listing(listed), names.into_iter()),
        );
        let listed = measured(values.iter().cloned());
        same(
            text(&Answer::GetParameterValues(values.clone())),
            listed,
            pieces(&mut listing(listed), values.into_iter()),
        );
        let listed = measured(attributes.iter().cloned());
        let got = pieces(&mut listing(listed), attributes.clone().into_iter());
        same(text(&Answer::GetParameterAttributes(attributes)), listed, got);
    }

    #[test]
    fn ten_thousand_values_never_stand_in_memory_together() {
        let listed = measured((0..10_000).map(value));
        let mut listing = listing(listed);
        let (all, longest, filled) = pieces(&mut listing, (0..10_000).map(value));
        assert_eq!(filled, Filled::Done);
        assert!(all.contains("cwmp:ParameterValueStruct[10000]"));
        assert!(longest < 1000 + 256 + listed.slack() as usize, "a piece of {longest}");
        listing.rewind();
        assert_eq!(pieces(&mut listing, (0..10_000).map(value)).0, all, "sent again");
    }

    #[test]
    fn values_may_change_in_length_between_the_passes_and_rows_may_not_change_in_number() {
        let listed = measured((0..100).map(value));
        let grown = (0..100).map(|n| ParameterValue { value: format!("1{n}"), ..value(n) });
        let shrunk = (0..100).map(|n| ParameterValue { value: String::new(), ..value(n) });
        for (rows, want) in [
            (grown.collect::<Vec<_>>(), Filled::Done),
            (shrunk.collect(), Filled::Done),
            ((0..99).map(value).collect(), Filled::Changed),
            ((0..101).map(value).collect(), Filled::Changed),
            (
                (0..100).map(|n| ParameterValue { value: "x".repeat(99), ..value(n) }).collect(),
                Filled::Changed,
            ),
        ] {
            let mut listing = listing(listed);
            let length = listing.content_length();
            let (all, _, filled) = pieces(&mut listing, rows.into_iter());
            assert_eq!(filled, want);
            if filled == Filled::Done {
                assert_eq!(all.len() as u64, length);
                assert_eq!(xml::parse(all.as_bytes()).unwrap().children.len(), 2);
            }
        }
    }

    #[test]
    fn an_empty_list_is_a_list() {
        let listed = Listed::new(List::Names);
        let (all, _, filled) = pieces(&mut listing(listed), std::iter::empty::<ParameterInfo>());
        assert_eq!(filled, Filled::Done);
        assert!(all.contains("<ParameterList soap-enc:arrayType=\"cwmp:ParameterInfoStruct[0]\">"));
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
