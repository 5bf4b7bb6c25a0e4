//! Two ends, the network between them, and what moves them.

use bytes::{Buf, Bytes};
use mqtt_proto::{
    Ack, Change, Client, Closed, CommandError, Config, Connection, Delivery, Disconnect, Instant, Outbox,
    PROTOCOL_MAXIMUM_PACKET_SIZE, ReasonCode, Rejected, Session, Subscribe, Subscription, Token, TopicFilter, Version,
};

use super::app::{App, Before, Held};
use super::ledger::{Ledger, Said};
use super::link::{End, Link, Plan};
use super::monitor::Flows;
use super::moving::Moving;
use super::{Cut, Load, Setup, Side, Step, Verdict, broken, ensure};

/// Two connections of one session, their applications, and the network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub(super) setup: Setup,
    pub(super) now: Instant,
    /// The client's end of the newest link, or what it left.
    pub(super) client: Option<Box<Connection<Client>>>,
    pub(super) client_session: Session,
    /// The newest one last.
    pub(super) links: Vec<Link>,
    pub(super) links_made: u32,
    /// The session while no connection holds it.
    pub(super) server_session: Option<Session>,
    /// The server loses its session before the next CONNECT.
    pub(super) forgets: bool,
    /// Something has arrived that the client sends only if it knows that the session is a new one; the server has taken it.
    pub(super) is_confirmed: [bool; 2],
    pub(super) clean_start: bool,
    pub(super) apps: [App; 2],
    pub(super) ledger: Ledger,
    pub(super) flows: Flows,
    pub(super) stores: [Vec<Bytes>; 2],
    /// How many changes each side has stored, and before which one it crashes.
    pub(super) stored: [u32; 2],
    pub(super) crash: Option<(Side, u32)>,
    pub(super) plan: Plan,
    /// Healthy time passes: nobody may time out.
    pub(super) is_live: bool,
}

impl World {
    /// Nothing is connected yet.
    pub fn new(setup: Setup) -> Self {
        Self {
            setup,
            now: Instant::ZERO,
            client: None,
            client_session: Session::new(),
            links: Vec::new(),
            links_made: 0,
            server_session: None,
            forgets: false,
            is_confirmed: [true; 2],
            clean_start: false,
            apps: Default::default(),
            ledger: Ledger::default(),
            flows: Flows::default(),
            stores: Default::default(),
            stored: [0; 2],
            crash: None,
            plan: Plan::default(),
            is_live: false,
        }
    }

    /// With connections that end where these say.
    #[must_use]
    pub fn with_cuts(mut self, cuts: &[Cut]) -> Self {
        self.plan.cuts = cuts.to_vec();
        self
    }

    /// With a process that dies after it has stored so many changes.
    #[must_use]
    pub fn with_crash(mut self, side: Side, stored: u32) -> Self {
        self.crash = Some((side, stored));
        self
    }

    /// How many bytes of either side have arrived, by connection from 1 on; counted only with planned cuts.
    pub fn carried(&self) -> &[[u32; 2]] {
        &self.plan.carried
    }

    /// The cuts that are still planned.
    pub fn cuts(&self) -> &[Cut] {
        &self.plan.cuts
    }

    /// The crash that is still planned.
    pub fn crash(&self) -> Option<(Side, u32)> {
        self.crash
    }

    /// How many changes each side has stored.
    pub fn stored(&self) -> [u32; 2] {
        self.stored
    }

    /// Whether the client has a connection.
    pub fn is_dialled(&self) -> bool {
        self.client.is_some()
    }

    /// Whether bytes of this side are under way on the newest connection.
    pub fn is_under_way(&self, side: Side) -> bool {
        self.links.last().is_some_and(|link| {
            let pipe = &link.pipes[side.index()];
            !pipe.bytes.is_empty() || (pipe.end == End::Eof && !pipe.is_over)
        })
    }

    /// Whether bytes that the client wrote to an abandoned connection may still arrive.
    pub fn has_late_bytes(&self) -> bool {
        let takes = |link: &Link| link.server.as_ref().is_some_and(|server| server.wants_input());
        self.links.len() > 1 && takes(&self.links[0]) && !self.links[0].pipes[0].is_over
    }

    /// How many deliveries the application holds.
    pub fn held(&self, side: Side) -> usize {
        self.apps[side.index()].held.len()
    }

    /// How many messages the application has published.
    pub fn published(&self, side: Side) -> usize {
        self.ledger.sent(side).len()
    }

    /// Whether messages may flow on this side.
    pub fn is_open(&self, side: Side) -> bool {
        match side {
            Side::Client => self.client.as_ref().is_some_and(|client| client.is_open()),
            Side::Server => self.server().is_some_and(|server| server.is_open()),
        }
    }

    /// Lets something happen, and judges all that follows from it at once.
    ///
    /// # Errors
    ///
    /// The invariant that is broken now.
    pub fn step(&mut self, step: Step) -> Verdict {
        match step {
            Step::Publish(side, load) => self.publish(side, load)?,
            Step::Subscribe => self.subscribe(),
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
            Step::Pause(side, on) => {
                self.apps[side.index()].paused = on;
                self.disturb();
            }
            Step::Stall(side, on) => {
                self.apps[side.index()].stalled = on;
                self.disturb();
                self.links.iter_mut().for_each(|link| link.monitor.longest_gap = 0);
            }
            Step::Write(side) => self.write_once(side)?,
            Step::Break(client, server) => self.break_link([client.into(), server.into()]),
            Step::Redial => {
                self.break_link([0, 0]);
                self.run()?;
                self.dial()?;
            }
            Step::HalfOpen(side) => {
                self.disturb();
                if let Some(pipe) = self.links.last_mut().map(|link| link.pipe(side)) {
                    pipe.end = if pipe.end == End::Open { End::Hole } else { pipe.end };
                }
            }
            Step::Dial => self.dial()?,
            Step::Forget => self.forgets = true,
            Step::CleanStart => self.clean_start = true,
            Step::Disconnect(side) => self.disconnect(side),
            Step::Crash(side) if self.setup.journal => self.crash_now(side, false)?,
            Step::Crash(_) => {}
            Step::Sleep(millis) => self.pass(millis, false)?,
            Step::Live(millis) => self.pass(millis, true)?,
            Step::Jump(millis) => self.jump(millis)?,
            Step::ReceiveMaximum(side, messages) => self.setup.receive_maximum[side.index()] = messages.max(1),
            Step::PacketSize(side, bytes) => self.setup.maximum_packet_size[side.index()] = u32::from(bytes).max(44),
        }
        self.pump()?;
        self.check_state()
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

    /// The application gets a message. Returns what it acknowledges at once.
    pub(super) fn receive(
        &mut self,
        side: Side,
        delivery: Delivery,
        before: Option<Before>,
        link: u32,
    ) -> Result<Option<(Ack, u32)>, super::Violation> {
        let number = self.ledger.delivered(side.peer(), &delivery.message, link)?;
        match (delivery.ack, before) {
            (Some(ack), Some(before)) => {
                self.apps[side.index()].held.push(Held::new(ack, before, number, link));
                Ok(None)
            }
            (ack, _) => Ok(ack.map(|ack| (ack, number))),
        }
    }

    /// Neither end may find fault with the other, nor time out on a link that works.
    pub(super) fn judge_end(&self, side: Side, index: usize, why: &Closed) -> Verdict {
        let is_healthy = self.links.get(index).is_some_and(|link| link.is_healthy);
        match why {
            Closed::ProtocolError(error) => broken("I5", format!("{side:?} found fault: {error}")),
            Closed::TimedOut(timer) if is_healthy => broken("I17", format!("{side:?} of a healthy link: {timer}")),
            Closed::Refused(connack) => broken("I14", format!("refused: {connack:?}")),
            Closed::TimedOut(_) | Closed::Local | Closed::Remote(_) | Closed::Eof => Ok(()),
        }
    }

    /// Makes changes durable; whether the process dies while it does.
    pub(super) fn store(&mut self, side: Side, changes: impl Iterator<Item = Change>) -> bool {
        let mut dies = false;
        for change in changes {
            if self.crash == Some((side, self.stored[side.index()])) {
                dies = true;
                continue;
            }
            let mut record = bytes::BytesMut::new();
            change.encode(&mut record).expect("what was published can be stored");
            self.stores[side.index()].push(record.freeze());
            self.stored[side.index()] += 1;
        }
        if dies {
            self.crash = None;
        }
        dies
    }

    /// Moves what was written to the network.
    pub(super) fn flush(&mut self, index: usize, side: Side, outbox: &mut Outbox) -> Result<bool, super::Violation> {
        let bound = self.setup.outbox_limit + ANSWERS + LARGEST;
        ensure(outbox.remaining() <= bound, "I25", || format!("{side:?}'s outbox holds {}", outbox.remaining()))?;
        if !outbox.has_remaining() {
            return Ok(false);
        }
        let bytes = outbox.copy_to_bytes(outbox.remaining());
        let Self { links, ledger, flows, now, .. } = self;
        let Some(link) = links.get_mut(index) else { return Ok(false) };
        link.pipe(side).write(&bytes);
        link.monitor.wrote(side, bytes, now.as_millis(), ledger, flows)?;
        Ok(true)
    }

    fn write_once(&mut self, side: Side) -> Verdict {
        let index = match side {
            Side::Client => self.links.len().checked_sub(1),
            Side::Server => self.server_index(),
        };
        let Some(index) = index else { return Ok(()) };
        match side {
            Side::Client => {
                let Some(mut client) = self.client.take() else { return Ok(()) };
                self.flush(index, side, client.outbox())?;
                self.client = Some(client);
            }
            Side::Server => {
                let Some(mut server) = self.links[index].server.take() else { return Ok(()) };
                self.flush(index, side, server.outbox())?;
                self.links[index].server = Some(server);
            }
        }
        Ok(())
    }

    fn publish(&mut self, side: Side, load: Load) -> Verdict {
        let message = load.message(self.ledger.next(side));
        let open = self.ledger.pending(side);
        let now = self.now;
        let (result, link, limits) = match side {
            Side::Client => {
                let Some(client) = &mut self.client else { return Ok(()) };
                let result = client.publish(now, message);
                (result, self.links.last().map_or(0, |link| link.number), client.limits())
            }
            Side::Server => {
                let Some(index) = self.server_index() else { return Ok(()) };
                let link = &mut self.links[index];
                let Some(server) = &mut link.server else { return Ok(()) };
                (server.publish(now, message), link.number, server.limits())
            }
        };
        match result {
            Ok(token) => self.ledger.published(side, load, Some(token), Some(link)),
            Err(error) if *error.kind() == CommandError::Full => {
                // A transport that takes everything leaves no outbox to be full.
                let is_full = self.apps[side.index()].stalled || open >= usize::from(limits.receive_maximum);
                ensure(is_full, "I11", || {
                    format!("{side:?} is full with {open} of {} messages open", limits.receive_maximum)
                })?;
            }
            Err(_) => {}
        }
        Ok(())
    }

    fn subscribe(&mut self) {
        let subscription = Subscription::new(TopicFilter::from_static("t/#"), mqtt_proto::QoS::ExactlyOnce);
        if let Some(client) = &mut self.client {
            // Not before CONNACK, and not beyond the limits: then nothing happens.
            let _ = client.subscribe(self.now, Subscribe::new(vec![subscription]));
        }
    }

    fn ack_held(&mut self, side: Side, index: u8, said: Said) -> Verdict {
        let held = &mut self.apps[side.index()].held;
        if held.is_empty() {
            return Ok(());
        }
        let held = held.remove(usize::from(index) % held.len());
        // MQTT-3.3.5-2: 3.x has no way to refuse.
        let said = if self.setup.version == Version::V5 { said } else { Said::Accepted };
        self.ledger.acked(side.peer(), held.number, held.link, said);
        let mut ack = held.take();
        if said == Said::Refused {
            ack = ack.with_reason(ReasonCode::QUOTA_EXCEEDED);
        }
        let now = self.now;
        match side {
            Side::Client => match &mut self.client {
                Some(client) => accepted(client.ack(now, ack))?,
                None => self.client_session.ack(ack),
            },
            Side::Server => match self.server_index().and_then(|index| self.links[index].server.as_mut()) {
                Some(server) => accepted(server.ack(now, ack))?,
                None => {
                    if let Some(session) = &mut self.server_session {
                        session.ack(ack);
                    }
                }
            },
        }
        self.store_between()
    }

    pub(super) fn config(&self, side: Side) -> Config {
        let Setup { receive_maximum, maximum_packet_size, topic_alias_maximum, .. } = self.setup;
        // A server enforces it on CONNECT, too, and 3.x cannot announce it: there it would only end connections.
        let is_v5 = self.setup.version == Version::V5;
        let size = if is_v5 { maximum_packet_size[side.index()] } else { PROTOCOL_MAXIMUM_PACKET_SIZE };
        Config {
            receive_maximum: receive_maximum[side.index()].try_into().unwrap_or(core::num::NonZeroU16::MIN),
            maximum_packet_size: size,
            topic_alias_maximum: topic_alias_maximum[side.index()],
            // Few, so that they are given up for new topics.
            outgoing_topic_aliases: 3,
            event_limit: self.setup.event_limit,
            outbox_limit: self.setup.outbox_limit,
            journal: self.setup.journal,
            ..Config::default()
        }
    }

    fn disconnect(&mut self, side: Side) {
        let (now, disconnect) = (self.now, Disconnect::new(ReasonCode::SUCCESS));
        self.disturb();
        // Where there is nothing to disconnect, nothing happens.
        let _ = match side {
            Side::Client => self.client.as_mut().map(|client| client.disconnect(now, disconnect)),
            Side::Server => self.server_mut().map(|server| server.disconnect(now, disconnect)),
        };
    }

    /// Something is wrong with the newest link from here on.
    pub(super) fn disturb(&mut self) {
        if let Some(link) = self.links.last_mut() {
            link.is_healthy = false;
        }
    }

    fn break_link(&mut self, keep: [usize; 2]) {
        self.disturb();
        if let Some(link) = self.links.last_mut() {
            for side in Side::BOTH {
                link.pipe(side).cut(keep[side.index()]);
            }
        }
    }

    /// What the session of a side holds unfinished is what its application waits for.
    pub(super) fn session_tokens(session: &Session) -> Vec<Token> {
        session.unacknowledged().map(|(token, _)| token).collect()
    }
}

/// Answers that may wait beyond `outbox_limit`, and the largest packet of a model.
const ANSWERS: usize = 65_535 * 8;
const LARGEST: usize = 70_000;

pub(super) fn accepted(result: Result<(), Rejected<Ack>>) -> Verdict {
    result.or_else(|error| broken("I15", format!("an acknowledgement was not taken: {error}")))
}
