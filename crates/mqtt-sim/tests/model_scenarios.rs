//! Golden scenarios, whole, with the link cut at every byte of either direction, and with a crash at every store write.

use mqtt_proto::Version;
use mqtt_sim::model::{Cut, Scenario, Side, World, scenarios};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

/// Each scenario in each version, with the client and with the server as the sender.
fn variants() -> impl Iterator<Item = Scenario> {
    let roles = VERSIONS.into_iter().flat_map(|version| [(version, false), (version, true)]);
    scenarios()
        .into_iter()
        .flat_map(move |scenario| roles.clone().map(move |(version, mirrored)| scenario.variant(version, mirrored)))
}

fn play(scenario: &Scenario, world: World) -> World {
    let plan = format!("{:?}", (world.cuts(), world.crash()));
    scenario.play(world).unwrap_or_else(|violation| panic!("{violation}\n{plan} in {scenario:?}"))
}

fn play_cut(scenario: &Scenario, cuts: &[Cut]) -> World {
    play(scenario, World::new(scenario.setup).with_cuts(cuts))
}

/// The cuts at each byte that both sides have carried on one connection.
fn cuts(link: usize, carried: [u32; 2]) -> impl Iterator<Item = Cut> {
    let link = link as u32 + 1;
    Side::BOTH.into_iter().zip(carried).flat_map(move |(side, bytes)| {
        (0..=bytes)
            .flat_map(move |position| [true, false].map(|other_arrives| Cut { link, side, position, other_arrives }))
    })
}

#[test]
fn each_scenario_delivers_what_it_promises_on_a_link_that_works() {
    assert!(scenarios().len() >= 40);
    for scenario in variants() {
        let world = play(&scenario, World::new(scenario.setup));
        world.check_windows().unwrap_or_else(|violation| panic!("{violation} in {scenario:?}"));
    }
}

#[test]
fn a_cut_at_every_byte_loses_and_repeats_nothing() {
    let mut runs = 0;
    for scenario in variants() {
        let world = play_cut(&scenario, &[Cut::NEVER]);
        for cut in world.carried().iter().enumerate().flat_map(|(link, carried)| cuts(link, *carried)) {
            play_cut(&scenario, &[cut]);
            runs += 1;
        }
    }
    println!("{runs} cuts in {} scenarios", variants().count());
}

#[test]
fn two_cuts_at_every_pair_of_bytes_lose_and_repeat_nothing() {
    let mut runs = 0;
    for scenario in variants().filter(|scenario| scenario.name.starts_with("one message of QoS")) {
        let carried = play_cut(&scenario, &[Cut::NEVER]).carried()[0];
        for first in cuts(0, carried) {
            let carried = play_cut(&scenario, &[first]).carried()[1];
            for second in cuts(1, carried) {
                play_cut(&scenario, &[first, second]);
                runs += 1;
            }
        }
    }
    println!("{runs} pairs of cuts");
}

#[test]
fn a_crash_at_every_store_write_loses_and_repeats_nothing() {
    let mut runs = 0;
    for mut scenario in variants() {
        scenario.setup.journal = true;
        let stored = play(&scenario, World::new(scenario.setup)).stored();
        for (side, writes) in Side::BOTH.into_iter().zip(stored) {
            for write in 0..writes {
                play(&scenario, World::new(scenario.setup).with_crash(side, write));
                runs += 1;
            }
        }
    }
    println!("{runs} crashes");
}
