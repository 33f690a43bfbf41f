//! UCI: the text of `/etc/config` files, what is staged beside them, and edits that leave all else as it was.
//!
//! Owns the file format as the stock tools read and write it. Reads and writes no file itself: callers hand in
//! bytes and take bytes. Locks, renames and announcements are the business of whoever commits.
//!
//! | module | owns |
//! |---|---|
//! | [`mod@parse`] | bytes to a document that knows where each command stands |
//! | [`edit`] | edits put into the text |
//! | [`export`] | what the stock tool prints and commits |
//! | [`diff`](mod@diff) | a plan in the words of `uci` |
//! | [`secrets`] | which options must not be shown |
//! | [`delta`] | changes staged by others |
//! | [`tree`](mod@tree) | a document as [`crate::dm::tree::Tree`], names of anonymous sections |

pub mod delta;
pub mod diff;
pub mod edit;
pub mod export;
pub mod parse;
mod reader;
mod rows;
pub mod secrets;
pub mod tree;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod vectors;

pub use delta::{Change, Delta};
pub use diff::diff;
pub use edit::{Refused, apply, apply_to_tree};
pub use parse::{File, Mode, ParseError, Reason, package, parse};
pub use secrets::is_secret;
pub use tree::{Opt, Package, Section, Value};

/// What must hold for any bytes, for the fuzzer and the corpus test: panics where it does not.
///
/// A file that loads prints as one that means the same and prints the same again; a lenient reading of what loads
/// strictly is no other; the lines cover the text without a gap; a delta line that is understood writes as one
/// that is understood the same.
#[doc(hidden)]
pub fn exercise(data: &[u8]) {
    if let Ok(file) = parse(data, Mode::Lenient) {
        let end = file.lines.iter().fold(0, |end, line| {
            assert_eq!(line.span.start, end);
            line.span.end
        });
        assert_eq!(end, data.len());
        let meant = package(data, Mode::Lenient);
        assert_eq!(meant.as_ref(), Ok(&file.package), "the same without the places");
        assert_eq!(meant.map(Package::into_tree).as_ref(), Ok(&file.tree()));
        let text = file.package.export();
        // A name given by hand in the form of generated ones may be another section's at the next reading.
        let by_hand = file.package.sections.iter().any(|s| !s.anonymous && tree::is_generated(&s.name));
        match parse(&text, Mode::Strict) {
            _ if by_hand => {}
            Ok(again) if file.problems.is_empty() => {
                assert_eq!(again.package, file.package);
                assert_eq!(again.tree(), file.tree());
                assert_eq!(again.package.export(), text);
            }
            // A lenient reading may change the type of an anonymous section and keep its name.
            Ok(again) => assert_eq!(again.package.export(), text),
            Err(error) => assert_eq!(error.reason, Reason::TooLarge),
        }
        if let Ok(strict) = parse(data, Mode::Strict) {
            assert!(file.problems.is_empty());
            assert_eq!(strict.package, file.package);
        }
    }
    let delta = Delta::parse("t", data);
    let lines: Vec<u8> = delta.changes.iter().flat_map(|change| change.line("t")).collect();
    assert!(lines.len() > parse::MAX_FILE_LEN || Delta::parse("t", &lines).changes == delta.changes);
    delta.apply(&mut Package::default());
}
