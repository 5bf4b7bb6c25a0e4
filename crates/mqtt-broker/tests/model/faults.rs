//! The checker can fail: faults in the broker's code, switched on one at a time, are each found.
//!
//! `cargo xtask faults` runs it, in a copy of the workspace to which `crates/mqtt-broker/faults.patch` has been applied.
//! Elsewhere there is nothing to switch on.

use mqtt_broker::fault::{self, Fault};

use crate::schedule::random;

use Fault::*;

const FAULTS: &[Fault] = &[
    WillAfterDisconnect,
    ExpiryOfDisconnectIgnored,
    WillDelayIgnored,
    NoWillAtTakeOver,
    WillLostWithSession,
    SessionLostAtOnce,
    SessionExpiryIgnored,
    ShareLostWithMember,
    Qos0KeptForTheAbsent,
    WillAtReturn,
    TakeOverKeepsOldLink,
    CleanStartIgnored,
    QueueLostAtReturn,
    RetainedNotCleared,
    NoLocalIgnored,
    RetainAsPublishedInverted,
    IdentifiersLost,
    OverlappingNotMerged,
    QosNotDowngraded,
    Qos0QueuedForTheAbsent,
    QueueUnbounded,
    NewestFirst,
    NoSubscribersClaimed,
    WildcardMeetsDollar,
    LowestQosOfOverlapping,
    ExpiredDelivered,
    ExpiryNotCountedDown,
    RetainedWithoutFlag,
    TooLargeTakesOthersAlong,
    RetainHandling1Ignored,
    RetainHandling2Ignored,
    RetainedToShare,
    ResubscribeIgnored,
    UnsubscribeIgnored,
    ShareToTwo,
];

/// The seeds that the test of random schedules plays, too.
const SEEDS: u64 = 20_000;

#[test]
fn every_seeded_fault_is_found_and_nothing_is_found_without_one() {
    fault::set(None);
    if let Some(seed) = (0..2_000).find(|seed| random(*seed).play().is_err()) {
        panic!("without a fault, seed {seed}: {}", random(seed).play().unwrap_err());
    }
    // A fault may make the broker itself panic, which is an answer, too: its backtraces would bury the table.
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for fault in FAULTS {
        fault::set(Some(*fault));
        match (0..SEEDS).find_map(|seed| random(seed).play().err().map(|violation| (seed, violation))) {
            Some((seed, violation)) => println!("{:28} {} in seed {seed}", format!("{fault:?}"), violation.rule),
            None => missed.push(fault),
        }
    }
    drop(std::panic::take_hook());
    fault::set(None);
    assert!(missed.is_empty(), "the model does not see {missed:?}");
    println!("{} faults found", FAULTS.len());
}
