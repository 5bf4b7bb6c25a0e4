//! The life of a connection as the client sees it: begun, spoken to, lost, followed by another one or by the end.

use std::collections::VecDeque;

use bytes::Buf;
use mqtt_proto::{
    Acknowledged, Capability, ClientEvent, Closed, CommandError, Config, ConnAck, Connection, Instant, QoS, ReasonCode,
    Session, SubAck, Text, Token, UnsubAck, Version,
};

use super::connect;
use super::event::{Acknowledgement, Event, MessageId, SubscriberId};
use super::queue::{Entry, Taken};
use super::request::Request;
use super::subscriptions::Answer;
use super::verdict::{self, Verdict};
use super::{Client, Flight, Online, Outbox, Phase, State, Transport};
use crate::store::StoredChange;
use crate::{Error, Options};

impl Client {
    /// The dialled transport is open: the session moves into a connection.
    pub(super) fn begin_connection(&mut self, now: Instant) {
        let State::Offline { session, .. } = core::mem::replace(&mut self.state, nowhere()) else {
            return;
        };
        self.transport = Transport::Open;
        let connection = connect::packet(&self.options, self.client_id.clone(), self.was_connected)
            .map_err(Error::from)
            .and_then(|packet| {
                let config = Config { journal: self.journal, ..connect::config(&self.options) };
                Connection::connect(now, packet, config, session).map_err(Error::from)
            });
        match connection {
            Ok(mut connection) => {
                connection.hold(self.is_held);
                self.state = State::Online(Box::new(Online { connection, since: None, settled: false }));
            }
            // `new` has encoded this packet before, so nothing but a changed client id can be wrong with it.
            Err(error) => {
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
        self.host.clone_from(&self.options.host);
        self.port = self.options.port;
        self.follow(now, Error::Unreachable { server, cause }, Verdict::Retry);
    }

    /// Leaves a dial or a transport that is of no more use to the driver, which asks [`Client::wants_close`].
    pub(super) fn abandon_transport(&mut self, now: Instant) {
        if matches!(self.transport, Transport::Dial | Transport::Open) {
            self.transport = Transport::Closing { outbox: Outbox::default(), deadline: now };
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
        let Online { mut connection, since, .. } = *online;
        let last_words =
            if cause.is_some() || closed == Closed::Eof { Outbox::default() } else { connection.outbox().take() };
        self.state = State::Offline { session: connection.into_session(), phase: Phase::Stopped };
        self.transport = Transport::Closing { outbox: last_words, deadline: now + CLOSING_TIME };
        self.requeue_requests();
        if since.is_some_and(|since| now.since(since) >= self.options.backoff.stable_after) {
            self.failures = 0;
        }
        let (reason, verdict) = verdict::judge(closed, &self.options);
        self.follow(now, cause.unwrap_or(reason), verdict);
    }

    /// SUBSCRIBE and UNSUBSCRIBE without an answer go out again; the connection has forgotten them.
    fn requeue_requests(&mut self) {
        let mut again = VecDeque::new();
        let mut messages = std::collections::BTreeMap::new();
        for (token, flight) in core::mem::take(&mut self.in_flight) {
            match flight {
                Flight::Request(request) => again.push_back(request),
                Flight::Message(id) => {
                    messages.insert(token, Flight::Message(id));
                }
            }
        }
        self.in_flight = messages;
        self.requests.again(again);
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
                    self.host = options.host;
                    self.port = options.port;
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
        let mut requests = VecDeque::new();
        for flight in core::mem::take(&mut self.in_flight).into_values() {
            match flight {
                Flight::Message(id) => self.events.push_back(failed(id)),
                Flight::Request(request) => requests.push_back(request),
            }
        }
        self.requests.again(requests);
        while let Some(request) = self.requests.pop() {
            self.fail_request(request, reason.clone());
        }
        self.stopped = Some(reason);
        self.finish_stopping();
    }

    pub(super) fn finish_stopping(&mut self) {
        if let (Some(reason), Transport::None, false) = (&self.stopped, &self.transport, self.said_stopped) {
            self.said_stopped = true;
            self.events.push_back(Event::Stopped(reason.clone()));
        }
    }

    /// The driver wrote bytes: QoS 0 messages among them are done, and there may be room for more.
    pub(super) fn wrote(&mut self, now: Instant, bytes: u64) {
        self.written += bytes;
        while let Some((end, id)) = self.unwritten.front().copied() {
            if end > self.written {
                break;
            }
            self.unwritten.pop_front();
            self.published(id, Ok(Acknowledgement { reason: ReasonCode::SUCCESS, properties: Default::default() }));
        }
        self.send_queued(now);
    }

    /// From the connection's events to the client's.
    pub(super) fn translate(&mut self, now: Instant, event: ClientEvent) {
        match event {
            ClientEvent::Connected(connack) => self.connected(now, connack),
            ClientEvent::Unacknowledged { token, message } => {
                let Some(Flight::Message(id)) = self.in_flight.remove(&token) else { return };
                match message {
                    Some(message) => {
                        self.record_queued(id, &message);
                        self.queue.put_back(Entry::new(now, id, message));
                    }
                    // Publishing it again could deliver it twice, which QoS 2 promises never to do.
                    None => self.published(id, Err(Error::InDoubt)),
                }
            }
            ClientEvent::Message(delivery) => self.events.push_back(Event::Message(delivery)),
            ClientEvent::Acknowledged(acknowledged) => self.acknowledged(acknowledged),
            ClientEvent::Subscribed { token, suback } => self.subscribed(token, suback),
            ClientEvent::Unsubscribed { token, unsuback } => self.unsubscribed(token, &unsuback),
            ClientEvent::Auth(auth) => self.events.push_back(Event::Auth(auth)),
            // `end_connection` takes this one; it is the last.
            ClientEvent::Closed(_) => {}
        }
    }

    fn connected(&mut self, now: Instant, connack: ConnAck) {
        if let State::Online(online) = &mut self.state {
            online.since = Some(now);
        }
        self.was_connected = true;
        self.redirects = 0;
        if let Some(Ok(assigned)) = connack.properties().assigned_client_identifier().map(Text::try_from) {
            self.record(|| StoredChange::ClientId(assigned.clone()));
            self.client_id = assigned; // MQTT-3.1.3-7: the session is under this name
        }
        if !connack.session_present {
            self.requests.start_over(self.subscriptions.ids());
        }
        self.events.push_back(Event::Connected(connack));
    }

    fn acknowledged(&mut self, acknowledged: Acknowledged) {
        let Acknowledged { token, reason, properties } = acknowledged;
        let Some(Flight::Message(id)) = self.in_flight.remove(&token) else { return };
        let refused = reason.is_failure();
        self.published(
            id,
            if refused { Err(Error::PublishRefused(reason)) } else { Ok(Acknowledgement { reason, properties }) },
        );
    }

    fn subscribed(&mut self, token: Token, suback: SubAck) {
        let Some(Flight::Request(Request::Subscribe(id))) = self.in_flight.remove(&token) else { return };
        let result = match self.subscriptions.answer(id, &suback.reasons) {
            Answer::First { over: false } => Ok(suback.reasons),
            Answer::First { over: true } => {
                Err(Error::SubscribeRefused(suback.reasons.first().copied().unwrap_or(ReasonCode::UNSPECIFIED_ERROR)))
            }
            Answer::Later { refused: Some(reason) } => {
                self.events.push_back(Event::SubscriptionEnded { id, refused: Some(reason) });
                return;
            }
            Answer::Later { refused: None } | Answer::Unwanted => return,
        };
        self.events.push_back(Event::Subscribed { id, result });
    }

    fn unsubscribed(&mut self, token: Token, unsuback: &UnsubAck) {
        let Some(Flight::Request(Request::Unsubscribe(id, _))) = self.in_flight.remove(&token) else { return };
        let refusal = unsuback.reasons.iter().find(|reason| reason.is_failure());
        let result = match refusal {
            Some(reason) => Err(Error::UnsubscribeRefused(*reason)),
            None => Ok(unsuback.reasons.first().copied().unwrap_or(ReasonCode::SUCCESS)),
        };
        self.events.push_back(Event::Unsubscribed { id, result });
    }

    /// Sends what waits, as far as the connection takes it: requests first, then messages, each in order.
    pub(super) fn send_queued(&mut self, now: Instant) {
        if !matches!(&self.state, State::Online(online) if online.settled) {
            return;
        }
        while let Some(request) = self.requests.pop() {
            if let Some(request) = self.send_request(now, request) {
                self.requests.unpop(request);
                return;
            }
        }
        loop {
            while let Some((id, message)) = self.queue.accept_next() {
                let copy = self.journal.then(|| message.clone());
                if let Some(message) = copy {
                    self.record_queued(id, &message);
                }
                self.events.push_back(Event::Accepted(id));
            }
            let Some(taken) = self.queue.pop() else { return };
            if let Some(taken) = self.send_message(now, taken) {
                self.queue.unpop(taken);
                return;
            }
        }
    }

    /// Gives the message back if there is no room for it.
    fn send_message(&mut self, now: Instant, taken: Taken) -> Option<Taken> {
        let (place, entry) = taken.split();
        let Entry { id, message, expires } = match entry.counted_down(now) {
            Ok(entry) => entry,
            Err(id) => {
                self.record_unqueued(id);
                self.published(id, Err(Error::Expired));
                return None;
            }
        };
        let State::Online(online) = &mut self.state else {
            return Some(place.with(Entry { id, message, expires }));
        };
        let qos = message.qos;
        match online.connection.publish(now, message) {
            Ok(_) if qos == QoS::AtMostOnce => {
                let end = self.written + online.connection.outbox().remaining() as u64;
                self.unwritten.push_back((end, id));
                None
            }
            Ok(token) => {
                self.record_unqueued(id);
                self.in_flight.insert(token, Flight::Message(id));
                None
            }
            Err(error) => match error.kind() {
                CommandError::Full | CommandError::NotConnected | CommandError::Closed => {
                    Some(place.with(Entry { id, message: error.into_message(), expires }))
                }
                kind => {
                    let error = Error::NotPossible(kind.clone());
                    self.record_unqueued(id);
                    self.published(id, Err(error));
                    None
                }
            },
        }
    }

    /// Gives the request back if there is no room for it.
    fn send_request(&mut self, now: Instant, request: Request) -> Option<Request> {
        let State::Online(online) = &mut self.state else { return Some(request) };
        let connection = &mut online.connection;
        let sent = match &request {
            Request::Subscribe(id) => {
                let identifiers =
                    connection.version() == Version::V5 && connection.limits().subscription_identifiers_available;
                // If there is none, it was given up in the meantime.
                connection.subscribe(now, self.subscriptions.packet(*id, identifiers)?)
            }
            Request::Unsubscribe(_, packet) => connection.unsubscribe(now, (**packet).clone()),
        };
        match sent {
            Ok(token) => {
                self.in_flight.insert(token, Flight::Request(request));
                None
            }
            Err(CommandError::Full | CommandError::NotConnected | CommandError::Closed) => Some(request),
            Err(error) => {
                self.fail_request(request, Error::NotPossible(error));
                None
            }
        }
    }

    fn fail_request(&mut self, request: Request, error: Error) {
        match request {
            Request::Subscribe(id) => self.fail_subscription(id, error),
            Request::Unsubscribe(id, _) => self.events.push_back(Event::Unsubscribed { id, result: Err(error) }),
        }
    }

    fn fail_subscription(&mut self, id: SubscriberId, error: Error) {
        let refused = match &error {
            Error::NotPossible(CommandError::NotAvailable(Capability::SharedSubscription)) => {
                Some(ReasonCode::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED)
            }
            Error::NotPossible(CommandError::NotAvailable(Capability::WildcardSubscription)) => {
                Some(ReasonCode::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED)
            }
            _ => None,
        };
        let was_answered = self.subscriptions.was_answered(id);
        self.subscriptions.remove(id);
        self.events.push_back(match was_answered {
            true => Event::SubscriptionEnded { id, refused },
            false => Event::Subscribed { id, result: Err(error) },
        });
    }

    fn published(&mut self, id: MessageId, result: Result<Acknowledgement, Error>) {
        self.events.push_back(Event::Published { id, result });
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
