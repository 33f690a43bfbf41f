//! The ubus client against a real ubusd, which the environment variable `UBUSD` names:
//! `UBUSD=/usr/sbin/ubusd cargo test --test ubus_live -- --ignored`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use cpeagent::dm::tree::Tree;
use cpeagent::io::ubus::Ubus;
use cpeagent::openwrt::json;
use cpeagent::openwrt::ubus::blob::Value;
use cpeagent::openwrt::ubus::client::{CallError, Event, Methods};
use cpeagent::openwrt::ubus::frame::Status;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

const WAIT: Duration = Duration::from_secs(20);

fn ubusd(socket: &Path) -> Child {
    let program = std::env::var_os("UBUSD").expect("UBUSD names the program");
    let acl = socket.with_file_name("acl.d");
    Command::new(program).arg("-s").arg(socket).arg("-A").arg(acl).spawn().unwrap()
}

async fn next(events: &mut Receiver<Event>) -> Event {
    tokio::time::timeout(WAIT, events.recv()).await.expect("in time").expect("the task lives")
}

/// Passes over comings and goings until `want`.
async fn until(events: &mut Receiver<Event>, want: &Event) {
    loop {
        match next(events).await {
            event if event == *want => return,
            Event::Connected | Event::Appeared(_) | Event::Vanished(_) => {}
            other => panic!("{other:?} instead of {want:?}"),
        }
    }
}

/// Answers calls on an object: `echo` with its arguments, twice; `late` never; all else as not found.
async fn serve(ubus: Ubus, mut events: Receiver<Event>) {
    while let Some(event) = events.recv().await {
        let Event::Invoked(call) = event else { continue };
        match &*call.method {
            "echo" => {
                for _ in 0..2 {
                    let Value::Table(args) = Value::from(&call.args) else { panic!("a map") };
                    ubus.reply(call.request, args).await;
                }
                ubus.finish(call.request, Status::Ok).await;
            }
            "late" => {}
            _ => ubus.finish(call.request, Status::NotFound).await,
        }
    }
}

#[test]
#[ignore = "needs a ubusd, named by UBUSD"]
fn calls_events_and_notifications_pass_between_two_clients_before_and_after_a_restart() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("ubus.sock");
        let mut server = ubusd(&socket);
        let (ours, our_events) = Ubus::connect(vec![socket.clone()]);
        let (theirs, mut events) = Ubus::connect(vec![socket.clone()]);
        let methods: Methods = [
            ("echo".into(), vec![("n".into(), 5), ("on".into(), 7), ("text".into(), 3)]),
            ("late".into(), vec![]),
            ("other".into(), vec![]),
        ]
        .into();
        ours.publish("lab.test", methods.clone()).await;
        theirs.subscribe("lab.test").await;
        theirs.listen("lab.*").await;
        tokio::spawn(serve(ours.clone(), our_events));
        let subscribed = Event::Subscribed("lab.test".into());
        let args = Tree::map([("n", "-5".into()), ("on", "true".into()), ("text", Tree::from("7"))]);
        for _ in 0..2 {
            until(&mut events, &subscribed).await;
            let tree = theirs.call("lab.test", "echo", &args, WAIT).await.unwrap();
            let once = r#"{"n":"-5","on":"true","text":"7"}"#;
            assert_eq!(json::write(&tree), format!("[{once},{once}]"));
            let not_found = Err(CallError::Status(Status::NotFound));
            assert_eq!(theirs.call("lab.test", "other", &args, WAIT).await, not_found);
            let unknown = Err(CallError::Status(Status::MethodNotFound));
            assert_eq!(theirs.call("lab.test", "nosuch", &args, WAIT).await, unknown);
            assert_eq!(theirs.call("lab.nosuch", "x", &args, WAIT).await, not_found);
            let short = Duration::from_millis(50);
            assert_eq!(theirs.call("lab.test", "late", &args, short).await, Err(CallError::Deadline));
            let found = theirs.list("lab.*", WAIT).await.unwrap();
            assert_eq!((found.len(), &found[0].methods), (1, &methods));

            let data = vec![("n".into(), Value::Int32(1))];
            let tree = Tree::map([("n", "1".into())]);
            ours.notify("lab.test", "tick", data.clone()).await;
            let (source, kind) = ("lab.test".into(), "tick".into());
            until(&mut events, &Event::Notified { source, kind, data: tree.clone() }).await;
            ours.broadcast("lab.event", data).await;
            until(&mut events, &Event::Heard { id: "lab.event".into(), data: tree }).await;

            let (lost, ()) = tokio::join!(theirs.call("lab.test", "late", &args, WAIT), async {
                // Answered behind the call: it has been sent.
                theirs.list("", WAIT).await.unwrap();
                server.kill().unwrap();
                server.wait().unwrap();
                server = ubusd(&socket);
            });
            assert_eq!(lost, Err(CallError::Lost));
        }
        server.kill().unwrap();
        server.wait().unwrap();
    });
}
