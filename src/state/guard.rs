//! What is kept of changes that their manager has not confirmed yet, and what becomes of the state without them.
//!
//! A row per manager, committed with the change itself, so that change and guard are there both or not at all. When a
//! guard is armed and what ends it is `agent::guard`'s; the edits themselves lie beside the state (`io::guard`).

use super::{Full, State};
use crate::dm::instance;
use crate::dm::tree::Tree;

/// Most managers whose changes wait to be confirmed.
pub const MAX_GUARDS: usize = 8;
/// Most commits of one manager that are kept to be undone; later ones stay.
pub const MAX_COMMITS: u32 = 32;

/// The beginning of the names of the rows, and their type.
const KIND: &str = "guard";
/// The option with everything in it, in the order of [`Guarded`].
const FACTS: &str = "facts";

/// What a manager changed that it has not confirmed, and how the way to it was before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guarded {
    /// Something on the way changed: interface, address, route, zone, resolver.
    pub way: bool,
    /// What this device knows of the manager changed: its address, its credentials.
    pub own: bool,
    /// How many commits are kept.
    pub commits: u32,
    /// `ManagementServer.ParameterKey` before the first of them.
    pub parameter_key: Box<str>,
    /// The network that led to the manager; empty where the routing table decided.
    pub interface: Box<str>,
    /// The manager's host: a name or an address.
    pub host: Box<str>,
    /// How the way was.
    pub before: Way,
    /// An address that the host had; empty where none was known.
    pub address: Box<str>,
    /// The name server that answered; empty where none did.
    pub server: Box<str>,
}

/// What can be seen of a way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// The network is up.
    pub link: bool,
    /// The next router answers.
    pub gateway: bool,
    /// A name server answers.
    pub resolver: bool,
}

impl Way {
    /// Whether something that was so is no longer.
    pub fn lacks(self, now: Way) -> bool {
        (self.link && !now.link) || (self.gateway && !now.gateway) || (self.resolver && !now.resolver)
    }
}

impl Guarded {
    fn tree(&self) -> Tree {
        let flags = [self.way, self.own, self.before.link, self.before.gateway, self.before.resolver];
        let flags: String = flags.iter().map(|flag| if *flag { '1' } else { '0' }).collect();
        let commits = self.commits.to_string();
        let texts = [
            &flags,
            &*commits,
            &self.parameter_key,
            &self.interface,
            &self.host,
            &self.address,
            &self.server,
        ];
        Tree::List(texts.into_iter().map(Tree::from).collect())
    }

    fn of(tree: &Tree) -> Option<Guarded> {
        let mut texts = tree.items().iter().map(|text| text.as_str().unwrap_or_default());
        let mut flags = texts.next()?.chars().map(|flag| flag == '1');
        let mut flag = || flags.next().unwrap_or_default();
        let (way, own) = (flag(), flag());
        let before = Way { link: flag(), gateway: flag(), resolver: flag() };
        let commits = texts.next()?.parse().ok()?;
        let mut text = || texts.next().unwrap_or_default().into();
        let (parameter_key, interface, host) = (text(), text(), text());
        let (address, server) = (text(), text());
        Some(Guarded { way, own, commits, parameter_key, interface, host, before, address, server })
    }
}

impl State {
    /// What a manager has not confirmed; `None` where it has all.
    pub fn guard(&self, manager: &str) -> Option<Guarded> {
        Guarded::of(self.value(&format!("{KIND}:{manager}"), FACTS)?)
    }

    /// The managers that have something to confirm.
    pub fn guards(&self) -> impl Iterator<Item = &str> {
        let rows = self.0.entries().iter().filter(|(_, row)| row.str(".type") == Some(KIND));
        rows.filter_map(|(name, _)| name.strip_prefix(KIND)?.strip_prefix(':'))
    }

    /// Notes what a manager is to confirm; `None` where nothing is left.
    ///
    /// Refuses more than [`MAX_GUARDS`] managers.
    pub fn set_guard(&mut self, manager: &str, guarded: Option<&Guarded>) -> Result<(), Full> {
        let known = self.guard(manager).is_some();
        if guarded.is_some() && !known && self.guards().count() >= MAX_GUARDS {
            return Err(Full);
        }
        self.put(&format!("{KIND}:{manager}"), KIND, FACTS, guarded.map(Guarded::tree))
    }

    /// When changes were last undone and whose, in words; `None` where none ever were.
    pub fn undone(&self) -> Option<&str> {
        self.agent("undone")
    }

    /// The state after the changes of `manager` were taken back, of which `tree` is the state without its edits to it.
    ///
    /// ParameterKey is what it was. What was told stays true: a number that was given is not given again, and the values
    /// that the ACS has written are those it believes in, so that it is told of the old ones. `note` is for
    /// [`State::undone`].
    //= TR-069 A.3.2.6, TR-369 R-ARC.8: an instance number is not given again to another row.
    //= TR-069 3.7.1.5: what differs from what the ACS knows is a value change.
    pub fn without(&self, manager: &str, tree: Tree, note: &str) -> Result<State, Full> {
        let mut next = State(tree);
        for (name, section) in self.0.entries() {
            if let (Some(instance::KIND), Some(high)) = (section.str(".type"), section.get(instance::HIGH)) {
                next.put(name, instance::KIND, instance::HIGH, Some(high.clone()))?;
            }
        }
        let back: Vec<String> = next.attributes().map(|(path, _)| path.to_string()).collect();
        for path in back {
            let (Some(mut was), Some(is)) = (next.attribute(&path), self.attribute(&path)) else { continue };
            if was.baseline.is_some() && is.baseline.is_some() {
                was.baseline = is.baseline;
                next.set_attribute(&path, Some(&was))?;
            }
        }
        if let Some(guarded) = self.guard(manager)
            && self.parameter_key() != &*guarded.parameter_key
        {
            next.set_parameter_key(&guarded.parameter_key)?;
        }
        next.set_guard(manager, None)?;
        next.set_agent("undone", note)?;
        Ok(next)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::state::{Attribute, baseline};

    fn guarded() -> Guarded {
        Guarded {
            own: true,
            commits: 3,
            parameter_key: "before".into(),
            host: "acs.example".into(),
            before: Way { link: true, gateway: false, resolver: true },
            server: "192.0.2.53".into(),
            ..Guarded::default()
        }
    }

    #[test]
    fn a_guard_comes_back_as_it_was_noted_and_their_number_is_bounded() {
        let mut state = State::default();
        state.set_guard("acs", Some(&guarded())).unwrap();
        let text = state.encode(1).unwrap();
        let mut state = State::decode(text.as_bytes()).unwrap().1;
        assert_eq!(state.guard("acs"), Some(guarded()));
        for n in 1..MAX_GUARDS {
            state.set_guard(&format!("controller c{n}"), Some(&guarded())).unwrap();
        }
        assert_eq!(state.set_guard("controller late", Some(&guarded())), Err(Full));
        assert!(state.set_guard("acs", Some(&guarded())).is_ok(), "one that is there may change");
        state.set_guard("acs", None).unwrap();
        assert!(state.guard("acs").is_none() && state.guards().count() == MAX_GUARDS - 1);
    }

    #[test]
    fn a_way_lacks_what_it_had_and_nothing_that_it_never_had() {
        let all = Way { link: true, gateway: true, resolver: true };
        let none = Way::default();
        for (before, now, lacks) in [
            (all, all, false),
            (all, Way { resolver: false, ..all }, true),
            (Way { resolver: false, ..all }, Way { resolver: false, ..all }, false),
            (none, none, false),
            (none, all, false),
            (Way { link: true, ..none }, none, true),
        ] {
            assert_eq!(before.lacks(now), lacks, "{before:?} {now:?}");
        }
    }

    //= TR-069 A.3.2.6, TR-369 R-ARC.8: an instance number is not given again to another row.
    //= TR-069 3.7.1.5: what differs from what the ACS knows is a value change.
    #[test]
    fn taking_back_gives_no_number_twice_and_forgets_nothing_that_was_told() {
        let mut before = State::default();
        before.set_parameter_key("before").unwrap();
        let table = "Device.NAT.PortMapping.";
        let mut instances = before.instances();
        instances.number(table, "one", false);
        before.set_instances(&instances).unwrap();
        let told =
            |value| Attribute { notification: 2, baseline: Some(baseline(value)), ..Attribute::default() };
        before.set_attribute("Device.A", Some(&told("old"))).unwrap();

        let mut after = before.clone();
        instances.number(table, "two", false);
        after.set_instances(&instances).unwrap();
        after.set_parameter_key("after").unwrap();
        after.set_attribute("Device.A", Some(&told("new"))).unwrap();
        after.set_guard("acs", Some(&guarded())).unwrap();

        let next = after.without("acs", before.tree().clone(), "then").unwrap();
        assert_eq!(next.parameter_key(), "before");
        assert_eq!(next.undone(), Some("then"));
        assert_eq!(next.guards().count(), 0);
        assert!(next.attribute("Device.A").unwrap().differs("old"), "the ACS is told that it is as it was");
        assert_eq!(next.instances().known(table, "two"), None);
        assert_eq!(next.instances().next(table), 3, "2 was told as another row's");
    }
}
