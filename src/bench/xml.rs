//! A document as a tree of elements: read within bounds, written plain or indented.
//!
//! Knows nothing of SOAP. Comments and processing instructions are dropped; a document type declaration is refused.

use std::fmt;

use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{NamespaceResolver, ResolveResult};

/// The deepest nesting that is read.
pub const DEPTH_MAX: usize = 32;
/// The most elements that are read in one document.
pub const ELEMENTS_MAX: usize = 500_000;
/// The most attributes that are read in one element.
pub const ATTRIBUTES_MAX: usize = 32;

/// Why a text is not a document, for a person to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

/// One element with all below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// The name as written, prefix included.
    pub tag: String,
    /// The namespace the name was resolved to; empty for none and in elements built by hand.
    pub space: String,
    /// Attributes as written, namespace declarations included.
    pub attributes: Vec<(String, String)>,
    /// The elements inside, in order.
    pub children: Vec<Element>,
    /// The character data directly inside.
    pub text: String,
}

impl Element {
    /// An empty element named `tag`.
    pub fn new(tag: &str) -> Element {
        Element { tag: tag.to_owned(), ..Element::default() }
    }

    /// An element that holds `text` only.
    pub fn leaf(tag: &str, text: impl Into<String>) -> Element {
        Element { tag: tag.to_owned(), text: text.into(), ..Element::default() }
    }

    /// This element with one more attribute.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Element {
        self.attributes.push((name.to_owned(), value.into()));
        self
    }

    /// This element with one more child.
    pub fn having(mut self, child: Element) -> Element {
        self.children.push(child);
        self
    }

    /// The name without its prefix.
    pub fn local(&self) -> &str {
        local(&self.tag)
    }

    /// The first child of that local name.
    pub fn child(&self, local: &str) -> Option<&Element> {
        self.children.iter().find(|c| c.local() == local)
    }

    /// The text of the first child of that local name; empty if there is none.
    pub fn text_of(&self, local: &str) -> &str {
        self.child(local).map_or("", |c| c.text.as_str())
    }

    /// The value of the first attribute of that local name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(tag, _)| local(tag) == name && !tag.starts_with("xmlns:"))
            .map(|(_, v)| v.as_str())
    }

    /// The document on one line, with a declaration.
    pub fn document(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        self.write(&mut out, None);
        out
    }

    /// The document indented for a person, without a declaration.
    pub fn pretty(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, Some(0));
        out
    }

    fn write(&self, out: &mut String, indent: Option<usize>) {
        let pad = |out: &mut String, by: usize| {
            if let Some(depth) = indent {
                out.push('\n');
                out.extend(std::iter::repeat_n("  ", depth + by));
            }
        };
        out.push('<');
        out.push_str(&self.tag);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            escape(value, out);
            out.push('"');
        }
        if self.children.is_empty() && self.text.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        if self.children.is_empty() || !self.text.trim().is_empty() {
            escape(&self.text, out);
        }
        for child in &self.children {
            pad(out, 1);
            child.write(out, indent.map(|d| d + 1));
        }
        if !self.children.is_empty() {
            pad(out, 0);
        }
        out.push_str("</");
        out.push_str(&self.tag);
        out.push('>');
    }
}

/// Writes text so that it comes back as it was; what XML cannot carry becomes U+FFFD.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\n' | '\t' => out.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
}

fn local(tag: &str) -> &str {
    tag.rsplit(':').next().unwrap_or(tag)
}

/// Reads a document in UTF-8.
///
/// Refuses one that is not well-formed, has an undeclared prefix, an unknown entity, a document type declaration or
/// breaks one of the bounds of this module.
pub fn read(octets: &[u8]) -> Result<Element, Malformed> {
    let text = std::str::from_utf8(octets).map_err(|e| Malformed(format!("not UTF-8: {e}")))?;
    let mut reader = NsReader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut count = 0usize;
    loop {
        let event = reader.read_event().map_err(|e| Malformed(e.to_string()))?;
        match event {
            Event::Start(ref start) | Event::Empty(ref start) => {
                count += 1;
                if count > ELEMENTS_MAX || open.len() >= DEPTH_MAX {
                    return Err(Malformed("too many elements or nested too deep".into()));
                }
                if root.is_some() {
                    return Err(Malformed("something follows the root element".into()));
                }
                open.push(element(start, reader.resolver())?);
                if matches!(event, Event::Empty(_)) {
                    close(&mut open, &mut root);
                }
            }
            Event::End(_) => close(&mut open, &mut root),
            Event::Text(text) => characters(&mut open, &text.xml10_content())?,
            Event::CData(text) => characters(&mut open, &text.xml10_content())?,
            Event::GeneralRef(entity) => {
                let c = match entity.resolve_char_ref().map_err(|e| Malformed(e.to_string()))? {
                    Some(c) => c,
                    None => named(&entity.into_inner())?,
                };
                characters(&mut open, c.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err(Malformed("a document type declaration".into())),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    if !open.is_empty() {
        return Err(Malformed("the document ends inside an element".into()));
    }
    root.ok_or_else(|| Malformed("no element at all".into()))
}

fn element(start: &BytesStart<'_>, resolver: &NamespaceResolver) -> Result<Element, Malformed> {
    let mut made = Element::new(start.name().as_ref());
    made.space = match resolver.resolve_element(start.name()).0 {
        ResolveResult::Bound(space) => space.as_ref().to_owned(),
        ResolveResult::Unbound => String::new(),
        ResolveResult::Unknown(prefix) => return Err(Malformed(format!("undeclared prefix {prefix:?}"))),
    };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|e| Malformed(e.to_string()))?;
        if made.attributes.len() >= ATTRIBUTES_MAX {
            return Err(Malformed("too many attributes".into()));
        }
        if let ResolveResult::Unknown(prefix) = resolver.resolve_attribute(attribute.key).0 {
            return Err(Malformed(format!("undeclared prefix {prefix:?}")));
        }
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
            .map_err(|e| Malformed(e.to_string()))?;
        made.attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(made)
}

fn close(open: &mut Vec<Element>, root: &mut Option<Element>) {
    let Some(mut done) = open.pop() else { return };
    if !done.children.is_empty() && done.text.trim().is_empty() {
        done.text.clear();
    }
    match open.last_mut() {
        Some(parent) => parent.children.push(done),
        None => *root = Some(done),
    }
}

fn characters(open: &mut [Element], text: &str) -> Result<(), Malformed> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(Malformed("text outside the root element".into())),
    }
    Ok(())
}

fn named(entity: &str) -> Result<char, Malformed> {
    match entity {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(Malformed(format!("unknown entity &{entity};"))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_resolved_and_text_keeps_its_white_space() {
        let root = read(b"<a:x xmlns:a='urn:1' a:k='v&amp;w'>\n <y> p&lt;&#65;<![CDATA[<q>]]> </y>\n</a:x>")
            .unwrap();
        assert_eq!((root.local(), root.space.as_str(), root.text.as_str()), ("x", "urn:1", ""));
        assert_eq!(root.attribute("k"), Some("v&w"));
        assert_eq!(root.text_of("y"), " p<A<q> ");
        assert_eq!(root.child("y").unwrap().space, "");
    }

    #[test]
    fn what_is_written_is_read_back_the_same() {
        let text = "a<b>&\"'\r\n\té ]]>";
        let root = Element::new("r").having(Element::leaf("t", text).with("q", "1\"<"));
        for written in [root.document(), root.pretty()] {
            let back = read(written.as_bytes()).unwrap();
            assert_eq!(back.text_of("t"), text, "{written}");
            assert_eq!(back.child("t").unwrap().attribute("q"), Some("1\"<"));
        }
    }

    #[test]
    fn what_is_not_a_document_is_refused() {
        let deep = format!("{}{}", "<a>".repeat(DEPTH_MAX + 1), "</a>".repeat(DEPTH_MAX + 1));
        for bad in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>x",
            "<p:a/>",
            "<a p:k=''/>",
            "<a k='1' k='2'/>",
            "<a>&x;</a>",
            "<!DOCTYPE a><a/>",
            "<a",
            "<a>&#0;</a>",
            &deep,
        ] {
            assert!(read(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(read(b"<a>\xff</a>").is_err());
    }
}
