//! Somebody else's broker of MQTT, where it is installed.
#![allow(dead_code, clippy::unwrap_used)] // each test program uses its own part

use std::path::Path;
use std::process::{Child, Command, Stdio};
use tokio::net::{TcpListener, TcpStream};

/// A mosquitto of our own, ended with this.
pub struct Broker {
    child: Child,
    /// On loopback.
    pub port: u16,
    folder: tempfile::TempDir,
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

const MOSQUITTO: [&str; 3] = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"];

impl Broker {
    /// `None`, with a note, where there is no mosquitto.
    pub async fn start() -> Option<Broker> {
        if !MOSQUITTO.iter().any(|path| Path::new(path).exists()) {
            eprintln!("left out: there is no mosquitto");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..20 {
            // The port may be taken by another before it starts; then it ends at once.
            let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
            let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 4\n");
            std::fs::write(folder.path().join("mosquitto.conf"), text).unwrap();
            if let Some(child) = Broker::run(folder.path(), port).await {
                return Some(Broker { child, port, folder });
            }
        }
        panic!("mosquitto does not start");
    }

    async fn run(folder: &Path, port: u16) -> Option<Child> {
        let program = MOSQUITTO.iter().find(|path| Path::new(path).exists()).unwrap();
        let mut command = Command::new(program);
        command.arg("-c").arg(folder.join("mosquitto.conf")).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        loop {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Some(child);
            }
            if child.try_wait().unwrap().is_some() {
                return None;
            }
            tokio::task::yield_now().await;
        }
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Ends it, and starts it anew without what it knew.
    pub async fn restart(&mut self) {
        self.stop();
        self.child = Broker::run(self.folder.path(), self.port).await.expect("the port is still free");
    }
}
