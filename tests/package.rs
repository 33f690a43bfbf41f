//! The package: what is in it and where, and its scripts, run by busybox in a folder where there is one.
#![cfg(feature = "cwmp")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "package/dhcp.rs"]
mod dhcp;
#[path = "package/first_boot.rs"]
mod first_boot;
#[path = "common/program.rs"]
mod program;
#[path = "package/root.rs"]
mod root;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn there(program: &str) -> bool {
    let found =
        Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap().status.success();
    if !found {
        eprintln!("left out for want of {program}");
    }
    found
}

fn unpacked(octets: &[u8]) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(octets).read_to_end(&mut tar).unwrap();
    let (mut files, mut at) = (BTreeMap::new(), 0);
    while tar[at] != 0 {
        let head = &tar[at..at + 512];
        let text = |from: usize, to: usize| {
            String::from_utf8_lossy(&head[from..to]).trim_end_matches('\0').to_string()
        };
        let octal = |from: usize, to: usize| {
            usize::from_str_radix(text(from, to).trim_matches([' ', '\0']), 8).unwrap()
        };
        let (name, mode, size) = (text(0, 100), octal(100, 108), octal(124, 136));
        assert_eq!(
            (octal(108, 116), octal(116, 124), octal(136, 148)),
            (0, 0, 0),
            "{name}: root's, and without a time"
        );
        if head[156] == b'0' {
            files.insert(name, (mode as u32, tar[at + 512..at + 512 + size].to_vec()));
        }
        at += 512 + size.div_ceil(512) * 512;
    }
    files
}

/// A package of a program that stands in for a cross-built one: text, so that it is quick to pack.
fn package(variant: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    fs::read(package_in(folder.path(), variant, "ipk")).unwrap()
}

fn package_in(folder: &Path, variant: &str, format: &str) -> PathBuf {
    fs::write(folder.join("program"), "#!/bin/false\n").unwrap();
    let out = Command::new(path("scripts/package"))
        .args(["mipsel_24kc", "--variant", variant, "--format", format, "--binary"])
        .arg(folder.join("program"))
        .arg("--out")
        .arg(folder)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let name = String::from_utf8(out.stdout).unwrap().lines().last().unwrap().to_string();
    let want = format!("/{variant}_{}-r1_mipsel_24kc.{format}", env!("CARGO_PKG_VERSION"));
    assert!(name.ends_with(&want), "{name}");
    name.into()
}

#[test]
fn a_package_holds_what_a_router_needs_at_its_place_and_nothing_else() {
    if !there("python3") {
        return;
    }
    let octets = package("cpeagent");
    let ipk = unpacked(&octets);
    assert_eq!(ipk["./debian-binary"].1, b"2.0\n");
    let data = unpacked(&ipk["./data.tar.gz"].1);
    let modes: Vec<(&str, u32)> = data.iter().map(|(name, (mode, _))| (name.as_str(), *mode)).collect();
    assert_eq!(
        modes,
        [
            ("./etc/config/cpeagent", 0o600),
            ("./etc/hotplug.d/ntp/50-cpeagent", 0o644),
            ("./etc/init.d/cpeagent", 0o755),
            ("./etc/init.d/cpeagent-recover", 0o755),
            ("./etc/odhcp6c.user.d/50-cpeagent", 0o644),
            ("./etc/uci-defaults/50_cpeagent", 0o755),
            ("./etc/udhcpc.user.d/50-cpeagent", 0o644),
            ("./lib/upgrade/keep.d/cpeagent", 0o644),
            ("./usr/sbin/cpeagent", 0o755),
            ("./usr/share/acl.d/cpeagent.json", 0o644),
            ("./usr/share/rpcd/acl.d/cpeagent.json", 0o644),
        ]
    );
    let control = unpacked(&ipk["./control.tar.gz"].1);
    let text = |name: &str| String::from_utf8(control[name].1.clone()).unwrap();
    assert_eq!(text("./conffiles"), "/etc/config/cpeagent\n");
    for line in
        ["Package: cpeagent", "Depends: ca-bundle", "Architecture: mipsel_24kc", "License: Apache-2.0 OR MIT"]
            .into_iter()
            .chain(["Require-User: cpeagent=7547:cpeagent=7547"])
    {
        assert!(text("./control").lines().any(|have| have == line), "{line}: {}", text("./control"));
    }
    assert!(text("./postinst").contains("default_postinst") && control["./postinst"].0 == 0o755);
    assert_eq!(octets, package("cpeagent"), "two packages of one program are the same");
    for (variant, conflicts) in [("cpeagent-cwmp", "cpeagent"), ("cpeagent-usp", "cpeagent, cpeagent-cwmp")] {
        let ipk = unpacked(&package(variant));
        let control = unpacked(&ipk["./control.tar.gz"].1);
        let control = String::from_utf8_lossy(&control["./control"].1).into_owned();
        for line in
            [format!("Conflicts: {conflicts}"), "Provides: cpeagent".into(), format!("Package: {variant}")]
        {
            assert!(control.lines().any(|have| have == line), "{line}: {control}");
        }
        assert_eq!(
            unpacked(&ipk["./data.tar.gz"].1).keys().collect::<Vec<_>>(),
            data.keys().collect::<Vec<_>>()
        );
    }
}

/// Whether apk-tools 3 can make packages here, whose files belong to root.
fn apk_makes_packages() -> bool {
    let said = |program: &str, argument: &str| {
        Command::new(program)
            .arg(argument)
            .output()
            .map(|out| String::from_utf8_lossy(&out.stdout).into_owned())
    };
    let is_root = said("id", "-u").is_ok_and(|id| id.trim() == "0");
    let there = is_root && said("apk", "--version").is_ok_and(|version| version.starts_with("apk-tools 3"));
    if !there {
        eprintln!("left out for want of apk-tools 3 (apk mkpkg), or of root for the owner of files");
    }
    there
}

/// A script in what `apk adbdump` prints.
fn script(dump: &str, name: &str) -> String {
    let rest = dump.split_once(&format!("\n  {name}: |\n")).unwrap().1;
    rest.lines().map_while(|line| line.strip_prefix("    ")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn an_apk_is_one_that_apk_itself_verifies_installs_and_keeps_apart_from_its_variants() {
    if !apk_makes_packages() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir_all(folder.path().join("empty")).unwrap();
    let apk = |arguments: &[&str]| {
        let out = Command::new("apk").args(arguments).current_dir(folder.path()).output().unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        (out.status.success(), said)
    };
    let full = package_in(folder.path(), "cpeagent", "apk");
    let usp = package_in(folder.path(), "cpeagent-usp", "apk");
    let (full, usp) = (full.to_str().unwrap(), usp.to_str().unwrap());
    let octets = fs::read(usp).unwrap();
    assert_eq!(octets, fs::read(package_in(folder.path(), "cpeagent-usp", "apk")).unwrap(), "the same again");
    for package in [full, usp] {
        assert!(apk(&["verify", "--allow-untrusted", package]).0, "{package}");
    }
    let version = format!("{}-r1", env!("CARGO_PKG_VERSION"));
    let dump = apk(&["adbdump", usp]).1;
    for line in [
        "  name: cpeagent-usp",
        &format!("  version: {version}"),
        "  arch: mipsel_24kc",
        "  license: Apache-2.0 OR MIT",
        "    - ca-bundle",
        &format!("    - cpeagent={version}"),
    ] {
        assert!(dump.lines().any(|have| have == line), "{line}: {dump}");
    }
    let all = |field: &str, value: &str| {
        let of = dump.lines().filter(|line| line.trim_start().starts_with(field));
        of.clone().count() > 10 && of.clone().all(|line| line.ends_with(value))
    };
    assert!(all("user:", ": root") && all("group:", ": root") && all("mtime:", ": 0"), "{dump}");

    // What OpenWrt's own functions are called with, by a shell as there.
    fs::create_dir_all(root.join("lib")).unwrap();
    let functions = "add_group_and_user() { echo \"user of $pkgname in $root\"; }\n\
                     default_postinst() { echo \"set up $pkgname ${PKG_UPGRADE:-new}\"; }\n\
                     default_prerm() { echo \"take away $pkgname\"; }\n";
    fs::write(root.join("lib/functions.sh"), functions).unwrap();
    for (name, want) in [
        ("post-install", format!("user of cpeagent-usp in {0}\nset up cpeagent-usp new\n", root.display())),
        ("post-upgrade", format!("user of cpeagent-usp in {0}\nset up cpeagent-usp 1\n", root.display())),
        ("pre-deinstall", "take away cpeagent-usp\n".to_string()),
    ] {
        let out = Command::new("sh")
            .arg("-c")
            .arg(script(&dump, name))
            .env("IPKG_INSTROOT", &root)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&out.stdout), want, "{name}");
    }
    // procd would go on with the program from before.
    let restart = "[ -n \"${IPKG_INSTROOT}\" ] || /etc/init.d/cpeagent restart";
    assert!(script(&dump, "post-upgrade").lines().any(|line| line.trim() == restart), "{dump}");
    assert!(!script(&dump, "post-install").contains("restart"), "{dump}");

    let info = ["name:ca-bundle", "version:1-r1", "arch:noarch"].map(|info| format!("--info={info}"));
    let info: Vec<&str> = info.iter().map(String::as_str).collect();
    assert!(apk(&[&["mkpkg"], &info[..], &["--files", "empty", "--output", "ca.apk"]].concat()).0);
    let add = |arguments: &[&str]| {
        let common = ["--root", "root", "--arch", "mipsel_24kc", "--allow-untrusted", "--no-network"];
        let quiet = ["--repositories-file", "/dev/null", "--keys-dir", "empty", "--no-scripts"];
        apk(&[&common[..], &quiet, arguments].concat())
    };
    let (installed, said) = add(&["--initdb", "add", "ca.apk", full]);
    assert!(installed, "{said}");
    let ipk = package("cpeagent");
    let data = unpacked(&unpacked(&ipk)["./data.tar.gz"].1);
    for (name, (mode, octets)) in &data {
        let file = root.join(name);
        assert_eq!(&fs::read(&file).unwrap(), octets, "{name}: as in the .ipk");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, *mode, "{name}");
    }
    let list = fs::read_to_string(root.join("lib/apk/packages/cpeagent.list")).unwrap();
    assert_eq!(
        list.lines().map(|path| format!(".{path}")).collect::<Vec<_>>(),
        data.into_keys().collect::<Vec<_>>()
    );
    let users = fs::read_to_string(root.join("lib/apk/packages/cpeagent.rusers")).unwrap();
    assert_eq!(users, "cpeagent=7547:cpeagent=7547\n");
    let (both, said) = add(&["add", usp]);
    assert!(!both && said.contains("conflicts: cpeagent"), "{said}");
}

#[test]
fn an_ipk_is_one_that_opkg_itself_installs_keeps_apart_from_its_variants_and_takes_away() {
    if !there("opkg") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    for part in ["etc", "lib", "usr/lib/opkg/info", "var/lock"] {
        fs::create_dir_all(root.join(part)).unwrap();
    }
    fs::write(root.join("etc/opkg.conf"), "dest root /\nlists_dir ext /var/opkg-lists\n").unwrap();
    fs::write(root.join("lib/functions.sh"), "default_postinst() { :; }\ndefault_prerm() { :; }\n").unwrap();
    let opkg = |arguments: &[&str]| {
        let out = Command::new("opkg")
            .arg("-f")
            .arg(root.join("etc/opkg.conf"))
            .arg("-o")
            .arg(&root)
            .args(["--add-arch", "mipsel_24kc:10"])
            .args(arguments)
            .env("IPKG_INSTROOT", &root)
            .output()
            .unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        (out.status.success(), said)
    };
    // Nothing but what the package depends on.
    let control = b"Package: ca-bundle\nVersion: 1\nArchitecture: mipsel_24kc\n";
    fs::write(root.join("usr/lib/opkg/info/ca-bundle.control"), control).unwrap();
    let status = [&control[..], b"Status: install ok installed\n\n"].concat();
    fs::write(root.join("usr/lib/opkg/status"), status).unwrap();

    let full = package_in(folder.path(), "cpeagent", "ipk");
    let usp = package_in(folder.path(), "cpeagent-usp", "ipk");
    let (installed, said) = opkg(&["install", full.to_str().unwrap()]);
    assert!(installed, "{said}");
    let data = unpacked(&unpacked(&fs::read(&full).unwrap())["./data.tar.gz"].1);
    for (name, (mode, octets)) in &data {
        let file = root.join(name);
        assert_eq!(&fs::read(&file).unwrap(), octets, "{name}");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, *mode, "{name}");
    }
    let control = fs::read_to_string(root.join("usr/lib/opkg/info/cpeagent.control")).unwrap();
    assert!(control.contains("\nRequire-User: cpeagent=7547:cpeagent=7547\n"), "{control}");
    let (both, said) = opkg(&["install", usp.to_str().unwrap()]);
    assert!(!both && said.contains("conflict with cpeagent-usp"), "{said}");

    fs::write(root.join("etc/config/cpeagent"), "config cpeagent 'mine'\n").unwrap();
    let (removed, said) = opkg(&["remove", "cpeagent"]);
    assert!(removed && said.contains("Not deleting modified conffile"), "{said}");
    assert!(root.join("etc/config/cpeagent").exists() && !root.join("usr/sbin/cpeagent").exists());
}

#[test]
fn the_feeds_makefile_names_this_version_and_features_that_exist() {
    let text = fs::read_to_string(path("openwrt-package/cpeagent/Makefile")).unwrap();
    assert!(text.contains(&format!("PKG_VERSION:={}\n", env!("CARGO_PKG_VERSION"))));
    assert!(text.contains("--no-default-features"), "without it the workbench would be built in");
    let cargo = fs::read_to_string(path("Cargo.toml")).unwrap();
    let profile = text.split("$(if $(CONFIG_DEBUG),dev,").nth(1).unwrap().split(')').next().unwrap();
    let profile =
        cargo.split(&format!("\n[profile.{profile}]\n")).nth(1).expect("its profile is Cargo.toml's");
    for said in
        ["debug-assertions = false", "overflow-checks = false", "opt-level = \"z\"", "panic = \"abort\""]
    {
        let own = profile.split("\n[").next().unwrap();
        assert!(own.contains(said), "{said}: else OpenWrt's settings of the profile release count");
    }
    let folder = path("openwrt-package/cpeagent");
    for source in text.split("PKG_FILE_DEPENDS:=").nth(1).unwrap().lines().next().unwrap().split(' ') {
        assert!(folder.join(source).exists(), "{source} would not be looked at for changes");
    }
    let config = fs::read_to_string(path("openwrt-package/cpeagent/Config.in")).unwrap();
    for symbol in text.split("$(CONFIG_CPEAGENT").skip(1).map(|rest| rest.split([')', ',']).next().unwrap()) {
        assert!(config.contains(&format!("config CPEAGENT{symbol}\n")), "Config.in lacks CPEAGENT{symbol}");
    }
}

/// What stands in for the files of OpenWrt's build that the Makefile includes: BuildPackage tells what a package came to.
const RULES: &str = "comma:=,\nINCLUDE_DIR:=$(TOPDIR)/include\nINSTALL_DIR:=dir\nINSTALL_BIN:=bin\nINSTALL_CONF:=conf\n\
    INSTALL_DATA:=data\nPKG_INSTALL_DIR:=built\n";
const BUILD: &str = "define BuildPackage
$(foreach name,TITLE VARIANT PROVIDES CONFLICTS DEPENDS SECTION CATEGORY,$(eval $(name):=))
$(eval $(Package/$(1)))
$(info $(1)|$(VARIANT)|$(PROVIDES)|$(CONFLICTS)|$(strip $(DEPENDS))|$(strip $(RUST_PKG_FEATURES_$(VARIANT)))|$(strip \
$(Package/$(1)/conffiles))|$(words $(Package/$(1)/install)))
endef
";
const RUST: &str = "RUST_ARCH_DEPENDS:=@rust\ndefine RustBinPackage\n$(if $(Package/$(1)/install),,$(error no install of $(1)))\nendef\n";

// Not OpenWrt's own files: what is shown is that make reads ours as it is meant.
#[test]
fn the_feeds_makefile_makes_three_packages_each_with_its_features() {
    if !there("make") {
        return;
    }
    let cargo = fs::read_to_string(path("Cargo.toml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("rules.mk", RULES),
        ("include/package.mk", BUILD),
        ("feeds/packages/lang/rust/rust-package.mk", RUST),
    ] {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    for (symbols, full, usp) in [
        (&["CPEAGENT_WEBSOCKET", "CPEAGENT_MQTT"][..], "cwmp websocket mqtt", "websocket mqtt"),
        (&["CPEAGENT_MQTT"], "cwmp mqtt", "mqtt"),
        (&[], "cwmp", "websocket"),
    ] {
        let out = Command::new("make")
            .args(["-n", "-f", "Makefile", "-C"])
            .arg(path("openwrt-package/cpeagent"))
            .arg(format!("TOPDIR={}", folder.path().display()))
            .args(symbols.iter().map(|symbol| format!("CONFIG_{symbol}=y")))
            .output()
            .unwrap();
        let said = String::from_utf8(out.stdout).unwrap();
        let packages: Vec<Vec<&str>> =
            said.lines().filter(|line| line.contains('|')).map(|line| line.split('|').collect()).collect();
        let want = [
            ["cpeagent", "full", "", "", full],
            ["cpeagent-cwmp", "cwmp", "cpeagent", "cpeagent", "cwmp"],
            ["cpeagent-usp", "usp", "cpeagent", "cpeagent cpeagent-cwmp", usp],
        ];
        assert_eq!(packages.len(), want.len(), "{said} {}", String::from_utf8_lossy(&out.stderr));
        for (package, [name, variant, provides, conflicts, features]) in packages.iter().zip(want) {
            assert_eq!(package[..4], [name, variant, provides, conflicts], "{said}");
            assert_eq!(package[4..7], ["@rust +ca-bundle", features, "/etc/config/cpeagent"], "{said}");
            assert_eq!(package[7], packages[0][7], "the same files");
            for feature in features.split(' ') {
                assert!(cargo.contains(&format!("\n{feature} = [")), "{feature} is no feature");
            }
        }
    }
}

#[test]
fn scripts_hold_before_shellcheck() {
    if !there("shellcheck") {
        return;
    }
    let mut files: Vec<PathBuf> = [
        "openwrt-package/cpeagent/files/cpeagent.init",
        "openwrt-package/cpeagent/files/cpeagent-recover.init",
    ]
    .into_iter()
    .chain([
        "openwrt-package/cpeagent/files/cpeagent.udhcpc",
        "openwrt-package/cpeagent/files/cpeagent.odhcp6c",
    ])
    .map(path)
    .collect();
    files.extend(path("uci-defaults").read_dir().unwrap().map(|entry| entry.unwrap().path()));
    let out = Command::new("shellcheck").args(&files).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}

#[test]
fn the_access_list_names_methods_that_there_are_and_changes_only_for_writers() {
    let text = fs::read(path("openwrt-package/cpeagent/files/cpeagent.acl.json")).unwrap();
    let tree = cpeagent::openwrt::json::parse(&text).unwrap();
    let methods = cpeagent::io::object::methods();
    let mut named = Vec::new();
    for (access, want) in [("read", ["status", "events", "get"].as_slice()), ("write", &["inform", "set"])] {
        let list =
            tree.get("cpeagent").unwrap().get(access).unwrap().get("ubus").unwrap().get("cpeagent").unwrap();
        let list: Vec<&str> = list.items().iter().filter_map(|item| item.as_str()).collect();
        assert_eq!(list, want);
        named.extend(list);
    }
    assert_eq!(named.len(), methods.len());
    assert!(named.iter().all(|name| methods.contains_key(*name)));
}

/// The calls that the mapping and its functions make: object and method, with what is filled in cut off.
fn calls() -> Vec<(String, String)> {
    let mut folders = vec![path("src/tr181")];
    let mut calls = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let text = match entry.extension().and_then(|extension| extension.to_str()) {
                None => {
                    folders.push(entry);
                    continue;
                }
                Some("toml" | "rs") => fs::read_to_string(&entry).unwrap(),
                Some(_) => continue,
            };
            // What is under test is not what is mapped.
            let text = text.split("#[cfg(test)]").next().unwrap();
            for mark in ["\"ubus ", "\"ubus:", "call ", "; "] {
                for rest in text.split(mark).skip(1).filter(|rest| rest.contains(' ')) {
                    let mut words = rest.split([' ', '"', ';', '\n']);
                    let (object, method) = (words.next().unwrap(), words.next().unwrap_or_default());
                    let known = ["dhcp", "hostapd.", "iwinfo", "network.", "service", "system"];
                    let is_method = !method.is_empty() && !method.starts_with('{');
                    if is_method && known.iter().any(|known| object.starts_with(known)) {
                        calls.push((object.to_string(), method.to_string()));
                    }
                }
            }
        }
    }
    calls
}

#[test]
fn the_user_of_the_network_part_may_call_what_the_mapping_calls() {
    let text = fs::read(path("openwrt-package/cpeagent/files/cpeagent.ubus.json")).unwrap();
    let tree = cpeagent::openwrt::json::parse(&text).unwrap();
    let access = tree.get("access").unwrap().entries();
    let may = |object: &str, method: &str| {
        access.iter().any(|(allowed, with)| {
            let fits = match allowed.strip_suffix('*') {
                Some(start) => object.starts_with(start),
                None => **allowed == *object,
            };
            fits && with.get("methods").unwrap().items().iter().any(|item| item.as_str() == Some(method))
        })
    };
    let calls = calls();
    assert!(calls.len() > 20, "{calls:?}");
    for (object, method) in &calls {
        assert!(may(object, method), "{object} {method}");
    }
    assert!(
        may("iwinfo", "scan")
            && may("service", "event")
            && !may("service", "set")
            && !may("system", "reboot")
    );
    for what in ["publish", "subscribe", "listen"] {
        assert!(!tree.get(what).unwrap().items().iter().any(|item| item.as_str() == Some("*")), "{what}");
    }
}
