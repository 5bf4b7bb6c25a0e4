//! Bytes that arrive, and time that passes.

use std::time::Duration;

use mqtt_proto::{FixedHeader, Instant};

use super::super::link::End;
use super::super::moving::Moving;
use super::super::{Side, Verdict, Violation};
use super::world::World;

impl World {
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
        let header = FixedHeader::parse(&link.pipes[side as usize].bytes);
        let len = header.ok().flatten().map_or(usize::MAX, |header| header.frame_len());
        self.deliver_newest(side, len)
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

    /// Something is wrong with the newest link from here on.
    pub(super) fn disturb(&mut self) {
        if let Some(link) = self.links.last_mut() {
            link.is_healthy = false;
        }
    }

    pub(super) fn break_link(&mut self, keep: [usize; 2]) {
        self.disturb();
        if let Some(link) = self.links.last_mut() {
            for side in Side::BOTH {
                link.pipe(side).cut(keep[side as usize]);
            }
        }
    }

    /// What `side` sends vanishes from now on.
    pub(super) fn swallow(&mut self, side: Side) {
        self.disturb();
        if let Some(pipe) = self.links.last_mut().map(|link| link.pipe(side)) {
            pipe.end = if pipe.end == End::Open { End::Hole } else { pipe.end };
        }
    }

    /// Time passes, and every timer fires when it is due.
    pub(super) fn pass(&mut self, millis: u32, is_live: bool) -> Verdict {
        let end = self.now + Duration::from_millis(millis.into());
        self.is_asleep = !is_live;
        if !is_live {
            self.disturb();
        }
        let passed = self.pass_until(end, is_live);
        self.is_asleep = false;
        passed
    }

    /// The clock jumps, timers hear of it once, and the rules about gaps end with it.
    pub(super) fn jump(&mut self, millis: u32) -> Verdict {
        self.disturb();
        self.links.iter_mut().for_each(|link| link.monitor.longest_gap = 0);
        self.now = self.now + Duration::from_millis(millis.into());
        self.fire()
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
        let now = self.now;
        let link = &mut self.links[index];
        let number = link.number;
        let wants_input = match side {
            Side::Client => link.server.as_ref().is_some_and(|server| server.wants_input()),
            Side::Server => link.has_client && self.client.look(|client| client.wants_input()),
        };
        if !wants_input || link.pipes[side as usize].is_over {
            return Ok(false);
        }
        let (moved, ends) = link.carry(side, bytes, &mut self.plan);
        link.monitor.arrived(side, &moved, &mut self.flows)?;
        self.pump()?;
        if ends {
            match (side, self.links.iter_mut().find(|link| link.number == number)) {
                (Side::Server, Some(link)) if link.has_client => self.client.both(|client| client.handle_eof(now))?,
                (Side::Client, Some(link)) => link.server.iter_mut().for_each(|server| server.handle_eof(now)),
                (Side::Client | Side::Server, _) => {}
            }
            self.pump()?;
        }
        Ok(ends || !moved.is_empty())
    }

    fn next_timer(&self) -> Option<Instant> {
        let servers = self.links.iter().filter_map(|link| link.server.as_ref()?.poll_timeout());
        servers.chain(self.client.look(|client| client.poll_timeout())).min()
    }

    fn fire(&mut self) -> Verdict {
        let now = self.now;
        self.client.both(|client| client.handle_timeout(now))?;
        for server in self.links.iter_mut().filter_map(|link| link.server.as_mut()) {
            server.handle_timeout(now);
        }
        self.pump()
    }
}
