//! What a running router tells by itself: ubus notifications and events, and the kernel over netlink.
//!
//! Each becomes the keys of the sources that may have changed; which parameters those are is the agent's to know.
//! Calls on the object of our own go to [`object`].

use super::local::Asker;
use super::netlink::{Told, Watch};
use super::object;
use super::pool;
use super::ubus::Ubus;
use crate::dm::tree::Tree;
use crate::openwrt::netlink::{Dump, Notice};
use crate::openwrt::ubus::client::Event;
use crate::sorted::Set;
use tokio::sync::mpsc;

/// Objects whose notifications tell of changes.
const SUBSCRIBED: &[&str] = &["network.interface", "network.device", "service", "dnsmasq", "dhcp", "hostapd"];
/// Broadcasts that do.
const HEARD: &[&str] = &["network.interface"];

/// Sends the keys of sources that may have changed into `changed`, until its receiver is gone.
pub async fn watch(
    ubus: Ubus,
    mut events: mpsc::Receiver<Event>,
    changed: mpsc::Sender<Set<Box<str>>>,
    asker: Asker,
) {
    ubus.publish(object::PATH, object::methods()).await;
    for path in SUBSCRIBED {
        ubus.subscribe(path).await;
    }
    for pattern in HEARD {
        ubus.listen(pattern).await;
    }
    let kernel = pool::spawn(watch_kernel(changed.clone()));
    while let Some(event) = events.recv().await {
        let keys = match event {
            Event::Notified { source, kind, data } => notified(&source, &kind, &data),
            Event::Heard { id, .. } => of(&[&format!("ubus:{id}")]),
            // Something was missed: everything may have changed.
            Event::Connected | Event::Subscribed(_) => of(&["ubus:"]),
            Event::Appeared(path) | Event::Vanished(path) => of(&[&format!("ubus:{path}")]),
            Event::Invoked(call) => {
                // Its answer may need what is told here.
                pool::spawn(object::serve(ubus.clone(), asker.clone(), call));
                continue;
            }
            Event::Published(path, Err(why)) => {
                log::warn!("ubus: {path} is not registered: {why}");
                continue;
            }
            Event::Reply(..) | Event::Listed(..) | Event::Published(..) => continue,
        };
        if changed.send(keys).await.is_err() {
            break;
        }
    }
    kernel.abort();
}

fn notified(source: &str, kind: &str, data: &Tree) -> Set<Box<str>> {
    match (source, kind) {
        // procd tells of every package that somebody announced.
        ("service", "config.change") => match data.str("package").or_else(|| data.str("config")) {
            Some(package) => of(&[&format!("uci:{package}")]),
            None => of(&["ubus:service list"]),
        },
        (source, _) => of(&[&format!("ubus:{source}")]),
    }
}

/// The table that changed, and the link if it is one.
fn of_notice(notice: &Notice) -> Vec<Box<str>> {
    let link = notice.row.str("ifname").filter(|_| notice.table == Dump::Links);
    let table = format!("nl:{}", notice.table.name());
    std::iter::once(table).chain(link.map(|name| format!("link:{name}"))).map(Into::into).collect()
}

fn of(keys: &[&str]) -> Set<Box<str>> {
    keys.iter().map(|key| (*key).into()).collect()
}

async fn watch_kernel(changed: mpsc::Sender<Set<Box<str>>>) {
    let mut watch = match Watch::open().await {
        Ok(watch) => watch,
        Err(error) => return log::warn!("changes of links, addresses and routes are not told: {error}"),
    };
    loop {
        let keys = match watch.next().await {
            Ok(Told::Changes(notices)) => notices.iter().flat_map(of_notice).collect(),
            Ok(Told::Overrun) => of(&["nl:"]),
            Err(error) => {
                return log::warn!("changes of links, addresses and routes are no longer told: {error}");
            }
        };
        if changed.send(keys).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_names_the_sources_that_may_have_changed() {
        let change = Tree::map([("package", Tree::from("network"))]);
        for (source, kind, data, want) in [
            ("service", "config.change", &change, "uci:network"),
            ("service", "instance.start", &change, "ubus:service"),
            ("network.interface", "interface.update", &change, "ubus:network.interface"),
        ] {
            assert_eq!(notified(source, kind, data), of(&[want]), "{source} {kind}");
        }
    }
}
