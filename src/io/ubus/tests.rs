//! The driver against a small ubusd on a socket of its own. Time stands still unless everybody waits.

use super::*;
#[cfg(feature = "cwmp")]
use crate::agent::local::Request;
#[cfg(feature = "cwmp")]
use crate::io::live;
#[cfg(feature = "cwmp")]
use crate::io::local::Asker;
use crate::openwrt::json;
use crate::openwrt::ubus::fake::Bus;
use crate::openwrt::ubus::frame::Frame;
use std::sync::{Arc, Mutex};
use tokio::net::UnixListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

const WAIT: Duration = Duration::from_secs(5);

/// A server in a folder of its own; methods behave by their names.
struct Server {
    folder: tempfile::TempDir,
    bus: Arc<Mutex<Bus>>,
    changed: Arc<Notify>,
    task: Option<JoinHandle<()>>,
}

impl Server {
    fn new(bus: Bus) -> Server {
        let folder = tempfile::tempdir().unwrap();
        Server { folder, bus: Arc::new(Mutex::new(bus)), changed: Arc::default(), task: None }
    }

    fn start(&mut self) {
        let path = self.path();
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(path).unwrap();
        self.task = Some(tokio::spawn(serve(listener, self.bus.clone(), self.changed.clone())));
    }

    /// The server dies; the next one knows nothing but the objects given to it.
    async fn die(&mut self) {
        let task = self.task.take().unwrap();
        task.abort();
        let _ = task.await;
        let next = self.bus.lock().unwrap().restarted();
        *self.bus.lock().unwrap() = next;
    }

    fn with<T>(&self, change: impl FnOnce(&mut Bus) -> T) -> T {
        let value = change(&mut self.bus.lock().unwrap());
        self.changed.notify_one();
        value
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("ubus.sock")
    }

    fn client(&self) -> (Ubus, mpsc::Receiver<Event>) {
        Ubus::connect(vec![self.folder.path().join("not-here"), self.path()])
    }
}

async fn serve(listener: UnixListener, bus: Arc<Mutex<Bus>>, changed: Arc<Notify>) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut chunk = [0; 4096];
    loop {
        let mut out = {
            let mut bus = bus.lock().unwrap();
            let (hung, calls) = std::mem::take(&mut bus.calls).into_iter().partition(hangs);
            bus.calls = hung;
            let calls: Vec<Frame> = calls;
            calls.into_iter().for_each(|call| answer(&mut bus, call));
            bus.output()
        };
        while !out.is_empty() {
            stream.writable().await.unwrap();
            if let Ok(length) = stream.try_write(&out) {
                out.drain(..length);
            }
        }
        tokio::select! {
            ready = stream.readable() => {
                ready.unwrap();
                match stream.try_read(&mut chunk) {
                    Ok(0) => return,
                    Ok(length) => bus.lock().unwrap().handle(&chunk[..length]),
                    Err(_) => {}
                }
            }
            () = changed.notified() => {}
        }
    }
}

fn hangs(call: &Frame) -> bool {
    call.method().as_deref() == Some("hang")
}

fn answer(bus: &mut Bus, mut call: Frame) {
    let results = match call.method().as_deref() {
        Some("none") => vec![],
        Some("two") => (1..=2).map(|n| vec![("n".into(), Value::Int32(n))]).collect(),
        _ => vec![call.take_data()],
    };
    bus.answer(&call, results, Status::Ok);
}

fn run(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(test);
}

fn args(text: &str) -> Value {
    Value::from(&json::parse(text.as_bytes()).unwrap())
}

#[test]
fn results_come_as_one_tree_whether_there_are_none_one_or_two() {
    run(async {
        let mut server = Server::new(Bus::new());
        server.with(|bus| bus.add("lab", Vec::new()));
        server.start();
        let (ubus, _events) = server.client();
        for (method, want) in
            [("none", "{}"), ("echo", r#"{"a":["1"]}"#), ("two", r#"[{"n":"1"},{"n":"2"}]"#)]
        {
            let tree = ubus.call("lab", method, args(r#"{"a":["1"]}"#), WAIT).await.unwrap();
            assert_eq!(json::write(&tree), want, "{method}");
        }
        let found = ubus.list("l*", WAIT).await.unwrap();
        assert_eq!(found.iter().map(|object| &*object.path).collect::<Vec<_>>(), ["lab"]);
    });
}

#[test]
fn a_source_is_absent_where_nothing_answers_to_the_name_and_failed_where_nothing_answers() {
    run(async {
        let mut server = Server::new(Bus::new());
        server.with(|bus| bus.add("lab", Vec::new()));
        server.start();
        let (ubus, _events) = server.client();
        let Source::Ready(tree) = ubus.source("lab echo device=lan1", WAIT).await else {
            panic!("not ready")
        };
        assert_eq!(tree.str("device"), Some("lan1"));
        assert!(matches!(ubus.source("nosuch echo", WAIT).await, Source::Absent));
        let Source::Failed(why) = ubus.source("lab hang", WAIT).await else { panic!("not failed") };
        assert_eq!(why, "ubus lab hang: no answer in time");
        assert!(matches!(ubus.source("lab", WAIT).await, Source::Failed(_)));
    });
}

#[test]
fn an_object_that_vanished_is_not_found_and_found_again_under_its_new_number() {
    run(async {
        let mut server = Server::new(Bus::new());
        server.with(|bus| bus.add("hostapd.wlan0", Vec::new()));
        server.start();
        let (ubus, mut events) = server.client();
        assert!(ubus.call("hostapd.wlan0", "echo", args("{}"), WAIT).await.is_ok());
        let path: Box<str> = "hostapd.wlan0".into();
        assert_eq!(events.recv().await, Some(Event::Connected));
        server.with(|bus| bus.remove("hostapd.wlan0"));
        assert_eq!(events.recv().await, Some(Event::Vanished(path.clone())));
        let gone = ubus.call("hostapd.wlan0", "echo", args("{}"), WAIT).await;
        assert_eq!(gone, Err(CallError::Status(Status::NotFound)));
        server.with(|bus| bus.add("hostapd.wlan0", Vec::new()));
        assert!(ubus.call("hostapd.wlan0", "echo", args("{}"), WAIT).await.is_ok());
        assert_eq!(events.recv().await, Some(Event::Appeared(path)));
    });
}

#[test]
fn a_method_that_hangs_ends_its_call_at_the_deadline_and_holds_up_no_other() {
    run(async {
        let mut server = Server::new(Bus::new());
        server.with(|bus| bus.add("lab", Vec::new()));
        server.start();
        let (ubus, _events) = server.client();
        let start = Instant::now();
        let (hung, answered) = tokio::join!(ubus.call("lab", "hang", args("{}"), WAIT), async {
            (ubus.call("lab", "echo", args("{}"), WAIT).await.is_ok(), Instant::now())
        },);
        assert_eq!(hung, Err(CallError::Deadline));
        // Timers have a grain of one millisecond.
        assert!((WAIT..WAIT + Duration::from_millis(2)).contains(&start.elapsed()), "{:?}", start.elapsed());
        assert_eq!(answered, (true, start), "at once");
    });
}

#[test]
fn while_no_server_greets_calls_fail_at_once_and_one_that_does_is_found_soon() {
    run(async {
        let mut server = Server::new(Bus::new());
        server.with(|bus| bus.add("lab", Vec::new()));
        // One that takes every connection and says nothing, and then none.
        let mute = UnixListener::bind(server.path()).unwrap();
        let (ubus, mut events) = server.client();
        let start = Instant::now();
        for want in [PATIENCE, Duration::ZERO, Duration::ZERO] {
            let before = Instant::now();
            assert_eq!(ubus.call("lab", "echo", args("{}"), WAIT).await, Err(CallError::Silent));
            let took = before.elapsed();
            assert!((want..want + Duration::from_millis(2)).contains(&took), "{took:?}");
        }
        assert_eq!(ubus.list("lab", WAIT).await, Err(CallError::Silent));
        assert!(start.elapsed() < WAIT);
        drop(mute);

        tokio::time::sleep(Duration::from_secs(3600)).await;
        server.start();
        let back = Instant::now();
        assert_eq!(events.recv().await, Some(Event::Connected));
        assert!(back.elapsed() <= LAST_WAIT, "{:?}", back.elapsed());
        assert!(ubus.call("lab", "echo", args("{}"), WAIT).await.is_ok());
    });
}

#[test]
fn all_sources_of_a_silent_bus_fail_together_and_say_why() {
    run(async {
        let server = Server::new(Bus::new());
        let _mute = UnixListener::bind(server.path()).unwrap();
        let (ubus, _events) = server.client();
        let disk = Arc::new(crate::io::disk::sim::SimDisk::with([("/etc/x", "y")]));
        let fetch = crate::io::fetch::Fetch::live(disk, ubus);
        let keys = || (0..100).map(|n| format!("ubus:lab echo n={n}").into()).collect();
        for wait in [PATIENCE, Duration::ZERO] {
            let start = Instant::now();
            let sources = fetch.fetch_all(keys()).await;
            assert!(start.elapsed() < wait + Duration::from_millis(2), "{:?}", start.elapsed());
            assert_eq!(sources.len(), 100);
            for (key, source) in sources {
                let says =
                    matches!(&source, Source::Failed(why) if why == "ubus lab echo: ubusd does not answer");
                assert!(says, "{key}: {source:?}");
            }
        }
    });
}

#[test]
fn death_of_the_server_ends_what_was_sent_and_all_else_is_set_up_again() {
    run(async {
        let mut server = Server::new(Bus::new());
        server.with(|bus| bus.add("network.interface", Vec::new()));
        server.start();
        let (ubus, mut events) = server.client();
        ubus.subscribe("network.interface").await;
        ubus.listen("my.*").await;
        ubus.publish("cpeagent", [("status".into(), Vec::new())].into()).await;
        assert_eq!(events.recv().await, Some(Event::Connected));
        let (path, ours): (Box<str>, Box<str>) = ("network.interface".into(), "cpeagent".into());
        assert_eq!(events.recv().await, Some(Event::Published(ours.clone(), Ok(()))));
        assert_eq!(events.recv().await, Some(Event::Subscribed(path.clone())));

        let (lost, ()) = tokio::join!(ubus.call("network.interface", "hang", args("{}"), WAIT), async {
            while server.with(|bus| bus.calls.is_empty()) {
                tokio::task::yield_now().await;
            }
            server.die().await;
        });
        assert_eq!(lost, Err(CallError::Lost));
        let waiting = ubus.call("network.interface", "echo", args("{}"), WAIT);
        let (answer, ()) = tokio::join!(waiting, async {
            // Several attempts find nobody.
            tokio::time::sleep(Duration::from_secs(1)).await;
            server.with(|bus| bus.add("network.interface", Vec::new()));
            server.start();
        });
        assert!(answer.is_ok());
        for want in [Event::Connected, Event::Published(ours, Ok(())), Event::Subscribed(path.clone())] {
            assert_eq!(events.recv().await, Some(want));
        }
        server.with(|bus| bus.notify("network.interface", "interface.down", Vec::new()));
        server.with(|bus| bus.event("my.event", Vec::new()));
        let data = Tree::Map(Vec::new());
        let told = Event::Notified { source: path, kind: "interface.down".into(), data: data.clone() };
        assert_eq!(events.recv().await, Some(told));
        assert_eq!(events.recv().await, Some(Event::Heard { id: "my.event".into(), data }));
    });
}

#[test]
fn a_call_on_an_object_of_ours_is_answered_and_never_forgotten() {
    run(async {
        let mut server = Server::new(Bus::new());
        server.start();
        let (ubus, mut events) = server.client();
        ubus.publish("cpeagent", [("status".into(), Vec::new())].into()).await;
        assert_eq!(events.recv().await, Some(Event::Connected));
        assert!(matches!(events.recv().await, Some(Event::Published(_, Ok(())))));
        let own = server.with(|bus| *bus.ours.iter().find(|(_, path)| path.is_some()).unwrap().0);
        server.with(|bus| bus.call(own, 1, "status"));
        let Some(Event::Invoked(call)) = events.recv().await else { panic!("no call") };
        ubus.reply(call.request, vec![("up".into(), true.into())]).await;
        ubus.finish(call.request, Status::Ok).await;
        let answers = answered(&server, 2).await;
        assert_eq!(answers[1].status(), Some(Status::Ok));
        // Nobody reads the events any more: the call that finds no room is refused.
        for seq in 0..=MAX_EVENTS as u16 {
            server.with(|bus| {
                bus.event("ubus.object.add", vec![("id".into(), 1.into()), ("path".into(), "x".into())])
            });
            if seq == MAX_EVENTS as u16 {
                server.with(|bus| bus.call(own, seq, "status"));
            }
        }
        let refused = loop {
            let answers = server.with(|bus| std::mem::take(&mut bus.answers));
            if let Some(frame) = answers.into_iter().find(|frame| frame.object() == Some(own)) {
                break frame;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(refused.status(), Some(Status::NoMemory));
    });
}

#[cfg(feature = "cwmp")]
#[test]
fn a_call_on_the_agents_object_is_answered_by_the_loop_or_refused() {
    run(async {
        let mut server = Server::new(Bus::new());
        server.start();
        let (ubus, events) = server.client();
        let (asks, mut asked) = mpsc::channel(4);
        let asker = Asker::new(asks);
        let (changed, mut changes) = mpsc::channel(64);
        tokio::spawn(async move { while changes.recv().await.is_some() {} });
        tokio::spawn(live::watch(ubus, events, changed, asker.clone()));
        let own = loop {
            tokio::task::yield_now().await;
            if let Some(own) = server.with(|bus| Some(*bus.ours.iter().find(|(_, path)| path.is_some())?.0)) {
                break own;
            }
        };
        server.with(|bus| bus.call(own, 1, "events"));
        let request = asked.recv().await.unwrap();
        assert_eq!(request.request, Request::Events);
        let none = Tree::map([("ok", Tree::List(Vec::new()))]);
        asker.answer(request.id, &none);
        server.with(|bus| bus.call(own, 2, "get"));
        server.with(|bus| bus.call(own, 3, "reboot"));
        let mut answers = Vec::new();
        while answers.iter().filter(|frame: &&Frame| frame.status().is_some()).count() < 3 {
            tokio::task::yield_now().await;
            let new = server.with(|bus| std::mem::take(&mut bus.answers));
            answers.extend(new.into_iter().filter(|frame| frame.object() == Some(own)));
        }
        let status = |seq: u16| {
            let mut of = answers.iter().filter(|frame| frame.seq == seq);
            of.find_map(Frame::status)
        };
        assert_eq!(status(1), Some(Status::Ok));
        assert_eq!(status(2), Some(Status::InvalidArgument), "get wants a path");
        assert_eq!(status(3), Some(Status::MethodNotFound));
        let data =
            answers.iter_mut().find(|frame| frame.seq == 1 && frame.status().is_none()).unwrap().take_data();
        assert_eq!(data, [("events".into(), Value::Array(Vec::new()))]);
    });
}

async fn answered(server: &Server, count: usize) -> Vec<Frame> {
    while server.with(|bus| bus.answers.len() < count) {
        tokio::task::yield_now().await;
    }
    server.with(|bus| std::mem::take(&mut bus.answers))
}
