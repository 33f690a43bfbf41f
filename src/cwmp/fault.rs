//! Refusals of the data model as CWMP fault codes.
//!
//! One exhaustive match per place a code can appear, so a new kind of refusal does not build until a code is chosen.
//! Owns the table of the codes an RPC of the data model can answer with; those of file transfers are not here.

use crate::dm::error::{Error, Refusal};

/// Whose fault it was, as SOAP's `faultcode` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The requester's.
    Client,
    /// The responder's.
    Server,
}

impl Side {
    /// The word in `faultcode`, behind the prefix.
    pub const fn word(self) -> &'static str {
        match self {
            Side::Client => "Client",
            Side::Server => "Server",
        }
    }
}

/// Method not supported.
pub const METHOD_NOT_SUPPORTED: u16 = 9000;
/// Request denied, no reason given.
pub const REQUEST_DENIED: u16 = 9001;
/// Internal error.
pub const INTERNAL_ERROR: u16 = 9002;
/// Invalid arguments; also the outer code of a refused SetParameterValues.
pub const INVALID_ARGUMENTS: u16 = 9003;
/// Resources exceeded.
pub const RESOURCES_EXCEEDED: u16 = 9004;
/// Invalid parameter name.
pub const INVALID_NAME: u16 = 9005;
/// Invalid parameter type.
pub const INVALID_TYPE: u16 = 9006;
/// Invalid parameter value.
pub const INVALID_VALUE: u16 = 9007;
/// Attempt to set a non-writable parameter.
pub const NOT_WRITABLE: u16 = 9008;
/// Notification request rejected.
pub const NOTIFICATION_REJECTED: u16 = 9009;

/// The server asks for the same request once more.
pub const ACS_RETRY_REQUEST: u16 = 8005;
/// The server does not speak our version.
pub const ACS_VERSION_INCOMPATIBLE: u16 = 8006;

//= TR-069 A.5.1: the codes, whose fault each is, and what it means.
const TABLE: [(u16, Side, &str); 10] = [
    (METHOD_NOT_SUPPORTED, Side::Server, "Method not supported"),
    (REQUEST_DENIED, Side::Server, "Request denied"),
    (INTERNAL_ERROR, Side::Server, "Internal error"),
    (INVALID_ARGUMENTS, Side::Client, "Invalid arguments"),
    (RESOURCES_EXCEEDED, Side::Server, "Resources exceeded"),
    (INVALID_NAME, Side::Client, "Invalid parameter name"),
    (INVALID_TYPE, Side::Client, "Invalid parameter type"),
    (INVALID_VALUE, Side::Client, "Invalid parameter value"),
    (NOT_WRITABLE, Side::Client, "Attempt to set a non-writable parameter"),
    (NOTIFICATION_REJECTED, Side::Server, "Notification request rejected"),
];

/// Whose fault a code is; [`Side::Server`] for one not of the table, as for all of file transfers.
pub fn side(code: u16) -> Side {
    TABLE.iter().find(|(known, _, _)| *known == code).map_or(Side::Server, |(_, side, _)| *side)
}

/// What a code means, in the standard's words; empty for one not of the table.
pub fn meaning(code: u16) -> &'static str {
    TABLE.iter().find(|(known, _, _)| *known == code).map_or("", |(_, _, meaning)| meaning)
}

/// A fault that answers a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The code.
    pub code: u16,
    /// What went wrong, for a person.
    pub text: String,
    /// One entry per refused parameter of a SetParameterValues.
    pub parameters: Vec<ParameterFault>,
}

/// One refused parameter of a SetParameterValues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterFault {
    /// The name as the server wrote it.
    pub name: String,
    /// The code.
    pub code: u16,
    /// What went wrong, for a person.
    pub text: String,
}

impl Fault {
    /// A fault with `code`, its meaning and, where not empty, `detail` behind it.
    pub fn new(code: u16, detail: &str) -> Fault {
        let text = match (meaning(code), detail) {
            (meaning, "") => meaning.to_string(),
            ("", detail) => detail.to_string(),
            (meaning, detail) => format!("{meaning}: {detail}"),
        };
        Fault { code, text, parameters: Vec::new() }
    }

    /// [`INVALID_ARGUMENTS`].
    pub fn arguments(detail: &str) -> Fault {
        Fault::new(INVALID_ARGUMENTS, detail)
    }

    /// The answer to any request but SetParameterValues that the data model refused.
    pub fn of(error: &Error) -> Fault {
        Fault::new(rpc_fault(&error.why), &error.to_string())
    }

    /// The answer to a SetParameterValues with these refusals, of which there is at least one.
    ///
    /// A refusal without a path, or of the request's own shape, is that of the request as a whole.
    //= TR-069 A.3.2.1: 9003 outside, and inside one entry for each parameter in error.
    pub fn of_set(errors: &[Error]) -> Fault {
        let general = errors
            .iter()
            .find(|error| error.path.is_empty() || matches!(error.why, Refusal::InvalidArguments(_)));
        if let Some(error) = general {
            return Fault::of(error);
        }
        let parameters = errors
            .iter()
            .map(|error| ParameterFault {
                name: error.path.clone(),
                code: parameter_fault(&error.why),
                text: error.why.to_string(),
            })
            .collect();
        Fault { parameters, ..Fault::arguments("") }
    }
}

/// The code of one parameter inside the fault of a SetParameterValues.
//= TR-069 A.3.2.1: 9001 and 9004 are never about a single parameter.
pub const fn parameter_fault(why: &Refusal) -> u16 {
    match why {
        Refusal::UnknownPath | Refusal::NotCreatable | Refusal::NotDeletable => INVALID_NAME,
        Refusal::WrongType { .. } => INVALID_TYPE,
        Refusal::OutOfRange { .. } | Refusal::Duplicate(_) | Refusal::InvalidArguments(_) => INVALID_VALUE,
        Refusal::NotWritable => NOT_WRITABLE,
        Refusal::Denied(_) | Refusal::Busy(_) | Refusal::Exhausted(_) | Refusal::Backend(_) => INTERNAL_ERROR,
    }
}

/// The code of any other refused request.
//= TR-069 A.5.1: 9006, 9007 and 9008 exist for SetParameterValues only.
pub const fn rpc_fault(why: &Refusal) -> u16 {
    match why {
        Refusal::UnknownPath | Refusal::NotCreatable | Refusal::NotDeletable => INVALID_NAME,
        Refusal::WrongType { .. }
        | Refusal::OutOfRange { .. }
        | Refusal::Duplicate(_)
        | Refusal::InvalidArguments(_) => INVALID_ARGUMENTS,
        Refusal::NotWritable | Refusal::Denied(_) => REQUEST_DENIED,
        Refusal::Busy(_) | Refusal::Backend(_) => INTERNAL_ERROR,
        Refusal::Exhausted(_) => RESOURCES_EXCEEDED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds() -> [(Refusal, u16, u16); 12] {
        let text = String::new;
        [
            (Refusal::UnknownPath, 9005, 9005),
            (Refusal::NotWritable, 9008, 9001),
            (Refusal::WrongType { expected: text() }, 9006, 9003),
            (Refusal::OutOfRange { allowed: text() }, 9007, 9003),
            (Refusal::Denied(text()), 9002, 9001),
            (Refusal::Busy(text()), 9002, 9002),
            (Refusal::Exhausted(text()), 9002, 9004),
            (Refusal::Backend(text()), 9002, 9002),
            (Refusal::Duplicate(text()), 9007, 9003),
            (Refusal::NotDeletable, 9005, 9005),
            (Refusal::NotCreatable, 9005, 9005),
            (Refusal::InvalidArguments(text()), 9007, 9003),
        ]
    }

    //= TR-069 A.3.2.1, A.5.1
    #[test]
    fn each_refusal_has_a_code_for_a_parameter_and_one_for_a_request() {
        for (why, parameter, rpc) in kinds() {
            assert_eq!(parameter_fault(&why), parameter, "{why:?}");
            assert_eq!(rpc_fault(&why), rpc, "{why:?}");
            assert!([9002, 9005, 9006, 9007, 9008].contains(&parameter), "not a code of one parameter");
            assert!([9001, 9002, 9003, 9004, 9005].contains(&rpc), "a code of SetParameterValues only");
        }
    }

    //= TR-069 A.5.1
    #[test]
    fn a_code_says_whose_fault_it_was() {
        for (code, want) in [
            (9000, Side::Server),
            (9001, Side::Server),
            (9002, Side::Server),
            (9003, Side::Client),
            (9004, Side::Server),
            (9005, Side::Client),
            (9006, Side::Client),
            (9007, Side::Client),
            (9008, Side::Client),
            (9009, Side::Server),
            (9010, Side::Server),
            (9800, Side::Server),
        ] {
            assert_eq!(side(code), want, "{code}");
        }
    }

    //= TR-069 A.3.2.1
    #[test]
    fn a_refused_set_names_every_parameter_in_error_inside_9003() {
        let errors =
            [Error::new("Device.A", Refusal::NotWritable), Error::new("Device.B", Refusal::UnknownPath)];
        let fault = Fault::of_set(&errors);
        assert_eq!(fault.code, 9003);
        let told: Vec<(&str, u16)> = fault.parameters.iter().map(|p| (p.name.as_str(), p.code)).collect();
        assert_eq!(told, [("Device.A", 9008), ("Device.B", 9005)]);
    }

    //= TR-069 A.3.2.1
    #[test]
    fn a_set_refused_as_a_whole_names_no_parameter() {
        for (path, why, code) in [
            ("", Refusal::Exhausted("journal".into()), 9004),
            ("", Refusal::Busy("LuCI".into()), 9002),
            ("Device.A", Refusal::InvalidArguments("named twice".into()), 9003),
        ] {
            let fault = Fault::of_set(&[Error::new("Device.B", Refusal::NotWritable), Error::new(path, why)]);
            assert_eq!((fault.code, fault.parameters.len()), (code, 0));
        }
    }
}
