//! What failed once, as the test of random schedules printed it, and what was wrong.

use mqtt_proto::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};

use crate::schedule::Trace;
use crate::setup::Size::Small;
use crate::setup::Step::{Connect, Cut, Live, Publish, Run, Subscribe, Up, Vanish};
use crate::setup::{Hello, Load, Setup, Wish};

pub(crate) fn all() -> Vec<(&'static str, Trace)> {
    let hello = |expiry| Hello { clean: false, expiry, will: None, keep_alive: 0 };
    let wish = |filter, qos| Wish { filter, qos, no_local: false, as_published: false, handling: 1, identifier: 0 };
    let load = Load { topic: 0, qos: AtLeastOnce, retain: true, expiry: 0, size: Small };
    vec![
        (
            "what a member of a share group had not acknowledged when its session ended went to nobody",
            Trace {
                setup: Setup { holds: 0b101, ..Setup::PLAIN },
                steps: vec![
                    Connect(0, hello(0)),
                    Connect(2, hello(3)),
                    Run,
                    Subscribe(2, wish(0, AtMostOnce)),
                    Subscribe(2, wish(13, AtLeastOnce)),
                    Subscribe(0, wish(13, AtLeastOnce)),
                    Publish(0, load),
                    Live(1_001),
                    Cut(0, 0),
                ],
            },
        ),
        (
            "messages with properties were given up when their client came back in 3.1.1",
            Trace {
                setup: Setup { clients: 455, has_twin: true, ..Setup::PLAIN },
                steps: vec![
                    Connect(0, hello(1_000)),
                    Run,
                    Subscribe(0, wish(0, ExactlyOnce)),
                    Publish(0, load),
                    Publish(0, Load { qos: ExactlyOnce, ..load }),
                    Up(0, u16::MAX),
                    Vanish(0),
                    Connect(2, hello(0)),
                    Run,
                ],
            },
        ),
    ]
}
