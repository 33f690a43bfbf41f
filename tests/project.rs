//! The project around the code: what the README promises, the fuzzers and their corpora, the crates of the lock file.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn names(folder: &str) -> BTreeSet<String> {
    let entries = path(folder).read_dir().unwrap_or_else(|error| panic!("{folder}: {error}"));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Crates that may be there in more than one version, and why.
const DOUBLED: &[(&str, &str)] = &[
    ("getrandom", "ring wants 0.2, tempfile and the newer rand of the tests 0.4"),
    ("syn", "macros at build time"),
    ("windows-sys", "never built for Linux"),
];

#[test]
fn a_crate_is_there_in_one_version_unless_there_is_a_reason() {
    let lock = text("Cargo.lock");
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |key: &str| {
            let start = package.find(&format!("\n{key} = \"")).unwrap() + key.len() + 5;
            package[start..].split('"').next().unwrap()
        };
        versions.entry(field("name")).or_default().push(field("version"));
    }
    assert_eq!(versions["rustls"].len(), 1, "the lock file is read");
    for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
        assert!(DOUBLED.iter().any(|(known, _)| known == name), "{name} is there as {versions:?}");
    }
}

#[test]
fn every_dependency_has_its_reason_in_the_contributors_guide() {
    let (manifest, guide) = (text("Cargo.toml"), text("CONTRIBUTING.md"));
    let mut count = 0;
    for section in manifest.split("\n[").filter(|section| section.contains("dependencies]\n")) {
        for line in section.lines().skip(1).take_while(|line| !line.starts_with('[')) {
            let Some((name, _)) = line.split_once(" = ") else { continue };
            assert!(guide.contains(&format!("`{name}`")), "CONTRIBUTING.md says nothing of {name}");
            count += 1;
        }
    }
    assert!(count > 10, "the manifest is read");
}

#[test]
fn the_readme_has_two_commands_of_which_one_shows_and_one_tests() {
    let readme = text("README.md");
    let commands: Vec<&str> =
        readme.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().trim()).collect();
    assert_eq!(commands, ["scripts/setup && cargo run --release -- demo", "scripts/test"]);
}

#[test]
fn every_page_that_is_linked_exists() {
    let pages = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "docs/ARCHITECTURE.md",
        "docs/MAPPING.md",
        "docs/FIRMWARE-BUILDERS.md",
        "docs/COMMANDS.md",
    ];
    for page in pages {
        let folder = path(page).parent().unwrap().to_path_buf();
        for link in
            text(page).split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap().to_string())
        {
            assert!(link.starts_with("https://") || folder.join(&link).exists(), "{page} links {link}");
        }
    }
}

#[test]
fn every_fuzzer_has_a_corpus_that_is_replayed_without_it_and_the_other_way_round() {
    let manifest = text("fuzz/Cargo.toml");
    let listed: BTreeSet<String> = manifest
        .split("[[bin]]")
        .skip(1)
        .map(|bin| bin.split("name = \"").nth(1).unwrap().split('"').next().unwrap().to_string())
        .collect();
    let files: BTreeSet<String> =
        names("fuzz/fuzz_targets").iter().map(|name| name.trim_end_matches(".rs").to_string()).collect();
    let replayed: BTreeSet<String> = text("tests/fuzz_corpus.rs")
        .split("replay(\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_string())
        .collect();
    assert_eq!(listed, files, "fuzz/Cargo.toml and fuzz/fuzz_targets");
    assert_eq!(names("tests/fuzz_corpus"), listed, "tests/fuzz_corpus and fuzz/Cargo.toml");
    assert_eq!(replayed, listed, "tests/fuzz_corpus.rs and fuzz/Cargo.toml");
}
