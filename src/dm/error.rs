//! Why the data model refused, in the data model's own words.
//!
//! Protocols turn a [`Refusal`] into their numbers, each in one exhaustive match (`cwmp::fault`), so a new kind does
//! not build until they have chosen a code. Nothing here knows those numbers.

use std::fmt;

/// One refusal and the path it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The path as the manager wrote it; empty where the request as a whole is meant.
    pub path: String,
    /// The reason.
    pub why: Refusal,
}

impl Error {
    /// A refusal of `path`.
    pub fn new(path: impl Into<String>, why: Refusal) -> Error {
        Error { path: path.into(), why }
    }
}

/// The kinds of refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such object or parameter, here and now.
    UnknownPath,
    /// The parameter can only be read.
    NotWritable,
    /// The value is not of the parameter's type.
    WrongType {
        /// The type's name, such as `unsignedInt`.
        expected: String,
    },
    /// The value is of the type but not one of those allowed.
    OutOfRange {
        /// What would have been, in words or as a range.
        allowed: String,
    },
    /// Forbidden by policy or permission; the text says by which.
    Denied(String),
    /// Not now: somebody else is changing the same thing; the text says who.
    Busy(String),
    /// A table or store is full; the text says which.
    Exhausted(String),
    /// The system below failed; the text is for a log.
    Backend(String),
    /// The value must be unique and is taken; the text names by what.
    Duplicate(String),
    /// The object exists and cannot be removed.
    NotDeletable,
    /// The table cannot be given another row from outside.
    NotCreatable,
    /// The request contradicts itself or lacks something; the text says what.
    InvalidArguments(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::UnknownPath => f.write_str("no such path"),
            Refusal::NotWritable => f.write_str("read-only"),
            Refusal::WrongType { expected } => write!(f, "not of type {expected}"),
            Refusal::OutOfRange { allowed } => write!(f, "value not allowed, wanted {allowed}"),
            Refusal::Denied(by) => write!(f, "denied: {by}"),
            Refusal::Busy(who) => write!(f, "busy: {who}"),
            Refusal::Exhausted(what) => write!(f, "full: {what}"),
            Refusal::Backend(what) => write!(f, "failed: {what}"),
            Refusal::Duplicate(what) => write!(f, "not unique: {what}"),
            Refusal::NotDeletable => f.write_str("cannot be deleted"),
            Refusal::NotCreatable => f.write_str("cannot be created"),
            Refusal::InvalidArguments(what) => write!(f, "invalid arguments: {what}"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.is_empty() {
            true => self.why.fmt(f),
            false => write!(f, "{}: {}", self.path, self.why),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_its_path_first_and_a_general_one_has_none() {
        let why = Refusal::WrongType { expected: "unsignedInt".into() };
        for (path, want) in
            [("Device.X", "Device.X: not of type unsignedInt"), ("", "not of type unsignedInt")]
        {
            assert_eq!(Error::new(path, why.clone()).to_string(), want);
        }
    }
}
