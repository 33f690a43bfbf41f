//! GetRPCMethods: what can be asked. The request has no arguments; either side may send it.

use super::body;
use crate::cwmp::soap::writer::Xml;

/// Writes the response.
//= TR-069 A.3.1.1: each method that is answered otherwise than by 9000.
pub fn write(xml: &mut Xml, methods: &[&str]) {
    body(xml, "GetRPCMethodsResponse", |xml| xml.strings("MethodList", methods.iter().copied()));
}

/// Writes the request to an ACS.
pub fn write_request(xml: &mut Xml) {
    body(xml, "GetRPCMethods", |_| {});
}
