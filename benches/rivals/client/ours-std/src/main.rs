//! Scenarios on mqtt-std: the application blocks its thread, the driver has another.

use harness::{Counting, Job};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    futures_lite::future::block_on(ours::run("ours/std", Job::from_args(), async |options| {
        mqtt_std::connect(options).await
    }));
}
