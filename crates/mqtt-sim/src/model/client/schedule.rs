//! Schedules of the model of a client, from a seed.

use mqtt_client::QueuePolicy;
use mqtt_proto::{QoS, Version};

use super::super::schedule::Dice;
use super::super::trace::{Schedule, caught};
use super::super::{Load, Side, Verdict};
use super::{Network, Setup, Step, World};

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
        |Self { setup, .. }| {
            (setup.queue, setup.policy) = (Setup::new(setup.version).queue, Setup::new(setup.version).policy)
        },
        |Self { setup, .. }| setup.keep_alive = 0,
        |Self { setup, .. }| setup.holds = [false; 2],
        |Self { setup, .. }| setup.will = false,
        |Self { setup, .. }| setup.journal = false,
        |Self { setup, .. }| setup.clean_start = false,
    ];

    fn random(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let setup = setup(&mut dice);
        let length = 10 + dice.below(50) as usize;
        let mut steps = Vec::new();
        while steps.len() < length {
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
            world.say_goodbye()
        })
    }
}

fn setup(dice: &mut Dice) -> Setup {
    let mut setup = Setup::new(dice.choose(&[Version::V31, Version::V311, Version::V5, Version::V5, Version::V5]));
    setup.journal = dice.one_in(2);
    setup.clean_start = !setup.journal && dice.one_in(2);
    setup.receive_maximum = [dice.choose(&[1, 2, 3, u16::MAX]), dice.choose(&[1, 1, 2, 3, u16::MAX])];
    setup.maximum_packet_size = dice.choose(&[60, 600, 100_000, 100_000]);
    setup.keep_alive = dice.choose(&[0, 0, 5, 60]);
    setup.holds = [dice.one_in(2), dice.one_in(2)];
    setup.queue = dice.choose(&[1, 2, 4, 100]);
    setup.policy = dice.choose(&[
        QueuePolicy::Wait,
        QueuePolicy::Wait,
        QueuePolicy::Refuse,
        QueuePolicy::DropOldest,
        QueuePolicy::KeepLatest,
    ]);
    setup.will = dice.one_in(3);
    setup
}

fn step(dice: &mut Dice, steps: &mut Vec<Step>) {
    let side = dice.choose(&[Side::Client, Side::Client, Side::Server]);
    let next = match dice.below(100) {
        0..=25 => Step::Publish(side, load(dice)),
        26..=35 => Step::Frame(side),
        36..=39 => Step::Deliver(side, dice.below(20) as u16),
        40..=49 => Step::Run,
        50..=55 => Step::Ack(side, dice.below(4) as u8),
        56 => Step::Refuse(side, dice.below(4) as u8),
        57..=59 => Step::Subscribe(dice.below(5) as u8),
        60 => Step::Unsubscribe(dice.below(5) as u8),
        61 => Step::Drop(dice.below(5) as u8),
        62 => Step::Hold(dice.one_in(2)),
        63 => Step::Stall(dice.one_in(2)),
        64..=68 => {
            steps.push(Step::Break(dice.below(60) as u16, dice.below(40) as u16));
            steps.push(Step::Run);
            Step::Live(dice.below(2_000))
        }
        69..=72 => {
            steps.push(Step::Lose);
            Step::Live(dice.below(2_000))
        }
        73 => Step::HalfOpen(side),
        74..=76 => Step::Network(dice.choose(&[Network::Up, Network::Up, Network::Down, Network::Silent])),
        77..=79 => Step::Forget,
        80 => Step::Busy,
        81 => Step::Shutdown,
        82 if dice.one_in(4) => Step::TakenOver,
        82 => Step::Late(dice.below(60) as u16),
        83 if dice.one_in(3) => Step::Disconnect,
        83..=85 => Step::Crash(side),
        86..=88 => Step::Sleep(dice.below(30_000)),
        89..=96 => Step::Live(dice.choose(&[100, 300, 1_000, 5_000, 30_000, 90_000])),
        97 => Step::Jump(dice.choose(&[1, 100, 200_000, 3_600_000])),
        98 => Step::ReceiveMaximum(dice.choose(&[1, 2, 3, 100])),
        _ => Step::PacketSize(dice.choose(&[60, 100])),
    };
    steps.push(next);
}

fn load(dice: &mut Dice) -> Load {
    Load {
        topic: dice.choose(&[0, 0, 0, 1, 1, 2, 3, 7]),
        qos: dice.choose(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::ExactlyOnce]),
        size: dice.choose(&[0, 0, 1, 12, 113, 520]),
        expiry: dice.choose(&[0, 0, 0, 1, 10, 300]),
    }
}
