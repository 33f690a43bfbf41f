//! Recorded routers as folders: finds them under `tests/devices` and lays one out in a temporary folder.
//!
//! Owns the `BASE` / overlay / `REMOVED` convention (see `tests/devices/README.md`). It does not read what is recorded.
//! Driven by integration tests (`mod common`) and by unit tests (`#[path = "../../tests/common/device.rs"] mod device;`).
#![allow(dead_code)] // each test program uses its own part

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// How many folders may be stacked: a base with its own base, and so on.
const MAX_LAYERS: usize = 4;

/// The folder that holds the recorded routers.
pub fn devices() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/devices")
}

/// The names of all recorded routers, sorted.
pub fn names() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(devices())
        .expect("tests/devices is part of the repository")
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// The names of those that are routers of their own: not those that only have another agent on a router of the others.
pub fn routers() -> Vec<String> {
    names().into_iter().filter(|name| !devices().join(name).join("agent").is_dir()).collect()
}

/// A private copy of the recorded router `name`: its bases first, then its own files, without what `REMOVED` lists.
///
/// The copy may be written to and is deleted when the value is dropped. Panics when there is no such router, when a base
/// is missing or nested too deep, or when `REMOVED` names something the base does not have: all are mistakes in the recording.
pub fn device(name: &str) -> TempDir {
    let root = tempfile::tempdir().expect("a temporary folder can be made");
    for layer in layers(name) {
        for path in listed(&layer.join("REMOVED")) {
            remove(&root.path().join(&path));
        }
        copy(&layer, root.path());
    }
    root
}

/// The folders to lay over each other, lowest first.
fn layers(name: &str) -> Vec<PathBuf> {
    let mut layers = Vec::new();
    let mut next = Some(name.to_owned());
    while let Some(name) = next {
        assert!(layers.len() < MAX_LAYERS, "{name}: bases nested deeper than {MAX_LAYERS}");
        let layer = devices().join(&name);
        assert!(layer.is_dir(), "no recorded router {name}");
        next = listed(&layer.join("BASE")).pop();
        layers.push(layer);
    }
    layers.reverse();
    layers
}

/// The lines of a list file without blank ones and comments; none if there is no such file.
pub fn listed(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

fn remove(path: &Path) {
    let done = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    done.unwrap_or_else(|why| panic!("REMOVED {}: {why}", path.display()));
}

/// Copies a tree over another one; the list files of the convention stay behind.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made in the copy");
    for entry in fs::read_dir(from).expect("a recorded folder can be read").filter_map(Result::ok) {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            copy(&path, &to.join(&name));
        } else if name != "BASE" && name != "REMOVED" {
            fs::copy(&path, to.join(&name)).expect("a recorded file can be copied");
        }
    }
}
