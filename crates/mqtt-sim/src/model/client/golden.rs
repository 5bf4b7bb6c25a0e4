//! Golden scenarios of a client, to be repeated with the link cut at every byte and with a crash at every write to the store.

use mqtt_client::QueuePolicy;
use mqtt_proto::{QoS, Version};

use super::super::{Load, Side, Violation};
use super::{Network, Setup, Step, World};

use QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use Side::{Client, Server};
use Step::{Ack, Crash, Disconnect, Forget, Frame, Live, Publish, Run, Subscribe, Unsubscribe};

/// A script for both applications.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is about.
    pub name: &'static str,
    /// Its options; the version is to be replaced.
    pub setup: Setup,
    /// What happens.
    pub steps: Vec<Step>,
}

impl Scenario {
    /// The same with another version.
    #[must_use]
    pub fn variant(&self, version: Version) -> Self {
        let mut scenario = self.clone();
        scenario.setup.version = version;
        scenario
    }

    /// Plays the script in a world of its setup, lets everything come to rest, and checks that nothing is left.
    ///
    /// # Errors
    ///
    /// The invariant that is broken.
    pub fn play(&self, mut world: World) -> Result<World, Violation> {
        self.steps.iter().try_for_each(|step| world.step(*step))?;
        world.settle()?;
        Ok(world)
    }
}

const fn send(qos: QoS) -> Step {
    Publish(Client, Load::new(qos))
}

const fn answer(qos: QoS) -> Step {
    Publish(Server, Load::new(qos))
}

const fn on_topic(topic: u8, qos: QoS) -> Step {
    Publish(Client, Load { topic, qos, size: 3, expiry: 0 })
}

const fn expiring(qos: QoS, expiry: u16) -> Step {
    Publish(Client, Load { topic: 0, qos, size: 0, expiry })
}

/// All of them.
pub fn scenarios() -> Vec<Scenario> {
    let all = [delivering(), queueing(), subscribing(), ending(), storing()].concat();
    all.into_iter().map(|(name, setup, steps)| Scenario { name, setup, steps }).collect()
}

type Script = (&'static str, Setup, Vec<Step>);

const PLAIN: Setup = Setup::new(Version::V5);
const CLEAN: Setup = Setup { clean_start: true, ..PLAIN };
const Q0: Step = send(AtMostOnce);
const Q1: Step = send(AtLeastOnce);
const Q2: Step = send(ExactlyOnce);
const R1: Step = answer(AtLeastOnce);
const R2: Step = answer(ExactlyOnce);
const DOWN: Step = Step::Network(Network::Down);
const UP: Step = Step::Network(Network::Up);
const BREAK: Step = Step::Break(0, 0);

const fn window(messages: u16) -> Setup {
    Setup { receive_maximum: [messages; 2], ..PLAIN }
}

fn delivering() -> Vec<Script> {
    let held = Setup { holds: [true; 2], ..PLAIN };
    vec![
        ("one message of QoS 1", PLAIN, vec![Run, Q1, Run]),
        ("one message of QoS 2", PLAIN, vec![Run, Q2, Run]),
        ("a message each way", PLAIN, vec![Run, Q2, R2, Run]),
        ("every QoS, clean start", CLEAN, vec![Run, Q0, Q1, Q2, R1, R2, Run]),
        ("three of QoS 2 at once", PLAIN, vec![Run, Q2, Q2, Q2, Run]),
        ("three of QoS 2, clean start", CLEAN, vec![Run, Q2, Q2, Q2, Run]),
        ("a window of one", window(1), vec![Run, Q2, Q1, Q2, R2, R1, Run]),
        ("late acks", held, vec![Run, Q2, R2, Q1, Run, Ack(Server, 1), Run, Ack(Client, 0), Run, Ack(Server, 0), Run]),
        (
            "an ack between two connections",
            held,
            vec![Run, R2, R1, Run, BREAK, Ack(Client, 1), Live(300), Ack(Client, 0), Run],
        ),
        (
            "a link that swallows what the client sends",
            Setup { keep_alive: 5, ..PLAIN },
            vec![Run, Step::HalfOpen(Client), Q2, Live(30_000), Q1],
        ),
        ("a link that the server believes in", PLAIN, vec![Run, Q2, R2, Step::Lose, Live(300), Step::Late(40), Run]),
        (
            "a jump of the clock",
            Setup { keep_alive: 60, ..PLAIN },
            vec![Run, Q2, Step::Jump(3_600_000), Live(2_000), Q2, Run],
        ),
    ]
}

fn queueing() -> Vec<Script> {
    let short = |policy| Setup { queue: 2, policy, ..PLAIN };
    vec![
        ("before the first connection", PLAIN, vec![DOWN, Q1, Q2, Q0, Live(100), UP, Live(300)]),
        ("while the link is down", PLAIN, vec![Run, DOWN, BREAK, Run, Q2, Q1, Q0, UP, Live(400), Run]),
        (
            "nobody answers the dial",
            PLAIN,
            vec![Run, Step::Network(Network::Silent), BREAK, Run, Q2, Live(12_000), UP, Live(2_000)],
        ),
        ("more than the queue takes, waiting", short(QueuePolicy::Wait), vec![DOWN, Q1, Q2, Q1, Q2, UP, Live(300)]),
        ("more than the queue takes, refused", short(QueuePolicy::Refuse), vec![DOWN, Q1, Q2, Q1, Q2, UP, Live(300)]),
        (
            "more than the queue takes, the oldest dropped",
            short(QueuePolicy::DropOldest),
            vec![DOWN, Q1, Q2, Q1, UP, Live(300)],
        ),
        (
            "the latest of each topic",
            short(QueuePolicy::KeepLatest),
            vec![DOWN, on_topic(0, AtLeastOnce), on_topic(1, ExactlyOnce), on_topic(0, AtLeastOnce), UP, Live(300)],
        ),
        (
            "the server forgets what is in flight",
            window(2),
            vec![Run, Q2, Q1, Q2, Q1, Frame(Client), Forget, BREAK, Live(300)],
        ),
        (
            "the server forgets twice, window 1",
            window(1),
            vec![Run, Q1, Q1, Q2, Forget, BREAK, Live(300), Forget, BREAK, Live(600)],
        ),
        (
            "an expiry in the queue",
            PLAIN,
            vec![DOWN, expiring(AtLeastOnce, 10), expiring(ExactlyOnce, 1), Live(4_000), UP, Live(9_000)],
        ),
        (
            "an expiry in flight, and the session is lost",
            PLAIN,
            vec![
                Run,
                expiring(AtLeastOnce, 60),
                Live(1),
                expiring(ExactlyOnce, 20),
                DOWN,
                Forget,
                BREAK,
                Live(9_000),
                UP,
                Live(30_000),
            ],
        ),
        (
            "a session that expires",
            CLEAN,
            vec![Run, Q2, Subscribe(0), Frame(Client), DOWN, BREAK, Step::Sleep(400_000), UP, Live(90_000)],
        ),
    ]
}

fn subscribing() -> Vec<Script> {
    vec![
        ("a subscription", PLAIN, vec![Run, Subscribe(0), Run, R2, Run]),
        ("a subscription, clean start", CLEAN, vec![Subscribe(0), Run, R1, R2, Run]),
        (
            "the server forgets a subscription",
            PLAIN,
            vec![Run, Subscribe(0), Subscribe(2), Run, Forget, BREAK, Live(300), R2, Run],
        ),
        ("two calls for one filter", PLAIN, vec![Run, Subscribe(1), Subscribe(1), Run, Step::Drop(0), Run, R1, Run]),
        ("unsubscribing", PLAIN, vec![Run, Subscribe(0), Subscribe(2), Run, Unsubscribe(0), R2, Run, R1, Run]),
        (
            "unsubscribing while the link is down",
            PLAIN,
            vec![Run, Subscribe(0), Run, BREAK, Unsubscribe(0), Subscribe(3), Live(300)],
        ),
        (
            "the server forgets between",
            CLEAN,
            vec![Subscribe(0), Run, Subscribe(1), Unsubscribe(0), Forget, Step::Lose, Live(300), R2],
        ),
    ]
}

fn ending() -> Vec<Script> {
    let will = Setup { will: true, ..PLAIN };
    vec![
        ("a will, and a link that breaks", will, vec![Run, Q2, BREAK, Live(300)]),
        ("a disconnect that waits for its messages", will, vec![Run, Q2, Q1, Subscribe(0), Disconnect, Run]),
        ("a disconnect of a clean session", CLEAN, vec![Run, Q1, Disconnect, Frame(Client), Run]),
        ("a disconnect while the link is down", will, vec![Run, Q2, DOWN, BREAK, Disconnect, Run, UP, Live(2_000)]),
        (
            "a server that is busy, and one that shuts down",
            PLAIN,
            vec![Step::Busy, Q2, Run, Live(300), Step::Shutdown, Q1, Live(900)],
        ),
        ("another client takes over", PLAIN, vec![Run, Q2, Frame(Client), Step::TakenOver, Run]),
        ("a server that goes and comes", PLAIN, vec![Run, Q2, R2, Q1, Frame(Client), Crash(Server), Live(300)]),
    ]
}

fn storing() -> Vec<Script> {
    let stored = Setup { journal: true, ..PLAIN };
    let held = Setup { holds: [true; 2], ..stored };
    vec![
        ("stored: every QoS", stored, vec![Run, Q0, Q1, Q2, R1, R2, Run]),
        ("stored: the process dies with a queue", stored, vec![DOWN, Q1, Q2, Crash(Client), Q1, UP, Live(300)]),
        (
            "stored: the process dies in flight",
            window_stored(2),
            vec![Run, Q2, Q2, Q1, Q2, Frame(Client), Crash(Client), Q1, Run],
        ),
        (
            "stored: the process dies, and the server forgets",
            window_stored(2),
            vec![
                Run,
                Q2,
                Q1,
                Q2,
                Q1,
                Frame(Client),
                Forget,
                Crash(Client),
                Q1,
                Run,
                Forget,
                BREAK,
                Live(300),
                Crash(Client),
                Run,
            ],
        ),
        (
            "stored: the process dies with deliveries",
            held,
            vec![Run, R2, R1, R2, Run, Ack(Client, 1), Crash(Client), Run],
        ),
        (
            "stored: subscriptions are the next process's own",
            stored,
            vec![Run, Subscribe(0), Run, Crash(Client), Subscribe(0), Run, R2],
        ),
    ]
}

const fn window_stored(messages: u16) -> Setup {
    Setup { journal: true, ..window(messages) }
}
