//! Most tests of the state machines in one executable, and the model of delivery in small: enough to tell a mutant of
//! mqtt-proto in few seconds of CPU, unoptimised. `cargo xtask mutants` alone builds it.

#[path = "allocations.rs"]
mod allocations;
#[path = "connection.rs"]
mod connection;
#[path = "corpora.rs"]
mod corpora;
#[path = "../../mqtt-proto/tests/journal.rs"]
mod journal;
#[path = "limits.rs"]
mod limits;
#[path = "random_worlds.rs"]
mod random_worlds;

use mqtt_proto::Version;
use mqtt_sim::model::{Cut, Scenario, Side, World, random, scenarios};

fn variants() -> impl Iterator<Item = Scenario> {
    let roles =
        [Version::V31, Version::V311, Version::V5].into_iter().flat_map(|version| [(version, false), (version, true)]);
    scenarios()
        .into_iter()
        .flat_map(move |scenario| roles.clone().map(move |(version, mirrored)| scenario.variant(version, mirrored)))
}

#[test]
fn each_scenario_keeps_its_promises() {
    for scenario in variants() {
        let world = scenario.play(World::new(scenario.setup)).and_then(|world| world.check_windows());
        world.unwrap_or_else(|violation| panic!("{violation} in {scenario:?}"));
    }
}

/// Another byte in each scenario.
#[test]
fn a_cut_loses_and_repeats_nothing() {
    for (index, scenario) in variants().enumerate() {
        for position in (index as u32 % 7..90).step_by(7) {
            for side in Side::BOTH {
                let cut = Cut { link: 1, side, position, other_arrives: position % 2 == 0 };
                if let Err(violation) = scenario.play(World::new(scenario.setup).with_cuts(&[cut])) {
                    panic!("{violation} with {cut:?} in {scenario:?}");
                }
            }
        }
    }
}

#[test]
fn a_crash_loses_and_repeats_nothing() {
    for mut scenario in variants().filter(|scenario| scenario.setup.version == Version::V5) {
        scenario.setup.journal = true;
        for (side, write) in Side::BOTH.into_iter().flat_map(|side| (0..6).map(move |write| (side, write))) {
            if let Err(violation) = scenario.play(World::new(scenario.setup).with_crash(side, write)) {
                panic!("{violation} with a crash of {side:?} at {write} in {scenario:?}");
            }
        }
    }
}

#[test]
fn random_schedules_keep_their_promises() {
    for seed in 0..600 {
        random(seed).play().unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
    }
}
