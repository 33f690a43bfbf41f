//! Writes packages the way the stock tool writes them: what `uci export`, `uci commit` and `uci show` give.
//!
//! Owns the layout (empty line, tab, single quotes) that other tools see as "no change". Comments are not kept
//! here; that is what `edit` is for.

use crate::sorted::Map;

use super::tree::{Package, Section, Value};

/// Appends `bytes` in single quotes; a single quote inside becomes `'\''`.
pub fn quote(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'\'');
    for &byte in bytes {
        match byte {
            b'\'' => out.extend(br"'\''"),
            _ => out.push(byte),
        }
    }
    out.push(b'\'');
}

/// One `config` line, with the newline; anonymous without a name.
pub fn header(kind: &str, name: Option<&str>, out: &mut Vec<u8>) {
    out.extend(b"config ");
    out.extend(kind.as_bytes());
    if let Some(name) = name {
        out.push(b' ');
        quote(name.as_bytes(), out);
    }
    out.push(b'\n');
}

/// One `option` or `list` line, with the newline.
pub fn line(option: &str, list: bool, value: &[u8], out: &mut Vec<u8>) {
    out.extend(if list { &b"\tlist "[..] } else { b"\toption " });
    out.extend(option.as_bytes());
    out.push(b' ');
    quote(value, out);
    out.push(b'\n');
}

impl Package {
    /// The file as a commit writes it: an empty line before each section and at the end.
    //= OpenWrt uci: empty line before each section and at the end, tab, single quotes
    pub fn export(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for section in &self.sections {
            out.push(b'\n');
            header(&section.kind, (!section.anonymous).then_some(&section.name), &mut out);
            for option in &section.options {
                match &option.value {
                    Value::Text(value) => line(&option.name, false, value, &mut out),
                    Value::List(items) => {
                        items.iter().for_each(|item| line(&option.name, true, item, &mut out));
                    }
                }
            }
        }
        out.push(b'\n');
        out
    }

    /// What `uci export` prints for the package called `name`.
    pub fn export_named(&self, name: &str) -> Vec<u8> {
        let mut out = format!("package {name}\n").into_bytes();
        out.append(&mut self.export());
        out
    }

    /// What `uci show` prints for the package called `name`: anonymous sections as `@type[i]`, or by their
    /// generated names if `generated` (as `-X` does).
    pub fn show(&self, name: &str, generated: bool) -> Vec<u8> {
        let mut seen: Map<&str, usize> = Map::new();
        let mut out = Vec::new();
        for section in &self.sections {
            let nth = seen.entry(&section.kind).or_default();
            let key = match section.anonymous && !generated {
                true => format!("{name}.@{}[{nth}]", section.kind),
                false => format!("{name}.{}", section.name),
            };
            *nth += 1;
            section.show(&key, &mut out);
        }
        out
    }
}

impl Section {
    fn show(&self, key: &str, out: &mut Vec<u8>) {
        out.extend(format!("{key}={}\n", self.kind).bytes());
        for option in &self.options {
            out.extend(format!("{key}.{}=", option.name).bytes());
            match &option.value {
                Value::Text(value) => quote(value, out),
                Value::List(items) => {
                    for (index, item) in items.iter().enumerate() {
                        if index > 0 {
                            out.push(b' ');
                        }
                        quote(item, out);
                    }
                }
            }
            out.push(b'\n');
        }
    }
}
