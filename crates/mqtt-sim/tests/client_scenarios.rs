//! A whole client in golden scenarios: as they are, with the link cut at every byte of either direction, and with a crash at
//! every write to its store.

use mqtt_proto::Version;
use mqtt_sim::model::client::{Scenario, World, scenarios};
use mqtt_sim::model::{Cut, Side};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

fn variants() -> impl Iterator<Item = Scenario> {
    scenarios().into_iter().flat_map(|scenario| VERSIONS.map(|version| scenario.variant(version)))
}

fn play(scenario: &Scenario, cut: Option<Cut>, crash: Option<u32>) -> World {
    let mut world = World::new(scenario.setup).with_cuts(cut.as_slice());
    if let Some(stored) = crash {
        world = world.with_crash(stored);
    }
    scenario.play(world).unwrap_or_else(|violation| panic!("{violation}\n{cut:?}, {crash:?} in {scenario:#?}"))
}

#[test]
fn each_scenario_of_a_client_ends_well_on_a_link_that_works() {
    for scenario in variants() {
        let mut world = play(&scenario, None, None);
        world.say_goodbye().unwrap_or_else(|violation| panic!("{violation} in {scenario:#?}"));
    }
}

#[test]
fn a_client_survives_a_cut_at_every_byte() {
    let mut runs = 0;
    for scenario in variants() {
        let world = play(&scenario, Some(Cut::NEVER), None);
        for (link, carried) in world.carried().iter().enumerate() {
            for (side, bytes) in Side::BOTH.into_iter().zip(carried) {
                for position in 0..=*bytes {
                    let cut = Cut { link: link as u32 + 1, side, position, other_arrives: position % 2 == 0 };
                    play(&scenario, Some(cut), None);
                    runs += 1;
                }
            }
        }
    }
    println!("{runs} cuts in {} scenarios", variants().count());
}

#[test]
fn a_client_survives_a_crash_at_every_write_to_its_store() {
    let mut runs = 0;
    for mut scenario in variants().filter(|scenario| !scenario.setup.clean_start) {
        scenario.setup.journal = true;
        for batch in 0..play(&scenario, None, None).batches() {
            play(&scenario, None, Some(batch));
            runs += 1;
        }
    }
    println!("{runs} crashes");
}
