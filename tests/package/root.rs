//! A router's root for the package's scripts.

use super::{path, program};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

/// A folder that stands in for a router's root, with commands that a script calls.
pub struct Root {
    pub folder: TempDir,
}

impl Root {
    pub fn new() -> Root {
        let root = Root { folder: tempfile::tempdir().unwrap() };
        for folder in ["bin", "dev", "etc/config", "usr/share/cpeagent", "tmp/run"] {
            fs::create_dir_all(root.path(folder)).unwrap();
        }
        UnixDatagram::bind(root.path("dev/log")).unwrap();
        root.command(
            "cpeagent",
            &format!(
                "exec '{}' --root '{}' \"$@\"",
                program::words().join("' '"),
                root.folder.path().display()
            ),
        );
        fs::copy(path("openwrt-package/cpeagent/files/cpeagent.config"), root.path("etc/config/cpeagent"))
            .unwrap();
        root
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, name: &str, text: &str) {
        fs::write(self.path(&format!("bin/{name}")), format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(self.path(&format!("bin/{name}")), PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// Sources a script in busybox's shell, as OpenWrt does, with these arguments and variables; its logs are this root's.
    pub fn source(&self, script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let bin = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut text = fs::read_to_string(path(script)).unwrap();
        for log in ["/dev/log", "/dev/kmsg"] {
            text = text.replace(log, &self.path(&log[1..]).display().to_string());
        }
        fs::write(self.path("script"), text).unwrap();
        Command::new("busybox")
            // A function, because busybox's own logger comes before one in PATH. What runs in the background holds its end of
            // the pipe, so all of it is waited for.
            .args(["sh", "-c", "logger() { cat >&2; }; script=$1; shift; ( . \"$script\" )", "sh"])
            .arg(self.path("script"))
            .args(arguments)
            .env("PATH", bin)
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    }

    pub fn text(&self) -> String {
        fs::read_to_string(self.path("etc/config/cpeagent")).unwrap()
    }

    /// Changes the settings as a person would with an editor.
    pub fn edit(&self, from: &str, to: &str) {
        let text = self.text();
        assert!(text.contains(from), "{from} in {text}");
        fs::write(self.path("etc/config/cpeagent"), text.replace(from, to)).unwrap();
    }

    pub fn has(&self, line: &str) -> bool {
        self.text().lines().any(|have| have.trim() == line)
    }
}
