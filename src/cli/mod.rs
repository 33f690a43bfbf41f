//! The commands a person types.
//!
//! Each reaches the running agent over its socket and, when none runs, works on the files directly.

pub mod local;
