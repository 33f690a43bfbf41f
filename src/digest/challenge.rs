//! Reads `WWW-Authenticate` and `Authorization` values. Does not judge them: see `client` and `server`.

use crate::sorted::Map;

/// Most challenges taken from one answer; what follows is ignored.
pub const MAX_CHALLENGES: usize = 8;
/// Most parameters taken from one challenge; what follows is ignored.
pub const MAX_PARAMETERS: usize = 24;
/// Longest header value looked at, in octets; of a longer one nothing is taken.
pub const MAX_VALUE: usize = 8 * 1024;

/// One challenge of a server, or the credentials a client sent: a scheme and what follows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme in lower case, such as `digest`.
    pub scheme: String,
    /// The one unnamed value some schemes carry (Basic in requests); empty if there is none.
    pub token: String,
    /// Parameters by lower-case name, quotes and escapes removed; of a name given twice the first.
    pub parameters: Map<String, String>,
}

impl Challenge {
    /// The value of a parameter, by its lower-case name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }
}

/// All challenges of one header value: several may share it, separated by commas.
///
/// Malformed parts are skipped as far as they reach, never refused: another challenge may still be usable.
//= RFC 7235 4.1: one value may hold more than one challenge, and a challenge may hold commas itself.
pub fn challenges(value: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    if value.len() > MAX_VALUE {
        return found;
    }
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return found;
        }
        let (word, after) = token(rest);
        if word.is_empty() {
            // Not the start of anything: go on behind the next comma.
            rest = rest.find(',').and_then(|at| rest.get(at..)).unwrap_or_default();
            continue;
        }
        let trimmed = after.trim_start_matches([' ', '\t']);
        if let (Some(text), Some(current)) = (trimmed.strip_prefix('='), found.last_mut()) {
            let (text, after) = quoted_or_token(text.trim_start_matches([' ', '\t']));
            if current.parameters.len() < MAX_PARAMETERS {
                current.parameters.entry(word.to_ascii_lowercase()).or_insert(text);
            }
            rest = after;
            continue;
        }
        if found.len() == MAX_CHALLENGES {
            return found;
        }
        let (token, after) = token68(trimmed);
        found.push(Challenge {
            scheme: word.to_ascii_lowercase(),
            token: token.to_owned(),
            parameters: Map::new(),
        });
        rest = after;
    }
}

/// `text` as a quoted-string, quotes included. Source: RFC 7230 3.2.6.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars().filter(|c| !c.is_ascii_control()) {
        if c == '"' || c == '\\' {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

fn token(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)))
        .unwrap_or(text.len());
    text.split_at(end)
}

/// The unnamed value behind a scheme, if that is what follows: it ends at a comma or the end.
fn token68(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "-._~+/".contains(c))).unwrap_or(text.len());
    let padded = text.get(end..).unwrap_or_default().bytes().take_while(|c| *c == b'=').count();
    let (token, after) = text.split_at(end + padded);
    let next = after.trim_start_matches([' ', '\t']);
    if next.is_empty() || next.starts_with(',') { (token, after) } else { ("", text) }
}

fn quoted_or_token(text: &str) -> (String, &str) {
    let Some(inner) = text.strip_prefix('"') else {
        // Lenient: servers leave values such as a base64 nonce unquoted.
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        let (value, after) = text.split_at(end);
        return (value.to_owned(), after);
    };
    let mut value = String::new();
    let mut letters = inner.char_indices();
    while let Some((at, c)) = letters.next() {
        match c {
            '"' => return (value, inner.get(at + 1..).unwrap_or_default()),
            '\\' => value.extend(letters.next().map(|(_, escaped)| escaped)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn told(value: &str) -> Vec<String> {
        challenges(value)
            .iter()
            .map(|c| {
                let list: Vec<_> = c.parameters.iter().map(|(k, v)| format!("{k}={v}")).collect();
                format!("{} {}[{}]", c.scheme, c.token, list.join("|"))
            })
            .collect()
    }

    //= RFC 7235 4.1
    #[test]
    fn several_challenges_in_one_value_are_told_apart() {
        for (value, want) in [
            ("Basic realm=\"kit\"", vec!["basic [realm=kit]"]),
            (
                "Digest realm=\"a, b=c\", qop=\"auth,auth-int\", nonce=\"x\\\"y\", algorithm=MD5, stale=TRUE",
                vec!["digest [algorithm=MD5|nonce=x\"y|qop=auth,auth-int|realm=a, b=c|stale=TRUE]"],
            ),
            (
                "Negotiate, Digest realm=r,nonce=abc== , Basic realm = \"q\"",
                vec!["negotiate []", "digest [nonce=abc==|realm=r]", "basic [realm=q]"],
            ),
            ("Basic dXNlcjpwYXNz", vec!["basic dXNlcjpwYXNz[]"]),
            ("Negotiate ab==, Basic realm=x", vec!["negotiate ab==[]", "basic [realm=x]"]),
            ("Digest nonce=\"open", vec!["digest [nonce=open]"]),
            (",,, \"junk\", Basic realm=z", vec!["basic [realm=z]"]),
            ("", vec![]),
        ] {
            assert_eq!(told(value), want, "{value:?}");
        }
    }

    #[test]
    fn challenges_and_parameters_beyond_the_bounds_are_left_out() {
        let many = "Basic realm=x, ".repeat(50);
        assert_eq!(challenges(&many).len(), MAX_CHALLENGES);
        let wide: String = (0..100).map(|n| format!("p{n}=1,")).collect();
        assert_eq!(challenges(&format!("Digest {wide}"))[0].parameters.len(), MAX_PARAMETERS);
        assert!(challenges(&"x".repeat(MAX_VALUE + 1)).is_empty());
    }

    #[test]
    fn a_quoted_text_reads_back_as_itself() {
        for text in ["", "plain", "with \"quotes\"", "back\\slash", "a,b=c"] {
            let value = format!("Digest realm={}", quote(text));
            assert_eq!(challenges(&value)[0].parameter("realm"), Some(text));
        }
    }
}
