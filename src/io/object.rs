//! The ubus object `cpeagent`: what LuCI and scripts ask the running agent.
//!
//! Owns its methods and their arguments, which are an interface (`docs/UBUS.md`); what they do is the agent's. Who may call
//! is ubusd's and rpcd's to say, by their access lists.

use super::local::Asker;
use super::ubus::Ubus;
use crate::agent::local::Request;
use crate::dm::tree::Tree;
use crate::openwrt::ubus::blob::{Entries, Value};
use crate::openwrt::ubus::client::Methods;
use crate::openwrt::ubus::frame::Status;
use crate::openwrt::ubus::publish::Invocation;

/// Its name.
pub const PATH: &str = "cpeagent";

/// Blobmsg's types of arguments.
const ARRAY: u8 = 1;
const TABLE: u8 = 2;
const TEXT: u8 = 3;

/// Its methods and the types of their arguments.
const METHODS: &[(&str, &[(&str, u8)])] = &[
    ("status", &[]),
    #[cfg(feature = "cwmp")]
    ("inform", &[]),
    #[cfg(feature = "cwmp")]
    ("events", &[]),
    ("get", &[("path", TEXT), ("paths", ARRAY)]),
    ("set", &[("values", TABLE)]),
];

/// Its methods, as they are published.
pub fn methods() -> Methods {
    let arguments =
        |arguments: &[(&str, u8)]| arguments.iter().map(|(name, kind)| (Box::from(*name), *kind)).collect();
    METHODS.iter().map(|(method, takes)| (Box::from(*method), arguments(takes))).collect()
}

/// Answers one call.
pub async fn serve(ubus: Ubus, asker: Asker, call: Invocation) {
    let Some(request) = request(&call.method, &call.args) else {
        return ubus.finish(call.request, Status::InvalidArgument).await;
    };
    let status = match asker.ask(request).await {
        Some(answer) => {
            ubus.reply(call.request, reply(&call.method, &answer)).await;
            Status::Ok
        }
        None => Status::UnknownError,
    };
    ubus.finish(call.request, status).await;
}

fn request(method: &str, args: &Tree) -> Option<Request> {
    Some(match method {
        "status" => Request::Status,
        "inform" => Request::Inform,
        "events" => Request::Events,
        "get" => {
            let path = args.get("path").into_iter();
            let paths = path.chain(args.get("paths").map(Tree::items).unwrap_or_default());
            let paths: Vec<Tree> = paths.cloned().collect();
            if paths.is_empty() {
                return None;
            }
            Request::from_tree(&Tree::map([("get", Tree::List(paths))])).ok()?
        }
        "set" => {
            let values = args.get("values").filter(|values| !values.entries().is_empty())?;
            Request::from_tree(&Tree::map([("set", values.clone())])).ok()?
        }
        _ => return None,
    })
}

/// What the caller gets: a refusal has `errors` and nothing else.
fn reply(method: &str, answer: &Tree) -> Entries {
    let Some(ok) = answer.get("ok") else { return entries(answer) };
    match method {
        "status" | "set" => entries(ok),
        "get" => vec![("values".into(), Value::from(ok))],
        "events" => vec![("events".into(), Value::from(ok))],
        _ => Vec::new(),
    }
}

fn entries(tree: &Tree) -> Entries {
    tree.entries().iter().map(|(name, value)| (name.clone(), Value::from(value))).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_call_means_what_the_same_request_means_over_the_socket() {
        let text = |text: &str| Tree::from(text);
        let some = Tree::map([
            ("paths", Tree::List(vec![text("Device.A"), text("Device.B")])),
            ("path", text("Device.C")),
        ]);
        let values = Tree::map([("values", Tree::map([("Device.A", text("1"))]))]);
        let none = Tree::Map(Vec::new());
        let paths = |paths: &[&str]| Request::Get(paths.iter().map(ToString::to_string).collect());
        for (method, args, want) in [
            ("status", &none, Some(Request::Status)),
            ("inform", &none, Some(Request::Inform)),
            ("events", &none, Some(Request::Events)),
            ("get", &some, Some(paths(&["Device.C", "Device.A", "Device.B"]))),
            ("get", &none, None),
            ("set", &values, Some(Request::Set(vec![("Device.A".into(), "1".into())]))),
            ("set", &none, None),
            (
                "set",
                &Tree::map([("values", Tree::map([("A", text("1")), ("B", Tree::List(vec![text("2")]))]))]),
                None,
            ),
            ("get", &Tree::map([("path", text("A")), ("paths", Tree::List(vec![none.clone()]))]), None),
            ("delete", &none, None),
        ] {
            assert_eq!(request(method, args), want, "{method} {args:?}");
        }
    }

    #[test]
    fn a_refusal_has_its_reasons_and_an_answer_what_was_asked_for() {
        let errors = Tree::map([("errors", Tree::List(vec![Tree::map([("why", Tree::from("no"))])]))]);
        let ok = Tree::map([("ok", Tree::map([("Device.A", Tree::from("1"))]))]);
        let names =
            |entries: Entries| entries.into_iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>();
        for (method, answer, want) in [
            ("get", &errors, vec!["errors"]),
            ("get", &ok, vec!["values"]),
            ("status", &ok, vec!["Device.A"]),
            ("events", &ok, vec!["events"]),
            ("inform", &ok, vec![]),
        ] {
            assert_eq!(names(reply(method, answer)), want, "{method}");
        }
        assert_eq!(methods().len(), METHODS.len());
    }
}
