//! The first boot, what an image brings to it, and the firmware builder's guide.

use super::root::Root;
use super::{path, program, there};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

#[test]
fn the_first_boot_takes_up_what_the_image_brings_and_leaves_what_was_set_since() {
    if !there("busybox") {
        return;
    }
    let root = Root::new();
    let boot = || root.source("uci-defaults/50_cpeagent", &[], &[]);
    assert!(boot().status.success(), "an image without settings of its own");
    let shipped = root.text();
    let builder = |text: &str| fs::write(root.path("usr/share/cpeagent/builder.conf"), text).unwrap();
    fs::write(root.path("tmp/factory.conf"), "identity.serial=0001\nacs.password=one device's\n").unwrap();
    builder(
        "acs.url=https://one.example.net/\nacs.password=all\nidentity.oui=001122\nfactory=/tmp/factory.conf\n",
    );
    assert!(boot().status.success());
    for line in ["option url 'https://one.example.net/'", "option serial '0001'", "option oui '001122'"] {
        assert!(root.has(line), "{line}: {}", root.text());
    }
    assert!(root.text().contains("one device"), "the factory's password counts");
    let once = root.text();
    assert!(boot().status.success());
    assert_eq!(root.text(), once, "again, it changes nothing");
    builder("acs.url=https://two.example.net/\nidentity.oui=001122\n");
    assert!(boot().status.success());
    assert!(root.has("option url 'https://two.example.net/'"), "another image brings another ACS");
    root.edit("https://two.example.net/", "https://own.example.net/");
    builder("acs.url=https://three.example.net/\nacs.periodic_interval=soon\nacs.username=u\n");
    let out = boot();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "a builder's mistake is not made good by another boot");
    assert!(said.contains("builder.conf: line 2: acs.periodic_interval: not allowed"), "{said}");
    assert!(said.contains("kept as it is set: acs.url"), "{said}");
    assert!(root.has("option url 'https://own.example.net/'") && root.has("option username 'u'"));
    // A factory reset: the overlay is gone, the image and the factory are there.
    fs::remove_dir_all(root.path("etc/cpeagent")).unwrap();
    fs::write(root.path("etc/config/cpeagent"), shipped).unwrap();
    assert!(boot().status.success());
    assert!(root.has("option url 'https://three.example.net/'"));
}

#[test]
fn a_first_boot_is_tried_again_unless_all_was_written() {
    if !there("busybox") {
        return;
    }
    let root = Root::new();
    for (result, again) in [(0, false), (1, false), (4, true), (127, true), (134, true), (137, true)] {
        root.command("cpeagent", &format!("echo \"$1 says so\"; exit {result}"));
        let out = root.source("uci-defaults/50_cpeagent", &[], &[]);
        assert_eq!(out.status.success(), !again, "{result}");
        assert_eq!(String::from_utf8_lossy(&out.stderr), "provision says so\n");
    }
}

#[test]
fn what_is_said_before_the_log_is_there_goes_to_the_kernels() {
    if !there("busybox") {
        return;
    }
    let root = Root::new();
    root.command("cpeagent", "echo \"$1 says so\"; printf '%s\\n' 'C:\\new' >&2");
    // As rc.common does, with the program where it is found here.
    let init = fs::read_to_string(path("openwrt-package/cpeagent/files/cpeagent-recover.init")).unwrap();
    let init = init.replace("/usr/sbin/cpeagent", "cpeagent");
    fs::write(root.path("recover"), format!("{init}start\n")).unwrap();
    let scripts =
        [("uci-defaults/50_cpeagent", "provision"), (root.path("recover").to_str().unwrap(), "recover")]
            .map(|(script, word)| (script.to_string(), word));
    for (script, word) in &scripts {
        let out = root.source(script, &[], &[]);
        assert_eq!(String::from_utf8_lossy(&out.stderr), format!("{word} says so\nC:\\new\n"), "to the log");
        assert!(!root.path("dev/kmsg").exists());
    }
    fs::remove_file(root.path("dev/log")).unwrap();
    for (script, word) in &scripts {
        let out = root.source(script, &[], &[]);
        assert!(out.status.success() && out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
        // Each line is a record of its own in the real one; in this file the last is left.
        assert_eq!(fs::read_to_string(root.path("dev/kmsg")).unwrap(), "cpeagent: C:\\new\n", "{word}");
        fs::remove_file(root.path("dev/kmsg")).unwrap();
    }
}

#[test]
fn a_builders_mistakes_are_a_line_each_in_the_log_and_the_rest_is_taken() {
    if !there("busybox") {
        return;
    }
    let root = Root::new();
    let long = "#2345678901234567890123456789012345678901234567890123456789012345\r\n".repeat(160_000);
    let mut file = b"\xef\xbb\xbfacs.url=https://acs.example.net/\r\nacs.uesrname=u\r\n\xfe\xed\0\r\nacs.periodic_interval=soon\r\n\
        acs.ca_file=/etc/cpeagent/ca.pem\r\nidentity.oui=001122\r\nfactory=mtd:none\r\n"
        .to_vec();
    file.extend(long.as_bytes());
    fs::write(root.path("usr/share/cpeagent/builder.conf"), &file).unwrap();
    let out = root.source("uci-defaults/50_cpeagent", &[], &[]);
    assert!(out.status.success() && file.len() > 10_000_000);
    let said = String::from_utf8_lossy(&out.stderr);
    let lines: Vec<&str> = said.lines().collect();
    let of = |rest: &str| format!("/usr/share/cpeagent/builder.conf: {rest}");
    assert_eq!(
        lines,
        [
            "settings of the image are taken up".to_string(),
            of("line 2: there is no setting acs.uesrname"),
            of("line 3: it is no text in UTF-8"),
            of("line 4: acs.periodic_interval: not allowed; must be 1 to 4294967295"),
            of("it is longer than 64 KiB; line 983 and all behind it are left out"),
            of("line 5: acs.ca_file: there is no file /etc/cpeagent/ca.pem"),
            of("line 7: factory=mtd:none: there is no such place"),
        ]
    );
    for line in ["option url 'https://acs.example.net/'", "option oui '001122'"] {
        assert!(root.has(line), "{line}: {}", root.text());
    }
}

#[test]
fn a_manifest_tells_every_device_of_a_production_run_and_refuses_twins() {
    if !there("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).unwrap();
    file(
        "builder",
        b"identity.oui=00aabb\nidentity.product_class=Router\nacs.url=https://acs.example.net/\n",
    );
    file("1", b"identity.serial=A 1\nacs.username=u1\nacs.password=p,1\n\xff\xff");
    file("2", b"identity.serial=A2\n");
    let run = |files: &[&str]| {
        Command::new(path("scripts/manifest"))
            .current_dir(folder.path())
            .args(["--builder", "builder"])
            .args(files)
            .output()
            .unwrap()
    };
    let out = run(&["1", "2"]);
    let text = String::from_utf8(out.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("identity.oui,identity.product_class,identity.serial,"), "{text}");
    assert_eq!(lines[1], "00AABB,Router,A 1,,https://acs.example.net/,u1,\"p,1\",,,os::00AABB-A%201");
    assert_eq!(lines[2], "00AABB,Router,A2,,https://acs.example.net/,,,,,os::00AABB-A2");
    file("long", format!("identity.serial={}\n", "x".repeat(65)).as_bytes());
    file("oui", b"identity.oui=AABB\nidentity.serial=A3\n");
    file("latin", b"identity.serial=\xe4\n");
    fs::create_dir(folder.path().join("folder")).unwrap();
    for (files, why) in [
        (&["1", "1"][..], "1: the same device as 1\n"),
        (&["builder"], "builder: identity.serial is missing\n"),
        (&["1", "gone"], "gone: No such file or directory\n"),
        (&["folder"], "folder: Is a directory\n"),
        (&["latin"], "latin: it is no text in UTF-8\n"),
        (&["oui"], "oui: identity.oui: must be 6 hexadecimal digits\n"),
        (&["long"], "long: identity.serial: must be up to 64 characters\n"),
    ] {
        let out = run(files);
        assert_eq!((out.status.code(), String::from_utf8(out.stderr).unwrap().as_str()), (Some(1), why));
    }
    file("builder", b"\xef\xbb\xbfidentity.oui=00aabb\r\nidentity.product_class=Router\r\n");
    let marked = String::from_utf8(run(&["1"]).stdout).unwrap();
    assert!(marked.contains("\n00AABB,Router,A 1,"), "{marked}");
}

/// The blocks of `docs/FIRMWARE-BUILDERS.md` that are files: their names and texts.
fn files_of_the_guide() -> BTreeMap<String, String> {
    let guide = fs::read_to_string(path("docs/FIRMWARE-BUILDERS.md")).unwrap();
    let mut files = BTreeMap::new();
    for part in guide.split("\n`files/").skip(1) {
        let (name, rest) = part.split_once("`:\n\n```").unwrap();
        let text = rest.split_once('\n').unwrap().1.split("\n```").next().unwrap();
        files.insert(name.to_string(), format!("{text}\n"));
    }
    files
}

#[test]
fn the_firmware_builders_guide_followed_word_by_word_gives_a_managed_device() {
    let files = files_of_the_guide();
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["etc/cpeagent/models.d/acme.toml", "usr/share/cpeagent/builder.conf"]);
    let root = Root::new();
    for (name, text) in &files {
        fs::create_dir_all(root.path(name).parent().unwrap()).unwrap();
        fs::write(root.path(name), text).unwrap();
    }
    // Of the package ca-bundle.
    fs::create_dir_all(root.path("etc/ssl/certs")).unwrap();
    fs::write(root.path("etc/ssl/certs/ca-certificates.crt"), "").unwrap();
    fs::create_dir_all(root.path("proc")).unwrap();
    fs::write(root.path("proc/mtd"), "mtd4: 00010000 00010000 \"factory\"\n").unwrap();
    fs::create_dir_all(root.path("dev")).unwrap();
    fs::write(
        root.path("dev/mtd4"),
        b"identity.serial=X0001\nacs.username=X0001\nacs.password=secret\n\xff\xff",
    )
    .unwrap();
    fs::write(root.path("etc/config/system"), "config system 'system'\n\toption acme_site 'north'\n")
        .unwrap();
    let run = |arguments: &[&str]| {
        let out = program::command().arg("--root").arg(root.folder.path()).args(arguments).output().unwrap();
        assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    run(&["provision"]);
    for line in [
        "option url 'https://acs.example.net/'",
        "option serial 'X0001'",
        "option product_class 'AX-1'",
        "list role 'full'",
    ] {
        assert!(root.has(line), "{line}: {}", root.text());
    }
    let values = run(&[
        "get",
        "Device.DeviceInfo.X_ACME_Site",
        "Device.DeviceInfo.SerialNumber",
        "Device.ManagementServer.URL",
    ]);
    assert_eq!(
        values,
        "Device.DeviceInfo.X_ACME_Site = north\nDevice.DeviceInfo.SerialNumber = X0001\nDevice.ManagementServer.URL = https://acs.example.net/\n"
    );
    run(&["set", "Device.DeviceInfo.X_ACME_Site=south"]);
    assert!(fs::read_to_string(root.path("etc/config/system")).unwrap().contains("south"));
}
