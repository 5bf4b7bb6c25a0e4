//! The broker, its clients, the links between them, and what moves them.

mod links;
mod settle;

use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::time::Duration;

use mqtt_broker::{Broker, Config, Hub, Origin};
use mqtt_proto::{Instant, Text, Version};

use crate::actor::Actor;
use crate::reference::{HANDSHAKE, Reference};
use crate::setup::{Hello, Setup, Step};
use crate::{Verdict, broken};

use links::Link;

pub(crate) struct World {
    setup: Setup,
    now: Instant,
    hub: Hub,
    reference: Reference,
    actors: Vec<Actor>,
    /// The oldest first.
    links: VecDeque<Link>,
    /// Messages made so far: what tells their payloads apart.
    number: u32,
}

impl World {
    /// Nobody is connected yet.
    pub(crate) fn new(setup: Setup) -> Self {
        let versions = setup.versions();
        let last = versions.len() - 1;
        let actor = |(index, version): (usize, &Version)| {
            let name = if index == last && setup.has_twin { 0 } else { index };
            let id = Text::try_from(format!("c{name}")).expect("a short text");
            Actor::new(id, *version, setup, setup.holds(index))
        };
        let now = Instant::from_millis(START);
        Self {
            setup,
            now,
            hub: hub(setup),
            reference: Reference::new(setup, START),
            actors: versions.iter().enumerate().map(actor).collect(),
            links: VecDeque::new(),
            number: 0,
        }
    }

    /// Lets something happen, and judges all that follows from it at once.
    pub(crate) fn step(&mut self, step: Step) -> Verdict {
        let now = self.now;
        match step {
            Step::Connect(client, hello) => self.connect(self.at(client), hello)?,
            Step::Subscribe(client, wish) => self.actor(client).subscribe(now, wish),
            Step::Unsubscribe(client, filter) => self.actor(client).unsubscribe(now, filter),
            Step::Publish(client, load) => {
                let at = self.at(client);
                self.actors[at].publish(now, load, &mut self.number);
            }
            Step::Ack(client, index) => self.actor(client).ack(now, index),
            Step::Disconnect(client, farewell) => self.actor(client).disconnect(now, farewell),
            Step::Run => self.run()?,
            Step::Up(client, bytes) => {
                let at = self.at(client);
                let link = self.links.iter().position(|link| link.belongs_to(at));
                link.map_or(Ok(false), |link| self.carry_up(link, bytes.into()))?;
            }
            Step::Down(client, bytes) => {
                if let Some(link) = self.newest(self.at(client)) {
                    self.links[link].carry_down(bytes.into());
                }
            }
            Step::Cut(client, bytes) => {
                if let Some(link) = self.newest(self.at(client)) {
                    self.carry_up(link, bytes.into())?;
                    self.cut(link)?;
                }
            }
            Step::Vanish(client) => self.vanish(self.at(client)),
            Step::Crash(client) => self.actor(client).crash(),
            Step::Stall(client, is_stalled) => {
                if let Some(link) = self.newest(self.at(client)) {
                    self.stall(link, is_stalled)?;
                }
            }
            Step::Sleep(millis) => self.pass(millis, false)?,
            Step::Live(millis) => self.pass(millis, true)?,
            Step::Restart => self.restart(),
        }
        self.pump_actors()
    }

    /// The client of this number, whatever the number.
    fn at(&self, client: u8) -> usize {
        usize::from(client) % self.actors.len()
    }

    fn actor(&mut self, client: u8) -> &mut Actor {
        let at = self.at(client);
        &mut self.actors[at]
    }

    fn connect(&mut self, at: usize, hello: Hello) -> Verdict {
        self.pump_actors()?;
        self.abandon(at);
        let Ok(peer) = self.hub.open(self.now, Origin::default()) else {
            return broken("I25", "there is room for a link, and it was not let in");
        };
        self.reference.opened(peer.as_u64());
        self.links.push_back(Link::new(peer, at, self.actors[at].version));
        self.actors[at].connect(self.now, hello, &mut self.number)
    }

    /// The client forgets its link, without a word.
    fn abandon(&mut self, at: usize) {
        for link in self.links.iter_mut().filter(|link| link.belongs_to(at)) {
            link.has_client = false;
        }
    }

    /// The client's machine is gone: what it has written may arrive still, its end of the link never does.
    fn vanish(&mut self, at: usize) {
        self.abandon(at);
        self.actors[at].leave();
    }

    fn restart(&mut self) {
        for link in &mut self.links {
            link.down_ends = true;
            link.is_gone = true;
        }
        self.hub = hub(self.setup);
        self.reference = Reference::new(self.setup, self.now.as_millis());
    }

    /// Lets clients do what they can with what they have.
    fn pump_actors(&mut self) -> Verdict {
        for at in 0..self.actors.len() {
            self.pump_actor(at)?;
        }
        self.links.retain(|link| !link.is_over());
        Ok(())
    }

    /// Everything under way arrives, and what it causes, until nothing moves.
    fn run(&mut self) -> Verdict {
        for _ in 0..ROUNDS {
            self.pump_actors()?;
            let mut moved = false;
            for at in 0..self.links.len() {
                moved |= self.carry_up(at, usize::MAX)?;
            }
            for link in &mut self.links {
                moved |= link.is_moving();
                link.carry_down(usize::MAX);
            }
            if !moved {
                return Ok(());
            }
        }
        broken("I23", "bytes go to and fro for ever")
    }

    /// Time passes; it stops wherever anybody has set an alarm.
    fn pass(&mut self, millis: u32, is_live: bool) -> Verdict {
        let end = self.now.as_millis() + u64::from(millis);
        for _ in 0..ROUNDS {
            if is_live {
                self.run()?;
            }
            if self.now.as_millis() >= end {
                return Ok(());
            }
            let alarm = self.hub.poll_timeout().map(Instant::as_millis);
            self.reference.check_alarm(alarm)?;
            let clients = self.actors.iter().filter_map(|actor| actor.connection.as_ref()?.poll_timeout());
            let alarms = clients.map(Instant::as_millis).chain(alarm).chain(self.reference.next_deadline());
            let next = alarms.chain([end]).min().unwrap_or(end).max(self.now.as_millis());
            self.tick(next)?;
        }
        broken("I1", "the broker wants to be woken again and again")
    }

    fn tick(&mut self, now: u64) -> Verdict {
        self.now = Instant::from_millis(now);
        for actor in &mut self.actors {
            if let Some(connection) = &mut actor.connection {
                connection.handle_timeout(self.now);
            }
        }
        self.pump_actors()?;
        self.hub.handle_timeout(self.now);
        self.reference.advance(now);
        self.drain()
    }
}

/// What a schedule says, played to the end.
pub(crate) fn play(setup: Setup, steps: &[Step]) -> Verdict {
    let mut world = World::new(setup);
    for step in steps {
        world.step(*step)?;
    }
    world.settle()
}

fn hub(setup: Setup) -> Hub {
    let number = |number: u16| NonZeroU16::new(number).unwrap_or(NonZeroU16::MIN);
    let config = Config {
        maximum_queued_messages: setup.queue.into(),
        queue_qos0: setup.queue_qos0,
        maximum_inflight: number(setup.in_flight),
        topic_alias_maximum: setup.aliases,
        status_interval: Duration::from_secs(setup.status.into()),
        connect_timeout: Duration::from_millis(HANDSHAKE),
        seed: setup.seed.into(),
        ..Config::default()
    };
    Hub::new(Broker::new(config, Box::new(())))
}

/// When worlds begin, in milliseconds: not at zero, where a forgotten time would look like now.
const START: u64 = 1_000_000;
/// More than any world takes.
const ROUNDS: usize = 10_000;
