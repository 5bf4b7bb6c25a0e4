//! What flows over a connection, both ways: its events, and the messages and requests that wait for it.

use mqtt_proto::{
    Acknowledged, Capability, ClientEvent, CommandError, ConnAck, Instant, QoS, ReasonCode, SubAck, Text, Token,
    UnsubAck, Version,
};

use super::event::{Acknowledgement, Event, MessageId, SubscriberId};
use super::queue::{Entry, Limits, Taken};
use super::request::Request;
use super::subscriptions::Answer;
use super::{Client, Stage, State};
use crate::Error;
use crate::store::StoredChange;

impl Client {
    /// The driver wrote bytes: QoS 0 messages among them are done, and there may be room for more.
    pub(super) fn wrote(&mut self, now: Instant) {
        let written = match &self.state {
            State::Online(online) => online.connection.outbox_written(),
            State::Offline { last_words, .. } => last_words.written(),
        };
        while let Some((end, id)) = self.unwritten.front().copied() {
            if end > written {
                break;
            }
            self.unwritten.pop_front();
            self.published(id, Ok(Acknowledgement::plain()));
        }
        self.send_queued(now);
    }

    /// From the connection's events to the client's.
    pub(super) fn translate(&mut self, now: Instant, event: ClientEvent) {
        match event {
            ClientEvent::Connected(connack) => {
                self.connected(now, &connack);
                self.events.push_back(Event::Connected(connack));
            }
            ClientEvent::Unacknowledged { token, message } => {
                let Some((id, expires)) = self.in_flight.remove(token.as_u64()) else { return };
                match message {
                    Some(message) => {
                        self.record_queued(id, &message);
                        // What was left of its time when it was sent went on passing.
                        self.queue.put_back(Limits::of(&self.options), Entry { id, message, expires });
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

    /// A connection begins.
    pub(super) fn connected(&mut self, now: Instant, connack: &ConnAck) {
        if let State::Online(online) = &mut self.state {
            (online.stage, online.since) = (Stage::Connected, now);
        }
        self.was_connected = true;
        self.may_rest = true;
        self.redirects = 0;
        if let Some(Ok(assigned)) = connack.properties().assigned_client_identifier().map(Text::try_from) {
            self.client_id = assigned.as_str().into(); // MQTT-3.1.3-7: the session is under this name
            self.record(|| StoredChange::ClientId(assigned));
        }
        // A server that lost the session, said so in a CONNACK that got lost, and resumes the one that it began then, has none
        // of our subscriptions.
        if !connack.session_present || self.is_connack_lost {
            self.requests.start_over(self.subscriptions.ids());
        }
        self.is_connack_lost = false;
    }

    fn acknowledged(&mut self, acknowledged: Acknowledged) {
        let Acknowledged { token, reason, properties } = acknowledged;
        let Some((id, _)) = self.in_flight.remove(token.as_u64()) else { return };
        let refused = reason.is_failure();
        self.published(
            id,
            if refused { Err(Error::PublishRefused(reason)) } else { Ok(Acknowledgement { reason, properties }) },
        );
    }

    fn subscribed(&mut self, token: Token, suback: SubAck) {
        let Some(Request::Subscribe(id)) = self.requests.answered(token) else { return };
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
        let Some(Request::Unsubscribe(id, _)) = self.requests.answered(token) else { return };
        let refusal = unsuback.reasons.iter().find(|reason| reason.is_failure());
        let result = match refusal {
            Some(reason) => Err(Error::UnsubscribeRefused(*reason)),
            None => Ok(unsuback.reasons.first().copied().unwrap_or(ReasonCode::SUCCESS)),
        };
        self.events.push_back(Event::Unsubscribed { id, result });
    }

    /// Sends what waits, as far as the connection takes it: requests first, then messages, each in order.
    pub(super) fn send_queued(&mut self, now: Instant) {
        if !matches!(&self.state, State::Online(online) if online.stage == Stage::Settled) {
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
                let copy = self.journal.as_ref().map(|_| message.clone());
                if let Some(message) = copy {
                    self.record_queued(id, &message);
                }
                self.events.push_back(Event::Accepted(id));
            }
            let State::Online(online) = &self.state else { return };
            if self.queue.next_qos().is_none_or(|qos| !online.connection.can_publish(qos)) {
                return;
            }
            let Some(taken) = self.queue.pop() else { return };
            if let Some(taken) = self.send_message(now, taken) {
                self.queue.unpop(taken);
                return;
            }
        }
    }

    /// Gives the message back if there is no room for it.
    #[inline]
    fn send_message(&mut self, now: Instant, taken: Taken) -> Option<Taken> {
        let (place, mut entry) = taken.split();
        if entry.expires.is_some() {
            match entry.counted_down(now) {
                Ok(counted) => entry = counted,
                Err(id) => {
                    self.record_unqueued(id);
                    self.published(id, Err(Error::Expired));
                    return None;
                }
            }
        }
        let Entry { id, message, expires } = entry;
        let State::Online(online) = &mut self.state else {
            return Some(place.with(Entry { id, message, expires }));
        };
        let qos = message.qos;
        match online.connection.publish(now, message) {
            Ok(token) => {
                if qos != QoS::AtMostOnce {
                    self.record_unqueued(id);
                }
                self.sent(id, qos, expires, token);
                None
            }
            Err(error) => match error.kind() {
                CommandError::Full | CommandError::NotConnected | CommandError::Closed => {
                    Some(place.with(Entry { id, message: error.into_inner(), expires }))
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
                let is_v5 = connection.version() == Version::V5;
                let identifiers = is_v5 && connection.limits().subscription_identifiers_available;
                // If there is none, it was given up in the meantime.
                connection.subscribe(now, self.subscriptions.packet(*id, is_v5, identifiers)?)
            }
            Request::Unsubscribe(_, packet) => connection.unsubscribe(now, (**packet).clone()),
        };
        match sent {
            Ok(token) => {
                if let Request::Subscribe(id) = &request {
                    self.subscriptions.asked(*id);
                }
                self.requests.sent(token, request);
                None
            }
            Err(CommandError::Full | CommandError::NotConnected | CommandError::Closed) => Some(request),
            Err(error) => {
                self.fail_request(request, Error::NotPossible(error));
                None
            }
        }
    }

    pub(super) fn fail_request(&mut self, request: Request, error: Error) {
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
        if !self.subscriptions.is_wanted(id) {
            return; // who gave it up does not wait for an answer
        }
        let was_answered = self.subscriptions.was_answered(id);
        self.subscriptions.remove(id);
        self.events.push_back(match was_answered {
            true => Event::SubscriptionEnded { id, refused },
            false => Event::Subscribed { id, result: Err(error) },
        });
    }

    /// A message is in the connection's outbox.
    pub(super) fn sent(&mut self, id: MessageId, qos: QoS, expires: Option<Instant>, token: Token) {
        match (&self.state, qos) {
            (State::Online(online), QoS::AtMostOnce) => {
                let end = online.connection.outbox_written() + online.connection.outbox_len() as u64;
                self.unwritten.push_back((end, id));
            }
            (_, QoS::AtMostOnce | QoS::AtLeastOnce | QoS::ExactlyOnce) => {
                self.in_flight.push(token.as_u64(), id, expires);
            }
        }
    }

    fn published(&mut self, id: MessageId, result: Result<Acknowledgement, Error>) {
        match self.ends.last_id() {
            Some(last) if result.as_ref().is_ok_and(Acknowledgement::is_plain) => {
                if id <= last {
                    self.ended.push_back(id);
                }
            }
            // Any other end is worth telling.
            Some(_) | None => self.events.push_back(Event::Published { id, result }),
        }
    }
}
