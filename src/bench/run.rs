//! `cpeagent demo`: the workbench's ACS and USP controller, an agent on a copy of a recorded router, and their story.
//! `cpeagent workbench`: the former alone, for agents elsewhere.

use super::acs::{Acs, Settings};
use super::auth::Login;
use super::controller::{self, Controller, Transport};
use super::demo::{self, Agent};
use crate::dm::tree::Tree;
use crate::openwrt::uci;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long the ACS keeps a session open for the next step of the story.
const LINGER: Duration = Duration::from_secs(5);
/// The packages whose changes are shown at the end.
const SHOWN: &[&str] = &["wireless", "firewall", "network", "dhcp", "system", "cpeagent"];

/// A line for whoever watches; one who looks away (`| head`) does not end the demo.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(io::stdout(), $($text)*);
    }};
}

/// An agent of this very program, on a folder.
struct Process {
    folder: PathBuf,
    usp: Controller,
    child: Option<Child>,
    /// The packages when it was started.
    first: Packages,
    /// The packages when they were looked at last.
    seen: Packages,
}

type Packages = BTreeMap<&'static str, Tree>;

impl Agent for Process {
    async fn start(&mut self, acs_url: &str) -> io::Result<()> {
        let settings = format!(
            "config acs 'acs'\n\toption url '{acs_url}'\n\toption allow_plain_http '1'\n\toption periodic_interval '300'\n{}",
            usp_settings(&self.usp)
        );
        fs::write(self.folder.join("etc/config/cpeagent"), settings)?;
        self.first = packages(&self.folder);
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--root").arg(&self.folder).arg("run");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        self.child = Some(command.spawn()?);
        Ok(())
    }

    fn changes(&mut self) -> String {
        let before = std::mem::replace(&mut self.seen, packages(&self.folder));
        differences(&before, &self.seen)
    }
}

/// Controllers on this machine that may do everything, one for each transport. Only a demo does without TLS.
fn usp_settings(usp: &Controller) -> String {
    let (path, port, topic) = (controller::PATH, usp.port(), controller::TOPIC);
    let [endpoint, endpoint_mqtt] = [Transport::WebSocket, Transport::Mqtt].map(Transport::endpoint);
    let (broker, broker_port) = (usp.broker().ip(), usp.broker().port());
    format!(
        "
config role 'full'
\toption enable '1'

config permission 'full_all'
\toption role 'full'
\toption enable '1'
\tlist target 'Device.'
\toption param 'rwxn'
\toption object 'rwxn'
\toption instance 'rwxn'
\toption command 'rwxn'

config controller 'workbench'
\toption enable '1'
\toption endpoint_id '{endpoint}'
\tlist role 'full'

config controller_mtp 'workbench_ws'
\toption controller 'workbench'
\toption enable '1'
\toption host '127.0.0.1'
\toption port '{port}'
\toption path '{path}'
\toption encryption '0'

config controller 'workbench_mqtt'
\toption enable '1'
\toption endpoint_id '{endpoint_mqtt}'
\tlist role 'full'

config controller_mtp 'workbench_mqtt_topic'
\toption controller 'workbench_mqtt'
\toption enable '1'
\toption protocol 'MQTT'
\toption mtp 'broker_mtp'
\toption topic '{topic}'

config mtp 'broker_mtp'
\toption enable '1'
\toption protocol 'MQTT'
\toption mqtt 'broker'
\toption response_topic 'usp/agents/demo'

config mqtt 'broker'
\toption enable '1'
\toption broker '{broker}'
\toption port '{broker_port}'
"
    )
}

/// Runs the demo on a copy of the recorded router in `device`; 0 if every step did what it should.
///
/// Without `once` ACS and controller stay, with their page, until the program is told to end. MQTT goes through `broker`, or
/// through one of its own.
pub async fn demo(device: &Path, once: bool, broker: Option<SocketAddr>) -> io::Result<u8> {
    let folder = std::env::temp_dir().join(format!("cpeagent-demo-{}", std::process::id()));
    let (acs, usp) = start(!once, None, broker).await?;
    copy(device, &folder)?;
    say!("router     {} (a copy of {})", folder.display(), device.display());
    let mut agent =
        Process { folder: folder.clone(), usp, child: None, first: Packages::new(), seen: Packages::new() };
    let report = demo::run(&acs, &mut agent, &mut |step| say!("{step}")).await?;
    for remark in &report.remarks {
        say!("✗ the ACS remarks: {remark}");
    }
    say!("\nWhat the router's configuration says now:");
    say!("{}", differences(&agent.first, &packages(&folder)).trim_end());
    if !once {
        if let Some(url) = acs.page_url() {
            say!("\nThe workbench stays up: {url} (end with Ctrl-C)");
        }
        crate::io::signals::ended().recv().await;
    }
    if let Some(mut child) = agent.child.take() {
        let _ = child.kill().await;
    }
    let _ = fs::remove_dir_all(&folder);
    Ok(report.exit_code())
}

/// Serves agents elsewhere until the program is told to end, and wakes them at `wake_at` instead of where they say. MQTT goes
/// through `broker`, or through one of its own.
pub async fn workbench(wake_at: Option<SocketAddr>, broker: Option<SocketAddr>) -> io::Result<()> {
    let (acs, _) = start(true, wake_at, broker).await?;
    say!("page       {}", acs.page_url().unwrap_or_default());
    crate::io::signals::ended().recv().await;
    Ok(())
}

/// ACS and controller on free ports of loopback; says where.
async fn start(
    page: bool,
    wake_at: Option<SocketAddr>,
    broker: Option<SocketAddr>,
) -> io::Result<(Acs, Controller)> {
    let password = crate::secret::Secret::new(crate::rng::Rng::new(crate::io::random::seed()).hex(8));
    let wake = Some(Login { user: "workbench".into(), password });
    let page = page.then(|| SocketAddr::from(([127, 0, 0, 1], 0)));
    let settings = Settings { page, usp: true, broker, wake, wake_at, linger: LINGER, ..Settings::default() };
    let acs = Acs::start(settings).await?;
    say!("ACS        {}", acs.url());
    let usp = acs.controller().ok_or_else(|| io::Error::other("no USP controller"))?;
    for over in Transport::ALL {
        say!("controller {} at {}", over.endpoint(), usp.url(over));
    }
    Ok((acs, usp))
}

/// The recorded router to show: `tests/devices/wr4000-25.12` of the checkout the program was built in.
pub fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/devices/wr4000-25.12")
}

/// What is shown of the router in a folder, as far as it can be read.
fn packages(root: &Path) -> Packages {
    let read = |name: &&'static str| {
        let text = fs::read(root.join("etc/config").join(name)).ok()?;
        Some((*name, uci::parse(&text, uci::Mode::Lenient).ok()?.tree()))
    };
    SHOWN.iter().filter_map(read).collect()
}

fn differences(before: &Packages, after: &Packages) -> String {
    let nothing = Tree::List(Vec::new());
    let each = after.iter().map(|(name, now)| {
        let was = before.get(name).unwrap_or(&nothing);
        uci::diff(name, was, now, |option| uci::is_secret(name, option))
    });
    each.collect()
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(&from, &to)?;
        } else {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}
