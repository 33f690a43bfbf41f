//! XML from outside as a small tree, within bounds.
//!
//! Names are resolved to namespaces, text keeps its whitespace, `xsi:type` is resolved to its local name. Document
//! type declarations are refused, so no entity but the five of XML itself ever expands. It knows nothing of
//! envelopes. Driven by [`super::reader`].

use super::{ENCODING, ENVELOPE, XSD, XSI};
use crate::cwmp::version::Version;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{PrefixDeclaration, QName, ResolveResult};
use quick_xml::{NsReader, XmlVersion};
use std::borrow::Cow;
use std::fmt;

/// The largest document read, in octets: a SetParameterValues of several thousand values.
pub const MAX_DOCUMENT: usize = 1 << 20;
/// The deepest nesting. The deepest message of CWMP, a fault, needs 7.
pub const MAX_DEPTH: usize = 32;
/// The most elements in a document; a value of a SetParameterValues takes three.
pub const MAX_ELEMENTS: usize = 24_576;
/// The most attributes of one element, namespace declarations included.
pub const MAX_ATTRIBUTES: usize = 32;
/// The most namespace declarations in scope at once.
pub const MAX_NAMESPACES: usize = 64;

/// Which namespace a name is in, as far as CWMP cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// In none.
    None,
    /// The SOAP 1.1 envelope.
    Envelope,
    /// One of CWMP's.
    Cwmp(Version),
    /// Any other.
    Other,
}

/// An element with its children.
#[derive(Clone, Debug)]
pub struct Element<'a> {
    /// The namespace of its name.
    pub space: Space,
    /// Its name without the prefix.
    pub name: Box<str>,
    /// The local name in `xsi:type` where that names a type of XML Schema, of CWMP, or `base64` of SOAP.
    pub kind: Option<Box<str>>,
    /// Whether it carries `mustUnderstand` and is meant for us and not for another actor.
    pub must_understand: bool,
    /// The text directly in it, whitespace and all.
    pub text: Cow<'a, str>,
    /// The elements in it.
    pub children: Vec<Element<'a>>,
}

/// Why a document was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Beyond one of the bounds; which one.
    TooMuch(&'static str),
    /// Not UTF-8.
    Encoding,
    /// A document type declaration or an entity of its own.
    Dtd,
    /// Not well-formed; where or why.
    Malformed(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::TooMuch(what) => write!(f, "too {what}"),
            Unreadable::Encoding => f.write_str("not UTF-8"),
            Unreadable::Dtd => f.write_str("has a document type declaration"),
            Unreadable::Malformed(why) => write!(f, "not well-formed: {why}"),
        }
    }
}

fn malformed(why: impl fmt::Display) -> Unreadable {
    Unreadable::Malformed(why.to_string())
}

impl<'a> Element<'a> {
    /// The children called `name`, unqualified as the schema has them or in a namespace of CWMP.
    //= TR-069 3.5: the arguments of an RPC have no namespace; what is not known is ignored.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s Element<'a>> {
        self.children
            .iter()
            .filter(move |child| *child.name == *name && matches!(child.space, Space::None | Space::Cwmp(_)))
    }

    /// The first child called `name`.
    pub fn child(&self, name: &str) -> Option<&Element<'a>> {
        self.children
            .iter()
            .find(|child| *child.name == *name && matches!(child.space, Space::None | Space::Cwmp(_)))
    }
}

/// Reads one document and returns its root.
pub fn parse(octets: &[u8]) -> Result<Element<'_>, Unreadable> {
    if octets.len() > MAX_DOCUMENT {
        return Err(Unreadable::TooMuch("long"));
    }
    let text = std::str::from_utf8(octets).map_err(|_| Unreadable::Encoding)?;
    let mut reader = NsReader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().check_comments = true;
    reader.resolver_mut().set_max_namespace_bindings(MAX_NAMESPACES);
    let mut tree = Builder { open: Vec::new(), root: None, elements: 0 };
    let mut first = true;
    loop {
        let event = reader.read_event().map_err(malformed)?;
        match event {
            Event::Start(tag) => tree.open(element(&reader, &tag)?)?,
            Event::Empty(tag) => {
                tree.open(element(&reader, &tag)?)?;
                tree.close()?;
            }
            Event::End(_) => tree.close()?,
            Event::Text(text) => tree.text(lines(text.into_inner()))?,
            Event::CData(text) => tree.text(lines(text.into_inner()))?,
            Event::GeneralRef(name) => {
                let c = match name.resolve_char_ref().map_err(malformed)? {
                    Some(c) => c,
                    None => match &*name {
                        "lt" => '<',
                        "gt" => '>',
                        "amp" => '&',
                        "apos" => '\'',
                        "quot" => '"',
                        _ => return Err(Unreadable::Dtd),
                    },
                };
                tree.text(Cow::Owned(c.to_string()))?;
            }
            Event::Decl(declaration) => {
                if !first {
                    return Err(malformed("a declaration that is not at the start"));
                }
                if let Some(encoding) = declaration.encoding() {
                    let encoding = encoding.map_err(malformed)?;
                    // US-ASCII is a part of UTF-8, and the text has been checked.
                    if !["utf-8", "utf8", "us-ascii"].iter().any(|known| encoding.eq_ignore_ascii_case(known))
                    {
                        return Err(Unreadable::Encoding);
                    }
                }
            }
            Event::DocType(_) => return Err(Unreadable::Dtd),
            Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
        first = false;
    }
    tree.finish()
}

/// The ends of lines as XML 1.0 2.11 wants them; the characters of a reference are added separately and stay.
fn lines(text: Cow<'_, str>) -> Cow<'_, str> {
    match text.contains('\r') {
        true => Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")),
        false => text,
    }
}

/// Whether XML 1.0 allows the character in a document.
pub fn legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

struct Builder<'a> {
    open: Vec<Element<'a>>,
    root: Option<Element<'a>>,
    elements: usize,
}

impl<'a> Builder<'a> {
    fn open(&mut self, element: Element<'a>) -> Result<(), Unreadable> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(Unreadable::TooMuch("many elements"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(Unreadable::TooMuch("deep"));
        }
        if self.root.is_some() {
            return Err(malformed("a second root"));
        }
        self.open.push(element);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Unreadable> {
        let element = self.open.pop().ok_or_else(|| malformed("an end without a start"))?;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn text(&mut self, piece: Cow<'a, str>) -> Result<(), Unreadable> {
        if !piece.chars().all(legal) {
            return Err(malformed("a character that XML does not have"));
        }
        match self.open.last_mut() {
            Some(element) if element.text.is_empty() => element.text = piece,
            Some(element) => element.text.to_mut().push_str(&piece),
            None if piece.chars().all(char::is_whitespace) => {}
            None => return Err(malformed("text outside the root")),
        }
        Ok(())
    }

    fn finish(self) -> Result<Element<'a>, Unreadable> {
        match self.root {
            Some(root) if self.open.is_empty() => Ok(root),
            Some(_) | None => Err(malformed("it ends early")),
        }
    }
}

fn element<'a>(reader: &NsReader<&'a [u8]>, tag: &BytesStart<'a>) -> Result<Element<'a>, Unreadable> {
    let space = match reader.resolver().resolve_element(tag.name()).0 {
        ResolveResult::Unbound => Space::None,
        ResolveResult::Bound(uri) if uri.0 == ENVELOPE => Space::Envelope,
        ResolveResult::Bound(uri) => Version::of_namespace(uri.0).map_or(Space::Other, Space::Cwmp),
        ResolveResult::Unknown(prefix) => {
            return Err(malformed(format_args!("prefix {prefix} is not bound")));
        }
    };
    let mut made = Element {
        space,
        name: tag.local_name().as_ref().into(),
        kind: None,
        must_understand: false,
        text: Cow::Borrowed(""),
        children: Vec::new(),
    };
    let mut for_another = false;
    for (count, attribute) in tag.attributes().enumerate() {
        if count >= MAX_ATTRIBUTES {
            return Err(Unreadable::TooMuch("many attributes"));
        }
        let attribute = attribute.map_err(malformed)?;
        let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(malformed)?;
        if !value.chars().all(legal) || attribute.value.contains('<') {
            return Err(malformed("a character that an attribute cannot have"));
        }
        if let Some(PrefixDeclaration::Default | PrefixDeclaration::Named(_)) =
            attribute.key.as_namespace_binding()
        {
            continue;
        }
        let (bound, name) = reader.resolver().resolve_attribute(attribute.key);
        let ResolveResult::Bound(uri) = bound else { continue };
        match (uri.0, name.as_ref()) {
            (XSI, "type") => made.kind = kind(reader, value.trim()),
            //= SOAP 1.1 4.2.3: `1` means that a header not understood is an error.
            (ENVELOPE, "mustUnderstand") => made.must_understand = matches!(value.trim(), "1" | "true"),
            //= SOAP 1.1 4.2.2: a header for another actor is none of ours.
            (ENVELOPE, "actor") => {
                for_another = !matches!(value.trim(), "" | "http://schemas.xmlsoap.org/soap/actor/next");
            }
            _ => {}
        }
    }
    made.must_understand &= !for_another;
    Ok(made)
}

/// The local name of a type given by a qualified name, if its namespace is one whose types CWMP uses.
fn kind(reader: &NsReader<&[u8]>, name: &str) -> Option<Box<str>> {
    let (bound, local) = reader.resolver().resolve(QName(name), true);
    match bound {
        ResolveResult::Bound(uri)
            if [XSD, ENCODING].contains(&uri.0) || Version::of_namespace(uri.0).is_some() =>
        {
            Some(local.as_ref().into())
        }
        ResolveResult::Bound(_) | ResolveResult::Unbound | ResolveResult::Unknown(_) => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn whitespace_and_references_in_text_are_kept_as_written() {
        for (inner, want) in [
            (" a  b ", " a  b "),
            ("a&lt;b&gt;&amp;&quot;&apos;", "a<b>&\"'"),
            ("&#65;&#x42;", "AB"),
            ("a\r\nb\rc", "a\nb\nc"),
            ("a&#13;&#10;b", "a\r\nb"),
            ("<![CDATA[<x>&amp;]]>y", "<x>&amp;y"),
            ("a<!-- c -->b", "ab"),
            ("a<?pi x?>b", "ab"),
            ("", ""),
        ] {
            let text = format!("<?xml version='1.0'?>\n<v>{inner}</v>\n");
            assert_eq!(parse(text.as_bytes()).unwrap().text, want, "{inner:?}");
        }
    }

    #[test]
    fn names_are_told_by_namespace_and_never_by_prefix() {
        let text = format!(
            "<x:a xmlns:x='{ENVELOPE}'><b xmlns='urn:dslforum-org:cwmp-1-1'><c xmlns=''/></b><x:d xmlns:x='urn:x'/></x:a>"
        );
        let root = parse(text.as_bytes()).unwrap();
        assert_eq!((root.space, &*root.name), (Space::Envelope, "a"));
        assert_eq!(root.children[0].space, Space::Cwmp(Version::V1_1));
        assert_eq!(root.children[0].children[0].space, Space::None);
        assert_eq!(root.children[1].space, Space::Other);
    }

    #[test]
    fn a_type_is_its_local_name_whatever_the_prefix() {
        for (declared, name, want) in [
            (format!("xmlns:q='{XSD}'"), "q:unsignedInt", Some("unsignedInt")),
            (format!("xmlns='{XSD}'"), "int", Some("int")),
            (format!("xmlns:e='{ENCODING}'"), "e:base64", Some("base64")),
            (format!("xmlns:q='{XSD}'"), " q:string ", Some("string")),
            ("xmlns:q='urn:other'".to_string(), "q:string", None),
            (String::new(), "string", None),
            (String::new(), "q:string", None),
        ] {
            let text = format!("<v xmlns:i='{XSI}' {declared} i:type='{name}'/>");
            assert_eq!(parse(text.as_bytes()).unwrap().kind.as_deref(), want, "{declared} {name}");
        }
    }

    //= SOAP 1.1 4.2.2, 4.2.3
    #[test]
    fn must_understand_counts_only_where_the_header_is_for_us() {
        for (attributes, want) in [
            ("e:mustUnderstand='1'", true),
            ("e:mustUnderstand='0'", false),
            ("mustUnderstand='1'", false),
            ("e:mustUnderstand='1' e:actor='http://schemas.xmlsoap.org/soap/actor/next'", true),
            ("e:actor='urn:proxy' e:mustUnderstand='1'", false),
        ] {
            let text = format!("<v xmlns:e='{ENVELOPE}' {attributes}/>");
            assert_eq!(parse(text.as_bytes()).unwrap().must_understand, want, "{attributes}");
        }
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for text in [
            "",
            "  ",
            "text",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>x",
            "</a>",
            "<a><b></a></b>",
            "<a b='1' b='2'/>",
            "<p:a/>",
            "<a>&#0;</a>",
            "<a>&#1;</a>",
            "<a>\u{1}</a>",
            "<a>&unknown;</a>",
            "<a>& b</a>",
            "<a b='<'/>",
            "<a b='&unknown;'/>",
            "<a",
            "<a>x</a",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_document_type_is_refused_before_anything_expands() {
        let bomb = "<!DOCTYPE v [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]><v>&b;</v>";
        let outside = "<!DOCTYPE v SYSTEM 'file:///etc/shadow'><v/>";
        for text in [bomb, outside] {
            assert_eq!(parse(text.as_bytes()).unwrap_err(), Unreadable::Dtd);
        }
    }

    #[test]
    fn other_encodings_are_refused_and_a_byte_order_mark_is_not() {
        assert_eq!(parse(b"<v>\xff\xfe</v>").unwrap_err(), Unreadable::Encoding);
        assert_eq!(parse(b"<v>\xc0\x80</v>").unwrap_err(), Unreadable::Encoding);
        let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><v/>";
        assert_eq!(parse(latin).unwrap_err(), Unreadable::Encoding);
        assert!(parse("\u{feff}<?xml version='1.0' encoding='utf-8'?><v>\u{e4}</v>".as_bytes()).is_ok());
    }

    #[test]
    fn each_bound_holds_and_what_lies_at_it_is_read() {
        let deep = |n: usize| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n));
        let many = |n: usize| format!("<r>{}</r>", "<a/>".repeat(n - 1));
        let attributes =
            |n: usize| format!("<r {}/>", (0..n).map(|i| format!("a{i}='1'")).collect::<Vec<_>>().join(" "));
        let long = |n: usize| format!("<r>{}</r>", "x".repeat(n - 7));
        for (what, at, beyond) in [
            ("deep", deep(MAX_DEPTH), deep(MAX_DEPTH + 1)),
            ("many elements", many(MAX_ELEMENTS), many(MAX_ELEMENTS + 1)),
            ("many attributes", attributes(MAX_ATTRIBUTES), attributes(MAX_ATTRIBUTES + 1)),
            ("long", long(MAX_DOCUMENT), long(MAX_DOCUMENT + 1)),
        ] {
            assert!(parse(at.as_bytes()).is_ok(), "{what}");
            assert_eq!(parse(beyond.as_bytes()).unwrap_err(), Unreadable::TooMuch(what));
        }
        let spaces: String = (0..=MAX_NAMESPACES).map(|i| format!("<a xmlns:n{i}='u'>")).collect();
        assert!(parse(spaces.as_bytes()).is_err());
    }
}
