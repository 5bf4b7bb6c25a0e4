//! Schedules of the model of delivery, from a seed.

use mqtt_proto::{QoS, Version};

use super::trace::{Schedule, caught};
use super::{Load, Setup, Side, Step, Verdict, World};

/// A world and what happens in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The world.
    pub setup: Setup,
    /// What happens.
    pub steps: Vec<Step>,
}

impl Schedule for Trace {
    type Step = Step;

    const PLAINER: &'static [fn(&mut Self)] = &[
        |Self { setup, .. }| setup.receive_maximum = Setup::new(setup.version).receive_maximum,
        |Self { setup, .. }| setup.maximum_packet_size = Setup::new(setup.version).maximum_packet_size,
        |Self { setup, .. }| setup.topic_alias_maximum = Setup::new(setup.version).topic_alias_maximum,
        |Self { setup, .. }| setup.keep_alive = 0,
        |Self { setup, .. }| setup.event_limit = Setup::new(setup.version).event_limit,
        |Self { setup, .. }| setup.outbox_limit = Setup::new(setup.version).outbox_limit,
        |Self { setup, .. }| setup.holds = [false; 2],
        |Self { setup, .. }| setup.journal = false,
    ];

    fn random(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let setup = setup(&mut dice);
        let length = 10 + dice.below(50);
        let mut steps = vec![Step::Dial, Step::Run];
        while steps.len() < length as usize {
            if dice.one_in(8) && !steps.contains(&Step::Dial) {
                steps.push(Step::Dial);
            }
            step(&mut dice, &mut steps);
        }
        Trace { setup, steps }
    }

    fn steps(&mut self) -> &mut Vec<Step> {
        &mut self.steps
    }

    fn play(&self) -> Verdict {
        caught(|| {
            let mut world = World::new(self.setup);
            self.steps.iter().try_for_each(|step| world.step(*step))?;
            world.settle()?;
            world.check_windows()
        })
    }
}

fn setup(dice: &mut Dice) -> Setup {
    let version = dice.choose(&[Version::V31, Version::V311, Version::V5, Version::V5]);
    let mut setup = Setup::new(version);
    let mut pair = |values: &[u16]| [dice.choose(values), dice.choose(values)];
    setup.receive_maximum = pair(&[1, 1, 2, 3, u16::MAX]);
    setup.topic_alias_maximum = pair(&[0, 0, 1, 2, 10]);
    setup.maximum_packet_size = pair(&[44, 60, 600, u16::MAX]).map(u32::from);
    setup.keep_alive = dice.choose(&[0, 0, 5, 60]);
    setup.event_limit = dice.choose(&[1, 2, 256]);
    setup.outbox_limit = dice.choose(&[1, 30, 262_144]);
    setup.holds = [dice.one_in(2), dice.one_in(2)];
    setup.journal = dice.one_in(3);
    setup
}

fn step(dice: &mut Dice, steps: &mut Vec<Step>) {
    let side = dice.choose(&Side::BOTH);
    let next = match dice.below(100) {
        0..=27 => Step::Publish(side, load(dice)),
        28..=41 => Step::Frame(side),
        42..=49 => Step::Deliver(side, dice.below(20) as u16),
        50..=59 => Step::Run,
        60..=67 => Step::Ack(side, dice.below(4) as u8),
        68..=69 => Step::Refuse(side, dice.below(4) as u8),
        70 => Step::Subscribe,
        71..=72 => Step::Pause(side, dice.one_in(2)),
        73..=74 => Step::Stall(side, dice.one_in(2)),
        75..=77 => {
            steps.push(Step::Break(dice.below(60) as u16, dice.below(40) as u16));
            steps.push(Step::Run);
            Step::Dial
        }
        78..=80 => Step::Redial,
        81 => Step::HalfOpen(side),
        82..=85 => Step::Dial,
        86 => Step::Late(dice.below(60) as u16),
        87..=88 => Step::Forget,
        89 => Step::CleanStart,
        90 => Step::Disconnect(side),
        91..=92 => Step::Crash(side),
        93 => Step::Sleep(dice.below(30_000)),
        94..=95 => Step::Live(dice.below(90_000)),
        96 => Step::Jump(dice.choose(&[-3_600_000, -1, 1, 100, 3_600_000])),
        97..=98 => Step::ReceiveMaximum(side, dice.choose(&[1, 2, 3, 100])),
        _ => Step::PacketSize(side, dice.choose(&[44, 50, 100])),
    };
    steps.push(next);
}

fn load(dice: &mut Dice) -> Load {
    Load {
        topic: dice.choose(&[0, 0, 0, 1, 1, 2, 3, 4, 5, 7]),
        qos: dice.choose(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::ExactlyOnce]),
        size: dice.choose(&[0, 0, 1, 3, 9, 12, 113, 520]),
        expiry: 0,
    }
}

/// SplitMix64: all of its state is the seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: u32) -> u32 {
        (self.next() % u64::from(bound)) as u32
    }

    pub(super) fn one_in(&mut self, chances: u32) -> bool {
        self.below(chances) == 0
    }

    pub(super) fn choose<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u32) as usize]
    }
}
