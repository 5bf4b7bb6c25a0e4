//! Scenarios on mqtt-smol: application and driver in `smol`, whose executor has a thread of its own.

use harness::{Counting, Job};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    smol::block_on(ours::run("ours/smol", Job::from_args(), mqtt_smol::connect));
}
