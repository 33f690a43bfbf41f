//! The `cpeagent` program.

fn main() {}
