//! SOAP 1.1 as TR-069 uses it: [`reader`] turns octets into a message, [`writer`] a message into octets.
//!
//! [`xml`] holds the bounded tree between them and the wire. No HTTP and no sessions here.

pub mod reader;
pub mod writer;
pub mod xml;

/// The SOAP 1.1 envelope namespace.
pub const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// The SOAP 1.1 encoding namespace, for `arrayType` and `base64`.
pub const ENCODING: &str = "http://schemas.xmlsoap.org/soap/encoding/";
/// The namespace of the types in `xsi:type`.
pub const XSD: &str = "http://www.w3.org/2001/XMLSchema";
/// The namespace of `xsi:type` itself.
pub const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Reads anything as an answer of an ACS, for fuzzing: it must neither panic nor exceed the bounds of [`xml`].
#[doc(hidden)]
pub fn exercise(data: &[u8]) {
    if let Ok(message) = reader::read(data) {
        drop(format!("{message:?}"));
    }
}
