//! The end of a world, when all faults cease.

use mqtt_proto::QoS;

use super::super::link::End;
use super::super::moving::{Moving, ROUNDS};
use super::super::{Load, Side, Verdict, broken, ensure};
use super::setup::{Network, Step};
use super::world::World;

impl World {
    /// Tries the windows out, and lets the client disconnect, which it does at once: nothing is left to be flushed.
    ///
    /// # Errors
    ///
    /// The invariant that is broken.
    pub fn say_goodbye(&mut self) -> Verdict {
        (self.plan.cuts, self.crash) = (Vec::new(), None);
        if self.owner.has_stopped {
            return Ok(());
        }
        self.check_windows()?;
        self.step(Step::Disconnect)?;
        self.step(Step::Run)?;
        let is_done = self.owner.has_stopped && self.client.look(|client| client.is_done());
        ensure(is_done, "I23", || "it has nothing to do, and does not disconnect".into())
    }

    /// Ends all faults but those that are planned, lets everything finish, and checks that nothing is left.
    ///
    /// # Errors
    ///
    /// The invariant that is broken.
    pub fn settle(&mut self) -> Verdict {
        self.step(Step::Stall(false))?;
        self.step(Step::Hold(false))?;
        self.step(Step::Network(Network::Up))?;
        self.keeper.is_busy = false;
        self.step(Step::Run)?;
        for _ in 0..ROUNDS {
            // Nobody notices for ever without keep alive.
            if self.links.iter().any(|link| link.pipes.iter().any(|pipe| pipe.end == End::Hole)) {
                self.step(Step::Break(u16::MAX, u16::MAX))?;
            }
            self.step(Step::Run)?;
            while !self.held.is_empty() {
                self.step(Step::Ack(Side::Client, 0))?;
            }
            while !self.keeper.held.is_empty() {
                self.step(Step::Ack(Side::Server, 0))?;
            }
            self.step(Step::Run)?;
            if self.owner.has_stopped || self.is_quiet() {
                return self.check_quiet();
            }
            if let Some(next) = self.next_timer() {
                self.now = self.now.max(next);
                self.fire()?;
            }
        }
        broken("I23", format!("still not at rest: {:?}\n{:?}", self.owner, self.ledger))
    }

    /// Everything that was asked for has ended on a connection that works.
    fn is_quiet(&self) -> bool {
        let Some(link) = self.links.last() else { return false };
        let is_idle = link.pipes.iter().all(|pipe| pipe.bytes.is_empty());
        let is_open = link.is_accepted && link.server.as_ref().is_some_and(|server| server.is_open());
        let is_connected = self.client.look(|client| client.is_connected());
        let is_answered = self.ledger.pending(Side::Server) == 0 && self.owner.is_content();
        is_idle && is_open && is_connected && is_answered
    }

    /// What must hold when nothing is under way (I11, I21, I23).
    fn check_quiet(&self) -> Verdict {
        self.owner.check_content()?;
        if self.owner.has_stopped {
            return Ok(());
        }
        self.ledger.check_settled()?;
        let Some(link) = self.links.last() else { return Ok(()) };
        link.monitor.check_settled()?;
        for side in Side::BOTH {
            for (number, sent) in self.ledger.sent(side).iter().enumerate() {
                let is_due = sent.load.qos == QoS::AtMostOnce && link.is_healthy && sent.link == Some(link.number);
                let name = || format!("message {number} of {side:?} vanished on a healthy connection");
                ensure(!is_due || sent.deliveries == 1, "I8", name)?;
            }
        }
        if let Some(server) = &link.server {
            ensure(server.session().is_empty(), "I11", || format!("the server still holds {:?}", server.session()))?;
        }
        ensure(self.kept.is_empty(), "I11", || format!("the store still holds {:?}", self.kept))?;
        self.owner.check_granted(&self.keeper.granted())
    }

    /// The whole window is free both ways: as many messages as it allows go out before the first is acknowledged.
    fn check_windows(&mut self) -> Verdict {
        self.setup.holds = [true; 2];
        let is_small = self.setup.maximum_packet_size < 100;
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let [client, server] = [Side::Client, Side::Server].map(|side| self.window(side).min(4));
            for (side, window) in [(Side::Client, client), (Side::Server, server)] {
                for _ in 0..window {
                    self.step(Step::Publish(side, Load::new(qos)))?;
                }
            }
            self.step(Step::Run)?;
            let held = [self.keeper.held.len(), self.held.len()];
            ensure(held == [client, server] || is_small, "I11", || {
                format!("{held:?} of [{client}, {server}] messages are under way at a time")
            })?;
            self.settle()?;
        }
        Ok(())
    }

    /// How many messages a side may have unacknowledged, and its queue takes.
    fn window(&self, side: Side) -> usize {
        let announced = self.links.last().map_or(0, |link| link.monitor.receive_maximum(side.peer()).into());
        if side == Side::Client { self.setup.queue.min(announced) } else { announced }
    }
}
