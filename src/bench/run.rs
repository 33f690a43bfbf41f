//! `cpeagent demo`: the workbench's ACS, an agent on a copy of a recorded router, and the story of the two.

use super::acs::{Acs, Settings};
use super::auth::Login;
use super::demo::{self, Agent};
use crate::openwrt::uci;
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
    child: Option<Child>,
}

impl Agent for Process {
    async fn start(&mut self, acs_url: &str) -> io::Result<()> {
        let settings = format!(
            "config acs 'acs'\n\toption url '{acs_url}'\n\toption allow_plain_http '1'\n\toption periodic_interval '300'\n"
        );
        fs::write(self.folder.join("etc/config/cpeagent"), settings)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--root").arg(&self.folder).arg("run");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        self.child = Some(command.spawn()?);
        Ok(())
    }
}

/// Runs the demo on a copy of the recorded router in `device`; 0 if every step did what it should.
///
/// Without `once` the ACS stays, with its page, until the program is told to end.
pub async fn demo(device: &Path, once: bool) -> io::Result<u8> {
    let folder = std::env::temp_dir().join(format!("cpeagent-demo-{}", std::process::id()));
    copy(device, &folder)?;
    let wake = Login {
        user: "workbench".into(),
        password: crate::secret::Secret::new(crate::rng::Rng::new(crate::io::random::seed()).hex(8)),
    };
    let page = (!once).then(|| SocketAddr::from(([127, 0, 0, 1], 0)));
    let acs = Acs::start(Settings { page, wake: Some(wake), linger: LINGER, ..Settings::default() }).await?;
    say!("ACS        {}", acs.url());
    say!("router     {} (a copy of {})", folder.display(), device.display());
    let mut agent = Process { folder: folder.clone(), child: None };
    let report = demo::run(&acs, &mut agent, &mut |step| say!("{step}")).await?;
    for remark in &report.remarks {
        say!("✗ the ACS remarks: {remark}");
    }
    say!("\nWhat the router's configuration says now:");
    let changed: String = SHOWN.iter().map(|package| changes(device, &folder, package)).collect();
    say!("{}", changed.trim_end());
    if !once {
        if let Some(url) = acs.page_url() {
            say!("\nThe ACS stays up: {url} (end with Ctrl-C)");
        }
        crate::io::signals::ended().recv().await;
    }
    if let Some(mut child) = agent.child.take() {
        let _ = child.kill().await;
    }
    let _ = fs::remove_dir_all(&folder);
    Ok(report.exit_code())
}

/// The recorded router to show: `tests/devices/wr4000-25.12` of the checkout the program was built in.
pub fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/devices/wr4000-25.12")
}

fn changes(before: &Path, after: &Path, package: &str) -> String {
    let read = |root: &Path| {
        let text = fs::read(root.join("etc/config").join(package)).unwrap_or_default();
        uci::parse(&text, uci::Mode::Lenient).map(|file| file.tree()).ok()
    };
    match (read(before), read(after)) {
        (Some(before), Some(after)) => {
            uci::diff(package, &before, &after, |option| uci::is_secret(package, option)).to_string()
        }
        _ => String::new(),
    }
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
