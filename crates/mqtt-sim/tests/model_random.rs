//! Schedules from seeds, and those that have failed once.

use mqtt_proto::QoS::{AtLeastOnce, ExactlyOnce};
use mqtt_proto::Version::{V5, V31};
use mqtt_sim::model::Side::{Client, Server};
use mqtt_sim::model::Step::{Crash, Dial, Disconnect, Frame, Live, PacketSize, Pause, Publish, Redial, Run, Stall};
use mqtt_sim::model::{Load, Schedule, Setup, Trace, play_seeds};

#[test]
fn random_schedules_keep_every_promise() {
    play_seeds::<Trace>(0..20_000);
}

/// What failed once, as the test above printed it, and what was wrong.
fn regressions() -> Vec<(&'static str, Trace)> {
    let plain = Setup::new(V5);
    let resent = Load { topic: 5, qos: ExactlyOnce, size: 520, expiry: 0 };
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
                    Publish(Client, Load { topic: 0, qos: ExactlyOnce, size: 1, expiry: 0 }),
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
        (
            "the checker took the PUBREL of a message given up before it was written for that of its id's last message",
            Trace {
                setup: plain,
                steps: vec![
                    Dial,
                    Live(39_569),
                    Publish(Client, Load { topic: 0, qos: AtLeastOnce, size: 0, expiry: 0 }),
                    Publish(Client, Load { topic: 0, qos: ExactlyOnce, size: 3, expiry: 0 }),
                    PacketSize(Server, 50),
                    Live(34_458),
                    Publish(Client, Load { topic: 1, qos: ExactlyOnce, size: 0, expiry: 0 }),
                    Stall(Client, true),
                    Frame(Client),
                    Disconnect(Server),
                    Publish(Client, Load { topic: 7, qos: ExactlyOnce, size: 520, expiry: 0 }),
                    Run,
                ],
            },
        ),
        (
            "the checker missed a message whose end, that it is too large now, was stored and not heard before the process died",
            Trace {
                setup: Setup { holds: [true; 2], journal: true, ..plain },
                steps: vec![
                    Dial,
                    Run,
                    Publish(Client, Load { topic: 5, qos: AtLeastOnce, size: 113, expiry: 0 }),
                    Run,
                    PacketSize(Server, 100),
                    Pause(Client, true),
                    Redial,
                    Run,
                    Crash(Client),
                ],
            },
        ),
        (
            "the checker let a CONNECT of 3.1 come so late that it took a session away, of which a client cannot learn",
            Trace {
                setup: Setup { version: V31, ..plain },
                steps: vec![
                    Dial,
                    Run,
                    Redial,
                    Dial,
                    Frame(Client),
                    Frame(Server),
                    Publish(Client, Load { topic: 1, qos: ExactlyOnce, size: 1, expiry: 0 }),
                    Stall(Client, true),
                    Frame(Client),
                    Dial,
                    Run,
                ],
            },
        ),
    ]
}

#[test]
fn what_failed_once_does_not_fail_again() {
    for (what, trace) in regressions() {
        trace.play().unwrap_or_else(|violation| panic!("{what}: {violation}"));
    }
}
