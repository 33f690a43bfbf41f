//! The package: what is in it and where, and its scripts, run by busybox in a folder where there is one.
#![cfg(feature = "cwmp")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/program.rs"]
mod program;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

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

/// A folder that stands in for a router's root, with commands that a script calls.
struct Root {
    folder: TempDir,
}

impl Root {
    fn new() -> Root {
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

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, name: &str, text: &str) {
        fs::write(self.path(&format!("bin/{name}")), format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(self.path(&format!("bin/{name}")), PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// Sources a script in busybox's shell, as OpenWrt does, with these arguments and variables; its logs are this root's.
    fn source(&self, script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
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

    fn text(&self) -> String {
        fs::read_to_string(self.path("etc/config/cpeagent")).unwrap()
    }

    /// Changes the settings as a person would with an editor.
    fn edit(&self, from: &str, to: &str) {
        let text = self.text();
        assert!(text.contains(from), "{from} in {text}");
        fs::write(self.path("etc/config/cpeagent"), text.replace(from, to)).unwrap();
    }

    fn has(&self, line: &str) -> bool {
        self.text().lines().any(|have| have.trim() == line)
    }
}

const HOOK: &str = "openwrt-package/cpeagent/files/cpeagent.udhcpc";
const HOOK6: &str = "openwrt-package/cpeagent/files/cpeagent.odhcp6c";
/// The URL http://acs.example.net:7547/, as a router's udhcpc handed it over.
const OPT125: &str = "00000de91e0b1c687474703a2f2f6163732e6578616d706c652e6e65743a373534372f";
const URL: &str = "option url 'http://acs.example.net:7547/'";

#[test]
fn what_the_dhcp_clients_hand_over_becomes_the_acs_where_that_is_asked_for() {
    if !there("busybox") {
        return;
    }
    let root = Root::new();
    let bound = |arguments: &[&str], interface: &str| {
        let out = root.source(HOOK, arguments, &[("INTERFACE", interface), ("opt125", OPT125)]);
        assert!(out.status.success(), "{out:?}");
        String::from_utf8_lossy(&out.stderr).into_owned()
    };
    assert!(!root.has(URL));
    bound(&["bound"], "wan");
    assert!(!root.has(URL), "nobody has asked for it");
    root.edit(
        "config acs 'acs'\n",
        "config acs 'acs'\n\toption dhcp_discovery '1'\n\toption allow_plain_http '1'\n",
    );
    bound(&["deconfig"], "wan");
    bound(&["bound"], "lan");
    assert!(!root.has(URL));
    bound(&["bound"], "wan");
    assert!(root.has(URL), "{}", root.text());
    let before = root.text();
    bound(&["renew"], "wan");
    assert_eq!(root.text(), before, "told again, it changes nothing");
    let said = root.source(HOOK, &["bound"], &[("INTERFACE", "wan"), ("opt43", "01ff00")]);
    assert!(
        said.status.success() && String::from_utf8_lossy(&said.stderr).contains("option 43: a length"),
        "{said:?}"
    );
    assert_eq!(root.text(), before);
}

/// Octets as the DHCP clients hand them over.
fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Options of an enterprise: DHCPv4's 125, and DHCPv6's 17.
fn vendor(enterprise: u32, pairs: &[(u8, &[u8])]) -> (String, String) {
    let (mut v4, mut v6) = (Vec::new(), enterprise.to_be_bytes().to_vec());
    for (code, value) in pairs {
        v4.extend([&[*code, value.len() as u8], *value].concat());
        let code = if *code < 25 { code - 10 } else { *code };
        v6.extend([&[0, code], &(value.len() as u16).to_be_bytes()[..], *value].concat());
    }
    (hex(&[&enterprise.to_be_bytes()[..], &[v4.len() as u8], &v4].concat()), hex(&v6))
}

//= TR-069 3.1: what DHCP tells is data; what is malformed, of others, or not allowed changes nothing.
#[test]
fn whatever_a_dhcp_server_says_runs_nothing_and_changes_nothing_but_what_is_allowed() {
    if !there("busybox") {
        return;
    }
    const OWN: &str = "https://first.example.net/";
    let root = Root::new();
    root.command("pwned", &format!("touch '{}'", root.path("pwned").display()));
    root.edit(
        "config acs 'acs'\n",
        &format!(
            "config acs 'acs'\n\toption dhcp_discovery '1'\n\toption allow_plain_http '1'\n\toption url '{OWN}'\n\
             \toption dhcp_url '{OWN}'\n\toption dhcp_from 'ipv4'\n"
        ),
    );
    root.edit("config usp 'usp'\n", "config usp 'usp'\n\toption dhcp_discovery '1'\n");
    let raw = [
        "$(pwned)",
        "`pwned`",
        "; pwned",
        "|pwned",
        "& pwned &",
        "01\npwned\n",
        "\"; pwned; \"",
        "'; pwned; '",
        "${IFS}pwned",
        "*",
        "/etc/*",
        "-n",
        "--root=/",
        "--help",
        "01=02",
        "\\",
        "\\n",
        "01 02",
        "\u{202e}",
        " ",
    ];
    let mut told: Vec<(&str, String, String)> =
        raw.iter().map(|text| ("raw text", (*text).to_string(), (*text).to_string())).collect();
    let mut of = |what, enterprise, pairs: &[(u8, &[u8])]| {
        let (v4, v6) = vendor(enterprise, pairs);
        told.push((what, v4, v6));
    };
    of("no https any more", 3561, &[(11, b"http://first.example.net/")]);
    of(
        "another enterprise",
        9,
        &[(11, b"https://evil.example.net/"), (25, b"wss://evil/"), (29, b"fqdn::evil")],
    );
    of("a newline", 3561, &[(11, b"https://evil.example.net/\n\toption x 'y'")]);
    of("a zero within", 3561, &[(11, b"https://evil.example.net/\0x")]);
    of("a password", 3561, &[(11, b"https://user:secret@evil.example.net/")]);
    of("a space and a command", 3561, &[(11, b"https://evil.example.net/ $(pwned)")]);
    of("another scheme", 3561, &[(11, b"file:///etc/shadow")]);
    of("no host", 3561, &[(11, b"https://$(pwned)@/")]);
    of("no UTF-8", 3561, &[(11, b"https://evil.example.net/\xff")]);
    of("a controller without TLS", 3561, &[(25, b"ws://evil.example.net/"), (29, b"fqdn::evil")]);
    of(
        "a controller's name with a newline",
        3561,
        &[(25, b"wss://evil.example.net/"), (29, b"fqdn::evil\nx")],
    );
    of("what no URL holds", 3561, &[(11, b"https://evil.example.net/`pwned`\"\\")]);
    // As much as an environment holds in one word.
    told.push(("64 KiB", "41".repeat(65_500), "41".repeat(65_500)));
    told.push(("a length that lies", "00000de9ff0bff".into(), "00000de90001ffff41".into()));
    let before = root.text();
    for (what, v4, v6) in &told {
        for (hook, arguments, name, value) in [
            (HOOK, &["bound"][..], "opt43", v4),
            (HOOK, &["renew"], "opt125", v4),
            (HOOK6, &["wan6", "bound"], "OPTION_17", v6),
        ] {
            let interface = if hook == HOOK { "wan" } else { "wan6" };
            let out = root.source(hook, arguments, &[("INTERFACE", interface), (name, value)]);
            let said = String::from_utf8_lossy(&out.stderr);
            assert!(out.status.success(), "{what}, {name}: {said}");
            assert!(said.len() < 1_000 && !said.contains("panicked"), "{what}, {name}: {said}");
            assert!(!root.path("pwned").exists(), "{what}, {name}: it ran");
            assert_eq!(root.text(), before, "{what}, {name}: {said}");
        }
    }
    // What is allowed in a URL is kept as text, whatever a shell or UCI would make of it.
    let odd = "https://acs.example.net/$(pwned)';pwned;'&pwned&*?~!";
    let (good, _) = vendor(3561, &[(11, odd.as_bytes())]);
    let out = root.source(HOOK, &["bound"], &[("INTERFACE", "wan"), ("opt125", &good), ("opt43", "01ff00")]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("option 43: a length"), "{said}");
    let text = root.text();
    let package =
        cpeagent::openwrt::uci::parse(text.as_bytes(), cpeagent::openwrt::uci::Mode::Strict).unwrap().tree();
    assert_eq!(package.get("acs").unwrap().str("url"), Some(odd), "{said}");
    assert!(!root.path("pwned").exists());
}

/// In a network of its own: a server that answers only those who say who they are, and a router's client.
const NETWORK: &str = r#"set -e
ip link add srv type veth peer name cli
ip addr add 198.18.0.1/24 dev srv
ip link set srv up
ip link set cli up
dnsmasq -d -p 0 -C /dev/null --interface=srv --bind-interfaces --dhcp-authoritative --no-ping -F 198.18.0.10,198.18.0.20,5m \
    -l "$ROOT/leases" -x "$ROOT/pid" --dhcp-vendorclass=set:cpe,dslforum.org \
    --dhcp-option=tag:cpe,vi-encap:3561,11,https://acs.example.net/ --dhcp-option=tag:cpe,vi-encap:3561,12,code &
server=$!
trap 'kill $server' EXIT
busybox udhcpc -i cli -f -n -q -t 10 -T 1 -s "$ROOT/bin/client" -O 43 -O 125 "$@"
"#;

#[test]
fn a_real_client_and_a_real_server_name_the_acs_to_who_says_dslforum() {
    let namespace =
        || Command::new("unshare").args(["-Urn", "true"]).status().is_ok_and(|status| status.success());
    if !there("busybox") || !there("dnsmasq") || !there("ip") || !namespace() {
        eprintln!("left out: needs busybox, dnsmasq, iproute2 and namespaces that a user may make");
        return;
    }
    for (class, want) in [(["-V", "somebody"], false), (["-V", "dslforum.org"], true)] {
        let root = Root::new();
        root.edit("config acs 'acs'\n", "config acs 'acs'\n\toption dhcp_discovery '1'\n");
        let hook = path(HOOK);
        root.command(
            "client",
            &format!("INTERFACE=wan\nlogger() {{ cat >&2; }}\n. '{}'\nwait", hook.display()),
        );
        let bin = format!("{}:{}", root.path("bin").display(), std::env::var("PATH").unwrap());
        let out = Command::new("unshare")
            .args(["-Urn", "sh", "-c", NETWORK, "sh"])
            .args(class)
            .env("PATH", bin)
            .env("ROOT", root.folder.path())
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        assert_eq!(root.has("option url 'https://acs.example.net/'"), want, "{class:?}: {out:?}");
        assert_eq!(root.has("option provisioning_code 'code'"), want);
    }
}

#[test]
fn dhcpv6_tells_of_the_acs_as_well() {
    if !there("busybox") {
        return;
    }
    let root = Root::new();
    root.edit("config acs 'acs'\n", "config acs 'acs'\n\toption dhcp_discovery '1'\n");
    let url = b"https://acs.example.net/";
    let hex: String = url.iter().map(|octet| format!("{octet:02x}")).collect();
    let option = format!("00000de90001{:04x}{hex}", url.len());
    for (what, want) in [("unbound", false), ("ra-updated", false), ("bound", true)] {
        let out = root.source(HOOK6, &["wan6", what], &[("INTERFACE", "wan6"), ("OPTION_17", &option)]);
        assert!(out.status.success(), "{out:?}");
        assert_eq!(root.has("option url 'https://acs.example.net/'"), want, "{what}");
    }
}

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
fn the_script_for_dhcp_asks_for_the_options_once_and_leaves_what_is_there() {
    if !there("busybox") {
        return;
    }
    let root = Root::new();
    let uci = r#"[ "$1" = -q ] && shift
store=$(dirname "$0")/../store
mkdir -p "$store"
case $1 in
get) cat "$store/$2" 2>/dev/null ;;
set) printf '%s\n' "${2#*=}" > "$store/${2%%=*}" ;;
esac"#;
    root.command("uci", uci);
    fs::create_dir_all(root.path("store")).unwrap();
    fs::write(root.path("store/network.wan"), "interface\n").unwrap();
    fs::write(root.path("store/network.wan.reqopts"), "125 12\n").unwrap();
    for _ in 0..2 {
        assert!(root.source("uci-defaults/60_cpeagent_dhcp", &[], &[]).status.success());
        let text = |name: &str| fs::read_to_string(root.path("store").join(name)).ok();
        assert_eq!(text("network.wan.reqopts").as_deref(), Some("125 12 43\n"));
        assert_eq!(text("network.wan.vendorid").as_deref(), Some("dslforum.org\n"));
        assert_eq!(text("network.wan6.reqopts"), None, "there is no wan6");
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
