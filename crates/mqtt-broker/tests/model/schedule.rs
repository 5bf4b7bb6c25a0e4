//! Schedules from a seed, and the shortest one that fails as well.

use std::fmt;

use mqtt_proto::QoS;

use crate::setup::{FILTERS, Farewell, Hello, Load, Setup, Size, Step, TOPICS, Wish};
use crate::{Verdict, Violation, world};

/// A world and what happens in it. It prints as Rust, to be pasted into the list of regressions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) setup: Setup,
    pub(crate) steps: Vec<Step>,
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Trace {{ setup: {:?}, steps: vec![", self.setup)?;
        for step in &self.steps {
            writeln!(f, "    {step:?},")?;
        }
        f.write_str("] }")
    }
}

impl Trace {
    /// Plays it to the end, and lets everything come to rest. A panic breaks I1.
    pub(crate) fn play(&self) -> Verdict {
        std::panic::catch_unwind(|| world::play(self.setup, &self.steps)).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let what = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned();
            Err(Violation { rule: "I1", what })
        })
    }
}

/// The schedule of a seed.
pub(crate) fn random(seed: u64) -> Trace {
    let mut dice = Dice(seed);
    let setup = setup(&mut dice);
    let clients = setup.versions().len() as u8;
    let length = 15 + dice.below(60) as usize;
    let mut steps = Vec::new();
    for client in 0..clients {
        steps.push(Step::Connect(client, hello(&mut dice)));
        if dice.one_in(4) {
            continue;
        }
        steps.push(Step::Run);
        for _ in 0..=dice.below(2) {
            steps.push(Step::Subscribe(client, wish(&mut dice)));
        }
    }
    steps.push(Step::Run);
    while steps.len() < length {
        let client = dice.below(clients.into()) as u8;
        step(&mut dice, client, &mut steps);
    }
    Trace { setup, steps }
}

/// Drops every step and every peculiarity of the setup that the failure does not need.
pub(crate) fn shrink(mut trace: Trace) -> Trace {
    let Err(first) = trace.play() else { return trace };
    let fails = |trace: &Trace| trace.play().is_err_and(|violation| violation.rule == first.rule);
    let mut chunk = trace.steps.len();
    while chunk > 0 {
        let mut at = 0;
        while at < trace.steps.len() {
            let mut shorter = trace.clone();
            shorter.steps.drain(at..(at + chunk).min(trace.steps.len()));
            if fails(&shorter) {
                trace = shorter;
            } else {
                at += chunk;
            }
        }
        chunk /= 2;
    }
    let plain = Setup::PLAIN;
    for simpler in [
        |setup| Setup { clients: Setup::PLAIN.clients, ..setup },
        |setup| Setup { clients: setup.clients % 1_000, ..setup },
        |setup| Setup { has_twin: false, ..setup },
        |setup| Setup { queue: Setup::PLAIN.queue, ..setup },
        |setup| Setup { queue_qos0: false, ..setup },
        |setup| Setup { in_flight: Setup::PLAIN.in_flight, ..setup },
        |setup| Setup { receive_maximum: Setup::PLAIN.receive_maximum, ..setup },
        |setup| Setup { packet_size: Setup::PLAIN.packet_size, ..setup },
        |setup| Setup { aliases: 0, ..setup },
        |setup| Setup { status: 0, ..setup },
        |setup| Setup { holds: 0, ..setup },
        |setup| Setup { seed: 0, ..setup },
    ] as [fn(Setup) -> Setup; 12]
    {
        let simpler = Trace { setup: simpler(trace.setup), ..trace.clone() };
        if simpler.setup != plain && simpler.setup != trace.setup && fails(&simpler) {
            trace = simpler;
        }
    }
    trace
}

fn setup(dice: &mut Dice) -> Setup {
    let count = 3 + dice.below(3) + u32::from(dice.one_in(4)) * 3;
    let count = count.min(8);
    let mut clients = (0..count).fold(0, |clients, _| clients * 10 + dice.choose(&[3, 4, 4, 5, 5, 5, 5]));
    let is_tight = dice.one_in(3);
    let has_twin = dice.one_in(6);
    if has_twin {
        // Of one version: the reference cannot tell through which groups messages come to a session that changes it.
        let last = 10_u32.pow(count - 1);
        clients = clients % last + clients % 10 * last;
    }
    Setup {
        clients,
        has_twin,
        queue: if is_tight { dice.choose(&[1, 2, 3, 5]) } else { 1_000 },
        queue_qos0: dice.one_in(2),
        in_flight: dice.choose(&[1, 2, 3, 100, 100]),
        receive_maximum: dice.choose(&[1, 2, 100, 100]),
        packet_size: dice.choose(&[60, 100, u16::MAX, u16::MAX]),
        aliases: dice.choose(&[0, 0, 1, 3]),
        // What the broker publishes itself would fill the queues.
        status: if is_tight { 0 } else { dice.choose(&[0, 0, 0, 0, 7]) },
        holds: dice.below(256) as u8 & dice.below(256) as u8,
        seed: dice.below(256) as u8,
    }
}

fn step(dice: &mut Dice, client: u8, steps: &mut Vec<Step>) {
    let next = match dice.below(100) {
        0..=29 => Step::Publish(client, load(dice)),
        30..=43 => Step::Run,
        44..=52 => Step::Connect(client, hello(dice)),
        53..=61 => Step::Subscribe(client, wish(dice)),
        62..=65 => Step::Unsubscribe(client, dice.below(FILTERS.len() as u32) as u8),
        66..=70 => Step::Ack(client, dice.below(4) as u8),
        71..=73 => Step::Disconnect(client, farewell(dice)),
        74..=77 => Step::Up(client, dice.below(60) as u16),
        78..=79 => Step::Down(client, dice.below(60) as u16),
        80..=84 => Step::Cut(client, dice.choose(&[0, 0, 7, 20, 300])),
        85..=86 => Step::Vanish(client),
        87 => Step::Crash(client),
        88..=90 => Step::Stall(client, !dice.one_in(3)),
        91..=93 => Step::Sleep(duration(dice)),
        94..=98 => Step::Live(duration(dice)),
        _ if dice.one_in(3) => Step::Restart,
        _ => Step::Run,
    };
    let wants_run = matches!(next, Step::Connect(..) | Step::Subscribe(..)) && !dice.one_in(4);
    steps.push(next);
    if wants_run {
        steps.push(Step::Run);
    }
}

fn duration(dice: &mut Dice) -> u32 {
    dice.choose(&[1, 400, 1_000, 1_001, 2_500, 4_000, 9_000, 30_000])
}

fn hello(dice: &mut Dice) -> Hello {
    Hello {
        clean: dice.one_in(3),
        expiry: dice.choose(&[0, 1, 3, 20, 1_000, 1_000, u32::MAX]),
        will: dice.one_in(3).then(|| (load(dice), dice.choose(&[0, 0, 1, 2, 5, 60]))),
        keep_alive: dice.choose(&[0, 0, 0, 2, 10]),
    }
}

fn farewell(dice: &mut Dice) -> Farewell {
    let expiry = dice.one_in(4).then(|| dice.choose(&[0, 2, 1_000]));
    Farewell { with_will: dice.one_in(4), expiry }
}

fn wish(dice: &mut Dice) -> Wish {
    Wish {
        filter: dice.below(FILTERS.len() as u32) as u8,
        qos: dice.choose(&QOS),
        no_local: dice.one_in(4),
        as_published: dice.one_in(3),
        handling: dice.choose(&[0, 0, 1, 2]),
        identifier: dice.choose(&[0, 0, 1, 2, 200]),
    }
}

fn load(dice: &mut Dice) -> Load {
    Load {
        topic: dice.choose(&[0, 0, 1, 1, 1, 2, 3, 4, 5]) % TOPICS.len() as u8,
        qos: dice.choose(&QOS),
        retain: dice.one_in(3),
        expiry: dice.choose(&[0, 0, 0, 0, 1, 2, 10]),
        size: dice.choose(&[Size::Empty, Size::Small, Size::Small, Size::Small, Size::Small, Size::Large]),
    }
}

/// SplitMix64: all of its state is the seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u32) -> u32 {
        (self.next() % u64::from(bound)) as u32
    }

    fn one_in(&mut self, chances: u32) -> bool {
        self.below(chances) == 0
    }

    fn choose<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u32) as usize]
    }
}

const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
