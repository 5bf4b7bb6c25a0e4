//! Golden scenarios: what applications do, to be repeated with the link cut at every byte.
//!
//! Each is written with the client as the sender, and is played a second time with client and server exchanged.

use mqtt_proto::{QoS, Version};

use super::{Load, Setup, Side, Step, Violation, World};

use QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use Side::{Client, Server};

/// A script for both applications.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is about.
    pub name: &'static str,
    /// Its limits; the version is to be replaced.
    pub setup: Setup,
    /// What happens after the first CONNACK.
    pub steps: Vec<Step>,
}

impl Scenario {
    /// The same with another version, and with client and server exchanged if `mirrored`.
    #[must_use]
    pub fn variant(&self, version: Version, mirrored: bool) -> Self {
        let mut scenario = self.clone();
        let setup = &mut scenario.setup;
        setup.version = version;
        if mirrored {
            setup.receive_maximum.reverse();
            setup.maximum_packet_size.reverse();
            setup.topic_alias_maximum.reverse();
            setup.holds.reverse();
            scenario.steps = self.steps.iter().map(|step| step.mirrored()).collect();
        }
        scenario
    }

    /// Plays the script in a world of its setup, lets everything come to rest, and checks that nothing is left.
    ///
    /// # Errors
    ///
    /// The invariant that is broken.
    pub fn play(&self, mut world: World) -> Result<World, Violation> {
        world.step(Step::Dial)?;
        world.step(Step::Run)?;
        for step in &self.steps {
            if let Step::Publish(side, _) = step {
                if !world.is_open(*side) {
                    reconnect(&mut world)?;
                }
            }
            world.step(*step)?;
        }
        world.settle()?;
        Ok(world)
    }
}

fn reconnect(world: &mut World) -> Result<(), Violation> {
    if !world.is_dialled() {
        world.step(Step::Dial)?;
    }
    world.step(Step::Run)
}

const fn publish(qos: QoS) -> Step {
    Step::Publish(Client, Load::new(qos))
}

const fn answer(qos: QoS) -> Step {
    Step::Publish(Server, Load::new(qos))
}

const fn on_topic(topic: u8, qos: QoS) -> Step {
    Step::Publish(Client, Load { topic, qos, size: 3, expiry: 0 })
}

const fn sized(qos: QoS, size: u16) -> Step {
    Step::Publish(Client, Load { topic: 1, qos, size, expiry: 0 })
}

/// All of them.
pub fn scenarios() -> Vec<Scenario> {
    let plain = Setup::new(Version::V5);
    let window = |messages| plain.with_receive_maximum(messages);
    let held = Setup { holds: [false, true], ..plain };
    let both_held = Setup { holds: [true; 2], ..plain };
    let aliases = Setup { topic_alias_maximum: [2; 2], ..plain };
    let small = |bytes| Setup { maximum_packet_size: [bytes; 2], topic_alias_maximum: [2; 2], ..plain };
    let alive = Setup { keep_alive: 10, ..plain };
    let stored = Setup { journal: true, ..plain };
    let narrow = Setup { event_limit: 1, outbox_limit: 40, ..plain };
    let (q0, q1, q2, run) = (publish(AtMostOnce), publish(AtLeastOnce), publish(ExactlyOnce), Step::Run);
    let (r1, r2) = (answer(AtLeastOnce), answer(ExactlyOnce));
    let ack = |index| Step::Ack(Server, index);
    let all = vec![
        ("one message of QoS 0", plain, vec![q0, run]),
        ("one message of QoS 1", plain, vec![q1, run]),
        ("one message of QoS 2", plain, vec![q2, run]),
        ("three of QoS 0", plain, vec![q0, q0, q0, run]),
        ("three of QoS 1 at once", plain, vec![q1, q1, q1, run]),
        ("three of QoS 2 at once", plain, vec![q2, q2, q2, run]),
        ("rising QoS", plain, vec![q0, q1, q2, run]),
        ("falling QoS", plain, vec![q2, q1, q0, run]),
        ("QoS 1 one after the other", plain, vec![q1, run, q1, run, q1, run]),
        ("QoS 2 one after the other", plain, vec![q2, run, q2, run, q2, run]),
        ("QoS 1 both ways", plain, vec![q1, r1, q1, r1, run]),
        ("QoS 2 both ways under the same ids", plain, vec![q2, r2, q2, r2, run]),
        ("QoS 1 against QoS 2", plain, vec![q1, r2, q1, r2, run]),
        ("a window of one, QoS 1", window(1), vec![q1, q1, run, q1, run, q1]),
        ("a window of one, QoS 2", window(1), vec![q2, q2, run, q2, run, q2]),
        ("a window of two, QoS 1 and 2", window(2), vec![q2, q1, q2, run, q1, q2, run]),
        (
            "a window that frees while the next waits",
            window(2),
            vec![q2, q2, Step::Frame(Client), Step::Frame(Server), q2],
        ),
        ("late acks in order", held, vec![q1, q2, q1, run, ack(0), ack(0), run, ack(0), run]),
        ("QoS 1 acks in reverse", held, vec![q1, q1, q1, run, ack(2), ack(1), run, ack(0), run]),
        ("QoS 2 acks in reverse", held, vec![q2, q2, q2, run, ack(2), ack(1), run, ack(0), run]),
        ("mixed acks in reverse, next under way", held, vec![q2, q1, run, ack(1), q2, run, ack(1), ack(0), run]),
        ("acks both ways, held", both_held, vec![q2, r2, run, ack(0), Step::Ack(Client, 0), run, q1, r1, run]),
        (
            "acks while the link is down",
            held,
            vec![q2, q1, q2, run, Step::Break(0, 0), run, ack(0), ack(1), ack(0), q1, run],
        ),
        ("acks on the next connection", held, vec![q2, q2, run, Step::Redial, run, ack(1), ack(0), q2, run]),
        ("refused QoS 1", held, vec![q1, q1, run, Step::Refuse(Server, 0), ack(0), run, q1]),
        ("refused QoS 2", held, vec![q2, q2, run, Step::Refuse(Server, 1), ack(0), run, q2, run]),
        (
            "refused in a window of one",
            Setup { holds: [false, true], ..window(1) },
            vec![q2, run, Step::Refuse(Server, 0), run, q2, run],
        ),
        ("SUBSCRIBE between messages", plain, vec![q1, Step::Subscribe, q2, run, Step::Subscribe, q2, run]),
        (
            "an alias for one topic",
            aliases,
            vec![on_topic(1, AtLeastOnce), on_topic(1, AtMostOnce), run, on_topic(1, ExactlyOnce), run],
        ),
        (
            "more topics than aliases",
            aliases,
            (0..4).chain([1, 0]).map(|topic| on_topic(topic, AtLeastOnce)).chain([run]).collect(),
        ),
        (
            "aliases on the next connection",
            aliases,
            vec![
                on_topic(1, ExactlyOnce),
                on_topic(1, AtMostOnce),
                Step::Frame(Client),
                Step::Redial,
                run,
                on_topic(1, AtMostOnce),
                on_topic(2, AtLeastOnce),
                run,
            ],
        ),
        ("a payload beside the buffer", plain, vec![sized(AtLeastOnce, 520), run]),
        ("two payloads beside the buffer", plain, vec![sized(ExactlyOnce, 509), q1, sized(AtMostOnce, 508), run]),
        (
            "a Remaining Length of two bytes",
            plain,
            vec![sized(AtLeastOnce, 113), sized(ExactlyOnce, 114), sized(AtLeastOnce, 115), run],
        ),
        (
            "packets at the limit",
            Setup { topic_alias_maximum: [0; 2], ..small(44) },
            vec![sized(AtLeastOnce, 27), sized(ExactlyOnce, 28), sized(ExactlyOnce, 29), sized(AtMostOnce, 30), run],
        ),
        (
            "aliases at the limit",
            small(44),
            vec![sized(AtLeastOnce, 23), sized(ExactlyOnce, 24), sized(AtLeastOnce, 23), sized(AtLeastOnce, 28), run],
        ),
        ("the sender disconnects", plain, vec![q2, q1, Step::Disconnect(Client), run, q2, run]),
        ("the receiver disconnects", plain, vec![q2, q1, Step::Frame(Client), Step::Disconnect(Server), run, q2, run]),
        (
            "a receiver that takes nothing for a while",
            narrow,
            vec![Step::Pause(Server, true), q1, q2, q1, run, Step::Pause(Server, false), run],
        ),
        (
            "a transport that takes nothing for a while",
            narrow,
            vec![Step::Stall(Client, true), q1, q2, q1, q2, run, Step::Stall(Client, false), run],
        ),
        (
            "a smaller window on the next connection",
            window(3),
            vec![q1, q2, q1, Step::ReceiveMaximum(Server, 1), Step::Frame(Client), Step::Redial, run, q2, run],
        ),
        (
            "a larger window on the next connection",
            window(1),
            vec![q2, Step::ReceiveMaximum(Server, 3), Step::Frame(Client), Step::Redial, q1, q2, run],
        ),
        (
            "an outbox smaller than the backlog",
            Setup { outbox_limit: 10, ..plain },
            vec![q1, q2, q1, q2, Step::Frame(Client), Step::Redial, run, q1, run],
        ),
        (
            "a message before the backlog is out",
            Setup { outbox_limit: 10, ..plain },
            vec![
                q1,
                q2,
                q1,
                Step::Frame(Client),
                Step::Redial,
                Step::Frame(Client),
                Step::Stall(Client, true),
                run,
                Step::Write(Client),
                q1,
                Step::Stall(Client, false),
                run,
            ],
        ),
        (
            "the server forgets QoS 1",
            plain,
            vec![q1, r1, Step::Frame(Client), Step::Forget, Step::Redial, run, q1, r1, run],
        ),
        (
            "the server forgets QoS 2",
            plain,
            vec![q2, r2, q2, Step::Frame(Client), Step::Frame(Server), Step::Forget, Step::Redial, run, q2, r2, run],
        ),
        (
            "a clean start in a QoS 2 handshake",
            plain,
            vec![q2, r2, Step::Frame(Client), Step::CleanStart, Step::Redial, run, q2, r2, run],
        ),
        ("the sender's process dies", stored, vec![q1, q2, q2, Step::Frame(Client), Step::Crash(Client), q2, run]),
        ("the receiver's process dies", stored, vec![q1, q2, q2, Step::Frame(Client), Step::Crash(Server), q2, run]),
        (
            "late bytes of an old connection",
            plain,
            vec![q2, q1, q2, Step::Dial, Step::Late(9), Step::Frame(Client), Step::Late(30), run, q2],
        ),
        (
            "late acks of an old connection",
            both_held,
            vec![r2, r1, q2, run, Step::Ack(Client, 0), Step::Dial, Step::Late(3), Step::Ack(Client, 0), run, r2, run],
        ),
        ("nothing but keep alive", alive, vec![Step::Live(40_000), q1, Step::Live(9_000), q0, Step::Live(30_000)]),
        (
            "keep alive of a client that only receives",
            alive,
            (0..8).flat_map(|_| [answer(AtMostOnce), Step::Live(4_000)]).collect(),
        ),
        ("keep alive of a client that only sends", alive, (0..8).flat_map(|_| [q0, Step::Live(4_000)]).collect()),
        ("a link that swallows what the client sends", alive, vec![q2, Step::HalfOpen(Client), q1, Step::Sleep(2_000)]),
        (
            "a link that swallows what the server sends",
            alive,
            vec![q2, Step::HalfOpen(Server), q1, run, Step::Sleep(2_000)],
        ),
        ("a clock that jumps", alive, vec![q2, Step::Jump(-5_000), q1, run, Step::Jump(3_600_000), run, q2, run]),
    ];
    all.into_iter().map(|(name, setup, steps)| Scenario { name, setup, steps }).collect()
}
