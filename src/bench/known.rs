//! What the ACS has learnt of a device's parameters, from Informs and answers. It asks nothing itself.

use std::collections::{BTreeMap, BTreeSet};

use super::inform::Inform;
use super::rpc::{Answer, Name, Rpc};

/// The most parameters and objects remembered of one device.
pub const PARAMETERS_MAX: usize = 50_000;

/// What is known of one parameter or object; `None` where nothing has been said yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameter {
    /// The value as last told or set.
    pub value: Option<String>,
    /// The type, such as `boolean`.
    pub kind: Option<String>,
    /// Whether it can be set, added to or deleted.
    pub writable: Option<bool>,
    /// 0 to 6.
    pub notification: Option<u8>,
}

/// Paths (an object's ends in a dot) and what is known of each.
#[derive(Clone, Debug, Default)]
pub struct Known(BTreeMap<String, Parameter>);

impl Known {
    /// All paths at or below `prefix`, in order.
    pub fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Parameter)> {
        self.0
            .range(prefix.to_owned()..)
            .take_while(move |(path, _)| path.starts_with(prefix))
            .map(|(path, parameter)| (path.as_str(), parameter))
    }

    /// The paths one level below the object `object`, with what is known of each.
    pub fn children(&self, object: &str) -> BTreeMap<String, Parameter> {
        let mut out = BTreeMap::new();
        for (path, parameter) in self.below(object) {
            match step(object, path) {
                Some(child) if child == path => out.insert(child.to_owned(), parameter.clone()),
                Some(child) => {
                    out.entry(child.to_owned()).or_default();
                    None
                }
                None => None,
            };
        }
        out
    }

    /// One path.
    pub fn one(&self, path: &str) -> Option<&Parameter> {
        self.0.get(path)
    }

    /// Takes the parameters of an Inform.
    pub fn informed(&mut self, inform: &Inform) {
        for p in &inform.parameters {
            self.value(&p.name, &p.value, &p.kind);
        }
    }

    /// Takes what an answer to `rpc` says.
    pub fn learn(&mut self, rpc: &Rpc, answer: &Answer) {
        match (rpc, answer) {
            (Rpc::GetParameterNames { path, next_level }, Answer::Names(names)) => {
                self.named(path, *next_level, names);
            }
            (_, Answer::Values(values)) => {
                for v in values {
                    self.value(&v.name, &v.value, &v.kind);
                }
            }
            (Rpc::SetParameterValues { values, .. }, Answer::Status(_)) => {
                for v in values {
                    self.value(&v.name, if is_secret(&v.name) { "" } else { &v.value }, &v.kind);
                }
            }
            (_, Answer::Attributes(list)) => {
                for a in list {
                    self.change(&a.name, |p| p.notification = a.notification);
                }
            }
            (Rpc::AddObject { object, .. }, Answer::Added { instance, .. }) => {
                self.change(&format!("{object}{instance}."), |p| p.writable = Some(true));
            }
            (Rpc::DeleteObject { object, .. }, Answer::Status(_)) => {
                self.0.retain(|path, _| !path.starts_with(object));
            }
            _ => {}
        }
    }

    /// Takes a list of names; what lay there before and is not listed any more is gone.
    fn named(&mut self, object: &str, next_level: bool, names: &[Name]) {
        let listed: BTreeSet<&str> = names.iter().map(|n| n.path.as_str()).collect();
        self.0.retain(|path, _| match step(object, path) {
            Some(child) => listed.contains(if next_level { child } else { path }),
            None => true,
        });
        for name in names {
            self.change(&name.path, |p| p.writable = Some(name.writable));
        }
    }

    fn value(&mut self, path: &str, value: &str, kind: &str) {
        self.change(path, |p| {
            p.value = Some(value.to_owned());
            if !kind.is_empty() {
                p.kind = Some(kind.to_owned());
            }
        });
    }

    fn change(&mut self, path: &str, with: impl FnOnce(&mut Parameter)) {
        if self.0.len() < PARAMETERS_MAX || self.0.contains_key(path) {
            with(self.0.entry(path.to_owned()).or_default());
        }
    }
}

/// The part of `path` that lies one level below `object`; `None` if it does not lie below.
fn step<'a>(object: &str, path: &'a str) -> Option<&'a str> {
    let rest = path.strip_prefix(object).filter(|r| !r.is_empty())?;
    if !object.is_empty() && !object.ends_with('.') {
        return None;
    }
    match rest.find('.') {
        Some(dot) => path.get(..object.len() + dot + 1),
        None => Some(path),
    }
}

/// Whether a parameter of that path holds a secret, judged by its name.
pub fn is_secret(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path);
    ["Password", "Passphrase", "PassPhrase", "PreSharedKey", "WEPKey", "PrivateKey", "Secret"]
        .iter()
        .any(|word| last.contains(word))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::rpc::Value;
    use super::*;

    fn names(known: &mut Known, path: &str, next_level: bool, list: &[&str]) {
        let answer = Answer::Names(list.iter().map(|p| Name { path: (*p).into(), writable: true }).collect());
        known.learn(&Rpc::GetParameterNames { path: path.into(), next_level }, &answer);
    }

    #[test]
    fn a_new_list_of_names_removes_what_is_gone_and_nothing_else() {
        let mut known = Known::default();
        names(&mut known, "D.", false, &["D.", "D.A.", "D.A.1.", "D.A.1.X", "D.A.2.", "D.A.2.X", "D.B"]);
        names(&mut known, "D.A.", true, &["D.A.2.", "D.A.3."]);
        let paths: Vec<_> = known.below("").map(|(p, _)| p.to_owned()).collect();
        assert_eq!(paths, ["D.", "D.A.", "D.A.2.", "D.A.2.X", "D.A.3.", "D.B"]);
        assert_eq!(known.children("D.").into_keys().collect::<Vec<_>>(), ["D.A.", "D.B"]);
    }

    #[test]
    fn adding_setting_and_deleting_are_remembered_and_a_secret_is_not() {
        let mut known = Known::default();
        let add = Rpc::AddObject { object: "D.A.".into(), key: String::new() };
        known.learn(&add, &Answer::Added { instance: 4, status: 0 });
        let values = vec![Value::new("D.A.4.X", "int", "1"), Value::new("D.A.4.Password", "string", "hush")];
        known.learn(&Rpc::SetParameterValues { values, key: String::new() }, &Answer::Status(0));
        assert_eq!(known.one("D.A.4.X").unwrap().value.as_deref(), Some("1"));
        assert_eq!(known.one("D.A.4.Password").unwrap().value.as_deref(), Some(""));
        let delete = Rpc::DeleteObject { object: "D.A.4.".into(), key: String::new() };
        known.learn(&delete, &Answer::Status(0));
        assert_eq!(known.below("").count(), 0);
    }
}
