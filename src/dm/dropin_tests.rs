//! Right and wrong drop-ins over a small model, and what a right one reads and writes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::dm::instance::Instances;
use crate::dm::path::Pattern;
use crate::dm::read::{Cursor, Node};
use crate::dm::run;
use crate::dm::schema::Model;
use crate::dm::source::{Snapshot, Source};
use crate::dm::tree::Tree;
use crate::dm::write::{Planner, Policy, Wish};
use std::cell::RefCell;

fn shipped() -> Vec<Object> {
    let bare = |path, params, each| Object {
        path,
        each,
        needs: None,
        add: None,
        add_fn: None,
        delete: Delete::No,
        params,
        locals: &[],
        unique: &[],
        keys: &[],
        enable: None,
        pending: None,
        file: "shipped",
        ..Object::bare(path, "shipped")
    };
    const NAME: &[Param] = &[Param {
        name: "Name",
        syntax: Syntax::plain(Type::String),
        flags: Flags {
            hidden: false,
            command: false,
            forced_inform: false,
            notify: crate::dm::schema::Notify::Normal,
            known: crate::dm::schema::Known::All,
            once: false,
            secured: false,
        },
        read: How::Line(&Line {
            source: Src::Option { up: 0, option: &[Piece::Lit("name")] },
            pipes: &[],
            otherwise: None,
        }),
        write: Write::No,
        reason: None,
    }];
    const ROWS: Rows = Rows::Sections { key: "uci:dhcp", kind: "dhcp", by: None };
    const EACH: &Each = &Each { rows: ROWS, key: None, only: None, volatile: false };
    vec![
        bare("Device.", &[], None),
        bare("Device.Pool.{i}.", NAME, Some(EACH)),
        bare("Device.Pool.{i}.Sub.", &[], None),
    ]
}

fn upper(text: &str) -> Option<String> {
    Some(text.to_uppercase())
}

fn platform() -> Platform {
    const PIPES: &[NamedPipe] = &[NamedPipe { name: "span", read: upper, back: None }];
    Platform { pipes: PIPES, derived: &[] }
}

fn merged(text: &str) -> (Vec<Object>, Vec<String>) {
    merge(shipped(), platform(), &[("x.toml".into(), text.into())])
}

//= TR-369 R-ARC.7: a vendor's names begin with X_ and the vendor.
#[test]
fn a_wrong_file_is_refused_with_its_line_and_adds_nothing() {
    let pool = "[\"Device.Pool.{i}.\"]\n";
    let vendor = "[\"Device.X_ACME_Box.\"]\n";
    let rows = "[\"Device.X_ACME_Box.{i}.\"]\n";
    for (head, line, at, why) in [
        (pool, "A = 3", 2, "quoted string"),
        (pool, "Name = \"uci .x | type string\"", 2, "exists already"),
        (pool, "Tag = \"uci .x | type string\"", 2, "not a vendor's name"),
        (pool, "X_Tag = \"uci .x | type string\"", 2, "not a vendor's name"),
        (pool, "X__Tag = \"uci .x | type string\"", 2, "not a vendor's name"),
        (pool, "X_ACME_Tag = \"uci .x\"", 2, "wants a type"),
        (pool, "X_ACME_Tag = \"uci .x | type text\"", 2, "is no type"),
        (pool, "X_ACME_Tag = \"uci .x | type string(a)\"", 2, "neither a length nor a range"),
        (pool, "X_ACME_Tag = \"uci .x | type string(9:1)\"", 2, "neither a length nor a range"),
        (pool, "X_ACME_Tag = \"uci .x | type boolean(1)\"", 2, "neither a length nor a range"),
        (pool, "X_ACME_Tag = \"uci .x | type int{a}\"", 2, "only a string"),
        (pool, "X_ACME_Tag = \"rust tag | type string\"", 2, "not for drop-ins"),
        (pool, "X_ACME_Tag = \"uci .x | type string <- rust set\"", 2, "not for drop-ins"),
        (pool, "X_ACME_Tag = \"cat /x/{rust} | type string\"", 2, "is called rust"),
        (pool, "X_ACME_Tag = \"cat /x | type string rw\"", 2, "cannot be written"),
        (pool, "X_ACME_Tag = \"cat /x | type string <- uci .x\"", 2, "wants `rw`"),
        (pool, "X_ACME_Tag = \"nothing | type string\"", 2, "is called nothing"),
        (pool, "X_ACME_Tag = \"tree none @.x | type string\"", 2, "no tree none"),
        (pool, "X_ACME_Tag = \"uci .x | ref Device.None | type string\"", 2, "no table Device.None"),
        (pool, "X_ACME_Tag = \"uci .x | mask | type string\"", 2, "is no pipe"),
        (pool, "X_ACME_Tag = \"const 3 | type int\"", 2, "want a reason"),
        (pool, "a = \"b\"", 2, "is called b"),
        (pool, "a = \"a\"", 2, "is called a"),
        (pool, "each = \"uci dhcp.@host\"", 2, "shipped"),
        (pool, "needs = \"cat /x = y\"", 2, "shipped"),
        ("[\"Device.Nope.\"]\n", "a = \"cat /x\"", 1, "not a vendor's name"),
        ("[\"Device.X_ACME_A.X_ACME_B.\"]\n", "", 1, "no Device.X_ACME_A. to put it below"),
        ("[\"Device.X_ACME_A\"]\n", "", 1, "no path of an object"),
        ("[\"Other.\"]\n", "", 1, "no path of an object"),
        (rows, "X_ACME_Tag = \"uci .x | type string\"", 1, "wants `each`"),
        (vendor, "each = \"uci dhcp.@host\"", 1, "only a table"),
        (rows, "each = \"rust rows\"", 2, "not for drop-ins"),
        (rows, "add = \"rust make\"", 2, "not for drop-ins"),
        (rows, "delete = \"rust gone\"", 2, "wanted: section"),
        (rows, "pending = \"A\"", 2, "not for drop-ins"),
        ("", "a = \"cat /x\"", 1, "before the first table"),
    ] {
        let (objects, mistakes) = merged(&format!("{head}{line}\n"));
        assert_eq!(objects.len(), shipped().len(), "{line}");
        assert_eq!(objects[1].params.len(), 1, "{line}");
        let start = format!("x.toml:{at}: ");
        let told = mistakes.iter().any(|m| m.starts_with(&start) && m.contains(why));
        assert!(told, "{head}{line}: {mistakes:?}");
    }
}

#[test]
fn a_wrong_file_does_not_keep_a_right_one_out() {
    let right = "[\"Device.Pool.{i}.\"]\nX_ACME_Tag = \"uci .tag | type string\"\n";
    let files = [("a".into(), "nonsense".into()), ("b".into(), right.into()), ("c".into(), right.into())];
    let (objects, mistakes) = merge(shipped(), platform(), &files);
    assert_eq!(objects[1].params.len(), 2);
    assert_eq!(mistakes, ["a:1: expected key = \"text\"", "c:2: X_ACME_Tag: exists already"]);
}

#[test]
fn there_is_a_bound_to_what_files_bring() {
    let many = |from: usize| -> String {
        let line = |n: usize| format!("X_ACME_P{n} = \"uci .p{n} | type string\"\n");
        format!("[\"Device.Pool.{{i}}.\"]\n{}", (from..from + 1_500).map(line).collect::<String>())
    };
    let files = [("a".into(), many(0)), ("b".into(), many(1_500))];
    let (objects, mistakes) = merge(shipped(), platform(), &files);
    assert_eq!((objects[1].params.len(), mistakes.len()), (1_501, 1));
    let files: Vec<_> = (0..MAX_FILES + 1).map(|n| (format!("{n:02}"), String::new())).collect();
    assert_eq!(merge(shipped(), platform(), &files).1.len(), 1);
}

const RIGHT: &str = r#"
["Device.Pool.{i}."]
tag          = "uci .tag"
X_ACME_Tag   = "tag | type string(1:8)"
X_ACME_Mode  = "uci .mode | type string{On Off} rw"
X_ACME_Limit = "uci .limit | type unsignedInt(0:9) rw else 5"
X_ACME_Key   = "uci .key | type string hidden rw"
["Device.X_ACME_Box.{i}."]
each   = "uci box.@item"
add    = "box item cpe_box color=red"
delete = "section"
Color  = "uci .color | type string rw"
["Device.X_ACME_Box.{i}.Lid."]
Open   = "uci ^.open | bool | type boolean"
"#;

//= TR-069 3.6.1: a row that can be addressed by it has an Alias of at most 64 characters.
#[test]
fn a_right_file_is_read_written_added_to_and_counted() {
    let (objects, mistakes) = merged(RIGHT);
    assert_eq!(mistakes, [""; 0]);
    let model = Model::new(objects, platform().pipes, &[]).unwrap();
    let mut snapshot = Snapshot::default();
    let section = |kind: &str, options: &[(&str, &str)]| {
        let options = options.iter().map(|(name, value)| (*name, Tree::from(*value)));
        Tree::map(std::iter::once((".type", Tree::from(kind))).chain(options))
    };
    let lan = section("dhcp", &[("name", "n"), ("tag", "t"), ("mode", "On"), ("key", "secret")]);
    snapshot.supply("uci:dhcp", Source::ready(Tree::map([("lan", lan)])));
    snapshot.supply("uci:box", Source::ready(Tree::map([("one", section("item", &[("color", "blue")]))])));
    snapshot.supply(crate::dm::view::PENDING, Source::Absent);
    let instances = RefCell::new(Instances::default());
    let values = run::attempt(&model, &mut snapshot, &instances, |view| {
        let mut cursor = Cursor::new(view.resolve(&Pattern::parse("Device.").unwrap())?);
        let mut out = Vec::new();
        while let Some(node) = cursor.next(view)? {
            let Node::Param(place, at) = &node else { continue };
            out.push(format!("{}={}", node.path(view)?, view.value(place, *at)?));
        }
        out.sort();
        Ok(out)
    });
    assert_eq!(
        values.unwrap(),
        [
            "Device.Pool.1.Name=n",
            "Device.Pool.1.X_ACME_Key=",
            "Device.Pool.1.X_ACME_Limit=5",
            "Device.Pool.1.X_ACME_Mode=On",
            "Device.Pool.1.X_ACME_Tag=t",
            "Device.X_ACME_Box.1.Alias=cpe-1",
            "Device.X_ACME_Box.1.Color=blue",
            "Device.X_ACME_Box.1.Lid.Open=false",
            "Device.X_ACME_BoxNumberOfEntries=1",
        ]
    );
    let policy = Policy { keep_secret_on_empty: true };
    for (length, good) in [(64, true), (65, false)] {
        let mut planner = Planner::new(&model, &snapshot, &instances.borrow(), policy);
        let wish = Wish { path: "Device.X_ACME_Box.1.Alias".into(), value: "a".repeat(length), said: None };
        assert_eq!(planner.set(&[wish]).is_ok(), good, "an alias of {length} characters");
    }
    for (path, value, good) in [
        ("Device.Pool.1.X_ACME_Mode", "Off", true),
        ("Device.Pool.1.X_ACME_Mode", "Maybe", false),
        ("Device.Pool.1.X_ACME_Limit", "9", true),
        ("Device.Pool.1.X_ACME_Limit", "10", false),
        ("Device.Pool.1.X_ACME_Tag", "x", false),
        ("Device.X_ACME_Box.1.Color", "green", true),
    ] {
        let mut planner = Planner::new(&model, &snapshot, &instances.borrow(), policy);
        let wish = Wish { path: path.into(), value: value.into(), said: None };
        assert_eq!(planner.set(&[wish]).is_ok(), good, "{path}={value}");
        assert_eq!(planner.finish().edits.is_empty(), !good, "{path}={value}");
    }
    let mut planner = Planner::new(&model, &snapshot, &instances.borrow(), policy);
    planner.add("Device.X_ACME_Box.").unwrap();
    planner.delete("Device.X_ACME_Box.1.").unwrap();
    let plan = planner.finish();
    assert_eq!(
        (plan.added.as_slice(), plan.deleted.as_slice()),
        (&["Device.X_ACME_Box.2.".to_string()][..], &["Device.X_ACME_Box.1.".to_string()][..],)
    );
}
