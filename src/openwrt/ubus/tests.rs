//! The client's rules, against the small server of [`super::fake`] and against recorded frames.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::blob::Value;
use super::client::{CallError, CallId, Client, Event, MAX_CALLS, MAX_REPLY, Methods};
use super::fake::Bus;
use super::frame::tests::{TRANSCRIPTS, lines};
use super::frame::{Attr, Decoder, Frame, Kind, Status};
use crate::dm::tree::Tree;
use crate::openwrt::json;
use crate::time::Instant;
use std::time::Duration;

const LATER: Instant = Instant(Duration::from_secs(10));

fn none() -> Value {
    Value::Table(Vec::new())
}

/// Carries octets to and fro until both are silent, and gives what the client made of them.
fn settle(client: &mut Client, bus: &mut Bus) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let (down, up) = (bus.output(), client.take_output());
        if down.is_empty() && up.is_empty() {
            return events;
        }
        bus.handle(&up);
        client.handle(&down).unwrap();
        events.extend(std::iter::from_fn(|| client.next_event()));
    }
}

fn connected() -> (Client, Bus) {
    let (mut client, mut bus) = (Client::new(), Bus::new());
    assert_eq!(settle(&mut client, &mut bus), [Event::Connected]);
    (client, bus)
}

fn table(pairs: &[(&str, Value)]) -> Vec<(Box<str>, Value)> {
    pairs.iter().map(|(name, value)| ((*name).into(), value.clone())).collect()
}

fn ok(id: CallId, texts: &[&str]) -> Event {
    Event::Reply(id, Ok(texts.iter().map(|text| json::parse(text.as_bytes()).unwrap()).collect()))
}

#[test]
fn one_lookup_serves_many_calls_and_replies_are_matched_by_sequence() {
    let (mut client, mut bus) = connected();
    bus.add("system", Vec::new());
    settle(&mut client, &mut bus);
    bus.seen.clear();
    let first = client.call("system", "board", none(), LATER);
    let second = client.call("system", "info", none(), LATER);
    settle(&mut client, &mut bus);
    let third = client.call("system", "info", none(), LATER);
    settle(&mut client, &mut bus);
    assert_eq!(bus.seen, [Kind::Lookup, Kind::Invoke, Kind::Invoke, Kind::Invoke]);
    let calls = std::mem::take(&mut bus.calls);
    bus.answer(&calls[2], vec![], Status::Ok);
    bus.answer(&calls[1], vec![table(&[("n", 2.into())]), table(&[("n", 3.into())])], Status::Ok);
    bus.answer(&calls[0], vec![table(&[("n", 1.into())])], Status::PermissionDenied);
    assert_eq!(
        settle(&mut client, &mut bus),
        [
            ok(third, &[]),
            ok(second, &[r#"{"n":2}"#, r#"{"n":3}"#]),
            Event::Reply(first, Err(CallError::Status(Status::PermissionDenied))),
        ]
    );
}

#[test]
fn arguments_take_the_types_the_object_declares() {
    let (mut client, mut bus) = connected();
    let arguments = [("lines", 5.into()), ("oneshot", 7.into()), ("name", 3.into())];
    bus.add("log", table(&[("read", Value::Table(table(&arguments)))]));
    let args = Tree::map([
        ("lines", "5".into()),
        ("oneshot", "true".into()),
        ("name", "7".into()),
        ("x", Tree::from("1")),
    ]);
    client.call("log", "read", &args, LATER);
    settle(&mut client, &mut bus);
    let sent = bus.calls[0].take_data();
    let want =
        table(&[("lines", 5.into()), ("oneshot", true.into()), ("name", "7".into()), ("x", "1".into())]);
    assert_eq!(sent, want);
}

#[test]
fn a_number_that_went_stale_is_looked_up_once_more() {
    let (mut client, mut bus) = connected();
    bus.add("hostapd.wlan0", Vec::new());
    client.call("hostapd.wlan0", "get_status", none(), LATER);
    settle(&mut client, &mut bus);
    // The object moves, and the server's event about it is lost in a full queue.
    bus.patterns.clear();
    bus.calls.clear();
    bus.remove("hostapd.wlan0");
    let moved = bus.add("hostapd.wlan0", Vec::new());
    let second = client.call("hostapd.wlan0", "get_status", none(), LATER);
    assert_eq!(settle(&mut client, &mut bus), []);
    assert_eq!(bus.calls[0].object(), Some(moved));
    let call = bus.calls.remove(0);
    bus.answer(&call, vec![], Status::NotFound);
    // The method itself may say "not found": that is an answer, not a stale number.
    let not_found = |id| Event::Reply(id, Err(CallError::Status(Status::NotFound)));
    assert_eq!(settle(&mut client, &mut bus), [not_found(second)]);
    bus.remove("hostapd.wlan0");
    let third = client.call("hostapd.wlan0", "get_status", none(), LATER);
    let pattern = client.call("hostapd.*", "get_status", none(), LATER);
    assert_eq!(settle(&mut client, &mut bus), [not_found(pattern), not_found(third)]);
}

#[test]
fn objects_that_come_and_go_are_told_and_end_what_was_asked_of_them() {
    let (mut client, mut bus) = connected();
    bus.add("dhcp", Vec::new());
    assert_eq!(settle(&mut client, &mut bus), [Event::Appeared("dhcp".into())]);
    let id = client.call("dhcp", "ipv6leases", none(), LATER);
    settle(&mut client, &mut bus);
    bus.remove("dhcp");
    let want = [Event::Reply(id, Err(CallError::Vanished)), Event::Vanished("dhcp".into())];
    assert_eq!(settle(&mut client, &mut bus), want);
    let again = bus.add("dhcp", Vec::new());
    client.call("dhcp", "ipv6leases", none(), LATER);
    settle(&mut client, &mut bus);
    assert_eq!(bus.calls[1].object(), Some(again));
}

#[test]
fn a_call_ends_at_its_deadline_and_a_late_reply_is_dropped() {
    let (mut client, mut bus) = connected();
    bus.add("slow", Vec::new());
    settle(&mut client, &mut bus);
    let at = |seconds| Instant(Duration::from_secs(seconds));
    let (first, second) = (client.call("slow", "a", none(), at(2)), client.call("slow", "b", none(), at(5)));
    settle(&mut client, &mut bus);
    assert_eq!(client.next_deadline(), Some(at(2)));
    client.expire(at(1));
    assert_eq!(client.next_event(), None);
    client.expire(at(2));
    assert_eq!(client.next_event(), Some(Event::Reply(first, Err(CallError::Deadline))));
    let calls = std::mem::take(&mut bus.calls);
    bus.answer(&calls[0], vec![table(&[("late", true.into())])], Status::Ok);
    bus.answer(&calls[1], vec![], Status::Ok);
    assert_eq!(settle(&mut client, &mut bus), [ok(second, &[])]);
    assert_eq!(client.next_deadline(), None);
}

#[test]
fn a_subscription_follows_its_object_through_disappearance_and_return() {
    let (mut client, mut bus) = connected();
    assert!(client.subscribe("network.interface"));
    assert_eq!(settle(&mut client, &mut bus), [], "not there yet");
    for _ in 0..2 {
        bus.add("network.interface", Vec::new());
        let events = settle(&mut client, &mut bus);
        assert_eq!(
            events,
            [Event::Appeared("network.interface".into()), Event::Subscribed("network.interface".into())]
        );
        assert_eq!(bus.subscriptions.len(), 1);
        bus.answers.clear();
        bus.notify("network.interface", "interface.down", table(&[("interface", "wan".into())]));
        let want = Event::Notified {
            source: "network.interface".into(),
            kind: "interface.down".into(),
            data: Tree::map([("interface", "wan".into())]),
        };
        assert_eq!(settle(&mut client, &mut bus), [want]);
        assert!(bus.answers.is_empty(), "the notice asked for none");
        bus.remove("network.interface");
        settle(&mut client, &mut bus);
    }
    client.unsubscribe("network.interface");
    settle(&mut client, &mut bus);
    bus.add("network.interface", Vec::new());
    assert_eq!(settle(&mut client, &mut bus), [Event::Appeared("network.interface".into())]);
    assert_eq!(bus.ours.len(), 1, "only the listener is left");
}

#[test]
fn events_reach_only_who_listens_and_are_acknowledged() {
    let (mut client, mut bus) = connected();
    assert!(client.listen("network.*"));
    settle(&mut client, &mut bus);
    bus.event("network.interface", table(&[("action", "ifup".into())]));
    bus.event("wlan.x", Vec::new());
    bus.add("dhcp", Vec::new());
    let heard = Event::Heard { id: "network.interface".into(), data: Tree::map([("action", "ifup".into())]) };
    assert_eq!(settle(&mut client, &mut bus), [heard, Event::Appeared("dhcp".into())]);
    let answered: Vec<_> = bus.answers.iter().map(|frame| (frame.kind, frame.seq, frame.status())).collect();
    assert_eq!(answered, [(Kind::Status, 1, Some(Status::Ok)), (Kind::Status, 2, Some(Status::Ok))]);
}

fn echo() -> Methods {
    let arguments = [("text", 3), ("count", 5), ("flag", 7), ("list", 1), ("table", 2)];
    let arguments = arguments.map(|(name, kind)| (name.into(), kind)).to_vec();
    [("echo".into(), arguments), ("fail".into(), vec![]), ("quit".into(), vec![])].into()
}

#[test]
fn an_object_of_ours_answers_at_once_or_later_as_recorded() {
    let recorded = TRANSCRIPTS.split("\n## ").find(|part| part.starts_with("server object")).unwrap();
    let recorded = lines(recorded);
    let (mut client, mut sent) = (Client::new(), Vec::new());
    assert!(client.publish("lab.test", echo()));
    let mut held = None;
    let mut take = |client: &mut Client| {
        let mut decoder = Decoder::default();
        decoder.push(&client.take_output());
        while let Some(received) = decoder.next_frame().unwrap() {
            let mut octets = Vec::new();
            let frame = received.frame.unwrap();
            // Our client keeps a listener besides; the recorded server did not.
            if !(frame.kind == Kind::AddObject && frame.attrs.is_empty()) {
                frame.write(&mut octets).unwrap();
                sent.push(octets);
            }
        }
    };
    for (direction, _, octets) in
        recorded.iter().filter(|(direction, kind, _)| *direction == "S>C" && *kind != "NOTIFY")
    {
        assert_eq!(*direction, "S>C");
        client.handle(octets).unwrap();
        while let Some(event) = client.next_event() {
            match event {
                Event::Connected => {}
                Event::Published(path, result) => assert_eq!((&*path, result), ("lab.test", Ok(()))),
                Event::Invoked(call) if &*call.method == "echo" => {
                    assert_eq!(call.args, Tree::map([("text", "abc".into())]));
                    assert_eq!(call.user.as_deref(), Some("root"));
                    let user = table(&[
                        ("user", "root".into()),
                        ("group", "root".into()),
                        ("object", "lab.test".into()),
                    ]);
                    let data = table(&[("reply", "abc".into()), ("user", Value::Table(user))]);
                    client.reply(call.request, data).unwrap();
                    client.finish(call.request, Status::Ok);
                }
                Event::Invoked(call) if &*call.method == "fail" => {
                    client.finish(call.request, Status::NotFound)
                }
                Event::Invoked(call) => held = Some(call.request),
                other => panic!("{other:?}"),
            }
        }
        take(&mut client);
    }
    client.finish(held.expect("the last call was left open"), Status::Ok);
    take(&mut client);
    client.finish(held.unwrap(), Status::Ok);
    assert!(client.take_output().is_empty(), "a second answer goes nowhere");
    let want: Vec<_> = recorded
        .iter()
        .filter(|(d, kind, _)| *d == "C>S" && *kind != "NOTIFY")
        .map(|(_, _, o)| o.clone())
        .collect();
    assert_eq!(sent, want);
}

#[test]
fn calls_on_methods_we_do_not_have_are_refused() {
    let (mut client, mut bus) = connected();
    assert!(client.publish("cpeagent", echo()));
    assert!(!client.publish("cpeagent", echo()), "twice");
    assert_eq!(settle(&mut client, &mut bus), [Event::Published("cpeagent".into(), Ok(()))]);
    let own = *bus.ours.iter().find(|(_, path)| path.as_deref() == Some("cpeagent")).unwrap().0;
    for (object, method, want) in
        [(own, "nosuch", Status::MethodNotFound), (own + 500, "echo", Status::NotFound)]
    {
        let call = Frame::new(Kind::Invoke, 4, 9).with(Attr::ObjId(object)).with(Attr::Method(method.into()));
        bus.put(call.with(Attr::Data(Vec::new())));
        assert_eq!(settle(&mut client, &mut bus), []);
        assert_eq!(bus.answers.pop().unwrap().status(), Some(want));
    }
    client.notify("cpeagent", "changed", Vec::new()).unwrap();
    settle(&mut client, &mut bus);
    let notice = bus.answers.pop().unwrap();
    assert_eq!((notice.kind, notice.object(), notice.no_reply()), (Kind::Notify, Some(own), true));
}

#[test]
fn after_a_restart_of_the_server_everything_wanted_is_announced_again() {
    let (mut client, mut bus) = connected();
    bus.add("network", Vec::new());
    assert!(client.subscribe("network") && client.listen("my.*") && client.publish("cpeagent", echo()));
    settle(&mut client, &mut bus);
    let sent = client.call("network", "reload", none(), LATER);
    settle(&mut client, &mut bus);
    client.reset();
    assert_eq!(client.next_event(), Some(Event::Reply(sent, Err(CallError::Lost))));
    let waiting = client.call("network", "restart", none(), LATER);
    assert!(client.take_output().is_empty(), "nothing is said before the greeting");

    let mut bus = bus.restarted();
    let number = bus.add("network", Vec::new());
    let events = settle(&mut client, &mut bus);
    let want =
        [Event::Connected, Event::Published("cpeagent".into(), Ok(())), Event::Subscribed("network".into())];
    assert_eq!(events, want);
    assert_eq!(bus.ours.values().flatten().map(|path| &**path).collect::<Vec<_>>(), ["cpeagent"]);
    assert_eq!(
        bus.patterns.iter().map(|(_, pattern)| pattern.as_str()).collect::<Vec<_>>(),
        ["ubus.object.*", "my.*"]
    );
    assert_eq!(bus.calls[0].object(), Some(number));
    let call = bus.calls.remove(0);
    bus.answer(&call, vec![], Status::Ok);
    assert_eq!(settle(&mut client, &mut bus), [ok(waiting, &[])]);
}

#[test]
fn listings_give_the_objects_a_pattern_fits() {
    let (mut client, mut bus) = connected();
    bus.add("hostapd.a", Vec::new());
    bus.add("hostapd.b", table(&[("reload", none())]));
    bus.add("system", Vec::new());
    settle(&mut client, &mut bus);
    for (pattern, want) in [
        ("hostapd.*", Ok(vec!["hostapd.a", "hostapd.b"])),
        ("", Ok(vec!["hostapd.a", "hostapd.b", "system"])),
        ("x", Err(())),
    ] {
        client.list(pattern, LATER);
        let events = settle(&mut client, &mut bus);
        let [Event::Listed(_, found)] = &events[..] else { panic!("{events:?}") };
        let paths = found.as_ref().map(|found| found.iter().map(|object| &*object.path).collect::<Vec<_>>());
        assert_eq!(paths.map_err(|_| ()), want, "{pattern:?}");
    }
}

#[test]
fn open_calls_and_gathered_results_are_bounded() {
    let (mut client, mut bus) = connected();
    bus.add("big", Vec::new());
    settle(&mut client, &mut bus);
    let id = client.call("big", "read", none(), LATER);
    settle(&mut client, &mut bus);
    let call = bus.calls.remove(0);
    let part = "x".repeat(1_000_000);
    let parts = MAX_REPLY / part.len() + 1;
    bus.answer(&call, vec![table(&[("part", part.as_str().into())]); parts], Status::Ok);
    let too_large = CallError::Malformed(super::blob::Error::TooLarge);
    assert_eq!(settle(&mut client, &mut bus), [Event::Reply(id, Err(too_large))]);

    let open: Vec<CallId> = (0..MAX_CALLS).map(|_| client.call("big", "read", none(), LATER)).collect();
    let beyond = client.call("big", "read", none(), LATER);
    assert_eq!(settle(&mut client, &mut bus), [Event::Reply(beyond, Err(CallError::Busy))]);
    assert_eq!(bus.calls.len(), open.len());
}

#[test]
fn a_reply_that_cannot_be_read_ends_its_call_only() {
    let (mut client, mut bus) = connected();
    bus.add("odd", Vec::new());
    settle(&mut client, &mut bus);
    let (first, second) = (client.call("odd", "a", none(), LATER), client.call("odd", "b", none(), LATER));
    settle(&mut client, &mut bus);
    let calls = std::mem::take(&mut bus.calls);
    let [high, low] = calls[0].seq.to_be_bytes();
    // DATA whose one attribute claims more than there is.
    let bad = [0, 2, high, low, 0, 0, 0, 0, 0, 0, 0, 8, 7, 0, 0, 64];
    client.handle(&bad).unwrap();
    bus.answer(&calls[1], vec![], Status::Ok);
    let events = settle(&mut client, &mut bus);
    assert_eq!(client.next_event(), None);
    assert_eq!(
        events,
        [Event::Reply(first, Err(CallError::Malformed(super::blob::Error::Truncated))), ok(second, &[])]
    );
    assert!(client.handle(&[1; 12]).is_err(), "lost framing");
}

#[test]
fn calls_are_read_as_they_are_written_in_mapping_files() {
    for (text, want) in [
        ("system board", Some(("system", "board", vec![]))),
        ("iwinfo info device=phy0-ap0", Some(("iwinfo", "info", vec![("device", "phy0-ap0")]))),
        ("o m a=b=c d=", Some(("o", "m", vec![("a", "b=c"), ("d", "")]))),
        ("o m name=my home network n=1", Some(("o", "m", vec![("name", "my home network"), ("n", "1")]))),
        ("o m x", None),
        ("o", None),
        ("o ", None),
        (" m", None),
    ] {
        let want = want.map(|(object, method, args)| {
            (object, method, Value::table(args.into_iter().map(|(name, value)| (name, Value::from(value)))))
        });
        assert_eq!(super::call_of(text), want, "{text:?}");
    }
}
