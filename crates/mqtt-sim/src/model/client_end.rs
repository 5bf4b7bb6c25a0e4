//! The client's end: it dials, and keeps its session between connections.

use std::sync::Arc;

use mqtt_proto::{Client, ClientEvent, Connect, Connection, Server, Text, Version};

use super::app::Before;
use super::ledger::Said;
use super::link::Link;
use super::monitor::Monitor;
use super::world::accepted;
use super::{Setup, Side, Verdict, Violation, World, broken};

impl World {
    pub(super) fn pump_client(&mut self) -> Result<bool, Violation> {
        let mut moved = false;
        let Some(mut client) = self.client.take() else { return Ok(false) };
        while let Some(link) = self.links.last_mut() {
            let taken = client.handle_input(self.now, &mut link.pipe(Side::Server).input);
            let polled = self.poll_client(&mut client, false)?;
            if taken == 0 && polled == 0 {
                break;
            }
            moved = true;
        }
        if client.is_closed() {
            self.poll_client(&mut client, true)?;
            moved = true;
        }
        if self.store(Side::Client, core::iter::from_fn(|| client.poll_change())) {
            self.client = Some(client);
            self.crash_now(Side::Client, true)?;
            return Ok(true);
        }
        let index = self.links.len() - 1;
        // A driver that waits for its transport does not ask for the outbox, either.
        if !self.apps[Side::Client.index()].stalled {
            moved |= self.flush(index, Side::Client, client.outbox())?;
        }
        if !client.is_closed() {
            self.client = Some(client);
            return Ok(moved);
        }
        self.leave(index);
        self.client_session = client.into_session();
        Ok(true)
    }

    /// The client's end of a transport is closed.
    pub(super) fn leave(&mut self, index: usize) {
        let link = &mut self.links[index];
        link.has_client = false;
        link.pipe(Side::Client).close();
        link.pipe(Side::Server).refuse();
    }

    fn poll_client(&mut self, client: &mut Connection<Client>, to_the_end: bool) -> Result<usize, Violation> {
        let mut polled = 0;
        let holds = self.setup.holds[Side::Client.index()];
        while to_the_end || !self.apps[Side::Client.index()].paused {
            let before = holds.then(|| client.clone());
            let Some(event) = client.poll_event() else { break };
            polled += 1;
            match event {
                ClientEvent::Connected(_) => self.clean_start = false,
                ClientEvent::Message(delivery) => {
                    let link = self.links.last().map_or(0, |link| link.number);
                    let before = before.map(|before| Before::Client(Arc::new(before)));
                    if let Some((ack, number)) = self.receive(Side::Client, delivery, before, link)? {
                        self.ledger.acked(Side::Server, number, link, Said::Accepted);
                        accepted(client.ack(self.now, ack))?;
                    }
                }
                ClientEvent::Acknowledged(end) => self.ledger.acknowledged(Side::Client, end.token, end.reason)?,
                ClientEvent::Unacknowledged { token, message } => {
                    self.ledger.returned(Side::Client, token, message.as_ref())?;
                }
                ClientEvent::Closed(why) => self.judge_end(Side::Client, self.links.len() - 1, &why)?,
                ClientEvent::Subscribed { .. } | ClientEvent::Unsubscribed { .. } | ClientEvent::Auth(_) => {}
            }
        }
        Ok(polled)
    }

    /// The client opens a transport and sends CONNECT.
    pub(super) fn dial(&mut self) -> Verdict {
        if self.client.is_some() {
            self.abandon()?;
        }
        let Setup { version, keep_alive, .. } = self.setup;
        self.links_made += 1;
        let is_new = self.forgets || !self.is_confirmed[1];
        // 3.1 has no Session Present: a client can only know that its session is gone if it asked for that.
        self.clean_start |= version == Version::V31 && is_new;
        let mut connect = Connect::new(version, Text::from_static("model"));
        connect.clean_start = self.clean_start;
        connect.keep_alive = keep_alive;
        if version == Version::V5 {
            connect = connect.with_session_expiry_interval(u32::MAX);
        }
        let session = core::mem::take(&mut self.client_session);
        let client = match Connection::connect(self.now, connect, self.config(Side::Client), session) {
            Ok(client) => client,
            Err(error) => return broken("I14", format!("CONNECT was not taken: {error}")),
        };
        let is_healthy = !self.apps.iter().any(|app| app.paused || app.stalled);
        let gap = if is_healthy { u64::from(keep_alive) * 1000 } else { 0 };
        let monitor = Monitor::new(version, self.links_made, self.now.as_millis(), gap);
        let server = Connection::<Server>::listen(self.now, self.config(Side::Server));
        let mut link = Link::new(self.links_made, server, monitor);
        link.is_healthy = is_healthy;
        self.links.push(link);
        self.client = Some(Box::new(client));
        self.bury_oldest()
    }

    /// The client gives its connection up without a word; what it wrote may arrive late.
    fn abandon(&mut self) -> Verdict {
        let Some(mut client) = self.client.take() else { return Ok(()) };
        self.disturb();
        client.handle_eof(self.now);
        self.client = Some(client);
        self.pump()
    }
}
