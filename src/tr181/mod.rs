//! The mapping of Device:2 onto OpenWrt: one family is one `.toml` and, where lines do not suffice, one `.rs`.
