//! A clock for tests that compare the work of two things.

use std::time::Duration;

/// How long this thread has been at work: what other programs do at the same time is not in it.
///
/// # Panics
///
/// If the clock says a time before its start.
#[cfg(unix)]
pub fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("the thread has begun")
}

/// How long this program has run: elsewhere no clock knows better without `unsafe`.
#[cfg(not(unix))]
pub fn cpu_time() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}
