//! The XML Schema patterns of the model, matched without a regular-expression crate.
//!
//! Knows what the model uses: alternatives, groups, classes, `\d`, `.`, escapes, and the repeats `? * + {m} {m,n}`.
//! It carries the set of places a match may have reached, so its cost is bounded by text times pattern.

use crate::sorted::Set;

/// Longest text a pattern is tried on, in characters.
pub const MAX_TEXT: usize = 1024;
/// Deepest nesting of groups.
pub const MAX_GROUPS: u32 = 8;

type Places = Set<usize>;

/// Whether any of the patterns matches the whole text; `""` matches the empty text.
pub fn any(patterns: &[&str], text: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, text))
}

/// Whether `pattern` is one this module can match; the tables and mapping files are checked with it.
pub fn is_valid(pattern: &str) -> bool {
    run(pattern, "").is_some()
}

/// Whether `pattern` matches the whole of `text`. An invalid pattern and a text beyond [`MAX_TEXT`] match nothing.
pub fn matches(pattern: &str, text: &str) -> bool {
    run(pattern, text).unwrap_or(false)
}

fn run(pattern: &str, text: &str) -> Option<bool> {
    let text: Vec<char> = text.chars().take(MAX_TEXT + 1).collect();
    let mut matcher = Matcher { pattern: pattern.chars().collect(), text, at: 0, groups: 0 };
    let ends = matcher.alternatives(&Places::from([0]))?;
    let valid = matcher.at == matcher.pattern.len();
    valid.then(|| matcher.text.len() <= MAX_TEXT && ends.contains(&matcher.text.len()))
}

struct Matcher {
    pattern: Vec<char>,
    text: Vec<char>,
    at: usize,
    groups: u32,
}

/// A repeat's bounds; no upper one is `usize::MAX`.
type Repeat = (usize, usize);

impl Matcher {
    fn peek(&self) -> Option<char> {
        self.pattern.get(self.at).copied()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        self.at += usize::from(there);
        there
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn alternatives(&mut self, from: &Places) -> Option<Places> {
        let mut reached = Places::new();
        loop {
            reached.extend(self.sequence(from)?);
            if !self.eat('|') {
                return Some(reached);
            }
        }
    }

    fn sequence(&mut self, from: &Places) -> Option<Places> {
        let mut places = from.clone();
        while let Some(c) = self.peek() {
            if c == '|' || c == ')' {
                break;
            }
            let start = self.at;
            let once = self.atom(&places)?;
            let end = self.at;
            let (min, max) = self.repeat()?;
            let behind = self.at;
            let mut reached = if min == 0 { places } else { Places::new() };
            let mut now = once;
            // Every round of a repeat runs the atom again from where the last one got.
            for round in 1..=max.min(MAX_TEXT + 1) {
                let before = reached.len();
                if round >= min {
                    reached.extend(&now);
                }
                if now.is_empty() || (round > min && reached.len() == before) {
                    break;
                }
                self.at = start;
                now = self.atom(&now)?;
                debug_assert_eq!(self.at, end);
            }
            self.at = behind;
            places = reached;
        }
        Some(places)
    }

    fn atom(&mut self, from: &Places) -> Option<Places> {
        if self.eat('(') {
            self.groups += 1;
            let places = (self.groups <= MAX_GROUPS).then(|| self.alternatives(from)).flatten()?;
            self.groups -= 1;
            return self.eat(')').then_some(places);
        }
        let (negated, set) = self.set()?;
        let fits = |c: char| set.iter().any(|(low, high)| (*low..=*high).contains(&c)) != negated;
        let step = |at: &usize| self.text.get(*at).filter(|c| fits(**c)).map(|_| at + 1);
        Some(from.iter().filter_map(step).collect())
    }

    /// The characters the next atom takes.
    fn set(&mut self) -> Option<(bool, Vec<(char, char)>)> {
        match self.next()? {
            '.' => Some((true, vec![('\n', '\n'), ('\r', '\r')])),
            '\\' => self.escape().map(|range| (false, vec![range])),
            '[' => {
                let negated = self.eat('^');
                let mut set = Vec::new();
                while !self.eat(']') {
                    let low = match self.next()? {
                        '\\' => self.escape()?,
                        c => (c, c),
                    };
                    let ranged = self.peek() == Some('-') && self.pattern.get(self.at + 1) != Some(&']');
                    let high = if ranged && self.eat('-') { self.next()? } else { low.1 };
                    set.push((low.0, high));
                }
                Some((negated, set))
            }
            '?' | '*' | '+' | '{' | '}' | ']' => None,
            c => Some((false, vec![(c, c)])),
        }
    }

    fn escape(&mut self) -> Option<(char, char)> {
        match self.next()? {
            'd' => Some(('0', '9')),
            c if c.is_ascii_punctuation() => Some((c, c)),
            _ => None,
        }
    }

    fn repeat(&mut self) -> Option<Repeat> {
        let repeat = match self.peek() {
            Some('?') => (0, 1),
            Some('*') => (0, usize::MAX),
            Some('+') => (1, usize::MAX),
            Some('{') => {
                let close = self.pattern.iter().skip(self.at).position(|c| *c == '}')? + self.at;
                let inside: String = self.pattern.get(self.at + 1..close)?.iter().collect();
                self.at = close;
                let (low, high) = inside.split_once(',').unwrap_or((&inside, &inside));
                let high = if high.is_empty() { usize::MAX } else { high.parse().ok()? };
                (low.parse().ok().filter(|low| *low <= high && *low <= MAX_TEXT)?, high)
            }
            _ => return Some((1, 1)),
        };
        self.at += 1;
        // A lazy repeat, which the model has once, takes the same texts as a greedy one.
        self.eat('?');
        Some(repeat)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_patterns_of_the_model_match_what_they_mean() {
        for (pattern, yes, no) in [
            ("", &[""][..], &["a"][..]),
            (r"2\.\d+", &["2.1", "2.19"], &["2.", "2x1", "12.1"]),
            ("[0-9A-F]{6}", &["00256D"], &["00256d", "00256", "00256D0"]),
            ("[0-9]|[1-5][0-9]|6[0-3]", &["0", "59", "63"], &["64", "", "00"]),
            (r"\d{4}|\d{8}", &["1234", "12345678"], &["123456"]),
            (r"\d+(\.\d+)*", &["1", "1.2.3"], &["1.", ".1", ""]),
            ("([01][0-9]|2[0-3]):[0-5][0-9]", &["00:00", "23:59"], &["24:00", "1:00"]),
            ("([0-7],[0-1],){7}[0-7],[0-1]", &["0,0,1,0,2,0,3,0,4,0,5,0,6,0,7,1"], &["0,0,1,0"]),
            ("([0-9]{1,15}?[BKMGT])", &["1B", "123456789012345T"], &["B", "1234567890123456T"]),
            ("X [0-9A-F]{6} .*", &["X 00256D ", "X 00256D a b"], &["X 00256D", "x 00256D a"]),
            ("[^a]b?c+", &["xbc", "xcc"], &["abc", "xb", "xbbc"]),
            ("[a-c-]{2,}", &["a-", "abc-"], &["a", "ad"]),
            (r"\d{2}(0[1-9]|1[0-2])[A-Za-z0-9]{0,2}", &["2612", "2601Zz"], &["2613", "2601abc"]),
            ("(a*)*b", &["b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"], &["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac"]),
            ("(a?){0}b", &["b"], &["ab"]),
        ] {
            assert!(is_valid(pattern), "{pattern}");
            for text in yes {
                assert!(matches(pattern, text), "{pattern} must take {text:?}");
            }
            for text in no {
                assert!(!matches(pattern, text), "{pattern} must not take {text:?}");
            }
        }
    }

    #[test]
    fn what_is_no_pattern_is_said_so_and_matches_nothing() {
        for pattern in
            ["(", ")", "[a", "a**", "?", r"\w", "a{", "a{2,1}", "a{x}", "a{99999}", "((((((((((a))))))))))"]
        {
            assert!(!is_valid(pattern) && !matches(pattern, "a"), "{pattern}");
        }
        assert!(!matches(".*", &"a".repeat(MAX_TEXT + 1)));
    }

    proptest! {
        #[test]
        fn no_pattern_makes_the_matcher_panic(pattern in "[ab()|*+?{}0-9,\\\\\\[\\]^.-]{0,20}", text in "[ab0]{0,20}") {
            prop_assert!(is_valid(&pattern) || !matches(&pattern, &text));
        }
    }
}
