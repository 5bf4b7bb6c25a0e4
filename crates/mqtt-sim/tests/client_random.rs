//! Schedules of a whole client from seeds, and those that have failed once.

use mqtt_client::QueuePolicy;
use mqtt_proto::QoS::{AtLeastOnce, ExactlyOnce};
use mqtt_proto::Version;
use mqtt_sim::model::Side::{Client, Server};
use mqtt_sim::model::client::Network::{Down, Silent};
use mqtt_sim::model::client::Step::{
    Ack, Break, Crash, Disconnect, Drop, Forget, Frame, HalfOpen, Hold, Jump, Live, Lose, Network, PacketSize, Publish,
    ReceiveMaximum, Run, Shutdown, Sleep, Stall, Subscribe, TakenOver,
};
use mqtt_sim::model::client::{Setup, Trace};
use mqtt_sim::model::{Load, Schedule, play_seeds};

#[test]
fn random_schedules_of_a_client_keep_every_promise() {
    play_seeds::<Trace>(0..8_000);
}

/// What failed once, as the test above printed it, and what was wrong.
fn regressions() -> Vec<(&'static str, Trace)> {
    let plain = Setup::new(Version::V5);
    let load = Load::new(AtLeastOnce);
    let window = Setup { receive_maximum: [u16::MAX, 1], ..plain };
    vec![
        (
            "what was returned went behind what had been returned before, and not been sent again",
            Trace {
                setup: window,
                steps: vec![
                    ReceiveMaximum(9),
                    Run,
                    Publish(Client, load),
                    Publish(Client, load),
                    Publish(Client, load),
                    ReceiveMaximum(1),
                    Forget,
                    Break(0, 0),
                    Live(300),
                    Forget,
                    Break(0, 0),
                ],
            },
        ),
        (
            "what was in flight when the process died went behind what was queued",
            Trace {
                setup: Setup { journal: true, ..window },
                steps: vec![Run, Publish(Client, load), Publish(Client, load), Forget, Crash(Client)],
            },
        ),
        (
            "the time of a message stood still while it was in flight",
            Trace {
                setup: plain,
                steps: vec![Run, Publish(Client, Load { expiry: 10, ..load }), Forget, Break(0, 0), Sleep(5_000)],
            },
        ),
        (
            "a subscription given up between SUBACK's loss and the next connection stayed with the server",
            Trace { setup: plain, steps: vec![Run, HalfOpen(Server), Subscribe(1), Network(Down), Lose, Drop(0)] },
        ),
        (
            "the latest message of a topic went before an older one that had come to wait behind the window",
            Trace {
                setup: Setup { receive_maximum: [u16::MAX, 1], policy: QueuePolicy::KeepLatest, ..plain },
                steps: vec![
                    Run,
                    Publish(Client, load),
                    Publish(Client, load),
                    Publish(Client, load),
                    Lose,
                    Publish(Client, load),
                ],
            },
        ),
        (
            "a subscription that had been given up was answered",
            Trace {
                setup: plain,
                steps: vec![Run, HalfOpen(Client), Subscribe(3), Drop(1), Disconnect, Sleep(12_561), Sleep(20_898)],
            },
        ),
    ]
}

/// In all of these the checker was wrong about what a process leaves in its store, or finds there.
fn false_alarms() -> Vec<(&'static str, Trace)> {
    let stored = Setup { journal: true, ..Setup::new(Version::V5) };
    let held_by_server = Setup { holds: [false, true], ..stored };
    let (once, twice) = (Load::new(AtLeastOnce), Load::new(ExactlyOnce));
    let large = Load { size: 113, ..twice };
    vec![
        (
            "a client that gives up waiting for PUBCOMP leaves the next process a token alone",
            Trace {
                setup: held_by_server,
                steps: vec![
                    Publish(Client, twice),
                    Live(5_000),
                    Ack(Server, 2),
                    Disconnect,
                    Frame(Server),
                    Jump(200_000),
                    Crash(Client),
                ],
            },
        ),
        (
            "so does one that stops because another has its name",
            Trace {
                setup: stored,
                steps: vec![Live(100), Publish(Client, large), Frame(Client), TakenOver, Run, Crash(Client)],
            },
        ),
        (
            "a message that was in flight has the time left that it had when it was sent",
            Trace {
                setup: held_by_server,
                steps: vec![
                    Publish(Client, Load { expiry: 300, ..once }),
                    Jump(200_000),
                    Live(90_000),
                    Crash(Client),
                    Network(Silent),
                    Live(90_000),
                    Forget,
                    Lose,
                    Live(444),
                ],
            },
        ),
        (
            "a message that has become too large leaves a token alone before PUBREC has come",
            Trace {
                setup: Setup { holds: [true; 2], ..stored },
                steps: vec![
                    Publish(Client, Load { expiry: 10, ..large }),
                    PacketSize(100),
                    Live(90_000),
                    Shutdown,
                    Frame(Server),
                    Sleep(205),
                    HalfOpen(Client),
                ],
            },
        ),
        (
            "also if the next process finds it too large",
            Trace {
                setup: held_by_server,
                steps: vec![
                    Publish(Client, Load { topic: 7, size: 520, expiry: 1, ..twice }),
                    Live(1_971),
                    PacketSize(100),
                    Crash(Client),
                    Frame(Client),
                    Break(13, 26),
                ],
            },
        ),
        (
            "the queued one of two large messages was never sent, and was not the other",
            Trace {
                setup: stored,
                steps: vec![
                    Run,
                    Network(Silent),
                    Hold(true),
                    Publish(Client, Load { topic: 1, ..large }),
                    Lose,
                    Run,
                    Publish(Client, large),
                    Crash(Client),
                    PacketSize(100),
                ],
            },
        ),
        (
            "the queued one of two messages expired, and the one in flight did not",
            Trace {
                setup: stored,
                steps: vec![
                    Publish(Client, Load { topic: 1, size: 12, expiry: 1, ..twice }),
                    Stall(true),
                    Run,
                    Lose,
                    Publish(Client, Load { topic: 7, size: 12, expiry: 1, ..once }),
                    Crash(Client),
                    Live(1_000),
                ],
            },
        ),
        (
            "the same of messages that two processes have published",
            Trace {
                setup: stored,
                steps: vec![
                    Run,
                    Publish(Client, Load { topic: 1, size: 1, expiry: 10, ..twice }),
                    Crash(Client),
                    Publish(Client, Load { topic: 1, size: 1, expiry: 10, ..once }),
                    Frame(Client),
                    Crash(Client),
                    Sleep(17_412),
                ],
            },
        ),
    ]
}

#[test]
fn what_failed_once_with_a_client_does_not_fail_again() {
    for (what, trace) in regressions().into_iter().chain(false_alarms()) {
        trace.play().unwrap_or_else(|violation| panic!("{what}: {violation}"));
    }
}
