//! The life of a connection as the client sees it: begun, lost, followed by another one or by the end.

use bytes::Buf;
use mqtt_proto::{ClientEvent, Closed, Config, Connection, Instant, Session};

use super::connect;
use super::event::Event;
use super::state::{Online, offline};
use super::verdict::{self, Verdict};
use super::{Client, Outbox, Phase, Stage, State, Transport};
use crate::{Error, Options, alike};

impl Client {
    /// The dialled transport is open: the session moves into a connection.
    pub(super) fn begin_connection(&mut self, now: Instant) {
        let State::Offline { session, .. } = core::mem::replace(&mut self.state, nowhere()) else {
            return;
        };
        self.transport = Transport::Open;
        let config = Config { journal: self.journal.is_some(), ..connect::config(&self.options) };
        let config = alike::CONFIGS.share(config);
        let packet = connect::text("client_id", &self.client_id).and_then(|client_id| {
            connect::packet(&self.options, self.credentials.as_deref(), client_id, self.was_connected)
        });
        let connection = match packet {
            Ok(packet) => Connection::connect(now, packet, config, session)
                .map_err(|rejected| (Error::from(rejected.kind().clone()), rejected.into_inner())),
            Err(error) => Err((Error::from(error), session)),
        };
        match connection {
            Ok(mut connection) => {
                connection.hold(self.is_held);
                self.state = State::Online(Online { connection, stage: Stage::Handshake, since: now });
            }
            // `new` has encoded this packet before, so nothing but a changed client id can be wrong with it.
            Err((error, session)) => {
                self.state = offline(session, Phase::Stopped);
                self.abandon_transport();
                self.stop(error);
            }
        }
    }

    /// CONNACK has come: what the server has forgotten goes back into the queue at once, before anybody can store one without
    /// the other.
    pub(super) fn settle(&mut self, now: Instant) {
        loop {
            let State::Online(online) = &mut self.state else { return };
            if online.stage == Stage::Settled || !online.connection.is_open() {
                return;
            }
            match online.connection.poll_event() {
                Some(event) => self.translate(now, event),
                None => online.stage = Stage::Settled,
            }
        }
    }

    /// After anything that may have closed the connection.
    pub(super) fn after_world(&mut self, now: Instant) {
        if matches!(&self.state, State::Online(online) if online.connection.is_closed()) {
            self.end_connection(now, None);
        }
    }

    /// The transport failed under the connection.
    pub(super) fn connection_lost(&mut self, now: Instant, cause: Error) {
        if let State::Online(online) = &mut self.state {
            online.connection.handle_eof(now);
            self.end_connection(now, Some(cause));
        }
    }

    pub(super) fn dial_failed(&mut self, now: Instant, cause: String) {
        let server = self.endpoint();
        self.elsewhere = None;
        self.follow(now, Error::Unreachable { server, cause }, Verdict::Retry);
    }

    /// Leaves a dial or a transport that is of no more use to the driver, which asks [`Client::wants_close`].
    pub(super) fn abandon_transport(&mut self) {
        if matches!(self.transport, Transport::Dial | Transport::Open) {
            self.transport = Transport::Closing { lingers: true };
        }
    }

    /// Takes the session out of a closed connection, and its last bytes and events. `cause`: what is known better.
    pub(super) fn end_connection(&mut self, now: Instant, cause: Option<Error>) {
        let mut closed = Closed::Eof;
        loop {
            let State::Online(online) = &mut self.state else { return };
            match online.connection.poll_event() {
                Some(ClientEvent::Closed(why)) => closed = why,
                Some(event) => self.translate(now, event),
                None => break,
            }
        }
        self.collect_session_changes();
        let State::Online(online) = core::mem::replace(&mut self.state, nowhere()) else { return };
        let Online { mut connection, stage, since } = online;
        let was_connected = stage != Stage::Handshake;
        let has_asked = connection.outbox_written() > 0;
        self.is_connack_lost |= !was_connected && has_asked && !matches!(closed, Closed::Refused(_));
        let last_words =
            if cause.is_some() || closed == Closed::Eof { Outbox::default() } else { connection.outbox().take() };
        let (session, until) = (connection.into_session(), now + CLOSING_TIME);
        self.state = State::Offline { session, phase: Phase::Stopped, last_words, until };
        self.transport = Transport::Closing { lingers: true };
        self.requeue_requests();
        if was_connected && now.since(since) >= self.options.backoff.stable_after {
            self.failures = 0;
        }
        let (reason, verdict) = verdict::judge(closed, &self.options);
        self.follow(now, cause.unwrap_or(reason), verdict);
    }

    /// SUBSCRIBE and UNSUBSCRIBE without an answer go out again; the connection has forgotten them.
    pub(super) fn requeue_requests(&mut self) {
        self.requests.again();
    }

    /// What comes after the end of a connection, or of the attempt at one.
    fn follow(&mut self, now: Instant, reason: Error, verdict: Verdict) {
        if self.is_stopped {
            return;
        }
        if let Some(ending) = &self.ending {
            let unfinished = ending.given_up;
            if self.unfinished() == 0 {
                self.stop(Error::Stopped);
                return;
            }
            if unfinished > 0 {
                self.stop(Error::NotFlushed { unfinished });
                return;
            }
        }
        let is_first = !self.was_connected && !self.options.retry_first_connect;
        match verdict {
            Verdict::Redirect(reference) if self.redirects < MAXIMUM_REDIRECTS => match target(&reference) {
                Some(options) => {
                    self.redirects += 1;
                    self.elsewhere = Some(Box::new((options.host, options.port)));
                    self.enter(Phase::Wanting, reason, core::time::Duration::ZERO);
                }
                None => self.stop_after(reason),
            },
            Verdict::Retry if self.options.reconnect && !is_first => {
                self.failures = self.failures.saturating_add(1);
                let wait = self.options.backoff.delay(self.failures, self.random.next());
                self.enter(Phase::Waiting { until: now + wait }, reason, wait);
            }
            Verdict::Retry | Verdict::Stop | Verdict::Redirect(_) => self.stop_after(reason),
        }
    }

    fn enter(&mut self, next: Phase, reason: Error, wait: core::time::Duration) {
        if let State::Offline { phase, .. } = &mut self.state {
            *phase = next;
        }
        self.events.push_back(Event::Disconnected { reason, retry_in: Some(wait) });
    }

    fn stop_after(&mut self, reason: Error) {
        self.events.push_back(Event::Disconnected { reason: reason.clone(), retry_in: None });
        self.stop(reason);
    }

    /// The transport takes no more.
    pub(super) fn forget_last_words(&mut self) {
        if let State::Offline { last_words, .. } = &mut self.state {
            if last_words.has_remaining() {
                *last_words = Outbox::default();
            }
        }
    }
}

/// Stands in for the state while its contents are elsewhere, within one function.
fn nowhere() -> State {
    offline(Session::new(), Phase::Stopped)
}

/// A Server Reference names a host and perhaps a port (5.0 section 4.11).
fn target(reference: &str) -> Option<Options> {
    let with_scheme = if reference.contains("://") { reference.to_owned() } else { format!("mqtt://{reference}") };
    crate::url::parse(&with_scheme).ok()
}

/// How long the last bytes of a connection may take to leave.
const CLOSING_TIME: core::time::Duration = core::time::Duration::from_secs(5);

/// Redirects in a row before the client stops: two servers may name each other.
const MAXIMUM_REDIRECTS: u8 = 4;
