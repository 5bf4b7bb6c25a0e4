//! The model of a client can fail: faults in its policy, switched on one at a time, are each found.
//!
//! See `model_faults`, which this is to `client_scenarios` and `client_random` what it is to theirs.
#![cfg(mqtt_seeded_faults)]

use mqtt_proto::Version;
use mqtt_proto::fault::{self, Fault};
use mqtt_sim::model::policy::{World, random, scenarios};
use mqtt_sim::model::{Verdict, Violation};

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
            if let Some(violation) = guarded(play).err() {
                return Some((format!("'{}' in {version}", scenario.name), violation));
            }
        }
    }
    (0..SEEDS).find_map(|seed| random(seed).play().err().map(|violation| (format!("seed {seed}"), violation)))
}

/// Enough for the rarest of the faults, many times over.
const SEEDS: u64 = 5_000;

/// A fault may make the client itself panic, which is an answer, too.
fn guarded(play: impl FnOnce() -> Verdict) -> Verdict {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(play));
    result.unwrap_or(Err(Violation { invariant: "I1", what: "a panic".into() }))
}

#[test]
fn every_seeded_fault_of_the_client_is_found_and_nothing_is_found_without_one() {
    fault::set(None);
    if let Some((how, violation)) = first_violation() {
        panic!("without a fault: {how}: {violation}");
    }
    // The client's own assertions may speak, too: their backtraces would bury the table.
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for fault in FAULTS {
        fault::set(Some(*fault));
        match first_violation() {
            Some((how, violation)) => println!("{:32} {} in {how}", format!("{fault:?}"), violation.invariant),
            None => missed.push(fault),
        }
    }
    drop(std::panic::take_hook());
    fault::set(None);
    assert!(missed.is_empty(), "the model does not see {missed:?}");
    println!("{} faults found", FAULTS.len());
}
