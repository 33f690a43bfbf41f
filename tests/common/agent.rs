//! The whole agent on a recorded router in memory, with a clock that a test turns and an ACS that a test plays.
//!
//! Does what `io::run` does with each action, in the same order, and writes down what it did: the [`Bench::said`] text
//! that golden cases hold. Every envelope that is posted is held against the schemas. No runtime, network or folder.
#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing)] // each test program uses its own part

#[cfg(feature = "cwmp")]
use super::cwmp_schema;
use super::device::device;
use cpeagent::agent::cwmp::Ledger;
#[cfg(feature = "cwmp")]
use cpeagent::agent::cwmp::rendering::Rendering;
use cpeagent::agent::guard::Undone;
use cpeagent::agent::{Action, Agent, Event, NotCommitted, Unkept};
#[cfg(feature = "cwmp")]
use cpeagent::cwmp::events::Record;
#[cfg(feature = "cwmp")]
use cpeagent::cwmp::soap::writer::Outgoing;
use cpeagent::dm::edit::Edit;
use cpeagent::dm::instance;
use cpeagent::dm::schema::Model;
use cpeagent::dm::source::Source;
use cpeagent::dm::tree::Tree;
use cpeagent::io::announce;
#[cfg(feature = "cwmp")]
use cpeagent::io::body::ListingBody;
use cpeagent::io::commit::{self, Request};
use cpeagent::io::disk::sim::SimDisk;
use cpeagent::io::disk::{Disk, MAX_FILE};
use cpeagent::io::guard;
#[cfg(feature = "cwmp")]
use cpeagent::io::http::body::Body;
use cpeagent::io::source::Files;
use cpeagent::io::store::{self, Store};
use cpeagent::openwrt::{json, uci};
use cpeagent::rng::Rng;
use cpeagent::sorted::{Map, Set};
use cpeagent::state::State;
use cpeagent::time::{Instant, Now, Wall};
use cpeagent::tr181;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// The settings a recorded router is given: an ACS, and a name to be woken by.
pub const SETTINGS: &str = "config acs 'acs'
\toption url 'https://acs.example.com/'
\toption username 'cpe'
\toption password 'top secret'
\toption connection_request_path 'wake'
\toption connection_request_username 'acs'
\toption connection_request_password 'open'
";
/// The folder of UCI.
const CONFIG: &str = "/etc/config";

/// The shipped model, read once per test program.
pub fn model() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(|| tr181::model().expect("the shipped model is whole"))
}

/// How a device came to an end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    Reboot,
    FactoryReset,
    /// The power went.
    Power,
}

/// A router with its agent and all they hold.
pub struct Bench {
    pub disk: SimDisk,
    pub now: Now,
    /// What was done since it was last taken.
    pub said: String,
    /// The envelopes posted, newest last; empty ones are empty.
    pub posted: Vec<String>,
    /// The answers over the local socket.
    pub answers: Vec<Tree>,
    /// What was recorded of changes.
    pub audited: Vec<cpeagent::audit::Entry>,
    /// Sources that are other than recorded.
    pub sources: BTreeMap<Box<str>, Source>,
    /// Whether ubusd is there and says nothing.
    pub silent_bus: bool,
    /// Files that somebody replaces right before the next commits: path, text.
    pub meddling: VecDeque<(String, String)>,
    /// A file that somebody replaces the moment the next Record leaves: path, text.
    #[cfg(feature = "usp")]
    pub on_send: Option<(String, String)>,
    /// The links of USP that are wanted.
    #[cfg(feature = "usp")]
    pub links: Vec<cpeagent::usp::mtp::Wanted>,
    /// What was to be done on links, oldest first.
    #[cfg(feature = "usp")]
    pub commands: Vec<cpeagent::usp::mtp::LinkCommand>,
    /// Every source that was read.
    pub fetched: BTreeSet<Box<str>>,
    /// What is asked of sources while they are slow; `None` where they answer at once.
    pub slow: Option<Vec<Box<str>>>,
    pub gone: Option<Gone>,
    /// The diagnostics that were begun.
    pub orders: Vec<cpeagent::diag::Order>,
    pub agent: Option<Agent>,
    pub store: Option<Store>,
    read: Map<Box<str>, Box<str>>,
    starts: u8,
    recorded: Recorded,
}

impl Bench {
    /// A recorded router that has not started. Its calendar is that of the recording.
    pub fn new(name: &str) -> Bench {
        let recorded = recorded(name);
        let disk = SimDisk::with(recorded.iter().map(|(path, text)| (path.as_str(), text.as_str())));
        let config = format!("{CONFIG}/cpeagent");
        if !disk.exists(&config) {
            disk.put(&config, SETTINGS);
        }
        let stat = disk.read_text("/proc/stat").unwrap_or_default();
        let boot: i64 = stat
            .lines()
            .find_map(|line| line.strip_prefix("btime "))
            .and_then(|it| it.parse().ok())
            .unwrap_or(0);
        let up = disk.read_text("/proc/uptime").unwrap_or_default();
        let up: i64 = up.split('.').next().and_then(|text| text.parse().ok()).unwrap_or(0);
        Bench {
            disk,
            now: Now { at: Instant(Duration::from_secs(1_000)), wall: Some(Wall::at(boot + up)) },
            said: String::new(),
            posted: Vec::new(),
            answers: Vec::new(),
            audited: Vec::new(),
            sources: BTreeMap::new(),
            silent_bus: false,
            meddling: VecDeque::new(),
            #[cfg(feature = "usp")]
            on_send: None,
            #[cfg(feature = "usp")]
            links: Vec::new(),
            #[cfg(feature = "usp")]
            commands: Vec::new(),
            fetched: BTreeSet::new(),
            slow: None,
            gone: None,
            orders: Vec::new(),
            agent: None,
            store: None,
            read: Map::new(),
            starts: 0,
            recorded,
        }
    }

    /// The power is cut, if it was not, and comes back: what the kernel shows is there again, the program is not.
    pub fn reboot(&mut self, seed: u8) {
        self.disk.reboot(seed);
        for (path, text) in self.recorded.iter().filter(|(path, _)| !path.contains("boot_id")) {
            if ["/proc/", "/sys/", "/ubus/", "/netlink/", "/tmp/"].iter().any(|live| path.starts_with(live)) {
                self.disk.put(path, text);
            }
        }
    }

    /// Starts the program.
    pub fn start(&mut self) {
        self.gone = None;
        self.read.clear();
        if self.disk.stat("/proc").is_err() {
            self.gone = Some(Gone::Power);
            return;
        }
        let (mut store, _, faults) = Store::load(&self.disk).expect("the stores can be read");
        for fault in faults {
            self.say(&format!("log WARN {fault}"));
        }
        let (mut unannounced, calls) = announce::left(&self.disk);
        match commit::recover(&self.disk, &mut store).expect("an interrupted commit can be dealt with") {
            commit::Recovered::Nothing => {}
            done => {
                self.say(&format!("recovered {done:?}"));
                if let commit::Recovered::Finished(packages) = done {
                    unannounced.extend(packages);
                }
            }
        }
        let _ = guard::tidy(&self.disk, store.state());
        let mut state = store.state().clone();
        state.note_start(&store::boot_id(&self.disk));
        self.starts += 1;
        let mut agent = Agent::new(model(), state, ledger(&store), Rng::new([self.starts; 32]));
        agent.resume(unannounced, calls);
        self.agent = Some(agent);
        self.store = Some(store);
        self.event(Event::Started);
    }

    /// Starts; nothing of it is said. Without an ACS there is no session to be done.
    #[cfg(not(feature = "cwmp"))]
    pub fn idle(name: &str) -> Bench {
        let mut bench = Bench::new(name);
        bench.start();
        bench.wait(Duration::from_secs(1));
        bench.said.clear();
        bench
    }

    /// Time passes, timers and all.
    pub fn wait(&mut self, wait: Duration) {
        let end = self.now.at + wait;
        for _ in 0..1_000 {
            match self.agent.as_ref().and_then(Agent::next_timer).filter(|at| *at <= end) {
                Some(at) if self.gone.is_none() => {
                    self.turn(at.since(self.now.at));
                    self.event(Event::Timer);
                }
                _ => break,
            }
        }
        self.turn(end.since(self.now.at));
    }

    /// Waits for the next timer by which something is done; how long that was.
    pub fn timer(&mut self) -> Duration {
        let (start, said) = (self.now.at, self.said.len());
        while let Some(at) = self.agent.as_ref().and_then(Agent::next_timer)
            && self.said.len() == said
        {
            self.turn(at.since(self.now.at));
            self.event(Event::Timer);
        }
        self.now.at.since(start)
    }

    fn turn(&mut self, wait: Duration) {
        let before = self.now.at.0.as_secs();
        self.now.at = self.now.at + wait;
        let passed = i64::try_from(self.now.at.0.as_secs() - before).unwrap();
        self.now.wall = self.now.wall.map(|wall| wall.plus(passed));
    }

    /// Hands one event over and carries out what follows, and what follows from that.
    pub fn event(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            if self.gone.is_some() {
                return;
            }
            let Some(mut agent) = self.agent.take() else { return };
            agent.handle(self.now, event);
            while let Some(action) = agent.poll() {
                events.extend(self.act(&mut agent, action));
                if self.disk.stat("/proc").is_err() {
                    self.gone = Some(Gone::Power);
                }
                if self.gone.is_some() {
                    return;
                }
            }
            self.agent = Some(agent);
        }
    }

    /// Slow sources answer, and are quick from then on.
    pub fn fetched(&mut self) {
        let keys = self.slow.take().unwrap_or_default();
        let sources = keys.into_iter().map(|key| self.fetch(key)).collect();
        self.event(Event::Fetched(sources));
    }

    fn say(&mut self, line: &str) {
        for line in line.lines() {
            self.said.push_str(line.trim_end());
            self.said.push('\n');
        }
    }

    fn act(&mut self, agent: &mut Agent, action: Action) -> Option<Event> {
        match action {
            Action::Fetch(keys) if self.slow.is_some() => {
                self.slow.iter_mut().for_each(|asked| asked.extend(keys.clone()))
            }
            Action::Fetch(keys) => {
                let sources = keys.into_iter().map(|key| self.fetch(key)).collect();
                return Some(Event::Fetched(sources));
            }
            Action::Commit { edits, read, calls, keep } => {
                return Some(Event::Committed(self.commit(edits, &read, calls, keep)));
            }
            Action::TakeBack(manager, note) => {
                return Some(Event::TakenBack(self.take_back(&manager, &note)));
            }
            Action::Release(manager) => {
                self.say(&format!("released {manager}"));
                let _ = guard::release(&self.disk, &manager);
            }
            Action::Save(state) => {
                let store = self.store.as_mut().unwrap();
                let before = store.state().clone();
                match store.save(&self.disk, *state) {
                    Ok(()) => {
                        let told = state_changes(&before, self.store.as_ref().unwrap().state());
                        if !told.is_empty() {
                            self.say(&format!("saved\n{}", told.trim_end()));
                        }
                    }
                    Err(error) => {
                        self.say(&format!("not saved: {error}"));
                        agent.handle(self.now, Event::NotKept(Unkept::State));
                    }
                }
            }
            #[cfg(feature = "cwmp")]
            Action::Note(records, whole) => {
                if !self.note(&records, &whole) {
                    agent.handle(self.now, Event::NotKept(Unkept::Events));
                }
            }
            #[cfg(feature = "cwmp")]
            Action::Post(outgoing) => {
                let text = body_of(outgoing, agent.take_rendering());
                if !text.is_empty() {
                    cwmp_schema::check(&text).unwrap_or_else(|why| panic!("{why}\n{text}"));
                }
                let told = pretty(&text);
                self.say(told.trim_end());
                self.posted.push(text);
            }
            #[cfg(feature = "cwmp")]
            Action::Close => self.say("closed"),
            Action::Announce(packages, calls) => {
                if !packages.is_empty() {
                    self.say(&format!("announced {}", packages.join(" ")));
                }
                if !calls.is_empty() {
                    self.say(&format!("called {}", calls.join(", ")));
                }
                let upto = self.store.as_ref().unwrap().state().commit();
                let _ = announce::told(&self.disk, upto, &[packages, calls].concat());
            }
            #[cfg(not(feature = "cwmp"))]
            Action::Configure(_) => return Some(Event::Runtime(Vec::new())),
            #[cfg(feature = "cwmp")]
            Action::Configure(config) => {
                let port =
                    if config.acs.enable && config.acs.connection_request.enable { "7547" } else { "" };
                return Some(Event::Runtime(vec![
                    ("ConnectionRequestPort", port.into()),
                    ("ConnectionRequestHost", "192.168.1.1".into()),
                ]));
            }
            Action::Answer(id, tree) => {
                self.say(&format!("answered {id}: {}", json::write(&tree)));
                self.answers.push(tree);
            }
            #[cfg(feature = "usp")]
            Action::Links(wanted) => {
                for link in &wanted {
                    self.say(&format!("link {}", link.name()));
                }
                self.links = wanted;
            }
            #[cfg(feature = "usp")]
            Action::Link(command) => {
                if let Some((path, text)) = self.on_send.take() {
                    self.disk.put(&path, &text);
                }
                self.commands.push(command);
            }
            Action::Audit(entries) => self.audited.extend(entries),
            Action::Log(level, text) => self.say(&format!("log {level} {text}")),
            Action::Diagnose(order) => {
                self.say(&format!("diagnosing {}", order.id));
                self.orders.push(*order);
            }
            Action::StopDiagnosis(id) => self.say(&format!("stopped diagnosis {id}")),
            Action::Reboot => {
                self.say("rebooted");
                self.gone = Some(Gone::Reboot);
            }
            Action::FactoryReset => {
                self.say("reset to the factory state");
                self.gone = Some(Gone::FactoryReset);
            }
        }
        None
    }

    fn fetch(&mut self, key: Box<str>) -> (Box<str>, Source) {
        self.fetched.insert(key.clone());
        if self.silent_bus && key.starts_with("ubus:") {
            return (key, Source::Failed("ubusd does not answer".into()));
        }
        if let Some(source) = self.sources.get(&key) {
            return (key, source.clone());
        }
        if let Some(package) = key.strip_prefix("uci:")
            && let Some(sum) = commit::package_sum(&self.disk, package)
        {
            self.read.insert(key.clone(), sum);
        }
        let source = Files::new(Arc::new(self.disk.clone()), true).fetch(&key);
        (key, source)
    }

    fn commit(
        &mut self,
        edits: Vec<Edit>,
        sources: &Set<Box<str>>,
        calls: Vec<Box<str>>,
        keep: Option<Box<str>>,
    ) -> Result<(u64, Vec<Box<str>>), NotCommitted> {
        let files = self.packages();
        if let Some((path, text)) = self.meddling.pop_front() {
            self.disk.put(&path, &text);
        }
        let read = self.read.iter().filter(|(key, _)| sources.contains(*key));
        let read = read.map(|(key, sum)| (key.clone(), sum.clone())).collect();
        let store = self.store.as_mut().unwrap();
        let before = store.state().clone();
        match commit::commit(&self.disk, store, &Request { edits, read, calls, keep }) {
            Ok(done) => {
                let told = state_changes(&before, self.store.as_ref().unwrap().state());
                let now = self.packages();
                self.say(&format!("committed\n{}{told}", changes(&files, &now)));
                Ok((done.sequence, done.packages))
            }
            Err(error) => {
                self.say(&format!("not committed: {error}"));
                Err(error.into())
            }
        }
    }

    fn take_back(&mut self, manager: &str, note: &str) -> Result<Undone, NotCommitted> {
        let files = self.packages();
        let store = self.store.as_mut().unwrap();
        let before = store.state().clone();
        match guard::take_back(&self.disk, store, manager, note) {
            Ok(undone) => {
                let told = state_changes(&before, &undone.state);
                let now = self.packages();
                self.say(&format!("taken back\n{}{told}", changes(&files, &now)));
                Ok(undone)
            }
            Err(error) => {
                self.say(&format!("not taken back: {error}"));
                Err(error.into())
            }
        }
    }

    #[cfg(feature = "cwmp")]
    fn note(&mut self, records: &[Record], whole: &[Record]) -> bool {
        let texts = |records: &[Record]| {
            records.iter().map(|record| json::write(&record.to_tree())).collect::<Vec<_>>()
        };
        let (texts, whole) = (texts(records), texts(whole));
        let done = self.store.as_mut().unwrap().note(&self.disk, &texts, &whole);
        for text in texts {
            self.say(&format!("noted {text}"));
        }
        if let Err(error) = &done {
            self.say(&format!("not noted: {error}"));
        }
        done.is_ok()
    }

    /// Every package's text by its name.
    pub fn packages(&self) -> BTreeMap<String, String> {
        let names = self.disk.list(CONFIG).unwrap_or_default();
        names
            .into_iter()
            .filter_map(|name| Some((name.clone(), self.text(&format!("{CONFIG}/{name}"))?)))
            .collect()
    }

    pub fn text(&self, path: &str) -> Option<String> {
        self.disk.read(path, MAX_FILE).ok().map(|text| String::from_utf8_lossy(&text).into_owned())
    }

    /// Gives the router `redirects` more port mappings and `hosts` more static leases.
    pub fn enlarge(&mut self, redirects: usize, hosts: usize) {
        let (mut firewall, mut dhcp) =
            (self.text("/etc/config/firewall").unwrap(), self.text("/etc/config/dhcp").unwrap());
        for n in 0..redirects {
            let port = 10_000 + n;
            write!(
                firewall,
                "\nconfig redirect\n\toption name 'map {n}'\n\toption src 'wan'\n\toption dest 'lan'\n\
                 \toption target 'DNAT'\n\toption family 'ipv4'\n\toption proto 'tcp'\n\
                 \toption src_dport '{port}'\n\toption dest_port '{port}'\n\toption dest_ip '192.168.1.20'\n"
            )
            .unwrap();
        }
        for n in 0..hosts {
            write!(
                dhcp,
                "\nconfig host\n\toption name 'host{n}'\n\tlist mac '02:00:00:00:{:02x}:{:02x}'\n\
                 \toption ip '192.168.1.{}'\n",
                n / 256,
                n % 256,
                n % 200 + 20
            )
            .unwrap();
        }
        self.disk.put("/etc/config/firewall", &firewall);
        self.disk.put("/etc/config/dhcp", &dhcp);
    }

    /// An option of a package as it is on disk.
    pub fn option(&self, package: &str, section: &str, option: &str) -> Option<String> {
        let text = self.text(&format!("{CONFIG}/{package}"))?;
        let tree = uci::parse(text.as_bytes(), uci::Mode::Strict).ok()?.tree();
        Some(tree.get(section)?.str(option)?.to_string())
    }
}

/// What an ACS does.
#[cfg(feature = "cwmp")]
impl Bench {
    /// Starts and has its first session done, with BOOTSTRAP delivered; nothing of it is said.
    pub fn idle(name: &str) -> Bench {
        let mut bench = Bench::new(name);
        bench.start();
        bench.informed();
        bench.nothing();
        bench.wait(Duration::from_secs(1));
        bench.forget();
        bench
    }

    /// As [`Bench::idle`], then woken, and the ACS may ask.
    pub fn in_session(name: &str) -> Bench {
        let mut bench = Bench::idle(name);
        bench.open();
        bench
    }

    /// Opens a session up to where the ACS may ask.
    pub fn open(&mut self) {
        self.event(Event::Woken);
        self.informed();
        self.forget();
    }

    fn forget(&mut self) {
        self.said.clear();
        self.posted.clear();
    }

    /// The ACS takes the Inform.
    pub fn informed(&mut self) {
        self.reply(
            200,
            envelope("i", "<cwmp:InformResponse><MaxEnvelopes>1</MaxEnvelopes></cwmp:InformResponse>"),
        );
    }

    /// The ACS has nothing to ask.
    pub fn nothing(&mut self) {
        self.reply(204, String::new());
    }

    /// The ACS asks; what comes back.
    pub fn ask(&mut self, body: &str) -> String {
        self.reply(200, envelope("q", body));
        self.posted.last().cloned().unwrap_or_default()
    }

    pub fn reply(&mut self, status: u16, body: String) {
        self.event(Event::Reply { status, body: body.into_bytes() });
    }
}

/// The events that no ACS has confirmed yet.
fn ledger(store: &Store) -> Ledger {
    #[cfg(feature = "cwmp")]
    return Ledger::replay(
        store.events().iter().filter_map(|(_, text)| Record::from_tree(&json::parse(text.as_bytes()).ok()?)),
    );
    #[cfg(not(feature = "cwmp"))]
    {
        let _ = store;
        Ledger
    }
}

/// Paths with their texts.
type Recorded = Arc<Vec<(String, String)>>;

/// The files of a recorded router; read once per test program.
fn recorded(name: &str) -> Recorded {
    static KNOWN: Mutex<BTreeMap<String, Recorded>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let files = known.entry(name.to_string()).or_insert_with(|| {
        let root = device(name);
        let mut files = Vec::new();
        collect(root.path(), root.path(), &mut files);
        Arc::new(files)
    });
    files.clone()
}

/// Every file below `folder`, by its path from `root`.
fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let text = std::fs::read(&path).unwrap();
            let name = format!("/{}", path.strip_prefix(root).unwrap().to_str().unwrap());
            files.push((name, String::from_utf8_lossy(&text).into_owned()));
        }
    }
}

/// `body` in an envelope as an ACS sends it.
pub fn envelope(id: &str, body: &str) -> String {
    format!(
        "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:soapenc=\"http://schemas.xmlsoap.org/soap/encoding/\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:cwmp=\"urn:dslforum-org:cwmp-1-2\">\
         <soapenv:Header><cwmp:ID soapenv:mustUnderstand=\"1\">{id}</cwmp:ID></soapenv:Header>\
         <soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
    )
}

/// The most that a connection has in hand of a long list, in octets: a piece, and blanks for a 64th of the list.
const MAX_PIECE: usize = 128 * 1024;

#[cfg(feature = "cwmp")]
/// The text that goes out, long lists pulled as a connection pulls them: begun, refused by a 401, and sent again.
pub fn body_of(outgoing: Outgoing, rows: Option<Rendering>) -> String {
    match outgoing {
        Outgoing::Empty => String::new(),
        Outgoing::Text(text) => text,
        Outgoing::Listing(listing) => {
            let mut body = ListingBody::new(listing, rows.expect("a list has rows"));
            let (mut begun, mut out) = (Vec::new(), Vec::new());
            assert!(body.piece(&mut begun).unwrap(), "a long list has a piece");
            body.rewind();
            loop {
                let before = out.len();
                let more = body.piece(&mut out).expect("the list is as it was counted");
                assert!(out.len() - before <= MAX_PIECE, "a piece of {} octets", out.len() - before);
                if !more {
                    break;
                }
            }
            assert!(out.starts_with(&begun), "the same once more");
            assert_eq!(out.len() as u64, body.length(), "as long as announced");
            String::from_utf8(out).unwrap()
        }
    }
}

/// What changed in the agent's state, a line per option; of numbers given a line per table.
fn state_changes(before: &State, after: &State) -> String {
    let flat = |state: &State| -> BTreeMap<String, String> {
        let mut out = BTreeMap::new();
        for (section, tree) in state.tree().entries() {
            if tree.str(".type") == Some(instance::KIND) {
                out.insert(format!("numbers {section}"), json::write(tree));
                continue;
            }
            for (option, value) in tree.entries().iter().filter(|(option, _)| &**option != ".type") {
                if !matches!(&**option, "boot_id" | "boots" | "commit") {
                    out.insert(format!("{section}.{option}"), json::write(value));
                }
            }
        }
        out
    };
    let (old, new) = (flat(before), flat(after));
    let mut out = String::new();
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut tables = 0;
    for key in keys {
        let (was, is) = (old.get(key), new.get(key));
        if was == is {
            continue;
        }
        match (key.strip_prefix("numbers "), is) {
            (Some(_), _) => tables += 1,
            (None, Some(is)) => writeln!(out, "  state {key} = {is}").unwrap(),
            (None, None) => writeln!(out, "  state {key} gone").unwrap(),
        }
    }
    match tables {
        0 => {}
        // How many there are in the whole tree is the families' business.
        6.. => writeln!(out, "  state numbers of many tables").unwrap(),
        _ => writeln!(out, "  state numbers of {tables} tables").unwrap(),
    }
    out
}

/// What changed in packages, as lines `-` and `+` under the package's name.
pub fn changes(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    for (name, new) in after {
        let old = before.get(name).map(String::as_str).unwrap_or_default();
        if old != new {
            writeln!(out, "  {name}").unwrap();
            for line in diff(&old.lines().collect::<Vec<_>>(), &new.lines().collect::<Vec<_>>()) {
                writeln!(out, "    {}", line.replace('\t', " ")).unwrap();
            }
        }
    }
    out
}

/// The lines that went and came, in order.
fn diff(old: &[&str], new: &[&str]) -> Vec<String> {
    let mut common = vec![vec![0usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if old[i] == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            out.push(format!("-{}", old[i]));
            i += 1;
        } else {
            out.push(format!("+{}", new[j]));
            j += 1;
        }
    }
    out
}

/// An envelope with a line per element that holds others, and one per row of leaves; namespaces of the envelope in words.
pub fn pretty(text: &str) -> String {
    if text.is_empty() {
        return "POST empty".into();
    }
    let version = text.split("xmlns:cwmp=\"urn:dslforum-org:").nth(1).and_then(|rest| rest.split('"').next());
    let header =
        text.split("<soap-env:Header>").nth(1).and_then(|rest| rest.split("</soap-env:Header>").next());
    let body = text.split("<soap-env:Body>").nth(1).and_then(|rest| rest.split("</soap-env:Body>").next());
    let mut out = format!("POST {}\n  {}\n", version.unwrap_or("?"), header.unwrap_or("?"));
    let body = body.unwrap_or("?").replace('\n', "&#10;");
    let mut depth = 1;
    // What is left of the announced length is filled up with blanks.
    let mut rest = body.trim_start();
    while let Some(end) = rest.find('>') {
        let tag = &rest[..=end];
        let indent = "  ".repeat(depth);
        if tag.starts_with("</") {
            depth -= 1;
            writeln!(out, "{}{tag}", "  ".repeat(depth)).unwrap();
            rest = rest[end + 1..].trim_start();
            continue;
        }
        let name = tag[1..].split(['>', ' ']).next().unwrap();
        let close = format!("</{name}>");
        let inner = &rest[end + 1..];
        let len = inner.find(&close).unwrap_or(0);
        let content = &inner[..len];
        // A leaf, or a struct of leaves: on one line.
        let flat = !content.contains('<') || (name.ends_with("Struct") && !content.contains("arrayType"));
        if flat {
            writeln!(out, "{indent}{tag}{content}{close}").unwrap();
            rest = inner[len + close.len()..].trim_start();
        } else {
            writeln!(out, "{indent}{tag}").unwrap();
            depth += 1;
            rest = inner.trim_start();
        }
    }
    out
}
