//! Schedules from seeds, and those that have failed once.

use mqtt_proto::QoS::{AtLeastOnce, ExactlyOnce};
use mqtt_proto::Version::{V5, V31};
use mqtt_sim::model::Side::{Client, Server};
use mqtt_sim::model::Step::{Dial, PacketSize, Publish, Redial, Run};
use mqtt_sim::model::{Load, Setup, Trace, random, shrink};

/// `MODEL_SEEDS=FIRST..LAST` plays others than the usual ones.
#[test]
fn random_schedules_keep_every_promise() {
    let range = std::env::var("MODEL_SEEDS").unwrap_or_else(|_| "0..20000".into());
    let (first, last) = range.split_once("..").expect("MODEL_SEEDS=FIRST..LAST");
    let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
    let half =
        move |parity: u64| (first..last).filter(|seed| seed % 2 == parity).find(|seed| random(*seed).play().is_err());
    let other = std::thread::spawn(move || half(1));
    let failed = half(0).into_iter().chain(other.join().unwrap()).min();
    if let Some(seed) = failed {
        let trace = shrink(random(seed));
        panic!("seed {seed}: {}\nShortest form, for `regressions`:\n{trace:?}", trace.play().unwrap_err());
    }
}

/// What failed once, as the test above printed it, and what was wrong.
fn regressions() -> Vec<(&'static str, Trace)> {
    let plain = Setup::new(V5);
    let resent = Load { topic: 5, qos: ExactlyOnce, size: 520 };
    vec![
        (
            "a QoS 2 message that had become too large gave up its id, and the receiver took the next one for its repetition",
            Trace {
                setup: Setup { holds: [false, true], ..plain },
                steps: vec![
                    Dial,
                    Run,
                    PacketSize(Server, 50),
                    Publish(Client, resent),
                    Run,
                    Dial,
                    Run,
                    Publish(Client, Load { topic: 0, qos: ExactlyOnce, size: 1 }),
                ],
            },
        ),
        (
            "giving up while the outbox was filled made a change of the session that was not stored before it was written",
            Trace {
                setup: Setup { outbox_limit: 30, journal: true, ..plain },
                steps: vec![
                    Dial,
                    Run,
                    Publish(Server, Load { qos: AtLeastOnce, ..resent }),
                    PacketSize(Client, 50),
                    Redial,
                ],
            },
        ),
        (
            "the journal of a 3.1 client did not say that there is a session until its first message",
            Trace { setup: Setup { version: V31, journal: true, ..plain }, steps: vec![Dial, Run] },
        ),
    ]
}

#[test]
fn what_failed_once_does_not_fail_again() {
    for (what, trace) in regressions() {
        trace.play().unwrap_or_else(|violation| panic!("{what}: {violation}"));
    }
}
