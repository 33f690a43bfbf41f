//! What `Device.WiFi.` says of each recorded router, and what writing it comes to in `/etc/config/wireless`.
//!
//! `BLESS=1 cargo test --test family_wifi` writes the golden texts anew; each line is to be read before it is kept.
#![cfg(feature = "cwmp")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use common::device::device;
use cpeagent::cli::local::Local;
use cpeagent::dm::edit::{Change, Edit};
use cpeagent::dm::error::Error;
use cpeagent::dm::instance::Instances;
use cpeagent::dm::path::Pattern;
use cpeagent::dm::tree::Tree;
use cpeagent::dm::write::{NoPlan, Plan, Planner, Policy, Wish};
use cpeagent::io::disk::RealDisk;
use cpeagent::io::source::Files;
use cpeagent::time::{Now, Wall};
use cpeagent::tr181;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

const DEVICES: &[&str] = &[
    "wr4000-25.12",
    "wr4000-25.12-wifi-reload",
    "wr4000-25.12-repeater",
    "bpi-r3-vlan-25.12",
    "fritz-pppoe-25.12",
    "ax3600-24.10-wifi-off",
];

/// The device's present: when it booted and how long it has been up.
fn present(root: &Path) -> Wall {
    let stat = fs::read_to_string(root.join("proc/stat")).unwrap();
    let up = fs::read_to_string(root.join("proc/uptime")).unwrap();
    let boot: i64 = stat.lines().find_map(|line| line.strip_prefix("btime ")).unwrap().parse().unwrap();
    Wall::at(boot + up.split('.').next().unwrap().parse::<i64>().unwrap())
}

fn local(root: &Path) -> Local {
    let disk = RealDisk::new(root).unwrap();
    let now = Now { at: Default::default(), wall: Some(present(root)) };
    Local::new(tr181::model().unwrap(), Files::new(Arc::new(disk), true), Instances::default(), now)
}

/// The values below a path, a line each, sorted.
fn values(local: &Local, path: &str) -> Vec<String> {
    let values = local.get(&[Pattern::parse(path).unwrap()]).unwrap();
    let mut lines: Vec<String> = values
        .into_iter()
        .map(|(path, value)| match value {
            Ok(value) => format!("{path} = {value}"),
            Err(why) => format!("{path} ! {why}"),
        })
        .collect();
    lines.sort();
    lines
}

fn plan(local: &Local, ask: impl Fn(&mut Planner<'_>) -> Result<(), NoPlan>) -> Result<Plan, Vec<Error>> {
    local.plan(Policy { keep_secret_on_empty: true }, ask)
}

/// Each router once: planning writes nothing.
fn routers() -> BTreeMap<&'static str, (TempDir, Local)> {
    let open = |name: &&'static str| {
        let root = device(name);
        let local = local(root.path());
        (*name, (root, local))
    };
    DEVICES.iter().map(open).collect()
}

/// `WiFi.`-relative `PATH=VALUE` words as wishes.
fn wishes(sets: &[&str]) -> Vec<Wish> {
    let wish = |text: &&str| {
        let (path, value) = text.split_once('=').unwrap();
        Wish { path: format!("Device.WiFi.{path}"), value: value.into(), said: None }
    };
    sets.iter().map(wish).collect()
}

fn word(tree: Option<&Tree>) -> String {
    match tree {
        None => "-".into(),
        Some(Tree::Text(text)) => text.to_string(),
        Some(list) => format!("{:?}", list.items().iter().filter_map(Tree::as_str).collect::<Vec<_>>()),
    }
}

/// Edits as `section.option: old -> new`.
fn told(edits: &[Edit]) -> Vec<String> {
    let tell = |edit: &Edit| {
        assert_eq!(&*edit.source, "uci:wireless");
        match &edit.change {
            Change::Add { kind } => format!("+{} {kind}", edit.section),
            Change::Remove { .. } => format!("-{}", edit.section),
            Change::Rename { to } => format!("{} => {to}", edit.section),
            Change::Move { from, to } => format!("{} {from} -> {to}", edit.section),
            Change::Set { option, old, new } => {
                format!("{}.{option}: {} -> {}", edit.section, word(old.as_ref()), word(new.as_ref()))
            }
        }
    };
    edits.iter().map(tell).collect()
}

/// The edits that values come to, or the refusals.
fn set(local: &Local, sets: &[&str]) -> Result<Vec<String>, String> {
    let done = plan(local, |planner| planner.set(&wishes(sets)));
    let why = |errors: Vec<Error>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    done.map(|plan| told(&plan.edits)).map_err(why)
}

#[test]
fn every_recorded_router_says_what_its_files_hold() {
    let mut wrong = Vec::new();
    for name in DEVICES {
        let root = device(name);
        let got = values(&local(root.path()), "Device.WiFi.").join("\n") + "\n";
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/model/{name}/WiFi.txt"));
        if std::env::var_os("BLESS").is_some() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &got).unwrap();
        } else if fs::read_to_string(&file).unwrap_or_default() != got {
            wrong.push(format!("{name}:\n{got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_router_without_a_radio_has_no_wifi_objects() {
    let root = device("x86-25.12");
    let local = local(root.path());
    assert!(local.get(&[Pattern::parse("Device.WiFi.").unwrap()]).is_err());
    let all = values(&local, "Device.");
    assert!(!all.is_empty() && all.iter().all(|line| !line.starts_with("Device.WiFi.")));
}

#[test]
fn a_reload_takes_no_configured_row_and_no_parameter_away() {
    let (calm, busy) = (device("wr4000-25.12"), device("wr4000-25.12-wifi-reload"));
    let names = |root: &Path| -> Vec<String> {
        let all = values(&local(root), "Device.WiFi.");
        let rows = all.iter().filter(|line| !line.contains(".AssociatedDevice."));
        rows.map(|line| line.split(" = ").next().unwrap().to_string()).collect()
    };
    assert_eq!(names(calm.path()), names(busy.path()));
    let busy = values(&local(busy.path()), "Device.WiFi.");
    for want in
        ["Radio.1.Status = Down", "SSID.1.Status = Down", "SSID.1.Enable = true", "Radio.1.Channel = 1"]
    {
        assert!(busy.contains(&format!("Device.WiFi.{want}")), "{want}");
    }
}

const WR: &str = "wr4000-25.12";
const BPI: &str = "bpi-r3-vlan-25.12";
const FRITZ: &str = "fritz-pppoe-25.12";
const OFF: &str = "ax3600-24.10-wifi-off";

#[test]
fn what_is_written_becomes_these_options() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        (WR, &["Radio.1.Enable=false"], &["radio0.disabled: - -> 1"]),
        (WR, &["Radio.1.Enable=true"], &[]),
        (OFF, &["Radio.1.Enable=true"], &["radio0.disabled: 1 -> 0"]),
        (WR, &["Radio.1.Channel=6"], &["radio0.channel: 1 -> 6"]),
        (WR, &["Radio.1.AutoChannelEnable=true"], &["radio0.channel: 1 -> auto"]),
        (BPI, &["Radio.2.AutoChannelEnable=false"], &["radio1.channel: auto -> 100"]),
        (BPI, &["Radio.2.Channel=36"], &["radio1.channel: auto -> 36"]),
        (WR, &["Radio.2.OperatingChannelBandwidth=40MHz"], &["radio1.htmode: HE80 -> HE40"]),
        (WR, &["Radio.2.OperatingStandards=a,n"], &["radio1.htmode: HE80 -> HT40"]),
        (WR, &["Radio.2.OperatingStandards=ac,n,a"], &["radio1.htmode: HE80 -> VHT80"]),
        (WR, &["Radio.2.OperatingStandards=ac,ax"], &["radio1.require_mode: - -> ac"]),
        (WR, &["Radio.2.OperatingStandards=a"], &["radio1.htmode: HE80 -> NOHT"]),
        (WR, &["Radio.1.OperatingStandards=b,g,n,ax"], &["radio0.legacy_rates: - -> 1"]),
        (
            BPI,
            &["Radio.1.OperatingStandards=n,ax"],
            &["radio0.htmode: HT40 -> HE40", "radio0.require_mode: - -> n", "radio0.legacy_rates: 1 -> 0"],
        ),
        (
            WR,
            &["Radio.2.OperatingStandards=a,n,ac", "Radio.2.OperatingChannelBandwidth=20MHz"],
            &["radio1.htmode: HE80 -> VHT80", "radio1.htmode: VHT80 -> VHT20"],
        ),
        (BPI, &["Radio.1.ExtensionChannel=AboveControlChannel"], &["radio0.htmode: HT40 -> HT40+"]),
        (WR, &["Radio.1.RegulatoryDomain=ATI"], &["radio0.country: DE -> AT", "radio0.country3: - -> 0x49"]),
        (WR, &["Radio.1.RegulatoryDomain=DE "], &[]),
        (WR, &["Radio.1.TransmitPower=50"], &["radio0.txpower: - -> 17"]),
        (BPI, &["Radio.1.TransmitPower=100"], &["radio0.txpower: 17 -> -"]),
        (WR, &["Radio.1.BeaconPeriod=200"], &["radio0.beacon_int: - -> 200"]),
        (WR, &["Radio.1.DTIMPeriod=300"], &["default_radio0.dtim_period: - -> 3"]),
        (WR, &["Radio.1.RTSThreshold=2000"], &["radio0.rts: - -> 2000"]),
        (WR, &["Radio.1.RTSThreshold=2347", "Radio.1.FragmentationThreshold=2346"], &[]),
        (
            WR,
            &["Radio.2.PreambleType=long"],
            &["default_radio1.short_preamble: - -> 0", "guest_radio1.short_preamble: - -> 0"],
        ),
        (
            WR,
            &["Radio.1.GuardInterval=800nsec"],
            &[
                "radio0.short_gi_20: - -> 0",
                "radio0.short_gi_40: - -> 0",
                "radio0.short_gi_80: - -> 0",
                "radio0.short_gi_160: - -> 0",
            ],
        ),
        (WR, &["Radio.2.IEEE80211hEnabled=false"], &["radio1.doth: - -> 0"]),
        (WR, &["Radio.1.MCS=-1", "Radio.1.IEEE80211hEnabled=false"], &[]),
        (WR, &["SSID.1.SSID=Zuhause ü"], &["default_radio0.ssid: HomeNet -> Zuhause ü"]),
        (WR, &["SSID.1.LowerLayers=Device.WiFi.Radio.2."], &["default_radio0.device: radio0 -> radio1"]),
        (
            WR,
            &["SSID.1.Enable=false"],
            &["default_radio0.disabled: - -> 1", "default_radio0.cpe_enabled: - -> ap"],
        ),
        (
            WR,
            &["AccessPoint.3.Enable=false"],
            &["guest_radio1.disabled: 0 -> 1", "guest_radio1.cpe_enabled: - -> ssid"],
        ),
        (BPI, &["SSID.5.Enable=true"], &["old5.cpe_enabled: - -> ssid"]),
        (
            BPI,
            &["SSID.5.Enable=true", "AccessPoint.5.Enable=true"],
            &["old5.cpe_enabled: - -> ap", "old5.disabled: 1 -> 0", "old5.cpe_enabled: ap -> -"],
        ),
        (WR, &["AccessPoint.1.SSIDAdvertisementEnabled=false"], &["default_radio0.hidden: - -> 1"]),
        (BPI, &["AccessPoint.2.IsolationEnable=false"], &["iot2.isolate: 1 -> 0"]),
        (BPI, &["AccessPoint.2.MaxAllowedAssociations=0"], &["iot2.maxassoc: 20 -> -"]),
        (WR, &["AccessPoint.1.MaxAllowedAssociations=5"], &["default_radio0.maxassoc: - -> 5"]),
        (BPI, &["AccessPoint.2.MACAddressControlEnabled=false"], &["iot2.macfilter: allow -> -"]),
        (
            WR,
            &[
                "AccessPoint.1.AllowedMACAddress=02:00:00:00:00:01,02:00:00:00:00:02",
                "AccessPoint.1.MACAddressControlEnabled=true",
            ],
            &[
                "default_radio0.macfilter: - -> allow",
                "default_radio0.maclist: - -> [\"02:00:00:00:00:01\", \"02:00:00:00:00:02\"]",
            ],
        ),
        (WR, &["AccessPoint.1.UAPSDEnable=false"], &["default_radio0.uapsd: - -> 0"]),
        (WR, &["AccessPoint.1.WMMEnable=true", "SSID.1.MLDUnit=-1"], &[]),
        (WR, &["AccessPoint.1.SSIDReference=Device.WiFi.SSID.1"], &[]),
        (
            WR,
            &["AccessPoint.1.Security.KeyPassphrase=staple battery"],
            &["default_radio0.key: correct horse -> staple battery"],
        ),
        (WR, &["AccessPoint.1.Security.KeyPassphrase=", "AccessPoint.1.Security.WEPKey="], &[]),
        (
            WR,
            &[
                "AccessPoint.3.Security.ModeEnabled=WPA3-Personal",
                "AccessPoint.3.Security.SAEPassphrase=new secret",
            ],
            &["guest_radio1.key: - -> new secret", "guest_radio1.encryption: none -> sae"],
        ),
        (
            FRITZ,
            &["AccessPoint.1.Security.ModeEnabled=WPA3-Personal-Transition"],
            &["default_radio0.encryption: sae -> sae-mixed"],
        ),
        (WR, &["AccessPoint.1.Security.ModeEnabled=None"], &["default_radio0.encryption: psk2 -> none"]),
        (WR, &["AccessPoint.1.Security.ModeEnabled=OWE"], &["default_radio0.encryption: psk2 -> owe"]),
        (BPI, &["AccessPoint.1.Security.ModeEnabled=WPA2-Personal"], &[]),
        (
            BPI,
            &["AccessPoint.1.Security.EncryptionMode=AES,TKIP"],
            &["home2.encryption: psk2+ccmp -> psk2+tkip+ccmp"],
        ),
        (
            BPI,
            &["AccessPoint.5.Security.EncryptionMode=AES"],
            &["old5.encryption: psk-mixed+tkip+ccmp -> psk-mixed"],
        ),
        (WR, &["AccessPoint.1.Security.MFPConfig=Optional"], &["default_radio0.ieee80211w: - -> 1"]),
        (
            WR,
            &["AccessPoint.1.Security.RekeyingInterval=3600"],
            &["default_radio0.wpa_group_rekey: - -> 3600"],
        ),
        (
            BPI,
            &[
                "AccessPoint.2.Security.ModeEnabled=WPA2-Enterprise",
                "AccessPoint.2.Security.RadiusServerIPAddr=192.0.2.1",
                "AccessPoint.2.Security.SecondaryRadiusServerIPAddr=192.0.2.2",
                "AccessPoint.2.Security.RadiusServerPort=1645",
                "AccessPoint.2.Security.SecondaryRadiusServerPort=1645",
                "AccessPoint.2.Security.RadiusSecret=shh",
            ],
            &[
                "iot2.auth_server: - -> [\"192.0.2.1\"]",
                "iot2.auth_port: - -> 1645",
                "iot2.auth_secret: - -> shh",
                "iot2.auth_server: [\"192.0.2.1\"] -> [\"192.0.2.1\", \"192.0.2.2\"]",
                "iot2.encryption: psk2 -> wpa2",
            ],
        ),
        (
            BPI,
            &["AccessPoint.1.Accounting.ServerIPAddr=192.0.2.1"],
            &["home2.cpe_acct_server: - -> [\"192.0.2.1\"]"],
        ),
        (
            BPI,
            &["AccessPoint.1.Accounting.ServerIPAddr=192.0.2.1", "AccessPoint.1.Accounting.Enable=true"],
            &[
                "home2.cpe_acct_server: - -> [\"192.0.2.1\"]",
                "home2.acct_server: - -> [\"192.0.2.1\"]",
                "home2.cpe_acct_server: [\"192.0.2.1\"] -> -",
            ],
        ),
        (BPI, &["AccessPoint.1.Accounting.InterimInterval=60"], &["home2.acct_interval: - -> 60"]),
        (
            BPI,
            &["AccessPoint.1.WPS.Enable=false"],
            &["home2.wps_pushbutton: 1 -> 0", "home2.cpe_wps: - -> [\"PushButton\"]"],
        ),
        (BPI, &["AccessPoint.2.WPS.Enable=true"], &["iot2.wps_pushbutton: - -> 1"]),
        (BPI, &["AccessPoint.1.WPS.ConfigMethodsEnabled=Label,PushButton"], &["home2.wps_label: - -> 1"]),
    ];
    let routers = routers();
    for (name, sets, want) in cases {
        let got = set(&routers[name].1, sets);
        assert_eq!(
            got.as_deref(),
            Ok(&want.iter().map(ToString::to_string).collect::<Vec<_>>()[..]),
            "{name} {sets:?}"
        );
    }
}

#[test]
fn what_openwrt_cannot_hold_is_refused() {
    let cases: &[(&str, &[&str])] = &[
        (WR, &["Radio.1.Channel=36"]),
        (WR, &["Radio.2.Channel=52"]),
        (WR, &["Radio.1.Channel=6", "Radio.1.AutoChannelEnable=true"]),
        (WR, &["Radio.1.OperatingFrequencyBand=5GHz"]),
        (WR, &["Radio.1.OperatingChannelBandwidth=80MHz"]),
        (WR, &["Radio.1.OperatingStandards=g,ax"]),
        (WR, &["Radio.1.OperatingStandards=b,n,ax"]),
        (WR, &["Radio.1.OperatingStandards=be"]),
        (WR, &["Radio.2.ExtensionChannel=AboveControlChannel"]),
        (WR, &["Radio.1.TransmitPower=-1"]),
        (WR, &["Radio.1.BeaconPeriod=14"]),
        (WR, &["Radio.1.TransmitPower=47"]),
        (WR, &["Radio.1.DTIMPeriod=30000"]),
        (WR, &["Radio.1.DTIMPeriod=3"]),
        (WR, &["Radio.1.DTIMPeriod=310"]),
        (WR, &["Radio.1.DTIMPeriod=0"]),
        (WR, &["Radio.1.GuardInterval=400nsec"]),
        (WR, &["Radio.1.PreambleType=auto"]),
        (WR, &["Radio.1.IEEE80211hEnabled=true"]),
        (WR, &["Radio.1.MCS=7"]),
        (WR, &["SSID.1.SSID="]),
        (WR, &["SSID.1.SSID=ääääääääääääääääx"]),
        (WR, &["SSID.1.LowerLayers=Device.WiFi.Radio.1,Device.WiFi.Radio.2"]),
        (WR, &["SSID.1.LowerLayers=Device.WiFi.Radio.9"]),
        (WR, &["SSID.1.MLDUnit=0"]),
        (WR, &["AccessPoint.1.WMMEnable=false"]),
        (WR, &["AccessPoint.1.SSIDReference=Device.WiFi.SSID.2"]),
        (WR, &["AccessPoint.3.Security.ModeEnabled=WPA2-Personal"]),
        (WR, &["AccessPoint.1.Security.ModeEnabled=WPA2-Enterprise"]),
        (BPI, &["AccessPoint.1.Security.ModeEnabled=WPA2-Enterprise"]),
        (WR, &["AccessPoint.1.Security.ModeEnabled=WEP-64"]),
        (WR, &["AccessPoint.1.Security.WEPKey=0102030405"]),
        (WR, &["AccessPoint.1.Security.KeyPassphrase=short"]),
        (WR, &["AccessPoint.1.Security.SAEPassphrase=not this mode"]),
        (WR, &["AccessPoint.3.Security.EncryptionMode=AES"]),
        (FRITZ, &["AccessPoint.1.Security.MFPConfig=Disabled"]),
        (FRITZ, &["AccessPoint.1.Security.EncryptionMode=TKIP"]),
        (WR, &["AccessPoint.1.Security.SecondaryRadiusServerPort=1700"]),
        (WR, &["AccessPoint.1.Security.SecondaryRadiusServerIPAddr=192.0.2.2"]),
        (BPI, &["AccessPoint.1.Accounting.Enable=true"]),
        (BPI, &["AccessPoint.1.Accounting.InterimInterval=59"]),
        (BPI, &["AccessPoint.3.WPS.Enable=true"]),
        (BPI, &["AccessPoint.1.WPS.ConfigMethodsEnabled="]),
        (BPI, &["AccessPoint.1.WPS.ConfigMethodsEnabled=Display"]),
        (WR, &["AccessPoint.1.WPS.Enable=true"]),
        (WR, &["AccessPoint.1.Accounting.ServerIPAddr=192.0.2.1"]),
        (WR, &["Radio.1.Name=x"]),
        (WR, &["SSID.1.BSSID=02:00:00:00:00:01"]),
    ];
    let routers = routers();
    for (name, sets) in cases {
        let got = set(&routers[name].1, sets);
        assert!(got.is_err(), "{name} {sets:?} came to {got:?}");
    }
}

//= TR-181 WiFi.Radio.{i}.TransmitPower: one of TransmitPowerSupported.
#[test]
fn of_transmit_powers_exactly_the_supported_ones_are_taken() {
    for (name, (_, local)) in routers() {
        for radio in values(&local, "Device.WiFi.Radio.*.TransmitPowerSupported") {
            let (path, levels) = radio.split_once("Supported = ").unwrap();
            let levels: Vec<u32> = levels.split(',').filter_map(|level| level.parse().ok()).collect();
            for percent in 0..=100 {
                let wish = format!("{}={percent}", path.trim_start_matches("Device.WiFi."));
                let taken = set(&local, &[&wish]).is_ok();
                // A radio that tells no levels is at its limit.
                assert_eq!(taken, levels.contains(&percent) || percent == 100, "{name} {wish} of {levels:?}");
            }
        }
    }
}

//= TR-069 A.3.2.6: a row starts at its defaults, disabled.
#[test]
fn a_new_ssid_is_a_disabled_open_section_and_brings_its_access_point() {
    let root = device(WR);
    let local = local(root.path());
    let added = plan(&local, |planner| planner.add("Device.WiFi.SSID.").map(drop)).unwrap();
    assert_eq!(added.added, ["Device.WiFi.SSID.4."]);
    assert_eq!(
        told(&added.edits),
        [
            "+cpe_ssid4 wifi-iface",
            "cpe_ssid4.device: - -> radio0",
            "cpe_ssid4.mode: - -> ap",
            "cpe_ssid4.network: - -> lan",
            "cpe_ssid4.ssid: - -> cpe_ssid4",
            "cpe_ssid4.encryption: - -> none",
            "cpe_ssid4.wpa_group_rekey: - -> 3600",
            "cpe_ssid4.disabled: - -> 1",
        ]
    );
    // One request may go on with what it made: both halves of the section are there.
    let whole = plan(&local, |planner| {
        planner.add("Device.WiFi.SSID.")?;
        planner.set(&wishes(&[
            "SSID.4.SSID=Workshop",
            "SSID.4.LowerLayers=Device.WiFi.Radio.2",
            "SSID.4.Enable=true",
            "AccessPoint.4.Enable=true",
            "AccessPoint.4.SSIDReference=Device.WiFi.SSID.4",
            "AccessPoint.4.Security.ModeEnabled=WPA2-Personal",
            "AccessPoint.4.Security.KeyPassphrase=saws and drills",
        ]))
    });
    let edits = told(&whole.unwrap().edits);
    for want in [
        "cpe_ssid4.device: radio0 -> radio1",
        "cpe_ssid4.disabled: 1 -> 0",
        "cpe_ssid4.encryption: none -> psk2",
    ] {
        assert!(edits.contains(&want.to_string()), "{want} in {edits:?}");
    }
}

#[test]
fn a_new_access_point_brings_its_ssid() {
    let root = device(BPI);
    let local = local(root.path());
    let done = plan(&local, |planner| {
        planner.add("Device.WiFi.AccessPoint.")?;
        planner.set(&wishes(&["AccessPoint.6.SSIDReference=Device.WiFi.SSID.6", "SSID.6.SSID=New"]))
    });
    assert_eq!(done.unwrap().added, ["Device.WiFi.AccessPoint.6."]);
}

#[test]
fn deleting_either_row_removes_the_section_and_both_numbers() {
    let root = device(WR);
    let local = local(root.path());
    for row in ["Device.WiFi.SSID.3.", "Device.WiFi.AccessPoint.3."] {
        let done = plan(&local, |planner| planner.delete(row)).unwrap();
        assert_eq!(told(&done.edits), ["-guest_radio1"], "{row}");
        let again = plan(&local, |planner| {
            planner.delete(row)?;
            let gone = planner.set(&wishes(&["SSID.3.SSID=x"])).is_err()
                && planner.set(&wishes(&["AccessPoint.3.IsolationEnable=true"])).is_err();
            assert!(gone, "{row}: a row stayed");
            Ok(())
        });
        assert!(again.is_ok());
    }
    assert!(plan(&local, |planner| planner.delete("Device.WiFi.Radio.1.")).is_err());
    assert!(plan(&local, |planner| planner.add("Device.WiFi.Radio.").map(drop)).is_err());
}

/// Two rows whose BSSID nobody knows yet are no duplicates.
#[test]
fn radios_that_are_off_do_not_make_their_ssids_duplicates() {
    let root = device(OFF);
    let all = ["SSID.1.Enable=true", "SSID.2.Enable=false", "AccessPoint.3.Enable=true"];
    assert!(set(&local(root.path()), &all).is_ok());
}

#[test]
fn keys_are_never_told() {
    for name in DEVICES {
        let root = device(name);
        let text = values(&local(root.path()), "Device.WiFi.").join("\n");
        for key in ["correct horse", "vin rouge 12", "sensors only", "langes Kennwort", "willkommen"] {
            assert!(!text.contains(key), "{name}");
        }
    }
}

/// A section without a name keeps its rows through the write that names it.
#[test]
fn an_anonymous_interface_is_named_when_it_is_first_written() {
    let root = device(WR);
    let file = root.path().join("etc/config/wireless");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("config wifi-iface 'guest_radio1'", "config wifi-iface")).unwrap();
    let local = local(root.path());
    assert!(values(&local, "Device.WiFi.SSID.").contains(&"Device.WiFi.SSID.3.Name = cpe-3".to_string()));
    let edits = set(&local, &["SSID.3.SSID=Guests", "AccessPoint.3.IsolationEnable=false"]).unwrap();
    assert!(edits[0].ends_with("=> cpe_wifi_iface3"), "{edits:?}");
    assert_eq!(
        edits[1..],
        ["cpe_wifi_iface3.isolate: 1 -> 0", "cpe_wifi_iface3.ssid: HomeNet-Guest -> Guests"]
    );
}

/// Client and mesh interfaces: the one has an SSID and an end point, the other neither.
#[test]
fn only_access_points_have_an_access_point_row() {
    let root = device(WR);
    let file = root.path().join("etc/config/wireless");
    let mut text = fs::read_to_string(&file).unwrap();
    for mode in ["sta", "mesh"] {
        text += &format!(
            "config wifi-iface '{mode}0'\n\toption device 'radio0'\n\toption mode '{mode}'\n\toption ssid 'Up'\n\n"
        );
    }
    fs::write(&file, text).unwrap();
    let all = values(&local(root.path()), "Device.WiFi.");
    for want in [
        "SSIDNumberOfEntries = 4",
        "AccessPointNumberOfEntries = 3",
        "SSID.4.Upstream = true",
        "SSID.4.Status = Down",
        "Radio.1.Upstream = true",
    ] {
        assert!(all.contains(&format!("Device.WiFi.{want}")), "{want}");
    }
    let edits = set(&local(root.path()), &["SSID.4.Enable=false"]).unwrap();
    assert_eq!(edits, ["sta0.disabled: - -> 1", "sta0.cpe_enabled: - -> ap"]);
}

const REPEATER: &str = "wr4000-25.12-repeater";

#[test]
fn an_end_point_is_a_client_section_with_one_profile() {
    let root = device(REPEATER);
    let local = local(root.path());
    for (sets, want) in [
        (vec!["EndPoint.1.Profile.1.SSID=Neighbour"], vec!["uplink.ssid: Landlord -> Neighbour"]),
        (vec!["EndPoint.1.Enable=false"], vec!["uplink.disabled: - -> 1", "uplink.cpe_enabled: - -> ssid"]),
        (vec!["SSID.4.Enable=false"], vec!["uplink.disabled: - -> 1", "uplink.cpe_enabled: - -> ap"]),
        (
            vec![
                "EndPoint.1.Profile.1.Security.ModeEnabled=WPA3-Personal",
                "EndPoint.1.Profile.1.Security.KeyPassphrase=another one",
            ],
            vec!["uplink.key: rent is due on monday -> another one", "uplink.encryption: psk2 -> sae"],
        ),
        (vec!["EndPoint.1.Profile.1.Security.MFPConfig=Required"], vec!["uplink.ieee80211w: - -> 2"]),
        (vec!["EndPoint.1.ProfileReference=Device.WiFi.EndPoint.1.Profile.1"], vec![]),
    ] {
        assert_eq!(
            set(&local, &sets).as_deref(),
            Ok(&want.iter().map(ToString::to_string).collect::<Vec<_>>()[..]),
            "{sets:?}"
        );
    }
    for refused in [
        "EndPoint.1.Profile.1.Enable=false",
        "EndPoint.1.Profile.1.SSID=",
        "EndPoint.1.Profile.1.Security.ModeEnabled=WPA2-Enterprise",
        "EndPoint.1.Profile.1.Security.ModeEnabled=WEP-64",
        "EndPoint.1.ProfileReference=",
        "EndPoint.1.SSIDReference=Device.WiFi.SSID.1",
    ] {
        assert!(set(&local, &[refused]).is_err(), "{refused}");
    }
    let file = root.path().join("ubus/iwinfo.assoclist.device=phy1-sta0.json");
    let faster = fs::read_to_string(&file).unwrap().replace("\"rate\": 433300", "\"rate\": 866700");
    fs::write(&file, faster).unwrap();
    let rates = values(&self::local(root.path()), "Device.WiFi.EndPoint.1.Stats.LastDataDownlinkRate");
    assert_eq!(
        rates,
        ["Device.WiFi.EndPoint.1.Stats.LastDataDownlinkRate = 600000"],
        "the standard has no more"
    );
    let edits =
        plan(&local, |planner| planner.delete("Device.WiFi.EndPoint.1.")).map(|plan| told(&plan.edits));
    assert_eq!(edits, Ok(vec!["-uplink".to_string()]));
}

//= TR-069 A.3.2.6: a row starts at its defaults, disabled.
#[test]
fn a_new_end_point_is_a_disabled_client_section_and_brings_its_ssid() {
    let root = device(WR);
    let local = local(root.path());
    let added = plan(&local, |planner| planner.add("Device.WiFi.EndPoint.").map(drop)).unwrap();
    assert_eq!(
        told(&added.edits),
        [
            "+cpe_ep1 wifi-iface",
            "cpe_ep1.device: - -> radio0",
            "cpe_ep1.mode: - -> sta",
            "cpe_ep1.ssid: - -> cpe_ep1",
            "cpe_ep1.encryption: - -> none",
            "cpe_ep1.disabled: - -> 1",
        ]
    );
    assert_eq!(added.added, ["Device.WiFi.EndPoint.1."]);
}
