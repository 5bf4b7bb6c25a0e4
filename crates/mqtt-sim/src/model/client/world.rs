//! The client and its driver, the network, and what moves them.

use bytes::Bytes;
use mqtt_client::{Disconnect, Event, MessageId, Subscribe, Subscription, Unsubscribe};
use mqtt_proto::{Connection, Delivery, Instant, QoS, ReasonCode, Server, TopicFilter, Version};

use super::super::ledger::{Ledger, Said};
use super::super::link::{Link, Plan};
use super::super::monitor::{Flows, Monitor};
use super::super::moving::Moving;
use super::super::{Cut, Load, Side, Verdict, Violation, broken, ensure};
use super::kept::Kept;
use super::owner::{End, Owner};
use super::server::Keeper;
use super::setup::{FILTERS, Network, Setup, Step};
use super::twins::{TwinAck, Twins};

/// A client, its owner, its store, a network, a server.
#[derive(Debug)]
pub struct World {
    pub(super) setup: Setup,
    pub(super) now: Instant,
    pub(super) client: Twins,
    pub(super) owner: Owner,
    pub(super) kept: Kept,
    /// Before which batch of changes the client's process dies, and how many there have been.
    pub(super) crash: Option<u32>,
    batches: u32,
    pub(super) network: Network,
    /// A dial that the network does not answer.
    is_dialling: bool,
    /// CONNACK had come in this process before the newest CONNECT was written.
    pub(super) was_connected_at_dial: bool,
    is_holding: bool,
    is_stalled: bool,
    /// Something may have been sent for the client that no transport has seen.
    was_stalled: bool,
    /// Time passes and nothing arrives.
    pub(super) is_asleep: bool,
    pub(super) held: Vec<(TwinAck, u32, u32)>,
    /// The newest one last.
    pub(super) links: Vec<Link>,
    links_made: u32,
    pub(super) keeper: Keeper,
    pub(super) ledger: Ledger,
    pub(super) flows: Flows,
    pub(super) plan: Plan,
}

impl World {
    /// Nothing is connected yet.
    pub fn new(setup: Setup) -> Self {
        let options = setup.options();
        let now = Instant::from_millis(1_000);
        Self {
            setup,
            now,
            client: if setup.journal { Twins::restore(now, &options, &[]) } else { Twins::new(&options) },
            owner: Owner::default(),
            kept: Kept::default(),
            crash: None,
            batches: 0,
            network: Network::Up,
            is_dialling: false,
            was_connected_at_dial: false,
            is_holding: false,
            is_stalled: false,
            was_stalled: false,
            is_asleep: false,
            held: Vec::new(),
            links: Vec::new(),
            links_made: 0,
            keeper: Keeper::default(),
            ledger: Ledger::default(),
            flows: Flows::default(),
            plan: Plan::default(),
        }
    }

    /// With connections that end where these say.
    #[must_use]
    pub fn with_cuts(mut self, cuts: &[Cut]) -> Self {
        self.plan.cuts = cuts.to_vec();
        self
    }

    /// With a client whose process dies instead of storing the next batch after so many.
    #[must_use]
    pub fn with_crash(mut self, stored: u32) -> Self {
        self.crash = Some(stored);
        self
    }

    /// How many bytes of either side have arrived, by connection from 1 on; counted only with planned cuts.
    pub fn carried(&self) -> &[[u32; 2]] {
        &self.plan.carried
    }

    /// How many batches of changes the client has stored.
    pub fn batches(&self) -> u32 {
        self.batches
    }

    /// Lets something happen, and judges all that follows from it at once.
    ///
    /// # Errors
    ///
    /// The invariant that is broken now.
    pub fn step(&mut self, step: Step) -> Verdict {
        let now = self.now;
        match step {
            Step::Publish(Side::Client, load) => self.publish(load)?,
            Step::Publish(Side::Server, load) => self.publish_by_server(load),
            Step::Subscribe(index) => self.subscribe(index)?,
            Step::Unsubscribe(index) => self.unsubscribe(index)?,
            Step::Drop(index) => {
                if let Some(id) = self.owner.drops(index.into()) {
                    self.client.both(|client| client.drop_subscriber(now, id, true))?;
                }
            }
            Step::Deliver(side, bytes) => drop(self.deliver_newest(side, bytes.into())?),
            Step::Frame(side) => drop(self.deliver_frame(side)?),
            Step::Late(bytes) => {
                if self.links.len() > 1 {
                    self.deliver(0, Side::Client, bytes.into())?;
                }
            }
            Step::Run => self.run()?,
            Step::Ack(side, index) => self.ack_held(side, index, Said::Accepted)?,
            Step::Refuse(side, index) => self.ack_held(side, index, Said::Refused)?,
            Step::Hold(on) => self.hold(on)?,
            Step::Stall(on) => {
                self.is_stalled = on;
                self.was_stalled |= on;
                self.disturb();
                for link in &mut self.links {
                    (link.monitor.longest_gap, link.monitor.is_exact) = (0, false);
                }
            }
            Step::Break(client, server) => self.break_link([client.into(), server.into()]),
            Step::Lose => {
                self.disturb();
                self.client.both(|client| client.handle_error(now, &"lost"))?;
            }
            Step::HalfOpen(side) => self.swallow(side),
            Step::Network(network) => self.network = network,
            Step::Forget => self.keeper.forgets = true,
            Step::Busy => self.keeper.is_busy = true,
            Step::Shutdown => self.end_by_server(ReasonCode::SERVER_SHUTTING_DOWN),
            Step::TakenOver => self.end_by_server(ReasonCode::SESSION_TAKEN_OVER),
            Step::Disconnect => {
                self.owner.asked_to_end.get_or_insert(now);
                self.owner.has_been_asked = true;
                // If it has stopped, nothing happens.
                self.client.both(|client| client.disconnect(now, Disconnect::new(ReasonCode::SUCCESS)).is_ok())?;
            }
            Step::Crash(Side::Client) if self.setup.journal => self.crash_client()?,
            Step::Crash(Side::Client) => {}
            Step::Crash(Side::Server) => self.crash_server()?,
            Step::Sleep(millis) => self.pass(millis, false)?,
            Step::Live(millis) => self.pass(millis, true)?,
            Step::Jump(millis) => self.jump(millis)?,
            Step::ReceiveMaximum(messages) => self.setup.receive_maximum[1] = messages.max(1),
            Step::PacketSize(bytes) => self.setup.maximum_packet_size = u32::from(bytes).max(LEAST_PACKET),
        }
        self.pump()?;
        self.check_state()
    }

    /// After every step: the queue keeps to its bound (I25), and the store has what was accepted (I24).
    fn check_state(&mut self) -> Verdict {
        self.owner.check_bound(&self.setup)?;
        if !self.setup.journal {
            return Ok(());
        }
        let kept = self.kept.numbers();
        for (number, may_be_released) in self.owner.kept(&self.setup, &self.ledger, &self.flows) {
            let is_kept = kept.get(&number).is_some_and(|is_whole| *is_whole || may_be_released);
            ensure(is_kept, "I24", || format!("message {number} was accepted, and the store has {kept:?}"))?;
        }
        Ok(())
    }

    /// Lets both ends do what they can with what they have, until nothing changes.
    pub(super) fn pump(&mut self) -> Verdict {
        loop {
            let mut moved = self.pump_client()?;
            let mut index = 0;
            while index < self.links.len() {
                moved |= self.pump_server(index)?;
                index += 1;
            }
            self.links.retain(|link| !link.is_dead());
            if !moved {
                return Ok(());
            }
        }
    }

    /// What a driver does until it would wait.
    fn pump_client(&mut self) -> Result<bool, Violation> {
        let now = self.now;
        let mut moved = false;
        if let Some(link) = self.links.last_mut().filter(|link| link.has_client) {
            moved |= self.client.handle_input(now, &mut link.pipe(Side::Server).input)? > 0;
        }
        moved |= self.hear()?;
        if self.store()? {
            return Ok(true);
        }
        let open = self.links.last().is_some_and(|link| link.has_client).then(|| self.links.len() - 1);
        if let Some(index) = open.filter(|_| !self.is_stalled) {
            let bytes = self.client.written(now)?;
            if !bytes.is_empty() {
                self.wrote(index, Side::Client, bytes)?;
                return Ok(true);
            }
        }
        if self.client.both(|client| client.wants_close() && !client.wants_output())? {
            // An application that takes nothing has to take what came before the end.
            self.hold(false)?;
            if let Some(index) = open {
                self.leave(index);
            }
            self.is_dialling = false;
            self.client.handle_closed(now)?;
            return Ok(true);
        }
        Ok(self.dial()? || moved)
    }

    /// What the client wants dialled.
    fn dial(&mut self) -> Result<bool, Violation> {
        let now = self.now;
        if self.client.poll_open(now)?.is_none() {
            return Ok(false);
        }
        let has_link = self.links.iter().any(|link| link.has_client) || self.is_dialling;
        ensure(!has_link, "I19", || "it dials and has a transport already".into())?;
        self.owner.dials(now)?;
        match self.network {
            Network::Up => {
                self.links_made += 1;
                let Setup { version, keep_alive, .. } = self.setup;
                let gap = if self.is_stalled || self.is_asleep { 0 } else { u64::from(keep_alive) * 1000 };
                let mut monitor = Monitor::new(version, self.links_made, now.as_millis(), gap);
                monitor.is_ordered = self.setup.policy != mqtt_client::QueuePolicy::KeepLatest;
                monitor.is_exact = !self.was_stalled;
                let server = Connection::<Server>::listen(now, self.server_config());
                let mut link = Link::new(self.links_made, server, monitor);
                link.is_healthy = !self.is_stalled && !self.is_holding && !self.is_asleep;
                self.was_connected_at_dial = self.owner.was_connected;
                self.links.push(link);
                self.client.both(|client| client.handle_open(now))?;
                self.bury_oldest()?;
            }
            Network::Down => self.client.both(|client| client.handle_open_failed(now, &"nobody listens"))?,
            Network::Silent => self.is_dialling = true,
        }
        Ok(true)
    }

    /// The client's end of a transport is closed.
    pub(super) fn leave(&mut self, index: usize) {
        let link = &mut self.links[index];
        link.has_client = false;
        link.is_healthy = false;
        link.pipe(Side::Client).close();
        link.pipe(Side::Server).refuse();
    }

    /// Takes all that the client tells.
    fn hear(&mut self) -> Result<bool, Violation> {
        let mut heard = false;
        while let Some((event, ack)) = self.client.poll_event(self.now)? {
            heard = true;
            self.heard(event, ack)?;
        }
        Ok(heard)
    }

    fn heard(&mut self, event: Event, ack: Option<TwinAck>) -> Verdict {
        self.owner.is_stopping |= self.client.look(|client| client.stop_reason().is_some());
        let Self { now, setup, client, owner, ledger, .. } = self;
        match event {
            Event::Connected(_) => owner.connected(*now),
            Event::Disconnected { reason, retry_in } => {
                self.judge_end(&reason)?;
                return self.owner.disconnected(self.now, retry_in);
            }
            Event::Message(delivery) => return self.take(&delivery, ack),
            Event::Accepted(id) => return owner.accepted(id),
            Event::Published { id, result } => {
                let why = client.look(|client| client.stop_reason().cloned());
                let end = End { id, result: result.map(drop), why };
                return owner.ended(*now, setup, end, ledger);
            }
            Event::Subscribed { id, result } => return owner.subscribed(id, &result),
            Event::SubscriptionEnded { id, .. } => return owner.subscription_ended(id),
            Event::Unsubscribed { id, .. } => owner.unsubscribed(id),
            Event::Stopped(_) => {
                let told_twice = std::mem::replace(&mut owner.has_stopped, true);
                return ensure(!told_twice, "I23", || "the end is told twice".into());
            }
            event => return broken("I5", format!("nobody asked for {event:?}")),
        }
        Ok(())
    }

    /// Neither end may find fault with the other, nor time out on a link that works.
    fn judge_end(&self, reason: &mqtt_client::Error) -> Verdict {
        let is_healthy = self.links.last().is_some_and(|link| link.has_client && link.is_healthy);
        match reason {
            mqtt_client::Error::ServerFault(error) => broken("I5", format!("the client found fault: {error}")),
            mqtt_client::Error::TimedOut(timer) if is_healthy => broken("I17", format!("a healthy link: {timer}")),
            _ => Ok(()),
        }
    }

    /// The application gets a message.
    fn take(&mut self, delivery: &Delivery, ack: Option<TwinAck>) -> Verdict {
        let link = self.links.last().map_or(0, |link| link.number);
        let number = self.ledger.delivered(Side::Server, &delivery.message, link)?;
        let mut route = Vec::new();
        self.client.look(|client| client.route(&delivery.message, &mut route));
        self.owner.check_route(delivery.message.topic.as_str(), &route)?;
        match ack {
            Some(ack) if self.setup.holds[0] => self.held.push((ack, number, link)),
            Some(ack) => {
                self.ledger.acked(Side::Server, number, link, Said::Accepted);
                self.client.ack(self.now, ack, |ack| ack)?;
            }
            None => {}
        }
        Ok(())
    }

    /// Stores what has changed; whether the process dies instead.
    fn store(&mut self) -> Result<bool, Violation> {
        let changes = self.client.both(|client| client.take_changes())?;
        if changes.is_empty() {
            return Ok(false);
        }
        if self.crash == Some(self.batches) {
            self.crash = None;
            self.crash_client()?;
            return Ok(true);
        }
        self.kept.commit(changes);
        self.batches += 1;
        self.owner.stored();
        Ok(false)
    }

    /// The client's process dies and comes back with what it has stored.
    fn crash_client(&mut self) -> Verdict {
        self.disturb();
        self.held.clear();
        (self.is_holding, self.is_dialling) = (false, false);
        if self.links.last().is_some_and(|link| link.has_client) {
            self.leave(self.links.len() - 1);
        }
        let session = self.kept.session();
        let unreleased: Vec<u16> = session.unreleased().map(|id| id.get()).collect();
        self.ledger.receiver_crashed(Side::Server, &unreleased);
        self.owner.crashed(self.now, &mut self.ledger, &self.kept.found())?;
        self.client = Twins::restore(self.now, &self.setup.options(), &self.kept.load());
        Ok(())
    }

    /// Moves what was written to the network.
    pub(super) fn wrote(&mut self, index: usize, side: Side, bytes: Bytes) -> Verdict {
        let Self { links, ledger, flows, now, .. } = self;
        let link = &mut links[index];
        link.pipe(side).write(&bytes);
        link.monitor.wrote(side, bytes, now.as_millis(), ledger, flows)
    }

    fn publish(&mut self, load: Load) -> Verdict {
        let load = Load { expiry: if self.setup.version == Version::V5 { load.expiry } else { 0 }, ..load };
        let message = load.message(self.ledger.next(Side::Client));
        let now = self.now;
        match self.client.both(|client| client.publish(now, message.clone()))? {
            Ok(id) => self.posted(load, id),
            Err(error) => self.owner.refused(&self.setup, &error, &self.ledger),
        }
    }

    fn posted(&mut self, load: Load, id: MessageId) -> Verdict {
        let is_waiting = self.client.both(|client| client.is_waiting(id))?;
        self.ledger.published(Side::Client, load, None, None);
        let number = self.ledger.next(Side::Client) - 1;
        let deadline = (load.expiry > 0).then(|| self.now.as_millis() + u64::from(load.expiry) * 1000);
        self.ledger.by_number(Side::Client, number).deadline = deadline;
        let is_connected = self.client.look(|client| client.is_connected());
        self.owner.published(self.now, load, id, is_waiting, is_connected);
        Ok(())
    }

    fn publish_by_server(&mut self, load: Load) {
        let load = Load { expiry: 0, ..load };
        let (now, message) = (self.now, load.message(self.ledger.next(Side::Server)));
        let link = self.server_index().map(|index| self.links[index].number);
        let Some(server) = self.server_mut() else { return };
        // Beyond its limits nothing happens.
        if let Ok(token) = server.publish(now, message) {
            self.ledger.published(Side::Server, load, Some(token), link);
        }
    }

    fn subscribe(&mut self, index: u8) -> Verdict {
        let (now, index) = (self.now, usize::from(index) % FILTERS.len());
        let subscription = || Subscription::new(TopicFilter::from_static(FILTERS[index]), QoS::ExactlyOnce);
        let id = self.client.both(|client| client.subscribe(now, Subscribe::new(vec![subscription()])))?;
        if let Ok(id) = id {
            self.owner.subscribes(id, index);
        }
        Ok(())
    }

    fn unsubscribe(&mut self, index: u8) -> Verdict {
        let (now, index) = (self.now, usize::from(index) % FILTERS.len());
        let filters = || vec![TopicFilter::from_static(FILTERS[index])];
        if let Ok(id) = self.client.both(|client| client.unsubscribe(now, Unsubscribe::new(filters())))? {
            self.owner.unsubscribes(id, index);
        }
        Ok(())
    }

    fn ack_held(&mut self, side: Side, index: u8, said: Said) -> Verdict {
        // MQTT-3.3.5-2: 3.x has no way to refuse.
        let said = if self.setup.version == Version::V5 { said } else { Said::Accepted };
        let reason = if said == Said::Refused { ReasonCode::QUOTA_EXCEEDED } else { ReasonCode::SUCCESS };
        let now = self.now;
        match side {
            Side::Client if !self.held.is_empty() => {
                let (ack, number, link) = self.held.remove(usize::from(index) % self.held.len());
                self.ledger.acked(Side::Server, number, link, said);
                self.client.ack(now, ack, |ack| ack.with_reason(reason))
            }
            Side::Server if !self.keeper.held.is_empty() => {
                let (ack, number, link) = self.keeper.held.remove(usize::from(index) % self.keeper.held.len());
                self.ledger.acked(Side::Client, number, link, said);
                let ack = ack.with_reason(reason);
                match (self.server_mut().is_some(), &mut self.keeper.session) {
                    (true, _) => {
                        let server = self.server_mut().expect("there is one");
                        super::super::world::accepted(server.ack(now, ack))?;
                    }
                    (false, Some(session)) => session.ack(ack),
                    (false, None) => {}
                }
                Ok(())
            }
            Side::Client | Side::Server => Ok(()),
        }
    }

    fn hold(&mut self, on: bool) -> Verdict {
        let is_connected = self.client.look(|client| client.is_connected());
        let on = on && is_connected;
        if on != self.is_holding {
            self.is_holding = on;
            self.disturb();
            self.client.both(|client| client.hold(on))?;
            self.hear()?;
        }
        Ok(())
    }
}

/// A CONNECT of a model, with its will, has to fit.
const LEAST_PACKET: u32 = 60;
