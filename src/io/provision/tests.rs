#![allow(clippy::unwrap_used)]

use super::*;
use crate::io::disk::sim::SimDisk;

const CONFIG: &str = "/etc/config/cpeagent";

fn router(files: &[(&str, &str)]) -> SimDisk {
    let disk = SimDisk::with(files.iter().copied());
    if !disk.exists(CONFIG) {
        disk.put(CONFIG, "config acs 'acs'\n\toption enable '1'\n");
    }
    disk
}

fn take(disk: &SimDisk) -> Taken {
    let (mut store, _, _) = Store::load(disk).unwrap();
    take_up(disk, &mut store, FILE)
}

#[test]
fn what_is_wrong_is_told_with_file_and_line_and_the_rest_is_taken() {
    const FACTORY: &str = "acs.password=one\nidentity.oui=zz\n";
    for (what, builder, files, wrong) in [
        ("nothing", "acs.username=u\n", &[][..], &[][..]),
        (
            "a certificate that is not there",
            "acs.username=u\nacs.ca_file=/etc/cpeagent/ca.pem\n",
            &[],
            &["/usr/share/cpeagent/builder.conf: line 2: acs.ca_file: there is no file /etc/cpeagent/ca.pem"],
        ),
        (
            "one that is",
            "acs.username=u\nacs.ca_file=/etc/cpeagent/ca.pem\n",
            &[("/etc/cpeagent/ca.pem", "")],
            &[],
        ),
        (
            "no factory",
            "factory=/rom/f\nacs.username=u\n",
            &[],
            &["/usr/share/cpeagent/builder.conf: line 1: factory=/rom/f: there is no such place"],
        ),
        (
            "no partition",
            "factory=mtd:f\nacs.username=u\n",
            &[],
            &["/usr/share/cpeagent/builder.conf: line 1: factory=mtd:f: there is no such place"],
        ),
        (
            "a factory's mistake",
            "factory=/rom/f\nacs.username=u\n",
            &[("/rom/f", FACTORY)],
            &["/rom/f: line 2: identity.oui: not allowed; must be 6 hexadecimal digits"],
        ),
        (
            "a partition without text",
            "factory=mtd:f\nacs.username=u\n",
            &[("/proc/mtd", "mtd3: 0001 0001 \"f\"\n"), ("/dev/mtd3", "\0\0")],
            &[],
        ),
        (
            "a place that cannot be one",
            "acs.username=u\nfactory=f\n",
            &[],
            &["/usr/share/cpeagent/builder.conf: line 2: factory=f: there is no such place"],
        ),
    ] {
        let disk = router(files);
        disk.put(FILE, builder);
        let taken = take(&disk);
        assert_eq!(taken.wrong, wrong, "{what}");
        assert_eq!(taken.unfinished, None, "{what}");
        let text = disk.read_text(CONFIG).unwrap();
        assert!(text.contains("option username 'u'"), "{what}: {text}");
    }
}

#[test]
fn where_it_cannot_be_written_it_is_said_and_done_the_next_time() {
    type Set = fn(&SimDisk);
    let cases: [(&str, Set, Set); 4] = [
        ("a full disk", |disk| disk.set_free(Some(10)), |disk| disk.set_free(None)),
        ("a disk that cannot be written", |disk| disk.set_read_only(true), |disk| disk.set_read_only(false)),
        (
            "changes that somebody has staged",
            |disk| disk.put("/tmp/.uci/cpeagent", "cpeagent.acs.interface='mgmt'\n"),
            |disk| disk.drop_file("/tmp/.uci/cpeagent"),
        ),
        (
            "settings that cannot be read",
            |disk| disk.put(CONFIG, "config acs 'acs\n"),
            |disk| disk.put(CONFIG, "config acs 'acs'\n"),
        ),
    ];
    for (what, hinder, mend) in cases {
        let disk = router(&[(FILE, "acs.username=u\nno\n")]);
        hinder(&disk);
        let taken = take(&disk);
        assert!(taken.unfinished.is_some() && taken.wrong.len() == 1, "{what}: {taken:?}");
        if what == "settings that cannot be read" {
            assert!(taken.unfinished.unwrap().starts_with("/etc/config/cpeagent: "));
        }
        mend(&disk);
        let taken = take(&disk);
        assert_eq!((taken.unfinished, taken.packages.len()), (None, 1), "{what}");
        assert!(disk.read_text(CONFIG).unwrap().contains("option username 'u'"), "{what}");
        assert_eq!(take(&disk).packages.len(), 0, "{what}: again changes nothing");
    }
}
