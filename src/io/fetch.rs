//! Fetching any source, each within a deadline: files and recordings, the live ubus and netlink, system facts.
//!
//! One [`Fetch`] for the whole program. Files are read on the blocking pool in one go per request, ubus calls run
//! side by side, netlink dumps one after the other. What the keys of files mean is [`super::source`]'s; the facts
//! that no file tells are [`super::facts`]'s.

use super::diag::lookup;
use super::disk::Disk;
use super::facts::Facts;
use super::netlink::Netlink;
use super::pool;
use super::source::Files;
use super::ubus::Ubus;
use crate::dm::source::Source;
use crate::dm::tree::Tree;
use crate::sorted::Set;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The longest that one source may take; most take a few milliseconds, an `iwinfo scan` some seconds.
pub const SOURCE_WAIT: Duration = Duration::from_secs(10);
/// ubus calls of one request that are under way at a time.
const MAX_CALLS: usize = 16;

/// Every source of one router.
#[derive(Clone)]
pub struct Fetch {
    files: Files,
    live: Option<Arc<Live>>,
}

struct Live {
    ubus: Ubus,
    /// Opened with the first dump, and anew after one that failed.
    netlink: Mutex<Option<Netlink>>,
    facts: Facts,
}

impl Fetch {
    /// The sources of a device folder: ubus, netlink and facts are read from what is recorded in it.
    pub fn recorded(disk: Arc<dyn Disk>) -> Fetch {
        Fetch { files: Files::new(disk, true), live: None }
    }

    /// The sources of the router we run on.
    pub fn live(disk: Arc<dyn Disk>, ubus: Ubus) -> Fetch {
        let live = Live { ubus, netlink: Mutex::new(None), facts: Facts::new(disk.clone()) };
        Fetch { files: Files::new(disk, false), live: Some(Arc::new(live)) }
    }

    /// The source of `key`, or [`Source::Failed`] after [`SOURCE_WAIT`].
    ///
    /// `uci:`, `file:`, `dir:`, `json:`, `stat:` as [`Files::fetch`] says; `ubus:`, `nl:`; `sys:facts` and
    /// `sys:space PATH` (a map of `total`, `free`, `available` in KiB); `dns:SERVER NAME` (a list of addresses, absent where
    /// the name server at that address does not answer). Anything else is absent.
    pub async fn fetch(&self, key: &str) -> Source {
        let mut sources = self.fetch_all(Set::from([key.into()])).await;
        sources.pop().map_or(Source::Absent, |(_, source)| source)
    }

    /// The source of `key`, if it can be read without waiting.
    pub fn at_once(&self, key: &str) -> Option<Source> {
        self.files.at_once(key)
    }

    /// The sources of many keys, in any order, each key once. Takes no longer than the slowest of each kind.
    pub async fn fetch_all(&self, keys: Set<Box<str>>) -> Vec<(Box<str>, Source)> {
        let mut sources = Vec::with_capacity(keys.len());
        let (mut files, mut calls, mut dumps, mut facts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut names = Vec::new();
        for key in keys {
            match (key.split_once(':'), &self.live) {
                (Some(("ubus", _)), Some(_)) => calls.push(key),
                (Some(("nl", _)), Some(_)) => dumps.push(key),
                (Some(("sys", _)), Some(_)) => facts.push(key),
                (Some(("dns", _)), Some(_)) => names.push(key),
                (Some(_), _) => files.push(key),
                (None, _) => sources.push((key, Source::Failed("no such source".into()))),
            }
        }
        let (files, live) = tokio::join!(self.read(files), async {
            match &self.live {
                None => Vec::new(),
                Some(live) => {
                    let (calls, dumps, facts, names) =
                        tokio::join!(live.call(calls), live.dump(dumps), live.tell(facts), look_up(names));
                    [calls, dumps, facts, names].concat()
                }
            }
        });
        sources.extend(files);
        sources.extend(live);
        sources
    }

    /// Reads files on the blocking pool; those behind one that hangs fail too, when time is up.
    async fn read(&self, keys: Vec<Box<str>>) -> Vec<(Box<str>, Source)> {
        if keys.is_empty() {
            return Vec::new();
        }
        // All at once, or the loop would be woken for each of them; nothing any more for who has given up.
        let read = Arc::new(std::sync::Mutex::new(Some(Vec::with_capacity(keys.len()))));
        let (files, wanted, reading) = (self.files.clone(), keys.clone(), read.clone());
        let done = pool::run(move || {
            for key in wanted {
                let source = files.fetch(&key);
                match &mut *reading.lock().unwrap_or_else(PoisonError::into_inner) {
                    Some(sources) => sources.push(source),
                    None => return,
                }
            }
        });
        let _ = timeout(SOURCE_WAIT, done).await;
        let read = read.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        let mut read = read.into_iter();
        keys.into_iter().map(|key| (key, read.next().unwrap_or_else(late))).collect()
    }
}

impl Live {
    async fn call(&self, keys: Vec<Box<str>>) -> Vec<(Box<str>, Source)> {
        let (mut sources, mut calls) = (Vec::with_capacity(keys.len()), JoinSet::new());
        for key in keys {
            if calls.len() >= MAX_CALLS {
                sources.extend(calls.join_next().await.and_then(Result::ok));
            }
            let ubus = self.ubus.clone();
            calls.spawn(Box::pin(async move {
                let call = key.strip_prefix("ubus:").unwrap_or_default();
                let source = ubus.source(call, SOURCE_WAIT).await;
                (key, source)
            }) as Asking);
        }
        while let Some(done) = calls.join_next().await {
            sources.extend(done);
        }
        sources
    }

    async fn dump(&self, keys: Vec<Box<str>>) -> Vec<(Box<str>, Source)> {
        let mut sources = Vec::with_capacity(keys.len());
        for key in keys {
            let source = timeout(SOURCE_WAIT, self.table(key.strip_prefix("nl:").unwrap_or_default()));
            let source = source.await.unwrap_or_else(|_| late());
            sources.push((key, source));
        }
        sources
    }

    async fn table(&self, kind: &str) -> Source {
        let mut socket = self.netlink.lock().await;
        // Taken out, so that a dump given up half-way does not leave its answers to the next one.
        let opened = socket.take().map_or_else(Netlink::open, Ok);
        match opened {
            Ok(mut netlink) => {
                let source = netlink.source(kind).await;
                if !matches!(source, Source::Failed(_)) {
                    *socket = Some(netlink);
                }
                source
            }
            Err(why) => Source::Failed(format!("netlink: {why}")),
        }
    }

    async fn tell(&self, keys: Vec<Box<str>>) -> Vec<(Box<str>, Source)> {
        let mut sources = Vec::with_capacity(keys.len());
        for key in keys {
            let source =
                timeout(SOURCE_WAIT, self.facts.source(key.strip_prefix("sys:").unwrap_or_default()));
            let source = source.await.unwrap_or_else(|_| late());
            sources.push((key, source));
        }
        sources
    }
}

/// One of several that are asked side by side. In a box, as [`pool::Work`] is.
type Asking = Pin<Box<dyn Future<Output = (Box<str>, Source)> + Send>>;

/// Asks name servers side by side; there are a few at most.
async fn look_up(keys: Vec<Box<str>>) -> Vec<(Box<str>, Source)> {
    let mut questions = JoinSet::new();
    for key in keys {
        questions.spawn(Box::pin(async move {
            let asked = key.strip_prefix("dns:").and_then(|rest| rest.split_once(' '));
            let answer = match asked.and_then(|(server, name)| Some((server.parse().ok()?, name))) {
                Some((server, name)) => lookup::asked(server, name).await,
                None => None,
            };
            let addresses =
                answer.map(|found| found.iter().map(|address| Tree::from(address.to_string())).collect());
            let source = addresses.map_or(Source::Absent, |found| Source::ready(Tree::List(found)));
            (key, source)
        }) as Asking);
    }
    questions.join_all().await
}

fn late() -> Source {
    Source::Failed(format!("no answer within {} s", SOURCE_WAIT.as_secs()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::disk::sim::SimDisk;
    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    fn kind(source: &Source) -> &'static str {
        match source {
            Source::Ready(_) => "ready",
            Source::Absent => "absent",
            Source::Failed(_) => "failed",
        }
    }

    fn files() -> SimDisk {
        SimDisk::with([
            ("/etc/config/network", "config interface 'lan'\n"),
            ("/etc/config/broken", "option x\n"),
            ("/ubus/system.board.json", "{\"model\": \"X\"}"),
            ("/netlink/link.json", "[]"),
            ("/facts.json", "{\"machine\": \"mips\", \"space\": {\"/overlay\": {\"total\": 9}}}"),
        ])
    }

    #[test]
    fn every_key_asked_for_is_answered_once_and_a_failure_stays_its_own() {
        let keys = [
            ("uci:network", "ready"),
            ("uci:broken", "failed"),
            ("uci:none", "absent"),
            ("ubus:system board", "ready"),
            ("ubus:system info", "absent"),
            ("nl:link", "ready"),
            ("sys:facts", "ready"),
            ("sys:space /overlay", "ready"),
            ("sys:space /none", "absent"),
            ("agent:x", "absent"),
            ("nonsense", "failed"),
        ];
        let fetch = Fetch::recorded(Arc::new(files()));
        let got = block_on(fetch.fetch_all(keys.iter().map(|(key, _)| (*key).into()).collect()));
        assert_eq!(got.len(), keys.len());
        for (key, want) in keys {
            let source = got.iter().find(|(got, _)| &**got == key).map(|(_, source)| kind(source));
            assert_eq!(source, Some(want), "{key}");
        }
    }

    #[test]
    fn a_live_router_is_asked_and_recordings_in_its_files_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        block_on(async {
            tokio::time::pause();
            let (ubus, _events) = Ubus::connect(vec![folder.path().join("no-ubusd")]);
            let fetch = Fetch::live(Arc::new(files()), ubus);
            assert_eq!(kind(&fetch.fetch("uci:network").await), "ready");
            assert_eq!(
                kind(&fetch.fetch("ubus:system board").await),
                "failed",
                "the recorded reply is not taken"
            );
            let Source::Ready(links) = fetch.fetch("nl:link").await else { panic!("no links") };
            assert!(links.items().iter().any(|link| link.str("ifname") == Some("lo")));
        });
    }
}
