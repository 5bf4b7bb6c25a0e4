//! The life of a connection as the client sees it: begun, lost, followed by another one or by the end.

use mqtt_proto::{ClientEvent, Closed, Config, Connection, Instant, Session};

use super::connect;
use super::event::{Event, MessageId};
use super::verdict::{self, Verdict};
use super::{Client, Online, Outbox, Phase, State, Transport};
use crate::{Error, Options, alike};

impl Client {
    /// The dialled transport is open: the session moves into a connection.
    pub(super) fn begin_connection(&mut self, now: Instant) {
        let State::Offline { session, .. } = core::mem::replace(&mut self.state, nowhere()) else {
            return;
        };
        self.transport = Transport::Open;
        let config = Config { journal: self.journal, ..connect::config(&self.options) };
        let config = alike::CONFIGS.share(config);
        let packet = connect::packet(&self.options, self.credentials.as_deref(), &self.client_id, self.was_connected);
        let connection = match packet {
            Ok(packet) => Connection::connect(now, packet, config, session)
                .map_err(|rejected| (Error::from(rejected.kind().clone()), rejected.into_inner())),
            Err(error) => Err((Error::from(error), session)),
        };
        match connection {
            Ok(mut connection) => {
                connection.hold(self.is_held);
                self.state = State::Online(Online { connection, since: None, settled: false });
            }
            // `new` has encoded this packet before, so nothing but a changed client id can be wrong with it.
            Err((error, session)) => {
                self.state = State::Offline { session, phase: Phase::Stopped };
                self.abandon_transport(now);
                self.stop(error);
            }
        }
    }

    /// CONNACK has come: what the server has forgotten goes back into the queue at once, before anybody can store one without
    /// the other.
    pub(super) fn settle(&mut self, now: Instant) {
        loop {
            let State::Online(online) = &mut self.state else { return };
            if online.settled || !online.connection.is_open() {
                return;
            }
            match online.connection.poll_event() {
                Some(event) => self.translate(now, event),
                None => online.settled = true,
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
    pub(super) fn abandon_transport(&mut self, now: Instant) {
        if matches!(self.transport, Transport::Dial | Transport::Open) {
            self.transport = Transport::Closing { outbox: Box::default(), deadline: now, lingers: true };
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
        let Online { mut connection, since, .. } = online;
        self.is_connack_lost |= since.is_none() && self.written > 0 && !matches!(closed, Closed::Refused(_));
        let last_words =
            if cause.is_some() || closed == Closed::Eof { Outbox::default() } else { connection.outbox().take() };
        self.state = State::Offline { session: connection.into_session(), phase: Phase::Stopped };
        let (outbox, deadline) = (Box::new(last_words), now + CLOSING_TIME);
        self.transport = Transport::Closing { outbox, deadline, lingers: true };
        self.requeue_requests();
        if since.is_some_and(|since| now.since(since) >= self.options.backoff.stable_after) {
            self.failures = 0;
        }
        let (reason, verdict) = verdict::judge(closed, &self.options);
        self.follow(now, cause.unwrap_or(reason), verdict);
    }

    /// SUBSCRIBE and UNSUBSCRIBE without an answer go out again; the connection has forgotten them.
    fn requeue_requests(&mut self) {
        self.requests.again();
    }

    /// What comes after the end of a connection, or of the attempt at one.
    fn follow(&mut self, now: Instant, reason: Error, verdict: Verdict) {
        if self.stopped.is_some() {
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

    /// The last state. Everything unfinished fails with the reason; [`Event::Stopped`] follows when the transport is gone.
    pub(super) fn stop(&mut self, reason: Error) {
        if let State::Offline { phase, .. } = &mut self.state {
            *phase = Phase::Stopped;
        }
        let failed = |id: MessageId| Event::Published { id, result: Err(reason.clone()) };
        self.events.extend(self.queue.drain().map(failed));
        self.events.extend(self.in_flight.drain().map(failed));
        self.requeue_requests();
        while let Some(request) = self.requests.pop() {
            self.fail_request(request, reason.clone());
        }
        self.stopped = Some(Box::new(reason));
        self.finish_stopping();
    }

    pub(super) fn finish_stopping(&mut self) {
        if let (Some(reason), Transport::None, false) = (&self.stopped, &self.transport, self.said_stopped) {
            self.said_stopped = true;
            self.events.push_back(Event::Stopped(Error::clone(reason)));
        }
    }
}

/// Stands in for the state while its contents are elsewhere, within one function.
fn nowhere() -> State {
    State::Offline { session: Session::new(), phase: Phase::Stopped }
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
