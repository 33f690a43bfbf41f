//! Reads Rust text just well enough to know which paths it names: comments and literals are skipped, groups of a `use`
//! are spread out, `super` and `self` are resolved, and what is under `#[cfg(test)]` is left out.
//!
//! Not a parser: macros are read as the tokens they hold.

use std::collections::BTreeSet;

/// One file of `src/`.
#[derive(Debug, Default)]
pub struct Scan {
    /// Every path with a `::` in it that is not under `#[cfg(test)]`, with its line. Those inside the crate begin with `crate`.
    pub paths: BTreeSet<(usize, Vec<String>)>,
    /// Names called as `name!` or `.name(`, with their line, not under `#[cfg(test)]`.
    pub calls: BTreeSet<(usize, String)>,
    /// Modules declared as `#[cfg(test)] mod name;`: their files are tests as a whole.
    pub test_modules: BTreeSet<String>,
    /// The same, where `#[path = "…"]` behind `#[cfg(test)]` names the file.
    pub test_files: BTreeSet<String>,
    /// The other modules whose file `#[path = "…"]` names: the file and the module.
    pub elsewhere: BTreeSet<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Mark(char),
    /// `::`
    Sep,
    /// A string, without its quotes and as it is written.
    Text(String),
}

/// Reads `text`, the file of the module `here`, which is `["dm", "path"]` for `src/dm/path.rs`.
pub fn scan(text: &str, here: &[&str]) -> Scan {
    let tokens = tokens(text);
    let mut scan = Scan::default();
    // The names of the inline modules around, each with the depth of braces it began at.
    let mut inside: Vec<(String, usize)> = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    while let Some((line, token)) = tokens.get(at) {
        match token {
            Token::Mark('#') => {
                let end = attribute_end(&tokens, at);
                let words: Vec<&str> = tokens.get(at..end).unwrap_or_default().iter().map(word).collect();
                if words.contains(&"cfg") && words.contains(&"test") && !words.contains(&"not") {
                    at = skip_item(&tokens, end, &mut scan);
                } else {
                    if let (true, Some((_, Token::Text(file)))) =
                        (words.get(2) == Some(&"path"), tokens.get(at + 4))
                    {
                        let name = (end..end + 6).find(|index| word_at(&tokens, *index) == "mod");
                        let name = name.map_or("", |index| word_at(&tokens, index + 1));
                        scan.elsewhere.insert((file.clone(), name.to_string()));
                    }
                    at = end;
                }
                continue;
            }
            Token::Mark('{') => depth += 1,
            Token::Mark('}') => {
                depth -= 1;
                if inside.last().is_some_and(|(_, began)| *began == depth) {
                    inside.pop();
                }
            }
            Token::Word(name) if name == "mod" => {
                if let (Some((_, Token::Word(name))), Some((_, Token::Mark('{')))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                {
                    inside.push((name.clone(), depth));
                    depth += 1;
                    at += 3;
                    continue;
                }
            }
            Token::Word(name) if is(&tokens, at + 1, &Token::Mark('!')) => {
                scan.calls.insert((*line, format!("{name}!")));
            }
            Token::Mark('.') if is(&tokens, at + 2, &Token::Mark('(')) => {
                scan.calls.insert((*line, format!(".{}(", word(&tokens[at + 1]))));
                at += 2;
                continue;
            }
            Token::Word(first) if first == "use" || is(&tokens, at + 1, &Token::Sep) => {
                let begin = if first == "use" { at + 1 } else { at };
                let mut found = Vec::new();
                let end = spread(&tokens, begin, &[], first == "use", &mut found);
                for (line, path) in found {
                    let mut module: Vec<&str> = here.to_vec();
                    module.extend(inside.iter().map(|(name, _)| name.as_str()));
                    scan.paths.insert((line, resolve(path, &module)));
                }
                at = end.max(at + 1);
                continue;
            }
            Token::Word(_) | Token::Mark(_) | Token::Sep | Token::Text(_) => {}
        }
        at += 1;
    }
    scan
}

fn is(tokens: &[(usize, Token)], at: usize, want: &Token) -> bool {
    tokens.get(at).is_some_and(|(_, token)| token == want)
}

fn word(token: &(usize, Token)) -> &str {
    match &token.1 {
        Token::Word(word) => word,
        Token::Mark(_) | Token::Sep | Token::Text(_) => "",
    }
}

/// The index behind the `]` of the attribute whose `#` is at `at`.
fn attribute_end(tokens: &[(usize, Token)], at: usize) -> usize {
    let mut depth = 0;
    for (index, (_, token)) in tokens.iter().enumerate().skip(at) {
        match token {
            Token::Mark('[') => depth += 1,
            Token::Mark(']') => {
                depth -= 1;
                if depth == 0 {
                    return index + 1;
                }
            }
            Token::Word(_) | Token::Mark(_) | Token::Sep | Token::Text(_) => {}
        }
    }
    tokens.len()
}

/// The index behind the item at `at`: behind its `;`, or behind the `}` that closes its first `{`.
fn skip_item(tokens: &[(usize, Token)], mut at: usize, scan: &mut Scan) -> usize {
    let (mut begin, mut depth, mut elsewhere) = (at, 0, None);
    while let Some((_, token)) = tokens.get(at) {
        match token {
            Token::Mark('#') if depth == 0 => {
                if let (true, Some((_, Token::Text(file)))) =
                    (word_at(tokens, at + 2) == "path", tokens.get(at + 4))
                {
                    elsewhere = Some(file.clone());
                }
                at = attribute_end(tokens, at);
                begin = at;
                continue;
            }
            Token::Mark(';') if depth == 0 => {
                let item: Vec<&str> = tokens[begin..at].iter().map(word).collect();
                let name = item.iter().position(|word| *word == "mod").and_then(|at| item.get(at + 1));
                match (name, elsewhere) {
                    (Some(_), Some(file)) => drop(scan.test_files.insert(file)),
                    (Some(name), None) => drop(scan.test_modules.insert(name.to_string())),
                    (None, _) => {}
                }
                return at + 1;
            }
            Token::Mark('{' | '(' | '[') => depth += 1,
            Token::Mark('}' | ')' | ']') => {
                depth -= 1;
                if depth == 0 && *token == Token::Mark('}') {
                    return at + 1;
                }
            }
            Token::Word(_) | Token::Mark(_) | Token::Sep | Token::Text(_) => {}
        }
        at += 1;
    }
    at
}

/// Reads the path at `at`, its groups spread out, and returns the index behind it.
fn spread(
    tokens: &[(usize, Token)],
    mut at: usize,
    before: &[String],
    in_use: bool,
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    let mut path = before.to_vec();
    let line = tokens.get(at).map_or(0, |(line, _)| *line);
    loop {
        match tokens.get(at) {
            Some((_, Token::Sep)) => at += 1,
            Some((_, Token::Word(name))) if name == "as" => {
                at += 2;
                break;
            }
            Some((_, Token::Word(name))) => {
                path.push(name.clone());
                at += 1;
                let renamed = in_use && word_at(tokens, at) == "as";
                if !renamed && !is(tokens, at, &Token::Sep) {
                    break;
                }
            }
            Some((_, Token::Mark('*'))) if in_use => {
                path.push("*".into());
                at += 1;
                break;
            }
            Some((_, Token::Mark('{'))) if in_use => {
                at += 1;
                while at < tokens.len() && !is(tokens, at, &Token::Mark('}')) {
                    let next = spread(tokens, at, &path, true, found);
                    at = next.max(at + 1);
                    if is(tokens, at, &Token::Mark(',')) {
                        at += 1;
                    }
                }
                return at + 1;
            }
            _ => break, // `<` of a turbofish, the end
        }
    }
    if path.len() > 1 || in_use {
        found.push((line, path));
    }
    at
}

fn word_at(tokens: &[(usize, Token)], at: usize) -> &str {
    tokens.get(at).map_or("", word)
}

/// The path from the root of the crate, where it begins with `self` or `super`.
fn resolve(path: Vec<String>, module: &[&str]) -> Vec<String> {
    let mut module = module.to_vec();
    let mut rest = path.as_slice();
    let mut inside = false;
    while let Some((first, tail)) = rest.split_first() {
        match first.as_str() {
            "self" => {}
            "super" => drop(module.pop()),
            _ => break,
        }
        inside = true;
        rest = tail;
    }
    if !inside {
        return path;
    }
    let mut full = vec!["crate".to_string()];
    full.extend(module.iter().map(|name| name.to_string()));
    full.extend(rest.iter().cloned());
    full
}

fn tokens(text: &str) -> Vec<(usize, Token)> {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let (mut index, mut line, mut tokens) = (0, 1, Vec::new());
    while index < chars.len() {
        let start = index;
        match at(index) {
            '/' if at(index + 1) == '/' => {
                while index < chars.len() && at(index) != '\n' {
                    index += 1;
                }
            }
            '/' if at(index + 1) == '*' => {
                let mut depth = 0;
                while index < chars.len() {
                    match (at(index), at(index + 1)) {
                        ('/', '*') => (depth, index) = (depth + 1, index + 2),
                        ('*', '/') => (depth, index) = (depth - 1, index + 2),
                        _ => index += 1,
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
            '"' => {
                index = string_end(&chars, index);
                let text = chars[start + 1..(index - 1).max(start + 1).min(chars.len())].iter().collect();
                tokens.push((line, Token::Text(text)));
            }
            '\'' if at(index + 1) == '\\' => {
                index += 3;
                while index < chars.len() && at(index) != '\'' {
                    index += 1;
                }
                index += 1;
            }
            '\'' if at(index + 2) == '\'' => index += 3,
            '\'' => index += 1, // a lifetime: its name reads as a word, which no rule is about
            ':' if at(index + 1) == ':' => {
                tokens.push((line, Token::Sep));
                index += 2;
            }
            letter if letter.is_alphanumeric() || letter == '_' => {
                while at(index).is_alphanumeric() || at(index) == '_' {
                    index += 1;
                }
                let word: String = chars[start..index].iter().collect();
                let raw = matches!(word.as_str(), "r" | "br" | "cr");
                let hashes = (index..chars.len()).take_while(|i| at(*i) == '#').count();
                if raw && at(index + hashes) == '"' {
                    index = raw_end(&chars, index + hashes + 1, hashes);
                } else if !matches!(word.as_str(), "b" | "c") || at(index) != '"' {
                    tokens.push((line, Token::Word(word)));
                }
            }
            blank if blank.is_whitespace() => index += 1,
            mark => {
                tokens.push((line, Token::Mark(mark)));
                index += 1;
            }
        }
        line += chars[start..index.min(chars.len())].iter().filter(|letter| **letter == '\n').count();
    }
    tokens
}

fn string_end(chars: &[char], mut index: usize) -> usize {
    index += 1;
    while let Some(letter) = chars.get(index) {
        match letter {
            '\\' => index += 2,
            '"' => return index + 1,
            _ => index += 1,
        }
    }
    index
}

fn raw_end(chars: &[char], mut index: usize, hashes: usize) -> usize {
    while index < chars.len() {
        let closing = chars.iter().skip(index + 1).take(hashes).filter(|letter| **letter == '#').count();
        if chars[index] == '"' && closing == hashes {
            return index + 1 + hashes;
        }
        index += 1;
    }
    index
}
