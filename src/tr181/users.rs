//! Device.Users.: which accounts there are.

use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::View;

/// Every account that can log in, by name: with a shell, or with a login of rpcd.
///
/// Enabled is who has a password, or none asked for: not `!` or `*` in `/etc/shadow`, or a hash of rpcd's own.
pub fn users(view: &View<'_>) -> Result<Tree, Stop> {
    let file = |file: &str| view.tree(file).map(|tree| tree.and_then(Tree::as_str).unwrap_or_default());
    let (passwd, shadow) = (file("file:/etc/passwd")?, file("file:/etc/shadow")?);
    let logins = view.sections("uci:rpcd", "login")?;
    let login = |name: &str| logins.iter().find(|(_, login)| login.str("username") == Some(name));
    let mut rows = Vec::new();
    for line in passwd.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, id, .., shell] = fields.as_slice() else { continue };
        let has_shell = !shell.ends_with("/false") && !shell.ends_with("/nologin");
        if has_shell || login(name).is_some() {
            let own = login(name)
                .and_then(|(_, login)| login.str("password"))
                .is_some_and(|hash| !hash.starts_with("$p$"));
            let enabled = own || (has_shell || login(name).is_some()) && !is_locked(shadow, name);
            rows.push((name.to_string(), user(name, id, enabled)));
        }
    }
    // A login without an account has a password of its own.
    for (_, login) in &logins {
        let Some(name) = login.str("username") else { continue };
        if !rows.iter().any(|(known, _)| known == name) {
            rows.push((
                name.to_string(),
                user(name, "", login.str("password").is_some_and(|hash| !hash.starts_with("$p$"))),
            ));
        }
    }
    Ok(Tree::map(rows))
}

/// Whether `/etc/shadow` locks an account; one that is not in it has no password at all.
fn is_locked(shadow: &str, name: &str) -> bool {
    let line = shadow.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.is_some_and(|rest| rest.starts_with(['!', '*']))
}

fn user(name: &str, id: &str, enabled: bool) -> Tree {
    let enabled = if enabled { "true" } else { "false" };
    Tree::map(
        [("name", name), ("id", id), ("enabled", enabled)].map(|(field, text)| (field, Tree::from(text))),
    )
}
