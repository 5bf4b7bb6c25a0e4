//! Scenarios on mqtt-smol: application and driver are tasks beside each other, in the thread of smol's executor.

use harness::{Counting, Job};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    smol::block_on(smol::spawn(ours::run("ours/smol", Job::from_args(), mqtt_smol::connect)));
}
