//! The server's end: it keeps the session between connections and takes it over from an old connection to a new one.

use std::sync::Arc;

use mqtt_proto::{ConnAck, Connect, Connection, ReasonCode, Server, ServerEvent, Session, Version};

use super::app::Before;
use super::ledger::Said;
use super::world::accepted;
use super::{Side, Verdict, Violation, World, broken, ensure};

impl World {
    /// The connection that holds the server's session.
    pub(super) fn server_index(&self) -> Option<usize> {
        self.links.iter().rposition(|link| link.is_accepted && link.server.is_some())
    }

    pub(super) fn server(&self) -> Option<&Connection<Server>> {
        self.server_index().and_then(|index| self.links[index].server.as_deref())
    }

    pub(super) fn server_mut(&mut self) -> Option<&mut Connection<Server>> {
        self.server_index().and_then(|index| self.links[index].server.as_deref_mut())
    }

    pub(super) fn pump_server(&mut self, index: usize) -> Result<bool, Violation> {
        let mut moved = false;
        let Some(mut server) = self.links[index].server.take() else { return Ok(false) };
        loop {
            let input = &mut self.links[index].pipe(Side::Client).input;
            let taken = server.handle_input(self.now, input);
            let link = &self.links[index];
            self.is_confirmed[1] |= link.is_accepted && link.monitor.is_confirmed && link.pipes[0].input.is_empty();
            let polled = self.poll_server(index, &mut server, false)?;
            if taken == 0 && polled == 0 {
                break;
            }
            moved = true;
        }
        if server.is_closed() {
            self.poll_server(index, &mut server, true)?;
            moved = true;
        }
        if self.store(Side::Server, core::iter::from_fn(|| server.poll_change())) {
            self.links[index].server = Some(server);
            self.crash_now(Side::Server, true)?;
            return Ok(true);
        }
        if !self.apps[Side::Server.index()].stalled {
            moved |= self.flush(index, Side::Server, server.outbox())?;
        }
        if !server.is_closed() {
            self.links[index].server = Some(server);
            return Ok(moved);
        }
        self.hang_up(index, *server);
        Ok(true)
    }

    /// The server's end of a transport is closed.
    fn hang_up(&mut self, index: usize, server: Connection<Server>) {
        let link = &mut self.links[index];
        link.pipe(Side::Server).close();
        link.pipe(Side::Client).refuse();
        if link.is_accepted {
            self.server_session = Some(server.into_session());
        }
    }

    fn poll_server(
        &mut self,
        index: usize,
        server: &mut Connection<Server>,
        to_the_end: bool,
    ) -> Result<usize, Violation> {
        let mut polled = 0;
        let holds = self.setup.holds[Side::Server.index()];
        while to_the_end || !self.apps[Side::Server.index()].paused {
            let before = holds.then(|| server.clone());
            let Some(event) = server.poll_event() else { break };
            polled += 1;
            match event {
                ServerEvent::Connect(connect) => self.accept(index, server, &connect)?,
                ServerEvent::Message(delivery) => {
                    let link = self.links[index].number;
                    let before = before.map(|before| Before::Server(Arc::new(before)));
                    if let Some((ack, number)) = self.receive(Side::Server, delivery, before, link)? {
                        self.ledger.acked(Side::Client, number, link, Said::Accepted);
                        accepted(server.ack(self.now, ack))?;
                    }
                }
                ServerEvent::Acknowledged(end) => self.ledger.acknowledged(Side::Server, end.token, end.reason)?,
                ServerEvent::Subscribe(request) => {
                    let granted = vec![ReasonCode::GRANTED_QOS_2; request.subscribe.subscriptions.len()];
                    // The connection may have ended behind the request.
                    let _ = server.suback(self.now, request, &granted);
                }
                ServerEvent::Closed(why) => self.judge_end(Side::Server, index, &why)?,
                ServerEvent::Unsubscribe(_) | ServerEvent::Auth(_) => {}
            }
        }
        Ok(polled)
    }

    /// CONNECT: the session moves here from where it is, or begins anew.
    fn accept(&mut self, index: usize, server: &mut Connection<Server>, connect: &Connect) -> Verdict {
        // An older transport whose CONNECT comes late has lost the race.
        let is_late = self.links[index].is_superseded || self.links[index..].iter().any(|link| link.is_accepted);
        if is_late {
            server.handle_eof(self.now);
        }
        if server.is_closed() {
            return Ok(());
        }
        while let Some(old) = self.server_index() {
            self.links[old].is_healthy = false;
            let Some(connection) = self.links[old].server.as_mut() else { break };
            connection.handle_eof(self.now);
            // What it has told is heard before the session is taken out.
            self.pump_server(old)?;
        }
        let is_v31 = self.setup.version == Version::V31;
        self.links[..index].iter_mut().for_each(|older| older.is_superseded = is_v31);
        let stored = self.server_session.take();
        if let Some(stored) = &stored {
            let (is_confirmed, [may, must]) = (stored.is_confirmed(), self.is_confirmed);
            ensure(may || !is_confirmed, "I14", || "the client has said nothing that confirms the session".into())?;
            ensure(is_confirmed || !must, "I14", || "the client has spoken, and the session is not confirmed".into())?;
        }
        let keeps = |session: &Session| is_v31 || (session.is_confirmed() && !self.forgets);
        let session = stored.filter(|session| keeps(session) && !connect.clean_start);
        let is_resumed = session.is_some();
        if !is_resumed {
            Side::BOTH.into_iter().for_each(|side| self.ledger.forgotten(side));
            self.flows.clear();
            self.apps[Side::Server.index()].held.clear();
            self.stores[Side::Server.index()].clear();
            (self.forgets, self.is_confirmed) = (false, [false; 2]);
        }
        let link = &mut self.links[index];
        link.monitor.is_resumed = is_resumed;
        link.is_accepted = true;
        let result = server.accept(self.now, ConnAck::new(false, ReasonCode::SUCCESS), session);
        result.or_else(|error| broken("I14", format!("the server could not accept: {error}")))
    }
}
