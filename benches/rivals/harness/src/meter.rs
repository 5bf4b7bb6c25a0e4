//! Marks, and the line of results between them.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};

use crate::{Job, allocator};

/// The first mark. Processor time is that of all threads of this process, user and system.
#[derive(Debug)]
pub struct Meter {
    wall: Instant,
    cpu: Duration,
    allocations: u64,
    switches: i64,
}

impl Meter {
    /// Sets the first mark.
    #[must_use]
    pub fn start() -> Self {
        Self { wall: Instant::now(), allocations: allocator::count(), switches: switches(), cpu: cpu() }
    }

    /// Sets the second mark and prints the line of results, per message (connection, ...).
    pub fn stop(self, who: &str, job: &Job) {
        let line = self.line(job.count);
        report(who, job, &line);
    }

    /// [`stop`](Self::stop), with percentiles.
    pub fn stop_with(self, who: &str, job: &Job, latencies: Latencies) {
        let line = self.line(job.count);
        report(who, job, &format!("{line},{}", latencies.line()));
    }

    /// What was measured since, per message.
    #[must_use]
    pub fn line(&self, messages: u64) -> String {
        let per_message = |nanos: Duration| nanos.as_nanos() as f64 / messages as f64;
        let mut line = format!("\"cpu_ns\":{:.1},", per_message(cpu() - self.cpu));
        line += &format!("\"wall_ns\":{:.1}", per_message(self.wall.elapsed()));
        line += &format!(",\"switches\":{:.4}", (switches() - self.switches) as f64 / messages as f64);
        // A program without the counting allocator has counted nothing, not even the arguments.
        if allocator::is_counting() && allocator::count() > 0 {
            let allocations = (allocator::count() - self.allocations) as f64 / messages as f64;
            line += &format!(",\"allocations\":{allocations:.4}");
        }
        line
    }
}

/// Memory of this process, before and after.
#[derive(Debug)]
pub struct Memory(u64);

impl Memory {
    /// Resident bytes now.
    #[must_use]
    pub fn before() -> Self {
        Self(resident())
    }

    /// Prints the line of results: resident bytes for each connection.
    pub fn after(self, who: &str, job: &Job) {
        let bytes = resident().saturating_sub(self.0) as f64 / job.count as f64;
        report(who, job, &format!("\"rss_bytes\":{bytes:.0}"));
    }
}

/// How long each exchange took.
#[derive(Debug)]
pub struct Latencies(Vec<u32>);

impl Latencies {
    /// Room for this many, so that nothing is allocated between the marks.
    #[must_use]
    pub fn with_capacity(count: u64) -> Self {
        Self(Vec::with_capacity(usize::try_from(count).expect("it fits in memory")))
    }

    /// Adds one.
    pub fn push(&mut self, took: Duration) {
        self.0.push(u32::try_from(took.as_nanos()).unwrap_or(u32::MAX));
    }

    fn line(mut self) -> String {
        self.0.sort_unstable();
        let at = |per_mille: usize| self.0[(self.0.len() * per_mille / 1000).min(self.0.len() - 1)];
        format!("\"p50_ns\":{},\"p99_ns\":{},\"p999_ns\":{}", at(500), at(990), at(999))
    }
}

fn report(who: &str, job: &Job, measured: &str) {
    let version = if job.is_v5 { "5.0" } else { "3.1.1" };
    let head = format!("\"who\":\"{who}\",\"scenario\":\"{}\",\"version\":\"{version}\"", job.name());
    let tail = format!("\"messages\":{},\"size\":{},\"checked\":true", job.count, job.size);
    println!("{{{head},{measured},{tail}}}");
}

fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("every Linux has it").into()
}

/// How often a thread of this process has given its processor up to wait.
fn switches() -> i64 {
    getrusage(UsageWho::RUSAGE_SELF).expect("it is asked rightly").voluntary_context_switches()
}

fn resident() -> u64 {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").expect("this is Linux");
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).expect("it says the resident size");
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).expect("a number of KiB") * 1024
}
