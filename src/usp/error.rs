//! The error codes of TR-369, and refusals of the data model as such codes.
//!
//! One exhaustive match, so a new kind of refusal does not build until a code is chosen. Codes that a command of the
//! data model defines for itself (7200 to 7299) are not here.

use crate::dm::error::{Error, Refusal};

/// Message failed, no better code.
pub const MESSAGE_FAILED: u32 = 7000;
/// The message is not supported.
pub const MESSAGE_NOT_SUPPORTED: u32 = 7001;
/// Request denied, no reason given.
pub const REQUEST_DENIED: u32 = 7002;
/// Internal error.
pub const INTERNAL_ERROR: u32 = 7003;
/// Invalid arguments.
pub const INVALID_ARGUMENTS: u32 = 7004;
/// Resources exceeded.
pub const RESOURCES_EXCEEDED: u32 = 7005;
/// Permission denied.
pub const PERMISSION_DENIED: u32 = 7006;
/// The device would become unusable.
pub const INVALID_CONFIGURATION: u32 = 7007;
/// The text is not a path.
pub const INVALID_PATH_SYNTAX: u32 = 7008;
/// A parameter could not be set.
pub const PARAMETER_ACTION_FAILED: u32 = 7009;
/// No such parameter in the object.
pub const UNSUPPORTED_PARAMETER: u32 = 7010;
/// The value is not of the parameter's type.
pub const INVALID_TYPE: u32 = 7011;
/// The value is of the type but not allowed.
pub const INVALID_VALUE: u32 = 7012;
/// The parameter is read-only.
pub const NOT_WRITABLE: u32 = 7013;
/// The value contradicts another one.
pub const VALUE_CONFLICT: u32 = 7014;
/// Creating, updating or deleting failed.
pub const OPERATION_ERROR: u32 = 7015;
/// The object is not there.
pub const OBJECT_DOES_NOT_EXIST: u32 = 7016;
/// The object could not be created.
pub const NOT_CREATED: u32 = 7017;
/// The object is no table.
pub const NOT_A_TABLE: u32 = 7018;
/// Rows of the table cannot be created from outside.
pub const NOT_CREATABLE: u32 = 7019;
/// The object could not be updated.
pub const NOT_UPDATED: u32 = 7020;
/// A parameter marked as required failed.
pub const REQUIRED_PARAMETER_FAILED: u32 = 7021;
/// The command failed.
pub const COMMAND_FAILURE: u32 = 7022;
/// The command was cancelled.
pub const COMMAND_CANCELED: u32 = 7023;
/// The object could not be deleted.
pub const DELETE_FAILURE: u32 = 7024;
/// Another object has the same key.
pub const DUPLICATE_KEY: u32 = 7025;
/// The path is not in the supported model.
pub const INVALID_PATH: u32 = 7026;
/// The command's arguments are invalid.
pub const INVALID_COMMAND_ARGUMENTS: u32 = 7027;
/// The Record could not be read.
pub const RECORD_NOT_PARSED: u32 = 7100;
/// A session context with payload security is required.
pub const SECURE_SESSION_REQUIRED: u32 = 7101;
/// Payload security is not supported.
pub const SECURE_SESSION_NOT_SUPPORTED: u32 = 7102;
/// Segments are not put together here.
pub const SEGMENTATION_NOT_SUPPORTED: u32 = 7103;
/// A field of the Record has a value that it cannot have.
pub const INVALID_RECORD_VALUE: u32 = 7104;
/// The session context has ended.
pub const SESSION_CONTEXT_TERMINATED: u32 = 7105;
/// Session contexts are not allowed.
pub const SESSION_CONTEXT_NOT_ALLOWED: u32 = 7106;

//= TR-369 13: the codes and what they mean.
const TABLE: [(u32, &str); 35] = [
    (MESSAGE_FAILED, "Message failed"),
    (MESSAGE_NOT_SUPPORTED, "Message not supported"),
    (REQUEST_DENIED, "Request denied"),
    (INTERNAL_ERROR, "Internal error"),
    (INVALID_ARGUMENTS, "Invalid arguments"),
    (RESOURCES_EXCEEDED, "Resources exceeded"),
    (PERMISSION_DENIED, "Permission denied"),
    (INVALID_CONFIGURATION, "Invalid configuration"),
    (INVALID_PATH_SYNTAX, "Invalid path syntax"),
    (PARAMETER_ACTION_FAILED, "Parameter action failed"),
    (UNSUPPORTED_PARAMETER, "Unsupported parameter"),
    (INVALID_TYPE, "Invalid type"),
    (INVALID_VALUE, "Invalid value"),
    (NOT_WRITABLE, "Attempt to update non-writeable parameter"),
    (VALUE_CONFLICT, "Value conflict"),
    (OPERATION_ERROR, "Operation error"),
    (OBJECT_DOES_NOT_EXIST, "Object does not exist"),
    (NOT_CREATED, "Object could not be created"),
    (NOT_A_TABLE, "Object is not a table"),
    (NOT_CREATABLE, "Attempt to create non-creatable object"),
    (NOT_UPDATED, "Object could not be updated"),
    (REQUIRED_PARAMETER_FAILED, "Required parameter failed"),
    (COMMAND_FAILURE, "Command failure"),
    (COMMAND_CANCELED, "Command canceled"),
    (DELETE_FAILURE, "Delete failure"),
    (DUPLICATE_KEY, "Object exists with duplicate key"),
    (INVALID_PATH, "Invalid path"),
    (INVALID_COMMAND_ARGUMENTS, "Invalid command arguments"),
    (RECORD_NOT_PARSED, "Record could not be parsed"),
    (SECURE_SESSION_REQUIRED, "Secure session required"),
    (SECURE_SESSION_NOT_SUPPORTED, "Secure session not supported"),
    (SEGMENTATION_NOT_SUPPORTED, "Segmentation and reassembly not supported"),
    (INVALID_RECORD_VALUE, "Invalid Record value"),
    (SESSION_CONTEXT_TERMINATED, "Session Context terminated"),
    (SESSION_CONTEXT_NOT_ALLOWED, "Session Context not allowed"),
];

/// What a code means, in few words; empty for one not of the table.
pub fn meaning(code: u32) -> &'static str {
    TABLE.iter().find(|(known, _)| *known == code).map_or("", |(_, meaning)| meaning)
}

/// What was asked when the data model refused; the code depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Get, GetInstances, GetSupportedDM: a path.
    Read,
    /// Set: a parameter of an object that is there.
    Set,
    /// Add: the object, or a parameter of it.
    Add,
    /// Delete: an object.
    Delete,
    /// Operate: the command or its arguments.
    Operate,
}

/// A code and its text, as they stand in an Error or in the result of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The code, from 7000 on.
    pub code: u32,
    /// What went wrong, for a person.
    pub text: String,
}

impl Fault {
    /// A fault with `code`, its meaning and, where not empty, `detail` behind it.
    pub fn new(code: u32, detail: &str) -> Fault {
        let text = match (meaning(code), detail) {
            (meaning, "") => meaning.to_string(),
            ("", detail) => detail.to_string(),
            (meaning, detail) => format!("{meaning}: {detail}"),
        };
        Fault { code, text }
    }

    /// What the data model refused, as the answer to what was asked.
    pub fn of(why: &Refusal, asked: Asked) -> Fault {
        Fault::new(code(why, asked), &why.to_string())
    }

    /// As [`Fault::of`], the path in the text.
    pub fn about(error: &Error, asked: Asked) -> Fault {
        Fault::new(code(&error.why, asked), &error.to_string())
    }
}

/// The code of a refusal.
//= TR-369 13: which codes a message may answer with.
pub const fn code(why: &Refusal, asked: Asked) -> u32 {
    match (why, asked) {
        (Refusal::UnknownPath, Asked::Read | Asked::Operate) => INVALID_PATH,
        (Refusal::UnknownPath, Asked::Set | Asked::Add) => UNSUPPORTED_PARAMETER,
        (Refusal::UnknownPath, Asked::Delete) => OBJECT_DOES_NOT_EXIST,
        (Refusal::NotWritable, Asked::Set | Asked::Add) => NOT_WRITABLE,
        (Refusal::NotWritable, Asked::Read | Asked::Delete | Asked::Operate) => PERMISSION_DENIED,
        (Refusal::WrongType { .. }, Asked::Set | Asked::Add) => INVALID_TYPE,
        (Refusal::OutOfRange { .. }, Asked::Set | Asked::Add) => INVALID_VALUE,
        (
            Refusal::WrongType { .. } | Refusal::OutOfRange { .. } | Refusal::InvalidArguments(_),
            Asked::Operate,
        ) => INVALID_COMMAND_ARGUMENTS,
        (Refusal::WrongType { .. } | Refusal::OutOfRange { .. }, Asked::Read | Asked::Delete)
        | (Refusal::InvalidArguments(_), Asked::Set | Asked::Add | Asked::Delete) => INVALID_ARGUMENTS,
        // All that a reading takes besides paths is in their expressions.
        (Refusal::InvalidArguments(_), Asked::Read) => INVALID_PATH_SYNTAX,
        (Refusal::Denied(_), _) => PERMISSION_DENIED,
        (Refusal::Busy(_) | Refusal::Exhausted(_), _) => RESOURCES_EXCEEDED,
        (Refusal::Backend(_), _) => INTERNAL_ERROR,
        (Refusal::Duplicate(_), Asked::Set | Asked::Add) => DUPLICATE_KEY,
        (Refusal::Duplicate(_), Asked::Read | Asked::Delete | Asked::Operate) => INVALID_ARGUMENTS,
        (Refusal::NotDeletable, Asked::Delete) => DELETE_FAILURE,
        (Refusal::NotCreatable, Asked::Add) => NOT_CREATABLE,
        (Refusal::NotDeletable | Refusal::NotCreatable, _) => PERMISSION_DENIED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= TR-369 13: which codes a message may answer with.
    #[test]
    fn a_refusal_has_the_code_of_what_was_asked() {
        use Asked::{Add, Delete, Operate, Read, Set};
        let text = || "x".to_string();
        for (why, asked, want) in [
            (Refusal::UnknownPath, Read, 7026),
            (Refusal::UnknownPath, Set, 7010),
            (Refusal::UnknownPath, Delete, 7016),
            (Refusal::NotWritable, Set, 7013),
            (Refusal::WrongType { expected: text() }, Add, 7011),
            (Refusal::WrongType { expected: text() }, Operate, 7027),
            (Refusal::OutOfRange { allowed: text() }, Set, 7012),
            (Refusal::Denied(text()), Set, 7006),
            (Refusal::Busy(text()), Operate, 7005),
            (Refusal::Exhausted(text()), Add, 7005),
            (Refusal::Backend(text()), Read, 7003),
            (Refusal::Duplicate(text()), Add, 7025),
            (Refusal::NotDeletable, Delete, 7024),
            (Refusal::NotCreatable, Add, 7019),
            (Refusal::InvalidArguments(text()), Read, 7008),
            (Refusal::InvalidArguments(text()), Set, 7004),
            (Refusal::InvalidArguments(text()), Operate, 7027),
        ] {
            assert_eq!(code(&why, asked), want, "{why:?} {asked:?}");
        }
    }

    #[test]
    fn a_fault_says_the_meaning_of_its_code_and_then_the_detail() {
        for (code, detail, want) in [
            (7026, "Device.X", "Invalid path: Device.X"),
            (7002, "", "Request denied"),
            (7801, "the vendor's own", "the vendor's own"),
        ] {
            assert_eq!(Fault::new(code, detail).text, want);
        }
    }
}
