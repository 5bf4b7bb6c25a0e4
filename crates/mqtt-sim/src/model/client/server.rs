//! The server's end: it keeps the session, its subscriptions and the will between connections.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use mqtt_client::{Disconnect, Will};
use mqtt_proto::{
    Ack, Change, Closed, Config, ConnAck, Connect, Connection, Instant, PROTOCOL_MAXIMUM_PACKET_SIZE, ReasonCode,
    Server, ServerEvent, Session, Version,
};

use super::super::ledger::Said;
use super::super::{Side, Verdict, Violation, broken, ensure};
use super::setup::FILTERS;
use super::world::World;

/// What the server keeps.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    /// The session while no connection holds it.
    pub(super) session: Option<Session>,
    /// When its connection ended, and for how long it is kept then.
    left: Option<Instant>,
    expiry: Option<Duration>,
    granted: BTreeSet<String>,
    will: Option<Will>,
    pub(super) forgets: bool,
    pub(super) is_busy: bool,
    pub(super) held: Vec<(Ack, u32, u32)>,
    stored: Vec<Bytes>,
}

impl Keeper {
    /// The subscriptions of the session, by their place in [`FILTERS`].
    pub(super) fn granted(&self) -> BTreeSet<usize> {
        let all = FILTERS.iter().enumerate();
        all.filter(|(_, filter)| self.granted.contains(**filter)).map(|(index, _)| index).collect()
    }

    fn stored_session(&self) -> Session {
        let read = |record: &Bytes| Change::decode(record.clone()).expect("what was stored can be read");
        Session::import(self.stored.iter().map(read))
    }
}

impl World {
    /// The connection that holds the server's session.
    pub(super) fn server_index(&self) -> Option<usize> {
        self.links.iter().rposition(|link| link.is_accepted && link.server.is_some())
    }

    pub(super) fn server_mut(&mut self) -> Option<&mut Connection<Server>> {
        let index = self.server_index()?;
        self.links[index].server.as_deref_mut()
    }

    pub(super) fn server_config(&self) -> Config {
        let is_v5 = self.setup.version == Version::V5;
        Config {
            receive_maximum: NonZeroU16::new(self.setup.receive_maximum[1]).unwrap_or(NonZeroU16::MIN),
            // A server enforces it on CONNECT, too, and 3.x cannot announce it.
            maximum_packet_size: if is_v5 { self.setup.maximum_packet_size } else { PROTOCOL_MAXIMUM_PACKET_SIZE },
            topic_alias_maximum: 2,
            outgoing_topic_aliases: 3,
            journal: true,
            ..Config::default()
        }
    }

    pub(super) fn pump_server(&mut self, index: usize) -> Result<bool, Violation> {
        let mut moved = false;
        let Some(mut server) = self.links[index].server.take() else { return Ok(false) };
        loop {
            let taken = server.handle_input(self.now, &mut self.links[index].pipe(Side::Client).input);
            let polled = self.poll_server(index, &mut server)?;
            if taken == 0 && polled == 0 {
                break;
            }
            moved = true;
        }
        for change in core::iter::from_fn(|| server.poll_change()) {
            let mut record = BytesMut::new();
            change.encode(&mut record).expect("what was published can be stored");
            self.keeper.stored.push(record.freeze());
        }
        let outbox = server.outbox();
        if outbox.has_remaining() {
            moved = true;
            let bytes = outbox.copy_to_bytes(outbox.remaining());
            self.wrote(index, Side::Server, bytes)?;
        }
        if !server.is_closed() {
            self.links[index].server = Some(server);
            return Ok(moved);
        }
        let link = &mut self.links[index];
        link.pipe(Side::Server).close();
        link.pipe(Side::Client).refuse();
        if link.is_accepted {
            self.keeper.session = Some(server.into_session());
            self.keeper.left = Some(self.now);
        }
        Ok(true)
    }

    fn poll_server(&mut self, index: usize, server: &mut Connection<Server>) -> Result<usize, Violation> {
        let mut polled = 0;
        while let Some(event) = server.poll_event() {
            polled += 1;
            match event {
                ServerEvent::Connect(connect) => self.accept(index, server, &connect)?,
                ServerEvent::Message(delivery) => {
                    let link = self.links[index].number;
                    let number = self.ledger.delivered(Side::Client, &delivery.message, link)?;
                    match delivery.ack {
                        Some(ack) if self.setup.holds[1] => self.keeper.held.push((ack, number, link)),
                        Some(ack) => {
                            self.ledger.acked(Side::Client, number, link, Said::Accepted);
                            super::super::world::accepted(server.ack(self.now, ack))?;
                        }
                        None => {}
                    }
                }
                ServerEvent::Acknowledged(end) => self.ledger.acknowledged(Side::Server, end.token, end.reason)?,
                ServerEvent::Subscribe(request) => {
                    let filters = request.subscribe.subscriptions.iter();
                    self.keeper.granted.extend(filters.map(|one| one.filter.as_str().to_owned()));
                    let reasons = vec![ReasonCode::GRANTED_QOS_2; request.subscribe.subscriptions.len()];
                    // The connection may have ended behind the request.
                    drop(server.suback(self.now, request, &reasons));
                }
                ServerEvent::Unsubscribe(request) => {
                    let reasons: Vec<ReasonCode> = request
                        .unsubscribe
                        .filters
                        .iter()
                        .map(|filter| match self.keeper.granted.remove(filter.as_str()) {
                            true => ReasonCode::SUCCESS,
                            false => ReasonCode::NO_SUBSCRIPTION_EXISTED,
                        })
                        .collect();
                    drop(server.unsuback(self.now, request, &reasons));
                }
                ServerEvent::Closed(why) => self.left_by_client(index, why)?,
                ServerEvent::Auth(_) => return broken("I5", "AUTH that nobody asked for"),
            }
        }
        Ok(polled)
    }

    /// A connection is over, as the server sees it: nobody may be at fault, and only a client that was asked to says goodbye.
    fn left_by_client(&mut self, index: usize, why: Closed) -> Verdict {
        let link = &self.links[index];
        match why {
            Closed::ProtocolError(error) => broken("I5", format!("the server found fault: {error}")),
            Closed::TimedOut(timer) if link.is_healthy => broken("I17", format!("on a healthy link: {timer}")),
            Closed::Remote(disconnect) if disconnect.reason == ReasonCode::SUCCESS => {
                self.keeper.will = None;
                ensure(self.owner.has_been_asked, "I18", || {
                    "the client took its will back, and nobody asked it to".into()
                })
            }
            Closed::Remote(_) | Closed::TimedOut(_) | Closed::Refused(_) | Closed::Local | Closed::Eof => Ok(()),
        }
    }

    /// CONNECT: the session moves here from where it is, or begins anew.
    fn accept(&mut self, index: usize, server: &mut Connection<Server>, connect: &Connect) -> Verdict {
        // An older transport whose CONNECT comes late has lost the race.
        if self.links[index..].iter().any(|link| link.is_accepted) {
            server.handle_eof(self.now);
        }
        if server.is_closed() {
            return Ok(());
        }
        self.judge_connect(connect)?;
        if std::mem::take(&mut self.keeper.is_busy) {
            self.links[index].is_healthy = false;
            let refused = server.refuse(self.now, ConnAck::new(false, ReasonCode::SERVER_UNAVAILABLE));
            return refused.or_else(|error| broken("I14", format!("the server could not refuse: {error}")));
        }
        while let Some(old) = self.server_index() {
            self.links[old].is_healthy = false;
            let Some(connection) = self.links[old].server.as_mut() else { break };
            connection.handle_eof(self.now);
            // What it has told is heard before the session is taken out.
            self.pump_server(old)?;
        }
        let Keeper { left, expiry, forgets, .. } = self.keeper;
        let has_expired = left.zip(expiry).is_some_and(|(left, expiry)| self.now.since(left) >= expiry);
        let is_v31 = self.setup.version == Version::V31;
        let is_lost = connect.clean_start || has_expired || (forgets && !is_v31);
        let keeps = |session: &Session| !is_lost && (is_v31 || session.is_confirmed());
        let session = self.keeper.session.take().filter(keeps);
        if session.is_none() {
            self.begin_session();
        }
        self.keeper.expiry = match connect.version {
            Version::V31 | Version::V311 => connect.clean_start.then_some(Duration::ZERO),
            Version::V5 => match connect.properties().session_expiry_interval() {
                Some(u32::MAX) => None,
                seconds => Some(Duration::from_secs(seconds.unwrap_or(0).into())),
            },
        };
        self.keeper.will = connect.will.clone();
        let link = &mut self.links[index];
        link.monitor.is_resumed = session.is_some();
        link.is_accepted = true;
        let result = server.accept(self.now, ConnAck::new(false, ReasonCode::SUCCESS), session);
        result.or_else(|error| broken("I14", format!("the server could not accept: {error}")))
    }

    /// Nothing is left of the last one.
    fn begin_session(&mut self) {
        self.ledger.forgotten(Side::Server);
        self.owner.session_lost(&mut self.ledger, &self.flows);
        self.ledger.forget_order(Side::Client);
        self.flows.clear();
        self.keeper.held.clear();
        self.keeper.stored.clear();
        self.keeper.granted.clear();
        self.keeper.forgets = false;
    }

    /// The client asks for a clean start as its options say (I14), and leaves its will each time (I18).
    fn judge_connect(&self, connect: &Connect) -> Verdict {
        let is_first = !self.was_connected_at_dial;
        let wants_clean = self.setup.clean_start && (is_first || connect.version != Version::V5);
        ensure(connect.clean_start == wants_clean, "I14", || format!("Clean Start should be {wants_clean}"))?;
        let will = self.setup.will();
        ensure(connect.will == will, "I18", || format!("the will is {:?}, and should be {will:?}", connect.will))
    }

    /// The server's process dies and comes back with what it has stored.
    pub(super) fn crash_server(&mut self) -> Verdict {
        self.disturb();
        self.keeper.held.clear();
        let session = self.keeper.stored_session();
        let kept: Vec<u16> = session.unreleased().map(|id| id.get()).collect();
        self.ledger.receiver_crashed(Side::Client, &kept);
        let tokens: Vec<_> = session.unacknowledged().map(|(token, _)| token).collect();
        self.ledger.sender_crashed(Side::Server, &tokens, |token| tokens.contains(&token))?;
        let had_session = self.keeper.session.is_some() || self.server_index().is_some();
        self.keeper.session = had_session.then_some(session);
        self.keeper.left = Some(self.now);
        for link in &mut self.links {
            if link.server.take().is_some() {
                link.pipe(Side::Server).close();
                link.pipe(Side::Client).refuse();
            }
        }
        Ok(())
    }

    /// The server ends the connection with a reason, or in 3.x without a word.
    pub(super) fn end_by_server(&mut self, reason: ReasonCode) {
        self.disturb();
        let now = self.now;
        if let Some(server) = self.server_mut() {
            // If it has ended by itself, nothing happens.
            drop(server.disconnect(now, Disconnect::new(reason)));
        }
    }
}
