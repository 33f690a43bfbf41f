//! What the stock tool does, recorded in `tests/vectors/uci`, holds here.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::Value as Json;

use super::{Delta, Mode, parse};

fn vectors(text: &str) -> Vec<Json> {
    // A byte that is not UTF-8 is recorded as a lone low surrogate, which JSON readers refuse; no recorded text
    // holds the stand-in used here.
    let text = text.replace("\\udcff", "\u{e0ff}").replace("\\udcfe", "\u{e0fe}");
    serde_json::from_str::<Json>(&text).unwrap()["vectors"].as_array().unwrap().clone()
}

fn bytes(text: &Json) -> Vec<u8> {
    let mut out = Vec::new();
    for c in text.as_str().unwrap().chars() {
        match c {
            '\u{e0fe}' | '\u{e0ff}' => out.push(c as u32 as u8),
            c => out.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    out
}

fn input(vector: &Json) -> Vec<u8> {
    match vector["input_hex"].as_str() {
        Some(hex) => {
            (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
        }
        None => bytes(&vector["input"]),
    }
}

fn same(got: &[u8], want: &Json, what: &Json) {
    let want = bytes(want);
    assert_eq!(String::from_utf8_lossy(got), String::from_utf8_lossy(&want), "{what}");
    assert_eq!(got, want, "{what}");
}

//= OpenWrt uci: what loads, what it means and where it is wrong
#[test]
fn files_read_and_print_as_with_the_stock_tool() {
    let vectors = vectors(include_str!("../../../tests/vectors/uci/parse.json"));
    assert_eq!(vectors.len(), 65);
    for vector in vectors {
        let (name, text) = (&vector["name"], input(&vector));
        match parse(&text, Mode::Strict) {
            Ok(file) => {
                assert_eq!(vector["export"]["rc"], 0, "{name}");
                same(&file.package.export_named("t"), &vector["export"]["out"], name);
                same(&file.package.show("t", false), &vector["show"]["out"], name);
                same(&file.package.show("t", true), &vector["show_X"], name);
            }
            Err(error) => {
                same(format!("uci: {error}\n").as_bytes(), &vector["export"]["err"], name);
                same(format!("uci: {error}\n").as_bytes(), &vector["show"]["err"], name);
            }
        }
        if let Some(lenient) = vector.get("export_nonstrict") {
            let file = parse(&text, Mode::Lenient).unwrap();
            let problems: String = file.problems.iter().map(|problem| format!("{problem}\n")).collect();
            same(&file.package.export_named("t"), &lenient["out"], name);
            same(problems.as_bytes(), &lenient["err"], name);
        }
    }
}

//= OpenWrt uci: delta lines, and what a commit makes of them
#[test]
fn staged_changes_read_and_commit_as_with_the_stock_tool() {
    let vectors = vectors(include_str!("../../../tests/vectors/uci/ops.json"));
    assert_eq!(vectors.len(), 24);
    for vector in vectors {
        let (name, text) = (&vector["name"], bytes(&vector["file_before"]));
        let file = parse(&text, Mode::Strict).unwrap();
        let mut package = file.package.clone();
        let staged = if vector["delta_file"].is_null() { Vec::new() } else { bytes(&vector["delta_file"]) };
        let delta = Delta::parse("t", &staged);
        assert_eq!(
            staged,
            delta.changes.iter().flat_map(|change| change.line("t")).collect::<Vec<_>>(),
            "{name}"
        );
        let shown: Vec<u8> = delta.changes.iter().flat_map(|change| change.shown("t")).collect();
        same(&shown, &vector["changes"], name);
        delta.apply(&mut package);
        same(&package.show("t", false), &vector["show_before_commit"], name);
        if vector.get("file_after").is_some() {
            let after = if delta.is_empty() { text.clone() } else { package.export() };
            same(&after, &vector["file_after"], name);
            let again = parse(&after, Mode::Strict).unwrap();
            same(&again.package.show("t", false), &vector["show_after_commit"], name);
        }
    }
}
