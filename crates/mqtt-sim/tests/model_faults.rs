//! The checker can fail: faults in the protocol's code, switched on one at a time, are each found.
//!
//! `cargo xtask faults` runs it, in a copy of the workspace to which `crates/mqtt-sim/faults.patch` has been applied. Elsewhere there
//! is nothing to switch on, and this file is empty.
#![cfg(mqtt_seeded_faults)]

use mqtt_proto::Version;
use mqtt_proto::fault::Fault;
use mqtt_sim::model::{Cut, Scenario, Schedule, Side, Trace, Violation, World, caught, find_each, scenarios};

use Fault::*;

const FAULTS: &[Fault] = &[
    SkipDuplicateCheck,
    ForgetReceivedOnReconnect,
    SharedIdMap,
    NoPubCompForUnknownId,
    RepetitionNotAnswered,
    AckBeforeApplication,
    AcksOutOfOrder,
    AckNotRemembered,
    RefusedIdStaysKnown,
    ReceiveQuotaTooSmall,
    ReceiveQuotaLeak,
    PublishAfterPubRel,
    IdFreedAtPubRec,
    PubRelAfterFailingPubRec,
    SlotLeakOnFailingPubRec,
    PubRelNotResent,
    PublishNotResent,
    WrongResendOrder,
    NewMessageBeforeBacklog,
    NoDup,
    DupAtFirst,
    SendQuotaTooLarge,
    SendQuotaTooSmall,
    SendQuotaLeak,
    QuotaNotResetOnReconnect,
    ResumeIgnoresReceiveMaximum,
    PacketTooLarge,
    AliasMakesPacketTooLarge,
    GiveUpFreesId,
    SubscribeReusesId,
    ResendWithoutSessionPresent,
    KeepReceivedOnSessionPresent0,
    LostMessagesNotReturned,
    SessionPresentMissing,
    ConfirmedUnheard,
    JournalForgetsAccepted,
    JournalForgetsReleased,
    JournalForgetsFinished,
    AliasKeptOverConnection,
    AliasAboveMaximum,
    AliasReassignedSilently,
    KeepAliveFromLastReceived,
    NoPingDeadline,
    NoPingResp,
    ServerIgnoresKeepAlive,
    ServerImpatient,
    PacketAfterDisconnect,
];

/// What the checks of `model_scenarios` and `model_random` find first, and how.
fn first_violation() -> Option<(String, Violation)> {
    let found = |how: String, verdict: Result<(), Violation>| verdict.err().map(|violation| (how, violation));
    for scenario in variants() {
        let world = World::new(scenario.setup);
        let verdict = caught(|| scenario.play(world).and_then(|world| world.check_windows()));
        if let Some(found) = found(format!("'{}'", scenario.name), verdict) {
            return Some(found);
        }
    }
    for scenario in variants() {
        for cut in (0..60).flat_map(|position| Side::BOTH.map(|side| (side, position))).map(cut) {
            let verdict = caught(|| scenario.play(World::new(scenario.setup).with_cuts(&[cut])).map(drop));
            if let Some(found) = found(format!("'{}' with {cut:?}", scenario.name), verdict) {
                return Some(found);
            }
        }
    }
    (0..SEEDS).find_map(|seed| found(format!("seed {seed}"), Trace::random(seed).play()))
}

fn variants() -> impl Iterator<Item = Scenario> {
    let roles = [(Version::V5, false), (Version::V5, true), (Version::V311, false)];
    scenarios()
        .into_iter()
        .flat_map(move |scenario| roles.map(|(version, mirrored)| scenario.variant(version, mirrored)))
}

fn cut((side, position): (Side, u32)) -> Cut {
    Cut { link: 1, side, position, other_arrives: position % 2 == 0 }
}

/// Enough for the rarest of the faults, many times over.
const SEEDS: u64 = 5_000;

#[test]
fn every_seeded_fault_is_found_and_nothing_is_found_without_one() {
    find_each(FAULTS, first_violation);
}
