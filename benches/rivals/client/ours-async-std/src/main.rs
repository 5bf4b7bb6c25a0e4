//! Scenarios on mqtt-async-std: application and driver are tasks beside each other, in async-std's threads.

use harness::{Counting, Job};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let run = ours::run("ours/async-std", Job::from_args(), mqtt_async_std::connect);
    async_std::task::block_on(async_std::task::spawn(run));
}
