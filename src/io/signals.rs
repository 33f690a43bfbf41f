//! The signals that end the program in order.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT.
pub struct Ended {
    signals: Vec<Signal>,
}

/// Listens for the end from now on.
pub fn ended() -> Ended {
    let signals = [SignalKind::terminate(), SignalKind::interrupt()];
    Ended { signals: signals.into_iter().filter_map(|kind| signal(kind).ok()).collect() }
}

impl Ended {
    /// Returns once the program is told to end.
    pub async fn recv(&mut self) {
        std::future::poll_fn(|context| {
            for signal in &mut self.signals {
                if signal.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(());
                }
            }
            std::task::Poll::Pending
        })
        .await;
    }
}
