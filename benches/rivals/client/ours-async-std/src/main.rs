//! Scenarios on mqtt-async-std: application and driver in async-std's threads.

use harness::{Counting, Job};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    async_std::task::block_on(ours::run("ours/async-std", Job::from_args(), mqtt_async_std::connect));
}
