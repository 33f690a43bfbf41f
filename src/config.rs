//! Typed settings, read from the tree of the UCI package `cpeagent`.
