//! Roles: the groups of rights that rpcd knows, as logins list them under `read` and `write`.
//!
//! A role is named after its group; `GROUP:read` and `GROUP:write` are halves of it, and `*` is every group. Roles that
//! logins have are there by themselves. A role of a manager is a section `cpe_role`, which rpcd skips; while it is off
//! its users list it under `cpe_roles`.

use super::{RPCD, login, logins, section};
use crate::dm::error::Refusal;
use crate::dm::schema::Value;
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, View};
use crate::dm::write::Draft;
use crate::tr181::network::{self, unfit};

/// The type of a role's section.
const ROLE: &str = "cpe_role";
/// The table.
const TABLE: &str = "Device.Users.Role";
/// The lists of a login and what a role that is only in it ends in.
const HALVES: [(&str, &str); 2] = [("read", ":read"), ("write", ":write")];

/// The roles by name: first those of sections, then those that only logins name.
pub(super) fn roles(view: &View<'_>) -> Result<Tree, Stop> {
    let mut rows = Tree::Map(Vec::new());
    for (name, role) in view.sections(RPCD, ROLE)? {
        let word = role.str("name").unwrap_or_default();
        let fields = [(".source", RPCD), (".section", name), ("name", word), ("static", "false")];
        let key = if word.is_empty() { name } else { word };
        rows.set(key, Tree::map(fields.map(|(field, text)| (field, Tree::from(text)))));
    }
    for (_, login) in logins(view)? {
        for name in held(login) {
            if rows.get(&name).is_none() {
                let fields = [("name", Tree::from(name.as_str())), ("static", "true".into())];
                rows.set(&name, Tree::map(fields));
            }
        }
    }
    Ok(rows)
}

/// The roles of a login, those that are off last.
fn held(login: &Tree) -> Vec<String> {
    let [read, write] = HALVES.map(|(option, _)| network::words(login.get(option)));
    let mut out: Vec<String> = Vec::new();
    for group in &read {
        let whole = write.contains(group);
        out.push(if whole { (*group).to_string() } else { format!("{group}:read") });
    }
    out.extend(write.iter().filter(|group| !read.contains(group)).map(|group| format!("{group}:write")));
    out.extend(network::words(login.get("cpe_roles")).into_iter().map(str::to_string));
    out
}

/// Makes a login have roles: those that are off wait under `cpe_roles`.
fn give(name: &str, login: &Tree, roles: &[(String, bool)], draft: &mut Draft) -> Result<(), Stop> {
    for (option, half) in HALVES {
        let groups = roles.iter().filter(|(_, on)| *on).filter_map(|(role, _)| {
            let other = HALVES.iter().any(|(_, end)| *end != half && role.ends_with(end));
            (!other).then(|| role.strip_suffix(half).unwrap_or(role).to_string())
        });
        let groups: Vec<String> = groups.collect();
        draft.set(RPCD, name, option, network::refit(login.get(option), &groups))?;
    }
    let off: Vec<String> = roles.iter().filter(|(_, on)| !on).map(|(role, _)| role.clone()).collect();
    draft.set(RPCD, name, "cpe_roles", network::refit(login.get("cpe_roles"), &off))
}

/// `User.RoleParticipation`: the roles of the login; an account has those of its login, if it has one.
pub fn participation<'s>(at: &At<'_, 's>) -> Value<'s> {
    let name = at.field("name").unwrap_or_default();
    let of_row = at.row.and_then(|row| row.section.as_ref()).map(|bound| bound.tree);
    let own = match of_row {
        Some(tree) => Some(tree),
        None => logins(at.view)?.into_iter().find(|(_, l)| l.str("username") == Some(name)).map(|(_, l)| l),
    };
    let mut paths = Vec::new();
    for role in own.map(held).unwrap_or_default() {
        paths.extend(at.view.path_of(TABLE, &role)?);
    }
    Ok(Some(paths.join(",").into()))
}

/// Gives a login of a manager's the rights of the roles.
pub fn set_participation(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let bound = login(at)?;
    let mut roles = Vec::new();
    for path in value.split(',').filter(|path| !path.is_empty()) {
        let row = at.referred(TABLE, path)?;
        let name = row.item.str("name").filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| unfit("roles that have a name"))?.to_string();
        let role = At { view: at.view, object: row.object, row: Some(&row) };
        roles.push((name, role_enable(&role)?.as_deref() == Some("true")));
    }
    give(bound.name, bound.tree, &roles, draft)
}

/// `Enable`: a role that only logins name is on.
pub fn role_enable<'s>(at: &At<'_, 's>) -> Value<'s> {
    let on = at.row.is_none_or(|row| row.section.is_none()) || network::flag(at.opt("enabled")) == Some(true);
    Ok(Some(if on { "true" } else { "false" }.into()))
}

/// Every login that has a role gets it as `change` says; nothing takes it away.
fn pass_on(
    at: &At<'_, '_>,
    old: &str,
    change: impl Fn(bool) -> Option<(String, bool)>,
    draft: &mut Draft,
) -> Result<(), Stop> {
    for (name, login) in logins(at.view)? {
        let off = network::words(login.get("cpe_roles"));
        let held = held(login);
        if old.is_empty() || !held.iter().any(|role| role == old) {
            continue;
        }
        let now = held.into_iter().filter_map(|role| {
            let on = !off.contains(&role.as_str());
            if role == old { change(on) } else { Some((role, on)) }
        });
        let now: Vec<(String, bool)> = now.collect();
        give(name, login, &now, draft)?;
    }
    Ok(())
}

/// Gives the users of a role its rights, or takes them away for the time being.
pub fn set_role_enable(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    if role_enable(at)?.as_deref() == Some(value) {
        return Ok(());
    }
    let (bound, on) = (login(at)?, value == "true");
    let name = at.field("name").unwrap_or_default();
    if on && name.is_empty() {
        return Err(unfit("false before the role has a name"));
    }
    draft.set_text(RPCD, bound.name, "enabled", if on { "1" } else { "" })?;
    pass_on(at, name, |_| Some((name.to_string(), on)), draft)
}

/// Names a role after a group of rights; its users keep it.
pub fn set_role_name(at: &At<'_, '_>, value: &str, draft: &mut Draft) -> Result<(), Stop> {
    let old = at.field("name").unwrap_or_default();
    if old == value {
        return Ok(());
    }
    let bound = login(at)?;
    if value.is_empty() || value.contains(char::is_whitespace) {
        return Err(unfit("the name of a group of rights"));
    }
    if let Some(path) = at.view.path_of(TABLE, value)? {
        return Err(Refusal::Duplicate(path).into());
    }
    draft.set_text(RPCD, bound.name, "name", value)?;
    pass_on(at, old, |on| Some((value.to_string(), on)), draft)?;
    draft.rebind(at, value)
}

/// A role without a name, switched off.
pub fn add_role(_: &At<'_, '_>, number: u32, draft: &mut Draft) -> Result<(), Stop> {
    let name = section(ROLE, number, draft)?;
    draft.add(RPCD, &name, ROLE)
}

/// Deletes a role and takes it from its users; refuses one that only logins name.
pub fn delete_role(at: &At<'_, '_>, draft: &mut Draft) -> Result<(), Stop> {
    let bound = at.bound().map_err(|_| Refusal::NotDeletable)?;
    draft.remove(RPCD, bound.name)?;
    pass_on(at, at.field("name").unwrap_or_default(), |_| None, draft)
}
