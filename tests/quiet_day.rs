//! What a quiet day costs in flash: the ACS is met every hour and nothing changes.
#![cfg(feature = "cwmp")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/agent.rs"]
mod agent;
#[path = "common/cwmp_schema.rs"]
mod cwmp_schema;
#[path = "common/device.rs"]
mod device;

use agent::Bench;
use cpeagent::io::disk::Disk;
use std::time::Duration;

const SESSIONS: u32 = 24;
/// Octets that a quiet day may write to flash: well below one erase block of the smallest NOR flash (64 KiB).
const BUDGET: u64 = 16 * 1024;

#[test]
fn a_quiet_day_of_24_sessions_stays_within_its_budget_of_flash() {
    let mut bench = Bench::new("wr4000-25.12");
    let hourly = format!("{}\toption periodic_interval '3600'\n", agent::SETTINGS);
    bench.disk.put("/etc/config/cpeagent", &hourly);
    bench.start();
    bench.informed();
    bench.nothing();
    bench.wait(Duration::from_secs(30));
    let before = bench.disk.written();
    let mut told = 0;
    for _ in 0..SESSIONS {
        bench.posted.clear();
        bench.wait(Duration::from_secs(3600));
        told += u32::from(bench.posted.iter().any(|text| text.contains("2 PERIODIC")));
        bench.informed();
        bench.nothing();
    }
    let after = bench.disk.written();
    let (bytes, syncs) = (after.bytes - before.bytes, after.syncs - before.syncs);
    println!("flash, quiet day of {SESSIONS} sessions: {bytes} octets in {syncs} syncs");
    assert_eq!(told, SESSIONS, "each hour has its session");
    assert!(bytes > 0, "a periodic event outlives a power cut, so it is written");
    assert!(bytes <= BUDGET, "{bytes} octets");
}
