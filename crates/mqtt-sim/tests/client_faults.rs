//! The model of a client can fail: faults in its policy, switched on one at a time, are each found.
//!
//! See `model_faults`, which this is to `client_scenarios` and `client_random` what it is to theirs.
#![cfg(mqtt_seeded_faults)]

use mqtt_proto::Version;
use mqtt_proto::fault::Fault;
use mqtt_sim::model::client::{Trace, World, scenarios};
use mqtt_sim::model::{Schedule, Violation, caught, find_each};

use Fault::*;

const FAULTS: &[Fault] = &[
    SkipResubscribe,
    QueueLostOnReconnect,
    RepublishTwice,
    InDoubtTakenForDone,
    ExpiryNotCountedDown,
    ExpiryBeginsAnew,
    BackoffResetTooEarly,
    BackoffNotDoubled,
    ReturnedBehindQueue,
    ReturnedOutOfOrder,
    WillOnlyOnce,
    CleanStartEachTime,
    RequestsNotRepeated,
    UnsubscribeDroppedOnStartOver,
    QueueNotStored,
    StoreNotTidied,
    JournalForgetsAccepted,
    JournalForgetsReleased,
    JournalForgetsFinished,
    InFlightRestoredBehindQueue,
    QueueUnbounded,
    RouteToFirstAlone,
    AckLostBetweenConnections,
    DisconnectDoesNotWait,
];

/// What the checks of `client_scenarios` and `client_random` find first, and how.
fn first_violation() -> Option<(String, Violation)> {
    for version in [Version::V5, Version::V311] {
        for scenario in scenarios() {
            let scenario = scenario.variant(version);
            let play = || scenario.play(World::new(scenario.setup)).and_then(|mut world| world.say_goodbye());
            if let Some(violation) = caught(play).err() {
                return Some((format!("'{}' in {version}", scenario.name), violation));
            }
        }
    }
    (0..SEEDS).find_map(|seed| Trace::random(seed).play().err().map(|violation| (format!("seed {seed}"), violation)))
}

/// Enough for the rarest of the faults, many times over.
const SEEDS: u64 = 5_000;

#[test]
fn every_seeded_fault_of_the_client_is_found_and_nothing_is_found_without_one() {
    find_each(FAULTS, first_violation);
}
