//! Device.Users.: who can log in, at a shell or in LuCI, and with which rights.
//!
//! Accounts are lines of `/etc/passwd` and can only be read. A login of rpcd without an account is a manager's to make:
//! a section `login`, or `cpe_login`, which rpcd skips, while it is off. Only a hash of its password is kept.

mod crypt;
mod role;

pub use role::{
    add_role, delete_role, participation, role_enable, set_participation, set_role_enable, set_role_name,
};

use crate::dm::error::Refusal;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, Bound, View};
use crate::dm::write::Draft;
use crate::time::Now;
use crate::tr181::network::unfit;

/// The package of rpcd's logins.
const RPCD: &str = "uci:rpcd";
/// The type of a login's section.
const LOGIN: &str = "login";
/// The type of the section of a login that is off.
const OFF: &str = "cpe_login";
/// The number of the first user that a manager adds: above those of accounts.
const FIRST: u32 = 10_000;
/// Most characters of a user's name. Source: the login programs of busybox.
const MAX_NAME: usize = 32;

/// For `tree users`: the `users` and the `roles`.
pub fn users(view: &View<'_>) -> Result<Tree, Stop> {
    Ok(Tree::map([("users", all(view)?), ("roles", role::roles(view)?)]))
}

/// The sections of logins, those that are off last.
fn logins<'s>(view: &View<'s>) -> Result<Vec<(&'s str, &'s Tree)>, Stop> {
    let mut logins = view.sections(RPCD, LOGIN)?;
    logins.extend(view.sections(RPCD, OFF)?);
    Ok(logins)
}

/// Every account that can log in, by name: with a shell, or with a login of rpcd.
///
/// Enabled is who has a password, or none asked for: not `!` or `*` in `/etc/shadow`, or a hash of rpcd's own.
fn all(view: &View<'_>) -> Result<Tree, Stop> {
    let file = |file: &str| view.tree(file).map(|tree| tree.and_then(Tree::as_str).unwrap_or_default());
    let (passwd, shadow) = (file("file:/etc/passwd")?, file("file:/etc/shadow")?);
    let logins = logins(view)?;
    let login = |name: &str| logins.iter().find(|(_, login)| login.str("username") == Some(name));
    let mut rows: Vec<(String, Tree)> = Vec::new();
    for line in passwd.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, id, .., shell] = fields.as_slice() else { continue };
        let has_shell = !shell.ends_with("/false") && !shell.ends_with("/nologin");
        if has_shell || login(name).is_some() {
            let own = login(name).is_some_and(|(_, login)| has_hash(login));
            let enabled = own || !is_locked(shadow, name);
            rows.push((name.to_string(), user(name, id, enabled, true)));
        }
    }
    // A login without an account has a password of its own.
    for (section, login) in &logins {
        let name = login.str("username").unwrap_or_default();
        let key = if name.is_empty() { section } else { name };
        if !rows.iter().any(|(known, _)| known == key) {
            let enabled = login.str(".type") == Some(LOGIN) && has_hash(login);
            let mut row = user(name, login.str("cpe_id").unwrap_or_default(), enabled, false);
            row.set(".source", RPCD.into());
            row.set(".section", (*section).into());
            rows.push((key.to_string(), row));
        }
    }
    Ok(Tree::map(rows))
}

/// Whether a login has a password that is not that of an account.
fn has_hash(login: &Tree) -> bool {
    login.str("password").is_some_and(|hash| !hash.starts_with("$p$"))
}

/// Whether `/etc/shadow` locks an account; one that is not in it has no password at all.
fn is_locked(shadow: &str, name: &str) -> bool {
    let line = shadow.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.is_some_and(|rest| rest.starts_with(['!', '*']))
}

fn user(name: &str, id: &str, enabled: bool, account: bool) -> Tree {
    let word = |yes| if yes { "true" } else { "false" };
    let fields = [("name", name), ("id", id), ("enabled", word(enabled)), ("account", word(account))];
    Tree::map(fields.map(|(field, text)| (field, Tree::from(text))))
}

/// The section of a login; refuses an account, which is no setting.
fn login<'a, 's>(at: &At<'a, 's>) -> Result<&'a Bound<'s>, Stop> {
    at.bound().map_err(|_| Refusal::NotWritable.into())
}

/// A free name for a section.
fn section(prefix: &str, number: u32, draft: &Draft) -> Result<String, Stop> {
    let mut name = format!("{prefix}{number}");
    while draft.tree(RPCD)?.is_some_and(|package| package.get(&name).is_some()) {
        name.push('x');
    }
    Ok(name)
}

/// A login without name, password and rights, switched off.
pub fn add_user(at: &At<'_, '_>, number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let rows = all(at.view)?;
    let taken = |id: u32| rows.entries().iter().any(|(_, row)| row.str("id") == Some(&*id.to_string()));
    let mut id = FIRST.saturating_add(number);
    while taken(id) {
        id = id.saturating_add(1);
    }
    let name = section("cpe_user", number, draft)?;
    draft.add(RPCD, &name, OFF)?;
    draft.set_text(RPCD, &name, "cpe_id", &id.to_string())
}

/// Deletes a login; an account stays.
pub fn delete_user(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let bound = at.bound().map_err(|_| Refusal::NotDeletable)?;
    draft.remove(RPCD, bound.name)
}

/// Switches a login by the type of its section; one that is on has a name and a password.
pub fn set_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("enabled") == Some(value) {
        return Ok(());
    }
    let bound = login(at)?;
    let whole = bound.tree.str("username").is_some() && has_hash(bound.tree);
    if value == "true" && !whole {
        return Err(unfit("false before the user has a name and a password"));
    }
    let options = bound.tree.entries().iter().filter(|(option, _)| !option.starts_with('.'));
    let options: Vec<(Box<str>, Tree)> = options.cloned().collect();
    draft.remove(RPCD, bound.name)?;
    draft.add(RPCD, bound.name, if value == "true" { LOGIN } else { OFF })?;
    for (option, held) in options {
        draft.set(RPCD, bound.name, &option, Some(held))?;
    }
    Ok(())
}

/// Names a user; no two have one name.
pub fn set_username(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("name").unwrap_or_default() == value {
        return Ok(());
    }
    let bound = login(at)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@');
    let on = at.field("enabled") == Some("true");
    if value.len() > MAX_NAME || !value.chars().all(plain) || value.is_empty() && on {
        return Err(unfit("up to 32 letters, digits and _ - . @"));
    }
    if let Some(path) = at.view.path_of("Device.Users.User", value)?.filter(|_| !value.is_empty()) {
        return Err(Refusal::Duplicate(path).into());
    }
    draft.set_text(RPCD, bound.name, "username", value)?;
    draft.rebind(at, if value.is_empty() { bound.name } else { value })
}

/// Keeps the hash of a password, with a salt of its own.
pub fn set_password(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let bound = login(at)?;
    if value.is_empty() {
        return Err(unfit("a password"));
    }
    // A salt is no secret, but must not repeat: the moment and the section tell it apart from all others.
    let Now { at: since_start, wall } = at.view.snapshot.now;
    let wall = wall.map(|wall| wall.to_string()).unwrap_or_default();
    let seed = format!("{} {wall} {} {}", since_start.0.as_nanos(), bound.name, draft.edits.len());
    let hash = crypt::sha256_crypt(value.as_bytes(), &crypt::salt(seed.as_bytes()));
    draft.set_text(RPCD, bound.name, "password", &hash)?;
    draft.sealed = true;
    Ok(())
}

/// Numbers a user.
pub fn set_id(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if at.field("id") == Some(value) {
        return Ok(());
    }
    draft.set_text(RPCD, login(at)?.name, "cpe_id", value)
}
