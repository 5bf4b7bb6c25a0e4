//! Scenarios on mqtt-tokio, in a runtime of one thread: application and driver are tasks beside each other.

use harness::{Counting, Job};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    // A task: one that `block_on` runs itself is woken by way of the poller.
    let run = async { tokio::spawn(ours::run("ours/tokio", Job::from_args(), mqtt_tokio::connect)).await };
    runtime.block_on(run).expect("it does not panic");
}
