//! Bytes that arrive, time that passes, processes that die; and the end of a world, when all faults cease.

use std::time::Duration;

use mqtt_proto::{Change, ClientEvent, Instant, QoS, ReasonCode, ServerEvent, Session, Token};

use super::link::End;
use super::moving::{Moving, ROUNDS};
use super::{Load, Side, Step, Verdict, Violation, World, broken, ensure};

impl World {
    /// Ends all faults but those that are planned, and lets everything finish; then nothing may be left, and the whole window must be free again.
    ///
    /// # Errors
    ///
    /// The invariant that is broken.
    pub fn settle(&mut self) -> Verdict {
        for side in Side::BOTH {
            self.step(Step::Stall(side, false))?;
            self.step(Step::Pause(side, false))?;
        }
        self.step(Step::Run)?;
        self.notice_half_open()?;
        for _ in 0..ROUNDS {
            if self.client.is_none() {
                self.step(Step::Dial)?;
            }
            self.step(Step::Run)?;
            for side in Side::BOTH {
                while self.held(side) > 0 {
                    self.step(Step::Ack(side, 0))?;
                }
            }
            self.step(Step::Run)?;
            if self.is_quiet() {
                return self.check_quiet();
            }
        }
        broken("I23", format!("still not at rest: {:?}", self.ledger))
    }

    /// Everything that was published has ended on a connection that works.
    pub fn is_quiet(&self) -> bool {
        let is_idle = |side: Side| !self.is_under_way(side) && self.held(side) == 0 && self.ledger.pending(side) == 0;
        self.is_open(Side::Client) && self.is_open(Side::Server) && Side::BOTH.into_iter().all(is_idle)
    }

    /// What must hold when nothing is under way (I11, I23).
    ///
    /// # Errors
    ///
    /// The invariant that is broken.
    pub fn check_quiet(&self) -> Verdict {
        self.ledger.check_settled()?;
        let Some(link) = self.links.last() else { return Ok(()) };
        link.monitor.check_settled()?;
        for side in Side::BOTH {
            for (number, sent) in self.ledger.sent(side).iter().enumerate() {
                let is_due = sent.load.qos == QoS::AtMostOnce && link.is_healthy && sent.link == Some(link.number);
                let name = || format!("message {number} of {side:?} vanished on a healthy connection");
                ensure(!is_due || sent.deliveries == 1, "I8", name)?;
            }
            let is_empty = self.session(side).is_none_or(Session::is_empty);
            ensure(is_empty, "I11", || format!("{side:?} still holds {:?}", self.session(side)))?;
        }
        Ok(())
    }

    /// Tries the windows out: as many messages as Receive Maximum allows must be taken, and go through (I11, I12).
    ///
    /// # Errors
    ///
    /// The invariant that is broken.
    pub fn check_windows(&self) -> Verdict {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut world = self.clone();
            world.setup.holds = [true; 2];
            for side in Side::BOTH {
                let window = world.setup.receive_maximum[side.peer().index()].min(8);
                for _ in 0..=window {
                    world.step(Step::Publish(side, Load::new(qos)))?;
                }
                world.step(Step::Run)?;
                while world.held(side.peer()) > 0 {
                    world.step(Step::Ack(side.peer(), 1))?;
                }
                world.step(Step::Run)?;
            }
            ensure(world.is_quiet(), "I11", || format!("the window is not free again: {:?}", world.ledger))?;
            world.check_quiet()?;
        }
        Ok(())
    }

    fn session(&self, side: Side) -> Option<&Session> {
        match side {
            Side::Client => Some(self.client.as_ref().map_or(&self.client_session, |client| client.session())),
            Side::Server => self.server().map(|server| server.session()).or(self.server_session.as_ref()),
        }
    }

    /// After every step: sessions, ledger and stores agree (I23, I24).
    pub(super) fn check_state(&self) -> Verdict {
        for side in Side::BOTH {
            let Some(session) = self.session(side) else { continue };
            if self.setup.journal {
                let stored: Vec<Change> = self.stored_session(side).export().collect();
                let live: Vec<Change> = session.export().collect();
                ensure(stored == live, "I24", || format!("{side:?} stored {stored:?}, and holds {live:?}"))?;
            }
        }
        Ok(())
    }

    /// The oldest connections are over for the server, too.
    pub(super) fn bury_oldest(&mut self) -> Verdict {
        while self.links.len() > 3 {
            match &mut self.links[0].server {
                Some(server) => server.handle_eof(self.now),
                None => return Ok(()),
            }
            self.pump_server(0)?;
            self.links.retain(|link| !link.is_dead());
        }
        Ok(())
    }

    /// A link that swallows bytes is found out by keep alive, or by whoever runs the settlement.
    fn notice_half_open(&mut self) -> Verdict {
        let Some(link) = self.links.last().filter(|link| link.pipes.iter().any(|pipe| pipe.end == End::Hole)) else {
            return Ok(());
        };
        let number = link.number;
        if self.setup.keep_alive > 0 {
            // One and a half intervals until a side is silent for too long, then the PINGRESP deadline.
            self.pass(u32::from(self.setup.keep_alive) * 3000 + 21_000, true)?;
            let is_open =
                |link: &&super::link::Link| link.number == number && (link.has_client || link.server.is_some());
            let open = self.links.iter().find(is_open);
            return ensure(open.is_none(), "I17", || format!("nobody noticed that the link is dead: {open:?}"));
        }
        self.step(Step::Break(u16::MAX, u16::MAX))?;
        self.step(Step::Run)
    }

    /// Some bytes of `side` arrive on the newest connection.
    pub(super) fn deliver_newest(&mut self, side: Side, bytes: usize) -> Result<bool, Violation> {
        match self.links.len() {
            0 => Ok(false),
            len => self.deliver(len - 1, side, bytes),
        }
    }

    /// The next packet of `side` arrives whole, or the end of the transport does.
    pub(super) fn deliver_frame(&mut self, side: Side) -> Result<bool, Violation> {
        let Some(link) = self.links.last() else { return Ok(false) };
        let header = mqtt_proto::FixedHeader::parse(&link.pipes[side.index()].bytes);
        let len = header.ok().flatten().map_or(usize::MAX, |header| header.frame_len());
        self.deliver_newest(side, len)
    }

    /// The peer of `side` hears that nothing more comes.
    fn end_of_transport(&mut self, number: u32, side: Side) -> Verdict {
        let now = self.now;
        let Some(link) = self.links.iter_mut().find(|link| link.number == number) else { return Ok(()) };
        match (side, &mut self.client, &mut link.server) {
            (Side::Server, Some(client), _) if link.has_client => client.handle_eof(now),
            (Side::Client, _, Some(server)) => server.handle_eof(now),
            (Side::Client | Side::Server, _, _) => {}
        }
        self.pump()
    }

    /// Time passes, and every timer fires when it is due.
    pub(super) fn pass(&mut self, millis: u32, is_live: bool) -> Verdict {
        let end = self.now + Duration::from_millis(millis.into());
        if !is_live {
            self.disturb();
        }
        self.pass_until(end, is_live)
    }

    /// The clock jumps; back only for one reading. Timers hear of it once, and the rules about gaps end with it.
    pub(super) fn jump(&mut self, millis: i32) -> Verdict {
        self.disturb();
        for link in &mut self.links {
            link.monitor.longest_gap = 0;
        }
        let (now, distance) = (self.now.as_millis(), u64::from(millis.unsigned_abs()));
        let back = Instant::from_millis(now.saturating_sub(distance));
        let forth = Instant::from_millis(now + distance);
        let after = if millis < 0 { self.now } else { forth };
        self.now = if millis < 0 { back } else { forth };
        self.fire()?;
        self.now = after;
        Ok(())
    }

    /// The process of one side dies and comes back with what it has stored.
    pub(super) fn crash_now(&mut self, side: Side, between_stores: bool) -> Verdict {
        self.disturb();
        self.apps[side.index()].held.clear();
        let session = self.stored_session(side);
        let kept: Vec<u16> = session.unreleased().map(|id| id.get()).collect();
        self.ledger.receiver_crashed(side.peer(), &kept);
        for token in self.unheard_refusals(side) {
            self.ledger.given_up(side, token);
        }
        let published = self.changes(side).into_iter().filter_map(|change| match change {
            Change::Published { token, .. } => Some(token),
            _ => None,
        });
        let published: Vec<_> = published.collect();
        let is_stored = |token| !between_stores && published.contains(&token);
        self.ledger.sender_crashed(side, &Self::session_tokens(&session), is_stored)?;
        match side {
            Side::Client => {
                if self.client.take().is_some() {
                    self.leave(self.links.len() - 1);
                }
                self.client_session = session;
            }
            Side::Server => {
                // What was not stored has not been answered, either.
                self.is_confirmed[1] &= session.is_confirmed() || !between_stores;
                let had_session = self.server_session.is_some() || self.server_index().is_some();
                self.server_session = had_session.then_some(session);
                for link in &mut self.links {
                    if link.server.take().is_some() {
                        link.pipe(Side::Server).close();
                        link.pipe(Side::Client).refuse();
                    }
                }
            }
        }
        Ok(())
    }

    /// Messages that are too large for the peer, of which the application has not been told.
    fn unheard_refusals(&self, side: Side) -> Vec<Token> {
        let mut ends = Vec::new();
        match side {
            Side::Client => {
                let mut client = self.client.clone();
                while let Some(event) = client.as_mut().and_then(|client| client.poll_event()) {
                    ends.extend(if let ClientEvent::Acknowledged(end) = event { Some(end) } else { None });
                }
            }
            Side::Server => {
                let mut server = self.server().cloned();
                while let Some(event) = server.as_mut().and_then(|server| server.poll_event()) {
                    ends.extend(if let ServerEvent::Acknowledged(end) = event { Some(end) } else { None });
                }
            }
        }
        ends.retain(|end| end.reason == ReasonCode::PACKET_TOO_LARGE);
        ends.into_iter().map(|end| end.token).collect()
    }

    /// Stores what sessions have recorded that no connection holds.
    pub(super) fn store_between(&mut self) -> Verdict {
        let mut session = core::mem::take(&mut self.client_session);
        let dies = self.store(Side::Client, core::iter::from_fn(|| session.poll_change()));
        self.client_session = session;
        if dies {
            self.crash_now(Side::Client, true)?;
        }
        let Some(mut session) = self.server_session.take() else { return Ok(()) };
        let dies = self.store(Side::Server, core::iter::from_fn(|| session.poll_change()));
        self.server_session = Some(session);
        if dies { self.crash_now(Side::Server, true) } else { Ok(()) }
    }

    fn stored_session(&self, side: Side) -> Session {
        Session::import(self.changes(side))
    }

    fn changes(&self, side: Side) -> Vec<Change> {
        let store = self.stores[side.index()].iter();
        store.map(|record| Change::decode(record.clone()).expect("what was stored can be read")).collect()
    }
}

impl Moving for World {
    fn links(&self) -> usize {
        self.links.len()
    }

    fn now(&mut self) -> &mut Instant {
        &mut self.now
    }

    fn pump(&mut self) -> Verdict {
        Self::pump(self)
    }

    fn deliver(&mut self, index: usize, side: Side, bytes: usize) -> Result<bool, Violation> {
        let link = &mut self.links[index];
        let number = link.number;
        let wants_input = match side {
            Side::Client => link.server.as_ref().is_some_and(|server| server.wants_input()),
            Side::Server if link.has_client => self.client.as_ref().is_some_and(|client| client.wants_input()),
            Side::Server => false,
        };
        // Whole packets that wait in the input have to be taken first.
        if !wants_input || link.pipes[side.index()].is_over {
            return Ok(false);
        }
        let (moved, ends) = link.carry(side, bytes, &mut self.plan);
        link.monitor.arrived(side, &moved, &mut self.flows)?;
        self.is_confirmed[0] |= link.is_accepted && link.monitor.is_confirmed;
        self.pump()?;
        if ends {
            self.end_of_transport(number, side)?;
        }
        Ok(ends || !moved.is_empty())
    }

    fn next_timer(&self) -> Option<Instant> {
        let servers = self.links.iter().filter_map(|link| link.server.as_ref()?.poll_timeout());
        servers.chain(self.client.as_ref().and_then(|client| client.poll_timeout())).min()
    }

    fn fire(&mut self) -> Verdict {
        let now = self.now;
        if let Some(client) = &mut self.client {
            client.handle_timeout(now);
        }
        for link in &mut self.links {
            if let Some(server) = &mut link.server {
                server.handle_timeout(now);
            }
        }
        self.pump()
    }
}
