//! What is recorded of a request that changes something: what was asked, what was planned, what it came to.
//!
//! A request is noted when its job begins, its plan when there is one, and its entries leave behind the answer. Which
//! changes a request of a protocol asks for is said in `cwmp::audit` and `usp::audit`. Requests over the local socket
//! and ubus count too: rpcd makes them from the network. What the agent does of its own accord does not.

use super::job::Job;
use super::local::Request;
use super::{Action, Agent};
use crate::audit::{self, Change, Entry, Outcome, What};
use crate::dm::edit::{Change as Edited, Edit};
use crate::dm::path::{Pattern, Step};
use crate::dm::schema::Model;
use crate::dm::tree::Tree;
use crate::dm::write::Plan;
use crate::sorted::Map;

/// The request under way, as it is recorded.
#[derive(Default)]
pub(super) struct Audit {
    pub(super) manager: String,
    /// As it was asked for; empty for what changes nothing.
    pub(super) asked: Vec<Change>,
    /// What it was planned to do, where that says more.
    pub(super) planned: Option<Vec<Change>>,
    /// What of it failed while the rest was planned.
    pub(super) failed: Vec<Change>,
    /// The commit that made it.
    pub(super) commit: Option<u64>,
    /// Entries that leave behind the answer.
    out: Vec<Entry>,
}

impl Agent {
    /// Notes what a job that begins asks for.
    pub(super) fn audit_job(&mut self, job: &Job) {
        let (manager, asked) = match job {
            _ if self.config.agent.audit_size == 0 => Default::default(),
            Job::Cwmp(work) => (self.acs(), work.changes()),
            Job::Usp(ask) => (ask.manager(), ask.changes()),
            Job::Local(_, request) => local(request),
            // What a subscription changes is known once its row was read.
            Job::Trigger(_) => Default::default(),
            Job::Configure | Job::Look | Job::Keep(_) | Job::Guard(_) | Job::TakeBack(_) => {
                Default::default()
            }
        };
        let out = std::mem::take(&mut self.audit.out);
        self.audit = Audit { manager, asked, out, ..Audit::default() };
    }

    /// Notes what is planned for values and rows that were asked for.
    pub(super) fn audit_plan(&mut self, plan: &Plan) {
        if self.audit.asked.is_empty() {
            return;
        }
        let rows = |what, paths: &[String]| -> Vec<Change> {
            paths.iter().map(|path| Change::new(what, path.as_str(), None)).collect()
        };
        let mut planned = rows(What::Delete, &plan.deleted);
        planned.extend(rows(What::Add, &plan.added));
        // A value may have been planned more than once.
        let written: Map<&String, &String> = plan.written.iter().map(|(path, value)| (path, value)).collect();
        planned.extend(written.into_iter().map(|(path, value)| Change {
            old: plan.replaced.get(path).cloned(),
            ..Change::new(What::Set, path.as_str(), Some(value))
        }));
        self.audit.planned = Some(planned);
    }

    /// Notes the settings that DHCP changes.
    pub(super) fn audit_settings(&mut self, edits: &[Edit]) {
        let text = |value: &Option<Tree>| value.as_ref().and_then(Tree::as_str).map(str::to_string);
        let change = |edit: &Edit| match &edit.change {
            Edited::Set { option, old, new } => {
                let path = format!("cpeagent.{}.{option}", edit.section);
                let change = Change::new(What::Setting, path, text(new).as_deref());
                Some(Change { old: text(old), ..change }.masked(audit::is_secret(option)))
            }
            Edited::Add { .. } | Edited::Remove { .. } | Edited::Rename { .. } | Edited::Move { .. } => None,
        };
        self.audit.asked = edits.iter().filter_map(change).collect();
    }

    /// The request was done.
    pub(super) fn audit_done(&mut self) {
        let asked = std::mem::take(&mut self.audit.asked);
        let mut changes = self.audit.planned.take().unwrap_or(asked);
        changes.append(&mut self.audit.failed);
        let (manager, commit) = (std::mem::take(&mut self.audit.manager), self.audit.commit.take());
        self.audited(&manager, commit, changes);
    }

    /// The request was refused: with which code, by path.
    pub(super) fn audit_refused(&mut self, code: impl Fn(&str) -> u32) {
        self.audit.planned = None;
        let asked = std::mem::take(&mut self.audit.asked).into_iter().map(|change| {
            let code = code(&change.path);
            change.refused(code)
        });
        let manager = std::mem::take(&mut self.audit.manager);
        self.audited(&manager, None, asked);
    }

    /// Notes that all that a manager did not confirm is undone, by one commit.
    pub(super) fn audit_undone(&mut self, manager: &str, packages: &str, commit: u64) {
        let change = Change { outcome: Outcome::Undone, ..Change::new(What::Unconfirmed, packages, None) };
        self.audited(manager, Some(commit), [change]);
    }

    /// Makes entries of changes in the name of a manager.
    pub(super) fn audited(
        &mut self,
        manager: &str,
        commit: Option<u64>,
        changes: impl IntoIterator<Item = Change>,
    ) {
        if self.config.agent.audit_size == 0 {
            return;
        }
        let (model, at, manager) = (self.model, self.now.wall, audit::masked(false, manager));
        self.audit.out.extend(changes.into_iter().map(|change| {
            let done = !matches!(change.outcome, Outcome::Refused(_));
            let secret = change.what == What::Set && (is_secret(model, &change.path) || sets_secret(&change));
            Entry {
                at,
                manager: manager.clone(),
                change: change.masked(secret),
                commit: commit.filter(|_| done),
            }
        }));
    }

    /// Sends the entries off, behind the answer.
    pub(super) fn audit_leave(&mut self) {
        if !self.audit.out.is_empty() {
            self.out.push_back(Action::Audit(std::mem::take(&mut self.audit.out)));
        }
    }

    /// What was to be answered is refused after all, because the disk does not keep it.
    pub(super) fn audit_not_kept(&mut self, code: u32) {
        for action in &mut self.out {
            if let Action::Audit(entries) = action {
                for entry in entries.iter_mut().filter(|entry| entry.commit.is_none()) {
                    entry.change.outcome = Outcome::Refused(code);
                }
            }
        }
    }
}

/// What a local request asks for, and in whose name.
fn local(request: &Request) -> (String, Vec<Change>) {
    let asked = match request {
        Request::Set(pairs) => {
            pairs.iter().map(|(path, value)| Change::new(What::Set, path.as_str(), Some(value))).collect()
        }
        Request::Add(table) => vec![Change::new(What::Add, table.as_str(), None)],
        Request::Delete(row) => vec![Change::new(What::Delete, row.as_str(), None)],
        Request::Discovered(network, _) => return (format!("dhcp {network}"), Vec::new()),
        Request::Get(_) | Request::Names(_) | Request::Status | Request::Inform | Request::Events => {
            Vec::new()
        }
    };
    ("local".into(), asked)
}

/// Whether a parameter is a secret; also one whose path cannot be told.
fn is_secret(model: &Model, path: &str) -> bool {
    let Ok(pattern) = Pattern::parse(path) else { return true };
    // Whatever follows a reference leads who knows where.
    let follows = pattern.steps().iter().any(|step| matches!(step, Step::Follow { .. }));
    let name = path.rsplit('.').next().unwrap_or_default();
    follows || audit::is_secret(name) || model.param_of(&pattern).is_some_and(|param| param.flags.is_secret())
}

/// Whether a value is a list of settings with a secret among them; such a list is refused, but what was asked is noted.
fn sets_secret(change: &Change) -> bool {
    change.path.ends_with(".TriggerConfigSettings") && change.new.as_deref().is_some_and(audit::is_secret)
}
